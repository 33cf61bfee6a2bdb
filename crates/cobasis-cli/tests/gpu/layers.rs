//! The layers and the penalty.

use burn::module::{Module, ModuleMapper, Param};
use burn::nn::PaddingConfig2d;
use burn::tensor::{Device, Tensor};
use cobasis_zoo::cobasis::ortho::{Counted, FilterGroup, penalty};
use cobasis_zoo::cobasis::{
    BasisConv2d, BasisConv2dConfig, FilterBasis, FilterBasisConfig, PartlySharedConv2d,
    PartlySharedConv2dConfig, SharedConv2d, SharedConv2dConfig,
};

use crate::Check;
use crate::compare::{against_flex, step, values};

/// The shape of a layer's input.
const INPUT: [usize; 4] = [2, 6, 7, 8];

pub fn checks() -> Vec<Check> {
    let basis =
        |filters, groups: usize, kernel| FilterBasisConfig::new(filters, 6 / groups, kernel);
    let conv = BasisConv2dConfig::new([6, 5], [3, 3], 4, 1)
        .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1));
    let grouped = BasisConv2dConfig::new([6, 5], [1, 3], 4, 2).with_groups(2).with_stride([2, 1]);
    let alone = BasisConv2dConfig::new([6, 5], [3, 3], 0, 3);
    let shared = SharedConv2dConfig::new().with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1));
    let strided = shared.clone().with_stride([2, 2]);
    let depthwise = shared.with_groups(6);
    let partly = PartlySharedConv2dConfig::new(6, [3, 3], 2, 2, 3)
        .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1));
    let thirds = basis(3, 3, [3, 3]);
    vec![
        basis_conv("BasisConv2d", conv, Some(basis(4, 1, [3, 3]))),
        basis_conv("BasisConv2d, 2 groups, stride 2", grouped, Some(basis(4, 2, [1, 3]))),
        basis_conv("BasisConv2d without shared filters", alone, None),
        shared_conv("SharedConv2d, stride 2", strided, basis(4, 1, [3, 3])),
        shared_conv("SharedConv2d, depthwise", depthwise, basis(6, 6, [3, 3])),
        layer(
            "PartlySharedConv2d, 2 and 3 groups",
            move |device| (partly.init(device), thirds.init(device)),
            |(conv, basis): &(PartlySharedConv2d, FilterBasis), input| conv.forward(input, basis),
        ),
        penalty_of("penalty of shared filters", Counted::Shared),
        penalty_of("penalty of shared and unique filters", Counted::SharedAndUnique),
    ]
}

fn basis_conv(name: &str, conv: BasisConv2dConfig, basis: Option<FilterBasisConfig>) -> Check {
    let init =
        move |device: &Device| (conv.init(device), basis.as_ref().map(|basis| basis.init(device)));
    layer(name, init, |(conv, basis): &(BasisConv2d, Option<FilterBasis>), input| {
        conv.forward(input, basis)
    })
}

fn shared_conv(name: &str, conv: SharedConv2dConfig, basis: FilterBasisConfig) -> Check {
    let init = move |device: &Device| (conv.init(), basis.init(device));
    layer(name, init, |(conv, basis): &(SharedConv2d, FilterBasis), input| {
        conv.forward(input, basis)
    })
}

/// A training step of a layer on the sum of its output, differently weighted everywhere.
fn layer<M: Module + 'static>(
    name: &str,
    init: impl Fn(&Device) -> M + 'static,
    forward: fn(&M, Tensor<4>) -> Tensor<4>,
) -> Check {
    let check = move |device: &Device| {
        against_flex(device, |device| {
            let device = device.clone().autodiff();
            let layer = init(&device).map(&mut Fill::default());
            let loss = |_: &M, output: Tensor<4>| {
                let weights = values(output.dims(), 0.25, &device);
                (output * weights).sum()
            };
            let step = step(&layer, values(INPUT, 0.5, &device), forward, loss);
            [step.outputs, step.gradients].concat()
        })
    };
    (name.to_string(), Box::new(check))
}

/// The penalty of two bases and the unique filters of four layers, three of which have one: Burn's
/// fused gradients of a product for each of those layers are wrong.
fn penalty_of(name: &str, counted: Counted) -> Check {
    let check = move |device: &Device| {
        against_flex(device, |device| {
            let device = device.clone().autodiff();
            let bank = |filters| FilterBasisConfig::new(filters, 16, [3, 3]).init(&device);
            let banks = [4, 4, 1, 1, 1, 2].map(bank).to_vec().map(&mut Fill::default());
            let penalty = |banks: &Vec<FilterBasis>, _| {
                let filters: Vec<Tensor<4>> = banks.iter().map(|bank| bank.weight.val()).collect();
                let (shared, unique) = (filters[..2].to_vec(), filters[2..].to_vec());
                penalty(&[vec![FilterGroup { shared, unique }]], counted).expect("there are bases")
            };
            let step = step(&banks, values([1; 4], 0.5, &device), penalty, |_, penalty| penalty);
            [step.outputs, step.gradients].concat()
        })
    };
    (name.to_string(), Box::new(check))
}

/// Gives every tensor values that are the same on every device; vectors, of which some are
/// variances, positive ones.
#[derive(Default)]
struct Fill {
    tensors: usize,
}

impl ModuleMapper for Fill {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.tensors += 1;
        param.map(|old| {
            let new = values(old.dims(), self.tensors as f64, &old.device());
            let new = if D == 1 { new * 0.5 + 1.0 } else { new };
            new.detach().set_require_grad(old.is_require_grad())
        })
    }
}
