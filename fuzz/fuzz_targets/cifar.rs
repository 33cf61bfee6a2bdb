//! CIFAR's binary files: the bytes at the beginning of a file of the right size, or a whole one.
#![no_main]

use std::fs::{self, File};
use std::io::Write;

use cobasis_fuzz::in_directory;
use cobasis_data::{DatasetName, Source, Split};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else {
        return;
    };
    in_directory(|directory| {
        let (name, data, names, labels) = match kind & 1 {
            0 => (DatasetName::Cifar10, "test_batch.bin", "batches.meta.txt", 1),
            _ => (DatasetName::Cifar100, "test.bin", "fine_label_names.txt", 2),
        };
        let [data, names] = [data, names].map(|name| directory.join(name));
        let mut file = File::create(&data).expect("a file");
        file.write_all(rest).expect("written");
        if kind & 2 == 0 {
            file.set_len(10_000 * (3072 + labels)).expect("room");
        }
        if kind & 4 == 0 {
            fs::write(&names, rest).expect("written");
        }
        let source = Source::new(name, Some(directory.to_path_buf()), 32);
        let _ = source.load(Split::Test);
        let _ = (fs::remove_file(data), fs::remove_file(names));
    });
});
