//! The history's items about user memory and the transfers, one test an item: what fails
//! before the repair, with the length of a shortest history, and what holds after it.
//! Where the model's answer is another than the history's table expects, the test says
//! so and why.

mod support;

use glock::{Report, Verdict, lines};
use glock_model::property::Property::{self, *};
use std::collections::BTreeSet;
use support::{design, explored_with, scenario, shortest};

fn judged(design_name: &str, scenario_name: &str) -> Report {
    explored_with(
        &design(design_name),
        &scenario(scenario_name),
        &Property::PROGRESS,
    )
}

/// What is violated in a cell, but for the reported property, with the length of a
/// shortest history. A trap of which there is no way out violates `finishes` under both
/// kinds of fairness as well: it is listed once, as `can-finish`, with its length.
fn found(design_name: &str, scenario_name: &str) -> Vec<(Property, usize)> {
    let report = judged(design_name, scenario_name);
    let length = |property| shortest(&report, property);
    let trapped = length(CanFinish).is_some();
    let demanded = Property::ALL.into_iter().filter(|p| *p != AtomicRead);
    demanded
        .filter(|p| !(trapped && matches!(p, Finishes | FinishesStrongly)))
        .filter_map(|p| Some((p, length(p)?)))
        .collect()
}

/// Everything holds: safety, and that the operation returns.
#[track_caller]
fn holds(design_name: &str, scenario_name: &str) {
    let report = judged(design_name, scenario_name);
    for property in Property::ALL.into_iter().filter(|p| *p != AtomicRead) {
        let verdict = report.verdict(property);
        assert!(
            matches!(verdict, Verdict::Holds { .. }),
            "{property:?}: {verdict:?} in {scenario_name} under {design_name}"
        );
    }
}

/// Nothing goes wrong on the way, but from the first state on no call can return.
#[track_caller]
fn never_ends(design_name: &str, scenario_name: &str) {
    let found = found(design_name, scenario_name);
    let cell = format!("{scenario_name} under {design_name}");
    assert_eq!(found, [(CanFinish, 0)], "{cell}");
}

// ---- K11, K14: fault-in says yes, the transfer says no -------------------------------

#[test]
fn k11_the_look_at_the_page_tables_refuses_the_zero_page_for_ever() {
    never_ends("fast-pages", "zero-page-direct-write");
    holds("fault-in-retry", "zero-page-direct-write");
    holds("fault-in-gives-up", "zero-page-direct-write");
    // Without O_DIRECT the CPU copies, and reads the zero page.
    holds("fast-pages", "bad-first-buffered-write");
}

#[test]
fn k14_giving_up_ends_the_loop_with_an_error_for_a_good_address() {
    for (name, length) in [
        ("io-direct-write", 10),
        ("own-direct-write-same-page", 14),
        ("own-direct-write-other-page", 19),
    ] {
        let gives_up = found("fault-in-gives-up", name);
        assert_eq!(gives_up, [(NoSpuriousEfault, length)], "{name}");
        never_ends("fault-in-retry", name);
        holds("fault-in-retry-bounded", name);
    }
}

/// The bound of v6.4 is for direct writes. The history says so; that device memory shows
/// it with a read is the model's addition. Plain v5.12 refuses such a buffer, too: it is
/// get-user-pages that does, and not the retry.
#[test]
fn k14_a_direct_read_has_no_bound_to_this_day() {
    never_ends("fault-in-retry-bounded", "io-direct-read");
    assert_eq!(
        found("fault-in-gives-up", "io-direct-read"),
        [(NoSpuriousEfault, 9)]
    );
    assert_eq!(found("base", "io-direct-read"), [(NoSpuriousEfault, 4)]);
    assert_eq!(found("base", "io-direct-write"), [(NoSpuriousEfault, 5)]);
}

// ---- K26: a direct write drops what it is about to read ------------------------------

#[test]
fn k26_a_page_is_written_onto_itself_for_ever_until_v6_4_falls_back() {
    for name in [
        "own-direct-write-same-page",
        "own-direct-write-other-page", // K26i: the conversion from SH to DF drops it
        "io-direct-write",             // variant ii
    ] {
        never_ends("fault-in-retry", name);
        holds("fault-in-retry-bounded", name);
    }
}

/// K26i needs a glock that is not cached EX.
#[test]
fn k26i_under_ex_another_page_of_the_file_stays_where_it_is() {
    let mut under_ex = scenario("own-direct-write-other-page");
    under_ex.files[0].modes = vec![vec![glock_model::mode::Mode::Ex]];
    let upstream = design("fault-in-retry");
    let report = explored_with(&upstream, &under_ex, &Property::PROGRESS);
    assert_eq!(shortest(&report, CanFinish), None);
    assert_eq!(shortest(&report, Finishes), None);
}

// ---- S1: btrfs, with a lock of the range ----------------------------------------------

#[test]
fn s1_the_fault_wants_the_range_its_own_io_has_locked() {
    for name in ["range-direct-read", "range-direct-write"] {
        let before = found("range-lock", name);
        assert_eq!(before, [(NoDeadlock, 4), (CanFinish, 0)], "{name}");
        holds("range-lock-retry", name);
    }
}

#[test]
fn s1_the_first_posting_asks_a_bad_page_for_ever() {
    never_ends("range-lock-first-posting", "range-direct-read-bad");
    holds("range-lock-first-posting", "range-direct-read");
    holds("range-lock-retry", "range-direct-read-bad");
}

/// Not in the history: a direct read starts with the write-back of its range, which
/// write-protects the page that the fault-in has just made writable (I1b). The test
/// programs map privately, where a copy has left the file behind.
#[test]
fn s1_a_read_into_the_shared_page_it_reads_never_ends_in_either_file_system() {
    never_ends("range-lock-retry", "range-direct-read-shared");
    never_ends("fault-in-retry-bounded", "range-direct-read-shared");
}

// ---- K23, K24, S5, S6: fault-in that does less than the access needs ------------------

#[test]
fn k23_get_user_pages_leaves_the_marks_a_copy_stumbles_over() {
    never_ends("fault-in-gup", "unmarked-buffered-read");
    holds("fault-in-retry", "unmarked-buffered-read");
    // What get-user-pages brought in, get-user-pages can use.
    holds("fault-in-gup", "unmarked-direct-read");
}

#[test]
fn k23_device_memory_was_passed_over_and_counted_as_fine() {
    never_ends("fault-in-gup", "io-buffered-read");
    holds("fault-in-retry", "io-buffered-read");
}

/// The table expects a loop before 8c03ebd7cdc0 and none after it. Without a block that
/// spans the good and the bad page the wrong result does no harm: after a round without
/// progress one page is asked for, and for the first page the result is right. With such
/// a block the loop is there, but the repair does not end it: the page that can be
/// faulted in counts as progress, as in K21. Only direct writes have the bound of v6.4.
#[test]
fn k24_the_wrong_result_alone_makes_no_loop_and_the_right_one_ends_none() {
    for name in ["bad-second-direct-read", "bad-second-buffered-read"] {
        holds("fault-in-overreports", name);
        holds("fault-in-retry-bounded", name);
    }
    never_ends("fault-in-overreports", "chunk-direct-read-bad-second");
    never_ends("fault-in-retry-bounded", "chunk-direct-read-bad-second");
    never_ends("fault-in-retry", "chunk-direct-write-bad-second");
    holds("fault-in-retry-bounded", "chunk-direct-write-bad-second");
}

#[test]
fn s5_a_copy_that_starts_over_needs_a_fault_in_that_looks_everywhere() {
    let name = "chunk-buffered-write-bad-second";
    never_ends("probe-coarse", name);
    holds("probe-exact", name);
    holds("probe-coarse-resumes", name);
}

#[test]
fn s6_a_buffered_write_must_fault_in_before_or_after_the_copy() {
    let name = "own-buffered-write-same-page";
    never_ends("no-fault-in", name);
    holds("fault-in-retry", name); // before
    holds("whole-chunks", name); // after
}

// ---- K21: all of a chunk, or any of it ------------------------------------------------

#[test]
fn k21_all_or_nothing_and_any_byte_never_agree_about_a_chunk_with_a_bad_page() {
    let name = "chunk-buffered-write-bad-second";
    never_ends("whole-chunks", name);
    holds("whole-chunks-limited", name);
    holds("fault-in-retry", name);
    for design in ["whole-chunks", "whole-chunks-limited", "fault-in-retry"] {
        holds(design, "chunk-buffered-write");
    }
}

// ---- K16, K18, K4g: a hole is read by the CPU -----------------------------------------

#[test]
fn k16_a_copy_that_fails_looks_like_the_end_of_the_file() {
    let name = "hole-eof";
    assert_eq!(found(name, "hole-direct-read"), [(NoShort, 4)]);
    assert_eq!(found(name, "hole-direct-read-bad"), [(NoLostEfault, 4)]);
    for scenario in [
        "hole-direct-read",
        "hole-direct-read-bad",
        "hole-direct-read-second-bad",
    ] {
        holds("fault-in-retry", scenario);
    }
    // One page moved, then the bad one: a short count is right in any case.
    holds(name, "hole-direct-read-second-bad");
}

/// The table has no-lost-efault. In the race no address is bad: what is lost is data, and
/// no-short says so. With a bad page it is -EFAULT, under the RFC as in plain v5.12.
#[test]
fn k4g_the_rfc_returns_nothing_where_a_refused_fault_met_a_hole() {
    let rfc = judged("restart-hack", "hole-race-direct-read");
    assert_eq!(shortest(&rfc, NoShort), Some(6));
    assert_eq!(shortest(&rfc, NoLostEfault), None);
    for name in ["restart-hack", "base"] {
        let bad = found(name, "hole-direct-read-bad");
        assert_eq!(bad, [(NoLostEfault, 4)], "{name}");
    }
    holds("fault-in-retry", "hole-race-direct-read");
}

#[test]
fn k18_the_flag_of_the_iterator_does_not_stop_a_copy_to_user_memory() {
    let flag_only = judged("iter-flag-only", "hole-race-direct-read");
    assert_eq!(shortest(&flag_only, NoDeadlock), Some(8));
    holds("fault-in-retry", "hole-race-direct-read");
}

// ---- K12, K27, K31: results and their errors ------------------------------------------

#[test]
fn k12_an_offset_for_an_error_is_neither_retried_nor_efault() {
    let good = found("offset-errno", "unaligned-direct-read");
    assert_eq!(good, [(NoSpuriousEfault, 4)]);
    let bad = found("offset-errno", "unaligned-direct-write-bad");
    assert_eq!(bad, [(NoLostEfault, 5), (NoSpuriousEfault, 5)]);
    holds("fault-in-retry", "unaligned-direct-read");
    holds("fault-in-retry", "unaligned-direct-write-bad");
}

#[test]
fn k31_the_error_of_the_fallback_was_dropped() {
    let before = found("fallback-error-dropped", "hole-direct-write-bad");
    assert_eq!(before, [(NoLostEfault, 8)]);
    for name in ["base", "fault-in-retry", "fault-in-retry-bounded"] {
        holds(name, "hole-direct-write-bad");
        holds(name, "hole-direct-write");
    }
}

#[test]
fn k27_a_direct_write_into_a_hole_was_short_when_a_weak_holder_was_lost() {
    let before = found("weak-holders", "hole-direct-write-demanded");
    assert!(before.iter().any(|&(p, _)| p == NoShort), "{before:?}");
    for name in ["fault-in-retry", "fault-in-retry-bounded"] {
        holds(name, "hole-direct-write-demanded");
    }
}

// ---- the designs themselves ------------------------------------------------------------

/// Every line of these designs runs in some scenario of theirs.
#[test]
fn no_line_of_the_steps_is_never_executed() {
    let cells: [(&str, &[&str]); 17] = [
        ("fallback-error-dropped", &["hole-direct-write"]),
        (
            "fast-pages",
            &[
                "bad-second-direct-read",
                "bad-second-direct-write",
                "hole-direct-write",
            ],
        ),
        (
            "offset-errno",
            &[
                "unaligned-direct-read",
                "bad-second-direct-read",
                "bad-second-direct-write",
                "hole-direct-write",
            ],
        ),
        ("hole-eof", &["bad-second-direct-read"]),
        ("iter-flag-only", &["bad-second-direct-read"]),
        (
            "fault-in-gives-up",
            &["io-direct-write", "bad-second-direct-read"],
        ),
        (
            "fault-in-gup",
            &[
                "bad-second-direct-read",
                "bad-second-buffered-read",
                "bad-first-buffered-read",
                "torn-buffered-read-local",
                "own-buffered-read-same-page",
                "resume-buffered-read",
            ],
        ),
        (
            "fault-in-overreports",
            &[
                "bad-second-direct-read",
                "bad-second-buffered-read",
                "bad-first-buffered-read",
                "torn-buffered-read-local",
                "own-buffered-read-same-page",
                "resume-buffered-read",
            ],
        ),
        (
            "whole-chunks",
            &[
                "own-buffered-write-same-page",
                "bad-second-buffered-write",
                "bad-first-buffered-write",
            ],
        ),
        (
            "whole-chunks-limited",
            &[
                "chunk-buffered-write-bad-second",
                "bad-first-buffered-write",
            ],
        ),
        (
            "no-fault-in",
            &["chunk-buffered-write", "own-buffered-write-same-page"],
        ),
        (
            "probe-coarse",
            &[
                "chunk-buffered-write-bad-second",
                "own-buffered-write-same-page",
                "bad-first-buffered-write",
            ],
        ),
        (
            "probe-coarse-resumes",
            &[
                "chunk-buffered-write-bad-second",
                "bad-first-buffered-write",
            ],
        ),
        (
            "probe-exact",
            &[
                "chunk-buffered-write-bad-second",
                "own-buffered-write-same-page",
            ],
        ),
        (
            "range-lock",
            &[
                "bad-first-direct-read",
                "bad-second-direct-read",
                "bad-second-direct-write",
                "resume-direct-read",
                "resume-direct-write",
            ],
        ),
        (
            "range-lock-first-posting",
            &["range-direct-read", "range-direct-read-bad"],
        ),
        (
            "range-lock-retry",
            &[
                "range-direct-read",
                "range-direct-read-bad",
                "range-direct-write",
                "hole-direct-write-bad",
            ],
        ),
    ];
    let mut missing = Vec::new();
    for (name, scenarios) in cells {
        let program = design(name);
        // A line that only calls a helper has no instruction of its own.
        let code = program.code.iter().map(|i| &program.lines[i.line as usize]);
        let own = code.filter(|line| line.source == 0);
        let mut open: BTreeSet<u32> = own.map(|line| line.number).collect();
        for scenario in scenarios {
            let report = judged(name, scenario);
            for (line, executed) in lines(&report.cluster, &report.coverage) {
                if executed && line.design == name {
                    open.remove(&line.line);
                }
            }
        }
        missing.extend(open.into_iter().map(|number| format!("{name}:{number}")));
    }
    assert_eq!(missing, [""; 0]);
}
