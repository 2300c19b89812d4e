//! Whatever a template says, the transform answers: with a template, or with what is wrong.

use std::collections::BTreeMap;

use proptest::prelude::*;
use ropeway_cloudformation::sam::{Surroundings, transform};
use ropeway_cloudformation::template::{Map, Value};

/// Words that mean something somewhere, so that what is made up goes deep.
const WORDS: &[&str] = &[
    "Ref",
    "Fn::If",
    "Fn::Sub",
    "Fn::GetAtt",
    "AWS::NoValue",
    "A",
    "B",
    "C",
    "A.Arn",
    "${A}",
    "s3://b/k",
    "Api",
    "HttpApi",
    "SQS",
    "SNS",
    "S3",
    "Schedule",
    "/",
    "/{p+}",
    "$default",
    "any",
    "get",
    "options",
    "*",
    "'*'",
    "AWS_IAM",
    "NONE",
    "REQUEST",
    "PER_API",
    "Active",
    "3.0.1",
    "2.0",
    "live",
    "Retain",
    "Zip",
    "Type",
    "Properties",
    "Path",
    "Method",
    "RestApiId",
    "ApiId",
    "Queue",
    "Topic",
    "Bucket",
    "Events",
    "Auth",
    "Authorizer",
    "Authorizers",
    "DefaultAuthorizer",
    "FunctionArn",
    "Identity",
    "Headers",
    "paths",
    "swagger",
    "openapi",
    "security",
    "x-amazon-apigateway-integration",
    "Destination",
    "DestinationConfig",
    "OnFailure",
    "OnSuccess",
    "QueueArn",
    "QueueUrl",
    "Model",
    "Cors",
    "AllowOrigin",
    "S3ReadPolicy",
    "Statement",
    "Variables",
    "Key",
    "Tags",
    "Id",
    "Arn",
    "Read",
    "Write",
    "Source",
    "Permissions",
    "AWS::SQS::Queue",
    "é\u{1F600}",
];

/// Properties of SAM's types: each is drawn for any of them.
const PROPERTIES: &[&str] = &[
    "FunctionName",
    "Handler",
    "Runtime",
    "CodeUri",
    "InlineCode",
    "DeadLetterQueue",
    "Role",
    "Policies",
    "Environment",
    "Tags",
    "PropagateTags",
    "Tracing",
    "Layers",
    "EventInvokeConfig",
    "AutoPublishAlias",
    "AutoPublishCodeSha256",
    "AutoPublishAliasAllProperties",
    "ProvisionedConcurrencyConfig",
    "FunctionUrlConfig",
    "SnapStart",
    "PackageType",
    "StageName",
    "DefinitionBody",
    "DefinitionUri",
    "Cors",
    "Auth",
    "GatewayResponses",
    "Models",
    "OpenApiVersion",
    "BinaryMediaTypes",
    "EndpointConfiguration",
    "DisableExecuteApiEndpoint",
    "CorsConfiguration",
    "RouteSettings",
    "FailOnWarnings",
    "Name",
    "Description",
    "ContentUri",
    "RetentionPolicy",
    "CompatibleArchitectures",
    "LayerName",
    "VersionDeletionPolicy",
    "Source",
    "Destination",
    "Permissions",
];

fn word() -> impl Strategy<Value = String> {
    prop_oneof![4 => prop::sample::select(WORDS).prop_map(str::to_owned), 1 => "\\PC{0,6}"]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        4 => word().prop_map(Value::String),
        1 => any::<bool>().prop_map(Value::Bool),
        1 => prop::sample::select(&["0", "5", "-1.50", "1e+30", "99999999999999999999"][..])
            .prop_map(|n| Value::Number(n.to_owned())),
        1 => Just(Value::Null),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            prop::collection::vec((word(), inner.clone()), 0..5)
                .prop_map(|m| Value::Map(m.into_iter().collect())),
            (prop::sample::select(&["Ref", "Fn::If", "Fn::Sub", "Fn::GetAtt"][..]), inner)
                .prop_map(|(name, argument)| map([(name.to_owned(), argument)])),
        ]
    })
}

fn map(members: impl IntoIterator<Item = (String, Value)>) -> Value {
    Value::Map(members.into_iter().collect())
}

fn event() -> impl Strategy<Value = Value> {
    let properties = prop::collection::vec((word(), value()), 0..3);
    let kind = prop::sample::select(&["Api", "HttpApi", "SQS", "SNS", "S3", "Schedule"][..]);
    (kind, properties, any::<bool>()).prop_map(|(kind, extra, whole)| {
        let mut properties: Map = extra.into_iter().collect();
        let reference = |id: &str| map([("Ref".to_owned(), id.into())]);
        if whole {
            for (name, value) in [
                ("Path", "/a/{b}".into()),
                ("Method", "get".into()),
                ("Queue", "arn".into()),
                ("Topic", reference("C")),
                ("Bucket", reference("C")),
                ("Events", "s3:*".into()),
            ] {
                properties.insert(name.to_owned(), value);
            }
        }
        map([("Type".to_owned(), kind.into()), ("Properties".to_owned(), Value::Map(properties))])
    })
}

fn resource() -> impl Strategy<Value = Value> {
    let kinds = &[
        "Function",
        "Function",
        "Function",
        "Api",
        "HttpApi",
        "LayerVersion",
        "SimpleTable",
        "Connector",
        "Connector",
    ][..];
    let properties = prop::collection::vec((prop::sample::select(PROPERTIES), value()), 0..5);
    let events = prop::collection::vec(("[A-Z]{1,2}", event()), 0..4);
    let others = prop::collection::vec(
        (
            prop::sample::select(
                &["Condition", "DependsOn", "DeletionPolicy", "Metadata", "IgnoreGlobals", "Connectors"][..],
            ),
            value(),
        ),
        0..2,
    );
    (prop::sample::select(kinds), properties, events, others, any::<bool>()).prop_map(
        |(kind, given, events, others, whole)| {
            let mut properties = Map::new();
            if kind == "Function" {
                for (name, value) in [("Handler", "h"), ("Runtime", "r"), ("CodeUri", "s3://b/k")] {
                    properties.insert(name.to_owned(), value.into());
                }
                properties.insert("Events".to_owned(), map(events));
            } else if kind == "Api" && whole {
                properties.insert("StageName".to_owned(), "Prod".into());
            } else if kind == "Connector" && whole {
                let end = |id: &str| map([("Id".to_owned(), id.into())]);
                properties.insert("Source".to_owned(), end("A"));
                properties.insert("Destination".to_owned(), Value::List(vec![end("B"), end("C")]));
                properties.insert("Permissions".to_owned(), Value::List(vec!["Write".into()]));
            }
            properties.extend(given.into_iter().map(|(name, value)| (name.to_owned(), value)));
            let mut resource: Map =
                others.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            resource.insert("Type".to_owned(), format!("AWS::Serverless::{kind}").into());
            resource.insert("Properties".to_owned(), Value::Map(properties));
            Value::Map(resource)
        },
    )
}

fn template() -> impl Strategy<Value = Map> {
    let resources =
        prop::collection::vec((prop::sample::select(&["A", "B", "ServerlessRestApi"][..]), resource()), 1..4);
    let globals = prop::option::of(prop::collection::vec(
        (
            prop::sample::select(&["Function", "Api", "HttpApi"][..]),
            prop::collection::vec((prop::sample::select(PROPERTIES), value()), 0..3),
        ),
        0..3,
    ));
    (resources, globals, value(), value()).prop_map(|(resources, globals, other, conditions)| {
        let own =
            |members: Vec<(&'static str, Value)>| map(members.into_iter().map(|(k, v)| (k.to_owned(), v)));
        let mut all: Map = resources.into_iter().map(|(id, resource)| (id.to_owned(), resource)).collect();
        all.insert("C".to_owned(), other);
        if !matches!(all.get("C"), Some(Value::Map(_))) {
            all.insert("C".to_owned(), map([("Type".to_owned(), "AWS::S3::Bucket".into())]));
        }
        let mut template = Map::new();
        if let Some(globals) = globals {
            let sections = globals.into_iter().map(|(name, members)| (name.to_owned(), own(members)));
            template.insert("Globals".to_owned(), map(sections));
        }
        template.insert("Conditions".to_owned(), conditions);
        template.insert("Resources".to_owned(), Value::Map(all));
        template
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn never_panics(template in template()) {
        let parameters = BTreeMap::from([("A".to_owned(), "x".to_owned())]);
        let around = Surroundings { parameters: &parameters, region: "eu-west-1" };
        let once = transform(&template, &around);
        prop_assert_eq!(&once, &transform(&template, &around));
        if let Ok(processed) = once {
            let resources = processed.get("Resources").and_then(Value::as_map).unwrap();
            for resource in resources.values() {
                let kind = resource.as_map().and_then(|r| r.get("Type")).and_then(Value::as_str).unwrap_or_default();
                prop_assert!(!kind.starts_with("AWS::Serverless::"), "{}", kind);
            }
        } else if let Err(message) = once {
            prop_assert!(message.starts_with("Invalid Serverless Application Specification document."));
        }
    }

    #[test]
    fn never_panics_on_anything(value in value()) {
        let Value::Map(template) = value else { return Ok(()) };
        let parameters = BTreeMap::new();
        let _ = transform(&template, &Surroundings { parameters: &parameters, region: "" });
    }
}
