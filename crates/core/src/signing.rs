//! RSA signatures, by which receivers outside tell that something comes from here: digests of the audit log,
//! notifications.
//!
//! No signature's timing tells of the key: `ring` calculates in constant time, and `rsa`, which is several times slower and
//! has SHA-1, blinds its arithmetic with randomness.

use std::sync::Arc;

use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rsa::pkcs1::EncodeRsaPublicKey as _;
use rsa::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _};
use rsa::rand_core::{CryptoRng, RngCore};
use rsa::{Pkcs1v15Sign, RsaPrivateKey};
use sha1::{Digest as _, Sha1};

use crate::{Fault, Ids};

/// Bits of a key's modulus.
const BITS: usize = 2048;
/// What stands before a SHA-1 in a signature: RFC 8017, section 9.2.
const SHA1: &[u8] =
    &[0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14];

/// The sum that is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sum {
    /// SHA-1: SNS's signature version 1.
    Sha1,
    /// SHA-256.
    Sha256,
}

/// A private key of 2048 bits that signs by RSASSA-PKCS1-v1_5.
#[derive(Clone)]
pub struct SigningKey {
    key: RsaPrivateKey,
    /// The same key, for SHA-256.
    fast: Arc<RsaKeyPair>,
}

/// The core's randomness in the form that the cryptography takes.
struct Randomness<'a>(&'a Ids);

impl RngCore for Randomness<'_> {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.0.fill(bytes);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rsa::rand_core::Error> {
        self.0.fill(bytes);
        Ok(())
    }
}

impl CryptoRng for Randomness<'_> {}

fn broken(error: impl std::fmt::Display) -> Fault {
    Fault::Damaged(format!("a signing key: {error}"))
}

impl SigningKey {
    /// A new key. It takes a good part of a second: not on a thread that others wait for.
    ///
    /// # Errors
    /// [`Fault::Damaged`] if no key was found.
    pub fn generate(ids: &Ids) -> Result<Self, Fault> {
        Self::of(RsaPrivateKey::new(&mut Randomness(ids), BITS).map_err(broken)?)
    }

    /// A key from its PKCS #8 form.
    ///
    /// # Errors
    /// [`Fault::Damaged`] for other bytes.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, Fault> {
        Self::of(RsaPrivateKey::from_pkcs8_der(der).map_err(broken)?)
    }

    fn of(key: RsaPrivateKey) -> Result<Self, Fault> {
        let der = key.to_pkcs8_der().map_err(broken)?;
        let fast = RsaKeyPair::from_pkcs8(der.as_bytes()).map_err(broken)?;
        Ok(SigningKey { key, fast: Arc::new(fast) })
    }

    /// The key in its PKCS #8 form (DER): to be sealed before it is stored.
    ///
    /// # Errors
    /// [`Fault::Damaged`] if it has none.
    pub fn to_pkcs8(&self) -> Result<Vec<u8>, Fault> {
        self.key.to_pkcs8_der().map(|der| der.as_bytes().to_vec()).map_err(broken)
    }

    /// The public key in its PKCS #1 form (DER).
    ///
    /// # Errors
    /// [`Fault::Damaged`] if it has none.
    pub fn public_pkcs1(&self) -> Result<Vec<u8>, Fault> {
        self.key.to_public_key().to_pkcs1_der().map(|der| der.as_bytes().to_vec()).map_err(broken)
    }

    /// Signs a message: 256 bytes.
    ///
    /// # Errors
    /// [`Fault::Damaged`] for a key that cannot sign.
    pub fn sign(&self, ids: &Ids, sum: Sum, message: &[u8]) -> Result<Vec<u8>, Fault> {
        match sum {
            Sum::Sha1 => {
                let scheme = Pkcs1v15Sign { hash_len: Some(Sha1::output_size()), prefix: SHA1.into() };
                let hash = Sha1::digest(message);
                self.key.sign_with_rng(&mut Randomness(ids), scheme, &hash).map_err(broken)
            }
            Sum::Sha256 => {
                let mut signature = vec![0; self.fast.public().modulus_len()];
                // This padding takes nothing from the randomness.
                let signed = self.fast.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature);
                signed.map(|()| signature).map_err(broken)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use sha2::Sha256;

    use super::*;

    /// What stands before a SHA-256 in a signature: RFC 8017, section 9.2.
    const SHA256: &[u8] = &[
        0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
        0x04, 0x20,
    ];

    /// Checked by the crate `rsa`, whichever has signed.
    #[test]
    fn signatures_are_those_of_the_key() {
        let ids = Ids::seeded(1);
        let key = SigningKey::generate(&ids).unwrap();
        let same = SigningKey::from_pkcs8(&key.to_pkcs8().unwrap()).unwrap();
        assert_eq!(same.public_pkcs1().unwrap(), key.public_pkcs1().unwrap());
        for (sum, prefix) in [(Sum::Sha1, SHA1), (Sum::Sha256, SHA256)] {
            // Blinded, and the same all the same.
            let signature = key.sign(&ids, sum, b"message").unwrap();
            assert_eq!(same.sign(&Ids::seeded(2), sum, b"message").unwrap(), signature);
            let check = |message: &[u8]| {
                let hash = match sum {
                    Sum::Sha1 => Sha1::digest(message).to_vec(),
                    Sum::Sha256 => Sha256::digest(message).to_vec(),
                };
                let scheme = Pkcs1v15Sign { hash_len: Some(hash.len()), prefix: prefix.into() };
                key.key.to_public_key().verify(scheme, &hash, &signature).is_ok()
            };
            assert!(check(b"message"));
            assert!(!check(b"massage"));
        }
        assert!(SigningKey::from_pkcs8(b"none").is_err());
    }
}
