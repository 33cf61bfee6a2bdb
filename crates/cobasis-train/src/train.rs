//! The training loop.

mod objective;
mod run;
mod sgd;
mod summary;
mod trainer;
mod watch;

pub use objective::{Losses, Objective};
pub use run::{DryRun, dry_run, run};
pub use summary::{EpochSummary, Summary};
pub use trainer::{StepReport, Trainer};
pub use watch::{Started, Watch};
