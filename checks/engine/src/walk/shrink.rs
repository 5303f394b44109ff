//! Shortens a run that ends in a state that is wanted.
//!
//! Three means, each of which leaves a run of the system: going round in circles is left out; so are
//! steps without which the rest still leads to a wanted state (delta debugging, after Zeller and
//! Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002); and breadth-first searches
//! with few states, each from a state of the run, look for a shorter way to a later state of the run
//! or to any state that is wanted. The first search is the one from the initial states: where it can
//! look at everything that is nearer, the run is a shortest one in the end.
//!
//! States are compared by what the system stores of them, and every change is made by taking real
//! steps from a real state, as in [`crate::replay`].

use std::borrow::Cow;

use stateright::Model;

use crate::outcome::{Error, Path};
use crate::replay::{Run, find_step, replay};
use crate::store::Index;
use crate::system::{ActionOf, StateOf, System};
use crate::walk::states::States;

/// How many states a search from the initial states may store.
const WIDE: usize = 1 << 17;

/// How many states the searches of each round from the states of the run may store.
const ROUNDS: [usize; 3] = [1 << 8, 1 << 11, 1 << 14];

/// Searches between two looks at whether somebody wants to stop.
const PATIENCE: usize = 1 << 10;

/// A run, and whether it is known to be a shortest one.
pub(super) struct Shrunk<S: System> {
    pub(super) run: Run<S>,
    pub(super) shortest: bool,
}

/// The states of a run, and their numbers in order.
fn numbered<'a, S: System>(system: &'a S, run: &Run<S>) -> (States<'a, S>, Vec<Index>) {
    let mut states = States::new(system);
    let insert = |state| states.insert(state).unwrap_or_else(|known| known);
    let numbers = run.states().map(insert).collect();
    (states, numbers)
}

/// Lets the model take the run anew.
///
/// # Errors
///
/// [`Error::Replay`] if it does not.
pub(super) fn replayed<S: System>(
    system: &S,
    run: &Run<S>,
    property: &'static str,
) -> Result<Run<S>, Error> {
    let (states, numbers) = numbered(system, run);
    replay(system, &states.store, &numbers, property)
}

/// A shorter way that a search found.
struct Shortcut<S: System> {
    /// The real state it starts from.
    from: StateOf<S>,
    /// The numbers of the states after that, in the search.
    way: Vec<Index>,
    /// The position in the run where it comes back; none if it ends in another wanted state.
    back: Option<usize>,
}

/// What a search gives.
enum Searched<'a, S: System> {
    Found(Shortcut<S>, States<'a, S>),
    /// There is no shorter way.
    Nothing,
    /// There may be one.
    GaveUp,
}

/// A breadth-first search on its way.
struct Front<'a, S: System> {
    states: States<'a, S>,
    /// For each state its predecessor; for a start the state itself.
    parents: Vec<Index>,
    starts: Vec<StateOf<S>>,
    /// How many states it may store.
    budget: usize,
    /// A state was left out.
    cut: bool,
    next: Index,
    /// Where the states at the present distance end.
    level: usize,
    distance: usize,
    unused: S::Coverage,
}

impl<'a, S: System> Front<'a, S> {
    fn new(system: &'a S, budget: usize) -> Self {
        Self {
            states: States::new(system),
            parents: Vec::new(),
            starts: Vec::new(),
            budget,
            cut: false,
            next: 0,
            level: 0,
            distance: 0,
            unused: S::Coverage::default(),
        }
    }

    fn start(&mut self, state: &StateOf<S>) {
        if let Ok(number) = self.states.insert(state) {
            self.parents.push(number);
            self.starts.push(state.clone());
            self.level = self.states.len();
        }
    }

    /// The next state to look at, and its distance from the nearest start.
    fn next(&mut self) -> Option<(Index, usize)> {
        let number = self.next;
        if number as usize == self.states.len() {
            return None;
        }
        if number as usize == self.level {
            self.level = self.states.len();
            self.distance += 1;
        }
        self.next += 1;
        Some((number, self.distance))
    }

    /// Stores the successors of a state, as far as there is room.
    fn expand(&mut self, number: Index, state: &StateOf<S>) {
        let Self {
            states,
            parents,
            budget,
            cut,
            unused,
            ..
        } = self;
        let system = states.system;
        let visit = &mut |(), next: Cow<'_, StateOf<S>>| {
            if !system.model().within_boundary(&next) {
            } else if states.len() >= *budget {
                *cut = *cut || states.find(&next).is_none();
            } else if states.insert(&next).is_ok() {
                parents.push(number);
            }
        };
        system.expand(state, unused, |_| (), visit);
    }

    /// The start from which a state was reached, and the numbers of the states after that.
    fn way_to(&self, number: Index) -> (StateOf<S>, Vec<Index>) {
        let (mut way, mut at) = (Vec::new(), number);
        while self.parents[at as usize] != at {
            way.push(at);
            at = self.parents[at as usize];
        }
        way.reverse();
        (self.starts[at as usize].clone(), way)
    }
}

/// Shortens runs.
pub(super) struct Shrinker<'a, S: System> {
    system: &'a S,
    /// All initial states within the boundary.
    initial: &'a [StateOf<S>],
    wanted: &'a dyn Fn(&StateOf<S>) -> bool,
    cancelled: &'a dyn Fn() -> bool,
    /// States that may still be expanded.
    effort: usize,
}

impl<'a, S: System> Shrinker<'a, S>
where
    ActionOf<S>: PartialEq,
{
    /// With about so many states to expand.
    pub(super) fn new(
        system: &'a S,
        initial: &'a [StateOf<S>],
        wanted: &'a dyn Fn(&StateOf<S>) -> bool,
        cancelled: &'a dyn Fn() -> bool,
        effort: usize,
    ) -> Self {
        Self {
            system,
            initial,
            wanted,
            cancelled,
            effort,
        }
    }

    /// Shortens a run whose last state is wanted.
    pub(super) fn shrink(mut self, run: Run<S>) -> Shrunk<S> {
        if self.effort == 0 || (self.cancelled)() {
            let shortest = run.is_empty();
            return Shrunk { run, shortest };
        }
        let mut run = self.without_loops(run);
        let total = self.effort;
        self.effort = total / 4;
        run = self.without_needless_steps(run);
        self.effort += total - total / 4;
        let mut shortest = self.by_search(&mut run);
        for budget in ROUNDS {
            let mut shorter = false;
            while !shortest && self.by_shortcuts(&mut run, budget) {
                run = self.without_needless_steps(run);
                shorter = true;
            }
            if shorter {
                shortest = self.by_search(&mut run);
            }
        }
        Shrunk { run, shortest }
    }

    /// Takes something from the effort that is left; false if there is nothing left, or somebody
    /// wants to stop.
    fn spend(&mut self) -> bool {
        if self.effort.is_multiple_of(PATIENCE) && (self.cancelled)() {
            self.effort = 0;
        }
        self.effort = self.effort.saturating_sub(1);
        self.effort > 0
    }

    /// Leaves out what leads back to where the run was before.
    fn without_loops(&self, run: Run<S>) -> Run<S> {
        let (states, numbers) = numbered(self.system, &run);
        let mut kept: Vec<Index> = Vec::new();
        let mut at = vec![usize::MAX; states.len()];
        for number in numbers {
            let seen = &mut at[number as usize];
            if *seen < kept.len() && kept[*seen] == number {
                kept.truncate(*seen);
            }
            *seen = kept.len();
            kept.push(number);
        }
        replay(self.system, &states.store, &kept, "").unwrap_or(run)
    }

    /// Leaves out steps without which the rest, as far as it is enabled, still leads to a wanted
    /// state; long stretches first.
    fn without_needless_steps(&mut self, mut run: Run<S>) -> Run<S> {
        let mut stretch = run.len() / 2;
        while stretch > 0 {
            let mut at = 0;
            while at < run.len() {
                if self.effort == 0 {
                    return run;
                }
                match self.without(&run, at, stretch) {
                    Some(shorter) => run = self.without_loops(shorter),
                    None => at += stretch,
                }
            }
            stretch /= 2;
        }
        run
    }

    /// The run without a stretch of its steps, up to the first wanted state; nothing if there is
    /// none.
    fn without(&mut self, run: &Run<S>, at: usize, stretch: usize) -> Option<Run<S>> {
        let mut steps = run.steps[..at].to_vec();
        let rest = run.steps.get(at + stretch..).unwrap_or(&[]);
        let mut state = steps
            .last()
            .map_or(&run.initial, |(_, state)| state)
            .clone();
        for (action, _) in rest {
            if (self.wanted)(&state) || !self.spend() || self.system.stop_at(&state) {
                break;
            }
            if let Some(next) = self.successor(&state, action) {
                state = next;
                steps.push((action.clone(), state.clone()));
            }
        }
        (self.wanted)(&state).then(|| Path {
            initial: run.initial.clone(),
            steps,
        })
    }

    fn successor(&self, state: &StateOf<S>, wanted: &ActionOf<S>) -> Option<StateOf<S>> {
        let model = self.system.model();
        let mut steps = self.system.steps(state).into_iter();
        let step = steps.find(|(action, next)| action == wanted && model.within_boundary(next));
        step.map(|(_, next)| next)
    }

    /// Looks for a shorter way from any initial state; whether there is surely none in the end.
    fn by_search(&mut self, run: &mut Run<S>) -> bool {
        loop {
            let (mut marks, _) = numbered(self.system, run);
            match self.search(run, &mut marks, 0, WIDE) {
                Searched::Found(shortcut, states) => {
                    if !self.apply(run, &marks, 0, &shortcut, &states) {
                        return false;
                    }
                }
                Searched::Nothing => return true,
                Searched::GaveUp => return false,
            }
        }
    }

    /// Looks for a shorter way from each state of the run; whether there was one.
    fn by_shortcuts(&mut self, run: &mut Run<S>, budget: usize) -> bool {
        let before = run.len();
        let mut position = 0;
        let (mut marks, _) = numbered(self.system, run);
        while position < run.len() && self.effort > 0 {
            match self.search(run, &mut marks, position, budget) {
                Searched::Found(shortcut, states)
                    if self.apply(run, &marks, position, &shortcut, &states) =>
                {
                    marks = numbered(self.system, run).0;
                }
                _ => position += 1,
            }
        }
        run.len() < before
    }

    /// Searches from a state of the run, or from all initial states if it is the first, for the
    /// shortcut that saves the most steps. `marks` are the states of the run, which are all
    /// different, by their positions.
    fn search(
        &mut self,
        run: &Run<S>,
        marks: &mut States<'_, S>,
        position: usize,
        budget: usize,
    ) -> Searched<'a, S> {
        let rest = run.len() - position;
        let mut front = Front::new(self.system, budget);
        match position.checked_sub(1) {
            None => self.initial.iter().for_each(|start| front.start(start)),
            Some(before) => front.start(&run.steps[before].1),
        }
        let mut best: Option<(usize, Index, Option<usize>)> = None;
        while let Some((number, distance)) = front.next() {
            // Whatever comes now saves at most so many steps.
            let hope = rest.saturating_sub(distance);
            if hope == 0 || best.is_some_and(|(saved, ..)| saved >= hope) {
                break;
            }
            if !self.spend() {
                front.cut = true;
                break;
            }
            let state = front.states.get(number);
            if (self.wanted)(&state) {
                best = Some((hope, number, None));
                break;
            }
            let mark = marks.find(&state).map_or(0, |mark| mark as usize);
            let saved = mark.saturating_sub(position + distance);
            if saved > best.map_or(0, |(most, ..)| most) {
                best = Some((saved, number, Some(mark)));
            }
            if hope > 1 && !self.system.stop_at(&state) {
                front.expand(number, &state);
            }
        }
        match best {
            Some((_, number, back)) => {
                let (from, way) = front.way_to(number);
                Searched::Found(Shortcut { from, way, back }, front.states)
            }
            None if front.cut => Searched::GaveUp,
            None => Searched::Nothing,
        }
    }

    /// Takes a shortcut; false if that cannot be done.
    fn apply(
        &mut self,
        run: &mut Run<S>,
        marks: &States<'_, S>,
        position: usize,
        shortcut: &Shortcut<S>,
        states: &States<'_, S>,
    ) -> bool {
        self.effort = self.effort.saturating_sub(run.len());
        let mut shorter = match position {
            0 => Path {
                initial: shortcut.from.clone(),
                steps: Vec::new(),
            },
            _ => Path {
                initial: run.initial.clone(),
                steps: run.steps[..position].to_vec(),
            },
        };
        let rest = shortcut.back.unwrap_or(run.len()) + 1..=run.len();
        let ahead = shortcut.way.iter().map(|&number| (&states.store, number));
        let behind = rest.map(|position| (&marks.store, position as Index));
        for (store, number) in ahead.chain(behind) {
            match find_step(self.system, store, shorter.last(), number, |_| true) {
                Some(step) => shorter.steps.push(step),
                None => return false,
            }
        }
        let shorter = self.without_loops(shorter);
        let better = shorter.len() < run.len() && (self.wanted)(shorter.last());
        if better {
            *run = shorter;
        }
        better
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exact::Exact;

    /// A road: one step ahead, or ten.
    struct Road;

    impl Model for Road {
        type State = u32;
        type Action = u32;

        fn init_states(&self) -> Vec<u32> {
            vec![0]
        }

        fn actions(&self, _: &u32, actions: &mut Vec<u32>) {
            actions.extend([1, 10]);
        }

        fn next_state(&self, at: &u32, stride: u32) -> Option<u32> {
            Some(at + stride)
        }
    }

    fn shrinker<'a>(
        road: &'a Exact<Road>,
        wanted: &'a dyn Fn(&u32) -> bool,
        effort: usize,
    ) -> Shrinker<'a, Exact<Road>> {
        Shrinker::new(road, &[0], wanted, &|| false, effort)
    }

    fn in_small_steps(to: u32) -> Run<Exact<Road>> {
        Path {
            initial: 0,
            steps: (1..=to).map(|at| (1, at)).collect(),
        }
    }

    #[test]
    fn small_searches_find_the_shortcuts_of_a_long_run() {
        let road = Exact::new(Road);
        let mut run = in_small_steps(1000);
        let wanted = |at: &u32| *at == 1000;
        assert!(shrinker(&road, &wanted, 1 << 20).by_shortcuts(&mut run, 64));
        assert_eq!(run.len(), 100);
        assert_eq!(run.last(), &1000);
    }

    #[test]
    fn circles_are_left_out() {
        let road = Exact::new(Road);
        let mut run = in_small_steps(3);
        run.steps.push((1, 1));
        run.steps.push((1, 2));
        let wanted = |at: &u32| *at == 2;
        let run = shrinker(&road, &wanted, 1).without_loops(run);
        assert_eq!(run, in_small_steps(2));
    }

    #[test]
    fn the_shortest_run_is_known_to_be_it_only_if_everything_nearer_was_seen() {
        let road = Exact::new(Road);
        let wanted = |at: &u32| *at >= 99;
        let seen = shrinker(&road, &wanted, 1 << 20).shrink(in_small_steps(99));
        assert_eq!((seen.run.len(), seen.shortest), (10, true));
        let hurried = shrinker(&road, &wanted, 3).shrink(in_small_steps(99));
        assert!(!hurried.shortest);
    }

    #[test]
    fn without_effort_nothing_is_changed() {
        let road = Exact::new(Road);
        let wanted = |at: &u32| *at == 99;
        let shrunk = shrinker(&road, &wanted, 0).shrink(in_small_steps(99));
        assert_eq!(shrunk.run, in_small_steps(99));
    }

    #[test]
    fn whoever_wants_to_stop_gets_a_run_all_the_same() {
        let road = Exact::new(Road);
        let wanted = |at: &u32| *at == 99;
        let shrinker = Shrinker::new(&road, &[0], &wanted, &|| true, 1 << 20);
        let shrunk = shrinker.shrink(in_small_steps(99));
        assert_eq!(shrunk.run.last(), &99);
        assert!(!shrunk.shortest);
    }
}
