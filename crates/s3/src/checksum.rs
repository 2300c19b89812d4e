//! Checksums that are kept with objects, and the combination of their parts'.
//!
//! S3 user guide, "Checking object integrity in Amazon S3".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ropeway_wire::Error;
pub use ropeway_wire::checksum::{Algorithm, Hasher};
use serde::{Deserialize, Serialize};

use crate::error;

/// What an object's checksum is computed of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Span {
    /// All of its bytes.
    FullObject,
    /// Its parts' checksums.
    Composite,
}

impl Span {
    /// The name in `x-amz-checksum-type`.
    pub fn name(self) -> &'static str {
        match self {
            Span::FullObject => "FULL_OBJECT",
            Span::Composite => "COMPOSITE",
        }
    }
}

/// A checksum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checksum {
    /// How it was computed.
    pub algorithm: Algorithm,
    /// Base64, with `-` and the number of parts if it is composite.
    pub value: String,
    /// Of what it was computed.
    pub span: Span,
}

/// What the checksum of an upload in parts spans: what is asked for, or the algorithm's default.
///
/// # Errors
/// 400 `InvalidRequest` for a type that the algorithm does not have.
pub fn span(algorithm: Algorithm, asked: Option<&str>) -> Result<Span, Error> {
    let refused = |span: &str| {
        error::invalid_request(format!(
            "The {span} checksum type cannot be used with the {} checksum algorithm.",
            algorithm.name().to_ascii_lowercase()
        ))
    };
    match (asked, algorithm) {
        (None, Algorithm::Crc64Nvme) => Ok(Span::FullObject),
        (None, _) => Ok(Span::Composite),
        (Some("FULL_OBJECT"), Algorithm::Sha1 | Algorithm::Sha256) => Err(refused("FULL_OBJECT")),
        (Some("FULL_OBJECT"), _) => Ok(Span::FullObject),
        (Some("COMPOSITE"), Algorithm::Crc64Nvme) => Err(refused("COMPOSITE")),
        (Some("COMPOSITE"), _) => Ok(Span::Composite),
        (Some(other), _) => Err(error::invalid_argument(
            "x-amz-checksum-type",
            other,
            "Value for x-amz-checksum-type header is invalid.",
        )),
    }
}

/// The checksum of an object from those of its parts, each with the part's size in bytes. `None` if
/// a part's value is none of this algorithm.
pub fn of_parts(algorithm: Algorithm, span: Span, parts: &[(String, u64)]) -> Option<Checksum> {
    let value = match span {
        Span::Composite => {
            let mut hasher = Hasher::new(algorithm);
            for (value, _) in parts {
                hasher.update(&STANDARD.decode(value).ok()?);
            }
            format!("{}-{}", hasher.finish(), parts.len())
        }
        Span::FullObject => combined(algorithm, parts)?,
    };
    Some(Checksum { algorithm, value, span })
}

fn combined(algorithm: Algorithm, parts: &[(String, u64)]) -> Option<String> {
    let (width, reversed_polynomial) = match algorithm {
        Algorithm::Crc32 => (32, u64::from(crc::CRC_32_ISO_HDLC.poly.reverse_bits())),
        Algorithm::Crc32c => (32, u64::from(crc::CRC_32_ISCSI.poly.reverse_bits())),
        Algorithm::Crc64Nvme => (64, crc::CRC_64_NVME.poly.reverse_bits()),
        Algorithm::Sha1 | Algorithm::Sha256 => return None,
    };
    let field = Field { width, polynomial: reversed_polynomial };
    let mut whole = 0;
    for (value, size) in parts {
        let bytes = STANDARD.decode(value).ok().filter(|bytes| bytes.len() == algorithm.bytes())?;
        let part = bytes.iter().fold(0u64, |sum, byte| (sum << 8) | u64::from(*byte));
        whole = field.multiply(field.power(*size), whole) ^ part;
    }
    let bytes = whole.to_be_bytes();
    bytes.get(8 - algorithm.bytes()..).map(|bytes| STANDARD.encode(bytes))
}

/// Polynomials over GF(2) modulo a CRC's, the highest power in the lowest bit. A CRC that begins and
/// ends with all bits set is linear in this field: `crc(ab) = crc(a) · x^(8·|b|) + crc(b)`.
struct Field {
    width: u32,
    polynomial: u64,
}

impl Field {
    fn multiply(&self, a: u64, mut b: u64) -> u64 {
        let mut product = 0;
        for bit in (0..self.width).rev() {
            if a >> bit & 1 == 1 {
                product ^= b;
            }
            b = if b & 1 == 1 { (b >> 1) ^ self.polynomial } else { b >> 1 };
        }
        product
    }

    /// `x` to the power of so many bytes' bits.
    fn power(&self, bytes: u64) -> u64 {
        let mut result = 1 << (self.width - 1);
        // x^8, squared once for each bit of the number.
        let mut square = 1 << (self.width - 1 - 8);
        let mut left = bytes;
        while left > 0 {
            if left & 1 == 1 {
                result = self.multiply(square, result);
            }
            square = self.multiply(square, square);
            left >>= 1;
        }
        result
    }
}

/// Takes the one checksum that a request carries, of a structure's `checksum_*` members.
macro_rules! declared {
    ($input:expr) => {
        ropeway_wire::checksum::single([
            ($crate::checksum::Algorithm::Crc32, $input.checksum_crc32.take()),
            ($crate::checksum::Algorithm::Crc32c, $input.checksum_crc32c.take()),
            ($crate::checksum::Algorithm::Crc64Nvme, $input.checksum_crc64nvme.take()),
            ($crate::checksum::Algorithm::Sha1, $input.checksum_sha1.take()),
            ($crate::checksum::Algorithm::Sha256, $input.checksum_sha256.take()),
        ])
    };
}

/// Sets the member of an output that a checksum belongs to.
macro_rules! show_checksum {
    ($output:expr, $algorithm:expr, $value:expr) => {{
        let value = Some($value);
        match $algorithm {
            $crate::checksum::Algorithm::Crc32 => $output.checksum_crc32 = value,
            $crate::checksum::Algorithm::Crc32c => $output.checksum_crc32c = value,
            $crate::checksum::Algorithm::Crc64Nvme => $output.checksum_crc64nvme = value,
            $crate::checksum::Algorithm::Sha1 => $output.checksum_sha1 = value,
            $crate::checksum::Algorithm::Sha256 => $output.checksum_sha256 = value,
        }
    }};
}
pub(crate) use {declared, show_checksum};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sum(algorithm: Algorithm, bytes: &[u8]) -> String {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    proptest! {
        #[test]
        fn combines_parts_to_the_whole(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..6)) {
            let whole: Vec<u8> = parts.concat();
            for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme] {
                let sums: Vec<_> = parts.iter().map(|p| (sum(algorithm, p), p.len() as u64)).collect();
                let found = of_parts(algorithm, Span::FullObject, &sums).unwrap();
                prop_assert_eq!(found.value, sum(algorithm, &whole));
            }
        }
    }
}
