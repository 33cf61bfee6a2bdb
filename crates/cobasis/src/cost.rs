//! What layers cost: parameters, buffers, multiply-accumulates.

mod row;

use std::collections::HashMap;

use burn::module::{Param, ParamId};
use burn::nn::conv::Conv1d;
use burn::nn::{BatchNorm, Linear};
use burn::tensor::Tensor;
use cobasis_kernels::{Activation, Windows};

use crate::basis::FilterBasis;
use crate::convolution::{Composed, Composition, Convolution, Filters, Role};
use crate::inner_filters::InnerFilters;
use crate::pass::Pass;
use crate::place::Place;

pub use row::{Cost, CostRow, Part};

/// The cost of a network, layer by layer in the order of `forward`.
///
/// It is a [`Pass`] of shapes, `[channels, height, width]` of one image: whatever has a `pass` can be
/// counted. A bank is entered once, by its owner, before the layers that use it.
///
/// ```
/// use burn::nn::PaddingConfig2d;
/// use burn::tensor::Device;
/// use cobasis::{BasisConv2dConfig, CostTable, FilterBasisConfig, Pass, Place};
///
/// let device = Device::flex();
/// let basis = FilterBasisConfig::new(16, 64, [3, 3]).init(&device);
/// let conv = BasisConv2dConfig::new([64, 64], [3, 3], 16, 1).with_padding(PaddingConfig2d::Same);
/// let conv = conv.init(&device);
///
/// let mut table = CostTable::default();
/// let network = Place::ROOT;
/// table.bank(&network.field("basis"), &basis);
/// let shape = conv.pass(&mut table, &network.field("conv1"), &basis, [64, 32, 32]);
/// conv.pass(&mut table, &network.field("conv2"), &basis, shape);
/// assert_eq!(table.rows()[0].used_by, ["conv1", "conv2"]);
/// assert_eq!(table.total().macs, 2 * 32 * 32 * (9 * 64 * 17 + 17 * 64));
/// ```
#[derive(Clone, Debug, Default)]
pub struct CostTable {
    rows: Vec<CostRow>,
    bases: HashMap<ParamId, usize>,
    composition: Composition,
    /// Whether what only training needs is left out.
    for_inference: bool,
    /// The inner filters of the layer whose convolutions come next: the live ones, and all.
    live: Option<[usize; 2]>,
}

impl CostTable {
    /// A table of what inference needs: of [inner filters](InnerFilters) the live ones, and nothing that
    /// only training needs.
    pub fn for_inference() -> Self {
        Self { for_inference: true, ..Self::default() }
    }

    /// The rows in the order in which they were added.
    pub fn rows(&self) -> &[CostRow] {
        &self.rows
    }

    /// The sum of all rows.
    pub fn total(&self) -> Cost {
        self.rows.iter().map(|row| row.cost).sum()
    }

    /// What it takes to compute the filters that are composed of others, once for each training step. It
    /// is in no row: inference does it once for all.
    pub fn composition(&self) -> Composition {
        self.composition
    }

    /// The sum of the rows that play the given role.
    pub fn total_of(&self, part: Part) -> Cost {
        self.rows.iter().filter(|row| row.part == part).map(|row| row.cost).sum()
    }

    /// Notes the banks that the filters of a layer come from, and what composing them takes.
    fn uses(&mut self, at: &Place, filters: &Filters<'_>) {
        for basis in filters.banks() {
            let Some(&row) = self.bases.get(&basis.weight.id) else {
                panic!("the basis of {at} is not in the table");
            };
            self.rows[row].used_by.push(at.to_string());
        }
        if let Filters::Composed(composed) = filters {
            self.composition += composed.composition;
        }
    }

    /// A row of parameters, buffers and multiply-accumulates.
    fn push(&mut self, at: &Place, part: Part, cost: Cost, output: Option<[usize; 3]>) {
        let path = at.to_string();
        self.rows.push(CostRow { path, part, cost, output, used_by: Vec::new() });
    }
}

/// # Panics
///
/// Panics if a bank was not entered before it is used, or twice; if an input has other channels than
/// its layer; or if it is smaller than a kernel.
impl Pass for CostTable {
    type Map = [usize; 3];
    type Vector = ();

    fn bank(&mut self, at: &Place, basis: &FilterBasis) {
        let params = basis.weight.lazy_shape().num_elements() as u64;
        self.push(at, Part::Shared, Cost { params, ..Cost::default() }, None);
        let earlier = self.bases.insert(basis.weight.id, self.rows.len() - 1);
        assert!(earlier.is_none(), "the basis {at} is in the table already");
    }

    fn inner_filters(&mut self, _: &Place, inner: impl FnOnce() -> InnerFilters) {
        if self.for_inference {
            let inner = inner();
            // A layer needs one.
            let live = inner.live().into_iter().filter(|&live| live).count().max(1);
            self.live = Some([live, inner.count()]);
        }
    }

    fn conv(&mut self, at: &Place, conv: Convolution<'_>, x: [usize; 3]) -> [usize; 3] {
        let [channels_in, size @ ..] = x;
        conv.check_channels(at, channels_in);
        let Convolution { filters, bias, geometry, role } = conv;
        self.uses(at, &filters);
        let shape @ [channels, _, kernel @ ..] = filters.shape();
        let [height, width] = geometry.options(kernel, size).output(kernel, size);
        let bias = bias.map_or(0, |_| channels);
        let weights = shape.iter().product::<usize>();
        // Both convolutions of such a layer have as many weights for each inner filter.
        let live = self.live.take_if(|_| role == Role::Coefficients).or(self.live);
        let (own, weights) = match live {
            Some([live, all]) => (weights / all * live, weights / all * live),
            None => (filters.own_numbers(), weights),
        };
        let cost = Cost {
            params: (own + bias) as u64,
            buffers: 0,
            macs: (weights * height * width) as u64,
        };
        let shown = match live {
            Some([live, _]) if role == Role::Basis => live,
            _ => channels,
        };
        self.push(at, part(role, &filters), cost, Some([shown, height, width]));
        [channels, height, width]
    }

    fn norm_add(
        &mut self,
        at: &Place,
        norm: &BatchNorm,
        x: [usize; 3],
        _: Option<[usize; 3]>,
        _: Activation,
    ) -> [usize; 3] {
        let channels = norm.gamma.lazy_shape()[0];
        assert!(channels == x[0], "the batch norm {at} has {channels} channels, given {}", x[0]);
        let cost = Cost { params: 2 * channels as u64, buffers: 2 * channels as u64, macs: 0 };
        self.push(at, Part::Other, cost, Some(x));
        x
    }

    fn activate(&mut self, x: [usize; 3], _: Activation) -> [usize; 3] {
        x
    }

    fn add(&mut self, x: [usize; 3], _: [usize; 3]) -> [usize; 3] {
        x
    }

    fn concat(&mut self, [first, h, w]: [usize; 3], [second, ..]: [usize; 3]) -> [usize; 3] {
        [first + second, h, w]
    }

    fn add_upsampled(
        &mut self,
        x: [usize; 3],
        [channels, height, width]: [usize; 3],
    ) -> [usize; 3] {
        let halved = [x[0], x[1].div_ceil(2), x[2].div_ceil(2)];
        assert!(
            halved == [channels, height, width],
            "maps of shape {x:?} are twice as large as {halved:?}, given {channels} × {height} × {width}"
        );
        x
    }

    fn max_pool(&mut self, windows: Windows, [channels, h, w]: [usize; 3]) -> [usize; 3] {
        let [h, w] = windows.output([h, w]);
        [channels, h, w]
    }

    fn avg_pool(&mut self, windows: Windows, x: [usize; 3]) -> [usize; 3] {
        self.max_pool(windows, x)
    }

    fn pad(&mut self, stride: usize, new: usize, [channels, h, w]: [usize; 3]) -> [usize; 3] {
        [channels + new, h.div_ceil(stride), w.div_ceil(stride)]
    }

    fn attention(&mut self, at: &Place, conv: &Conv1d, x: [usize; 3]) -> [usize; 3] {
        // A few multiplications a channel, which the authors' counts leave out too.
        let params = conv.weight.lazy_shape().num_elements() as u64;
        self.push(&at.field("conv"), Part::Other, Cost { params, ..Cost::default() }, Some(x));
        x
    }

    fn global_average(&mut self, _: [usize; 3]) {}

    fn pixels(&mut self, _: Vec<[usize; 3]>) {}

    fn linear(&mut self, at: &Place, linear: &Linear, (): ()) {
        let [inputs, outputs] = linear.weight.lazy_shape().dims();
        let bias = if linear.bias.is_some() { outputs } else { 0 };
        let cost = Cost {
            params: (inputs * outputs + bias) as u64,
            buffers: 0,
            macs: (inputs * outputs) as u64,
        };
        self.push(at, Part::Other, cost, Some([outputs, 1, 1]));
    }

    fn composed_linear(&mut self, at: &Place, weights: Composed<'_>, _: &Param<Tensor<1>>, (): ()) {
        let [outputs, inputs, ..] = weights.shape;
        let filters = Filters::Composed(weights);
        self.uses(at, &filters);
        let cost = Cost {
            params: (filters.own_numbers() + outputs) as u64,
            buffers: 0,
            macs: (inputs * outputs) as u64,
        };
        self.push(at, part(Role::Layer, &filters), cost, Some([outputs, 1, 1]));
    }
}

/// The role that the parameters of a convolution play.
fn part(role: Role, filters: &Filters) -> Part {
    match role {
        Role::Basis => Part::Unique,
        Role::Coefficients => Part::Coefficients,
        Role::Prediction(_) => Part::Other,
        Role::Layer if filters.banks().is_empty() => Part::Other,
        Role::Layer if filters.own_numbers() == 0 => Part::Shared,
        // Such as the weights of templates in a sum.
        Role::Layer => Part::Coefficients,
    }
}

#[cfg(test)]
mod tests;
