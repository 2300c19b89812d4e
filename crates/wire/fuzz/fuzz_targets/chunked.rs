//! Bodies in chunks with a checksum behind them (`aws-chunked`): the same is read of one however it arrives, no more than
//! was announced, and what is well-formed is read as it was meant.
//!
//! The first two bytes are the announced length, the rest is the body.
#![no_main]

use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use libfuzzer_sys::fuzz_target;
use ropeway_wire::ByteStream;
use ropeway_wire::sigv4;

const SUM: &str = "x-amz-checksum-crc32";

/// Content and trailer of a body that arrives in pieces; `None`: it is refused.
fn read(body: &[u8], piece: usize, length: usize) -> Option<(Vec<u8>, Option<String>)> {
    let request = http::Request::put("/b/k")
        .header("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
        .header("x-amz-decoded-content-length", length)
        .header("x-amz-trailer", SUM);
    let (parts, ()) = request.body(()).expect("a request").into_parts();
    let pieces = body.chunks(piece).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect::<Vec<_>>();
    let raw = ByteStream::new(stream::iter(pieces), Some(body.len() as u64));
    let (decoded, trailers) = sigv4::open_anonymous(&parts, raw).ok()?;
    let chunks = decoded.take().expect("a stream").collect::<Vec<_>>();
    let chunks = chunks.now_or_never().expect("the input never waits");
    let size = chunks.iter().flatten().map(Bytes::len).sum::<usize>();
    assert!(size <= length, "{size} bytes of {length}");
    let content = chunks.into_iter().collect::<Result<Vec<_>, _>>().ok()?.concat();
    Some((content, trailers.get(SUM)))
}

fuzz_target!(|data: &[u8]| {
    let [high, low, body @ ..] = data else { return };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    let whole = read(body, body.len().max(1), length);
    for piece in [1, 7, 100] {
        assert_eq!(read(body, piece, length), whole, "in pieces of {piece}");
    }
    // All chunks but the last have at least 8 KiB: there is one.
    let mut encoded = Vec::new();
    if !body.is_empty() {
        encoded.extend_from_slice(format!("{:x}\r\n", body.len()).as_bytes());
        encoded.extend_from_slice(body);
        encoded.extend_from_slice(b"\r\n");
    }
    encoded.extend_from_slice(format!("0\r\n{SUM}:NhCmhg==\r\n\r\n").as_bytes());
    let meant = Some((body.to_vec(), Some("NhCmhg==".to_owned())));
    assert_eq!(read(&encoded, usize::from(*high) + 1, body.len()), meant);
});
