//! For searching states by their parts: of many states put together from few parts, each part is
//! kept once and known by a number ([`Numbered`]), and what was worked out about parts is
//! remembered by their numbers ([`Memo`]).
//!
//! The one is the collapse compression of SPIN (Holzmann, "State Compression in SPIN", 1997), the
//! other the caching of next-state functions in LTSmin (Blom, van de Pol, Weber, "LTSmin:
//! Distributed and Symbolic Reachability", 2010). All of it grows while threads read it. Which
//! number a part has depends on who came first; that two numbers are equal if and only if the parts
//! are does not.

mod memo;
mod numbered;

pub use memo::Memo;
pub use numbered::Numbered;
