//! Tasks: who does what, where, with which memory.

use super::error::{ScenarioError, Source, did_you_mean, quoted};
use super::page::Pages;
use super::value::{Fields, Read, Value, one_or_many};
use super::*;
use std::ops::Range;
use toml::de::DeValue;

const KEYS: [&str; 12] = [
    "name",
    "node",
    "mm",
    "op",
    "file",
    "page",
    "append",
    "buffer",
    "open_file",
    "unaligned",
    "aio",
    "environment",
];

/// What tasks refer to: the files and the number of nodes.
pub(super) struct Place<'a> {
    pub(super) source: Source<'a>,
    pub(super) nodes: u8,
    pub(super) files: &'a [FileSpec],
    /// The names of all tasks.
    pub(super) tasks: Vec<String>,
}

impl<'a> Place<'a> {
    /// The index of the file that `value` names.
    pub(super) fn file(&self, value: &'a Value<'a>, key: &str) -> Read<u8> {
        let name = self.source.string(value, key)?;
        let names: Vec<&str> = self.files.iter().map(|f| f.name.as_str()).collect();
        match names.iter().position(|n| *n == name) {
            Some(index) => Ok(index as u8),
            None => Err(self
                .source
                .error(value.span(), format!("there is no file {}", quoted(name)))
                .label("unknown file")
                .help(did_you_mean(name, &names))),
        }
    }

    /// A page that the task named by `value` serves.
    pub(super) fn server(&self, value: &'a Value<'a>) -> Read<VpageKind> {
        let name = self.source.string(value, "served")?;
        let names: Vec<&str> = self.tasks.iter().map(String::as_str).collect();
        match names.iter().position(|n| *n == name) {
            Some(task) => Ok(VpageKind::Served { task: task as u8 }),
            None => Err(self
                .source
                .error(value.span(), format!("there is no task {}", quoted(name)))
                .label("unknown task")
                .help(did_you_mean(name, &names))),
        }
    }

    /// The index of the node that `value` numbers, from 1.
    pub(super) fn node(&self, value: &Value, key: &str) -> Read<u8> {
        Ok(self.source.integer(value, key, 1..=self.nodes)? - 1)
    }
}

/// The tasks found so far and what they share.
pub(super) struct Tasks<'a> {
    place: Place<'a>,
    pub(super) specs: Vec<TaskSpec>,
    pub(super) mms: Vec<MmSpec>,
    pub(super) pages: Pages,
    open_files: Vec<OpenFile>,
}

/// An open file: whose it is and what is open.
struct OpenFile {
    name: Option<String>,
    file: u8,
    node: u8,
}

impl<'a> Tasks<'a> {
    /// Reads `tasks`.
    pub(super) fn read(place: Place<'a>, value: &'a Value<'a>) -> Read<Self> {
        let source = place.source;
        let DeValue::Array(array) = value.get_ref() else {
            return Err(source
                .mismatch(value, "tasks", "a list")
                .help("write each task below its own `[[tasks]]`, with two brackets"));
        };
        let mut tasks = Tasks {
            place,
            specs: Vec::new(),
            mms: Vec::new(),
            pages: Pages::default(),
            open_files: Vec::new(),
        };
        tasks.place.tasks = (1..).zip(array.iter()).map(name_of).collect();
        for value in array.iter() {
            tasks.add(value)?;
        }
        tasks.check_servers()?;
        if tasks.specs.is_empty() {
            return Err(no_tasks(source, value.span()));
        }
        if tasks.specs.iter().all(|t| t.environment) {
            return Err(source
                .error(
                    value.span(),
                    "every task is an event of the environment, which may never start",
                )
                .help("leave `environment` out of the tasks that are to be checked"));
        }
        Ok(tasks)
    }

    fn add(&mut self, value: &'a Value<'a>) -> Read<()> {
        let source = self.place.source;
        if self.specs.len() == MAX_TASKS {
            return Err(source
                .error(
                    value.span(),
                    format!("there are more than {MAX_TASKS} tasks"),
                )
                .label("one too many"));
        }
        let table = source.table(value, "tasks")?;
        let fields = Fields::new(source, table, value.span(), "a task", &KEYS)?;
        let name = self.task_name(&fields)?;
        let op = source.word(
            fields.need("op", "op = \"direct_read\"")?,
            "op",
            &OpKind::NAMES,
        )?;
        let mm = self.mm(&fields, &name)?;
        let buffer = self.buffer(&fields, op, mm)?;
        let append = self.append(&fields, op)?;
        let (file, first_page) = self.range(&fields, op, buffer.len(), append)?;
        let open_file = self.open_file(&fields, op, file, mm)?;
        if !matches!(op, OpKind::DirectRead | OpKind::DirectWrite) {
            let why = format!("is not for {}", op.name());
            fields.refuse("aio", &why, "only direct I/O is ever asynchronous")?;
        }
        self.specs.push(TaskSpec {
            name,
            mm,
            op,
            file,
            first_page,
            append,
            buffer,
            open_file,
            unaligned: self.unaligned(&fields, op)?,
            aio: fields.boolean("aio", false)?,
            environment: fields.boolean("environment", false)?,
        });
        Ok(())
    }

    /// Whoever serves faults is another task of the same node, and reads or writes a
    /// file before.
    fn check_servers(&self) -> Read<()> {
        for (v, page) in self.pages.specs.iter().enumerate() {
            let VpageKind::Served { task } = page.kind else {
                continue;
            };
            let server = &self.specs[task as usize];
            let node = |mm: u8| self.mms[mm as usize].node;
            let why = if !server.op.is_io() {
                "neither reads nor writes a file"
            } else if server.environment {
                "need not ever start"
            } else if server.buffer.contains(&(v as u8)) {
                "would wait for itself"
            } else if node(server.mm) != node(page.mm) {
                "runs on another node"
            } else {
                continue;
            };
            let message = format!("{} cannot serve this page: it {why}", server.name);
            let span = self.pages.spans[v].clone();
            return Err(self.place.source.error(span, message).label("served here").help(
                "a page is `served` by another task of the node, when its read or write has returned",
            ));
        }
        Ok(())
    }

    /// `name`, or P1, P2, … by position.
    fn task_name(&self, fields: &Fields<'a>) -> Read<String> {
        let name = match fields.name("name")? {
            Some(name) => name.to_string(),
            None => format!("P{}", self.specs.len() + 1),
        };
        if self.specs.iter().all(|t| t.name != name) {
            return Ok(name);
        }
        let span = fields.get("name").map_or(fields.span.clone(), |v| v.span());
        Err(self
            .place
            .source
            .error(span, format!("there are two tasks named `{name}`"))
            .label("again")
            .help("give it another `name`"))
    }

    /// `mm` and `node`: by default an address space of its own, on node 1.
    fn mm(&mut self, fields: &Fields<'a>, task: &str) -> Read<u8> {
        let name = fields.name("mm")?.unwrap_or(task);
        let node = fields.get("node");
        let node = node.map(|v| self.place.node(v, "node")).transpose()?;
        let Some(index) = self.mms.iter().position(|m| m.name == name) else {
            self.mms.push(MmSpec {
                name: name.to_string(),
                node: node.unwrap_or(0),
            });
            return Ok(self.mms.len() as u8 - 1);
        };
        let home = self.mms[index].node;
        if node.is_none_or(|n| n == home) {
            return Ok(index as u8);
        }
        let first = self.specs.iter().find(|t| t.mm as usize == index);
        let message = format!(
            "address space `{name}` is on node {}, where {} runs",
            home + 1,
            first.map_or("its first task", |t| &t.name)
        );
        let span = fields.get("node").map_or(fields.span.clone(), |v| v.span());
        Err(self
            .place
            .source
            .error(span, message)
            .label("another node")
            .help("threads of one address space run on one node: change `node` or `mm`"))
    }

    /// `buffer`: one entry a page.
    fn buffer(&mut self, fields: &Fields<'a>, op: OpKind, mm: u8) -> Read<Vec<u8>> {
        let source = self.place.source;
        if op == OpKind::Mmap {
            fields.refuse("buffer", "is not for mmap", "mmap only needs `file`")?;
            return Ok(Vec::new());
        }
        let value = fields.need("buffer", "buffer = [{ shared = \"F2\", page = 0 }]")?;
        let entries = one_or_many(value);
        if entries.is_empty() {
            return Err(source
                .error(value.span(), "the buffer has no page")
                .help("list its pages: `buffer = [{ shared = \"F2\", page = 0 }]`"));
        }
        let mut buffer = Vec::new();
        for entry in entries {
            if buffer.len() == MAX_TRANSFER {
                return Err(source
                    .error(
                        entry.span(),
                        format!("a buffer has at most {MAX_TRANSFER} pages"),
                    )
                    .label("one too many"));
            }
            let page = self.pages.read(source, entry, mm, &self.place)?;
            if buffer.contains(&page) {
                return Err(source
                    .error(entry.span(), "the buffer has this page already")
                    .label("again")
                    .help("one page of memory cannot hold two pages of data"));
            }
            buffer.push(page);
        }
        Ok(buffer)
    }

    /// `append`: for writes, and instead of `page`.
    fn append(&self, fields: &Fields<'a>, op: OpKind) -> Read<bool> {
        if !matches!(op, OpKind::DirectWrite | OpKind::BufferedWrite) {
            let why = format!("is not for {}", op.name());
            fields.refuse(
                "append",
                &why,
                "O_APPEND is about direct and buffered writes",
            )?;
        }
        let append = fields.boolean("append", false)?;
        if append {
            let help = "leave it out: an append goes to the end of the file, wherever that is";
            fields.refuse("page", "does not go with `append`", help)?;
            let help = "leave one of them out: an append goes through the page cache, and that is synchronous";
            fields.refuse("aio", "does not go with `append`", help)?;
        }
        Ok(append)
    }

    /// `file` and `page`: what is transferred.
    fn range(&self, fields: &Fields<'a>, op: OpKind, pages: usize, append: bool) -> Read<(u8, u8)> {
        let source = self.place.source;
        let why = format!("is not for {}", op.name());
        if !op.is_io() {
            fields.refuse(
                "page",
                &why,
                "it is the first page a read or write transfers",
            )?;
        }
        if !op.is_io() && op != OpKind::Mmap {
            fields.refuse("file", &why, "the memory it works on is its `buffer`")?;
            return Ok((0, 0));
        }
        let file = self
            .place
            .file(fields.need("file", "file = \"F1\"")?, "file")?;
        let first = fields.integer("page", 0..=MAX_PAGES as u8 - 1, 0)?;
        let spec = &self.place.files[file as usize];
        if op.is_io() && !append && first as usize + pages > spec.size as usize {
            let span = fields.get("page").or(fields.get("buffer"));
            let message = format!(
                "pages {first} to {} of {} are transferred, but it has {}",
                first as usize + pages - 1,
                spec.name,
                spec.size
            );
            let key = if spec.grows() { "size" } else { "pages" };
            return Err(source
                .error(span.map_or(fields.span.clone(), |v| v.span()), message)
                .label("beyond the end")
                .help(format!(
                    "shorten the buffer, or set `{key}` of {} to {} or more",
                    spec.name,
                    first as usize + pages
                )));
        }
        Ok((file, first))
    }

    /// `unaligned`: only direct I/O can tell.
    fn unaligned(&self, fields: &Fields<'a>, op: OpKind) -> Read<bool> {
        if !matches!(op, OpKind::DirectRead | OpKind::DirectWrite) {
            let why = format!("is not for {}", op.name());
            fields.refuse("unaligned", &why, "it is about direct reads and writes")?;
        }
        fields.boolean("unaligned", false)
    }

    /// `open_file`: by default one of its own.
    fn open_file(&mut self, fields: &Fields<'a>, op: OpKind, file: u8, mm: u8) -> Read<u8> {
        if !op.is_io() {
            let why = format!("is not for {}", op.name());
            fields.refuse("open_file", &why, "it is shared by reads and writes")?;
        }
        let node = self.mms[mm as usize].node;
        let name = fields.name("open_file")?;
        let known = |o: &OpenFile| name.is_some() && o.name.as_deref() == name;
        if let Some(index) = self.open_files.iter().position(known) {
            let open = &self.open_files[index];
            if open.file == file && open.node == node {
                return Ok(index as u8);
            }
            let span = fields.need("open_file", "")?.span();
            return Err(self
                .place
                .source
                .error(span, "another task has this open file for something else")
                .label("open elsewhere")
                .help(
                    "an open file is of one file, on one node: take another name, or leave it out",
                ));
        }
        self.open_files.push(OpenFile {
            name: name.map(str::to_string),
            file,
            node,
        });
        Ok(self.open_files.len() as u8 - 1)
    }
}

/// The name of a task, by position if none is written.
fn name_of((position, task): (usize, &Value)) -> String {
    let table = task.get_ref().as_table();
    let name = table
        .and_then(|t| t.get("name"))
        .and_then(|n| n.get_ref().as_str());
    name.map_or(format!("P{position}"), str::to_string)
}

/// The error that there is no task.
pub(super) fn no_tasks(source: Source, span: Range<usize>) -> ScenarioError {
    source
        .error(span, "the scenario has no tasks")
        .label("nobody does anything")
        .help("add `[[tasks]]` with `op = \"direct_read\"`, `file` and `buffer`")
}
