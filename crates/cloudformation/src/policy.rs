//! Stack policies: what updates may do to a stack's resources.
//!
//! Source: the user guide, "Prevent updates to stack resources". Not the language of IAM, but a small one of its own.

use serde_json::Value as Json;

/// The longest policy, in bytes. Source: the API reference, `SetStackPolicy`.
pub const MAX_BYTES: usize = 16_384;

const ACTIONS: [&str; 4] = ["Update:Modify", "Update:Replace", "Update:Delete", "Update:*"];
const RESOURCE: &str = "LogicalResourceId/";

/// A stack policy.
#[derive(Debug, Clone, PartialEq)]
pub struct StackPolicy {
    statements: Vec<Statement>,
}

#[derive(Debug, Clone, PartialEq)]
struct Statement {
    allows: bool,
    /// Patterns, and whether those count that match none.
    actions: (Vec<String>, bool),
    resources: (Vec<String>, bool),
    /// Patterns of the resource's type: every list must be matched.
    types: Vec<Vec<String>>,
}

/// What an update does to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Updates it in place.
    Modify,
    /// Makes a new one in its place.
    Replace,
    /// Removes it.
    Delete,
}

impl Action {
    fn name(self) -> &'static str {
        match self {
            Self::Modify => "Update:Modify",
            Self::Replace => "Update:Replace",
            Self::Delete => "Update:Delete",
        }
    }
}

type Result<T> = std::result::Result<T, String>;

impl StackPolicy {
    /// Reads a policy.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() > MAX_BYTES {
            return Err(format!("Stack policy may not exceed {MAX_BYTES} bytes"));
        }
        let json: Json = serde_json::from_str(text).map_err(|_| "it is not valid JSON".to_owned())?;
        let object = json.as_object().ok_or("it is not a JSON object")?;
        only(object, &["Version", "Statement"])?;
        let statements = match object.get("Statement") {
            Some(Json::Array(items)) => items.iter().map(Statement::parse).collect::<Result<_>>()?,
            Some(one @ Json::Object(_)) => vec![Statement::parse(one)?],
            _ => return Err("it must have a Statement".to_owned()),
        };
        Ok(Self { statements })
    }

    /// Whether an update may do something to a resource.
    ///
    /// # Errors
    /// Why it may not: a statement denies it, or none allows it.
    pub fn check(&self, action: Action, logical_id: &str, resource_type: &str) -> Result<()> {
        let action = action.name();
        let matching = |s: &&Statement| s.matches(action, logical_id, resource_type);
        let denying = self.statements.iter().position(|s| !s.allows && matching(&s));
        if let Some(n) = denying {
            return Err(format!(
                "Action denied by stack policy: Statement [#{}] does not allow [{action}] for resource [{RESOURCE}{logical_id}]",
                n + 1
            ));
        }
        if self.statements.iter().any(|s| s.allows && matching(&s)) {
            return Ok(());
        }
        Err(format!(
            "Action not allowed by stack policy: no statement allows [{action}] for resource [{RESOURCE}{logical_id}]"
        ))
    }
}

fn only(object: &serde_json::Map<String, Json>, known: &[&str]) -> Result<()> {
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(format!("Unknown element {key}")),
        None => Ok(()),
    }
}

fn texts(value: &Json) -> Option<Vec<String>> {
    match value {
        Json::String(text) => Some(vec![text.clone()]),
        Json::Array(items) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

/// The texts of an element, or of its negation.
fn either(object: &serde_json::Map<String, Json>, name: &str, not: &str) -> Result<(Vec<String>, bool)> {
    let (value, negated) = match (object.get(name), object.get(not)) {
        (Some(value), None) => (value, false),
        (None, Some(value)) => (value, true),
        _ => return Err(format!("every statement must have one of {name} and {not}")),
    };
    let found = texts(value).ok_or_else(|| format!("{name} must be a string or a list of strings"))?;
    Ok((found, negated))
}

impl Statement {
    fn parse(json: &Json) -> Result<Self> {
        const KNOWN: [&str; 8] =
            ["Sid", "Effect", "Principal", "Action", "NotAction", "Resource", "NotResource", "Condition"];
        let object = json.as_object().ok_or("every statement must be an object")?;
        only(object, &KNOWN)?;
        let allows = match object.get("Effect").and_then(Json::as_str) {
            Some("Allow") => true,
            Some("Deny") => false,
            _ => return Err("the Effect of every statement must be Allow or Deny".to_owned()),
        };
        let everybody =
            |p: &Json| p.as_str() == Some("*") || p.get("AWS").and_then(Json::as_str) == Some("*");
        if !object.get("Principal").is_some_and(everybody) {
            return Err("the Principal of every statement must be *".to_owned());
        }
        let actions = either(object, "Action", "NotAction")?;
        if let Some(unknown) = actions.0.iter().find(|action| !is_action(action)) {
            return Err(format!("Unknown action {unknown}"));
        }
        let resources = either(object, "Resource", "NotResource")?;
        if let Some(wrong) = resources.0.iter().find(|r| *r != "*" && !r.starts_with(RESOURCE)) {
            return Err(format!("Invalid resource {wrong}: resources are * or {RESOURCE}…"));
        }
        Ok(Self { allows, actions, resources, types: conditions(object.get("Condition"))? })
    }

    fn matches(&self, action: &str, logical_id: &str, resource_type: &str) -> bool {
        let resource = format!("{RESOURCE}{logical_id}");
        let any = |(patterns, negated): &(Vec<String>, bool), text: &str| {
            patterns.iter().any(|pattern| like(pattern, text)) != *negated
        };
        any(&self.actions, action)
            && any(&self.resources, &resource)
            && self.types.iter().all(|patterns| patterns.iter().any(|p| like(p, resource_type)))
    }
}

fn is_action(action: &str) -> bool {
    action == "*" || ACTIONS.contains(&action)
}

/// `StringEquals` and `StringLike` of `ResourceType`: there are no other conditions.
fn conditions(condition: Option<&Json>) -> Result<Vec<Vec<String>>> {
    let Some(condition) = condition else { return Ok(Vec::new()) };
    let operators = condition.as_object().ok_or("Condition must be an object")?;
    let mut lists = Vec::new();
    for (operator, keys) in operators {
        if !["StringEquals", "StringLike"].contains(&operator.as_str()) {
            return Err(format!("Unknown condition operator {operator}"));
        }
        for (key, value) in keys.as_object().ok_or("a condition must be an object")? {
            if key != "ResourceType" {
                return Err(format!("Unknown condition key {key}"));
            }
            let wanted = texts(value).ok_or("ResourceType must be a string or a list of strings")?;
            if operator == "StringEquals" && wanted.iter().any(|text| text.contains(['*', '?'])) {
                return Err("StringEquals takes no wildcards".to_owned());
            }
            lists.push(wanted);
        }
    }
    Ok(lists)
}

/// Whether a pattern with `*` and `?` stands for a text; in time of the product of their lengths at most.
fn like(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    // Which beginnings of the text the pattern so far stands for.
    let mut reached = vec![false; text.len() + 1];
    if let Some(first) = reached.first_mut() {
        *first = true;
    }
    for wanted in pattern {
        let mut next = vec![false; text.len() + 1];
        if wanted == '*' {
            let mut any = false;
            for (now, before) in next.iter_mut().zip(&reached) {
                any |= *before;
                *now = any;
            }
        } else {
            for ((now, before), found) in next.iter_mut().skip(1).zip(&reached).zip(&text) {
                *now = *before && (wanted == '?' || wanted == *found);
            }
        }
        reached = next;
    }
    reached.last().copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn policy(statements: &Json) -> Result<StackPolicy> {
        StackPolicy::parse(&json!({ "Statement": statements }).to_string())
    }

    #[test]
    fn what_is_not_allowed_is_denied_and_denials_come_first() {
        let found = policy(&json!([
            { "Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*" },
            { "Effect": "Deny", "Action": ["Update:Replace", "Update:Delete"], "Principal": "*", "Resource": "*",
              "Condition": { "StringLike": { "ResourceType": ["AWS::S3::*"] } } },
            { "Effect": "Deny", "NotAction": "Update:Modify", "Principal": "*", "Resource": "LogicalResourceId/Data*" },
        ]))
        .unwrap();
        let queue = "AWS::SQS::Queue";
        assert!(found.check(Action::Modify, "DataQueue", queue).is_ok());
        assert!(found.check(Action::Delete, "Other", queue).is_ok());
        assert!(found.check(Action::Modify, "B", "AWS::S3::Bucket").is_ok());
        let why = found.check(Action::Replace, "B", "AWS::S3::Bucket").unwrap_err();
        assert!(
            why.starts_with("Action denied by stack policy: Statement [#2] does not allow [Update:Replace]"),
            "{why}"
        );
        assert!(found.check(Action::Delete, "DataQueue", queue).unwrap_err().contains("[#3]"));
        let none = policy(&json!([])).unwrap();
        assert!(
            none.check(Action::Modify, "A", queue)
                .unwrap_err()
                .contains("no statement allows [Update:Modify]")
        );
    }

    #[test]
    fn what_is_no_policy_is_refused() {
        let whole = json!({ "Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*" });
        assert!(policy(&whole).is_ok());
        for (name, value) in [
            ("Effect", json!("Maybe")),
            ("Action", json!("s3:Get")),
            ("Principal", json!({ "AWS": "arn:aws:iam::1:root" })),
            ("Resource", json!("arn:aws:sqs:::q")),
            ("NotResource", json!("*")),
            ("Condition", json!({ "StringEquals": { "aws:userid": "x" } })),
            ("Other", json!(1)),
        ] {
            let mut wrong = whole.clone();
            wrong[name] = value;
            assert!(policy(&wrong).is_err(), "{wrong}");
        }
        for text in ["", "[]", "{}", r#"{"Statement": [1]}"#] {
            assert!(StackPolicy::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_is_too_odd(text in ".{0,200}") {
            prop_assert!(StackPolicy::parse(&text).is_err());
        }

        #[test]
        fn patterns_match_what_they_were_made_of(parts in proptest::collection::vec("[a-z?]{0,5}", 1..5), fill in "[a-z]{0,4}") {
            prop_assert!(like(&parts.join("*"), &parts.join(&fill)));
            let longer = parts.join("*") + "Z";
            prop_assert!(!like(&longer, &parts.join(&fill)));
        }
    }
}
