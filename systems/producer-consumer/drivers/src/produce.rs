//! `produce`: uploads.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use clap::Args;
use futures_util::stream;
use http::Method;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use indicatif::ProgressBar;
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use crate::Failure;
use crate::api::{Action, Api, Body, bar};

/// Bytes that are read and sent at a time.
const PIECE: usize = 256 * 1024;

#[derive(Debug, Args)]
pub struct Arguments {
    /// The API's URL: what `ropeway deploy` prints, or the stack's output ApiUrl on AWS.
    #[arg(long, env = "API_URL", value_name = "URL")]
    api: String,
    /// What the objects' keys begin with.
    #[arg(long, default_value = "input/")]
    prefix: String,
    /// The files, 1 byte to 5 GiB each; the key is the prefix and the file's name.
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

/// Uploads every file, one after the other, and prints its key.
pub async fn run(arguments: Arguments) -> Result<(), Failure> {
    let api = Api::new(&arguments.api)?;
    for file in &arguments.files {
        let name = file.file_name().and_then(|name| name.to_str()).ok_or("a file without a name")?;
        let key = format!("{}{name}", arguments.prefix);
        upload(&api, file, &key).await.map_err(|error| format!("{}: {error}", file.display()))?;
        println!("{key}");
    }
    Ok(())
}

async fn upload(api: &Api, path: &Path, key: &str) -> Result<(), Failure> {
    let file = File::open(path).await?;
    let length = file.metadata().await?.len();
    let url = api.presign(key, Action::Put).await?;
    let progress = bar(key, length)?;
    api.exchange(Method::PUT, url, Some(length), body(file, progress.clone())).await?;
    progress.finish();
    Ok(())
}

/// A file's bytes, counted as they go.
fn body(file: File, progress: ProgressBar) -> Body {
    let pieces = stream::try_unfold((file, progress), |(mut file, progress)| async move {
        let mut piece = vec![0; PIECE];
        let count = file.read(&mut piece).await?;
        piece.truncate(count);
        progress.inc(count as u64);
        Ok((count > 0).then(|| (Frame::data(Bytes::from(piece)), (file, progress))))
    });
    BodyExt::boxed_unsync(StreamBody::new(pieces))
}
