//! Properties that hold for any input.

use proptest::prelude::*;

use super::super::glob::{self, Case};
use super::super::template::{Syntax, Template};
use super::super::values;
use super::*;

/// Says what `*` and `?` mean, with no thought for speed.
fn naive(pattern: &[char], text: &[char]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some(('*', rest)) => (0..=text.len()).any(|skipped| naive(rest, &text[skipped..])),
        Some((wanted, rest)) => {
            text.split_first().is_some_and(|(c, left)| (*wanted == '?' || wanted == c) && naive(rest, left))
        }
    }
}

fn effect() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("Allow"), Just("Deny")]
}

fn action() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("sqs:SendMessage"), Just("sqs:*"), Just("*"), Just("sqs:ReceiveMessage")]
}

fn pattern_of_resource() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just(QUEUE), Just("*"), Just("arn:aws:sqs"), Just("arn:aws:sqs:*:*:other")]
}

fn named() -> impl Strategy<Value = Value> {
    let named = ["*", ACCOUNT, OTHER, "arn:aws:iam::111122223333:user/team/ana", "AIDAANAANAANAANAANA1"];
    proptest::sample::select(named.to_vec()).prop_map(|principal| json!({"AWS": principal}))
}

prop_compose! {
    fn statement()(effect in effect(), action in action(), resource in pattern_of_resource()) -> Value {
        json!({"Effect": effect, "Action": action, "Resource": resource})
    }
}

fn statements() -> impl Strategy<Value = Vec<Value>> {
    prop::collection::vec(statement(), 1..4)
}

fn kind() -> impl Strategy<Value = PolicyKind> {
    use PolicyKind::{Identity, Managed, Resource, Trust};
    proptest::sample::select(vec![Identity, Managed, Resource, Trust])
}

/// JSON with the words of policies in it, so that it gets past the first check.
fn policy_like() -> impl Strategy<Value = Value> {
    let words = vec![
        "Allow",
        "Deny",
        "*",
        "s3:*",
        "arn:aws:s3:::${aws:username}",
        "${",
        "arn:",
        "2012-10-17",
        "StringLike",
        "203.0.113.0/24",
        "::/129",
        "",
        ":",
        "true",
        "2024-02-30",
        "ForAllValues:Bool",
        "sts:AssumeRole",
        "é*?",
    ];
    let keys = vec![
        "Version",
        "Id",
        "Statement",
        "Sid",
        "Effect",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Principal",
        "NotPrincipal",
        "Condition",
        "AWS",
        "Service",
        "StringLike",
        "DateEquals",
        "NumericEquals",
        "aws:x",
        "Null",
        "IpAddress",
        "ArnLike",
        "BinaryEquals",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        proptest::sample::select(words).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        let key = proptest::sample::select(keys.clone());
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..6)
                .prop_map(|m| { Value::Object(m.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()) }),
        ]
    })
}

proptest! {
    #[test]
    fn wildcards_match_as_the_naive_matcher_does(pattern in "[ab*?é]{0,10}", text in "[abé]{0,12}") {
        let template = Template::parse(&pattern, Syntax { wildcards: true, variables: false }).unwrap();
        let Template::Fixed(pieces) = template else { panic!("no variables") };
        let expected = naive(&pattern.chars().collect::<Vec<_>>(), &text.chars().collect::<Vec<_>>());
        prop_assert_eq!(glob::matches(&pieces, &text, Case::Exact), expected);
        prop_assert_eq!(glob::matches(&pieces, &text.to_uppercase(), Case::Ignore), expected);
    }

    #[test]
    fn any_text_is_answered(text in any::<String>(), kind in kind()) {
        let _ = Policy::parse(&text, kind);
        let _ = values::Number::parse(&text);
        let _ = values::parse_date(&text);
        let _ = values::Network::parse(&text);
        for (wildcards, variables) in [(true, true), (false, true), (true, false)] {
            let _ = Template::parse(&text, Syntax { wildcards, variables });
        }
    }

    #[test]
    fn any_json_is_answered(document in policy_like(), statement in policy_like(), kind in kind()) {
        let _ = Policy::parse(&document.to_string(), kind);
        let _ = Policy::parse(&json!({"Version": "2012-10-17", "Statement": statement}).to_string(), kind);
    }

    #[test]
    fn any_condition_is_answered(
        operator in prop_oneof![
            Just("StringLike"), Just("NumericEquals"), Just("DateLessThan"), Just("IpAddress"), Just("ArnLike"),
            Just("BinaryEquals"), Just("Bool"),
        ],
        value in any::<String>(), given in any::<String>(), resource in any::<String>(),
    ) {
        let condition = json!({operator: {"a:b": value}});
        let statement = json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition});
        let document = json!({"Version": "2012-10-17", "Statement": statement}).to_string();
        let Ok(policy) = Policy::parse(&document, PolicyKind::Identity) else { return Ok(()) };
        let identity = [AttachedPolicy { name: "p".into(), policy: Arc::new(policy) }];
        let (principal, mut context) = (user(), Context::new());
        context.set("a:b", given);
        let request = Request { action: &resource, resource: &resource, ..sending(&principal, &context) };
        let _ = evaluate(&request, &PolicySet { identity: &identity, ..PolicySet::default() });
    }

    /// Whatever else the policies say, one statement that denies decides, wherever it stands.
    #[test]
    fn explicit_deny_always_wins(
        lists in [statements(), statements(), statements(), statements()],
        names in prop::collection::vec(named(), 4),
        place in 0..4usize,
    ) {
        let mut lists = lists;
        lists[place].push(send("Deny"));
        for (statement, name) in lists[3].iter_mut().zip(names.iter().cycle()) {
            statement["Principal"] = name.clone();
        }
        if place == 3 {
            lists[3].last_mut().unwrap()["Principal"] = json!({"AWS": ACCOUNT});
        }
        let [identity_list, boundary, session, resource_list] = lists;
        let identity = identity(Value::from(identity_list));
        let boundary = attached(PolicyKind::Managed, "b", Value::from(boundary));
        let session = [attached(PolicyKind::Identity, "s", Value::from(session))];
        let resource = resource(Value::from(resource_list));
        let policies = PolicySet {
            identity: &identity,
            boundary: Some(&boundary),
            session: Some(&session),
            resource: Some(&resource),
            list: List { allows: true, foreign: false },
        };
        let (principal, context) = (user(), Context::new());
        let request = sending(&principal, &context);
        prop_assert_eq!(evaluate(&request, &policies).kind, DecisionKind::ExplicitDeny);
    }

    /// A boundary never grants: with it no more is allowed than without it.
    #[test]
    fn a_boundary_only_takes_away(identity_list in statements(), boundary in statements()) {
        let identity = identity(Value::from(identity_list));
        let boundary = attached(PolicyKind::Managed, "b", Value::from(boundary));
        let (principal, context) = (user(), Context::new());
        let request = sending(&principal, &context);
        let free = PolicySet { identity: &identity, ..PolicySet::default() };
        let bounded = PolicySet { boundary: Some(&boundary), ..free };
        prop_assert!(!evaluate(&request, &bounded).allowed() || evaluate(&request, &free).allowed());
    }
}
