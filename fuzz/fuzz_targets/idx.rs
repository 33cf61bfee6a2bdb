//! MNIST's files, packed and not: the bytes as images, as labels, or as both.
#![no_main]

use std::fs;

use cobasis_fuzz::in_directory;
use cobasis_data::{DatasetName, Source, Split};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else {
        return;
    };
    in_directory(|directory| {
        let end = if kind & 1 == 0 { "" } else { ".gz" };
        let path = |name: &str| directory.join(format!("t10k-{name}-ubyte{end}"));
        let (images, labels) = (path("images-idx3"), path("labels-idx1"));
        // The other file is a small one that is not what it should be.
        fs::write(&images, if kind & 2 == 0 { rest } else { b"\0\0\x08\x03" }).expect("written");
        fs::write(&labels, if kind & 4 == 0 { rest } else { b"\0\0\x08\x01" }).expect("written");
        let source = Source::new(DatasetName::Mnist, Some(directory.to_path_buf()), 28);
        let _ = source.load(Split::Test);
        let _ = (fs::remove_file(images), fs::remove_file(labels));
    });
});
