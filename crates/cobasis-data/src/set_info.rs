//! What is true of every image of a set.

use super::error::DataError;
use super::geometry::Target;

/// What is true of every image of a set.
#[derive(Debug, Clone, PartialEq)]
pub struct SetInfo {
    /// Name of the set, for messages.
    pub name: String,
    /// Names of the classes; label `k` stands for `classes[k]`.
    pub classes: Vec<String>,
    /// Shape of one image: `[channels, height, width]`.
    pub shape: [usize; 3],
    /// Mean per channel, on the scale where `max_value` is 1.
    pub mean: Vec<f32>,
    /// Standard deviation per channel, on the scale where `max_value` is 1.
    pub std: Vec<f32>,
    /// Largest value of a pixel, the one that maps to 1.
    pub max_value: u8,
}

impl SetInfo {
    /// Pixels of one image: channels × height × width.
    pub fn image_len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether the parts agree with each other.
    pub(super) fn check(&self) -> Result<(), DataError> {
        let [channels, ..] = self.shape;
        let len = self.shape.iter().try_fold(1usize, |len, &size| len.checked_mul(size));
        if len.is_none_or(|len| len == 0) {
            return Err(self.error("shape", "positive sizes", format!("{:?}", self.shape)));
        }
        for (what, values) in [("mean", &self.mean), ("std", &self.std)] {
            if values.len() != channels {
                let expected = format!("{channels} values");
                return Err(self.error(what, expected, values.len().to_string()));
            }
        }
        if let Some(mean) = self.mean.iter().find(|mean| !mean.is_finite()) {
            return Err(self.error("mean", "finite values", mean.to_string()));
        }
        if let Some(std) = self.std.iter().find(|std| !std.is_normal() || **std < 0.0) {
            return Err(self.error("std", "positive values", std.to_string()));
        }
        if self.max_value == 0 {
            return Err(self.error("max_value", "at least 1", "0"));
        }
        Ok(())
    }

    /// Whether all targets are possible ones of a set with these classes.
    pub(super) fn check_targets<T: Target>(&self, targets: &[T]) -> Result<(), DataError> {
        for (index, target) in targets.iter().enumerate() {
            if let Some([expected, got]) = target.problem(self.classes.len()) {
                return Err(self.error(format!("label of image {index}"), expected, got));
            }
        }
        Ok(())
    }

    /// The error that `what` is not as `expected`.
    pub(crate) fn error(
        &self,
        what: impl Into<String>,
        expected: impl Into<String>,
        got: impl Into<String>,
    ) -> DataError {
        DataError::Inconsistent {
            set: self.name.clone(),
            what: what.into(),
            expected: expected.into(),
            got: got.into(),
        }
    }
}
