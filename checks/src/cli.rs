//! The command line.

use crate::catalog::Catalog;
use crate::check::{CheckError, Judged, Options, Report, Saving, Verdict};
use crate::explore::Reach;
use crate::json::{CellDocument, Document, Histories};
use crate::limits;
use crate::matrix::Matrix;
use crate::mistake::Mistake;
use crate::output::Output;
use crate::progress::Display;
use crate::records::{self, Place};
use crate::shared::Crew;
use crate::table::{Colours, Columns, Mark};
use crate::{explain, explore, seed, step, text};
use clap::{Args, Parser, Subcommand};
use glock_engine::Limits;
use glock_model::design::DISCUSSED;
use glock_model::program::Program;
use glock_model::property::{Kind, Property};
use glock_model::scenario::Scenario;
use miette::{IntoDiagnostic, WrapErr};
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

mod cluster;
mod conform;
mod estimate;
mod known;
mod record;
mod report;
mod walk;

/// Set by Ctrl-C, or when nobody reads the output any more.
static STOP: AtomicBool = AtomicBool::new(false);

/// Set by SIGUSR1: the search is to be saved.
static SAVE: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// Memory for all searches together, unless the user says otherwise.
const DEFAULT_MEMORY: usize = 1792 << 20;

/// Exit status after a panic, `EX_SOFTWARE` of sysexits.h.
const BUG: u8 = 70;

/// With more cells than this, histories are shown only on request.
const FEW_CELLS: usize = 4;

/// Checks locking protocols: gfs2 glocks against page faults.
///
/// Without a command: the race that started it all, under every design of its discussion.
#[derive(Debug, Parser)]
#[command(name = "glock", version, max_term_width = 80)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check designs under scenarios
    ///
    /// Exit status: 0 everything demanded holds, 1 something is violated, 2 bad input,
    /// 3 not everything is known (a limit was reached, or Ctrl-C).
    Check(CheckArgs),
    /// Check one cell in several processes of this machine, over loopback
    ///
    /// Starts N times `glock check ... --hostfile FILE --process I`, and shows what the first one
    /// says. The exit status is that of check.
    Cluster(ClusterArgs),
    /// Say from a sample what checking a cell would need: memory and time, on one machine and on more
    ///
    /// The states nearest to the initial ones are searched, random walks go on from there, and the
    /// number of all is estimated by how often walks meet in a state. This is an estimate; its range was
    /// fitted to searches that were made to the end, of which it holds 9 in 10.
    ///
    /// Exit status: 0, whatever it is; 2 bad input, 3 it was interrupted.
    Estimate(estimate::EstimateArgs),
    /// Walk at random through a cell that is too large to check
    ///
    /// Random walks find violations and never show that something holds.
    ///
    /// What is found is shrunk to a short history, which need not be the shortest; `glock check` gives
    /// the shortest one where it can look at every state. The same options give the same report, on
    /// every machine and for any number of threads, unless the time limit is reached.
    ///
    /// Exit status: 1 something is violated, 2 bad input, 3 nothing was found, which says
    /// nothing about what there is; never 0.
    Walk(walk::WalkArgs),
    /// Ask whether a recording of a real kernel is a history of a design
    ///
    /// A recording is raw ftrace text with a marker for each call, one log for each node; see
    /// checks/kernel/README.md. Beside the built-in designs there are base-v61,
    /// recursion-check-v61 and restart-hack-v61, the early designs as they were recorded.
    ///
    /// Exit status: 0 accepted, 1 rejected, 2 bad input, 3 not known (the recording is
    /// damaged, or a limit was reached). With --all 0 if a design accepts it.
    Conform(conform::ConformArgs),
    /// Write a C program that makes the calls of a scenario, with markers for ftrace
    ///
    /// Compile it with cc -pthread. It runs in an empty directory that it is given.
    Reproduce {
        /// The scenario: a name, or the path of a .toml file
        scenario: String,
    },
    /// List the designs that come with the tool
    Designs,
    /// List the scenarios that come with the tool
    Scenarios,
    /// Put the known answers of the history to the model again
    ///
    /// Each row of the history is a defect that a design had and the next one had no longer. The
    /// designs before and after are explored under small scenarios, and verdicts, lengths of
    /// histories and counts of states are compared with what is recorded.
    ///
    /// Exit status: 0 all is as recorded, 1 something is not, 2 bad input, 3 a search was stopped
    /// before it knew.
    Known(KnownArgs),
    /// Show a record, in one of many forms
    ///
    /// `glock check --record FOLDER` writes a record of every counterexample. What is shown is what
    /// was recorded; `glock replay` says whether the model still walks that way.
    Show(record::ShowArgs),
    /// Check designs under scenarios, and write a page with every counterexample behind its cell
    ///
    /// Exit status: as of `glock check`.
    Report(CellArgs),
    /// Step through a record in the terminal
    Step {
        /// A record
        file: PathBuf,
    },
    /// Walk a record again, step by step, with the model there is now
    ///
    /// Exit status: 0 every state is as recorded and the property is violated at the end, 1 they
    /// part, 2 bad input.
    Replay {
        /// A record
        file: PathBuf,
    },
    /// Shorten the history of a record, such as one found by a random walk
    Shrink(record::ShrinkArgs),
    /// Say where two records part, or a record and the same steps under another design
    ///
    /// Exit status: 0 they are the same, 1 they part, 2 bad input.
    Diff(record::DiffArgs),
    /// Say what a name means: a design, a scenario, a property, a statement, a row of the history
    Explain {
        /// The name, or the path of a design's or a scenario's file
        name: String,
    },
    /// Look around in a cell in a browser: take any step that is possible, see the state
    ///
    /// The page asks this program, which answers on this machine only. The addresses of stateright's
    /// Explorer (/.status, /.states/..., /.runtocompletion) answer as well.
    Explore {
        /// The design: a name, or the path of a .design file
        #[arg(long, short)]
        design: String,
        /// The scenario: a name, or the path of a .toml file
        #[arg(long, short)]
        scenario: String,
        /// Where to listen; on this machine only
        #[arg(long, default_value = "127.0.0.1:3000")]
        address: String,
        /// Listen at an address that other machines can reach: there is no password
        #[arg(long)]
        let_everybody_in: bool,
    },
}

#[derive(Debug, Args)]
struct CheckArgs {
    #[command(flatten)]
    cells: CellArgs,
    /// Save the search to a file now and then, on SIGUSR1, and when it is given up or stopped
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// How often to save
    #[arg(long, value_name = "TIME", value_parser = limits::time, default_value = "10m")]
    #[arg(requires = "checkpoint")]
    checkpoint_every: Duration,
    /// Go on with the search saved in the checkpoint's file
    #[arg(long, requires = "checkpoint")]
    resume: bool,
    /// Share each search among so many workers, each with states and a table of its own.
    /// Properties about progress are judged only on request
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    #[arg(conflicts_with = "threads")]
    workers: Option<u16>,
    /// Share the search among the processes listed in a file, one host:port a line, each with
    /// --workers workers [default: 1]. They trust each other and whoever can reach these ports:
    /// for loopback and private networks
    #[arg(long, value_name = "FILE", requires = "process")]
    #[arg(conflicts_with = "threads")]
    hostfile: Option<PathBuf>,
    /// Which of the processes in the file this one is, from 0; the report comes from 0
    #[arg(long, value_name = "I", requires = "hostfile")]
    process: Option<usize>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// Show the shortest history of whatever is violated [default: for up to 4 cells]
    #[arg(long, overrides_with = "no_history")]
    history: bool,
    /// Show no histories
    #[arg(long)]
    no_history: bool,
    /// Write a record of every counterexample to this folder, or of the only one that can be to a
    /// file that ends in .json; `glock show` shows it
    #[arg(long, value_name = "PATH")]
    record: Option<PathBuf>,
}

/// Which cells, and how to search them.
#[derive(Debug, Args)]
struct CellArgs {
    /// A design: a name, or the path of a .design file [default: all]
    #[arg(long, short, value_name = "DESIGN")]
    design: Vec<String>,
    /// A scenario: a name, or the path of a .toml file [default: the seed's race]
    #[arg(long, short, value_name = "SCENARIO")]
    scenario: Vec<String>,
    /// A property [default: all; those about progress for up to 4 cells]
    #[arg(long, short, value_name = "PROPERTY")]
    property: Vec<String>,
    /// Judge can-finish, finishes and finishes-strongly as well, which takes more memory
    #[arg(long)]
    progress: bool,
    /// Store states that differ only in who is called what as one: fewer states, equal
    /// verdicts. Not for finishes and finishes-strongly
    #[arg(long)]
    symmetry: bool,
    /// Give a cell up beyond so many states
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit_states: Option<u64>,
    /// Memory for the process, all searches together, such as 2GiB [default: 1.75GiB]
    #[arg(long, value_name = "SIZE", value_parser = limits::bytes)]
    limit_memory: Option<usize>,
    /// Give a cell up after so long, such as 60s
    #[arg(long, value_name = "TIME", value_parser = limits::time)]
    limit_time: Option<Duration>,
    /// Keep fingerprints of the states only: less memory, and a small probability, which is
    /// printed, that states are missed
    #[arg(long, value_name = "SEED", num_args = 0..=1, default_missing_value = "0")]
    compact: Option<u64>,
    /// Threads [default: as many as there are cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    /// Write the report to a file, whole or not at all
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// What the process has before it searches, in bytes: its limit on memory is one for all of it.
fn own_memory() -> usize {
    memory_stats::memory_stats().map_or(0, |stats| stats.physical_mem)
}

/// See [`Command::Cluster`].
#[derive(Debug, Args)]
struct ClusterArgs {
    /// Processes
    #[arg(short = 'n', long, value_name = "N", default_value_t = 2)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=64))]
    processes: u16,
    /// check and what is to be checked
    #[arg(last = true, required = true, value_name = "check ...")]
    command: Vec<String>,
}

impl CellArgs {
    fn options<'a>(&'a self, progress: &'a [Property]) -> Options<'a> {
        Options {
            progress,
            compact: self.compact,
            limits: Limits {
                states: self
                    .limit_states
                    .map(|n| n.try_into().unwrap_or(usize::MAX)),
                memory_bytes: Some(
                    self.limit_memory
                        .map_or(DEFAULT_MEMORY, |limit| limit - own_memory().min(limit / 2)),
                ),
                time: self.limit_time,
                depth: None,
            },
            threads: self.threads.map_or_else(cores, usize::from),
            cancel: Some(&STOP),
            symmetry: self.symmetry,
            ..Options::default()
        }
    }
}

/// See [`Command::Known`].
#[derive(Debug, Args)]
struct KnownArgs {
    /// A row, such as K4f [default: all]
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// Threads [default: as many as there are cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    /// Write a record of everything that is violated, its text and an index to this folder
    #[arg(long, value_name = "FOLDER", num_args = 0..=1)]
    #[arg(default_missing_value = crate::collection::FOLDER, conflicts_with = "ids")]
    write: Option<PathBuf>,
    /// Write the report to a file, whole or not at all
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// What a run found out, as the exit status says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    /// Everything demanded holds, or nothing was asked.
    Good = 0,
    /// Something is violated.
    Violated = 1,
    /// The user made a mistake, or the machine does not comply.
    Mistake = 2,
    /// Not everything is known.
    Unknown = 3,
    /// One of the processes of a cluster panicked.
    Bug = BUG as isize,
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // A closed pipe is no reason to fail.
            let _ = error.print();
            return ExitCode::from(error.exit_code() as u8);
        }
    };
    install_hooks();
    match std::panic::catch_unwind(|| run(cli)) {
        Ok(Ok(status)) => ExitCode::from(status as u8),
        Ok(Err(error)) => {
            complain(&format!("{error:?}"));
            ExitCode::from(Status::Mistake as u8)
        }
        Err(_) => {
            complain("this is a bug in glock, not in what you gave it; please report it");
            ExitCode::from(BUG)
        }
    }
}

/// Says something on stderr, if somebody listens.
fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Ctrl-C asks for a clean stop, and a second one for any stop; errors are at most 80 columns wide.
fn install_hooks() {
    // Without a handler Ctrl-C still works, only less gently.
    let _ = ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    });
    let _ = miette::set_hook(Box::new(|_| {
        Box::new(miette::MietteHandlerOpts::new().width(80).build())
    }));
}

fn run(cli: Cli) -> miette::Result<Status> {
    let catalog = Catalog::builtin();
    match cli.command {
        None => main_job(&catalog),
        Some(Command::Check(args)) => check(&catalog, &args),
        Some(Command::Cluster(args)) => cluster::cluster(&args),
        Some(Command::Walk(args)) => walk::walk(&catalog, &args),
        Some(Command::Conform(args)) => conform::run(&catalog, &args),
        Some(Command::Reproduce { scenario }) => {
            let scenario = catalog.scenario(&scenario)?;
            let program = crate::conform::reproduce::reproduce(&scenario);
            print(&program.map_err(Mistake::new)?)
        }
        Some(Command::Estimate(args)) => estimate::run(&catalog, &args),
        Some(Command::Designs) => designs(&catalog),
        Some(Command::Scenarios) => scenarios(&catalog),
        Some(Command::Known(args)) => known::known(&args),
        Some(Command::Report(args)) => report::write(&catalog, &args),
        Some(Command::Step { file }) => {
            step::run(&record::read(&file)?)?;
            Ok(Status::Good)
        }
        Some(Command::Show(args)) => record::show(&args),
        Some(Command::Replay { file }) => record::replay(&file),
        Some(Command::Shrink(args)) => record::shrink(&args),
        Some(Command::Diff(args)) => record::diff(&catalog, &args),
        Some(Command::Explain { name }) => match catalog.entry(&name)? {
            Some(entry) => known::explain(&entry),
            None => print(&explain::explain(&catalog, &name)?),
        },
        Some(Command::Explore {
            design,
            scenario,
            address,
            let_everybody_in,
        }) => {
            let reach = match let_everybody_in {
                true => Reach::Everybody,
                false => Reach::Machine,
            };
            let address = explore::address(&address, reach)?;
            let (design, scenario) = (load(&catalog, &design)?, catalog.scenario(&scenario)?);
            // There is nothing to stop cleanly here, so let the first Ctrl-C end the process.
            STOP.store(true, Ordering::Relaxed);
            explore::serve(&design, &scenario, address, reach)?;
            Ok(Status::Good)
        }
    }
}

fn print(text: &str) -> miette::Result<Status> {
    let mut output = Output::stdout(&STOP);
    output.say(text);
    output.finish()?;
    Ok(Status::Good)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// A word of a command line; in quotes if a shell would take it for something else.
fn word(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./".contains(c);
    match text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("{text:?}"),
    }
}

// ---- lists ------------------------------------------------------------------------

fn designs(catalog: &Catalog) -> miette::Result<Status> {
    let mut out = String::new();
    let mut list = |names: Vec<&str>| -> miette::Result<()> {
        for name in names {
            let description = catalog.design(name)?.program.description;
            text::list_line(&mut out, name, 22, &description);
        }
        Ok(())
    };
    list(catalog.designs())?;
    list(catalog.steps())?;
    print(&out)
}

fn scenarios(catalog: &Catalog) -> miette::Result<Status> {
    let mut out = String::new();
    for name in catalog.scenarios() {
        let first = text::first_sentence(&catalog.scenario(name)?.description);
        out += &format!("{name}\n");
        text::list_line(&mut out, "", 4, &first);
    }
    print(&out)
}

// ---- check ------------------------------------------------------------------------

/// What is to be checked.
struct Plan {
    designs: Vec<Program>,
    scenarios: Vec<Scenario>,
    /// What the user calls them, in the same order.
    called: [Vec<String>; 2],
    properties: Vec<Property>,
}

impl Plan {
    /// `shared`: each search among several workers.
    fn of(catalog: &Catalog, args: &CellArgs, shared: bool) -> miette::Result<Plan> {
        let or = |names: &[String], default: Vec<&str>| -> Vec<String> {
            match names.is_empty() {
                true => default.into_iter().map(str::to_owned).collect(),
                false => names.to_vec(),
            }
        };
        let race = [seed::ONE_NODE, seed::TWO_NODES].concat();
        let designs = or(&args.design, catalog.designs());
        let scenarios = or(&args.scenario, race);
        let called = [&designs, &scenarios].map(|names| unique(names));
        let designs = once_each(&designs, |name| load(catalog, name))?;
        let scenarios = once_each(&scenarios, |name| catalog.scenario(name))?;
        let mut properties = once_each(&args.property, |name| catalog.property(name))?;
        let few = designs.len() * scenarios.len() <= FEW_CELLS;
        let by_default = properties.is_empty();
        if by_default {
            properties.extend(Property::SAFETY);
        }
        let progress = properties.iter().find(|p| p.kind() == Kind::Progress);
        if let (Some(_), Some(name)) = (
            args.compact,
            progress
                .map(|p| p.name())
                .or(args.progress.then_some("--progress")),
        ) {
            return Err(Mistake::new(format!("{name} does not go with --compact"))
                .help("progress is judged on all states and transitions, of which nothing is left")
                .into());
        }
        if args.compact.is_some() && shared {
            return Err(Mistake::new("--compact does not go with --workers and --hostfile")
                .help(
                    "workers store no predecessors: they rebuild counterexamples from the states, of \
                     which --compact keeps fingerprints only",
                )
                .into());
        }
        if args.progress || by_default && few && args.compact.is_none() && !shared {
            let missing = |p: &Property| !properties.contains(p);
            let possible =
                |p: &Property| args.progress || !args.symmetry || p.is_judged_by_representative();
            let more = Property::PROGRESS.into_iter().filter(possible);
            let more: Vec<_> = more.filter(missing).collect();
            properties.extend(more);
        }
        let lost = |p: &&Property| !p.is_judged_by_representative();
        if args.symmetry
            && let Some(property) = properties.iter().find(lost)
        {
            return Err(not_with_symmetry(*property).into());
        }
        Ok(Plan {
            designs,
            scenarios,
            called,
            properties,
        })
    }

    /// The properties among them that are about progress.
    fn progress(&self) -> Vec<Property> {
        let all = self.properties.iter().copied();
        all.filter(|p| p.kind() == Kind::Progress).collect()
    }

    fn histories(&self, args: &CheckArgs) -> Histories {
        let few = self.designs.len() * self.scenarios.len() <= FEW_CELLS;
        match args.history || args.json || few {
            true if !args.no_history => Histories::Shown,
            _ => Histories::Hidden,
        }
    }
}

/// The command that finds a property of a cell violated again; cells are counted scenario by
/// scenario, each with all designs.
fn command(plan: &Plan, args: &CellArgs, cell: usize, property: Property) -> String {
    let (scenario, design) = (cell / plan.designs.len(), cell % plan.designs.len());
    let [designs, scenarios] = &plan.called;
    let symmetry = if args.symmetry { " --symmetry" } else { "" };
    format!(
        "glock check -d {} -s {} -p {}{symmetry}",
        word(&designs[design]),
        word(&scenarios[scenario]),
        property.name()
    )
}

fn not_with_symmetry(property: Property) -> Mistake {
    let why = CheckError::Symmetry { property };
    Mistake::new(why.to_string()).help("leave --symmetry out, or ask for -p can-finish instead")
}

/// A design, with what looks like a mistake in it told on stderr.
fn load(catalog: &Catalog, name: &str) -> miette::Result<Program> {
    let design = catalog.design(name)?;
    for warning in design.warnings {
        complain(&format!("{:?}", miette::Report::new(warning)));
    }
    Ok(design.program)
}

/// The names, those given twice only once.
fn unique(names: &[String]) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    let names = names.iter().filter(|name| seen.insert(name.as_str()));
    names.cloned().collect()
}

/// As [`load`], from a library of one's own.
fn load_from(library: &glock_model::design::Library, name: &str) -> miette::Result<Program> {
    let design = library.load(name).map_err(|mut error| -> miette::Report {
        match error.problems.len() {
            1 => error.problems.remove(0).into(),
            _ => error.into(),
        }
    })?;
    Ok(design.program)
}

/// Looks every name up, those given twice only once.
fn once_each<T>(
    names: &[String],
    look_up: impl Fn(&str) -> miette::Result<T>,
) -> miette::Result<Vec<T>> {
    unique(names).iter().map(|name| look_up(name)).collect()
}

fn check(catalog: &Catalog, args: &CheckArgs) -> miette::Result<Status> {
    let shared = args.workers.is_some() || args.hostfile.is_some();
    let plan = Plan::of(catalog, &args.cells, shared)?;
    let matrix = Matrix::by_scenario(&plan.designs, &plan.scenarios).into_diagnostic()?;
    let most = matrix.len() * plan.properties.len();
    let place = args.record.as_deref().map(|path| Place::of(path, most));
    let place = place.transpose()?;
    if let Some(place) = &place {
        place.prepare()?;
    }
    let mut output = match &args.cells.out {
        Some(path) => Output::file(path, &STOP)?,
        None => Output::stdout(&STOP),
    };
    let progress = plan.progress();
    let saving = saving(args, matrix.len())?;
    let crew = crew(args, matrix.len())?;
    let options = args.cells.options(&progress);
    let options = Options {
        saving,
        threads: match &crew {
            Some(_) => 1,
            None => options.threads,
        },
        crew: crew.as_ref(),
        ..options
    };
    let reports = explore_all(matrix, &options, |report| {
        if !args.json && crew.as_ref().is_none_or(Crew::reports) {
            output.say(&plan.row(report, output.colours()));
        }
    })?;
    let status = status(&reports, &plan.properties);
    let histories = plan.histories(args);
    if !crew.as_ref().is_none_or(Crew::reports) {
        return Ok(status);
    }
    match args.json {
        true => output.say(&plan.document(&reports, status, histories)),
        false => plan.tell(&mut output, &reports, histories),
    }
    if let Some(place) = &place {
        plan.record(args, &reports, place)?;
    }
    output.finish()?;
    Ok(status)
}

/// Who is to share the search.
fn crew(args: &CheckArgs, cells: usize) -> miette::Result<Option<Crew>> {
    let workers = args.workers.map_or(1, usize::from);
    match (&args.hostfile, args.process) {
        (Some(_), Some(_)) if cells != 1 => {
            let message = format!("--hostfile is for one search, and these are {cells}");
            Err(Mistake::new(message)
                .help("give one design with -d and one scenario with -s")
                .into())
        }
        (Some(path), Some(process)) => Crew::from_file(path, process, workers).map(Some),
        _ => Ok(args.workers.map(|_| Crew::here(workers))),
    }
}

/// How the search is to be saved.
fn saving(args: &CheckArgs, cells: usize) -> miette::Result<Option<Saving<'_>>> {
    let Some(path) = &args.checkpoint else {
        return Ok(None);
    };
    if cells != 1 {
        let message = format!("--checkpoint is for one search, and these are {cells}");
        return Err(Mistake::new(message)
            .help("give one design with -d and one scenario with -s")
            .into());
    }
    let shared = args.workers.is_some() || args.hostfile.is_some();
    let parts = || glock_engine_timely::checkpoint_files(path);
    let exists = match shared {
        true => parts().into_iter().next(),
        false => path.exists().then(|| path.clone()),
    };
    if let (false, Some(path)) = (args.resume, exists) {
        let message = format!("{} exists", path.display());
        return Err(Mistake::new(message)
            .help("add --resume to go on with what is in it, or remove it")
            .into());
    }
    save_on_signal();
    Ok(Some(Saving {
        path,
        every: args.checkpoint_every,
        when: &SAVE,
        resume: args.resume,
    }))
}

/// SIGUSR1 asks for a checkpoint. Without a handler, which only a strange system refuses, there are
/// still those at intervals.
fn save_on_signal() {
    #[cfg(unix)]
    let _ = signal_hook::flag::register(signal_hook::consts::SIGUSR1, Arc::clone(&SAVE));
}

/// Runs a matrix with progress on stderr, and calls `each` with the reports in order.
fn explore_all(
    matrix: Matrix,
    options: &Options<'_>,
    mut each: impl FnMut(&Report),
) -> miette::Result<Vec<Report>> {
    let display = match std::io::stderr().is_terminal() {
        true => Display::new(matrix.len(), options.threads.min(matrix.len())),
        false => Display::none(),
    };
    let mut reports = Vec::with_capacity(matrix.len());
    let result = matrix.run_with(options, &display, |report| {
        each(&report);
        reports.push(report);
    });
    display.clear();
    for why in reports.iter().filter_map(|report| report.unsaved.as_ref()) {
        complain(&format!("the search was not saved: {why}"));
    }
    for trouble in reports.iter().filter_map(|report| report.trouble.as_ref()) {
        complain(&format!("the search ended early: {trouble}"));
    }
    result
        .into_diagnostic()
        .wrap_err("a search ended without a verdict")?;
    Ok(reports)
}

/// A violation counts more than not knowing, except that who was interrupted knows nothing.
fn status(reports: &[Report], properties: &[Property]) -> Status {
    let demanded = || {
        reports.iter().flat_map(|report| {
            properties
                .iter()
                .map(|&p| &report.judged[p as usize])
                .filter(|judged| judged.demanded())
        })
    };
    let any = |wanted: fn(&Verdict) -> bool| demanded().any(|judged| wanted(&judged.verdict));
    let unknown = any(|verdict| matches!(verdict, Verdict::Unknown { .. }));
    if unknown && STOP.load(Ordering::Relaxed) {
        Status::Unknown
    } else if any(|verdict| matches!(verdict, Verdict::Violated { .. })) {
        Status::Violated
    } else if unknown {
        Status::Unknown
    } else {
        Status::Good
    }
}

impl Plan {
    /// Writes the records of all counterexamples.
    fn record(&self, args: &CheckArgs, reports: &[Report], place: &Place) -> miette::Result<()> {
        for (i, report) in reports.iter().enumerate() {
            for &property in &self.properties {
                let command = command(self, &args.cells, i, property);
                let record = records::record(report, property, records::searched, Some(command));
                if let Some(record) = record {
                    let path = place.write(&record, &STOP)?;
                    complain(&format!("recorded in {}", path.display()));
                }
            }
        }
        Ok(())
    }

    fn is_single(&self) -> bool {
        self.designs.len() * self.scenarios.len() == 1
    }

    fn design_width(&self) -> usize {
        let widths = self.designs.iter().map(|d| d.name.chars().count());
        widths.max().unwrap_or(0)
    }

    /// What is printed as soon as a cell is done: a row, below a head if it is the scenario's first.
    fn row(&self, report: &Report, colours: Colours) -> String {
        let columns = Columns::new(colours);
        if self.is_single() {
            return text::cell(report, &self.properties, columns);
        }
        let columns = text::property_columns(columns, &self.properties, self.design_width());
        let row = columns.row(text::property_row(report, &self.properties));
        match self.designs.first() {
            Some(first) if first.name == report.design() => {
                text::scenario_head(report) + &columns.head() + &row
            }
            _ => row,
        }
    }

    /// What comes after all rows.
    fn tell(&self, output: &mut Output<'_>, reports: &[Report], histories: Histories) {
        if !self.is_single() {
            output.say("\n");
            output.say(&Mark::legend(&self.properties));
            output.say(&text::unknowns(reports, &self.properties));
            output.say(&text::omission(reports));
            output.say(&text::unexecuted(reports));
        }
        let mut hidden = 0;
        for report in reports {
            for &property in &self.properties {
                match (report.verdict(property).history(), histories) {
                    (Some(walk), Histories::Shown) => {
                        output.say(&text::story(report, property, walk));
                    }
                    (Some(_), Histories::Hidden) => hidden += 1,
                    (None, _) => {}
                }
            }
        }
        if hidden > 0 {
            output.say(&format!(
                "\n--history shows the shortest history of each violation ({hidden})\n"
            ));
        }
    }

    fn document(&self, reports: &[Report], status: Status, histories: Histories) -> String {
        let verdict = match status {
            Status::Good => "holds",
            Status::Violated => "violated",
            _ => "unknown",
        };
        let cells = reports
            .iter()
            .map(|report| CellDocument::new(report, &self.properties, histories))
            .collect();
        Document::new(verdict, cells).text()
    }
}

// ---- the main job -----------------------------------------------------------------

/// The seed's race under all designs, and the worst failure of the RFC. Violations are what it is
/// meant to show, so they do not make it fail.
fn main_job(catalog: &Catalog) -> miette::Result<Status> {
    let known = catalog.designs();
    let designs = DISCUSSED
        .iter()
        .filter(|name| known.contains(name))
        .map(|name| load(catalog, name))
        .collect::<miette::Result<Vec<_>>>()?;
    let scenarios = |names: &[&str]| -> miette::Result<Vec<Scenario>> {
        names.iter().map(|name| catalog.scenario(name)).collect()
    };
    let matrix = Matrix::by_design(&designs, &scenarios(&seed::ONE_NODE)?)
        .into_diagnostic()?
        .then(Matrix::by_design(&designs, &scenarios(&seed::TWO_NODES)?).into_diagnostic()?);
    let options = Options {
        progress: &seed::PROGRESS,
        limits: Limits {
            memory_bytes: Some(DEFAULT_MEMORY),
            ..Limits::default()
        },
        threads: cores(),
        cancel: Some(&STOP),
        ..Options::default()
    };
    let mut output = Output::stdout(&STOP);
    let columns = seed::columns(Columns::new(output.colours()));
    output.say(&seed::introduction());
    let mut printer = seed::Printer::new(columns, designs.len());
    let reports = explore_all(matrix, &options, |report| {
        output.say(&printer.add(report));
    })?;
    output.say(&seed::closing(&reports));
    output.finish()?;
    let unknown = |judged: &Judged| matches!(judged.verdict, Verdict::Unknown { .. });
    let complete = !reports
        .iter()
        .flat_map(|report| &report.judged)
        .any(unknown);
    Ok(match complete {
        true => Status::Good,
        false => Status::Unknown,
    })
}
