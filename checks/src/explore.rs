//! `glock explore`: looking around in a cell in a browser.
//!
//! The page is that of a record, live: choose any step that is possible, see the state, jump to a
//! counterexample. The addresses of stateright's Explorer answer as well, for the same cell as a
//! system of actors.

use crate::check::{Extent, Options, Verdict, check, fit};
use crate::history::{self, Walk};
use crate::mistake::{Mistake, quoted};
use actors::Explorer;
use glock_engine::Limits;
use glock_model::cluster::{Action, Cluster, State};
use glock_model::event::NoSink;
use glock_model::program::Program;
use glock_model::property::Property;
use glock_model::scenario::Scenario;
use glock_traces::{Ending, Record, live};
use http::{Answer, Request, refusal};
use miette::IntoDiagnostic;
use serde::Serialize;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};

mod actors;
mod http;

/// The longest address that is read.
const MAX_ADDRESS: usize = 64 << 10;
/// The most steps of a walk.
const MAX_STEPS: usize = 10_000;
/// Memory of the search for counterexamples.
const MEMORY: usize = 1 << 30;

/// Who may look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// This machine.
    Machine,
    /// Everybody who gets to the address.
    Everybody,
}

/// The address, if the machine alone can reach it or everybody may: the explorer knows no passwords.
///
/// # Errors
///
/// If it is no address, or not a loopback one.
pub(crate) fn address(text: &str, reach: Reach) -> Result<SocketAddr, Mistake> {
    let help = "write 127.0.0.1:3000 or [::1]:3000";
    let text = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.to_owned(),
    };
    let address: SocketAddr = text.parse().map_err(|_| {
        Mistake::new(format!("{} is no address and port", quoted(&text))).help(help)
    })?;
    if reach == Reach::Machine && !address.ip().is_loopback() {
        return Err(Mistake::new(format!(
            "{address} can be reached from other machines, and the explorer lets everybody in"
        ))
        .help(format!(
            "{help}; if everybody may look, add --let-everybody-in"
        )));
    }
    Ok(address)
}

/// Serves the page until the process ends.
///
/// # Errors
///
/// If the address is taken.
pub(crate) fn serve(
    design: &Program,
    scenario: &Scenario,
    address: SocketAddr,
    reach: Reach,
) -> miette::Result<()> {
    let cluster = fit(design, scenario).into_diagnostic()?;
    let taken =
        |e: &dyn std::fmt::Display| Mistake::new(format!("cannot listen on {address}: {e}"));
    let listener = TcpListener::bind(address).map_err(|e| taken(&e))?;
    let address = listener.local_addr().map_err(|e| taken(&e))?;
    // Nobody may be listening to stdout; that is no reason not to serve.
    let _ = writeln!(
        std::io::stdout(),
        "http://{address} shows {} under {}; Ctrl-C ends",
        scenario.name,
        design.name
    );
    let _ = std::io::stdout().flush();
    let cell = Arc::new(Cell {
        explorer: Explorer::new(cluster.clone()),
        starts: cluster.initial_states(),
        cluster,
        reach,
        port: address.port(),
        found: OnceLock::new(),
        searching: OnceLock::new(),
    });
    http::serve(&listener, Arc::new(move |request| cell.serve(request)));
    Ok(())
}

/// What is looked at.
struct Cell {
    cluster: Cluster,
    starts: Vec<State>,
    explorer: Explorer,
    reach: Reach,
    port: u16,
    /// Counterexamples, once they were looked for.
    found: OnceLock<Found>,
    searching: OnceLock<()>,
}

/// An answer that is data.
fn json(body: &impl Serialize) -> Answer {
    Answer {
        status: 200,
        kind: "application/json",
        body: serde_json::to_vec(body).unwrap_or_default(),
    }
}

/// Where one can be.
#[derive(Serialize)]
struct Place {
    record: Record,
    choices: Vec<Choice>,
    starts: usize,
}

/// A step that is possible.
#[derive(Serialize)]
struct Choice {
    /// Among those that are possible, from 0.
    index: usize,
    actor: String,
    text: String,
}

/// What a search found.
#[derive(Clone, Serialize)]
struct Found {
    found: Vec<Counterexample>,
    /// In words, if there is none.
    text: String,
}

/// A counterexample, and the way to it.
#[derive(Clone, Serialize)]
struct Counterexample {
    property: &'static str,
    text: String,
    path: Vec<usize>,
}

impl Cell {
    fn serve(self: &Arc<Self>, request: &Request) -> Answer {
        std::panic::catch_unwind(AssertUnwindSafe(|| self.answer(request)))
            .unwrap_or_else(|_| refusal(500, "this is a bug in glock; please report it"))
    }

    fn answer(self: &Arc<Self>, request: &Request) -> Answer {
        if request.target.len() > MAX_ADDRESS {
            return refusal(414, "the address is too long");
        }
        if !self.is_meant(&request.host) {
            return refusal(
                403,
                "this address is for this machine under its own name only",
            );
        }
        let path = request.target.split(['?', '#']).next().unwrap_or_default();
        match (request.method.as_str(), path) {
            ("GET", "/") => {
                let (scenario, design) = (self.cluster.scenario(), self.cluster.program());
                Answer {
                    status: 200,
                    kind: "text/html; charset=utf-8",
                    body: live(&format!("{} under {}", scenario.name, design.name)).into_bytes(),
                }
            }
            ("GET", "/.status") => json(&self.explorer.status()),
            ("POST", "/.runtocompletion") => {
                self.explorer.run_to_completion();
                refusal(200, "")
            }
            ("GET", "/.glock/found") => json(&self.found()),
            ("GET", path) => match (
                path.strip_prefix("/.states"),
                path.strip_prefix("/.glock/walk"),
            ) {
                (Some(rest), _) => match indices(rest).and_then(|way| self.explorer.states(&way)) {
                    Some(states) => json(&states),
                    None => refusal(404, "there is no such state"),
                },
                (_, Some(rest)) => match indices(rest).and_then(|way| self.place(&way)) {
                    Some(place) => json(&place),
                    None => refusal(404, "there is no such way"),
                },
                _ => refusal(404, "there is nothing"),
            },
            ("HEAD" | "POST", _) => refusal(404, "there is nothing"),
            _ => refusal(405, "GET is what is understood"),
        }
    }

    /// Does the browser ask this machine by its own name? A page from elsewhere whose name leads
    /// here must not look.
    fn is_meant(&self, host: &str) -> bool {
        let port = format!(":{}", self.port);
        let host = host.strip_suffix(port.as_str()).unwrap_or(host);
        self.reach == Reach::Everybody || ["127.0.0.1", "localhost", "[::1]", ""].contains(&host)
    }

    /// The place a way leads to: the number of the initial state, then of each step among those
    /// that are possible.
    fn place(&self, way: &[usize]) -> Option<Place> {
        let (&start, steps) = way.split_first()?;
        let initial = *self.starts.get(start)?;
        let (mut state, mut actions) = (initial, Vec::with_capacity(steps.len()));
        for &step in steps {
            let (action, next) = *possible(&self.cluster, &state).get(step)?;
            actions.push(action);
            state = next;
        }
        let walk = |actions| Walk {
            initial,
            actions,
            ending: Ending::State,
        };
        let record = history::retold(&self.cluster, &walk(actions.clone()))?;
        let choices = possible(&self.cluster, &state)
            .into_iter()
            .enumerate()
            .map(|(index, (action, _))| {
                let mut longer = actions.clone();
                longer.push(action);
                let (actor, text) = self.told(&walk(longer))?;
                Some(Choice { index, actor, text })
            })
            .collect::<Option<_>>()?;
        Some(Place {
            record,
            choices,
            starts: self.starts.len(),
        })
    }

    /// Who takes the last step of a walk, and what is told of it.
    fn told(&self, walk: &Walk) -> Option<(String, String)> {
        let record = history::retold(&self.cluster, walk)?;
        let step = record.steps.last()?;
        let actor = record.actor_of(step);
        let lines: Vec<String> = record
            .lines_of(step)
            .map(|line| match line.actor == actor {
                true => line.text(),
                false => {
                    let who = &record.actors[line.actor as usize].name;
                    format!("{who}: {}", line.text())
                }
            })
            .collect();
        let text = match lines.is_empty() {
            true => "goes on".to_owned(),
            false => lines.join("; "),
        };
        Some((record.actors[actor as usize].name.clone(), text))
    }

    /// The counterexamples of the cell; the first to ask has them looked for.
    fn found(self: &Arc<Self>) -> Found {
        if let Some(found) = self.found.get() {
            return found.clone();
        }
        if self.searching.set(()).is_ok() {
            let cell = Arc::clone(self);
            std::thread::spawn(move || {
                let found = cell.search();
                let _ = cell.found.set(found);
            });
        }
        Found {
            found: Vec::new(),
            text: "looking for counterexamples; ask again in a moment".to_owned(),
        }
    }

    fn search(&self) -> Found {
        let options = Options {
            limits: Limits {
                memory_bytes: Some(MEMORY),
                ..Limits::default()
            },
            threads: 1,
            progress: &Property::PROGRESS,
            ..Options::default()
        };
        let report = match check(self.cluster.program(), self.cluster.scenario(), &options) {
            Ok(report) => report,
            Err(error) => {
                return Found {
                    found: Vec::new(),
                    text: error.to_string(),
                };
            }
        };
        let found = report.judged.iter().filter_map(|judged| {
            let Verdict::Violated { history } = &judged.verdict else {
                return None;
            };
            Some(Counterexample {
                property: judged.property.name(),
                text: format!("violated {}", Extent(history)),
                path: self.way(history)?,
            })
        });
        Found {
            found: found.collect(),
            text: match report.unfinished {
                None => "nothing is violated".to_owned(),
                Some(why) => format!("nothing was found, and not every state was looked at: {why}"),
            },
        }
    }

    /// The way a walk takes, in numbers.
    fn way(&self, walk: &Walk) -> Option<Vec<usize>> {
        let mut way = vec![self.starts.iter().position(|s| *s == walk.initial)?];
        let mut state = walk.initial;
        for action in &walk.actions {
            let steps = possible(&self.cluster, &state);
            let at = steps.iter().position(|(a, _)| a == action)?;
            way.push(at);
            state = steps[at].1;
        }
        Some(way)
    }
}

/// The steps that are possible in a state.
fn possible(cluster: &Cluster, state: &State) -> Vec<(Action, State)> {
    let mut steps = Vec::new();
    cluster.successors(state, &mut NoSink, &mut |action, next| {
        steps.push((action, *next))
    });
    steps
}

/// The numbers in an address: `/0/3/1`.
fn indices(rest: &str) -> Option<Vec<usize>> {
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let mut parts = rest.split('/');
    if parts.next() != Some("") {
        return None;
    }
    let numbers: Vec<usize> = parts.map(|n| n.parse().ok()).collect::<Option<_>>()?;
    (numbers.len() <= MAX_STEPS).then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_machine_itself_may_look() {
        let loopback = |text| address(text, Reach::Machine);
        assert!(loopback("127.0.0.1:3000").is_ok());
        assert!(loopback("localhost:3000").is_ok());
        assert!(loopback("[::1]:0").is_ok());
        for outside in ["0.0.0.0:3000", "[::]:3000", "192.168.1.5:80"] {
            let error = loopback(outside).unwrap_err().to_string();
            assert!(error.contains("other machines"), "{error}");
            assert!(address(outside, Reach::Everybody).is_ok());
        }
        for nonsense in ["", "3000", "127.0.0.1", "127.0.0.1:99999", "example.org:80"] {
            for reach in [Reach::Machine, Reach::Everybody] {
                let error = address(nonsense, reach).unwrap_err().to_string();
                assert!(error.contains("no address"), "{error}");
            }
        }
    }

    #[test]
    fn addresses_are_numbers() {
        assert_eq!(indices(""), Some(vec![]));
        assert_eq!(indices("/"), Some(vec![]));
        assert_eq!(indices("/0/12/"), Some(vec![0, 12]));
        for nonsense in [
            "0",
            "/x",
            "/0//1",
            "/-1",
            "/99999999999999999999",
            "/0/../1",
        ] {
            assert_eq!(indices(nonsense), None, "{nonsense}");
        }
    }
}
