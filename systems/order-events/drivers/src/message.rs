//! `message`: publishes.

use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use clap::Args;
use futures_util::stream::{FuturesUnordered, StreamExt};

use crate::Failure;
use crate::consumer::Consumer;

/// Publishes under way at once.
const AT_ONCE: usize = 32;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Publish so many a second, instead of one every five seconds; 0: as fast as they are taken.
    #[arg(long)]
    rate: Option<f64>,
    /// Stop after so many.
    #[arg(long)]
    count: Option<u64>,
    /// The topic's ARN: the stack's output TopicArn.
    #[arg(long, env = "ARN", value_name = "ARN")]
    topic: String,
    /// Print the ids only.
    #[arg(long)]
    ids: bool,
}

/// Publishes until the count is reached, or for ever.
pub async fn run(config: &SdkConfig, arguments: Arguments) -> Result<(), Failure> {
    let client = aws_sdk_sns::Client::new(config);
    let topic: Arc<str> = Arc::from(arguments.topic.as_str());
    let mut ticks = ticks(arguments.rate)?;
    let mut under_way = FuturesUnordered::new();
    let mut left = arguments.count;
    loop {
        while under_way.len() < AT_ONCE && left != Some(0) {
            if let Some(ticks) = &mut ticks {
                if !under_way.is_empty() {
                    break;
                }
                ticks.tick().await;
            }
            left = left.map(|n| n - 1);
            under_way.push(publish(client.clone(), Arc::clone(&topic), Consumer::random()));
        }
        let Some(published) = under_way.next().await else { return Ok(()) };
        let consumer = published?;
        if arguments.ids {
            println!("{}", consumer.id);
        } else {
            println!("published {} {} <{}>", consumer.id, consumer.name, consumer.email);
        }
    }
}

/// When to publish; `None`: at once.
fn ticks(rate: Option<f64>) -> Result<Option<tokio::time::Interval>, Failure> {
    let period = match rate {
        None => Duration::from_secs(5),
        Some(0.0) => return Ok(None),
        Some(rate) if rate.is_finite() && rate > 0.0 => Duration::try_from_secs_f64(1.0 / rate)?,
        Some(rate) => return Err(format!("a rate of {rate} a second is none").into()),
    };
    Ok(Some(tokio::time::interval(period)))
}

async fn publish(
    client: aws_sdk_sns::Client,
    topic: Arc<str>,
    consumer: Consumer,
) -> Result<Consumer, Failure> {
    let message = serde_json::to_string(&consumer)?;
    client.publish().topic_arn(&*topic).message(message).send().await?;
    Ok(consumer)
}
