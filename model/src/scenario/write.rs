//! From a [`Scenario`] back to TOML, in one canonical form: everything but
//! defaults of single tasks is written out, so that the text keeps its meaning
//! when a default changes.

use super::page::ANON;
use super::read::{CACHED, LOCK_OBJECTS, LOCKS, MODES};
use super::*;
use std::fmt::Write;

impl Scenario {
    /// The scenario as TOML. Reading it again gives an equal scenario, if this
    /// one was read from TOML (address spaces, pages and open files are numbered
    /// by their first use there).
    pub fn to_toml(&self) -> String {
        let mut out = String::new();
        self.write_head(&mut out);
        for file in &self.files {
            let _ = writeln!(out, "\n[files.{}]", file.name);
            let _ = writeln!(out, "pages = {}", file.pages);
            if file.grows() {
                let _ = writeln!(out, "size = {}", file.size);
            }
            let _ = writeln!(out, "mode = {}", per_node(&file.modes, &MODES));
            let _ = writeln!(out, "cached = {}", per_node(&file.cached, &CACHED));
            if file.holes != 0 {
                let holes: Vec<String> = (0..MAX_PAGES)
                    .filter(|q| file.is_hole(*q))
                    .map(|q| q.to_string())
                    .collect();
                let _ = writeln!(out, "holes = [{}]", holes.join(", "));
            }
            if file.chunk != 1 {
                let _ = writeln!(out, "chunk = {}", file.chunk);
            }
        }
        for task in &self.tasks {
            self.write_task(&mut out, task);
        }
        self.write_events(&mut out);
        self.write_switches(&mut out);
        out
    }

    fn write_head(&self, out: &mut String) {
        let _ = writeln!(out, "name = {}", string(&self.name));
        let _ = writeln!(out, "description = {}", string(&self.description));
        let _ = writeln!(out, "nodes = {}", self.nodes);
        let _ = writeln!(out, "lock = \"{}\"", word(&self.lock, &LOCKS));
        if self.lock == LockManager::Dlm && self.lock_object != [LockObject::Null] {
            let _ = writeln!(
                out,
                "lock_object = {}",
                list(&self.lock_object, &LOCK_OBJECTS)
            );
        }
        let _ = writeln!(out, "hold_time = {}", self.hold_time);
    }

    fn write_task(&self, out: &mut String, task: &TaskSpec) {
        let mm = &self.mms[task.mm as usize];
        let _ = writeln!(out, "\n[[tasks]]");
        let _ = writeln!(out, "name = \"{}\"", task.name);
        let _ = writeln!(out, "node = {}", mm.node + 1);
        if mm.name != task.name {
            let _ = writeln!(out, "mm = \"{}\"", mm.name);
        }
        let _ = writeln!(out, "op = \"{}\"", task.op.name());
        if task.op.is_io() || task.op == OpKind::Mmap {
            let _ = writeln!(out, "file = \"{}\"", self.files[task.file as usize].name);
        }
        if task.append {
            let _ = writeln!(out, "append = true");
        } else if task.op.is_io() {
            let _ = writeln!(out, "page = {}", task.first_page);
        }
        if !task.buffer.is_empty() {
            let _ = writeln!(out, "buffer = [");
            for page in &task.buffer {
                let _ = writeln!(out, "    {},", self.page(*page as usize));
            }
            let _ = writeln!(out, "]");
        }
        let sharers = self.tasks.iter().filter(|t| t.open_file == task.open_file);
        if sharers.count() > 1 {
            let _ = writeln!(out, "open_file = \"fd{}\"", task.open_file);
        }
        if task.unaligned {
            let _ = writeln!(out, "unaligned = true");
        }
        if task.aio {
            let _ = writeln!(out, "aio = true");
        }
        if task.environment {
            let _ = writeln!(out, "environment = true");
        }
    }

    /// A page of user memory as an entry of a buffer.
    fn page(&self, index: usize) -> String {
        let page = &self.vpages[index];
        let mut entry = match page.kind {
            VpageKind::Shared { file, page } | VpageKind::Private { file, page } => {
                let name = &self.files[file as usize].name;
                format!(
                    "{} = \"{name}\", page = {page}",
                    kind_name(self.vpages[index].kind)
                )
            }
            VpageKind::Anon => format!("anon = {}", list(&page.initial, &ANON)),
            VpageKind::Io => format!("io = {}", list(&page.initial, &ANON)),
            VpageKind::Served { task } => {
                format!("served = \"{}\"", self.tasks[task as usize].name)
            }
            kind => format!("{} = true", kind_name(kind)),
        };
        if page.kind.backing().is_some() {
            let ptes: Vec<String> = page
                .initial
                .iter()
                .map(|p| format!("\"{}\"", pte_name(*p)))
                .collect();
            let _ = write!(entry, ", pte = [{}]", ptes.join(", "));
        }
        if self.needs_id(index) {
            let _ = write!(entry, ", id = \"v{index}\"");
        }
        format!("{{ {entry} }}")
    }

    /// Would the page be taken for another, or another for it, without an `id`?
    fn needs_id(&self, index: usize) -> bool {
        let page = &self.vpages[index];
        if page.kind.backing().is_some() {
            let mut others = self.vpages.iter().enumerate();
            others.any(|(i, v)| i != index && v.mm == page.mm && v.kind == page.kind)
        } else {
            let uses = |t: &&TaskSpec| t.buffer.contains(&(index as u8));
            self.tasks.iter().filter(uses).count() > 1
        }
    }

    fn write_events(&self, out: &mut String) {
        let events = &self.events;
        let _ = writeln!(out, "\n[events]");
        let _ = writeln!(out, "reclaim = {}", events.reclaim);
        let _ = writeln!(out, "shrink = {}", events.shrink);
        if !events.demands.is_empty() {
            let _ = writeln!(out, "demand = [");
            for d in &events.demands {
                let (node, file) = (d.node + 1, &self.files[d.file as usize].name);
                let _ = writeln!(
                    out,
                    "    {{ node = {node}, file = \"{file}\", mode = \"{}\", times = {} }},",
                    d.mode, d.budget
                );
            }
            let _ = writeln!(out, "]");
        }
        let appended = |f: &usize| events.appends[*f] > 0;
        if (0..self.files.len()).any(|f| appended(&f)) {
            let _ = writeln!(out, "append = [");
            for f in (0..self.files.len()).filter(appended) {
                let (file, times) = (&self.files[f].name, events.appends[f]);
                let _ = writeln!(out, "    {{ file = \"{file}\", times = {times} }},");
            }
            let _ = writeln!(out, "]");
        }
        if let Some(times) = events.expire {
            let _ = writeln!(out, "expire = {times}");
        }
    }

    fn write_switches(&self, out: &mut String) {
        let s = &self.switches;
        let _ = writeln!(out, "\n[switches]");
        let _ = writeln!(out, "page_refs_block = {}", s.page_refs_block);
        let _ = writeln!(out, "gup_window = {}", s.gup_window);
        let _ = writeln!(out, "fault_retry = {}", s.fault_retry);
        if s.readahead {
            let _ = writeln!(out, "readahead = true");
        }
        let _ = writeln!(out, "fusion = {}", s.fusion);
        let _ = writeln!(out, "message_fusion = {}", s.message_fusion);
        let _ = writeln!(out, "release_fusion = {}", s.release_fusion);
    }
}

/// What a file calls a page in the cache.
pub(super) fn page_name(page: Page) -> &'static str {
    word(&page, &CACHED)
}

/// What a file calls a page-table entry.
pub(super) fn pte_name(pte: Pte) -> &'static str {
    match pte {
        Pte::None => "none",
        Pte::Ro => "ro",
        Pte::Rw => "rw",
    }
}

/// What a file calls a kind of page.
pub(super) fn kind_name(kind: VpageKind) -> &'static str {
    match kind {
        VpageKind::Shared { .. } => "shared",
        VpageKind::Private { .. } => "private",
        VpageKind::Anon => "anon",
        VpageKind::Zero => "zero",
        VpageKind::Io => "io",
        VpageKind::Served { .. } => "served",
        VpageKind::Bad => "bad",
    }
}

/// A string as TOML writes it.
fn string(text: &str) -> String {
    toml::Value::String(text.to_string()).to_string()
}

/// The word for a value.
fn word<T: PartialEq>(value: &T, names: &[(&'static str, T)]) -> &'static str {
    let found = names.iter().find(|(_, v)| v == value);
    found.map_or("?", |(name, _)| name)
}

/// A list of words.
fn list<T: PartialEq>(values: &[T], names: &[(&'static str, T)]) -> String {
    let words: Vec<String> = values
        .iter()
        .map(|v| format!("\"{}\"", word(v, names)))
        .collect();
    format!("[{}]", words.join(", "))
}

/// One list if all nodes have the same, else a table.
fn per_node<T: PartialEq>(nodes: &[Vec<T>], names: &[(&'static str, T)]) -> String {
    if nodes.windows(2).all(|pair| pair[0] == pair[1]) {
        return nodes.first().map_or("[]".into(), |n| list(n, names));
    }
    let nodes: Vec<String> = nodes
        .iter()
        .enumerate()
        .map(|(i, n)| format!("node{} = {}", i + 1, list(n, names)))
        .collect();
    format!("{{ {} }}", nodes.join(", "))
}
