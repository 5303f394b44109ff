//! One cell: a design under a scenario, explored.

use crate::checked::{Checked, CheckedJoint};
use crate::coverage::{Coverage, SourceLine, lines};
use crate::history::Walk;
use crate::shared::{self, Crew};
use glock_engine::{
    Checkpoint, Claim, Compact, DEADLOCK, Fairness, Limits, Outcome, Persist, Progress, Search,
    Stats, System, Unfinished,
};
use glock_model::cluster::{Action, Cluster, Collapsed, Joint, State, Unfit};
use glock_model::program::Program;
use glock_model::property::{Kind, Property};
use glock_model::scenario::Scenario;
use glock_traces::Ending;
use stateright::Model;
use std::fmt;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// What is known of a property in a cell.
///
/// `Holds` is a claim about every reachable state, or every fair run through them, and is made only
/// after each of them was looked at.
/// A search that ended early leaves `Unknown`, except for what it had already found violated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No reachable state violates it, and no run.
    Holds {
        /// How many states that is; with symmetry how many representatives.
        states: usize,
    },
    /// Some reachable state or some run does.
    Violated {
        /// A shortest way there; of runs that go on for ever a short one.
        history: Box<Walk>,
    },
    /// Not decided.
    Unknown {
        /// Why.
        reason: Unfinished,
    },
    /// Nobody asked: a property about progress, see [`Options::progress`].
    NotAsked,
}

impl Verdict {
    /// The counterexample, if there is one.
    pub fn history(&self) -> Option<&Walk> {
        match self {
            Verdict::Violated { history } => Some(history),
            _ => None,
        }
    }

    /// Its name, for machines.
    pub const fn name(&self) -> &'static str {
        match self {
            Verdict::Holds { .. } => "holds",
            Verdict::Violated { .. } => "violated",
            Verdict::Unknown { .. } => "unknown",
            Verdict::NotAsked => "not asked",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Holds { .. } => f.write_str("holds"),
            Verdict::Violated { history } => write!(f, "VIOLATED {}", Extent(history)),
            Verdict::NotAsked => f.write_str("not asked"),
            Verdict::Unknown { reason } => write!(f, "unknown: {reason}"),
        }
    }
}

/// How far a counterexample goes: "in 3 steps".
pub(crate) struct Extent<'a>(pub(crate) &'a Walk);

impl fmt::Display for Extent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let in_steps = |n| count(n, "step");
        let walk = self.0;
        match walk.ending {
            Ending::State => write!(f, "in {}", in_steps(walk.len())),
            Ending::Trap {
                states,
                by_representative,
            } => {
                let about = if by_representative { "at least " } else { "" };
                let states = count(states, "state");
                write!(
                    f,
                    "in {}: {about}{states}, no way out",
                    in_steps(walk.len())
                )
            }
            Ending::Loop { start } => match walk.len() - start {
                0 => write!(f, "in {}: nothing more happens", in_steps(start)),
                round => write!(f, "in {}, then {round} for ever", in_steps(start)),
            },
        }
    }
}

/// "1 step", "2 steps".
pub(crate) fn count(n: usize, what: &str) -> String {
    match n {
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    }
}

/// A property with its verdict.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The property.
    pub property: Property,
    /// What is known of it.
    pub verdict: Verdict,
}

impl Judged {
    /// Does the verdict count? `atomic-read` is reported without being demanded.
    pub const fn demanded(&self) -> bool {
        !matches!(self.property.kind(), Kind::Reported)
    }
}

/// How to check.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// When to give up.
    pub limits: Limits,
    /// Threads of the search; 0 is taken as 1.
    pub threads: usize,
    /// Set by somebody to have the search stop.
    pub cancel: Option<&'a AtomicBool>,
    /// Properties about progress to judge as well; others are ignored. They take memory for all
    /// transitions.
    pub progress: &'a [Property],
    /// Keep 64-bit fingerprints of the states, made with this seed, and not the states: less memory
    /// and less of a proof, see [`Report::omission`]. Not together with properties about progress.
    pub compact: Option<u64>,
    /// Whether to find what is interchangeable in the scenario and store states by representative
    /// ([`glock_model::symmetry`]).
    pub symmetry: bool,
    /// Save the search; for a single cell.
    pub saving: Option<Saving<'a>>,
    /// Store every state whole, and work out each of its steps anew, instead of by its parts
    /// ([`Collapsed`]): slower, and to be compared with.
    pub whole: bool,
    /// Have workers share the search, one cell at a time, instead of [`threads`](Self::threads).
    /// Not together with [`compact`](Self::compact); in several processes for a single cell.
    pub crew: Option<&'a Crew>,
}

/// Where, when and whether to save a search, and to go on with a saved one.
#[derive(Clone, Copy, Debug)]
pub struct Saving<'a> {
    /// The file.
    pub path: &'a Path,
    /// How often.
    pub every: Duration,
    /// Set by somebody to have the search saved soon.
    pub when: &'a AtomicBool,
    /// Whether to go on with what is in the file.
    pub resume: bool,
}

impl<'a> Saving<'a> {
    /// As the engine has it.
    pub(crate) fn checkpoint(&self, identity: String) -> Checkpoint<'a> {
        let checkpoint = Checkpoint::new(self.path, identity)
            .every(self.every)
            .when(self.when);
        match self.resume {
            true => checkpoint.resume(),
            false => checkpoint,
        }
    }
}

impl Options<'_> {
    /// Is the property to be judged?
    fn asks(&self, property: Property) -> bool {
        property.kind() != Kind::Progress || self.progress.contains(&property)
    }
}

/// How often a search reports its progress.
pub(crate) const REPORT_EVERY: Duration = Duration::from_millis(100);

/// Why a cell cannot be checked.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// Scenario and design do not go together.
    #[error("scenario {scenario} cannot run under design {design}: {why}")]
    Unfit {
        /// The design's name.
        design: String,
        /// The scenario's name.
        scenario: String,
        /// What is missing.
        why: Unfit,
    },
    /// A property was asked for that cannot be judged by representative.
    #[error(
        "{} cannot be judged with symmetry: it is about who moves, and where states are stored by \
         representative nobody can tell",
        property.name()
    )]
    Symmetry {
        /// The property.
        property: Property,
    },
    /// The engine failed; this is a fault of the tool or of the machine.
    #[error("the search of {scenario} under {design} failed: {why}")]
    Engine {
        /// The design's name.
        design: String,
        /// The scenario's name.
        scenario: String,
        /// What it said.
        why: glock_engine::Error,
    },
    /// Workers could not share the search.
    #[error("the search of {scenario} under {design} could not be shared: {why}")]
    Shared {
        /// The design's name.
        design: String,
        /// The scenario's name.
        scenario: String,
        /// Why.
        why: Box<glock_engine_timely::Error>,
    },
}

/// What was found out about a cell.
#[derive(Clone, Debug)]
pub struct Report {
    /// The design under the scenario.
    pub cluster: Cluster,
    /// All properties in the order of [`Property::ALL`].
    pub judged: Vec<Judged>,
    /// Counts of the search.
    pub stats: Stats,
    /// Why not every reachable state was looked at; `None` if it was.
    pub unfinished: Option<Unfinished>,
    /// What was executed and what occurred.
    pub coverage: Coverage,
    /// An upper bound of the probability that a state was missed although the search is finished:
    /// 0 unless [`Options::compact`] was asked for.
    pub omission: f64,
    /// Why the search could not be saved, if it could not.
    pub unsaved: Option<glock_engine::Error>,
    /// What became of another process that shared the search, if that put an end to it.
    pub trouble: Option<String>,
}

impl Report {
    /// The design's name.
    pub fn design(&self) -> &str {
        &self.cluster.program().name
    }

    /// The scenario's name.
    pub fn scenario(&self) -> &str {
        &self.cluster.scenario().name
    }

    /// The verdict on a property.
    pub fn verdict(&self, property: Property) -> &Verdict {
        &self.judged[property as usize].verdict
    }

    /// Whether any state was looked at.
    pub(crate) fn was_looked_at(&self) -> bool {
        self.stats.states > 0 || !self.coverage.is_empty()
    }

    /// The lines of the design that were never executed although this scenario's operations could
    /// get there.
    pub fn never_executed(&self) -> Vec<SourceLine> {
        lines(&self.cluster, &self.coverage)
            .into_iter()
            .filter(|(_, executed)| !executed)
            .map(|(line, _)| line)
            .collect()
    }

    /// The scenario's switches that are not as they are by default, as "name on" or "name off".
    pub fn switches(&self) -> Vec<String> {
        self.cluster.scenario().switches.changed()
    }

    /// A cell nobody has looked at.
    pub(crate) fn untouched(cluster: Cluster, reason: Unfinished, options: &Options<'_>) -> Report {
        let judged = Property::ALL
            .into_iter()
            .map(|property| Judged {
                property,
                verdict: match options.asks(property) {
                    true => Verdict::Unknown { reason },
                    false => Verdict::NotAsked,
                },
            })
            .collect();
        Report {
            cluster,
            judged,
            stats: Stats::default(),
            unfinished: Some(reason),
            coverage: Coverage::default(),
            omission: 0.0,
            unsaved: None,
            trouble: None,
        }
    }
}

/// Explores all states of a scenario under a design.
///
/// # Errors
///
/// [`CheckError`]; reaching a limit is none.
pub fn check(
    program: &Program,
    scenario: &Scenario,
    options: &Options<'_>,
) -> Result<Report, CheckError> {
    explore(fit(program, scenario)?, options, |_| ())
}

/// Puts a scenario under a design.
pub(crate) fn fit(program: &Program, scenario: &Scenario) -> Result<Cluster, CheckError> {
    Cluster::new(scenario.clone(), program.clone()).map_err(|why| CheckError::Unfit {
        design: program.name.clone(),
        scenario: scenario.name.clone(),
        why,
    })
}

/// [`check`] with a listener, called every tenth of a second.
pub(crate) fn explore(
    cluster: Cluster,
    options: &Options<'_>,
    progress: impl FnMut(&Progress),
) -> Result<Report, CheckError> {
    let cluster = match options.symmetry {
        true => by_representative(cluster, options)?,
        false => cluster,
    };
    let (outcome, trouble) = searched(&cluster, options, progress)?;
    let judged = Property::ALL
        .into_iter()
        .map(|property| Judged {
            property,
            verdict: match options.asks(property) {
                true => judge(&outcome, property, &cluster),
                false => Verdict::NotAsked,
            },
        })
        .collect();
    let mut coverage = outcome.coverage;
    coverage.add_starts(&cluster);
    Ok(Report {
        judged,
        stats: outcome.stats,
        unfinished: outcome.unfinished,
        coverage,
        omission: outcome.omission,
        unsaved: outcome.unsaved,
        trouble,
        cluster,
    })
}

/// What the engine says, however the search is run.
fn searched(
    cluster: &Cluster,
    options: &Options<'_>,
    progress: impl FnMut(&Progress),
) -> Result<shared::Said, CheckError> {
    let design = || cluster.program().name.clone();
    let scenario = || cluster.scenario().name.clone();
    let engine = |why| CheckError::Engine {
        design: design(),
        scenario: scenario(),
        why,
    };
    if let Some(crew) = options.crew {
        return shared::search(cluster, crew, options, progress).map_err(|why| match why {
            glock_engine_timely::Error::Engine(why) => engine(why),
            why => CheckError::Shared {
                design: design(),
                scenario: scenario(),
                why: Box::new(why),
            },
        });
    }
    let checked = Checked(cluster);
    let outcome = match options.compact {
        Some(seed) => {
            let system = Compact::new(&checked, seed);
            search(&system, cluster, whole_is_over(cluster), options, progress)
        }
        None if !goes_in_parts(cluster, options) => {
            search(&checked, cluster, whole_is_over(cluster), options, progress)
        }
        None => in_parts(Collapsed::new(cluster), options, progress),
    };
    Ok((outcome.map_err(engine)?, None))
}

/// Whether states are searched by their parts: not if another state is stored in place of each, and not
/// if they are to be known to another search. Of a single node hardly a state has a part in
/// common with another one.
fn goes_in_parts(cluster: &Cluster, options: &Options<'_>) -> bool {
    cluster.scenario().nodes > 1
        && !cluster.packs_by_representative()
        && options.saving.is_none()
        && !options.whole
}

/// What the engine says of a cluster in parts; where there is no room for the numbers of the parts,
/// of one that has room.
fn in_parts(
    collapsed: Collapsed<'_>,
    options: &Options<'_>,
    mut progress: impl FnMut(&Progress),
) -> Result<Outcome<State, Action, Coverage>, glock_engine::Error> {
    let cluster = collapsed.cluster();
    let is_over = |joint: &Joint| {
        collapsed.is_finished(*joint)
            || collapsed.is_down(*joint)
            || collapsed.is_out_of_time(*joint)
    };
    let system = CheckedJoint(&collapsed);
    let outcome = search(&system, cluster, is_over, options, &mut progress);
    match collapsed.is_full() {
        true => in_parts(Collapsed::wide(cluster), options, progress),
        false => Ok(outcome?.map_states(|joint| collapsed.state(joint))),
    }
}

/// What the engine says, however the states are stored.
fn search<S, T>(
    system: &S,
    cluster: &Cluster,
    is_over: impl Fn(&T) -> bool + Copy + Send + Sync,
    options: &Options<'_>,
    progress: impl FnMut(&Progress),
) -> Result<Outcome<T, Action, Coverage>, glock_engine::Error>
where
    S: System<Model: Model<State = T, Action = Action>, Coverage = Coverage, Store: Persist>,
{
    let mut search = Search::new(system)
        .limits(options.limits)
        .threads(options.threads)
        .progress(REPORT_EVERY, progress);
    if let Some(flag) = options.cancel {
        search = search.cancel(flag);
    }
    if !options.progress.is_empty() {
        search = search.groups(|&action| cluster.mover(action));
    }
    for property in Property::PROGRESS {
        if options.asks(property) {
            search = search.claim(claim(property, is_over));
        }
    }
    if let Some(saving) = options.saving {
        search = search.checkpoint(saving.checkpoint(identity(cluster, options.compact)));
    }
    search.run()
}

/// What is being searched, so that a search is not gone on with as another. The numbers stand for
/// all of design and scenario.
pub(crate) fn identity(cluster: &Cluster, compact: Option<u64>) -> String {
    let (program, scenario) = (cluster.program(), cluster.scenario());
    let whole = format!("{program:?} {scenario:?} {:?}", cluster.symmetry());
    let seed = compact.map_or_else(String::new, |seed| format!(", seed {seed}"));
    format!(
        "{} under {} ({:016x}, version {}{seed})",
        scenario.name,
        program.name,
        xxhash_rust::xxh3::xxh3_64(whole.as_bytes()),
        env!("CARGO_PKG_VERSION"),
    )
}

/// The cluster with its symmetry, unless a property is to be judged that does not go with it.
fn by_representative(cluster: Cluster, options: &Options<'_>) -> Result<Cluster, CheckError> {
    let lost = |p: &&Property| !p.is_judged_by_representative();
    match options.progress.iter().find(lost) {
        Some(&property) => Err(CheckError::Symmetry { property }),
        None => Ok(cluster.with_symmetry()),
    }
}

/// A property about progress as the engine has it, given in which states every call is over.
pub(crate) fn claim<'a, T>(
    property: Property,
    is_over: impl Fn(&T) -> bool + Send + Sync + 'a,
) -> Claim<'a, T> {
    match property {
        Property::Finishes => Claim::eventually(property.name(), is_over).under(Fairness::Weak),
        Property::FinishesStrongly => {
            Claim::eventually(property.name(), is_over).under(Fairness::Strong)
        }
        _ => Claim::can_reach(property.name(), is_over),
    }
}

/// Whether every call is over in a state. A kernel BUG ends all calls: that it must not happen is
/// another property.
pub(crate) fn whole_is_over(cluster: &Cluster) -> impl Fn(&State) -> bool + Copy {
    |state| cluster.is_finished(state) || cluster.is_down(state) || cluster.is_out_of_time(state)
}

/// The engine's verdict on a property. Two things are a deadlock: a cycle of waits, which the model
/// sees, and a state in which nobody can move, which the engine sees; the shorter history counts.
fn judge(
    outcome: &Outcome<State, Action, Coverage>,
    property: Property,
    cluster: &Cluster,
) -> Verdict {
    let own = outcome.verdict(property.name());
    let for_ever = match own {
        Some(glock_engine::Verdict::Trapped(trap)) => Some(Walk::into_trap(trap, cluster)),
        Some(glock_engine::Verdict::Never(lasso)) => Some(Walk::for_ever(lasso)),
        _ => None,
    };
    if let Some(walk) = for_ever {
        let history = Box::new(walk);
        return Verdict::Violated { history };
    }
    let stuck = match property {
        Property::NoDeadlock => outcome.verdict(DEADLOCK),
        _ => None,
    };
    let shortest = [own, stuck]
        .into_iter()
        .flatten()
        .filter_map(glock_engine::Verdict::path)
        .min_by_key(|path| path.len());
    let unfinished = match own {
        Some(glock_engine::Verdict::Unknown(reason)) => Some(*reason),
        _ => outcome.unfinished,
    };
    match (shortest, unfinished) {
        (Some(path), _) => Verdict::Violated {
            history: Box::new(Walk::of(path)),
        },
        (None, Some(reason)) => Verdict::Unknown { reason },
        (None, None) => Verdict::Holds {
            states: outcome.stats.states,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;

    /// Where the numbers of parts turn out to be too large for their place, the search begins anew
    /// with more room, and nobody sees.
    #[test]
    fn a_search_that_runs_out_of_numbers_begins_anew_with_more_room() {
        let catalog = Catalog::builtin();
        let scenario = catalog.scenario("race-direct-read").expect("it is there");
        let design = catalog.design("restart-hack").expect("it is there");
        let cluster = fit(&design.program, &scenario).expect("the two go together");
        let options = Options {
            progress: &[Property::CanFinish],
            ..Options::default()
        };
        let searched = |collapsed| {
            let outcome = in_parts(collapsed, &options, |_| ()).expect("it is sound");
            (outcome.properties, outcome.stats.levels, outcome.unfinished)
        };
        let tight = Collapsed::in_bits(&cluster, 4, 1);
        let outcome = searched(Collapsed::new(&cluster));
        assert_eq!(searched(tight), outcome);
        assert_eq!(searched(Collapsed::wide(&cluster)), outcome);
        assert!(outcome.2.is_none() && outcome.1.len() > 10);
    }
}
