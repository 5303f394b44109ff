//! The scenarios that come with the tool, and the user's own.

use super::error::{ScenarioError, Source, did_you_mean, quoted};
use super::guard::{MAX_BYTES, too_long};
use super::*;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Pairs of name and text of files in `model/scenarios`.
macro_rules! embedded {
    ($($name:literal)*) => {
        &[$(($name, include_str!(concat!("../../scenarios/", $name, ".toml")))),*]
    };
}

const BUILTIN: &[(&str, &str)] = embedded! {
    "aio-bad-second-direct-read"
    "aio-direct-read"
    "aio-direct-read-remote"
    "aio-direct-write"
    "aio-direct-write-local"
    "append-buffered-write"
    "append-buffered-write-two-tasks"
    "append-direct-write"
    "append-direct-write-one-page"
    "bad-beyond-end-buffered-read"
    "bad-beyond-end-direct-read"
    "bad-first-buffered-read"
    "bad-first-buffered-write"
    "bad-first-direct-read"
    "bad-first-direct-write"
    "bad-later-buffered-read"
    "bad-later-direct-read"
    "bad-second-buffered-read"
    "bad-second-buffered-write"
    "bad-second-direct-read"
    "bad-second-direct-write"
    "chunk-buffered-write"
    "chunk-buffered-write-bad-second"
    "chunk-direct-read-bad-second"
    "chunk-direct-write-bad-second"
    "crossed-direct-read-two-nodes"
    "crossed-direct-read-two-nodes-page-refs"
    "fiemap-bad-second"
    "fiemap-own"
    "fiemap-race"
    "fiemap-race-two-nodes"
    "hole-direct-read"
    "hole-direct-read-bad"
    "hole-direct-read-second-bad"
    "hole-direct-write"
    "hole-direct-write-bad"
    "hole-direct-write-demanded"
    "hole-race-direct-read"
    "io-buffered-read"
    "io-direct-read"
    "io-direct-write"
    "lockless-buffered-read-two-nodes"
    "lockless-buffered-read-two-nodes-page-refs"
    "lone-buffered-read-cached-idle-remote"
    "lone-buffered-read-idle-remote"
    "lone-buffered-write-idle-remote"
    "lone-direct-read-idle-reader"
    "lone-direct-read-idle-remote"
    "lone-direct-write-idle-remote"
    "long-direct-read"
    "mmap-lock-mmap-buffered-read"
    "mmap-lock-mmap-direct-read"
    "mmap-lock-mprotect-buffer-buffered-read"
    "mmap-lock-mprotect-buffer-direct-read"
    "mmap-lock-mprotect-buffered-read"
    "mmap-lock-mprotect-direct-read"
    "mmap-lock-munmap-buffer-buffered-read"
    "mmap-lock-munmap-buffer-direct-read"
    "mmap-lock-munmap-buffered-read"
    "mmap-lock-munmap-direct-read"
    "own-buffered-read-demanded"
    "own-buffered-read-other-page"
    "own-buffered-read-private"
    "own-buffered-read-same-page"
    "own-buffered-write-demanded"
    "own-buffered-write-other-page"
    "own-buffered-write-private"
    "own-buffered-write-same-page"
    "own-direct-read-demanded"
    "own-direct-read-other-page"
    "own-direct-read-private"
    "own-direct-read-same-page"
    "own-direct-write-demanded"
    "own-direct-write-other-page"
    "own-direct-write-private"
    "own-direct-write-same-page"
    "pipe-read-local-reader"
    "pipe-read-local-writer"
    "pipe-read-remote-writer"
    "pipe-write-local-reader"
    "pipe-write-local-writer"
    "pipe-write-remote-writer"
    "prefault-demanded"
    "race-buffered-read"
    "race-buffered-read-bad-first"
    "race-buffered-read-bad-first-two-nodes"
    "race-buffered-read-bad-second"
    "race-buffered-read-bad-second-two-nodes"
    "race-buffered-read-demanded"
    "race-buffered-read-mixed-pages"
    "race-buffered-read-private"
    "race-buffered-read-private-second-page"
    "race-buffered-read-private-second-page-two-nodes"
    "race-buffered-read-private-two-nodes"
    "race-buffered-read-reclaim"
    "race-buffered-read-second-page"
    "race-buffered-read-second-page-two-nodes"
    "race-buffered-read-two-nodes"
    "race-buffered-read-two-pages"
    "race-buffered-read-two-pages-two-nodes"
    "race-buffered-read-write"
    "race-buffered-read-written"
    "race-buffered-write"
    "race-buffered-write-bad-first"
    "race-buffered-write-bad-first-two-nodes"
    "race-buffered-write-bad-second"
    "race-buffered-write-bad-second-two-nodes"
    "race-buffered-write-demanded"
    "race-buffered-write-mixed-pages"
    "race-buffered-write-private"
    "race-buffered-write-private-second-page"
    "race-buffered-write-private-second-page-two-nodes"
    "race-buffered-write-private-two-nodes"
    "race-buffered-write-reclaim"
    "race-buffered-write-second-page"
    "race-buffered-write-second-page-two-nodes"
    "race-buffered-write-two-nodes"
    "race-buffered-write-two-pages"
    "race-buffered-write-two-pages-two-nodes"
    "race-direct-read"
    "race-direct-read-bad-both"
    "race-direct-read-bad-first"
    "race-direct-read-bad-first-two-nodes"
    "race-direct-read-bad-other-two-nodes"
    "race-direct-read-bad-second"
    "race-direct-read-bad-second-two-nodes"
    "race-direct-read-demanded"
    "race-direct-read-mixed-pages"
    "race-direct-read-private"
    "race-direct-read-private-second-page"
    "race-direct-read-private-second-page-two-nodes"
    "race-direct-read-private-two-nodes"
    "race-direct-read-reclaim"
    "race-direct-read-second-page"
    "race-direct-read-second-page-two-nodes"
    "race-direct-read-two-nodes"
    "race-direct-read-two-nodes-first-use"
    "race-direct-read-two-pages"
    "race-direct-read-two-pages-two-nodes"
    "race-direct-read-write"
    "race-direct-read-written"
    "race-direct-write"
    "race-direct-write-bad-first"
    "race-direct-write-bad-first-two-nodes"
    "race-direct-write-bad-second"
    "race-direct-write-bad-second-two-nodes"
    "race-direct-write-demanded"
    "race-direct-write-mixed-pages"
    "race-direct-write-private"
    "race-direct-write-private-second-page"
    "race-direct-write-private-second-page-two-nodes"
    "race-direct-write-private-two-nodes"
    "race-direct-write-reclaim"
    "race-direct-write-second-page"
    "race-direct-write-second-page-two-nodes"
    "race-direct-write-two-nodes"
    "race-direct-write-two-pages"
    "race-direct-write-two-pages-two-nodes"
    "range-direct-read"
    "range-direct-read-bad"
    "range-direct-read-shared"
    "range-direct-write"
    "readpage-demoted"
    "readpage-idle-remote"
    "readpage-local-writer"
    "readpage-two-nodes"
    "readpage-two-readers"
    "reclaim-buffered-read"
    "reclaim-buffered-write"
    "reclaim-buffered-write-three-pages"
    "reclaim-direct-read"
    "reclaim-direct-read-twice"
    "reclaim-direct-write"
    "requeue-local-writer"
    "resume-buffered-read"
    "resume-buffered-read-bad"
    "resume-buffered-write"
    "resume-direct-read"
    "resume-direct-read-bad"
    "resume-direct-read-two-nodes"
    "resume-direct-write"
    "ring-buffered-read"
    "ring-buffered-read-bystander"
    "ring-direct-read"
    "ring-direct-read-bystander"
    "served-buffered-read"
    "served-direct-read"
    "third-writer-buffered-read"
    "third-writer-buffered-read-private"
    "third-writer-buffered-read-private-both"
    "third-writer-direct-read"
    "third-writer-direct-read-private"
    "threads-buffered-read"
    "threads-buffered-read-mmap"
    "threads-buffered-read-mprotect"
    "threads-buffered-read-munmap"
    "threads-buffered-write"
    "threads-direct-read"
    "threads-direct-read-mmap"
    "threads-direct-read-mprotect"
    "threads-direct-read-munmap"
    "threads-direct-read-same-file"
    "threads-direct-write"
    "torn-buffered-read"
    "torn-buffered-read-local"
    "touch-load-idle-remote"
    "touch-load-local-direct-writer"
    "touch-load-local-reader"
    "touch-load-local-writer"
    "touch-load-remote-direct-writer"
    "touch-load-remote-writer"
    "touch-store-both-nodes"
    "touch-store-both-nodes-shared"
    "touch-store-idle-remote"
    "touch-store-local-direct-writer"
    "touch-store-local-reader"
    "touch-store-local-writer"
    "touch-store-remote-direct-writer"
    "touch-store-remote-writer"
    "touch-store-two-nodes"
    "touch-store-two-nodes-no-hold-time"
    "try-refused-demoted"
    "try-waits-demoted"
    "unaligned-direct-read"
    "unaligned-direct-write-bad"
    "unmarked-buffered-read"
    "unmarked-direct-read"
    "weak-reader-remote-writer"
    "weak-writer-demanded"
    "weak-writer-local-reader"
    "zero-page-direct-write"
};

/// Scenarios by name: the built-in ones and files of the user's.
#[derive(Clone, Debug)]
pub struct Library {
    entries: BTreeMap<String, Entry>,
}

#[derive(Clone, Debug)]
enum Entry {
    Builtin(&'static str),
    File(PathBuf),
}

impl Library {
    /// The scenarios that come with the tool.
    pub fn builtin() -> Library {
        let entry = |(name, text): &(&str, &'static str)| (name.to_string(), Entry::Builtin(text));
        Library {
            entries: BUILTIN.iter().map(entry).collect(),
        }
    }

    /// Adds a file, under its name without `.toml`, or all `.toml` files of a
    /// directory. They are read when they are loaded. A file takes the place of
    /// a scenario with the same name.
    ///
    /// # Errors
    /// If there is no such file or the directory cannot be read.
    pub fn add(&mut self, path: &Path) -> Result<(), ScenarioError> {
        let meta = std::fs::metadata(path).map_err(|e| unreadable(path, &e))?;
        if !meta.is_dir() {
            self.add_file(path);
            return Ok(());
        }
        for entry in std::fs::read_dir(path).map_err(|e| unreadable(path, &e))? {
            let file = entry.map_err(|e| unreadable(path, &e))?.path();
            if file.extension().is_some_and(|e| e == "toml") {
                self.add_file(&file);
            }
        }
        Ok(())
    }

    fn add_file(&mut self, path: &Path) {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        self.entries
            .insert(stem.into_owned(), Entry::File(path.to_path_buf()));
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// The scenario called `name`, or the one in the file of that path: a path
    /// has a `/` or ends in `.toml`.
    ///
    /// # Errors
    /// If there is none, or its file is wrong.
    pub fn load(&self, name: &str) -> Result<Scenario, ScenarioError> {
        match self.entries.get(name) {
            Some(Entry::Builtin(text)) => Scenario::from_toml(text, &format!("{name}.toml")),
            Some(Entry::File(path)) => from_file(path),
            None if name.contains('/') || name.ends_with(".toml") => from_file(Path::new(name)),
            None => {
                let names: Vec<&str> = self.names().collect();
                let message = format!("there is no scenario {}", quoted(name));
                Err(ScenarioError::new(message).help(format!(
                    "{}\nor name a file by its path, with `.toml`",
                    did_you_mean(name, &names)
                )))
            }
        }
    }
}

/// Reads a file, but never much more of it than a scenario may have.
fn from_file(path: &Path) -> Result<Scenario, ScenarioError> {
    let name = path.display().to_string();
    let meta = std::fs::metadata(path).map_err(|e| unreadable(path, &e))?;
    // A pipe or a terminal could make us wait for ever.
    if !meta.is_file() {
        let kind = if meta.is_dir() {
            "a directory"
        } else {
            "no regular file"
        };
        return Err(
            ScenarioError::new(format!("{} is {kind}", quoted(&name))).help("name a `.toml` file")
        );
    }
    let file = std::fs::File::open(path).map_err(|e| unreadable(path, &e))?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| unreadable(path, &e))?;
    if bytes.len() > MAX_BYTES {
        return Err(too_long(&name, meta.len().max(bytes.len() as u64)));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Scenario::from_toml(&text, &name),
        Err(error) => Err(not_utf8(&name, &error)),
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> ScenarioError {
    let name = quoted(&path.display().to_string());
    ScenarioError::new(format!("cannot read {name}: {error}"))
        .help("check the path and its permissions")
}

fn not_utf8(name: &str, error: &std::string::FromUtf8Error) -> ScenarioError {
    let valid = error.utf8_error().valid_up_to();
    let bytes = error.as_bytes();
    let byte = bytes[valid];
    // The line as far as it is text, with a stand-in for what is not.
    let text = String::from_utf8_lossy(bytes);
    let source = Source {
        file: name,
        text: &text,
    };
    source
        .error(
            valid..valid + 1,
            format!("the file is not UTF-8: byte 0x{byte:02x} cannot stand here"),
        )
        .label("not text")
        .help("a scenario is a text file in UTF-8")
}
