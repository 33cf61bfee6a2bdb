//! Image folders in the layout of ImageNet: `train/CLASS/IMAGE` and `val/CLASS/IMAGE`.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::DataError;
use super::files::ImageFiles;
use super::image_set::{ImageSet, SetInfo};
use super::{Split, View};

/// Endings of the files that are images, in lower case.
const IMAGES: &[&str] = &["jpeg", "jpg", "png"];
/// Endings of images that are not read, in lower case.
const OTHER_IMAGES: &[&str] = &["avif", "bmp", "gif", "pgm", "ppm", "tif", "tiff", "webp"];
/// Folders below a class folder are searched this deep.
const MAX_DEPTH: usize = 16;
/// The folder of the training split.
const TRAIN: &str = "train";
/// Folders that the test split may be in; the first one that exists counts.
const TEST: &[&str] = &["val", "test"];

/// Loads one split of the image folder `dir`, the data set `name`; see [`super::load`].
pub(super) fn load(
    name: &str,
    dir: Option<&Path>,
    split: Split,
    view: View,
) -> Result<ImageSet, DataError> {
    let set = || name.to_string();
    let layout = || ["train/CLASS/*.jpg", "val/CLASS/*.jpg"].map(String::from).to_vec();
    let Some(dir) = dir else {
        return Err(DataError::DirectoryNotGiven { set: set(), files: layout() });
    };
    if !dir.is_dir() {
        let dir = dir.to_path_buf();
        return Err(DataError::NotADirectory { set: set(), dir, files: layout() });
    }
    let test = || TEST.iter().map(|test| dir.join(test)).find(|test| test.is_dir());
    let root = match split {
        Split::Train => Some(dir.join(TRAIN)).filter(|train| train.is_dir()),
        Split::Test => test(),
    };
    let Some(root) = root else {
        let folder = if split == Split::Train { TRAIN } else { TEST[0] };
        let (files, looked_in) = (vec![format!("{folder}/CLASS/*.jpg")], vec![dir.to_path_buf()]);
        return Err(DataError::MissingFiles { set: set(), files, looked_in });
    };
    // Labels count the classes of the training split, which may be more.
    let train = dir.join(TRAIN);
    let classes = classes(name, if train.is_dir() { &train } else { &root })?;

    let mut found = Found::default();
    let (mut names, mut labels) = (Vec::new(), Vec::new());
    for (label, class) in classes.iter().enumerate() {
        let folder = root.join(class);
        let before = names.len();
        if folder.is_dir() {
            found.collect(&folder, &mut names);
        }
        if names.len() == before {
            log::warn!("{}: no images of class {class:?}", folder.display());
        }
        labels.resize(names.len(), label as u16);
    }
    check_strangers(name, &root, &classes)?;
    found.warn(&root);
    if names.is_empty() {
        let (files, looked_in) = (vec!["CLASS/*.jpg".to_string()], vec![root]);
        return Err(DataError::MissingFiles { set: set(), files, looked_in });
    }
    let info = info(name, classes, view);
    if view.resize < view.size {
        let expected = format!("at least the size, {}", view.size);
        return Err(info.error("resize", expected, view.resize.to_string()));
    }
    ImageSet::of_files(info, ImageFiles { root, names, resize: view.resize as u32 }, labels)
}

/// What is true of every image.
pub(super) fn info(name: &str, classes: Vec<String>, view: View) -> SetInfo {
    SetInfo {
        name: name.to_string(),
        classes,
        shape: [3, view.size, view.size],
        // ImageNet's constants, as torchvision's recipes have them for any folder.
        mean: vec![0.485, 0.456, 0.406],
        std: vec![0.229, 0.224, 0.225],
        max_value: u8::MAX,
    }
}

/// The names of the folders in `root`, sorted as torchvision does, which makes them labels.
fn classes(set: &str, root: &Path) -> Result<Vec<String>, DataError> {
    let mut classes = Vec::new();
    for (path, is_dir) in entries(root)? {
        // Hidden folders are of tools, not of classes.
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if hidden || !is_dir {
            continue;
        }
        match path.file_name().and_then(OsStr::to_str) {
            Some(name) => classes.push(name.to_string()),
            None => {
                let source = io::Error::other("the name of a class is not UTF-8");
                return Err(DataError::Io { path, source });
            }
        }
    }
    if classes.is_empty() {
        let (files, looked_in) = (vec!["CLASS/*.jpg".to_string()], vec![root.to_path_buf()]);
        return Err(DataError::MissingFiles { set: set.to_string(), files, looked_in });
    }
    if classes.len() > usize::from(u16::MAX) {
        return Err(DataError::Inconsistent {
            set: set.to_string(),
            what: format!("folders in {}", root.display()),
            expected: format!("at most {} classes", u16::MAX),
            got: classes.len().to_string(),
        });
    }
    Ok(classes)
}

/// Refuses classes of a test split that no image was learnt from: a slip in names would otherwise
/// show as errors of the network.
fn check_strangers(set: &str, root: &Path, known: &[String]) -> Result<(), DataError> {
    let strangers = classes(set, root)?.into_iter().filter(|class| !known.contains(class));
    let strangers: Vec<String> = strangers.collect();
    match strangers.first() {
        None => Ok(()),
        Some(first) => Err(DataError::Inconsistent {
            set: set.to_string(),
            what: format!("folders in {}", root.display()),
            expected: format!("the {} classes of {TRAIN}", known.len()),
            got: format!("{} others, such as {first:?}", strangers.len()),
        }),
    }
}

/// What the search of a folder came upon beside images.
#[derive(Default)]
pub(super) struct Found {
    /// Images of formats that are not read: how many, and the first.
    others: (usize, PathBuf),
    /// Links that lead to a folder seen before, or nowhere, and folders too deep.
    lost: (usize, PathBuf),
}

impl Found {
    /// Appends the images in a folder, such as that of a class, and the folders below, in the order of their
    /// names, relative to that folder.
    pub(super) fn collect(&mut self, class: &Path, names: &mut Vec<Box<Path>>) {
        // A folder is searched once, which ends loops of links.
        let mut seen = HashSet::new();
        self.search(class, class, 0, &mut seen, names);
    }

    fn search(
        &mut self,
        class: &Path,
        folder: &Path,
        depth: usize,
        seen: &mut HashSet<PathBuf>,
        names: &mut Vec<Box<Path>>,
    ) {
        let real = fs::canonicalize(folder);
        let entries = entries(folder);
        let (Ok(real), Ok(entries)) = (real, entries) else {
            return count(&mut self.lost, folder);
        };
        // A link to a folder above would make all other classes part of this one.
        let above =
            depth > 0 && fs::canonicalize(class).is_ok_and(|class| class.starts_with(&real));
        if above || depth > MAX_DEPTH || !seen.insert(real) {
            return count(&mut self.lost, folder);
        }
        for (path, is_dir) in entries {
            if is_dir {
                self.search(class, &path, depth + 1, seen, names);
                continue;
            }
            let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
            let is = |endings: &[&str]| ending.as_deref().is_some_and(|e| endings.contains(&e));
            if is(IMAGES) {
                // It may be a link to nowhere: an unreadable image, which the loader will tell.
                names.push(path.strip_prefix(class).unwrap_or(&path).into());
            } else if is(OTHER_IMAGES) {
                count(&mut self.others, &path);
            } else if path.is_symlink() && !path.exists() {
                count(&mut self.lost, &path);
            }
        }
    }

    pub(super) fn warn(&self, root: &Path) {
        let root = root.display();
        if let (count @ 1.., first) = &self.others {
            let first = first.display();
            log::warn!(
                "{root}: {count} images are neither JPEG nor PNG, such as {first}; left out"
            );
        }
        if let (count @ 1.., first) = &self.lost {
            let first = first.display();
            log::warn!(
                "{root}: {count} links or folders lead in circles or nowhere, such as {first}; \
                 left out"
            );
        }
    }
}

/// Counts a path and keeps the first.
fn count((count, first): &mut (usize, PathBuf), path: &Path) {
    if *count == 0 {
        *first = path.to_path_buf();
    }
    *count += 1;
}

/// The paths in a folder, sorted by name, and whether each is a folder or a link to one.
fn entries(folder: &Path) -> Result<Vec<(PathBuf, bool)>, DataError> {
    let failed = |source| DataError::Io { path: folder.to_path_buf(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(failed)?);
        // Only links are asked where they lead: a million files would take their time.
        let is_dir = if kind.is_symlink() { path.is_dir() } else { kind.is_dir() };
        paths.push((path, is_dir));
    }
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use tempfile::{TempDir, tempdir};

    use super::*;
    use crate::data::{Augment, Batch, Crop, Loader, LoaderConfig, Source};
    use crate::data::{Dataset, DatasetName};

    const VIEW: View = View { size: 6, resize: 7 };

    /// A PNG image of one colour.
    fn image(width: u32, height: u32, colour: [u8; 3]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width, height);
        encoder.set_color(png::ColorType::Rgb);
        let mut writer = encoder.write_header().expect("a header");
        let pixels = colour.repeat((width * height) as usize);
        writer.write_image_data(&pixels).expect("pixels");
        writer.finish().expect("an end");
        bytes
    }

    fn write(dir: &TempDir, name: &str, bytes: &[u8]) {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        fs::write(path, bytes).expect("a file");
    }

    /// Two classes, four training images and two test images, of different sizes.
    fn folder() -> TempDir {
        let dir = tempdir().expect("a folder");
        write(&dir, "train/b cats/2.png", &image(9, 7, [0, 0, 200]));
        write(&dir, "train/b cats/deep/3.PNG", &image(6, 20, [0, 0, 210]));
        write(&dir, "train/a dogs/1.JPEG", &image(8, 8, [100, 0, 0]));
        write(&dir, "train/a dogs/10.png", &image(30, 6, [110, 0, 0]));
        write(&dir, "val/b cats/1.png", &image(7, 7, [0, 0, 220]));
        write(&dir, "val/a dogs/1.png", &image(7, 7, [120, 0, 0]));
        // Not images.
        write(&dir, "train/a dogs/list.txt", b"1.JPEG");
        write(&dir, "train/.cache/0.png", &image(7, 7, [0; 3]));
        dir
    }

    fn source(dir: &TempDir) -> Source {
        let dir = Some(dir.path().to_path_buf());
        Source { name: DatasetName::Folder, dir, view: VIEW }
    }

    fn refused(dir: &TempDir, split: Split) -> String {
        let error = source(dir).load(split).expect_err("must be refused").to_string();
        error.replace(&dir.path().display().to_string(), "DIR")
    }

    /// The batches of an epoch of training images.
    fn batches(set: ImageSet, crop: Crop, workers: usize) -> Vec<Result<Batch, String>> {
        let augment = Augment { crop, flip: true };
        let config = LoaderConfig { batch_size: 3, shuffle: true, augment, seed: 5, workers };
        let loader = Loader::new(set.into(), config).expect("a loader");
        loader.epoch(1).map(|batch| batch.map_err(|error| error.to_string())).collect()
    }

    #[test]
    fn folders_name_the_classes_and_files_are_sorted() -> Result<(), DataError> {
        let dir = folder();
        let set = Dataset::load(&source(&dir))?;
        assert_eq!(set.train.info().classes, ["a dogs", "b cats"]);
        assert_eq!((set.train.labels(), set.test.labels()), (&[0, 0, 1, 1][..], &[0, 1][..]));
        let names = ["a dogs/1.JPEG", "a dogs/10.png", "b cats/2.png", "b cats/deep/3.PNG"];
        for (index, name) in names.iter().enumerate() {
            let path = dir.path().join("train").join(name);
            assert_eq!(set.train.describe(index), path.display().to_string());
        }
        let half = set.train.subset(&[3, 0]);
        assert_eq!((half.labels(), half.shape()), (&[1, 0][..], [3, 6, 6]));
        assert!(half.describe(0).ends_with("3.PNG"));
        Ok(())
    }

    #[test]
    fn images_of_all_sizes_become_normalised_squares() -> Result<(), DataError> {
        let dir = folder();
        let set = source(&dir).load(Split::Train)?;
        let key = crate::data::AugmentKey { seed: 0, epoch: 0 };
        let batch = Batch::new(&set, &[0, 1, 2, 3], Augment::NONE, key);
        assert_eq!((batch.shape, batch.labels.as_slice()), ([4, 3, 6, 6], &[0, 0, 1, 1][..]));
        for (image, colour) in
            [[100, 0, 0], [110, 0, 0], [0, 0, 200], [0, 0, 210]].iter().enumerate()
        {
            for (channel, &value) in colour.iter().enumerate() {
                let expected = (f32::from(value as u8) / 255.0 - set.info().mean[channel])
                    / set.info().std[channel];
                let plane = &batch.images[(image * 3 + channel) * 36..][..36];
                assert!(plane.iter().all(|got| (got - expected).abs() < 1e-5), "{plane:?}");
            }
        }
        Ok(())
    }

    #[test]
    fn batches_do_not_depend_on_the_number_of_workers() -> Result<(), DataError> {
        let dir = folder();
        let set = source(&dir).load(Split::Train)?;
        for crop in [Crop::Resized, Crop::Padded(2)] {
            let inline = batches(set.clone(), crop, 0);
            let images = inline.iter().map(|batch| batch.as_ref().map(|batch| batch.shape[0]));
            assert_eq!(images.collect::<Vec<_>>(), [Ok(3), Ok(1)]);
            for workers in [1, 2, 5] {
                assert_eq!(batches(set.clone(), crop, workers), inline);
            }
        }
        Ok(())
    }

    #[test]
    fn unreadable_images_are_left_out_and_counted_once() -> Result<(), DataError> {
        let dir = folder();
        write(&dir, "train/a dogs/2.png", b"a text");
        write(&dir, "train/b cats/9.jpg", &[0xff, 0xd8, 0xff]);
        let set = source(&dir).load(Split::Train)?;
        let augment = Augment { crop: Crop::Resized, flip: false };
        let config = LoaderConfig { batch_size: 6, shuffle: true, augment, seed: 0, workers: 2 };
        let loader = Loader::new(set.into(), config)?;
        for epoch in 0..3 {
            let batches: Result<Vec<Batch>, DataError> = loader.epoch(epoch).collect();
            let batch = batches?.remove(0);
            assert_eq!((batch.shape[0], batch.labels.len(), batch.images.len()), (4, 4, 4 * 108));
            assert!(!batch.indices.contains(&2) && batch.unreadable.len() == 2);
            assert_eq!(loader.num_unreadable(), 2);
        }
        Ok(())
    }

    #[test]
    fn a_batch_of_unreadable_images_is_an_error() -> Result<(), DataError> {
        let dir = folder();
        let set = source(&dir).load(Split::Train)?;
        fs::remove_dir_all(dir.path().join("train")).expect("removed");
        let batch = batches(set, Crop::Resized, 1).remove(0).expect_err("must fail");
        assert!(batch.starts_with("folder: none of the 3 images of a batch could be read"));
        assert!(batch.contains("cannot be read"), "{batch}");
        Ok(())
    }

    #[test]
    fn an_empty_class_keeps_its_label() -> Result<(), DataError> {
        let dir = folder();
        fs::create_dir(dir.path().join("train/ant")).expect("a folder");
        let set = source(&dir).load(Split::Train)?;
        assert_eq!((set.num_classes(), set.labels()), (3, &[0, 0, 2, 2][..]));
        // The test split has its labels from the folders of the training split.
        assert_eq!(source(&dir).load(Split::Test)?.labels(), [0, 2]);
        Ok(())
    }

    #[cfg(unix)]
    #[test]
    fn loops_of_links_end() -> Result<(), DataError> {
        use std::os::unix::fs::symlink;
        let dir = folder();
        let dogs = dir.path().join("train/a dogs");
        symlink(&dogs, dogs.join("again")).expect("a link");
        symlink(dir.path().join("train/b cats"), dogs.join("cats")).expect("a link");
        symlink(&dogs, dir.path().join("train/b cats/dogs")).expect("a link");
        symlink(dogs.join("self"), dogs.join("self")).expect("a link");
        symlink(dir.path(), dogs.join("up")).expect("a link");
        symlink(dir.path().join("none"), dogs.join("nowhere.jpg")).expect("a link");
        let set = source(&dir).load(Split::Train)?;
        // The dogs: 1, 10, nowhere, and through the link the cats 2 and 3; the cats the same.
        assert_eq!(set.labels(), [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]);
        Ok(())
    }

    #[test]
    fn folders_of_another_layout_are_refused() {
        let dir = tempdir().expect("a folder");
        let said = refused(&dir, Split::Train);
        assert_eq!(said, "folder: missing train/CLASS/*.jpg, looked in DIR");
        write(&dir, "train/1.png", &image(7, 7, [0; 3]));
        assert_eq!(refused(&dir, Split::Train), "folder: missing CLASS/*.jpg, looked in DIR/train");
        assert_eq!(refused(&dir, Split::Test), "folder: missing val/CLASS/*.jpg, looked in DIR");
        fs::create_dir(dir.path().join("train/cats")).expect("a folder");
        assert_eq!(refused(&dir, Split::Train), "folder: missing CLASS/*.jpg, looked in DIR/train");
        write(&dir, "val/birds/1.png", &image(7, 7, [0; 3]));
        let said = refused(&dir, Split::Test);
        assert!(
            said.ends_with("the 1 classes of train, got 1 others, such as \"birds\""),
            "{said}"
        );
    }

    #[test]
    fn a_test_split_alone_has_its_own_classes() -> Result<(), DataError> {
        let dir = tempdir().expect("a folder");
        write(&dir, "test/x/1.png", &image(7, 7, [0; 3]));
        let set = source(&dir).load(Split::Test)?;
        assert_eq!((set.info().classes.as_slice(), set.len()), (&["x".to_string()][..], 1));
        Ok(())
    }
}
