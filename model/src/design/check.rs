//! Checks on the compiled code of a whole design.
use super::problem::{Problem, Span};
use super::unit::Unit;
use crate::program::Program;
pub(super) fn check(
    _unit: &Unit,
    _program: &Program,
    _spans: &[Span],
    _problems: &mut Vec<Problem>,
) {
}
