//! `cobasis export`.

use std::path::PathBuf;
use std::process::ExitCode;

use cobasis_train::DeviceName;
use cobasis_zoo::{ModelName, save, save_authors};

use super::Outcome;
use super::model_file::{Destination, open};

/// Writes a model for other programs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  cargo xtask export runs/digits-resnet14-s8u1-001/best.safetensors --format pytorch-keys \\
    --out digits.safetensors")]
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
    #[command(flatten)]
    destination: Destination,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    /// Our own files.
    Safetensors,
    /// safetensors with the names and shapes of the authors' PyTorch code, which loads it strictly.
    PytorchKeys,
}

pub(crate) fn run(args: Args) -> Outcome {
    args.destination.check()?;
    let model = open(&args.file, args.model, &DeviceName::Flex.open()?)?;
    let save = match args.format {
        Format::Safetensors => save,
        Format::PytorchKeys => save_authors,
    };
    args.destination.write(&model, save)?;
    Ok(ExitCode::SUCCESS)
}
