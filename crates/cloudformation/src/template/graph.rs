//! Order among things that depend on each other.

use std::collections::{BTreeMap, BTreeSet};

/// Every node with the nodes that it depends on. Each dependency must itself be a node.
pub(crate) type Graph<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

/// The nodes such that each follows all that it depends on, in alphabetical order where that leaves
/// a choice. If there are cycles: the nodes that lie on them, or between two of them, in order.
pub(crate) fn order<'a>(graph: &Graph<'a>) -> Result<Vec<&'a str>, Vec<&'a str>> {
    let mut dependents: Graph<'a> = graph.keys().map(|node| (*node, BTreeSet::new())).collect();
    for (node, needs) in graph {
        for need in needs {
            dependents.entry(need).or_default().insert(node);
        }
    }
    let done = peel(graph, &dependents);
    if done.len() == graph.len() {
        return Ok(done);
    }
    // What is left is on a cycle or hangs from one; peeling from the other end takes the latter off.
    let sorted: BTreeSet<&str> = done.into_iter().collect();
    let within = |edges: &Graph<'a>| -> Graph<'a> {
        let left = edges.iter().filter(|(node, _)| !sorted.contains(*node));
        left.map(|(node, to)| (*node, to.difference(&sorted).copied().collect())).collect()
    };
    let (needs, dependents) = (within(graph), within(&dependents));
    let hanging: BTreeSet<&str> = peel(&dependents, &needs).into_iter().collect();
    Err(needs.keys().filter(|node| !hanging.contains(*node)).copied().collect())
}

/// Takes off nodes that need nothing more, again and again.
fn peel<'a>(needs: &Graph<'a>, dependents: &Graph<'a>) -> Vec<&'a str> {
    let mut open: BTreeMap<&str, usize> = needs.iter().map(|(node, needs)| (*node, needs.len())).collect();
    let mut ready: BTreeSet<&'a str> =
        needs.iter().filter(|(_, needs)| needs.is_empty()).map(|(node, _)| *node).collect();
    let mut done = Vec::new();
    while let Some(node) = ready.pop_first() {
        done.push(node);
        for dependent in dependents.get(node).into_iter().flatten() {
            if let Some(count) = open.get_mut(dependent) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    ready.insert(dependent);
                }
            }
        }
    }
    done
}
