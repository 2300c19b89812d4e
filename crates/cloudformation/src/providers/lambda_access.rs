//! `AWS::Lambda`: who may invoke a function and how, and layers.
//!
//! Source of the tables: the CloudFormation template reference, AWS Lambda.

use ropeway_api::lambda::{
    AddLayerVersionPermissionInput, AddPermissionInput, CreateFunctionUrlConfigInput,
    DeleteFunctionUrlConfigInput, DeleteLayerVersionInput, GetFunctionUrlConfigInput,
    PublishLayerVersionInput, RemoveLayerVersionPermissionInput, RemovePermissionInput,
    UpdateFunctionUrlConfigInput,
};
use ropeway_wire::{BoxFuture, Error};
use serde_json::{Value as Json, json};

use super::lambda::{MISSING, THERE};
use super::{Failure, Made, Provider, Subject, object, property, text, unless};
use crate::template::{Kind, Naming, Property, ResourceType};

const STRING: Kind = Kind::String;
const STRINGS: Kind = Kind::List(&STRING);

/// A replacement makes all of a permission anew: nothing of one changes.
static PERMISSION: ResourceType = ResourceType::new(
    "AWS::Lambda::Permission",
    &[
        Property::new("Action", STRING).required().replacement(),
        Property::new("FunctionName", STRING).required().replacement(),
        Property::new("FunctionUrlAuthType", STRING).replacement(),
        Property::new("InvokedViaFunctionUrl", Kind::Boolean).replacement(),
        Property::new("Principal", STRING).required().replacement(),
        Property::new("SourceAccount", STRING).replacement(),
        Property::new("SourceArn", STRING).replacement(),
    ],
)
.attributes(&["Id"])
.naming(Naming::new(100));

/// `AWS::Lambda::Permission`
pub struct Permission;

impl Provider for Permission {
    fn resource_type(&self) -> &'static ResourceType {
        &PERMISSION
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let input = object([
                ("FunctionName", subject.property("FunctionName").clone()),
                ("StatementId", json!(subject.name)),
                ("Action", subject.property("Action").clone()),
                ("Principal", subject.property("Principal").clone()),
                ("SourceArn", subject.property("SourceArn").clone()),
                ("SourceAccount", subject.property("SourceAccount").clone()),
                ("FunctionUrlAuthType", subject.property("FunctionUrlAuthType").clone()),
                ("InvokedViaFunctionUrl", subject.property("InvokedViaFunctionUrl").clone()),
            ]);
            // The statement's id is the stack's own: one that is there is of this creation.
            unless(subject.call::<AddPermissionInput>(input).await, THERE)?;
            Ok(Made::new(subject.name, &[("Id", subject.name)]))
        })
    }

    fn update<'a>(
        &'a self,
        subject: &'a Subject<'a>,
        _old: &'a Json,
    ) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move { Ok(Made::new(subject.physical_id, &[("Id", subject.physical_id)])) })
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let input = json!({
                "FunctionName": subject.property("FunctionName"),
                "StatementId": subject.physical_id,
            });
            unless(subject.call::<RemovePermissionInput>(input).await, MISSING)?;
            Ok(())
        })
    }
}

const CORS: Property = Property::new(
    "Cors",
    Kind::Structure(&[
        Property::new("AllowCredentials", Kind::Boolean),
        Property::new("AllowHeaders", STRINGS),
        Property::new("AllowMethods", STRINGS),
        Property::new("AllowOrigins", STRINGS),
        Property::new("ExposeHeaders", STRINGS),
        Property::new("MaxAge", Kind::Integer),
    ]),
);

static URL: ResourceType = ResourceType::new(
    "AWS::Lambda::Url",
    &[
        Property::new("AuthType", STRING).required(),
        CORS,
        Property::new("InvokeMode", STRING),
        Property::new("Qualifier", STRING).replacement(),
        Property::new("TargetFunctionArn", STRING).required().replacement(),
    ],
)
.attributes(&["FunctionArn", "FunctionUrl"]);

/// `AWS::Lambda::Url`
pub struct Url;

impl Url {
    fn place(subject: &Subject<'_>) -> Json {
        object([
            ("FunctionName", subject.property("TargetFunctionArn").clone()),
            ("Qualifier", subject.property("Qualifier").clone()),
        ])
    }

    fn input(subject: &Subject<'_>) -> Json {
        let mode = match subject.property("InvokeMode") {
            Json::Null => json!("BUFFERED"),
            mode => mode.clone(),
        };
        object([
            ("FunctionName", subject.property("TargetFunctionArn").clone()),
            ("Qualifier", subject.property("Qualifier").clone()),
            ("AuthType", subject.property("AuthType").clone()),
            ("Cors", subject.property("Cors").clone()),
            ("InvokeMode", mode),
        ])
    }

    async fn made(subject: &Subject<'_>) -> Result<Made, Error> {
        let found = subject.call::<GetFunctionUrlConfigInput>(Self::place(subject)).await?;
        let (arn, url) = (found.function_arn, found.function_url);
        Ok(Made::new(&arn, &[("FunctionArn", &arn), ("FunctionUrl", &url)]))
    }
}

impl Provider for Url {
    fn resource_type(&self) -> &'static ResourceType {
        &URL
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            unless(subject.call::<CreateFunctionUrlConfigInput>(Self::input(subject)).await, THERE)?;
            Ok(Self::made(subject).await?)
        })
    }

    fn update<'a>(&'a self, subject: &'a Subject<'a>, old: &'a Json) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let mut input = Self::input(subject);
            // A configuration that is gone: what allows nothing.
            if let (Json::Null, false, Json::Object(input)) =
                (subject.property("Cors"), property(old, "Cors").is_null(), &mut input)
            {
                input.insert("Cors".to_owned(), json!({}));
            }
            subject.call::<UpdateFunctionUrlConfigInput>(input).await?;
            Ok(Self::made(subject).await?)
        })
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            unless(subject.call::<DeleteFunctionUrlConfigInput>(Self::place(subject)).await, MISSING)?;
            Ok(())
        })
    }
}

static LAYER: ResourceType = ResourceType::new(
    "AWS::Lambda::LayerVersion",
    &[
        Property::new("CompatibleArchitectures", STRINGS).replacement(),
        Property::new("CompatibleRuntimes", STRINGS).replacement(),
        Property::new(
            "Content",
            Kind::Structure(&[
                Property::new("S3Bucket", STRING).required(),
                Property::new("S3Key", STRING).required(),
            ]),
        )
        .required()
        .replacement(),
        Property::new("Description", STRING).replacement(),
        Property::new("LayerName", STRING).replacement(),
        Property::new("LicenseInfo", STRING).replacement(),
    ],
)
.attributes(&["LayerVersionArn"])
.naming(Naming::new(140));

/// `AWS::Lambda::LayerVersion`
pub struct LayerVersion;

impl Provider for LayerVersion {
    fn resource_type(&self) -> &'static ResourceType {
        &LAYER
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let name = match subject.property("LayerName") {
                Json::Null => subject.name.to_owned(),
                name => text(name),
            };
            // A crash between this call and its record leaves a version behind that no stack knows.
            let input = object([
                ("LayerName", json!(name)),
                ("Content", subject.property("Content").clone()),
                ("CompatibleArchitectures", subject.property("CompatibleArchitectures").clone()),
                ("CompatibleRuntimes", subject.property("CompatibleRuntimes").clone()),
                ("Description", subject.property("Description").clone()),
                ("LicenseInfo", subject.property("LicenseInfo").clone()),
            ]);
            let made = subject.call::<PublishLayerVersionInput>(input).await?;
            let arn = made.layer_version_arn.unwrap_or_default();
            Ok(Made::new(&arn, &[("LayerVersionArn", &arn)]))
        })
    }

    fn update<'a>(
        &'a self,
        subject: &'a Subject<'a>,
        _old: &'a Json,
    ) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(
            async move { Ok(Made::new(subject.physical_id, &[("LayerVersionArn", subject.physical_id)])) },
        )
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let input = layer_version(subject.physical_id)?;
            unless(subject.call::<DeleteLayerVersionInput>(input).await, MISSING)?;
            Ok(())
        })
    }
}

/// `LayerName` and `VersionNumber` of a version's ARN.
fn layer_version(arn: &str) -> Result<Json, Error> {
    let parts = arn.rsplit_once(':').and_then(|(layer, number)| Some((layer, number.parse::<i64>().ok()?)));
    let (layer, number) = parts.ok_or_else(|| {
        Error::new(400, "InvalidParameterValueException", format!("{arn} is no layer version's ARN"))
    })?;
    Ok(json!({ "LayerName": layer, "VersionNumber": number }))
}

static LAYER_PERMISSION: ResourceType = ResourceType::new(
    "AWS::Lambda::LayerVersionPermission",
    &[
        Property::new("Action", STRING).required().replacement(),
        Property::new("LayerVersionArn", STRING).required().replacement(),
        Property::new("Principal", STRING).required().replacement(),
    ],
)
.attributes(&["Id"])
.naming(Naming::new(100));

/// `AWS::Lambda::LayerVersionPermission`
pub struct LayerVersionPermission;

impl LayerVersionPermission {
    fn input(subject: &Subject<'_>, id: &str, more: Json) -> Result<Json, Error> {
        let mut input = layer_version(&text(subject.property("LayerVersionArn")))?;
        if let (Json::Object(input), Json::Object(more)) = (&mut input, more) {
            input.insert("StatementId".to_owned(), json!(id));
            input.extend(more);
        }
        Ok(input)
    }
}

impl Provider for LayerVersionPermission {
    fn resource_type(&self) -> &'static ResourceType {
        &LAYER_PERMISSION
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let more = json!({
                "Action": subject.property("Action"),
                "Principal": subject.property("Principal"),
            });
            let input = Self::input(subject, subject.name, more)?;
            unless(subject.call::<AddLayerVersionPermissionInput>(input).await, THERE)?;
            Ok(Made::new(subject.name, &[("Id", subject.name)]))
        })
    }

    fn update<'a>(
        &'a self,
        subject: &'a Subject<'a>,
        _old: &'a Json,
    ) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move { Ok(Made::new(subject.physical_id, &[("Id", subject.physical_id)])) })
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let input = Self::input(subject, subject.physical_id, json!({}))?;
            unless(subject.call::<RemoveLayerVersionPermissionInput>(input).await, MISSING)?;
            Ok(())
        })
    }
}
