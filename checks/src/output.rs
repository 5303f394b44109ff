//! Where the report goes: stdout, or a file that appears whole or not at all.

use crate::mistake::{Mistake, quoted};
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::NamedTempFile;

use crate::table::Colours;

/// Takes text. A reader that went away is no error: the rest is not printed, and whoever produces it
/// is told to stop.
pub(crate) struct Output<'a> {
    to: To,
    failed: Option<io::Error>,
    stop: &'a AtomicBool,
}

enum To {
    Stdout,
    File {
        temporary: NamedTempFile,
        path: PathBuf,
    },
    /// The reader has closed the pipe.
    Nowhere,
}

impl<'a> Output<'a> {
    /// To stdout. `stop` is set when nobody reads any more.
    pub(crate) fn stdout(stop: &'a AtomicBool) -> Output<'a> {
        Output {
            to: To::Stdout,
            failed: None,
            stop,
        }
    }

    /// To a file, which gets its name in [`finish`](Self::finish). That it can be written is found
    /// out now, not after an hour of work.
    pub(crate) fn file(path: &Path, stop: &'a AtomicBool) -> Result<Output<'a>, Mistake> {
        let path = &destination(path)?;
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let temporary = NamedTempFile::new_in(folder)
            .map_err(|e| unwritable(path, &io::Error::from(e.kind())))?;
        Ok(Output {
            to: To::File {
                temporary,
                path: path.to_owned(),
            },
            failed: None,
            stop,
        })
    }

    /// Whether escape sequences are welcome there.
    pub(crate) fn colours(&self) -> Colours {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        match self.to {
            To::Stdout if wanted && io::stdout().is_terminal() => Colours::On,
            _ => Colours::Off,
        }
    }

    /// Writes text.
    pub(crate) fn say(&mut self, text: &str) {
        if self.failed.is_some() {
            return;
        }
        let written = match &mut self.to {
            To::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout
                    .write_all(text.as_bytes())
                    .and_then(|()| stdout.flush())
            }
            To::File { temporary, .. } => temporary.write_all(text.as_bytes()),
            To::Nowhere => Ok(()),
        };
        if let Err(error) = written {
            self.stop.store(true, Ordering::Relaxed);
            match error.kind() {
                ErrorKind::BrokenPipe => self.to = To::Nowhere,
                _ => self.failed = Some(error),
            }
        }
    }

    /// Gives a file its name.
    pub(crate) fn finish(self) -> Result<(), Mistake> {
        let path = match &self.to {
            To::File { path, .. } => path.clone(),
            _ => PathBuf::from("standard output"),
        };
        if let Some(error) = self.failed {
            return Err(unwritable(&path, &error));
        }
        if let To::File { temporary, path } = self.to {
            publish(temporary, &path).map_err(|error| unwritable(&path, &error))?;
        }
        Ok(())
    }
}

/// The file that a report will replace: where a symbolic link leads; never a directory, a device or
/// a pipe, which a rename would destroy.
fn destination(path: &Path) -> Result<PathBuf, Mistake> {
    let refuse = |what: &str, help: &'static str| {
        let path = quoted(&path.display().to_string());
        Err(Mistake::new(format!("cannot write to {path}: it is {what}")).help(help))
    };
    match std::fs::metadata(path) {
        Ok(meta) if meta.is_dir() => refuse("a directory", "name a file in it"),
        Ok(meta) if !meta.is_file() => refuse(
            "no regular file",
            "name a regular file, or leave the option out and redirect stdout",
        ),
        Ok(_) => std::fs::canonicalize(path).map_err(|e| unwritable(path, &e)),
        Err(_) if path.is_symlink() => refuse("a link that leads nowhere", "name a file"),
        Err(_) => Ok(path.to_owned()),
    }
}

/// A temporary file is private to its owner; a report gets the permissions of a usual new file or
/// those of the file it replaces.
fn publish(temporary: NamedTempFile, path: &Path) -> io::Result<()> {
    temporary.as_file().sync_all()?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let permissions = match std::fs::metadata(path) {
            Ok(old) => old.permissions(),
            Err(_) => std::fs::Permissions::from_mode(0o644),
        };
        temporary.as_file().set_permissions(permissions)?;
    }
    temporary.persist(path).map_err(|error| error.error)?;
    Ok(())
}

fn unwritable(path: &Path, error: &io::Error) -> Mistake {
    Mistake::new(format!(
        "cannot write to {}: {error}",
        quoted(&path.display().to_string())
    ))
    .help("check the path, its permissions and the space on the disk")
}
