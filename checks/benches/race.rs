//! The race on two nodes: the engine on the cluster, by the parts of its states and on whole ones,
//! beside stateright's checkers on the actors, which are the same system, and what claims about runs
//! cost.
//!
//! `cargo bench -p glock --bench race`; with `-- full` stateright searches the largest as well, which
//! takes it minutes and gigabytes.

#[path = "../engine/benches/support/mod.rs"]
mod support;

use glock::{Catalog, Checked, CheckedJoint, Options, check};
use glock_engine::Search;
use glock_model::actors::{Actors, SystemAction, SystemState};
use glock_model::cluster::{Cluster, Collapsed};
use glock_model::property::{self, Property};
use stateright::{Checker, Model};
use support::{Rows, Taken, asked_for, best, millions, print_machine, times, whole};

const SCENARIO: &str = "race-direct-read-two-nodes";
const DESIGNS: [&str; 3] = ["base", "restart-hack", "fault-in-retry"];

/// stateright is spared more states than this.
const FEW: usize = 1_000_000;

fn main() {
    print_machine();
    println!("{SCENARIO}");
    let mut peers = Rows::new(&[
        "design",
        "checker",
        "states",
        "edges",
        "seconds",
        "edges/s",
        "ours / theirs",
        "B/state",
        "theirs / ours",
    ]);
    let mut claims = Rows::new(&[
        "design",
        "safety, s",
        "claims, s",
        "claims / safety",
        "B/edge",
    ]);
    for design in DESIGNS {
        let cluster = cluster(design);
        compare(&mut peers, &cluster);
        add_claims(&mut claims, &cluster);
    }
    peers.print();
    claims.print();
}

fn cluster(design: &str) -> Cluster {
    let catalog = Catalog::builtin();
    let load = "the built-in files are right";
    let program = catalog.design(design).expect(load).program;
    Cluster::new(catalog.scenario(SCENARIO).expect(load), program).expect("the two go together")
}

fn compare(rows: &mut Rows, cluster: &Cluster) {
    let sound = "it is sound";
    let (ours, (_parts, outcome)) = best(|| {
        let parts = Collapsed::new(cluster);
        let outcome = Search::new(&CheckedJoint(&parts)).run().expect(sound);
        (parts, outcome)
    });
    let (states, edges) = (outcome.stats.states, outcome.stats.edges);
    let (whole_states, outcome) = best(|| Search::new(&Checked(cluster)).run().expect(sound));
    assert_eq!(outcome.stats.states, states);
    let mut add = |checker: &str, taken: Taken| {
        rows.add([
            cluster.program().name.clone(),
            checker.to_owned(),
            whole(states),
            whole(edges),
            format!("{:.3}", taken.seconds()),
            millions(edges as f64 / taken.seconds()),
            times(taken.seconds() / ours.seconds()),
            format!("{:.0}", taken.bytes as f64 / states as f64),
            times(taken.bytes as f64 / ours.bytes as f64),
        ]);
    };
    add("ours", ours);
    add("ours, whole states", whole_states);
    if states > FEW && !asked_for("full") {
        return;
    }
    let actors = || AllAtOnce(Actors::of(cluster.clone())).checker();
    let (bfs, checker) = best(|| actors().spawn_bfs().join());
    assert_eq!(checker.unique_state_count(), states);
    drop(checker);
    add("stateright BFS", bfs);
    let (dfs, checker) = best(|| actors().spawn_dfs().join());
    assert_eq!(checker.unique_state_count(), states);
    drop(checker);
    add("stateright DFS", dfs);
}

/// The actors with all properties of safety in one, as the engine judges them: one by one they
/// would cost more. The second makes stateright search on.
struct AllAtOnce(Actors);

impl Model for AllAtOnce {
    type State = SystemState;
    type Action = SystemAction;

    fn init_states(&self) -> Vec<SystemState> {
        self.0.init_states()
    }

    fn actions(&self, state: &SystemState, actions: &mut Vec<SystemAction>) {
        self.0.actions(state, actions);
    }

    fn next_state(&self, state: &SystemState, action: SystemAction) -> Option<SystemState> {
        self.0.next_state(state, action)
    }

    fn properties(&self) -> Vec<stateright::Property<Self>> {
        vec![
            stateright::Property::<Self>::always("safe", |all, state| {
                property::violated(all.0.cluster(), &all.0.project(state)) == 0
            }),
            stateright::Property::<Self>::always("searched to the end", |_, _| true),
        ]
    }
}

/// All three properties about progress.
fn add_claims(rows: &mut Rows, cluster: &Cluster) {
    let run = |progress: &[Property]| {
        let options = Options {
            progress,
            ..Options::default()
        };
        let check = || check(cluster.program(), cluster.scenario(), &options);
        let (taken, report) = best(|| check().expect("it is sound"));
        (taken, report.stats.edges)
    };
    let (safety, edges) = run(&[]);
    let (all, _) = run(&Property::PROGRESS);
    let more = all.seconds() - safety.seconds();
    let bytes = all.bytes.saturating_sub(safety.bytes);
    rows.add([
        cluster.program().name.clone(),
        format!("{:.3}", safety.seconds()),
        format!("{more:.3}"),
        times(more / safety.seconds()),
        format!("{:.1}", bytes as f64 / edges as f64),
    ]);
}
