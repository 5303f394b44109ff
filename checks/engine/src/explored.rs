//! What a search knows so far: the states, who found each of them, and what was seen in them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stateright::{Expectation, Model, Property};

use crate::ahead::Ahead;
use crate::chunk::{Candidate, Chunk};
use crate::claim::Claim;
use crate::model::Merge;
use crate::outcome::{DEADLOCK, Error, Judged, Outcome, Stats, Unfinished, Verdict};
use crate::predecessors::Predecessors;
use crate::replay::{Run, replay};
use crate::search::{OutcomeOf, StopWhen, VerdictOf};
use crate::store::{Index, Store};
use crate::system::{BatchOf, StateOf, System};
use crate::table::{MAX_STATES, Table};

/// The predecessor of an initial state.
pub(crate) const NOBODY: Index = Index::MAX;

/// The model's properties, apart by kind.
pub(crate) struct Properties<M: Model> {
    pub(crate) all: Vec<Property<M>>,
    pub(crate) always: Vec<Property<M>>,
    pub(crate) sometimes: Vec<Property<M>>,
    pub(crate) deadlock: bool,
}

impl<M: Model> Properties<M> {
    pub(crate) fn of<S: System<Model = M>>(system: &S) -> Result<Self, Error> {
        let all = system.model().properties();
        let kind = |wanted: Expectation| -> Vec<_> {
            all.iter()
                .filter(|property| property.expectation == wanted)
                .cloned()
                .collect()
        };
        let always = kind(Expectation::Always);
        let sometimes = kind(Expectation::Sometimes);
        match always.len().max(sometimes.len()) {
            0..=64 => Ok(Self {
                all,
                always,
                sometimes,
                deadlock: system.knows_deadlock(),
            }),
            many => Err(Error::TooManyProperties(many)),
        }
    }

    /// The `eventually` properties.
    pub(crate) fn claims<'a, S: System<Model = M>>(&self, system: &'a S) -> Vec<Claim<'a, M::State>>
    where
        M: 'a,
    {
        let eventually = |property: &&Property<M>| property.expectation == Expectation::Eventually;
        self.all
            .iter()
            .filter(eventually)
            .map(|property| {
                let condition = property.condition;
                Claim::eventually(property.name, move |state| condition(system.model(), state))
            })
            .collect()
    }

    /// The names in the order of the outcome, each with the place of its first finding.
    pub(crate) fn names(&self) -> impl Iterator<Item = (&'static str, Expectation, Option<Place>)> {
        let mut seen = (0, 0);
        self.all
            .iter()
            .map(move |property| {
                let place = match property.expectation {
                    Expectation::Always => {
                        seen.0 += 1;
                        Some(Place::Always(seen.0 - 1))
                    }
                    Expectation::Sometimes => {
                        seen.1 += 1;
                        Some(Place::Sometimes(seen.1 - 1))
                    }
                    Expectation::Eventually => None,
                };
                (property.name, property.expectation.clone(), place)
            })
            .chain(
                self.deadlock
                    .then_some((DEADLOCK, Expectation::Always, Some(Place::Deadlock))),
            )
    }

    /// The properties with their verdicts, then the claims with those of `verdicts`, of which the first
    /// are of the `eventually` properties.
    pub(crate) fn judged<A>(
        &self,
        claims: &[&Claim<'_, M::State>],
        verdicts: Vec<Verdict<M::State, A>>,
        verdict: impl Fn(&'static str, &Expectation, Place) -> Result<Verdict<M::State, A>, Error>,
    ) -> Result<Vec<Judged<M::State, A>>, Error> {
        let mut claimed = claims.iter().zip(verdicts);
        let mut judged = Vec::new();
        for (name, expectation, place) in self.names() {
            let verdict = match place {
                Some(place) => verdict(name, &expectation, place)?,
                None => claimed.next().expect("each has a verdict").1,
            };
            judged.push(Judged {
                name,
                expectation,
                verdict,
            });
        }
        judged.extend(claimed.map(|(claim, verdict)| Judged {
            name: claim.name,
            expectation: Expectation::Eventually,
            verdict,
        }));
        Ok(judged)
    }

    /// Whether a state decides a property, as the model says when asked anew.
    pub(crate) fn decided<S: System<Model = M>>(
        &self,
        system: &S,
        place: Place,
        state: &M::State,
    ) -> bool {
        match place {
            Place::Always(i) => system.violated(state, &self.always, 1 << i) >> i & 1 == 1,
            Place::Sometimes(i) => system.reached(state, &self.sometimes, 1 << i) >> i & 1 == 1,
            Place::Deadlock => {
                system.deadlocked(state) == Some(true)
                    && !system.stop_at(state)
                    && system.steps(state).is_empty()
            }
        }
    }
}

/// A property that a single state decides: which of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Place {
    Always(u32),
    Sometimes(u32),
    Deadlock,
}

/// For each property the first state, if any, that decides it.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Found {
    pub(crate) always: u64,
    pub(crate) sometimes: u64,
    pub(crate) deadlock: bool,
    pub(crate) first: Vec<(Place, Index)>,
}

impl Found {
    pub(crate) fn note(&mut self, place: Place, index: Index) {
        if !self.has(place) {
            match place {
                Place::Always(i) => self.always |= 1 << i,
                Place::Sometimes(i) => self.sometimes |= 1 << i,
                Place::Deadlock => self.deadlock = true,
            }
            self.first.push((place, index));
        }
    }

    pub(crate) fn has(&self, place: Place) -> bool {
        match place {
            Place::Always(i) => self.always >> i & 1 == 1,
            Place::Sometimes(i) => self.sometimes >> i & 1 == 1,
            Place::Deadlock => self.deadlock,
        }
    }

    /// Whether all findings are in the first so many states.
    pub(crate) fn is_below(&self, states: usize) -> bool {
        self.first
            .iter()
            .all(|&(_, index)| (index as usize) < states)
    }

    fn get(&self, place: Place) -> Option<Index> {
        self.first
            .iter()
            .find(|(at, _)| *at == place)
            .map(|(_, index)| *index)
    }
}

/// What [`StopWhen`] asks for.
pub(crate) enum Goal {
    None,
    All(Vec<Option<Place>>),
    Any(Vec<Option<Place>>),
}

impl Goal {
    pub(crate) fn new<M: Model>(
        stop_when: &StopWhen,
        properties: &Properties<M>,
    ) -> Result<Self, Error> {
        let places = |names: &[String]| {
            names
                .iter()
                .map(|name| {
                    properties
                        .names()
                        .find(|(known, _, _)| known == name)
                        .map(|(_, _, place)| place)
                        .ok_or_else(|| Error::UnknownProperty {
                            name: name.clone(),
                            known: properties
                                .names()
                                .map(|(known, _, _)| known.to_owned())
                                .collect(),
                        })
                })
                .collect::<Result<Vec<_>, _>>()
        };
        Ok(match stop_when {
            StopWhen::Exhausted => Self::None,
            StopWhen::AllFound(names) => Self::All(places(names)?),
            StopWhen::AnyFound(names) => Self::Any(places(names)?),
        })
    }

    pub(crate) fn reached(&self, found: &Found) -> bool {
        let has = |place: &Option<Place>| place.is_some_and(|place| found.has(place));
        match self {
            Self::None => false,
            Self::All(places) => places.iter().all(has),
            Self::Any(places) => places.iter().any(has),
        }
    }
}

/// Whether it is kept who found each state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Links {
    Kept,
    Dropped,
}

/// What has to be known where states are expanded.
pub(crate) struct Known<'a, S: System> {
    pub(crate) store: &'a S::Store,
    /// The number of the first state in that store.
    pub(crate) first: Index,
    /// Where successors can be looked up, if they can.
    pub(crate) table: Option<&'a Table>,
    pub(crate) properties: &'a Properties<S::Model>,
    /// Properties that need not be looked at any more, as in [`Found`].
    pub(crate) always: u64,
    pub(crate) sometimes: u64,
}

/// Everything a search leaves behind.
pub(crate) struct Explored<S: System> {
    pub(crate) properties: Arc<Properties<S::Model>>,
    pub(crate) store: S::Store,
    pub(crate) table: Table,
    /// Stays empty if nobody [keeps](Self::links) them.
    pub(crate) parents: Predecessors,
    pub(crate) links: Links,
    pub(crate) found: Found,
    pub(crate) coverage: S::Coverage,
    pub(crate) stats: Stats,
    pub(crate) unfinished: Option<Unfinished>,
}

impl<S: System> Explored<S> {
    pub(crate) fn new(system: &S, properties: Properties<S::Model>) -> Self {
        Self {
            properties: Arc::new(properties),
            store: system.new_store(),
            table: Table::with_capacity(1000),
            parents: Predecessors::new(),
            links: Links::Kept,
            found: Found::default(),
            coverage: S::Coverage::default(),
            stats: Stats::default(),
            unfinished: None,
        }
    }

    /// All of it, for whoever expands states.
    pub(crate) fn known(&self) -> Known<'_, S> {
        Known {
            store: &self.store,
            first: 0,
            table: Some(&self.table),
            properties: &self.properties,
            always: self.found.always,
            sometimes: self.found.sometimes,
        }
    }

    /// Memory for everything stored, less the table.
    pub(crate) fn bytes_without_table(&self) -> usize {
        self.store.bytes() + self.parents.bytes()
    }

    /// Keeps the accounts of a chunk's expansion.
    pub(crate) fn absorb(&mut self, chunk: &Chunk<S>) {
        self.stats.edges += chunk.tally.edges;
        self.stats.outside += chunk.tally.outside;
        self.stats.terminal += chunk.tally.terminal;
        self.stats.finished += chunk.tally.finished;
        self.stats.stopped += chunk.tally.stopped;
        self.coverage.merge(&chunk.coverage);
        for &(place, index) in &chunk.found.first {
            self.found.note(place, index);
        }
    }

    /// Stores those of the candidates in `fresh` that are new. `parent` tells whose successor a
    /// candidate is, in order. `room` is called before each of them and sees to it that the table has
    /// room for one more, or puts an end to it.
    pub(crate) fn store_fresh(
        &mut self,
        batch: &mut BatchOf<S>,
        fresh: &[Candidate],
        mut parent: impl FnMut(u32) -> Index,
        mut room: impl FnMut(&mut Self) -> Result<(), Unfinished>,
    ) -> Result<(), Unfinished> {
        let hash_at = |i| {
            let candidate: Option<&Candidate> = fresh.get(i);
            candidate.map(|candidate| candidate.hash)
        };
        let mut ahead = Ahead::new(&self.table, &self.store, hash_at);
        for (i, &Candidate { hash, at }) in fresh.iter().enumerate() {
            let Self { store, table, .. } = &*self;
            let guess = ahead.guess(table, store, hash_at, i);
            let equal = |index| store.equals(index, batch, at as usize);
            if guess.is_some_and(equal) {
                continue;
            }
            let Err(mut vacant) = table.find(hash, equal) else {
                continue;
            };
            let capacity = table.capacity();
            room(self)?;
            if self.table.capacity() != capacity {
                vacant = self.table.vacant(hash);
            }
            self.table.insert(vacant, hash, self.store.len() as Index);
            self.store.append(batch, at as usize);
            if self.links == Links::Kept {
                let in_order = self.parents.push(parent(at));
                in_order.expect("states are expanded in order");
            }
        }
        Ok(())
    }

    /// Makes room in the table for one more state, as far as a limit on memory permits, of which
    /// `buffer_bytes` are in use for other things.
    #[inline]
    pub(crate) fn make_room(
        &mut self,
        memory_bytes: Option<usize>,
        buffer_bytes: usize,
    ) -> Result<(), Unfinished> {
        match self.store.len() == self.table.capacity() {
            true => self.grow(memory_bytes, buffer_bytes),
            false => Ok(()),
        }
    }

    #[cold]
    fn grow(&mut self, memory_bytes: Option<usize>, buffer_bytes: usize) -> Result<(), Unfinished> {
        let states = self.store.len();
        if states == MAX_STATES {
            return Err(Unfinished::Numbers);
        }
        let free = memory_bytes.map_or(usize::MAX, |limit| {
            limit.saturating_sub(self.bytes_without_table() + buffer_bytes)
        });
        // As much again; close to the limit on memory, from the beginning, and by less.
        let twice = 2 * self.table.bytes();
        if twice + self.table.bytes() <= free && self.table.double(&self.store) {
            return Ok(());
        }
        let wanted = [states, states / 2, states / 8, states / 32]
            .map(|more| (states + more + 1).min(MAX_STATES))
            .into_iter()
            .find(|&wanted| Table::bytes_for(wanted) <= free)
            .ok_or(Unfinished::Memory)?;
        self.table.grow(wanted, &self.store);
        Ok(())
    }

    /// Whether every state but the initial ones has a predecessor found before it.
    pub(crate) fn links_are_sound(&self) -> bool {
        let initial = self.stats.levels[0];
        self.parents
            .iter()
            .enumerate()
            .all(|(index, parent)| match index < initial {
                true => parent == NOBODY,
                false => (parent as usize) < index,
            })
    }

    /// The numbers of the states on the way from an initial state to this one.
    pub(crate) fn way_to(&self, index: Index) -> Vec<Index> {
        let mut way = vec![index];
        let mut at = index;
        loop {
            at = self.parents.get(at as usize);
            if at == NOBODY {
                way.reverse();
                return way;
            }
            way.push(at);
        }
    }

    /// What to report, given the verdicts on `claims`, of which the first are the `eventually`
    /// properties.
    pub(crate) fn outcome(
        self,
        system: &S,
        claims: &[&Claim<'_, StateOf<S>>],
        verdicts: Vec<VerdictOf<S>>,
    ) -> Result<OutcomeOf<S>, Error> {
        let properties = self
            .properties
            .judged(claims, verdicts, |name, expectation, place| {
                self.verdict(system, name, expectation, place)
            })?;
        Ok(Outcome {
            properties,
            stats: self.stats,
            coverage: self.coverage,
            unfinished: self.unfinished,
            omission: self.store.omission(),
            unsaved: None,
        })
    }

    fn verdict(
        &self,
        system: &S,
        name: &'static str,
        expectation: &Expectation,
        place: Place,
    ) -> Result<VerdictOf<S>, Error> {
        if let Some(index) = self.found.get(place) {
            let run = self.replay_finding(system, name, place, index)?;
            return Ok(match expectation {
                Expectation::Sometimes => Verdict::Found(run),
                _ => Verdict::Violated(run),
            });
        }
        Ok(not_found(self.unfinished, expectation))
    }

    /// Rebuilds the run to a state and asks the model again whether that state decides the property.
    fn replay_finding(
        &self,
        system: &S,
        name: &'static str,
        place: Place,
        index: Index,
    ) -> Result<Run<S>, Error> {
        let run = replay(system, &self.store, &self.way_to(index), name)?;
        match self.properties.decided(system, place, run.last()) {
            true => Ok(run),
            false => Err(Error::Replay {
                property: name,
                step: run.len(),
            }),
        }
    }
}

/// The verdict on a property of which no state was found that decides it.
pub(crate) fn not_found<T, A>(
    unfinished: Option<Unfinished>,
    expectation: &Expectation,
) -> Verdict<T, A> {
    match (unfinished, expectation) {
        (Some(why), _) => Verdict::Unknown(why),
        (None, Expectation::Sometimes) => Verdict::Nowhere,
        (None, _) => Verdict::Holds,
    }
}
