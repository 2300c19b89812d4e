//! Renders templates.

mod directive;
mod expression;
mod reference;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use crate::ast::{Argument, Macros, Node};
use crate::context::{Context, Heap};
use crate::error::RenderError;
use crate::value::{Scope, Value};
use crate::{Dialect, Template};

/// Why rendering does not go on from here.
enum Halt {
    Error(RenderError),
    /// `#break`, of the loop given or of the innermost loop, macro or block.
    Break(Option<Rc<Scope>>),
    Stop,
}

type Result<T> = std::result::Result<T, Halt>;

impl From<RenderError> for Halt {
    fn from(error: RenderError) -> Self {
        Halt::Error(error)
    }
}

/// The state of one rendering.
struct Machine<'a> {
    context: &'a mut Context,
    heap: Rc<Heap>,
    dialect: Dialect,
    /// The macros of the template, and of each text that `#evaluate` is rendering.
    macros: Vec<Arc<Macros>>,
    /// The macros that are being rendered.
    frames: Vec<Frame>,
    /// How many of the frames names are looked up in: fewer than all while a macro's argument is evaluated,
    /// which is done where the call stands.
    frame: usize,
    out: String,
    depth: usize,
}

/// A macro's own names. Arguments are evaluated each time that they are used.
struct Frame {
    parent: usize,
    parameters: Vec<Arc<str>>,
    arguments: Arc<[Argument]>,
    locals: BTreeMap<Arc<str>, Value>,
}

pub(crate) fn template(
    template: &Template,
    context: &mut Context,
) -> std::result::Result<String, RenderError> {
    let heap = context.heap().clone();
    let mut machine = Machine {
        context,
        heap,
        dialect: template.dialect,
        macros: vec![template.macros.clone()],
        frames: Vec::new(),
        frame: 0,
        out: String::new(),
        depth: 0,
    };
    match machine.block(&template.body) {
        Ok(()) | Err(Halt::Break(_) | Halt::Stop) => Ok(machine.out),
        Err(Halt::Error(error)) => Err(error),
    }
}

impl Machine<'_> {
    fn block(&mut self, nodes: &[Node]) -> Result<()> {
        self.deeper(|machine| nodes.iter().try_for_each(|node| machine.node(node)))
    }

    fn node(&mut self, node: &Node) -> Result<()> {
        self.heap.steps(1)?;
        match node {
            Node::Text(text) => self.write(text),
            Node::Reference(reference) => self.render_reference(reference),
            Node::Set { target, value } => self.set(target, value),
            Node::If { branches, otherwise } => {
                for (condition, body) in branches {
                    if self.holds(condition)? {
                        return self.block(body);
                    }
                }
                otherwise.as_ref().map_or(Ok(()), |body| self.block(body))
            }
            Node::Foreach { variable, items, body } => self.foreach(variable, items, body),
            Node::Define { name, body } => self.define(name, body),
            Node::Call(call) => self.call(call),
            Node::Evaluate(text) => self.evaluate(text),
            Node::Break(scope) => self.break_out(scope.as_ref()),
            Node::Stop => Err(Halt::Stop),
        }
    }

    fn write(&mut self, text: &str) -> Result<()> {
        if self.out.len() + text.len() > self.context.limits().output {
            return Err(RenderError::Limit("output").into());
        }
        self.out.push_str(text);
        Ok(())
    }

    /// What `render` writes, instead of writing it.
    fn captured(&mut self, render: impl FnOnce(&mut Self) -> Result<()>) -> Result<String> {
        let saved = std::mem::take(&mut self.out);
        let outcome = render(self);
        let text = std::mem::replace(&mut self.out, saved);
        outcome?;
        self.heap.charge(text.len())?;
        Ok(text)
    }

    fn deeper<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= self.context.limits().depth {
            return Err(RenderError::Limit("depth").into());
        }
        self.depth += 1;
        let outcome = work(self);
        self.depth -= 1;
        outcome
    }

    /// A variable's value where rendering is.
    fn variable(&mut self, name: &str) -> Result<Value> {
        let mut frame = self.frame;
        while let Some(names) = frame.checked_sub(1).and_then(|index| self.frames.get(index)) {
            if let Some(value) = names.locals.get(name).filter(|value| !value.is_null()) {
                return Ok(value.clone());
            }
            let parent = names.parent;
            if let Some(index) = names.argument(name) {
                let arguments = names.arguments.clone();
                let Some(argument) = arguments.get(index) else { return Ok(Value::Null) };
                let here = std::mem::replace(&mut self.frame, parent);
                let value = self.value_of_argument(&argument.value);
                self.frame = here;
                return value;
            }
            frame = parent;
        }
        Ok(self.context.get(name).cloned().unwrap_or_default())
    }

    /// Sets a variable: a macro's parameter within the macro, any other for the whole template.
    fn set_variable(&mut self, name: &Arc<str>, value: Value) -> Result<()> {
        let mut frame = self.frame;
        while let Some(names) = frame.checked_sub(1).and_then(|index| self.frames.get_mut(index)) {
            if names.locals.contains_key(name) || names.argument(name).is_some() {
                names.locals.insert(name.clone(), value);
                return Ok(());
            }
            frame = names.parent;
        }
        if self.context.get(name).is_none() {
            self.heap.charge(crate::context::ENTRY)?;
        }
        self.context.set(name, value);
        Ok(())
    }

    /// Gives a variable back the value that it had, or none.
    fn restore(&mut self, name: &Arc<str>, value: Value) -> Result<()> {
        if self.frame == 0 && value.is_null() {
            self.context.remove(name);
            return Ok(());
        }
        self.set_variable(name, value)
    }

    /// A value's text, rendering it if it is a block.
    fn text(&mut self, value: &Value) -> Result<String> {
        if let Value::Block(block) = value {
            let block = block.clone();
            return self.captured(|machine| machine.render_block(&block).map(|_| ()));
        }
        let text = crate::display::text(value)?;
        self.heap.charge(text.len())?;
        Ok(text)
    }
}

impl Frame {
    /// Which argument this name stands for, if the call gave one.
    fn argument(&self, name: &str) -> Option<usize> {
        let index = self.parameters.iter().position(|parameter| &**parameter == name)?;
        (index < self.arguments.len()).then_some(index)
    }
}
