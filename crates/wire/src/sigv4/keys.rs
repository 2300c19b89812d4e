//! Signing keys, and a bounded cache of them.

use std::collections::HashMap;
use std::sync::Mutex;

use hmac::digest::array::Array;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// HMAC-SHA-256 with its key already mixed in.
pub(super) type Hmac256 = Hmac<Sha256>;

/// An HMAC ready to take a message.
pub(super) fn hmac(key: &[u8]) -> Hmac256 {
    // RFC 2104: keys longer than a block are hashed, shorter ones filled up with zeros.
    let mut block = Array::default();
    if key.len() > block.len() {
        let hash = Sha256::digest(key);
        block.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
    } else {
        block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    }
    Hmac256::new(&block)
}

fn mac(key: &[u8], message: &str) -> [u8; 32] {
    hmac(key).chain_update(message).finalize().into_bytes().into()
}

/// The key that signs for one day, region and service.
pub(super) fn signing_key(secret: &str, date: &str, region: &str, service: &str) -> Hmac256 {
    let mut start = Vec::with_capacity(4 + secret.len());
    start.extend_from_slice(b"AWS4");
    start.extend_from_slice(secret.as_bytes());
    let day = mac(&start, date);
    let region = mac(&day, region);
    let service = mac(&region, service);
    hmac(&mac(&service, "aws4_request"))
}

/// Signing keys that were used lately, so that a request costs one HMAC and not five.
///
/// Keys are by access key, date, region and service; only requests whose signature held put one
/// in, so nobody without a secret can push others out. Two generations bound it: when the young
/// one is full it becomes the old one, and what the old one still held is forgotten.
#[derive(Debug)]
pub struct SigningKeys {
    capacity: usize,
    generations: Mutex<Generations>,
}

#[derive(Default)]
struct Generations {
    young: HashMap<Box<str>, Entry>,
    old: HashMap<Box<str>, Entry>,
}

#[derive(Clone)]
struct Entry {
    /// The secret that the key was made of: an access key's secret may change.
    secret: Box<str>,
    key: Hmac256,
}

impl std::fmt::Debug for Generations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Generations").field("young", &self.young.len()).field("old", &self.old.len()).finish()
    }
}

impl SigningKeys {
    /// A cache of at most `capacity` keys, about 600 bytes each.
    pub fn new(capacity: usize) -> Self {
        SigningKeys { capacity: capacity.max(2), generations: Mutex::default() }
    }

    /// The cached key of a credential (`AKID/date/region/service/aws4_request`).
    pub(super) fn get(&self, credential: &str, secret: &str) -> Option<Hmac256> {
        let mut generations = self.lock();
        if let Some(entry) = generations.young.get(credential) {
            return (*entry.secret == *secret).then(|| entry.key.clone());
        }
        let (name, entry) = generations.old.remove_entry(credential)?;
        let key = (*entry.secret == *secret).then(|| entry.key.clone())?;
        self.insert(&mut generations, name, entry);
        Some(key)
    }

    /// Keeps a key that a signature has been checked with.
    pub(super) fn put(&self, credential: &str, secret: &str, key: &Hmac256) {
        let mut generations = self.lock();
        let entry = Entry { secret: secret.into(), key: key.clone() };
        self.insert(&mut generations, credential.into(), entry);
    }

    fn insert(&self, generations: &mut Generations, name: Box<str>, entry: Entry) {
        if generations.young.len() >= self.capacity / 2 {
            generations.old = std::mem::take(&mut generations.young);
        }
        generations.young.insert(name, entry);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Generations> {
        self.generations.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Default for SigningKeys {
    fn default() -> Self {
        SigningKeys::new(1024)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "Example signing key" in the IAM user guide's signing examples.
    #[test]
    fn derives_the_documented_key() {
        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        let key = mac(
            &mac(&mac(&mac(format!("AWS4{secret}").as_bytes(), "20120215"), "us-east-1"), "iam"),
            "aws4_request",
        );
        assert_eq!(hex::encode(key), "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d");
        let by_parts = signing_key(secret, "20120215", "us-east-1", "iam");
        let left = by_parts.chain_update("x").finalize().into_bytes();
        assert_eq!(left, hmac(&key).chain_update("x").finalize().into_bytes());
    }

    #[test]
    fn long_keys_are_hashed() {
        // RFC 4231, test case 6.
        let key = [0xaa_u8; 131];
        let out = mac(&key, "Test Using Larger Than Block-Size Key - Hash Key First");
        assert_eq!(hex::encode(out), "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    }

    #[test]
    fn stays_within_its_capacity_and_keeps_what_is_used() {
        let keys = SigningKeys::new(8);
        let key = hmac(b"k");
        for number in 0..100 {
            keys.put(&format!("A{number}/d/r/s/aws4_request"), "secret", &key);
            assert!(keys.get("A0/d/r/s/aws4_request", "secret").is_some());
            let generations = keys.lock();
            assert!(generations.young.len() + generations.old.len() <= 8);
        }
        assert!(keys.get("A1/d/r/s/aws4_request", "secret").is_none());
        assert!(keys.get("A0/d/r/s/aws4_request", "another").is_none());
    }
}
