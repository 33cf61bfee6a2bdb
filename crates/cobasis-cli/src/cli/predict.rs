//! `cobasis predict`.

mod boxes;
mod drawings;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use cobasis_cli::Error;
use cobasis_data::text::{printable, shortened};
use cobasis_data::{DatasetName, View, unlabelled};
use cobasis_train::DeviceName;
use cobasis_train::predict::{
    Guess, PredictConfig, Prediction, Predictions, Skipped, predict_with,
};
use cobasis_train::preparation::of_dataset;
use cobasis_zoo::{ModelConfig, Preparation};
use serde::Serialize;

use super::Outcome;
use super::class_list::read_classes;
use super::detector::{CLASSIFIER, Told, refuse};
use super::model_file::Held;
use super::output::{print, print_json};

/// Classes printed per image by default.
const TOP: usize = 5;
/// Images at a time unless told otherwise, where memory allows it.
const BATCH: usize = 64;
/// Threads that decode images ahead.
const WORKERS: usize = 2;

/// Predicts the classes of images, or with a detector boxes around the things in them: JPEG, PNG and
/// WebP files, and all images in folders.
///
/// Takes the same model files as eval. Images are resized, cropped and normalised as for the
/// evaluation during training. If the model file does not record how (older files, PyTorch
/// checkpoints), the preparation of the data set in the model's name is used; the options below
/// override it. A detector sees all of each image, as large as it fits into its input.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cobasis predict FILE.png --checkpoint runs/digits-resnet14-s8u1-001/best.safetensors
  cobasis predict A.png B.png DIR --checkpoint best.safetensors
  cobasis predict DIR --checkpoint FILE.pth --model cifar10/resnet32-s8u1 --top 3
  cobasis predict DIR --checkpoint best.safetensors --json > predictions.json
  cobasis predict DIR --checkpoint DETECTOR.safetensors --draw DRAWN --results boxes.json")]
pub(crate) struct Args {
    /// Image files, and folders of image files.
    #[arg(required = true, value_name = "FILE_OR_DIR")]
    paths: Vec<PathBuf>,
    /// Model file.
    #[arg(long, value_name = "FILE")]
    checkpoint: PathBuf,
    #[command(flatten)]
    held: Held,
    /// Number of classes to print per image, most probable first [default: 5, or all if there are
    /// fewer].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    top: Option<u16>,
    #[command(flatten)]
    preparation: PreparationArgs,
    /// Batch size [default: 64, or as many as memory allows].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65536))]
    batch: Option<u32>,
    /// Device: flex (CPU), ndarray (CPU, slow reference), wgpu (GPU).
    #[arg(long, default_value_t = DeviceName::Flex)]
    device: DeviceName,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    told: Told,
    /// Draw the boxes on the images, as PNG files in this folder; numbers are scores in percent.
    #[arg(long, value_name = "DIR", help_heading = "Detectors")]
    draw: Option<PathBuf>,
    /// Replace files of --draw that exist.
    #[arg(long, requires = "draw", help_heading = "Detectors")]
    force: bool,
}

/// How images are prepared, where that differs from what the model file records.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "How images are prepared")]
struct PreparationArgs {
    /// Prepare images as for this data set; class names in the model file are kept.
    #[arg(long, value_name = "NAME")]
    dataset: Option<DatasetName>,
    /// Text file with one class name per line.
    #[arg(long, value_name = "FILE")]
    classes: Option<PathBuf>,
    /// Side of the square network input, in pixels.
    #[arg(long, value_name = "PIXELS")]
    size: Option<usize>,
    /// Length to which the shorter side is resized before the centre crop, in pixels.
    #[arg(long, value_name = "PIXELS")]
    resize: Option<usize>,
    /// Mean of each channel, on a scale where white is 1.
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', allow_negative_numbers = true)]
    mean: Vec<f32>,
    /// Standard deviation of each channel, on a scale where white is 1.
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', allow_negative_numbers = true)]
    std: Vec<f32>,
}

#[derive(Serialize)]
struct Report<'a> {
    model: String,
    checkpoint: &'a Path,
    device: String,
    preparation: &'a Preparation,
    images: usize,
    #[serde(flatten)]
    predictions: Predictions,
}

pub(crate) fn run(args: Args) -> Outcome {
    let device = args.device.open()?;
    let model = args.held.open_to_run(&args.checkpoint, &device)?.on(args.device);
    let config = model.config();
    if config.detector.is_some() {
        return boxes::run(&args, &model, &device);
    }
    refuse(&[&args.told.given()[..], &[("--draw", args.draw.is_some())]].concat(), CLASSIFIER)?;
    let preparation = args.preparation.resolve(config)?;
    let top = match args.top.map(usize::from) {
        None => TOP.min(config.num_classes),
        Some(top) if top <= config.num_classes => top,
        Some(top) => {
            let classes = config.num_classes;
            let problem = format!("--top: expected at most the {classes} classes of the model");
            return Err(Error::Usage(format!("{problem}, got {top}")));
        }
    };
    let Preparation { size, resize, ref mean, ref std, .. } = preparation;
    let view = View { size, resize };
    let set = Arc::new(unlabelled(&args.paths, view, [mean, std])?);
    let batch = model.batch(args.device, [size, size], set.len(), args.batch, BATCH)?;
    let feeding = PredictConfig { batch, workers: WORKERS, top };
    let (mut all, mut read) = (Predictions::default(), 0);
    let mut no_numbers = None;
    let after_batch = |batch: Predictions| {
        // Of a single file, the error tells.
        for skipped in batch.skipped.iter().filter(|_| set.len() > 1) {
            log::warn!("{}: {}; left out", skipped.file, skipped.problem);
        }
        read += batch.predictions.len();
        let mut predictions = batch.predictions.iter();
        let broken =
            predictions.find(|of| of.top.iter().any(|guess| !guess.probability.is_finite()));
        no_numbers = no_numbers.take().or_else(|| broken.map(|of| of.file.clone()));
        if no_numbers.is_some() {
            return;
        }
        all.skipped.extend(batch.skipped);
        if args.json {
            all.predictions.extend(batch.predictions);
        } else if !batch.predictions.is_empty() {
            let lines: Vec<String> = batch.predictions.iter().map(line).collect();
            print(&lines.join("\n"));
        }
    };
    let forward = |images| model.forward(images);
    predict_with(forward, &device, &set, &preparation.classes, feeding, after_batch);
    if let Some(file) = no_numbers {
        let path = args.checkpoint.display();
        let problem = format!("the model's outputs for {file} are not finite (NaN or infinity)");
        return Err(Error::Usage(format!("{path}: {problem}")));
    }
    check_read(&args, read, set.len(), &all.skipped)?;
    if args.json {
        print_json(&Report {
            model: config.name.to_string(),
            checkpoint: &args.checkpoint,
            device: args.device.to_string(),
            preparation: &preparation,
            images: set.len(),
            predictions: all,
        });
    }
    Ok(ExitCode::SUCCESS)
}

/// Refuses where no image could be read, and says how many could not.
fn check_read(args: &Args, read: usize, images: usize, skipped: &[Skipped]) -> Result<(), Error> {
    if read == 0 {
        let problem = match skipped {
            [only] => only.problem.clone(),
            all => format!("none of the {} images could be read", all.len()),
        };
        return Err(Error::Usage(match &args.paths[..] {
            [path] => format!("{}: {problem}", path.display()),
            _ => problem,
        }));
    }
    if !skipped.is_empty() {
        log::warn!("{} of {images} images could not be read", skipped.len());
    }
    Ok(())
}

/// `DIR/1.png: cat 93.10 %, dog 4.22 %`
fn line(prediction: &Prediction) -> String {
    let guess = |guess: &Guess| {
        let name = match &guess.name {
            Some(name) => printable(&shortened(name)),
            None => format!("class {}", guess.class),
        };
        format!("{name} {:.2} %", 100.0 * guess.probability)
    };
    let guesses: Vec<String> = prediction.top.iter().map(guess).collect();
    format!("{}: {}", printable(&prediction.file), guesses.join(", "))
}

impl PreparationArgs {
    /// The preparation that the options ask for, else that of the model's file, else that of the
    /// data set that the model is named after.
    fn resolve(&self, config: &ModelConfig) -> Result<Preparation, Error> {
        let (classes, channels) = (config.num_classes, config.in_channels);
        let [side, _] = config.image();
        let mut preparation = match (self.dataset, &config.preparation) {
            (Some(dataset), known) => {
                let mut asked = of_dataset(dataset, side);
                // What the classes are called is not of the images, and the file knows it.
                if let Some(known) = known.as_ref().filter(|known| !known.classes.is_empty()) {
                    asked.classes.clone_from(&known.classes);
                }
                asked
            }
            (None, Some(known)) => known.clone(),
            (None, None) => {
                let dataset: DatasetName = config.name.dataset().parse().map_err(Error::Usage)?;
                let mut guess = of_dataset(dataset, side);
                // It was trained on something else, whose classes nobody knows.
                if guess.classes.len() != classes {
                    guess.classes.clear();
                }
                guess
            }
        };
        if let Some(size) = self.size {
            preparation.size = size;
            preparation.resize = preparation.resize.max(size);
        }
        if let Some(resize) = self.resize {
            preparation.resize = resize;
        }
        if !self.mean.is_empty() {
            preparation.mean.clone_from(&self.mean);
        }
        if !self.std.is_empty() {
            preparation.std.clone_from(&self.std);
        }
        if let Some(path) = &self.classes {
            preparation.classes = read_classes(path)?;
        }
        preparation.check(classes, channels).map_err(|problem| {
            let (name, dataset) = (&config.name, &preparation.dataset);
            Error::Usage(format!(
                "images prepared as those of {dataset} do not fit {name}: {problem}; see --help"
            ))
        })?;
        Ok(preparation)
    }
}
