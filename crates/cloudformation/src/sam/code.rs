//! Where code and layers come from.

use super::node::{Dict, Node, Text, dict};

/// The S3 object that a property names, as Lambda's resources take it.
///
/// # Errors
/// What is wrong with the property: a path of the local machine above all, which `sam package` replaces.
pub fn location(value: &Node, property: &str) -> Result<Dict, String> {
    let pointer = pointer(value, property)?;
    let mut code = Dict::new();
    for (ours, theirs) in [
        ("S3Bucket", "Bucket"),
        ("S3Key", "Key"),
        ("S3ObjectVersion", "Version"),
        ("S3ObjectStorageMode", "StorageMode"),
    ] {
        if let Some(value) = pointer.get(theirs) {
            code.insert(ours, value.clone());
        }
    }
    Ok(code)
}

/// Bucket, key and version that a property names.
///
/// # Errors
/// What is wrong with the property.
pub fn pointer(value: &Node, property: &str) -> Result<Dict, String> {
    match value {
        Node::Dict(map) if map.truthy("Bucket").is_some() && map.truthy("Key").is_some() => Ok(map.clone()),
        Node::Dict(_) => Err(format!("'{property}' requires Bucket and Key properties to be specified.")),
        Node::Text(text) if text.text.contains("{{resolve:") => Err(format!(
            "Unsupported dynamic reference detected in '{property}'. Please consider using alternative 'FunctionCode' object \
             format."
        )),
        Node::Text(text) => parse_uri(text).ok_or_else(|| {
            format!(
                "'{property}' is not a valid S3 Uri of the form 's3://bucket/key' with optional versionId query parameter."
            )
        }),
        _ => Err(format!("'{property}' must be of type dict or string.")),
    }
}

/// `s3://bucket/key?versionId=version`
fn parse_uri(uri: &Text) -> Option<Dict> {
    let rest = uri.text.strip_prefix("s3://")?;
    let rest = rest.split('#').next()?;
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (bucket, key) = place.split_once('/')?;
    if bucket.is_empty() {
        return None;
    }
    let own = |text: &str| Node::Text(uri.with(text));
    let Node::Dict(mut pointer) = dict([("Bucket", own(bucket)), ("Key", own(key.trim_start_matches('/')))])
    else {
        return None;
    };
    let mut versions = query.split('&').filter_map(|pair| pair.strip_prefix("versionId="));
    if let (Some(version), None) = (versions.next().filter(|version| !version.is_empty()), versions.next()) {
        pointer.insert("Version", own(version));
    }
    Some(pointer)
}
