//! The page of one run.

use std::path::Path;

use burn::tensor::Device;
use cobasis_data::DatasetName;
use cobasis_train::Error;
use cobasis_train::config::Config;
use cobasis_train::run_dir::RunRecord;
use cobasis_zoo::{Model, load};
use maud::html;

use super::bases::bases;
use super::card::{card, tiles};
use super::coefficients::coefficients;
use super::curves::curves;
use super::gradient_flow::gradient_flow;
use super::judged::Judgement;
use super::mistakes::mistakes;
use super::page::{Section, page};

/// The page of one run; its test images are in `data` or where the run found them.
pub(crate) fn single(run: &RunRecord, data: Option<&Path>) -> Result<String, Error> {
    let model = last_model(run)?;
    let costs = model.cost(image_size(&run.config)?);
    let judged = match Judgement::of(&model, &run.config, data) {
        Ok(judgement) => mistakes(&judgement),
        Err(error) => html! {
            p.panel.why { "Not shown, because the test images can't be used: " (error.line()) }
        },
    };
    let section = |id, title, body| Section { id, title, body };
    let sections = [
        section("curves", "Learning", curves(run)),
        section("bases", "Bases", bases(&model)),
        section("coefficients", "Coefficients", coefficients(&model, &costs)),
        section("gradients", "Gradient flow", gradient_flow(&run.path)?),
        section("mistakes", "Mistakes", judged),
        section("card", "Card", card(run)?),
    ];
    let summary = &run.summary;
    let subtitle = html! {
        "Trained on " (summary.dataset) " for " (run.history.len()) " epochs, seed " (summary.seed)
        ", started " (summary.started) "."
    };
    Ok(page(&summary.model, &subtitle, &tiles(run, costs.total().macs), &sections))
}

/// The model of the run's last epoch.
pub(crate) fn last_model(run: &RunRecord) -> Result<Model, Error> {
    Ok(load(&run.path.join("last.safetensors"), &Device::flex())?)
}

/// The images that the network gets, `[height, width]`.
pub(crate) fn image_size(config: &Config) -> Result<[usize; 2], Error> {
    let [_, height, width] = config.model_name()?.entry().input;
    Ok(match config.data.name {
        DatasetName::Mnist | DatasetName::FashionMnist => [28, 28],
        name if name.is_folder() => [config.source()?.view.size; 2],
        _ => [height, width],
    })
}
