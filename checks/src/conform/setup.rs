//! The scenarios behind a recording: one for each combination of the calls its processes make, all
//! with the same files and the same memory, so that a state of one is a state of the others.

use super::observe::{Buffer, Call, Recording};
use glock_model::cluster::{Cluster, Unfit};
use glock_model::mode::Mode;
use glock_model::program::Program;
use glock_model::scenario::{
    Events, FileSpec, LockManager, LockObject, MAX_NODES, MAX_PAGES, MAX_TASKS, MAX_TRANSFER,
    MAX_VPAGES, MmSpec, Page, Pte, Scenario, Switches, TaskSpec, VpageKind, VpageSpec,
};
use std::collections::BTreeSet;

/// Why a recording does not fit into the model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooLarge {
    /// More nodes than the model has.
    #[error("there are {0} logs, and the model has {MAX_NODES} nodes")]
    Nodes(usize),
    /// A file of which more pages are touched than the model has.
    #[error("{pages} pages of {file} are told apart, and the model has {MAX_PAGES}")]
    Pages {
        /// The file.
        file: String,
        /// How many.
        pages: usize,
    },
    /// A call for more pages than the model moves at a time.
    #[error("a call moves {0} pages, and the model moves {MAX_TRANSFER}")]
    Transfer(u32),
    /// More pages of memory than the model has.
    #[error("the calls use {0} pages of memory, and the model has {MAX_VPAGES}")]
    Memory(usize),
    /// Too many combinations of calls.
    #[error("there are {0} combinations of different calls, and at most 256 are followed")]
    Combinations(usize),
    /// A scenario that is not that of the recording.
    #[error("the scenario is not that of the recording: {0}")]
    Scenario(String),
    /// The design does not have what a call needs.
    #[error(transparent)]
    Design(#[from] Unfit),
}

/// The pages of a file that are told apart: each a run of pages of the real file that every call
/// touches together, or not at all. A write of four pages from anonymous memory may be two model
/// pages of two real ones each.
#[derive(Clone, Debug, Default)]
struct Pages {
    /// First page and length of each run, in order.
    runs: Vec<(u32, u32)>,
}

impl Pages {
    fn index(&self, page: u32) -> usize {
        let inside = |(first, len): &(u32, u32)| (*first..first + len).contains(&page);
        self.runs.iter().position(inside).unwrap_or(0)
    }
}

/// A call as the model makes it.
#[derive(Clone, Debug)]
pub struct ModelCall {
    /// Real pages to a page of the model.
    pub unit: u32,
    spec: TaskSpec,
}

/// The scenarios of a recording under a design.
#[derive(Debug)]
pub struct Setup {
    /// By combination: the index in mixed radix, the first process's call first.
    pub clusters: Vec<Cluster>,
    /// Per process and call, how it is made.
    pub calls: Vec<Vec<ModelCall>>,
}

impl Setup {
    /// The scenarios for a recording. Nothing is known of how it starts but that the mappings are
    /// new: `UN` to `EX`, cached or not, dirty or not, anonymous memory present or not, all that is
    /// consistent.
    ///
    /// # Errors
    ///
    /// [`TooLarge`] if it does not fit into the model.
    pub fn new(recording: &Recording, program: &Program) -> Result<Setup, TooLarge> {
        let nodes = recording.logs.len();
        if nodes > MAX_NODES {
            return Err(TooLarge::Nodes(nodes));
        }
        let all: Vec<&Call> = recording.processes.iter().flat_map(|p| &p.calls).collect();
        let units: Vec<u32> = (0..recording.files.len())
            .map(|file| unit(&all, file as u8))
            .collect();
        let mut pages = Vec::new();
        for (file, (name, _)) in recording.files.iter().enumerate() {
            let runs = runs(&all, file as u8, units[file]);
            if runs.runs.len() > MAX_PAGES {
                return Err(TooLarge::Pages {
                    file: name.clone(),
                    pages: runs.runs.len(),
                });
            }
            pages.push(runs);
        }
        let mut base = scenario(recording, &pages, nodes);
        let mut calls = Vec::new();
        for (index, process) in recording.processes.iter().enumerate() {
            let mut of_process = Vec::new();
            for call in &process.calls {
                let unit = unit_of(call, &units);
                let spec = task(&mut base, index, call, unit, &pages)?;
                of_process.push(ModelCall { unit, spec });
            }
            calls.push(of_process);
        }
        if base.vpages.len() > MAX_VPAGES {
            return Err(TooLarge::Memory(base.vpages.len()));
        }
        let mut setup = Setup {
            clusters: Vec::new(),
            calls,
        };
        let count: usize = setup.calls.iter().map(Vec::len).product();
        if count > 256 {
            return Err(TooLarge::Combinations(count));
        }
        for combination in 0..count {
            let mut scenario = base.clone();
            for proc in 0..setup.calls.len() {
                let call = setup.call_in(combination, proc);
                scenario.tasks.push(setup.calls[proc][call].spec.clone());
            }
            for (task, process) in scenario.tasks.iter_mut().zip(&recording.processes) {
                task.name.clone_from(&process.name);
            }
            setup
                .clusters
                .push(Cluster::new(scenario, program.clone())?);
        }
        Ok(setup)
    }

    /// A scenario of the user's: its tasks and files have the names of the recording, in capitals or
    /// not, and each process makes calls of one kind only.
    ///
    /// # Errors
    ///
    /// [`TooLarge`] if the two do not go together.
    pub fn of_scenario(
        recording: &Recording,
        scenario: &Scenario,
        program: &Program,
    ) -> Result<Setup, TooLarge> {
        let differs = |what: String| TooLarge::Scenario(what);
        let mut own = scenario.clone();
        own.switches.message_fusion = false;
        if own.nodes as usize != recording.logs.len() {
            return Err(differs(format!(
                "it has {} nodes, and there are {} logs",
                own.nodes,
                recording.logs.len()
            )));
        }
        let names: Vec<String> = own.files.iter().map(|f| f.name.to_lowercase()).collect();
        let files: Vec<String> = recording.files.iter().map(|f| f.0.to_lowercase()).collect();
        if names != files {
            return Err(differs(format!(
                "its files are {}, and the recording's are {}",
                names.join(", "),
                files.join(", ")
            )));
        }
        let mut tasks = Vec::new();
        let mut calls = Vec::new();
        for process in &recording.processes {
            let spec = own.tasks.iter().find(|task| task.name == process.name);
            let spec = spec.ok_or_else(|| differs(format!("it has no task {}", process.name)))?;
            if own.mms[spec.mm as usize].node as usize != process.node {
                return Err(differs(format!("{} is on another node", process.name)));
            }
            let [call] = process.calls[..] else {
                let what = format!("{} makes calls of several kinds", process.name);
                return Err(differs(what));
            };
            let pages = spec.buffer.len().max(1) as u32;
            if (call.op, call.file) != (spec.op, spec.file) && spec.op.is_io()
                || call.op != spec.op
                || !call.pages.is_multiple_of(pages)
            {
                let what = format!("{} does something else in the recording", process.name);
                return Err(differs(what));
            }
            let spec = TaskSpec {
                environment: true,
                ..spec.clone()
            };
            calls.push(vec![ModelCall {
                unit: call.pages / pages,
                spec: spec.clone(),
            }]);
            tasks.push(spec);
        }
        own.tasks = tasks;
        Ok(Setup {
            clusters: vec![Cluster::new(own, program.clone())?],
            calls,
        })
    }

    /// Which call a process makes in a combination.
    pub fn call_in(&self, combination: usize, proc: usize) -> usize {
        let before: usize = self.calls[..proc].iter().map(Vec::len).product();
        combination / before % self.calls[proc].len()
    }

    /// The combination with another call of a process.
    pub fn with_call(&self, combination: usize, proc: usize, call: usize) -> usize {
        let before: usize = self.calls[..proc].iter().map(Vec::len).product();
        combination - self.call_in(combination, proc) * before + call * before
    }
}

/// How many real pages go into one of the model's: 1, or more for a write from anonymous memory
/// that would not fit otherwise.
fn unit(calls: &[&Call], file: u8) -> u32 {
    let touched: BTreeSet<u32> = calls
        .iter()
        .flat_map(|call| ranges(call))
        .filter(|(f, _)| *f == file)
        .flat_map(|(_, range)| range)
        .collect();
    if touched.len() <= MAX_PAGES { 1 } else { 2 }
}

fn unit_of(call: &Call, units: &[u32]) -> u32 {
    let unit = units[call.file as usize];
    match call.buffer {
        Buffer::Anon
            if call.op.is_io() && call.pages.is_multiple_of(unit) && call.bad.is_none() =>
        {
            unit
        }
        _ => 1,
    }
}

/// The pages of files that a call touches.
fn ranges(call: &Call) -> Vec<(u8, std::ops::Range<u32>)> {
    let mut ranges = Vec::new();
    if call.op.is_io() {
        ranges.push((call.file, call.off..call.off + call.pages));
    }
    if let Buffer::Shared(file) | Buffer::Private(file) = call.buffer {
        ranges.push((file, call.page..call.page + call.pages));
    }
    ranges
}

fn runs(calls: &[&Call], file: u8, unit: u32) -> Pages {
    let mut starts = BTreeSet::new();
    let mut touched = BTreeSet::new();
    for call in calls {
        for (f, range) in ranges(call).into_iter().filter(|(f, _)| *f == file) {
            let together = f == call.file && unit_of_file(call, unit) == unit;
            let step = if together { unit } else { 1 };
            starts.extend(range.clone().step_by(step as usize));
            touched.extend(range);
        }
    }
    let mut pages = Pages::default();
    for page in touched {
        match pages.runs.last_mut() {
            Some((first, len)) if *first + *len == page && !starts.contains(&page) => *len += 1,
            _ => pages.runs.push((page, 1)),
        }
    }
    if pages.runs.is_empty() {
        pages.runs.push((0, 1));
    }
    pages
}

fn unit_of_file(call: &Call, unit: u32) -> u32 {
    match call.buffer {
        Buffer::Anon if call.pages.is_multiple_of(unit) => unit,
        _ => 1,
    }
}

/// Everything but the tasks.
fn scenario(recording: &Recording, pages: &[Pages], nodes: usize) -> Scenario {
    let lock = match recording.clustered {
        true => LockManager::Dlm,
        false => LockManager::Nolock,
    };
    let mut files = Vec::new();
    for ((name, _), pages) in recording.files.iter().zip(pages) {
        files.push(FileSpec {
            name: name.clone(),
            pages: pages.runs.len() as u8,
            size: pages.runs.len() as u8,
            modes: vec![Mode::ALL.to_vec(); nodes],
            cached: vec![vec![Page::Absent, Page::Clean, Page::Dirty]; nodes],
            holes: 0,
            chunk: 1,
        });
    }
    let mms = recording.processes.iter().map(|process| MmSpec {
        name: process.name.clone(),
        node: process.node as u8,
    });
    Scenario {
        name: "recording".to_owned(),
        description: "The calls of a recording.".to_owned(),
        nodes: nodes as u8,
        lock,
        lock_object: match lock {
            LockManager::Dlm => vec![LockObject::Null, LockObject::Absent],
            LockManager::Nolock => vec![LockObject::Null],
        },
        hold_time: lock == LockManager::Dlm,
        files,
        mms: mms.collect(),
        vpages: Vec::new(),
        tasks: Vec::new(),
        events: Events::default(),
        // What others may notice is told step by step.
        switches: Switches {
            message_fusion: false,
            ..Switches::default()
        },
    }
}

/// The call of a process; its memory is added to the scenario unless it is there.
fn task(
    scenario: &mut Scenario,
    proc: usize,
    call: &Call,
    unit: u32,
    pages: &[Pages],
) -> Result<TaskSpec, TooLarge> {
    let count = call.pages / unit;
    if count as usize > MAX_TRANSFER {
        return Err(TooLarge::Transfer(call.pages));
    }
    const { assert!(super::observe::MAX_PROCESSES * 2 <= MAX_TASKS) };
    let mut buffer = Vec::new();
    let mut anonymous = 0;
    for index in 0..count {
        let page = |file: u8| pages[file as usize].index(call.page + index) as u8;
        let kind = match call.buffer {
            _ if call.bad == Some(index) => VpageKind::Bad,
            Buffer::Anon => VpageKind::Anon,
            Buffer::Shared(file) => VpageKind::Shared {
                file,
                page: page(file),
            },
            Buffer::Private(file) => VpageKind::Private {
                file,
                page: page(file),
            },
        };
        let same = |v: &VpageSpec| v.mm as usize == proc && v.kind == kind;
        let known = match kind {
            // One is like the other, but each is one.
            VpageKind::Anon => {
                anonymous += 1;
                let mut places = (0..scenario.vpages.len()).filter(|v| same(&scenario.vpages[*v]));
                places.nth(anonymous - 1)
            }
            _ => scenario.vpages.iter().position(same),
        };
        let place = known.unwrap_or_else(|| {
            scenario.vpages.push(VpageSpec {
                mm: proc as u8,
                kind,
                initial: vec![Pte::None],
            });
            scenario.vpages.len() - 1
        });
        buffer.push(place as u8);
    }
    let first = pages[call.file as usize].index(call.off) as u8;
    Ok(TaskSpec {
        name: String::new(),
        mm: proc as u8,
        op: call.op,
        file: call.file,
        first_page: if call.op.is_io() { first } else { 0 },
        buffer,
        open_file: proc as u8,
        unaligned: false,
        aio: false,
        append: false,
        // It begins when its marker is observed.
        environment: true,
    })
}
