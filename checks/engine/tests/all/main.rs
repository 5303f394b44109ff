//! What the engine promises, in one program: what is generic would have to be compiled for each
//! program anew. (`limits` is one of its own, as it looks at the memory of the process.)

mod actors;
mod checkpoint;
mod compact;
mod conform;
mod liveness;
mod liveness_oracle;
mod oracle;
mod safety;
mod spin;
mod stateright;
mod symmetry;
mod walk;

#[path = "../systems/mod.rs"]
mod systems;
