#![no_main]
#![doc = "Fuzzes forms that browsers post: the same is read of one however it arrives, and the file is what lies before the next boundary."]
#![doc = ""]
#![doc = "The first line is the `Content-Type`, the rest is the body."]

use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use ropeway_s3::form::{Head, boundary, open};
use ropeway_wire::ByteStream;

/// What is read of a form that arrives in pieces; `None`: it is refused.
fn read(form: &[u8], piece: usize, boundary: &str) -> Option<(Head, Vec<u8>)> {
    let pieces = form.chunks(piece).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect::<Vec<_>>();
    let body = ByteStream::new(stream::iter(pieces), Some(form.len() as u64));
    let (head, file) = open(&body, boundary).now_or_never().expect("the input never waits").ok()?;
    let parts = file.collect::<Vec<_>>().now_or_never().expect("the input never waits");
    let content = parts.into_iter().collect::<Result<Vec<_>, _>>().ok()?.concat();
    Some((head, content))
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some(end) = data.iter().position(|byte| *byte == b'\n') else { return };
    let (line, form) = (&data[..end], &data[end + 1..]);
    let Some(boundary) = std::str::from_utf8(line).ok().and_then(boundary) else { return };
    let whole = read(form, form.len().max(1), &boundary);
    for piece in [1, 7, 100] {
        assert_eq!(read(form, piece, &boundary), whole, "in pieces of {piece}");
    }
    if let Some((head, content)) = whole {
        let (rest, delimiter) = (&form[head.start..], format!("\r\n--{boundary}"));
        assert_eq!(&rest[..content.len()], content);
        assert!(rest[content.len()..].starts_with(delimiter.as_bytes()));
    }
});
