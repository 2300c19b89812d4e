//! Custom domain names, and what they serve.

use std::collections::BTreeMap;

use ropeway_core::keys::{Scope, read_text};
use ropeway_core::{Fault, Tx, directory};
use ropeway_wire::Error;
use serde::{Deserialize, Serialize};

use super::{Moment, Output};
use crate::errors::{bad, conflict, limit, no_domain, no_mapping, unimplemented};
use crate::live::Live;
use crate::model::{Domain, Mapping, Texts};
use crate::patch::Patch;
use crate::{keys, rows};

/// Mappings of a domain name: <https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html>.
const MOST_MAPPINGS: usize = 200;
/// Characters of a base path (same source: 300 of a mapping's path).
const LONGEST: usize = 300;
/// Why a domain name's endpoint is regional: its mappings have more levels than one, or name an HTTP API.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/rest-api-mappings.html>
pub const REGIONAL: &str =
    "API mappings of more than one level, and those of HTTP APIs, need a regional domain name";
/// Rows that are read at once when a shard starts.
const PAGE: usize = 500;

/// A change of a custom domain name. New variants come last.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum DomainChange {
    /// Makes it.
    Create(Box<Domain>),
    /// Reads it.
    Read,
    /// Patches it.
    Patch(Vec<Patch>),
    /// Removes it, and its mappings with it.
    Delete,
    /// Adds and removes tags.
    Tags(Texts, Vec<String>),
    /// Makes a mapping of a base path.
    Map(String, Mapping),
    /// Removes the mapping of a base path.
    Unmap(String),
    /// Puts a mapping, under a base path, in the place of that of another one, or of its own.
    Remap(String, String, Mapping),
}

pub async fn apply(
    tx: &mut Tx,
    live: &Live,
    scope: &Scope,
    name: &str,
    change: DomainChange,
) -> Result<Output, Error> {
    let found: Option<Domain> = rows::read(tx, &keys::domain(name)).await?;
    let list = keys::domain_list(&scope.account, &scope.region);
    let mut domain = match (change, found) {
        (DomainChange::Create(_), Some(_)) => {
            return Err(bad("The domain name you provided already exists."));
        }
        (DomainChange::Create(domain), None) => {
            directory::add_with(tx, &list, name, &[])?;
            *domain
        }
        // Another account's name is as good as none.
        (change, found) => {
            let domain = found.filter(|domain| domain.scope == *scope).ok_or_else(no_domain)?;
            match change {
                DomainChange::Read => return Ok(Output::Domain(Box::new(domain))),
                DomainChange::Delete => {
                    rows::remove(tx, &keys::domain(name), PAGE).await?;
                    directory::remove_with(tx, &list, name)?;
                    know(tx, live, name, None);
                    return Ok(Output::Domain(Box::new(domain)));
                }
                change => changed(domain, change, &Moment { now: tx.now(), ids: tx.ids() })?,
            }
        }
    };
    if domain.id.is_empty() {
        domain.id = Moment { now: tx.now(), ids: tx.ids() }.id(10);
    }
    rows::write(tx, &keys::domain(name), &domain).await?;
    know(tx, live, name, Some(domain.clone()));
    Ok(Output::Domain(Box::new(domain)))
}

/// Has the data plane know the name once the change is durable.
fn know(tx: &mut Tx, live: &Live, name: &str, domain: Option<Domain>) {
    let (live, name) = (live.clone(), name.to_owned());
    tx.after_commit(move || live.know(&name, domain));
}

/// Has the data plane know the names of a shard that starts.
pub async fn load(tx: &mut Tx, live: &Live) -> Result<(), Fault> {
    let prefix = keys::domains();
    let mut names = BTreeMap::new();
    let mut after = None;
    loop {
        let page = tx.scan_prefix(&prefix, after.as_ref(), PAGE).await?;
        for (key, _) in &page.rows {
            let name = key.get(prefix.len()..).and_then(read_text);
            names.insert(name.ok_or_else(|| Fault::Damaged("the key of a domain name".to_owned()))?.0, ());
        }
        after = page.rows.last().map(|(key, _)| key.clone());
        if !page.more {
            break;
        }
    }
    for name in names.into_keys() {
        live.know(&name, rows::read(tx, &keys::domain(&name)).await?);
    }
    Ok(())
}

fn changed(mut domain: Domain, change: DomainChange, moment: &Moment<'_>) -> Result<Domain, Error> {
    match change {
        DomainChange::Patch(patches) => {
            patches.iter().try_for_each(|patch| patched(&mut domain, patch, moment))?;
            check_levels(&domain)?;
        }
        DomainChange::Tags(add, gone) => {
            domain.tags.extend(add);
            domain.tags.retain(|key, _| !gone.contains(key));
            if domain.tags.len() > super::MAX_TAGS {
                return Err(bad(format!("The number of tags exceeds the limit of {}", super::MAX_TAGS)));
            }
        }
        DomainChange::Map(path, mapping) => {
            if domain.mappings.len() >= MOST_MAPPINGS {
                return Err(limit(format!("A domain name has at most {MOST_MAPPINGS} base path mappings")));
            }
            insert(&mut domain, path, mapping, moment)?;
        }
        DomainChange::Unmap(path) => drop(domain.mappings.remove(&path).ok_or_else(no_mapping)?),
        DomainChange::Remap(old, path, mapping) => {
            let before = domain.mappings.remove(&old).ok_or_else(no_mapping)?;
            insert(&mut domain, path, Mapping { id: before.id, ..mapping }, moment)?;
        }
        DomainChange::Create(_) | DomainChange::Read | DomainChange::Delete => {}
    }
    Ok(domain)
}

fn insert(domain: &mut Domain, path: String, mut mapping: Mapping, moment: &Moment<'_>) -> Result<(), Error> {
    if !is_path(&path) {
        return Err(bad("Base path may only contain letters, numbers and one of $-_.+!*'()/"));
    }
    if domain.mappings.contains_key(&path) {
        return Err(conflict("Base path already exists for this domain name"));
    }
    if mapping.id.is_empty() {
        mapping.id = moment.id(6);
    }
    domain.mappings.insert(path, mapping);
    check_levels(domain)
}

/// Base paths of more than one level are for regional names.
fn check_levels(domain: &Domain) -> Result<(), Error> {
    match domain.endpoint_type == "EDGE" && domain.mappings.keys().any(|path| path.contains('/')) {
        true => Err(bad(REGIONAL)),
        false => Ok(()),
    }
}

/// Whether a text is a base path: letters, digits and `$-_.+!*'()/`, the slashes within it.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/rest-api-mappings.html>
pub fn is_path(path: &str) -> bool {
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || b"$-_.+!*'()/".contains(&byte);
    let parts = path.is_empty() || path.split('/').all(|part| !part.is_empty());
    path.len() <= LONGEST && path.bytes().all(sound) && parts
}

fn patched(domain: &mut Domain, patch: &Patch, moment: &Moment<'_>) -> Result<(), Error> {
    let parts = patch.parts();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["certificateArn" | "regionalCertificateArn"] => {
            patch.only(&["add", "replace"])?;
            check_certificate(&patch.text())?;
            domain.certificate = patch.text();
            domain.certified = moment.now;
        }
        ["certificateName" | "regionalCertificateName"] => {
            patch.only(&["add", "replace", "remove"])?;
            domain.certificate_name = patch.optional().filter(|_| patch.op != "remove");
        }
        ["endpointConfiguration", "types", _] => {
            patch.only(&["replace", "add"])?;
            domain.endpoint_type = endpoint_type(&patch.text())?;
        }
        ["endpointConfiguration", "ipAddressType"] => {
            patch.only(&["replace"])?;
            domain.ip_address_type = patch.text();
        }
        ["securityPolicy"] => {
            patch.only(&["replace"])?;
            check_security(Some(&patch.text()))?;
        }
        ["mutualTlsAuthentication", ..] => return Err(unimplemented("Mutual TLS")),
        ["routingMode"] => check_routing(Some(&patch.text()))?,
        _ => return Err(patch.invalid()),
    }
    Ok(())
}

/// The type of a domain name's endpoint.
pub fn endpoint_type(kind: &str) -> Result<String, Error> {
    match kind {
        "EDGE" | "REGIONAL" => Ok(kind.to_owned()),
        "PRIVATE" => Err(unimplemented("A private custom domain name")),
        _ => Err(bad("Invalid endpoint type, must be EDGE or REGIONAL")),
    }
}

/// TLS is the server's, which speaks 1.2 and 1.3, and nothing older.
pub fn check_security(policy: Option<&str>) -> Result<(), Error> {
    match policy {
        None | Some("TLS_1_2") => Ok(()),
        Some(other) => Err(unimplemented(&format!("The security policy {other}"))),
    }
}

/// Requests are routed by mappings.
pub fn check_routing(mode: Option<&str>) -> Result<(), Error> {
    match mode {
        None | Some("BASE_PATH_MAPPING_ONLY") => Ok(()),
        Some(other) => Err(unimplemented(&format!("The routing mode {other}"))),
    }
}

/// `arn:aws:acm:<region>:<account>:certificate/<id>`, or that of a server certificate of IAM.
pub fn check_certificate(arn: &str) -> Result<(), Error> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let known = match parts.as_slice() {
        ["arn", _, "acm", region, account, name] => {
            !region.is_empty() && account.len() == 12 && name.starts_with("certificate/")
        }
        ["arn", _, "iam", "", account, name] => {
            account.len() == 12 && name.starts_with("server-certificate/")
        }
        _ => false,
    };
    if known { Ok(()) } else { Err(bad(format!("Invalid certificate ARN: {arn}"))) }
}
