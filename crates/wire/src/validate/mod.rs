//! Constraints, checked while a request is decoded, whatever its protocol.
//!
//! Every violation is collected, and one error tells them all, in the words of AWS's services:
//! `2 validation errors detected: Value '' at 'tableName' failed to satisfy constraint: …; …`.

mod check;
mod pattern;

use bytes::Bytes;
use ropeway_core::Time;

pub use pattern::unsupported_pattern;

use crate::codec::{Decoder, Document, Result};
use crate::schema::{Kind, Member, Operation, Service};
use crate::{ByteStream, Error, text};
use check::Report;

/// Has a value decoded, and refuses it if it violates a constraint or uses what is not implemented.
///
/// A body that cannot be read at all is refused first, with the protocol's own error.
pub(crate) fn decode(
    service: &Service,
    operation: &Operation,
    inner: &mut dyn Decoder,
    take: &mut dyn FnMut(&mut dyn Decoder) -> Result<()>,
) -> Result<()> {
    let mut report = Report::default();
    let taken = take(&mut Checked { inner, report: &mut report, element: false });
    if let Err(error) = &taken
        && report.broken
    {
        return Err(error.clone());
    }
    report.finish(service, operation)?;
    taken
}

/// A decoder that checks what passes through it.
struct Checked<'d> {
    inner: &'d mut dyn Decoder,
    report: &'d mut Report,
    /// Stands at a scalar in a list or map, which tells its elements' violations as one.
    element: bool,
}

impl Checked<'_> {
    /// Notes that an error comes from the wire, not from the shape that reads it.
    fn wire<T>(&mut self, result: Result<T>) -> Result<T> {
        self.report.broken |= result.is_err();
        result
    }
}

impl Decoder for Checked<'_> {
    fn member(&self) -> &'static Member {
        self.inner.member()
    }

    fn null(&mut self) -> Result<bool> {
        let result = self.inner.null();
        self.wire(result)
    }

    fn boolean(&mut self) -> Result<bool> {
        let result = self.inner.boolean();
        self.wire(result)
    }

    fn integer(&mut self) -> Result<i64> {
        let result = self.inner.integer();
        let value = self.wire(result)?;
        let member = self.member();
        self.report.scalar(member, self.element, &|| value.to_string(), &mut check::range(value as f64));
        Ok(value)
    }

    fn float(&mut self) -> Result<f64> {
        let result = self.inner.float();
        let value = self.wire(result)?;
        let member = self.member();
        self.report.scalar(member, self.element, &|| text::format_float(value), &mut check::range(value));
        Ok(value)
    }

    fn string(&mut self) -> Result<String> {
        let result = self.inner.string();
        let value = self.wire(result)?;
        let member = self.member();
        self.report.string(member, self.element, &value)?;
        // A value outside of its enumeration is told already: one of it lets the rest be read.
        match member.schema.constraints.values {
            [first, ..] if !member.schema.constraints.values.contains(&value.as_str()) => {
                Ok((*first).to_owned())
            }
            _ => Ok(value),
        }
    }

    fn blob(&mut self) -> Result<Bytes> {
        let result = self.inner.blob();
        let value = self.wire(result)?;
        let member = self.member();
        let shown = || String::from_utf8_lossy(&value).into_owned();
        self.report.scalar(member, self.element, &shown, &mut check::length(value.len()));
        Ok(value)
    }

    fn timestamp(&mut self) -> Result<Time> {
        let result = self.inner.timestamp();
        self.wire(result)
    }

    fn document(&mut self) -> Result<Document> {
        let result = self.inner.document();
        self.wire(result)
    }

    fn stream(&mut self) -> Result<ByteStream> {
        let result = self.inner.stream();
        self.wire(result)
    }

    fn list(&mut self, each: &mut dyn FnMut(&mut dyn Decoder) -> Result<()>) -> Result<()> {
        let member = self.member();
        let Kind::List { element } = &member.schema.kind else { return Err(text::not_a(member, "list")) };
        let told_by_list = check::is_scalar(element) && check::constrained(&[member, element]);
        let report = &mut *self.report;
        let mut count = 0;
        let outer = report.enter();
        let mut sound = true;
        let result = self.inner.list(&mut |inner| {
            count += 1;
            report.at_index(count, |report| {
                let result = each(&mut Checked { inner, report, element: told_by_list });
                sound = result.is_ok();
                result
            })
        });
        report.broken |= result.is_err() && sound;
        report.list(member, element, count);
        report.leave(outer);
        result
    }

    fn map(&mut self, each: &mut dyn FnMut(String, &mut dyn Decoder) -> Result<()>) -> Result<()> {
        let member = self.member();
        let Kind::Map { key, value } = &member.schema.kind else { return Err(text::not_a(member, "map")) };
        let told_by_map = check::constrained(&[member, key, value]);
        let scalar = told_by_map && check::is_scalar(value);
        let report = &mut *self.report;
        let mut count = 0;
        let outer = report.enter();
        let mut sound = true;
        let result = self.inner.map(&mut |name, inner| {
            count += 1;
            if told_by_map {
                report.key(key, &name)?;
            }
            let step = name.clone();
            report.at_key(step, |report| {
                let result = each(name, &mut Checked { inner, report, element: scalar });
                sound = result.is_ok();
                result
            })
        });
        report.broken |= result.is_err() && sound;
        report.map(member, key, value, count);
        report.leave(outer);
        result
    }

    fn structure(&mut self, each: &mut dyn FnMut(usize, &mut dyn Decoder) -> Result<()>) -> Result<()> {
        let members = self.member().schema.members();
        let mut present = vec![false; members.len()];
        let report = &mut *self.report;
        let mut sound = true;
        let result = self.inner.structure(&mut |index, inner| {
            let Some(member) = members.get(index) else { return Ok(()) };
            if let Some(present) = present.get_mut(index) {
                *present = true;
            }
            report.at_member(member, |report| {
                if member.refused {
                    report.refuse();
                    // What is left unread, the codec skips.
                    return Ok(());
                }
                let result = each(index, &mut Checked { inner, report, element: false });
                sound = result.is_ok();
                result
            })
        });
        report.broken |= result.is_err() && sound;
        if result.is_ok() {
            for (member, _) in members.iter().zip(present).filter(|(m, present)| m.required && !present) {
                report.at_member(member, |report| {
                    report.missing();
                });
            }
        }
        result
    }
}

/// The error for constraints that are violated.
pub(crate) fn violation(service: &Service, message: String) -> Error {
    let (code, status) = service.validation;
    Error::new(status, code, message)
}
