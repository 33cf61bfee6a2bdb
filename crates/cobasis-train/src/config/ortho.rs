//! `[ortho]`: what keeps shared filters orthonormal.

use cobasis_data::choice::choices;
use cobasis_zoo::cobasis::ortho::{Constraint, Penalty};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::{ConfigError, at_least_0, count, expect};
use super::or_none::OrNone;
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

/// What keeps shared filters orthonormal: a penalty in the loss, a constraint applied after steps,
/// or both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OrthoConfig {
    /// The penalty in the loss: the paper's mean over all inner products, soft orthogonality (so),
    /// double soft orthogonality (dso), or none.
    pub penalty: OrNone<Penalty>,
    /// Which filters the penalty counts: auto = those of the authors' objective for the model.
    pub scope: PenaltyScope,
    /// Weight λ of the penalty in the loss, at least 0.
    pub lambda: f64,
    /// Schedule of the penalty's weight from `lambda` to `lambda_end` over the run: constant,
    /// linear or cosine.
    pub lambda_schedule: LambdaSchedule,
    /// Weight of the penalty at the end of the run, at least 0; needs a `lambda_schedule`.
    pub lambda_end: Option<f64>,
    /// Constraint that keeps the shared filters of a stage orthonormal to rounding: qr = a QR
    /// decomposition after the optimizer's step (retraction), with gradient and momentum projected
    /// to the tangent space; none = off.
    pub constraint: OrNone<Constraint>,
    /// Number of steps from one application of the constraint's QR decomposition to the next,
    /// counted within an epoch, at least 1.
    pub every: usize,
}

impl Default for OrthoConfig {
    fn default() -> Self {
        Self {
            penalty: OrNone(Some(Penalty::Mean)),
            scope: PenaltyScope::Auto,
            lambda: 10.0,
            lambda_schedule: LambdaSchedule::Constant,
            lambda_end: None,
            constraint: OrNone(None),
            every: 1,
        }
    }
}

impl OrthoConfig {
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
        Self { lambda_end: Some(0.0), ..Self::default() }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        at_least_0("ortho.lambda", self.lambda)?;
        self.lambda_end.map_or(Ok(()), |end| at_least_0("ortho.lambda_end", end))?;
        count("ortho.every", self.every, "at least 1 step")
    }

    /// Checks how the keys fit together.
    pub(super) fn check_together(&self) -> Result<(), ConfigError> {
        let constant = self.lambda_schedule == LambdaSchedule::Constant;
        match self.lambda_end {
            Some(_) if constant => {
                let expected = "linear or cosine, since there is ortho.lambda_end";
                expect("ortho.lambda_schedule", LambdaSchedule::Constant.as_str(), false, expected)
            }
            None if !constant => {
                let problem = "expected a number of at least 0 with an ortho.lambda_schedule, got \
                               nothing";
                Err(ConfigError::at("ortho.lambda_end", problem))
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
            let config = OrthoConfig { lambda_schedule, lambda_end, ..OrthoConfig::default() };
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
