//! Random walks through a cell that is too large to explore.

use crate::check::{CheckError, Judged, REPORT_EVERY, Report, Verdict, fit};
use crate::checked::Checked;
use crate::history::Walk;
use glock_engine::{
    DEADLOCK, Finding, Stats, StopWhen, Strategy, Unfinished, WalkOutcomeOf, WalkProgress,
    WalkStats,
};
use glock_model::cluster::Cluster;
use glock_model::program::Program;
use glock_model::property::{Kind, Property};
use glock_model::scenario::Scenario;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// How to walk.
#[derive(Clone, Copy, Debug)]
pub struct WalkOptions<'a> {
    /// What the walks are made from.
    pub seed: u64,
    /// How many walks to take. They end earlier once each of `properties` is violated.
    pub walks: u64,
    /// The most steps in a walk.
    pub steps: usize,
    /// How a step is chosen. Whoever may move is a thread of its own: a task, a worker, a channel,
    /// a hold time.
    pub strategy: Strategy,
    /// The most time to walk. Shrinking what was found comes after it.
    pub limit_time: Option<Duration>,
    /// Threads; 0 is taken as 1. They do not change the result.
    pub threads: usize,
    /// Set by somebody to have the walks stop.
    pub cancel: Option<&'a AtomicBool>,
    /// Properties to judge. Those about progress are not judged: a walk comes to its end.
    pub properties: &'a [Property],
}

/// What random walks found out about a cell.
#[derive(Clone, Debug)]
pub struct WalkReport {
    /// Verdicts and coverage as those of a search that was cut short: violated or unknown. The
    /// counts of states are 0, as walks do not know which states they have seen before.
    pub report: Report,
    /// For each property in the order of [`Property::ALL`] where it was found violated.
    pub findings: Vec<Option<Finding>>,
    /// Counts of the walks.
    pub stats: WalkStats,
    /// Why they ended.
    pub unfinished: Unfinished,
}

impl WalkReport {
    /// Where a property was found violated.
    pub fn finding(&self, property: Property) -> Option<Finding> {
        self.findings[property as usize]
    }
}

/// Walks through a scenario under a design.
///
/// # Errors
///
/// [`CheckError`]; reaching a limit is none.
pub fn walk(
    program: &Program,
    scenario: &Scenario,
    options: &WalkOptions<'_>,
) -> Result<WalkReport, CheckError> {
    walk_through(fit(program, scenario)?, options, |_| ())
}

/// [`walk`] with a listener.
pub(crate) fn walk_through(
    cluster: Cluster,
    options: &WalkOptions<'_>,
    progress: impl FnMut(&WalkProgress),
) -> Result<WalkReport, CheckError> {
    let checked = Checked(&cluster);
    let judged = options.properties.iter();
    let judged = judged.filter(|property| property.kind() != Kind::Progress);
    let names: Vec<_> = judged.map(|property| property.name().to_owned()).collect();
    let stop_when = match names.is_empty() {
        true => StopWhen::Exhausted,
        false => StopWhen::AllFound(names),
    };
    let mut walk = glock_engine::Walk::new(&checked)
        .seed(options.seed)
        .walks(options.walks)
        .steps(options.steps)
        .strategy(options.strategy)
        .groups(|&action| cluster.mover(action))
        .threads(options.threads)
        .stop_when(stop_when)
        .progress(REPORT_EVERY, progress);
    if let Some(flag) = options.cancel {
        walk = walk.cancel(flag);
    }
    if let Some(time) = options.limit_time {
        walk = walk.limit_time(time);
    }
    let outcome = walk.run().map_err(|why| CheckError::Engine {
        design: cluster.program().name.clone(),
        scenario: cluster.scenario().name.clone(),
        why,
    })?;
    let (judged, findings) = Property::ALL
        .into_iter()
        .map(|property| match options.properties.contains(&property) {
            true => judge(&outcome, property),
            false => (Verdict::NotAsked, None),
        })
        .zip(Property::ALL)
        .map(|((verdict, finding), property)| (Judged { property, verdict }, finding))
        .unzip();
    let mut coverage = outcome.coverage;
    coverage.add_starts(&cluster);
    Ok(WalkReport {
        findings,
        stats: outcome.stats,
        unfinished: outcome.unfinished,
        report: Report {
            judged,
            stats: Stats::default(),
            unfinished: Some(outcome.unfinished),
            coverage,
            omission: 0.0,
            unsaved: None,
            trouble: None,
            cluster,
        },
    })
}

/// The verdict on a property. Two things are a deadlock, as in a search; the shorter history counts.
fn judge(outcome: &WalkOutcomeOf<Checked<'_>>, property: Property) -> (Verdict, Option<Finding>) {
    let stuck = match property {
        Property::NoDeadlock => outcome.verdict(DEADLOCK),
        _ => None,
    };
    let found = [outcome.verdict(property.name()), stuck]
        .into_iter()
        .flatten()
        .filter_map(|(verdict, finding)| Some((verdict.path()?, finding)))
        .min_by_key(|(path, _)| path.len());
    match found {
        Some((path, finding)) => {
            let history = Box::new(Walk::of(path));
            (Verdict::Violated { history }, finding)
        }
        None => {
            let reason = outcome.unfinished;
            (Verdict::Unknown { reason }, None)
        }
    }
}
