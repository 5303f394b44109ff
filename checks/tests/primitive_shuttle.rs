//! Larger cases of the primitive under random schedules: every execution is a history
//! of the model, and what fails can be run again from one string.
//!
//! A binary of its own: shuttle's panic hook and loom's do not go together.

mod primitive;

use glock_primitives::Weakened;
use glock_primitives::event::{Actor, Event, Op, Outcome, refusals, waiting};
use primitive::shrink::{Kind, Shrunk, directory, keep, kept, shrink};
use primitive::shuttle_runs::{Chosen, Schedule, explore, replay, schedule_of, threads_of};
use primitive::{Case, Judged, cases, ends_there, judging_by, match_all};
use std::collections::{BTreeMap, HashMap};

/// How often each case runs under each scheduler.
fn executions(case: &Case) -> usize {
    match LARGE.iter().find(|l| l.0.name == case.name) {
        Some(large) => large.1,
        None => 1150,
    }
}

/// The cases with many threads, and how often they run under each scheduler: matching them
/// takes longer.
static LARGE: [(&Case, usize); 4] = [
    (&cases::OCTET, 2000),
    (&cases::SIX_AND_DEMAND, 1000),
    (&cases::SIX_READERS, 50),
    (&cases::FOUR_READERS, 10),
];

fn is_large(case: &Case) -> bool {
    LARGE.iter().any(|l| l.0.name == case.name)
}

/// Ends in a deadlock or at a recursion, by design.
fn stops(case: &Case) -> bool {
    [
        &cases::RACE_BASE,
        &cases::RACE_NODES_BASE,
        &cases::RECURSION,
    ]
    .iter()
    .any(|c| c.name == case.name)
}

/// A failing schedule made smaller, and kept in a file.
fn shrunk(case: &'static Case, schedule: &Schedule, part: Option<Weakened>) -> Shrunk {
    let shrunk = shrink(case, schedule, part).expect("a schedule that fails");
    let file = keep(case, part, &shrunk);
    println!("{}:\n{shrunk}kept in {}", case.name, file.display());
    // It is exact, and what it is compared with was no better.
    let again = replay(case, &shrunk.schedule.to_string(), part);
    assert_eq!(again.schedule, shrunk.schedule);
    assert!(again.events.starts_with(&shrunk.events));
    assert!(shrunk.schedule.steps() <= shrunk.original.steps());
    assert!(shrunk.schedule.switches() <= shrunk.original.switches());
    assert!(shrunk.schedule.preemptions() <= shrunk.original.preemptions());
    let text = std::fs::read_to_string(file).expect("just written");
    let (name, weak, schedule) = kept(&text).expect("as it was written");
    assert_eq!((name.name, weak), (case.name, part));
    assert_eq!(threads_of(&schedule), Some(shrunk.schedule.threads()));
    shrunk
}

/// `GLOCK_SCHEDULE=<a kept file> cargo test -p glock --test primitive_shuttle
/// replay_a_kept_schedule -- --ignored --nocapture`
#[test]
#[ignore = "replays the file in GLOCK_SCHEDULE, by hand"]
fn replay_a_kept_schedule() {
    let hint = format!("GLOCK_SCHEDULE names no file of {}", directory().display());
    let file = std::env::var("GLOCK_SCHEDULE").expect(&hint);
    let text = std::fs::read_to_string(file).expect(&hint);
    let (case, part, schedule) = kept(&text).expect("a file as these tests write it");
    let once = replay(case, &schedule, part);
    once.events.iter().for_each(|e| println!("{e}"));
    print!("{}", glock_primitives::event::waits(&once.events));
    println!("{}", once.why.as_deref().unwrap_or("the execution ends"));
}

/// Runs cases and matches every execution; how many there were.
fn all_are_histories(cases: &[&'static Case]) -> usize {
    let (mut executions, mut different, mut events, mut seconds) = (0, 0, 0, 0.0);
    for case in cases {
        for (seed, chosen) in (1..).zip(Chosen::ALL) {
            let runs = explore(case, chosen, seed, self::executions(case), None);
            if let Some(f) = &runs.failure {
                let shrunk = shrunk(case, &f.schedule, None);
                panic!("{} {chosen:?}: {}\n{}{shrunk}", case.name, f.why, f.waits);
            }
            assert_eq!(
                runs.total,
                self::executions(case),
                "{}: cut short",
                case.name
            );
            let matched = runs.matched(case);
            if let Some(m) = matched.mismatch {
                let schedule = schedule_of(case, chosen, seed, m.execution, None);
                let shrunk = shrunk(case, &schedule, None);
                panic!("{} {chosen:?}: {m}{shrunk}", case.name);
            }
            executions += matched.executions;
            different += matched.different;
            events += matched.events;
            seconds += matched.seconds;
        }
    }
    let threads = cases.iter().map(|c| c.threads());
    println!(
        "{} cases of {} to {} threads: {executions} executions, {different} different logs, \
         {events} events matched in {seconds:.2} s",
        cases.len(),
        threads.clone().min().unwrap_or(0),
        threads.max().unwrap_or(0)
    );
    executions
}

#[test]
fn every_execution_of_up_to_five_threads_is_a_history_of_the_model() {
    let small = |c: &&&'static Case| !stops(c) && !is_large(c);
    let small: Vec<_> = cases::ALL.iter().filter(small).copied().collect();
    let executions = all_are_histories(&small);
    assert!(executions >= 100_000, "{executions}");
}

#[test]
fn every_execution_of_five_to_eight_threads_is_a_history_of_the_model() {
    assert_eq!(LARGE.iter().map(|l| l.0.threads()).max(), Some(8));
    LARGE.iter().for_each(|l| _ = all_are_histories(&[l.0]));
}

/// What is accepted by the fused model is accepted by the whole one: real logs, and logs
/// with an event left out or two swapped.
#[test]
fn the_fused_model_has_no_history_that_the_whole_one_lacks() {
    let (mut both, mut whole_only, mut neither) = (0, 0, 0);
    for case in cases::ALL.iter().filter(|c| !stops(c) && !is_large(c)) {
        let runs = explore(case, Chosen::Random, 4, 40, None);
        let mut logs: Vec<Vec<_>> = runs.first.into_keys().collect();
        for (i, log) in logs
            .clone()
            .into_iter()
            .enumerate()
            .filter(|l| !l.1.is_empty())
        {
            let mut shorter = log.clone();
            shorter.remove(i % log.len());
            let mut swapped = log.clone();
            swapped.swap(i % log.len(), (i + 1) % log.len());
            logs.extend([shorter, swapped]);
        }
        judging_by(case, &case.fused(), |fused| {
            judging_by(case, &case.cluster(), |whole| {
                for log in &logs {
                    match (fused(log), whole(log)) {
                        (Judged::Fits, Judged::Fits) => both += 1,
                        (Judged::Not { .. }, Judged::Fits) => whole_only += 1,
                        (Judged::Not { .. }, Judged::Not { .. }) => neither += 1,
                        (Judged::Fits, Judged::Not { .. }) => {
                            panic!("{}: {log:?}", case.name)
                        }
                    }
                }
            });
        });
    }
    println!("{both} by both, {whole_only} only by the whole model, {neither} by neither");
    assert!(both > 0 && neither > 0);
}

/// Deadlocks that are looked for under each scheduler.
const DEADLOCKS: u64 = 150;

#[test]
fn where_base_deadlocks_the_model_does_too() {
    for case in [&cases::RACE_BASE, &cases::RACE_NODES_BASE] {
        let mut dead: BTreeMap<String, Vec<Event>> = BTreeMap::new();
        let mut ended: HashMap<Vec<Event>, usize> = HashMap::new();
        for chosen in Chosen::ALL {
            for seed in 0..DEADLOCKS {
                let runs = explore(case, chosen, seed, 10_000, None);
                let failure = runs.failure.expect("the race deadlocks");
                assert!(failure.why.contains("deadlock"), "{}", failure.why);
                assert_eq!(waiting(&failure.events), [0, 1], "{}", failure.waits);
                dead.insert(format!("{:?}", failure.events), failure.events);
                ended.extend(runs.first);
            }
        }
        println!(
            "{}: {} different deadlocks, {} different logs that end",
            case.name,
            dead.len(),
            ended.len()
        );
        ends_there(case, dead.values().map(|log| &log[..])).unwrap();
        // What ended before was a history as well, and no deadlock.
        let ended: Vec<_> = ended.into_iter().map(|(log, n)| (n, log)).collect();
        let matched = match_all(case, &ended, ended.len());
        assert!(matched.mismatch.is_none(), "{}", matched.mismatch.unwrap());
        for (_, log) in &ended {
            assert!(waiting(log).is_empty());
        }
        // The question is one that can be answered with no.
        let early = &dead.values().next().expect("one")[..1];
        assert!(ends_there(case, [early]).is_err());
    }
}

#[test]
fn where_a_recursion_is_refused_the_model_has_its_bug() {
    let case = &cases::RECURSION;
    let mut trapped: BTreeMap<String, Vec<Event>> = BTreeMap::new();
    for (seed, chosen) in (1..).zip(Chosen::ALL) {
        let runs = explore(case, chosen, seed, 500, None);
        assert!(runs.failure.is_none() && runs.total == 500);
        for log in runs.first.into_keys() {
            let refused = |e: &Event| matches!(e.op, Op::Enqueue { outcome, .. } if outcome == Outcome::Recursion);
            // The kernel stops there; here the task gives up and the other goes on.
            let at = log.iter().position(refused).expect("its own file");
            assert_eq!(log[at].actor, Actor::Task(0));
            trapped.insert(format!("{:?}", &log[..=at]), log[..=at].to_vec());
        }
    }
    println!("{} different ways to the BUG", trapped.len());
    ends_there(case, trapped.values().map(|log| &log[..])).unwrap();
}

#[test]
fn the_rfc_starts_over_for_ever_beside_an_idle_owner_whatever_the_schedule() {
    let case = &cases::IDLE_FLAG;
    for (seed, chosen) in (1..).zip(Chosen::ALL) {
        let runs = explore(case, chosen, seed, 200, None);
        assert!(runs.failure.is_none() && runs.total == 200);
        for log in runs.first.keys() {
            let returned = log.iter().any(|e| matches!(e.op, Op::Return { .. }));
            assert!(!returned, "{chosen:?}: it got through");
            assert_eq!(
                refusals(log),
                "task 0 was refused glock n0 f1 (SH|TRY) 25 times in a row; \
                 on its node nobody held it\n"
            );
        }
    }
}

#[test]
fn the_deadlock_of_base_is_found_and_runs_again_from_its_schedule() {
    for case in [&cases::RACE_BASE, &cases::RACE_NODES_BASE] {
        let runs = explore(case, Chosen::Random, 1, 10_000, None);
        let failure = runs.failure.expect("the race deadlocks");
        println!("{}: {}\n{}", case.name, failure.why, failure.waits);
        println!("schedule: {}", failure.schedule);
        assert!(failure.why.contains("deadlock"), "{}", failure.why);
        for part in [
            "task 0 waits for glock",
            "task 1 waits for glock",
            "held",
            "deadlock: task",
        ] {
            assert!(failure.waits.contains(part), "{part}:\n{}", failure.waits);
        }
        let again = replay(case, &failure.schedule.to_string(), None);
        assert_eq!(again.events, failure.events);
        let shrunk = shrunk(case, &failure.schedule, None);
        assert_eq!(shrunk.kind, Kind::Deadlock);
        // Neither can get there before both have their first glock.
        assert!(shrunk.schedule.preemptions() <= 2, "{shrunk}");
    }
}

#[test]
fn a_sleeper_that_does_not_look_again_is_woken_for_another_request() {
    let case = &cases::TURNS;
    let part = Some(Weakened::SleptOnce);
    let runs = explore(case, Chosen::Random, 1, 5_000, part);
    // Two holders of EX may also leave a request nobody looks at any more.
    let mut logs: Vec<_> = runs.first.into_iter().map(|(log, n)| (n, log)).collect();
    logs.extend(runs.failure.map(|f| (f.execution, f.events)));
    logs.sort_by_key(|l| l.0);
    let found = primitive::match_all(case, &logs, logs.len()).mismatch;
    let found = found.expect("a wake-up for nothing");
    println!("{found}");
    let woken = found.observed.last().expect("not empty").op;
    assert_eq!(woken, Op::Wake { granted: true });
    // Shuttle notices nothing, so the smallest schedule is one for the matcher.
    let schedule = schedule_of(case, Chosen::Random, 1, found.execution, part);
    let shrunk = shrunk(case, &schedule, part);
    assert!(
        matches!(shrunk.kind, Kind::NoHistory(_)),
        "{:?}",
        shrunk.kind
    );
    assert_eq!(shrunk.events.last().expect("not empty").op, woken);
}
