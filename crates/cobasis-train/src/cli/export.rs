//! `cobasis export`.

use std::path::PathBuf;
use std::process::ExitCode;

use burn::tensor::Device;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use cobasis_train::{DeviceName, Error};
use cobasis_zoo::cobasis::ParameterCount;
use cobasis_zoo::{
    FactorisedLayers, FileError, Model, ModelName, save, save_authors, write_atomic,
};

use super::Outcome;
use super::model_file::{Destination, open};

/// Writes a model for other programs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask export runs/digits-resnet14-s8u1-001/best.safetensors --format pytorch-keys \\
    --out digits.safetensors
  cargo xtask export resnet50.safetensors --format onnx --out resnet50.onnx")]
pub(crate) struct Args {
    /// Model file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Model that the file holds; our own files say it themselves.
    #[arg(long, value_name = "NAME")]
    model: Option<ModelName>,
    /// What to write.
    #[arg(long)]
    format: Format,
    /// For ONNX: layers that consist of a basis convolution and coefficients, each in the form with
    /// the fewest MACs (the default), all kept (the smallest file), or all composed into dense
    /// kernels.
    #[arg(long, value_name = "FORM", value_parser = form())]
    factorised: Option<FactorisedLayers>,
    #[command(flatten)]
    destination: Destination,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Our own files.
    Safetensors,
    /// safetensors with the names and shapes of the authors' PyTorch code, which loads it strictly.
    PytorchKeys,
    /// ONNX (operator set 17): folded for inference, from "images" to "logits", for any batch.
    Onnx,
}

/// The forms by their names.
fn form() -> impl TypedValueParser<Value = FactorisedLayers> {
    PossibleValuesParser::new(FactorisedLayers::ALL.map(FactorisedLayers::name)).map(|name| {
        let named = FactorisedLayers::ALL.into_iter().find(|form| form.name() == name);
        named.unwrap_or_default()
    })
}

pub(crate) fn run(args: Args) -> Outcome {
    let Args { file, model, format, factorised, destination } = args;
    if let (Some(form), false) = (factorised, format == Format::Onnx) {
        return Err(Error::Usage(format!("--factorised {form}: only for --format onnx")));
    }
    destination.check()?;
    let device = DeviceName::Flex.open()?;
    let model = open(&file, model, &device)?;
    match format {
        Format::Safetensors => destination.write(&model, save)?,
        Format::PytorchKeys => destination.write(&model, save_authors)?,
        Format::Onnx => write_onnx(&model, factorised.unwrap_or_default(), &destination, &device)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the model for images as its data set has them.
fn write_onnx(
    model: &Model,
    factorised: FactorisedLayers,
    destination: &Destination,
    device: &Device,
) -> Result<(), Error> {
    let deployed = model.deploy_with(factorised, device);
    let name = model.config.name;
    let [_, image @ ..] = name.entry().input;
    let path = &destination.out;
    write_atomic(path, &deployed.to_onnx(image)).map_err(|error| FileError::new(path, error))?;
    destination.report(name, ParameterCount::of(&deployed).trainable)
}
