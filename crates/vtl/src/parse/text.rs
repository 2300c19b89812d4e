//! The text between references and directives, and what backslashes before those mean.

use super::{Ended, Parser, Result, is_word};
use crate::ast::{Block, Node};

/// What a `#` begins.
enum Hash {
    Node(Option<Node>),
    Ended(Ended),
}

impl Parser<'_> {
    /// Everything up to what ends the block that is being read. `#end` and `#else` are read; `#elseif` too,
    /// up to its condition.
    pub(super) fn block(&mut self) -> Result<(Block, Ended)> {
        self.deeper(|parser| {
            let mut nodes = Vec::new();
            loop {
                if parser.set_begins() {
                    nodes.push(parser.set()?);
                    continue;
                }
                match parser.peek() {
                    None => return Ok((nodes.into(), Ended::Eof)),
                    Some(b'$') => parser.dollar(&mut nodes)?,
                    Some(b'\\') => parser.backslashes(&mut nodes)?,
                    Some(b'#') => match parser.hash()? {
                        Hash::Node(node) => nodes.extend(node),
                        Hash::Ended(ended) => return Ok((nodes.into(), ended)),
                    },
                    Some(_) => nodes.push(parser.run()),
                }
            }
        })
    }

    fn run(&mut self) -> Node {
        let start = self.pos;
        let length = self.rest().find(['$', '#', '\\']).unwrap_or(self.rest().len());
        self.pos += length;
        Node::Text(self.slice(start, self.pos))
    }

    fn text(&mut self, length: usize) -> Node {
        let start = self.pos;
        self.pos += length;
        Node::Text(self.slice(start, self.pos))
    }

    /// Backslashes: before a `$` they are the reference's; before a directive, each pair is one backslash
    /// and an odd one turns the directive into text; anywhere else they are text.
    fn backslashes(&mut self, nodes: &mut Vec<Node>) -> Result<()> {
        let count = self.rest().bytes().take_while(|b| *b == b'\\').count();
        match self.byte(count) {
            Some(b'$') => return self.dollar(nodes),
            Some(b'#') => {}
            _ => {
                nodes.push(self.text(count));
                return Ok(());
            }
        }
        let name = self.name_at(self.pos + count + 1);
        if count % 2 == 1
            && let Some((name, length)) = name
        {
            let known =
                self.is_directive(&name) || matches!(&*name, "if" | "else" | "elseif" | "end" | "set");
            let shown = if known || self.macros.contains_key(&*name) { count / 2 } else { count };
            nodes.push(Node::Text("\\".repeat(shown).into()));
            self.pos += count;
            nodes.push(self.text(1 + length));
            return Ok(());
        }
        let known = name.is_some_and(|(name, length)| {
            let control = matches!(&*name, "if" | "else" | "elseif" | "end" | "stop");
            // Velocity looks a name in braces up with its braces, and finds only its own keywords.
            let bare = name.len() == length;
            control || bare && (self.is_directive(&name) || self.macros.contains_key(&*name))
        });
        nodes.push(Node::Text("\\".repeat(if known { count / 2 } else { count }).into()));
        self.pos += count;
        Ok(())
    }

    /// A directive's name, bare or in braces, and the length of its text.
    fn name_at(&self, offset: usize) -> Option<(String, usize)> {
        let rest = self.source.get(offset..)?;
        let (inner, braces) = match rest.strip_prefix('{') {
            Some(inner) => (inner, 2),
            None => (rest, 0),
        };
        let length = inner.bytes().take_while(|b| is_word(*b)).count();
        let name = inner.get(..length)?;
        let first = name.bytes().next()?;
        if first.is_ascii_digit() || braces == 2 && (first == b'@' || !inner.get(length..)?.starts_with('}'))
        {
            return None;
        }
        Some((name.to_owned(), length + braces))
    }

    fn hash(&mut self) -> Result<Hash> {
        match self.byte(1) {
            None => return Err(self.error("a \"#\" ends the template")),
            Some(b'#') => return self.line_comment(),
            Some(b'*') => {
                // The end of the template ends a comment too.
                if self.through("*#").is_err() {
                    self.pos = self.source.len();
                }
                return Ok(Hash::Node(None));
            }
            Some(b'[') if self.byte(2) == Some(b'[') => return self.unparsed(),
            Some(b'$' | b'\\') => return self.hash_before_reference(),
            _ => {}
        }
        let Some((name, length)) = self.name_at(self.pos + 1) else {
            return Ok(Hash::Node(Some(self.text(1))));
        };
        let start = self.pos;
        self.pos += 1 + length;
        match &*name {
            "end" => {
                self.newline_after();
                Ok(Hash::Ended(Ended::End))
            }
            "else" => {
                self.newline_after();
                Ok(Hash::Ended(Ended::Else))
            }
            "elseif" => Ok(Hash::Ended(Ended::ElseIf)),
            _ => Ok(Hash::Node(self.directive(&name, start)?)),
        }
    }

    /// `#$a`: the `#` is text, and so are backslashes between the two.
    fn hash_before_reference(&mut self) -> Result<Hash> {
        let backslashes = self.source.bytes().skip(self.pos + 1).take_while(|b| *b == b'\\').count();
        let length = match self.byte(1 + backslashes) {
            Some(b'$') => 1 + backslashes,
            _ => 1,
        };
        Ok(Hash::Node(Some(self.text(length))))
    }

    fn line_comment(&mut self) -> Result<Hash> {
        match self.rest().find(['\n', '\r']) {
            Some(length) => {
                self.pos += length;
                self.newline_after();
            }
            None => self.pos = self.source.len(),
        }
        Ok(Hash::Node(None))
    }

    fn unparsed(&mut self) -> Result<Hash> {
        let (from, to) = self.through("]]#")?;
        Ok(Hash::Node(Some(Node::Text(self.slice(from + 1, to)))))
    }

    /// What stands between the two characters here and the mark that ends it.
    fn through(&mut self, mark: &str) -> Result<(usize, usize)> {
        let from = self.pos + 2;
        let Some(length) = self.source.get(from..).and_then(|rest| rest.find(mark)) else {
            return Err(self.error(format!("the end of the template comes before \"{mark}\"")));
        };
        self.pos = from + length + mark.len();
        Ok((from, from + length))
    }
}
