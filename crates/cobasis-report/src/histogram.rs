//! How often values occur.

use maud::html;

use super::chart::{Chart, NARROW};
use super::drawing::{Drawing, exact, px};
use super::scale::Scale;

/// Bars that a histogram has at least, unless all values are one.
const BARS: usize = 20;

/// Values from `low` to `high`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Bin {
    low: f64,
    high: f64,
    count: usize,
}

/// A histogram of values, at least one of them finite.
pub(crate) fn histogram(values: &[f64], what: &str, x_title: &str) -> Drawing {
    let bins = bins(values);
    let ends = bins.iter().flat_map(|bin| [bin.low, bin.high]);
    let chart = Chart {
        size: NARROW,
        label: format!("histogram of {} {what}", values.len()),
        x: (Scale::linear(ends), x_title),
        y: (Scale::counts(bins.iter().map(|bin| bin.count)), "number"),
    };
    let bar = |bin: &Bin| {
        let [left, top] = chart.at([bin.low, bin.count as f64])?;
        let [right, bottom] = chart.at([bin.high, 0.0])?;
        Some([left + 0.5, top, (right - left - 1.0).max(0.5), bottom - top])
    };
    let marks = html! {
        @for bin in bins.iter().filter(|bin| bin.count > 0) {
            @if let Some([x, y, width, height]) = bar(bin) {
                rect.bar.c1 x=(px(x)) y=(px(y)) width=(px(width)) height=(px(height))
                    data-low=(exact(bin.low)) data-count=(bin.count) {
                    title {
                        (Scale::label(bin.low)) " to " (Scale::label(bin.high)) ": " (bin.count)
                    }
                }
            }
        }
    };
    chart.draw(&marks)
}

/// Bins of a round width between round numbers.
fn bins(values: &[f64]) -> Vec<Bin> {
    let finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    let ticks = Scale::linear(finite.iter().copied()).ticks;
    let [first, .., last] = ticks[..] else { return Vec::new() };
    let parts = BARS.div_ceil(ticks.len() - 1);
    let number = parts * (ticks.len() - 1);
    let edge = |index: usize| first + (last - first) * index as f64 / number as f64;
    let mut bins: Vec<Bin> = (0..number)
        .map(|index| Bin { low: edge(index), high: edge(index + 1), count: 0 })
        .collect();
    for value in finite {
        let index = (value - first) / (last - first) * number as f64;
        bins[(index as usize).min(number - 1)].count += 1;
    }
    bins
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_counted_once() {
        let values = [0.0, 0.05, 0.5, 1.0, f64::NAN];
        let bins = bins(&values);
        assert_eq!(bins.len(), 20);
        assert_eq!(bins.iter().map(|bin| bin.count).sum::<usize>(), 4);
        assert_eq!((bins[0].count, bins[1].count, bins[10].count, bins[19].count), (1, 1, 1, 1));
        assert!((bins[10].low - 0.5).abs() < 1e-12);
    }

    #[test]
    fn equal_values_are_one_bar() {
        let bins = bins(&[1.0; 7]);
        assert_eq!(bins.iter().map(|bin| bin.count).max(), Some(7));
    }
}
