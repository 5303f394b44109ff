//! A worker's part of a search on disk.
//!
//! The format is that of [`crate::checkpoint`] with another header and without predecessors: a line of
//! text, a header in JSON, the states of all levels that were complete, and a checksum.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use stateright::Model;

use crate::checkpoint::{MAX_HEADER, Persist, Summed, beside, store_of};
use crate::mobile::Mobile;
use crate::outcome::{Error, Stats};
use crate::share::{Part, Share, Sight, Sighting};
use crate::store::{Index, Store};
use crate::system::{BatchOf, System};

/// What a file starts with; the number is the format's.
const MAGIC: &[u8] = b"glock-engine share 1\n";

/// All that grows in a share, as it was between two levels.
#[derive(Clone, Debug)]
pub struct Mark<C> {
    starts: usize,
    sight: Sight,
    sightings: Vec<Sighting>,
    stats: Stats,
    coverage: C,
}

#[derive(Serialize, Deserialize)]
struct Header {
    identity: String,
    worker: usize,
    workers: usize,
    store: (String, usize),
    little_endian: bool,
    properties: Vec<String>,
    starts: Vec<Index>,
    sight: Sight,
    sightings: Vec<Sighting>,
    stats: Stats,
    coverage: serde_json::Value,
    /// Of who uses the share.
    more: serde_json::Value,
}

impl<S> Share<'_, S>
where
    S: System<Store: Mobile + Persist, Coverage: Serialize + DeserializeOwned>,
{
    /// Takes note of how far it is: to be called when a level has been closed and nothing was expanded
    /// since.
    pub fn mark(&self) -> Mark<S::Coverage> {
        Mark {
            starts: self.starts.len(),
            sight: self.sight(),
            sightings: self.sightings().to_vec(),
            stats: self.explored.stats.without_levels(),
            coverage: self.explored.coverage.clone(),
        }
    }

    /// Writes the share to a file as it was when it was marked; a file that is there is replaced once
    /// the new one is complete.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] if it cannot be written.
    pub fn save(
        &self,
        path: &Path,
        identity: &str,
        mark: &Mark<S::Coverage>,
        more: serde_json::Value,
    ) -> Result<(), Error> {
        self.try_to_save(path, identity, mark, more)
            .map_err(|why| error(path, why))
    }

    fn try_to_save(
        &self,
        path: &Path,
        identity: &str,
        mark: &Mark<S::Coverage>,
        more: serde_json::Value,
    ) -> io::Result<()> {
        let starts = self.starts[..mark.starts].to_vec();
        let states = *starts.last().expect("a level is closed") as usize;
        let header = Header {
            identity: identity.to_owned(),
            worker: self.part.worker,
            workers: self.part.workers,
            store: store_of(&self.explored.store),
            little_endian: cfg!(target_endian = "little"),
            properties: self.names(),
            starts,
            sight: mark.sight,
            sightings: mark.sightings.clone(),
            stats: mark.stats.clone(),
            coverage: serde_json::to_value(&mark.coverage)?,
            more,
        };
        let header = serde_json::to_vec(&header)?;
        let mut out = Summed::new(BufWriter::with_capacity(1 << 20, beside(path)?));
        out.write_all(MAGIC)?;
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(&header)?;
        self.explored.store.write(states, states, &mut out)?;
        let sum = out.sum.digest();
        out.inner.write_all(&sum.to_le_bytes())?;
        let file = out
            .inner
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    }

    /// Replaces what is in the share by what is in a file, and gives what was saved with it.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] if the file cannot be read or is not this worker's part of this search.
    pub fn load(&mut self, path: &Path, identity: &str) -> Result<serde_json::Value, Error> {
        self.try_to_load(path, identity)
            .map_err(|why| match why.kind() {
                io::ErrorKind::UnexpectedEof => error(path, "the file is cut off"),
                _ => error(path, why),
            })
    }

    fn try_to_load(&mut self, path: &Path, identity: &str) -> io::Result<serde_json::Value> {
        let mut from = Summed::new(BufReader::with_capacity(1 << 20, File::open(path)?));
        let mut magic = [0; MAGIC.len()];
        from.read_exact(&mut magic)?;
        if magic != MAGIC {
            return invalid("it is no worker's part of a search");
        }
        let mut length = [0; 8];
        from.read_exact(&mut length)?;
        let length = u64::from_le_bytes(length);
        if length > MAX_HEADER {
            return invalid("the file is damaged: its header has no end");
        }
        let mut text = Vec::new();
        (&mut from).take(length).read_to_end(&mut text)?;
        if (text.len() as u64) < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let header: Header = serde_json::from_slice(&text)?;
        self.check(&header, identity)?;
        let states = header.starts.last().copied().unwrap_or(0) as usize;
        let mut store = self.system.new_store();
        store.read(states, states, &mut from)?;
        let sum = from.sum.digest();
        let mut expected = [0; 8];
        from.inner.read_exact(&mut expected)?;
        if sum.to_le_bytes() != expected {
            return invalid("the file is damaged: its checksum is another");
        }
        if from.inner.read(&mut [0])? != 0 {
            return invalid("there is something behind its end");
        }
        self.fill(header, store)
    }

    fn check(&self, header: &Header, identity: &str) -> io::Result<()> {
        let Part {
            worker, workers, ..
        } = self.part;
        let makes_sense = header.starts.len() > 1
            && header.starts[0] == 0
            && header.starts.is_sorted()
            && (header.sightings.iter()).all(|sighting| sighting.level < header.starts.len());
        if header.identity != identity {
            let other = &header.identity;
            invalid(&format!("it is of another search: {other}, not {identity}"))
        } else if (header.worker, header.workers) != (worker, workers) {
            let (other, others) = (header.worker, header.workers);
            invalid(&format!(
                "it is of worker {other} of {others}, not of worker {worker} of {workers}"
            ))
        } else if header.store != store_of(&self.explored.store) {
            invalid("its states are stored in another way")
        } else if header.little_endian != cfg!(target_endian = "little") {
            invalid("it was written on a machine with another order of bytes")
        } else if header.properties != self.names() {
            invalid("the model had other properties when it was written")
        } else if !makes_sense {
            invalid("its header contradicts itself")
        } else {
            Ok(())
        }
    }

    fn names(&self) -> Vec<String> {
        let names = self.explored.properties.names();
        names.map(|(name, _, _)| name.to_owned()).collect()
    }

    fn fill(&mut self, header: Header, store: S::Store) -> io::Result<serde_json::Value> {
        // The initial states that it owns are there already: they must be the first ones of the file.
        let initial = self.explored.store.len();
        let same = initial == header.starts[1] as usize && {
            let mut batch = BatchOf::<S>::default();
            (0..initial as Index).all(|index| {
                let at = index as usize;
                store.unload(self.explored.store.copy(index), &mut batch, |_| ());
                store.equals(index, &batch, at)
            })
        };
        if !same || !self.steps_stay_known(&store, &header) {
            return invalid("the model has other states or transitions than when it was written");
        }
        self.explored.store = store;
        let states = self.explored.store.len();
        self.explored
            .table
            .grow(states.max(1000), &self.explored.store);
        self.explored.stats = header.stats;
        self.explored.coverage = serde_json::from_value(header.coverage)?;
        self.starts = header.starts;
        self.restore(header.sight, header.sightings);
        Ok(header.more)
    }

    /// For some of the states in the file that were expanded: are those of their successors that the
    /// worker owns in the file, too?
    fn steps_stay_known(&self, store: &S::Store, header: &Header) -> bool {
        /// States looked at.
        const SAMPLES: usize = 200;
        let expanded = header.starts[header.starts.len() - 2] as usize;
        let mut table = crate::table::Table::with_capacity(1000);
        table.grow(store.len().max(1000), store);
        let model = self.system.model();
        let mut batch = BatchOf::<S>::default();
        (0..expanded)
            .step_by((expanded / SAMPLES).max(1))
            .all(|index| {
                self.system.with_state(store, index as Index, |state| {
                    self.system.stop_at(state)
                        || self.system.steps(state).into_iter().all(|(_, next)| {
                            if !model.within_boundary(&next) {
                                return true;
                            }
                            S::Store::clear(&mut batch);
                            let next = std::borrow::Cow::Owned(next);
                            let hash = self.system.encode(&mut batch, store, next);
                            !self.owns(store.route(&batch, 0))
                                || table
                                    .find(hash, |index| store.equals(index, &batch, 0))
                                    .is_ok()
                        })
                })
            })
    }
}

fn error(path: &Path, reason: impl ToString) -> Error {
    Error::Checkpoint {
        path: path.display().to_string(),
        reason: reason.to_string(),
    }
}

fn invalid<T>(why: &str) -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::InvalidData, why))
}
