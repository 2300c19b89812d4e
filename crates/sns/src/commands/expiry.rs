//! The end of subscriptions that nobody has confirmed, or taken up again, in time.

use ropeway_core::keys::{KeyBuilder, Space};
use ropeway_core::{Fault, Time, Tx};

use super::{SnsMachine, endpoints, subscriptions, topics};
use crate::keys::TopicName;
use crate::model::Subscription;

/// What waits for a confirmation: time, number → topic, generation, id, token.
const EXPIRING: u8 = 12;
/// Subscriptions that one step ends.
const AT_ONCE: usize = 64;

type Row = (TopicName, u64, String, String);

/// Remembers that a subscription is to be confirmed until a moment.
pub(super) fn remember(
    tx: &mut Tx,
    until: Time,
    name: &TopicName,
    generation: u64,
    id: &str,
    token: &str,
) -> Result<(), Fault> {
    let number = tx.ids().number();
    let row: Row = (name.clone(), generation, id.to_owned(), token.to_owned());
    tx.write(KeyBuilder::unscoped(Space::Sns, EXPIRING).time(until).number(number).build(), &row)
}

/// When the first one ends, of those that are there at start.
pub(super) async fn first(tx: &Tx) -> Result<Option<Time>, Fault> {
    let page = tx.scan_prefix(&KeyBuilder::unscoped(Space::Sns, EXPIRING).build(), None, 1).await?;
    page.rows.first().map(|(key, _)| Ok(endpoints::place_of(key)?.0)).transpose()
}

impl SnsMachine {
    /// Ends what it is time for.
    pub(super) async fn expire(&mut self, tx: &mut Tx) -> Result<(), Fault> {
        let Some(from) = self.expire_at.filter(|at| *at <= tx.now()) else { return Ok(()) };
        let prefix = KeyBuilder::unscoped(Space::Sns, EXPIRING).build();
        let begin = KeyBuilder::unscoped(Space::Sns, EXPIRING).time(from).build();
        let page = tx.scan_prefix(&prefix, Some(&begin), AT_ONCE).await?;
        let mut next = page.more.then_some(tx.now());
        for (key, row) in page.rows {
            let (at, _) = endpoints::place_of(&key)?;
            if at > tx.now() {
                next = Some(at);
                break;
            }
            let (name, generation, id, token): Row = postcard::from_bytes(&row)?;
            tx.delete(key);
            let found = Subscription::read(tx, &name.subscription(generation, &id)).await?;
            let late = |found: &Subscription| {
                found.more.token.as_deref() == Some(&*token)
                    && found.more.until.is_some_and(|until| until <= tx.now())
            };
            let Some(found) = found.filter(late) else { continue };
            match topics::read(tx, &name).await?.filter(|topic| topic.generation == generation) {
                Some(mut topic) => {
                    subscriptions::end(tx, &name, &mut topic, &found)?;
                    topic.write(tx, name.key())?;
                }
                // The steps that remove the topic's subscriptions have not come to it yet.
                None => subscriptions::remove_rows(tx, &name, generation, &found)?,
            }
            self.forget(&name);
        }
        self.expire_at = next;
        Ok(())
    }
}
