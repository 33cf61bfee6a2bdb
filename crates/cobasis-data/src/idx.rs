//! MNIST and sets of its kind in the `idx` files in which they are published, packed or not.

use std::io::{BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;

use super::Split;
use super::error::DataError;
use super::image_set::ImageSet;
use super::regular;
use super::set_info::SetInfo;

/// Side of an image.
const SIDE: usize = 28;
/// Classes of every set of this kind that is known here.
const CLASSES: u8 = 10;
/// Folders inside the given one that are searched too: what torchvision makes.
const FOLDERS: &[&str] = &["", "raw", "MNIST/raw", "FashionMNIST/raw"];

/// One of the sets.
pub(super) struct Layout {
    /// Name of the data set.
    name: &'static str,
    /// The classes, by label.
    classes: [&'static str; 10],
    /// Mean of the pixels of the training split, where 255 is 1.
    mean: f32,
    /// Their standard deviation.
    std: f32,
    /// Images of the training and of the test split.
    images: [usize; 2],
}

/// MNIST: 60,000 and 10,000 handwritten digits.
pub(super) const MNIST: Layout = Layout {
    name: "mnist",
    classes: ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
    mean: 0.1307,
    std: 0.3081,
    images: [60_000, 10_000],
};

/// Fashion-MNIST: 60,000 and 10,000 pieces of clothing.
pub(super) const FASHION_MNIST: Layout = Layout {
    name: "fashion-mnist",
    classes: [
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ],
    mean: 0.2860,
    std: 0.3530,
    images: [60_000, 10_000],
};

impl Layout {
    /// Loads one split from `dir` or from a folder of torchvision's inside it.
    pub(super) fn load(&self, dir: Option<&Path>, split: Split) -> Result<ImageSet, DataError> {
        let (part, count) = match split {
            Split::Train => ("train", self.images[0]),
            Split::Test => ("t10k", self.images[1]),
        };
        let names = [format!("{part}-images-idx3-ubyte"), format!("{part}-labels-idx1-ubyte")];
        let [image_file, label_file] = self.find(dir, &names)?;
        let pixels = read(&image_file, &[count, SIDE, SIDE])?;
        let labels = read(&label_file, &[count])?;
        let stranger = labels.iter().enumerate().find(|&(_, &label)| label >= CLASSES);
        if let Some((record, &label)) = stranger {
            let (path, kind, limit) = (label_file, "class", CLASSES);
            return Err(DataError::LabelOutOfRange { path, record, kind, label, limit });
        }
        ImageSet::new(self.info(), pixels, labels.into_iter().map(u16::from).collect())
    }

    /// What is true of every image.
    pub(super) fn info(&self) -> SetInfo {
        SetInfo {
            name: self.name.to_string(),
            classes: self.classes.map(String::from).to_vec(),
            shape: [1, SIDE, SIDE],
            mean: vec![self.mean],
            std: vec![self.std],
            max_value: u8::MAX,
        }
    }

    /// The two files, in the first folder that has one of them.
    fn find(&self, dir: Option<&Path>, names: &[String; 2]) -> Result<[PathBuf; 2], DataError> {
        let set = || self.name.to_string();
        let Some(dir) = dir else {
            return Err(DataError::DirectoryNotGiven { set: set(), files: names.to_vec() });
        };
        if !dir.is_dir() {
            let (dir, files) = (dir.to_path_buf(), names.to_vec());
            return Err(DataError::NotADirectory { set: set(), dir, files });
        }
        let places: Vec<PathBuf> = FOLDERS.iter().map(|folder| dir.join(folder)).collect();
        for place in &places {
            match names.each_ref().map(|name| file(place, name)) {
                [Some(images), Some(labels)] => return Ok([images, labels]),
                [None, None] => {}
                found => {
                    let absent = names.iter().zip(found).filter(|(_, found)| found.is_none());
                    let files = absent.map(|(name, _)| name.clone()).collect();
                    return Err(DataError::MissingFiles {
                        set: set(),
                        files,
                        looked_in: vec![place.clone()],
                    });
                }
            }
        }
        Err(DataError::MissingFiles { set: set(), files: names.to_vec(), looked_in: places })
    }
}

/// The file of this name in a folder: as it is, packed, or with the dot of older copies.
fn file(folder: &Path, name: &str) -> Option<PathBuf> {
    let dotted = name.replace("-idx", ".idx");
    let names = [name.to_string(), format!("{name}.gz"), dotted.clone(), format!("{dotted}.gz")];
    names.iter().map(|name| folder.join(name)).find(|path| path.is_file())
}

/// The bytes of an idx file that must hold exactly the given sizes.
fn read(path: &Path, sizes: &[usize]) -> Result<Vec<u8>, DataError> {
    let failed = |source| DataError::Io { path: path.to_path_buf(), source };
    let wrong = |expected: String, got: String| DataError::WrongHeader {
        path: path.to_path_buf(),
        expected,
        got,
    };
    let file = BufReader::new(regular::open(path).map_err(failed)?);
    let packed = path.extension().is_some_and(|ending| ending == "gz");
    let reader: Box<dyn Read> =
        if packed { Box::new(GzDecoder::new(file)) } else { Box::new(file) };
    // Two zeros, 8 for bytes, and the number of sizes; then the sizes, most significant byte first.
    let mut expected = vec![0, 0, 8, sizes.len() as u8];
    expected.extend(sizes.iter().flat_map(|&size| (size as u32).to_be_bytes()));
    let (head, bytes) = (expected.len(), sizes.iter().product::<usize>());
    // One byte more than there should be, to see that the file ends; never more than that.
    let mut content = Vec::with_capacity(head + bytes + 1);
    let end = reader.take((head + bytes + 1) as u64).read_to_end(&mut content);
    match end {
        Err(error) if error.kind() != ErrorKind::UnexpectedEof => return Err(failed(error)),
        _ => {}
    }
    let got = content.len().min(head);
    if content[..got] != expected[..] {
        let header = |bytes: &[u8]| format!("the header {bytes:02x?} of {sizes:?} bytes");
        return Err(wrong(header(&expected), format!("{:02x?}", &content[..got])));
    }
    if content.len() != head + bytes {
        let got = match content.len() {
            got if got > head + bytes => "more".to_string(),
            got => format!("{got}"),
        };
        return Err(wrong(format!("{} bytes", head + bytes), got));
    }
    content.drain(..head);
    Ok(content)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use tempfile::{TempDir, tempdir};

    use super::*;

    /// MNIST with three training images and two test images.
    const SMALL: Layout = Layout { images: [3, 2], ..MNIST };

    /// An idx file of these sizes; byte `i` is `i % modulus`.
    fn idx(sizes: &[usize], modulus: usize) -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, sizes.len() as u8];
        bytes.extend(sizes.iter().flat_map(|&size| (size as u32).to_be_bytes()));
        bytes.extend((0..sizes.iter().product()).map(|i: usize| (i % modulus) as u8));
        bytes
    }

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(bytes).expect("in memory");
        packer.finish().expect("in memory")
    }

    fn dir(files: &[(&str, Vec<u8>)]) -> TempDir {
        let dir = tempdir().expect("a temporary directory");
        for (name, bytes) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, bytes).expect("a file");
        }
        dir
    }

    fn refused(files: &[(&str, Vec<u8>)]) -> String {
        let dir = dir(files);
        let error = SMALL.load(Some(dir.path()), Split::Train).expect_err("must be refused");
        assert!(error.is_user_error(), "{error}");
        error.to_string().replace(&dir.path().display().to_string(), "DIR")
    }

    #[test]
    fn plain_and_packed_files_of_all_names_are_read() -> Result<(), DataError> {
        let (images, labels) = (idx(&[3, 28, 28], 251), idx(&[3], 10));
        let plain = dir(&[
            ("train-images-idx3-ubyte", images.clone()),
            ("train-labels-idx1-ubyte", labels.clone()),
        ]);
        let set = SMALL.load(Some(plain.path()), Split::Train)?;
        assert_eq!((set.shape(), set.labels()), ([1, 28, 28], [0, 1, 2].as_slice()));
        assert_eq!(set.image(1)[..2], [784 % 251, 785 % 251].map(|v: usize| v as u8));
        let others = dir(&[
            ("MNIST/raw/train-images-idx3-ubyte.gz", packed(&images)),
            ("MNIST/raw/train-labels.idx1-ubyte", labels),
        ]);
        assert_eq!(SMALL.load(Some(others.path()), Split::Train)?, set);
        Ok(())
    }

    #[test]
    fn files_that_are_something_else_are_refused() {
        let images = ("train-images-idx3-ubyte", idx(&[3, 28, 28], 251));
        let with = |name: &'static str, bytes: Vec<u8>| refused(&[images.clone(), (name, bytes)]);
        let labels = "train-labels-idx1-ubyte";
        let said = with(labels, idx(&[4], 10));
        assert!(
            said.contains(
                "train-labels-idx1-ubyte: expected the header [00, 00, 08, 01, 00, 00, 00, 03]"
            ),
            "{said}"
        );
        assert!(with(labels, b"text".to_vec()).contains("got [74, 65, 78, 74]"));
        assert!(with(labels, Vec::new()).contains("got []"));
        assert!(with(labels, idx(&[3], 10)[..10].to_vec()).ends_with("expected 11 bytes, got 10"));
        let long = [idx(&[3], 10), vec![0; 9]].concat();
        assert!(with(labels, long).ends_with("expected 11 bytes, got more"));
        let stranger = [idx(&[3], 10)[..10].to_vec(), vec![10]].concat();
        let said = with(labels, stranger);
        assert!(
            said.ends_with("record 2 (from 0): expected a class label below 10, got 10"),
            "{said}"
        );
    }

    #[test]
    fn packed_files_are_read_no_further_than_they_should_go() {
        let images = ("train-images-idx3-ubyte", idx(&[3, 28, 28], 251));
        let bomb = packed(&[idx(&[3], 10), vec![0; 50 << 20]].concat());
        let labels = ("train-labels-idx1-ubyte.gz", bomb);
        assert!(refused(&[images.clone(), labels]).ends_with("expected 11 bytes, got more"));
        let whole = packed(&idx(&[3], 10));
        let cut = ("train-labels-idx1-ubyte.gz", whole[..whole.len() - 12].to_vec());
        assert!(refused(&[images.clone(), cut]).contains("expected 11 bytes, got"));
        let mut wrong_sum = whole.clone();
        wrong_sum[whole.len() - 8] ^= 1;
        let wrong_sum = ("train-labels-idx1-ubyte.gz", wrong_sum);
        assert!(refused(&[images.clone(), wrong_sum]).contains(".gz: cannot be read"));
        let text = ("train-labels-idx1-ubyte.gz", b"<html>not found</html>".to_vec());
        assert!(refused(&[images, text]).contains("train-labels-idx1-ubyte.gz: cannot be read"));
    }

    #[test]
    fn missing_files_are_named() {
        let images = ("train-images-idx3-ubyte", idx(&[3, 28, 28], 251));
        assert_eq!(refused(&[images]), "mnist: missing train-labels-idx1-ubyte, looked in DIR/");
        let said = refused(&[]);
        assert!(said.starts_with("mnist: missing train-images-idx3-ubyte, train-labels"), "{said}");
    }
}
