//! What the benchmarks share: a clock, an account of memory, and a table.
#![allow(dead_code, unreachable_pub)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt::Display;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use comfy_table::{CellAlignment, Table, presets::ASCII_MARKDOWN};

/// The system's allocator, with an account of what is taken from it. Memory that was asked for and
/// never touched is in it, too.
struct Counted;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static COUNTED: Counted = Counted;

fn taken(bytes: usize) {
    PEAK.fetch_max(NOW.fetch_add(bytes, Relaxed) + bytes, Relaxed);
}

// SAFETY: everything is done by the system's allocator.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        taken(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        taken(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        taken(size);
        NOW.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(at, layout, size) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, layout) }
    }
}

/// What one run took.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    pub time: Duration,
    /// The most memory there was above what there had been before.
    pub bytes: usize,
}

impl Taken {
    pub fn seconds(&self) -> f64 {
        self.time.max(Duration::from_nanos(1)).as_secs_f64()
    }
}

/// Runs something once. What it returns lives until the memory has been counted; to drop it is not
/// part of the time.
pub fn once<R>(run: impl FnOnce() -> R) -> (Taken, R) {
    let before = NOW.load(Relaxed);
    PEAK.store(before, Relaxed);
    let started = Instant::now();
    let result = run();
    let time = started.elapsed();
    let bytes = PEAK.load(Relaxed) - before;
    (Taken { time, bytes }, result)
}

/// The fastest of some runs: again and again until they took two seconds, at most fifty times, so
/// that what is short is not at the mercy of whatever else happens.
pub fn best<R>(mut run: impl FnMut() -> R) -> (Taken, R) {
    let (mut best, mut result) = once(&mut run);
    let mut total = best.time;
    for _ in 1..50 {
        if total > Duration::from_secs(2) {
            break;
        }
        drop(result);
        let (taken, again) = once(&mut run);
        total += taken.time;
        best.time = best.time.min(taken.time);
        best.bytes = best.bytes.min(taken.bytes);
        result = again;
    }
    (best, result)
}

/// Rows under a head, as Markdown, to be kept in the README.
pub struct Rows(Table);

impl Rows {
    /// An empty table with one column for each word.
    pub fn new(head: &[&str]) -> Self {
        let mut table = Table::new();
        table.load_style(ASCII_MARKDOWN).set_header(head);
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        Self(table)
    }

    pub fn add<const N: usize>(&mut self, row: [String; N]) {
        eprintln!("{}", row.join("  "));
        self.0.add_row(row);
    }

    pub fn print(self) {
        println!("\n{}", self.0);
    }
}

/// A whole number with its thousands apart.
pub fn whole(number: impl Display) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(String::from_utf8_lossy)
        .collect();
    groups.join(" ")
}

/// Millions, with two decimals.
pub fn millions(number: f64) -> String {
    format!("{:.2} M", number / 1e6)
}

/// "3.4 x": how many times as much.
pub fn times(ratio: f64) -> String {
    match ratio {
        10.0.. => format!("{ratio:.0} x"),
        _ => format!("{ratio:.2} x"),
    }
}

/// An argument of this name was given.
pub fn asked_for(name: &str) -> bool {
    std::env::args().skip(1).any(|argument| argument == name)
}

/// Prints what the numbers below are about: the machine, the compiler, the day.
pub fn print_machine() {
    let line = |file: &str, key: &str| {
        let text = std::fs::read_to_string(file).ok()?;
        let line = text.lines().find(|line| line.starts_with(key))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let said = |program: &str, option: &str| {
        let output = Command::new(program).arg(option).output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = line("/proc/meminfo", "MemTotal")
        .and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok())
        .map(|kib| format!("{:.0} GiB", kib / 1024.0 / 1024.0));
    let unknown = || "unknown".to_owned();
    println!(
        "{cores} cores of {}, {} of memory, {}, {}",
        line("/proc/cpuinfo", "model name").unwrap_or_else(unknown),
        memory.unwrap_or_else(unknown),
        said("rustc", "--version").unwrap_or_else(unknown),
        said("date", "+%F").unwrap_or_else(unknown),
    );
}
