//! How large a task is beside its base.

use burn::nn::BatchNorm;
use burn::tensor::Device;
use cobasis::{ParameterCount, Place};

use super::AdapterError;
use super::kind::{AdapterConfig, AdapterKind};
use crate::banks::Scope;
use crate::config::ModelConfig;
use crate::model::Model;
use crate::visit::Visit;

/// The numbers that are a task's, and those of its base.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdapterCount {
    /// Parameters of modulators, or unique filters; of `full`, all filters.
    pub layers: u64,
    /// Weights and biases of the task's batch norms.
    pub norms: u64,
    /// Running means and variances of the task's batch norms, those of a detector's head among them.
    pub statistics: u64,
    /// Parameters of the task's classifier, or of a detector's neck and head with the bank that they share.
    pub head: u64,
    /// Parameters of the base's filters, each bank once: of all that is neither batch norm nor classifier.
    pub base_filters: u64,
    /// Trainable parameters of the base, its classifier among them.
    pub base: u64,
}

impl AdapterCount {
    /// What the task has to train beside its classifier, whose size is a matter of its classes: layers and batch
    /// norms.
    pub fn adapter(&self) -> u64 {
        self.layers + self.norms
    }

    /// All numbers of the task, which its file holds.
    pub fn stored(&self) -> u64 {
        self.adapter() + self.statistics + self.head
    }

    /// Per cent that [`adapter`](Self::adapter) is of the base's trainable parameters.
    pub fn percent(&self) -> f64 {
        100.0 * self.adapter() as f64 / self.base as f64
    }

    /// Per cent that modulators or unique filters are of the base's filters.
    pub fn percent_of_filters(&self) -> f64 {
        100.0 * self.layers as f64 / self.base_filters as f64
    }
}

impl Model {
    /// The numbers that are the task's; `None` where the model is not [adapted](Self::with_adapter).
    pub fn adapter_count(&self) -> Option<AdapterCount> {
        let config = self.config.adapter.as_ref()?;
        let adapter = self.adapter.as_ref()?;
        let network = ParameterCount::of(&self.network).trainable;
        let banks = |of_head: bool| -> u64 {
            let banks =
                self.banks.iter().filter(|(_, bank)| (bank.scope == Scope::Head) == of_head);
            banks.map(|(_, bank)| bank.shape.iter().product::<usize>() as u64).sum()
        };
        let mut base_norms = Norms::default();
        self.visit_network(&mut base_norms);
        let Norms(base_norms) = base_norms;
        let base_filters = network + banks(false) - base_norms.trainable;
        let layers = ParameterCount::of(&adapter.layers);
        let norms = ParameterCount::of(&adapter.norms);
        let head = ParameterCount::of(&self.head);
        let base =
            ModelConfig { adapter: None, num_classes: config.base_classes, ..self.config.clone() };
        let base = ParameterCount::of(&base.skeleton(&self.head.device())).trainable;
        let (layers, norms) = match config.kind {
            AdapterKind::Full => (base_filters, base_norms),
            _ => (layers.trainable, norms),
        };
        Some(AdapterCount {
            layers,
            norms: norms.trainable,
            statistics: norms.buffers + head.buffers,
            head: head.trainable + banks(true),
            base_filters,
            base,
        })
    }
}

/// The numbers of a network's batch norms.
#[derive(Default)]
struct Norms(ParameterCount);

impl Visit for Norms {
    fn norm(&mut self, _: &Place, norm: &BatchNorm) {
        self.0 += ParameterCount::of(norm);
    }
}

impl AdapterKind {
    /// How large an adapter of this kind for `num_classes` classes is beside its base, without any numbers.
    ///
    /// ```
    /// use burn::tensor::Device;
    /// use cobasis_zoo::{AdapterKind, ModelConfig};
    ///
    /// let base = ModelConfig::new("cifar10/resnet20".parse()?);
    /// let count = AdapterKind::Mix.count(&base, 10, &Device::flex())?;
    /// assert_eq!((count.layers, count.base_filters), (1_539, 267_696));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Model::with_adapter`].
    pub fn count(
        self,
        base: &ModelConfig,
        num_classes: usize,
        device: &Device,
    ) -> Result<AdapterCount, AdapterError> {
        if let Some(AdapterConfig { kind, .. }) = base.adapter {
            return Err(AdapterError::Adapted { kind });
        }
        self.check(&base.name)?;
        let adapter = AdapterConfig {
            kind: self,
            base_sha256: String::new(),
            base_classes: base.num_classes,
        };
        let config = ModelConfig { adapter: Some(adapter), num_classes, ..base.clone() };
        let model = config.skeleton(device);
        model.adapter.iter().try_for_each(|adapter| adapter.check(&base.name))?;
        Ok(model.adapter_count().expect("an adapted model"))
    }
}
