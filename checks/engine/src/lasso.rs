//! Decides claims on the graph of states, and makes counterexamples that a person can follow: a
//! short way in and a short cycle, never a whole component.
//!
//! A counterexample is made from the graph, and checked by [`crate::referee`] without it.

use std::collections::HashMap;

use crate::bits::Bits;
use crate::claim::{Claim, Condition, Goal, Rules};
use crate::explored::Explored;
use crate::fair::{can_reach, fair_states};
use crate::graph::{Graph, bit};
use crate::outcome::{Error, Lasso, Trap, Unfinished, Verdict};
use crate::referee::Referee;
use crate::replay::{find_step, replay};
use crate::search::{Groups, VerdictOf};
use crate::store::Index;
use crate::system::{StateOf, System};
use crate::watch::{Stop, Watch};

/// A step of a cycle: the state it leads to, and its group.
pub(crate) type Link = (Index, u8);

/// Everything known when the graph has been built.
pub(crate) struct Judge<'a, S: System> {
    pub(crate) system: &'a S,
    pub(crate) explored: &'a Explored<S>,
    pub(crate) graph: &'a Graph,
    pub(crate) groups: &'a Groups<'a, S>,
    pub(crate) watch: Watch<'a>,
}

/// A lasso in numbers of states.
pub(crate) struct Found {
    pub(crate) stem: Vec<Index>,
    pub(crate) cycle: Vec<Link>,
}

impl Found {
    fn len(&self) -> usize {
        self.stem.len() + self.cycle.len()
    }
}

impl<S: System> Judge<'_, S> {
    /// # Errors
    ///
    /// Those of running and examining a counterexample. That the watch wished an end is a verdict.
    pub(crate) fn decide(&self, claim: &Claim<'_, StateOf<S>>) -> Result<VerdictOf<S>, Error> {
        match self.try_to_decide(claim) {
            Ok(verdict) => Ok(verdict),
            Err(Stop::Unfinished(why)) => Ok(Verdict::Unknown(why)),
            Err(Stop::Error(error)) => Err(error),
        }
    }

    fn try_to_decide(&self, claim: &Claim<'_, StateOf<S>>) -> Result<VerdictOf<S>, Stop> {
        let rules = claim.fairness.rules();
        let found = match &claim.goal {
            Goal::CanReach(condition) => return self.decide_can_reach(claim.name, condition),
            Goal::Eventually(condition) => {
                let allowed = self.states_without(condition)?;
                let initial = self.explored.stats.levels[0] as Index;
                let mut sources = Bits::new(self.graph.states());
                (0..initial)
                    .filter(|&state| allowed.has(state))
                    .for_each(|state| sources.insert(state));
                self.find(&sources, &allowed, rules)?
            }
            Goal::InfinitelyOften(condition) => {
                let allowed = self.states_without(condition)?;
                self.find(&allowed, &allowed, rules)?
            }
            Goal::LeadsTo(from, to) => {
                let allowed = self.states_without(to)?;
                let mut sources = allowed.clone();
                self.states_without(from)?
                    .iter()
                    .for_each(|state| sources.remove(state));
                self.find(&sources, &allowed, rules)?
            }
        };
        match found {
            None => Ok(Verdict::Holds),
            Some(found) => {
                let store = &self.explored.store;
                Ok(report(self.system, store, self.groups, claim, &found)?)
            }
        }
    }

    fn decide_can_reach(
        &self,
        name: &'static str,
        condition: &Condition<'_, StateOf<S>>,
    ) -> Result<VerdictOf<S>, Stop> {
        let states = self.graph.states();
        let without = self.states_without(condition)?;
        let mut goal = Bits::new(states);
        (0..states as Index)
            .filter(|&state| !without.has(state))
            .for_each(|state| goal.insert(state));
        let can = can_reach(self.graph, &goal, &self.watch)?;
        // States are numbered by their distance, so the first is a nearest one.
        let Some(first) = (0..states as Index).find(|&state| !can.has(state)) else {
            return Ok(Verdict::Holds);
        };
        let path = replay(
            self.system,
            &self.explored.store,
            &self.explored.way_to(first),
            name,
        )?;
        let trap = Trap {
            path,
            states: states - can.count(),
        };
        Referee::new(self.system, self.groups).check_trap(name, condition, &trap)?;
        Ok(Verdict::Trapped(trap))
    }

    /// The states in which a condition is false, and beyond which the model goes.
    fn states_without(&self, condition: &Condition<'_, StateOf<S>>) -> Result<Bits, Unfinished> {
        let mut without = Bits::new(self.graph.states());
        for index in 0..self.graph.states() as Index {
            self.watch.tick()?;
            let is_true = |state: &StateOf<S>| condition(state);
            if !self.graph.stopped.has(index)
                && !self.system.with_state(&self.explored.store, index, is_true)
            {
                without.insert(index);
            }
        }
        Ok(without)
    }

    /// A fair run that comes to one of `sources` somehow and stays in `allowed` from then on.
    fn find(
        &self,
        sources: &Bits,
        allowed: &Bits,
        rules: Rules,
    ) -> Result<Option<Found>, Unfinished> {
        if sources.is_empty() {
            return Ok(None);
        }
        let fair = fair_states(self.graph, allowed, rules, &self.watch)?;
        let staying = self
            .nearest(sources, allowed, &fair.staying)?
            .map(|stem| Found {
                stem,
                cycle: Vec::new(),
            });
        let going = match self.nearest(sources, allowed, &fair.going)? {
            None => None,
            Some(stem) => {
                let entry = *stem.last().expect("a stem has a state");
                let tour = Tour::new(self.graph, &fair.colour, entry, rules, &self.watch);
                let cycle = tour.cycle()?;
                Some(Found { stem, cycle })
            }
        };
        Ok(staying.into_iter().chain(going).min_by_key(Found::len))
    }

    /// A shortest way from an initial state to one in `wanted`, if it has to stay in `allowed` from
    /// one of `sources` on.
    fn nearest(
        &self,
        sources: &Bits,
        allowed: &Bits,
        wanted: &Bits,
    ) -> Result<Option<Vec<Index>>, Unfinished> {
        const UNSEEN: Index = Index::MAX;
        const SOURCE: Index = Index::MAX - 1;
        if wanted.is_empty() {
            return Ok(None);
        }
        let mut from = vec![UNSEEN; self.graph.states()];
        let mut frontier = Vec::new();
        let mut start = 0;
        let mut levels = self.explored.stats.levels.iter();
        loop {
            // Those at this distance: found from within, and the sources that are so far out.
            let level = levels.next();
            let end = start + level.map_or(0, |&count| count as Index);
            for state in (start..end).filter(|&state| sources.has(state)) {
                if from[state as usize] == UNSEEN {
                    from[state as usize] = SOURCE;
                    frontier.push(state);
                }
            }
            start = end;
            if let Some(&found) = frontier.iter().find(|&&state| wanted.has(state)) {
                let mut within = vec![found];
                let mut at = found;
                while from[at as usize] != SOURCE {
                    at = from[at as usize];
                    within.push(at);
                }
                let mut way = self.explored.way_to(at);
                way.extend(within.into_iter().rev().skip(1));
                return Ok(Some(way));
            }
            if frontier.is_empty() && level.is_none() {
                return Ok(None);
            }
            let mut next = Vec::new();
            for state in frontier {
                self.watch.tick()?;
                for (target, _) in self.graph.edges(state) {
                    if allowed.has(target) && from[target as usize] == UNSEEN {
                        from[target as usize] = state;
                        next.push(target);
                    }
                }
            }
            frontier = next;
        }
    }
}

/// Runs a lasso on the model and has it checked.
pub(crate) fn report<S: System>(
    system: &S,
    store: &S::Store,
    groups: &Groups<'_, S>,
    claim: &Claim<'_, StateOf<S>>,
    found: &Found,
) -> Result<VerdictOf<S>, Error> {
    let stem = replay(system, store, &found.stem, claim.name)?;
    let referee = Referee::new(system, groups);
    let mut cycle = Vec::new();
    for (i, &(target, group)) in found.cycle.iter().enumerate() {
        let at = cycle.last().map_or(stem.last(), |(_, state)| state);
        let wanted = |action: &_| bit(group) == referee.group(action);
        let step = find_step(system, store, at, target, wanted).ok_or(Error::Replay {
            property: claim.name,
            step: stem.len() + i + 1,
        })?;
        cycle.push(step);
    }
    let lasso = Lasso { stem, cycle };
    referee.check_lasso(claim, claim.fairness.rules(), &lasso)?;
    Ok(Verdict::Never(lasso))
}

/// A way round within a fair set of states.
pub(crate) struct Tour<'a> {
    graph: &'a Graph,
    colours: &'a [u32],
    colour: u32,
    entry: Index,
    rules: Rules,
    watch: &'a Watch<'a>,
}

impl<'a> Tour<'a> {
    pub(crate) fn new(
        graph: &'a Graph,
        colours: &'a [u32],
        entry: Index,
        rules: Rules,
        watch: &'a Watch<'a>,
    ) -> Self {
        Self {
            graph,
            colours,
            colour: colours[entry as usize],
            entry,
            rules,
            watch,
        }
    }

    /// A short fair cycle through the entry.
    pub(crate) fn cycle(&self) -> Result<Vec<Link>, Unfinished> {
        let home = |target: Index, _| target == self.entry;
        let mut walk = self.walk(self.entry, home)?;
        let mut owed = self.owed(&walk);
        if owed == 0 {
            return Ok(walk);
        }
        // Meet what the shortest cycle owes, the nearest first, and come home.
        walk.clear();
        while owed != 0 {
            let at = walk.last().map_or(self.entry, |&(state, _)| state);
            walk.extend(self.walk(at, |target, group| self.meets(owed, target, group))?);
            owed = self.owed(&walk);
        }
        self.come_home(&mut walk)?;
        match self.owed(&walk) {
            0 => Ok(walk),
            // On the way home something more became owed.
            _ => self.everything(),
        }
    }

    /// Whether a step settles what one of these groups is owed: it is one of the group, or it leads
    /// to where a weakly fair one is not enabled.
    fn meets(&self, owed: u64, target: Index, group: u8) -> bool {
        (bit(group) | self.rules.weak & !self.graph.enabled(target)) & owed != 0
    }

    fn come_home(&self, walk: &mut Vec<Link>) -> Result<(), Unfinished> {
        let at = walk.last().map_or(self.entry, |&(state, _)| state);
        if at != self.entry || walk.is_empty() {
            walk.extend(self.walk(at, |target, _| target == self.entry)?);
        }
        Ok(())
    }

    /// The groups that a cycle through the entry along this walk neglects unfairly.
    fn owed(&self, walk: &[Link]) -> u64 {
        let enabled = self.graph.enabled(self.entry);
        let (mut taken, mut always, mut sometimes) = (0, enabled, enabled);
        let mut at = self.entry;
        for &(state, group) in walk {
            if state != at {
                taken |= bit(group);
            }
            always &= self.graph.enabled(state);
            sometimes |= self.graph.enabled(state);
            at = state;
        }
        (self.rules.weak & always | self.rules.strong & sometimes) & !taken
    }

    /// A round that takes for every strongly fair group, if it is enabled anywhere in the set, one
    /// of its steps, and for every weakly fair one a step or a state where it is not enabled.
    fn everything(&self) -> Result<Vec<Link>, Unfinished> {
        let mut walk: Vec<Link> = Vec::new();
        let mut missing = self.rules.strong | self.rules.weak & self.graph.enabled(self.entry);
        loop {
            let at = walk.last().map_or(self.entry, |&(state, _)| state);
            let further = self.walk(at, |target, group| self.meets(missing, target, group))?;
            let Some(&(target, group)) = further.last() else {
                break;
            };
            missing &= !(bit(group) | self.rules.weak & !self.graph.enabled(target));
            walk.extend(further);
        }
        self.come_home(&mut walk)?;
        Ok(walk)
    }

    /// A shortest walk within the set, at least one step long, whose last step is accepted; empty if
    /// there is none. Steps that change nothing are left out unless runs may consist of them.
    fn walk(
        &self,
        start: Index,
        accept: impl Fn(Index, u8) -> bool,
    ) -> Result<Vec<Link>, Unfinished> {
        let mut from: HashMap<Index, Link> = HashMap::new();
        let mut frontier = vec![start];
        while !frontier.is_empty() {
            let mut next = Vec::new();
            for state in frontier {
                self.watch.tick()?;
                for (target, group) in self.graph.edges(state) {
                    if self.colours[target as usize] != self.colour
                        || self.rules.may_stay && target == state
                    {
                        continue;
                    }
                    if accept(target, group) {
                        let mut walk = vec![(target, group)];
                        let mut at = state;
                        while at != start {
                            let (before, group) = from[&at];
                            walk.push((at, group));
                            at = before;
                        }
                        walk.reverse();
                        return Ok(walk);
                    }
                    if target != start && !from.contains_key(&target) {
                        from.insert(target, (state, group));
                        next.push(target);
                    }
                }
            }
            frontier = next;
        }
        Ok(Vec::new())
    }
}
