//! The form of bucket policies: Amazon S3 user guide, "Policies and permissions in Amazon S3".

use ropeway_wire::Error;
use serde_json::{Map, Value};

use crate::commands::bucket_arn;

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
}
