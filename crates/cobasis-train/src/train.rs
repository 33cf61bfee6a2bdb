//! The training loop.

mod checkpoint;
mod comparison;
mod constraint;
mod data_identity;
mod dropout;
mod dry_run;
mod ema;
mod fit;
mod gradient_flow;
mod gradients;
mod joint;
mod kept_momentum;
mod learned_ranks;
mod loaders;
mod mix;
mod objective;
mod optimizer;
mod parameter_ids;
mod progress;
mod ranks;
mod recipe;
mod recorded_data;
mod run;
mod seeds;
mod sgd;
mod start;
mod step;
mod sweep;
mod targets;
mod task;
mod teacher;
mod trainer;
mod watch;

pub use comparison::{
    ComparisonCost, ComparisonOutcome, ComparisonResults, Job, Plan, PlannedRow, PlannedRun,
    ResultRow, RunCost, RunState, run_comparison,
};
pub use data_identity::{DataIdentity, Part};
pub use dry_run::{DryRun, dry_run};
pub use gradient_flow::GradientFlow;
pub use joint::{JointProgress, TaskPartial};
pub use objective::{Losses, Objective};
pub use progress::{Partial, Progress};
pub use ranks::{Link, LinkError, Ranks};
pub use recipe::Recipe;
pub use run::{Outcome, run, run_task, run_together};
pub use seeds::{SeedsOutcome, SeedsResults, SeedsSummary, Spread, run_seeds};
pub use step::{StepAt, StepReport};
pub use sweep::{Setting, SettingResult, SweepOutcome, SweepSummary, run_sweep};
pub use targets::Targets;
pub use task::{Classification, Detection, TargetOf, Task, Terms};
pub use trainer::Trainer;
pub use watch::{Started, Watch};
