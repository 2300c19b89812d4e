//! The values of a template: what Java's objects are to Velocity.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::ast::Block;
use crate::context::Heap;
use crate::error::RenderError;

/// A value. Lists and maps are shared: who changes one changes it for all.
#[derive(Debug, Clone, Default)]
pub enum Value {
    /// No value.
    #[default]
    Null,
    /// A `Boolean`.
    Bool(bool),
    /// An `Integer`, `Long` or `BigInteger`.
    Int(i128),
    /// A `Double`.
    Double(f64),
    /// A `String`.
    Str(Arc<str>),
    /// A `List`, any other collection, or an array.
    List(Rc<List>),
    /// A `Map`, in the order of its entries' insertion.
    Map(Rc<Map>),
    /// An entry of a map.
    Entry(Rc<Entry>),
    /// An object that the host gives.
    Object(Rc<dyn Object>),
    /// What `#define`, or the body of a call with `#@`, is.
    Block(Rc<BlockValue>),
    /// `$foreach`.
    Scope(Rc<Scope>),
}

/// A list's elements.
#[derive(Debug)]
pub struct List {
    pub(crate) elements: RefCell<Vec<Value>>,
    /// Whether it renders as JSON, as the arrays of API Gateway's JSON library do.
    pub(crate) json: bool,
}

/// A map's entries.
#[derive(Debug)]
pub struct Map {
    pub(crate) entries: RefCell<IndexMap<Key, Value>>,
}

/// A map's key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    /// `null`, which Java's maps take for a key.
    Null,
    /// A `Boolean`.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// The bits of a `Double`.
    Double(u64),
    /// A `String`; and the text of whatever else is used as a key.
    Str(Arc<str>),
}

/// One entry of a map, as `entrySet()` gives it: its value is what the map has for the key.
#[derive(Debug)]
pub struct Entry {
    pub(crate) key: Key,
    pub(crate) map: Rc<Map>,
}

impl Entry {
    pub(crate) fn value(&self) -> Value {
        self.map.entries.borrow().get(&self.key).cloned().unwrap_or_default()
    }
}

/// An object of the host, such as `$input`.
pub trait Object: fmt::Debug {
    /// The value of a property, [`Value::Null`] if there is none of this name.
    ///
    /// # Errors
    /// What ends the rendering.
    fn property(&self, name: &str, heap: &Heap) -> Result<Value, RenderError>;

    /// Calls a method. One that is not known has the value [`Value::Null`].
    ///
    /// # Errors
    /// What ends the rendering.
    fn call(&self, method: &str, arguments: &[Value], heap: &Heap) -> Result<Value, RenderError>;

    /// What it renders as.
    fn text(&self) -> String;
}

/// A block of a template as a value.
#[derive(Debug)]
pub struct BlockValue {
    pub(crate) body: Block,
    /// How often it is being rendered within itself, and may be.
    pub(crate) depth: Cell<usize>,
    pub(crate) max_depth: usize,
}

/// Where a loop is.
#[derive(Debug)]
pub struct Scope {
    pub(crate) index: Cell<usize>,
    pub(crate) length: usize,
    pub(crate) parent: Option<Rc<Scope>>,
    /// How many parents there are.
    pub(crate) depth: usize,
    /// `#set($foreach.a = 1)`.
    pub(crate) variables: Rc<Map>,
}

impl List {
    /// The elements.
    pub fn to_vec(&self) -> Vec<Value> {
        self.elements.borrow().clone()
    }

    pub(crate) fn len(&self) -> usize {
        self.elements.borrow().len()
    }
}

impl Map {
    /// The value under a key.
    pub fn get(&self, key: &str) -> Option<Value> {
        self.entries.borrow().get(&Key::Str(key.into())).cloned()
    }

    /// The entries in their order.
    pub fn entries(&self) -> Vec<(Key, Value)> {
        self.entries.borrow().iter().map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.borrow().len()
    }
}

impl Key {
    /// The value that this is the key of.
    pub fn value(&self) -> Value {
        match self {
            Key::Null => Value::Null,
            Key::Bool(bool) => Value::Bool(*bool),
            Key::Int(number) => Value::Int(*number),
            Key::Double(bits) => Value::Double(f64::from_bits(*bits)),
            Key::Str(text) => Value::Str(text.clone()),
        }
    }
}

impl Value {
    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// This value as a key.
    pub(crate) fn key(&self) -> Result<Key, RenderError> {
        Ok(match self {
            Value::Null => Key::Null,
            Value::Bool(bool) => Key::Bool(*bool),
            Value::Int(number) => Key::Int(*number),
            Value::Double(number) => Key::Double(number.to_bits()),
            Value::Str(text) => Key::Str(text.clone()),
            other => Key::Str(crate::display::text(other)?.into()),
        })
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Str(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Str(text.into())
    }
}

impl From<bool> for Value {
    fn from(bool: bool) -> Self {
        Value::Bool(bool)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Int(number.into())
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Value::Double(number)
    }
}
