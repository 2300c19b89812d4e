//! Java's key store, as far as it holds certificates that are trusted: the form "JKS", which every Java reads
//! whatever form is its default (`keystore.type.compat`). Numbers are big-endian:
//! magic, version, count; for each entry its kind, alias, time, kind of certificate and DER; at the end a SHA-1
//! over the store's password, a phrase, and what comes before
//! (`sun.security.provider.JavaKeyStore` of OpenJDK).

use std::io;

use rustls::pki_types::CertificateDer;
use sha1::{Digest as _, Sha1};

const MAGIC: u32 = 0xfeed_feed;
const VERSION: u32 = 2;
/// An entry that is a trusted certificate.
const TRUSTED: u32 = 2;
/// The password that everybody knows: it protects no secret here, and opens stores of this kind.
const PASSWORD: &str = "changeit";
const PHRASE: &[u8] = b"Mighty Aphrodite";

/// A store of certificates.
///
/// # Errors
/// `InvalidInput` for more certificates, or a longer one, than the form can tell.
pub fn store(certificates: &[CertificateDer<'_>]) -> io::Result<Vec<u8>> {
    let length = |length: usize| u32::try_from(length).map_err(|_| io::ErrorKind::InvalidInput);
    let mut out = Vec::new();
    for number in [MAGIC, VERSION, length(certificates.len())?] {
        out.extend(number.to_be_bytes());
    }
    for (number, certificate) in certificates.iter().enumerate() {
        out.extend(TRUSTED.to_be_bytes());
        text(&mut out, &format!("certificate-{number}"))?;
        // When it was added: nobody asks.
        out.extend(0_u64.to_be_bytes());
        text(&mut out, "X.509")?;
        out.extend(length(certificate.len())?.to_be_bytes());
        out.extend_from_slice(certificate);
    }
    let mut sum = Sha1::new();
    for unit in PASSWORD.encode_utf16() {
        sum.update(unit.to_be_bytes());
    }
    sum.update(PHRASE);
    sum.update(&out);
    out.extend(sum.finalize());
    Ok(out)
}

fn text(out: &mut Vec<u8>, text: &str) -> io::Result<()> {
    let length = u16::try_from(text.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    out.extend(length.to_be_bytes());
    out.extend(text.bytes());
    Ok(())
}
