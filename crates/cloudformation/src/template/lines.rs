//! Which line of a template a problem is on.

use std::collections::{BTreeMap, BTreeSet};

use saphyr_parser::{Event, Parser};

use super::parse::MAX_DEPTH;

/// Paths longer than this are not looked for, so that no path costs more than this to compare.
const MAX_PATH_BYTES: usize = 1024;

/// The lines, counted from 1, on which the nodes at these paths (`/Resources/Queue/Type`) begin.
///
/// JSON is read by the same parser: it is a subset of YAML. A path that leads through an alias or a
/// merge key is not found.
pub(crate) fn lines_of(body: &str, paths: &BTreeSet<String>) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    let mut walk = Walk::default();
    let mut parser = Parser::new_from_str(body);
    while found.len() < paths.len() && walk.levels.len() <= MAX_DEPTH {
        let Some(Ok((event, span))) = parser.next_event() else { break };
        let Some(line) = walk.step(&event, span.start.line()) else { continue };
        if walk.path.len() <= MAX_PATH_BYTES && paths.contains(&walk.path) {
            found.insert(walk.path.clone(), line);
        }
        walk.enter(&event);
    }
    found
}

/// Where a walk over the events stands.
#[derive(Default)]
struct Walk {
    path: String,
    levels: Vec<Level>,
}

/// A collection that is being walked: the length of its own path, and what comes next in it.
struct Level {
    path: usize,
    next: Next,
}

enum Next {
    Item(usize),
    Key,
    /// The value of a key that stood on this line.
    Value(usize),
}

impl Walk {
    /// Follows an event; if a value begins with it, sets the path to the value's and gives its line.
    fn step(&mut self, event: &Event<'_>, line: usize) -> Option<usize> {
        match event {
            Event::SequenceEnd | Event::MappingEnd => {
                self.levels.pop();
                return None;
            }
            Event::Scalar(..) | Event::SequenceStart(..) | Event::MappingStart(..) | Event::Alias(_) => {}
            _ => return None,
        }
        let Some(level) = self.levels.last_mut() else { return Some(line) };
        match level.next {
            Next::Value(key_line) => {
                level.next = Next::Key;
                Some(key_line)
            }
            Next::Item(index) => {
                level.next = Next::Item(index + 1);
                self.path.truncate(level.path);
                self.path.push_str(&format!("/{index}"));
                Some(line)
            }
            Next::Key => {
                level.next = Next::Value(line);
                self.path.truncate(level.path);
                self.path.push('/');
                if let Event::Scalar(text, ..) = event {
                    self.path.push_str(text);
                }
                None
            }
        }
    }

    /// Goes into the value that has just begun, if it is a collection.
    fn enter(&mut self, event: &Event<'_>) {
        let next = match event {
            Event::SequenceStart(..) => Next::Item(0),
            Event::MappingStart(..) => Next::Key,
            _ => return,
        };
        self.levels.push(Level { path: self.path.len(), next });
    }
}
