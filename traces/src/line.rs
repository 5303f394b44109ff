//! One line of a history: who did what, how deep in calls, at which line of the design.

/// Who acts in a step. Indices are the scenario's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Actor {
    /// A task.
    Task(u8),
    /// The glock machinery of a node: work items, answers and callbacks that arrive,
    /// minimum hold times.
    Worker {
        /// The node, from 0.
        node: u8,
    },
    /// The lock space.
    LockSpace,
    /// Memory pressure, the shrinker, processes outside the model.
    Environment,
}

/// A line of the design.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesignLine {
    /// Name of the design it stands in (one that is extended, if it was inherited).
    pub design: String,
    /// Line number in that design's file, from 1.
    pub number: u32,
    /// The statement.
    pub text: String,
}

/// One line of text: what somebody did in a step, or a part of it.
///
/// A step has no line if it says nothing, and several if several things happen in it,
/// not all of them to the one who takes the step: a glock's worker may grant a task's
/// request, and the lock space's answer may arrive at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Who.
    pub actor: Actor,
    /// Call depth: 0 in the system call, 1 inside `gfs2_file_…`, 2 inside the
    /// transfer, 3 inside a page fault, 4 inside its handler.
    pub depth: u8,
    /// The call, or whatever happened. For background work: the glock it is about.
    pub call: String,
    /// How the call ended or what it does now; may be empty.
    pub outcome: String,
    /// Goes on with a call that an earlier line of this actor began.
    pub continues: bool,
    /// The line of the design that was executed, if a task executed one.
    pub design: Option<DesignLine>,
}

impl Line {
    /// The whole text.
    pub fn text(&self) -> String {
        match (self.call.is_empty(), self.outcome.is_empty()) {
            (_, true) => self.call.clone(),
            (true, false) => self.outcome.clone(),
            (false, false) => format!("{}: {}", self.call, self.outcome),
        }
    }
}
