//! What the fuzz targets share.

use std::cell::RefCell;
use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;

use cobasis_zoo::ModelConfig;
use tempfile::TempDir;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

thread_local! {
    static DIRECTORY: RefCell<Option<TempDir>> = const { RefCell::new(None) };
}

/// Calls `f` with a directory that stays the same for the whole process, in memory where the
/// machine has such a place.
pub fn in_directory<R>(f: impl FnOnce(&Path) -> R) -> R {
    DIRECTORY.with_borrow_mut(|directory| {
        let directory = directory.get_or_insert_with(|| {
            let memory = Path::new("/dev/shm");
            let made = match memory.is_dir() {
                true => tempfile::tempdir_in(memory),
                false => tempfile::tempdir(),
            };
            made.expect("a directory")
        });
        f(directory.path())
    })
}

/// Calls `f` with the path of a file that has these bytes.
pub fn as_file<R>(bytes: &[u8], f: impl FnOnce(&Path) -> R) -> R {
    in_directory(|directory| {
        let path = directory.join("file");
        fs::write(&path, bytes).expect("written");
        f(&path)
    })
}

/// A small model of the zoo, whose tensors files are compared with.
pub fn model() -> ModelConfig {
    ModelConfig::new("digits/resnet14-s2u1".parse().expect("a name"))
}

/// A PyTorch file as a zip archive, whose pickle is the given one.
pub fn zipped_pickle(pickle: &[u8]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let entries: [(&str, &[u8]); 4] = [
        ("a/data.pkl", pickle),
        ("a/version", b"3\n"),
        ("a/data/0", &[0; 64]),
        ("a/data/1", &[0; 4]),
    ];
    for (name, bytes) in entries {
        archive.start_file(name, options).expect("an entry");
        archive.write_all(bytes).expect("written");
    }
    archive.finish().expect("an archive").into_inner()
}

/// A PyTorch file of before 1.6, whose pickle is the given one: five pickles, then storages.
pub fn legacy_pickle(pickle: &[u8]) -> Vec<u8> {
    let text =
        |text: &str| [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat();
    [
        b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.".to_vec(),
        b"\x80\x02M\xe9\x03.".to_vec(),
        [b"\x80\x02}(", &text("little_endian")[..], b"\x88u."].concat(),
        pickle.to_vec(),
        [b"\x80\x02](", &text("0")[..], b"e."].concat(),
        16i64.to_le_bytes().to_vec(),
        vec![0; 64],
    ]
    .concat()
}
