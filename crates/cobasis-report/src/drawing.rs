//! What all pictures are made of.

use maud::{Markup, html};

/// What pictures need, in a page and in files of their own.
pub(crate) const CHART_STYLE: &str = include_str!("chart.css");

/// A picture, to be put into a page or a file.
pub(crate) struct Drawing {
    /// The class that the page's style knows it by.
    pub(crate) class: &'static str,
    /// Width and height in its own units, tenths of which are the smallest.
    pub(crate) size: [f64; 2],
    /// Whether a page must not stretch it.
    pub(crate) rigid: bool,
    /// What it shows, for those who don't see it.
    pub(crate) label: String,
    /// What is drawn.
    pub(crate) body: Markup,
}

impl Drawing {
    /// The drawing as a part of a page.
    pub(crate) fn markup(&self) -> Markup {
        let [width, height] = self.size.map(px);
        html! {
            svg class=(self.class) viewBox=(format!("0 0 {width} {height}"))
                style=[self.rigid.then(|| format!("max-width:{width}px"))] role="img"
                aria-label=(self.label) { (self.body) }
        }
    }
}

/// A coordinate in tenths: more can't be seen.
pub(crate) fn px(coordinate: f64) -> String {
    let text = format!("{coordinate:.1}");
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_string)
}

/// A number as it is, for programs that read the page.
pub(crate) fn exact(number: f64) -> String {
    format!("{number:?}")
}
