//! A shared search on disk: each worker saves its own part, all at the same level.
//!
//! When it is time for one worker, all know at the end of the level, and save how they enter the next.
//! The parts of the level saved before are removed only after all have said that they have written
//! the new ones; so whenever the processes end, there is a level that all have. To go on, the last
//! such level is taken.

use std::path::{Path, PathBuf};
use std::time::Instant;

use glock_engine::share::{Mark, Share};
use glock_engine::{Checkpoint, Error, Mobile, Persist, Stats, System};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The files of a checkpoint with this path, of any worker and any level.
pub fn checkpoint_files(path: &Path) -> Vec<PathBuf> {
    let (Some(name), Ok(entries)) = (path.file_name(), std::fs::read_dir(folder(path))) else {
        return Vec::new();
    };
    let prefix = format!("{}.worker-", name.to_string_lossy());
    let names = entries.flatten().map(|entry| entry.path());
    names
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(&prefix)
        })
        .collect()
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// A [`Checkpoint`] for a certain kind of system.
pub(crate) struct Saving<'a, S: System> {
    checkpoint: Checkpoint<'a>,
    mark: fn(&Share<'_, S>) -> Mark<S::Coverage>,
    save: Save<S>,
    load: fn(&mut Share<'_, S>, &Path, &str) -> Result<serde_json::Value, Error>,
}

type Save<S> = fn(
    &Share<'_, S>,
    &Path,
    &str,
    &Mark<<S as System>::Coverage>,
    serde_json::Value,
) -> Result<(), Error>;

impl<S: System> Clone for Saving<'_, S> {
    fn clone(&self) -> Self {
        Self {
            checkpoint: self.checkpoint.clone(),
            ..*self
        }
    }
}

impl<'a, S> Saving<'a, S>
where
    S: System<Store: Mobile + Persist, Coverage: Serialize + DeserializeOwned>,
{
    pub(crate) fn new(checkpoint: Checkpoint<'a>) -> Self {
        Self {
            checkpoint,
            mark: |share| share.mark(),
            save: |share, path, identity, mark, more| share.save(path, identity, mark, more),
            load: |share, path, identity| share.load(path, identity),
        }
    }
}

/// What a worker does to save its part.
pub(crate) struct Keeper<'a, S: System> {
    saving: Saving<'a, S>,
    name: String,
    /// How the share was when it entered a level, and the counts of all.
    mark: Option<(Mark<S::Coverage>, Stats)>,
    looked: Instant,
    /// The level of the last file that is known to be complete everywhere.
    kept: Option<usize>,
    /// That of the file that this worker has written since.
    written: Option<usize>,
    pub(crate) unsaved: Option<Error>,
}

impl<'a, S: System<Store: Mobile>> Keeper<'a, S> {
    pub(crate) fn new(saving: Saving<'a, S>, worker: usize, workers: usize) -> Self {
        let name = saving.checkpoint.path().file_name().unwrap_or_default();
        let name = format!(
            "{}.worker-{worker}-of-{workers}.level-",
            name.to_string_lossy()
        );
        Self {
            saving,
            name,
            mark: None,
            looked: Instant::now(),
            kept: None,
            written: None,
            unsaved: None,
        }
    }

    pub(crate) fn resumes(&self) -> bool {
        self.saving.checkpoint.resumes()
    }

    fn file(&self, level: usize) -> PathBuf {
        folder(self.saving.checkpoint.path()).join(format!("{}{level}", self.name))
    }

    /// The levels of which this worker has a file.
    pub(crate) fn levels(&self) -> Vec<usize> {
        let files = checkpoint_files(self.saving.checkpoint.path()).into_iter();
        let level = |path: PathBuf| {
            let name = path.file_name()?.to_str()?;
            name.strip_prefix(&self.name)?.parse().ok()
        };
        files.filter_map(level).collect()
    }

    /// That no level is saved of all workers.
    pub(crate) fn nothing(&self) -> Error {
        Error::Checkpoint {
            path: self.saving.checkpoint.path().display().to_string(),
            reason: "there is no level of which each worker has a file".to_owned(),
        }
    }

    /// Goes on from a level that is saved; gives the counts of all workers.
    pub(crate) fn load(&mut self, share: &mut Share<'_, S>, level: usize) -> Result<Stats, Error> {
        let path = self.file(level);
        let more = (self.saving.load)(share, &path, self.saving.checkpoint.identity())?;
        self.kept = Some(level);
        serde_json::from_value(more).map_err(|why| Error::Checkpoint {
            path: path.display().to_string(),
            reason: why.to_string(),
        })
    }

    /// Takes note of how a level is entered.
    pub(crate) fn mark(&mut self, share: &Share<'_, S>, all: &Stats) {
        self.mark = Some(((self.saving.mark)(share), all.clone()));
    }

    /// Whether it is time to save.
    pub(crate) fn is_due(&self) -> bool {
        self.saving.checkpoint.is_due(self.looked.elapsed())
    }

    /// Saves the share as it was when it entered the level it is in.
    pub(crate) fn save(&mut self, share: &Share<'_, S>) {
        self.looked = Instant::now();
        self.saving.checkpoint.answer();
        let Some((mark, all)) = &self.mark else {
            return;
        };
        let level = all.levels.len();
        if self.kept == Some(level) {
            return;
        }
        let more = serde_json::to_value(all).expect("counts are plain data");
        let identity = self.saving.checkpoint.identity();
        match (self.saving.save)(share, &self.file(level), identity, mark, more) {
            Ok(()) => self.written = Some(level),
            Err(why) => self.unsaved = Some(why),
        }
    }

    /// What it has written and not heard of.
    pub(crate) fn written(&self) -> Option<usize> {
        self.written
    }

    /// Removes what was saved before, once all workers have written a new level.
    pub(crate) fn settle(&mut self, all_have: bool) {
        if let (true, Some(level)) = (all_have, self.written.take()) {
            if let Some(old) = self.kept.replace(level) {
                let _ = std::fs::remove_file(self.file(old));
            }
            self.unsaved = None;
        }
    }
}
