//! Some bytes of a file: in memory, or on the disk until they are wanted.

use std::borrow::Cow;
use std::fs;
use std::io::{self, Read, Seek, SeekFrom};

/// Bytes that lie together.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bytes<'a> {
    Here(&'a [u8]),
    /// From a place of a file on, so many.
    Disk(&'a fs::File, u64, usize),
}

impl<'a> Bytes<'a> {
    pub(crate) fn len(self) -> usize {
        match self {
            Bytes::Here(bytes) => bytes.len(),
            Bytes::Disk(.., len) => len,
        }
    }

    pub(crate) fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The bytes before this place, and those from it on, if there are so many.
    pub(crate) fn split_at_checked(self, at: usize) -> Option<(Self, Self)> {
        match self {
            Bytes::Here(bytes) => {
                let (before, after) = bytes.split_at_checked(at)?;
                Some((Bytes::Here(before), Bytes::Here(after)))
            }
            Bytes::Disk(file, start, len) => {
                let rest = len.checked_sub(at)?;
                Some((Bytes::Disk(file, start, at), Bytes::Disk(file, start + at as u64, rest)))
            }
        }
    }

    /// The bytes from a place to another one, if that is what there is.
    pub(crate) fn get(self, [start, end]: [usize; 2]) -> Option<Self> {
        let (before, _) = self.split_at_checked(end)?;
        Some(before.split_at_checked(start)?.1)
    }

    /// The bytes themselves.
    pub(crate) fn read(self) -> io::Result<Cow<'a, [u8]>> {
        match self {
            Bytes::Here(bytes) => Ok(Cow::Borrowed(bytes)),
            Bytes::Disk(mut file, start, len) => {
                file.seek(SeekFrom::Start(start))?;
                let mut bytes = vec![0; len];
                file.read_exact(&mut bytes)?;
                Ok(Cow::Owned(bytes))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_a_file_are_those_in_memory() {
        let path = std::env::temp_dir().join(format!("cobasis-run-bytes-{}", std::process::id()));
        let all: Vec<u8> = (0..100).collect();
        fs::write(&path, &all).expect("a file");
        let file = fs::File::open(&path).expect("the file");
        for bytes in [Bytes::Here(&all), Bytes::Disk(&file, 0, 100)] {
            let (before, after) = bytes.split_at_checked(30).expect("thirty");
            assert_eq!((before.len(), after.len()), (30, 70));
            assert_eq!(*after.read().expect("bytes"), all[30..]);
            let part = after.get([10, 20]).expect("a part");
            assert_eq!(*part.read().expect("bytes"), all[40..50]);
            assert!(after.get([20, 10]).is_none() && after.get([0, 71]).is_none());
            assert!(bytes.get([100, 100]).expect("nothing").is_empty());
        }
        // Shorter than it was.
        assert!(Bytes::Disk(&file, 50, 51).read().is_err());
        fs::remove_file(path).expect("the file is there");
    }
}
