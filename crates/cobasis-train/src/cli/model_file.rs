//! Model files as arguments: reading one of any kind, writing one where none is lost.

use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use cobasis_train::Error;
use cobasis_zoo::cobasis::ParameterCount;
use cobasis_zoo::{FileError, FileProblem, Model, ModelConfig, ModelName, load, load_authors};
use serde::Serialize;

use super::output::{grouped, print, print_json};

/// Opens a model file: ours, which says which model it holds, or one of PyTorch's, which does not.
pub(crate) fn open(path: &Path, name: Option<ModelName>, device: &Device) -> Result<Model, Error> {
    let model = match (load(path, device), name) {
        (Err(error), name) if matches!(*error.problem, FileProblem::Unnamed) => {
            let name = name.ok_or_else(|| Error::Usage(format!("{error}: give --model NAME")))?;
            return Ok(load_authors(path, &ModelConfig::new(name), device)?);
        }
        (result, _) => result?,
    };
    match name {
        Some(expected) if expected != model.config.name => Err(Error::Usage(format!(
            "{}: expected model {expected}, got {}",
            path.display(),
            model.config.name
        ))),
        _ => Ok(model),
    }
}

/// Where a command writes a model, and how it reports that.
#[derive(Debug, clap::Args)]
pub(crate) struct Destination {
    /// File to write.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Replace the file if there is one.
    #[arg(long)]
    force: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    model: String,
    parameters: u64,
    file: &'a Path,
    bytes: u64,
}

impl Destination {
    /// Refuses to write over a file, before anything is read.
    pub(crate) fn check(&self) -> Result<(), Error> {
        // A link that leads nowhere is there too.
        if self.force || fs::symlink_metadata(&self.out).is_err() {
            return Ok(());
        }
        let path = self.out.display();
        Err(Error::Usage(format!("--out {path}: exists; give --force to replace it")))
    }

    /// Writes the model and says what was written.
    pub(crate) fn write(
        &self,
        model: &Model,
        save: fn(&Model, &Path) -> Result<(), FileError>,
    ) -> Result<(), Error> {
        save(model, &self.out)?;
        self.report(model.config.name, ParameterCount::of(&model.network).trainable)
    }

    /// Says what was written.
    pub(crate) fn report(&self, name: ModelName, parameters: u64) -> Result<(), Error> {
        let metadata = fs::metadata(&self.out).map_err(|error| FileError::new(&self.out, error))?;
        let report =
            Report { model: name.to_string(), parameters, file: &self.out, bytes: metadata.len() };
        if self.json {
            print_json(&report);
        } else {
            let [parameters, bytes] = [report.parameters, report.bytes].map(grouped);
            let file = self.out.display();
            print(&format!("{}, {parameters} parameters\n{file}, {bytes} bytes", report.model));
        }
        Ok(())
    }
}
