//! Charts with what is said about them: in a page, and as SVG files of their own for papers and
//! slides.

use std::cell::RefCell;

use maud::{Markup, PreEscaped, html};

use super::drawing::{CHART_STYLE, Drawing, px};

/// From line to line of a legend in a file.
const LINE: f64 = 24.0;
/// Letters of a name that two columns of a legend have room for.
const SHORT: usize = 34;

/// What a colour or a shape stands for: its classes, and a name.
pub(crate) type Key = (String, String);

/// A drawing with what is said about it.
pub(crate) struct Figure {
    pub(crate) title: String,
    /// How to read it, if that has to be said.
    pub(crate) note: String,
    pub(crate) drawing: Drawing,
    pub(crate) legend: Vec<Key>,
}

/// The figures of a page, in the order in which they were put into it.
#[derive(Default)]
pub(crate) struct Figures(RefCell<Vec<Figure>>);

impl Figure {
    /// The figure as a part of a page.
    pub(crate) fn markup(&self) -> Markup {
        let Self { title, note, drawing, legend } = self;
        html! {
            figure {
                figcaption { h3 { (title) } @if !note.is_empty() { p { (note) } } }
                (drawing.markup())
                @if !legend.is_empty() {
                    ul.legend {
                        @for (class, name) in legend { li { span.key.(class) {} (name) } }
                    }
                }
            }
        }
    }

    /// The figure as an SVG document: the drawing, and its legend below it.
    pub(crate) fn document(&self) -> String {
        let Self { title, drawing, legend, .. } = self;
        let [width, height] = drawing.size;
        let short = legend.iter().all(|(_, name)| name.chars().count() <= SHORT);
        let columns = if short { 2 } else { 1 };
        let lines = legend.len().div_ceil(columns) as f64;
        let whole = height + LINE * lines + if lines > 0.0 { LINE / 2.0 } else { 0.0 };
        let [width_text, whole_text] = [width, whole].map(px);
        let keys = legend.iter().enumerate().map(|(index, (class, name))| {
            let x = 80.0 + (index % columns) as f64 * (width - 80.0) / columns as f64;
            let y = height + LINE * ((index / columns) as f64 + 0.75);
            html! { (key(class, [x, y - 4.5])) text x=(x + 22.0) y=(y) { (name) } (NEW_LINE) }
        });
        let attributes = [
            ("viewBox", format!("0 0 {width_text} {whole_text}")),
            ("role", "img".to_string()),
            ("font-family", "system-ui, sans-serif".to_string()),
        ];
        let head = attributes.map(|(name, value)| format!(" {name}=\"{value}\"")).concat();
        let document = html! {
            (PreEscaped(format!("<svg xmlns=\"http://www.w3.org/2000/svg\"{head}>\n")))
            title { (title) } (NEW_LINE)
            style { (NEW_LINE) (PreEscaped(CHART_STYLE)) } (NEW_LINE)
            rect width=(width_text) height=(whole_text) fill="var(--surface)" {} (NEW_LINE)
            (drawing.body) (NEW_LINE)
            @for key in keys { (key) }
            (PreEscaped("</svg>\n"))
        };
        document.into_string()
    }
}

/// Ends a line of a file; pages have none.
const NEW_LINE: PreEscaped<&str> = PreEscaped("\n");

/// What a name stands for: a line, a dot, or a diamond, at the middle of its left edge.
fn key(class: &str, [x, y]: [f64; 2]) -> Markup {
    let plain: Vec<&str> =
        class.split(' ').filter(|class| !["round", "diamond"].contains(class)).collect();
    let plain = plain.join(" ");
    html! {
        @if class.contains("diamond") {
            path.mark.(plain) d=(format!("M{x} {y}l6 -6l6 6l-6 6z")) {}
        } @else if class.contains("round") {
            circle.mark.(plain) cx=(x + 6.0) cy=(y) r="5" {}
        } @else {
            path.line.(plain) d=(format!("M{x} {y}h14")) {}
        }
    }
}

impl Figures {
    /// Puts a figure into the page.
    pub(crate) fn put(
        &self,
        title: impl Into<String>,
        note: impl Into<String>,
        drawing: Drawing,
        legend: Vec<Key>,
    ) -> Markup {
        let figure = Figure { title: title.into(), note: note.into(), drawing, legend };
        let markup = figure.markup();
        self.0.borrow_mut().push(figure);
        markup
    }

    /// The figures as files: their names, numbered in the page's order, and SVG documents.
    pub(crate) fn files(self) -> Vec<(String, String)> {
        let file = |(index, figure): (usize, Figure)| {
            let name = format!("{:02}-{}.svg", index + 1, file_name(&figure.title));
            (name, figure.document())
        };
        self.0.into_inner().into_iter().enumerate().map(file).collect()
    }
}

/// A title in small letters, digits and hyphens.
fn file_name(title: &str) -> String {
    let words = title.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::{Chart, WIDE};
    use crate::line::{Series, lines};
    use crate::scale::Scale;

    #[test]
    fn a_chart_of_the_page_stands_alone() {
        let chart = Chart {
            size: WIDE,
            label: String::new(),
            x: (Scale::whole([1.0, 2.0]), "epoch"),
            y: (Scale::linear([0.0, 1.0]), "loss"),
        };
        let series = |name, colour| Series { name, colour, points: vec![[1.0, 0.25]], ring: None };
        let (drawing, legend) = lines(&chart, &[series("a < b", 0), series("c", 1)]);
        let figures = Figures::default();
        let page = figures.put("Error, by |epoch| & more", "A note.", drawing, legend);
        let page = page.into_string();
        assert!(page.starts_with("<figure><figcaption><h3>Error, by |epoch| &amp; more</h3>"));
        assert!(page.contains("<span class=\"key c1\"></span>a &lt; b</li>"), "{page}");
        let files = figures.files();
        let [(name, svg)] = &files[..] else { panic!("one chart, got {}", files.len()) };
        assert_eq!(name, "01-error-by-epoch-more.svg");
        assert!(
            svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 640 376\"")
        );
        assert!(svg.contains("<title>Error, by |epoch| &amp; more</title>"));
        assert!(svg.ends_with("</svg>\n"));
        assert!(svg.contains(">a &lt; b</text>") && svg.contains("data-value=\"0.25\""), "{svg}");
        assert_eq!(svg.matches("<svg").count(), 1);
    }

    #[test]
    fn a_key_looks_like_what_it_stands_for() {
        let drawn = |class| key(class, [80.0, 10.5]).into_string();
        assert_eq!(drawn("c1"), "<path class=\"line c1\" d=\"M80 10.5h14\"></path>");
        let dot = "<circle class=\"mark hollow c2\" cx=\"86\" cy=\"10.5\" r=\"5\"></circle>";
        assert_eq!(drawn("round hollow c2"), dot);
        assert!(drawn("round hollow diamond c0").starts_with("<path class=\"mark hollow c0\" d="));
    }
}
