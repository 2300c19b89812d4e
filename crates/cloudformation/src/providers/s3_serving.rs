//! What buckets are configured to do around their operations, from a template's form to the API's: websites,
//! cross-origin resource sharing, access logs.
//!
//! Source: the CloudFormation template reference, `AWS::S3::Bucket` `WebsiteConfiguration`, `CorsConfiguration` and
//! `LoggingConfiguration`.

use serde_json::{Value as Json, json};

use super::{object, property};
use crate::template::{Kind, Property};

const STRING: Kind = Kind::String;
const STRINGS: Kind = Kind::List(&STRING);

const REDIRECT_ALL: &[Property] =
    &[Property::new("HostName", STRING).required(), Property::new("Protocol", STRING)];
const REDIRECT: &[Property] = &[
    Property::new("HostName", STRING),
    Property::new("HttpRedirectCode", STRING),
    Property::new("Protocol", STRING),
    Property::new("ReplaceKeyPrefixWith", STRING),
    Property::new("ReplaceKeyWith", STRING),
];
const CONDITION: &[Property] =
    &[Property::new("HttpErrorCodeReturnedEquals", STRING), Property::new("KeyPrefixEquals", STRING)];
const ROUTING_RULE: &[Property] = &[
    Property::new("RedirectRule", Kind::Structure(REDIRECT)).required(),
    Property::new("RoutingRuleCondition", Kind::Structure(CONDITION)),
];
/// `WebsiteConfiguration`
pub(super) const WEBSITE: &[Property] = &[
    Property::new("ErrorDocument", STRING),
    Property::new("IndexDocument", STRING),
    Property::new("RedirectAllRequestsTo", Kind::Structure(REDIRECT_ALL)),
    Property::new("RoutingRules", Kind::List(&Kind::Structure(ROUTING_RULE))),
];

const CORS_RULE: &[Property] = &[
    Property::new("AllowedHeaders", STRINGS),
    Property::new("AllowedMethods", STRINGS).required(),
    Property::new("AllowedOrigins", STRINGS).required(),
    Property::new("ExposedHeaders", STRINGS),
    Property::new("Id", STRING),
    Property::new("MaxAge", Kind::Integer),
];
/// `CorsConfiguration`
pub(super) const CORS: &[Property] =
    &[Property::new("CorsRules", Kind::List(&Kind::Structure(CORS_RULE))).required()];

const PARTITIONED: &[Property] = &[Property::new("PartitionDateSource", STRING)];
const KEY_FORMAT: &[Property] = &[
    Property::new("PartitionedPrefix", Kind::Structure(PARTITIONED)),
    Property::new("SimplePrefix", Kind::Json),
];
/// `LoggingConfiguration`
pub(super) const LOGGING: &[Property] = &[
    Property::new("DestinationBucketName", STRING),
    Property::new("LogFilePrefix", STRING),
    Property::new("TargetObjectKeyFormat", Kind::Structure(KEY_FORMAT)),
];

/// A `WebsiteConfiguration`, by the names that the API's XML has.
pub(super) fn website(given: &Json) -> Json {
    let document = |name: &str, member: &'static str| match property(given, name) {
        Json::Null => Json::Null,
        value => object([(member, value.clone())]),
    };
    let rules = property(given, "RoutingRules").as_array().map(|rules| {
        let rule = |rule: &Json| {
            object([
                ("Condition", property(rule, "RoutingRuleCondition").clone()),
                ("Redirect", property(rule, "RedirectRule").clone()),
            ])
        };
        Json::Array(rules.iter().map(rule).collect())
    });
    object([
        ("ErrorDocument", document("ErrorDocument", "Key")),
        ("IndexDocument", document("IndexDocument", "Suffix")),
        ("RedirectAllRequestsTo", property(given, "RedirectAllRequestsTo").clone()),
        ("RoutingRules", rules.unwrap_or_default()),
    ])
}

/// A `CorsConfiguration`, by the names that the API's XML has: those of the elements of its lists.
pub(super) fn cors(given: &Json) -> Json {
    let rule = |rule: &Json| {
        object([
            ("ID", property(rule, "Id").clone()),
            ("AllowedHeader", property(rule, "AllowedHeaders").clone()),
            ("AllowedMethod", property(rule, "AllowedMethods").clone()),
            ("AllowedOrigin", property(rule, "AllowedOrigins").clone()),
            ("ExposeHeader", property(rule, "ExposedHeaders").clone()),
            ("MaxAgeSeconds", property(rule, "MaxAge").clone()),
        ])
    };
    let rules: Vec<Json> = property(given, "CorsRules").as_array().into_iter().flatten().map(rule).collect();
    json!({ "CORSRule": rules })
}

/// A `LoggingConfiguration`, by the names that the API's XML has. Without a destination, the log goes to its own bucket.
pub(super) fn logging(given: &Json, bucket: &str) -> Json {
    if given.is_null() {
        return json!({});
    }
    let destination = property(given, "DestinationBucketName").as_str().unwrap_or(bucket);
    let prefix = property(given, "LogFilePrefix").as_str().unwrap_or_default();
    let format = property(given, "TargetObjectKeyFormat").clone();
    let enabled = object([
        ("TargetBucket", json!(destination)),
        ("TargetPrefix", json!(prefix)),
        ("TargetObjectKeyFormat", format),
    ]);
    json!({ "LoggingEnabled": enabled })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn translates_websites() {
        let given = json!({ "IndexDocument": "i.html", "ErrorDocument": "e.html", "RoutingRules": [
            { "RoutingRuleCondition": { "KeyPrefixEquals": "a/" }, "RedirectRule": { "ReplaceKeyPrefixWith": "b/" } },
        ]});
        let wanted = json!({ "IndexDocument": { "Suffix": "i.html" }, "ErrorDocument": { "Key": "e.html" },
            "RoutingRules": [{ "Condition": { "KeyPrefixEquals": "a/" }, "Redirect": { "ReplaceKeyPrefixWith": "b/" } }] });
        assert_eq!(website(&given), wanted);
        let all = json!({ "RedirectAllRequestsTo": { "HostName": "h" } });
        assert_eq!(website(&all), all);
    }

    #[test]
    fn translates_rules_of_other_origins() {
        let given = json!({ "CorsRules": [
            { "AllowedMethods": ["GET"], "AllowedOrigins": ["*"], "ExposedHeaders": ["ETag"], "Id": "i", "MaxAge": 5 },
        ]});
        let rule = json!({ "ID": "i", "AllowedMethod": ["GET"], "AllowedOrigin": ["*"], "ExposeHeader": ["ETag"],
            "MaxAgeSeconds": 5 });
        assert_eq!(cors(&given), json!({ "CORSRule": [rule] }));
    }

    #[test]
    fn translates_logs() {
        let enabled = |target: &str, prefix: &str| json!({ "TargetBucket": target, "TargetPrefix": prefix });
        assert_eq!(logging(&Json::Null, "b"), json!({}));
        assert_eq!(logging(&json!({}), "b"), json!({ "LoggingEnabled": enabled("b", "") }));
        let given = json!({ "DestinationBucketName": "t", "LogFilePrefix": "p" });
        assert_eq!(logging(&given, "b"), json!({ "LoggingEnabled": enabled("t", "p") }));
    }
}
