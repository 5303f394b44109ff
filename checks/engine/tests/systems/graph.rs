//! A directed graph given by its edges, each node labelled with a set of letters: the smallest
//! system with which a checker can be wrong.

use glock_engine::PackedModel;
use stateright::{Model, Property};

/// Nodes are numbered from 0. An action is the number of an edge.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    pub initial: Vec<u8>,
    pub edges: Vec<(u8, u8)>,
    /// Nodes at which each of the four predicates is true, a bit per node.
    pub labels: [u64; 4],
    pub finished: u64,
    pub outside: u64,
    pub stop: u64,
    /// For each edge its group, if any; missing ones have none.
    pub groups: Vec<Option<usize>>,
}

pub fn set(nodes: &[u8]) -> u64 {
    nodes.iter().fold(0, |bits, node| bits | 1 << node)
}

pub fn has(set: u64, node: u8) -> bool {
    set >> node & 1 == 1
}

impl Graph {
    /// The union of paths, each starting at an initial node.
    pub fn paths(paths: &[&[u8]]) -> Self {
        let mut graph = Self::default();
        for path in paths {
            if !graph.initial.contains(&path[0]) {
                graph.initial.push(path[0]);
            }
            for edge in path.windows(2).map(|pair| (pair[0], pair[1])) {
                if !graph.edges.contains(&edge) {
                    graph.edges.push(edge);
                }
            }
        }
        graph
    }

    /// With a predicate that is true at these nodes.
    pub fn label(mut self, label: usize, nodes: &[u8]) -> Self {
        self.labels[label] = set(nodes);
        self
    }

    /// With the edge from one node to another, which is there already, in a group.
    pub fn group(mut self, from: u8, to: u8, group: usize) -> Self {
        self.groups.resize(self.edges.len(), None);
        let edge = self.edges.iter().position(|edge| *edge == (from, to));
        self.groups[edge.expect("the edge exists")] = Some(group);
        self
    }

    /// The group of an edge.
    pub fn group_of(&self, edge: usize) -> Option<usize> {
        self.groups.get(edge).copied().flatten()
    }

    /// With these nodes finished.
    pub fn finished(mut self, nodes: &[u8]) -> Self {
        self.finished = set(nodes);
        self
    }
}

impl Model for Graph {
    type State = u8;
    type Action = usize;

    fn init_states(&self) -> Vec<u8> {
        self.initial.clone()
    }

    fn actions(&self, state: &u8, actions: &mut Vec<usize>) {
        actions.extend((0..self.edges.len()).filter(|&i| self.edges[i].0 == *state));
    }

    fn next_state(&self, _: &u8, action: usize) -> Option<u8> {
        Some(self.edges[action].1)
    }

    /// Predicates 0 and 1 shall never be true; 2 shall be true somewhere, and so shall 3.
    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("never 0", |graph, node| !has(graph.labels[0], *node)),
            Property::sometimes("sometimes 2", |graph, node| has(graph.labels[2], *node)),
            Property::always("never 1", |graph, node| !has(graph.labels[1], *node)),
            Property::sometimes("sometimes 3", |graph, node| has(graph.labels[3], *node)),
        ]
    }

    fn within_boundary(&self, node: &u8) -> bool {
        !has(self.outside, *node)
    }
}

impl PackedModel for Graph {
    type Coverage = u64;

    fn words(&self) -> usize {
        1
    }

    fn pack(&self, node: &u8, out: &mut [u64]) {
        out[0] = u64::from(*node);
    }

    fn unpack(&self, words: &[u64]) -> u8 {
        words[0] as u8
    }

    /// Records the nodes from which it was called.
    fn successors(&self, node: &u8, coverage: &mut u64, visit: &mut impl FnMut(usize, &u8)) {
        *coverage |= 1 << node;
        for (action, (from, to)) in self.edges.iter().enumerate() {
            if from == node {
                visit(action, to);
            }
        }
    }

    fn is_finished(&self, node: &u8) -> bool {
        has(self.finished, *node)
    }

    fn stop_at(&self, node: &u8) -> bool {
        has(self.stop, *node)
    }
}
