//! What a template is rendered with: variables, and the bounds of what rendering may take.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use crate::error::{RenderError, Result};
use crate::value::{Key, List, Map, Value};

/// The bounds of one rendering. They count work and not time, so that they are the same on every machine.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Iterations of one `#foreach`; the rest of the elements are left out, as Velocity does it. API Gateway
    /// documents 1000 ("Amazon API Gateway quotas", mapping templates).
    pub loops: usize,
    /// Nodes and expressions that are evaluated.
    pub steps: u64,
    /// Bytes of the rendered text. API Gateway's payloads are at most 10 MB.
    pub output: usize,
    /// Bytes of all strings, lists and maps that are made, together.
    pub memory: usize,
    /// Directives, macros, references and expressions that are evaluated within each other.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { loops: 1000, steps: 5_000_000, output: 10 << 20, memory: 256 << 20, depth: 150 }
    }
}

/// The variables of a template.
///
/// Lists and maps that come from it live until it is dropped, and are empty from then on.
#[derive(Debug)]
pub struct Context {
    variables: BTreeMap<Arc<str>, Value>,
    heap: Rc<Heap>,
    limits: Limits,
}

impl Default for Context {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Context {
    /// A context without variables.
    pub fn new(limits: Limits) -> Self {
        let heap = Rc::new(Heap {
            lists: RefCell::default(),
            maps: RefCell::default(),
            left: Cell::new(limits.memory),
            steps: Cell::new(limits.steps),
        });
        Context { variables: BTreeMap::new(), heap, limits }
    }

    /// The bounds of a rendering.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Gives a variable its value.
    pub fn set(&mut self, name: &str, value: Value) {
        match self.variables.get_mut(name) {
            Some(variable) => *variable = value,
            None => {
                self.variables.insert(name.into(), value);
            }
        }
    }

    /// A variable's value, if it has one.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.variables.get(name)
    }

    /// The value that a JSON document is in Java: objects keep the order of their members.
    ///
    /// # Errors
    /// [`RenderError::Limit`] if the document needs more memory than the limits have left.
    pub fn json(&self, json: &serde_json::Value) -> std::result::Result<Value, RenderError> {
        self.heap.json(json, false)
    }

    pub(crate) fn heap(&self) -> &Rc<Heap> {
        &self.heap
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.variables.remove(name);
    }
}

/// Holds every list and map of a context, and counts what is made and done. Values refer to each other as
/// they like, in circles too; the heap empties them all when it goes.
#[derive(Debug)]
pub struct Heap {
    lists: RefCell<Vec<Rc<List>>>,
    maps: RefCell<Vec<Rc<Map>>>,
    left: Cell<usize>,
    steps: Cell<u64>,
}

impl Heap {
    /// Counts bytes that are made.
    ///
    /// # Errors
    /// [`RenderError::Limit`] if that is more than [`Limits::memory`].
    pub fn charge(&self, bytes: usize) -> std::result::Result<(), RenderError> {
        let left = self.left.get().checked_sub(bytes).ok_or(RenderError::Limit("memory"))?;
        self.left.set(left);
        Ok(())
    }

    /// Counts work.
    ///
    /// # Errors
    /// [`RenderError::Limit`] if that is more than [`Limits::steps`].
    pub fn steps(&self, steps: u64) -> std::result::Result<(), RenderError> {
        let left = self.steps.get().checked_sub(steps).ok_or(RenderError::Limit("steps"))?;
        self.steps.set(left);
        Ok(())
    }

    /// A string.
    ///
    /// # Errors
    /// As [`Heap::charge`].
    pub fn string(&self, text: impl AsRef<str>) -> std::result::Result<Value, RenderError> {
        let text = text.as_ref();
        self.charge(text.len() + 16)?;
        Ok(Value::Str(text.into()))
    }

    /// A list.
    ///
    /// # Errors
    /// As [`Heap::charge`].
    pub fn list(&self, elements: Vec<Value>) -> std::result::Result<Value, RenderError> {
        self.new_list(elements, false)
    }

    fn new_list(&self, elements: Vec<Value>, json: bool) -> Result<Value> {
        self.charge(64 + elements.len() * size_of::<Value>())?;
        let list = Rc::new(List { elements: RefCell::new(elements), json });
        self.lists.borrow_mut().push(list.clone());
        Ok(Value::List(list))
    }

    /// A map, in the order of its entries.
    ///
    /// # Errors
    /// As [`Heap::charge`].
    pub fn map(
        &self,
        entries: impl IntoIterator<Item = (Key, Value)>,
    ) -> std::result::Result<Value, RenderError> {
        let map = Rc::new(Map { entries: RefCell::new(entries.into_iter().collect()) });
        self.charge(128 + map.entries.borrow().len() * ENTRY)?;
        self.maps.borrow_mut().push(map.clone());
        Ok(Value::Map(map))
    }

    /// A document as a value; `compact` makes its lists those of API Gateway's JSON library, which render
    /// as JSON.
    pub(crate) fn json(&self, json: &serde_json::Value, compact: bool) -> Result<Value> {
        Ok(match json {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(bool) => Value::Bool(*bool),
            serde_json::Value::Number(number) => crate::number::from_json(number),
            serde_json::Value::String(text) => self.string(text)?,
            serde_json::Value::Array(elements) => {
                let elements: Result<_> = elements.iter().map(|e| self.json(e, compact)).collect();
                self.new_list(elements?, compact)?
            }
            serde_json::Value::Object(members) => {
                let mut entries = Vec::with_capacity(members.len());
                for (name, member) in members {
                    entries.push((Key::Str(name.as_str().into()), self.json(member, compact)?));
                }
                self.map(entries)?
            }
        })
    }
}

/// What an entry of a map is counted as.
pub(crate) const ENTRY: usize = size_of::<Key>() + size_of::<Value>() + 16;

impl Drop for Heap {
    fn drop(&mut self) {
        // All of them are held here while their elements go, so that no drop leads to another.
        for list in self.lists.get_mut() {
            list.elements.take();
        }
        for map in self.maps.get_mut() {
            map.entries.take();
        }
    }
}
