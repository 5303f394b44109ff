//! How the actors, their states, messages and steps read in stateright's
//! Explorer. Names are the scenario's where they are known; states, timers and
//! events know only the numbers, in the order of the scenario.

use super::{MemberState, Msg, SystemAction, SystemState, Timer};
use crate::cluster::Cluster;
use crate::event::Event;
use crate::glock::{Demote, Glock, Request, Stage};
use crate::lockspace::{Resource, Waiting};
use crate::mode::Mode;
use crate::node::Node;
use crate::scenario::{MAX_FILES, MAX_TASKS, MAX_VPAGES, Page, Pte};
use crate::task::{Fault, Status, Sub, Task, Wait};
use stateright::actor::{ActorModelAction, Id};
use std::fmt::{self, Write};

/// "node 1": people count nodes from 1, as scenario files do.
pub(super) fn node_name(node: u8) -> String {
    format!("node {}", node + 1)
}

/// "lock space F1".
pub(super) fn lock_space_name(cluster: &Cluster, file: u8) -> String {
    format!("lock space {}", file_name(cluster, file))
}

fn file_name(cluster: &Cluster, file: u8) -> &str {
    &cluster.scenario().files[file as usize].name
}

fn member_name(cluster: &Cluster, id: Id) -> String {
    let (id, nodes) = (usize::from(id), cluster.scenario().nodes as usize);
    if id < nodes {
        node_name(id as u8)
    } else {
        lock_space_name(cluster, (id - nodes) as u8)
    }
}

/// A step in one line.
pub(super) fn action(cluster: &Cluster, action: &SystemAction) -> String {
    let scenario = cluster.scenario();
    let name = |id: &Id| member_name(cluster, *id);
    let file = |f: u8| file_name(cluster, f);
    match action {
        ActorModelAction::Deliver { src, dst, msg } => {
            format!("{} → {msg:?} → {}", name(src), name(dst))
        }
        ActorModelAction::Timeout(id, timer) => match *timer {
            Timer::Start { task } => {
                let task = &scenario.tasks[task as usize];
                format!("{} starts ({} on {})", task.name, task.op.name(), name(id))
            }
            Timer::Task { task, choice } => {
                let task = &scenario.tasks[task as usize];
                let outcome = match choice {
                    0 => "",
                    _ if scenario.switches.readahead => ", another outcome",
                    _ => ", filemap_fault drops mmap_lock",
                };
                format!(
                    "{} runs ({} on {}){outcome}",
                    task.name,
                    task.op.name(),
                    name(id)
                )
            }
            Timer::Worker { file: f } => format!("{}: work on {}", name(id), file(f)),
            Timer::Expire { file: f } => {
                format!("{}: minimum hold time of {} is over", name(id), file(f))
            }
            Timer::Demand { demand } => {
                let demand = &scenario.events.demands[demand as usize];
                let (file, mode) = (file(demand.file), demand.mode);
                format!("{}: somebody outside wants {file} in {mode}", name(id))
            }
            Timer::Append { file: f } => {
                format!(
                    "{}: somebody outside appends a page to {}",
                    name(id),
                    file(f)
                )
            }
            Timer::Shrink { file: f } => format!("{}: the shrinker takes {}", name(id), file(f)),
            Timer::ReclaimPage { file: f, page } => {
                format!("{}: reclaim takes page {page} of {}", name(id), file(f))
            }
            Timer::ReclaimAnon { vpage } => {
                format!("{}: reclaim takes anonymous page {vpage}", name(id))
            }
        },
        other => format!("{other:?}"),
    }
}

/// What happened in a step, and what became of the actor that took it.
pub(super) fn step(
    cluster: &Cluster,
    events: &[Event],
    action: &SystemAction,
    next: &SystemState,
) -> String {
    let mut out = String::new();
    for event in events {
        let _ = match *event {
            Event::Line { task, pc } => {
                let name = &cluster.scenario().tasks[task as usize].name;
                let line = cluster.program().line(pc);
                writeln!(out, "{name}, {}(): {}", line.function, line.text)
            }
            event => writeln!(out, "{event:?}"),
        };
    }
    let id = match action {
        ActorModelAction::Deliver { dst, .. } => *dst,
        ActorModelAction::Timeout(id, _) => *id,
        _ => return out,
    };
    let _ = writeln!(out, "\n{:#?}", next.actor_states[usize::from(id)]);
    out
}

impl fmt::Debug for Msg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Msg::Request(request) => write!(f, "request {}", Text(request)),
            Msg::Grant => f.write_str("grant"),
            Msg::Refuse => f.write_str("refuse"),
            Msg::Bast(mode) => write!(f, "bast {mode}"),
        }
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Timer::Start { task } => write!(f, "task {task} starts"),
            Timer::Task { task, choice: 0 } => write!(f, "task {task}"),
            Timer::Task { task, choice } => write!(f, "task {task}, outcome {choice}"),
            Timer::Worker { file } => write!(f, "worker of file {file}"),
            Timer::Expire { file } => write!(f, "hold time of file {file}"),
            Timer::Demand { demand } => write!(f, "demand {demand}"),
            Timer::Append { file } => write!(f, "append to file {file}"),
            Timer::Shrink { file } => write!(f, "shrinker takes file {file}"),
            Timer::ReclaimPage { file, page } => write!(f, "reclaim page {page} of file {file}"),
            Timer::ReclaimAnon { vpage } => write!(f, "reclaim user page {vpage}"),
        }
    }
}

/// States list what is not at its default, a line for each thing.
impl fmt::Debug for MemberState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MemberState::Node(node) => debug_node(node, f),
            MemberState::LockSpace(resource) => debug_resource(resource, f),
        }
    }
}

fn debug_node(node: &Node, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut out = f.debug_map();
    for file in 0..MAX_FILES {
        if node.glocks[file] != Glock::default() {
            let glock = Text(&node.glocks[file]).to_string();
            out.entry(&Plain(format!("glock {file}")), &Plain(glock));
        }
        if node.pages[file].iter().any(|&p| p != Page::Absent) {
            out.entry(&Plain(format!("cached {file}")), &Inline(&node.pages[file]));
        }
        if node.rwsem[file] != 0 {
            let owner = Plain(format!("task {}", node.rwsem[file] - 1));
            out.entry(&Plain(format!("i_rwsem {file}")), &owner);
        }
        if node.inode_flags[file] != 0 {
            let key = Plain(format!("inode flags {file}"));
            out.entry(&key, &node.inode_flags[file]);
        }
    }
    if node.sw_paged != 0 {
        out.entry(&Plain("GIF_SW_PAGED".into()), &Bits(node.sw_paged));
    }
    for (open, flags) in node.file_flags.iter().enumerate() {
        if *flags != 0 {
            out.entry(&Plain(format!("file flags {open}")), flags);
        }
    }
    for vpage in 0..MAX_VPAGES {
        let bit = |bits: u8| bits >> vpage & 1 != 0;
        let (pte, copied, bad) = (node.ptes[vpage], bit(node.copied), bit(node.bad));
        if pte != Pte::None || copied || bad {
            let copied = if copied { " copied" } else { "" };
            let bad = if bad { " bad" } else { "" };
            let text = format!("{pte:?}{copied}{bad}");
            out.entry(&Plain(format!("user page {vpage}")), &Plain(text));
        }
    }
    for task in 0..MAX_TASKS {
        if node.tasks[task] != Task::default() {
            let text = Text(&node.tasks[task]).to_string();
            out.entry(&Plain(format!("task {task}")), &Plain(text));
        }
    }
    out.finish()
}

fn debug_resource(resource: &Resource, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut out = f.debug_map();
    for (n, lock) in (0..).zip(&resource.locks) {
        if lock.exists {
            let mut text = lock.granted.to_string();
            if lock.highbast != Mode::Un {
                let _ = write!(text, ", told of {}", lock.highbast);
            }
            out.entry(&Plain(node_name(n)), &Plain(text));
        }
    }
    for (name, queue) in [("convert", resource.convert), ("wait", resource.wait)] {
        if !queue.as_slice().is_empty() {
            let one = |w: &Waiting| format!("{} {}", node_name(w.node), w.mode);
            let all: Vec<String> = queue.as_slice().iter().map(one).collect();
            out.entry(&Plain(name.into()), &Plain(all.join(", ")));
        }
    }
    out.finish()
}

/// Debug text as it stands.
struct Plain(String);

impl fmt::Debug for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Debug text on one line.
struct Inline<'a, T>(&'a T);

impl<T: fmt::Debug> fmt::Debug for Inline<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// The numbers of the bits that are set.
struct Bits(u8);

impl fmt::Debug for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set: Vec<u8> = (0..8).filter(|i| self.0 >> i & 1 != 0).collect();
        write!(f, "{set:?}")
    }
}

/// One line about a part of a state.
struct Text<'a, T>(&'a T);

impl fmt::Display for Text<'_, Request> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let r = self.0;
        write!(f, "{}", r.mode)?;
        for (set, name) in [
            (r.noqueue, "|NOQUEUE"),
            (r.noqueuebast, "|NOQUEUEBAST"),
            (r.quecvt, "|QUECVT"),
        ] {
            if set {
                f.write_str(name)?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Text<'_, Glock> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gl = self.0;
        write!(f, "{}", gl.state)?;
        if gl.target != gl.state {
            write!(f, ", target {}", gl.target)?;
        }
        if gl.demote != Demote::None {
            write!(f, ", demote {:?} to {}", gl.demote, gl.demote_state)?;
        }
        if gl.demote_in_progress {
            f.write_str(" (in progress)")?;
        }
        if gl.stage != Stage::Idle {
            write!(f, ", {:?} for {} by {:?}", gl.stage, gl.req, gl.runner)?;
        }
        for h in gl.queue.as_slice() {
            let granted = if h.granted { "holds" } else { "waits for" };
            write!(f, "; task {} {granted} {}{}", h.task, h.mode, h.flags)?;
        }
        Ok(())
    }
}

impl fmt::Display for Text<'_, Task> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let t = self.0;
        match t.status {
            Status::Idle => return f.write_str("not begun"),
            Status::Done => return write!(f, "returned {}", t.result),
            Status::Bug => f.write_str("kernel BUG, pc ")?,
            Status::Running => f.write_str("pc ")?,
        }
        write!(f, "{}", t.pc)?;
        if t.nested() {
            write!(f, "/{}", t.nested_pc)?;
        }
        if t.sub != Sub::None {
            write!(f, ", {:?}", t.sub)?;
        }
        if t.fault != Fault::None {
            write!(f, ", fault {:?}", t.fault)?;
        }
        if t.wait != Wait::No {
            write!(f, ", {:?}", t.wait)?;
        }
        for (set, name) in [
            (t.mmap_read, "mmap_lock"),
            (t.page_locked, "page locked"),
            (t.faults_off, "faults off"),
            (t.nofault, "nofault"),
        ] {
            if set {
                write!(f, ", {name}")?;
            }
        }
        let (pos, count, ki_pos) = (t.iter_pos, t.iter_count, t.ki_pos);
        write!(f, "; iter at {pos}, {count} left, ki_pos {ki_pos}")
    }
}

#[cfg(test)]
mod tests {
    use crate::actors::{Actors, SystemState, explorable};
    use crate::{design, scenario};
    use stateright::Model;

    /// Takes the steps that read like this, one after the other, and tells all.
    fn told(actors: &Actors, steps: &[&str]) -> String {
        let mut state: SystemState = actors.init_states().remove(0);
        let mut out = String::new();
        for step in steps {
            let mut actions = Vec::new();
            actors.actions(&state, &mut actions);
            let offered: Vec<String> = actions.iter().map(|a| actors.format_action(a)).collect();
            let found = offered.iter().position(|text| text == step);
            let found = found.unwrap_or_else(|| panic!("no {step}, only {offered:?}"));
            let action = actions[found].clone();
            let happened = actors.format_step(&state, action.clone()).unwrap();
            out += &format!("{step}\n\n{happened}\n");
            state = actors.next_state(&state, action).unwrap();
        }
        out
    }

    #[test]
    fn steps_are_told_in_words() {
        let scenario = scenario::Library::builtin().load("touch-load-idle-remote");
        let program = design::Library::builtin().load("base").unwrap().program;
        let actors = explorable(scenario.unwrap(), program).unwrap();
        let text = told(
            &actors,
            &[
                "P1 runs (load on node 1)",
                "P1 runs (load on node 1)",
                "node 1 → request SH|QUECVT → lock space F2",
                "lock space F2 → bast SH → node 2",
                "node 2: work on F2",
            ],
        );
        insta::assert_snapshot!(text);
    }
}
