//! Receipt handles: opaque to the client, and bound to a queue, a message and one receive of it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Version of the form; also what makes handles begin as SQS's do.
const VERSION: [u8; 3] = [0x01, 0x01, 0x01];
const BYTES: usize = 3 + 8 + 4 + 8 + 8;

/// What a handle says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Receipt {
    /// The queue's number in its shard.
    pub queue: u32,
    /// The message.
    pub seq: u64,
    /// Random, new with each receive.
    pub nonce: u64,
}

impl Receipt {
    /// The handle, for the queue with this ARN.
    pub fn handle(&self, arn: &str) -> String {
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.extend(VERSION);
        bytes.extend(fingerprint(arn).to_be_bytes());
        bytes.extend(self.queue.to_be_bytes());
        bytes.extend(self.seq.to_be_bytes());
        bytes.extend(self.nonce.to_be_bytes());
        STANDARD.encode(bytes)
    }

    /// Reads a handle; `None` if it is none of this queue's.
    pub fn parse(handle: &str, arn: &str) -> Option<Receipt> {
        if handle.len() > 64 {
            return None;
        }
        let bytes = STANDARD.decode(handle).ok()?;
        let (version, rest) = bytes.split_first_chunk::<3>()?;
        let (print, rest) = rest.split_first_chunk::<8>()?;
        let (queue, rest) = rest.split_first_chunk::<4>()?;
        let (seq, rest) = rest.split_first_chunk::<8>()?;
        let nonce: [u8; 8] = rest.try_into().ok()?;
        let ours = *version == VERSION && u64::from_be_bytes(*print) == fingerprint(arn);
        ours.then(|| Receipt {
            queue: u32::from_be_bytes(*queue),
            seq: u64::from_be_bytes(*seq),
            nonce: u64::from_be_bytes(nonce),
        })
    }
}

/// FNV-1a of the queue's ARN.
fn fingerprint(arn: &str) -> u64 {
    arn.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ARN: &str = "arn:aws:sqs:us-east-1:000000000000:orders";

    proptest! {
        #[test]
        fn reads_what_it_wrote(queue: u32, seq: u64, nonce: u64) {
            let receipt = Receipt { queue, seq, nonce };
            let handle = receipt.handle(ARN);
            prop_assert_eq!(Receipt::parse(&handle, ARN), Some(receipt));
            prop_assert_eq!(Receipt::parse(&handle, "arn:aws:sqs:us-east-1:000000000000:others"), None);
        }

        #[test]
        fn takes_any_text(text in ".{0,80}") {
            let _ = Receipt::parse(&text, ARN);
        }
    }
}
