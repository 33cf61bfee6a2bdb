//! Models from their configurations: with initial weights, or with given ones.

use burn::module::Param;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor, TensorData};
use cobasis::{Bases, CostTable, FilterBasisConfig};

use crate::banks::{Banks, Shared};
use crate::config::ModelConfig;
use crate::conv2d::LATER;
use crate::detector::{Detector, DetectorConfig, scales};
use crate::head::Head;
use crate::init::{initialise, initialise_head};
use crate::model::Model;
use crate::network::Network;
use crate::preparation::Preparation;
use crate::sharing::{self, MadeWith};
use crate::spec::Norms;
use crate::state::{State, StateError};

impl ModelConfig {
    /// The model with its initial weights, drawn as in the authors' code: in ResNets, Kaiming
    /// normal by outputs, then orthonormal bases, the two bases of a stage jointly; in ResNeXts,
    /// PyTorch's default and orthonormal bases; in MobileNetV2s and DenseNets, PyTorch's default
    /// for bases too.
    ///
    /// They are drawn on the host from the seed, so they are the same on every device. Orthonormal
    /// bases of wide networks take a few seconds; [loading](crate::files::load) draws nothing. To
    /// train, give an autodiff device (`Device::autodiff`, with Burn's feature `autodiff`).
    ///
    /// # Panics
    ///
    /// Panics without classes or channels, without [norms](Self::norms) where the model can't be, and where
    /// the detector [does not fit](DetectorConfig::check) or the [adapter](Model::with_adapter).
    pub fn init(&self, device: &Device) -> Model {
        let weights = self.name.entry().architecture.initial_weights();
        let Some(adapter) = &self.adapter else {
            return initialise(self.skeleton(device), weights, self.seed);
        };
        let base = Self { adapter: None, num_classes: adapter.base_classes, ..self.clone() };
        let adapted = base.init(device).with_adapter(adapter.kind, self.num_classes);
        let mut adapted = adapted.unwrap_or_else(|problem| panic!("{problem}"));
        adapted.config = self.clone();
        adapted
    }

    /// What the layers of the model cost for an image of `[height, width]`, each basis once.
    ///
    /// ```
    /// use burn::tensor::Device;
    /// use cobasis_zoo::ModelConfig;
    ///
    /// let config = ModelConfig::new("cifar10/resnet32-s16u1".parse()?);
    /// assert_eq!(config.cost([32, 32], &Device::flex()).total().params, 197_258);
    /// # Ok::<(), cobasis_zoo::ModelNameError>(())
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if the image is too small for the network.
    pub fn cost(&self, input: [usize; 2], device: &Device) -> CostTable {
        self.skeleton(device).cost(input)
    }

    /// The model with the given tensors, by the names that [`Model::state`] gives them.
    ///
    /// # Errors
    ///
    /// If a tensor is missing, not the model's, or of another shape.
    pub fn init_from(&self, state: State, device: &Device) -> Result<Model, StateError> {
        self.skeleton(device).with_state(state)
    }

    /// The model with all weights at zero: to be filled, by [`initialise`] in an order that does not
    /// depend on how modules are nested.
    pub(crate) fn skeleton(&self, device: &Device) -> Model {
        assert!(self.num_classes > 0, "a model needs classes");
        assert!(self.in_channels > 0, "a model needs input channels");
        let Self { name, in_channels, num_classes, variant, norms, .. } = self;
        let (variant, norms) = (*variant, *norms);
        let can_be = norms == Norms::All || name.can_be_without_norms();
        assert!(can_be, "{name} can't be without batch norms");
        if let Some(detector) = &self.detector {
            let fits = detector.check(name);
            fits.unwrap_or_else(|problem| panic!("the detector does not fit {name}: {problem}"));
        }
        let slots = name.slots(variant);
        let mut specs = sharing::bank_specs(name.sharing(), &slots);
        specs.extend(self.detector.as_ref().and_then(DetectorConfig::bank));
        let banks = Banks::new(specs);
        let bases = banks.iter().map(|(_, spec)| {
            let [filters, channels, kernel @ ..] = spec.shape;
            let config = FilterBasisConfig::new(filters, channels, kernel);
            config.with_initializer(Some(LATER)).init(device)
        });
        let made_with = MadeWith { banks: &banks, slots: &slots, norms, device };
        let bases = Bases { banks: bases.collect() };
        let network = Network::new(name, variant, *in_channels, made_with);
        let head = match &self.detector {
            Some(detector) => {
                let shared = Shared { bases: &bases, banks: &banks };
                let scales = scales(&network, shared, &name.architecture(), *in_channels);
                Head::Detector(Detector::new(detector, &scales, *num_classes, &banks, device))
            }
            None => Head::classifier(name, *num_classes, &banks, device),
        };
        let config = self.clone();
        let model = Model { bases, network, head, adapter: None, config, banks };
        model.with_configured_adapter(device)
    }
}

impl Model {
    /// The model with a new classifier for `num_classes` classes, to be trained on other data. Its
    /// weights are drawn from the model's seed as those of a new model are.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use cobasis_zoo::ModelConfig;
    ///
    /// let device = Device::flex();
    /// let model = ModelConfig::new("cifar10/resnet20-s8u1".parse()?).init(&device);
    /// let model = model.with_new_head(3);
    /// assert_eq!(model.forward(Tensor::zeros([1, 3, 32, 32], &device)).dims(), [1, 3]);
    /// # Ok::<(), cobasis_zoo::ModelNameError>(())
    /// ```
    ///
    /// # Panics
    ///
    /// Panics without classes.
    pub fn with_new_head(mut self, num_classes: usize) -> Model {
        assert!(num_classes > 0, "a model needs classes");
        if let Some(detector) = self.config.detector.take() {
            return self.into_detector(detector, num_classes);
        }
        self.config.num_classes = num_classes;
        if let Some(preparation) = &mut self.config.preparation {
            preparation.classes.clear();
        }
        let device: Device = self.head.device();
        self.head = Head::classifier(&self.config.name, num_classes, &self.banks, &device);
        let seed = self.config.seed;
        initialise_head(self, seed)
    }

    /// The model with a [detector](crate::detector)'s neck and head in the place of its classifier, for
    /// `num_classes` classes. Their weights are drawn from the model's seed as those of a new model are.
    ///
    /// # Panics
    ///
    /// Panics without classes, and where [the configuration does not fit](DetectorConfig::check).
    pub fn into_detector(self, detector: DetectorConfig, num_classes: usize) -> Model {
        let config = self.config.clone().with_num_classes(num_classes).with_detector(detector);
        self.on_new_head(config)
    }

    /// The network of a [detector](crate::detector) with a classifier for `num_classes` classes in the place of
    /// neck and head. Its weights are drawn from the model's seed as those of a new model are.
    ///
    /// # Panics
    ///
    /// Panics without classes.
    pub fn into_classifier(self, num_classes: usize) -> Model {
        let config = self.config.clone().with_num_classes(num_classes);
        self.on_new_head(ModelConfig { detector: None, ..config })
    }

    /// The model's network with a new head as a configuration has it.
    fn on_new_head(self, mut config: ModelConfig) -> Model {
        if let Some(preparation) = &mut config.preparation {
            preparation.classes.clear();
        }
        let new = config.init(&self.head.device());
        let of_head = |name: &str| name.starts_with("head.");
        let mut state = new.state();
        state.extend(self.state().into_iter().filter(|(name, _)| !of_head(name)));
        new.with_state(state).expect("the networks before the heads are the same")
    }

    /// The model with its classes in another order: class `k` of the new one is class `order[k]` of
    /// this one, with its name.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use cobasis_zoo::ModelConfig;
    ///
    /// let device = Device::flex();
    /// let config = ModelConfig::new("digits/resnet14".parse()?).with_num_classes(3);
    /// let model = config.init(&device);
    /// let images = Tensor::ones([1, 1, 8, 8], &device);
    /// let before: Vec<f32> = model.forward(images.clone()).into_data().iter::<f32>().collect();
    /// let after = model.with_class_order(&[2, 0, 1]).forward(images).into_data();
    /// assert_eq!(after.iter::<f32>().collect::<Vec<_>>(), [before[2], before[0], before[1]]);
    /// # Ok::<(), cobasis_zoo::ModelNameError>(())
    /// ```
    ///
    /// # Panics
    ///
    /// Panics where the order has not each class once, and where it is another one than the model's and
    /// [the classifier can't have it](Self::can_reorder_classes).
    pub fn with_class_order(mut self, order: &[usize]) -> Model {
        let classes = self.config.num_classes;
        let mut sorted = order.to_vec();
        sorted.sort_unstable();
        assert!(
            sorted.iter().copied().eq(0..classes),
            "an order has each of {classes} classes once"
        );
        if order.is_sorted() {
            return self;
        }
        if let Some(Preparation { classes, .. }) = &mut self.config.preparation
            && !classes.is_empty()
        {
            *classes = order.iter().map(|&class| classes[class].clone()).collect();
        }
        self.head = match self.head {
            // Columns of the weight, [features, classes], and entries of the bias.
            Head::Linear(Linear { weight, bias }) => Head::Linear(Linear {
                weight: reordered(weight, order),
                bias: bias.map(|bias| reordered(bias, order)),
            }),
            Head::Detector(detector) => Head::Detector(detector.with_class_order(order)),
            Head::TBasis(_) => {
                panic!("the classes of {} have their order in its structure", self.config.name)
            }
        };
        self
    }

    /// Whether the classes can be put [into another order](Self::with_class_order): not where
    /// the classifier's weights are composed, by the places that they have.
    pub fn can_reorder_classes(&self) -> bool {
        !matches!(self.head, Head::TBasis(_))
    }
}

/// A parameter with the entries of its last dimension in another order.
fn reordered<const D: usize>(param: Param<Tensor<D>>, order: &[usize]) -> Param<Tensor<D>> {
    moved(param, |numbers| {
        let rows = numbers.chunks_exact(order.len());
        rows.flat_map(|row| order.iter().map(|&at| row[at])).collect()
    })
}

/// A parameter with the entries of its first dimension in another order.
pub(crate) fn rows_reordered<const D: usize>(
    param: Param<Tensor<D>>,
    order: &[usize],
) -> Param<Tensor<D>> {
    moved(param, |numbers| {
        let length = numbers.len() / order.len();
        order.iter().flat_map(|&at| &numbers[at * length..][..length]).copied().collect()
    })
}

/// A parameter with its numbers, row-major, at other places.
fn moved<const D: usize>(
    param: Param<Tensor<D>>,
    to: impl FnOnce(&[f32]) -> Vec<f32>,
) -> Param<Tensor<D>> {
    param.map(|values| {
        let (device, learns) = (values.device(), values.is_require_grad());
        let data = values.into_data();
        let numbers: Vec<f32> = data.iter::<f32>().collect();
        let data = TensorData::new(to(&numbers), data.shape().to_vec());
        Tensor::from_data(data, &device).set_require_grad(learns)
    })
}
