//! Whether something can still be reached, from everywhere.
//!
//! Each worker expands its states once more and asks the owners of the successors to note who has a
//! step to them; these steps stay where they lead to. From the states that fulfil the condition the
//! workers then go backwards together, one step a round, until nobody finds a state that is new.

use glock_engine::share::{
    Groups, ParcelOf, Round, Runs, Share, StateSet, StepOut, StepTable, StepsAway,
};
use glock_engine::{Claim, Error, Mobile, Parcel, StateOf, System, Unfinished};
use serde::{Deserialize, Serialize};

use crate::driver::{CHUNK, Driver, Halt, LETTER, from_note, to_note};
use crate::wire::{Broken, Kind, Letter};

/// What all workers know of a claim.
pub(crate) enum Decided<S: System<Store: Mobile>> {
    Holds,
    /// Not from so many states, to one of which these lead.
    Trap(Vec<ParcelOf<S>>, usize),
    /// A run that goes on for ever: to a state, and from there back to it.
    Lasso(Vec<ParcelOf<S>>, Vec<(ParcelOf<S>, u8)>),
    Unknown(Unfinished),
}

/// All steps between the states of all workers.
pub(crate) struct Steps {
    /// At each state those that lead to it.
    pub(crate) backward: StepTable,
    /// What is enabled in each state, if a claim is about what happens.
    pub(crate) runs: Option<Runs>,
}

/// Steps to states of each worker.
pub(crate) type Away<S> = Vec<StepsAway<S>>;

/// What is wrong with the model.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Fault {
    Unsteady,
    Group(usize),
}

impl From<Error> for Fault {
    fn from(why: Error) -> Self {
        match why {
            Error::Group(group) => Self::Group(group),
            _ => Self::Unsteady,
        }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Unsteady => Self::Unsteady,
            Fault::Group(group) => Self::Group(group),
        }
    }
}

impl<S: System<Store: Mobile>> Driver<'_, '_, S> {
    /// The steps between states; or why they cannot be stored.
    pub(crate) fn steps(
        &mut self,
        groups: &Groups<'_, S>,
        about_runs: bool,
    ) -> Result<Result<Steps, Unfinished>, Halt> {
        let states = self.share.states() as u32;
        let mut backward = StepTable::default();
        let mut runs = about_runs.then(|| Runs::new(states as usize));
        let mut away = self.away();
        let mut fault = None;
        let mut why = None;
        let mut next = 0;
        while next < states && fault.is_none() && why.is_none() {
            let end = states.min(next + CHUNK);
            let me = self.wire.worker();
            let each = |step: StepOut| {
                if let Some(runs) = &mut runs {
                    runs.note(step);
                }
                if let Some(target) = step.target {
                    backward.add(target, me, step.source, step.group);
                }
            };
            let expanded = self.share.steps_out_of(next..end, groups, &mut away, each);
            fault = expanded.err().map(Fault::from);
            next = end;
            self.send_steps(&mut away, LETTER);
            let share = &self.share;
            self.wire
                .pump(&mut |letter| note(share, &mut backward, &mut fault, letter))?;
            let bytes = backward.bytes() + runs.as_ref().map_or(0, Runs::bytes);
            why = self.may_store(bytes);
        }
        self.send_steps(&mut away, 0);
        let bytes = backward.bytes() + runs.as_ref().map_or(0, Runs::bytes);
        let said = to_note(&(why.or_else(|| self.may_store(bytes)), fault));
        let share = &self.share;
        let notes = self
            .wire
            .gather(&Default::default(), &said, &mut |letter| {
                note(share, &mut backward, &mut fault, letter);
            })?;
        // Another one, as a fault may only have shown while the last letters were read.
        let late = self.say(&(None::<Unfinished>, fault))?;
        let notes: Vec<(Option<Unfinished>, Option<Fault>)> = notes
            .iter()
            .map(|(_, note)| from_note(note))
            .chain(late)
            .collect();
        if let Some(fault) = notes.iter().find_map(|&(_, fault)| fault) {
            return Err(Halt::Error(fault.into()));
        }
        if let Some(why) = notes.iter().find_map(|&(why, _)| why) {
            return Ok(Err(why));
        }
        backward.sort(self.share.states());
        Ok(Ok(Steps { backward, runs }))
    }

    pub(crate) fn away(&self) -> Away<S> {
        (0..self.wire.workers())
            .map(|_| Default::default())
            .collect()
    }

    /// Whether so many bytes more than those of the states may be used.
    pub(crate) fn may_store(&mut self, more: usize) -> Option<Unfinished> {
        match more > self.free_bytes() {
            true => Some(Unfinished::Memory),
            false => self.may_go_on(),
        }
    }

    /// Memory that is left to this worker besides its states, in bytes.
    pub(crate) fn free_bytes(&self) -> usize {
        let all = self.terms.limits.memory_bytes;
        let mine = all.map_or(usize::MAX, |limit| limit / self.neighbours);
        mine.saturating_sub(self.share.bytes())
    }

    pub(crate) fn send_steps(&mut self, away: &mut Away<S>, more_than: usize) {
        for (to, away) in away.iter_mut().enumerate() {
            if away.targets.bytes() > more_than {
                let StepsAway {
                    targets,
                    sources,
                    groups,
                } = std::mem::take(away);
                self.wire.send_states(to, targets, sources, groups);
            }
        }
    }

    /// Decides a claim that something can be reached.
    pub(crate) fn reach(
        &mut self,
        backward: &StepTable,
        claim: &Claim<'_, StateOf<S>>,
    ) -> Result<Decided<S>, Broken> {
        let Some(mut can) = self.share.goals(claim) else {
            return Ok(Decided::Unknown(Unfinished::Stopped));
        };
        if let Some(why) = self.go_back(backward, &mut can)? {
            return Ok(Decided::Unknown(why));
        }
        let outside = (
            self.share.states() - can.len(),
            self.share.nearest_outside(&can),
        );
        let notes = self.say(&outside)?;
        let trapped = notes.iter().map(|(count, _)| count).sum();
        let Some(level) = notes.iter().filter_map(|(_, level)| *level).min() else {
            return Ok(Decided::Holds);
        };
        let witness = self.share.witness_outside(&can, level);
        let way = match self.least(witness)? {
            Some(state) => self.way_to(state, level)?,
            None => Vec::new(),
        };
        Ok(Decided::Trap(way, trapped))
    }

    /// Adds all states to a set from which one in it can be reached.
    fn go_back(
        &mut self,
        backward: &StepTable,
        can: &mut StateSet,
    ) -> Result<Option<Unfinished>, Broken> {
        let mut frontier: Vec<u32> = can.iter().collect();
        let mut mail = self.mail();
        loop {
            let mut next = Vec::new();
            let mut take = |_, [state]: [u32; 1]| {
                if can.insert(state) {
                    next.push(state);
                }
            };
            for &target in &frontier {
                for (worker, source, _) in backward.of(target) {
                    mail.add(worker, [source]);
                }
                self.post(&mut mail, LETTER, &mut take)?;
            }
            match self.deliver(&mut mail, &mut take)? {
                Err(why) => return Ok(Some(why)),
                Ok(0) => return Ok(None),
                Ok(_) => frontier = next,
            }
        }
    }
}

/// Takes note of steps from another worker's states.
fn note<S: System<Store: Mobile>>(
    share: &Share<'_, S>,
    backward: &mut StepTable,
    fault: &mut Option<Fault>,
    letter: Letter<ParcelOf<S>>,
) {
    if letter.kind == Kind::States {
        let mut steps = letter.numbers.into_iter().zip(letter.note);
        let known = share.numbers(letter.states, |target| {
            let (source, group) = steps.next().expect("each state comes from one");
            backward.add(target, letter.from, source, group);
        });
        if let Err(why) = known {
            fault.get_or_insert(why.into());
        }
    }
}

/// Messages of a few numbers each, on their way to workers.
pub(crate) struct Mail<const N: usize> {
    to: Vec<Vec<u32>>,
    /// How many there were since the last delivery.
    sent: u64,
}

impl<const N: usize> Mail<N> {
    #[inline]
    pub(crate) fn add(&mut self, to: usize, message: [u32; N]) {
        self.to[to].extend(message);
        self.sent += 1;
    }
}

impl<S: System<Store: Mobile>> Driver<'_, '_, S> {
    pub(crate) fn mail<const N: usize>(&self) -> Mail<N> {
        Mail {
            to: vec![Vec::new(); self.wire.workers()],
            sent: 0,
        }
    }

    /// Sends the messages for those for whom there are more than so many bytes, and hands to `take`
    /// what has come meanwhile, each with who sent it.
    #[inline]
    pub(crate) fn post<const N: usize>(
        &mut self,
        mail: &mut Mail<N>,
        more_than: usize,
        take: &mut impl FnMut(usize, [u32; N]),
    ) -> Result<(), Broken> {
        if mail.to.iter().any(|numbers| 4 * numbers.len() > more_than) {
            self.send_mail(mail, more_than, take);
            self.wire.pump(&mut |letter| each(letter, take))?;
        }
        Ok(())
    }

    fn send_mail<const N: usize>(
        &mut self,
        mail: &mut Mail<N>,
        more_than: usize,
        take: &mut impl FnMut(usize, [u32; N]),
    ) {
        let me = self.wire.worker();
        for (to, numbers) in mail.to.iter_mut().enumerate() {
            if 4 * numbers.len() > more_than {
                let numbers = std::mem::take(numbers);
                match to == me {
                    true => messages(&numbers).for_each(|message| take(me, message)),
                    false => self
                        .wire
                        .send_states(to, Default::default(), numbers, Vec::new()),
                }
            }
        }
    }

    /// Sends all messages and waits for those of all others. Gives how many there were of all workers,
    /// or why to end.
    pub(crate) fn deliver<const N: usize>(
        &mut self,
        mail: &mut Mail<N>,
        take: &mut impl FnMut(usize, [u32; N]),
    ) -> Result<Result<u64, Unfinished>, Broken> {
        self.send_mail(mail, 0, take);
        let said = to_note(&(std::mem::take(&mut mail.sent), self.may_go_on()));
        let notes = self
            .wire
            .gather(&Default::default(), &said, &mut |letter| each(letter, take))?;
        let notes: Vec<(u64, Option<Unfinished>)> =
            notes.iter().map(|(_, note)| from_note(note)).collect();
        Ok(match notes.iter().find_map(|&(_, why)| why) {
            Some(why) => Err(why),
            None => Ok(notes.iter().map(|&(sent, _)| sent).sum()),
        })
    }
}

fn messages<const N: usize>(numbers: &[u32]) -> impl Iterator<Item = [u32; N]> {
    let whole = |message: &[u32]| message.try_into().expect("messages are of one length");
    numbers.chunks_exact(N).map(whole)
}

fn each<P, const N: usize>(letter: Letter<P>, take: &mut impl FnMut(usize, [u32; N])) {
    if letter.kind == Kind::States {
        messages(&letter.numbers).for_each(|message| take(letter.from, message));
    }
}

/// What the worker that looks at a remainder says.
pub(crate) type Looked = Option<Result<Option<Round>, Unfinished>>;
