//! Where designs come from: the ones built in, and files of the user's.

use super::ast::Design;
use super::parse::{parse, suggestion};
use super::problem::{DesignError, MAX_PROBLEMS, Problem, Rule, position};
use super::unit::Unit;
use super::{Compiled, build};
use crate::program::Source;
use miette::NamedSource;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The largest file that is read, in bytes.
pub const MAX_FILE: usize = 1 << 20;
/// The longest line, in bytes: longer ones cannot be shown.
const MAX_LINE: usize = 1000;
/// How many designs may extend one another in a row.
const MAX_CHAIN: usize = 16;
/// The ending of a design's file name.
const ENDING: &str = "design";

macro_rules! builtin {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../designs/", $name, ".design")))),*]
    };
}

/// The designs of the history, in its order.
const BUILTIN: &[(&str, &str)] = builtin![
    "base",
    "recursion-check",
    "restart-hack",
    "restart-errno",
    "restart-journal-info",
    "restart-inode-flag",
    "restart-file-flag",
    "restart-try-rule",
    "fault-retry",
    "fault-nopage",
    "fault-nopage-blocking",
    "fault-in-first",
    "pin-first",
    "pin-on-demand",
    "compatible-holder",
    "outer-glock",
    "write-fault-ex",
    "cpu-faults-off",
    "pin-retry-once",
    "fault-in-restart",
    "fault-in-rewind",
    "fault-in-resume-read",
    "fault-in-no-done",
    "fault-in-resume",
    "weak-holders-give-up",
    "weak-holders",
    "weak-holders-resume",
    "fault-in-retry",
    "weak-holders-restored",
    "window-one-page",
    "window-tested-once",
    "fault-in-retry-bounded",
    "write-fault-in-after",
    "write-no-fault-in",
    "readpage-try",
    "readpage-twice",
    "readahead-locked",
    "readpage-try-again",
    "readpage-try-wait",
    "requeue-stale",
    "requeue-fresh",
    "hold-from-change",
];

/// The designs that the discussion was about, in the order of history; the others are states in
/// between, known mistakes and older protocols.
pub const DISCUSSED: [&str; 12] = [
    "base",
    "recursion-check",
    "restart-hack",
    "restart-errno",
    "restart-journal-info",
    "fault-retry",
    "fault-nopage",
    "fault-in-first",
    "pin-first",
    "pin-on-demand",
    "fault-in-retry",
    "fault-in-retry-bounded",
];

/// The built-in designs that differ in mechanism, in the order of history. The others are each a few
/// lines away from one of these: what is compared over all cells, such as a saving that must change
/// no verdict, is compared under these.
pub const DIFFERENT: [&str; 17] = [
    "base",
    "recursion-check",
    "restart-hack",
    "restart-errno",
    "restart-journal-info",
    "fault-retry",
    "fault-nopage",
    "fault-in-first",
    "pin-first",
    "pin-on-demand",
    "pin-retry-once",
    "weak-holders",
    "fault-in-retry",
    "weak-holders-restored",
    "fault-in-retry-bounded",
    "readpage-try",
    "requeue-stale",
];

/// What single items of the history need beside them: states in between, defects
/// that were repaired, and what other file systems did. `extends` and the command
/// line find them; what goes through all designs does not.
const STEPS: &[(&str, &str)] = builtin![
    "fallback-error-dropped",
    "fast-pages",
    "offset-errno",
    "hole-eof",
    "fiemap-fault-in",
    "iter-flag-only",
    "fault-in-gives-up",
    "fault-in-gup",
    "fault-in-overreports",
    "whole-chunks",
    "whole-chunks-limited",
    "no-fault-in",
    "probe-coarse",
    "probe-coarse-resumes",
    "probe-exact",
    "range-lock",
    "range-lock-first-posting",
    "range-lock-retry",
    "append-size-refreshed",
    "append-positioned-once",
    "append-positioned-again",
    "append-pinned",
];

/// Where `extends` and the command line look designs up.
///
/// ```
/// use glock_model::design::Library;
/// let library = Library::builtin();
/// let design = library.load("restart-hack").unwrap();
/// assert_eq!(design.program.name, "restart-hack");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Library {
    files: Vec<Source>,
    dirs: Vec<PathBuf>,
    with_builtin: bool,
}

impl Library {
    /// The built-in designs only.
    pub fn builtin() -> Library {
        Library {
            with_builtin: true,
            ..Library::default()
        }
    }

    /// Also the files `NAME.design` of a directory; they come before built-in
    /// designs of the same name.
    #[must_use]
    pub fn with_dir(mut self, dir: impl Into<PathBuf>) -> Library {
        self.dirs.push(dir.into());
        self
    }

    /// Also this text; it comes before everything else of the same name.
    #[must_use]
    pub fn with_file(mut self, source: Source) -> Library {
        self.files.insert(0, source);
        self
    }

    /// The names of all designs known without looking at directories: added
    /// files first, then the built-in ones in the order of history.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.files.iter().map(|f| f.design.as_str()).collect();
        if self.with_builtin {
            names.extend(BUILTIN.iter().map(|(name, _)| *name));
        }
        names
    }

    /// The names of the built-in designs that are about single items of the history,
    /// and not among [`Library::names`].
    pub fn steps(&self) -> Vec<&str> {
        match self.with_builtin {
            true => STEPS.iter().map(|(name, _)| *name).collect(),
            false => Vec::new(),
        }
    }

    /// The text of a design, by name.
    ///
    /// # Errors
    /// No such design, or a file of that name cannot be read.
    pub fn source(&self, name: &str) -> Result<Source, DesignError> {
        if let Some(file) = self.files.iter().find(|f| f.design == name) {
            return Ok(file.clone());
        }
        let is_plain = !name.contains(['/', '\\']);
        for path in self
            .dirs
            .iter()
            .map(|dir| dir.join(format!("{name}.{ENDING}")))
        {
            if is_plain && path.is_file() {
                return read(&path);
            }
        }
        let builtin = BUILTIN
            .iter()
            .chain(STEPS)
            .find(|(n, _)| self.with_builtin && *n == name);
        if let Some((name, text)) = builtin {
            return Ok(Source {
                design: name.to_string(),
                file: format!("{name}.{ENDING}"),
                text: text.to_string(),
            });
        }
        let mut known = self.names();
        known.extend(self.steps());
        let otherwise = format!("known designs: {}", known.join(", "));
        let problem = Problem::new(Rule::File, 0..0, format!("no design named `{name}`"))
            .help(suggestion(name, known, &otherwise));
        Err(DesignError {
            design: name.to_string(),
            problems: vec![problem],
        })
    }

    /// Compiles a design: a name this library knows, or the path of a file,
    /// recognised by a `/` or the ending `.design`. A file may extend designs in
    /// its own directory.
    ///
    /// # Errors
    /// The design does not exist, cannot be read, or has mistakes.
    pub fn load(&self, name_or_path: &str) -> Result<Compiled, DesignError> {
        let path = Path::new(name_or_path);
        let is_path = name_or_path.contains('/') || path.extension().is_some_and(|e| e == ENDING);
        if !is_path {
            return compile(&self.source(name_or_path)?, self);
        }
        let source = read(path)?;
        let dir = path
            .parent()
            .filter(|p| !p.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let mut library = self.clone();
        library.dirs.insert(0, dir.to_path_buf());
        compile(&source, &library)
    }
}

/// Reads a design file.
///
/// # Errors
/// It cannot be read, is empty, larger than [`MAX_FILE`], or not UTF-8.
pub fn read(path: &Path) -> Result<Source, DesignError> {
    use std::io::Read;
    let file = path.display().to_string();
    let mut bytes = Vec::new();
    // A pipe could keep us waiting for ever.
    let regular = |meta: std::fs::Metadata| match meta.is_file() {
        true => Ok(()),
        false => Err(std::io::Error::other("it is no regular file")),
    };
    let result = std::fs::metadata(path)
        .and_then(regular)
        .and_then(|()| std::fs::File::open(path))
        .and_then(|f| f.take(MAX_FILE as u64 + 1).read_to_end(&mut bytes));
    match result {
        Ok(_) => source_from_bytes(&file, &bytes),
        Err(error) => {
            let message = format!("cannot read {file}: {error}");
            let help = "give the path of a design file, or a name `glock designs` lists";
            Err(file_error(&file, message, help))
        }
    }
}

/// A design's text from the bytes of its file.
///
/// # Errors
/// Empty, larger than [`MAX_FILE`], or not UTF-8.
pub fn source_from_bytes(file: &str, bytes: &[u8]) -> Result<Source, DesignError> {
    if bytes.len() > MAX_FILE {
        let message = format!("{file} is larger than {} KiB", MAX_FILE >> 10);
        return Err(file_error(
            file,
            message,
            "a design is a page of text; is this one?",
        ));
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]).into_owned();
            let (line, column) = position(&good, good.len());
            let byte = bytes[error.valid_up_to()];
            let message = format!("{file}:{line}:{column}: byte 0x{byte:02x} is not UTF-8");
            return Err(file_error(file, message, "save the file as UTF-8"));
        }
    };
    if text.trim().is_empty() {
        let help = "a design starts with the line `design NAME`";
        return Err(file_error(file, format!("{file} is empty"), help));
    }
    let stem = Path::new(file)
        .file_stem()
        .map(|s| s.to_string_lossy().into_owned());
    Ok(Source {
        design: stem.unwrap_or_default(),
        file: file.to_string(),
        text: text.to_string(),
    })
}

fn file_error(file: &str, message: String, help: &str) -> DesignError {
    let problem = Problem::new(Rule::File, 0..0, message).help(help);
    DesignError {
        design: file.to_string(),
        problems: vec![problem],
    }
}

/// Compiles a design's text; what it extends is looked up in `library`.
///
/// # Errors
/// Everything that is wrong with the design or what it extends.
pub fn compile(source: &Source, library: &Library) -> Result<Compiled, DesignError> {
    let mut problems = Vec::new();
    let (sources, designs) = chain(source, library, &mut problems);
    for source in &sources {
        if let Some(at) = source.text.lines().position(|line| line.len() > MAX_LINE) {
            let file = &source.file;
            let message = format!("{file}:{}: line longer than {MAX_LINE} bytes", at + 1);
            return Err(file_error(file, message, "a statement is a short line"));
        }
    }
    let texts: Vec<_> = sources
        .iter()
        .map(|s| Arc::new(NamedSource::new(&s.file, s.text.clone())))
        .collect();
    let mut compiled = None;
    if problems.is_empty() {
        let unit = Unit::new(sources, designs, &mut problems);
        compiled = build(unit, &mut problems);
    }
    problems.sort_by_key(|p| (p.source, p.span.start, p.span.end));
    problems.dedup_by(|a, b| (a.source, &a.span, a.rule) == (b.source, &b.span, b.rule));
    let mut problems: Vec<Problem> = problems.into_iter().map(|p| p.locate(&texts)).collect();
    match compiled {
        Some(compiled) if !problems.iter().any(Problem::is_error) => Ok(Compiled {
            warnings: problems,
            ..compiled
        }),
        _ => {
            problems.retain(Problem::is_error);
            problems.truncate(MAX_PROBLEMS);
            Err(DesignError {
                design: source.design.clone(),
                problems,
            })
        }
    }
}

/// The design and what it extends, nearest first.
fn chain(
    source: &Source,
    library: &Library,
    problems: &mut Vec<Problem>,
) -> (Vec<Source>, Vec<Design>) {
    let (mut sources, mut designs) = (vec![source.clone()], Vec::new());
    loop {
        let at = designs.len();
        let (mut design, found) = parse(&sources[at].text);
        problems.extend(found.into_iter().map(|p| p.in_source(at)));
        let name = design.name.take();
        if let Some(name) = &name
            && !name.text.is_empty()
        {
            sources[at].design = name.text.clone();
        } else if problems.is_empty() {
            let problem = Problem::new(Rule::Header, 0..0, "no `design NAME` line");
            problems.push(
                problem
                    .help("a design starts with the line `design NAME`")
                    .in_source(at),
            );
        }
        design.name = name;
        let extends = design.extends.clone();
        designs.push(design);
        let Some(extends) = extends else { break };
        let report = |message: String, help: String| {
            Problem::new(Rule::Extends, extends.span.clone(), message)
                .help(help)
                .in_source(at)
        };
        if sources.iter().any(|s| s.design == extends.text) {
            let message = format!("`{}` extends itself", extends.text);
            problems.push(report(
                message,
                "remove this line, or name another design".into(),
            ));
            break;
        }
        if designs.len() >= MAX_CHAIN {
            let message = format!("more than {MAX_CHAIN} designs extend one another");
            problems.push(report(message, "extend an earlier one".into()));
            break;
        }
        match library.source(&extends.text) {
            Ok(source) => sources.push(source),
            Err(error) => {
                for problem in error.problems {
                    let help = problem.help.unwrap_or_default();
                    problems.push(report(problem.message.into(), help.into()));
                }
                break;
            }
        }
    }
    (sources, designs)
}
