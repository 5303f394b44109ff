//! One state as text, the way gfs2 dumps its glocks in debugfs.

use crate::columns::WIDTH;
use crate::names::Names;
use crate::wrap::wrap;
use glock_model::cluster::{Cluster, State};
use glock_model::glock::{Glock, Holder};
use glock_model::lockspace::Message;
use glock_model::node::Node;
use glock_model::program::{NqFlags, Program, Val};
use glock_model::scenario::{Page, Pte};
use glock_model::task::{Fault, Pinned, Status, Sub, Task, Wait};
use std::fmt::Write;

/// A compact dump of a state: per node its glocks in the form of gfs2's glock dump,
/// cached pages, page tables and tasks; then the lock space and what is under way.
pub fn describe_state(cluster: &Cluster, state: &State) -> String {
    let dump = Dump {
        cluster,
        names: Names::new(cluster),
        state,
    };
    let mut out = String::new();
    for node in 0..cluster.scenario().nodes as usize {
        dump.node(&mut out, node);
    }
    if dump.names.has_lock_space() {
        for file in 0..cluster.scenario().files.len() {
            dump.resource(&mut out, file);
        }
    }
    out
}

struct Dump<'a> {
    cluster: &'a Cluster,
    names: Names<'a>,
    state: &'a State,
}

impl Dump<'_> {
    fn node(&self, out: &mut String, n: usize) {
        let scenario = self.cluster.scenario();
        let node = &self.state.nodes[n];
        push(out, &self.names.node(n as u8));
        for file in 0..scenario.files.len() {
            self.glock(out, node, file);
        }
        let pages = (0..scenario.vpages.len()).filter(|&v| {
            let mm = &scenario.mms[scenario.vpages[v].mm as usize];
            mm.node as usize == n
        });
        let pages: Vec<String> = pages.map(|v| self.vpage(node, v)).collect();
        if !pages.is_empty() {
            push(out, &format!("  pte: {}", pages.join(", ")));
        }
        for task in (0..scenario.tasks.len()).filter(|&t| scenario.node_of(t) == n) {
            self.task(out, node, task);
        }
    }

    fn glock(&self, out: &mut String, node: &Node, file: usize) {
        let gl = &node.glocks[file];
        let pages = &node.pages[file][..self.cluster.scenario().files[file].pages as usize];
        push(
            out,
            &format!(
                "  G:  s:{} n:2/{} f:{} t:{} d:{} pages:{}{}{}",
                gl.state.name(),
                self.names.file(file as u8),
                glock_flags(gl),
                gl.target.name(),
                gl.demote_state.name(),
                pages.iter().map(page_letter).collect::<String>(),
                match self.cluster.scenario().files[file].grows() {
                    false => String::new(),
                    true => format!(" i_size:{} of {}", node.i_size[file], node.disk_size[file]),
                },
                match node.rwsem[file] {
                    0 => String::new(),
                    owner => format!(" i_rwsem:{}", self.names.task(owner - 1)),
                },
            ),
        );
        for holder in gl.queue.as_slice() {
            push(
                out,
                &format!(
                    "   H: s:{} f:{} e:0 p:{}",
                    holder.mode.name(),
                    holder_flags(holder),
                    self.names.task(holder.task)
                ),
            );
        }
    }

    fn vpage(&self, node: &Node, v: usize) -> String {
        let pte = match node.ptes[v] {
            Pte::None => "none",
            Pte::Ro => "ro",
            Pte::Rw => "rw",
        };
        let copied = if node.is_copied(v) { " copied" } else { "" };
        let bad = if node.bad & (1 << v) != 0 { " bad" } else { "" };
        format!("{} {pte}{copied}{bad}", self.names.vpage_of_mm(v as u8))
    }

    fn task(&self, out: &mut String, node: &Node, t: usize) {
        let task = &node.tasks[t];
        let name = self.names.task(t as u8);
        let call = self.names.operation(t as u8);
        let status = match task.status {
            Status::Idle => "not begun".to_string(),
            Status::Done if task.result == Val::SIGBUS => "killed by SIGBUS".to_string(),
            Status::Done => format!("returned {}", task.result),
            Status::Bug => "BUG".to_string(),
            Status::Running => self.position(node, t),
        };
        push(out, &format!("  {name} {call}: {status}"));
        if task.status == Status::Running {
            let details = task_details(task);
            if !details.is_empty() {
                push(out, &format!("   {}", details.join(" ")));
            }
        }
    }

    /// Where a running task is.
    fn position(&self, node: &Node, t: usize) -> String {
        let task = &node.tasks[t];
        let spec = &self.cluster.scenario().tasks[t];
        let wait = match task.wait {
            Wait::No => "",
            Wait::Sleeping => ", asleep",
            Wait::Failed => ", TRY failed",
        };
        let runs_design = spec.op.is_io() || task.nested();
        if !runs_design {
            return format!("{:?}{wait}", task.sub).to_lowercase();
        }
        format!("at {}{wait}", statement(self.cluster.program(), node, t))
    }

    fn resource(&self, out: &mut String, f: usize) {
        let r = &self.state.resources[f];
        let nodes = self.cluster.scenario().nodes as usize;
        let granted = (0..nodes).map(|n| match r.locks[n].exists {
            true => format!("{}:{}", n + 1, r.locks[n].granted.name()),
            false => format!("{}:-", n + 1),
        });
        let granted: Vec<String> = granted.collect();
        let mut text = format!(
            "dlm {} granted {}",
            self.names.file(f as u8),
            granted.join(" ")
        );
        for (name, queue) in [("convert", &r.convert), ("wait", &r.wait)] {
            for w in queue.as_slice() {
                let _ = write!(text, " {name} {}:{}", w.node + 1, w.mode.name());
            }
        }
        push(out, &text);
        for n in 0..nodes {
            self.channel(out, n, f);
        }
    }

    fn channel(&self, out: &mut String, n: usize, f: usize) {
        let channel = &self.state.channels[n][f];
        let mut under_way = Vec::new();
        if let Some(r) = channel.request {
            let noqueue = if r.noqueue { " NOQUEUE" } else { "" };
            under_way.push(format!("request {}{noqueue}", r.mode.name()));
        }
        under_way.extend(channel.messages().map(|m| match m {
            Message::Grant => "grant".to_string(),
            Message::Refuse => "refusal".to_string(),
            Message::Bast(mode) => format!("blocking callback {}", mode.name()),
        }));
        if !under_way.is_empty() {
            push(
                out,
                &format!("  {}: {}", self.names.node(n as u8), under_way.join(", ")),
            );
        }
    }
}

fn push(out: &mut String, line: &str) {
    for part in wrap(line, WIDTH, 4) {
        out.push_str(part.trim_end());
        out.push('\n');
    }
}

/// `fault-in-first:12 "gfs2_glock_nq file DF"`.
pub(crate) fn statement(program: &Program, node: &Node, task: usize) -> String {
    let pc = node.frame_pc(task);
    let line = program.line(pc);
    let design = &program.sources[line.source as usize].design;
    format!("{design}:{} \"{}\"", line.number, line.text)
}

fn page_letter(page: &Page) -> char {
    match page {
        Page::Absent => '-',
        Page::Clean => 'c',
        Page::Dirty => 'd',
    }
}

/// As `gflags2str`: l GLF_LOCK, D DEMOTE, d PENDING_DEMOTE, p DEMOTE_IN_PROGRESS, i
/// INVALIDATE_IN_PROGRESS, r REPLY_PENDING, q QUEUED.
pub(crate) fn glock_flags(gl: &Glock) -> String {
    let flags = [
        (gl.locked(), 'l'),
        (gl.demote.now(), 'D'),
        (gl.demote.pending(), 'd'),
        (gl.demote_in_progress, 'p'),
        (gl.invalidate_in_progress(), 'i'),
        (gl.stage == glock_model::glock::Stage::Reply, 'r'),
        (!gl.queue.as_slice().is_empty(), 'q'),
    ];
    flags
        .iter()
        .filter(|(set, _)| *set)
        .map(|(_, c)| *c)
        .collect()
}

/// As `hflags2str`: t LM_FLAG_TRY, T TRY_1CB, A ANY, H HIF_HOLDER, W HIF_WAIT,
/// D HIF_MAY_DEMOTE.
pub(crate) fn holder_flags(holder: &Holder) -> String {
    let flags = [
        (holder.flags.has(NqFlags::TRY), 't'),
        (holder.flags.has(NqFlags::TRY_1CB), 'T'),
        (holder.flags.has(NqFlags::ANY), 'A'),
        (holder.granted, 'H'),
        (!holder.granted, 'W'),
        (holder.weak, 'D'),
    ];
    flags
        .iter()
        .filter(|(set, _)| *set)
        .map(|(_, c)| *c)
        .collect()
}

fn task_details(task: &Task) -> Vec<String> {
    let mut details = Vec::new();
    let mut number = |name: &str, n: u8| {
        if n != 0 {
            details.push(format!("{name}={n}"));
        }
    };
    number("iter_pos", task.iter_pos);
    number("iter.count", task.iter_count);
    number("ki_pos", task.ki_pos);
    number("from", task.first);
    number("moved", task.moved);
    let mut word = |set: bool, name: &str| {
        if set {
            details.push(name.to_string());
        }
    };
    word(task.faults_off, "pagefault_disabled");
    word(task.nofault, "iter.nofault");
    word(task.mmap_read, "mmap_lock:read");
    word(task.mmap_write(), "mmap_lock:write");
    word(task.sub == Sub::MmQueued, "mmap_lock:queued");
    word(task.page_locked, "page-locked");
    word(task.fault == Fault::Begin, "in-fault");
    word(task.pins.iter().any(|&p| p != Pinned::No), "pins");
    details
}
