//! An authority that only sandboxes trust, so that SDKs which know no `AWS_ENDPOINT_URL` reach the server
//! under AWS's own names. Its key is made at each start and kept in memory alone.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, crypto::ring};
use tokio_rustls::TlsAcceptor;

use super::jks;

/// The most names that certificates are kept for; beyond it they are made anew.
const MAX_KEPT: usize = 1000;
/// Where operating systems keep the certificates they trust, in one file.
const SYSTEM: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// Where a sandbox has the authority's certificate, and a bundle of it with the system's.
const INSIDE: &str = "/etc/ropeway";
/// What Java trusts: the system's certificates and the authority's, in Java's own form.
const JAVA_STORE: &str = "cacerts";

/// The authority.
pub struct Trust {
    acceptor: TlsAcceptor,
    directory: PathBuf,
    /// Whether the system has certificates: without them, Java would trust nobody else.
    for_java: bool,
}

impl std::fmt::Debug for Trust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Trust")
    }
}

impl Trust {
    /// A new authority; its certificate and the bundle are written to the directory.
    ///
    /// # Errors
    /// What the file system says, or the makers of keys and certificates.
    pub fn make(directory: PathBuf) -> io::Result<Self> {
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.distinguished_name.push(DnType::CommonName, "Ropeway functions");
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).map_err(io::Error::other)?;
        let pem = certificate.pem();
        fs::create_dir_all(&directory)?;
        fs::write(directory.join("ca.pem"), &pem)?;
        let system = SYSTEM.iter().find_map(|path| fs::read_to_string(path).ok()).unwrap_or_default();
        fs::write(directory.join("bundle.pem"), format!("{system}\n{pem}"))?;
        // One that cannot be read is of no use to Java either.
        let mut trusted: Vec<_> =
            CertificateDer::pem_slice_iter(system.as_bytes()).filter_map(Result::ok).collect();
        let for_java = !trusted.is_empty();
        trusted.push(certificate.der().clone());
        fs::write(directory.join(JAVA_STORE), jks::store(&trusted)?)?;
        let leaf = KeyPair::generate().map_err(io::Error::other)?;
        let resolver = Resolver { issuer: Issuer::new(params, key), leaf, kept: Mutex::default() };
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(resolver));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Trust { acceptor: TlsAcceptor::from(Arc::new(config)), directory, for_java })
    }

    /// Takes the encryption off.
    pub fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.clone()
    }

    /// What a sandbox has bound: the files, and the bundle over the system's own.
    pub fn binds(&self) -> Vec<(PathBuf, PathBuf)> {
        let bundle = self.directory.join("bundle.pem");
        let mut binds = vec![(self.directory.clone(), PathBuf::from(INSIDE))];
        // Where the file itself is, and only where the sandbox has that bound.
        let system = SYSTEM.iter().filter_map(|path| fs::canonicalize(path).ok());
        let system = system.filter(|path| path.starts_with("/etc/ssl/certs") || path.starts_with("/etc/pki"));
        binds.extend(system.map(|path| (bundle.clone(), path)));
        binds
    }

    /// What is bound over a Java's own store, where the system has certificates of its own. A function that
    /// names another (`-Djavax.net.ssl.trustStore`, in `JAVA_TOOL_OPTIONS` too) trusts that one.
    pub fn java_bind(&self, store: &Path) -> Option<(PathBuf, PathBuf)> {
        self.for_java.then(|| (self.directory.join(JAVA_STORE), store.to_path_buf()))
    }

    /// What tells SDKs and languages of it.
    pub fn environment() -> [(&'static str, String); 4] {
        let bundle = format!("{INSIDE}/bundle.pem");
        [
            ("AWS_CA_BUNDLE", bundle.clone()),
            ("NODE_EXTRA_CA_CERTS", format!("{INSIDE}/ca.pem")),
            ("REQUESTS_CA_BUNDLE", bundle.clone()),
            ("SSL_CERT_FILE", bundle),
        ]
    }
}

/// Makes a certificate for each name that is asked for.
struct Resolver {
    issuer: Issuer<'static, KeyPair>,
    leaf: KeyPair,
    kept: Mutex<BTreeMap<String, Arc<CertifiedKey>>>,
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Resolver")
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name()?.to_ascii_lowercase();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = kept.get(&name) {
            return Some(Arc::clone(key));
        }
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        let key = Arc::new(self.make(&name)?);
        kept.insert(name, Arc::clone(&key));
        Some(key)
    }
}

impl Resolver {
    fn make(&self, name: &str) -> Option<CertifiedKey> {
        let mut params = CertificateParams::new([name.to_owned()]).ok()?;
        params.distinguished_name.push(DnType::CommonName, "Ropeway");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&self.leaf, &self.issuer).ok()?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.leaf.serialize_der()));
        let key = ring::sign::any_supported_type(&key).ok()?;
        Some(CertifiedKey::new(vec![certificate.der().clone()], key))
    }
}
