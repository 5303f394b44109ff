//! Where runs can go on for ever, fairly, without leaving a set of states.
//!
//! The states that a run visits again and again are strongly connected. So is what must be found:
//! strongly connected sets in which every fair group is taken, or may be neglected. A set that
//! neglects a strongly fair group contains no state where the group is enabled; if it does, those
//! states are removed and what is left is decomposed again (Emerson and Lei, "Modalities for model
//! checking", 1987; for strong fairness the same as emptiness of Streett automata).
//!
//! Components are found by Tarjan's algorithm in Pearce's form ("A space-efficient algorithm for
//! finding strongly connected components", 2016), without recursion: 4 bytes a state, in which its
//! number while it is being visited and its colour before and after take turns, and two stacks.

use crate::bits::Bits;
use crate::claim::Rules;
use crate::graph::{Graph, bit};
use crate::outcome::Unfinished;
use crate::store::Index;
use crate::watch::Watch;

/// The colour of a state outside of every set.
const NONE: u32 = 0;

/// The mark of a number reached, which is no colour.
const REACH: u32 = 1 << 31;

/// The states in which fair runs can go on for ever.
pub(crate) struct Fair {
    /// States on a fair cycle of at least one step.
    pub(crate) going: Bits,
    /// Each of them is in a set of states, all of one colour, that a fair run can visit again and
    /// again, all of them, taking all transitions between them.
    pub(crate) colour: Vec<u32>,
    /// States in which a run may stay for ever.
    pub(crate) staying: Bits,
}

/// Decomposes the states in `allowed`.
pub(crate) fn fair_states(
    graph: &Graph,
    allowed: &Bits,
    rules: Rules,
    watch: &Watch<'_>,
) -> Result<Fair, Unfinished> {
    let states = graph.states();
    let mut fair = Fair {
        going: Bits::new(states),
        colour: vec![NONE; states],
        staying: Bits::new(states),
    };
    for state in allowed.iter() {
        watch.tick()?;
        if may_stay(graph, state, rules) {
            fair.staying.insert(state);
        }
    }
    let allowed = without_ends(graph, allowed.clone(), rules, watch)?;
    for state in allowed.iter() {
        fair.colour[state as usize] = 1;
    }
    let mut work = Work {
        graph,
        rules,
        watch,
        fair,
        last_colour: 1,
        finder: Components::default(),
        left: Vec::new(),
    };
    work.decompose(allowed.iter(), 1)?;
    while let Some((colour, set)) = work.left.pop() {
        work.decompose(set.iter().copied(), colour)?;
    }
    Ok(work.fair)
}

/// How often to go through all states rather than look for components.
const SWEEPS: usize = 8;

/// The states but for some that are on no cycle within them, which is all the same to cycles. States
/// are numbered by their distance from the beginning, so that going through them from the last to the
/// first finds most of those from which nothing goes on.
fn without_ends(
    graph: &Graph,
    mut states: Bits,
    rules: Rules,
    watch: &Watch<'_>,
) -> Result<Bits, Unfinished> {
    for _ in 0..SWEEPS {
        let (mut left, mut removed) = (0_usize, 0_usize);
        for state in (0..graph.states() as Index).rev() {
            if !states.has(state) {
                continue;
            }
            watch.tick()?;
            let goes_on = |(target, _)| states.has(target) && (target != state || !rules.may_stay);
            match graph.edges(state).any(goes_on) {
                true => left += 1,
                false => {
                    states.remove(state);
                    removed += 1;
                }
            }
        }
        if removed <= left / 8 {
            break;
        }
    }
    Ok(states)
}

/// A decomposition on its way.
struct Work<'a> {
    graph: &'a Graph,
    rules: Rules,
    watch: &'a Watch<'a>,
    fair: Fair,
    last_colour: u32,
    finder: Components,
    /// Sets to be decomposed again, each with its colour.
    left: Vec<(u32, Vec<Index>)>,
}

impl Work<'_> {
    /// Decomposes the states that have this colour.
    fn decompose(
        &mut self,
        set: impl Iterator<Item = Index>,
        colour: u32,
    ) -> Result<(), Unfinished> {
        let Self {
            graph,
            rules,
            watch,
            fair,
            last_colour,
            finder,
            left,
        } = self;
        let (graph, rules) = (*graph, *rules);
        let Fair {
            going,
            colour: colours,
            ..
        } = fair;
        finder.find(graph, set, colour, colours, watch, |component, colours| {
            if let [state] = *component
                && (rules.may_stay || graph.edges(state).all(|(target, _)| target != state))
            {
                // No cycle, or one of steps that change nothing.
                return;
            }
            let mut next_colour = || {
                *last_colour += 1;
                assert!(*last_colour < REACH, "no more colours");
                *last_colour
            };
            let colour = next_colour();
            paint(colours, component, colour);
            match judge(graph, colours, component, colour, rules) {
                Judgement::Fair => component.iter().for_each(|&state| going.insert(state)),
                Judgement::Unfair => {}
                Judgement::Without(groups) => {
                    let rest: Vec<Index> = component
                        .iter()
                        .copied()
                        .filter(|&state| graph.enabled(state) & groups == 0)
                        .collect();
                    let colour = next_colour();
                    paint(colours, &rest, colour);
                    left.push((colour, rest));
                }
            }
        })
    }
}

/// Whether a run may stay in a state for ever, by itself.
pub(crate) fn may_stay(graph: &Graph, state: Index, rules: Rules) -> bool {
    match rules.may_stay {
        true => graph.enabled(state) & (rules.weak | rules.strong) == 0,
        false => graph.range(state).is_empty(),
    }
}

fn paint(colours: &mut [u32], states: &[Index], colour: u32) {
    for &state in states {
        colours[state as usize] = colour;
    }
}

enum Judgement {
    /// A run through all of it is fair.
    Fair,
    /// No run that stays in it is fair.
    Unfair,
    /// A fair run that stays in it avoids the states where one of these groups is enabled.
    Without(u64),
}

fn judge(
    graph: &Graph,
    colours: &[u32],
    component: &[Index],
    colour: u32,
    rules: Rules,
) -> Judgement {
    let (mut taken, mut always, mut sometimes) = (0, u64::MAX, 0);
    for &state in component {
        let enabled = graph.enabled(state);
        always &= enabled;
        sometimes |= enabled;
        for (target, group) in graph.edges(state) {
            if target != state && colours[target as usize] == colour {
                taken |= bit(group);
            }
        }
    }
    if rules.weak & always & !taken != 0 {
        return Judgement::Unfair;
    }
    match rules.strong & sometimes & !taken {
        0 => Judgement::Fair,
        neglected => Judgement::Without(neglected),
    }
}

/// A state being visited.
struct Visit {
    state: Index,
    /// How many of its transitions have been followed; with [`NO_ROOT`], if one of them leads back
    /// to before it.
    followed: u32,
}

/// The mark of a state that leads back to before it.
const NO_ROOT: u32 = 1 << 31;

/// The search for components, with its memory.
#[derive(Default)]
pub(crate) struct Components {
    visits: Vec<Visit>,
    /// States left, of components not complete yet.
    open: Vec<Index>,
}

impl Components {
    /// Calls `emit` with every strongly connected component of the subgraph of the states that have
    /// this colour, which are those in `states`. A component comes after all others that it leads
    /// to; its states have lost their colour, and `emit` may paint them.
    ///
    /// In between, a state that is being visited has the lowest number it reached for a colour.
    pub(crate) fn find(
        &mut self,
        graph: &Graph,
        states: impl Iterator<Item = Index>,
        colour: u32,
        colours: &mut [u32],
        watch: &Watch<'_>,
        mut emit: impl FnMut(&[Index], &mut [u32]),
    ) -> Result<(), Unfinished> {
        let mut number = REACH;
        for start in states {
            if colours[start as usize] != colour {
                continue;
            }
            self.enter(start, colours, &mut number);
            while let Some(visit) = self.visits.last_mut() {
                watch.tick()?;
                let state = visit.state;
                let range = graph.range(state);
                let next = range.start + u64::from(visit.followed & !NO_ROOT);
                if next == range.end {
                    self.leave(colours, &mut emit);
                    continue;
                }
                let target = graph.target(next);
                visit.followed += 1;
                let reached = colours[target as usize];
                if reached == colour {
                    self.enter(target, colours, &mut number);
                } else if reached & REACH != 0 && reached < colours[state as usize] {
                    colours[state as usize] = reached;
                    visit.followed |= NO_ROOT;
                }
            }
        }
        Ok(())
    }

    fn enter(&mut self, state: Index, colours: &mut [u32], number: &mut u32) {
        *number += 1;
        colours[state as usize] = *number;
        push(&mut self.visits, Visit { state, followed: 0 });
    }

    fn leave(&mut self, colours: &mut [u32], emit: &mut impl FnMut(&[Index], &mut [u32])) {
        let Some(Visit { state, followed }) = self.visits.pop() else {
            return;
        };
        let root = followed & NO_ROOT == 0;
        let reach = colours[state as usize];
        push(&mut self.open, state);
        if root {
            let members = self.open[..self.open.len() - 1]
                .iter()
                .rev()
                .take_while(|&&open| colours[open as usize] >= reach)
                .count();
            let component = self.open.len() - 1 - members;
            paint(colours, &self.open[component..], NONE);
            emit(&self.open[component..], colours);
            self.open.truncate(component);
        }
        if let Some(parent) = self.visits.last_mut() {
            let best = &mut colours[parent.state as usize];
            if reach < *best && !root {
                *best = reach;
                parent.followed |= NO_ROOT;
            }
        }
    }
}

/// Adds to a stack, which grows by a quarter rather than by as much again: it can be among the
/// largest things in memory.
fn push<T>(stack: &mut Vec<T>, item: T) {
    if stack.len() == stack.capacity() {
        stack.reserve_exact(stack.len() / 4 + 1024);
    }
    stack.push(item);
}

/// The states from which a state in `goal` can be reached.
pub(crate) fn can_reach(graph: &Graph, goal: &Bits, watch: &Watch<'_>) -> Result<Bits, Unfinished> {
    let states = graph.states();
    let everywhere = 0..states as Index;
    let mut can = goal.clone();
    // As for cycles: most are found by going through all from the last to the first a few times.
    for _ in 0..SWEEPS {
        let mut more = false;
        for state in everywhere.clone().rev() {
            watch.tick()?;
            if !can.has(state) && graph.edges(state).any(|(target, _)| can.has(target)) {
                can.insert(state);
                more = true;
            }
        }
        if !more {
            return Ok(can);
        }
    }
    let mut colours = vec![1; states];
    let mut components = Components::default();
    components.find(graph, everywhere, 1, &mut colours, watch, |component, _| {
        let reaches = component
            .iter()
            .any(|&state| can.has(state) || graph.edges(state).any(|(target, _)| can.has(target)));
        if reaches {
            component.iter().for_each(|&state| can.insert(state));
        }
    })?;
    Ok(can)
}
