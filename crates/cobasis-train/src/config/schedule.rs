//! `[schedule]`: the learning rate over time.

use serde::{Deserialize, Serialize};

use super::error::{ConfigError, expect};

/// Steps down of the learning rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleConfig {
    /// Epochs, counted from 1, after which the learning rate is multiplied by `gamma`: strictly
    /// ascending; empty = a constant rate.
    pub milestones: Vec<usize>,
    /// Factor applied at each milestone, above 0 and at most 1.
    pub gamma: f64,
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self { milestones: vec![150, 225], gamma: 0.1 }
    }
}

impl ScheduleConfig {
    /// The learning rate of an epoch, counted from 1, that starts from the rate `lr`.
    pub fn rate(&self, lr: f64, epoch: usize) -> f64 {
        let passed = self.milestones.iter().filter(|&&milestone| epoch > milestone).count();
        (0..passed).fold(lr, |rate, _| rate * self.gamma)
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
        let gamma_fits = self.gamma > 0.0 && self.gamma <= 1.0;
        expect("schedule.gamma", self.gamma, gamma_fits, "a number above 0 and at most 1")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_falls_after_each_milestone() {
        let schedule = ScheduleConfig::default();
        let rates = [1, 150, 151, 225, 226, 300].map(|epoch| schedule.rate(0.1, epoch));
        let expected = [0.1, 0.1, 0.01, 0.01, 0.001, 0.001];
        for (rate, expected) in rates.into_iter().zip(expected) {
            assert!((rate - expected).abs() < 1e-15, "{rates:?}");
        }
    }
}
