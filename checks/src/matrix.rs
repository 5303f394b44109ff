//! Many cells, explored side by side and handed out in order.

use crate::check::{CheckError, Options, Report, explore, fit};
use crate::progress::Display;
use glock_engine::{Limits, Unfinished};
use glock_model::cluster::Cluster;
use glock_model::program::Program;
use glock_model::scenario::Scenario;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;

/// A design under a scenario, not explored yet.
pub type Cell = Cluster;

/// Cells in the order in which their reports are wanted.
#[derive(Clone, Debug, Default)]
pub struct Matrix {
    cells: Vec<Cell>,
}

impl Matrix {
    /// Every scenario with every design: for each scenario in turn, all designs.
    ///
    /// # Errors
    ///
    /// If a scenario cannot run under a design.
    pub fn by_scenario(designs: &[Program], scenarios: &[Scenario]) -> Result<Matrix, CheckError> {
        let pairs = scenarios
            .iter()
            .flat_map(|scenario| designs.iter().map(move |design| (design, scenario)));
        Matrix::of(pairs)
    }

    /// For each design in turn, all scenarios.
    ///
    /// # Errors
    ///
    /// If a scenario cannot run under a design.
    pub fn by_design(designs: &[Program], scenarios: &[Scenario]) -> Result<Matrix, CheckError> {
        let pairs = designs
            .iter()
            .flat_map(|design| scenarios.iter().map(move |scenario| (design, scenario)));
        Matrix::of(pairs)
    }

    fn of<'a>(
        pairs: impl Iterator<Item = (&'a Program, &'a Scenario)>,
    ) -> Result<Matrix, CheckError> {
        let cells = pairs
            .map(|(design, scenario)| fit(design, scenario))
            .collect::<Result<_, _>>()?;
        Ok(Matrix { cells })
    }

    /// The cells of this matrix and then those of another.
    #[must_use]
    pub fn then(mut self, other: Matrix) -> Matrix {
        self.cells.extend(other.cells);
        self
    }

    /// Number of cells.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether there is nothing to check.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Explores all cells and hands each report to `each`, in the order of the cells, as soon as it
    /// and all before it are there.
    ///
    /// With fewer cells than threads the threads that are left over help with the cells. The limit on
    /// memory is shared out among the cells that run at a time; the other limits are per cell. After
    /// a cancellation the remaining reports come at once, with nothing known.
    ///
    /// # Errors
    ///
    /// The first error of the engine, in the order of the cells.
    pub fn run(self, options: &Options<'_>, each: impl FnMut(Report)) -> Result<(), CheckError> {
        self.run_with(options, &Display::none(), each)
    }

    pub(crate) fn run_with(
        self,
        options: &Options<'_>,
        display: &Display,
        mut each: impl FnMut(Report),
    ) -> Result<(), CheckError> {
        let threads = options.threads.max(1);
        let jobs = threads.min(self.cells.len()).max(1);
        let abandoned = AtomicBool::new(false);
        let options = Options {
            threads: threads / jobs,
            limits: Limits {
                memory_bytes: options.limits.memory_bytes.map(|bytes| bytes / jobs),
                ..options.limits
            },
            ..*options
        };
        let work = Work {
            cells: &self.cells,
            next: AtomicUsize::new(0),
            options,
            abandoned: &abandoned,
            display,
        };
        std::thread::scope(|scope| {
            let (sender, reports) = mpsc::channel();
            for job in 0..jobs {
                let (sender, work) = (sender.clone(), &work);
                scope.spawn(move || work.run(job, &sender));
            }
            drop(sender);
            let result = in_order(reports, |report| display.suspend(|| each(report)));
            abandoned.store(true, Ordering::Relaxed);
            result
        })
    }
}

type Numbered = (usize, Result<Report, CheckError>);

/// Hands the reports out in the order of their numbers.
fn in_order(
    reports: mpsc::Receiver<Numbered>,
    mut each: impl FnMut(Report),
) -> Result<(), CheckError> {
    let mut waiting = BTreeMap::new();
    let mut next = 0;
    for (number, report) in reports {
        waiting.insert(number, report);
        while let Some(report) = waiting.remove(&next) {
            each(report?);
            next += 1;
        }
    }
    Ok(())
}

/// What the threads share.
struct Work<'a> {
    cells: &'a [Cell],
    next: AtomicUsize,
    options: Options<'a>,
    /// Nobody waits for the rest any more.
    abandoned: &'a AtomicBool,
    display: &'a Display,
}

impl Work<'_> {
    fn run(&self, job: usize, sender: &mpsc::Sender<Numbered>) {
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(cell) = self.cells.get(number) else {
                return;
            };
            if self.abandoned.load(Ordering::Relaxed) {
                return;
            }
            let report = self.explore(job, cell.clone());
            if sender.send((number, report)).is_err() {
                return;
            }
        }
    }

    fn explore(&self, job: usize, cell: Cell) -> Result<Report, CheckError> {
        let cancelled = self
            .options
            .cancel
            .is_some_and(|flag| flag.load(Ordering::Relaxed));
        if cancelled {
            return Ok(Report::untouched(
                cell,
                Unfinished::Cancelled,
                &self.options,
            ));
        }
        let listener = self.display.listener(job, &cell);
        let report = explore(cell, &self.options, listener);
        self.display.done();
        report
    }
}
