//! The role of a function: `<Function>Role`, from `Policies` and from what the function does.

use super::function::{Surroundings, is_traced, tags};
use super::node::{Dict, Node, dict};
use super::policies::{self, Kind};
use super::problem::{Problem, Result};
use super::resolve::Parameters;
use super::resource::{Resource, Source};

/// The role of a function, with the policies that its configuration needs.
pub fn role(source: &Source, needed: Vec<Node>, parameters: &Parameters) -> Result<Resource> {
    let mut managed: Vec<Node> = vec![service_role("AWSLambdaBasicExecutionRole")];
    if is_traced(source, parameters)? {
        managed.push("arn:aws:iam::aws:policy/AWSXrayWriteOnlyAccess".into());
    }
    if source.truthy("VpcConfig").is_some() {
        managed.push(service_role("AWSLambdaVPCAccessExecutionRole"));
    }
    let mut inline: Vec<Node> = dead_letter_policy(source).into_iter().chain(needed).collect();
    for (index, policy) in entries(source).into_iter().enumerate() {
        add(source, index, policy, &mut managed, &mut inline)?;
    }
    let trust = source.get("AssumeRolePolicyDocument").cloned().unwrap_or_else(trust);
    let inline = (!inline.is_empty()).then_some(Node::List(inline));
    Ok(Resource::new(format!("{}Role", source.id.text), "AWS::IAM::Role", source.passed())
        .with("AssumeRolePolicyDocument", trust)
        .with("ManagedPolicyArns", Node::List(managed))
        .with_some("Path", source.get("RolePath"))
        .with_some("Policies", inline.as_ref())
        .with_some("PermissionsBoundary", source.get("PermissionsBoundary"))
        .with("Tags", tags(source)?))
}

/// The ARN of one of AWS's managed policies for services.
pub fn service_role(name: &str) -> Node {
    format!("arn:aws:iam::aws:policy/service-role/{name}").into()
}

fn trust() -> Node {
    let statement = dict([
        ("Action", vec!["sts:AssumeRole".into()].into()),
        ("Effect", "Allow".into()),
        ("Principal", dict([("Service", vec!["lambda.amazonaws.com".into()].into())])),
    ]);
    dict([("Version", "2012-10-17".into()), ("Statement", vec![statement].into())])
}

fn dead_letter_policy(source: &Source) -> Option<Node> {
    let queue = source.truthy("DeadLetterQueue")?.dict()?;
    let action = if queue.get("Type")?.text() == Some("SQS") { "sqs:SendMessage" } else { "sns:Publish" };
    let statement = dict([
        ("Action", action.into()),
        ("Resource", queue.get("TargetArn")?.clone()),
        ("Effect", "Allow".into()),
    ]);
    let document = dict([("Version", "2012-10-17".into()), ("Statement", vec![statement].into())]);
    Some(dict([("PolicyName", "DeadLetterQueuePolicy".into()), ("PolicyDocument", document)]))
}

/// An inline policy that allows actions on a resource, as events and destinations need it.
pub fn inline_policy(name: String, statements: Vec<(&str, Node)>) -> Node {
    let statement = |(action, resource): (&str, Node)| {
        dict([("Action", action.into()), ("Effect", "Allow".into()), ("Resource", resource)])
    };
    let statements = Node::List(statements.into_iter().map(statement).collect());
    dict([("PolicyName", name.into()), ("PolicyDocument", dict([("Statement", statements)]))])
}

fn entries(source: &Source) -> Vec<&Node> {
    match source.truthy("Policies") {
        None => Vec::new(),
        Some(Node::List(items)) => items.iter().collect(),
        Some(only) => vec![only],
    }
}

fn add(
    source: &Source,
    index: usize,
    policy: &Node,
    managed: &mut Vec<Node>,
    inline: &mut Vec<Node>,
) -> Result<()> {
    let named = |document: Node| {
        let name = format!("{}RolePolicy{index}", source.id.text);
        dict([("PolicyName", name.into()), ("PolicyDocument", document)])
    };
    let converted =
        |policy: &Node| policies::document(policy).map_err(|what| Problem::resource(&source.id.text, what));
    match policies::kind(policy)? {
        Kind::Managed => {
            let arn = branches(policy, |name| {
                Ok(name.text().map_or_else(|| name.clone(), |name| policies::managed_arn(name).into()))
            })?;
            if !managed.contains(&arn) {
                managed.push(arn);
            }
        }
        Kind::Document => inline.push(branches(policy, |document| Ok(named(document.clone())))?),
        Kind::Template => inline.push(branches(policy, |policy| Ok(named(converted(policy)?)))?),
        Kind::Unknown => {
            return source
                .problem(format!("Policy at index {index} in the 'Policies' property is not valid"));
        }
    }
    Ok(())
}

/// Changes a policy, or those in the branches of an `Fn::If` that are not nothing.
fn branches(policy: &Node, change: impl Fn(&Node) -> Result<Node>) -> Result<Node> {
    match policy.intrinsic() {
        Some(("Fn::If", Node::List(items))) => {
            let changed = items.iter().enumerate().map(|(position, item)| match position {
                1 | 2 if !item.is_no_value() => change(item),
                _ => Ok(item.clone()),
            });
            Ok(dict([("Fn::If", Node::List(changed.collect::<Result<_>>()?))]))
        }
        _ => change(policy),
    }
}

/// Gives the function its role; whether that is the generated one. A role that depends on a condition gets a
/// generated one for the other case.
pub fn attach(
    source: &Source,
    function: &mut Resource,
    role: &mut Resource,
    around: &mut Surroundings<'_>,
) -> Result<bool> {
    let Some(given) = source.get("Role") else {
        function.properties.insert("Role", role.arn());
        return Ok(true);
    };
    if !matches!(given.intrinsic(), Some(("Fn::If", _))) {
        return Ok(false);
    }
    let resolved = around.parameters.resolve(given)?;
    let arguments = resolved.intrinsic().and_then(|(_, argument)| argument.list());
    let Some([condition, yes, no]) = arguments else {
        return source.problem("Malformed 'Role' property: Fn::If requires 3 arguments.");
    };
    let choose = |yes: Node, no: Node| dict([("Fn::If", vec![condition.clone(), yes, no].into())]);
    let value = match (yes.is_no_value(), no.is_no_value()) {
        (false, false) => return Ok(false),
        (true, true) => role.arn(),
        (true, false) => {
            role.attributes.insert("Condition", condition.clone());
            choose(role.arn(), no.clone())
        }
        (false, true) => {
            let name = format!("NOT{}", condition.text().unwrap_or_default());
            let not = dict([("Condition", condition.clone())]);
            around.conditions.insert(name.as_str(), dict([("Fn::Not", vec![not].into())]));
            role.attributes.insert("Condition", name);
            choose(yes.clone(), role.arn())
        }
    };
    function.properties.insert("Role", value);
    Ok(true)
}

/// Adds a managed policy to a role, unless it has it.
pub fn add_managed(role: &mut Resource, arn: Node) {
    if let Some(arns) = role.properties.get_mut("ManagedPolicyArns").and_then(Node::list_mut)
        && !arns.contains(&arn)
    {
        arns.push(arn);
    }
}

/// Adds an inline policy to a role, unless it has one that says the same.
pub fn add_inline(role: &mut Resource, policy: Node) {
    let document = |policy: &Node| policy.dict().and_then(|p: &Dict| p.get("PolicyDocument")).cloned();
    let wanted = document(&policy);
    let policies = role.properties.entry("Policies", || Node::List(Vec::new()));
    if let Some(policies) = policies.and_then(Node::list_mut)
        && !policies.iter().any(|there| document(there) == wanted)
    {
        policies.push(policy);
    }
}
