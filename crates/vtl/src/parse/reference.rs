//! References: `$a`, `$!{a.b("c")[0]}`.

use std::sync::Arc;

use super::{Parser, Result, is_identifier, is_identifier_start};
use crate::ast::{Expr, Node, Reference, Root, Step};

/// The characters before a reference's name.
struct Lead {
    backslashes: usize,
    prefix: Arc<str>,
    /// Where the last `$` stands.
    dollar: usize,
    quiet: bool,
    /// Backslashes between `$` and `!`.
    between: usize,
    braces: bool,
}

impl Parser<'_> {
    /// A reference in the text, or the `$` that is none.
    pub(super) fn dollar(&mut self, nodes: &mut Vec<Node>) -> Result<()> {
        let start = self.pos;
        let lead = self.lead();
        if self.peek().is_some_and(is_identifier_start) {
            let plain = !lead.braces;
            let reference = self.reference_after(lead)?;
            let property = matches!(reference.path.last(), Some(Step::Property(_)));
            nodes.push(Node::Reference(reference));
            if plain && property && self.take("##") {
                // After a property 1.7 takes this for no comment.
                nodes.push(Node::Text("##".into()));
            }
            return if plain { self.brace_after(nodes) } else { Ok(()) };
        }
        if self.peek().is_none() && !lead.braces {
            return Err(self.error("a \"$\" ends the template"));
        }
        // Velocity loses the `!` of a `$!` that no reference and no bracket follows.
        let end = match self.peek() {
            Some(b'[') => self.pos,
            _ if lead.quiet && !lead.braces => lead.dollar + 1,
            _ => self.pos,
        };
        nodes.push(Node::Text(self.slice(start, end)));
        Ok(())
    }

    /// A brace directly after a reference. What looks like `{name}` is read as a reference that has no `$`,
    /// and renders as its brace.
    fn brace_after(&mut self, nodes: &mut Vec<Node>) -> Result<()> {
        if !matches!(self.peek(), Some(b'{' | b'}')) {
            return Ok(());
        }
        let opens = self.peek() == Some(b'{');
        nodes.push(Node::Text(self.slice(self.pos, self.pos + 1)));
        self.pos += 1;
        if opens && self.peek().is_some_and(is_identifier_start) {
            self.identifier()?;
            self.path()?;
            self.need("}")?;
        }
        Ok(())
    }

    /// A reference within a directive.
    pub(super) fn reference(&mut self) -> Result<Reference> {
        let lead = self.lead();
        if !self.peek().is_some_and(is_identifier_start) {
            return Err(self.unexpected("the name of a reference"));
        }
        self.reference_after(lead)
    }

    fn lead(&mut self) -> Lead {
        let start = self.pos;
        let skip = |parser: &Self, ahead: usize| {
            parser.source.bytes().skip(parser.pos + ahead).take_while(|b| *b == b'\\').count()
        };
        let backslashes = skip(self, 0);
        let mut dollar = start + backslashes;
        loop {
            let count = skip(self, 0);
            if self.byte(count) != Some(b'$') {
                break;
            }
            dollar = self.pos + count;
            self.pos = dollar + 1;
        }
        let between = skip(self, 0);
        let quiet = self.byte(between) == Some(b'!');
        if quiet {
            self.pos += between + 1;
        }
        let braces = self.take("{");
        let prefix = self.slice(start + backslashes, dollar);
        Lead { backslashes, prefix, dollar, quiet, between: if quiet { between } else { 0 }, braces }
    }

    fn reference_after(&mut self, lead: Lead) -> Result<Reference> {
        let root = self.identifier()?;
        let path = self.path()?;
        if lead.braces {
            self.need("}")?;
        }
        let literal = self.slice(lead.dollar, self.pos);
        let root = if lead.between > 0 {
            let braces = if lead.braces { "{" } else { "" };
            let backslashes = "\\".repeat(lead.between - 1);
            Root::Never(format!("${backslashes}!{braces}{root}").into())
        } else {
            self.names.insert(root.clone());
            Root::Variable(root)
        };
        Ok(Reference {
            backslashes: lead.backslashes / 2,
            escaped: lead.backslashes % 2 == 1,
            prefix: lead.prefix,
            quiet: lead.quiet,
            root,
            path,
            literal,
        })
    }

    /// A name; `true` and `false` are none.
    pub(super) fn identifier(&mut self) -> Result<Arc<str>> {
        let length = self.rest().bytes().take_while(|b| is_identifier(*b)).count();
        let name = self.slice(self.pos, self.pos + length);
        if matches!(&*name, "true" | "false") {
            return Err(self.unexpected("a name other than true and false"));
        }
        self.pos += length;
        Ok(name)
    }

    /// The properties, methods and indexes after a reference's root.
    pub(super) fn path(&mut self) -> Result<Vec<Step>> {
        let mut path = Vec::new();
        loop {
            match self.peek() {
                Some(b'[') => {
                    self.pos += 1;
                    path.push(Step::Index(self.deeper(Self::index)?));
                }
                Some(b'.') if self.byte(1).is_some_and(|b| b.is_ascii_alphabetic()) => {
                    self.pos += 1;
                    let name = self.identifier()?;
                    if self.take("(") {
                        path.push(Step::Method(name, self.deeper(Self::arguments)?));
                    } else {
                        path.push(Step::Property(name));
                    }
                }
                _ => return Ok(path),
            }
        }
    }

    fn index(&mut self) -> Result<Expr> {
        self.white();
        let index = match self.peek() {
            Some(b'"' | b'\'') => self.string()?,
            Some(b'$' | b'\\') => Expr::Reference(self.reference()?),
            Some(b'-' | b'0'..=b'9') => match self.number()? {
                Expr::Double(_) => return Err(self.error("an index is a whole number")),
                number => number,
            },
            _ if self.word("true") => Expr::Bool(true),
            _ if self.word("false") => Expr::Bool(false),
            _ => return Err(self.unexpected("an index")),
        };
        self.white();
        self.need("]")?;
        Ok(index)
    }

    fn arguments(&mut self) -> Result<Vec<Expr>> {
        let mut arguments = Vec::new();
        if self.take(")") {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.parameter(true)?);
            if self.take(")") {
                return Ok(arguments);
            }
            self.need(",")?;
        }
    }
}
