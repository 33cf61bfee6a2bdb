//! The training loop.

mod checkpoint;
mod constraint;
pub(crate) mod date;
mod dropout;
mod dry_run;
mod ema;
mod fit;
mod gradient_flow;
mod gradients;
mod kept_momentum;
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

pub use dry_run::{DryRun, dry_run};
pub use gradient_flow::GradientFlow;
pub use objective::{Losses, Objective};
pub use progress::{Partial, Progress};
pub use provenance::Provenance;
pub use run::{Outcome, run};
pub use seeds::{SeedsOutcome, SeedsSummary, Spread, run_seeds};
pub use summary::{EpochSummary, Summary};
pub use targets::Targets;
pub use trainer::{StepAt, StepReport, Trainer};
pub use watch::{Started, Watch};
