//! The glock under std threads: what a person who uses it relies on.

use glock_primitives::event::{Log, Residency};
use glock_primitives::{
    AddressSpace, Config, Fault, Flags, Flavour, Kernel, LockSpace, Misuse, Mode, Pte, Refused,
    Std, Task, Ticket, Transfer, UserPage, Weakened,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

type Space = Arc<LockSpace<Std>>;

/// Takes a glock and waits for it.
fn hold<'a>(space: &'a Space, task: &Task, file: u8, mode: Mode) -> Ticket<'a, Std> {
    let ticket = space
        .enqueue(task, file, mode, Flags::NONE)
        .expect("not held yet");
    ticket.wait().expect("granted");
    ticket
}

#[test]
fn anonymous_memory_is_faulted_in_without_a_glock() {
    let space = LockSpace::<Std>::new(Config {
        pages: 1,
        ..Config::local(1, 1)
    });
    // No worker: whoever waited for a change of mode would wait for ever.
    let task = space.task(0, 0);
    let mm = AddressSpace::new(&space, 0);
    let absent = mm.map_anonymous(false);
    let present = mm.map_anonymous(true);
    assert_eq!(
        (mm.pte(absent), mm.pte(present)),
        (Pte::None, Pte::Writable)
    );
    mm.store(&task, absent, 7).unwrap();
    assert_eq!(mm.pte(absent), Pte::Writable);
    assert_eq!(mm.load(&task, absent), Ok(7));
    assert_eq!(mm.load(&task, present), Ok(0));
    assert_eq!(space.state(0, 0), Mode::Un);
}

#[test]
fn increments_under_ex_on_two_nodes_are_all_there() {
    let space = LockSpace::<Std>::new(Config {
        pages: 1,
        ..Config::cluster(2, 1, 4)
    });
    let worker = space.start_worker();
    thread::scope(|scope| {
        for id in 0..4 {
            let space = &space;
            scope.spawn(move || {
                let task = space.task(id, id % 2);
                for _ in 0..200 {
                    let ex = hold(space, &task, 0, Mode::Ex);
                    let n = space.read_page(&ex, &task, 0).unwrap();
                    space.write_page(&ex, &task, 0, n + 1).unwrap();
                    ex.dequeue(&task).unwrap();
                }
            });
        }
    });
    let task = space.task(0, 0);
    let sh = hold(&space, &task, 0, Mode::Sh);
    assert_eq!(space.read_page(&sh, &task, 0), Ok(800));
    drop(sh);
    worker.stop();
}

#[test]
fn stores_through_mappings_on_two_nodes_reach_each_other() {
    let space = LockSpace::<Std>::new(Config {
        pages: 1,
        ..Config::cluster(2, 1, 2)
    });
    let worker = space.start_worker();
    let (here, there) = (space.task(0, 0), space.task(1, 1));
    let (a, b) = (AddressSpace::new(&space, 0), AddressSpace::new(&space, 1));
    let (pa, pb) = (a.map_shared(0, 0), b.map_shared(0, 0));
    for round in 0..50 {
        a.store(&here, pa, round).unwrap();
        assert_eq!(b.load(&there, pb), Ok(round));
        b.store(&there, pb, round + 1000).unwrap();
        assert_eq!(a.load(&here, pa), Ok(round + 1000));
    }
    assert_eq!(a.load(&here, UserPage::Bad), Err(Fault::Bad));
    worker.stop();
}

#[test]
fn a_mode_stays_cached_until_another_node_wants_it() {
    let space = LockSpace::<Std>::new(Config::cluster(2, 1, 2));
    let worker = space.start_worker();
    let (here, there) = (space.task(0, 0), space.task(1, 1));
    hold(&space, &here, 0, Mode::Ex).dequeue(&here).unwrap();
    assert_eq!(space.state(0, 0), Mode::Ex);
    hold(&space, &there, 0, Mode::Sh).dequeue(&there).unwrap();
    assert_eq!((space.state(0, 0), space.state(1, 0)), (Mode::Sh, Mode::Sh));
    worker.stop();
}

#[test]
fn a_failed_try_does_not_move_an_idle_remote_owner_and_try_1cb_does() {
    let space = LockSpace::<Std>::new(Config {
        initial: |node, _| if node == 0 { Mode::Ex } else { Mode::Un },
        ..Config::cluster(2, 1, 2)
    });
    let worker = space.start_worker();
    let there = space.task(1, 1);
    for _ in 0..20 {
        let asked = space.enqueue(&there, 0, Mode::Sh, Flags::TRY).unwrap();
        assert_eq!(asked.wait(), Err(Refused::TryFailed));
    }
    assert_eq!(space.state(0, 0), Mode::Ex);
    let asks = || space.enqueue(&there, 0, Mode::Sh, Flags::TRY_1CB).unwrap();
    assert_eq!(asks().wait(), Err(Refused::TryFailed));
    while asks().wait().is_err() {
        thread::yield_now();
    }
    assert_eq!(space.state(0, 0), Mode::Sh);
    worker.stop();
}

#[test]
fn bad_use_is_an_error_and_changes_nothing() {
    let space = LockSpace::<Std>::new(Config::local(1, 2));
    let worker = space.start_worker();
    let (a, b) = (space.task(0, 0), space.task(1, 0));
    let ex = hold(&space, &a, 0, Mode::Ex);
    let again = space.enqueue(&a, 0, Mode::Sh, Flags::NONE).map(drop);
    assert_eq!(again, Err(Misuse::Recursion));
    assert_eq!(ex.dequeue(&b), Err(Misuse::NotOwner));
    let waits = space.enqueue(&b, 0, Mode::Sh, Flags::NONE).unwrap();
    assert_eq!(waits.poll(), None);
    assert_eq!(waits.dequeue(&b), Err(Misuse::StillWaiting));
    assert_eq!(space.read_page(&waits, &b, 0), Err(Misuse::StillWaiting));
    assert_eq!(space.queued(0, 0), (2, 1));
    assert_eq!(ex.dequeue(&a), Ok(()));
    assert_eq!(ex.dequeue(&a), Err(Misuse::NotQueued));
    assert!(catch_unwind(AssertUnwindSafe(|| ex.wait())).is_err());
    waits.wait().unwrap();
    waits.dequeue(&b).unwrap();
    worker.stop();
}

#[test]
fn a_dropped_ticket_leaves_nothing_behind() {
    let space = LockSpace::<Std>::new(Config::local(1, 3));
    let worker = space.start_worker();
    let [a, b, c] = [0, 1, 2].map(|id| space.task(id, 0));
    let holder = hold(&space, &a, 0, Mode::Sh);
    let waiter = space.enqueue(&b, 0, Mode::Ex, Flags::NONE).unwrap();
    let behind = space.enqueue(&c, 0, Mode::Sh, Flags::NONE).unwrap();
    assert_eq!(behind.poll(), None, "first come first served");
    drop(waiter); // who stood behind it is let in
    behind.wait().unwrap();
    drop(holder);
    drop(behind);
    assert_eq!(space.queued(0, 0), (0, 0));
    worker.stop();
}

#[test]
fn a_panic_under_ex_poisons_the_glock_until_somebody_clears_it() {
    let space = LockSpace::<Std>::new(Config::local(1, 2));
    let worker = space.start_worker();
    let (a, b) = (space.task(0, 0), space.task(1, 0));
    let silent = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let _ex = hold(&space, &a, 0, Mode::Ex);
        panic!("half way");
    }));
    std::panic::set_hook(silent);
    assert!(panic.is_err());
    assert_eq!(space.queued(0, 0), (0, 0), "the holder is gone");
    let refused = space.enqueue(&b, 0, Mode::Sh, Flags::NONE).unwrap();
    assert_eq!(refused.wait(), Err(Refused::Poisoned));
    assert_eq!(space.queued(0, 0), (0, 0));
    space.clear_poison(0, 0);
    hold(&space, &b, 0, Mode::Sh).dequeue(&b).unwrap();
    worker.stop();
}

#[test]
fn a_callback_waits_for_the_hold_time_only_while_the_glock_is_in_use() {
    let space = LockSpace::<Std>::new(Config {
        hold_time: true,
        initial: |_, _| Mode::Ex,
        ..Config::local(1, 1)
    });
    let task = space.task(0, 0);
    let ex = hold(&space, &task, 0, Mode::Ex);
    space.demand(0, 0, Mode::Ex);
    drop(ex);
    space.work_off();
    assert_eq!(space.state(0, 0), Mode::Ex, "put off");
    assert!(space.hold_expires(0, 0));
    space.work_off();
    assert_eq!(space.state(0, 0), Mode::Un);
    assert!(!space.hold_expires(0, 0));
    hold(&space, &task, 0, Mode::Ex).dequeue(&task).unwrap();
    space.demand(0, 0, Mode::Sh);
    space.work_off();
    assert_eq!(space.state(0, 0), Mode::Sh, "nobody uses it: at once");
}

#[test]
fn a_weak_holder_may_be_gone_when_its_task_looks() {
    let space = LockSpace::<Std>::new(Config {
        kernel: Kernel::V60,
        initial: |_, _| Mode::Ex,
        ..Config::local(1, 2)
    });
    let (a, b) = (space.task(0, 0), space.task(1, 0));
    let weak = hold(&space, &a, 0, Mode::Df);
    assert!(weak.allow_demote());
    let other = hold(&space, &b, 0, Mode::Sh);
    assert!(!weak.disallow_demote());
    assert_eq!(weak.dequeue(&a), Err(Misuse::NotQueued));
    drop(other);
    assert_eq!(space.queued(0, 0), (0, 0));
}

#[test]
fn a_demotion_drops_the_pages_and_whoever_maps_them_faults_again() {
    let space = LockSpace::<Std>::new(Config {
        pages: 1,
        initial: |_, _| Mode::Ex,
        ..Config::local(1, 1)
    });
    let task = space.task(0, 0);
    let mm = AddressSpace::new(&space, 0);
    let page = mm.map_shared(0, 0);
    mm.store(&task, page, 7).unwrap();
    assert_eq!(mm.pte(page), Pte::Writable);
    assert_eq!(space.residency(0, 0, 0), Residency::Dirty);
    space.demand(0, 0, Mode::Sh);
    space.work_off();
    assert_eq!(space.residency(0, 0, 0), Residency::Clean);
    assert_eq!(mm.pte(page), Pte::None, "it was writable: R5 unmaps");
    space.demand(0, 0, Mode::Ex);
    space.work_off();
    assert_eq!(space.residency(0, 0, 0), Residency::Absent);
    assert_eq!(mm.load(&task, page), Ok(7));
    assert_eq!(mm.pte(page), Pte::ReadOnly);
}

#[test]
fn a_bad_address_is_told_from_a_refusal_in_every_flavour() {
    for flavour in Flavour::ALL {
        let space = LockSpace::<Std>::new(Config {
            pages: 2,
            initial: |_, _| Mode::Ex,
            ..Config::local(2, 1)
        });
        let worker = space.start_worker();
        let task = space.task(0, 0);
        let mm = AddressSpace::new(&space, 0);
        let buffer = [mm.map_shared(1, 0), UserPage::Bad];
        let mut transfer = Transfer::new(&space, &mm, &task, 0, &buffer, flavour);
        let report = transfer
            .run(Mode::Df, || (), |file, user| *user = file)
            .unwrap();
        // The error wins over progress, except with IOMAP_DIO_PARTIAL (X1, I13).
        let expected = match flavour {
            Flavour::FaultInRetry => Ok(1),
            _ => Err(glock_primitives::event::Errno::Efault),
        };
        assert_eq!(report.result, Some(expected), "{flavour:?}");
        assert_eq!(report.moved, 1, "{flavour:?}: progress is reported");
        worker.stop();
    }
}

#[test]
fn the_rfc_gives_up_only_if_it_is_told_to_when_an_idle_node_caches_the_file() {
    let initial = |node, file| match (node, file) {
        (1, 1) => Mode::Ex,
        _ => Mode::Un,
    };
    for (flavour, ends) in [
        (Flavour::Base, true),
        (Flavour::SideChannel, false),
        (Flavour::Errno, false),
        (Flavour::FaultInRetry, true),
    ] {
        let space = LockSpace::<Std>::new(Config {
            pages: 1,
            initial,
            ..Config::cluster(2, 2, 1)
        });
        let worker = space.start_worker();
        let task = space.task(0, 0);
        let mm = AddressSpace::new(&space, 0);
        let buffer = [mm.map_shared(1, 0)];
        let mut transfer = Transfer::new(&space, &mm, &task, 0, &buffer, flavour);
        transfer.rounds = Some(20);
        let report = transfer
            .run(Mode::Df, || (), |file, user| *user = file)
            .unwrap();
        assert_eq!(report.result.is_some(), ends, "{flavour:?}: {report:?}");
        if !ends {
            assert_eq!((report.rounds, report.refused), (20, 20), "{flavour:?}");
        }
        worker.stop();
    }
}

/// The order in which a writer and a reader get mmap_lock that came while it was taken
/// for reading.
fn order_at_mmap_lock(weakened: Option<Weakened>) -> Vec<&'static str> {
    let space = LockSpace::<Std>::new(Config {
        weakened,
        ..Config::local(1, 1)
    });
    let mm = AddressSpace::new(&space, 0);
    let order = std::sync::Mutex::new(Vec::new());
    thread::scope(|scope| {
        mm.mmap_lock.read(|| {
            scope.spawn(|| mm.mmap_lock.write(|| order.lock().unwrap().push("writer")));
            thread::sleep(Duration::from_millis(100));
            scope.spawn(|| mm.mmap_lock.read(|| order.lock().unwrap().push("reader")));
            thread::sleep(Duration::from_millis(100));
        });
    });
    order.into_inner().unwrap()
}

#[test]
fn a_writer_that_waits_for_mmap_lock_keeps_new_readers_out() {
    assert_eq!(order_at_mmap_lock(None), ["writer", "reader"]);
    let passes = order_at_mmap_lock(Some(Weakened::ReadersPassWriter));
    assert_eq!(passes, ["reader", "writer"], "what keeps them out");
}

#[test]
fn the_log_reads_like_the_kernel() {
    let log = Arc::new(Log::default());
    let space = LockSpace::<Std>::new(Config {
        sink: Some(log.clone()),
        ..Config::local(1, 2)
    });
    let (a, b) = (space.task(0, 0), space.task(1, 0));
    let ex = hold(&space, &a, 0, Mode::Ex);
    let sh = space.enqueue(&b, 0, Mode::Sh, Flags::NONE).unwrap();
    let tried = space.enqueue(&b, 0, Mode::Df, Flags::TRY).map(drop);
    assert_eq!(tried, Err(Misuse::Recursion));
    ex.dequeue(&a).unwrap();
    space.work_off();
    sh.wait().unwrap();
    drop(sh);
    let text: String = log.events().iter().map(|e| format!("{e}\n")).collect();
    insta::assert_snapshot!(text, @r"
    task 0: gfs2_glock_nq(n0 f0, EX) waits
    work: n0 f0, grants task 0
    task 0: wakes up, holds n0 f0
    task 1: gfs2_glock_nq(n0 f0, SH) waits
    task 1: gfs2_glock_nq(n0 f0, DF|TRY) recursion
    task 0: gfs2_glock_dq(n0 f0, EX)
    work: n0 f0, grants task 1
    task 1: wakes up, holds n0 f0
    task 1: gfs2_glock_dq(n0 f0, SH)
    ");
}
