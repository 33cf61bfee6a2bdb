//! PyTorch files: the bytes as a whole file, and as the pickle inside of one.
#![no_main]

use std::path::Path;

use burn::tensor::Device;
use cobasis_fuzz::{as_file, legacy_pickle, model, zipped_pickle};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else {
        return;
    };
    let read = |path: &Path| {
        let _ = cobasis_zoo::pytorch::load(path, &model(), &Device::flex());
    };
    match kind % 3 {
        0 => as_file(rest, read),
        1 => as_file(&zipped_pickle(rest), read),
        _ => as_file(&legacy_pickle(rest), read),
    }
});
