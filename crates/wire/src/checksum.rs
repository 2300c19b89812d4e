//! Checksums of bodies: the algorithms that S3 has for them.
//!
//! S3 user guide, "Checking object integrity in Amazon S3".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc::{Crc, Digest, Table};
use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use crate::Error;

/// What the headers that carry a checksum begin with.
pub const HEADER: &str = "x-amz-checksum-";

/// A checksum algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// CRC-32 of ISO-HDLC
    Crc32,
    /// CRC-32 of iSCSI
    Crc32c,
    /// CRC-64 of NVMe
    Crc64Nvme,
    /// SHA-1
    Sha1,
    /// SHA-256
    Sha256,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Algorithm; 5] =
        [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme, Algorithm::Sha1, Algorithm::Sha256];

    /// The name in `x-amz-checksum-algorithm`.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Crc32 => "CRC32",
            Algorithm::Crc32c => "CRC32C",
            Algorithm::Crc64Nvme => "CRC64NVME",
            Algorithm::Sha1 => "SHA1",
            Algorithm::Sha256 => "SHA256",
        }
    }

    /// The algorithm of a name.
    ///
    /// # Errors
    /// 501 for one that is not implemented, 400 for one that is none.
    pub fn parse(name: &str) -> Result<Algorithm, Error> {
        if let Some(found) = Self::ALL.into_iter().find(|a| a.name().eq_ignore_ascii_case(name)) {
            return Ok(found);
        }
        match name.to_ascii_uppercase().as_str() {
            "SHA512" | "MD5" | "XXHASH64" | "XXHASH3" | "XXHASH128" => {
                let parameter = "the checksum algorithm";
                let message = format!("Ropeway does not implement {parameter} {name}");
                Err(Error::new(501, "NotImplemented", message).with_member("Header", parameter))
            }
            _ => Err(invalid_request(
                "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]",
            )),
        }
    }

    /// The header that carries it.
    pub fn header(self) -> String {
        format!("{HEADER}{}", self.name().to_ascii_lowercase())
    }

    /// Bytes of a value.
    pub fn bytes(self) -> usize {
        match self {
            Algorithm::Crc32 | Algorithm::Crc32c => 4,
            Algorithm::Crc64Nvme => 8,
            Algorithm::Sha1 => 20,
            Algorithm::Sha256 => 32,
        }
    }

    /// Checks the form of a value in a request.
    ///
    /// # Errors
    /// 400 `InvalidRequest` if it is not base64 of the right length.
    pub fn check_form(self, value: &str) -> Result<(), Error> {
        match STANDARD.decode(value) {
            Ok(bytes) if bytes.len() == self.bytes() => Ok(()),
            _ => Err(invalid_request(format!("Value for {} header is invalid.", self.header()))),
        }
    }
}

type Slices = Table<16>;
static CRC32: Crc<u32, Slices> = Crc::<u32, Slices>::new(&crc::CRC_32_ISO_HDLC);
static CRC32C: Crc<u32, Slices> = Crc::<u32, Slices>::new(&crc::CRC_32_ISCSI);
static CRC64NVME: Crc<u64, Slices> = Crc::<u64, Slices>::new(&crc::CRC_64_NVME);

/// Computes a checksum.
pub enum Hasher {
    /// CRC-32 and CRC-32C
    Crc32(Digest<'static, u32, Slices>),
    /// CRC-64
    Crc64(Digest<'static, u64, Slices>),
    /// SHA-1
    Sha1(sha1::Sha1),
    /// SHA-256
    Sha256(sha2::Sha256),
}

impl Hasher {
    /// A hasher of nothing yet.
    pub fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Crc32 => Hasher::Crc32(CRC32.digest()),
            Algorithm::Crc32c => Hasher::Crc32(CRC32C.digest()),
            Algorithm::Crc64Nvme => Hasher::Crc64(CRC64NVME.digest()),
            Algorithm::Sha1 => Hasher::Sha1(sha1::Sha1::new()),
            Algorithm::Sha256 => Hasher::Sha256(sha2::Sha256::new()),
        }
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Hasher::Crc32(digest) => digest.update(bytes),
            Hasher::Crc64(digest) => digest.update(bytes),
            Hasher::Sha1(digest) => digest.update(bytes),
            Hasher::Sha256(digest) => digest.update(bytes),
        }
    }

    /// The checksum, base64.
    pub fn finish(self) -> String {
        match self {
            Hasher::Crc32(digest) => STANDARD.encode(digest.finalize().to_be_bytes()),
            Hasher::Crc64(digest) => STANDARD.encode(digest.finalize().to_be_bytes()),
            Hasher::Sha1(digest) => STANDARD.encode(digest.finalize()),
            Hasher::Sha256(digest) => STANDARD.encode(digest.finalize()),
        }
    }
}

/// The one checksum among those given.
///
/// # Errors
/// 400 `InvalidRequest` for more than one.
pub fn single(
    given: impl IntoIterator<Item = (Algorithm, Option<String>)>,
) -> Result<Option<(Algorithm, String)>, Error> {
    let mut found = given.into_iter().filter_map(|(algorithm, value)| Some((algorithm, value?)));
    let first = found.next();
    if found.next().is_some() {
        return Err(invalid_request(
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
        ));
    }
    Ok(first)
}

/// The error for another body's checksum; `what` was said of it.
pub fn mismatch(what: &str) -> Error {
    let found = if what == "Content-MD5" { "what we received" } else { "the calculated checksum" };
    Error::new(400, "BadDigest", format!("The {what} you specified did not match {found}."))
}

fn invalid_request(message: impl Into<String>) -> Error {
    Error::new(400, "InvalidRequest", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check values of the catalogue: of `123456789`.
    #[test]
    fn computes_the_catalogues_check_values() {
        let of = |algorithm| {
            let mut hasher = Hasher::new(algorithm);
            hasher.update(b"1234");
            hasher.update(b"56789");
            hex::encode(STANDARD.decode(hasher.finish()).unwrap())
        };
        assert_eq!(of(Algorithm::Crc32), "cbf43926");
        assert_eq!(of(Algorithm::Crc32c), "e3069283");
        assert_eq!(of(Algorithm::Crc64Nvme), "ae8b14860a799888");
        assert_eq!(of(Algorithm::Sha1), "f7c3bc1d808e04732adf679965ccc34ca7ae3441");
    }
}
