//! Tables as text: a row of names and rows of fields, with commas between them.
//!
//! Fields are quoted where they have commas or quotes in them; line ends are in none.

use std::borrow::Cow;

use crate::text_file::without_mark;

/// A table as its text has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Csv<'a> {
    /// The names of the columns.
    pub names: Vec<Cow<'a, str>>,
    /// The rows, a field for each column.
    pub rows: Vec<Vec<Cow<'a, str>>>,
}

impl<'a> Csv<'a> {
    /// Reads a table; one without a line has a column without a name. A byte order mark, which
    /// spreadsheets write, is none of it.
    ///
    /// # Errors
    ///
    /// The row, counted from 1, that has not a field for each column, or that ends within quotes.
    pub fn read(text: &'a str) -> Result<Self, String> {
        let mut lines = without_mark(text).lines();
        let head = lines.next().unwrap_or_default();
        let names = fields(head).ok_or("header: a quote without an end")?;
        let row = |(index, line): (usize, &'a str)| {
            let wrong = |what: String| format!("row {}: {what}", index + 1);
            let row = fields(line).ok_or_else(|| wrong("a quote without an end".to_string()))?;
            match row.len() == names.len() {
                true => Ok(row),
                false => Err(wrong(format!("expected {} fields, got {}", names.len(), row.len()))),
            }
        };
        let rows = lines.enumerate().map(row).collect::<Result<_, String>>()?;
        Ok(Self { names, rows })
    }

    /// Where the column of this name stands.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|column| column == name)
    }
}

/// A field as it stands in a table.
pub fn field(text: &str) -> Cow<'_, str> {
    match text.contains([',', '"']) {
        true => Cow::Owned(format!("\"{}\"", text.replace('"', "\"\""))),
        false => Cow::Borrowed(text),
    }
}

/// The fields of a line; `None` where it ends within quotes.
fn fields(mut line: &str) -> Option<Vec<Cow<'_, str>>> {
    let mut fields = Vec::new();
    loop {
        let (field, rest) = match line.strip_prefix('"') {
            Some(quoted) => {
                let end = end_of_quote(quoted)?;
                let field = Cow::Owned(quoted[..end].replace("\"\"", "\""));
                (field, quoted[end + 1..].split_once(',').map(|(_, rest)| rest))
            }
            None => match line.split_once(',') {
                Some((field, rest)) => (Cow::Borrowed(field), Some(rest)),
                None => (Cow::Borrowed(line), None),
            },
        };
        fields.push(field);
        match rest {
            Some(rest) => line = rest,
            None => return Some(fields),
        }
    }
}

/// Where the first quote stands that is not one of a pair.
fn end_of_quote(text: &str) -> Option<usize> {
    let mut quotes = text.match_indices('"').map(|(at, _)| at).peekable();
    while let Some(at) = quotes.next() {
        if quotes.next_if_eq(&(at + 1)).is_none() {
            return Some(at);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_back_whatever_is_in_them() {
        let texts = ["plain", "a,b", "say \"no\"", "\"", "", "\",\""];
        let line: Vec<_> = texts.iter().map(|text| field(text)).collect();
        let table = format!("a,b,c,d,e,f\n{}\n", line.join(","));
        let read = Csv::read(&table).unwrap();
        assert_eq!(read.rows, [texts]);
        assert_eq!((read.column("b"), read.column("g")), (Some(1), None));
        let marked = format!("\u{feff}{table}");
        assert_eq!(Csv::read(&marked), Csv::read(&table));
    }

    #[test]
    fn what_is_no_table_is_told_with_its_row() {
        assert_eq!(Csv::read("").unwrap().rows.len(), 0);
        let refused = |text| Csv::read(text).unwrap_err();
        assert_eq!(refused("a,b\n1,2\n1\n"), "row 2: expected 2 fields, got 1");
        assert_eq!(refused("a\n\"1\n"), "row 1: a quote without an end");
        assert_eq!(refused("\"a"), "header: a quote without an end");
    }
}
