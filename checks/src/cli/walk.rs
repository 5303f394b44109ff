//! `glock walk`.

use super::{STOP, Status, complain, cores, load, once_each, word};
use crate::catalog::Catalog;
use crate::check::{Report, Verdict, count, fit};
use crate::history::Walk;
use crate::json::{Histories, LineDocument, PropertyDocument, pretty};
use crate::limits;
use crate::mistake::Mistake;
use crate::output::Output;
use crate::progress::Display;
use crate::records::{self, Place};
use crate::table::{Columns, fold, grouped};
use crate::text;
use crate::walks::{WalkOptions, WalkReport, walk_through};
use clap::{Args, ValueEnum};
use glock_engine::{Finding, Strategy};
use glock_model::property::{Kind, Property};
use glock_traces::Search;
use miette::{IntoDiagnostic, WrapErr};
use serde::Serialize;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Args)]
pub(super) struct WalkArgs {
    /// The design: a name, or the path of a .design file
    #[arg(long, short, value_name = "DESIGN")]
    design: String,
    /// The scenario: a name, or the path of a .toml file
    #[arg(long, short, value_name = "SCENARIO")]
    scenario: String,
    /// A property; none of those about progress [default: all others]
    #[arg(long, short, value_name = "PROPERTY")]
    property: Vec<String>,
    /// What the walks are made from
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How many walks to take, unless each property is found violated before
    #[arg(long, value_name = "N", default_value_t = 10_000,
          value_parser = clap::value_parser!(u64).range(1..))]
    walks: u64,
    /// The most steps in a walk
    #[arg(long, value_name = "N", default_value_t = 10_000,
          value_parser = clap::value_parser!(u32).range(1..))]
    steps: u32,
    /// How a step is chosen
    #[arg(long, value_name = "STRATEGY", default_value = "priority")]
    strategy: StrategyName,
    /// How often a priority changes in a walk [default: 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(..=100))]
    changes: Option<u8>,
    /// Walk no longer than so long, such as 60s; shrinking comes after it
    #[arg(long, visible_alias = "time", value_name = "TIME", value_parser = limits::time)]
    limit_time: Option<Duration>,
    /// Threads [default: as many as there are cores]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    /// Write a record of every counterexample to this folder, or of the only one that can be to a
    /// file that ends in .json; `glock show` shows it
    #[arg(long, value_name = "PATH")]
    record: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// Write the report to a file, whole or not at all
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum StrategyName {
    /// Each possible step is equally likely
    Uniform,
    /// Tasks, workers and channels have random priorities, which change now and then
    Priority,
}

/// Changes of priorities, unless the user says otherwise.
const CHANGES: u8 = 3;

impl WalkArgs {
    fn strategy(&self) -> Result<Strategy, Mistake> {
        match (self.strategy, self.changes) {
            (StrategyName::Uniform, None) => Ok(Strategy::Uniform),
            (StrategyName::Uniform, Some(_)) => Err(Mistake::new(
                "uniform walks have no priorities that could change",
            )
            .help("leave --changes out, or walk with --strategy priority")),
            (StrategyName::Priority, changes) => Ok(Strategy::Priority {
                changes: usize::from(changes.unwrap_or(CHANGES)),
            }),
        }
    }

    fn properties(&self, catalog: &Catalog) -> miette::Result<Vec<Property>> {
        let properties = once_each(&self.property, |name| catalog.property(name))?;
        match properties.iter().find(|p| p.kind() == Kind::Progress) {
            Some(property) => Err(Mistake::new(format!(
                "random walks cannot judge {}: it is about everything that may follow, and a \
                 walk goes one way",
                property.name()
            ))
            .help(format!(
                "judge it with `glock check -d {} -s {} -p {}`",
                self.design,
                self.scenario,
                property.name()
            ))
            .into()),
            None if properties.is_empty() => Ok(Property::SAFETY.to_vec()),
            None => Ok(properties),
        }
    }

    /// The command that gives the same report.
    fn again(&self, strategy: Strategy) -> String {
        let Self {
            design,
            scenario,
            seed,
            walks,
            steps,
            ..
        } = self;
        let (design, scenario) = (word(design), word(scenario));
        let mut command = format!("glock walk -d {design} -s {scenario}");
        for property in &self.property {
            command += &format!(" -p {property}");
        }
        command += &format!(" --seed {seed} --walks {walks} --steps {steps}");
        command += &match strategy {
            Strategy::Uniform => " --strategy uniform".to_owned(),
            Strategy::Priority { changes } => format!(" --strategy priority --changes {changes}"),
        };
        command
    }
}

pub(super) fn walk(catalog: &Catalog, args: &WalkArgs) -> miette::Result<Status> {
    let strategy = args.strategy()?;
    let properties = args.properties(catalog)?;
    let (design, scenario) = (
        load(catalog, &args.design)?,
        catalog.scenario(&args.scenario)?,
    );
    let cluster = fit(&design, &scenario).into_diagnostic()?;
    let place = args
        .record
        .as_deref()
        .map(|path| Place::of(path, properties.len()));
    let place = place.transpose()?;
    if let Some(place) = &place {
        place.prepare()?;
    }
    let mut output = match &args.out {
        Some(path) => Output::file(path, &STOP)?,
        None => Output::stdout(&STOP),
    };
    let options = WalkOptions {
        seed: args.seed,
        walks: args.walks,
        steps: args.steps as usize,
        strategy,
        limit_time: args.limit_time,
        threads: args.threads.map_or_else(cores, usize::from),
        cancel: Some(&STOP),
        properties: &properties,
    };
    let display = match std::io::stderr().is_terminal() {
        true => Display::new(1, 1),
        false => Display::none(),
    };
    let listener = display.walk_listener(&cluster);
    let result = walk_through(cluster, &options, listener);
    display.clear();
    let walked = result.into_diagnostic().wrap_err("the walks failed")?;
    let told = Told {
        walked: &walked,
        options: &options,
        again: args.again(strategy),
    };
    match args.json {
        true => output.say(&pretty(&told.document())),
        false => told.tell(&mut output),
    }
    if let Some(place) = &place {
        told.record(place)?;
    }
    output.finish()?;
    Ok(told.status())
}

/// A report and what it answers.
struct Told<'a> {
    walked: &'a WalkReport,
    options: &'a WalkOptions<'a>,
    again: String,
}

impl Told<'_> {
    /// Never good: what is not found may be there.
    fn status(&self) -> Status {
        let judged = &self.walked.report.judged;
        let counts = |judged: &crate::check::Judged| {
            judged.demanded() && matches!(judged.verdict, Verdict::Violated { .. })
        };
        match judged.iter().any(counts) {
            true => Status::Violated,
            false => Status::Unknown,
        }
    }

    fn tell(&self, output: &mut Output<'_>) {
        output.say(&self.summary(Columns::new(output.colours())));
        let report = &self.walked.report;
        for &property in self.options.properties {
            if let Some(walk) = report.verdict(property).history() {
                output.say(&text::story(report, property, walk));
            }
        }
    }

    /// Writes the records of what was found.
    fn record(&self, place: &Place) -> miette::Result<()> {
        let stats = &self.walked.stats;
        for &property in self.options.properties {
            let shortest = self.walked.finding(property).is_some_and(|f| f.shortest);
            let search = |_: &Report, _: &Walk| Search {
                how: "random walks".to_owned(),
                exhaustive: false,
                shortest,
                states: None,
                transitions: stats.steps,
                depth: stats.longest as u64,
                milliseconds: Some(stats.elapsed.as_millis() as u64),
            };
            let command = Some(self.again.clone());
            if let Some(record) = records::record(&self.walked.report, property, search, command) {
                let path = place.write(&record, &STOP)?;
                complain(&format!("recorded in {}", path.display()));
            }
        }
        Ok(())
    }

    /// Everything but the histories.
    fn summary(&self, columns: Columns) -> String {
        let report = &self.walked.report;
        let mut out = format!("{} under {}\n", report.scenario(), report.design());
        fold(&mut out, "  ", &text::bounds(report));
        fold(&mut out, "  ", &self.plan());
        fold(&mut out, "  ", &self.counts());
        let why = self.walked.unfinished;
        fold(
            &mut out,
            "  ",
            &format!("NOT EVERY STATE WAS LOOKED AT: {why}"),
        );
        out += &text::switches(report);
        fold(&mut out, "  ", &format!("again: {}", self.again));
        out.push('\n');
        out += &text::verdicts(report, self.options.properties, columns);
        out.push('\n');
        for &property in self.options.properties {
            out += &self.origin(property);
        }
        out += &text::occurred(report);
        out += &text::unexecuted(std::slice::from_ref(report));
        out
    }

    fn plan(&self) -> String {
        let how = match self.options.strategy {
            Strategy::Uniform => "uniform".to_owned(),
            Strategy::Priority { changes } => format!("by priority, {}", count(changes, "change")),
        };
        format!(
            "random walks: {how}, seed {}, up to {} of up to {} steps each",
            self.options.seed,
            grouped(self.options.walks),
            grouped(self.options.steps),
        )
    }

    fn counts(&self) -> String {
        let stats = &self.walked.stats;
        let mut parts = vec![
            format!("{} walks taken", grouped(stats.walks)),
            format!("{} steps", grouped(stats.steps)),
            format!("the longest {}", grouped(stats.longest)),
        ];
        let ends = [
            (stats.finished, "finished"),
            (stats.deadlocked, "ended where nobody can move"),
            (stats.stopped, "ended in a kernel BUG"),
            (stats.at_limit, "ended at the limit on steps"),
        ];
        let ends = ends.iter().filter(|(walks, _)| *walks > 0);
        parts.extend(ends.map(|(walks, what)| format!("{} {what}", grouped(*walks))));
        parts.join(", ")
    }

    /// Where a violation comes from; nothing if there is none.
    fn origin(&self, property: Property) -> String {
        let mut out = String::new();
        let history = self.walked.report.verdict(property).history();
        if let (Some(finding), Some(history)) = (self.walked.finding(property), history) {
            let text = format!(
                "found by walk {} in {}, shrunk to {}; {}",
                grouped(finding.walk + 1),
                count(finding.steps, "step"),
                history.len(),
                match finding.shortest {
                    true => "no history is shorter",
                    false => "that is short, and there may be a shorter one",
                }
            );
            fold(&mut out, &format!("{}: ", property.name()), &text);
        }
        out
    }

    fn document(&self) -> WalkDocument {
        let WalkReport { report, stats, .. } = self.walked;
        let (strategy, changes) = match self.options.strategy {
            Strategy::Uniform => ("uniform", None),
            Strategy::Priority { changes } => ("priority", Some(changes)),
        };
        let property = |&property: &Property| WalkedDocument {
            origin: self.walked.finding(property).map(OriginDocument::from),
            judged: PropertyDocument::new(
                report,
                &report.judged[property as usize],
                Histories::Shown,
            ),
        };
        WalkDocument {
            format: "glock-walk",
            version: VERSION,
            verdict: match self.status() {
                Status::Violated => "violated",
                _ => "unknown",
            },
            design: report.design().to_owned(),
            scenario: report.scenario().to_owned(),
            switches: report.switches(),
            seed: self.options.seed,
            strategy,
            changes,
            command: self.again.clone(),
            ended: self.walked.unfinished.to_string(),
            walks: stats.walks,
            steps: stats.steps,
            longest: stats.longest,
            finished: stats.finished,
            stuck: stats.deadlocked,
            down: stats.stopped,
            at_limit: stats.at_limit,
            seconds: stats.elapsed.as_secs_f64(),
            seconds_shrinking: stats.elapsed_shrinking.as_secs_f64(),
            properties: self.options.properties.iter().map(property).collect(),
            occurred: report.coverage.occurrences().map(|o| o.name()).collect(),
            never_executed: report
                .never_executed()
                .into_iter()
                .map(LineDocument::from)
                .collect(),
        }
    }
}

/// Raised when a field changes its meaning or goes away.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct WalkDocument {
    format: &'static str,
    version: u32,
    /// "violated" or "unknown", of all that is demanded.
    verdict: &'static str,
    design: String,
    scenario: String,
    /// Switches that are not as they are by default.
    switches: Vec<String>,
    seed: u64,
    strategy: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<usize>,
    /// Gives the same result.
    command: String,
    /// Why the walks ended.
    ended: String,
    walks: u64,
    /// In all walks.
    steps: u64,
    /// Steps of the longest walk.
    longest: usize,
    /// Walks after which every call had returned.
    finished: u64,
    /// Walks that came to where nobody can move.
    stuck: u64,
    /// Walks that ended in a kernel BUG.
    down: u64,
    /// Walks that took as many steps as they may.
    at_limit: u64,
    seconds: f64,
    seconds_shrinking: f64,
    properties: Vec<WalkedDocument>,
    /// What occurred at least once.
    occurred: Vec<&'static str>,
    /// Lines that were never executed.
    never_executed: Vec<LineDocument>,
}

#[derive(Serialize)]
struct WalkedDocument {
    #[serde(flatten)]
    judged: PropertyDocument,
    #[serde(flatten)]
    origin: Option<OriginDocument>,
}

/// Where a violation comes from.
#[derive(Serialize)]
struct OriginDocument {
    /// The walk that found it, counted from 1.
    walk: u64,
    /// Its steps, before it was shrunk.
    walk_steps: usize,
    /// No history is shorter than the one given.
    shortest: bool,
}

impl From<Finding> for OriginDocument {
    fn from(finding: Finding) -> Self {
        OriginDocument {
            walk: finding.walk + 1,
            walk_steps: finding.steps,
            shortest: finding.shortest,
        }
    }
}
