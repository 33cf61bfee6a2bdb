//! `--detector`: a model as a detector, where it is named and not read from a file.

use cobasis_cli::Error;
use cobasis_zoo::{DetectorConfig, HeadKind, ModelName};

/// The filters of a detector's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum HeadFilters {
    /// Each convolution has its own.
    Dense,
    /// All share a basis.
    Shared,
}

impl HeadFilters {
    /// A detector on the model, for images of the model's usual size.
    pub(crate) fn detector(self, model: &ModelName) -> Result<DetectorConfig, Error> {
        let [_, height, width] = model.entry().input;
        let detector = DetectorConfig::new([height, width]).with_head(match self {
            HeadFilters::Dense => HeadKind::Dense,
            HeadFilters::Shared => HeadKind::Shared { shared: 32, unique: 1 },
        });
        let fits = detector.check(model);
        fits.map_err(|problem| Error::Usage(format!("--detector: {problem}")))?;
        Ok(detector)
    }
}
