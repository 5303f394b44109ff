//! Counterexamples as files: from a report to records.

use crate::check::{Extent, Report, Verdict};
use crate::history::{self, Walk};
use crate::mistake::{Mistake, quoted};
use crate::output::Output;
use glock_model::property::Property;
use glock_traces::{Record, Search};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// Figures of a search that looked at states one after the other.
pub(crate) fn searched(report: &Report, walk: &Walk) -> Search {
    let stats = &report.stats;
    Search {
        how: "states by breadth".to_owned(),
        exhaustive: report.unfinished.is_none(),
        // Of runs that go on for ever, short ones are looked for and not the shortest.
        shortest: walk.ending == glock_traces::Ending::State,
        states: Some(stats.states as u64),
        transitions: stats.edges,
        depth: stats.depth as u64,
        milliseconds: Some(stats.elapsed.as_millis() as u64),
    }
}

/// The record of a violated property; none if it is not violated.
pub(crate) fn record(
    report: &Report,
    property: Property,
    search: impl Fn(&Report, &Walk) -> Search,
    command: Option<String>,
) -> Option<Record> {
    let Verdict::Violated { history: walk } = report.verdict(property) else {
        return None;
    };
    let mut record = history::record(&report.cluster, property, walk)?;
    record.verdict = format!("violated {}", Extent(walk));
    record.search = Some(search(report, walk));
    record.command = command;
    Some(record)
}

/// Where records go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The one record that can be.
    File(PathBuf),
    /// A file for each: `SCENARIO--DESIGN--PROPERTY.json`.
    Folder(PathBuf),
}

impl Place {
    /// The place of that name, for so many records at most.
    ///
    /// # Errors
    ///
    /// If one file is not enough.
    pub(crate) fn of(path: &Path, most: usize) -> Result<Place, Mistake> {
        if path.extension().is_none_or(|e| e != "json") {
            return Ok(Place::Folder(path.to_owned()));
        }
        match most {
            0 | 1 => Ok(Place::File(path.to_owned())),
            n => Err(Mistake::new(format!(
                "{} is one file, and there may be {n} counterexamples",
                quoted(&path.display().to_string())
            ))
            .help("name a folder, or ask for one property of one cell with -d, -s and -p")),
        }
    }

    /// Makes sure, before an hour of work, that there is such a folder.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub(crate) fn prepare(&self) -> Result<(), Mistake> {
        let Place::Folder(path) = self else {
            return Ok(());
        };
        std::fs::create_dir_all(path).map_err(|error| {
            let path = quoted(&path.display().to_string());
            Mistake::new(format!("cannot make the folder {path}: {error}"))
                .help("records are written to a folder, or to a file that ends in `.json`")
        })
    }

    /// Writes a record, whole or not at all; gives the path of its file.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub(crate) fn write(&self, record: &Record, stop: &AtomicBool) -> Result<PathBuf, Mistake> {
        let path = match self {
            Place::File(path) => path.clone(),
            Place::Folder(folder) => folder.join(file_name(record)),
        };
        let mut output = Output::file(&path, stop)?;
        output.say(&record.to_text());
        output.finish()?;
        Ok(path)
    }
}

/// `race-direct-read--base--no-deadlock.json`.
pub(crate) fn file_name(record: &Record) -> String {
    let property = record.property.as_deref().unwrap_or("history");
    let plain = |c: char| match c.is_alphanumeric() || "-_.".contains(c) {
        true => c,
        false => '_',
    };
    let name = format!(
        "{}--{}--{property}",
        record.scenario.name, record.design.name
    );
    let name: String = name.chars().map(plain).take(200).collect();
    format!("{}.json", name.trim_start_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_is_for_one_record() {
        assert!(Place::of(Path::new("x.json"), 1).is_ok());
        let error = Place::of(Path::new("x.json"), 2).unwrap_err().to_string();
        assert!(error.contains("2 counterexamples"), "{error}");
        let folder = Place::of(Path::new("x"), 2);
        assert_eq!(folder, Ok(Place::Folder(PathBuf::from("x"))));
    }
}
