//! Lists of names: what `ListQueues` and its like read.
//!
//! A list lives in one shard, chosen by its own name (`sqs/000000000000/us-east-1/queues`). The
//! owner of a thing adds it through the outbox in the commit that makes the thing, so that the list
//! becomes right after any crash; whoever answers for the change also adds it directly, so that a
//! list read afterwards shows it.

use serde::{Deserialize, Serialize};

use crate::keys::{KeyBuilder, Space};
use crate::{Core, Fault, Machine, ShardId, Tx};

/// Names that are read at once, whatever the limit.
const MAX_NAMES: u32 = 10_000;

/// The machine of lists.
pub struct Directory;

/// A change of a list, or a look at it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Command {
    /// Adds a name, or replaces what is known of it.
    Add {
        /// the list
        list: String,
        /// the name
        name: String,
        /// what the list says of it
        value: Vec<u8>,
    },
    /// Removes a name.
    Remove {
        /// the list
        list: String,
        /// the name
        name: String,
    },
    /// Reads names in order.
    Read {
        /// the list
        list: String,
        /// names that begin so
        prefix: String,
        /// only names behind this one
        after: Option<String>,
        /// at most so many, and 10,000
        limit: u32,
    },
}

/// Names and what the list says of each, in order.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// The names.
    pub names: Vec<(String, Vec<u8>)>,
    /// There are more behind the last.
    pub more: bool,
}

impl Directory {
    /// The machine of a shard.
    pub fn new(_shard: ShardId) -> Self {
        Directory
    }

    async fn read(
        tx: &Tx,
        list: &str,
        prefix: &str,
        after: Option<String>,
        limit: u32,
    ) -> Result<Names, Fault> {
        let base = key(list);
        let start = base.clone().raw(prefix.as_bytes()).build();
        let after = after.map(|name| base.clone().raw(name.as_bytes()).build());
        let page = tx.scan_prefix(&start, after.as_ref(), limit.min(MAX_NAMES) as usize).await?;
        let skip = base.build().len();
        let mut out = Names { names: Vec::new(), more: page.more };
        for (key, value) in page.rows {
            let name = String::from_utf8(key.get(skip..).unwrap_or_default().to_vec());
            out.names.push((name.map_err(|e| Fault::Damaged(e.to_string()))?, value.to_vec()));
        }
        Ok(out)
    }
}

fn key(list: &str) -> KeyBuilder {
    KeyBuilder::unscoped(Space::Directory, 0).text(list)
}

impl Machine for Directory {
    type Command = Command;
    type Output = Names;
    type Error = Fault;
    const SPACE: Space = Space::Directory;

    async fn load(&mut self, _tx: &mut Tx) -> Result<(), Fault> {
        Ok(())
    }

    async fn apply(&mut self, tx: &mut Tx, command: Command) -> Result<Names, Fault> {
        match command {
            Command::Add { list, name, value } => {
                tx.put(key(&list).raw(name.as_bytes()).build(), value.into())
            }
            Command::Remove { list, name } => tx.delete(key(&list).raw(name.as_bytes()).build()),
            Command::Read { list, prefix, after, limit } => {
                return Self::read(tx, &list, &prefix, after, limit).await;
            }
        }
        Ok(Names::default())
    }

    fn grows(_command: &Command) -> bool {
        false
    }
}

/// Adds a name in the commit of what it names; the list follows once that is durable.
pub fn add_with(tx: &mut Tx, list: &str, name: &str, value: &[u8]) -> Result<(), Fault> {
    let shard = tx.shard_of(list);
    let command = Command::Add { list: list.to_owned(), name: name.to_owned(), value: value.to_vec() };
    tx.send(&format!("list/{list}"), Space::Directory, shard, &command)
}

/// Removes a name in the commit of what it named.
pub fn remove_with(tx: &mut Tx, list: &str, name: &str) -> Result<(), Fault> {
    let shard = tx.shard_of(list);
    let command = Command::Remove { list: list.to_owned(), name: name.to_owned() };
    tx.send(&format!("list/{list}"), Space::Directory, shard, &command)
}

/// Applies a change or a look to a list, at once.
pub async fn apply(core: &Core, trace: &crate::Trace, command: Command) -> Result<Names, Fault> {
    let list = match &command {
        Command::Add { list, .. } | Command::Remove { list, .. } | Command::Read { list, .. } => list,
    };
    let shard = core.shard_of(list);
    core.submit::<Directory>(shard, trace, command).await
}
