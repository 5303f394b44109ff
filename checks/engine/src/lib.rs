//! An explicit-state model checker for [stateright] models: exact, fast and honest.
//!
//! * **Exact.** Whole states are stored and compared; nothing is lost to a hash collision.
//! * **Shortest.** One breadth-first search finds a shortest counterexample for every `always`
//!   property, and for deadlocks, each on its own; a counterexample is run again on the model before
//!   it is reported.
//! * **Runs, not only states.** A [`Claim`] says that something can, or will, happen: under weak or
//!   strong [`Fairness`] of groups of steps. A counterexample is a short stem and a short cycle,
//!   examined by a referee that does not know how it was found. stateright's `eventually` is
//!   answered the same way, rightly on cycles and joins.
//! * **Exhaustive or nothing.** A search that did not see every reachable state, for whatever
//!   reason, never says [`Verdict::Holds`].
//! * **Deterministic.** Counts and counterexamples do not depend on the number of threads.
//! * **Random walks** for what is too large to exhaust: see [`Walk`]. They find violations, shrunk
//!   to a short run, and never say that something holds.
//! * **Conformance.** Whether logs of a real system are a history of the model, when only some of
//!   its steps are seen: see [`Matcher`].
//!
//! A model that implements [`PackedModel`] has its states stored in a few words each; any other
//! stateright model runs through [`Exact`].
//!
//! * **Long runs.** A search keeps within its [`Limits`], says how much is left, and can be saved to
//!   disk and gone on with ([`Checkpoint`]); [`Compact`] keeps fingerprints instead of states and
//!   says how likely that missed something.
//! * **Shared searches.** A [`Share`](share::Share) is the part of a search that one worker of several
//!   has; the crate `glock-engine-timely` lets workers share one in a process or in many.
//!
//! A model may pack states that a symmetry exchanges alike, see [`PackedModel::symmetric`]; finding
//! the symmetry is its own business.
//!
//! What is not here: partial-order reduction. Models with more than `2^31 - 2` states, 64 properties
//! of one kind or 64 groups of steps are refused.
//!
//! ```
//! use glock_engine::{Exact, Search, Verdict, DEADLOCK};
//! use stateright::{Model, Property};
//!
//! /// Two people, two forks; each takes the left one first.
//! struct Dinner;
//!
//! impl Model for Dinner {
//!     type State = [u8; 2]; // forks each has taken; 3: has eaten
//!     type Action = usize;
//!     fn init_states(&self) -> Vec<[u8; 2]> {
//!         vec![[0, 0]]
//!     }
//!     fn actions(&self, _: &[u8; 2], actions: &mut Vec<usize>) {
//!         actions.extend([0, 1]);
//!     }
//!     fn next_state(&self, taken: &[u8; 2], who: usize) -> Option<[u8; 2]> {
//!         let other = taken[1 - who];
//!         let mut next = *taken;
//!         next[who] = match taken[who] {
//!             0 if other != 2 => 1,
//!             1 if other == 0 || other == 3 => 2,
//!             2 => 3,
//!             _ => return None,
//!         };
//!         Some(next)
//!     }
//!     fn properties(&self) -> Vec<Property<Self>> {
//!         vec![Property::always("not both eat", |_, taken| *taken != [2, 2])]
//!     }
//! }
//!
//! let dinner = Exact::new(Dinner).finished(|_, taken| *taken == [3, 3]);
//! let outcome = Search::new(&dinner).run().unwrap();
//! assert_eq!(outcome.verdict("not both eat"), Some(&Verdict::Holds));
//! let Some(Verdict::Violated(path)) = outcome.verdict(DEADLOCK) else {
//!     panic!("both have their left fork");
//! };
//! assert_eq!(path.last(), &[1, 1]);
//! ```

mod actors;
mod ahead;
mod bits;
mod checkpoint;
mod chunk;
mod claim;
mod compact;
mod conform;
mod crew;
mod estimate;
mod exact;
mod explored;
mod fair;
mod forecast;
mod graph;
mod hashed;
mod heap;
mod lasso;
mod mobile;
mod model;
mod outcome;
mod pace;
mod predecessors;
mod recent;
mod referee;
mod replay;
mod search;
pub mod share;
mod share_fair;
mod share_file;
mod share_graph;
mod store;
mod system;
mod table;
mod walk;
mod watch;

pub use actors::{ActorBatch, ActorStore, Bounds};
pub use checkpoint::{Checkpoint, Persist};
pub use claim::{Claim, Fairness, MAX_GROUPS};
pub use compact::{Compact, CompactBatch, CompactStore};
pub use conform::{
    Allowed, Answer, MatchLimits, MatchStats, Matcher, Seen, Told, ToldStep, Undecided,
};
pub use exact::Exact;
pub use forecast::{Forecast, forecast};
pub use hashed::{HashedBatch, HashedStore};
pub use mobile::{Mobile, Parcel, Whole, Words};
pub use model::{Merge, PackedModel};
pub use outcome::{
    DEADLOCK, Error, Judged, Lasso, Outcome, Path, Stats, Trap, Unfinished, Verdict,
};
pub use search::{Limits, OutcomeOf, Progress, Search, StopWhen};
pub use store::{ExactBatch, ExactStore, Keeps, PackedBatch, PackedStore, Store};
pub use system::{ActionOf, StateOf, Stored, System};
pub use walk::{
    Finding, PathOf, Strategy, Walk, WalkOutcome, WalkOutcomeOf, WalkProgress, WalkStats, shorten,
};
