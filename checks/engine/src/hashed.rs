//! The states of any model, of which only fingerprints are kept.

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use foldhash::quality::FixedState;
use stateright::Model;

use crate::compact::omission_among;
use crate::store::{Blocks, Index, Keeps, Store, fold, prefetch};

/// Fingerprints of all states, and those whole that were not expanded yet. See
/// [`Exact::hashed`](crate::Exact::hashed).
#[derive(Debug)]
pub struct HashedStore<T> {
    seed: u64,
    fingerprints: Blocks<u64>,
    waiting: Waiting<T>,
    /// Whether two states that are not equal were seen to have the same fingerprint.
    confused: AtomicBool,
}

/// States that wait for their turn, in blocks, so that growth needs no second copy.
#[derive(Debug)]
struct Waiting<T> {
    blocks: VecDeque<Vec<Option<T>>>,
    /// The number of the first block, and of the first state that waits.
    first_block: usize,
    first: usize,
    end: usize,
}

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self {
            blocks: VecDeque::new(),
            first_block: 0,
            first: 0,
            end: 0,
        }
    }
}

impl<T> Waiting<T> {
    const BLOCK: usize = 256;

    fn bytes(&self) -> usize {
        let states: usize = self.blocks.iter().map(Vec::capacity).sum();
        states * size_of::<Option<T>>()
    }

    /// The state with this number, if it still waits.
    fn get(&self, number: usize) -> Option<&T> {
        let block = (number / Self::BLOCK).checked_sub(self.first_block)?;
        self.blocks.get(block)?.get(number % Self::BLOCK)?.as_ref()
    }

    fn push(&mut self, state: T) {
        if self.end.is_multiple_of(Self::BLOCK) {
            // The first one grows: most searches are small.
            let room = if self.end == 0 { 0 } else { Self::BLOCK };
            self.blocks.push_back(Vec::with_capacity(room));
        }
        self.blocks
            .back_mut()
            .expect("a block was just ensured")
            .push(Some(state));
        self.end += 1;
    }

    fn forget(&mut self, before: usize) {
        while self.first < before.min(self.end) {
            let block = &mut self.blocks[self.first / Self::BLOCK - self.first_block];
            block[self.first % Self::BLOCK] = None;
            self.first += 1;
            if self.first.is_multiple_of(Self::BLOCK) {
                self.blocks.pop_front();
                self.first_block += 1;
            }
        }
    }
}

/// Of so many states with a fingerprint that was seen before, one is compared whole.
const COMPARED: u64 = 16;

/// Candidates with their fingerprints.
#[derive(Debug)]
pub struct HashedBatch<T>(Vec<(u64, Option<T>)>);

impl<T> Default for HashedBatch<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Default for HashedStore<T> {
    fn default() -> Self {
        Self {
            seed: 0,
            fingerprints: Blocks::new(1),
            waiting: Waiting::default(),
            confused: AtomicBool::new(false),
        }
    }
}

impl<T: PartialEq> HashedStore<T> {
    #[inline]
    fn fingerprint(&self, index: Index) -> u64 {
        self.fingerprints.get(index as usize)[0]
    }

    /// Takes note of two states with the same fingerprint, if both are there to be compared.
    #[inline]
    fn alike(&self, fingerprint: u64, one: Option<&T>, other: Option<&T>) {
        if fingerprint.is_multiple_of(COMPARED)
            && let (Some(one), Some(other)) = (one, other)
            && one != other
        {
            self.confused.store(true, Ordering::Relaxed);
        }
    }

    fn state(&self, index: Index) -> Option<&T> {
        self.waiting.get(index as usize)
    }
}

impl<T: Hash + PartialEq + Send + Sync> Store for HashedStore<T> {
    type Batch = HashedBatch<T>;

    const AT_ONCE: bool = true;

    fn drop_last(batch: &mut HashedBatch<T>) {
        batch.0.pop();
    }

    fn clear(batch: &mut HashedBatch<T>) {
        batch.0.clear();
    }

    fn batch_bytes(batch: &HashedBatch<T>) -> usize {
        batch.0.capacity() * size_of::<(u64, Option<T>)>()
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
    fn equals(&self, index: u32, batch: &HashedBatch<T>, at: usize) -> bool {
        let (fingerprint, candidate) = &batch.0[at];
        let equal = self.fingerprint(index) == *fingerprint;
        if equal {
            self.alike(*fingerprint, self.state(index), candidate.as_ref());
        }
        equal
    }

    #[inline]
    fn candidate_hash(&self, batch: &HashedBatch<T>, at: usize) -> u32 {
        fold(batch.0[at].0)
    }

    #[inline]
    fn same(&self, batch: &HashedBatch<T>, one: usize, other: usize) -> bool {
        let (one, other) = (&batch.0[one], &batch.0[other]);
        let same = one.0 == other.0;
        if same {
            self.alike(one.0, one.1.as_ref(), other.1.as_ref());
        }
        same
    }

    fn append(&mut self, batch: &mut HashedBatch<T>, at: usize) {
        let (fingerprint, candidate) = &mut batch.0[at];
        self.fingerprints.push(*fingerprint);
        let state = candidate.take().expect("a candidate is moved once");
        self.waiting.push(state);
    }

    fn forget(&mut self, before: u32) {
        self.waiting.forget(before as usize);
    }

    fn omission(&self) -> f64 {
        match self.confused.load(Ordering::Relaxed) {
            true => 1.0,
            false => omission_among(self.len(), 64),
        }
    }
}

impl<M: Model<State: Hash + PartialEq + Send + Sync>> Keeps<M> for HashedStore<M::State> {
    const KEEPS_STATES: bool = false;

    /// The seed of the fingerprints.
    type How = u64;

    fn of(_: &Arc<M>, &seed: &u64) -> Self {
        Self {
            seed,
            ..Self::default()
        }
    }

    #[inline]
    fn with<R>(&self, index: u32, use_it: impl FnOnce(&M::State) -> R) -> R {
        use_it(self.state(index).expect("it was not forgotten"))
    }

    #[inline]
    fn push(&self, batch: &mut HashedBatch<M::State>, state: M::State) -> u32 {
        let fingerprint = FixedState::with_seed(self.seed).hash_one(&state);
        batch.0.push((fingerprint, Some(state)));
        fold(fingerprint)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use stateright::Model;

    use super::*;
    use crate::exact::Exact;
    use crate::search::Search;

    proptest! {
        #[test]
        fn states_wait_until_they_are_forgotten(
            steps in prop::collection::vec((0..700_usize, 0..700_usize), 1..6)
        ) {
            let mut waiting = Waiting::default();
            let mut forgotten = 0;
            for (more, fewer) in steps {
                for _ in 0..more {
                    waiting.push(waiting.end);
                }
                forgotten = waiting.end.min(forgotten + fewer);
                waiting.forget(forgotten);
                for number in 0..waiting.end + 300 {
                    let there = (forgotten..waiting.end).contains(&number);
                    prop_assert_eq!(waiting.get(number), there.then_some(&number));
                }
            }
        }
    }

    /// Counts up, with a letter that its hash leaves out.
    struct Letters;

    #[derive(Clone, Debug, PartialEq)]
    struct Letter(u32, char);

    impl Hash for Letter {
        fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
            self.0.hash(state);
        }
    }

    impl Model for Letters {
        type State = Letter;
        type Action = char;
        fn init_states(&self) -> Vec<Letter> {
            vec![Letter(0, 'a')]
        }
        fn actions(&self, _: &Letter, actions: &mut Vec<char>) {
            actions.extend(['a', 'b']);
        }
        fn next_state(&self, state: &Letter, letter: char) -> Option<Letter> {
            (state.0 < 100).then_some(Letter(state.0 + 1, letter))
        }
    }

    #[test]
    fn a_hash_that_leaves_something_out_is_noticed() {
        let exact = Search::new(&Exact::new(Letters)).run().unwrap();
        assert_eq!(exact.stats.states, 201);
        assert_eq!(exact.omission, 0.0);
        for seed in 0..10 {
            let hashed = Search::new(&Exact::new(Letters).hashed(seed))
                .run()
                .unwrap();
            assert_eq!(hashed.stats.states, 101);
            assert_eq!(hashed.omission, 1.0);
        }
    }

    /// A cycle, longer than what waits at a time.
    struct Ring;

    impl Model for Ring {
        type State = u32;
        type Action = u32;
        fn init_states(&self) -> Vec<u32> {
            vec![0]
        }
        fn actions(&self, _: &u32, actions: &mut Vec<u32>) {
            actions.extend([1, 7]);
        }
        fn next_state(&self, state: &u32, step: u32) -> Option<u32> {
            Some((state + step) % 10_007)
        }
    }

    #[test]
    fn any_seed_and_any_number_of_threads_finds_all_states() {
        for (seed, threads) in [(0, 1), (1, 2), (2, 3)] {
            let system = Exact::new(Ring).hashed(seed);
            let outcome = Search::new(&system).threads(threads).run().unwrap();
            assert_eq!(
                (outcome.stats.states, outcome.stats.edges),
                (10_007, 20_014)
            );
            assert!(outcome.omission > 0.0 && outcome.omission < 1e-11);
        }
    }

    #[test]
    fn claims_about_runs_are_refused() {
        let system = Exact::new(Ring).hashed(0);
        let claim = crate::Claim::can_reach("zero", |state: &u32| *state == 0);
        let refused = Search::new(&system).claim(claim).run();
        assert!(matches!(
            refused,
            Err(crate::Error::StatesNotKept { claim: "zero" })
        ));
    }
}
