//! A message from another service: the queue's policy decides.

use ropeway_api::sqs::SERVICE;
use ropeway_core::Tx;
use ropeway_core::effects::QueueDelivery;
use ropeway_wire::{Cx, Error, Keys, Principal};

use super::queue::Queue;
use super::{Output, Send, SendEntry, SqsError};
use crate::message::Content;
use crate::{Setup, message};

impl Queue {
    /// Stores a message that a service sends, if the queue's policy lets it.
    pub async fn deliver(
        &mut self,
        tx: &mut Tx,
        setup: &Setup,
        delivery: QueueDelivery,
    ) -> Result<Output, SqsError> {
        self.may_deliver(tx, setup, &delivery)?;
        let QueueDelivery {
            queue, principal, body, attributes, group, deduplication_id, trace_header, ..
        } = delivery;
        let fifo = self.row.settings.fifo;
        let content = Content { body, attributes };
        let entry = SendEntry {
            size: content.size(),
            delay: None,
            content_id: (fifo && deduplication_id.is_none()).then(|| message::content_id(&content.body)),
            // A topic may name a deduplication id though the queue is a standard one.
            dedup: deduplication_id.filter(|_| fifo),
            group,
            trace_header,
            content: content.encode()?,
        };
        let answer = self.send(tx, Send { queue, sender: principal, entries: vec![entry] }).await?;
        if let Output::Sent(answers) = answer {
            answers.into_iter().collect::<Result<Vec<_>, Error>>()?;
        }
        Ok(Output::Done)
    }

    fn may_deliver(&self, tx: &Tx, setup: &Setup, delivery: &QueueDelivery) -> Result<(), Error> {
        let principal = Principal::service(&delivery.principal, &delivery.source_account);
        let gate = std::sync::Arc::clone(&setup.gate);
        let cx = Cx::from_within(gate, principal, &self.place.scope.region, tx.trace(), tx.now());
        let mut keys = Keys::default();
        keys.add("aws:SourceArn", &delivery.source_arn);
        keys.add("aws:SourceAccount", &delivery.source_account);
        cx.authorize(&SERVICE, "sqs:SendMessage", &self.arn, &keys)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ropeway_core::effects::{AttributeValue, MessageAttribute, SqsCommand};

    use super::*;
    use crate::commands::Command;

    #[test]
    fn senders_encode_what_the_machine_reads() {
        let value =
            MessageAttribute { data_type: "String".to_owned(), value: AttributeValue::Text("v".to_owned()) };
        let delivery = QueueDelivery {
            queue: "arn:aws:sqs:us-east-1:000000000000:q".to_owned(),
            principal: "sns.amazonaws.com".to_owned(),
            source_arn: "arn:aws:sns:us-east-1:000000000000:t".to_owned(),
            source_account: "000000000000".to_owned(),
            body: "b".to_owned(),
            attributes: BTreeMap::from([("a".to_owned(), value)]),
            group: Some("g".to_owned()),
            deduplication_id: None,
            trace_header: Some("Root=1".to_owned()),
        };
        let sent = postcard::to_stdvec(&SqsCommand::Deliver(delivery.clone())).unwrap();
        assert_eq!(sent, postcard::to_stdvec(&Command::Deliver(delivery)).unwrap());
    }
}
