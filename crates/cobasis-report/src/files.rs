//! Charts of a page as SVG files of their own, for papers and slides.

use super::page::CHART_STYLE;

/// From line to line of a legend.
const LINE: f64 = 24.0;
/// Letters of a name that two columns of a legend have room for.
const SHORT: usize = 34;

/// The charts of a [page](super::report): names of files and SVG documents, in the page's order.
pub fn charts(page: &str) -> Vec<(String, String)> {
    let figures = page.split("<figure>").skip(1);
    let charts = figures.filter_map(|figure| {
        let title = between(figure, "<h3>", "</h3>")?;
        let (head, body) = between(figure, "<svg", "</svg>")?.split_once('>')?;
        let size = between(head, "viewBox=\"0 0 ", "\"")?;
        let (width, height) = size.split_once(' ')?;
        let size = [width.parse().ok()?, height.parse().ok()?];
        Some((title, document(title, size, body, &legend(figure))))
    });
    let named = |(index, (title, document)): (usize, (&str, String))| {
        (format!("{:02}-{}.svg", index + 1, file_name(title)), document)
    };
    charts.enumerate().map(named).collect()
}

/// A chart with its legend below it.
fn document(title: &str, [width, height]: [f64; 2], body: &str, legend: &[(&str, &str)]) -> String {
    let columns = if legend.iter().all(|(_, name)| name.chars().count() <= SHORT) { 2 } else { 1 };
    let lines = legend.len().div_ceil(columns) as f64;
    let whole = height + LINE * lines + if lines > 0.0 { LINE / 2.0 } else { 0.0 };
    let keys: String = legend
        .iter()
        .enumerate()
        .map(|(index, (class, name))| {
            let x = 80.0 + (index % columns) as f64 * (width - 80.0) / columns as f64;
            let y = height + LINE * ((index / columns) as f64 + 0.75);
            format!(
                "{}<text x=\"{}\" y=\"{y}\">{name}</text>\n",
                key(class, [x, y - 4.5]),
                x + 22.0
            )
        })
        .collect();
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {whole}\" role=\"img\" \
         font-family=\"system-ui, sans-serif\">\n<title>{title}</title>\n<style>\n{CHART_STYLE}</style>\n\
         <rect width=\"{width}\" height=\"{whole}\" fill=\"var(--surface)\"></rect>\n{body}\n{keys}</svg>\n"
    )
}

/// What a name stands for: a line, a dot, or a diamond, at the middle of its left edge.
fn key(class: &str, [x, y]: [f64; 2]) -> String {
    let shape = match class {
        class if class.contains("diamond") => {
            format!("<path class=\"mark {class}\" d=\"M{x} {y}l6 -6l6 6l-6 6z\"></path>")
        }
        class if class.contains("round") => {
            format!(
                "<circle class=\"mark {class}\" cx=\"{}\" cy=\"{y}\" r=\"5\"></circle>",
                x + 6.0
            )
        }
        class => format!("<path class=\"line {class}\" d=\"M{x} {y}h14\"></path>"),
    };
    shape.replace(" round", "").replace(" diamond", "")
}

/// Classes and names of a figure's legend.
fn legend(figure: &str) -> Vec<(&str, &str)> {
    let list = between(figure, "<ul class=\"legend\">", "</ul>").unwrap_or_default();
    let entries = list.split("<li>").skip(1).filter_map(|entry| {
        let class = between(entry, "<span class=\"key ", "\"")?;
        Some((class, between(entry, "</span>", "</li>")?))
    });
    entries.collect()
}

/// What stands between two marks, of which the first is the first of its kind.
fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    rest.split_once(end).map(|(inner, _)| inner)
}

/// A title in small letters, digits and hyphens.
fn file_name(title: &str) -> String {
    let words = title.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use maud::html;

    use super::*;
    use crate::chart::{Chart, WIDE};
    use crate::line::{Series, lines};
    use crate::page::figure;
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
        let drawn = lines(&chart, &[series("a < b", 0), series("c", 1)]);
        let page = html! {
            (figure("Error, by |epoch|", "A note.", &drawn)) (figure("A table", "", &html! { p {} }))
        };
        let files = charts(&page.into_string());
        let [(name, svg)] = &files[..] else { panic!("one chart, got {}", files.len()) };
        assert_eq!(name, "01-error-by-epoch.svg");
        assert!(
            svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 640 376\"")
        );
        assert!(svg.contains("<title>Error, by |epoch|</title>") && svg.ends_with("</svg>\n"));
        assert!(svg.contains(">a &lt; b</text>") && svg.contains("data-value=\"0.25\""), "{svg}");
        assert_eq!(svg.matches("<svg").count(), 1);
    }
}
