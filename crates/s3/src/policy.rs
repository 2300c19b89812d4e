//! The form of bucket policies: Amazon S3 user guide, "Policies and permissions in Amazon S3".

use ropeway_wire::Error;
use serde_json::{Map, Value, json};

use crate::commands::bucket_arn;
use crate::model::Bucket;

/// The largest policy, in bytes.
const MAX: usize = 20 * 1024;

fn malformed(message: &str) -> Error {
    Error::new(400, "MalformedPolicy", message)
}

/// Checks a policy's form and that it speaks of this bucket. What its principals, actions and
/// conditions mean is the gate's to say.
///
/// # Errors
/// 400 `MalformedPolicy`, `PolicyTooLarge`.
pub fn check(policy: &str, bucket: &str) -> Result<(), Error> {
    if policy.len() > MAX {
        return Err(Error::new(400, "PolicyTooLarge", "Policy exceeds the maximum allowed document size."));
    }
    let document: Value = serde_json::from_str(policy)
        .map_err(|_| malformed("Policies must be valid JSON and the first byte must be '{'"))?;
    let Value::Object(document) = document else {
        return Err(malformed("Policies must be valid JSON and the first byte must be '{'"));
    };
    if !matches!(document.get("Version").and_then(Value::as_str), None | Some("2012-10-17" | "2008-10-17")) {
        return Err(malformed("The policy must contain a valid version string"));
    }
    let statements: Vec<&Value> = match document.get("Statement") {
        Some(Value::Array(statements)) => statements.iter().collect(),
        Some(one @ Value::Object(_)) => vec![one],
        _ => Vec::new(),
    };
    if statements.is_empty() {
        return Err(malformed("Could not parse the policy: Statement is empty!"));
    }
    statements.into_iter().try_for_each(|statement| match statement {
        Value::Object(statement) => check_statement(statement, bucket),
        _ => Err(malformed("Could not parse the policy: Statement is not an object")),
    })
}

fn check_statement(statement: &Map<String, Value>, bucket: &str) -> Result<(), Error> {
    const KNOWN: [&str; 9] = [
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Condition",
    ];
    if let Some(unknown) = statement.keys().find(|key| !KNOWN.contains(&key.as_str())) {
        return Err(malformed(&format!("Unknown field {unknown}")));
    }
    if !matches!(statement.get("Effect").and_then(Value::as_str), Some("Allow" | "Deny")) {
        return Err(malformed("Invalid effect"));
    }
    for (name, missing) in [
        ("Principal", "Missing required field Principal"),
        ("Action", "Missing required field Action"),
        ("Resource", "Missing required field Resource"),
    ] {
        let negated = format!("Not{name}");
        if statement.contains_key(name) == statement.contains_key(&negated) {
            return Err(malformed(missing));
        }
    }
    let resources = statement.get("Resource").or_else(|| statement.get("NotResource"));
    let actions = statement.get("Action").or_else(|| statement.get("NotAction"));
    let arn = bucket_arn(bucket);
    for resource in texts(resources).ok_or_else(|| malformed("Policy has invalid resource"))? {
        let fits = resource == arn
            || resource.strip_prefix(&arn).is_some_and(|rest| rest.starts_with('/') || rest.starts_with('*'));
        if !fits {
            return Err(malformed("Policy has invalid resource"));
        }
    }
    for action in texts(actions).ok_or_else(|| malformed("Policy has invalid action"))? {
        if action != "*" && !action.to_ascii_lowercase().starts_with("s3:") {
            return Err(malformed("Policy has invalid action"));
        }
    }
    Ok(())
}

/// The policy that decides: the one that was set, what the access control list grants beside it, and what
/// `RestrictPublicBuckets` adds to it. `None` where nothing of it is there.
pub fn effective(policy: Option<&str>, name: &str, bucket: &Bucket) -> Option<String> {
    let mut more = match bucket.grants_others() {
        true => bucket.own_acl().statements(name, bucket.counts_public()),
        false => Vec::new(),
    };
    if bucket.block.is_some_and(|block| block.restrict) && policy.is_some_and(is_public) {
        more.push(restriction(name, bucket));
    }
    if more.is_empty() {
        return policy.map(str::to_owned);
    }
    let document: Option<Map<String, Value>> = policy.and_then(|policy| serde_json::from_str(policy).ok());
    let mut document = document.unwrap_or_default();
    let mut statements = match document.remove("Statement") {
        Some(Value::Array(statements)) => statements,
        Some(one) => vec![one],
        None => Vec::new(),
    };
    statements.append(&mut more);
    document.insert("Statement".to_owned(), Value::Array(statements));
    document.entry("Version").or_insert_with(|| json!("2012-10-17"));
    Some(Value::Object(document).to_string())
}

/// Blocking public access, user guide: with a public policy, only principals of the bucket's account and
/// services get in.
fn restriction(name: &str, bucket: &Bucket) -> Value {
    let arn = bucket_arn(name);
    json!({
        "Sid": "RestrictPublicBuckets",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, format!("{arn}/*")],
        "Condition": {
            "StringNotEquals": { "aws:PrincipalAccount": bucket.account },
            "BoolIfExists": { "aws:PrincipalIsAWSService": "false" },
        },
    })
}

/// Whether a policy lets in whom it does not name: user guide, "The meaning of 'public'".
pub fn is_public(policy: &str) -> bool {
    let document: Option<Map<String, Value>> = serde_json::from_str(policy).ok();
    let statements = match document.as_ref().and_then(|document| document.get("Statement")) {
        Some(Value::Array(statements)) => statements.iter().collect(),
        Some(one) => vec![one],
        None => Vec::new(),
    };
    statements.into_iter().any(|statement| {
        let allows = statement.get("Effect").and_then(Value::as_str) == Some("Allow");
        allows && !names_principals(statement) && !is_narrow(statement.get("Condition"))
    })
}

/// Whether a statement is about fixed principals.
fn names_principals(statement: &Value) -> bool {
    match statement.get("Principal") {
        Some(Value::Object(kinds)) => kinds
            .values()
            .all(|named| texts(Some(named)).is_some_and(|all| all.iter().all(|one| is_fixed(one)))),
        _ => false,
    }
}

/// Without wildcards or variables.
fn is_fixed(value: &str) -> bool {
    !value.contains(['*', '?']) && !value.contains("${")
}

/// Whether a condition holds for fixed values of what says who asks, or from where.
fn is_narrow(condition: Option<&Value>) -> bool {
    const KEYS: [&str; 12] = [
        "aws:sourcearn",
        "aws:sourcevpc",
        "aws:sourcevpce",
        "aws:sourceowner",
        "aws:sourceaccount",
        "aws:principalorgid",
        "aws:principalorgpaths",
        "aws:principalaccount",
        "aws:principalarn",
        "aws:userid",
        "s3:dataaccesspointarn",
        "s3:dataaccesspointaccount",
    ];
    const OPERATORS: [&str; 6] =
        ["stringequals", "stringequalsignorecase", "stringlike", "arnequals", "arnlike", "ipaddress"];
    let Some(Value::Object(operators)) = condition else { return false };
    operators.iter().any(|(operator, keys)| {
        let operator = operator.to_ascii_lowercase();
        let keys = keys.as_object().into_iter().flatten();
        OPERATORS.contains(&operator.as_str())
            && keys.into_iter().any(|(key, values)| {
                let key = key.to_ascii_lowercase();
                let values = texts(Some(values)).unwrap_or_default();
                !values.is_empty()
                    && match (operator.as_str(), key.as_str()) {
                        ("ipaddress", "aws:sourceip") => values.iter().all(|range| is_few_addresses(range)),
                        ("ipaddress", _) => false,
                        (_, key) => KEYS.contains(&key) && values.iter().all(|value| is_fixed(value)),
                    }
            })
    })
}

/// Ranges as broad as /8 (IPv4) or /32 (IPv6) are public.
fn is_few_addresses(range: &str) -> bool {
    let (address, bits) = range.split_once('/').unwrap_or((range, "128"));
    let least = if address.contains(':') { 33 } else { 9 };
    bits.parse::<u32>().is_ok_and(|bits| bits >= least)
}

/// A text, or some: policies take either. `None` for anything else, and for nothing.
fn texts(value: Option<&Value>) -> Option<Vec<&str>> {
    match value? {
        Value::String(text) => Some(vec![text]),
        Value::Array(values) if !values.is_empty() => values.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_policies_of_the_bucket_alone() {
        let policy = |resource: &str| {
            format!(
                r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"{resource}"}}]}}"#
            )
        };
        assert!(check(&policy("arn:aws:s3:::b/*"), "b").is_ok());
        assert!(check(&policy("arn:aws:s3:::b"), "b").is_ok());
        for bad in ["arn:aws:s3:::bb/*", "arn:aws:s3:::c", "*"] {
            assert_eq!(check(&policy(bad), "b").unwrap_err().code, "MalformedPolicy", "{bad}");
        }
        for bad in ["", "[]", "{}", r#"{"Statement":[]}"#, r#"{"Statement":[{"Effect":"Maybe"}]}"#] {
            assert_eq!(check(bad, "b").unwrap_err().code, "MalformedPolicy", "{bad}");
        }
    }

    /// Amazon S3 user guide, "Blocking public access to your Amazon S3 storage", "The meaning of 'public'".
    #[test]
    fn tells_public_policies() {
        let policy = |principal: &str, condition: &str| {
            format!(
                r#"{{"Statement":[{{"Effect":"Allow","Principal":{principal},"Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*","Condition":{condition}}}]}}"#
            )
        };
        for (principal, condition) in [
            (r#""*""#, "{}"),
            (r#"{"AWS":"*"}"#, "{}"),
            (r#"{"AWS":["111122223333","*"]}"#, "{}"),
            (r#""*""#, r#"{"StringLike":{"aws:SourceVpc":"vpc-*"}}"#),
            (r#""*""#, r#"{"StringNotEquals":{"aws:SourceVpc":"vpc-1"}}"#),
            (r#""*""#, r#"{"Bool":{"aws:SecureTransport":"true"}}"#),
            (r#""*""#, r#"{"IpAddress":{"aws:SourceIp":"0.0.0.0/0"}}"#),
        ] {
            assert!(is_public(&policy(principal, condition)), "{principal} {condition}");
        }
        for (principal, condition) in [
            (r#"{"AWS":"111122223333"}"#, "{}"),
            (r#"{"Service":"logging.s3.amazonaws.com"}"#, "{}"),
            (r#""*""#, r#"{"StringLike":{"aws:SourceVpc":"vpc-91237329"}}"#),
            (r#""*""#, r#"{"IpAddress":{"aws:SourceIp":["10.1.0.0/16"]}}"#),
            (r#""*""#, r#"{"ArnEquals":{"AWS:SourceArn":"arn:aws:sns:us-east-1:111122223333:t"}}"#),
        ] {
            assert!(!is_public(&policy(principal, condition)), "{principal} {condition}");
        }
        assert!(!is_public(&policy(r#""*""#, "{}").replace("Allow", "Deny")));
    }
}
