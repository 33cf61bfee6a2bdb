//! Object detection: a neck and an anchor-free head in the place of a network's classifier.
//!
//! The last maps of two or three scales of any network go through 1×1 convolutions to one width, each with the
//! coarser one added (Lin et al. 2017, feature pyramids). On each of these levels two branches of two 3×3
//! convolutions predict for every pixel, or point: the classes, and where its box lies and how good that is
//! (Tian et al. 2019, FCOS; Ge et al. 2021, YOLOX). The eight 3×3 convolutions of two levels can
//! [share one basis](HeadKind::Shared), across levels and branches; batch norms are each its own, as is known to
//! be needed where levels share filters.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use cobasis_zoo::{DetectorConfig, HeadKind, ModelConfig};
//!
//! let device = Device::flex();
//! let shared = DetectorConfig::new([64, 96]).with_head(HeadKind::Shared { shared: 16, unique: 1 });
//! let config = ModelConfig::new("bccd/resnet14-s8u1".parse()?).with_detector(shared);
//! let model = config.init(&device);
//! // 8 × 12 points of stride 8 and 4 × 6 of stride 16; a box, its quality and three classes at each.
//! let output = model.forward(Tensor::zeros([2, 3, 64, 96], &device));
//! assert_eq!(output.dims(), [2, (8 * 12 + 4 * 6) * (4 + 1 + 3)]);
//! assert_eq!(model.points([64, 96]).len(), 120);
//! assert_eq!(model.bases().last().map(|(path, _)| path.as_str()), Some("head.bases.0"));
//! # Ok::<(), cobasis_zoo::ModelNameError>(())
//! ```

mod branch;
mod config;
mod points;
mod scales;

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::Device;
use cobasis::{Activation, Bases, Convolution, Pass, Place, Prior, Role};

pub use branch::{Branch, BranchConv};
pub use config::{BoxCoding, DetectorConfig, HeadKind};
pub use points::Point;
pub(crate) use points::{decode, points};
pub(crate) use scales::{Scale, scales};

use crate::banks::Banks;
use crate::build::rows_reordered;
use crate::conv2d::conv2d;

/// The neck and the head of a detector.
#[derive(Module, Debug)]
pub struct Detector {
    /// What brings the maps of each level to one width, the finest first.
    pub laterals: Vec<Lateral>,
    /// What predicts on each level, the finest first.
    pub levels: Vec<Level>,
    /// The maps of the network that the levels are made of.
    #[module(skip)]
    scales: Vec<Scale>,
}

/// A 1×1 convolution with batch norm.
#[derive(Module, Debug)]
pub struct Lateral {
    /// From the network's channels to the neck's.
    pub conv: Conv2d,
    /// Batch norm after it.
    pub norm: BatchNorm,
}

/// What predicts at every point of a level. Its 1×1 convolutions have biases.
#[derive(Module, Debug)]
pub struct Level {
    /// Two convolutions before the classes.
    pub class_branch: Branch,
    /// Two convolutions before the boxes.
    pub box_branch: Branch,
    /// Where the box is, four numbers.
    pub boxes: Conv2d,
    /// The logit of how good the box is: objectness, or centreness.
    pub quality: Conv2d,
    /// The logits of the classes.
    pub classes: Conv2d,
}

/// The batch norm of necks and heads, with the numbers of YOLOX.
fn norm(channels: usize, device: &Device) -> BatchNorm {
    BatchNormConfig::new(channels).with_epsilon(1e-3).with_momentum(0.03).init(device)
}

impl Detector {
    /// With its weights at zero, for a network of these scales.
    ///
    /// # Panics
    ///
    /// Panics if the network has fewer scales than the detector has levels.
    pub(crate) fn new(
        config: &DetectorConfig,
        scales: &[Scale],
        classes: usize,
        banks: &Banks,
        device: &Device,
    ) -> Self {
        let first = scales.len().checked_sub(config.levels);
        let first = first.expect("a network has a scale for each level of its detector");
        let scales = scales[first..].to_vec();
        let width = config.width;
        let lateral = |scale: &Scale| Lateral {
            conv: conv2d([scale.channels, width], 1, 1).init(device),
            norm: norm(width, device),
        };
        let predict = |outputs| conv2d([width, outputs], 1, 1).with_bias(true).init(device);
        let level = |_: &Scale| Level {
            class_branch: Branch::new(config, banks, device),
            box_branch: Branch::new(config, banks, device),
            boxes: predict(4),
            quality: predict(1),
            classes: predict(classes),
        };
        Self {
            laterals: scales.iter().map(lateral).collect(),
            levels: scales.iter().map(level).collect(),
            scales,
        }
    }

    /// The maps that the levels are made of, the finest first, of the outputs of all stages and the last
    /// maps of the network.
    pub(crate) fn maps<M: Clone>(&self, stages: Vec<M>, last: M) -> Vec<M> {
        let finer = &self.scales[..self.scales.len() - 1];
        let finer = finer.iter().map(|scale| stages[scale.stage].clone());
        finer.chain([last]).collect()
    }

    /// The strides of the levels.
    pub(crate) fn strides(&self) -> Vec<usize> {
        self.scales.iter().map(|scale| scale.stride).collect()
    }

    /// Maps of the levels to the predictions at their points, each four numbers of its box, its quality
    /// and its classes: `[batch, points × (5 + classes)]`.
    pub(crate) fn pass<P: Pass>(
        &self,
        pass: &mut P,
        at: &Place,
        bases: &Bases,
        maps: Vec<P::Map>,
    ) -> P::Vector {
        let mut coarser: Option<P::Map> = None;
        let mut levels = Vec::new();
        // From the coarsest, which the finer ones need.
        for (index, maps) in maps.into_iter().enumerate().rev() {
            let x = self.laterals[index].pass(pass, &at.item("laterals", index), maps);
            let x = match coarser {
                Some(coarser) => pass.add_upsampled(x, coarser),
                None => x,
            };
            coarser = Some(x.clone());
            levels.push(self.levels[index].pass(pass, &at.item("levels", index), bases, x));
        }
        levels.reverse();
        pass.pixels(levels)
    }

    /// With its classes in another order: class `k` is class `order[k]` of this one.
    pub(crate) fn with_class_order(mut self, order: &[usize]) -> Self {
        for level in &mut self.levels {
            let Conv2d { weight, bias, .. } = &mut level.classes;
            *weight = rows_reordered(weight.clone(), order);
            *bias = bias.take().map(|bias| rows_reordered(bias, order));
        }
        self
    }

    /// Where it is.
    pub(crate) fn device(&self) -> Device {
        self.laterals[0].conv.weight.lazy_device()
    }
}

impl Lateral {
    fn pass<P: Pass>(&self, pass: &mut P, at: &Place, x: P::Map) -> P::Map {
        let x = pass.conv2d(&at.field("conv"), &self.conv, x);
        pass.norm(&at.field("norm"), &self.norm, x, Activation::None)
    }
}

impl Level {
    /// `[batch, width, height, width]` to `[batch, 5 + classes, height, width]`.
    fn pass<P: Pass>(&self, pass: &mut P, at: &Place, bases: &Bases, x: P::Map) -> P::Map {
        let classes = self.class_branch.pass(pass, &at.field("class_branch"), bases, x.clone());
        let boxes = self.box_branch.pass(pass, &at.field("box_branch"), bases, x);
        let mut predict = |field, conv: &Conv2d, prior, x| {
            let conv = Convolution { role: Role::Prediction(prior), ..Convolution::from(conv) };
            pass.conv(&at.field(field), conv, x)
        };
        let quality = predict("quality", &self.quality, Prior::Rare, boxes.clone());
        let boxes = predict("boxes", &self.boxes, Prior::Zero, boxes);
        let classes = predict("classes", &self.classes, Prior::Rare, classes);
        let x = pass.concat(boxes, quality);
        pass.concat(x, classes)
    }
}

#[cfg(test)]
mod tests;
