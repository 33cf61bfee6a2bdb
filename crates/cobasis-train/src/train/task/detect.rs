//! Detection: boxes around things.

mod assigned;
mod fcos;
mod losses;
mod objectives;
mod simota;

/// A point of a detector.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Pixels from the left.
    pub x: f32,
    /// Pixels from above.
    pub y: f32,
    /// Pixels between points of its level.
    pub stride: f32,
}
