//! A fan-out application as its authors would write it: a topic, two queues that only the topic may fill,
//! a delivery stream into a bucket, and the roles that these need.

mod template_support;

use ropeway_cloudformation::template::{Types, Value, check, coerce};
use template_support::{TYPES, World, evaluation, json, parse};

const TEMPLATE: &str = r#"
AWSTemplateFormatVersion: 2010-09-09
Description: >
  Created consumers, fanned out and archived.
Parameters:
  BufferSeconds: {Type: Number, Default: 60, MinValue: 60, MaxValue: 900}
Resources:
  CreatedConsumer:
    Type: AWS::SNS::Topic
    Properties: {TopicName: created-consumer}
  OrdersQueue:
    Type: AWS::SQS::Queue
    Properties: {QueueName: api-orders-created-consumer, VisibilityTimeout: "30"}
  PaymentQueue:
    Type: AWS::SQS::Queue
    Properties: {QueueName: api-payment-created-consumer}
  QueuesPolicy:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref OrdersQueue, !Ref PaymentQueue]
      PolicyDocument:
        Version: 2012-10-17
        Statement:
          - Effect: Allow
            Principal: {Service: sns.amazonaws.com}
            Action: sqs:SendMessage
            Resource: ["*"]
            Condition: {ArnEquals: {aws:SourceArn: !Ref CreatedConsumer}}
  OrdersSubscription:
    Type: AWS::SNS::Subscription
    Properties:
      TopicArn: !Ref CreatedConsumer
      Protocol: sqs
      Endpoint: !GetAtt OrdersQueue.Arn
      RawMessageDelivery: yes
  PaymentSubscription:
    Type: AWS::SNS::Subscription
    DependsOn: QueuesPolicy
    Properties: {TopicArn: !Ref CreatedConsumer, Protocol: sqs, Endpoint: !GetAtt PaymentQueue.Arn}
  Archive:
    Type: AWS::S3::Bucket
    DeletionPolicy: Retain
  DeliveryRole:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: 2012-10-17
        Statement: [{Effect: Allow, Principal: {Service: firehose.amazonaws.com}, Action: sts:AssumeRole}]
      Policies:
        - PolicyName: write
          PolicyDocument:
            Version: "2012-10-17"
            Statement: [{Effect: Allow, Action: s3:PutObject, Resource: !Sub "${Archive.Arn}/*"}]
  SubscriptionRole:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: 2012-10-17
        Statement: [{Effect: Allow, Principal: {Service: sns.amazonaws.com}, Action: sts:AssumeRole}]
  Stream:
    Type: AWS::KinesisFirehose::DeliveryStream
    Properties:
      DeliveryStreamType: DirectPut
      ExtendedS3DestinationConfiguration:
        BucketARN: !GetAtt Archive.Arn
        RoleARN: !GetAtt DeliveryRole.Arn
        Prefix: landing_date=!{timestamp:YYYY-MM-dd}/
        ErrorOutputPrefix: failed/
        BufferingHints: {IntervalInSeconds: !Ref BufferSeconds, SizeInMBs: 5}
  ArchiveSubscription:
    Type: AWS::SNS::Subscription
    Properties:
      TopicArn: !Ref CreatedConsumer
      Protocol: firehose
      Endpoint: !GetAtt Stream.Arn
      SubscriptionRoleArn: !GetAtt SubscriptionRole.Arn
Outputs:
  TopicArn: {Value: !Ref CreatedConsumer, Export: {Name: !Sub "${AWS::StackName}-topic"}}
  OrdersUrl: {Value: !Ref OrdersQueue}
"#;

#[test]
fn the_application_is_created_resource_by_resource() {
    let template = parse(TEMPLATE);
    check(&template, &TYPES).unwrap();
    let evaluation = evaluation(&template, &[]);
    let order = evaluation.creation_order();
    assert_eq!(
        order,
        [
            "Archive",
            "CreatedConsumer",
            "DeliveryRole",
            "OrdersQueue",
            "OrdersSubscription",
            "PaymentQueue",
            "QueuesPolicy",
            "PaymentSubscription",
            "Stream",
            "SubscriptionRole",
            "ArchiveSubscription"
        ]
    );
    let mut world = World::default();
    for id in order {
        let resource = evaluation.resource(id).unwrap();
        let resource_type = TYPES.resource_type(&resource.resource_type).unwrap();
        let properties = evaluation.properties(id, &world).unwrap();
        let properties = coerce(resource_type, id, &properties).unwrap();
        match id.as_str() {
            "OrdersSubscription" => assert_eq!(
                Value::Map(properties),
                json(
                    r#"{"TopicArn": "CreatedConsumer-physical", "Protocol": "sqs", "Endpoint": "arn:aws:test:::OrdersQueue", "RawMessageDelivery": true}"#
                )
            ),
            "QueuesPolicy" => assert_eq!(
                Value::Map(properties),
                json(
                    r#"{"Queues": ["OrdersQueue-physical", "PaymentQueue-physical"],
                        "PolicyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
                            "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": ["*"],
                            "Condition": {"ArnEquals": {"aws:SourceArn": "CreatedConsumer-physical"}}}]}}"#
                )
            ),
            "Stream" => assert_eq!(
                properties["ExtendedS3DestinationConfiguration"],
                json(
                    r#"{"BucketARN": "arn:aws:test:::Archive", "RoleARN": "arn:aws:test:::DeliveryRole",
                        "Prefix": "landing_date=!{timestamp:YYYY-MM-dd}/", "ErrorOutputPrefix": "failed/",
                        "BufferingHints": {"IntervalInSeconds": 60, "SizeInMBs": 5}}"#
                )
            ),
            _ => {}
        }
        world.create(id);
    }
    let outputs = evaluation.outputs(&world).unwrap();
    assert_eq!(outputs[0].export_name.as_deref(), Some("shop-topic"));
    assert_eq!(outputs[1].value, "OrdersQueue-physical");
}

#[test]
fn the_same_application_in_json_is_the_same() {
    let tree = ropeway_cloudformation::template::parse(TEMPLATE).unwrap();
    let body = tree.to_json().to_string();
    assert_eq!(ropeway_cloudformation::template::parse(&body).unwrap(), tree);
    let (yaml, json) = (parse(TEMPLATE), parse(&body));
    assert_eq!(evaluation(&yaml, &[]).creation_order(), evaluation(&json, &[]).creation_order());
}
