//! What is wrong, for every property but no-deadlock.

use crate::history::History;
use crate::names::{self, Names};
use glock_model::cluster::State;
use glock_model::event::Event;
use glock_model::glock::{Glock, Stage};
use glock_model::mode::Mode;
use glock_model::program::{Place, Val};
use glock_model::property::Property;
use glock_model::scenario::{Page, TaskSpec};
use glock_model::task::{LANDED_LOST, Pinned, Status, Sub, wrong};

/// The sentences, one a line.
pub(crate) fn lines(history: &History, property: Property) -> Vec<String> {
    let judge = Judge {
        history,
        names: Names::new(history.cluster()),
    };
    match property {
        Property::NoDeadlock
        | Property::CanFinish
        | Property::Finishes
        | Property::FinishesStrongly => Vec::new(),
        Property::NoRecursion => judge.recursion(),
        Property::Coherence => judge.coherence(),
        Property::NoLostEfault => judge.each(wrong::LOST, Judge::lost),
        Property::NoSpuriousEfault => judge.each(wrong::SPURIOUS, Judge::spurious),
        Property::NoShort => judge.each(wrong::SHORT, Judge::short),
        Property::Placement => judge.each(wrong::PLACEMENT, Judge::placement),
        Property::Mapping => judge.each(wrong::MAPPING, Judge::mapping),
        Property::Balanced => judge.each(wrong::UNBALANCED, Judge::unbalanced),
        Property::AtomicRead => judge.each(wrong::TORN, Judge::torn),
    }
}

struct Judge<'a> {
    history: &'a History,
    names: Names<'a>,
}

impl Judge<'_> {
    fn spec(&self, task: u8) -> &TaskSpec {
        &self.history.cluster().scenario().tasks[task as usize]
    }

    fn node_of(&self, task: u8) -> usize {
        self.history.cluster().scenario().node_of(task as usize)
    }

    /// What `say` says of every task with this bit of [`wrong`].
    fn each(&self, bit: u8, say: impl Fn(&Self, u8) -> Vec<String>) -> Vec<String> {
        let tasks = 0..self.history.cluster().scenario().tasks.len() as u8;
        tasks
            .filter(|&t| {
                let node = self.node_of(t);
                self.history.last().nodes[node].tasks[t as usize].wrong & bit != 0
            })
            .flat_map(|t| say(self, t))
            .collect()
    }

    fn value(&self, task: u8) -> Val {
        let node = self.node_of(task);
        self.history.last().nodes[node].tasks[task as usize].result
    }

    /// `P1: read() returned -EFAULT`.
    fn returned(&self, task: u8) -> String {
        let who = self.names.task(task);
        let value = self.value(task);
        if value == Val::SIGBUS {
            return format!("{who} is killed by SIGBUS");
        }
        let call = self.names.syscall(task);
        format!("{who}: {call} returned {}", names::result(value))
    }

    /// The buffer pages that are bad at the end, by index.
    fn bad_pages(&self, task: u8) -> Vec<usize> {
        let n = self.node_of(task);
        let (cluster, node) = (self.history.cluster(), &self.history.last().nodes[n]);
        let buffer = self.spec(task).buffer.iter().enumerate();
        buffer
            .filter(|(_, v)| node.is_bad(&cluster.ctx(n), **v as usize))
            .map(|(i, _)| i)
            .collect()
    }

    fn page_name(&self, task: u8, index: usize) -> String {
        let name = self.names.vpage(self.spec(task).buffer[index]);
        format!("buffer page {index} ({name})")
    }

    fn lost(&self, task: u8) -> Vec<String> {
        let bad = self.bad_pages(task);
        let page = match bad.first() {
            Some(&i) => self.page_name(task, i),
            None => "a page of the buffer".to_string(),
        };
        vec![format!(
            "{} although {page} is a bad address: the -EFAULT is lost.",
            self.returned(task)
        )]
    }

    fn spurious(&self, task: u8) -> Vec<String> {
        let why = if self.bad_pages(task).is_empty() {
            "every page of the buffer is accessible"
        } else {
            "no access has failed on a bad address"
        };
        vec![format!("{} although {why}.", self.returned(task))]
    }

    fn short(&self, task: u8) -> Vec<String> {
        let asked = self.spec(task).buffer.len();
        vec![format!(
            "{} of {asked}: no end of file, no bad address.",
            self.returned(task)
        )]
    }

    fn torn(&self, task: u8) -> Vec<String> {
        vec![format!(
            "{}, but its pages are from before and from after a change of {}.",
            self.returned(task),
            self.names.file(self.spec(task).file)
        )]
    }

    // ---- placement ------------------------------------------------------------------

    /// Which file page each buffer page was last transferred with.
    fn landed(&self, task: u8) -> Vec<Option<u8>> {
        let mut landed = vec![None; self.spec(task).buffer.len()];
        for event in self.history.steps().iter().flat_map(|s| &s.events) {
            match *event {
                Event::Transfer {
                    task: t,
                    index,
                    page,
                } if t == task => {
                    landed[index as usize] = Some(page);
                }
                _ => {}
            }
        }
        landed
    }

    fn placement(&self, task: u8) -> Vec<String> {
        let spec = self.spec(task);
        let file = self.names.file(spec.file);
        let mut out = Vec::new();
        let first = spec.first_page + self.began(task);
        for (i, page) in self.landed(task).iter().enumerate() {
            let right = first + i as u8;
            match page {
                Some(page) if *page != right && self.names.fills_buffer(task) => out.push(format!(
                    "{}: {} got page {page} of {file}, and should have got page {right}.",
                    self.names.task(task),
                    self.page_name(task, i)
                )),
                Some(page) if *page != right => out.push(format!(
                    "{}: {} went to page {page} of {file}, and should have gone to page {right}.",
                    self.names.task(task),
                    self.page_name(task, i)
                )),
                _ => {}
            }
        }
        out.extend(self.overwritten(task));
        out.extend(self.lost_pages(task));
        out.extend(self.count_and_position(task));
        out
    }

    /// Where an append began, from the state in which it was last known.
    fn began(&self, task: u8) -> u8 {
        let state = self.before_return(task).unwrap_or(self.history.last());
        state.nodes[self.node_of(task)].tasks[task as usize].first
    }

    /// Pages of an append that went where somebody else's data was.
    fn overwritten(&self, task: u8) -> Vec<String> {
        let spec = self.spec(task);
        if !spec.append {
            return Vec::new();
        }
        let (file, node) = (spec.file as usize, self.node_of(task));
        let mut own = Vec::new();
        let mut out = Vec::new();
        for (i, step) in self.history.steps().iter().enumerate() {
            let size = self.history.state(i).nodes[node].disk_size[file];
            for event in &step.events {
                let &Event::Transfer {
                    task: t,
                    index,
                    page,
                } = event
                else {
                    continue;
                };
                if t != task {
                    continue;
                }
                if page < size && !own.contains(&page) {
                    out.push(format!(
                        "{}: {} went to page {page} of {}, where data of somebody else was.",
                        self.names.task(task),
                        self.page_name(task, index as usize),
                        self.names.file(spec.file)
                    ));
                }
                own.push(page);
            }
        }
        out
    }

    /// Data written to pages that had left their file.
    fn lost_pages(&self, task: u8) -> Vec<String> {
        let Some(before) = self.before_result(task) else {
            return Vec::new();
        };
        let t = &before.nodes[self.node_of(task)].tasks[task as usize];
        // The last page of asynchronous I/O arrives in the step in which it completes.
        let lost = (0..self.spec(task).buffer.len()).filter(|&i| {
            let orphan = t.aio.bios >> i & 1 == 1 && t.pins[i] == Pinned::Orphan;
            t.landed[i] == LANDED_LOST || orphan && self.names.fills_buffer(task)
        });
        lost.map(|i| {
            format!(
                "{}: the data for {} went to a page that nobody maps any more.",
                self.names.task(task),
                self.page_name(task, i)
            )
        })
        .collect()
    }

    /// Does the count say what was transferred, and the file position agree?
    fn count_and_position(&self, task: u8) -> Vec<String> {
        let task_now = &self.history.last().nodes[self.node_of(task)].tasks[task as usize];
        let Some(count) = self.value(task).as_size().filter(|_| task_now.finished()) else {
            return Vec::new();
        };
        let mut out = Vec::new();
        let landed = self.landed(task);
        let counted = &landed[..(count as usize).min(landed.len())];
        if let Some(i) = counted.iter().position(Option::is_none) {
            out.push(format!(
                "{}, but {} was never transferred.",
                self.returned(task),
                self.page_name(task, i)
            ));
        }
        let moved = self.position(task);
        if moved != count as usize && out.is_empty() {
            let moved = names::pages(moved);
            let returned = self.returned(task);
            out.push(format!(
                "{returned}, but the file position has moved by {moved}."
            ));
        }
        out
    }

    /// How far the file position has moved: with every page of a buffered transfer,
    /// with the end of a direct one unless it failed (rule X1), with the completion of an
    /// asynchronous one.
    fn position(&self, task: u8) -> usize {
        let node = self.node_of(task);
        let (mut position, mut direct, mut queued) = (0, 0, 0);
        let mut submitted = 0_u32;
        for (i, step) in self.history.steps().iter().enumerate() {
            let before = &self.history.state(i).nodes[node].tasks[task as usize];
            for event in &step.events {
                match *event {
                    Event::Submit { task: t, index } if t == task => {
                        submitted |= 1 << index;
                        direct += 1;
                    }
                    Event::Transfer { task: t, index, .. }
                        if t == task && submitted >> index & 1 == 1 =>
                    {
                        submitted &= !(1 << index);
                    }
                    Event::Transfer { task: t, .. } if t == task && before.sub == Sub::DioPage => {
                        direct += 1;
                    }
                    // Every iomap_fiemap begins with the first extent.
                    Event::Transfer { task: t, .. }
                        if t == task && before.sub == Sub::FiemapPage && before.moved == 0 =>
                    {
                        position = 1;
                    }
                    Event::Transfer { task: t, .. } if t == task => position += 1,
                    Event::TransferDone {
                        task: t,
                        value: Val::EIOCBQUEUED,
                    } if t == task => queued = std::mem::take(&mut direct),
                    Event::Complete { task: t, value } if t == task => {
                        position += if value.is_error() { 0 } else { queued };
                        queued = 0;
                    }
                    Event::TransferDone { task: t, value } if t == task => {
                        position += if value.is_error() { 0 } else { direct };
                        direct = 0;
                    }
                    _ => {}
                }
            }
        }
        position
    }

    /// The state before the step in which a task's result was delivered: its call
    /// returned, or the completion that the call had left the result to reported.
    fn before_result(&self, task: u8) -> Option<&State> {
        self.before_last(|e| match *e {
            Event::Return { task: t, .. } | Event::Complete { task: t, .. } => t == task,
            _ => false,
        })
    }

    /// The state before the step in which a task's call returned.
    fn before_return(&self, task: u8) -> Option<&State> {
        self.before_last(|e| matches!(e, Event::Return { task: t, .. } if *t == task))
    }

    fn before_last(&self, wanted: impl Fn(&Event) -> bool) -> Option<&State> {
        let steps = self.history.steps();
        let at = steps.iter().rposition(|s| s.events.iter().any(&wanted))?;
        Some(self.history.state(at))
    }

    /// Did the call return something although the completion reports, too?
    fn told_twice(&self, task: u8) -> bool {
        let steps = self.history.steps();
        let queues = |e: &Event| matches!(*e, Event::TransferDone { task: t, value: Val::EIOCBQUEUED } if t == task);
        let returns = |e: &Event| matches!(*e, Event::Return { task: t, value } if t == task && value != Val::EIOCBQUEUED);
        let any = |is: &dyn Fn(&Event) -> bool| steps.iter().any(|s| s.events.iter().any(is));
        any(&queues) && any(&returns)
    }

    // ---- what holds everywhere ----------------------------------------------------------

    fn mapping(&self, task: u8) -> Vec<String> {
        let file = self.names.file(self.spec(task).file);
        let landed = self.landed(task);
        let pages: Vec<String> = landed.iter().flatten().map(u8::to_string).collect();
        vec![format!(
            "{}: page {} of {file} was transferred through an extent mapping that was not made \
             under the glock held now.",
            self.names.task(task),
            pages.join(", ")
        )]
    }

    fn unbalanced(&self, task: u8) -> Vec<String> {
        let mut left = self.queue_entries(task);
        if self.told_twice(task) {
            left.push("a result that the completion reports, too,".to_string());
        }
        if let Some(before) = self.before_return(task) {
            left.extend(self.task_leftovers(task, before));
        }
        let left = match left.is_empty() {
            true => "something is still held".to_string(),
            false => left.join(", ") + " left behind",
        };
        vec![format!("{} with {left}.", self.returned(task))]
    }

    fn queue_entries(&self, task: u8) -> Vec<String> {
        let n = self.node_of(task);
        let node = &self.history.last().nodes[n];
        let mut left = Vec::new();
        for f in 0..self.history.cluster().scenario().files.len() {
            let file = self.names.file(f as u8);
            if let Some(h) = node.glocks[f].queue.of(task) {
                left.push(format!("the glock of {file} ({})", h.mode.name()));
            }
            if node.rwsem[f] == task + 1 {
                left.push(format!("i_rwsem of {file}"));
            }
        }
        left
    }

    fn task_leftovers(&self, task: u8, before: &State) -> Vec<String> {
        let t = &before.nodes[self.node_of(task)].tasks[task as usize];
        let mut left = Vec::new();
        let mut pins = t.pins.iter().enumerate();
        if pins.any(|(i, &p)| p != Pinned::No && !t.aio.alone_pins(i)) {
            left.push("pinned pages".to_string());
        }
        let flags = &self.history.cluster().program().flags;
        for (i, flag) in flags.iter().enumerate() {
            if flag.place == Place::JournalInfo && t.flags[i] != 0 {
                left.push(format!("{} in journal_info", flag.name));
            }
        }
        if t.faults_off {
            left.push("page faults disabled".to_string());
        }
        if t.nofault {
            left.push("iter.nofault".to_string());
        }
        left
    }

    fn recursion(&self) -> Vec<String> {
        let tasks = 0..self.history.cluster().scenario().tasks.len() as u8;
        let broken = tasks.filter(|&t| {
            let node = self.node_of(t);
            self.history.last().nodes[node].tasks[t as usize].status == Status::Bug
        });
        broken.map(|t| self.bug(t)).collect()
    }

    fn bug(&self, task: u8) -> String {
        let who = self.names.task(task);
        let node = &self.history.last().nodes[self.node_of(task)];
        let events = self.history.steps().iter().flat_map(|s| &s.events);
        for event in events {
            match *event {
                Event::Recursion { task: t, file } if t == task => {
                    let mode = node.glocks[file as usize].queue.of(task).map(|h| h.mode);
                    return format!(
                        "{who} asks for the glock of {}, which it holds ({}): kernel BUG.",
                        self.names.file(file),
                        mode.unwrap_or(Mode::Un).name()
                    );
                }
                Event::DqNotQueued { task: t, file } if t == task => {
                    return format!(
                        "{who} gives back the glock of {}, which it does not hold: kernel BUG.",
                        self.names.file(file)
                    );
                }
                _ => {}
            }
        }
        format!("{who} has hit a kernel BUG.")
    }

    // ---- coherence ---------------------------------------------------------------------------

    fn coherence(&self) -> Vec<String> {
        let scenario = self.history.cluster().scenario();
        let state = self.history.last();
        let nodes = scenario.nodes as usize;
        let mut out = Vec::new();
        for f in 0..scenario.files.len() {
            out.extend(self.owners_conflict(f, nodes));
            for n in 0..nodes {
                let pages = &state.nodes[n].pages[f][..scenario.files[f].pages as usize];
                out.extend(self.cache_conflict(n, f, &state.nodes[n].glocks[f], pages));
                out.extend(self.holders_conflict(n, f, &state.nodes[n].glocks[f]));
            }
        }
        out
    }

    fn owners_conflict(&self, f: usize, nodes: usize) -> Option<String> {
        let locks = &self.history.last().resources[f].locks[..nodes];
        let pairs = (0..nodes).flat_map(|a| (0..a).map(move |b| (b, a)));
        let (a, b) = pairs
            .into_iter()
            .find(|&(a, b)| !locks[a].granted.compatible(locks[b].granted))?;
        Some(format!(
            "{}: {} owns {} while {} owns {}.",
            self.names.file(f as u8),
            self.names.node(a as u8),
            locks[a].granted.name(),
            self.names.node(b as u8),
            locks[b].granted.name()
        ))
    }

    fn cache_conflict(&self, n: usize, f: usize, gl: &Glock, pages: &[Page]) -> Option<String> {
        let changing = matches!(gl.stage, Stage::Sent | Stage::Reply);
        let weakest = |allows: fn(Mode) -> bool| match allows(gl.state) {
            false => Some(gl.state),
            true if changing && !allows(gl.req) => Some(gl.req),
            true => None,
        };
        pages.iter().enumerate().find_map(|(q, page)| {
            let (kind, under) = match page {
                Page::Absent => return None,
                Page::Clean => ("cached", weakest(Mode::allows_cached)?),
                Page::Dirty => ("dirty", weakest(Mode::allows_dirty)?),
            };
            Some(format!(
                "Page {q} of {} is {kind} on {} under {}.",
                self.names.file(f as u8),
                self.names.node(n as u8),
                under.name()
            ))
        })
    }

    fn holders_conflict(&self, n: usize, f: usize, gl: &Glock) -> Option<String> {
        let held: Vec<String> = gl
            .queue
            .as_slice()
            .iter()
            .filter(|h| h.granted)
            .map(|h| format!("{} ({})", self.names.task(h.task), h.mode.name()))
            .collect();
        let modes = || {
            gl.queue
                .as_slice()
                .iter()
                .filter(|h| h.granted)
                .map(|h| h.mode)
        };
        let apart = modes().any(|m| !gl.state.contains(m))
            || (held.len() > 1 && modes().any(|m| m == Mode::Ex))
            || modes().zip(modes().skip(1)).any(|(a, b)| a != b);
        apart.then(|| {
            format!(
                "{} is in {} and held by {}.",
                self.names.glock(n as u8, f as u8),
                gl.state.name(),
                held.join(", ")
            )
        })
    }
}
