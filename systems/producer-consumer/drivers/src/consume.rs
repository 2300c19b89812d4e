//! `consume`: downloads what the queue tells of.

use std::path::{Component, Path, PathBuf};

use aws_sdk_sqs::types::Message;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use clap::Args;
use http::Method;
use http_body_util::{BodyExt, Empty};
use md5::{Digest, Md5};
use tokio::fs::{self, File};
use tokio::io::AsyncWriteExt;

use crate::Failure;
use crate::api::{Action, Api, bar};
use crate::event::{Object, objects};

#[derive(Debug, Args)]
pub struct Arguments {
    /// The API's URL: what `ropeway deploy` prints, or the stack's output ApiUrl on AWS.
    #[arg(long, env = "API_URL", value_name = "URL")]
    api: String,
    /// The queue's name.
    #[arg(long, default_value = "producer-consumer-uploads")]
    queue: String,
    /// Stop after so many messages.
    #[arg(long)]
    count: Option<u64>,
    /// Stop when the queue has been empty for one long poll.
    #[arg(long)]
    until_empty: bool,
    /// Where files are written, under their keys.
    dir: PathBuf,
}

/// Polls, downloads, checks and deletes. A file that cannot be had leaves its message where it is: it comes
/// back when its visibility ends, and after five times it is in the dead-letter queue.
pub async fn run(arguments: Arguments) -> Result<(), Failure> {
    let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let client = aws_sdk_sqs::Client::new(&aws_config::from_env().http_client(http).load().await);
    let url = client.get_queue_url().queue_name(&arguments.queue).send().await?;
    let url = url.queue_url.ok_or("a queue without a URL")?;
    let api = Api::new(&arguments.api)?;
    let mut left = arguments.count.unwrap_or(u64::MAX);
    while left > 0 {
        let wait = if arguments.until_empty { 2 } else { 20 };
        let polled = client.receive_message().queue_url(&url).wait_time_seconds(wait).send().await?;
        let messages = polled.messages.unwrap_or_default();
        if messages.is_empty() && arguments.until_empty {
            return Ok(());
        }
        for message in messages {
            left = left.saturating_sub(1);
            match take(&api, &arguments.dir, &message).await {
                Ok(()) => {
                    let receipt = message.receipt_handle().unwrap_or_default();
                    client.delete_message().queue_url(&url).receipt_handle(receipt).send().await?;
                }
                Err(error) => eprintln!("a message stays in the queue: {error}"),
            }
        }
    }
    Ok(())
}

async fn take(api: &Api, dir: &Path, message: &Message) -> Result<(), Failure> {
    for object in objects(message.body().unwrap_or_default())? {
        download(api, dir, &object).await.map_err(|error| format!("{}: {error}", object.key))?;
        println!("{} {} {}", object.etag, object.size, object.key);
    }
    Ok(())
}

/// Downloads an object beside its place, and puts it there once it is whole.
async fn download(api: &Api, dir: &Path, object: &Object) -> Result<(), Failure> {
    let path = dir.join(within(&object.key)?);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).await?;
    }
    let url = api.presign(&object.key, Action::Get).await?;
    let nothing = Empty::new().map_err(|never| match never {}).boxed_unsync();
    let mut body = api.exchange(Method::GET, url, None, nothing).await?.into_body();
    let part = path.with_added_extension("part");
    let mut file = File::create(&part).await?;
    let (mut size, mut sum, progress) = (0, Md5::new(), bar(&object.key, object.size)?);
    while let Some(frame) = body.frame().await {
        if let Ok(bytes) = frame?.into_data() {
            size += bytes.len() as u64;
            sum.update(&bytes);
            progress.inc(bytes.len() as u64);
            file.write_all(&bytes).await?;
        }
    }
    file.sync_all().await?;
    progress.finish();
    let sum = hex::encode(sum.finalize());
    if size != object.size || sum != object.etag {
        return Err(
            format!("{size} bytes with the sum {sum}, not {} with {}", object.size, object.etag).into()
        );
    }
    Ok(fs::rename(part, path).await?)
}

/// A key as a path that leads nowhere else.
fn within(key: &str) -> Result<PathBuf, Failure> {
    let path = PathBuf::from(key);
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    if plain && !key.is_empty() { Ok(path) } else { Err("a key that is no path below a folder".into()) }
}
