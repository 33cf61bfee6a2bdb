//! Text for people: tables, grouped digits, and the only way to standard output and standard error,
//! which may be full or closed.

use std::io::{self, ErrorKind, Write, stderr, stdout};
use std::sync::{Mutex, PoisonError};

pub(crate) use cobasis_data::number::grouped;
use cobasis_data::text::printable;
use cobasis_kernels::standard_output;

use super::live::is_live;

/// Erases the live line, which is drawn again with its next step.
pub(super) const ERASE_LINE: &str = "\r\x1b[2K";

/// What became of standard output.
enum State {
    /// All was written.
    Written,
    /// The reader went away (`… | head`), which is no error.
    Unread,
    /// Something could not be written.
    Failed(io::Error),
}

static STATE: Mutex<State> = Mutex::new(State::Written);

/// Prints a text and the end of its line, with the control characters of names written out.
pub(crate) fn print(text: &str) {
    print_raw(&text.split('\n').map(printable).collect::<Vec<_>>().join("\n"));
}

/// Prints a text as it is, and the end of its line. Whether that worked, [`lost`] says at the end: a
/// run does not end because its log is full.
pub(crate) fn print_raw(text: &str) {
    let mut state = STATE.lock().unwrap_or_else(PoisonError::into_inner);
    // What would come after a gap is not wanted.
    if matches!(*state, State::Written)
        && let Err(error) = write_all(format!("{text}\n").as_bytes())
    {
        *state = match error.kind() {
            ErrorKind::BrokenPipe => State::Unread,
            _ => State::Failed(error),
        };
    }
}

/// Why what was printed did not arrive; `None` if it did, or if nobody reads it any more.
pub(crate) fn lost() -> Option<io::Error> {
    let mut state = STATE.lock().unwrap_or_else(PoisonError::into_inner);
    match std::mem::replace(&mut *state, State::Unread) {
        State::Failed(error) => Some(error),
        State::Written | State::Unread => None,
    }
}

/// Writes to standard output as to a file: the standard library drops what can't be written to a
/// file that is open for reading only.
#[cfg(unix)]
fn write_all(bytes: &[u8]) -> io::Result<()> {
    use std::os::fd::AsFd;
    if standard_output::was_closed() {
        return Err(io::Error::other("closed"));
    }
    std::fs::File::from(stdout().as_fd().try_clone_to_owned()?).write_all(bytes)
}

#[cfg(not(unix))]
fn write_all(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush())
}

/// Tells the user something on standard error. That it can't be told is no reason to end.
pub(crate) fn tell(text: &str) {
    let _ = writeln!(stderr(), "{text}");
}

/// Asks the user something on standard error.
pub(crate) fn ask(text: &str) {
    let mut stderr = stderr();
    let _ = write!(stderr, "{text}").and_then(|()| stderr.flush());
}

/// Tells the user something on a line of its own, in the place of the live line if there is one.
pub(crate) fn tell_over_live(text: &str) {
    let erase = if is_live() { ERASE_LINE } else { "" };
    tell(&format!("{erase}{text}"));
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
