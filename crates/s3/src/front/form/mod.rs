//! Browser-based uploads: forms that are posted to a bucket (S3 API reference, "POST Object").
//!
//! A form becomes a PutObject of whoever signed its policy, or of nobody: its fields are that operation's headers.

mod parts;
mod policy;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use ropeway_api::s3::{self, PutObjectInput, PutObjectOutput, PutObjectTaggingInput};
use ropeway_wire::gateway::{FrontRequest, Known};
use ropeway_wire::protocol::{self, RequestBody, ResponseBody};
use ropeway_wire::schema::Protocol;
use ropeway_wire::sigv4::{Family, FormClaim};
use ropeway_wire::{Answer, ByteStream, Cx, Error, KeyError, Principal};

use super::{Place, S3Front, decoded, encoded, operation};
use crate::commands::{Command, Output};
use crate::error;
use crate::model::Bucket;
use crate::ops::MAX_BODY;
use crate::target;
pub use parts::{Failure, File, Head, boundary, head, open};
pub use policy::{Policy, Range};

/// What is known as the operation.
const OPERATION: &str = "PostObject";
/// Fields that are headers of the object, beside those of Amazon's own.
const HEADERS: [&str; 7] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-md5",
    "content-type",
    "expires",
];
/// Fields that a signature needs, with the names by which errors ask for them.
const SIGNATURE: [(&str, &str); 4] = [
    ("x-amz-algorithm", "X-Amz-Algorithm"),
    ("x-amz-credential", "X-Amz-Credential"),
    ("x-amz-date", "X-Amz-Date"),
    ("x-amz-signature", "X-Amz-Signature"),
];
/// Of a session.
const TOKEN: &str = "x-amz-security-token";
/// Stands for the file's name, in every field.
const VARIABLE: &str = "${filename}";
type Fields = BTreeMap<String, String>;

impl S3Front {
    /// Answers a form.
    pub(super) async fn post(&self, request: FrontRequest, known: &mut Known) -> Result<Answer, Error> {
        known.operation = OPERATION;
        let not_found = || error::no_such_bucket("");
        let place = Place::of(request.parts.uri.path(), request.bucket.as_deref()).ok_or_else(not_found)?;
        let headers = &request.parts.headers;
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let boundary = parts::boundary(text(CONTENT_TYPE).unwrap_or_default()).ok_or_else(|| {
            error::precondition_failed("Bucket POST must be of the enclosure-type multipart/form-data")
        })?;
        let (head, file) = parts::open(&request.body, &boundary).await?;
        let announced = text(CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
        // All but the file: what precedes it, and the last boundary with its two dashes and ends of lines.
        let around = (head.start + boundary.len() + 8) as u64;
        let proposed = announced.map(|length| length.saturating_sub(around));
        let mut fields = expanded(head);
        let key = fields.get("key").filter(|key| !key.is_empty()).cloned().ok_or_else(|| missing("key"))?;
        let mut cx = request.cx;
        let range = self.admit(&mut cx, &mut fields, &place.bucket).await?;
        known.principal = Some(Arc::clone(&cx.principal));
        let file =
            Limited { file, range: range.unwrap_or(Range { min: 0, max: MAX_BODY }), proposed, size: 0 };
        let body = ByteStream::new(file, None).self_delimited();
        let input = input(&place.bucket, &key, &fields, body)?;
        let put = self.service.services.call(cx.clone(), input).await?;
        let base = match &request.bucket {
            Some(_) => cx.endpoint.clone(),
            None => format!("{}/{}", cx.endpoint, place.bucket),
        };
        let location = format!("{base}/{}", encoded(&key));
        answer(&cx, &place.bucket, &key, (&fields, put), &location)
    }

    /// Finds out who made a form, and whether it is what they allow; what the file's length must be in.
    async fn admit(&self, cx: &mut Cx, fields: &mut Fields, bucket: &str) -> Result<Option<Range>, Error> {
        let now = self.service.core.clock().machine_time();
        let Some(policy) = fields.get("policy").cloned() else {
            if SIGNATURE.iter().any(|(name, _)| fields.contains_key(*name)) {
                return Err(missing("policy"));
            }
            // Nobody says for which region; a bucket that everybody may write to is where it is.
            let mut anywhere = target(cx, bucket, None);
            anywhere.region = None;
            let found = self.service.submit(cx, bucket, Command::HeadBucket(anywhere)).await?;
            if let Output::Bucket(Bucket { region, .. }) = found {
                cx.region = region;
            }
            return Ok(None);
        };
        let (principal, region) = self.signer(fields, &policy)?;
        cx.account = principal.account.clone();
        (cx.principal, cx.region) = (principal, region);
        let policy = Policy::parse(&policy)?;
        fields.insert("bucket".to_owned(), bucket.to_owned());
        policy.check(fields, now)?;
        Ok(policy.range().map(|range| Range { max: range.max.min(MAX_BODY), ..range }))
    }

    /// Who signed a form's policy, and for which region.
    fn signer(&self, fields: &Fields, policy: &str) -> Result<(Arc<Principal>, String), Error> {
        if fields.contains_key("awsaccesskeyid") || fields.contains_key("signature") {
            return Err(error::invalid_request(
                "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
            ));
        }
        let given = SIGNATURE.map(|(name, shown)| (fields.get(name).map(String::as_str), shown));
        if given.iter().all(|(value, _)| value.is_none()) {
            return Err(error::access_denied());
        }
        if let Some((_, shown)) = given.iter().find(|(value, _)| value.is_none()) {
            return Err(missing(shown));
        }
        let [algorithm, credential, date, signature] = given.map(|(value, _)| value.unwrap_or_default());
        let claim = FormClaim::parse([algorithm, credential, date, signature, policy])?;
        let token = fields.get(TOKEN).map(String::as_str);
        let found = self.credentials.find(claim.access_key_id(), token, self.service.core.clock().now());
        let identity = found.map_err(|failure| match failure {
            KeyError::Unknown => Family::S3.unknown_key(claim.access_key_id()),
            KeyError::InvalidToken => Family::S3.invalid_token(token.unwrap_or_default()),
            KeyError::ExpiredToken => Family::S3.expired_token(token.unwrap_or_default()),
        })?;
        claim.verify(&identity.secret)?;
        Ok((identity.principal, claim.region().to_owned()))
    }
}

fn missing(field: &str) -> Error {
    let message = format!(
        "Bucket POST must contain a field named '{field}'.  If it is specified, please check the order of the fields."
    );
    error::invalid_argument(field, "", message)
}

/// The fields, with the file's name in the place of its variable. Of a path, its last part counts.
fn expanded(head: Head) -> Fields {
    let name = head.filename.rsplit(['/', '\\']).next().unwrap_or_default();
    head.fields.into_iter().map(|(field, value)| (field, value.replace(VARIABLE, name))).collect()
}

/// The upload that a form stands for.
fn input(bucket: &str, key: &str, fields: &Fields, body: ByteStream) -> Result<PutObjectInput, Error> {
    let mut headers = HeaderMap::new();
    for (field, value) in fields {
        let is_amazons =
            field.starts_with("x-amz-") && field != TOKEN && !SIGNATURE.iter().any(|(name, _)| name == field);
        let (name, value) = match field.as_str() {
            "acl" => ("x-amz-acl", value.clone()),
            "tagging" => ("x-amz-tagging", tagging((bucket, key), value)?),
            field if is_amazons || HEADERS.contains(&field) => (field, value.clone()),
            _ => continue,
        };
        let unfit = || error::invalid_argument(field, &value, "The field's value is not one of a header.");
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unfit())?;
        headers.insert(name, HeaderValue::from_bytes(value.trim().as_bytes()).map_err(|_| unfit())?);
    }
    decoded("PutObject", (bucket, key), &headers, RequestBody::Stream(body))
}

/// Tags as the header has them: forms have them in XML.
fn tagging(object: (&str, &str), xml: &str) -> Result<String, Error> {
    let body = RequestBody::Bytes(Bytes::copy_from_slice(xml.as_bytes()));
    let input: PutObjectTaggingInput = decoded("PutObjectTagging", object, &HeaderMap::new(), body)?;
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let tags =
        input.tagging.tag_set.iter().map(|tag| format!("{}={}", encoded(&tag.key), encoded(&tag.value)));
    Ok(tags.collect::<Vec<_>>().join("&"))
}

/// The answer to an upload: what the form wishes for it.
fn answer(
    cx: &Cx,
    bucket: &str,
    key: &str,
    (fields, put): (&Fields, PutObjectOutput),
    location: &str,
) -> Result<Answer, Error> {
    let etag = put.e_tag.clone().unwrap_or_default();
    let operation = operation("PutObject")?;
    let mut answer =
        protocol::encode_output(&s3::SERVICE, operation, Protocol::RestXml, &put, &cx.request_id);
    let redirect = fields.get("success_action_redirect").or_else(|| fields.get("redirect"));
    let elsewhere = redirect.and_then(|url| redirection(url, bucket, key, &etag));
    let status = fields.get("success_action_status").map(String::as_str);
    let (status, body) = match (&elsewhere, status) {
        (Some(_), _) => (StatusCode::SEE_OTHER, String::new()),
        (None, Some("200")) => (StatusCode::OK, String::new()),
        (None, Some("201")) => (StatusCode::CREATED, created(location, bucket, key, &etag)),
        (None, _) => (StatusCode::NO_CONTENT, String::new()),
    };
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.remove(CONTENT_TYPE);
    headers.remove(CONTENT_LENGTH);
    if !body.is_empty() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    }
    if let Ok(location) = HeaderValue::from_str(elsewhere.as_deref().unwrap_or(location)) {
        headers.insert(LOCATION, location);
    }
    *answer.body_mut() = ResponseBody::Bytes(body.into());
    Ok(answer)
}

/// Where a browser is sent, with what it has uploaded; `None`: what the form says is no address.
fn redirection(url: &str, bucket: &str, key: &str, etag: &str) -> Option<String> {
    let parsed: http::Uri = url.parse().ok()?;
    if !matches!(parsed.scheme_str(), Some("http" | "https")) {
        return None;
    }
    let encoded = |text: &str| encoded(text).replace('/', "%2F");
    let (url, fragment) = url.split_once('#').map_or((url, None), |(url, fragment)| (url, Some(fragment)));
    let mark = if parsed.query().is_some() { '&' } else { '?' };
    let said = format!("bucket={}&key={}&etag={}", encoded(bucket), encoded(key), encoded(etag));
    let fragment = fragment.map(|fragment| format!("#{fragment}")).unwrap_or_default();
    Some(format!("{url}{mark}{said}{fragment}"))
}

fn created(location: &str, bucket: &str, key: &str, etag: &str) -> String {
    use quick_xml::escape::escape;
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<PostResponse><Location>{}</Location><Bucket>{}</Bucket><Key>{}</Key><ETag>{}</ETag></PostResponse>",
        escape(location),
        escape(bucket),
        escape(key),
        escape(etag),
    )
}

/// A file whose length must be in a range.
struct Limited {
    file: File,
    range: Range,
    /// Its length, as far as the request tells it beforehand.
    proposed: Option<u64>,
    size: u64,
}

impl Stream for Limited {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = ready!(self.file.poll_next_unpin(cx));
        let (size, Range { min, max }) = (self.size, self.range);
        Poll::Ready(match item {
            Some(Ok(bytes)) => {
                self.size = size + bytes.len() as u64;
                let proposed = self.proposed.unwrap_or(self.size).max(self.size);
                Some(if self.size > max { Err(error::entity_too_large(proposed, max)) } else { Ok(bytes) })
            }
            None if size < min => {
                let message = "Your proposed upload is smaller than the minimum allowed size";
                Some(Err(Error::new(400, "EntityTooSmall", message)
                    .with_member("ProposedSize", size.to_string())
                    .with_member("MinSizeAllowed", min.to_string())))
            }
            other => other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_sent_on() {
        for (url, found) in [
            ("http://a.example/x", "http://a.example/x?bucket=b&key=k%2F1&etag=%22e%22"),
            ("https://a.example/x?y=1#z", "https://a.example/x?y=1&bucket=b&key=k%2F1&etag=%22e%22#z"),
        ] {
            assert_eq!(redirection(url, "b", "k/1", "\"e\"").as_deref(), Some(found));
        }
        for url in ["", "x", "/x", "ftp://a.example/", "javascript:x()"] {
            assert_eq!(redirection(url, "b", "k", "e"), None, "{url}");
        }
    }

    #[test]
    fn the_last_part_of_a_path_is_the_file_s_name() {
        for (filename, key) in
            [("a.txt", "u/a.txt"), ("c:\\d\\a.txt", "u/a.txt"), ("/tmp/a.txt", "u/a.txt"), ("", "u/")]
        {
            let fields = BTreeMap::from([("key".to_owned(), "u/${filename}".to_owned())]);
            let found = expanded(Head { fields, filename: filename.to_owned(), start: 0 });
            assert_eq!(found.get("key").map(String::as_str), Some(key));
        }
    }
}
