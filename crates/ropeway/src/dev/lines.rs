//! The log lines of several functions, each in a colour of its own.

use std::collections::BTreeMap;

use jiff::Timestamp;
use ropeway_api::logs::FilteredLogEvent;
use serde_json::json;

use crate::client::Client;
use crate::tail::Follower;
use crate::{Failure, output};

/// Colours of functions, in the order of their names: ANSI's, without those that mean good and bad.
const COLOURS: [&str; 5] = ["36", "33", "35", "34", "32"];

/// Follows functions' logs.
pub(super) struct Lines {
    /// By the function's logical name: its physical one, and where its log is followed.
    followed: BTreeMap<String, (String, Follower)>,
    /// Where logs begin that are not followed yet.
    from: i64,
    colours: bool,
    json: bool,
}

impl Lines {
    /// From a moment on, in milliseconds since 1970.
    pub fn new(from: i64, json: bool) -> Self {
        Lines { followed: BTreeMap::new(), from, colours: !json && output::colours(), json }
    }

    /// Follows these functions, logical and physical names, and no others.
    pub fn follow(&mut self, functions: BTreeMap<String, String>) {
        self.followed.retain(|name, (physical, _)| functions.get(name) == Some(physical));
        for (name, physical) in functions {
            let follower = || Follower::new(&physical, self.from);
            self.followed.entry(name).or_insert_with(|| (physical.clone(), follower()));
        }
    }

    /// Prints what has come.
    pub async fn print(&mut self, client: &Client) -> Result<(), Failure> {
        let width = self.followed.keys().map(|name| name.chars().count()).max().unwrap_or(0);
        let (colours, json) = (self.colours, self.json);
        for ((name, (_, follower)), colour) in self.followed.iter_mut().zip(COLOURS.iter().cycle()) {
            let head = match colours {
                true => format!("\u{1b}[{colour}m{name:<width$}\u{1b}[0m"),
                false => format!("{name:<width$}"),
            };
            let print = |event: &FilteredLogEvent| print(name, &head, event, json);
            follower.look(client, None, print).await?;
        }
        Ok(())
    }
}

fn print(name: &str, head: &str, event: &FilteredLogEvent, as_json: bool) {
    let message = event.message.as_deref().unwrap_or_default().trim_end_matches('\n');
    if as_json {
        let line = json!({ "function": name, "timestamp": event.timestamp, "message": message });
        return output::line(&line.to_string());
    }
    let time = Timestamp::from_millisecond(event.timestamp.unwrap_or(0)).unwrap_or(Timestamp::MAX);
    let time = time.strftime("%H:%M:%S.%3f");
    for line in message.lines() {
        output::line(&format!("{head} {time} {line}"));
    }
}
