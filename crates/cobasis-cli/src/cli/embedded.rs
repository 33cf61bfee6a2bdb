//! The shipped configurations, which are part of the program.

use cobasis_data::nearest::nearest;

/// Names, as below `configs/`, and texts, by name.
static CONFIGS: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/configs.rs"));

/// The text of a shipped configuration, such as `cifar10/resnet20.toml`.
pub(super) fn text(name: &str) -> Option<&'static str> {
    let name = name.strip_prefix("configs/").unwrap_or(name);
    CONFIGS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// The shipped name most like `wrong`, with or without its folder and ending.
pub(super) fn nearest_name(wrong: &str) -> Option<&'static str> {
    let stem = |name: &'static str| name.trim_end_matches(".toml");
    let last = |name: &'static str| stem(name).rsplit('/').next().unwrap_or(name);
    let wrong = wrong.trim_end_matches(".toml");
    let near = |short: &dyn Fn(&'static str) -> &'static str| {
        let choices: Vec<&str> = names().map(short).collect();
        let near = nearest(wrong, &choices)?;
        names().find(|name| short(name) == near)
    };
    near(&stem).or_else(|| near(&last))
}

/// The first sentence of a configuration's note.
pub(super) fn title(text: &str) -> String {
    let lines = text.lines().map_while(|line| line.strip_prefix("# "));
    let note = lines.collect::<Vec<_>>().join(" ");
    note.split_inclusive(['.', ':']).next().unwrap_or_default().trim_end_matches(['.', ':']).into()
}

/// Comparisons lie in this folder; they are no configurations of a run.
const COMPARISONS: &str = "compare/";

/// The names of all configurations of runs.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    CONFIGS.iter().map(|(name, _)| *name).filter(|name| !name.starts_with(COMPARISONS))
}

/// The names of all comparisons.
pub(super) fn comparisons() -> impl Iterator<Item = &'static str> {
    CONFIGS.iter().map(|(name, _)| *name).filter(|name| name.starts_with(COMPARISONS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cobasis_train::config::{Comparison, Config, DIGITS};

    #[test]
    fn every_shipped_configuration_is_embedded_and_loads() {
        assert!(names().count() > 50);
        for name in names() {
            let text = text(name).expect("a text");
            Config::parse_with(name, text, &[]).unwrap_or_else(|error| panic!("{error}"));
        }
        for (name, text) in CONFIGS.iter().filter(|(name, _)| name.starts_with(COMPARISONS)) {
            Comparison::parse(name, text).unwrap_or_else(|error| panic!("{error}"));
        }
        assert_eq!(nearest_name("cifar10/resnet21.toml"), Some("cifar10/resnet20.toml"));
        assert_eq!(nearest_name("resnet34-s32u1"), Some("cifar100/resnet34-s32u1.toml"));
        assert_eq!(nearest_name("nothing at all"), None);
        assert_eq!(text("digits.toml"), Some(DIGITS));
        assert_eq!(text("configs/cifar100.toml"), text("cifar100.toml"));
    }
}
