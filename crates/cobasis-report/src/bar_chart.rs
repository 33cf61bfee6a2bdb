//! Bars that lie, side by side for each thing that was measured.

use maud::{Markup, html};

use super::drawing::{Drawing, px};
use super::figure::Figure;

/// Sizes in pixels.
const WIDTH: f64 = 860.0;
const NAMES: f64 = 330.0;
const ROW: f64 = 54.0;
const BAR: f64 = 13.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 26.0;
/// Room for the texts behind the bars.
const TEXTS: f64 = 80.0;

/// Lengths of several contenders, thing by thing, against 1.
#[derive(Clone, Debug, PartialEq)]
pub struct BarChart {
    /// What is shown.
    pub title: String,
    /// The contenders: a colour of the reports, such as `c1`, and a name.
    pub contenders: Vec<(&'static str, &'static str)>,
    /// What was measured.
    pub rows: Vec<BarRow>,
}

/// A thing that was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct BarRow {
    /// Two lines that name it.
    pub names: [String; 2],
    /// A length for each contender, as a multiple, and what stands behind it; `None` where it is
    /// not known.
    pub bars: Vec<Option<(f64, String)>>,
}

impl BarChart {
    /// The chart as an SVG document.
    pub fn document(&self) -> String {
        let drawing = self.draw();
        let key = |&(class, name): &(&str, &str)| (class.to_string(), name.to_string());
        let legend = self.contenders.iter().map(key).collect();
        Figure { title: self.title.clone(), note: String::new(), drawing, legend }.document()
    }

    fn draw(&self) -> Drawing {
        let lengths = self.rows.iter().flat_map(|row| row.bars.iter().flatten());
        let largest = lengths.map(|(length, _)| *length).fold(1.0, f64::max);
        let x = |length: f64| NAMES + length / largest * (WIDTH - NAMES - TEXTS);
        let end = TOP + ROW * self.rows.len() as f64;
        let body = html! {
            @for tick in 0..=largest as usize {
                @let x = px(x(tick as f64));
                @let class = if tick == 1 { "axis" } else { "grid" };
                line class=(class) x1=(x) y1=(TOP) x2=(x) y2=(end) {}
                text.tick x=(x) y=(end + 16.0) text-anchor="middle" { (tick) "×" }
            }
            @for (index, row) in self.rows.iter().enumerate() {
                (self.row(row, TOP + ROW * index as f64 + 6.0, &x))
            }
        };
        let (class, label) = ("chart", self.title.clone());
        Drawing { class, size: [WIDTH, end + BOTTOM], rigid: false, label, body }
    }

    fn row(&self, row: &BarRow, top: f64, x: &dyn Fn(f64) -> f64) -> Markup {
        html! {
            @for (line, name) in row.names.iter().enumerate() {
                text x=(NAMES - 10.0) y=(top + 15.0 + 17.0 * line as f64) text-anchor="end" {
                    (name)
                }
            }
            @for (index, ((class, _), bar)) in self.contenders.iter().zip(&row.bars).enumerate() {
                @if let Some((length, text)) = bar {
                    @let (y, end) = (top + BAR * index as f64, x(*length));
                    rect.bar.(class) x=(NAMES) y=(y) width=(px(end - NAMES)) height=(BAR - 1.5) {}
                    text.faint x=(px(end + 5.0)) y=(y + 10.0) { (text) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_lengths_are_and_names_are_escaped() {
        let bar = |length: f64| Some((length, format!("{length} s")));
        let row = |bars| BarRow { names: ["a<b".into(), String::new()], bars };
        let chart = BarChart {
            title: "Times".into(),
            contenders: vec![("c1", "ours"), ("c0", "theirs"), ("c5", "other")],
            rows: vec![row(vec![bar(0.4), bar(1.0), None]), row(vec![bar(4.0), None, bar(2.0)])],
        };
        let svg = chart.document();
        let width = |part: &str| -> f64 {
            part.split("width=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap()
        };
        let widths: Vec<f64> = svg.split("class=\"bar ").skip(1).map(width).collect();
        assert_eq!(widths, [45.0, 112.5, 450.0, 225.0]);
        assert!(svg.contains("a&lt;b") && svg.contains("4 s") && svg.contains(">theirs</text>"));
        assert!(svg.contains(">4×</text>") && !svg.contains(">5×</text>"), "{svg}");
    }
}
