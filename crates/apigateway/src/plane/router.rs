//! Finds the resource of a path: what is written out goes before a variable, and that before a greedy one.

use std::collections::BTreeMap;

use crate::model::{Definition, Texts};

/// Parts of a path that are looked at: a request has no more in 10 KB of headers.
const MOST_PARTS: usize = 1024;

#[derive(Debug, Default)]
struct Node {
    /// The resource that ends here, if it has methods.
    resource: Option<String>,
    exact: BTreeMap<String, Node>,
    variable: Option<(String, Box<Node>)>,
    /// The name of a greedy variable, and its resource.
    greedy: Option<(String, String)>,
}

/// The resources of a deployment that have methods, by their paths.
#[derive(Debug, Default)]
pub struct Router {
    root: Node,
}

impl Router {
    /// A router of a definition's resources.
    pub fn new(definition: &Definition) -> Router {
        let mut router = Router::default();
        let with_methods = definition.resources.iter().filter(|(_, resource)| !resource.methods.is_empty());
        for (id, _) in with_methods {
            router.add(&definition.path(id), id);
        }
        router
    }

    /// Adds a path: parts, `{variables}`, and a `{greedy+}` one as the last.
    pub fn add(&mut self, path: &str, id: &str) {
        let mut node = &mut self.root;
        for part in path.split('/').filter(|part| !part.is_empty()) {
            let name = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
            match name {
                Some(name) => match name.strip_suffix('+') {
                    Some(name) => {
                        node.greedy = Some((name.to_owned(), id.to_owned()));
                        return;
                    }
                    None => {
                        let (_, next) =
                            node.variable.get_or_insert_with(|| (name.to_owned(), Box::default()));
                        node = next;
                    }
                },
                None => node = node.exact.entry(part.to_owned()).or_default(),
            }
        }
        node.resource = Some(id.to_owned());
    }

    /// The resource of a path, and the values of its variables, as they are in the path. One slash at the end
    /// does not count.
    pub fn find(&self, path: &str) -> Option<(&str, Texts)> {
        let path = path.strip_prefix('/').unwrap_or(path);
        let path = path.strip_suffix('/').unwrap_or(path);
        let parts: Vec<&str> = if path.is_empty() { Vec::new() } else { path.split('/').collect() };
        if parts.len() > MOST_PARTS {
            return None;
        }
        let mut values = Vec::new();
        let found = self.root.find(&parts, &mut values)?;
        Some((found, values.into_iter().collect()))
    }
}

impl Node {
    fn find<'n>(&'n self, parts: &[&str], values: &mut Vec<(String, String)>) -> Option<&'n str> {
        let Some((part, rest)) = parts.split_first() else { return self.resource.as_deref() };
        let exact = self.exact.get(*part).and_then(|next| next.find(rest, values));
        if exact.is_some() {
            return exact;
        }
        if let Some((name, next)) = self.variable.as_ref().filter(|_| !part.is_empty()) {
            let before = values.len();
            values.push((name.clone(), (*part).to_owned()));
            if let Some(found) = next.find(rest, values) {
                return Some(found);
            }
            values.truncate(before);
        }
        let (name, id) = self.greedy.as_ref()?;
        values.push((name.clone(), parts.join("/")));
        Some(id)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// How closely each part of a route fits: 0 is written out, 1 a variable, 2 greedy; `None` if it does not.
    fn fit(route: &str, path: &[&str]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let mut rest = path;
        for part in route.split('/').filter(|part| !part.is_empty()) {
            if part.ends_with("+}") {
                out.push(2);
                return (!rest.is_empty()).then_some(out);
            }
            let (first, more) = rest.split_first()?;
            match part.starts_with('{') {
                true => out.push(1),
                false if part == *first => out.push(0),
                false => return None,
            }
            rest = more;
        }
        rest.is_empty().then_some(out)
    }

    fn routes() -> impl Strategy<Value = Vec<String>> {
        let part = prop::sample::select(vec!["a", "b", "{x}"]);
        let route = (prop::collection::vec(part, 0..4), any::<bool>()).prop_map(|(parts, greedy)| {
            let tail = if greedy { "/{p+}" } else { "" };
            format!("/{}{tail}", parts.join("/")).replace("//", "/")
        });
        prop::collection::vec(route, 1..8)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_closest_route_is_found(
            routes in routes(),
            path in prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 0..5),
            slash in any::<bool>(),
        ) {
            let mut router = Router::default();
            for route in &routes {
                router.add(route, route);
            }
            let closest = routes.iter().filter_map(|route| Some((fit(route, &path)?, route))).min();
            let text = format!("/{}{}", path.join("/"), if slash && !path.is_empty() { "/" } else { "" });
            let found = router.find(&text);
            prop_assert_eq!(found.as_ref().map(|(id, _)| *id), closest.map(|(_, route)| route.as_str()));
            // What the variables stand for makes the path again.
            let whole = |(id, values): &(&str, Texts)| values.len() == id.matches('{').count();
            if let Some((id, values)) = found.filter(whole) {
                let mut filled = id.to_owned();
                for (name, value) in values {
                    filled = filled.replace(&format!("{{{name}+}}"), &value).replace(&format!("{{{name}}}"), &value);
                }
                prop_assert_eq!(filled, format!("/{}", path.join("/")));
            }
        }

        #[test]
        fn any_path_is_taken(path in "\\PC{0,80}") {
            let mut router = Router::default();
            for route in ["/", "/a", "/{x}/b", "/{p+}"] {
                router.add(route, route);
            }
            router.find(&path);
        }
    }
}
