//! Histories as people read them.

mod support;

use glock_model::property::Property;
use glock_traces::{COMMIT_WIDTH, DesignLines, Outline, Style, describe_state};
use insta::assert_snapshot;
use support::{every_start, first_start, shortest};

fn report(scenario: &str, design: &str, property: Property) -> String {
    let cluster = first_start(scenario, design);
    let history = shortest(&cluster, property).expect("the property is violated");
    Style::default().report(&history, property)
}

#[test]
fn two_readers_deadlock_on_one_node() {
    assert_snapshot!(report("race-direct-read", "base", Property::NoDeadlock));
}

#[test]
fn two_readers_deadlock_across_the_lock_space() {
    let name = "race-direct-read-two-nodes";
    assert_snapshot!(report(name, "base", Property::NoDeadlock));
}

#[test]
fn three_readers_deadlock_in_a_ring() {
    assert_snapshot!(report("ring-direct-read", "base", Property::NoDeadlock));
}

#[test]
fn a_buffered_write_faults_between_its_hooks() {
    assert_snapshot!(report("race-buffered-write", "base", Property::NoDeadlock));
}

#[test]
fn a_read_into_its_own_file_recurses() {
    let name = "own-direct-read-same-page";
    assert_snapshot!(report(name, "base", Property::NoRecursion));
}

#[test]
fn a_store_is_killed_by_sigbus() {
    let name = "touch-store-local-writer";
    assert_snapshot!(report(name, "restart-hack", Property::NoSpuriousEfault));
}

#[test]
fn a_store_is_killed_though_nobody_else_runs() {
    let name = "touch-store-idle-remote";
    let cluster = every_start(name, "restart-hack");
    let history = shortest(&cluster, Property::NoSpuriousEfault).expect("a refusal");
    assert_snapshot!(Style::default().report(&history, Property::NoSpuriousEfault));
}

#[test]
fn a_restart_after_progress_misplaces_a_page() {
    let cluster = every_start("resume-direct-read", "restart-hack");
    let history = shortest(&cluster, Property::Placement).expect("pages in the wrong place");
    assert_snapshot!(Style::default().report(&history, Property::Placement));
}

#[test]
fn page_mkwrite_deadlocks_although_fault_tries() {
    let cluster = every_start("race-direct-read", "restart-hack");
    let history = shortest(&cluster, Property::NoDeadlock).expect("a deadlock");
    assert_snapshot!(Style::default().report(&history, Property::NoDeadlock));
}

#[test]
fn a_commit_message_names_the_lines_of_the_design() {
    let style = Style {
        width: COMMIT_WIDTH,
        design_lines: DesignLines::Shown,
    };
    let cluster = first_start("race-direct-read", "base");
    let history = shortest(&cluster, Property::NoDeadlock).expect("a deadlock");
    assert_snapshot!(style.report(&history, Property::NoDeadlock));
}

#[test]
fn a_state_reads_like_a_glock_dump() {
    let cluster = first_start("race-direct-read-two-nodes", "base");
    let history = shortest(&cluster, Property::NoDeadlock).expect("a deadlock");
    assert_snapshot!(describe_state(&cluster, history.last()));
}

#[test]
fn an_outline_reads_back() {
    let cluster = first_start("own-direct-read-same-page", "base");
    let history = shortest(&cluster, Property::NoRecursion).expect("a recursion");
    let outline = Outline::new(&history, Some(Property::NoRecursion));
    let json = serde_json::to_string_pretty(&outline).expect("an outline is plain data");
    assert_eq!(serde_json::from_str::<Outline>(&json).ok(), Some(outline));
    assert_snapshot!(json);
}
