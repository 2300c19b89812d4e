//! Which of a function's own lines are kept, by their level ("Log-level filtering"): with the JSON format,
//! objects with a member `level` below the configured one are not. A level that is missing or unknown is
//! INFO, and so is what is no object.

use ropeway_core::functions::FunctionSpec;
use serde::Deserialize;

/// Levels, from the most detail to the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
}

#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    level: serde_json::Value,
}

impl Level {
    /// The lowest that a function wants kept; all, where none is configured or the format is text.
    pub fn of(spec: &FunctionSpec) -> Self {
        let configured = spec.logging.application_level.as_deref().filter(|_| spec.logging.json);
        configured.and_then(Level::named).unwrap_or(Level::Trace)
    }

    /// Whether a line is kept.
    pub fn admits(self, line: &str) -> bool {
        self == Level::Trace || level(line) >= self
    }

    fn named(name: &str) -> Option<Self> {
        let level = match name.to_ascii_uppercase().as_str() {
            "TRACE" => Level::Trace,
            "DEBUG" => Level::Debug,
            "INFO" => Level::Info,
            "WARN" | "WARNING" => Level::Warn,
            "ERROR" => Level::Error,
            "FATAL" | "CRITICAL" => Level::Fatal,
            _ => return None,
        };
        Some(level)
    }
}

fn level(line: &str) -> Level {
    let object = line.trim_start().starts_with('{').then(|| serde_json::from_str::<Line>(line).ok());
    let named = object.flatten().and_then(|line| Level::named(line.level.as_str()?));
    named.unwrap_or(Level::Info)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_kept_by_their_level() {
        let lines = [
            (r#"{"level":"debug","msg":"a"}"#, Level::Debug),
            (r#"{"msg":"a","level":"ERROR"}"#, Level::Error),
            (r#"{"level":"warning"}"#, Level::Warn),
            (r#"{"level":"odd"}"#, Level::Info),
            (r#"{"level":30}"#, Level::Info),
            (r#"{"level":"debug""#, Level::Info),
            ("plain", Level::Info),
        ];
        for (line, of) in lines {
            assert_eq!(level(line), of, "{line}");
            assert!(of.admits(line) && Level::Trace.admits(line), "{line}");
            assert_eq!(Level::Warn.admits(line), of >= Level::Warn, "{line}");
        }
    }
}
