//! `AWS::IAM`: inline policies as resources of their own.

use ropeway_wire::{BoxFuture, Error};
use serde_json::Value as Json;

use super::identity::Identity;
use super::{Failure, Made, Provider, Subject, after_creation, property, text, texts};
use crate::template::{Kind, Property, ResourceType};

const STRING: Kind = Kind::String;
const STRINGS: Kind = Kind::List(&STRING);
/// The properties that say whose a policy is.
const HOLDERS: [(Identity, &str); 3] =
    [(Identity::Role, "Roles"), (Identity::User, "Users"), (Identity::Group, "Groups")];

static POLICY: ResourceType = ResourceType::new(
    "AWS::IAM::Policy",
    &[
        Property::new("Groups", STRINGS),
        Property::new("PolicyDocument", Kind::Json).required(),
        Property::new("PolicyName", STRING).required(),
        Property::new("Roles", STRINGS),
        Property::new("Users", STRINGS),
    ],
)
.attributes(&["Id"]);

/// `AWS::IAM::Policy`: one document, in each of its holders.
pub struct Policy;

impl Policy {
    fn holders(properties: &Json) -> Vec<(Identity, String)> {
        let each = |(kind, list): (Identity, &str)| {
            texts(property(properties, list)).into_iter().map(move |name| (kind, name))
        };
        HOLDERS.into_iter().flat_map(each).collect()
    }

    async fn put(subject: &Subject<'_>) -> Result<(), Error> {
        let name = text(subject.property("PolicyName"));
        for (kind, owner) in Self::holders(subject.properties) {
            kind.put(subject, &owner, &name, subject.property("PolicyDocument")).await?;
        }
        Ok(())
    }

    /// Removes the policy of `old` from where `new` no longer has it.
    async fn remove(subject: &Subject<'_>, old: &Json, new: &Json) -> Result<(), Error> {
        let name = text(property(old, "PolicyName"));
        let kept = if property(new, "PolicyName") == property(old, "PolicyName") {
            Self::holders(new)
        } else {
            Vec::new()
        };
        for (kind, owner) in Self::holders(old).into_iter().filter(|holder| !kept.contains(holder)) {
            kind.remove(subject, &owner, &name).await?;
        }
        Ok(())
    }
}

impl Provider for Policy {
    fn resource_type(&self) -> &'static ResourceType {
        &POLICY
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            if Self::holders(subject.properties).is_empty() {
                let why = "At least one of [Groups,Roles,Users] must be non-empty.";
                return Err(Error::new(400, "ValidationError", why).into());
            }
            after_creation(subject.name, Self::put(subject).await)?;
            Ok(Made::new(subject.name, &[("Id", subject.name)]))
        })
    }

    fn update<'a>(&'a self, subject: &'a Subject<'a>, old: &'a Json) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            Self::put(subject).await?;
            Self::remove(subject, old, subject.properties).await?;
            Ok(Made::new(subject.physical_id, &[("Id", subject.physical_id)]))
        })
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move { Ok(Self::remove(subject, subject.properties, &Json::Null).await?) })
    }
}

/// Defines the type of one identity's inline policy: its physical id is the policy's name and the identity's.
macro_rules! inline_policy {
    ($table:ident, $provider:ident, $kind:expr, $type:literal, $owner:literal) => {
        static $table: ResourceType = ResourceType::new(
            $type,
            &[
                Property::new("PolicyDocument", Kind::Json).required(),
                Property::new("PolicyName", STRING).required().replacement(),
                Property::new($owner, STRING).required().replacement(),
            ],
        );

        #[doc = concat!("`", $type, "`")]
        pub struct $provider;

        impl Provider for $provider {
            fn resource_type(&self) -> &'static ResourceType {
                &$table
            }

            fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
                Box::pin(put_inline(subject, $kind))
            }

            fn update<'a>(
                &'a self,
                subject: &'a Subject<'a>,
                _: &'a Json,
            ) -> BoxFuture<'a, Result<Made, Failure>> {
                Box::pin(put_inline(subject, $kind))
            }

            fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
                Box::pin(async move {
                    let (owner, name) = inline_names(subject, $kind);
                    Ok($kind.remove(subject, &owner, &name).await?)
                })
            }
        }
    };
}

inline_policy!(ROLE_POLICY, RolePolicy, Identity::Role, "AWS::IAM::RolePolicy", "RoleName");
inline_policy!(USER_POLICY, UserPolicy, Identity::User, "AWS::IAM::UserPolicy", "UserName");
inline_policy!(GROUP_POLICY, GroupPolicy, Identity::Group, "AWS::IAM::GroupPolicy", "GroupName");

fn inline_names(subject: &Subject<'_>, kind: Identity) -> (String, String) {
    (text(subject.property(kind.member())), text(subject.property("PolicyName")))
}

async fn put_inline(subject: &Subject<'_>, kind: Identity) -> Result<Made, Failure> {
    let (owner, name) = inline_names(subject, kind);
    kind.put(subject, &owner, &name, subject.property("PolicyDocument")).await?;
    Ok(Made::new(format!("{name}|{owner}"), &[]))
}
