//! Methods with one number to choose, or two, whose costs never fall where a number grows.

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

/// The setting of the pair within the limits that has the most parameters, of equals the one with the
/// smaller first number, among those that are `wanted`. Both numbers go from 1 to `most`.
pub(super) fn best_pair(
    most: usize,
    make: &dyn Fn([usize; 2]) -> Option<Setting>,
    limits: Limits,
    wanted: &dyn Fn([usize; 2]) -> bool,
) -> Option<Setting> {
    let mut best: Option<Setting> = None;
    for first in 1..=most {
        let seconds: Vec<usize> = (1..=most).filter(|&second| wanted([first, second])).collect();
        let (Some(&start), Some(&end)) = (seconds.first(), seconds.last()) else {
            continue;
        };
        let Some(setting) = best_number(&(start..=end), &|second| make([first, second]), limits)
        else {
            continue;
        };
        let more = |best: &Setting| setting.counts.params > best.counts.params;
        if best.as_ref().is_none_or(more) {
            best = Some(setting);
        }
    }
    best
}
