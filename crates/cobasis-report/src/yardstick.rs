//! What runs are compared by: the error of classifiers, the average precision of detectors.

use cobasis_train::metrics::{Measure, TOP1};
use cobasis_train::run_dir::{EpochMetrics, EpochSummary};
use cobasis_train::train::Spread;

/// What runs are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Yardstick(Measure);

impl Yardstick {
    /// That of runs that are judged by a measure.
    pub(crate) fn of(measure: Measure) -> Self {
        Self(measure)
    }

    /// Whether it is what is wrong in percent, in place of the measure itself.
    fn is_error(self) -> bool {
        self.0 == TOP1
    }

    /// Its name within a sentence: `error` or `AP`.
    pub(crate) fn name(self) -> &'static str {
        if self.is_error() { "error" } else { self.0.label }
    }

    /// Its name in the names of fields.
    pub(crate) fn field(self) -> &'static str {
        if self.is_error() { "error" } else { self.0.name }
    }

    /// Its name where a line begins.
    pub(crate) fn title(self) -> &'static str {
        if self.is_error() { "Error" } else { self.0.label }
    }

    /// The title of an axis for it.
    pub(crate) fn axis(self, images: &str) -> String {
        let unit = if self.is_error() { ", %" } else { "" };
        format!("{images} {}{unit}", self.name())
    }

    /// It on the test images after an epoch.
    pub(crate) fn on_test(self, epoch: &EpochSummary) -> f64 {
        self.from(epoch.value(&format!("test_{}", self.0.name)))
    }

    /// It on the images that judge an epoch.
    pub(crate) fn on_val(self, epoch: &EpochMetrics) -> f64 {
        self.from(epoch.value(&format!("val_{}", self.0.name)))
    }

    /// `7.43 ± 0.12 % (n = 3)`.
    pub(crate) fn shown(self, spread: &Spread) -> String {
        spread.shown(self.0)
    }

    fn from(self, value: f64) -> f64 {
        if self.is_error() { 100.0 - value } else { value }
    }
}
