//! The search of [`glock_engine`], shared by workers in one process or in many, on [timely
//! dataflow][timely].
//!
//! Each state has one worker for its owner, by a hash that has nothing to do with the one of the
//! visited table ([`Mobile::route`](glock_engine::Mobile::route)). A worker keeps the states it owns,
//! in a store and a table of its own, expands them, and sends the successors that others own to
//! them. In the dataflow there is one operator in a loop; the timestamp is the distance from the
//! initial states, and timely's progress tracking says when all states at a distance have arrived. So
//! the search goes level by level, as that on one machine does, and says the same:
//!
//! * Verdicts, counts and the lengths of counterexamples are those of [`glock_engine::Search`], for
//!   any number of workers and processes.
//! * A state does not know who found it: to rebuild a counterexample all workers are asked, level by
//!   level and backwards, who has a predecessor. Of several the one with the least hash is taken, so
//!   that it is the same run for any number of workers. It is run on the model before it is
//!   reported.
//! * A process that is lost ends the search with unknown verdicts in all others, see
//!   [`Shared::trouble`].
//!
//! Whatever [`glock_engine::Search`] takes runs here unchanged, as long as its store is
//! [`Mobile`](glock_engine::Mobile): packed models everywhere, [`Exact`](glock_engine::Exact) in one
//! process. [`Claim`](glock_engine::Claim)s about what can be
//! reached are decided by going backwards from the goal, and those about what happens (and
//! stateright's `eventually`) by taking out what is on no fair cycle until nothing is left, or one
//! worker finds a cycle in the rest.
//!
//! What is not here: fingerprints ([`Compact`](glock_engine::Compact)). Of a state that was expanded
//! they leave nothing that could be expanded again, and from that counterexamples are rebuilt, as
//! nobody stores predecessors.
//!
//! The connections between processes are neither encrypted nor authenticated: whoever can reach a
//! process can disturb it. They belong on loopback or on a private network.
//!
//! ```
//! use glock_engine::{Exact, Search, Verdict};
//! use glock_engine_timely::{DistributedSearch, Placement};
//! use stateright::{Model, Property};
//!
//! /// A knight on a board of 8 by 8, at first in a corner.
//! struct Knight;
//!
//! impl Model for Knight {
//!     type State = (i8, i8);
//!     type Action = (i8, i8);
//!     fn init_states(&self) -> Vec<(i8, i8)> {
//!         vec![(0, 0)]
//!     }
//!     fn actions(&self, _: &(i8, i8), actions: &mut Vec<(i8, i8)>) {
//!         for (x, y) in [(1, 2), (2, 1)] {
//!             actions.extend([(x, y), (-x, y), (x, -y), (-x, -y)]);
//!         }
//!     }
//!     fn next_state(&self, at: &(i8, i8), by: (i8, i8)) -> Option<(i8, i8)> {
//!         let to = (at.0 + by.0, at.1 + by.1);
//!         ((0..8).contains(&to.0) && (0..8).contains(&to.1)).then_some(to)
//!     }
//!     fn properties(&self) -> Vec<Property<Self>> {
//!         vec![Property::always("never opposite", |_, at| *at != (7, 7))]
//!     }
//! }
//!
//! let knight = Exact::new(Knight);
//! let shared = DistributedSearch::new(&knight, Placement::Threads(3)).run().unwrap();
//! assert_eq!(shared.outcome.stats.states, 64);
//! let Some(Verdict::Violated(path)) = shared.outcome.verdict("never opposite") else {
//!     panic!("it gets everywhere");
//! };
//! assert_eq!(path.len(), 6);
//! ```

mod alarm;
mod checkpoint;
mod driver;
mod fair;
mod line;
mod reach;
mod search;
mod wire;

pub use checkpoint::checkpoint_files;
pub use line::Processes;
pub use search::{DistributedSearch, Error, Placement, Shared};
