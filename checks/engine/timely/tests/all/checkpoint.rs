//! A shared search that is interrupted, and gone on with.

use std::path::Path;
use std::time::Duration;

use crate::same::same;
use crate::systems::two_phase_commit::TwoPhaseCommit;
use glock_engine::{Checkpoint, Limits, Search, Unfinished};
use glock_engine_timely::{DistributedSearch, Error, Placement, Shared, checkpoint_files};

const SYSTEM: TwoPhaseCommit = TwoPhaseCommit(5);

fn shared(workers: usize) -> DistributedSearch<'static, TwoPhaseCommit> {
    DistributedSearch::new(&SYSTEM, Placement::Threads(workers))
}

fn to_depth(depth: usize) -> Limits {
    Limits {
        depth: Some(depth),
        ..Limits::default()
    }
}

fn resumed(workers: usize, path: &Path, identity: &str) -> Result<Shared<TwoPhaseCommit>, Error> {
    let checkpoint = Checkpoint::new(path, identity).resume();
    shared(workers).checkpoint(checkpoint).run()
}

#[test]
fn a_search_in_pieces_ends_like_one_in_one_go() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("search");
    let alone = Search::new(&SYSTEM).run().unwrap();
    for workers in [1, 3] {
        let first = shared(workers).limits(to_depth(4));
        let first = first.checkpoint(Checkpoint::new(&path, "2pc")).run();
        assert_eq!(first.unwrap().outcome.unfinished, Some(Unfinished::Depth));
        assert_eq!(checkpoint_files(&path).len(), workers);
        let second = shared(workers).limits(to_depth(9));
        let second = second
            .checkpoint(Checkpoint::new(&path, "2pc").resume())
            .run();
        assert_eq!(second.unwrap().outcome.unfinished, Some(Unfinished::Depth));
        let last = resumed(workers, &path, "2pc").unwrap().outcome;
        assert_eq!(same(&last), same(&alone), "{workers} workers");
        for file in checkpoint_files(&path) {
            std::fs::remove_file(file).unwrap();
        }
    }
}

#[test]
fn levels_are_saved_on_the_way_and_old_ones_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("search");
    let checkpoint = Checkpoint::new(&path, "2pc").every(Duration::ZERO);
    let outcome = shared(2).checkpoint(checkpoint).run().unwrap().outcome;
    assert!(outcome.exhaustive() && outcome.unsaved.is_none());
    let files = checkpoint_files(&path);
    // The last level that was complete everywhere, and the one that was begun after it.
    assert!((2..=4).contains(&files.len()), "{files:?}");
    let alone = Search::new(&SYSTEM).run().unwrap();
    let again = resumed(2, &path, "2pc").unwrap().outcome;
    assert_eq!(same(&again), same(&alone));
}

/// As if one process had been killed while it wrote.
#[test]
fn the_last_level_that_all_have_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("search");
    for depth in [3, 6] {
        let search = shared(2).limits(to_depth(depth));
        search
            .checkpoint(Checkpoint::new(&path, "2pc"))
            .run()
            .unwrap();
    }
    assert_eq!(checkpoint_files(&path).len(), 4);
    let newer = folder.path().join("search.worker-1-of-2.level-6");
    std::fs::remove_file(newer).unwrap();
    let alone = Search::new(&SYSTEM).run().unwrap();
    let again = resumed(2, &path, "2pc").unwrap().outcome;
    assert_eq!(same(&again), same(&alone));
}

#[test]
fn what_does_not_fit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("search");
    let why = |workers, identity| {
        let refused = resumed(workers, &path, identity).err();
        refused.expect("it does not fit").to_string()
    };
    let nothing = why(2, "2pc");
    assert!(nothing.contains("no level of which each worker has a file"));
    let first = shared(2).limits(to_depth(6));
    first
        .checkpoint(Checkpoint::new(&path, "2pc"))
        .run()
        .unwrap();
    let other = why(2, "another");
    assert!(other.contains("it is of another search: 2pc, not another"));
    assert!(why(3, "2pc").contains("no level of which each worker has a file"));
    let file = folder.path().join("search.worker-1-of-2.level-6");
    let whole = std::fs::read(&file).unwrap();
    let mut damaged = whole.clone();
    *damaged.last_mut().unwrap() ^= 1;
    for (content, said) in [
        (&damaged[..], "its checksum is another"),
        (&whole[..whole.len() - 9], "cut off"),
        (&whole[..40], "cut off"),
        (b"something else that is long enough", "no worker's part"),
    ] {
        std::fs::write(&file, content).unwrap();
        let refused = why(2, "2pc");
        assert!(refused.contains(said), "{refused}");
    }
}

/// A model that changed since.
#[test]
fn a_search_of_another_model_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("search");
    let first = shared(2).limits(to_depth(6));
    first
        .checkpoint(Checkpoint::new(&path, "2pc"))
        .run()
        .unwrap();
    let other = TwoPhaseCommit(6);
    let search = DistributedSearch::new(&other, Placement::Threads(2));
    let search = search.checkpoint(Checkpoint::new(&path, "2pc").resume());
    let why = search.run().err().unwrap().to_string();
    assert!(why.contains("other states or transitions"), "{why}");
}
