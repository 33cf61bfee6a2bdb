//! 1,797 handwritten digits of 8×8 pixels, part of the program: a data set without a download.
//!
//! E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning
//! Repository, 1998, licensed under CC BY 4.0; the file is made by `assets/make_digits.py`, which
//! describes its format. The writers of the images are not known, so that the split below, unlike
//! that of the original data, has the same hands on both sides.

use super::Split;
use super::error::DataError;
use super::image_set::ImageSet;
use super::rng::SplitMix64;
use super::set_info::SetInfo;

/// Records of one label byte and 64 grey values.
static RECORDS: &[u8] = include_bytes!("../assets/digits.bin");
/// Size of one record, in bytes.
const RECORD_LEN: usize = 1 + 8 * 8;
/// Images in the training split, 80 % of all.
const TRAIN_LEN: usize = 1437;
/// Decides which images are in which split. A part of the data set, the same for every run.
const SPLIT_SEED: u64 = 1998;
/// Mean of the pixels of the training split, where 16 is 1.
const MEAN: f32 = 0.305_441_84;
/// Standard deviation of the pixels of the training split, where 16 is 1.
const STD: f32 = 0.376_429_56;

/// One split of the digits.
pub(crate) fn load(split: Split) -> Result<ImageSet, DataError> {
    let all = all()?;
    let order = SplitMix64::new(SPLIT_SEED).permutation(all.len());
    let (train, test) = order.split_at(TRAIN_LEN);
    Ok(all.subset(match split {
        Split::Train => train,
        Split::Test => test,
    }))
}

/// All digits, in the order of the file.
fn all() -> Result<ImageSet, DataError> {
    let records = RECORDS.chunks_exact(RECORD_LEN);
    let pixels = records.clone().flat_map(|record| &record[1..]).copied().collect();
    let labels = records.map(|record| u16::from(record[0])).collect();
    ImageSet::new(info(), pixels, labels)
}

/// What is true of every digit.
pub(super) fn info() -> SetInfo {
    SetInfo {
        name: "digits".into(),
        classes: (0..10).map(|digit| digit.to_string()).collect(),
        shape: [1, 8, 8],
        mean: vec![MEAN],
        std: vec![STD],
        max_value: 16,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FNV-1a, enough to notice any change of a byte or of an order.
    fn hash(set: &ImageSet) -> u64 {
        let bytes = (0..set.len()).flat_map(|index| {
            [set.label(index) as u8].into_iter().chain(set.image(index).iter().copied())
        });
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
    }

    fn histogram(set: &ImageSet) -> [usize; 10] {
        let mut counts = [0; 10];
        set.labels().iter().for_each(|&label| counts[usize::from(label)] += 1);
        counts
    }

    #[test]
    fn all_digits_are_there() -> Result<(), DataError> {
        assert_eq!(RECORDS.len(), 1797 * RECORD_LEN);
        let all = all()?;
        assert_eq!((all.len(), all.num_classes(), all.shape()), (1797, 10, [1, 8, 8]));
        // The counts that the data set's own description gives for its test part.
        assert_eq!(histogram(&all), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
        assert_eq!(all.label(0), 0);
        assert_eq!(all.image(0)[..16], [0, 0, 5, 13, 9, 1, 0, 0, 0, 0, 13, 15, 10, 15, 5, 0]);
        assert_eq!(all.subset(&(0..1797).collect::<Vec<_>>()), all);
        Ok(())
    }

    #[test]
    fn the_splits_share_no_image_and_lose_none() -> Result<(), DataError> {
        let (train, test) = (load(Split::Train)?, load(Split::Test)?);
        assert_eq!((train.len(), test.len()), (1437, 360));
        let images = |set: &ImageSet| -> Vec<Vec<u8>> {
            (0..set.len()).map(|index| set.image(index).to_vec()).collect()
        };
        let mut both = [images(&train), images(&test)].concat();
        let mut whole = images(&all()?);
        both.sort_unstable();
        whole.sort_unstable();
        assert!(both == whole);
        whole.dedup();
        assert_eq!(whole.len(), 1797, "no image occurs twice");
        Ok(())
    }

    #[test]
    fn the_splits_never_change() -> Result<(), DataError> {
        let (train, test) = (load(Split::Train)?, load(Split::Test)?);
        assert_eq!(histogram(&test), [36, 36, 36, 27, 34, 37, 41, 36, 40, 37]);
        assert_eq!(
            (hash(&train), hash(&test)),
            (4_152_564_618_861_654_110, 18_384_122_691_328_079_138)
        );
        Ok(())
    }

    #[test]
    fn mean_and_deviation_are_those_of_the_training_split() -> Result<(), DataError> {
        let train = load(Split::Train)?;
        let pixels = || (0..train.len()).flat_map(|index| train.image(index));
        let count = pixels().count() as f64;
        let mean = pixels().map(|&pixel| f64::from(pixel) / 16.0).sum::<f64>() / count;
        let square = pixels().map(|&pixel| (f64::from(pixel) / 16.0 - mean).powi(2)).sum::<f64>();
        let std = (square / count).sqrt();
        assert!((mean - f64::from(MEAN)).abs() < 1e-6, "the mean is {mean}");
        assert!((std - f64::from(STD)).abs() < 1e-6, "the deviation is {std}");
        Ok(())
    }
}
