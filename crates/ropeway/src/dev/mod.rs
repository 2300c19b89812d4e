//! `ropeway dev DIR`: from an edit to the running function.
//!
//! Files are looked at; once they stand still after a change, a function whose code alone has changed is given it
//! directly (`UpdateFunctionCode`), and anything else is a deployment of the whole template. What fails is said, and
//! the next change tries again.

mod lines;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use ropeway_api::lambda;
use serde_json::{Value, json};

use crate::cli::DevArgs;
use crate::client::Client;
use crate::deploy::{self, Asks, Target};
use crate::pack::{self, FunctionCode, Upload};
use crate::{Failure, output, tail};
use lines::Lines;
use watch::Files;

/// Pause between two looks at the files, in milliseconds.
const PAUSE: i64 = 300;
/// Looks at the files between two at the logs.
const LOOKS_PER_LOG: u32 = 3;
/// Pause between two looks at a function that is being changed, in milliseconds, and how many there are.
const CODE_PAUSE: i64 = 100;
const CODE_LOOKS: u32 = 600;

/// Deploys, and goes on until it is told to stop.
pub(crate) async fn dev(arguments: DevArgs) -> Result<(), Failure> {
    let client = Client::new(&arguments.server)?;
    let target = Target::new(&arguments.path, arguments.stack_name.as_deref(), &arguments.parameter)?;
    // What is not there at all is said at once; what fails later is tried again.
    let from = tail::now(&client).await?;
    deploy::describe(&client, &target.stack).await?;
    let json = arguments.server.json;
    let mut project = Project { client, target, functions: BTreeMap::new(), json };
    tokio::select! {
        stopped = tokio::signal::ctrl_c() => stopped.map_err(Failure::from),
        ended = project.develop(Lines::new(from, json)) => ended,
    }
}

struct Project {
    client: Client,
    target: Target,
    /// The stack's functions: logical and physical names.
    functions: BTreeMap<String, String>,
    json: bool,
}

impl Project {
    async fn develop(&mut self, mut lines: Lines) -> Result<(), Failure> {
        let mut before = Files::below(&self.roots()?)?;
        let first = self.deploy().await;
        self.say(first, &mut lines).await;
        let mut looks = 0u32;
        while !output::lost() {
            let changed = self.settled(&mut before).await?;
            if !changed.is_empty() {
                let done = self.apply(&changed).await;
                self.say(done, &mut lines).await;
            }
            looks = looks.wrapping_add(1);
            if looks.is_multiple_of(LOOKS_PER_LOG)
                && let Err(Failure::Failed(why) | Failure::Usage(why)) = lines.print(&self.client).await
            {
                output::error(&why);
            }
        }
        Ok(())
    }

    /// The template's folder, and what code it names beside it.
    fn roots(&self) -> Result<BTreeSet<PathBuf>, Failure> {
        let folder = self.target.folder()?;
        // A template that cannot be read is about to be edited: its folder is watched.
        let code = pack::function_codes(&self.target.template).unwrap_or_default();
        let beside = code.into_iter().filter_map(|code| code.path).filter(|path| !path.starts_with(&folder));
        Ok(std::iter::once(folder.clone()).chain(beside).collect())
    }

    /// What has changed, once nothing changes any more; nothing after a pause without changes.
    async fn settled(&self, before: &mut Files) -> Result<BTreeSet<PathBuf>, Failure> {
        let mut last: Option<Files> = None;
        loop {
            self.pause(PAUSE).await;
            let now = match Files::below(&self.roots()?) {
                Ok(files) => files,
                // A root that is being put in place of another one.
                Err(why) if why.kind() == std::io::ErrorKind::NotFound => continue,
                Err(why) => return Err(why.into()),
            };
            let changed = now.changed_since(before);
            if changed.is_empty() || last.as_ref() == Some(&now) {
                *before = now;
                return Ok(changed);
            }
            last = Some(now);
        }
    }

    async fn pause(&self, millis: i64) {
        let clock = self.client.clock();
        clock.sleep_until(clock.now().plus_millis(millis)).await;
    }

    /// Says how a change went, and follows the logs of the functions that there are now.
    async fn say(&mut self, done: Result<(), Failure>, lines: &mut Lines) {
        match done {
            Ok(()) => {
                lines.follow(self.functions.clone());
                self.tell("watching; Ctrl-C ends");
            }
            Err(Failure::Failed(why) | Failure::Usage(why)) => output::error(&why),
        }
    }

    fn tell(&self, text: &str) {
        output::line(&if self.json { json!({ "message": text }).to_string() } else { text.to_owned() });
    }

    /// Brings a change to the server: code to its functions, or the whole template.
    async fn apply(&mut self, changed: &BTreeSet<PathBuf>) -> Result<(), Failure> {
        for path in changed {
            let folder = self.target.folder()?;
            self.tell(&format!("changed: {}", path.strip_prefix(&folder).unwrap_or(path).display()));
        }
        let codes = pack::function_codes(&self.target.template)?;
        match self.only_code(changed, codes)? {
            Some(codes) => {
                for code in codes {
                    let upload = pack::upload(&self.client, &code).await?;
                    self.give(&upload).await?;
                }
                Ok(())
            }
            None => self.deploy().await,
        }
    }

    /// The functions that a change is about, if it is about the code of functions and nothing else.
    fn only_code(
        &self,
        changed: &BTreeSet<PathBuf>,
        codes: Vec<FunctionCode>,
    ) -> Result<Option<Vec<FunctionCode>>, Failure> {
        let template = std::fs::canonicalize(&self.target.template)?;
        let holds =
            |code: &FunctionCode, file: &Path| code.path.as_ref().is_some_and(|path| file.starts_with(path));
        let is_code = |file: &PathBuf| *file != template && codes.iter().any(|code| holds(code, file));
        if !changed.iter().all(is_code) {
            return Ok(None);
        }
        let about: Vec<_> =
            codes.into_iter().filter(|code| changed.iter().any(|file| holds(code, file))).collect();
        // One that is published by an alias needs a version, which the template's deployment makes; one that is
        // not there, too.
        let direct = |code: &FunctionCode| !code.published && self.functions.contains_key(code.resource());
        Ok(about.iter().all(direct).then_some(about))
    }

    async fn deploy(&mut self) -> Result<(), Failure> {
        deploy::clear_failed(&self.client, &self.target.stack, self.json).await?;
        let (_, uploads) = deploy::apply(&self.client, &self.target, Asks::Never, self.json).await?;
        self.functions = deploy::functions(&self.client, &self.target.stack).await?;
        // Code that was given directly before may be another than the template's.
        for upload in uploads {
            self.give(&upload).await?;
        }
        Ok(())
    }

    /// Gives a function its code, unless it has it.
    async fn give(&self, upload: &Upload) -> Result<(), Failure> {
        let Some(function) = self.functions.get(&upload.resource) else { return Ok(()) };
        let path = format!("/2015-03-31/functions/{}", utf8_percent_encode(function, NON_ALPHANUMERIC));
        if text(&self.configuration(&path).await?, "CodeSha256") == upload.sha256 {
            return Ok(());
        }
        let body = json!({ "S3Bucket": upload.bucket, "S3Key": upload.key }).to_string();
        let headers = [("content-type", "application/json")];
        let code = format!("{path}/code");
        self.client.send(&lambda::SERVICE, "PUT", &code, &headers, Bytes::from(body)).await?;
        for _ in 0..CODE_LOOKS {
            let now = self.configuration(&path).await?;
            match text(&now, "LastUpdateStatus") {
                "InProgress" => self.pause(CODE_PAUSE).await,
                "Failed" => {
                    let why = text(&now, "LastUpdateStatusReason");
                    return Err(Failure::Failed(format!("{}: {why}", upload.resource)));
                }
                _ => {
                    self.tell(&format!("updated {}", upload.resource));
                    return Ok(());
                }
            }
        }
        Err(Failure::Failed(format!("{}: its update does not end", upload.resource)))
    }

    async fn configuration(&self, path: &str) -> Result<Value, Failure> {
        let path = format!("{path}/configuration");
        let answer = self.client.send(&lambda::SERVICE, "GET", &path, &[], Bytes::new()).await?;
        serde_json::from_slice(answer.body()).map_err(|e| Failure::Failed(format!("{path}: {e}")))
    }
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value.get(member).and_then(Value::as_str).unwrap_or_default()
}
