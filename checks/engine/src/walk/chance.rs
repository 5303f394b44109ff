//! Chance: a generator for each walk, and what it decides.
//!
//! Walks must be the same on every machine and for every version of a dependency. ChaCha is fixed by
//! its definition, so that seed and stream give the same words for ever; how words become choices is
//! said here, as crates for that do change between versions.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::claim::MAX_GROUPS;
use crate::outcome::Error;
use crate::walk::Strategy;

/// A source of random numbers.
pub(crate) struct Chance(ChaCha8Rng);

impl Chance {
    /// The generator of one walk: the stream with this number, of this seed.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let mut generator = ChaCha8Rng::from_seed(key);
        generator.set_stream(stream);
        Self(generator)
    }

    /// A number below `bound`, which is at least 1; all of them are equally likely.
    ///
    /// The upper half of a product of 128 bits; products that would make some numbers likelier are
    /// drawn again (Lemire, "Fast random integer generation in an interval", 2019).
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let bound = bound as u64;
        loop {
            let product = u128::from(self.0.next_u64()) * u128::from(bound);
            if product as u64 >= bound.wrapping_neg() % bound {
                return (product >> 64) as usize;
            }
        }
    }

    /// Puts items into a random order, each order being equally likely.
    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

/// Who moves next in one walk.
pub(super) enum Scheduler {
    Uniform,
    Priority(Box<Priorities>),
}

/// The environment's steps are those of one more thread.
const THREADS: usize = MAX_GROUPS + 1;

/// After so many times the length that a run is taken to have, steps are chosen uniformly: whoever
/// spins at the highest priority does not keep all others from moving for ever.
const PATIENCE: usize = 2;

/// Priorities of threads, and when they change.
pub(super) struct Priorities {
    /// The higher, the sooner. No two are equal.
    of: [usize; THREADS],
    /// The steps before which whoever would move is put behind all others; the priority that it
    /// gets is the position in this list.
    changes: Vec<usize>,
    /// The first step that is chosen uniformly.
    until: usize,
}

impl Priorities {
    /// For a run that is taken to have so many steps.
    fn new(changes: usize, length: usize, chance: &mut Chance) -> Self {
        let mut of = std::array::from_fn(|thread| changes + thread);
        chance.shuffle(&mut of);
        let length = length.max(1);
        Self {
            of,
            changes: (0..changes).map(|_| chance.below(length)).collect(),
            until: length.saturating_mul(PATIENCE),
        }
    }

    /// The thread that moves at a step, of those that can, each a bit.
    fn moves(&mut self, step: usize, able: u128) -> usize {
        let highest = |of: &[usize; THREADS]| {
            let able = (0..THREADS).filter(|thread| able >> thread & 1 == 1);
            able.max_by_key(|&thread| of[thread]).unwrap_or(0)
        };
        for (low, &change) in self.changes.iter().enumerate() {
            if change == step {
                self.of[highest(&self.of)] = low;
            }
        }
        highest(&self.of)
    }
}

/// The number of a thread.
fn thread(group: Option<usize>) -> Result<usize, Error> {
    match group {
        None => Ok(MAX_GROUPS),
        Some(group) if group < MAX_GROUPS => Ok(group),
        Some(group) => Err(Error::Group(group)),
    }
}

impl Scheduler {
    /// For a run that is taken to have so many steps.
    pub(super) fn new(strategy: Strategy, length: usize, chance: &mut Chance) -> Self {
        match strategy {
            Strategy::Uniform => Self::Uniform,
            Strategy::Priority { changes } => {
                Self::Priority(Box::new(Priorities::new(changes, length, chance)))
            }
        }
    }

    /// The position of the step to take, of those that are enabled, which are in these groups; there
    /// is at least one.
    pub(super) fn choose(
        &mut self,
        step: usize,
        groups: impl Iterator<Item = Option<usize>> + Clone,
        chance: &mut Chance,
    ) -> Result<usize, Error> {
        let priorities = match self {
            Self::Priority(priorities) if step < priorities.until => priorities,
            _ => return Ok(chance.below(groups.count())),
        };
        let mut able = 0;
        for group in groups.clone() {
            able |= 1 << thread(group)?;
        }
        let mover = priorities.moves(step, able);
        let own = || {
            let steps = groups.clone().enumerate();
            steps.filter(|(_, group)| thread(*group) == Ok(mover))
        };
        let chosen = chance.below(own().count());
        Ok(own().nth(chosen).map_or(0, |(position, _)| position))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_and_every_walk_has_numbers_of_its_own() {
        let draw = |seed, stream| {
            let mut chance = Chance::new(seed, stream);
            [(); 4].map(|()| chance.below(1 << 30))
        };
        assert_eq!(draw(0, 0), draw(0, 0));
        assert_ne!(draw(0, 0), draw(0, 1));
        assert_ne!(draw(0, 0), draw(1, 0));
    }

    #[test]
    fn the_first_word_is_that_of_chacha8_with_an_all_zero_key() {
        // The keystream of ChaCha8 begins 3e00ef2f 895f40d6 for the zero key and nonce: see
        // draft-strombergson-chacha-test-vectors, TC1, 256 bits, 8 rounds.
        let mut chance = Chance::new(0, 0);
        let word = u64::from_le_bytes([0x3e, 0x00, 0xef, 0x2f, 0x89, 0x5f, 0x40, 0xd6]);
        assert_eq!(chance.0.next_u64(), word);
    }

    #[test]
    fn numbers_below_a_bound_are_equally_likely() {
        let mut chance = Chance::new(5, 0);
        let mut counts = [0; 6];
        for _ in 0..60_000 {
            counts[chance.below(6)] += 1;
        }
        // Five standard deviations of a binomial with n = 60 000 and p = 1/6 are 457.
        assert!(counts.iter().all(|n: &i32| (n - 10_000).abs() < 457));
    }

    /// Thread 1 has the highest priority, thread 0 the lowest.
    fn three(changes: Vec<usize>) -> Priorities {
        let mut of = std::array::from_fn(|thread| 10 + thread);
        (of[0], of[1], of[2]) = (5, 99, 6);
        Priorities {
            of,
            changes,
            until: 100,
        }
    }

    #[test]
    fn the_highest_priority_that_can_move_does() {
        let mut priorities = three(vec![]);
        assert_eq!(priorities.moves(0, 0b111), 1);
        assert_eq!(priorities.moves(1, 0b101), 2);
        assert_eq!(priorities.moves(2, 0b001), 0);
        assert_eq!(priorities.moves(3, 0b111), 1);
    }

    #[test]
    fn at_a_change_whoever_would_move_goes_behind_all_others() {
        let mut priorities = three(vec![1, 1, 3]);
        assert_eq!(priorities.moves(0, 0b111), 1);
        assert_eq!(
            priorities.moves(1, 0b111),
            0,
            "first 1, then 2 is put behind"
        );
        assert_eq!(priorities.moves(2, 0b110), 2, "2 was put before 1");
        assert_eq!(priorities.moves(3, 0b110), 2, "2 has priority 2 now");
    }

    #[test]
    fn a_thread_that_spins_does_not_keep_others_from_moving_for_ever() {
        let mut chance = Chance::new(0, 0);
        let mut scheduler = Scheduler::Priority(Box::new(three(vec![])));
        let groups = [Some(0), Some(1)].into_iter();
        let mut movers = |steps: std::ops::Range<usize>| {
            let chosen = steps.map(|step| scheduler.choose(step, groups.clone(), &mut chance));
            chosen.collect::<Result<Vec<_>, _>>().unwrap()
        };
        assert!(movers(0..100).iter().all(|&mover| mover == 1));
        assert!(movers(100..200).contains(&0));
    }

    #[test]
    fn steps_of_one_thread_are_chosen_uniformly() {
        let mut chance = Chance::new(0, 0);
        let mut scheduler = Scheduler::Priority(Box::new(three(vec![])));
        let groups = [Some(1), Some(0), Some(1), None].into_iter();
        let mut counts = [0; 4];
        for _ in 0..1000 {
            counts[scheduler.choose(0, groups.clone(), &mut chance).unwrap()] += 1;
        }
        assert_eq!((counts[1], counts[3]), (0, 0));
        assert!(counts[0] > 400 && counts[2] > 400);
    }

    #[test]
    fn a_group_beyond_all_groups_is_refused() {
        let mut chance = Chance::new(0, 0);
        let mut scheduler = Scheduler::Priority(Box::new(three(vec![])));
        let groups = [Some(64)].into_iter();
        let chosen = scheduler.choose(0, groups, &mut chance);
        assert_eq!(chosen, Err(Error::Group(64)));
    }
}
