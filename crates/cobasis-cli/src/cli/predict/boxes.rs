//! `cobasis predict` with a detector.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use burn::tensor::Device;
use cobasis_cli::Error;
use cobasis_data::boxes::{Annotated, AnnotatedImage, BoxClass, Detection, Findings, class_colour};
use cobasis_data::text::printable;
use cobasis_data::{View, unlabelled};
use cobasis_train::classes::class_names;
use cobasis_train::detect::{FindConfig, Found, find_with};
use cobasis_train::predict::Skipped;
use cobasis_zoo::ModelConfig;
use serde::Serialize;

use super::drawings::Drawings;
use super::{Args, WORKERS, check_read};
use crate::cli::Outcome;
use crate::cli::class_list::read_classes;
use crate::cli::detector::{DETECTOR, class_name, refuse};
use crate::cli::evaluated::Evaluated;
use crate::cli::output::{print, print_json};

/// Images at a time unless told otherwise, where memory allows it.
const BATCH: usize = 16;
/// Scores that are worth to be looked at.
const CONFIDENCE: f64 = 0.25;
/// Mean and standard deviation of ImageNet's images, which sets of boxes are prepared with.
const IMAGENET: [[f32; 3]; 2] = [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]];

#[derive(Serialize)]
struct Report<'a> {
    model: String,
    checkpoint: &'a Path,
    device: String,
    confidence: f64,
    nms: f64,
    /// Height and width of the pictures that images are resized to fit in.
    input: [usize; 2],
    /// Names of the classes, where they are known.
    classes: &'a [String],
    images: usize,
    predictions: Vec<Prediction>,
    skipped: Vec<Skipped>,
}

#[derive(Serialize)]
struct Prediction {
    file: String,
    /// Its number in the file of results.
    id: usize,
    width: usize,
    height: usize,
    /// Where it is drawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    drawing: Option<String>,
    boxes: Vec<Box>,
}

/// Something that was found; edges in pixels of the image.
#[derive(Serialize)]
struct Box {
    class: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    score: f64,
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

pub(super) fn run(args: &Args, model: &Evaluated, device: &Device) -> Outcome {
    let others = [
        ("--top", args.top.is_some()),
        ("--dataset", args.preparation.dataset.is_some()),
        ("--size", args.preparation.size.is_some()),
        ("--resize", args.preparation.resize.is_some()),
    ];
    refuse(&others, DETECTOR)?;
    let config = model.config();
    let names = names(args, config)?;
    let [mean, std] = constants(args, config)?;
    let input = config.image();
    let view = View { size: input[0], resize: input[0] };
    let set = unlabelled(&args.paths, view, [&mean, &std])?.letterboxed(input)?;
    let files = set.len();
    let set = Arc::new(set.with_targets(vec![None; files])?);
    let drawings = args.draw.as_deref().map(|dir| Drawings::in_folder(dir, &set, args.force));
    let drawings = drawings.transpose()?;
    args.told.check_results()?;
    let batch = model.batch(args.device, input, files, args.batch, BATCH)?;
    let suppression = args.told.suppression(CONFIDENCE);
    let feeding = FindConfig { batch, workers: WORKERS, suppression };
    let (mut predictions, mut all, mut skipped) = (Vec::new(), Vec::new(), Vec::new());
    let (mut read, mut problem) = (0, None);
    let after_batch = |found: Vec<Found>, unreadable: Vec<Skipped>| {
        // Of a single file, the error tells.
        for skipped in unreadable.iter().filter(|_| files > 1) {
            log::warn!("{}: {}; left out", skipped.file, skipped.problem);
        }
        skipped.extend(unreadable);
        for found in found {
            read += 1;
            let file = set.describe(found.index);
            if !found.is_finite {
                let path = args.checkpoint.display();
                let what =
                    format!("the model's outputs for {file} are not finite (NaN or infinity)");
                problem.get_or_insert(Error::Usage(format!("{path}: {what}")));
            }
            if problem.is_some() {
                continue;
            }
            let draw = |all: &Drawings| all.draw(found.index, &file, &found.detections);
            let drawn = drawings.as_ref().map(draw);
            let drawing = match drawn.transpose() {
                Ok(drawing) => drawing,
                Err(error) => {
                    problem = Some(error);
                    continue;
                }
            };
            if !args.json {
                print(&line(&file, &found, &names));
            } else {
                predictions.push(Prediction::new(file, &found, &names, drawing));
            }
            all.extend(found.detections);
        }
    };
    let forward = |images| model.forward(images);
    find_with(forward, device, &set, config.num_classes, feeding, after_batch);
    if let Some(problem) = problem {
        return Err(problem);
    }
    check_read(args, read, files, &skipped)?;
    if args.told.results.is_some() {
        args.told.write(&numbered(files, config.num_classes, &names), &all)?;
    }
    if args.json {
        print_json(&Report {
            model: config.name.to_string(),
            checkpoint: &args.checkpoint,
            device: args.device.to_string(),
            confidence: suppression.confidence,
            nms: suppression.nms,
            input,
            classes: &names,
            images: files,
            predictions,
            skipped,
        });
    } else if let Some(dir) = &args.draw {
        print(&format!("drawn in {}: {}", dir.display(), legend(config.num_classes, &names)));
    }
    Ok(ExitCode::SUCCESS)
}

/// The names of the classes, or none.
fn names(args: &Args, config: &ModelConfig) -> Result<Vec<String>, Error> {
    let Some(path) = &args.preparation.classes else {
        return Ok(class_names(config));
    };
    let (names, classes) = (read_classes(path)?, config.num_classes);
    if names.len() != classes {
        let path = path.display();
        return Err(Error::Usage(format!(
            "--classes {path}: expected a name for each of {classes} classes of {}, got {}",
            config.name,
            names.len()
        )));
    }
    Ok(names)
}

/// The mean and standard deviation of each channel.
fn constants(args: &Args, config: &ModelConfig) -> Result<[Vec<f32>; 2], Error> {
    let known = config.preparation.as_ref();
    let usual = IMAGENET.map(|constants| constants.to_vec());
    let [mut mean, mut std] =
        known.map_or(usual, |images| [images.mean.clone(), images.std.clone()]);
    let channels = config.in_channels;
    for (option, told, constants) in
        [("--mean", &args.preparation.mean, &mut mean), ("--std", &args.preparation.std, &mut std)]
    {
        if !told.is_empty() {
            constants.clone_from(told);
        }
        if constants.len() != channels {
            let got = constants.len();
            return Err(Error::Usage(format!(
                "{option}: expected a number for each of {channels} channels, got {got}"
            )));
        }
    }
    Ok([mean, std])
}

/// Images and classes by numbers from 1, in their order.
fn numbered(files: usize, classes: usize, names: &[String]) -> Annotated {
    let image = |index: usize| AnnotatedImage {
        path: Default::default(),
        id: index as i64 + 1,
        size: [1, 1],
        boxes: Vec::new(),
    };
    let class = |class: usize| BoxClass {
        name: names.get(class).cloned().unwrap_or_default(),
        id: class as i64 + 1,
    };
    Annotated {
        name: String::new(),
        folder: Default::default(),
        classes: (0..classes).map(class).collect(),
        images: (0..files).map(image).collect(),
        findings: Findings::default(),
    }
}

/// `DIR/1.png: cat 0.93 at 10,20 to 110,220; dog 0.42 at …`
fn line(file: &str, found: &Found, names: &[String]) -> String {
    let one = |Detection { class, rect, score, .. }: &Detection| {
        let name = class_name(names, usize::from(*class));
        let [left, top, right, bottom] = rect.corners();
        format!("{name} {score:.2} at {left:.0},{top:.0} to {right:.0},{bottom:.0}")
    };
    let all: Vec<String> = found.detections.iter().map(one).collect();
    let all = if all.is_empty() { "nothing".to_string() } else { all.join("; ") };
    format!("{}: {all}", printable(file))
}

/// `RBC #e69f00, WBC #56b4e9`
fn legend(classes: usize, names: &[String]) -> String {
    let colour = |class: usize| {
        let [red, green, blue] = class_colour(class as u16);
        format!("{} #{red:02x}{green:02x}{blue:02x}", class_name(names, class))
    };
    (0..classes).map(colour).collect::<Vec<_>>().join(", ")
}

impl Prediction {
    fn new(file: String, found: &Found, names: &[String], drawing: Option<String>) -> Self {
        let [height, width] = found.size;
        let one = |Detection { class, rect, score, .. }: &Detection| {
            let [left, top, right, bottom] = rect.corners();
            let name = names.get(usize::from(*class)).cloned();
            Box { class: *class, name, score: *score, left, top, right, bottom }
        };
        let boxes = found.detections.iter().map(one).collect();
        Self { file, id: found.index + 1, width, height, drawing, boxes }
    }
}

#[cfg(test)]
mod tests {
    use cobasis_data::boxes::Rect;

    use super::*;

    #[test]
    fn a_line_has_class_score_and_box() {
        let rect = Rect::from_corners([10.4, 20.6, 110.0, 220.0]);
        let detections = vec![Detection { image: 4, class: 1, rect, score: 0.934 }];
        let mut found = Found { index: 4, size: [300, 400], detections, is_finite: true };
        let names = ["a".to_string(), "b\u{1b}".to_string()];
        assert_eq!(line("x.png", &found, &names), "x.png: b\\u{1b} 0.93 at 10,21 to 110,220");
        assert_eq!(line("x.png", &found, &[]), "x.png: class 1 0.93 at 10,21 to 110,220");
        found.detections.clear();
        assert_eq!(line("x.png", &found, &[]), "x.png: nothing");
        assert_eq!(legend(2, &names[..1]), "a #e69f00, class 1 #56b4e9");
    }
}
