//! Answers questions for names inside a sandbox: AWS's and the server's own lead to the server, all others to
//! what the machine finds. Messages as in RFC 1035; only addresses of IP version 4 are given, as there is no other way out.

use std::net::Ipv4Addr;
use std::sync::Arc;

use tokio::net::UdpSocket;
use tokio::sync::Semaphore;

use super::lookup;
use crate::tasks::Tasks;

/// The longest question: names are 255 bytes at most, and what else is asked for is short.
const MAX_QUESTION: usize = 1232;
/// The most questions of a sandbox that are looked up at once.
const MAX_LOOKUPS: usize = 8;
/// The most addresses in an answer: they fit into the smallest message.
const MAX_ADDRESSES: usize = 16;
/// How long an answer may be kept, in seconds.
const TTL: u32 = 5;
/// Hosts of AWS's services.
const AWS: [&str; 3] = ["amazonaws.com", "amazonaws.com.cn", "api.aws"];
/// Names below it are the machine's own (RFC 6761), as buckets are in `bucket.localhost`.
const LOCAL: &str = "localhost";

const TYPE_A: u16 = 1;
const CLASS_IN: u16 = 1;
const NO_ERROR: u8 = 0;
const SERVER_FAILURE: u8 = 2;
const NO_SUCH_NAME: u8 = 3;

/// A question: the whole of its section, its name, and what is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Question<'a> {
    section: &'a [u8],
    name: String,
    kind: u16,
    class: u16,
}

/// Whose names lead to the server.
#[derive(Debug, Default)]
pub struct Own {
    /// AWS's do.
    pub aws: bool,
    /// The server's own host, and what is below it.
    pub host: String,
}

impl Own {
    fn has(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let below = |domain: &str| name.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
        let own = |host: &str| name == host || below(host);
        own(LOCAL) || (!self.host.is_empty() && own(&self.host)) || (self.aws && AWS.into_iter().any(below))
    }
}

/// Answers what comes in on a sandbox's socket.
pub fn serve(tasks: &Tasks, socket: UdpSocket, own: Arc<Own>) {
    let lookups = tasks.clone();
    tasks.spawn(async move {
        let socket = Arc::new(socket);
        let room = Arc::new(Semaphore::new(MAX_LOOKUPS));
        let mut buffer = vec![0; MAX_QUESTION];
        loop {
            let Ok((length, from)) = socket.recv_from(&mut buffer).await else { return };
            let Some(message) = buffer.get(..length).map(<[u8]>::to_vec) else { continue };
            let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
            let (socket, own) = (Arc::clone(&socket), Arc::clone(&own));
            lookups.spawn(async move {
                if let Some(answer) = answer(&message, &own).await {
                    // The one who asks again is told again.
                    drop(socket.send_to(&answer, from).await);
                }
                drop(place);
            });
        }
    });
}

/// The answer to a message; none to what is no question.
async fn answer(message: &[u8], own: &Own) -> Option<Vec<u8>> {
    let question = question(message)?;
    if question.class != CLASS_IN || question.kind != TYPE_A {
        return Some(reply(message, &question, NO_ERROR, &[]));
    }
    if own.has(&question.name) {
        return Some(reply(message, &question, NO_ERROR, &[Ipv4Addr::LOCALHOST]));
    }
    let (code, addresses) = match lookup(&question.name).await {
        Ok(addresses) => (NO_ERROR, addresses),
        Err(error) if error.kind() == std::io::ErrorKind::TimedOut => (SERVER_FAILURE, Vec::new()),
        Err(_) => (NO_SUCH_NAME, Vec::new()),
    };
    Some(reply(message, &question, code, addresses.get(..MAX_ADDRESSES).unwrap_or(&addresses)))
}

/// Reads a message that is one question.
fn question(message: &[u8]) -> Option<Question<'_>> {
    let (header, body) = message.split_first_chunk::<12>()?;
    let [_, _, flags, _, 0, 1, ..] = header else { return None };
    if flags & 0xf8 != 0 {
        return None;
    }
    let mut name = String::new();
    let mut rest = body;
    loop {
        let (length, after) = rest.split_first()?;
        if *length == 0 {
            rest = after;
            break;
        }
        let label = after.get(..usize::from(*length)).filter(|_| *length < 64)?;
        rest = after.get(usize::from(*length)..)?;
        if !name.is_empty() {
            name.push('.');
        }
        if !label.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'.') || name.len() > 255 {
            return None;
        }
        name.extend(label.iter().map(|byte| char::from(*byte)));
    }
    let (asked, after) = rest.split_first_chunk::<4>()?;
    let [kind_high, kind_low, class_high, class_low] = *asked;
    let section = body.get(..body.len() - after.len())?;
    Some(Question {
        section,
        name,
        kind: u16::from_be_bytes([kind_high, kind_low]),
        class: u16::from_be_bytes([class_high, class_low]),
    })
}

fn reply(message: &[u8], question: &Question<'_>, code: u8, addresses: &[Ipv4Addr]) -> Vec<u8> {
    let id = message.get(..2).unwrap_or(&[0, 0]);
    let recursion = message.get(2).copied().unwrap_or_default() & 1;
    let count = u16::try_from(addresses.len()).unwrap_or_default().to_be_bytes();
    let mut reply = id.to_vec();
    reply.extend([0x80 | recursion, 0x80 | code, 0, 1]);
    reply.extend(count);
    reply.extend([0, 0, 0, 0]);
    reply.extend(question.section);
    for address in addresses {
        // The name is the question's, at the 12th byte.
        reply.extend([0xc0, 12]);
        reply.extend(TYPE_A.to_be_bytes());
        reply.extend(CLASS_IN.to_be_bytes());
        reply.extend(TTL.to_be_bytes());
        reply.extend([0, 4]);
        reply.extend(address.octets());
    }
    reply
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ASKED: &[u8] = b"\x12\x34\x01\x00\0\x01\0\0\0\0\0\0\x03sqs\x09amazonaws\x03com\0\0\x01\0\x01";

    #[tokio::test]
    async fn names_of_aws_lead_to_the_server() {
        let own = Own { aws: true, host: "ropeway.example.com".to_owned() };
        let answer = answer(ASKED, &own).await.unwrap();
        let (head, rest) = answer.split_at(12);
        assert_eq!(head, b"\x12\x34\x81\x80\0\x01\0\x01\0\0\0\0");
        assert_eq!(&rest[..ASKED.len() - 12], &ASKED[12..]);
        assert_eq!(&rest[ASKED.len() - 12..], b"\xc0\x0c\0\x01\0\x01\0\0\0\x05\0\x04\x7f\0\0\x01");
        for name in ["SQS.eu-west-1.AmazonAWS.com", "b.s3.amazonaws.com", "x.api.aws"] {
            assert!(own.has(name), "{name}");
            assert!(!Own::default().has(name), "{name}");
        }
        for name in ["ropeway.example.com", "b.Ropeway.example.com", "localhost", "b.localhost"] {
            assert!(own.has(name), "{name}");
        }
        for name in
            ["amazonaws.com", "notamazonaws.com", "amazonaws.com.example", "example.com", "nolocalhost"]
        {
            assert!(!own.has(name), "{name}");
        }
    }

    #[tokio::test]
    async fn there_are_no_other_kinds_of_addresses() {
        let mut asked = ASKED.to_vec();
        let kind = asked.len() - 3;
        asked[kind] = 28;
        let answer = answer(&asked, &Own { aws: true, ..Own::default() }).await.unwrap();
        assert_eq!(&answer[..12], b"\x12\x34\x81\x80\0\x01\0\0\0\0\0\0");
    }

    proptest! {
        #[test]
        fn no_message_is_too_odd(message in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Some(question) = question(&message) {
                prop_assert!(question.name.len() <= 320);
            }
        }

        #[test]
        fn names_are_read_as_they_were_written(labels in proptest::collection::vec("[a-z0-9-]{1,63}", 1..4)) {
            let mut message = ASKED[..12].to_vec();
            for label in &labels {
                message.push(u8::try_from(label.len()).unwrap());
                message.extend(label.as_bytes());
            }
            message.extend(b"\0\0\x01\0\x01");
            prop_assert_eq!(question(&message).unwrap().name, labels.join("."));
        }
    }
}
