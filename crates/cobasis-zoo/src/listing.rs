//! The models worth listing by name.

use crate::glob;
use crate::name::ModelName;
use crate::registry::{ENTRIES, PUBLISHED, Published, VARIANTS, entry};

/// The published result of a model, if there is one.
pub fn published(name: &ModelName) -> Option<&'static Published> {
    let name = name.to_string();
    PUBLISHED.iter().find(|published| published.name == name)
}

/// The named models: each dense network, followed by its variants.
///
/// Any other ranks make a model too; these are the ones worth listing.
pub fn names() -> impl Iterator<Item = ModelName> {
    let names = VARIANTS.iter().copied().chain(PUBLISHED.iter().map(|row| row.name));
    let variants: Vec<&str> = names.filter(|name| entry(name).is_none()).collect();
    ENTRIES.iter().flat_map(move |entry| {
        let of_entry = variants.clone().into_iter().filter_map(move |name| {
            let suffix = name.strip_prefix(&*entry.name)?;
            suffix.starts_with('-').then(|| name.parse().ok())?
        });
        std::iter::once(ModelName::from(entry)).chain(of_entry)
    })
}

/// The named models that match a pattern, in which `*` stands for any characters.
pub fn matching(pattern: &str) -> impl Iterator<Item = ModelName> {
    names().filter(move |name| glob::matches(pattern, &name.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_distinct_and_none_is_lost() {
        let names: Vec<String> = names().map(|name| name.to_string()).collect();
        let distinct: HashSet<&String> = names.iter().collect();
        assert_eq!(distinct.len(), names.len());
        let published = PUBLISHED.iter().map(|row| row.name);
        for name in published.chain(VARIANTS.iter().copied()) {
            assert!(distinct.contains(&name.to_string()), "{name} does not parse");
        }
    }

    #[test]
    fn a_star_matches_any_characters() {
        let count = |pattern: &str| matching(pattern).count();
        assert_eq!(count("*"), names().count());
        assert_eq!(count("cifar10/resnet32"), 1);
        assert_eq!(count("cifar10/resnet32-s*"), 3);
        assert_eq!(count("cifar10/resnet*-double"), 3);
        assert_eq!(count("*56*s16*"), 2);
        assert_eq!(count("nothing"), 0);
    }
}
