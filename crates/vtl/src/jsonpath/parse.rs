//! Reads paths.

use super::filter::Predicate;
use super::{Function, Path, Step};
use crate::error::{RenderError, Result};

/// Filters within filters, parentheses included.
const MAX_DEPTH: usize = 32;

pub(super) fn path(text: &str) -> Result<Path> {
    let text = text.trim();
    if text.is_empty() {
        return Err(RenderError::Path("path can not be null or empty".into()));
    }
    let whole = if text.starts_with(['$', '@']) { text.to_owned() } else { format!("$.{text}") };
    let mut reader = Reader { text: &whole, pos: 1, depth: 0 };
    let path = reader.steps(false)?;
    Ok(path)
}

/// Reads a path, or a filter in one.
pub(super) struct Reader<'a> {
    pub text: &'a str,
    pub pos: usize,
    depth: usize,
}

impl Reader<'_> {
    /// The steps after a root; within a filter they end where no step begins.
    pub(super) fn steps(&mut self, in_filter: bool) -> Result<Path> {
        let mut steps = Vec::new();
        let mut function = None;
        while function.is_none() {
            match self.peek() {
                Some(b'.') if self.byte(1) == Some(b'.') => {
                    self.pos += 2;
                    steps.push(Step::Descend);
                    if self.peek() != Some(b'[') {
                        steps.push(self.member()?);
                    }
                }
                Some(b'.') => {
                    self.pos += 1;
                    function = self.function()?;
                    if function.is_none() && self.peek() != Some(b'[') {
                        steps.push(self.member()?);
                    }
                }
                Some(b'[') => steps.push(self.bracket()?),
                _ => break,
            }
        }
        match self.peek() {
            Some(_) if !in_filter => Err(self.error("expected '.' or '['")),
            _ => Ok(Path { steps, function }),
        }
    }

    fn function(&mut self) -> Result<Option<Function>> {
        let rest = self.rest();
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        if !rest.get(letters..).is_some_and(|rest| rest.starts_with("()")) {
            return Ok(None);
        }
        let function = match rest.get(..letters).unwrap_or_default() {
            "length" | "size" => Function::Length,
            "sum" => Function::Sum,
            "min" => Function::Min,
            "max" => Function::Max,
            "avg" => Function::Average,
            other => return Err(RenderError::Path(format!("Function with name: {other} does not exist."))),
        };
        self.pos += letters + 2;
        Ok(Some(function))
    }

    fn member(&mut self) -> Result<Step> {
        if self.take("*") {
            return Ok(Step::All);
        }
        let end = |c: char| c.is_whitespace() || ".[]()=!<>&|,".contains(c);
        let length = self.rest().find(end).unwrap_or(self.rest().len());
        let name = self.rest().get(..length).unwrap_or_default().to_owned();
        if name.is_empty() {
            return Err(self.error("a property's name is missing: a path must not end with a '.' or '..'"));
        }
        self.pos += length;
        Ok(Step::Members(vec![name]))
    }

    fn bracket(&mut self) -> Result<Step> {
        self.pos += 1;
        self.white();
        let step = match self.peek() {
            Some(b'*') => {
                self.pos += 1;
                Step::All
            }
            Some(b'\'' | b'"') => {
                let mut names = vec![self.string()?];
                while self.comma() {
                    names.push(self.string()?);
                }
                Step::Members(names)
            }
            Some(b'?') => {
                self.pos += 1;
                self.white();
                self.need("(")?;
                let predicate = self.predicate()?;
                self.need(")")?;
                Step::Filter(predicate)
            }
            Some(b'-' | b':' | b'0'..=b'9') => self.elements()?,
            _ => return Err(self.error("expected ?, ', 0-9, *")),
        };
        self.white();
        self.need("]")?;
        Ok(step)
    }

    fn elements(&mut self) -> Result<Step> {
        let first = self.integer()?;
        if self.take(":") {
            let end = self.integer()?;
            // A step is read, and does nothing, as in Jayway's.
            if self.take(":") {
                self.integer()?;
            }
            return Ok(Step::Slice(first, end));
        }
        let mut elements: Vec<i64> = first.into_iter().collect();
        while self.comma() {
            elements.extend(self.integer()?);
        }
        if elements.is_empty() { Err(self.error("expected a number")) } else { Ok(Step::Elements(elements)) }
    }

    pub(super) fn integer(&mut self) -> Result<Option<i64>> {
        self.white();
        let rest = self.rest();
        let sign = usize::from(rest.starts_with('-'));
        let digits = rest.bytes().skip(sign).take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return if sign == 0 { Ok(None) } else { Err(self.error("expected a number")) };
        }
        let number = rest.get(..sign + digits).and_then(|text| text.parse().ok());
        let Some(number) = number else { return Err(self.error("a number is too large")) };
        self.pos += sign + digits;
        self.white();
        Ok(Some(number))
    }

    fn comma(&mut self) -> bool {
        self.white();
        let found = self.take(",");
        self.white();
        found
    }

    /// A string in quotes; a backslash takes what follows literally.
    pub(super) fn string(&mut self) -> Result<String> {
        let mut chars = self.rest().char_indices();
        let Some((_, quote @ ('\'' | '"'))) = chars.next() else {
            return Err(self.error("expected a quote"));
        };
        let mut text = String::new();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => text.extend(chars.next().map(|(_, escaped)| escaped)),
                c if c == quote => {
                    self.pos += at + 1;
                    return Ok(text);
                }
                c => text.push(c),
            }
        }
        Err(self.error("a string has no end"))
    }

    pub(super) fn predicate(&mut self) -> Result<Predicate> {
        if self.depth >= MAX_DEPTH {
            return Err(self.error("filters are too deep in each other"));
        }
        self.depth += 1;
        let predicate = self.either();
        self.depth -= 1;
        predicate
    }

    pub(super) fn rest(&self) -> &str {
        self.text.get(self.pos..).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.byte(0)
    }

    fn byte(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.pos + ahead).copied()
    }

    pub(super) fn take(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.pos += text.len();
        }
        found
    }

    pub(super) fn need(&mut self, text: &str) -> Result<()> {
        self.white();
        if self.take(text) { Ok(()) } else { Err(self.error(&format!("expected {text}"))) }
    }

    pub(super) fn white(&mut self) {
        while self.peek().is_some_and(|b| b.is_ascii_whitespace()) {
            self.pos += 1;
        }
    }

    pub(super) fn error(&self, message: &str) -> RenderError {
        RenderError::Path(format!("{message}, at position {} of {}", self.pos, self.text))
    }
}
