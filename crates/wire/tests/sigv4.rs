//! Signatures: S3's documented examples, what is refused and how, and properties.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test's helpers fail by panicking"
)]

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request};
use proptest::prelude::*;
use ropeway_core::Time;
use ropeway_wire::sigv4::{
    self, Body, Credentials, Family, Form, Payload, SignBody, Signer, SigningKeys, Trailers,
};
use ropeway_wire::{ByteStream, Error};

const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
/// 2013-05-24T00:00:00Z, the moment of S3's examples.
const NOW: Time = Time::from_secs(1_369_353_600);
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn parts(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
    let mut builder = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(()).unwrap().into_parts().0
}

fn credentials() -> Credentials {
    Credentials { access_key_id: KEY.into(), secret_access_key: SECRET.into(), session_token: None }
}

fn signer<'a>(credentials: &'a Credentials, service: &'a str) -> Signer<'a> {
    Signer { credentials, region: "us-east-1", service, time: NOW }
}

fn check(parts: &Parts, family: Family, body: Body<'_>, now: Time) -> Result<sigv4::Verified, Error> {
    let claim = sigv4::parse(parts, family)?.ok_or_else(|| family.missing_credentials())?;
    claim.verify(&SigningKeys::default(), SECRET, body, now)
}

fn authorization(scope: &str, signed: &str, signature: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential={KEY}/{scope}/aws4_request,SignedHeaders={signed},Signature={signature}"
    )
}

// S3 API reference, "Signature Calculations for the Authorization Header: Transferring Payload in a Single
// Chunk" and "Authenticating Requests: Using Query Parameters".

#[test]
fn documented_s3_requests_hold() {
    let get = parts(
        "GET",
        "/test.txt",
        &[
            ("host", "examplebucket.s3.amazonaws.com"),
            ("range", "bytes=0-9"),
            ("x-amz-content-sha256", EMPTY),
            ("x-amz-date", "20130524T000000Z"),
            (
                "authorization",
                &authorization(
                    "20130524/us-east-1/s3",
                    "host;range;x-amz-content-sha256;x-amz-date",
                    "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
                ),
            ),
        ],
    );
    assert_eq!(
        check(&get, Family::S3, Body::Whole(b""), NOW).unwrap().payload(),
        Payload::Sha256(empty_hash())
    );
    let put = parts(
        "PUT",
        "/test$file.text",
        &[
            ("host", "examplebucket.s3.amazonaws.com"),
            ("date", "Fri, 24 May 2013 00:00:00 GMT"),
            ("x-amz-date", "20130524T000000Z"),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ("x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"),
            (
                "authorization",
                &authorization(
                    "20130524/us-east-1/s3",
                    "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
                    "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
                ),
            ),
        ],
    );
    let _held = check(&put, Family::S3, Body::Whole(b"Welcome to Amazon S3."), NOW).unwrap();
    for (uri, signature) in [
        ("/?lifecycle", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        ("/?max-keys=2&prefix=J", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
    ] {
        let list = parts(
            "GET",
            uri,
            &[
                ("host", "examplebucket.s3.amazonaws.com"),
                ("x-amz-content-sha256", EMPTY),
                ("x-amz-date", "20130524T000000Z"),
                (
                    "authorization",
                    &authorization(
                        "20130524/us-east-1/s3",
                        "host;x-amz-content-sha256;x-amz-date",
                        signature,
                    ),
                ),
            ],
        );
        let _held = check(&list, Family::S3, Body::Whole(b""), NOW).unwrap();
    }
}

const PRESIGNED: &str = "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524\
     %2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&\
     X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";

#[test]
fn documented_presigned_url_holds_until_it_expires() {
    let get = parts("GET", PRESIGNED, &[("host", "examplebucket.s3.amazonaws.com")]);
    let claim = sigv4::parse(&get, Family::S3).unwrap().unwrap();
    assert_eq!(claim.form(), Form::Presigned { expires_secs: 86_400 });
    assert_eq!((claim.region(), claim.service(), claim.date()), ("us-east-1", "s3", "20130524"));
    for secs in [-900, 0, 86_400] {
        assert!(check(&get, Family::S3, Body::Streamed, NOW.plus_secs(secs)).is_ok(), "{secs}");
    }
    let error = check(&get, Family::S3, Body::Streamed, NOW.plus_secs(86_401)).unwrap_err();
    assert_eq!((error.status, &*error.code, &*error.message), (403, "AccessDenied", "Request has expired"));
    assert_eq!(error.members["X-Amz-Expires"], "86400");
    assert_eq!(error.members["Expires"], "2013-05-25T00:00:00Z");
    assert_eq!(error.members["ServerTime"], "2013-05-25T00:00:01Z");
    let early = check(&get, Family::S3, Body::Streamed, NOW.plus_secs(-901)).unwrap_err();
    assert_eq!((early.status, &*early.code), (403, "AccessDenied"));
}

#[test]
fn altered_presigned_urls_are_refused() {
    let host = [("host", "examplebucket.s3.amazonaws.com")];
    for (from, to, code) in [
        ("/test.txt", "/test2.txt", "SignatureDoesNotMatch"),
        ("Expires=86400", "Expires=86401", "SignatureDoesNotMatch"),
        ("Expires=86400", "Expires=604801", "AuthorizationQueryParametersError"),
        ("Expires=86400", "Expires=-1", "AuthorizationQueryParametersError"),
        ("Expires=86400", "Expires=soon", "AuthorizationQueryParametersError"),
        ("&X-Amz-Expires=86400", "", "AuthorizationQueryParametersError"),
        ("&X-Amz-SignedHeaders=host", "&X-Amz-SignedHeaders=x-amz-date", "AccessDenied"),
        ("X-Amz-Date=20130524", "X-Amz-Date=20130525", "AuthorizationQueryParametersError"),
        ("X-Amz-Date=20130524T000000Z", "X-Amz-Date=today", "AuthorizationQueryParametersError"),
        ("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256", "AuthorizationQueryParametersError"),
        ("%2Faws4_request", "", "AuthorizationQueryParametersError"),
        ("&X-Amz-Date=", "&X-Amz-Date=20130524T000000Z&X-Amz-Date=", "AuthorizationQueryParametersError"),
        ("=aeeed", "=AEEED", "SignatureDoesNotMatch"),
    ] {
        let uri = PRESIGNED.replace(from, to);
        assert_ne!(uri, PRESIGNED);
        let error = check(&parts("GET", &uri, &host), Family::S3, Body::Streamed, NOW).unwrap_err();
        assert_eq!(error.code, code, "{from} -> {to}: {error}");
    }
    let both = parts("GET", PRESIGNED, &[host[0], ("authorization", "AWS4-HMAC-SHA256 x=y")]);
    assert_eq!(check(&both, Family::S3, Body::Streamed, NOW).unwrap_err().code, "InvalidArgument");
    let version_2 = parts("GET", "/a?AWSAccessKeyId=A&Signature=b&Expires=1", &host);
    assert_eq!(check(&version_2, Family::S3, Body::Streamed, NOW).unwrap_err().code, "InvalidRequest");
}

#[test]
fn no_credentials_is_no_claim() {
    for family in [Family::S3, Family::Query, Family::Json, Family::RestJson] {
        assert!(sigv4::parse(&parts("GET", "/", &[("host", "h")]), family).unwrap().is_none());
    }
    let message = "Request is missing Authentication Token";
    let error = Family::Query.missing_credentials();
    assert_eq!((error.status, &*error.code, &*error.message), (403, "MissingAuthenticationToken", message));
    assert_eq!(Family::Json.missing_credentials().code, "MissingAuthenticationTokenException");
    assert_eq!(Family::S3.missing_credentials().code, "AccessDenied");
}

/// A request to SQS, signed.
fn signed_sqs(body: &str) -> Parts {
    let mut request =
        parts("POST", "http://localhost:4566/", &[("content-type", "application/x-amz-json-1.0")]);
    signer(&credentials(), "sqs").sign_headers(&mut request, SignBody::Whole(body.as_bytes())).unwrap();
    request
}

#[test]
fn each_family_has_its_own_errors() {
    let request = signed_sqs("{}");
    for (family, status, code) in [
        (Family::Query, 403, "SignatureDoesNotMatch"),
        (Family::Json, 400, "InvalidSignatureException"),
        (Family::RestJson, 403, "InvalidSignatureException"),
    ] {
        assert!(check(&request, family, Body::Whole(b"{}"), NOW).is_ok());
        let error = check(&request, family, Body::Whole(b"{ }"), NOW).unwrap_err();
        assert_eq!((error.status, &*error.code), (status, code));
        assert_eq!(
            error.message,
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
             Access Key and signing method. Consult the service documentation for details."
        );
        let late = check(&request, family, Body::Whole(b"{}"), NOW.plus_secs(901)).unwrap_err();
        assert_eq!((late.status, &*late.code), (status, code));
        assert_eq!(
            late.message,
            "Signature expired: 20130524T000000Z is now earlier than 20130524T000001Z (20130524T001501Z - 15 min.)"
        );
        let early = check(&request, family, Body::Whole(b"{}"), NOW.plus_secs(-901)).unwrap_err();
        assert_eq!(
            early.message,
            "Signature not yet current: 20130524T000000Z is still later than 20130523T235959Z (20130523T234459Z + 15 min.)"
        );
        let claim = sigv4::parse(&request, family).unwrap().unwrap();
        assert!(claim.require_service("sqs").is_ok());
        assert_eq!(claim.require_service("sns").unwrap_err().code, code);
    }
    let unknown = Family::Json.unknown_key("AKIA");
    assert_eq!((unknown.status, &*unknown.code), (400, "UnrecognizedClientException"));
    assert_eq!(unknown.query_code.as_deref(), Some("InvalidClientTokenId"));
    assert_eq!(unknown.message, "The security token included in the request is invalid.");
    assert_eq!(Family::S3.unknown_key("AKIA").code, "InvalidAccessKeyId");
    assert_eq!(Family::Query.expired_token("t").code, "ExpiredToken");
    assert_eq!(Family::Json.expired_token("t").code, "ExpiredTokenException");
}

#[test]
fn malformed_headers_are_refused_by_name() {
    let good = signed_sqs("{}");
    let text = good.headers["authorization"].to_str().unwrap().to_owned();
    let refused = |to: &str, family: Family| {
        let mut request = good.clone();
        request.headers.insert("authorization", HeaderValue::from_str(to).unwrap());
        check(&request, family, Body::Whole(b"{}"), NOW).unwrap_err()
    };
    for (to, start) in [
        ("Bearer abc".to_owned(), "Unsupported AWS 'algorithm': 'Bearer'."),
        (
            "AWS4-HMAC-SHA256".to_owned(),
            "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. (Hashed",
        ),
        (text.replace("Signature=", "Sig="), "Authorization header requires 'Signature' parameter. (Hashed"),
        (text.replace("=", " "), "Invalid key=value pair (missing equal-sign) in Authorization header"),
        (text.replace("/sqs/", "/"), "Credential must have exactly 5 slash-delimited elements"),
    ] {
        let error = refused(&to, Family::Query);
        assert_eq!((error.status, &*error.code), (400, "IncompleteSignature"), "{to}");
        assert!(error.message.starts_with(start), "{}", error.message);
        assert_eq!(refused(&to, Family::Json).code, "IncompleteSignatureException");
        let s3 = refused(&to, Family::S3).code;
        assert!(s3 == "AuthorizationHeaderMalformed" || s3 == "InvalidArgument", "{s3}");
    }
    for (to, start) in [
        (text.replace("aws4_request", "aws3_request"), "Credential should be scoped with a valid terminator"),
        (text.replace("/20130524/", "/20130525/"), "Date in Credential scope does not match YYYYMMDD"),
        (text.replace(";host;", ";"), "'Host' or ':authority' must be a 'SignedHeader'"),
    ] {
        let error = refused(&to, Family::Query);
        assert_eq!((error.status, &*error.code), (403, "SignatureDoesNotMatch"), "{to}");
        assert!(error.message.starts_with(start), "{}", error.message);
    }
    let mut undated = good.clone();
    undated.headers.remove("x-amz-date");
    let error = check(&undated, Family::Query, Body::Whole(b"{}"), NOW).unwrap_err();
    assert!(error.message.contains("existence of either a 'X-Amz-Date' or a 'Date' header"));
    assert_eq!(check(&undated, Family::S3, Body::Whole(b"{}"), NOW).unwrap_err().code, "AccessDenied");
}

#[test]
fn s3_says_what_it_computed() {
    let credentials = credentials();
    let mut request = parts("PUT", "http://b.localhost:4566/a%20b/c+d", &[]);
    signer(&credentials, "s3").sign_headers(&mut request, SignBody::Whole(b"hello")).unwrap();
    assert!(check(&request, Family::S3, Body::Whole(b"hello"), NOW).is_ok());
    let error = check(&request, Family::S3, Body::Whole(b"jello"), NOW).unwrap_err();
    assert_eq!((error.status, &*error.code), (400, "XAmzContentSHA256Mismatch"));
    let skewed = check(&request, Family::S3, Body::Whole(b"hello"), NOW.plus_secs(901)).unwrap_err();
    assert_eq!((skewed.status, &*skewed.code), (403, "RequestTimeTooSkewed"));
    assert_eq!(skewed.members["MaxAllowedSkewMilliseconds"], "900000");
    request.method = http::Method::DELETE;
    let error = check(&request, Family::S3, Body::Whole(b"hello"), NOW).unwrap_err();
    assert_eq!((error.status, &*error.code), (403, "SignatureDoesNotMatch"));
    assert!(error.members["CanonicalRequest"].starts_with("DELETE\n/a%20b/c%2Bd\n\nhost:b.localhost:4566\n"));
    assert!(error.members["CanonicalRequestBytes"].starts_with("44 45 4c 45 54 45 0a 2f"));
    assert!(
        error.members["StringToSign"]
            .starts_with("AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/")
    );
    assert!(error.members["StringToSignBytes"].starts_with("41 57 53 34 2d"));
    assert_eq!(error.members["AWSAccessKeyId"], KEY);
    assert_eq!(error.members["SignatureProvided"].len(), 64);
    request.headers.insert("x-amz-acl", HeaderValue::from_static("public-read"));
    let error = check(&request, Family::S3, Body::Whole(b"hello"), NOW).unwrap_err();
    assert_eq!(error.members["HeadersNotSigned"], "x-amz-acl");
}

#[test]
fn http2_authority_counts_as_host() {
    let mut request = signed_sqs("{}");
    let host = request.headers.remove("host").unwrap();
    request.uri = format!("http://{}/", host.to_str().unwrap()).parse().unwrap();
    assert!(check(&request, Family::Json, Body::Whole(b"{}"), NOW).is_ok());
    request.uri = "http://another:4566/".parse().unwrap();
    assert!(check(&request, Family::Json, Body::Whole(b"{}"), NOW).is_err());
}

#[test]
fn a_changed_secret_is_seen_through_the_cache() {
    let keys = SigningKeys::new(16);
    let request = signed_sqs("{}");
    let claim = sigv4::parse(&request, Family::Json).unwrap().unwrap();
    for _ in 0..2 {
        let _held = claim.verify(&keys, SECRET, Body::Whole(b"{}"), NOW).unwrap();
    }
    assert!(claim.verify(&keys, "another", Body::Whole(b"{}"), NOW).is_err());
    let _held = claim.verify(&keys, SECRET, Body::Whole(b"{}"), NOW).unwrap();
}

// Bodies in chunks.

fn empty_hash() -> [u8; 32] {
    hex::decode(EMPTY).unwrap().try_into().unwrap()
}

fn collect(body: &ByteStream) -> Result<Vec<u8>, Error> {
    let chunks: Vec<Result<Bytes, Error>> =
        futures_executor(body.take().expect("a body").collect::<Vec<_>>());
    let mut out = Vec::new();
    for chunk in chunks {
        out.extend_from_slice(&chunk?);
    }
    Ok(out)
}

fn futures_executor<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// A body that arrives in pieces of this many bytes.
fn in_pieces(body: &[u8], size: usize) -> ByteStream {
    let pieces: Vec<_> = body.chunks(size.max(1)).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    ByteStream::new(stream::iter(pieces), Some(body.len() as u64))
}

fn open(parts: &Parts, body: &[u8], piece: usize) -> Result<(Vec<u8>, Trailers), Error> {
    let verified = check(parts, Family::S3, Body::Streamed, NOW)?;
    let (payload, trailers) = verified.open(parts, in_pieces(body, piece))?;
    collect(&payload).map(|bytes| (bytes, trailers))
}

/// The request of S3's documented chunked uploads, and its body: 65 KiB of `a` in chunks of 64 KiB.
fn documented_upload(trailer: bool) -> (Parts, Vec<u8>, Vec<String>) {
    let credentials = credentials();
    let mut request = parts(
        "PUT",
        "https://s3.amazonaws.com/examplebucket/chunkObject.txt",
        &[
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ("content-encoding", "aws-chunked"),
            ("x-amz-decoded-content-length", "66560"),
        ],
    );
    let mut trailers = BTreeMap::new();
    let kind = if trailer {
        request.headers.insert("x-amz-trailer", HeaderValue::from_static("x-amz-checksum-crc32c"));
        trailers.insert("x-amz-checksum-crc32c".to_owned(), "sOO8/Q==".to_owned());
        SignBody::ChunkedTrailer
    } else {
        request.headers.insert("content-length", HeaderValue::from_static("66824"));
        SignBody::Chunked
    };
    let mut signer = signer(&credentials, "s3").sign_headers(&mut request, kind).unwrap();
    let data = vec![b'a'; 66_560];
    let mut body = Vec::new();
    for chunk in [&data[..65_536], &data[65_536..], &[]] {
        body.extend_from_slice(&signer.chunk(chunk));
    }
    body.extend_from_slice(&signer.end(&trailers));
    let signatures = String::from_utf8_lossy(&body)
        .split("signature")
        .skip(1)
        .map(|rest| rest[1..65].to_owned())
        .collect();
    (request, body, signatures)
}

/// "Signature Calculations for Trailing Headers", example: the seed, the chunks, the trailer.
#[test]
fn documented_chunks_with_a_trailer_hold() {
    let (request, body, signatures) = documented_upload(true);
    assert!(
        request.headers["authorization"]
            .to_str()
            .unwrap()
            .ends_with("106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e")
    );
    assert_eq!(
        signatures,
        [
            "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
            "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
            "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
            "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435",
        ]
    );
    for piece in [1, 7, 4096, body.len()] {
        let (payload, trailers) = open(&request, &body, piece).unwrap();
        assert_eq!(payload, vec![b'a'; 66_560]);
        assert_eq!(trailers.get("x-amz-checksum-crc32c").as_deref(), Some("sOO8/Q=="));
        assert_eq!(trailers.get("x-amz-trailer-signature"), None);
    }
}

/// "Transferring Payload in Multiple Chunks", example. Its seed signs `content-length`, which HTTP
/// libraries own and this signer leaves alone, so the header comes from the document.
#[test]
fn documented_chunks_hold() {
    const SIGNATURES: [&str; 3] = [
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
    ];
    let (mut request, made, signatures) = documented_upload(false);
    let mut body = String::from_utf8(made).unwrap();
    for (made, documented) in signatures.iter().zip(SIGNATURES) {
        body = body.replace(made, documented);
    }
    assert_eq!(body.len(), 66_824);
    request.headers.insert(
        "authorization",
        HeaderValue::from_str(&authorization(
            "20130524/us-east-1/s3",
            "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class",
            "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
        ))
        .unwrap(),
    );
    for piece in [1, 8192, body.len()] {
        assert_eq!(open(&request, body.as_bytes(), piece).unwrap().0, vec![b'a'; 66_560]);
    }
    // The last empty line may be missing.
    assert!(open(&request, &body.as_bytes()[..body.len() - 2], 999).is_ok());
    let swapped = body.replace(SIGNATURES[0], SIGNATURES[1]);
    assert_eq!(open(&request, swapped.as_bytes(), 999).unwrap_err().code, "SignatureDoesNotMatch");
    for cut in [0, 10, 70_000 - 4_500, 66_700, 66_737] {
        assert_eq!(open(&request, &body.as_bytes()[..cut], 999).unwrap_err().code, "IncompleteBody", "{cut}");
    }
    let trailing = body + "x-amz-checksum-crc32c:sOO8/Q==\r\n";
    assert_eq!(open(&request, trailing.as_bytes(), 999).unwrap_err().code, "MalformedTrailerError");
}

fn unsigned_upload(length: &str) -> Parts {
    let credentials = credentials();
    let headers = [("x-amz-decoded-content-length", length), ("x-amz-trailer", "x-amz-checksum-crc32")];
    let mut request = parts("PUT", "http://localhost:4566/bucket/key", &headers);
    signer(&credentials, "s3").sign_headers(&mut request, SignBody::UnsignedTrailer).unwrap();
    request
}

#[test]
fn unsigned_chunks_with_a_trailer() {
    let request = unsigned_upload("5");
    let good = "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n";
    for piece in 1..good.len() {
        let (payload, trailers) = open(&request, good.as_bytes(), piece).unwrap();
        assert_eq!(
            (payload.as_slice(), trailers.get("x-amz-checksum-crc32").as_deref()),
            (b"hello".as_slice(), Some("NhCmhg=="))
        );
    }
    for (body, code) in [
        ("4\r\nhell\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n", "IncompleteBody"),
        ("6\r\nhello!\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n", "IncompleteBody"),
        ("5\r\nhello\r\n0\r\n\r\n", "MalformedTrailerError"),
        ("5\r\nhello\r\n0\r\nx-amz-checksum-crc32\r\n\r\n", "MalformedTrailerError"),
        ("5\r\nhello\r\n0\r\nx-amz-checksum-sha1:NhCmhg==\r\n\r\n", "MalformedTrailerError"),
        ("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:a\r\nx-amz-checksum-crc32:a\r\n", "MalformedTrailerError"),
        ("5\r\nhelloX\r\n0\r\n", "IncompleteBody"),
        ("+5\r\nhello\r\n0\r\n", "IncompleteBody"),
        ("ffffffffffffffffff\r\nhello\r\n0\r\n", "IncompleteBody"),
        ("5\r\nhello", "IncompleteBody"),
        ("2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", "InvalidChunkSizeError"),
    ] {
        assert_eq!(open(&request, body.as_bytes(), 3).unwrap_err().code, code, "{body}");
    }
    let endless = "5".repeat(100_000);
    assert_eq!(open(&request, endless.as_bytes(), 999).unwrap_err().code, "IncompleteBody");
    let error = open(&unsigned_upload("many"), good.as_bytes(), 9).unwrap_err();
    assert_eq!((error.status, &*error.code), (411, "MissingContentLength"));
}

#[test]
fn a_streamed_body_must_have_the_hash_that_was_signed() {
    let credentials = credentials();
    let mut request = parts("PUT", "http://localhost:4566/bucket/key", &[]);
    signer(&credentials, "s3").sign_headers(&mut request, SignBody::Whole(b"hello")).unwrap();
    assert_eq!(open(&request, b"hello", 2).unwrap().0, b"hello");
    assert_eq!(open(&request, b"hellp", 2).unwrap_err().code, "XAmzContentSHA256Mismatch");
    assert_eq!(open(&request, b"", 2).unwrap_err().code, "XAmzContentSHA256Mismatch");
}

#[test]
fn anonymous_bodies() {
    let request = |kind: &'static str| {
        let mut request = unsigned_upload("5");
        request.headers.remove("authorization");
        request.headers.insert("x-amz-content-sha256", HeaderValue::from_static(kind));
        request
    };
    let body = "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n";
    let (payload, _) =
        sigv4::open_anonymous(&request("STREAMING-UNSIGNED-PAYLOAD-TRAILER"), in_pieces(body.as_bytes(), 4))
            .unwrap();
    assert_eq!(collect(&payload).unwrap(), b"hello");
    let signed = sigv4::open_anonymous(&request("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), in_pieces(b"", 4));
    assert_eq!(signed.unwrap_err().code, "AccessDenied");
}

// Properties.

fn a_request() -> impl Strategy<Value = Parts> {
    let path = proptest::collection::vec("[A-Za-z0-9._~!$&'()*+,;=:@-]{0,6}|%[2-7][0-9A-F]|\\.\\.|\\.", 0..5);
    let query = proptest::collection::vec("[A-Za-z0-9._~%+-]{1,5}=[A-Za-z0-9._~+/:-]{0,5}", 0..4);
    let headers = proptest::collection::btree_map("x-amz-[a-z]{3,8}", "[ -~]{0,12}", 0..4);
    (prop_oneof!["GET", "PUT", "POST"], path, query, headers).prop_map(|(method, path, query, headers)| {
        let uri = format!("http://localhost:4566/{}?{}", path.join("/"), query.join("&"));
        let mut request = parts(&method, &uri, &[]);
        for (name, value) in headers {
            if name != "x-amz-date" {
                request.headers.insert(
                    HeaderName::from_bytes(name.as_bytes()).unwrap(),
                    HeaderValue::from_str(&value).unwrap(),
                );
            }
        }
        request
    })
}

proptest! {
    #[test]
    fn what_is_signed_verifies(request in a_request(), body in ".{0,40}", s3 in any::<bool>(), url in any::<bool>()) {
        let credentials = Credentials { session_token: Some("to+ken/=".into()), ..credentials() };
        let (service, family) = if s3 { ("s3", Family::S3) } else { ("lambda", Family::RestJson) };
        let mut request = request;
        let body = if url { String::new() } else { body };
        if url {
            signer(&credentials, service).presign_url(&mut request, 100).unwrap();
        } else {
            signer(&credentials, service).sign_headers(&mut request, SignBody::Whole(body.as_bytes())).unwrap();
        }
        let claim = sigv4::parse(&request, family).unwrap().unwrap();
        prop_assert_eq!(claim.session_token(), Some("to+ken/="));
        let verified = claim.verify(&SigningKeys::default(), SECRET, Body::Whole(body.as_bytes()), NOW);
        prop_assert!(verified.is_ok(), "{:?}", verified);
    }

    #[test]
    fn a_changed_byte_is_refused(request in a_request(), at in any::<prop::sample::Index>(), bit in 0u8..7) {
        let credentials = credentials();
        let mut request = request;
        signer(&credentials, "s3").sign_headers(&mut request, SignBody::Whole(b"body")).unwrap();
        let names: Vec<HeaderName> = request.headers.keys().cloned().collect();
        let name = &names[at.index(names.len())];
        let mut value = request.headers[name].as_bytes().to_vec();
        prop_assume!(!value.is_empty());
        let index = at.index(value.len());
        value[index] ^= 1 << bit;
        // Outer and doubled white space is no part of the signature.
        prop_assume!(value[index] != b' ' && request.headers[name].as_bytes()[index] != b' ');
        let Ok(value) = HeaderValue::from_bytes(&value) else { return Ok(()) };
        request.headers.insert(name, value);
        let outcome = check(&request, Family::S3, Body::Whole(b"body"), NOW);
        prop_assert!(outcome.is_err(), "{:?}", request.headers);
    }

    #[test]
    fn a_changed_chunk_is_refused(at in any::<prop::sample::Index>(), bit in 0u8..8, piece in 1usize..9000) {
        let credentials = credentials();
        let headers = [("x-amz-decoded-content-length", "9000"), ("x-amz-trailer", "x-amz-checksum-crc32")];
        let mut request = parts("PUT", "http://localhost:4566/bucket/key", &headers);
        let mut chunks = signer(&credentials, "s3").sign_headers(&mut request, SignBody::ChunkedTrailer).unwrap();
        let data = vec![7; 9000];
        let mut body = Vec::new();
        for chunk in [&data[..8192], &data[8192..], &[]] {
            body.extend_from_slice(&chunks.chunk(chunk));
        }
        body.extend_from_slice(&chunks.end(&BTreeMap::from([("x-amz-checksum-crc32".to_owned(), "NhCmhg==".to_owned())])));
        prop_assert_eq!(open(&request, &body, piece).unwrap().0, data.clone());
        let index = at.index(body.len());
        body[index] ^= 1 << bit;
        if let Ok((payload, trailers)) = open(&request, &body, piece) {
            // Digits of either case and line ends are the same; the payload and trailers are.
            prop_assert_eq!(payload, data);
            prop_assert_eq!(trailers.get("x-amz-checksum-crc32"), Some("NhCmhg==".to_owned()));
        }
    }

    #[test]
    fn nothing_panics(
        uri in "/[ -~]{0,30}(\\?(X-Amz-[A-Za-z]{0,10}|X-Amz-Date|X-Amz-Expires|X-Amz-Credential|a)=[!-~]{0,60}(&X-Amz-(Signature|Algorithm|SignedHeaders)=[!-~]{0,20}){0,3})?",
        authorization in prop_oneof![".{0,60}", "AWS4-HMAC-SHA256 [!-~ ]{0,80}", "AWS4-HMAC-SHA256 Credential=[!-~]{0,40},SignedHeaders=[!-~]{0,20},Signature=[!-~]{0,64}"],
        date in prop_oneof![".{0,20}", "[0-9]{8}T[0-9]{6}Z"],
        with_header in any::<bool>(),
        body in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let Ok(mut request) = Request::builder().uri(uri).body(()) else { return Ok(()) };
        for (name, value) in [("authorization", &authorization), ("x-amz-date", &date), ("x-amz-content-sha256", &date)] {
            if let (true, Ok(value)) = (with_header, HeaderValue::from_str(value)) {
                request.headers_mut().insert(name, value);
            }
        }
        let request = request.into_parts().0;
        for family in [Family::S3, Family::Query, Family::Json, Family::RestJson] {
            prop_assert!(check(&request, family, Body::Whole(&body), NOW).is_err());
        }
    }

    #[test]
    fn any_chunked_body_ends(body in prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..300),
        "([0-9a-f]{1,3}\r\n[a-z]{0,20}\r\n){0,3}(0\r\n)?(x-amz-checksum-crc32:[ -~]{0,9}\r\n){0,2}".prop_map(String::into_bytes),
    ], piece in 1usize..50) {
        let request = unsigned_upload("5");
        if let Ok((payload, _)) = open(&request, &body, piece) {
            prop_assert_eq!(payload.len(), 5);
        }
    }
}
