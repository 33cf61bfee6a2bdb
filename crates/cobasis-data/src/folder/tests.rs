//! Tests of image folders.

use std::fs;

use tempfile::{TempDir, tempdir};

use super::*;
use crate::{Augment, Batch, Crop, Loader, LoaderConfig, Source};
use crate::{Dataset, DatasetName};

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
    Source { view: VIEW, ..Source::new(DatasetName::Folder, dir, VIEW.size) }
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
    let key = crate::AugmentKey { seed: 0, epoch: 0 };
    let batch = Batch::new(&set, &[0, 1, 2, 3], Augment::NONE, key);
    assert_eq!((batch.shape, batch.labels.as_slice()), ([4, 3, 6, 6], &[0, 0, 1, 1][..]));
    for (image, colour) in [[100, 0, 0], [110, 0, 0], [0, 0, 200], [0, 0, 210]].iter().enumerate() {
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

#[test]
fn what_tools_leave_is_left_out_at_every_depth() -> Result<(), DataError> {
    let dir = folder();
    let expected = source(&dir).load(Split::Train)?;
    for name in [
        "train/a dogs/.ipynb_checkpoints/1-checkpoint.png",
        "train/a dogs/._1.JPEG",
        "train/b cats/deep/.cache/deeper/1.png",
        "train/b cats/deep/__MACOSX/1.png",
        "train/__MACOSX/a dogs/1.png",
        "train/.DS_Store",
        "train/a dogs/Thumbs.db",
        "train/a dogs/desktop.ini",
    ] {
        write(&dir, name, &image(7, 7, [0; 3]));
    }
    assert_eq!(source(&dir).load(Split::Train)?, expected);
    Ok(())
}

#[test]
fn all_endings_of_jpeg_and_webp_are_found_and_other_formats_counted() -> Result<(), DataError> {
    let dir = folder();
    for name in ["3.jfif", "4.JPE", "5.Jpg", "6.webp", "7.gif", "8.GIF", "9.bmp", "note.txt"] {
        write(&dir, &format!("train/a dogs/{name}"), &image(7, 7, [0; 3]));
    }
    let set = source(&dir).load(Split::Train)?;
    assert_eq!(set.labels(), [0, 0, 0, 0, 0, 0, 1, 1]);
    let (mut found, mut names) = (Found::default(), Vec::new());
    found.collect(&dir.path().join("train"), &mut names)?;
    assert_eq!(found.describe_others().as_deref(), Some("2 .gif, 1 .bmp"));
    Ok(())
}

#[cfg(target_os = "linux")]
#[test]
fn classes_that_would_be_missing_are_refused_with_their_path() {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    let dir = folder();
    let bird = dir.path().join("train/bird");
    symlink(&bird, &bird).expect("a link");
    let said = refused(&dir, Split::Train);
    assert!(
        said.ends_with(
            "train/bird: expected a folder, got a link that leads in circles or \
                            nowhere"
        ),
        "{said}"
    );
    fs::remove_file(bird).expect("removed");
    let bytes = std::ffi::OsStr::from_bytes(b"train/\xff");
    fs::create_dir(dir.path().join(bytes)).expect("a folder");
    let error = source(&dir).load(Split::Train).expect_err("must be refused");
    assert!(error.is_user_error() && error.to_string().contains("in UTF-8"), "{error}");
}

#[test]
fn renamed_and_moved_images_have_another_fingerprint() -> Result<(), DataError> {
    let dir = folder();
    let fingerprint = || Ok::<_, DataError>(source(&dir).load(Split::Train)?.fingerprint());
    let before = fingerprint()?;
    assert_eq!(before, fingerprint()?);
    let move_to = |from: &str, to: &str| {
        let [from, to] = [from, to].map(|name| dir.path().join("train").join(name));
        fs::rename(from, to).expect("renamed");
    };
    move_to("a dogs/1.JPEG", "b cats/1.JPEG");
    assert_ne!(before, fingerprint()?);
    move_to("b cats/1.JPEG", "a dogs/1.JPEG");
    assert_eq!(before, fingerprint()?);
    move_to("a dogs/1.JPEG", "a dogs/2.JPEG");
    assert_ne!(before, fingerprint()?);
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
    assert!(said.ends_with("the 1 classes of train, got 1 others, such as \"birds\""), "{said}");
}

#[test]
fn a_test_split_alone_has_its_own_classes() -> Result<(), DataError> {
    let dir = tempdir().expect("a folder");
    write(&dir, "test/x/1.png", &image(7, 7, [0; 3]));
    let set = source(&dir).load(Split::Test)?;
    assert_eq!((set.info().classes.as_slice(), set.len()), (&["x".to_string()][..], 1));
    Ok(())
}

#[test]
fn the_test_images_alone_have_the_classes_of_their_own_folders() {
    let dir = folder();
    write(&dir, "train/other/1.png", &image(7, 7, [1, 2, 3]));
    fs::remove_dir_all(dir.path().join("train/b cats")).expect("removed");
    let source =
        Source { view: VIEW, ..Source::new(DatasetName::Folder, Some(dir.path().into()), 6) };
    assert!(source.load(Split::Test).is_err(), "a class that nothing was learnt from");
    let alone = source.load_test_alone().expect("the images");
    assert_eq!((alone.info().classes.len(), alone.len()), (2, 2));
}
