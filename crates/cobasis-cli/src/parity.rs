//! Parity with the authors' code: what their models compute, for weights that a rule makes.

mod check;
mod counts;
mod curve;
mod fill;
mod fixture;
mod names;

use std::path::Path;

use burn::tensor::Device;

pub use check::{Check, Report};

use crate::error::Error;
use counts::Count;
use curve::Curves;
use fixture::Fixture;

/// Compares what a file says that the authors' code computes with what ours does on the device.
///
/// A fixture, of one model's logits, loss, penalty and gradients, gives one report; a file of
/// counts, of parameters and multiply-accumulates, gives one for each model. A file of training
/// curves gives one for each of its networks; it needs CIFAR-10 in `data`, without which there is
/// none, takes minutes, and `after_step` is told the model and the number of every step.
///
/// # Errors
///
/// If the file is none of these, or describes a model that the zoo does not have.
pub fn check(
    path: &Path,
    device: &Device,
    data: Option<&Path>,
    after_step: impl FnMut(&str, usize),
) -> Result<Vec<Report>, Error> {
    let fail = |problem: String| Error::Fixture { path: path.to_path_buf(), problem };
    let text = cobasis_data::text::read(path).map_err(|error| fail(error.to_string()))?;
    if let Ok(curves) = Curves::parse(&text) {
        return match data {
            Some(data) => curves.follow(path, data, device, after_step),
            None => Ok(Vec::new()),
        };
    }
    let counts = serde_json::from_str::<Vec<Count>>(&text).unwrap_or_default();
    if !counts.is_empty() {
        let reports = counts.iter().map(|count| count.compare(&file_name(path), device));
        return reports.collect::<Result<_, _>>().map_err(fail);
    }
    let fixture = Fixture::parse(&text);
    let fixture = fixture.map_err(|error| fail(format!("not a parity fixture: {error}")))?;
    Ok(vec![check::check(&fixture, path, device)?])
}

/// The last part of a path, for reports.
fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into())
}
