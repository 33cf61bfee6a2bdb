//! What eval and predict have in common for detectors.

use std::path::Path;

use cobasis_cli::Error;
use cobasis_data::boxes::{Annotated, Detection, is_results, results_json};
use cobasis_data::text::{printable, shortened};
use cobasis_train::detect::Suppression;
use cobasis_zoo::files::{FileError, can_write, write_atomic};

/// Which of a detector's boxes are told.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Detectors")]
pub(crate) struct Told {
    /// Score above which a box is reported, 0 to 1 [default: 0.01 to evaluate, 0.25 to predict].
    #[arg(long, value_name = "SCORE", value_parser = share)]
    pub(crate) confidence: Option<f64>,
    /// Overlap (intersection over union, 0 to 1) above which the weaker of two boxes of a class is
    /// dropped [default: 0.65].
    #[arg(long, value_name = "IOU", value_parser = share)]
    pub(crate) nms: Option<f64>,
    /// Write the boxes to this file in COCO's format of results. Of files that exist, only such ones are
    /// replaced.
    #[arg(long, value_name = "FILE")]
    pub(crate) results: Option<std::path::PathBuf>,
}

impl Told {
    /// Which boxes are told, where this is the usual confidence.
    pub(crate) fn suppression(&self, confidence: f64) -> Suppression {
        let usual = Suppression::default();
        Suppression {
            confidence: self.confidence.unwrap_or(confidence),
            nms: self.nms.unwrap_or(usual.nms),
        }
    }

    /// The options that were given, for a model that is none of theirs.
    pub(crate) fn given(&self) -> [(&'static str, bool); 3] {
        [
            ("--confidence", self.confidence.is_some()),
            ("--nms", self.nms.is_some()),
            ("--results", self.results.is_some()),
        ]
    }

    /// Refuses a file of boxes that can't be written, or in whose place something else is: a slip would cost
    /// annotations or a model.
    pub(crate) fn check_results(&self) -> Result<(), Error> {
        let Some(path) = &self.results else { return Ok(()) };
        let wrong =
            |problem: String| Err(Error::Usage(format!("--results {}: {problem}", path.display())));
        if let Err(error) = can_write(path) {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            return wrong(match parent {
                Some(parent) if !parent.is_dir() => format!("{} is no folder", parent.display()),
                _ => format!("cannot be written: {error}"),
            });
        }
        if path.exists() && !is_results(path) {
            return wrong("exists and is not a file of COCO's results".to_string());
        }
        Ok(())
    }

    /// Writes the boxes, of images of this set, where that is asked for.
    pub(crate) fn write(&self, set: &Annotated, detections: &[Detection]) -> Result<(), Error> {
        let Some(path) = &self.results else { return Ok(()) };
        // Something may have come there meanwhile.
        self.check_results()?;
        write(path, results_json(set, detections).as_bytes())
    }
}

/// Writes a file that is there whole or not at all.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    Ok(write_atomic(path, bytes).map_err(|error| FileError::new(path, error))?)
}

/// Refuses the first option that was given and is for other models.
pub(crate) fn refuse(given: &[(&str, bool)], model: &str) -> Result<(), Error> {
    match given.iter().find(|(_, given)| *given) {
        Some((option, _)) => Err(Error::Usage(format!("{option}: not for {model}"))),
        None => Ok(()),
    }
}

/// What an option's model is not.
pub(crate) const DETECTOR: &str = "a detector, which finds boxes";
/// What an option's model is not.
pub(crate) const CLASSIFIER: &str = "a classifier, which finds no boxes";

/// The name of a class for people.
pub(crate) fn class_name(names: &[String], class: usize) -> String {
    match names.get(class) {
        Some(name) => printable(&shortened(name)),
        None => format!("class {class}"),
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("expected a number from 0 to 1".to_string()),
    }
}
