//! Inline policies.

use ropeway_api::iam::error;
use ropeway_wire::Error;

use super::{Account, Answer, Listed, Name, Output, Page, errors};
use crate::keys;
use crate::limits;
use crate::model::{Entity, Inline, Kind};

impl Account<'_> {
    pub(super) async fn put_inline(&mut self, name: Name, policy: Inline) -> Answer {
        let entity = self.entity(&name).await?;
        self.check_inline_size(&entity, &policy).await?;
        self.tx.write(keys::inline(&self.account, &entity.id, &policy.name), &policy)?;
        self.publish(&entity, None).await?;
        Ok(Output::Done)
    }

    async fn check_inline_size(&self, entity: &Entity, policy: &Inline) -> Result<(), Error> {
        let limit = match entity.kind {
            Kind::User => limits::USER_INLINE,
            Kind::Role => limits::ROLE_INLINE,
            Kind::Group => limits::GROUP_INLINE,
        };
        let others: Vec<Inline> = self.all(&keys::inlines(&self.account, &entity.id)).await?;
        let others = others.iter().filter(|other| !other.name.eq_ignore_ascii_case(&policy.name));
        let total = others.chain([policy]).map(|p| size(&p.document)).sum::<usize>();
        if total > limit {
            let (kind, name) = (entity.kind.word(), &entity.name);
            let message = format!("Maximum policy size of {limit} bytes exceeded for {kind} {name}");
            return Err(error::limit_exceeded_exception(message));
        }
        Ok(())
    }

    pub(super) async fn get_inline(&mut self, name: Name, policy: &str) -> Answer {
        let entity = self.entity(&name).await?;
        let found = self.tx.read(&keys::inline(&self.account, &entity.id, policy)).await?;
        let found = found.ok_or_else(|| errors::no_inline(entity.kind, policy))?;
        Ok(Output::Inline(found, entity.name))
    }

    pub(super) async fn list_inline(&mut self, name: Name, page: Page) -> Answer {
        let entity = self.entity(&name).await?;
        let rows = keys::inlines(&self.account, &entity.id);
        let found: Listed<Inline> = self.page(&rows, &page, |_| true).await?;
        let items = found.items.into_iter().map(|policy| policy.name).collect();
        Ok(Output::Names(Listed { items, next: found.next }))
    }

    pub(super) async fn delete_inline(&mut self, name: Name, policy: &str) -> Answer {
        let entity = self.entity(&name).await?;
        let key = keys::inline(&self.account, &entity.id, policy);
        if self.tx.get(&key).await?.is_none() {
            return Err(errors::no_inline(entity.kind, policy));
        }
        self.tx.delete(key);
        self.publish(&entity, None).await?;
        Ok(Output::Done)
    }
}

/// What quotas count of a document: everything but white space.
pub(crate) fn size(document: &str) -> usize {
    document.chars().filter(|c| !c.is_whitespace()).count()
}
