//! Raw ftrace text: what `/sys/kernel/tracing/trace` and `trace-cmd report` print.
//!
//! A line is a task, a CPU, sometimes flags, a time stamp, the event's name and the event's own
//! text. Only the events that [`crate::conform::mapping`] knows are taken apart; others are counted
//! by name. Nothing is ever guessed: a line that is no event is reported with its number.
//!
//! ```
//! use glock::conform::ftrace::{Event, Trace};
//!
//! let text = "\
//! ## tracer: nop
//!      P1-169   [000] ...1.     9.050394: gfs2_glock_queue: 254,0 glock 2:4657 queue PR
//! CPU:0 [LOST 57 EVENTS]
//!      P1-169   [000] .....     9.05";
//! let trace = Trace::read(text);
//! let first = &trace.lines[0];
//! assert_eq!((first.number, &*first.task, first.pid, first.cpu), (2, "P1", 169, 0));
//! assert!(matches!(&first.event, Event::Queue { number: 4657, .. }));
//! assert_eq!(trace.problems.len(), 2);
//! ```

use glock_model::mode::Mode;
use std::collections::BTreeMap;
use std::fmt;
use winnow::Result;
use winnow::ascii::{dec_int, dec_uint, digit1, hex_uint, space0, space1};
use winnow::combinator::{alt, delimited, opt, preceded, separated_pair, terminated};
use winnow::prelude::*;
use winnow::token::{rest, take_until, take_while};

/// An event of a line, as the kernel prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // fields are explained with their variant
pub enum Event {
    /// `tracing_mark_write`: what user space wrote to `trace_marker`.
    Mark(String),
    /// A kprobe: a function was entered.
    Enter { function: String },
    /// A kretprobe: a function returned `ret` to `caller`.
    Return {
        function: String,
        caller: String,
        ret: i64,
    },
    /// `gfs2_glock_queue`: a holder entered or left the queue of a glock. Glocks are given by
    /// their type, 2 for an inode, and number.
    Queue {
        kind: u32,
        number: u64,
        enters: bool,
        mode: Mode,
    },
    /// `gfs2_promote`: a holder was granted.
    Promote { kind: u32, number: u64, mode: Mode },
    /// `gfs2_glock_state_change`: the mode the node owns.
    State {
        kind: u32,
        number: u64,
        from: Mode,
        to: Mode,
    },
    /// `gfs2_demote_rq`: the node owns `from` and shall give it up down to `to`.
    Demote {
        kind: u32,
        number: u64,
        from: Mode,
        to: Mode,
    },
    /// `dlm_lock_start`: a request to the lock space.
    LockStart { kind: u32, number: u64, mode: Mode },
    /// `dlm_ast`: its answer; 0, or minus an error number.
    Ast { kind: u32, number: u64, status: i32 },
    /// `dlm_bast`: a blocking callback for the mode that somebody else wants.
    Bast { kind: u32, number: u64, mode: Mode },
    /// Any other event.
    Other,
}

/// A line with an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its number in the text, from 1.
    pub number: usize,
    /// Name of the task that ran.
    pub task: String,
    /// Its process id.
    pub pid: u32,
    /// The CPU.
    pub cpu: u16,
    /// Time stamp, in nanoseconds of the node's trace clock.
    pub time: u64,
    /// The event's name.
    pub name: String,
    /// What happened.
    pub event: Event,
}

/// Something that is wrong with the text itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line's number, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: Damage,
}

/// What may be wrong with a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The line is not an event: torn, or not of a trace.
    Torn,
    /// The last line ends in the middle.
    CutOff,
    /// The time stamp lies before that of an earlier line.
    OutOfOrder,
    /// The buffer was full: this many events are missing, or an unknown number.
    Lost(Option<u64>),
}

impl Damage {
    /// Whether something that happened may be missing at that place.
    pub fn loses_events(self) -> bool {
        matches!(self, Damage::Torn | Damage::Lost(_))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.line;
        match self.what {
            Damage::Torn => write!(f, "line {line} is torn, or not a line of a trace"),
            Damage::CutOff => write!(f, "line {line}, the last one, is cut off"),
            Damage::OutOfOrder => {
                write!(
                    f,
                    "line {line} is older than a line before it; sorted by time"
                )
            }
            Damage::Lost(Some(n)) => write!(f, "{n} events are lost before line {line}"),
            Damage::Lost(None) => write!(f, "events are lost before line {line}"),
        }
    }
}

/// A trace that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// Its events, by time; lines of the same time in their order.
    pub lines: Vec<Line>,
    /// Lines that begin with `#`, each with its number.
    pub comments: Vec<(usize, String)>,
    /// What is wrong with it, by line.
    pub problems: Vec<Problem>,
    /// Events that nobody takes apart, by name.
    pub unknown: BTreeMap<String, usize>,
    /// Number of lines.
    pub total: usize,
}

impl Trace {
    /// Reads a text, whatever it is: what is not a trace ends up among the problems.
    pub fn read(text: &str) -> Trace {
        let mut trace = Trace::default();
        let mut latest = 0;
        let mut sorted = true;
        let lines = text.lines().count();
        for (index, line) in text.lines().enumerate() {
            let number = index + 1;
            trace.total = number;
            if line.trim().is_empty() {
                continue;
            }
            // Numbers look whole wherever they are cut.
            if number == lines && !text.ends_with('\n') {
                trace.problem(number, Damage::CutOff);
                break;
            }
            if let Some(comment) = line.trim_start().strip_prefix('#') {
                trace.comment(number, comment);
            } else if let Some(lost) = lost(line) {
                trace.problem(number, Damage::Lost(lost));
            } else if is_chatter(line) {
                continue;
            } else if let Some(event) = read_line(number, line) {
                if event.time < latest {
                    trace.problem(number, Damage::OutOfOrder);
                    sorted = false;
                }
                latest = latest.max(event.time);
                if event.event == Event::Other {
                    *trace.unknown.entry(event.name.clone()).or_default() += 1;
                }
                trace.lines.push(event);
            } else {
                trace.problem(number, Damage::Torn);
            }
        }
        if !sorted {
            trace.lines.sort_by_key(|line| line.time);
        }
        trace
    }

    fn problem(&mut self, line: usize, what: Damage) {
        self.problems.push(Problem { line, what });
    }

    fn comment(&mut self, number: usize, comment: &str) {
        if let Some(overrun) = overrun(comment) {
            self.problem(number, Damage::Lost(Some(overrun)));
        }
        self.comments.push((number, comment.trim().to_owned()));
    }

    /// The first line after which events may be missing.
    pub fn whole_before(&self) -> Option<&Problem> {
        self.problems
            .iter()
            .find(|problem| problem.what.loses_events())
    }
}

/// `CPU:1 [LOST 57 EVENTS]`, or `CPU:1 [EVENTS DROPPED]` without a number.
fn lost(line: &str) -> Option<Option<u64>> {
    let at = line.find("[LOST ").map(|at| at + "[LOST ".len());
    if let Some(at) = at {
        let count: Result<u64> = terminated(dec_uint, " EVENTS]").parse_next(&mut &line[at..]);
        return count.ok().map(Some);
    }
    line.contains("EVENTS DROPPED]").then_some(None)
}

/// `entries-in-buffer/entries-written: 205/1409   #P:2`: what is not in the buffer is lost.
fn overrun(comment: &str) -> Option<u64> {
    let (_, counts) = comment.split_once("entries-written:")?;
    let mut counts = counts.trim_start();
    let parsed: Result<(u64, u64)> =
        separated_pair(dec_uint, '/', dec_uint).parse_next(&mut counts);
    let (kept, written) = parsed.ok()?;
    written.checked_sub(kept).filter(|lost| *lost > 0)
}

/// What `trace-cmd report` says before the events.
fn is_chatter(line: &str) -> bool {
    let line = line.trim();
    line.starts_with("cpus=")
        || line.starts_with("version =")
        || line.starts_with("CPU ") && line.ends_with(" is empty")
}

fn read_line(number: usize, line: &str) -> Option<Line> {
    // A task's name may contain nearly anything: go by the first CPU that something like a time
    // stamp follows.
    let (at, mut input) = line
        .match_indices('[')
        .map(|(at, _)| (at, &line[at..]))
        .find(|(_, text)| prefix.parse_peek(*text).is_ok())?;
    let (cpu, time) = prefix.parse_next(&mut input).ok()?;
    let task = line[..at].trim();
    // Some tracers print the thread group in brackets.
    let task = match task.rfind(" (") {
        Some(group) if task.ends_with(')') => task[..group].trim_end(),
        _ => task,
    };
    let (task, pid) = task.rsplit_once('-')?;
    let pid = pid.parse().ok()?;
    if task.is_empty() {
        return None;
    }
    let (name, event) = event(input)?;
    Some(Line {
        number,
        task: task.to_owned(),
        pid,
        cpu,
        time,
        name: name.to_owned(),
        event,
    })
}

/// CPU, flags if there are any, time stamp.
fn prefix(input: &mut &str) -> Result<(u16, u64)> {
    let cpu = delimited('[', digit1.try_map(str::parse::<u16>), (']', space1)).parse_next(input)?;
    opt((flags, space1)).parse_next(input)?;
    let seconds = digit1.try_map(str::parse::<u32>).parse_next(input)?;
    let fraction: &str = preceded('.', digit1).parse_next(input)?;
    (':', space1).parse_next(input)?;
    // Micro- or nanoseconds, whatever the clock gives.
    let mut nanoseconds = 0_u64;
    for digit in fraction.bytes().chain(std::iter::repeat(b'0')).take(9) {
        nanoseconds = 10 * nanoseconds + u64::from(digit - b'0');
    }
    Ok((cpu, u64::from(seconds) * 1_000_000_000 + nanoseconds))
}

/// Interrupts off, need to reschedule, interrupt context, preemption count, and so on.
fn flags<'i>(input: &mut &'i str) -> Result<&'i str> {
    take_while(4..=6, |c: char| {
        c.is_ascii_alphanumeric() || c == '.' || c == '#'
    })
    .verify(|flags: &str| !flags.ends_with(':'))
    .parse_next(input)
}

/// The event's name and what is known of it; `None` if its text is torn.
fn event(input: &str) -> Option<(&str, Event)> {
    let (name, text) = input.split_once(':')?;
    let (name, text) = match name {
        // trace-cmd names the event after its record, and then the record.
        "print" => text.trim_start().split_once(':').unwrap_or((name, text)),
        _ => (name, text),
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_./".contains(c);
    if name.is_empty() || !name.chars().all(is_name) {
        return None;
    }
    let text = text.trim_start();
    let event = match name {
        "tracing_mark_write" => Event::Mark(text.to_owned()),
        "gfs2_glock_queue" => parsed(glock_queue, text)?,
        "gfs2_promote" => parsed(promote, text)?,
        "gfs2_glock_state_change" => parsed(state_change, text)?,
        "gfs2_demote_rq" => parsed(demote_rq, text)?,
        // Lock spaces of others have names of their own: those are not about glocks.
        "dlm_lock_start" | "dlm_bast" | "dlm_ast" => {
            dlm(name, text).unwrap_or_else(|whole| match whole {
                true => Some(Event::Other),
                false => None,
            })?
        }
        _ => probe(name, text)?,
    };
    Some((name, event))
}

fn parsed<'i>(
    mut parser: impl Parser<&'i str, Event, winnow::error::ContextError>,
    text: &'i str,
) -> Option<Event> {
    parser.parse(text).ok()
}

fn mode(input: &mut &str) -> Result<Mode> {
    alt((
        alt(("NL", "UN")).value(Mode::Un),
        alt(("PR", "SH")).value(Mode::Sh),
        alt(("CW", "DF")).value(Mode::Df),
        "EX".value(Mode::Ex),
    ))
    .parse_next(input)
}

/// `254,0 glock 2:4657 `
fn glock(input: &mut &str) -> Result<(u32, u64)> {
    (digit1, ',', digit1, " glock ").parse_next(input)?;
    terminated(separated_pair(dec_uint, ':', dec_uint), ' ').parse_next(input)
}

fn glock_queue(input: &mut &str) -> Result<Event> {
    let (kind, number) = glock(input)?;
    let enters = alt(("queue ".value(true), "dequeue ".value(false))).parse_next(input)?;
    let mode = mode(input)?;
    rest.parse_next(input)?;
    Ok(Event::Queue {
        kind,
        number,
        enters,
        mode,
    })
}

fn promote(input: &mut &str) -> Result<Event> {
    let (kind, number) = glock(input)?;
    // Kernels before 6.0 say "promote first" and "promote other".
    "promote ".parse_next(input)?;
    opt(alt(("first ", "other "))).parse_next(input)?;
    let mode = mode(input)?;
    rest.parse_next(input)?;
    Ok(Event::Promote { kind, number, mode })
}

fn state_change(input: &mut &str) -> Result<Event> {
    let (kind, number) = glock(input)?;
    "state ".parse_next(input)?;
    let (from, to) = separated_pair(mode, " to ", mode).parse_next(input)?;
    (" tgt:", rest).parse_next(input)?;
    Ok(Event::State {
        kind,
        number,
        from,
        to,
    })
}

fn demote_rq(input: &mut &str) -> Result<Event> {
    let (kind, number) = glock(input)?;
    "demote ".parse_next(input)?;
    let (from, to) = separated_pair(mode, " to ", mode).parse_next(input)?;
    (" flags:", rest).parse_next(input)?;
    Ok(Event::Demote {
        kind,
        number,
        from,
        to,
    })
}

/// `Err(true)`: well formed, but not about a glock.
fn dlm(name: &str, text: &str) -> std::result::Result<Option<Event>, bool> {
    let field = |key: &str| {
        let mut words = text.split_ascii_whitespace();
        words.find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
    };
    let resource = field("res_name").ok_or(false)?;
    let Some((kind, number)) = resource_name(resource) else {
        return Err(true);
    };
    let mode = || mode.parse(field("mode")?).ok();
    Ok(match name {
        "dlm_lock_start" => mode().map(|mode| Event::LockStart { kind, number, mode }),
        "dlm_bast" => mode().map(|mode| Event::Bast { kind, number, mode }),
        _ => field("sb_status")
            .and_then(|status| status.parse().ok())
            .map(|status| Event::Ast {
                kind,
                number,
                status,
            }),
    })
}

/// The name of a glock's resource: type and number in hexadecimal, padded with blanks to 24
/// characters; printed as the hexadecimal of these characters.
fn resource_name(hex: &str) -> Option<(u32, u64)> {
    if hex.len() != 48 || !hex.is_ascii() {
        return None;
    }
    let byte = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
    let name: Option<Vec<u8>> = (0..24).map(|i| byte(2 * i)).collect();
    let name = String::from_utf8(name?).ok()?;
    let mut name = name.as_str();
    let parsed: Result<(u32, u64)> =
        (preceded(space0, hex_uint), preceded(space1, hex_uint)).parse_next(&mut name);
    parsed.ok().filter(|_| name.is_empty())
}

/// A kprobe's or kretprobe's event, whose text begins with an address.
fn probe(name: &str, text: &str) -> Option<Event> {
    if !text.starts_with('(') {
        return Some(Event::Other);
    }
    if let Ok(event) = returned.parse(text) {
        return Some(match event {
            (caller, function, Some(ret)) => Event::Return {
                function: function.to_owned(),
                caller: caller.to_owned(),
                ret,
            },
            // Without the value the event says little.
            _ => Event::Other,
        });
    }
    entered.parse(text).ok()?;
    Some(Event::Enter {
        function: name.to_owned(),
    })
}

/// `gfs2_fault+0x4/0xb0 [gfs2]`
fn symbol<'i>(input: &mut &'i str) -> Result<&'i str> {
    let symbol = take_while(1.., |c: char| {
        c.is_ascii_alphanumeric() || "_.$".contains(c)
    })
    .parse_next(input)?;
    opt(preceded("+0x", (hex, opt(preceded("/0x", hex))))).parse_next(input)?;
    opt((" [", take_until(1.., ']'), ']')).parse_next(input)?;
    Ok(symbol)
}

fn hex<'i>(input: &mut &'i str) -> Result<&'i str> {
    take_while(1.., |c: char| c.is_ascii_hexdigit()).parse_next(input)
}

fn entered(input: &mut &str) -> Result<()> {
    delimited('(', symbol, ')').parse_next(input)?;
    rest.void().parse_next(input)
}

/// `(caller <- function) ret=-14`
fn returned<'i>(input: &mut &'i str) -> Result<(&'i str, &'i str, Option<i64>)> {
    let (caller, function) =
        delimited('(', separated_pair(symbol, " <- ", symbol), ')').parse_next(input)?;
    let ret = opt(preceded((space1, "ret="), value)).parse_next(input)?;
    rest.parse_next(input)?;
    Ok((caller, function, ret))
}

/// A signed decimal, or a hexadecimal number of 32 or 64 bits: probes print either.
fn value(input: &mut &str) -> Result<i64> {
    alt((
        preceded("0x", hex_uint::<_, u64, _>).map(|bits| match u32::try_from(bits) {
            Ok(bits) => i64::from(bits.cast_signed()),
            Err(_) => bits.cast_signed(),
        }),
        dec_int::<_, i64, _>,
    ))
    .parse_next(input)
}
