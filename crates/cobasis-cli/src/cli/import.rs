//! `cobasis import`.

use std::path::PathBuf;
use std::process::ExitCode;

use cobasis_train::DeviceName;
use cobasis_zoo::save;

use super::Outcome;
use super::model_file::{Destination, Held};

/// Converts a PyTorch checkpoint to a safetensors file that records which model it holds.
///
/// The input is a checkpoint of the authors' code, torchvision's weights of an ImageNet ResNet or
/// MobileNetV2, or a checkpoint from your own script that uses either set of tensor names (.pth or
/// safetensors; all need --model), or a file written by `cobasis export`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cobasis import FILE.pth --model cifar10/resnet32-s8u1 --out resnet32.safetensors
  cobasis import resnet50-11ad3fa6.pth --model imagenet/resnet50 --out resnet50.safetensors")]
pub(crate) struct Args {
    /// Model file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    held: Held,
    #[command(flatten)]
    destination: Destination,
}

pub(crate) fn run(args: Args) -> Outcome {
    args.destination.check(&args.file)?;
    let model = args.held.open(&args.file, &DeviceName::Flex.open()?)?;
    args.destination.write(&model, |model, path| save(model, path))?;
    Ok(ExitCode::SUCCESS)
}
