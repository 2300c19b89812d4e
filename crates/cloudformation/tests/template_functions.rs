//! Intrinsic functions, conditions, parameters and outputs.

mod template_support;

use ropeway_cloudformation::template::{Evaluation, Template, Value};
use template_support::{World, environment, evaluation, json, parse, values};

const HEAD: &str = "Parameters:
  Env: {Type: String, Default: dev}
  Subnets: {Type: CommaDelimitedList, Default: 'subnet-1, subnet-2,subnet-3'}
  Ports: {Type: List<Number>, Default: '80,443'}
Mappings:
  Zones:
    eu-west-1: {Ami: ami-west, Size: 3, List: [a, b]}
Conditions:
  Prod: !Equals [!Ref Env, prod]
  Dev: !Not [!Condition Prod]
  Both: !And [!Condition Prod, !Condition Dev]
  Either: !Or [!Condition Prod, !Condition Dev]
  West: !Equals [!FindInMap [Zones, !Ref 'AWS::Region', Ami], ami-west]
  Truth: !Equals [true, 'true']
Resources:
  Other: {Type: T}
";

/// What a property with this expression evaluates to.
fn value(expression: &str) -> Result<Option<Value>, String> {
    let body = format!("{HEAD}  R:\n    Type: T\n    Properties:\n      P: {expression}\n");
    let template = Template::parse(&body).map_err(|error| error.message().to_owned())?;
    let evaluation = Evaluation::new(&template, environment(), &values(&[]))
        .map_err(|error| error.message().to_owned())?;
    let mut world = World::with(&["Other"]);
    world.exports.insert("shared".to_owned(), "imported".to_owned());
    world
        .attributes
        .insert(("Other".to_owned(), "Servers".to_owned()), Value::List(vec!["ns1".into(), "ns2".into()]));
    let properties = evaluation.properties("R", &world).map_err(|error| error.message().to_owned())?;
    Ok(properties.get("P").cloned())
}

#[test]
fn functions_give_what_they_document() {
    for (expression, expected) in [
        ("!Ref Env", r#""dev""#),
        ("!Ref Other", r#""Other-physical""#),
        ("!Ref Subnets", r#"["subnet-1", "subnet-2", "subnet-3"]"#),
        ("!Ref Ports", r#"["80", "443"]"#),
        ("!Ref AWS::AccountId", r#""123456789012""#),
        ("!Ref AWS::Partition", r#""aws""#),
        ("!Ref AWS::URLSuffix", r#""amazonaws.com""#),
        ("!Ref AWS::StackName", r#""shop""#),
        ("!Ref AWS::NotificationARNs", r#"["arn:aws:sns:eu-west-1:123456789012:events"]"#),
        ("!GetAtt Other.Arn", r#""arn:aws:test:::Other""#),
        ("{'Fn::GetAtt': Other.Arn}", r#""arn:aws:test:::Other""#),
        ("{'Fn::GetAtt': [Other, !Select [1, [x, Arn]]]}", r#""arn:aws:test:::Other""#),
        (
            "!Sub '${Env}-${Other}-${Other.Arn}-${AWS::Region}-${!Env}-${'",
            r#""dev-Other-physical-arn:aws:test:::Other-eu-west-1-${Env}-${""#,
        ),
        ("!Sub ['${A}/${Env}/${B}', {A: !Ref Other, B: 5}]", r#""Other-physical/dev/5""#),
        ("!Join ['-', [a, 1, true, !Ref Env, !Ref 'AWS::NoValue']]", r#""a-1-true-dev""#),
        ("!Join [',', !Ref Subnets]", r#""subnet-1,subnet-2,subnet-3""#),
        ("!Join ['', []]", r#""""#),
        ("!Select ['2', !Ref Subnets]", r#""subnet-3""#),
        ("!Select [1, !GetAtt Other.Servers]", r#""ns2""#),
        ("!Split [',', 'a,b,,c']", r#"["a", "b", "", "c"]"#),
        ("!Select [5, !Split [':', !GetAtt Other.Arn]]", r#""Other""#),
        ("!FindInMap [Zones, !Ref 'AWS::Region', Size]", "3"),
        ("!FindInMap [Zones, eu-west-1, List]", r#"["a", "b"]"#),
        ("!Base64 hello world", r#""aGVsbG8gd29ybGQ=""#),
        ("!GetAZs ''", r#"["eu-west-1a", "eu-west-1b", "eu-west-1c"]"#),
        ("!GetAZs us-east-1", r#"["us-east-1a", "us-east-1b", "us-east-1c"]"#),
        ("!ImportValue {'Fn::Sub': 'shared'}", r#""imported""#),
        ("!If [Prod, big, small]", r#""small""#),
        ("!If [West, {A: !Ref Env}, x]", r#"{"A": "dev"}"#),
        ("!If [Both, a, !If [Either, b, c]]", r#""b""#),
        ("!If [Truth, a, b]", r#""a""#),
        ("[a, !If [Prod, b, !Ref 'AWS::NoValue'], c]", r#"["a", "c"]"#),
        ("{K: 1, D: !If [Prod, x, !Ref 'AWS::NoValue']}", r#"{"K": 1}"#),
        ("{Condition: {StringEquals: {a: !Ref Env}}}", r#"{"Condition": {"StringEquals": {"a": "dev"}}}"#),
        ("!Cidr ['192.168.0.0/24', 3, 5]", r#"["192.168.0.0/27", "192.168.0.32/27", "192.168.0.64/27"]"#),
        ("!Cidr ['10.0.7.9/16', '2', '8']", r#"["10.0.0.0/24", "10.0.1.0/24"]"#),
        ("!Cidr ['0.0.0.0/0', 2, 31]", r#"["0.0.0.0/1", "128.0.0.0/1"]"#),
        (
            "!Cidr ['2600:1f18:abc:de00::/56', 2, 64]",
            r#"["2600:1f18:abc:de00::/64", "2600:1f18:abc:de01::/64"]"#,
        ),
    ] {
        assert_eq!(value(expression), Ok(Some(json(expected))), "{expression}");
    }
    assert_eq!(value("!Ref AWS::NoValue"), Ok(None));
}

#[test]
fn functions_refuse_what_they_cannot_do() {
    for (expression, message) in [
        ("!Ref Nope", "Unresolved resource dependencies [Nope] in the Resources block of the template"),
        ("!Ref [a]", "All Ref's must be of type string"),
        (
            "!GetAtt Other",
            "every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource attribute",
        ),
        (
            "!GetAtt Other.Nope",
            "Template error: resource Other does not support attribute type Nope in Fn::GetAtt",
        ),
        ("!GetAtt Nope.Arn", "Template error: instance of Fn::GetAtt references undefined resource Nope"),
        ("!Sub [1]", "One or more Fn::Sub intrinsic functions don't specify expected arguments."),
        ("!Sub '${a b}'", "variable names in Fn::Sub syntax must contain only alphanumeric characters"),
        ("!Sub '${}'", "variable names in Fn::Sub syntax must contain only alphanumeric characters"),
        ("!Sub '${Subnets}'", "Fn::Sub variable Subnets must resolve to a string"),
        ("!Join [a]", "every Fn::Join object requires two parameters"),
        ("!Join [a, [[b]]]", "every Fn::Join object requires two parameters"),
        ("!Select [3, [a, b]]", "Template error: Fn::Select cannot select nonexistent value at index 3"),
        (
            "!Select [x, [a]]",
            "Fn::Select requires a list argument with two elements: an integer index and a list",
        ),
        ("!Select [-1, [a]]", "Fn::Select requires a list argument with two elements"),
        ("!Split ['', a]", "every Fn::Split object requires two parameters"),
        ("!FindInMap [Zones, a]", "every Fn::FindInMap object requires three parameters"),
        (
            "!FindInMap [Nope, a, b]",
            "Mapping named 'Nope' is not present in the 'Mappings' section of template.",
        ),
        (
            "!FindInMap [Zones, us-east-1, Ami]",
            "Template error: Unable to get mapping for Zones::us-east-1::Ami",
        ),
        ("!FindInMap [Zones, a, b, {Default: c}]", "every Fn::FindInMap object requires three parameters"),
        ("!Base64 [a]", "every Fn::Base64 object must have a String-typed value."),
        ("!Cidr ['10.0.0.0/24', 9, 5]", "Fn::Cidr cannot fit 9 blocks with 5 CIDR bits in 10.0.0.0/24"),
        ("!Cidr ['10.0.0.0/24', 1, 16]", "Fn::Cidr cannot fit 1 blocks with 16 CIDR bits"),
        ("!Cidr ['10.0.0.0/16', 0, 8]", "count must be an integer between 1 and 256"),
        ("!Cidr ['10.0.0/16', 1, 8]", "ipBlock 10.0.0/16 is not a valid CIDR block"),
        ("!Cidr ['10.0.0.0/16', 1]", "every Fn::Cidr object requires three parameters"),
        ("!ImportValue nope", "No export named nope found."),
        ("!If [Nope, a, b]", "Template error: unresolved condition dependency Nope in Fn::If"),
        ("!If [Prod, a]", "Fn::If requires a list argument with three elements"),
        ("!If [[a], a, b]", "Fn::If requires a list argument with the first element being a condition"),
        ("!Equals [a, b]", "are only allowed in the Conditions block of the template"),
        ("{'Fn::Nope': a}", "Template error: Encountered unsupported function: Fn::Nope"),
        ("{'Fn::Join': [a, [b]], K: 1}", "Template error: Fn::Join must be the only key of its object"),
        ("{'Fn::Length': a}", "Template error: Fn::Length requires a list"),
        ("{'Fn::ToJsonString': a}", "Template error: Fn::ToJsonString requires an object or a list"),
        ("{'Fn::ForEach::X': [a]}", "Template error: Fn::ForEach requires the AWS::LanguageExtensions"),
        ("!Transform {Name: X}", "Template error: Fn::Transform is not supported"),
        (
            "'{{resolve:ssm:/a/b:1}}'",
            "Template error: dynamic references of service ssm are not supported: {{resolve:ssm:/a/b:1}}",
        ),
        (
            "!Join ['', ['{{resolve:', 'secretsmanager:x}}']]",
            "dynamic references of service secretsmanager are not supported",
        ),
    ] {
        let error = value(expression).unwrap_err();
        assert!(error.contains(message), "{expression}: {error}");
    }
}

#[test]
fn results_that_multiply_are_bounded() {
    let mut expression = "'0123456789'".to_owned();
    for _ in 0..30 {
        expression = format!("{{'Fn::Sub': ['${{A}}${{A}}${{A}}', {{A: {expression}}}]}}");
    }
    assert!(value(&expression).unwrap_err().contains("takes more than 8388608 bytes"));
}

#[test]
fn conditions_are_checked() {
    for (conditions, message) in [
        (
            "A: yes",
            "Template format error: Conditions can only be boolean operations on parameters and other conditions",
        ),
        (
            "A: !And [!Equals [a, a]]",
            "Template error: every Fn::And object requires a list of at least 2 and at most 10 boolean parameters.",
        ),
        (
            "A: !Not [!Equals [a, a], !Equals [a, a]]",
            "Template error: Fn::Not requires a list argument with one element",
        ),
        ("A: !Equals [a]", "Template error: Fn::Equals requires a list argument with two elements"),
        ("A: !Not [!Condition B]", "Template error: unresolved condition dependency B in Condition"),
        (
            "A: !Not [!Condition B]\n  B: !Not [!Condition A]",
            "Template error: Found circular condition dependency between A and B",
        ),
        (
            "A: !Equals [!Ref R, x]",
            "Template format error: Unresolved dependencies [R]. Cannot reference resources in the Conditions block of the template",
        ),
        ("A: !Equals [!ImportValue x, x]", "Template error: Cannot use Fn::ImportValue in Conditions."),
    ] {
        let template = parse(&format!("Conditions:\n  {conditions}\nResources: {{R: {{Type: T}}}}\n"));
        let error = Evaluation::new(&template, environment(), &values(&[])).unwrap_err();
        assert_eq!(error.message(), message);
    }
}

#[test]
fn a_long_chain_of_conditions_needs_no_stack() {
    let mut body = "Resources: {R: {Type: T}}\nConditions:\n  C0: !Equals [a, a]\n".to_owned();
    for n in 1..5_000 {
        body.push_str(&format!("  C{n}: !Not [!Condition C{}]\n", n - 1));
    }
    let template = parse(&body);
    assert!(!evaluation(&template, &[]).conditions()["C4999"]);
}

#[test]
fn parameters_are_bound_and_checked() {
    let body = "Parameters:
  Name: {Type: String, MinLength: 2, MaxLength: 4, AllowedPattern: '[a-z]+'}
  Kind: {Type: String, AllowedValues: [on, off, 5], Default: on}
  Count: {Type: Number, MinValue: 1, MaxValue: 10.5, Default: 2}
  Ports: {Type: List<Number>, Default: '1,2'}
  Vpc: {Type: 'AWS::EC2::VPC::Id', Default: vpc-1}
  Nets: {Type: 'List<AWS::EC2::Subnet::Id>', Default: ''}
  Secret: {Type: String, AllowedPattern: '[0-9]*', ConstraintDescription: must be digits., Default: '', NoEcho: true}
Resources: {R: {Type: T}}
";
    let template = parse(body);
    assert!(template.parameters["Secret"].no_echo);
    let bound = evaluation(&template, &[("Name", "abc"), ("Count", "10.5")]);
    assert_eq!(bound.parameters()["Kind"], "true".into());
    assert_eq!(bound.parameters()["Count"], "10.5".into());
    assert_eq!(bound.parameters()["Nets"], json(r#"[""]"#));
    for (given, message) in [
        (vec![], "Parameters: [Name] must have values"),
        (vec![("Name", "abc"), ("X", "1"), ("Y", "1")], "Parameters: [X, Y] do not exist in the template"),
        (vec![("Name", "a")], "Parameter 'Name' must contain at least 2 characters"),
        (vec![("Name", "abcde")], "Parameter 'Name' must contain at most 4 characters"),
        (vec![("Name", "ab1")], "Parameter 'Name' must match pattern [a-z]+"),
        (vec![("Name", "ab\n")], "Parameter 'Name' must match pattern [a-z]+"),
        (vec![("Name", "abc"), ("Kind", "maybe")], "Parameter 'Kind' must be one of AllowedValues"),
        (vec![("Name", "abc"), ("Count", "x")], "Parameter 'Count' must be a number"),
        (vec![("Name", "abc"), ("Count", "0")], "Parameter 'Count' must be a number not less than 1"),
        (vec![("Name", "abc"), ("Count", "11")], "Parameter 'Count' must be a number not greater than 10.5"),
        (vec![("Name", "abc"), ("Ports", "1,x")], "Parameter 'Ports' must be a number"),
        (
            vec![("Name", "abc"), ("Secret", "x")],
            "Parameter Secret failed to satisfy constraint: must be digits.",
        ),
        (
            vec![("Name", "a"), ("Count", "x")],
            "Parameter 'Name' must contain at least 2 characters\nParameter 'Count' must be a number",
        ),
    ] {
        let error = Evaluation::new(&template, environment(), &values(&given)).unwrap_err();
        assert_eq!(error.message(), message);
    }
}

#[test]
fn conditions_decide_resources_outputs_and_dependencies() {
    let body = "Parameters: {Env: {Type: String, Default: dev}}
Conditions: {Prod: !Equals [!Ref Env, prod]}
Resources:
  Always: {Type: T, DependsOn: Only, Properties: {A: !If [Prod, !Ref Only, none]}}
  Only: {Type: T, Condition: Prod}
Outputs:
  One: {Value: !Ref Only, Condition: Prod}
  Two: {Value: !Sub '${Always}!', Description: text, Export: {Name: !Sub '${AWS::StackName}:two'}}
  Three: {Value: 5}
";
    let template = parse(body);
    let dev = evaluation(&template, &[]);
    assert_eq!(dev.creation_order(), ["Always"]);
    let outputs = dev.outputs(&World::with(&["Always"])).unwrap();
    let seen: Vec<_> =
        outputs.iter().map(|o| (o.key.as_str(), o.value.as_str(), o.export_name.as_deref())).collect();
    assert_eq!(seen, [("Two", "Always-physical!", Some("shop:two")), ("Three", "5", None)]);
    let prod = evaluation(&template, &[("Env", "prod")]);
    assert_eq!(prod.creation_order(), ["Only", "Always"]);
    assert_eq!(prod.outputs(&World::with(&["Always", "Only"])).unwrap().len(), 3);
}

#[test]
fn what_a_condition_leaves_out_cannot_be_referred_to() {
    let head = "Conditions: {Never: !Equals [a, b]}\nResources:\n  Gone: {Type: T, Condition: Never}\n";
    for (rest, block) in [
        ("  R: {Type: T, Properties: {A: !Ref Gone}}\n", "Resources"),
        ("  R: {Type: T, Properties: {A: !Sub '${Gone.Arn}'}}\n", "Resources"),
        ("  R: {Type: T}\nOutputs: {O: {Value: !Ref Gone}}\n", "Outputs"),
    ] {
        let template = parse(&format!("{head}{rest}"));
        let error = Evaluation::new(&template, environment(), &values(&[])).unwrap_err();
        assert_eq!(
            error.message(),
            format!(
                "Template format error: Unresolved resource dependencies [Gone] in the {block} block of the template"
            )
        );
    }
}

#[test]
fn outputs_are_strings_and_exports_unique() {
    let output = |outputs: &str| {
        let template = parse(&format!("Resources: {{R: {{Type: T}}}}\nOutputs: {outputs}\n"));
        evaluation(&template, &[]).outputs(&World::with(&["R"])).unwrap_err().message().to_owned()
    };
    assert!(output("{O: {Value: [a]}}").contains("must evaluate to a String"));
    assert!(
        output("{O: {Value: a, Export: {Name: 'a b'}}}").contains("consist only of alphanumeric characters")
    );
    assert_eq!(
        output("{O: {Value: a, Export: {Name: x}}, P: {Value: b, Export: {Name: x}}}"),
        "Template error: Duplicate Export names: [x]"
    );
}

#[test]
fn the_deepest_templates_evaluate() {
    let mut expression = "x".to_owned();
    for _ in 0..45 {
        expression = format!("!If [West, {expression}, y]");
    }
    assert_eq!(value(&expression), Ok(Some("x".into())));
    let lists = format!("{}{}", "[".repeat(95), "]".repeat(95));
    assert!(value(&lists).is_ok());
}

#[test]
fn long_names_make_no_long_messages() {
    let name = "x".repeat(500_000);
    let error = value(&format!("!Ref {name}")).unwrap_err();
    assert!(error.len() < 20_000);
}
