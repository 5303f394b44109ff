//! The collection of counterexamples: a record of every violated known answer, its text beside it,
//! and an index for a forge.

use crate::known::Asked;
use crate::mistake::{Mistake, quoted};
use crate::output::Output;
use crate::records::{self, file_name};
use glock_model::known::Entry;
use glock_traces::{Form, Record, Search, Style};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// Where the collection is in the source tree.
pub(crate) const FOLDER: &str = "traces/found";
/// The index.
const INDEX: &str = "README.md";

/// Makes sure, before all the work, that there is such a folder.
///
/// # Errors
///
/// If there is none.
pub(crate) fn folder(folder: &Path) -> Result<(), Mistake> {
    match folder.is_dir() {
        true => Ok(()),
        false => {
            let folder = quoted(&folder.display().to_string());
            Err(Mistake::new(format!("there is no folder {folder}"))
                .help(format!("go to the source tree, where `{FOLDER}` is")))
        }
    }
}

/// Records, by the names of their files, and what the index says of them.
#[derive(Default)]
pub(crate) struct Collection {
    records: BTreeMap<String, Record>,
    index: String,
}

impl Collection {
    /// Adds what a row of the history found.
    pub(crate) fn add(&mut self, entry: &Entry, asked: &[Asked<'_>]) {
        let mut items = String::new();
        for asked in asked {
            for (side, answer, found) in asked.sides() {
                for &(property, _) in &answer.violated {
                    let command = format!(
                        "glock check -d {} -s {} -p {}",
                        answer.design,
                        answer.scenario,
                        property.name()
                    );
                    let search = |report: &_, walk: &_| Search {
                        // The same files whenever and wherever they are written.
                        milliseconds: None,
                        ..records::searched(report, walk)
                    };
                    let report = &found.report;
                    let Some(record) = records::record(report, property, search, Some(command))
                    else {
                        continue;
                    };
                    items += &item(&asked.case.what, side, &record);
                    self.records.insert(file_name(&record), record);
                }
            }
        }
        if !items.is_empty() {
            let title = glock_traces::markdown(&entry.title);
            let _ = write!(self.index, "\n## {}\n\n{title}\n\n{items}", entry.id);
        }
    }

    /// Writes all of it to a folder, each file whole or not at all. Gives what else is there: files
    /// that look like records and are none of the collection's.
    ///
    /// # Errors
    ///
    /// If something cannot be written.
    pub(crate) fn write(&self, folder: &Path, stop: &AtomicBool) -> Result<Vec<String>, Mistake> {
        let put = |name: &str, text: &str| -> Result<(), Mistake> {
            let mut output = Output::file(&folder.join(name), stop)?;
            output.say(text);
            output.finish()
        };
        for (name, record) in &self.records {
            put(name, &record.to_text())?;
            put(&text_name(name), &Form::Text.of(record, Style::TERMINAL))?;
        }
        put(INDEX, &self.index_text())?;
        Ok(self.strangers(folder))
    }

    fn strangers(&self, folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let names = entries.filter_map(|e| e.file_name().into_string().ok());
        let is_strange = |name: &String| {
            let record = name.replace(".txt", ".json");
            record.ends_with(".json") && !self.records.contains_key(&record)
        };
        let mut strangers: Vec<String> = names.filter(is_strange).collect();
        strangers.sort();
        strangers
    }

    fn index_text(&self) -> String {
        let count = self.records.len();
        format!(
            "# Counterexamples\n\n\
             {count} histories, a shortest one for every known answer that is a violation \
             (`model/known-answers.toml`; of what goes on for ever, a short one). Each is a text to \
             read and a record to step through, with `glock show FILE --as html` or \
             `glock step FILE`. Written by `glock known --write`; `cargo test` walks every one of \
             them again.\n{}",
            self.index
        )
    }
}

/// Beside `x.json` stands `x.txt`.
fn text_name(name: &str) -> String {
    name.replace(".json", ".txt")
}

fn item(what: &str, side: &str, record: &Record) -> String {
    let name = file_name(record);
    let property = record.property.as_deref().unwrap_or_default();
    let case = match what.is_empty() {
        true => side.to_owned(),
        false => format!("{what}, {side}"),
    };
    let last = record.closing.last().map_or("", String::as_str);
    format!(
        "* [{} under {}]({}) ([record]({name})), {}: {property} {}. {}\n",
        record.scenario.name,
        record.design.name,
        text_name(&name),
        glock_traces::markdown(&case),
        record.verdict,
        glock_traces::markdown(last.trim())
    )
}
