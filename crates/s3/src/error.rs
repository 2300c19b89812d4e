//! S3's errors, by the names, statuses and texts of its "List of error codes".

use ropeway_core::{Fault, MachineError};
use ropeway_store::blobs::BlobError;
use ropeway_wire::Error;

use crate::conditions::http_date;
use crate::model::{Bucket, Marker, VersionId};

/// An error of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Error(pub Error);

impl std::fmt::Display for S3Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Error> for S3Error {
    fn from(error: Error) -> Self {
        S3Error(error)
    }
}

impl From<S3Error> for Error {
    fn from(error: S3Error) -> Self {
        error.0
    }
}

impl From<Fault> for S3Error {
    fn from(fault: Fault) -> Self {
        S3Error(match fault {
            Fault::Overloaded => Error::new(503, "SlowDown", "Please reduce your request rate."),
            Fault::NoRoom => {
                Error::new(503, "ServiceUnavailable", "The disk is full: only deletes are taken.")
            }
            Fault::Stopping => Error::new(503, "ServiceUnavailable", "The server is stopping."),
            Fault::Store(why) | Fault::Damaged(why) => internal(&why),
        })
    }
}

impl MachineError for S3Error {
    fn is_transient(&self) -> bool {
        self.0.status >= 500
    }
}

/// A 500; the reason goes to the log.
pub(crate) fn internal(why: &str) -> Error {
    tracing::error!(%why, "a request failed");
    Error::new(500, "InternalError", "We encountered an internal error. Please try again.")
}

pub(crate) fn fault(fault: Fault) -> Error {
    S3Error::from(fault).0
}

pub(crate) fn blob(error: &BlobError) -> Error {
    internal(&error.to_string())
}

pub(crate) fn no_such_bucket(name: &str) -> Error {
    Error::new(404, "NoSuchBucket", "The specified bucket does not exist").with_member("BucketName", name)
}

pub(crate) fn no_such_key(key: &str) -> Error {
    Error::new(404, "NoSuchKey", "The specified key does not exist.").with_member("Key", key)
}

pub(crate) fn no_such_version(key: &str, version: &str) -> Error {
    Error::new(404, "NoSuchVersion", "The specified version does not exist.")
        .with_member("Key", key)
        .with_member("VersionId", version)
}

/// A version id that cannot be one, here.
pub(crate) fn invalid_version(version: &str) -> Error {
    invalid_argument("versionId", version, "Invalid version id specified")
}

/// A GET of what a delete marker stands for: user guide, "Working with delete markers".
pub(crate) fn is_marker(key: &str, bucket: &Bucket, marker: &Marker, named: bool) -> Error {
    let version = VersionId::text(marker.version);
    let error = if named {
        Error::new(405, "MethodNotAllowed", "The specified method is not allowed against this resource.")
            .with_member("Method", "GET")
            .with_member("ResourceType", "DeleteMarker")
            .with_header("allow", "DELETE")
            .with_header("last-modified", http_date(marker.modified))
    } else {
        no_such_key(key)
    };
    let error = error.with_header("x-amz-delete-marker", "true");
    if bucket.versioning.is_some() { error.with_header("x-amz-version-id", version) } else { error }
}

pub(crate) fn no_such_upload(id: &str) -> Error {
    Error::new(
        404,
        "NoSuchUpload",
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.",
    )
    .with_member("UploadId", id)
}

pub(crate) fn precondition_failed(condition: &str) -> Error {
    Error::new(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
        .with_member("Condition", condition)
}

pub(crate) fn access_denied() -> Error {
    Error::new(403, "AccessDenied", "Access Denied")
}

/// A public policy where `BlockPublicPolicy` is set.
pub(crate) fn blocked_policy(arn: &str) -> Error {
    let message = format!(
        "The caller is not authorized to perform: s3:PutBucketPolicy on resource: \"{arn}\" because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access."
    );
    Error::new(403, "AccessDenied", message)
}

/// An access control list where there are none.
pub(crate) fn no_lists() -> Error {
    Error::new(400, "AccessControlListNotSupported", "The bucket does not allow ACLs")
}

/// A bucket's list that grants something to others, where its owner is to own all objects.
pub(crate) fn lists_stand() -> Error {
    let message = "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting";
    Error::new(400, "InvalidBucketAclWithObjectOwnership", message)
}

/// A lock where objects cannot be locked.
pub(crate) fn no_lock() -> Error {
    invalid_request("Bucket is missing Object Lock Configuration")
}

/// A version that may not be deleted or unlocked.
pub(crate) fn locked() -> Error {
    Error::new(403, "AccessDenied", "Access Denied because object protected by object lock.")
}

pub(crate) fn bucket_state(message: &str) -> Error {
    Error::new(409, "InvalidBucketState", message)
}

pub(crate) fn invalid_argument(name: &str, value: &str, message: impl Into<String>) -> Error {
    Error::new(400, "InvalidArgument", message)
        .with_member("ArgumentName", name)
        .with_member("ArgumentValue", value)
}

pub(crate) fn invalid_request(message: impl Into<String>) -> Error {
    Error::new(400, "InvalidRequest", message)
}

/// A value of a parameter that Ropeway does not implement.
pub(crate) fn not_implemented(parameter: &str, value: &str) -> Error {
    Error::new(501, "NotImplemented", format!("Ropeway does not implement {parameter} {value}"))
        .with_member("Header", parameter)
}

pub(crate) fn malformed_xml() -> Error {
    Error::new(
        400,
        "MalformedXML",
        "The XML you provided was not well-formed or did not validate against our published schema",
    )
}

pub(crate) fn entity_too_large(size: u64, max: u64) -> Error {
    Error::new(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
        .with_member("ProposedSize", size.to_string())
        .with_member("MaxSizeAllowed", max.to_string())
}
