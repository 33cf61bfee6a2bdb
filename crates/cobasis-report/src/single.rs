//! The page of one run.

use std::path::Path;

use burn::tensor::Device;
use cobasis_data::Source;
use cobasis_train::Error;
use cobasis_train::config::Config;
use cobasis_train::run_dir::RunRecord;
use cobasis_zoo::{Model, load};
use maud::{Markup, html};

use super::bases::bases;
use super::card::{card, tiles};
use super::coefficients::coefficients;
use super::curves::{Learning, curves};
use super::detections::Findings;
use super::figure::Figures;
use super::gradient_flow::gradient_flow;
use super::judged::Judgement;
use super::mistakes::mistakes;
use super::page::{Head, Section, page};
use super::precision::precision;
use super::wrong_boxes::wrong_boxes;

/// The page of one run; its test images are in `data` or where the run found them.
pub(crate) fn single(
    run: &RunRecord,
    data: Option<&Path>,
    figures: &Figures,
) -> Result<String, Error> {
    let model = last_model(&run.path)?;
    let size = picture_size(&model, &run.config)?;
    let (costs, macs) = (model.cost(size), model.inference_cost(size).total().macs);
    let summary = &run.summary;
    let best = Some((summary.best().epoch, "best epoch"));
    let learning = Learning { history: &run.history, config: &run.config, best };
    let section = |id, title, body| Section { id, title, body };
    let mut sections = vec![
        section("curves", "Learning", curves(&learning, figures)),
        section("bases", "Bases", bases(&model, figures)),
        section("coefficients", "Coefficients", coefficients(&model, &costs, figures)),
        section("gradients", "Gradient flow", gradient_flow(&run.path, figures)?),
    ];
    match model.config.detector {
        None => sections.push(section("mistakes", "Mistakes", judged(&model, run, data, figures))),
        Some(_) => {
            let [precision, mistakes] = found(&model, run, data, figures);
            sections.push(section("precision", "Precision and recall", precision));
            sections.push(section("mistakes", "Mistakes", mistakes));
        }
    }
    sections.push(section("card", "Card", card(run)?));
    let subtitle = html! {
        "Trained on " (summary.dataset) " for " (run.history.len()) " epochs, seed " (summary.seed)
        ", started " (summary.started) "."
    };
    let head = Head { title: summary.model.clone(), subtitle, grows: false };
    Ok(page(&head, &tiles(run, macs), &sections))
}

fn judged(model: &Model, run: &RunRecord, data: Option<&Path>, figures: &Figures) -> Markup {
    match Judgement::of(model, &run.config, data) {
        Ok(judgement) => mistakes(&judgement, figures),
        Err(error) => why(&error),
    }
}

/// How good a detector is, and where it is wrong.
fn found(model: &Model, run: &RunRecord, data: Option<&Path>, figures: &Figures) -> [Markup; 2] {
    match Findings::of(model, &run.config, data) {
        Ok(findings) => [precision(&findings, figures), wrong_boxes(&findings)],
        Err(error) => [why(&error), why(&error)],
    }
}

fn why(error: &Error) -> Markup {
    html! { p.panel.why { "Not shown, because the test images can't be used: " (error.line()) } }
}

/// The model of the last epoch of the run in this directory.
pub(crate) fn last_model(run: &Path) -> Result<Model, Error> {
    Ok(load(run.join("last.safetensors"), &Device::flex())?)
}

/// The images that the network gets, `[height, width]`: as the data set has them, of a detector its
/// pictures.
pub(crate) fn picture_size(model: &Model, config: &Config) -> Result<[usize; 2], Error> {
    let _ = model;
    image_size(config)
}

fn image_size(config: &Config) -> Result<[usize; 2], Error> {
    let Source { name, view, .. } = config.source()?;
    let [_, height, width] = name.info(view).shape;
    Ok([height, width])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_as_large_as_their_data_set_has_them() {
        for (model, data, size) in [
            ("digits/resnet14", "digits", 8),
            ("cifar10/resnet20", "cifar10", 32),
            ("cifar10/resnet20", "mnist", 28),
            ("digits/resnet14", "fashion-mnist", 28),
            ("imagenet/resnet18", "imagenet", 224),
            ("cifar10/resnet20", "folder", 32),
        ] {
            let text = format!("model = '{model}'\ndata.name = '{data}'");
            let config = Config::from_table(&text.parse().unwrap()).unwrap();
            assert_eq!(image_size(&config).unwrap(), [size, size], "{model} {data}");
        }
    }
}
