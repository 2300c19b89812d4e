//! What the codecs' tests share: a value of any schema, and schemas made while testing.
#![allow(dead_code, reason = "each test binary uses its own part")]

pub mod kinds;

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use ropeway_core::Time;
use ropeway_wire::schema::{Constraints, Kind, Member, Operation, Protocol, Schema, Service};
use ropeway_wire::{ByteStream, Decode, Decoder, Document, Encode, Encoder, Error};

/// A value of any shape.
#[derive(Debug, Clone)]
pub enum Value {
    Null,
    Boolean(bool),
    Integer(i64),
    Float(f64),
    String(String),
    Blob(Bytes),
    Timestamp(Time),
    Document(Document),
    Stream(Bytes),
    List(Vec<Value>),
    Map(BTreeMap<String, Value>),
    Structure(Vec<Option<Value>>),
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Value::Null, Value::Null) => true,
            (Value::Boolean(a), Value::Boolean(b)) => a == b,
            (Value::Integer(a), Value::Integer(b)) => a == b,
            (Value::Float(a), Value::Float(b)) => a == b || (a.is_nan() && b.is_nan()),
            (Value::String(a), Value::String(b)) => a == b,
            (Value::Blob(a), Value::Blob(b)) | (Value::Stream(a), Value::Stream(b)) => a == b,
            (Value::Timestamp(a), Value::Timestamp(b)) => a == b,
            (Value::Document(a), Value::Document(b)) => a == b,
            (Value::List(a), Value::List(b)) => a == b,
            (Value::Map(a), Value::Map(b)) => a == b,
            (Value::Structure(a), Value::Structure(b)) => a == b,
            _ => false,
        }
    }
}

/// All of a stream whose chunks are there already.
pub fn collect(stream: &ByteStream) -> Bytes {
    let Some(chunks) = stream.take() else { return Bytes::new() };
    let chunks = chunks.collect::<Vec<_>>().now_or_never().expect("the chunks are ready");
    chunks.into_iter().flat_map(|chunk| chunk.expect("a chunk").to_vec()).collect()
}

impl Decode for Value {
    fn decode(d: &mut dyn Decoder) -> Result<Self, Error> {
        if d.null()? {
            return Ok(Value::Null);
        }
        let schema = d.member().schema;
        Ok(match schema.kind {
            Kind::Boolean => Value::Boolean(d.boolean()?),
            Kind::Integer => Value::Integer(d.integer()?),
            Kind::Float => Value::Float(d.float()?),
            Kind::String => Value::String(d.string()?),
            Kind::Blob => Value::Blob(d.blob()?),
            Kind::Stream => Value::Stream(collect(&d.stream()?)),
            Kind::Timestamp => Value::Timestamp(d.timestamp()?),
            Kind::Document => Value::Document(d.document()?),
            Kind::List { .. } => Value::List(Decode::decode(d)?),
            Kind::Map { .. } => Value::Map(Decode::decode(d)?),
            Kind::Structure { members, .. } => {
                let mut out = vec![None; members.len()];
                d.structure(&mut |index, d| {
                    out[index] = Some(Value::decode(d)?);
                    Ok(())
                })?;
                Value::Structure(out)
            }
        })
    }
}

impl Encode for Value {
    fn encode(&self, e: &mut dyn Encoder) {
        match self {
            Value::Null => e.null(),
            Value::Boolean(v) => e.boolean(*v),
            Value::Integer(v) => e.integer(*v),
            Value::Float(v) => e.float(*v),
            Value::String(v) => e.string(v),
            Value::Blob(v) => e.blob(v),
            Value::Timestamp(v) => e.timestamp(*v),
            Value::Document(v) => e.document(v),
            Value::Stream(v) => e.stream(&ByteStream::from(v.clone())),
            Value::List(v) => e.list(&mut v.iter().map(|v| v as &dyn Encode)),
            Value::Map(v) => e.map(&mut v.iter().map(|(k, v)| (k.as_str(), v as &dyn Encode))),
            Value::Structure(v) => {
                let members: Vec<_> = v.iter().map(|v| v.as_ref().map(|v| v as &dyn Encode)).collect();
                e.structure(&members);
            }
        }
    }
}

/// A constant, made now.
pub fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

/// Constant text, made now.
pub fn text(value: &str) -> &'static str {
    Box::leak(value.to_owned().into_boxed_str())
}

/// A shape without constraints.
pub fn shape(name: &'static str, kind: Kind) -> &'static Schema {
    leak(Schema { name, kind, constraints: Constraints::NONE })
}

/// A structure of these members.
pub fn structure(name: &'static str, members: Vec<Member>) -> &'static Schema {
    shape(name, Kind::Structure { members: members.leak(), payload: None })
}

/// An operation at `POST /` of this input and output.
pub fn operation(input: Member, output: Member) -> &'static Operation {
    leak(Operation {
        name: "Act",
        method: "POST",
        uri: "/",
        status: 200,
        input,
        output,
        result_wrapper: Some("ActResult"),
        action: None,
        checksum_required: false,
    })
}

/// A service that speaks everything.
pub fn service() -> &'static Service {
    leak(Service {
        id: "sqs",
        name: "SQS",
        signing_name: "sqs",
        api_version: "2012-11-05",
        target_prefix: Some("AmazonSQS"),
        protocols: &[Protocol::AwsJson10, Protocol::AwsQuery],
        query_compatible: true,
        xml_namespace: Some("http://queue.amazonaws.com/doc/2012-11-05/"),
        refusal: ("UnsupportedOperation", 400),
        validation: ("ValidationException", 400),
        denial: ("AccessDenied", 403),
        operations: &[],
        refused_operations: &[],
    })
}
