//! Lines over epochs.

use cobasis_data::number::compact;
use maud::{Markup, html};

use super::chart::Chart;
use super::drawing::{Drawing, exact, px};
use super::figure::Key;

/// More epochs than this are not marked one by one.
const MARKED: usize = 60;

/// A line.
pub(crate) struct Series<'a> {
    /// What it is.
    pub(crate) name: &'a str,
    /// Which of the page's colours it has, from 0.
    pub(crate) colour: usize,
    /// Epochs and values.
    pub(crate) points: Vec<[f64; 2]>,
    /// An epoch to point out, and why.
    pub(crate) ring: Option<(f64, &'a str)>,
}

/// Lines in a chart, and what they are, where there are several. Gaps are where a value has no place.
pub(crate) fn lines(chart: &Chart, series: &[Series]) -> (Drawing, Vec<Key>) {
    let marks = html! {
        @for line in series {
            g class=(colour(line.colour)) data-series=(line.name) { (draw(chart, line)) }
        }
    };
    let key = |line: &Series| (colour(line.colour), line.name.to_string());
    let legend = if series.len() > 1 { series.iter().map(key).collect() } else { Vec::new() };
    (chart.draw(&marks), legend)
}

/// The class of a colour; there are eight.
pub(crate) fn colour(index: usize) -> String {
    format!("c{}", index % 8 + 1)
}

fn draw(chart: &Chart, line: &Series) -> Markup {
    let hidden = line.points.len() > MARKED;
    let placed: Vec<_> = line.points.iter().map(|&point| (point, chart.at(point))).collect();
    html! {
        path.line d=(path(placed.iter().map(|(_, at)| *at))) {}
        @for ([epoch, value], at) in &placed {
            @if let Some([x, y]) = at {
                circle.dot.far[hidden] cx=(px(*x)) cy=(px(*y)) r="3" data-epoch=(epoch)
                    data-value=(exact(*value)) {
                    title { (line.name) ", epoch " (epoch) ": " (compact(*value, 6)) }
                }
            }
        }
        @if let Some((epoch, why)) = line.ring {
            @if let Some((_, Some([x, y]))) = placed.iter().find(|(point, _)| point[0] == epoch) {
                circle.ring cx=(px(*x)) cy=(px(*y)) r="7" {}
                text.note x=(px(x.min(chart.area()[1] - 40.0))) y=(px(y + 24.0)) text-anchor="middle" { (why) }
            }
        }
    }
}

/// A path through points that begins anew after a gap.
fn path(points: impl Iterator<Item = Option<[f64; 2]>>) -> String {
    let (mut path, mut joined) = (String::new(), false);
    for point in points {
        if let Some([x, y]) = point {
            path.push_str(&format!("{}{} {}", if joined { "L" } else { "M" }, px(x), px(y)));
        }
        joined = point.is_some();
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::WIDE;
    use crate::scale::Scale;

    #[test]
    fn a_gap_is_a_new_beginning() {
        let points = [Some([0.0, 1.0]), Some([2.0, 3.24]), None, Some([4.0, 5.0])];
        assert_eq!(path(points.into_iter()), "M0 1L2 3.2M4 5");
    }

    #[test]
    fn values_are_in_the_page_as_they_are() {
        let points = vec![[1.0, 0.1 + 0.2], [2.0, f64::NAN]];
        let chart = Chart {
            size: WIDE,
            label: String::new(),
            x: (Scale::whole([1.0, 2.0]), ""),
            y: (Scale::linear([0.0, 1.0]), ""),
        };
        let series = Series { name: "a&b", colour: 0, points, ring: None };
        let svg = lines(&chart, &[series]).0.markup().into_string();
        assert!(svg.contains("data-value=\"0.30000000000000004\""), "{svg}");
        assert!(svg.contains("a&amp;b, epoch 1: 0.3") && !svg.contains("NaN"), "{svg}");
    }
}
