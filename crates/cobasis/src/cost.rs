//! What layers cost: parameters, buffers, multiply-accumulates.

mod row;

use std::collections::HashMap;

use burn::module::ParamId;
use burn::nn::conv::Conv2d;
use burn::nn::{BatchNorm, Linear, PaddingConfig2d};

use crate::basis::FilterBasis;
use crate::conv::BasisConv2d;
use crate::partly_shared_conv::PartlySharedConv2d;
use crate::shared_conv::SharedConv2d;

pub use row::{Cost, CostRow, Part};

/// The cost of a network, layer by layer in the order of `forward`.
///
/// A network adds its layers one by one, each at the size that its input then has; the methods for
/// convolutions return the size of their output. A basis is added once, by its owner, before the
/// layers that use it.
///
/// ```
/// use burn::tensor::Device;
/// use cobasis::{BasisConv2dConfig, CostTable, FilterBasisConfig};
///
/// let device = Device::flex();
/// let basis = FilterBasisConfig::new(16, 64, [3, 3]).init(&device);
/// let conv = BasisConv2dConfig::new([64, 64], [3, 3], 16, 1).with_padding([1, 1]).init(&device);
///
/// let mut table = CostTable::default();
/// table.basis("basis", &basis);
/// let size = table.basis_conv2d("conv1", &conv, &basis, [32, 32]);
/// table.basis_conv2d("conv2", &conv, &basis, size);
/// assert_eq!(table.rows()[0].used_by, ["conv1", "conv2"]);
/// assert_eq!(table.total().macs, 2 * 32 * 32 * (9 * 64 * 17 + 17 * 64));
/// ```
#[derive(Clone, Debug, Default)]
pub struct CostTable {
    rows: Vec<CostRow>,
    bases: HashMap<ParamId, usize>,
}

impl CostTable {
    /// The rows in the order in which they were added.
    pub fn rows(&self) -> &[CostRow] {
        &self.rows
    }

    /// The sum of all rows.
    pub fn total(&self) -> Cost {
        self.rows.iter().map(|row| row.cost).sum()
    }

    /// The sum of the rows that play the given role.
    pub fn total_of(&self, part: Part) -> Cost {
        self.rows.iter().filter(|row| row.part == part).map(|row| row.cost).sum()
    }

    /// Adds a basis: its parameters, once.
    ///
    /// # Panics
    ///
    /// Panics if the basis was added before.
    pub fn basis(&mut self, path: &str, basis: &FilterBasis) {
        let params = basis.weight.lazy_shape().num_elements() as u64;
        let cost = Cost { params, ..Cost::default() };
        self.push(path, Part::Shared, cost, None);
        let earlier = self.bases.insert(basis.weight.id, self.rows.len() - 1);
        assert!(earlier.is_none(), "the basis {path} is in the table already");
    }

    /// Adds a basis convolution for an input of `[height, width]` and returns the output's size.
    ///
    /// # Panics
    ///
    /// Panics if its basis was not added before, or if the input is smaller than the kernel.
    pub fn basis_conv2d<'a>(
        &mut self,
        path: &str,
        conv: &BasisConv2d,
        basis: impl Into<Option<&'a FilterBasis>>,
        input: [usize; 2],
    ) -> [usize; 2] {
        let mut channels_in = conv.unique.as_ref().map(|unique| unique.lazy_shape()[1]);
        if let Some(basis) = basis.into() {
            self.uses(path, basis);
            channels_in = Some(basis.weight.lazy_shape()[1]);
        }
        let channels_in = channels_in.unwrap_or_default();
        let size = std::array::from_fn(|axis| {
            let pad = (conv.padding[axis], conv.padding[axis]);
            output_length(input[axis], conv.kernel_size[axis], conv.stride[axis], pad, 1)
        });
        let rank = conv.num_unique() + conv.num_shared();
        let filter_size = channels_in * conv.kernel_size[0] * conv.kernel_size[1];
        let cost = Cost {
            params: (conv.num_unique() * filter_size) as u64,
            buffers: 0,
            macs: (rank * filter_size * size[0] * size[1]) as u64,
        };
        self.push(path, Part::Unique, cost, Some([rank, size[0], size[1]]));
        if let Some(norm) = &conv.norm {
            self.batch_norm(&format!("{path}.norm"), norm, size);
        }
        let coefficients = format!("{path}.coefficients");
        self.conv2d_as(&coefficients, Part::Coefficients, &conv.coefficients, size)
    }

    /// Adds a convolution that consists of a basis only, for an input of `[height, width]`, and
    /// returns the output's size.
    ///
    /// # Panics
    ///
    /// Panics if its basis was not added before, or if the input is smaller than the kernel.
    pub fn shared_conv2d(
        &mut self,
        path: &str,
        conv: &SharedConv2d,
        basis: &FilterBasis,
        input: [usize; 2],
    ) -> [usize; 2] {
        self.uses(path, basis);
        let [filters, channels, height, width] = basis.weight.lazy_shape().dims();
        let kernel = [height, width];
        let size: [usize; 2] = std::array::from_fn(|axis| {
            let pad = (conv.padding[axis], conv.padding[axis]);
            output_length(input[axis], kernel[axis], conv.stride[axis], pad, 1)
        });
        let macs = (filters * channels * height * width * size[0] * size[1]) as u64;
        let output = Some([filters, size[0], size[1]]);
        self.push(path, Part::Shared, Cost { macs, ..Cost::default() }, output);
        size
    }

    /// Adds a convolution of which some filters are shared, for an input of `[height, width]`, and
    /// returns the output's size. Unique and shared filters have a row each.
    ///
    /// # Panics
    ///
    /// Panics if its basis was not added before, or if the input is smaller than the kernel.
    pub fn partly_shared_conv2d(
        &mut self,
        path: &str,
        conv: &PartlySharedConv2d,
        basis: &FilterBasis,
        input: [usize; 2],
    ) -> [usize; 2] {
        self.conv2d_as(&format!("{path}.unique"), Part::Unique, &conv.unique, input);
        self.shared_conv2d(&format!("{path}.shared"), &conv.shared, basis, input)
    }

    /// Adds a convolution for an input of `[height, width]` and returns the output's size.
    ///
    /// # Panics
    ///
    /// Panics if the input is smaller than the kernel.
    pub fn conv2d(&mut self, path: &str, conv: &Conv2d, input: [usize; 2]) -> [usize; 2] {
        self.conv2d_as(path, Part::Other, conv, input)
    }

    /// Adds a batch norm on an input of `[height, width]`.
    pub fn batch_norm(&mut self, path: &str, norm: &BatchNorm, input: [usize; 2]) {
        let channels = norm.gamma.lazy_shape()[0];
        let cost = Cost { params: 2 * channels as u64, buffers: 2 * channels as u64, macs: 0 };
        self.push(path, Part::Other, cost, Some([channels, input[0], input[1]]));
    }

    /// Adds a layer whose work does not count: its weights only.
    pub fn weights(&mut self, path: &str, weights: usize, output: [usize; 3]) {
        let cost = Cost { params: weights as u64, ..Cost::default() };
        self.push(path, Part::Other, cost, Some(output));
    }

    /// Adds a linear layer.
    pub fn linear(&mut self, path: &str, linear: &Linear) {
        let [inputs, outputs] = linear.weight.lazy_shape().dims();
        let bias = if linear.bias.is_some() { outputs } else { 0 };
        let cost = Cost {
            params: (inputs * outputs + bias) as u64,
            buffers: 0,
            macs: (inputs * outputs) as u64,
        };
        self.push(path, Part::Other, cost, Some([outputs, 1, 1]));
    }

    fn conv2d_as(
        &mut self,
        path: &str,
        part: Part,
        conv: &Conv2d,
        input: [usize; 2],
    ) -> [usize; 2] {
        let [channels_out, channels_in, height, width] = conv.weight.lazy_shape().dims();
        let size = output_size(conv, input);
        let bias = if conv.bias.is_some() { channels_out } else { 0 };
        let weights = channels_out * channels_in * height * width;
        let cost = Cost {
            params: (weights + bias) as u64,
            buffers: 0,
            macs: (weights * size[0] * size[1]) as u64,
        };
        self.push(path, part, cost, Some([channels_out, size[0], size[1]]));
        size
    }

    /// Notes a use of a basis.
    fn uses(&mut self, path: &str, basis: &FilterBasis) {
        let Some(&row) = self.bases.get(&basis.weight.id) else {
            panic!("the basis of {path} is not in the table");
        };
        self.rows[row].used_by.push(path.to_string());
    }

    fn push(&mut self, path: &str, part: Part, cost: Cost, output: Option<[usize; 3]>) {
        let path = path.to_string();
        self.rows.push(CostRow { path, part, cost, output, used_by: Vec::new() });
    }
}

fn output_size(conv: &Conv2d, input: [usize; 2]) -> [usize; 2] {
    let pads = match conv.padding {
        PaddingConfig2d::Same => {
            return std::array::from_fn(|axis| input[axis].div_ceil(conv.stride[axis]));
        }
        PaddingConfig2d::Valid => [(0, 0), (0, 0)],
        PaddingConfig2d::Explicit(top, left, bottom, right) => [(top, bottom), (left, right)],
    };
    std::array::from_fn(|axis| {
        let (kernel, stride) = (conv.kernel_size[axis], conv.stride[axis]);
        output_length(input[axis], kernel, stride, pads[axis], conv.dilation[axis])
    })
}

fn output_length(
    input: usize,
    kernel: usize,
    stride: usize,
    (before, after): (usize, usize),
    dilation: usize,
) -> usize {
    let (padded, extent) = (input + before + after, dilation * (kernel - 1) + 1);
    assert!(padded >= extent, "an input of {input} pixels is smaller than the kernel of {kernel}");
    (padded - extent) / stride + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BasisConv2dConfig, FilterBasisConfig, ParameterCount};
    use burn::nn::conv::Conv2dConfig;
    use burn::nn::{BatchNormConfig, LinearConfig};
    use burn::tensor::{Device, Tensor};
    use proptest::prelude::*;

    #[test]
    fn a_layer_costs_what_the_paper_says() {
        // §1: k²·C·(s once + u) + (u + s)·T parameters, H·W·(k²·C·R + R·T) multiply-accumulates.
        let device = Device::flex();
        let basis = FilterBasisConfig::new(6, 8, [3, 3]).init(&device);
        let conv = BasisConv2dConfig::new([8, 10], [3, 3], 6, 2).with_padding([1, 1]);
        let mut table = CostTable::default();
        table.basis("basis", &basis);
        for path in ["a", "b"] {
            let size = table.basis_conv2d(path, &conv.init(&device), &basis, [5, 7]);
            assert_eq!(size, [5, 7]);
        }
        assert_eq!(table.total_of(Part::Shared).params, 9 * 8 * 6);
        assert_eq!(table.total_of(Part::Unique).params, 2 * 9 * 8 * 2);
        assert_eq!(table.total_of(Part::Coefficients).params, 2 * 8 * 10);
        assert_eq!(table.total_of(Part::Other), Cost { params: 2 * 16, buffers: 2 * 16, macs: 0 });
        assert_eq!(table.total().macs, 2 * 35 * (9 * 8 * 8 + 8 * 10));
    }

    #[test]
    #[should_panic(expected = "the basis of conv is not in the table")]
    fn a_basis_must_be_added_before_its_users() {
        let device = Device::flex();
        let basis = FilterBasisConfig::new(6, 8, [3, 3]).init(&device);
        let conv = BasisConv2dConfig::new([8, 8], [3, 3], 6, 0).init(&device);
        CostTable::default().basis_conv2d("conv", &conv, &basis, [5, 5]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn sizes_and_counts_are_those_of_the_modules(
            size in (5usize..12, 5usize..12), kernel in 1usize..4, stride in 1usize..4,
            pad in (0usize..3, 0usize..3), same: bool, bias: bool,
        ) {
            let device = Device::flex();
            let padding = if same {
                PaddingConfig2d::Same
            } else {
                PaddingConfig2d::Explicit(pad.0, pad.1, pad.1, pad.0)
            };
            let stride = if same { 1 } else { stride };
            let conv = Conv2dConfig::new([2, 3], [kernel, kernel])
                .with_stride([stride, stride])
                .with_padding(padding)
                .with_bias(bias)
                .init(&device);
            let norm = BatchNormConfig::new(3).init(&device);
            let linear = LinearConfig::new(3, 4).with_bias(bias).init(&device);
            let mut table = CostTable::default();
            let out = table.conv2d("conv", &conv, [size.0, size.1]);
            table.batch_norm("norm", &norm, out);
            table.linear("linear", &linear);
            let [_, _, height, width] =
                conv.forward(Tensor::zeros([1, 2, size.0, size.1], &device)).dims();
            prop_assert_eq!(out, [height, width]);
            let mut counted = ParameterCount::of(&conv);
            counted += ParameterCount::of(&norm);
            counted += ParameterCount::of(&linear);
            prop_assert_eq!(table.total().params, counted.trainable);
            prop_assert_eq!(table.total().buffers, counted.buffers);
        }
    }
}
