//! Many tasks on one frozen network: what a task has of its own, and the network without it.
//!
//! A base is trained once. A task then has a classifier and a small [`Adapter`]: batch norms, modulators that compute
//! its filters from the base's, or, on a shared basis, unique filters of its own. The base's numbers stay what they
//! are, so that a [task file](crate::files::save_task) holds the task's alone, a few kilobytes, and names its base by
//! its SHA-256.
//!
//! | kind | a convolution's filters | batch norms |
//! | --- | --- | --- |
//! | `head` | the base's | the base's |
//! | `norms` | the base's | the task's |
//! | [`film`](Film) | `(1 + gₒ) W`, and a summand `bₒ` | the base's |
//! | [`rank1`](Rank) | `W (1 + v ⊗ u)` | the task's |
//! | [`mask`](Mask) | `W (1 + M)` | the task's |
//! | [`mix`](Mix) | `(1 + D) W[o, i, :]` | the task's |
//! | [`mlp`](Mlp) | `W[o, i, :] + MLP(W[o, i, :])` | the task's |
//! | [`unique`](Unique) | unique filters of the task's, shared ones of the base's | the task's |
//! | `full` | the task's | the task's |
//!
//! Modulators are for every convolution of the network, the stem's and those of shortcuts too: of the `k×k` filters on
//! a basis, own and shared ones together, and of coefficients. At their start adapters change nothing, to the last
//! bit. [Deployed](crate::Model::deploy), an adapted network has its filters composed once, and takes the
//! multiply-accumulates of its base.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use cobasis_zoo::{AdapterKind, ModelConfig, files};
//!
//! let device = Device::flex();
//! let base = ModelConfig::new("digits/resnet14-s8u1".parse()?).init(&device);
//! let model = base.clone().with_adapter(AdapterKind::Unique { stages: None }, 3)?;
//! let images = Tensor::ones([2, 1, 8, 8], &device);
//! assert_eq!(model.forward(images.clone()).dims(), [2, 3]);
//! assert_eq!(model.pooled(images.clone()).into_data(), base.pooled(images).into_data());
//!
//! // Train it as any other model: what is frozen gets no gradient. Then its file has what is the task's.
//! let bytes = files::task_to_bytes(&model)?;
//! assert!(bytes.len() < files::to_bytes(&base).len());
//! let (same, _) = files::task_from_bytes(base, &bytes)?;
//! assert_eq!(same.state(), model.state());
//!
//! let count = model.adapter_count().expect("an adapted model");
//! assert_eq!(count.layers, 2 * 9 * (16 + 2 * 32 + 4 * 64)); // two layers a stage, of 1, 2 and 4 unique filters
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Task`] takes tasks out of models and puts them into others, to train several and their base together.

mod adapting;
mod count;
mod error;
mod film;
mod kind;
mod mask;
mod mix;
mod mlp;
mod modulator;
mod places;
mod rank;
mod sites;
mod start;
mod task;
mod unique;

use burn::module::Module;
use burn::nn::BatchNorm;
use burn::tensor::Device;
use cobasis::Place;

pub(crate) use adapting::Adapting;
pub use count::AdapterCount;
pub use error::AdapterError;
pub use film::Film;
pub use kind::{AdapterConfig, AdapterKind, AdapterKindError};
pub use mask::Mask;
pub use mix::Mix;
pub use mlp::Mlp;
pub use modulator::LayerAdapter;
pub(crate) use places::AdapterNames;
pub use rank::Rank;
pub use task::Task;
pub use unique::Unique;

use crate::files;
use crate::init::initialise_adapter;
use crate::model::Model;
use crate::name::ModelName;
use sites::Sites;

/// What a task has in the place of a base's filters and batch norms.
///
/// In files, `adapter.` and the place of a layer stand before the names of its tensors:
/// `adapter.stages.1.blocks.0.conv1.v`.
#[derive(Module, Debug)]
pub struct Adapter {
    /// What there is for convolutions, in the order of the computation.
    pub layers: Vec<LayerAdapter>,
    /// The task's batch norms, in the order of the computation.
    pub norms: Vec<BatchNorm>,
    /// Where they are.
    #[module(skip)]
    places: AdapterNames,
    #[module(skip)]
    kind: AdapterKind,
}

impl Adapter {
    /// The adapter of a kind for a model that has none, without numbers.
    fn new(kind: AdapterKind, model: &Model, device: &Device) -> Self {
        let mut sites = Sites::of(kind);
        model.visit_network(&mut sites);
        let (layer_places, layers) = sites
            .convs
            .into_iter()
            .map(|(place, shape)| (place, LayerAdapter::new(kind, shape, device)))
            .unzip();
        let (norm_places, norms) =
            sites.norms.into_iter().map(|(place, config)| (place, config.init(device))).unzip();
        Self { layers, norms, places: AdapterNames::new(layer_places, norm_places), kind }
    }

    /// What the task has for the convolution at a place.
    fn layer(&self, at: &Place) -> Option<&LayerAdapter> {
        self.places.layers.number(at).map(|number| &self.layers[number])
    }

    /// The task's batch norm at a place.
    fn norm(&self, at: &Place) -> Option<&BatchNorm> {
        self.places.norms.number(at).map(|number| &self.norms[number])
    }

    /// Refuses to be without what its kind is about.
    fn check(&self, name: &ModelName) -> Result<(), AdapterError> {
        let kind = self.kind;
        match kind {
            AdapterKind::Unique { .. } if self.layers.is_empty() => {
                Err(AdapterError::NoUniqueFilters { model: Box::new(name.clone()), kind })
            }
            _ => Ok(()),
        }
    }

    fn modulates(&self) -> bool {
        self.kind.modulates()
    }

    /// The names in files of its tensors.
    pub(crate) fn names(&self) -> &AdapterNames {
        &self.places
    }
}

impl Model {
    /// The model as the frozen base of a task: with an adapter that changes nothing yet, a new classifier for
    /// `num_classes` classes, and no gradients for what is the base's. Both are drawn from the model's seed.
    ///
    /// Of `full`, everything has gradients. An adapted model is trained, deployed and exported like any other;
    /// [`save_task`](crate::files::save_task) writes what is the task's.
    ///
    /// # Errors
    ///
    /// If the model has an adapter, or can't have one of this kind.
    ///
    /// # Panics
    ///
    /// Panics without classes.
    pub fn with_adapter(
        self,
        kind: AdapterKind,
        num_classes: usize,
    ) -> Result<Model, AdapterError> {
        if let Some(adapter) = &self.config.adapter {
            return Err(AdapterError::Adapted { kind: adapter.kind });
        }
        kind.check(&self.config.name)?;
        let config = AdapterConfig {
            kind,
            base_sha256: files::sha256(&self),
            base_classes: self.config.num_classes,
        };
        let adapter = Adapter::new(kind, &self, &self.head.device());
        adapter.check(&self.config.name)?;
        let adapter = initialise_adapter(adapter, self.config.seed);
        let adapter = start::as_the_base(adapter, &self);
        let mut model = self.with_new_head(num_classes);
        model.config.adapter = Some(config);
        model.adapter = Some(adapter);
        Ok(model.with_frozen_base())
    }

    /// The model with the adapter of its configuration, if it has one, without numbers.
    pub(crate) fn with_configured_adapter(mut self, device: &Device) -> Model {
        let Some(config) = &self.config.adapter else { return self };
        self.adapter = Some(Adapter::new(config.kind, &self, device));
        self.with_frozen_base()
    }

    /// The model with what is its base's frozen, if it is adapted.
    fn with_frozen_base(self) -> Model {
        match &self.config.adapter {
            None | Some(AdapterConfig { kind: AdapterKind::Full, .. }) => self,
            Some(_) => self.with_frozen(&["backbone"]).expect("every network has tensors"),
        }
    }
}

impl AdapterKind {
    /// Whether a network of this name can have such an adapter, as far as the name says.
    ///
    /// # Errors
    ///
    /// If training finds the network's ranks.
    pub(crate) fn check(self, name: &ModelName) -> Result<(), AdapterError> {
        match self {
            AdapterKind::Head | AdapterKind::Norms | AdapterKind::Full => Ok(()),
            _ if name.weight_limit().is_none() => Ok(()),
            kind => Err(AdapterError::LearnedRanks { model: Box::new(name.clone()), kind }),
        }
    }
}
