//! CIFAR-10 and CIFAR-100 in the binary layout in which their authors publish them.
//!
//! A record has one label byte (CIFAR-10), or a coarse and a fine one (CIFAR-100, of which the fine
//! one is used), then 3,072 pixel bytes: the red, the green and the blue plane, 32 rows of 32 each.

use std::path::Path;

use super::Split;
use super::error::DataError;
use super::image_set::ImageSet;
use super::locate::locate;
use super::record_file::RecordFormat;
use super::regular::{MAX_TEXT, read_text};
use super::set_info::SetInfo;
use super::text_file;

/// Shape of one image: `[channels, height, width]`.
const SHAPE: [usize; 3] = [3, 32, 32];
/// Pixels of one image, one byte each.
const IMAGE_LEN: usize = 3 * 32 * 32;

/// How one of the two data sets lies on disk, and what goes with it.
#[derive(Debug)]
pub(crate) struct Layout {
    /// Name of the data set.
    name: &'static str,
    /// The folder that unpacking the published archive makes.
    pub(super) folder: &'static str,
    /// Files of the training split, and the number of records in each.
    train: &'static [(&'static str, usize)],
    /// Files of the test split, and the number of records in each.
    test: &'static [(&'static str, usize)],
    /// What a record is made of.
    record: RecordFormat,
    /// The text file of class names, one a line.
    pub(super) names_file: &'static str,
    /// The class names for the case that this file is not there, by label.
    names: &'static str,
    /// Mean per channel.
    mean: [f32; 3],
    /// Standard deviation per channel.
    std: [f32; 3],
}

/// CIFAR-10: 5 × 10,000 training images, 10,000 test images, 10 classes.
pub(crate) const CIFAR10: Layout = Layout {
    name: "cifar10",
    folder: "cifar-10-batches-bin",
    train: &[
        ("data_batch_1.bin", 10_000),
        ("data_batch_2.bin", 10_000),
        ("data_batch_3.bin", 10_000),
        ("data_batch_4.bin", 10_000),
        ("data_batch_5.bin", 10_000),
    ],
    test: &[("test_batch.bin", 10_000)],
    record: RecordFormat { labels: &[("class", 10)], image_len: IMAGE_LEN },
    names_file: "batches.meta.txt",
    names: "airplane automobile bird cat deer dog frog horse ship truck",
    // ImageNet's constants, not CIFAR-10's: the paper's code trains and evaluates with these.
    mean: [0.485, 0.456, 0.406],
    std: [0.229, 0.224, 0.225],
};

/// CIFAR-100: 50,000 training images, 10,000 test images, 100 classes in 20 superclasses.
pub(crate) const CIFAR100: Layout = Layout {
    name: "cifar100",
    folder: "cifar-100-binary",
    train: &[("train.bin", 50_000)],
    test: &[("test.bin", 10_000)],
    record: RecordFormat { labels: &[("coarse", 20), ("fine", 100)], image_len: IMAGE_LEN },
    names_file: "fine_label_names.txt",
    names: "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus \
            butterfly camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach \
            couch crab crocodile cup dinosaur dolphin elephant flatfish forest fox girl hamster \
            house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree \
            motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear \
            pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray road \
            rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel \
            streetcar sunflower sweet_pepper table tank telephone television tiger tractor train \
            trout tulip turtle wardrobe whale willow_tree wolf woman worm",
    mean: [0.507, 0.487, 0.441],
    std: [0.267, 0.256, 0.276],
};

/// CIFAR-10 with two training images and one test image.
#[cfg(all(test, feature = "fetch"))]
pub(super) static SMALL: Layout =
    Layout { train: &[("data_batch_1.bin", 2)], test: &[("test_batch.bin", 1)], ..CIFAR10 };

impl Layout {
    /// The files of images, and the size of each in bytes.
    pub(super) fn files(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let bytes = self.record.record_len();
        let files = self.train.iter().chain(self.test);
        files.map(move |&(name, records)| (name, (records * bytes) as u64))
    }

    /// Loads one split from `dir`, or from the published folder inside it.
    ///
    /// Only the files of that split need to be there. Class names come from the text file beside
    /// them where it has the right number of lines.
    pub(crate) fn load(&self, dir: Option<&Path>, split: Split) -> Result<ImageSet, DataError> {
        let files = match split {
            Split::Train => self.train,
            Split::Test => self.test,
        };
        let names: Vec<&str> = files.iter().map(|&(file, _)| file).collect();
        let dir = locate(self.name, dir, self.folder, &names)?;

        let records = files.iter().map(|(_, records)| records).sum();
        let mut labels = Vec::with_capacity(records);
        let mut pixels = Vec::with_capacity(records * IMAGE_LEN);
        for &(file, records) in files {
            self.record.read(&dir.join(file), records, &mut pixels, &mut labels)?;
        }
        let info = SetInfo { classes: self.class_names(&dir), ..self.info() };
        ImageSet::new(info, pixels, labels)
    }

    /// What is true of every image, with the built-in names of the classes.
    pub(super) fn info(&self) -> SetInfo {
        SetInfo {
            name: self.name.into(),
            classes: self.names.split_whitespace().map(String::from).collect(),
            shape: SHAPE,
            mean: self.mean.to_vec(),
            std: self.std.to_vec(),
            max_value: u8::MAX,
        }
    }

    /// The names in the text file in `dir`, or the built-in ones where there is no file of as many
    /// names as classes: names are for reports only, and no reason to refuse the images.
    fn class_names(&self, dir: &Path) -> Vec<String> {
        let built_in = self.info().classes;
        let text = read_text(&dir.join(self.names_file), MAX_TEXT).unwrap_or_default();
        let names: Vec<String> = text_file::lines(&text).map(String::from).collect();
        if names.len() == built_in.len() { names } else { built_in }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::{TempDir, tempdir};

    use super::*;

    /// CIFAR-10 with two training files of two records and a test file of three.
    const TEN: Layout = Layout {
        train: &[("data_batch_1.bin", 2), ("data_batch_2.bin", 2)],
        test: &[("test_batch.bin", 3)],
        ..CIFAR10
    };
    /// CIFAR-100 with two records a split.
    const HUNDRED: Layout =
        Layout { train: &[("train.bin", 2)], test: &[("test.bin", 2)], ..CIFAR100 };

    /// Records with the given label bytes; pixel `p` of record `r` is `(7 * r + p) % 251`.
    fn records<const N: usize>(labels: &[[u8; N]]) -> Vec<u8> {
        let record = |(record, label): (usize, &[u8; N])| {
            let pixels = (0..IMAGE_LEN).map(move |pixel| ((7 * record + pixel) % 251) as u8);
            label.iter().copied().chain(pixels).collect::<Vec<u8>>()
        };
        labels.iter().enumerate().flat_map(record).collect()
    }

    /// A directory with the given files in the folder `folder`; "" is the directory itself.
    fn dir(folder: &str, files: &[(&str, Vec<u8>)]) -> TempDir {
        let dir = tempdir().expect("a temporary directory");
        let folder = dir.path().join(folder);
        fs::create_dir_all(&folder).expect("a folder");
        files.iter().for_each(|(name, bytes)| fs::write(folder.join(name), bytes).expect("a file"));
        dir
    }

    #[test]
    fn published_sizes_are_those_of_the_published_files() {
        let bytes =
            |layout: &Layout, (_, records): (&str, usize)| records * layout.record.record_len();
        assert!(CIFAR10.train.iter().all(|&file| bytes(&CIFAR10, file) == 30_730_000));
        assert_eq!(bytes(&CIFAR10, CIFAR10.test[0]), 30_730_000);
        assert_eq!(bytes(&CIFAR100, CIFAR100.train[0]), 153_700_000);
        assert_eq!(bytes(&CIFAR100, CIFAR100.test[0]), 30_740_000);
    }

    #[test]
    fn the_test_split_loads_from_both_places_without_the_training_files() -> Result<(), DataError> {
        let test = [("test_batch.bin", records(&[[9], [0], [4]]))];
        let set = TEN.load(Some(dir("", &test).path()), Split::Test)?;
        assert_eq!((set.labels(), set.shape()), ([9, 0, 4].as_slice(), [3, 32, 32]));
        assert_eq!(set.image(2)[..3], [14, 15, 16]);
        assert_eq!(set.info().classes, CIFAR10.names.split(' ').collect::<Vec<_>>());
        let deep = dir("cifar-10-batches-bin", &test);
        assert_eq!(set, TEN.load(Some(deep.path()), Split::Test)?);
        Ok(())
    }

    #[test]
    fn white_normalises_as_in_the_code_of_the_paper() {
        let white = |layout: &Layout| [0, 1, 2].map(|c| (1.0 - layout.mean[c]) / layout.std[c]);
        // (1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225
        let ten = [2.2489, 2.4286, 2.64];
        // (1 - 0.507) / 0.267, (1 - 0.487) / 0.256, (1 - 0.441) / 0.276
        let hundred = [1.8464, 2.0039, 2.0254];
        for (got, expected) in [(white(&CIFAR10), ten), (white(&CIFAR100), hundred)] {
            let near =
                got.iter().zip(expected).all(|(got, expected)| (got - expected).abs() < 1e-4);
            assert!(near, "{got:?}");
        }
    }

    #[test]
    fn training_files_follow_each_other() -> Result<(), DataError> {
        let second = records(&[[3], [4]]);
        let files =
            [("data_batch_2.bin", second.clone()), ("data_batch_1.bin", records(&[[1], [2]]))];
        let set = TEN.load(Some(dir("", &files).path()), Split::Train)?;
        assert_eq!(set.labels(), [1, 2, 3, 4]);
        assert_eq!(set.image(3), &second[IMAGE_LEN + 2..]);
        Ok(())
    }

    #[test]
    fn the_fine_label_is_the_label() -> Result<(), DataError> {
        let train = [("train.bin", records(&[[19, 99], [0, 17]]))];
        let dir = dir("cifar-100-binary", &train);
        let set = HUNDRED.load(Some(dir.path()), Split::Train)?;
        assert_eq!((set.labels(), set.num_classes()), ([99, 17].as_slice(), 100));
        assert_eq!(set.image(1)[..2], [7, 8]);
        Ok(())
    }

    #[test]
    fn a_coarse_label_out_of_range_is_refused() {
        let dir = dir("", &[("test.bin", records(&[[19, 99], [20, 17]]))]);
        let error = HUNDRED.load(Some(dir.path()), Split::Test).expect_err("must be refused");
        assert!(error.to_string().ends_with("expected a coarse label below 20, got 20"), "{error}");
    }

    #[test]
    fn class_names_are_read_where_their_number_is_right() -> Result<(), DataError> {
        let name = |lines: usize| -> Result<String, DataError> {
            let names: Vec<String> = (0..lines).map(|line| format!("name {line}\r\n")).collect();
            let names = ("fine_label_names.txt", (names.concat() + "\n").into_bytes());
            let files = [("test.bin", records(&[[1, 2]; 2])), names];
            let set = HUNDRED.load(Some(dir("", &files).path()), Split::Test)?;
            Ok(set.info().classes[17].clone())
        };
        assert_eq!(name(100)?, "name 17");
        let names: String = (0..100).map(|line| format!("name {line}\r\n")).collect();
        let names = ("fine_label_names.txt", format!("\u{feff}{names}").into_bytes());
        let files = [("test.bin", records(&[[1, 2]; 2])), names];
        let set = HUNDRED.load(Some(dir("", &files).path()), Split::Test)?;
        assert_eq!(set.info().classes[0], "name 0");
        for lines in [0, 99, 101] {
            assert_eq!(name(lines)?, "castle", "{lines} lines");
        }
        Ok(())
    }
}
