//! A process's log stream: the lines that its programs print, and the platform's own.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use ropeway_core::functions::{FunctionHost, FunctionSpec, LogLines};
use ropeway_core::{Clock, Ids, Time};
use tokio::net::unix::pipe;

/// The longest line, in bytes: CloudWatch's largest event is 256 KiB with 26 bytes of its own.
const MAX_LINE: usize = (256 << 10) - 26;
/// How much is read in a row.
const READ: usize = 64 << 10;
/// The most that is taken in when an invocation ends, beyond which a process only prints to keep us busy.
const MAX_DRAINED: usize = 4 << 20;
/// How much of an invocation's lines its caller gets, in bytes ("Invoke: LogType").
const TAIL: usize = 4096;

/// One process's log stream.
pub struct Logs {
    host: Arc<dyn FunctionHost>,
    clock: Clock,
    target: LogLines,
    output: pipe::Receiver,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// A line whose end has not come.
    open: Vec<u8>,
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
            role: spec.role.clone(),
            function: spec.arn.clone(),
            stream,
            lines: Vec::new(),
        };
        Logs { host, clock, target, output, state: Mutex::default() }
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
        let mut rest = buffer.get(..read).unwrap_or_default();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at(end);
            self.extend(state, line);
            self.finish(state);
            rest = after.get(1..).unwrap_or_default();
        }
        self.extend(state, rest);
        Ok(read)
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
        if !state.open.is_empty() {
            self.finish(state);
        }
    }

    fn finish(&self, state: &mut State) {
        let line = String::from_utf8_lossy(&state.open).into_owned();
        state.open.clear();
        self.push(state, line);
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
