//! `cobasis export`.

use std::path::PathBuf;
use std::process::ExitCode;

use cobasis_cli::Error;
use cobasis_train::DeviceName;
use cobasis_zoo::cobasis::ParameterCount;
use cobasis_zoo::deploy::FactorisedLayers;
use cobasis_zoo::files::{self, FileError, write_atomic};
use cobasis_zoo::{Deployed, pytorch};

use super::Outcome;
use super::model_file::{Destination, Found, Held, form};

/// Exports a model to ONNX, to PyTorch's tensor names, or to our own format.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cobasis export runs/digits-resnet14-s8u1-001/best.safetensors --format pytorch-keys \\
    --out digits.safetensors
  cobasis export resnet50.safetensors --format onnx --out resnet50.onnx")]
pub(crate) struct Args {
    /// Model file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    held: Held,
    /// Format to write.
    #[arg(long)]
    format: Format,
    /// For ONNX: how to write layers that consist of a basis convolution and coefficients: each in
    /// the form with the fewest MACs (the default), all kept factorised (a basis is stored once), or
    /// all composed into dense kernels.
    #[arg(long, value_name = "FORM", value_parser = form())]
    factorised: Option<FactorisedLayers>,
    #[command(flatten)]
    destination: Destination,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// The cobasis format: safetensors that record which model they hold.
    Safetensors,
    /// safetensors with the tensor names and shapes of the authors' PyTorch code, for a strict
    /// load_state_dict.
    PytorchKeys,
    /// ONNX (opset 17): batch norms folded, input "images", output "logits", of detectors
    /// outputs "boxes" and "scores", any batch size.
    Onnx,
}

pub(crate) fn run(args: Args) -> Outcome {
    let Args { file, held, format, factorised, destination } = args;
    if let (Some(form), false) = (factorised, format == Format::Onnx) {
        return Err(Error::Usage(format!("--factorised {form}: only for --format onnx")));
    }
    destination.check(&file)?;
    let device = DeviceName::Flex.open()?;
    match format {
        Format::Safetensors => {
            destination
                .write(&held.open(&file, &device)?, |model, path| files::save(model, path))?;
        }
        Format::PytorchKeys => {
            destination
                .write(&held.open(&file, &device)?, |model, path| pytorch::save(model, path))?;
        }
        Format::Onnx => match (held.open_any(&file, &device)?, factorised) {
            (Found::Trained(model), factorised) => {
                let form = factorised.unwrap_or_default();
                write_onnx(&model.deploy_with(form, &device), &destination)?;
            }
            (Found::Deployed(deployed), None) => write_onnx(&deployed, &destination)?,
            (Found::Deployed(_), Some(form)) => {
                let file = file.display();
                return Err(Error::Usage(format!(
                    "--factorised {form}: {file} is already deployed"
                )));
            }
        },
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the model for images as it was trained on, where its file says that, else as its data set
/// has them.
fn write_onnx(deployed: &Deployed, destination: &Destination) -> Result<(), Error> {
    let config = &deployed.config.model;
    let name = &config.name;
    let path = &destination.out;
    write_atomic(path, &deployed.to_onnx(config.image()))
        .map_err(|error| FileError::new(path, error))?;
    destination.report(name, ParameterCount::of(deployed).trainable)
}
