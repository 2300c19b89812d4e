//! Addresses: which stage a request is for, by its host or by its path.

use crate::model::Domain;

/// Between an API's id and its region, in its host.
pub const LABEL: &str = ".execute-api.";
/// Before an API's id, in a path.
const PATH: &str = "/restapis/";
/// Between the stage and the path behind it, in a path.
const USER: &str = "_user_request_";

/// Where a request leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The API's id.
    pub id: String,
    /// The stage's name.
    pub stage: String,
    /// The path behind the stage, percent-encoded, with its slash.
    pub path: String,
    /// The base path that led there, of a custom domain name; empty for `(none)`.
    pub base: Option<String>,
}

/// The first part of a path, and the rest with its slash.
fn first(path: &str) -> (String, String) {
    let path = path.strip_prefix('/').unwrap_or(path);
    let (part, rest) = path.split_once('/').unwrap_or((path, ""));
    (part.to_owned(), format!("/{rest}"))
}

/// The address of an API's own host, or of a path in the form that says it all.
pub fn own(host: &str, path: &str) -> Option<Address> {
    if let Some((id, _)) = host.split_once(LABEL) {
        let (stage, path) = first(path);
        return Some(Address { id: id.to_owned(), stage, path, base: None });
    }
    let (id, rest) = path.strip_prefix(PATH)?.split_once('/')?;
    let (stage, rest) = rest.split_once('/')?;
    let path = Some(rest.strip_prefix(USER)?).filter(|path| !path.is_empty()).unwrap_or("/");
    let address =
        || Address { id: id.to_owned(), stage: stage.to_owned(), path: path.to_owned(), base: None };
    path.starts_with('/').then(address)
}

/// What a custom domain name serves at a path: that of the longest base path which it begins with
/// (<https://docs.aws.amazon.com/apigateway/latest/developerguide/rest-api-mappings.html>). Where the mapping names no
/// stage, the path does.
pub fn mapped(domain: &Domain, path: &str) -> Option<Address> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let behind = |base: &str| match base.is_empty() {
        true => Some(path),
        false => path.strip_prefix(base).filter(|rest| rest.is_empty() || rest.starts_with('/')),
    };
    let found = domain.mappings.iter().filter_map(|(base, mapping)| Some((base, mapping, behind(base)?)));
    let (base, mapping, rest) = found.max_by_key(|(base, ..)| base.len())?;
    let rest = format!("/{}", rest.strip_prefix('/').unwrap_or(rest));
    let (stage, path) = match &mapping.stage {
        Some(stage) => (stage.clone(), rest),
        None => first(&rest),
    };
    Some(Address { id: mapping.api.clone(), stage, path, base: Some(base.clone()) })
}

#[cfg(test)]
mod tests {
    use ropeway_core::Time;
    use ropeway_core::keys::Scope;

    use super::*;
    use crate::model::Mapping;

    fn some(id: &str, stage: &str, path: &str, base: Option<&str>) -> Option<Address> {
        let (id, stage, path) = (id.to_owned(), stage.to_owned(), path.to_owned());
        Some(Address { id, stage, path, base: base.map(str::to_owned) })
    }

    #[test]
    fn stages_come_by_host_and_by_path() {
        let some = |id, stage, path| some(id, stage, path, None);
        let host = "abc.execute-api.eu-west-1.localhost";
        assert_eq!(own(host, "/dev/a/b"), some("abc", "dev", "/a/b"));
        assert_eq!(own(host, "/dev"), some("abc", "dev", "/"));
        assert_eq!(own(host, "/"), some("abc", "", "/"));
        assert_eq!(own("127.0.0.1", "/restapis/abc/dev/_user_request_/a"), some("abc", "dev", "/a"));
        assert_eq!(own("127.0.0.1", "/restapis/abc/dev/_user_request_"), some("abc", "dev", "/"));
        assert_eq!(own("127.0.0.1", "/restapis/abc/stages/dev"), None);
        assert_eq!(own("127.0.0.1", "/restapis/abc/dev/_user_request_x"), None);
    }

    #[test]
    fn the_longest_base_path_leads() {
        let mapping = |api: &str, stage: Option<&str>| Mapping {
            id: String::new(),
            api: api.to_owned(),
            stage: stage.map(str::to_owned),
        };
        let mut domain = Domain {
            name: "api.example.com".to_owned(),
            scope: Scope::new("000000000000", "us-east-1"),
            id: String::new(),
            endpoint_type: "REGIONAL".to_owned(),
            ip_address_type: "ipv4".to_owned(),
            certificate: String::new(),
            certificate_name: None,
            certified: Time(0),
            tags: Default::default(),
            mappings: Default::default(),
        };
        domain.mappings.insert("v1".to_owned(), mapping("a", Some("dev")));
        domain.mappings.insert("v1/x".to_owned(), mapping("b", None));
        assert_eq!(mapped(&domain, "/v1/pets/1"), some("a", "dev", "/pets/1", Some("v1")));
        assert_eq!(mapped(&domain, "/v1"), some("a", "dev", "/", Some("v1")));
        assert_eq!(mapped(&domain, "/v1/"), some("a", "dev", "/", Some("v1")));
        assert_eq!(mapped(&domain, "/v1/x/prod/y"), some("b", "prod", "/y", Some("v1/x")));
        assert_eq!(mapped(&domain, "/v1x"), None);
        assert_eq!(mapped(&domain, "/"), None);
        domain.mappings.insert(String::new(), mapping("c", Some("s")));
        assert_eq!(mapped(&domain, "/v1x"), some("c", "s", "/v1x", Some("")));
        assert_eq!(mapped(&domain, "/v1/pets"), some("a", "dev", "/pets", Some("v1")));
    }
}
