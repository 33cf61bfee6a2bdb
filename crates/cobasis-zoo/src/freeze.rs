//! Parts of a model that training leaves as they are.

use std::collections::BTreeSet;

use burn::module::{Module, ModuleVisitor, Param, ParamGroup, ParamId};
use burn::tensor::Tensor;

use crate::model::Model;
use crate::parameter_group::PatternError;
use crate::state::{self, FlagInfo, TensorInfo};

impl Model {
    /// The model with the tensors that fit the patterns frozen: they get no gradient. A pattern is as
    /// [`parameter_group`](Self::parameter_group) has it.
    ///
    /// A batch norm of which any tensor is frozen normalises with its running statistics, in training
    /// too, and keeps them: statistics that still moved would change what the frozen rest computes.
    ///
    /// ```
    /// use burn::tensor::Device;
    /// use cobasis_zoo::ModelConfig;
    ///
    /// let device = Device::flex().autodiff();
    /// let model = ModelConfig::new("cifar10/resnet20-s8u1".parse()?).init(&device);
    /// let model = model.with_frozen(&["backbone"])?;
    /// assert!(model.head.weight().is_some_and(|weight| weight.is_require_grad()));
    /// assert_eq!(model.frozen().len() + 2, model.tensors().len()); // all but the classifier's two
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If a pattern fits no tensor; the error has the names that are spelled most alike.
    pub fn with_frozen(self, patterns: &[&str]) -> Result<Model, PatternError> {
        let group = self.parameter_group(patterns)?;
        let tensors = self.tensors().into_iter();
        let layers: BTreeSet<String> = tensors
            .filter(|tensor| group.matches(&tensor.id, None))
            .map(|tensor| layer(&tensor.path).to_string())
            .collect();
        let flags = self.flags().into_iter().filter(|flag| layers.contains(layer(&flag.path)));
        let flags = ParamGroup::from_ids(flags.map(|flag| flag.id).collect::<Vec<_>>());
        Ok(self.freeze_group(group).freeze_group(flags))
    }

    /// The tensors that training leaves as they are: parameters without a gradient, and the running
    /// statistics of batch norms that are not in training. Of a model off its autodiff device, all
    /// parameters.
    pub fn frozen(&self) -> Vec<TensorInfo> {
        let mut learning = Learning::default();
        self.visit(&mut learning);
        let flags = self.flags();
        let still: BTreeSet<&str> =
            flags.iter().filter(|flag| !flag.is_enabled).map(|flag| layer(&flag.path)).collect();
        let is_frozen = |tensor: &TensorInfo| match tensor.path.rsplit_once('.') {
            Some((norm, "running_mean" | "running_var")) => still.contains(norm),
            _ => !learning.0.contains(&tensor.id),
        };
        self.tensors().into_iter().filter(is_frozen).collect()
    }

    fn flags(&self) -> Vec<FlagInfo> {
        state::flags(self, |path| self.file_name(path))
    }
}

/// The layer of a tensor or flag, by name.
fn layer(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(layer, _)| layer)
}

/// The parameters that get gradients.
#[derive(Default)]
struct Learning(BTreeSet<ParamId>);

impl ModuleVisitor for Learning {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if param.is_require_grad() {
            self.0.insert(param.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ModelConfig;
    use burn::tensor::Device;

    fn model() -> Model {
        let name = "digits/resnet14-s4u1".parse().expect("a name");
        ModelConfig::new(name).init(&Device::flex().autodiff())
    }

    fn frozen(patterns: &[&str]) -> Vec<String> {
        let model = model().with_frozen(patterns).expect("patterns that fit");
        model.frozen().into_iter().map(|tensor| tensor.path).collect()
    }

    #[test]
    fn nothing_is_frozen_unasked() {
        assert!(model().frozen().is_empty());
        assert_eq!(frozen(&["head"]), ["head.weight", "head.bias"]);
        assert_eq!(frozen(&["*"]).len(), model().tensors().len());
    }

    #[test]
    fn a_norm_with_a_frozen_number_keeps_its_statistics() {
        let of_norm = ["running_mean", "running_var"].map(|name| format!("stem.norm.{name}"));
        let names = frozen(&["stem.norm.gamma"]);
        assert_eq!(names.len(), 3, "{names:?}");
        assert!(of_norm.iter().all(|name| names.contains(name)), "{names:?}");
        // Filters that many layers share belong to none of them.
        assert!(frozen(&["bases"]).iter().all(|name| name.contains(".bases.")));
    }

    #[test]
    fn a_classifier_in_another_order_still_learns() {
        let order: Vec<usize> = (0..10).rev().collect();
        let model = model().with_class_order(&order).with_frozen(&["backbone"]).expect("a group");
        assert!(model.head.weight().is_some_and(|weight| weight.is_require_grad()));
        let model = model.with_new_head(4);
        assert!(model.head.weight().is_some_and(|weight| weight.is_require_grad()));
        assert!(!model.frozen().is_empty());
    }
}
