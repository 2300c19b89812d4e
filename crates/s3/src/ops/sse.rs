//! How the writers of objects ask for them to be encrypted.

use ropeway_wire::{Cx, Error};

use super::{AES256, KMS, encryption_refused, object_arn};
use crate::customer::{CustomerKey, Headers};
use crate::model::{AskedSse, Bucket};
use crate::{S3Service, error};

impl S3Service {
    /// The customer's key that a request brings. Keys must not be readable on their way: user guide, "Amazon
    /// S3 rejects any requests made over HTTP when using SSE-C". With `--dev` the server is reached by
    /// loopback alone, where nobody else reads along.
    pub(super) fn customer_key(&self, cx: &Cx, headers: &Headers<'_>) -> Result<Option<CustomerKey>, Error> {
        CustomerKey::read(headers, cx.secure || self.options.dev)
    }

    /// What a write asks for, and the customer's key that it brings.
    ///
    /// # Errors
    /// 400 `InvalidArgument`, and what a customer's key gives; 501 for what is not implemented.
    pub(super) fn asked_sse(
        &self,
        cx: &Cx,
        algorithm: Option<&str>,
        bucket_key: Option<bool>,
        headers: &Headers<'_>,
    ) -> Result<(AskedSse, Option<CustomerKey>), Error> {
        let has_key = headers.algorithm.is_some() || headers.key.is_some() || headers.md5.is_some();
        if let Some(algorithm) = algorithm.filter(|_| has_key) {
            let message = "Server Side Encryption with Customer provided key is incompatible with the encryption method specified";
            return Err(error::invalid_argument("x-amz-server-side-encryption", algorithm, message));
        }
        let kms = match algorithm {
            None => None,
            Some(AES256) => Some(false),
            Some(KMS) => Some(true),
            Some(other) => return Err(encryption_refused("x-amz-server-side-encryption", other)),
        };
        let key = self.customer_key(cx, headers)?;
        let check = key.as_ref().map(|key| key.check(self.vault.ids())).transpose().map_err(error::fault)?;
        Ok((AskedSse { kms, bucket_key, customer: check }, key))
    }
}

/// Buckets may refuse keys that customers keep: user guide, "Blocking or unblocking SSE-C for a general
/// purpose bucket"; the words are those of "Troubleshoot access denied (403 Forbidden) errors".
///
/// # Errors
/// 403 `AccessDenied`.
pub(super) fn check_customer_keys(
    cx: &Cx,
    bucket: &Bucket,
    key: Option<&CustomerKey>,
    (name, object): (&str, &str),
) -> Result<(), Error> {
    if key.is_none() || bucket.customer_keys {
        return Ok(());
    }
    let message = format!(
        "User: {} is not authorized to perform: s3:PutObject on resource: \"{}\" because this bucket has blocked upload requests that specify Server Side Encryption with Customer provided keys (SSE-C). Please specify a different server-side encryption type",
        cx.principal.arn,
        object_arn(name, object)
    );
    Err(Error::new(403, "AccessDenied", message))
}
