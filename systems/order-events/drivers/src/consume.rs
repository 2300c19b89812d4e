//! `consume`: plays an API.

use aws_config::SdkConfig;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message};
use clap::Args;

use crate::consumer::Consumer;
use crate::{Api, Failure};

#[derive(Debug, Args)]
pub struct Arguments {
    /// The API to play.
    api: Api,
    /// Stop after so many messages.
    #[arg(long)]
    count: Option<u64>,
    /// Stop when the queue has been empty for one long poll.
    #[arg(long)]
    until_empty: bool,
    /// Print the ids only.
    #[arg(long)]
    ids: bool,
}

/// Polls, prints and deletes.
pub async fn run(config: &SdkConfig, arguments: Arguments) -> Result<(), Failure> {
    let client = aws_sdk_sqs::Client::new(config);
    let name = arguments.api.queue();
    let url =
        client.get_queue_url().queue_name(name).send().await?.queue_url.ok_or("a queue without a URL")?;
    let mut left = arguments.count.unwrap_or(u64::MAX);
    while left > 0 {
        let most = i32::try_from(left.min(10))?;
        let wait = if arguments.until_empty { 2 } else { 20 };
        let polled = client
            .receive_message()
            .queue_url(&url)
            .max_number_of_messages(most)
            .wait_time_seconds(wait)
            .send()
            .await?;
        let messages = polled.messages.unwrap_or_default();
        if messages.is_empty() && arguments.until_empty {
            return Ok(());
        }
        for message in &messages {
            handle(&arguments, message)?;
        }
        left = left.saturating_sub(messages.len() as u64);
        delete(&client, &url, &messages).await?;
    }
    Ok(())
}

fn handle(arguments: &Arguments, message: &Message) -> Result<(), Failure> {
    let consumer: Consumer = serde_json::from_str(message.body().unwrap_or_default())?;
    match (arguments.ids, arguments.api) {
        (true, _) => println!("{}", consumer.id),
        (false, Api::Orders) => {
            println!("orders: open an order book for {} <{}>, {}", consumer.name, consumer.email, consumer.id)
        }
        (false, Api::Payment) => {
            println!("payment: open an account for {}, {}, {}", consumer.name, consumer.address, consumer.id)
        }
    }
    Ok(())
}

async fn delete(client: &aws_sdk_sqs::Client, url: &str, messages: &[Message]) -> Result<(), Failure> {
    if messages.is_empty() {
        return Ok(());
    }
    let entries = messages.iter().enumerate().map(|(n, message)| {
        let entry = DeleteMessageBatchRequestEntry::builder().id(n.to_string());
        entry.receipt_handle(message.receipt_handle().unwrap_or_default()).build()
    });
    let entries = entries.collect::<Result<Vec<_>, _>>()?;
    let deleted = client.delete_message_batch().queue_url(url).set_entries(Some(entries)).send().await?;
    match deleted.failed().first() {
        None => Ok(()),
        Some(failed) => {
            Err(format!("a message was not deleted: {}", failed.message().unwrap_or(failed.code())).into())
        }
    }
}
