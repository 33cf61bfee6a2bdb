//! Densely connected networks (Huang et al. 2016), dense or with shared bases.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::pool::{AvgPool2d, AvgPool2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::tensor::Device;
use cobasis::FilterBasis;
use cobasis::ortho::{Family, FilterGroup};

use crate::init::LATER;
use crate::model::Variant;
use crate::name::Ranks;
use crate::pass::{Activation, Pass, Place};
use crate::stage_conv::{StageConv, conv2d};

/// Channels inside a layer for each channel of the growth.
const BOTTLENECK: usize = 4;

/// What distinguishes one DenseNet from another.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct DenseNetSpec {
    /// Layers in each stage, which is a "dense block".
    pub layers: &'static [usize],
    /// The channels that a layer adds.
    pub growth: usize,
}

/// Configuration of a [`DenseNet`].
pub(crate) struct DenseNetConfig<'a> {
    pub(crate) spec: &'a DenseNetSpec,
    /// The ranks of every stage: they do not grow, since the layers do not.
    pub(crate) ranks: Option<Ranks>,
    pub(crate) variant: Variant,
    pub(crate) in_channels: usize,
    pub(crate) num_classes: usize,
}

/// A densely connected network: stem, stages with transitions between them, batch norm, global
/// average pooling, linear classifier.
#[derive(Module, Debug)]
pub struct DenseNet {
    /// The first convolution, 3×3.
    pub stem: Conv2d,
    /// The stages; each owns the basis that its layers share.
    pub stages: Vec<DenseStage>,
    /// Batch norm before the classifier.
    pub norm: BatchNorm,
    /// The classifier.
    pub head: Linear,
    /// Which stage's basis the last stage is given.
    #[module(skip)]
    pub variant: Variant,
}

/// Layers at one size of the image (a "dense block"), and the basis that they share.
#[derive(Module, Debug)]
pub struct DenseStage {
    /// None in a stage that shares nothing, or one.
    pub bases: Vec<FilterBasis>,
    /// All of them share; unlike those of residual networks, all have the same shape inside.
    pub layers: Vec<DenseLayer>,
    /// What leads to the next stage; none after the last.
    pub transition: Option<Transition>,
}

/// `concat(x, conv2(relu(norm2(conv1(relu(norm1(x)))))))`.
#[derive(Module, Debug)]
pub struct DenseLayer {
    /// Batch norm before the first convolution.
    pub norm1: BatchNorm,
    /// 1×1, to four times the growth.
    pub conv1: Conv2d,
    /// Batch norm before the second convolution.
    pub norm2: BatchNorm,
    /// 3×3, to the channels that the layer adds.
    pub conv2: StageConv,
}

/// `pool(conv(norm(x)))`, without a ReLU as in the authors' code: half the channels, half the size.
#[derive(Module, Debug)]
pub struct Transition {
    /// Batch norm before the convolution.
    pub norm: BatchNorm,
    /// 1×1, to half the channels.
    pub conv: Conv2d,
    /// 2×2 mean at stride 2.
    pub pool: AvgPool2d,
}

impl DenseNetConfig<'_> {
    /// The network with its weights at zero.
    pub(crate) fn init(&self, device: &Device) -> DenseNet {
        let DenseNetSpec { layers, growth } = *self.spec;
        let mut channels = 2 * growth;
        let stem = conv2d([self.in_channels, channels], 3, 1).init(device);
        let mut stages = Vec::new();
        for (index, &count) in layers.iter().enumerate() {
            let is_last = index + 1 == layers.len();
            let layer = |input| DenseLayer::new(input, growth, self.ranks, device);
            let output = channels + count * growth;
            stages.push(DenseStage {
                bases: self.basis(device).into_iter().collect(),
                layers: (channels..output).step_by(growth).map(layer).collect(),
                transition: (!is_last).then(|| Transition::new(output, device)),
            });
            channels = if is_last { output } else { output / 2 };
        }
        DenseNet {
            stem,
            stages,
            norm: BatchNormConfig::new(channels).init(device),
            head: LinearConfig::new(channels, self.num_classes).init(device),
            variant: self.variant,
        }
    }

    fn basis(&self, device: &Device) -> Option<FilterBasis> {
        let shared = self.ranks.map(|ranks| ranks.shared).filter(|&shared| shared > 0)?;
        let shape = [shared, BOTTLENECK * self.spec.growth, 3, 3];
        Some(FilterBasis { weight: LATER.init(shape, device) })
    }
}

impl DenseLayer {
    fn new(input: usize, growth: usize, ranks: Option<Ranks>, device: &Device) -> Self {
        let inner = BOTTLENECK * growth;
        Self {
            norm1: BatchNormConfig::new(input).init(device),
            conv1: conv2d([input, inner], 1, 1).init(device),
            norm2: BatchNormConfig::new(inner).init(device),
            conv2: match ranks {
                Some(ranks) => StageConv::on_basis([inner, growth], ranks, true, device),
                None => StageConv::dense([inner, growth], 3, 1, device),
            },
        }
    }

    /// `[batch, channels, height, width]` to `[batch, channels + growth, height, width]`.
    fn pass<P: Pass>(&self, pass: &mut P, at: &Place, x: P::Map) -> P::Map {
        let input = x.clone();
        let x = pass.norm(&at.field("norm1"), &self.norm1, x, Activation::Relu);
        let x = pass.conv2d(&at.field("conv1"), &self.conv1, x);
        let x = pass.norm(&at.field("norm2"), &self.norm2, x, Activation::Relu);
        let x = self.conv2.pass(pass, &at.field("conv2"), x);
        pass.concat(input, x)
    }
}

impl Transition {
    fn new(channels: usize, device: &Device) -> Self {
        Self {
            norm: BatchNormConfig::new(channels).init(device),
            conv: conv2d([channels, channels / 2], 1, 1).init(device),
            pool: AvgPool2dConfig::new([2, 2]).init(),
        }
    }

    /// `[batch, channels, height, width]` to `[batch, channels / 2, height / 2, width / 2]`.
    fn pass<P: Pass>(&self, pass: &mut P, at: &Place, x: P::Map) -> P::Map {
        let x = pass.norm(&at.field("norm"), &self.norm, x, Activation::None);
        let x = pass.conv2d(&at.field("conv"), &self.conv, x);
        pass.avg_pool(&self.pool, x)
    }
}

impl DenseStage {
    /// The layers of the stage, with the bases that it is given, and what leads to the next one.
    fn pass<P: Pass>(&self, pass: &mut P, at: &Place, x: P::Map) -> P::Map {
        let layers = self.layers.iter().enumerate();
        let x = layers.fold(x, |x, (index, layer)| layer.pass(pass, &at.item("layers", index), x));
        pass.end_of_stage(&x);
        match &self.transition {
            Some(transition) => transition.pass(pass, &at.field("transition"), x),
            None => x,
        }
    }
}

impl DenseNet {
    /// The bases as the penalty takes them: one family, in which an idle basis counts too.
    pub(crate) fn families(&self) -> Vec<Family> {
        let group = |stage: &DenseStage| FilterGroup {
            shared: stage.bases.iter().map(|basis| basis.weight.val()).collect(),
            unique: stage.layers.iter().filter_map(|layer| layer.conv2.unique()).collect(),
        };
        vec![self.stages.iter().map(group).collect()]
    }

    /// Images to the maps before global average pooling.
    pub(crate) fn pass<P: Pass>(&self, pass: &mut P, x: P::Map) -> P::Map {
        let root = Place::ROOT;
        let mut x = pass.conv2d(&root.field("stem"), &self.stem, x);
        for (index, stage) in self.stages.iter().enumerate() {
            let at = root.item("stages", index);
            for (index, basis) in stage.bases.iter().enumerate() {
                pass.basis(&at.item("bases", index), basis);
            }
            x = stage.pass(pass, &at.with_bases(self.bases_of(index)), x);
        }
        pass.norm(&root.field("norm"), &self.norm, x, Activation::Relu)
    }

    /// The bases that a stage is given.
    fn bases_of(&self, stage: usize) -> &[FilterBasis] {
        &self.stages[basis_of(stage, self.stages.len(), self.variant)].bases
    }
}

/// Which of so many stages owns the basis that the layers of a stage share.
pub(crate) fn basis_of(stage: usize, stages: usize, variant: Variant) -> usize {
    match variant {
        Variant::Authors if stage + 1 == stages => stages.saturating_sub(2),
        Variant::Authors | Variant::Corrected | Variant::Torchvision => stage,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pass::{CostPass, Forward};
    use burn::tensor::Tensor;
    use cobasis::CostTable;
    use cobasis::ortho::{Counted, penalty};

    const SPEC: DenseNetSpec = DenseNetSpec { layers: &[2, 1, 2], growth: 4 };

    fn net(variant: Variant, device: &Device) -> DenseNet {
        let ranks = Some(Ranks { shared: 3, unique: 1, double: false });
        let config = DenseNetConfig { spec: &SPEC, ranks, variant, in_channels: 3, num_classes: 5 };
        let start = crate::init::Start {
            convolutions: crate::init::Convolutions::PyTorch,
            orthonormal: false,
        };
        let network = crate::Network::DenseNet(config.init(device));
        match crate::init::initialise(network, start, 0) {
            crate::Network::DenseNet(net) => net,
            other => panic!("a DenseNet became {other:?}"),
        }
    }

    /// For each basis, whether the logits and whether the penalty depend on it.
    fn uses(variant: Variant, device: &Device) -> Vec<(bool, bool)> {
        let device = device.clone().autodiff();
        let net = net(variant, &device);
        let images = Tensor::ones([2, 3, 8, 8], &device);
        let maps = net.pass(&mut Forward::default(), images.into()).into_tensor();
        assert_eq!(maps.dims(), [2, 14, 2, 2], "((8 + 2·4) / 2 + 4) / 2 + 2·4 channels");
        let by_logits = maps.square().sum().backward();
        let penalty = penalty(&net.families(), Counted::Shared).expect("shared bases");
        let by_penalty = penalty.backward();
        let bases = net.stages.iter().map(|stage| stage.bases[0].weight.val());
        bases.map(|w| (w.grad(&by_logits).is_some(), w.grad(&by_penalty).is_some())).collect()
    }

    #[test]
    #[allow(deprecated)] // NdArray is the second, independent CPU reference.
    fn every_stage_uses_its_basis_except_the_last_of_the_authors() {
        for device in [Device::flex(), Device::ndarray()] {
            assert_eq!(uses(Variant::Corrected, &device), [(true, true); 3]);
            let authors = [(true, true), (true, true), (false, true)];
            assert_eq!(uses(Variant::Authors, &device), authors);
        }
    }

    #[test]
    fn the_table_walks_as_forward_does() {
        let device = Device::flex();
        let mut pass = CostPass(CostTable::default());
        net(Variant::Authors, &device).pass(&mut pass, [3, 9, 8]);
        let table = pass.0;
        let users = |path: &str| {
            let row = table.rows().iter().find(|row| row.path == path);
            row.map_or(0, |row| row.used_by.len())
        };
        let counts = [0, 1, 2].map(|stage| users(&format!("stages.{stage}.bases.0")));
        assert_eq!(counts, [2, 3, 0]);
        let norm = table.rows().iter().find(|row| row.path == "norm").expect("the last norm");
        assert_eq!(norm.output, Some([14, 2, 2]), "((8 + 2·4) / 2 + 4) / 2 + 2·4");
    }
}
