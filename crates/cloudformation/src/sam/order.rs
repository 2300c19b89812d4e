//! The order of Python 2.7's dictionaries, which SAM keeps for the sake of its logical ids.
//!
//! A dictionary is a table of a power of two of slots; a key's place follows from its hash and from what
//! was there when it came. Source: the description of the algorithm in CPython 2.7's
//! `Objects/dictnotes.txt` and `dictobject.c`, and what the `aws-sam-translator` package prints.

use std::collections::BTreeMap;

/// Slots of an empty dictionary.
const SMALLEST: u64 = 8;
/// Keys from which on a dictionary doubles where it quadrupled before.
const LARGE: u64 = 50_000;
/// Keys at most: a larger mapping keeps the order of its insertions, so that keys whose hashes were
/// chosen to collide cost no more than this squared.
const MAX_KEYS: u64 = 4_000;

/// The places of a dictionary's keys.
#[derive(Debug, Clone)]
pub struct Slots {
    /// Slot → key; none: a key was there and is gone.
    table: BTreeMap<u64, Option<String>>,
    /// Keys.
    used: u64,
    /// Slots that are or were taken.
    filled: u64,
    mask: u64,
}

impl Default for Slots {
    fn default() -> Self {
        Self { table: BTreeMap::new(), used: 0, filled: 0, mask: SMALLEST - 1 }
    }
}

/// Python 2.7's hash of a text, on a machine of 64 bits.
fn hash(text: &str) -> u64 {
    let Some(first) = text.chars().next() else { return 0 };
    let start = u64::from(u32::from(first)) << 7;
    let mixed = text.chars().fold(start, |x, c| x.wrapping_mul(1_000_003) ^ u64::from(u32::from(c)));
    mixed ^ u64::try_from(text.chars().count()).unwrap_or(u64::MAX)
}

impl Slots {
    /// The slot of a key, or the one that it would take.
    fn place(&self, key: &str) -> u64 {
        let hash = hash(key);
        let (mut walker, mut perturb) = (hash & self.mask, hash);
        let mut freed = None;
        loop {
            let slot = walker & self.mask;
            match self.table.get(&slot) {
                None => return freed.unwrap_or(slot),
                Some(Some(found)) if found == key => return slot,
                Some(None) => freed = freed.or(Some(slot)),
                Some(Some(_)) => {}
            }
            walker = (walker << 2).wrapping_add(walker).wrapping_add(perturb).wrapping_add(1);
            perturb >>= 5;
        }
    }

    /// Adds a key; false: there are too many.
    pub fn add(&mut self, key: &str) -> bool {
        let slot = self.place(key);
        match self.table.get(&slot) {
            Some(Some(_)) => return true,
            Some(None) => {}
            None => self.filled += 1,
        }
        self.used += 1;
        self.table.insert(slot, Some(key.to_owned()));
        if self.filled * 3 >= (self.mask + 1) * 2 {
            self.resize(self.used * if self.used > LARGE { 2 } else { 4 });
        }
        self.used <= MAX_KEYS
    }

    /// Takes a key out.
    pub fn remove(&mut self, key: &str) {
        let slot = self.place(key);
        if let Some(found @ Some(_)) = self.table.get_mut(&slot) {
            *found = None;
            self.used -= 1;
        }
    }

    /// Adds the keys of another dictionary; false: there are too many.
    pub fn merge(&mut self, keys: &[&str]) -> bool {
        let count = u64::try_from(keys.len()).unwrap_or(u64::MAX);
        if count == 0 {
            return true;
        }
        if count > MAX_KEYS {
            return false;
        }
        if (self.filled + count) * 3 >= (self.mask + 1) * 2 {
            self.resize((self.used + count) * 2);
        }
        keys.iter().all(|key| self.add(key))
    }

    fn resize(&mut self, least: u64) {
        let mut size = SMALLEST;
        while size <= least {
            size <<= 1;
        }
        let keys = std::mem::take(&mut self.table);
        *self = Self { mask: size - 1, ..Self::default() };
        keys.into_values().flatten().for_each(|key| {
            self.add(&key);
        });
    }

    /// The places in a copy that takes the keys one by one.
    pub fn recopy(&mut self) {
        let keys = std::mem::take(&mut self.table);
        *self = Self::default();
        keys.into_values().flatten().for_each(|key| {
            self.add(&key);
        });
    }

    /// The keys, in order.
    pub fn keys(&self) -> Vec<&str> {
        self.table.values().flatten().map(String::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Slots;

    fn order(keys: &[&str]) -> Vec<String> {
        let mut slots = Slots::default();
        keys.iter().for_each(|key| assert!(slots.add(key)));
        slots.keys().into_iter().map(str::to_owned).collect()
    }

    /// As CPython 2.7 orders them.
    #[test]
    fn orders_keys_as_python_2_7_does() {
        assert_eq!(order(&["swagger", "info", "paths"]), ["info", "paths", "swagger"]);
        assert_eq!(order(&["a", "b", "c", "d", "e", "f", "g"]), ["a", "c", "b", "e", "d", "g", "f"]);
    }

    #[test]
    fn forgets_what_is_removed() {
        let mut slots = Slots::default();
        for key in ["a", "b", "i"] {
            slots.add(key);
        }
        slots.remove("a");
        slots.remove("a");
        assert_eq!(slots.keys().len(), 2);
        assert!(slots.merge(&["x", "y", "z", "b"]));
        assert_eq!(slots.keys().len(), 5);
    }
}
