//! Methods with one number to choose, whose costs never fall where it grows.

use std::ops::RangeInclusive;

use super::{Limits, Setting};

/// The setting of the smallest number that is one, tried from the start of the range in doubled steps.
pub(super) fn smallest(
    range: &RangeInclusive<usize>,
    make: &dyn Fn(usize) -> Option<Setting>,
) -> Option<Setting> {
    let mut number = *range.start();
    while range.contains(&number) {
        if let Some(setting) = make(number) {
            return Some(setting);
        }
        number = number.max(1) * 2;
    }
    None
}

/// The setting of the largest number within the limits; a number without a model counts as too large.
pub(super) fn best_number(
    range: &RangeInclusive<usize>,
    make: &dyn Fn(usize) -> Option<Setting>,
    limits: Limits,
) -> Option<Setting> {
    let within = |number| make(number).filter(|setting| limits.allow(&setting.counts));
    let (mut low, mut high) = (*range.start(), *range.end());
    let mut best = None;
    while low <= high {
        let middle = low + (high - low) / 2;
        match within(middle) {
            Some(setting) => {
                best = Some(setting);
                low = middle + 1;
            }
            None if middle == 0 => break,
            None => high = middle - 1,
        }
    }
    best
}
