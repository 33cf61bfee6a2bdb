//! Model files of ours and PyTorch's tensors as safetensors, trained and deployed.
#![no_main]

use burn::tensor::Device;
use cobasis_fuzz::model;
use cobasis_zoo::files;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let device = Device::flex();
    let _ = files::open_bytes(bytes, None, &device);
    let _ = files::open_bytes(bytes, Some(&model()), &device);
    let _ = files::deployed_from_bytes(bytes, &device);
});
