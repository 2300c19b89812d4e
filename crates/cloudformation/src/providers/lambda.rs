//! `AWS::Lambda`: functions, versions and aliases.
//!
//! Source of the tables: the CloudFormation template reference, AWS Lambda.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ropeway_api::lambda::{
    CreateAliasInput, CreateFunctionInput, DeleteAliasInput, DeleteFunctionConcurrencyInput,
    DeleteFunctionInput, DeleteProvisionedConcurrencyConfigInput, FunctionConfiguration, GetAliasInput,
    GetFunctionConfigurationInput, PublishVersionInput, PutFunctionConcurrencyInput,
    PutProvisionedConcurrencyConfigInput, TagResourceInput, UntagResourceInput, UpdateAliasInput,
    UpdateFunctionCodeInput, UpdateFunctionConfigurationInput,
};
use ropeway_wire::{BoxFuture, Error};
use serde_json::{Value as Json, json};

use super::lambda_inline::archive;
use super::{
    Failure, Made, Provider, Subject, TAGS, after_creation, object, property, tag_changes, tags, text, unless,
};
use crate::template::{Kind, Naming, Property, ResourceType};

const STRING: Kind = Kind::String;
const STRINGS: Kind = Kind::List(&STRING);
/// What is not there answers so.
pub(super) const MISSING: &[&str] = &["ResourceNotFoundException"];
/// What is there already answers so.
pub(super) const THERE: &[&str] = &["ResourceConflictException"];

static FUNCTION: ResourceType = ResourceType::new(
    "AWS::Lambda::Function",
    &[
        Property::new("Architectures", STRINGS),
        Property::new(
            "Code",
            Kind::Structure(&[
                Property::new("S3Bucket", STRING),
                Property::new("S3Key", STRING),
                Property::new("ZipFile", STRING),
            ]),
        )
        .required(),
        Property::new("DeadLetterConfig", Kind::Structure(&[Property::new("TargetArn", STRING)])),
        Property::new("Description", STRING),
        Property::new("Environment", Kind::Structure(&[Property::new("Variables", Kind::Map(&STRING))])),
        Property::new(
            "EphemeralStorage",
            Kind::Structure(&[Property::new("Size", Kind::Integer).required()]),
        ),
        Property::new("FunctionName", STRING).replacement(),
        Property::new("Handler", STRING),
        Property::new("Layers", STRINGS),
        Property::new(
            "LoggingConfig",
            Kind::Structure(&[
                Property::new("ApplicationLogLevel", STRING),
                Property::new("LogFormat", STRING),
                Property::new("LogGroup", STRING),
                Property::new("SystemLogLevel", STRING),
            ]),
        ),
        Property::new("MemorySize", Kind::Integer),
        Property::new("PackageType", STRING).replacement(),
        Property::new("ReservedConcurrentExecutions", Kind::Integer),
        Property::new("Role", STRING).required(),
        Property::new("Runtime", STRING),
        TAGS,
        Property::new("Timeout", Kind::Integer),
        Property::new("TracingConfig", Kind::Structure(&[Property::new("Mode", STRING).required()])),
    ],
)
.attributes(&["Arn"])
.naming(Naming::new(64))
.system_tags();

/// Properties of the configuration, and what they are without a value.
fn configuration(properties: &Json, old: Option<&Json>) -> Json {
    let defaults = [
        ("DeadLetterConfig", json!({ "TargetArn": "" })),
        ("Description", json!("")),
        ("Environment", json!({ "Variables": {} })),
        ("EphemeralStorage", json!({ "Size": 512 })),
        ("Handler", Json::Null),
        ("Layers", json!([])),
        ("LoggingConfig", json!({ "LogFormat": "Text" })),
        ("MemorySize", json!(128)),
        ("Role", Json::Null),
        ("Runtime", Json::Null),
        ("Timeout", json!(3)),
        ("TracingConfig", json!({ "Mode": "PassThrough" })),
    ];
    let said = defaults.into_iter().filter_map(|(name, default)| {
        let value = property(properties, name);
        let was = old.map(|old| property(old, name));
        match (value, was) {
            // Nothing is said that does not change.
            (value, Some(was)) if value == was => None,
            (Json::Null, Some(_)) => Some((name.to_owned(), default)),
            (Json::Null, None) => None,
            (value, _) => Some((name.to_owned(), value.clone())),
        }
    });
    said.filter(|(_, value)| !value.is_null()).collect()
}

/// `Code`, as the API takes it: what is inline becomes an archive.
fn code(properties: &Json) -> Result<Json, Error> {
    let code = property(properties, "Code");
    match property(code, "ZipFile") {
        Json::String(source) => {
            let runtime = text(property(properties, "Runtime"));
            Ok(json!({ "ZipFile": BASE64.encode(archive(&runtime, source)?) }))
        }
        _ => Ok(code.clone()),
    }
}

/// `AWS::Lambda::Function`
pub struct Function;

impl Function {
    async fn arn(subject: &Subject<'_>, name: &str) -> Result<Option<String>, Error> {
        let found = subject.call::<GetFunctionConfigurationInput>(json!({ "FunctionName": name })).await;
        Ok(unless(found, MISSING)?.and_then(|found| found.function_arn))
    }

    async fn made(subject: &Subject<'_>, name: &str) -> Result<Made, Error> {
        let arn = Self::arn(subject, name).await?;
        let arn = arn.ok_or_else(|| Error::new(400, "NotFound", format!("{name} does not exist")))?;
        Ok(Made::new(name, &[("Arn", &arn)]))
    }

    /// Waits while the function is being made or changed, as when its runtime is fetched; the update that is
    /// called again then changes nothing more.
    async fn settled(subject: &Subject<'_>, name: &str) -> Result<FunctionConfiguration, Failure> {
        let now = subject.call::<GetFunctionConfigurationInput>(json!({ "FunctionName": name })).await?;
        if now.last_update_status.as_deref() == Some("InProgress") {
            return Err(Failure::Pending);
        }
        Ok(now)
    }

    /// Waits, and fails if what was waited for has.
    async fn succeeded(subject: &Subject<'_>, name: &str) -> Result<(), Failure> {
        let now = Self::settled(subject, name).await?;
        if now.last_update_status.as_deref() != Some("Failed") {
            return Ok(());
        }
        let why = now.last_update_status_reason.unwrap_or_default();
        Err(Failure::Partial(name.to_owned(), Error::new(400, "NotStabilized", why)))
    }

    async fn set_concurrency(subject: &Subject<'_>, name: &str) -> Result<(), Error> {
        match subject.property("ReservedConcurrentExecutions") {
            Json::Null => {
                let input = json!({ "FunctionName": name });
                subject.call::<DeleteFunctionConcurrencyInput>(input).await.map(drop)
            }
            reserved => {
                let input = json!({ "FunctionName": name, "ReservedConcurrentExecutions": reserved });
                subject.call::<PutFunctionConcurrencyInput>(input).await.map(drop)
            }
        }
    }
}

impl Provider for Function {
    fn resource_type(&self) -> &'static ResourceType {
        &FUNCTION
    }

    fn name_property(&self) -> Option<&'static str> {
        Some("FunctionName")
    }

    fn exists<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<bool, Error>> {
        Box::pin(async move { Ok(Self::arn(subject, subject.name).await?.is_some()) })
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let name = subject.name;
            let mut input = configuration(subject.properties, None);
            let tags = tags(subject.properties);
            let more = object([
                ("FunctionName", json!(name)),
                ("Code", code(subject.properties)?),
                ("Architectures", subject.property("Architectures").clone()),
                ("PackageType", subject.property("PackageType").clone()),
                ("Tags", if tags.is_empty() { Json::Null } else { json!(tags) }),
            ]);
            if let (Json::Object(input), Json::Object(more)) = (&mut input, more) {
                input.extend(more);
            }
            match subject.call::<CreateFunctionInput>(input).await {
                // A role that was made a moment ago; as on AWS it is asked for again for a while.
                Err(error) if error.message.contains("cannot be assumed") && error.status == 400 => {
                    return Err(error.into());
                }
                other => unless(other, THERE)?,
            };
            Self::succeeded(subject, name).await?;
            if !subject.property("ReservedConcurrentExecutions").is_null() {
                after_creation(name, Self::set_concurrency(subject, name).await)?;
            }
            after_creation(name, Self::made(subject, name).await)
        })
    }

    fn update<'a>(&'a self, subject: &'a Subject<'a>, old: &'a Json) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let (name, new) = (subject.physical_id, subject.properties);
            let changed = |name: &str| property(old, name) != property(new, name);
            Self::settled(subject, name).await?;
            let mut change = configuration(new, Some(old));
            if let Json::Object(change) = &mut change
                && !change.is_empty()
            {
                change.insert("FunctionName".to_owned(), json!(name));
                subject.call::<UpdateFunctionConfigurationInput>(Json::Object(change.clone())).await?;
                Self::succeeded(subject, name).await?;
            }
            let inline = property(property(new, "Code"), "ZipFile").is_string();
            if changed("Code") || changed("Architectures") || (inline && changed("Runtime")) {
                let mut input = code(new)?;
                if let Json::Object(input) = &mut input {
                    input.insert("FunctionName".to_owned(), json!(name));
                    let architectures = match property(new, "Architectures") {
                        Json::Null => json!(["x86_64"]),
                        given => given.clone(),
                    };
                    input.insert("Architectures".to_owned(), architectures);
                }
                subject.call::<UpdateFunctionCodeInput>(input).await?;
                Self::succeeded(subject, name).await?;
            }
            if changed("ReservedConcurrentExecutions") {
                Self::set_concurrency(subject, name).await?;
            }
            let made = Self::made(subject, name).await?;
            let arn = made.attributes.get("Arn").cloned().unwrap_or_default();
            let (set, gone) = tag_changes(old, new);
            if !gone.is_empty() {
                subject.call::<UntagResourceInput>(json!({ "Resource": arn, "TagKeys": gone })).await?;
            }
            if !set.is_empty() {
                subject.call::<TagResourceInput>(json!({ "Resource": arn, "Tags": set })).await?;
            }
            Ok(made)
        })
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let input = json!({ "FunctionName": subject.physical_id });
            unless(subject.call::<DeleteFunctionInput>(input).await, MISSING)?;
            Ok(())
        })
    }
}

const PROVISIONED: Property = Property::new(
    "ProvisionedConcurrencyConfig",
    Kind::Structure(&[Property::new("ProvisionedConcurrentExecutions", Kind::Integer).required()]),
);

static VERSION: ResourceType = ResourceType::new(
    "AWS::Lambda::Version",
    &[
        Property::new("CodeSha256", STRING).replacement(),
        Property::new("Description", STRING).replacement(),
        Property::new("FunctionName", STRING).required().replacement(),
        PROVISIONED,
    ],
)
.attributes(&["FunctionArn", "Version"]);

/// Sets or takes back what is provisioned for a qualifier.
async fn provision(subject: &Subject<'_>, qualifier: &str) -> Result<(), Error> {
    let function = subject.property("FunctionName");
    let count = property(subject.property("ProvisionedConcurrencyConfig"), "ProvisionedConcurrentExecutions");
    let mut input = json!({ "FunctionName": function, "Qualifier": qualifier });
    match (count, &mut input) {
        (Json::Null, _) => subject.call::<DeleteProvisionedConcurrencyConfigInput>(input).await.map(drop),
        (count, Json::Object(members)) => {
            members.insert("ProvisionedConcurrentExecutions".to_owned(), count.clone());
            subject.call::<PutProvisionedConcurrencyConfigInput>(input).await.map(drop)
        }
        _ => Ok(()),
    }
}

/// `AWS::Lambda::Version`
pub struct Version;

impl Version {
    fn made(arn: &str) -> Made {
        let number = arn.rsplit(':').next().unwrap_or_default();
        Made::new(arn, &[("FunctionArn", arn), ("Version", number)])
    }
}

impl Provider for Version {
    fn resource_type(&self) -> &'static ResourceType {
        &VERSION
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let input = object([
                ("FunctionName", subject.property("FunctionName").clone()),
                ("CodeSha256", subject.property("CodeSha256").clone()),
                ("Description", subject.property("Description").clone()),
            ]);
            // What has not changed since the last version is that version: made again, it is the same.
            let version = subject.call::<PublishVersionInput>(input).await?;
            let arn = version.function_arn.unwrap_or_default();
            if !subject.property("ProvisionedConcurrencyConfig").is_null() {
                let number = version.version.unwrap_or_default();
                after_creation(&arn, provision(subject, &number).await)?;
            }
            Ok(Self::made(&arn))
        })
    }

    fn update<'a>(&'a self, subject: &'a Subject<'a>, old: &'a Json) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let name = "ProvisionedConcurrencyConfig";
            if property(old, name) != subject.property(name) {
                let number = subject.physical_id.rsplit(':').next().unwrap_or_default();
                provision(subject, number).await?;
            }
            Ok(Self::made(subject.physical_id))
        })
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let input = json!({ "FunctionName": subject.physical_id });
            unless(subject.call::<DeleteFunctionInput>(input).await, MISSING)?;
            Ok(())
        })
    }
}

static ALIAS: ResourceType = ResourceType::new(
    "AWS::Lambda::Alias",
    &[
        Property::new("Description", STRING),
        Property::new("FunctionName", STRING).required().replacement(),
        Property::new("FunctionVersion", STRING).required(),
        Property::new("Name", STRING).required().replacement(),
        PROVISIONED,
        Property::new(
            "RoutingConfig",
            Kind::Structure(&[Property::new(
                "AdditionalVersionWeights",
                Kind::List(&Kind::Structure(&[
                    Property::new("FunctionVersion", STRING).required(),
                    Property::new("FunctionWeight", Kind::Double).required(),
                ])),
            )]),
        ),
    ],
)
.attributes(&["AliasArn"]);

/// `AWS::Lambda::Alias`
pub struct Alias;

impl Alias {
    fn input(subject: &Subject<'_>) -> Json {
        let weights = property(subject.property("RoutingConfig"), "AdditionalVersionWeights");
        let weights: Json = weights
            .as_array()
            .into_iter()
            .flatten()
            .map(|one| (text(property(one, "FunctionVersion")), property(one, "FunctionWeight").clone()))
            .collect();
        json!({
            "FunctionName": subject.property("FunctionName"),
            "Name": subject.property("Name"),
            "FunctionVersion": subject.property("FunctionVersion"),
            "Description": match subject.property("Description") {
                Json::Null => json!(""),
                given => given.clone(),
            },
            "RoutingConfig": { "AdditionalVersionWeights": weights },
        })
    }

    fn made(arn: &str) -> Made {
        Made::new(arn, &[("AliasArn", arn)])
    }
}

impl Provider for Alias {
    fn resource_type(&self) -> &'static ResourceType {
        &ALIAS
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let made = match subject.call::<CreateAliasInput>(Self::input(subject)).await {
                Ok(made) => made,
                Err(error) if THERE.contains(&error.code.as_ref()) => {
                    let named = object([
                        ("FunctionName", subject.property("FunctionName").clone()),
                        ("Name", subject.property("Name").clone()),
                    ]);
                    subject.call::<GetAliasInput>(named).await?
                }
                Err(error) => return Err(error.into()),
            };
            let arn = made.alias_arn.unwrap_or_default();
            if !subject.property("ProvisionedConcurrencyConfig").is_null() {
                let name = text(subject.property("Name"));
                after_creation(&arn, provision(subject, &name).await)?;
            }
            Ok(Self::made(&arn))
        })
    }

    fn update<'a>(&'a self, subject: &'a Subject<'a>, old: &'a Json) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            subject.call::<UpdateAliasInput>(Self::input(subject)).await?;
            let provisioned = "ProvisionedConcurrencyConfig";
            if property(old, provisioned) != subject.property(provisioned) {
                provision(subject, &text(subject.property("Name"))).await?;
            }
            Ok(Self::made(subject.physical_id))
        })
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let (function, name) = subject.physical_id.rsplit_once(':').unwrap_or_default();
            let input = json!({ "FunctionName": function, "Name": name });
            unless(subject.call::<DeleteAliasInput>(input).await, MISSING)?;
            Ok(())
        })
    }
}
