//! stateright's own examples: its two searches and the engine, one thread each, and the engine with
//! two.
//!
//! `cargo bench -p glock-engine-peers`; with `-- full` in the sizes of stateright's own benchmark
//! as far as they fit.

#[path = "../../benches/support/mod.rs"]
mod support;

use glock_engine::{Exact, Limits, Search, System};
use glock_engine_peers::{
    ActorExample, Example, linearizable_register, paxos, raft, single_copy_register,
    two_phase_commit,
};
use stateright::Checker;
use support::{Rows, Taken, asked_for, best, print_machine, times, whole};

fn main() {
    print_machine();
    let mut rows = Rows::new(&[
        "example",
        "checker",
        "states",
        "seconds",
        "time / ours",
        "B/state",
        "memory / ours",
    ]);
    let full = asked_for("full");
    let table = &mut rows;
    measure(table, "2pc 7", || two_phase_commit::model(7), None);
    measure_actors(table, "paxos 2", || paxos::model(2), None);
    let register = || single_copy_register::model(3, 1);
    measure_actors(table, "single-copy-register 3", register, None);
    let register = || linearizable_register::model(2, 2, false);
    measure_actors(table, "linearizable-register 2 (2 servers)", register, None);
    let register = || linearizable_register::model(2, 3, true);
    measure_actors(table, "linearizable-register 2 ordered", register, None);
    measure_actors(table, "raft 3, depth 7", || raft::model(3), Some(7));
    if full {
        measure(table, "2pc 8", || two_phase_commit::model(8), None);
        measure_actors(table, "paxos 3", || paxos::model(3), None);
        let register = || single_copy_register::model(4, 1);
        measure_actors(table, "single-copy-register 4", register, None);
        measure_actors(table, "raft 3, depth 9", || raft::model(3), Some(9));
    }
    rows.print();
}

/// A model whose states are kept whole.
fn measure<M: Example>(
    rows: &mut Rows,
    example: &str,
    model: impl Fn() -> M,
    depth: Option<usize>,
) {
    let system = Exact::new(model());
    let (ours, states) = search(&system, depth, 1);
    let (two, _) = search(&system, depth, 2);
    let (hashed, hashed_states) = search(&Exact::new(model()).hashed(1), depth, 1);
    let mut example = Comparison {
        rows,
        example,
        ours,
    };
    example.add("ours", ours, states);
    example.add("ours, two threads", two, states);
    example.add("ours, hashed", hashed, hashed_states);
    example.add_stateright(model, depth);
}

/// An actor system, whose states are kept in parts, and once more whole.
fn measure_actors<M: ActorExample>(
    rows: &mut Rows,
    example: &str,
    model: impl Fn() -> M,
    depth: Option<usize>,
) {
    let system = model().in_parts();
    let (ours, states) = search(&system, depth, 1);
    let (two, _) = search(&system, depth, 2);
    let (whole, _) = search(&Exact::new(model()), depth, 1);
    let (hashed, hashed_states) = search(&Exact::new(model()).hashed(1), depth, 1);
    let mut example = Comparison {
        rows,
        example,
        ours,
    };
    example.add("ours, in parts", ours, states);
    example.add("the same, two threads", two, states);
    example.add("ours, whole states", whole, states);
    example.add("ours, hashed", hashed, hashed_states);
    example.add_stateright(model, depth);
}

struct Comparison<'a> {
    rows: &'a mut Rows,
    example: &'a str,
    /// With what others are compared.
    ours: Taken,
}

impl Comparison<'_> {
    fn add(&mut self, checker: &str, taken: Taken, states: usize) {
        self.rows.add([
            self.example.to_owned(),
            checker.to_owned(),
            whole(states),
            format!("{:.3}", taken.seconds()),
            times(taken.seconds() / self.ours.seconds()),
            format!("{:.0}", taken.bytes as f64 / states as f64),
            times(taken.bytes as f64 / self.ours.bytes as f64),
        ]);
    }

    /// To a bounded depth only the search in breadth counts what it should.
    fn add_stateright<M: Example>(&mut self, model: impl Fn() -> M, depth: Option<usize>) {
        let checker = || match depth {
            // stateright counts the states on a path, not the steps.
            Some(depth) => model().checker().target_max_depth(depth + 1),
            None => model().checker(),
        };
        let (taken, bfs) = best(|| checker().spawn_bfs().join());
        self.add("stateright BFS", taken, bfs.unique_state_count());
        drop(bfs);
        if depth.is_none() {
            let (taken, dfs) = best(|| checker().spawn_dfs().join());
            self.add("stateright DFS", taken, dfs.unique_state_count());
        }
    }
}

fn search(system: &impl System, depth: Option<usize>, threads: usize) -> (Taken, usize) {
    let limits = Limits {
        depth,
        ..Limits::default()
    };
    let run = || Search::new(system).limits(limits).threads(threads).run();
    let (taken, outcome) = best(|| run().expect("the model is sound"));
    (taken, outcome.stats.states)
}
