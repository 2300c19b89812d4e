//! What is said before any resource is made, coercion, names and change sets.

mod template_support;

use ropeway_cloudformation::template::{
    Action, ChangeSource, ChangedAttribute, DeletionPolicy, Evaluation, EvaluationKind, KNOWN_AFTER_APPLY,
    Naming, RANDOM_LENGTH, Recreation, Replacement, Types, check, coerce, diff,
};
use template_support::{TYPES, World, environment, evaluation, json, parse, values};

fn checked(body: &str) -> String {
    check(&parse(body), &TYPES).map_or_else(|error| error.message().to_owned(), |()| String::new())
}

#[test]
fn references_must_hold() {
    let queue = |property: &str| {
        format!("Resources:\n  Q: {{Type: AWS::SQS::Queue, Properties: {{QueueName: {property}}}}}\n")
    };
    let unresolved = |block: &str| {
        format!(
            "Template format error: Unresolved resource dependencies [Nope] in the {block} block of the template"
        )
    };
    for (body, message) in [
        (queue("!Ref Nope"), unresolved("Resources")),
        (queue("!Sub '${Nope}-x'"), unresolved("Resources")),
        (queue("!Sub ['${L}', {L: x}]"), String::new()),
        (queue("!Ref AWS::Nope"), unresolved("Resources").replace("Nope", "AWS::Nope")),
        (queue("!GetAtt Nope.Arn"), "Template error: instance of Fn::GetAtt references undefined resource Nope".to_owned()),
        (queue("!GetAtt Q.Nope"), "Template error: resource Q does not support attribute type Nope in Fn::GetAtt".to_owned()),
        (queue("!If [Nope, a, b]"), "Template error: unresolved condition dependency Nope in Fn::If".to_owned()),
        (queue("!FindInMap [Nope, a, b]"), "Template error: Mapping named 'Nope' is not present in the 'Mappings' section of template.".to_owned()),
        (queue("!ImportValue {Ref: Q}"), "Template error: the attribute in Fn::ImportValue must not depend on any resources, imported values, or Fn::GetAZs".to_owned()),
        (queue("'{{resolve:ssm:x}}'"), "Template error: dynamic references of service ssm are not supported: {{resolve:ssm:x}}".to_owned()),
        ("Resources: {Q: {Type: AWS::SQS::Queue, DependsOn: [Nope]}}\n".to_owned(), unresolved("Resources")),
        ("Resources: {Q: {Type: AWS::SQS::Queue, Condition: Nope}}\n".to_owned(), "Template format error: Unresolved condition dependency Nope in the Resources block of the template".to_owned()),
        ("Resources: {Q: {Type: AWS::SQS::Queue}}\nOutputs: {O: {Value: !Ref Nope}}\n".to_owned(), unresolved("Outputs")),
        ("Resources: {Q: {Type: AWS::SQS::Queue}}\nOutputs: {O: {Value: a, Export: {Name: !GetAtt Q.Arn}}}\n".to_owned(), "Template format error: Output O is malformed. The Name field of every Export member must not depend on any resources, imported values, or Fn::GetAZs".to_owned()),
    ] {
        assert_eq!(checked(&body), message, "{body}");
    }
}

#[test]
fn everything_unsupported_is_named_at_once_with_its_line() {
    let body = "Resources:
  A: {Type: AWS::EC2::VPC}
  B: {Type: AWS::EC2::Subnet}
  Q:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: soon
      Encrypted: true
      Tags:
        - Key: a
          Bogus: !Ref Q
  S:
    Type: AWS::SNS::Subscription
    Properties: {Protocol: !If [Never, [a], sqs], Endpoint: !GetAtt Q.Arn}
  D:
    Type: AWS::SQS::Queue
    Properties: {RedrivePolicy: text, Tags: {}}
Conditions: {Never: !Equals [a, b]}
";
    assert_eq!(
        checked(body),
        "Template format error: Unrecognized resource types: [AWS::EC2::Subnet, AWS::EC2::VPC]\n\
         Properties validation failed for resource Q with message:\n\
         #/VisibilityTimeout: expected type: Integer, found: String (line 7)\n\
         #: extraneous key [Encrypted] is not permitted (line 8)\n\
         #/Tags/0: extraneous key [Bogus] is not permitted (line 11)\n\
         #/Tags/0: required key [Value] not found (line 10)\n\
         Properties validation failed for resource S with message:\n\
         #/Protocol: expected type: String, found: JSONArray (line 14)\n\
         #: required key [TopicArn] not found (line 14)\n\
         Properties validation failed for resource D with message:\n\
         #/RedrivePolicy: expected type: JSONObject, found: String (line 17)\n\
         #/Tags: expected type: JSONArray, found: JSONObject (line 17)"
    );
    let same_in_json = r#"{"Resources": {"Q": {"Type": "AWS::SQS::Queue",
        "Properties": {"Nope": 1}}}}"#;
    assert!(checked(same_in_json).ends_with("#: extraneous key [Nope] is not permitted (line 2)"));
}

#[test]
fn scalars_are_coerced_to_the_kind_of_the_property() {
    let queue = TYPES.resource_type("AWS::SQS::Queue").unwrap();
    let given = json(
        r#"{"QueueName": 5, "VisibilityTimeout": "30", "FifoQueue": "TRUE", "RedrivePolicy": "{\"a\": 1}",
                        "Tags": [{"Key": true, "Value": 1.50}]}"#,
    );
    let coerced = coerce(queue, "Q", given.as_map().unwrap()).unwrap();
    let expected = json(
        r#"{"QueueName": "5", "VisibilityTimeout": 30, "FifoQueue": true, "RedrivePolicy": {"a": 1},
                           "Tags": [{"Key": "true", "Value": "1.50"}]}"#,
    );
    assert_eq!(&coerced, expected.as_map().unwrap());
    let wrong = json(r#"{"QueueName": ["a"], "VisibilityTimeout": 1.5, "FifoQueue": 1}"#);
    assert_eq!(
        coerce(queue, "Q", wrong.as_map().unwrap()).unwrap_err().message(),
        "Properties validation failed for resource Q with message:\n\
         #/QueueName: expected type: String, found: JSONArray\n\
         #/VisibilityTimeout: expected type: Integer, found: BigDecimal\n\
         #/FifoQueue: expected type: Boolean, found: Integer"
    );
}

#[test]
fn cycles_are_named() {
    let cycle = |resources: &str| {
        let template = parse(&format!("Resources:\n{resources}"));
        Evaluation::new(&template, environment(), &values(&[])).unwrap_err().message().to_owned()
    };
    assert_eq!(
        cycle(
            "  A: {Type: T, DependsOn: B}\n  B: {Type: T, Properties: {P: !Sub '${A.Arn}'}}\n  C: {Type: T, DependsOn: A}\n  D: {Type: T}\n  E: {Type: T, DependsOn: D}\n"
        ),
        "Circular dependency between resources: [A, B]"
    );
    assert_eq!(
        cycle("  A: {Type: T, Properties: {P: !Ref A}}\n"),
        "Circular dependency between resources: [A]"
    );
}

#[test]
fn names_are_generated_within_the_limits_of_their_type() {
    let random = "A1b2C3d4E5f6";
    assert_eq!(random.len(), RANDOM_LENGTH);
    assert_eq!(Naming::new(80).physical_id("shop", "Queue", random, ".fifo"), "shop-Queue-A1b2C3d4E5f6.fifo");
    let bucket = Naming::new(63).lower_case();
    assert_eq!(bucket.physical_id("Shop", "ArchiveBucket", random, ""), "shop-archivebucket-a1b2c3d4e5f6");
    for (stack, logical) in [
        ("s".repeat(128), "Id".to_owned()),
        ("s".to_owned(), "L".repeat(255)),
        ("s".repeat(128), "L".repeat(255)),
    ] {
        let name = Naming::new(64).physical_id(&stack, &logical, random, "");
        assert_eq!(name.len(), 64, "{name}");
        assert!(name.ends_with("-A1b2C3d4E5f6"));
    }
    assert_eq!(
        Naming::new(30).physical_id("a-very-long-name", "LogicalIdentifier", random, ""),
        "a-very-l-LogicalI-A1b2C3d4E5f6"
    );
}

const BEFORE: &str = "Parameters: {Name: {Type: String, Default: one}, Wait: {Type: Number, Default: 5}}
Resources:
  Topic: {Type: AWS::SNS::Topic, Properties: {TopicName: !Ref Name}}
  Queue: {Type: AWS::SQS::Queue, Properties: {VisibilityTimeout: !Ref Wait}}
  Link:
    Type: AWS::SNS::Subscription
    Properties: {TopicArn: !Ref Topic, Protocol: sqs, Endpoint: !GetAtt Queue.Arn}
  Old: {Type: AWS::S3::Bucket, DeletionPolicy: Retain, DependsOn: Older}
  Older: {Type: AWS::S3::Bucket}
";

#[test]
fn an_unchanged_template_changes_nothing() {
    let world = World::with(&["Topic", "Queue", "Link", "Old", "Older"]);
    let (before, same) = (parse(BEFORE), parse(&BEFORE.replace("Default: 5", "Default: '5'")));
    assert_eq!(diff(&evaluation(&before, &[]), &evaluation(&same, &[]), &TYPES, &world).unwrap(), []);
}

#[test]
fn a_replaced_resource_may_replace_what_refers_to_it() {
    let world = World::with(&["Topic", "Queue", "Link", "Old", "Older"]);
    let (before, after) = (parse(BEFORE), parse(BEFORE));
    let (old, new) = (evaluation(&before, &[]), evaluation(&after, &[("Name", "two")]));
    let changes = diff(&old, &new, &TYPES, &world).unwrap();
    let [topic, link] = changes.as_slice() else { panic!("{changes:#?}") };
    assert_eq!((topic.logical_id.as_str(), topic.replacement), ("Topic", Some(Replacement::True)));
    assert_eq!(topic.policy, Some(DeletionPolicy::Delete));
    let [detail] = topic.details.as_slice() else { panic!("{topic:#?}") };
    assert_eq!(detail.source, ChangeSource::ParameterReference);
    assert_eq!((detail.name.as_deref(), detail.causing_entity.as_deref()), (Some("TopicName"), Some("Name")));
    assert_eq!((detail.before.clone(), detail.after.clone()), (Some("one".into()), Some("two".into())));
    assert_eq!((detail.requires_recreation, detail.evaluation), (Recreation::Always, EvaluationKind::Static));
    assert_eq!((link.logical_id.as_str(), link.replacement), ("Link", Some(Replacement::Conditional)));
    let [detail] = link.details.as_slice() else { panic!("{link:#?}") };
    assert_eq!(detail.source, ChangeSource::ResourceReference);
    assert_eq!(
        (detail.evaluation, detail.after.clone()),
        (EvaluationKind::Dynamic, Some(KNOWN_AFTER_APPLY.into()))
    );
}

#[test]
fn additions_modifications_and_removals_come_in_order() {
    use ChangeSource::{DirectModification, ResourceAttribute};
    let world = World::with(&["Topic", "Queue", "Link", "Old", "Older"]);
    let before = parse(BEFORE);
    let after = parse(
        "Parameters: {Name: {Type: String, Default: one}}
Resources:
  Topic: {Type: AWS::SNS::Topic, DeletionPolicy: Retain, Properties: {TopicName: !Ref Name, DisplayName: Hi}}
  Queue: {Type: AWS::SQS::Queue, Properties: {VisibilityTimeout: 9}}
  Fresh: {Type: AWS::SQS::Queue}
  Link:
    Type: AWS::SNS::Subscription
    Metadata: !Select [4, !Split [':', !Ref Fresh]]
    Properties: {TopicArn: !Ref Topic, Protocol: sqs, Endpoint: !Select [0, !Split [':', !GetAtt Fresh.Arn]]}
",
    );
    let changes = diff(&evaluation(&before, &[]), &evaluation(&after, &[]), &TYPES, &world).unwrap();
    let seen: Vec<_> =
        changes.iter().map(|c| (c.action, c.logical_id.as_str(), c.replacement, c.policy)).collect();
    assert_eq!(
        seen,
        [
            (Action::Add, "Fresh", None, None),
            (Action::Modify, "Queue", Some(Replacement::False), None),
            (Action::Modify, "Topic", Some(Replacement::False), None),
            (Action::Modify, "Link", Some(Replacement::Conditional), Some(DeletionPolicy::Delete)),
            (Action::Remove, "Old", None, Some(DeletionPolicy::Retain)),
            (Action::Remove, "Older", None, Some(DeletionPolicy::Delete)),
        ]
    );
    let attributes: Vec<_> = changes[2].details.iter().map(|detail| detail.attribute).collect();
    assert_eq!(attributes, [ChangedAttribute::Properties, ChangedAttribute::DeletionPolicy]);
    let sources: Vec<_> = changes[3].details.iter().map(|detail| detail.source).collect();
    assert_eq!(sources, [DirectModification, ResourceAttribute, DirectModification]);
    assert_eq!(changes[3].details[2].after, Some(KNOWN_AFTER_APPLY.into()));
    assert_eq!(changes[3].details[1].causing_entity.as_deref(), Some("Fresh.Arn"));
}

#[test]
fn a_resource_cannot_change_its_type() {
    let (before, after) = (
        parse("Resources: {A: {Type: AWS::SQS::Queue}}\n"),
        parse("Resources: {A: {Type: AWS::SNS::Topic}}\n"),
    );
    let error =
        diff(&evaluation(&before, &[]), &evaluation(&after, &[]), &TYPES, &World::default()).unwrap_err();
    assert_eq!(
        error.message(),
        "Update of resource type is not permitted. The new template modifies resource type of the following resources: [A]"
    );
}
