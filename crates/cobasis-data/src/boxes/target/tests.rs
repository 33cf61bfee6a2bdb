use std::fs;
use std::path::PathBuf;

use super::*;
use crate::boxes::testing::{folder, set};
use crate::boxes::{BoxClass, HsvChange, Placement};
use crate::{AugmentKey, Batch, LoaderConfig, unlabelled};

const TRAINING: BoxAugment = BoxAugment {
    scale: [0.5, 1.5],
    flip: [true, true],
    hsv: HsvChange { hue: 5.0, saturation: 0.7, value: 0.4 },
    mosaic: 0.5,
    mosaic_end: u64::MAX,
};

fn loader(set: &Annotated, seed: u64, workers: usize) -> Loader<Boxes> {
    let images = Arc::new(set.image_set([24, 32]).expect("a set"));
    let augment = crate::Augment::NONE;
    let config = LoaderConfig { batch_size: 3, shuffle: true, augment, seed, workers };
    Loader::new(images, config).expect("a loader")
}

fn batches(loader: &Loader<Boxes>, epoch: usize) -> Vec<Batch<Boxes>> {
    loader.epoch(epoch).collect::<Result<_, _>>().expect("readable")
}

#[test]
fn without_changes_all_of_each_image_is_seen() {
    let dir = folder(8);
    let loaded = loader(&set(dir.path()), 1, 0);
    for batch in batches(&loaded, 0) {
        assert_eq!(batch.shape[1..], [3, 24, 32]);
        for (boxes, &index) in batch.labels.iter().zip(&batch.indices) {
            let known = loaded.set().target(index);
            let placement = Placement::letterbox(known.size, [24, 32]);
            assert_eq!((boxes.size, boxes.boxes.len()), ([24, 32], known.boxes.len()));
            for (seen, known) in boxes.boxes.iter().zip(&known.boxes) {
                let corners = seen.rect.corners().into_iter();
                let expected = placement.rect(&known.rect).corners();
                assert!(corners.zip(expected).all(|(a, b)| (a - b).abs() < 1e-9), "{seen:?}");
                assert!((seen.area - seen.rect.area()).abs() < 1e-9);
            }
        }
    }
    // And with changes that are none.
    let none = loader(&set(dir.path()), 1, 0).with_boxes(BoxAugment::NONE).expect("settings");
    for (a, b) in batches(&loaded, 0).iter().zip(batches(&none, 0)) {
        assert_eq!((&a.images, a.labels.len()), (&b.images, b.labels.len()));
    }
}

#[test]
fn a_batch_is_a_function_of_seed_epoch_and_number() {
    let dir = folder(8);
    let set = set(dir.path());
    let of = |seed, workers| loader(&set, seed, workers).with_boxes(TRAINING).expect("settings");
    let first = batches(&of(1, 0), 4);
    assert_eq!(first, batches(&of(1, 3), 4));
    assert_ne!(first, batches(&of(2, 0), 4));
    assert_ne!(first, batches(&of(1, 0), 5));
    let rest: Vec<_> = of(1, 2).epoch_from(4, 1).map(|batch| batch.expect("readable")).collect();
    assert_eq!(rest, first[1..]);
    assert!(first.iter().flat_map(|batch| &batch.images).all(|value| value.is_finite()));
}

#[test]
fn unreadable_images_and_those_of_other_sizes_are_left_out_and_named() {
    let dir = folder(6);
    let mut set = set(dir.path());
    fs::write(&set.images[2].path, "no image").expect("written");
    set.images[4].size = [7, 7];
    let images = set.image_set([24, 32]).expect("a set");
    let batch =
        Batch::new(&images, &[0, 2, 4], crate::Augment::NONE, AugmentKey { seed: 0, epoch: 0 });
    assert_eq!(batch.indices, [0]);
    let problems: Vec<&str> = batch.unreadable.iter().map(|one| one.problem.as_str()).collect();
    let other = "expected an image of 7x7, as its boxes are for, got 30x40";
    assert_eq!(problems, ["neither a JPEG nor a PNG nor a WebP image", other]);
    let all = batches(&loader(&set, 0, 0).with_boxes(TRAINING).expect("settings"), 0);
    let left_out: usize = all.iter().map(|batch| batch.unreadable.len()).sum();
    assert_eq!((left_out, all.iter().map(|batch| batch.labels.len()).sum::<usize>()), (2, 4));
}

#[test]
fn changed_boxes_are_another_set() {
    let dir = folder(3);
    let original = set(dir.path());
    let fingerprint = |set: &Annotated| set.image_set([24, 32]).expect("a set").fingerprint();
    let mut changed = original.clone();
    changed.images[1].boxes[0].rect.left += 0.5;
    assert_ne!(fingerprint(&original), fingerprint(&changed));
    changed = original.clone();
    changed.images[1].boxes[0].kind = BoxKind::Crowd;
    assert_ne!(fingerprint(&original), fingerprint(&changed));
    assert_eq!(fingerprint(&original), fingerprint(&original.clone()));
    assert_eq!(original.image_set([24, 32]).expect("a set").num_classes(), 2);
}

#[test]
fn settings_that_no_draw_can_use_are_refused() {
    let dir = folder(1);
    let set = set(dir.path());
    let refusal = |augment| {
        let refused = loader(&set, 0, 0).with_boxes(augment).map(|_| ());
        refused.expect_err("must be refused").to_string()
    };
    for augment in [
        BoxAugment { scale: [1.5, 0.5], ..TRAINING },
        BoxAugment { scale: [0.0, 1.0], ..TRAINING },
        BoxAugment { scale: [f64::NAN, 1.0], ..TRAINING },
        BoxAugment { mosaic: 1.1, ..TRAINING },
        BoxAugment { hsv: HsvChange { hue: 1e9, ..TRAINING.hsv }, ..TRAINING },
        BoxAugment { hsv: HsvChange { value: -0.1, ..TRAINING.hsv }, ..TRAINING },
    ] {
        assert!(refusal(augment).contains("expected a"), "{augment:?}");
    }
    assert!(set.image_set([0, 8]).is_err());
    let elsewhere = Annotated { folder: PathBuf::from("/elsewhere"), ..set };
    assert!(elsewhere.image_set([8, 8]).is_err());
}

#[test]
fn mosaics_end_with_their_last_epoch() {
    let dir = folder(8);
    let set = set(dir.path());
    let of = |mosaic, mosaic_end, epoch| {
        let augment = BoxAugment { mosaic, mosaic_end, ..TRAINING };
        batches(&loader(&set, 1, 0).with_boxes(augment).expect("settings"), epoch)
    };
    assert_eq!(of(1.0, 5, 4), of(1.0, u64::MAX, 4));
    assert_ne!(of(1.0, 5, 4), of(0.0, 5, 4));
    assert_eq!(of(1.0, 5, 5), of(0.0, 5, 5));
}

#[test]
fn colours_become_grey() {
    let dir = folder(2);
    let boxes = set(dir.path()).image_set([24, 32]).expect("a set");
    let view = crate::View { size: 16, resize: 16 };
    let grey = unlabelled(&[dir.path()], view, [&[0.5], &[0.25]]).expect("images");
    let grey = grey.letterboxed([24, 32]).expect("in files");
    // A set without classes has no boxes.
    let empty = |known: &Boxes| Boxes { boxes: Vec::new(), ..*known };
    let targets = boxes.targets().iter().map(empty).collect();
    let grey = Arc::new(grey.with_targets(targets).expect("as many"));
    let loader = Loader::in_order(grey, 2, 0).expect("a loader");
    let of = |loader: &Loader<Boxes>| loader.epoch(0).next().expect("a batch").expect("readable");
    let changed = of(&loader.clone().with_boxes(BoxAugment::NONE).expect("settings"));
    assert_eq!(changed.shape, [2, 1, 24, 32]);
    assert_eq!(changed.images, of(&loader).images);
}

#[test]
fn a_class_that_is_none_is_told() {
    let dir = folder(1);
    let Annotated { classes, images, .. } = set(dir.path());
    let boxes = Boxes { size: images[0].size, boxes: images[0].boxes.clone() };
    assert_eq!(boxes.problem(classes.len()), None);
    assert!(boxes.problem(0).is_some());
    assert_eq!(classes[0], BoxClass { name: "red".into(), id: 1 });
}

#[test]
fn images_without_boxes_are_letterboxed_too() {
    let dir = folder(2);
    let view = crate::View { size: 16, resize: 16 };
    let images = unlabelled(&[dir.path()], view, [&[0.5; 3], &[0.25; 3]]).expect("images");
    let images = Arc::new(images.letterboxed([24, 32]).expect("in files"));
    assert_eq!(images.shape(), [3, 24, 32]);
    let loader = Loader::in_order(images, 8, 0).expect("a loader");
    let batch = loader.epoch(0).next().expect("a batch").expect("readable");
    assert_eq!(batch.shape, [2, 3, 24, 32]);
    // Where they went leads back from the picture to the image.
    let images = loader.set().clone().with_targets(vec![None::<Geometry>; 2]).expect("as many");
    let batch =
        Batch::new(&images, &[0, 1], crate::Augment::NONE, AugmentKey { seed: 0, epoch: 0 });
    for (geometry, size) in batch.labels.iter().zip([[30, 40], [40, 30]]) {
        let geometry = geometry.expect("a picture");
        assert_eq!((geometry.image, geometry.size), (size, [24, 32]));
        let placement = Placement::letterbox(geometry.image, geometry.size);
        let [x, y] = geometry.point([7.0, 11.0]);
        let back = placement.back(&Rect::from_xywh([x, y, 1.0, 1.0]));
        assert!((back.left - 7.0).abs() < 1e-9 && (back.top - 11.0).abs() < 1e-9);
    }
    assert!(loader.set().clone().with_targets(vec![(); 3]).is_err());
}

#[test]
fn random_parts_of_other_shapes_are_followed_too() {
    let dir = folder(4);
    let set = set(dir.path()).image_set([24, 32]).expect("a set");
    let augment = crate::Augment { crop: crate::Crop::Resized, flip: true };
    for epoch in 0..20 {
        let batch = Batch::new(&set, &[0, 1, 2, 3], augment, AugmentKey { seed: 0, epoch });
        assert_eq!(batch.shape, [4, 3, 24, 32]);
        let boxes = batch.labels.iter().flat_map(|label| &label.boxes);
        let image = Rect::from_xywh([0.0, 0.0, 32.0, 24.0]);
        assert!(boxes.clone().all(|one| one.rect.clipped(&image) == Some(one.rect)));
    }
}
