//! A model of the zoo: a network, its name, and the bases it shares.

mod network;

use burn::module::Module;
use burn::nn::LinearConfig;
use burn::tensor::{Device, Tensor};
use cobasis::ortho::{Counted, Family, penalty};
use cobasis::{CostTable, FilterBasis};

use crate::densenet::DenseNetConfig;
use crate::init::{initialise, initialise_head};
use crate::mobilenet::MobileNetV2Config;
use crate::name::{ModelName, Sharing};
use crate::pass::{CostPass, Forward, Pass, Place};
use crate::preparation::Preparation;
use crate::registry::Architecture;
use crate::resnet::ResNetConfig;
use crate::state::{self, State, StateError, TensorInfo};

pub use network::Network;

/// Configuration of a [`Model`]: the name, and what a user may change about it.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    /// Which model.
    pub name: ModelName,
    /// The number of classes; that of the model's data set unless changed.
    pub num_classes: usize,
    /// The channels of an image; those of the model's data set unless changed.
    pub in_channels: usize,
    /// What the initial weights are drawn from.
    pub seed: u64,
    /// Whether the network computes what the authors' code does where that departs from the paper.
    pub variant: Variant,
    /// Whether the batch norms of blocks that share filters are there. Without, as in the paper's
    /// ablation, such a block has only the one before its shortcut is added: none between bases and
    /// coefficients, none after the first convolution. Only
    /// [some models](ModelName::can_be_without_norms) can be without.
    pub norms: bool,
    /// How the images were prepared that the model was trained on, where that is known.
    pub preparation: Option<Preparation>,
}

/// What to do where the authors' code departs from the paper's description.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Variant {
    /// As the paper says: every stage has a basis of its own.
    #[default]
    Corrected,
    /// As the authors' code does, which their checkpoints need: the last stage of a DenseNet shares
    /// the basis of the one before it, and its own is idle, though parameters and penalty count it.
    /// Their other networks are as described.
    Authors,
    /// As torchvision builds its MobileNetV2, which its weights need: ReLU6 inside blocks, no first
    /// convolution in the first block, no biases before batch norms. Dense ImageNet networks only;
    /// its ResNets are as described.
    Torchvision,
}

/// A network of the zoo, with what there is to know about it.
#[derive(Module, Debug)]
pub struct Model {
    /// The layers.
    pub network: Network,
    /// What it was made from.
    #[module(skip)]
    pub config: ModelConfig,
}

impl ModelConfig {
    /// The model as its data set asks for it, with seed 0.
    pub fn new(name: ModelName) -> Self {
        let entry = name.entry();
        Self {
            name,
            num_classes: entry.classes,
            in_channels: entry.input[0],
            seed: 0,
            variant: Variant::default(),
            norms: true,
            preparation: None,
        }
    }

    /// Changes the number of classes.
    pub fn with_num_classes(self, num_classes: usize) -> Self {
        Self { num_classes, ..self }
    }

    /// Changes the channels of an image.
    pub fn with_in_channels(self, in_channels: usize) -> Self {
        Self { in_channels, ..self }
    }

    /// Changes the seed of the initial weights.
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Changes what is done where the authors' code departs from the paper.
    pub fn with_variant(self, variant: Variant) -> Self {
        Self { variant, ..self }
    }

    /// Changes whether the [batch norms](Self::norms) of blocks that share filters are there.
    pub fn with_norms(self, norms: bool) -> Self {
        Self { norms, ..self }
    }

    /// Says how the images are prepared that the model is trained on.
    pub fn with_preparation(self, preparation: Preparation) -> Self {
        Self { preparation: Some(preparation), ..self }
    }

    /// The network of the authors' code: their [variant](Variant::Authors) of those networks in
    /// which it differs from the paper's.
    pub fn as_authors(self) -> Self {
        match (&self.name.entry().architecture, self.name.sharing()) {
            (Architecture::DenseNet(_), Some(_)) => self.with_variant(Variant::Authors),
            _ => self,
        }
    }

    /// The model with its initial weights, drawn as in the authors' code: in ResNets, Kaiming
    /// normal by outputs, then orthonormal bases, the two bases of a stage jointly; in ResNeXts,
    /// PyTorch's default and orthonormal bases; in MobileNetV2s and DenseNets, PyTorch's default
    /// for bases too.
    ///
    /// They are drawn on the host from the seed, so they are the same on every device. To train,
    /// give an [autodiff device](Device::autodiff).
    ///
    /// # Panics
    ///
    /// Panics without classes or channels, and without [norms](Self::norms) where the model can't be.
    pub fn init(&self, device: &Device) -> Model {
        let Model { network, config } = self.skeleton(device);
        let start = self.name.entry().architecture.start();
        Model { network: initialise(network, start, self.seed), config }
    }

    /// What the layers of the model cost for an image of `[height, width]`, each basis once.
    ///
    /// # Panics
    ///
    /// Panics if the image is too small for the network.
    pub fn cost(&self, input: [usize; 2], device: &Device) -> CostTable {
        self.skeleton(device).cost(input)
    }

    /// The model with all weights at zero: to be filled.
    pub(crate) fn skeleton(&self, device: &Device) -> Model {
        assert!(self.num_classes > 0, "a model needs classes");
        assert!(self.in_channels > 0, "a model needs input channels");
        let Self { name, in_channels, num_classes, norms, .. } = *self;
        assert!(norms || name.can_be_without_norms(), "{name} can't be without batch norms");
        let sharing = name.sharing();
        let network = match &name.entry().architecture {
            Architecture::ResNet(spec) => {
                let config = ResNetConfig { spec, sharing, norms, in_channels, num_classes };
                Network::ResNet(config.init(device))
            }
            &Architecture::MobileNetV2(spec) => {
                let variant = self.variant;
                let config = MobileNetV2Config { spec, sharing, variant, in_channels, num_classes };
                Network::MobileNetV2(config.init(device))
            }
            Architecture::DenseNet(spec) => {
                let ranks = sharing.and_then(Sharing::ranks);
                let variant = self.variant;
                let config = DenseNetConfig { spec, ranks, variant, in_channels, num_classes };
                Network::DenseNet(config.init(device))
            }
        };
        Model { network, config: self.clone() }
    }

    /// The model with the given tensors, by the names that [`Model::state`] gives them.
    ///
    /// # Errors
    ///
    /// If a tensor is missing, not the model's, or of another shape.
    pub fn init_from(&self, state: State, device: &Device) -> Result<Model, StateError> {
        let Model { network, config } = self.skeleton(device);
        Ok(Model { network: state::write(network, state)?, config })
    }
}

impl Model {
    /// Logits of shape `[batch, classes]` for images of shape `[batch, channels, height, width]`.
    ///
    /// On an autodiff device the batch norms use the batch's statistics; call
    /// [`valid`](Module::valid) first to evaluate.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.classify(self.pooled(images))
    }

    /// The output of every stage, `[batch, channels, height, width]` each, for images of shape
    /// `[batch, channels, height, width]`: what detection and segmentation networks build on. In a
    /// DenseNet, of every stage before its transition.
    pub fn forward_features(&self, images: Tensor<4>) -> Vec<Tensor<4>> {
        let mut pass = Forward::keeping_stages();
        self.network.pass(&mut pass, images.into());
        pass.into_stages()
    }

    /// The features that the classifier sees: `[batch, features]` for images of shape
    /// `[batch, channels, height, width]`.
    pub fn pooled(&self, images: Tensor<4>) -> Tensor<2> {
        let mut pass = Forward::default();
        let maps = self.network.pass(&mut pass, images.into());
        pass.global_average(maps)
    }

    /// Logits of shape `[batch, classes]` for [pooled](Self::pooled) features.
    pub fn classify(&self, pooled: Tensor<2>) -> Tensor<2> {
        self.network.head().forward(pooled)
    }

    /// The model with a new classifier for so many classes, to be trained on other data. Its
    /// weights are drawn from the model's seed as those of a new model are.
    ///
    /// # Panics
    ///
    /// Panics without classes.
    pub fn with_new_head(mut self, num_classes: usize) -> Model {
        assert!(num_classes > 0, "a model needs classes");
        self.config.num_classes = num_classes;
        if let Some(preparation) = &mut self.config.preparation {
            preparation.classes.clear();
        }
        let head = self.network.head_mut();
        let [features, _] = head.weight.lazy_shape().dims();
        let device = head.weight.lazy_device();
        let new = LinearConfig::new(features, num_classes).init(&device);
        *head = initialise_head(new, self.config.seed);
        self
    }

    /// The bases and their paths in the module tree, such as `stages.1.bases.0`, in its order.
    pub fn bases(&self) -> Vec<(String, &FilterBasis)> {
        let stages = self.network.bases().into_iter().enumerate();
        let all = stages.flat_map(|(stage, bases)| {
            let bases = bases.iter().enumerate();
            bases.map(move |(index, basis)| (format!("stages.{stage}.bases.{index}"), basis))
        });
        all.collect()
    }

    /// The bases, as the penalty takes them: families of stages. Empty stages share nothing.
    pub fn families(&self) -> Vec<Family> {
        match &self.network {
            Network::ResNet(resnet) => resnet.families(),
            Network::MobileNetV2(mobilenet) => mobilenet.families(),
            Network::DenseNet(densenet) => densenet.families(),
        }
    }

    /// The orthonormality penalty of the model's bases; `None` if it shares nothing.
    ///
    /// The authors' objective for the model counts what its
    /// [registry entry](crate::registry::Entry) says.
    pub fn penalty(&self, counted: Counted) -> Option<Tensor<1>> {
        penalty(&self.families(), counted)
    }

    /// What the layers cost for an image of `[height, width]`, each basis once.
    ///
    /// # Panics
    ///
    /// Panics if the image is too small for the network.
    pub fn cost(&self, input: [usize; 2]) -> CostTable {
        let mut pass = CostPass(CostTable::default());
        let [height, width] = input;
        self.walk(&mut pass, [self.config.in_channels, height, width]);
        pass.0
    }

    /// A pass from the images to the logits.
    pub(crate) fn walk<P: Pass>(&self, pass: &mut P, images: P::Map) -> P::Vector {
        let maps = self.network.pass(pass, images);
        let pooled = pass.global_average(maps);
        pass.linear(&Place::ROOT.field("head"), self.network.head(), pooled)
    }

    /// All tensors by their path in the module tree: parameters and running statistics, each basis
    /// once.
    pub fn state(&self) -> State {
        state::read(&self.network)
    }

    /// The tensors of [`state`](Self::state) in the order of the module tree, without reading any.
    pub fn tensors(&self) -> Vec<TensorInfo> {
        state::tensors(&self.network)
    }
}
