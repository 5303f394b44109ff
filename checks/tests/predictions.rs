//! What the semantics predict in 9.5 for the designs of the seed, one test a row, and
//! what the model answers. Where the two differ the test says so and why.

mod support;

use glock_model::design::Library;
use glock_model::program::{MayGrant, TryRule};
use glock_model::property::Property;
use glock_model::scenario::{Pte, Scenario};
use support::{design, explored, scenario, shortest, torn, violated, violated_in};

const UPSTREAM: [&str; 2] = ["fault-in-retry", "fault-in-retry-bounded"];

/// The scenario with one PTE alternative left for every page of user memory.
fn with_ptes(name: &str, pte: Pte) -> Scenario {
    let mut scenario = scenario(name);
    for vpage in &mut scenario.vpages {
        assert!(
            vpage.initial.contains(&pte),
            "{name} never starts with {pte:?}"
        );
        vpage.initial = vec![pte];
    }
    scenario
}

// ---- S1: one process, its own file ------------------------------------------------

#[test]
fn s1_base_asks_for_the_glock_it_holds_whenever_it_faults_under_it() {
    for op in [
        "direct-read",
        "direct-write",
        "buffered-read",
        "buffered-write",
    ] {
        for page in ["same-page", "other-page"] {
            assert_eq!(
                violated("base", &format!("own-{op}-{page}")),
                ["no-recursion"]
            );
        }
    }
}

/// T12: with the glock skipped, pages enter the cache under DF.
#[test]
fn s1_the_recursion_check_fills_the_cache_under_df_in_a_direct_write() {
    for name in ["recursion-check", "restart-hack"] {
        for page in ["same-page", "other-page", "private"] {
            assert_eq!(
                violated(name, &format!("own-direct-write-{page}")),
                ["coherence"]
            );
        }
    }
}

#[test]
fn s1_a_read_into_the_own_shared_mapping_still_hits_the_trap_in_page_mkwrite() {
    for name in ["recursion-check", "restart-hack"] {
        for page in ["same-page", "other-page"] {
            let direct = violated(name, &format!("own-direct-read-{page}"));
            assert_eq!(direct, ["no-recursion", "coherence"], "{name} {page}");
            let buffered = violated(name, &format!("own-buffered-read-{page}"));
            assert_eq!(buffered, ["no-recursion"], "{name} {page}");
        }
    }
}

#[test]
fn s1_upstream_is_safe_with_its_own_file_as_buffer() {
    for name in UPSTREAM {
        for op in [
            "direct-read",
            "direct-write",
            "buffered-read",
            "buffered-write",
        ] {
            for page in ["same-page", "other-page", "private", "demanded"] {
                assert!(
                    violated(name, &format!("own-{op}-{page}")).is_empty(),
                    "{name} {op} {page}"
                );
            }
        }
    }
}

// ---- S2, S4: the race on one node --------------------------------------------------

#[test]
fn s2_faults_that_wait_under_the_glock_deadlock_with_and_without_ptes() {
    for name in ["base", "recursion-check"] {
        for pte in [Pte::None, Pte::Ro] {
            let race = with_ptes("race-direct-read", pte);
            assert_eq!(
                violated_in(&design(name), &race),
                ["no-deadlock"],
                "{name} {pte:?}"
            );
        }
    }
}

/// T5: the RFC leaves page_mkwrite as it was.
#[test]
fn s2_the_rfc_deadlocks_only_if_the_pages_are_mapped_read_only_already() {
    let rfc = design("restart-hack");
    let read_only = with_ptes("race-direct-read", Pte::Ro);
    assert_eq!(violated_in(&rfc, &read_only), ["no-deadlock"]);
    assert_eq!(
        shortest(&explored(&rfc, &read_only), Property::NoDeadlock),
        Some(8)
    );
    assert!(violated_in(&rfc, &with_ptes("race-direct-read", Pte::None)).is_empty());
}

#[test]
fn s2_s4_upstream_does_not_deadlock_in_the_race() {
    for name in UPSTREAM {
        for op in [
            "direct-read",
            "direct-write",
            "buffered-read",
            "buffered-write",
        ] {
            assert!(
                violated(name, &format!("race-{op}")).is_empty(),
                "{name} {op}"
            );
        }
    }
}

#[test]
fn s4_crossing_direct_writes_need_no_page_mkwrite_and_the_rfc_survives_them() {
    for name in ["base", "recursion-check"] {
        assert_eq!(violated(name, "race-direct-write"), ["no-deadlock"]);
    }
    assert!(violated("restart-hack", "race-direct-write").is_empty());
}

// ---- S3: TRY that waits --------------------------------------------------------------

/// T1, Q14: with demotes pending on both files a TRY sleeps for as long as the other
/// process holds its glock. The rule of v6.18 closes the hole.
#[test]
fn s3_with_remote_demand_the_rfc_deadlocks_inside_try_until_v6_18() {
    let demanded = with_ptes("race-direct-read-demanded", Pte::None);
    let mut rfc = design("restart-hack");
    assert_eq!(violated_in(&rfc, &demanded), ["no-deadlock"]);
    rfc.kernel.try_rule = TryRule::V618;
    assert!(violated_in(&rfc, &demanded).is_empty());
    // page_mkwrite waits under either rule.
    let writes = scenario("race-direct-write-demanded");
    assert!(violated_in(&rfc, &writes).is_empty());
}

#[test]
fn s3_upstream_takes_remote_demand() {
    for name in UPSTREAM {
        for op in [
            "direct-read",
            "direct-write",
            "buffered-read",
            "buffered-write",
        ] {
            assert!(
                violated(name, &format!("race-{op}-demanded")).is_empty(),
                "{name} {op}"
            );
        }
    }
}

// ---- S5: nobody else, but a cached glock ---------------------------------------------

/// Safe under everybody but those that write through pins; that the RFC never ends
/// here is a matter of progress.
#[test]
fn s5_a_lone_process_is_safe_even_if_the_file_is_cached_elsewhere() {
    for name in ["base", "recursion-check", "restart-hack", "fault-in-retry"] {
        for op in [
            "direct-read",
            "direct-write",
            "buffered-read",
            "buffered-write",
        ] {
            let cell = format!("lone-{op}-idle-remote");
            assert!(violated(name, &cell).is_empty(), "{name} {cell}");
        }
    }
}

// ---- S6, S7: across nodes ---------------------------------------------------------------

#[test]
fn s6_base_deadlocks_across_two_nodes_and_the_lock_space_does_not_see_it() {
    for op in [
        "direct-read",
        "direct-write",
        "buffered-read",
        "buffered-write",
    ] {
        for name in ["base", "recursion-check"] {
            assert_eq!(
                violated(name, &format!("race-{op}-two-nodes")),
                ["no-deadlock"]
            );
        }
    }
}

#[test]
fn s6_the_rfc_does_not_deadlock_across_nodes_in_direct_io() {
    assert!(violated("restart-hack", "race-direct-read-two-nodes").is_empty());
    assert!(violated("restart-hack", "race-direct-write-two-nodes").is_empty());
}

/// K4e across nodes: both faults are granted SH beside SH, then both want EX.
#[test]
fn s6_the_rfc_deadlocks_across_nodes_in_buffered_reads() {
    assert_eq!(
        violated("restart-hack", "race-buffered-read-two-nodes"),
        ["no-deadlock"]
    );
}

#[test]
fn s7_a_ring_of_three_nodes_deadlocks_under_base() {
    assert_eq!(violated("base", "ring-buffered-read"), ["no-deadlock"]);
    assert_eq!(violated("base", "ring-direct-read"), ["no-deadlock"]);
}

/// P14 against P13: while a fourth process goes on, only the cycle of waits tells.
#[test]
fn s7_the_cycle_is_seen_while_a_bystander_still_moves() {
    let report = explored(&design("base"), &scenario("ring-buffered-read-bystander"));
    let steps = shortest(&report, Property::NoDeadlock);
    let alone = explored(&design("base"), &scenario("ring-buffered-read"));
    assert_eq!(
        steps,
        shortest(&alone, Property::NoDeadlock),
        "the bystander adds no step"
    );
}

#[test]
fn s7_upstream_passes_the_ring() {
    assert!(violated("fault-in-retry", "ring-buffered-read").is_empty());
}

// ---- S8, S11: threads of one address space ------------------------------------------------

#[test]
fn s8_threads_that_share_an_address_space_fare_like_processes() {
    for name in ["base", "restart-hack", "fault-in-retry"] {
        for op in [
            "direct-read",
            "direct-write",
            "buffered-read",
            "buffered-write",
        ] {
            assert_eq!(
                violated(name, &format!("threads-{op}")),
                violated(name, &format!("race-{op}")),
                "{name} {op}"
            );
        }
    }
}

/// Not predicted. I21, M8: FOLL_NOFAULT stops the fault and not the lock. A thread
/// asleep in a fault on F1 has mmap_lock, a writer queues behind it, and the direct
/// read that holds F1 waits for mmap_lock in the slow path of get-user-pages. (A
/// kernel whose user-mode faults take only a per-VMA lock, v6.4 on, has no such
/// reader; kernel-mode copies still are.)
#[test]
fn s11_upstream_direct_reads_deadlock_with_a_queued_writer_of_mmap_lock() {
    for name in UPSTREAM {
        for writer in ["munmap", "mprotect"] {
            let cell = format!("mmap-lock-{writer}-direct-read");
            assert_eq!(violated(name, &cell), ["no-deadlock"], "{name} {cell}");
            let cell = format!("mmap-lock-{writer}-buffered-read");
            assert!(violated(name, &cell).is_empty(), "{name} {cell}");
        }
    }
}

/// Not predicted. I6, G5: from v5.16 on mmap()'s SH|ANY waits for a DF holder, with
/// mmap_lock held for writing, while that holder wants mmap_lock.
#[test]
fn s11_mmap_of_a_file_under_direct_read_deadlocks_from_v5_16() {
    let mut upstream = design("fault-in-retry");
    let mut mmap = scenario("mmap-lock-mmap-direct-read");
    // Leave the user-mode fault out: mmap() and the direct read are enough.
    mmap.tasks[0].environment = true;
    assert_eq!(violated_in(&upstream, &mmap), ["no-deadlock"]);
    upstream.kernel.may_grant = MayGrant::V512;
    let report = explored(&upstream, &mmap);
    let steps = shortest(&report, Property::NoDeadlock);
    assert!(
        steps.is_none_or(|s| s > 5),
        "with v5.12's rule ANY joins the holder: {steps:?}"
    );
}

/// Not predicted. G5: once an ANY holder sits under DF, a plain SH request is granted
/// because it equals that holder's mode, and pages are cached under DF.
#[test]
fn s11_an_any_holder_lets_plain_sh_in_under_df_from_v5_16() {
    assert_eq!(
        violated("fault-in-retry", "mmap-lock-mmap-buffered-read"),
        ["coherence"]
    );
    let mut upstream = design("fault-in-retry");
    upstream.kernel.may_grant = MayGrant::V512;
    assert!(violated_in(&upstream, &scenario("mmap-lock-mmap-buffered-read")).is_empty());
}

// ---- S9, S10: faults outside read and write -----------------------------------------------

#[test]
fn s9_the_rfc_kills_programs_that_merely_touch_a_mapping() {
    for access in ["load", "store"] {
        for other in [
            "local-writer",
            "remote-writer",
            "local-direct-writer",
            "idle-remote",
        ] {
            let cell = format!("touch-{access}-{other}");
            assert_eq!(
                violated("restart-hack", &cell),
                ["no-spurious-efault"],
                "{cell}"
            );
            assert!(violated("fault-in-retry", &cell).is_empty(), "{cell}");
            assert!(violated("base", &cell).is_empty(), "{cell}");
        }
    }
}

/// Q15: a second request that comes while a first, compatible one is being promoted.
#[test]
fn s9_a_local_reader_is_enough_to_have_sigbus() {
    assert_eq!(
        violated("restart-hack", "touch-load-local-reader"),
        ["no-spurious-efault"]
    );
}

#[test]
fn s10_the_rfc_fails_other_system_calls_with_efault() {
    for call in ["read", "write"] {
        for other in ["local-writer", "remote-writer"] {
            let cell = format!("pipe-{call}-{other}");
            assert_eq!(
                violated("restart-hack", &cell),
                ["no-spurious-efault"],
                "{cell}"
            );
            assert!(violated("fault-in-retry", &cell).is_empty(), "{cell}");
        }
    }
}

// ---- S12 to S14: bad pages, partial progress, reclaim ---------------------------------------

/// A genuine bad page, without contention: nobody loses or invents an error. (-EFAULT
/// after one page moved is what direct I/O promises before the partial flag, P9d.)
#[test]
fn s12_a_bad_second_page_is_reported_by_every_design() {
    for name in Library::builtin().names() {
        for op in [
            "direct-read",
            "direct-write",
            "buffered-read",
            "buffered-write",
        ] {
            for which in ["first", "second"] {
                assert!(
                    violated(name, &format!("bad-{which}-{op}")).is_empty(),
                    "{name} {op}"
                );
            }
        }
    }
}

/// X1, T9: after a partial transfer the iterator has moved and the file position has
/// not; the restart goes on from both.
#[test]
fn s13_a_restarted_direct_transfer_puts_data_in_the_wrong_place() {
    for cell in ["resume-direct-read", "resume-direct-write"] {
        assert_eq!(
            violated("restart-hack", cell),
            ["no-short", "placement"],
            "{cell}"
        );
        assert!(violated("fault-in-retry", cell).is_empty(), "{cell}");
    }
}

#[test]
fn s13_a_restarted_buffered_transfer_comes_back_short() {
    for cell in ["resume-buffered-read", "resume-buffered-write"] {
        assert_eq!(violated("restart-hack", cell), ["no-short"], "{cell}");
        assert!(violated("fault-in-retry", cell).is_empty(), "{cell}");
    }
}

#[test]
fn s14_prefault_alone_does_not_keep_the_deadlock_away() {
    assert_eq!(
        violated("fault-in-first", "race-direct-read-reclaim"),
        ["no-deadlock"]
    );
    assert_eq!(
        violated("fault-in-first", "race-direct-write-reclaim"),
        ["no-deadlock"]
    );
    for name in UPSTREAM {
        assert!(violated(name, "race-direct-read-reclaim").is_empty());
    }
}

// ---- S16, S18 ------------------------------------------------------------------------------

#[test]
fn s16_upstream_may_tear_a_buffered_read_and_base_does_not() {
    for name in UPSTREAM {
        assert!(torn(name, "torn-buffered-read"), "{name}");
        assert!(
            violated(name, "torn-buffered-read").is_empty(),
            "not demanded"
        );
    }
    assert!(!torn("base", "torn-buffered-read"));
}

/// Predicted: a local EX requester queued on F1 makes SH wait behind SH. It takes one
/// on each file: with one, the process that waits behind it is not waited for.
#[test]
fn s18_sh_waits_behind_sh_if_an_ex_waiter_sits_between_on_both_files() {
    assert!(violated("base", "race-buffered-read-private").is_empty());
    assert!(violated("base", "third-writer-buffered-read-private").is_empty());
    assert_eq!(
        violated("base", "third-writer-buffered-read-private-both"),
        ["no-deadlock"]
    );
    assert!(violated("fault-in-retry", "third-writer-buffered-read-private-both").is_empty());
}

// ---- the variants ----------------------------------------------------------------------------

/// The side channel alone changes no restart; but a mark left behind in journal_info
/// is somebody else's bug.
#[test]
fn journal_info_changes_nothing_but_what_is_left_behind() {
    for cell in [
        "race-direct-read",
        "race-direct-write",
        "resume-direct-read",
        "touch-store-local-writer",
    ] {
        let flag = explored(&design("restart-hack"), &scenario(cell));
        let info = explored(&design("restart-journal-info"), &scenario(cell));
        for property in Property::ALL
            .into_iter()
            .filter(|p| *p != Property::Balanced)
        {
            assert_eq!(
                shortest(&flag, property),
                shortest(&info, property),
                "{cell}"
            );
        }
        assert_eq!(shortest(&flag, Property::Balanced), None, "{cell}");
    }
    assert!(violated("restart-journal-info", "touch-store-local-writer").contains(&"balanced"));
}

/// -EBUSY reaches the file system through get-user-pages, not through a copy.
#[test]
fn an_errno_of_its_own_does_not_reach_the_buffered_paths() {
    assert!(violated("restart-errno", "race-direct-write").is_empty());
    assert_eq!(
        violated("restart-errno", "race-buffered-write"),
        ["no-spurious-efault"]
    );
}

/// M10: a pin keeps the page, not its place in the file.
#[test]
fn pinned_pages_are_lost_to_the_file_when_its_glock_leaves_the_node() {
    for name in ["pin-first", "pin-on-demand"] {
        let found = violated(name, "race-direct-read-two-nodes");
        assert_eq!(found, ["placement", "coherence"], "{name}");
        assert!(violated(name, "race-direct-read").is_empty(), "{name}");
    }
}

/// R10.5, the switch: if references kept pages, pinning first would deadlock.
#[test]
fn pinning_first_deadlocks_iff_page_references_block_demotion() {
    let pin_first = design("pin-first");
    let mut race = scenario("race-direct-read-two-nodes");
    assert!(!violated_in(&pin_first, &race).contains(&"no-deadlock"));
    race.switches.page_refs_block = true;
    assert!(violated_in(&pin_first, &race).contains(&"no-deadlock"));
}

/// M10 for everybody: with get-user-pages and transfer as two steps, the page can
/// leave the file in between under upstream too; or be written back, and then the
/// transfer dirties a page that nobody may write.
#[test]
fn the_window_between_get_user_pages_and_transfer_is_open_in_every_design() {
    let mut race = scenario("lone-direct-read-idle-remote");
    assert!(violated_in(&design("fault-in-retry"), &race).is_empty());
    race.switches.gup_window = true;
    race.events.reclaim = 0;
    race.events.demands.push(glock_model::scenario::Demand {
        node: 0,
        file: 1,
        mode: glock_model::mode::Mode::Ex,
        budget: 1,
    });
    let found = violated_in(&design("fault-in-retry"), &race);
    assert_eq!(found, ["placement", "coherence"]);
}
