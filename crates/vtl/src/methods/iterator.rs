//! `java.util.Iterator`.

use std::cell::RefCell;
use std::rc::Rc;

use super::failed;
use crate::context::Heap;
use crate::error::RenderError;
use crate::value::{Object, Value};

#[derive(Debug)]
struct Iterator(RefCell<std::vec::IntoIter<Value>>);

pub(super) fn over(elements: Vec<Value>, heap: &Heap) -> Result<Value, RenderError> {
    // The list holds the elements, as everything that is made is held until the end of the rendering.
    let Value::List(list) = heap.list(elements)? else { return Ok(Value::Null) };
    Ok(Value::Object(Rc::new(Iterator(RefCell::new(list.to_vec().into_iter())))))
}

impl Object for Iterator {
    fn property(&self, _: &str, _: &Heap) -> Result<Value, RenderError> {
        Ok(Value::Null)
    }

    fn call(&self, method: &str, arguments: &[Value], _: &Heap) -> Result<Value, RenderError> {
        match (method, arguments) {
            ("hasNext", []) => Ok(Value::Bool(self.0.borrow().len() > 0)),
            ("next", []) => self.0.borrow_mut().next().ok_or_else(|| failed("next() after the last element")),
            _ => Ok(Value::Null),
        }
    }

    fn text(&self) -> String {
        "java.util.Iterator".into()
    }
}
