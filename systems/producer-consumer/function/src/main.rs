//! Answers `POST {"object_key": …, "action": "putObject" | "getObject"}` with a pre-signed URL.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::presigning::PresigningConfig;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde::Deserialize;
use serde_json::{Value, json};

/// How long a URL is good for.
const GOOD_FOR: Duration = Duration::from_secs(100);

/// What of API Gateway's proxy event matters here.
#[derive(Deserialize)]
struct Request {
    body: Option<String>,
    #[serde(default, rename = "isBase64Encoded")]
    encoded: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let config = aws_config::load_from_env().await;
    // The bucket in the path: its name as a host need not resolve where the URL is used.
    let config = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
    let (client, bucket) = (Client::from_conf(config), std::env::var("BUCKET")?);
    run(service_fn(|event: LambdaEvent<Request>| answer(&client, &bucket, event.payload))).await
}

async fn answer(client: &Client, bucket: &str, request: Request) -> Result<Value, Error> {
    let (action, key) = match parse(&request) {
        Ok(parsed) => parsed,
        Err(why) => {
            return Ok(json!({
                "statusCode": 400,
                "headers": { "Content-Type": "application/json" },
                "body": json!({ "error": why }).to_string(),
            }));
        }
    };
    let signing = PresigningConfig::expires_in(GOOD_FOR)?;
    let signed = match action {
        Action::Put => client.put_object().bucket(bucket).key(key).presigned(signing).await?,
        Action::Get => client.get_object().bucket(bucket).key(key).presigned(signing).await?,
    };
    Ok(json!({ "statusCode": 200, "headers": { "Content-Type": "text/plain" }, "body": signed.uri() }))
}

enum Action {
    Put,
    Get,
}

/// What is asked for, or what is wrong with it.
fn parse(request: &Request) -> Result<(Action, String), String> {
    let body = request.body.as_deref().unwrap_or_default();
    let decoded = if request.encoded { STANDARD.decode(body).unwrap_or_default() } else { body.into() };
    let asked: Value =
        serde_json::from_slice(&decoded).map_err(|_| "the body is not a JSON object".to_owned())?;
    let text = |name: &str| asked.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let key = text("object_key").ok_or("object_key is missing")?;
    match text("action") {
        Some("putObject") => Ok((Action::Put, key.to_owned())),
        Some("getObject") => Ok((Action::Get, key.to_owned())),
        _ => Err("action must be putObject or getObject".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(body: &str, encoded: bool) -> String {
        let request = Request { body: Some(body.to_owned()), encoded };
        match parse(&request) {
            Ok((Action::Put, key)) => format!("put {key}"),
            Ok((Action::Get, key)) => format!("get {key}"),
            Err(why) => why,
        }
    }

    #[test]
    fn requests_are_read_and_refused() {
        assert_eq!(said(r#"{"object_key":"input/a b","action":"putObject"}"#, false), "put input/a b");
        let encoded = STANDARD.encode(r#"{"object_key":"x","action":"getObject"}"#);
        assert_eq!(said(&encoded, true), "get x");
        assert_eq!(said(r#"{"action":"putObject"}"#, false), "object_key is missing");
        assert_eq!(
            said(r#"{"object_key":"x","action":"rm"}"#, false),
            "action must be putObject or getObject"
        );
        assert_eq!(said("", false), "the body is not a JSON object");
        assert_eq!(said("?", true), "the body is not a JSON object");
    }
}
