//! How policies work together: `reference_policies_evaluation-logic_policy-eval-denyallow`,
//! `..._policy-eval-basics`, `reference_policies_evaluation-logic-cross-account`,
//! `access_policies_boundaries`, `access_policies#policies_session`.

use super::*;

/// One request for `sqs:SendMessage` on the queue and its policies, each from one statement.
struct Case {
    /// What it shows.
    name: &'static str,
    principal: Principal,
    identity: Option<Value>,
    boundary: Option<Value>,
    session: Option<Value>,
    resource: Option<Value>,
    expected: DecisionKind,
    /// A part of the explanation.
    because: &'static str,
}

fn case(name: &'static str, principal: Principal, expected: DecisionKind, because: &'static str) -> Case {
    Case { name, principal, identity: None, boundary: None, session: None, resource: None, expected, because }
}

impl Case {
    fn identity(mut self, effect: &str) -> Self {
        self.identity = Some(send(effect));
        self
    }

    fn boundary(mut self, statement: Value) -> Self {
        self.boundary = Some(statement);
        self
    }

    fn session(mut self, statement: Value) -> Self {
        self.session = Some(statement);
        self
    }

    fn resource(mut self, effect: &str, principal: Value) -> Self {
        self.resource = Some(send_by(effect, principal));
        self
    }

    fn check(self) {
        let identity: Vec<_> = self.identity.map(identity).unwrap_or_default();
        let boundary = self.boundary.map(|s| attached(PolicyKind::Managed, "boundary", s));
        let session = self.session.map(|s| vec![attached(PolicyKind::Identity, "session", s)]);
        let resource = self.resource.map(resource);
        let policies = PolicySet {
            identity: &identity,
            boundary: boundary.as_ref(),
            session: session.as_deref(),
            resource: resource.as_ref(),
            list: List::default(),
        };
        let context = Context::new();
        let request = sending(&self.principal, &context);
        let decision = evaluate(&request, &policies);
        assert_eq!(decision.kind, self.expected, "{}: {decision}", self.name);
        assert!(decision.to_string().contains(self.because), "{}: {decision}", self.name);
    }
}

fn receive() -> Value {
    json!({"Effect": "Allow", "Action": "sqs:ReceiveMessage", "Resource": "*"})
}

fn stranger() -> Principal {
    Principal::user(OTHER, "arn:aws:iam::444455556666:user/eve", "AIDAEVEEVEEVEEVEEVE1")
}

fn stranger_session() -> Principal {
    Principal::assumed_role(OTHER, "arn:aws:iam::444455556666:role/r", "AROASTRANGERSTRANGE1", "s")
}

const USER: &str = "arn:aws:iam::111122223333:user/team/ana";
const ROLE: &str = "arn:aws:iam::111122223333:role/app/worker";
const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/worker/s1";

use DecisionKind::{Allow, ExplicitDeny, ImplicitDeny};

#[test]
fn within_an_account() {
    let aws = |arn: &str| json!({"AWS": arn});
    let cases = [
        case("nothing", user(), ImplicitDeny, "no identity-based policy allows it"),
        case("identity allows", user(), Allow, "statement 0 of identity-based policy identity")
            .identity("Allow"),
        case("resource allows", user(), Allow, "resource-based policy").resource("Allow", aws(USER)),
        case("resource is silent", user(), Allow, "identity-based")
            .identity("Allow")
            .resource("Allow", aws(ROLE)),
        case("resource denies", user(), ExplicitDeny, "resource-based")
            .identity("Allow")
            .resource("Deny", aws(USER)),
        case("resource denies the account", user(), ExplicitDeny, "resource-based")
            .identity("Allow")
            .resource("Deny", aws(ACCOUNT)),
        case("resource denies all", user(), ExplicitDeny, "resource-based")
            .identity("Allow")
            .resource("Deny", json!("*")),
        case("identity denies", user(), ExplicitDeny, "identity-based")
            .identity("Deny")
            .resource("Allow", aws(USER)),
        case("the account named leaves it to identities", user(), ImplicitDeny, "identity-based")
            .resource("Allow", aws(ACCOUNT)),
        case("the account named, identity allows", user(), Allow, "identity-based")
            .identity("Allow")
            .resource("Allow", aws("arn:aws:iam::111122223333:root")),
        case("everyone named", user(), Allow, "resource-based").resource("Allow", json!("*")),
        case("role named", session(), Allow, "resource-based").resource("Allow", aws(ROLE)),
        case("session named", session(), Allow, "resource-based").resource("Allow", aws(SESSION)),
        case("another session named", session(), ImplicitDeny, "identity-based")
            .resource("Allow", aws("arn:aws:sts::111122223333:assumed-role/worker/s2")),
        case("user by unique id", user(), Allow, "resource-based")
            .resource("Allow", aws("AIDAANAANAANAANAANA1")),
        case("role by unique id", session(), Allow, "resource-based")
            .resource("Allow", aws("AROAWORKERWORKERWOR1")),
    ];
    cases.into_iter().for_each(Case::check);
}

#[test]
fn boundaries_and_sessions_limit() {
    let aws = |arn: &str| json!({"AWS": arn});
    let cases = [
        case("boundary alone grants nothing", user(), ImplicitDeny, "identity-based").boundary(send("Allow")),
        case("both allow", user(), Allow, "identity-based").identity("Allow").boundary(send("Allow")),
        case("boundary is silent", user(), ImplicitDeny, "no permissions boundary allows it")
            .identity("Allow")
            .boundary(receive()),
        case("boundary denies", user(), ExplicitDeny, "permissions boundary")
            .identity("Allow")
            .boundary(send("Deny")),
        case("boundary denies, resource names the user", user(), ExplicitDeny, "permissions boundary")
            .resource("Allow", aws(USER))
            .boundary(send("Deny")),
        // "Resource-based policies that grant permissions to an IAM user ARN are not limited by an implicit
        // deny in ... a permissions boundary."
        case("boundary is silent, resource names the user", user(), Allow, "resource-based")
            .resource("Allow", aws(USER))
            .boundary(receive()),
        // "... to an IAM role ARN are limited by an implicit deny in a permissions boundary or session
        // policy."
        case("boundary is silent, resource names the role", session(), ImplicitDeny, "permissions boundary")
            .resource("Allow", aws(ROLE))
            .boundary(receive()),
        case("boundary allows, resource names the role", session(), Allow, "resource-based")
            .resource("Allow", aws(ROLE))
            .boundary(send("Allow")),
        // "... to an IAM role session ARN ... are not limited by an implicit deny."
        case("boundary is silent, resource names the session", session(), Allow, "resource-based")
            .resource("Allow", aws(SESSION))
            .boundary(receive())
            .session(receive()),
        case("boundary is silent, resource names everyone", session(), Allow, "resource-based")
            .resource("Allow", json!("*"))
            .boundary(receive()),
        case("session is silent", session(), ImplicitDeny, "no session policy allows it")
            .identity("Allow")
            .session(receive()),
        case("session allows", session(), Allow, "identity-based").identity("Allow").session(send("Allow")),
        case("session alone grants nothing", session(), ImplicitDeny, "identity-based")
            .session(send("Allow")),
        case("session denies", session(), ExplicitDeny, "session policy")
            .identity("Allow")
            .session(send("Deny")),
        case("session is silent, resource names the role", session(), ImplicitDeny, "session policy")
            .resource("Allow", aws(ROLE))
            .session(receive()),
    ];
    cases.into_iter().for_each(Case::check);
}

/// The statement that names the caller most closely counts, wherever it stands.
#[test]
fn the_closest_naming_counts() {
    let naming = |arns: [&str; 3]| {
        let statements: Vec<_> = arns.iter().map(|arn| send_by("Allow", json!({"AWS": arn}))).collect();
        resource(Value::from(statements))
    };
    let bound = attached(PolicyKind::Managed, "boundary", receive());
    let (principal, context) = (session(), Context::new());
    for (arns, expected) in [([ACCOUNT, ROLE, SESSION], Allow), ([SESSION, ROLE, ACCOUNT], Allow)] {
        let resource = naming(arns);
        let set = PolicySet { boundary: Some(&bound), resource: Some(&resource), ..PolicySet::default() };
        assert_eq!(evaluate(&sending(&principal, &context), &set).kind, expected, "{arns:?}");
    }
    let resource = naming([ACCOUNT, ROLE, OTHER]);
    let set = PolicySet { resource: Some(&resource), ..PolicySet::default() };
    let decision = evaluate(&sending(&principal, &context), &set);
    assert_eq!(decision.to_string(), "allowed: statement 1 of resource-based policy resource");
}

#[test]
fn across_accounts() {
    let aws = |arn: &str| json!({"AWS": arn});
    let eve = "arn:aws:iam::444455556666:user/eve";
    let role = "arn:aws:iam::444455556666:role/r";
    let cases = [
        case("identity alone", stranger(), ImplicitDeny, "no resource-based policy allows it")
            .identity("Allow"),
        case("resource alone", stranger(), ImplicitDeny, "no identity-based policy")
            .resource("Allow", aws(eve)),
        case("resource names everyone, alone", stranger(), ImplicitDeny, "identity")
            .resource("Allow", json!("*")),
        case("both, user", stranger(), Allow, "identity-based").identity("Allow").resource("Allow", aws(eve)),
        case("both, account", stranger(), Allow, "identity-based")
            .identity("Allow")
            .resource("Allow", aws(OTHER)),
        case("both, role", stranger_session(), Allow, "identity")
            .identity("Allow")
            .resource("Allow", aws(role)),
        case("boundary limits, whoever is named", stranger(), ImplicitDeny, "permissions boundary")
            .identity("Allow")
            .resource("Allow", aws(eve))
            .boundary(receive()),
        case("session limits, whoever is named", stranger_session(), ImplicitDeny, "session policy")
            .identity("Allow")
            .resource("Allow", aws("arn:aws:sts::444455556666:assumed-role/r/s"))
            .session(receive()),
        // The request is allowed only if both evaluations allow it: a denial on either side denies.
        case("identity denies", stranger(), ExplicitDeny, "identity-based")
            .identity("Deny")
            .resource("Allow", aws(eve)),
        case("boundary denies", stranger(), ExplicitDeny, "permissions boundary")
            .identity("Allow")
            .resource("Allow", aws(eve))
            .boundary(send("Deny")),
        case("session denies", stranger_session(), ExplicitDeny, "session policy")
            .identity("Allow")
            .resource("Allow", aws(role))
            .session(send("Deny")),
        case("all allow", stranger_session(), Allow, "identity-based")
            .identity("Allow")
            .resource("Allow", aws(role))
            .boundary(send("Allow"))
            .session(send("Allow")),
        case("another of the account is named", stranger(), ImplicitDeny, "resource-based")
            .identity("Allow")
            .resource("Allow", aws("arn:aws:iam::444455556666:user/joe")),
        case("resource denies", stranger(), ExplicitDeny, "resource")
            .identity("Allow")
            .resource("Deny", aws(OTHER)),
        case("root of another account", Principal::root(OTHER), ImplicitDeny, "resource-based"),
        case("root of another account, named", Principal::root(OTHER), Allow, "resource-based")
            .resource("Allow", aws(OTHER)),
    ];
    cases.into_iter().for_each(Case::check);
}

#[test]
fn root_services_and_anonymous() {
    let sns = || Principal::service("sns.amazonaws.com");
    let service = |name: &str| json!({"Service": name});
    let cases = [
        case("root in its account", Principal::root(ACCOUNT), Allow, "root user in its own account"),
        case("root denied by the resource", Principal::root(ACCOUNT), ExplicitDeny, "resource-based")
            .resource("Deny", json!({"AWS": "arn:aws:iam::111122223333:root"})),
        case("service unnamed", sns(), ImplicitDeny, "resource-based"),
        case("service named", sns(), Allow, "resource-based").resource("Allow", service("sns.amazonaws.com")),
        case("other service named", sns(), ImplicitDeny, "resource")
            .resource("Allow", service("s3.amazonaws.com")),
        case("service among everyone", sns(), Allow, "resource-based").resource("Allow", json!({"AWS": "*"})),
        case("service and accounts", sns(), ImplicitDeny, "resource")
            .resource("Allow", json!({"AWS": ACCOUNT})),
        case("anonymous unnamed", Principal::anonymous(), ImplicitDeny, "resource-based"),
        case("anonymous among everyone", Principal::anonymous(), Allow, "resource")
            .resource("Allow", json!("*")),
        case("anonymous and accounts", Principal::anonymous(), ImplicitDeny, "resource")
            .resource("Allow", json!({"AWS": [ACCOUNT, OTHER]})),
        case("anonymous denied", Principal::anonymous(), ExplicitDeny, "resource")
            .resource("Deny", json!("*")),
    ];
    cases.into_iter().for_each(Case::check);
}

/// `PutBucketPolicy` in the S3 API reference: root can always mend the policy of its bucket.
#[test]
fn root_is_never_locked_out_of_a_bucket_policy() {
    let deny = resource(json!({"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}));
    let decide = |principal: &Principal, action: &str| {
        let bucket = "arn:aws:s3:::b";
        let context = Context::new();
        let request =
            Request { principal, action, resource: bucket, resource_account: ACCOUNT, context: &context };
        evaluate(&request, &PolicySet { resource: Some(&deny), ..PolicySet::default() }).kind
    };
    assert_eq!(decide(&Principal::root(ACCOUNT), "s3:PutBucketPolicy"), Allow);
    assert_eq!(decide(&Principal::root(ACCOUNT), "s3:DeleteBucketPolicy"), Allow);
    assert_eq!(decide(&Principal::root(ACCOUNT), "s3:PutObject"), ExplicitDeny);
    assert_eq!(decide(&Principal::root(OTHER), "s3:PutBucketPolicy"), ExplicitDeny);
    assert_eq!(decide(&user(), "s3:PutBucketPolicy"), ExplicitDeny);
}

/// S3 user guide, "How Amazon S3 authorizes a request for an object operation": the user's account, the
/// bucket's policy, the object's owner.
#[test]
fn access_control_lists_grant_to_accounts() {
    let (owned, foreign) = (List { allows: true, foreign: false }, List { allows: false, foreign: true });
    let (allow, deny) = (resource(send_by("Allow", json!("*"))), resource(send_by("Deny", json!("*"))));
    let (may, may_not) = (identity(send("Allow")), Vec::new());
    let (other_user, anonymous) = (
        Principal::user(OTHER, "arn:aws:iam::444455556666:user/eve", "AIDAEVEEVEEVEEVEEVE1"),
        Principal::anonymous(),
    );
    for (principal, identity, list, resource, expected) in [
        (&anonymous, &may_not, owned, None, Allow),
        (&anonymous, &may_not, owned, Some(&deny), ExplicitDeny),
        (&other_user, &may, owned, None, Allow),
        (&other_user, &may_not, owned, None, ImplicitDeny),
        (&Principal::root(OTHER), &may_not, owned, None, Allow),
        (&Principal::root(OTHER), &may_not, List::default(), None, ImplicitDeny),
        // The bucket's policy grants nothing on what is another account's.
        (&anonymous, &may_not, foreign, Some(&allow), ImplicitDeny),
        (&other_user, &may, foreign, Some(&allow), ImplicitDeny),
        (&user(), &may, foreign, None, Allow),
    ] {
        let context = Context::new();
        let set = PolicySet { identity, resource, list, ..PolicySet::default() };
        let found = evaluate(&sending(principal, &context), &set).kind;
        assert_eq!(found, expected, "{} {list:?}", principal.arn);
    }
}

/// "IAM role trust policies ... must explicitly allow access for principals."
#[test]
fn trust_policies_must_allow() {
    let assume =
        |principal: Value| json!({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal});
    let may = identity(json!({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}));
    let web = json!({"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
        "Principal": {"Federated": "accounts.google.com"}});
    let table: [(Principal, bool, Value, &str, bool); 10] = [
        (user(), true, assume(json!({"AWS": OTHER})), "sts:AssumeRole", false),
        (user(), true, assume(json!({"AWS": ACCOUNT})), "sts:AssumeRole", true),
        (user(), false, assume(json!({"AWS": ACCOUNT})), "sts:AssumeRole", false),
        (user(), false, assume(json!({"AWS": USER})), "sts:AssumeRole", true),
        (stranger(), false, assume(json!({"AWS": OTHER})), "sts:AssumeRole", false),
        (stranger(), true, assume(json!({"AWS": OTHER})), "sts:AssumeRole", true),
        (Principal::root(ACCOUNT), false, assume(json!({"AWS": OTHER})), "sts:AssumeRole", false),
        (
            Principal::service("lambda.amazonaws.com"),
            false,
            assume(json!({"Service": "lambda.amazonaws.com"})),
            "sts:AssumeRole",
            true,
        ),
        (
            Principal::federated("accounts.google.com"),
            false,
            web.clone(),
            "sts:AssumeRoleWithWebIdentity",
            true,
        ),
        (Principal::federated("www.amazon.com"), false, web, "sts:AssumeRoleWithWebIdentity", false),
    ];
    for (principal, with_identity, statement, action, expected) in table {
        let trust = attached(PolicyKind::Trust, "trust", statement);
        let request = Request {
            principal: &principal,
            action,
            resource: ROLE,
            resource_account: ACCOUNT,
            context: &Context::new(),
        };
        let identity = if with_identity { may.as_slice() } else { &[] };
        let decision =
            evaluate(&request, &PolicySet { identity, resource: Some(&trust), ..PolicySet::default() });
        assert_eq!(decision.allowed(), expected, "{principal:?}: {decision}");
    }
}

#[test]
fn actions_and_resources() {
    let context = Context::new();
    let table = [
        ("Action", json!("SQS:sendmessage"), "Resource", json!("*"), true),
        ("Action", json!("sqs:Send*"), "Resource", json!("*"), true),
        ("Action", json!("sqs:SendMessag?"), "Resource", json!("*"), true),
        ("Action", json!("sqs:Receive*"), "Resource", json!("*"), false),
        ("Action", json!(["s3:*", "sqs:*"]), "Resource", json!("*"), true),
        ("Action", json!("*"), "Resource", json!("*"), true),
        ("NotAction", json!("s3:*"), "Resource", json!("*"), true),
        ("NotAction", json!(["s3:*", "sqs:*"]), "Resource", json!("*"), false),
        ("Action", json!("*"), "Resource", json!(QUEUE), true),
        ("Action", json!("*"), "Resource", json!("arn:aws:sqs:us-east-1:111122223333:ORDERS"), false),
        ("Action", json!("*"), "Resource", json!("arn:aws:sqs:*:111122223333:o*"), true),
        ("Action", json!("*"), "Resource", json!("arn:aws:sqs:*:*"), true),
        // "arn:aws:sqs is equivalent to arn:aws:sqs:*:*:*" (reference_policies_elements_resource).
        ("Action", json!("*"), "Resource", json!("arn:aws:sqs"), true),
        ("Action", json!("*"), "Resource", json!("arn:aws:sns"), false),
        ("Action", json!("*"), "Resource", json!("arn:*:sqs:*:*:orders"), true),
        ("Action", json!("*"), "Resource", json!("arn:aws:sqs:us-*:orders"), false),
        // The colon of a variable divides no ARN.
        ("Action", json!("*"), "Resource", json!("arn:aws:sqs:*:${aws:PrincipalAccount}:orders"), true),
        ("Action", json!("*"), "Resource", json!("arn:aws:sqs:*:${aws:username}:orders"), false),
        ("Action", json!("*"), "NotResource", json!(QUEUE), false),
        ("Action", json!("*"), "NotResource", json!("arn:aws:sqs:*:*:others"), true),
    ];
    for (action_element, action, resource_element, resource, expected) in table {
        let statement = json!({"Effect": "Allow", action_element: action, resource_element: resource});
        assert_eq!(allows(statement.clone(), "sqs:SendMessage", QUEUE, &context), expected, "{statement}");
    }
}

#[test]
fn actions_without_a_resource_need_the_star() {
    let context = Context::new();
    for (resource, expected) in [("*", true), ("arn:aws:sqs:*:*:*", false)] {
        let statement = json!({"Effect": "Allow", "Action": "sqs:ListQueues", "Resource": resource});
        assert_eq!(allows(statement, "sqs:ListQueues", "*", &context), expected, "{resource}");
    }
}

/// `reference_policies_variables`: the example of a folder for each user, and version 2008-10-17.
#[test]
fn variables_in_resources() {
    let context = Context::new();
    let resource = "arn:aws:s3:::home/${aws:username}/*";
    let statement = json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": resource});
    assert!(allows(statement.clone(), "s3:GetObject", "arn:aws:s3:::home/ana/notes", &context));
    assert!(!allows(statement.clone(), "s3:GetObject", "arn:aws:s3:::home/bob/notes", &context));

    let old = json!({"Version": "2008-10-17", "Statement": statement}).to_string();
    let policy = Policy::parse(&old, PolicyKind::Identity).unwrap();
    let identity = [AttachedPolicy { name: "old".into(), policy: Arc::new(policy) }];
    let principal = user();
    for (name, expected) in [("home/ana/notes", false), ("home/${aws:username}/notes", true)] {
        let arn = format!("arn:aws:s3:::{name}");
        let request = Request {
            principal: &principal,
            action: "s3:GetObject",
            resource: &arn,
            resource_account: ACCOUNT,
            context: &context,
        };
        let decision = evaluate(&request, &PolicySet { identity: &identity, ..PolicySet::default() });
        assert_eq!(decision.allowed(), expected, "{name}");
    }
}
