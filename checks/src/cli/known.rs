//! `glock known`, and `glock explain` of a row of the history.

use super::{DEFAULT_MEMORY, KnownArgs, STOP, Status, complain, cores, once_each};
use crate::check::Options;
use crate::collection::{self, Collection};
use crate::known::{self, Asked, Document, EntryDocument, ask};
use crate::mistake::Mistake;
use crate::output::Output;
use crate::text;
use glock_engine::Limits;
use glock_model::known::{Case, Entry, KnownAnswers};
use miette::IntoDiagnostic;
use std::sync::atomic::Ordering;

/// Asks what was asked for, and compares.
pub(super) fn known(args: &KnownArgs) -> miette::Result<Status> {
    if let Some(path) = &args.write {
        collection::folder(path)?;
    }
    let answers = KnownAnswers::builtin().into_diagnostic()?;
    let chosen: Vec<&Entry> = match args.ids.is_empty() {
        true => answers.entries.iter().collect(),
        false => once_each(&args.ids, |id| {
            answers
                .entry(id)
                .ok_or_else(|| unknown(&answers, id).into())
        })?,
    };
    let mut output = match &args.out {
        Some(path) => Output::file(path, &STOP)?,
        None => Output::stdout(&STOP),
    };
    // Which of the shortest histories is found first depends on the threads.
    let threads = match args.write {
        Some(_) => 1,
        None => args.threads.map_or_else(cores, usize::from),
    };
    let options = options(threads);
    let mut collection = Collection::default();
    let colours = output.colours();
    let mut say = |text: &str| {
        if !args.json {
            output.say(text);
        }
    };
    say(&known::head(colours));
    let mut documents = Vec::new();
    let (mut answered, mut different, mut lacking, mut unknown) = (0, 0, 0, false);
    for entry in chosen {
        say(&known::entry_head(entry));
        let mut asked = Vec::new();
        for case in &entry.cases {
            let found = put(case, &options)?;
            say(&known::case_row(&found, colours));
            asked.push(found);
        }
        unknown |= asked.iter().any(Asked::is_unknown);
        collection.add(entry, &asked);
        match asked.is_empty() {
            true => lacking += 1,
            false => answered += 1,
        }
        different += usize::from(!asked.iter().all(Asked::is_as_recorded));
        documents.push(EntryDocument::new(entry, &asked));
    }
    say(&known::closing(answered, different, lacking));
    let (status, verdict) = match (different, unknown) {
        (0, _) => (Status::Good, "as recorded"),
        (_, true) => (Status::Unknown, "unknown"),
        (_, false) => (Status::Violated, "different"),
    };
    if args.json {
        output.say(&Document::new(verdict, documents).text());
    }
    if let Some(folder) = args.write.as_ref().filter(|_| status == Status::Good) {
        for name in collection.write(folder, &STOP)? {
            complain(&format!("{name} is none of these any more: remove it"));
        }
    }
    output.finish()?;
    Ok(status)
}

fn unknown(answers: &KnownAnswers, id: &str) -> Mistake {
    let ids: Vec<&str> = answers.entries.iter().map(|e| e.id.as_str()).collect();
    let mistake = Mistake::unknown("row", id, [], "");
    mistake.help(format!("the rows are {}", ids.join(", ")))
}

fn options(threads: usize) -> Options<'static> {
    Options {
        limits: Limits {
            memory_bytes: Some(DEFAULT_MEMORY),
            ..Limits::default()
        },
        threads,
        cancel: Some(&STOP),
        ..Options::default()
    }
}

/// Both answers of a case. After Ctrl-C nothing more is explored.
fn put<'a>(case: &'a Case, options: &Options<'_>) -> miette::Result<Asked<'a>> {
    Ok(Asked {
        case,
        before: ask(&case.before, options).into_diagnostic()?,
        after: ask(&case.after, options).into_diagnostic()?,
    })
}

/// The story of a row, and the history of its failure.
pub(super) fn explain(entry: &Entry) -> miette::Result<Status> {
    let mut output = Output::stdout(&STOP);
    output.say(&known::explained(entry));
    if let Some((answer, property)) = known::shown(entry) {
        let found = ask(answer, &options(cores())).into_diagnostic()?;
        match found.report.verdict(property).history() {
            Some(walk) => output.say(&text::story(&found.report, property, walk)),
            // Only a model that has changed, or Ctrl-C, can get here.
            None => output.say("\nNo history was found; `glock known` says more.\n"),
        }
        if STOP.load(Ordering::Relaxed) {
            output.finish()?;
            return Ok(Status::Unknown);
        }
    }
    output.finish()?;
    Ok(Status::Good)
}
