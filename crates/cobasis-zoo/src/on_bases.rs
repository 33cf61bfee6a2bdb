//! Whatever borrows the network's bases.

use cobasis::{Bases, Pass, Place};

/// A layer, block or stage in any pass, with the network's bases.
pub trait OnBases {
    /// What is applied to what.
    fn pass<P: Pass>(&self, pass: &mut P, at: &Place, bases: &Bases, x: P::Map) -> P::Map;
}
