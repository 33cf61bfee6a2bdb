//! Images with boxes as the loader takes them.

use std::path::Path;
use std::sync::Arc;

use super::annotations::{Annotated, AnnotatedImage, Annotation, BoxKind};
use super::picture::BoxAugment;
use super::rect::Rect;
use crate::error::DataError;
use crate::files::{FileView, ImageFiles};
use crate::geometry::{Geometry, Target};
use crate::image_set::ImageSet;
use crate::loader::Loader;
use crate::set_info::SetInfo;

/// What is in an image or a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Boxes {
    /// Height and width of the image or picture, pixels.
    pub size: [usize; 2],
    /// Boxes in it.
    pub boxes: Vec<Annotation>,
}

impl Target for Boxes {
    /// Boxes are cut at the picture's edges; what is hardly seen of is dropped, as by
    /// [`Placement::see`](super::Placement::see).
    fn follow(&mut self, to: &Geometry) {
        let moved = |annotation: &Annotation| to.see(annotation);
        *self = Self { size: to.size, boxes: self.boxes.iter().filter_map(moved).collect() };
    }

    fn size(&self) -> Option<[usize; 2]> {
        Some(self.size)
    }

    fn tell(&self, to: &mut dyn FnMut(&[u8])) {
        for Annotation { rect, class, kind, area } in &self.boxes {
            let [x, y, w, h] = rect.xywh();
            [x, y, w, h, *area].iter().for_each(|number| to(&number.to_le_bytes()));
            to(&class.to_le_bytes());
            to(&[match kind {
                BoxKind::Object => 0,
                BoxKind::Difficult => 1,
                BoxKind::Crowd => 2,
            }]);
        }
        to(&(self.boxes.len() as u64).to_le_bytes());
    }

    fn problem(&self, classes: usize) -> Option<[String; 2]> {
        let unknown = self.boxes.iter().find(|one| usize::from(one.class) >= classes)?;
        Some([format!("classes below {classes}"), unknown.class.to_string()])
    }
}

impl Annotated {
    /// The images for a loader: all of each, as large as it fits into pictures of the height and width
    /// `input`, in their middle with grey around it, with ImageNet's mean and standard deviation.
    ///
    /// # Errors
    ///
    /// [`DataError::Inconsistent`] where a side of `input` is 0, or an image is not below the set's folder.
    pub fn image_set(&self, input: [usize; 2]) -> Result<ImageSet<Boxes>, DataError> {
        let info = SetInfo {
            name: self.name.clone(),
            classes: self.classes.iter().map(|class| class.name.clone()).collect(),
            shape: [3, input[0], input[1]],
            mean: vec![0.485, 0.456, 0.406],
            std: vec![0.229, 0.224, 0.225],
            max_value: u8::MAX,
        };
        let name = |image: &AnnotatedImage| match image.path.strip_prefix(&self.folder) {
            Ok(name) => Ok(Box::<Path>::from(name)),
            Err(_) => {
                let (folder, path) = (self.folder.display(), image.path.display());
                Err(info.error("image", format!("a file below {folder}"), path.to_string()))
            }
        };
        let names = self.images.iter().map(name).collect::<Result<Vec<_>, _>>()?;
        let target =
            |image: &AnnotatedImage| Boxes { size: image.size, boxes: image.boxes.clone() };
        let files = ImageFiles {
            root: self.folder.clone(),
            folders: vec![String::new()],
            places: vec![0; names.len()],
            names,
            view: FileView::Letterbox,
        };
        ImageSet::of_files(info, files, self.images.iter().map(target).collect())
    }
}

impl Loader<Boxes> {
    /// Changes images and their boxes at random, in place of the loader's own changes: for training. Without it,
    /// all of each image is seen. A picture is a function of the set, these settings, seed, epoch and
    /// index of the image.
    ///
    /// # Errors
    ///
    /// [`DataError::Inconsistent`] where the settings are no ranges or shares, and where the images
    /// are not in files.
    pub fn with_boxes(self, augment: BoxAugment) -> Result<Self, DataError> {
        augment.check(self.set())?;
        let make = move |set: &ImageSet<Boxes>, index, key, out: &mut [f32]| {
            augment.picture(set, index, key, out)
        };
        Ok(self.with_pictures(Arc::new(make)))
    }
}

impl Geometry {
    /// What of an annotation is seen in the picture.
    fn see(&self, annotation: &Annotation) -> Option<Annotation> {
        let [left, top, right, bottom] = annotation.rect.corners();
        let ([ax, ay], [bx, by]) = (self.point([left, top]), self.point([right, bottom]));
        let whole = Rect::from_corners([ax.min(bx), ay, ax.max(bx), by]);
        let scale = whole.area() / annotation.rect.area();
        super::geometry::seen(annotation, whole, [[0, 0], self.size], scale)
    }
}

#[cfg(test)]
mod tests;
