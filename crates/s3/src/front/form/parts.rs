//! Forms as they arrive: `multipart/form-data` (RFC 7578), the fields first and the file last.
//!
//! What precedes the file is short and read whole. The file goes on as it comes, in constant memory, up to
//! the boundary behind it; what follows that is thrown away.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use memchr::memmem;
use ropeway_wire::{ByteStream, Error};

use crate::error;

/// The most that may precede the file's content, in bytes: S3 API reference, "POST Object".
pub const MAX_HEAD: usize = 20 * 1024;
/// The most that may follow the file, in bytes.
const MAX_TAIL: usize = MAX_HEAD;
/// The longest boundary, in bytes (RFC 2046, 5.1.1).
const MAX_BOUNDARY: usize = 70;
/// The field that is the file.
const FILE: &str = "file";

type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, Error>> + Send>>;

/// What precedes a form's file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// The fields, their names in lower case.
    pub fields: BTreeMap<String, String>,
    /// The file's name, as the client says it.
    pub filename: String,
    /// Where the file's content begins.
    pub start: usize,
}

/// Why a form's head cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// It is none.
    Malformed,
    /// It has not come to its file yet.
    Short,
    /// It has no file.
    NoFile,
    /// It has this field twice.
    Twice(String),
}

impl Failure {
    /// The error that the client gets; `ended`: there was no more.
    pub fn error(self, ended: bool) -> Error {
        match self {
            Failure::Short if !ended => too_long(),
            Failure::Malformed | Failure::Short => malformed(),
            Failure::NoFile => {
                error::invalid_argument("file", "0", "POST requires exactly one file upload per request.")
            }
            Failure::Twice(name) => {
                let message = format!("Bucket POST must contain exactly one field named '{name}'.");
                error::invalid_argument(&name, "", message)
            }
        }
    }
}

fn malformed() -> Error {
    let message = "The body of your POST request is not well-formed multipart/form-data.";
    Error::new(400, "MalformedPOSTRequest", message)
}

fn too_long() -> Error {
    let message = "Your POST request fields preceding the upload file were too large.";
    Error::new(400, "MaxPostPreDataLengthExceeded", message)
        .with_member("MaxPostPreDataLengthBytes", MAX_HEAD.to_string())
}

/// The boundary that a `Content-Type` names.
pub fn boundary(content_type: &str) -> Option<String> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let found = parameter(parameters, "boundary")?;
    (1..=MAX_BOUNDARY).contains(&found.len()).then_some(found)
}

/// A parameter of a header: `; name="value"` or `; name=value`.
fn parameter(mut text: &str, wanted: &str) -> Option<String> {
    loop {
        let (name, rest) = text.split_once('=')?;
        let name = name.trim_start_matches([';', ' ', '\t']).trim();
        let (value, rest) = value(rest.trim_start());
        if name.eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        text = rest;
    }
}

/// A value, quoted or not, and what follows it. Only a quote and a backslash are escaped: browsers send
/// paths of Windows with their backslashes as they are.
fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(';').unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        return (value.trim().to_owned(), rest);
    };
    let mut out = String::new();
    let mut letters = quoted.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        match (letter, letters.peek()) {
            ('"', _) => return (out, quoted.get(at + 1..).unwrap_or_default()),
            ('\\', Some((_, next @ ('"' | '\\')))) => {
                out.push(*next);
                letters.next();
            }
            _ => out.push(letter),
        }
    }
    (out, "")
}

/// Reads what precedes the file from the beginning of a form.
pub fn head(form: &[u8], boundary: &str) -> Result<Head, Failure> {
    let delimiter = format!("\r\n--{boundary}");
    let mut at = first_part(form, &delimiter)?;
    let mut out = Head::default();
    loop {
        let rest = form.get(at..).unwrap_or_default();
        match rest.get(..2) {
            None => return Err(Failure::Short),
            Some(b"--") => return Err(Failure::NoFile),
            Some(b"\r\n") => {}
            Some(_) => return Err(Failure::Malformed),
        }
        // The line's end also closes an empty header block.
        let length = memmem::find(rest, b"\r\n\r\n").ok_or(Failure::Short)?;
        let headers = rest.get(2..length).and_then(|block| std::str::from_utf8(block).ok());
        let (name, filename) = disposition(headers.ok_or(Failure::Malformed)?).ok_or(Failure::Malformed)?;
        let content = at + length + 4;
        if name == FILE {
            (out.filename, out.start) = (filename.unwrap_or_default(), content);
            return Ok(out);
        }
        let rest = form.get(content..).unwrap_or_default();
        let end = memmem::find(rest, delimiter.as_bytes()).ok_or(Failure::Short)?;
        let text = rest.get(..end).and_then(|text| std::str::from_utf8(text).ok());
        let text = text.ok_or(Failure::Malformed)?.to_owned();
        if out.fields.insert(name.clone(), text).is_some() {
            return Err(Failure::Twice(name));
        }
        at = content + end + delimiter.len();
    }
}

/// Where the first boundary ends: at the beginning of the form, or behind a preamble.
fn first_part(form: &[u8], delimiter: &str) -> Result<usize, Failure> {
    let first = delimiter.trim_start().as_bytes();
    if form.len() < first.len() && first.starts_with(form) {
        return Err(Failure::Short);
    }
    if form.starts_with(first) {
        return Ok(first.len());
    }
    let found = memmem::find(form, delimiter.as_bytes());
    found.map(|at| at + delimiter.len()).ok_or(Failure::Short)
}

/// The name of a part, in lower case, and of its file, by its headers.
fn disposition(headers: &str) -> Option<(String, Option<String>)> {
    let lines = headers.split("\r\n").filter_map(|line| line.split_once(':'));
    let mut found = lines.filter(|(name, _)| name.trim().eq_ignore_ascii_case("content-disposition"));
    let (kind, parameters) = found.next()?.1.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("form-data") {
        return None;
    }
    let name = parameter(parameters, "name")?.to_ascii_lowercase();
    Some((name, parameter(parameters, "filename")))
}

/// Reads a form up to its file; the file's content comes by the stream.
///
/// # Errors
/// 400 `MalformedPOSTRequest`, `MaxPostPreDataLengthExceeded`, `InvalidArgument`; what the stream gives.
pub async fn open(body: &ByteStream, boundary: &str) -> Result<(Head, File), Error> {
    let chunks = body.take().unwrap_or_else(|| futures_util::stream::empty().boxed());
    // A short form has ended before its file is asked for.
    let mut chunks = chunks.fuse().boxed();
    let mut buffer = BytesMut::new();
    let mut ended = false;
    while buffer.len() <= MAX_HEAD && !ended {
        match chunks.next().await {
            Some(bytes) => buffer.extend_from_slice(&bytes?),
            None => ended = true,
        }
    }
    let head = head(&buffer, boundary).map_err(|failure| failure.error(ended))?;
    if head.start > MAX_HEAD {
        return Err(too_long());
    }
    buffer.advance(head.start);
    let delimiter = format!("\r\n--{boundary}").into_bytes();
    let file = File { inner: chunks, delimiter, state: State::Content { fresh: true }, buffer };
    Ok((head, file))
}

/// The content of a form's file.
pub struct File {
    inner: Chunks,
    delimiter: Vec<u8>,
    state: State,
    /// What has come and was not given on.
    buffer: BytesMut,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the boundary; fresh: what is in the buffer has not been looked at.
    Content { fresh: bool },
    /// Behind it, so many bytes.
    Tail(usize),
    /// At the end, or broken off.
    Over,
}

impl File {
    /// The content that can be given on: all up to the boundary, or up to where one may begin.
    fn content(&mut self) -> Option<Bytes> {
        if let Some(end) = memmem::find(&self.buffer, &self.delimiter) {
            let content = self.buffer.split_to(end).freeze();
            self.state = State::Tail(self.buffer.len());
            self.buffer.clear();
            return Some(content);
        }
        self.state = State::Content { fresh: false };
        let sure = self.buffer.len().saturating_sub(self.delimiter.len() - 1);
        (sure > 0).then(|| self.buffer.split_to(sure).freeze())
    }
}

impl Stream for File {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match self.state {
                State::Over => return Poll::Ready(None),
                State::Content { fresh: true } => {
                    if let Some(content) = self.content().filter(|content| !content.is_empty()) {
                        return Poll::Ready(Some(Ok(content)));
                    }
                    continue;
                }
                State::Content { fresh: false } | State::Tail(_) => {}
            }
            let item = ready!(self.inner.poll_next_unpin(cx));
            let failed = match (item, self.state) {
                (Some(Err(error)), _) => error,
                (Some(Ok(bytes)), State::Tail(length)) if length + bytes.len() <= MAX_TAIL => {
                    self.state = State::Tail(length + bytes.len());
                    continue;
                }
                (None, State::Tail(length)) if length <= MAX_TAIL => {
                    self.state = State::Over;
                    continue;
                }
                (Some(Ok(bytes)), State::Content { .. }) => {
                    self.buffer.extend_from_slice(&bytes);
                    self.state = State::Content { fresh: true };
                    continue;
                }
                (Some(Ok(_)) | None, _) => malformed(),
            };
            self.state = State::Over;
            return Poll::Ready(Some(Err(failed)));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn form(fields: &[(&str, &str)], filename: &str, content: &[u8], boundary: &str) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, value) in fields {
            let part =
                format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
            out.extend_from_slice(part.as_bytes());
        }
        let part = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{filename}\"\r\nContent-Type: text/plain\r\n\r\n"
        );
        out.extend_from_slice(part.as_bytes());
        out.extend_from_slice(content);
        out.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        out
    }

    /// The form in pieces of so many bytes, read: its head and its file.
    fn read(form: &[u8], piece: usize, boundary: &str) -> Result<(Head, Vec<u8>), Error> {
        let pieces: Vec<_> = form.chunks(piece).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let body = ByteStream::new(futures_util::stream::iter(pieces), None);
        futures_util::FutureExt::now_or_never(async {
            let (head, mut file) = open(&body, boundary).await?;
            let mut content = Vec::new();
            while let Some(bytes) = file.next().await {
                content.extend_from_slice(&bytes?);
            }
            Ok((head, content))
        })
        .unwrap()
    }

    fn code(form: &[u8]) -> String {
        read(form, 7, "B").map_or_else(|error| error.code.into_owned(), |_| "none".to_owned())
    }

    #[test]
    fn boundaries() {
        for (said, found) in [
            ("multipart/form-data; boundary=abc", Some("abc")),
            ("Multipart/Form-Data; charset=utf-8; Boundary=\"a b\"; x=y", Some("a b")),
            ("multipart/form-data; boundary=", None),
            ("multipart/form-data", None),
            ("multipart/mixed; boundary=abc", None),
            ("", None),
        ] {
            assert_eq!(boundary(said).as_deref(), found, "{said}");
        }
        assert_eq!(boundary(&format!("multipart/form-data; boundary={}", "b".repeat(71))), None);
    }

    #[test]
    fn heads_say_names() {
        let said = "Content-Type: text/plain\r\ncontent-disposition: form-data; NAME=Key";
        assert_eq!(disposition(said), Some(("key".to_owned(), None)));
        let file = r#"Content-Disposition: form-data; name="file"; filename="C:\a\"b\".txt""#;
        assert_eq!(disposition(file), Some(("file".to_owned(), Some(r#"C:\a"b".txt"#.to_owned()))));
        for other in ["", "Content-Disposition: attachment; name=a", "Content-Disposition: form-data"] {
            assert_eq!(disposition(other), None, "{other}");
        }
    }

    #[test]
    fn what_is_no_form_is_refused() {
        let good = form(&[("key", "k")], "f", b"x", "B");
        assert_eq!(code(&good), "none");
        for end in 0..good.len() - 4 {
            assert_eq!(code(&good[..end]), "MalformedPOSTRequest", "{end}");
        }
        assert_eq!(code(b"no form at all"), "MalformedPOSTRequest");
        assert_eq!(code(b"--B\r\n\r\nx\r\n--B--"), "MalformedPOSTRequest");
        let no_file = b"--B\r\nContent-Disposition: form-data; name=key\r\n\r\nk\r\n--B--\r\n";
        assert_eq!(code(no_file), "InvalidArgument");
        assert_eq!(code(&form(&[("key", "k"), ("Key", "l")], "f", b"x", "B")), "InvalidArgument");
        let bytes: Vec<u8> = good.iter().map(|byte| if *byte == b'k' { 0xff } else { *byte }).collect();
        assert_eq!(code(&bytes), "MalformedPOSTRequest");
    }

    #[test]
    fn what_precedes_the_file_is_bounded_and_what_follows_it_too() {
        let long = "v".repeat(MAX_HEAD);
        assert_eq!(code(&form(&[("x-amz-meta-a", &long)], "f", b"x", "B")), "MaxPostPreDataLengthExceeded");
        assert_eq!(code(&vec![b'x'; MAX_HEAD + 100]), "MaxPostPreDataLengthExceeded");
        let fits = "v".repeat(MAX_HEAD - 1000);
        let mut form = form(&[("x-amz-meta-a", &fits)], "f", &vec![7; 3 * MAX_HEAD], "B");
        assert_eq!(code(&form), "none");
        form.extend_from_slice(&vec![b' '; MAX_TAIL + 1]);
        assert_eq!(code(&form), "MalformedPOSTRequest");
        // And where it comes along with the file.
        assert_eq!(read(&form, form.len(), "B").unwrap_err().code, "MalformedPOSTRequest");
    }

    proptest! {
        /// What was put into a form comes out of it, however it is cut into pieces.
        #[test]
        fn forms_are_read(
            fields in prop::collection::btree_map("[a-z][a-z0-9-]{0,20}", "[ -~\r\n]{0,60}", 0..6),
            filename in "[a-zA-Z0-9 .]{0,20}",
            // Much of what a boundary is made of.
            content in prop::collection::vec(prop::sample::select(b"\r\n-Bxyz\0".to_vec()), 0..400),
            piece in 1usize..300,
            preamble in prop::sample::select(vec!["", "a preamble\r\n"]),
        ) {
            let boundary = "-Boundary";
            let fields: BTreeMap<String, String> =
                fields.into_iter().filter(|(name, _)| name != FILE).collect();
            let list: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let form = [preamble.as_bytes(), &form(&list, &filename, &content, boundary)].concat();
            let (head, found) = read(&form, piece, boundary).unwrap();
            prop_assert_eq!((head.fields, head.filename, found), (fields, filename, content));
        }

        /// Anything at all is answered, and nothing is read twice.
        #[test]
        fn anything_is_answered(
            form in prop::collection::vec(prop::sample::select(b"\r\n-B: ;=\"aContent-Disposition".to_vec()), 0..600),
            piece in 1usize..100,
        ) {
            if let Ok((_, content)) = read(&form, piece, "B") {
                prop_assert!(content.len() < form.len());
            }
        }
    }
}
