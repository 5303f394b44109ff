//! A search on disk, to be gone on with after the process has ended, however it ended.
//!
//! A checkpoint is one file: a line of text that names the format, a header in JSON, the states and
//! their predecessors in binary, and a checksum (XXH3) of all of it. It is written beside its final
//! place and then moved there, so that there is always a whole one, the old or the new. The table is
//! not in it: it holds nothing that the states do not.
//!
//! States are numbered independently of threads and of time, and a checkpoint is taken between two
//! chunks; a search that goes on from one therefore numbers the rest as the first would have done,
//! and ends with the same counts, verdicts and counterexamples.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use stateright::Model;
use xxhash_rust::xxh3::Xxh3;

use crate::explored::{Explored, Found, NOBODY};
use crate::outcome::{Error, Stats};
use crate::predecessors::Predecessors;
use crate::store::{Blocks, Index, Store};
use crate::system::{BatchOf, System};

/// What a file starts with; the number is the format's.
const MAGIC: &[u8] = b"glock-engine checkpoint 1\n";

/// The largest header that is read, in bytes.
pub(crate) const MAX_HEADER: u64 = 1 << 30;

/// States expanded again on resuming, to see whether the model is still the same.
const SAMPLES: usize = 1000;

/// Where, when and as what to save a search. Workers that share one write a file each, whose name
/// begins with the path, on the machine where they run.
#[derive(Clone, Debug)]
pub struct Checkpoint<'a> {
    path: PathBuf,
    identity: String,
    every: Option<Duration>,
    when: Option<&'a AtomicBool>,
    resume: bool,
}

impl<'a> Checkpoint<'a> {
    /// Saves a search to this file when it gives up for a limit or a cancellation, and before it
    /// turns to claims. A file that is there is replaced.
    ///
    /// `identity` says what is being searched: model, parameters, version. A checkpoint of another
    /// identity is refused on resuming.
    pub fn new(path: impl Into<PathBuf>, identity: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            identity: identity.into(),
            every: None,
            when: None,
            resume: false,
        }
    }

    /// Saves about this often, too.
    #[must_use]
    pub fn every(self, interval: Duration) -> Self {
        Self {
            every: Some(interval),
            ..self
        }
    }

    /// Saves soon after somebody sets this flag, too, for instance on a signal, and clears it.
    #[must_use]
    pub fn when(self, flag: &'a AtomicBool) -> Self {
        Self {
            when: Some(flag),
            ..self
        }
    }

    /// Goes on from what is in the file instead of starting anew.
    #[must_use]
    pub fn resume(self) -> Self {
        Self {
            resume: true,
            ..self
        }
    }

    /// Where.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is being searched.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Whether to go on from what is there.
    pub fn resumes(&self) -> bool {
        self.resume
    }

    /// Whether it is time to save what was saved so long ago.
    pub fn is_due(&self, ago: Duration) -> bool {
        self.when.is_some_and(|flag| flag.load(Ordering::Relaxed))
            || self.every.is_some_and(|interval| ago >= interval)
    }

    /// Clears the flag by which somebody may have asked for it.
    pub fn answer(&self) {
        if let Some(flag) = self.when {
            flag.store(false, Ordering::Relaxed);
        }
    }

    fn error(&self, reason: impl ToString) -> Error {
        Error::Checkpoint {
            path: self.path.display().to_string(),
            reason: reason.to_string(),
        }
    }
}

/// How far a breadth-first search is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// The states at the distance being expanded.
    pub(crate) level: Range<Index>,
    /// The first of them that is not expanded.
    pub(crate) next: Index,
}

/// All that grows in place, as it was when nothing was half done.
#[derive(Clone)]
pub(crate) struct Mark<C> {
    pub(crate) position: Position,
    pub(crate) states: usize,
    pub(crate) found: Found,
    /// Without the levels, of which there may be as many as states.
    pub(crate) stats: Stats,
    /// How many levels there were. The size of a level does not change once it is entered.
    pub(crate) levels: usize,
    pub(crate) coverage: C,
}

/// The head of a file.
#[derive(Serialize, Deserialize)]
struct Header {
    identity: String,
    /// Kind of the store and words a state.
    store: (String, usize),
    /// So that a machine of the other kind notices.
    little_endian: bool,
    properties: Vec<String>,
    states: usize,
    position: Position,
    found: Found,
    stats: Stats,
    coverage: serde_json::Value,
}

/// A store whose states can be written to a file.
pub trait Persist: Store {
    /// What the file calls it.
    const KIND: &'static str;

    /// Words a state.
    fn width(&self) -> usize;

    /// Bytes that [`write`](Self::write) writes.
    fn written(&self, states: usize, next: usize) -> u64;

    /// Writes the first so many states, of which those before `next` are expanded.
    ///
    /// # Errors
    ///
    /// Those of writing.
    fn write(&self, states: usize, next: usize, out: &mut dyn Write) -> io::Result<()>;

    /// Fills an empty store.
    ///
    /// # Errors
    ///
    /// Those of reading.
    fn read(&mut self, states: usize, next: usize, from: &mut dyn Read) -> io::Result<()>;
}

/// Writes records of an array.
pub(crate) fn write_blocks<T: bytemuck::Pod>(
    blocks: &Blocks<T>,
    records: Range<usize>,
    out: &mut dyn Write,
) -> io::Result<()> {
    blocks
        .slices(records)
        .try_for_each(|slice| out.write_all(bytemuck::cast_slice(slice)))
}

/// Reads so many records to the end of an array.
pub(crate) fn read_blocks<T: bytemuck::Pod>(
    blocks: &mut Blocks<T>,
    records: usize,
    from: &mut dyn Read,
) -> io::Result<()> {
    let width = blocks.width;
    let mut buffer = vec![T::zeroed(); AT_ONCE * width];
    let mut left = records;
    while left > 0 {
        let now = left.min(AT_ONCE);
        from.read_exact(bytemuck::cast_slice_mut(&mut buffer[..now * width]))?;
        for record in buffer[..now * width].chunks_exact(width) {
            blocks.push_all(record);
        }
        left -= now;
    }
    Ok(())
}

/// Items of an array that are written or read together.
const AT_ONCE: usize = 1 << 13;

/// Writes the predecessors of the first so many states.
fn write_parents(parents: &Predecessors, states: usize, out: &mut dyn Write) -> io::Result<()> {
    let mut parents = parents.iter().take(states);
    let mut some: Vec<Index> = Vec::with_capacity(AT_ONCE);
    loop {
        some.clear();
        some.extend(parents.by_ref().take(AT_ONCE));
        match some[..] {
            [] => return Ok(()),
            ref some => out.write_all(bytemuck::cast_slice(some))?,
        }
    }
}

/// Reads those of so many states; are they such as a search may have found?
fn read_parents(
    parents: &mut Predecessors,
    states: usize,
    from: &mut dyn Read,
) -> io::Result<bool> {
    let mut some = vec![0; AT_ONCE];
    let mut in_order = true;
    for first in (0..states).step_by(AT_ONCE) {
        let some = &mut some[..AT_ONCE.min(states - first)];
        from.read_exact(bytemuck::cast_slice_mut(some))?;
        for (state, &parent) in (first as Index..).zip(&*some) {
            in_order &= parent == NOBODY || parent < state;
            in_order = in_order && parents.push(parent).is_ok();
        }
    }
    Ok(in_order)
}

type Save<'a, S> =
    Box<dyn Fn(&Explored<S>, &Mark<<S as System>::Coverage>) -> Result<(), Error> + 'a>;
type Load<'a, S> = Box<dyn Fn(&S, &mut Explored<S>) -> Result<Position, Error> + 'a>;

/// A [`Checkpoint`] for a certain kind of system.
pub(crate) struct Keeper<'a, S: System> {
    checkpoint: Checkpoint<'a>,
    save: Save<'a, S>,
    load: Load<'a, S>,
    mark: Option<Mark<S::Coverage>>,
    saved: Instant,
}

impl<'a, S> Keeper<'a, S>
where
    S: System<Store: Persist, Coverage: Serialize + DeserializeOwned> + 'a,
{
    pub(crate) fn new(checkpoint: Checkpoint<'a>) -> Self {
        let (saver, loader) = (checkpoint.clone(), checkpoint.clone());
        Self {
            checkpoint,
            save: Box::new(move |explored, mark| {
                save(&saver, explored, mark).map_err(|why| saver.error(why))
            }),
            load: Box::new(move |system, explored| load(&loader, system, explored)),
            mark: None,
            saved: Instant::now(),
        }
    }
}

impl<S: System> Keeper<'_, S> {
    /// Where to go on, if the search is to be resumed. Otherwise makes sure that the file's place
    /// can be written to, rather than find out after hours.
    pub(crate) fn begin(
        &mut self,
        system: &S,
        explored: &mut Explored<S>,
    ) -> Result<Option<Position>, Error> {
        self.saved = Instant::now();
        if self.checkpoint.resume {
            return (self.load)(system, explored).map(Some);
        }
        beside(&self.checkpoint.path).map_err(|why| self.checkpoint.error(why))?;
        Ok(None)
    }

    /// Takes note of a point from which the search could be gone on with.
    pub(crate) fn mark(&mut self, explored: &Explored<S>, position: &Position) {
        self.mark = Some(Mark {
            position: position.clone(),
            states: explored.store.len(),
            found: explored.found.clone(),
            stats: explored.stats.without_levels(),
            levels: explored.stats.levels.len(),
            coverage: explored.coverage.clone(),
        });
    }

    /// Whether it is time to save.
    pub(crate) fn is_due(&self) -> bool {
        self.checkpoint.is_due(self.saved.elapsed())
    }

    /// Saves the search as it was when last marked.
    pub(crate) fn save(&mut self, explored: &Explored<S>) -> Result<(), Error> {
        self.saved = Instant::now();
        self.checkpoint.answer();
        match &self.mark {
            Some(mark) => (self.save)(explored, mark),
            None => Ok(()),
        }
    }
}

/// A file in the same directory that vanishes unless it is put into its place.
pub(crate) fn beside(path: &Path) -> io::Result<tempfile::NamedTempFile> {
    match path.parent() {
        Some(parent) if parent != Path::new("") => tempfile::NamedTempFile::new_in(parent),
        _ => tempfile::NamedTempFile::new_in("."),
    }
}

fn save<S>(
    checkpoint: &Checkpoint<'_>,
    explored: &Explored<S>,
    mark: &Mark<S::Coverage>,
) -> io::Result<()>
where
    S: System<Store: Persist, Coverage: Serialize>,
{
    let header = Header {
        identity: checkpoint.identity.clone(),
        store: store_of(&explored.store),
        little_endian: cfg!(target_endian = "little"),
        properties: names(explored),
        states: mark.states,
        position: mark.position.clone(),
        found: mark.found.clone(),
        stats: Stats {
            levels: explored.stats.levels[..mark.levels].to_vec(),
            ..mark.stats.clone()
        },
        coverage: serde_json::to_value(&mark.coverage)?,
    };
    let header = serde_json::to_vec(&header)?;
    let file = beside(&checkpoint.path)?;
    let mut out = Summed::new(BufWriter::with_capacity(1 << 20, file));
    out.write_all(MAGIC)?;
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(&header)?;
    write_parents(&explored.parents, mark.states, &mut out)?;
    let next = mark.position.next as usize;
    explored.store.write(mark.states, next, &mut out)?;
    let sum = out.sum.digest();
    out.inner.write_all(&sum.to_le_bytes())?;
    let file = out
        .inner
        .into_inner()
        .map_err(io::IntoInnerError::into_error)?;
    file.as_file().sync_all()?;
    file.persist(&checkpoint.path)?;
    Ok(())
}

fn load<S>(
    checkpoint: &Checkpoint<'_>,
    system: &S,
    explored: &mut Explored<S>,
) -> Result<Position, Error>
where
    S: System<Store: Persist, Coverage: DeserializeOwned>,
{
    let io = |why: io::Error| match why.kind() {
        io::ErrorKind::UnexpectedEof => checkpoint.error("the file is cut off"),
        _ => checkpoint.error(why),
    };
    let file = File::open(&checkpoint.path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    let mut from = Summed::new(BufReader::with_capacity(1 << 20, file));
    let header = read_header(&mut from).map_err(io)?;
    header.check(checkpoint, explored, length, from.count)?;
    let next = header.position.next as usize;
    let in_order = read_parents(&mut explored.parents, header.states, &mut from).map_err(io)?;
    explored
        .store
        .read(header.states, next, &mut from)
        .map_err(io)?;
    let sum = from.sum.digest();
    let mut expected = [0; 8];
    from.inner.read_exact(&mut expected).map_err(io)?;
    if sum.to_le_bytes() != expected {
        return Err(checkpoint.error("the file is damaged: its checksum is another"));
    }
    explored.found = header.found;
    explored.stats = header.stats;
    explored.coverage =
        serde_json::from_value(header.coverage).map_err(|why| checkpoint.error(why))?;
    explored
        .table
        .grow(header.states.max(1000), &explored.store);
    let refuse = |reason| Err(checkpoint.error(reason));
    if !in_order || !explored.links_are_sound() {
        return refuse("the predecessors of its states make no sense");
    }
    if !starts_alike(system, explored) || !steps_alike(system, explored, next) {
        return refuse("the model has other states or transitions than when the file was written");
    }
    Ok(header.position)
}

fn read_header(from: &mut impl Read) -> io::Result<Header> {
    let invalid = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
    let mut magic = [0; MAGIC.len()];
    from.read_exact(&mut magic)?;
    if magic != MAGIC {
        let mine = String::from_utf8_lossy(MAGIC);
        return Err(invalid(format!(
            "the file does not start with \"{}\"",
            mine.trim_end()
        )));
    }
    let mut length = [0; 8];
    from.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    if length > MAX_HEADER {
        return Err(invalid("the file is damaged: its header has no end".into()));
    }
    let mut text = Vec::new();
    from.take(length).read_to_end(&mut text)?;
    if (text.len() as u64) < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    serde_json::from_slice(&text).map_err(|why| invalid(format!("its header is damaged: {why}")))
}

impl Header {
    /// Whether it belongs to this search, and whether the file is as long as it says. `read` bytes
    /// have been read.
    fn check<S: System<Store: Persist>>(
        &self,
        checkpoint: &Checkpoint<'_>,
        explored: &Explored<S>,
        length: u64,
        read: u64,
    ) -> Result<(), Error> {
        let refuse = |reason: String| Err(checkpoint.error(reason));
        if self.identity != checkpoint.identity {
            return refuse(format!(
                "it is of another search: {}, not {}",
                self.identity, checkpoint.identity
            ));
        }
        let store = store_of(&explored.store);
        if self.store != store {
            return refuse(format!(
                "its states are stored in another way: {} with {} words, not {} with {}",
                self.store.0, self.store.1, store.0, store.1
            ));
        }
        if self.little_endian != cfg!(target_endian = "little") {
            return refuse("it was written on a machine with another order of bytes".into());
        }
        if self.properties != names(explored) {
            return refuse("the model had other properties when it was written".into());
        }
        let Position { level, next } = &self.position;
        let levels = self.stats.levels.iter().sum::<usize>();
        let makes_sense = level.start <= *next
            && *next <= level.end
            && level.end as usize <= self.states
            && (levels == level.end as usize || levels == self.states)
            && self.stats.levels.first().is_some_and(|&count| count > 0)
            && self.found.is_below(self.states);
        if !makes_sense {
            return refuse("its header contradicts itself".into());
        }
        let states = explored.store.written(self.states, *next as usize);
        let parents = (self.states * size_of::<Index>()) as u64;
        match read + parents + states + 8 {
            expected if expected > length => refuse("the file is cut off".into()),
            expected if expected < length => refuse("there is something behind its end".into()),
            _ => Ok(()),
        }
    }
}

pub(crate) fn store_of<S: Persist>(store: &S) -> (String, usize) {
    (S::KIND.to_owned(), store.width())
}

fn names<S: System>(explored: &Explored<S>) -> Vec<String> {
    let names = explored.properties.names();
    names.map(|(name, _, _)| name.to_owned()).collect()
}

/// Whether the model's initial states are the first that are stored.
fn starts_alike<S: System>(system: &S, explored: &Explored<S>) -> bool {
    let model = system.model();
    let initial = model.init_states().into_iter();
    let mut initial = initial.filter(|state| model.within_boundary(state));
    let count = explored.stats.levels[0] as Index;
    let mut seen = 0;
    let known = initial.all(|state| {
        let number = number_of(system, explored, &state);
        seen = seen.max(number.map_or(0, |number| number + 1));
        number.is_some_and(|number| number < count)
    });
    known && seen == count
}

/// Whether states that are expanded have no successor that is not known, and are reached from their
/// predecessors: as far as the store can give them back, for a sample of them.
fn steps_alike<S: System>(system: &S, explored: &Explored<S>, next: usize) -> bool {
    let model = system.model();
    if !S::KEEPS_STATES {
        return true;
    }
    let known = |state: &_| {
        let mut successors = system.steps(state).into_iter().map(|(_, state)| state);
        successors.all(|state| {
            !model.within_boundary(&state) || number_of(system, explored, &state).is_some()
        })
    };
    (0..next).step_by((next / SAMPLES).max(1)).all(|index| {
        system.with_state(&explored.store, index as Index, |state| {
            system.stop_at(state) || known(state)
        })
    })
}

fn number_of<S: System>(
    system: &S,
    explored: &Explored<S>,
    state: &<S::Model as Model>::State,
) -> Option<Index> {
    let Explored { store, table, .. } = explored;
    let mut batch = BatchOf::<S>::default();
    let hash = system.encode(&mut batch, store, std::borrow::Cow::Borrowed(state));
    table
        .find(hash, |index| store.equals(index, &batch, 0))
        .ok()
}

/// Sums up what goes through.
pub(crate) struct Summed<T> {
    pub(crate) inner: T,
    pub(crate) sum: Xxh3,
    count: u64,
}

impl<T> Summed<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self {
            inner,
            sum: Xxh3::new(),
            count: 0,
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        self.sum.update(bytes);
        self.count += bytes.len() as u64;
    }
}

impl<T: Write> Write for Summed<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.add(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<T: Read> Read for Summed<T> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(bytes)?;
        self.add(&bytes[..count]);
        Ok(count)
    }
}
