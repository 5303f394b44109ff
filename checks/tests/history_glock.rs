//! What the designs of the history got wrong about the glock itself, row by row: before
//! the change a violation with its shortest history, after it none. Where the model
//! answers otherwise than the table says, the test says so and why.

mod support;

use glock::Verdict;
use glock_model::program::MayGrant;
use glock_model::property::Property;
use support::{design, explored, explored_with, scenario, shortest, torn, violated, violated_in};

/// The demanded and the progress properties that are violated in a cell.
fn progress(design_name: &str, scenario_name: &str) -> Vec<&'static str> {
    let asked = Property::PROGRESS;
    let report = explored_with(&design(design_name), &scenario(scenario_name), &asked);
    let violated = |p: &Property| matches!(report.verdict(*p), Verdict::Violated { .. });
    let all = Property::ALL.into_iter().filter(violated);
    all.filter(|p| *p != Property::AtomicRead)
        .map(Property::name)
        .collect()
}

/// The length of the shortest history that violates a property.
fn steps(design_name: &str, scenario_name: &str, property: Property) -> Option<usize> {
    shortest(
        &explored(&design(design_name), &scenario(scenario_name)),
        property,
    )
}

const STUCK: [&str; 4] = ["no-deadlock", "can-finish", "finishes", "finishes-strongly"];

// ---- K19, K20: weak holders ---------------------------------------------------------

/// K19b, W4: with no strong holder the weak one is compared with nobody.
#[test]
fn k19b_a_reader_is_granted_beside_a_weak_writer_until_the_fix() {
    let cell = "weak-writer-local-reader";
    assert_eq!(violated("weak-holders", cell), ["coherence"]);
    assert_eq!(violated("weak-holders-resume", cell), ["coherence"]);
    assert_eq!(steps("weak-holders", cell, Property::Coherence), Some(6));
    assert!(progress("weak-holders-restored", cell).is_empty());
}

/// K20: the other way out, which was taken.
#[test]
fn k20_without_weak_holders_there_is_nothing_to_steal() {
    assert!(progress("fault-in-retry", "weak-writer-local-reader").is_empty());
}

/// Expected of K19 was that K1 passes. W3: where the node owns no more than the holder's
/// shared mode, nobody takes the weak holder away, and the fault waits for it for ever. The
/// fix of K19b does not help.
#[test]
fn k19_a_process_waits_for_its_own_weak_holder() {
    for name in [
        "weak-holders",
        "weak-holders-resume",
        "weak-holders-restored",
    ] {
        for op in ["direct-read", "direct-write", "buffered-read"] {
            let cell = format!("own-{op}-other-page");
            let found = violated(name, &cell);
            assert!(found.contains(&"no-deadlock"), "{name} {cell}: {found:?}");
        }
        // EX is the strongest mode: under it everything is granted.
        let found = violated(name, "own-buffered-write-other-page");
        assert!(!found.contains(&"no-deadlock"), "{name}: {found:?}");
        // W2: unless the callback came before the holder was weak.
        let found = violated(name, "own-buffered-write-demanded");
        assert!(found.contains(&"no-deadlock"), "{name}: {found:?}");
    }
}

/// The same between two processes: K2 was expected to pass as well.
#[test]
fn k19_two_processes_wait_for_each_others_weak_holders() {
    for name in [
        "weak-holders",
        "weak-holders-resume",
        "weak-holders-restored",
    ] {
        let found = violated(name, "race-direct-read");
        assert!(found.contains(&"no-deadlock"), "{name}: {found:?}");
    }
    assert!(violated("fault-in-retry", "race-direct-read").is_empty());
}

// ---- K28: short results after a lost glock -----------------------------------------------

#[test]
fn k28_v5_16_returns_short_and_never_torn_and_v5_18_the_other_way_round() {
    let cell = "weak-reader-remote-writer";
    assert_eq!(violated("weak-holders", cell), ["no-short"]);
    assert!(!torn("weak-holders", cell));
    for after in ["weak-holders-resume", "fault-in-retry"] {
        assert!(violated(after, cell).is_empty(), "{after}");
        assert!(torn(after, cell), "{after}");
    }
    assert_eq!(steps("weak-holders", cell, Property::NoShort), Some(15));
}

#[test]
fn k28_writes_come_back_short_as_well() {
    let cell = "weak-writer-demanded";
    assert_eq!(violated("weak-holders", cell), ["no-short"]);
    assert!(progress("weak-holders-resume", cell).is_empty());
    assert!(progress("fault-in-retry", cell).is_empty());
}

// ---- K10, K14: the drafts of 2021 ---------------------------------------------------------

#[test]
fn k10_without_the_rewind_a_direct_transfer_goes_to_the_wrong_place() {
    for cell in ["resume-direct-read", "resume-direct-write"] {
        let found = violated("fault-in-restart", cell);
        assert!(found.contains(&"placement"), "{cell}: {found:?}");
        assert!(violated("fault-in-rewind", cell).is_empty(), "{cell}");
    }
}

/// Not in the table: v4 gave direct reads a partial result and took the rewind away, from
/// direct writes too.
#[test]
fn k10_v4_resumes_direct_reads_and_misplaces_direct_writes() {
    assert!(violated("fault-in-resume-read", "resume-direct-read").is_empty());
    let found = violated("fault-in-resume-read", "resume-direct-write");
    assert_eq!(found, ["no-short", "placement"]);
    assert!(violated("weak-holders", "resume-direct-write").is_empty());
}

#[test]
fn k10_v2_to_v5_tear_reads_and_v6_does_not() {
    for name in [
        "fault-in-restart",
        "fault-in-rewind",
        "fault-in-resume-read",
    ] {
        assert!(torn(name, "weak-reader-remote-writer"), "{name}");
    }
    for name in ["weak-holders-give-up", "weak-holders"] {
        assert!(!torn(name, "weak-reader-remote-writer"), "{name}");
    }
}

#[test]
fn k10_a_partial_buffered_write_is_returned_short_until_it_is_resumed() {
    for name in [
        "fault-in-restart",
        "fault-in-rewind",
        "fault-in-resume-read",
    ] {
        assert_eq!(violated(name, "resume-buffered-write"), ["no-short"]);
    }
    assert!(violated("weak-holders", "resume-buffered-write").is_empty());
}

/// v7 writes the second part where the first one went: iocb->ki_pos moves at the end.
#[test]
fn k10_v7_resumes_a_buffered_write_at_the_old_file_position() {
    let found = violated("weak-holders-give-up", "weak-writer-demanded");
    assert!(found.contains(&"placement"), "{found:?}");
    assert!(!violated("weak-holders", "weak-writer-demanded").contains(&"placement"));
}

/// K14: giving up ends the loop and invents an error.
#[test]
fn k14_v7_gives_up_on_a_good_buffer() {
    let cell = "own-direct-write-same-page";
    assert!(violated("weak-holders-give-up", cell).contains(&"no-spurious-efault"));
    assert!(!violated("weak-holders", cell).contains(&"no-spurious-efault"));
    assert!(progress("weak-holders", cell).contains(&"can-finish"));
    assert!(progress("fault-in-retry-bounded", cell).is_empty());
}

// ---- K22: a holder that is queued again --------------------------------------------------

/// The request is granted and reports the refusal before it: the caller asks again for
/// what it has.
#[test]
fn k22_a_stale_error_makes_a_granted_holder_look_refused() {
    let cell = "requeue-local-writer";
    assert_eq!(progress("requeue-stale", cell), ["no-recursion"]);
    assert_eq!(steps("requeue-stale", cell, Property::NoRecursion), Some(7));
    assert!(progress("requeue-fresh", cell).is_empty());
}

// ---- G1: which TRY requests fail and which wait ---------------------------------------------

#[test]
fn g1_a_try_is_refused_although_nobody_holds_the_glock_until_v6_18() {
    let cell = "try-refused-demoted";
    assert_eq!(violated("restart-hack", cell), ["no-spurious-efault"]);
    assert_eq!(
        steps("restart-hack", cell, Property::NoSpuriousEfault),
        Some(4)
    );
    assert!(progress("restart-try-rule", cell).is_empty());
}

#[test]
fn g1_a_try_waits_for_a_demotion_that_waits_for_the_other_process_until_v6_18() {
    let cell = "try-waits-demoted";
    assert_eq!(violated("restart-hack", cell), ["no-deadlock"]);
    assert_eq!(steps("restart-hack", cell, Property::NoDeadlock), Some(12));
    assert!(violated("restart-try-rule", cell).is_empty());
}

/// The change in between is one of the grants: G4 or G5, the answers are the same.
#[test]
fn g1_the_grants_of_v5_16_change_neither() {
    let mut rfc = design("restart-hack");
    rfc.kernel.may_grant = MayGrant::V516;
    let refused = scenario("try-refused-demoted");
    assert_eq!(violated_in(&rfc, &refused), ["no-spurious-efault"]);
    let waits = scenario("try-waits-demoted");
    assert_eq!(violated_in(&rfc, &waits), ["no-deadlock"]);
}

// ---- H1, H3: page lock and glock -------------------------------------------------------------

/// H1: the demote is carried out by the task whose own page lock it waits for.
#[test]
fn h1_readpage_deadlocks_with_itself_although_it_only_tries() {
    let cell = "readpage-demoted";
    assert_eq!(progress("readpage-try", cell), STUCK);
    assert_eq!(steps("readpage-try", cell, Property::NoDeadlock), Some(3));
    assert!(progress("readpage-twice", cell).is_empty());
    // With the worker of v2.6.24 a TRY is enough: the demote fails it first.
    assert!(violated("readpage-try-again", cell).is_empty());
}

/// Not in the table: if somebody else reads the page in between the two calls, there is no
/// second call, and the glock of the first stays held.
#[test]
fn h1_the_second_call_may_never_come() {
    let found = violated("readpage-twice", "readpage-two-readers");
    assert_eq!(found, ["balanced"]);
    assert!(violated("readpage-try-wait", "readpage-two-readers").is_empty());
}

/// H3: the reader has the page and wants the glock, the writer has the glock and wants the
/// page.
#[test]
fn h3_readahead_and_a_writer_wait_for_each_other() {
    let cell = "readpage-local-writer";
    assert_eq!(progress("readahead-locked", cell), STUCK);
    assert_eq!(
        steps("readahead-locked", cell, Property::NoDeadlock),
        Some(4)
    );
    assert!(progress("base", cell).is_empty());
}

// ---- H2, S7: progress between nodes --------------------------------------------------------------

/// S7 of the history: TRY asks nobody, so one idle node is enough.
#[test]
fn s7_without_a_blocking_step_an_idle_node_keeps_readpage_going_round() {
    let cell = "readpage-idle-remote";
    let round = ["can-finish", "finishes", "finishes-strongly"];
    assert_eq!(progress("readpage-try-again", cell), round);
    assert!(progress("readpage-try-wait", cell).is_empty());
    assert!(progress("readpage-try-wait", "readpage-two-nodes").is_empty());
}

/// H2 was expected to pass with a hold time. R1, T6: as of v5.12 the hold time counts only
/// while somebody is queued, and the fault has dequeued its holder before the store is
/// repeated. It can end, but no fairness makes it.
#[test]
fn h2_two_nodes_unmap_each_others_page_with_and_without_a_hold_time() {
    for cell in [
        "touch-store-two-nodes",
        "touch-store-two-nodes-no-hold-time",
    ] {
        let found = progress("base", cell);
        assert_eq!(found, ["finishes", "finishes-strongly"], "{cell}");
    }
}

// ---- K9, K25, P1, P3: page references -------------------------------------------------------------

/// R10.5: recordings say that references keep no glock on the node. The deadlocks that were
/// feared are there with the switch and not without.
#[test]
fn k9_p3_referenced_buffers_deadlock_iff_page_references_block_demotion() {
    for name in ["pin-retry-once", "pin-first"] {
        let cell = "crossed-direct-read-two-nodes";
        assert!(!violated(name, cell).contains(&"no-deadlock"), "{name}");
        let feared = format!("{cell}-page-refs");
        assert!(violated(name, &feared).contains(&"no-deadlock"), "{name}");
        for after in ["fault-in-rewind", "fault-in-retry"] {
            assert!(violated(after, &feared).is_empty(), "{after}");
        }
    }
}

/// K9, the other two: one retry, and 256 pages at most (two here).
#[test]
fn k9_one_retry_is_not_enough() {
    let cell = "crossed-direct-read-two-nodes";
    assert_eq!(violated("pin-retry-once", cell), ["no-spurious-efault"]);
    let long = violated("pin-retry-once", "long-direct-read");
    assert_eq!(long, ["no-spurious-efault"]);
    let resumed = violated("pin-retry-once", "resume-direct-read");
    assert!(resumed.contains(&"placement"), "{resumed:?}");
    assert!(violated("fault-in-rewind", "long-direct-read").is_empty());
}

#[test]
fn k25_lockless_reads_deadlock_iff_page_references_block_demotion() {
    let cell = "lockless-buffered-read-two-nodes";
    for name in ["base", "weak-holders"] {
        assert!(violated(name, cell).is_empty(), "{name}");
        let feared = violated(name, &format!("{cell}-page-refs"));
        assert_eq!(feared, ["no-deadlock"], "{name}");
    }
    assert!(violated("fault-in-retry", &format!("{cell}-page-refs")).is_empty());
}

#[test]
fn p1_prefaulting_alone_leaves_the_deadlock() {
    let cell = "prefault-demanded";
    assert_eq!(violated("fault-in-first", cell), ["no-deadlock"]);
    assert!(violated("fault-in-retry", cell).is_empty());
}
