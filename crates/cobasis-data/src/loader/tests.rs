//! Order, changes, threads and unreadable images of batches.

use super::*;
use crate::SetInfo;

const CONFIG: LoaderConfig = LoaderConfig {
    batch_size: 8,
    shuffle: true,
    augment: Augment { crop: Crop::Padded(1), flip: true },
    seed: 11,
    workers: 0,
};

/// `count` images of `[2, 3, 3]`; the label of image `i` is `i % 7`.
fn set(count: usize) -> Arc<ImageSet> {
    let info = SetInfo {
        name: "toy".into(),
        classes: (0..7).map(|class| class.to_string()).collect(),
        shape: [2, 3, 3],
        mean: vec![0.4; 2],
        std: vec![0.2; 2],
        max_value: 255,
    };
    let pixels = (0..count * 18).map(|pixel| (pixel * 7 % 256) as u8).collect();
    let labels = (0..count).map(|index| (index % 7) as u16).collect();
    Arc::new(ImageSet::new(info, pixels, labels).expect("a valid set"))
}

fn loader(count: usize, config: LoaderConfig) -> Loader {
    Loader::new(set(count), config).expect("a valid loader")
}

fn batches(epoch: Epoch) -> Vec<Batch> {
    epoch.collect::<Result<_, _>>().expect("images in memory can be read")
}

fn order(loader: &Loader, epoch: usize) -> Vec<usize> {
    batches(loader.epoch(epoch)).into_iter().flat_map(|batch| batch.indices).collect()
}

fn message(config: LoaderConfig) -> String {
    Loader::new(set(4), config).map_or_else(|error| error.to_string(), |_| "accepted".into())
}

#[test]
fn every_batch_is_full_but_the_last() {
    let loader = loader(21, CONFIG);
    assert_eq!((loader.num_images(), loader.num_batches()), (21, 3));
    assert_eq!(loader.epoch(0).len(), 3);
    let shapes: Vec<_> = batches(loader.epoch(0)).iter().map(|batch| batch.shape).collect();
    assert_eq!(shapes, [[8, 2, 3, 3], [8, 2, 3, 3], [5, 2, 3, 3]]);
}

#[test]
fn every_number_of_workers_gives_the_same_batches() {
    let epoch = |workers, epoch| -> Vec<Batch> {
        batches(loader(61, LoaderConfig { workers, ..CONFIG }).epoch(epoch))
    };
    for number in [0, 3] {
        let inline = epoch(0, number);
        assert_eq!(inline.len(), 8);
        for workers in [1, 2, 5] {
            assert!(epoch(workers, number) == inline, "{workers} workers");
        }
    }
}

#[test]
fn an_epoch_started_late_equals_the_rest_of_a_whole_one() {
    for workers in [0, 3] {
        let loader = loader(61, LoaderConfig { workers, ..CONFIG });
        let whole = batches(loader.epoch(1));
        for first in [0, 1, 5, 7, 8] {
            let rest = batches(loader.epoch_from(1, first));
            assert!(rest == whole[first..], "from batch {first}");
        }
        assert_eq!(loader.epoch_from(1, usize::MAX).count(), 0);
    }
}

#[test]
fn shuffling_gives_every_epoch_and_seed_its_own_permutation() {
    let first = loader(50, CONFIG);
    let other_seed = loader(50, LoaderConfig { seed: 12, ..CONFIG });
    let orders = [order(&first, 0), order(&first, 1), order(&other_seed, 0)];
    for order in &orders {
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..50).collect::<Vec<_>>());
    }
    assert!(orders[0] != orders[1] && orders[0] != orders[2] && orders[1] != orders[2]);
    assert_eq!(order(&first, 0), orders[0]);
}

#[test]
fn every_epoch_and_seed_changes_the_images_in_its_own_way() {
    let images = |seed, epoch| {
        let config = LoaderConfig { shuffle: false, seed, ..CONFIG };
        let batches = batches(loader(50, config).epoch(epoch));
        batches.into_iter().flat_map(|batch| batch.images).collect::<Vec<f32>>()
    };
    assert!(images(11, 0) == images(11, 0));
    assert!(images(11, 0) != images(11, 1) && images(11, 0) != images(12, 0));
}

#[test]
fn without_shuffling_images_come_in_their_own_order() {
    let loader = loader(50, LoaderConfig { shuffle: false, workers: 2, ..CONFIG });
    assert_eq!(order(&loader, 4), (0..50).collect::<Vec<_>>());
}

#[test]
fn dropping_an_epoch_early_leaves_no_thread_behind() {
    // More batches than the queues hold, so that some thread is still at work.
    let config = LoaderConfig { batch_size: 1, workers: 5, ..CONFIG };
    let loader = loader(61, config);
    let mut epoch = loader.epoch(0);
    assert!(epoch.next().is_some());
    assert!(Arc::strong_count(&loader.set) > 1);
    drop(epoch);
    assert_eq!(Arc::strong_count(&loader.set), 1);
}

#[test]
fn an_empty_set_has_no_batches() {
    let loader = loader(0, LoaderConfig { workers: 2, ..CONFIG });
    assert_eq!((loader.num_batches(), loader.epoch(0).count()), (0, 0));
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let no_batch = LoaderConfig { batch_size: 0, ..CONFIG };
    assert_eq!(message(no_batch), "toy: batch size: expected at least 1, got 0");
    let wide = LoaderConfig { augment: Augment { crop: Crop::Padded(3), flip: false }, ..CONFIG };
    assert_eq!(message(wide), "toy: padding of the crop: expected at most 2, got 3");
    let resized = Augment { crop: Crop::Resized, flip: false };
    let expected = "toy: crop: expected a padded crop, or images in files, got a resized one";
    assert_eq!(message(LoaderConfig { augment: resized, ..CONFIG }), expected);
}

#[test]
fn a_batch_may_be_larger_than_the_set() {
    let loader = loader(5, LoaderConfig { batch_size: usize::MAX, ..CONFIG });
    assert_eq!(batches(loader.epoch(0))[0].shape[0], 5);
    assert_eq!(loader.num_batches(), 1);
}
