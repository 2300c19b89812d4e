//! The key that messages are signed with, and the certificate that receivers check them by.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use ropeway_core::keys::{KeyBuilder, Space};
use ropeway_core::seal::MasterKey;
use ropeway_core::signing::{SigningKey, Sum};
use ropeway_core::{BoxFuture, Core, Fault, Ids, Time, Trace};
use ropeway_wire::gateway::{Site, SiteRequest};
use ropeway_wire::protocol::ResponseBody;
use ropeway_wire::{Answer, Error};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::sync::{OnceCell, Semaphore};

use crate::commands::{Command, Output, SnsMachine};
use crate::envelope::Signature;
use crate::model::Publication;
use crate::signed::{self, Signed, Wanted};

/// The shard's name of the one key.
const NAME: &str = "sns/signing";
/// The key's row.
const SIGNER: u8 = 9;
/// What the certificate's address begins with, as on AWS.
const PATH: &str = "/SimpleNotificationService-";
/// What the certificate is for.
const HOST: &str = "sns.amazonaws.com";

/// The key's row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignerRow {
    /// The private key (PKCS #8), sealed.
    pub sealed: Vec<u8>,
    /// The certificate (PEM).
    pub certificate: String,
}

/// Key of the row.
pub fn signer_key() -> Bytes {
    KeyBuilder::unscoped(Space::Sns, SIGNER).build()
}

/// What signs.
struct Signer {
    key: SigningKey,
    /// The certificate's path.
    path: String,
    certificate: String,
}

impl Signer {
    fn sign(&self, ids: &Ids, sha256: bool, text: &str) -> Result<Signature, Error> {
        let sum = if sha256 { Sum::Sha256 } else { Sum::Sha1 };
        let signature = self.key.sign(ids, sum, text.as_bytes())?;
        Ok(Signature { sha256, text: BASE64.encode(signature), certificate: self.path.clone() })
    }
}

/// The way to what signs: made when it is first asked for, and the same ever after.
pub struct Signing {
    core: Core,
    master: MasterKey,
    signer: OnceCell<Arc<Signer>>,
    /// Turns of those who sign: as many at once as there are cores.
    turns: Arc<Semaphore>,
}

impl Signing {
    /// Over a running core; `master` seals the key.
    pub fn new(core: Core, master: MasterKey) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Signing { core, master, signer: OnceCell::new(), turns: Arc::new(Semaphore::new(cores)) }
    }

    async fn signer(&self) -> Result<&Arc<Signer>, Error> {
        self.signer.get_or_try_init(|| async { Ok(Arc::new(self.load().await?)) }).await
    }

    /// Does work with the key where no connection and no shard waits for it: a signature of version 1 takes nearly
    /// three milliseconds.
    async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Signer, &Ids) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (signer, ids) = (Arc::clone(self.signer().await?), self.core.ids().clone());
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let turn = turn.map_err(|error| Error::internal(error.to_string()))?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work(&signer, &ids);
            drop(turn);
            done
        });
        done.await.map_err(|error| Error::internal(error.to_string()))?
    }

    /// Signs a text.
    pub(crate) async fn sign(&self, sha256: bool, text: String) -> Result<Signature, Error> {
        self.aside(move |signer, ids| signer.sign(ids, sha256, &text)).await
    }

    /// Signs what a publication's receivers get, each text once.
    pub(crate) async fn sign_publication(
        &self,
        publication: &Publication,
        wanted: &Wanted,
        id: String,
        at: Time,
    ) -> Result<Signed, Error> {
        let (texts, sha256) = (signed::texts(publication, wanted, &id, at), wanted.sha256);
        let signatures = self.aside(move |signer, ids| {
            let sign = |(name, text): (String, String)| Ok((name, signer.sign(ids, sha256, &text)?));
            texts.into_iter().map(sign).collect::<Result<_, Error>>()
        });
        Ok(Signed { id, at, sha256, signatures: signatures.await? })
    }

    async fn load(&self) -> Result<Signer, Error> {
        let shard = self.core.shard_of(NAME);
        let trace = Trace::from("");
        let submit = |command| self.core.submit::<SnsMachine>(shard, &trace, command);
        let seal = self.master.derive(NAME);
        if let Output::Signer(Some(row)) = submit(Command::ReadSigner).await? {
            return signer(&seal.open(b"key", &row.sealed)?, row.certificate);
        }
        let ids = self.core.ids().clone();
        let made = tokio::task::spawn_blocking(move || SigningKey::generate(&ids)).await;
        let private = made.map_err(|error| Error::internal(error.to_string()))??.to_pkcs8()?;
        let sealed = seal.seal(self.core.ids(), b"key", &private)?;
        let row = SignerRow { sealed, certificate: certificate(&private)? };
        // Whoever came first counts.
        match submit(Command::AddSigner(row)).await? {
            Output::Signer(Some(row)) => signer(&seal.open(b"key", &row.sealed)?, row.certificate),
            _ => Err(Fault::Damaged("another command's answer".to_owned()).into()),
        }
    }
}

fn signer(private: &[u8], certificate: String) -> Result<Signer, Error> {
    let hash = hex::encode(Sha256::digest(certificate.as_bytes()));
    let path = format!("{PATH}{}.pem", hash.get(..32).unwrap_or(&hash));
    Ok(Signer { key: SigningKey::from_pkcs8(private)?, path, certificate })
}

/// A certificate that the key itself has signed.
fn certificate(private: &[u8]) -> Result<String, Error> {
    let broken =
        |error: rcgen::Error| Error::internal(format!("the certificate of the signing key: {error}"));
    let key = rcgen::KeyPair::try_from(private).map_err(broken)?;
    let mut params = rcgen::CertificateParams::new(vec![HOST.to_owned()]).map_err(broken)?;
    params.distinguished_name.push(rcgen::DnType::CommonName, HOST);
    params.self_signed(&key).map(|certificate| certificate.pem()).map_err(broken)
}

/// Serves the certificate.
pub struct Certificates(pub Arc<Signing>);

impl Site for Certificates {
    fn owns(&self, _host: &str, path: &str) -> bool {
        path.starts_with(PATH)
    }

    fn answer(&self, request: SiteRequest) -> BoxFuture<'_, Answer> {
        Box::pin(async move {
            let (status, body) = match self.0.signer().await {
                Ok(signer) if signer.path == request.path => {
                    (http::StatusCode::OK, signer.certificate.clone())
                }
                Ok(_) => (http::StatusCode::NOT_FOUND, String::new()),
                Err(error) => (http::StatusCode::INTERNAL_SERVER_ERROR, error.message),
            };
            let mut answer = http::Response::new(ResponseBody::Bytes(Bytes::from(body)));
            *answer.status_mut() = status;
            let kind = http::HeaderValue::from_static("application/x-pem-file");
            answer.headers_mut().insert(http::header::CONTENT_TYPE, kind);
            answer
        })
    }
}
