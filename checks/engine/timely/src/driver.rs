//! What a worker does, step by step; all do the same.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use glock_engine::share::{Candidacy, Groups, ParcelOf, Share, Sight, Totals};
use glock_engine::{
    Claim, Error, Limits, Merge, Mobile, Parcel, Progress, StateOf, Stats, System, Unfinished,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::checkpoint::Keeper;
use crate::reach::Decided;
use crate::wire::{Broken, Kind, Letter, Wire};

/// States expanded between two looks at what has arrived.
pub(crate) const CHUNK: u32 = 256;

/// Bytes of states in a letter that is not the last of its step.
pub(crate) const LETTER: usize = 1 << 14;

/// Who wants to know how far the search is, and how often.
pub(crate) type Report<'a> = (Duration, Box<dyn FnMut(&Progress) + 'a>);

/// When to end, and whom to tell.
pub(crate) struct Terms<'a> {
    pub(crate) limits: Limits,
    pub(crate) cancel: Option<&'a AtomicBool>,
    pub(crate) started: Instant,
    /// Only one worker of a process has somebody to report to.
    pub(crate) report: Option<Report<'a>>,
    pub(crate) reported: Instant,
    /// Time spent before the checkpoint that the search goes on from.
    pub(crate) before: Duration,
}

impl Terms<'_> {
    fn elapsed(&self) -> Duration {
        self.before + self.started.elapsed()
    }

    /// Whether somebody wishes an end, or the time is over.
    pub(crate) fn interruption(&self) -> Option<Unfinished> {
        if self.cancel.is_some_and(|flag| flag.load(Ordering::Relaxed)) {
            return Some(Unfinished::Cancelled);
        }
        let over = |limit| self.started.elapsed() >= limit;
        let over = self.limits.time.is_some_and(over);
        over.then_some(Unfinished::Time)
    }
}

/// What a worker says at the end of a level.
#[derive(Serialize, Deserialize)]
struct LevelNote {
    sight: Sight,
    /// States of its share in the level.
    entered: usize,
    edges: u64,
    bytes: usize,
    /// Why it did not expand all of them.
    unfinished: Option<Unfinished>,
    /// Whether the next level is to be saved.
    due: bool,
    /// The level that it has saved since the last note.
    written: Option<usize>,
}

/// What a worker says after it was agreed to stop.
#[derive(Serialize, Deserialize)]
struct RestNote {
    /// States that are stored and not expanded.
    rest: usize,
    /// Those of them that are one step further out.
    next: usize,
}

/// A worker on its way.
pub(crate) struct Driver<'a, 'l, S: System<Store: Mobile>> {
    pub(crate) share: Share<'a, S>,
    pub(crate) wire: Wire<'l, ParcelOf<S>>,
    pub(crate) terms: Terms<'a>,
    parcels: Vec<ParcelOf<S>>,
    /// Counts of all workers, as far as they are agreed on.
    pub(crate) all: Stats,
    /// Bytes of states sent.
    state_bytes: u64,
    /// What became impossible while states were received.
    overflow: Option<Unfinished>,
    keeper: Option<Keeper<'a, S>>,
    /// Workers of this process.
    pub(crate) neighbours: usize,
}

/// Why a worker does not come to an end.
#[derive(Debug)]
pub(crate) enum Halt {
    /// The others cannot be reached any more.
    Broken,
    /// Something is wrong, as all workers know.
    Error(Error),
}

impl From<Broken> for Halt {
    fn from(Broken: Broken) -> Self {
        Self::Broken
    }
}

impl<'a, 'l, S: System<Store: Mobile>> Driver<'a, 'l, S> {
    pub(crate) fn new(
        share: Share<'a, S>,
        wire: Wire<'l, ParcelOf<S>>,
        terms: Terms<'a>,
        keeper: Option<Keeper<'a, S>>,
        neighbours: usize,
    ) -> Self {
        let parcels = (0..wire.workers()).map(|_| Default::default()).collect();
        Self {
            share,
            wire,
            terms,
            parcels,
            all: Stats::default(),
            state_bytes: 0,
            overflow: None,
            keeper,
            neighbours,
        }
    }

    /// All of the search.
    pub(crate) fn run(
        &mut self,
        claims: &[&Claim<'_, StateOf<S>>],
        groups: &Groups<'_, S>,
    ) -> Result<Found<S>, Halt>
    where
        S::Coverage: Serialize + DeserializeOwned,
    {
        if self.keeper.as_ref().is_some_and(Keeper::resumes) {
            self.resume()?;
        } else {
            self.share.close_level();
        }
        let unfinished = self.levels()?;
        let ways = self.ways()?;
        let searched = self.terms.elapsed();
        let decided = self.decide(claims, groups, unfinished)?;
        let mut found = self.totals(unfinished, ways)?;
        found.totals.stats.elapsed_claims = self.terms.elapsed() - searched;
        found.totals.stats.elapsed = searched;
        found.decided = decided;
        Ok(found)
    }

    /// What is known of each claim.
    fn decide(
        &mut self,
        claims: &[&Claim<'_, StateOf<S>>],
        groups: &Groups<'_, S>,
        unfinished: Option<Unfinished>,
    ) -> Result<Vec<Decided<S>>, Halt> {
        let unknown = |why| claims.iter().map(|_| Decided::Unknown(why)).collect();
        if let Some(why) = unfinished {
            return Ok(unknown(why));
        }
        if claims.is_empty() {
            return Ok(Vec::new());
        }
        let about_runs = claims.iter().any(|claim| !claim.is_about_reaching());
        let steps = match self.steps(groups, about_runs)? {
            Ok(steps) => steps,
            Err(why) => return Ok(unknown(why)),
        };
        let mut decided = Vec::new();
        for claim in claims {
            decided.push(match claim.is_about_reaching() {
                true => self.reach(&steps.backward, claim)?,
                false => self.happens(&steps, claim, groups)?,
            });
        }
        Ok(decided)
    }

    /// What each worker has to say at the end of a step in which nothing else is sent.
    pub(crate) fn say<T: Serialize + DeserializeOwned>(
        &mut self,
        note: &T,
    ) -> Result<Vec<T>, Broken> {
        let notes = self
            .wire
            .gather(&Default::default(), &to_note(note), &mut |_| ())?;
        Ok(notes.iter().map(|(_, note)| from_note(note)).collect())
    }

    /// Goes on from the last level that all workers have saved.
    fn resume(&mut self) -> Result<(), Halt> {
        let levels = self.keeper.as_ref().map_or(Vec::new(), Keeper::levels);
        let notes: Vec<Vec<usize>> = self.gather(&levels)?;
        let everywhere = |level: &&usize| notes.iter().all(|note| note.contains(level));
        let level = notes[0].iter().filter(everywhere).max().copied();
        let Some(keeper) = &mut self.keeper else {
            return Ok(());
        };
        let level = level.ok_or_else(|| Halt::Error(keeper.nothing()))?;
        let loaded = keeper.load(&mut self.share, level);
        let note = loaded.as_ref().err().map(ToString::to_string);
        let notes: Vec<Option<String>> = self.gather(&note)?;
        self.all = loaded.map_err(Halt::Error)?;
        self.terms.before = self.all.elapsed;
        match notes
            .into_iter()
            .enumerate()
            .find_map(|(i, note)| Some((i, note?)))
        {
            None => Ok(()),
            Some((worker, reason)) => Err(Halt::Error(Error::Checkpoint {
                path: format!("of worker {worker}"),
                reason,
            })),
        }
    }

    /// Level by level to the end, or why not.
    fn levels(&mut self) -> Result<Option<Unfinished>, Broken> {
        let mut save = false;
        loop {
            let depth = self.all.levels.len();
            let level = self.share.level(depth);
            if let Some(keeper) = &mut self.keeper {
                self.all.elapsed = self.terms.elapsed();
                keeper.mark(&self.share, &self.all);
                if save {
                    keeper.save(&self.share);
                }
            }
            let (done, unfinished) = self.level(&level, depth)?;
            let note = LevelNote {
                sight: self.share.sight(),
                entered: level.len(),
                edges: self.share.stats().edges,
                bytes: self.share.stats().peak_bytes,
                unfinished,
                due: self.keeper.as_ref().is_some_and(Keeper::is_due),
                written: self.keeper.as_ref().and_then(Keeper::written),
            };
            let notes = self.gather(&note)?;
            if let Some(keeper) = &mut self.keeper {
                keeper.settle(notes.iter().all(|note| note.written.is_some()));
            }
            save = notes.iter().any(|note| note.due);
            let sight = notes
                .iter()
                .fold(Sight::default(), |sum, note| sum.or(note.sight));
            self.share.agree(sight, depth);
            let entered: usize = notes.iter().map(|note| note.entered).sum();
            if entered > 0 {
                self.all.levels.push(entered);
                self.all.depth = depth;
            }
            self.all.states += entered;
            self.all.edges = notes.iter().map(|note| note.edges).sum();
            self.all.peak_bytes = notes.iter().map(|note| note.bytes).sum();
            let why = notes.iter().find_map(|note| note.unfinished);
            if let Some(why) = why.or(self.verdict_on_level()) {
                return self.stop(why, done..level.end);
            }
            if entered == 0 {
                return Ok(None);
            }
            self.share.close_level();
        }
    }

    /// Why to stop after a level, as all workers know.
    fn verdict_on_level(&self) -> Option<Unfinished> {
        let beyond = |limit: usize| self.all.states > limit;
        if self.share.goal_reached() {
            Some(Unfinished::Stopped)
        } else if self.terms.limits.states.is_some_and(beyond) {
            Some(Unfinished::States)
        } else {
            None
        }
    }

    /// Expands a level. Gives the first state that was not expanded, and why.
    fn level(
        &mut self,
        level: &Range<u32>,
        depth: usize,
    ) -> Result<(u32, Option<Unfinished>), Broken> {
        let mut next = level.start;
        let mut why = self.overflow;
        if self.terms.limits.depth.is_some_and(|limit| depth >= limit) && !level.is_empty() {
            why = why.or(Some(Unfinished::Depth));
        }
        // Also a worker without states in the level may hear that it is to stop.
        why = why.or_else(|| self.may_go_on());
        let mut told = None;
        while next < level.end && why.is_none() {
            let end = level.end.min(next + CHUNK);
            let expanded = self.share.expand(next..end, &mut self.parcels);
            next = end;
            why = expanded.err().or_else(|| self.may_go_on());
            self.send(LETTER);
            if why.is_none() {
                told = self.pump()?;
                why = told.or(self.overflow);
            }
        }
        self.send(0);
        if let (Some(why), None) = (why, told) {
            self.wire
                .tell(Kind::Hurry, &Default::default(), &to_note(&why));
        }
        Ok((next, why))
    }

    /// Sends the parcels with more bytes than so many.
    fn send(&mut self, more_than: usize) {
        for (to, parcel) in self.parcels.iter_mut().enumerate() {
            if parcel.bytes() > more_than {
                self.state_bytes += parcel.bytes() as u64;
                self.wire
                    .send_states(to, std::mem::take(parcel), Vec::new(), Vec::new());
            }
        }
    }

    /// Takes in what has arrived. Gives why another worker wishes all to stop, if one does.
    fn pump(&mut self) -> Result<Option<Unfinished>, Broken> {
        let mut told = None;
        let Self {
            share,
            wire,
            overflow,
            ..
        } = self;
        wire.pump(&mut |letter| take_in(share, overflow, &mut told, letter))?;
        Ok(told)
    }

    /// Ends a step of the search with what each worker has to say.
    fn gather<T: Serialize + DeserializeOwned>(&mut self, note: &T) -> Result<Vec<T>, Broken> {
        let Self {
            share,
            wire,
            overflow,
            ..
        } = self;
        let mut told = None;
        let notes = wire.gather(&Default::default(), &to_note(note), &mut |letter| {
            take_in(share, overflow, &mut told, letter);
        })?;
        Ok(notes.iter().map(|(_, note)| from_note(note)).collect())
    }

    /// Looks up from the work.
    pub(crate) fn may_go_on(&mut self) -> Option<Unfinished> {
        let Terms {
            started,
            report,
            reported,
            before,
            ..
        } = &mut self.terms;
        if let Some((interval, report)) = report
            && reported.elapsed() >= *interval
        {
            let known = self.all.states;
            report(&Progress {
                states: known,
                edges: self.all.edges,
                depth: self.all.levels.len(),
                queue: self.all.levels.last().copied().unwrap_or(0),
                bytes: self.all.peak_bytes,
                elapsed: *before + started.elapsed(),
                left: self.all.left(),
            });
            *reported = Instant::now();
        }
        let states = self.share.states();
        // More than that in one share is more than that in all.
        let beyond = |limit| states > limit;
        let beyond = self.terms.limits.states.is_some_and(beyond);
        self.terms
            .interruption()
            .or(beyond.then_some(Unfinished::States))
    }

    /// After all agreed to stop: counts what was not expanded and, after a limit on size, evaluates
    /// the properties in it, so that no violation in a stored state goes unreported.
    fn stop(
        &mut self,
        why: Unfinished,
        unexpanded: Range<u32>,
    ) -> Result<Option<Unfinished>, Broken> {
        let depth = self.all.levels.len().saturating_sub(1);
        let next = self.share.close_level();
        let notes = self.gather(&RestNote {
            // A state that there was no room for counts, too.
            rest: unexpanded.len() + next.len() + usize::from(self.overflow.is_some()),
            next: next.len(),
        })?;
        let sum = |count: fn(&RestNote) -> usize| notes.iter().map(count).sum::<usize>();
        let (rest, beyond) = (sum(|note| note.rest), sum(|note| note.next));
        if why != Unfinished::Stopped
            && let Some(keeper) = &mut self.keeper
        {
            keeper.save(&self.share);
        }
        if why.is_wish() {
            if rest == 0 {
                return Ok(None);
            }
        } else {
            self.share.look(unexpanded);
            let here = self.share.sight();
            self.share.look(next);
            let notes = self.gather(&(here, self.share.sight()))?;
            let all = |of: fn(&(Sight, Sight)) -> Sight| {
                notes.iter().map(of).fold(Sight::default(), Sight::or)
            };
            self.share.agree(all(|note| note.0), depth);
            self.share.agree(all(|note| note.1), depth + 1);
        }
        if beyond > 0 {
            self.all.levels.push(beyond);
            self.all.states += beyond;
            self.all.depth = depth + 1;
        }
        Ok(Some(why))
    }

    /// For each sighting the states of a shortest way to a state that decides its property.
    pub(crate) fn ways(&mut self) -> Result<Vec<Vec<ParcelOf<S>>>, Broken> {
        let mut ways = Vec::new();
        for sighting in self.share.sightings().to_vec() {
            let witness = self.share.witness(&sighting);
            let Some(witness) = self.least(witness)? else {
                ways.push(Vec::new());
                continue;
            };
            ways.push(self.way_to(witness, sighting.level)?);
        }
        Ok(ways)
    }

    /// The states of a shortest way to this one, which is so far from the initial states. It ends
    /// early if the model is not the same when asked again, which running it on the model shows.
    pub(crate) fn way_to(
        &mut self,
        state: ParcelOf<S>,
        level: usize,
    ) -> Result<Vec<ParcelOf<S>>, Broken> {
        let mut way = vec![state];
        for level in (0..level).rev() {
            let predecessor = self.share.predecessor(&way[way.len() - 1], level);
            match self.least(predecessor)? {
                Some(state) => way.push(state),
                None => break,
            }
        }
        way.reverse();
        Ok(way)
    }

    /// The least of what the workers propose.
    pub(crate) fn least(
        &mut self,
        mine: Option<Candidacy<S>>,
    ) -> Result<Option<ParcelOf<S>>, Broken> {
        let (route, parcel) = match mine {
            Some((route, parcel)) => (Some(route), parcel),
            None => (None, Default::default()),
        };
        let notes = self.wire.gather(&parcel, &to_note(&route), &mut |_| ())?;
        let proposals = notes.into_iter().filter_map(|(parcel, note)| {
            let route: Option<u64> = from_note(&note);
            route.map(|route| (route, parcel))
        });
        Ok(proposals
            .min_by_key(|(route, _)| *route)
            .map(|(_, parcel)| parcel))
    }

    /// The counts and the coverage of all workers.
    fn totals(
        &mut self,
        unfinished: Option<Unfinished>,
        ways: Vec<Vec<ParcelOf<S>>>,
    ) -> Result<Found<S>, Broken>
    where
        S::Coverage: Serialize + DeserializeOwned,
    {
        let coverage = self.share.coverage().clone();
        let under_way = self.wire.most_under_way;
        let mine = (self.share.stats(), coverage, self.state_bytes, under_way);
        let notes: Vec<(Stats, S::Coverage, u64, usize)> = self.gather(&mine)?;
        let mut found = Found {
            ways,
            unsaved: self
                .keeper
                .as_mut()
                .and_then(|keeper| keeper.unsaved.take()),
            ..Found::nothing(self.lost(unfinished))
        };
        let Stats { levels, depth, .. } = self.all.clone();
        found.totals.stats = Stats::default();
        for (stats, coverage, bytes, under_way) in notes {
            found.under_way = found.under_way.max(under_way);
            found.totals.stats.add(&stats);
            found.totals.coverage.merge(&coverage);
            found.shares.push(stats);
            found.state_bytes += bytes;
        }
        found.totals.stats.levels = levels;
        found.totals.stats.depth = depth;
        found.totals.stats.elapsed = self.terms.elapsed();
        Ok(found)
    }

    /// What is known when nobody can be asked any more.
    pub(crate) fn lost(&self, unfinished: Option<Unfinished>) -> Totals<S> {
        let mut stats = self.all.clone();
        stats.elapsed = self.terms.elapsed();
        Totals {
            stats,
            coverage: self.share.coverage().clone(),
            unfinished,
        }
    }
}

/// What all workers come to.
pub(crate) struct Found<S: System<Store: Mobile>> {
    /// For each sighting the states of a shortest way there.
    pub(crate) ways: Vec<Vec<ParcelOf<S>>>,
    pub(crate) totals: Totals<S>,
    /// The counts of each worker.
    pub(crate) shares: Vec<Stats>,
    /// Bytes of states that went from worker to worker.
    pub(crate) state_bytes: u64,
    /// Why this worker could not save its part.
    pub(crate) unsaved: Option<Error>,
    /// What is known of each claim.
    pub(crate) decided: Vec<Decided<S>>,
    /// The most bytes that a worker had under way to others.
    pub(crate) under_way: usize,
}

impl<S: System<Store: Mobile>> Found<S> {
    pub(crate) fn nothing(totals: Totals<S>) -> Self {
        Self {
            ways: Vec::new(),
            totals,
            shares: Vec::new(),
            state_bytes: 0,
            unsaved: None,
            decided: Vec::new(),
            under_way: 0,
        }
    }
}

/// What to do with a letter during the search.
fn take_in<S: System<Store: Mobile>>(
    share: &mut Share<'_, S>,
    overflow: &mut Option<Unfinished>,
    told: &mut Option<Unfinished>,
    letter: Letter<ParcelOf<S>>,
) {
    match letter.kind {
        Kind::States => {
            if let Err(why) = share.receive(letter.states) {
                overflow.get_or_insert(why);
            }
        }
        Kind::Hurry => {
            told.get_or_insert(from_note(&letter.note));
        }
        Kind::Note | Kind::Taken | Kind::Nothing => {}
    }
}

pub(crate) fn to_note<T: Serialize>(note: &T) -> Vec<u8> {
    serde_json::to_vec(note).expect("a note is plain data")
}

pub(crate) fn from_note<T: DeserializeOwned>(note: &[u8]) -> T {
    serde_json::from_slice(note).expect("all processes run the same program")
}
