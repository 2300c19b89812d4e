//! What resources are imported by.
//!
//! Source: the user guide, "Resource type support" (of import operations).

/// Types whose resources can be imported, and the property that identifies them. Where it is a URL or an ARN, the
/// resource's name is its end; physical ids are what identifies them.
const IDENTIFIERS: &[(&str, &str)] = &[
    ("AWS::IAM::Group", "GroupName"),
    ("AWS::IAM::ManagedPolicy", "PolicyArn"),
    ("AWS::IAM::Role", "RoleName"),
    ("AWS::IAM::User", "UserName"),
    ("AWS::KinesisFirehose::DeliveryStream", "DeliveryStreamName"),
    ("AWS::Lambda::Function", "FunctionName"),
    ("AWS::Logs::LogGroup", "LogGroupName"),
    ("AWS::S3::Bucket", "BucketName"),
    ("AWS::SNS::Topic", "TopicArn"),
    ("AWS::SQS::Queue", "QueueUrl"),
];

/// The property that identifies resources of a type; none: they cannot be imported.
pub fn identifier(resource_type: &str) -> Option<&'static str> {
    IDENTIFIERS.iter().find(|(name, _)| *name == resource_type).map(|(_, identifier)| *identifier)
}

/// The name of what is identified so.
pub fn name_of<'a>(resource_type: &str, identity: &'a str) -> &'a str {
    match identifier(resource_type) {
        Some("QueueUrl" | "PolicyArn") => identity.rsplit('/').next().unwrap_or(identity),
        Some("TopicArn") => identity.rsplit(':').next().unwrap_or(identity),
        _ => identity,
    }
}
