//! A window on a queue's visible messages, in order, by group.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A group's number while anything of it is in memory; [`UNGROUPED`] for messages without one.
pub type GroupId = u32;

/// The group of messages that have none.
pub const UNGROUPED: GroupId = 0;

/// Groups at the front of a standard queue that are looked at for a quiet one.
const LOOK_AT: usize = 64;
/// A group with fewer messages in flight is never noisy.
const QUIET: usize = 10;

#[derive(Debug, Default)]
struct Group {
    name: Option<Arc<str>>,
    seqs: BTreeSet<u64>,
    in_flight: usize,
}

/// Visible messages below the queue's cursor.
///
/// In a FIFO queue a group gives nothing while any of its messages is in flight. In a standard queue
/// groups that hold more than their share of what is in flight wait behind the others (fair queues).
#[derive(Debug)]
pub struct Ready {
    fifo: bool,
    by_seq: BTreeMap<u64, GroupId>,
    groups: BTreeMap<GroupId, Group>,
    names: BTreeMap<Arc<str>, GroupId>,
    /// The first message of every group that may give one.
    heads: BTreeSet<(u64, GroupId)>,
    next_group: GroupId,
    in_flight: usize,
}

impl Ready {
    /// An empty window.
    pub fn new(fifo: bool) -> Self {
        Ready {
            fifo,
            by_seq: BTreeMap::new(),
            groups: BTreeMap::from([(UNGROUPED, Group::default())]),
            names: BTreeMap::new(),
            heads: BTreeSet::new(),
            next_group: UNGROUPED + 1,
            in_flight: 0,
        }
    }

    /// Number of messages in the window.
    pub fn len(&self) -> usize {
        self.by_seq.len()
    }

    /// The lowest sequence number in the window.
    pub fn first(&self) -> Option<u64> {
        self.by_seq.keys().next().copied()
    }

    /// Whether a message could be picked.
    pub fn has_head(&self) -> bool {
        !self.heads.is_empty()
    }

    /// The number of a group.
    pub fn group(&mut self, name: Option<&str>) -> GroupId {
        let Some(name) = name else { return UNGROUPED };
        if let Some(id) = self.names.get(name) {
            return *id;
        }
        let id = self.next_group;
        self.next_group = self.next_group.wrapping_add(1).max(UNGROUPED + 1);
        let name: Arc<str> = Arc::from(name);
        self.names.insert(Arc::clone(&name), id);
        self.groups.insert(id, Group { name: Some(name), ..Group::default() });
        id
    }

    /// Adds a message.
    pub fn insert(&mut self, seq: u64, id: GroupId) {
        self.by_seq.insert(seq, id);
        self.change(id, |group| {
            group.seqs.insert(seq);
        });
    }

    /// Removes a message, wherever it stands.
    pub fn remove(&mut self, seq: u64) {
        if let Some(id) = self.by_seq.remove(&seq) {
            self.change(id, |group| {
                group.seqs.remove(&seq);
            });
            self.forget(id);
        }
    }

    /// Takes the last message out: the window is too large.
    pub fn drop_last(&mut self) -> Option<u64> {
        let seq = self.by_seq.keys().next_back().copied()?;
        self.remove(seq);
        Some(seq)
    }

    /// Takes up to `count` messages out, those to be given next; of a FIFO queue as many of one group as
    /// there are before those of another (Developer Guide, "FIFO queue delivery logic"). Their groups stay known until
    /// [`Ready::took`], [`Ready::insert`] or [`Ready::forget`] says what became of them.
    pub fn pick(&mut self, count: usize) -> Vec<(u64, GroupId)> {
        let mut out: Vec<(u64, GroupId)> = Vec::with_capacity(count);
        while out.len() < count {
            let same = out.last().filter(|_| self.fifo).and_then(|(_, id)| self.head_of(*id));
            let Some((seq, id)) = same.or_else(|| self.next_head()) else { break };
            self.by_seq.remove(&seq);
            self.change(id, |group| {
                group.seqs.remove(&seq);
            });
            out.push((seq, id));
        }
        out
    }

    /// A message of a group is in flight.
    pub fn took(&mut self, id: GroupId) {
        self.in_flight += 1;
        self.change(id, |group| group.in_flight += 1);
    }

    /// A message of a group is no longer in flight.
    pub fn ended(&mut self, id: GroupId) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.change(id, |group| group.in_flight = group.in_flight.saturating_sub(1));
        self.forget(id);
    }

    /// Forgets a group of which nothing is left in memory.
    pub fn forget(&mut self, id: GroupId) {
        let idle = |group: &Group| group.seqs.is_empty() && group.in_flight == 0;
        if id != UNGROUPED
            && self.groups.get(&id).is_some_and(idle)
            && let Some(name) = self.groups.remove(&id).and_then(|group| group.name)
        {
            self.names.remove(&name);
        }
    }

    /// Changes a group and keeps its head where it belongs.
    fn change(&mut self, id: GroupId, change: impl FnOnce(&mut Group)) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        let locked = |group: &Group| self.fifo && group.in_flight > 0;
        let head = |group: &Group| if locked(group) { None } else { group.seqs.first().copied() };
        let before = head(group);
        change(group);
        let after = head(group);
        if before != after {
            before.map(|seq| self.heads.remove(&(seq, id)));
            after.map(|seq| self.heads.insert((seq, id)));
        }
    }

    fn head_of(&self, id: GroupId) -> Option<(u64, GroupId)> {
        Some((*self.groups.get(&id)?.seqs.first()?, id))
    }

    fn next_head(&self) -> Option<(u64, GroupId)> {
        let first = self.heads.first().copied();
        if self.fifo || self.groups.len() == 1 {
            return first;
        }
        let quiet = self.heads.iter().take(LOOK_AT).find(|(_, id)| !self.is_noisy(*id));
        quiet.copied().or(first)
    }

    /// More of its messages are in flight than an equal share among the groups at hand.
    fn is_noisy(&self, id: GroupId) -> bool {
        let in_flight = self.groups.get(&id).map_or(0, |group| group.in_flight);
        let idle = self.groups.get(&UNGROUPED).is_none_or(|g| g.seqs.is_empty() && g.in_flight == 0);
        let groups = self.groups.len() - usize::from(idle);
        id != UNGROUPED && in_flight >= QUIET && in_flight * groups > self.in_flight
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifo_group_waits_while_one_of_its_messages_is_in_flight() {
        let mut ready = Ready::new(true);
        let (a, b) = (ready.group(Some("a")), ready.group(Some("b")));
        for (seq, group) in [(1, a), (2, a), (3, b), (4, a)] {
            ready.insert(seq, group);
        }
        assert_eq!(ready.pick(2), [(1, a), (2, a)]);
        ready.took(a);
        ready.took(a);
        assert_eq!(ready.pick(5), [(3, b)]);
        ready.ended(a);
        assert_eq!(ready.pick(5), []);
        ready.ended(a);
        assert_eq!(ready.pick(5), [(4, a)]);
    }

    #[test]
    fn a_noisy_group_of_a_standard_queue_waits_behind_the_others() {
        let mut ready = Ready::new(false);
        let (loud, soft) = (ready.group(Some("loud")), ready.group(Some("soft")));
        (0..40).for_each(|seq| ready.insert(seq, loud));
        for _ in ready.pick(20) {
            ready.took(loud);
        }
        (100..103).for_each(|seq| ready.insert(seq, soft));
        assert_eq!(ready.pick(4), [(100, soft), (101, soft), (102, soft), (20, loud)]);
    }

    #[test]
    fn groups_leave_nothing_behind() {
        let mut ready = Ready::new(true);
        for round in 0..100 {
            let group = ready.group(Some(&format!("g{round}")));
            ready.insert(round, group);
            for (_, id) in ready.pick(1) {
                ready.took(id);
                ready.ended(id);
            }
        }
        assert_eq!((ready.groups.len(), ready.names.len(), ready.heads.len()), (1, 0, 0));
    }
}
