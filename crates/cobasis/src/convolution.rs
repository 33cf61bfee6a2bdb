//! A convolution as a layer describes it: what its filters are, and how they move.

use burn::module::{Param, ParamId};
use burn::nn::PaddingConfig2d;
use burn::nn::conv::Conv2d;
use burn::tensor::Tensor;
use cobasis_kernels::ConvOptions;

use crate::basis::FilterBasis;
use crate::place::Place;

/// A convolution, told to a [`Pass`](crate::Pass): the one description from which its output, its
/// cost, its place in a graph and its initial weights follow.
pub struct Convolution<'a> {
    /// What its filters are.
    pub filters: Filters<'a>,
    /// A summand for each output channel, `[channels_out]`.
    pub bias: Option<&'a Param<Tensor<1>>>,
    /// How the filters move.
    pub geometry: Geometry,
    /// What the convolution is for.
    pub role: Role,
}

/// What the filters of a convolution are.
pub enum Filters<'a> {
    /// Filters as they are kept: the layer's own, then the shared ones, bank after bank. All are of
    /// shape `[filters, channels_in / groups, kernel_height, kernel_width]` with the same
    /// `channels_in / groups` and kernel, and the groups divide each bank's filters.
    Stacked {
        /// The layer's own filters.
        own: Option<&'a Param<Tensor<4>>>,
        /// Filters that are lent to the layer.
        shared: Vec<&'a FilterBasis>,
    },
    /// Filters that are computed from parameters.
    Composed(Composed<'a>),
}

/// Filters that are computed from parameters, such as sums of templates.
pub struct Composed<'a> {
    /// The shape of the result, `[filters, channels_in / groups, kernel_height, kernel_width]`.
    pub shape: [usize; 4],
    /// The layer's own parameters that go into it.
    pub own: Vec<Source>,
    /// The banks that go into it.
    pub shared: Vec<&'a FilterBasis>,
    /// What computing them takes besides.
    pub composition: Composition,
    /// Computes the filters.
    pub value: Box<dyn Compose + 'a>,
}

/// Computes filters; any function that gives them does.
pub trait Compose {
    /// All filters, of the [shape](Composed::shape) that was told.
    fn filters(&self) -> Tensor<4>;

    /// The same bank after bank, where they stand in the places of several banks. A convolution then adds its products
    /// in the order in which it does for those, to the last bit.
    fn banks(&self) -> Vec<Tensor<4>> {
        vec![self.filters()]
    }
}

impl<F: Fn() -> Tensor<4>> Compose for F {
    fn filters(&self) -> Tensor<4> {
        self()
    }
}

/// What it takes to compute filters from parameters: once for each training step, and once for all
/// before the network is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Composition {
    /// Multiply-accumulates.
    pub macs: u64,
    /// Bits of a table of constant indices, where filters are numbers that such a table finds. It needs
    /// not be stored where a seed makes it again.
    pub index_bits: u64,
}

/// A parameter of a layer that filters are computed from.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// Burn's identity of the parameter.
    pub id: ParamId,
    /// How many numbers it has.
    pub numbers: usize,
    /// How it starts.
    pub start: Start,
}

/// How a parameter starts, by what it is for. Networks draw initial weights by it, so that no
/// parameter of a new layer can stay as it was allocated.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Start {
    /// As the filters of the network's convolutions do.
    Filters,
    /// Orthonormal, one filter or row of a matrix to a row.
    Orthonormal,
    /// Orthonormal together with the parameters of the same size that start so in layers of the same
    /// stage: each is a row of one matrix, whose columns are orthonormal where it has more rows.
    OrthonormalInStage,
    /// Normal numbers with mean 0 and this standard deviation.
    Normal(f64),
    /// Each number this one.
    Constant(f64),
    /// A square matrix, of as many rows as columns: the identity, and to each number a normal one
    /// with mean 0 and this standard deviation.
    NearIdentity(f64),
    /// Normal numbers with mean 0, cut off at three times this factor: their standard deviation, but for
    /// the cut.
    Clamped(f64),
    /// As [`Clamped`](Self::Clamped), all times the one factor with which the filters that are composed
    /// of them have this standard deviation.
    Composing {
        /// The standard deviation of the filters.
        deviation: f64,
        /// How often each weight has the parameter as a factor: the filters of twice the parameter are
        /// `2^degree` times as large.
        degree: usize,
    },
}

/// What a convolution is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A layer.
    Layer,
    /// The `k×k` part of a factorised layer: filters that what follows combines.
    Basis,
    /// The part of a factorised layer that combines them.
    Coefficients,
    /// A layer whose outputs are a network's predictions. It starts with small weights, so that first
    /// predictions are what its bias says.
    Prediction(Prior),
}

/// What the bias of a prediction starts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prior {
    /// Zeros.
    Zero,
    /// The logit of a probability of 1 in 100, for what is seldom so: `-ln(99)` (Lin et al. 2017, focal
    /// loss, section 3.3).
    Rare,
}

impl Prior {
    /// The number.
    pub fn bias(self) -> f64 {
        match self {
            Prior::Zero => 0.0,
            Prior::Rare => -(99f64.ln()),
        }
    }
}

/// How filters move over their input.
#[derive(Clone, Debug)]
pub struct Geometry {
    /// The stride, `[vertical, horizontal]`.
    pub stride: [usize; 2],
    /// The zero padding, as in Burn's [`Conv2d`]; explicitly, `(top, left, bottom, right)`.
    pub padding: PaddingConfig2d,
    /// The distance of a filter's taps, `[vertical, horizontal]`.
    pub dilation: [usize; 2],
    /// The groups that the input channels are divided into.
    pub groups: usize,
}

/// Stride 1, no padding, no dilation, one group.
impl Default for Geometry {
    fn default() -> Self {
        Self { stride: [1, 1], padding: PaddingConfig2d::Valid, dilation: [1, 1], groups: 1 }
    }
}

impl Geometry {
    /// The numbers behind it for a kernel and an input of these sizes, `[height, width]`.
    ///
    /// [`PaddingConfig2d::Same`] is Burn's: it does not count the dilation.
    pub fn options(&self, kernel: [usize; 2], input: [usize; 2]) -> ConvOptions {
        let padding = match self.padding {
            PaddingConfig2d::Valid => [[0; 2]; 2],
            PaddingConfig2d::Explicit(top, left, bottom, right) => [[top, bottom], [left, right]],
            PaddingConfig2d::Same => [0, 1].map(|axis| {
                let (stride, size) = (self.stride[axis], input[axis]);
                let covered = size.div_ceil(stride).saturating_sub(1) * stride + kernel[axis];
                let padding = covered.saturating_sub(size);
                [padding / 2, padding - padding / 2]
            }),
        };
        let Self { stride, dilation, groups, .. } = *self;
        ConvOptions { stride, padding, dilation, groups }
    }
}

impl<'a> From<&'a Conv2d> for Convolution<'a> {
    fn from(conv: &'a Conv2d) -> Self {
        let geometry = Geometry {
            stride: conv.stride,
            padding: conv.padding.clone(),
            dilation: conv.dilation,
            groups: conv.groups,
        };
        Self {
            filters: Filters::own(&conv.weight),
            bias: conv.bias.as_ref(),
            geometry,
            role: Role::Layer,
        }
    }
}

impl<'a> Filters<'a> {
    /// Filters of the layer alone.
    pub fn own(weight: &'a Param<Tensor<4>>) -> Self {
        Filters::Stacked { own: Some(weight), shared: Vec::new() }
    }

    /// The filters of one bank alone.
    pub fn shared(basis: &'a FilterBasis) -> Self {
        Filters::Stacked { own: None, shared: vec![basis] }
    }

    /// The banks that they come from, or are computed from.
    pub fn banks(&self) -> &[&'a FilterBasis] {
        match self {
            Filters::Stacked { shared, .. } => shared,
            Filters::Composed(composed) => &composed.shared,
        }
    }

    /// How many numbers of the layer's own go into them.
    pub fn own_numbers(&self) -> usize {
        match self {
            Filters::Stacked { own, .. } => {
                own.map_or(0, |weight| weight.lazy_shape().num_elements())
            }
            Filters::Composed(composed) => composed.own.iter().map(|source| source.numbers).sum(),
        }
    }

    /// `[filters, channels_in / groups, kernel_height, kernel_width]` of all together.
    ///
    /// # Panics
    ///
    /// Panics if there are none, or if their channels or kernels differ.
    pub fn shape(&self) -> [usize; 4] {
        match self {
            Filters::Stacked { own, shared } => {
                let own = own.iter().map(|weight| weight.lazy_shape().dims::<4>());
                let shared = shared.iter().map(|basis| basis.weight.lazy_shape().dims::<4>());
                let both = |sum: [usize; 4], bank: [usize; 4]| {
                    assert!(
                        sum[1..] == bank[1..],
                        "filters of shapes {sum:?} and {bank:?} do not fit one convolution"
                    );
                    [sum[0] + bank[0], sum[1], sum[2], sum[3]]
                };
                own.chain(shared).reduce(both).expect("a convolution needs filters")
            }
            Filters::Composed(composed) => composed.shape,
        }
    }

    /// The filters as tensors, bank after bank.
    pub fn tensors(&self) -> Vec<Tensor<4>> {
        match self {
            Filters::Stacked { own, shared } => {
                let own = own.iter().map(|weight| weight.val());
                own.chain(shared.iter().map(|basis| basis.weight.val())).collect()
            }
            Filters::Composed(composed) => composed.value.banks(),
        }
    }
}

impl<'a> Convolution<'a> {
    /// The convolutions whose outputs, joined along the channels in this order, are this one's.
    ///
    /// A grouped convolution gives each group a run of the filters. Several banks are therefore a
    /// convolution each, and the output's channels are the own filters', then the shared ones', as
    /// without groups. All others are one.
    ///
    /// # Panics
    ///
    /// Panics if there are several and a bias, which no layer here has.
    pub fn parts(self) -> Vec<Self> {
        match &self.filters {
            Filters::Stacked { own, shared }
                if self.geometry.groups > 1 && own.iter().len() + shared.len() > 1 =>
            {
                assert!(self.bias.is_none(), "banks of a grouped convolution have no common bias");
                let own = own.iter().map(|weight| Filters::own(weight));
                let all = own.chain(shared.iter().map(|basis| Filters::shared(basis)));
                let part = |filters| Self { filters, geometry: self.geometry.clone(), ..self };
                all.map(part).collect()
            }
            _ => vec![self],
        }
    }

    /// Refuses an input of other channels than the filters have.
    ///
    /// # Panics
    ///
    /// Panics with the place, the filters and both numbers of channels.
    pub fn check_channels(&self, at: &Place, channels: usize) {
        let shape @ [_, per_group, ..] = self.filters.shape();
        let groups = self.geometry.groups;
        assert!(
            per_group * groups == channels,
            "filters of shape {shape:?} in {groups} groups take {} channels, given {channels} \
             channels{}",
            per_group * groups,
            at_place(at)
        );
    }
}

/// ` (at PATH)`, or nothing for a layer on its own.
fn at_place(at: &Place) -> String {
    let path = at.to_string();
    if path.is_empty() { path } else { format!(" (at {path})") }
}

impl std::ops::AddAssign for Composition {
    fn add_assign(&mut self, other: Self) {
        self.macs += other.macs;
        self.index_bits += other.index_bits;
    }
}

impl Source {
    /// The parameter of a layer, and how it starts.
    pub fn new<const D: usize>(param: &Param<Tensor<D>>, start: Start) -> Self {
        Self { id: param.id, numbers: param.lazy_shape().num_elements(), start }
    }
}
