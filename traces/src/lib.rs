//! How a history is shown.
//!
//! A counterexample is an initial state and a list of actions. [`History`] replays it
//! against the model, so that nothing is shown that the model does not do, and keeps
//! per step what a kernel engineer wants to read: who acted, what the kernel would
//! print, and the line of the design that was executed. From there
//!
//! * [`Style::table`] draws the columns of a mailing-list race diagram, one per task,
//! * [`closing`] says in lockdep's visual language what is wrong at the end,
//! * [`describe_state`] dumps one state the way gfs2 dumps its glocks,
//! * [`Record`] is the machine-readable form.
//!
//! Nothing here knows why a history was recorded or how it was found.

mod closing;
mod columns;
mod deadlock;
mod dump;
mod fold;
mod glock_text;
mod history;
mod line;
mod names;
mod narrate;
mod record;
mod wrap;
mod wrong;

pub use closing::closing;
pub use columns::{COMMIT_WIDTH, DesignLines, Style, WIDTH};
pub use dump::describe_state;
pub use history::{History, ReplayError, Step};
pub use line::{Actor, DesignLine, Line};
pub use names::Names;
pub use record::{Record, RecordLine, RecordStep, RecordTask};
