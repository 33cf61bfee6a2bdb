//! Reads files that are a plain row of records, each of them some label bytes and one image.

use std::io::{BufReader, Read};
use std::path::Path;

use super::error::DataError;
use super::regular;

/// What a record is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RecordFormat {
    /// What each label byte at the start is, and the number of its classes. All are checked, the
    /// last one is the label of the image.
    pub(crate) labels: &'static [(&'static str, u8)],
    /// Bytes of the image that follows.
    pub(crate) image_len: usize,
}

impl RecordFormat {
    /// Size of one record, in bytes.
    pub(crate) fn record_len(&self) -> usize {
        self.labels.len() + self.image_len
    }

    /// Appends the images and labels of the file `path`, which must have exactly `records` records.
    pub(crate) fn read(
        &self,
        path: &Path,
        records: usize,
        pixels: &mut Vec<u8>,
        labels: &mut Vec<u16>,
    ) -> Result<(), DataError> {
        let failed = |source| DataError::Io { path: path.to_path_buf(), source };
        let file = regular::open(path).map_err(failed)?;
        let got = file.metadata().map_err(failed)?.len();
        let record_bytes = self.record_len();
        let expected = (records * record_bytes) as u64;
        if got != expected {
            let path = path.to_path_buf();
            return Err(DataError::WrongSize { path, expected, records, record_bytes, got });
        }
        let mut reader = BufReader::with_capacity(1 << 18, file);
        let mut bytes = vec![0; record_bytes];
        for record in 0..records {
            reader.read_exact(&mut bytes).map_err(failed)?;
            let (head, image) = bytes.split_at(self.labels.len());
            for (&label, &(kind, limit)) in head.iter().zip(self.labels) {
                if label >= limit {
                    let path = path.to_path_buf();
                    return Err(DataError::LabelOutOfRange { path, record, kind, label, limit });
                }
            }
            labels.extend(head.last().map(|&label| u16::from(label)));
            pixels.extend_from_slice(image);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const FORMAT: RecordFormat =
        RecordFormat { labels: &[("coarse", 2), ("fine", 4)], image_len: 3 };

    /// Pixels and labels of a file of these bytes that should have two records.
    fn read(bytes: &[u8]) -> Result<(Vec<u8>, Vec<u16>), String> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("toy.bin");
        fs::write(&path, bytes).expect("a file");
        let (mut pixels, mut labels) = (vec![200], vec![100]);
        let root = format!("{}/", dir.path().display());
        match FORMAT.read(&path, 2, &mut pixels, &mut labels) {
            Ok(()) => Ok((pixels, labels)),
            Err(error) => Err(error.to_string().replace(&root, "")),
        }
    }

    #[test]
    fn records_are_appended_with_their_last_label() {
        let read = read(&[1, 3, 10, 11, 12, 0, 2, 20, 21, 22]);
        assert_eq!(read, Ok((vec![200, 10, 11, 12, 20, 21, 22], vec![100, 3, 2])));
    }

    #[test]
    fn files_of_any_other_size_are_refused() {
        for size in [0, 9, 11, 15] {
            let expected = format!("toy.bin: expected 10 bytes (2 records of 5), got {size} bytes");
            assert_eq!(read(&vec![0; size]), Err(expected));
        }
    }

    #[test]
    fn labels_without_a_class_are_refused() {
        let expected = "toy.bin: record 1 (from 0): expected a fine label below 4, got 4";
        assert_eq!(read(&[1, 3, 0, 0, 0, 1, 4, 0, 0, 0]), Err(expected.into()));
        let expected = "toy.bin: record 0 (from 0): expected a coarse label below 2, got 2";
        assert_eq!(read(&[2, 3, 0, 0, 0, 1, 4, 0, 0, 0]), Err(expected.into()));
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_named() {
        let failure = FORMAT.read(Path::new("no/such.bin"), 2, &mut Vec::new(), &mut Vec::new());
        let message = failure.expect_err("must be refused").to_string();
        assert_eq!(message, "no/such.bin: cannot be read");
    }
}
