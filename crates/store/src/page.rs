//! What all engines share: the limits of batches and pages.

use std::ops::Bound;

use bytes::Bytes;

use crate::{
    Batch, MAX_BATCH_BYTES, MAX_BATCH_OPS, MAX_KEY_BYTES, MAX_PAGE_BYTES, MAX_VALUE_BYTES, Op, Page, Range,
};

impl Batch {
    /// Bytes of its keys and values.
    pub fn bytes(&self) -> usize {
        self.ops.iter().map(Op::bytes).sum()
    }

    /// Says which limit of this crate the batch is past, if it is.
    pub fn check(&self) -> Result<(), String> {
        if self.ops.len() > MAX_BATCH_OPS {
            return Err(format!("a batch of {} operations; at most {MAX_BATCH_OPS}", self.ops.len()));
        }
        for op in &self.ops {
            op.check()?;
        }
        match self.bytes() {
            bytes if bytes > MAX_BATCH_BYTES => {
                Err(format!("a batch of {bytes} bytes; at most {MAX_BATCH_BYTES}"))
            }
            _ => Ok(()),
        }
    }
}

impl Op {
    /// Bytes of its key and value.
    pub fn bytes(&self) -> usize {
        match self {
            Op::Put(key, value) => key.len() + value.len(),
            Op::Delete(key) => key.len(),
        }
    }

    fn check(&self) -> Result<(), String> {
        if self.key().len() > MAX_KEY_BYTES {
            return Err(format!("a key of {} bytes; at most {MAX_KEY_BYTES}", self.key().len()));
        }
        match self {
            Op::Put(_, value) if value.len() > MAX_VALUE_BYTES => {
                Err(format!("a value of {} bytes; at most {MAX_VALUE_BYTES}", value.len()))
            }
            _ => Ok(()),
        }
    }
}

impl Range {
    /// Whether no key can be in it.
    pub fn is_empty(&self) -> bool {
        match (&self.from, &self.to) {
            (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
            (Bound::Included(from), Bound::Included(to)) => from > to,
            (Bound::Included(from) | Bound::Excluded(from), Bound::Included(to) | Bound::Excluded(to)) => {
                from >= to
            }
        }
    }
}

/// Collects the rows of a page.
pub(crate) struct PageBuilder {
    page: Page,
    limit: usize,
    bytes: usize,
}

impl PageBuilder {
    pub(crate) fn new(limit: usize) -> PageBuilder {
        PageBuilder { page: Page::default(), limit, bytes: 0 }
    }

    /// Adds a row; if it has no room, the page is complete and there is more.
    pub(crate) fn push(&mut self, key: Bytes, value: Bytes) -> bool {
        let bytes = self.bytes + key.len() + value.len();
        if self.page.rows.len() >= self.limit || bytes > MAX_PAGE_BYTES {
            self.page.more = true;
            return false;
        }
        self.bytes = bytes;
        self.page.rows.push((key, value));
        true
    }

    pub(crate) fn finish(self) -> Page {
        self.page
    }
}
