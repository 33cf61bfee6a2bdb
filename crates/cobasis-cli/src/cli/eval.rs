//! `cobasis eval`.

mod boxes;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use cobasis_cli::Error;
use cobasis_data::{DatasetName, Loader, Split, class_counts};
use cobasis_train::DeviceName;
use cobasis_train::classes::{Fitted, class_names, fitted_by};
use cobasis_train::evaluate::{Evaluation, over};
use indicatif::{FormattedDuration, ProgressBar};
use serde::Serialize;

use super::Outcome;
use super::class_list::{class_list, read_classes};
use super::confusion::{matrix, per_class};
use super::detector::{CLASSIFIER, Told, refuse};
use super::image_source::ImageSource;
use super::live::{Part, live_line, percent};
use super::model_file::Held;
use super::output::{print, print_json};

use boxes::BoxSource;

/// Images at a time unless told otherwise, where memory allows it.
const BATCH: usize = 256;

/// Evaluates a trained model on a test set: loss, top-1 and top-5 accuracy; of a detector COCO's
/// average precision and recall.
///
/// The model file is either one of ours (safetensors, trained or deployed), which records which
/// model it holds, or a PyTorch checkpoint (the authors' or torchvision's .pth, or safetensors with
/// their tensor names), which needs --model. Images are prepared as the file records, and classes
/// are matched by name. Detectors need images with boxes: a Pascal VOC folder (--data, --list) or a
/// file of COCO's format (--annotations, --images).
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cobasis eval --checkpoint runs/digits-resnet14-s8u1-001/best.safetensors
  cobasis eval --checkpoint runs/digits-resnet14-s8u1-001/best.safetensors --confusion
  cobasis eval --checkpoint FILE.pth --model cifar10/resnet32-s8u1 --data DIR --per-class
  cobasis eval --checkpoint DETECTOR.safetensors --data VOC_DIR --list test
  cobasis eval --checkpoint DETECTOR.safetensors --annotations test.json --images DIR")]
pub(crate) struct Args {
    /// Model file.
    #[arg(long, value_name = "FILE")]
    checkpoint: PathBuf,
    #[command(flatten)]
    held: Held,
    /// Data set to evaluate on, such as cifar10 or folder [default: the one that the model was
    /// trained on].
    #[arg(long, value_name = "NAME")]
    dataset: Option<DatasetName>,
    /// Directory of the data set [default: where `cobasis data fetch` puts it].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Text file with the model's class names, one per line, if the model file has none or different
    /// ones.
    #[arg(long, value_name = "FILE")]
    classes: Option<PathBuf>,
    /// Batch size [default: 256, or as many as memory allows].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65536))]
    batch: Option<u32>,
    /// Device: flex (CPU), ndarray (CPU, slow reference), wgpu (GPU).
    #[arg(long, default_value_t = DeviceName::Flex)]
    device: DeviceName,
    /// Print per-class results.
    #[arg(long)]
    per_class: bool,
    /// Print the confusion matrix; with more than 12 classes, the most frequent confusions.
    #[arg(long)]
    confusion: bool,
    /// Print JSON, including the confusion matrix and per-class results.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    boxes: BoxSource,
    #[command(flatten)]
    told: Told,
}

#[derive(Serialize)]
struct Report<'a> {
    model: String,
    checkpoint: &'a Path,
    dataset: String,
    device: String,
    /// Names of the classes, by label.
    classes: Vec<String>,
    #[serde(flatten)]
    evaluation: Evaluation,
}

pub(crate) fn run(args: Args) -> Outcome {
    let device = args.device.open()?;
    let model = args.held.open_to_run(&args.checkpoint, &device)?.on(args.device);
    let model_config = model.config();
    if model_config.detector.is_some() {
        return boxes::run(&args, &model, &device);
    }
    refuse(&[args.boxes.given(), args.told.given()].concat(), CLASSIFIER)?;
    let ImageSource { dataset, source } = ImageSource::of(model_config, args.dataset, args.data)?;
    let names = match &args.classes {
        Some(path) => read_classes(path)?,
        None => class_names(model_config),
    };
    // By number, only the training images' folders say which is which.
    let set = match names.is_empty() {
        true => source.load(Split::Test)?,
        false => source.load_test_alone()?,
    };
    let found = class_counts(&set);
    let fit = fitted_by(names, model_config, set);
    // By the option that can mend it.
    let wrong = |problem: String| {
        Error::Usage(match (problem.strip_prefix("classes: "), &args.classes, args.dataset) {
            (Some(problem), Some(path), _) => format!("--classes {}: {problem}", path.display()),
            (_, _, Some(_)) => format!("--dataset {problem}"),
            _ => problem,
        })
    };
    let Fitted { set, warning } = fit.map_err(wrong)?;
    if let Some(warning) = warning {
        log::warn!("{warning}");
    }
    if dataset.is_folder() && !args.json {
        print(&class_list(&found));
    }
    let classes = set.info().classes.clone();
    let [_, height, width] = set.shape();
    let batch = model.batch(args.device, [height, width], set.len(), args.batch, BATCH)?;
    let loader = Loader::in_order(Arc::new(set), batch, 1)?;
    let progress = live(loader.num_images());
    let show = |images: usize| {
        progress.set_position(images as u64);
        ControlFlow::Continue(())
    };
    let evaluation =
        over(|images| model.forward(images), &device, &loader, |seen| show(seen.images))?;
    progress.finish_and_clear();
    let Some(evaluation) = evaluation else { unreachable!("nothing breaks it off") };
    // A score of outputs that are no numbers is none.
    if !evaluation.loss.is_finite() {
        let path = args.checkpoint.display();
        let problem =
            "the model's outputs are not finite (NaN or infinity), so it cannot be scored";
        return Err(Error::Usage(format!("{path}: {problem}")));
    }
    let report = Report {
        model: model_config.name.to_string(),
        checkpoint: &args.checkpoint,
        dataset: dataset.to_string(),
        device: args.device.to_string(),
        classes,
        evaluation,
    };
    if args.json {
        print_json(&report);
        return Ok(ExitCode::SUCCESS);
    }
    print(&describe(&report));
    let Report { classes, evaluation: Evaluation { confusion, .. }, .. } = &report;
    if args.per_class {
        print(&format!("\n{}", per_class(confusion, classes)));
    }
    if args.confusion {
        print(&format!("\n{}", matrix(confusion, classes)));
    }
    Ok(ExitCode::SUCCESS)
}

/// A live line of images that are done.
fn live(images: usize) -> ProgressBar {
    live_line(images as u64, |state| {
        let left = format!("{} left", FormattedDuration(state.eta()));
        let images = format!("{} images", state.pos());
        vec![Part::new(0, percent(state)), Part::new(2, images), Part::new(1, left)]
    })
}

fn describe(report: &Report) -> String {
    let Evaluation { images, correct, top1, top5, loss, images_per_second, .. } = report.evaluation;
    format!(
        "{} on {}, {images} test images\n\
         top-1  {top1:.2} % ({correct} correct)\n\
         top-5  {top5:.2} %\n\
         loss   {loss:.4}\n\
         speed  {images_per_second:.0} images/s on {}",
        report.model, report.dataset, report.device
    )
}
