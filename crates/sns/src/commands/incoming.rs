//! A message from another service: the topic's policy decides.

use std::collections::BTreeMap;
use std::sync::Arc;

use ropeway_api::sns::SERVICE;
use ropeway_core::Tx;
use ropeway_core::effects::TopicDelivery;
use ropeway_wire::{Cx, Error, Keys, Principal};

use super::{Output, SnsMachine, no_topic};
use crate::keys::TopicName;
use crate::model::{MAX_BYTES, Publication};
use crate::settings::invalid;

impl SnsMachine {
    /// Publishes what a service sends, if the topic's policy lets it.
    pub(super) async fn deliver(&mut self, tx: &mut Tx, of: TopicDelivery) -> Result<Output, Error> {
        let name = TopicName::parse(&of.topic).ok_or_else(no_topic)?;
        self.topic(tx, &name).await?;
        // A service that acts for an account which may publish names the account itself.
        let principal = match of.principal == format!("arn:aws:iam::{}:root", of.source_account) {
            true => Principal::root(&of.source_account),
            false => Principal::service(&of.principal, &of.source_account),
        };
        let cx = Cx::from_within(Arc::clone(&self.gate), principal, &name.scope.region, tx.trace(), tx.now());
        let mut source = Keys::default();
        source.add("aws:SourceArn", &of.source_arn);
        source.add("aws:SourceAccount", &of.source_account);
        cx.authorize(&SERVICE, "sns:Publish", &of.topic, &source)?;
        let bytes = u32::try_from(of.message.len()).ok().filter(|bytes| *bytes <= MAX_BYTES);
        let publication = Publication {
            topic: of.topic,
            message: of.message,
            by_protocol: BTreeMap::new(),
            subject: of.subject,
            attributes: BTreeMap::new(),
            group: None,
            base_url: of.base_url,
            bytes: bytes.ok_or_else(|| invalid("Message too long"))?,
        };
        match self.publish(tx, publication, None, None).await? {
            // There is nobody to sign it and come again.
            Output::Unsigned(publication, _) => self.publish_in_steps(tx, name, &publication, None).await,
            published => Ok(published),
        }
    }
}

#[cfg(test)]
mod tests {
    use ropeway_core::effects::SnsCommand;

    use super::*;
    use crate::commands::Command;

    #[test]
    fn senders_encode_what_the_machine_reads() {
        let delivery = TopicDelivery {
            topic: "arn:aws:sns:us-east-1:000000000000:t".to_owned(),
            principal: "s3.amazonaws.com".to_owned(),
            source_arn: "arn:aws:s3:::b".to_owned(),
            source_account: "000000000000".to_owned(),
            message: "m".to_owned(),
            subject: Some("s".to_owned()),
            base_url: "http://localhost:4566".to_owned(),
        };
        let sent = postcard::to_stdvec(&SnsCommand::Deliver(delivery.clone())).unwrap();
        assert_eq!(sent, postcard::to_stdvec(&Command::Deliver(delivery)).unwrap());
    }
}
