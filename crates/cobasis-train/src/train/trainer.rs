//! A model in training, step by step.

mod batch;
mod sum;

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::Device;
use cobasis_zoo::{Model, ModelConfig};

use crate::data::Batch;
use crate::error::Error;
use crate::run_dir::BasisGradient;
use crate::train::constraint::Constrained;
use crate::train::ema::Ema;
use crate::train::gradient_flow::basis_gradients;
use crate::train::gradients::clip;
use crate::train::joint::Joint;
use crate::train::learned_ranks::LearnedRanks;
use crate::train::objective::PenaltyTerm;
use crate::train::optimizer::{Groups, coding, optimizer, with_autoencoders};
use crate::train::ranks::Ranks;
use crate::train::task::TargetOf;
use crate::train::{Classification, Recipe, StepAt, StepReport, Task};
use sum::Sum;

/// A model, its optimizer and its task.
pub struct Trainer<T: Task = Classification> {
    model: Model,
    pub(crate) optimizer: ModuleOptimizer,
    pub(crate) ema: Option<Ema>,
    pub(crate) constrained: Option<Constrained>,
    ranks: Option<LearnedRanks>,
    /// The device of the model and those that compute batches beside it, each with its task.
    places: Vec<(Device, T)>,
    pub(crate) joint: Option<Joint>,
    penalty: PenaltyTerm,
    recipe: Recipe,
    /// The gradients of the bases at the last step, where they are asked for.
    basis_gradients: Option<Vec<BasisGradient>>,
}

impl<T: Task> Trainer<T> {
    /// A new model on the device's autodiff side, with the initial weights of the recipe's seed. All of
    /// it learns: what is to be frozen is for [`with_model`](Self::with_model).
    pub fn new(recipe: impl Into<Recipe>, model: &ModelConfig, device: &Device) -> Self {
        let (recipe, device) = (recipe.into(), device.clone().autodiff());
        let model = model.clone().with_seed(recipe.seed).init(&device);
        Self::with_model(recipe, model, device)
    }

    /// Starts from a given model, which must be on the autodiff device. What of it is
    /// [frozen](Model::frozen) stays as it is.
    pub fn with_model(recipe: impl Into<Recipe>, model: Model, device: Device) -> Self {
        let recipe = recipe.into();
        let optimizer = optimizer(&recipe.optimizer, Groups::of(&recipe.optimizer, &model));
        let optimizer = with_autoencoders(optimizer, &model, recipe.ranks.autoencoder_lr);
        let (optimizer, constrained) = Constrained::of(&recipe, &model, optimizer);
        Self {
            optimizer,
            constrained,
            ranks: LearnedRanks::of(&recipe, &model),
            ema: (recipe.ema > 0.0).then(|| {
                let frozen = model.frozen().into_iter().map(|tensor| tensor.id);
                Ema::new(recipe.ema, frozen)
            }),
            places: vec![(device.clone(), T::new(&recipe, &device))],
            joint: None,
            penalty: PenaltyTerm::new(&recipe.ortho, &model),
            basis_gradients: recipe.gradient_flow.then(Vec::new),
            recipe,
            model,
        }
    }

    /// Learns from a teacher too; see [`Task::with_teacher`].
    pub fn with_teacher(self, teacher: Model) -> Self {
        let taught = |(device, task): (Device, T)| {
            let teacher = teacher.clone().fork(&device.clone().inner());
            (device, task.with_teacher(teacher))
        };
        Self { places: self.places.into_iter().map(taught).collect(), ..self }
    }

    /// Computes batches on these devices too, in turn: of `n` devices, the model's included, the first has every
    /// `n`-th batch of a step from the first on, the second from the second on. To be called before
    /// [`with_teacher`](Self::with_teacher).
    pub fn with_devices(mut self, further: &[Device]) -> Self {
        for device in further {
            let device = device.clone().autodiff();
            let task = T::new(&self.recipe, &device);
            self.places.push((device, task));
        }
        self
    }

    /// Learns further tasks too. To be called before the first step.
    pub(crate) fn with_joint(mut self, joint: Joint) -> Self {
        let mut groups = Groups::of(&self.recipe.optimizer, &self.model);
        groups.add_norms(joint.parameters());
        self.optimizer = optimizer(&self.recipe.optimizer, groups);
        self.joint = Some(joint);
        self
    }

    /// The model as it is now.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The model that is judged and kept: the moving average, where there is one.
    pub fn judged(&self) -> &Model {
        let average = self.ema.as_ref().and_then(|ema| ema.model.as_ref());
        average.unwrap_or(&self.model)
    }

    /// The gradients of the bases at the last step, before any clipping; none where they are not
    /// asked for.
    pub(crate) fn basis_gradients(&self) -> &[BasisGradient] {
        self.basis_gradients.as_deref().unwrap_or_default()
    }

    /// One step of the optimizer along the mean gradient of some batches. Each is normalised by its own statistics;
    /// running ones are moved by the first batch.
    ///
    /// # Errors
    ///
    /// If the constraint on the bases can't be kept. Without one there is no error.
    pub fn step(
        &mut self,
        batches: &[Batch<TargetOf<T>>],
        at: StepAt,
    ) -> Result<StepReport<T::Score>, Error> {
        self.step_with(batches, &[], at)
    }

    /// The same with a batch of every further task, if there are some.
    pub(crate) fn step_with(
        &mut self,
        batches: &[Batch<TargetOf<T>>],
        further: &[Batch],
        at: StepAt,
    ) -> Result<StepReport<T::Score>, Error> {
        self.step_together(&Ranks::alone(), batches, further, at)
    }

    /// The same together with others: `batches` are this rank's of the step, in their order. Afterwards all ranks
    /// have the same model.
    ///
    /// # Errors
    ///
    /// As of [`step`](Self::step), and where the others can't be reached or have failed.
    pub(crate) fn step_together(
        &mut self,
        ranks: &Ranks,
        batches: &[Batch<TargetOf<T>>],
        further: &[Batch],
        at: StepAt,
    ) -> Result<StepReport<T::Score>, Error> {
        if let Some(ranks) = &mut self.ranks {
            self.model = ranks.before_step(self.model.clone(), at);
        }
        let sum = match ranks.count() {
            1 => self.sum(batches, at),
            _ => self.sum_over(ranks, batches, at)?,
        };
        let Sum { mut gradients, mut of_penalty, score, penalty, loss } = sum;
        let mut report = StepReport { step: at.step, score, penalty, loss, lr: at.lr };
        if let Some(joint) = &mut self.joint {
            report.loss += joint.add_gradients(&self.model, further, at, &mut gradients);
        }
        self.take_statistics(ranks)?;
        let mut gradients = gradients.grads();
        if let Some(sizes) = &mut self.basis_gradients {
            *sizes = basis_gradients(&self.model, &gradients, &of_penalty.grads());
        }
        if let Some(norm) = self.recipe.optimizer.clip_norm {
            // Autoencoders have a loss of their own.
            let coding = coding(&self.model);
            let tensors = self.model.tensors().into_iter();
            let tensors = tensors.filter(|tensor| !coding.contains(&tensor.id));
            let own = self.joint.iter().flat_map(Joint::parameters);
            let parameters: Vec<_> =
                tensors.map(|tensor| (tensor.id, tensor.shape.len())).chain(own).collect();
            gradients = clip(&parameters, gradients, norm);
        }
        let failed = |source| Error::Constraint { epoch: at.epoch, step: at.step, source };
        // A loss that is no number is told by whoever reads the report.
        let constrained = self.constrained.as_ref().filter(|_| report.loss.is_finite());
        let before = constrained.map(|bases| bases.tangent(&self.model, &mut gradients));
        let before = before.transpose().map_err(failed)?;
        let (optimizer, model) = (&mut self.optimizer, self.model.clone());
        self.model = match &mut self.joint {
            Some(joint) => joint.step(optimizer, at.lr, model, gradients),
            None => optimizer.step(at.lr, model, gradients),
        };
        if let (Some(bases), Some(before)) = (constrained, before) {
            self.model = bases.retract(at, before, self.model.clone()).map_err(failed)?;
        }
        if let Some(ranks) = &self.ranks {
            self.model = ranks.after_step(self.model.clone(), at);
        }
        if let Some(ema) = &mut self.ema {
            ema.update(&self.model);
            if let Some(ranks) = &self.ranks {
                ema.model = ema.model.take().map(|average| ranks.of_average(average));
            }
        }
        Ok(report)
    }

    /// Ends an epoch: bases that a constraint only kept near orthonormal filters are moved there. To be
    /// called before the model is judged; a second call changes nothing.
    ///
    /// # Errors
    ///
    /// If they can't be made orthonormal.
    pub fn end_epoch(&mut self, epoch: usize, steps: usize) -> Result<(), Error> {
        if let Some(bases) = &self.constrained {
            let failed = |source| Error::Constraint { epoch, step: steps, source };
            self.model = bases.end_epoch(self.model.clone()).map_err(failed)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
