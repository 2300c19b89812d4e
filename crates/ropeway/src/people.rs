//! `ropeway iam explain`, `ropeway root-keys rotate`, `ropeway user add`: who may what, for people.

use std::collections::BTreeMap;

use ropeway_api::{iam, sts};
use ropeway_iam::{Explained, Question};
use serde_json::json;

use crate::cli::{ExplainArgs, IamArgs, IamCommand, RootKeysArgs, RootKeysCommand, UserArgs, UserCommand};
use crate::cli::{RotateArgs, UserAddArgs};
use crate::client::{Client, ServiceError};
use crate::{Failure, output};

/// `ropeway iam`.
pub(crate) async fn iam(arguments: IamArgs) -> Result<(), Failure> {
    match arguments.command {
        IamCommand::Explain(arguments) => explain(arguments).await,
    }
}

/// `ropeway root-keys`.
pub(crate) async fn root_keys(arguments: RootKeysArgs) -> Result<(), Failure> {
    match arguments.command {
        RootKeysCommand::Rotate(arguments) => rotate(arguments).await,
    }
}

/// `ropeway user`.
pub(crate) async fn user(arguments: UserArgs) -> Result<(), Failure> {
    match arguments.command {
        UserCommand::Add(arguments) => add(arguments).await,
    }
}

async fn explain(arguments: ExplainArgs) -> Result<(), Failure> {
    let client = Client::anonymous(&arguments.server);
    let mut context: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for pair in &arguments.context {
        let (key, value) = pair
            .split_once('=')
            .ok_or_else(|| Failure::Usage(format!("--context takes KEY=VALUE, not {pair:?}")))?;
        context.entry(key.to_owned()).or_default().push(value.to_owned());
    }
    let question = Question {
        principal: arguments.principal,
        action: arguments.action,
        resource: arguments.resource,
        context,
    };
    let body = serde_json::to_vec(&question).map_err(|e| Failure::Failed(e.to_string()))?;
    let answer = client.post_internal("/_ropeway/iam/explain", body.into()).await?;
    if answer.status() != http::StatusCode::OK {
        let told: Option<serde_json::Value> = serde_json::from_slice(answer.body()).ok();
        let message = told.as_ref().and_then(|told| told.get("message")).and_then(|m| m.as_str());
        let whole = || String::from_utf8_lossy(answer.body()).into_owned();
        return Err(Failure::Failed(message.map_or_else(whole, str::to_owned)));
    }
    let told: Explained =
        serde_json::from_slice(answer.body()).map_err(|e| Failure::Failed(e.to_string()))?;
    if arguments.server.json {
        let line = serde_json::to_string(&told).map_err(|e| Failure::Failed(e.to_string()))?;
        output::line(&line);
    } else {
        print(&told);
    }
    Ok(())
}

fn print(told: &Explained) {
    let may = if told.decision == "allowed" { "may" } else { "may not" };
    output::line(&format!("{} {may} {} on {}", told.principal, told.action, told.resource));
    let line = told.line.map(|line| format!(", line {line}")).unwrap_or_default();
    output::line(&format!("  {}{line}", told.because));
    if !told.missing.is_empty() {
        output::line(&format!(
            "  policies ask for what was not given: {} (--context KEY=VALUE)",
            told.missing.join(", ")
        ));
    }
}

async fn rotate(arguments: RotateArgs) -> Result<(), Failure> {
    let client = Client::new(&arguments.server)?;
    let caller = client.call::<sts::GetCallerIdentityInput>(&[]).await?.arn.unwrap_or_default();
    if !caller.ends_with(":root") {
        return Err(Failure::Failed(format!("the root's keys are rotated by the root, not by {caller}")));
    }
    let old = client.call::<iam::ListAccessKeysInput>(&[]).await?.access_key_metadata;
    let old: Vec<String> = old.into_iter().filter_map(|key| key.access_key_id).collect();
    let made = client.call::<iam::CreateAccessKeyInput>(&[]).await;
    let key = made.map_err(|error| too_many(error, &old))?.access_key;
    // What is not seen now is lost, and with the old key gone nobody would get in: its printing must not fail.
    let printed = if arguments.server.json {
        vec![
            json!({ "access_key_id": key.access_key_id, "secret_access_key": key.secret_access_key })
                .to_string(),
        ]
    } else {
        let mut lines = vec!["The new root credentials of this server, shown this once:".to_owned()];
        lines.extend(exports(&key));
        lines
    };
    output::surely(&printed)?;
    let client = client.with_key(&key.access_key_id, &key.secret_access_key);
    client.call::<sts::GetCallerIdentityInput>(&[]).await?;
    if arguments.keep {
        return Ok(());
    }
    for id in old {
        client.call::<iam::DeleteAccessKeyInput>(&[("AccessKeyId".to_owned(), id.clone())]).await?;
        if !arguments.server.json {
            output::line(&format!("{id} is no longer good"));
        }
    }
    Ok(())
}

fn too_many(error: ServiceError, held: &[String]) -> Failure {
    if error.code != "LimitExceeded" {
        return error.into();
    }
    Failure::Failed(format!(
        "the root has as many access keys as it can ({}); delete one that nobody uses: aws iam delete-access-key --access-key-id ID",
        held.join(", ")
    ))
}

fn exports(key: &iam::AccessKey) -> [String; 2] {
    [
        format!("  export AWS_ACCESS_KEY_ID={}", key.access_key_id),
        format!("  export AWS_SECRET_ACCESS_KEY={}", key.secret_access_key),
    ]
}

async fn add(arguments: UserAddArgs) -> Result<(), Failure> {
    let client = Client::new(&arguments.server)?;
    let parameter = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    for arn in &arguments.policy {
        client.call::<iam::GetPolicyInput>(&[parameter("PolicyArn", arn)]).await?;
    }
    let name = parameter("UserName", &arguments.name);
    client.call::<iam::CreateUserInput>(std::slice::from_ref(&name)).await?;
    let mut attached = Vec::new();
    match equip(&client, &name, &arguments.policy, &mut attached).await {
        Ok(key) => print_user(&client, &arguments, &key),
        Err(error) => {
            undo(&client, &name, &attached).await.map_err(|undone| {
                let (why, left) = (&error.message, &undone.message);
                Failure::Failed(format!("{why}; and the user {} is left half made: {left}", arguments.name))
            })?;
            Err(error.into())
        }
    }
}

/// Attaches the policies and makes an access key; what is attached stands in `attached`.
async fn equip(
    client: &Client,
    name: &(String, String),
    policies: &[String],
    attached: &mut Vec<String>,
) -> Result<iam::AccessKey, ServiceError> {
    for arn in policies {
        let parameters = [name.clone(), ("PolicyArn".to_owned(), arn.clone())];
        client.call::<iam::AttachUserPolicyInput>(&parameters).await?;
        attached.push(arn.clone());
    }
    Ok(client.call::<iam::CreateAccessKeyInput>(std::slice::from_ref(name)).await?.access_key)
}

async fn undo(client: &Client, name: &(String, String), attached: &[String]) -> Result<(), ServiceError> {
    for arn in attached {
        let parameters = [name.clone(), ("PolicyArn".to_owned(), arn.clone())];
        client.call::<iam::DetachUserPolicyInput>(&parameters).await?;
    }
    client.call::<iam::DeleteUserInput>(std::slice::from_ref(name)).await?;
    Ok(())
}

fn print_user(client: &Client, arguments: &UserAddArgs, key: &iam::AccessKey) -> Result<(), Failure> {
    let name = &arguments.name;
    if arguments.server.json {
        let line = json!({
            "user": name,
            "access_key_id": key.access_key_id,
            "secret_access_key": key.secret_access_key,
        });
        return output::surely(&[line.to_string()]);
    }
    let settings = [
        ("aws_access_key_id", key.access_key_id.as_str()),
        ("aws_secret_access_key", &key.secret_access_key),
        ("region", client.region()),
        ("endpoint_url", client.endpoint()),
    ];
    let configure =
        settings.map(|(setting, value)| format!("aws configure set {setting} {value} --profile {name}"));
    let mut lines = vec![format!("The credentials of {name}, shown this once:")];
    lines.extend(exports(key));
    lines.push("Or as a profile of the aws command:".to_owned());
    lines.push(format!("  {}", configure.join(" && ")));
    output::surely(&lines)
}
