//! A model in training, step by step.

use burn::optim::{GradientsAccumulator, GradientsParams, ModuleOptimizer};
use burn::tensor::Device;
use cobasis_zoo::{Model, ModelConfig};

use crate::data::{Batch, SplitMix64};
use crate::error::Error;
use crate::metrics::Scores;
use crate::run_dir::BasisGradient;
use crate::tensors::host;
use crate::train::constraint::Constrained;
use crate::train::ema::Ema;
use crate::train::gradient_flow::basis_gradients;
use crate::train::gradients::clip;
use crate::train::joint::Joint;
use crate::train::learned_ranks::LearnedRanks;
use crate::train::objective::PenaltyTerm;
use crate::train::optimizer::{Groups, coding, optimizer, with_autoencoders};
use crate::train::task::{TargetOf, Terms};
use crate::train::{Classification, Losses, Recipe, StepAt, StepReport, Task};

/// A model, its optimizer and its task.
pub struct Trainer<T: Task = Classification> {
    model: Model,
    pub(crate) optimizer: ModuleOptimizer,
    pub(crate) ema: Option<Ema>,
    pub(crate) constrained: Option<Constrained>,
    ranks: Option<LearnedRanks>,
    task: T,
    pub(crate) joint: Option<Joint>,
    penalty: PenaltyTerm,
    recipe: Recipe,
    /// The gradients of the bases at the last step, where they are asked for.
    basis_gradients: Option<Vec<BasisGradient>>,
}

/// What a batch came to: means over its images, the score aside.
struct Part<S> {
    score: S,
    penalty: f64,
    loss: f64,
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
            task: T::new(&recipe, &device),
            joint: None,
            penalty: PenaltyTerm::new(&recipe.ortho, &model),
            basis_gradients: recipe.gradient_flow.then(Vec::new),
            recipe,
            model,
        }
    }

    /// Learns from a teacher too; see [`Task::with_teacher`].
    pub fn with_teacher(self, teacher: Model) -> Self {
        Self { task: self.task.with_teacher(teacher), ..self }
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

    /// One step of the optimizer along the mean gradient of some batches.
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
        let images: usize = batches.iter().map(|batch| batch.labels.len()).sum();
        let mut report = StepReport {
            step: at.step,
            score: T::Score::default(),
            penalty: 0.0,
            loss: 0.0,
            lr: at.lr,
        };
        if let Some(ranks) = &mut self.ranks {
            self.model = ranks.before_step(self.model.clone(), at);
        }
        let mut sum = GradientsAccumulator::new();
        let mut of_penalty = GradientsAccumulator::new();
        for (number, batch) in batches.iter().enumerate() {
            let share = batch.labels.len() as f64 / images as f64;
            let (gradients, part) = self.backward(batch, number, share, at);
            sum.accumulate(&self.model, gradients);
            if let Some(gradients) = self.penalty_gradients(number, share, at) {
                of_penalty.accumulate(&self.model, gradients);
            }
            report.score += part.score;
            report.penalty += share * part.penalty;
            report.loss += share * part.loss;
        }
        if let Some(joint) = &mut self.joint {
            report.loss += joint.add_gradients(&self.model, further, at, &mut sum);
        }
        let mut gradients = sum.grads();
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

    /// The gradients of one batch, which is the given share of the step, and what it came to.
    fn backward(
        &self,
        batch: &Batch<TargetOf<T>>,
        number: usize,
        share: f64,
        at: StepAt,
    ) -> (GradientsParams, Part<T::Score>) {
        let key = self.key(number, at);
        let Terms { output, loss, taught, plain } = self.task.terms(&self.model, batch, key);
        let drawn = SplitMix64::keyed(&key).next_u64();
        let penalty = self.penalty.of(&self.model, drawn);
        let losses = Losses { cross_entropy: loss, penalty };
        let total = losses.total(at.lambda);
        let total = match taught {
            Some(taught) => total + taught,
            None => total,
        };
        let coding = self.ranks.as_ref().and_then(|ranks| ranks.loss(&self.model));
        // The host can't sum it up from the scores.
        let plain = plain && coding.is_none();
        let total = match coding {
            Some(coding) => total + coding,
            None => total,
        };
        let part = if share < 1.0 { total.clone().mul_scalar(share) } else { total.clone() };
        let gradients = GradientsParams::from_grads(part.backward(), &self.model);

        // Read after the gradients were asked for: a GPU would stand still at a read between.
        let mut score = T::Score::default();
        score.add_learnt(|| host(output.detach()), &batch.labels);
        let penalty = losses.penalty.map_or(0.0, |penalty| f64::from(host(penalty.detach())[0]));
        let plain = plain.then(|| score.losses()).and_then(|losses| losses.first().copied());
        let loss = match plain {
            Some((_, loss)) => loss + at.lambda * penalty,
            None => f64::from(host(total.detach())[0]),
        };
        (gradients, Part { score, penalty, loss })
    }

    /// What the draws of a batch are made from.
    fn key(&self, number: usize, at: StepAt) -> [u64; 4] {
        [self.recipe.seed, at.epoch as u64, at.step as u64, number as u64]
    }

    /// The gradients of the penalty alone, weighted as in the batch of this number, where the gradients
    /// of the bases are asked for: the task's are what is left of the whole.
    fn penalty_gradients(&self, number: usize, share: f64, at: StepAt) -> Option<GradientsParams> {
        if self.basis_gradients.is_none() || at.lambda == 0.0 {
            return None;
        }
        let drawn = SplitMix64::keyed(&self.key(number, at)).next_u64();
        let penalty = self.penalty.of(&self.model, drawn)?.mul_scalar(share * at.lambda);
        // Of frozen filters alone there is no gradient.
        penalty.is_tracked().then(|| GradientsParams::from_grads(penalty.backward(), &self.model))
    }
}

#[cfg(test)]
mod tests;
