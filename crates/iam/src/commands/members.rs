//! Groups and their users.

use ropeway_core::Fault;
use ropeway_wire::Error;

use super::{Account, Answer, Listed, Name, Output, Page, SCAN, errors};
use crate::keys;
use crate::limits;
use crate::model::{Entity, Kind};

impl Account<'_> {
    async fn group_and_user(&self, group: String, user: String) -> Result<(Entity, Entity), Error> {
        let group = self.entity(&Name(Kind::Group, group)).await?;
        Ok((group, self.entity(&Name(Kind::User, user)).await?))
    }

    /// Adding a user who is in the group changes nothing.
    pub(super) async fn add_member(&mut self, group: String, user: String) -> Answer {
        let (group, user) = self.group_and_user(group, user).await?;
        let key = keys::group_of(&self.account, &user.id, &group.id);
        if self.tx.get(&key).await?.is_some() {
            return Ok(Output::Done);
        }
        let groups = self.tx.scan_prefix(&keys::groups_of(&self.account, &user.id), None, SCAN).await?;
        if groups.rows.len() >= limits::GROUPS_PER_USER {
            return Err(errors::quota("GroupsPerUser", limits::GROUPS_PER_USER));
        }
        self.tx.write(key, &group.id)?;
        self.tx.write(keys::member_of(&self.account, &group.id, &user.id), &user.id)?;
        self.publish(&user, None).await?;
        Ok(Output::Done)
    }

    pub(super) async fn remove_member(&mut self, group: String, user: String) -> Answer {
        let (group, user) = self.group_and_user(group, user).await?;
        let key = keys::group_of(&self.account, &user.id, &group.id);
        if self.tx.get(&key).await?.is_none() {
            return Err(errors::no_entity(Kind::User, &user.name));
        }
        self.tx.delete(key);
        self.tx.delete(keys::member_of(&self.account, &group.id, &user.id));
        self.publish(&user, None).await?;
        Ok(Output::Done)
    }

    pub(super) async fn list_members(&mut self, group: String, page: Page) -> Answer {
        let group = self.entity(&Name(Kind::Group, group)).await?;
        let found = self.page(&keys::members_of(&self.account, &group.id), &page, |_| true).await?;
        let users = self.by_ids(Kind::User, found).await?;
        Ok(Output::Members(Box::new(group), users))
    }

    pub(super) async fn list_groups_of(&mut self, user: String, page: Page) -> Answer {
        let user = self.entity(&Name(Kind::User, user)).await?;
        let found = self.page(&keys::groups_of(&self.account, &user.id), &page, |_| true).await?;
        Ok(Output::Entities(self.by_ids(Kind::Group, found).await?))
    }

    async fn by_ids(&self, kind: Kind, ids: Listed<String>) -> Result<Listed<Entity>, Error> {
        let mut items = Vec::new();
        for id in ids.items {
            let name: Option<String> = self.tx.read(&keys::name_of(&self.account, &id)).await?;
            let name = name.ok_or_else(|| Fault::Damaged(format!("{id} has no name")))?;
            items.push(self.entity(&Name(kind, name)).await?);
        }
        Ok(Listed { items, next: ids.next })
    }
}
