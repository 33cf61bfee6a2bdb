//! How a checkpoint is refused: in one short line.

use std::fmt::Display;
use std::io;

use crate::files::error::FileProblem;

/// Characters of an error; some of the reader's quote whole objects.
const MAX_MESSAGE: usize = 200;

/// What reading a checkpoint comes to.
pub(super) type Result<T> = std::result::Result<T, FileProblem>;

/// A problem with what a file says, in one line.
pub(super) fn refusal(reason: impl Display) -> FileProblem {
    let mut text = reason.to_string();
    if let Some((end, _)) = text.char_indices().nth(MAX_MESSAGE) {
        text.truncate(end);
        text.push('…');
    }
    FileProblem::Pickle(text.replace(char::is_control, "\u{fffd}"))
}

/// A failed read, which is the file's fault if it disagrees with itself.
pub(super) fn unreadable(error: io::Error) -> FileProblem {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => refusal(error),
        _ => error.into(),
    }
}

/// Refuses a file for a reason.
pub(super) fn refuse<T>(reason: impl Display) -> Result<T> {
    Err(refusal(reason))
}

/// Refuses more than a limit of something.
pub(super) fn at_most<N: PartialOrd + Display>(limit: N, what: &str, got: N) -> Result<()> {
    if got > limit {
        return refuse(format!("expected at most {limit} {what}, got {got}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_one_short_line() {
        let problem = refusal(format!("a\nb\x1b[{}", "é".repeat(10_000))).to_string();
        let text = problem.rsplit(": ").next().expect("a reason");
        assert_eq!(text.chars().count(), MAX_MESSAGE + 1);
        assert!(text.starts_with("a\u{fffd}b\u{fffd}["), "{text}");
    }
}
