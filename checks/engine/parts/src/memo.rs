//! What was worked out before: a table that may forget, and never errs.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Bits of a word in which there are a key and its value.
const BITS: u32 = 63;

/// Words of the first table; each further one has four times as many.
const FIRST: usize = 1 << 8;
const TABLES: usize = 8;

/// Words among which there is a key, if it is there.
const PLACES: usize = 4;

/// From keys to values of `VALUE` bits. Key and value stand in one word, so whoever reads
/// it has both or neither, whatever other threads do. What does not fit is not kept.
///
/// A table that is half full is given up for a larger one.
#[derive(Default)]
pub struct Memo<const VALUE: u32> {
    tables: [OnceLock<Box<[AtomicU64]>>; TABLES],
    /// Which of them is in use.
    now: AtomicUsize,
    /// How often something was kept there.
    kept: AtomicUsize,
}

impl<const VALUE: u32> Memo<VALUE> {
    /// What was kept for the key, if it is still there.
    #[inline]
    pub fn get(&self, key: u64) -> Option<u64> {
        let table = self.tables[self.now.load(Ordering::Acquire)].get()?;
        places(table, key).iter().find_map(|place| {
            let word = place.load(Ordering::Acquire);
            // An empty word is 0, which no kept one is.
            (word >> VALUE == key + 1).then_some(word & ((1 << VALUE) - 1))
        })
    }

    /// Keeps a value for a key. Only what has been made known to all threads may be
    /// spoken of in it.
    pub fn keep(&self, key: u64, value: u64) {
        if key >= (1 << (BITS - VALUE)) - 1 || value >> VALUE != 0 {
            return;
        }
        let now = self.now.load(Ordering::Acquire);
        let table = self.tables[now].get_or_init(|| empty(now));
        put::<VALUE>(table, key, (key + 1) << VALUE | value);
        if self.kept.fetch_add(1, Ordering::Relaxed) >= table.len() / 2 && now + 1 < TABLES {
            self.tables[now + 1].get_or_init(|| {
                let larger = empty(now + 1);
                for word in table.iter().map(|word| word.load(Ordering::Acquire)) {
                    if let Some(key) = (word >> VALUE).checked_sub(1) {
                        put::<VALUE>(&larger, key, word);
                    }
                }
                larger
            });
            self.kept.store(table.len() / 2, Ordering::Relaxed);
            self.now.store(now + 1, Ordering::Release);
        }
    }

    /// Memory in use.
    pub fn bytes(&self) -> usize {
        let tables = self.tables.iter().filter_map(OnceLock::get);
        tables.map(|table| size_of_val(&table[..])).sum()
    }
}

/// The table with this number, with nothing in it.
fn empty(number: usize) -> Box<[AtomicU64]> {
    let words = FIRST << (2 * number);
    (0..words).map(|_| AtomicU64::new(0)).collect()
}

/// Puts a word for a key where there is room, or else in place of another.
fn put<const VALUE: u32>(table: &[AtomicU64], key: u64, word: u64) {
    let places = places(table, key);
    let free = places.iter().find(|place| {
        let there = place.load(Ordering::Relaxed);
        there == 0 || there >> VALUE == word >> VALUE
    });
    let place = free.unwrap_or(&places[word as usize % PLACES]);
    place.store(word, Ordering::Release);
}

/// Where a key is looked for in a table, whose length is a power of two.
#[inline]
fn places(table: &[AtomicU64], key: u64) -> &[AtomicU64] {
    let mixed = (key ^ key >> 29).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let first = (mixed >> 32) as usize & (table.len() - PLACES);
    &table[first..first + PLACES]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #[test]
        fn what_is_remembered_was_kept_last(
            kept in prop::collection::vec((0..600_u64, 0..1_u64 << 24), 0..2000),
        ) {
            let (memo, mut truth) = (Memo::<24>::default(), HashMap::new());
            for (key, value) in kept {
                memo.keep(key << 29, value);
                truth.insert(key << 29, value);
                for (key, value) in &truth {
                    prop_assert!(memo.get(*key).is_none_or(|remembered| remembered == *value));
                }
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_not_kept() {
        let memo = Memo::<24>::default();
        let largest = (1 << 39) - 2;
        for (key, value, fits) in [
            (largest, (1 << 24) - 1, true),
            (largest + 1, 0, false),
            (u64::MAX, 0, false),
            (0, 1 << 24, false),
            (0, 0, true),
        ] {
            memo.keep(key, value);
            assert_eq!(
                key < u64::MAX && memo.get(key) == Some(value),
                fits,
                "{key} {value}"
            );
        }
    }

    #[test]
    fn a_full_table_makes_room_for_a_larger_one() {
        let memo = Memo::<1>::default();
        (0..100_000).for_each(|key| memo.keep(key, key & 1));
        let there = (0..100_000).filter(|&key| memo.get(key) == Some(key & 1));
        assert!(there.count() > 90_000);
        assert!(memo.bytes() >= 100_000 * size_of::<u64>());
    }
}
