//! Names of things, as a history shows them.
//!
//! Memory is named after what it maps, as in the seed's mail: `M2` is a mapping of
//! `F2`, `M2[1]` its page 1.

use glock_model::cluster::Cluster;
use glock_model::program::{Entry, Op, Val};
use glock_model::scenario::{LockManager, OpKind, Scenario, TaskSpec, VpageKind};
use glock_model::waits::Waiter;

/// The names of a cluster's parts.
#[derive(Clone, Copy)]
pub struct Names<'a> {
    scenario: &'a Scenario,
}

impl<'a> Names<'a> {
    /// The names of this cluster.
    pub fn new(cluster: &'a Cluster) -> Names<'a> {
        Names {
            scenario: cluster.scenario(),
        }
    }

    /// A task: `P1`.
    pub fn task(&self, task: u8) -> &'a str {
        &self.scenario.tasks[task as usize].name
    }

    /// A file: `F1`.
    pub fn file(&self, file: u8) -> &'a str {
        &self.scenario.files[file as usize].name
    }

    /// A node, numbered from 1 for people.
    pub fn node(&self, node: u8) -> String {
        format!("node {}", node + 1)
    }

    /// A glock of a node: `glock F1`, with several nodes `glock F1 of node 2`.
    pub fn glock(&self, node: u8, file: u8) -> String {
        match self.scenario.nodes {
            1 => format!("glock {}", self.file(file)),
            _ => format!("glock {} of {}", self.file(file), self.node(node)),
        }
    }

    /// A file as one node has it: `F1`, with several nodes `F1 on node 2`.
    pub fn file_on(&self, node: u8, file: u8) -> String {
        match self.scenario.nodes {
            1 => self.file(file).to_string(),
            _ => format!("{} on {}", self.file(file), self.node(node)),
        }
    }

    /// Somebody who waits: `P1`, `glock F1 of node 2`, `node 2's request for F1`.
    pub fn waiter(&self, waiter: Waiter) -> String {
        match waiter {
            Waiter::Task(task) => self.task(task).to_string(),
            Waiter::Work { node, file } => self.glock(node, file),
            Waiter::Request { node, file } => {
                format!("{}'s request for {}", self.node(node), self.file(file))
            }
        }
    }

    /// Is there a lock space?
    pub fn has_lock_space(&self) -> bool {
        self.scenario.lock == LockManager::Dlm
    }

    fn mapping(&self, file: u8) -> String {
        let name = self.file(file);
        match name.strip_prefix('F') {
            Some(rest) if !rest.is_empty() => format!("M{rest}"),
            _ => format!("M({name})"),
        }
    }

    /// A page of user memory: `M2[0]`, `anon`, `bad`.
    pub fn vpage(&self, vpage: u8) -> String {
        match self.scenario.vpages[vpage as usize].kind {
            VpageKind::Shared { file, page } => format!("{}[{page}]", self.mapping(file)),
            VpageKind::Private { file, page } => {
                format!("private {}[{page}]", self.mapping(file))
            }
            VpageKind::Anon => "anon".to_string() + &self.ordinal(vpage),
            VpageKind::Zero => "zero page".to_string() + &self.ordinal(vpage),
            VpageKind::Io => "device".to_string() + &self.ordinal(vpage),
            VpageKind::Served { .. } => "served".to_string() + &self.ordinal(vpage),
            VpageKind::Bad => "bad".to_string() + &self.ordinal(vpage),
        }
    }

    /// Tells several anonymous or bad pages of one address space apart: `[1]`.
    fn ordinal(&self, vpage: u8) -> String {
        let me = &self.scenario.vpages[vpage as usize];
        let same = |v: &usize| {
            let other = &self.scenario.vpages[*v];
            other.mm == me.mm && other.kind == me.kind
        };
        let all = (0..self.scenario.vpages.len()).filter(same).count();
        let before = (0..vpage as usize).filter(same).count();
        if all > 1 {
            format!("[{before}]")
        } else {
            String::new()
        }
    }

    /// A page of user memory where it is not clear whose: with a task that has it,
    /// unless there is only one address space.
    pub fn vpage_of_mm(&self, vpage: u8) -> String {
        if self.scenario.mms.len() == 1 {
            return self.vpage(vpage);
        }
        let mm = self.scenario.vpages[vpage as usize].mm;
        let mut owners = self.scenario.tasks.iter().filter(|t| t.mm == mm);
        match owners.next() {
            Some(owner) => format!("{} of {}", self.vpage(vpage), owner.name),
            None => self.vpage(vpage),
        }
    }

    /// The buffer of a task: `M2` if it is the first pages of one mapping, else its
    /// pages.
    pub fn buffer(&self, spec: &TaskSpec) -> String {
        if let Some(name) = self.whole_mapping(spec) {
            return name;
        }
        let pages: Vec<String> = spec.buffer.iter().map(|&v| self.vpage(v)).collect();
        pages.join(", ")
    }

    fn whole_mapping(&self, spec: &TaskSpec) -> Option<String> {
        let kind = |i: usize| self.scenario.vpages[spec.buffer[i] as usize].kind;
        let (first, _) = kind(spec.buffer.first().map(|_| 0)?).backing()?;
        let private = matches!(kind(0), VpageKind::Private { .. });
        let in_order = (0..spec.buffer.len()).all(|i| {
            matches!(kind(i), VpageKind::Private { .. }) == private
                && kind(i).backing() == Some((first, i as u8))
        });
        let prefix = if private { "private " } else { "" };
        in_order.then(|| format!("{prefix}{}", self.mapping(first)))
    }

    /// The system call of a task as C would write it: `read(F1 -> M2)`.
    pub fn call(&self, task: u8) -> String {
        let spec = &self.scenario.tasks[task as usize];
        let buffer = self.buffer(spec);
        let file = match spec.first_page {
            0 => self.file(spec.file).to_string(),
            page => format!("{}[{page}]", self.file(spec.file)),
        };
        match spec.op {
            OpKind::DirectRead | OpKind::BufferedRead => format!("read({file} -> {buffer})"),
            OpKind::DirectWrite | OpKind::BufferedWrite => format!("write({buffer} -> {file})"),
            OpKind::Fiemap => format!("fiemap({file} -> {buffer})"),
            OpKind::Load => format!("load({buffer})"),
            OpKind::Store => format!("store({buffer})"),
            OpKind::PipeRead => format!("read(pipe -> {buffer})"),
            OpKind::PipeWrite => format!("write({buffer} -> pipe)"),
            OpKind::Mmap => format!("mmap({})", self.file(spec.file)),
            OpKind::Munmap => format!("munmap({buffer})"),
            OpKind::Mprotect => format!("mprotect({buffer}, PROT_NONE)"),
        }
    }

    /// The call with a word on how it transfers: `read(F1 -> M2), O_DIRECT`.
    pub fn operation(&self, task: u8) -> String {
        let how = match self.scenario.tasks[task as usize].op {
            OpKind::DirectRead | OpKind::DirectWrite => ", O_DIRECT",
            OpKind::BufferedRead | OpKind::BufferedWrite => ", buffered",
            OpKind::Load | OpKind::Store => " in user mode",
            _ => "",
        };
        let append = match self.scenario.tasks[task as usize].append {
            true => ", O_APPEND",
            false => "",
        };
        self.call(task) + how + append
    }

    /// The bare name of the system call: `read()`.
    pub fn syscall(&self, task: u8) -> &'static str {
        match self.scenario.tasks[task as usize].op {
            OpKind::DirectRead | OpKind::BufferedRead | OpKind::PipeRead => "read()",
            OpKind::DirectWrite | OpKind::BufferedWrite | OpKind::PipeWrite => "write()",
            OpKind::Fiemap => "ioctl(FS_IOC_FIEMAP)",
            OpKind::Load => "the load",
            OpKind::Store => "the store",
            OpKind::Mmap => "mmap()",
            OpKind::Munmap => "munmap()",
            OpKind::Mprotect => "mprotect()",
        }
    }

    /// Does the operation put data into the buffer?
    pub fn fills_buffer(&self, task: u8) -> bool {
        self.scenario.tasks[task as usize].op.fills_buffer()
    }
}

/// The kernel function behind an entry of a design.
pub(crate) const fn function(entry: Entry) -> &'static str {
    match entry {
        Entry::DirectRead => "gfs2_file_direct_read",
        Entry::BufferedRead => "gfs2_file_read_iter",
        Entry::DirectWrite | Entry::BufferedWrite => "gfs2_file_write_iter",
        Entry::Fault => "gfs2_fault",
        Entry::PageMkwrite => "gfs2_page_mkwrite",
        Entry::Fiemap => "gfs2_fiemap",
        Entry::Mmap => "gfs2_mmap",
        Entry::IomapBegin => "gfs2_iomap_begin",
        Entry::IomapEnd => "gfs2_iomap_end",
        Entry::Readpage => "gfs2_readpage",
    }
}

/// The kernel function a built-in operation stands for; none for other instructions.
pub(crate) const fn builtin(op: Op) -> Option<&'static str> {
    Some(match op {
        Op::DioRw { .. } => "iomap_dio_rw",
        Op::ReadIter { noio: true, .. } => "generic_file_read_iter (IOCB_NOIO)",
        Op::ReadIter { noio: false, .. } => "generic_file_read_iter",
        Op::BufferedWrite { .. } => "iomap_file_buffered_write",
        Op::IomapFiemap { .. } => "iomap_fiemap",
        Op::FaultIn { write: true, .. } => "fault_in_iov_iter_writeable",
        Op::FaultIn { write: false, .. } => "fault_in_iov_iter_readable",
        Op::FaultInReadable { .. } => "iov_iter_fault_in_readable",
        Op::Pin { refs: true, .. } => "iov_iter_get_pages_alloc",
        Op::Pin { refs: false, .. } => "pin_user_pages",
        _ => return None,
    })
}

/// A result: `1 page`, `-EFAULT`, `0`.
pub(crate) fn result(value: Val) -> String {
    match value.as_size() {
        Some(0) => "0".to_string(),
        Some(1) => "1 page".to_string(),
        Some(n) => format!("{n} pages"),
        None => value.to_string(),
    }
}

/// `1 page`, `2 pages`.
pub(crate) fn pages(n: usize) -> String {
    match n {
        1 => "1 page".to_string(),
        n => format!("{n} pages"),
    }
}

/// A statement without the blanks and the comment around it.
pub(crate) fn squeezed(line: &str) -> String {
    let comment = ["//", "#", "/*"].into_iter().filter_map(|c| line.find(c));
    let statement = &line[..comment.min().unwrap_or(line.len())];
    statement.split_whitespace().collect::<Vec<_>>().join(" ")
}
