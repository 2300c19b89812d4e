//! The rows.

use std::collections::BTreeMap;

use md5::Md5;
use ropeway_core::Time;
use ropeway_wire::Error;
use ropeway_wire::canonical_id;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::acl::{Acl, Asked};
use crate::checksum::{Algorithm, Checksum, Span};
use crate::customer::KeyCheck;
use crate::error;
use crate::lock::{ByDefault, Lock};

/// A bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// Its owner's account.
    pub account: String,
    /// Where it is.
    pub region: String,
    /// Since when.
    pub created: Time,
    /// Whether objects have versions; `None`: they never had.
    pub versioning: Option<Versioning>,
    /// Its encryption rule, if it has one of its own.
    pub encryption: Option<Encryption>,
    /// What public access is blocked, if that is configured.
    pub block: Option<Block>,
    /// Whether versions can be locked, and what they are retained by if nothing else is said.
    pub lock: Option<Option<ByDefault>>,
    /// Who owns its objects; `None` is as [`Ownership::Writer`].
    pub ownership: Option<Ownership>,
    /// Its access control list, if it is not the one that grants its owner everything.
    pub acl: Option<Acl>,
    /// Objects may be encrypted under keys that customers keep.
    pub customer_keys: bool,
}

/// `ObjectOwnership`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ownership {
    /// The bucket's owner owns all objects: there are no access control lists.
    Enforced,
    /// The bucket's owner owns what is written for it.
    Preferred,
    /// Who writes an object owns it.
    Writer,
}

impl Ownership {
    const ALL: [Ownership; 3] = [Ownership::Enforced, Ownership::Preferred, Ownership::Writer];

    /// The name in requests and answers.
    pub fn name(self) -> &'static str {
        match self {
            Ownership::Enforced => "BucketOwnerEnforced",
            Ownership::Preferred => "BucketOwnerPreferred",
            Ownership::Writer => "ObjectWriter",
        }
    }

    /// Reads a name.
    pub fn parse(name: &str) -> Option<Ownership> {
        Ownership::ALL.into_iter().find(|ownership| ownership.name() == name)
    }
}

/// `PublicAccessBlockConfiguration`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// `BlockPublicAcls`
    pub acls: bool,
    /// `IgnorePublicAcls`
    pub ignore_acls: bool,
    /// `BlockPublicPolicy`
    pub policy: bool,
    /// `RestrictPublicBuckets`
    pub restrict: bool,
}

impl Block {
    /// What a new bucket has.
    pub const ALL: Block = Block { acls: true, ignore_acls: true, policy: true, restrict: true };
}

impl Bucket {
    /// A version's id as clients see it; `None` where objects never had versions.
    pub fn shown_version(&self, version: Option<VersionId>) -> Option<String> {
        self.versioning.map(|_| VersionId::text(version))
    }

    /// What a new object is locked by, of which this was asked.
    ///
    /// # Errors
    /// 400 `InvalidRequest` for a lock where there are none.
    pub fn locked(&self, asked: Lock, now: Time) -> Result<Lock, Error> {
        match self.lock {
            None if asked == Lock::default() => Ok(asked),
            None => Err(error::no_lock()),
            Some(by_default) => {
                let retention = asked.retention.or(by_default.map(|by_default| by_default.from(now)));
                Ok(Lock { retention, ..asked })
            }
        }
    }

    /// How a new object is encrypted of which this is asked.
    pub fn sse(&self, asked: &AskedSse) -> Sse {
        if asked.customer.is_some() {
            return Sse { customer: asked.customer, ..Sse::default() };
        }
        let rule = self.encryption.unwrap_or_default();
        let kms = asked.kms.unwrap_or(rule.kms);
        let bucket_key = asked.bucket_key.or(rule.bucket_key).unwrap_or(false);
        Sse { kms, bucket_key: kms && bucket_key, customer: None }
    }

    /// Whether there are access control lists.
    pub fn has_lists(&self) -> bool {
        self.ownership != Some(Ownership::Enforced)
    }

    /// The account that owns an object.
    pub fn owner_of<'b>(&'b self, object: &'b Object) -> &'b str {
        object.owner.as_deref().filter(|_| self.has_lists()).unwrap_or(&self.account)
    }

    /// An object's access control list.
    pub fn acl_of(&self, object: &Object) -> Acl {
        let kept = object.acl.clone().filter(|_| self.has_lists());
        kept.unwrap_or_else(|| Acl::private(&canonical_id(self.owner_of(object))))
    }

    /// The bucket's own access control list.
    pub fn own_acl(&self) -> Acl {
        let kept = self.acl.clone().filter(|_| self.has_lists());
        kept.unwrap_or_else(|| Acl::private(&canonical_id(&self.account)))
    }

    /// The owner of a new object, if it is not the bucket's, and its list, if it is not the private one:
    /// of what an account writes that asks for this.
    ///
    /// # Errors
    /// 400 `AccessControlListNotSupported` where there are none; 403 `AccessDenied` for a public list where
    /// those are blocked.
    pub fn owned(&self, asked: &Asked, writer: &str) -> Result<(Option<String>, Option<Acl>), Error> {
        let own_id = canonical_id(&self.account);
        if !self.has_lists() {
            return if asked.fits_no_lists(&own_id) { Ok((None, None)) } else { Err(error::no_lists()) };
        }
        let given = self.ownership == Some(Ownership::Preferred) && asked.is_bucket_owner_full_control();
        let owner = (writer != self.account && !given).then(|| writer.to_owned());
        let id = owner.as_deref().map_or_else(|| own_id.clone(), canonical_id);
        let acl = asked.list(&id, &own_id);
        self.check_public(&acl)?;
        Ok((owner, (acl != Acl::private(&id)).then_some(acl)))
    }

    /// # Errors
    /// 403 `AccessDenied` for a public list where those are blocked.
    pub fn check_public(&self, acl: &Acl) -> Result<(), Error> {
        let blocked = self.block.is_some_and(|block| block.acls);
        if blocked && acl.is_public() { Err(error::access_denied()) } else { Ok(()) }
    }

    /// Whether the bucket's list grants anything to others than its owner.
    pub fn grants_others(&self) -> bool {
        self.own_acl().is_of_others(&canonical_id(&self.account))
    }

    /// Whether what lists grant to the public counts.
    pub fn counts_public(&self) -> bool {
        !self.block.is_some_and(|block| block.ignore_acls)
    }

    /// The service's own key is for principals of its account: KMS developer guide, "AWS managed keys".
    ///
    /// # Errors
    /// 403 `AccessDenied` for those of another one.
    pub fn check_key(&self, sse: Sse, account: &str, action: &str) -> Result<(), Error> {
        if !sse.kms || account == self.account {
            return Ok(());
        }
        let message = format!(
            "The caller is not authorized to perform: {action} on resource: {} because no resource-based policy allows the {action} action",
            self.managed_key()
        );
        Err(Error::new(403, "AccessDenied", message))
    }

    /// The ARN of the service's own key of KMS, `aws/s3`, in the bucket's account and region.
    pub fn managed_key(&self) -> String {
        let digest = hex::encode(Sha256::digest(format!("aws/s3 {} {}", self.account, self.region)));
        let mut id = digest.get(..32).unwrap_or_default().to_owned();
        [20, 16, 12, 8].into_iter().for_each(|at| id.insert(at, '-'));
        format!("arn:aws:kms:{}:{}:key/{id}", self.region, self.account)
    }
}

/// A bucket's state of versioning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Versioning {
    /// Each write makes a version.
    Enabled,
    /// Each write replaces the version `null`.
    Suspended,
}

/// The id of a version that has one: what was written with versioning not enabled is `null`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionId {
    /// Later versions have greater ones.
    pub sequence: u64,
    /// So that nobody guesses it.
    pub random: u64,
}

/// What S3 calls the version without an id.
pub const NULL: &str = "null";

impl VersionId {
    /// The id as clients see it: opaque, 32 characters.
    pub fn text(version: Option<VersionId>) -> String {
        version.map_or_else(|| NULL.to_owned(), |id| format!("{:016x}{:016x}", id.sequence, id.random))
    }

    /// Reads an id; `None` if it is none.
    pub fn parse(text: &str) -> Option<VersionId> {
        let (sequence, random) = text.split_at_checked(16)?;
        let parse = |digits| u64::from_str_radix(digits, 16).ok();
        let found = VersionId { sequence: parse(sequence)?, random: parse(random)? };
        (VersionId::text(Some(found)) == text).then_some(found)
    }
}

/// A version of an object that is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Which {
    /// The current one.
    #[default]
    Current,
    /// The one of this id; `None` is the version `null`.
    Version(Option<VersionId>),
}

/// How an object is encrypted, as far as those see who use it: the bytes on disk are sealed all the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sse {
    /// Under the key `aws/s3` (`aws:kms`), which is for the bucket's account alone; otherwise `AES256`.
    pub kms: bool,
    /// With a key of the bucket's between.
    pub bucket_key: bool,
    /// Under a key that the customer keeps (SSE-C).
    pub customer: Option<KeyCheck>,
}

impl Sse {
    /// The ETag's bytes of a body of this MD5 and id. Under keys of KMS or of customers it is no MD5 of the
    /// object, and tells nothing of it: API reference, `Object`.
    pub fn etag(&self, md5: [u8; 16], id: u128) -> [u8; 16] {
        if !self.is_opaque() {
            return md5;
        }
        Md5::new().chain_update(id.to_be_bytes()).chain_update(md5).finalize().into()
    }

    /// Whether ETags are no MD5s.
    pub fn is_opaque(&self) -> bool {
        self.kms || self.customer.is_some()
    }
}

/// How the writer of an object asks for it to be encrypted.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct AskedSse {
    /// Under a key of KMS, or not; otherwise as the bucket's rule says.
    pub kms: Option<bool>,
    /// With a key of the bucket's between, or not; otherwise as the bucket's rule says.
    pub bucket_key: Option<bool>,
    /// Under a key that the customer keeps.
    pub customer: Option<KeyCheck>,
}

/// A bucket's encryption rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encryption {
    /// `aws:kms`; otherwise `AES256`.
    pub kms: bool,
    /// `BucketKeyEnabled`, which S3 keeps whatever the algorithm is.
    pub bucket_key: Option<bool>,
}

/// A tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// up to 128 characters
    pub key: String,
    /// up to 256 characters
    pub value: String,
}

/// What the writer of an object says of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    /// `Content-Type`
    pub content_type: Option<String>,
    /// `Cache-Control`
    pub cache_control: Option<String>,
    /// `Content-Disposition`
    pub content_disposition: Option<String>,
    /// `Content-Encoding`
    pub content_encoding: Option<String>,
    /// `Content-Language`
    pub content_language: Option<String>,
    /// `Expires`, as it came
    pub expires: Option<String>,
    /// `x-amz-meta-*`
    pub metadata: BTreeMap<String, String>,
    /// `x-amz-website-redirect-location`
    pub redirect: Option<String>,
}

/// An object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// Bytes of its body.
    pub size: u64,
    /// Without quotes: MD5 of the body, or of the parts' MD5s with their number.
    pub etag: String,
    /// When it was written.
    pub modified: Time,
    /// What its writer says of it.
    pub attributes: Attributes,
    /// The checksum that is kept with it.
    pub checksum: Option<Checksum>,
    /// At most ten.
    pub tags: Vec<Tag>,
    /// Where its bytes are.
    pub body: Body,
    /// Its version; `None` is the version `null`.
    pub version: Option<VersionId>,
    /// How it is encrypted.
    pub sse: Sse,
    /// What it is locked by.
    pub lock: Lock,
    /// The account that owns it, if it is not the bucket's.
    pub owner: Option<String>,
    /// Its access control list, if it is not the one that grants its owner everything.
    pub acl: Option<Acl>,
}

/// A version of an object that is not current, or a delete marker, which may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Version {
    /// An object.
    Object(Box<Object>),
    /// A delete marker.
    Marker(Marker),
}

impl Version {
    /// Its id.
    pub fn id(&self) -> Option<VersionId> {
        match self {
            Version::Object(object) => object.version,
            Version::Marker(marker) => marker.version,
        }
    }
}

/// A delete marker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// Its id; `None` is `null`.
    pub version: Option<VersionId>,
    /// When it was made.
    pub modified: Time,
}

/// Where an object's bytes are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body {
    /// In one piece.
    Whole(Sealed),
    /// In the parts that a multipart upload left.
    Parts(Parts),
}

/// A body in one piece, encrypted under a key of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// Id of the blob, or of the rows.
    pub id: u128,
    /// True if it is in rows of the shard; otherwise it is in the blob store.
    pub inline: bool,
    /// Bytes of the plaintext.
    pub size: u64,
    /// Its key, sealed.
    pub key: Vec<u8>,
}

/// The parts of an object: rows of [`ManifestPart`]s.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parts {
    /// The upload that left them.
    pub upload: u128,
    /// How many.
    pub count: u32,
    /// Where in the object the first part of each row begins.
    pub starts: Vec<u64>,
}

/// A part of a completed object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestPart {
    /// Its number, as uploaded.
    pub number: u32,
    /// Its bytes.
    pub body: Sealed,
    /// Its checksum, base64.
    pub checksum: Option<String>,
}

/// An upload in parts that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upload {
    /// What its initiator said of the object.
    pub attributes: Attributes,
    /// The object's tags.
    pub tags: Vec<Tag>,
    /// The checksum algorithm that was asked for.
    pub algorithm: Option<Algorithm>,
    /// What the object's checksum spans.
    pub span: Span,
    /// ARN of the initiator, their id.
    pub initiator: (String, String),
    /// How the object will be encrypted.
    pub sse: Sse,
    /// What it will be locked by.
    pub lock: Lock,
    /// The account that will own the object, if it is not the bucket's.
    pub owner: Option<String>,
    /// Its access control list.
    pub acl: Option<Acl>,
    /// There was an object under its key when it began.
    pub existed: bool,
}

impl Upload {
    /// The algorithm of the parts' checksums: S3 computes a CRC-64/NVME where none is asked for.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm.unwrap_or(Algorithm::Crc64Nvme)
    }
}

/// An uploaded part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// MD5 of its bytes.
    pub md5: [u8; 16],
    /// When it came.
    pub modified: Time,
    /// Its checksum.
    pub checksum: Checksum,
    /// Its bytes.
    pub body: Sealed,
}

/// Work that is larger than one commit, done in steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Job {
    /// Removes the rows of an upload's parts, and the bodies of those that the object did not take.
    Parts {
        /// the upload
        upload: u128,
        /// a bit for each part number, from the lowest bit of the first byte: taken
        taken: Vec<u8>,
        /// the last part number that is done
        after: u32,
    },
    /// Removes an object's manifest and its parts' bodies.
    Manifest {
        /// the upload
        upload: u128,
        /// the row that is next
        next: u32,
    },
    /// Does what a bucket's lifecycle rules say.
    Lifecycle(Run),
}

/// A run of a bucket's lifecycle rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The bucket.
    pub bucket: String,
    /// What is looked at.
    pub stage: Stage,
    /// The last row that is done in it.
    pub after: Vec<u8>,
    /// Of the versions, the one before.
    pub key: Option<Before>,
}

/// What a run looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// Current objects.
    Objects,
    /// Older versions and delete markers.
    Versions,
    /// Uploads in parts.
    Uploads,
}

/// What a version is compared with: the next newer one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// The object's key.
    pub key: String,
    /// When it took the place of the version in question.
    pub since: Time,
    /// Versions newer than the one in question that are not current.
    pub newer: u32,
}
