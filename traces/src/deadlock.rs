//! The closing block of a deadlock: who holds what, who waits for what, and the
//! cycle in words, in the visual language of lockdep's reports.

use crate::dump::statement;
use crate::names::Names;
use glock_model::cluster::{Cluster, State};
use glock_model::glock::{Holder, Stage};
use glock_model::mode::Mode;
use glock_model::node::Node;
use glock_model::task::{Fault, Flight, Status, Sub, Task, Wait};
use glock_model::waits::{self, Waiter};

/// The block as lines that may still have to be wrapped.
pub(crate) fn lines(cluster: &Cluster, state: &State) -> Vec<String> {
    let report = Report {
        cluster,
        names: Names::new(cluster),
        state,
    };
    let mut out = vec![" *** DEADLOCK ***".to_string(), String::new()];
    let cycle = waits::cycle(cluster, state);
    for task in 0..cluster.scenario().tasks.len() {
        let in_cycle = |c: &Vec<Waiter>| c.contains(&Waiter::Task(task as u8));
        if cycle.as_ref().is_none_or(in_cycle) || report.is_stuck_behind(task) {
            report.task(&mut out, task);
        }
    }
    out.push(String::new());
    match cycle {
        Some(cycle) => out.push(report.cycle(&task_first(cycle))),
        None => out.push(report.standstill()),
    }
    out
}

/// The same cycle, told from its first task on.
fn task_first(mut cycle: Vec<Waiter>) -> Vec<Waiter> {
    let tasks = cycle.iter().filter(|w| matches!(w, Waiter::Task(_)));
    if let Some(first) = tasks.min().copied()
        && let Some(at) = cycle.iter().position(|&w| w == first)
    {
        cycle.rotate_left(at);
    }
    cycle
}

struct Report<'a> {
    cluster: &'a Cluster,
    names: Names<'a>,
    state: &'a State,
}

impl Report<'_> {
    fn node_of(&self, task: usize) -> (usize, &Node) {
        let n = self.cluster.scenario().node_of(task);
        (n, &self.state.nodes[n])
    }

    fn task_state(&self, task: usize) -> &Task {
        &self.node_of(task).1.tasks[task]
    }

    /// Does a task wait for somebody, in the cycle or not?
    fn is_stuck_behind(&self, task: usize) -> bool {
        let t = self.task_state(task);
        t.wait == Wait::Sleeping || t.sub == Sub::MmQueued || t.fault == Fault::Begin
    }

    /// What a task that is not over holds, and where it stands.
    fn task(&self, out: &mut Vec<String>, task: usize) {
        if self.task_state(task).status != Status::Running {
            return;
        }
        let name = self.names.task(task as u8);
        let locks = self.locks_held(task);
        match locks.len() {
            0 => out.push(format!("no locks held by {name}")),
            1 => out.push(format!("1 lock held by {name}:")),
            n => out.push(format!("{n} locks held by {name}:")),
        }
        for (i, lock) in locks.iter().enumerate() {
            out.push(format!(" #{i}: {lock}"));
        }
        if let Some(place) = self.place(task) {
            out.push(format!(" {name} is at {place}"));
        }
    }

    fn locks_held(&self, task: usize) -> Vec<String> {
        let (n, node) = self.node_of(task);
        let mut locks = Vec::new();
        for file in 0..self.cluster.scenario().files.len() {
            let held = node.held(task, file);
            if held != Mode::Un {
                let glock = self.names.glock(n as u8, file as u8);
                locks.push(format!("{glock} ({})", held.name()));
            }
            if node.rwsem[file] == task as u8 + 1 {
                locks.push(format!(
                    "i_rwsem of {} (write)",
                    self.names.file(file as u8)
                ));
            }
        }
        let t = &node.tasks[task];
        if t.mmap_read {
            locks.push("mmap_lock (read)".to_string());
        }
        if t.mmap_write() {
            locks.push("mmap_lock (write)".to_string());
        }
        if t.page_locked {
            locks.push("a page lock".to_string());
        }
        locks
    }

    /// The statement of the design a task stands at.
    fn place(&self, task: usize) -> Option<String> {
        let (_, node) = self.node_of(task);
        let t = &node.tasks[task];
        match t.sub {
            Sub::MmArrive | Sub::MmQueued => return Some("mmap_write_lock".to_string()),
            Sub::Parked => return Some("the completion of its direct I/O".to_string()),
            _ => {}
        }
        let runs_design = self.cluster.scenario().tasks[task].op.is_io() || t.nested();
        runs_design.then(|| statement(self.cluster.program(), node, task))
    }

    /// `P1 waits for F2, held by P2 (DF); P2 waits for F1, held by P1 (DF)`: what
    /// lies between two tasks of the cycle is told with the first of them.
    fn cycle(&self, cycle: &[Waiter]) -> String {
        let mut text = String::new();
        let next = cycle.iter().cycle().skip(1);
        for (i, (&from, &to)) in cycle.iter().zip(next).enumerate() {
            let clause = match from {
                Waiter::Task(t) => self.task_waits(t, to),
                Waiter::Work { node, file } => self.work_waits(node, file, to),
                Waiter::Request { file, .. } => self.request_waits(file, to),
            };
            if matches!(from, Waiter::Task(_)) && i > 0 {
                text += "; ";
            }
            text += &clause;
        }
        text + "."
    }

    fn task_waits(&self, task: u8, to: Waiter) -> String {
        let me = self.names.task(task);
        let t = self.task_state(task as usize);
        let (n, node) = self.node_of(task as usize);
        let file = node.frame_file(&self.cluster.ctx(n), task as usize);
        let name = self.names.file(file as u8);
        match to {
            Waiter::Work { .. } | Waiter::Request { .. } => {
                let gl = &node.glocks[file];
                let demoted = gl.stage == Stage::Idle || gl.demote_in_progress;
                let how = if demoted { " to be demoted first" } else { "" };
                format!("{me} waits for {name}{how}")
            }
            Waiter::Task(other)
                if node.waits_for_dio(&self.cluster.ctx(n), task as usize, file) =>
            {
                format!(
                    "{me} has {name} and waits for direct I/O{}",
                    self.in_flight(other)
                )
            }
            Waiter::Task(other) if t.wait == Wait::Sleeping => {
                let gl = &node.glocks[file];
                let holder = match other == task {
                    true => gl.queue.weak_of(other),
                    false => gl.queue.of(other).or(gl.queue.weak_of(other)),
                };
                let how = self.in_the_way(other, holder, gl.demote_wanted());
                format!("{me} waits for {name}, {how}")
            }
            Waiter::Task(other) => self.waits_for_other_lock(task, other, t, name),
        }
    }

    /// Goes on behind "direct I/O": why it is still in flight.
    fn in_flight(&self, other: u8) -> String {
        let who = self.names.task(other);
        match self.task_state(other as usize).aio.flight {
            Flight::Submitting => format!(" that {who} still submits"),
            _ => format!(" whose completion needs a page that {who} has locked"),
        }
    }

    fn in_the_way(&self, other: u8, holder: Option<&Holder>, demote: bool) -> String {
        let who = self.names.task(other);
        match holder {
            Some(h) if h.granted && demote => {
                format!("to be demoted once {who} gives it up ({})", h.mode.name())
            }
            Some(h) if h.granted => format!("held by {who} ({})", h.mode.name()),
            Some(h) => format!("queued behind {who} ({})", h.mode.name()),
            None => format!("which {who} keeps"),
        }
    }

    fn waits_for_other_lock(&self, task: u8, other: u8, t: &Task, file: &str) -> String {
        let (me, who) = (self.names.task(task), self.names.task(other));
        let o = self.task_state(other as usize);
        let (n, node) = self.node_of(task as usize);
        let server = node.waits_for_server(&self.cluster.ctx(n), task as usize);
        if t.fault == Fault::Begin && server == Some(other as usize) {
            return format!("{me} waits for {who} to serve its fault");
        }
        if t.sub == Sub::Parked {
            return format!("the completion for {me} waits for a page that {who} has locked");
        }
        if t.sub == Sub::MmQueued {
            return format!("{me} waits to write mmap_lock, held by {who} (read)");
        }
        if matches!(o.sub, Sub::MmQueued | Sub::MmHeld)
            && (t.fault == Fault::Begin || t.sub == Sub::DioPage)
        {
            let how = if o.sub == Sub::MmHeld {
                format!("held by {who} (write)")
            } else {
                format!("queued behind the writer {who}")
            };
            return format!("{me} waits to read mmap_lock, {how}");
        }
        format!("{me} waits for i_rwsem of {file}, held by {who} (write)")
    }

    /// Goes on behind "waits for F1": what the change of a node's mode waits for.
    fn work_waits(&self, node: u8, file: u8, to: Waiter) -> String {
        let gl = &self.state.nodes[node as usize].glocks[file as usize];
        match (to, gl.stage) {
            (Waiter::Task(other), Stage::Sync)
                if self.cluster.scenario().tasks[other as usize].file == file
                    && self.task_state(other as usize).aio.flight == Flight::Submitting =>
            {
                format!(", where direct I/O is in flight{}", self.in_flight(other))
            }
            (Waiter::Task(other), Stage::Sync | Stage::Inval) => {
                format!(", where {} has a page locked", self.names.task(other))
            }
            (Waiter::Task(other), _) => {
                let held = self.state.nodes[node as usize].held(other as usize, file as usize);
                format!(", held by {} ({})", self.names.task(other), held.name())
            }
            _ => String::new(), // the request it has sent goes on
        }
    }

    /// Goes on behind "waits for F1": what a request queued at the lock space waits
    /// for.
    fn request_waits(&self, file: u8, to: Waiter) -> String {
        match to {
            Waiter::Task(other) => {
                let (n, there) = self.node_of(other as usize);
                let held = there.held(other as usize, file as usize);
                let (who, place) = (self.names.task(other), self.names.node(n as u8));
                format!(", held by {who} on {place} ({})", held.name())
            }
            Waiter::Request { node, .. } => {
                format!(", queued at the dlm behind {}", self.names.node(node))
            }
            Waiter::Work { node, .. } => {
                format!(", which {} has yet to give up", self.names.node(node))
            }
        }
    }

    /// No cycle was found: nobody can move all the same.
    fn standstill(&self) -> String {
        "Nobody can move any more, and not every call has returned.".to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glock_model::{design, scenario};

    /// What is said of a cycle; the state only matters where it names modes.
    fn told(cycle: &[Waiter]) -> String {
        let scenario = scenario::Library::builtin().load("race-direct-read-two-nodes");
        let design = design::Library::builtin().load("base");
        let (scenario, design) = (scenario.expect("known"), design.expect("known"));
        let cluster = Cluster::new(scenario, design.program).expect("they fit");
        let mut state = cluster.initial_states()[0];
        state.nodes[0].glocks[0].stage = Stage::Sent;
        state.nodes[1].glocks[0].stage = Stage::Inval;
        let report = Report {
            cluster: &cluster,
            names: Names::new(&cluster),
            state: &state,
        };
        report.cycle(cycle)
    }

    #[test]
    fn a_wait_through_the_lock_space_is_one_clause() {
        let (work, request) = (
            Waiter::Work { node: 0, file: 0 },
            Waiter::Request { node: 0, file: 0 },
        );
        let elsewhere = Waiter::Work { node: 1, file: 0 };
        assert_eq!(
            told(&[Waiter::Task(0), work, request, elsewhere, Waiter::Task(1)]),
            "P1 waits for F1, which node 2 has yet to give up, where P2 has a page locked; \
             P2 waits for i_rwsem of F2, held by P1 (write)."
        );
        let queued = Waiter::Request { node: 1, file: 0 };
        assert_eq!(
            told(&[Waiter::Task(0), work, request, queued, Waiter::Task(1)]),
            "P1 waits for F1, queued at the dlm behind node 2, held by P2 on node 2 (UN); \
             P2 waits for i_rwsem of F2, held by P1 (write)."
        );
    }

    #[test]
    fn a_cycle_begins_with_its_first_task() {
        let work = Waiter::Work { node: 0, file: 0 };
        let cycle = task_first(vec![work, Waiter::Task(1), Waiter::Task(0)]);
        assert_eq!(cycle, [Waiter::Task(0), work, Waiter::Task(1)]);
    }
}
