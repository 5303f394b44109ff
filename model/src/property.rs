//! The properties.
//!
//! Names and meanings as in the project's design (5); P-numbers are those of the
//! semantics (9.3). Most are predicates on one state: such a predicate says whether
//! the property *holds* in a state, and it is violated if some reachable state says
//! no. The last ones are about what comes after a state, and no state can tell.

use crate::cluster::{Cluster, State};
use crate::glock::{Glock, Stage};
use crate::lockspace::Resource;
use crate::mode::Mode;
use crate::node::Node;
use crate::program::NqFlags;
use crate::scenario::{MAX_FILES, Page};
use crate::task::{Status, wrong};
use crate::waits;

/// How a property is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A predicate on states, to hold in every one.
    Safety,
    /// As safety, but reported without being demanded: the accepted designs give it
    /// up on purpose.
    Reported,
    /// A claim about what follows on a state, for the explorer to decide.
    Progress,
}

/// A property.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Property {
    /// No set of tasks waits on one another for ever, even while others move (P13,
    /// P14).
    NoDeadlock,
    /// A task never asks for a glock it already holds (P4).
    NoRecursion,
    /// A genuinely bad address ends as -EFAULT, or as a short count after progress
    /// (P9).
    NoLostEfault,
    /// -EFAULT or SIGBUS only if the address is genuinely bad (P8).
    NoSpuriousEfault,
    /// A short count only at a bad page, or where the design admits it (P10).
    NoShort,
    /// Byte i of the buffer meets byte pos+i of the file, once; count and position
    /// agree (P7).
    Placement,
    /// Cached pages only under a mode that allows them; holders and nodes compatible
    /// (P1 to P3).
    Coherence,
    /// An extent mapping is used only under the glock grant it was made under (P6).
    Mapping,
    /// On return nothing is held: no queue entry, no lock, no pin, no fault-disable,
    /// no mark in journal_info (P5).
    Balanced,
    /// All pages of one buffered read come from one generation of ownership (P12).
    AtomicRead,
    /// From every reachable state every call can still return (P17).
    CanFinish,
    /// Every call returns if every task, worker and message keeps moving: weak
    /// fairness (P15).
    Finishes,
    /// Every call returns if whoever can move again and again does so: strong
    /// fairness (P16).
    FinishesStrongly,
}

impl Property {
    /// All properties, in the order of the verdict tables: first [`Property::SAFETY`],
    /// then [`Property::PROGRESS`].
    pub const ALL: [Property; 13] = [
        Property::NoDeadlock,
        Property::NoRecursion,
        Property::NoLostEfault,
        Property::NoSpuriousEfault,
        Property::NoShort,
        Property::Placement,
        Property::Coherence,
        Property::Mapping,
        Property::Balanced,
        Property::AtomicRead,
        Property::CanFinish,
        Property::Finishes,
        Property::FinishesStrongly,
    ];

    /// Those of [`Kind::Progress`].
    pub const PROGRESS: [Property; 3] = [
        Property::CanFinish,
        Property::Finishes,
        Property::FinishesStrongly,
    ];

    /// Those that are predicates on states; their bits are the lowest, in this order.
    pub const SAFETY: [Property; 10] = [
        Property::NoDeadlock,
        Property::NoRecursion,
        Property::NoLostEfault,
        Property::NoSpuriousEfault,
        Property::NoShort,
        Property::Placement,
        Property::Coherence,
        Property::Mapping,
        Property::Balanced,
        Property::AtomicRead,
    ];

    /// Its name, as users write it.
    pub const fn name(self) -> &'static str {
        match self {
            Property::NoDeadlock => "no-deadlock",
            Property::NoRecursion => "no-recursion",
            Property::NoLostEfault => "no-lost-efault",
            Property::NoSpuriousEfault => "no-spurious-efault",
            Property::NoShort => "no-short",
            Property::Placement => "placement",
            Property::Coherence => "coherence",
            Property::Mapping => "mapping",
            Property::Balanced => "balanced",
            Property::AtomicRead => "atomic-read",
            Property::CanFinish => "can-finish",
            Property::Finishes => "finishes",
            Property::FinishesStrongly => "finishes-strongly",
        }
    }

    /// The property with this name.
    pub fn named(name: &str) -> Option<Property> {
        Property::ALL.into_iter().find(|p| p.name() == name)
    }

    /// How it is decided.
    pub const fn kind(self) -> Kind {
        match self {
            Property::AtomicRead => Kind::Reported,
            Property::CanFinish | Property::Finishes | Property::FinishesStrongly => Kind::Progress,
            _ => Kind::Safety,
        }
    }

    /// Can it be judged where states that a symmetry exchanges are one? What
    /// [`crate::symmetry`] says about fairness: not if it matters who moves.
    pub const fn is_judged_by_representative(self) -> bool {
        !matches!(self, Property::Finishes | Property::FinishesStrongly)
    }

    /// What a violation means on a real machine, in a sentence or two.
    pub const fn meaning(self) -> &'static str {
        match self {
            Property::NoDeadlock => {
                "Tasks wait for one another for ever: hung-task warnings, processes in state D \
                 that no signal can end, on one node or across the cluster."
            }
            Property::NoRecursion => {
                "A task asks for a glock it already has in the queue: the kernel prints both \
                 holders and calls BUG()."
            }
            Property::NoLostEfault => {
                "The buffer is bad but read() or write() reports success or end of file: the \
                 program works on data it never got."
            }
            Property::NoSpuriousEfault => {
                "The buffer is good but the program gets -EFAULT, some other error, or is killed \
                 by SIGBUS."
            }
            Property::NoShort => {
                "read() or write() returns less than was asked for without end of file, full disk \
                 or bad page: most programs take that for an error."
            }
            Property::Placement => {
                "Data goes to the wrong offset of the buffer or of the file, is lost in a page \
                 nobody maps any more, or count and file position disagree: silent corruption."
            }
            Property::Coherence => {
                "Two nodes or two holders own what excludes one another, or pages stay cached \
                 under a mode that lets other nodes change them: stale data, lost writes."
            }
            Property::Mapping => {
                "Blocks are written through an extent mapping that another node may have changed: \
                 data lands in blocks of another file."
            }
            Property::Balanced => {
                "The system call returns with something still held: the next operation hangs, \
                 crashes, or runs with page faults disabled."
            }
            Property::AtomicRead => {
                "One read() returns pages from before and after another node's write. Reported, \
                 not demanded: upstream gave it up on purpose (296abc0d91d8)."
            }
            Property::CanFinish => {
                "Whatever the scheduler does from there on, some call never returns: it goes round \
                 for ever at full CPU, or hangs."
            }
            Property::Finishes => {
                "Even if everybody moves who can, some call may never return: a hang, or full CPU and \
                 no result until the timing happens to change."
            }
            Property::FinishesStrongly => {
                "As finishes, and it is not even enough that whoever can move again and again does \
                 so: only luck with the timing ends it."
            }
        }
    }

    /// Its bit in [`violated`].
    #[inline]
    pub const fn bit(self) -> u64 {
        1 << self as u8
    }

    /// The bit of [`wrong`] that a returning operation leaves for it.
    const fn wrong_bit(self) -> u8 {
        match self {
            Property::NoLostEfault => wrong::LOST,
            Property::NoSpuriousEfault => wrong::SPURIOUS,
            Property::NoShort => wrong::SHORT,
            Property::Placement => wrong::PLACEMENT,
            Property::Mapping => wrong::MAPPING,
            Property::Balanced => wrong::UNBALANCED,
            Property::AtomicRead => wrong::TORN,
            _ => 0,
        }
    }

    /// Does it hold in this state? For [`Property::NoDeadlock`] this looks for a cycle
    /// of waits; that nobody can move at all is the explorer's to see. `None` for
    /// [`Property::PROGRESS`], of which no single state can tell.
    pub fn holds(self, cluster: &Cluster, state: &State) -> Option<bool> {
        match self {
            Property::NoDeadlock => Some(waits::cycle(cluster, state).is_none()),
            Property::NoRecursion => Some(!cluster.is_down(state)),
            Property::Coherence => Some(coherent(cluster, state)),
            Property::CanFinish | Property::Finishes | Property::FinishesStrongly => None,
            other => Some(wrong_bits(cluster, state) & other.wrong_bit() == 0),
        }
    }
}

/// The properties violated in a state, as a set of [`Property::bit`]s. The same as
/// asking each, but faster.
pub fn violated(cluster: &Cluster, state: &State) -> u64 {
    let nodes = 0..cluster.scenario().nodes as usize;
    let mut bits = violated_in_lock_space(cluster, &state.resources);
    for n in nodes {
        bits |= violated_on_node(cluster, state, n);
    }
    if waits::cycle(cluster, state).is_some() {
        bits |= Property::NoDeadlock.bit();
    }
    bits
}

/// Of these, those that the node alone violates. Nothing else of the state is looked at.
pub(crate) fn violated_on_node(cluster: &Cluster, state: &State, n: usize) -> u64 {
    let mut bits = 0;
    let node = &state.nodes[n];
    let wrong = wrong_on_node(cluster, node, n);
    if wrong != 0 {
        for property in Property::SAFETY {
            if wrong & property.wrong_bit() != 0 {
                bits |= property.bit();
            }
        }
    }
    if node.is_down() {
        bits |= Property::NoRecursion.bit();
    }
    if !is_coherent(cluster, node) {
        bits |= Property::Coherence.bit();
    }
    bits
}

/// Of these, those that the lock space alone violates.
pub(crate) fn violated_in_lock_space(cluster: &Cluster, resources: &[Resource; MAX_FILES]) -> u64 {
    match nodes_agree(cluster, resources) {
        true => 0,
        false => Property::Coherence.bit(),
    }
}

fn wrong_bits(cluster: &Cluster, state: &State) -> u8 {
    let nodes = state.nodes.iter().enumerate();
    nodes.fold(0, |all, (n, node)| all | wrong_on_node(cluster, node, n))
}

fn wrong_on_node(cluster: &Cluster, node: &Node, n: usize) -> u8 {
    let scenario = cluster.scenario();
    (0..scenario.tasks.len())
        .filter(|&t| scenario.node_of(t) == n)
        .map(|t| &node.tasks[t])
        // What an operation returns counts when it returns; what it does to a file
        // or through a stale mapping counts at once.
        .map(|t| {
            if t.status == Status::Done {
                t.wrong
            } else {
                t.wrong & !wrong::TORN
            }
        })
        .fold(0, |all, w| all | w)
}

/// P1 to P3.
fn coherent(cluster: &Cluster, state: &State) -> bool {
    let nodes = &state.nodes[..cluster.scenario().nodes as usize];
    nodes_agree(cluster, &state.resources) && nodes.iter().all(|node| is_coherent(cluster, node))
}

/// P1: what the lock space has granted goes together.
fn nodes_agree(cluster: &Cluster, resources: &[Resource; MAX_FILES]) -> bool {
    let scenario = cluster.scenario();
    resources[..scenario.files.len()].iter().all(|resource| {
        let locks = &resource.locks[..scenario.nodes as usize];
        let mut all = locks.iter().enumerate();
        all.all(|(n, a)| locks[..n].iter().all(|b| a.granted.compatible(b.granted)))
    })
}

/// P2 and P3.
fn is_coherent(cluster: &Cluster, node: &Node) -> bool {
    let files = &cluster.scenario().files;
    files.iter().enumerate().all(|(f, spec)| {
        let pages = &node.pages[f][..spec.pages as usize];
        node_coherent(&node.glocks[f], pages)
    })
}

/// P2 and P3 for one glock: holders go together and with the node's mode; the cache
/// holds what the mode allows. While a change of mode is under way at the lock
/// space the cache must already be right for the weaker of the two modes.
fn node_coherent(gl: &Glock, pages: &[Page]) -> bool {
    let changing = matches!(gl.stage, Stage::Sent | Stage::Reply);
    let cached_ok = gl.state.allows_cached() && (!changing || gl.req.allows_cached());
    let dirty_ok = gl.state.allows_dirty() && (!changing || gl.req.allows_dirty());
    let cache = pages.iter().all(|page| match page {
        Page::Absent => true,
        Page::Clean => cached_ok,
        Page::Dirty => dirty_ok,
    });
    let granted = || gl.queue.as_slice().iter().filter(|h| h.granted);
    let holders = granted()
        .all(|h| h.flags.has(NqFlags::ANY) && gl.state != Mode::Un || gl.state.contains(h.mode))
        && granted().enumerate().all(|(i, a)| {
            granted().take(i).all(|b| {
                let any = a.flags.has(NqFlags::ANY) || b.flags.has(NqFlags::ANY);
                a.mode != Mode::Ex && b.mode != Mode::Ex && (a.mode == b.mode || any)
            })
        });
    cache && holders
}

/// [`Property::SAFETY`] in stateright's form and in that order.
pub fn stateright_properties() -> Vec<stateright::Property<Cluster>> {
    use stateright::Property as P;
    fn holds<const I: usize>(cluster: &Cluster, state: &State) -> bool {
        Property::SAFETY[I].holds(cluster, state) != Some(false)
    }
    fn always<const I: usize>() -> P<Cluster> {
        P::<Cluster>::always(Property::SAFETY[I].name(), holds::<I>)
    }
    vec![
        always::<0>(),
        always::<1>(),
        always::<2>(),
        always::<3>(),
        always::<4>(),
        always::<5>(),
        always::<6>(),
        always::<7>(),
        always::<8>(),
        always::<9>(),
    ]
}
