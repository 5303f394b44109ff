//! A scenario in a few lines of text, for lists and reports.

use super::error::joined;
use super::write::{kind_name, page_name, pte_name};
use super::*;

/// Widest line, in characters.
const WIDTH: usize = 80;

impl Scenario {
    /// A few lines of at most 80 columns: the name, what the scenario is about,
    /// and then files, tasks, events and switches, indented.
    ///
    /// ```
    /// # use glock_model::scenario::Library;
    /// let race = Library::builtin().load("race-direct-read").unwrap();
    /// let text = race.describe();
    /// assert!(text.starts_with("race-direct-read\n"));
    /// assert!(text.contains("  P1 on node 1: direct_read of F1 page 0 into"));
    /// ```
    pub fn describe(&self) -> String {
        let mut out = format!("{}\n", self.name);
        if !self.description.is_empty() {
            fold(&mut out, "  ", "  ", &self.description);
        }
        fold(&mut out, "  ", "    ", &self.describe_cluster());
        for file in 0..self.files.len() {
            fold(&mut out, "  ", "    ", &self.describe_file(file));
        }
        for task in &self.tasks {
            fold(&mut out, "  ", "    ", &self.describe_task(task));
        }
        for line in [self.describe_events(), self.describe_switches()] {
            if !line.is_empty() {
                fold(&mut out, "  ", "    ", &line);
            }
        }
        out
    }

    fn describe_cluster(&self) -> String {
        let nodes = match (self.nodes, self.lock) {
            (1, LockManager::Nolock) => "one node, a local mount".to_string(),
            (1, LockManager::Dlm) => "one node of a cluster".to_string(),
            (n, _) => format!("{n} nodes"),
        };
        let objects = match self.lock_object[..] {
            [LockObject::Absent] => "; locks never used before",
            [_, _] => "; locks used before or not",
            _ => "",
        };
        let hold = match self.hold_time || self.lock == LockManager::Nolock {
            true => "",
            false => "; no minimum hold time",
        };
        let states = match initial_assignments(self).len() {
            1 => "one initial state".to_string(),
            n => format!("{n} initial states"),
        };
        format!("{nodes}{objects}{hold}; {states}")
    }

    fn describe_file(&self, file: usize) -> String {
        let spec = &self.files[file];
        let modes = |m: &Vec<Mode>| {
            let names: Vec<&str> = m.iter().map(|m| m.name()).collect();
            joined(&names, "or")
        };
        let cached = |c: &Vec<Page>| {
            let name = |p: &Page| match p {
                Page::Absent => "not cached",
                p => page_name(*p),
            };
            let names: Vec<&str> = c.iter().map(name).collect();
            joined(&names, "or")
        };
        let mut pages = count(spec.size);
        if spec.grows() {
            pages += &format!(", may grow to {}", spec.pages);
        }
        let modes = each_node(&spec.modes, modes);
        let cached = each_node(&spec.cached, cached);
        let mut text = format!("{}: {pages}; {modes}; {cached}", spec.name);
        let holes: Vec<String> = (0..MAX_PAGES)
            .filter(|q| spec.is_hole(*q))
            .map(|q| q.to_string())
            .collect();
        let holes: Vec<&str> = holes.iter().map(String::as_str).collect();
        match holes[..] {
            [] => {}
            [hole] => text += &format!("; page {hole} is a hole"),
            _ => text += &format!("; pages {} are holes", joined(&holes, "and")),
        }
        if spec.chunk > 1 {
            text += &format!("; {} pages of a buffer to a block", spec.chunk);
        }
        text
    }

    fn describe_task(&self, task: &TaskSpec) -> String {
        let mm = &self.mms[task.mm as usize];
        let mut text = format!("{} on node {}", task.name, mm.node + 1);
        if self.tasks.iter().filter(|t| t.mm == task.mm).count() > 1 {
            text += &format!(" (address space {})", mm.name);
        }
        if task.environment {
            text += ", at any time or never";
        }
        let how = if task.aio { "asynchronous " } else { "" };
        text += &format!(": {how}{}", task.op.name());
        if task.op.is_io() || task.op == OpKind::Mmap {
            text += &format!(" of {}", self.files[task.file as usize].name);
        }
        let count = task.buffer.len();
        match (task.op.is_io(), count) {
            (true, n) if task.append => {
                text += &format!(" with O_APPEND: {}", self::count(n as u8));
            }
            (true, 1) => text += &format!(" page {}", task.first_page),
            (true, n) => {
                let last = task.first_page as usize + n - 1;
                text += &format!(" pages {} to {last}", task.first_page);
            }
            _ => {}
        }
        let pages: Vec<String> = task.buffer.iter().map(|v| self.describe_page(*v)).collect();
        if count > 0 {
            text += &format!(" {} {}", preposition(task.op), pages.join(", "));
        }
        let shared = |t: &&TaskSpec| t.open_file == task.open_file && t.name != task.name;
        if task.unaligned {
            text += ", from mid-page on";
        }
        if let Some(other) = self.tasks.iter().find(shared) {
            text += &format!(", through the open file of {}", other.name);
        }
        text
    }

    fn describe_page(&self, vpage: u8) -> String {
        let spec = &self.vpages[vpage as usize];
        match spec.kind {
            VpageKind::Served { task } => {
                format!("a page that {} serves", self.tasks[task as usize].name)
            }
            VpageKind::Bad => "a bad page".into(),
            VpageKind::Zero => "anonymous memory never written to".into(),
            VpageKind::Anon | VpageKind::Io => {
                let names = spec.initial.iter().map(|p| match p {
                    Pte::None => "absent",
                    Pte::Ro => "unmarked",
                    Pte::Rw => "present",
                });
                let names: Vec<&str> = names.collect();
                let what = match spec.kind {
                    VpageKind::Io => "device memory",
                    _ => "anonymous memory",
                };
                format!("{what} ({})", joined(&names, "or"))
            }
            VpageKind::Shared { file, page } | VpageKind::Private { file, page } => {
                let names: Vec<&str> = spec.initial.iter().map(|p| pte_name(*p)).collect();
                let file = &self.files[file as usize];
                let end = match page >= file.pages {
                    true => ", beyond its end",
                    false => "",
                };
                format!(
                    "the {} mapping of {} page {page}{end} ({})",
                    kind_name(spec.kind),
                    file.name,
                    joined(&names, "or")
                )
            }
        }
    }

    fn describe_events(&self) -> String {
        let events = &self.events;
        let mut parts = Vec::new();
        if events.reclaim > 0 {
            parts.push(format!("reclaim of a page {}", times(events.reclaim)));
        }
        if events.shrink > 0 {
            parts.push(format!(
                "shrinking of an idle glock {}",
                times(events.shrink)
            ));
        }
        for d in &events.demands {
            let file = &self.files[d.file as usize].name;
            let (node, times) = (d.node + 1, times(d.budget));
            parts.push(format!(
                "{} of {file} demanded from node {node} {times}",
                d.mode
            ));
        }
        for (file, &n) in self.files.iter().zip(&events.appends) {
            if n > 0 {
                parts.push(format!(
                    "somebody outside appends a page to {} {}",
                    file.name,
                    times(n)
                ));
            }
        }
        match events.expire {
            Some(0) => parts.push("hold times never expire".into()),
            Some(n) => parts.push(format!("a hold time expires {}", times(n))),
            None => {}
        }
        match parts.is_empty() {
            true => String::new(),
            false => format!("events: {}", parts.join(", ")),
        }
    }

    fn describe_switches(&self) -> String {
        let (s, d) = (&self.switches, Switches::default());
        let all = [
            ("page_refs_block", s.page_refs_block, d.page_refs_block),
            ("gup_window", s.gup_window, d.gup_window),
            ("fault_retry", s.fault_retry, d.fault_retry),
            ("readahead", s.readahead, d.readahead),
            ("fusion", s.fusion, d.fusion),
            ("message_fusion", s.message_fusion, d.message_fusion),
            ("release_fusion", s.release_fusion, d.release_fusion),
        ];
        let changed = all.iter().filter(|(_, now, usual)| now != usual);
        let words: Vec<String> = changed
            .map(|(name, now, _)| format!("{name} {}", if *now { "on" } else { "off" }))
            .collect();
        match words.is_empty() {
            true => String::new(),
            false => format!("switches: {}", words.join(", ")),
        }
    }
}

fn count(pages: u8) -> String {
    match pages {
        1 => "1 page".into(),
        n => format!("{n} pages"),
    }
}

fn times(n: u8) -> String {
    match n {
        1 => "once".into(),
        2 => "twice".into(),
        n => format!("{n} times"),
    }
}

/// What an operation does with its memory.
fn preposition(op: OpKind) -> &'static str {
    match op {
        OpKind::DirectRead | OpKind::BufferedRead | OpKind::Fiemap | OpKind::PipeRead => "into",
        OpKind::DirectWrite | OpKind::BufferedWrite | OpKind::PipeWrite => "from",
        OpKind::Load | OpKind::Store => "at",
        OpKind::Mmap | OpKind::Munmap | OpKind::Mprotect => "of",
    }
}

/// The text for all nodes, or one for each if they differ.
fn each_node<T: PartialEq>(nodes: &[T], text: impl Fn(&T) -> String) -> String {
    if nodes.windows(2).all(|pair| pair[0] == pair[1]) {
        return nodes.first().map_or(String::new(), text);
    }
    let nodes: Vec<String> = nodes
        .iter()
        .enumerate()
        .map(|(i, n)| format!("{} on node {}", text(n), i + 1))
        .collect();
    nodes.join(", ")
}

/// Appends `text`, broken at blanks, the lines indented.
fn fold(out: &mut String, first: &str, rest: &str, text: &str) {
    let mut line = String::from(first);
    let mut empty = true;
    for word in text.split_whitespace() {
        let width = line.chars().count() + 1 + word.chars().count();
        if !empty && width > WIDTH {
            out.push_str(&line);
            out.push('\n');
            line = String::from(rest);
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    out.push_str(&line);
    out.push('\n');
}
