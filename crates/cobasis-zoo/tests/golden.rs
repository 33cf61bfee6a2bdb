//! What an earlier version wrote (commit 36f2593) is what this one writes and reads, to the last bit.

use burn::tensor::Device;
use cobasis_zoo::{ModelConfig, files};

/// Models with the initial weights of seed 3, and the FNV-1a hash of their files. One of each family,
/// sharing method and kind of start.
const INITIAL: [(&str, u64); 11] = [
    ("digits/resnet14", 0xbf7120b46b0bcd9d),
    ("digits/resnet14-s8u1", 0x7f5d1bf51de8d456),
    ("digits/resnet14-s4u1-double", 0xde1d60ac52a81e56),
    ("digits/resnet14-s0u4", 0xbe113fb47deb8704),
    ("cifar10/resnet32-s16u1-double", 0x2cc1a032462a09cf),
    ("cifar100/resnext50-32x4d-s64u4", 0x03815af29de94a4b),
    ("cifar100/mobilenet-v2", 0xb3f5b35cfb3c474e),
    ("cifar100/mobilenet-v2-shared", 0xa075584ca91b1567),
    ("cifar100/densenet121", 0x9e91040e42fb8821),
    ("cifar100/densenet121-s16u1", 0xbefae844b229026e),
    ("imagenet/mobilenet-v2-shared++-eca", 0x8682ea1a9d125623),
];

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[test]
fn new_models_are_the_same_to_the_last_bit() {
    for (name, hash) in INITIAL {
        let config = ModelConfig::new(name.parse().expect("a name")).with_seed(3);
        let bytes = files::to_bytes(&config.init(&Device::flex()));
        assert_eq!(format!("{:016x}", fnv1a(&bytes)), format!("{hash:016x}"), "{name}");
    }
}

#[test]
fn a_deployed_file_is_read_and_written_again() {
    let bytes = include_bytes!("golden/deployed.safetensors");
    let deployed = files::deployed_from_bytes(bytes, &Device::flex()).expect("a deployed model");
    assert_eq!(deployed.config.model.name.to_string(), "digits/resnet14-s1u1");
    // New ones have a plan for `cobasis-run` too, and say in which form weights are.
    let written = files::deployed_to_bytes(&deployed);
    let [(before, old), (mut now, new)] = [bytes.as_slice(), &written].map(taken_apart);
    let said = now["__metadata__"].as_object_mut().expect("metadata");
    assert!(said.remove(cobasis_run::plan::KEY).is_some(), "no plan");
    assert_eq!(said.remove(cobasis_run::weights::KEY), Some("f32".into()));
    assert_eq!(now, before);
    assert!(old == new, "other bytes");
}

/// The header and the tensors' bytes of a file.
fn taken_apart(bytes: &[u8]) -> (serde_json::Value, &[u8]) {
    let (length, rest) = bytes.split_first_chunk().expect("a length");
    let (header, data) = rest.split_at(u64::from_le_bytes(*length) as usize);
    (serde_json::from_slice(header).expect("a header"), data)
}
