//! The sharing form of a network that loses least within a budget.

mod few;
mod stage;
#[cfg(test)]
mod tests;

use super::budget::{Budget, Costs, RankChoice, RankOption, choose_ranks};
use super::targets::Targets;
use super::{FactoriseError, Moments, Weighting};
use crate::config::ModelConfig;
use crate::model::Model;
use crate::name::ModelName;
use crate::sharing::Blocks;
use crate::spec::Norms;
use stage::Stage;

/// The forms of a network that are chosen from: which blocks share, and which batch norms they have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FormOptions {
    /// Which blocks of a residual stage.
    pub blocks: Blocks,
    /// Which batch norms the blocks that share have.
    pub norms: Norms,
}

/// A form within a budget.
#[derive(Clone, Debug, PartialEq)]
pub struct ChosenForm {
    /// The network that shares.
    pub name: ModelName,
    /// Whether all ranks were compared that may fit, or the best were approached step by step.
    pub exhaustive: bool,
}

/// The model that `options` allow with ranks of no matter, such as [`Model::input_moments`] takes for all
/// layers whose ranks [`form_within`] may choose.
///
/// # Errors
///
/// If the network shares already or has no sharing form.
pub fn any_form(dense: &ModelConfig, options: FormOptions) -> Result<ModelConfig, FactoriseError> {
    let names = few::forms(&dense.name, options.blocks)?;
    let last = names.into_iter().next_back();
    let no_form = || FactoriseError::NoForm { model: dense.name.to_string() };
    Ok(with(dense, last.ok_or_else(no_form)?, options.norms))
}

/// The sharing form of a dense network that loses least within a budget.
///
/// What is lost is the sum over layers of squared relative errors: of the outputs where `weighting` asks for
/// them, of the filters otherwise. In networks with ranks those of every stage are chosen; of bottlenecks, ResNeXts and MobileNetV2s the few forms are tried.
///
/// Of long filters, not every rank is tried at once: a choice among a hundred or so ranks a stage is made
/// first, and then filled up one by one.
///
/// # Errors
///
/// If the network shares already, has no sharing form, or none within the budget; the error then says
/// the smallest there is.
pub fn form_within(
    dense: &Model,
    options: FormOptions,
    moments: &Moments,
    weighting: Weighting,
    budget: Budget,
) -> Result<ChosenForm, FactoriseError> {
    let empty = Moments::new();
    let moments = if weighting == Weighting::Inputs { moments } else { &empty };
    let any = any_form(&dense.config, options)?;
    if few::have_ranks(&dense.config.name) {
        return with_ranks(dense, &any, moments, budget);
    }
    let names = few::forms(&dense.config.name, options.blocks)?;
    let forms = names.into_iter().map(|name| with(&dense.config, name, options.norms));
    let forms = few::counted(dense, forms);
    // What to say if none fits is known without errors.
    within(dense, &[forms.iter().map(few::option).collect()], Costs::default(), budget)?;
    few::best(dense, &forms, moments, budget)
}

/// Refuses a budget that no form meets, by counting alone: what [`form_within`] would say, before moments are
/// there.
///
/// # Errors
///
/// As [`form_within`].
pub fn check_budget(
    dense: &Model,
    options: FormOptions,
    budget: Budget,
) -> Result<(), FactoriseError> {
    let any = any_form(&dense.config, options)?;
    let moments = Moments::new();
    let (fixed, cheapest) = match few::have_ranks(&dense.config.name) {
        true => {
            let (stages, fixed) = stages(dense, &any, &moments)?;
            (fixed, stages.iter().map(Stage::cheapest).collect())
        }
        false => {
            let names = few::forms(&dense.config.name, options.blocks)?;
            let forms = names.into_iter().map(|name| with(&dense.config, name, options.norms));
            (Costs::default(), vec![few::counted(dense, forms).iter().map(few::option).collect()])
        }
    };
    within(dense, &cheapest, fixed, budget).map(|_| ())
}

/// The options, one for each stage, that lose least within a budget.
fn within(
    dense: &Model,
    options: &[Vec<RankOption>],
    fixed: Costs,
    budget: Budget,
) -> Result<RankChoice, FactoriseError> {
    let model = || dense.config.name.to_string();
    choose_ranks(options, fixed, budget)
        .map_err(|source| FactoriseError::Budget { model: model(), source })
}

/// The stages of a network, and what the rest of it costs.
fn stages<'a>(
    dense: &Model,
    any: &ModelConfig,
    moments: &'a Moments,
) -> Result<(Vec<Stage<'a>>, Costs), FactoriseError> {
    let skeleton = any.skeleton(&dense.head.device());
    let stages = Stage::of(dense, &Targets::of(&skeleton)?, moments)?;
    let (all, replaced) = (costs_of(dense), stage::sum(stages.iter().map(Stage::dense_costs)));
    let fixed = Costs { params: all.params - replaced.params, macs: all.macs - replaced.macs };
    Ok((stages, fixed))
}

fn with(dense: &ModelConfig, name: ModelName, norms: Norms) -> ModelConfig {
    ModelConfig { name, ..dense.clone() }.with_norms(norms)
}

/// The ranks of every stage.
fn with_ranks(
    dense: &Model,
    any: &ModelConfig,
    moments: &Moments,
    budget: Budget,
) -> Result<ChosenForm, FactoriseError> {
    let (stages, fixed) = stages(dense, any, moments)?;
    let options: Vec<Vec<RankOption>> =
        stages.iter().map(Stage::options).collect::<Result<_, _>>()?;
    let chosen = within(dense, &options, fixed, budget)?;
    let mut ranks: Vec<[usize; 2]> = chosen
        .options
        .iter()
        .zip(&options)
        .map(|(&place, stage)| [stage[place].shared, stage[place].unique])
        .collect();
    stage::fill_up(&stages, &options, &mut ranks, chosen.costs, budget);
    let list =
        |kind: usize| ranks.iter().map(|of| of[kind].to_string()).collect::<Vec<_>>().join(",");
    let all_blocks = if any.name.blocks() == Blocks::All { "-all" } else { "" };
    let name = any.name.dense().with_sharing(&format!("s{}u{}{all_blocks}", list(0), list(1)))?;
    let exact = stages.iter().all(Stage::tries_all);
    Ok(ChosenForm { name, exhaustive: chosen.exhaustive && exact })
}

/// What a network costs for an image of its size.
fn costs_of(model: &Model) -> Costs {
    let total = model.cost(model.config.image()).total();
    Costs { params: total.params as usize, macs: total.macs as usize }
}
