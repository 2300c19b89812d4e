//! A process's log stream: the lines that its programs print, and the platform's own.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use ropeway_core::functions::{FunctionHost, FunctionSpec};
use ropeway_core::log_lines::{LogLines, LogWriter};
use ropeway_core::{Clock, Ids, Time};
use tokio::net::unix::pipe;

use super::level::Level;

/// The longest line, in bytes: CloudWatch's largest event is 256 KiB with 26 bytes of its own.
const MAX_LINE: usize = (256 << 10) - 26;
/// How much is read in a row.
const READ: usize = 16 << 10;
/// The most that is taken in when an invocation ends, beyond which a process only prints to keep us busy.
const MAX_DRAINED: usize = 4 << 20;
/// How much of an invocation's lines its caller gets, in bytes ("Invoke: LogType").
const TAIL: usize = 4096;

/// What a frame begins with: the runtimes' log events are framed, so that one of several lines stays one event.
/// The fourth byte says format and level; four bytes of length and eight of time follow, then the event. None
/// of it can begin a line of text.
const FRAME: [u8; 3] = [0xa5, 0x5a, 0x00];
/// A frame's head, in bytes.
const HEAD: usize = 16;

/// One process's log stream.
pub struct Logs {
    host: Arc<dyn FunctionHost>,
    clock: Clock,
    target: LogLines,
    level: Level,
    output: pipe::Receiver,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// A line, or a framed event, whose end has not come.
    open: Vec<u8>,
    /// What may become a frame's head.
    head: Vec<u8>,
    /// Bytes of a framed event that have not come.
    missing: usize,
    /// Whole lines on their way to the host.
    lines: Vec<(Time, String)>,
    /// The current invocation's lines.
    tail: Vec<u8>,
}

impl std::fmt::Debug for Logs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Logs").field("stream", &self.target.stream).finish_non_exhaustive()
    }
}

/// The name of a new log stream: day, version, and what no other has.
pub fn stream_name(version: &str, now: Time, ids: &Ids) -> String {
    let mut unique = [0; 16];
    ids.fill(&mut unique);
    let day = jiff::Timestamp::from_millisecond(now.millis()).unwrap_or_default();
    format!("{}/[{version}]{}", day.strftime("%Y/%m/%d"), hex::encode(unique))
}

impl Logs {
    /// The lines that come out of `output`, for the stream of this name.
    pub fn new(
        host: Arc<dyn FunctionHost>,
        clock: Clock,
        spec: &FunctionSpec,
        stream: String,
        output: pipe::Receiver,
    ) -> Self {
        let target = LogLines {
            account: spec.account.clone(),
            region: spec.region.clone(),
            group: spec.logging.group.clone(),
            stream,
            lines: Vec::new(),
            writer: LogWriter::Function { role: spec.role.clone(), function: spec.arn.clone() },
        };
        let level = Level::of(spec);
        Logs { host, clock, target, level, output, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what is printed, until nobody can print any more. While the host is busy the pipe fills and
    /// the programs wait.
    pub async fn follow(&self) {
        while self.output.readable().await.is_ok() {
            let mut state = self.state();
            match self.read(&mut state) {
                Ok(0) => {
                    self.close(&mut state);
                    self.hand_on(&mut state);
                    return;
                }
                Ok(_) => self.hand_on(&mut state),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }

    /// Takes in what has been printed so far, as an invocation ends.
    pub fn drain(&self) {
        let mut state = self.state();
        let mut drained = 0;
        while drained < MAX_DRAINED {
            match self.read(&mut state) {
                Ok(read @ 1..) => drained += read,
                _ => break,
            }
        }
    }

    /// One of the platform's own lines.
    pub fn platform(&self, line: String) {
        let mut state = self.state();
        // It stands on a line of its own, whatever was being printed.
        self.close(&mut state);
        self.push(&mut state, line);
    }

    /// The last 4 KiB of an invocation's lines, so far.
    pub fn tail(&self) -> Bytes {
        Bytes::copy_from_slice(&self.state().tail)
    }

    /// Hands the lines on, and with them those of an invocation that has ended: its last 4 KiB.
    pub fn end_invocation(&self) -> Bytes {
        let mut state = self.state();
        self.hand_on(&mut state);
        Bytes::from(std::mem::take(&mut state.tail))
    }

    /// Hands the lines on.
    pub fn flush(&self) {
        self.hand_on(&mut self.state());
    }

    fn read(&self, state: &mut State) -> std::io::Result<usize> {
        let mut buffer = [0; READ];
        let read = self.output.try_read(&mut buffer)?;
        self.take(state, buffer.get(..read).unwrap_or_default());
        Ok(read)
    }

    fn take(&self, state: &mut State, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = if state.missing > 0 {
                self.framed(state, rest)
            } else if state.head.is_empty() {
                self.text(state, rest)
            } else {
                self.head(state, rest)
            };
        }
    }

    /// Takes in text up to the end of a line, or to what may be a frame; gives back what follows.
    fn text<'a>(&self, state: &mut State, bytes: &'a [u8]) -> &'a [u8] {
        let end = bytes.iter().position(|byte| *byte == b'\n' || *byte == FRAME[0]);
        let (text, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
        self.extend(state, text);
        match rest.split_first() {
            Some((b'\n', after)) => {
                self.finish(state);
                after
            }
            Some((first, after)) => {
                state.head.push(*first);
                after
            }
            None => rest,
        }
    }

    /// Takes in one more byte of what may be a frame's head. What turns out to be none is text.
    fn head<'a>(&self, state: &mut State, bytes: &'a [u8]) -> &'a [u8] {
        let Some((byte, after)) = bytes.split_first() else { return bytes };
        if FRAME.get(state.head.len()).is_some_and(|expected| expected != byte) {
            let text = std::mem::take(&mut state.head);
            self.extend(state, &text);
            return bytes;
        }
        state.head.push(*byte);
        if state.head.len() == HEAD {
            let head = std::mem::take(&mut state.head);
            let length = head.get(4..8).and_then(|length| length.try_into().ok()).map(u32::from_be_bytes);
            self.close(state);
            state.missing = length.unwrap_or_default() as usize;
        }
        after
    }

    /// Takes in a framed event, whatever lines it has.
    fn framed<'a>(&self, state: &mut State, bytes: &'a [u8]) -> &'a [u8] {
        let (event, rest) = bytes.split_at(state.missing.min(bytes.len()));
        self.extend(state, event);
        state.missing -= event.len();
        if state.missing == 0 {
            // Text events end as lines do.
            if state.open.last() == Some(&b'\n') {
                state.open.pop();
            }
            self.close(state);
        }
        rest
    }

    /// Adds to the open line; what is too long is cut into several.
    fn extend(&self, state: &mut State, mut bytes: &[u8]) {
        while state.open.len() + bytes.len() > MAX_LINE {
            let (fits, rest) = bytes.split_at(MAX_LINE - state.open.len());
            state.open.extend_from_slice(fits);
            self.finish(state);
            bytes = rest;
        }
        state.open.extend_from_slice(bytes);
    }

    /// Ends the open line, if there is one.
    fn close(&self, state: &mut State) {
        let head = std::mem::take(&mut state.head);
        self.extend(state, &head);
        if !state.open.is_empty() {
            self.finish(state);
        }
    }

    fn finish(&self, state: &mut State) {
        let line = String::from_utf8_lossy(&state.open).into_owned();
        state.open.clear();
        if self.level.admits(&line) {
            self.push(state, line);
        }
    }

    fn push(&self, state: &mut State, line: String) {
        let bytes = line.as_bytes();
        state.tail.extend_from_slice(bytes.get(bytes.len().saturating_sub(TAIL)..).unwrap_or_default());
        state.tail.push(b'\n');
        let over = state.tail.len().saturating_sub(TAIL);
        state.tail.drain(..over);
        state.lines.push((self.clock.now(), line));
        // A read is at most `READ`; more gathers only while an invocation's end drains the pipe.
        if state.lines.len() >= READ {
            self.hand_on(state);
        }
    }

    fn hand_on(&self, state: &mut State) {
        if !state.lines.is_empty() {
            let lines = std::mem::take(&mut state.lines);
            self.host.log(LogLines { lines, ..self.target.clone() });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ropeway_core::BoxFuture;
    use ropeway_core::functions::{Package, RoleKeys};

    use super::*;

    struct Nobody;

    impl FunctionHost for Nobody {
        fn package(&self, _: String, _: Package) -> BoxFuture<'_, std::io::Result<Bytes>> {
            Box::pin(async { Ok(Bytes::new()) })
        }

        fn credentials(&self, _: Arc<FunctionSpec>) -> BoxFuture<'_, Result<RoleKeys, String>> {
            Box::pin(async { Err("none".to_owned()) })
        }

        fn log(&self, _: LogLines) {}
    }

    /// The lines of what is printed, however it is cut.
    fn lines<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
        let target = LogLines {
            account: String::new(),
            region: String::new(),
            group: String::new(),
            stream: String::new(),
            lines: Vec::new(),
            writer: LogWriter::Account,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let _inside = runtime.enter();
        let (_writer, output) = pipe::pipe().unwrap();
        let clock = Clock::frozen(Time::from_secs(0));
        let level = Level::Trace;
        let logs = Logs { host: Arc::new(Nobody), clock, target, level, output, state: Mutex::default() };
        let mut state = logs.state();
        for piece in pieces {
            logs.take(&mut state, piece);
        }
        logs.close(&mut state);
        state.lines.iter().map(|(_, line)| line.clone()).collect()
    }

    fn frame(event: &str) -> Vec<u8> {
        let length = u32::try_from(event.len()).unwrap().to_be_bytes();
        [&[0xa5, 0x5a, 0x00, 0x0f], &length[..], &[0xa5; 8], event.as_bytes()].concat()
    }

    #[test]
    fn a_framed_event_of_several_lines_is_one() {
        let printed =
            [b"one\ntwo".to_vec(), frame("a\nb\n"), frame(""), frame("c"), b"three\n".to_vec()].concat();
        assert_eq!(lines([printed.as_slice()]), ["one", "two", "a\nb", "c", "three"]);
    }

    #[test]
    fn text_with_a_frames_first_byte_is_text() {
        assert_eq!(lines(["å 日Z\n".as_bytes(), "日".as_bytes()]), ["å 日Z", "日"]);
        assert_eq!(lines([&b"\xa5\x5a\x01\n"[..], &b"\xa5"[..]]), ["\u{fffd}Z\u{1}", "\u{fffd}"]);
    }

    #[test]
    fn a_framed_event_that_is_too_long_is_cut() {
        let event = "x".repeat(MAX_LINE + 1);
        let cut: Vec<usize> = lines([frame(&event).as_slice()]).iter().map(String::len).collect();
        assert_eq!(cut, [MAX_LINE, 1]);
    }

    proptest! {
        #[test]
        fn how_output_is_cut_does_not_matter(
            parts in proptest::collection::vec(
                prop_oneof![
                    any::<Vec<u8>>(),
                    "[a-zå\n]{0,8}".prop_map(String::into_bytes),
                    "[a-zå\n]{0,8}".prop_map(|event| frame(&event)),
                    Just(vec![0xa5, 0x5a, 0x00]),
                ],
                0..8,
            ),
            size in 1usize..40,
        ) {
            let printed = parts.concat();
            prop_assert_eq!(lines(printed.chunks(size)), lines([printed.as_slice()]));
        }
    }
}
