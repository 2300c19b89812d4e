//! Reads CBOR by schema.

use bytes::Bytes;
use minicbor::data::{Tag, Type};
use minicbor::decode::Decoder as Reader;
use ropeway_core::Time;

use crate::codec::{Decoder, Document, Result};
use crate::json::find;
use crate::rest::Scope;
use crate::schema::{Kind, Member};
use crate::text::{self, Wanted};
use crate::{ByteStream, Error};

/// Deepest nesting of arrays and maps, as in JSON.
const MAX_DEPTH: usize = 128;

/// Stands before the value of a member.
pub(crate) struct CborDecoder<'p, 'a> {
    reader: &'p mut Reader<'a>,
    member: &'static Member,
    depth: usize,
}

impl<'p, 'a> CborDecoder<'p, 'a> {
    pub(crate) fn new(reader: &'p mut Reader<'a>, member: &'static Member) -> Self {
        CborDecoder { reader, member, depth: 0 }
    }

    fn peek(&self) -> Result<Type> {
        self.reader.datatype().map_err(malformed)
    }

    fn mismatch(&self, found: Type, wanted: Wanted) -> Error {
        Error::serialization(format!("{found} cannot be converted to {}", wanted.java()))
    }

    /// Any number, as a float.
    fn number(&mut self, wanted: Wanted) -> Result<f64> {
        match self.peek()? {
            Type::F16 => self.reader.f16().map(f64::from).map_err(malformed),
            Type::F32 => self.reader.f32().map(f64::from).map_err(malformed),
            Type::F64 => self.reader.f64().map_err(malformed),
            found if is_integer(found) => self.whole().map(|v| v as f64),
            found => Err(self.mismatch(found, wanted)),
        }
    }

    fn whole(&mut self) -> Result<i64> {
        let value = self.reader.int().map_err(malformed)?;
        i64::try_from(value).map_err(|_| Error::serialization("NUMBER_VALUE cannot be converted to Long"))
    }

    /// Reads the elements of an array or map whose head is read: as many as it says, or up to
    /// the break.
    fn items(&mut self, count: Option<u64>, mut each: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Error::serialization(format!("CBOR is nested deeper than {MAX_DEPTH} levels")));
        }
        let mut left = count;
        loop {
            match &mut left {
                Some(0) => break,
                Some(left) => *left -= 1,
                None if self.peek()? == Type::Break => {
                    let past = self.reader.position() + 1;
                    self.reader.set_position(past);
                    break;
                }
                None => {}
            }
            each(self)?;
        }
        self.depth -= 1;
        Ok(())
    }

    /// Reads a value by `each`, or skips it if that leaves it there.
    fn value(
        &mut self,
        member: &'static Member,
        each: impl FnOnce(&mut dyn Decoder) -> Result<()>,
    ) -> Result<()> {
        let start = self.reader.position();
        let mut child = CborDecoder { reader: self.reader, member, depth: self.depth };
        each(&mut child)?;
        if self.reader.position() == start { self.skip() } else { Ok(()) }
    }

    fn skip(&mut self) -> Result<()> {
        self.reader.skip().map_err(malformed)
    }

    fn text(&mut self) -> Result<String> {
        match self.peek()? {
            Type::String => self.reader.str().map(str::to_owned).map_err(malformed),
            Type::StringIndef => self.reader.str_iter().and_then(Iterator::collect).map_err(malformed),
            found => Err(self.mismatch(found, Wanted::String)),
        }
    }

    fn map_head(&mut self, wanted: Wanted) -> Result<Option<u64>> {
        match self.peek()? {
            Type::Map | Type::MapIndef => self.reader.map().map_err(malformed),
            found => Err(self.mismatch(found, wanted)),
        }
    }
}

fn is_integer(kind: Type) -> bool {
    matches!(
        kind,
        Type::U8
            | Type::U16
            | Type::U32
            | Type::U64
            | Type::I8
            | Type::I16
            | Type::I32
            | Type::I64
            | Type::Int
    )
}

fn malformed(error: minicbor::decode::Error) -> Error {
    Error::serialization(format!("Invalid CBOR: {error}"))
}

impl Decoder for CborDecoder<'_, '_> {
    fn member(&self) -> &'static Member {
        self.member
    }

    fn null(&mut self) -> Result<bool> {
        let empty = matches!(self.peek()?, Type::Null | Type::Undefined);
        if empty {
            self.skip()?;
        }
        Ok(empty)
    }

    fn boolean(&mut self) -> Result<bool> {
        match self.peek()? {
            Type::Bool => self.reader.bool().map_err(malformed),
            found => Err(self.mismatch(found, Wanted::Boolean)),
        }
    }

    fn integer(&mut self) -> Result<i64> {
        match self.peek()? {
            found if is_integer(found) => self.whole(),
            found => Err(self.mismatch(found, Wanted::Integer)),
        }
    }

    fn float(&mut self) -> Result<f64> {
        self.number(Wanted::Float)
    }

    fn string(&mut self) -> Result<String> {
        self.text()
    }

    fn blob(&mut self) -> Result<Bytes> {
        match self.peek()? {
            Type::Bytes => self.reader.bytes().map(Bytes::copy_from_slice).map_err(malformed),
            Type::BytesIndef => {
                let mut out = Vec::new();
                for part in self.reader.bytes_iter().map_err(malformed)? {
                    out.extend_from_slice(part.map_err(malformed)?);
                }
                Ok(out.into())
            }
            found => Err(self.mismatch(found, Wanted::Blob)),
        }
    }

    fn timestamp(&mut self) -> Result<Time> {
        if self.peek()? == Type::Tag {
            let tag = self.reader.tag().map_err(malformed)?;
            if tag != Tag::new(1) {
                return Err(Error::serialization("A timestamp must carry CBOR's tag 1"));
            }
        }
        let seconds = self.number(Wanted::Timestamp)?;
        text::from_seconds(seconds)
            .ok_or_else(|| Error::serialization("NUMBER_VALUE cannot be converted to Date"))
    }

    fn document(&mut self) -> Result<Document> {
        Err(Error::serialization("The RPC v2 CBOR protocol has no documents"))
    }

    fn stream(&mut self) -> Result<ByteStream> {
        self.blob().map(ByteStream::from)
    }

    fn list(&mut self, each: &mut dyn FnMut(&mut dyn Decoder) -> Result<()>) -> Result<()> {
        let Kind::List { element } = &self.member.schema.kind else {
            return Err(text::not_a(self.member, "list"));
        };
        let count = match self.peek()? {
            Type::Array | Type::ArrayIndef => self.reader.array().map_err(malformed)?,
            found => return Err(self.mismatch(found, Wanted::List)),
        };
        self.items(count, |at| at.value(element, |child| each(child)))
    }

    fn map(&mut self, each: &mut dyn FnMut(String, &mut dyn Decoder) -> Result<()>) -> Result<()> {
        let Kind::Map { value, .. } = &self.member.schema.kind else {
            return Err(text::not_a(self.member, "map"));
        };
        let count = self.map_head(Wanted::Map)?;
        self.items(count, |at| {
            let key = at.text()?;
            at.value(value, |child| each(key, child))
        })
    }

    fn structure(&mut self, each: &mut dyn FnMut(usize, &mut dyn Decoder) -> Result<()>) -> Result<()> {
        let members = self.member.schema.members();
        let count = self.map_head(Wanted::Structure)?;
        let mut next = 0;
        self.items(count, |at| {
            let key = at.text()?;
            let Some((index, member)) = find(members, &key, next, Scope::All) else { return at.skip() };
            next = index + 1;
            if at.null()? { Ok(()) } else { at.value(member, |child| each(index, child)) }
        })
    }
}
