//! XML requests: what is tolerated and what is not.

use ropeway_wire::schema::{Kind, Location, Member, Operation, Protocol, STRING};

use crate::common::{Value, operation, shape, structure};

/// S3's `Delete`, more or less: a payload with a flattened list, and a grantee with `xsi:type`.
fn delete() -> &'static Operation {
    let object = structure("Object", vec![Member::new("Key", &STRING).required()]);
    let objects = shape("Objects", Kind::List { element: Member::new("member", object) });
    let delete = structure(
        "Delete",
        vec![
            Member::new("Objects", objects).xml("Object").flattened(),
            Member::new("Type", &STRING).xml("xsi:type").xml_attribute(),
        ],
    );
    let members = vec![
        Member::new("Delete", delete).namespace("", "http://s3.amazonaws.com/doc/2006-03-01/"),
        Member::new("Bucket", &STRING).at(Location::Label("Bucket")),
    ];
    let input = shape("In", Kind::Structure { members: members.leak(), payload: Some(0) });
    operation(Member::new("In", input), Member::new("", &ropeway_wire::schema::EMPTY))
}

fn keys(body: &str) -> Result<(Vec<String>, Option<Value>), String> {
    let value =
        crate::decode(delete(), Protocol::RestXml, body.as_bytes()).map_err(|e| e.code.into_owned())?;
    let Value::Structure(members) = value else { panic!("a structure") };
    let Some(Value::Structure(delete)) = &members[0] else { panic!("a payload") };
    let Some(Value::List(objects)) = &delete[0] else { return Ok((Vec::new(), delete[1].clone())) };
    let key = |object: &Value| match object {
        Value::Structure(members) => match &members[0] {
            Some(Value::String(key)) => key.clone(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    Ok((objects.iter().map(key).collect(), delete[1].clone()))
}

#[test]
fn namespaces_prefixes_and_references() {
    let body = r#"<?xml version="1.0"?><!-- c --><s3:Delete xmlns:s3="http://s3.amazonaws.com/doc/2006-03-01/"
        xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser">
        <s3:Object><s3:Key> a&amp;b&#x41;<![CDATA[<c>]]></s3:Key></s3:Object><Other/>
        <s3:Object><s3:Key>d</s3:Key></s3:Object></s3:Delete>"#;
    let (keys, kind) = keys(body).expect("a request");
    assert_eq!(keys, [" a&bA<c>", "d"]);
    assert_eq!(kind, Some(Value::String("CanonicalUser".into())));
}

#[test]
fn malformed_documents() {
    for body in [
        "<Delete>",
        "<Delete></Other>",
        "<Other/>",
        "<Delete/><Delete/>",
        "text",
        "<Delete>&unknown;</Delete>",
        "<Delete",
        "<!DOCTYPE Delete [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><Delete><Object><Key>&x;</Key></Object></Delete>",
        "<Delete><Object><Key><b/></Key></Object></Delete>",
        "\u{1}",
        "<Delete><Object><Key>a\0b</Key></Object></Delete>",
        "<Delete><Object><Key>a\u{1f}b</Key></Object></Delete>",
        "<Delete Type=\"\u{b}\"/>",
    ] {
        assert_eq!(keys(body), Err("MalformedXML".to_owned()), "{body}");
    }
}

#[test]
fn attributes_are_bounded() {
    let many: String = (0..100_000).map(|n| format!(" a{n}=\"\"")).collect();
    assert_eq!(keys(&format!("<Delete{many}/>")), Err("MalformedXML".to_owned()));
}

#[test]
fn entities_do_not_multiply() {
    let lol = "<!DOCTYPE d [<!ENTITY a \"lol\"><!ENTITY b \"&a;&a;&a;\">]><Delete>&b;</Delete>";
    assert_eq!(keys(lol), Err("MalformedXML".to_owned()));
}
