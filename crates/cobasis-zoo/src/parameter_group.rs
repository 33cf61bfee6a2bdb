//! Groups of parameters, by the names that files and [`Model::tensors`] have for them.

use std::collections::BTreeSet;
use std::iter::successors;

use burn::module::{ParamGroup, ParamId};

use crate::glob;
use crate::model::Model;
use crate::state;

/// A pattern that is for no tensor of a model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no tensor of the model fits {pattern:?}{}", did_you_mean(.nearest))]
#[non_exhaustive]
pub struct PatternError {
    /// The pattern.
    pub pattern: String,
    /// Names, or starts of names, that are spelled most alike.
    pub nearest: Vec<String>,
}

fn did_you_mean(nearest: &[String]) -> String {
    let nearest: Vec<String> = nearest.iter().map(|name| format!("{name:?}")).collect();
    match nearest.as_slice() {
        [] => "; `Model::tensors` lists those there are".to_string(),
        names => format!("; did you mean {}?", names.join(" or ")),
    }
}

impl Model {
    /// The parameters that fit one of the patterns, as Burn's functions for freezing, learning rates
    /// and optimizers by group take them. Burn's own `ParamGroup::from_path` wants paths in the module
    /// tree, such as `network.ResNet.stages.0.…`, and is silent about one that fits nothing.
    ///
    /// A pattern is
    ///
    /// - a tensor's name, as [`tensors`](Self::tensors), [`state`](Self::state) and files have it:
    ///   `head.weight`;
    /// - the start of names, up to a dot: `head`, `stages.0`, `stages.0.blocks.1`;
    /// - either with `*` for any text: `head.*`, `*.conv1.*`;
    /// - `bases`: all shared filters; `backbone`: all but the classifier and an adapter; `adapter`: what an
    ///   [adapter](crate::adapter) has.
    ///
    /// The start of a batch norm's names stands for its mode too: where it is frozen, it normalises with
    /// the running statistics and leaves them as they are. A group is good for the model as long as it
    /// lives: steps of an optimizer keep the parameters' identities.
    ///
    /// ```
    /// use burn::module::Module;
    /// use burn::tensor::Device;
    /// use cobasis_zoo::ModelConfig;
    ///
    /// let device = Device::flex().autodiff();
    /// let model = ModelConfig::new("cifar10/resnet20-s8u1".parse()?).init(&device);
    /// let group = model.parameter_group(&["stem", "stages.0", "bases"])?;
    /// let model = model.freeze_group(group);
    /// assert!(!model.bases()[2].1.weight.is_require_grad());
    /// assert!(model.head.weight().is_some_and(|weight| weight.is_require_grad()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If a pattern fits no tensor; the error has the names that are spelled most alike.
    pub fn parameter_group(&self, patterns: &[&str]) -> Result<ParamGroup, PatternError> {
        let values = state::values(self, |path| self.file_name(path));
        let bases: Vec<ParamId> = self.bases().iter().map(|(_, basis)| basis.weight.id).collect();
        let mut ids = Vec::new();
        for &pattern in patterns {
            let before = ids.len();
            let fitting = values.iter().filter(|(name, id)| {
                let below = || name.strip_prefix(pattern).is_some_and(|rest| rest.starts_with('.'));
                let word = || match pattern {
                    "bases" => bases.contains(id),
                    "backbone" => {
                        !["head.", "adapter."].iter().any(|of_task| name.starts_with(of_task))
                    }
                    _ => false,
                };
                glob::matches(pattern, name) || below() || word()
            });
            ids.extend(fitting.map(|(_, id)| *id));
            if ids.len() == before {
                let (pattern, nearest) = (pattern.to_string(), self.nearest(pattern));
                return Err(PatternError { pattern, nearest });
            }
        }
        Ok(ParamGroup::from_ids(ids))
    }

    /// At most three names of tensors, or their starts, that are spelled like a pattern.
    fn nearest(&self, pattern: &str) -> Vec<String> {
        let pattern = pattern.trim_end_matches(['*', '.']);
        let names = self.tensors().into_iter().map(|tensor| tensor.path);
        let starts = names.flat_map(|name| {
            let shorter = |name: &String| name.rsplit_once('.').map(|(start, _)| start.to_string());
            successors(Some(name), shorter)
        });
        let distance = |name: &str| match pattern.ends_with(&format!(".{name}")) {
            // A path in Burn's module tree.
            true => 0,
            false => strsim::damerau_levenshtein(pattern, name),
        };
        let near: BTreeSet<(usize, String)> = starts
            .map(|name| (distance(&name), name))
            .filter(|(distance, name)| *distance <= name.len() / 3)
            .collect();
        near.into_iter().take(3).map(|(_, name)| name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ModelConfig, State};
    use burn::module::Module;
    use burn::optim::{GradientsParams, SgdConfig};
    use burn::tensor::{Device, Distribution, Tensor};

    fn model() -> Model {
        let name = "digits/resnet14-s4u1".parse().expect("a name");
        ModelConfig::new(name).init(&Device::flex().autodiff())
    }

    /// The names of the tensors that the patterns fit.
    fn named(patterns: &[&str]) -> Vec<String> {
        let model = model();
        let group = model.parameter_group(patterns).expect("patterns that fit");
        let tensors = model.tensors().into_iter();
        let inside = tensors.filter(|tensor| group.matches(&tensor.id, None));
        inside.map(|tensor| tensor.path).collect()
    }

    fn error(pattern: &str) -> String {
        model().parameter_group(&["head", pattern]).map(drop).expect_err(pattern).to_string()
    }

    /// The model after a step of which everything that learns takes part, and what that changed.
    fn changed(model: Model) -> Vec<String> {
        let before = model.state();
        let device = Device::flex().autodiff();
        let images = Tensor::random([4, 1, 8, 8], Distribution::Default, &device);
        let loss = model.forward(images).powi_scalar(2).sum();
        let loss = model.penalty().map_or(loss.clone(), |penalty| loss + penalty);
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        let after: State = SgdConfig::new().init().step(0.1, model, gradients).state();
        let differs = |name: &String| before[name] != after[name];
        before.keys().filter(|name| differs(name)).cloned().collect()
    }

    #[test]
    fn patterns_are_names_their_starts_and_globs() {
        assert_eq!(named(&["head.weight"]), ["head.weight"]);
        assert_eq!(named(&["head"]), ["head.weight", "head.bias"]);
        assert_eq!(named(&["head.*"]), named(&["head"]));
        let bases: Vec<String> =
            (0..3).map(|stage| format!("stages.{stage}.bases.0.weight")).collect();
        assert_eq!(named(&["bases"]), bases);
        assert_eq!(named(&["*.bases.*"]), bases);
        let stage = named(&["stages.1"]);
        assert!(
            stage.contains(&bases[1]) && stage.iter().all(|name| name.starts_with("stages.1."))
        );
        assert_eq!(named(&["*"]).len(), model().tensors().len());
        assert!(named(&["*.conv1.unique"]).iter().all(|name| name.ends_with(".conv1.unique")));
        let backbone = named(&["backbone"]);
        assert_eq!(backbone.len() + 2, model().tensors().len());
        assert!(backbone.iter().all(|name| !name.starts_with("head.")));
    }

    #[test]
    fn what_fits_nothing_is_an_error_with_names_that_would() {
        let told = error("heads.*");
        assert!(told.contains("\"heads.*\"; did you mean \"head\"?"), "{told}");
        let told = error("network.ResNet.head.weight");
        assert!(told.ends_with("did you mean \"head.weight\"?"), "{told}");
        assert!(error("stage.0").contains("\"stages.0\""), "{}", error("stage.0"));
        assert!(error("transformer").contains("`Model::tensors`"), "{}", error("transformer"));
        assert!(error("").contains("fits \"\""));
    }

    #[test]
    fn only_the_head_learns_where_all_else_is_frozen() {
        let model = model();
        let head = model.parameter_group(&["head"]).expect("a head");
        assert_eq!(changed(model.freeze().unfreeze_group(head)), ["head.bias", "head.weight"]);
    }

    #[test]
    fn a_frozen_stage_keeps_its_statistics_and_its_bases() {
        let model = model();
        let frozen = model.parameter_group(&["stem", "stages.0", "bases"]).expect("a group");
        let changed = changed(model.freeze_group(frozen));
        let still = |name: &String| {
            name.starts_with("stem.") || name.starts_with("stages.0.") || name.contains(".bases.")
        };
        assert!(!changed.iter().any(still), "{changed:?}");
        assert!(
            changed.iter().any(|name| name.starts_with("stages.1.") && name.contains("running"))
        );
    }
}
