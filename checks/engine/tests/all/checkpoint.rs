//! A search that is interrupted, anywhere, and gone on with ends like one that is not.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::systems::graph::Graph;
use crate::systems::two_phase_commit::TwoPhaseCommit;
use glock_engine::{
    ActionOf, Checkpoint, Claim, Compact, Error, Fairness, Limits, Merge, OutcomeOf, PackedModel,
    Persist, Search, StateOf, System, Unfinished,
};
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A directory that vanishes, and a file in it that is not there yet.
struct Place {
    directory: tempfile::TempDir,
    file: PathBuf,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("search.checkpoint");
        Self { directory, file }
    }

    fn files(&self) -> usize {
        fs::read_dir(self.directory.path()).unwrap().count()
    }
}

fn checkpoint(file: &Path) -> Checkpoint<'static> {
    Checkpoint::new(file, "a test")
}

fn give_up_at(states: usize) -> Limits {
    Limits {
        states: Some(states),
        ..Limits::default()
    }
}

/// All of an outcome that does not depend on time and memory.
fn comparable<S: System>(mut outcome: OutcomeOf<S>) -> OutcomeOf<S> {
    assert_eq!(outcome.unsaved, None);
    outcome.stats.elapsed = Duration::ZERO;
    outcome.stats.elapsed_claims = Duration::ZERO;
    outcome.stats.peak_bytes = 0;
    outcome
}

fn assert_same<S>(one: OutcomeOf<S>, other: OutcomeOf<S>)
where
    S: System<Coverage: PartialEq + std::fmt::Debug>,
    StateOf<S>: PartialEq + std::fmt::Debug,
    ActionOf<S>: PartialEq + std::fmt::Debug,
{
    let (one, other) = (comparable::<S>(one), comparable::<S>(other));
    assert_eq!(one.stats, other.stats);
    assert_eq!(one.properties, other.properties);
    assert_eq!(one.coverage, other.coverage);
}

/// Searches, giving up at each of these numbers of states and going on from the file, and compares
/// the end with that of a search in one go.
fn assert_resumes<S>(system: &S, stops: &[usize], threads: &[usize])
where
    S: System<Store: Persist, Coverage: PartialEq + std::fmt::Debug + Serialize + DeserializeOwned>,
    StateOf<S>: PartialEq + std::fmt::Debug,
    ActionOf<S>: PartialEq + std::fmt::Debug,
{
    let place = Place::new();
    let mut threads = threads.iter().copied().cycle();
    let mut search = || Search::new(system).threads(threads.next().unwrap());
    let mut resumable = false;
    for &stop in stops {
        let mut checkpoint = checkpoint(&place.file);
        if resumable {
            checkpoint = checkpoint.resume();
        }
        let outcome = search()
            .limits(give_up_at(stop))
            .checkpoint(checkpoint)
            .run()
            .unwrap();
        if outcome.exhaustive() {
            break;
        }
        resumable = place.file.exists();
    }
    let mut last = checkpoint(&place.file);
    if resumable {
        last = last.resume();
    }
    let pieces = search().checkpoint(last).run().unwrap();
    assert_same::<S>(pieces, search().run().unwrap());
}

#[test]
fn a_search_in_pieces_ends_like_one_in_one_go() {
    let system = TwoPhaseCommit(6);
    assert_resumes(&system, &[1, 2, 300, 301, 5_000, 20_000, 49_000], &[1]);
    assert_resumes(&system, &[700, 20_000], &[1, 2, 3]);
    assert_resumes(&Compact::new(&system, 7), &[700, 20_000, 40_000], &[2, 1]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn wherever_it_is_cut(
        mut stops in prop::collection::vec(1..9_000_usize, 1..6),
        threads in prop::collection::vec(1..4_usize, 1..4),
        compact in any::<bool>(),
    ) {
        stops.sort_unstable();
        let system = TwoPhaseCommit(5);
        match compact {
            true => assert_resumes(&Compact::new(&system, 1), &stops, &threads),
            false => assert_resumes(&system, &stops, &threads),
        }
    }

    #[test]
    fn and_with_whatever_had_been_found(
        edges in prop::collection::vec((0..8_u8, 0..8_u8), 1..20),
        labels in any::<[u8; 4]>(),
        finished in any::<u8>(),
        stops in prop::collection::vec(1..8_usize, 1..3),
    ) {
        let graph = Graph {
            initial: vec![0, 3],
            edges,
            labels: labels.map(u64::from),
            finished: u64::from(finished),
            ..Graph::default()
        };
        assert_resumes(&graph, &stops, &[1]);
    }
}

#[test]
fn saved_at_every_moment_it_can_be_gone_on_with_from_any() {
    let system = TwoPhaseCommit(5);
    let place = Place::new();
    let whole = Search::new(&system).run().unwrap();
    let mut copies = 0;
    let outcome = Search::new(&system)
        .checkpoint(checkpoint(&place.file).every(Duration::ZERO))
        .progress(Duration::ZERO, |_| {
            copies += 1;
            fs::copy(&place.file, place.directory.path().join(copies.to_string())).unwrap();
        })
        .run()
        .unwrap();
    assert_same::<TwoPhaseCommit>(outcome, whole.clone());
    assert!(copies > 30, "{copies}");
    for copy in 1..=copies {
        let file = place.directory.path().join(copy.to_string());
        let resumed = Search::new(&system)
            .checkpoint(checkpoint(&file).resume())
            .run()
            .unwrap();
        assert_same::<TwoPhaseCommit>(resumed, whole.clone());
    }
}

#[test]
fn a_flag_saves_once_and_is_cleared() {
    let system = TwoPhaseCommit(5);
    let place = Place::new();
    let flag = AtomicBool::new(false);
    let mut written = Vec::new();
    Search::new(&system)
        .checkpoint(checkpoint(&place.file).when(&flag))
        .progress(Duration::ZERO, |progress| {
            if place.file.exists() {
                assert!(!flag.load(Ordering::Relaxed));
                written.push(fs::metadata(&place.file).unwrap().len());
            } else if progress.depth == 5 {
                flag.store(true, Ordering::Relaxed);
            }
        })
        .run()
        .unwrap();
    assert!(written.len() > 1);
    assert!(written.iter().all(|&length| length == written[0]));
}

#[test]
fn a_cancelled_search_is_saved() {
    let system = TwoPhaseCommit(5);
    let place = Place::new();
    let cancel = AtomicBool::new(false);
    let outcome = Search::new(&system)
        .cancel(&cancel)
        .checkpoint(checkpoint(&place.file))
        .progress(Duration::ZERO, |progress| {
            cancel.store(progress.depth == 7, Ordering::Relaxed);
        })
        .run()
        .unwrap();
    assert_eq!(outcome.unfinished, Some(Unfinished::Cancelled));
    let resumed = Search::new(&system)
        .checkpoint(checkpoint(&place.file).resume())
        .run()
        .unwrap();
    assert_same::<TwoPhaseCommit>(resumed, Search::new(&system).run().unwrap());
}

#[test]
fn claims_are_decided_after_resuming_as_without() {
    let system = TwoPhaseCommit(4);
    let place = Place::new();
    let search = || {
        Search::new(&system)
            .groups(|action| Some(action.process()))
            .claim(Claim::can_reach("can finish", |s| system.is_finished(s)))
            .claim(Claim::eventually("never", |_| false).under(Fairness::Strong))
    };
    let whole = search().run().unwrap();
    search()
        .limits(give_up_at(1_000))
        .checkpoint(checkpoint(&place.file))
        .run()
        .unwrap();
    let resumed = search()
        .checkpoint(checkpoint(&place.file).resume())
        .run()
        .unwrap();
    assert_same::<TwoPhaseCommit>(resumed, whole.clone());
    // The states are complete now, and only the claims remain.
    let again = search()
        .checkpoint(checkpoint(&place.file).resume())
        .run()
        .unwrap();
    assert_same::<TwoPhaseCommit>(again, whole);
}

/// A file with a search that gave up half-way.
fn half_way(place: &Place) -> TwoPhaseCommit {
    let system = TwoPhaseCommit(4);
    Search::new(&system)
        .limits(give_up_at(800))
        .checkpoint(checkpoint(&place.file))
        .run()
        .unwrap();
    system
}

fn reason<S>(system: &S, checkpoint: Checkpoint<'_>) -> String
where
    S: System<Store: Persist, Coverage: Merge + Serialize + DeserializeOwned>,
    StateOf<S>: std::fmt::Debug,
    ActionOf<S>: std::fmt::Debug,
{
    match Search::new(system).checkpoint(checkpoint).run() {
        Err(Error::Checkpoint { reason, .. }) => reason,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was accepted"),
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let place = Place::new();
    let system = half_way(&place);
    let other_name = Checkpoint::new(&place.file, "another test").resume();
    assert_eq!(
        reason(&system, other_name),
        "it is of another search: a test, not another test"
    );
    assert_eq!(
        reason(&TwoPhaseCommit(5), checkpoint(&place.file).resume()),
        "the model has other states or transitions than when the file was written"
    );
    assert_eq!(
        reason(&Compact::new(&system, 1), checkpoint(&place.file).resume()),
        "its states are stored in another way: packed with 1 words, not fingerprints with 1"
    );
    assert_eq!(
        reason(&Graph::paths(&[&[0]]), checkpoint(&place.file).resume()),
        "the model had other properties when it was written"
    );
    let nowhere = checkpoint(&place.directory.path().join("missing")).resume();
    assert!(reason(&system, nowhere).starts_with("No such file"));
    let unwritable = checkpoint(&place.directory.path().join("missing/file"));
    assert!(reason(&system, unwritable).starts_with("No such file"));
}

#[test]
fn a_damaged_file_is_refused_wherever_it_is_damaged() {
    let place = Place::new();
    let system = half_way(&place);
    let good = fs::read(&place.file).unwrap();
    let refused = |bytes: &[u8]| {
        fs::write(&place.file, bytes).unwrap();
        reason(&system, checkpoint(&place.file).resume())
    };
    for at in (0..good.len()).step_by(37).chain([good.len() - 1]) {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        refused(&bad);
        assert_eq!(refused(&good[..at]), "the file is cut off", "at {at}");
    }
    let longer = [&good[..], b"x"].concat();
    assert_eq!(refused(&longer), "there is something behind its end");
    assert!(refused(b"no checkpoint at all, but a longer text").contains("does not start with"));
}

#[test]
fn nothing_but_the_file_is_left_behind() {
    let place = Place::new();
    half_way(&place);
    assert_eq!(place.files(), 1);
    let place = Place::new();
    let system = TwoPhaseCommit(3);
    Search::new(&system)
        .checkpoint(checkpoint(&place.file))
        .run()
        .unwrap();
    assert_eq!(place.files(), 0, "there was nothing to save");
}

#[test]
fn a_search_goes_on_when_it_cannot_be_saved_and_says_so() {
    let place = Place::new();
    let system = TwoPhaseCommit(5);
    let directory = place.directory.path().join("gone");
    fs::create_dir(&directory).unwrap();
    let outcome = Search::new(&system)
        .checkpoint(checkpoint(&directory.join("file")).every(Duration::ZERO))
        .progress(Duration::ZERO, |_| {
            let _ = fs::remove_dir_all(&directory);
        })
        .run()
        .unwrap();
    assert!(outcome.exhaustive());
    assert!(matches!(outcome.unsaved, Some(Error::Checkpoint { .. })));
}
