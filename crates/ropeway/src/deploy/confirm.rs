//! `ropeway deploy --confirm`: shows what would change, and asks.

use std::io::{BufRead, IsTerminal, Write};

use ropeway_api::cloudformation::{self as cfn, Change};
use serde_json::json;

use super::Target;
use crate::client::Client;
use crate::{Failure, output};

/// The change set's name.
const NAME: &str = "ropeway-deploy";

/// How a deployment asks before it changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asks {
    /// not at all
    Never,
    /// shows the changes, and asks on the terminal
    OnTerminal,
    /// shows the changes, and goes on
    Shows,
}

impl Asks {
    /// What the flags say.
    ///
    /// # Errors
    /// There is no terminal to ask on.
    pub fn new(confirm: bool, yes: bool) -> Result<Self, Failure> {
        match (confirm, yes) {
            (false, _) => Ok(Asks::Never),
            (true, true) => Ok(Asks::Shows),
            (true, false) if std::io::stdin().is_terminal() => Ok(Asks::OnTerminal),
            (true, false) => Err(Failure::Usage(
                "--confirm asks on a terminal, and this is none: add --yes to see the changes and apply them"
                    .to_owned(),
            )),
        }
    }
}

/// Makes a change set, shows it, and executes it if that is wanted; false: there is nothing to change.
///
/// # Errors
/// The change set failed, or nobody wanted it: then it is gone, and nothing has changed.
pub(super) async fn apply(
    client: &Client,
    target: &Target,
    parameters: &[(String, String)],
    (creates, asks): (bool, Asks),
    json: bool,
) -> Result<bool, Failure> {
    let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let named = [own("StackName", &target.stack), own("ChangeSetName", NAME)];
    // What an earlier run left behind.
    client
        .call::<cfn::DeleteChangeSetInput>(&named)
        .await
        .map(drop)
        .or_else(|error| if error.message.contains("does not exist") { Ok(()) } else { Err(error) })?;
    let mut asked = parameters.to_vec();
    asked.push(own("ChangeSetName", NAME));
    asked.push(own("ChangeSetType", if creates { "CREATE" } else { "UPDATE" }));
    client.call::<cfn::CreateChangeSetInput>(&asked).await?;
    let (changes, failed) = described(client, &named).await?;
    if let Some(reason) = failed {
        discard(client, &named, creates).await?;
        if reason.contains("No updates are to be performed") || reason.contains("didn't contain changes") {
            output::line("nothing has changed");
            return Ok(false);
        }
        return Err(Failure::Failed(reason));
    }
    changes.iter().for_each(|change| print(change, json));
    if asks == Asks::OnTerminal && !confirmed(&target.stack)? {
        discard(client, &named, creates).await?;
        return Err(Failure::Failed("not applied: nothing has changed".to_owned()));
    }
    client.call::<cfn::ExecuteChangeSetInput>(&named).await?;
    Ok(true)
}

/// The changes, and why there is nothing to execute.
async fn described(
    client: &Client,
    named: &[(String, String)],
) -> Result<(Vec<Change>, Option<String>), Failure> {
    let mut all = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let mut parameters = named.to_vec();
        parameters.extend(token.map(|token| ("NextToken".to_owned(), token)));
        let page = client.call::<cfn::DescribeChangeSetInput>(&parameters).await?;
        if page.status.as_deref() == Some("FAILED") {
            return Ok((Vec::new(), Some(page.status_reason.unwrap_or_default())));
        }
        all.extend(page.changes.unwrap_or_default());
        token = page.next_token;
        if token.is_none() {
            return Ok((all, None));
        }
    }
}

/// Deletes the change set, and the stack that would only have come of it.
async fn discard(client: &Client, named: &[(String, String)], creates: bool) -> Result<(), Failure> {
    client.call::<cfn::DeleteChangeSetInput>(named).await?;
    if creates {
        client.call::<cfn::DeleteStackInput>(named.get(..1).unwrap_or_default()).await?;
    }
    Ok(())
}

fn print(change: &Change, json: bool) {
    let Some(change) = &change.resource_change else { return };
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let (action, kind, id) =
        (text(&change.action), text(&change.resource_type), text(&change.logical_resource_id));
    let replacement = text(&change.replacement);
    let note = match replacement.as_str() {
        "True" => "is replaced",
        "Conditional" => "may be replaced",
        _ => "",
    };
    output::line(&if json {
        json!({ "change": action, "resource": id, "type": kind, "replacement": replacement }).to_string()
    } else {
        format!("  {action:<8} {kind:<36} {id} {note}").trim_end().to_owned()
    });
}

/// Asks on the terminal; anything but yes is no.
fn confirmed(stack: &str) -> Result<bool, Failure> {
    let mut out = std::io::stderr().lock();
    write!(out, "Apply these changes to {stack}? [y/N] ")?;
    out.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
