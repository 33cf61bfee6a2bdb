//! Points with names, and how far they spread.

use maud::{Markup, html};

use super::chart::Chart;
use super::drawing::{Drawing, exact, px};

/// Width of a character and height of a line of names, in the chart's units.
const TEXT: [f64; 2] = [6.2, 15.0];

/// Whose a point is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Ours, after the last epoch.
    Last,
    /// Ours, after the best epoch.
    Best,
    /// A method that no other beats.
    Front,
    /// A method that another one beats.
    Behind,
    /// Published.
    Published,
}

/// A point.
pub(crate) struct Mark {
    pub(crate) at: [f64; 2],
    /// Standard deviation of the vertical number.
    pub(crate) std: Option<f64>,
    pub(crate) kind: Kind,
    /// Its name in the chart, left out where there is no room.
    pub(crate) name: String,
    /// All there is to say about it.
    pub(crate) title: String,
}

impl Kind {
    /// How it looks.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Kind::Last | Kind::Front => "c1",
            Kind::Best | Kind::Behind => "c2",
            Kind::Published => "c0",
        }
    }

    fn field(self) -> &'static str {
        match self {
            Kind::Last => "last",
            Kind::Best => "best",
            Kind::Front => "front",
            Kind::Behind => "behind",
            Kind::Published => "published",
        }
    }
}

/// Points in a chart. Those that come first are named first.
pub(crate) fn scatter(chart: &Chart, marks: &[Mark]) -> Drawing {
    let placed: Vec<(&Mark, [f64; 2])> =
        marks.iter().filter_map(|mark| Some((mark, chart.at(mark.at)?))).collect();
    let names = names(&placed, chart.area());
    let drawn = html! {
        // What comes first lies on top.
        @for (mark, at) in placed.iter().rev() { (draw(chart, mark, *at)) }
        @for (mark, [x, y]) in &names {
            text.name.faint[mark.kind == Kind::Published] x=(px(*x)) y=(px(*y)) { (mark.name) }
        }
    };
    chart.draw(&drawn)
}

fn draw(chart: &Chart, mark: &Mark, [x, y]: [f64; 2]) -> Markup {
    let ends = mark.std.and_then(|std| {
        let [_, low] = chart.at([mark.at[0], (mark.at[1] - std).max(0.0)])?;
        let [_, high] = chart.at([mark.at[0], mark.at[1] + std])?;
        Some([low, high])
    });
    html! {
        g class=(mark.kind.class()) data-kind=(mark.kind.field()) data-name=(mark.name)
            data-x=(exact(mark.at[0])) data-value=(exact(mark.at[1]))
            data-std=[mark.std.map(exact)] {
            title { (mark.title) }
            @if let Some([low, high]) = ends {
                path.spread d=(format!(
                    "M{x0} {low}H{x1}M{x0} {high}H{x1}M{x} {low}V{high}",
                    x0 = px(x - 4.0), x1 = px(x + 4.0), x = px(x), low = px(low), high = px(high)
                )) {}
            }
            @match mark.kind {
                Kind::Last | Kind::Front => circle.mark cx=(px(x)) cy=(px(y)) r="6" {},
                Kind::Best | Kind::Behind => circle.mark.hollow cx=(px(x)) cy=(px(y)) r="5" {},
                Kind::Published => {
                    path.mark.hollow
                        d=(format!("M{} {}l5.5 5.5l-5.5 5.5l-5.5 -5.5z", px(x), px(y - 5.5))) {}
                }
            }
        }
    }
}

/// A box: left, right, top, bottom.
type Area = [f64; 4];

/// Where the names go, at the right of their points or at another side; those that would lie on
/// something else are left out.
fn names<'a>(placed: &[(&'a Mark, [f64; 2])], plot: Area) -> Vec<(&'a Mark, [f64; 2])> {
    let around = |&(_, [x, y]): &(&Mark, [f64; 2])| [x - 7.0, x + 7.0, y - 7.0, y + 7.0];
    let mut taken: Vec<Area> = placed.iter().map(around).collect();
    let mut names = Vec::new();
    for &(mark, [x, y]) in placed.iter().filter(|(mark, _)| !mark.name.is_empty()) {
        let width = TEXT[0] * mark.name.chars().count() as f64;
        let starts = [
            [x + 10.0, y + 4.0],
            [x - 10.0 - width, y + 4.0],
            [x - width / 2.0, y - 12.0],
            [x - width / 2.0, y + 21.0],
            [x + 8.0, y - 9.0],
            [x + 8.0, y + 17.0],
        ];
        let free = starts.into_iter().find(|&start| {
            let area = area(start, width);
            let inside = area[0] >= plot[0]
                && area[1] <= plot[1] + 16.0
                && area[2] >= plot[2] - 8.0
                && area[3] <= plot[3];
            inside && !taken.iter().any(|other| overlap(*other, area))
        });
        if let Some(start) = free {
            taken.push(area(start, width));
            names.push((mark, start));
        }
    }
    names
}

/// What a name covers that begins at a point of its base line.
fn area([x, y]: [f64; 2], width: f64) -> Area {
    [x, x + width, y - TEXT[1] + 4.0, y + 4.0]
}

fn overlap(a: Area, b: Area) -> bool {
    a[0] < b[1] && b[0] < a[1] && a[2] < b[3] && b[2] < a[3]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::WIDE;
    use crate::scale::Scale;

    fn mark(at: [f64; 2], name: &str) -> Mark {
        Mark { at, std: Some(0.5), kind: Kind::Last, name: name.into(), title: "<t>".into() }
    }

    #[test]
    fn names_do_not_lie_on_one_another() {
        let marks: Vec<Mark> = (0..9).map(|index| mark([0.0, 0.0], &index.to_string())).collect();
        let placed: Vec<_> = marks.iter().map(|mark| (mark, [300.0, 150.0])).collect();
        let names = names(&placed, [72.0, 620.0, 14.0, 290.0]);
        assert!((2..9).contains(&names.len()), "{}", names.len());
        let areas: Vec<Area> = names.iter().map(|(_, start)| area(*start, TEXT[0])).collect();
        for (index, a) in areas.iter().enumerate() {
            assert!(areas[..index].iter().all(|b| !overlap(*a, *b)));
        }
    }

    #[test]
    fn points_and_spreads_are_in_the_page() {
        let chart = Chart {
            size: WIDE,
            label: String::new(),
            x: (Scale::linear([1.0, 2.0]), ""),
            y: (Scale::linear([0.0, 4.0]), ""),
        };
        let svg = scatter(&chart, &[mark([1.5, 2.0], "<n>")]).markup().into_string();
        assert!(svg.contains("data-std=\"0.5\"") && svg.contains("&lt;n&gt;"), "{svg}");
        assert!(svg.contains("<title>&lt;t&gt;</title>"));
    }
}
