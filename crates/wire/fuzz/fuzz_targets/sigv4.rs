//! Any request head and any body: reading and checking credentials, and undoing chunks, end in
//! order, and nothing unsigned passes.
//!
//! The input is lines: method and target, then headers as `name:value` up to an empty line, then
//! the body.
#![no_main]

use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use libfuzzer_sys::fuzz_target;
use ropeway_core::Time;
use ropeway_wire::ByteStream;
use ropeway_wire::sigv4::{self, Body, Family, SigningKeys};

const NOW: Time = Time::from_secs(1_369_353_600);

fn request(data: &[u8]) -> Option<(http::request::Parts, Bytes)> {
    let end = data.windows(2).position(|two| two == b"\n\n")?;
    let mut lines = data.get(..end)?.split(|byte| *byte == b'\n');
    let mut start = lines.next()?.splitn(2, |byte| *byte == b' ');
    let mut builder = http::Request::builder().method(start.next()?).uri(start.next()?);
    for line in lines {
        let at = line.iter().position(|byte| *byte == b':')?;
        builder = builder.header(line.get(..at)?, line.get(at + 1..)?);
    }
    let (parts, ()) = builder.body(()).ok()?.into_parts();
    Some((parts, Bytes::copy_from_slice(data.get(end + 2..)?)))
}

fuzz_target!(|data: &[u8]| {
    let Some((parts, body)) = request(data) else { return };
    for family in [Family::S3, Family::Query, Family::Json, Family::RestJson] {
        if let Ok(Some(claim)) = sigv4::parse(&parts, family) {
            let keys = SigningKeys::default();
            assert!(claim.verify(&keys, "a secret that no input knows", Body::Whole(&body), NOW).is_err());
        }
    }
    let length = body.len() as u64;
    let pieces = body.chunks(7).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect::<Vec<_>>();
    let raw = ByteStream::new(stream::iter(pieces), Some(length));
    if let Ok((payload, _)) = sigv4::open_anonymous(&parts, raw)
        && let Some(chunks) = payload.take()
    {
        let items = chunks.collect::<Vec<_>>().now_or_never().expect("the input never waits");
        let size = items.iter().flatten().map(Bytes::len).sum::<usize>();
        assert!(size as u64 <= length);
    }
});
