//! Archives: from the request or from a bucket, looked through and stored.

use bytes::Bytes;
use futures_util::StreamExt as _;
use ropeway_api::lambda::SERVICE;
use ropeway_api::s3;
use ropeway_core::functions::NotRun;
use ropeway_wire::{Cx, Error};

use super::Lambda;
use crate::errors::{self, invalid};
use crate::limits;

/// Where an archive comes from.
pub struct Source {
    /// The archive itself.
    pub zip: Option<Bytes>,
    /// The bucket that it lies in.
    pub bucket: Option<String>,
    /// Its key there.
    pub key: Option<String>,
}

impl Lambda {
    /// The archive, which can be unpacked.
    pub(super) async fn archive(&self, cx: &Cx, source: Source) -> Result<Bytes, Error> {
        let archive = match (source.zip, source.bucket, source.key) {
            (Some(zip), None, None) => {
                if zip.len() > limits::UPLOAD {
                    let most = limits::UPLOAD;
                    return Err(Error::new(
                        413,
                        "RequestEntityTooLargeException",
                        format!("Zipped size must be smaller than {most} bytes"),
                    ));
                }
                zip
            }
            (None, Some(bucket), Some(key)) => self.fetch(cx, bucket, key).await?,
            (Some(_), _, _) => {
                return Err(invalid(
                    "Please do not provide other FunctionCode parameters when providing a ZipFile.",
                ));
            }
            _ => {
                return Err(invalid(
                    "Please provide a source for function code: ZipFile, or S3Bucket and S3Key.",
                ));
            }
        };
        if archive.is_empty() {
            return Err(invalid("Uploaded file must be a non-empty zip"));
        }
        self.engine.parts.functions.inspect(archive.clone()).await.map_err(|why| match why {
            NotRun::BadPackage(why) | NotRun::NoRoom(why) => invalid(why),
            other => errors::service(format!("{other:?}")),
        })?;
        Ok(archive)
    }

    /// An archive from a bucket, read as the caller.
    async fn fetch(&self, cx: &Cx, bucket: String, key: String) -> Result<Bytes, Error> {
        let input = s3::GetObjectInput { bucket, key, ..s3::GetObjectInput::default() };
        let found = self.engine.parts.services.call(cx.clone(), input).await.map_err(|error| {
            if error.status >= 500 {
                return error;
            }
            if error.status == 403 {
                let why = format!(
                    "Your access has been denied by S3, please make sure your request credentials have permission to GetObject. S3 Error Code: {}. S3 Error Message: {}",
                    error.code, error.message
                );
                return Error::new(SERVICE.denial.1, SERVICE.denial.0, why);
            }
            invalid(format!(
                "Error occurred while GetObject. S3 Error Code: {}. S3 Error Message: {}",
                error.code, error.message
            ))
        })?;
        let length = found.content_length.and_then(|length| u64::try_from(length).ok()).unwrap_or_default();
        if length > limits::ARCHIVE {
            return Err(invalid(format!("Unzipped size must be smaller than {} bytes", limits::ARCHIVE)));
        }
        let mut out = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
        let chunks = found.body.and_then(|body| body.take());
        let mut chunks = chunks.ok_or_else(|| Error::internal("an object without a body"))?;
        while let Some(chunk) = chunks.next().await {
            out.extend_from_slice(&chunk?);
        }
        Ok(Bytes::from(out))
    }
}
