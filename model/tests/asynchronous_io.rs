//! Asynchronous direct I/O together with everything else a direct transfer can meet.

mod support;

use glock_model::cluster::{Cluster, State};
use glock_model::program::Val;
use glock_model::scenario::Scenario;
use glock_model::task::{Flight, Pinned, Sub};
use support::{cluster, explore, search, with_scenario};

const CAP: usize = 20_000;

/// P1 alone, with a buffer of two pages and asynchronous I/O on F1.
fn alone(design: &str, op: &str, file: &str, buffer: &str) -> Cluster {
    let text = format!(
        "nodes = 1\n[files.F1]\npages = 2\nmode = [\"UN\", \"DF\"]\n{file}\n[[tasks]]\nname = \"P1\"\n\
         op = \"{op}\"\nfile = \"F1\"\naio = true\nbuffer = [{buffer}]\n"
    );
    let scenario = Scenario::from_toml(&text, "alone.toml").unwrap_or_else(|e| panic!("{e:?}"));
    with_scenario(design, scenario)
}

fn holds(cluster: &Cluster) {
    let found = search(cluster, CAP);
    let name = &cluster.scenario().name;
    assert_eq!(found.names(), Vec::<&str>::new(), "{name}");
}

/// In which ways does P1 come to its end: had its call left the result to the completion,
/// and what was it?
fn results(cluster: &Cluster) -> Vec<(bool, Val)> {
    let mut found = Vec::new();
    explore(cluster, CAP, |_, state, successors| {
        let before = state.nodes[0].tasks[0];
        for (_, next) in successors {
            let after = next.nodes[0].tasks[0];
            let result = (before.sub == Sub::Parked, after.result);
            if !before.finished() && after.finished() && !found.contains(&result) {
                found.push(result);
            }
        }
    });
    found.sort_by_key(|&(queued, value)| (queued, value.0));
    found
}

fn any(cluster: &Cluster, is: impl Fn(&State) -> bool) -> bool {
    let mut found = false;
    explore(cluster, CAP, |_, state, _| found |= is(state));
    found
}

const THERE: &str = "{ anon = \"present\" }, { anon = \"present\" }";
const SECOND_ABSENT: &str = "{ anon = \"present\" }, { anon = \"absent\" }";

#[test]
fn a_hole_that_is_read_is_zeroed_by_the_cpu_while_the_rest_is_in_flight() {
    for buffer in [THERE, SECOND_ABSENT] {
        let cluster = alone("fault-in-retry", "direct_read", "holes = [1]", buffer);
        holds(&cluster);
        let parked = |s: &State| {
            let t = &s.nodes[0].tasks[0];
            t.sub == Sub::Parked && t.aio.bios == 0b01 && t.landed[1] == 2
        };
        assert_eq!(any(&cluster, parked), buffer == THERE);
    }
}

#[test]
fn a_refused_copy_into_memory_may_pass_for_the_end_of_the_file_at_completion() {
    // 42c498c18a94 (K16); the count of what is in flight is delivered later.
    let cluster = alone("hole-eof", "direct_read", "holes = [1]", SECOND_ABSENT);
    let found = results(&cluster);
    assert!(found.contains(&(true, Val::size(1))), "{found:?}");
}

#[test]
fn a_write_that_meets_a_hole_waits_and_goes_on_through_the_page_cache() {
    let cluster = alone("fault-in-retry", "direct_write", "holes = [1]", THERE);
    holds(&cluster);
    assert_eq!(results(&cluster), [(false, Val::size(2))]);
    assert!(any(&cluster, |s| s.nodes[0].tasks[0].sub == Sub::DioWait));
}

#[test]
fn pages_of_a_block_are_submitted_together_or_not_at_all() {
    for op in ["direct_read", "direct_write"] {
        let cluster = alone("fault-in-retry", op, "chunk = 2", SECOND_ABSENT);
        holds(&cluster);
        let half = |s: &State| {
            let t = &s.nodes[0].tasks[0];
            t.aio.flight == Flight::Submitting && t.moved == 1
        };
        assert!(!any(&cluster, half));
        assert_eq!(
            results(&cluster),
            [(false, Val::size(2)), (true, Val::size(2))]
        );
    }
}

#[test]
fn an_error_that_takes_the_iterator_back_comes_from_the_call_and_not_from_the_completion() {
    let refused = |s: &State| {
        let aio = &s.nodes[0].tasks[0].aio;
        aio.flight == Flight::Queued && aio.value == Val::EFAULT
    };
    for op in ["direct_read", "direct_write"] {
        let v2 = alone("fault-in-restart", op, "", SECOND_ABSENT);
        assert!(any(&v2, refused));
        let v3 = alone("fault-in-rewind", op, "", SECOND_ABSENT);
        assert!(!any(&v3, refused));
        holds(&v3);
    }
}

#[test]
fn an_unaligned_buffer_is_refused_with_its_own_error_before_anything_is_submitted() {
    let buffer = "{ anon = \"absent\" }, { anon = \"present\" }]\nunaligned = true\n#";
    let cluster = alone("offset-errno", "direct_read", "", buffer);
    assert!(!any(&cluster, |s| s.nodes[0].tasks[0].aio.bios != 0));
    assert_eq!(results(&cluster), [(false, Val::EIO)]);
}

#[test]
fn a_bio_leaves_what_the_design_has_pinned() {
    let cluster = cluster("pin-first", "aio-direct-read");
    let arrived = |s: &State| {
        let t = &s.nodes[0].tasks[0];
        t.landed[0] == 1 && t.aio.bios & 1 == 0 && t.pins[0] == Pinned::Live
    };
    assert!(any(&cluster, arrived));
    // And unpinning leaves what is in flight.
    let flies = |s: &State| {
        let t = &s.nodes[0].tasks[0];
        t.sub == Sub::Parked && t.pins[0] == Pinned::Live && t.aio.alone_pins(0)
    };
    assert!(any(&cluster, flies));
}

#[test]
fn references_of_the_design_are_references_again_when_a_bio_is_done() {
    let cluster = cluster("pin-retry-once", "aio-direct-write");
    let in_flight = |s: &State| s.nodes[0].tasks[0].aio.referenced != 0;
    let again = |s: &State| {
        let t = &s.nodes[0].tasks[0];
        (0..2).any(|i| t.landed[i] != 0 && t.aio.bios >> i & 1 == 0 && t.pins[i] == Pinned::Ref)
    };
    assert!(any(&cluster, in_flight) && any(&cluster, again));
}
