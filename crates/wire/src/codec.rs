//! The two traits between shapes and codecs.
//!
//! A shape (generated, or a dynamic value in tests) implements [`Decode`] and [`Encode`]; a codec
//! implements [`Decoder`] and [`Encoder`]. Both sides are objects, so that the code of a shape
//! exists once, whatever the number of protocols.

use std::collections::BTreeMap;

use bytes::Bytes;
use ropeway_core::Time;

use crate::schema::Member;
use crate::{ByteStream, Error};

/// A decoder's result. The error is complete: code, message and HTTP status.
pub type Result<T> = std::result::Result<T, Error>;

/// Free-form JSON, for the models' `document` shapes.
pub type Document = serde_json::Value;

/// Reads one value from the wire. It knows which member it stands at.
pub trait Decoder {
    /// The member being read.
    fn member(&self) -> &'static Member;
    /// Consumes an explicit null, if that is what comes.
    fn null(&mut self) -> Result<bool>;
    /// Reads a boolean.
    fn boolean(&mut self) -> Result<bool>;
    /// Reads an integer of any width.
    fn integer(&mut self) -> Result<i64>;
    /// Reads a float of any width.
    fn float(&mut self) -> Result<f64>;
    /// Reads text.
    fn string(&mut self) -> Result<String>;
    /// Reads bytes.
    fn blob(&mut self) -> Result<Bytes>;
    /// Reads a moment.
    fn timestamp(&mut self) -> Result<Time>;
    /// Reads free-form JSON.
    fn document(&mut self) -> Result<Document>;
    /// Takes the streaming body.
    fn stream(&mut self) -> Result<ByteStream>;
    /// Reads a list, calling `each` at every element.
    fn list(&mut self, each: &mut dyn FnMut(&mut dyn Decoder) -> Result<()>) -> Result<()>;
    /// Reads a map, calling `each` at every value.
    fn map(&mut self, each: &mut dyn FnMut(String, &mut dyn Decoder) -> Result<()>) -> Result<()>;
    /// Reads a structure, calling `each` with the index of every member that is present.
    fn structure(&mut self, each: &mut dyn FnMut(usize, &mut dyn Decoder) -> Result<()>) -> Result<()>;
}

/// Writes one value to the wire. It knows which member it stands at.
pub trait Encoder {
    /// The member being written.
    fn member(&self) -> &'static Member;
    /// Writes an explicit null (an empty place in a sparse list or map).
    fn null(&mut self);
    /// Writes a boolean.
    fn boolean(&mut self, value: bool);
    /// Writes an integer.
    fn integer(&mut self, value: i64);
    /// Writes a float.
    fn float(&mut self, value: f64);
    /// Writes text.
    fn string(&mut self, value: &str);
    /// Writes bytes.
    fn blob(&mut self, value: &Bytes);
    /// Writes a moment.
    fn timestamp(&mut self, value: Time);
    /// Writes free-form JSON.
    fn document(&mut self, value: &Document);
    /// Hands over the streaming body.
    fn stream(&mut self, value: &ByteStream);
    /// Writes a list.
    fn list(&mut self, elements: &mut dyn Iterator<Item = &dyn Encode>);
    /// Writes a map.
    fn map(&mut self, entries: &mut dyn Iterator<Item = (&str, &dyn Encode)>);
    /// Writes a structure: its members in the schema's order, `None` where absent.
    fn structure(&mut self, members: &[Option<&dyn Encode>]);
}

/// A shape that can be read by any decoder.
pub trait Decode: Sized {
    /// Reads itself.
    fn decode(d: &mut dyn Decoder) -> Result<Self>;
}

/// A shape that can be written by any encoder.
pub trait Encode {
    /// Writes itself.
    fn encode(&self, e: &mut dyn Encoder);
}

macro_rules! scalar {
    ($type:ty, $method:ident, $pass:expr) => {
        impl Decode for $type {
            fn decode(d: &mut dyn Decoder) -> Result<Self> {
                d.$method()
            }
        }
        impl Encode for $type {
            fn encode(&self, e: &mut dyn Encoder) {
                let pass: fn(&Self, &mut dyn Encoder) = $pass;
                pass(self, e);
            }
        }
    };
}

scalar!(bool, boolean, |v, e| e.boolean(*v));
scalar!(i64, integer, |v, e| e.integer(*v));
scalar!(f64, float, |v, e| e.float(*v));
scalar!(String, string, |v, e| e.string(v));
scalar!(Bytes, blob, |v, e| e.blob(v));
scalar!(Time, timestamp, |v, e| e.timestamp(*v));
scalar!(Document, document, |v, e| e.document(v));
scalar!(ByteStream, stream, |v, e| e.stream(v));

impl<T: Decode> Decode for Vec<T> {
    fn decode(d: &mut dyn Decoder) -> Result<Self> {
        let mut out = Vec::new();
        d.list(&mut |d| {
            out.push(T::decode(d)?);
            Ok(())
        })?;
        Ok(out)
    }
}

impl<T: Encode> Encode for Vec<T> {
    fn encode(&self, e: &mut dyn Encoder) {
        e.list(&mut self.iter().map(|v| v as &dyn Encode));
    }
}

impl<T: Decode> Decode for BTreeMap<String, T> {
    fn decode(d: &mut dyn Decoder) -> Result<Self> {
        let mut out = BTreeMap::new();
        d.map(&mut |key, d| {
            out.insert(key, T::decode(d)?);
            Ok(())
        })?;
        Ok(out)
    }
}

impl<T: Encode> Encode for BTreeMap<String, T> {
    fn encode(&self, e: &mut dyn Encoder) {
        e.map(&mut self.iter().map(|(k, v)| (k.as_str(), v as &dyn Encode)));
    }
}

impl<T: Decode> Decode for Box<T> {
    fn decode(d: &mut dyn Decoder) -> Result<Self> {
        T::decode(d).map(Box::new)
    }
}

impl<T: Encode> Encode for Box<T> {
    fn encode(&self, e: &mut dyn Encoder) {
        (**self).encode(e);
    }
}

impl<T: Decode> Decode for Option<T> {
    fn decode(d: &mut dyn Decoder) -> Result<Self> {
        if d.null()? { Ok(None) } else { T::decode(d).map(Some) }
    }
}

impl<T: Encode> Encode for Option<T> {
    fn encode(&self, e: &mut dyn Encoder) {
        match self {
            Some(value) => value.encode(e),
            None => e.null(),
        }
    }
}
