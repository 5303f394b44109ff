//! O_APPEND: whose data is where, and what a node knows of the length of a file.

mod support;

use glock_model::cluster::{Action, Cluster, Unfit};
use glock_model::design;
use glock_model::event::Event;
use glock_model::mode::Mode;
use glock_model::program::{Program, Source};
use glock_model::scenario::Scenario;
use glock_model::task::{Status, Sub, Wait};
use support::{cluster, explore, scenario, search, with_scenario};

const CAP: usize = 5_000;

const DESIGNS: [&str; 4] = [
    "append-size-refreshed",
    "append-positioned-once",
    "append-positioned-again",
    "append-pinned",
];
const SCENARIOS: [&str; 4] = [
    "append-buffered-write",
    "append-buffered-write-two-tasks",
    "append-direct-write",
    "append-direct-write-one-page",
];

fn every_cell(mut each: impl FnMut(&Cluster)) {
    for design in DESIGNS {
        for name in SCENARIOS {
            each(&cluster(design, name));
        }
    }
}

/// A design that writes this over what another has.
fn patched(extends: &str, text: &str) -> Program {
    let source = Source {
        design: "patched".into(),
        file: "patched.design".into(),
        text: format!("design patched\n  extends {extends}\n{text}"),
    };
    let compiled = design::compile(&source, &design::Library::builtin());
    compiled.unwrap_or_else(|e| panic!("{e:?}")).program
}

fn under(program: Program, scenario: Scenario) -> Cluster {
    Cluster::new(scenario, program).unwrap_or_else(|e| panic!("{e}"))
}

fn violated(cluster: &Cluster) -> Vec<&'static str> {
    search(cluster, CAP).names()
}

#[test]
fn a_design_that_never_asks_for_the_end_of_the_file_cannot_append() {
    let program = |name| {
        design::Library::builtin()
            .load(name)
            .expect("built in")
            .program
    };
    for (name, entry) in [
        ("append-buffered-write", "buffered_write"),
        ("append-direct-write", "direct_write"),
    ] {
        let refused = Cluster::new(scenario(name), program("fault-in-retry")).unwrap_err();
        let task = "P1".to_string();
        assert_eq!(refused, Unfit::NoWriteChecks { task, entry });
        let text = refused.to_string();
        assert!(
            text.contains(entry) && text.contains("generic_write_checks"),
            "{text}"
        );
    }
}

/// Whoever holds the glock knows the length; whoever does not may know an old one.
#[test]
fn a_node_knows_the_length_of_a_file_while_a_task_holds_its_glock() {
    let mut stale = 0;
    every_cell(|c| {
        let spec = &c.scenario().files[0];
        explore(c, CAP, |_, state, _| {
            let node = &state.nodes[0];
            let (known, is) = (node.i_size[0], node.disk_size[0]);
            assert!(known <= is && is <= spec.pages);
            stale += usize::from(known < is);
            let awake = |t: usize| node.tasks[t].wait == Wait::No;
            let holds = |t: usize| node.held(t, 0) != Mode::Un && awake(t);
            if (0..c.scenario().tasks.len()).any(holds) {
                assert_eq!(known, is);
            }
        });
    });
    assert!(stale > 0, "nobody was ever behind");
}

/// It would hold EX for that moment.
#[test]
fn nobody_outside_appends_while_the_node_has_the_glock() {
    let mut appended = 0;
    every_cell(|c| {
        explore(c, CAP, |_, state, successors| {
            let outside = |(a, _): &&(Action, _)| matches!(a, Action::Append { .. });
            for (_, next) in successors.iter().filter(outside) {
                let (before, after) = (&state.nodes[0], &next.nodes[0]);
                assert_eq!(before.glocks[0].state, Mode::Un);
                assert_eq!(before.disk_size[0] + 1, after.disk_size[0]);
                assert_eq!(before.i_size, after.i_size);
                appended += 1;
            }
        });
    });
    assert!(appended > 0);
}

/// Rule I2: it is left to the page cache. Inside it goes directly, as here where another
/// node has appended behind the position.
#[test]
fn a_direct_write_that_ends_beyond_the_end_moves_nothing() {
    let mut direct = 0;
    every_cell(|c| {
        explore(c, CAP, |_, state, successors| {
            for (action, _) in successors {
                let Action::Task { task, .. } = *action else {
                    continue;
                };
                let node = &state.nodes[0];
                if node.tasks[task as usize].sub != Sub::DioPage {
                    continue;
                }
                let mut events: Vec<Event> = Vec::new();
                c.step(state, *action, &mut events);
                for event in events {
                    if let Event::Transfer { page, .. } = event {
                        assert!(page < node.disk_size[0]);
                        direct += 1;
                    }
                }
            }
        });
    });
    assert!(direct > 0);
}

/// Nobody else is there: the file ends as long as all that was appended, and nothing is
/// written over anything.
#[test]
fn appends_of_one_node_do_not_meet() {
    for design in DESIGNS {
        let c = cluster(design, "append-buffered-write-two-tasks");
        assert_eq!(violated(&c), Vec::<&str>::new(), "{design}");
        explore(&c, CAP, |_, state, successors| {
            let node = &state.nodes[0];
            if successors.is_empty() {
                assert_eq!((node.i_size[0], node.disk_size[0]), (4, 4), "{design}");
            }
        });
    }
}

/// It is i_rwsem that keeps them apart, from the position on.
#[test]
fn appends_of_one_node_meet_without_i_rwsem() {
    let late = "buffered_write(file, iter):\n        refresh_size(file)\n        \
                generic_write_checks file iter\n        inode_lock file\n        \
                ret = gfs2_file_buffered_write(file, iter)\n        inode_unlock file\n        \
                return ret\n";
    let late = patched("append-size-refreshed", late);
    let c = under(late, scenario("append-buffered-write-two-tasks"));
    assert_eq!(violated(&c), ["placement"]);
}

/// Without the demand that takes the glock away there is no gap, however often it is
/// dropped; and without the outside nobody is in it.
#[test]
fn it_takes_both_the_loss_of_the_glock_and_somebody_who_appends() {
    for name in ["append-buffered-write", "append-direct-write"] {
        for design in &DESIGNS[..3] {
            assert_eq!(violated(&cluster(design, name)), ["placement"]);
            let mut alone = scenario(name);
            alone.events.appends = Default::default();
            assert_eq!(violated(&with_scenario(design, alone)), Vec::<&str>::new());
            let mut kept = scenario(name);
            kept.events.demands.retain(|d| d.file != 0);
            kept.files[0].modes = vec![vec![Mode::Ex]];
            assert_eq!(violated(&with_scenario(design, kept)), Vec::<&str>::new());
        }
    }
}

/// If nothing is ever refused, the position under EX is enough.
#[test]
fn under_one_grant_an_append_is_whole() {
    for name in ["append-buffered-write", "append-direct-write"] {
        let mut present = scenario(name);
        present.events.demands.retain(|d| d.file == 0);
        for design in ["append-positioned-once", "append-positioned-again"] {
            assert_eq!(
                violated(&with_scenario(design, present.clone())),
                Vec::<&str>::new()
            );
        }
        assert_eq!(violated(&with_scenario(DESIGNS[0], present)), ["placement"]);
    }
}

/// A bad page ends an append behind the last good one, wherever that is.
#[test]
fn an_append_with_a_bad_page_is_short() {
    let text = "lock = \"dlm\"\n[files.F1]\npages = 3\nsize = 1\nmode = [\"UN\", \"EX\"]\n\
                [[tasks]]\nop = \"OP\"\nfile = \"F1\"\nappend = true\n\
                buffer = [{ anon = \"present\" }, { bad = true }]\n\
                [events]\ndemand = { file = \"F1\", mode = \"EX\" }\n";
    for op in ["buffered_write", "direct_write"] {
        let text = text.replace("OP", op);
        let alone = Scenario::from_toml(&text, "alone.toml").unwrap_or_else(|e| panic!("{e:?}"));
        for design in DESIGNS {
            let c = with_scenario(design, alone.clone());
            assert_eq!(violated(&c), Vec::<&str>::new(), "{design}");
            explore(&c, CAP, |_, state, _| {
                let (node, task) = (&state.nodes[0], &state.nodes[0].tasks[0]);
                if task.status == Status::Done {
                    assert_eq!((task.result.as_size(), node.disk_size[0]), (Some(1), 2));
                }
            });
        }
    }
}

/// What is not an append is not touched by any of this.
#[test]
fn other_writes_go_where_they_did() {
    for name in ["resume-buffered-write", "resume-direct-write"] {
        let before = search(&cluster("fault-in-retry", name), 50_000);
        let after = search(&cluster("append-size-refreshed", name), 50_000);
        assert_eq!(before.violated, after.violated, "{name}");
        assert_eq!(before.states, after.states, "{name}");
    }
}
