//! The training loop.

mod checkpoint;
mod date;
mod dropout;
mod ema;
mod fit;
mod gradients;
mod loaders;
mod mix;
mod objective;
mod optimizer;
mod parameter_ids;
mod progress;
mod provenance;
mod run;
mod seeds;
mod sgd;
mod summary;
mod targets;
mod trainer;
mod watch;

pub use objective::{Losses, Objective};
pub use progress::{Partial, Progress};
pub use provenance::Provenance;
pub use run::{DryRun, Outcome, dry_run, run};
pub use seeds::{SeedsOutcome, SeedsSummary, Spread, run_seeds};
pub use summary::{EpochSummary, Summary};
pub use targets::Targets;
pub use trainer::{StepAt, StepReport, Trainer};
pub use watch::{Started, Watch};
