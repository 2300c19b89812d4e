//! From an operation's input to the ARN that it is about: the functions that overlays name.

use crate::Cx;

/// The ARN of the queue at a URL (`http://localhost:4566/000000000000/orders`); the account is the
/// URL's, the region the request's.
pub fn queue_url(url: &str, cx: &Cx) -> String {
    let path =
        url.split_once("://").map_or(url, |(_, rest)| rest.split_once('/').map_or("", |(_, path)| path));
    let mut parts = path.trim_matches('/').rsplit('/');
    let name = parts.next().unwrap_or_default();
    let account = parts.next().filter(|a| is_account(a)).unwrap_or(&cx.account);
    format!("arn:aws:sqs:{}:{account}:{name}", cx.region)
}

/// The ARN of a queue of the caller's account, or of the account that the overlay's second member names.
pub fn queue_name(name: &str, cx: &Cx) -> String {
    format!("arn:aws:sqs:{}:{}:{name}", cx.region, cx.account)
}

/// The ARN of the source queue that a message-move task's handle carries; see [`move_task_handle`].
pub fn move_task(handle: &str, _cx: &Cx) -> String {
    parse_move_task_handle(handle).map_or_else(|| "*".to_owned(), |(_, source)| source)
}

/// The handle of a message-move task: base64 of a JSON object with its id and its source's ARN, the
/// form that SQS's own handles have.
pub fn move_task_handle(id: &str, source: &str) -> String {
    use base64::Engine;
    let json = serde_json::json!({ "taskId": id, "sourceArn": source });
    base64::engine::general_purpose::STANDARD.encode(json.to_string())
}

/// Task id and source ARN of a message-move task's handle.
pub fn parse_move_task_handle(handle: &str) -> Option<(String, String)> {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::STANDARD.decode(handle).ok()?;
    let json: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
    let text = |name: &str| json.get(name)?.as_str().map(str::to_owned);
    Some((text("taskId")?, text("sourceArn")?))
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

/// The ARN of a stack that is named by its name or by its ARN; of no stack in particular: `*`.
pub fn stack(name: &str, cx: &Cx) -> String {
    match name {
        "" => "*".to_owned(),
        arn if arn.starts_with("arn:") => arn.to_owned(),
        name => format!("arn:aws:cloudformation:{}:{}:stack/{name}/*", cx.region, cx.account),
    }
}

/// The ARN of a function that is named by its name, by part of its ARN (`000000000000:function:name`) or
/// by its whole ARN, each with or without a qualifier; of none in particular: `*`.
pub fn function(name: &str, cx: &Cx) -> String {
    let name = name.strip_prefix("arn:aws:lambda:").unwrap_or(name);
    let words: Vec<&str> = name.split(':').collect();
    let (region, account, rest) = match words.as_slice() {
        [] | [""] => return "*".to_owned(),
        [region, account, "function", rest @ ..] => (*region, *account, rest),
        [account, "function", rest @ ..] if is_account(account) => (cx.region.as_str(), *account, rest),
        ["function", rest @ ..] if !rest.is_empty() => (cx.region.as_str(), cx.account.as_str(), rest),
        rest => (cx.region.as_str(), cx.account.as_str(), rest),
    };
    format!("arn:aws:lambda:{region}:{account}:function:{}", rest.join(":"))
}

/// What a qualifier adds to a function's ARN.
pub fn function_qualifier(qualifier: &str, _cx: &Cx) -> String {
    if qualifier.is_empty() { String::new() } else { format!(":{qualifier}") }
}

/// The ARN of a layer that is named by its name or by its ARN.
pub fn layer(name: &str, cx: &Cx) -> String {
    if name.starts_with("arn:") {
        return name.to_owned();
    }
    format!("arn:aws:lambda:{}:{}:layer:{name}", cx.region, cx.account)
}

/// The ARN of a trail that is named by its name or by its ARN.
pub fn trail(name: &str, cx: &Cx) -> String {
    if name.starts_with("arn:") {
        return name.to_owned();
    }
    format!("arn:aws:cloudtrail:{}:{}:trail/{name}", cx.region, cx.account)
}
