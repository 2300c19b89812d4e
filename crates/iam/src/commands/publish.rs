//! From rows to the snapshots that requests are decided by.

use std::sync::Arc;

use ropeway_core::{Fault, Tx};
use ropeway_wire::{Identity, Principal, PrincipalKind};

use super::{Account, IamMachine, all};
use crate::access::{Access, Known, KnownPolicy, KnownRole, compile};
use crate::keys;
use crate::model::{AccessKey, Entity, Inline, Kind, ManagedPolicy, Version};
use crate::policy::{self, PolicyKind};

impl Account<'_> {
    /// Makes a user, role or group known once this command is durable; `old_name` is what it was called.
    pub(super) async fn publish(&mut self, entity: &Entity, old_name: Option<String>) -> Result<(), Fault> {
        let known = Arc::new(known(self.tx, entity).await?);
        let access = Arc::clone(self.access);
        let renamed = old_name.is_some();
        self.tx.after_commit(move || access.know(known, old_name.as_deref()));
        if renamed {
            // The principal's ARN stands with its keys.
            let held: Vec<AccessKey> = self.all(&keys::access_keys(&self.account, &entity.id)).await?;
            for key in held {
                self.publish_key(&key, Some(entity))?;
            }
        }
        Ok(())
    }

    /// Makes a managed policy known once this command is durable.
    pub(super) fn publish_policy(&mut self, policy: &ManagedPolicy, document: &str) {
        let known = known_policy(policy, document);
        let (access, arn) = (Arc::clone(self.access), policy.arn());
        self.tx.after_commit(move || access.policies.set(&arn, known));
    }

    /// Makes an access key known, or forgotten if it is not active, once this command is durable.
    pub(super) fn publish_key(&mut self, key: &AccessKey, user: Option<&Entity>) -> Result<(), Fault> {
        let access = Arc::clone(self.access);
        let id = key.id.clone();
        if key.active {
            let principal = match user {
                Some(user) => user_principal(&user.account, user.arn(), &user.id, &key.id),
                None => root_principal(&key.account, &key.id),
            };
            let identity = identity(&access, key, principal)?;
            self.tx.after_commit(move || access.keys.set(&id, identity));
        } else {
            self.tx.after_commit(move || access.keys.remove(&id));
        }
        Ok(())
    }
}

impl IamMachine {
    /// Makes everything of the shard known.
    pub(super) async fn load_all(&mut self, tx: &Tx) -> Result<(), Fault> {
        let [policies, entities, access_keys] = keys::at_start();
        for policy in all::<ManagedPolicy>(tx, &policies).await? {
            let key = keys::version(&policy.account, &policy.id, policy.default);
            let version: Option<Version> = tx.read(&key).await?;
            let version =
                version.ok_or_else(|| Fault::Damaged(format!("{} has no version", policy.arn())))?;
            self.access.policies.set(&policy.arn(), known_policy(&policy, &version.document));
        }
        for entity in all::<Entity>(tx, &entities).await? {
            self.access.know(Arc::new(known(tx, &entity).await?), None);
        }
        for key in all::<AccessKey>(tx, &access_keys).await? {
            self.load_key(&key)?;
        }
        Ok(())
    }

    fn load_key(&self, key: &AccessKey) -> Result<(), Fault> {
        if !key.active {
            return Ok(());
        }
        let principal = match key.owner == key.account {
            true => root_principal(&key.account, &key.id),
            false => {
                let user = self.access.by_id.get(&key.owner);
                let user = user.ok_or_else(|| Fault::Damaged(format!("{} has no user", key.id)))?;
                user_principal(&user.account, user.arn.clone(), &user.id, &key.id)
            }
        };
        self.access.keys.set(&key.id, identity(&self.access, key, principal)?);
        Ok(())
    }
}

fn root_principal(account: &str, key: &str) -> Principal {
    Principal { access_key: Some(key.to_owned()), ..Principal::root(account) }
}

fn user_principal(account: &str, arn: String, id: &str, key: &str) -> Principal {
    Principal {
        kind: PrincipalKind::User,
        account: account.to_owned(),
        arn,
        id: id.to_owned(),
        access_key: Some(key.to_owned()),
        session: None,
    }
}

fn identity(access: &Access, key: &AccessKey, principal: Principal) -> Result<Arc<Identity>, Fault> {
    let secret = access.open_secret(&key.id, &key.sealed)?;
    Ok(Arc::new(Identity { secret: Arc::from(secret), principal: Arc::new(principal) }))
}

fn known_policy(policy: &ManagedPolicy, document: &str) -> Arc<KnownPolicy> {
    let compiled = compile(&policy.arn(), document, PolicyKind::Managed);
    Arc::new(KnownPolicy { policy: compiled, tags: policy.tags.clone() })
}

async fn known(tx: &Tx, entity: &Entity) -> Result<Known, Fault> {
    let account = &entity.account;
    let inline: Vec<Inline> = all(tx, &keys::inlines(account, &entity.id)).await?;
    let arn = entity.arn();
    let name = |policy: &str| format!("{policy} of {arn}");
    let inline = inline.iter().map(|p| compile(&name(&p.name), &p.document, PolicyKind::Identity)).collect();
    let user = (entity.kind == Kind::User).then(|| {
        let mut user = policy::Principal::user(account, &arn, &entity.id);
        user.tags = entity.tags.clone();
        user
    });
    let role = entity.role.as_ref().map(|role| KnownRole {
        trust: compile(&arn, &role.trust, PolicyKind::Trust),
        max_session: role.max_session,
    });
    Ok(Known {
        kind: entity.kind,
        account: account.clone(),
        name: entity.name.clone(),
        path: entity.path.clone(),
        id: entity.id.clone(),
        tags: entity.tags.clone(),
        boundary: entity.boundary.clone(),
        inline,
        attached: all(tx, &keys::attachments(account, &entity.id)).await?,
        groups: all(tx, &keys::groups_of(account, &entity.id)).await?,
        user,
        role,
        arn,
    })
}
