//! Checks a counterexample to a claim without looking at what found it.
//!
//! The referee knows the model, the claim and the counterexample, and neither graph nor components:
//! it asks the model for the steps of each state of the lasso and applies the definition of
//! fairness to them.

use std::borrow::Cow;
use std::collections::HashMap;

use stateright::Model;

use crate::claim::{Claim, Condition, Goal, Rules};
use crate::graph::{NO_GROUP, bit};
use crate::outcome::{Error, LassoOf, TrapOf};
use crate::search::Groups;
use crate::store::Store;
use crate::system::{ActionOf, BatchOf, StateOf, System};

pub(crate) struct Referee<'a, S: System> {
    system: &'a S,
    groups: &'a Groups<'a, S>,
    /// Stays empty; it compares.
    store: S::Store,
}

impl<'a, S: System> Referee<'a, S> {
    pub(crate) fn new(system: &'a S, groups: &'a Groups<'a, S>) -> Self {
        Self {
            system,
            groups,
            store: system.new_store(),
        }
    }

    /// The bit of an action's group, none for the environment.
    pub(crate) fn group(&self, action: &ActionOf<S>) -> u64 {
        let group = self.groups.as_ref().and_then(|groups| groups(action));
        bit(group.map_or(NO_GROUP, |group| group as u8))
    }

    fn same(&self, one: &StateOf<S>, other: &StateOf<S>) -> bool {
        let mut batch = BatchOf::<S>::default();
        self.system
            .encode(&mut batch, &self.store, Cow::Borrowed(one));
        self.system
            .encode(&mut batch, &self.store, Cow::Borrowed(other));
        self.store.same(&batch, 0, 1)
    }

    fn steps(&self, state: &StateOf<S>) -> Vec<(ActionOf<S>, StateOf<S>)> {
        let mut steps = self.system.steps(state);
        steps.retain(|(_, next)| self.system.model().within_boundary(next));
        steps
    }

    /// The groups with a step that leads from a state to another one.
    fn enabled(&self, state: &StateOf<S>) -> u64 {
        self.steps(state)
            .iter()
            .filter(|(_, next)| !self.same(state, next))
            .fold(0, |bits, (action, _)| bits | self.group(action))
    }

    /// # Errors
    ///
    /// [`Error::Lasso`] unless the lasso is a run of the model, fair by these rules, that the claim
    /// says there is not.
    pub(crate) fn check_lasso(
        &self,
        claim: &Claim<'_, StateOf<S>>,
        rules: Rules,
        lasso: &LassoOf<S>,
    ) -> Result<(), Error> {
        let faults = [
            (self.starts(lasso), "it does not start in an initial state"),
            (self.runs(lasso), "one of its steps is none of the model's"),
            (
                self.closes(rules, lasso),
                "its cycle does not go on for ever",
            ),
            (self.is_fair(rules, lasso), "its cycle is not fair"),
            (
                self.refutes(claim, lasso),
                "it does not contradict the claim",
            ),
        ];
        match faults.into_iter().find(|(good, _)| !good) {
            None => Ok(()),
            Some((_, fault)) => Err(Error::Lasso {
                claim: claim.name,
                fault,
            }),
        }
    }

    fn starts(&self, lasso: &LassoOf<S>) -> bool {
        let model = self.system.model();
        let initial = &lasso.stem.initial;
        model.within_boundary(initial)
            && model
                .init_states()
                .iter()
                .any(|state| self.same(state, initial))
    }

    fn runs(&self, lasso: &LassoOf<S>) -> bool {
        let mut at = &lasso.stem.initial;
        lasso
            .stem
            .steps
            .iter()
            .chain(&lasso.cycle)
            .all(|(action, next)| {
                let from = std::mem::replace(&mut at, next);
                self.steps(from).iter().any(|(possible, state)| {
                    self.group(possible) == self.group(action) && self.same(state, next)
                })
            })
    }

    fn closes(&self, rules: Rules, lasso: &LassoOf<S>) -> bool {
        let entry = lasso.stem.last();
        match lasso.cycle.last() {
            Some((_, last)) => self.same(entry, last),
            None => rules.may_stay || self.steps(entry).is_empty(),
        }
    }

    fn is_fair(&self, rules: Rules, lasso: &LassoOf<S>) -> bool {
        let enabled: Vec<u64> = lasso.visited_for_ever().map(|s| self.enabled(s)).collect();
        let always = enabled.iter().fold(u64::MAX, |bits, one| bits & one);
        let sometimes = enabled.iter().fold(0, |bits, one| bits | one);
        let mut taken = 0;
        let mut at = lasso.stem.last();
        for (action, next) in &lasso.cycle {
            if !self.same(at, next) {
                taken |= self.group(action);
            }
            at = next;
        }
        (rules.weak & always | rules.strong & sometimes) & !taken == 0
    }

    fn refutes(&self, claim: &Claim<'_, StateOf<S>>, lasso: &LassoOf<S>) -> bool {
        let whole = || {
            lasso
                .stem
                .states()
                .chain(lasso.cycle.iter().map(|(_, s)| s))
        };
        match &claim.goal {
            Goal::CanReach(_) => false,
            Goal::Eventually(condition) => !whole().any(condition),
            Goal::InfinitelyOften(condition) => !lasso.visited_for_ever().any(condition),
            Goal::LeadsTo(from, to) => {
                // Only stretches without `to` at their end count; the last begins after the last `to`.
                let states: Vec<_> = whole().collect();
                let since = states.iter().rposition(|&s| to(s)).map_or(0, |i| i + 1);
                let cycle = lasso.visited_for_ever().any(to);
                !cycle && states[since..].iter().any(|&s| from(s))
            }
        }
    }

    /// # Errors
    ///
    /// [`Error::Lasso`] if a state with the condition can be reached from the trap, or if more states
    /// can be than are in it.
    pub(crate) fn check_trap(
        &self,
        claim: &'static str,
        condition: &Condition<'_, StateOf<S>>,
        trap: &TrapOf<S>,
    ) -> Result<(), Error> {
        let fault = |fault| Err(Error::Lasso { claim, fault });
        let mut store = self.system.new_store();
        let mut batch = BatchOf::<S>::default();
        let mut seen: HashMap<u32, Vec<u32>> = HashMap::new();
        let mut add = |store: &mut S::Store, state: &StateOf<S>| {
            S::Store::clear(&mut batch);
            let hash = self.system.encode(&mut batch, store, Cow::Borrowed(state));
            let twins = seen.entry(hash).or_default();
            if !twins.iter().any(|&index| store.equals(index, &batch, 0)) {
                twins.push(store.len() as u32);
                store.append(&mut batch, 0);
            }
        };
        add(&mut store, trap.path.last());
        let mut next = 0;
        while next < store.len() {
            if next == trap.states {
                return fault("more states can be reached from it than are in the trap");
            }
            let ends = |state: &StateOf<S>| condition(state) || self.system.stop_at(state);
            let (out, steps) = self.system.with_state(&store, next as u32, |state| {
                (ends(state), self.steps(state))
            });
            if out {
                return fault("the goal can be reached from it");
            }
            for (_, state) in &steps {
                add(&mut store, state);
            }
            next += 1;
        }
        Ok(())
    }
}
