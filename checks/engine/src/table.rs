//! The visited table: from a state's hash to its number in the [`Store`], by open addressing.
//!
//! A slot is one 32-bit word: the state's number plus one in the low bits and, in the bits that
//! numbers do not need yet, a tag of the hash. Sixteen slots share a cache line, and a probe looks
//! at whole lines, so that a lookup nearly always touches one line of the table and, if the state is
//! known, one line of the store. Exactness does not rest on hash or tag: states are compared.
//!
//! A hash times the number of lines is a line and a fraction, and the tag is the fraction's first bits.
//! So a table of twice as many lines is made from this one by going through it once, line by line: a
//! state goes to one or the other half of its line by the first bit of its tag (Cleary, "Compact hash
//! tables using bidirectional linear probing", 1984, keeps the rest of the hash for all of it). Only
//! for those in a line that others may have spilled into is the store asked. Where memory is scarce
//! the table is thrown away first and filled again from the store.

use crate::store::{Index, Store, prefetch, use_huge_pages};

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

impl Line {
    /// Bit `i`: slot `i` has the tag, or is empty and the tag is 0.
    #[inline]
    fn same(&self, tag: u32, index_bits: u32) -> u32 {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: every x86-64 has SSE2.
        unsafe {
            use std::arch::x86_64::*;
            let shift = _mm_cvtsi32_si128(index_bits as i32);
            let tag = _mm_srl_epi32(_mm_set1_epi32(tag as i32), shift);
            self.bits(|slots| _mm_cmpeq_epi32(_mm_srl_epi32(slots, shift), tag))
        }
        #[cfg(not(target_arch = "x86_64"))]
        self.each(|slot| (slot ^ tag) >> index_bits == 0)
    }

    /// Number of used slots; they are the first ones.
    #[inline]
    fn used(&self) -> usize {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: every x86-64 has SSE2.
        let empty = unsafe {
            use std::arch::x86_64::*;
            self.bits(|slots| _mm_cmpeq_epi32(slots, _mm_setzero_si128()))
        };
        #[cfg(not(target_arch = "x86_64"))]
        let empty = self.each(|slot| slot == 0);
        (empty | 1 << SLOTS).trailing_zeros() as usize
    }

    /// Bit `i`: `compare` gives all ones for slot `i`, and not all zeros.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn bits(
        &self,
        compare: impl Fn(std::arch::x86_64::__m128i) -> std::arch::x86_64::__m128i,
    ) -> u32 {
        use std::arch::x86_64::*;
        let four: *const __m128i = self.0.as_ptr().cast();
        // SAFETY: every x86-64 has SSE2, and a line is four aligned vectors.
        unsafe {
            let part = |i| compare(_mm_load_si128(four.add(i)));
            let low = _mm_packs_epi32(part(0), part(1));
            let high = _mm_packs_epi32(part(2), part(3));
            _mm_movemask_epi8(_mm_packs_epi16(low, high)) as u32
        }
    }

    /// Bit `i`: `test` is true for slot `i`.
    #[cfg(any(test, not(target_arch = "x86_64")))]
    fn each(&self, test: impl Fn(u32) -> bool) -> u32 {
        crate::model::mask(&self.0, |&slot| test(slot)) as u32
    }
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
        let mut empty = Vec::with_capacity(lines);
        use_huge_pages(&mut empty);
        empty.resize(lines, Line([0; SLOTS]));
        let capacity = Self::capacity_of(lines);
        Self {
            lines: empty,
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
                self.insert(self.vacant(hash), hash, index as Index);
            }
        }
    }

    /// Doubles the table; while that is done there are both. Returns false, with nothing done, if
    /// numbers would leave no room for a tag.
    pub(crate) fn double(&mut self, store: &impl Store) -> bool {
        /// Lines between the request for states and their use.
        const AHEAD: usize = 4;
        let capacity = Self::capacity_of(2 * self.lines.len());
        if self.index_bits == 31 || (capacity + 1).ilog2() > self.index_bits {
            return false;
        }
        let mut lines = Vec::with_capacity(2 * self.lines.len());
        use_huge_pages(&mut lines);
        let is_full = |line: &Line| line.used() == SLOTS;
        // Whether states may have spilled into a line.
        let mut mixed = self.lines.last().is_some_and(is_full);
        let mut spilled = Vec::new();
        for (at, from) in self.lines.iter().enumerate() {
            if let Some([before, soon]) = self.lines.get(at + AHEAD..at + AHEAD + 2)
                && is_full(before)
            {
                let slots = soon.0.into_iter().filter(|&slot| slot != 0);
                slots.for_each(|slot| store.prefetch(self.number(slot)));
            }
            let mut halves = [Line([0; SLOTS]); 2];
            let mut used = [0; 2];
            for slot in &from.0[..from.used()] {
                let number = self.number(*slot);
                if mixed {
                    let hash = store.hash(number);
                    if self.home(hash) != at {
                        spilled.push((hash, number));
                        continue;
                    }
                }
                // The first bit of the tag says which half; the next becomes the first.
                let tag = slot >> self.index_bits << self.index_bits;
                let half = (tag >> 31) as usize;
                halves[half].0[used[half]] = tag << 1 | (number + 1);
                used[half] += 1;
            }
            lines.extend_from_slice(&halves);
            mixed = is_full(from);
        }
        *self = Self {
            lines,
            capacity,
            index_bits: self.index_bits + 1,
        };
        for (hash, number) in spilled {
            self.insert(self.vacant(hash), hash, number);
        }
        true
    }

    fn capacity_of(lines: usize) -> usize {
        (lines * SLOTS * FULL.0 / FULL.1).min(MAX_STATES)
    }

    /// A hash times the number of lines, a fixed-point number.
    #[inline]
    fn place(&self, hash: u32) -> u64 {
        u64::from(hash) * self.lines.len() as u64
    }

    /// The line at which the search for a hash begins.
    #[inline]
    fn home(&self, hash: u32) -> usize {
        (self.place(hash) >> 32) as usize
    }

    /// The first bits of the fraction of its place, in the upper bits.
    #[inline]
    fn tag(&self, hash: u32) -> u32 {
        self.place(hash) as u32 >> self.index_bits << self.index_bits
    }

    #[inline]
    fn number(&self, slot: u32) -> Index {
        (slot & ((1 << self.index_bits) - 1)) - 1
    }

    /// Hints that a hash is about to be looked up.
    #[inline]
    pub(crate) fn prefetch(&self, hash: u32) {
        prefetch(&self.lines[self.home(hash)]);
    }

    /// A state that may be the one looked for, from the first line alone.
    #[inline]
    pub(crate) fn guess(&self, hash: u32) -> Option<Index> {
        let line = &self.lines[self.home(hash)];
        let same = line.same(self.tag(hash), self.index_bits);
        // Of an empty slot the number is no number.
        let slot = line.0[same.trailing_zeros() as usize % SLOTS];
        (same != 0 && slot != 0).then(|| self.number(slot))
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
            let used = self.lines[line].used();
            let same = self.lines[line].same(tag, self.index_bits);
            let mut same = same & ((1 << used) - 1);
            while same != 0 {
                let index = self.number(self.lines[line].0[same.trailing_zeros() as usize]);
                if equal(index) {
                    return Ok(index);
                }
                same &= same - 1;
            }
            if used < SLOTS {
                return Err(Vacant { line, slot: used });
            }
            line += 1;
            if line == self.lines.len() {
                line = 0;
            }
        }
    }

    /// Where a state with this hash that is not in the table belongs.
    #[inline]
    pub(crate) fn vacant(&self, hash: u32) -> Vacant {
        match self.find(hash, |_| false) {
            Err(vacant) => vacant,
            Ok(_) => unreachable!("nothing is equal"),
        }
    }

    #[inline]
    pub(crate) fn insert(&mut self, vacant: Vacant, hash: u32, index: Index) {
        self.lines[vacant.line].0[vacant.slot] = self.tag(hash) | (index + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{PackedBatch, PackedStore};
    use proptest::prelude::*;

    fn stored(words: impl IntoIterator<Item = u64>) -> PackedStore {
        let mut store = PackedStore::new(1);
        let mut batch = PackedBatch::default();
        for (at, word) in words.into_iter().enumerate() {
            PackedStore::push(&mut batch, 1, |out| out[0] = word);
            store.append(&mut batch, at);
        }
        store
    }

    proptest! {
        /// However full its lines were, the last one among them, which spills into the first.
        #[test]
        fn a_doubled_table_has_what_it_had(
            states in 0..2000_usize,
            room in 0..2000_usize,
            first: u64,
            doublings in 1..4,
        ) {
            let store = stored((0..states as u64).map(|i| first.wrapping_add(i)));
            let mut table = Table::with_capacity(states.max(room));
            table.grow(states.max(room), &store);
            for _ in 0..doublings {
                let capacity = table.capacity();
                prop_assert!(table.double(&store));
                prop_assert!(table.capacity() >= 2 * capacity);
            }
            for index in 0..states as Index {
                let hash = store.hash(index);
                let found = table.find(hash, |other| other == index);
                prop_assert_eq!(found.ok(), Some(index));
            }
            let used: usize = table.lines.iter().map(Line::used).sum();
            prop_assert_eq!(used, states);
        }

        #[test]
        fn all_slots_at_once_are_as_slot_by_slot(
            used in 0..=SLOTS,
            slots in prop::array::uniform16(1..=u32::MAX),
            bits in 1..=31_u32,
            pick in 0..SLOTS,
            other in any::<u32>(),
        ) {
            let mut line = Line(slots);
            line.0[used..].fill(0);
            for hash in [slots[pick] >> bits, other, 0] {
                let tag = hash << bits;
                let same = line.each(|slot| (slot ^ tag) >> bits == 0);
                prop_assert_eq!(line.same(tag, bits), same);
                prop_assert_eq!(line.used(), used);
            }
        }
    }
}
