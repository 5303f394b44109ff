//! The cases.

use super::{ABSENT, Case, LOCAL, PRESENT, Step, TaskCase, read, task};
use glock_primitives::{Flags, Flavour, Kernel, LockManager, Mode};

const fn nq(mode: Mode) -> Step {
    Step::Nq(mode, Flags::NONE)
}
const SH: &[Step] = &[nq(Mode::Sh), Step::Dq];
const DF: &[Step] = &[nq(Mode::Df), Step::Dq];
const EX: &[Step] = &[nq(Mode::Ex), Step::Dq];
const TRY_SH: &[Step] = &[Step::Nq(Mode::Sh, Flags::TRY), Step::Dq];
const TRY_DF: &[Step] = &[Step::Nq(Mode::Df, Flags::TRY), Step::Dq];
const TRY_1CB: &[Step] = &[Step::Nq(Mode::Sh, Flags::TRY_1CB), Step::Dq];
const ANY: &[Step] = &[Step::Nq(Mode::Sh, Flags::ANY), Step::Dq];
const TWICE_SH: &[Step] = &[nq(Mode::Sh), Step::Dq, nq(Mode::Sh), Step::Dq];
const TWICE_EX: &[Step] = &[nq(Mode::Ex), Step::Dq, nq(Mode::Ex), Step::Dq];
const WEAK_DF: &[Step] = &[nq(Mode::Df), Step::Allow, Step::Disallow, Step::Dq];
const WEAK_EX: &[Step] = &[nq(Mode::Ex), Step::Allow, Step::Disallow, Step::Dq];

/// A cluster of two nodes.
const TWO_NODES: Case = Case {
    nodes: 2,
    lock: LockManager::Dlm,
    initial: |_, _| Mode::Un,
    ..LOCAL
};

/// Two tasks read crosswise: files 0 and 1, each into a mapping of the other.
const RACE: Case = Case {
    files: 2,
    pages: 1,
    initial: |_, _| Mode::Df,
    tasks: &[read(0, 0, &[(1, 0)]), read(0, 1, &[(0, 0)])],
    ..LOCAL
};

/// The same on two nodes.
const RACE_TWO_NODES: Case = Case {
    nodes: 2,
    lock: LockManager::Dlm,
    initial: |_, _| Mode::Un,
    tasks: &[read(0, 0, &[(1, 0)]), read(1, 1, &[(0, 0)])],
    ..RACE
};

/// One side of the race on two nodes: what the other node does to this one, the callbacks
/// for both files, comes from a thread that does nothing else.
const ONE_SIDE: Case = Case {
    tasks: &[read(0, 0, &[(1, 0)])],
    demands: &[(0, 0, Mode::Ex), (0, 1, Mode::Ex)],
    initial: |node, _| if node == 0 { Mode::Df } else { Mode::Un },
    ..RACE_TWO_NODES
};

macro_rules! cases {
    ($($(#[doc = $doc:literal])* $name:ident = $text:literal, $case:expr;)+) => {
        $($(#[doc = $doc])* pub static $name: Case = Case { name: $text, ..$case };)+
        /// All of them.
        pub static ALL: &[&Case] = &[$(&$name),+];
    };
}

const fn local(tasks: &'static [TaskCase]) -> Case {
    Case { tasks, ..LOCAL }
}

cases! {
    SH_DF = "SH and DF under cached EX", local(&[task(0, 0, SH), task(0, 0, DF)]);
    EX_EX = "EX and EX", local(&[task(0, 0, EX), task(0, 0, EX)]);
    COLD = "SH and DF from nothing", Case {
        initial: |_, _| Mode::Un,
        ..local(&[task(0, 0, SH), task(0, 0, DF)])
    };
    THREE = "EX, SH, EX", local(&[task(0, 0, EX), task(0, 0, SH), task(0, 0, EX)]);
    SHARED = "SH, EX, SH", local(&[task(0, 0, SH), task(0, 0, EX), task(0, 0, SH)]);
    /// A TRY waits beside a demote (Q14), and fails when it begins (Q13e).
    TRY_DEMAND = "EX, TRY SH, a demand for EX", Case {
        demands: &[(0, 0, Mode::Ex)],
        ..local(&[task(0, 0, EX), task(0, 0, TRY_SH)])
    };
    /// TRY DF needs a change of mode and fails itself (Q13e); another queues behind.
    TRY_COLD = "TRY DF, SH from nothing", Case {
        initial: |_, _| Mode::Un,
        ..local(&[task(0, 0, TRY_DF), task(0, 0, SH)])
    };
    TRY_QUEUED = "SH, EX, TRY SH", local(&[task(0, 0, SH), task(0, 0, EX), task(0, 0, TRY_SH)]);
    /// The TRY waits behind another when the head is found blocked (Q13d).
    TRY_HEAD = "EX, EX, TRY SH, a demand for SH", Case {
        demands: &[(0, 0, Mode::Sh)],
        ..local(&[task(0, 0, EX), task(0, 0, EX), task(0, 0, TRY_SH)])
    };
    DEMAND = "SH, DF, a demand for EX", Case {
        initial: |_, _| Mode::Sh,
        demands: &[(0, 0, Mode::Ex)],
        ..local(&[task(0, 0, SH), task(0, 0, DF)])
    };
    /// Two different demands: down to UN.
    DEMANDS = "EX, demands for SH and DF", Case {
        demands: &[(0, 0, Mode::Sh), (0, 0, Mode::Df)],
        ..local(&[task(0, 0, EX)])
    };
    HOLD_TIME = "EX, SH, a demand for EX after the hold time", Case {
        hold_time: true,
        demands: &[(0, 0, Mode::Ex)],
        ..local(&[task(0, 0, EX), task(0, 0, SH)])
    };
    /// SH|ANY joins a DF holder, as mmap() does (I6).
    JOINS = "DF, SH|ANY", Case {
        initial: |_, _| Mode::Df,
        ..local(&[task(0, 0, DF), task(0, 0, ANY)])
    };
    WEAK = "a weak DF, SH; v5.16", Case {
        kernel: Kernel::V516,
        ..local(&[task(0, 0, WEAK_DF), task(0, 0, SH)])
    };
    WEAK_DEMANDED = "a weak EX, a demand for SH; v6.0", Case {
        kernel: Kernel::V60,
        demands: &[(0, 0, Mode::Sh)],
        ..local(&[task(0, 0, WEAK_EX), task(0, 0, SH)])
    };
    TRY_618 = "EX, TRY SH, a demand for EX; v6.18", Case {
        kernel: Kernel::V618,
        demands: &[(0, 0, Mode::Ex)],
        ..local(&[task(0, 0, EX), task(0, 0, TRY_SH)])
    };
    /// Two requests of one node, each of which needs another mode of it.
    COLD_CLUSTER = "SH and DF of one node of a cluster, from nothing", Case {
        tasks: &[task(0, 0, SH), task(0, 0, DF)],
        ..TWO_NODES
    };
    /// Two requests of one node for different modes, and one of another node.
    MIXED_CLUSTER = "SH and EX of one node, EX of another", Case {
        tasks: &[task(0, 0, SH), task(0, 0, EX), task(1, 0, EX)],
        ..TWO_NODES
    };
    NODES_EX = "EX on two nodes", Case {
        tasks: &[task(0, 0, EX), task(1, 0, EX)],
        ..TWO_NODES
    };
    NODES_CONVERT = "SH to EX on two nodes", Case {
        initial: |_, _| Mode::Sh,
        tasks: &[task(0, 0, EX), task(1, 0, EX)],
        ..TWO_NODES
    };
    NODES_SH_DF = "SH and DF on two nodes", Case {
        tasks: &[task(0, 0, TWICE_SH), task(1, 0, DF)],
        ..TWO_NODES
    };
    NODES_TRY = "EX cached, TRY SH and TRY_1CB SH on the other node", Case {
        initial: |node, _| if node == 0 { Mode::Ex } else { Mode::Un },
        tasks: &[task(1, 0, TRY_SH), task(1, 0, TRY_1CB)],
        ..TWO_NODES
    };
    RACE_BASE = "the race, base", RACE;
    RACE_FLAG = "the race, a flag", Case { flavour: Flavour::SideChannel, ..RACE };
    RACE_ERRNO = "the race, an errno", Case { flavour: Flavour::Errno, ..RACE };
    RACE_FAULT_IN = "the race, fault-in and retry", Case {
        flavour: Flavour::FaultInRetry,
        kernel: Kernel::V516,
        ..RACE
    };
    RACE_NODES_BASE = "the race on two nodes, base", RACE_TWO_NODES;
    RACE_NODES_FLAG = "the race on two nodes, a flag", Case {
        flavour: Flavour::SideChannel,
        ..RACE_TWO_NODES
    };
    RACE_NODES_ERRNO = "the race on two nodes, an errno", Case {
        flavour: Flavour::Errno,
        ..RACE_TWO_NODES
    };
    ONE_SIDE_BASE = "one side of the race on two nodes, base", ONE_SIDE;
    ONE_SIDE_FLAG = "one side of the race on two nodes, a flag", Case {
        flavour: Flavour::SideChannel,
        ..ONE_SIDE
    };
    ONE_SIDE_ERRNO = "one side of the race on two nodes, an errno", Case {
        flavour: Flavour::Errno,
        ..ONE_SIDE
    };
    ONE_SIDE_FAULT_IN = "one side of the race on two nodes, fault-in and retry", Case {
        flavour: Flavour::FaultInRetry,
        kernel: Kernel::V516,
        ..ONE_SIDE
    };
    RACE_NODES_FAULT_IN = "the race on two nodes, fault-in and retry", Case {
        flavour: Flavour::FaultInRetry,
        kernel: Kernel::V516,
        rounds: 2,
        ..RACE_TWO_NODES
    };
    /// Four tasks on two nodes, two of them with TRY.
    CROWD = "EX, TRY SH, DF and TRY_1CB SH on two nodes", Case {
        tasks: &[task(0, 0, EX), task(0, 0, TRY_SH), task(1, 0, DF), task(1, 0, TRY_1CB)],
        ..TWO_NODES
    };
    /// Three nodes, two files.
    TRIO = "EX, SH and DF of one file on three nodes, EX of another", Case {
        nodes: 3,
        files: 2,
        tasks: &[
            task(0, 0, EX),
            task(1, 0, SH),
            task(2, 0, DF),
            task(0, 1, EX),
        ],
        ..TWO_NODES
    };
    /// Eight threads: six tasks, two nodes, four glocks, two workers.
    OCTET = "six tasks on four glocks of two nodes, two workers", Case {
        files: 2,
        workers: 2,
        tasks: &[
            task(0, 0, EX),
            task(0, 0, SH),
            task(1, 0, TRY_SH),
            task(1, 0, DF),
            task(0, 1, EX),
            task(1, 1, SH),
        ],
        ..TWO_NODES
    };
    /// Eight threads: six tasks of three nodes want one file, and so does the outside.
    SIX_AND_DEMAND = "six tasks on three nodes and a demand", Case {
        nodes: 3,
        tasks: &[
            task(0, 0, EX),
            task(0, 0, SH),
            task(1, 0, SH),
            task(1, 0, DF),
            task(2, 0, EX),
            task(2, 0, TRY_SH),
        ],
        demands: &[(1, 0, Mode::Ex)],
        ..TWO_NODES
    };
    /// Eight threads of one node, restarts bounded by the rounds.
    SIX_READERS = "six readers of three files, crosswise, a flag, two workers", Case {
        files: 3,
        pages: 1,
        workers: 2,
        flavour: Flavour::SideChannel,
        initial: |_, _| Mode::Df,
        tasks: &[
            read(0, 0, &[(1, 0)]),
            read(0, 1, &[(2, 0)]),
            read(0, 2, &[(0, 0)]),
            read(0, 0, &[(2, 0)]),
            read(0, 1, &[(0, 0)]),
            read(0, 2, &[(1, 0)]),
        ],
        rounds: 2,
        ..LOCAL
    };
    /// Five threads of two nodes.
    FOUR_READERS = "four readers of two files on two nodes, fault-in and retry", Case {
        flavour: Flavour::FaultInRetry,
        kernel: Kernel::V516,
        rounds: 2,
        tasks: &[
            read(0, 0, &[(1, 0)]),
            read(0, 1, &[(0, 0)]),
            read(1, 0, &[(1, 0)]),
            read(1, 1, &[(0, 0)]),
        ],
        ..RACE_TWO_NODES
    };
    /// Whoever is woken late for one request is not to take it for the next.
    TURNS = "EX twice, EX twice", local(&[task(0, 0, TWICE_EX), task(0, 0, TWICE_EX)]);
    /// An idle node caches EX of the file that is mapped: the RFC's TRY never moves it.
    IDLE_FLAG = "a read into a mapping that an idle node caches, a flag", Case {
        flavour: Flavour::SideChannel,
        initial: |node, file| if (node, file) == (1, 1) { Mode::Ex } else { Mode::Un },
        tasks: &[read(0, 0, &[(1, 0)])],
        rounds: 25,
        ..RACE_TWO_NODES
    };
    /// A buffer that is a mapping of the file that is read: the kernel's BUG (Q4).
    RECURSION = "a read into a mapping of the same file beside another reader, base", Case {
        files: 2,
        pages: 1,
        initial: |_, _| Mode::Df,
        tasks: &[read(0, 0, &[(0, 0)]), read(0, 1, &[(0, 0)])],
        ..LOCAL
    };
    /// One task, whose buffer is a mapping that another node demands.
    READ_DEMANDED = "a read into a mapping that is demanded", Case {
        files: 2,
        pages: 1,
        flavour: Flavour::FaultInRetry,
        kernel: Kernel::V516,
        demands: &[(0, 1, Mode::Ex)],
        ..local(&[read(0, 0, &[(1, 0)])])
    };
    /// Two pages: progress before the fault that is refused (X1).
    READ_TWO = "a read of two pages, the second demanded", Case {
        files: 3,
        pages: 2,
        flavour: Flavour::SideChannel,
        demands: &[(0, 2, Mode::Ex)],
        ..local(&[read(0, 0, &[(1, 0), (2, 0)])])
    };
    /// Anonymous memory beside a mapping: present, absent, and a page of a file.
    ANONYMOUS_FAULT_IN = "a read into anonymous memory and a demanded mapping, fault-in", Case {
        files: 2,
        pages: 3,
        flavour: Flavour::FaultInRetry,
        kernel: Kernel::V516,
        demands: &[(0, 1, Mode::Ex)],
        ..local(&[read(0, 0, &[(PRESENT, 0), (ABSENT, 0), (1, 0)])])
    };
    ANONYMOUS_FLAG = "a read into anonymous memory and a demanded mapping, a flag", Case {
        files: 2,
        pages: 2,
        flavour: Flavour::SideChannel,
        demands: &[(0, 1, Mode::Ex)],
        ..local(&[read(0, 0, &[(ABSENT, 0), (1, 0)])])
    };
}
