//! Keys that the customer keeps (SSE-C): the headers that bring them, and what stays of a key.
//!
//! S3 user guide, "Using server-side encryption with customer-provided keys (SSE-C)". Codes and messages
//! are S3's own, as recorded by localstack/localstack, tests/aws/services/s3/test_s3.snapshot.json,
//! `TestS3SSECEncryption`, and by aws/aws-sdk-go#2724, aws/aws-sdk-go#1726, boto/boto3#1482.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use ropeway_core::seal::SealKey;
use ropeway_core::{Fault, Ids};
use ropeway_wire::Error;
use serde::{Deserialize, Serialize};

use crate::error;

/// Bytes of a key.
const KEY: usize = 32;
/// Bytes of a nonce and a tag: what sealing nothing gives.
const CHECK: usize = 12 + 16;
/// What a check is sealed for.
const CHECK_CONTEXT: &[u8] = b"customer key";

/// What is kept of a key: nothing that the key could be found by, but it tells the key from others. A
/// salted authentication code: an empty text, sealed by the key under a random nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyCheck([u8; CHECK]);

/// A key of a customer's, as long as a request lasts.
#[derive(Clone)]
pub struct CustomerKey {
    key: SealKey,
    md5: String,
}

impl std::fmt::Debug for CustomerKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CustomerKey").finish_non_exhaustive()
    }
}

/// The three headers, as they came.
#[derive(Debug, Default)]
pub struct Headers<'r> {
    /// `…-customer-algorithm`
    pub algorithm: Option<&'r str>,
    /// `…-customer-key`
    pub key: Option<&'r str>,
    /// `…-customer-key-MD5`
    pub md5: Option<&'r str>,
}

/// An error about a header; S3 names this one, whichever it is.
fn invalid(value: &str, message: &str) -> Error {
    error::invalid_argument("x-amz-server-side-encryption", value, message)
}

impl CustomerKey {
    /// Reads the headers; `None` where there are none. `secure`: the request came where nobody else reads it.
    ///
    /// # Errors
    /// 400 `InvalidRequest`, `InvalidArgument`, `InvalidEncryptionAlgorithmError`.
    pub fn read(headers: &Headers<'_>, secure: bool) -> Result<Option<CustomerKey>, Error> {
        let (algorithm, key) = match (headers.algorithm, headers.key) {
            (None, None) if headers.md5.is_none() => return Ok(None),
            (None, _) => {
                return Err(invalid(
                    "null",
                    "Requests specifying Server Side Encryption with Customer provided keys must provide a valid encryption algorithm.",
                ));
            }
            (Some(algorithm), key) => (algorithm, key),
        };
        if !secure {
            return Err(error::invalid_request(
                "Requests specifying Server Side Encryption with Customer provided keys must be made over a secure connection.",
            ));
        }
        if algorithm != "AES256" {
            let message = "The Encryption request you specified is not valid. Supported value: AES256.";
            return Err(Error::new(400, "InvalidEncryptionAlgorithmError", message)
                .with_member("ArgumentName", "x-amz-server-side-encryption")
                .with_member("ArgumentValue", algorithm));
        }
        let key = key.ok_or_else(|| {
            invalid(
                "null",
                "Requests specifying Server Side Encryption with Customer provided keys must provide an appropriate secret key.",
            )
        })?;
        let too_short = || invalid("null", "The secret key was invalid for the specified algorithm.");
        let bytes = STANDARD.decode(key).map_err(|_| too_short())?;
        let md5 = STANDARD.encode(Md5::digest(&bytes));
        match headers.md5 {
            Some(said) if said == md5 => {}
            Some(_) => {
                let message = "The calculated MD5 hash of the key did not match the hash that was provided.";
                return Err(invalid("null", message));
            }
            None => {
                return Err(invalid(
                    "null",
                    "Requests specifying Server Side Encryption with Customer provided keys must provide the client calculated MD5 of the secret key.",
                ));
            }
        }
        let bytes = <[u8; KEY]>::try_from(bytes).map_err(|_| too_short())?;
        Ok(Some(CustomerKey { key: SealKey::from_bytes(bytes), md5 }))
    }

    /// Base64 of the key's MD5, which answers repeat.
    pub fn md5(&self) -> &str {
        &self.md5
    }

    /// What is kept of the key.
    pub fn check(&self, ids: &Ids) -> Result<KeyCheck, Fault> {
        let sealed = self.key.seal(ids, CHECK_CONTEXT, b"")?;
        let sealed = sealed.try_into().map_err(|_| Fault::Damaged("a check of another length".to_owned()))?;
        Ok(KeyCheck(sealed))
    }

    /// Whether this is the key that the check is of.
    pub fn fits(&self, check: &KeyCheck) -> bool {
        self.key.open(CHECK_CONTEXT, &check.0).is_ok()
    }

    /// Seals the key of a body.
    pub fn seal(&self, ids: &Ids, context: &[u8], key: &[u8]) -> Result<Vec<u8>, Fault> {
        self.key.seal(ids, context, key)
    }

    /// Opens the key of a body.
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Fault> {
        self.key.open(context, sealed)
    }
}

/// Whether who brings this key, or none, may read what is encrypted so.
///
/// # Errors
/// 400 `InvalidRequest` for a key that is missing, or not asked for; 403 `AccessDenied` for another key.
pub fn check_read(kept: Option<&KeyCheck>, brought: Option<&CustomerKey>) -> Result<(), Error> {
    match (kept, brought) {
        (None, None) => Ok(()),
        (Some(_), None) => Err(error::invalid_request(
            "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.",
        )),
        (None, Some(_)) => {
            Err(error::invalid_request("The encryption parameters are not applicable to this object."))
        }
        (Some(check), Some(key)) if key.fits(check) => Ok(()),
        (Some(_), Some(_)) => Err(Error::new(
            403,
            "AccessDenied",
            "Requests specifying Server Side Encryption with Customer provided keys must provide the correct secret key.",
        )),
    }
}

/// Whether who brings this key, or none, may write a part of an upload that is encrypted so.
///
/// # Errors
/// 400 `InvalidRequest` for a key that is missing, or not asked for, or another one.
pub fn check_part(kept: Option<&KeyCheck>, brought: Option<&CustomerKey>) -> Result<(), Error> {
    match (kept, brought) {
        (None, None) => Ok(()),
        (Some(check), Some(key)) if key.fits(check) => Ok(()),
        (Some(_), Some(_)) => Err(error::invalid_request(
            "The provided encryption parameters did not match the ones used originally.",
        )),
        _ => Err(error::invalid_request(
            "The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: [u8; 32] = [b'a'; 32];

    fn read(algorithm: Option<&str>, key: Option<&[u8]>, md5_of: Option<&[u8]>) -> Result<bool, Error> {
        let key = key.map(|key| STANDARD.encode(key));
        let md5 = md5_of.map(|bytes| STANDARD.encode(Md5::digest(bytes)));
        let headers = Headers { algorithm, key: key.as_deref(), md5: md5.as_deref() };
        CustomerKey::read(&headers, true).map(|key| key.is_some())
    }

    /// The recordings that the module names, row by row.
    #[test]
    fn reads_headers_as_s3_does() {
        let (aes, key, short) = (Some("AES256"), Some(&BYTES[..]), Some(&b"0123456789"[..]));
        assert!(!read(None, None, None).unwrap());
        assert!(read(aes, key, key).unwrap());
        for (algorithm, key, md5_of, code, words) in [
            (None, key, key, "InvalidArgument", "must provide a valid encryption algorithm"),
            (None, None, key, "InvalidArgument", "must provide a valid encryption algorithm"),
            (aes, None, key, "InvalidArgument", "must provide an appropriate secret key"),
            (Some("aes256"), key, key, "InvalidEncryptionAlgorithmError", "Supported value: AES256."),
            (aes, short, short, "InvalidArgument", "The secret key was invalid for the specified algorithm."),
            (aes, key, short, "InvalidArgument", "did not match the hash that was provided"),
            // The MD5 is looked at first.
            (aes, short, key, "InvalidArgument", "did not match the hash that was provided"),
            (aes, key, None, "InvalidArgument", "must provide the client calculated MD5"),
        ] {
            let error = read(algorithm, key, md5_of).unwrap_err();
            assert_eq!((error.status, &*error.code), (400, code), "{words}");
            assert!(error.message.contains(words), "{}", error.message);
        }
    }

    #[test]
    fn wants_a_secure_connection() {
        let (key, md5) = (STANDARD.encode(BYTES), STANDARD.encode(Md5::digest(BYTES)));
        let headers = Headers { algorithm: Some("AES256"), key: Some(&key), md5: Some(&md5) };
        let error = CustomerKey::read(&headers, false).unwrap_err();
        assert_eq!((error.status, &*error.code), (400, "InvalidRequest"));
        assert!(error.message.contains("secure connection"));
    }

    #[test]
    fn tells_keys_apart() {
        let ids = Ids::seeded(1);
        let key = |byte: u8| CustomerKey { key: SealKey::from_bytes([byte; 32]), md5: String::new() };
        let (one, other) = (key(1), key(2));
        let check = one.check(&ids).unwrap();
        assert_ne!(check, one.check(&ids).unwrap());
        assert!(one.fits(&check) && !other.fits(&check));
        for (kept, brought, read, part) in [
            (None, None, 0, 0),
            (Some(&check), Some(&one), 0, 0),
            (Some(&check), Some(&other), 403, 400),
            (Some(&check), None, 400, 400),
            (None, Some(&one), 400, 400),
        ] {
            assert_eq!(check_read(kept, brought).err().map_or(0, |error| error.status), read);
            assert_eq!(check_part(kept, brought).err().map_or(0, |error| error.status), part);
        }
    }
}
