//! `AWS::Serverless::Connector`, and the attribute `Connectors` of resources: what lets one resource use another.
//!
//! Every pair of SAM's whose types have a service; the others are refused by both names. Which pairs there are and
//! what they allow: the SAM developer guide, "AWS SAM connector reference", and the profiles of the
//! `aws-sam-translator` package.

use std::collections::BTreeSet;

use super::node::{Dict, Node, Text, dict, get_att, reference, sub};
use super::problem::{Problem, Result};
use super::resource::{Resource, Source};
use super::tables;

/// The type.
pub const TYPE: &str = "AWS::Serverless::Connector";

const FUNCTION: &str = "AWS::Lambda::Function";
const BUCKET: &str = "AWS::S3::Bucket";
const QUEUE: &str = "AWS::SQS::Queue";
const TOPIC: &str = "AWS::SNS::Topic";
const REST_API: &str = "AWS::ApiGateway::RestApi";
const HTTP_API: &str = "AWS::ApiGatewayV2::Api";
const MAPPING: &str = "AWS::Lambda::EventSourceMapping";

/// How access is given.
#[derive(Debug, Clone, Copy)]
enum Grant {
    /// A managed policy of the source's role, on the destination.
    SourceRole,
    /// A managed policy of the destination's role, on the source, before its mapping.
    DestinationRole,
    /// A permission of the destination, for a service.
    Permission(&'static str),
    /// A policy of the destination, for topics.
    QueuePolicy,
}

/// What one of `Permissions` allows, on the ARN with each of the suffixes.
#[derive(Debug)]
struct Access {
    name: &'static str,
    actions: &'static [&'static str],
    suffixes: &'static [&'static str],
}

const fn access(name: &'static str, actions: &'static [&'static str]) -> Access {
    Access { name, actions, suffixes: &[""] }
}

/// What a connector between two types does.
#[derive(Debug)]
struct Profile {
    source: &'static str,
    destination: &'static str,
    grant: Grant,
    /// In SAM's order.
    accesses: &'static [Access],
    /// Nothing but all of them together.
    is_whole: bool,
}

const fn profile(
    source: &'static str,
    destination: &'static str,
    grant: Grant,
    accesses: &'static [Access],
) -> Profile {
    Profile { source, destination, grant, accesses, is_whole: false }
}

const INVOKED: &[Access] = &[access("Write", &["lambda:InvokeFunction"])];

const PROFILES: &[Profile] = &[
    profile(
        FUNCTION,
        FUNCTION,
        Grant::SourceRole,
        &[access("Write", &["lambda:InvokeAsync", "lambda:InvokeFunction"])],
    ),
    profile(
        FUNCTION,
        BUCKET,
        Grant::SourceRole,
        &[
            Access {
                name: "Read",
                actions: &[
                    "s3:GetObject",
                    "s3:GetObjectAcl",
                    "s3:GetObjectLegalHold",
                    "s3:GetObjectRetention",
                    "s3:GetObjectTorrent",
                    "s3:GetObjectVersion",
                    "s3:GetObjectVersionAcl",
                    "s3:GetObjectVersionForReplication",
                    "s3:GetObjectVersionTorrent",
                    "s3:ListBucket",
                    "s3:ListBucketMultipartUploads",
                    "s3:ListBucketVersions",
                    "s3:ListMultipartUploadParts",
                ],
                suffixes: &["", "/*"],
            },
            Access {
                name: "Write",
                actions: &[
                    "s3:AbortMultipartUpload",
                    "s3:DeleteObject",
                    "s3:DeleteObjectVersion",
                    "s3:PutObject",
                    "s3:PutObjectLegalHold",
                    "s3:PutObjectRetention",
                    "s3:RestoreObject",
                ],
                suffixes: &["", "/*"],
            },
        ],
    ),
    profile(
        FUNCTION,
        QUEUE,
        Grant::SourceRole,
        &[
            access("Read", &["sqs:ReceiveMessage", "sqs:GetQueueAttributes"]),
            access(
                "Write",
                &["sqs:DeleteMessage", "sqs:SendMessage", "sqs:ChangeMessageVisibility", "sqs:PurgeQueue"],
            ),
        ],
    ),
    profile(FUNCTION, TOPIC, Grant::SourceRole, &[access("Write", &["sns:Publish"])]),
    profile(HTTP_API, FUNCTION, Grant::Permission("apigateway.amazonaws.com"), INVOKED),
    profile(REST_API, FUNCTION, Grant::Permission("apigateway.amazonaws.com"), INVOKED),
    profile(TOPIC, QUEUE, Grant::QueuePolicy, &[access("Write", &["sqs:SendMessage"])]),
    profile(TOPIC, FUNCTION, Grant::Permission("sns.amazonaws.com"), INVOKED),
    Profile {
        source: QUEUE,
        destination: FUNCTION,
        grant: Grant::DestinationRole,
        accesses: &[
            access("Write", &["sqs:DeleteMessage"]),
            access("Read", &["sqs:ReceiveMessage", "sqs:GetQueueAttributes"]),
        ],
        is_whole: true,
    },
    profile(BUCKET, FUNCTION, Grant::Permission("s3.amazonaws.com"), INVOKED),
];

/// The template around a connector: what is still as it was written, and what SAM's resources have become.
pub struct Surroundings<'a> {
    /// The resources as they were written, those included that are no more.
    pub written: &'a mut Dict,
    /// The generated ones.
    pub made: &'a mut Vec<Resource>,
    /// The ids of those that are no more.
    pub gone: &'a BTreeSet<String>,
}

impl Surroundings<'_> {
    /// Every resource there is: its id, type and properties.
    fn all(&self) -> impl Iterator<Item = (String, &str, Option<&Dict>)> {
        let made = self.made.iter().map(|made| (made.id.text.clone(), made.kind, Some(&made.properties)));
        let written = self.written.members().filter(|(id, _)| !self.gone.contains(&id.text));
        made.chain(written.map(|(id, resource)| {
            let properties = resource.dict().and_then(|resource| resource.get("Properties"));
            (id.text, super::type_of(resource), properties.and_then(Node::dict))
        }))
    }

    /// Type and properties of a resource.
    fn find(&self, id: &str) -> Option<(&str, Option<&Dict>)> {
        self.all().find(|(there, _, _)| there == id).map(|(_, kind, properties)| (kind, properties))
    }

    /// The type that the template's author gave a resource.
    fn written_type(&self, end: &End) -> Node {
        let written = end.id.as_ref().and_then(|id| self.written.get(&id.text)).map(super::type_of);
        written.unwrap_or(&end.kind).into()
    }

    /// The mappings of a queue to a function.
    fn mappings(&self, queue: &str, function: &str) -> Vec<String> {
        let is_between = |properties: Option<&Dict>| {
            let names = |name: &str| properties.and_then(|p| p.get(name)).and_then(logical_id);
            names("FunctionName") == Some(function) && names("EventSourceArn") == Some(queue)
        };
        let of = self.all().filter(|(_, kind, properties)| *kind == MAPPING && is_between(*properties));
        of.map(|(id, _, _)| id).collect()
    }

    /// Changes what each resource depends on: `change` has its id, and says whether it changed anything.
    fn each_dependency(&mut self, change: impl Fn(&str, &mut Vec<Node>) -> bool) {
        let list = |node: Option<&Node>| match node {
            Some(Node::List(items)) => items.clone(),
            other => other.into_iter().cloned().collect(),
        };
        for made in self.made.iter_mut() {
            let mut dependencies = list(made.depends_on.as_ref());
            if change(&made.id.text, &mut dependencies) {
                made.depends_on = Some(dependencies.into());
            }
        }
        let ids: Vec<String> = self.written.keys().into_iter().map(str::to_owned).collect();
        for id in ids.iter().filter(|id| !self.gone.contains(*id)) {
            let Some(resource) = self.written.get_mut(id).and_then(Node::dict_mut) else { continue };
            let mut dependencies = list(resource.get("DependsOn"));
            if change(id, &mut dependencies) {
                resource.insert("DependsOn", dependencies);
            }
        }
    }
}

/// The logical id that a `Ref` or `Fn::GetAtt` is of.
fn logical_id(node: &Node) -> Option<&str> {
    match node.intrinsic()? {
        ("Ref", Node::Text(id)) => Some(&id.text),
        ("Fn::GetAtt", Node::List(parts)) => match parts.as_slice() {
            [Node::Text(id), _] => Some(&id.text),
            _ => None,
        },
        ("Fn::GetAtt", Node::Text(path)) => {
            path.text.split_once('.').filter(|(_, attribute)| !attribute.contains('.')).map(|(id, _)| id)
        }
        _ => None,
    }
}

fn insert_unique(items: &mut Vec<Node>, item: Node) {
    if !items.contains(&item) {
        items.push(item);
    }
}

/// One end of a connector.
#[derive(Debug, Default)]
struct End {
    /// The logical id, if the resource is of this template.
    id: Option<Text>,
    kind: String,
    arn: Option<Node>,
    role: Option<Node>,
    url: Option<Node>,
    resource_id: Option<Node>,
    qualifier: Option<Node>,
}

/// What an end may say of a resource that is not of this template.
const MEMBERS: [&str; 8] = ["Id", "Type", "Arn", "RoleName", "QueueUrl", "ResourceId", "Name", "Qualifier"];

impl End {
    fn read(given: &Dict, around: &Surroundings<'_>) -> std::result::Result<Self, String> {
        if let Some(unknown) = given.keys().into_iter().find(|key| !MEMBERS.contains(key)) {
            return Err(format!("property {unknown} not defined for a connected resource"));
        }
        let others = given.keys().into_iter().any(|key| key != "Id" && key != "Qualifier");
        if given.contains("Id") == others {
            return Err("Must provide 'Id' (with optional 'Qualifier') or a supported combination of other \
                        properties."
                .to_owned());
        }
        match given.truthy("Id") {
            None => Self::elsewhere(given),
            Some(Node::Text(id)) => Self::here(id, given, around),
            Some(_) => Err("'Id' is missing or not a string.".to_owned()),
        }
    }

    /// A resource of which everything is given.
    fn elsewhere(given: &Dict) -> std::result::Result<Self, String> {
        let kind = given.truthy("Type").and_then(Node::text).ok_or("'Type' is missing or not a string.")?;
        let kind = match kind {
            "AWS::Serverless::Function" => FUNCTION,
            "AWS::Serverless::Api" => REST_API,
            "AWS::Serverless::HttpApi" => HTTP_API,
            other => other,
        };
        let some = |name: &str| given.some(name).cloned();
        Ok(Self {
            id: None,
            kind: kind.to_owned(),
            arn: some("Arn"),
            role: some("RoleName"),
            url: some("QueueUrl"),
            resource_id: some("ResourceId"),
            qualifier: some("Qualifier"),
        })
    }

    /// A resource of the template.
    fn here(id: &Text, given: &Dict, around: &Surroundings<'_>) -> std::result::Result<Self, String> {
        let (kind, properties) = around
            .find(&id.text)
            .ok_or_else(|| format!("Unable to find resource with logical ID '{}'.", id.text))?;
        if kind.is_empty() {
            return Err("'Type' is missing or not a string.".to_owned());
        }
        let is_api = [REST_API, HTTP_API].contains(&kind);
        let role = properties.and_then(|properties| properties.get("Role")).and_then(logical_id);
        Ok(Self {
            id: Some(id.clone()),
            kind: kind.to_owned(),
            arn: Some(if kind == TOPIC { reference(id.clone()) } else { get_att(id.clone(), "Arn") }),
            role: role.filter(|_| kind == FUNCTION).map(reference),
            url: (kind == QUEUE).then(|| reference(id.clone())),
            resource_id: is_api.then(|| reference(id.clone())),
            qualifier: match given.contains("Qualifier") {
                true => given.some("Qualifier").cloned(),
                false => is_api.then(|| "*".into()),
            },
        })
    }
}

/// A connector between two of its ends.
struct Connection<'a> {
    connector: &'a Source,
    profile: &'static Profile,
    source: End,
    destination: End,
    /// The profile's accesses that are asked for.
    accesses: Vec<&'static Access>,
    /// What ids of generated resources end with: the destination's number, if there may be several.
    suffix: String,
}

impl Connection<'_> {
    fn resource(&self, name: &str, kind: &'static str) -> Resource {
        let id = format!("{}{name}{}", self.connector.id.text, self.suffix);
        Resource::new(id, kind, self.connector.attributes.clone()).after(self.connector.depends_on.clone())
    }

    fn some<'n>(&self, value: Option<&'n Node>, name: &str) -> Result<&'n Node> {
        value.ok_or_else(|| Problem::resource(&self.connector.id.text, format!("{name} is missing.")))
    }

    fn truthy(&self, value: Option<&Node>, what: &str, side: &str) -> Result<Node> {
        let found = value.filter(|value| value.is_truthy()).cloned();
        found.ok_or_else(|| {
            let what = format!("Unable to get {what} from '{side}' resource.");
            Problem::resource(&self.connector.id.text, what)
        })
    }

    fn generate(&self) -> Result<Vec<Resource>> {
        match self.profile.grant {
            Grant::SourceRole => {
                let document = self.document(self.destination.arn.as_ref(), "Destination")?;
                self.managed_policy(document, self.source.role.as_ref(), "Source")
            }
            Grant::DestinationRole => {
                let document = self.document(self.source.arn.as_ref(), "Source")?;
                self.managed_policy(document, self.destination.role.as_ref(), "Destination")
            }
            Grant::Permission(service) => self.permissions(service),
            Grant::QueuePolicy => self.queue_policy(),
        }
    }

    fn document(&self, arn: Option<&Node>, side: &str) -> Result<Node> {
        let arn = self.some(arn, &format!("{side}.Arn"))?;
        let variable = format!("{side}Arn");
        let on = |suffix: &&str| match *suffix {
            "" => arn.clone(),
            suffix => sub(format!("${{{variable}}}{suffix}"), [(variable.as_str(), arn.clone())]),
        };
        let statement = |access: &&Access| {
            let actions = access.actions.iter().map(|action| Node::from(*action)).collect::<Vec<_>>();
            let resources = access.suffixes.iter().map(on).collect::<Vec<_>>();
            dict([("Effect", "Allow".into()), ("Action", actions.into()), ("Resource", resources.into())])
        };
        Ok(document(self.accesses.iter().map(statement).collect()))
    }

    fn managed_policy(&self, document: Node, role: Option<&Node>, side: &str) -> Result<Vec<Resource>> {
        let role = self.truthy(role, "IAM role name", side)?;
        let policy = self.resource("Policy", "AWS::IAM::ManagedPolicy");
        Ok(vec![policy.with("PolicyDocument", document).with("Roles", vec![role])])
    }

    fn permissions(&self, service: &str) -> Result<Vec<Resource>> {
        let source = match self.profile.source {
            REST_API | HTTP_API => {
                let id = self.some(self.source.resource_id.as_ref(), "Source.ResourceId")?;
                let qualifier = self.some(self.source.qualifier.as_ref(), "Source.Qualifier")?;
                let arn = "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${SourceResourceId}/\
                           ${SourceQualifier}";
                sub(arn, [("SourceResourceId", id.clone()), ("SourceQualifier", qualifier.clone())])
            }
            _ => self.some(self.source.arn.as_ref(), "Source.Arn")?.clone(),
        };
        let function = self.truthy(self.destination.arn.as_ref(), "Lambda function ARN", "Destination")?;
        // A bucket's ARN has no account, and another account could take its name.
        let account =
            (self.profile.source == BUCKET).then(|| dict([("Fn::Sub", "${AWS::AccountId}".into())]));
        let permission = |access: &&'static Access| {
            let name = format!("{}LambdaPermission", access.name);
            self.resource(&name, "AWS::Lambda::Permission")
                .with("Action", access.actions.first().copied().unwrap_or_default())
                .with("FunctionName", function.clone())
                .with("Principal", service)
                .with("SourceArn", source.clone())
                .with_some("SourceAccount", account.as_ref())
        };
        Ok(self.accesses.iter().map(permission).collect())
    }

    fn queue_policy(&self) -> Result<Vec<Resource>> {
        let queue = self.some(self.destination.arn.as_ref(), "Destination.Arn")?;
        let topic = self.some(self.source.arn.as_ref(), "Source.Arn")?;
        let url = self.truthy(self.destination.url.as_ref(), "SQS queue URL", "Destination")?;
        let statement = |access: &&Access| {
            dict([
                ("Effect", "Allow".into()),
                ("Principal", dict([("Service", "sns.amazonaws.com".into())])),
                ("Resource", queue.clone()),
                ("Action", access.actions.first().copied().unwrap_or_default().into()),
                ("Condition", dict([("ArnEquals", dict([("aws:SourceArn", topic.clone())]))])),
            ])
        };
        let policy = self.resource("QueuePolicy", "AWS::SQS::QueuePolicy");
        let document = document(self.accesses.iter().map(statement).collect());
        Ok(vec![policy.with("PolicyDocument", document).with("Queues", vec![url])])
    }

    /// Notes on what is generated which types it connects, as SAM does.
    fn note(&self, generated: &mut [Resource], around: &Surroundings<'_>) {
        let end = |end: &End| dict([("Type", around.written_type(end))]);
        let ends = dict([("Source", end(&self.source)), ("Destination", end(&self.destination))]);
        let note = dict([(self.connector.id.text.as_str(), ends)]);
        for resource in generated {
            let mut metadata =
                resource.attributes.get("Metadata").and_then(Node::dict).cloned().unwrap_or_default();
            metadata.insert("aws:sam:connectors", note.clone());
            resource.attributes.insert("Metadata", metadata);
        }
    }

    /// Lets the one mapping between queue and function wait until the function may read from the queue.
    fn precede_mapping(&self, generated: &[Resource], around: &mut Surroundings<'_>) {
        let (Grant::DestinationRole, Some(queue), Some(function), [policy]) =
            (self.profile.grant, &self.source.id, &self.destination.id, generated)
        else {
            return;
        };
        let mappings = around.mappings(&queue.text, &function.text);
        if let [mapping] = mappings.as_slice() {
            around.each_dependency(|id, dependencies| {
                let is_it = id == mapping;
                if is_it {
                    insert_unique(dependencies, policy.id.clone().into());
                }
                is_it
            });
        }
    }
}

fn document(statements: Vec<Node>) -> Node {
    dict([("Version", "2012-10-17".into()), ("Statement", statements.into())])
}

/// The accesses of a profile that a connector asks for.
fn accesses(connector: &Source, profile: &'static Profile) -> Result<Vec<&'static Access>> {
    let names = |accesses: &[Access]| accesses.iter().map(|access| access.name).collect::<Vec<_>>();
    let asked: BTreeSet<&str> = match connector.get("Permissions") {
        Some(Node::List(items)) => items.iter().filter_map(Node::text).collect(),
        // A function, which is not evaluated here: no name of a permission.
        Some(Node::Dict(function)) => function.keys().into_iter().collect(),
        _ => BTreeSet::new(),
    };
    let valid = names(profile.accesses);
    if asked.is_empty() {
        let valid = valid.join(", ");
        return connector.problem(format!("'Permissions' cannot be empty; valid values are: {valid}."));
    }
    let unsupported = |what: String| {
        let (source, destination) = (profile.source, profile.destination);
        connector.problem(format!(
            "Unsupported 'Permissions' provided for connector from {source} to {destination}; {what}."
        ))
    };
    if asked.iter().any(|name| !valid.contains(name)) {
        return unsupported(format!("valid values are: {}", valid.join(", ")));
    }
    if profile.is_whole && asked.len() != valid.len() {
        let mut sorted = valid;
        sorted.sort_unstable();
        return unsupported(format!("valid combinations are: {}", sorted.join(" + ")));
    }
    Ok(profile.accesses.iter().filter(|access| asked.contains(access.name)).collect())
}

fn connect<'a>(
    connector: &'a Source,
    given: (&Dict, &Dict),
    suffix: String,
    around: &Surroundings<'_>,
) -> Result<Connection<'a>> {
    let read =
        |end: &Dict| End::read(end, around).map_err(|what| Problem::resource(&connector.id.text, what));
    let destination = read(given.1)?;
    let source = read(given.0)?;
    let of = |profile: &&Profile| profile.source == source.kind && profile.destination == destination.kind;
    let Some(profile) = PROFILES.iter().find(of) else {
        return connector.problem(format!(
            "Unable to create connector from {} to {}; it's not supported or the template is invalid.",
            source.kind, destination.kind
        ));
    };
    let accesses = accesses(connector, profile)?;
    Ok(Connection { connector, profile, source, destination, accesses, suffix })
}

/// What gives a connector's source access to its destinations; what depends on the connector depends on that.
pub fn transform(connector: &Source, around: &mut Surroundings<'_>) -> Result<Vec<Resource>> {
    let Some(source) = connector.get("Source").and_then(Node::dict) else {
        return connector.problem("Type of property 'Source' is invalid.");
    };
    let (destinations, several) = match connector.get("Destination") {
        Some(Node::List(items)) => (items.iter().filter_map(Node::dict).collect(), true),
        Some(Node::Dict(one)) => (vec![one], false),
        _ => (Vec::new(), true),
    };
    if destinations.is_empty() {
        return connector.problem("'Destination' is an empty list");
    }
    let mut all = Vec::new();
    for (index, destination) in destinations.into_iter().enumerate() {
        let suffix = if several { format!("Destination{index}") } else { String::new() };
        let connection = connect(connector, (source, destination), suffix, around)?;
        let mut generated = connection.generate()?;
        connection.note(&mut generated, around);
        connection.precede_mapping(&generated, around);
        all.extend(generated);
    }
    let itself = Node::from(connector.id.clone());
    around.each_dependency(|_, dependencies| {
        let Some(place) = dependencies.iter().position(|dependency| *dependency == itself) else {
            return false;
        };
        dependencies.remove(place);
        all.iter().for_each(|made| insert_unique(dependencies, made.id.clone().into()));
        true
    });
    Ok(all)
}

/// Makes connectors of the attributes `Connectors`; what is wrong with them.
pub fn embedded(resources: &mut Dict) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut found = Vec::new();
    for (id, resource) in resources.members() {
        match resource.dict().and_then(|resource| resource.get("Connectors")) {
            None => {}
            Some(Node::Dict(connectors)) => {
                found.extend(connectors.members().map(|(name, given)| (id.clone(), name, given.clone())));
            }
            Some(_) => {
                let what = format!("Attribute '{}.Connectors' should be a map.", id.text);
                problems.push(Problem::resource(&id.text, what));
            }
        }
    }
    for (id, name, given) in found {
        let whole = format!("{}{}", id.text, name.text);
        match embed(&id, &name, &whole, &given) {
            Err(found) => problems.extend(found),
            Ok(_) if resources.contains(&whole) => {
                problems.push(Problem::Duplicate(id.text, whole, TYPE.to_owned()));
            }
            Ok(connector) => resources.insert(whole, connector),
        }
    }
    for resource in resources.values_mut() {
        if let Some(resource) = resource.dict_mut() {
            resource.remove("Connectors");
        }
    }
    problems
}

/// The connector that stands in a resource as one of its own.
fn embed(id: &Text, name: &Text, whole: &str, given: &Node) -> std::result::Result<Dict, Vec<Problem>> {
    let wrong = |id: &str, what: String| vec![Problem::resource(id, what)];
    let Some(given) = given.dict() else {
        return Err(wrong(whole, format!("{}.{whole} should be a map.", id.text)));
    };
    let path = format!("Connectors.{}.Properties", name.text);
    let Some(Node::Dict(properties)) = given.get("Properties") else {
        return Err(wrong(&id.text, format!("Attribute '{path}' should be a map.")));
    };
    if properties.contains("Source") {
        return Err(wrong(whole, format!("property Source not defined for resource of type {TYPE}")));
    }
    let mut properties = properties.clone();
    let mut source = Dict::new();
    source.insert("Id", id.clone());
    match properties.remove("SourceReference") {
        None => {}
        Some(Node::Dict(reference)) if reference.contains("Id") => {
            let what = "'Id' shouldn't be defined in 'SourceReference'.";
            return Err(wrong(&name.text, what.to_owned()));
        }
        Some(Node::Dict(reference)) => source.update(&reference),
        Some(_) => {
            let what = format!("Property '{path}.SourceReference' should be a map.");
            return Err(wrong(&id.text, what));
        }
    }
    properties.insert("Source", source);
    let mut connector = given.clone();
    connector.insert("Type", TYPE);
    connector.insert("Properties", properties);
    let found = Source::read(&whole.into(), &connector).problems(tables::CONNECTOR, TYPE);
    if found.is_empty() { Ok(connector) } else { Err(found) }
}
