//! Every part of the primitive that something depends on, left out in turn: what breaks.
//!
//! A part that can be left out without a failure does no work. Each weakened twin runs
//! under loom in a process of its own, because loom may abort where it finds a deadlock;
//! what loom does not object to is matched against the model.

mod primitive;

use glock_primitives::event::{Event, Log, Residency, waits};
use glock_primitives::{
    AddressSpace, Config, Flags, Join, LockSpace, Loom, Mode, Pte, Runtime, Weakened,
};
use primitive::loom_runs::{Data, explore};
use primitive::shrink::{keep, shrink};
use primitive::shuttle_runs::{self, Chosen, Schedule};
use primitive::{Case, cases, match_all};
use std::fmt::Write;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Something to run under loom.
#[derive(Clone, Copy)]
enum Scene {
    /// A case, with at most so many preemptions.
    Case(&'static Case, usize),
    /// A store through a mapping against a demand, then a load.
    Store,
    /// A load through a mapping against a demand.
    Load,
    /// A hold time ends after its holder has gone.
    Expiry,
    /// A request is withdrawn before one that could be granted.
    Withdrawal,
    /// Readers and writers of mmap_lock.
    Mmap,
}

impl Scene {
    fn name(self) -> &'static str {
        match self {
            Scene::Case(case, _) => case.name,
            Scene::Store => "a store, a demand, a load",
            Scene::Load => "a load, a demand",
            Scene::Expiry => "the end of a hold time",
            Scene::Withdrawal => "SH, EX withdrawn, SH",
            Scene::Mmap => "mmap_lock, a reader and two writers",
        }
    }
}

impl Scene {
    /// How far loom goes.
    fn bound(self) -> String {
        match self {
            Scene::Case(_, n) => format!(", at most {n} preemptions"),
            _ => ", at most 2 preemptions".to_owned(),
        }
    }
}

/// Where a weakened part shows.
fn scene(part: Weakened) -> Scene {
    use Weakened::*;
    match part {
        GrantRelaxed | WaitRelaxed | GrantUnwoken | DequeueSilent | WorkerUnwoken => {
            Scene::Case(&cases::EX_EX, 3)
        }
        PendingTooLong => Scene::Case(&cases::THREE, 2),
        TryUnwoken | NoRescan => Scene::Case(&cases::TRY_DEMAND, 2),
        CallbackSilent | OutOfOrder | DemotedUnderHolders => Scene::Case(&cases::NODES_EX, 2),
        ExpirySilent => Scene::Expiry,
        WithdrawSilent => Scene::Withdrawal,
        XmoteUnlocked => Scene::Case(&cases::MIXED_CLUSTER, 1),
        GrantedPastWaiter => Scene::Case(&cases::SHARED, 2),
        StuckTry => Scene::Case(&cases::TRY_QUEUED, 2),
        TryBehindHead => Scene::Case(&cases::TRY_HEAD, 1),
        PageUnlockSilent | MkwriteBlind => Scene::Case(&cases::READ_DEMANDED, 2),
        InvalidatedUnderLock | StillMapped => Scene::Load,
        NotWrittenBack => Scene::Store,
        MmapReaderSilent | MmapWriterSilent => Scene::Mmap,
        SleptOnce | ReadersPassWriter => unreachable!("looked for elsewhere"),
    }
}

/// Found where a thread may be woken for nothing: loom wakes nobody for nothing, and
/// its mmap_lock cannot tell who came first.
const ELSEWHERE: [Weakened; 2] = [Weakened::SleptOnce, Weakened::ReadersPassWriter];

/// Runs a scene under loom with or without a weakened part. Panics if loom objects.
fn run(scene: Scene, weakened: Option<Weakened>) -> Result<usize, String> {
    static EXECUTION: AtomicUsize = AtomicUsize::new(0);
    static LOG: Mutex<Option<Arc<Log>>> = Mutex::new(None);
    let begins = |log: &Arc<Log>| {
        EXECUTION.fetch_add(1, Ordering::Relaxed);
        *LOG.lock().unwrap() = Some(log.clone());
    };
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let payload = info.payload();
        let text = payload.downcast_ref::<String>().map(String::as_str);
        // loom ends threads that are not needed any more by a panic, too.
        if let Some(text) = text.or(payload.downcast_ref::<&str>().copied())
            && let Ok(log) = LOG.try_lock()
        {
            let events = log.as_ref().map_or_else(Vec::new, |l| l.events());
            println!(
                "FOUND {}",
                found(EXECUTION.load(Ordering::Relaxed), text, &events)
            );
        }
        before(info);
    }));
    let config = move |config: Config| {
        let log = Arc::new(Log::default());
        begins(&log);
        LockSpace::<Loom>::new(Config {
            sink: Some(log),
            weakened,
            ..config
        })
    };
    let check = |body: Box<dyn Fn() + Sync + Send>| {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(2);
        builder.max_branches = 100_000;
        builder.check(body);
    };
    match scene {
        Scene::Case(case, preemptions) => {
            let logs = explore(case, preemptions, weakened, begins);
            let total = logs.total;
            let matched = match_all(case, &logs.in_order(), total);
            return match matched.mismatch {
                None => Ok(total),
                Some(m) => Err(mismatched(&m)),
            };
        }
        Scene::Store => check(Box::new(move || {
            let space = config(Config {
                pages: 1,
                initial: |_, _| Mode::Ex,
                ..Config::local(1, 1)
            });
            let worker = space.start_worker();
            let task = space.task(0, 0);
            let mm = AddressSpace::new(&space, 0);
            let page = mm.map_shared(0, 0);
            let asks = space.clone();
            let other = Loom::spawn(move || _ = asks.demand(0, 0, Mode::Ex));
            mm.store(&task, page, 7).unwrap();
            Join::join(other);
            worker.stop();
            assert_eq!(mm.load(&task, page), Ok(7), "a store is lost");
        })),
        Scene::Load => check(Box::new(move || {
            let space = config(Config {
                pages: 1,
                initial: |_, _| Mode::Ex,
                ..Config::local(1, 1)
            });
            let worker = space.start_worker();
            let task = space.task(0, 0);
            let mm = AddressSpace::new(&space, 0);
            let page = mm.map_shared(0, 0);
            let asks = space.clone();
            let other = Loom::spawn(move || _ = asks.demand(0, 0, Mode::Ex));
            mm.load(&task, page).unwrap();
            Join::join(other);
            worker.stop();
            let gone = space.residency(0, 0, 0) == Residency::Absent;
            assert!(
                !gone || mm.pte(page) == Pte::None,
                "a page that is gone is mapped"
            );
        })),
        Scene::Expiry => check(Box::new(move || {
            let space = config(Config {
                hold_time: true,
                initial: |_, _| Mode::Ex,
                ..Config::local(1, 1)
            });
            let worker = space.start_worker();
            let task = space.task(0, 0);
            let ex = space.enqueue(&task, 0, Mode::Ex, Flags::NONE).unwrap();
            ex.wait().unwrap();
            space.demand(0, 0, Mode::Ex);
            drop(ex);
            space.hold_expires(0, 0);
            worker.stop();
            assert_eq!(space.state(0, 0), Mode::Un, "the demand is forgotten");
        })),
        Scene::Withdrawal => check(Box::new(move || {
            let space = config(Config {
                initial: |_, _| Mode::Ex,
                ..Config::local(1, 3)
            });
            let worker = space.start_worker();
            let task = space.task(0, 0);
            let holder = space.enqueue(&task, 0, Mode::Sh, Flags::NONE).unwrap();
            holder.wait().unwrap();
            let gives_up = space.clone();
            let other = Loom::spawn(move || {
                let task = gives_up.task(1, 0);
                drop(gives_up.enqueue(&task, 0, Mode::Ex, Flags::NONE));
            });
            let behind = space.task(2, 0);
            let behind = space.enqueue(&behind, 0, Mode::Sh, Flags::NONE).unwrap();
            behind.wait().unwrap();
            drop((holder, behind));
            Join::join(other);
            worker.stop();
        })),
        Scene::Mmap => check(Box::new(move || {
            let space = config(Config::local(1, 1));
            let mm = AddressSpace::new(&space, 0);
            let data = Data::new();
            let writers = [0, 1].map(|_| {
                let (mm, data) = (mm.clone(), data.clone());
                Loom::spawn(move || mm.mmap_lock.write(|| data.access(Mode::Ex)))
            });
            mm.mmap_lock.read(|| data.access(Mode::Sh));
            writers.into_iter().for_each(Join::join);
        })),
    }
    Ok(EXECUTION.load(Ordering::Relaxed))
}

/// What loom found, on one line: `;;` stands for a line's end.
fn found(execution: usize, why: &str, events: &[Event]) -> String {
    let why = why.lines().next().unwrap_or_default();
    let why = match () {
        () if why.contains("deadlock") => "loom: nobody can move".to_owned(),
        () if why.contains("ausality violation") => "loom: accesses that race".to_owned(),
        () => format!("test: {why}"),
    };
    let mut text = format!("{why}, execution {execution}");
    for e in events {
        write!(text, ";;{e}").unwrap();
    }
    for line in waits(events).lines() {
        write!(text, ";;= {line}").unwrap();
    }
    text
}

fn mismatched(m: &primitive::Mismatch) -> String {
    let mut text = format!(
        "matcher: no history of the model, execution {}",
        m.execution + 1
    );
    for e in &m.observed {
        write!(text, ";;{e}").unwrap();
    }
    for e in &m.allowed {
        write!(text, ";;= allowed: {e}").unwrap();
    }
    text
}

const PART: &str = "GLOCK_WEAKENED_PART";

#[test]
#[ignore = "one weakened part, for a process of its own"]
fn one_part() {
    let part = std::env::var(PART).expect("the name of a part");
    let is = |w: &&Weakened| format!("{w:?}") == part;
    let part = *Weakened::ALL.iter().find(is).expect("a part");
    match run(scene(part), Some(part)) {
        Ok(n) => println!("FOUND nothing in {n} executions"),
        Err(why) => println!("FOUND {why}"),
    }
}

/// What is found with a part weakened, the first thing first.
fn in_a_process_of_its_own(part: Weakened, test: &str) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env(PART, format!("{part:?}"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let found = text
        .lines()
        .find_map(|l| l.split_once("FOUND ").map(|l| l.1));
    found
        .unwrap_or_else(|| panic!("{part:?}: {text}"))
        .to_owned()
}

#[test]
fn every_part_that_is_left_out_breaks_something() {
    let mut table = String::new();
    let mut idle = Vec::new();
    for &part in Weakened::ALL.iter().filter(|p| !ELSEWHERE.contains(p)) {
        let found = in_a_process_of_its_own(part, "one_part");
        if found.starts_with("nothing") {
            idle.push(part);
        }
        let mut lines = found.split(";;");
        writeln!(table, "{part:?} ({}): {}", part.rule(), part.about()).unwrap();
        writeln!(table, "  in: {}{}", scene(part).name(), scene(part).bound()).unwrap();
        writeln!(table, "  found by {}", lines.next().unwrap()).unwrap();
        for line in lines {
            writeln!(table, "    {line}").unwrap();
        }
    }
    println!("{table}");
    assert!(idle.is_empty(), "nothing depends on {idle:?}");
    insta::assert_snapshot!(table);
}

/// Five bugs for three tools, each where it shows best. A schedule's size is its steps,
/// switches of threads, and those of them that preempt a thread that could have gone on.
const BUGS: [(Weakened, &str); 5] = [
    (Weakened::GrantUnwoken, "a lost wake-up"),
    (Weakened::GrantedPastWaiter, "a grant out of order"),
    (Weakened::NoRescan, "no rescan after GLF_LOCK"),
    (Weakened::StuckTry, "a TRY that stays queued"),
    (Weakened::WaitRelaxed, "an Acquire too few"),
];

const SHUTTLE_EXECUTIONS: usize = 2000;

#[test]
#[ignore = "one bug under shuttle, for a process of its own"]
fn one_bug_under_shuttle() {
    let part = std::env::var(PART).expect("the name of a part");
    let is = |w: &&Weakened| format!("{w:?}") == part;
    let part = *Weakened::ALL.iter().find(is).expect("a part");
    let Scene::Case(case, _) = scene(part) else {
        panic!("not a case")
    };
    let run = |part| shuttle_runs::explore(case, Chosen::Random, 1, SHUTTLE_EXECUTIONS, part);
    let runs = run(Some(part));
    let shuttle = runs.failure.as_ref().map(|f| f.execution + 1);
    let failed = runs.failure.as_ref().map(|f| f.schedule.clone());
    let mut logs: Vec<_> = runs.first.into_iter().map(|(log, n)| (n, log)).collect();
    logs.extend(runs.failure.map(|f| (f.execution, f.events)));
    logs.sort_by_key(|l| l.0);
    let mismatch = match_all(case, &logs, logs.len()).mismatch;
    let matcher = mismatch.map(|m| m.execution + 1);
    let said = |n: Option<usize>| n.map_or("-".to_owned(), |n| n.to_string());
    // The first execution that either of them objects to, and the least of its kind.
    let first = failed
        .or(matcher.map(|n| shuttle_runs::schedule_of(case, Chosen::Random, 1, n - 1, Some(part))));
    let sizes = first.map(|schedule| {
        let shrunk = shrink(case, &schedule, Some(part)).expect("it failed");
        let again = shuttle_runs::replay(case, &shrunk.schedule.to_string(), Some(part));
        assert_eq!(again.schedule, shrunk.schedule, "not exact");
        assert!(again.events.starts_with(&shrunk.events));
        assert!(shrunk.schedule.steps() <= schedule.steps());
        assert!(shrunk.schedule.switches() <= schedule.switches());
        assert!(shrunk.schedule.preemptions() <= schedule.preemptions());
        keep(case, Some(part), &shrunk);
        let size = |s: &Schedule| format!("{}/{}/{}", s.steps(), s.switches(), s.preemptions());
        (size(&schedule), size(&shrunk.schedule))
    });
    let (found, shrunk) = sizes.unwrap_or(("-".to_owned(), "-".to_owned()));
    println!("FOUND {} {} {found} {shrunk}", said(shuttle), said(matcher));
}

#[test]
fn five_bugs_and_who_found_them_after_how_many_executions() {
    let mut table = format!(
        "{:<28}{:>8}{:>10}{:>10}{:>14}{:>14}   in\n",
        "bug", "loom", "shuttle", "matcher", "its schedule", "shrunk"
    );
    for (part, what) in BUGS {
        let loom = in_a_process_of_its_own(part, "one_part");
        let loom = match loom
            .split(";;")
            .next()
            .and_then(|l| l.rsplit_once("execution "))
        {
            Some((by, n)) if by.starts_with("loom") => n.to_owned(),
            _ => "-".to_owned(),
        };
        let found = in_a_process_of_its_own(part, "one_bug_under_shuttle");
        let columns: Vec<&str> = found.split(' ').collect();
        let [shuttle, matcher, schedule, shrunk] = columns[..] else {
            panic!("four columns: {found}")
        };
        assert!(
            [&*loom, shuttle, matcher].iter().any(|n| *n != "-"),
            "{what}"
        );
        let place = scene(part).name();
        writeln!(
            table,
            "{what:<28}{loom:>8}{shuttle:>10}{matcher:>10}{schedule:>14}{shrunk:>14}   {place}"
        )
        .unwrap();
    }
    println!("{table}");
    insta::assert_snapshot!(table);
}

#[test]
fn nothing_breaks_where_nothing_is_left_out() {
    let scenes = [
        Scene::Store,
        Scene::Load,
        Scene::Expiry,
        Scene::Withdrawal,
        Scene::Mmap,
    ];
    for scene in scenes {
        assert!(run(scene, None).unwrap() > 0, "{}", scene.name());
    }
}
