//! Which documents are accepted, and in which words the others are refused.

use super::*;

fn error(kind: PolicyKind, document: Value) -> String {
    match Policy::parse(&document.to_string(), kind) {
        Ok(_) => "accepted".to_owned(),
        Err(error) => error.to_string(),
    }
}

fn statement_error(kind: PolicyKind, statement: Value) -> String {
    error(kind, json!({"Version": "2012-10-17", "Statement": [statement]}))
}

const SYNTAX: &str = "Syntax errors in policy.";

#[test]
fn syntax() {
    let good = || json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*"});
    let with = |field: &str, value: Value| {
        let mut statement = good();
        statement[field] = value;
        json!({"Version": "2012-10-17", "Statement": statement})
    };
    let table = [
        json!({}),
        json!([]),
        json!("policy"),
        json!({"Version": "2012-10-17"}),
        json!({"Version": "2012-10-17", "Statement": []}),
        json!({"Version": "2013-10-17", "Statement": good()}),
        json!({"Version": 2012, "Statement": good()}),
        json!({"Version": null, "Statement": good()}),
        json!({"Statement": good(), "Extra": 1}),
        json!({"Statement": {"Action": "s3:*", "Resource": "*"}}),
        with("Effect", json!("allow")),
        with("Effect", json!("Perhaps")),
        with("Sid", json!(1)),
        with("Actions", json!("s3:*")),
        with("NotAction", json!("s3:*")),
        with("NotResource", json!("*")),
        with("Action", json!({"a": "b"})),
        with("Action", json!([["s3:*"]])),
        with("Action", json!("s3:Get Object")),
        with("Action", json!("s3:")),
        with("Resource", json!(7)),
        with("Resource", json!("arn:aws:s3:::${aws:username")),
        with("Resource", json!("arn:aws:s3:::${username}")),
        with("Resource", json!("arn:aws:s3:::${aws:username, ana}")),
        with("Condition", json!(null)),
        with("Condition", json!([])),
        with("Condition", json!({"StringEquals": "x"})),
        with("Condition", json!({"StringEquals": {"aws:x": {}}})),
        with("Condition", json!({"StringEquals": {"aws:x": null}})),
        with("Condition", json!({"StringEquals": {"aws:x": [["y"]]}})),
        with("Condition", json!({"StringMatches": {"aws:x": "y"}})),
        with("Condition", json!({"StringMatches": {}})),
        with("Condition", json!({"ForSomeValues:StringEquals": {"aws:x": "y"}})),
        with("Condition", json!({"NullIfExists": {"aws:x": "true"}})),
        with("Condition", json!({"NumericEquals": {"aws:x": "ten"}})),
        with("Condition", json!({"NumericEquals": {"aws:x": "${aws:username}"}})),
        with("Condition", json!({"DateEquals": {"aws:x": "2024-13-01"}})),
        with("Condition", json!({"Bool": {"aws:x": "yes"}})),
        with("Condition", json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/33"}})),
        with("Condition", json!({"BinaryEquals": {"aws:x": "%"}})),
        with("Condition", json!({"ArnLike": {"aws:SourceArn": "arn:aws:sns"}})),
    ];
    for document in table {
        assert_eq!(error(PolicyKind::Identity, document.clone()), SYNTAX, "{document}");
    }
    assert_eq!(error(PolicyKind::Identity, with("Sid", json!("S1"))), "accepted");
}

#[test]
fn duplicate_keys_are_refused() {
    for json in [
        r#"{"Statement":[], "Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#,
        r#"{"Statement":{"Effect":"Deny","Effect":"Allow","Action":"*","Resource":"*"}}"#,
        r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"a:b":"true"},"Bool":{}}}}"#,
        r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"a:b":"true","a:b":"false"}}}}"#,
    ] {
        assert_eq!(Policy::parse(json, PolicyKind::Identity).unwrap_err().to_string(), SYNTAX, "{json}");
    }
}

#[test]
fn size_and_depth_are_bounded() {
    let long = " ".repeat(MAX_POLICY_BYTES + 1);
    assert_eq!(Policy::parse(&long, PolicyKind::Identity).unwrap_err(), PolicyError::TooLarge);
    let deep = format!(r#"{{"Statement":{}"#, "[".repeat(100_000));
    assert_eq!(Policy::parse(&deep, PolicyKind::Identity).unwrap_err().to_string(), SYNTAX);
}

/// IAM's messages for identity-based policies, as it answers them from `CreatePolicy` and `PutUserPolicy`.
#[test]
fn identity_policies() {
    let table = [
        (json!({"Effect": "Allow", "Resource": "*"}), "Policy statement must contain actions."),
        (json!({"Effect": "Allow", "Action": [], "Resource": "*"}), "Policy statement must contain actions."),
        (json!({"Effect": "Allow", "Action": "s3:*"}), "Policy statement must contain resources."),
        (
            json!({"Effect": "Allow", "Action": "s3:*", "Resource": []}),
            "Policy statement must contain resources.",
        ),
        (
            json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Principal": "*"}),
            "Policy document should not specify a principal.",
        ),
        (
            json!({"Effect": "Allow", "Action": "invalid", "Resource": "*"}),
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
        ),
        (
            json!({"Effect": "Allow", "Action": "a:b:c", "Resource": "*"}),
            "Actions/Condition can contain only one colon.",
        ),
        (json!({"Effect": "Allow", "Action": "a a:List", "Resource": "*"}), "Vendor a a is not valid"),
        (json!({"Effect": "Allow", "Action": "s*:List", "Resource": "*"}), "Vendor s* is not valid"),
        (
            json!({"Effect": "Allow", "Action": "s3:*", "Resource": "bucket"}),
            "Resource bucket must be in ARN format or \"*\".",
        ),
        (
            json!({"Effect": "Allow", "Action": "s3:*", "Resource": "arn:error:s3::example"}),
            "Partition \"error\" is not valid for resource \"arn:error:s3::example:*\".",
        ),
        (
            json!({"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws"}),
            "Resource vendor must be fully qualified and cannot contain regexes.",
        ),
        (
            json!({"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:*:::x"}),
            "Resource vendor must be fully qualified and cannot contain regexes.",
        ),
        (
            json!({"Sid": "a-b", "Effect": "Allow", "Action": "s3:*", "Resource": "*"}),
            "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression \
             [0-9A-Za-z]*",
        ),
        (
            json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": {"Bool": {"Secure": "true"}}}),
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
        ),
        (json!({"Effect": "Allow", "Action": ["*", "*:*"], "Resource": "arn:aws:sqs"}), "accepted"),
    ];
    for (statement, expected) in table {
        assert_eq!(statement_error(PolicyKind::Identity, statement.clone()), expected, "{statement}");
    }
    let twice = json!({"Sid": "S", "Effect": "Allow", "Action": "s3:*", "Resource": "*"});
    let document = json!({"Version": "2012-10-17", "Statement": [twice, twice]});
    assert_eq!(
        error(PolicyKind::Identity, document),
        "Statement IDs (SID) in a single policy must be unique."
    );
}

#[test]
fn managed_policies_are_of_the_current_version() {
    let statement = json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*"});
    for document in
        [json!({"Version": "2008-10-17", "Statement": statement}), json!({"Statement": statement})]
    {
        assert_eq!(
            error(PolicyKind::Managed, document.clone()),
            "Policy document must be version 2012-10-17 or greater."
        );
        assert_eq!(error(PolicyKind::Identity, document), "accepted");
    }
}

#[test]
fn resource_policies() {
    let with = |principal: Value| json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Principal": principal});
    let table = [
        (json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*"}), "Missing required field Principal"),
        (json!({"Effect": "Allow", "Principal": "*", "Resource": "*"}), "Missing required field Action"),
        (json!({"Effect": "Allow", "Principal": "*", "Action": "s3:*"}), "Missing required field Resource"),
        (with(json!("123")), "Invalid principal in policy: \"AWS\":\"123\""),
        (
            with(json!({"AWS": "arn:aws:iam::111122223333:role/*"})),
            "Invalid principal in policy: \"AWS\":\"arn:aws:iam::111122223333:role/*\"",
        ),
        (with(json!({"AWS": "arn:aws:s3:::b"})), "Invalid principal in policy: \"AWS\":\"arn:aws:s3:::b\""),
        (with(json!({"Service": "*"})), "Invalid principal in policy: \"SERVICE\":\"*\""),
        (with(json!({"Federated": "*"})), "Invalid principal in policy: \"FEDERATED\":\"*\""),
        (with(json!({"CanonicalUser": "x"})), "Invalid principal in policy: \"CANONICALUSER\":\"x\""),
        (with(json!({"Aws": "*"})), SYNTAX),
        (with(json!({})), SYNTAX),
        (with(json!({"AWS": []})), SYNTAX),
        (with(json!({"AWS": ["*", "111122223333", "AROAEXAMPLEEXAMPLE12"]})), "accepted"),
        (
            with(json!({"Service": ["sns.amazonaws.com", "logs.us-east-1.amazonaws.com"],
                "AWS": "arn:aws:sts::111122223333:assumed-role/r/s", "CanonicalUser": "a".repeat(64)})),
            "accepted",
        ),
        // `reference_policies_elements_notprincipal`: with Allow it is not supported.
        (json!({"Effect": "Allow", "NotPrincipal": "*", "Action": "s3:*", "Resource": "*"}), SYNTAX),
        (json!({"Effect": "Deny", "NotPrincipal": "*", "Action": "s3:*", "Resource": "*"}), "accepted"),
        (
            json!({"Effect": "Deny", "NotPrincipal": "*", "Principal": "*", "Action": "s3:*", "Resource": "*"}),
            SYNTAX,
        ),
        (
            json!({"Sid": "Any text_is-fine here", "Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"}),
            "accepted",
        ),
    ];
    for (statement, expected) in table {
        assert_eq!(statement_error(PolicyKind::Resource, statement.clone()), expected, "{statement}");
    }
}

#[test]
fn trust_policies() {
    let service = json!({"Service": "lambda.amazonaws.com"});
    let table = [
        (json!({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": service}), "accepted"),
        (
            json!({"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"], "Principal": {"AWS": OTHER}}),
            "accepted",
        ),
        (
            json!({"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
                "Principal": {"Federated": "accounts.google.com"}}),
            "accepted",
        ),
        (json!({"Effect": "Allow", "Action": "sts:AssumeRole"}), "Missing required field Principal"),
        (json!({"Effect": "Allow", "Principal": service}), "Missing required field Action"),
        (
            json!({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": service, "Resource": "*"}),
            "Has prohibited field Resource",
        ),
        (
            json!({"Effect": "Deny", "Action": "sts:AssumeRole", "NotPrincipal": service}),
            "Has prohibited field NotPrincipal",
        ),
        (
            json!({"Effect": "Allow", "Action": "s3:GetObject", "Principal": service}),
            "AssumeRole policy may only specify STS AssumeRole actions.",
        ),
        (
            json!({"Effect": "Allow", "Action": "sts:GetCallerIdentity", "Principal": service}),
            "AssumeRole policy may only specify STS AssumeRole actions.",
        ),
        (
            json!({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda"}}),
            "Invalid principal in policy: \"SERVICE\":\"lambda\"",
        ),
    ];
    for (statement, expected) in table {
        assert_eq!(statement_error(PolicyKind::Trust, statement.clone()), expected, "{statement}");
    }
    let error = Policy::parse("{", PolicyKind::Trust).unwrap_err();
    assert_eq!(error.to_string(), "This policy contains invalid Json");
    assert!(error.detail().is_some());
}
