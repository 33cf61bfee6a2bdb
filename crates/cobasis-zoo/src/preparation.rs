//! How images become a model's input.

use serde::{Deserialize, Serialize};

/// Sides of images beyond these are a slip or an attack: of the square that a network gets, as of
/// images that it can be trained on, and of what the square is cut from.
const MAX_SIZE: usize = 1024;
const MAX_RESIZE: usize = 4096;

/// How the images that a model was trained on were prepared, and what its classes are called: what
/// it takes to show it others.
///
/// The shorter side of an image is resized to [`resize`](Self::resize) pixels, the square of side
/// [`size`](Self::size) in its centre is cut out, and the value `v` of a pixel, from 0 for black to
/// 1 for white, becomes `(v - mean) / std`, channel by channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preparation {
    /// Name of the data set.
    pub dataset: String,
    /// Names of the classes, by label; none where they are not known.
    pub classes: Vec<String>,
    /// Side of the square that the network gets, pixels.
    pub size: usize,
    /// Length of an image's shorter side before the square is cut out, pixels.
    pub resize: usize,
    /// Mean of each channel.
    pub mean: Vec<f32>,
    /// Standard deviation of each channel.
    pub std: Vec<f32>,
}

impl Preparation {
    /// Whether images can be prepared like this for a model of so many classes and channels.
    ///
    /// # Errors
    ///
    /// What is wrong, in words.
    pub fn check(&self, num_classes: usize, in_channels: usize) -> Result<(), String> {
        let Self { classes, size, resize, mean, std, .. } = self;
        let wrong = |what: &str, expected: String, got: String| {
            Err(format!("{what}: expected {expected}, got {got}"))
        };
        if !classes.is_empty() && classes.len() != num_classes {
            let expected = format!("a name for each of {num_classes} classes");
            return wrong("classes", expected, classes.len().to_string());
        }
        if !(1..=MAX_SIZE).contains(size) {
            return wrong("size", format!("1 to {MAX_SIZE} pixels"), size.to_string());
        }
        if !(*size..=MAX_RESIZE).contains(resize) {
            return wrong("resize", format!("{size} to {MAX_RESIZE} pixels"), resize.to_string());
        }
        for (what, values) in [("mean", mean), ("std", std)] {
            if values.len() != in_channels {
                let expected = format!("a number for each of {in_channels} channels");
                return wrong(what, expected, values.len().to_string());
            }
        }
        if let Some(mean) = mean.iter().find(|mean| !mean.is_finite()) {
            return wrong("mean", "finite numbers".into(), mean.to_string());
        }
        if let Some(std) = std.iter().find(|std| !std.is_normal() || **std < 0.0) {
            return wrong("std", "positive numbers".into(), std.to_string());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preparation() -> Preparation {
        Preparation {
            dataset: "toy".into(),
            classes: vec!["cat".into(), "dog".into()],
            size: 8,
            resize: 9,
            mean: vec![0.5],
            std: vec![0.25],
        }
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let check = |preparation: Preparation| preparation.check(2, 1);
        assert_eq!(check(preparation()), Ok(()));
        assert_eq!(check(Preparation { classes: Vec::new(), ..preparation() }), Ok(()));
        let wrong = [
            (Preparation { classes: vec!["cat".into()], ..preparation() }, "classes: expected a"),
            (Preparation { size: 0, ..preparation() }, "size: expected 1 to 1024 pixels, got 0"),
            (Preparation { size: 4096, resize: 4096, ..preparation() }, "size: expected 1 to 1024"),
            (Preparation { resize: 7, ..preparation() }, "resize: expected 8 to 4096 pixels"),
            (Preparation { resize: 1 << 40, ..preparation() }, "resize: expected 8 to 4096"),
            (Preparation { mean: vec![0.5; 3], ..preparation() }, "mean: expected a number for"),
            (Preparation { mean: vec![f32::NAN], ..preparation() }, "mean: expected finite"),
            (Preparation { std: vec![0.0], ..preparation() }, "std: expected positive"),
        ];
        for (preparation, said) in wrong {
            let problem = check(preparation).expect_err("must be refused");
            assert!(problem.starts_with(said), "{problem}");
        }
    }
}
