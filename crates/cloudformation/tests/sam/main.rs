//! The transform of serverless templates, against golden templates and arbitrary ones.
//!
//! The golden ids were made by the public `aws-sam-translator` package; `tests/python/test_sam.py` compares
//! whole templates with it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at what should not be"
)]

mod arbitrary;

use std::collections::BTreeMap;

use ropeway_cloudformation::sam::{Surroundings, transform};
use ropeway_cloudformation::template::{Value, parse};
use serde_json::{Value as Json, json};

fn run(body: &str, parameters: &BTreeMap<String, String>) -> Result<Json, String> {
    let Value::Map(map) = parse(body).unwrap() else { panic!("{body}") };
    let around = Surroundings { parameters, region: "eu-west-1" };
    transform(&map, &around).map(|map| Value::Map(map).to_json())
}

fn processed(body: &str) -> Json {
    run(body, &BTreeMap::new()).unwrap()
}

/// Every problem of a template, without the words before them.
fn problems(body: &str) -> String {
    let message = run(body, &BTreeMap::new()).unwrap_err();
    let begin = "Invalid Serverless Application Specification document. Number of errors found: ";
    message.strip_prefix(begin).unwrap_or_else(|| panic!("{message}")).to_owned()
}

fn ids(template: &Json) -> Vec<&str> {
    let mut ids: Vec<&str> = template["Resources"].as_object().unwrap().keys().map(String::as_str).collect();
    ids.sort_unstable();
    ids
}

const HELLO: &str = r#"
Transform: AWS::Serverless-2016-10-31
Globals:
  Function: {Runtime: provided.al2023, MemorySize: 256, Environment: {Variables: {LEVEL: info}}}
Resources:
  Hello:
    Type: AWS::Serverless::Function
    Properties:
      Handler: bootstrap
      CodeUri: s3://packages/hello.zip
      Environment: {Variables: {NAME: world}}
      Events:
        Any: {Type: Api, Properties: {Path: "/{proxy+}", Method: ANY}}
Outputs:
  Stage: {Value: !Ref ServerlessRestApi.Stage}
"#;

#[test]
fn a_function_with_an_api() {
    let template = processed(HELLO);
    assert_eq!(
        ids(&template),
        [
            "Hello",
            "HelloAnyPermissionProd",
            "HelloRole",
            "ServerlessRestApi",
            "ServerlessRestApiDeployment0b039d9655",
            "ServerlessRestApiProdStage"
        ]
    );
    let resources = &template["Resources"];
    assert_eq!(
        resources["Hello"],
        json!({"Type": "AWS::Lambda::Function", "Properties": {
            "Code": {"S3Bucket": "packages", "S3Key": "hello.zip"},
            "Environment": {"Variables": {"LEVEL": "info", "NAME": "world"}},
            "Handler": "bootstrap",
            "MemorySize": 256,
            "Role": {"Fn::GetAtt": ["HelloRole", "Arn"]},
            "Runtime": "provided.al2023",
            "Tags": [{"Key": "lambda:createdBy", "Value": "SAM"}],
        }})
    );
    assert_eq!(
        resources["HelloAnyPermissionProd"]["Properties"]["SourceArn"],
        json!({"Fn::Sub": [
            "arn:aws:execute-api:${AWS::Region}:${AWS::AccountId}:${__ApiId__}/${__Stage__}/*/*",
            {"__ApiId__": {"Ref": "ServerlessRestApi"}, "__Stage__": "*"},
        ]})
    );
    let method = &resources["ServerlessRestApi"]["Properties"]["Body"]["paths"]["/{proxy+}"];
    assert_eq!(
        method["x-amazon-apigateway-any-method"]["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"],
        "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Hello.Arn}/invocations"
    );
    assert_eq!(
        resources["ServerlessRestApiProdStage"]["Properties"],
        json!({"DeploymentId": {"Ref": "ServerlessRestApiDeployment0b039d9655"},
            "RestApiId": {"Ref": "ServerlessRestApi"}, "StageName": "Prod"})
    );
    assert_eq!(template["Outputs"]["Stage"]["Value"], json!({"Ref": "ServerlessRestApiProdStage"}));
    assert_eq!((template.get("Transform"), template.get("Globals")), (None, None));
}

#[test]
fn events_of_queues_topics_and_buckets() {
    let template = processed(
        r#"
Resources:
  Fn:
    Type: AWS::Serverless::Function
    Properties:
      Handler: h
      Runtime: python3.12
      InlineCode: pass
      Policies: [{S3ReadPolicy: {BucketName: !Ref Bucket}}]
      Events:
        Jobs: {Type: SQS, Properties: {Queue: !GetAtt Queue.Arn, BatchSize: 5}}
        News: {Type: SNS, Properties: {Topic: !Ref Topic}}
        Files: {Type: S3, Properties: {Bucket: !Ref Bucket, Events: "s3:ObjectCreated:*"}}
  Queue: {Type: AWS::SQS::Queue}
  Topic: {Type: AWS::SNS::Topic}
  Bucket: {Type: AWS::S3::Bucket}
"#,
    );
    assert_eq!(
        ids(&template),
        [
            "Bucket",
            "Fn",
            "FnFilesPermission",
            "FnJobs",
            "FnNews",
            "FnNewsPermission",
            "FnRole",
            "Queue",
            "Topic"
        ]
    );
    let resources = &template["Resources"];
    assert_eq!(resources["FnJobs"]["Type"], "AWS::Lambda::EventSourceMapping");
    assert_eq!(
        resources["FnRole"]["Properties"]["ManagedPolicyArns"],
        json!([
            "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole",
            "arn:aws:iam::aws:policy/service-role/AWSLambdaSQSQueueExecutionRole",
        ])
    );
    assert_eq!(resources["FnRole"]["Properties"]["Policies"][0]["PolicyName"], "FnRolePolicy0");
    assert_eq!(
        resources["Bucket"],
        json!({"Type": "AWS::S3::Bucket", "DependsOn": ["FnFilesPermission"], "Properties": {
            "NotificationConfiguration": {"LambdaConfigurations": [
                {"Event": "s3:ObjectCreated:*", "Function": {"Fn::GetAtt": ["Fn", "Arn"]}},
            ]},
        }})
    );
}

#[test]
fn versions_aliases_and_layers_have_ids_that_follow_their_content() {
    let body = r#"
Parameters: {Key: {Type: String, Default: one.zip}}
Resources:
  Fn:
    Type: AWS::Serverless::Function
    Properties:
      Handler: h
      Runtime: python3.12
      CodeUri: {Bucket: packages, Key: !Ref Key}
      AutoPublishAlias: live
      Layers: [!Ref Shared]
  Shared:
    Type: AWS::Serverless::LayerVersion
    Properties: {ContentUri: s3://packages/layer.zip}
"#;
    let template = processed(body);
    assert_eq!(ids(&template), ["Fn", "FnAliaslive", "FnRole", "FnVersionf3d8469273", "Sharedf4e92b81aa"]);
    assert_eq!(template["Resources"]["Fn"]["Properties"]["Layers"], json!([{"Ref": "Sharedf4e92b81aa"}]));
    let other = run(body, &BTreeMap::from([("Key".to_owned(), "two.zip".to_owned())])).unwrap();
    assert!(!ids(&other).contains(&"FnVersionf3d8469273"));
    assert!(ids(&other).contains(&"Sharedf4e92b81aa"));
}

#[test]
fn an_http_api_is_made_for_its_events() {
    let template = processed(
        r#"
Resources:
  Fn:
    Type: AWS::Serverless::Function
    Properties:
      Handler: h
      Runtime: nodejs22.x
      CodeUri: s3://b/k
      Events: {Get: {Type: HttpApi, Properties: {Path: "/items/{id}", Method: get}}}
"#,
    );
    assert_eq!(
        ids(&template),
        ["Fn", "FnGetPermission", "FnRole", "ServerlessHttpApi", "ServerlessHttpApiApiGatewayDefaultStage"]
    );
    let body = &template["Resources"]["ServerlessHttpApi"]["Properties"]["Body"];
    assert_eq!(
        body["paths"]["/items/{id}"]["get"]["parameters"],
        json!([{"in": "path", "name": "id", "required": true}])
    );
}

#[test]
fn everything_that_is_not_there_is_named_at_once() {
    let all = problems(
        r#"
Resources:
  Table: {Type: AWS::Serverless::SimpleTable}
  Fn:
    Type: AWS::Serverless::Function
    Properties:
      Handler: h
      Runtime: python3.12
      CodeUri: ./local
      DeploymentPreference: {Type: AllAtOnce}
      Wrong: 1
      Events:
        Tick: {Type: Schedule, Properties: {Schedule: rate(1 minute)}}
        Jobs: {Type: SQS}
"#,
    );
    assert_eq!(
        all,
        "5. Resource with id [Table] is invalid. Resource type 'AWS::Serverless::SimpleTable' is not supported. Resource with \
         id [Fn] is invalid. Property 'DeploymentPreference' of AWS::Serverless::Function is not supported. Resource with id \
         [Fn] is invalid. property Wrong not defined for resource of type AWS::Serverless::Function Resource with id [Fn] is \
         invalid. Event with id [Tick] is invalid. Event type 'Schedule' is not supported. Resource with id [FnJobs] is \
         invalid. Missing required property 'Queue'."
    );
}

#[test]
fn a_local_path_is_for_the_packager() {
    let all = problems(
        "Resources: {Fn: {Type: 'AWS::Serverless::Function', Properties: {Handler: h, Runtime: r, CodeUri: ./src}}}",
    );
    assert_eq!(
        all,
        "1. Resource with id [Fn] is invalid. 'CodeUri' is not a valid S3 Uri of the form 's3://bucket/key' with optional \
         versionId query parameter."
    );
}

#[test]
fn templates_without_resources_of_sam_stay_as_they_are() {
    let body = r#"{"Transform": "AWS::Serverless-2016-10-31", "Conditions": {"C": {"Fn::Equals": ["a", "b"]}},
        "Resources": {"Q": {"Type": "AWS::SQS::Queue", "Condition": "C"}}, "Outputs": {"Q": {"Value": {"Ref": "Q"}}}}"#;
    let mut expected: Json = serde_json::from_str(body).unwrap();
    expected.as_object_mut().unwrap().remove("Transform");
    assert_eq!(processed(body), expected);
}

#[test]
fn events_are_bounded() {
    let events: String = (0..501).map(|n| format!("E{n}: {{Type: SQS}}, ")).collect();
    let body = format!(
        "Resources: {{Fn: {{Type: 'AWS::Serverless::Function', Properties: {{Events: {{{events}}}}}}}}}"
    );
    assert!(problems(&body).ends_with("Number of events, 501, is greater than maximum allowed, 500."));
}
