//! A constraint's part in a training step: before the optimizer it turns gradients along the
//! manifold of orthonormal filters, after it, it moves weights back and takes the momentum along.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Tensor;
use cobasis_zoo::Model;
use cobasis_zoo::cobasis::BankId;
use cobasis_zoo::cobasis::ortho::{Constraint, ConstraintError, ConstraintSettings, Gram};

use crate::config::OrthoConfig;
use crate::tensors::host;
use crate::train::kept_momentum::Momentum;

use crate::train::optimizer::{decay_factor, with_kept_momentum};
use crate::train::{Recipe, StepAt};

/// The parameters of each group of bases that are orthonormal jointly, as the network's banks say: the
/// two bases of a stage of `-double`, but a 3×3 and a 1×1 basis of a stage each on its own. Kernels that
/// are not to be orthonormal are in none.
pub(crate) fn joint_bases(model: &Model) -> Vec<Vec<ParamId>> {
    let groups = model.banks().families().into_iter().flatten();
    let ids = |(_, banks): (_, Vec<BankId>)| {
        banks.into_iter().map(|bank| model.bases[bank].weight.id).collect()
    };
    groups.map(ids).collect()
}

/// Refuses a model of which the configuration's constraint keeps bases jointly that are frozen in part.
///
/// # Errors
///
/// What is wrong, in words.
pub(crate) fn check_joint(config: &OrthoConfig, model: &Model) -> Result<(), String> {
    let learns: BTreeMap<ParamId, (String, bool)> = model
        .bases()
        .into_iter()
        .map(|(path, basis)| (basis.weight.id, (path, basis.weight.is_require_grad())))
        .collect();
    let (mut frozen, mut free) = (None, None);
    for group in joint_bases(model) {
        let of_group = group.iter().filter_map(|id| learns.get(id));
        of_group.for_each(|(path, learns)| {
            *(if *learns { &mut free } else { &mut frozen }) = Some(path)
        });
        if let (Some(_), Some(frozen), Some(free)) = (config.constraint.0, frozen, free) {
            return Err(format!(
                "ortho.constraint keeps {frozen} and {free} orthonormal to each other; freeze both, or \
                 neither"
            ));
        }
        (frozen, free) = (None, None);
    }
    Ok(())
}

/// What inner products of bases may be off by that need not be moved back: what rounding leaves. Moving
/// them once more would change their last bits.
const ROUNDING: f64 = 1e-6;

/// The numbers that a configuration gives its constraint, for a step of some learning rate.
pub(crate) fn settings(config: &OrthoConfig, rate: f64) -> ConstraintSettings {
    ConstraintSettings { rate, band: config.band, attraction: config.attraction }
}

/// A model whose bases are orthonormal as the constraint keeps them, the frozen ones aside, and how far
/// a number of them has moved at most.
///
/// # Errors
///
/// If they can't be made so: filters depend on each other.
pub(crate) fn made_orthonormal(
    constraint: Constraint,
    settings: &ConstraintSettings,
    model: Model,
) -> Result<(Model, f32), ConstraintError> {
    let mut moved = GradientsParams::new();
    let mut farthest = 0.0f32;
    for ids in learning_bases(&model) {
        let mut found = Collector { wanted: ids.iter().copied().collect(), ..Collector::default() };
        model.visit(&mut found);
        let before: Vec<Tensor<4>> =
            ids.iter().filter_map(|id| found.found.remove::<4>(*id)).collect();
        let after = constraint.retract(&[], before.clone(), settings)?;
        for ((id, before), after) in ids.into_iter().zip(before).zip(after) {
            let distance = (after.clone() - before).abs().max();
            farthest = farthest.max(host(distance)[0]);
            moved.register(id, after);
        }
    }
    Ok((model.map(&mut Replace(moved)), farthest))
}

/// The groups of [`joint_bases`] that are not frozen.
fn learning_bases(model: &Model) -> Vec<Vec<ParamId>> {
    let bases = model.bases().into_iter();
    let learning = bases.filter(|(_, basis)| basis.weight.is_require_grad());
    let learning: BTreeSet<ParamId> = learning.map(|(_, basis)| basis.weight.id).collect();
    let groups = joint_bases(model).into_iter();
    groups.filter(|ids| ids.iter().all(|id| learning.contains(id))).collect()
}

/// Bases that a constraint keeps orthonormal.
pub(crate) struct Constrained {
    constraint: Constraint,
    config: OrthoConfig,
    groups: Vec<Vec<Basis>>,
}

/// A basis, and where the optimizer keeps its momentum.
struct Basis {
    id: ParamId,
    momentum: Arc<dyn Momentum>,
}

/// The weights of the bases before a step.
pub(crate) struct Before(BTreeMap<ParamId, Tensor<4>>);

impl Constrained {
    /// The constraint that a configuration asks for, if any, and the optimizer with the momentum of
    /// the bases within its reach.
    pub(crate) fn of(
        recipe: &Recipe,
        model: &Model,
        mut optimizer: ModuleOptimizer,
    ) -> (ModuleOptimizer, Option<Self>) {
        let Some(constraint) = recipe.ortho.constraint.0 else {
            return (optimizer, None);
        };
        let factor = decay_factor(&recipe.optimizer, &model.config);
        let mut groups = Vec::new();
        for ids in learning_bases(model) {
            let mut group = Vec::new();
            for id in ids {
                let (with, momentum) = with_kept_momentum(optimizer, &recipe.optimizer, factor, id);
                optimizer = with;
                group.push(Basis { id, momentum });
            }
            groups.push(group);
        }
        (optimizer, Some(Self { constraint, config: recipe.ortho.clone(), groups }))
    }

    /// Before the optimizer: leaves of the gradients what lies along the manifold. A basis that the
    /// loss does not depend on has no gradient before and after.
    pub(crate) fn tangent<M: Module>(
        &self,
        module: &M,
        gradients: &mut GradientsParams,
    ) -> Result<Before, ConstraintError> {
        let before = self.bases(module);
        for group in &self.groups {
            let bases = of_group(group, &before);
            let (all, given) = complete(&bases, |index| gradients.remove::<4>(group[index].id));
            if !given.contains(&true) {
                continue;
            }
            let tangents = self.constraint.tangent(&bases, all)?.into_iter();
            for ((tangent, kept), _) in tangents.zip(group).zip(given).filter(|(_, given)| *given) {
                gradients.register(kept.id, tangent);
            }
        }
        Ok(Before(before))
    }

    /// After the optimizer's step: the module with its bases back on the manifold; their momentum
    /// follows.
    pub(crate) fn retract<M: Module>(
        &self,
        at: StepAt,
        Before(before): Before,
        module: M,
    ) -> Result<M, ConstraintError> {
        if !at.step.is_multiple_of(self.config.every) {
            return Ok(module);
        }
        let after = self.bases(&module);
        let settings = settings(&self.config, at.lr);
        let groups = self
            .groups
            .iter()
            .map(|group| (group, of_group(group, &before), of_group(group, &after)));
        self.moved(groups.collect(), &settings, module)
    }

    /// At the end of an epoch: the module with its bases on the manifold, if the constraint's steps
    /// only keep them near it. Bases that are there already stay as they are to the last bit.
    pub(crate) fn end_epoch<M: Module>(&self, module: M) -> Result<M, ConstraintError> {
        if self.constraint.is_exact() {
            return Ok(module);
        }
        let bases = self.bases(&module);
        let all = self.groups.iter().map(|group| (group, Vec::new(), of_group(group, &bases)));
        let away =
            all.filter(|(_, _, bases)| Gram::of(joint_rows(bases)).max_deviation() > ROUNDING);
        self.moved(away.collect(), &settings(&self.config, 0.0), module)
    }

    /// The module with some groups' bases moved back from where they are, after a step from where they
    /// were, if they were anywhere.
    fn moved<M: Module>(
        &self,
        groups: Vec<(&Vec<Basis>, Vec<Tensor<4>>, Vec<Tensor<4>>)>,
        settings: &ConstraintSettings,
        module: M,
    ) -> Result<M, ConstraintError> {
        let mut moved = GradientsParams::new();
        for (group, before, after) in groups {
            let bases = self.constraint.retract(&before, after, settings)?;
            let (all, given) = complete(&bases, |index| group[index].momentum.get());
            if given.contains(&true) {
                let taken = self.constraint.transport(&bases, all, settings)?.into_iter();
                // A basis without momentum takes none.
                taken.zip(group).for_each(|(taken, kept)| kept.momentum.set(taken));
            }
            bases.into_iter().zip(group).for_each(|(basis, kept)| moved.register(kept.id, basis));
        }
        Ok(module.map(&mut Replace(moved)))
    }

    fn bases<M: Module>(&self, module: &M) -> BTreeMap<ParamId, Tensor<4>> {
        let ids: BTreeSet<ParamId> = self.groups.iter().flatten().map(|kept| kept.id).collect();
        let mut collector = Collector { wanted: ids.clone(), ..Collector::default() };
        module.visit(&mut collector);
        let found = |id| Some((id, collector.found.remove::<4>(id)?));
        ids.into_iter().filter_map(found).collect()
    }
}

fn of_group(group: &[Basis], bases: &BTreeMap<ParamId, Tensor<4>>) -> Vec<Tensor<4>> {
    group.iter().filter_map(|kept| bases.get(&kept.id).cloned()).collect()
}

/// Bases that are orthonormal jointly as one bank whose rows can be so: the columns of all where there
/// are more filters than numbers in each.
pub(crate) fn joint_rows(bases: &[Tensor<4>]) -> Tensor<4> {
    let joint = Tensor::cat(bases.to_vec(), 0);
    let [filters, channels, height, width] = joint.dims();
    let length = channels * height * width;
    if filters <= length {
        return joint;
    }
    joint.reshape([filters, length]).transpose().reshape([length, filters, 1, 1])
}

/// What there is of each basis, zeros for others, and which of them were there.
fn complete(
    bases: &[Tensor<4>],
    of_basis: impl FnMut(usize) -> Option<Tensor<4>>,
) -> (Vec<Tensor<4>>, Vec<bool>) {
    let found = (0..bases.len()).map(of_basis).zip(bases);
    let completed = found.map(|(found, basis)| {
        let given = found.is_some();
        (found.unwrap_or_else(|| basis.zeros_like()), given)
    });
    completed.unzip()
}

/// The values of some parameters, off their autodiff side. Burn's container for gradients holds
/// tensors of any number of dimensions.
#[derive(Default)]
struct Collector {
    wanted: BTreeSet<ParamId>,
    found: GradientsParams,
}

impl ModuleVisitor for Collector {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.wanted.contains(&param.id) {
            self.found.register(param.id, param.val().inner());
        }
    }
}

/// Gives parameters other values; identity and the wish for gradients stay.
pub(crate) struct Replace(pub(crate) GradientsParams);

impl ModuleMapper for Replace {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(new) = self.0.remove::<D>(param.id) else {
            return param;
        };
        param.map(|old| Tensor::from_inner(new).set_require_grad(old.is_require_grad()))
    }
}

#[cfg(test)]
mod tests;
