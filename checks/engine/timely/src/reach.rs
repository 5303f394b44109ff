//! Whether something can still be reached, from everywhere.
//!
//! Each worker expands its states once more and asks the owners of the successors to note who has a
//! step to them; these steps stay where they lead to. From the states that fulfil the condition the
//! workers then go backwards together, one step a round, until nobody finds a state that is new.

use glock_engine::share::{Backward, ParcelOf, StateSet};
use glock_engine::{Claim, Error, Mobile, Parcel, StateOf, System, Unfinished};

use crate::driver::{Driver, Halt, LETTER, from_note, to_note};
use crate::wire::{Broken, Kind, Letter};

/// What all workers know of a claim.
pub(crate) enum Reach<S: System<Store: Mobile>> {
    Everywhere,
    /// Not from so many states, to one of which these lead.
    Trap(Vec<ParcelOf<S>>, usize),
    Unknown(Unfinished),
}

impl<S: System<Store: Mobile>> Driver<'_, '_, S> {
    /// The steps that lead to the states of this share; or why they cannot be stored.
    pub(crate) fn backward(&mut self) -> Result<Result<Backward, Unfinished>, Halt> {
        /// States expanded between two looks at what has arrived.
        const CHUNK: u32 = 256;
        let mut backward = Backward::default();
        let mut parcels: Vec<(ParcelOf<S>, Vec<u32>)> = (0..self.wire.workers())
            .map(|_| Default::default())
            .collect();
        let mut fault = None;
        let mut why = None;
        let states = self.share.states() as u32;
        let mut next = 0;
        while next < states && fault.is_none() && why.is_none() {
            let end = states.min(next + CHUNK);
            let me = self.wire.worker();
            let expanded = self
                .share
                .steps_out_of(next..end, &mut parcels, |target, source| {
                    backward.add(target, me, source);
                });
            fault = expanded.err();
            next = end;
            self.send_steps(&mut parcels, LETTER);
            let share = &self.share;
            self.wire
                .pump(&mut |letter| note(share, &mut backward, &mut fault, letter))?;
            why = self.may_store(&backward);
        }
        self.send_steps(&mut parcels, 0);
        let said = to_note(&(why.or_else(|| self.may_store(&backward)), fault.is_some()));
        let share = &self.share;
        let notes = self
            .wire
            .gather(&Default::default(), &said, &mut |letter| {
                note(share, &mut backward, &mut fault, letter);
            })?;
        // Another one, as a fault may only have shown while the last letters were read.
        let late = to_note(&(None::<Unfinished>, fault.is_some()));
        let late = self.wire.gather(&Default::default(), &late, &mut |_| ())?;
        let notes: Vec<(Option<Unfinished>, bool)> = notes
            .iter()
            .chain(&late)
            .map(|(_, note)| from_note(note))
            .collect();
        if notes.iter().any(|&(_, fault)| fault) {
            return Err(Halt::Error(Error::Unsteady));
        }
        if let Some(why) = notes.iter().find_map(|&(why, _)| why) {
            return Ok(Err(why));
        }
        backward.sort(self.share.states());
        Ok(Ok(backward))
    }

    fn may_store(&mut self, backward: &Backward) -> Option<Unfinished> {
        let bytes = self.share.bytes() + backward.bytes();
        let all = self.terms.limits.memory_bytes;
        match all.is_some_and(|limit| bytes > limit / self.neighbours) {
            true => Some(Unfinished::Memory),
            false => self.may_go_on(),
        }
    }

    fn send_steps(&mut self, parcels: &mut [(ParcelOf<S>, Vec<u32>)], more_than: usize) {
        for (to, (parcel, sources)) in parcels.iter_mut().enumerate() {
            if parcel.bytes() > more_than {
                let (parcel, sources) = (std::mem::take(parcel), std::mem::take(sources));
                self.wire.send_states(to, parcel, sources);
            }
        }
    }

    /// Decides a claim of that kind.
    pub(crate) fn reach(
        &mut self,
        backward: &Backward,
        claim: &Claim<'_, StateOf<S>>,
    ) -> Result<Reach<S>, Broken> {
        let Some(mut can) = self.share.goals(claim) else {
            return Ok(Reach::Unknown(Unfinished::Stopped));
        };
        if let Some(why) = self.go_back(backward, &mut can)? {
            return Ok(Reach::Unknown(why));
        }
        let outside = (
            self.share.states() - can.len(),
            self.share.nearest_outside(&can),
        );
        let notes = self.say(&outside)?;
        let trapped = notes.iter().map(|(count, _)| count).sum();
        let Some(level) = notes.iter().filter_map(|(_, level)| *level).min() else {
            return Ok(Reach::Everywhere);
        };
        let witness = self.share.witness_outside(&can, level);
        let way = match self.least(witness)? {
            Some(state) => self.way_to(state, level)?,
            None => Vec::new(),
        };
        Ok(Reach::Trap(way, trapped))
    }

    /// Adds all states to a set from which one in it can be reached.
    fn go_back(
        &mut self,
        backward: &Backward,
        can: &mut StateSet,
    ) -> Result<Option<Unfinished>, Broken> {
        let mut frontier: Vec<u32> = can.iter().collect();
        let mut others: Vec<Vec<u32>> = (0..self.wire.workers()).map(|_| Vec::new()).collect();
        let me = self.wire.worker();
        loop {
            let mut next = Vec::new();
            for &target in &frontier {
                for (worker, source) in backward.sources(target) {
                    if worker != me {
                        others[worker].push(source);
                    } else if can.insert(source) {
                        next.push(source);
                    }
                }
            }
            for (to, sources) in others.iter_mut().enumerate() {
                if !sources.is_empty() {
                    let sources = std::mem::take(sources);
                    self.wire.send_states(to, Default::default(), sources);
                }
            }
            let said = to_note(&(next.len(), self.may_go_on()));
            let notes = self
                .wire
                .gather(&Default::default(), &said, &mut |letter| {
                    let new = letter
                        .numbers
                        .into_iter()
                        .filter(|&state| can.insert(state));
                    next.extend(new);
                })?;
            let notes: Vec<(usize, Option<Unfinished>)> =
                notes.iter().map(|(_, note)| from_note(note)).collect();
            if let Some(why) = notes.iter().find_map(|&(_, why)| why) {
                return Ok(Some(why));
            }
            // What was found by letter only shows now.
            let found: usize = self.say(&next.len())?.iter().sum();
            if found == 0 {
                return Ok(None);
            }
            frontier = next;
        }
    }
}

/// Takes note of steps from another worker's states.
fn note<S: System<Store: Mobile>>(
    share: &glock_engine::share::Share<'_, S>,
    backward: &mut Backward,
    fault: &mut Option<Error>,
    letter: Letter<ParcelOf<S>>,
) {
    if letter.kind == Kind::States {
        let mut sources = letter.numbers.into_iter();
        let known = share.numbers(letter.states, |target| {
            let source = sources.next().expect("each state comes from one");
            backward.add(target, letter.from, source);
        });
        if let Err(why) = known {
            fault.get_or_insert(why);
        }
    }
}
