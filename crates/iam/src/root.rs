//! The root's credentials, and secrets.

use std::sync::Arc;

use ropeway_core::{Core, Fault, Ids, Trace};
use ropeway_wire::Error;

use crate::commands::{Command, Output, What, unique_id};
use crate::{Access, IamMachine, shard_name};

/// Characters of a secret access key.
const SECRET_LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const SECRET: usize = 40;
/// Characters of an access key id (`AKIAIOSFODNN7EXAMPLE`).
const ACCESS_KEY_ID: usize = 20;

/// The access key of an account's root.
#[derive(Clone)]
pub struct RootCredentials {
    /// `AKIA…`
    pub access_key_id: String,
    /// The secret access key.
    pub secret: Arc<str>,
    /// It was made just now.
    pub created: bool,
}

/// Makes the account's root an access key, unless it has one. The answer is durable.
///
/// # Errors
/// A store that fails, a full disk, or a secret that another master key sealed.
pub async fn ensure_root(core: &Core, access: &Access, account: &str) -> Result<RootCredentials, Error> {
    let (id, secret) = new_key(core.ids(), "AKIA");
    let sealed = access.seal_secret(core.ids(), &id, &secret)?;
    let command =
        Command { account: account.to_owned(), what: What::EnsureRootKey { id: id.clone(), sealed } };
    let trace: Trace = Arc::from("");
    let shard = core.shard_of(&shard_name(account));
    let Output::Keys(keys, _) = core.submit::<IamMachine>(shard, &trace, command).await? else {
        return Err(Error::internal("an answer of another kind"));
    };
    let key = keys.items.into_iter().next().ok_or_else(|| Error::internal("no access key"))?;
    let secret = access.open_secret(&key.id, &key.sealed)?;
    Ok(RootCredentials { created: key.id == id, access_key_id: key.id, secret: Arc::from(secret) })
}

/// A new access key id that begins so, and its secret.
pub(crate) fn new_key(ids: &Ids, prefix: &str) -> (String, String) {
    (unique_id(ids, prefix, ACCESS_KEY_ID), ids.text(SECRET_LETTERS, SECRET))
}

impl Access {
    /// Seals a secret, bound to its access key id.
    pub(crate) fn seal_secret(&self, ids: &Ids, id: &str, secret: &str) -> Result<Vec<u8>, Fault> {
        self.secrets.seal(ids, id.as_bytes(), secret.as_bytes())
    }

    /// Opens a sealed secret.
    pub(crate) fn open_secret(&self, id: &str, sealed: &[u8]) -> Result<String, Fault> {
        let bytes = self.secrets.open(id.as_bytes(), sealed)?;
        String::from_utf8(bytes).map_err(|error| Fault::Damaged(error.to_string()))
    }
}
