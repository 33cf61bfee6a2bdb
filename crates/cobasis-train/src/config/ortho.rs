//! `[ortho]`: what keeps shared filters orthonormal.

use cobasis_data::choice::choices;
use cobasis_zoo::cobasis::ortho::{Constraint, Penalty};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::{ConfigError, above_0, at_least_0, count, expect};
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
        /// In the steps of SRIP's authors, to 0.
        Srip = "srip",
    }
}

/// SRIP's schedule: shares of the run, and by what the weight is multiplied after each.
///
/// Those of the authors' program for CIFAR, which multiplies its weight (0.01) by 1e-3, 1e-4 and 1e-6
/// after epochs 20, 50 and 70 of 200, and has none after 120.
const SRIP: [(f64, f64); 4] = [(0.1, 1e-3), (0.25, 1e-4), (0.35, 1e-6), (0.6, 0.0)];

/// What keeps shared filters orthonormal: a penalty in the loss, a constraint applied after steps,
/// or both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OrthoConfig {
    /// The penalty in the loss: the paper's mean over all inner products, soft orthogonality (so),
    /// double soft orthogonality (dso), mutual coherence by its largest entry (mc) or row sum
    /// (mc-rows), the squared spectral norm (srip), orthogonal convolutions (ocnn-rows) or kernels
    /// (ocnn-columns), or none.
    pub penalty: OrNone<Penalty>,
    /// Which filters the penalty counts: auto = those of the authors' objective for the model.
    pub scope: PenaltyScope,
    /// Weight λ of the penalty in the loss, at least 0.
    pub lambda: f64,
    /// Schedule of the penalty's weight from `lambda` to `lambda_end` over the run: constant,
    /// linear or cosine; or srip = `lambda` times 1, 1e-3, 1e-4, 1e-6 and 0 from 0, 10, 25, 35 and
    /// 60 % of the epochs on.
    pub lambda_schedule: LambdaSchedule,
    /// Weight of the penalty at the end of the run, at least 0; needs a `lambda_schedule` that is
    /// linear or cosine.
    pub lambda_end: Option<f64>,
    /// Constraint that keeps the shared filters of a stage orthonormal to rounding, moving them back
    /// after the optimizer's step, with gradient and momentum projected to the tangent space: qr = by a
    /// QR decomposition, polar = to the nearest orthonormal filters, cayley = along a curve of
    /// orthonormal filters; landing = steps that stay near and are attracted, moved back at the end of
    /// an epoch; band = singular values kept in a band around 1; none = off.
    pub constraint: OrNone<Constraint>,
    /// For band: how far singular values may be from 1, at least 0 and below 1.
    pub band: f64,
    /// For landing: weight of the attraction to orthonormal filters, above 0.
    pub attraction: f64,
    /// Number of steps from one time that the constraint moves filters back to the next, counted
    /// within an epoch, at least 1; for landing 1.
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
            band: 0.1,
            attraction: 1.0,
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
            LambdaSchedule::Srip => {
                // An epoch is of one weight: the share of the epochs before it counts.
                let before = (at.epoch - 1) as f64 / at.epochs as f64;
                let passed = SRIP.iter().rev().find(|(share, _)| before >= *share);
                return self.lambda * passed.map_or(1.0, |(_, factor)| *factor);
            }
        };
        end + (self.lambda - end) * left
    }

    pub(super) fn full() -> Self {
        Self { lambda_end: Some(0.0), ..Self::default() }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        at_least_0("ortho.lambda", self.lambda)?;
        self.lambda_end.map_or(Ok(()), |end| at_least_0("ortho.lambda_end", end))?;
        let width = (0.0..1.0).contains(&self.band);
        expect("ortho.band", self.band, width, "a number of at least 0 and below 1")?;
        above_0("ortho.attraction", self.attraction)?;
        count("ortho.every", self.every, "at least 1 step")
    }

    /// Checks how the keys fit together.
    pub(super) fn check_together(&self) -> Result<(), ConfigError> {
        if self.constraint.0.is_some_and(|constraint| !constraint.is_exact()) {
            let expected = format!(
                "1 with ortho.constraint = \"{}\", which acts in every step",
                self.constraint
            );
            expect("ortho.every", self.every, self.every == 1, &expected)?;
        }
        let schedule = self.lambda_schedule;
        let has_end = matches!(schedule, LambdaSchedule::Linear | LambdaSchedule::Cosine);
        match self.lambda_end {
            Some(_) if !has_end => {
                let expected = "linear or cosine, since there is ortho.lambda_end";
                expect("ortho.lambda_schedule", schedule.as_str(), false, expected)
            }
            None if has_end => {
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

    /// Epochs of 200, as the authors have them, and of a run of another length.
    #[test]
    fn srips_weight_falls_in_steps_of_epochs() {
        let config = OrthoConfig {
            lambda: 0.01,
            lambda_schedule: LambdaSchedule::Srip,
            ..OrthoConfig::default()
        };
        let at = |epochs, epoch| {
            config.lambda_at(Moment { epoch, steps: 3, steps_per_epoch: 4, epochs })
        };
        for (epoch, expected) in [
            (1, 1e-2),
            (20, 1e-2),
            (21, 1e-5),
            (50, 1e-5),
            (51, 1e-6),
            (70, 1e-6),
            (71, 1e-8),
            (120, 1e-8),
            (121, 0.0),
            (200, 0.0),
        ] {
            let got = at(200, epoch);
            assert!((got - expected).abs() <= 1e-12 * expected, "{epoch}: {got}");
        }
        assert_eq!([1, 2, 3].map(|epoch| at(10, epoch)), [1e-2, 1e-5, 1e-5]);
        assert_eq!([6, 7].map(|epoch| at(10, epoch)), [1e-8, 0.0]);
    }
}
