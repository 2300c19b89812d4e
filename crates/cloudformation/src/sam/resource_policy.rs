//! Who may call the methods of a REST API: `ResourcePolicy`.

use super::digest;
use super::document::{ANY, contents, invalid, star_parameters};
use super::node::{Dict, Node, Text, dict, ordered, sub};
use super::problem::Result;

const KNOWN: [&str; 11] = [
    "CustomStatements",
    "AwsAccountWhitelist",
    "AwsAccountBlacklist",
    "IpRangeWhitelist",
    "IpRangeBlacklist",
    "SourceVpcWhitelist",
    "SourceVpcBlacklist",
    "IntrinsicVpcWhitelist",
    "IntrinsicVpcBlacklist",
    "IntrinsicVpceWhitelist",
    "IntrinsicVpceBlacklist",
];

/// The configuration, if it is one.
pub fn read(config: &Node) -> std::result::Result<&Dict, String> {
    let Some(config) = config.dict() else {
        return Err("ResourcePolicy must be a map (ResourcePolicyStatement).".to_owned());
    };
    match config.keys().into_iter().find(|key| !KNOWN.contains(key)) {
        Some(unknown) => Err(format!("Property 'Auth.ResourcePolicy.{unknown}' is not supported.")),
        None => Ok(config),
    }
}

/// Adds what the configuration says of a path to a policy.
pub fn add(policy: &mut Dict, config: &Dict, path: &Text, item: &Node, stage: &Node) -> Result<()> {
    let resources = resources(path, item, stage);
    for (name, effect) in [("AwsAccountWhitelist", "Allow"), ("AwsAccountBlacklist", "Deny")] {
        if let Some(accounts) = config.truthy(name) {
            if !matches!(accounts, Node::List(_) | Node::Dict(_)) {
                let accounts = digest::python(accounts);
                return invalid(format!("Type of '{accounts}' must be a list or dictionary"));
            }
            let statement = ordered([
                ("Effect", effect.into()),
                ("Action", "execute-api:Invoke".into()),
                ("Resource", resources.clone()),
                ("Principal", ordered([("AWS", listed(accounts).into())])),
            ]);
            add_account(policy, statement);
        }
    }
    for (name, test) in [("IpRangeWhitelist", "NotIpAddress"), ("IpRangeBlacklist", "IpAddress")] {
        if let Some(ranges) = config.truthy(name) {
            let condition = dict([("aws:SourceIp", listed(ranges).into())]);
            add_denial(policy, &resources, dict([(test, condition)]));
        }
    }
    for (kind, test) in [("Blacklist", "StringEquals"), ("Whitelist", "StringNotEquals")] {
        if let Some(condition) = networks(config, kind)? {
            add_denial(policy, &resources, dict([(test, condition)]));
        }
    }
    Ok(())
}

/// Adds statements as they are.
pub fn add_custom(policy: &mut Dict, statements: &Node) {
    policy.insert("Version", "2012-10-17");
    if policy.some("Statement").is_none() {
        policy.insert("Statement", statements.clone());
        return;
    }
    extend(policy, listed(statements));
}

fn listed(node: &Node) -> Vec<Node> {
    match node {
        Node::List(items) => items.clone(),
        one => vec![one.clone()],
    }
}

/// The methods of a path, as policies name them.
fn resources(path: &Text, item: &Node, stage: &Node) -> Node {
    let place = path.with(star_parameters(&path.text, true));
    let methods = contents(item).into_iter().filter_map(Node::dict).flat_map(Dict::members);
    let resource = |(method, _): (Text, &Node)| {
        let any = method.text == ANY || method.text.eq_ignore_ascii_case("any");
        let (name, own) =
            if any { ("*".to_owned(), false) } else { (method.text.to_uppercase(), method.own) };
        let text = format!("execute-api:/${{__Stage__}}/{name}{}", place.text);
        sub(Text { text, own: own || place.own }, [("__Stage__", stage.clone())])
    };
    Node::List(methods.map(resource).collect())
}

fn add_account(policy: &mut Dict, statement: Node) {
    policy.insert("Version", "2012-10-17");
    match policy.some("Statement").map(listed) {
        None => policy.insert("Statement", statement),
        Some(mut all) => {
            all.push(statement);
            policy.insert("Statement", all);
        }
    }
}

/// Everybody may call, but not where the condition holds.
fn add_denial(policy: &mut Dict, resources: &Node, condition: Node) {
    let statement = |effect: &str| {
        ordered([
            ("Effect", effect.into()),
            ("Action", "execute-api:Invoke".into()),
            ("Resource", resources.clone()),
            ("Principal", "*".into()),
        ])
    };
    let mut deny = statement("Deny");
    if let Some(deny) = deny.dict_mut() {
        deny.insert("Condition", condition);
    }
    policy.insert("Version", "2012-10-17");
    extend(policy, vec![statement("Allow"), deny]);
}

/// Adds statements that are not there yet.
fn extend(policy: &mut Dict, statements: Vec<Node>) {
    let mut all = policy.some("Statement").map(listed).unwrap_or_default();
    for statement in statements {
        if !all.contains(&statement) {
            all.push(statement);
        }
    }
    policy.insert("Statement", all);
}

/// The condition on networks and endpoints.
fn networks(config: &Dict, kind: &str) -> Result<Option<Node>> {
    let (mut vpcs, mut endpoints) = (Vec::new(), Vec::new());
    let given = config.some(&format!("SourceVpc{kind}"));
    for one in given.map(listed).unwrap_or_default() {
        match one.text() {
            Some(id) if id.starts_with("vpce-") => endpoints.push(one.clone()),
            Some(id) if id.starts_with("vpc-") => vpcs.push(one.clone()),
            Some(_) => {
                let id = digest::python(&one);
                return invalid(format!(
                    "SourceVpc{kind} must name VPCs and VPC endpoints, and {id} is neither"
                ));
            }
            None => {
                return invalid(format!(
                    "SourceVpc{kind} must be a list of strings. Use IntrinsicVpc{kind} instead for values that use Intrinsic \
                     Functions"
                ));
            }
        }
    }
    vpcs.extend(config.some(&format!("IntrinsicVpc{kind}")).map(listed).unwrap_or_default());
    endpoints.extend(config.some(&format!("IntrinsicVpce{kind}")).map(listed).unwrap_or_default());
    let mut condition = Dict::ordered();
    for (name, values) in [("aws:SourceVpc", vpcs), ("aws:SourceVpce", endpoints)] {
        if !values.is_empty() {
            condition.insert(name, values);
        }
    }
    Ok((!condition.is_empty()).then(|| condition.into()))
}
