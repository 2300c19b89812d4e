//! What `deploy` does before the stack: code and templates that the template names by local paths are built, packed,
//! and put into a bucket, as `sam build` and `aws cloudformation package` do.

mod archive;
mod artifact;
mod build;

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use ropeway_api::{s3, sts};
use ropeway_cloudformation::template;
use ropeway_core::BoxFuture;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::client::{Client, ServiceError};
use crate::{Failure, output};
use artifact::Artifact;

/// Longer templates go by way of the bucket (CloudFormation's limit of `TemplateBody`, in bytes).
const MAX_BODY: usize = 51_200;

/// How deep templates may be nested.
const MAX_DEPTH: usize = 16;

/// The template as it is handed to CloudFormation: a parameter's name and its value.
pub(crate) type Handed = (String, String);

/// Builds and uploads what the template names by local paths, and gives the template that names the
/// uploads. One without local paths stays as it was written.
///
/// # Errors
/// A build that fails, with what it printed above; what the server says to an upload.
pub(crate) async fn pack(
    client: &Client,
    file: &Path,
    body: String,
) -> Result<(Handed, Vec<Upload>), Failure> {
    let mut uploads = Vec::new();
    let body = packed(client, file, body, 0, &mut uploads).await?;
    if body.len() <= MAX_BODY {
        return Ok((("TemplateBody".to_owned(), body), uploads));
    }
    let bucket = Bucket::ensure(client).await?;
    Ok((("TemplateURL".to_owned(), bucket.put_template(body).await?), uploads))
}

/// Code as it was uploaded.
#[derive(Debug, Clone)]
pub(crate) struct Upload {
    /// The logical id of the function or layer, behind those of the nested stacks that it is in (`Stack/Function`).
    pub resource: String,
    pub bucket: String,
    pub key: String,
    /// The archive's sum in base 64, as Lambda tells it.
    pub sha256: String,
}

/// Where a function of a template has its code.
pub(crate) struct FunctionCode {
    artifact: Artifact,
    folder: PathBuf,
    /// The file or folder, without links; `None`: it is not there.
    pub path: Option<PathBuf>,
    /// A version is published with each change of the code.
    pub published: bool,
}

impl FunctionCode {
    /// The function's logical id.
    pub fn resource(&self) -> &str {
        &self.artifact.resource
    }
}

/// The functions of a template that have their code in local paths.
///
/// # Errors
/// A template that cannot be read.
pub(crate) fn function_codes(file: &Path) -> Result<Vec<FunctionCode>, Failure> {
    let wrong = |why: String| Failure::Usage(format!("{}: {why}", file.display()));
    let body = std::fs::read_to_string(file).map_err(|e| wrong(e.to_string()))?;
    let json = template::parse(&body).map_err(|e| wrong(e.to_string()))?.to_json();
    let folder = file.parent().unwrap_or(Path::new(".")).to_owned();
    let functions = artifact::find(&json).into_iter().filter(Artifact::is_function);
    let code = |artifact: Artifact| FunctionCode {
        path: std::fs::canonicalize(folder.join(&artifact.path)).ok(),
        published: artifact.published,
        folder: folder.clone(),
        artifact,
    };
    Ok(functions.map(code).collect())
}

/// Builds and uploads a function's code alone.
///
/// # Errors
/// As [`pack`].
pub(crate) async fn upload(client: &Client, code: &FunctionCode) -> Result<Upload, Failure> {
    Bucket::ensure(client).await?.put_code(&code.artifact, &code.folder).await
}

/// The template with the names of uploads, after those that lie in it: so many levels above are being packed.
fn packed<'a>(
    client: &'a Client,
    file: &'a Path,
    body: String,
    depth: usize,
    uploads: &'a mut Vec<Upload>,
) -> BoxFuture<'a, Result<String, Failure>> {
    Box::pin(async move {
        let wrong = |why: String| Failure::Usage(format!("{}: {why}", file.display()));
        if depth > MAX_DEPTH {
            return Err(wrong(format!("nested templates may be {MAX_DEPTH} deep at most")));
        }
        let parsed = template::parse(&body).map_err(|e| wrong(e.to_string()))?;
        let mut json = parsed.to_json();
        let (artifacts, nested) = (artifact::find(&json), artifact::nested(&json));
        if artifacts.is_empty() && nested.is_empty() {
            return Ok(body);
        }
        let folder = file.parent().unwrap_or(Path::new("."));
        let bucket = Bucket::ensure(client).await?;
        for artifact in artifacts {
            let upload = bucket.put_code(&artifact, folder).await?;
            artifact.name_upload(&mut json, &upload.bucket, &upload.key);
            output::line(&format!("  packed {} as s3://{}/{}", upload.resource, upload.bucket, upload.key));
            uploads.push(upload);
        }
        for (resource, path) in nested {
            let path = folder.join(path);
            let body = std::fs::read_to_string(&path)
                .map_err(|e| wrong(format!("{resource}: {}: {e}", path.display())))?;
            let mut inner = Vec::new();
            let body = packed(client, &path, body, depth + 1, &mut inner).await?;
            let below =
                |upload: Upload| Upload { resource: format!("{resource}/{}", upload.resource), ..upload };
            uploads.extend(inner.into_iter().map(below));
            let url = bucket.put_template(body).await?;
            output::line(&format!("  packed {resource} as {url}"));
            artifact::name_template(&mut json, &resource, &url);
        }
        Ok(json.to_string())
    })
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

    /// Builds code and puts it.
    async fn put_code(&self, artifact: &Artifact, folder: &Path) -> Result<Upload, Failure> {
        let archive = build::build(artifact, folder)?;
        let sha256 = STANDARD.encode(Sha256::digest(&archive));
        let key = self.put(archive, "zip").await?;
        Ok(Upload { resource: artifact.resource.clone(), bucket: self.name.clone(), key, sha256 })
    }

    /// Puts a template, and gives its URL.
    async fn put_template(&self, body: String) -> Result<String, Failure> {
        let key = self.put(body.into_bytes(), "template").await?;
        Ok(format!("{}/{}/{key}", self.client.endpoint(), self.name))
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
