//! Expressions.

use std::cmp::Ordering;

use super::{Machine, Result};
use crate::ast::{Comparison, Expr, Operands, Operation};
use crate::error::RenderError;
use crate::number;
use crate::value::Value;

/// Elements of a range, at most.
const MAX_RANGE: i128 = 1_000_000;

impl Machine<'_> {
    pub(super) fn values(&mut self, expressions: &[Expr]) -> Result<Vec<Value>> {
        expressions.iter().map(|expression| self.value(expression)).collect()
    }

    pub(super) fn value(&mut self, expression: &Expr) -> Result<Value> {
        self.deeper(|machine| machine.value_here(expression))
    }

    fn value_here(&mut self, expression: &Expr) -> Result<Value> {
        self.heap.steps(1)?;
        Ok(match expression {
            Expr::Null => Value::Null,
            Expr::Bool(bool) => Value::Bool(*bool),
            Expr::Int(number) => Value::Int(*number),
            Expr::Double(number) => Value::Double(*number),
            Expr::Str(text) => Value::Str(text.clone()),
            Expr::Interpolated { body, trim } => {
                let mut text = self.captured(|machine| machine.block(body))?;
                if *trim {
                    text.pop();
                }
                Value::Str(text.into())
            }
            Expr::List(elements) => {
                let elements = self.values(elements)?;
                self.heap.list(elements)?
            }
            Expr::Map(entries) => {
                let mut values = Vec::with_capacity(entries.len());
                for (key, value) in entries {
                    values.push((self.value(key)?.key()?, self.value(value)?));
                }
                self.heap.map(values)?
            }
            Expr::Range(from, to) => self.range(from, to)?,
            Expr::Reference(reference) => self.reference(reference)?,
            Expr::Group(inner) => self.value(inner)?,
            Expr::Not(_) | Expr::And(..) | Expr::Or(..) | Expr::Compare(..) => {
                Value::Bool(self.holds_here(expression)?)
            }
            Expr::Math(operation, operands) => self.math(*operation, operands)?,
        })
    }

    /// Whether a condition holds.
    pub(super) fn holds(&mut self, condition: &Expr) -> Result<bool> {
        self.deeper(|machine| machine.holds_here(condition))
    }

    fn holds_here(&mut self, condition: &Expr) -> Result<bool> {
        self.heap.steps(1)?;
        Ok(match condition {
            Expr::Bool(bool) => *bool,
            Expr::Reference(reference) => match self.reference(reference)? {
                Value::Null => false,
                Value::Bool(bool) => bool,
                _ => true,
            },
            Expr::Group(inner) => self.holds(inner)?,
            Expr::Not(inner) => !self.holds(inner)?,
            Expr::And(left, right) => self.holds(left)? && self.holds(right)?,
            Expr::Or(left, right) => self.holds(left)? || self.holds(right)?,
            Expr::Compare(comparison, left, right) => {
                let (left, right) = (self.value(left)?, self.value(right)?);
                self.compare(*comparison, &left, &right)?
            }
            // Velocity has no truth for literals and results of arithmetic.
            _ => false,
        })
    }

    fn compare(&mut self, comparison: Comparison, left: &Value, right: &Value) -> Result<bool> {
        let order = number::compare(left, right);
        Ok(match comparison {
            Comparison::Equal => self.equal(left, right)?,
            Comparison::NotEqual => !self.equal(left, right)?,
            Comparison::Less => order == Some(Ordering::Less),
            Comparison::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Comparison::Greater => order == Some(Ordering::Greater),
            Comparison::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        })
    }

    /// Numbers are equal by their value, objects of one class as Java has it, all others by their text.
    fn equal(&mut self, left: &Value, right: &Value) -> Result<bool> {
        match (left, right) {
            (Value::Null, Value::Null) => Ok(true),
            (Value::Null, _) | (_, Value::Null) => Ok(false),
            (Value::Int(_) | Value::Double(_), Value::Int(_) | Value::Double(_)) => {
                Ok(number::compare(left, right) == Some(Ordering::Equal))
            }
            (Value::Str(left), Value::Str(right)) => {
                self.heap.steps(left.len() as u64 / 64)?;
                Ok(left == right)
            }
            (Value::List(_), Value::List(_)) | (Value::Map(_), Value::Map(_)) => {
                Ok(crate::methods::equals(&self.heap, left, right, 0)?)
            }
            _ => Ok(self.text(left)? == self.text(right)?),
        }
    }

    fn math(&mut self, operation: Operation, operands: &Operands) -> Result<Value> {
        let (left, right) = (self.value(&operands.left)?, self.value(&operands.right)?);
        let string = matches!(left, Value::Str(_)) || matches!(right, Value::Str(_));
        if operation == Operation::Add && string {
            let left = self.text_or(&left, &operands.left_literal)?;
            let right = self.text_or(&right, &operands.right_literal)?;
            return Ok(self.heap.string(left + &right)?);
        }
        Ok(number::calculate(operation, &left, &right)?)
    }

    fn text_or(&mut self, value: &Value, literal: &str) -> Result<String> {
        if value.is_null() { Ok(literal.to_owned()) } else { self.text(value) }
    }

    fn range(&mut self, from: &Expr, to: &Expr) -> Result<Value> {
        let (Value::Int(from), Value::Int(to)) = (self.value(from)?, self.value(to)?) else {
            return Ok(Value::Null);
        };
        if from.abs_diff(to) >= MAX_RANGE.unsigned_abs() {
            return Err(RenderError::Limit("a million elements in a range").into());
        }
        self.heap.steps(from.abs_diff(to) as u64 / 16)?;
        let elements = if from <= to {
            (from..=to).map(Value::Int).collect()
        } else {
            (to..=from).rev().map(Value::Int).collect()
        };
        Ok(self.heap.list(elements)?)
    }
}
