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
//! * [`Record`] is a file that stands alone: it can be shown in every [`Form`] without
//!   the model, walked again with it, and compared with another one by [`parting`],
//! * [`report`] and [`live`] are pages for a browser,
//! * [`Outline`] is what other documents say of a history.
//!
//! Nothing here knows why a history was recorded or how it was found.
//!
//! ```
//! use glock_model::{cluster::Cluster, design, event::NoSink, property::Property, scenario};
//! use glock_traces::{History, Style};
//!
//! let scenario = scenario::Library::builtin().load("own-direct-read-same-page").unwrap();
//! let design = design::Library::builtin().load("base").unwrap();
//! let cluster = Cluster::new(scenario, design.program).unwrap();
//!
//! // Always take the first action there is, until there is none.
//! let initial = cluster.initial_states()[0];
//! let (mut state, mut actions) = (initial, Vec::new());
//! loop {
//!     let mut first = None;
//!     cluster.successors(&state, &mut NoSink, &mut |action, next| {
//!         first.get_or_insert((action, *next));
//!     });
//!     let Some((action, next)) = first else { break };
//!     actions.push(action);
//!     state = next;
//! }
//!
//! let history = History::replay(&cluster, initial, &actions).unwrap();
//! let text = Style::default().report(&history, Property::NoRecursion);
//! assert_eq!(
//!     text,
//!     "\
//! Initially: F1 UN.
//!
//! P1
//! read(F1 -> M1), O_DIRECT
//! ------------------------
//! gfs2_file_direct_read
//!   gfs2_glock_nq(F1, DF): granted
//!   iomap_dio_rw
//!     page fault on M1[0] (write)
//!       gfs2_fault(F1)
//!         gfs2_glock_nq(F1, SH): BUG, it has this glock already (DF)
//!
//! P1 asks for the glock of F1, which it holds (DF): kernel BUG.
//! "
//! );
//! ```

mod background;
mod chart;
mod closing;
mod columns;
mod deadlock;
mod dump;
mod fold;
mod glock_text;
mod history;
mod initially;
mod line;
mod names;
mod narrate;
mod observe;
mod outline;
mod page;
mod parting;
mod progress;
mod record;
mod render;
mod wrap;
mod wrong;

pub use closing::closing;
pub use columns::{COMMIT_WIDTH, DesignLines, Style, WIDTH};
pub use dump::describe_state;
pub use history::{Ending, History, ReplayError, Step};
pub use line::{Actor, DesignLine, Line};
pub use names::Names;
pub use observe::{Table, Value, Variable};
pub use outline::{Outline, OutlineLine, OutlineStep, OutlineTask};
pub use page::{Matrix, MatrixCell, MatrixVerdict, live, report};
pub use parting::{Parting, parting};
pub use record::{
    ActorKind, Departure, DesignText, Difference, MAX_BYTES, MAX_STEPS, Record, RecordActor,
    RecordError, RecordLine, RecordMessage, RecordStep, ScenarioText, Search, SourceText, Trap,
    Walker,
};
pub use render::{Form, markdown};
