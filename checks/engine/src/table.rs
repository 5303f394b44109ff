//! The visited table: from a state's hash to its number in the [`Store`], by open addressing.
//!
//! A slot is one 32-bit word: the state's number plus one in the low bits and, in the bits that
//! numbers do not need yet, a tag of the hash. Sixteen slots share a cache line, and a probe looks
//! at whole lines, so that a lookup nearly always touches one line of the table and, if the state is
//! known, one line of the store. Exactness does not rest on hash or tag: states are compared.
//!
//! The table holds nothing that the store does not, so to grow it is thrown away first and filled
//! again from the store: growth never needs two tables at a time.

use crate::store::{Index, Store, prefetch};

const SLOTS: usize = 16;

/// Lines are filled to this share on average before the table grows.
const FULL: (usize, usize) = (4, 5);

/// The largest number of states: 31 bits less the mark of an empty slot.
pub(crate) const MAX_STATES: usize = (1 << 31) - 2;

#[repr(align(64))]
#[derive(Clone, Copy)]
struct Line([u32; SLOTS]);

pub(crate) struct Table {
    lines: Vec<Line>,
    /// States it may hold before it has to grow.
    capacity: usize,
    /// Low bits of a slot that hold a number; the rest is tag. At most 31.
    index_bits: u32,
}

/// An empty slot at which a state that was looked up and not found belongs.
pub(crate) struct Vacant {
    line: usize,
    slot: usize,
}

impl Table {
    /// A table for at least `states` states.
    pub(crate) fn with_capacity(states: usize) -> Self {
        let lines = Self::lines_for(states);
        let capacity = (lines * SLOTS * FULL.0 / FULL.1).min(MAX_STATES);
        Self {
            lines: vec![Line([0; SLOTS]); lines],
            capacity,
            index_bits: (capacity + 1).ilog2() + 1,
        }
    }

    fn lines_for(states: usize) -> usize {
        (states * FULL.1).div_ceil(SLOTS * FULL.0).max(1)
    }

    /// The memory a table for `states` states takes, in bytes.
    pub(crate) fn bytes_for(states: usize) -> usize {
        Self::lines_for(states) * size_of::<Line>()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.lines.len() * size_of::<Line>()
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Replaces the table by one for `states` states, filled from `store`.
    pub(crate) fn grow(&mut self, states: usize, store: &impl Store) {
        const GROUP: usize = 32;
        self.lines = Vec::new();
        *self = Self::with_capacity(states);
        let mut hashes = [0; GROUP];
        for first in (0..store.len()).step_by(GROUP) {
            let last = (first + GROUP).min(store.len());
            for index in first..last {
                let hash = store.hash(index as Index);
                hashes[index - first] = hash;
                self.prefetch(hash);
            }
            for index in first..last {
                let hash = hashes[index - first];
                if let Err(vacant) = self.find(hash, |_| false) {
                    self.insert(vacant, hash, index as Index);
                }
            }
        }
    }

    /// The line at which the search for a hash begins, from the hash's upper bits.
    #[inline]
    fn home(&self, hash: u32) -> usize {
        ((u64::from(hash) * self.lines.len() as u64) >> 32) as usize
    }

    /// The tag is the hash's lower bits, which have little influence on its home.
    #[inline]
    fn tag(&self, hash: u32) -> u32 {
        hash << self.index_bits
    }

    #[inline]
    fn number(&self, slot: u32) -> Index {
        (slot & ((1 << self.index_bits) - 1)) - 1
    }

    #[inline]
    fn same_tag(&self, slot: u32, tag: u32) -> bool {
        (slot ^ tag) >> self.index_bits == 0
    }

    /// Hints that a hash is about to be looked up.
    #[inline]
    pub(crate) fn prefetch(&self, hash: u32) {
        prefetch(&self.lines[self.home(hash)]);
    }

    /// A state that may be the one looked for, from the first line alone.
    #[inline]
    pub(crate) fn guess(&self, hash: u32) -> Option<Index> {
        let tag = self.tag(hash);
        let line = &self.lines[self.home(hash)];
        line.0
            .iter()
            .find(|&&slot| slot != 0 && self.same_tag(slot, tag))
            .map(|&slot| self.number(slot))
    }

    /// The number of the state with this hash for which `equal` is true, or where it belongs.
    #[inline]
    pub(crate) fn find(
        &self,
        hash: u32,
        mut equal: impl FnMut(Index) -> bool,
    ) -> Result<Index, Vacant> {
        let tag = self.tag(hash);
        let mut line = self.home(hash);
        loop {
            for (slot, &entry) in self.lines[line].0.iter().enumerate() {
                if entry == 0 {
                    return Err(Vacant { line, slot });
                }
                if self.same_tag(entry, tag) {
                    let index = self.number(entry);
                    if equal(index) {
                        return Ok(index);
                    }
                }
            }
            line += 1;
            if line == self.lines.len() {
                line = 0;
            }
        }
    }

    #[inline]
    pub(crate) fn insert(&mut self, vacant: Vacant, hash: u32, index: Index) {
        self.lines[vacant.line].0[vacant.slot] = self.tag(hash) | (index + 1);
    }
}
