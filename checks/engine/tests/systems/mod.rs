//! Small named systems shared by the tests and the benchmarks.
#![allow(dead_code, unreachable_pub)]

pub mod graph;
pub mod lanes;
pub mod padded;
pub mod plane;
pub mod register;
pub mod ring;
pub mod spin;
pub mod two_phase_commit;
