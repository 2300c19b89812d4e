//! What a request to S3 says of a body that is read whole. Streamed bodies are checked by who reads them.

use base64::Engine;
use http::HeaderMap;
use md5::{Digest, Md5};

use crate::Error;
use crate::schema::Operation;

/// Compares `Content-MD5` with the body; operations that need a checksum must come with one.
///
/// # Errors
/// 400: `InvalidDigest` for what is no MD5 sum, `BadDigest` for another body's, `InvalidRequest` where
/// nothing is said and something must be (S3 API reference, `DeleteObjects` and its like).
pub(super) fn check(operation: &Operation, headers: &HeaderMap, body: &[u8]) -> Result<(), Error> {
    let Some(said) = headers.get("content-md5") else { return check_presence(operation, headers) };
    let sum =
        base64::engine::general_purpose::STANDARD.decode(said.as_bytes()).ok().filter(|sum| sum.len() == 16);
    let Some(sum) = sum else {
        return Err(Error::new(400, "InvalidDigest", "The Content-MD5 you specified was invalid."));
    };
    if Md5::digest(body).as_slice() == sum {
        return Ok(());
    }
    Err(Error::new(400, "BadDigest", "The Content-MD5 you specified did not match what we received."))
}

fn check_presence(operation: &Operation, headers: &HeaderMap) -> Result<(), Error> {
    let given = |name: &str| name.starts_with("x-amz-checksum-") || name == "x-amz-trailer";
    if !operation.checksum_required || headers.keys().any(|name| given(name.as_str())) {
        return Ok(());
    }
    let message = "Missing required header for this request: Content-MD5 OR x-amz-checksum-*";
    Err(Error::new(400, "InvalidRequest", message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{EMPTY, Member};

    fn code(required: bool, name: &'static str, value: &'static str) -> Option<String> {
        let operation = Operation {
            name: "PutBucketTagging",
            method: "PUT",
            uri: "/{Bucket}?tagging",
            status: 200,
            input: Member::new("", &EMPTY),
            output: Member::new("", &EMPTY),
            result_wrapper: None,
            action: None,
            checksum_required: required,
        };
        let mut headers = HeaderMap::new();
        headers.insert(name, http::HeaderValue::from_static(value));
        check(&operation, &headers, b"hello").err().map(|error| error.code.into_owned())
    }

    #[test]
    fn the_sum_must_be_the_body_s() {
        assert_eq!(code(true, "content-md5", "XUFAKrxLKna5cZ2REBfFkg=="), None);
        assert_eq!(code(true, "content-md5", "XUFAKrxLKna5cZ2REBfFkQ==").as_deref(), Some("BadDigest"));
        assert_eq!(code(true, "content-md5", "XUFA").as_deref(), Some("InvalidDigest"));
    }

    #[test]
    fn an_operation_that_needs_a_sum_gets_one() {
        assert_eq!(code(true, "x-amz-date", "now").as_deref(), Some("InvalidRequest"));
        assert_eq!(code(true, "x-amz-checksum-crc32", "AAAAAA=="), None);
        assert_eq!(code(false, "x-amz-date", "now"), None);
    }
}
