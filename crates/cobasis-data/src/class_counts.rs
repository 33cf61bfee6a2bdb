//! How many images each class has.

use super::geometry::Target;
use super::image_set::ImageSet;

/// A class and its images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassCount {
    /// The class.
    pub name: String,
    /// How many images of the set are of it.
    pub images: usize,
}

/// The classes of a set, by label, and their images; none where targets are no classes.
pub fn class_counts<T: Target>(set: &ImageSet<T>) -> Vec<ClassCount> {
    let mut counts = vec![0; set.num_classes()];
    for target in set.targets() {
        let Some(class) = target.class() else { return Vec::new() };
        counts[usize::from(class)] += 1;
    }
    let named = set.info().classes.iter().zip(counts);
    named.map(|(name, images)| ClassCount { name: name.clone(), images }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DataError, DatasetName, Source, Split};

    #[test]
    fn every_image_is_of_one_class() -> Result<(), DataError> {
        let set = Source::new(DatasetName::Digits, None, 8).load(Split::Test)?;
        let counts = class_counts(&set);
        assert_eq!((counts.len(), counts[3].name.as_str()), (10, "3"));
        assert_eq!(counts.iter().map(|count| count.images).sum::<usize>(), set.len());
        Ok(())
    }
}
