//! Small designs written down by hand, and a search that finds their histories.

#![allow(dead_code, unreachable_pub)] // not every test file uses everything

use glock_model::cluster::{Action, Cluster, State};
use glock_model::event::NoSink;
use glock_model::mode::Mode;
use glock_model::program::*;
use glock_model::property::{Property, violated};
use glock_model::scenario::{Library, Scenario};
use glock_traces::History;
use std::collections::{HashMap, VecDeque};

/// Assembles a [`Program`] statement by statement; line numbers count from 1.
pub struct Assembler {
    program: Program,
}

pub const RET: Var = Var(0);

impl Assembler {
    pub fn new(name: &str, flags: &[&str]) -> Assembler {
        let flag = |name: &&str| FlagDecl {
            name: name.to_string(),
            place: Place::Task,
            max: 1,
        };
        Assembler {
            program: Program {
                name: name.to_string(),
                extends: Vec::new(),
                description: String::new(),
                kernel: Kernel::default(),
                flags: flags.iter().map(flag).collect(),
                admits_short: Vec::new(),
                sources: vec![Source {
                    design: name.to_string(),
                    file: format!("{name}.design"),
                    text: String::new(),
                }],
                lines: Vec::new(),
                code: Vec::new(),
                entries: [None; 9],
                var_names: vec!["ret".to_string()],
                nested_var_names: vec!["ret".to_string()],
            },
        }
    }

    /// Address of the next statement.
    pub fn here(&self) -> Pc {
        self.program.code.len() as Pc
    }

    /// An entry with its statements.
    pub fn entry(mut self, entry: Entry, statements: &[(&str, Op)]) -> Assembler {
        self.program.entries[entry as usize] = Some(self.here());
        for (text, op) in statements {
            self.program.code.push(Instr {
                op: *op,
                line: self.program.lines.len() as u16,
                live: u16::MAX,
            });
            self.program.lines.push(Line {
                source: 0,
                number: self.program.lines.len() as u32 + 1,
                function: entry.name().to_string(),
                depth: 0,
                text: text.to_string(),
            });
        }
        self
    }

    pub fn done(self) -> Program {
        self.program
    }
}

pub fn nq(mode: Mode) -> Op {
    Op::Nq {
        mode,
        flags: NqFlags::NONE,
        to: None,
        refused: None,
    }
}

fn dio() -> Op {
    Op::DioRw {
        to: RET,
        partial: false,
        done: None,
    }
}

fn ret() -> Op {
    Op::Return(Operand::Var(RET))
}

fn page_mkwrite(a: Assembler) -> Assembler {
    a.entry(
        Entry::PageMkwrite,
        &[
            ("gfs2_glock_nq file EX", nq(Mode::Ex)),
            (
                "ret = set_page_dirty_if_mapped file",
                Op::DirtyPage { to: RET },
            ),
            ("gfs2_glock_dq file", Op::Dq),
            ("return ret", ret()),
        ],
    )
}

fn under_glock(a: Assembler, entry: Entry, mode: Mode, text: &str, op: Op) -> Assembler {
    let nq_text = format!("gfs2_glock_nq file {}", mode.name());
    a.entry(
        entry,
        &[
            (&nq_text, nq(mode)),
            (text, op),
            ("gfs2_glock_dq file", Op::Dq),
            ("return ret", ret()),
        ],
    )
}

/// v5.12: faults block under the glock.
pub fn base() -> Program {
    with_base(Assembler::new("base", &[])).done()
}

fn with_base(a: Assembler) -> Assembler {
    let read = Op::ReadIter {
        to: RET,
        noio: false,
    };
    let write = Op::BufferedWrite { to: RET };
    let a = under_glock(
        a,
        Entry::DirectRead,
        Mode::Df,
        "ret = iomap_dio_rw file iter",
        dio(),
    );
    let a = under_glock(
        a,
        Entry::DirectWrite,
        Mode::Df,
        "ret = iomap_dio_rw file iter",
        dio(),
    );
    let a = a.entry(
        Entry::BufferedRead,
        &[
            ("gfs2_glock_nq file SH", nq(Mode::Sh)),
            ("ret = generic_file_read_iter file iter", read),
            ("gfs2_glock_dq file", Op::Dq),
            ("return ret", ret()),
        ],
    );
    let a = a.entry(
        Entry::BufferedWrite,
        &[
            ("inode_lock file", Op::InodeLock),
            ("ret = iomap_file_buffered_write file iter", write),
            ("inode_unlock file", Op::InodeUnlock),
            ("return ret", ret()),
        ],
    );
    let a = a.entry(
        Entry::IomapBegin,
        &[
            ("gfs2_glock_nq file EX", nq(Mode::Ex)),
            ("return 0", Op::Return(Operand::Const(Val::ZERO))),
        ],
    );
    let a = a.entry(
        Entry::IomapEnd,
        &[
            ("gfs2_glock_dq file", Op::Dq),
            ("return 0", Op::Return(Operand::Const(Val::ZERO))),
        ],
    );
    let text = "ret = filemap_fault file";
    let a = under_glock(
        a,
        Entry::Fault,
        Mode::Sh,
        text,
        Op::FilemapFault { to: RET },
    );
    page_mkwrite(a)
}

/// The RFC: fault takes its glock with TRY and asks for a restart when that fails.
pub fn restart_hack() -> Program {
    let hack = Flag(0);
    let set = |value| Op::SetFlag {
        flag: hack,
        a: Operand::Const(Val(value)),
        op: None,
    };
    let a = with_base(Assembler::new("restart-hack", &["restart_hack"]));
    let at = a.here();
    let a = a.entry(
        Entry::DirectRead,
        &[
            ("gfs2_glock_nq file DF", nq(Mode::Df)),
            ("restart_hack = 0", set(0)),
            ("ret = iomap_dio_rw file iter", dio()),
            ("gfs2_glock_dq file", Op::Dq),
            (
                "if ret == -EFAULT and restart_hack goto restart",
                Op::Branch {
                    a: Operand::Var(RET),
                    cmp: Cmp::Ne,
                    b: Operand::Const(Val::EFAULT),
                    then: at + 6,
                },
            ),
            (
                "if ret == -EFAULT and restart_hack goto restart",
                Op::Branch {
                    a: Operand::Flag(hack),
                    cmp: Cmp::Ne,
                    b: Operand::Const(Val::ZERO),
                    then: at,
                },
            ),
            ("return ret", ret()),
        ],
    );
    let at = a.here();
    let a = a.entry(
        Entry::Fault,
        &[
            (
                "gfs2_glock_nq file SH try else refused",
                Op::Nq {
                    mode: Mode::Sh,
                    flags: NqFlags::TRY,
                    to: None,
                    refused: Some(at + 4),
                },
            ),
            ("ret = filemap_fault file", Op::FilemapFault { to: RET }),
            ("gfs2_glock_dq file", Op::Dq),
            ("return ret", ret()),
            ("restart_hack = 1", set(1)),
            (
                "return VM_FAULT_SIGBUS",
                Op::Return(Operand::Const(Val::SIGBUS)),
            ),
        ],
    );
    a.done()
}

/// A scenario of the library.
pub fn scenario(name: &str) -> Scenario {
    Library::builtin().load(name).expect("a known scenario")
}

/// The scenario under the design, each list of alternatives cut down to its first.
pub fn first_start(name: &str, design: Program) -> Cluster {
    let mut scenario = scenario(name);
    for file in &mut scenario.files {
        for modes in &mut file.modes {
            modes.truncate(1);
        }
        for cached in &mut file.cached {
            cached.truncate(1);
        }
    }
    for page in &mut scenario.vpages {
        page.initial.truncate(1);
    }
    scenario.lock_object.truncate(1);
    Cluster::new(scenario, design).expect("design and scenario go together")
}

/// The scenario under the design, with every initial state.
pub fn every_start(name: &str, design: Program) -> Cluster {
    Cluster::new(scenario(name), design).expect("design and scenario go together")
}

/// A shortest history that ends in a state where the property is violated.
pub fn shortest(cluster: &Cluster, property: Property) -> Option<History> {
    let (initial, actions) = search(cluster, &|s| violated(cluster, s) & property.bit() != 0)?;
    Some(History::replay(cluster, initial, &actions).expect("the search follows the model"))
}

/// A shortest path from an initial state to one that is wanted.
pub fn search(cluster: &Cluster, wanted: &dyn Fn(&State) -> bool) -> Option<(State, Vec<Action>)> {
    let mut from: HashMap<State, Option<(State, Action)>> = HashMap::new();
    let mut queue = VecDeque::new();
    for state in cluster.initial_states() {
        from.insert(state, None);
        queue.push_back(state);
    }
    while let Some(state) = queue.pop_front() {
        if wanted(&state) {
            return Some(path(&from, state));
        }
        cluster.successors(&state, &mut NoSink, &mut |action, next| {
            if !from.contains_key(next) {
                from.insert(*next, Some((state, action)));
                queue.push_back(*next);
            }
        });
        assert!(from.len() < 2_000_000, "too large for a test");
    }
    None
}

fn path(from: &HashMap<State, Option<(State, Action)>>, end: State) -> (State, Vec<Action>) {
    let mut actions = Vec::new();
    let mut state = end;
    while let Some((before, action)) = from[&state] {
        actions.push(action);
        state = before;
    }
    actions.reverse();
    (state, actions)
}

/// A walk that takes `choices[i]` modulo the number of enabled actions at step `i`.
pub fn walk(cluster: &Cluster, start: usize, choices: &[u8]) -> History {
    let states = cluster.initial_states();
    let initial = states[start % states.len()];
    let (mut state, mut actions) = (initial, Vec::new());
    for &choice in choices {
        let mut next = Vec::new();
        cluster.successors(&state, &mut NoSink, &mut |a, s| next.push((a, *s)));
        let Some(&(action, after)) = next.get(choice as usize % next.len().max(1)) else {
            break;
        };
        actions.push(action);
        state = after;
    }
    History::replay(cluster, initial, &actions).expect("the walk follows the model")
}
