//! `ropeway deploy`, `destroy`, `outputs`, `ls`: stacks, through the CloudFormation API.

mod confirm;
mod progress;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ropeway_api::cloudformation::{self as cfn, Stack};
use ropeway_api::{apigateway, apigatewayv2, s3};
use ropeway_wire::protocol;
use ropeway_wire::schema::Protocol;
use serde_json::json;

use crate::cli::{DeployArgs, DestroyArgs, LsArgs, StackArgs};
use crate::client::{Client, ServiceError};
use crate::pack::{Upload, pack};
use crate::{Failure, output};
pub(crate) use confirm::Asks;
use progress::Progress;

/// Pause between two looks at a stack, in milliseconds.
const PAUSE: i64 = 150;
/// What stays as it is in a path.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What is deployed, and under which name.
pub(crate) struct Target {
    /// The template's file.
    pub template: PathBuf,
    /// The stack's name.
    pub stack: String,
    /// Keys and values.
    parameters: Vec<(String, String)>,
}

impl Target {
    /// A template, or a folder with one in it; the stack is named as the folder unless it is given a name.
    pub fn new(path: &Path, stack: Option<&str>, parameters: &[String]) -> Result<Self, Failure> {
        let wrong = |given: &String| Failure::Usage(format!("--parameter takes KEY=VALUE, not {given:?}"));
        let pair = |given: &String| {
            let (key, value) = given.split_once('=').ok_or_else(|| wrong(given))?;
            Ok((key.to_owned(), value.to_owned()))
        };
        Ok(Target {
            template: template_file(path)?,
            stack: stack.map_or_else(|| folder_name(path), |name| Ok(name.to_owned()))?,
            parameters: parameters.iter().map(pair).collect::<Result<_, Failure>>()?,
        })
    }

    /// The folder that the template is in, without links.
    pub fn folder(&self) -> Result<PathBuf, Failure> {
        let named = self.template.parent().filter(|path| !path.as_os_str().is_empty());
        let folder = named.unwrap_or(Path::new("."));
        folder.canonicalize().map_err(|e| Failure::Usage(format!("{}: {e}", folder.display())))
    }
}

/// `ropeway deploy`.
pub(crate) async fn deploy(arguments: DeployArgs) -> Result<(), Failure> {
    let asks = Asks::new(arguments.confirm, arguments.yes)?;
    let client = Client::new(&arguments.server)?;
    let target = Target::new(&arguments.path, arguments.stack_name.as_deref(), &arguments.parameter)?;
    let (stack, _) = apply(&client, &target, asks, arguments.server.json).await?;
    print_outputs(&stack, arguments.server.json);
    if !arguments.server.json {
        print_apis(&client, &target.stack).await?;
    }
    Ok(())
}

/// Creates or updates a stack, and waits until it stands; gives it, and the code that was uploaded for it.
pub(crate) async fn apply(
    client: &Client,
    target: &Target,
    asks: Asks,
    json: bool,
) -> Result<(Stack, Vec<Upload>), Failure> {
    let name = &target.stack;
    let body = std::fs::read_to_string(&target.template)
        .map_err(|e| Failure::Usage(format!("{}: {e}", target.template.display())))?;
    let (template, uploads) = pack(client, &target.template, body).await?;
    let mut parameters = vec![("StackName".to_owned(), name.clone()), template];
    for (n, capability) in
        ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"].iter().enumerate()
    {
        parameters.push((format!("Capabilities.member.{}", n + 1), (*capability).to_owned()));
    }
    for (n, (key, value)) in target.parameters.iter().enumerate() {
        parameters.push((format!("Parameters.member.{}.ParameterKey", n + 1), key.clone()));
        parameters.push((format!("Parameters.member.{}.ParameterValue", n + 1), value.clone()));
    }
    let mut progress = Progress::from_now(client, name, json).await;
    let changed = match asks {
        Asks::Never => create_or_update(client, &parameters).await?,
        _ => {
            let found = describe(client, name).await?;
            let creates = found.is_none_or(|stack| stack.stack_status == "REVIEW_IN_PROGRESS");
            confirm::apply(client, target, &parameters, (creates, asks), json).await?
        }
    };
    let stack = if changed {
        progress.follow(client, name).await?
    } else {
        describe(client, name).await?.ok_or_else(|| Failure::Failed(format!("the stack {name} is gone")))?
    };
    if !matches!(stack.stack_status.as_str(), "CREATE_COMPLETE" | "UPDATE_COMPLETE") {
        return Err(fallen(&stack, &progress));
    }
    Ok((stack, uploads))
}

/// What a stack that does not stand is said of: the resource that failed, and why.
fn fallen(stack: &Stack, progress: &Progress) -> Failure {
    let reason = progress.failed().or(stack.stack_status_reason.as_deref()).unwrap_or_default();
    Failure::Failed(format!("{} is {}: {reason}", stack.stack_name, stack.stack_status))
}

/// Whether there was anything to create or update.
async fn create_or_update(client: &Client, parameters: &[(String, String)]) -> Result<bool, Failure> {
    match client.call::<cfn::CreateStackInput>(parameters).await {
        Ok(_) => Ok(true),
        Err(error) if error.code == "AlreadyExistsException" => update(client, parameters).await,
        Err(error) => Err(error.into()),
    }
}

/// Deletes what is left of a stack whose creation failed: it cannot be updated, and nothing stands in it.
pub(crate) async fn clear_failed(client: &Client, name: &str, json: bool) -> Result<(), Failure> {
    let Some(stack) = describe(client, name).await? else { return Ok(()) };
    if stack.stack_status != "ROLLBACK_COMPLETE" {
        return Ok(());
    }
    let mut progress = Progress::from_now(client, name, json).await;
    client.call::<cfn::DeleteStackInput>(&[("StackName".to_owned(), name.to_owned())]).await?;
    let id = stack.stack_id.unwrap_or_else(|| name.to_owned());
    progress.follow(client, &id).await.map(drop)
}

/// The functions of a stack and of those nested in it: logical and physical names.
pub(crate) async fn functions(client: &Client, stack: &str) -> Result<BTreeMap<String, String>, Failure> {
    let mut found = BTreeMap::new();
    let mut stacks = vec![(String::new(), stack.to_owned())];
    while let Some((prefix, stack)) = stacks.pop() {
        for resource in resources(client, &stack).await? {
            let Some(id) = resource.physical_resource_id else { continue };
            let name = format!("{prefix}{}", resource.logical_resource_id);
            match resource.resource_type.as_str() {
                "AWS::Lambda::Function" => {
                    found.insert(name, id);
                }
                "AWS::CloudFormation::Stack" => stacks.push((format!("{name}/"), id)),
                _ => {}
            }
        }
    }
    Ok(found)
}

/// Prints where the stack's APIs are served: by path, since not every machine resolves their host names.
async fn print_apis(client: &Client, stack: &str) -> Result<(), Failure> {
    for resource in resources(client, stack).await? {
        let Some(id) = resource.physical_resource_id else { continue };
        // The service, the path of the API's stages, and the member of the answer that lists them.
        let (service, path, member) = match resource.resource_type.as_str() {
            "AWS::ApiGateway::RestApi" => (&apigateway::SERVICE, format!("/restapis/{id}/stages"), "item"),
            "AWS::ApiGatewayV2::Api" => (&apigatewayv2::SERVICE, format!("/v2/apis/{id}/stages"), "items"),
            _ => continue,
        };
        let answer = client.send(service, "GET", &path, &[], Bytes::new()).await?;
        let stages: serde_json::Value =
            serde_json::from_slice(answer.body()).map_err(|e| Failure::Failed(format!("{path}: {e}")))?;
        for stage in stages.get(member).and_then(serde_json::Value::as_array).into_iter().flatten() {
            let name = stage.get("stageName").and_then(serde_json::Value::as_str).unwrap_or_default();
            let (api, endpoint) = (&resource.logical_resource_id, client.endpoint());
            output::line(&format!("{api} is served at {endpoint}/restapis/{id}/{name}/_user_request_"));
        }
    }
    Ok(())
}

async fn update(client: &Client, parameters: &[(String, String)]) -> Result<bool, Failure> {
    match client.call::<cfn::UpdateStackInput>(parameters).await {
        Ok(_) => Ok(true),
        Err(error) if error.message.contains("No updates are to be performed") => {
            output::line("nothing has changed");
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

fn template_file(path: &Path) -> Result<PathBuf, Failure> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let names = ["template.yaml", "template.yml", "template.json"];
    let found = names.iter().map(|name| path.join(name)).find(|file| file.is_file());
    found.ok_or_else(|| {
        Failure::Usage(format!("{} has no template.yaml, template.yml or template.json", path.display()))
    })
}

/// The stack's name: the folder's, with what a name cannot have made into dashes.
fn folder_name(path: &Path) -> Result<String, Failure> {
    let full = path.canonicalize().map_err(|e| Failure::Usage(format!("{}: {e}", path.display())))?;
    let folder = if full.is_dir() { full.as_path() } else { full.parent().unwrap_or(&full) };
    let name = folder.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let usable = name.starts_with(|c: char| c.is_ascii_alphabetic());
    if usable { Ok(name) } else { Err(Failure::Usage("give the stack a name: --stack-name NAME".to_owned())) }
}

pub(crate) async fn describe(client: &Client, stack: &str) -> Result<Option<Stack>, Failure> {
    let parameters = [("StackName".to_owned(), stack.to_owned())];
    match client.call::<cfn::DescribeStacksInput>(&parameters).await {
        Ok(page) => Ok(page.stacks.unwrap_or_default().into_iter().next()),
        Err(error) if error.message.contains("does not exist") => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn print_outputs(stack: &Stack, json: bool) {
    let outputs = stack.outputs.clone().unwrap_or_default();
    if json {
        let map: serde_json::Map<String, serde_json::Value> = outputs
            .into_iter()
            .map(|o| (o.output_key.unwrap_or_default(), json!(o.output_value.unwrap_or_default())))
            .collect();
        return output::line(&serde_json::Value::Object(map).to_string());
    }
    for one in outputs {
        output::line(&format!(
            "{} = {}",
            one.output_key.unwrap_or_default(),
            one.output_value.unwrap_or_default()
        ));
    }
}

/// `ropeway outputs`.
pub(crate) async fn outputs(arguments: StackArgs) -> Result<(), Failure> {
    let client = Client::new(&arguments.server)?;
    let stack = describe(&client, &arguments.stack).await?;
    let stack = stack.ok_or_else(|| Failure::Failed(format!("there is no stack {}", arguments.stack)))?;
    print_outputs(&stack, arguments.server.json);
    Ok(())
}

/// `ropeway ls`.
pub(crate) async fn ls(arguments: LsArgs) -> Result<(), Failure> {
    let client = Client::new(&arguments.server)?;
    let json = arguments.server.json;
    if let Some(stack) = arguments.stack {
        for resource in resources(&client, &stack).await? {
            let id = resource.physical_resource_id.unwrap_or_default();
            output::line(&if json {
                json!({ "resource": resource.logical_resource_id, "type": resource.resource_type, "status": resource.resource_status, "id": id }).to_string()
            } else {
                format!(
                    "{:<28} {:<36} {} {id}",
                    resource.resource_status, resource.resource_type, resource.logical_resource_id
                )
            });
        }
        return Ok(());
    }
    let mut token: Option<String> = None;
    loop {
        let parameters: Vec<_> = token.into_iter().map(|token| ("NextToken".to_owned(), token)).collect();
        let page = client.call::<cfn::DescribeStacksInput>(&parameters).await?;
        for stack in page.stacks.unwrap_or_default() {
            output::line(&if json {
                json!({ "stack": stack.stack_name, "status": stack.stack_status }).to_string()
            } else {
                format!("{:<28} {}", stack.stack_status, stack.stack_name)
            });
        }
        token = page.next_token;
        if token.is_none() {
            return Ok(());
        }
    }
}

async fn resources(client: &Client, stack: &str) -> Result<Vec<cfn::StackResourceSummary>, Failure> {
    let mut all = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let mut parameters = vec![("StackName".to_owned(), stack.to_owned())];
        parameters.extend(token.map(|token| ("NextToken".to_owned(), token)));
        let page = client.call::<cfn::ListStackResourcesInput>(&parameters).await?;
        all.extend(page.stack_resource_summaries.unwrap_or_default());
        token = page.next_token;
        if token.is_none() {
            return Ok(all);
        }
    }
}

/// `ropeway destroy`.
pub(crate) async fn destroy(arguments: DestroyArgs) -> Result<(), Failure> {
    let client = Client::new(&arguments.server)?;
    let path = Path::new(&arguments.stack);
    let name = if path.is_dir() { folder_name(path)? } else { arguments.stack.clone() };
    let Some(stack) = describe(&client, &name).await? else {
        return Err(Failure::Failed(format!("there is no stack {name}")));
    };
    let id = stack.stack_id.clone().unwrap_or_else(|| name.clone());
    for resource in resources(&client, &name).await? {
        if let ("AWS::S3::Bucket", Some(bucket)) =
            (resource.resource_type.as_str(), &resource.physical_resource_id)
        {
            empty_bucket(&client, bucket).await?;
        }
    }
    let mut progress = Progress::from_now(&client, &name, arguments.server.json).await;
    client.call::<cfn::DeleteStackInput>(&[("StackName".to_owned(), name.clone())]).await?;
    let stack = progress.follow(&client, &id).await?;
    match stack.stack_status.as_str() {
        "DELETE_COMPLETE" => Ok(()),
        _ => Err(fallen(&stack, &progress)),
    }
}

/// Deletes every object and every upload under way of a bucket.
async fn empty_bucket(client: &Client, bucket: &str) -> Result<(), Failure> {
    let mut count = 0;
    loop {
        let listed: s3::ListObjectsV2Output =
            match get(client, "ListObjectsV2", &format!("/{bucket}?list-type=2")).await {
                Err(error) if error.code == "NoSuchBucket" => return Ok(()),
                other => other?,
            };
        let objects = listed.contents.unwrap_or_default();
        if objects.is_empty() {
            break;
        }
        for object in objects {
            let key = object.key.unwrap_or_default();
            delete(client, &format!("/{bucket}/{}", utf8_percent_encode(&key, PATH))).await?;
            count += 1;
        }
    }
    let uploads: s3::ListMultipartUploadsOutput =
        get(client, "ListMultipartUploads", &format!("/{bucket}?uploads=")).await?;
    for upload in uploads.uploads.unwrap_or_default() {
        let (key, id) = (upload.key.unwrap_or_default(), upload.upload_id.unwrap_or_default());
        let path = format!(
            "/{bucket}/{}?uploadId={}",
            utf8_percent_encode(&key, PATH),
            utf8_percent_encode(&id, NON_ALPHANUMERIC)
        );
        delete(client, &path).await?;
    }
    output::line(&format!("emptied the bucket {bucket}: {count} objects deleted"));
    Ok(())
}

async fn get<T: ropeway_wire::Decode>(
    client: &Client,
    operation: &str,
    path: &str,
) -> Result<T, ServiceError> {
    let answer = client.send(&s3::SERVICE, "GET", path, &[], Bytes::new()).await?;
    let (parts, body) = answer.into_parts();
    let listed = s3::SERVICE.operations.iter().find(|o| o.name == operation);
    let listed = listed.ok_or_else(|| ServiceError::local(format!("{operation} is not listed")))?;
    protocol::decode_response(listed, Protocol::RestXml, parts.status.as_u16(), &parts.headers, body)
        .map_err(|error| ServiceError::local(error.to_string()))
}

async fn delete(client: &Client, path: &str) -> Result<(), Failure> {
    client.send(&s3::SERVICE, "DELETE", path, &[], Bytes::new()).await?;
    Ok(())
}
