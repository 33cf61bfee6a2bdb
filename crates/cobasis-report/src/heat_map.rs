//! Matrices as pictures.

use maud::{Markup, html};

use super::drawing::{Drawing, exact, px};
use super::picture::{Pixel, data_uri};

/// Side of the picture in the chart's units.
const SIDE: f64 = 300.0;
/// Cells that can be told apart; of a larger matrix a cell shows the largest of several entries.
const CELLS: usize = 150;
/// Rows that are named one by one, and rows whose entries are written out.
const NAMED: usize = 24;
const WRITTEN: usize = 8;
/// Room for names, in the chart's units for each character.
const CHARACTER: f64 = 6.6;

/// The colours of positive and negative entries, which fade to the page's own at zero.
const POSITIVE: [u8; 3] = [0x2a, 0x78, 0xd6];
const NEGATIVE: [u8; 3] = [0xe3, 0x49, 0x48];

/// A matrix with entries from -1 to 1.
pub(crate) struct HeatMap<'a> {
    /// What it shows, for those who don't see it.
    pub(crate) label: String,
    /// The entries, row by row.
    pub(crate) entries: &'a [f64],
    /// Number of columns.
    pub(crate) columns: usize,
    /// The smallest number of the key, 0 or -1.
    pub(crate) least: f64,
    /// Names of rows and columns; without them they are numbered.
    pub(crate) names: &'a [String],
    /// What a row and a column is.
    pub(crate) titles: [&'a str; 2],
}

impl HeatMap<'_> {
    /// The picture with its key.
    ///
    /// # Panics
    ///
    /// Panics if there are no entries or not a whole number of rows.
    pub(crate) fn draw(&self) -> Drawing {
        let rows = self.entries.len() / self.columns;
        let named = !self.names.is_empty() && rows <= NAMED;
        let longest = self.names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let left = if named { 24.0 + CHARACTER * longest as f64 } else { 56.0 };
        let height = 24.0 + SIDE + if named { 14.0 + CHARACTER * longest as f64 } else { 50.0 };
        let [width, bottom] = [left + SIDE + 84.0, 12.0 + SIDE];
        let at = |index: usize, of: usize| (index as f64 + 0.5) / of as f64 * SIDE;
        let numbered = |of: usize| (0..of).step_by(of.div_ceil(8)).map(move |i| (i, at(i, of)));
        let body = html! {
            image x=(px(left)) y="12" width=(SIDE) height=(SIDE) preserveAspectRatio="none"
                href=(self.picture(rows)) {}
            rect.frame x=(px(left)) y="12" width=(SIDE) height=(SIDE) {}
            @if named && rows <= WRITTEN {
                @for (index, entry) in self.entries.iter().enumerate() {
                    @let (row, column) = (index / self.columns, index % self.columns);
                    text.entry.full[entry.abs() > 0.55] x=(px(left + at(column, self.columns)))
                        y=(px(12.0 + at(row, rows))) dy="0.35em" text-anchor="middle"
                        data-row=(self.names[row]) data-column=(self.names[column])
                        data-value=(exact(*entry)) {
                        (hundredths(*entry))
                    }
                }
            }
            @if named {
                @for (index, name) in self.names.iter().enumerate() {
                    text.tick x=(px(left - 6.0)) y=(px(12.0 + at(index, rows))) dy="0.32em"
                        text-anchor="end" { (name) }
                    @let x = px(left + at(index, self.columns));
                    text.tick x=(x) y=(px(bottom + 8.0)) dy="0.32em" text-anchor="end"
                        transform=(format!("rotate(-90 {x} {})", px(bottom + 8.0))) { (name) }
                }
            } @else {
                @for (index, y) in numbered(rows) {
                    text.tick x=(px(left - 6.0)) y=(px(12.0 + y)) dy="0.32em"
                        text-anchor="end" { (index + 1) }
                }
                @for (index, x) in numbered(self.columns) {
                    text.tick x=(px(left + x)) y=(px(bottom + 16.0)) text-anchor="middle" {
                        (index + 1)
                    }
                }
                text.title x=(px(left + SIDE / 2.0)) y=(px(bottom + 38.0))
                    text-anchor="middle" { (self.titles[1]) }
                @let middle = px(12.0 + SIDE / 2.0);
                text.title x="14" y=(middle) text-anchor="middle"
                    transform=(format!("rotate(-90 14 {middle})")) { (self.titles[0]) }
            }
            (self.key(left + SIDE + 20.0))
        };
        let (class, label) = ("heat", self.label.clone());
        Drawing { class, size: [width, height], rigid: true, label, body }
    }

    /// The colours of the numbers, from 1 down to 0 or -1.
    fn key(&self, x: f64) -> Markup {
        let least = self.least;
        let steps = 64;
        let value = |step: usize| 1.0 - (1.0 - least) * step as f64 / (steps - 1) as f64;
        let pixels: Vec<Pixel> = (0..steps).map(|step| pixel(value(step))).collect();
        let ticks: &[f64] =
            if least < 0.0 { &[1.0, 0.5, 0.0, -0.5, -1.0] } else { &[1.0, 0.5, 0.0] };
        html! {
            image x=(px(x)) y="12" width="14" height=(SIDE) preserveAspectRatio="none"
                href=(data_uri(1, steps, &pixels)) {}
            rect.frame x=(px(x)) y="12" width="14" height=(SIDE) {}
            @for tick in ticks {
                text.tick x=(px(x + 20.0)) y=(px(12.0 + (1.0 - tick) / (1.0 - least) * SIDE))
                    dy="0.32em" { (tick.to_string().replace('-', "−")) }
            }
        }
    }

    fn picture(&self, rows: usize) -> String {
        let block = rows.max(self.columns).div_ceil(CELLS).max(1);
        let [height, width] = [rows, self.columns].map(|size| size.div_ceil(block));
        let pixels = (0..height * width).map(|cell| {
            let (top, left) = (cell / width * block, cell % width * block);
            let within = (top..rows.min(top + block)).flat_map(|row| {
                let (from, to) = (row * self.columns + left, self.columns.min(left + block) - left);
                &self.entries[from..from + to]
            });
            let largest = within.copied().max_by(|a, b| a.abs().total_cmp(&b.abs()));
            pixel(largest.unwrap_or(0.0))
        });
        data_uri(width, height, &pixels.collect::<Vec<_>>())
    }
}

/// A number with two decimals; zero has no sign.
fn hundredths(number: f64) -> String {
    let text = format!("{number:.2}");
    if text == "-0.00" { "0.00".to_string() } else { text.replace('-', "−") }
}

/// The colour of a number; what is no number is grey.
fn pixel(value: f64) -> Pixel {
    if value.is_nan() {
        return [0x89, 0x87, 0x81, 0xff];
    }
    let [red, green, blue] = if value < 0.0 { NEGATIVE } else { POSITIVE };
    [red, green, blue, (value.abs().min(1.0) * 255.0).round() as u8]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sign_is_the_hue_and_the_size_the_opacity() {
        assert_eq!([pixel(0.0)[3], pixel(-1.0)[3], pixel(7.0)[3]], [0, 255, 255]);
        assert_eq!(pixel(0.5), [0x2a, 0x78, 0xd6, 128]);
        assert_eq!(pixel(-0.5)[..3], NEGATIVE);
    }

    #[test]
    fn small_matrices_are_shown_entry_by_entry_and_names_are_escaped() {
        let names = ["<a>".to_string(), "b".to_string()];
        let mut map = HeatMap {
            label: "two".to_string(),
            entries: &[1.0, 0.0, -0.5, 1.0],
            columns: 2,
            least: -1.0,
            names: &names,
            titles: ["", ""],
        };
        let svg = map.draw().markup().into_string();
        assert!(svg.contains("&lt;a&gt;") && svg.contains("data-value=\"-0.5\">−0.50<"), "{svg}");
        let pixels = [1.0, 0.0, -0.5, 1.0].map(pixel);
        assert!(svg.contains(&data_uri(2, 2, &pixels)));
        let many = vec![0.25; 400 * 400];
        map = HeatMap { entries: &many, columns: 400, names: &[], ..map };
        let pixels = vec![pixel(0.25); 134 * 134];
        assert!(map.draw().markup().into_string().contains(&data_uri(134, 134, &pixels)));
    }
}
