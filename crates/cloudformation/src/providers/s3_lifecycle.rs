//! Lifecycle rules of buckets, from a template's form to the API's.
//!
//! Source: the CloudFormation template reference, `AWS::S3::Bucket` `LifecycleConfiguration` and `Rule`.

use serde_json::{Value as Json, json};

use super::{object, property};
use crate::template::{Kind, Property};

const STRING: Kind = Kind::String;

const ABORT: &[Property] = &[Property::new("DaysAfterInitiation", Kind::Integer).required()];
const NONCURRENT: &[Property] = &[
    Property::new("NewerNoncurrentVersions", Kind::Integer),
    Property::new("NoncurrentDays", Kind::Integer).required(),
];
const TAG: &[Property] =
    &[Property::new("Key", STRING).required(), Property::new("Value", STRING).required()];
const RULE: &[Property] = &[
    Property::new("AbortIncompleteMultipartUpload", Kind::Structure(ABORT)),
    Property::new("ExpirationDate", STRING),
    Property::new("ExpirationInDays", Kind::Integer),
    Property::new("ExpiredObjectDeleteMarker", Kind::Boolean),
    Property::new("Id", STRING),
    Property::new("NoncurrentVersionExpiration", Kind::Structure(NONCURRENT)),
    Property::new("NoncurrentVersionExpirationInDays", Kind::Integer),
    Property::new("ObjectSizeGreaterThan", STRING),
    Property::new("ObjectSizeLessThan", STRING),
    Property::new("Prefix", STRING),
    Property::new("Status", STRING).required(),
    Property::new("TagFilters", Kind::List(&Kind::Structure(TAG))),
];
/// `LifecycleConfiguration`
pub(super) const LIFECYCLE: &[Property] =
    &[Property::new("Rules", Kind::List(&Kind::Structure(RULE))).required()];

/// The rules of a `LifecycleConfiguration`, by the names that the API's XML has.
pub(super) fn rules(configuration: &Json) -> Vec<Json> {
    property(configuration, "Rules").as_array().into_iter().flatten().map(rule).collect()
}

fn rule(given: &Json) -> Json {
    let expiration = object([
        ("Days", property(given, "ExpirationInDays").clone()),
        ("Date", property(given, "ExpirationDate").clone()),
        ("ExpiredObjectDeleteMarker", property(given, "ExpiredObjectDeleteMarker").clone()),
    ]);
    let noncurrent = match property(given, "NoncurrentVersionExpirationInDays") {
        Json::Null => property(given, "NoncurrentVersionExpiration").clone(),
        days => json!({ "NoncurrentDays": days }),
    };
    object([
        ("ID", property(given, "Id").clone()),
        ("Status", property(given, "Status").clone()),
        ("Filter", filter(given)),
        ("Expiration", unless_empty(expiration)),
        ("NoncurrentVersionExpiration", noncurrent),
        ("AbortIncompleteMultipartUpload", property(given, "AbortIncompleteMultipartUpload").clone()),
    ])
}

fn unless_empty(value: Json) -> Json {
    if value.as_object().is_some_and(serde_json::Map::is_empty) { Json::Null } else { value }
}

/// A number that a template gives as a string.
fn size(given: &Json) -> Json {
    given.as_str().and_then(|text| text.parse::<i64>().ok()).map_or(given.clone(), Json::from)
}

/// One condition stands alone, several stand in an `And`.
fn filter(given: &Json) -> Json {
    let tags = property(given, "TagFilters").as_array().cloned().unwrap_or_default();
    let all = object([
        ("Prefix", property(given, "Prefix").clone()),
        ("ObjectSizeGreaterThan", size(property(given, "ObjectSizeGreaterThan"))),
        ("ObjectSizeLessThan", size(property(given, "ObjectSizeLessThan"))),
        ("Tag", if tags.is_empty() { Json::Null } else { Json::Array(tags.clone()) }),
    ]);
    let conditions = all.as_object().map_or(0, serde_json::Map::len);
    match (conditions, tags.as_slice()) {
        (0, _) => json!({ "Prefix": "" }),
        (1, [tag]) => json!({ "Tag": tag }),
        (1, []) => all,
        _ => json!({ "And": all }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn translates_rules() {
        let found = rules(&json!({ "Rules": [
            { "Status": "Enabled", "ExpirationInDays": 3 },
            { "Status": "Enabled", "Prefix": "a", "NoncurrentVersionExpirationInDays": 1 },
            { "Status": "Disabled", "TagFilters": [{ "Key": "k", "Value": "v" }], "ExpirationInDays": 1 },
            { "Status": "Enabled", "Prefix": "a", "ObjectSizeGreaterThan": "10", "ExpirationInDays": 1 },
        ]}));
        let filters: Vec<&Json> = found.iter().map(|rule| property(rule, "Filter")).collect();
        assert_eq!(
            filters,
            [
                &json!({ "Prefix": "" }),
                &json!({ "Prefix": "a" }),
                &json!({ "Tag": { "Key": "k", "Value": "v" } }),
                &json!({ "And": { "Prefix": "a", "ObjectSizeGreaterThan": 10 } }),
            ]
        );
        assert_eq!(property(&found[0], "Expiration"), &json!({ "Days": 3 }));
        assert_eq!(property(&found[1], "NoncurrentVersionExpiration"), &json!({ "NoncurrentDays": 1 }));
        assert!(property(&found[1], "Expiration").is_null());
    }
}
