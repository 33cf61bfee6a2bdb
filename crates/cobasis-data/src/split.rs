//! Parts of a training set: images to validate on, and a fixed number to train on.

use super::error::DataError;
use super::geometry::Target;
use super::image_set::ImageSet;
use super::rng::SplitMix64;

/// Keeps the draw of the validation images apart from all others.
const DOMAIN: u64 = 0x686f_6c64_206f_7574;
/// One image of so many is held out unless told otherwise: 5,000 of CIFAR's 50,000.
const DEFAULT_SHARE: usize = 10;
/// Keeps the draw of the images to train on apart from all others.
const PART_DOMAIN: u64 = 0x7061_7274_206f_6600;

/// Splits a training set into images to train on and `count` images to validate on, every tenth
/// unless told otherwise. They are drawn at random, the same in every run whatever its seed, so
/// that runs can be compared; both parts keep the order of the set.
///
/// # Errors
///
/// [`DataError::Inconsistent`] where either part would be empty.
pub fn hold_out<T: Target>(
    set: &ImageSet<T>,
    count: Option<usize>,
) -> Result<(ImageSet<T>, ImageSet<T>), DataError> {
    if count.is_none() && set.len() < DEFAULT_SHARE {
        let expected = format!("at least {DEFAULT_SHARE}, to hold out a tenth, or data.val_images");
        return Err(set.info().error("training images", expected, set.len().to_string()));
    }
    let count = count.unwrap_or(set.len() / DEFAULT_SHARE);
    if !(1..set.len()).contains(&count) {
        let expected = format!("1 to {}", set.len().saturating_sub(1));
        return Err(set.info().error("data.val_images", expected, count.to_string()));
    }
    let mut order = SplitMix64::keyed(&[DOMAIN]).permutation(set.len());
    let (val, train) = order.split_at_mut(count);
    val.sort_unstable();
    train.sort_unstable();
    Ok((set.subset(train), set.subset(val)))
}

/// `count` images of a training set. They are drawn at random, the same in every run whatever its
/// seed, so that runs can be compared, and keep the order of the set. Those of a smaller count are
/// among those of a larger one.
///
/// # Errors
///
/// [`DataError::Inconsistent`] where the set has fewer images, and where `count` is 0.
pub fn take_images<T: Target>(set: &ImageSet<T>, count: usize) -> Result<ImageSet<T>, DataError> {
    if !(1..=set.len()).contains(&count) {
        let expected = format!("1 to {}", set.len());
        return Err(set.info().error("data.train_images", expected, count.to_string()));
    }
    let mut order = SplitMix64::keyed(&[PART_DOMAIN]).permutation(set.len());
    order.truncate(count);
    order.sort_unstable();
    Ok(set.subset(&order))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DatasetName, Source, Split};

    #[test]
    fn every_image_is_on_one_side_and_every_class_on_both() {
        let set = Source::new(DatasetName::Digits, None, 8).load(Split::Train).expect("digits");
        let (train, val) = hold_out(&set, None).expect("a split");
        assert_eq!((train.len(), val.len()), (1294, 143));
        let mut images: Vec<(&[u8], u16)> = [&train, &val]
            .into_iter()
            .flat_map(|part| (0..part.len()).map(|i| (part.image(i), part.label(i))))
            .collect();
        let mut all: Vec<_> = (0..set.len()).map(|i| (set.image(i), set.label(i))).collect();
        images.sort_unstable();
        all.sort_unstable();
        assert!(images == all);
        for class in 0..10 {
            assert!(val.labels().contains(&class) && train.labels().contains(&class));
        }
        assert!(hold_out(&set, None).expect("a split") == (train, val));
    }

    #[test]
    fn an_empty_part_is_refused() {
        let set = Source::new(DatasetName::Digits, None, 8).load(Split::Train).expect("digits");
        for count in [0, 1437, 5000] {
            let error = hold_out(&set, Some(count)).expect_err("an empty part").to_string();
            assert!(error.contains("data.val_images: expected 1 to 1436, got "), "{error}");
        }
        assert_eq!(hold_out(&set, Some(1436)).expect("a split").0.len(), 1);
    }

    #[test]
    fn a_part_is_always_the_same_and_part_of_a_larger_one() {
        let set = Source::new(DatasetName::Digits, None, 8).load(Split::Train).expect("digits");
        let images = |count| {
            let part = take_images(&set, count).expect("a part");
            (0..count).map(|i| (part.image(i).to_vec(), part.label(i))).collect::<Vec<_>>()
        };
        let (small, large) = (images(100), images(400));
        assert_eq!((images(100), images(1437).len()), (small.clone(), set.len()));
        assert!(small.iter().all(|image| large.contains(image)));
        for class in 0..10 {
            assert!(small.iter().any(|(_, label)| *label == class), "no image of {class}");
        }
        // The order of the set, not of the draw.
        let whole = images(1437);
        let places = large.iter().map(|image| whole.iter().position(|other| other == image));
        assert!(places.collect::<Vec<_>>().is_sorted());
    }

    #[test]
    fn a_part_that_is_none_is_refused() {
        let set = Source::new(DatasetName::Digits, None, 8).load(Split::Train).expect("digits");
        for count in [0, 1438] {
            let error = take_images(&set, count).expect_err("no part").to_string();
            assert!(error.contains("data.train_images: expected 1 to 1437, got "), "{error}");
        }
    }
}
