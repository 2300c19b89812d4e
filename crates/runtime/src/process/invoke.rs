//! One invocation in a process.

use std::sync::Arc;

use bytes::Bytes;
use ropeway_core::Time;
use ropeway_core::functions::{Answer, Invocation, Invoked, StreamFault};

use super::report::Report;
use super::{Failure, Process, Status, Stopwatch};
use crate::api::{Event, StreamEnd, Work};
use crate::runner::Reply;
use crate::sandbox::cgroup::Group;
use crate::sandbox::order::Command;

/// How often memory is looked at while an invocation is under way, in milliseconds.
const WATCH_MILLIS: i64 = 50;

/// How long a caller waits for extensions after the runtime has answered, in milliseconds: most are done
/// as soon, and the process then serves the caller's next invocation.
const EXTENSIONS_MILLIS: i64 = 5;

/// An invocation that has begun in a process.
#[derive(Debug)]
pub struct Begun {
    work: Arc<Work>,
    watch: Stopwatch,
}

impl Begun {
    /// When it times out.
    pub fn deadline(&self) -> Time {
        self.work.deadline
    }
}

/// What ends an invocation for its caller: a whole answer, or the end of one that streams.
#[derive(Debug)]
pub struct Ending {
    /// The answer, if it was not given before.
    pub answer: Option<Invoked>,
    _stream: Option<StreamEnd>,
}

/// How far an invocation has come.
#[derive(Default)]
struct Progress {
    answer: Option<(Bytes, bool)>,
    answered: bool,
    streaming: bool,
    stream_end: Option<StreamEnd>,
    runtime_ready: bool,
}

impl Progress {
    /// Whether the runtime has answered and waits for the next invocation.
    fn runtime_is_done(&self) -> bool {
        self.answered && !self.streaming && self.runtime_ready
    }
}

impl Process {
    /// Begins an invocation: its time runs from now on.
    pub fn begin(&self, invocation: Invocation) -> Begun {
        let watch = Stopwatch::start();
        let now = self.clock.now();
        let deadline = now.plus_secs(i64::from(self.spec.timeout_secs));
        let work = Arc::new(work(invocation, deadline));
        self.writer.start(now, &work.request_id).into_iter().for_each(|line| self.logs.platform(line));
        Begun { work, watch }
    }

    /// An invocation whose process could not be made ready: its answer.
    pub fn fail(&mut self, begun: &Begun, failure: Failure) -> Invoked {
        let payload = Answer::Whole(failure.payload(&begun.work.request_id));
        let log_tail = self.report(begun, &Err(failure));
        Invoked { failed: true, payload, log_tail }
    }

    /// Hands an invocation to the runtime and sees it through. A streaming answer goes to `reply` as soon
    /// as it begins; what ends the invocation for its caller comes back, to be given when the process has
    /// been put back. An error says why the process is of no use any more.
    pub async fn invoke(&mut self, begun: Begun, reply: &mut Reply) -> (Result<(), Failure>, Ending) {
        let mut progress = Progress::default();
        self.session.offer(&begun.work);
        let result = match self.thaw() {
            Ok(()) => self.run(begun.work.deadline, &mut progress, reply).await,
            Err(failure) => Err(failure),
        };
        if let Err(failure) = &result {
            let details = failure.payload(&begun.work.request_id);
            let details = String::from_utf8_lossy(&details).into_owned();
            self.session.break_off(StreamFault { kind: failure.kind.clone(), details });
            if !self.session.has_extensions() {
                self.sandbox.kill();
            }
        }
        let log_tail = self.report(&begun, &result);
        let answer = match (&result, progress.answer.take()) {
            (_, Some(answer)) => Some(answer),
            (Err(failure), None) if !progress.answered => {
                Some((failure.payload(&begun.work.request_id), true))
            }
            _ => None,
        };
        let whole = |(payload, failed)| Invoked { failed, payload: Answer::Whole(payload), log_tail };
        (result, Ending { answer: answer.map(whole), _stream: progress.stream_end })
    }

    async fn run(
        &mut self,
        deadline: Time,
        progress: &mut Progress,
        reply: &mut Reply,
    ) -> Result<(), Failure> {
        let clock = self.clock.clone();
        let next_look = || clock.now().plus_millis(WATCH_MILLIS).min(deadline);
        let mut alarm = std::pin::pin!(clock.sleep_until(next_look()));
        loop {
            let event = tokio::select! {
                biased;
                event = self.events.recv() => event,
                () = &mut alarm => {
                    if clock.now() >= deadline {
                        return Err(Failure::timeout(self.spec.timeout_secs));
                    }
                    if progress.runtime_is_done() {
                        self.give_early(progress, reply);
                    }
                    self.look_at_memory()?;
                    alarm.set(clock.sleep_until(next_look()));
                    continue;
                }
            };
            match event {
                Some(Event::Answered(Answer::Whole(payload), failed)) => {
                    progress.answered = true;
                    progress.answer = Some((payload, failed));
                }
                Some(Event::Answered(Answer::Stream(stream), failed)) => {
                    progress.answered = true;
                    progress.streaming = true;
                    let payload = Answer::Stream(stream);
                    let answer = Invoked { failed, payload, log_tail: Bytes::new() };
                    if let Some(reply) = reply.take() {
                        drop(reply.send(Ok(answer)));
                    }
                }
                Some(Event::StreamEnded(end)) => {
                    progress.streaming = false;
                    progress.stream_end = Some(end);
                }
                Some(Event::RuntimeReady) => progress.runtime_ready = true,
                Some(Event::Memory(used)) => self.check_memory(used)?,
                Some(event) => {
                    if let Some(failure) = self.failure(event) {
                        return Err(failure);
                    }
                }
                None => return Err(super::gone()),
            }
            if !progress.runtime_is_done() {
                continue;
            }
            if self.session.extensions_ready(usize::from(self.externals)) {
                return Ok(());
            }
            let grace = clock.now().plus_millis(EXTENSIONS_MILLIS).min(deadline);
            alarm.set(clock.sleep_until(grace));
        }
    }

    /// Gives a whole answer before the invocation has ended: extensions may take their time, and the caller
    /// need not.
    fn give_early(&self, progress: &mut Progress, reply: &mut Reply) {
        if let (Some((payload, failed)), Some(reply)) = (progress.answer.take(), reply.take()) {
            self.logs.drain();
            let (payload, log_tail) = (Answer::Whole(payload), self.logs.tail());
            drop(reply.send(Ok(Invoked { failed, payload, log_tail })));
        }
    }

    /// Looks at the memory in use, or asks the sandbox's first process to, where no control group counts.
    fn look_at_memory(&mut self) -> Result<(), Failure> {
        match self.group.as_ref().and_then(Group::anonymous) {
            Some(used) => self.check_memory(used),
            None => self.command(Command::Measure),
        }
    }

    /// Ends an invocation that uses more memory than it has. A control group's own limit has room for
    /// `/tmp` beside it, whose files are in memory too.
    fn check_memory(&mut self, used: u64) -> Result<(), Failure> {
        self.seen = self.seen.max(used);
        if used > u64::from(self.spec.memory_mib) << 20 {
            return Err(Failure::new("Runtime.OutOfMemory", "Runtime exited with error: signal: killed"));
        }
        Ok(())
    }

    /// Writes the invocation's last lines; its log's tail.
    fn report(&mut self, begun: &Begun, result: &Result<(), Failure>) -> Bytes {
        let Begun { work, watch } = begun;
        let duration = watch.took();
        self.logs.drain();
        let status = match result {
            Ok(()) => Status::Success,
            Err(failure) if failure.kind == "Sandbox.Timedout" => Status::Timeout,
            Err(failure) => Status::Error(failure.kind.clone()),
        };
        let peak = self.group.as_ref().and_then(Group::peak).unwrap_or(self.seen);
        let report = Report {
            request_id: &work.request_id,
            duration,
            init: self.init_took.take(),
            memory_mib: peak.div_ceil(1 << 20).min(u64::from(self.spec.memory_mib)),
            status,
            trace: work.trace_header.as_deref().filter(|_| self.spec.traced),
        };
        let lines = self.writer.end(self.clock.now(), &report);
        lines.into_iter().for_each(|line| self.logs.platform(line));
        if let (Err(failure), Status::Error(_)) = (result, &report.status) {
            self.logs.platform(failure.line(&work.request_id));
        }
        self.logs.end_invocation()
    }
}

fn work(invocation: Invocation, deadline: Time) -> Work {
    let Invocation { request_id, invoked_arn, payload, client_context, trace_header, .. } = invocation;
    Work { request_id, invoked_arn, payload, client_context, trace_header, deadline }
}
