//! `comparison.csv`, `runs.csv` and `timing.csv`.
//!
//! The first two depend on nothing but the plan and what came out of the runs, so that they are the same to
//! the last byte however the runs were distributed and interrupted; what took how long is in the third.

use cobasis_zoo::sharing::Blocks;

use super::plan::PlannedRow;
use super::results::{ComparisonResults, ResultRow, RunState};
use crate::data::csv::field;
use crate::run_dir::EpochSummary;
use crate::train::Spread;

/// A row for each row of the plan.
pub(super) fn comparison_csv(results: &ComparisonResults) -> String {
    let header = [
        "label",
        "network",
        "blocks",
        "method",
        "budget",
        "model",
        "params",
        "macs",
        "composition",
        "index_bits",
        "weight_decay_scale",
        "weight_decay_factor",
        "train_macs_per_step",
        "n",
        "diverged",
        "missing",
        "val_top1_mean",
        "val_top1_sd",
        "test_error_mean",
        "test_error_sd",
        "last_test_error_mean",
        "last_test_error_sd",
        "best_test_error_mean",
        "best_test_error_sd",
    ];
    let row = |row: &ResultRow| {
        let ResultRow { planned, counts, n, diverged, missing, .. } = row;
        let mut cells = place(planned);
        cells.extend([
            counts.params.to_string(),
            counts.macs.to_string(),
            counts.composition.to_string(),
            counts.index_bits.to_string(),
            planned.config.optimizer.weight_decay_scale.to_string(),
            planned.decay_factor.to_string(),
            planned.train_macs_per_step().to_string(),
            n.to_string(),
            diverged.to_string(),
            missing.to_string(),
        ]);
        let spreads = [row.val_top1, row.test_error, row.last_test_error, row.best_test_error];
        for spread in spreads {
            cells.push(number(spread.map(|spread: Spread| spread.mean)));
            cells.push(number(spread.and_then(|spread| spread.std)));
        }
        cells
    };
    csv(&header, results.rows.iter().map(row))
}

/// A row for each run, with the first row of the plan that it is one of, and the budgets of all of them.
pub(super) fn runs_csv(results: &ComparisonResults) -> String {
    let header = [
        "label",
        "network",
        "blocks",
        "method",
        "budget",
        "model",
        "run",
        "seed",
        "state",
        "params",
        "macs",
        "trained_params",
        "epochs",
        "best_epoch",
        "val_top1",
        "test_error",
        "last_test_error",
        "best_test_error",
    ];
    let rows = results.runs.iter().enumerate().filter_map(|(index, (run, state))| {
        let planned = results.rows.iter().map(|row| &row.planned);
        let mut of_run = planned.filter(|planned| planned.runs.contains(&index));
        let planned = of_run.next()?;
        let budgets = std::iter::once(planned).chain(of_run).filter_map(|planned| planned.budget);
        let budgets: Vec<String> = budgets.map(|budget| budget.to_string()).collect();
        let mut cells = place(planned);
        cells[BUDGET] = budgets.join(";");
        let (state, summary) = match state {
            RunState::Missing => ("missing", None),
            RunState::Diverged => ("diverged", None),
            RunState::Finished(summary) => ("finished", Some(summary)),
        };
        let text = |number: Option<u64>| number.map_or(String::new(), |number| number.to_string());
        let error = |epoch: &EpochSummary| 100.0 - epoch.value("test_top1");
        let (on_val, on_test) = (
            summary.and_then(|summary| summary.best_on_val.as_ref()),
            summary.and_then(|summary| summary.best_on_test.as_ref()),
        );
        cells.extend([
            run.name.clone(),
            run.config.seed.to_string(),
            state.to_string(),
            text(summary.map(|summary| summary.result_params())),
            text(summary.map(|summary| summary.inference_macs.unwrap_or(planned.counts.macs))),
            text(summary.map(|summary| summary.params)),
            text(summary.map(|summary| summary.last.epoch as u64)),
            text(summary.map(|summary| summary.best().epoch as u64)),
            number(on_val.map(|epoch| epoch.value("val_top1"))),
            number(on_val.map(error)),
            number(summary.map(|summary| error(&summary.last))),
            number(on_test.map(error)),
        ]);
        Some(cells)
    });
    csv(&header, rows)
}

/// How long the finished runs took.
pub(super) fn timing_csv(results: &ComparisonResults) -> String {
    let header = ["run", "model", "seed", "device", "seconds"];
    let rows = results.runs.iter().filter_map(|(run, state)| match state {
        RunState::Finished(summary) => Some(vec![
            run.name.clone(),
            summary.model.clone(),
            summary.seed.to_string(),
            summary.device.clone(),
            summary.seconds.to_string(),
        ]),
        RunState::Missing | RunState::Diverged => None,
    });
    csv(&header, rows)
}

/// The column of budgets.
const BUDGET: usize = 4;

/// What tells a row from the others.
fn place(planned: &PlannedRow) -> Vec<String> {
    let blocks = planned.blocks.map_or("", |blocks| match blocks {
        Blocks::AfterFirst => "after-first",
        Blocks::All => "all",
    });
    vec![
        planned.label.clone(),
        planned.network.to_string(),
        blocks.to_string(),
        planned.method.clone(),
        planned.budget.map_or(String::new(), |budget| budget.to_string()),
        planned.model.to_string(),
    ]
}

/// As far as percent of images have digits that mean something: 18.9, not 18.899999999999991.
fn number(number: Option<f64>) -> String {
    number.map_or(String::new(), |number| ((number * 1e9).round() / 1e9).to_string())
}

fn csv(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let header = header.iter().map(ToString::to_string).collect();
    let line = |row: Vec<String>| {
        // A line is a row, whatever is in a label.
        let cells = row.iter().map(|text| field(&text.replace(['\n', '\r'], " ")).into_owned());
        cells.collect::<Vec<_>>().join(",") + "\n"
    };
    std::iter::once(header).chain(rows).map(line).collect()
}
