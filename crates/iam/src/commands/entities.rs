//! Users, roles and groups.

use ropeway_api::iam::error;
use ropeway_wire::Error;

use super::{Account, Answer, Name, Output, Page, errors};
use crate::keys;
use crate::limits;
use crate::model::{Counts, Entity, Kind, RoleParts, Tags};

impl Account<'_> {
    /// A user, role or group.
    pub(super) async fn entity(&self, name: &Name) -> Result<Entity, Error> {
        let key = keys::entity(&self.account, name.0, &name.1);
        self.tx.read(&key).await?.ok_or_else(|| errors::no_entity(name.0, &name.1))
    }

    /// Writes a user, role or group, and makes it known.
    pub(super) async fn save(&mut self, entity: &Entity) -> Answer {
        self.tx.write(keys::entity(&self.account, entity.kind, &entity.name), entity)?;
        self.publish(entity, None).await?;
        Ok(Output::Entity(Box::new(entity.clone())))
    }

    pub(super) async fn create(
        &mut self,
        name: Name,
        path: String,
        tags: Tags,
        boundary: Option<String>,
        role: Option<RoleParts>,
    ) -> Answer {
        let Name(kind, name) = name;
        let key = keys::entity(&self.account, kind, &name);
        if self.tx.get(&key).await?.is_some() {
            return Err(errors::entity_exists(kind, &name));
        }
        if let Some(arn) = &boundary {
            self.count_boundary(arn, 1).await?;
        }
        self.count_entity(kind, 1).await?;
        let entity = Entity {
            kind,
            account: self.account.clone(),
            name,
            path,
            id: self.unique_id(kind.id_prefix()),
            created: self.tx.now(),
            tags,
            boundary,
            role,
        };
        self.tx.write(keys::name_of(&self.account, &entity.id), &entity.name)?;
        self.save(&entity).await
    }

    async fn count_entity(&mut self, kind: Kind, change: i32) -> Result<(), Error> {
        let (name, limit) = match kind {
            Kind::User => ("UsersPerAccount", limits::USERS),
            Kind::Role => ("RolesPerAccount", limits::ROLES),
            Kind::Group => ("GroupsPerAccount", limits::GROUPS),
        };
        self.count(|counts| counts.of(kind), change, name, limit).await
    }

    /// Changes a count of the account, within its quota.
    pub(super) async fn count(
        &mut self,
        pick: impl Fn(&mut Counts) -> &mut u32,
        change: i32,
        name: &str,
        limit: u32,
    ) -> Result<(), Error> {
        let key = keys::counts(&self.account);
        let mut counts: Counts = self.tx.read(&key).await?.unwrap_or_default();
        let count = pick(&mut counts);
        if change > 0 && *count >= limit {
            return Err(errors::quota(name, limit));
        }
        *count = count.saturating_add_signed(change);
        self.tx.write(key, &counts)?;
        Ok(())
    }

    pub(super) async fn list(&mut self, kind: Kind, prefix: &str, page: Page) -> Answer {
        let rows = keys::entities(&self.account, kind);
        Ok(Output::Entities(self.page(&rows, &page, |e: &Entity| e.path.starts_with(prefix)).await?))
    }

    pub(super) async fn rename(&mut self, name: Name, to: Option<String>, path: Option<String>) -> Answer {
        let mut entity = self.entity(&name).await?;
        let old = keys::entity(&self.account, entity.kind, &entity.name);
        let old_name = entity.name.clone();
        entity.name = to.unwrap_or(entity.name);
        entity.path = path.unwrap_or(entity.path);
        let new = keys::entity(&self.account, entity.kind, &entity.name);
        if new != old {
            if self.tx.get(&new).await?.is_some() {
                return Err(errors::entity_exists(entity.kind, &entity.name));
            }
            self.tx.delete(old);
        }
        self.tx.write(keys::name_of(&self.account, &entity.id), &entity.name)?;
        self.tx.write(new, &entity)?;
        self.publish(&entity, Some(old_name)).await?;
        Ok(Output::Done)
    }

    pub(super) async fn delete(&mut self, name: Name) -> Answer {
        let entity = self.entity(&name).await?;
        let (account, id) = (self.account.clone(), entity.id.clone());
        let hanging = [
            (keys::access_keys(&account, &id), "delete access keys"),
            (keys::inlines(&account, &id), "delete policies"),
            (keys::attachments(&account, &id), "detach all policies"),
            (keys::groups_of(&account, &id), "remove users from group"),
            (keys::members_of(&account, &id), "remove users from group"),
        ];
        for (prefix, first) in hanging {
            if !self.tx.scan_prefix(&prefix, None, 1).await?.rows.is_empty() {
                return Err(errors::conflict(first));
            }
        }
        if let Some(arn) = &entity.boundary {
            self.count_boundary(arn, -1).await?;
        }
        self.count_entity(entity.kind, -1).await?;
        self.tx.delete(keys::entity(&account, entity.kind, &entity.name));
        self.tx.delete(keys::name_of(&account, &id));
        let access = std::sync::Arc::clone(self.access);
        self.tx.after_commit(move || access.forget(&account, entity.kind, &entity.name, &id));
        Ok(Output::Done)
    }

    pub(super) async fn update_role(
        &mut self,
        name: String,
        description: Option<String>,
        max_session: Option<i64>,
        trust: Option<String>,
    ) -> Answer {
        let mut entity = self.entity(&Name(Kind::Role, name)).await?;
        if let Some(role) = &mut entity.role {
            role.description = description.or(role.description.take());
            role.max_session = max_session.unwrap_or(role.max_session);
            role.trust = trust.unwrap_or_else(|| std::mem::take(&mut role.trust));
        }
        self.save(&entity).await
    }

    pub(super) async fn set_boundary(&mut self, name: Name, boundary: Option<String>) -> Answer {
        let mut entity = self.entity(&name).await?;
        match (&entity.boundary, &boundary) {
            (None, None) => {
                let what = format!("{} {} has no permissions boundary", entity.kind.title(), entity.name);
                return Err(error::no_such_entity_exception(what));
            }
            (old, new) if old == new => return Ok(Output::Done),
            (old, new) => {
                let (old, new) = (old.clone(), new.clone());
                if let Some(arn) = new {
                    self.count_boundary(&arn, 1).await?;
                }
                if let Some(arn) = old {
                    self.count_boundary(&arn, -1).await?;
                }
            }
        }
        entity.boundary = boundary;
        self.save(&entity).await
    }

    /// Counts a use of a managed policy as a boundary.
    async fn count_boundary(&mut self, arn: &str, change: i32) -> Result<(), Error> {
        let mut policy = self.policy(arn).await.map_err(|_| errors::no_boundary(arn))?;
        policy.boundaries = policy.boundaries.saturating_add_signed(change);
        self.save_policy(&policy)?;
        Ok(())
    }
}
