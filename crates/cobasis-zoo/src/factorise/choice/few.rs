//! Networks whose forms are few enough to try them all.

use crate::config::ModelConfig;
use crate::factorise::budget::{Budget, Costs, RankOption};
use crate::factorise::{ChosenForm, FactoriseError, Moments, Weighting, factorise};
use crate::model::Model;
use crate::name::ModelName;
use crate::sharing::Blocks;
use crate::spec::{Architecture, BlockKind};

use super::costs_of;

/// Whether the network has ranks that may be any numbers.
pub(super) fn have_ranks(dense: &ModelName) -> bool {
    match &dense.entry().architecture {
        Architecture::ResNet(spec) => spec.block == BlockKind::Basic,
        Architecture::DenseNet(_) => true,
        Architecture::MobileNetV2(_) => false,
    }
}

/// The forms of a network, those that share more after those that share less; of one with ranks, that of
/// the lowest.
pub(super) fn forms(dense: &ModelName, blocks: Blocks) -> Result<Vec<ModelName>, FactoriseError> {
    if dense.sharing().is_some() {
        return Err(FactoriseError::NotDense { model: dense.to_string() });
    }
    let suffixes: Vec<String> = match &dense.entry().architecture {
        _ if have_ranks(dense) => vec!["s1u0".to_string()],
        Architecture::ResNet(spec) if spec.block == BlockKind::ResNeXt => grouped_ranks(),
        _ => ["shared", "shared++"].map(String::from).to_vec(),
    };
    let all = match blocks {
        Blocks::AfterFirst => "",
        Blocks::All => "-all",
    };
    let names = suffixes.iter().map(|suffix| dense.with_sharing(&format!("{suffix}{all}")));
    Ok(names.collect::<Result<_, _>>()?)
}

/// The ranks that groups of channels allow, from the largest on.
fn grouped_ranks() -> Vec<String> {
    let ranks = [512, 256, 128, 64, 32, 16, 8, 4];
    let mut all: Vec<(usize, String)> = Vec::new();
    for shared in ranks {
        all.extend(ranks.map(|unique| (shared + unique, format!("s{shared}u{unique}"))));
    }
    all.sort_by_key(|(filters, _)| usize::MAX - filters);
    all.into_iter().map(|(_, suffix)| suffix).collect()
}

/// A form, and what it costs.
pub(super) type Counted = (Costs, ModelConfig);

pub(super) fn counted(dense: &Model, forms: impl Iterator<Item = ModelConfig>) -> Vec<Counted> {
    let device = dense.head.device();
    forms.map(|form| (costs_of(&form.skeleton(&device)), form)).collect()
}

/// A form as an option of which the error is not known.
pub(super) fn option((costs, _): &Counted) -> RankOption {
    RankOption { shared: 0, unique: 0, costs: *costs, error: 0.0 }
}

/// The form of the smallest error within a budget, which some meet.
pub(super) fn best(
    dense: &Model,
    all: &[Counted],
    moments: &Moments,
    budget: Budget,
) -> Result<ChosenForm, FactoriseError> {
    let device = dense.head.device();
    let fits = |costs: &Costs| {
        budget.params.is_none_or(|limit| costs.params <= limit)
            && budget.macs.is_none_or(|limit| costs.macs <= limit)
    };
    let fitting: Vec<&Counted> = all.iter().filter(|(costs, _)| fits(costs)).collect();
    // One that has fewer parameters and fewer multiply-accumulates than another that fits is no better.
    let beaten = |(costs, _): &&Counted| {
        fitting.iter().any(|(other, _)| other.params > costs.params && other.macs > costs.macs)
    };
    let mut best: Option<(f64, ModelName)> = None;
    for (_, form) in fitting.iter().copied().filter(|form| !beaten(form)) {
        let weighting = if moments.is_empty() { Weighting::Plain } else { Weighting::Inputs };
        let (_, errors) = factorise(dense, form.clone(), moments, weighting, &device)?;
        let lost = errors.iter().map(|error| error.outputs.unwrap_or(error.filters).powi(2)).sum();
        if best.as_ref().is_none_or(|(least, _)| lost < *least) {
            best = Some((lost, form.name.clone()));
        }
    }
    let no_form = || FactoriseError::NoForm { model: dense.config.name.to_string() };
    let (_, name) = best.ok_or_else(no_form)?;
    Ok(ChosenForm { name, exhaustive: true })
}
