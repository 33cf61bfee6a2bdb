//! One configuration with several seeds: runs in directories of their own, and what they come to
//! together.

use std::path::Path;

use serde::Serialize;

use crate::config::Config;
use crate::device::DeviceName;
use crate::error::Error;
use crate::run_dir::{Summary, write_json};
use crate::train::{Outcome, Watch, run};

/// What the runs of several seeds come to.
#[derive(Clone, Debug, Serialize)]
pub struct SeedsSummary {
    /// The model's name.
    pub model: String,
    /// Which images chose the best epochs.
    pub split: &'static str,
    /// Top-1 accuracy on the test images after the last epoch.
    pub last_test_top1: Spread,
    /// Top-1 accuracy on the test images after the best epoch of each run; optimistic where the
    /// test set chose it.
    pub best_test_top1: Spread,
    /// The runs.
    pub runs: Vec<Summary>,
}

/// A mean over runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// The standard deviation of a sample, divided by `n - 1`; absent for one run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub std: Option<f64>,
    /// The number of runs.
    pub n: usize,
}

impl Spread {
    /// The spread of some numbers, at least one.
    pub fn of(numbers: &[f64]) -> Self {
        let n = numbers.len();
        let mean = numbers.iter().sum::<f64>() / n as f64;
        let squares: f64 = numbers.iter().map(|number| (number - mean).powi(2)).sum();
        let std = (n > 1).then(|| (squares / (n - 1) as f64).sqrt());
        Self { mean, std, n }
    }
}

/// How runs of several seeds ended.
#[derive(Clone, Debug)]
pub enum SeedsOutcome {
    /// All are done.
    Finished(Box<SeedsSummary>),
    /// One was interrupted; the same call resumes it.
    Interrupted(Outcome),
}

/// Trains with each seed in turn, in `seed-N` below `out`, and writes `seeds.json` there. Runs that
/// exist already are resumed or, if they are finished, kept as they are.
///
/// # Errors
///
/// As [`run`].
pub fn run_seeds(
    config: &Config,
    seeds: &[u64],
    device: DeviceName,
    out: &Path,
    command: &str,
    watch: &mut impl Watch,
) -> Result<SeedsOutcome, Error> {
    let mut runs = Vec::new();
    for &seed in seeds {
        let config = Config { seed, ..config.clone() };
        let out = out.join(format!("seed-{seed}"));
        match run(&config, device, Some(&out), command, watch)? {
            Outcome::Finished(summary) => runs.push(*summary),
            interrupted => return Ok(SeedsOutcome::Interrupted(interrupted)),
        }
    }
    let spread = |top1: fn(&Summary) -> f64| Spread::of(&runs.iter().map(top1).collect::<Vec<_>>());
    let summary = SeedsSummary {
        // The file's, where the configuration names none.
        model: runs.first().map_or_else(|| config.model.clone(), |run| run.model.clone()),
        split: config.data.split.as_str(),
        last_test_top1: spread(|run| run.last.value("test_top1")),
        best_test_top1: spread(|run| run.best().value("test_top1")),
        runs,
    };
    write_json(&out.join("seeds.json"), &summary)?;
    Ok(SeedsOutcome::Finished(Box::new(summary)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deviation_is_that_of_a_sample() {
        let spread = Spread::of(&[1.0, 2.0, 4.0]);
        assert!((spread.mean - 7.0 / 3.0).abs() < 1e-12);
        // statistics.stdev([1, 2, 4])
        assert!((spread.std.unwrap() - 1.5275252316519465).abs() < 1e-12);
        assert_eq!(Spread::of(&[5.0]), Spread { mean: 5.0, std: None, n: 1 });
    }
}
