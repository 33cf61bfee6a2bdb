//! `[data]`: which images, where they are, and how they are fed.

use std::path::PathBuf;

use cobasis_data::choice::choices;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::{ConfigError, count, expect};
use super::one_or_more;
use crate::data::{Augment, Crop, DatasetName, Source, View};

/// More padding than this exceeds the side of the largest images of one size known here.
const MAX_PAD: usize = 32;
/// Sides of images that networks of the zoo can have, in pixels.
const SIZES: std::ops::RangeInclusive<usize> = 16..=1024;
/// Bytes of a name of a list, a file or a folder, and folders of images: one for each part.
const MAX_NAME: usize = 4096;
const MAX_FOLDERS: usize = 3;
/// Each worker is a thread with its own batch in memory; a larger number is a slip.
const MAX_WORKERS: usize = 256;
/// Channels of a colour image.
const COLOURS: usize = 3;

choices! {
    /// Which images choose the best epoch.
    Protocol {
        /// The test set, as the authors have it: the best epoch's number is optimistic.
        Paper = "paper",
        /// A part of the training set; the test set is looked at once, after the last epoch.
        TrainVal = "train/val",
    }
}

choices! {
    /// How training images are cropped at random.
    CropKind {
        /// A window of the image's own size after zeros were put around it.
        Padded = "padded",
        /// A part of random area and shape, resized: torchvision's RandomResizedCrop.
        Resized = "resized",
    }
}

/// The data set, preprocessing and loading.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DataConfig {
    /// The data set; must fit the model.
    pub name: DatasetName,
    /// Directory of the data set; `--data` on the command line takes precedence.
    pub dir: Option<PathBuf>,
    /// For coco and voc: what is trained on. With voc, a list of the folder ImageSets/Main, such as
    /// train; with coco, a JSON file below `dir`.
    pub train: Option<String>,
    /// For coco and voc: what chooses the best epoch with split = "train/val", as in `train`; absent =
    /// training images that are held out.
    pub val: Option<String>,
    /// For coco and voc: what judges the result, and with split = "paper" every epoch, as in `train`.
    pub test: Option<String>,
    /// For coco: the folder below `dir` that file names of images are in, or one for each of train, val
    /// and test as far as these are given; empty = the folder of each JSON file.
    #[serde(deserialize_with = "one_or_more::deserialize")]
    #[schemars(schema_with = "one_or_more::schema")]
    pub images: Vec<String>,
    /// Which images evaluate every epoch and select the best one: paper = the test set, as the
    /// authors do; train/val = a validation set: `val` where that is given, else `val_images`
    /// training images, which are not trained on.
    pub split: Protocol,
    /// Size of the validation set held out with split = "train/val", at least 1; absent = every
    /// tenth training image (5,000 for CIFAR).
    pub val_images: Option<usize>,
    /// Train on a random subset of this many training images, at least 1; the subset is the same in
    /// every run, whatever the seed; absent = all.
    pub train_images: Option<usize>,
    /// Whether to download the data set if its files are missing, into `dir` or the cache.
    pub download: bool,
    /// Side of the network's input images in pixels, 16 to 1024, to which images of one size are resized;
    /// absent = the model's input size for image folders, and for sets of one size their own.
    pub size: Option<usize>,
    /// Channels of the network's input images: 3 gives grey images three equal channels; absent = the
    /// images' own, and 3 for a file's model (init.from) that takes colour images.
    pub channels: Option<usize>,
    /// Length in pixels to which the shorter side of a test image is resized before the centre
    /// crop; only for image folders; absent = `size` * 256 / 224.
    pub resize: Option<usize>,
    /// Random crop of training images: padded, or resized as torchvision's RandomResizedCrop (only
    /// for image folders).
    pub crop: CropKind,
    /// Zero padding in pixels on each side before a padded crop, at most 32; 0 = no crop.
    pub pad: usize,
    /// Random horizontal flip of training images, with probability 1/2.
    pub flip: bool,
    /// Data loader threads, at most 256; 0 = load in the training thread.
    pub workers: usize,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            name: DatasetName::Cifar10,
            dir: None,
            train: None,
            val: None,
            test: None,
            images: Vec::new(),
            split: Protocol::Paper,
            val_images: None,
            train_images: None,
            download: false,
            size: None,
            channels: None,
            resize: None,
            crop: CropKind::Padded,
            pad: 4,
            flip: true,
            workers: 2,
        }
    }
}

impl DataConfig {
    pub(super) fn full() -> Self {
        let text = || Some("TEXT".to_owned());
        Self {
            dir: Some(PathBuf::from("DIR")),
            train: text(),
            val: text(),
            test: text(),
            images: vec!["FOLDER".to_owned()],
            val_images: Some(5000),
            train_images: Some(10_000),
            size: Some(224),
            channels: Some(COLOURS),
            resize: Some(256),
            ..Self::default()
        }
    }

    /// The random changes to training images.
    pub fn augment(&self) -> Augment {
        let crop = match self.crop {
            CropKind::Padded => Crop::Padded(self.pad),
            CropKind::Resized => Crop::Resized,
        };
        Augment { crop, flip: self.flip }
    }

    /// Where the images come from, for a model made for images of side `side`.
    pub(super) fn source(&self, side: usize) -> Source {
        let view = View::of_size(self.size.unwrap_or(side));
        let view = View { resize: self.resize.unwrap_or(view.resize), ..view };
        let (name, dir, channels) = (self.name, self.dir.clone(), self.channels);
        Source { name, dir, view, side: self.size, channels }
    }

    /// Whether its images are grey, and were not asked to be anything else.
    pub(crate) fn is_grey(&self) -> bool {
        let info = self.name.info(View::of_size(*SIZES.start()));
        self.channels.is_none() && info.shape[0] == 1
    }

    /// Checks how the keys fit together.
    pub(super) fn check_together(&self) -> Result<(), ConfigError> {
        let only = |key: &str, value: &str| {
            let problem = format!("only for images in folders, not for \"{}\"", self.name);
            Err(ConfigError::at(key, format!("{value} is {problem}")))
        };
        if !self.name.is_folder() {
            if let (Some(size), true) = (self.size, self.name.has_boxes()) {
                return only("data.size", &size.to_string());
            }
            if let Some(resize) = self.resize {
                return only("data.resize", &resize.to_string());
            }
            if self.crop == CropKind::Resized {
                return only("data.crop", "\"resized\"");
            }
        }
        self.check_boxes()?;
        if let (Some(channels), false) = (self.channels, self.is_possible()) {
            let problem = format!("expected 3 for \"{}\", got {channels}", self.name);
            return Err(ConfigError::at("data.channels", problem));
        }
        let pad_fits = self.crop == CropKind::Padded || self.pad == 0;
        expect("data.pad", self.pad, pad_fits, "0 with data.crop = \"resized\"")
    }

    /// Whether its images can have the channels that are asked for.
    fn is_possible(&self) -> bool {
        let own = self.name.info(View::of_size(*SIZES.start())).shape[0];
        self.channels.is_none_or(|channels| [own, COLOURS].contains(&channels))
    }

    /// Checks that sets with boxes, and no others, say where these are.
    fn check_boxes(&self) -> Result<(), ConfigError> {
        let parts = self.parts();
        let count = parts.iter().filter(|(_, part)| part.is_some()).count();
        if !self.name.has_boxes() {
            let mut given = parts.into_iter().filter(|(_, part)| part.is_some());
            let images = (!self.images.is_empty()).then_some(("data.images", None));
            return match given.next().or(images) {
                None => Ok(()),
                Some((key, _)) => {
                    let problem =
                        format!("is only for \"coco\" and \"voc\", not for \"{}\"", self.name);
                    Err(ConfigError::at(key, problem))
                }
            };
        }
        let what = match self.name {
            DatasetName::Voc => "the name of a list in ImageSets/Main",
            _ => "the name of a JSON file",
        };
        for (key, part) in [parts[0], parts[2]] {
            if part.is_none() {
                let problem =
                    format!("expected {what} with data.name = \"{}\", got nothing", self.name);
                return Err(ConfigError::at(key, problem));
            }
        }
        if self.val.is_some() && self.val_images.is_some() {
            let problem = "expected nothing, since there is data.val, whose images are all taken";
            return Err(ConfigError::at("data.val_images", problem));
        }
        if self.name == DatasetName::Voc {
            let expected = "nothing with data.name = \"voc\", whose images are in JPEGImages";
            return expect("data.images", &self.images, self.images.is_empty(), expected);
        }
        let fits = [0, 1, count].contains(&self.images.len());
        let expected = format!("one folder, or {count}: one for each of train, val and test given");
        expect("data.images", &self.images, fits, &expected)
    }

    /// The keys of the parts of a set with boxes, and their values.
    fn parts(&self) -> [(&'static str, Option<&str>); 3] {
        let [train, val, test] = [&self.train, &self.val, &self.test].map(Option::as_deref);
        [("data.train", train), ("data.val", val), ("data.test", test)]
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if let Some(dir) = &self.dir {
            expect("data.dir", dir, !dir.as_os_str().is_empty(), "a directory")?;
        }
        let named = |text: &str| !text.is_empty() && text.len() <= MAX_NAME;
        for (key, part) in self.parts() {
            if let Some(part) = part {
                expect(key, part, named(part), "a name of 1 to 4096 characters")?;
            }
        }
        let folders = self.images.len();
        expect("data.images", folders, folders <= MAX_FOLDERS, "at most 3 folders")?;
        for (index, folder) in self.images.iter().enumerate() {
            let key = format!("data.images[{index}]");
            expect(key, folder, named(folder), "a name of 1 to 4096 characters")?;
        }
        if let Some(images) = self.val_images {
            count("data.val_images", images, "at least 1")?;
        }
        if let Some(images) = self.train_images {
            count("data.train_images", images, "at least 1; leave it out for all")?;
        }
        if let Some(channels) = self.channels {
            let is_possible = [1, COLOURS].contains(&channels);
            expect("data.channels", channels, is_possible, "1 or 3")?;
        }
        if let Some(size) = self.size {
            expect("data.size", size, SIZES.contains(&size), "16 to 1024 pixels")?;
        }
        if let Some(resize) = self.resize {
            let least = self.size.unwrap_or(*SIZES.start());
            let expected = match self.size {
                Some(size) => format!("{size} (data.size) to 4096 pixels"),
                None => format!("{least} to 4096 pixels"),
            };
            let fits = (least..=4096).contains(&resize);
            expect("data.resize", resize, fits, &expected)?;
        }
        expect("data.pad", self.pad, self.pad <= MAX_PAD, "at most 32 pixels")?;
        expect("data.workers", self.workers, self.workers <= MAX_WORKERS, "at most 256 threads")
    }
}
