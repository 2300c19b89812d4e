//! Access control lists: user guide, "Access control list (ACL) overview".

use ropeway_wire::{Error, Principal, PrincipalKind, canonical_id};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::commands::bucket_arn;
use crate::error;

/// Grants in a list at most.
pub const MAX_GRANTS: usize = 100;
/// Whose principal delivers access logs.
const LOG_DELIVERY: &str = "logging.s3.amazonaws.com";

/// What is granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Permission {
    /// To list a bucket's objects; to read an object.
    Read,
    /// To write objects into a bucket.
    Write,
    /// To read the list.
    ReadAcp,
    /// To set the list.
    WriteAcp,
    /// All of it.
    FullControl,
}

impl Permission {
    const ALL: [Permission; 5] = [
        Permission::Read,
        Permission::Write,
        Permission::ReadAcp,
        Permission::WriteAcp,
        Permission::FullControl,
    ];

    /// The name in requests and answers.
    pub fn name(self) -> &'static str {
        match self {
            Permission::Read => "READ",
            Permission::Write => "WRITE",
            Permission::ReadAcp => "READ_ACP",
            Permission::WriteAcp => "WRITE_ACP",
            Permission::FullControl => "FULL_CONTROL",
        }
    }

    /// Reads a name.
    pub fn parse(name: &str) -> Option<Permission> {
        Permission::ALL.into_iter().find(|permission| permission.name() == name)
    }

    fn covers(self, wanted: Permission) -> bool {
        self == wanted || self == Permission::FullControl
    }

    /// The actions on a bucket, and on its objects, that the permission is in the bucket's list: user
    /// guide, "Mapping of ACL permissions and access policy permissions".
    fn bucket_actions(self) -> (Vec<&'static str>, Vec<&'static str>) {
        match self {
            Permission::Read => {
                (vec!["s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"], vec![])
            }
            Permission::Write => (vec![], vec!["s3:PutObject"]),
            Permission::ReadAcp => (vec!["s3:GetBucketAcl"], vec![]),
            Permission::WriteAcp => (vec!["s3:PutBucketAcl"], vec![]),
            Permission::FullControl => {
                let others = Permission::ALL.into_iter().filter(|other| *other != Permission::FullControl);
                let all: Vec<_> = others.map(Permission::bucket_actions).collect();
                let (bucket, objects): (Vec<_>, Vec<_>) = all.into_iter().unzip();
                (bucket.concat(), objects.concat())
            }
        }
    }
}

/// Amazon S3's predefined groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Group {
    /// Everyone, anonymous callers too.
    AllUsers,
    /// Everyone who signs.
    AuthenticatedUsers,
    /// Who delivers access logs.
    LogDelivery,
}

impl Group {
    const ALL: [Group; 3] = [Group::AllUsers, Group::AuthenticatedUsers, Group::LogDelivery];

    /// What names the group.
    pub fn uri(self) -> &'static str {
        match self {
            Group::AllUsers => "http://acs.amazonaws.com/groups/global/AllUsers",
            Group::AuthenticatedUsers => "http://acs.amazonaws.com/groups/global/AuthenticatedUsers",
            Group::LogDelivery => "http://acs.amazonaws.com/groups/s3/LogDelivery",
        }
    }

    /// Reads a name.
    pub fn parse(uri: &str) -> Option<Group> {
        Group::ALL.into_iter().find(|group| group.uri() == uri)
    }

    fn is_public(self) -> bool {
        self != Group::LogDelivery
    }
}

/// To whom something is granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Grantee {
    /// An account, by its canonical user id.
    Account(String),
    /// A group.
    Group(Group),
}

impl Grantee {
    fn is_public(&self) -> bool {
        matches!(self, Grantee::Group(group) if group.is_public())
    }

    fn is(&self, who: &Principal) -> bool {
        match self {
            Grantee::Account(id) => who.kind != PrincipalKind::Service && *id == canonical_id(&who.account),
            Grantee::Group(Group::AllUsers) => true,
            Grantee::Group(Group::AuthenticatedUsers) => who.kind != PrincipalKind::Anonymous,
            Grantee::Group(Group::LogDelivery) => {
                who.kind == PrincipalKind::Service && who.arn == LOG_DELIVERY
            }
        }
    }

    /// As a policy names it, and under which condition.
    fn in_policy(&self) -> (Value, Value) {
        match self {
            Grantee::Account(id) => (json!({ "CanonicalUser": id }), json!({})),
            Grantee::Group(Group::AllUsers) => (json!("*"), json!({})),
            Grantee::Group(Group::AuthenticatedUsers) => {
                (json!("*"), json!({ "Null": { "aws:PrincipalAccount": "false" } }))
            }
            Grantee::Group(Group::LogDelivery) => (json!({ "Service": LOG_DELIVERY }), json!({})),
        }
    }
}

/// A grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// To whom.
    pub grantee: Grantee,
    /// What.
    pub permission: Permission,
}

/// An access control list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acl(pub Vec<Grant>);

impl Acl {
    /// The list that grants its owner everything, and nobody else anything.
    pub fn private(owner: &str) -> Acl {
        let grantee = Grantee::Account(owner.to_owned());
        Acl(vec![Grant { grantee, permission: Permission::FullControl }])
    }

    /// Whether it lets somebody do something, with what it grants to the public or without.
    pub fn allows(&self, who: &Principal, wanted: Permission, public: bool) -> bool {
        let mut counted = self.0.iter().filter(|grant| public || !grant.grantee.is_public());
        counted.any(|grant| grant.permission.covers(wanted) && grant.grantee.is(who))
    }

    /// Whether it grants anything to the public.
    pub fn is_public(&self) -> bool {
        self.0.iter().any(|grant| grant.grantee.is_public())
    }

    /// Whether it grants anything to others than this one.
    pub fn is_of_others(&self, owner: &str) -> bool {
        self.0.iter().any(|grant| !matches!(&grant.grantee, Grantee::Account(id) if id == owner))
    }

    /// What a bucket's list says, as statements of a policy; without ids, which would have to differ.
    pub fn statements(&self, bucket: &str, public: bool) -> Vec<Value> {
        let arn = bucket_arn(bucket);
        let objects = format!("{arn}/*");
        let counted = self.0.iter().filter(|grant| public || !grant.grantee.is_public());
        let statements = counted.flat_map(|grant| {
            let (principal, condition) = grant.grantee.in_policy();
            let (on_bucket, on_objects) = grant.permission.bucket_actions();
            [(on_bucket, &arn), (on_objects, &objects)].map(|(actions, resource)| {
                let statement = json!({
                    "Effect": "Allow",
                    "Principal": principal,
                    "Action": actions,
                    "Resource": resource,
                    "Condition": condition,
                });
                (!actions.is_empty()).then_some(statement)
            })
        });
        statements.flatten().collect()
    }
}

/// What a canned list is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// A bucket.
    Bucket,
    /// An object.
    Object,
}

/// What a request asks a list to be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Asked {
    /// Nothing.
    #[default]
    Nothing,
    /// A canned list, by its name.
    Canned(String),
    /// These grants.
    Grants(Acl),
}

/// The `x-amz-grant-*` headers.
pub type GrantHeaders<'r> = [(Permission, Option<&'r str>); 5];

impl Asked {
    /// Reads the headers of a request.
    ///
    /// # Errors
    /// 400 `InvalidRequest` for both sorts at once; `InvalidArgument` for what is none.
    pub fn read(canned: Option<&str>, headers: &GrantHeaders<'_>, of: Of) -> Result<Asked, Error> {
        let mut grants = Vec::new();
        for (permission, header) in headers {
            for grantee in header.iter().flat_map(|text| text.split(',')) {
                grants.push(Grant { grantee: grantee_of(*permission, grantee)?, permission: *permission });
            }
        }
        check_count(grants.len())?;
        match canned {
            Some(_) if !grants.is_empty() => {
                Err(error::invalid_request("Specifying both Canned ACLs and Header Grants is not allowed"))
            }
            Some(name) => {
                check_canned(name, of)?;
                Ok(Asked::Canned(name.to_owned()))
            }
            None if grants.is_empty() => Ok(Asked::Nothing),
            None => Ok(Asked::Grants(Acl(grants))),
        }
    }

    /// The list itself, of something that `owner` owns in a bucket of `bucket_owner`'s (canonical ids).
    pub fn list(&self, owner: &str, bucket_owner: &str) -> Acl {
        let name = match self {
            Asked::Nothing => return Acl::private(owner),
            Asked::Grants(acl) => return acl.clone(),
            Asked::Canned(name) => name.as_str(),
        };
        let mut acl = Acl::private(owner);
        let mut grant = |grantee, permission| acl.0.push(Grant { grantee, permission });
        match name {
            "public-read" => grant(Grantee::Group(Group::AllUsers), Permission::Read),
            "public-read-write" => {
                grant(Grantee::Group(Group::AllUsers), Permission::Read);
                grant(Grantee::Group(Group::AllUsers), Permission::Write);
            }
            "authenticated-read" => grant(Grantee::Group(Group::AuthenticatedUsers), Permission::Read),
            "log-delivery-write" => {
                grant(Grantee::Group(Group::LogDelivery), Permission::Write);
                grant(Grantee::Group(Group::LogDelivery), Permission::ReadAcp);
            }
            "bucket-owner-read" if owner != bucket_owner => {
                grant(Grantee::Account(bucket_owner.to_owned()), Permission::Read);
            }
            BUCKET_OWNER_FULL_CONTROL if owner != bucket_owner => {
                grant(Grantee::Account(bucket_owner.to_owned()), Permission::FullControl);
            }
            _ => {}
        }
        acl
    }

    /// Whether it may be asked for where there are no lists: user guide, "Controlling ownership of objects
    /// and disabling ACLs for your bucket".
    pub fn fits_no_lists(&self, bucket_owner: &str) -> bool {
        match self {
            Asked::Nothing => true,
            Asked::Canned(name) => name == BUCKET_OWNER_FULL_CONTROL,
            Asked::Grants(acl) => *acl == Acl::private(bucket_owner),
        }
    }

    /// Whether the bucket's owner is given full control by its canned list.
    pub fn is_bucket_owner_full_control(&self) -> bool {
        matches!(self, Asked::Canned(name) if name == BUCKET_OWNER_FULL_CONTROL)
    }
}

/// The canned list that gives the bucket's owner full control.
pub const BUCKET_OWNER_FULL_CONTROL: &str = "bucket-owner-full-control";

/// The error for too many grants: user guide, "a maximum of 100 grants".
///
/// # Errors
/// 400 `MalformedACLError`.
pub fn check_count(grants: usize) -> Result<(), Error> {
    if grants <= MAX_GRANTS { Ok(()) } else { Err(malformed()) }
}

/// A list that is none.
pub fn malformed() -> Error {
    Error::new(
        400,
        "MalformedACLError",
        "The XML you provided was not well-formed or did not validate against our published schema",
    )
}

fn check_canned(name: &str, of: Of) -> Result<(), Error> {
    match name {
        "private" | "public-read" | "public-read-write" | "authenticated-read" => Ok(()),
        "log-delivery-write" if of == Of::Bucket => Ok(()),
        "bucket-owner-read" | BUCKET_OWNER_FULL_CONTROL => Ok(()),
        "aws-exec-read" => Err(error::not_implemented("x-amz-acl", name)),
        other => Err(error::invalid_argument("x-amz-acl", other, "Invalid canned ACL")),
    }
}

/// The account of a canonical user id.
///
/// # Errors
/// 400 `InvalidArgument`.
pub fn account(id: &str) -> Result<Grantee, Error> {
    let is_id = id.len() == 64 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    match is_id {
        true => Ok(Grantee::Account(id.to_owned())),
        false => Err(error::invalid_argument("CanonicalUser/ID", id, "Invalid id")),
    }
}

/// The group of a URI.
///
/// # Errors
/// 400 `InvalidArgument`.
pub fn group(uri: &str) -> Result<Grantee, Error> {
    let found = Group::parse(uri).map(Grantee::Group);
    found.ok_or_else(|| error::invalid_argument("Group/URI", uri, "Invalid group uri"))
}

/// Amazon S3 takes no e-mail addresses any more since October 2025: API reference, `PutObjectAcl`.
pub fn email_refused() -> Error {
    let message = "The specified method is not allowed against this resource.";
    Error::new(405, "MethodNotAllowed", message).with_member("ResourceType", "AmazonCustomerByEmail")
}

/// `id="…"`, `uri="…"`, `emailAddress="…"`
fn grantee_of(permission: Permission, text: &str) -> Result<Grantee, Error> {
    let (kind, value) = text.split_once('=').unwrap_or((text, ""));
    let value = value.trim().trim_matches('"');
    match kind.trim() {
        "id" => account(value),
        "uri" => group(value),
        "emailAddress" => Err(email_refused()),
        _ => {
            let header = format!("x-amz-grant-{}", permission.name().to_ascii_lowercase().replace('_', "-"));
            Err(error::invalid_argument(&header, text, "Argument format not recognized"))
        }
    }
}
