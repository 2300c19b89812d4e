//! Properties: no text panics, and order respects dependencies exactly when there is no cycle.

mod template_support;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use ropeway_cloudformation::template::{Evaluation, Template, check, parse};
use template_support::{TYPES, World, environment, values};

/// Everything that is done with a body, whatever it says.
fn exercise(body: &str) {
    let Ok(template) = Template::parse(body) else { return };
    let _ = check(&template, &TYPES);
    let Ok(evaluation) = Evaluation::new(&template, environment(), &values(&[])) else { return };
    let world = World::with(&["A", "B"]);
    for id in evaluation.creation_order() {
        let _ = evaluation.properties(id, &world);
    }
    let _ = evaluation.outputs(&world);
}

/// Fragments of templates, so that random texts reach past the parser.
fn fragments() -> impl Strategy<Value = String> {
    let fragment = prop::sample::select(vec![
        "Resources:\n",
        "  A: {Type: T, Properties: {P: ",
        "}}\n",
        "  B:\n",
        "    Type: AWS::SQS::Queue\n",
        "!Ref ",
        "!Sub ",
        "!GetAtt ",
        "A.Arn",
        "'${A}'",
        "${",
        "}",
        "{",
        "[",
        "]",
        ", ",
        ": ",
        "\n",
        "  ",
        "- ",
        "&a ",
        "*a",
        "<<: ",
        "!If ",
        "!Join ['', [a]]",
        "!Select [0, [a]]",
        "!Cidr [10.0.0.0/8, 3, 4]",
        "Conditions:\n  C: ",
        "!Equals [a, a]\n",
        "Parameters:\n  X: {Type: String, Default: x}\n",
        "Outputs:\n  O: {Value: ",
        "|\n",
        ">-\n",
        "\"",
        "'",
        "#",
        "%TAG ! x\n",
        "---\n",
        "? ",
        "\t",
        "\u{feff}",
        "\u{85}",
        "{{resolve:ssm:x}}",
        "'Fn::Sub': ",
        "0",
        "yes",
        "~",
    ]);
    prop::collection::vec(fragment, 0..40).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn no_text_panics(body in ".{0,400}", suffix in "(?s).{0,100}") {
        let _ = parse(&body);
        exercise(&format!("Resources: {{A: {{Type: T, Properties: {{P: {body}}}}}}}\n{suffix}"));
        exercise(&format!("{{\"Resources\": {{\"A\": {{\"Type\": \"T\", \"Properties\": {{\"P\": {body}}}}}}}}}{suffix}"));
    }

    #[test]
    fn no_mixture_of_fragments_panics(body in fragments()) {
        exercise(&body);
        exercise(&format!("Resources:\n  A:\n    Type: AWS::SQS::Queue\n    Properties:\n      QueueName: {body}\n"));
    }

    #[test]
    fn json_numbers_and_strings_survive(number in "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,5})?", text in any::<String>()) {
        let body = serde_json::json!({"t": text}).to_string().replacen('{', &format!("{{\"n\": {number}, "), 1);
        prop_assert_eq!(parse(&body).unwrap().to_json().to_string(), serde_json::from_str::<serde_json::Value>(&body).unwrap().to_string());
    }

    #[test]
    fn order_respects_dependencies_and_cycles_are_found_iff_they_exist(
        edges in prop::collection::vec((0_usize..12, 0_usize..12, 0_u8..4), 0..20)
    ) {
        let mut needs: BTreeMap<usize, BTreeSet<usize>> = (0..12).map(|node| (node, BTreeSet::new())).collect();
        let mut declared: BTreeMap<usize, (Vec<String>, Vec<String>)> = BTreeMap::new();
        for (from, to, how) in edges {
            needs.get_mut(&from).unwrap().insert(to);
            let (depends, properties) = declared.entry(from).or_default();
            match how {
                0 => depends.push(format!("R{to}")),
                1 => properties.push(format!("!Ref R{to}")),
                2 => properties.push(format!("!GetAtt R{to}.Arn")),
                _ => properties.push(format!("!Sub 'x${{R{to}}}'")),
            }
        }
        let mut body = "Resources:\n".to_owned();
        for node in 0..12 {
            let (depends, properties) = declared.remove(&node).unwrap_or_default();
            body.push_str(&format!("  R{node}: {{Type: T, DependsOn: [{}], Properties: {{P: [{}]}}}}\n", depends.join(", "), properties.join(", ")));
        }
        let template = Template::parse(&body).unwrap();
        match Evaluation::new(&template, environment(), &values(&[])) {
            Ok(evaluation) => {
                let order = evaluation.creation_order();
                prop_assert_eq!(order.len(), 12);
                let position = |node: usize| order.iter().position(|id| *id == format!("R{node}")).unwrap();
                for (from, to) in needs.iter().flat_map(|(from, to)| to.iter().map(move |to| (*from, *to))) {
                    prop_assert!(position(to) < position(from));
                }
            }
            Err(error) => {
                let cycle = error.message().strip_prefix("Circular dependency between resources: [").unwrap();
                let cycle: BTreeSet<usize> = cycle.trim_end_matches(']').split(", ").map(|id| id[1..].parse().unwrap()).collect();
                prop_assert!(!cycle.is_empty());
                // Every named resource needs another named one, so following them never ends: a cycle exists.
                for node in &cycle {
                    prop_assert!(needs[node].iter().any(|need| cycle.contains(need)));
                }
            }
        }
    }
}
