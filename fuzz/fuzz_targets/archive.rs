//! Archives of data sets, unpacked: the bytes as the tar inside the gzip, or as the whole file.
#![no_main]

use std::fs;
use std::io::Write;

use cobasis_fuzz::in_directory;
use cobasis_data::DatasetName;
use cobasis_data::fetch::Archive;
use flate2::Compression;
use flate2::write::GzEncoder;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else {
        return;
    };
    in_directory(|directory| {
        let (path, out) = (directory.join("archive"), directory.join("out"));
        let packed = match kind & 1 {
            0 => {
                let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
                packed.write_all(rest).expect("packed");
                packed.finish().expect("packed")
            }
            _ => rest.to_vec(),
        };
        fs::write(&path, packed).expect("written");
        fs::create_dir_all(&out).expect("a directory");
        let archive = Archive::of(DatasetName::Cifar10).expect("it is published");
        let _ = archive.unpack(&path, &out);
        let left = fs::read_dir(&out).expect("a directory").count();
        assert!(left <= 1, "{left} entries were written beside the data set");
        fs::remove_dir_all(&out).expect("removed");
    });
});
