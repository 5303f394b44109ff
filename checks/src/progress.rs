//! How far the searches are, on a terminal; nothing otherwise.

use crate::table::grouped;
use glock_engine::{Progress, WalkProgress};
use glock_model::cluster::Cluster;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// One line per search under way and one for all of them, on stderr.
pub(crate) struct Display {
    lines: MultiProgress,
    total: ProgressBar,
    jobs: Vec<ProgressBar>,
}

impl Display {
    /// Shows nothing.
    pub(crate) fn none() -> Display {
        Display {
            lines: MultiProgress::with_draw_target(ProgressDrawTarget::hidden()),
            total: ProgressBar::hidden(),
            jobs: Vec::new(),
        }
    }

    /// For so many cells and so many at a time. Hidden by indicatif if stderr is no terminal.
    pub(crate) fn new(cells: usize, jobs: usize) -> Display {
        let lines = MultiProgress::new();
        let plain = |template| {
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
        };
        let jobs = (0..jobs)
            .map(|_| lines.add(ProgressBar::new_spinner().with_style(plain("  {wide_msg}"))))
            .collect();
        let total = lines.add(ProgressBar::new(cells as u64));
        total.set_style(plain("  {pos} of {len} cells, {elapsed}"));
        Display { lines, total, jobs }
    }

    /// A listener for a search about to start.
    pub(crate) fn listener(&self, job: usize, cell: &Cluster) -> impl FnMut(&Progress) + use<> {
        let bar = self.jobs.get(job).cloned();
        let name = format!("{} under {}", cell.scenario().name, cell.program().name);
        move |progress| {
            if let Some(bar) = &bar {
                bar.set_message(describe(&name, progress));
            }
        }
    }

    /// A listener for random walks about to start.
    pub(crate) fn walk_listener(&self, cell: &Cluster) -> impl FnMut(&WalkProgress) + use<> {
        let bar = self.jobs.first().cloned();
        let name = format!("{} under {}", cell.scenario().name, cell.program().name);
        move |progress| {
            if let Some(bar) = &bar {
                bar.set_message(format!(
                    "{} walks, {} steps, {} found: {name}",
                    grouped(progress.walks),
                    grouped(progress.steps),
                    progress.found,
                ));
            }
        }
    }

    /// A cell is done.
    pub(crate) fn done(&self) {
        self.total.inc(1);
    }

    /// Runs something that prints.
    pub(crate) fn suspend<R>(&self, print: impl FnOnce() -> R) -> R {
        self.lines.suspend(print)
    }

    /// Takes all lines away.
    pub(crate) fn clear(&self) {
        let _ = self.lines.clear();
    }
}

fn describe(name: &str, progress: &Progress) -> String {
    let seconds = progress.elapsed.as_secs_f64().max(1e-3);
    // The numbers first: a narrow terminal cuts the end.
    let left = match &progress.left {
        Some(left) => format!(
            "perhaps {} to {} left",
            short(*left.start()),
            short(*left.end())
        ),
        None => "growing".to_owned(),
    };
    format!(
        "{} states, {left}, {}/s, depth {}, queue {}: {name}",
        grouped(progress.states),
        grouped((progress.states as f64 / seconds) as usize),
        progress.depth,
        grouped(progress.queue),
    )
}

/// A number of which only the size matters: "850", "12k", "3.4M".
fn short(number: usize) -> String {
    match number as f64 {
        n if n < 1e3 => format!("{n}"),
        n if n < 1e5 => format!("{:.1}k", n / 1e3),
        n if n < 1e6 => format!("{:.0}k", n / 1e3),
        n if n < 1e9 => format!("{:.1}M", n / 1e6),
        n => format!("{:.1}G", n / 1e9),
    }
}
