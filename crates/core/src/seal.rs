//! Encryption at rest: AES-256-GCM under keys derived from one master key.

use std::io::Write;
use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use sha2::Sha256;

use crate::{Fault, Ids};

/// Bytes of a nonce, which stands before the ciphertext.
const NONCE: usize = 12;

/// The key that all others are derived from: 32 bytes in a file of their own, never in a snapshot.
#[derive(Clone)]
pub struct MasterKey([u8; 32]);

impl MasterKey {
    /// Reads the key's file, or makes it (mode 600, synced with its directory) where there is none
    /// and `may_create` says that no data depends on a lost one.
    ///
    /// # Errors
    /// A file that cannot be read or written or is not 32 bytes long; a missing one if it may not be made.
    pub fn load(path: &Path, ids: &Ids, may_create: bool) -> std::io::Result<Self> {
        match std::fs::read(path) {
            Ok(bytes) => {
                let key = <[u8; 32]>::try_from(bytes)
                    .map_err(|_| std::io::Error::other("the master key's file is not 32 bytes long"))?;
                // Who made it may have been killed before its name was on disk.
                sync_parent(path)?;
                Ok(MasterKey(key))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && may_create => {
                Self::create(path, ids)
            }
            Err(error) => Err(error),
        }
    }

    /// The file comes to its name only once it is whole: a crash leaves no half of a key behind.
    fn create(path: &Path, ids: &Ids) -> std::io::Result<Self> {
        use std::os::unix::fs::OpenOptionsExt;
        let mut key = [0u8; 32];
        ids.fill(&mut key);
        let mut fresh = path.as_os_str().to_owned();
        fresh.push(".new");
        match std::fs::remove_file(&fresh) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
        file.write_all(&key)?;
        file.sync_all()?;
        // Fails where there is a key by now, whereas a rename would replace it.
        std::fs::hard_link(&fresh, path)?;
        std::fs::remove_file(&fresh)?;
        sync_parent(path)?;
        Ok(MasterKey(key))
    }

    /// A key from given bytes: for tests.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        MasterKey(bytes)
    }

    /// The key of one purpose (`sqs/arn:…`): HMAC-SHA256 of its name under the master key.
    pub fn derive(&self, purpose: &str) -> SealKey {
        let Ok(mut mac) = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.0) else {
            unreachable!("HMAC takes keys of any length")
        };
        mac.update(purpose.as_bytes());
        SealKey::from_bytes(mac.finalize().into_bytes().into())
    }
}

fn sync_parent(path: &Path) -> std::io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    std::fs::File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

/// A key that seals: encrypts, and vouches for what it encrypted.
#[derive(Clone)]
pub struct SealKey(LessSafeKey);

impl SealKey {
    /// A key from its 32 bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let Ok(key) = UnboundKey::new(&AES_256_GCM, &bytes) else {
            unreachable!("a key of AES-256 is 32 bytes long")
        };
        SealKey(LessSafeKey::new(key))
    }

    /// Seals bytes under a random nonce, which stands first in the result; `context` must be the
    /// same when they are opened.
    pub fn seal(&self, ids: &Ids, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, Fault> {
        let mut nonce = [0u8; NONCE];
        ids.fill(&mut nonce);
        self.seal_behind(&nonce, nonce, context, plain)
    }

    /// Opens what [`SealKey::seal`] made.
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Fault> {
        let (nonce, sealed) = sealed
            .split_at_checked(NONCE)
            .ok_or_else(|| Fault::Damaged("sealed bytes cut short".to_owned()))?;
        let nonce = <[u8; NONCE]>::try_from(nonce).map_err(|e| Fault::Damaged(e.to_string()))?;
        self.open_with(nonce, context, sealed)
    }

    /// Seals under a nonce that the caller never uses twice with this key: chunks of a body, by number.
    pub fn seal_with(&self, nonce: [u8; NONCE], context: &[u8], plain: &[u8]) -> Result<Vec<u8>, Fault> {
        self.seal_behind(&[], nonce, context, plain)
    }

    /// Opens what [`SealKey::seal_with`] made.
    pub fn open_with(&self, nonce: [u8; NONCE], context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Fault> {
        let mut bytes = sealed.to_vec();
        let length = self.open_in_place(nonce, context, &mut bytes)?;
        bytes.truncate(length);
        Ok(bytes)
    }

    /// The same where the bytes lie: what was sealed is then at their beginning, as long as the answer says.
    pub fn open_in_place(
        &self,
        nonce: [u8; NONCE],
        context: &[u8],
        bytes: &mut [u8],
    ) -> Result<usize, Fault> {
        let opened = self.0.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(context), bytes);
        opened
            .map(|plain| plain.len())
            .map_err(|_| Fault::Damaged("sealed bytes do not open: damage, or another master key".to_owned()))
    }

    /// Some bytes as they are, and what is sealed behind them.
    fn seal_behind(
        &self,
        head: &[u8],
        nonce: [u8; NONCE],
        context: &[u8],
        plain: &[u8],
    ) -> Result<Vec<u8>, Fault> {
        let mut bytes = Vec::with_capacity(head.len() + plain.len() + AES_256_GCM.tag_len());
        bytes.extend_from_slice(head);
        bytes.extend_from_slice(plain);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let inside = bytes.get_mut(head.len()..).unwrap_or_default();
        let tag = self.0.seal_in_place_separate_tag(nonce, Aad::from(context), inside);
        let tag = tag.map_err(|_| Fault::Damaged("bytes that cannot be sealed".to_owned()))?;
        bytes.extend_from_slice(tag.as_ref());
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_what_it_sealed_and_nothing_else() {
        let key = MasterKey::from_bytes([7; 32]).derive("test");
        let ids = Ids::seeded(1);
        let sealed = key.seal(&ids, b"a", b"hello").unwrap();
        assert_eq!(key.open(b"a", &sealed).unwrap(), b"hello");
        assert!(key.open(b"b", &sealed).is_err());
        let mut other = sealed.clone();
        *other.last_mut().unwrap() ^= 1;
        assert!(key.open(b"a", &other).is_err());
        assert!(MasterKey::from_bytes([7; 32]).derive("else").open(b"a", &sealed).is_err());
    }

    /// Test case 16 of "The Galois/Counter Mode of Operation" (McGrew, Viega), shortened to its first block.
    #[test]
    fn seals_as_aes_256_gcm_does() {
        let key: [u8; 32] =
            hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308").try_into().unwrap();
        let nonce: [u8; 12] = hex("cafebabefacedbaddecaf888").try_into().unwrap();
        let plain = hex("d9313225f88406e5a55909c5aff5269a");
        let sealed = SealKey::from_bytes(key).seal_with(nonce, b"", &plain).unwrap();
        assert_eq!(sealed[..16], hex("522dc1f099567d07f47f37a32a84427d"));
        assert_eq!(sealed.len(), 32);
        assert_eq!(SealKey::from_bytes(key).open_with(nonce, b"", &sealed).unwrap(), plain);
    }

    fn hex(text: &str) -> Vec<u8> {
        let digits = text.as_bytes().chunks(2);
        digits.map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
    }

    #[test]
    fn the_key_is_made_once_and_only_where_it_may_be() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let ids = Ids::seeded(1);
        assert_eq!(MasterKey::load(&path, &ids, false).err().unwrap().kind(), std::io::ErrorKind::NotFound);
        // What a crash while the key was made may leave behind.
        std::fs::write(dir.path().join("key.new"), b"half").unwrap();
        let made = MasterKey::load(&path, &ids, true).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        for may_create in [false, true] {
            assert!(MasterKey::load(&path, &ids, may_create).unwrap().0 == made.0);
        }
        std::fs::write(&path, b"short").unwrap();
        assert!(MasterKey::load(&path, &ids, true).is_err());
    }
}
