//! `cobasis eval`.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use cobasis_cli::Error;
use cobasis_data::{DatasetName, Loader, Source, Split, View};
use cobasis_train::DeviceName;
use cobasis_train::config::DataConfig;
use cobasis_train::evaluate::{Evaluation, check_fit, over};
use cobasis_zoo::Preparation;
use serde::Serialize;

use super::Outcome;
use super::confusion::{matrix, per_class};
use super::data_dir::data_dir;
use super::model_file::Held;
use super::output::{print, print_json};
use super::progress::bar;

/// Evaluates a trained model on the test images of a data set.
///
/// The checkpoint is one of ours (safetensors, which say which model they hold) or one of PyTorch's
/// (the authors' or torchvision's .pth, or safetensors with their names), which need --model. It may
/// be a deployed model.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask eval --checkpoint runs/digits-resnet14-s8u1-001/best.safetensors
  cargo xtask eval --checkpoint runs/digits-resnet14-s8u1-001/best.safetensors --confusion
  cargo xtask eval --checkpoint FILE.pth --model cifar10/resnet32-s8u1 --data DIR --per-class")]
pub(crate) struct Args {
    /// Model file.
    #[arg(long, value_name = "FILE")]
    checkpoint: PathBuf,
    #[command(flatten)]
    held: Held,
    /// Data set, such as cifar10 or folder [default: the model's].
    #[arg(long, value_name = "NAME")]
    dataset: Option<DatasetName>,
    /// Directory of the data set's files [default: where `data fetch` puts them].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Images at a time.
    #[arg(long, value_name = "N", default_value = "256", value_parser = clap::value_parser!(u32).range(1..=65536))]
    batch: u32,
    /// Device: flex (processor), ndarray (processor, slow reference), wgpu (GPU).
    #[arg(long, default_value_t = DeviceName::Flex)]
    device: DeviceName,
    /// Print how each class fared.
    #[arg(long)]
    per_class: bool,
    /// Print which classes were taken for which; of more than 12 classes, the most frequent
    /// mistakes.
    #[arg(long)]
    confusion: bool,
    /// Print JSON, always with the confusion matrix and how each class fared.
    #[arg(long)]
    json: bool,
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
    let model = args.held.open_to_run(&args.checkpoint, &device)?;
    let model_config = model.config();
    let dataset = match args.dataset {
        Some(dataset) => dataset,
        None => model_config.name.dataset().parse().map_err(Error::Usage)?,
    };
    let [_, side, _] = model_config.name.entry().input;
    let data = DataConfig { name: dataset, dir: args.data, ..DataConfig::default() };
    let mut source = Source::new(dataset, data_dir(&data, false)?, side);
    if let Some(Preparation { size, resize, .. }) = model_config.preparation {
        source.view = View { size, resize };
    }
    let set = source.load(Split::Test)?;
    let fits = check_fit(model_config, &set);
    fits.map_err(|problem| Error::Usage(format!("--dataset {problem}")))?;
    let classes = set.info().classes.clone();
    let loader = Loader::in_order(Arc::new(set), args.batch as usize, 1)?;
    let progress = bar(
        loader.num_images() as u64,
        "{bar:24} {percent:>3} %  {pos} images  {eta_precise} left",
    );
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
        let problem = "the model's outputs are no finite numbers, so that they have no score";
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
