//! What was met lately, so that it need not be looked up again: where independent steps commute, most
//! steps lead to states that another step led to shortly before.

use crate::chunk::Candidate;
use crate::store::{Index, KEY, Store};

/// Candidates remembered by their position; a power of two.
const POSITIONS: usize = 1 << 11;

/// Words that were met lately, each by its hash. There are few places as long as there are few words.
#[derive(Default)]
pub(crate) struct Words {
    /// A power of two of them, or none yet.
    places: Vec<u64>,
    /// Bits of a hash beyond those that tell a place.
    shift: u32,
}

impl Words {
    /// Places at first, and once there are many words.
    const PLACES: [usize; 2] = [1 << 10, 1 << 14];

    /// How many words are many.
    const MANY: u64 = if cfg!(test) { 1 << 6 } else { 1 << 18 };

    /// Has as many places as so many words are worth. If these are not as many as before, nothing was met
    /// yet: 0 neither, in the place of which is a word that has another. Returns how many there are.
    pub(crate) fn make_room(&mut self, words: u64) -> usize {
        let places = Self::PLACES[usize::from(words >= Self::MANY)];
        if self.places.len() != places {
            self.places = vec![0; places];
            self.shift = 64 - places.ilog2();
            let of_zero = self.place(0);
            let other = (1..).find(|&word| self.place(word) != of_zero);
            self.places[of_zero] = other.expect("hashes differ");
        }
        places
    }

    /// Where a word is remembered: by a cheaper hash than that of the table, as most words are met here.
    #[inline]
    pub(crate) fn place(&self, word: u64) -> usize {
        (word.wrapping_mul(KEY) >> self.shift) as usize
    }

    /// Whether it is this word that was met last at its place; now it is.
    #[inline]
    pub(crate) fn note(&mut self, place: usize, word: u64) -> bool {
        std::mem::replace(&mut self.places[place], word) == word
    }

    fn bytes(&self) -> usize {
        size_of_val(&self.places[..])
    }
}

/// The successors of a stretch of states, in order.
#[derive(Clone, Copy)]
pub struct Successors<'a> {
    /// The first of the states.
    pub(crate) first: Index,
    /// For each state the position of the first candidate behind its successors.
    pub(crate) ends: &'a [u32],
}

impl Successors<'_> {
    /// Each state with the positions of its successors.
    fn by_state(&self) -> impl Iterator<Item = (Index, std::ops::Range<usize>)> {
        let mut start = 0;
        (self.first..).zip(self.ends).map(move |(state, &end)| {
            let range = start..end as usize;
            start = end as usize;
            (state, range)
        })
    }

    fn count(&self) -> usize {
        self.ends.last().map_or(0, |&end| end as usize)
    }
}

/// Which states were met lately. Only a state that was stored or handed on meanwhile, or that is an
/// earlier candidate of the same batch, is ever taken for known.
#[derive(Default)]
pub struct Recent {
    /// By hash, the position in the batch of a candidate; left from an earlier batch, it is of another
    /// one, which does no harm.
    positions: Vec<u32>,
    /// States, if they are one word each.
    words: Words,
    /// How many of these were sifted.
    sifted: u64,
}

impl Recent {
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&self.positions[..]) + self.words.bytes()
    }

    /// Whether the candidate at this position was met lately, among `count` that are there; if not, it
    /// is now.
    #[inline]
    pub(crate) fn met<S: Store>(
        &mut self,
        store: &S,
        batch: &S::Batch,
        count: usize,
        candidate: Candidate,
    ) -> bool {
        if self.positions.is_empty() {
            self.positions = vec![0; POSITIONS];
        }
        let Candidate { hash, at } = candidate;
        let twin = &mut self.positions[hash as usize % POSITIONS];
        let other = *twin as usize;
        let met = other < count
            && store.candidate_hash(batch, other) == hash
            && store.same(batch, other, at as usize);
        if !met {
            *twin = at;
        }
        met
    }

    /// Adds to `fresh` the candidates that are not the state they come from and were not met lately.
    pub(crate) fn sift<S: Store>(
        &mut self,
        store: &S,
        batch: &S::Batch,
        successors: Successors<'_>,
        fresh: &mut Vec<Candidate>,
    ) {
        for (state, range) in successors.by_state() {
            let own = store.hash(state);
            for at in range {
                let hash = store.candidate_hash(batch, at);
                let candidate = Candidate {
                    hash,
                    at: at as u32,
                };
                let stays = hash == own && store.equals(state, batch, at);
                if !stays && !self.met(store, batch, at, candidate) {
                    fresh.push(candidate);
                }
            }
        }
    }

    /// As [`sift`](Self::sift), for states that are one word. What is remembered are the states
    /// themselves, so it holds for batch after batch, and nothing is done only if something else is so:
    /// whether a state was met is as good as random.
    #[inline]
    pub(crate) fn sift_words(
        &mut self,
        words: &[u64],
        own: impl Fn(Index) -> u64,
        hash: impl Fn(u64) -> u32,
        successors: Successors<'_>,
        fresh: &mut Vec<Candidate>,
    ) {
        self.sifted += successors.count() as u64;
        self.words.make_room(self.sifted);
        let met = &mut self.words;
        let before = fresh.len();
        let mut kept = before;
        fresh.resize(kept + successors.count(), Candidate::default());
        for (state, range) in successors.by_state() {
            let own = own(state);
            for at in range {
                let word = words[at];
                let known = met.note(met.place(word), word) | (word == own);
                fresh[kept].at = at as u32;
                kept += usize::from(!known);
            }
        }
        fresh.truncate(kept);
        for candidate in &mut fresh[before..] {
            candidate.hash = hash(words[candidate.at as usize]);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::store::{PackedBatch, PackedStore, hash_words};

    /// Of which states the successors are, and these, as words of so many bits.
    fn any_batch(bits: u32) -> impl Strategy<Value = Vec<(u64, Vec<u64>)>> {
        let word = move || any::<u64>().prop_map(move |word| word & ((1 << bits) - 1));
        prop::collection::vec((word(), prop::collection::vec(word(), 0..8)), 0..8)
    }

    proptest! {
        /// Whatever is left out is the state it comes from, or was a candidate before.
        #[test]
        fn only_what_was_met_is_left_out(
            batches in (1..6_u32).prop_flat_map(|bits| prop::collection::vec(any_batch(bits), 1..5)),
            width in 1..3_usize,
        ) {
            let mut recent = Recent::default();
            let mut met = HashSet::new();
            for stretch in batches {
                let mut store = PackedStore::new(width);
                let mut batch = PackedBatch::default();
                let add = |batch: &mut PackedBatch, word| {
                    PackedStore::push(batch, width, |out| out.fill(word));
                };
                let mut ends = Vec::new();
                let (mut owns, mut words) = (Vec::new(), Vec::new());
                for (state, successors) in &stretch {
                    add(&mut batch, *state);
                    owns.extend(successors.iter().map(|_| *state));
                    words.extend(successors);
                    ends.push(words.len() as u32);
                }
                for at in 0..stretch.len() {
                    store.append(&mut batch, at);
                }
                PackedStore::clear(&mut batch);
                words.iter().for_each(|&word| add(&mut batch, word));
                let mut fresh = Vec::new();
                let successors = Successors { first: 0, ends: &ends };
                store.sift(&batch, successors, &mut recent, &mut fresh);
                let mut fresh = fresh.into_iter().peekable();
                for (at, (&word, &own)) in words.iter().zip(&owns).enumerate() {
                    match fresh.next_if(|candidate| candidate.at as usize == at) {
                        Some(Candidate { hash, .. }) => {
                            prop_assert_eq!(hash, hash_words(&vec![word; width]));
                            prop_assert_ne!(word, own);
                        }
                        None => prop_assert!(word == own || met.contains(&word)),
                    }
                    met.insert(word);
                }
                prop_assert_eq!(fresh.next().map(|candidate| candidate.at), None);
            }
        }
    }
}
