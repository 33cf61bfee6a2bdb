//! The page around the sections: one file that needs nothing else.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::drawing::{CHART_STYLE, exact};

/// What the page around the charts needs.
const STYLE: &str = include_str!("page.css");
/// Nothing is fetched and nothing runs, whatever a run's files say.
const POLICY: &str = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";

/// A part of the page.
pub(crate) struct Section {
    /// Its name in links.
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) body: Markup,
}

/// A number at the top of the page.
pub(crate) struct Tile {
    pub(crate) title: String,
    pub(crate) value: Markup,
    pub(crate) note: String,
}

/// What is above the sections.
pub(crate) struct Head {
    pub(crate) title: String,
    pub(crate) subtitle: Markup,
    /// Whether there will be more to see: browsers load the page again now and then.
    pub(crate) grows: bool,
}

/// Seconds after which a page that grows is loaded again.
const REFRESH: &str = "5";

/// The whole page.
pub(crate) fn page(head: &Head, tiles: &[Tile], sections: &[Section]) -> String {
    let Head { title, subtitle, grows } = head;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                @if *grows { meta http-equiv="refresh" content=(REFRESH); }
                meta name="generator" content=(concat!("cobasis ", env!("CARGO_PKG_VERSION")));
                title { (title) }
                // No icon, which browsers would ask for.
                link rel="icon" href="data:,";
                style { (PreEscaped(CHART_STYLE)) (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                header {
                    h1 { (title) }
                    p { (subtitle) }
                    nav aria-label="Sections" {
                        @for section in sections {
                            a href=(format!("#{}", section.id)) { (section.title) }
                        }
                    }
                }
                main id="main" {
                    @if !tiles.is_empty() {
                        ul.tiles {
                            @for tile in tiles {
                                li {
                                    span.what { (tile.title) }
                                    strong { (tile.value) }
                                    span.note { (tile.note) }
                                }
                            }
                        }
                    }
                    @for section in sections {
                        section id=(section.id) {
                            h2 { (section.title) }
                            (section.body)
                        }
                    }
                }
                footer {
                    "Made by cobasis " (env!("CARGO_PKG_VERSION")) " from the files of the runs."
                }
            }
        }
    };
    page.into_string()
}

/// A table with a heading for each column. The first column is text, the others are numbers.
pub(crate) fn table(headings: &[&str], rows: impl Iterator<Item = Vec<Markup>>) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="table" {
            table {
                thead { tr { @for heading in headings { th scope="col" { (heading) } } } }
                tbody {
                    @for row in rows {
                        tr {
                            @for (index, cell) in row.iter().enumerate() {
                                @if index == 0 { th scope="row" { (cell) } } @else { td { (cell) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A number in words, which programs find exact under its name.
pub(crate) fn number(field: &str, value: f64, text: &str) -> Markup {
    html! { data data-field=(field) value=(exact(value)) { (text) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_and_nothing_is_fetched() {
        let body = html! { p { ("\"<script>alert(1)</script>&") } };
        let section = Section { id: "one", title: "One", body };
        let name = "<img src=x onerror=alert(1)>";
        let tile = Tile { title: name.into(), value: html! { (name) }, note: name.into() };
        let head = Head { title: name.into(), subtitle: html! { (name) }, grows: false };
        let page = page(&head, &[tile], &[section]);
        assert!(!page.contains("http-equiv=\"refresh\""));
        assert!(!page.contains("<img") && !page.contains("<script"), "{page}");
        assert!(page.contains("&lt;img src=x") && page.contains("href=\"#one\""));
        for fetched in ["http://", "https://", "url(", "@import"] {
            assert!(!page.contains(fetched), "{fetched}");
        }
    }

    #[test]
    fn a_number_is_exact_for_programs() {
        let markup = number("last.test_top1", 99.16666666666667, "99.17 %").into_string();
        let expected =
            "<data data-field=\"last.test_top1\" value=\"99.16666666666667\">99.17 %</data>";
        assert_eq!(markup, expected);
    }
}
