//! Images that stay in files: decoded each time that they are asked for, so that a set of any size
//! takes no more memory than its names.

use std::path::{Path, PathBuf};

use super::boxes::{FILL, Placement, paint};
use super::decode::{self, ImageError, Rgb};
use super::geometry::Geometry;
use super::resample::{self, Window};
use super::rng::SplitMix64;

/// The files of an image set: `ROOT/FOLDER/NAME`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ImageFiles {
    /// The folder of the split.
    pub(super) root: PathBuf,
    /// Folders below it.
    pub(super) folders: Vec<String>,
    /// Which of them each image is in, `[n]`.
    pub(super) places: Vec<u16>,
    /// The file of each image, below its folder, `[n]`.
    pub(super) names: Vec<Box<Path>>,
    /// What of an image becomes one of the network's size.
    pub(super) view: FileView,
}

/// What of an image of any size becomes one of the network's size, unless it is a random part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileView {
    /// A square in the centre, after the shorter side was resized to so many pixels.
    Centre { resize: u32 },
    /// All of it, as large as it fits, with grey around it.
    Letterbox,
}

/// Which part of an image in a file becomes the image that the network gets.
#[derive(Debug)]
pub(super) enum Framing {
    /// What the files' view says.
    Centre,
    /// A random part, resized.
    Random(SplitMix64),
}

impl ImageFiles {
    /// The file of image `index`.
    pub(super) fn path(&self, index: usize) -> PathBuf {
        let folder = &self.folders[usize::from(self.places[index])];
        self.root.join(folder).join(&self.names[index])
    }

    /// The image in the file of image `index`, which is to be of this height and width, if any.
    pub(super) fn decode(
        &self,
        index: usize,
        expected: Option<[usize; 2]>,
    ) -> Result<Rgb, ImageError> {
        let image = decode::read(&self.path(index))?;
        match expected {
            Some(expected) if expected != image.size() => {
                Err(ImageError::OtherSize { expected, got: image.size() })
            }
            _ => Ok(image),
        }
    }

    /// The pixels of image `index`, of this shape: of three channels, or of one, where colours become grey; and
    /// which part of the image they are. The centre is a square.
    pub(super) fn read(
        &self,
        index: usize,
        [channels, height, width]: [usize; 3],
        framing: Framing,
        expected: Option<[usize; 2]>,
    ) -> Result<(Vec<u8>, Geometry), ImageError> {
        let image = self.decode(index, expected)?;
        let (side, size) = (height as u32, [height, width]);
        let (pixels, window) = match (framing, self.view) {
            (Framing::Centre, FileView::Centre { resize }) => {
                let area = resample::centre_area(&image, resize, side);
                (resample::centre(&image, resize, side), area)
            }
            (Framing::Centre, FileView::Letterbox) => {
                let placement = Placement::letterbox(image.size(), size);
                let mut pixels = vec![FILL; 3 * height * width];
                paint(&image, &placement, size, &mut pixels);
                (pixels, placement.window(size))
            }
            (Framing::Random(mut rng), _) => {
                let window = Window::random(image.width, image.height, &mut rng);
                (resample::resized(&image, window, size), window.area())
            }
        };
        Ok((
            channels_first(&pixels, channels),
            Geometry { image: image.size(), window, flip: false, size },
        ))
    }

    /// Tells the names of all files below the root, in their order: alike on every system.
    pub(super) fn hash_names(&self, mut tell: impl FnMut(&[u8])) {
        for (&place, name) in self.places.iter().zip(&self.names) {
            tell(self.folders[usize::from(place)].as_bytes());
            for part in name.components() {
                tell(b"/");
                tell(part.as_os_str().as_encoded_bytes());
            }
            tell(b"\0");
        }
    }

    /// The files `indices`, in that order.
    pub(super) fn subset(&self, indices: &[usize]) -> Self {
        Self {
            root: self.root.clone(),
            folders: self.folders.clone(),
            places: indices.iter().map(|&index| self.places[index]).collect(),
            names: indices.iter().map(|&index| self.names[index].clone()).collect(),
            view: self.view,
        }
    }
}

/// `[height, width, 3]` as `[channels, height, width]` of three channels, or of one, where colours become grey.
pub(super) fn channels_first(pixels: &[u8], channels: usize) -> Vec<u8> {
    if channels == 1 { grey(pixels) } else { planes(pixels) }
}

/// `[height, width, 3]` as `[3, height, width]`.
fn planes(pixels: &[u8]) -> Vec<u8> {
    let plane = |channel| pixels.iter().skip(channel).step_by(3);
    (0..3).flat_map(plane).copied().collect()
}

/// `[height, width, 3]` as `[height, width]`, by the weights of ITU-R 601 in 16 bits, as PIL does.
fn grey(pixels: &[u8]) -> Vec<u8> {
    let [red, green, blue, half] = [19_595, 38_470, 7_471, 1 << 15];
    let luma = |[r, g, b]: &[u8; 3]| {
        let [r, g, b] = [r, g, b].map(|&value| u32::from(value));
        ((red * r + green * g + blue * b + half) >> 16) as u8
    };
    pixels.as_chunks::<3>().0.iter().map(luma).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_become_planes() {
        assert_eq!(planes(&[1, 2, 3, 4, 5, 6]), [1, 4, 2, 5, 3, 6]);
    }

    #[test]
    fn colours_become_grey_and_grey_stays() {
        assert_eq!(grey(&[255, 0, 0, 0, 255, 0, 0, 0, 255]), [76, 150, 29]);
        for value in 0..=255 {
            assert_eq!(grey(&[value; 3]), [value]);
        }
    }
}
