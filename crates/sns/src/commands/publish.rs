//! Publishing: which subscriptions a message goes to.

use ropeway_core::Tx;
use ropeway_wire::Error;

use super::deliver::{self, Message};
use super::{Compiled, INLINE_BYTES, Output, SnsMachine, Work, no_topic, steps};
use crate::filter::Subject;
use crate::keys::TopicName;
use crate::model::Publication;
use crate::settings::invalid;

impl SnsMachine {
    /// Publishes: the deliveries are in this commit, or the work that makes them is.
    pub(super) async fn publish(&mut self, tx: &mut Tx, publication: Publication) -> Result<Output, Error> {
        let name = TopicName::parse(&publication.topic).ok_or_else(no_topic)?;
        let fan = self.fan(tx, &name).await?;
        if publication.bytes as usize > fan.topic.max_bytes() {
            return Err(invalid("Message too long"));
        }
        let message = Message { publication: &publication, id: tx.ids().uuid(), at: tx.now() };
        let matching: Option<Vec<&Compiled>> = fan.fan.as_ref().map(|all| {
            let subject = Subject::new(&publication.attributes, &publication.message);
            all.iter().filter(|one| one.filter.as_ref().is_none_or(|f| f.matches(&subject))).collect()
        });
        match matching {
            Some(matching) if matching.len() * message.size() <= INLINE_BYTES || matching.len() == 1 => {
                for one in matching {
                    deliver::deliver(tx, &name, &one.subscription, &message)?;
                }
            }
            _ => {
                let work = Work::Publish {
                    topic: name,
                    generation: fan.topic.generation,
                    message_id: message.id.clone(),
                    at: message.at,
                    pieces: 0,
                    after: None,
                };
                steps::begin_publish(tx, work, &publication)?;
            }
        }
        Ok(Output::Published(message.id))
    }
}
