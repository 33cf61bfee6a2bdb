//! Tile functions by the number of their rows.

/// Calls the tile function `f::<S, ROWS, NV>` that was compiled for this number of rows.
///
/// To be used in an unsafe function that keeps the promises of `f`.
macro_rules! by_rows {
    ($rows:expr, $f:ident, $S:ident, $NV:ident, $arguments:tt) => {
        $crate::conv::rows::by_rows!(
            $rows, $f, $S, $NV, $arguments, 1 2 3 4 5 6 7 8 9 10 11 12
        )
    };
    ($rows:expr, $f:ident, $S:ident, $NV:ident, $arguments:tt, $($number:literal)*) => {
        match $rows {
            // SAFETY: the caller's.
            $($number if $number <= $S::ROWS => unsafe { $f::<$S, $number, $NV> $arguments },)*
            rows => unreachable!("{rows} rows in a tile"),
        }
    };
}

pub(super) use by_rows;
