//! Abstract two-phase commit, packed into one word: a shared search beside the one on this machine's
//! shared memory, and what goes from worker to worker.
//!
//! `cargo bench -p glock-engine-timely` takes 9 resource managers (10.3 million states), `-- 10` the
//! 61.5 million of 10, and `-- 10 processes` those once and in two processes alone. All figures are of one run, each the better of two searches, and only their
//! ratios say something on a machine that does other things as well.

#[path = "../../tests/systems/mod.rs"]
mod systems;

use std::io::Write;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets::ASCII_MARKDOWN};
use glock_engine::{Search, Stats};
use glock_engine_timely::{DistributedSearch, Placement, Processes};
use serde::{Deserialize, Serialize};
use systems::two_phase_commit::TwoPhaseCommit;

/// What a search took, as one process tells another.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Taken {
    seconds: f64,
    stats: Stats,
    shares: Vec<Stats>,
    state_bytes: u64,
    sent_bytes: u64,
    under_way_bytes: usize,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [role, process, managers, addresses @ ..] = &arguments[..]
        && role == "member"
    {
        let number = |text: &String| text.parse().expect("a number");
        return member(number(process), number(managers) as u32, addresses);
    }
    let managers = arguments.iter().find_map(|text| text.parse().ok());
    let managers = managers.unwrap_or(9);
    if arguments.iter().any(|text| text == "processes") {
        let taken = among(managers);
        let mut rows = Rows::new();
        rows.add("workers 1, processes 2", &taken, &taken);
        return rows.print(managers, &taken);
    }
    let mut rows = Rows::new();
    let alone = best(|| alone(managers));
    rows.add("shared memory, 1 thread", &alone, &alone);
    for workers in [1, 2] {
        let taken = best(|| shared(managers, Placement::Threads(workers)));
        rows.add(&format!("workers {workers}, processes 1"), &taken, &alone);
    }
    rows.add("workers 1, processes 2", &best(|| among(managers)), &alone);
    rows.print(managers, &alone);
}

fn best(run: impl Fn() -> Taken) -> Taken {
    let (one, other) = (run(), run());
    match one.seconds < other.seconds {
        true => one,
        false => other,
    }
}

fn alone(managers: u32) -> Taken {
    let outcome = Search::new(&TwoPhaseCommit(managers)).run();
    let stats = outcome.expect("the model is sound").stats;
    Taken {
        seconds: stats.elapsed.as_secs_f64(),
        stats,
        shares: Vec::new(),
        state_bytes: 0,
        sent_bytes: 0,
        under_way_bytes: 0,
    }
}

fn shared(managers: u32, placement: Placement) -> Taken {
    let system = TwoPhaseCommit(managers);
    let shared = DistributedSearch::new(&system, placement).run();
    let shared = shared.expect("the model is sound, and all processes are there");
    assert!(shared.outcome.exhaustive());
    Taken {
        seconds: shared.outcome.stats.elapsed.as_secs_f64(),
        stats: shared.outcome.stats,
        shares: shared.shares,
        state_bytes: shared.state_bytes,
        sent_bytes: shared.sent_bytes,
        under_way_bytes: shared.under_way_bytes,
    }
}

/// Two processes over loopback; the time is that of the search, without starting them.
fn among(managers: u32) -> Taken {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    let addresses = listeners
        .each_ref()
        .map(|listener| listener.local_addr().expect("it has an address"));
    drop(listeners);
    let members = [0, 1].map(|process: usize| {
        let program = std::env::current_exe().expect("this program has a place");
        let mut command = Command::new(program);
        command.args(["member", &process.to_string(), &managers.to_string()]);
        command.args(addresses.map(|address| address.to_string()));
        let child = command.stdout(Stdio::piped()).spawn();
        child.expect("this program can be started")
    });
    let [first, second] = members.map(|child| {
        let output = child.wait_with_output().expect("it ends");
        serde_json::from_slice::<Taken>(&output.stdout).expect("it tells what it took")
    });
    Taken {
        sent_bytes: first.sent_bytes + second.sent_bytes,
        ..first
    }
}

fn member(process: usize, managers: u32, addresses: &[String]) {
    let placement = Placement::Processes(Processes {
        addresses: addresses.to_vec(),
        process,
        workers: 1,
        agreement: vec![("size".to_owned(), managers.to_string())],
        patience: Duration::from_secs(30),
    });
    let taken = shared(managers, placement);
    let text = serde_json::to_vec(&taken).expect("plain data");
    std::io::stdout()
        .write_all(&text)
        .expect("somebody listens");
}

struct Rows(Table);

impl Rows {
    fn new() -> Self {
        let mut table = Table::new();
        table.load_style(ASCII_MARKDOWN).set_header([
            "search",
            "seconds",
            "time, ratio",
            "B/state",
            "memory, ratio",
            "state B/edge",
            "socket B/edge",
            "largest share",
            "under way, KiB",
        ]);
        Self(table)
    }

    fn add(&mut self, name: &str, taken: &Taken, alone: &Taken) {
        let stats = &taken.stats;
        assert_eq!(stats.states, alone.stats.states);
        assert_eq!(stats.edges, alone.stats.edges);
        let per_edge = |bytes: u64| bytes as f64 / stats.edges as f64;
        let largest = taken.shares.iter().map(|share| share.states).max();
        let mean = stats.states as f64 / taken.shares.len().max(1) as f64;
        let memory = stats.bytes_per_state();
        self.0.add_row([
            name.to_owned(),
            format!("{:.2}", taken.seconds),
            format!("{:.2}", taken.seconds / alone.seconds),
            format!("{memory:.1}"),
            format!("{:.2}", memory / alone.stats.bytes_per_state()),
            format!("{:.2}", per_edge(taken.state_bytes)),
            format!("{:.2}", per_edge(taken.sent_bytes)),
            largest.map_or("-".to_owned(), |most| {
                format!("{:.2} %", 100.0 * (most as f64 / mean - 1.0))
            }),
            format!("{}", taken.under_way_bytes >> 10),
        ]);
    }

    fn print(mut self, managers: u32, alone: &Taken) {
        for column in self.0.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        let Stats { states, edges, .. } = alone.stats;
        println!("\n{managers} resource managers: {states} states, {edges} edges\n");
        println!("{}", self.0);
        println!(
            "\nlargest share: above an equal one; under way: the most from one worker to others"
        );
    }
}
