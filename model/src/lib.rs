//! The glock laboratory's model: what the system is.
//!
//! Nothing here knows how it is explored; see `glock-engine` for that.

pub mod design;
pub mod mode;
pub mod program;
pub mod scenario;
