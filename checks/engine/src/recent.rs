//! What was met lately, so that it need not be looked up again: where independent steps commute, most
//! steps lead to states that another step led to shortly before.

use crate::chunk::Candidate;
use crate::store::{Index, KEY, Store};

/// Candidates remembered by their position; a power of two.
const POSITIONS: usize = 1 << 11;

/// States of one word remembered, at first and once there are many; powers of two.
pub(crate) const FEW_WORDS: usize = 1 << 10;
pub(crate) const WORDS: usize = 1 << 14;

/// How many successors are many.
pub(crate) const MANY: usize = if cfg!(test) { 1 << 6 } else { 1 << 18 };

/// Where a word is remembered among so many, a power of two: a cheaper hash than that of the table, as
/// most words are met there.
#[inline]
pub(crate) fn place<const WORDS: usize>(word: u64) -> usize {
    (word.wrapping_mul(KEY) >> (64 - WORDS.ilog2())) as usize
}

/// So many places in which no word was met, 0 neither: in the place of 0 is a word that has another.
#[cold]
pub(crate) fn nothing_met<const WORDS: usize>() -> Vec<u64> {
    let of_zero = place::<WORDS>(0);
    let other = (1..).find(|&word| place::<WORDS>(word) != of_zero);
    let mut words = vec![0; WORDS];
    words[of_zero] = other.expect("hashes differ");
    words
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
    /// By hash, a state.
    words: Vec<u64>,
    /// Successors sifted, as long as they are not [many](MANY).
    sifted: usize,
}

impl Recent {
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&self.positions[..]) + size_of_val(&self.words[..])
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
        self.sifted += successors.count();
        if self.sifted < MANY {
            self.sift_words_among::<FEW_WORDS>(words, own, hash, successors, fresh);
        } else {
            self.sifted = MANY;
            self.sift_words_among::<WORDS>(words, own, hash, successors, fresh);
        }
    }

    /// The same, with so many words remembered.
    #[inline]
    fn sift_words_among<const WORDS: usize>(
        &mut self,
        words: &[u64],
        own: impl Fn(Index) -> u64,
        hash: impl Fn(u64) -> u32,
        successors: Successors<'_>,
        fresh: &mut Vec<Candidate>,
    ) {
        if self.words.len() != WORDS {
            self.words = nothing_met::<WORDS>();
        }
        let met: &mut [u64; WORDS] = (&mut self.words[..])
            .try_into()
            .expect("it has this length");
        let before = fresh.len();
        let mut kept = before;
        fresh.resize(kept + successors.count(), Candidate::default());
        for (state, range) in successors.by_state() {
            let own = own(state);
            for at in range {
                let word = words[at];
                let place = &mut met[place::<WORDS>(word)];
                let known = (*place == word) | (word == own);
                *place = word;
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
