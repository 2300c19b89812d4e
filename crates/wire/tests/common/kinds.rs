//! An operation with members of every kind.

use ropeway_wire::schema::{
    BLOB, BOOLEAN, Constraints, DOCUMENT, EMPTY, FLOAT, INTEGER, Kind, Location, Member, Operation, STRING,
    Schema, TIMESTAMP,
};

use super::{operation, shape, structure};

/// A structure that holds itself.
static TREE: Schema = Schema {
    name: "Tree",
    kind: Kind::Structure { members: &TREE_MEMBERS, payload: None },
    constraints: Constraints::NONE,
};
static TREE_MEMBERS: [Member; 3] =
    [Member::new("Tree", &TREE), Member::new("List", &TREE_LIST), Member::new("Name", &STRING)];
static TREE_LIST: Schema = Schema {
    name: "TreeList",
    kind: Kind::List { element: Member::new("member", &TREE) },
    constraints: Constraints::NONE,
};

/// One operation, made once, with members of every kind, all of them reachable by short names.
pub fn every_kind() -> &'static Operation {
    static MADE: std::sync::LazyLock<&'static Operation> = std::sync::LazyLock::new(make);
    *MADE
}

fn make() -> &'static Operation {
    let key = || Member::new("key", &STRING);
    let members = vec![
        Member::new("a", &BOOLEAN),
        Member::new("b", &INTEGER),
        Member::new("c", &FLOAT),
        Member::new("d", &STRING),
        Member::new("e", &BLOB),
        Member::new("f", &TIMESTAMP),
        Member::new("g", &DOCUMENT),
        Member::new("h", shape("List", Kind::List { element: Member::new("member", &INTEGER) })),
        Member::new("i", shape("Map", Kind::Map { key: key(), value: Member::new("value", &STRING) })),
        Member::new("j", &TREE),
        Member::new("k", shape("Flat", Kind::List { element: Member::new("member", &TREE) })).flattened(),
        Member::new("l", &STRING).at(Location::Header("x-l")),
        Member::new("m", &TIMESTAMP).at(Location::Query("m")),
        Member::new("n", shape("Dates", Kind::List { element: Member::new("member", &TIMESTAMP) }))
            .at(Location::Header("x-n")),
    ];
    operation(Member::new("In", structure("In", members)), Member::new("", &EMPTY))
}
