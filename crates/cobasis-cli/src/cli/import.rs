//! `cobasis import`.

use std::path::PathBuf;
use std::process::ExitCode;

use cobasis_train::DeviceName;
use cobasis_zoo::save;

use super::Outcome;
use super::model_file::{Destination, Held};

/// Writes a PyTorch model as one of ours, a safetensors file that says which model it holds.
///
/// The model is a checkpoint of the authors' code, torchvision's weights of an ImageNet ResNet or
/// MobileNetV2, or what a training script of your own saved with either's names (.pth or safetensors; all
/// need --model), or what `export` wrote.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask import FILE.pth --model cifar10/resnet32-s8u1 --out resnet32.safetensors
  cargo xtask import resnet50-11ad3fa6.pth --model imagenet/resnet50 --out resnet50.safetensors")]
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
    args.destination.check()?;
    let model = args.held.open(&args.file, &DeviceName::Flex.open()?)?;
    args.destination.write(&model, |model, path| save(model, path))?;
    Ok(ExitCode::SUCCESS)
}
