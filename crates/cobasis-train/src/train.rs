//! The training loop.

mod checkpoint;
mod constraint;
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
mod recipe;
mod run;
mod seeds;
mod sgd;
mod step;
mod targets;
mod task;
mod trainer;
mod watch;

pub use dry_run::{DryRun, dry_run};
pub use gradient_flow::GradientFlow;
pub use objective::{Losses, Objective};
pub use progress::{Partial, Progress};
pub use recipe::Recipe;
pub use run::{Outcome, run, run_task};
pub use seeds::{SeedsOutcome, SeedsSummary, Spread, run_seeds};
pub use step::{StepAt, StepReport};
pub use targets::Targets;
pub use task::{Classification, TargetOf, Task, Terms};
pub use trainer::Trainer;
pub use watch::{Started, Watch};
