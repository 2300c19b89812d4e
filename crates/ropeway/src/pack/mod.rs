//! What `deploy` does before the stack: code that the template names by a local path is built, packed,
//! and put into a bucket, as `sam build` and `aws cloudformation package` do.

mod archive;
mod artifact;
mod build;

use std::path::Path;

use bytes::Bytes;
use ropeway_api::{s3, sts};
use ropeway_cloudformation::template;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::client::{Client, ServiceError};
use crate::{Failure, output};

/// Longer templates go by way of the bucket (CloudFormation's limit of `TemplateBody`, in bytes).
const MAX_BODY: usize = 51_200;

/// The template as it is handed to CloudFormation: a parameter's name and its value.
pub(crate) type Handed = (String, String);

/// Builds and uploads what the template names by local paths, and gives the template that names the
/// uploads. One without local paths stays as it was written.
///
/// # Errors
/// A build that fails, with what it printed above; what the server says to an upload.
pub(crate) async fn pack(client: &Client, file: &Path, body: String) -> Result<Handed, Failure> {
    let parsed = template::parse(&body).map_err(|e| Failure::Usage(format!("{}: {e}", file.display())))?;
    let mut json = parsed.to_json();
    let artifacts = artifact::find(&json);
    let folder = file.parent().unwrap_or(Path::new("."));
    let body = if artifacts.is_empty() {
        body
    } else {
        let bucket = Bucket::ensure(client).await?;
        for artifact in artifacts {
            let archive = build::build(&artifact, folder)?;
            let key = bucket.put(archive, "zip").await?;
            artifact.name_upload(&mut json, &bucket.name, &key);
            output::line(&format!("  packed {} as s3://{}/{key}", artifact.resource, bucket.name));
        }
        json.to_string()
    };
    if body.len() <= MAX_BODY {
        return Ok(("TemplateBody".to_owned(), body));
    }
    let bucket = Bucket::ensure(client).await?;
    let key = bucket.put(body.into_bytes(), "template").await?;
    Ok(("TemplateURL".to_owned(), format!("{}/{}/{key}", client.endpoint(), bucket.name)))
}

/// The bucket that holds what is deployed, one for each account and region.
struct Bucket<'a> {
    client: &'a Client,
    name: String,
}

impl<'a> Bucket<'a> {
    /// The bucket; made if it is not there.
    async fn ensure(client: &'a Client) -> Result<Self, Failure> {
        let caller = client.call::<sts::GetCallerIdentityInput>(&[]).await?;
        let name = format!("ropeway-artifacts-{}-{}", caller.account.unwrap_or_default(), client.region());
        let body = match client.region() {
            "us-east-1" => String::new(),
            region => format!(
                "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
                 <LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
            ),
        };
        match client.send(&s3::SERVICE, "PUT", &format!("/{name}"), &[], Bytes::from(body)).await {
            Err(error) if error.code != "BucketAlreadyOwnedByYou" => Err(error.into()),
            _ => Ok(Bucket { client, name }),
        }
    }

    /// Puts bytes under the name that they give themselves, unless they are there; gives the key.
    async fn put(&self, bytes: Vec<u8>, suffix: &str) -> Result<String, Failure> {
        let key = format!("{}.{suffix}", hex::encode(Sha256::digest(&bytes)));
        let path = format!("/{}/{key}", self.name);
        match self.client.send(&s3::SERVICE, "HEAD", &path, &[], Bytes::new()).await {
            Ok(_) => return Ok(key),
            Err(error) if is_missing(&error) => {}
            Err(error) => return Err(error.into()),
        }
        self.client.send(&s3::SERVICE, "PUT", &path, &[], Bytes::from(bytes)).await?;
        Ok(key)
    }
}

/// A HEAD's answer has no body: its status is all there is.
fn is_missing(error: &ServiceError) -> bool {
    error.code.starts_with("404")
}

/// The text at a path of members.
fn text<'a>(value: &'a Value, path: &[&str]) -> Option<&'a str> {
    path.iter().try_fold(value, |value, name| value.get(name))?.as_str()
}
