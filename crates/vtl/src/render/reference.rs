//! References.

use super::{Machine, Result};
use crate::ast::{Expr, Reference, Root, Step};
use crate::value::Value;

impl Machine<'_> {
    /// A reference's value. In API Gateway's dialect that is an empty string where there is none.
    pub(super) fn reference(&mut self, reference: &Reference) -> Result<Value> {
        let Root::Variable(name) = &reference.root else { return Ok(Value::Null) };
        let value = self.deeper(|machine| {
            machine.heap.steps(1)?;
            let mut value = machine.variable(name)?;
            for step in &reference.path {
                if value.is_null() {
                    break;
                }
                value = machine.step(&value, step)?;
            }
            Ok(value)
        })?;
        Ok(self.or_empty(value))
    }

    fn or_empty(&self, value: Value) -> Value {
        if self.dialect.empty_for_missing && value.is_null() { Value::Str("".into()) } else { value }
    }

    /// One property, method or index further.
    pub(super) fn step(&mut self, object: &Value, step: &Step) -> Result<Value> {
        self.heap.steps(1)?;
        Ok(match step {
            Step::Property(name) => crate::methods::property(&self.heap, object, name)?,
            Step::Index(index) => {
                let index = self.value(index)?;
                crate::methods::index(&self.heap, object, &index)?
            }
            Step::Method(name, arguments) => {
                let arguments = self.values(arguments)?;
                crate::methods::call(&self.heap, object, name, &arguments)?
            }
        })
    }

    pub(super) fn render_reference(&mut self, reference: &Reference) -> Result<()> {
        let value = match &reference.root {
            Root::Never(_) => self.or_empty(Value::Null),
            Root::Variable(_) => self.reference(reference)?,
        };
        let backslashes = "\\".repeat(reference.backslashes);
        if reference.escaped {
            let mark = if value.is_null() { "\\" } else { "" };
            let literal = self.literal(reference);
            return self.write(&format!("{backslashes}{mark}{literal}"));
        }
        if let Value::Block(block) = &value
            && self.render_block(block)?
        {
            return Ok(());
        }
        if matches!(value, Value::Null | Value::Block(_)) {
            let literal = match &reference.root {
                Root::Never(text) => text.to_string(),
                Root::Variable(_) if reference.quiet => String::new(),
                Root::Variable(_) => self.literal(reference),
            };
            return self.write(&format!("{backslashes}{backslashes}{}{literal}", reference.prefix));
        }
        self.write(&backslashes)?;
        self.write(&reference.prefix)?;
        if let Value::Str(text) = &value {
            return self.write(text);
        }
        let text = self.text(&value)?;
        self.write(&text)
    }

    /// What a reference without a value shows: its own text, or for a macro's parameter the text of the
    /// argument.
    fn literal(&self, reference: &Reference) -> String {
        let name = reference.literal.strip_prefix('$').unwrap_or_default();
        let mut frame = self.frame;
        while let Some(names) = frame.checked_sub(1).and_then(|index| self.frames.get(index)) {
            let argument = names.argument(name).and_then(|index| names.arguments.get(index));
            // Velocity keeps no text of numbers, true and false.
            let known =
                argument.filter(|a| !matches!(a.value, Expr::Int(_) | Expr::Double(_) | Expr::Bool(_)));
            if let Some(argument) = known {
                return argument.literal.to_string();
            }
            frame = names.parent;
        }
        reference.literal.to_string()
    }
}
