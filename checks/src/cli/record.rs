//! `glock show`, `glock replay`, `glock shrink` and `glock diff`: what can be done with a record.

use super::{STOP, Status, complain, load};
use crate::catalog::Catalog;
use crate::check::count;
use crate::checked::Checked;
use crate::mistake::{Mistake, quoted};
use crate::output::Output;
use crate::records::Place;
use crate::table::fold;
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use glock_engine::{Path as Run, shorten};
use glock_model::cluster::{Cluster, State};
use glock_model::event::NoSink;
use glock_model::property::{Kind, Property};
use glock_traces::{Form, Record, RecordError, Style, parting};
use miette::IntoDiagnostic;
use std::path::{Path, PathBuf};

/// See [`Command::Show`](super::Command::Show).
#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// A record, as `glock check --record` writes it
    #[arg(required_unless_present = "list")]
    file: Option<PathBuf>,
    /// The form to show it in
    #[arg(long = "as", value_name = "FORM", default_value = "text", value_parser = forms())]
    form: Form,
    /// List the forms
    #[arg(long)]
    list: bool,
    /// For a commit message: at most 72 columns, and with the lines of the design
    #[arg(long)]
    commit_message: bool,
    /// Write to a file, whole or not at all
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

fn forms() -> impl TypedValueParser<Value = Form> {
    let values = Form::ALL.map(|f| PossibleValue::new(f.name()).help(f.meaning()));
    PossibleValuesParser::new(values).map(|name| Form::named(&name).unwrap_or(Form::Text))
}

/// See [`Command::Shrink`](super::Command::Shrink).
#[derive(Debug, Args)]
pub(super) struct ShrinkArgs {
    /// A record
    file: PathBuf,
    /// Write the shorter record there [default: show it as text]
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// How many states may be looked at
    #[arg(long, value_name = "N", default_value_t = 1 << 20,
          value_parser = clap::value_parser!(u32).range(1..))]
    states: u32,
}

/// See [`Command::Diff`](super::Command::Diff).
#[derive(Debug, Args)]
pub(super) struct DiffArgs {
    /// A record
    file: PathBuf,
    /// Another one
    #[arg(required_unless_present = "design", conflicts_with = "design")]
    other: Option<PathBuf>,
    /// Take the steps of the record under this design instead
    #[arg(long, short, value_name = "DESIGN")]
    design: Option<String>,
}

/// Reads a record.
///
/// # Errors
///
/// If it is none.
pub(super) fn read(path: &Path) -> Result<Record, Mistake> {
    Record::read(path).map_err(|error| mistake(&error))
}

fn mistake(error: &RecordError) -> Mistake {
    Mistake::new(error.to_string()).help(error.help())
}

pub(super) fn show(args: &ShowArgs) -> miette::Result<Status> {
    let mut output = match &args.out {
        Some(path) => Output::file(path, &STOP)?,
        None => Output::stdout(&STOP),
    };
    let Some(path) = args.file.as_ref().filter(|_| !args.list) else {
        for form in Form::ALL {
            let mut line = String::new();
            fold(&mut line, &format!("{:<11}", form.name()), form.meaning());
            output.say(&line);
        }
        output.finish()?;
        return Ok(Status::Good);
    };
    let record = read(path)?;
    let style = match args.commit_message {
        true => Style::COMMIT_MESSAGE,
        false => Style::TERMINAL,
    };
    output.say(&args.form.of(&record, style));
    output.finish()?;
    Ok(Status::Good)
}

pub(super) fn replay(path: &Path) -> miette::Result<Status> {
    let record = read(path)?;
    let mut out = String::new();
    let cell = format!("{} under {}", record.scenario.name, record.design.name);
    let status = match record.replay() {
        Ok(history) => {
            let steps = count(history.steps().len(), "step");
            let end = match &record.property {
                Some(property) => format!(", and at their end {property} is violated"),
                None => String::new(),
            };
            fold(
                &mut out,
                "",
                &format!("{cell}: {steps}, each as recorded{end}"),
            );
            Status::Good
        }
        Err(departure) => {
            let departure = departure.to_string();
            let (first, rest) = departure.split_once('\n').unwrap_or((&departure, ""));
            let program = &record.program;
            fold(
                &mut out,
                "",
                &format!(
                    "{cell}: the model is another than that of the record ({program}): {first}"
                ),
            );
            for line in rest.lines() {
                fold(&mut out, "  ", line.trim_start());
            }
            Status::Violated
        }
    };
    say(&out)?;
    Ok(status)
}

fn say(text: &str) -> miette::Result<()> {
    let mut output = Output::stdout(&STOP);
    output.say(text);
    output.finish()?;
    Ok(())
}

/// The history of a record in today's model; what departs from it is a mistake.
fn replayed(path: &Path, record: &Record) -> Result<glock_traces::History, Mistake> {
    record.replay().map_err(|departure| {
        let file = quoted(&path.display().to_string());
        Mistake::new(format!("{file} cannot be walked any more: {departure}"))
            .help("find the counterexample again with the command in the record")
    })
}

pub(super) fn shrink(args: &ShrinkArgs) -> miette::Result<Status> {
    let record = read(&args.file)?;
    let property = record.property.as_deref().and_then(Property::named);
    let Some(property) = property.filter(|p| p.kind() != Kind::Progress) else {
        let property = record.property.as_deref().unwrap_or("nothing");
        return Err(Mistake::new(format!(
            "a record that violates {property} cannot be shrunk"
        ))
        .help("one whose last state violates a safety property can")
        .into());
    };
    let history = replayed(&args.file, &record)?;
    let cluster = history.cluster();
    let run = Run {
        initial: *history.initial(),
        steps: history
            .steps()
            .iter()
            .map(|s| (s.action, s.state))
            .collect(),
    };
    let before = run.len();
    let wanted = |state: &State| is_violated(cluster, property, state);
    let system = Checked(cluster);
    let (run, shortest) =
        shorten(&system, run, wanted, Some(&STOP), args.states as usize).into_diagnostic()?;
    let walk = crate::history::Walk::of(&run);
    let Some(mut shrunk) = crate::history::record(cluster, property, &walk) else {
        return Err(Mistake::new("what is left is no history").into());
    };
    shrunk.verdict = format!("violated in {}", count(run.len(), "step"));
    shrunk.command.clone_from(&record.command);
    shrunk.search.clone_from(&record.search);
    if let Some(search) = &mut shrunk.search {
        search.shortest = shortest;
    }
    let about = match shortest {
        true => "no history is shorter",
        false => "there may be a shorter one",
    };
    let told = format!("{before} steps shrunk to {}; {about}\n", run.len());
    match &args.out {
        Some(path) => {
            Place::File(path.clone()).write(&shrunk, &STOP)?;
            say(&told)?;
        }
        None => say(&format!(
            "{}\n{told}",
            Form::Text.of(&shrunk, Style::TERMINAL)
        ))?,
    }
    Ok(Status::Good)
}

/// Is a safety property violated in a state? Two things are a deadlock, as in a search.
fn is_violated(cluster: &Cluster, property: Property, state: &State) -> bool {
    if property.holds(cluster, state) == Some(false) {
        return true;
    }
    let mut moves = false;
    cluster.successors(state, &mut NoSink, &mut |_, _| moves = true);
    let over = cluster.is_finished(state) || cluster.is_out_of_time(state);
    property == Property::NoDeadlock && !moves && !over && !cluster.is_down(state)
}

pub(super) fn diff(catalog: &Catalog, args: &DiffArgs) -> miette::Result<Status> {
    let record = read(&args.file)?;
    let (other, name) = match (&args.other, &args.design) {
        (Some(path), _) => (read(path)?, path.display().to_string()),
        (None, Some(design)) => (under(catalog, &args.file, &record, design)?, design.clone()),
        (None, None) => return Ok(Status::Good),
    };
    let names = [args.file.display().to_string(), name];
    let parting = parting(&record, &other);
    say(&parting.told([&names[0], &names[1]]))?;
    Ok(match parting.is_none() {
        true => Status::Good,
        false => Status::Violated,
    })
}

/// The same steps under another design, as far as they can be taken.
fn under(catalog: &Catalog, path: &Path, record: &Record, design: &str) -> miette::Result<Record> {
    let history = replayed(path, record)?;
    let scenario = history.cluster().scenario().clone();
    let cluster = Cluster::new(scenario, load(catalog, design)?).map_err(|why| {
        complain(&format!("{} under {design}:", record.scenario.name));
        Mistake::new(why.to_string())
    })?;
    let starts = history.cluster().initial_states();
    let at = starts.iter().position(|s| s == history.initial());
    // Both have their initial states in the order of the scenario's alternatives.
    let initial = cluster.initial_states()[at.unwrap_or(0)];
    let (mut state, mut actions) = (initial, Vec::new());
    for step in history.steps() {
        let Some(next) = cluster.step(&state, step.action, &mut NoSink) else {
            break;
        };
        actions.push(step.action);
        state = next;
    }
    let walk = crate::history::Walk {
        initial,
        actions,
        ending: glock_traces::Ending::State,
    };
    let told = crate::history::retold(&cluster, &walk);
    told.ok_or_else(|| Mistake::new("the steps cannot be taken").into())
}
