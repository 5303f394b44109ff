//! The matcher against a brute-force oracle, and on small models made by hand.

use std::collections::BTreeSet;
use std::time::Instant;

use crate::systems::graph::Graph;
use glock_engine::{Answer, Compact, Error, Exact, MatchLimits, Matcher, Seen, System, Undecided};
use proptest::prelude::*;
use stateright::Model;

const NODES: u8 = 5;
const LOGS: usize = 2;

/// What the edges of a graph show: up to two letters each, in one of two logs.
#[derive(Clone, Debug)]
struct Labelled {
    graph: Graph,
    shows: Vec<Vec<Seen<u8>>>,
}

/// A letter, or one that cannot be read.
type Letter = Option<u8>;

fn fits(event: &u8, letter: &Letter) -> bool {
    letter.is_none_or(|letter| letter == *event)
}

impl Labelled {
    fn view(&self) -> impl Fn(&u8, &usize, &u8, &mut Vec<Seen<u8>>) {
        |_, &edge, _, seen| seen.extend_from_slice(&self.shows[edge])
    }

    /// Both systems, so that whole and packed states are asked.
    fn ask(&self, logs: &[Vec<Letter>], limits: MatchLimits) -> Found {
        let packed = found(&self.graph, self, logs, limits);
        let exact = found(&Exact::new(self.graph.clone()), self, logs, limits);
        assert_eq!(packed, exact);
        packed
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Found {
    answer: Answer,
    /// Positions and states at the end, if all is accepted.
    ends: BTreeSet<(Vec<u32>, u8)>,
}

fn found<S: System<Model = Graph>>(
    system: &S,
    labelled: &Labelled,
    logs: &[Vec<Letter>],
    limits: MatchLimits,
) -> Found {
    let mut matcher = Matcher::new(system, labelled.view())
        .unwrap()
        .limits(limits);
    let logs: Vec<&[Letter]> = logs.iter().map(Vec::as_slice).collect();
    let answer = matcher.follow(&logs, fits);
    let mut ends = BTreeSet::new();
    if answer.is_accepted() {
        ends.extend(matcher.states().map(|(at, state)| (at.to_vec(), state)));
        let told = matcher.told(|_| true).expect("there is a state at the end");
        is_told(labelled, &logs, &told.start, &told.positions, &told.steps);
    }
    // What was kept from the first time must not matter.
    assert_eq!(matcher.follow(&logs, fits), answer);
    Found { answer, ends }
}

/// Walks a told run with open eyes.
fn is_told(
    labelled: &Labelled,
    logs: &[&[Letter]],
    start: &u8,
    positions: &[usize],
    steps: &[glock_engine::ToldStep<u8, usize>],
) {
    let mut positions = positions.to_vec();
    if positions.iter().all(|&at| at == 0) {
        assert!(labelled.graph.initial.contains(start));
    }
    let mut at = *start;
    for step in steps {
        assert_eq!(labelled.graph.edges[step.action], (at, step.state));
        at = step.state;
        let shows = &labelled.shows[step.action];
        assert_eq!(step.accounts_for.len(), shows.len());
        for (&(log, event), &(of, number)) in shows.iter().zip(&step.accounts_for) {
            assert_eq!((log, positions[log]), (of, number));
            assert!(fits(&event, &logs[log][number]));
            positions[log] += 1;
        }
    }
    let ends: Vec<usize> = logs.iter().map(|log| log.len()).collect();
    assert_eq!(positions, ends);
}

/// All runs, one after the other, each to where it contradicts the logs or visits a node again
/// without anything having been seen in between.
struct Oracle<'a> {
    labelled: &'a Labelled,
    logs: &'a [Vec<Letter>],
    farthest: Vec<usize>,
    ends: BTreeSet<(Vec<u32>, u8)>,
}

impl Oracle<'_> {
    fn run(&mut self, node: u8, positions: &[usize], quiet: &[u8]) {
        if positions
            .iter()
            .zip(self.logs)
            .all(|(at, log)| *at == log.len())
        {
            let at = positions.iter().map(|&at| at as u32).collect();
            self.ends.insert((at, node));
        }
        for (edge, &(from, to)) in self.labelled.graph.edges.iter().enumerate() {
            if from != node {
                continue;
            }
            let mut at = positions.to_vec();
            let mut whole = true;
            for &(log, event) in &self.labelled.shows[edge] {
                match self.logs[log].get(at[log]) {
                    Some(letter) if fits(&event, letter) => at[log] += 1,
                    _ => {
                        whole = false;
                        break;
                    }
                }
            }
            for (most, &at) in self.farthest.iter_mut().zip(&at) {
                *most = (*most).max(at);
            }
            if !whole {
                continue;
            }
            if self.labelled.shows[edge].is_empty() {
                if !quiet.contains(&to) {
                    let quiet = [quiet, &[to]].concat();
                    self.run(to, &at, &quiet);
                }
            } else {
                self.run(to, &at, &[to]);
            }
        }
    }

    fn asks(labelled: &Labelled, logs: &[Vec<Letter>]) -> Found {
        let mut oracle = Oracle {
            labelled,
            logs,
            farthest: vec![0; logs.len()],
            ends: BTreeSet::new(),
        };
        for &node in &labelled.graph.initial {
            oracle.run(node, &vec![0; logs.len()], &[node]);
        }
        let answer = match oracle.ends.is_empty() {
            true => Answer::Rejected {
                farthest: oracle.farthest,
            },
            false => Answer::Accepted,
        };
        Found {
            answer,
            ends: oracle.ends,
        }
    }
}

fn labelled() -> impl Strategy<Value = Labelled> {
    let edge = (0..NODES, 0..NODES);
    let shows = prop::collection::vec((0..LOGS, 0..3_u8), 0..3);
    (
        prop::collection::vec(0..NODES, 1..3),
        prop::collection::vec((edge, shows), 1..10),
    )
        .prop_map(|(initial, edges)| {
            let (edges, shows) = edges.into_iter().unzip();
            Labelled {
                graph: Graph {
                    initial,
                    edges,
                    ..Graph::default()
                },
                shows,
            }
        })
}

/// What one run shows, chosen by numbers.
fn logs_of(labelled: &Labelled, choices: &[usize]) -> Vec<Vec<Letter>> {
    let mut logs = vec![Vec::new(); LOGS];
    let mut at = labelled.graph.initial[0];
    for choice in choices {
        let edges = &labelled.graph.edges;
        let out: Vec<usize> = (0..edges.len()).filter(|&e| edges[e].0 == at).collect();
        if out.is_empty() {
            break;
        }
        let edge = out[choice % out.len()];
        for &(log, event) in &labelled.shows[edge] {
            logs[log].push(Some(event));
        }
        at = edges[edge].1;
    }
    logs
}

/// A change of a log, or none if there is nothing to change.
fn mutate(logs: &mut [Vec<Letter>], kind: u8, log: usize, place: usize, letter: Letter) {
    let log = &mut logs[log];
    if log.is_empty() {
        log.push(letter);
        return;
    }
    let place = place % log.len();
    match kind {
        0 => log[place] = letter,
        1 => drop(log.remove(place)),
        2 => log.insert(place, letter),
        _ => log.swap(place, 0),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn what_a_run_shows_is_accepted(
        labelled in labelled(),
        choices in prop::collection::vec(0..10_usize, 0..8),
    ) {
        let logs = logs_of(&labelled, &choices);
        prop_assert!(labelled.ask(&logs, MatchLimits::default()).answer.is_accepted());
    }

    #[test]
    fn the_answer_is_that_of_all_runs_one_by_one(
        labelled in labelled(),
        choices in prop::collection::vec(0..10_usize, 0..7),
        changes in prop::collection::vec(
            (0..4_u8, 0..LOGS, 0..10_usize, prop::option::of(0..3_u8)), 0..3),
    ) {
        let mut logs = logs_of(&labelled, &choices);
        for (kind, log, place, letter) in changes {
            mutate(&mut logs, kind, log, place, letter);
        }
        let truth = Oracle::asks(&labelled, &logs);
        prop_assert_eq!(&labelled.ask(&logs, MatchLimits::default()), &truth);
        // Throwing away what is not needed changes nothing.
        let little = MatchLimits { kept: 1, ..MatchLimits::default() };
        prop_assert_eq!(&labelled.ask(&logs, little), &truth);
        // A limit makes an answer unknown, never another one.
        let narrow = MatchLimits { frontier: 3, ..MatchLimits::default() };
        let answer = labelled.ask(&logs, narrow).answer;
        prop_assert!(answer == truth.answer || answer == Answer::Unknown(Undecided::Frontier(3)));
    }
}

/// Counts up in silence, and says so when it stops.
struct Counter {
    boundary: Option<u64>,
}

impl Model for Counter {
    type State = u64;
    type Action = &'static str;

    fn init_states(&self) -> Vec<u64> {
        vec![0]
    }

    fn actions(&self, state: &u64, actions: &mut Vec<&'static str>) {
        actions.extend(state.is_multiple_of(2).then_some("count"));
        actions.extend((*state == 4).then_some("stop"));
    }

    fn next_state(&self, state: &u64, action: &'static str) -> Option<u64> {
        Some(if action == "count" {
            state + 2
        } else {
            state + 1
        })
    }

    fn within_boundary(&self, state: &u64) -> bool {
        self.boundary.is_none_or(|boundary| *state < boundary)
    }
}

fn says_stop(_: &u64, action: &&'static str, after: &u64, seen: &mut Vec<Seen<u64>>) {
    if *action == "stop" {
        seen.push((0, *after));
    }
}

#[test]
fn hidden_steps_without_end_are_unknown_and_not_accepted() {
    let counter = Exact::new(Counter { boundary: None });
    let limits = MatchLimits {
        frontier: 1000,
        ..MatchLimits::default()
    };
    let mut matcher = Matcher::new(&counter, says_stop).unwrap().limits(limits);
    let answer = matcher.follow(&[&[5]], PartialEq::eq);
    assert_eq!(answer, Answer::Unknown(Undecided::Frontier(1000)));
    assert_eq!(matcher.follow(&[&[] as &[u64]], PartialEq::eq), answer);
}

#[test]
fn what_lies_beyond_the_boundary_is_unknown_and_not_rejected() {
    let ask = |boundary, log: &[u64]| {
        let counter = Exact::new(Counter {
            boundary: Some(boundary),
        });
        let mut matcher = Matcher::new(&counter, says_stop).unwrap();
        matcher.follow(&[log], PartialEq::eq)
    };
    assert_eq!(ask(10, &[5]), Answer::Accepted);
    assert_eq!(ask(10, &[5, 5]), Answer::Unknown(Undecided::Boundary));
    assert_eq!(ask(4, &[5]), Answer::Unknown(Undecided::Boundary));
}

#[test]
fn where_the_model_wishes_to_stop_nothing_is_rejected() {
    let mut graph = Graph::paths(&[&[0, 1, 2]]);
    let logs = [vec![Some(7), Some(8)], vec![]];
    let shows = vec![vec![(0, 7)], vec![(0, 9)]];
    let ask = |graph: &Graph| {
        let labelled = Labelled {
            graph: graph.clone(),
            shows: shows.clone(),
        };
        labelled.ask(&logs, MatchLimits::default()).answer
    };
    assert_eq!(
        ask(&graph),
        Answer::Rejected {
            farthest: vec![1, 0]
        }
    );
    graph.stop = 1 << 1;
    assert!(matches!(
        Matcher::new(&graph, |_: &_, _: &_, _: &_, seen: &mut Vec<_>| seen
            .push((0, 7)))
        .unwrap()
        .follow(&[&[7, 8]], |a: &i32, b| a == b),
        Answer::Unknown(Undecided::Boundary)
    ));
}

/// Two nodes: a message that one sends and the other gets. The logs are not ordered against each
/// other, but the model is.
#[test]
fn a_cause_comes_before_its_effect_whatever_the_clocks_say() {
    // 0: nothing; 1: sent; 2: received; 3: answered; 4: answer received.
    let labelled = Labelled {
        graph: Graph::paths(&[&[0, 1, 2, 3, 4]]),
        shows: vec![
            vec![(0, b's')],
            vec![(1, b'r')],
            vec![(1, b's')],
            vec![(0, b'r')],
        ],
    };
    let ask = |one: &str, other: &str| {
        let log = |text: &str| text.bytes().map(Some).collect::<Vec<_>>();
        let logs = [log(one), log(other)];
        labelled.ask(&logs, MatchLimits::default()).answer
    };
    assert!(ask("sr", "rs").is_accepted());
    assert!(ask("s", "r").is_accepted());
    assert_eq!(
        ask("sr", "r"),
        Answer::Rejected {
            farthest: vec![1, 1]
        }
    );
    assert_eq!(
        ask("", "r"),
        Answer::Rejected {
            farthest: vec![0, 0]
        }
    );
    assert_eq!(
        ask("sr", "sr"),
        Answer::Rejected {
            farthest: vec![1, 0]
        }
    );
}

#[test]
fn a_log_that_was_not_recorded_hides_its_events() {
    let labelled = Labelled {
        graph: Graph::paths(&[&[0, 1, 2]]),
        shows: vec![vec![(1, 1)], vec![(0, 2)]],
    };
    let mut matcher = Matcher::new(&labelled.graph, labelled.view()).unwrap();
    assert!(matcher.follow(&[&[Some(2)]], fits).is_accepted());
    assert!(!matcher.follow(&[&[Some(2)], &[]], fits).is_accepted());
}

#[test]
fn an_unknown_start_is_all_starts() {
    let labelled = Labelled {
        graph: Graph::paths(&[&[0, 1], &[2, 3]]),
        shows: vec![vec![(0, 1)], vec![(0, 2)]],
    };
    let from = |states: &[u8], letter| {
        let mut matcher = Matcher::new(&labelled.graph, labelled.view())
            .unwrap()
            .starting_from(states.iter().copied());
        matcher.follow(&[&[Some(letter)]], fits).is_accepted()
    };
    assert!(from(&[0, 2], 1) && from(&[0, 2], 2));
    assert!(from(&[0], 1) && !from(&[0], 2) && !from(&[], 1));
}

/// Two loops side by side: the log alone says how they interleave.
#[test]
fn a_hundred_thousand_observations_take_linear_time_and_little_memory() {
    let lanes = 2 * 30;
    let ring = |first: u8| {
        let ring: Vec<u8> = (0..30).map(|i| first + i).chain([first]).collect();
        ring.windows(2)
            .map(|pair| (pair[0], pair[1]))
            .collect::<Vec<_>>()
    };
    let edges = [ring(0), ring(30)].concat();
    // Every second step is hidden.
    let shows = (0..lanes)
        .map(|edge| match edge % 2 {
            0 => vec![(0, (edge % 30) as u8)],
            _ => Vec::new(),
        })
        .collect();
    let labelled = Labelled {
        graph: Graph {
            initial: vec![0, 30],
            edges,
            ..Graph::default()
        },
        shows,
    };
    let log: Vec<Letter> = (0..100_000).map(|i| Some(2 * (i % 15) as u8)).collect();
    let mut matcher = Matcher::new(&labelled.graph, labelled.view()).unwrap();
    let started = Instant::now();
    assert!(matcher.follow(&[&log], fits).is_accepted());
    assert!(matcher.kept() <= lanes);
    // In each loop the state after an event, the one after the hidden step and the next.
    assert_eq!(matcher.stats().widest, 6);
    // What was thrown away is not told, but the rest is.
    let told = matcher.told(|_| true).unwrap();
    assert!(told.steps.len() > 1000);
    is_told(
        &labelled,
        &[&log],
        &told.start,
        &told.positions,
        &told.steps,
    );
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
}

#[test]
fn systems_that_do_not_tell_who_did_it_are_refused() {
    let graph = Graph::paths(&[&[0, 1]]);
    let nothing = |_: &u8, _: &usize, _: &u8, _: &mut Vec<Seen<()>>| {};
    let compact = Compact::new(&graph, 0);
    assert!(matches!(
        Matcher::new(&compact, nothing),
        Err(Error::StatesNotKept { .. })
    ));
    let empty = Graph::default();
    assert!(matches!(
        Matcher::new(&empty, nothing),
        Err(Error::NoInitialState)
    ));
}

/// Two independent loops, one in each log: with or without interleaving them.
#[test]
fn parts_that_do_not_meet_need_not_be_interleaved() {
    /// Each of two counts to 40 and shows every step in its own log.
    struct Counts;
    impl Model for Counts {
        type State = [u8; 2];
        type Action = usize;
        fn init_states(&self) -> Vec<[u8; 2]> {
            vec![[0; 2]]
        }
        fn actions(&self, at: &[u8; 2], actions: &mut Vec<usize>) {
            actions.extend((0..2).filter(|&who| at[who] < 40));
        }
        fn next_state(&self, at: &[u8; 2], who: usize) -> Option<[u8; 2]> {
            let mut next = *at;
            next[who] += 1;
            Some(next)
        }
    }
    let system = Exact::new(Counts);
    let view = |_: &[u8; 2], &who: &usize, after: &[u8; 2], seen: &mut Vec<Seen<u8>>| {
        seen.push((who, after[who]));
    };
    let mut matcher = Matcher::new(&system, view)
        .unwrap()
        .in_parts(|&who| who as u32);
    let log: Vec<u8> = (1..=40).collect();
    let wrong: Vec<u8> = (1..30).chain(31..=40).collect();
    for (other, accepted) in [(&log, true), (&wrong, false)] {
        let logs = [&log[..], &other[..]];
        let all = matcher.follow(&logs, PartialEq::eq);
        let pairs = matcher.stats().pairs;
        let alone = |next: &[Option<&u8>]| next.iter().position(Option::is_some).map(|n| n as u32);
        let few = matcher.follow_by_parts(&logs, PartialEq::eq, alone);
        assert_eq!((all.is_accepted(), few.is_accepted()), (accepted, accepted));
        assert!(pairs > 1000 && matcher.stats().pairs <= 81);
    }
}
