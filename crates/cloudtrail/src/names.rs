//! What kind of event a call makes, and what CloudTrail calls it.

use ropeway_wire::schema::{Operation, Service};

/// The kinds of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Not recorded: by AWS neither, or a data event of a type that there is no selector for here.
    Nothing,
    /// A management event.
    Management,
    /// A data event.
    Data,
}

/// The kind of an operation's events.
///
/// Sources: "Logging data events" in CloudTrail's user guide, and the pages on CloudTrail in each service's own guide.
pub fn kind(service: &Service, operation: &Operation) -> Kind {
    let quiet = match service.id {
        "s3" if is_object_level(operation) => return Kind::Data,
        "lambda" if operation.name.starts_with("Invoke") => return Kind::Data,
        "sqs" => matches!(
            operation.name,
            "SendMessage"
                | "SendMessageBatch"
                | "ReceiveMessage"
                | "DeleteMessage"
                | "DeleteMessageBatch"
                | "ChangeMessageVisibility"
                | "ChangeMessageVisibilityBatch"
        ),
        "sns" => matches!(operation.name, "Publish" | "PublishBatch"),
        "firehose" => matches!(operation.name, "PutRecord" | "PutRecordBatch"),
        "logs" => matches!(operation.name, "PutLogEvents" | "GetLogEvents" | "FilterLogEvents"),
        _ => false,
    };
    if quiet { Kind::Nothing } else { Kind::Management }
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/cloudtrail-logging-s3-info.html>
fn is_object_level(operation: &Operation) -> bool {
    operation.uri.contains("{Key")
        || matches!(
            operation.name,
            "DeleteObjects"
                | "HeadBucket"
                | "ListMultipartUploads"
                | "ListObjects"
                | "ListObjectsV2"
                | "ListObjectVersions"
        )
}

/// How names of operations that only read begin.
const READS: &[&str] = &[
    "Get", "List", "Describe", "Head", "Lookup", "Filter", "Test", "Simulate", "Validate", "Detect",
    "Estimate", "Export", "Query", "Scan", "Search", "Select", "Check",
];

/// `readOnly`. AWS calls the sessions that STS hands out reads.
pub fn is_read(service: &Service, operation: &Operation) -> bool {
    service.id == "sts" || READS.iter().any(|word| operation.name.starts_with(word))
}

/// `eventSource`
pub fn source(service: &Service) -> String {
    format!("{}.amazonaws.com", service.signing_name)
}

/// `eventName`: that of the operation, but for S3's older names, and for Lambda's, which end with the version of their
/// API (<https://docs.aws.amazon.com/lambda/latest/dg/logging-using-cloudtrail.html>).
pub fn event_name(service: &Service, operation: &Operation) -> String {
    match service.id {
        "s3" => of_s3(operation.name).to_owned(),
        "lambda" => format!("{}{}", operation.name, version_of_lambda(operation.name)),
        _ => operation.name.to_owned(),
    }
}

fn of_s3(name: &str) -> &str {
    match name {
        "ListObjectsV2" => "ListObjects",
        "PutBucketLifecycleConfiguration" => "PutBucketLifecycle",
        "GetBucketLifecycleConfiguration" => "GetBucketLifecycle",
        "PutBucketNotificationConfiguration" => "PutBucketNotification",
        "GetBucketNotificationConfiguration" => "GetBucketNotification",
        "PutPublicAccessBlock" => "PutBucketPublicAccessBlock",
        "GetPublicAccessBlock" => "GetBucketPublicAccessBlock",
        "DeletePublicAccessBlock" => "DeleteBucketPublicAccessBlock",
        other => other,
    }
}

fn version_of_lambda(name: &str) -> &'static str {
    match name {
        "AddPermission"
        | "GetFunction"
        | "GetFunctionConfiguration"
        | "GetPolicy"
        | "RemovePermission"
        | "UpdateFunctionCode"
        | "UpdateFunctionConfiguration" => "20150331v2",
        "CreateAlias"
        | "CreateEventSourceMapping"
        | "CreateFunction"
        | "DeleteAlias"
        | "DeleteEventSourceMapping"
        | "DeleteFunction"
        | "GetAlias"
        | "GetEventSourceMapping"
        | "ListAliases"
        | "ListEventSourceMappings"
        | "ListFunctions"
        | "ListVersionsByFunction"
        | "PublishVersion"
        | "UpdateAlias"
        | "UpdateEventSourceMapping" => "20150331",
        "TagResource" | "UntagResource" => "20170331v2",
        "ListTags" => "20170331",
        "PutFunctionConcurrency" | "DeleteFunctionConcurrency" => "20171031",
        name if name.contains("Layer") => "20181031",
        "GetAccountSettings" => "20160819",
        _ => "",
    }
}

/// Type and name of the resource of an ARN, as `LookupEvents` tells them.
pub fn resource(arn: &str) -> Option<(String, String)> {
    let mut parts = arn.splitn(6, ':').skip(2);
    let (service, _, _, rest) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let kind = rest.split(['/', ':']).next().unwrap_or_default();
    let last = || rest.rsplit(['/', ':']).next().unwrap_or(rest).to_owned();
    let second = || rest.split(['/', ':']).nth(1).unwrap_or(rest).to_owned();
    let (of, name) = match (service, kind) {
        ("sqs", _) => ("AWS::SQS::Queue", rest.to_owned()),
        ("sns", _) => ("AWS::SNS::Topic", arn.to_owned()),
        ("s3", bucket) => ("AWS::S3::Bucket", bucket.to_owned()),
        ("lambda", "function") => ("AWS::Lambda::Function", second()),
        ("lambda", "layer") => ("AWS::Lambda::LayerVersion", second()),
        ("firehose", _) => ("AWS::KinesisFirehose::DeliveryStream", last()),
        ("logs", "log-group") => ("AWS::Logs::LogGroup", log_group(rest)),
        ("iam", "user") => ("AWS::IAM::User", last()),
        ("iam", "role") => ("AWS::IAM::Role", last()),
        ("iam", "group") => ("AWS::IAM::Group", last()),
        ("iam", "policy") => ("AWS::IAM::Policy", arn.to_owned()),
        ("iam", "instance-profile") => ("AWS::IAM::InstanceProfile", last()),
        ("cloudformation", "stack") => ("AWS::CloudFormation::Stack", second()),
        ("cloudtrail", "trail") => ("AWS::CloudTrail::Trail", arn.to_owned()),
        _ => return None,
    };
    (!name.is_empty() && name != "*").then(|| (of.to_owned(), name))
}

/// The group of `log-group:NAME:log-stream:…`.
fn log_group(rest: &str) -> String {
    rest.split(':').nth(1).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use ropeway_api::{firehose, lambda, logs, s3, sns, sqs, sts};

    use super::*;

    fn of(service: &'static Service, name: &str) -> (Kind, bool, String) {
        let operation = service.operations.iter().find(|o| o.name == name).unwrap();
        (kind(service, operation), is_read(service, operation), event_name(service, operation))
    }

    #[test]
    fn calls_make_the_events_that_aws_documents() {
        use Kind::{Data, Management, Nothing};
        for (service, name, expected, read, event) in [
            (&sqs::SERVICE, "SendMessage", Nothing, false, "SendMessage"),
            (&sqs::SERVICE, "CreateQueue", Management, false, "CreateQueue"),
            (&sqs::SERVICE, "GetQueueUrl", Management, true, "GetQueueUrl"),
            (&sns::SERVICE, "Publish", Nothing, false, "Publish"),
            (&firehose::SERVICE, "PutRecord", Nothing, false, "PutRecord"),
            (&logs::SERVICE, "PutLogEvents", Nothing, false, "PutLogEvents"),
            (&s3::SERVICE, "PutObject", Data, false, "PutObject"),
            (&s3::SERVICE, "GetObject", Data, true, "GetObject"),
            (&s3::SERVICE, "ListObjectsV2", Data, true, "ListObjects"),
            (&s3::SERVICE, "CreateBucket", Management, false, "CreateBucket"),
            (&s3::SERVICE, "PutBucketNotificationConfiguration", Management, false, "PutBucketNotification"),
            (&lambda::SERVICE, "Invoke", Data, false, "Invoke"),
            (&lambda::SERVICE, "CreateFunction", Management, false, "CreateFunction20150331"),
            (&sts::SERVICE, "AssumeRole", Management, true, "AssumeRole"),
        ] {
            assert_eq!(of(service, name), (expected, read, event.to_owned()), "{name}");
        }
    }

    #[test]
    fn resources_are_told_by_type_and_name() {
        for (arn, expected) in [
            ("arn:aws:sqs:r:1:orders", Some(("AWS::SQS::Queue", "orders"))),
            ("arn:aws:s3:::bucket", Some(("AWS::S3::Bucket", "bucket"))),
            ("arn:aws:s3:::bucket/key:x", Some(("AWS::S3::Bucket", "bucket"))),
            ("arn:aws:lambda:r:1:function:f:1", Some(("AWS::Lambda::Function", "f"))),
            ("arn:aws:logs:r:1:log-group:/g/h:log-stream:", Some(("AWS::Logs::LogGroup", "/g/h"))),
            ("arn:aws:iam::1:role/path/admin", Some(("AWS::IAM::Role", "admin"))),
            ("arn:aws:sqs:r:1:*", None),
            ("*", None),
        ] {
            let expected = expected.map(|(of, name)| (of.to_owned(), name.to_owned()));
            assert_eq!(resource(arn), expected, "{arn}");
        }
    }
}
