//! A map that is read without a lock and swapped piece by piece.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use ropeway_core::keys::shard_of;

/// Pieces that are swapped for themselves: a change copies one of them.
const BUCKETS: u16 = 256;

type Bucket<V> = ArcSwap<BTreeMap<Arc<str>, V>>;

/// Texts to values that are cheap to clone.
pub(crate) struct Map<V>(Box<[Bucket<V>]>);

impl<V: Clone> Map<V> {
    pub fn new() -> Self {
        Map((0..BUCKETS).map(|_| Bucket::default()).collect())
    }

    fn bucket(&self, key: &str) -> Option<&Bucket<V>> {
        self.0.get(usize::from(shard_of(key, BUCKETS).0))
    }

    pub fn get(&self, key: &str) -> Option<V> {
        self.bucket(key)?.load().get(key).cloned()
    }

    pub fn set(&self, key: &str, value: V) {
        self.change(key, |bucket| {
            bucket.insert(Arc::from(key), value.clone());
        });
    }

    /// Sets a value in a map that must not grow: when its bucket has `most` others, those that are `stale`
    /// leave it, and if there were none, one other does.
    pub fn set_bounded(&self, key: &str, value: V, most: usize, stale: impl Fn(&V) -> bool) {
        self.change(key, |bucket| {
            if bucket.len() >= most {
                bucket.retain(|_, old| !stale(old));
            }
            if bucket.len() >= most {
                bucket.pop_first();
            }
            bucket.insert(Arc::from(key), value.clone());
        });
    }

    pub fn remove(&self, key: &str) {
        self.change(key, |bucket| {
            bucket.remove(key);
        });
    }

    fn change(&self, key: &str, change: impl Fn(&mut BTreeMap<Arc<str>, V>)) {
        if let Some(bucket) = self.bucket(key) {
            bucket.rcu(|old| {
                let mut new = BTreeMap::clone(old);
                change(&mut new);
                new
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bounded_map_stays_within_its_bound() {
        let map = Map::new();
        for number in 0..10_000u32 {
            map.set_bounded(&format!("key{number}"), number, 2, |old| old % 2 == 0);
        }
        let held: usize = map.0.iter().map(|bucket| bucket.load().len()).sum();
        assert!(held <= 2 * usize::from(BUCKETS), "{held} held");
        assert_eq!(map.get("key9999"), Some(9999));
        map.remove("key9999");
        assert_eq!(map.get("key9999"), None);
    }
}
