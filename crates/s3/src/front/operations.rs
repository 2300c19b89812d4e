//! What access logs call the operations: `REST.<method>.<resource>`.

use http::Method;

/// Operations that are not named by their method and their resource.
const NAMED: &[(&str, &str)] = &[
    ("AbortMultipartUpload", "REST.DELETE.UPLOAD"),
    ("CompleteMultipartUpload", "REST.POST.UPLOAD"),
    ("CopyObject", "REST.COPY.OBJECT"),
    ("CreateMultipartUpload", "REST.POST.UPLOADS"),
    ("DeleteObjects", "REST.POST.MULTI_OBJECT_DELETE"),
    ("ListMultipartUploads", "REST.GET.UPLOADS"),
    ("ListObjectVersions", "REST.GET.BUCKETVERSIONS"),
    ("ListParts", "REST.GET.UPLOAD"),
    ("PostObject", "REST.POST.OBJECT"),
    ("Preflight", "REST.OPTIONS.PREFLIGHT"),
    ("UploadPart", "REST.PUT.PART"),
    ("UploadPartCopy", "REST.COPY.PART"),
];
/// What the names of operations have in them, and their resource. The first counts.
const RESOURCES: &[(&str, &str)] = &[
    ("ObjectTagging", "OBJECT_TAGGING"),
    ("ObjectLockConfiguration", "OBJECT_LOCK_CONFIGURATION"),
    ("ObjectRetention", "OBJECT_LOCK_RETENTION"),
    ("ObjectLegalHold", "OBJECT_LOCK_LEGALHOLD"),
    ("ObjectAttributes", "OBJECT_ATTRIBUTES"),
    ("Abac", "ABAC"),
    ("Accelerate", "ACCELERATE"),
    ("Acl", "ACL"),
    ("Analytics", "ANALYTICS"),
    ("Cors", "CORS"),
    ("Encryption", "ENCRYPTION"),
    ("IntelligentTiering", "INTELLIGENT_TIERING"),
    ("Inventory", "INVENTORY"),
    ("Lifecycle", "LIFECYCLE"),
    ("Location", "LOCATION"),
    ("Logging", "LOGGING_STATUS"),
    ("MetadataTable", "METADATA_TABLE"),
    ("MetadataConfiguration", "METADATA_CONFIGURATION"),
    ("Metrics", "METRICS"),
    ("Notification", "NOTIFICATION"),
    ("OwnershipControls", "OWNERSHIP_CONTROLS"),
    ("PolicyStatus", "POLICY_STATUS"),
    ("Policy", "BUCKETPOLICY"),
    ("PublicAccessBlock", "PUBLIC_ACCESS_BLOCK"),
    ("Replication", "REPLICATION"),
    ("RequestPayment", "REQUEST_PAYMENT"),
    ("Tagging", "TAGGING"),
    ("Versioning", "VERSIONING"),
    ("Website", "WEBSITE"),
];

/// An operation, as logs name it. What was refused before its operation was known goes by the method.
pub fn shown(operation: &str, method: &Method, object: bool) -> String {
    if let Some((_, shown)) = NAMED.iter().find(|(name, _)| *name == operation) {
        return (*shown).to_owned();
    }
    let plain = if object { "OBJECT" } else { "BUCKET" };
    let resource = RESOURCES.iter().find(|(part, _)| operation.contains(part));
    format!("REST.{method}.{}", resource.map_or(plain, |(_, resource)| resource))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_have_names() {
        for (operation, method, object, name) in [
            ("GetObject", Method::GET, true, "REST.GET.OBJECT"),
            ("HeadBucket", Method::HEAD, false, "REST.HEAD.BUCKET"),
            ("ListObjectsV2", Method::GET, false, "REST.GET.BUCKET"),
            ("PutObjectTagging", Method::PUT, true, "REST.PUT.OBJECT_TAGGING"),
            ("GetBucketTagging", Method::GET, false, "REST.GET.TAGGING"),
            ("GetBucketPolicyStatus", Method::GET, false, "REST.GET.POLICY_STATUS"),
            ("PutBucketPolicy", Method::PUT, false, "REST.PUT.BUCKETPOLICY"),
            ("GetBucketLogging", Method::GET, false, "REST.GET.LOGGING_STATUS"),
            ("CopyObject", Method::PUT, true, "REST.COPY.OBJECT"),
            ("unknown", Method::DELETE, true, "REST.DELETE.OBJECT"),
        ] {
            assert_eq!(shown(operation, &method, object), name);
        }
    }
}
