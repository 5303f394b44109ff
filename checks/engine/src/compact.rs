//! A packed model of whose states only fingerprints are kept.

use std::borrow::Cow;
use std::io::{self, Read, Write};

use stateright::Property;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::checkpoint::{Persist, read_blocks, write_blocks};
use crate::chunk::Candidate;
use crate::model::PackedModel;
use crate::recent::{Recent, Successors};
use crate::store::{Blocks, PackedBatch, PackedStore, Store, fold, prefetch};
use crate::system::{StateOf, System};

/// Searches a [`PackedModel`] in 8 bytes a state, whatever its size, instead of all its words.
///
/// A state that has been expanded leaves a fingerprint of 64 bits behind (XXH3 with a seed); only
/// states that still wait for it are kept whole. Two states with the same fingerprint are taken for
/// one, so that the second, and what lies behind it, is lost: a search through a compact store
/// proves less than one through an exact one. How much less it says in
/// [`Outcome::omission`](crate::Outcome::omission): when the `k + 1`-st state arrives, its
/// fingerprint equals one of the `k` that are there with a probability of `k / 2^64`, if
/// fingerprints are as good as chosen at random, so that after `n` states the probability that any
/// was lost is at most the sum of these, `n (n - 1) / 2^65`. With 10^9 states that is 3 in 100. A
/// second run with another seed loses others: the probabilities multiply.
///
/// Counterexamples are real all the same: they are run on the model before they are reported. Claims
/// about runs need all states and are refused
/// ([`Error::StatesNotKept`](crate::Error::StatesNotKept)).
///
/// ```
/// # use glock_engine::PackedModel;
/// # use stateright::Model;
/// # struct Counter;
/// # impl Model for Counter {
/// #     type State = u64;
/// #     type Action = &'static str;
/// #     fn init_states(&self) -> Vec<u64> { vec![0] }
/// #     fn actions(&self, _: &u64, actions: &mut Vec<&'static str>) { actions.push("count"); }
/// #     fn next_state(&self, state: &u64, _: &'static str) -> Option<u64> {
/// #         (*state < 9).then_some(*state + 1)
/// #     }
/// # }
/// # impl PackedModel for Counter {
/// #     type Coverage = ();
/// #     fn words(&self) -> usize { 1 }
/// #     fn pack(&self, state: &u64, out: &mut [u64]) { out[0] = *state; }
/// #     fn unpack(&self, words: &[u64]) -> u64 { words[0] }
/// #     fn is_finished(&self, state: &u64) -> bool { *state == 9 }
/// # }
/// use glock_engine::{Compact, Search, Verdict, DEADLOCK};
///
/// let outcome = Search::new(&Compact::new(&Counter, 1)).run().unwrap();
/// assert_eq!(outcome.verdict(DEADLOCK), Some(&Verdict::Holds));
/// assert!(outcome.omission > 0.0 && outcome.omission < 1e-17);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Compact<'m, M> {
    model: &'m M,
    seed: u64,
    /// Bits of a fingerprint; fewer than 64 only in tests.
    bits: u32,
}

impl<'m, M: PackedModel> Compact<'m, M> {
    /// A compact search of a model. Another seed gives other fingerprints.
    pub fn new(model: &'m M, seed: u64) -> Self {
        Self {
            model,
            seed,
            bits: 64,
        }
    }
}

impl<M: PackedModel> System for Compact<'_, M> {
    type Model = M;
    type Coverage = M::Coverage;
    type Store = CompactStore;

    const KEEPS_STATES: bool = false;

    fn model(&self) -> &M {
        self.model
    }

    fn new_store(&self) -> CompactStore {
        CompactStore {
            fingerprints: Blocks::new(1),
            waiting: Blocks::in_blocks_of(1 << 20, self.model.words()),
            bits: self.bits,
        }
    }

    #[inline]
    fn with_state<R>(
        &self,
        store: &CompactStore,
        index: u32,
        use_it: impl FnOnce(&M::State) -> R,
    ) -> R {
        use_it(&self.model.unpack(store.waiting.get(index as usize)))
    }

    #[inline]
    fn encode(
        &self,
        batch: &mut CompactBatch,
        _store: &CompactStore,
        state: Cow<'_, M::State>,
    ) -> u32 {
        let mut fingerprint = 0;
        PackedStore::push(&mut batch.words, self.model.words(), |out| {
            self.model.pack(&state, out);
            fingerprint =
                xxh3_64_with_seed(bytemuck::cast_slice(out), self.seed) >> (64 - self.bits);
        });
        batch.fingerprints.push(fingerprint);
        fold(fingerprint)
    }

    #[inline]
    fn expand<L>(
        &self,
        state: &M::State,
        coverage: &mut M::Coverage,
        label: impl Fn(&M::Action) -> L,
        visit: &mut impl FnMut(L, Cow<'_, M::State>),
    ) {
        System::expand(self.model, state, coverage, label, visit);
    }

    fn record(
        &self,
        state: &M::State,
        action: &M::Action,
        next: &M::State,
        coverage: &mut M::Coverage,
    ) {
        System::record(self.model, state, action, next, coverage);
    }

    fn steps(&self, state: &M::State) -> Vec<(M::Action, M::State)> {
        System::steps(self.model, state)
    }

    fn symmetric(&self) -> bool {
        System::symmetric(self.model)
    }

    #[inline]
    fn violated(&self, state: &M::State, always: &[Property<M>], asked: u64) -> u64 {
        System::violated(self.model, state, always, asked)
    }

    #[inline]
    fn reached(&self, state: &StateOf<Self>, sometimes: &[Property<M>], asked: u64) -> u64 {
        System::reached(self.model, state, sometimes, asked)
    }

    #[inline]
    fn deadlocked(&self, state: &M::State) -> Option<bool> {
        System::deadlocked(self.model, state)
    }

    fn knows_deadlock(&self) -> bool {
        true
    }

    #[inline]
    fn stop_at(&self, state: &M::State) -> bool {
        System::stop_at(self.model, state)
    }
}

/// Fingerprints of all states, and the words of those not expanded yet.
#[derive(Debug)]
pub struct CompactStore {
    fingerprints: Blocks<u64>,
    waiting: Blocks<u64>,
    bits: u32,
}

/// Packed candidates with their fingerprints.
#[derive(Debug, Default)]
pub struct CompactBatch {
    words: PackedBatch,
    fingerprints: Vec<u64>,
}

impl CompactStore {
    #[inline]
    fn fingerprint(&self, index: u32) -> u64 {
        self.fingerprints.get(index as usize)[0]
    }
}

/// A bound of the probability that two of so many states have the same fingerprint of `bits` bits.
pub(crate) fn omission_among(states: usize, bits: u32) -> f64 {
    let states = states as f64;
    let pairs = states * (states - 1.0).max(0.0) / 2.0;
    (pairs / 2f64.powi(bits as i32)).min(1.0)
}

impl Store for CompactStore {
    type Batch = CompactBatch;

    fn clear(batch: &mut CompactBatch) {
        PackedStore::clear(&mut batch.words);
        batch.fingerprints.clear();
    }

    fn batch_bytes(batch: &CompactBatch) -> usize {
        PackedStore::batch_bytes(&batch.words) + batch.fingerprints.capacity() * size_of::<u64>()
    }

    fn len(&self) -> usize {
        self.fingerprints.len()
    }

    fn bytes(&self) -> usize {
        self.fingerprints.bytes() + self.waiting.bytes()
    }

    #[inline]
    fn hash(&self, index: u32) -> u32 {
        fold(self.fingerprint(index))
    }

    #[inline]
    fn prefetch(&self, index: u32) {
        prefetch(self.fingerprints.get(index as usize).as_ptr());
    }

    #[inline]
    fn equals(&self, index: u32, batch: &CompactBatch, at: usize) -> bool {
        self.fingerprint(index) == batch.fingerprints[at]
    }

    #[inline]
    fn candidate_hash(&self, batch: &CompactBatch, at: usize) -> u32 {
        fold(batch.fingerprints[at])
    }

    fn sift(
        &self,
        batch: &CompactBatch,
        successors: Successors<'_>,
        recent: &mut Recent,
        fresh: &mut Vec<Candidate>,
    ) {
        let own = |index| self.fingerprint(index);
        recent.sift_words(&batch.fingerprints, own, fold, successors, fresh);
    }

    #[inline]
    fn same(&self, batch: &CompactBatch, one: usize, other: usize) -> bool {
        batch.fingerprints[one] == batch.fingerprints[other]
    }

    #[inline]
    fn append(&mut self, batch: &mut CompactBatch, at: usize) {
        self.fingerprints.push(batch.fingerprints[at]);
        self.waiting
            .push_all(batch.words.get(at, self.waiting.width));
    }

    fn forget(&mut self, before: u32) {
        self.waiting.free_before(before as usize);
    }

    fn omission(&self) -> f64 {
        omission_among(self.len(), self.bits)
    }
}

impl Persist for CompactStore {
    const KIND: &'static str = "fingerprints";

    fn width(&self) -> usize {
        self.waiting.width
    }

    fn written(&self, states: usize, next: usize) -> u64 {
        ((states + (states - next) * self.waiting.width) * size_of::<u64>()) as u64
    }

    fn write(&self, states: usize, next: usize, out: &mut dyn Write) -> io::Result<()> {
        write_blocks(&self.fingerprints, 0..states, out)?;
        write_blocks(&self.waiting, next..states, out)
    }

    fn read(&mut self, states: usize, next: usize, from: &mut dyn Read) -> io::Result<()> {
        read_blocks(&mut self.fingerprints, states, from)?;
        self.waiting.leave_out(next);
        read_blocks(&mut self.waiting, states - next, from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::Search;
    use stateright::Model;

    /// A tree without an end: every state has a successor of its own.
    struct Path(u64);

    impl Model for Path {
        type State = u64;
        type Action = ();
        fn init_states(&self) -> Vec<u64> {
            vec![0]
        }
        fn actions(&self, _: &u64, actions: &mut Vec<()>) {
            actions.push(());
        }
        fn next_state(&self, state: &u64, (): ()) -> Option<u64> {
            (*state + 1 < self.0).then_some(*state + 1)
        }
    }

    impl PackedModel for Path {
        type Coverage = ();
        fn words(&self) -> usize {
            1
        }
        fn pack(&self, state: &u64, out: &mut [u64]) {
            out[0] = *state;
        }
        fn unpack(&self, words: &[u64]) -> u64 {
            words[0]
        }
        fn is_finished(&self, state: &u64) -> bool {
            *state + 1 == self.0
        }
    }

    /// With fingerprints of 20 bits states do get lost, about as often as is said.
    #[test]
    fn states_are_missed_as_often_as_the_bound_says_and_no_more() {
        let (states, runs) = (1000, 400);
        let model = Path(states);
        let mut lost = 0;
        for seed in 0..runs {
            let mut path = Compact::new(&model, seed);
            path.bits = 20;
            let outcome = Search::new(&path).run().unwrap();
            lost += u64::from(outcome.stats.states < states as usize);
        }
        let share = lost as f64 / runs as f64;
        let bound = omission_among(states as usize, 20);
        // 1 - exp(-bound) is the exact share; three standard deviations are 0.073.
        assert!(
            (share - (1.0 - (-bound).exp())).abs() < 0.073,
            "{share} of {bound}"
        );
        assert!(share < bound);
    }

    #[test]
    fn the_bound_is_none_for_one_state_and_at_most_certain() {
        assert_eq!(omission_among(0, 64), 0.0);
        assert_eq!(omission_among(1, 64), 0.0);
        assert_eq!(omission_among(2, 64), 2f64.powi(-64));
        assert_eq!(omission_among(1000, 8), 1.0);
    }
}
