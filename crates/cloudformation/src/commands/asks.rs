//! What those outside are asked, and what they answer.

use ropeway_core::Tx;
use ropeway_wire::Error;
use sha1::{Digest, Sha1};

use super::Output;
use super::record::stack as read_stack;
use crate::keys::StackKey;
use crate::model::{Answer, Ask, Signal, Signals};
use crate::rows;

/// Characters of a token: 160 bits.
const TOKEN_LENGTH: usize = 32;
const ALPHABET: &str = "abcdefghijklmnopqrstuvwxyz234567";
/// Signals that a handle takes, by their unique ids.
const MAX_SIGNALS: usize = 500;

fn denied(why: &str) -> Error {
    Error::new(403, "AccessDenied", why)
}

/// Whether two tokens are the same; how long it takes does not tell where they differ.
fn same(a: &str, b: &str) -> bool {
    Sha1::digest(a) == Sha1::digest(b)
}

/// Asks, unless the same has been asked.
pub async fn ask(tx: &mut Tx, key: &StackKey, id: &str, about: String, secs: i64) -> Result<Output, Error> {
    read_stack(tx, key).await?;
    let found: Option<Ask> = rows::read(tx, &key.ask(id)).await?;
    if let Some(found) = found.filter(|found| found.about == about) {
        return Ok(Output::Asked(Box::new(found)));
    }
    let ask = Ask {
        about,
        request_id: tx.ids().uuid(),
        token: tx.ids().text(ALPHABET, TOKEN_LENGTH),
        deadline: tx.now().plus_secs(secs),
        sent: false,
        answer: None,
    };
    rows::write(tx, &key.ask(id), &ask).await?;
    Ok(Output::Asked(Box::new(ask)))
}

pub async fn sent(tx: &mut Tx, key: &StackKey, id: &str, request: &str) -> Result<Output, Error> {
    let found: Option<Ask> = rows::read(tx, &key.ask(id)).await?;
    if let Some(ask) = found.filter(|ask| ask.request_id == request) {
        rows::write(tx, &key.ask(id), &Ask { sent: true, ..ask }).await?;
    }
    Ok(Output::Done)
}

/// Who answers what.
pub struct Given {
    pub request: String,
    pub token: String,
    pub answer: Answer,
}

/// The first answer counts; a later one is taken and changes nothing.
pub async fn answer(tx: &mut Tx, key: &StackKey, id: &str, given: &Given) -> Result<Output, Error> {
    let found: Option<Ask> = rows::read(tx, &key.ask(id)).await?;
    let Some(ask) = found.filter(|ask| ask.request_id == given.request && same(&ask.token, &given.token))
    else {
        return Err(denied("Access Denied"));
    };
    if tx.now() > ask.deadline {
        return Err(denied("Request has expired"));
    }
    if ask.answer.is_none() {
        let answer = Some(given.answer.clone());
        rows::write(tx, &key.ask(id), &Ask { answer, ..ask }).await?;
        tx.wake(&key.wake_up(), 1);
    }
    Ok(Output::Done)
}

/// Makes a handle, unless it is there.
pub async fn handle(tx: &mut Tx, key: &StackKey, id: &str, name: String) -> Result<Output, Error> {
    read_stack(tx, key).await?;
    let found: Option<Signals> = rows::read(tx, &key.signals(id)).await?;
    if let Some(found) = found.filter(|found| found.name == name) {
        return Ok(Output::Signals(found));
    }
    let made = Signals { name, token: tx.ids().text(ALPHABET, TOKEN_LENGTH), ..Signals::default() };
    rows::write(tx, &key.signals(id), &made).await?;
    Ok(Output::Signals(made))
}

/// Takes a signal; another one of the same unique id takes its place.
pub async fn signal(
    tx: &mut Tx,
    key: &StackKey,
    id: &str,
    token: &str,
    unique: Option<String>,
    signal: Signal,
) -> Result<Output, Error> {
    let found: Option<Signals> = rows::read(tx, &key.signals(id)).await?;
    let Some(mut signals) = found.filter(|signals| same(&signals.token, token)) else {
        return Err(denied("Access Denied"));
    };
    let unique = unique.unwrap_or_else(|| tx.ids().uuid());
    if signals.received.len() >= MAX_SIGNALS && !signals.received.contains_key(&unique) {
        return Err(Error::new(503, "SlowDown", "The handle takes no more signals."));
    }
    signals.received.insert(unique, signal);
    rows::write(tx, &key.signals(id), &signals).await?;
    tx.wake(&key.wake_up(), 1);
    Ok(Output::Done)
}
