//! Densely connected networks (Huang et al. 2016), dense or with shared bases.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::Device;
use cobasis::{Activation, Bases, Pass, Place, Windows};

use crate::banks::{Scope, Shared};
use crate::conv2d::conv2d;
use crate::on_bases::OnBases;
use crate::sharing::{Filler, SlotConv};
use crate::slot::{Slot, SlotRole};
use crate::spec::{DenseNetSpec, Variant};
use crate::stage_maps::StageMaps;

/// Channels inside a layer for each channel of the growth.
const BOTTLENECK: usize = 4;

/// A densely connected network up to its last maps: stem, stages with transitions between them, batch
/// norm.
#[derive(Module, Debug)]
pub struct DenseNet {
    /// The first convolution, 3×3.
    pub stem: Conv2d,
    /// The stages.
    pub stages: Vec<DenseStage>,
    /// Batch norm before the classifier.
    pub norm: BatchNorm,
}

/// Layers at one size of the image (a "dense block").
#[derive(Module, Debug)]
pub struct DenseStage {
    /// All of them can share; unlike those of residual networks, all have the same shape inside.
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
    pub conv2: SlotConv,
}

/// `pool(conv(norm(x)))`, without a ReLU as in the authors' code: half the channels, half the size.
#[derive(Module, Debug)]
pub struct Transition {
    /// Batch norm before the convolution.
    pub norm: BatchNorm,
    /// 1×1, to half the channels.
    pub conv: Conv2d,
    /// 2×2 mean at stride 2.
    #[module(skip)]
    pub pool: Windows,
}

impl DenseNetSpec {
    /// Channels before and after the layers of each stage.
    fn widths(&self) -> Vec<[usize; 2]> {
        let mut channels = 2 * self.growth;
        let widths = self.layers.iter().map(|layers| {
            let input = channels;
            let output = input + layers * self.growth;
            channels = output / 2;
            [input, output]
        });
        widths.collect()
    }

    /// The convolution that a layer of a stage offers to a sharing method. Ranks do not grow with the
    /// stages, since the layers do not.
    fn slot(&self, [stage, block]: [usize; 2], variant: Variant) -> Slot {
        let channels = [BOTTLENECK * self.growth, self.growth];
        let lender = lender(stage, self.layers.len(), variant);
        let (role, kernel, stride, groups, scale) = (SlotRole::Inner, 3, 1, 1, 1);
        Slot { stage, lender, block, role, channels, kernel, stride, groups, scale }
    }

    /// The convolutions that the layers offer to a sharing method.
    pub(crate) fn slots(&self, variant: Variant) -> Vec<Slot> {
        let stages = self.layers.iter().enumerate();
        let slots = stages.flat_map(|(stage, &layers)| {
            (0..layers).map(move |layer| self.slot([stage, layer], variant))
        });
        slots.collect()
    }

    /// Channels before the classifier.
    pub(crate) fn features(&self) -> usize {
        self.widths().last().map_or(0, |[_, output]| *output)
    }
}

/// Which of so many stages has the banks that the layers of a stage borrow.
pub(crate) fn lender(stage: usize, stages: usize, variant: Variant) -> usize {
    match variant {
        Variant::Authors if stage + 1 == stages => stages.saturating_sub(2),
        Variant::Authors | Variant::Corrected | Variant::Torchvision => stage,
    }
}

impl DenseNet {
    /// The network with its weights at zero.
    pub(crate) fn new(
        spec: &DenseNetSpec,
        variant: Variant,
        in_channels: usize,
        fill: Filler,
    ) -> Self {
        let device = fill.made_with.device;
        let widths = spec.widths();
        let stages = widths.iter().enumerate().map(|(stage, &[input, output])| {
            let layer =
                |(layer, input)| DenseLayer::new(input, &spec.slot([stage, layer], variant), fill);
            let is_last = stage + 1 == widths.len();
            DenseStage {
                layers: (input..output).step_by(spec.growth).enumerate().map(layer).collect(),
                transition: (!is_last).then(|| Transition::new(output, device)),
            }
        });
        Self {
            stem: conv2d([in_channels, 2 * spec.growth], 3, 1).init(device),
            stages: stages.collect(),
            norm: BatchNormConfig::new(spec.features()).init(device),
        }
    }

    /// Images to the maps before global average pooling.
    pub(crate) fn pass<P: Pass>(
        &self,
        pass: &mut P,
        shared: Shared,
        x: P::Map,
        outputs: &mut StageMaps<P::Map>,
    ) -> P::Map {
        let root = Place::ROOT;
        let mut x = pass.conv2d(&root.field("stem"), &self.stem, x);
        for (index, stage) in self.stages.iter().enumerate() {
            shared.enter(Scope::Stage(index), pass);
            let at = root.item("stages", index);
            x = stage.layers_pass(pass, &at, shared.bases, x);
            outputs.push(&x);
            x = stage.transition_pass(pass, &at, x);
        }
        pass.norm(&root.field("norm"), &self.norm, x, Activation::Relu)
    }
}

impl OnBases for DenseStage {
    fn pass<P: Pass>(&self, pass: &mut P, at: &Place, bases: &Bases, x: P::Map) -> P::Map {
        let x = self.layers_pass(pass, at, bases, x);
        self.transition_pass(pass, at, x)
    }
}

impl DenseStage {
    /// Up to the transition.
    fn layers_pass<P: Pass>(&self, pass: &mut P, at: &Place, bases: &Bases, x: P::Map) -> P::Map {
        let layers = self.layers.iter().enumerate();
        layers.fold(x, |x, (index, layer)| layer.pass(pass, &at.item("layers", index), bases, x))
    }

    /// The transition, in a stage that has one.
    fn transition_pass<P: Pass>(&self, pass: &mut P, at: &Place, x: P::Map) -> P::Map {
        match &self.transition {
            Some(transition) => transition.pass(pass, &at.field("transition"), x),
            None => x,
        }
    }
}

impl DenseLayer {
    fn new(input: usize, slot: &Slot, fill: Filler) -> Self {
        let (inner, device) = (slot.channels[0], fill.made_with.device);
        Self {
            norm1: BatchNormConfig::new(input).init(device),
            conv1: conv2d([input, inner], 1, 1).init(device),
            norm2: BatchNormConfig::new(inner).init(device),
            conv2: fill.conv(slot).0,
        }
    }
}

/// `[batch, channels, height, width]` to `[batch, channels + growth, height, width]`.
impl OnBases for DenseLayer {
    fn pass<P: Pass>(&self, pass: &mut P, at: &Place, bases: &Bases, x: P::Map) -> P::Map {
        let input = x.clone();
        let x = pass.norm(&at.field("norm1"), &self.norm1, x, Activation::Relu);
        let x = pass.conv2d(&at.field("conv1"), &self.conv1, x);
        let x = pass.norm(&at.field("norm2"), &self.norm2, x, Activation::Relu);
        let x = self.conv2.pass(pass, &at.field("conv2"), bases, x);
        pass.concat(input, x)
    }
}

impl Transition {
    fn new(channels: usize, device: &Device) -> Self {
        Self {
            norm: BatchNormConfig::new(channels).init(device),
            conv: conv2d([channels, channels / 2], 1, 1).init(device),
            pool: Windows { size: [2, 2], stride: [2, 2], padding: [0, 0] },
        }
    }

    /// `[batch, channels, height, width]` to `[batch, channels / 2, height / 2, width / 2]`.
    fn pass<P: Pass>(&self, pass: &mut P, at: &Place, x: P::Map) -> P::Map {
        let x = pass.norm(&at.field("norm"), &self.norm, x, Activation::None);
        let x = pass.conv2d(&at.field("conv"), &self.conv, x);
        pass.avg_pool(self.pool, x)
    }
}

#[cfg(test)]
mod tests {
    use crate::registry::Entry;
    use crate::spec::{Architecture, DenseNetSpec, Variant};
    use crate::{Model, ModelConfig, ModelName};
    use burn::tensor::{Device, Tensor};
    use cobasis::ortho::Counted;

    fn model(variant: Variant, device: &Device) -> Model {
        let architecture = Architecture::DenseNet(DenseNetSpec::new([2, 1, 2], 4));
        let entry = Entry::new("test/densenet", architecture, 5, [3, 8, 8]);
        let name = ModelName::own(entry).and_then(|name| name.with_sharing("s3u1"));
        ModelConfig::new(name.expect("a name")).with_variant(variant).init(device)
    }

    /// For each basis, whether the logits and whether the penalty depend on it.
    fn uses(variant: Variant, device: &Device) -> Vec<(bool, bool)> {
        let device = device.clone().autodiff();
        let model = model(variant, &device);
        let images = Tensor::ones([2, 3, 8, 8], &device);
        assert_eq!(
            model.head.weight().expect("a weight").dims(),
            [14, 5],
            "((8 + 2·4) / 2 + 4) / 2 + 2·4 channels"
        );
        let by_logits = model.forward(images).square().sum().backward();
        let by_penalty = model.penalty_with(Counted::Shared).expect("shared bases").backward();
        let bases = model.bases.banks.iter().map(|basis| basis.weight.val());
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
        let table = model(Variant::Authors, &Device::flex()).cost([9, 8]);
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
