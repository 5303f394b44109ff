//! Every execution loom finds of the primitive is a history of the model.
//!
//! Loom runs each case within the bounds it prints; the log of every execution goes
//! through the matcher. That the executions end at all is loom's part: whoever waits is
//! woken.

mod primitive;

use primitive::loom_runs::explore;
use primitive::{Case, Matched, cases, match_all};

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
    a_read_into_a_mapping_that_is_demanded: READ_DEMANDED, 2;
    progress_before_a_refusal: READ_TWO, 2;
}
