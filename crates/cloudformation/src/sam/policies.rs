//! Policy templates, and the AWS managed policies that are known by their names alone.
//!
//! Source: SAM's documented policy templates, of those services that exist here.

use super::node::{Dict, Node, dict, reference};
use super::problem::{Problem, Result};

/// A statement of a template: its actions, and the ARNs that it is about, in `Fn::Sub`'s form.
struct Statement {
    actions: &'static [&'static str],
    resources: &'static [&'static str],
    /// The resources are a list even if there is one.
    listed: bool,
}

struct Template {
    name: &'static str,
    /// The parameter, and the variable that it is in the ARNs.
    parameter: Option<(&'static str, &'static str)>,
    statements: &'static [Statement],
}

const fn one(actions: &'static [&'static str], resources: &'static [&'static str]) -> Statement {
    Statement { actions, resources, listed: false }
}

const fn listed(actions: &'static [&'static str], resources: &'static [&'static str]) -> Statement {
    Statement { actions, resources, listed: true }
}

const QUEUE: &[&str] = &["arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:${queueName}"];
const STREAM: &[&str] =
    &["arn:${AWS::Partition}:firehose:${AWS::Region}:${AWS::AccountId}:deliverystream/${deliveryStreamName}"];
const BUCKET: &[&str] = &["arn:${AWS::Partition}:s3:::${bucketName}"];
const OBJECTS: &[&str] = &["arn:${AWS::Partition}:s3:::${bucketName}/*"];
const BUCKET_AND_OBJECTS: &[&str] =
    &["arn:${AWS::Partition}:s3:::${bucketName}", "arn:${AWS::Partition}:s3:::${bucketName}/*"];

const TEMPLATES: &[Template] = &[
    Template {
        name: "CloudFormationDescribeStacksPolicy",
        parameter: None,
        statements: &[one(
            &["cloudformation:DescribeStacks"],
            &["arn:${AWS::Partition}:cloudformation:${AWS::Region}:${AWS::AccountId}:stack/*"],
        )],
    },
    Template {
        name: "FilterLogEventsPolicy",
        parameter: Some(("LogGroupName", "logGroupName")),
        statements: &[one(
            &["logs:FilterLogEvents"],
            &[
                "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:${logGroupName}:log-stream:*",
            ],
        )],
    },
    Template {
        name: "FirehoseCrudPolicy",
        parameter: Some(("DeliveryStreamName", "deliveryStreamName")),
        statements: &[one(
            &[
                "firehose:CreateDeliveryStream",
                "firehose:DeleteDeliveryStream",
                "firehose:DescribeDeliveryStream",
                "firehose:PutRecord",
                "firehose:PutRecordBatch",
                "firehose:UpdateDestination",
            ],
            STREAM,
        )],
    },
    Template {
        name: "FirehoseWritePolicy",
        parameter: Some(("DeliveryStreamName", "deliveryStreamName")),
        statements: &[one(&["firehose:PutRecord", "firehose:PutRecordBatch"], STREAM)],
    },
    Template {
        name: "LambdaInvokePolicy",
        parameter: Some(("FunctionName", "functionName")),
        statements: &[one(
            &["lambda:InvokeFunction"],
            &["arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:${functionName}*"],
        )],
    },
    Template {
        name: "S3CrudPolicy",
        parameter: Some(("BucketName", "bucketName")),
        statements: &[listed(
            &[
                "s3:GetObject",
                "s3:ListBucket",
                "s3:GetBucketLocation",
                "s3:GetObjectVersion",
                "s3:PutObject",
                "s3:PutObjectAcl",
                "s3:GetLifecycleConfiguration",
                "s3:PutLifecycleConfiguration",
                "s3:DeleteObject",
            ],
            BUCKET_AND_OBJECTS,
        )],
    },
    Template {
        name: "S3FullAccessPolicy",
        parameter: Some(("BucketName", "bucketName")),
        statements: &[
            listed(
                &[
                    "s3:GetObject",
                    "s3:GetObjectAcl",
                    "s3:GetObjectVersion",
                    "s3:PutObject",
                    "s3:PutObjectAcl",
                    "s3:DeleteObject",
                    "s3:DeleteObjectTagging",
                    "s3:DeleteObjectVersionTagging",
                    "s3:GetObjectTagging",
                    "s3:GetObjectVersionTagging",
                    "s3:PutObjectTagging",
                    "s3:PutObjectVersionTagging",
                ],
                OBJECTS,
            ),
            listed(
                &[
                    "s3:ListBucket",
                    "s3:GetBucketLocation",
                    "s3:GetLifecycleConfiguration",
                    "s3:PutLifecycleConfiguration",
                ],
                BUCKET,
            ),
        ],
    },
    Template {
        name: "S3ReadPolicy",
        parameter: Some(("BucketName", "bucketName")),
        statements: &[listed(
            &[
                "s3:GetObject",
                "s3:ListBucket",
                "s3:GetBucketLocation",
                "s3:GetObjectVersion",
                "s3:GetLifecycleConfiguration",
            ],
            BUCKET_AND_OBJECTS,
        )],
    },
    Template {
        name: "S3WritePolicy",
        parameter: Some(("BucketName", "bucketName")),
        statements: &[listed(
            &["s3:PutObject", "s3:PutObjectAcl", "s3:PutLifecycleConfiguration"],
            BUCKET_AND_OBJECTS,
        )],
    },
    Template {
        name: "SNSCrudPolicy",
        parameter: Some(("TopicName", "topicName")),
        statements: &[one(
            &[
                "sns:ListSubscriptionsByTopic",
                "sns:CreateTopic",
                "sns:SetTopicAttributes",
                "sns:Subscribe",
                "sns:Publish",
            ],
            &["arn:${AWS::Partition}:sns:${AWS::Region}:${AWS::AccountId}:${topicName}*"],
        )],
    },
    Template {
        name: "SNSPublishMessagePolicy",
        parameter: Some(("TopicName", "topicName")),
        statements: &[one(
            &["sns:Publish"],
            &["arn:${AWS::Partition}:sns:${AWS::Region}:${AWS::AccountId}:${topicName}"],
        )],
    },
    Template {
        name: "SQSPollerPolicy",
        parameter: Some(("QueueName", "queueName")),
        statements: &[one(
            &[
                "sqs:ChangeMessageVisibility",
                "sqs:ChangeMessageVisibilityBatch",
                "sqs:DeleteMessage",
                "sqs:DeleteMessageBatch",
                "sqs:GetQueueAttributes",
                "sqs:ReceiveMessage",
            ],
            QUEUE,
        )],
    },
    Template {
        name: "SQSSendMessagePolicy",
        parameter: Some(("QueueName", "queueName")),
        statements: &[one(&["sqs:SendMessage*"], QUEUE)],
    },
];

/// SAM's templates for services that do not exist here.
const REFUSED: &[&str] = &[
    "AMIDescribePolicy",
    "AWSSecretsManagerGetSecretValuePolicy",
    "AWSSecretsManagerRotationPolicy",
    "AcmGetCertificatePolicy",
    "AthenaQueryPolicy",
    "CloudWatchDashboardPolicy",
    "CloudWatchDescribeAlarmHistoryPolicy",
    "CloudWatchPutMetricPolicy",
    "CodeCommitCrudPolicy",
    "CodeCommitReadPolicy",
    "CodePipelineLambdaExecutionPolicy",
    "CodePipelineReadOnlyPolicy",
    "ComprehendBasicAccessPolicy",
    "CostExplorerReadOnlyPolicy",
    "DynamoDBBackupFullAccessPolicy",
    "DynamoDBCrudPolicy",
    "DynamoDBReadPolicy",
    "DynamoDBReconfigurePolicy",
    "DynamoDBRestoreFromBackupPolicy",
    "DynamoDBStreamReadPolicy",
    "DynamoDBWritePolicy",
    "EC2CopyImagePolicy",
    "EC2DescribePolicy",
    "EFSWriteAccessPolicy",
    "EKSDescribePolicy",
    "EcsRunTaskPolicy",
    "ElasticMapReduceAddJobFlowStepsPolicy",
    "ElasticMapReduceCancelStepsPolicy",
    "ElasticMapReduceModifyInstanceFleetPolicy",
    "ElasticMapReduceModifyInstanceGroupsPolicy",
    "ElasticMapReduceSetTerminationProtectionPolicy",
    "ElasticMapReduceTerminateJobFlowsPolicy",
    "ElasticsearchHttpPostPolicy",
    "EventBridgePutEventsPolicy",
    "KMSDecryptPolicy",
    "KMSEncryptPolicy",
    "KMSEncryptPolicy_v2",
    "KinesisCrudPolicy",
    "KinesisStreamReadPolicy",
    "MobileAnalyticsWriteOnlyAccessPolicy",
    "OrganizationsListAccountsPolicy",
    "PinpointEndpointAccessPolicy",
    "PollyFullAccessPolicy",
    "RekognitionDetectOnlyPolicy",
    "RekognitionFacesManagementPolicy",
    "RekognitionFacesPolicy",
    "RekognitionLabelsPolicy",
    "RekognitionNoDataAccessPolicy",
    "RekognitionReadPolicy",
    "RekognitionWriteOnlyAccessPolicy",
    "Route53ChangeResourceRecordSetsPolicy",
    "SESBulkTemplatedCrudPolicy",
    "SESBulkTemplatedCrudPolicy_v2",
    "SESCrudPolicy",
    "SESEmailTemplateCrudPolicy",
    "SESSendBouncePolicy",
    "SSMParameterReadPolicy",
    "SSMParameterWithSlashPrefixReadPolicy",
    "SageMakerCreateEndpointConfigPolicy",
    "SageMakerCreateEndpointPolicy",
    "ServerlessRepoReadWriteAccessPolicy",
    "StepFunctionsCallbackPolicy",
    "StepFunctionsExecutionPolicy",
    "StepFunctionsExecutionPolicy_v2",
    "TextractDetectAnalyzePolicy",
    "TextractGetResultPolicy",
    "TextractPolicy",
    "VPCAccessPolicy",
];

/// AWS managed policies whose ARN has a path.
const SERVICE_ROLES: &[&str] = &[
    "AWSLambdaBasicExecutionRole",
    "AWSLambdaDynamoDBExecutionRole",
    "AWSLambdaENIManagementAccess",
    "AWSLambdaKinesisExecutionRole",
    "AWSLambdaMSKExecutionRole",
    "AWSLambdaRole",
    "AWSLambdaSQSQueueExecutionRole",
    "AWSLambdaVPCAccessExecutionRole",
    "AmazonAPIGatewayPushToCloudWatchLogs",
    "AmazonS3ObjectLambdaExecutionRolePolicy",
    "AmazonSNSRole",
];

/// AWS managed policies of services that exist here whose ARN has none.
const MANAGED: &[&str] = &[
    "AWSCloudFormationFullAccess",
    "AWSCloudFormationReadOnlyAccess",
    "AWSLambdaExecute",
    "AWSLambdaInvocation-DynamoDB",
    "AWSLambda_FullAccess",
    "AWSLambda_ReadOnlyAccess",
    "AWSXRayDaemonWriteAccess",
    "AWSXrayWriteOnlyAccess",
    "AdministratorAccess",
    "AmazonAPIGatewayAdministrator",
    "AmazonAPIGatewayInvokeFullAccess",
    "AmazonKinesisFirehoseFullAccess",
    "AmazonKinesisFirehoseReadOnlyAccess",
    "AmazonS3FullAccess",
    "AmazonS3ReadOnlyAccess",
    "AmazonSNSFullAccess",
    "AmazonSNSReadOnlyAccess",
    "AmazonSQSFullAccess",
    "AmazonSQSReadOnlyAccess",
    "CloudWatchLogsFullAccess",
    "CloudWatchLogsReadOnlyAccess",
    "IAMFullAccess",
    "IAMReadOnlyAccess",
    "PowerUserAccess",
    "ReadOnlyAccess",
];

/// The ARN of an AWS managed policy; what is not known by its name stays as it is, for IAM to judge.
pub fn managed_arn(name: &str) -> String {
    if SERVICE_ROLES.contains(&name) {
        format!("arn:aws:iam::aws:policy/service-role/{name}")
    } else if MANAGED.contains(&name) {
        format!("arn:aws:iam::aws:policy/{name}")
    } else {
        name.to_owned()
    }
}

/// What an entry of `Policies` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A managed policy.
    Managed,
    /// A policy document.
    Document,
    /// A template of SAM's.
    Template,
    /// Nothing that is known.
    Unknown,
}

/// What an entry of `Policies` is; both branches of an `Fn::If` must be the same.
pub fn kind(policy: &Node) -> Result<Kind> {
    match (policy, policy.intrinsic()) {
        (Node::Text(_), _) => Ok(Kind::Managed),
        (_, Some(("Fn::If", argument))) => branches(argument),
        (_, Some(_)) => Ok(Kind::Managed),
        (Node::Dict(dict), None) if dict.contains("Statement") => Ok(Kind::Document),
        (Node::Dict(dict), None) if dict.len() == 1 => {
            let name = dict.keys().first().copied().unwrap_or_default();
            let known = TEMPLATES.iter().any(|template| template.name == name) || REFUSED.contains(&name);
            Ok(if known { Kind::Template } else { Kind::Unknown })
        }
        _ => Ok(Kind::Unknown),
    }
}

fn branches(argument: &Node) -> Result<Kind> {
    let Some([_, yes, no]) = argument.list() else {
        return Err(Problem::Template("Fn::If requires 3 arguments".to_owned()));
    };
    match (kind(yes)?, kind(no)?) {
        (yes, no) if yes == no => Ok(yes),
        (_, other) if yes.is_no_value() => Ok(other),
        (other, _) if no.is_no_value() => Ok(other),
        _ => Err(Problem::Template(
            "Different policy types within the same Fn::If statement is unsupported. Separate different policy types into \
             different Fn::If statements"
                .to_owned(),
        )),
    }
}

/// The policy document of a template and its parameters.
///
/// # Errors
/// What is wrong, for the function that names it.
pub fn document(policy: &Node) -> std::result::Result<Node, String> {
    let member = policy.dict().and_then(|dict| dict.members().next());
    let Some((name, given)) = member else { return Ok(policy.clone()) };
    let name = name.text;
    let Some(template) = TEMPLATES.iter().find(|template| template.name == name) else {
        return Err(format!("Policy template '{name}' is not supported."));
    };
    let Some(given) = given.dict() else {
        return Err(format!("Must specify valid parameter values for policy template '{name}'"));
    };
    if let Some((parameter, _)) = template.parameter
        && !given.contains(parameter)
    {
        return Err(format!(
            "Following required parameters of template '{name}' don't have values: ['{parameter}']"
        ));
    }
    let statements = template.statements.iter().map(|statement| template.statement(statement, given));
    Ok(dict([("Statement", Node::List(statements.collect()))]))
}

impl Template {
    fn statement(&self, statement: &Statement, given: &Dict) -> Node {
        let arn = |arn: &&str| match self.parameter {
            None => dict([("Fn::Sub", (*arn).into())]),
            Some((parameter, variable)) => {
                let value = given.get(parameter).cloned().unwrap_or_else(|| reference(parameter));
                super::node::sub(*arn, [(variable, value)])
            }
        };
        let mut resources: Vec<Node> = statement.resources.iter().map(arn).collect();
        let resources = match (statement.listed, resources.pop()) {
            (false, Some(only)) => only,
            (_, last) => {
                resources.extend(last);
                Node::List(resources)
            }
        };
        dict([
            ("Action", Node::List(statement.actions.iter().map(|action| (*action).into()).collect())),
            ("Effect", "Allow".into()),
            ("Resource", resources),
        ])
    }
}
