//! What the shared search promises, in one program: what is generic would have to be compiled for
//! each program anew.

mod checkpoint;
mod fair;
mod flow;
mod processes;
mod reach;
mod safety;
mod same;

#[path = "../../../tests/systems/mod.rs"]
mod systems;
