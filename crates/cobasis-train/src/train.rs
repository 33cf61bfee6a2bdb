//! The training loop.

mod checkpoint;
mod fit;
mod objective;
mod parameter_ids;
mod progress;
mod run;
mod summary;
mod trainer;
mod watch;

pub use objective::{Losses, Objective};
pub use progress::{Partial, Progress};
pub use run::{DryRun, Outcome, dry_run, run};
pub use summary::{EpochSummary, Summary};
pub use trainer::{StepReport, Trainer};
pub use watch::{Started, Watch};
