//! What the command line `glock` is made of, for it and for the tests.
//!
//! A *cell* is a design under a scenario. [`check`] explores all of its states and gives a
//! [`Report`]: a verdict per property, the counts of the search, what happened on the way and what
//! never did. [`Matrix`] runs many cells side by side and hands their reports out in order.
//!
//! [`walk`] takes random walks through a cell that is too large to explore, and gives a
//! [`WalkReport`].
//!
//! [`known`] puts the known answers of the history to the model again.
//!
//! A verdict never claims more than was explored; see [`Verdict`].

mod catalog;
mod check;
mod checked;
pub mod cli;
mod collection;
pub mod conform;
mod coverage;
mod estimate;
mod explain;
mod explore;
mod history;
mod interchange;
mod json;
pub mod known;
mod limits;
mod matrix;
mod mistake;
mod output;
mod progress;
mod records;
mod seed;
mod shared;
mod step;
mod table;
mod text;
mod walks;

pub use catalog::Catalog;
pub use check::{CheckError, Judged, Options, Report, Saving, Verdict, check};
pub use checked::{Checked, CheckedJoint};
pub use coverage::{Coverage, Occurrence, SourceLine, lines};
pub use estimate::{Estimate, Need, SampleOptions, estimate};
pub use history::Walk;
pub use matrix::{Cell, Matrix};
pub use mistake::Mistake;
pub use shared::Crew;
pub use table::Mark;
pub use walks::{WalkOptions, WalkReport, walk};
