//! How time and memory grow with the number of states: one race under `fault-in-retry`, with ever
//! more for the environment to do. Whole states first; on two nodes by their parts, too.
//!
//! `cargo bench -p glock --bench growth` goes to some 3 million states; with `-- full` on to what
//! fits 8 GiB.

#[path = "../engine/benches/support/mod.rs"]
mod support;

use glock::{Catalog, Checked, CheckedJoint};
use glock_engine::{Limits, Search, Stats, Unfinished};
use glock_model::cluster::{Cluster, Collapsed};
use glock_model::scenario::Scenario;
use support::{Rows, asked_for, best, millions, print_machine, whole};

const DESIGN: &str = "fault-in-retry";
const MEMORY: usize = 8 << 30;

/// Two tasks that read each file into a mapping of the other.
#[derive(Clone, Copy)]
struct Race {
    nodes: u8,
    /// How often another node demands F2 in EX.
    demands: u8,
    /// How often a page is reclaimed.
    reclaims: u8,
}

impl Race {
    fn scenario(self) -> Scenario {
        let Self {
            nodes,
            demands,
            reclaims,
        } = self;
        let text = format!(
            r#"
            nodes = {nodes}
            lock = "dlm"
            [files.F1]
            [files.F2]
            [[tasks]]
            op = "direct_read"
            file = "F1"
            buffer = [{{ shared = "F2", page = 0 }}]
            [[tasks]]
            node = {nodes}
            op = "direct_read"
            file = "F2"
            buffer = [{{ shared = "F1", page = 0 }}]
            [events]
            reclaim = {reclaims}
            demand = [{{ node = 1, file = "F2", mode = "EX", times = {demands} }}]
            "#
        );
        let without_demands = text.lines().filter(|line| !line.contains("times = 0"));
        let text: String = without_demands.map(|line| format!("{line}\n")).collect();
        Scenario::from_toml(&text, "growth.toml").expect("the text is right")
    }
}

const fn race(nodes: u8, demands: u8, reclaims: u8) -> Race {
    Race {
        nodes,
        demands,
        reclaims,
    }
}

const SERIES: [Race; 11] = [
    race(1, 0, 0),
    race(1, 1, 0),
    race(1, 2, 0),
    race(1, 3, 1),
    race(2, 0, 0),
    race(2, 0, 1),
    race(2, 1, 0),
    race(2, 1, 1),
    race(2, 2, 1),
    race(2, 2, 2),
    race(2, 3, 2),
];

/// The first of them that take long, and the first of which whole states do not fit.
const LONG: usize = 5;
const TOO_LARGE: usize = 9;

fn main() {
    print_machine();
    let mut rows = Rows::new(&[
        "nodes, demands, reclaims",
        "states are",
        "states",
        "edges",
        "depth",
        "seconds",
        "states/s",
        "edges/s",
        "B/state",
        "explored",
    ]);
    let shown = if asked_for("full") {
        SERIES.len()
    } else {
        LONG
    };
    for (i, &race) in SERIES[..shown].iter().enumerate() {
        if i < TOO_LARGE {
            add(&mut rows, race, "whole");
        }
    }
    for &race in SERIES[..shown].iter().filter(|race| race.nodes > 1) {
        add(&mut rows, race, "parts");
    }
    rows.print();
}

fn add(rows: &mut Rows, race: Race, form: &str) {
    let program = Catalog::builtin()
        .design(DESIGN)
        .expect("it is built in")
        .program;
    let cluster = Cluster::new(race.scenario(), program).expect("the two go together");
    let (taken, (stats, unfinished)) = match form {
        "whole" => best(|| whole_states(&cluster)),
        _ => best(|| by_parts(&cluster)),
    };
    rows.add([
        format!("{}, {}, {}", race.nodes, race.demands, race.reclaims),
        form.to_owned(),
        whole(stats.states),
        whole(stats.edges),
        stats.depth.to_string(),
        format!("{:.2}", taken.seconds()),
        millions(stats.states as f64 / taken.seconds()),
        millions(stats.edges as f64 / taken.seconds()),
        format!("{:.1}", stats.bytes_per_state()),
        match unfinished {
            None => "all".to_owned(),
            Some(why) => why.to_string(),
        },
    ]);
}

const LIMITS: Limits = Limits {
    states: None,
    memory_bytes: Some(MEMORY),
    time: None,
    depth: None,
};

fn whole_states(cluster: &Cluster) -> (Stats, Option<Unfinished>) {
    let search = Search::new(&Checked(cluster)).limits(LIMITS).run();
    let outcome = search.expect("it is sound");
    (outcome.stats, outcome.unfinished)
}

fn by_parts(cluster: &Cluster) -> (Stats, Option<Unfinished>) {
    let parts = Collapsed::new(cluster);
    let search = Search::new(&CheckedJoint(&parts)).limits(LIMITS).run();
    let outcome = search.expect("it is sound");
    (outcome.stats, outcome.unfinished)
}
