//! The visited table: from a state's hash to its number in the [`Store`], by open addressing.
//!
//! A slot is one 32-bit word: the state's number plus one in the low bits and, in the bits that
//! numbers do not need yet, a tag of the hash. Sixteen slots share a cache line, and a probe looks
//! at whole lines, so that a lookup nearly always touches one line of the table and, if the state is
//! known, one line of the store. Exactness does not rest on hash or tag: states are compared.
//!
//! The table holds nothing that the store does not, so to grow it is thrown away first and filled
//! again from the store: growth never needs two tables at a time.

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
        let capacity = (lines * SLOTS * FULL.0 / FULL.1).min(MAX_STATES);
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
    use proptest::prelude::*;

    proptest! {
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
