//! What an uncontended and a contended glock cost next to `RwLock`s.
//!
//! The glock is on a node that owns the mode: nothing is asked of the lock space.

use divan::Bencher;
use glock_primitives::{Config, Flags, LockSpace, Mode, Std};
use std::hint::black_box;
use std::sync::Arc;

fn main() {
    divan::main();
}

/// A local glock of which EX is cached.
fn glock(tasks: u8) -> Arc<LockSpace<Std>> {
    LockSpace::new(Config {
        initial: |_, _| Mode::Ex,
        ..Config::local(1, tasks)
    })
}

fn nq_dq(space: &Arc<LockSpace<Std>>, task: &glock_primitives::Task, mode: Mode) {
    let ticket = space.enqueue(task, 0, mode, Flags::NONE).expect("not held");
    ticket.wait().expect("not poisoned");
    black_box(&ticket);
    ticket.dequeue(task).expect("held");
}

#[divan::bench(args = ["SH", "EX"])]
fn uncontended_glock(bencher: Bencher, mode: &str) {
    let space = glock(1);
    let task = space.task(0, 0);
    let mode = if mode == "SH" { Mode::Sh } else { Mode::Ex };
    bencher.bench_local(|| nq_dq(&space, &task, mode));
}

#[divan::bench(args = ["SH", "EX"])]
fn uncontended_parking_lot(bencher: Bencher, mode: &str) {
    let lock = parking_lot::RwLock::new(());
    match mode {
        "SH" => bencher.bench_local(|| drop(black_box(lock.read()))),
        _ => bencher.bench_local(|| drop(black_box(lock.write()))),
    }
}

#[divan::bench(args = ["SH", "EX"])]
fn uncontended_std(bencher: Bencher, mode: &str) {
    let lock = std::sync::RwLock::new(());
    match mode {
        "SH" => bencher.bench_local(|| drop(black_box(lock.read().expect("not poisoned")))),
        _ => bencher.bench_local(|| drop(black_box(lock.write().expect("not poisoned")))),
    }
}

/// Operations of each thread of the contended mix: every tenth is EX.
const MIX: u32 = 1000;

#[divan::bench(args = [2, 4], sample_count = 20)]
fn contended_glock(bencher: Bencher, threads: u8) {
    bencher.bench_local(|| {
        let space = glock(threads);
        let worker = space.start_worker();
        std::thread::scope(|scope| {
            for id in 0..threads {
                let space = &space;
                scope.spawn(move || {
                    let task = space.task(id, 0);
                    for i in 0..MIX {
                        let mode = if i % 10 == 0 { Mode::Ex } else { Mode::Sh };
                        nq_dq(space, &task, mode);
                    }
                });
            }
        });
        worker.stop();
    });
}

#[divan::bench(args = [2, 4], sample_count = 20)]
fn contended_parking_lot(bencher: Bencher, threads: u8) {
    bencher.bench_local(|| {
        let lock = parking_lot::RwLock::new(());
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    for i in 0..MIX {
                        match i % 10 {
                            0 => drop(black_box(lock.write())),
                            _ => drop(black_box(lock.read())),
                        }
                    }
                });
            }
        });
    });
}

#[divan::bench(args = [2, 4], sample_count = 20)]
fn contended_std(bencher: Bencher, threads: u8) {
    bencher.bench_local(|| {
        let lock = std::sync::RwLock::new(());
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    for i in 0..MIX {
                        match i % 10 {
                            0 => drop(black_box(lock.write().expect("not poisoned"))),
                            _ => drop(black_box(lock.read().expect("not poisoned"))),
                        }
                    }
                });
            }
        });
    });
}
