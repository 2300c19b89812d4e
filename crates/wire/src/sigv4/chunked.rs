//! `aws-chunked` bodies: chunks with signatures, then trailing headers.
//!
//! S3 API reference, "Transferring Payload in Multiple Chunks" and "Including Trailing Headers".

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use hmac::Mac;
use http::request::Parts;
use sha2::{Digest, Sha256};

use super::claim;
use super::date::Stamp;
use super::keys::Hmac256;
use crate::Error;

/// The longest line of a chunk's head or of a trailing header, in bytes.
const MAX_LINE: usize = 4096;
/// How much trailing headers may take together, in bytes.
const MAX_TRAILERS: usize = 16 * 1024;
/// The least that a chunk may hold, unless it is the last one, in bytes.
const MIN_CHUNK: u64 = 8192;
/// SHA-256 of nothing, which every chunk's string to sign carries.
const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const SIGNATURE_TRAILER: &str = "x-amz-trailer-signature";

/// The trailing headers of a body, by name in lower case; there once the body has ended.
#[derive(Debug, Clone, Default)]
pub struct Trailers {
    announced: Arc<[String]>,
    headers: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Trailers {
    fn announcing(names: &[String]) -> Self {
        Trailers { announced: names.into(), headers: Arc::default() }
    }

    /// Names of the trailing headers that the request announces: those that will follow.
    pub fn announced(&self) -> &[String] {
        &self.announced
    }

    /// The value of a trailing header. `None` before the body's end, too.
    pub fn get(&self, name: &str) -> Option<String> {
        self.headers.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).get(name).cloned()
    }

    fn set(&self, headers: BTreeMap<String, String>) {
        *self.headers.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = headers;
    }
}

/// What a chain of chunk signatures goes on from.
#[derive(Debug, Clone)]
pub(super) struct ChunkKey {
    key: Hmac256,
    stamp: Stamp,
    scope: Box<str>,
    previous: [u8; 32],
}

impl ChunkKey {
    pub(super) fn new(key: Hmac256, stamp: Stamp, scope: &str, seed: [u8; 32]) -> Self {
        ChunkKey { key, stamp, scope: scope.into(), previous: seed }
    }

    /// The HMAC of a chunk whose bytes have this hash.
    fn data(&self, hash: &[u8; 32]) -> Hmac256 {
        self.keyed("AWS4-HMAC-SHA256-PAYLOAD", &format!("{EMPTY_SHA256}\n{}", hex::encode(hash)))
    }

    /// The HMAC of trailing headers, in their canonical form.
    fn trailer(&self, canonical: &str) -> Hmac256 {
        self.keyed("AWS4-HMAC-SHA256-TRAILER", &hex::encode(Sha256::digest(canonical)))
    }

    fn keyed(&self, kind: &str, rest: &str) -> Hmac256 {
        let (stamp, scope, previous) = (self.stamp.as_str(), &self.scope, hex::encode(self.previous));
        self.key.clone().chain_update(format!("{kind}\n{stamp}\n{scope}\n{previous}\n{rest}"))
    }

    /// Signs a chunk and goes on from it.
    pub(super) fn sign_data(&mut self, data: &[u8]) -> String {
        self.previous = self.data(&Sha256::digest(data).into()).finalize().into_bytes().into();
        hex::encode(self.previous)
    }

    /// Signs trailing headers.
    pub(super) fn sign_trailer(&self, canonical: &str) -> String {
        hex::encode(self.trailer(canonical).finalize().into_bytes())
    }

    fn check(&mut self, mac: Hmac256, signature: &[u8; 32]) -> Result<(), Error> {
        mac.verify_slice(signature).map_err(|_| mismatch())?;
        self.previous = *signature;
        Ok(())
    }
}

/// How far the decoder has come.
enum State {
    /// Before a chunk's head.
    Head,
    /// Within a chunk's bytes.
    Data { left: u64 },
    /// Before the line end after a chunk's bytes.
    DataEnd,
    /// After the last chunk.
    Trailers,
    /// At the end, in order or not.
    Done,
}

/// Decodes a body in chunks, in constant memory.
pub(super) struct Chunked {
    key: Option<ChunkKey>,
    /// Names of the trailing headers that `x-amz-trailer` announces.
    announced: Vec<String>,
    with_trailers: bool,
    length: u64,
    inner: Pin<Box<dyn Stream<Item = Result<Bytes, Error>> + Send>>,
    buffer: BytesMut,
    state: State,
    seen: u64,
    /// True if the chunk before was under the least size, and so must have been the last.
    short: bool,
    hasher: Sha256,
    signature: [u8; 32],
    headers: BTreeMap<String, String>,
    headers_size: usize,
    trailers: Trailers,
}

/// A step's outcome: bytes to hand on, a need for more input, or more steps to do.
enum Step {
    Yield(Bytes),
    Need,
    Again,
}

impl Chunked {
    /// A body whose chunks are signed, and its trailing headers too, where there are any.
    pub(super) fn signed(parts: &Parts, key: ChunkKey, with_trailers: bool) -> Result<Self, Error> {
        Chunked::new(parts, Some(key), with_trailers)
    }

    /// A body in chunks that are not signed.
    pub(super) fn unsigned(parts: &Parts) -> Result<Self, Error> {
        Chunked::new(parts, None, true)
    }

    fn new(parts: &Parts, key: Option<ChunkKey>, with_trailers: bool) -> Result<Self, Error> {
        let length = claim::header(parts, "x-amz-decoded-content-length")
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| {
                Error::new(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
            })?;
        let announced = parts.headers.get_all("x-amz-trailer").iter().filter_map(|value| value.to_str().ok());
        let announced =
            announced.flat_map(|text| text.split(',')).map(|name| name.trim().to_ascii_lowercase());
        let announced: Vec<String> = announced.filter(|name| !name.is_empty()).collect();
        Ok(Chunked {
            trailers: Trailers::announcing(&announced),
            key,
            announced,
            with_trailers,
            length,
            inner: futures_util::stream::empty().boxed(),
            buffer: BytesMut::new(),
            state: State::Head,
            seen: 0,
            short: false,
            hasher: Sha256::new(),
            signature: [0; 32],
            headers: BTreeMap::new(),
            headers_size: 0,
        })
    }

    /// The payload's length in bytes.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// A handle to the trailing headers.
    pub(super) fn trailers(&self) -> Trailers {
        self.trailers.clone()
    }

    /// The same decoder over this input.
    pub(super) fn reading(mut self, inner: Pin<Box<dyn Stream<Item = Result<Bytes, Error>> + Send>>) -> Self {
        self.inner = inner;
        self
    }

    fn step(&mut self) -> Result<Step, Error> {
        match self.state {
            State::Head => self.head(),
            State::Data { left } => self.data(left),
            State::DataEnd => self.data_end(),
            State::Trailers => self.trailer(),
            State::Done => Ok(Step::Need),
        }
    }

    /// `hex-size[;chunk-signature=hex]`
    fn head(&mut self) -> Result<Step, Error> {
        let Some(line) = self.line(incomplete)? else { return Ok(Step::Need) };
        let (size, extension) = line.split_once(';').unwrap_or((&line, ""));
        let digits = !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_hexdigit());
        let size = u64::from_str_radix(size, 16).ok().filter(|_| digits).ok_or_else(incomplete)?;
        if self.key.is_some() {
            let text = extension.strip_prefix("chunk-signature=").ok_or_else(mismatch)?;
            hex::decode_to_slice(text, &mut self.signature).map_err(|_| mismatch())?;
        }
        if size > self.length - self.seen {
            return Err(incomplete());
        }
        if size == 0 {
            self.check_chunk()?;
            self.state = State::Trailers;
            return Ok(Step::Again);
        }
        if self.short {
            return Err(too_small());
        }
        self.short = size < MIN_CHUNK;
        self.state = State::Data { left: size };
        Ok(Step::Again)
    }

    fn data(&mut self, left: u64) -> Result<Step, Error> {
        if self.buffer.is_empty() {
            return Ok(Step::Need);
        }
        let take = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
        let bytes = self.buffer.split_to(take).freeze();
        self.seen += take as u64;
        let left = left - take as u64;
        if self.key.is_some() {
            self.hasher.update(&bytes);
        }
        self.state = if left == 0 { State::DataEnd } else { State::Data { left } };
        Ok(Step::Yield(bytes))
    }

    fn data_end(&mut self) -> Result<Step, Error> {
        let Some(line) = self.line(incomplete)? else { return Ok(Step::Need) };
        if !line.is_empty() {
            return Err(incomplete());
        }
        self.check_chunk()?;
        self.state = State::Head;
        Ok(Step::Again)
    }

    fn check_chunk(&mut self) -> Result<(), Error> {
        let Some(key) = &mut self.key else { return Ok(()) };
        let hash = self.hasher.finalize_reset().into();
        key.check(key.data(&hash), &self.signature)
    }

    /// `name:value`; empty lines lie between and after, as clients differ in them.
    fn trailer(&mut self) -> Result<Step, Error> {
        let Some(line) = self.line(malformed_trailer)? else { return Ok(Step::Need) };
        if line.is_empty() {
            return Ok(Step::Again);
        }
        let (name, value) = line.split_once(':').ok_or_else(malformed_trailer)?;
        let name = name.trim().to_ascii_lowercase();
        self.headers_size += line.len();
        let expected = self.with_trailers
            && (self.announced.contains(&name) || (self.key.is_some() && name == SIGNATURE_TRAILER));
        if !expected || self.headers_size > MAX_TRAILERS {
            return Err(malformed_trailer());
        }
        match self.headers.insert(name, value.trim().to_owned()) {
            Some(_) => Err(malformed_trailer()),
            None => Ok(Step::Again),
        }
    }

    /// The input is at its end: is that where the body ends?
    fn finish(&mut self) -> Result<(), Error> {
        if !matches!(self.state, State::Trailers) || self.seen != self.length {
            return Err(incomplete());
        }
        if !self.buffer.is_empty() {
            // A last line without its end.
            self.buffer.extend_from_slice(b"\n");
            self.trailer()?;
        }
        let signature = self.headers.remove(SIGNATURE_TRAILER);
        if !self.with_trailers {
            return Ok(());
        }
        if self.announced.iter().any(|name| !self.headers.contains_key(name)) {
            return Err(malformed_trailer());
        }
        if let Some(key) = &mut self.key {
            let canonical = canonical_trailers(&self.headers);
            let mut bytes = [0; 32];
            let text = signature.ok_or_else(malformed_trailer)?;
            hex::decode_to_slice(text, &mut bytes).map_err(|_| mismatch())?;
            key.check(key.trailer(&canonical), &bytes)?;
        }
        self.trailers.set(std::mem::take(&mut self.headers));
        Ok(())
    }

    /// The next line, without its end; `None` if it is not all there.
    fn line(&mut self, too_long: fn() -> Error) -> Result<Option<String>, Error> {
        let window = self.buffer.get(..self.buffer.len().min(MAX_LINE)).unwrap_or(&[]);
        let Some(end) = window.iter().position(|byte| *byte == b'\n') else {
            return if window.len() == MAX_LINE { Err(too_long()) } else { Ok(None) };
        };
        let line = self.buffer.split_to(end);
        self.buffer.advance(1);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        String::from_utf8(line.to_vec()).map(Some).map_err(|_| too_long())
    }

    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        loop {
            match self.step() {
                Err(error) => return Poll::Ready(Some(Err(error))),
                Ok(Step::Yield(bytes)) => return Poll::Ready(Some(Ok(bytes))),
                Ok(Step::Again) => continue,
                Ok(Step::Need) => {}
            }
            match ready!(self.inner.poll_next_unpin(cx)) {
                Some(Ok(bytes)) => self.accept(bytes),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(self.finish().err().map(Err)),
            }
        }
    }

    /// Takes input, without copying it where nothing is left over from before.
    fn accept(&mut self, bytes: Bytes) {
        if self.buffer.is_empty() {
            self.buffer = bytes.try_into_mut().unwrap_or_else(|shared| BytesMut::from(shared.as_ref()));
        } else {
            self.buffer.extend_from_slice(&bytes);
        }
    }
}

impl Stream for Chunked {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if matches!(self.state, State::Done) {
            return Poll::Ready(None);
        }
        let item = ready!(self.poll_step(cx));
        if !matches!(item, Some(Ok(_))) {
            self.state = State::Done;
        }
        Poll::Ready(item)
    }
}

/// `name:value\n`, by name.
pub(super) fn canonical_trailers(headers: &BTreeMap<String, String>) -> String {
    headers.iter().fold(String::new(), |out, (name, value)| out + name + ":" + value + "\n")
}

fn incomplete() -> Error {
    Error::new(
        400,
        "IncompleteBody",
        "You did not provide the number of bytes specified by the Content-Length HTTP header.",
    )
}

fn mismatch() -> Error {
    Error::new(
        403,
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided. Check your key and \
         signing method.",
    )
}

fn too_small() -> Error {
    Error::new(
        403,
        "InvalidChunkSizeError",
        "Only the last chunk is allowed to have a size less than 8192 bytes",
    )
}

fn malformed_trailer() -> Error {
    Error::new(
        400,
        "MalformedTrailerError",
        "The request contained trailing data that was not well-formed or did not conform to our published schema.",
    )
}
