//! Model files of ours and PyTorch's tensors as safetensors, trained and deployed.
#![no_main]

use burn::tensor::Device;
use cobasis_fuzz::{as_file, model};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    as_file(bytes, |path| {
        let device = Device::flex();
        let _ = cobasis_zoo::load(path, &device);
        let _ = cobasis_zoo::load_deployed(path, &device);
        let _ = cobasis_zoo::load_authors(path, &model(), &device);
    });
});
