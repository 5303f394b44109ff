//! For every property a case in which it is violated and one in which it holds.

mod support;

use glock_model::property::Property;
use support::{design, explored, scenario, shortest, violated, violated_in, written};

#[test]
fn no_deadlock_fails_for_base_and_holds_for_upstream_in_the_race() {
    assert_eq!(violated("base", "race-direct-read"), ["no-deadlock"]);
    assert!(violated("fault-in-retry", "race-direct-read").is_empty());
}

#[test]
fn no_recursion_fails_for_base_and_holds_for_upstream_in_the_own_file() {
    assert_eq!(
        violated("base", "own-buffered-read-same-page"),
        ["no-recursion"]
    );
    assert!(violated("fault-in-retry", "own-buffered-read-same-page").is_empty());
}

/// What iomap did with a failed copy into a hole (history K16): 0, as if at the end.
#[test]
fn no_lost_efault_fails_for_a_design_that_reports_end_of_file() {
    let lossy = written(
        "design lossy
           extends base
           \"A failed transfer looks like the end of the file.\"
         direct_read(file, iter):
                 gfs2_glock_nq file DF
                 ret = iomap_dio_rw file iter
                 gfs2_glock_dq file
                 if ret == -EFAULT ret = 0
                 return ret",
    );
    let bad_first = scenario("bad-first-direct-read");
    assert_eq!(violated_in(&lossy, &bad_first), ["no-lost-efault"]);
    assert!(violated_in(&design("base"), &bad_first).is_empty());
}

#[test]
fn no_spurious_efault_fails_for_the_rfc_and_holds_for_base_in_user_mode() {
    assert_eq!(
        violated("restart-hack", "touch-store-local-writer"),
        ["no-spurious-efault"]
    );
    assert!(violated("base", "touch-store-local-writer").is_empty());
}

/// GLR_TRYFAILED is 13 and positive: returned as it is, it looks like a byte count.
#[test]
fn no_spurious_efault_fails_for_a_design_that_returns_glr_tryfailed() {
    let thirteen = written(
        "design thirteen
           extends base
           \"The refusal of a TRY is returned to the user.\"
         direct_read(file, iter):
                 ret = gfs2_glock_nq file DF try
                 if ret == GLR_TRYFAILED return ret
                 ret = iomap_dio_rw file iter
                 gfs2_glock_dq file
                 return ret",
    );
    let found = violated_in(&thirteen, &scenario("race-direct-read-write"));
    assert!(found.contains(&"no-spurious-efault"), "{found:?}");
}

#[test]
fn no_short_fails_for_the_rfc_unless_the_design_admits_it() {
    let resume = scenario("resume-buffered-read");
    assert_eq!(violated_in(&design("restart-hack"), &resume), ["no-short"]);
    let admitted = written(
        "design admitted
           extends restart-hack
           admits short buffered_read
           \"A short count on contention is meant.\"",
    );
    assert!(violated_in(&admitted, &resume).is_empty());
    assert!(violated("fault-in-retry", "resume-buffered-read").is_empty());
}

#[test]
fn placement_fails_for_the_rfc_and_holds_for_upstream_after_partial_progress() {
    let report = explored(&design("restart-hack"), &scenario("resume-direct-write"));
    assert!(shortest(&report, Property::Placement).is_some());
    assert!(violated("fault-in-retry", "resume-direct-write").is_empty());
}

#[test]
fn coherence_fails_for_the_recursion_check_and_holds_for_upstream() {
    assert_eq!(
        violated("recursion-check", "own-direct-write-other-page"),
        ["coherence"]
    );
    assert!(violated("fault-in-retry", "own-direct-write-other-page").is_empty());
}

/// X2: the mapping outlives the glock it was made under.
#[test]
fn mapping_fails_for_a_design_that_drops_the_glock_inside_the_extent() {
    let early = written(
        "design early
           extends base
           \"EX is dropped as soon as the extent is mapped.\"
         iomap_begin(file):
                 gfs2_glock_nq file EX
                 gfs2_glock_dq file
                 return 0
         iomap_end(file):
                 return 0",
    );
    let write = scenario("bad-second-buffered-write");
    assert!(violated_in(&early, &write).contains(&"mapping"));
    assert!(violated_in(&design("base"), &write).is_empty());
}

/// The language refuses a forgotten unlock; a mark in journal_info it cannot see.
#[test]
fn balanced_fails_for_a_mark_left_in_journal_info() {
    let found = violated("restart-journal-info", "pipe-read-local-writer");
    assert_eq!(found, ["no-spurious-efault", "balanced"]);
    assert_eq!(
        violated("restart-hack", "pipe-read-local-writer"),
        ["no-spurious-efault"]
    );
}

#[test]
fn atomic_read_fails_for_upstream_and_holds_for_base() {
    assert!(support::torn("fault-in-retry", "torn-buffered-read"));
    assert!(!support::torn("base", "torn-buffered-read"));
}
