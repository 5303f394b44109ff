//! What a recording says: the processes, their calls and files, and what was observed, in order.

use super::ftrace::{Event, Line, Trace};
use super::mapping::{self, FAULT_BITS, Function, TRYFAILED};
use glock_model::mode::Mode;
use glock_model::scenario::OpKind;
use std::collections::{HashMap, HashSet};
use std::fmt;

/// The result of something, as the kernel counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// So many bytes.
    Bytes(i64),
    /// An error number, negative.
    Error(i64),
    /// An access or a copy of another kind is over, however many bytes it was for.
    Done,
}

impl Value {
    fn of(ret: i64) -> Value {
        if ret < 0 {
            Value::Error(ret)
        } else {
            Value::Bytes(ret)
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Bytes(bytes) => write!(f, "{bytes}"),
            Value::Error(-14) => f.write_str("-EFAULT"),
            Value::Error(-11) => f.write_str("-EAGAIN"),
            Value::Error(error) => write!(f, "{error}"),
            Value::Done => f.write_str("done"),
        }
    }
}

/// Who asked for a glock: the functions of the design, or another part of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum By {
    /// The design.
    Design,
    /// Another function.
    Guest,
    /// The recording does not say.
    Unknown,
}

/// Something observed of the kernel, or shown by the model. Processes and files are indices into
/// the [`Recording`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // fields are explained with their variant
pub enum What {
    /// A process makes one of its calls.
    Call { proc: u8, call: u8 },
    /// The call is over.
    Return { proc: u8, value: Value },
    /// A holder enters the queue.
    Queue {
        proc: u8,
        file: u8,
        mode: Mode,
        by: By,
    },
    /// A holder leaves the queue.
    Dequeue {
        proc: u8,
        file: u8,
        mode: Mode,
        by: By,
    },
    /// A TRY that had been queued fails: whoever noticed takes it out of the queue.
    Expelled { file: u8, mode: Mode },
    /// A TRY failed.
    Refused { proc: u8 },
    /// A holder is granted.
    Promote { file: u8, mode: Mode },
    /// The node's mode changes.
    State { file: u8, from: Mode, to: Mode },
    /// The node shall give the file up, from one mode down to another.
    Demote { file: u8, from: Mode, to: Mode },
    /// A request to the lock space.
    Request { file: u8, mode: Mode },
    /// Its answer.
    Answer { file: u8, granted: bool },
    /// The lock space's callback: another node wants this mode.
    Callback { file: u8, mode: Mode },
    /// A change of mode begins, with write-back.
    GoSync { file: u8 },
    /// A change of mode drops the pages.
    GoInval { file: u8 },
    /// A direct transfer has written back the pages of its range.
    Flush { proc: u8 },
    /// A request for a glock that the process has already: it never comes back.
    Trapped { proc: u8 },
    /// The fault handler is entered.
    Fault { proc: u8 },
    /// It returned: bits of [`FAULT_BITS`].
    FaultDone { proc: u8, code: i64 },
    /// The handler that makes a page writable is entered.
    Mkwrite { proc: u8 },
    /// It returned.
    MkwriteDone { proc: u8, code: i64 },
    /// A fault-in returned: bytes that are missing.
    FaultIn { proc: u8, left: i64 },
    /// A transfer returned.
    Transfer { proc: u8, value: Value },
}

impl What {
    /// Whether an event of the model, which is complete, is what was observed.
    pub fn is_seen_as(&self, seen: &What) -> bool {
        match (*self, *seen) {
            (
                What::Queue {
                    proc, file, mode, ..
                },
                What::Queue {
                    proc: p,
                    file: f,
                    mode: m,
                    by: By::Unknown,
                },
            )
            | (
                What::Dequeue {
                    proc, file, mode, ..
                },
                What::Dequeue {
                    proc: p,
                    file: f,
                    mode: m,
                    by: By::Unknown,
                },
            ) => (proc, file, mode) == (p, f, m),
            _ => self == seen,
        }
    }

    /// The process it is about, if it is about one.
    pub fn proc(&self) -> Option<u8> {
        match *self {
            What::Call { proc, .. }
            | What::Return { proc, .. }
            | What::Queue { proc, .. }
            | What::Dequeue { proc, .. }
            | What::Refused { proc }
            | What::Flush { proc }
            | What::Trapped { proc }
            | What::Fault { proc }
            | What::FaultDone { proc, .. }
            | What::Mkwrite { proc }
            | What::MkwriteDone { proc, .. }
            | What::FaultIn { proc, .. }
            | What::Transfer { proc, .. } => Some(proc),
            _ => None,
        }
    }

    /// The file it is about, if it is about one.
    pub fn file(&self) -> Option<u8> {
        match *self {
            What::Request { file, .. }
            | What::Callback { file, .. }
            | What::GoSync { file }
            | What::GoInval { file } => Some(file),
            _ => self.glock(),
        }
    }

    /// The file whose glock it is about: these events happen under its spinlock, and are recorded in
    /// their order.
    pub fn glock(&self) -> Option<u8> {
        match *self {
            What::Queue { file, .. }
            | What::Dequeue { file, .. }
            | What::Expelled { file, .. }
            | What::Promote { file, .. }
            | What::State { file, .. }
            | What::Demote { file, .. }
            | What::Answer { file, .. } => Some(file),
            _ => None,
        }
    }
}

/// What of the things that only some recordings have was probed in a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Probed {
    /// [`What::GoSync`].
    pub go_sync: bool,
    /// [`What::GoInval`].
    pub go_inval: bool,
    /// [`What::Flush`].
    pub flush: bool,
    /// [`What::Callback`].
    pub callback: bool,
}

impl Probed {
    fn of(log: &[Observation]) -> Probed {
        let mut probed = Probed::default();
        for seen in log {
            match seen.what {
                What::GoSync { .. } => probed.go_sync = true,
                What::GoInval { .. } => probed.go_inval = true,
                What::Flush { .. } => probed.flush = true,
                What::Callback { .. } => probed.callback = true,
                _ => {}
            }
        }
        probed
    }

    /// Whether an event would have a line.
    pub fn shows(&self, what: &What) -> bool {
        match what {
            What::GoSync { .. } => self.go_sync,
            What::GoInval { .. } => self.go_inval,
            What::Flush { .. } => self.flush,
            What::Callback { .. } => self.callback,
            _ => true,
        }
    }
}

/// An observation with its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The line of the log, from 1.
    pub line: usize,
    /// Time stamp, in nanoseconds of the node's trace clock.
    pub time: u64,
    /// The CPU.
    pub cpu: u16,
    /// What was observed.
    pub what: What,
}

/// The memory a call uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Buffer {
    /// Anonymous memory.
    Anon,
    /// A shared mapping of a file.
    Shared(u8),
    /// A private mapping of a file.
    Private(u8),
}

/// A call, as a `CALL` marker says it. Sizes and offsets are in pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Call {
    /// What is done.
    pub op: OpKind,
    /// The file it works on.
    pub file: u8,
    /// The first page of the file.
    pub off: u32,
    /// The memory.
    pub buffer: Buffer,
    /// The first page of the mapping.
    pub page: u32,
    /// How many pages.
    pub pages: u32,
    /// The page of the buffer that was made inaccessible.
    pub bad: Option<u32>,
}

/// A process of the recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its name in the markers.
    pub name: String,
    /// Its node, from 0: the log it is in.
    pub node: usize,
    /// Its different calls, in the order in which they were first made.
    pub calls: Vec<Call>,
    /// Whether a signal for an access to memory killed it.
    pub killed: bool,
}

/// How a recording says that it ended, in its `# outcome:` lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ending {
    /// It is not whole: cut, damaged or overrun behind this line.
    pub cut: Option<usize>,
    /// So many tasks never came back, although nothing more happened for seconds.
    pub stuck: usize,
    /// The kernel hit a BUG.
    pub bug: bool,
}

/// What logs of all nodes say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// Names of the logs, for people.
    pub names: Vec<String>,
    /// Per log, what was observed.
    pub logs: Vec<Vec<Observation>>,
    /// Per log, what was probed of what need not be.
    pub probed: Vec<Probed>,
    /// The processes.
    pub processes: Vec<Process>,
    /// The files: names and numbers of their glocks.
    pub files: Vec<(String, u64)>,
    /// Whether requests to a lock space were observed.
    pub clustered: bool,
    /// How it ended.
    pub ending: Ending,
    /// Per log, lines that say nothing about the model: of glocks of other types and inodes, of
    /// events nobody knows, and implied ones.
    pub skipped: Vec<usize>,
    /// What is wrong with the texts, each with the number of its log.
    pub problems: Vec<(usize, super::ftrace::Problem)>,
}

/// Why a recording cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{log}, line {line}: {what}")]
pub struct Unreadable {
    /// The name of the log.
    pub log: String,
    /// The line, from 1; 0 if it is about the log as a whole.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

/// How many processes may be followed: each needs room for a request of its own.
pub const MAX_PROCESSES: usize = 3;

/// Puts logs together, one for each node, each with its name.
///
/// # Errors
///
/// [`Unreadable`] if the markers are missing or make no sense.
pub fn observe(traces: &[(String, Trace)]) -> Result<Recording, Unreadable> {
    let mut recording = Recording {
        names: traces.iter().map(|(name, _)| name.clone()).collect(),
        logs: Vec::new(),
        probed: Vec::new(),
        processes: Vec::new(),
        files: Vec::new(),
        clustered: false,
        ending: Ending::default(),
        skipped: Vec::new(),
        problems: Vec::new(),
    };
    for (name, trace) in traces {
        recording.files(name, trace)?;
    }
    for (node, (name, trace)) in traces.iter().enumerate() {
        recording.calls(node, name, trace)?;
    }
    for (node, (_, trace)) in traces.iter().enumerate() {
        recording.outcome(trace);
        let problems = trace.problems.iter().map(|p| (node, p.clone()));
        recording.problems.extend(problems);
        let reader = LogReader::new(&recording, node);
        let (observations, skipped, clustered) = reader.read(trace);
        recording.probed.push(Probed::of(&observations));
        recording.logs.push(observations);
        recording.skipped.push(skipped);
        recording.clustered |= clustered;
    }
    if recording.processes.is_empty() {
        let what = "there is no CALL marker: nobody's calls can be followed";
        return Err(unreadable(&traces[0].0, 0, what));
    }
    recording.clustered |= traces.len() > 1;
    Ok(recording)
}

fn unreadable(log: &str, line: usize, what: impl Into<String>) -> Unreadable {
    Unreadable {
        log: log.to_owned(),
        line,
        what: what.into(),
    }
}

impl Recording {
    /// The files, from `inode glocks: f1=2:4657 f2=2:4662` in a comment, or from markers
    /// `FILE /mnt/f1 2:4657`.
    fn files(&mut self, log: &str, trace: &Trace) -> Result<(), Unreadable> {
        let mut add = |line: usize, name: &str, glock: &str| {
            let number = glock.strip_prefix("2:").and_then(|n| n.parse().ok());
            let Some(number) = number else {
                let what = format!("{glock:?} is not the glock of an inode, such as 2:4657");
                return Err(unreadable(log, line, what));
            };
            let name = basename(name).to_owned();
            match self.files.iter().find(|(known, _)| *known == name) {
                Some((_, known)) if *known != number => {
                    let what = format!("{name} is 2:{number} here and 2:{known} elsewhere");
                    return Err(unreadable(log, line, what));
                }
                Some(_) => {}
                None => self.files.push((name, number)),
            }
            Ok(())
        };
        for (line, comment) in &trace.comments {
            let Some((_, files)) = comment.split_once("inode glocks:") else {
                continue;
            };
            for (name, glock) in files.split_whitespace().filter_map(|w| w.split_once('=')) {
                add(*line, name, glock)?;
            }
        }
        for line in &trace.lines {
            if let Event::Mark(text) = &line.event
                && let Some(text) = text.strip_prefix("FILE ")
                && let Some((name, glock)) = text.trim().split_once(' ')
            {
                add(line.number, name, glock)?;
            }
        }
        if self.files.len() > glock_model::scenario::MAX_FILES {
            let what = format!("there are {} files", self.files.len());
            return Err(unreadable(log, 0, what));
        }
        Ok(())
    }

    fn file(&self, path: &str) -> Option<u8> {
        let name = basename(path);
        let index = self.files.iter().position(|(known, _)| known == name)?;
        Some(index as u8)
    }

    fn calls(&mut self, node: usize, log: &str, trace: &Trace) -> Result<(), Unreadable> {
        for line in &trace.lines {
            let Event::Mark(text) = &line.event else {
                continue;
            };
            let Some(text) = text.strip_prefix("CALL ") else {
                continue;
            };
            let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
            let call = self
                .call(rest)
                .map_err(|what| unreadable(log, line.number, what))?;
            let process = match self.processes.iter().position(|p| p.name == name) {
                Some(index) => &mut self.processes[index],
                None => {
                    if self.processes.len() == MAX_PROCESSES {
                        let what = format!("more than {MAX_PROCESSES} processes make calls");
                        return Err(unreadable(log, line.number, what));
                    }
                    self.processes.push(Process {
                        name: name.to_owned(),
                        node,
                        calls: Vec::new(),
                        killed: false,
                    });
                    self.processes.last_mut().expect("it was just added")
                }
            };
            if process.node != node {
                let what = format!("{name} makes calls in two logs");
                return Err(unreadable(log, line.number, what));
            }
            if !process.calls.contains(&call) {
                process.calls.push(call);
            }
        }
        Ok(())
    }

    /// `read file=/mnt/f1 flags=direct buf=/mnt/f2/shared page=0 pages=2 bad=-1 off=0`
    fn call(&self, text: &str) -> Result<Call, String> {
        let mut words = text.split_whitespace().peekable();
        words.next_if(|word| word.starts_with("node="));
        let verb = words.next().ok_or("a CALL says what is called")?;
        let fields: Vec<(&str, &str)> = words.filter_map(|word| word.split_once('=')).collect();
        let field = |key: &str| {
            let found = fields.iter().find(|(known, _)| *known == key);
            found.map(|(_, value)| *value)
        };
        let number = |key: &str, default: Option<i64>| match field(key) {
            Some(value) => value
                .parse::<i64>()
                .map_err(|_| format!("{key}={value} is not a number")),
            None => default.ok_or(format!("a CALL of {verb} needs {key}=")),
        };
        let direct = match field("flags") {
            Some("direct") => true,
            Some("buffered") | None => false,
            Some(other) => return Err(format!("flags={other}: direct and buffered are known")),
        };
        let op = match (verb, direct) {
            ("read", true) => OpKind::DirectRead,
            ("read", false) => OpKind::BufferedRead,
            ("write", true) => OpKind::DirectWrite,
            ("write", false) => OpKind::BufferedWrite,
            ("load", _) => OpKind::Load,
            ("store", _) => OpKind::Store,
            ("pipe", _) | ("pipe_read", _) => OpKind::PipeRead,
            ("pipe_write", _) => OpKind::PipeWrite,
            _ => return Err(format!("{verb:?} is not a call that can be followed")),
        };
        let known = |path: &str| {
            self.file(path).ok_or(format!(
                "nothing says which glock {path} has: a comment `# inode glocks: {0}=2:NUMBER` or \
                 a marker `FILE {path} 2:NUMBER` does",
                basename(path)
            ))
        };
        let file = match field("file") {
            Some(path) => known(path)?,
            None if op.is_io() => return Err(format!("a CALL of {verb} needs file=")),
            None => 0,
        };
        let buffer = match field("buf").and_then(|buffer| buffer.rsplit_once('/')) {
            Some(("anon", _)) => Buffer::Anon,
            Some((path, "shared")) => Buffer::Shared(known(path)?),
            Some((path, "private")) => Buffer::Private(known(path)?),
            _ => return Err("buf= is anon/private, or a path and /shared or /private".to_owned()),
        };
        let small = |key: &str, value: i64| {
            let range = 0..=1 << 20;
            let fits = range.contains(&value).then_some(value as u32);
            fits.ok_or(format!("{key}={value} is out of range"))
        };
        Ok(Call {
            op,
            file,
            off: small("off", number("off", Some(0))?)?,
            buffer,
            page: small("page", number("page", Some(0))?)?,
            pages: small("pages", number("pages", None)?)?.max(1),
            bad: match number("bad", Some(-1))? {
                -1 => None,
                bad => Some(small("bad", bad)?),
            },
        })
    }

    fn outcome(&mut self, trace: &Trace) {
        if let Some(problem) = trace.whole_before() {
            self.ending.cut = Some(problem.line);
        }
        for (line, comment) in &trace.comments {
            if comment.starts_with("cut after") {
                self.ending.cut = Some(*line);
            }
            let Some(outcome) = comment.strip_prefix("outcome:") else {
                continue;
            };
            let unfinished = outcome.split_whitespace();
            let unfinished = unfinished.filter_map(|word| word.strip_prefix("unfinished="));
            for count in unfinished.filter_map(|count| count.parse::<usize>().ok()) {
                self.ending.stuck += count;
            }
            if let Some(signal) = outcome.trim().strip_prefix("SIGNAL ")
                && let Some((name, "7" | "11")) = signal.split_once(' ')
            {
                let killed = self.processes.iter_mut().filter(|p| p.name == name);
                killed.for_each(|process| process.killed = true);
            }
            self.ending.bug |= outcome.contains("kernel BUG");
        }
    }

    /// An observation as the kernel, or the marker, says it.
    pub fn text(&self, what: &What) -> String {
        let file = |file: u8| self.files[file as usize].0.as_str();
        let fault = |code: i64| match code {
            0x400 => "VM_FAULT_RETRY",
            0x200 => "VM_FAULT_LOCKED",
            0x100 => "VM_FAULT_NOPAGE",
            0x2 => "VM_FAULT_SIGBUS",
            _ => "0",
        };
        match *what {
            What::Call { proc, call } => {
                let call = &self.processes[proc as usize].calls[call as usize];
                format!("call {}", call.op.name())
            }
            What::Return { value, .. } => format!("returns {value}"),
            What::Queue {
                file: f, mode, by, ..
            } => match by {
                By::Guest => format!("queue {} {mode} (not by the design)", file(f)),
                _ => format!("queue {} {mode}", file(f)),
            },
            What::Dequeue { file: f, mode, .. } => format!("dequeue {} {mode}", file(f)),
            What::Expelled { file: f, mode } => format!("dequeue {} {mode} (TRY)", file(f)),
            What::Refused { .. } => "TRY refused".to_owned(),
            What::Promote { file: f, mode } => format!("promote {} {mode}", file(f)),
            What::State { file: f, from, to } => format!("state {} {from} to {to}", file(f)),
            What::Demote { file: f, from, to } => {
                format!("demote request {} {from} to {to}", file(f))
            }
            What::Request { file: f, mode } => format!("request to the DLM {} {mode}", file(f)),
            What::Answer { file: f, granted } => {
                let how = if granted { "granted" } else { "refused" };
                format!("answer of the DLM {}: {how}", file(f))
            }
            What::Callback { file: f, mode } => format!("callback {} for {mode}", file(f)),
            What::GoSync { file: f } => format!("inode_go_sync {}", file(f)),
            What::GoInval { file: f } => format!("inode_go_inval {}", file(f)),
            What::Flush { .. } => "range written back".to_owned(),
            What::Trapped { .. } => "gfs2_glock_nq, and a BUG".to_owned(),
            What::Fault { .. } => "gfs2_fault".to_owned(),
            What::FaultDone { code, .. } => format!("gfs2_fault returns {}", fault(code)),
            What::Mkwrite { .. } => "gfs2_page_mkwrite".to_owned(),
            What::MkwriteDone { code, .. } => {
                format!("gfs2_page_mkwrite returns {}", fault(code))
            }
            What::FaultIn { left, .. } => format!("fault-in returns, {left} bytes left"),
            What::Transfer { value, .. } => format!("transfer returns {value}"),
        }
    }
}

fn basename(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// A request for a glock that a process is in.
struct Nq {
    /// Where its entry into the queue is among the observations.
    queued: Option<usize>,
}

/// What is known of a process while its lines are read.
#[derive(Default)]
struct Track {
    pid: Option<u32>,
    call: Option<Call>,
    nq: Vec<Nq>,
    /// Entries of queues, by their place among the observations, that have not left.
    queued: Vec<usize>,
    /// How many transfers that fault in on their own are under way.
    in_transfer: usize,
}

struct LogReader<'r> {
    recording: &'r Recording,
    node: usize,
    tracks: Vec<Track>,
    observations: Vec<Observation>,
    /// Whose change of mode a task is in, for the lines that do not say it, by number of the line.
    changes: HashMap<usize, u8>,
    /// Lines that are the last of their task.
    last: HashSet<usize>,
    skipped: usize,
    clustered: bool,
}

impl<'r> LogReader<'r> {
    fn new(recording: &'r Recording, node: usize) -> Self {
        let tracks = recording.processes.iter().map(|_| Track::default());
        LogReader {
            recording,
            node,
            tracks: tracks.collect(),
            observations: Vec::new(),
            changes: HashMap::new(),
            last: HashSet::new(),
            skipped: 0,
            clustered: false,
        }
    }

    fn read(mut self, trace: &Trace) -> (Vec<Observation>, usize, bool) {
        self.find_changes(trace);
        let last: HashMap<u32, usize> = trace.lines.iter().map(|l| (l.pid, l.number)).collect();
        self.last = last.into_values().collect();
        let end = trace.whole_before().map_or(usize::MAX, |p| p.line);
        for line in &trace.lines {
            if line.number < end && self.line(line).is_none() {
                self.skipped += 1;
            }
        }
        (self.observations, self.skipped, self.clustered)
    }

    /// Reads backwards: a change of mode ends with the line that names the glock.
    fn find_changes(&mut self, trace: &Trace) {
        let mut ends: HashMap<u32, u8> = HashMap::new();
        for line in trace.lines.iter().rev() {
            let function = match &line.event {
                Event::Enter { function } => mapping::function(function),
                Event::Return { function, .. } => match mapping::function(function) {
                    Some(Function::GoSync | Function::GoInval) => continue,
                    _ => None,
                },
                &Event::State { kind, number, .. } | &Event::LockStart { kind, number, .. } => {
                    match self.file(kind, number) {
                        Some(file) => ends.insert(line.pid, file),
                        None => ends.remove(&line.pid),
                    };
                    continue;
                }
                _ => None,
            };
            let end = match function {
                Some(Function::GoInval) => ends.get(&line.pid).copied(),
                _ => ends.remove(&line.pid),
            };
            if let (Some(Function::GoSync | Function::GoInval), Some(file)) = (function, end) {
                self.changes.insert(line.number, file);
            }
        }
    }

    fn see(&mut self, line: &Line, what: What) -> Option<()> {
        self.observations.push(Observation {
            line: line.number,
            time: line.time,
            cpu: line.cpu,
            what,
        });
        Some(())
    }

    /// The process a line is about: the one whose marker came from that pid, or that has this name.
    fn proc(&self, line: &Line) -> Option<u8> {
        let by_pid = self.tracks.iter().position(|t| t.pid == Some(line.pid));
        let by_name = || {
            self.recording
                .processes
                .iter()
                .position(|p| p.node == self.node && p.name == line.task)
        };
        by_pid.or_else(by_name).map(|index| index as u8)
    }

    fn file(&self, kind: u32, number: u64) -> Option<u8> {
        let files = &self.recording.files;
        let index = files.iter().position(|(_, known)| *known == number)?;
        (kind == 2).then_some(index as u8)
    }

    fn line(&mut self, line: &Line) -> Option<()> {
        match &line.event {
            Event::Mark(text) => self.mark(line, text),
            Event::Enter { function } => self.enter(line, mapping::function(function)?),
            Event::Return {
                function,
                caller,
                ret,
            } => self.returned(line, mapping::function(function)?, caller, *ret),
            &Event::Queue {
                kind,
                number,
                enters,
                mode,
            } => {
                let file = self.file(kind, number)?;
                match self.proc(line) {
                    Some(proc) => self.queue(line, proc, file, enters, mode),
                    None if enters => None,
                    None => self.see(line, What::Expelled { file, mode }),
                }
            }
            &Event::Promote { kind, number, mode } => {
                let file = self.file(kind, number)?;
                self.see(line, What::Promote { file, mode })
            }
            &Event::State {
                kind,
                number,
                from,
                to,
            } => {
                let file = self.file(kind, number)?;
                if from == to {
                    return None;
                }
                self.see(line, What::State { file, from, to })
            }
            &Event::Demote {
                kind,
                number,
                from,
                to,
            } => {
                let file = self.file(kind, number)?;
                self.see(line, What::Demote { file, from, to })
            }
            &Event::LockStart { kind, number, mode } => {
                let file = self.file(kind, number)?;
                self.clustered = true;
                self.see(line, What::Request { file, mode })
            }
            &Event::Ast {
                kind,
                number,
                status,
            } => {
                let file = self.file(kind, number)?;
                self.clustered = true;
                let granted = status == 0;
                self.see(line, What::Answer { file, granted })
            }
            &Event::Bast { kind, number, mode } => {
                let file = self.file(kind, number)?;
                self.clustered = true;
                self.see(line, What::Callback { file, mode })
            }
            Event::Other => None,
        }
    }

    fn mark(&mut self, line: &Line, text: &str) -> Option<()> {
        let (verb, rest) = text.trim_end().split_once(' ')?;
        let (name, rest) = rest.split_once(' ')?;
        let mut processes = self.recording.processes.iter();
        let index = processes.position(|p| p.name == name)?;
        let (proc, track) = (index as u8, &mut self.tracks[index]);
        let process = &self.recording.processes[index];
        match verb {
            "CALL" => {
                let call = self.recording.call(rest).ok()?;
                let place = process.calls.iter().position(|known| *known == call)?;
                track.pid = Some(line.pid);
                track.call = Some(call);
                let call = place as u8;
                self.see(line, What::Call { proc, call })
            }
            "RET" => {
                let mut words = rest.split_whitespace();
                let ret: i64 = words.next()?.parse().ok()?;
                let errno = words.find_map(|w| w.strip_prefix("errno=")?.parse::<i64>().ok());
                let value = match (ret, errno) {
                    (ret, Some(errno)) if ret < 0 => Value::Error(-errno),
                    (ret, _) if track.call.is_some_and(|call| !call.op.is_io()) && ret >= 0 => {
                        Value::Done
                    }
                    (ret, _) => Value::of(ret),
                };
                self.see(line, What::Return { proc, value })
            }
            _ => None,
        }
    }

    fn enter(&mut self, line: &Line, function: Function) -> Option<()> {
        if let Function::GoSync | Function::GoInval = function {
            let file = *self.changes.get(&line.number)?;
            let what = match function {
                Function::GoSync => What::GoSync { file },
                _ => What::GoInval { file },
            };
            return self.see(line, what);
        }
        let proc = self.proc(line)?;
        let track = &mut self.tracks[proc as usize];
        match function {
            Function::Nq => {
                track.nq.push(Nq { queued: None });
                let trapped = self.recording.ending.bug && self.last.contains(&line.number);
                match trapped {
                    true => self.see(line, What::Trapped { proc }),
                    false => None,
                }
            }
            Function::TransferWithFaultIn => {
                track.in_transfer += 1;
                None
            }
            Function::Fault => self.see(line, What::Fault { proc }),
            Function::PageMkwrite => self.see(line, What::Mkwrite { proc }),
            _ => None,
        }
    }

    fn returned(&mut self, line: &Line, function: Function, caller: &str, ret: i64) -> Option<()> {
        let proc = self.proc(line)?;
        let track = &mut self.tracks[proc as usize];
        let code = FAULT_BITS
            .into_iter()
            .find(|bit| ret & bit != 0)
            .unwrap_or(0);
        let value = Value::of(ret);
        match function {
            Function::Nq => self.nq_returned(line, proc, caller, ret),
            Function::Fault => self.see(line, What::FaultDone { proc, code }),
            Function::PageMkwrite => self.see(line, What::MkwriteDone { proc, code }),
            Function::FaultIn if track.in_transfer > 0 => None,
            Function::FaultIn => self.see(line, What::FaultIn { proc, left: ret }),
            Function::TransferWithFaultIn => {
                track.in_transfer = track.in_transfer.saturating_sub(1);
                self.see(line, What::Transfer { proc, value })
            }
            Function::Transfer => self.see(line, What::Transfer { proc, value }),
            Function::Flush if mapping::FLUSHERS.contains(&caller) => {
                self.see(line, What::Flush { proc })
            }
            _ => None,
        }
    }

    /// `gfs2_glock_nq` came back: now it is known who asked.
    fn nq_returned(&mut self, line: &Line, proc: u8, caller: &str, ret: i64) -> Option<()> {
        let track = &mut self.tracks[proc as usize];
        let nq = track.nq.pop()?;
        let asked = match mapping::CALLERS.contains(&caller) {
            true => By::Design,
            false => By::Guest,
        };
        if let Some(queued) = nq.queued
            && let What::Queue { by, .. } = &mut self.observations[queued].what
        {
            *by = asked;
        }
        if ret == TRYFAILED && asked == By::Design {
            track.queued.retain(|queued| Some(*queued) != nq.queued);
            return self.see(line, What::Refused { proc });
        }
        None
    }

    fn queue(&mut self, line: &Line, proc: u8, file: u8, enters: bool, mode: Mode) -> Option<()> {
        let place = self.observations.len();
        let track = &mut self.tracks[proc as usize];
        let mut by = By::Unknown;
        if enters {
            if let Some(nq) = track.nq.last_mut() {
                nq.queued = Some(place);
            }
            track.queued.push(place);
            return self.see(
                line,
                What::Queue {
                    proc,
                    file,
                    mode,
                    by,
                },
            );
        }
        if !track.nq.is_empty() {
            // A request dequeues none but those that try.
            return self.see(line, What::Expelled { file, mode });
        }
        let observations = &self.observations;
        let of_file = |queued: &usize| matches!(observations[*queued].what, What::Queue { file: f, .. } if f == file);
        if let Some(at) = track.queued.iter().rposition(of_file) {
            let queued = track.queued.remove(at);
            if let What::Queue { by: known, .. } = self.observations[queued].what {
                by = known;
            }
        }
        self.see(
            line,
            What::Dequeue {
                proc,
                file,
                mode,
                by,
            },
        )
    }
}
