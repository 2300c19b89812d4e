//! Schemas and values of every kind, by chance.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use ropeway_core::Time;
use ropeway_wire::schema::{Kind, Member, Schema, TimestampFormat};

use crate::common::{Value, shape, structure, text};

/// What a schema is made of, before it is one.
#[derive(Debug, Clone)]
pub enum Plan {
    Boolean,
    Integer,
    Float,
    String,
    Blob,
    Timestamp(Option<TimestampFormat>),
    List(Box<Plan>, bool),
    Map(Box<Plan>, bool),
    Structure(Vec<Plan>),
}

/// A plan of a structure.
pub fn plan() -> impl Strategy<Value = Plan> {
    let scalar = prop_oneof![
        Just(Plan::Boolean),
        Just(Plan::Integer),
        Just(Plan::Float),
        Just(Plan::String),
        Just(Plan::Blob),
        prop_oneof![
            Just(None),
            Just(Some(TimestampFormat::Iso8601)),
            Just(Some(TimestampFormat::Rfc822)),
            Just(Some(TimestampFormat::UnixTimestamp))
        ]
        .prop_map(Plan::Timestamp),
    ];
    let any = scalar.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            (inner.clone(), any::<bool>()).prop_map(|(p, flat)| Plan::List(Box::new(p), flat)),
            (inner.clone(), any::<bool>()).prop_map(|(p, flat)| Plan::Map(Box::new(p), flat)),
            vec(inner, 1..4).prop_map(Plan::Structure),
        ]
    });
    vec(any, 1..6).prop_map(Plan::Structure)
}

impl Plan {
    /// The member of this plan, under a name. `flat` lets it be flattened, as members of
    /// structures may be.
    fn member(&self, name: &str, flat: bool) -> Member {
        let name = text(name);
        let mut member = Member::new(name, self.schema());
        match self {
            Plan::Timestamp(format) => member.timestamp = *format,
            Plan::List(_, flattened) | Plan::Map(_, flattened) => member.flattened = flat && *flattened,
            _ => {}
        }
        member
    }

    fn schema(&self) -> &'static Schema {
        let kind = match self {
            Plan::Boolean => Kind::Boolean,
            Plan::Integer => Kind::Integer,
            Plan::Float => Kind::Float,
            Plan::String => Kind::String,
            Plan::Blob => Kind::Blob,
            Plan::Timestamp(_) => Kind::Timestamp,
            Plan::List(element, _) => Kind::List { element: element.member("member", false) },
            Plan::Map(value, _) => {
                Kind::Map { key: Plan::String.member("key", false), value: value.member("value", false) }
            }
            Plan::Structure(members) => {
                let members = members.iter().enumerate();
                return structure(
                    "Any",
                    members.map(|(n, plan)| plan.member(&format!("Member{n}"), true)).collect(),
                );
            }
        };
        shape("Any", kind)
    }

    /// The root of an input or output.
    pub fn root(&self) -> Member {
        self.member("Root", false)
    }

    /// Values of the schema. What no wire can tell from its absence does not occur: the empty list and map,
    /// and the structure without a member.
    pub fn value(&self) -> BoxedStrategy<Value> {
        match self {
            Plan::Boolean => any::<bool>().prop_map(Value::Boolean).boxed(),
            Plan::Integer => any::<i64>().prop_map(Value::Integer).boxed(),
            Plan::Float => prop_oneof![
                any::<f64>().prop_map(Value::Float),
                Just(Value::Float(f64::INFINITY)),
                Just(Value::Float(f64::NAN)),
            ]
            .boxed(),
            Plan::String => characters().prop_map(Value::String).boxed(),
            Plan::Blob => vec(any::<u8>(), 0..20).prop_map(|v| Value::Blob(Bytes::from(v))).boxed(),
            Plan::Timestamp(Some(TimestampFormat::Rfc822)) => {
                (-9_000_000_000i64..9_000_000_000).prop_map(|s| Value::Timestamp(Time::from_secs(s))).boxed()
            }
            Plan::Timestamp(_) => {
                (-9_000_000_000_000i64..9_000_000_000_000).prop_map(|ms| Value::Timestamp(Time(ms))).boxed()
            }
            Plan::List(element, _) => vec(element.value(), 1..4).prop_map(Value::List).boxed(),
            Plan::Map(value, _) => btree_map(characters(), value.value(), 1..4).prop_map(map).boxed(),
            Plan::Structure(members) => {
                let first = members.iter().take(1).map(|plan| plan.value().prop_map(Some).boxed());
                let others = members.iter().skip(1).map(|plan| proptest::option::of(plan.value()).boxed());
                first.chain(others).collect::<Vec<_>>().prop_map(Value::Structure).boxed()
            }
        }
    }
}

fn map(entries: BTreeMap<String, Value>) -> Value {
    Value::Map(entries)
}

/// Text of all characters that XML can carry, if need be as a reference.
fn characters() -> impl Strategy<Value = String> {
    vec(prop_oneof![any::<char>(), "[ -~\\t\\r\\n]".prop_map(|s| s.chars().next().unwrap())], 0..12).prop_map(
        |chars| chars.into_iter().filter(|c| !matches!(c, '\0' | '\u{fffe}' | '\u{ffff}')).collect(),
    )
}
