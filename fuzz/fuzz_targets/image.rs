//! PNG and JPEG files, decoded and brought to the size of a network's input.
#![no_main]

use cobasis_fuzz::as_file;
use cobasis_data::{Augment, AugmentKey, Batch, View, unlabelled};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    as_file(bytes, |path| {
        for channels in [1, 3] {
            let (mean, std) = (vec![0.5; channels], vec![0.25; channels]);
            let view = View { size: 16, resize: 18 };
            let set = unlabelled(&[path], view, [&mean, &std]).expect("a file is there");
            let batch = Batch::new(&set, &[0], Augment::NONE, AugmentKey { seed: 0, epoch: 1 });
            // An image that can't be read costs its place in the batch.
            let images = 1 - batch.unreadable.len();
            assert_eq!(batch.images.len(), images * channels * 16 * 16);
        }
    });
});
