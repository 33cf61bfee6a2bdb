//! Text for people: tables, grouped digits, and the only way to standard output and standard error,
//! which may be full or closed.

use std::io::{self, ErrorKind, IsTerminal, Write, stderr, stdout};
use std::sync::{Mutex, PoisonError};

pub(crate) use cobasis_data::number::grouped;

/// Erases the progress bar of the line, which is drawn again with its next step.
const ERASE_LINE: &str = "\r\x1b[2K";

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

/// Prints a text and the end of its line. Whether that worked, [`lost`] says at the end: a run does
/// not end because its log is full.
pub(crate) fn print(text: &str) {
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

/// Warns of something, on one line.
pub(crate) fn warn(text: &str) {
    let erase = if stderr().is_terminal() { ERASE_LINE } else { "" };
    tell(&format!("{erase}warning: {}", text.replace(['\n', '\r'], " ")));
}

/// Prints a value as JSON.
pub(crate) fn print_json(value: &impl serde::Serialize) {
    // Only maps with keys that are no strings fail, and reports have none.
    print(&serde_json::to_string_pretty(value).unwrap_or_default());
}

/// Lines of columns: the first to the left, those of `left` too, the others to the right.
pub(crate) fn table(rows: &[Vec<String>], left: &[usize]) -> String {
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
}
