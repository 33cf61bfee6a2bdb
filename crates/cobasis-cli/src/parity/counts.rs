//! Counts: what the authors' networks cost, one line a model.

use burn::tensor::Device;
use cobasis_zoo::ModelConfig;
use serde::Deserialize;

use crate::parity::check::{Check, Report};
use crate::parity::names::model_name;

/// The cost of one network, measured with the authors' code.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Count {
    dataset: String,
    constructor: String,
    args: Vec<usize>,
    params: u64,
    macs: u64,
    /// The image, `[channels, height, width]`.
    input: [usize; 3],
}

impl Count {
    /// Compares the counts with those of our model, which must be equal.
    ///
    /// # Errors
    ///
    /// A description of the model, if the zoo does not have it.
    pub(crate) fn compare(&self, file: &str, device: &Device) -> Result<Report, String> {
        let name = model_name(&self.dataset, &self.constructor, &self.args)?;
        let [channels, height, width] = self.input;
        let config = ModelConfig::new(name.clone()).with_in_channels(channels).as_authors();
        let total = config.cost([height, width], device).total();
        let check = |what, ours: u64, theirs| Check::new(what, ours.abs_diff(theirs) as f64, 0.0);
        let checks = vec![
            check("parameters", total.params, self.params),
            check("MACs", total.macs, self.macs),
        ];
        Ok(Report { file: file.to_string(), model: name.to_string(), checks })
    }
}
