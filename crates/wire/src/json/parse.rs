//! A pull parser over bytes, without a tree.

use std::borrow::Cow;

use crate::Error;
use crate::codec::Result;

/// Deepest nesting of arrays and objects. DynamoDB's deepest item needs about 70 levels.
const MAX_DEPTH: usize = 128;

/// Stands before a value, or after the last one.
pub(crate) struct Parser<'a> {
    input: &'a [u8],
    pos: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    pub(crate) fn new(input: &'a [u8]) -> Self {
        Parser { input, pos: 0, depth: 0 }
    }

    /// The first byte of what comes next.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        while let Some(&byte) = self.input.get(self.pos) {
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(byte);
            }
            self.pos += 1;
        }
        None
    }

    /// Refuses anything behind the value.
    pub(crate) fn end(&mut self) -> Result<()> {
        if self.peek().is_none() { Ok(()) } else { Err(self.unexpected()) }
    }

    /// The error for what comes next.
    pub(crate) fn unexpected(&self) -> Error {
        match self.input.get(self.pos) {
            None => Error::serialization("Unexpected end of JSON input"),
            Some(_) => Error::serialization(format!("Unexpected character in JSON at byte {}", self.pos)),
        }
    }

    fn expect(&mut self, byte: u8) -> Result<()> {
        if self.peek() == Some(byte) {
            self.pos += 1;
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    /// Consumes `null`, if that comes.
    pub(crate) fn null(&mut self) -> Result<bool> {
        if self.peek() != Some(b'n') {
            return Ok(false);
        }
        self.literal(b"null").map(|()| true)
    }

    pub(crate) fn boolean(&mut self) -> Result<bool> {
        if self.peek() == Some(b't') {
            self.literal(b"true").map(|()| true)
        } else {
            self.literal(b"false").map(|()| false)
        }
    }

    fn literal(&mut self, word: &[u8]) -> Result<()> {
        if self.rest().starts_with(word) {
            self.pos += word.len();
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    fn rest(&self) -> &'a [u8] {
        self.input.get(self.pos..).unwrap_or_default()
    }

    /// A number's text, of JSON's grammar.
    pub(crate) fn number(&mut self) -> Result<&'a str> {
        self.peek();
        let start = self.pos;
        if self.at(b'-') {
            self.pos += 1;
        }
        if self.at(b'0') {
            self.pos += 1;
        } else {
            self.digits()?;
        }
        if self.at(b'.') {
            self.pos += 1;
            self.digits()?;
        }
        if self.at(b'e') || self.at(b'E') {
            self.pos += 1;
            if self.at(b'+') || self.at(b'-') {
                self.pos += 1;
            }
            self.digits()?;
        }
        let text = self.input.get(start..self.pos).unwrap_or_default();
        std::str::from_utf8(text).map_err(|_| self.unexpected())
    }

    fn at(&self, byte: u8) -> bool {
        self.input.get(self.pos) == Some(&byte)
    }

    fn digits(&mut self) -> Result<()> {
        let count = self.rest().iter().take_while(|b| b.is_ascii_digit()).count();
        self.pos += count;
        if count == 0 { Err(self.unexpected()) } else { Ok(()) }
    }

    /// A string; borrowed where nothing in it is escaped.
    pub(crate) fn string(&mut self) -> Result<Cow<'a, str>> {
        self.expect(b'"')?;
        let plain = self.plain()?;
        if self.at(b'"') {
            self.pos += 1;
            return Ok(Cow::Borrowed(plain));
        }
        let mut out = plain.to_owned();
        loop {
            if self.at(b'"') {
                self.pos += 1;
                return Ok(Cow::Owned(out));
            }
            out.push(self.escape()?);
            out.push_str(self.plain()?);
        }
    }

    /// Text up to the next quote or escape.
    fn plain(&mut self) -> Result<&'a str> {
        let rest = self.rest();
        let length = rest.iter().position(|&b| b == b'"' || b == b'\\' || b < 0x20).unwrap_or(rest.len());
        let text = rest.get(..length).unwrap_or_default();
        self.pos += length;
        if self.at(b'"') || self.at(b'\\') {
            std::str::from_utf8(text).map_err(|_| Error::serialization("Invalid UTF-8 in JSON input"))
        } else {
            Err(self.unexpected())
        }
    }

    fn escape(&mut self) -> Result<char> {
        self.literal(b"\\")?;
        let Some(&byte) = self.input.get(self.pos) else { return Err(self.unexpected()) };
        let plain = match byte {
            b'"' | b'\\' | b'/' => byte as char,
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                self.pos += 1;
                return self.unicode();
            }
            _ => return Err(self.unexpected()),
        };
        self.pos += 1;
        Ok(plain)
    }

    /// What follows `\u`: one code unit, or two that make a surrogate pair.
    fn unicode(&mut self) -> Result<char> {
        let first = self.hex4()?;
        if !(0xD800..0xDC00).contains(&first) {
            return char::from_u32(first).ok_or_else(|| self.unexpected());
        }
        self.literal(b"\\u")?;
        let second = self.hex4()?;
        if !(0xDC00..0xE000).contains(&second) {
            return Err(self.unexpected());
        }
        char::from_u32(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00))
            .ok_or_else(|| self.unexpected())
    }

    fn hex4(&mut self) -> Result<u32> {
        let mut value = 0;
        for _ in 0..4 {
            let digit = self.input.get(self.pos).and_then(|&b| (b as char).to_digit(16));
            value = value * 16 + digit.ok_or_else(|| self.unexpected())?;
            self.pos += 1;
        }
        Ok(value)
    }

    /// An object: `each` is called before every value, which is skipped if it leaves it there.
    pub(crate) fn object(
        &mut self,
        mut each: impl FnMut(&mut Self, Cow<'a, str>) -> Result<()>,
    ) -> Result<()> {
        self.expect(b'{')?;
        self.deeper()?;
        if self.peek() != Some(b'}') {
            loop {
                self.peek();
                let key = self.string()?;
                self.expect(b':')?;
                self.value(|parser| each(parser, key))?;
                if !self.comma()? {
                    break;
                }
            }
        }
        self.depth -= 1;
        self.expect(b'}')
    }

    /// An array: `each` is called before every element, which is skipped if it leaves it there.
    pub(crate) fn array(&mut self, mut each: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        self.expect(b'[')?;
        self.deeper()?;
        if self.peek() != Some(b']') {
            loop {
                self.value(&mut each)?;
                if !self.comma()? {
                    break;
                }
            }
        }
        self.depth -= 1;
        self.expect(b']')
    }

    fn deeper(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Error::serialization(format!("JSON is nested deeper than {MAX_DEPTH} levels")));
        }
        Ok(())
    }

    fn value(&mut self, read: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        self.peek();
        let start = self.pos;
        read(self)?;
        if self.pos == start { self.skip() } else { Ok(()) }
    }

    fn comma(&mut self) -> Result<bool> {
        if self.peek() != Some(b',') {
            return Ok(false);
        }
        self.pos += 1;
        Ok(true)
    }

    /// Skips a value of any kind, checking its grammar.
    pub(crate) fn skip(&mut self) -> Result<()> {
        match self.peek() {
            Some(b'{') => self.object(|parser, _| parser.skip()),
            Some(b'[') => self.array(Parser::skip),
            Some(b'"') => self.string().map(|_| ()),
            Some(b't' | b'f') => self.boolean().map(|_| ()),
            Some(b'n') => self.null().map(|_| ()),
            _ => self.number().map(|_| ()),
        }
    }

    /// Skips a value and gives its text.
    pub(crate) fn raw(&mut self) -> Result<&'a [u8]> {
        self.peek();
        let start = self.pos;
        self.skip()?;
        Ok(self.input.get(start..self.pos).unwrap_or_default())
    }
}
