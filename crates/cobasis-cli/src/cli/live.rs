//! Live lines on standard error: never wider than the terminal, and none where the output is no
//! terminal or one that can't move its cursor.

use std::env;
use std::ffi::OsStr;
use std::io::{IsTerminal, stderr};

use console::{Term, measure_text_width};
use indicatif::{ProgressBar, ProgressState, ProgressStyle};

/// Columns of the bar, where there is room, and the fewest that show something.
const BAR: usize = 24;
const SHORTEST_BAR: usize = 8;
/// Between the parts of a line.
const GAP: &str = "  ";

/// A part of a live line.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// Parts of a high rank are left out first where the terminal is narrow.
    rank: u8,
    text: String,
}

impl Part {
    /// A part of this rank, 0 for the most important.
    pub(crate) fn new(rank: u8, text: impl ToString) -> Self {
        // An error's text among them must neither break the line nor steer the terminal.
        let text = text.to_string().replace(char::is_control, " ");
        Self { rank, text }
    }
}

/// Whether standard error is a terminal on which a line can be drawn anew.
pub(crate) fn is_live() -> bool {
    stderr().is_terminal() && moves_cursor(env::var_os("TERM").as_deref())
}

/// Whether a terminal of this kind understands escape sequences.
fn moves_cursor(term: Option<&OsStr>) -> bool {
    match term {
        Some(term) => !term.is_empty() && term != "dumb",
        // Only Windows' terminals don't say what they are.
        None => cfg!(windows),
    }
}

/// A line about a known number of things, whose parts a function tells; hidden where there is no
/// terminal to draw it on.
pub(crate) fn live_line(
    length: u64,
    parts: impl Fn(&ProgressState) -> Vec<Part> + Clone + Send + Sync + 'static,
) -> ProgressBar {
    if !is_live() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(length);
    if let Ok(style) = ProgressStyle::with_template("{line}") {
        let line = move |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            // The last column stays free: some terminals go to the next line after it.
            let width = usize::from(Term::stderr().size().1).saturating_sub(1);
            let line = fit(&parts(state), f64::from(state.fraction()), width);
            // Into memory, which does not fail.
            let _ = out.write_str(&line);
        };
        bar.set_style(style.with_key("line", line));
    }
    bar
}

/// `37 %`.
pub(crate) fn percent(state: &ProgressState) -> String {
    format!("{:>3.0} %", (100.0 * state.fraction()).floor())
}

/// The parts that a width has room for, the most important first to be kept, in their own order; and a
/// bar before them where there is room for it, too.
fn fit(parts: &[Part], share: f64, width: usize) -> String {
    let mut ranked: Vec<usize> = (0..parts.len()).collect();
    ranked.sort_by_key(|&index| parts[index].rank);
    let (mut kept, mut taken) = (Vec::new(), 0);
    for &index in &ranked {
        let gap = if kept.is_empty() { 0 } else { GAP.len() };
        let wanted = gap + measure_text_width(&parts[index].text);
        if taken + wanted > width {
            break;
        }
        taken += wanted;
        kept.push(index);
    }
    if let ([], [first, ..]) = (&kept[..], &ranked[..]) {
        return cut(&parts[*first].text, width);
    }
    kept.sort_unstable();
    let mut texts: Vec<String> = kept.iter().map(|&index| parts[index].text.clone()).collect();
    let room = width.saturating_sub(taken + GAP.len());
    if kept.len() == parts.len() && room >= SHORTEST_BAR {
        texts.insert(0, drawn(share, room.min(BAR)));
    }
    texts.join(GAP)
}

/// The beginning of a text that is too wide.
fn cut(text: &str, width: usize) -> String {
    let mut kept = String::new();
    for letter in text.chars() {
        kept.push(letter);
        if measure_text_width(&kept) > width {
            kept.pop();
            break;
        }
    }
    kept
}

/// A bar of so many columns: `====>     `.
fn drawn(share: f64, columns: usize) -> String {
    let done = ((share * columns as f64) as usize).min(columns);
    let head = if done < columns { ">" } else { "" };
    format!("{:<columns$}", "=".repeat(done) + head)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> Vec<Part> {
        let part = |(rank, text): &(u8, &str)| Part::new(*rank, text);
        [(1, " 37 %"), (0, "epoch 3/10"), (3, "step 4/20"), (2, "loss 0.5123")]
            .map(|p| part(&p))
            .into()
    }

    #[test]
    fn no_line_is_wider_than_its_terminal() {
        for width in 0..200 {
            let line = fit(&parts(), 0.37, width);
            assert!(measure_text_width(&line) <= width, "{width}: {line:?}");
            assert!(width < 17 || line.contains(" 37 %  epoch 3/10"), "{width}: {line:?}");
        }
    }

    #[test]
    fn what_matters_least_goes_first() {
        let line = |width| fit(&parts(), 0.37, width);
        assert_eq!(line(5), "epoch");
        assert_eq!(line(16), "epoch 3/10");
        assert_eq!(line(20), " 37 %  epoch 3/10");
        assert_eq!(line(32), " 37 %  epoch 3/10  loss 0.5123");
        assert_eq!(line(50), " 37 %  epoch 3/10  step 4/20  loss 0.5123");
        assert_eq!(line(51), "==>        37 %  epoch 3/10  step 4/20  loss 0.5123");
        assert!(line(300).starts_with(&format!("{:<24}", "========>")), "{}", line(300));
        assert_eq!(fit(&[], 0.0, 5), "");
    }

    #[test]
    fn a_full_bar_has_no_head() {
        assert_eq!([drawn(1.0, 4), drawn(0.0, 4), drawn(f64::NAN, 3)], ["====", ">   ", ">  "]);
    }

    #[test]
    fn letters_of_two_columns_count_as_two() {
        assert_eq!(fit(&[Part::new(0, "盤盤盤")], 0.0, 5), "盤盤");
        assert_eq!(Part::new(0, "a\u{1b}[2J\nb").text, "a [2J b");
    }

    #[test]
    fn escape_sequences_are_for_terminals_that_know_them() {
        assert!(moves_cursor(Some(OsStr::new("xterm-256color"))));
        assert!(!moves_cursor(Some(OsStr::new("dumb"))) && !moves_cursor(Some(OsStr::new(""))));
        assert_eq!(moves_cursor(None), cfg!(windows));
    }
}
