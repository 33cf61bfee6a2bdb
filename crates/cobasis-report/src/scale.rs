//! From numbers to places on an axis, with ticks at round numbers.

use cobasis_data::number::compact;

/// Ticks that an axis has room for.
const TICKS: f64 = 5.0;

/// An axis: the numbers that it spans, and its ticks.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scale {
    low: f64,
    high: f64,
    log: bool,
    /// The numbers to write at the axis.
    pub(crate) ticks: Vec<f64>,
}

impl Scale {
    /// An axis from a round number below the values to one above them.
    pub(crate) fn linear(values: impl IntoIterator<Item = f64>) -> Self {
        Self::with_steps_of(0.0, values)
    }

    fn with_steps_of(least: f64, values: impl IntoIterator<Item = f64>) -> Self {
        let (min, max) = span(values);
        let step = round_step((max - min) / TICKS).max(least);
        let (first, last) = ((min / step).floor(), (max / step).ceil());
        let ticks = multiples(first, last, step);
        Self { low: first * step, high: last * step, log: false, ticks }
    }

    /// As [`linear`](Self::linear), from zero on.
    pub(crate) fn from_zero(values: impl IntoIterator<Item = f64>) -> Self {
        Self::linear(values.into_iter().chain([0.0]))
    }

    /// An axis for numbers of things.
    pub(crate) fn counts(counts: impl IntoIterator<Item = usize>) -> Self {
        Self::with_steps_of(1.0, counts.into_iter().chain([0]).map(|count| count as f64))
    }

    /// An axis of whole numbers, of epochs say, that ends where they do.
    pub(crate) fn whole(values: impl IntoIterator<Item = f64>) -> Self {
        let (min, max) = span(values);
        let step = round_step((max - min) / (2.0 * TICKS)).max(1.0);
        let ticks = multiples((min / step).ceil(), (max / step).floor(), step);
        Self { low: min, high: max, log: false, ticks }
    }

    /// An axis on which factors are distances. Values that are not positive have no place on it;
    /// without any other the axis is a linear one.
    pub(crate) fn log(values: impl IntoIterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.into_iter().collect();
        let (min, max) = span(values.iter().copied().filter(|&value| value > 0.0));
        if min <= 0.0 {
            return Self::linear(values);
        }
        let (first, last) = (min.log10().floor() as i32, max.log10().ceil() as i32);
        let factors: &[f64] = if last - first <= 3 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let all = (first..=last).flat_map(|power| {
            factors.iter().map(move |factor| format!("{factor}e{power}").parse().unwrap_or(0.0))
        });
        let all: Vec<f64> = all.collect();
        let low = all.iter().copied().rfind(|&tick| tick <= min).unwrap_or(min);
        let high = all.iter().copied().find(|&tick| tick >= max).unwrap_or(max);
        let within = all.into_iter().filter(|tick| (low..=high).contains(tick));
        let every = ((last - first) as usize).div_ceil(8).max(1);
        Self { low, high, log: true, ticks: within.step_by(every).collect() }
    }

    /// Where a number is between the ends of the axis, 0 to 1; `None` where it has no place.
    pub(crate) fn place(&self, value: f64) -> Option<f64> {
        let (low, high, value) = match self.log {
            true => (self.low.ln(), self.high.ln(), value.ln()),
            false => (self.low, self.high, value),
        };
        let place = (value - low) / (high - low);
        place.is_finite().then_some(place)
    }

    /// What is written at a tick.
    pub(crate) fn label(tick: f64) -> String {
        compact(tick, 5)
    }
}

/// The smallest and the largest finite value; widened where they are one.
fn span(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    let finite = values.into_iter().filter(|value| value.is_finite());
    let (min, max) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(min, max), value| {
        (value.min(min), value.max(max))
    });
    match max - min {
        _ if min > max => (0.0, 1.0),
        0.0 => (min - 0.5 * widening(min), max + 0.5 * widening(max)),
        _ => (min, max),
    }
}

fn widening(value: f64) -> f64 {
    if value == 0.0 { 1.0 } else { value.abs() }
}

/// The smallest of 1, 2, 5, 10, 20, … (or 0.1, 0.2, …) that is at least `least`.
fn round_step(least: f64) -> f64 {
    let power = least.log10().floor() as i32;
    let steps = (power..=power + 1).flat_map(|power| {
        [1, 2, 5].map(|factor| format!("{factor}e{power}").parse::<f64>().unwrap_or(1.0))
    });
    // Rounding must not make 0.2 too small for 0.2.
    steps.into_iter().find(|step| *step >= least * (1.0 - 1e-9)).unwrap_or(least)
}

fn multiples(first: f64, last: f64, step: f64) -> Vec<f64> {
    (first as i64..=last as i64).map(|count| count as f64 * step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: &Scale) -> String {
        scale.ticks.iter().map(|&tick| Scale::label(tick)).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn ticks_are_round_and_hold_the_values() {
        for (values, expected) in [
            (&[18.3, 98.9][..], "0 20 40 60 80 100"),
            (&[0.0, 1.0], "0 0.2 0.4 0.6 0.8 1"),
            (&[-0.013, 0.021], "−0.02 −0.01 0 0.01 0.02 0.03"),
            (&[111_990.0, 160_466.0], "110k 120k 130k 140k 150k 160k 170k"),
            (&[5.0], "2 3 4 5 6 7 8"),
            (&[], "0 0.2 0.4 0.6 0.8 1"),
            (&[f64::NAN, 1.0, 2.0, f64::INFINITY], "1 1.2 1.4 1.6 1.8 2"),
        ] {
            let scale = Scale::linear(values.iter().copied());
            assert_eq!(labels(&scale), expected);
            for value in values.iter().filter(|value| value.is_finite()) {
                assert!((0.0..=1.0).contains(&scale.place(*value).unwrap()), "{value}");
            }
        }
    }

    #[test]
    fn epochs_are_whole() {
        assert_eq!(labels(&Scale::whole([1.0, 20.0])), "2 4 6 8 10 12 14 16 18 20");
        assert_eq!(labels(&Scale::whole([1.0, 300.0])), "50 100 150 200 250 300");
        assert_eq!(labels(&Scale::whole([1.0, 3.0])), "1 2 3");
        assert_eq!(labels(&Scale::counts([1, 2])), "0 1 2");
        let one = Scale::whole([1.0]);
        assert_eq!((labels(&one), one.place(1.0)), ("1".to_string(), Some(0.5)));
    }

    #[test]
    fn factors_are_distances() {
        let scale = Scale::log([6.3e-5, 1.04]);
        assert_eq!(labels(&scale), "10⁻⁵ 10⁻⁴ 0.001 0.01 0.1 1 10");
        let third = scale.place(1e-3).unwrap();
        assert!((third - 2.0 / 6.0).abs() < 1e-12);
        assert_eq!(labels(&Scale::log([0.001, 0.1])), "0.001 0.002 0.005 0.01 0.02 0.05 0.1");
        assert_eq!(scale.place(0.0), None);
        assert_eq!(scale.place(-1.0), None);
        assert_eq!(Scale::log([0.0, 0.0]), Scale::linear([0.0, 0.0]));
    }
}
