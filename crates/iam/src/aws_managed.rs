//! Managed policies that AWS provides: everyone may attach them, nobody may change them.
//!
//! Source of the documents: AWS Managed Policy Reference. Here are those whose services are here, and those that
//! functions' roles are commonly given; others are not found, as one of a wrong name.

use ropeway_core::Time;

use crate::model::{ManagedPolicy, Tags, Version, policy_arn};

/// Stands where an account's id would.
pub const AWS: &str = "aws";

/// A policy of AWS's.
#[derive(Debug)]
pub struct AwsManaged {
    path: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Its document.
    pub document: &'static str,
}

/// The policy of an ARN.
pub fn find(arn: &str) -> Option<&'static AwsManaged> {
    let name = arn.rsplit('/').next().unwrap_or_default();
    POLICIES.iter().find(|policy| policy.name == name && policy.arn() == arn)
}

impl AwsManaged {
    /// Its ARN.
    pub fn arn(&self) -> String {
        policy_arn(AWS, self.path, self.name)
    }

    /// As an account sees it that has attached it nowhere. Its unique id is its name's sum, since AWS's own are
    /// listed nowhere.
    pub fn policy(&self) -> ManagedPolicy {
        use sha2::{Digest, Sha256};
        let sum = hex::encode_upper(Sha256::digest(self.name));
        ManagedPolicy {
            account: AWS.to_owned(),
            name: self.name.to_owned(),
            path: self.path.to_owned(),
            id: format!("ANPA{}", sum.get(..17).unwrap_or_default()),
            created: Time::default(),
            updated: Time::default(),
            description: None,
            tags: Tags::default(),
            default: 1,
            next: 2,
            attachments: 0,
            boundaries: 0,
        }
    }

    /// Its one version.
    pub fn version(&self) -> Version {
        Version { number: 1, document: self.document.to_owned(), created: Time::default(), default: true }
    }
}

macro_rules! allow {
    ($path:literal $name:literal: $($action:literal),+ $(,)?) => {
        allow!($path $name on "*": $($action),+)
    };
    ($path:literal $name:literal on $resource:literal: $first:literal $(, $action:literal)* $(,)?) => {
        AwsManaged {
            path: $path,
            name: $name,
            document: concat!(
                r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":[""#, $first, "\"",
                $(",\"", $action, "\"",)*
                r#"],"Resource":""#, $resource, r#""}]}"#
            ),
        }
    };
}

/// All of them, in the order of their names.
pub const POLICIES: &[AwsManaged] = &[
    allow!("/service-role/" "AWSLambdaBasicExecutionRole":
        "logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"),
    allow!("/service-role/" "AWSLambdaDynamoDBExecutionRole":
        "dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams",
        "logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"),
    allow!("/service-role/" "AWSLambdaRole": "lambda:InvokeFunction"),
    allow!("/service-role/" "AWSLambdaSQSQueueExecutionRole":
        "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes",
        "logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"),
    allow!("/service-role/" "AWSLambdaVPCAccessExecutionRole":
        "logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", "ec2:CreateNetworkInterface",
        "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:DeleteNetworkInterface",
        "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses"),
    allow!("/" "AWSXRayDaemonWriteAccess":
        "xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules",
        "xray:GetSamplingTargets", "xray:GetSamplingStatisticSummaries"),
    allow!("/" "AWSXrayWriteOnlyAccess":
        "xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules",
        "xray:GetSamplingTargets", "xray:GetSamplingStatisticSummaries"),
    allow!("/" "AdministratorAccess": "*"),
    allow!("/" "AmazonAPIGatewayAdministrator" on "arn:aws:apigateway:*::/*": "apigateway:*"),
    allow!("/" "AmazonAPIGatewayInvokeFullAccess" on "arn:aws:execute-api:*:*:*":
        "execute-api:Invoke", "execute-api:ManageConnections"),
    allow!("/service-role/" "AmazonAPIGatewayPushToCloudWatchLogs":
        "logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogGroups", "logs:DescribeLogStreams",
        "logs:PutLogEvents", "logs:GetLogEvents", "logs:FilterLogEvents"),
    allow!("/" "AmazonKinesisFirehoseFullAccess": "firehose:*"),
    allow!("/" "AmazonS3FullAccess": "s3:*", "s3-object-lambda:*"),
    allow!("/" "AmazonS3ReadOnlyAccess":
        "s3:Get*", "s3:List*", "s3:Describe*", "s3-object-lambda:Get*", "s3-object-lambda:List*"),
    allow!("/" "AmazonSNSFullAccess": "sns:*"),
    allow!("/" "AmazonSQSFullAccess": "sqs:*"),
    allow!("/" "AmazonSQSReadOnlyAccess":
        "sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ListDeadLetterSourceQueues", "sqs:ListQueues",
        "sqs:ListMessageMoveTasks", "sqs:ListQueueTags"),
    allow!("/" "CloudWatchLogsFullAccess": "logs:*", "cloudwatch:GenerateQuery"),
    allow!("/" "IAMFullAccess":
        "iam:*", "organizations:DescribeAccount", "organizations:DescribeOrganization",
        "organizations:DescribeOrganizationalUnit", "organizations:DescribePolicy",
        "organizations:ListChildren", "organizations:ListParents", "organizations:ListPoliciesForTarget",
        "organizations:ListRoots", "organizations:ListPolicies", "organizations:ListTargetsForPolicy"),
    allow!("/" "IAMReadOnlyAccess":
        "iam:GenerateCredentialReport", "iam:GenerateServiceLastAccessedDetails", "iam:Get*", "iam:List*",
        "iam:SimulateCustomPolicy", "iam:SimulatePrincipalPolicy"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Policy, PolicyKind};

    #[test]
    fn every_document_is_a_policy_and_the_names_are_in_order() {
        assert!(POLICIES.is_sorted_by_key(|policy| policy.name), "pages go by name");
        for policy in POLICIES {
            assert_eq!(find(&policy.arn()).unwrap().name, policy.name);
            assert!(Policy::parse(policy.document, PolicyKind::Managed).is_ok(), "{}", policy.document);
        }
        assert!(
            find("arn:aws:iam::aws:policy/AWSLambdaBasicExecutionRole").is_none(),
            "its path is part of it"
        );
    }
}
