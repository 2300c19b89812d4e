//! Session tokens: a session, sealed.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ropeway_core::seal::SealKey;
use ropeway_core::{Fault, Ids, Time};
use ropeway_wire::{Identity, Session};
use serde::{Deserialize, Serialize};

use super::roles::role_principal;

/// How access key ids of temporary credentials begin.
pub(crate) const KEY_PREFIX: &str = "ASIA";
/// The form of tokens, before the sealed bytes: another one is not opened.
const FORM: u8 = 1;

/// What a session token holds: everything that is known of the session.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Token {
    pub secret: String,
    pub account: String,
    pub role_arn: String,
    pub role_id: String,
    pub session_name: String,
    pub issued: Time,
    pub expires: Time,
    pub policy: Option<String>,
    pub policy_arns: Vec<String>,
    pub access_key: String,
}

impl Token {
    /// The token's text. It is bound to its access key id.
    pub fn seal(&self, key: &SealKey, ids: &Ids) -> Result<String, Fault> {
        let plain = postcard::to_stdvec(self)?;
        let mut bytes = vec![FORM];
        bytes.extend(key.seal(ids, self.access_key.as_bytes(), &plain)?);
        Ok(STANDARD.encode(bytes))
    }

    /// Opens a token that belongs to the access key id.
    pub fn open(key: &SealKey, access_key: &str, text: &str) -> Option<Token> {
        let bytes = STANDARD.decode(text).ok()?;
        let sealed = bytes.strip_prefix(&[FORM])?;
        let plain = key.open(access_key.as_bytes(), sealed).ok()?;
        postcard::from_bytes(&plain).ok()
    }

    /// Who signs with the session's key.
    pub fn identity(self) -> Identity {
        let session = Session::new(self.issued, self.policy, self.policy_arns);
        let (role, id) = (&self.role_arn, &self.role_id);
        let mut principal = role_principal(&self.account, role, id, &self.session_name, session);
        principal.access_key = Some(self.access_key);
        Identity { secret: Arc::from(self.secret), principal: Arc::new(principal) }
    }
}
