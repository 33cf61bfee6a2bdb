//! What of a model stands in the place of dense convolutions.

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::{Device, Tensor};

use crate::config::ModelConfig;
use crate::fit::Counts;
use crate::model::Model;
use crate::spec::Norms;

impl Model {
    /// The parameters that a sharing method has put in the place of dense convolutions: the banks, and all
    /// parameters of the layers that stand in its slots, in the order of the module tree. None in a dense
    /// network.
    ///
    /// ```
    /// use burn::tensor::Device;
    /// use cobasis_zoo::ModelConfig;
    ///
    /// let dense = ModelConfig::new("digits/resnet14".parse()?).init(&Device::flex());
    /// assert!(dense.compressed().is_empty());
    /// # Ok::<(), cobasis_zoo::ModelNameError>(())
    /// ```
    pub fn compressed(&self) -> Vec<ParamId> {
        let mut found = InSlots::default();
        self.bases.visit(found.everywhere());
        found.inside.clear();
        self.network.visit(&mut found);
        found.ids
    }
}

impl ModelConfig {
    /// Whether the model has [such parameters](Model::compressed): a narrower network has none.
    pub fn has_compressed(&self, device: &Device) -> bool {
        !self.skeleton(device).compressed().is_empty()
    }

    /// Parameters at inference for each one of the dense parent; the most there may be, where training
    /// finds how many are left.
    pub fn compression(&self, device: &Device) -> f64 {
        let dense = Self { name: self.name.dense(), norms: Norms::default(), ..self.clone() };
        let params = |config: &Self| Counts::of_config(config, device).params as f64;
        params(self) / params(&dense)
    }
}

/// Collects the parameters of layers that fill slots.
#[derive(Default)]
struct InSlots {
    /// For every module on the way to the current one, whether it is in such a layer.
    inside: Vec<bool>,
    ids: Vec<ParamId>,
}

impl InSlots {
    /// Takes all parameters there are.
    fn everywhere(&mut self) -> &mut Self {
        self.inside = vec![true];
        self
    }
}

impl ModuleVisitor for InSlots {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        let above = self.inside.last().is_some_and(|inside| *inside);
        let fills = container_type == "Enum:SlotConv" && name != "Dense";
        self.inside.push(above || fills);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.inside.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.inside.last().is_some_and(|inside| *inside) {
            self.ids.push(param.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of a model's compressed tensors.
    fn names(name: &str) -> Vec<String> {
        let config = ModelConfig::new(name.parse().expect("a name"));
        let model = config.skeleton(&Device::flex());
        let ids = model.compressed();
        let tensors = model.tensors().into_iter();
        tensors.filter(|tensor| ids.contains(&tensor.id)).map(|tensor| tensor.path).collect()
    }

    #[test]
    fn banks_and_layers_in_slots_are_compressed() {
        assert_eq!(
            names("digits/resnet14-tied"),
            [0, 1, 2].map(|stage| format!("stages.{stage}.bases.0.weight"))
        );
        let shared = names("digits/resnet14-s4u1");
        let in_stage: Vec<&str> =
            shared.iter().filter_map(|name| name.strip_prefix("stages.1.")).collect();
        for name in
            ["bases.0.weight", "blocks.1.conv1.unique", "blocks.1.conv2.coefficients.weight"]
        {
            assert!(in_stage.contains(&name), "{name} in {in_stage:?}");
        }
        let others = |name: &&str| name.starts_with("blocks.0.") || name.contains(".norm1.");
        assert!(!in_stage.iter().any(others), "{in_stage:?}");
        assert!(
            names("digits/resnet14-lowrank4-all").iter().any(|name| name.contains("blocks.0."))
        );
        assert!(names("digits/resnet14").is_empty());
    }

    #[test]
    fn the_compression_is_the_share_of_the_dense_parameters() {
        let compression = |name: &str| {
            ModelConfig::new(name.parse().expect("a name")).compression(&Device::flex())
        };
        assert_eq!(compression("cifar10/resnet32"), 1.0);
        let width = ModelConfig::new("cifar10/resnet32-width9".parse().expect("a name"));
        assert!(!width.has_compressed(&Device::flex()) && width.compression(&Device::flex()) < 0.5);
        assert_eq!(compression("cifar10/resnet32-s8u1"), 150_666.0 / 464_154.0);
    }
}
