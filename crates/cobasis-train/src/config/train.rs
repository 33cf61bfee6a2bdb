//! `[train]`: how long, how many images at a time, and the loss.

use cobasis_data::choice::choices;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::{ConfigError, expect};
use super::schedule::{Moment, half_cosine};

choices! {
    /// Which filters the orthonormality penalty counts.
    PenaltyScope {
        /// As the authors' objective for the model: CIFAR-10 counts the unique filters too.
        Auto = "auto",
        /// The shared filters of each stage only.
        Shared = "shared",
        /// The shared filters and, against them and among themselves, the unique ones.
        SharedUnique = "shared+unique",
    }
}

choices! {
    /// How the weight of the penalty goes from `lambda` to `lambda_end`.
    LambdaSchedule {
        /// It stays at `lambda`.
        Constant = "constant",
        /// Along a line.
        Linear = "linear",
        /// Along half a cosine.
        Cosine = "cosine",
    }
}

/// How long to train, how many images at a time, and the loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Passes over the training images, at least 1.
    pub epochs: usize,
    /// Images of a batch, at least 1.
    pub batch: usize,
    /// Batches whose mean gradient makes a step, at least 1.
    pub accumulate: usize,
    /// Images of a validation step, at least 1; changes speed and memory, not the result.
    pub eval_batch: usize,
    /// Weight of the orthonormality penalty in the loss, at least 0.
    pub lambda: f64,
    /// How the weight goes from `lambda` to `lambda_end` over the run: constant, linear or cosine.
    pub lambda_schedule: LambdaSchedule,
    /// Weight of the penalty at the end of the run, at least 0; needs a `lambda_schedule`.
    pub lambda_end: Option<f64>,
    /// Which filters the penalty counts.
    pub penalty: PenaltyScope,
    /// Share of the target that is spread over all classes, at least 0 and below 1.
    pub label_smoothing: f64,
    /// Share of the features before the classifier that is dropped, at least 0 and below 1; the
    /// authors drop 0.2 in MobileNetV2s for ImageNet.
    pub dropout: f64,
    /// Share of the past in the moving average of the weights, below 1; 0 = no average. With one,
    /// it is the average that is judged after every epoch and saved as last and best model.
    pub ema: f64,
    /// Steps after which every epoch is cut short (smoke tests), at least 1; absent = never.
    pub max_steps: Option<usize>,
    /// Steps after which a checkpoint is written within an epoch too, at least 1; absent = only
    /// after every epoch.
    pub checkpoint_steps: Option<usize>,
    /// Whether mean and maximum of the gradients of the shared filters are written down for every
    /// epoch, in `gradient_flow.csv`.
    pub gradient_flow: bool,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            epochs: 300,
            batch: 256,
            accumulate: 1,
            eval_batch: 256,
            lambda: 10.0,
            lambda_schedule: LambdaSchedule::Constant,
            lambda_end: None,
            penalty: PenaltyScope::Auto,
            label_smoothing: 0.0,
            dropout: 0.0,
            ema: 0.0,
            max_steps: None,
            checkpoint_steps: None,
            gradient_flow: false,
        }
    }
}

impl TrainConfig {
    /// The weight of the penalty at a moment of the run.
    pub fn lambda_at(&self, at: Moment) -> f64 {
        let share = at.epochs_done() / at.epochs as f64;
        let end = self.lambda_end.unwrap_or(self.lambda);
        let left = match self.lambda_schedule {
            LambdaSchedule::Constant => return self.lambda,
            LambdaSchedule::Linear => 1.0 - share,
            LambdaSchedule::Cosine => half_cosine(share),
        };
        end + (self.lambda - end) * left
    }

    pub(super) fn full() -> Self {
        let one = Some(1);
        let lambda_end = Some(0.0);
        Self { max_steps: one, checkpoint_steps: one, lambda_end, ..Self::default() }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        expect("train.epochs", self.epochs, self.epochs >= 1, "at least 1")?;
        expect("train.batch", self.batch, self.batch >= 1, "at least 1 image")?;
        expect("train.accumulate", self.accumulate, self.accumulate >= 1, "at least 1 batch")?;
        expect("train.eval_batch", self.eval_batch, self.eval_batch >= 1, "at least 1 image")?;
        let weight = |key, weight: f64| {
            expect(key, weight, weight.is_finite() && weight >= 0.0, "a number of at least 0")
        };
        weight("train.lambda", self.lambda)?;
        self.lambda_end.map_or(Ok(()), |end| weight("train.lambda_end", end))?;
        let share = |key, share: f64| {
            expect(key, share, (0.0..1.0).contains(&share), "at least 0 and below 1")
        };
        share("train.label_smoothing", self.label_smoothing)?;
        share("train.dropout", self.dropout)?;
        share("train.ema", self.ema)?;
        if let Some(steps) = self.max_steps {
            expect("train.max_steps", steps, steps >= 1, "at least 1; leave it out for no limit")?;
        }
        if let Some(steps) = self.checkpoint_steps {
            let expected = "at least 1; leave it out for checkpoints after epochs only";
            expect("train.checkpoint_steps", steps, steps >= 1, expected)?;
        }
        Ok(())
    }

    /// Checks how the keys fit together.
    pub(super) fn check_together(&self) -> Result<(), ConfigError> {
        let constant = self.lambda_schedule == LambdaSchedule::Constant;
        match self.lambda_end {
            Some(_) if constant => {
                let expected = "linear or cosine, since there is train.lambda_end";
                expect("train.lambda_schedule", LambdaSchedule::Constant.as_str(), false, expected)
            }
            None if !constant => {
                let problem = "expected a number of at least 0 with a train.lambda_schedule, got \
                               nothing";
                Err(ConfigError::at("train.lambda_end", problem))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::PI;

    use super::*;

    #[test]
    fn the_penalty_fades_as_told() {
        let at = |epoch, steps| Moment { epoch, steps, steps_per_epoch: 2, epochs: 4 };
        let lambda = |lambda_schedule, at| {
            let lambda_end = Some(2.0);
            let config = TrainConfig { lambda_schedule, lambda_end, ..TrainConfig::default() };
            config.lambda_at(at)
        };
        for (schedule, expected) in [
            (LambdaSchedule::Constant, [10.0, 10.0, 10.0]),
            (LambdaSchedule::Linear, [10.0, 7.0, 6.0]),
            (LambdaSchedule::Cosine, [10.0, 2.0 + 4.0 * (1.0 + (0.375 * PI).cos()), 6.0]),
        ] {
            let got = [at(1, 0), at(2, 1), at(3, 0)].map(|at| lambda(schedule, at));
            for (got, expected) in got.into_iter().zip(expected) {
                assert!((got - expected).abs() < 1e-12, "{schedule}: {got} {expected}");
            }
        }
    }
}
