//! stateright's actor systems, searched by the numbers of their parts.
//!
//! A step changes one actor and a few messages, so that many states are few actors' states and
//! messages put together in ever new ways. Each such part is kept once and has a number; a state is
//! the list of the numbers of its parts, a byte or two each (see [`glock_parts`]). Nothing is lost by
//! it: parts are compared with `==`, and different numbers are different parts.
//!
//! What an actor makes of a message depends on the actor's own state and on the message, as that is
//! all it is called with. So it is asked once for each pair of them, and what it answered is known by
//! their numbers ever after; the same goes for timers, random choices, crashes and recoveries. A
//! successor is made of numbers, and a state is only put together for the model's properties, its
//! boundary, and whoever asks for it.
//!
//! A step is meant to be exactly what `ActorModel::next_state` makes of it, with steps in the order of
//! `ActorModel::actions`: a test compares them for actors of every kind, and no run is reported that the
//! model itself has not gone through.

use std::borrow::Cow;
use std::fmt::Debug;
use std::hash::{BuildHasher, Hash, Hasher};
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use foldhash::quality::FixedState;
use glock_parts::{Memo, Numbered};
use hashbrown::Equivalent;
use stateright::Model;
use stateright::actor::{
    Actor, ActorModel, ActorModelAction, ActorModelState, Command, Envelope, Id, LossyNetwork,
    Network, Out, RandomChoices, Timers, is_no_op, is_no_op_with_timer,
};

use crate::store::{Blocks, Index, Keeps, Store, fold, mix, prefetch};

mod histories;
mod network;
mod records;
use histories::Histories;
use network::{Envelopes, Kind};
use records::{Reader, Records, write};

fn hash_of(value: &(impl Hash + ?Sized)) -> u64 {
    FixedState::with_seed(0).hash_one(value)
}

/// A key that no [`Memo`] keeps anything for.
const NO_KEY: u64 = u64::MAX - 1;

/// What one actor has.
struct Has<A: Actor> {
    state: Arc<A::State>,
    timers: Timers<A::Timer>,
    choices: RandomChoices<A::Random>,
    crashed: bool,
    storage: Option<A::Storage>,
}

impl<A: Actor> Clone for Has<A> {
    fn clone(&self) -> Self {
        Self {
            state: self.state.clone(),
            timers: self.timers.clone(),
            choices: self.choices.clone(),
            crashed: self.crashed,
            storage: self.storage.clone(),
        }
    }
}

impl<A: Actor> Has<A> {
    fn hash(&self, actor: usize) -> u64 {
        let Self {
            state,
            timers,
            choices,
            crashed,
            storage,
        } = self;
        hash_of(&(actor, state, timers, choices, crashed, storage))
    }
}

/// What one actor has, by whose number it is known, and what comes of it.
struct Local<A: Actor> {
    actor: usize,
    hash: u64,
    has: Has<A>,
    /// What it may do by itself, but for a crash.
    own: OnceLock<Box<[OwnStep<A>]>>,
    /// Its number when it has crashed.
    crash: OnceLock<u32>,
}

impl<A: Actor> PartialEq for Local<A> {
    fn eq(&self, other: &Self) -> bool {
        LocalKey::of(self.actor, self.hash, &other.has).equivalent(other)
    }
}

/// A local state that does not equal itself would be found anew for ever.
impl<A: Actor> Eq for Local<A> {}

impl<A: Actor> Hash for Local<A> {
    fn hash<T: Hasher>(&self, state: &mut T) {
        state.write_u64(self.hash);
    }
}

/// By what a [`Local`] is looked for.
struct LocalKey<'a, A: Actor> {
    actor: usize,
    hash: u64,
    has: &'a Has<A>,
}

impl<'a, A: Actor> LocalKey<'a, A> {
    fn of(actor: usize, hash: u64, has: &'a Has<A>) -> Self {
        Self { actor, hash, has }
    }
}

impl<A: Actor> Hash for LocalKey<'_, A> {
    fn hash<T: Hasher>(&self, state: &mut T) {
        state.write_u64(self.hash);
    }
}

impl<A: Actor> Equivalent<Local<A>> for LocalKey<'_, A> {
    fn equivalent(&self, other: &Local<A>) -> bool {
        let (one, two) = (self.has, &other.has);
        self.hash == other.hash
            && self.actor == other.actor
            && (Arc::ptr_eq(&one.state, &two.state) || one.state == two.state)
            && one.timers == two.timers
            && one.choices == two.choices
            && one.crashed == two.crashed
            && one.storage == two.storage
    }
}

/// A step of an actor by itself.
struct OwnStep<A: Actor> {
    kind: Own<A>,
    /// The number of the [`ActorStep`].
    step: u32,
}

enum Own<A: Actor> {
    Timeout(A::Timer),
    Recover,
    Select(String, A::Random),
}

/// What an actor makes of a message, or does by itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ActorStep {
    /// The envelope that is delivered.
    delivered: Option<u32>,
    /// What it has then.
    next: u32,
    /// The envelopes that it sends, in turn.
    sent: Box<[u32]>,
}

/// An envelope with its hash.
struct Message<M> {
    hash: u64,
    envelope: Envelope<M>,
}

impl<M: Eq> PartialEq for Message<M> {
    fn eq(&self, other: &Self) -> bool {
        self.envelope == other.envelope
    }
}

impl<M: Eq> Eq for Message<M> {}

impl<M> Hash for Message<M> {
    fn hash<T: Hasher>(&self, state: &mut T) {
        state.write_u64(self.hash);
    }
}

/// By what a [`Message`] is looked for.
struct MessageKey<'a, M> {
    hash: u64,
    src: Id,
    dst: Id,
    msg: &'a M,
}

impl<M> Hash for MessageKey<'_, M> {
    fn hash<T: Hasher>(&self, state: &mut T) {
        state.write_u64(self.hash);
    }
}

impl<M: Eq> Equivalent<Message<M>> for MessageKey<'_, M> {
    fn equivalent(&self, other: &Message<M>) -> bool {
        let Envelope { src, dst, msg } = &other.envelope;
        self.hash == other.hash && self.src == *src && self.dst == *dst && self.msg == msg
    }
}

impl<M: Clone + Eq + Hash> Envelopes<M> for Numbered<Message<M>> {
    #[inline]
    fn get(&self, number: u32) -> &Envelope<M> {
        &self.get(number).envelope
    }

    fn number(&self, src: Id, dst: Id, msg: &M) -> u32 {
        let hash = hash_of(&(src, dst, msg));
        let key = MessageKey {
            hash,
            src,
            dst,
            msg,
        };
        self.number_of(&key, || Message {
            hash,
            envelope: Envelope {
                src,
                dst,
                msg: msg.clone(),
            },
        })
    }
}

/// A state by the numbers of its parts.
#[derive(Clone, Debug, Default)]
struct Numbers {
    locals: Vec<u32>,
    history: u32,
    /// See [`Kind`].
    network: Vec<u32>,
}

impl Numbers {
    /// Reads a record of a system with so many actors.
    #[inline]
    fn read(&mut self, mut record: Reader<'_>, actors: usize) {
        self.locals.clear();
        self.locals.extend((0..actors).map(|_| record.next()));
        self.history = record.next();
        let length = record.next();
        self.network.clear();
        self.network.extend((0..length).map(|_| record.next()));
    }

    /// Adds a record to `to`.
    #[inline]
    fn write(locals: impl Iterator<Item = u32>, history: u32, network: &[u32], to: &mut Vec<u8>) {
        locals.for_each(|local| write(to, local));
        write(to, history);
        write(to, network.len() as u32);
        network.iter().for_each(|&number| write(to, number));
    }
}

/// A state put together of its parts. The next one has many parts in common with it and is made by
/// changing the others.
struct Made<A: Actor, H> {
    numbers: Numbers,
    state: ActorModelState<A, H>,
    /// Memory for the next numbers.
    next: Numbers,
}

/// What is left to say about how an actor system is kept.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Whether the model may have a boundary.
    bounded: bool,
}

impl Bounds {
    /// A model, and whether it may have a boundary. It has none if it has the function that stateright
    /// gives to all models, which says that everything is within.
    pub(crate) fn of<A, C, H>(model: ActorModel<A, C, H>) -> (ActorModel<A, C, H>, Self)
    where
        A: Actor<Msg: Ord, Timer: Ord>,
        H: Clone + Debug + Hash,
    {
        let plain = ActorModel::<A, C, H>::new(model.cfg, model.init_history);
        let bounded = !std::ptr::fn_addr_eq(model.within_boundary, plain.within_boundary);
        let model = ActorModel {
            cfg: plain.cfg,
            init_history: plain.init_history,
            ..model
        };
        (model, Self { bounded })
    }
}

/// The states of an actor system, in parts. See [`Exact::in_parts`](crate::Exact::in_parts).
pub struct ActorStore<A, C, H>
where
    A: Actor<Msg: Ord, Timer: Ord>,
    H: Clone + Debug + Hash,
{
    model: Arc<ActorModel<A, C, H>>,
    bounded: bool,
    kind: Kind,
    locals: Numbered<Local<A>>,
    envelopes: Numbered<Message<A::Msg>>,
    steps: Numbered<ActorStep>,
    /// By an actor's local state and an envelope, the number of the step plus one, or 0 for none.
    delivered: Memo<24>,
    /// By a history and a step, the history that is recorded then, if it is another one.
    recorded: Memo<24>,
    histories: Histories<H>,
    records: Records,
    hashes: Blocks<u32>,
    /// The states that were put together last, one or two for each thread at most.
    made: Mutex<Vec<Made<A, H>>>,
}

/// A step, as far as it need be known to tell its action.
enum Step<'a, A: Actor> {
    Drop(u32),
    Deliver(u32),
    Crash(usize),
    Own(usize, &'a Own<A>),
}

/// Where a step leads, but for what stays.
struct Change<'a> {
    local: Option<(usize, u32)>,
    history: u32,
    network: &'a [u32],
}

impl<A, C, H> ActorStore<A, C, H>
where
    A: Actor<Msg: Ord, Timer: Ord>,
    H: Clone + Debug + Hash + PartialEq,
{
    fn actors(&self) -> usize {
        self.model.actors.len()
    }

    fn number_local(&self, actor: usize, has: Has<A>) -> u32 {
        let hash = has.hash(actor);
        let key = LocalKey::of(actor, hash, &has);
        self.locals.number_of(&key, || Local {
            actor,
            hash,
            has: has.clone(),
            own: OnceLock::new(),
            crash: OnceLock::new(),
        })
    }

    /// What the model records of a step.
    fn record(&self, history: &H, step: u32) -> Option<H> {
        let Self {
            model, envelopes, ..
        } = self;
        let ActorModel {
            cfg,
            record_msg_in,
            record_msg_out,
            ..
        } = &**model;
        let lend = |number: u32| {
            let Envelope { src, dst, msg } = Envelopes::get(envelopes, number);
            Envelope {
                src: *src,
                dst: *dst,
                msg,
            }
        };
        let step = self.steps.get(step);
        let delivered = step.delivered;
        let mut next = delivered.and_then(|number| record_msg_in(cfg, history, lend(number)));
        for &number in &step.sent {
            let history = next.as_ref().unwrap_or(history);
            if let Some(more) = record_msg_out(cfg, history, lend(number)) {
                next = Some(more);
            }
        }
        next
    }

    fn history(&self, number: u32) -> &H {
        let record = |history: &H, step| self.record(history, step);
        self.histories.says(number, &record)
    }

    fn number_history(&self, history: Cow<'_, H>, before: Option<(u32, u32)>) -> u32 {
        let record = |history: &H, step| self.record(history, step);
        let hash = hash_of(&*history);
        self.histories.number(hash, history, before, &record)
    }

    /// The history after a step.
    #[inline]
    fn history_after(&self, before: u32, step: u32) -> u32 {
        const STEPS: u64 = 1 << 17;
        let key = match u64::from(step) < STEPS {
            true => u64::from(before) * STEPS + u64::from(step),
            false => NO_KEY,
        };
        if let Some(after) = self.recorded.get(key) {
            return after as u32;
        }
        match self.record(self.history(before), step) {
            Some(history) => {
                let after = self.number_history(Cow::Owned(history), Some((before, step)));
                self.recorded.keep(key, u64::from(after));
                after
            }
            None => before,
        }
    }

    /// What an actor that had this comes to have and sends by what it was called for.
    fn finish(
        &self,
        actor: usize,
        mut has: Has<A>,
        state: Option<A::State>,
        out: Out<A>,
        delivered: Option<u32>,
    ) -> u32 {
        if let Some(state) = state {
            has.state = Arc::new(state);
        }
        let mut sent = Vec::new();
        for command in out {
            match command {
                Command::Send(dst, msg) => {
                    sent.push(Envelopes::number(&self.envelopes, actor.into(), dst, &msg));
                }
                Command::SetTimer(timer, _) => {
                    has.timers.set(timer);
                }
                Command::CancelTimer(timer) => {
                    has.timers.cancel(&timer);
                }
                Command::ChooseRandom(key, choices) => match choices.is_empty() {
                    true => {
                        has.choices.remove(&key);
                    }
                    false => has.choices.insert(key, choices),
                },
                Command::Save(storage) => has.storage = Some(storage),
            }
        }
        let next = self.number_local(actor, has);
        self.steps.number(ActorStep {
            delivered,
            next,
            sent: sent.into(),
        })
    }

    /// What an actor makes of a message, if it is anything.
    #[inline]
    fn delivered(&self, local: u32, envelope: u32) -> Option<u32> {
        const ENVELOPES: u64 = 1 << 19;
        let key = match u64::from(envelope) < ENVELOPES {
            true => u64::from(local) * ENVELOPES + u64::from(envelope),
            false => NO_KEY,
        };
        let step = self.delivered.get(key).unwrap_or_else(|| {
            let step = self.deliver(local, envelope);
            let step = step.map_or(0, |step| u64::from(step) + 1);
            self.delivered.keep(key, step);
            step
        });
        step.checked_sub(1).map(|step| step as u32)
    }

    #[cold]
    fn deliver(&self, local: u32, envelope: u32) -> Option<u32> {
        let Local { actor, has, .. } = self.locals.get(local);
        if has.crashed {
            return None;
        }
        let Envelope { src, msg, .. } = Envelopes::get(&self.envelopes, envelope);
        let mut state = Cow::Borrowed(&*has.state);
        let mut out = Out::new();
        self.model.actors[*actor].on_msg((*actor).into(), &mut state, *src, msg.clone(), &mut out);
        if is_no_op(&state, &out) && self.kind != Kind::Ordered {
            return None;
        }
        let state = changed(state);
        Some(self.finish(*actor, has.clone(), state, out, Some(envelope)))
    }

    /// What an actor may do by itself, in the order of stateright's actions.
    fn own(&self, local: u32) -> &[OwnStep<A>] {
        let local = self.locals.get(local);
        local.own.get_or_init(|| self.work_out_own(local))
    }

    #[cold]
    fn work_out_own(&self, local: &Local<A>) -> Box<[OwnStep<A>]> {
        let Local { actor, has, .. } = local;
        let (id, runs) = (Id::from(*actor), &self.model.actors[*actor]);
        let mut own = Vec::new();
        let mut timers: Vec<_> = has.timers.iter().collect();
        timers.sort_unstable();
        for timer in timers {
            let mut state = Cow::Borrowed(&*has.state);
            let mut out = Out::new();
            runs.on_timeout(id, &mut state, timer, &mut out);
            if is_no_op_with_timer(&state, &out, timer) {
                continue;
            }
            let mut then = has.clone();
            then.timers.cancel(timer);
            let state = changed(state);
            own.push(OwnStep {
                kind: Own::Timeout(timer.clone()),
                step: self.finish(*actor, then, state, out, None),
            });
        }
        if has.crashed {
            let mut out = Out::new();
            let state = runs.on_start(id, &has.storage, &mut out);
            let mut then = has.clone();
            then.crashed = false;
            own.push(OwnStep {
                kind: Own::Recover,
                step: self.finish(*actor, then, Some(state), out, None),
            });
        }
        let choices = has.choices.map.iter();
        let mut choices: Vec<_> = choices
            .flat_map(|(key, choices)| choices.iter().map(move |choice| (key, choice)))
            .collect();
        choices.sort_unstable();
        for (key, choice) in choices {
            let mut state = Cow::Borrowed(&*has.state);
            let mut out = Out::new();
            runs.on_random(id, &mut state, choice, &mut out);
            let mut then = has.clone();
            then.choices.remove(key);
            let state = changed(state);
            own.push(OwnStep {
                kind: Own::Select(key.clone(), choice.clone()),
                step: self.finish(*actor, then, state, out, None),
            });
        }
        own.into()
    }

    fn crashed(&self, local: u32) -> u32 {
        let local = self.locals.get(local);
        *local.crash.get_or_init(|| {
            let mut has = local.has.clone();
            has.timers.cancel_all();
            has.choices.map.clear();
            has.crashed = true;
            self.number_local(local.actor, has)
        })
    }

    /// The successors of a state, in the order of stateright's actions.
    #[inline]
    fn successors(
        &self,
        from: &Numbers,
        network: &mut Vec<u32>,
        mut each: impl FnMut(Step<'_, A>, Change<'_>),
    ) {
        let Self { model, kind, .. } = self;
        let actors = self.actors();
        let restore = |network: &mut Vec<u32>| {
            network.clear();
            network.extend_from_slice(&from.network);
        };
        if model.lossy_network == LossyNetwork::Yes {
            for at in kind.deliverable(&from.network) {
                restore(network);
                kind.drop(network, at);
                let change = Change {
                    local: None,
                    history: from.history,
                    network,
                };
                each(Step::Drop(from.network[at]), change);
            }
        }
        for at in kind.deliverable(&from.network) {
            let envelope = from.network[at];
            let to = usize::from(Envelopes::get(&self.envelopes, envelope).dst);
            if to >= actors {
                continue;
            }
            let Some(step) = self.delivered(from.locals[to], envelope) else {
                continue;
            };
            restore(network);
            kind.deliver(network, at);
            self.take(step, to, from.history, network, |change| {
                each(Step::Deliver(envelope), change);
            });
        }
        for (actor, &local) in from.locals.iter().enumerate() {
            for OwnStep { kind, step } in self.own(local) {
                if matches!(kind, Own::Timeout(_)) {
                    restore(network);
                    self.take(*step, actor, from.history, network, |change| {
                        each(Step::Own(actor, kind), change);
                    });
                }
            }
        }
        let has_crashed = |local: &u32| self.locals.get(*local).has.crashed;
        if model.max_crashes > 0
            && from
                .locals
                .iter()
                .filter(|local| has_crashed(local))
                .count()
                < model.max_crashes
        {
            for (actor, local) in from.locals.iter().enumerate() {
                if !has_crashed(local) {
                    let change = Change {
                        local: Some((actor, self.crashed(*local))),
                        history: from.history,
                        network: &from.network,
                    };
                    each(Step::Crash(actor), change);
                }
            }
        }
        for recovers in [true, false] {
            for (actor, &local) in from.locals.iter().enumerate() {
                for OwnStep { kind, step } in self.own(local) {
                    let wanted = match kind {
                        Own::Timeout(_) => false,
                        Own::Recover => recovers,
                        Own::Select(..) => !recovers,
                    };
                    if wanted {
                        restore(network);
                        self.take(*step, actor, from.history, network, |change| {
                            each(Step::Own(actor, kind), change);
                        });
                    }
                }
            }
        }
    }

    /// An actor's step, in this network.
    #[inline]
    fn take(
        &self,
        number: u32,
        actor: usize,
        history: u32,
        network: &mut Vec<u32>,
        each: impl FnOnce(Change<'_>),
    ) {
        let step = self.steps.get(number);
        for &sent in &step.sent {
            self.kind.send(network, sent, &self.envelopes);
        }
        each(Change {
            local: Some((actor, step.next)),
            history: self.history_after(history, number),
            network,
        });
    }

    fn action(&self, step: &Step<'_, A>) -> ActorModelAction<A::Msg, A::Timer, A::Random> {
        let envelope = |number: u32| Envelopes::get(&self.envelopes, number).clone();
        match *step {
            Step::Drop(number) => ActorModelAction::Drop(envelope(number)),
            Step::Deliver(number) => {
                let Envelope { src, dst, msg } = envelope(number);
                ActorModelAction::Deliver { src, dst, msg }
            }
            Step::Crash(actor) => ActorModelAction::Crash(actor.into()),
            Step::Own(actor, own) => match own {
                Own::Timeout(timer) => ActorModelAction::Timeout(actor.into(), timer.clone()),
                Own::Recover => ActorModelAction::Recover(actor.into()),
                Own::Select(key, choice) => ActorModelAction::SelectRandom {
                    actor: actor.into(),
                    key: key.clone(),
                    random: choice.clone(),
                },
            },
        }
    }

    /// What one actor has in a state.
    fn has(&self, state: &ActorModelState<A, H>, actor: usize) -> Has<A> {
        Has {
            state: state.actor_states[actor].clone(),
            timers: state.timers_set[actor].clone(),
            choices: state.random_choices[actor].clone(),
            crashed: state.crashed[actor],
            storage: state.actor_storages[actor].clone(),
        }
    }

    /// Puts a state together.
    fn make(&self, record: Reader<'_>) -> Made<A, H> {
        let mut numbers = Numbers::default();
        numbers.read(record, self.actors());
        let all = || {
            numbers
                .locals
                .iter()
                .map(|&local| &self.locals.get(local).has)
        };
        let mut network = match self.kind {
            Kind::Duplicating => Network::new_unordered_duplicating([]),
            Kind::NonDuplicating => Network::new_unordered_nonduplicating([]),
            Kind::Ordered => Network::new_ordered([]),
        };
        let none = match self.kind {
            Kind::Duplicating => &[0][..],
            _ => &[],
        };
        let change = (none, &numbers.network[..]);
        self.kind.change(&mut network, change, &self.envelopes);
        let state = ActorModelState {
            actor_states: all().map(|has| has.state.clone()).collect(),
            timers_set: all().map(|has| has.timers.clone()).collect(),
            random_choices: all().map(|has| has.choices.clone()).collect(),
            crashed: all().map(|has| has.crashed).collect(),
            actor_storages: all().map(|has| has.storage.clone()).collect(),
            history: self.history(numbers.history).clone(),
            network,
        };
        Made {
            numbers,
            state,
            next: Numbers::default(),
        }
    }

    /// Turns a state into the one with this record.
    fn make_of(&self, made: &mut Made<A, H>, record: Reader<'_>) {
        let Made {
            numbers: old,
            state,
            next: numbers,
        } = made;
        numbers.read(record, self.actors());
        for (actor, (&old, &new)) in old.locals.iter().zip(&numbers.locals).enumerate() {
            if old != new {
                let has = &self.locals.get(new).has;
                state.actor_states[actor].clone_from(&has.state);
                state.timers_set[actor].clone_from(&has.timers);
                state.random_choices[actor].clone_from(&has.choices);
                state.crashed[actor] = has.crashed;
                state.actor_storages[actor].clone_from(&has.storage);
            }
        }
        if old.history != numbers.history {
            state.history.clone_from(self.history(numbers.history));
        }
        if old.network != numbers.network {
            let change = (&old.network[..], &numbers.network[..]);
            self.kind
                .change(&mut state.network, change, &self.envelopes);
        }
        std::mem::swap(old, numbers);
    }

    /// Hands the state with this record to `use_it`.
    fn with_record<R>(
        &self,
        record: Reader<'_>,
        use_it: impl FnOnce(&ActorModelState<A, H>) -> R,
    ) -> R {
        let lock = || self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let last = lock().pop();
        let made = match last {
            Some(mut made) => {
                self.make_of(&mut made, record);
                made
            }
            None => self.make(record),
        };
        let result = use_it(&made.state);
        lock().push(made);
        result
    }

    /// The stored state with this number.
    pub(crate) fn state(&self, index: Index) -> ActorModelState<A, H> {
        self.make(self.records.get(index as usize)).state
    }

    /// A candidate.
    pub(crate) fn candidate(&self, batch: &ActorBatch, at: usize) -> ActorModelState<A, H> {
        self.make(Reader(batch.record(at))).state
    }

    /// A hash of what the parts of a candidate are, whatever their numbers.
    pub(crate) fn hash_of_parts(&self, batch: &ActorBatch, at: usize) -> u64 {
        let mut numbers = Numbers::default();
        numbers.read(Reader(batch.record(at)), self.actors());
        let locals = numbers.locals.iter();
        let hash = locals
            .map(|&local| self.locals.get(local).hash)
            .fold(0, mix);
        let hash = mix(hash, self.histories.hash(numbers.history));
        let hash_of = |envelope| Numbered::get(&self.envelopes, envelope).hash;
        mix(hash, self.kind.hash(&numbers.network, hash_of, mix))
    }
}

/// The state of an actor that was called, if it is another one.
fn changed<T: Clone>(state: Cow<'_, T>) -> Option<T> {
    match state {
        Cow::Borrowed(_) => None,
        Cow::Owned(state) => Some(state),
    }
}

/// Candidates: the numbers of their parts.
#[derive(Debug, Default)]
pub struct ActorBatch {
    /// Hash, and where the record ends.
    candidates: Vec<(u32, u32)>,
    records: Vec<u8>,
    from: Numbers,
    network: Vec<u32>,
}

impl ActorBatch {
    #[inline]
    fn range(&self, at: usize) -> Range<usize> {
        let start = at
            .checked_sub(1)
            .map_or(0, |before| self.candidates[before].1);
        start as usize..self.candidates[at].1 as usize
    }

    #[inline]
    fn record(&self, at: usize) -> &[u8] {
        &self.records[self.range(at)]
    }

    /// Adds a candidate whose record is what was written since the last one.
    #[inline]
    fn push(&mut self) -> u32 {
        let start = self.candidates.last().map_or(0, |&(_, end)| end);
        let hash = fold(hash_of(&self.records[start as usize..]));
        let end = u32::try_from(self.records.len()).expect("batches are small");
        self.candidates.push((hash, end));
        hash
    }

    fn pop(&mut self) {
        self.candidates.pop();
        let end = self.candidates.last().map_or(0, |&(_, end)| end);
        self.records.truncate(end as usize);
    }
}

impl<A, C, H> Store for ActorStore<A, C, H>
where
    A: Actor<
            Msg: Ord + Send + Sync,
            Timer: Ord + Send + Sync,
            State: Send + Sync,
            Storage: Send + Sync,
            Random: Send + Sync,
        > + Send
        + Sync,
    C: Send + Sync,
    H: Clone + Debug + Hash + PartialEq + Send + Sync,
{
    type Batch = ActorBatch;

    fn clear(batch: &mut ActorBatch) {
        batch.candidates.clear();
        batch.records.clear();
    }

    fn batch_bytes(batch: &ActorBatch) -> usize {
        batch.candidates.capacity() * size_of::<(u32, u32)>() + batch.records.capacity()
    }

    fn len(&self) -> usize {
        self.records.len()
    }

    fn bytes(&self) -> usize {
        self.locals.bytes()
            + self.envelopes.bytes()
            + self.steps.bytes()
            + self.delivered.bytes()
            + self.recorded.bytes()
            + self.histories.bytes()
            + self.records.bytes()
            + self.hashes.bytes()
    }

    #[inline]
    fn hash(&self, index: Index) -> u32 {
        self.hashes.get(index as usize)[0]
    }

    #[inline]
    fn prefetch(&self, index: Index) {
        prefetch(self.hashes.get(index as usize).as_ptr());
        prefetch(self.records.place(index as usize));
    }

    #[inline]
    fn equals(&self, index: Index, batch: &ActorBatch, at: usize) -> bool {
        // A record knows where it ends, so none is the beginning of another.
        self.hash(index) == batch.candidates[at].0
            && self
                .records
                .get(index as usize)
                .0
                .starts_with(batch.record(at))
    }

    #[inline]
    fn candidate_hash(&self, batch: &ActorBatch, at: usize) -> u32 {
        batch.candidates[at].0
    }

    #[inline]
    fn same(&self, batch: &ActorBatch, one: usize, other: usize) -> bool {
        batch.candidates[one].0 == batch.candidates[other].0
            && batch.record(one) == batch.record(other)
    }

    fn append(&mut self, batch: &mut ActorBatch, at: usize) {
        let record = batch.record(at);
        let mut reader = Reader(record);
        let history = (0..=self.actors()).map(|_| reader.next()).last();
        let index = self.records.len() as Index;
        self.histories.is_of(history.expect("there is one"), index);
        self.records.push(record);
        self.hashes.push(batch.candidates[at].0);
    }

    fn forget(&mut self, before: u32) {
        self.histories.forget(before);
    }
}

impl<A, C, H> Keeps<ActorModel<A, C, H>> for ActorStore<A, C, H>
where
    A: Actor<Msg: Ord, Timer: Ord>,
    H: Clone + Debug + Hash + PartialEq,
    Self: Store<Batch = ActorBatch>,
{
    type How = Bounds;

    fn of(model: &Arc<ActorModel<A, C, H>>, bounds: &Bounds) -> Self {
        Self {
            model: model.clone(),
            bounded: bounds.bounded,
            kind: Kind::of(&model.init_network),
            locals: Numbered::default(),
            envelopes: Numbered::default(),
            steps: Numbered::default(),
            delivered: Memo::default(),
            recorded: Memo::default(),
            histories: Histories::default(),
            records: Records::default(),
            hashes: Blocks::new(1),
            made: Mutex::default(),
        }
    }

    fn with<R>(&self, index: u32, use_it: impl FnOnce(&ActorModelState<A, H>) -> R) -> R {
        self.with_record(self.records.get(index as usize), use_it)
    }

    fn push(&self, batch: &mut ActorBatch, state: ActorModelState<A, H>) -> u32 {
        let locals = (0..self.actors()).map(|i| self.number_local(i, self.has(&state, i)));
        let history = self.number_history(Cow::Borrowed(&state.history), None);
        let ActorBatch {
            records, network, ..
        } = batch;
        self.kind.write(&state.network, &self.envelopes, network);
        Numbers::write(locals, history, network, records);
        batch.push()
    }

    fn expand_into<L>(
        &self,
        batch: &mut ActorBatch,
        (index, _): (u32, &ActorModelState<A, H>),
        model: &ActorModel<A, C, H>,
        label: impl Fn(&dyn Fn() -> ActorModelAction<A::Msg, A::Timer, A::Random>) -> L,
        visit: &mut impl FnMut(&mut ActorBatch, L, Option<u32>),
    ) {
        let mut from = std::mem::take(&mut batch.from);
        let mut network = std::mem::take(&mut batch.network);
        from.read(self.records.get(index as usize), self.actors());
        self.successors(&from, &mut network, |step, change| {
            let label = label(&|| self.action(&step));
            let locals = from.locals.iter().enumerate().map(|(i, &local)| {
                let changed = change.local.filter(|&(actor, _)| actor == i);
                changed.map_or(local, |(_, local)| local)
            });
            Numbers::write(locals, change.history, change.network, &mut batch.records);
            let mut hash = Some(batch.push());
            if self.bounded {
                let record = Reader(batch.record(batch.candidates.len() - 1));
                if !self.with_record(record, |state| Model::within_boundary(model, state)) {
                    batch.pop();
                    hash = None;
                }
            }
            visit(batch, label, hash);
        });
        batch.from = from;
        batch.network = network;
    }
}

#[cfg(test)]
mod tests;
