//! Networks, methods, budgets and seeds, each combination an ordinary run, and what they come to.
//!
//! The plan says which runs there are, in a fixed order, before anything is trained (`plan.rs`). The results
//! are made of the directories of the runs alone (`results.rs`), so that it makes no difference who trained
//! them, when, and how often that was interrupted; `tables.rs` writes them down, `cost.rs` says what there is
//! to compute.

mod cost;
mod plan;
mod results;
mod tables;

use std::path::Path;

use crate::config::Config;
use crate::device::DeviceName;
use crate::error::{Error, line};
use crate::run_dir::{RunDirError, RunRecord, write_text};
use crate::train::{Outcome, Watch, run};

pub use cost::{ComparisonCost, RunCost};
pub use plan::{Job, Plan, PlannedRow, PlannedRun};
use results::state;
pub use results::{ComparisonResults, ResultRow, RunState};

/// The directory of the runs, below that of the comparison.
const RUNS: &str = "runs";
/// The models of a finished run.
const MODELS: [&str; 2] = ["last.safetensors", "best.safetensors"];

/// How a comparison ended.
#[derive(Clone, Debug)]
pub enum ComparisonOutcome {
    /// The job's runs are done.
    Finished(Box<ComparisonResults>),
    /// One was broken off; the same call goes on with it.
    Interrupted(Outcome, Box<ComparisonResults>),
}

/// Trains the runs of a job, each in a directory of its own below `out`; after each of them writes
/// `comparison.csv`, `runs.csv` and `timing.csv` to `out`, from all runs that are there, whoever trained
/// them. Runs that are there already are gone on with or, where they are finished or have diverged, taken as
/// they are. Those that diverge are told to the watch and counted; the others go on. Models that finished
/// runs have lost are made again from their checkpoints; where that can't be done, it is logged.
///
/// # Errors
///
/// As [`run`](crate::train::run), divergence aside; and before anything is trained, if a run of the plan is
/// there with another configuration.
pub fn run_comparison(
    plan: &Plan,
    job: Job,
    device: DeviceName,
    out: &Path,
    command: &str,
    watch: &mut impl Watch,
) -> Result<ComparisonOutcome, Error> {
    check(plan, out)?;
    let own: Vec<&PlannedRun> = job.share(&plan.runs).collect();
    for (index, planned) in own.iter().enumerate() {
        let directory = place(out, planned);
        let state = state(planned, &directory)?;
        let is_finished = match &state {
            // As it is: its result needs neither its images nor its checkpoints any more.
            RunState::Finished(_) if has_models(&directory) => continue,
            // It would diverge again.
            RunState::Diverged => continue,
            RunState::Finished(_) => true,
            RunState::Missing => false,
        };
        watch.next_run(index + 1, own.len(), &planned.name);
        match run(&planned.config, device, Some(&directory), command, watch) {
            Ok(Outcome::Finished(_)) => {}
            // The tables need its result only.
            Err(error) if is_finished => log::warn!(
                "{}: last.safetensors or best.safetensors is missing, and can't be made again: {}",
                directory.display(),
                error.line()
            ),
            Ok(interrupted) => {
                let results = write(plan, out)?;
                return Ok(ComparisonOutcome::Interrupted(interrupted, Box::new(results)));
            }
            Err(error) if error.is_divergence() => watch.run_failed(&planned.name, &error),
            Err(error) => return Err(error),
        }
        write(plan, out)?;
    }
    Ok(ComparisonOutcome::Finished(Box::new(write(plan, out)?)))
}

/// Where a run is.
fn place(out: &Path, planned: &PlannedRun) -> std::path::PathBuf {
    out.join(RUNS).join(&planned.name)
}

/// Whether the models of a finished run are there.
fn has_models(directory: &Path) -> bool {
    MODELS.iter().all(|name| directory.join(name).is_file())
}

/// Refuses directories of other runs.
fn check(plan: &Plan, out: &Path) -> Result<(), Error> {
    for planned in &plan.runs {
        let directory = place(out, planned);
        if directory.join("config.toml").is_file() {
            let before: Config =
                RunRecord::config(&directory).map_err(|error| damaged(error, &directory))?;
            let advice = "to train another number of epochs, give another --out";
            let place = directory.display().to_string();
            planned.config.check_resumes_or(&before, &place, advice)?;
        }
    }
    Ok(())
}

/// What is wrong with the files of a run, and what to do about it.
fn damaged(error: RunDirError, directory: &Path) -> Error {
    Error::Usage(format!(
        "{}; delete {}, and the same command trains this run again",
        line(&error),
        directory.display()
    ))
}

/// The results as they are now, written down.
fn write(plan: &Plan, out: &Path) -> Result<ComparisonResults, Error> {
    let mut results = ComparisonResults::read(plan, out)?;
    loop {
        write_text(&out.join("runs.csv"), &tables::runs_csv(&results))?;
        write_text(&out.join("timing.csv"), &tables::timing_csv(&results))?;
        write_text(&out.join("comparison.csv"), &tables::comparison_csv(&results))?;
        // Another job may have finished a run meanwhile, and have been faster.
        let now = ComparisonResults::read(plan, out)?;
        if now == results {
            return Ok(results);
        }
        results = now;
    }
}
