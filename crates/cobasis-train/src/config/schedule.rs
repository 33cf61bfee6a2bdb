//! `[schedule]`: the learning rate over time.

use std::f64::consts::PI;

use cobasis_data::choice::choices;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::{ConfigError, above_0, at_least_0, expect};

choices! {
    /// How the learning rate falls.
    ScheduleKind {
        /// Multiplied by a factor at each milestone.
        MultiStep = "multi-step",
        /// Cosine annealing to `min_lr` at the end of the run.
        Cosine = "cosine",
        /// Constant.
        Constant = "constant",
    }
}

/// Learning rate schedule and warm-up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleConfig {
    /// Learning rate schedule: multi-step, cosine or constant.
    pub kind: ScheduleKind,
    /// For multi-step: epochs (counted from 1) after which the learning rate is multiplied by
    /// `gamma`, strictly ascending; empty = a constant learning rate.
    pub milestones: Vec<usize>,
    /// For multi-step: factor applied to the learning rate at each milestone, above 0 and at most
    /// 1.
    pub gamma: f64,
    /// For multi-step: one factor per milestone instead of `gamma`, each above 0 and at most 1;
    /// empty = `gamma`.
    pub factors: Vec<f64>,
    /// For cosine: learning rate at the end of the run, at least 0 and at most `optimizer.lr`.
    pub min_lr: f64,
    /// Linear warm-up: number of epochs over which the learning rate rises, step by step, from
    /// `warmup_start` times its value; 0 = none. A cosine schedule starts after the warm-up.
    pub warmup_epochs: usize,
    /// Factor of the learning rate at the start of the warm-up, at least 0 and at most 1.
    pub warmup_start: f64,
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self {
            kind: ScheduleKind::MultiStep,
            milestones: vec![150, 225],
            gamma: 0.1,
            factors: Vec::new(),
            min_lr: 0.0,
            warmup_epochs: 0,
            warmup_start: 0.01,
        }
    }
}

/// A moment of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment {
    /// The epoch, counted from 1.
    pub epoch: usize,
    /// Steps of the epoch that are done.
    pub steps: usize,
    /// Steps of an epoch.
    pub steps_per_epoch: usize,
    /// Epochs of the run.
    pub epochs: usize,
}

impl Moment {
    /// Epochs that are done, with the part of the one at hand.
    pub(crate) fn epochs_done(self) -> f64 {
        (self.epoch - 1) as f64 + self.steps as f64 / self.steps_per_epoch.max(1) as f64
    }
}

/// From 1 to 0 along half a cosine, while `share` goes from 0 to 1.
pub(crate) fn half_cosine(share: f64) -> f64 {
    0.5 * (1.0 + (PI * share).cos())
}

impl ScheduleConfig {
    /// The learning rate of the step that begins at this moment, for a schedule that starts from
    /// the rate `lr`.
    pub fn rate(&self, lr: f64, at: Moment) -> f64 {
        let warmup = self.warmup_epochs as f64;
        let done = at.epochs_done();
        if done < warmup {
            let start = self.warmup_start;
            return self.stepped(lr, at.epoch) * (start + (1.0 - start) * done / warmup);
        }
        match self.kind {
            ScheduleKind::Constant => lr,
            ScheduleKind::MultiStep => self.stepped(lr, at.epoch),
            ScheduleKind::Cosine => {
                let share = (done - warmup) / (at.epochs as f64 - warmup);
                self.min_lr + (lr - self.min_lr) * half_cosine(share)
            }
        }
    }

    fn stepped(&self, lr: f64, epoch: usize) -> f64 {
        if self.kind != ScheduleKind::MultiStep {
            return lr;
        }
        let passed = self.milestones.iter().filter(|&&milestone| epoch > milestone).count();
        let factor = |index: usize| self.factors.get(index).copied().unwrap_or(self.gamma);
        (0..passed).fold(lr, |rate, index| rate * factor(index))
    }

    pub(super) fn full() -> Self {
        Self { factors: vec![0.1, 0.1], ..Self::default() }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let mut before = 0;
        for (i, &epoch) in self.milestones.iter().enumerate() {
            let expected = match i {
                0 => "at least 1".to_owned(),
                _ => format!("an epoch above the one before it ({before})"),
            };
            expect(format!("schedule.milestones[{i}]"), epoch, epoch > before, &expected)?;
            before = epoch;
        }
        let factor = |key: String, factor: f64| {
            let expected = "a number above 0 and at most 1";
            expect(key.as_str(), factor, factor > 0.0 && factor <= 1.0, expected)?;
            above_0(key, factor)
        };
        factor("schedule.gamma".to_owned(), self.gamma)?;
        for (i, &number) in self.factors.iter().enumerate() {
            factor(format!("schedule.factors[{i}]"), number)?;
        }
        at_least_0("schedule.min_lr", self.min_lr)?;
        let start_fits = (0.0..=1.0).contains(&self.warmup_start);
        expect("schedule.warmup_start", self.warmup_start, start_fits, "at least 0 and at most 1")
    }

    /// Checks how the keys fit together and to the length of the run.
    pub(super) fn check_together(&self, lr: f64, epochs: usize) -> Result<(), ConfigError> {
        let (milestones, factors) = (self.milestones.len(), self.factors.len());
        let fits = factors == 0 || factors == milestones;
        let expected = format!("none or as many as schedule.milestones ({milestones})");
        expect("schedule.factors", &self.factors, fits, &expected)?;
        let expected = format!("at most optimizer.lr ({lr:?})");
        expect("schedule.min_lr", self.min_lr, self.min_lr <= lr, &expected)?;
        let warmup = self.warmup_epochs;
        let expected = format!("fewer epochs than train.epochs ({epochs})");
        expect("schedule.warmup_epochs", warmup, warmup == 0 || warmup < epochs, &expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(epoch: usize, steps: usize) -> Moment {
        Moment { epoch, steps, steps_per_epoch: 4, epochs: 5 }
    }

    fn assert_close(got: f64, expected: f64) {
        assert!((got - expected).abs() < 1e-12, "{got} is not {expected}");
    }

    #[test]
    fn the_rate_falls_after_each_milestone() {
        let schedule = ScheduleConfig::default();
        let rates = [1, 150, 151, 225, 226, 300].map(|epoch| schedule.rate(0.1, at(epoch, 3)));
        for (rate, expected) in rates.into_iter().zip([0.1, 0.1, 0.01, 0.01, 0.001, 0.001]) {
            assert_close(rate, expected);
        }
        let schedule = ScheduleConfig { factors: vec![0.1, 0.5], ..schedule };
        assert_close(schedule.rate(0.1, at(226, 0)), 0.005);
    }

    /// `SequentialLR([LinearLR(o, 0.25, 1, 8), CosineAnnealingLR(o, 12, eta_min=0.02)], [8])` in
    /// PyTorch, for a rate of 0.4.
    #[test]
    fn warm_up_and_cosine_are_pytorchs() {
        let kind = ScheduleKind::Cosine;
        let (min_lr, warmup_epochs, warmup_start) = (0.02, 2, 0.25);
        let cosine =
            ScheduleConfig { kind, min_lr, warmup_epochs, warmup_start, ..Default::default() };
        for (step, expected) in PYTORCH_COSINE.into_iter().enumerate() {
            assert_close(cosine.rate(0.4, at(1 + step / 4, step % 4)), expected);
        }
        let constant = ScheduleConfig { kind: ScheduleKind::Constant, ..cosine };
        assert_close(constant.rate(0.4, at(1, 2)), PYTORCH_COSINE[2]);
        assert_close(constant.rate(0.4, at(5, 3)), 0.4);
    }

    #[rustfmt::skip]
    const PYTORCH_COSINE: [f64; 20] = [
        0.1, 0.1375, 0.175, 0.2125, 0.25, 0.2875, 0.325, 0.3625,
        0.4, 0.39352590699492296, 0.3745448267190434, 0.344350288425444,
        0.305, 0.25917561856947896, 0.21, 0.16082438143052108,
        0.115, 0.075649711574556, 0.04545517328095665, 0.026474093005077044,
    ];
}
