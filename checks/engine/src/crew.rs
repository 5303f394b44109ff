//! Work shared out between threads.

use std::sync::Mutex;

use rayon::ThreadPool;

use crate::outcome::Error;

/// The threads that help the one that searches; none if that one is alone.
pub(crate) fn helpers(threads: usize) -> Result<Option<ThreadPool>, Error> {
    match threads {
        0 | 1 => Ok(None),
        more => pool(more - 1).map(Some),
    }
}

/// A pool of so many threads.
pub(crate) fn pool(threads: usize) -> Result<ThreadPool, Error> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.map_err(|error| Error::Threads {
        threads,
        reason: error.to_string(),
    })
}

/// Does all work, on this thread and its helpers, each with something of its own from `tools`, of which
/// there are enough for all. Work is taken in order, so what a thread does, it does in order. This one
/// does its part: to wake another to take its place, and to be woken by it, takes as long as a good
/// part of what there is to do between two commits.
pub(crate) fn share_out<T: Send, W: Send>(
    helpers: Option<&ThreadPool>,
    tools: &mut [T],
    work: &mut [W],
    each: impl Fn(&mut T, &mut W) + Sync,
) {
    match helpers {
        Some(helpers) if work.len() > 1 => share_out_beside(helpers, tools, work, each, || ()),
        _ => work.iter_mut().for_each(|item| each(&mut tools[0], item)),
    }
}

/// As [`share_out`], where this thread has something else to do first.
pub(crate) fn share_out_beside<T: Send, W: Send, R>(
    helpers: &ThreadPool,
    tools: &mut [T],
    work: &mut [W],
    each: impl Fn(&mut T, &mut W) + Sync,
    first: impl FnOnce() -> R,
) -> R {
    let tools = Mutex::new(tools.iter_mut());
    let waiting = Mutex::new(work.iter_mut());
    let next = || waiting.lock().expect("nobody panics with it").next();
    let take_part = || {
        let tool = tools.lock().expect("nobody panics with it").next();
        let tool = tool.expect("there is one for each thread");
        while let Some(item) = next() {
            each(tool, item);
        }
    };
    helpers.in_place_scope(|scope| {
        for _ in 0..helpers.current_num_threads() {
            scope.spawn(|_| take_part());
        }
        let result = first();
        take_part();
        result
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_done_once_and_by_each_thread_in_order() {
        for threads in 1..5 {
            for amount in [0, 1, 2, 100] {
                let mut work: Vec<(usize, u32)> = (0..amount).map(|i| (i, 0)).collect();
                let mut last = vec![None; threads];
                let helpers = helpers(threads).unwrap();
                share_out(helpers.as_ref(), &mut last, &mut work, |last, (i, done)| {
                    assert!(last.is_none_or(|last| last < *i));
                    *last = Some(*i);
                    *done += 1;
                });
                assert!(work.iter().all(|(_, done)| *done == 1));
            }
        }
    }
}
