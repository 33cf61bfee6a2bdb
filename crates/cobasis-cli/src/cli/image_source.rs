//! The images that a model is to look at: those of a data set, prepared as its file says.

use std::path::PathBuf;

use cobasis_cli::Error;
use cobasis_data::{DatasetName, Source, View};
use cobasis_train::config::DataConfig;
use cobasis_zoo::{ModelConfig, Preparation};

use super::data_dir::data_dir;

/// Where a data set is, and in which view a model looks at it.
pub(super) struct ImageSource {
    pub(super) dataset: DatasetName,
    pub(super) source: Source,
}

impl ImageSource {
    /// The data set that is asked for, or the one that the model was trained on.
    pub(super) fn of(
        model: &ModelConfig,
        dataset: Option<DatasetName>,
        dir: Option<PathBuf>,
    ) -> Result<Self, Error> {
        let dataset = match dataset {
            Some(dataset) => dataset,
            None => dataset_of(model)?,
        };
        if let (DatasetName::Digits, Some(dir)) = (dataset, &dir) {
            return Err(Error::Usage(format!(
                "--data {}: the digits are built into the program and need no directory; for images of \
                 your own give --dataset folder",
                dir.display()
            )));
        }
        let [side, _] = model.image();
        let data = DataConfig { name: dataset, dir, ..DataConfig::default() };
        let mut source = Source::new(dataset, data_dir(&data, false)?, side);
        if let Some(Preparation { size, resize, dataset: trained_on, .. }) = &model.preparation {
            source.view = View { size: *size, resize: *resize };
            // Its own images were perhaps resized, or grey.
            if trained_on == dataset.as_str() {
                source.side = Some(*size);
                source.channels = Some(model.in_channels);
            }
        }
        Ok(Self { dataset, source })
    }
}

/// The data set that the model was trained on, by its file, else by its name.
pub(super) fn dataset_of(model: &ModelConfig) -> Result<DatasetName, Error> {
    let recorded = model.preparation.as_ref().map(|images| images.dataset.as_str());
    let dataset = recorded.unwrap_or(model.name.dataset());
    dataset.parse().map_err(|problem| {
        Error::Usage(format!("the data set of the model: {problem}; give --dataset NAME"))
    })
}
