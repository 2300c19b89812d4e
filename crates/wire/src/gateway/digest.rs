//! What a request to S3 says of a body that is read whole. Streamed bodies are checked by who reads them.

use base64::Engine;
use http::HeaderMap;
use md5::{Digest, Md5};

use crate::Error;
use crate::checksum::{Algorithm, HEADER, Hasher, mismatch, single};
use crate::schema::Operation;
use crate::sigv4::Trailers;

/// Headers that speak of checksums and carry none.
const ABOUT: [&str; 3] = ["algorithm", "mode", "type"];

/// Compares `Content-MD5` with the body, and the checksum that comes with it, in a header or behind it;
/// operations that need one must come with one. Other operations' checksums are of something else: an
/// upload's of the object that it becomes.
///
/// # Errors
/// 400: `InvalidDigest` for what is no MD5 sum, `BadDigest` for another body's, `InvalidRequest` for what is
/// no checksum, for several, and where nothing is said and something must be (S3 API reference,
/// `DeleteObjects` and its like). 501 for an algorithm that is not implemented.
pub(super) fn check(
    operation: &Operation,
    headers: &HeaderMap,
    trailers: &Trailers,
    body: &[u8],
) -> Result<(), Error> {
    let md5 = headers.get("content-md5");
    if let Some(said) = md5 {
        check_md5(said.as_bytes(), body)?;
    }
    if !operation.checksum_required {
        return Ok(());
    }
    match said(headers, trailers)? {
        Some((algorithm, said)) => {
            algorithm.check_form(&said)?;
            let mut hasher = Hasher::new(algorithm);
            hasher.update(body);
            if hasher.finish() == said { Ok(()) } else { Err(mismatch(algorithm.name())) }
        }
        None if md5.is_some() => Ok(()),
        None => {
            let message = "Missing required header for this request: Content-MD5 OR x-amz-checksum-*";
            Err(Error::new(400, "InvalidRequest", message))
        }
    }
}

fn check_md5(said: &[u8], body: &[u8]) -> Result<(), Error> {
    let sum = base64::engine::general_purpose::STANDARD.decode(said).ok().filter(|sum| sum.len() == 16);
    let Some(sum) = sum else {
        return Err(Error::new(400, "InvalidDigest", "The Content-MD5 you specified was invalid."));
    };
    if Md5::digest(body).as_slice() == sum {
        return Ok(());
    }
    Err(Error::new(400, "BadDigest", "The Content-MD5 you specified did not match what we received."))
}

/// The one checksum that a request carries.
fn said(headers: &HeaderMap, trailers: &Trailers) -> Result<Option<(Algorithm, String)>, Error> {
    let mut found = Vec::new();
    for (name, value) in headers {
        let Some(algorithm) = named(name.as_str()) else { continue };
        let value = String::from_utf8_lossy(value.as_bytes()).trim().to_owned();
        found.push((Algorithm::parse(algorithm)?, Some(value)));
    }
    for name in trailers.announced() {
        let Some(algorithm) = named(name) else { continue };
        found.push((Algorithm::parse(algorithm)?, trailers.get(name)));
    }
    single(found)
}

/// The algorithm in a header's name.
fn named(header: &str) -> Option<&str> {
    header.strip_prefix(HEADER).filter(|rest| !ABOUT.contains(rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{EMPTY, Member};

    fn code(required: bool, said: &[(&'static str, &'static str)]) -> Option<String> {
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
        for (name, value) in said {
            headers.insert(*name, http::HeaderValue::from_static(value));
        }
        let checked = check(&operation, &headers, &Trailers::default(), b"hello");
        checked.err().map(|error| error.code.into_owned())
    }

    #[test]
    fn the_sum_must_be_the_body_s() {
        let md5 = |value| code(true, &[("content-md5", value)]);
        assert_eq!(md5("XUFAKrxLKna5cZ2REBfFkg=="), None);
        assert_eq!(md5("XUFAKrxLKna5cZ2REBfFkQ==").as_deref(), Some("BadDigest"));
        assert_eq!(md5("XUFA").as_deref(), Some("InvalidDigest"));
    }

    /// Of `hello`, by Python's zlib and hashlib.
    #[test]
    fn the_checksum_must_be_the_body_s() {
        let good = [
            ("x-amz-checksum-crc32", "NhCmhg=="),
            ("x-amz-checksum-sha1", "qvTGHdzF6KLavt4PO0gs2a6pQ00="),
            ("x-amz-checksum-sha256", "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="),
        ];
        for one in good {
            assert_eq!(code(true, &[one]), None, "{}", one.0);
        }
        assert_eq!(code(true, &[("x-amz-checksum-crc32", "AAAAAA==")]).as_deref(), Some("BadDigest"));
        assert_eq!(code(true, &[("x-amz-checksum-crc32", "AAAA")]).as_deref(), Some("InvalidRequest"));
        assert_eq!(code(true, &[good[0], good[1]]).as_deref(), Some("InvalidRequest"));
        assert_eq!(code(true, &[("x-amz-checksum-crc31", "AAAA")]).as_deref(), Some("InvalidRequest"));
        assert_eq!(code(true, &[("x-amz-checksum-md5", "AAAA")]).as_deref(), Some("NotImplemented"));
        let both = [good[0], ("content-md5", "XUFAKrxLKna5cZ2REBfFkQ==")];
        assert_eq!(code(true, &both).as_deref(), Some("BadDigest"));
        // CompleteMultipartUpload's is the object's.
        assert_eq!(code(false, &[("x-amz-checksum-crc32", "AAAAAA==")]), None);
    }

    #[test]
    fn an_operation_that_needs_a_sum_gets_one() {
        assert_eq!(code(true, &[("x-amz-date", "now")]).as_deref(), Some("InvalidRequest"));
        assert_eq!(code(true, &[("x-amz-checksum-algorithm", "CRC32")]).as_deref(), Some("InvalidRequest"));
        assert_eq!(code(false, &[("x-amz-date", "now")]), None);
    }
}
