//! Finds the route of a request.
//!
//! A route that fits the whole path goes before a greedy one, and that before `$default`; among those that fit, what is
//! written out goes before a variable, and a method before ANY.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html>

use ropeway_wire::gateway::payload;

use crate::model::Texts;
use crate::v2::model::{DEFAULT, Definition};

/// Parts of a path that are looked at: a request has no more in 10 KB of headers.
const MOST_PARTS: usize = 1024;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Exact(String),
    Variable(String),
    /// All that is left: at least one part.
    Greedy(String),
}

impl Part {
    fn rank(&self) -> u8 {
        match self {
            Part::Exact(_) => 0,
            Part::Variable(_) => 1,
            Part::Greedy(_) => 2,
        }
    }
}

#[derive(Debug)]
struct Compiled {
    /// `None`: any.
    method: Option<String>,
    parts: Vec<Part>,
    id: String,
}

impl Compiled {
    /// By what routes are sorted: the first that fits is the one.
    fn order(&self) -> (bool, Vec<u8>, bool) {
        let greedy = matches!(self.parts.last(), Some(Part::Greedy(_)));
        (greedy, self.parts.iter().map(Part::rank).collect(), self.method.is_none())
    }
}

/// The routes of a deployment.
#[derive(Debug, Default)]
pub struct Routes {
    sorted: Vec<Compiled>,
    default: Option<String>,
}

/// A route that fits.
#[derive(Debug, PartialEq, Eq)]
pub struct Found<'r> {
    /// Its id.
    pub id: &'r str,
    /// What its variables stand for, decoded.
    pub values: Texts,
}

fn compiled(key: &str, id: &str) -> Option<Compiled> {
    let (method, path) = key.split_once(' ')?;
    let part = |part: &str| match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
        None => Part::Exact(part.to_owned()),
        Some(name) => match name.strip_suffix('+') {
            None => Part::Variable(name.to_owned()),
            Some(name) => Part::Greedy(name.to_owned()),
        },
    };
    let parts = path.split('/').skip(1).map(part).collect();
    Some(Compiled { method: (method != "ANY").then(|| method.to_owned()), parts, id: id.to_owned() })
}

/// What the variables stand for, if the parts fit the path.
fn fit(parts: &[Part], path: &[String]) -> Option<Texts> {
    let mut values = Texts::new();
    let mut rest = path;
    for part in parts {
        let (first, more) = rest.split_first()?;
        match part {
            Part::Exact(text) if text == first => {}
            Part::Exact(_) => return None,
            Part::Variable(_) if first.is_empty() => return None,
            Part::Variable(name) => {
                values.insert(name.clone(), first.clone());
            }
            Part::Greedy(name) => {
                let all = rest.join("/");
                return (!all.is_empty()).then(|| {
                    values.insert(name.clone(), all);
                    values
                });
            }
        }
        rest = more;
    }
    rest.is_empty().then_some(values)
}

impl Routes {
    /// The routes of a definition.
    pub fn new(definition: &Definition) -> Self {
        Self::of(definition.routes.iter().map(|(id, route)| (route.key.as_str(), id.as_str())))
    }

    fn of<'k>(keys: impl Iterator<Item = (&'k str, &'k str)>) -> Self {
        let mut routes = Routes::default();
        for (key, id) in keys {
            match key == DEFAULT {
                true => routes.default = Some(id.to_owned()),
                false => routes.sorted.extend(compiled(key, id)),
            }
        }
        routes.sorted.sort_by_cached_key(Compiled::order);
        routes
    }

    /// The route of a method and a path, percent-encoded.
    pub fn find(&self, method: &str, path: &str) -> Option<Found<'_>> {
        let path = path.strip_prefix('/').unwrap_or(path);
        let parts: Vec<String> = path.split('/').map(payload::decoded).collect();
        if parts.len() > MOST_PARTS {
            return None;
        }
        let of_method = |route: &&Compiled| route.method.as_ref().is_none_or(|one| one == method);
        let mut fitting = self.sorted.iter().filter(of_method);
        let found =
            fitting.find_map(|route| fit(&route.parts, &parts).map(|values| Found { id: &route.id, values }));
        found.or_else(|| Some(Found { id: self.default.as_deref()?, values: Texts::new() }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn find(keys: &[&str], method: &str, path: &str) -> Option<String> {
        let routes = Routes::of(keys.iter().map(|key| (*key, *key)));
        routes.find(method, path).map(|found| found.id.to_owned())
    }

    /// The example of the developer guide.
    #[test]
    fn the_most_specific_route_is_taken() {
        let keys =
            ["GET /pets/dog/1", "GET /pets/dog/{id}", "GET /pets/{proxy+}", "ANY /{proxy+}", "$default"];
        for (method, path, key) in [
            ("GET", "/pets/dog/1", "GET /pets/dog/1"),
            ("GET", "/pets/dog/2", "GET /pets/dog/{id}"),
            ("GET", "/pets/cat/1", "GET /pets/{proxy+}"),
            ("POST", "/test/5", "ANY /{proxy+}"),
            ("GET", "/", "$default"),
        ] {
            assert_eq!(find(&keys, method, path).as_deref(), Some(key), "{method} {path}");
        }
        assert_eq!(find(&["GET /a"], "POST", "/a"), None);
        assert_eq!(find(&["GET /a"], "GET", "/a/"), None);
        assert_eq!(find(&["ANY /a", "GET /a"], "GET", "/a").as_deref(), Some("GET /a"));
        // A whole fit goes before a greedy one that begins more closely.
        assert_eq!(find(&["GET /a/{p+}", "GET /{x}/b"], "GET", "/a/b").as_deref(), Some("GET /{x}/b"));
        let routes = Routes::of([("GET /{a}/{b+}", "r")].into_iter());
        let found = routes.find("GET", "/x%20y/1/%C3%A4").map(|found| found.values);
        let values = [("a", "x y"), ("b", "1/ä")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(found, Some(Texts::from(values)));
    }

    /// The model: a pattern for each route, and the closest of those that match the whole text.
    fn model(keys: &[String], method: &str, path: &str) -> Option<String> {
        let closeness = |key: &String| {
            if key == DEFAULT {
                return Some((3, String::new(), 0));
            }
            let (verb, route) = key.split_once(' ').unwrap();
            let pattern = route.replace("{p+}", "(.+)").replace("{x}", "([^/]+)");
            let matches = regex::Regex::new(&format!("^{pattern}$")).unwrap().is_match(path);
            let greedy = i32::from(route.contains('+'));
            // Letters sort before a brace, and a shorter name of a variable before a greedy one.
            let written = route.replace("{p+}", "~~").replace("{x}", "~");
            (matches && (verb == "ANY" || verb == method)).then_some((
                greedy,
                written.replace('/', " "),
                i32::from(verb == "ANY"),
            ))
        };
        keys.iter().filter_map(|key| Some((closeness(key)?, key))).min().map(|(_, key)| key.clone())
    }

    fn keys() -> impl Strategy<Value = Vec<String>> {
        let part = prop::sample::select(vec!["a", "b", "{x}"]);
        let verb = prop::sample::select(vec!["GET", "POST", "ANY"]);
        let route =
            (verb, prop::collection::vec(part, 0..4), any::<bool>()).prop_map(|(verb, parts, greedy)| {
                let tail = if greedy { "/{p+}" } else { "" };
                format!("{verb} {}", format!("/{}{tail}", parts.join("/")).replace("//", "/"))
            });
        let routes = prop::collection::btree_set(route, 0..8);
        (routes, any::<bool>()).prop_map(|(routes, default)| {
            routes.into_iter().chain(default.then(|| DEFAULT.to_owned())).collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn routes_are_found_as_the_model_finds_them(
            keys in keys(),
            method in prop::sample::select(vec!["GET", "POST", "PUT"]),
            path in prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 0..5),
        ) {
            let path = format!("/{}", path.join("/"));
            let routes = Routes::of(keys.iter().map(|key| (key.as_str(), key.as_str())));
            let found = routes.find(method, &path).map(|found| found.id.to_owned());
            prop_assert_eq!(found, model(&keys, method, &path));
        }

        #[test]
        fn any_path_is_taken(path in "\\PC{0,80}") {
            Routes::of([("GET /{x}/b", "1"), ("ANY /{p+}", "2")].into_iter()).find("GET", &path);
        }
    }
}
