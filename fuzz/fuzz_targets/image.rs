//! PNG and JPEG files, decoded and brought to the size of a network's input.
#![no_main]

use cobasis_fuzz::as_file;
use cobasis_train::data::{Augment, AugmentKey, Batch, unlabelled};
use cobasis_zoo::Preparation;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    as_file(bytes, |path| {
        for channels in [1, 3] {
            let preparation = Preparation {
                dataset: "images".to_string(),
                size: 16,
                resize: 18,
                mean: vec![0.5; channels],
                std: vec![0.25; channels],
                classes: Vec::new(),
            };
            let set = unlabelled(path, &preparation).expect("a file is there");
            let batch = Batch::new(&set, &[0], Augment::NONE, AugmentKey { seed: 0, epoch: 1 });
            // An image that can't be read costs its place in the batch.
            let images = 1 - batch.unreadable.len();
            assert_eq!(batch.images.len(), images * channels * 16 * 16);
        }
    });
});
