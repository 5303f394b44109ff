//! What a worker contributes when it is decided whether something happens in every run, and what one of
//! them does with the states that are left at the end.
//!
//! See [`crate::fair`] for what is to be found. Where the states are spread over workers nobody visits
//! them depth first, and so components are found last: first the workers take out together what can be
//! in none of them, which needs nothing but going along steps.

use serde::{Deserialize, Serialize};

use crate::bits::Bits;
use crate::claim::{Claim, Goal};
use crate::explored::Properties;
use crate::fair::fair_states;
use crate::graph::{Graph, bit};
use crate::lasso::{Found, Tour, report};
use crate::mobile::Mobile;
use crate::outcome::{Error, Unfinished};
use crate::search::{Groups, VerdictOf};
use crate::share::{ParcelOf, Share, StateSet, StepOut};
use crate::store::Index;
use crate::system::{BatchOf, StateOf, System};
use crate::watch::Watch;

/// The `eventually` properties of a system's model.
///
/// # Errors
///
/// Those of [`Search::run`](crate::Search::run) about properties and claims; `claims` are the other ones.
pub fn eventually<'a, S: System>(
    system: &'a S,
    claims: &[Claim<'_, StateOf<S>>],
) -> Result<Vec<Claim<'a, StateOf<S>>>, Error> {
    let eventually = Properties::of(system)?.claims(system);
    for claim in eventually.iter().chain(claims) {
        claim.can_be_decided(system)?;
    }
    Ok(eventually)
}

/// Which groups are enabled in the states of a share.
#[derive(Debug)]
pub struct Runs {
    enabled: Vec<u64>,
    /// States with a step.
    going: Bits,
}

impl Runs {
    /// Of so many states nothing is known yet.
    pub fn new(states: usize) -> Self {
        Self {
            enabled: vec![0; states],
            going: Bits::new(states),
        }
    }

    /// Takes note of a step.
    #[inline]
    pub fn note(&mut self, step: StepOut) {
        self.going.insert(step.source);
        if step.target != Some(step.source) {
            self.enabled[step.source as usize] |= bit(step.group);
        }
    }

    /// The groups that are enabled in some state.
    pub fn anywhere(&self) -> u64 {
        self.enabled.iter().fold(0, |bits, one| bits | one)
    }

    /// The groups enabled in a state.
    #[inline]
    pub fn enabled(&self, state: u32) -> u64 {
        self.enabled[state as usize]
    }

    /// The groups that a fair run which visits a state again and again has to do right by: to take
    /// them, or, if they are treated weakly, to come to where they are not enabled.
    #[inline]
    pub fn owed<T>(&self, claim: &Claim<'_, T>, state: u32) -> u64 {
        let rules = claim.fairness.rules();
        rules.weak | rules.strong & self.enabled(state)
    }

    /// The groups that a run does right by in being in a state.
    #[inline]
    pub fn excused<T>(&self, claim: &Claim<'_, T>, state: u32) -> u64 {
        claim.fairness.rules().weak & !self.enabled(state)
    }

    /// Whether a run may stay in a state for ever.
    pub fn may_stay<T>(&self, claim: &Claim<'_, T>, state: u32) -> bool {
        let rules = claim.fairness.rules();
        match rules.may_stay {
            true => self.enabled(state) & (rules.weak | rules.strong) == 0,
            false => !self.going.has(state),
        }
    }

    /// Memory in use, in bytes.
    pub fn bytes(&self) -> usize {
        size_of_val(&self.enabled[..]) + self.going.bytes()
    }
}

impl<T> Claim<'_, T> {
    /// Whether steps that change nothing are steps like others: only where all maximal runs count.
    pub fn counts_loops(&self) -> bool {
        !self.fairness.rules().may_stay
    }

    /// Whether every state in which what it waits for is absent is one from which on it waits.
    pub fn waits_everywhere(&self) -> bool {
        matches!(self.goal, Goal::InfinitelyOften(_))
    }
}

impl<S: System<Store: Mobile>> Share<'_, S> {
    /// The states in which what a claim waits for is absent, and beyond which the model goes.
    pub fn waiting(&self, claim: &Claim<'_, StateOf<S>>) -> StateSet {
        let (Goal::CanReach(condition)
        | Goal::Eventually(condition)
        | Goal::InfinitelyOften(condition)
        | Goal::LeadsTo(_, condition)) = &claim.goal;
        self.those(|state| !condition(state) && !self.system.stop_at(state))
    }

    /// Those of the states waiting from which on a claim begins to wait.
    pub fn beginnings(&self, claim: &Claim<'_, StateOf<S>>, waiting: &StateSet) -> StateSet {
        let mut beginnings = match &claim.goal {
            Goal::CanReach(_) | Goal::InfinitelyOften(_) => return waiting.clone(),
            Goal::Eventually(_) => {
                let mut initial = Bits::new(self.states());
                self.level(0).for_each(|state| initial.insert(state));
                StateSet(initial)
            }
            Goal::LeadsTo(from, _) => self.those(|state| from(state)),
        };
        let others: Vec<u32> = beginnings
            .iter()
            .filter(|&state| !waiting.has(state))
            .collect();
        others
            .into_iter()
            .for_each(|state| beginnings.remove(state));
        beginnings
    }

    fn those(&self, test: impl Fn(&StateOf<S>) -> bool) -> StateSet {
        let mut those = Bits::new(self.states());
        for index in 0..self.states() as Index {
            if self.system.with_state(&self.explored.store, index, &test) {
                those.insert(index);
            }
        }
        StateSet(those)
    }

    /// The [route](Mobile::route) of a state.
    pub fn route(&self, state: u32) -> u64 {
        let store = &self.explored.store;
        let mut batch = BatchOf::<S>::default();
        store.unload(store.copy(state), &mut batch, |_| ());
        store.route(&batch, 0)
    }

    /// The verdict on a claim, given the states of a run that contradicts it: those of a way to a state,
    /// and those of a round from there back to it, each with the group of the step to it.
    ///
    /// # Errors
    ///
    /// Those of running and examining it.
    pub fn lasso(
        &self,
        claim: &Claim<'_, StateOf<S>>,
        groups: &Groups<'_, S>,
        stem: &[ParcelOf<S>],
        round: &[(ParcelOf<S>, u8)],
    ) -> Result<VerdictOf<S>, Error> {
        let states = stem.iter().chain(round.iter().map(|(state, _)| state));
        let states: Vec<_> = states.cloned().collect();
        let numbers = stem.len() as Index..;
        let found = Found {
            stem: (0..stem.len() as Index).collect(),
            cycle: numbers.zip(round.iter().map(|&(_, group)| group)).collect(),
        };
        report(self.system, &self.store_of(&states), groups, claim, &found)
    }
}

/// A state that may be on a fair cycle.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// Who has it.
    pub worker: usize,
    /// Its number there.
    pub number: u32,
    /// How long a way to it is that a counterexample may take.
    pub distance: u32,
    /// Its [route](Mobile::route).
    pub route: u64,
    /// The groups that are enabled in it.
    pub enabled: u64,
}

/// A fair cycle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Round {
    /// How long a way to its first state is.
    pub distance: u32,
    /// Worker and number of the first state.
    pub entry: (usize, u32),
    /// The steps: to whose state with which number, and in which group.
    pub steps: Vec<(usize, u32, u8)>,
}

/// The states that are left when all has been taken out that is on no fair cycle, as far as workers
/// can tell together.
#[derive(Debug, Default)]
pub struct Remainder {
    members: Vec<Member>,
    /// For each worker and number the place among the members.
    places: Vec<((usize, u32), Index)>,
    /// Steps by the places of the states, in order.
    steps: Vec<(Index, Index, u8)>,
}

impl Remainder {
    /// A remainder of these states, yet without steps.
    pub fn new(mut members: Vec<Member>) -> Self {
        // By distance, and then so that it does not matter who had them.
        members.sort_by_key(|member| (member.distance, member.route, member.worker, member.number));
        let key = |member: &Member| (member.worker, member.number);
        let mut places: Vec<_> = members.iter().map(key).zip(0..).collect();
        places.sort_unstable();
        Self {
            members,
            places,
            steps: Vec::new(),
        }
    }

    /// The most memory a remainder of so many states and steps takes while it is looked at, in bytes.
    pub fn bytes(states: usize, steps: usize) -> usize {
        states * (size_of::<Member>() + size_of::<((usize, u32), Index)>() + 24)
            + Graph::work_bytes(states)
            + steps * (size_of::<(Index, Index, u8)>() + size_of::<(Index, u8)>() + 5)
    }

    /// Adds a step from one of its states to another one, each by worker and number; one that leads
    /// elsewhere is of no interest.
    pub fn add(&mut self, from: (usize, u32), to: (usize, u32), group: u8) {
        let place = |key| {
            let at = self.places.binary_search_by_key(&key, |&(key, _)| key);
            at.ok().map(|at| self.places[at].1)
        };
        if let (Some(from), Some(to)) = (place(from), place(to)) {
            self.steps.push((from, to, group));
        }
    }

    /// A short fair cycle through a nearest state that is on one; `None` if there is none.
    ///
    /// # Errors
    ///
    /// What `may_go_on` says, which is asked now and then.
    pub fn round<T>(
        mut self,
        claim: &Claim<'_, T>,
        may_go_on: &dyn Fn() -> Result<(), Unfinished>,
    ) -> Result<Option<Round>, Unfinished> {
        self.steps.sort_unstable();
        let members = self.members.len();
        let mut steps = self.steps.iter().peekable();
        // Whatever is enabled leads to a place outside, if to nowhere else.
        let outside = members as Index;
        let out = self.members.iter().zip(0..).map(|(member, place)| {
            let mut out = Vec::new();
            while let Some(&&(_, target, group)) = steps.peek().filter(|step| step.0 == place) {
                out.push((target, group));
                steps.next();
            }
            let groups = (0..64).filter(|group| member.enabled >> group & 1 == 1);
            out.extend(groups.map(|group| (outside, group)));
            out
        });
        let graph = Graph::of(members + 1, out.chain([Vec::new()]));
        let mut within = Bits::new(members + 1);
        (0..outside).for_each(|place| within.insert(place));
        let rules = claim.fairness.rules();
        let watch = Watch::new(may_go_on);
        let fair = fair_states(&graph, &within, rules, &watch)?;
        let Some(entry) = fair.going.iter().next() else {
            return Ok(None);
        };
        let cycle = Tour::new(&graph, &fair.colour, entry, rules, &watch).cycle()?;
        let name = |place: Index| {
            let Member { worker, number, .. } = self.members[place as usize];
            (worker, number)
        };
        Ok(Some(Round {
            distance: self.members[entry as usize].distance,
            entry: name(entry),
            steps: cycle
                .into_iter()
                .map(|(place, group)| {
                    let (worker, number) = name(place);
                    (worker, number, group)
                })
                .collect(),
        }))
    }
}
