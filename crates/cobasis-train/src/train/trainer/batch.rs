//! One batch of a step: its gradients, and what it came to.

use burn::optim::GradientsParams;
use burn::tensor::Device;
use cobasis_zoo::Model;
use serde::{Deserialize, Serialize};

use crate::data::{Batch, SplitMix64};
use crate::metrics::Scores;
use crate::tensors::host;
use crate::train::learned_ranks::LearnedRanks;
use crate::train::objective::PenaltyTerm;
use crate::train::task::Terms;
use crate::train::{Losses, StepAt, TargetOf, Task};

/// All of a trainer that the gradients of a batch depend on, beside the model.
pub(super) struct Minimised<'a, T> {
    pub(super) task: &'a T,
    pub(super) penalty: PenaltyTerm,
    pub(super) ranks: Option<&'a LearnedRanks>,
    pub(super) seed: u64,
    /// Whether the penalty's gradients are asked for apart.
    pub(super) apart: bool,
}

/// A batch's place in its step.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// Its number, from 0.
    pub(super) number: usize,
    /// Its share of the images.
    pub(super) share: f64,
    pub(super) at: StepAt,
}

/// What a batch came to: means over its images, the score aside.
#[derive(Serialize, Deserialize)]
pub(super) struct Part<S> {
    pub(super) penalty: f64,
    pub(super) loss: f64,
    pub(super) score: S,
}

/// A batch that was computed.
pub(super) struct Computed<S> {
    /// Weighted by the batch's share of the step.
    pub(super) gradients: GradientsParams,
    /// Those of the penalty alone, in the same way, where they are asked for and there are some.
    pub(super) of_penalty: Option<GradientsParams>,
    pub(super) part: Part<S>,
}

impl<S> Computed<S> {
    /// The gradients of a model's parameters on another device.
    pub(super) fn moved(self, device: &Device, model: &Model) -> Self {
        let to_device = |gradients: GradientsParams| gradients.to_device(device, model);
        let of_penalty = self.of_penalty.map(to_device);
        Self { gradients: to_device(self.gradients), of_penalty, part: self.part }
    }
}

impl<T: Task> Minimised<'_, T> {
    /// A batch through a model that is on the task's device.
    pub(super) fn compute(
        &self,
        model: &Model,
        batch: &Batch<TargetOf<T>>,
        place: Place,
    ) -> Computed<T::Score> {
        let (gradients, part) = self.backward(model, batch, place);
        Computed { gradients, of_penalty: self.penalty_gradients(model, place), part }
    }

    fn backward(
        &self,
        model: &Model,
        batch: &Batch<TargetOf<T>>,
        place: Place,
    ) -> (GradientsParams, Part<T::Score>) {
        let Place { share, at, .. } = place;
        let key = self.key(place);
        let Terms { output, loss, taught, plain } = self.task.terms(model, batch, key);
        let drawn = SplitMix64::keyed(&key).next_u64();
        let penalty = self.penalty.of(model, drawn);
        let losses = Losses { cross_entropy: loss, penalty };
        let total = losses.total(at.lambda);
        let total = match taught {
            Some(taught) => total + taught,
            None => total,
        };
        let coding = self.ranks.and_then(|ranks| ranks.loss(model));
        // The host can't sum it up from the scores.
        let plain = plain && coding.is_none();
        let total = match coding {
            Some(coding) => total + coding,
            None => total,
        };
        let part = if share < 1.0 { total.clone().mul_scalar(share) } else { total.clone() };
        let gradients = GradientsParams::from_grads(part.backward(), model);

        // Read after the gradients were asked for: a GPU would stand still at a read between.
        let mut score = T::Score::default();
        score.add_learnt(|| host(output.detach()), &batch.labels);
        let penalty = losses.penalty.map_or(0.0, |penalty| f64::from(host(penalty.detach())[0]));
        let plain = plain.then(|| score.losses()).and_then(|losses| losses.first().copied());
        let loss = match plain {
            Some((_, loss)) => loss + at.lambda * penalty,
            None => f64::from(host(total.detach())[0]),
        };
        (gradients, Part { penalty, loss, score })
    }

    /// What the draws of a batch are made from.
    fn key(&self, Place { number, at, .. }: Place) -> [u64; 4] {
        [self.seed, at.epoch as u64, at.step as u64, number as u64]
    }

    /// The gradients of the penalty alone, where they are asked for: the task's are what is left of the whole.
    fn penalty_gradients(&self, model: &Model, place: Place) -> Option<GradientsParams> {
        let Place { share, at, .. } = place;
        if !self.apart || at.lambda == 0.0 {
            return None;
        }
        let drawn = SplitMix64::keyed(&self.key(place)).next_u64();
        let penalty = self.penalty.of(model, drawn)?.mul_scalar(share * at.lambda);
        // Of frozen filters alone there is no gradient.
        penalty.is_tracked().then(|| GradientsParams::from_grads(penalty.backward(), model))
    }
}
