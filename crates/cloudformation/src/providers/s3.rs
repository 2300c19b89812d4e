//! `AWS::S3`.
//!
//! Source of the tables: the CloudFormation template reference, Amazon S3.

use std::collections::BTreeMap;

use ropeway_api::s3::{
    CreateBucketInput, DeleteBucketCorsInput, DeleteBucketEncryptionInput, DeleteBucketInput,
    DeleteBucketLifecycleInput, DeleteBucketOwnershipControlsInput, DeleteBucketPolicyInput,
    DeleteBucketTaggingInput, DeleteBucketWebsiteInput, DeletePublicAccessBlockInput, GetBucketTaggingInput,
    HeadBucketInput, PutBucketAclInput, PutBucketCorsInput, PutBucketEncryptionInput,
    PutBucketLifecycleConfigurationInput, PutBucketLoggingInput, PutBucketNotificationConfigurationInput,
    PutBucketOwnershipControlsInput, PutBucketPolicyInput, PutBucketTaggingInput, PutBucketVersioningInput,
    PutBucketWebsiteInput, PutObjectLockConfigurationInput, PutPublicAccessBlockInput,
};
use ropeway_wire::tags::is_system;
use ropeway_wire::{BoxFuture, Error};
use serde_json::{Value as Json, json};

use super::{
    Failure, Made, Provider, Subject, TAGS, after_creation, property, s3_lifecycle, s3_serving, tag_changes,
    tag_list, tags, text, unless,
};
use crate::template::{Kind, Naming, Property, ResourceType};

const STRING: Kind = Kind::String;
/// What a bucket, or a policy, that is not there answers. A HEAD request's answer has no code of its own.
const MISSING: &[&str] = &["NoSuchBucket", "NotFound", "404", "NoSuchBucketPolicy"];

const BY_DEFAULT: &[Property] = &[Property::new("SSEAlgorithm", STRING).required()];
const BLOCKED_TYPES: &[Property] = &[Property::new("EncryptionType", Kind::List(&STRING))];
const RULE: &[Property] = &[
    Property::new("BlockedEncryptionTypes", Kind::Structure(BLOCKED_TYPES)),
    Property::new("BucketKeyEnabled", Kind::Boolean),
    Property::new("ServerSideEncryptionByDefault", Kind::Structure(BY_DEFAULT)),
];
const ENCRYPTION: &[Property] =
    &[Property::new("ServerSideEncryptionConfiguration", Kind::List(&Kind::Structure(RULE))).required()];

const OWNERSHIP_RULE: &[Property] = &[Property::new("ObjectOwnership", STRING)];
const OWNERSHIP: &[Property] =
    &[Property::new("Rules", Kind::List(&Kind::Structure(OWNERSHIP_RULE))).required()];
const BLOCK: &[Property] = &[
    Property::new("BlockPublicAcls", Kind::Boolean),
    Property::new("BlockPublicPolicy", Kind::Boolean),
    Property::new("IgnorePublicAcls", Kind::Boolean),
    Property::new("RestrictPublicBuckets", Kind::Boolean),
];
const VERSIONING: &[Property] = &[Property::new("Status", STRING).required()];

const RETENTION: &[Property] = &[
    Property::new("Days", Kind::Integer),
    Property::new("Mode", STRING),
    Property::new("Years", Kind::Integer),
];
const LOCK_RULE: &[Property] = &[Property::new("DefaultRetention", Kind::Structure(RETENTION))];
const LOCK: &[Property] =
    &[Property::new("ObjectLockEnabled", STRING), Property::new("Rule", Kind::Structure(LOCK_RULE))];

const FILTER_RULE: &[Property] =
    &[Property::new("Name", STRING).required(), Property::new("Value", STRING).required()];
const S3_KEY: &[Property] = &[Property::new("Rules", Kind::List(&Kind::Structure(FILTER_RULE))).required()];
const FILTER: &[Property] = &[Property::new("S3Key", Kind::Structure(S3_KEY)).required()];
const TO_FUNCTION: &[Property] = &[
    Property::new("Event", STRING).required(),
    Property::new("Filter", Kind::Structure(FILTER)),
    Property::new("Function", STRING).required(),
];
const TO_QUEUE: &[Property] = &[
    Property::new("Event", STRING).required(),
    Property::new("Filter", Kind::Structure(FILTER)),
    Property::new("Queue", STRING).required(),
];
const TO_TOPIC: &[Property] = &[
    Property::new("Event", STRING).required(),
    Property::new("Filter", Kind::Structure(FILTER)),
    Property::new("Topic", STRING).required(),
];
const NOTIFICATION: &[Property] = &[
    Property::new("LambdaConfigurations", Kind::List(&Kind::Structure(TO_FUNCTION))),
    Property::new("QueueConfigurations", Kind::List(&Kind::Structure(TO_QUEUE))),
    Property::new("TopicConfigurations", Kind::List(&Kind::Structure(TO_TOPIC))),
];
/// For each sort of destination: the template's list, the template's member for the ARN, and the API's
/// for both.
const DESTINATIONS: [(&str, &str, &str, &str); 3] = [
    ("LambdaConfigurations", "Function", "CloudFunctionConfiguration", "CloudFunction"),
    ("QueueConfigurations", "Queue", "QueueConfiguration", "Queue"),
    ("TopicConfigurations", "Topic", "TopicConfiguration", "Topic"),
];

static BUCKET: ResourceType = ResourceType::new(
    "AWS::S3::Bucket",
    &[
        Property::new("AccessControl", STRING),
        Property::new("BucketEncryption", Kind::Structure(ENCRYPTION)),
        Property::new("BucketName", STRING).replacement(),
        Property::new("CorsConfiguration", Kind::Structure(s3_serving::CORS)),
        Property::new("LifecycleConfiguration", Kind::Structure(s3_lifecycle::LIFECYCLE)),
        Property::new("LoggingConfiguration", Kind::Structure(s3_serving::LOGGING)),
        Property::new("NotificationConfiguration", Kind::Structure(NOTIFICATION)),
        Property::new("ObjectLockConfiguration", Kind::Structure(LOCK)),
        Property::new("ObjectLockEnabled", Kind::Boolean),
        Property::new("OwnershipControls", Kind::Structure(OWNERSHIP)),
        Property::new("PublicAccessBlockConfiguration", Kind::Structure(BLOCK)),
        TAGS,
        Property::new("VersioningConfiguration", Kind::Structure(VERSIONING)),
        Property::new("WebsiteConfiguration", Kind::Structure(s3_serving::WEBSITE)),
    ],
)
.attributes(&["Arn", "DomainName", "DualStackDomainName", "RegionalDomainName", "WebsiteURL"])
.naming(Naming::new(63).lower_case())
.system_tags();

static BUCKET_POLICY: ResourceType = ResourceType::new(
    "AWS::S3::BucketPolicy",
    &[
        Property::new("Bucket", STRING).required().replacement(),
        Property::new("PolicyDocument", Kind::Json).required(),
    ],
);

/// Properties that are settings of their own, in the order in which they are made: locks need versions, and lists an
/// owner that allows them.
const SETTINGS: [&str; 11] = [
    "BucketEncryption",
    "VersioningConfiguration",
    LOCK_CONFIGURATION,
    "PublicAccessBlockConfiguration",
    "LifecycleConfiguration",
    "CorsConfiguration",
    "WebsiteConfiguration",
    "LoggingConfiguration",
    "OwnershipControls",
    "AccessControl",
    "NotificationConfiguration",
];
const LOCK_CONFIGURATION: &str = "ObjectLockConfiguration";
const LOCK_ENABLED: &str = "ObjectLockEnabled";

/// `AWS::S3::Bucket`
pub struct Bucket;

impl Bucket {
    /// Makes a setting what the template says; what it says nothing of is as if nobody had ever set it.
    async fn set(subject: &Subject<'_>, bucket: &str, setting: &str) -> Result<(), Error> {
        match setting {
            "BucketEncryption" => Self::encrypt(subject, bucket).await,
            "VersioningConfiguration" => Self::version(subject, bucket).await,
            LOCK_CONFIGURATION => Self::lock(subject, bucket).await,
            "PublicAccessBlockConfiguration" => Self::block(subject, bucket).await,
            "LifecycleConfiguration" => Self::age(subject, bucket).await,
            "CorsConfiguration" => Self::share(subject, bucket).await,
            "WebsiteConfiguration" => Self::host(subject, bucket).await,
            "LoggingConfiguration" => Self::log(subject, bucket).await,
            "OwnershipControls" => Self::own(subject, bucket).await,
            "AccessControl" => Self::list(subject, bucket).await,
            _ => Self::notify(subject, bucket).await,
        }
    }

    /// Lets versions be locked, by the default retention that the template has, or by none.
    async fn lock(subject: &Subject<'_>, bucket: &str) -> Result<(), Error> {
        let rule = property(subject.property(LOCK_CONFIGURATION), "Rule").clone();
        let configuration = super::object([("ObjectLockEnabled", json!("Enabled")), ("Rule", rule)]);
        let input = json!({ "Bucket": bucket, "ObjectLockConfiguration": configuration });
        subject.call::<PutObjectLockConfigurationInput>(input).await.map(drop)
    }

    /// What versions can be locked in stays so: S3 user guide, "Object Lock considerations".
    fn check_lock(subject: &Subject<'_>, old: &Json) -> Result<(), Error> {
        if is_true(property(old, LOCK_ENABLED)) && !is_true(subject.property(LOCK_ENABLED)) {
            let message = "Object Lock cannot be disabled after it has been enabled: ObjectLockEnabled";
            return Err(Error::new(400, "InvalidRequest", message));
        }
        Ok(())
    }

    /// Whether a change of properties is one of how versions can be locked.
    fn changes_lock(subject: &Subject<'_>, old: &Json) -> bool {
        let enabled = is_true(property(old, LOCK_ENABLED)) != is_true(subject.property(LOCK_ENABLED));
        enabled || property(old, LOCK_CONFIGURATION) != subject.property(LOCK_CONFIGURATION)
    }

    fn made(subject: &Subject<'_>, name: &str) -> Made {
        let region = &subject.stack.scope.region;
        Made::new(
            name,
            &[
                ("Arn", &format!("arn:aws:s3:::{name}")),
                ("DomainName", &format!("{name}.s3.amazonaws.com")),
                ("DualStackDomainName", &format!("{name}.s3.dualstack.{region}.amazonaws.com")),
                ("RegionalDomainName", &format!("{name}.s3.{region}.amazonaws.com")),
                ("WebsiteURL", &format!("http://{name}.s3-website-{region}.amazonaws.com")),
            ],
        )
    }

    async fn encrypt(subject: &Subject<'_>, bucket: &str) -> Result<(), Error> {
        let encryption = subject.property("BucketEncryption");
        if encryption.is_null() {
            let input = json!({ "Bucket": bucket });
            return subject.call::<DeleteBucketEncryptionInput>(input).await.map(drop);
        }
        let rules = property(encryption, "ServerSideEncryptionConfiguration").as_array().cloned();
        let rules = rules.unwrap_or_default().into_iter().map(|rule| {
            super::object([
                // The names that the API's XML has for them.
                (
                    "ApplyServerSideEncryptionByDefault",
                    property(&rule, "ServerSideEncryptionByDefault").clone(),
                ),
                ("BucketKeyEnabled", property(&rule, "BucketKeyEnabled").clone()),
                ("BlockedEncryptionTypes", property(&rule, "BlockedEncryptionTypes").clone()),
            ])
        });
        // The member's name in a JSON body is that of the list's elements in XML.
        let rules: Vec<Json> = rules.collect();
        let input = json!({ "Bucket": bucket, "ServerSideEncryptionConfiguration": { "Rule": rules } });
        subject.call::<PutBucketEncryptionInput>(input).await.map(drop)
    }

    /// Sets the notifications that the template has; none where it has none.
    async fn notify(subject: &Subject<'_>, bucket: &str) -> Result<(), Error> {
        let wanted = subject.property("NotificationConfiguration");
        let lists = DESTINATIONS.map(|(list, arn, api_list, api_arn)| {
            let rules = property(wanted, list).as_array().cloned().unwrap_or_default();
            let rules = rules.iter().map(|rule| notification(rule, property(rule, arn), api_arn)).collect();
            (api_list, Json::Array(rules))
        });
        let input = json!({ "Bucket": bucket, "NotificationConfiguration": super::object(lists) });
        subject.call::<PutBucketNotificationConfigurationInput>(input).await.map(drop)
    }

    /// A bucket that had versions and is to have none any more is suspended: there is no way back. Where they can be
    /// locked, they stay.
    async fn version(subject: &Subject<'_>, bucket: &str) -> Result<(), Error> {
        let configuration = match subject.property("VersioningConfiguration") {
            Json::Null if is_true(subject.property(LOCK_ENABLED)) => return Ok(()),
            Json::Null => json!({ "Status": "Suspended" }),
            configuration => configuration.clone(),
        };
        let input = json!({ "Bucket": bucket, "VersioningConfiguration": configuration });
        subject.call::<PutBucketVersioningInput>(input).await.map(drop)
    }

    /// Blocks what the template says; where it says nothing any more, nothing.
    async fn block(subject: &Subject<'_>, bucket: &str) -> Result<(), Error> {
        let configuration = subject.property("PublicAccessBlockConfiguration");
        if configuration.is_null() {
            let input = json!({ "Bucket": bucket });
            return subject.call::<DeletePublicAccessBlockInput>(input).await.map(drop);
        }
        let input = json!({ "Bucket": bucket, "PublicAccessBlockConfiguration": configuration });
        subject.call::<PutPublicAccessBlockInput>(input).await.map(drop)
    }

    /// Sets the lifecycle rules that the template has; none where it has none.
    async fn age(subject: &Subject<'_>, bucket: &str) -> Result<(), Error> {
        let rules = s3_lifecycle::rules(subject.property("LifecycleConfiguration"));
        if rules.is_empty() {
            let input = json!({ "Bucket": bucket });
            return subject.call::<DeleteBucketLifecycleInput>(input).await.map(drop);
        }
        // The member's name in a JSON body is that of the list's elements in XML.
        let input = json!({ "Bucket": bucket, "LifecycleConfiguration": { "Rule": rules } });
        subject.call::<PutBucketLifecycleConfigurationInput>(input).await.map(drop)
    }

    /// Says which pages of other origins may ask; none where the template says nothing any more.
    async fn share(subject: &Subject<'_>, bucket: &str) -> Result<(), Error> {
        let configuration = subject.property("CorsConfiguration");
        if configuration.is_null() {
            let input = json!({ "Bucket": bucket });
            return subject.call::<DeleteBucketCorsInput>(input).await.map(drop);
        }
        let input = json!({ "Bucket": bucket, "CORSConfiguration": s3_serving::cors(configuration) });
        subject.call::<PutBucketCorsInput>(input).await.map(drop)
    }

    /// Makes it a website, or none any more.
    async fn host(subject: &Subject<'_>, bucket: &str) -> Result<(), Error> {
        let configuration = subject.property("WebsiteConfiguration");
        if configuration.is_null() {
            let input = json!({ "Bucket": bucket });
            return subject.call::<DeleteBucketWebsiteInput>(input).await.map(drop);
        }
        let input = json!({ "Bucket": bucket, "WebsiteConfiguration": s3_serving::website(configuration) });
        subject.call::<PutBucketWebsiteInput>(input).await.map(drop)
    }

    /// Says where its access log goes; nowhere, where the template says nothing any more.
    async fn log(subject: &Subject<'_>, bucket: &str) -> Result<(), Error> {
        let status = s3_serving::logging(subject.property("LoggingConfiguration"), bucket);
        let input = json!({ "Bucket": bucket, "BucketLoggingStatus": status });
        subject.call::<PutBucketLoggingInput>(input).await.map(drop)
    }

    async fn own(subject: &Subject<'_>, bucket: &str) -> Result<(), Error> {
        let rules = property(subject.property("OwnershipControls"), "Rules");
        if rules.is_null() {
            let input = json!({ "Bucket": bucket });
            return subject.call::<DeleteBucketOwnershipControlsInput>(input).await.map(drop);
        }
        // The member's name in a JSON body is that of the list's elements in XML.
        let input = json!({ "Bucket": bucket, "OwnershipControls": { "Rule": rules } });
        subject.call::<PutBucketOwnershipControlsInput>(input).await.map(drop)
    }

    /// Sets the canned access control list that the template names; where it names none, the private one.
    async fn list(subject: &Subject<'_>, bucket: &str) -> Result<(), Error> {
        let canned = match subject.property("AccessControl") {
            Json::Null => "private".to_owned(),
            name => with_hyphens(&text(name)),
        };
        let input = json!({ "Bucket": bucket, "ACL": canned });
        subject.call::<PutBucketAclInput>(input).await.map(drop)
    }

    /// Changes the tags as the properties change; others, which the bucket has from elsewhere, stay.
    async fn tag(subject: &Subject<'_>, bucket: &str, old: &Json) -> Result<(), Error> {
        let there = subject.call::<GetBucketTaggingInput>(json!({ "Bucket": bucket })).await;
        let there = unless(there, &["NoSuchTagSet"])?.map(|found| found.tag_set).unwrap_or_default();
        let mut tags: BTreeMap<String, String> = there.into_iter().map(|tag| (tag.key, tag.value)).collect();
        let (set, gone) = tag_changes(old, subject.properties);
        tags.retain(|key, _| !gone.contains(key));
        tags.extend(set);
        if tags.is_empty() {
            let input = json!({ "Bucket": bucket });
            return subject.call::<DeleteBucketTaggingInput>(input).await.map(drop);
        }
        let input = json!({ "Bucket": bucket, "Tagging": { "TagSet": tag_list(&tags) } });
        subject.call::<PutBucketTaggingInput>(input).await.map(drop)
    }
}

/// Whether a boolean, which a template may write as a text, is true.
fn is_true(value: &Json) -> bool {
    value == &json!(true) || value.as_str() == Some("true")
}

/// `PublicRead` as the API has it: `public-read`.
fn with_hyphens(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('-');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

/// One of a template's notifications, by the names that the API's XML has.
fn notification(rule: &Json, arn: &Json, name: &'static str) -> Json {
    let rules = property(property(property(rule, "Filter"), "S3Key"), "Rules");
    let filter = match rules {
        Json::Null => Json::Null,
        rules => json!({ "S3Key": { "FilterRule": rules } }),
    };
    super::object([(name, arn.clone()), ("Event", json!([property(rule, "Event")])), ("Filter", filter)])
}

impl Provider for Bucket {
    fn resource_type(&self) -> &'static ResourceType {
        &BUCKET
    }

    fn name_property(&self) -> Option<&'static str> {
        Some("BucketName")
    }

    fn exists<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<bool, Error>> {
        Box::pin(async move {
            match subject.call::<HeadBucketInput>(json!({ "Bucket": subject.name })).await {
                Ok(_) => Ok(true),
                // A bucket of somebody else's is there, too; what may not be asked, its creation will tell.
                Err(error) if error.status < 500 => Ok(false),
                Err(error) => Err(error),
            }
        })
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let (name, region) = (subject.name, &subject.stack.scope.region);
            let (system, own): (BTreeMap<_, _>, BTreeMap<_, _>) =
                tags(subject.properties).into_iter().partition(|(key, _)| is_system(key));
            let place = if region == "us-east-1" { Json::Null } else { json!(region) };
            let tags = if system.is_empty() { Json::Null } else { tag_list(&system) };
            let configuration = super::object([("LocationConstraint", place), ("Tags", tags)]);
            let locks = json!(is_true(subject.property(LOCK_ENABLED)));
            let input = super::object([
                ("Bucket", json!(name)),
                ("CreateBucketConfiguration", configuration),
                ("ObjectLockEnabledForBucket", locks),
            ]);
            unless(subject.call::<CreateBucketInput>(input).await, &["BucketAlreadyOwnedByYou"])?;
            // The system's own tags come with the bucket: they need no permission to tag.
            if !own.is_empty() {
                after_creation(name, Self::tag(subject, name, &Json::Null).await)?;
            }
            for setting in SETTINGS {
                if !subject.property(setting).is_null() {
                    after_creation(name, Self::set(subject, name, setting).await)?;
                }
            }
            Ok(Self::made(subject, name))
        })
    }

    fn update<'a>(&'a self, subject: &'a Subject<'a>, old: &'a Json) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let name = subject.physical_id;
            Self::check_lock(subject, old)?;
            if tags(old) != tags(subject.properties) {
                Self::tag(subject, name, old).await?;
            }
            let changed = |setting: &str| match setting {
                LOCK_CONFIGURATION => Self::changes_lock(subject, old),
                setting => property(old, setting) != subject.property(setting),
            };
            // A list must be gone before there can be none.
            if subject.property("AccessControl").is_null() && changed("AccessControl") {
                Self::list(subject, name).await?;
            }
            for setting in SETTINGS.into_iter().filter(|setting| changed(setting)) {
                if setting != "AccessControl" || !subject.property(setting).is_null() {
                    Self::set(subject, name, setting).await?;
                }
            }
            Ok(Self::made(subject, name))
        })
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let input = json!({ "Bucket": subject.physical_id });
            unless(subject.call::<DeleteBucketInput>(input).await, MISSING)?;
            Ok(())
        })
    }
}

/// `AWS::S3::BucketPolicy`: its physical id is the bucket's name.
pub struct BucketPolicy;

impl Provider for BucketPolicy {
    fn resource_type(&self) -> &'static ResourceType {
        &BUCKET_POLICY
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let bucket = text(subject.property("Bucket"));
            let policy = subject.property("PolicyDocument").to_string();
            subject.call::<PutBucketPolicyInput>(json!({ "Bucket": bucket, "Policy": policy })).await?;
            Ok(Made::new(bucket, &[]))
        })
    }

    fn update<'a>(
        &'a self,
        subject: &'a Subject<'a>,
        _old: &'a Json,
    ) -> BoxFuture<'a, Result<Made, Failure>> {
        self.create(subject)
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let input = json!({ "Bucket": subject.physical_id });
            unless(subject.call::<DeleteBucketPolicyInput>(input).await, MISSING)?;
            Ok(())
        })
    }
}
