//! Who found each state, in two bits a state.
//!
//! States are stored in the order in which their predecessors were expanded, so the predecessors'
//! numbers never go down. The list of them is kept as the steps between neighbours, in unary: a zero
//! for each number that is passed over, a one for each state (Elias and Fano; what is asked for is
//! found by the number of ones before it). There are at most as many zeros as states.

use crate::explored::NOBODY;
use crate::store::{Blocks, Index};

/// It is noted where the bit of every so-many-th state stands.
const NOTED: usize = 256;

/// The number of the predecessor of each state, by the number of the state.
#[derive(Debug)]
pub(crate) struct Predecessors {
    /// States with no predecessor; they come first.
    initial: usize,
    states: usize,
    /// The predecessor of the last state that has one.
    last: Index,
    /// All bits that fill a word.
    words: Blocks<u64>,
    /// The other bits, and how many these are.
    rest: u64,
    filled: u32,
    /// The places of the bits of states with a predecessor, of each [`NOTED`]th.
    notes: Blocks<u64>,
}

/// A predecessor that would have to come before the one of the state before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutOfOrder;

impl Predecessors {
    pub(crate) fn new() -> Self {
        Self {
            initial: 0,
            states: 0,
            last: 0,
            words: Blocks::new(1),
            rest: 0,
            filled: 0,
            notes: Blocks::new(1),
        }
    }

    /// Memory in use.
    pub(crate) fn bytes(&self) -> usize {
        self.words.bytes() + self.notes.bytes()
    }

    /// Adds the predecessor of the next state; of initial states that is [`NOBODY`].
    #[inline]
    pub(crate) fn push(&mut self, predecessor: Index) -> Result<(), OutOfOrder> {
        if predecessor == NOBODY {
            if self.initial < self.states {
                return Err(OutOfOrder);
            }
            self.initial += 1;
            self.states += 1;
            return Ok(());
        }
        let passed = predecessor.checked_sub(self.last).ok_or(OutOfOrder)?;
        self.last = predecessor;
        self.skip(passed);
        if (self.states - self.initial).is_multiple_of(NOTED) {
            let place = self.words.len() as u64 * 64 + u64::from(self.filled);
            self.notes.push(place);
        }
        self.rest |= 1 << self.filled;
        self.skip(1);
        self.states += 1;
        Ok(())
    }

    #[inline]
    fn skip(&mut self, mut bits: u32) {
        while bits >= 64 - self.filled {
            bits -= 64 - self.filled;
            self.words.push(self.rest);
            self.rest = 0;
            self.filled = 0;
        }
        self.filled += bits;
    }

    fn word(&self, number: usize) -> u64 {
        match number < self.words.len() {
            true => self.words.get(number)[0],
            false => self.rest,
        }
    }

    /// The predecessor of a state.
    pub(crate) fn get(&self, state: usize) -> Index {
        assert!(state < self.states, "there is no state {state}");
        let Some(rank) = state.checked_sub(self.initial) else {
            return NOBODY;
        };
        let noted = self.notes.get(rank / NOTED)[0] as usize;
        let mut number = noted / 64;
        // Of the first word what stands before the noted bit is not looked at.
        let mut bits = self.word(number) >> (noted % 64) << (noted % 64);
        let mut before = rank % NOTED;
        while bits.count_ones() as usize <= before {
            before -= bits.count_ones() as usize;
            number += 1;
            bits = self.word(number);
        }
        (0..before).for_each(|_| bits &= bits - 1);
        let place = number * 64 + bits.trailing_zeros() as usize;
        // All bits before it that are no states are numbers passed over.
        (place - rank) as Index
    }

    /// All of them, by state.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Index> {
        let initial = std::iter::repeat_n(NOBODY, self.initial);
        let mut at = 0;
        let mut bits = self.word(0);
        initial.chain((0..self.states - self.initial).map(move |rank| {
            while bits == 0 {
                at += 1;
                bits = self.word(at);
            }
            let place = at * 64 + bits.trailing_zeros() as usize;
            bits &= bits - 1;
            (place - rank) as Index
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Steps from one predecessor to the next: most are short, some are long.
    fn any_steps() -> impl Strategy<Value = Vec<u32>> {
        let step = prop_oneof![6 => 0..3_u32, 1 => 0..200_u32, 1 => 0..5_000_u32];
        prop::collection::vec(step, 0..1500)
    }

    proptest! {
        #[test]
        fn what_was_put_in_comes_out(initial in 0..300_usize, steps in any_steps()) {
            let ascending = steps.iter().scan(0, |at, step| {
                *at += step;
                Some(*at)
            });
            let all: Vec<Index> = std::iter::repeat_n(NOBODY, initial).chain(ascending).collect();
            let mut kept = Predecessors::new();
            for &predecessor in &all {
                prop_assert_eq!(kept.push(predecessor), Ok(()));
            }
            prop_assert_eq!(kept.iter().collect::<Vec<_>>(), all.clone());
            for (state, &predecessor) in all.iter().enumerate() {
                prop_assert_eq!(kept.get(state), predecessor);
            }
        }
    }

    #[test]
    fn going_back_is_noticed() {
        let mut kept = Predecessors::new();
        let pushed = [NOBODY, 0, 5].map(|predecessor| kept.push(predecessor));
        assert_eq!(pushed, [Ok(()); 3]);
        assert_eq!(kept.push(4), Err(OutOfOrder));
        assert_eq!(kept.push(NOBODY), Err(OutOfOrder));
        assert_eq!(kept.push(5), Ok(()));
        assert_eq!(kept.iter().collect::<Vec<_>>(), [NOBODY, 0, 5, 5]);
    }

    #[test]
    fn two_bits_a_state_are_enough() {
        let mut kept = Predecessors::new();
        let states = 1_000_000;
        for state in 0..states {
            kept.push(state).unwrap();
        }
        assert!(kept.bytes() * 8 < states as usize * 9 / 4);
    }
}
