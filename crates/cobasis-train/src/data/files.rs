//! Images that stay in files: decoded each time that they are asked for, so that a set of any size
//! takes no more memory than its names.

use std::path::{Path, PathBuf};

use super::decode::{self, ImageError};
use super::resample::{self, Window};
use super::rng::SplitMix64;

/// The files of an image set: `ROOT/CLASS/NAME`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ImageFiles {
    /// The folder of the split.
    pub(super) root: PathBuf,
    /// The file of each image, below the folder of its class, `[n]`.
    pub(super) names: Vec<Box<Path>>,
    /// Length of the shorter side before the centre is cut out, in pixels.
    pub(super) resize: u32,
}

/// Which part of an image in a file becomes the image that the network gets.
#[derive(Debug)]
pub(super) enum Framing {
    /// The centre, after the shorter side was resized.
    Centre,
    /// A random part, resized.
    Random(SplitMix64),
}

impl ImageFiles {
    /// The file of image `index`, which is of class `class`.
    pub(super) fn path(&self, index: usize, class: &str) -> PathBuf {
        self.root.join(class).join(&self.names[index])
    }

    /// The pixels of image `index`, `[3, size, size]`.
    pub(super) fn read(
        &self,
        index: usize,
        class: &str,
        size: u32,
        framing: Framing,
    ) -> Result<Vec<u8>, ImageError> {
        let image = decode::read(&self.path(index, class))?;
        let pixels = match framing {
            Framing::Centre => resample::centre(&image, self.resize, size),
            Framing::Random(mut rng) => {
                let window = Window::random(image.width, image.height, &mut rng);
                resample::resized(&image, window, size)
            }
        };
        Ok(planes(&pixels))
    }

    /// The files `indices`, in that order.
    pub(super) fn subset(&self, indices: &[usize]) -> Self {
        let names = indices.iter().map(|&index| self.names[index].clone()).collect();
        Self { root: self.root.clone(), names, resize: self.resize }
    }
}

/// `[height, width, 3]` as `[3, height, width]`.
fn planes(pixels: &[u8]) -> Vec<u8> {
    let plane = |channel| pixels.iter().skip(channel).step_by(3);
    (0..3).flat_map(plane).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_become_planes() {
        assert_eq!(planes(&[1, 2, 3, 4, 5, 6]), [1, 4, 2, 5, 3, 6]);
    }
}
