//! The best that persistent sets can do, computed on the full graph.
//!
//! Everything a static reduction must guess is read off the graph here: a set of
//! movers is *persistent* in a state if, whatever the others do from there, each
//! step the set offers stays possible, the set is offered no other step, and the two
//! orders of one of its steps and one of the others' lead to the same state.

use std::collections::{HashMap, VecDeque};

/// A step of the graph.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edge {
    /// Which step, the same number in every state.
    pub(crate) label: u16,
    /// Who moves: below 64.
    pub(crate) mover: u8,
    /// The state it leads to.
    pub(crate) to: u32,
}

/// A set of movers: bit per mover.
pub(crate) type Movers = u64;

/// What is known of a state besides its steps.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Judged {
    /// Violated properties: bit per property.
    pub(crate) violated: u64,
    /// Nothing is explored beyond it, whatever could still move.
    pub(crate) stopped: bool,
    /// Everything is over.
    pub(crate) finished: bool,
}

/// A full state graph.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    /// The states to begin from.
    pub(crate) initial: Vec<u32>,
    /// Per state.
    pub(crate) judged: Vec<Judged>,
    /// The steps of state `s` are `edges[first[s]..first[s + 1]]`, by label.
    pub(crate) first: Vec<usize>,
    /// All steps.
    pub(crate) edges: Vec<Edge>,
}

impl Graph {
    /// The steps of a state.
    pub(crate) fn steps(&self, state: u32) -> &[Edge] {
        let s = state as usize;
        &self.edges[self.first[s]..self.first[s + 1]]
    }

    /// Number of states.
    pub(crate) fn states(&self) -> usize {
        self.judged.len()
    }

    fn all(&self) -> std::ops::Range<u32> {
        0..self.states() as u32
    }

    /// Adds the steps of the next state.
    pub(crate) fn push(&mut self, judged: Judged, mut steps: Vec<Edge>) {
        steps.sort_by_key(|e| e.label);
        if self.first.is_empty() {
            self.first.push(0);
        }
        self.judged.push(judged);
        self.edges.extend(steps);
        self.first.push(self.edges.len());
    }

    fn enabled(&self, state: u32) -> Movers {
        self.steps(state).iter().fold(0, |m, e| m | 1 << e.mover)
    }

    fn after(&self, state: u32, label: u16) -> Option<u32> {
        let steps = self.steps(state);
        let found = steps.binary_search_by_key(&label, |e| e.label);
        found.ok().map(|i| steps[i].to)
    }

    fn labels(&self, state: u32, mover: u8) -> impl Iterator<Item = u16> {
        let own = self.steps(state).iter().filter(move |e| e.mover == mover);
        own.map(|e| e.label)
    }

    /// Properties whose violation some step undoes. The others need only be reached
    /// at last, so that no step has to count as visible for their sake.
    fn unstable(&self) -> u64 {
        let undone = |s: u32, e: &Edge| {
            self.judged[s as usize].violated & !self.judged[e.to as usize].violated
        };
        self.all()
            .flat_map(|s| self.steps(s).iter().map(move |e| undone(s, e)))
            .fold(0, |all, bits| all | bits)
    }

    /// The movers with a step that decides an unstable property, or stops the run.
    fn visible(&self, state: u32, unstable: u64) -> Movers {
        let before = &self.judged[state as usize];
        self.steps(state).iter().fold(0, |movers, e| {
            let after = &self.judged[e.to as usize];
            let seen = (before.violated ^ after.violated) & unstable != 0 || after.stopped;
            movers | u64::from(seen) << e.mover
        })
    }

    /// The movers that depend on this step in this state: it gives them a step or
    /// takes one away, or the order of the two makes a difference.
    fn dependent(&self, state: u32, step: &Edge) -> Movers {
        let movers = self.enabled(state) | self.enabled(step.to);
        (0..64)
            .filter(|&m| movers & 1 << m != 0 && m != step.mover)
            .filter(|&m| !self.commutes(state, step, m))
            .fold(0, |set, m| set | 1 << m)
    }

    fn commutes(&self, state: u32, step: &Edge, mover: u8) -> bool {
        let own = || self.steps(state).iter().filter(|e| e.mover == mover);
        if self.judged[step.to as usize].stopped {
            // Beyond it nothing is known; the same must happen after the mover's step.
            return own().all(|t| {
                let late = self.after(t.to, step.label);
                late.is_some_and(|x| self.judged[x as usize].stopped)
            });
        }
        self.labels(state, mover).eq(self.labels(step.to, mover))
            && own().all(|t| {
                let late = self.after(t.to, step.label);
                late.is_some() && late == self.after(step.to, t.label)
            })
    }
}

/// Per set of movers, the states in which it is persistent.
#[derive(Debug)]
pub(crate) struct Oracle<'a> {
    graph: &'a Graph,
    persistent: HashMap<Movers, Vec<bool>>,
    /// Per state: the movers with a step.
    enabled: Vec<Movers>,
}

/// The predecessors of every state: `(from, mover)`.
struct Backward {
    first: Vec<usize>,
    edges: Vec<(u32, u8)>,
}

impl Backward {
    fn new(graph: &Graph) -> Backward {
        let mut first = vec![0; graph.states() + 1];
        graph
            .edges
            .iter()
            .for_each(|e| first[e.to as usize + 1] += 1);
        (1..first.len()).for_each(|i| first[i] += first[i - 1]);
        let mut next = first.clone();
        let mut edges = vec![(0, 0); graph.edges.len()];
        for s in graph.all() {
            for e in graph.steps(s) {
                edges[next[e.to as usize]] = (s, e.mover);
                next[e.to as usize] += 1;
            }
        }
        Backward { first, edges }
    }

    fn of(&self, state: u32) -> &[(u32, u8)] {
        let s = state as usize;
        &self.edges[self.first[s]..self.first[s + 1]]
    }
}

impl<'a> Oracle<'a> {
    /// Looks at every set of movers that have a step together somewhere.
    pub(crate) fn new(graph: &'a Graph) -> Oracle<'a> {
        let enabled: Vec<Movers> = graph.all().map(|s| graph.enabled(s)).collect();
        let unstable = graph.unstable();
        let visible: Vec<Movers> = graph.all().map(|s| graph.visible(s, unstable)).collect();
        let dependent: Vec<Movers> = graph
            .all()
            .flat_map(|s| graph.steps(s).iter().map(move |e| graph.dependent(s, e)))
            .collect();
        let backward = Backward::new(graph);
        let mut oracle = Oracle {
            graph,
            persistent: HashMap::new(),
            enabled,
        };
        let mut together = oracle.enabled.clone();
        together.sort_unstable();
        together.dedup();
        for set in together.into_iter().flat_map(parts) {
            if !oracle.persistent.contains_key(&set) {
                let states = oracle.persistent_in(set, &visible, &dependent, &backward);
                oracle.persistent.insert(set, states);
            }
        }
        oracle
    }

    /// A state is spoilt if there, or after steps of others, a step of another one
    /// depends on the set or a step of the set is visible.
    fn persistent_in(
        &self,
        set: Movers,
        visible: &[Movers],
        dependent: &[Movers],
        backward: &Backward,
    ) -> Vec<bool> {
        let graph = self.graph;
        let mut fine = vec![true; graph.states()];
        let mut spoilt = Vec::new();
        for s in graph.all() {
            let steps = graph.first[s as usize]..graph.first[s as usize + 1];
            let disturbed = steps
                .into_iter()
                .any(|i| set & 1 << graph.edges[i].mover == 0 && dependent[i] & set != 0);
            if disturbed || visible[s as usize] & set != 0 {
                fine[s as usize] = false;
                spoilt.push(s);
            }
        }
        while let Some(s) = spoilt.pop() {
            for &(from, mover) in backward.of(s) {
                if set & 1 << mover == 0 && fine[from as usize] {
                    fine[from as usize] = false;
                    spoilt.push(from);
                }
            }
        }
        fine
    }

    /// The persistent sets of a state that leave a step out.
    fn choices(&self, state: u32) -> impl Iterator<Item = Movers> {
        parts(self.enabled[state as usize]).filter(move |set| {
            let states = self.persistent.get(set);
            states.is_some_and(|fine| fine[state as usize])
        })
    }

    /// May everybody else be left out in this state?
    pub(crate) fn is_persistent(&self, state: u32, set: Movers) -> bool {
        set == self.enabled[state as usize]
            || self
                .persistent
                .get(&set)
                .is_some_and(|fine| fine[state as usize])
    }

    /// The search that takes a smallest persistent set wherever there is one of some of
    /// these movers.
    pub(crate) fn reduced(&self, among: Movers, order: Order, proviso: Proviso) -> Reduced {
        let graph = self.graph;
        let mut found = Reduced {
            edges: 0,
            taken: vec![None; graph.states()],
        };
        let mut seen = vec![false; graph.states()];
        let mut queue = VecDeque::new();
        for &s in &graph.initial {
            if !std::mem::replace(&mut seen[s as usize], true) {
                queue.push_back(s);
            }
        }
        while let Some(s) = queue.pop_front() {
            let set = self.choose(s, among, order, proviso, &seen, &found.taken);
            found.taken[s as usize] = Some(set);
            for e in graph.steps(s).iter().filter(|e| set & 1 << e.mover != 0) {
                found.edges += 1;
                if !std::mem::replace(&mut seen[e.to as usize], true) {
                    queue.push_back(e.to);
                }
            }
        }
        found
    }

    fn choose(
        &self,
        state: u32,
        among: Movers,
        order: Order,
        proviso: Proviso,
        seen: &[bool],
        taken: &[Option<Movers>],
    ) -> Movers {
        let steps = |set: Movers| {
            let own = self.graph.steps(state).iter();
            own.filter(move |e| set & 1 << e.mover != 0)
        };
        let goes_on = |set: Movers| {
            let expanded = |e: &Edge| e.to == state || taken[e.to as usize].is_some();
            proviso == Proviso::None || steps(set).any(|e| !expanded(e))
        };
        let new = |set: Movers| steps(set).filter(|e| !seen[e.to as usize]).count();
        self.choices(state)
            .filter(|&set| set & !among == 0 && goes_on(set))
            .min_by_key(|&set| match order {
                Order::FewestNew => (new(set), steps(set).count(), set),
                Order::LowestMover => (steps(set).count(), 0, set),
                Order::HighestMover => (steps(set).count(), 0, set.reverse_bits()),
                Order::Shuffled(seed) => (steps(set).count(), 0, shuffled(set, state, seed)),
            })
            .unwrap_or(self.enabled[state as usize])
    }
}

/// All parts of a set but the empty one and itself.
fn parts(set: Movers) -> impl Iterator<Item = Movers> {
    let below = move |part: Movers| Some(part.wrapping_sub(1) & set).filter(|&p| p != 0);
    std::iter::successors(Some(set).filter(|&s| s != 0).and_then(below), move |&p| {
        below(p)
    })
}

fn shuffled(set: Movers, state: u32, seed: u64) -> u64 {
    let mixed = (set ^ u64::from(state) << 32 ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ mixed >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 8
}

/// Which of several persistent sets is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// The one that leads to the fewest states not seen yet.
    FewestNew,
    /// The one with the fewest steps; among equals that of the tasks.
    LowestMover,
    /// The one with the fewest steps; among equals that of the environment.
    HighestMover,
    /// The one with the fewest steps; among equals any.
    Shuffled(u64),
}

impl Order {
    /// All that are tried; the best counts.
    pub(crate) const ALL: [Order; 6] = [
        Order::FewestNew,
        Order::LowestMover,
        Order::HighestMover,
        Order::Shuffled(1),
        Order::Shuffled(2),
        Order::Shuffled(3),
    ];
}

/// What keeps a step from being put off for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proviso {
    /// Nothing: only states in which nobody can move are kept for certain.
    None,
    /// A step of the set leads to a state that is not expanded yet (the queue proviso
    /// of Bosnacki, Leue and Lluch Lafuente, 2009).
    Queue,
}

/// What a reduced search went through.
#[derive(Debug)]
pub(crate) struct Reduced {
    /// Steps taken.
    pub(crate) edges: usize,
    /// Per state that was reached: who moved there.
    pub(crate) taken: Vec<Option<Movers>>,
}

/// What a search, full or reduced, says of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdicts {
    /// Violated properties.
    pub(crate) violated: u64,
    /// Number of states in which nobody can move though the run was not stopped.
    pub(crate) ends: usize,
    /// From every state an end of everything, or of the run, can be reached.
    pub(crate) can_finish: bool,
}

impl Reduced {
    /// The search that leaves nothing out.
    pub(crate) fn nothing(graph: &Graph) -> Reduced {
        Reduced {
            edges: graph.edges.len(),
            taken: graph.all().map(|s| Some(graph.enabled(s))).collect(),
        }
    }

    /// Number of states.
    pub(crate) fn states(&self) -> usize {
        self.taken.iter().flatten().count()
    }

    /// What it says.
    pub(crate) fn verdicts(&self, graph: &Graph) -> Verdicts {
        let reached = || graph.all().filter(|&s| self.taken[s as usize].is_some());
        let judged = |s: u32| &graph.judged[s as usize];
        Verdicts {
            violated: reached().fold(0, |all, s| all | judged(s).violated),
            ends: reached()
                .filter(|&s| graph.steps(s).is_empty() && !judged(s).stopped)
                .count(),
            can_finish: self.can_finish(graph),
        }
    }

    fn can_finish(&self, graph: &Graph) -> bool {
        let backward = Backward::new(graph);
        let reached = |s: u32| self.taken[s as usize].is_some();
        let mut good = vec![false; graph.states()];
        let mut todo = Vec::new();
        for s in graph.all().filter(|&s| reached(s)) {
            let judged = &graph.judged[s as usize];
            if judged.stopped || judged.finished {
                good[s as usize] = true;
                todo.push(s);
            }
        }
        while let Some(s) = todo.pop() {
            for &(from, mover) in backward.of(s) {
                let taken = self.taken[from as usize].is_some_and(|set| set & 1 << mover != 0);
                if taken && !std::mem::replace(&mut good[from as usize], true) {
                    todo.push(from);
                }
            }
        }
        graph.all().all(|s| good[s as usize] || !reached(s))
    }
}
