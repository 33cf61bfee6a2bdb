//! Counting the parameters of any module.

use std::collections::HashSet;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::Tensor;

/// How many numbers a module holds, each tensor once.
///
/// Unlike [`Module::num_params`], which adds a tensor at every visit and counts the running
/// statistics of batch norms as parameters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ParameterCount {
    /// Trainable parameters.
    pub trainable: u64,
    /// Running means and variances of batch norms.
    pub buffers: u64,
}

impl ParameterCount {
    /// Counts the parameters of a module, without initialising lazy ones.
    pub fn of<M: Module>(module: &M) -> Self {
        let mut visitor = Visitor::default();
        module.visit(&mut visitor);
        visitor.count
    }
}

impl std::ops::AddAssign for ParameterCount {
    fn add_assign(&mut self, other: Self) {
        self.trainable += other.trainable;
        self.buffers += other.buffers;
    }
}

#[derive(Default)]
struct Visitor {
    count: ParameterCount,
    seen: HashSet<ParamId>,
    path: Vec<String>,
}

impl ModuleVisitor for Visitor {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !self.seen.insert(param.id) {
            return;
        }
        let numbers = param.lazy_shape().num_elements() as u64;
        // Burn presents running statistics as parameters; only their name tells them apart.
        let name = self.path.last().map_or("", String::as_str);
        if name == "running_mean" || name == "running_var" {
            self.count.buffers += numbers;
        } else {
            self.count.trainable += numbers;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FilterBasis, FilterBasisConfig};
    use burn::nn::{BatchNorm, BatchNormConfig};
    use burn::tensor::Device;

    #[derive(Module, Debug)]
    struct Twice {
        first: FilterBasis,
        second: FilterBasis,
        norm: BatchNorm,
    }

    #[test]
    fn a_tensor_that_is_visited_twice_counts_once() {
        let device = Device::flex();
        let basis = FilterBasisConfig::new(2, 3, [3, 3]).init(&device);
        let norm = BatchNormConfig::new(7).init(&device);
        let module = Twice { first: basis.clone(), second: basis, norm };
        let count = ParameterCount::of(&module);
        assert_eq!(count, ParameterCount { trainable: 2 * 27 + 14, buffers: 14 });
    }
}
