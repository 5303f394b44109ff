//! A state as variables with values: what a record keeps, and what can be looked at
//! without the model.
//!
//! Variables are named the way a kernel engineer would ask for them: in a table, a row
//! (`P1`, `F1 on node 2`) and a name (`gl_state`). Two states that differ have different
//! values of some variable; a test walks through every scenario to see that.

use crate::dump::{glock_flags, holder_flags};
use crate::names::Names;
use glock_model::cluster::{Cluster, State};
use glock_model::glock::{Demote, Glock, Request, Runner, Stage};
use glock_model::lockspace::{Fifo, Message};
use glock_model::mode::Mode;
use glock_model::node::Node;
use glock_model::program::{HoldRule, Pc, Place, Val};
use glock_model::scenario::{Page, Pte};
use glock_model::task::{
    Fault, Flight, LANDED_LOST, Mapping, Pinned, Status, Sub, Task, Wait, wrong,
};
use glock_model::waits::{self, Waiter};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a variable is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Table {
    /// A task: where it is and what it has done.
    Tasks,
    /// A glock of a node: `struct gfs2_glock`, with i_rwsem of its inode.
    Glocks,
    /// Pages in a node's page cache.
    Pages,
    /// Page-table entries.
    Ptes,
    /// Flags of a design that live in an inode or in an open file.
    Flags,
    /// What the lock space knows of a file.
    LockSpace,
    /// What is under way between a node and the lock space.
    Messages,
    /// Who waits for whom.
    Waits,
    /// What the environment may still do.
    Environment,
}

impl Table {
    /// All tables.
    pub const ALL: [Table; 9] = [
        Table::Tasks,
        Table::Glocks,
        Table::Pages,
        Table::Ptes,
        Table::Flags,
        Table::LockSpace,
        Table::Messages,
        Table::Waits,
        Table::Environment,
    ];

    /// Its name, as records write it.
    pub const fn name(self) -> &'static str {
        match self {
            Table::Tasks => "tasks",
            Table::Glocks => "glocks",
            Table::Pages => "pages",
            Table::Ptes => "ptes",
            Table::Flags => "flags",
            Table::LockSpace => "lock-space",
            Table::Messages => "messages",
            Table::Waits => "waits",
            Table::Environment => "environment",
        }
    }
}

/// Something a state has a value of.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "(Table, String, String)", into = "(Table, String, String)")]
pub struct Variable {
    /// What it is about.
    pub table: Table,
    /// Which one of them.
    pub row: String,
    /// What of it.
    pub name: String,
}

impl From<(Table, String, String)> for Variable {
    fn from((table, row, name): (Table, String, String)) -> Self {
        Variable { table, row, name }
    }
}

impl From<Variable> for (Table, String, String) {
    fn from(v: Variable) -> Self {
        (v.table, v.row, v.name)
    }
}

/// `glocks/F1 on node 1/gl_state`.
impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.table.name(), self.row, self.name)
    }
}

/// What a variable is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// Yes or no.
    Truth(bool),
    /// A number.
    Number(i64),
    /// A word or a few.
    Text(String),
    /// Several, in order.
    List(Vec<String>),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Truth(true) => f.write_str("yes"),
            Value::Truth(false) => f.write_str("no"),
            Value::Number(n) => write!(f, "{n}"),
            Value::Text(text) => f.write_str(text),
            Value::List(list) => f.write_str(&list.join(", ")),
        }
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Value::Truth(truth)
    }
}

impl From<u8> for Value {
    fn from(number: u8) -> Self {
        Value::Number(number.into())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_string())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text)
    }
}

impl From<Vec<String>> for Value {
    fn from(list: Vec<String>) -> Self {
        Value::List(list)
    }
}

impl From<Mode> for Value {
    fn from(mode: Mode) -> Self {
        mode.name().into()
    }
}

impl From<Val> for Value {
    fn from(value: Val) -> Self {
        match value.as_size() {
            Some(n) => n.into(),
            None => value.to_string().into(),
        }
    }
}

/// What the states of a cluster are described with.
pub(crate) struct Observer<'a> {
    cluster: &'a Cluster,
    names: Names<'a>,
    /// Of each instruction, where it stands: `base:12`.
    places: Vec<String>,
    /// Rows of glocks, per node and file.
    glocks: Vec<Vec<String>>,
    /// Rows of page-table entries, per page of user memory.
    ptes: Vec<String>,
    waiters: Vec<(Waiter, String)>,
}

/// Takes a variable with its value.
trait Put {
    fn put(&mut self, table: Table, row: &str, name: &str, value: Value);
}

impl Put for Vec<Value> {
    fn put(&mut self, _: Table, _: &str, _: &str, value: Value) {
        self.push(value);
    }
}

impl Put for Vec<Variable> {
    fn put(&mut self, table: Table, row: &str, name: &str, _: Value) {
        let (row, name) = (row.to_string(), name.to_string());
        self.push(Variable { table, row, name });
    }
}

impl<'a> Observer<'a> {
    pub(crate) fn new(cluster: &'a Cluster) -> Observer<'a> {
        let (program, scenario) = (cluster.program(), cluster.scenario());
        let names = Names::new(cluster);
        let place = |pc: usize| {
            let line = program.line(pc as Pc);
            let design = &program.sources[line.source as usize].design;
            format!("{design}:{}", line.number)
        };
        let files = 0..scenario.files.len() as u8;
        let nodes = 0..scenario.nodes;
        let tasks = (0..scenario.tasks.len() as u8).map(Waiter::Task);
        let glocks = nodes.clone().flat_map(|node| {
            let of = move |file| (node, file);
            files.clone().map(of)
        });
        let glocks: Vec<(u8, u8)> = glocks.collect();
        let work = glocks
            .iter()
            .map(|&(node, file)| Waiter::Work { node, file });
        let requests = glocks
            .iter()
            .filter(|_| names.has_lock_space())
            .map(|&(node, file)| Waiter::Request { node, file });
        let waiters = tasks.chain(work).chain(requests);
        let waiters = waiters.map(|w| (w, names.waiter(w))).collect();
        Observer {
            cluster,
            names,
            places: (0..program.code.len()).map(place).collect(),
            glocks: nodes
                .map(|n| files.clone().map(|f| names.file_on(n, f)).collect())
                .collect(),
            ptes: rows_of_ptes(&names, scenario.vpages.len()),
            waiters,
        }
    }

    /// What there is to see, in the order of [`Observer::values`].
    pub(crate) fn variables(&self) -> Vec<Variable> {
        let mut out = Vec::new();
        self.visit(&State::default(), &mut out);
        out
    }

    /// What a state looks like.
    pub(crate) fn values(&self, state: &State) -> Vec<Value> {
        let mut out = Vec::new();
        self.visit(state, &mut out);
        out
    }

    fn visit(&self, state: &State, out: &mut impl Put) {
        let scenario = self.cluster.scenario();
        for task in 0..scenario.tasks.len() {
            self.task(&state.nodes[scenario.node_of(task)], task, out);
        }
        for n in 0..scenario.nodes as usize {
            self.node(&state.nodes[n], n, out);
        }
        if self.names.has_lock_space() {
            for file in 0..scenario.files.len() {
                self.resource(state, file, out);
            }
        }
        self.waits(state, out);
        self.environment(state, out);
    }

    fn place(&self, pc: Pc) -> Value {
        let place = self.places.get(pc as usize);
        place.map_or("", String::as_str).into()
    }

    fn task(&self, node: &Node, t: usize, out: &mut impl Put) {
        let (task, spec) = (&node.tasks[t], &self.cluster.scenario().tasks[t]);
        let program = self.cluster.program();
        let row = self.names.task(t as u8);
        let mut put = |name: &str, value: Value| out.put(Table::Tasks, row, name, value);
        put("status", status(task).into());
        put("returned", returned(task));
        let outer = task.status == Status::Running && spec.op.is_io();
        put(
            "at",
            if outer {
                self.place(task.pc)
            } else {
                "".into()
            },
        );
        put("instruction", Value::Number(task.pc.into()));
        let nested = task.status == Status::Running && task.nested();
        let at = if nested {
            self.place(task.nested_pc)
        } else {
            "".into()
        };
        put("handler at", at);
        put("handler instruction", Value::Number(task.nested_pc.into()));
        put("sleeps", sleeps(task.wait).into());
        put("in", within(task.sub).into());
        put("fault", fault(task.fault).into());
        put("mmap_lock", mmap_lock(task).into());
        put("page lock", task.page_locked.into());
        put("iterator position", task.iter_pos.into());
        put("iter.count", task.iter_count.into());
        if spec.append {
            put("appends from", task.first.into());
        }
        put("ki_pos", task.ki_pos.into());
        put("moved", task.moved.into());
        put("moved in extent", task.extent_moved.into());
        put("attempts", task.attempts.into());
        put("window", task.window.into());
        put("error", task.error.into());
        put("page faults disabled", task.faults_off.into());
        put("iter.nofault", task.nofault.into());
        put("gh_error", task.gh_error.into());
        put("fault tried", task.tried.into());
        put("has page", task.have_page.into());
        put("extent mapping", mapping(task.mapping).into());
        put("saw bad address", task.saw_bad.into());
        put("file changed", task.changed.into());
        put("wrong", wrongs(task.wrong).into());
        if spec.aio {
            let aio = &task.aio;
            let pages = |bits: u8| -> Value {
                let set = (0..spec.buffer.len()).filter(|i| bits >> i & 1 == 1);
                set.map(|i| format!("page {i}")).collect::<Vec<_>>().into()
            };
            put("asynchronous", flight(aio.flight).into());
            put("in flight", pages(aio.bios));
            put("in flight, pinned before", pages(aio.pinned));
            put("in flight, referenced before", pages(aio.referenced));
            put("submitted from", aio.index.into());
            put("submitted at ki_pos", aio.page.into());
            put("dio->size", aio.size.into());
            put("will report", aio.value.into());
        }
        for i in 0..spec.buffer.len() {
            put(&format!("pin {i}"), pinned(task.pins[i]).into());
            put(&format!("filled {i}"), landed(task.landed[i]).into());
        }
        for (i, name) in program.var_names.iter().enumerate() {
            put(&format!("{name} ({i})"), task.vars[i].into());
        }
        for (i, name) in program.nested_var_names.iter().enumerate() {
            put(
                &format!("handler's {name} ({i})"),
                task.nested_vars[i].into(),
            );
        }
        for (i, flag) in program.flags.iter().enumerate() {
            if matches!(flag.place, Place::Task | Place::JournalInfo) {
                put(&format!("flag {}", flag.name), task.flags[i].into());
            }
        }
    }

    fn node(&self, node: &Node, n: usize, out: &mut impl Put) {
        let scenario = self.cluster.scenario();
        for (f, row) in self.glocks[n].iter().enumerate() {
            self.glock(node, row, f, out);
        }
        for (f, row) in self.glocks[n].iter().enumerate() {
            for page in 0..scenario.files[f].pages as usize {
                let value = cached(node.pages[f][page]);
                out.put(Table::Pages, row, &format!("page {page}"), value.into());
            }
            let written = node.sw_paged & (1 << f) != 0;
            out.put(Table::Pages, row, "GIF_SW_PAGED", written.into());
        }
        for (v, spec) in scenario.vpages.iter().enumerate() {
            if scenario.mms[spec.mm as usize].node as usize != n {
                continue;
            }
            let row = &self.ptes[v];
            out.put(Table::Ptes, row, "pte", pte(node.ptes[v]).into());
            out.put(Table::Ptes, row, "copied", node.is_copied(v).into());
            let bad = node.bad & (1 << v) != 0;
            out.put(Table::Ptes, row, "made bad", bad.into());
        }
        self.flags(node, n, out);
    }

    fn flags(&self, node: &Node, n: usize, out: &mut impl Put) {
        let scenario = self.cluster.scenario();
        let bits = |flags: u8, i: usize| flags >> (2 * i) & 3;
        for (i, flag) in self.cluster.program().flags.iter().enumerate() {
            match flag.place {
                Place::Inode => {
                    for (f, row) in self.glocks[n].iter().enumerate() {
                        let value = bits(node.inode_flags[f], i);
                        out.put(Table::Flags, row, &flag.name, value.into());
                    }
                }
                Place::File => {
                    let here = (0..scenario.tasks.len()).filter(|&t| scenario.node_of(t) == n);
                    let mut open: Vec<u8> = here.map(|t| scenario.tasks[t].open_file).collect();
                    open.sort_unstable();
                    open.dedup();
                    for file in open {
                        let row = format!("open file {}", file + 1);
                        let value = bits(node.file_flags[file as usize], i);
                        out.put(Table::Flags, &row, &flag.name, value.into());
                    }
                }
                Place::Task | Place::JournalInfo => {}
            }
        }
    }

    fn glock(&self, node: &Node, row: &str, file: usize, out: &mut impl Put) {
        let gl = &node.glocks[file];
        let mut put = |name: &str, value: Value| out.put(Table::Glocks, row, name, value);
        put("gl_state", gl.state.into());
        put("gl_holders", self.queue(gl).into());
        put("gl_flags", glock_flags(gl).into());
        put("gl_target", gl.target.into());
        put("gl_req", gl.req.into());
        put("gl_demote_state", gl.demote_state.into());
        put("demote", demote(gl.demote).into());
        put("demote in progress", gl.demote_in_progress.into());
        put("xmote", stage(gl.stage).into());
        put("run by", self.runner(gl.runner).into());
        put("next page to drop", gl.inval_page.into());
        let asked = gl.lck_flags.to_string();
        put("asked with", asked.trim_start_matches('|').into());
        put("gl_reply", gl.reply.into());
        if self.cluster.program().kernel.hold == HoldRule::V2624 {
            put("hold time, steps left", gl.kept.into());
        }
        if self.cluster.program().weak_holders {
            put("gl_work queued", gl.work_queued.into());
        }
        let owner = match node.rwsem[file] {
            0 => "",
            owner => self.names.task(owner - 1),
        };
        put("i_rwsem", owner.into());
        if self.cluster.scenario().files[file].grows() {
            put("i_size", node.i_size[file].into());
            put("size on disk", node.disk_size[file].into());
        }
    }

    /// As gfs2's glock dump: `P1 DF H` holds, `P2 SH W` waits.
    fn queue(&self, gl: &Glock) -> Vec<String> {
        let holder = |h: &glock_model::glock::Holder| {
            let name = self.names.task(h.task);
            format!("{name} {} {}", h.mode.name(), holder_flags(h))
        };
        gl.queue.as_slice().iter().map(holder).collect()
    }

    fn runner(&self, runner: Runner) -> &str {
        match runner {
            Runner::Worker => "worker",
            Runner::Task(task) => self.names.task(task),
        }
    }

    fn resource(&self, state: &State, f: usize, out: &mut impl Put) {
        let resource = &state.resources[f];
        let row = self.names.file(f as u8);
        let nodes = self.cluster.scenario().nodes as usize;
        for n in 0..nodes {
            let lock = &resource.locks[n];
            let granted = if lock.exists {
                lock.granted.name()
            } else {
                "no lock"
            };
            let name = self.names.node(n as u8);
            out.put(Table::LockSpace, row, &name, granted.into());
            let told = lock.highbast.into();
            out.put(Table::LockSpace, row, &format!("{name} told of"), told);
        }
        for (name, queue) in [("convert", &resource.convert), ("wait", &resource.wait)] {
            out.put(Table::LockSpace, row, name, self.fifo(queue).into());
        }
        for n in 0..nodes {
            let channel = &state.channels[n][f];
            let row = &self.glocks[n][f];
            let request = channel.request.as_ref().map_or(String::new(), request);
            out.put(Table::Messages, row, "to the dlm", request.into());
            let messages: Vec<String> = channel.messages().map(message).collect();
            out.put(Table::Messages, row, "from the dlm", messages.into());
        }
    }

    fn fifo(&self, queue: &Fifo) -> Vec<String> {
        let waiting = queue.as_slice().iter();
        waiting
            .map(|w| format!("{} {}", self.names.node(w.node), w.mode.name()))
            .collect()
    }

    fn waits(&self, state: &State, out: &mut impl Put) {
        let graph = waits::graph(self.cluster, state);
        for (waiter, row) in &self.waiters {
            let whom = graph.waits_for(*waiter).map(|w| self.names.waiter(w));
            out.put(
                Table::Waits,
                row,
                "waits for",
                whom.collect::<Vec<_>>().into(),
            );
        }
        let cycle = waits::cycle(self.cluster, state).unwrap_or_default();
        let cycle = cycle.into_iter().map(|w| self.names.waiter(w));
        out.put(
            Table::Waits,
            "cycle",
            "cycle",
            cycle.collect::<Vec<_>>().into(),
        );
    }

    fn environment(&self, state: &State, out: &mut impl Put) {
        let (events, left) = (&self.cluster.scenario().events, &state.budgets);
        let mut put = |row: &str, n: u8| out.put(Table::Environment, row, "left", n.into());
        put("reclaim", left.reclaim);
        put("shrink", left.shrink);
        put("expire", left.expire);
        for (i, demand) in events.demands.iter().enumerate() {
            let file = self.names.file_on(demand.node, demand.file);
            let row = format!("demand {}: {} of {file}", i + 1, demand.mode.name());
            put(&row, left.demands[i]);
        }
        for (f, _) in events.appends.iter().enumerate().filter(|(_, n)| **n > 0) {
            put(
                &format!("append to {}", self.names.file(f as u8)),
                left.appends[f],
            );
        }
    }
}

/// Pages that are mapped twice in one address space have one name; their rows do not.
fn rows_of_ptes(names: &Names<'_>, count: usize) -> Vec<String> {
    let mut rows: Vec<String> = Vec::with_capacity(count);
    for v in 0..count {
        let name = names.vpage_of_mm(v as u8);
        let alike = (0..v).filter(|&w| names.vpage_of_mm(w as u8) == name);
        rows.push(match alike.count() {
            0 => name,
            n => format!("{name} again ({n})"),
        });
    }
    rows
}

// ---- words ------------------------------------------------------------------------

fn status(task: &Task) -> &'static str {
    match task.status {
        Status::Idle => "not begun",
        Status::Running => "runs",
        Status::Done => "over",
        Status::Bug => "BUG",
    }
}

fn returned(task: &Task) -> Value {
    match task.status {
        Status::Done => task.result.into(),
        _ => "".into(),
    }
}

const fn sleeps(wait: Wait) -> &'static str {
    match wait {
        Wait::No => "",
        Wait::Sleeping => "in gfs2_glock_nq",
        Wait::Failed => "no more, TRY failed",
    }
}

/// The built-in operation, and where in it.
const fn within(sub: Sub) -> &'static str {
    match sub {
        Sub::None => "",
        Sub::DioFlush => "iomap_dio_rw: write-back",
        Sub::DioPage => "iomap_dio_rw: next page",
        Sub::DioEnd => "iomap_dio_rw: invalidation after it",
        Sub::ReadPage => "generic_file_read_iter: next page",
        Sub::WriteBegin => "iomap_file_buffered_write: iomap_begin",
        Sub::WritePage => "iomap_file_buffered_write: next page",
        Sub::WriteEnd => "iomap_file_buffered_write: iomap_end",
        Sub::FaultIn => "fault-in: next page",
        Sub::Pin => "pinning: next page",
        Sub::Touch => "access: next page",
        Sub::MmArrive => "mmap_write_lock: arrives",
        Sub::MmQueued => "mmap_write_lock: queued",
        Sub::MmHeld => "mmap_write_lock: has it",
        Sub::Readpage => "generic_file_read_iter: readpage",
        Sub::FiemapPage => "iomap_fiemap: next page of records",
        Sub::DioWait => "iomap_dio_rw: waits for what is in flight",
        Sub::Parked => "returned -EIOCBQUEUED",
    }
}

/// Asynchronous direct I/O.
const fn flight(flight: Flight) -> &'static str {
    match flight {
        Flight::None => "",
        Flight::Submitting => "submits",
        Flight::Queued => "in flight",
        Flight::Ending => "moved, not yet completed",
        Flight::Complete => "completed",
    }
}

const fn fault(fault: Fault) -> &'static str {
    match fault {
        Fault::None => "",
        Fault::Begin => "before mmap_lock",
        Fault::Handler => "in fault",
        Fault::MkwriteNew => "in page_mkwrite, after fault",
        Fault::MkwriteWp => "in page_mkwrite, write-protected",
    }
}

fn mmap_lock(task: &Task) -> &'static str {
    match (task.mmap_read, task.sub) {
        (true, _) => "read",
        (false, Sub::MmHeld) => "write",
        (false, Sub::MmQueued) => "queued to write",
        _ => "",
    }
}

const fn mapping(mapping: Mapping) -> &'static str {
    match mapping {
        Mapping::None => "",
        Mapping::Valid => "valid",
        Mapping::Stale => "stale",
    }
}

fn wrongs(bits: u8) -> Vec<String> {
    [
        (wrong::LOST, "no-lost-efault"),
        (wrong::SPURIOUS, "no-spurious-efault"),
        (wrong::SHORT, "no-short"),
        (wrong::PLACEMENT, "placement"),
        (wrong::UNBALANCED, "balanced"),
        (wrong::TORN, "atomic-read"),
        (wrong::MAPPING, "mapping"),
    ]
    .into_iter()
    .filter(|(bit, _)| bits & bit != 0)
    .map(|(_, name)| name.to_string())
    .collect()
}

const fn pinned(pinned: Pinned) -> &'static str {
    match pinned {
        Pinned::No => "",
        Pinned::Live => "pinned",
        Pinned::Orphan => "pinned, left the file",
        Pinned::Ref => "referenced",
    }
}

/// The file page a buffer page was transferred with.
fn landed(landed: u8) -> String {
    match landed {
        0 => String::new(),
        LANDED_LOST => "lost".to_string(),
        n => format!("page {}", n - 1),
    }
}

const fn cached(page: Page) -> &'static str {
    match page {
        Page::Absent => "",
        Page::Clean => "clean",
        Page::Dirty => "dirty",
    }
}

const fn pte(pte: Pte) -> &'static str {
    match pte {
        Pte::None => "none",
        Pte::Ro => "ro",
        Pte::Rw => "rw",
    }
}

const fn demote(demote: Demote) -> &'static str {
    match demote {
        Demote::None => "",
        Demote::Pending => "pending",
        Demote::Now => "now",
        Demote::Both => "now, and another pending",
    }
}

const fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Idle => "",
        Stage::Sync => "before go_sync",
        Stage::Inval => "in go_inval",
        Stage::Sent => "asked the dlm",
        Stage::Reply => "reply pending",
    }
}

/// `EX`, `SH NOQUEUE`.
pub(crate) fn request(request: &Request) -> String {
    let mut text = request.mode.name().to_string();
    for (set, name) in [
        (request.noqueue, " NOQUEUE"),
        (request.noqueuebast, " NOQUEUEBAST"),
        (request.quecvt, " QUECVT"),
    ] {
        if set {
            text += name;
        }
    }
    text
}

/// `grant`, `blocking callback SH`.
pub(crate) fn message(message: Message) -> String {
    match message {
        Message::Grant => "grant".to_string(),
        Message::Refuse => "refusal".to_string(),
        Message::Bast(mode) => format!("blocking callback {}", mode.name()),
    }
}
