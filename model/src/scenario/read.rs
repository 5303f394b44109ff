//! From TOML to a [`Scenario`].
//!
//! The text is parsed into a tree that keeps the position of every key and
//! value; the tree is walked by hand, so that each mistake is told where it
//! stands and with what to write instead.

use super::error::{ScenarioError, Source, did_you_mean, quoted};
use super::start::Spans;
use super::task::{Place, Tasks, no_tasks};
use super::value::{Fields, Read, Value, in_order, one_or_many};
use super::*;
use crate::cluster::MAX_DEMANDS;
use std::path::Path;
use toml::de::{DeTable, DeValue};

const KEYS: [&str; 10] = [
    "name",
    "description",
    "nodes",
    "lock",
    "lock_object",
    "hold_time",
    "files",
    "tasks",
    "events",
    "switches",
];
pub(super) const MODES: [(&str, Mode); 4] = [
    ("UN", Mode::Un),
    ("SH", Mode::Sh),
    ("DF", Mode::Df),
    ("EX", Mode::Ex),
];
pub(super) const CACHED: [(&str, Page); 3] = [
    ("no", Page::Absent),
    ("clean", Page::Clean),
    ("dirty", Page::Dirty),
];
pub(super) const LOCKS: [(&str, LockManager); 2] =
    [("nolock", LockManager::Nolock), ("dlm", LockManager::Dlm)];
pub(super) const LOCK_OBJECTS: [(&str, LockObject); 2] =
    [("null", LockObject::Null), ("absent", LockObject::Absent)];

impl Scenario {
    /// Reads a scenario from TOML. `file` is what errors call the text; its stem
    /// is the scenario's name unless the text has a `name`.
    ///
    /// ```
    /// use glock_model::scenario::Scenario;
    ///
    /// let text = r#"
    ///     [files.F1]
    ///     mode = ["UN", "EX"]
    ///
    ///     [[tasks]]
    ///     op = "direct_read"
    ///     file = "F1"
    ///     buffer = { anon = "present" }
    /// "#;
    /// let scenario = Scenario::from_toml(text, "alone.toml").unwrap();
    /// assert_eq!(scenario.name, "alone");
    /// assert_eq!(scenario.nodes, 1);
    ///
    /// let error = Scenario::from_toml("node = 2", "alone.toml").unwrap_err();
    /// assert_eq!(error.to_string(), "a scenario has no key `node`");
    /// assert_eq!(error.place(), Some(("alone.toml", 1, 1)));
    /// ```
    ///
    /// # Errors
    /// If the text is too long, too deep, not TOML, or not a scenario.
    pub fn from_toml(text: &str, file: &str) -> Result<Scenario, ScenarioError> {
        let source = Source { file, text };
        guard::check(&source)?;
        let tree = DeTable::parse(text).map_err(|e| not_toml(&source, &e))?;
        read(source, tree.get_ref())
    }
}

fn not_toml(source: &Source, error: &toml::de::Error) -> ScenarioError {
    let span = error.span().unwrap_or(0..0);
    source
        .error(span, format!("this is not TOML: {}", error.message()))
        .help(
            "keys are written `key = value`, strings in quotes, lists in `[ ]`, \
             inline tables in `{ }`",
        )
}

fn read<'a>(source: Source<'a>, table: &'a DeTable<'a>) -> Read<Scenario> {
    let fields = Fields::new(source, table, 0..0, "a scenario", &KEYS)?;
    let nodes = fields.integer("nodes", 1..=MAX_NODES as u8, 1)?;
    let lock = read_lock(source, &fields, nodes)?;
    let hold_time = fields.boolean("hold_time", true)?;
    let mut spans = Spans::default();
    let lock_object = read_lock_object(source, &fields, lock, &mut spans)?;
    let files = read_files(source, &fields, nodes, &mut spans)?;
    let place = |files| Place {
        source,
        nodes,
        files,
        tasks: Vec::new(),
    };
    let tasks = match fields.get("tasks") {
        Some(value) => Tasks::read(place(&files), value)?,
        None => return Err(no_tasks(source, 0..0)),
    };
    spans.ptes = tasks.pages.spans;
    let (specs, mms, vpages) = (tasks.specs, tasks.mms, tasks.pages.specs);
    let events = match fields.get("events") {
        Some(value) => read_events(&place(&files), value, lock, hold_time)?,
        None => Events::default(),
    };
    let scenario = Scenario {
        name: read_name(source, &fields)?,
        description: match fields.get("description") {
            Some(value) => source.string(value, "description")?.trim().to_string(),
            None => String::new(),
        },
        nodes,
        lock,
        lock_object,
        hold_time,
        files,
        mms,
        vpages,
        tasks: specs,
        events,
        switches: read_switches(source, &fields)?,
    };
    blocks_make_sense(&source, &scenario, &spans)?;
    appends_make_sense(&source, &scenario, &spans)?;
    start::check(&source, &scenario, &spans)?;
    Ok(scenario)
}

/// Holes stay holes, and pages of a chunk are not pinned one by one: what would need
/// that is refused.
fn blocks_make_sense(source: &Source, scenario: &Scenario, spans: &Spans) -> Read<()> {
    for (index, file) in scenario.files.iter().enumerate() {
        let does = |wanted: &[OpKind]| {
            let mut tasks = scenario.tasks.iter();
            tasks.any(|t| t.file as usize == index && wanted.contains(&t.op))
        };
        let written = does(&[OpKind::DirectWrite, OpKind::BufferedWrite]);
        let refused = |message: String, help: &str| {
            let span = spans.files[index].clone();
            Err(source.error(span, message).help(help.to_string()))
        };
        if file.holes != 0 && written && does(&[OpKind::DirectRead]) {
            let message = format!("{} has holes, and is written and read directly", file.name);
            return refused(
                message,
                "a write would fill them, which the model does not keep track of: \
                 leave out `holes`, the write or the direct read",
            );
        }
        let hole_mapped = scenario.vpages.iter().any(|v| match v.kind {
            VpageKind::Shared { file: f, page } => f as usize == index && file.is_hole(page.into()),
            _ => false,
        });
        if hole_mapped && does(&[OpKind::DirectRead]) {
            let message = format!("{} is read directly, and a hole of it mapped", file.name);
            return refused(
                message,
                "a store would fill the hole, which the model does not keep track of: \
                 map another page, or leave out `holes`",
            );
        }
        if (file.holes != 0 || file.chunk > 1) && does(&[OpKind::Fiemap]) {
            let what = if file.holes != 0 { "holes" } else { "chunks" };
            let message = format!("{} has {what}, and its extents are asked for", file.name);
            return refused(
                message,
                "fiemap has a page of records for each page of the file: leave out `holes` \
                 and `chunk`, or the fiemap",
            );
        }
        if file.chunk > 1 && scenario.switches.gup_window {
            let message = format!("`chunk` of {} with the switch `gup_window`", file.name);
            return refused(message, "leave one of them out");
        }
    }
    Ok(())
}

/// A file that is appended to is one node's and the outside's, and nobody looks into it:
/// what would need more is refused, and so is what it has no room for.
fn appends_make_sense(source: &Source, scenario: &Scenario, spans: &Spans) -> Read<()> {
    for (index, file) in scenario.files.iter().enumerate() {
        let name = &file.name;
        let refused = |message: String, help: &str| {
            let span = spans.files[index].clone();
            Err(source.error(span, message).help(help.to_string()))
        };
        let outside = scenario.events.appends[index];
        let Some(node) = scenario.appending_node(index) else {
            if outside > 0 {
                let message = format!("{name} is appended to from outside, and by no task");
                return refused(
                    message,
                    "leave the event out, or give `append = true` to a task",
                );
            }
            if file.grows() {
                let message = format!("`size` of {name} is not `pages`, and nobody appends to it");
                return refused(
                    message,
                    "leave `size` out, or give `append = true` to a task",
                );
            }
            continue;
        };
        let users = || {
            let has_file = |t: &TaskSpec| t.op.is_io() || t.op == OpKind::Mmap;
            let tasks = scenario.tasks.iter().enumerate();
            tasks.filter(move |(_, t)| has_file(t) && t.file as usize == index)
        };
        if let Some((_, reader)) =
            users().find(|(_, t)| matches!(t.op, OpKind::DirectRead | OpKind::BufferedRead))
        {
            let message = format!("{name} is appended to, and read by {}", reader.name);
            return refused(
                message,
                "the model does not keep track of what a reader then finds",
            );
        }
        let backs = |v: &VpageSpec| v.kind.backing().is_some_and(|(f, _)| f as usize == index);
        if scenario.vpages.iter().any(backs) || users().any(|(_, t)| t.op == OpKind::Mmap) {
            let message = format!("{name} is appended to, and mapped");
            return refused(
                message,
                "its end would move under the mapping: map another file",
            );
        }
        if let Some((t, writer)) = users().find(|(t, _)| scenario.node_of(*t) != node) {
            let message = format!(
                "{name} is appended to on node {}, and {} writes it on node {}",
                node + 1,
                writer.name,
                scenario.node_of(t) + 1
            );
            return refused(message, "other nodes append by `append` in `events`");
        }
        let owned = |(n, modes): (usize, &Vec<Mode>)| n != node && modes[..] != [Mode::Un];
        if file.modes.iter().enumerate().any(owned) {
            let message = format!("{name} is appended to on node {} alone", node + 1);
            let help = format!(
                "let other nodes start with UN: `mode = {{ node{} = … }}`",
                node + 1
            );
            return refused(message, &help);
        }
        if file.holes != 0 || file.chunk > 1 {
            let key = if file.holes != 0 { "holes" } else { "chunk" };
            let message = format!("`{key}` of {name}, which is appended to");
            return refused(message, "leave one of them out");
        }
        let appended: usize = users()
            .filter(|(_, t)| t.append)
            .map(|(_, t)| t.buffer.len())
            .sum();
        let most = file.size as usize + appended + outside as usize;
        if most > file.pages as usize {
            let message = format!(
                "{name} may grow to {most} pages, and has room for {}",
                file.pages
            );
            return refused(
                message,
                "`pages` is what it may grow to: `size` and all that may be appended",
            );
        }
    }
    Ok(())
}

/// `name`, or the file's name without directory and extension.
fn read_name<'a>(source: Source<'a>, fields: &Fields<'a>) -> Read<String> {
    let Some(value) = fields.get("name") else {
        let stem = Path::new(source.file).file_stem();
        let stem = stem.map_or("scenario".into(), |s| s.to_string_lossy());
        return Ok(stem.chars().filter(|c| !c.is_control()).collect());
    };
    let name = source.string(value, "name")?;
    if !name.is_empty() && name.len() <= 80 && !name.contains(char::is_control) {
        return Ok(name.to_string());
    }
    Err(source
        .error(value.span(), format!("{} cannot be a name", quoted(name)))
        .help("a scenario's name is one line of 1 to 80 bytes, like `race-direct-read`"))
}

/// `lock`: by default `nolock` for one node, `dlm` for several.
fn read_lock<'a>(source: Source<'a>, fields: &Fields<'a>, nodes: u8) -> Read<LockManager> {
    let Some(value) = fields.get("lock") else {
        return Ok(match nodes {
            1 => LockManager::Nolock,
            _ => LockManager::Dlm,
        });
    };
    let lock = source.word(value, "lock", &LOCKS)?;
    if lock == LockManager::Nolock && nodes > 1 {
        return Err(source
            .error(value.span(), format!("{nodes} nodes need a lock manager"))
            .label("a local mount has one node")
            .help("write `lock = \"dlm\"`, or leave it out"));
    }
    Ok(lock)
}

/// `lock_object`: by default `null`, as after any use (D1).
fn read_lock_object<'a>(
    source: Source<'a>,
    fields: &Fields<'a>,
    lock: LockManager,
    spans: &mut Spans,
) -> Read<Vec<LockObject>> {
    let Some(value) = fields.get("lock_object") else {
        return Ok(vec![LockObject::Null]);
    };
    if lock == LockManager::Nolock {
        fields.refuse(
            "lock_object",
            "is about a lock space, and a local mount has none",
            "leave it out, or write `lock = \"dlm\"`",
        )?;
    }
    spans.lock_object = Some(value.span());
    source.words(value, "lock_object", &LOCK_OBJECTS)
}

fn read_files<'a>(
    source: Source<'a>,
    fields: &Fields<'a>,
    nodes: u8,
    spans: &mut Spans,
) -> Read<Vec<FileSpec>> {
    let help = "add `[files.F1]`, with `pages` and `mode` below";
    let Some(value) = fields.get("files") else {
        return Err(source
            .error(0..0, "the scenario has no files")
            .label("no `[files.…]`")
            .help(help));
    };
    let DeValue::Table(table) = value.get_ref() else {
        return Err(source
            .mismatch(value, "files", "a table per file")
            .help("write each file below its own `[files.NAME]`"));
    };
    let mut files = Vec::new();
    for (key, value) in in_order(table) {
        let name: &str = key.get_ref();
        source.check_name(name, key.span())?;
        if files.len() == MAX_FILES {
            return Err(source
                .error(key.span(), format!("there are more than {MAX_FILES} files"))
                .label("one too many"));
        }
        let table = match value.get_ref() {
            DeValue::Table(table) => table,
            _ => {
                return Err(source
                    .mismatch(value, name, "a table")
                    .help("write each file below its own `[files.NAME]`"));
            }
        };
        spans.files.push(key.span());
        let known = ["pages", "size", "mode", "cached", "holes", "chunk"];
        let fields = Fields::new(source, table, key.span(), "a file", &known)?;
        files.push(read_file(source, name, &fields, nodes, spans)?);
    }
    if files.is_empty() {
        return Err(source
            .error(value.span(), "the scenario has no files")
            .help(help));
    }
    Ok(files)
}

fn read_file<'a>(
    source: Source<'a>,
    name: &str,
    fields: &Fields<'a>,
    nodes: u8,
    spans: &mut Spans,
) -> Read<FileSpec> {
    let (modes, at) = per_node(source, fields, nodes, "mode", &MODES, Mode::Un)?;
    spans.modes.push(at);
    let pages = fields.integer("pages", 1..=MAX_PAGES as u8, 2)?;
    let (cached, at) = per_node(source, fields, nodes, "cached", &CACHED, Page::Absent)?;
    spans.cached.push(at);
    Ok(FileSpec {
        name: name.to_string(),
        pages,
        size: fields.integer("size", 0..=pages, pages)?,
        modes,
        cached,
        holes: read_holes(source, fields, name, pages)?,
        chunk: fields.integer("chunk", 1..=pages, 1)?,
    })
}

/// `holes`: numbers of pages, each once.
fn read_holes<'a>(source: Source<'a>, fields: &Fields<'a>, name: &str, pages: u8) -> Read<u8> {
    let mut holes = 0;
    for value in fields.get("holes").map_or(Vec::new(), one_or_many) {
        let page = source.integer(value, "holes", 0..=MAX_PAGES as u8 - 1)?;
        if page >= pages {
            let message = format!("{name} has {pages} pages: page {page} is beyond the end");
            return Err(source
                .error(value.span(), message)
                .label("not in the file")
                .help("a hole is a page of the file, numbered from 0"));
        }
        if holes >> page & 1 != 0 {
            return Err(source
                .error(value.span(), "`holes` lists this twice")
                .label("again")
                .help("leave it out: a page is a hole or not"));
        }
        holes |= 1 << page;
    }
    Ok(holes)
}

/// The alternatives of each node and where they stand: one word or list for all,
/// or a table `{ node1 = …, node2 = … }` where nodes may be left out.
#[allow(clippy::type_complexity)]
fn per_node<'a, T: Copy + PartialEq>(
    source: Source<'a>,
    fields: &Fields<'a>,
    nodes: u8,
    key: &str,
    names: &[(&str, T)],
    default: T,
) -> Read<(Vec<Vec<T>>, Vec<std::ops::Range<usize>>)> {
    let all = |words: Vec<T>, span| {
        let nodes = nodes as usize;
        (vec![words; nodes], vec![span; nodes])
    };
    let Some(value) = fields.get(key) else {
        return Ok(all(vec![default], fields.span.clone()));
    };
    let DeValue::Table(table) = value.get_ref() else {
        return Ok(all(source.words(value, key, names)?, value.span()));
    };
    let (mut words, mut spans) = all(vec![default], value.span());
    let known: Vec<String> = (1..=nodes).map(|n| format!("node{n}")).collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    for (node, value) in in_order(table) {
        let Some(index) = known.iter().position(|k| *k == node.get_ref()) else {
            let help = match nodes {
                1 => "the scenario has one node, `node1`".to_string(),
                _ => did_you_mean(node.get_ref(), &known),
            };
            return Err(source
                .error(
                    node.span(),
                    format!("there is no {}", quoted(node.get_ref())),
                )
                .label("unknown node")
                .help(help));
        };
        words[index] = source.words(value, key, names)?;
        spans[index] = value.span();
    }
    Ok((words, spans))
}

fn read_events<'a>(
    place: &Place<'a>,
    value: &'a Value<'a>,
    lock: LockManager,
    hold_time: bool,
) -> Read<Events> {
    let source = place.source;
    let table = source.table(value, "events")?;
    let known = ["reclaim", "shrink", "demand", "append", "expire"];
    let fields = Fields::new(source, table, value.span(), "the table `events`", &known)?;
    if lock == LockManager::Nolock {
        for key in ["demand", "append"] {
            fields.refuse(
                key,
                "comes from another node, and a local mount has none",
                "write `lock = \"dlm\"` at the top",
            )?;
        }
    }
    if !hold_time {
        fields.refuse(
            "expire",
            "is about the minimum hold time, which is switched off",
            "leave it out, or leave `hold_time` out",
        )?;
    }
    let mut demands: Vec<Demand> = Vec::new();
    for value in fields.get("demand").map_or(Vec::new(), one_or_many) {
        let demand = read_demand(place, value)?;
        let same = |d: &Demand| (d.node, d.file, d.mode) == (demand.node, demand.file, demand.mode);
        if demands.iter().any(same) {
            return Err(source
                .error(value.span(), "this demand is listed already")
                .label("again")
                .help("raise its `times` instead"));
        }
        if demands.len() == MAX_DEMANDS {
            return Err(source
                .error(
                    value.span(),
                    format!("there are more than {MAX_DEMANDS} kinds of demand"),
                )
                .label("one too many"));
        }
        demands.push(demand);
    }
    let mut appends = [0; MAX_FILES];
    for value in fields.get("append").map_or(Vec::new(), one_or_many) {
        let (file, times) = read_append(place, value)?;
        if std::mem::replace(&mut appends[file as usize], times) > 0 {
            return Err(source
                .error(value.span(), "appends to this file are listed already")
                .label("again")
                .help("raise its `times` instead"));
        }
    }
    Ok(Events {
        reclaim: fields.integer("reclaim", 0..=MAX_BUDGET, 0)?,
        shrink: fields.integer("shrink", 0..=MAX_BUDGET, 0)?,
        demands,
        appends,
        expire: match fields.get("expire") {
            Some(value) => Some(source.integer(value, "expire", 0..=MAX_BUDGET)?),
            None => None,
        },
    })
}

fn read_demand<'a>(place: &Place<'a>, value: &'a Value<'a>) -> Read<Demand> {
    let source = place.source;
    let example = "write `demand = [{ node = 1, file = \"F2\", mode = \"EX\", times = 1 }]`";
    let table = source.table(value, "demand").map_err(|e| e.help(example))?;
    let known = ["node", "file", "mode", "times"];
    let fields = Fields::new(source, table, value.span(), "a demand", &known)?;
    let node = match fields.get("node") {
        Some(value) => place.node(value, "node")?,
        None => 0,
    };
    let file = place.file(fields.need("file", "file = \"F2\"")?, "file")?;
    let mode = fields.need("mode", "mode = \"EX\"")?;
    Ok(Demand {
        node,
        file,
        mode: source.word(mode, "mode", &MODES[1..])?,
        budget: fields.integer("times", 1..=MAX_BUDGET, 1)?,
    })
}

/// The file somebody outside appends to, and how often.
fn read_append<'a>(place: &Place<'a>, value: &'a Value<'a>) -> Read<(u8, u8)> {
    let source = place.source;
    let example = "write `append = [{ file = \"F1\", times = 1 }]`";
    let table = source.table(value, "append").map_err(|e| e.help(example))?;
    let fields = Fields::new(source, table, value.span(), "an append", &["file", "times"])?;
    let file = place.file(fields.need("file", "file = \"F1\"")?, "file")?;
    Ok((file, fields.integer("times", 1..=MAX_BUDGET, 1)?))
}

fn read_switches<'a>(source: Source<'a>, fields: &Fields<'a>) -> Read<Switches> {
    let default = Switches::default();
    let Some(value) = fields.get("switches") else {
        return Ok(default);
    };
    let table = source.table(value, "switches")?;
    let known = [
        "page_refs_block",
        "gup_window",
        "fault_retry",
        "readahead",
        "fusion",
        "message_fusion",
        "release_fusion",
    ];
    let fields = Fields::new(source, table, value.span(), "the table `switches`", &known)?;
    Ok(Switches {
        page_refs_block: fields.boolean("page_refs_block", default.page_refs_block)?,
        gup_window: fields.boolean("gup_window", default.gup_window)?,
        fault_retry: fields.boolean("fault_retry", default.fault_retry)?,
        readahead: fields.boolean("readahead", default.readahead)?,
        fusion: fields.boolean("fusion", default.fusion)?,
        message_fusion: fields.boolean("message_fusion", default.message_fusion)?,
        release_fusion: fields.boolean("release_fusion", default.release_fusion)?,
    })
}
