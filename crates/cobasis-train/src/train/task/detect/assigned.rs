//! Which points of a detector stand for which objects.

use cobasis_zoo::Point;

use crate::data::boxes::{Annotation, BoxKind, Boxes};

/// Something to be found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Object {
    /// Left, upper, right and lower edge, pixels of the picture.
    pub corners: [f64; 4],
    /// Its class.
    pub class: usize,
}

/// A point that stands for an object.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Positive {
    /// Which point.
    pub point: usize,
    /// Which object of the image.
    pub object: usize,
    /// How well it does, 0 to 1: the IoU of the box that it found, for YOLOX, or its centreness, for
    /// FCOS.
    pub quality: f64,
}

/// The points of a batch that stand for objects, image by image, and those that stand for nothing known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assigned {
    /// Their places among the points of all images.
    pub places: Vec<usize>,
    /// Left, upper, right and lower edges of their objects, 4 numbers each.
    pub corners: Vec<f32>,
    /// The classes of their objects.
    pub classes: Vec<usize>,
    /// How well they do, 0 to 1.
    pub qualities: Vec<f32>,
    /// Their strides, pixels.
    pub strides: Vec<f32>,
    /// Places of points that are neither wrong nor right if they find something: in boxes that stand for
    /// no object to be found, and not assigned.
    pub ignored: Vec<usize>,
}

impl Object {
    /// Width times height.
    pub fn area(&self) -> f64 {
        let [left, top, right, bottom] = self.corners;
        (right - left) * (bottom - top)
    }

    /// Whether a point is less than 1.5 strides from the middle, right or left, and up or down.
    pub fn has_near_centre(&self, point: &Point) -> bool {
        let [left, top, right, bottom] = self.corners;
        let radius = 1.5 * f64::from(point.stride);
        let near = |at: f32, from: f64, to: f64| (f64::from(at) - (from + to) / 2.0).abs() < radius;
        near(point.x, left, right) && near(point.y, top, bottom)
    }

    /// How far the left, upper, right and lower edge are from a point, greater than 0 if it is inside.
    pub fn sides(&self, point: &Point) -> [f64; 4] {
        let ([left, top, right, bottom], [x, y]) =
            (self.corners, [f64::from(point.x), f64::from(point.y)]);
        [x - left, y - top, right - x, bottom - y]
    }

    /// Shared area by the area of both together; 0 where they share none.
    pub fn iou(&self, corners: [f64; 4]) -> f64 {
        let other = Object { corners, ..*self };
        let [a, b] = [self.corners, corners];
        let width = a[2].min(b[2]) - a[0].max(b[0]);
        let height = a[3].min(b[3]) - a[1].max(b[1]);
        match width > 0.0 && height > 0.0 {
            true => width * height / (self.area() + other.area() - width * height),
            false => 0.0,
        }
    }
}

impl Assigned {
    /// Assigns the points of each image by `assign`, which gets the image's number and its objects.
    ///
    /// Objects are boxes of the kind [`BoxKind::Object`] alone. What else is known of an image asks for no
    /// point, and points in it are [ignored](Self::ignored) unless they stand for an object.
    pub fn new(
        points: &[Point],
        images: &[Boxes],
        assign: impl Fn(usize, &[Object]) -> Vec<Positive>,
    ) -> Self {
        let mut all = Self::default();
        for (image, known) in images.iter().enumerate() {
            let is_object = |one: &&Annotation| one.kind == BoxKind::Object;
            let (wanted, others): (Vec<&Annotation>, Vec<&Annotation>) =
                known.boxes.iter().partition(is_object);
            let objects: Vec<Object> = wanted.into_iter().map(Object::from).collect();
            let positives = assign(image, &objects);
            let first = image * points.len();
            for &Positive { point, object, quality } in &positives {
                all.places.push(first + point);
                all.corners.extend(objects[object].corners.map(|edge| edge as f32));
                all.classes.push(objects[object].class);
                all.qualities.push(quality as f32);
                all.strides.push(points[point].stride);
            }
            if others.is_empty() {
                continue;
            }
            let others: Vec<Object> = others.into_iter().map(Object::from).collect();
            let within = |point| others.iter().any(|other| inside(&other.sides(point)));
            let free = |number: &usize| positives.iter().all(|positive| positive.point != *number);
            let ignored = (0..points.len()).filter(|&number| within(&points[number])).filter(free);
            all.ignored.extend(ignored.map(|number| first + number));
        }
        all
    }
}

impl From<&Annotation> for Object {
    fn from(annotation: &Annotation) -> Self {
        Self { corners: annotation.rect.corners(), class: usize::from(annotation.class) }
    }
}

/// Whether a point with these distances from the edges is in a box, and not on its edge.
pub fn inside(sides: &[f64; 4]) -> bool {
    sides.iter().all(|&side| side > 0.0)
}

#[cfg(test)]
mod tests;
