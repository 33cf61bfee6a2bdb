//! Pictures to learn boxes from: one image or four, resized, moved, mirrored, in other colours.

use super::annotations::Annotation;
use super::geometry::Placement;
use super::hsv::HsvChange;
use super::paint::paint;
use super::target::Boxes;
use crate::augment::AugmentKey;
use crate::decode::ImageError;
use crate::error::DataError;
use crate::files::channels_first;
use crate::image_set::ImageSet;
use crate::picture::normalise;
use crate::rng::SplitMix64;

/// The value of each colour where a picture has no image.
pub const FILL: u8 = 114;

/// Keeps these draws apart from all others, and those of the parts of a picture from each other.
const DOMAIN: u64 = 0x626f_7865_7300_0000;
const MOSAIC: u64 = 1;
const COLOUR: u64 = 2;
/// The first of four tiles; the others follow.
const TILE: u64 = 3;
/// The largest and smallest scale.
const SCALES: [f64; 2] = [1.0 / 64.0, 64.0];

/// Random changes to training images and their boxes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoxAugment {
    /// Smallest and largest scale, by the one that makes an image fit into the picture, every one in
    /// between as likely. Images smaller than the picture are put anywhere in it, of larger ones any part is seen;
    /// where both scales are 1, images are in the middle.
    pub scale: [f64; 2],
    /// Whether half of the images are mirrored top to bottom, and half left to right.
    pub flip: [bool; 2],
    /// Changes of colours.
    pub hsv: HsvChange,
    /// Share of the pictures that are made of four images: they meet in a random point of a picture
    /// of twice the size, of whose middle the picture is a part that the scale tells.
    pub mosaic: f64,
    /// The first epoch without such pictures, by the loader's number.
    pub mosaic_end: u64,
}

/// An image's way into a picture: which one, and where it goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Tile {
    pub(super) index: usize,
    pub(super) placement: Placement,
}

impl BoxAugment {
    /// No change: all of an image, in the middle.
    pub const NONE: Self = Self {
        scale: [1.0, 1.0],
        flip: [false, false],
        hsv: HsvChange { hue: 0.0, saturation: 0.0, value: 0.0 },
        mosaic: 0.0,
        mosaic_end: u64::MAX,
    };

    /// Whether pictures can be made of the images of a set like this.
    pub(super) fn check(&self, set: &ImageSet<Boxes>) -> Result<(), DataError> {
        let Self { scale: [low, high], hsv, mosaic, .. } = *self;
        let wrong =
            |what: &str, expected: &str, got: String| Err(set.info().error(what, expected, got));
        let share = |share: f64| (0.0..=1.0).contains(&share);
        if !(SCALES[0] <= low && low <= high && high <= SCALES[1]) {
            return wrong(
                "scale",
                "a smallest and a largest from 1/64 to 64",
                format!("{low} to {high}"),
            );
        }
        if !share(mosaic) {
            return wrong("mosaic", "a share from 0 to 1", mosaic.to_string());
        }
        if !(0.0..=180.0).contains(&hsv.hue) || !share(hsv.saturation) || !share(hsv.value) {
            return wrong(
                "colours",
                "a hue up to 180 degrees and shares from 0 to 1",
                format!("{hsv:?}"),
            );
        }
        match set.is_in_files() {
            true => Ok(()),
            false => wrong("images", "images in files", "images in memory".to_string()),
        }
    }

    /// Writes the picture of image `index` to `out`, `[channels, height, width]`, normalised, and tells what is in it.
    ///
    /// # Errors
    ///
    /// Where the file of the image gives none, or one of another size than its boxes are for.
    pub(super) fn picture(
        &self,
        set: &ImageSet<Boxes>,
        index: usize,
        key: AugmentKey,
        out: &mut [f32],
    ) -> Result<Boxes, ImageError> {
        let (pixels, boxes) = self.paint(set, index, key)?;
        normalise(set.info(), &channels_first(&pixels, set.shape()[0]), out);
        Ok(boxes)
    }

    /// The picture of image `index`, `[height, width, 3]`, and what is in it.
    fn paint(
        &self,
        set: &ImageSet<Boxes>,
        index: usize,
        key: AugmentKey,
    ) -> Result<(Vec<u8>, Boxes), ImageError> {
        let [_, height, width] = set.shape();
        let size = [height, width];
        let mut picture = vec![FILL; 3 * height * width];
        let mut boxes: Vec<Annotation> = Vec::new();
        for tile in self.tiles(set, index, key) {
            let image = match set.decode(tile.index) {
                Ok(image) => image,
                // Said where the image is the picture's own; here its place stays empty.
                Err(_) if tile.index != index => continue,
                Err(error) => return Err(error),
            };
            paint(&image, &tile.placement, size, &mut picture);
            let known = &set.target(tile.index).boxes;
            boxes.extend(known.iter().filter_map(|annotation| tile.placement.see(annotation)));
        }
        let mut rng = rng(key, index, COLOUR);
        self.hsv.draw(&mut rng).apply(&mut picture);
        Ok((picture, Boxes { size, boxes }))
    }

    /// The images of a picture: one, or four, of which the first is its own. A change of one setting leaves the draws for
    /// the others as they are.
    pub(super) fn tiles(&self, set: &ImageSet<Boxes>, index: usize, key: AugmentKey) -> Vec<Tile> {
        let [_, height, width] = set.shape();
        let input = [height, width];
        let mut draw = rng(key, index, MOSAIC);
        let is_mosaic = draw.unit() < self.mosaic && key.epoch < self.mosaic_end;
        let gain = self.scale[0] + (self.scale[1] - self.scale[0]) * draw.unit();
        if !is_mosaic {
            let placement = self.single(set.target(index).size, input, gain, rng(key, index, TILE));
            return vec![Tile { index, placement }];
        }
        // Where the four meet: in the middle half of a picture of twice the size, seen at this scale.
        let meet = input.map(|side| {
            let side = side as f64;
            let at = side * (0.5 + gain * (draw.unit() - 0.5));
            at.round().clamp(0.0, side) as usize
        });
        let corner = draw.below(4);
        (0..4)
            .map(|number| {
                let other = draw.below(set.len() as u64) as usize;
                let index_here = if number == corner { index } else { other };
                let mut draw = rng(key, index, TILE + number);
                let image = set.target(index_here).size;
                let resized = Placement::fitting(image, input, gain);
                let flip = self.flip(&mut draw);
                let [below, right] = [number / 2 == 1, number % 2 == 1];
                let side = |axis: usize, after: bool| match after {
                    true => (meet[axis] as i64, [meet[axis], input[axis]]),
                    false => (meet[axis] as i64 - resized[axis] as i64, [0, meet[axis]]),
                };
                let ((down, rows), (along, columns)) = (side(0, below), side(1, right));
                let (from, to) = ([rows[0], columns[0]], [rows[1], columns[1]]);
                let offset = [down, along];
                let placement = Placement { image, flip, resized, offset, from, to };
                Tile { index: index_here, placement }
            })
            .collect()
    }

    /// One image at a scale.
    fn single(
        &self,
        image: [usize; 2],
        input: [usize; 2],
        gain: f64,
        mut draw: SplitMix64,
    ) -> Placement {
        let flip = self.flip(&mut draw);
        let letterbox = Placement { flip, ..Placement::letterbox(image, input) };
        if self.scale == Self::NONE.scale {
            return letterbox;
        }
        let resized = Placement::fitting(image, input, gain);
        let offset = [0, 1].map(|axis| {
            let free = input[axis] as i64 - resized[axis] as i64;
            free.signum() * draw.below(free.unsigned_abs() + 1) as i64
        });
        Placement { resized, offset, ..letterbox }
    }

    fn flip(&self, draw: &mut SplitMix64) -> [bool; 2] {
        self.flip.map(|wanted| (draw.next_u64() & 1 == 1) && wanted)
    }
}

/// The draws for a part of the picture of an image.
fn rng(key: AugmentKey, index: usize, part: u64) -> SplitMix64 {
    SplitMix64::keyed(&[DOMAIN, key.seed, key.epoch, index as u64, part])
}

#[cfg(test)]
mod tests;
