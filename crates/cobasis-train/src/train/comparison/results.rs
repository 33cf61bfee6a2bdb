//! What the runs of a comparison come to, from their directories alone.

use std::path::Path;

use cobasis_zoo::fit::Counts;

use super::plan::{Plan, PlannedRow, PlannedRun};
use super::{damaged, place};
use crate::config::{Config, Protocol, PublishedResult};
use crate::error::Error;
use crate::run_dir::{EpochSummary, RunRecord, Summary};
use crate::train::Spread;

/// How far a run is.
#[derive(Clone, Debug)]
pub enum RunState {
    /// It is not there, or not finished.
    Missing,
    /// Training diverged.
    Diverged,
    /// It is finished.
    Finished(Box<Summary>),
}

/// What a comparison comes to.
#[derive(Clone, Debug)]
pub struct ComparisonResults {
    /// A result for each row of the plan, in its order.
    pub rows: Vec<ResultRow>,
    /// The runs of the plan, in its order, and how far they are.
    pub runs: Vec<(PlannedRun, RunState)>,
    /// Results of others.
    pub published: Vec<PublishedResult>,
}

/// What the runs of a row come to. Errors are top-1 errors on the test images in percent, over the runs that
/// are finished; `None` where there are none, or where nothing was measured.
#[derive(Clone, Debug)]
pub struct ResultRow {
    /// The row.
    pub planned: PlannedRow,
    /// What its models cost at inference. Where training found how many filters are left, the means over
    /// the finished runs, rounded up.
    pub counts: Counts,
    /// Finished runs.
    pub n: usize,
    /// Runs that diverged, which are in no mean.
    pub diverged: usize,
    /// Runs that are not finished yet.
    pub missing: usize,
    /// Top-1 accuracy on the validation images in the epoch that they chose.
    pub val_top1: Option<Spread>,
    /// Error in that epoch.
    pub test_error: Option<Spread>,
    /// Error after the last epoch.
    pub last_test_error: Option<Spread>,
    /// Error in the epoch that is best on the test images themselves: optimistic, and measured only where
    /// these judge every epoch.
    pub best_test_error: Option<Spread>,
}

impl ResultRow {
    /// The error to compare by: in the epoch that validation images chose, or after the last one where
    /// there are no such images.
    pub fn error(&self) -> Option<Spread> {
        match self.planned.config.data.split {
            Protocol::TrainVal => self.test_error,
            Protocol::Paper => self.last_test_error,
        }
    }
}

/// Whether there is nothing new.
impl PartialEq for ComparisonResults {
    fn eq(&self, other: &Self) -> bool {
        let state = |state: &RunState| match state {
            RunState::Missing => None,
            RunState::Diverged => Some(None),
            RunState::Finished(summary) => Some(Some((summary.started_unix, summary.last.clone()))),
        };
        self.runs.len() == other.runs.len()
            && self
                .runs
                .iter()
                .zip(&other.runs)
                .all(|(one, other)| state(&one.1) == state(&other.1))
    }
}

impl ComparisonResults {
    /// Reads what there is in the directory of a comparison.
    ///
    /// # Errors
    /// When the files of a finished run are damaged.
    pub fn read(plan: &Plan, out: &Path) -> Result<Self, Error> {
        let runs = plan.runs.iter().map(|planned| {
            let state = state(planned, &place(out, planned))?;
            Ok((planned.clone(), state))
        });
        let runs: Vec<(PlannedRun, RunState)> = runs.collect::<Result<_, Error>>()?;
        let rows = plan.rows.iter().map(|planned| row(planned, &runs)).collect();
        Ok(Self { rows, runs, published: plan.published.clone() })
    }

    /// Runs that are not finished yet.
    pub fn missing(&self) -> usize {
        self.runs.iter().filter(|(_, state)| matches!(state, RunState::Missing)).count()
    }

    /// The budgets that chose settings, each once.
    pub fn budgets(&self) -> Vec<u64> {
        let mut budgets: Vec<u64> = self.rows.iter().filter_map(|row| row.planned.budget).collect();
        budgets.sort_unstable();
        budgets.dedup();
        budgets
    }

    /// Whether there is a row all of whose runs diverged.
    pub fn lost_a_row(&self) -> bool {
        self.rows.iter().any(|row| row.diverged == row.planned.runs.len())
    }

    /// Runs that diverged.
    pub fn diverged(&self) -> usize {
        self.runs.iter().filter(|(_, state)| matches!(state, RunState::Diverged)).count()
    }
}

/// How far the run in a directory is.
pub(super) fn state(planned: &PlannedRun, directory: &Path) -> Result<RunState, Error> {
    let wrong = |error| damaged(error, directory);
    // One that was to end earlier goes on when it is trained again.
    let is_same = |config: &Config| Ok::<_, Error>(planned.config.differences(config)?.is_empty());
    if RunRecord::is_finished(directory) {
        let record = RunRecord::read(directory).map_err(wrong)?;
        return Ok(match is_same(&record.config)? {
            true => RunState::Finished(Box::new(record.summary)),
            false => RunState::Missing,
        });
    }
    let has_diverged = RunRecord::has_diverged(directory)
        && is_same(&RunRecord::config(directory).map_err(wrong)?)?;
    Ok(if has_diverged { RunState::Diverged } else { RunState::Missing })
}

fn row(planned: &PlannedRow, runs: &[(PlannedRun, RunState)]) -> ResultRow {
    let states = || planned.runs.iter().map(|&run| &runs[run].1);
    let done: Vec<&Summary> = states()
        .filter_map(|state| match state {
            RunState::Finished(summary) => Some(&**summary),
            RunState::Missing | RunState::Diverged => None,
        })
        .collect();
    let diverged = states().filter(|state| matches!(state, RunState::Diverged)).count();
    let spread = |value: &dyn Fn(&Summary) -> Option<f64>| {
        let values: Option<Vec<f64>> = done.iter().map(|run| value(run)).collect();
        values.filter(|values| !values.is_empty()).map(|values| Spread::of(&values))
    };
    let error = |epoch: &EpochSummary| 100.0 - epoch.value("test_top1");
    let mean = |number: fn(&Summary) -> Option<u64>| {
        let numbers: Option<Vec<u64>> = done.iter().map(|run| number(run)).collect();
        let numbers = numbers.filter(|numbers| !numbers.is_empty())?;
        Some(numbers.iter().sum::<u64>().div_ceil(numbers.len() as u64))
    };
    let counts = match (mean(|run| run.inference_params), mean(|run| run.inference_macs)) {
        (Some(params), Some(macs)) => Counts { params, macs, at_most: false, ..planned.counts },
        _ => planned.counts,
    };
    ResultRow {
        counts,
        n: done.len(),
        diverged,
        missing: planned.runs.len() - done.len() - diverged,
        val_top1: spread(&|run| run.best_on_val.as_ref().map(|epoch| epoch.value("val_top1"))),
        test_error: spread(&|run| run.best_on_val.as_ref().map(error)),
        last_test_error: spread(&|run| Some(error(&run.last))),
        best_test_error: spread(&|run| run.best_on_test.as_ref().map(error)),
        planned: planned.clone(),
    }
}
