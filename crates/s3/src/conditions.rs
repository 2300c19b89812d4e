//! Conditional reads and ranges, as RFC 9110 and S3's GetObject have them.

use std::ops::Range;

use ropeway_core::Time;
use ropeway_wire::Error;

use crate::error;
use crate::model::Object;
use crate::names::{etags_match, quoted};

/// Conditions of a read.
#[derive(Debug, Default)]
pub struct ReadIf {
    /// `If-Match`
    pub matches: Option<String>,
    /// `If-None-Match`
    pub none_matches: Option<String>,
    /// `If-Modified-Since`
    pub modified_since: Option<Time>,
    /// `If-Unmodified-Since`
    pub unmodified_since: Option<Time>,
}

enum Unmet {
    /// 412, with the condition's name.
    Failed(&'static str),
    /// 304 for a read.
    NotModified(&'static str),
}

impl ReadIf {
    fn test(&self, object: &Object) -> Result<(), Unmet> {
        // HTTP's dates have whole seconds.
        let modified = object.modified.secs();
        match (&self.matches, self.unmodified_since) {
            (Some(tags), _) if !etags_match(tags, &object.etag) => return Err(Unmet::Failed("If-Match")),
            (None, Some(since)) if modified > since.secs() => {
                return Err(Unmet::Failed("If-Unmodified-Since"));
            }
            _ => {}
        }
        match (&self.none_matches, self.modified_since) {
            (Some(tags), _) if etags_match(tags, &object.etag) => Err(Unmet::NotModified("If-None-Match")),
            (None, Some(since)) if modified <= since.secs() => Err(Unmet::NotModified("If-Modified-Since")),
            _ => Ok(()),
        }
    }

    /// Checks the conditions of a GET or HEAD.
    ///
    /// # Errors
    /// 412 `PreconditionFailed`; 304, with ETag and Last-Modified.
    pub fn check(&self, object: &Object) -> Result<(), Error> {
        self.test(object).map_err(|unmet| match unmet {
            Unmet::Failed(condition) => error::precondition_failed(condition),
            Unmet::NotModified(_) => Error::new(304, "NotModified", "Not Modified")
                .with_header("etag", quoted(&object.etag))
                .with_header("last-modified", http_date(object.modified)),
        })
    }

    /// Checks the conditions on a copy's source.
    ///
    /// # Errors
    /// 412 `PreconditionFailed`.
    pub fn check_source(&self, object: &Object) -> Result<(), Error> {
        self.test(object).map_err(|unmet| match unmet {
            Unmet::Failed(condition) | Unmet::NotModified(condition) => {
                error::precondition_failed(&format!("x-amz-copy-source-{condition}"))
            }
        })
    }
}

/// `Sun, 25 Jan 2015 08:00:00 GMT`
pub fn http_date(time: Time) -> String {
    let moment = jiff::Timestamp::from_millisecond(time.millis()).unwrap_or_default();
    moment.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// The bytes that a `Range` header asks for; `None` if it is not one range of bytes, which S3 takes
/// as none at all.
///
/// # Errors
/// 416 `InvalidRange` for a range without any byte of the object.
pub fn range(header: &str, size: u64) -> Result<Option<Range<u64>>, Error> {
    let Some((from, to)) = header.trim().strip_prefix("bytes=").and_then(|rest| rest.split_once('-')) else {
        return Ok(None);
    };
    let number = |text: &str| match text.trim() {
        "" => Some(None),
        digits if digits.bytes().all(|b| b.is_ascii_digit()) => {
            Some(Some(digits.parse::<u64>().unwrap_or(u64::MAX)))
        }
        _ => None,
    };
    let found = match (number(from), number(to)) {
        (Some(Some(from)), Some(Some(to))) if from > to => return Ok(None),
        (Some(Some(from)), Some(to)) => from..to.unwrap_or(u64::MAX).saturating_add(1).min(size),
        (Some(None), Some(Some(last))) => size.saturating_sub(last)..size,
        _ => return Ok(None),
    };
    if found.start < found.end { Ok(Some(found)) } else { Err(invalid_range(header, size)) }
}

/// Whether an object is still the one that an `If-Range` names, by its ETag or its date: RFC 9110, 13.1.5.
pub fn is_unchanged(if_range: Option<&str>, object: &Object) -> bool {
    match if_range.map(str::trim) {
        None => true,
        Some(tag) if tag.starts_with('"') => tag == quoted(&object.etag),
        Some(date) => date == http_date(object.modified),
    }
}

fn invalid_range(header: &str, size: u64) -> Error {
    Error::new(416, "InvalidRange", "The requested range is not satisfiable")
        .with_member("RangeRequested", header)
        .with_member("ActualObjectSize", size.to_string())
        .with_header("content-range", format!("bytes */{size}"))
}

/// The bytes of `x-amz-copy-source-range`, which must be `bytes=first-last` within the source.
///
/// # Errors
/// 400 `InvalidArgument` for another form or a range past the end.
pub fn copy_range(header: &str, size: u64) -> Result<Range<u64>, Error> {
    let invalid = |message: String| error::invalid_argument("x-amz-copy-source-range", header, message);
    let form = "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy";
    let bounds = header.strip_prefix("bytes=").and_then(|rest| rest.split_once('-'));
    let bounds = bounds.and_then(|(from, to)| Some((from.parse::<u64>().ok()?, to.parse::<u64>().ok()?)));
    let (from, to) = bounds.ok_or_else(|| invalid(form.to_owned()))?;
    if from > to || to >= size {
        return Err(invalid(format!("Range specified is not valid for source object of size: {size}")));
    }
    Ok(from..to + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Body, Parts};

    #[test]
    fn reads_ranges() {
        assert_eq!(range("bytes=0-4", 10).unwrap(), Some(0..5));
        assert_eq!(range("bytes=5-", 10).unwrap(), Some(5..10));
        assert_eq!(range("bytes=-3", 10).unwrap(), Some(7..10));
        assert_eq!(range("bytes=-30", 10).unwrap(), Some(0..10));
        assert_eq!(range("bytes=5-100", 10).unwrap(), Some(5..10));
        for ignored in ["bytes=3-2", "bytes=0-1,3-4", "lines=0-1", "bytes=-", "bytes=a-b"] {
            assert_eq!(range(ignored, 10).unwrap(), None, "{ignored}");
        }
        for (bad, size) in [("bytes=10-", 10), ("bytes=-0", 10), ("bytes=0-0", 0)] {
            assert_eq!(range(bad, size).unwrap_err().status, 416, "{bad}");
        }
    }

    #[test]
    fn tells_whether_a_range_still_fits() {
        let object = Object {
            size: 1,
            etag: "abc".into(),
            modified: Time::from_secs(1_422_172_800),
            attributes: Default::default(),
            checksum: None,
            tags: Vec::new(),
            body: Body::Parts(Parts { upload: 1, count: 0, starts: Vec::new() }),
            version: None,
            sse: Default::default(),
            lock: Default::default(),
            owner: None,
            acl: None,
        };
        for good in [None, Some("\"abc\""), Some("Sun, 25 Jan 2015 08:00:00 GMT")] {
            assert!(is_unchanged(good, &object), "{good:?}");
        }
        for bad in ["\"abd\"", "W/\"abc\"", "abc", "Sun, 25 Jan 2015 08:00:01 GMT"] {
            assert!(!is_unchanged(Some(bad), &object), "{bad}");
        }
    }

    #[test]
    fn writes_http_dates() {
        assert_eq!(http_date(Time::from_secs(1_422_172_800)), "Sun, 25 Jan 2015 08:00:00 GMT");
    }
}
