//! Where a template comes from: the request, the stack itself, or an object in the server's own S3.

use futures_util::StreamExt;
use ropeway_api::s3::GetObjectInput;
use ropeway_wire::{ByteStream, Cx, Error, Services};

use crate::error;
use crate::template::MAX_TEMPLATE_BYTES;

/// The longest template in a request, in bytes. Source: CloudFormation's quotas.
const MAX_BODY: usize = 51_200;

/// The template of a request; none if it names none.
///
/// # Errors
/// `ValidationError` for both a body and a URL, a body of more than 51,200 bytes, a URL that does not point
/// into the server's own S3, and an object that cannot be read or is longer than 1 MB.
pub async fn template(
    services: &Services,
    cx: &Cx,
    body: Option<String>,
    url: Option<&str>,
) -> Result<Option<String>, Error> {
    match (body, url) {
        (Some(_), Some(_)) => Err(error::validation("Specify only one of Template URL and Template Body.")),
        (Some(body), None) if body.len() > MAX_BODY => Err(error::validation(format!(
            "1 validation error detected: Value at 'templateBody' failed to satisfy constraint: Member must have length less \
             than or equal to {MAX_BODY}"
        ))),
        (None, Some(url)) => download(services, cx, url).await.map(Some),
        (body, None) => Ok(body),
    }
}

/// The text of an object at `s3://bucket/key`, or at a URL.
///
/// # Errors
/// As those of [`template`].
pub async fn object_at(services: &Services, cx: &Cx, location: &str) -> Result<String, Error> {
    match location.strip_prefix("s3://").and_then(|rest| rest.split_once('/')) {
        Some((bucket, key)) => read_object(services, cx, bucket.to_owned(), key.to_owned()).await,
        None => download(services, cx, location).await,
    }
}

pub async fn download(services: &Services, cx: &Cx, url: &str) -> Result<String, Error> {
    let (bucket, key) = object(url, &cx.endpoint)
        .ok_or_else(|| error::validation("TemplateURL must be a supported URL: one of an object in S3."))?;
    read_object(services, cx, bucket, key).await
}

async fn read_object(services: &Services, cx: &Cx, bucket: String, key: String) -> Result<String, Error> {
    let input = GetObjectInput { bucket, key, ..GetObjectInput::default() };
    let found = services.call(cx.clone(), input).await;
    let found = found.map_err(|e| {
        if e.status < 500 { error::validation(format!("S3 error: {}", e.message)) } else { e }
    })?;
    let bytes = read(found.body.unwrap_or_default()).await?;
    String::from_utf8(bytes)
        .map_err(|_| error::validation("Template format error: the template is not UTF-8."))
}

/// Reads a document of an object's whole.
pub async fn read(body: ByteStream) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let Some(mut chunks) = body.take() else { return Ok(bytes) };
    while let Some(chunk) = chunks.next().await {
        bytes.extend_from_slice(&chunk?);
        if bytes.len() > MAX_TEMPLATE_BYTES {
            return Err(error::validation(format!(
                "Template may not exceed {MAX_TEMPLATE_BYTES} bytes in size."
            )));
        }
    }
    Ok(bytes)
}

/// Bucket and key of an object's URL: path-style at the server's own address or AWS's, or by the bucket's host name.
fn object(url: &str, endpoint: &str) -> Option<(String, String)> {
    let authority = |url: &str| -> Option<(String, String)> {
        let (_, rest) = url.split_once("://")?;
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        Some((host.to_ascii_lowercase(), path.split(['?', '#']).next().unwrap_or_default().to_owned()))
    };
    let (host, path) = authority(url)?;
    let (own, _) = authority(endpoint).unwrap_or_default();
    let path = percent_decode(&path)?;
    let is_s3 = |host: &str| is_own(host, &own) || host.starts_with("s3.") || host.starts_with("s3-");
    if is_s3(&host) {
        let (bucket, key) = path.split_once('/')?;
        return (!bucket.is_empty() && !key.is_empty()).then(|| (bucket.to_owned(), key.to_owned()));
    }
    let dots = host.match_indices('.').map(|(dot, _)| dot);
    let split = dots.map(|dot| host.split_at(dot)).find(|(_, rest)| is_s3(rest.trim_start_matches('.')));
    split.filter(|_| !path.is_empty()).map(|(bucket, _)| (bucket.to_owned(), path))
}

/// Whether a host is the server's: the one that the caller used, or any other name of this machine with its port.
fn is_own(host: &str, own: &str) -> bool {
    const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];
    let port = |host: &str| host.rsplit_once(':').map(|(_, port)| port.to_owned());
    let is_loopback = |name: &&str| host.strip_prefix(*name).is_some_and(|rest| rest.starts_with(':'));
    host == own || (port(host) == port(own) && LOOPBACK.iter().any(is_loopback))
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digits = [bytes.next()?, bytes.next()?];
        out.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::object;

    fn found(url: &str) -> Option<(String, String)> {
        object(url, "http://localhost:4566")
    }

    #[test]
    fn finds_bucket_and_key_in_every_form_of_url() {
        let pair = |bucket: &str, key: &str| Some((bucket.to_owned(), key.to_owned()));
        assert_eq!(found("http://localhost:4566/b/dir/t.yaml"), pair("b", "dir/t.yaml"));
        assert_eq!(found("https://s3.amazonaws.com/b/t.yaml"), pair("b", "t.yaml"));
        assert_eq!(found("https://s3.eu-west-1.amazonaws.com/b/t%20x.yaml"), pair("b", "t x.yaml"));
        assert_eq!(found("https://my.bucket.s3.eu-west-1.amazonaws.com/t.yaml"), pair("my.bucket", "t.yaml"));
        assert_eq!(found("http://b.localhost:4566/t.yaml?x=1"), pair("b", "t.yaml"));
        assert_eq!(found("http://127.0.0.1:4566/b/t.yaml"), pair("b", "t.yaml"));
        assert_eq!(found("http://b.s3.localhost:4566/t.yaml"), pair("b", "t.yaml"));
        assert_eq!(object("http://localhost:4566/b/t", "http://10.0.0.1:4566"), pair("b", "t"));
        for refused in [
            "https://example.com/b/t.yaml",
            "http://127.0.0.1:4567/b/t.yaml",
            "b/t.yaml",
            "http://localhost:4566/b",
            "https://s3.amazonaws.com/b/%zz",
        ] {
            assert_eq!(found(refused), None, "{refused}");
        }
    }
}
