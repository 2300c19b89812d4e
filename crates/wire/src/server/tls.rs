//! Encryption: a certificate that is given, or one of a local authority that is made here.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use ropeway_core::Time;
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How long a certificate made here is good for, in days: what browsers accept. One is made at
/// each start.
const LEAF_DAYS: i64 = 397;

/// A certificate and its key, with HTTP/2 and HTTP/1.1 on offer; TLS 1.2 and 1.3.
#[derive(Clone)]
pub struct Tls(Arc<ServerConfig>);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// A certificate with its chain, and its key (PKCS#8, PKCS#1 or SEC1), in PEM.
    ///
    /// # Errors
    /// `InvalidData` for what is no PEM, holds none, or does not fit together.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> io::Result<Self> {
        let chain = CertificateDer::pem_slice_iter(chain).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|error| invalid("the certificate", &error))?;
        if chain.is_empty() {
            return Err(invalid("the certificate", &"there is none"));
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| invalid("the key", &error))?;
        Tls::new(chain, key)
    }

    /// A certificate for these host names and addresses, of an authority that lives in `directory`:
    /// `ca.pem`, which clients are to trust, and `ca.key`, both readable by the owner alone. What is
    /// not there is made. `now` is real time. A name may begin with `*.`, but clients refuse that
    /// directly under a top-level name, as in `*.localhost`; `*.s3.localhost` they take.
    ///
    /// # Errors
    /// What the file system says; `InvalidData` for a key that cannot be read or a name that is none.
    pub fn local_ca(directory: &Path, names: &[String], now: Time) -> io::Result<Self> {
        let authority = authority(directory)?;
        let key = KeyPair::generate().map_err(|error| invalid("a new key", &error))?;
        let mut params = CertificateParams::new(names).map_err(|error| invalid("a host name", &error))?;
        params.distinguished_name.push(DnType::CommonName, "Ropeway");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let (year, month, day) = date(now.plus_secs(-24 * 3600))?;
        params.not_before = rcgen::date_time_ymd(year, month, day);
        let (year, month, day) = date(now.plus_secs(LEAF_DAYS * 24 * 3600))?;
        params.not_after = rcgen::date_time_ymd(year, month, day);
        let leaf =
            params.signed_by(&key, &authority).map_err(|error| invalid("a new certificate", &error))?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Tls::new(vec![leaf.der().clone()], key)
    }

    fn new(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> io::Result<Self> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| invalid("the TLS versions", &error))?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| invalid("the certificate and its key", &error))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Tls(Arc::new(config)))
    }

    /// Shakes hands.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        TlsAcceptor::from(Arc::clone(&self.0)).accept(stream).await
    }
}

/// The authority of a directory, made where it is not there.
fn authority(directory: &Path) -> io::Result<Issuer<'static, KeyPair>> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let (key_path, certificate_path) = (directory.join("ca.key"), directory.join("ca.pem"));
    let key = match fs::read_to_string(&key_path) {
        Ok(pem) => KeyPair::from_pem(&pem).map_err(|error| invalid("ca.key", &error))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = KeyPair::generate().map_err(|error| invalid("a new key", &error))?;
            write(directory, "ca.key", &key.serialize_pem())?;
            // A certificate without its key is no use: the next lines make another.
            remove(&certificate_path)?;
            key
        }
        Err(error) => return Err(error),
    };
    // The name and the key are all that certificates take from their authority's, so the
    // parameters need not be read back from its file.
    let params = authority_params();
    if !certificate_path.try_exists()? {
        let certificate = params.self_signed(&key).map_err(|error| invalid("a new authority", &error))?;
        write(directory, "ca.pem", &certificate.pem())?;
    }
    Ok(Issuer::new(params, key))
}

fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Ropeway local authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2120, 1, 1);
    params
}

/// Year, month and day of a moment.
fn date(time: Time) -> io::Result<(i32, u8, u8)> {
    let at = jiff::Timestamp::from_second(time.secs()).map_err(|error| invalid("the time", &error))?;
    let date = jiff::tz::Offset::UTC.to_datetime(at).date();
    Ok((i32::from(date.year()), date.month().unsigned_abs(), date.day().unsigned_abs()))
}

/// Writes a file whole or not at all, for the owner alone.
fn write(directory: &Path, name: &str, text: &str) -> io::Result<()> {
    let part = directory.join(format!("{name}.part"));
    remove(&part)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&part, directory.join(name))?;
    File::open(directory)?.sync_all()
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn invalid(what: &str, error: &dyn std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{what}: {error}"))
}
