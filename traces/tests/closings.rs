//! What is said at the end of a history, for every property: each is violated by a
//! design with one mistake.

mod support;

use glock_model::cluster::Cluster;
use glock_model::design::{self, compile};
use glock_model::program::Source;
use glock_model::property::Property;
use glock_model::scenario::{Pte, Scenario};
use glock_traces::{Style, closing};
use insta::assert_snapshot;
use support::{every_start, scenario, shortest};

/// What is wrong with `base` if these lines replace its own.
fn report(lines: &str, scenario_name: &str, property: Property) -> String {
    report_in(lines, scenario(scenario_name), property)
}

fn report_in(lines: &str, scenario: Scenario, property: Property) -> String {
    let source = Source {
        design: "mistaken".to_string(),
        file: "mistaken.design".to_string(),
        text: format!("design mistaken\n  extends base\n  \"One mistake.\"\n\n{lines}"),
    };
    let compiled = compile(&source, &design::Library::builtin()).expect("correct text");
    let cluster = Cluster::new(scenario, compiled.program).expect("they fit");
    let history = shortest(&cluster, property).expect("the property is violated");
    Style::default().report(&history, property)
}

#[test]
fn placement_names_the_pages() {
    let restarts_without_counting = "\
direct_write(file, iter):
restart:
        gfs2_glock_nq file DF
        iter.nofault = 1
        ret = iomap_dio_rw file iter
        iter.nofault = 0
        gfs2_glock_dq file
        if ret != -EFAULT return ret
        left = fault_in_iov_iter_readable iter 1
        if left return -EFAULT
        goto restart
";
    assert_snapshot!(report(
        restarts_without_counting,
        "resume-direct-write",
        Property::Placement
    ));
}

/// The report of a built-in design that is wrong.
fn report_of(design: &str, scenario_name: &str, property: Property) -> String {
    let compiled = design::Library::builtin().load(design).expect("built in");
    let cluster = Cluster::new(scenario(scenario_name), compiled.program).expect("they fit");
    let history = shortest(&cluster, property).expect("the property is violated");
    Style::default().report(&history, property)
}

#[test]
fn an_append_over_the_data_of_others_says_so() {
    assert_snapshot!(report_of(
        "append-size-refreshed",
        "append-direct-write-one-page",
        Property::Placement
    ));
}

#[test]
fn an_append_in_two_pieces_says_where_they_are() {
    assert_snapshot!(report_of(
        "append-positioned-again",
        "append-buffered-write",
        Property::Placement
    ));
}

#[test]
fn a_count_that_is_too_large_names_the_missing_page() {
    let promises_too_much = "\
direct_read(file, iter):
        gfs2_glock_nq file DF
        iter.nofault = 1
        ret = iomap_dio_rw file iter partial
        iter.nofault = 0
        gfs2_glock_dq file
        if iter.count return 2
        return ret
";
    assert_snapshot!(report(
        promises_too_much,
        "resume-direct-read",
        Property::Placement
    ));
}

#[test]
fn a_lost_efault_names_the_bad_page() {
    let swallows_the_error = "\
direct_read(file, iter):
        gfs2_glock_nq file DF
        ret = iomap_dio_rw file iter
        gfs2_glock_dq file
        if ret == -EFAULT return 0
        return ret
";
    assert_snapshot!(report(
        swallows_the_error,
        "bad-first-direct-read",
        Property::NoLostEfault
    ));
}

#[test]
fn a_short_count_says_of_how_many() {
    let gives_up_after_progress = "\
direct_read(file, iter):
        gfs2_glock_nq file DF
        iter.nofault = 1
        ret = iomap_dio_rw file iter partial
        iter.nofault = 0
        gfs2_glock_dq file
        if ret == 1 return ret
        return 2
";
    assert_snapshot!(report(
        gives_up_after_progress,
        "resume-direct-read",
        Property::NoShort
    ));
}

#[test]
fn coherence_names_the_page_and_the_mode() {
    let faults_without_the_glock = "\
fault(file):
        ret = filemap_fault file
        return ret
";
    assert_snapshot!(report(
        faults_without_the_glock,
        "touch-load-remote-writer",
        Property::Coherence
    ));
}

#[test]
fn a_stale_mapping_names_the_page() {
    let writes_without_the_glock = "\
direct_read(file, iter):
        ret = iomap_dio_rw file iter
        return ret
";
    assert_snapshot!(report(
        writes_without_the_glock,
        "bad-second-direct-read",
        Property::Mapping
    ));
}

#[test]
fn what_is_left_behind_is_named() {
    let leaves_a_mark = "\
journal_info flag mark

direct_read(file, iter):
        gfs2_glock_nq file DF
        ret = iomap_dio_rw file iter
        if ret == -EFAULT mark = 1
        gfs2_glock_dq file
        if mark return ret
        return ret
";
    assert_snapshot!(report(
        leaves_a_mark,
        "bad-first-direct-read",
        Property::Balanced
    ));
}

#[test]
fn a_writer_of_mmap_lock_is_part_of_the_cycle() {
    let cluster = every_start("mmap-lock-mmap-direct-read", "base");
    let history = shortest(&cluster, Property::NoDeadlock).expect("a deadlock");
    let style = Style::default();
    assert_snapshot!(style.report(&history, Property::NoDeadlock));
}

#[test]
fn a_torn_read_names_the_file() {
    let cluster = every_start("torn-buffered-read", "fault-in-retry");
    let history = shortest(&cluster, Property::AtomicRead).expect("it was given up on purpose");
    let style = Style::default();
    assert_snapshot!(style.report(&history, Property::AtomicRead));
}

#[test]
fn a_property_that_holds_needs_no_words() {
    let cluster = every_start("race-direct-read", "base");
    let history = shortest(&cluster, Property::NoDeadlock).expect("a deadlock");
    for property in Property::SAFETY {
        let text = closing(&history, property, Style::default());
        assert_eq!(text.is_empty(), property != Property::NoDeadlock);
    }
}

/// What fault-in misjudges (I11): the page is there, and the access fails all the same.
#[test]
fn a_page_that_is_there_and_of_no_use_is_not_called_unmapped() {
    let copies_without_faults = "\
buffered_read(file, iter):
        gfs2_glock_nq file SH
        pagefault_disable
        ret = generic_file_read_iter file iter
        pagefault_enable
        gfs2_glock_dq file
        return ret
";
    let looks_at_the_tables = "\
direct_write(file, iter):
        left = fault_in_iov_iter_readable iter iter.count
        if left return -EFAULT
        gfs2_glock_nq file DF
        ret = iomap_dio_rw file iter fast
        gfs2_glock_dq file
        return ret
";
    let as_it_is = "\
mmap(file):
        return 0
";
    for (lines, scenario, said) in [
        (
            copies_without_faults,
            "unmarked-buffered-read",
            "anon is not mapped, no fault",
        ),
        (
            looks_at_the_tables,
            "zero-page-direct-write",
            "zero page has a special entry, no fault",
        ),
        (as_it_is, "io-direct-read", "device is refused"),
    ] {
        let text = report(lines, scenario, Property::NoSpuriousEfault);
        assert!(text.contains(said), "{text}");
    }
    let mut unmarked = scenario("unmarked-buffered-read");
    unmarked.vpages[0].initial = vec![Pte::Ro];
    let text = report_in(copies_without_faults, unmarked, Property::NoSpuriousEfault);
    assert!(
        text.contains("anon is not marked dirty, no fault"),
        "{text}"
    );
    assert!(
        text.contains("Initially: F1 EX, anon not marked dirty."),
        "{text}"
    );
}
