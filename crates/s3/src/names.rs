//! Names and values in requests: buckets, keys, ETags, versions, copy sources, tags.

use std::net::Ipv4Addr;

use percent_encoding::percent_decode_str;
use ropeway_wire::Error;
use ropeway_wire::tags::{counted, is_system};

use crate::error;
use crate::model::{NULL, Tag, VersionId, Which};

/// The longest object key, in bytes of UTF-8.
const MAX_KEY: usize = 1024;
/// Tags of an object at most.
pub const OBJECT_TAGS: usize = 10;
/// Bytes of all tags together at most, so that they fit a row. S3 has no such limit; letters of four
/// bytes alone reach it.
const MAX_TAG_BYTES: usize = 48 * 1024;
/// Tags of a bucket at most, the system's own apart.
pub const BUCKET_TAGS: usize = 50;
const SYSTEM_TAG_SET: &str = "System tags cannot be added/updated by requester";

/// Checks a new bucket's name: S3 user guide, "General purpose bucket naming rules".
///
/// # Errors
/// 400 `InvalidBucketName`.
pub fn check_new_bucket(name: &str) -> Result<(), Error> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = name.bytes().next().is_some_and(plain) && name.bytes().next_back().is_some_and(plain);
    let good = (3..=63).contains(&name.len())
        && ends
        && name.bytes().all(|byte| plain(byte) || byte == b'-' || byte == b'.')
        && !name.contains("..")
        && name.parse::<Ipv4Addr>().is_err()
        && !["xn--", "sthree-", "amzn-s3-demo-"].iter().any(|prefix| name.starts_with(prefix))
        && !["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"].iter().any(|end| name.ends_with(end));
    if good {
        return Ok(());
    }
    Err(Error::new(400, "InvalidBucketName", "The specified bucket is not valid.")
        .with_member("BucketName", name))
}

/// # Errors
/// 400 `KeyTooLongError`.
pub fn check_key(key: &str) -> Result<(), Error> {
    if key.len() <= MAX_KEY {
        return Ok(());
    }
    Err(Error::new(400, "KeyTooLongError", "Your key is too long")
        .with_member("Size", key.len().to_string())
        .with_member("MaxSizeAllowed", MAX_KEY.to_string()))
}

/// The version that a `versionId` asks for.
///
/// # Errors
/// 400 `InvalidArgument` for what is no version's id.
pub fn which(version: Option<&str>) -> Result<Which, Error> {
    match version {
        None => Ok(Which::Current),
        Some(NULL) => Ok(Which::Version(None)),
        Some("") => Err(error::invalid_argument("versionId", "", "Version id cannot be the empty string")),
        Some(text) => match VersionId::parse(text) {
            Some(id) => Ok(Which::Version(Some(id))),
            None => Err(error::invalid_version(text)),
        },
    }
}

/// Whether an `If-Match` or `If-None-Match` names an ETag (given without quotes).
pub fn etags_match(header: &str, etag: &str) -> bool {
    header.split(',').map(str::trim).any(|one| {
        let one = one.strip_prefix("W/").unwrap_or(one);
        one == "*" || one.trim_matches('"') == etag
    })
}

/// An ETag as clients see it.
pub fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}

/// Bucket, key and version of `x-amz-copy-source`: `[/]bucket/key[?versionId=id]`, percent-encoded.
///
/// # Errors
/// 400 `InvalidArgument` for another form.
pub fn copy_source(header: &str) -> Result<(String, String, Which), Error> {
    let malformed = |message: &str| error::invalid_argument("x-amz-copy-source", header, message);
    let (path, version) = match header.split_once("?versionId=") {
        Some((path, version)) => (path, Some(version)),
        None => (header, None),
    };
    let decoded = percent_decode_str(path)
        .decode_utf8()
        .map_err(|_| malformed("The x-amz-copy-source header must be UTF-8."))?;
    let decoded = decoded.strip_prefix('/').unwrap_or(&decoded);
    if decoded.starts_with("arn:") {
        return Err(error::not_implemented("x-amz-copy-source", "of an access point"));
    }
    let (bucket, key) =
        decoded.split_once('/').filter(|(bucket, key)| !bucket.is_empty() && !key.is_empty()).ok_or_else(
            || malformed("Copy Source must mention the source bucket and key: sourcebucket/sourcekey"),
        )?;
    Ok((bucket.to_owned(), key.to_owned(), which(version)?))
}

/// The tags of `x-amz-tagging`, a query string.
///
/// # Errors
/// 400 `InvalidArgument` for another form, `InvalidTag` or `BadRequest` for bad tags.
pub fn tags_of_header(header: &str) -> Result<Vec<Tag>, Error> {
    let decode = |text: &str| {
        let spaced = text.replace('+', " ");
        percent_decode_str(&spaced).decode_utf8().map(|text| text.into_owned())
    };
    let mut tags = Vec::new();
    for pair in header.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (Ok(key), Ok(value)) = (decode(key), decode(value)) else {
            let message = "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.";
            return Err(error::invalid_argument("x-amz-tagging", header, message));
        };
        tags.push(Tag { key, value });
    }
    check_tags(&tags, OBJECT_TAGS)?;
    Ok(tags)
}

/// # Errors
/// 400 `BadRequest` for too many tags; `InvalidTag` for a bad one. An object has none of the system's own; of a bucket's
/// [`check_system_tags`] says more.
pub fn check_tags(tags: &[Tag], most: usize) -> Result<(), Error> {
    if counted(tags.iter().map(|tag| &tag.key)) > most {
        let message = if most == OBJECT_TAGS {
            "Object tags cannot be greater than 10"
        } else {
            "Bucket tag count cannot be greater than 50"
        };
        return Err(Error::new(400, "BadRequest", message));
    }
    if tags.iter().map(|tag| tag.key.len() + tag.value.len()).sum::<usize>() > MAX_TAG_BYTES {
        return Err(Error::new(400, "BadRequest", "The tags are larger than 48 KiB together"));
    }
    let invalid = |tag: &Tag, message: &str| Err(invalid_tag(&tag.key, message));
    for (index, tag) in tags.iter().enumerate() {
        if !(1..=128).contains(&tag.key.chars().count()) || !tag.key.chars().all(is_tag_char) {
            return invalid(tag, "The TagKey you have provided is invalid");
        }
        if tag.value.chars().count() > 256 || !tag.value.chars().all(is_tag_char) {
            return invalid(tag, "The TagValue you have provided is invalid");
        }
        if most == OBJECT_TAGS && is_system(&tag.key) {
            return invalid(tag, SYSTEM_TAG_SET);
        }
        if tags.iter().take(index).any(|earlier| earlier.key == tag.key) {
            return invalid(tag, "Cannot provide multiple Tags with the same key");
        }
    }
    Ok(())
}

fn invalid_tag(key: &str, message: &str) -> Error {
    Error::new(400, "InvalidTag", message).with_member("TagKey", key)
}

/// A bucket's tags of the system's own stay as they are: whoever replaces its tags names those among them.
///
/// Source: reports of both messages, cloud-custodian issues 370 and 2834, terraform-provider-aws issue 7323.
///
/// # Errors
/// 400 `InvalidTag`.
pub fn check_system_tags(before: &[Tag], after: &[Tag]) -> Result<(), Error> {
    let system = |tags: &'_ [Tag]| tags.iter().filter(|tag| is_system(&tag.key)).cloned().collect::<Vec<_>>();
    let (before, after) = (system(before), system(after));
    if let Some(added) = after.iter().find(|tag| !before.contains(tag)) {
        return Err(invalid_tag(&added.key, SYSTEM_TAG_SET));
    }
    match before.iter().find(|tag| !after.contains(tag)) {
        Some(gone) => Err(invalid_tag(&gone.key, "System tags cannot be removed by requester")),
        None => Ok(()),
    }
}

/// Letters, digits, white space and `_ . : / = + - @`.
fn is_tag_char(char: char) -> bool {
    char.is_alphanumeric() || char.is_whitespace() || "_.:/=+-@".contains(char)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_bucket_names() {
        for good in ["abc", "my.bucket-1", "a".repeat(63).as_str()] {
            assert!(check_new_bucket(good).is_ok(), "{good}");
        }
        for bad in [
            "ab",
            "Abc",
            "a_b",
            "-ab",
            "ab-",
            "a..b",
            "192.168.5.4",
            "xn--abc",
            "abc-s3alias",
            "a".repeat(64).as_str(),
        ] {
            assert!(check_new_bucket(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn reads_copy_sources() {
        let null = Which::Version(None);
        assert_eq!(copy_source("/b/a%20b/c%2B?versionId=null").unwrap(), ("b".into(), "a b/c+".into(), null));
        assert!(copy_source("b").is_err());
        assert_eq!(copy_source("b/k?versionId=1").unwrap_err().code, "InvalidArgument");
        let id = VersionId { sequence: 7, random: u64::MAX };
        let source = format!("b/k?versionId={}", VersionId::text(Some(id)));
        assert_eq!(copy_source(&source).unwrap().2, Which::Version(Some(id)));
    }

    #[test]
    fn reads_tags() {
        let tags = tags_of_header("a=1&b+c=%2F").unwrap();
        assert_eq!(tags[1], Tag { key: "b c".into(), value: "/".into() });
        assert_eq!(tags_of_header("a=1&a=2").unwrap_err().code, "InvalidTag");
    }
}
