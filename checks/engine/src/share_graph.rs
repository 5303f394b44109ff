//! What a worker contributes when something is decided about runs: the steps out of its states, and the
//! numbers of states that others' steps lead to.

use std::ops::Range;

use stateright::Model;

use crate::bits::Bits;
use crate::claim::{Claim, Goal};
use crate::mobile::{Mobile, owner};
use crate::outcome::{Error, Trap, Unfinished, Verdict};
use crate::referee::Referee;
use crate::search::VerdictOf;
use crate::share::{Candidacy, ParcelOf, Share};
use crate::store::{Index, Store};
use crate::system::{BatchOf, StateOf, System};

/// Who can take a step to each state of a share: the worker and the number of the state there.
#[derive(Debug, Default)]
pub struct Backward {
    /// Target, worker and source, in the order in which they came; empty once [`sort`](Self::sort)ed.
    arrived: Vec<[u32; 3]>,
    /// For each state the position of its first source, and the end of the last.
    first: Vec<u64>,
    sources: Vec<[u32; 2]>,
}

impl Backward {
    /// Adds a step from a state of a worker to a state of this share.
    #[inline]
    pub fn add(&mut self, target: u32, worker: usize, source: u32) {
        self.arrived.push([target, worker as u32, source]);
    }

    /// Sorts the steps by target; none can be added afterwards.
    pub fn sort(&mut self, states: usize) {
        self.first = vec![0; states + 2];
        for [target, ..] in &self.arrived {
            self.first[*target as usize + 2] += 1;
        }
        for at in 2..self.first.len() {
            self.first[at] += self.first[at - 1];
        }
        self.sources = vec![[0; 2]; self.arrived.len()];
        for &[target, worker, source] in &self.arrived {
            let next = &mut self.first[target as usize + 1];
            self.sources[*next as usize] = [worker, source];
            *next += 1;
        }
        self.arrived = Vec::new();
    }

    /// Worker and number of the states that have a step to this one.
    pub fn sources(&self, target: u32) -> impl Iterator<Item = (usize, u32)> {
        let range = self.first[target as usize] as usize..self.first[target as usize + 1] as usize;
        self.sources[range]
            .iter()
            .map(|&[worker, source]| (worker as usize, source))
    }

    /// The most memory it takes until it is sorted, in bytes.
    pub fn bytes(&self) -> usize {
        let edges = self.arrived.len().max(self.sources.len());
        edges * (size_of::<[u32; 3]>() + size_of::<[u32; 2]>())
    }
}

/// A set of states of a share.
#[derive(Clone, Debug)]
pub struct StateSet(Bits);

impl StateSet {
    /// Adds a state; whether it is new.
    #[inline]
    pub fn insert(&mut self, state: u32) -> bool {
        let new = !self.0.has(state);
        self.0.insert(state);
        new
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.count()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Their numbers.
    pub fn iter(&self) -> impl Iterator<Item = u32> + Clone {
        self.0.iter()
    }
}

impl<S: System<Store: Mobile>> Share<'_, S> {
    /// Expands states once more, whose properties are of no interest now. A successor that another
    /// worker owns is added to its parcel, with the number of the state it comes from; of the others
    /// `own` gets the number, and that of the state they come from.
    ///
    /// # Errors
    ///
    /// [`Error::Unsteady`] if there is a successor that was not found before.
    pub fn steps_out_of(
        &self,
        states: Range<u32>,
        parcels: &mut [(ParcelOf<S>, Vec<u32>)],
        mut own: impl FnMut(u32, u32),
    ) -> Result<(), Error> {
        let Self { system, part, .. } = self;
        let store = &self.explored.store;
        let model = system.model();
        let mut coverage = S::Coverage::default();
        let mut batch = BatchOf::<S>::default();
        let mut known = true;
        for index in states {
            S::Store::clear(&mut batch);
            let mut at = 0;
            system.with_state(store, index, |state| {
                if system.stop_at(state) {
                    return;
                }
                system.expand(state, &mut coverage, |_| (), &mut |(), next| {
                    if !model.within_boundary(&next) {
                        return;
                    }
                    let hash = system.encode(&mut batch, store, next);
                    let owner = owner(store.route(&batch, at), part.workers);
                    if owner == part.worker {
                        match self.number(hash, &batch, at) {
                            Some(target) => own(target, index),
                            None => known = false,
                        }
                    } else {
                        let (parcel, sources) = &mut parcels[owner];
                        store.load(&mut batch, at, parcel);
                        sources.push(index);
                    }
                    at += 1;
                });
            });
        }
        known.then_some(()).ok_or(Error::Unsteady)
    }

    /// The numbers of the states in a parcel, in order.
    ///
    /// # Errors
    ///
    /// [`Error::Unsteady`] if one is unknown.
    pub fn numbers(&self, parcel: ParcelOf<S>, mut each: impl FnMut(u32)) -> Result<(), Error> {
        let mut batch = BatchOf::<S>::default();
        let mut hashes = Vec::new();
        let store = &self.explored.store;
        store.unload(parcel, &mut batch, |hash| hashes.push(hash));
        for (at, &hash) in hashes.iter().enumerate() {
            each(self.number(hash, &batch, at).ok_or(Error::Unsteady)?);
        }
        Ok(())
    }

    fn number(&self, hash: u32, batch: &BatchOf<S>, at: usize) -> Option<Index> {
        let store = &self.explored.store;
        let equal = |index| store.equals(index, batch, at);
        self.explored.table.find(hash, equal).ok()
    }

    /// The states that fulfil what a [`Claim::can_reach`] says can be reached, and those beyond which
    /// the model does not go; `None` if it is a claim of another kind.
    pub fn goals(&self, claim: &Claim<'_, StateOf<S>>) -> Option<StateSet> {
        let Goal::CanReach(condition) = &claim.goal else {
            return None;
        };
        let mut goals = StateSet(Bits::new(self.states()));
        for index in 0..self.states() as Index {
            let is_goal = |state: &StateOf<S>| condition(state) || self.system.stop_at(state);
            if self.system.with_state(&self.explored.store, index, is_goal) {
                goals.insert(index);
            }
        }
        Some(goals)
    }

    /// The least distance of a state that is not in a set.
    pub fn nearest_outside(&self, set: &StateSet) -> Option<usize> {
        let first = (0..self.states() as Index).find(|&state| !set.0.has(state))?;
        // States are numbered by their distance.
        Some(self.starts.partition_point(|&start| start <= first) - 1)
    }

    /// Of the states at a distance that are not in a set, one.
    pub fn witness_outside(&self, set: &StateSet, level: usize) -> Option<Candidacy<S>> {
        let outside = self.level(level).filter(|&state| !set.0.has(state));
        self.least(outside, |_| true)
    }

    /// The verdict on a [`Claim::can_reach`], given the states of a way to one of so many states from
    /// which the goal cannot be reached.
    ///
    /// # Errors
    ///
    /// Those of running and examining it.
    pub fn trap(
        &self,
        claim: &Claim<'_, StateOf<S>>,
        way: &[ParcelOf<S>],
        states: usize,
    ) -> Result<VerdictOf<S>, Error> {
        let Goal::CanReach(condition) = &claim.goal else {
            return Ok(Verdict::Unknown(Unfinished::Stopped));
        };
        let path = self.replay(way, claim.name)?;
        let trap = Trap { path, states };
        Referee::new(self.system, &None).check_trap(claim.name, condition, &trap)?;
        Ok(Verdict::Trapped(trap))
    }
}

impl<T> Claim<'_, T> {
    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Whether it was made by [`can_reach`](Self::can_reach): about what is possible, and not about
    /// what happens.
    pub fn is_about_reaching(&self) -> bool {
        matches!(self.goal, Goal::CanReach(_))
    }
}
