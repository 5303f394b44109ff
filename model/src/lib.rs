//! The glock laboratory's model: what the system is.
//!
//! Nothing here knows how it is explored; see `glock-engine` for that.

pub mod actors;
pub mod cluster;
pub mod design;
pub mod event;
pub mod glock;
pub mod guest;
pub mod known;
pub mod lockspace;
pub mod memory;
pub mod mode;
pub mod mutant;
pub mod node;
pub mod pack;
pub mod program;
pub mod property;
pub mod release;
pub mod scenario;
pub mod symmetry;
pub mod task;
pub mod transfer;
pub mod waits;
