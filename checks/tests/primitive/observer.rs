//! The model as who sees only events sees it.
//!
//! After a history the model is in one of a set of states. Which events may come next,
//! and which set each leads to, is a deterministic automaton: a history is one path of
//! it, however many runs of the model show that history. Its edges are the *visible edges*
//! of the model, and what an execution covered of them is no matter of luck or of
//! interpretation. It is built as far as it is asked for.

use super::{Case, Expectation, SOME_PAGE};
use glock::Checked;
use glock_model::cluster::{Cluster, State};
use glock_primitives::event::{Event, Op, Residency};
use stateright::Model;
use std::collections::HashMap;
use std::rc::Rc;

/// What the model says of an event: it does not tell the page of a `page_mkwrite` that
/// found nothing.
pub fn as_shown(observed: Event) -> Event {
    let mut event = observed;
    if let Op::Mkwrite { page, found } = &mut event.op
        && *found == Residency::Absent
    {
        *page = SOME_PAGE;
    }
    event
}

/// Steps out of a state: where to, and what they show.
type Steps = Rc<[(u32, Option<Event>)]>;
/// Edges out of a set of states.
pub type Edges = Rc<[(Event, u32)]>;

/// The automaton of a case.
pub struct Observer<'a> {
    checked: Checked<'a>,
    expectation: Expectation<'a>,
    states: Vec<State>,
    numbers: HashMap<State, u32>,
    steps: Vec<Option<Steps>>,
    sets: Vec<Rc<[u32]>>,
    set_numbers: HashMap<Rc<[u32]>, u32>,
    edges: Vec<Option<Edges>>,
}

impl<'a> Observer<'a> {
    /// With the set of the empty history, which has the number 0.
    pub fn new(case: &Case, cluster: &'a Cluster) -> Self {
        let mut observer = Observer {
            checked: Checked(cluster),
            expectation: Expectation::new(case, cluster),
            states: Vec::new(),
            numbers: HashMap::new(),
            steps: Vec::new(),
            sets: Vec::new(),
            set_numbers: HashMap::new(),
            edges: Vec::new(),
        };
        let first = cluster.initial_states();
        let first = first.into_iter().map(|s| observer.number(s)).collect();
        assert_eq!(observer.set(first), 0);
        observer
    }

    fn number(&mut self, state: State) -> u32 {
        if let Some(&number) = self.numbers.get(&state) {
            return number;
        }
        let number = self.states.len() as u32;
        self.states.push(state);
        self.numbers.insert(state, number);
        self.steps.push(None);
        number
    }

    fn steps(&mut self, state: u32) -> Steps {
        if let Some(steps) = &self.steps[state as usize] {
            return steps.clone();
        }
        let before = self.states[state as usize];
        let mut actions = Vec::new();
        self.checked.actions(&before, &mut actions);
        let mut steps = Vec::new();
        for action in actions {
            let Some(after) = self.checked.next_state(&before, action) else {
                continue;
            };
            let shown = self.expectation.shown(&before, &action, &after);
            assert!(shown.len() <= 1, "no steps are fused here");
            steps.push((self.number(after), shown.first().copied()));
        }
        let steps: Steps = steps.into();
        self.steps[state as usize] = Some(steps.clone());
        steps
    }

    /// The number of a set, closed under steps that show nothing.
    fn set(&mut self, mut states: Vec<u32>) -> u32 {
        let mut seen: std::collections::HashSet<u32> = states.iter().copied().collect();
        let mut at = 0;
        while at < states.len() {
            for &(to, shown) in self.steps(states[at]).iter() {
                if shown.is_none() && seen.insert(to) {
                    states.push(to);
                }
            }
            at += 1;
        }
        states.sort_unstable();
        states.dedup();
        let states: Rc<[u32]> = states.into();
        if let Some(&number) = self.set_numbers.get(&states) {
            return number;
        }
        let number = self.sets.len() as u32;
        self.sets.push(states.clone());
        self.set_numbers.insert(states, number);
        self.edges.push(None);
        number
    }

    /// The events that may come next, and the sets they lead to; in an order that is the
    /// same every time.
    pub fn edges(&mut self, set: u32) -> Edges {
        if let Some(edges) = &self.edges[set as usize] {
            return edges.clone();
        }
        let mut by_event: HashMap<Event, Vec<u32>> = HashMap::new();
        for &state in self.sets[set as usize].clone().iter() {
            for &(to, shown) in self.steps(state).iter() {
                if let Some(event) = shown {
                    by_event.entry(event).or_default().push(to);
                }
            }
        }
        let mut by_event: Vec<_> = by_event.into_iter().collect();
        by_event.sort_by_cached_key(|(event, _)| event.to_string());
        let edges = by_event.into_iter().map(|(event, mut states)| {
            states.sort_unstable();
            states.dedup();
            (event, self.set(states))
        });
        let edges: Edges = edges.collect();
        self.edges[set as usize] = Some(edges.clone());
        edges
    }

    /// Where an event leads; none if the model does not show it there.
    pub fn after(&mut self, set: u32, event: Event) -> Option<u32> {
        let event = as_shown(event);
        let edges = self.edges(set);
        edges.iter().find(|e| e.0 == event).map(|e| e.1)
    }

    /// Where a history leads; none if it is none.
    pub fn follow(&mut self, history: &[Event]) -> Option<u32> {
        history.iter().try_fold(0, |set, e| self.after(set, *e))
    }

    /// Sets and states that were met.
    pub fn size(&self) -> (usize, usize) {
        (self.sets.len(), self.states.len())
    }
}
