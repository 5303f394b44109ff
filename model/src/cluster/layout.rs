//! Which bits each field of a packed state uses: as many as scenario and design leave
//! it values.
//!
//! What is said here about the values a field may have is not taken on trust: a state
//! that does not keep to it cannot be packed ([`crate::pack::Writer::finish`]).

use crate::design::graph;
use crate::node::entry_of;
use crate::pack::{ALL, Bits, up_to};
use crate::program::{Entry, HoldRule, MAX_FLAGS, Op, Pc, Place, Program, Target};
use crate::scenario::{MAX_FILES, MAX_TASKS, OpKind, Scenario, VpageKind};

/// The bits of all fields for which that depends on scenario and design.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// Per node.
    pub(super) nodes: Vec<NodeLayout>,
    /// Per task.
    pub(super) tasks: Vec<TaskLayout>,
    /// Where a fault handler or hook may be.
    pub(super) nested_pcs: Places,
    /// The variables fault handlers and hooks have: bit per slot.
    pub(super) nested_vars: u32,
    /// Flags that live in the task.
    pub(super) task_flags: [u32; MAX_FLAGS],
    /// Flags that live in the open file, two bits each.
    pub(super) file_flags: u32,
    /// Flags that live in the inode, two bits each.
    pub(super) inode_flags: u32,
    /// Flags of a request.
    pub(super) nq_flags: u32,
    /// Steps for which a hold time lasts.
    pub(super) kept: u32,
    /// A holder that may be taken away, and whether the worker was asked to look.
    pub(super) weak: u32,
    /// A page of a file, or one more than the last.
    pub(super) page: u32,
    /// An access that meets a bad address.
    pub(super) saw_bad: u32,
}

/// Of one node.
#[derive(Clone, Debug)]
pub(super) struct NodeLayout {
    /// Its tasks.
    pub(super) tasks: Vec<usize>,
    /// By task: its number on the node; of other nodes' tasks too large.
    rank: [u8; MAX_TASKS],
    /// Its pages of user memory; those that may be copied; those that may become bad.
    pub(super) vpages: u32,
    pub(super) copied: u32,
    pub(super) bad: u32,
    /// Its open files.
    pub(super) open_files: u32,
    /// The owner of i_rwsem, if anybody ever takes it.
    pub(super) rwsem: u32,
    /// Per file: how many tasks may be in its queue twice ([`may_be_twice`]).
    pub(super) twice: [usize; MAX_FILES],
    /// Per file: its length, if it is appended to here.
    pub(super) sizes: [u32; MAX_FILES],
}

/// Of one task.
#[derive(Clone, Debug)]
pub(super) struct TaskLayout {
    /// Where its system call may be.
    pub(super) pcs: Places,
    /// The variables it has: bit per slot.
    pub(super) vars: u32,
    /// Number of pages of the buffer.
    pub(super) pages: usize,
    /// A count of them; and if it reads or writes a file.
    pub(super) count: u32,
    pub(super) io_count: u32,
    /// The file position, and where it was at first if that depends.
    pub(super) position: u32,
    pub(super) first: u32,
    /// What only some built-in operations use, see [`crate::task::Task`].
    pub(super) extent_moved: u32,
    pub(super) window: u32,
    pub(super) attempts: u32,
    pub(super) error: u32,
    pub(super) faults_off: u32,
    pub(super) nofault: u32,
    pub(super) gh_error: u32,
    pub(super) have_page: u32,
    pub(super) changed: u32,
    pub(super) mapping: u32,
    pub(super) pin: u32,
    pub(super) landed: u32,
    /// Which built-in operations it may be in.
    pub(super) sub: u32,
    /// Is its operation asynchronous?
    pub(super) aio: bool,
    /// Pages that asynchronous I/O may find pinned by the design.
    pub(super) own_pins: u32,
}

/// Places in the code: some instructions, numbered, and 0 for "nowhere".
#[derive(Clone, Debug)]
pub(super) struct Places {
    /// By instruction; of those that are none of the places, too large.
    number: Vec<u16>,
    pcs: Vec<Pc>,
}

impl Places {
    fn new(program: &Program, places: &[Pc]) -> Places {
        let mut pcs = vec![0];
        pcs.extend(places.iter().filter(|&&pc| pc != 0));
        let mut number = vec![u16::MAX; program.code.len().max(1)];
        for (i, &pc) in (0..).zip(&pcs) {
            number[pc as usize] = i;
        }
        Places { number, pcs }
    }

    /// Codes a program counter that is in one of the places.
    #[inline(always)]
    pub(super) fn code<B: Bits>(&self, b: &mut B, pc: Pc) -> Pc {
        b.tag::<16, _>(
            pc,
            up_to(self.pcs.len() - 1),
            |pc| u32::from(self.number[pc as usize]),
            |number| self.pcs[number as usize],
        )
    }
}

impl Layout {
    pub(super) fn new(scenario: &Scenario, program: &Program) -> Layout {
        let nested = reachable(program, Entry::ALL.into_iter().filter(|e| e.is_nested()));
        let flags = |here: fn(Place) -> bool| flag_bits(program, here);
        let longest = scenario.files.iter().map(|f| f.pages as usize).max();
        let bad = has_bad_pages(scenario) || makes_pages_bad(scenario);
        Layout {
            nodes: (0..scenario.nodes as usize)
                .map(|n| NodeLayout::new(scenario, program, n))
                .collect(),
            tasks: (0..scenario.tasks.len())
                .map(|t| TaskLayout::new(scenario, program, t, &nested))
                .collect(),
            nested_vars: vars(program, &nested),
            nested_pcs: Places::new(program, &nested),
            task_flags: flags(|p| matches!(p, Place::Task | Place::JournalInfo)),
            file_flags: side_by_side(flags(|p| p == Place::File)),
            inode_flags: side_by_side(flags(|p| p == Place::Inode)),
            nq_flags: nq_flags(program),
            kept: only_if(
                program.kernel.hold == HoldRule::V2624 && scenario.hold_time,
                ALL,
            ),
            weak: u32::from(program.weak_holders),
            page: up_to(longest.unwrap_or(0)),
            saw_bad: u32::from(bad),
        }
    }
}

impl NodeLayout {
    /// A task's number on the node.
    #[inline]
    pub(super) fn rank(&self, task: u8) -> u32 {
        u32::from(self.rank[task as usize])
    }

    /// The task with a number on the node.
    #[inline]
    pub(super) fn task_of(&self, rank: u32) -> u8 {
        self.tasks[rank as usize] as u8
    }

    fn new(scenario: &Scenario, program: &Program, n: usize) -> NodeLayout {
        let is_here = |t: &usize| scenario.node_of(*t) == n;
        let tasks: Vec<usize> = (0..scenario.tasks.len()).filter(is_here).collect();
        let mut rank = [u8::MAX; MAX_TASKS];
        for (i, &t) in (0..).zip(&tasks) {
            rank[t] = i;
        }
        let open_files = tasks.iter().map(|&t| scenario.tasks[t].open_file);
        let vpages = |kinds: fn(VpageKind) -> bool| {
            let all = scenario.vpages.iter().enumerate();
            all.filter(|(_, v)| scenario.mms[v.mm as usize].node as usize == n && kinds(v.kind))
                .fold(0, |all, (v, _)| all | 1 << v)
        };
        let locks_inodes = program.code.iter().any(|i| i.op == Op::InodeLock);
        NodeLayout {
            rank,
            vpages: vpages(|_| true),
            copied: vpages(|kind| matches!(kind, VpageKind::Private { .. } | VpageKind::Zero)),
            bad: only_if(makes_pages_bad(scenario), vpages(|_| true)),
            open_files: open_files.fold(0, |all, open| all | 1 << open),
            rwsem: only_if(locks_inodes, up_to(tasks.len())),
            twice: std::array::from_fn(|f| {
                let twice = tasks
                    .iter()
                    .filter(|&&t| may_be_twice(scenario, program, t, f));
                twice.count()
            }),
            sizes: std::array::from_fn(|f| {
                only_if(scenario.appending_node(f) == Some(n), pages_of(scenario, f))
            }),
            tasks,
        }
    }
}

impl TaskLayout {
    /// In how many parts it is packed.
    #[inline]
    pub(super) fn parts(&self) -> usize {
        3 + usize::from(self.aio)
    }

    fn new(scenario: &Scenario, program: &Program, task: usize, nested: &[Pc]) -> TaskLayout {
        let spec = &scenario.tasks[task];
        let own = reachable(program, entry_of(spec.op).into_iter());
        let at = |places: &[Pc], wanted: fn(Op) -> bool| {
            places
                .iter()
                .any(|&pc| wanted(program.code[pc as usize].op))
        };
        let does = |wanted: fn(Op) -> bool| at(&own, wanted);
        let anywhere = |wanted: fn(Op) -> bool| u32::from(at(&own, wanted) || at(nested, wanted));
        let count = up_to(spec.buffer.len());
        let direct = does(|op| matches!(op, Op::DioRw { .. }));
        let writes = does(|op| matches!(op, Op::BufferedWrite { .. }));
        let maps = does(|op| matches!(op, Op::IomapFiemap { .. }));
        let own_pins = does(|op| matches!(op, Op::Pin { .. }));
        let pins = own_pins || scenario.switches.gup_window || spec.aio;
        let has_window = |op| {
            matches!(
                op,
                Op::FaultIn { .. } | Op::FaultInReadable { .. } | Op::Pin { .. }
            )
        };
        let length = only_if(spec.append, pages_of(scenario, spec.file as usize));
        let jumps = does(|op| {
            let to = Target::IterPos;
            matches!(op, Op::Assign { to: target, .. } if target == to)
        });
        let jumped_to = only_if(jumps, pages_of(scenario, spec.file as usize));
        // A page of a chunk that has to be faulted in first.
        let chunks = (direct || writes) && scenario.files[spec.file as usize].chunk > 1;
        TaskLayout {
            vars: vars(program, &own),
            pcs: Places::new(program, &own),
            pages: spec.buffer.len(),
            count,
            io_count: only_if(spec.op.is_io(), count),
            position: only_if(spec.op.is_io(), count) | length | jumped_to,
            first: length,
            extent_moved: only_if(writes, count),
            window: only_if(does(has_window) || chunks, count),
            attempts: only_if(direct && spec.buffer.len() > 1, ALL),
            error: only_if(writes, ALL),
            faults_off: anywhere(|op| op == Op::PagefaultDisable),
            nofault: anywhere(|op| op == Op::IterNofault(true)),
            gh_error: u32::from(does(|op| matches!(op, Op::Nq { requeue: true, .. }))),
            have_page: u32::from(does(|op| matches!(op, Op::ReadIter { .. }))),
            changed: u32::from(spec.op == OpKind::BufferedRead),
            mapping: only_if(direct || writes || maps, ALL),
            pin: only_if(pins, ALL),
            landed: only_if(spec.op.is_io(), ALL),
            // Only asynchronous I/O is in the last of them.
            sub: if spec.aio { ALL } else { 0b1111 },
            aio: spec.aio,
            own_pins: match own_pins && spec.aio {
                true => spec.buffer.len() as u32,
                false => 0,
            },
        }
    }
}

/// A number of pages of a file of the scenario.
fn pages_of(scenario: &Scenario, file: usize) -> u32 {
    up_to(scenario.files.get(file).map_or(0, |f| f.pages as usize))
}

/// Does a write path say `generic_write_checks`?
pub(super) fn checks_writes(program: &Program, entry: Entry) -> bool {
    let path = reachable(program, std::iter::once(entry));
    path.iter()
        .any(|&pc| program.code[pc as usize].op == Op::WriteChecks)
}

/// The most entries the queue of a glock may have, over all nodes and files.
pub(super) fn longest_queue(scenario: &Scenario, program: &Program) -> usize {
    let nodes = (0..scenario.nodes as usize).map(|n| NodeLayout::new(scenario, program, n));
    let longest = nodes.map(|n| n.tasks.len() + n.twice.iter().max().copied().unwrap_or(0));
    longest.max().unwrap_or(0)
}

/// May a task have a second entry in the queue of its own file, next to its weak holder:
/// does its operation make one, and does its buffer map the file?
fn may_be_twice(scenario: &Scenario, program: &Program, task: usize, file: usize) -> bool {
    let spec = &scenario.tasks[task];
    let maps = |&v: &u8| {
        let backing = scenario.vpages[v as usize].kind.backing();
        backing.is_some_and(|(f, _)| f as usize == file)
    };
    spec.op.is_io()
        && spec.file as usize == file
        && spec.buffer.iter().any(maps)
        && reachable(program, entry_of(spec.op).into_iter())
            .iter()
            .any(|&pc| program.code[pc as usize].op == Op::AllowDemote)
}

/// The instructions control may come to from some entries, in order.
fn reachable(program: &Program, entries: impl Iterator<Item = Entry>) -> Vec<Pc> {
    let mut open: Vec<usize> = entries
        .filter_map(|entry| program.entry(entry).map(usize::from))
        .collect();
    let mut seen = vec![false; program.code.len()];
    while let Some(pc) = open.pop() {
        if let Some(instr) = program.code.get(pc)
            && !std::mem::replace(&mut seen[pc], true)
        {
            open.extend(graph::successors(pc, &instr.op));
        }
    }
    (0..).zip(seen).filter(|s| s.1).map(|s| s.0).collect()
}

fn only_if(possible: bool, bits: u32) -> u32 {
    if possible { bits } else { 0 }
}

/// Variables that are live at some of the places, bit per slot: all others are zero
/// there.
fn vars(program: &Program, places: &[Pc]) -> u32 {
    places.iter().fold(0, |all, &pc| {
        all | u32::from(program.code[pc as usize].live)
    })
}

/// Flags that live in the right place.
fn flag_bits(program: &Program, here: fn(Place) -> bool) -> [u32; MAX_FLAGS] {
    std::array::from_fn(|i| match program.flags.get(i) {
        Some(flag) if here(flag.place) => up_to(flag.max as usize),
        _ => 0,
    })
}

fn side_by_side(flags: [u32; MAX_FLAGS]) -> u32 {
    let placed = flags.iter().enumerate().map(|(i, bits)| bits << (2 * i));
    placed.fold(0, |all, bits| all | bits)
}

/// The flags some request of the design has.
fn nq_flags(program: &Program) -> u32 {
    program.code.iter().fold(0, |all, instr| match instr.op {
        Op::Nq { flags, .. } => all | u32::from(flags.0),
        _ => all,
    })
}

/// Is there an address that is bad from the start, or beyond the end of its file?
fn has_bad_pages(scenario: &Scenario) -> bool {
    scenario.vpages.iter().any(|v| match v.kind.backing() {
        Some((file, page)) => page >= scenario.files[file as usize].pages,
        None => v.kind == VpageKind::Bad,
    })
}

/// Does anybody make pages inaccessible?
fn makes_pages_bad(scenario: &Scenario) -> bool {
    let mut tasks = scenario.tasks.iter();
    tasks.any(|t| matches!(t.op, OpKind::Munmap | OpKind::Mprotect))
}
