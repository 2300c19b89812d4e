//! Directives.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use super::{Frame, Halt, Machine, Result};
use crate::ast::{Block, Call, Expr, Macros, Names, Reference, Root, Step};
use crate::error::RenderError;
use crate::value::{BlockValue, Scope, Value};

/// Macros within each other (Velocity's `velocimacro.max.depth`).
const MAX_MACROS: usize = 20;
/// How deep a block of `#define` may stand in itself (Velocity's `directive.define.max.depth`).
const MAX_DEFINES: usize = 2;
/// Loops that `$foreach.parent` leads out of; more cannot stand within each other.
const MAX_PARENTS: usize = 1000;

impl Machine<'_> {
    /// A value that is null changes nothing.
    pub(super) fn set(&mut self, target: &Reference, value: &Expr) -> Result<()> {
        let value = self.value(value)?;
        let Root::Variable(name) = &target.root else { return Ok(()) };
        if value.is_null() {
            return Ok(());
        }
        let Some((last, path)) = target.path.split_last() else {
            return self.set_variable(name, value);
        };
        let mut object = self.variable(name)?;
        for step in path {
            if object.is_null() {
                return Ok(());
            }
            object = self.step(&object, step)?;
        }
        match last {
            Step::Index(index) => {
                let index = self.value(index)?;
                crate::methods::set_index(&self.heap, &object, &index, value)?;
            }
            Step::Property(name) | Step::Method(name, _) => {
                crate::methods::set_property(&self.heap, &object, name, value)?;
            }
        }
        Ok(())
    }

    pub(super) fn foreach(&mut self, variable: &Arc<str>, items: &Expr, body: &Block) -> Result<()> {
        let items = self.value(items)?;
        let limit = self.context.limits().loops;
        let (length, items) = match &items {
            Value::List(list) => {
                (list.len(), list.elements.borrow().iter().take(limit).cloned().collect::<Vec<_>>())
            }
            Value::Map(map) => (map.len(), map.entries.borrow().values().take(limit).cloned().collect()),
            _ => return Ok(()),
        };
        self.heap.steps(items.len() as u64 / 16)?;
        let names: [Arc<str>; 4] =
            [variable.clone(), "foreach".into(), "velocityCount".into(), "velocityHasNext".into()];
        let mut saved = Vec::with_capacity(names.len());
        for name in &names {
            saved.push(self.variable(name)?);
        }
        let parent = match saved.get(1) {
            Some(Value::Scope(parent)) if parent.depth < MAX_PARENTS => Some(parent.clone()),
            _ => None,
        };
        let depth = parent.as_ref().map_or(0, |parent| parent.depth + 1);
        let Value::Map(variables) = self.heap.map([])? else { return Ok(()) };
        let scope = Rc::new(Scope { index: Cell::new(0), length, parent, depth, variables });
        let outcome = self.iterate(&names, items, &scope, body);
        for (name, value) in names.iter().zip(saved) {
            self.restore(name, value)?;
        }
        match outcome {
            Err(Halt::Break(None)) => Ok(()),
            Err(Halt::Break(Some(of))) if Rc::ptr_eq(&of, &scope) => Ok(()),
            outcome => outcome,
        }
    }

    fn iterate(
        &mut self,
        names: &[Arc<str>; 4],
        items: Vec<Value>,
        scope: &Rc<Scope>,
        body: &Block,
    ) -> Result<()> {
        let [variable, foreach, count, has_next] = names;
        self.set_variable(foreach, Value::Scope(scope.clone()))?;
        for (index, item) in items.into_iter().enumerate() {
            self.heap.steps(2)?;
            scope.index.set(index);
            self.set_variable(count, Value::Int(index as i128 + 1))?;
            self.set_variable(has_next, Value::Bool(index + 1 < scope.length))?;
            self.set_variable(variable, item)?;
            self.block(body)?;
        }
        Ok(())
    }

    pub(super) fn define(&mut self, name: &Arc<str>, body: &Block) -> Result<()> {
        let block = BlockValue { body: body.clone(), depth: Cell::new(0), max_depth: MAX_DEFINES };
        self.set_variable(name, Value::Block(Rc::new(block)))
    }

    /// Renders a block where its reference stands; says whether it did, which it does not when it is too
    /// deep in itself.
    pub(super) fn render_block(&mut self, block: &BlockValue) -> Result<bool> {
        if block.depth.get() >= block.max_depth {
            return Ok(false);
        }
        block.depth.set(block.depth.get() + 1);
        let outcome = self.block(&block.body);
        block.depth.set(block.depth.get() - 1);
        match outcome {
            Ok(()) | Err(Halt::Break(None)) => Ok(true),
            Err(halt) => Err(halt),
        }
    }

    pub(super) fn call(&mut self, call: &Call) -> Result<()> {
        let Some(called) = self.macros.iter().rev().find_map(|macros| macros.get(&call.name)).cloned() else {
            return self.write(&call.literal);
        };
        if self.frames.len() >= MAX_MACROS {
            return Err(RenderError::Limit("20 macros within each other").into());
        }
        let mut locals = BTreeMap::new();
        if let Some(body) = &call.body {
            let block = BlockValue { body: body.clone(), depth: Cell::new(0), max_depth: MAX_MACROS };
            locals.insert("bodyContent".into(), Value::Block(Rc::new(block)));
        }
        let parent = self.frame;
        let parameters = called.parameters.clone();
        self.frames.push(Frame { parent, parameters, arguments: call.args.clone(), locals });
        self.frame = self.frames.len();
        let outcome = self.block(&called.body);
        self.frames.pop();
        self.frame = parent;
        match outcome {
            Err(Halt::Break(None)) => Ok(()),
            outcome => outcome,
        }
    }

    /// A macro's argument. A reference without a value is null for the macro, whatever the dialect.
    pub(super) fn value_of_argument(&mut self, argument: &Expr) -> Result<Value> {
        match argument {
            Expr::Reference(Reference { root: Root::Variable(name), path, .. }) if path.is_empty() => {
                self.deeper(|machine| machine.variable(name))
            }
            argument => self.value(argument),
        }
    }

    pub(super) fn evaluate(&mut self, text: &Expr) -> Result<()> {
        let text = match self.value(text)? {
            Value::Null => return Ok(()),
            value => self.text(&value)?,
        };
        self.heap.steps(text.len() as u64)?;
        let mut macros = Macros::new();
        let body = crate::parse::template(&text, &self.dialect, &mut macros, &mut Names::new())
            .map_err(RenderError::Evaluate)?;
        self.macros.push(Arc::new(macros));
        let outcome = self.block(&body);
        self.macros.pop();
        match outcome {
            Err(Halt::Break(None)) => Ok(()),
            outcome => outcome,
        }
    }

    pub(super) fn break_out(&mut self, scope: Option<&Expr>) -> Result<()> {
        let Some(scope) = scope else { return Err(Halt::Break(None)) };
        match self.value(scope)? {
            Value::Scope(scope) => Err(Halt::Break(Some(scope))),
            _ => Err(RenderError::Method("#break takes a scope, as $foreach.parent is one".into()).into()),
        }
    }
}
