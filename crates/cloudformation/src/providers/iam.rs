//! `AWS::IAM`: roles, users, groups and managed policies.
//!
//! Source of the tables: the CloudFormation template reference, AWS Identity and Access Management.

use ropeway_api::iam::{
    AddUserToGroupInput, CreateGroupInput, CreatePolicyInput, CreatePolicyVersionInput, CreateRoleInput,
    CreateUserInput, DeleteGroupInput, DeletePolicyInput, DeletePolicyVersionInput, DeleteRoleInput,
    DeleteUserInput, GetGroupInput, GetPolicyInput, GetRoleInput, GetUserInput, ListPolicyVersionsInput,
    RemoveUserFromGroupInput, UpdateAssumeRolePolicyInput, UpdateGroupInput, UpdateRoleInput,
    UpdateUserInput,
};
use ropeway_wire::{BoxFuture, Error};
use serde_json::{Value as Json, json};

use super::identity::{Identity, MANAGED, MISSING, POLICIES, TAKEN};
use super::{
    Failure, Made, Provider, Subject, TAGS, after_creation, object, property, tag_list, tags, texts, unless,
};
use crate::template::{Kind, Naming, Property, ResourceType};

const STRING: Kind = Kind::String;
const STRINGS: Kind = Kind::List(&STRING);

static ROLE: ResourceType = ResourceType::new(
    "AWS::IAM::Role",
    &[
        Property::new("AssumeRolePolicyDocument", Kind::Json).required(),
        Property::new("Description", STRING),
        MANAGED,
        Property::new("MaxSessionDuration", Kind::Integer),
        Property::new("Path", STRING).replacement(),
        Property::new("PermissionsBoundary", STRING),
        POLICIES,
        Property::new("RoleName", STRING).replacement(),
        TAGS,
    ],
)
.attributes(&["Arn", "RoleId"])
.naming(Naming::new(64));

static USER: ResourceType = ResourceType::new(
    "AWS::IAM::User",
    &[
        Property::new("Groups", STRINGS),
        MANAGED,
        Property::new("Path", STRING),
        Property::new("PermissionsBoundary", STRING),
        POLICIES,
        TAGS,
        Property::new("UserName", STRING).replacement(),
    ],
)
.attributes(&["Arn"])
.naming(Naming::new(64));

static GROUP: ResourceType = ResourceType::new(
    "AWS::IAM::Group",
    &[Property::new("GroupName", STRING).replacement(), MANAGED, Property::new("Path", STRING), POLICIES],
)
.attributes(&["Arn"])
.naming(Naming::new(128));

static MANAGED_POLICY: ResourceType = ResourceType::new(
    "AWS::IAM::ManagedPolicy",
    &[
        Property::new("Description", STRING).replacement(),
        Property::new("Groups", STRINGS),
        Property::new("ManagedPolicyName", STRING).replacement(),
        Property::new("Path", STRING).replacement(),
        Property::new("PolicyDocument", Kind::Json).required(),
        Property::new("Roles", STRINGS),
        Property::new("Users", STRINGS),
    ],
)
.attributes(&["PolicyArn", "PolicyId"])
.naming(Naming::new(128));

/// `AWS::IAM::Role`
pub struct Role;

impl Role {
    async fn find(subject: &Subject<'_>, name: &str) -> Result<Option<Made>, Error> {
        let found = unless(subject.call::<GetRoleInput>(json!({ "RoleName": name })).await, MISSING)?;
        Ok(found.map(|found| Made::new(name, &[("Arn", &found.role.arn), ("RoleId", &found.role.role_id)])))
    }

    fn input(subject: &Subject<'_>) -> Json {
        let tags = tags(subject.properties);
        object([
            ("RoleName", json!(subject.name)),
            ("AssumeRolePolicyDocument", json!(subject.property("AssumeRolePolicyDocument").to_string())),
            ("Description", subject.property("Description").clone()),
            ("MaxSessionDuration", subject.property("MaxSessionDuration").clone()),
            ("Path", subject.property("Path").clone()),
            ("PermissionsBoundary", subject.property("PermissionsBoundary").clone()),
            ("Tags", if tags.is_empty() { Json::Null } else { tag_list(&tags) }),
        ])
    }
}

/// What must be there when it was just seen.
fn vanished(name: &str) -> Error {
    Error::new(404, "NoSuchEntity", format!("{name} cannot be found."))
}

impl Provider for Role {
    fn resource_type(&self) -> &'static ResourceType {
        &ROLE
    }

    fn name_property(&self) -> Option<&'static str> {
        Some("RoleName")
    }

    fn exists<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<bool, Error>> {
        Box::pin(async move { Ok(Self::find(subject, subject.name).await?.is_some()) })
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let name = subject.name;
            unless(subject.call::<CreateRoleInput>(Self::input(subject)).await, TAKEN)?;
            let policies =
                Identity::Role.change_policies(subject, name, &Json::Null, subject.properties).await;
            after_creation(name, policies)?;
            after_creation(name, Self::find(subject, name).await?.ok_or_else(|| vanished(name)))
        })
    }

    fn update<'a>(&'a self, subject: &'a Subject<'a>, old: &'a Json) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let (name, new) = (subject.physical_id, subject.properties);
            let differs = |member: &str| property(old, member) != property(new, member);
            if differs("AssumeRolePolicyDocument") {
                let document = property(new, "AssumeRolePolicyDocument").to_string();
                let input = json!({ "RoleName": name, "PolicyDocument": document });
                subject.call::<UpdateAssumeRolePolicyInput>(input).await?;
            }
            if differs("Description") || differs("MaxSessionDuration") {
                let input = json!({
                    "RoleName": name,
                    "Description": property(new, "Description").as_str().unwrap_or_default(),
                    "MaxSessionDuration": property(new, "MaxSessionDuration").as_i64().unwrap_or(3600),
                });
                subject.call::<UpdateRoleInput>(input).await?;
            }
            Identity::Role.change(subject, name, old, new).await?;
            Ok(Self::find(subject, name).await?.ok_or_else(|| vanished(name))?)
        })
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let name = subject.physical_id;
            Identity::Role.strip(subject, name).await?;
            unless(subject.call::<DeleteRoleInput>(json!({ "RoleName": name })).await, MISSING)?;
            Ok(())
        })
    }
}

/// `AWS::IAM::User`
pub struct User;

impl User {
    async fn find(subject: &Subject<'_>, name: &str) -> Result<Option<Made>, Error> {
        let found = unless(subject.call::<GetUserInput>(json!({ "UserName": name })).await, MISSING)?;
        Ok(found.map(|found| Made::new(name, &[("Arn", &found.user.arn)])))
    }

    async fn change_groups(subject: &Subject<'_>, user: &str, old: &Json, new: &Json) -> Result<(), Error> {
        let (before, after) = (texts(property(old, "Groups")), texts(property(new, "Groups")));
        for group in after.iter().filter(|group| !before.contains(group)) {
            subject.call::<AddUserToGroupInput>(json!({ "UserName": user, "GroupName": group })).await?;
        }
        for group in before.iter().filter(|group| !after.contains(group)) {
            let input = json!({ "UserName": user, "GroupName": group });
            unless(subject.call::<RemoveUserFromGroupInput>(input).await, MISSING)?;
        }
        Ok(())
    }

    async fn equip(subject: &Subject<'_>, user: &str) -> Result<Made, Error> {
        Identity::User.change_policies(subject, user, &Json::Null, subject.properties).await?;
        Self::change_groups(subject, user, &Json::Null, subject.properties).await?;
        Self::find(subject, user).await?.ok_or_else(|| vanished(user))
    }
}

impl Provider for User {
    fn resource_type(&self) -> &'static ResourceType {
        &USER
    }

    fn name_property(&self) -> Option<&'static str> {
        Some("UserName")
    }

    fn exists<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<bool, Error>> {
        Box::pin(async move { Ok(Self::find(subject, subject.name).await?.is_some()) })
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let tags = tags(subject.properties);
            let input = object([
                ("UserName", json!(subject.name)),
                ("Path", subject.property("Path").clone()),
                ("PermissionsBoundary", subject.property("PermissionsBoundary").clone()),
                ("Tags", if tags.is_empty() { Json::Null } else { tag_list(&tags) }),
            ]);
            unless(subject.call::<CreateUserInput>(input).await, TAKEN)?;
            after_creation(subject.name, Self::equip(subject, subject.name).await)
        })
    }

    fn update<'a>(&'a self, subject: &'a Subject<'a>, old: &'a Json) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let (name, new) = (subject.physical_id, subject.properties);
            if property(old, "Path") != property(new, "Path") {
                let path = property(new, "Path").as_str().unwrap_or("/");
                subject.call::<UpdateUserInput>(json!({ "UserName": name, "NewPath": path })).await?;
            }
            Identity::User.change(subject, name, old, new).await?;
            Self::change_groups(subject, name, old, new).await?;
            Ok(Self::find(subject, name).await?.ok_or_else(|| vanished(name))?)
        })
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let name = subject.physical_id;
            Identity::User.strip(subject, name).await?;
            Self::change_groups(subject, name, subject.properties, &Json::Null).await?;
            unless(subject.call::<DeleteUserInput>(json!({ "UserName": name })).await, MISSING)?;
            Ok(())
        })
    }
}

/// `AWS::IAM::Group`
pub struct Group;

impl Group {
    async fn find(subject: &Subject<'_>, name: &str) -> Result<Option<Made>, Error> {
        let found = unless(subject.call::<GetGroupInput>(json!({ "GroupName": name })).await, MISSING)?;
        Ok(found.map(|found| Made::new(name, &[("Arn", &found.group.arn)])))
    }
}

impl Provider for Group {
    fn resource_type(&self) -> &'static ResourceType {
        &GROUP
    }

    fn name_property(&self) -> Option<&'static str> {
        Some("GroupName")
    }

    fn exists<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<bool, Error>> {
        Box::pin(async move { Ok(Self::find(subject, subject.name).await?.is_some()) })
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let name = subject.name;
            let input = object([("GroupName", json!(name)), ("Path", subject.property("Path").clone())]);
            unless(subject.call::<CreateGroupInput>(input).await, TAKEN)?;
            let policies =
                Identity::Group.change_policies(subject, name, &Json::Null, subject.properties).await;
            after_creation(name, policies)?;
            after_creation(name, Self::find(subject, name).await?.ok_or_else(|| vanished(name)))
        })
    }

    fn update<'a>(&'a self, subject: &'a Subject<'a>, old: &'a Json) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let (name, new) = (subject.physical_id, subject.properties);
            if property(old, "Path") != property(new, "Path") {
                let path = property(new, "Path").as_str().unwrap_or("/");
                subject.call::<UpdateGroupInput>(json!({ "GroupName": name, "NewPath": path })).await?;
            }
            Identity::Group.change_policies(subject, name, old, new).await?;
            Ok(Self::find(subject, name).await?.ok_or_else(|| vanished(name))?)
        })
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let name = subject.physical_id;
            Identity::Group.strip(subject, name).await?;
            unless(subject.call::<DeleteGroupInput>(json!({ "GroupName": name })).await, MISSING)?;
            Ok(())
        })
    }
}

/// `AWS::IAM::ManagedPolicy`: its physical id is its ARN.
pub struct ManagedPolicy;

/// The properties that say whom a policy is given to.
const HOLDERS: [(Identity, &str); 3] =
    [(Identity::Role, "Roles"), (Identity::User, "Users"), (Identity::Group, "Groups")];

impl ManagedPolicy {
    fn arn(subject: &Subject<'_>) -> String {
        let path = subject.property("Path").as_str().unwrap_or("/");
        format!("arn:aws:iam::{}:policy{path}{}", subject.stack.scope.account, subject.name)
    }

    async fn find(subject: &Subject<'_>, arn: &str) -> Result<Option<Made>, Error> {
        let found = unless(subject.call::<GetPolicyInput>(json!({ "PolicyArn": arn })).await, MISSING)?;
        let id = |policy: ropeway_api::iam::Policy| policy.policy_id.unwrap_or_default();
        let id = found.map(|found| found.policy.map(id).unwrap_or_default());
        Ok(id.map(|id| Made::new(arn, &[("PolicyArn", arn), ("PolicyId", &id)])))
    }

    async fn hand_out(subject: &Subject<'_>, arn: &str, old: &Json, new: &Json) -> Result<(), Error> {
        for (kind, list) in HOLDERS {
            let (before, after) = (texts(property(old, list)), texts(property(new, list)));
            for owner in after.iter().filter(|owner| !before.contains(owner)) {
                kind.attach(subject, owner, arn).await?;
            }
            for owner in before.iter().filter(|owner| !after.contains(owner)) {
                kind.detach(subject, owner, arn).await?;
            }
        }
        Ok(())
    }

    /// Deletes every version but the one that counts: five are all that a policy may have.
    async fn drop_versions(subject: &Subject<'_>, arn: &str) -> Result<(), Error> {
        let found = subject.call::<ListPolicyVersionsInput>(json!({ "PolicyArn": arn })).await;
        let Some(found) = unless(found, MISSING)? else { return Ok(()) };
        for version in found.versions.unwrap_or_default() {
            if version.is_default_version != Some(true) {
                let input = json!({ "PolicyArn": arn, "VersionId": version.version_id });
                unless(subject.call::<DeletePolicyVersionInput>(input).await, MISSING)?;
            }
        }
        Ok(())
    }
}

impl Provider for ManagedPolicy {
    fn resource_type(&self) -> &'static ResourceType {
        &MANAGED_POLICY
    }

    fn name_property(&self) -> Option<&'static str> {
        Some("ManagedPolicyName")
    }

    fn exists<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<bool, Error>> {
        Box::pin(async move { Ok(Self::find(subject, &Self::arn(subject)).await?.is_some()) })
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let arn = Self::arn(subject);
            let input = object([
                ("PolicyName", json!(subject.name)),
                ("Path", subject.property("Path").clone()),
                ("Description", subject.property("Description").clone()),
                ("PolicyDocument", json!(subject.property("PolicyDocument").to_string())),
            ]);
            unless(subject.call::<CreatePolicyInput>(input).await, TAKEN)?;
            after_creation(&arn, Self::hand_out(subject, &arn, &Json::Null, subject.properties).await)?;
            after_creation(&arn, Self::find(subject, &arn).await?.ok_or_else(|| vanished(&arn)))
        })
    }

    fn update<'a>(&'a self, subject: &'a Subject<'a>, old: &'a Json) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let (arn, new) = (subject.physical_id, subject.properties);
            if property(old, "PolicyDocument") != property(new, "PolicyDocument") {
                Self::drop_versions(subject, arn).await?;
                let document = property(new, "PolicyDocument").to_string();
                let input = json!({ "PolicyArn": arn, "PolicyDocument": document, "SetAsDefault": true });
                subject.call::<CreatePolicyVersionInput>(input).await?;
                Self::drop_versions(subject, arn).await?;
            }
            Self::hand_out(subject, arn, old, new).await?;
            Ok(Self::find(subject, arn).await?.ok_or_else(|| vanished(arn))?)
        })
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let arn = subject.physical_id;
            Self::hand_out(subject, arn, subject.properties, &Json::Null).await?;
            Self::drop_versions(subject, arn).await?;
            unless(subject.call::<DeletePolicyInput>(json!({ "PolicyArn": arn })).await, MISSING)?;
            Ok(())
        })
    }
}
