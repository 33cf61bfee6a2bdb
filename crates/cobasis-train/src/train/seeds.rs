//! One configuration with several seeds: runs in directories of their own, and what they come to
//! together.

use std::path::Path;

use serde::{Serialize, Serializer};

use crate::config::Config;
use crate::device::DeviceName;
use crate::error::Error;
use crate::metrics::{Measure, Scores};
use crate::run_dir::{Summary, write_json};
use crate::train::{Outcome, Task, Watch, run_task};

/// What the runs of several seeds come to.
#[derive(Clone, Debug, Serialize)]
pub struct SeedsSummary {
    /// The model's name.
    pub model: String,
    /// Which images chose the best epochs.
    pub split: &'static str,
    /// What the best epochs were chosen by, on the test images.
    #[serde(flatten)]
    pub results: SeedsResults,
    /// The runs.
    pub runs: Vec<Summary>,
}

/// What runs of several seeds come to on the test images; of top-1 accuracies, `last_test_top1` and
/// `best_test_top1` in files.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SeedsResults {
    /// What the numbers are.
    pub measure: Measure,
    /// Those after the last epoch.
    pub last: Spread,
    /// Those after the best epoch of each run; optimistic where the test set chose it.
    pub best: Spread,
}

impl Serialize for SeedsResults {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { measure, last, best } = self;
        let named = [("last", last), ("best", best)];
        let name = |epoch: &str| format!("{epoch}_test_{}", measure.name);
        serializer.collect_map(named.map(|(epoch, spread)| (name(epoch), spread)))
    }
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

    /// `97.50 ± 0.12 % (n = 3)`, with the digits and the unit of a measure.
    pub fn shown(&self, Measure { unit, digits, .. }: Measure) -> String {
        let std = self.std.map(|std| format!(" ± {std:.digits$}")).unwrap_or_default();
        let unit = if unit == "%" { " %" } else { "" };
        format!("{:.digits$}{std}{unit} (n = {})", self.mean, self.n)
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
/// As [`run`](crate::train::run).
pub fn run_seeds<T: Task>(
    config: &Config,
    seeds: &[u64],
    device: DeviceName,
    out: &Path,
    command: &str,
    watch: &mut impl Watch<T::Score>,
) -> Result<SeedsOutcome, Error> {
    let mut runs = Vec::new();
    for &seed in seeds {
        let config = Config { seed, ..config.clone() };
        let out = out.join(format!("seed-{seed}"));
        match run_task::<T>(&config, device, Some(&out), command, watch)? {
            Outcome::Finished(summary) => runs.push(*summary),
            interrupted => return Ok(SeedsOutcome::Interrupted(interrupted)),
        }
    }
    let measure = <T::Score as Scores>::JUDGED_BY;
    let name = format!("test_{}", measure.name);
    let spread =
        |value: &dyn Fn(&Summary) -> f64| Spread::of(&runs.iter().map(value).collect::<Vec<_>>());
    let summary = SeedsSummary {
        // The file's, where the configuration names none.
        model: runs.first().map_or_else(|| config.model.clone(), |run| run.model.clone()),
        split: config.data.split.as_str(),
        results: SeedsResults {
            measure,
            last: spread(&|run| run.last.value(&name)),
            best: spread(&|run| run.best().value(&name)),
        },
        runs,
    };
    write_json(&out.join("seeds.json"), &summary)?;
    Ok(SeedsOutcome::Finished(Box::new(summary)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{AP, TOP1};

    #[test]
    fn the_deviation_is_that_of_a_sample() {
        let spread = Spread::of(&[1.0, 2.0, 4.0]);
        assert!((spread.mean - 7.0 / 3.0).abs() < 1e-12);
        // statistics.stdev([1, 2, 4])
        assert!((spread.std.unwrap() - 1.5275252316519465).abs() < 1e-12);
        assert_eq!(Spread::of(&[5.0]), Spread { mean: 5.0, std: None, n: 1 });
        assert_eq!(spread.shown(TOP1), "2.33 ± 1.53 % (n = 3)");
        assert_eq!(Spread::of(&[0.5]).shown(AP), "0.5000 (n = 1)");
    }
}
