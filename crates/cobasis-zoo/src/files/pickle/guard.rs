//! A look at a PyTorch checkpoint before `pytorch-reader` opens it.
//!
//! Checkpoints come from anywhere. The reader runs no code of theirs and does not panic, but a
//! few bytes make it take any amount of memory or time: with compressed ZIP entries, sparse TAR
//! entries, millions of opcodes, memo entries that are copied again and again, long dictionary
//! keys that become part of every tensor's name. Opening a pipe waits forever.
//!
//! So only what `torch.save` writes with its default options passes: a regular file, either the
//! format before PyTorch 1.6 or a ZIP archive without compression, whose pickles use the opcodes
//! and the sizes of dictionaries of tensors, numbers and text. Where an opcode starts depends on
//! those before it and not on their effects, so the reader runs into the same ones. What it reads
//! then takes a few hundred megabytes at worst. Tensors remain to be checked: strides can make a
//! few bytes look like one of any size.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek};
use std::path::Path;

use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::refusal::{Result, at_most, refusal, refuse, unreadable};
use super::scan::Scan;
use crate::files::error::FileProblem;

/// Ten times the checkpoint of a DenseNet-201 with the state of its optimizer.
const MAX_FILE: u64 = 2 << 30;
/// Each tensor is one; the largest networks have about two thousand with the optimizer's.
const MAX_ENTRIES: usize = 20_000;
/// How ZIP archives start.
const ZIP: &[u8] = b"PK\x03\x04";
/// How the older format starts: with the pickle of a magic number.
const LEGACY: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
/// Magic number, protocol version, system, checkpoint, keys of the storages.
const LEGACY_PICKLES: usize = 5;
/// What makes the reader take a file for a TAR archive, however it starts, and where.
const TAR: &[u8] = b"ustar";
const TAR_AT: usize = 257;
/// Whether it is safe to open a file with `pytorch-reader`.
///
/// # Errors
///
/// If it can't be read, or `torch.save` would not have written it.
pub(super) fn check(path: &Path) -> Result<()> {
    // Before opening it, which waits if it is a pipe.
    let metadata = fs::metadata(path)?;
    if metadata.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory).into());
    }
    if !metadata.is_file() {
        return refuse("not a regular file");
    }
    if metadata.len() == 0 {
        return refuse("the file is empty");
    }
    at_most(MAX_FILE, "bytes", metadata.len())?;
    let mut file = File::open(path)?;
    let mut head = Vec::new();
    let head_length = (TAR_AT + TAR.len()) as u64;
    (&file).take(head_length).read_to_end(&mut head)?;
    file.rewind()?;
    if head.starts_with(ZIP) {
        check_zip(BufReader::new(file))
    } else if head.starts_with(LEGACY) && head.get(TAR_AT..) != Some(TAR) {
        let mut scan = Scan::new(BufReader::new(file));
        (0..LEGACY_PICKLES).try_for_each(|_| scan.pickle())
    } else {
        refuse("torch.save writes no file that starts like this")
    }
}

fn check_zip(file: BufReader<File>) -> Result<()> {
    let mut archive = ZipArchive::new(file).map_err(bad_zip)?;
    at_most(MAX_ENTRIES, "entries in the ZIP archive", archive.len())?;
    let mut pickles = 0;
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(bad_zip)?;
        let name = entry.name().map_err(bad_zip)?.into_owned();
        let stored = entry.compression() == CompressionMethod::Stored;
        if !stored || entry.compressed_size() != entry.size() {
            return refuse(format!("ZIP entry {name:?} is compressed"));
        }
        if name.ends_with("data.pkl") {
            pickles += 1;
            Scan::new(BufReader::new(entry)).pickle()?;
        }
    }
    if pickles != 1 {
        let what = "expected one data.pkl in the ZIP archive";
        return refuse(format!("{what}, got {pickles}"));
    }
    Ok(())
}

fn bad_zip(error: ZipError) -> FileProblem {
    match error {
        ZipError::Io(error) => unreadable(error),
        other => refusal(other),
    }
}
