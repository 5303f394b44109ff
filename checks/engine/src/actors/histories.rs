//! Histories, and how each came to be.
//!
//! A model's history is often the largest part of a state, and hardly two states have the same one.
//! But each is what the model recorded of a step after another history, and so can be made again
//! from that one. So only those of states that wait to be expanded are kept, and of the others their
//! hashes and how they came to be.

use std::borrow::Cow;
use std::sync::{Mutex, OnceLock, PoisonError};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

/// The number of a step of an actor: a message that is delivered, if it is that, and messages that are
/// sent.
type Step = u32;

/// Nobody recorded it: it was there from the beginning, or came from elsewhere.
const NOBODY: u32 = u32::MAX;

/// Sweeping is not worth it for fewer that are new.
const FEW: usize = 16;

struct History<H> {
    hash: u64,
    /// The history before, and the step that was recorded then.
    before: u32,
    step: Step,
    /// What it says, as long as it is kept.
    says: OnceLock<Box<H>>,
}

/// Histories numbered 0, 1, 2, … in the order in which they came.
pub(super) struct Histories<H> {
    all: boxcar::Vec<History<H>>,
    numbers: Mutex<HashTable<u32>>,
    /// The last state with each history; nothing is said of the last ones.
    last: Vec<u32>,
    /// Those of the first `seen` that are kept although nothing was to be made from them.
    kept: Vec<u32>,
    seen: usize,
}

impl<H> Default for Histories<H> {
    fn default() -> Self {
        Self {
            all: boxcar::Vec::new(),
            numbers: Mutex::default(),
            last: Vec::new(),
            kept: Vec::new(),
            seen: 0,
        }
    }
}

impl<H: Clone + PartialEq> Histories<H> {
    /// The number of a history with this hash. `before` is how it came to be, if it is known; `record`
    /// makes the history that comes after another one.
    ///
    /// # Panics
    ///
    /// If there are 2^32.
    pub(super) fn number(
        &self,
        hash: u64,
        says: Cow<'_, H>,
        before: Option<(u32, Step)>,
        record: &impl Fn(&H, Step) -> Option<H>,
    ) -> u32 {
        let hash_of = |number: &u32| self.get(*number).hash;
        let is_it =
            |number: &u32| self.get(*number).hash == hash && *self.says(*number, record) == *says;
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        match numbers.entry(hash, is_it, hash_of) {
            Entry::Occupied(there) => *there.get(),
            Entry::Vacant(vacant) => {
                let (before, step) = before.unwrap_or((NOBODY, 0));
                let number = self.all.push(History {
                    hash,
                    before,
                    step,
                    says: OnceLock::from(Box::new(says.into_owned())),
                });
                let number = u32::try_from(number).expect("fewer than 2^32 of them");
                assert_ne!(number, NOBODY, "fewer than 2^32 of them");
                vacant.insert(number);
                number
            }
        }
    }

    /// What the history with this number says. If that is not kept, it is made again.
    #[inline]
    pub(super) fn says(&self, number: u32, record: &impl Fn(&H, Step) -> Option<H>) -> &H {
        let history = self.get(number);
        match history.says.get() {
            Some(says) => says,
            None => history
                .says
                .get_or_init(|| Box::new(self.make_again(number, record))),
        }
    }

    #[cold]
    fn make_again(&self, number: u32, record: &impl Fn(&H, Step) -> Option<H>) -> H {
        let mut steps = Vec::new();
        let mut at = self.get(number);
        let mut says = loop {
            steps.push(at.step);
            at = self.get(at.before);
            if let Some(says) = at.says.get() {
                break Cow::Borrowed(&**says);
            }
        };
        for step in steps.into_iter().rev() {
            let next = record(&says, step);
            says = Cow::Owned(next.expect("it was recorded before"));
        }
        says.into_owned()
    }

    #[inline]
    fn get(&self, number: u32) -> &History<H> {
        &self.all[number as usize]
    }

    /// The hash that came with a history.
    pub(super) fn hash(&self, number: u32) -> u64 {
        self.get(number).hash
    }

    /// The history of the state with this number, which is higher than those before, is this one.
    pub(super) fn is_of(&mut self, history: u32, state: u32) {
        let history = history as usize;
        if self.last.len() <= history {
            self.last.resize(history + 1, 0);
        }
        self.last[history] = state;
    }

    /// States before this number will not be asked for again.
    pub(super) fn forget(&mut self, before: u32) {
        let count = self.all.count();
        if count - self.seen < (self.kept.len() / 4).max(FEW) {
            return;
        }
        let Self {
            all,
            last,
            kept,
            seen,
            ..
        } = self;
        kept.extend(*seen as u32..count as u32);
        *seen = count;
        kept.retain(|&number| {
            let history = all.get_mut(number as usize).expect("it has this number");
            if history.before == NOBODY {
                return false;
            }
            let waits = last
                .get(number as usize)
                .is_some_and(|&last| last >= before);
            if !waits {
                history.says.take();
            }
            waits
        });
    }

    /// Memory in use, without what histories own outside of themselves.
    pub(super) fn bytes(&self) -> usize {
        let count = self.all.count();
        count.next_power_of_two() * (size_of::<History<H>>() + size_of::<usize>())
            + (count * 8 / 7).next_power_of_two() * 5
            + (self.last.capacity() + self.kept.capacity()) * size_of::<u32>()
            + (self.kept.len() + count - self.seen) * size_of::<H>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The last few numbers, if they are not the last one again.
    #[allow(clippy::ptr_arg)] // What a history is, not a part of it.
    fn record(says: &Vec<u32>, number: Step) -> Option<Vec<u32>> {
        let start = says.len().saturating_sub(2);
        (says.last() != Some(&number)).then(|| [&says[start..], &[number]].concat())
    }

    proptest! {
        #[test]
        fn histories_are_known_again_whether_kept_or_not(
            steps in prop::collection::vec((any::<prop::sample::Index>(), 0..4_u32, 0..3_u32), 1..400),
        ) {
            let mut histories = Histories::default();
            let mut all = vec![vec![7]];
            // So that many have the same hash.
            let hash = |says: &Vec<u32>| u64::from(says.iter().sum::<u32>() % 5);
            prop_assert_eq!(
                histories.number(hash(&all[0]), Cow::Borrowed(&all[0]), None, &record),
                0
            );
            for (state, (index, number, forget)) in steps.into_iter().enumerate() {
                let before = index.index(all.len());
                let Some(says) = record(&all[before], number) else { continue };
                let expected = all.iter().position(|known| *known == says);
                let came = Some((before as u32, number));
                let number = histories.number(hash(&says), Cow::Borrowed(&says), came, &record);
                prop_assert_eq!(number as usize, expected.unwrap_or(all.len()));
                if expected.is_none() {
                    all.push(says);
                }
                histories.is_of(number, state as u32);
                if forget == 0 {
                    histories.forget(state as u32);
                }
            }
            for (number, says) in all.iter().enumerate() {
                prop_assert_eq!(histories.says(number as u32, &record), says);
            }
        }
    }

    #[test]
    fn those_of_states_that_wait_are_kept_and_no_others() {
        let mut histories = Histories::default();
        let record = |says: &u32, _: Step| Some(says + 1);
        let mut before = None;
        for number in 0..1000 {
            let says = Cow::Owned(number);
            assert_eq!(histories.number(0, says, before, &record), number);
            before = Some((number, 0));
            histories.is_of(number, number);
        }
        histories.forget(900);
        let kept = (0..1000).filter(|&number| histories.get(number).says.get().is_some());
        assert_eq!(
            kept.collect::<Vec<_>>(),
            [&[0][..], &(900..1000).collect::<Vec<_>>()].concat()
        );
        assert_eq!(*histories.says(899, &record), 899);
    }
}
