//! Access keys.

use std::sync::Arc;

use ropeway_wire::Error;

use super::{Account, Answer, Listed, Name, Output, Page, errors};
use crate::keys;
use crate::limits;
use crate::model::{AccessKey, Entity, Kind, Owner};

impl Account<'_> {
    /// The unique id of a key's owner, and the user.
    async fn owner(&self, owner: Owner) -> Result<(String, Option<Entity>), Error> {
        match owner {
            Owner::Root => Ok((self.account.clone(), None)),
            Owner::User(name) => {
                let user = self.entity(&Name(Kind::User, name)).await?;
                Ok((user.id.clone(), Some(user)))
            }
        }
    }

    pub(super) async fn add_key(&mut self, owner: Owner, id: String, sealed: Vec<u8>) -> Answer {
        let (owner, user) = self.owner(owner).await?;
        let held: Vec<AccessKey> = self.all(&keys::access_keys(&self.account, &owner)).await?;
        if held.len() >= limits::ACCESS_KEYS {
            return Err(errors::quota("AccessKeysPerUser", limits::ACCESS_KEYS));
        }
        let account = self.account.clone();
        let key = AccessKey { account, owner, id, sealed, active: true, created: self.tx.now() };
        self.save_key(&key, user.as_ref())?;
        Ok(keys_of(vec![key], None, user))
    }

    fn save_key(&mut self, key: &AccessKey, user: Option<&Entity>) -> Result<(), Error> {
        self.tx.write(keys::access_key(&self.account, &key.owner, &key.id), key)?;
        self.publish_key(key, user)?;
        Ok(())
    }

    pub(super) async fn list_keys(&mut self, owner: Owner, page: Page) -> Answer {
        let (owner, user) = self.owner(owner).await?;
        let found = self.page(&keys::access_keys(&self.account, &owner), &page, |_| true).await?;
        Ok(keys_of(found.items, found.next, user))
    }

    async fn key(&self, owner: &str, id: &str) -> Result<AccessKey, Error> {
        let found = self.tx.read(&keys::access_key(&self.account, owner, id)).await?;
        found.ok_or_else(|| errors::no_key(id))
    }

    pub(super) async fn set_key(&mut self, owner: Owner, id: &str, active: bool) -> Answer {
        let (owner, user) = self.owner(owner).await?;
        let mut key = self.key(&owner, id).await?;
        key.active = active;
        self.save_key(&key, user.as_ref())?;
        Ok(Output::Done)
    }

    pub(super) async fn delete_key(&mut self, owner: Owner, id: &str) -> Answer {
        let (owner, _) = self.owner(owner).await?;
        let key = self.key(&owner, id).await?;
        self.tx.delete(keys::access_key(&self.account, &owner, id));
        let access = Arc::clone(self.access);
        self.tx.after_commit(move || access.keys.remove(&key.id));
        Ok(Output::Done)
    }

    pub(super) async fn ensure_root_key(&mut self, id: String, sealed: Vec<u8>) -> Answer {
        let held: Vec<AccessKey> = self.all(&keys::access_keys(&self.account, &self.account)).await?;
        match held.into_iter().next() {
            Some(key) => Ok(keys_of(vec![key], None, None)),
            None => self.add_key(Owner::Root, id, sealed).await,
        }
    }
}

fn keys_of(items: Vec<AccessKey>, next: Option<String>, user: Option<Entity>) -> Output {
    Output::Keys(Listed { items, next }, user.map(|user| user.name).unwrap_or_default())
}
