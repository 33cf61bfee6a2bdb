//! ZIP archives, as far as `torch.save` and those who pack its files again use them.
//!
//! The directory is read as the format says, from the end of the file. Entries are stored or deflated;
//! what an entry says of its size is checked before memory is given to it, and its checksum whenever
//! any of it is read.

use std::collections::HashMap;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use flate2::Crc;
use flate2::read::DeflateDecoder;

use super::refusal::{Result, at_most, refusal, refuse, unreadable};
use super::{MAX_FILE, field};

/// Each tensor is one; the largest networks have about two thousand with the optimizer's.
const MAX_ENTRIES: u64 = 20_000;
/// Bytes of the directory.
const MAX_DIRECTORY: u64 = 16 << 20;
/// The end of the directory without its comment, and the longest comment.
const END: usize = 22;
const MAX_COMMENT: usize = 0xffff;
/// Where the larger end of the directory is, before the end.
const LOCATOR: usize = 20;
/// An entry of the directory without name and extra fields, and the same of a file's own header.
const ENTRY: usize = 46;
const HEADER: usize = 30;
/// Bytes read at a time.
const CHUNK: usize = 1 << 16;

/// An archive, its directory read.
pub(super) struct Archive<R> {
    input: R,
    entries: HashMap<String, Entry>,
}

/// A file of an archive.
#[derive(Clone, Copy)]
struct Entry {
    /// Where its own header starts.
    header: u64,
    /// Bytes in the archive, and unpacked.
    packed: u64,
    size: u64,
    checksum: u32,
    deflated: bool,
}

impl<R: Read + Seek> Archive<R> {
    /// Reads the directory of an archive of `length` bytes.
    pub(super) fn open(mut input: R, length: u64) -> Result<Self> {
        let (directory, count) = directory(&mut input, length)?;
        let mut entries = HashMap::new();
        let mut rest = &directory[..];
        let mut unpacked = 0u64;
        for _ in 0..count {
            let (name, entry);
            (name, entry, rest) = entry_of(rest)?;
            if entry.deflated {
                unpacked = unpacked.saturating_add(entry.size);
                at_most(MAX_FILE, "bytes in the ZIP archive when unpacked", unpacked)?;
            } else if entry.packed != entry.size {
                return refuse(format!("ZIP entry {name:?} has two sizes"));
            }
            if entries.insert(name.clone(), entry).is_some() {
                return refuse(format!("there are two ZIP entries {name:?}"));
            }
        }
        Ok(Self { input, entries })
    }

    /// The names of the files.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Bytes of a file, if it is there.
    pub(super) fn size(&self, name: &str) -> Option<u64> {
        self.entries.get(name).map(|entry| entry.size)
    }

    /// A part of a file, which must be in it.
    pub(super) fn read(&mut self, name: &str, part: Range<u64>) -> Result<Vec<u8>> {
        let entry =
            *self.entries.get(name).ok_or_else(|| refusal(format!("no ZIP entry {name:?}")))?;
        if part.start > part.end || part.end > entry.size {
            return refuse(format!("ZIP entry {name:?} is too short for its tensors"));
        }
        let header: [u8; HEADER] = read_at(&mut self.input, entry.header)?;
        if !header.starts_with(b"PK\x03\x04") {
            return refuse(format!("there is no ZIP entry where {name:?} should be"));
        }
        let skipped =
            HEADER as u64 + u64::from(field::u16(&header, 26)) + u64::from(field::u16(&header, 28));
        let start = entry.header.saturating_add(skipped);
        self.input.seek(SeekFrom::Start(start)).map_err(unreadable)?;
        let packed = (&mut self.input).take(entry.packed);
        let read = match entry.deflated {
            true => keep(DeflateDecoder::new(packed), entry.size, part),
            false => keep(packed, entry.size, part),
        };
        let (bytes, checksum) = read.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput => {
                refusal(format!("ZIP entry {name:?} is damaged"))
            }
            _ => unreadable(error),
        })?;
        match checksum == entry.checksum {
            true => Ok(bytes),
            false => refuse(format!("ZIP entry {name:?} is damaged: its checksum is another")),
        }
    }

    /// A whole file of at most so many bytes.
    pub(super) fn read_all(&mut self, name: &str, limit: u64) -> Result<Vec<u8>> {
        let size = self.size(name).unwrap_or_default();
        at_most(limit, &format!("bytes in ZIP entry {name:?}"), size)?;
        self.read(name, 0..size)
    }
}

/// A part of what is read, and the checksum of all of it, which has `size` bytes.
fn keep(mut input: impl Read, size: u64, part: Range<u64>) -> io::Result<(Vec<u8>, u32)> {
    let (mut bytes, mut crc, mut at) = (Vec::new(), Crc::new(), 0);
    let mut chunk = [0; CHUNK];
    while at < size {
        let wanted = CHUNK.min((size - at) as usize);
        input.read_exact(&mut chunk[..wanted])?;
        crc.update(&chunk[..wanted]);
        let [start, end] =
            [part.start, part.end].map(|bound| bound.clamp(at, at + wanted as u64) - at);
        bytes.extend(&chunk[start as usize..end as usize]);
        at += wanted as u64;
    }
    match input.read(&mut chunk[..1])? {
        0 => Ok((bytes, crc.sum())),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

/// The directory's bytes, and how many entries it has.
fn directory(input: &mut (impl Read + Seek), length: u64) -> Result<(Vec<u8>, u64)> {
    let tail_length = length.min((LOCATOR + END + MAX_COMMENT) as u64);
    input.seek(SeekFrom::Start(length - tail_length)).map_err(unreadable)?;
    let mut tail = Vec::new();
    input.take(tail_length).read_to_end(&mut tail).map_err(unreadable)?;
    // The last place that looks like the end and whose comment goes up to the end of the file.
    let is_end = |at: &usize| {
        let end = &tail[*at..];
        end.starts_with(b"PK\x05\x06") && END + usize::from(field::u16(end, 20)) == end.len()
    };
    let ends = (0..(tail.len() + 1).saturating_sub(END)).rev();
    let Some(at) = ends.into_iter().find(is_end) else {
        return refuse("the ZIP archive has no end: the file is damaged or cut off");
    };
    let end = &tail[at..];
    let short =
        (field::u16(end, 10).into(), field::u32(end, 12).into(), field::u32(end, 16).into());
    let locator = at.checked_sub(LOCATOR).map(|start| &tail[start..at]);
    let locator = locator.filter(|locator| locator.starts_with(b"PK\x06\x07"));
    let (count, bytes, start): (u64, u64, u64) = match locator {
        None => short,
        Some(locator) => {
            let end: [u8; 56] = read_at(input, field::u64(locator, 8))?;
            if !end.starts_with(b"PK\x06\x06") {
                return refuse("the ZIP archive's directory is not where it should be");
            }
            (field::u64(&end, 32), field::u64(&end, 40), field::u64(&end, 48))
        }
    };
    at_most(MAX_ENTRIES, "entries in the ZIP archive", count)?;
    at_most(MAX_DIRECTORY, "bytes in the ZIP archive's directory", bytes)?;
    input.seek(SeekFrom::Start(start)).map_err(unreadable)?;
    let mut directory = Vec::new();
    input.take(bytes).read_to_end(&mut directory).map_err(unreadable)?;
    Ok((directory, count))
}

/// The first entry of a directory, and the rest.
fn entry_of(directory: &[u8]) -> Result<(String, Entry, &[u8])> {
    let cut_off = || refusal("the ZIP archive's directory is damaged");
    let (fixed, rest) = directory.split_at_checked(ENTRY).ok_or_else(cut_off)?;
    let [name, extra, comment] = [28, 30, 32].map(|at| usize::from(field::u16(fixed, at)));
    let (name, rest) = rest.split_at_checked(name).ok_or_else(cut_off)?;
    let (extra, rest) = rest.split_at_checked(extra).ok_or_else(cut_off)?;
    let (_, rest) = rest.split_at_checked(comment).ok_or_else(cut_off)?;
    if !fixed.starts_with(b"PK\x01\x02") {
        return Err(cut_off());
    }
    let name = String::from_utf8_lossy(name).into_owned();
    if field::u16(fixed, 8) & 1 != 0 {
        return refuse(format!("ZIP entry {name:?} is encrypted"));
    }
    let deflated = match field::u16(fixed, 10) {
        0 => false,
        8 => true,
        other => return refuse(format!("ZIP entry {name:?} is compressed by method {other}")),
    };
    let [packed, size, header] = large_fields(fixed, extra).ok_or_else(cut_off)?;
    let checksum = field::u32(fixed, 16);
    Ok((name, Entry { header, packed, size, checksum, deflated }, rest))
}

/// Packed size, size and place of an entry; those that four bytes can't say are among the extra fields,
/// in the order size, packed size, place.
fn large_fields(fixed: &[u8], mut extra: &[u8]) -> Option<[u64; 3]> {
    let mut large: &[u8] = &[];
    while extra.len() >= 4 {
        let length = usize::from(field::u16(extra, 2));
        let value = extra.get(4..4 + length)?;
        if field::u16(extra, 0) == 1 {
            large = value;
        }
        extra = &extra[4 + length..];
    }
    let mut value = |at: usize| match field::u32(fixed, at) {
        u32::MAX => {
            let (value, rest) = large.split_at_checked(8)?;
            large = rest;
            Some(field::u64(value, 0))
        }
        short => Some(short.into()),
    };
    let (size, packed, header) = (value(24)?, value(20)?, value(42)?);
    Some([packed, size, header])
}

fn read_at<const N: usize>(input: &mut (impl Read + Seek), at: u64) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    input.seek(SeekFrom::Start(at)).map_err(unreadable)?;
    input.read_exact(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}
