//! Randomness and ids.

use std::sync::{Arc, Mutex};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const HEX: &[u8; 16] = b"0123456789abcdef";

/// The source of randomness and of ids. Seeded, it gives the same sequence again.
#[derive(Debug, Clone)]
pub struct Ids(Arc<Mutex<StdRng>>);

impl Ids {
    /// Seeded by the operating system.
    pub fn from_os() -> std::io::Result<Self> {
        let mut seed = <StdRng as SeedableRng>::Seed::default();
        use std::io::Read;
        std::fs::File::open("/dev/urandom")?.read_exact(seed.as_mut())?;
        Ok(Ids(Arc::new(Mutex::new(StdRng::from_seed(seed)))))
    }

    /// Seeded by a number: for tests and the simulator.
    pub fn seeded(seed: u64) -> Self {
        Ids(Arc::new(Mutex::new(StdRng::seed_from_u64(seed))))
    }

    /// Fills a buffer with random bytes.
    pub fn fill(&self, buffer: &mut [u8]) {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).fill_bytes(buffer);
    }

    /// A random number.
    pub fn number(&self) -> u64 {
        let mut bytes = [0u8; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// A random UUID (version 4), in lower-case hexadecimal with dashes.
    pub fn uuid(&self) -> String {
        let mut bytes = [0u8; 16];
        self.fill(&mut bytes);
        if let Some(b) = bytes.get_mut(6) {
            *b = (*b & 0x0f) | 0x40;
        }
        if let Some(b) = bytes.get_mut(8) {
            *b = (*b & 0x3f) | 0x80;
        }
        format_uuid(&bytes)
    }

    /// `length` random characters of `alphabet` (at most 256 of them; an empty one gives an empty text).
    pub fn text(&self, alphabet: &str, length: usize) -> String {
        let letters: Vec<char> = alphabet.chars().take(256).collect();
        (0..length)
            .filter_map(|_| letters.get((self.number() % letters.len().max(1) as u64) as usize))
            .collect()
    }
}

/// 16 bytes in the form of a UUID.
pub fn format_uuid(bytes: &[u8; 16]) -> String {
    let mut out = String::with_capacity(36);
    for (i, byte) in bytes.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        for nibble in [byte >> 4, byte & 15] {
            out.push(HEX.get(usize::from(nibble)).copied().unwrap_or(b'0') as char);
        }
    }
    out
}
