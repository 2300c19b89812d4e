//! Patch operations: what the `Update…` operations take.
//! <https://docs.aws.amazon.com/apigateway/latest/api/patch-operations.html>

use std::collections::BTreeMap;

use ropeway_wire::Error;
use serde::{Deserialize, Serialize};

use crate::errors::{bad, missing};

/// One patch operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patch {
    /// add, remove, replace, move, copy or test
    pub op: String,
    /// The path, as it was given.
    pub path: String,
    /// `value`
    pub value: Option<String>,
    /// `from`
    pub from: Option<String>,
}

/// A part of a path: `~1` is `/`, `~0` is `~`.
fn unescape(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~")
}

impl Patch {
    /// The parts of the path.
    pub fn parts(&self) -> Vec<String> {
        self.path.trim_start_matches('/').split('/').map(unescape).collect()
    }

    /// The value; empty if there is none.
    pub fn text(&self) -> String {
        self.value.clone().unwrap_or_default()
    }

    /// The value, or nothing where it is empty.
    pub fn optional(&self) -> Option<String> {
        self.value.clone().filter(|value| !value.is_empty())
    }

    /// Anything but `true` is false: AWS answers so.
    pub fn flag(&self) -> bool {
        self.value.as_deref().is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// The operation must be one of these.
    pub fn only(&self, ops: &[&str]) -> Result<(), Error> {
        if ops.contains(&self.op.as_str()) {
            return Ok(());
        }
        Err(bad(format!("Invalid patch operation specified. Must be one of: [{}]", ops.join(", "))))
    }

    /// No such path.
    pub fn invalid(&self) -> Error {
        bad(format!("Invalid patch path {}", self.path))
    }

    /// The operation must be `replace`, of one of these paths.
    pub fn replaces(&self, paths: &[&str]) -> Result<(), Error> {
        let begin = format!("Invalid patch path  '{}' specified for op '{}'. ", self.path, self.op);
        if self.op != "replace" {
            return Err(bad(format!("{begin}Please choose supported operations")));
        }
        if !paths.contains(&self.path.as_str()) {
            return Err(bad(format!("{begin}Must be one of: [{}]", paths.join(", "))));
        }
        Ok(())
    }

    /// Adds, replaces or removes an entry of a map.
    pub fn entry<T>(
        &self,
        map: &mut BTreeMap<String, T>,
        name: &str,
        unknown: &str,
        value: impl FnOnce(&Patch) -> T,
    ) -> Result<(), Error> {
        self.only(&["add", "remove", "replace"])?;
        if self.op == "add" {
            map.insert(name.to_owned(), value(self));
            return Ok(());
        }
        if !map.contains_key(name) {
            return Err(missing(unknown));
        }
        match self.op.as_str() {
            "remove" => map.remove(name),
            _ => map.insert(name.to_owned(), value(self)),
        };
        Ok(())
    }

    /// An entry of a map of texts.
    pub fn text_entry(
        &self,
        map: &mut BTreeMap<String, String>,
        name: &str,
        unknown: &str,
    ) -> Result<(), Error> {
        self.entry(map, name, unknown, Patch::text)
    }
}

/// A parameter that isn't there.
pub const NO_PARAMETER: &str = "Invalid parameter name specified";
/// A content type that isn't there.
pub const NO_CONTENT_TYPE: &str = "Content-Type specified was not found";
