//! Things that come again and again, each kept once and known by a number.

use foldhash::quality::FixedState;
use hashbrown::hash_table::Entry;
use hashbrown::{Equivalent, HashTable};
use std::hash::{BuildHasher, Hash};
use std::sync::{Mutex, PoisonError};

/// Things numbered 0, 1, 2, … in the order in which they came. Whoever has a number gets
/// the thing without waiting for anybody.
pub struct Numbered<T> {
    things: boxcar::Vec<T>,
    numbers: Mutex<HashTable<u32>>,
    hasher: FixedState,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Numbered {
            things: boxcar::Vec::new(),
            numbers: Mutex::default(),
            hasher: FixedState::with_seed(0),
        }
    }
}

impl<T: Eq + Hash> Numbered<T> {
    /// The number of what `key` is the key of, which `make` makes if it has none yet.
    ///
    /// # Panics
    /// If there are 2^32 already.
    pub fn number_of<K>(&self, key: &K, make: impl FnOnce() -> T) -> u32
    where
        K: Hash + Equivalent<T> + ?Sized,
    {
        let hash_of = |number: &u32| self.hasher.hash_one(self.get(*number));
        let is_it = |number: &u32| key.equivalent(self.get(*number));
        let hash = self.hasher.hash_one(key);
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        match numbers.entry(hash, is_it, hash_of) {
            Entry::Occupied(there) => *there.get(),
            Entry::Vacant(vacant) => {
                let number = self.things.push(make());
                let number = u32::try_from(number).expect("fewer than 2^32 of them");
                vacant.insert(number);
                number
            }
        }
    }

    /// The number of a thing.
    pub fn number(&self, thing: T) -> u32
    where
        T: Clone,
    {
        self.number_of(&thing, || thing.clone())
    }
}

impl<T> Numbered<T> {
    /// The thing with this number.
    ///
    /// # Panics
    /// If no thing has it.
    #[inline]
    pub fn get(&self, number: u32) -> &T {
        &self.things[number as usize]
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.things.count()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Memory in use, without what the things themselves own.
    pub fn bytes(&self) -> usize {
        // What is kept doubles when it is full; so does the table of numbers, of which
        // seven eighths may be used, with a byte more for each.
        let room = |len: usize| len.next_power_of_two();
        room(self.len()) * (size_of::<T>() + size_of::<usize>()) + room(self.len() * 8 / 7) * 5
    }
}
