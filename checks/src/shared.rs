//! A search that workers share, in this process or in several.

use crate::check::{Options, REPORT_EVERY, claim, identity, whole_is_over};
use crate::checked::Checked;
use crate::coverage::Coverage;
use crate::mistake::Mistake;
use glock_engine::{Outcome, Progress};
use glock_engine_timely::{DistributedSearch, Error, Placement, Processes};
use glock_model::cluster::{Action, Cluster, State};
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

/// How long processes wait for one another at the start.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who shares a search.
#[derive(Clone, Debug)]
pub struct Crew {
    /// Workers in each process, at least 1.
    pub workers: usize,
    /// Where each process listens, as `host:port`; none if there is only this one.
    pub addresses: Vec<String>,
    /// Which of the processes this one is, from 0.
    pub process: usize,
}

impl Crew {
    /// Workers of this process alone.
    pub fn here(workers: usize) -> Crew {
        Crew {
            workers,
            addresses: Vec::new(),
            process: 0,
        }
    }

    /// The process that a host file gives this number.
    pub(crate) fn from_file(path: &Path, process: usize, workers: usize) -> miette::Result<Crew> {
        let name = path.display();
        let text = std::fs::read_to_string(path)
            .map_err(|why| Mistake::new(format!("cannot read {name}: {why}")))?;
        let addresses = hosts(&text).map_err(|(line, why)| {
            Mistake::new(format!("{name}, line {line}: {why}"))
                .help("write one process a line, as host:port; # begins a comment")
        })?;
        if process >= addresses.len() {
            let count = addresses.len();
            let message = format!("there is no process {process}: {name} lists {count}");
            return Err(Mistake::new(message)
                .help("processes are counted from 0")
                .into());
        }
        Ok(Crew {
            workers,
            addresses,
            process,
        })
    }

    /// Whether this process is the one that reports.
    pub(crate) fn reports(&self) -> bool {
        self.process == 0
    }
}

/// The addresses in a host file, or what is wrong in which line.
fn hosts(text: &str) -> Result<Vec<String>, (usize, String)> {
    let mut addresses: Vec<String> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let port = line.rsplit_once(':').map(|(host, port)| {
            let is_port = port.parse::<u16>().is_ok_and(|port| port > 0);
            is_port && !host.is_empty() && !line.contains(char::is_whitespace)
        });
        if port != Some(true) {
            return Err((number, format!("{line:?} is no host and port")));
        }
        if addresses.iter().any(|known| known == line) {
            return Err((number, format!("{line} is there twice")));
        }
        addresses.push(line.to_owned());
    }
    Ok(addresses)
}

/// What a shared search says, and what became of another process if the search ended for that.
pub(crate) type Said = (Outcome<State, Action, Coverage>, Option<String>);

pub(crate) fn search(
    cluster: &Cluster,
    crew: &Crew,
    options: &Options<'_>,
    progress: impl FnMut(&Progress),
) -> Result<Said, Error> {
    let checked = Checked(cluster);
    let placement = match crew.addresses.is_empty() {
        true => Placement::Threads(crew.workers),
        false => Placement::Processes(Processes {
            addresses: crew.addresses.clone(),
            process: crew.process,
            workers: crew.workers,
            agreement: agreement(cluster, options),
            patience: PATIENCE,
        }),
    };
    let mut search = DistributedSearch::new(&checked, placement)
        .limits(options.limits)
        .progress(REPORT_EVERY, progress);
    if let Some(flag) = options.cancel {
        search = search.cancel(flag);
    }
    if !options.progress.is_empty() {
        search = search.groups(|&action| cluster.mover(action));
    }
    for &property in options.progress {
        search = search.claim(claim(property, whole_is_over(cluster)));
    }
    if let Some(saving) = options.saving {
        search = search.checkpoint(saving.checkpoint(identity(cluster, None)));
    }
    let shared = search.run()?;
    Ok((shared.outcome, shared.trouble))
}

/// What processes have to agree on. The numbers stand for the whole of what the name is of.
fn agreement(cluster: &Cluster, options: &Options<'_>) -> Vec<(String, String)> {
    let (program, scenario) = (cluster.program(), cluster.scenario());
    let sum = |whole: &str| xxhash_rust::xxh3::xxh3_64(whole.as_bytes());
    let named = |name: &str, whole: String| format!("{name} ({:016x})", sum(&whole));
    let limits = options.limits;
    let saving = options.saving.map(|saving| saving.resume);
    [
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("program", this_program()),
        ("design", named(&program.name, format!("{program:?}"))),
        ("scenario", named(&scenario.name, format!("{scenario:?}"))),
        ("symmetry", format!("{:?}", cluster.symmetry())),
        (
            "limit",
            format!("{:?} states, {:?} steps", limits.states, limits.depth),
        ),
        (
            "list of properties",
            options
                .progress
                .iter()
                .map(|p| p.name())
                .collect::<Vec<_>>()
                .join(" "),
        ),
        (
            "way to save",
            match saving {
                None => "none".to_owned(),
                Some(false) => "from the start".to_owned(),
                Some(true) => "on resuming".to_owned(),
            },
        ),
    ]
    .map(|(what, value)| (what.to_owned(), value))
    .to_vec()
}

/// The binary, as far as it can be read; read once.
fn this_program() -> String {
    static SUM: OnceLock<String> = OnceLock::new();
    let sum = SUM.get_or_init(|| {
        let bytes = std::env::current_exe().and_then(std::fs::read);
        bytes.map_or_else(
            |_| "of unknown content".to_owned(),
            |bytes| format!("{:016x}", xxhash_rust::xxh3::xxh3_64(&bytes)),
        )
    });
    sum.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_files_are_read_line_by_line() {
        let text = "# two of them\nlocalhost:2101\n\n  [::1]:2102 # the other\n";
        assert_eq!(
            hosts(text),
            Ok(vec!["localhost:2101".to_owned(), "[::1]:2102".to_owned()])
        );
        for (text, line) in [
            ("localhost", 1),
            ("a:1\nb:x", 2),
            ("a:1\n\nb:70000", 3),
            ("a:0", 1),
            (":5", 1),
            ("a:1 b:2", 1),
            ("a:1\na:1", 2),
        ] {
            assert_eq!(hosts(text).unwrap_err().0, line, "{text:?}");
        }
    }
}
