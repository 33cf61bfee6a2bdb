//! `cobasis compress`.

mod images;
mod report;
mod target;

use std::path::PathBuf;
use std::process::ExitCode;

use cobasis_cli::Error;
use cobasis_data::DatasetName;
use cobasis_train::DeviceName;
use cobasis_zoo::factorise::{FactoriseError, Moments, Weighting, factorise};
use cobasis_zoo::files::save;
use cobasis_zoo::{ModelConfig, Norms};

use super::Outcome;
use super::model_file::{Destination, Held};
use super::output::{print, print_json, tell};
use images::Images;
use report::{Made, Report};
use target::{Target, Wanted};

/// Makes a trained dense network small: its filters become sums of a basis that the layers of a stage
/// share and a few filters of each layer.
///
/// Nothing is trained: bases and coefficients are computed from the weights (singular value
/// decomposition, least squares). With images of the data set, what is kept small is the error of the
/// layers' outputs on them instead of that of their filters, and the accuracy on the test images is
/// measured before and after. The result is an ordinary model file: fine-tune it with
/// `cobasis train --init FILE`, then deploy or export it.
///
/// Say what to make with --to, or how large it may be with --params, --macs or both: the ranks of the
/// stages are then those with the smallest error that fit. Parameters are all that is trained,
/// classifier and batch norms too, MACs those of the network as it is trained, for one image.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cobasis compress best.safetensors --params 125074 --data DIR --out small.safetensors
  cobasis compress best.safetensors --to cifar10/resnet20-s8u1 --out small.safetensors
  cobasis compress FILE.pth --model imagenet/resnet18 --macs 900000000 --all-blocks --data DIR \\
      --out small.safetensors
  cobasis train --config compress/fine-tune.toml --init small.safetensors --data DIR")]
pub(crate) struct Args {
    /// Model file of a dense network: ours, or a PyTorch checkpoint (the authors' or torchvision's).
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    held: Held,
    #[command(flatten)]
    wanted: Wanted,
    /// Directory of the data set that the images are from, or a folder of image files without labels
    /// [default: no images].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Data set of the images, such as cifar10 or folder [default: the one that the model was trained
    /// on].
    #[arg(long, value_name = "NAME")]
    dataset: Option<DatasetName>,
    /// Number of training images that errors are weighted by [default: 500].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    images: Option<u32>,
    /// Do not weight errors by the images: they set batch norms and measure the accuracy only.
    #[arg(long)]
    plain: bool,
    #[command(flatten)]
    destination: Destination,
}

pub(crate) fn run(args: Args) -> Outcome {
    args.destination.check(&args.file)?;
    let device = DeviceName::Flex.open()?;
    let dense = args.held.open_trained(&args.file, &device)?;
    if dense.config.name.sharing().is_some() {
        let (file, name) = (args.file.display(), &dense.config.name);
        return Err(Error::Usage(format!(
            "{file}: expected a dense network, got {name}, which shares already; to fine-tune it, \
             `cobasis train --init FILE`"
        )));
    }
    let named = args.wanted.named(&dense.config)?;
    let refused = |error: FactoriseError| {
        let about = named.as_ref().map_or(String::new(), |to| format!("--to {}: ", to.name));
        Error::Usage(format!("{about}{error}"))
    };
    if named.is_none() {
        args.wanted.check_budget(&dense)?;
    }
    let images = match args.wants_images() {
        true => Some(args.load_images(&dense.config, &device)?),
        false => None,
    };
    let weighting = match images.is_some() && !args.plain {
        true => Weighting::Inputs,
        false => Weighting::Plain,
    };
    let moments = match &images {
        Some(images) => {
            let layers = named.clone().map_or_else(|| args.wanted.any(&dense.config), Ok)?;
            dense.input_moments(&layers, images.batches()).map_err(refused)?
        }
        None => Moments::new(),
    };
    let target = match &named {
        Some(config) => Target { config: config.clone(), chosen: None },
        None => args.wanted.chosen(&dense, &moments, weighting)?,
    };
    let make = |weighting| {
        factorise(&dense, target.config.clone(), &moments, weighting, &device).map_err(refused)
    };
    let (model, errors) = make(weighting)?;
    let plain = match weighting {
        Weighting::Inputs => Some(make(Weighting::Plain)?.1),
        Weighting::Plain => None,
    };
    let (model, accuracy) = match &images {
        Some(images) => {
            let model = model.refitted(&dense, images.batches()).map_err(refused)?;
            let model = model.calibrated(images.batches()).map_err(refused)?;
            let accuracy = images.judge(&dense, &model)?;
            (model, accuracy)
        }
        None => (model, None),
    };
    let mut model = model;
    if model.config.preparation.is_none() {
        // A file of PyTorch says nothing of its images, and these fit its classes.
        model.config.preparation = images.as_ref().and_then(|images| images.preparation.clone());
    }
    save(&model, &args.destination.out)?;
    let report = Report::new(&Made {
        source: &args.file,
        out: &args.destination.out,
        dense: &dense,
        model: &model,
        target: &target,
        images: images.as_ref(),
        weighting,
        errors: &errors,
        plain: plain.as_deref(),
        accuracy,
    })?;
    if report.is_larger() {
        log::warn!(
            "the result has more parameters than the dense network: lower the limit or the ranks"
        );
    }
    if args.destination.json {
        print_json(&report);
    } else {
        print(&report.describe());
    }
    if images.is_none() && model.config.norms == Norms::All {
        tell(
            "note: without images, batch norms after the new filters do not know their inputs; give \
             --data DIR, or --dataset of images that are there, before fine-tuning",
        );
    }
    Ok(ExitCode::SUCCESS)
}

impl Args {
    fn wants_images(&self) -> bool {
        self.data.is_some() || self.dataset.is_some() || self.images.is_some()
    }

    fn load_images(
        &self,
        model: &ModelConfig,
        device: &burn::tensor::Device,
    ) -> Result<Images, Error> {
        let wanted = self.images.map(|images| images as usize);
        Images::load(model, self.data.as_deref(), self.dataset, wanted, device)
    }
}
