//! Whether what was observed of a real system is a history of a model.
//!
//! An implementation writes a log of what it does. The model has more steps than the log has lines:
//! some of its steps show, the others are hidden. A [`Matcher`] keeps the set of all model states
//! that are compatible with what was observed so far, and moves the whole set on, one observation at
//! a time; the log is a history of the model unless the set becomes empty. This is the classical
//! construction of the subset automaton, made while reading and only as far as the log goes. That a
//! log of an implementation is checked in this way against a specification that sees more than the
//! log says is "trace validation" (Cirstea, Kuppe, Loillier and Merz, "Validating Traces of
//! Distributed Programs Against TLA+ Specifications", 2024); here all hidden variables may be left
//! out, because the set of states is kept and not guessed.
//!
//! * **Several logs, one history.** Within a log the order is given. Across logs only the model
//!   orders events: an observation of one log fits after one of another if the model has a run in
//!   which it does. The matcher keeps, for each vector of positions in the logs, the set of states
//!   compatible with it, and goes through the vectors breadth-first by the number of observations
//!   that fit. No interleaving is enumerated on its own.
//! * **Partly known observations.** An observation fits an event by a predicate of the caller's, so
//!   one with an unknown field fits several. With complete ones the predicate is `==`.
//! * **Accepted means found.** The set of compatible states is computed whole, or the answer is
//!   [`Answer::Unknown`]: when a limit is met, and when the model itself was cut off by its boundary
//!   before nothing fitted any more.
//! * **Cheap to use again.** The states met and the steps out of them are kept from one log to the
//!   next, so that checking thousands of short executions costs little more than following edges.
//!
//! What a step shows is a list of events, each for one log; the list is matched as a whole or not at
//! all, in its order. A model in which something else may be observed between two events must have
//! two steps there.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use foldhash::HashSet;
use hashbrown::HashTable;
use stateright::Model;

use crate::outcome::Error;
use crate::store::{Index, Store};
use crate::system::{ActionOf, BatchOf, StateOf, System};

/// How much a [`Matcher`] may keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatchLimits {
    /// The most pairs of positions and states that are compatible with the observations so far,
    /// hidden steps included, before the answer is [`Answer::Unknown`].
    pub frontier: usize,
    /// States kept, with the steps out of them, and pairs kept for telling a run, before those that
    /// are no longer compatible are thrown away: a matter of memory and time, never of the answer.
    /// Runs told later then begin where they were thrown away.
    pub kept: usize,
}

impl Default for MatchLimits {
    /// A hundred thousand pairs in the frontier, three hundred thousand kept.
    fn default() -> Self {
        Self {
            frontier: 100_000,
            kept: 300_000,
        }
    }
}

/// Why it is not known whether a log is a history of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Undecided {
    /// [`MatchLimits::frontier`] was met.
    #[error("more than {0} states of the model are compatible with what was observed")]
    Frontier(usize),
    /// Nothing that the model has fits, but it was not followed to its end: a compatible state has
    /// steps out of the model's boundary, or the model wishes not to be followed beyond it.
    #[error("the model ends at its boundary before the observations do")]
    Boundary,
    /// More different states than can be numbered, `2^31 - 2`, at the same time.
    #[error("there are more than 2^31 - 2 states")]
    Numbers,
}

/// What is known of logs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// Together they are the beginning of a history of the model.
    Accepted,
    /// They are not, whatever their interleaving.
    Rejected {
        /// For each log, how many of its observations fit in the best case: the number of the
        /// observation beyond which nothing fits, or the length of the log if all do. In logs that
        /// fit one by one but not together, each number may come from another interleaving.
        farthest: Vec<usize>,
    },
    /// Neither is known.
    Unknown(Undecided),
}

impl Answer {
    /// Whether the logs are known to be the beginning of a history of the model.
    pub fn is_accepted(&self) -> bool {
        *self == Self::Accepted
    }
}

/// An event of a log: the number of the log, and what is seen.
pub type Seen<V> = (usize, V);

/// A step that shows something and that the model could have taken where nothing fitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed<V> {
    /// How many observations of each log had been matched.
    pub positions: Vec<usize>,
    /// What the step shows.
    pub events: Vec<Seen<V>>,
}

/// A step of a [`Told`] run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldStep<T, A> {
    /// What was done.
    pub action: A,
    /// The state after it.
    pub state: T,
    /// The observations it accounts for, each the number of the log and of the observation in it;
    /// none if the step is hidden.
    pub accounts_for: Vec<(usize, usize)>,
}

/// One of the runs of the model that the observations are a record of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told<T, A> {
    /// The state the run is told from.
    pub start: T,
    /// How many observations of each log lie before: none, unless the run is told from an
    /// intermediate state because what was before had to be thrown away, see [`MatchLimits::kept`].
    pub positions: Vec<usize>,
    /// Its steps.
    pub steps: Vec<ToldStep<T, A>>,
}

impl<T, A> Told<T, A> {
    /// The state it ends in.
    pub fn last(&self) -> &T {
        self.steps.last().map_or(&self.start, |step| &step.state)
    }
}

/// Counts of the last call of [`Matcher::follow`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MatchStats {
    /// Pairs of positions and states looked at.
    pub pairs: usize,
    /// The most of them that were compatible at a time, with those that the next observations led
    /// to: what [`MatchLimits::frontier`] bounds.
    pub widest: usize,
    /// Steps that were followed.
    pub steps: u64,
    /// States whose steps had to be asked for, as they were not known from before.
    pub expanded: u64,
    /// The most states, or pairs, that were kept at a time: what [`MatchLimits::kept`] is about.
    pub kept: usize,
}

/// A step out of a state.
#[derive(Clone, Debug)]
struct Edge {
    to: Index,
    /// Its place among all steps out of the state, by which the action is found again.
    ordinal: u32,
    /// Where its events are, in the list of all.
    events: Range<u32>,
    /// The part of the system that takes it.
    part: u32,
}

/// The states met, each once, and the steps out of those that were asked for.
struct Kept<S: System, V> {
    store: S::Store,
    batch: BatchOf<S>,
    numbers: HashTable<Index>,
    /// For each state, where the steps out of it are, once they are known.
    out: Vec<Option<Out>>,
    edges: Vec<Edge>,
    events: Vec<Seen<V>>,
}

#[derive(Clone, Debug)]
struct Out {
    edges: Range<usize>,
    /// Whether there are more steps, which the model's boundary cuts off.
    cut: bool,
}

/// Numbers are 32 bits, of which hashing wants the upper ones.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl<S: System, V> Kept<S, V> {
    fn new(system: &S) -> Self {
        Self {
            store: system.new_store(),
            batch: BatchOf::<S>::default(),
            numbers: HashTable::new(),
            out: Vec::new(),
            edges: Vec::new(),
            events: Vec::new(),
        }
    }

    /// The number of a state.
    fn number(&mut self, system: &S, state: Cow<'_, StateOf<S>>) -> Result<Index, Undecided> {
        let hash = system.encode(&mut self.batch, &self.store, state);
        let (store, batch) = (&mut self.store, &mut self.batch);
        let known = self
            .numbers
            .find(spread(hash), |&index| {
                store.hash(index) == hash && store.equals(index, batch, 0)
            })
            .copied();
        let index = match known {
            Some(index) => index,
            None => {
                let index = Index::try_from(store.len()).map_err(|_| Undecided::Numbers)?;
                if index >= (1 << 31) - 2 {
                    return Err(Undecided::Numbers);
                }
                store.append(batch, 0);
                self.numbers
                    .insert_unique(spread(hash), index, |&index| spread(store.hash(index)));
                self.out.push(None);
                index
            }
        };
        S::Store::clear(batch);
        Ok(index)
    }

    fn state(&self, system: &S, index: Index) -> StateOf<S> {
        system.with_state(&self.store, index, Clone::clone)
    }

    /// The steps out of a state.
    fn out<F>(
        &mut self,
        system: &S,
        view: &F,
        part: Option<fn(&ActionOf<S>) -> u32>,
        index: Index,
    ) -> Result<Out, Undecided>
    where
        F: Fn(&StateOf<S>, &ActionOf<S>, &StateOf<S>, &mut Vec<Seen<V>>),
    {
        if let Some(out) = &self.out[index as usize] {
            return Ok(out.clone());
        }
        let state = self.state(system, index);
        let first = self.edges.len();
        let mut cut = system.stop_at(&state);
        if !cut {
            for (ordinal, (action, next)) in system.steps(&state).into_iter().enumerate() {
                if !system.model().within_boundary(&next) {
                    cut = true;
                    continue;
                }
                let start = self.events.len() as u32;
                view(&state, &action, &next, &mut self.events);
                let end = u32::try_from(self.events.len()).map_err(|_| Undecided::Numbers)?;
                let part = part.map_or(0, |part| part(&action));
                let to = self.number(system, Cow::Owned(next))?;
                self.edges.push(Edge {
                    to,
                    part,
                    ordinal: ordinal as u32,
                    events: start..end,
                });
            }
        }
        let out = Out {
            edges: first..self.edges.len(),
            cut,
        };
        self.out[index as usize] = Some(out.clone());
        Ok(out)
    }
}

/// A compatible pair, as one step of the run that led to it.
#[derive(Clone, Copy, Debug)]
struct Pair {
    state: Index,
    /// The pair before, or its own number if there is none.
    before: u32,
    /// The step from there.
    ordinal: u32,
}

/// The states compatible with a vector of positions.
#[derive(Debug, Default)]
struct Compatible {
    pairs: Vec<u32>,
    states: HashSet<Index>,
}

/// Positions in the logs, and what is compatible with them.
type Level = BTreeMap<Box<[u32]>, Compatible>;

/// What a call of [`Matcher::follow`] left behind.
struct Trail {
    pairs: Vec<Pair>,
    /// The positions of the pairs that no other precedes: the first ones.
    roots: Vec<Box<[u32]>>,
    /// The last level at which something was compatible, closed under hidden steps.
    last: Vec<(Box<[u32]>, Vec<u32>)>,
    stats: MatchStats,
}

/// Checks logs of observations against a model.
///
/// `S` is a [`PackedModel`](crate::PackedModel), or any stateright model in an
/// [`Exact`](crate::Exact). `V` is what can be seen of a step, and `F` the caller's function that
/// says it: from the state before, the action and the state after, it appends the events that the
/// step shows, in their order, each with the number of the log that records it. It must not depend
/// on anything else, as it is asked once for each step and not once for each time that it is taken.
/// An event of a log that is not there when [`follow`](Self::follow) is called is hidden.
///
/// ```
/// use glock_engine::{Answer, Exact, Matcher};
/// use stateright::Model;
///
/// /// A lock that two threads take in turn; that a thread asks for it is not seen.
/// struct Lock;
///
/// #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
/// enum Thread { Idle, Asks, Holds }
/// use Thread::*;
///
/// impl Model for Lock {
///     type State = [Thread; 2];
///     type Action = usize;
///     fn init_states(&self) -> Vec<[Thread; 2]> {
///         vec![[Idle; 2]]
///     }
///     fn actions(&self, _: &[Thread; 2], actions: &mut Vec<usize>) {
///         actions.extend([0, 1]);
///     }
///     fn next_state(&self, state: &[Thread; 2], who: usize) -> Option<[Thread; 2]> {
///         let mut next = *state;
///         next[who] = match state[who] {
///             Idle => Asks,
///             Asks if state[1 - who] != Holds => Holds,
///             Asks => return None,
///             Holds => Idle,
///         };
///         Some(next)
///     }
/// }
///
/// let lock = Exact::new(Lock);
/// // One log; an event is the thread and what it does.
/// let mut matcher = Matcher::new(&lock, |_: &_, &who: &usize, after: &[Thread; 2], seen: &mut Vec<_>| {
///     match after[who] {
///         Holds => seen.push((0, (who, "takes"))),
///         Idle => seen.push((0, (who, "drops"))),
///         Asks => {}
///     }
/// }).unwrap();
///
/// let good = [(0, "takes"), (0, "drops"), (1, "takes")];
/// assert_eq!(matcher.follow(&[&good], |event, seen| event == seen), Answer::Accepted);
///
/// let both = [(0, "takes"), (1, "takes")];
/// let answer = matcher.follow(&[&both], |event, seen| event == seen);
/// // The second observation of the only log is the first that fits nowhere.
/// assert_eq!(answer, Answer::Rejected { farthest: vec![1] });
/// let allowed = matcher.allowed();
/// assert_eq!(allowed.len(), 1);
/// assert_eq!(allowed[0].events, [(0, (0, "drops"))]);
/// ```
pub struct Matcher<'s, S: System, V, F> {
    system: &'s S,
    view: F,
    limits: MatchLimits,
    initial: Option<Vec<StateOf<S>>>,
    part: Option<fn(&ActionOf<S>) -> u32>,
    kept: Kept<S, V>,
    trail: Trail,
}

impl<'s, S, V, F> Matcher<'s, S, V, F>
where
    S: System,
    V: Clone,
    F: Fn(&StateOf<S>, &ActionOf<S>, &StateOf<S>, &mut Vec<Seen<V>>),
{
    /// A matcher of a model whose history starts in any of its initial states.
    ///
    /// # Errors
    ///
    /// [`Error::NoInitialState`] if there is none, [`Error::Symmetric`] if the model packs
    /// symmetrical states alike, as it then is not known who did something, and
    /// [`Error::StatesNotKept`] if the system keeps fingerprints only.
    pub fn new(system: &'s S, view: F) -> Result<Self, Error> {
        const CLAIM: &str = "this is a history of the model";
        if system.symmetric() {
            return Err(Error::Symmetric { claim: CLAIM });
        }
        if !S::KEEPS_STATES {
            return Err(Error::StatesNotKept { claim: CLAIM });
        }
        let model = system.model();
        if !model
            .init_states()
            .iter()
            .any(|state| model.within_boundary(state))
        {
            return Err(Error::NoInitialState);
        }
        Ok(Self {
            system,
            view,
            limits: MatchLimits::default(),
            initial: None,
            part: None,
            kept: Kept::new(system),
            trail: Trail {
                pairs: Vec::new(),
                roots: Vec::new(),
                last: Vec::new(),
                stats: MatchStats::default(),
            },
        })
    }

    /// Sets the limits.
    #[must_use]
    pub fn limits(self, limits: MatchLimits) -> Self {
        Self { limits, ..self }
    }

    /// Lets histories start in any of these states, instead of the model's initial ones: an empty
    /// list rejects everything, even nothing.
    #[must_use]
    pub fn starting_from(self, states: impl IntoIterator<Item = StateOf<S>>) -> Self {
        Self {
            initial: Some(states.into_iter().collect()),
            ..self
        }
    }

    /// Says which part of the system takes a step, for
    /// [`follow_by_parts`](Self::follow_by_parts).
    #[must_use]
    pub fn in_parts(self, part: fn(&ActionOf<S>) -> u32) -> Self {
        Self {
            part: Some(part),
            ..self
        }
    }

    /// Whether these logs, each in its order, are together the beginning of a history of the model.
    /// `fits` says whether an event of the model is what was observed.
    pub fn follow<O>(&mut self, logs: &[&[O]], fits: impl Fn(&V, &O) -> bool) -> Answer {
        self.follow_by_parts(logs, fits, |_| None)
    }

    /// As [`follow`](Self::follow), where parts of the system do not always have to be interleaved.
    /// `alone` is told what each log says next, and may name a part, as
    /// [`in_parts`](Self::in_parts) numbers them: then only that part's steps are taken there.
    ///
    /// This is sound, and it is for the caller to know, if in every run that goes on as the logs say
    /// the steps which that part takes up to its next observed event commute with all steps that
    /// other parts take before. After a rejection, `farthest` and what was
    /// [`allowed`](Self::allowed) are about the interleavings that were looked at.
    pub fn follow_by_parts<O>(
        &mut self,
        logs: &[&[O]],
        fits: impl Fn(&V, &O) -> bool,
        alone: impl Fn(&[Option<&O>]) -> Option<u32>,
    ) -> Answer {
        match self.advance(logs, fits, alone) {
            Ok(answer) => answer,
            Err(undecided) => Answer::Unknown(undecided),
        }
    }

    fn advance<O>(
        &mut self,
        logs: &[&[O]],
        fits: impl Fn(&V, &O) -> bool,
        alone: impl Fn(&[Option<&O>]) -> Option<u32>,
    ) -> Result<Answer, Undecided> {
        self.trail.last.clear();
        self.trail.stats = MatchStats::default();
        let total: usize = logs.iter().map(|log| log.len()).sum();
        let mut levels = self.start(logs.len())?;
        let mut waiting = self.trail.pairs.len();
        let mut farthest = vec![0; logs.len()];
        let mut reached = vec![0; logs.len()];
        let mut cut = false;
        while let Some((matched, level)) = levels.pop_first() {
            let mut closed = Vec::with_capacity(level.len());
            for (positions, mut here) in level {
                let mut next = 0;
                let ahead = logs.iter().zip(&positions);
                let ahead: Vec<Option<&O>> = ahead.map(|(log, &at)| log.get(at as usize)).collect();
                let only = alone(&ahead);
                while next < here.pairs.len() {
                    let number = here.pairs[next];
                    next += 1;
                    let state = self.trail.pairs[number as usize].state;
                    let known = self.kept.out[state as usize].is_some();
                    self.trail.stats.expanded += u64::from(!known);
                    let out = self.kept.out(self.system, &self.view, self.part, state)?;
                    cut |= out.cut;
                    self.trail.stats.steps += out.edges.len() as u64;
                    for edge in out.edges {
                        let Edge {
                            to,
                            ordinal,
                            ref events,
                            part,
                        } = self.kept.edges[edge];
                        if only.is_some_and(|only| only != part) {
                            continue;
                        }
                        let pair = Pair {
                            state: to,
                            before: number,
                            ordinal,
                        };
                        let events = &self.kept.events[events.start as usize..events.end as usize];
                        let hidden = events.iter().all(|(log, _)| *log >= logs.len());
                        if hidden {
                            waiting += usize::from(self.trail.add(&mut here, pair)?);
                        } else {
                            reached.copy_from_slice(&positions);
                            let fitted = fit(logs, &fits, &mut reached, events);
                            for (most, &position) in farthest.iter_mut().zip(&reached) {
                                *most = (*most).max(position as usize);
                            }
                            if fitted < events.len() {
                                continue;
                            }
                            let depth = reached.iter().map(|&at| at as usize).sum();
                            debug_assert!(depth > matched, "something was matched");
                            let there = compatible(levels.entry(depth).or_default(), &reached);
                            waiting += usize::from(self.trail.add(there, pair)?);
                        }
                        if waiting > self.limits.frontier {
                            return Err(Undecided::Frontier(self.limits.frontier));
                        }
                    }
                }
                closed.push((positions, here.pairs));
            }
            let now: usize = closed.iter().map(|(_, pairs)| pairs.len()).sum();
            self.trail.stats.pairs += now;
            self.trail.stats.widest = self.trail.stats.widest.max(waiting);
            waiting -= now;
            self.trail.last = closed;
            if matched == total {
                return Ok(Answer::Accepted);
            }
            let kept = self.trail.pairs.len().max(self.kept.store.len());
            self.trail.stats.kept = self.trail.stats.kept.max(kept);
            if kept > self.limits.kept.max(4 * waiting) && !levels.is_empty() {
                self.throw_away(&mut levels)?;
            }
        }
        match cut {
            true => Err(Undecided::Boundary),
            false => Ok(Answer::Rejected { farthest }),
        }
    }

    /// The level before the first observation.
    fn start(&mut self, logs: usize) -> Result<BTreeMap<usize, Level>, Undecided> {
        if self.kept.store.len() > self.limits.kept {
            self.kept = Kept::new(self.system);
        }
        self.trail.pairs.clear();
        self.trail.roots.clear();
        let from_model = match &self.initial {
            Some(_) => Vec::new(),
            None => {
                let model = self.system.model();
                let mut states = model.init_states();
                states.retain(|state| model.within_boundary(state));
                states
            }
        };
        let mut first = Compatible::default();
        let positions = vec![0; logs].into_boxed_slice();
        for state in self.initial.as_ref().unwrap_or(&from_model) {
            let state = self.kept.number(self.system, Cow::Borrowed(state))?;
            if self.trail.add_root(&mut first, state)? {
                self.trail.roots.push(positions.clone());
            }
        }
        if first.pairs.is_empty() {
            return Ok(BTreeMap::new());
        }
        Ok(BTreeMap::from([(
            0,
            Level::from_iter([(positions, first)]),
        )]))
    }

    /// Keeps nothing but what is still compatible.
    fn throw_away(&mut self, levels: &mut BTreeMap<usize, Level>) -> Result<(), Undecided> {
        let mut kept = Kept::new(self.system);
        let old = std::mem::take(&mut self.trail.pairs);
        self.trail.roots.clear();
        let mut moved = BTreeMap::new();
        for (depth, level) in std::mem::take(levels) {
            let mut there = Level::default();
            for (positions, compatible) in level {
                let mut now = Compatible::default();
                for number in compatible.pairs {
                    let state = self.kept.state(self.system, old[number as usize].state);
                    let state = kept.number(self.system, Cow::Owned(state))?;
                    self.trail.add_root(&mut now, state)?;
                    self.trail.roots.push(positions.clone());
                }
                there.insert(positions, now);
            }
            moved.insert(depth, there);
        }
        // What was compatible last is told about only where nothing comes after it.
        self.trail.last.clear();
        self.kept = kept;
        *levels = moved;
        Ok(())
    }

    /// Counts of the last call of [`follow`](Self::follow).
    pub fn stats(&self) -> MatchStats {
        self.trail.stats
    }

    /// How many different states, with the steps out of them, are kept for the next call.
    pub fn kept(&self) -> usize {
        self.kept.store.len()
    }

    /// The states that the last call of [`follow`](Self::follow) left: those compatible with all
    /// observations if it accepted them, those before the first that did not fit if it rejected
    /// them, each with the positions in the logs. Hidden steps have been taken, none of them, or any
    /// number. After [`Answer::Unknown`], those where everything was still known.
    pub fn states(&self) -> impl Iterator<Item = (&[u32], StateOf<S>)> {
        self.trail.last.iter().flat_map(move |(positions, pairs)| {
            pairs.iter().map(move |&number| {
                let state = self.trail.pairs[number as usize].state;
                (&positions[..], self.kept.state(self.system, state))
            })
        })
    }

    /// The steps out of [`states`](Self::states) that show something, each different list of events
    /// once: after a rejection, what the model would have allowed instead.
    pub fn allowed(&self) -> Vec<Allowed<V>>
    where
        V: PartialEq,
    {
        let mut allowed: Vec<Allowed<V>> = Vec::new();
        for (positions, pairs) in &self.trail.last {
            for &number in pairs {
                let state = self.trail.pairs[number as usize].state as usize;
                let Some(out) = &self.kept.out[state] else {
                    continue;
                };
                for edge in &self.kept.edges[out.edges.clone()] {
                    let range = edge.events.start as usize..edge.events.end as usize;
                    let events = &self.kept.events[range];
                    let seen = events.iter().any(|(log, _)| *log < positions.len());
                    let step = Allowed {
                        positions: positions.iter().map(|&at| at as usize).collect(),
                        events: events.to_vec(),
                    };
                    if seen && !allowed.contains(&step) {
                        allowed.push(step);
                    }
                }
            }
        }
        allowed
    }

    /// A run of the model that leads, through the observations, to the first of the
    /// [`states`](Self::states) that `wanted` accepts; `None` if there is none such.
    pub fn told(
        &self,
        wanted: impl Fn(&StateOf<S>) -> bool,
    ) -> Option<Told<StateOf<S>, ActionOf<S>>> {
        let number = self
            .trail
            .last
            .iter()
            .flat_map(|(_, pairs)| pairs)
            .copied()
            .find(|&number| {
                let state = self.trail.pairs[number as usize].state;
                self.system.with_state(&self.kept.store, state, &wanted)
            })?;
        let mut way = vec![self.trail.pairs[number as usize]];
        let mut at = number;
        while self.trail.pairs[at as usize].before != at {
            at = self.trail.pairs[at as usize].before;
            way.push(self.trail.pairs[at as usize]);
        }
        way.reverse();
        let root = &self.trail.roots[at as usize];
        let mut positions: Vec<usize> = root.iter().map(|&at| at as usize).collect();
        let start = self.kept.state(self.system, way[0].state);
        let mut told = Told {
            start: start.clone(),
            positions: positions.clone(),
            steps: Vec::with_capacity(way.len() - 1),
        };
        let mut state = start;
        let mut events = Vec::new();
        for pair in &way[1..] {
            let (action, next) = self
                .system
                .steps(&state)
                .into_iter()
                .nth(pair.ordinal as usize)?;
            events.clear();
            (self.view)(&state, &action, &next, &mut events);
            let mut accounts_for = Vec::new();
            for (log, _) in &events {
                if let Some(position) = positions.get_mut(*log) {
                    accounts_for.push((*log, *position));
                    *position += 1;
                }
            }
            state = next.clone();
            told.steps.push(ToldStep {
                action,
                state: next,
                accounts_for,
            });
        }
        Some(told)
    }
}

/// What is compatible with these positions.
fn compatible<'l>(level: &'l mut Level, positions: &[u32]) -> &'l mut Compatible {
    if !level.contains_key(positions) {
        level.insert(positions.into(), Compatible::default());
    }
    level.get_mut(positions).expect("it was just ensured")
}

/// Moves the positions over the events that fit, until one does not; how many do.
fn fit<V, O>(
    logs: &[&[O]],
    fits: &impl Fn(&V, &O) -> bool,
    positions: &mut [u32],
    events: &[Seen<V>],
) -> usize {
    for (done, (log, event)) in events.iter().enumerate() {
        let Some(observations) = logs.get(*log) else {
            continue;
        };
        let position = &mut positions[*log];
        match observations.get(*position as usize) {
            Some(observation) if fits(event, observation) => *position += 1,
            _ => return done,
        }
    }
    events.len()
}

impl Trail {
    /// Adds a pair unless its state is there; whether it was new.
    fn add(&mut self, to: &mut Compatible, pair: Pair) -> Result<bool, Undecided> {
        if !to.states.insert(pair.state) {
            return Ok(false);
        }
        let number = u32::try_from(self.pairs.len()).map_err(|_| Undecided::Numbers)?;
        self.pairs.push(pair);
        to.pairs.push(number);
        Ok(true)
    }

    /// Adds a pair that no other precedes.
    fn add_root(&mut self, to: &mut Compatible, state: Index) -> Result<bool, Undecided> {
        let before = u32::try_from(self.pairs.len()).map_err(|_| Undecided::Numbers)?;
        let ordinal = 0;
        self.add(
            to,
            Pair {
                state,
                before,
                ordinal,
            },
        )
    }
}
