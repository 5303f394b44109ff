//! Small cases, exhaustively: every interleaving within the bound a test states, and
//! every value the C11 memory model lets a load return.
//!
//! "All of N executions" is printed only when loom came to the end of them; no limit on
//! their number or on time is set, so that none can look like success. Preemptions are
//! bounded where the test says so: switches where a thread sleeps or ends are free.

mod support;

use glock_primitives::event::waits;
use glock_primitives::{
    AddressSpace, Config, Flags, Flavour, LockSpace, Loom, MmapLock, Mode, Runtime, Transfer,
};
use loom::cell::UnsafeCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::{Inside, assert_first_come_first_served, attempt, hold, logged};

/// What a glock protects: loom reports any two accesses that are not ordered.
struct Data(UnsafeCell<u32>);

// SAFETY: loom runs one thread at a time, and panics where two accesses would race.
unsafe impl Sync for Data {}

impl Data {
    fn new() -> Arc<Data> {
        Arc::new(Data(UnsafeCell::new(0)))
    }
    fn access(&self, mode: Mode) {
        match mode {
            Mode::Ex => self.0.with_mut(|_| ()),
            _ => self.0.with(|_| ()),
        }
    }
}

/// How far loom goes.
#[derive(Clone, Copy)]
struct Bound {
    /// Threads, the main one included; loom has at most five.
    threads: usize,
    /// Preemptions per execution; none: all there can be.
    preemptions: Option<usize>,
}

/// Runs every execution of `body` within the bound.
fn explore(name: &str, bound: Bound, body: impl Fn() + Sync + Send + 'static) -> usize {
    let mut builder = loom::model::Builder::new();
    builder.max_threads = bound.threads;
    builder.preemption_bound = bound.preemptions;
    builder.max_branches = 100_000;
    assert!(builder.max_permutations.is_none() && builder.max_duration.is_none());
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let began = std::time::Instant::now();
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        body();
    });
    let n = count.load(Ordering::Relaxed);
    let preemptions = match bound.preemptions {
        None => "any number of preemptions".to_owned(),
        Some(p) => format!("at most {p} preemptions"),
    };
    println!(
        "{name}: all of {n} executions, {} threads, {preemptions}, {:.1} s",
        bound.threads,
        began.elapsed().as_secs_f32()
    );
    n
}

/// Two tasks of one node, in these modes: do they exclude each other as they should,
/// and does what one did under EX reach the other?
fn two_holders(a: Mode, b: Mode, preemptions: Option<usize>) {
    let name = format!("{a} and {b}");
    let bound = Bound {
        threads: 3,
        preemptions,
    };
    explore(&name, bound, move || {
        let (config, log) = logged(Config {
            initial: |_, _| Mode::Ex,
            ..Config::local(1, 2)
        });
        let space = LockSpace::<Loom>::new(config);
        let data = Data::new();
        let inside = Arc::new(Inside::default());
        let run = |space: Arc<LockSpace<Loom>>, id: u8, mode: Mode| {
            let (data, inside) = (data.clone(), inside.clone());
            move || {
                let task = space.task(id, 0);
                let ticket = hold(&space, &task, 0, mode);
                inside.enter(id, mode);
                data.access(mode);
                inside.leave(id);
                ticket.dequeue(&task).unwrap();
            }
        };
        let worker = space.start_worker();
        let other = Loom::spawn(run(space.clone(), 1, b));
        run(space.clone(), 0, a)();
        glock_primitives::Join::join(other);
        worker.stop();
        assert_eq!(space.queued(0, 0), (0, 0));
        assert_first_come_first_served(&log.events());
    });
}

const ALL: Option<usize> = None;

#[test]
fn sh_and_sh_three_threads() {
    two_holders(Mode::Sh, Mode::Sh, ALL);
}

#[test]
fn sh_and_df_three_threads() {
    two_holders(Mode::Sh, Mode::Df, ALL);
}

#[test]
fn sh_and_ex_three_threads() {
    two_holders(Mode::Sh, Mode::Ex, ALL);
}

#[test]
fn df_and_df_three_threads() {
    two_holders(Mode::Df, Mode::Df, ALL);
}

#[test]
fn df_and_ex_three_threads() {
    two_holders(Mode::Df, Mode::Ex, ALL);
}

#[test]
fn ex_and_ex_three_threads() {
    two_holders(Mode::Ex, Mode::Ex, ALL);
}

/// What a task does.
type Body = fn(&Arc<LockSpace<Loom>>, &Data);

/// A system of tasks on a lock space with one worker; the first runs in loom's main
/// thread. Every execution ends: whoever waits is woken.
fn system(name: &str, bound: Bound, config: fn() -> Config, tasks: &'static [Body]) -> usize {
    assert_eq!(bound.threads, tasks.len() + 1);
    explore(name, bound, move || {
        let (config, log) = logged(config());
        let space = LockSpace::<Loom>::new(config);
        let data = Data::new();
        let worker = space.start_worker();
        let threads: Vec<_> = tasks[1..]
            .iter()
            .map(|body| {
                let (space, data) = (space.clone(), data.clone());
                Loom::spawn(move || body(&space, &data))
            })
            .collect();
        tasks[0](&space, &data);
        threads.into_iter().for_each(glock_primitives::Join::join);
        worker.stop();
        for node in 0..space.config().nodes {
            assert_eq!(space.queued(node, 0), (0, 0));
        }
        assert_first_come_first_served(&log.events());
    })
}

/// Takes the glock, touches what it protects, and leaves.
fn use_it(space: &Arc<LockSpace<Loom>>, data: &Data, id: u8, node: u8, mode: Mode) {
    let task = space.task(id, node);
    let ticket = hold(space, &task, 0, mode);
    data.access(mode);
    ticket.dequeue(&task).unwrap();
}

#[test]
fn three_tasks_are_served_in_turn_four_threads_two_preemptions() {
    let bound = Bound {
        threads: 4,
        preemptions: Some(2),
    };
    let config = || Config {
        initial: |_, _| Mode::Ex,
        ..Config::local(1, 3)
    };
    system(
        "EX, SH, EX",
        bound,
        config,
        &[
            |s, d| use_it(s, d, 0, 0, Mode::Ex),
            |s, d| use_it(s, d, 1, 0, Mode::Sh),
            |s, d| use_it(s, d, 2, 0, Mode::Ex),
        ],
    );
}

/// Tries; a failure is a wake-up, a success is given back.
fn try_it(space: &Arc<LockSpace<Loom>>, data: &Data, id: u8, node: u8, mode: Mode) {
    let task = space.task(id, node);
    if let Some(ticket) = attempt(space, &task, 0, mode) {
        data.access(mode);
        ticket.dequeue(&task).unwrap();
    }
}

#[test]
fn a_try_always_ends_beside_a_holder_and_a_demote_four_threads_two_preemptions() {
    // The demote keeps the TRY waiting (Q14), and fails it when it begins (Q13e).
    let bound = Bound {
        threads: 4,
        preemptions: Some(2),
    };
    let config = || Config {
        initial: |_, _| Mode::Ex,
        ..Config::local(1, 2)
    };
    system(
        "EX, TRY SH, callback",
        bound,
        config,
        &[
            |s, d| use_it(s, d, 0, 0, Mode::Ex),
            |s, d| try_it(s, d, 1, 0, Mode::Sh),
            |s, _| {
                s.demand(0, 0, Mode::Ex);
            },
        ],
    );
}

#[test]
fn dequeue_against_enqueue_against_callback_four_threads_two_preemptions() {
    let bound = Bound {
        threads: 4,
        preemptions: Some(2),
    };
    let config = || Config {
        initial: |_, _| Mode::Sh,
        ..Config::local(1, 2)
    };
    system(
        "SH, DF, callback",
        bound,
        config,
        &[
            |s, d| use_it(s, d, 0, 0, Mode::Sh),
            |s, d| use_it(s, d, 1, 0, Mode::Df),
            |s, _| {
                s.demand(0, 0, Mode::Ex);
            },
        ],
    );
}

#[test]
fn the_end_of_a_hold_time_lets_a_demote_through_three_threads_three_preemptions() {
    let bound = Bound {
        threads: 3,
        preemptions: Some(3),
    };
    let config = || Config {
        hold_time: true,
        initial: |_, _| Mode::Ex,
        ..Config::local(1, 1)
    };
    system(
        "EX, callback and expiry",
        bound,
        config,
        &[
            |s, d| use_it(s, d, 0, 0, Mode::Ex),
            |s, _| {
                s.demand(0, 0, Mode::Ex);
                s.hold_expires(0, 0);
            },
        ],
    );
}

#[test]
fn a_withdrawn_request_holds_nobody_up_four_threads_two_preemptions() {
    let bound = Bound {
        threads: 4,
        preemptions: Some(2),
    };
    let config = || Config {
        initial: |_, _| Mode::Ex,
        ..Config::local(1, 3)
    };
    system(
        "SH, EX withdrawn, SH",
        bound,
        config,
        &[
            |s, d| use_it(s, d, 0, 0, Mode::Sh),
            |s, _| drop(s.enqueue(&s.task(1, 0), 0, Mode::Ex, Flags::NONE).unwrap()),
            |s, d| use_it(s, d, 2, 0, Mode::Sh),
        ],
    );
}

#[test]
fn two_nodes_take_ex_in_turn_three_threads_two_preemptions() {
    let bound = Bound {
        threads: 3,
        preemptions: Some(2),
    };
    system(
        "EX on two nodes",
        bound,
        || Config::cluster(2, 1, 2),
        &[
            |s, d| use_it(s, d, 0, 0, Mode::Ex),
            |s, d| use_it(s, d, 1, 1, Mode::Ex),
        ],
    );
}

#[test]
fn two_nodes_convert_from_sh_to_ex_three_threads_two_preemptions() {
    // Each owns SH, which is in the other's way: the conversion deadlock of D6.
    let bound = Bound {
        threads: 3,
        preemptions: Some(2),
    };
    let config = || Config {
        initial: |_, _| Mode::Sh,
        ..Config::cluster(2, 1, 2)
    };
    system(
        "SH to EX on two nodes",
        bound,
        config,
        &[
            |s, d| use_it(s, d, 0, 0, Mode::Ex),
            |s, d| use_it(s, d, 1, 1, Mode::Ex),
        ],
    );
}

#[test]
fn a_store_through_a_mapping_survives_a_demote_three_threads_three_preemptions() {
    let bound = Bound {
        threads: 3,
        preemptions: Some(3),
    };
    explore("store against demote", bound, || {
        let space = LockSpace::<Loom>::new(Config {
            pages: 1,
            initial: |_, _| Mode::Ex,
            ..Config::local(1, 1)
        });
        let worker = space.start_worker();
        let task = space.task(0, 0);
        let mm = AddressSpace::new(&space, 0);
        let page = mm.map_shared(0, 0);
        let asks = space.clone();
        let other = Loom::spawn(move || {
            asks.demand(0, 0, Mode::Ex);
        });
        mm.store(&task, page, 7).unwrap();
        glock_primitives::Join::join(other);
        worker.stop();
        // Whatever was dropped was written back, and nothing dropped is mapped.
        assert_eq!(mm.load(&task, page), Ok(7));
    });
}

#[test]
fn loads_and_stores_on_two_nodes_agree_three_threads_two_preemptions() {
    let bound = Bound {
        threads: 3,
        preemptions: Some(2),
    };
    explore("store against load on two nodes", bound, || {
        let space = LockSpace::<Loom>::new(Config {
            pages: 1,
            ..Config::cluster(2, 1, 2)
        });
        let worker = space.start_worker();
        let there = space.clone();
        let other = Loom::spawn(move || {
            let task = there.task(1, 1);
            let mm = AddressSpace::new(&there, 1);
            let page = mm.map_shared(0, 0);
            assert!([0, 7].contains(&mm.load(&task, page).unwrap()));
        });
        let task = space.task(0, 0);
        let mm = AddressSpace::new(&space, 0);
        let page = mm.map_shared(0, 0);
        mm.store(&task, page, 7).unwrap();
        glock_primitives::Join::join(other);
        assert_eq!(mm.load(&task, page), Ok(7));
        worker.stop();
    });
}

/// Two tasks of one node read crosswise, each into a mapping of the other's file; at
/// most `rounds` rounds each. How many executions, and how many gave up.
fn race(flavour: Flavour, bound: Bound, rounds: u32) -> (usize, usize) {
    let unfinished = Arc::new(AtomicUsize::new(0));
    let count = unfinished.clone();
    let name = format!("race, {flavour:?}, at most {rounds} rounds");
    let executions = explore(&name, bound, move || {
        let (config, log) = logged(Config {
            pages: 1,
            initial: |_, _| Mode::Df,
            ..Config::local(2, 2)
        });
        let space = LockSpace::<Loom>::new(config);
        report::watch(&log);
        let worker = space.start_worker();
        let read = move |space: Arc<LockSpace<Loom>>, id: u8| {
            let task = space.task(id, 0);
            let mm = AddressSpace::new(&space, 0);
            let buffer = [mm.map_shared(1 - id, 0)];
            let mut transfer = Transfer::new(&space, &mm, &task, id, &buffer, flavour);
            transfer.rounds = Some(rounds);
            let report = transfer
                .run(Mode::Df, || (), |file, user| *user = file)
                .unwrap();
            report.result.is_some()
        };
        let (there, failed) = (space.clone(), count.clone());
        let other = Loom::spawn(move || {
            failed.fetch_add(usize::from(!read(there, 1)), Ordering::Relaxed);
        });
        let finished = read(space.clone(), 0);
        count.fetch_add(usize::from(!finished), Ordering::Relaxed);
        glock_primitives::Join::join(other);
        worker.stop();
        for file in 0..2 {
            assert_eq!(space.queued(0, file), (0, 0));
        }
    });
    (executions, unfinished.load(Ordering::Relaxed))
}

const RACE: Bound = Bound {
    threads: 3,
    preemptions: Some(2),
};

#[test]
fn the_race_with_fault_in_and_retry_never_deadlocks_three_threads_two_preemptions() {
    let (executions, unfinished) = race(Flavour::FaultInRetry, RACE, 3);
    println!("{unfinished} transfers of {executions} executions gave up after 3 rounds");
}

#[test]
fn the_race_with_a_flag_never_deadlocks_three_threads_two_preemptions() {
    let (_, unfinished) = race(Flavour::SideChannel, RACE, 2);
    assert!(unfinished > 0, "a refused task starts over");
}

#[test]
fn the_race_with_an_errno_never_deadlocks_three_threads_two_preemptions() {
    let (_, unfinished) = race(Flavour::Errno, RACE, 2);
    assert!(unfinished > 0, "a refused task starts over");
}

#[test]
#[ignore = "deadlocks on purpose: run in a process of its own by the_base_race_deadlocks"]
fn base_race() {
    race(Flavour::Base, RACE, 1);
}

#[test]
fn the_base_race_deadlocks_and_the_report_names_who_waits_for_whom() {
    let output = report::in_a_process_of_its_own("base_race");
    assert!(
        output.contains("deadlock; threads ="),
        "loom's own word:\n{output}"
    );
    for part in [
        "task 0 waits for glock n0 f1 (",
        "), held by task 1 (DF)",
        "task 1 waits for glock n0 f0 (",
        "), held by task 0 (DF)",
        "deadlock: task ",
    ] {
        assert!(output.contains(part), "{part}\n{output}");
    }
}

#[test]
fn mmap_lock_excludes_and_wakes_four_threads_two_preemptions() {
    let bound = Bound {
        threads: 4,
        preemptions: Some(2),
    };
    explore("mmap_lock, two readers and two writers", bound, || {
        let space = LockSpace::<Loom>::new(Config::local(1, 1));
        let mm = AddressSpace::new(&space, 0);
        let data = Data::new();
        let read = |lock: &MmapLock<Loom>, data: &Data| lock.read(|| data.access(Mode::Sh));
        let write = |lock: &MmapLock<Loom>, data: &Data| lock.write(|| data.access(Mode::Ex));
        let threads = [0, 1, 2].map(|i| {
            let (mm, data) = (mm.clone(), data.clone());
            Loom::spawn(move || match i {
                0 => read(&mm.mmap_lock, &data),
                _ => write(&mm.mmap_lock, &data),
            })
        });
        read(&mm.mmap_lock, &data);
        threads.into_iter().for_each(glock_primitives::Join::join);
    });
}

/// A report of what loom only calls a deadlock.
mod report {
    use super::waits;
    use glock_primitives::event::Log;
    use std::sync::{Arc, Mutex, Once};

    static WATCHED: Mutex<Option<Arc<Log>>> = Mutex::new(None);

    /// From here on a panic tells who waits for whom in this log.
    pub(crate) fn watch(log: &Arc<Log>) {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                // The end of a loom thread that is not needed any more is a panic, too.
                let payload = info.payload();
                let text = payload.downcast_ref::<String>().map(String::as_str);
                let told = text.or(payload.downcast_ref::<&str>().copied()).is_some();
                if told && let Some(log) = &*WATCHED.lock().unwrap_or_else(|e| e.into_inner()) {
                    eprint!("{}", waits(&log.events()));
                }
                before(info);
            }));
        });
        *WATCHED.lock().unwrap_or_else(|e| e.into_inner()) = Some(log.clone());
    }

    /// Runs an ignored test of this binary, which must fail; what it said.
    pub(crate) fn in_a_process_of_its_own(test: &str) -> String {
        let own = std::env::current_exe().unwrap();
        let output = std::process::Command::new(own)
            .args(["--exact", test, "--ignored", "--nocapture"])
            .output()
            .unwrap();
        assert!(!output.status.success(), "{test} was to fail");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        text(&output.stdout) + &text(&output.stderr)
    }
}
