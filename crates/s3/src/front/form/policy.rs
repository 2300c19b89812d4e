//! Policies of forms: what must be true of the fields, and until when.
//!
//! S3 API reference, "Creating a POST Policy"
//! (<https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html>). The texts of the errors are
//! those that Amazon S3 answers.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ropeway_core::Time;
use ropeway_wire::Error;
use serde_json::{Value as Json, json};

/// What a policy need not speak of.
const FREE: [&str; 3] = ["x-amz-signature", "policy", "file"];
/// What the names of fields begin with that nobody looks at.
const IGNORED: &str = "x-ignore-";

/// A policy that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    expires: Time,
    conditions: Vec<Condition>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Condition {
    /// A field has this value.
    Equals(String, String),
    /// A field's value begins with this.
    StartsWith(String, String),
    /// The file has as many bytes, from and to.
    Length(u64, u64),
}

/// Bytes that a file may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// At least.
    pub min: u64,
    /// At most.
    pub max: u64,
}

fn invalid(why: impl AsRef<str>) -> Error {
    Error::new(400, "InvalidPolicyDocument", format!("Invalid Policy: {}", why.as_ref()))
}

fn denied(why: &str) -> Error {
    Error::new(403, "AccessDenied", format!("Invalid according to Policy: {why}"))
}

impl Policy {
    /// Reads a policy, JSON in base64.
    ///
    /// # Errors
    /// 400 `InvalidPolicyDocument`.
    pub fn parse(base64: &str) -> Result<Self, Error> {
        let compact: String = base64.chars().filter(|letter| !letter.is_ascii_whitespace()).collect();
        let bytes = STANDARD.decode(compact).map_err(|_| invalid("Invalid Base64 encoding."))?;
        let document: Json = serde_json::from_slice(&bytes).map_err(|_| invalid("Invalid JSON."))?;
        let Json::Object(mut document) = document else { return Err(invalid("Invalid JSON.")) };
        let (expiration, conditions) = (document.remove("expiration"), document.remove("conditions"));
        if let Some(other) = document.keys().next() {
            return Err(invalid(format!("Unexpected: '{other}'.")));
        }
        let expiration = expiration.ok_or_else(|| invalid("Policy missing expiration."))?;
        let said = expiration.as_str().unwrap_or_default();
        let at: jiff::Timestamp =
            said.parse().map_err(|_| invalid(format!("Invalid 'expiration' value: '{said}'")))?;
        let Some(Json::Array(conditions)) = conditions else {
            return Err(invalid("Policy missing conditions."));
        };
        let conditions: Result<_, Error> = conditions.iter().map(condition).collect();
        Ok(Policy { expires: Time(at.as_millisecond()), conditions: conditions? })
    }

    /// Checks the fields of a form. `fields` are as they were sent, their variables replaced, with the bucket as
    /// one of them.
    ///
    /// # Errors
    /// 403 `AccessDenied`: it is too late, a field has another value, or one is not spoken of.
    pub fn check(&self, fields: &BTreeMap<String, String>, now: Time) -> Result<(), Error> {
        if now >= self.expires {
            return Err(denied("Policy expired."));
        }
        let value = |name: &str| fields.get(name).map_or("", String::as_str);
        for condition in &self.conditions {
            let holds = match condition {
                Condition::Equals(name, wanted) => value(&name.to_ascii_lowercase()) == wanted,
                Condition::StartsWith(name, start) => {
                    let name = name.to_ascii_lowercase();
                    starts_with(&name, value(&name), start)
                }
                Condition::Length(..) => true,
            };
            if !holds {
                return Err(denied(&format!("Policy Condition failed: {}", condition.text())));
            }
        }
        let spoken_of = |field: &str| self.conditions.iter().any(|condition| condition.is_about(field));
        let mut others = fields
            .keys()
            .filter(|name| !FREE.contains(&name.as_str()) && !name.starts_with(IGNORED) && !spoken_of(name));
        match others.next() {
            Some(first) => {
                let all = others.fold(first.clone(), |all, name| format!("{all}, {name}"));
                Err(denied(&format!("Extra input fields: {all}")))
            }
            None => Ok(()),
        }
    }

    /// What the file's length must be in.
    pub fn range(&self) -> Option<Range> {
        let ranges = self.conditions.iter().filter_map(|condition| match condition {
            Condition::Length(min, max) => Some(Range { min: *min, max: *max }),
            _ => None,
        });
        ranges.reduce(|all, one| Range { min: all.min.max(one.min), max: all.max.min(one.max) })
    }
}

impl Condition {
    fn is_about(&self, field: &str) -> bool {
        match self {
            Condition::Equals(name, _) | Condition::StartsWith(name, _) => name.eq_ignore_ascii_case(field),
            Condition::Length(..) => false,
        }
    }

    /// As errors name it.
    fn text(&self) -> String {
        let (operator, name, value) = match self {
            Condition::Equals(name, value) => ("eq", name, value),
            Condition::StartsWith(name, value) => ("starts-with", name, value),
            Condition::Length(min, max) => return format!("[\"content-length-range\", {min}, {max}]"),
        };
        format!("[{}, {}, {}]", json!(operator), json!(format!("${name}")), json!(value))
    }
}

/// Content types may be several, with commas between: each must begin so.
fn starts_with(name: &str, value: &str, start: &str) -> bool {
    if name == "content-type" {
        return value.split(',').all(|one| one.trim_start().starts_with(start));
    }
    value.starts_with(start)
}

fn condition(given: &Json) -> Result<Condition, Error> {
    match given {
        Json::Object(simple) => {
            let mut properties = simple.iter();
            let (Some((name, value)), None) = (properties.next(), properties.next()) else {
                return Err(invalid(
                    "Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.",
                ));
            };
            let value =
                value.as_str().ok_or_else(|| invalid("Invalid Simple-Condition: value must be a string."))?;
            Ok(Condition::Equals(name.clone(), value.to_owned()))
        }
        Json::Array(list) => listed(list),
        _ => Err(invalid("Invalid Condition: must be an object or an array.")),
    }
}

fn listed(list: &[Json]) -> Result<Condition, Error> {
    let [operator, first, second] = list else {
        return Err(invalid("Invalid Condition: wrong number of arguments."));
    };
    let operator = operator.as_str().unwrap_or_default();
    if operator.eq_ignore_ascii_case("content-length-range") {
        let (Some(min), Some(max)) = (length(first), length(second)) else {
            return Err(invalid("Invalid content-length-range: must be two integers."));
        };
        return Ok(Condition::Length(min, max));
    }
    let field = first.as_str().and_then(|name| name.strip_prefix('$'));
    let (Some(field), Some(value)) = (field, second.as_str()) else {
        return Err(invalid(format!(
            "Invalid {operator} condition: must be of a field '$name' and a string."
        )));
    };
    let (field, value) = (field.to_owned(), value.to_owned());
    match operator.to_ascii_lowercase().as_str() {
        "eq" => Ok(Condition::Equals(field, value)),
        "starts-with" => Ok(Condition::StartsWith(field, value)),
        _ => Err(invalid(format!("Invalid Condition: unknown operation '{operator}'."))),
    }
}

/// A number, or a string of its digits.
fn length(given: &Json) -> Option<u64> {
    given.as_u64().or_else(|| given.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn policy(document: &Json) -> Result<Policy, Error> {
        Policy::parse(&STANDARD.encode(document.to_string()))
    }

    fn of(conditions: Json) -> Policy {
        policy(&json!({ "expiration": "2015-12-30T12:00:00.000Z", "conditions": conditions })).unwrap()
    }

    fn fields(said: &[(&str, &str)]) -> BTreeMap<String, String> {
        said.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    const BEFORE: Time = Time::from_secs(1_451_476_799);

    fn refused(conditions: Json, said: &[(&str, &str)]) -> Option<String> {
        of(conditions).check(&fields(said), BEFORE).err().map(|error| error.message)
    }

    #[test]
    fn conditions_are_about_fields() {
        let conditions = || {
            json!([{ "Bucket": "b" }, ["starts-with", "$key", "user/"], ["eq", "$ACL", "private"],
                   ["starts-with", "$Content-Type", "image/"], ["starts-with", "$x-amz-meta-tag", ""],
                   ["content-length-range", 1, "10"]])
        };
        let good = [
            ("bucket", "b"),
            ("key", "user/a"),
            ("acl", "private"),
            ("content-type", "image/png, image/gif"),
        ];
        assert_eq!(refused(conditions(), &good), None);
        assert_eq!(of(conditions()).range(), Some(Range { min: 1, max: 10 }));
        let free =
            [("policy", "p"), ("x-amz-signature", "s"), ("x-ignore-this", "i"), ("x-amz-meta-tag", "t")];
        assert_eq!(refused(conditions(), &[&good[..], &free].concat()), None);
        for (name, value, message) in [
            ("bucket", "c", r#"Policy Condition failed: ["eq", "$Bucket", "b"]"#),
            ("key", "other/a", r#"Policy Condition failed: ["starts-with", "$key", "user/"]"#),
            ("acl", "Private", r#"Policy Condition failed: ["eq", "$ACL", "private"]"#),
            (
                "content-type",
                "image/png,text/html",
                r#"Policy Condition failed: ["starts-with", "$Content-Type", "image/"]"#,
            ),
            ("x-amz-meta-a", "", "Extra input fields: x-amz-meta-a"),
        ] {
            let mut changed = fields(&good);
            changed.insert(name.to_owned(), value.to_owned());
            let error = of(conditions()).check(&changed, BEFORE).unwrap_err();
            let message = format!("Invalid according to Policy: {message}");
            assert_eq!((error.status, &*error.code, error.message), (403, "AccessDenied", message));
        }
        let missing = refused(json!([["eq", "$key", "k"]]), &[]).unwrap();
        assert!(missing.ends_with(r#"Policy Condition failed: ["eq", "$key", "k"]"#), "{missing}");
    }

    #[test]
    fn policies_end() {
        let policy = of(json!([]));
        assert_eq!(policy.check(&BTreeMap::new(), BEFORE), Ok(()));
        let late = policy.check(&BTreeMap::new(), BEFORE.plus_secs(1)).unwrap_err();
        assert_eq!(
            (late.status, late.message.as_str()),
            (403, "Invalid according to Policy: Policy expired.")
        );
    }

    #[test]
    fn what_is_no_policy_is_refused() {
        let until = "2015-12-30T12:00:00Z";
        for (document, why) in [
            (json!([]), "Invalid JSON."),
            (json!({ "conditions": [] }), "Policy missing expiration."),
            (json!({ "expiration": until }), "Policy missing conditions."),
            (json!({ "expiration": "soon", "conditions": [] }), "Invalid 'expiration' value: 'soon'"),
            (json!({ "expiration": until, "conditions": [], "x": 1 }), "Unexpected: 'x'."),
            (json!({ "expiration": until, "conditions": [{}] }), "exactly one property"),
            (json!({ "expiration": until, "conditions": [{ "a": 1 }] }), "must be a string"),
            (json!({ "expiration": until, "conditions": [["eq", "$key"]] }), "wrong number of arguments"),
            (json!({ "expiration": until, "conditions": [["eq", "key", "k"]] }), "Invalid eq condition"),
            (json!({ "expiration": until, "conditions": [["is", "$key", "k"]] }), "unknown operation 'is'"),
            (json!({ "expiration": until, "conditions": [["content-length-range", -1, 2]] }), "two integers"),
            (json!({ "expiration": until, "conditions": ["eq"] }), "must be an object or an array"),
        ] {
            let error = policy(&document).unwrap_err();
            assert_eq!((error.status, &*error.code), (400, "InvalidPolicyDocument"), "{document}");
            assert!(error.message.contains(why), "{document}: {error}");
        }
        assert_eq!(Policy::parse("no base64").unwrap_err().code, "InvalidPolicyDocument");
    }

    proptest! {
        /// A policy that names each field by its value is for these fields alone.
        #[test]
        fn exact_policies_take_exactly_their_fields(
            said in prop::collection::btree_map("[a-z]{1,8}", "[a-z]{0,8}", 1..6),
            other in "[a-z]{9}",
        ) {
            let conditions = said.iter().map(|(name, value)| json!({ name.as_str(): value })).collect();
            let policy = of(Json::Array(conditions));
            prop_assert!(policy.check(&said, BEFORE).is_ok());
            let mut more = said.clone();
            more.insert(other, String::new());
            prop_assert!(policy.check(&more, BEFORE).is_err());
            let mut changed = said;
            for value in changed.values_mut() {
                value.push('x');
            }
            prop_assert!(policy.check(&changed, BEFORE).is_err());
        }

        #[test]
        fn anything_is_answered(text in "\\PC{0,200}") {
            if let Ok(policy) = Policy::parse(&STANDARD.encode(&text)) {
                prop_assert!(policy.check(&BTreeMap::new(), BEFORE).is_ok() || text.contains("conditions"));
            }
        }
    }
}
