//! What a worker contributes when something is decided about runs: the steps out of its states, and the
//! numbers of states that others' steps lead to.

use stateright::Model;

use crate::bits::Bits;
use crate::claim::{Claim, Goal};
use crate::graph::{NO_GROUP, label};
use crate::mobile::{Mobile, owner};
use crate::outcome::{Error, Trap, Unfinished, Verdict};
use crate::referee::Referee;
use crate::search::{Groups, VerdictOf};
use crate::share::{Candidacy, ParcelOf, Share};
use crate::store::{Index, Store};
use crate::system::{ActionOf, BatchOf, StateOf, System};

/// For each state of a share some steps, each with the worker and the number of the state at its other
/// end, and its group. Which end is here, who makes the table decides.
#[derive(Debug, Default)]
pub struct StepTable {
    /// State, worker and group, other state, in the order in which they came; empty once
    /// [`sort`](Self::sort)ed.
    arrived: Vec<[u32; 3]>,
    /// For each state the position of its first step, and the end of the last.
    first: Vec<u64>,
    others: Vec<[u32; 2]>,
}

impl StepTable {
    /// Adds a step between a state of this share and one of a worker.
    #[inline]
    pub fn add(&mut self, state: u32, worker: usize, other: u32, group: u8) {
        self.arrived
            .push([state, (worker as u32) << 8 | u32::from(group), other]);
    }

    /// Sorts the steps by the state of this share; none can be added afterwards.
    pub fn sort(&mut self, states: usize) {
        self.first = vec![0; states + 2];
        for [state, ..] in &self.arrived {
            self.first[*state as usize + 2] += 1;
        }
        for at in 2..self.first.len() {
            self.first[at] += self.first[at - 1];
        }
        self.others = vec![[0; 2]; self.arrived.len()];
        for &[state, worker, other] in &self.arrived {
            let next = &mut self.first[state as usize + 1];
            self.others[*next as usize] = [worker, other];
            *next += 1;
        }
        self.arrived = Vec::new();
    }

    /// The steps of a state: worker and number of the other one, and the group.
    #[inline]
    pub fn of(&self, state: u32) -> impl Iterator<Item = (usize, u32, u8)> {
        let range = self.first[state as usize] as usize..self.first[state as usize + 1] as usize;
        self.others[range]
            .iter()
            .map(|&[worker, other]| (worker as usize >> 8, other, worker as u8))
    }

    /// The most memory it takes until it is sorted, in bytes.
    pub fn bytes(&self) -> usize {
        let steps = self.arrived.len().max(self.others.len());
        steps * (size_of::<[u32; 3]>() + size_of::<[u32; 2]>())
    }
}

/// A step out of a state of a share.
#[derive(Clone, Copy, Debug)]
pub struct StepOut {
    /// The state.
    pub source: u32,
    /// The group, or that it is the environment's; see [`Claim`].
    pub group: u8,
    /// The state it leads to, if it is one of this share.
    pub target: Option<u32>,
}

/// Steps that lead to states of another worker.
pub struct StepsAway<S: System<Store: Mobile>> {
    /// The states they lead to.
    pub targets: ParcelOf<S>,
    /// For each of them the state it was reached from.
    pub sources: Vec<u32>,
    /// For each of them the group of the step.
    pub groups: Vec<u8>,
}

impl<S: System<Store: Mobile>> Default for StepsAway<S> {
    fn default() -> Self {
        Self {
            targets: Default::default(),
            sources: Vec::new(),
            groups: Vec::new(),
        }
    }
}

/// A set of states of a share.
#[derive(Clone, Debug)]
pub struct StateSet(pub(crate) Bits);

impl StateSet {
    /// Whether a state is in it.
    #[inline]
    pub fn has(&self, state: u32) -> bool {
        self.0.has(state)
    }

    /// Takes a state out.
    #[inline]
    pub fn remove(&mut self, state: u32) {
        self.0.remove(state);
    }

    /// Adds a state; whether it is new.
    #[inline]
    pub fn insert(&mut self, state: u32) -> bool {
        let new = !self.0.has(state);
        self.0.insert(state);
        new
    }

    /// Takes all states out.
    pub fn clear(&mut self) {
        self.0.clear();
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
    /// Expands states once more, whose properties are of no interest now, and tells of each step. A
    /// successor that another worker owns is added to its parcel.
    ///
    /// # Errors
    ///
    /// [`Error::Unsteady`] if there is a successor that was not found before; [`Error::Group`].
    pub fn steps_out_of(
        &self,
        states: impl IntoIterator<Item = u32>,
        groups: &Groups<'_, S>,
        away: &mut [StepsAway<S>],
        mut each: impl FnMut(StepOut),
    ) -> Result<(), Error> {
        let Self { system, part, .. } = self;
        let store = &self.explored.store;
        let model = system.model();
        let mut coverage = S::Coverage::default();
        let mut batch = BatchOf::<S>::default();
        let mut fault = Ok(());
        let label = |action: &ActionOf<S>| label::<S>(groups, action);
        for source in states {
            S::Store::clear(&mut batch);
            let mut at = 0;
            system.with_state(store, source, |state| {
                if system.stop_at(state) {
                    return;
                }
                system.expand(state, &mut coverage, label, &mut |group, next| {
                    if !model.within_boundary(&next) {
                        return;
                    }
                    let group = group.unwrap_or_else(|why| {
                        fault = Err(why);
                        NO_GROUP
                    });
                    let hash = system.encode(&mut batch, store, next);
                    let owner = owner(store.route(&batch, at), part.workers);
                    let mut target = None;
                    if owner == part.worker {
                        target = self.number(hash, &batch, at);
                        if target.is_none() {
                            fault = Err(Error::Unsteady);
                            return;
                        }
                    } else {
                        let away = &mut away[owner];
                        store.load(&mut batch, at, &mut away.targets);
                        away.sources.push(source);
                        away.groups.push(group);
                    }
                    each(StepOut {
                        source,
                        group,
                        target,
                    });
                    at += 1;
                });
            });
        }
        fault
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

    /// The number of the only state in a parcel, if this worker has it.
    pub fn find(&self, parcel: &ParcelOf<S>) -> Option<u32> {
        let mut batch = BatchOf::<S>::default();
        let mut first = None;
        self.explored
            .store
            .unload(parcel.clone(), &mut batch, |hash| first = Some(hash));
        self.number(first?, &batch, 0)
    }

    /// A state, alone in a parcel.
    pub fn copy(&self, state: u32) -> ParcelOf<S> {
        self.explored.store.copy(state)
    }

    /// The distance of a state from the initial ones.
    pub fn level_of(&self, state: u32) -> usize {
        // States are numbered by their distance.
        self.starts.partition_point(|&start| start <= state) - 1
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
        Some(self.level_of(first))
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
