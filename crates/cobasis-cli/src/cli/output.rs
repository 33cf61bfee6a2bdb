//! Text for people: tables, grouped digits, and a standard output that may be closed.

use std::io::Write;

pub(crate) use cobasis_data::number::grouped;
use cobasis_data::text::printable;

/// Prints a text, with the control characters of names written out. A reader that went away (`… |
/// head`) is no error.
pub(crate) fn print(text: &str) {
    print_raw(&text.split('\n').map(printable).collect::<Vec<_>>().join("\n"));
}

fn print_raw(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Prints a value as JSON.
pub(crate) fn print_json(value: &impl serde::Serialize) {
    // Only maps with keys that are no strings fail, and reports have none.
    print_raw(&serde_json::to_string_pretty(value).unwrap_or_default());
}

/// Lines of columns: the first to the left, those of `left` too, the others to the right.
pub(crate) fn table(rows: &[Vec<String>], left: &[usize]) -> String {
    // Written out first, which makes cells longer.
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| printable(cell)).collect()).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().enumerate().map(|(column, cell)| {
            let width = widths[column];
            if column == 0 || left.contains(&column) {
                format!("{cell:<width$}")
            } else {
                format!("{cell:>width$}")
            }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_string()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [["a", "1", "x"], ["bcd", "10", "yz"]];
        let rows: Vec<Vec<String>> =
            rows.iter().map(|row| row.iter().map(|cell| cell.to_string()).collect()).collect();
        assert_eq!(table(&rows, &[2]), "a     1  x\nbcd  10  yz");
    }

    #[test]
    fn a_name_stays_in_its_cell() {
        let rows = [["\x1b[31m", "1"], ["a\nb", "2"]].map(|row| row.map(String::from).to_vec());
        assert_eq!(table(&rows, &[]), "\\u{1b}[31m  1\na\\nb        2");
    }
}
