//! `glock conform`: recordings of real kernels.

use super::{STOP, Status, load_from, print};
use crate::catalog::Catalog;
use crate::conform::ftrace::Trace;
use crate::conform::observe::{Recording, observe};
use crate::conform::report::report;
use crate::conform::setup::{Setup, TooLarge};
use crate::conform::verdict::{Conformance, FRONTIER, Verdict, conform};
use crate::conform::{design_names, designs};
use crate::mistake::Mistake;
use crate::output::Output;
use clap::Args;
use glock_model::program::Program;
use glock_model::scenario::Scenario;
use miette::IntoDiagnostic;
use std::path::{Path, PathBuf};

/// Longest log that is read, in bytes.
const MAX_LOG: u64 = 1 << 30;

/// See [`super::Command::Conform`].
#[derive(Debug, Args)]
pub(super) struct ConformArgs {
    /// The design: a name, or the path of a .design file
    #[arg(long, short, value_name = "DESIGN", required_unless_present = "all")]
    design: Option<String>,
    /// Compare with every design, and list them: accepted first, then by how far they follow
    #[arg(long, conflicts_with = "design")]
    all: bool,
    /// The scenario, a name or the path of a .toml file, instead of what the markers say: its
    /// tasks and files have the names of the recording
    #[arg(long, short, value_name = "SCENARIO")]
    scenario: Option<String>,
    /// Give up when more states than this fit at a time
    #[arg(long, value_name = "N", default_value_t = FRONTIER)]
    limit_states: usize,
    /// The recording: one log for each node
    #[arg(value_name = "TRACE", required = true)]
    traces: Vec<PathBuf>,
}

pub(super) fn run(catalog: &Catalog, args: &ConformArgs) -> miette::Result<Status> {
    let mut texts = Vec::new();
    let mut traces = Vec::new();
    for path in &args.traces {
        let text = read(path)?;
        traces.push((path.display().to_string(), Trace::read(&text)));
        texts.push(text);
    }
    let recording = observe(&traces).into_diagnostic()?;
    let scenario = match &args.scenario {
        Some(name) => Some(catalog.scenario(name)?),
        None => None,
    };
    match &args.design {
        Some(name) => {
            let program = load_from(&designs(), name)?;
            let found = follow(&recording, scenario.as_ref(), &program, args.limit_states);
            let found = found.into_diagnostic()?;
            print(&report(&recording, &found, &texts))?;
            Ok(status(found.verdict))
        }
        None => rank(&recording, scenario.as_ref(), args.limit_states),
    }
}

fn read(path: &Path) -> miette::Result<String> {
    let fail = |what: String| Mistake::new(format!("{}: {what}", path.display()));
    let length = std::fs::metadata(path).map_err(|error| fail(error.to_string()))?;
    if length.len() > MAX_LOG {
        return Err(fail("a log of more than 1 GiB is not read".to_owned()).into());
    }
    let bytes = std::fs::read(path).map_err(|error| fail(error.to_string()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn follow(
    recording: &Recording,
    scenario: Option<&Scenario>,
    program: &Program,
    frontier: usize,
) -> Result<Conformance, TooLarge> {
    let setup = match scenario {
        Some(scenario) => Setup::of_scenario(recording, scenario, program)?,
        None => Setup::new(recording, program)?,
    };
    conform(recording, program, setup, frontier)
}

fn status(verdict: Verdict) -> Status {
    match verdict {
        Verdict::Accepted => Status::Good,
        Verdict::Rejected | Verdict::RejectedAtEnd => Status::Violated,
        Verdict::Incomplete | Verdict::Unknown(_) => Status::Unknown,
    }
}

/// Which designs this may be a recording of.
fn rank(
    recording: &Recording,
    scenario: Option<&Scenario>,
    frontier: usize,
) -> miette::Result<Status> {
    let library = designs();
    let mut found = Vec::new();
    let mut unfit = Vec::new();
    for name in design_names() {
        let program = load_from(&library, &name)?;
        match follow(recording, scenario, &program, frontier) {
            Ok(conformance) => found.push(conformance),
            Err(TooLarge::Design(error)) => unfit.push((name, error)),
            Err(error) => return Err(error).into_diagnostic(),
        }
    }
    let order = |verdict| match verdict {
        Verdict::Accepted => 0,
        Verdict::Incomplete | Verdict::Unknown(_) => 1,
        Verdict::RejectedAtEnd => 2,
        Verdict::Rejected => 3,
    };
    found.sort_by_key(|c| (order(c.verdict), std::cmp::Reverse(c.matched.0)));
    let mut output = Output::stdout(&STOP);
    for c in &found {
        let what = match c.verdict {
            Verdict::Accepted => "accepted".to_owned(),
            Verdict::Incomplete => "unknown: fits as far as the recording is whole".to_owned(),
            Verdict::Unknown(why) => format!("unknown: {why}"),
            Verdict::RejectedAtEnd => "rejected at the end".to_owned(),
            Verdict::Rejected => {
                let lines = c.at.iter().flatten();
                let lines: Vec<String> = lines.map(|seen| seen.line.to_string()).collect();
                format!("rejected at line {}", lines.join(" and "))
            }
        };
        let (matched, all) = c.matched;
        output.say(&format!("{:30} {matched:5}/{all} {what}\n", c.design));
    }
    for (name, error) in &unfit {
        output.say(&format!("{name:30} does not fit: {error}\n"));
    }
    output.finish()?;
    let best = found.iter().map(|c| c.verdict).min_by_key(|v| order(*v));
    Ok(best.map_or(Status::Violated, status))
}
