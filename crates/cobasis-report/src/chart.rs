//! The frame of a chart: axes, grid, titles.

use maud::{Markup, html};

use super::drawing::{Drawing, px};
use super::scale::Scale;

/// Sizes of charts in their own units, which are pixels where there is room: two abreast, and three.
pub(crate) const WIDE: [f64; 2] = [640.0, 340.0];
pub(crate) const NARROW: [f64; 2] = [420.0, 360.0];
/// Room for what stands around the plot: left, right, top, bottom.
const ROOM: [f64; 4] = [80.0, 20.0, 14.0, 50.0];

/// A chart without its marks.
pub(crate) struct Chart<'a> {
    /// Width and height.
    pub(crate) size: [f64; 2],
    /// What it shows, for those who don't see it.
    pub(crate) label: String,
    /// The horizontal axis and its title with the unit.
    pub(crate) x: (Scale, &'a str),
    /// The vertical axis and its title with the unit.
    pub(crate) y: (Scale, &'a str),
}

impl Chart<'_> {
    /// Where a pair of numbers is drawn; `None` where an axis has no place for it.
    pub(crate) fn at(&self, [x, y]: [f64; 2]) -> Option<[f64; 2]> {
        Some([self.across(self.x.0.place(x)?), self.up(self.y.0.place(y)?)])
    }

    /// Left, right, top and bottom of the plot.
    pub(crate) fn area(&self) -> [f64; 4] {
        let ([width, height], [left, right, top, bottom]) = (self.size, ROOM);
        [left, width - right, top, height - bottom]
    }

    /// The horizontal place of a fraction of the axis.
    fn across(&self, fraction: f64) -> f64 {
        let [left, right, ..] = self.area();
        left + fraction * (right - left)
    }

    /// The vertical place of a fraction of the axis, which grows upwards.
    fn up(&self, fraction: f64) -> f64 {
        let [.., top, bottom] = self.area();
        bottom - fraction * (bottom - top)
    }

    /// The chart with its marks.
    pub(crate) fn draw(&self, marks: &Markup) -> Drawing {
        let [left, right, top, bottom] = self.area();
        let [width, height] = self.size;
        let ticks = |scale: &Scale, to: &dyn Fn(f64) -> f64| -> Vec<(String, String)> {
            let placed = |&tick: &f64| Some((px(to(scale.place(tick)?)), Scale::label(tick)));
            scale.ticks.iter().filter_map(placed).collect()
        };
        let middle = px((top + bottom) / 2.0);
        let body = html! {
            @for (y, label) in ticks(&self.y.0, &|fraction| self.up(fraction)) {
                line.grid x1=(left) x2=(right) y1=(y) y2=(y) {}
                text.tick x=(left - 8.0) y=(y) dy="0.32em" text-anchor="end" { (label) }
            }
            @for (x, label) in ticks(&self.x.0, &|fraction| self.across(fraction)) {
                line.tick x1=(x) x2=(x) y1=(bottom) y2=(bottom + 5.0) {}
                text.tick x=(x) y=(bottom + 20.0) text-anchor="middle" { (label) }
            }
            line.axis x1=(left) x2=(right) y1=(bottom) y2=(bottom) {}
            text.title x=((left + right) / 2.0) y=(height - 8.0) text-anchor="middle" {
                (self.x.1)
            }
            text.title x="12" y=(middle) text-anchor="middle"
                transform=(format!("rotate(-90 12 {middle})")) { (self.y.1) }
            (marks)
        };
        let (class, label) = ("chart", self.label.clone());
        Drawing { class, size: [width, height], rigid: false, label, body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lie_between_the_axes() {
        let chart = Chart {
            size: WIDE,
            label: "a < b".to_string(),
            x: (Scale::whole([1.0, 3.0]), "epoch"),
            y: (Scale::log([0.1, 10.0]), "loss"),
        };
        assert_eq!(chart.at([1.0, 0.1]), Some([80.0, 290.0]));
        let [x, y] = chart.at([3.0, 10.0]).unwrap();
        assert_eq!((px(x), px(y)), ("620".to_string(), "14".to_string()));
        assert_eq!(chart.at([2.0, 0.0]), None);
        let svg = chart.draw(&html! {}).markup().into_string();
        assert!(svg.contains("aria-label=\"a &lt; b\"") && svg.contains(">epoch</text>"), "{svg}");
        assert!(svg.ends_with("</svg>"));
    }
}
