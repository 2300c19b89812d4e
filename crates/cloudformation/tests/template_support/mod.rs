//! What the template tests share.
#![allow(dead_code, reason = "each test binary uses a part")]
#![allow(clippy::unwrap_used, reason = "what the tests build must be right")]

use std::collections::BTreeMap;

use ropeway_cloudformation::template::{
    Environment, Evaluation, Kind, Lookup, Naming, ParameterValues, Property, Reference, ResourceType,
    Template, Value,
};

/// Resources that exist, exports, and three zones a region.
#[derive(Default)]
pub struct World {
    pub references: BTreeMap<String, String>,
    pub attributes: BTreeMap<(String, String), Value>,
    pub exports: BTreeMap<String, String>,
}

impl World {
    /// A world in which each of these resources exists, with the id `<id>-physical` and an `Arn`.
    pub fn with(ids: &[&str]) -> Self {
        let mut world = Self::default();
        for id in ids {
            world.create(id);
        }
        world
    }

    pub fn create(&mut self, id: &str) {
        self.references.insert(id.to_owned(), format!("{id}-physical"));
        self.attributes.insert((id.to_owned(), "Arn".to_owned()), format!("arn:aws:test:::{id}").into());
    }
}

impl Lookup for World {
    fn reference(&self, logical_id: &str) -> Option<Value> {
        self.references.get(logical_id).map(|id| id.as_str().into())
    }

    fn attribute(&self, logical_id: &str, name: &str) -> Option<Value> {
        self.attributes.get(&(logical_id.to_owned(), name.to_owned())).cloned()
    }

    fn import(&self, name: &str) -> Option<String> {
        self.exports.get(name).cloned()
    }

    fn availability_zones(&self, region: &str) -> Vec<String> {
        ["a", "b", "c"].iter().map(|zone| format!("{region}{zone}")).collect()
    }
}

pub fn environment() -> Environment {
    Environment {
        account_id: "123456789012".to_owned(),
        region: "eu-west-1".to_owned(),
        partition: "aws".to_owned(),
        url_suffix: "amazonaws.com".to_owned(),
        stack_id: "arn:aws:cloudformation:eu-west-1:123456789012:stack/shop/1".to_owned(),
        stack_name: "shop".to_owned(),
        notification_arns: vec!["arn:aws:sns:eu-west-1:123456789012:events".to_owned()],
    }
}

pub fn values(pairs: &[(&str, &str)]) -> ParameterValues {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

pub fn parse(body: &str) -> Template {
    Template::parse(body).unwrap()
}

pub fn evaluation<'t>(template: &'t Template, pairs: &[(&str, &str)]) -> Evaluation<'t> {
    Evaluation::new(template, environment(), &values(pairs)).unwrap()
}

/// The message of a body that is refused.
pub fn refused(body: &str) -> String {
    Template::parse(body).unwrap_err().message().to_owned()
}

pub fn json(text: &str) -> Value {
    serde_json::from_str::<serde_json::Value>(text).unwrap().into()
}

const STRING: Kind = Kind::String;
const TAG: &[Property] =
    &[Property::new("Key", STRING).required(), Property::new("Value", STRING).required()];
const TAGS: Property = Property::new("Tags", Kind::List(&Kind::Structure(TAG)));
const BUFFERING: &[Property] =
    &[Property::new("IntervalInSeconds", Kind::Integer), Property::new("SizeInMBs", Kind::Integer)];
const DESTINATION: &[Property] = &[
    Property::new("BucketARN", STRING).required(),
    Property::new("RoleARN", STRING).required(),
    Property::new("Prefix", STRING),
    Property::new("ErrorOutputPrefix", STRING),
    Property::new("CompressionFormat", STRING),
    Property::new("BufferingHints", Kind::Structure(BUFFERING)),
];
const POLICY: &[Property] =
    &[Property::new("PolicyName", STRING).required(), Property::new("PolicyDocument", Kind::Json).required()];

/// The types that the tests know.
pub const TYPES: &[ResourceType] = &[
    ResourceType::new(
        "AWS::SNS::Topic",
        &[Property::new("TopicName", STRING).replacement(), Property::new("DisplayName", STRING), TAGS],
    )
    .attributes(&["TopicArn", "TopicName", "Arn"]),
    ResourceType::new(
        "AWS::SQS::Queue",
        &[
            Property::new("QueueName", STRING).replacement(),
            Property::new("FifoQueue", Kind::Boolean).replacement(),
            Property::new("VisibilityTimeout", Kind::Integer),
            Property::new("RedrivePolicy", Kind::Json),
            TAGS,
        ],
    )
    .attributes(&["Arn", "QueueName", "QueueUrl"])
    .naming(Naming::new(80)),
    ResourceType::new(
        "AWS::SQS::QueuePolicy",
        &[
            Property::new("PolicyDocument", Kind::Json).required(),
            Property::new("Queues", Kind::List(&STRING)).required(),
        ],
    ),
    ResourceType::new(
        "AWS::SNS::Subscription",
        &[
            Property::new("TopicArn", STRING).required().replacement(),
            Property::new("Protocol", STRING).required().replacement(),
            Property::new("Endpoint", STRING).replacement(),
            Property::new("RawMessageDelivery", Kind::Boolean),
            Property::new("SubscriptionRoleArn", STRING),
        ],
    )
    .attributes(&["Arn"]),
    ResourceType::new("AWS::S3::Bucket", &[Property::new("BucketName", STRING).replacement(), TAGS])
        .attributes(&["Arn", "DomainName"])
        .naming(Naming::new(63).lower_case()),
    ResourceType::new(
        "AWS::IAM::Role",
        &[
            Property::new("AssumeRolePolicyDocument", Kind::Json).required(),
            Property::new("Policies", Kind::List(&Kind::Structure(POLICY))),
            Property::new("RoleName", STRING).replacement(),
        ],
    )
    .attributes(&["Arn", "RoleId"])
    .naming(Naming::new(64)),
    ResourceType::new(
        "AWS::KinesisFirehose::DeliveryStream",
        &[
            Property::new("DeliveryStreamName", STRING).replacement(),
            Property::new("DeliveryStreamType", STRING).replacement(),
            Property::new("ExtendedS3DestinationConfiguration", Kind::Structure(DESTINATION)),
        ],
    )
    .attributes(&["Arn"])
    .reference(Reference::PhysicalId),
];
