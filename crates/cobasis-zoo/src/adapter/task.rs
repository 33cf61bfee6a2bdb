//! Tasks on their own, to train several with one base.

use burn::module::Module;

use super::{Adapter, AdapterError};
use crate::config::ModelConfig;
use crate::files;
use crate::head::Head;
use crate::model::Model;

/// What is a task's of a model: its classifier and, if it is adapted, its adapter. Of a model that is not, the task is
/// that for which it was trained, with batch norms that are the network's.
///
/// It is a module of its own. To train a base and several tasks together, the tasks take turns in one model: the
/// gradients of its banks and filters are summed over the tasks, and an optimizer moves the base once, then each task.
///
/// ```
/// use burn::module::Module;
/// use burn::optim::{GradientsAccumulator, GradientsParams, SgdConfig};
/// use burn::tensor::{Device, Tensor};
/// use cobasis_zoo::{AdapterKind, ModelConfig};
///
/// let device = Device::flex().autodiff();
/// let mut base = ModelConfig::new("digits/resnet14-s4u1".parse()?).init(&device);
/// let mut tasks = Vec::new();
/// for classes in [3, 5] {
///     tasks.push(base.clone().with_adapter(AdapterKind::Unique { stages: None }, classes)?.into_task());
/// }
///
/// let (mut sgd, before) = (SgdConfig::new().init(), base.state());
/// let mut of_base = GradientsAccumulator::new();
/// for task in &mut tasks {
///     // The base's own task waits outside while another one is done.
///     let (model, own) = base.with_task(task.clone())?;
///     let logits = model.forward(Tensor::ones([2, 1, 8, 8], &device));
///     let mut gradients = logits.powi_scalar(2).sum().backward();
///     let of_task = GradientsParams::from_module(&mut gradients, task);
///     *task = SgdConfig::new().init().step(0.1, task.clone(), of_task);
///     of_base.accumulate(&model, GradientsParams::from_grads(gradients, &model));
///     base = model.with_task(own)?.0;
/// }
/// base = sgd.step(0.1, base, of_base.grads());
/// assert_ne!(base.state(), before);
///
/// // What the base has become is what the tasks are for.
/// let task = tasks.remove(0).on(&base);
/// let bytes = cobasis_zoo::files::task_to_bytes(&base.clone().with_task(task)?.0)?;
/// assert!(cobasis_zoo::files::task_from_bytes(base, &bytes).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Module, Debug)]
pub struct Task {
    /// The classifier.
    pub head: Head,
    /// What there is in the place of the base's filters and batch norms.
    pub adapter: Option<Adapter>,
    /// The configuration of the model that it is a task of.
    #[module(skip)]
    config: ModelConfig,
}

impl Task {
    /// The task for a base that has other numbers than the one that it was made for, such as the same one after
    /// training.
    pub fn on(mut self, base: &Model) -> Task {
        if let Some(adapter) = &mut self.config.adapter {
            adapter.base_sha256 = files::sha256(base);
            adapter.base_classes = base.config.num_classes;
        }
        self
    }

    /// The configuration of a model that does it.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }
}

impl Model {
    /// The task of the model.
    pub fn into_task(self) -> Task {
        Task { head: self.head, adapter: self.adapter, config: self.config }
    }

    /// The model with another task in the place of its own, and that one. What is the network's stays as it is, and so
    /// does whether that is frozen.
    ///
    /// # Errors
    ///
    /// If the task is of another network.
    pub fn with_task(mut self, task: Task) -> Result<(Model, Task), AdapterError> {
        let network = |config: &ModelConfig| {
            let ModelConfig { name, in_channels, variant, norms, .. } = config.clone();
            (name, in_channels, variant, norms)
        };
        if network(&task.config) != network(&self.config) {
            let (task, model) = (Box::new(task.config.name), Box::new(self.config.name));
            return Err(AdapterError::OtherNetwork { task, model });
        }
        let own = Task {
            head: std::mem::replace(&mut self.head, task.head),
            adapter: std::mem::replace(&mut self.adapter, task.adapter),
            config: std::mem::replace(&mut self.config, task.config),
        };
        Ok((self, own))
    }
}
