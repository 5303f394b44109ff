//! Every execution loom finds of the primitive is a history of the model.
//!
//! Loom runs each case within the bounds it prints; the log of every execution goes
//! through the matcher. That the executions end at all is loom's part: whoever waits is
//! woken.
//!
//! How far that goes is a matter of how many points there are at which threads may change:
//! every operation on a mutex, a flag or a condition variable. An execution of the race
//! on one node with fault-in has some 350 of them, on two nodes some 2 000 (a change of a
//! node's mode goes through the glock, the lock space's resource, its channel and the work
//! queue, and each round of fault-in makes four of them); with a flag 650. Executions grow
//! with a power of that, one more than the bound: the race on two nodes with a flag has
//! 12 207 executions with at most one preemption and 1 113 337 (228 s) with two; with
//! fault-in it has 106 963 with one, and two are out of reach. One side of it, the other
//! node reduced to its callbacks, is exhausted at three for all four flavours. What base
//! does on two nodes ends in its deadlock, at which loom stops.

mod primitive;

use glock_primitives::event::{Log, waiting, waits};
use primitive::loom_runs::explore;
use primitive::{Case, Matched, cases, ends_there, match_all};
use std::process::Command;
use std::sync::{Arc, Mutex};

/// Explores a case and matches what it did.
fn check(case: &'static Case, preemptions: usize) -> Matched {
    let logs = explore(case, preemptions, None, |_| ());
    let total = logs.total;
    let matched = match_all(case, &logs.in_order(), total);
    println!(
        "{}: all of {} executions with at most {preemptions} preemptions, {} threads; \
         {} different logs, {} events in {:.2} s",
        case.name,
        matched.executions,
        case.threads(),
        matched.different,
        matched.events,
        matched.seconds
    );
    if let Some(mismatch) = &matched.mismatch {
        panic!("{}: {mismatch}", case.name);
    }
    matched
}

/// Executions that end; those of the race that deadlock are looked at elsewhere.
macro_rules! histories {
    ($($test:ident: $case:ident, $preemptions:literal;)+) => {
        $(#[test]
        fn $test() {
            check(&cases::$case, $preemptions);
        })+
    };
}

histories! {
    shared_and_deferred_under_ex: SH_DF, 3;
    exclusive_and_exclusive: EX_EX, 3;
    shared_and_deferred_from_nothing: COLD, 3;
    three_waiters: THREE, 2;
    shared_behind_a_writer: SHARED, 2;
    a_try_and_a_demand: TRY_DEMAND, 2;
    a_try_that_fails_itself: TRY_COLD, 3;
    a_try_behind_a_writer: TRY_QUEUED, 2;
    a_try_behind_a_blocked_head: TRY_HEAD, 1;
    a_demand: DEMAND, 2;
    two_demands: DEMANDS, 3;
    a_hold_time: HOLD_TIME, 2;
    any_mode_joins: JOINS, 3;
    weak_holders_of_v5_16: WEAK, 3;
    weak_holders_of_v6_0: WEAK_DEMANDED, 2;
    try_requests_of_v6_18: TRY_618, 2;
    shared_and_deferred_of_a_cluster: COLD_CLUSTER, 2;
    two_nodes_and_two_modes: MIXED_CLUSTER, 1;
    exclusive_on_two_nodes: NODES_EX, 2;
    conversions_on_two_nodes: NODES_CONVERT, 2;
    shared_and_deferred_on_two_nodes: NODES_SH_DF, 2;
    try_requests_on_two_nodes: NODES_TRY, 2;
    the_race_with_a_flag: RACE_FLAG, 2;
    the_race_with_an_errno: RACE_ERRNO, 2;
    the_race_with_fault_in: RACE_FAULT_IN, 2;
    the_race_on_two_nodes_with_a_flag: RACE_NODES_FLAG, 1;
    the_race_on_two_nodes_with_an_errno: RACE_NODES_ERRNO, 1;
    the_race_on_two_nodes_with_fault_in: RACE_NODES_FAULT_IN, 1;
    one_side_of_the_race_on_two_nodes_base: ONE_SIDE_BASE, 3;
    one_side_of_the_race_on_two_nodes_with_a_flag: ONE_SIDE_FLAG, 3;
    one_side_of_the_race_on_two_nodes_with_an_errno: ONE_SIDE_ERRNO, 3;
    one_side_of_the_race_on_two_nodes_with_fault_in: ONE_SIDE_FAULT_IN, 3;
    a_read_into_a_mapping_that_is_demanded: READ_DEMANDED, 2;
    progress_before_a_refusal: READ_TWO, 2;
    anonymous_memory_with_fault_in: ANONYMOUS_FAULT_IN, 2;
    anonymous_memory_with_a_flag: ANONYMOUS_FLAG, 2;
}

/// The cases whose deadlock loom finds, and the test that runs each.
static DEADLOCKS: [(&Case, &str); 2] = [
    (&cases::RACE_BASE, "base_race"),
    (&cases::RACE_NODES_BASE, "base_race_on_two_nodes"),
];

/// Runs a case up to loom's panic, and asks there whether the model ends in the same way.
fn up_to_the_deadlock(case: &'static Case) {
    static LOG: Mutex<Option<Arc<Log>>> = Mutex::new(None);
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let payload = info.payload();
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or(payload.downcast_ref::<&str>().copied());
        // Loom ends threads that are not needed any more by a panic, too.
        if text.is_some_and(|text| text.contains("deadlock"))
            && let Some(log) = LOG.lock().unwrap().take()
        {
            let events = log.events();
            // Loom's threads have small stacks.
            let ends = std::thread::scope(|s| {
                let matching = s.spawn(|| ends_there(case, [&events[..]]));
                matching.join().expect("the matcher does not panic")
            });
            println!("{}", waits(&events));
            println!("WAIT {:?}, MODEL {ends:?}", waiting(&events));
        }
        before(info);
    }));
    explore(case, 2, None, |log| {
        *LOG.lock().unwrap() = Some(log.clone());
    });
}

#[test]
#[ignore = "deadlocks on purpose: run in a process of its own"]
fn base_race() {
    up_to_the_deadlock(&cases::RACE_BASE);
}

#[test]
#[ignore = "deadlocks on purpose: run in a process of its own"]
fn base_race_on_two_nodes() {
    up_to_the_deadlock(&cases::RACE_NODES_BASE);
}

#[test]
fn where_loom_finds_the_deadlock_of_base_the_model_has_it_too() {
    for (case, test) in DEADLOCKS {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--ignored", "--nocapture"])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!output.status.success(), "{}: no deadlock", case.name);
        let said = "WAIT [0, 1], MODEL Ok(())";
        assert!(text.contains(said), "{}: {text}", case.name);
    }
}
