//! `cobasis eval` of a detector.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use burn::tensor::Device;
use cobasis_cli::Error;
use cobasis_data::Loader;
use cobasis_data::boxes::{
    Annotated, AveragePrecision, ClassPrecision, Detection, read_coco, read_voc,
};
use cobasis_train::classes::class_names;
use cobasis_train::detect::{FittedBoxes, Suppression, fitted_boxes, pictures};
use cobasis_train::evaluate::{DetectionScore, score_from};
use cobasis_train::metrics::Scores;
use serde::Serialize;

use super::{Args, live};
use crate::cli::Outcome;
use crate::cli::class_list::read_classes;
use crate::cli::detector::{DETECTOR, refuse};
use crate::cli::evaluated::Evaluated;
use crate::cli::output::{grouped, print, print_json, table};

/// Images at a time unless told otherwise, where memory allows it.
const BATCH: usize = 32;
/// The list of a Pascal VOC folder unless told otherwise.
const LIST: &str = "test";

/// Where the images and boxes are.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Detectors")]
pub(super) struct BoxSource {
    /// List of the Pascal VOC folder --data: ImageSets/Main/LIST.txt [default: test].
    #[arg(long, value_name = "LIST", conflicts_with = "annotations")]
    list: Option<String>,
    /// JSON file of COCO's format (instances) with the boxes.
    #[arg(long, value_name = "FILE")]
    annotations: Option<PathBuf>,
    /// Folder that the images of --annotations are in [default: the folder of that file].
    #[arg(long, value_name = "DIR", requires = "annotations")]
    images: Option<PathBuf>,
}

#[derive(Serialize)]
struct Report<'a> {
    model: String,
    checkpoint: &'a Path,
    dataset: String,
    device: String,
    confidence: f64,
    nms: f64,
    images: usize,
    /// How many of those could not be read, so that nothing was found in them.
    unreadable: usize,
    objects: usize,
    detections: usize,
    /// COCO's scores, 0 to 1; null where nothing was to be found.
    ap: Option<f64>,
    ap50: Option<f64>,
    ap75: Option<f64>,
    ap_small: Option<f64>,
    ap_medium: Option<f64>,
    ap_large: Option<f64>,
    ar1: Option<f64>,
    ar10: Option<f64>,
    ar100: Option<f64>,
    ar_small: Option<f64>,
    ar_medium: Option<f64>,
    ar_large: Option<f64>,
    classes: Vec<Class>,
    seconds: f64,
    images_per_second: f64,
}

#[derive(Serialize)]
struct Class {
    name: String,
    objects: usize,
    ap: Option<f64>,
    ap50: Option<f64>,
    ap75: Option<f64>,
    ar100: Option<f64>,
}

impl BoxSource {
    /// The options that were given, for a model that is none of theirs.
    pub(super) fn given(&self) -> [(&'static str, bool); 3] {
        [
            ("--list", self.list.is_some()),
            ("--annotations", self.annotations.is_some()),
            ("--images", self.images.is_some()),
        ]
    }

    /// Reads the boxes.
    fn read(&self, dataset: Option<&str>, data: Option<&Path>) -> Result<Annotated, Error> {
        let wrong = |problem: String| Err(Error::Usage(problem));
        match (&self.annotations, data, dataset) {
            (_, _, Some(other)) if !["voc", "coco"].contains(&other) => {
                wrong(format!("--dataset {other}: expected voc or coco, whose images have boxes"))
            }
            (Some(_), _, Some("voc")) => {
                wrong("--annotations: not for voc; give its folder as --data DIR".to_string())
            }
            (Some(_), Some(data), _) => wrong(format!(
                "--data {}: not with --annotations; give the images' folder as --images DIR",
                data.display()
            )),
            (Some(file), None, _) => {
                let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
                let images = self.images.as_deref().or(folder).unwrap_or(Path::new("."));
                Ok(read_coco(file, images, None)?)
            }
            (None, _, Some("coco")) => {
                wrong("--dataset coco: give the file with the boxes as --annotations FILE".into())
            }
            (None, Some(data), _) => {
                Ok(read_voc(data, self.list.as_deref().unwrap_or(LIST), None)?)
            }
            (None, None, _) => wrong(
                "the model finds boxes, which need images with boxes to be evaluated: give a Pascal \
                 VOC folder as --data DIR, or a file of COCO's format as --annotations FILE"
                    .to_string(),
            ),
        }
    }
}

pub(super) fn run(args: &Args, model: &Evaluated, device: &Device) -> Outcome {
    refuse(&[("--confusion", args.confusion)], DETECTOR)?;
    args.told.check_results()?;
    let config = model.config();
    let names = match &args.classes {
        Some(path) => read_classes(path)?,
        None => class_names(config),
    };
    let dataset = args.dataset.map(|dataset| dataset.to_string());
    let read = args.boxes.read(dataset.as_deref(), args.data.as_deref())?;
    let fitted = fitted_boxes(names, config, read).map_err(|problem| {
        Error::Usage(match (problem.strip_prefix("classes: "), &args.classes) {
            (Some(problem), Some(path)) => format!("--classes {}: {problem}", path.display()),
            _ => problem,
        })
    })?;
    let FittedBoxes { set: boxes, known, warning } = fitted;
    if let Some(warning) = warning {
        log::warn!("{warning}");
    }
    let set = pictures(config, &boxes).map_err(Error::Usage)?;
    let [_, height, width] = set.shape();
    let batch = model.batch(args.device, [height, width], set.len(), args.batch, BATCH)?;
    let loader = Loader::in_order(Arc::new(set), batch, 1)?;
    let suppression = args.told.suppression(Suppression::default().confidence);
    let progress = live(loader.num_images());
    // Where in the set the images of the score are.
    let mut places = Vec::new();
    let start = Instant::now();
    let score = DetectionScore::of(loader.set().info()).with_suppression(suppression);
    let forward = |images| model.forward(images);
    let score = score_from(score, forward, device, &loader, |seen| {
        places.extend(seen.places());
        progress.set_position(seen.images as u64);
        ControlFlow::Continue(())
    })?;
    let seconds = start.elapsed().as_secs_f64();
    progress.finish_and_clear();
    let Some(score) = score else { unreachable!("nothing breaks it off") };
    // A score of outputs that are no numbers is none.
    if !score.is_finite() {
        let path = args.checkpoint.display();
        let problem =
            "the model's outputs are not finite (NaN or infinity), so it cannot be scored";
        return Err(Error::Usage(format!("{path}: {problem}")));
    }
    let unreadable = loader.num_unreadable();
    if unreadable > 0 {
        log::warn!(
            "{unreadable} of {} images could not be read: their objects count as missed",
            loader.num_images()
        );
    }
    write_results(args, &boxes, &known, &places, score.detections())?;
    let report = Report::new(args, model, &boxes, (&score, suppression), unreadable, seconds)?;
    match args.json {
        true => print_json(&report),
        false => print(&report.describe()),
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes what was found of the set's classes, by the numbers of its images; `places` says where in the
/// set the images of the detections are.
fn write_results(
    args: &Args,
    boxes: &Annotated,
    known: &[bool],
    places: &[usize],
    detections: &[Detection],
) -> Result<(), Error> {
    if args.told.results.is_none() {
        return Ok(());
    }
    let of_set = |one: &&Detection| known[usize::from(one.class)];
    let there = detections.iter().filter(of_set);
    let there = there.map(|one| Detection { image: places[one.image], ..*one });
    let there: Vec<Detection> = there.collect();
    if let others @ 1.. = detections.len() - there.len() {
        log::warn!(
            "--results: {} boxes of classes that {} has not are left out",
            grouped(others as u64),
            boxes.name
        );
    }
    args.told.write(boxes, &there)
}

impl<'a> Report<'a> {
    fn new(
        args: &'a Args,
        model: &Evaluated,
        boxes: &Annotated,
        (score, suppression): (&DetectionScore, Suppression),
        unreadable: usize,
        seconds: f64,
    ) -> Result<Self, Error> {
        let precision = score.average_precision()?;
        let AveragePrecision { ap, ap50, ap75, ap_by_area, recall, recall_by_area, classes } =
            precision;
        let class = |(of, ClassPrecision { objects, ap, ap50, ap75, recall, .. })| {
            let name = Clone::clone(of);
            Class { name, objects, ap, ap50, ap75, ar100: recall }
        };
        let names = boxes.classes.iter().map(|class| &class.name);
        let classes: Vec<Class> = names.zip(classes).map(class).collect();
        let [ap_small, ap_medium, ap_large] = ap_by_area;
        let [ar1, ar10, ar100] = recall;
        let [ar_small, ar_medium, ar_large] = recall_by_area;
        Ok(Self {
            model: model.config().name.to_string(),
            checkpoint: &args.checkpoint,
            dataset: boxes.name.clone(),
            device: args.device.to_string(),
            confidence: suppression.confidence,
            nms: suppression.nms,
            images: score.images(),
            unreadable,
            objects: classes.iter().map(|class| class.objects).sum(),
            detections: score.detections().len(),
            ap,
            ap50,
            ap75,
            ap_small,
            ap_medium,
            ap_large,
            ar1,
            ar10,
            ar100,
            ar_small,
            ar_medium,
            ar_large,
            classes,
            seconds,
            images_per_second: score.images() as f64 / seconds,
        })
    }

    fn describe(&self) -> String {
        let rows = self.classes.iter().map(|class| {
            let scores = [class.ap, class.ap50, class.ap75, class.ar100].map(shown);
            let name = [class.name.clone(), grouped(class.objects as u64)];
            name.into_iter().chain(scores).collect()
        });
        let head = ["class", "objects", "AP", "AP50", "AP75", "AR"].map(String::from).to_vec();
        let [ap, ap50, ap75, ar] = [self.ap, self.ap50, self.ap75, self.ar100].map(shown);
        let of_area = |ap, ar| format!("AP {}, AR {}", shown(ap), shown(ar));
        format!(
            "{} on {}, {} images with {} objects\n\
             AP     {ap} (mean over IoU 0.50 to 0.95)\n\
             AP50   {ap50}\n\
             AP75   {ap75}\n\
             AR     {ar} (at most 100 boxes for an image)\n\
             small  {} (up to 32² pixels)\n\
             medium {} (up to 96² pixels)\n\
             large  {}\n\
             speed  {:.0} images/s on {}\n\n{}",
            self.model,
            self.dataset,
            grouped(self.images as u64),
            grouped(self.objects as u64),
            of_area(self.ap_small, self.ar_small),
            of_area(self.ap_medium, self.ar_medium),
            of_area(self.ap_large, self.ar_large),
            self.images_per_second,
            self.device,
            table(&[vec![head], rows.collect()].concat(), &[])
        )
    }
}

/// A score with four digits, where there is one.
fn shown(score: Option<f64>) -> String {
    score.map_or("–".to_string(), |score| format!("{score:.4}"))
}
