//! The classes that folders name, as a line, and those that a file names.

use std::path::Path;

use cobasis_cli::Error;
use cobasis_data::regular::{MAX_TEXT, read_text};
use cobasis_data::text::printable;
use cobasis_data::{ClassCount, text_file};

use super::output::grouped;

/// Classes that are listed before the rest is only counted.
const LISTED: usize = 20;

/// `3 classes: ant (8 images), bee (8), cat (7)`
pub(crate) fn class_list(classes: &[ClassCount]) -> String {
    let listed = classes.iter().take(LISTED).enumerate();
    let listed = listed.map(|(index, ClassCount { name, images })| {
        let name = printable(name);
        let unit = if index == 0 { " images" } else { "" };
        format!("{name} ({}{unit})", grouped(*images as u64))
    });
    let mut parts: Vec<String> = listed.collect();
    if let more @ 1.. = classes.len().saturating_sub(LISTED) {
        parts.push(format!("and {} more", grouped(more as u64)));
    }
    format!("{} classes: {}", grouped(classes.len() as u64), parts.join(", "))
}

/// The names of classes in a text file, one on each line.
pub(crate) fn read_classes(path: &Path) -> Result<Vec<String>, Error> {
    let text = read_text(path, MAX_TEXT);
    let text = text.map_err(|error| Error::Usage(format!("{}: {error}", path.display())))?;
    Ok(text_file::lines(&text).map(String::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(count: usize) -> Vec<ClassCount> {
        let class = |index: usize| ClassCount { name: format!("c{index}"), images: 1000 + index };
        (0..count).map(class).collect()
    }

    #[test]
    fn few_classes_are_all_named_and_many_shortened() {
        assert_eq!(class_list(&classes(2)), "2 classes: c0 (1,000 images), c1 (1,001)");
        let line = class_list(&classes(1021));
        assert!(line.starts_with("1,021 classes: c0 (1,000 images), "), "{line}");
        assert!(line.ends_with(", c19 (1,019), and 1,001 more"), "{line}");
        let odd = [ClassCount { name: "a\u{1b}[31m".into(), images: 1 }];
        assert!(!class_list(&odd).contains('\u{1b}'));
    }
}
