//! Directives.

use std::sync::Arc;

use super::{Ended, Parser, Result};
use crate::ast::{Argument, Block, Call, Expr, Macro, Node};

/// An argument of a directive: a value, or a word.
struct Given {
    value: std::result::Result<Expr, Arc<str>>,
    literal: Arc<str>,
}

impl Parser<'_> {
    /// Whether this name is one of the directives that are no keywords of the grammar.
    pub(super) fn is_directive(&self, name: &str) -> bool {
        match name {
            "evaluate" => self.dialect.evaluate,
            _ => matches!(
                name,
                "foreach" | "include" | "parse" | "macro" | "literal" | "break" | "define" | "stop"
            ),
        }
    }

    /// Whether `#set(` begins here, the spaces before it included: it takes those that begin what is read.
    pub(super) fn set_begins(&self) -> bool {
        let rest = self.rest().trim_start_matches([' ', '\t']);
        let after = rest.strip_prefix("#set").or_else(|| rest.strip_prefix("#{set}"));
        after.is_some_and(|after| after.trim_start_matches(' ').starts_with('('))
    }

    pub(super) fn set(&mut self) -> Result<Node> {
        self.pos += self.rest().find('(').map_or(0, |at| at + 1);
        self.white();
        if !matches!(self.peek(), Some(b'$' | b'\\')) {
            return Err(self.unexpected("a reference"));
        }
        let target = self.reference()?;
        self.white();
        self.need("=")?;
        let value = self.expression()?;
        self.white();
        self.need(")")?;
        self.newline_after();
        Ok(Node::Set { target, value })
    }

    /// What follows a directive's name; `start` is where its `#` stands. A macro's definition is no node.
    pub(super) fn directive(&mut self, name: &str, start: usize) -> Result<Option<Node>> {
        match name {
            "if" => return self.branches().map(Some),
            "include" | "parse" => {
                self.pos = start;
                return Err(self.error(format!("#{name} is not supported: a template stands alone")));
            }
            _ => {}
        }
        let known = self.is_directive(name);
        let Some(arguments) = self.directive_arguments()? else {
            return self.without_arguments(name, known, start).map(Some);
        };
        match name {
            _ if !known => self.call(name, arguments, start).map(Some),
            "foreach" => self.foreach(arguments).map(Some),
            "define" => self.define(arguments).map(Some),
            "macro" => self.define_macro(arguments).map(|()| None),
            "literal" => self.literal().map(Some),
            "stop" => Ok(Some(Node::Stop)),
            "break" => Ok(Some(Node::Break(arguments.into_iter().next().and_then(|a| a.value.ok())))),
            _ => self.evaluate(arguments).map(Some),
        }
    }

    fn evaluate(&self, arguments: Vec<Given>) -> Result<Node> {
        let mut arguments = arguments.into_iter();
        match (arguments.next().map(|argument| argument.value), arguments.next()) {
            (Some(Ok(text)), None) => Ok(Node::Evaluate(text)),
            _ => Err(self.error("#evaluate() requires exactly one argument, which is no word")),
        }
    }

    fn without_arguments(&mut self, name: &str, known: bool, start: usize) -> Result<Node> {
        match name {
            "stop" => Ok(Node::Stop),
            "break" => Ok(Node::Break(None)),
            _ if known => Err(self.error(format!("#{name} needs its arguments in parentheses"))),
            _ if name.starts_with('@') => Ok(Node::Text(self.slice(start, self.pos))),
            _ => Ok(Node::Call(Call {
                name: name.into(),
                args: Arc::from([]),
                body: None,
                literal: self.slice(start, self.pos),
            })),
        }
    }

    /// The arguments in parentheses, and the newline after them; nothing if there are no parentheses.
    fn directive_arguments(&mut self) -> Result<Option<Vec<Given>>> {
        let before = self.pos;
        self.white();
        if !self.take("(") {
            self.pos = before;
            return Ok(None);
        }
        let mut arguments = Vec::new();
        loop {
            self.white();
            if self.take(")") {
                self.newline_after();
                return Ok(Some(arguments));
            }
            if self.take(",") {
                self.white();
            }
            let from = self.pos;
            let value = self.argument()?;
            arguments.push(Given { value, literal: self.slice(from, self.pos) });
        }
    }

    fn condition(&mut self) -> Result<Expr> {
        self.white();
        self.need("(")?;
        let condition = self.expression()?;
        self.white();
        self.need(")")?;
        self.newline_after();
        Ok(condition)
    }

    fn branches(&mut self) -> Result<Node> {
        let mut branches = Vec::new();
        let mut otherwise = None;
        loop {
            let condition = self.condition()?;
            let (block, ended) = self.block()?;
            branches.push((condition, block));
            match ended {
                Ended::ElseIf => continue,
                Ended::Else => otherwise = Some(self.body()?),
                Ended::End => {}
                Ended::Eof => return Err(self.unexpected("#end")),
            }
            return Ok(Node::If { branches, otherwise });
        }
    }

    /// A block that only `#end` can end.
    fn body(&mut self) -> Result<Block> {
        match self.block()? {
            (block, Ended::End) => Ok(block),
            (_, Ended::Eof) => Err(self.unexpected("#end")),
            (_, ended) => Err(self.error(format!("Encountered \"{}\", was expecting #end", ended.name()))),
        }
    }

    fn foreach(&mut self, arguments: Vec<Given>) -> Result<Node> {
        let mut arguments = arguments.into_iter();
        let (first, word, items) = (arguments.next(), arguments.next(), arguments.next());
        let variable = self.variable(first, "#foreach")?;
        let (Some(Err(word)), Some(Ok(items))) = (word.map(|w| w.value), items.map(|i| i.value)) else {
            return Err(self.error("#foreach is of the form #foreach( $item in $items )"));
        };
        if &*word != "in" {
            return Err(self.error(format!("#foreach needs the word in, not {word}")));
        }
        Ok(Node::Foreach { variable, items, body: self.body()? })
    }

    fn define(&mut self, arguments: Vec<Given>) -> Result<Node> {
        let name = self.variable(arguments.into_iter().next(), "#define")?;
        Ok(Node::Define { name, body: self.body()? })
    }

    /// The name that an argument, which must be a reference, is about.
    fn variable(&self, argument: Option<Given>, directive: &str) -> Result<Arc<str>> {
        match argument.map(|argument| argument.value) {
            Some(Ok(Expr::Reference(reference))) => match reference.root {
                crate::ast::Root::Variable(name) => Ok(name),
                crate::ast::Root::Never(text) => Err(self.error(format!("{text} is no reference"))),
            },
            _ => Err(self.error(format!("the first argument of {directive} is a reference"))),
        }
    }

    fn define_macro(&mut self, arguments: Vec<Given>) -> Result<()> {
        let mut arguments = arguments.into_iter();
        let Some(Err(name)) = arguments.next().map(|argument| argument.value) else {
            return Err(self.error("the first argument of #macro is its name"));
        };
        let mut parameters = Vec::new();
        for argument in arguments {
            parameters.push(self.variable(Some(argument), "#macro, after its name,")?);
        }
        let body = self.body()?;
        if self.dialect.macros {
            self.macros.insert(name, Arc::new(Macro { parameters, body }));
        }
        Ok(())
    }

    fn literal(&mut self) -> Result<Node> {
        let start = self.pos;
        self.body()?;
        let text = self.slice(start, self.pos);
        let end = text.rfind("#end").or_else(|| text.rfind("#{end}")).unwrap_or(text.len());
        Ok(Node::Text(text.get(..end).unwrap_or_default().into()))
    }

    fn call(&mut self, name: &str, arguments: Vec<Given>, start: usize) -> Result<Node> {
        // A word is an argument that has no value.
        let argument =
            |given: Given| Argument { value: given.value.unwrap_or(Expr::Null), literal: given.literal };
        let args = arguments.into_iter().map(argument).collect();
        let block = name.strip_prefix('@');
        let body = block.map(|_| self.body()).transpose()?;
        Ok(Node::Call(Call {
            name: block.unwrap_or(name).into(),
            args,
            body,
            literal: self.slice(start, self.pos),
        }))
    }
}
