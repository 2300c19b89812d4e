//! Headers in the query of a pre-signed URL, where some SDKs put them: Amazon S3 takes `x-amz-*` parameters there for
//! headers (user guide, "Downloading objects from Requester Pays buckets": `x-amz-request-payer=requester`; the
//! JavaScript SDK's request presigner puts every `x-amz-*` header there).

use http::request::Parts;
use http::{HeaderName, HeaderValue};

use super::payload;
use crate::Error;

/// What makes a URL a pre-signed one.
const ALGORITHM: &str = "X-Amz-Algorithm";
/// Parameters that are about the signature.
const OWN: [&str; 8] = [
    ALGORITHM,
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    "X-Amz-Signature",
    "X-Amz-Security-Token",
    "X-Amz-Content-Sha256",
];
/// Sums, which S3 passes over there: that of SDKs which sign before there is a body is the sum of nothing
/// (<https://github.com/localstack/localstack/issues/12169>, <https://github.com/aws/aws-sdk-go-v2/issues/2610>).
const SUMS: [&str; 2] = ["x-amz-checksum-", "x-amz-sdk-checksum-"];
/// It chooses the operation, which is known by now.
const COPY_SOURCE: &str = "x-amz-copy-source";

/// Makes headers of the parameters of a pre-signed URL whose signature has been checked. Headers that are there stay.
///
/// # Errors
/// 400 `InvalidArgument` for what cannot be a header; 501 `NotImplemented` for a copy's source.
pub(super) fn take(parts: &mut Parts) -> Result<(), Error> {
    let query = parts.uri.query().unwrap_or_default();
    if !query.contains(ALGORITHM) {
        return Ok(());
    }
    for (name, value) in payload::pairs(query) {
        let lower = name.to_ascii_lowercase();
        let is_passed_over = OWN.contains(&name.as_str()) || SUMS.iter().any(|sum| lower.starts_with(sum));
        if !lower.starts_with("x-amz-") || is_passed_over {
            continue;
        }
        if lower == COPY_SOURCE {
            let message = format!("Ropeway does not implement {COPY_SOURCE} in a query");
            return Err(Error::new(501, "NotImplemented", message));
        }
        let header = HeaderName::from_bytes(lower.as_bytes()).ok().zip(HeaderValue::from_str(&value).ok());
        let (header, value) = header.ok_or_else(|| {
            Error::new(400, "InvalidArgument", "The parameter's value is not one of a header.")
                .with_member("ArgumentName", name)
        })?;
        parts.headers.entry(header).or_insert(value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(query: &str) -> Result<Parts, Error> {
        let request = http::Request::get(format!("http://h/b/k?{query}")).header("x-amz-acl", "private");
        let mut parts = request.body(()).unwrap().into_parts().0;
        take(&mut parts).map(|()| parts)
    }

    #[test]
    fn parameters_become_headers() {
        let parts = taken("X-Amz-Algorithm=A&X-Amz-Date=d&x-amz-meta-a=b%20c&x-amz-acl=public-read").unwrap();
        let mut names: Vec<&str> = parts.headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["x-amz-acl", "x-amz-meta-a"]);
        assert_eq!(parts.headers["x-amz-meta-a"], "b c");
        assert_eq!(parts.headers["x-amz-acl"], "private");
        assert_eq!(taken("x-amz-meta-a=b").unwrap().headers.len(), 1);
        let sums = "X-Amz-Algorithm=A&x-amz-checksum-crc32=AAAAAA%3D%3D&x-amz-sdk-checksum-algorithm=CRC32";
        assert_eq!(taken(sums).unwrap().headers.len(), 1);
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let code = |query: &str| taken(&format!("X-Amz-Algorithm=A&{query}")).unwrap_err().code;
        assert_eq!(code("x-amz-meta-a=%0A"), "InvalidArgument");
        assert_eq!(code("x-amz-%20=b"), "InvalidArgument");
        assert_eq!(code("x-amz-copy-source=b/k"), "NotImplemented");
    }
}
