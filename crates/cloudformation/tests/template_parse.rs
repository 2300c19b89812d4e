//! Parsing: both syntaxes, scalars, tags, aliases, limits and the forms of sections.

mod template_support;

use ropeway_cloudformation::template::{MAX_TEMPLATE_BYTES, Template, Value, parse};
use template_support::{json, refused};

#[test]
fn scalars_resolve_as_cloudformation_reads_yaml() {
    let value = parse(
        "a: [yes, No, on, OFF, true, False, y, n]\nb: [012345678901, 5, -1.50, 1e+3, 2012-10-17, 0x1F, 1_000, +5, '5', 12:30]\n\
         c: {yes: !!str 5, on: \"x\"}\n",
    ).unwrap();
    assert_eq!(
        value,
        json(
            r#"{"a": [true, false, true, false, true, false, "y", "n"],
                "b": ["012345678901", 5, -1.50, 1e+3, "2012-10-17", "0x1F", "1_000", "+5", "5", "12:30"],
                "c": {"yes": "5", "on": "x"}}"#
        )
    );
    assert_eq!(value.as_map().unwrap()["b"].as_list().unwrap()[2], Value::Number("-1.50".to_owned()));
}

#[test]
fn short_forms_long_forms_and_json_are_equal() {
    for (short, long) in [
        ("!Ref A", r#"{"Ref": "A"}"#),
        ("!Condition A", r#"{"Condition": "A"}"#),
        ("!GetAtt A.B.C", r#"{"Fn::GetAtt": ["A", "B.C"]}"#),
        ("!GetAtt [A, B]", r#"{"Fn::GetAtt": ["A", "B"]}"#),
        ("!Sub 'x${A}'", r#"{"Fn::Sub": "x${A}"}"#),
        ("!Sub ['${A}', {A: !Ref B}]", r#"{"Fn::Sub": ["${A}", {"A": {"Ref": "B"}}]}"#),
        ("!Join [',', [a, b]]", r#"{"Fn::Join": [",", ["a", "b"]]}"#),
        ("!Select [0, !GetAZs '']", r#"{"Fn::Select": [0, {"Fn::GetAZs": ""}]}"#),
        ("!Split [',', 'a,b']", r#"{"Fn::Split": [",", "a,b"]}"#),
        ("!FindInMap [M, a, b]", r#"{"Fn::FindInMap": ["M", "a", "b"]}"#),
        ("!Base64 true", r#"{"Fn::Base64": "true"}"#),
        ("!Cidr [10.0.0.0/16, 2, 8]", r#"{"Fn::Cidr": ["10.0.0.0/16", 2, 8]}"#),
        ("!ImportValue {'Fn::Sub': '${A}'}", r#"{"Fn::ImportValue": {"Fn::Sub": "${A}"}}"#),
        ("!If [C, a, b]", r#"{"Fn::If": ["C", "a", "b"]}"#),
        (
            "!And [!Equals [a, b], !Not [!Condition C]]",
            r#"{"Fn::And": [{"Fn::Equals": ["a", "b"]}, {"Fn::Not": [{"Condition": "C"}]}]}"#,
        ),
        ("!Or [!Condition A, !Condition B]", r#"{"Fn::Or": [{"Condition": "A"}, {"Condition": "B"}]}"#),
        ("!Transform {Name: X}", r#"{"Fn::Transform": {"Name": "X"}}"#),
    ] {
        assert_eq!(parse(&format!("k: {short}\n")).unwrap(), json(&format!(r#"{{"k": {long}}}"#)), "{short}");
        assert_eq!(
            parse(&format!(r#"{{"k": {long}}}"#)).unwrap(),
            json(&format!(r#"{{"k": {long}}}"#)),
            "{long}"
        );
    }
}

#[test]
fn keys_keep_their_order() {
    for body in ["{\"b\": 1, \"a\": 2, \"c\": 3}", "b: 1\na: 2\nc: 3\n"] {
        let value = parse(body).unwrap();
        assert_eq!(value.as_map().unwrap().keys().collect::<Vec<_>>(), ["b", "a", "c"]);
    }
}

#[test]
fn aliases_and_merge_keys_expand() {
    let value = parse(
        "base: &base {x: 1, y: 2}\ncopy: *base\nmerged: {<<: [*base, {z: 4}], y: 3}\nquoted: {'<<': 5}\n",
    )
    .unwrap();
    assert_eq!(
        value,
        json(
            r#"{"base": {"x": 1, "y": 2}, "copy": {"x": 1, "y": 2}, "merged": {"y": 3, "x": 1, "z": 4}, "quoted": {"<<": 5}}"#
        )
    );
}

#[test]
fn alias_bombs_are_refused() {
    let mut body = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let items = vec![format!("*a{}", level - 1); 10].join(", ");
        body.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    assert!(parse(&body).unwrap_err().message().contains("aliases expand the template past"));
}

#[test]
fn what_is_not_well_formed_names_line_and_column() {
    for (body, message) in [
        ("{\n  \"Resources\": {,\n}", "Template format error: JSON not well-formed. (line 2, column 17)"),
        ("{\"a\": 1} {}", "Template format error: JSON not well-formed. (line 1, column 10)"),
        ("{\"a\": {\"b\": 1, \"b\": 2}}", "duplicate key \"b\""),
        (
            "Resources:\n  B:\n    Type: X\n   Properties: {}\n",
            "Template format error: YAML not well-formed. (line 4",
        ),
        (
            "R:\n  A: 1\n  A: 2\n",
            "Template format error: YAML not well-formed. (line 3, column 3) duplicate key \"A\"",
        ),
        (
            "R: !GetAttr A.B\n",
            "Template format error: YAML not well-formed. (line 1, column 4) unsupported tag !GetAttr",
        ),
        ("R: !!binary aGk=\n", "unsupported tag"),
        ("a: 1\n---\nb: 2\n", "expected a single document"),
        ("a: &a [*a]\n", "YAML not well-formed"),
        ("a: *b\n", "YAML not well-formed"),
        ("? [a]\n: b\n", "a key must be a scalar"),
        ("a: {<<: 5}\n", "a merge key takes"),
        ("a: !Base64 !Sub x\n", "YAML not well-formed"),
        ("- a\n", "Template format error: unsupported structure."),
        ("", "Template format error: unsupported structure."),
        ("a: {b: [1, ~]}\n", "[/a/b/1] 'null' values are not allowed in templates"),
        ("Resources:\n", "[/Resources] 'null' values are not allowed in templates"),
    ] {
        let error = parse(body).unwrap_err();
        assert!(error.message().contains(message), "{body:?}: {error}");
    }
}

#[test]
fn size_and_depth_are_bounded() {
    let large = format!("a: {}\n", "x".repeat(MAX_TEMPLATE_BYTES));
    assert_eq!(parse(&large).unwrap_err().message(), "Template may not exceed 1000000 bytes in size.");
    for open in ["[", "{a: ", "{\"a\": ", "- ", "? "] {
        let body = format!("k: {}", open.repeat(MAX_TEMPLATE_BYTES / open.len() - 10));
        parse(&body).unwrap_err();
        parse(&format!("{{\"k\": {}", open.repeat(100_000))).unwrap_err();
    }
    let deep = |levels: usize| format!("k: {}{}\n", "[".repeat(levels), "]".repeat(levels));
    parse(&deep(98)).unwrap();
    assert!(parse(&deep(101)).unwrap_err().message().contains("more than 100 levels"));
    let deep = |levels: usize| format!("{{\"k\": {}{}}}", "[".repeat(levels), "]".repeat(levels));
    parse(&deep(98)).unwrap();
    assert!(parse(&deep(101)).unwrap_err().message().contains("more than 100 levels"));
}

#[test]
fn sections_and_attributes_are_checked() {
    let resources = "Resources: {Q: {Type: AWS::SQS::Queue}}\n";
    for (body, message) in [
        ("Description: x\n", "Template format error: At least one Resources member must be defined."),
        ("Resources: {}\n", "Template format error: At least one Resources member must be defined."),
        ("Bogus: 1\nOther: 2\n", "Invalid template property or properties [Bogus, Other]"),
        (
            "AWSTemplateFormatVersion: 2011-01-01\n",
            "Template format error: unsupported value for AWSTemplateFormatVersion.",
        ),
        (
            "Transform: AWS::Serverless-2016-10-31\n",
            "Template format error: Transform [AWS::Serverless-2016-10-31] is not supported",
        ),
        ("Hooks: {}\n", "Template format error: the Hooks section is not supported"),
        (
            "Resources: {B: {Properties: {}}}\n",
            "Template format error: [/Resources/B] Every Resources object must contain a Type member.",
        ),
        ("Resources: {B-1: {Type: X}}\n", "Template format error: Resource name B-1 is non alphanumeric."),
        ("Resources: {B: {Type: X, Propertys: {}}}\n", "Invalid template resource property 'Propertys'"),
        (
            "Resources: {B: {Type: X, CreationPolicy: {}}}\n",
            "Template format error: CreationPolicy of resource B is not supported: resources of type X have none",
        ),
        (
            "Resources: {B: {Type: X, UpdatePolicy: {}}}\n",
            "Template format error: UpdatePolicy of resource B is not supported",
        ),
        (
            "Resources: {B: {Type: X, DeletionPolicy: Snapshot}}\n",
            "Template format error: Resource type X does not support DeletionPolicy Snapshot",
        ),
        (
            "Resources: {B: {Type: X, DeletionPolicy: Keep}}\n",
            "Template format error: Unrecognized DeletionPolicy Keep for resource B",
        ),
        (
            "Resources: {B: {Type: X, UpdateReplacePolicy: RetainExceptOnCreate}}\n",
            "Template format error: Unrecognized UpdateReplacePolicy RetainExceptOnCreate for resource B",
        ),
        (
            "Resources: {B: {Type: X, DependsOn: {a: b}}}\n",
            "Template format error: DependsOn must be a string or list of strings.",
        ),
        (
            "Resources: {B: {Type: X, Condition: [a]}}\n",
            "Template format error: Every Condition member must be a string.",
        ),
        (
            "Resources: {'Fn::ForEach::X': [a]}\n",
            "Template error: Fn::ForEach::X requires the AWS::LanguageExtensions transform",
        ),
    ] {
        assert_eq!(refused(body), message, "{body}");
    }
    for (section, message) in [
        ("Parameters: {Q: {Type: String}}", "Template format error: Q names both a parameter and a resource"),
        (
            "Outputs: {O: {Description: x}}",
            "Template format error: Output O is malformed. Every Outputs member must contain a Value object",
        ),
        (
            "Outputs: {O: {Value: x, Export: {}}}",
            "Template format error: Output O is malformed. Every Export member must contain a Name and no more.",
        ),
        (
            "Mappings: {M: {a: b}}",
            "Template format error: [/Mappings/M/a] Every Mappings attribute must be a map",
        ),
        (
            "Mappings: {M: {a: {x86-64: b}}}",
            "Template format error: Mappings attribute name 'x86-64' must contain only alphanumeric characters",
        ),
        (
            "Mappings: {M: {a: {b: {c: d}}}}",
            "Template format error: Every Mappings attribute must be a String or a List.",
        ),
        ("Parameters: {P: {Type: Strin}}", "Template format error: Unrecognized parameter type: Strin"),
        ("Parameters: {P: {Type: String, Foo: 1}}", "Invalid template parameter property 'Foo'"),
        (
            "Parameters: {P: {Default: x}}",
            "Template format error: Every Parameters object must contain a Type member.",
        ),
        (
            "Parameters: {P: {Type: String, Default: [x]}}",
            "Template format error: Every Default member must be a string.",
        ),
        (
            "Parameters: {P: {Type: 'AWS::SSM::Parameter::Value<String>'}}",
            "Template format error: parameter type AWS::SSM::Parameter::Value<String> is not supported: there is no Parameter Store",
        ),
        (
            "Parameters: {P: {Type: Number, AllowedPattern: x}}",
            "Template error: Parameter 'P' AllowedPattern must be on a parameter of type String",
        ),
        (
            "Parameters: {P: {Type: String, MinLength: 3, MaxLength: 2}}",
            "Template error: Parameter 'P' MinLength must be less than MaxLength.",
        ),
        (
            "Parameters: {P: {Type: String, AllowedValues: [a], Default: b}}",
            "Parameter 'P' must be one of AllowedValues",
        ),
        (
            "Parameters: {P: {Type: String, AllowedPattern: 'a)(b'}}",
            "Template error: Parameter 'P' AllowedPattern must be a valid regular expression, without look-around or back-references: a)(b",
        ),
    ] {
        assert_eq!(refused(&format!("{resources}{section}\n")), message, "{section}");
    }
}

#[test]
fn all_malformed_members_are_named_at_once() {
    let message = refused(
        "Resources: {A: {Type: X, Foo: 1}, B: {Type: Y, Bar: 2}}\nOutputs: {O: {Value: x, Baz: 1}}\n",
    );
    assert_eq!(
        message,
        "Invalid template resource property 'Foo'\nInvalid template resource property 'Bar'\n\
         Invalid template output property 'Baz'"
    );
}

#[test]
fn quotas_are_kept() {
    let resources: String = (0..501).map(|n| format!("  R{n}: {{Type: X}}\n")).collect();
    assert_eq!(
        refused(&format!("Resources:\n{resources}")),
        "Template format error: Number of resources, 501, is greater than maximum allowed, 500"
    );
    let description = "x".repeat(1025);
    assert_eq!(
        refused(&format!("Description: {description}\nResources: {{R: {{Type: X}}}}\n")),
        "Template format error: 'Description' length is greater than 1024."
    );
}

#[test]
fn yaml_and_json_templates_are_equal() {
    let json = r#"{"AWSTemplateFormatVersion": "2010-09-09", "Parameters": {"Size": {"Type": "Number", "Default": 3}},
        "Conditions": {"Big": {"Fn::Equals": [{"Ref": "Size"}, "9"]}},
        "Resources": {"Q": {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": 60}, "Condition": "Big"},
                      "P": {"Type": "X", "DependsOn": "Q", "DeletionPolicy": "Retain"}},
        "Outputs": {"Arn": {"Value": {"Fn::GetAtt": ["Q", "Arn"]}, "Export": {"Name": "q"}}}}"#;
    let yaml = "AWSTemplateFormatVersion: 2010-09-09\nParameters:\n  Size: {Type: Number, Default: 3}\n\
        Conditions: {Big: !Equals [!Ref Size, '9']}\nResources:\n  Q:\n    Type: AWS::SQS::Queue\n    Properties:\n      VisibilityTimeout: 60\n    Condition: Big\n\
        \x20 P:\n    Type: X\n    DependsOn: [Q]\n    DeletionPolicy: Retain\nOutputs:\n  Arn:\n    Value: !GetAtt Q.Arn\n    Export: {Name: q}\n";
    let (json, yaml) = (Template::parse(json).unwrap(), Template::parse(yaml).unwrap());
    assert_eq!(Template { body: String::new(), ..json }, Template { body: String::new(), ..yaml });
}
