//! One cell: a design under a scenario, explored.

use crate::checked::Checked;
use crate::coverage::{Coverage, SourceLine, lines};
use crate::history::Walk;
use glock_engine::{DEADLOCK, Limits, OutcomeOf, Progress, Search, Stats, Unfinished};
use glock_model::cluster::{Cluster, Unfit};
use glock_model::program::Program;
use glock_model::property::{Kind, Property};
use glock_model::scenario::{Scenario, Switches};
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// What is known of a property in a cell.
///
/// `Holds` is a claim about every reachable state and is made only after each of them was looked at.
/// A search that ended early leaves `Unknown`, except for what it had already found violated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No reachable state violates it.
    Holds {
        /// How many states that is.
        states: usize,
    },
    /// Some reachable state does.
    Violated {
        /// A shortest way there.
        history: Box<Walk>,
    },
    /// Not decided.
    Unknown {
        /// Why.
        reason: Unfinished,
    },
}

impl Verdict {
    /// The counterexample, if there is one.
    pub fn history(&self) -> Option<&Walk> {
        match self {
            Verdict::Violated { history } => Some(history),
            _ => None,
        }
    }

    /// Its name, for machines.
    pub const fn name(&self) -> &'static str {
        match self {
            Verdict::Holds { .. } => "holds",
            Verdict::Violated { .. } => "violated",
            Verdict::Unknown { .. } => "unknown",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Holds { .. } => f.write_str("holds"),
            Verdict::Violated { history } if history.len() == 1 => {
                f.write_str("VIOLATED in 1 step")
            }
            Verdict::Violated { history } => write!(f, "VIOLATED in {} steps", history.len()),
            Verdict::Unknown { reason } => write!(f, "unknown: {reason}"),
        }
    }
}

/// A property with its verdict.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The property.
    pub property: Property,
    /// What is known of it.
    pub verdict: Verdict,
}

impl Judged {
    /// Does the verdict count? `atomic-read` is reported without being demanded.
    pub const fn demanded(&self) -> bool {
        matches!(self.property.kind(), Kind::Safety)
    }
}

/// How to check.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// When to give up.
    pub limits: Limits,
    /// Threads of the search; 0 is taken as 1.
    pub threads: usize,
    /// Set by somebody to have the search stop.
    pub cancel: Option<&'a AtomicBool>,
}

/// How often a search reports its progress.
const REPORT_EVERY: Duration = Duration::from_millis(100);

/// Why a cell cannot be checked.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// Scenario and design do not go together.
    #[error("scenario {scenario} cannot run under design {design}: {why}")]
    Unfit {
        /// The design's name.
        design: String,
        /// The scenario's name.
        scenario: String,
        /// What is missing.
        why: Unfit,
    },
    /// The engine failed; this is a fault of the tool or of the machine.
    #[error("the search of {scenario} under {design} failed: {why}")]
    Engine {
        /// The design's name.
        design: String,
        /// The scenario's name.
        scenario: String,
        /// What it said.
        why: glock_engine::Error,
    },
}

/// What was found out about a cell.
#[derive(Clone, Debug)]
pub struct Report {
    /// The design under the scenario.
    pub cluster: Cluster,
    /// All properties in the order of [`Property::ALL`].
    pub judged: Vec<Judged>,
    /// Counts of the search.
    pub stats: Stats,
    /// Why not every reachable state was looked at; `None` if it was.
    pub unfinished: Option<Unfinished>,
    /// What was executed and what occurred.
    pub coverage: Coverage,
}

impl Report {
    /// The design's name.
    pub fn design(&self) -> &str {
        &self.cluster.program().name
    }

    /// The scenario's name.
    pub fn scenario(&self) -> &str {
        &self.cluster.scenario().name
    }

    /// The verdict on a property.
    pub fn verdict(&self, property: Property) -> &Verdict {
        &self.judged[property as usize].verdict
    }

    /// The lines of the design that were never executed although this scenario's operations could
    /// get there.
    pub fn never_executed(&self) -> Vec<SourceLine> {
        lines(&self.cluster, &self.coverage)
            .into_iter()
            .filter(|(_, executed)| !executed)
            .map(|(line, _)| line)
            .collect()
    }

    /// The scenario's switches that are not as they are by default, as "name on" or "name off".
    pub fn switches(&self) -> Vec<String> {
        let (now, usual) = (&self.cluster.scenario().switches, Switches::default());
        [
            (
                "page_refs_block",
                now.page_refs_block,
                usual.page_refs_block,
            ),
            ("gup_window", now.gup_window, usual.gup_window),
            ("fault_retry", now.fault_retry, usual.fault_retry),
            ("fusion", now.fusion, usual.fusion),
        ]
        .into_iter()
        .filter(|(_, now, usual)| now != usual)
        .map(|(name, now, _)| format!("{name} {}", if now { "on" } else { "off" }))
        .collect()
    }

    /// A cell nobody has looked at.
    pub(crate) fn untouched(cluster: Cluster, reason: Unfinished) -> Report {
        let judged = Property::ALL
            .into_iter()
            .map(|property| Judged {
                property,
                verdict: Verdict::Unknown { reason },
            })
            .collect();
        Report {
            cluster,
            judged,
            stats: Stats::default(),
            unfinished: Some(reason),
            coverage: Coverage::default(),
        }
    }
}

/// Explores all states of a scenario under a design.
///
/// # Errors
///
/// [`CheckError`]; reaching a limit is none.
pub fn check(
    program: &Program,
    scenario: &Scenario,
    options: &Options<'_>,
) -> Result<Report, CheckError> {
    explore(fit(program, scenario)?, options, |_| ())
}

/// Puts a scenario under a design.
pub(crate) fn fit(program: &Program, scenario: &Scenario) -> Result<Cluster, CheckError> {
    Cluster::new(scenario.clone(), program.clone()).map_err(|why| CheckError::Unfit {
        design: program.name.clone(),
        scenario: scenario.name.clone(),
        why,
    })
}

/// [`check`] with a listener, called every tenth of a second.
pub(crate) fn explore(
    cluster: Cluster,
    options: &Options<'_>,
    progress: impl FnMut(&Progress),
) -> Result<Report, CheckError> {
    let checked = Checked(&cluster);
    let mut search = Search::new(&checked)
        .limits(options.limits)
        .threads(options.threads)
        .progress(REPORT_EVERY, progress);
    if let Some(flag) = options.cancel {
        search = search.cancel(flag);
    }
    let outcome = search.run().map_err(|why| CheckError::Engine {
        design: cluster.program().name.clone(),
        scenario: cluster.scenario().name.clone(),
        why,
    })?;
    let judged = Property::ALL
        .into_iter()
        .map(|property| Judged {
            property,
            verdict: judge(&outcome, property),
        })
        .collect();
    let mut coverage = outcome.coverage;
    coverage.add_starts(&cluster);
    Ok(Report {
        judged,
        stats: outcome.stats,
        unfinished: outcome.unfinished,
        coverage,
        cluster,
    })
}

/// The engine's verdict on a property. Two things are a deadlock: a cycle of waits, which the model
/// sees, and a state in which nobody can move, which the engine sees; the shorter history counts.
fn judge(outcome: &OutcomeOf<Checked<'_>>, property: Property) -> Verdict {
    let own = outcome.verdict(property.name());
    let stuck = match property {
        Property::NoDeadlock => outcome.verdict(DEADLOCK),
        _ => None,
    };
    let shortest = [own, stuck]
        .into_iter()
        .flatten()
        .filter_map(glock_engine::Verdict::path)
        .min_by_key(|path| path.len());
    match (shortest, outcome.unfinished) {
        (Some(path), _) => Verdict::Violated {
            history: Box::new(Walk::of(path)),
        },
        (None, Some(reason)) => Verdict::Unknown { reason },
        (None, None) => Verdict::Holds {
            states: outcome.stats.states,
        },
    }
}
