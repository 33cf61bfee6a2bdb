//! Further tasks that one network is trained for at once with its own: `[[tasks]]`.
//!
//! In a step, each of them has a batch beside those of the main task. What is the network's gets the sum of all
//! gradients, each with its task's weight; the penalty on the bases is counted once. What is a task's own gets the
//! gradient of its own loss alone, with the same weight. One optimizer moves all.

mod files;
mod images;
mod judge;
mod progress;
mod results;
mod tasks;
#[cfg(test)]
mod tests;

pub(crate) use files::{
    Named, best_name, checkpoint_names, last_name, parameters, published, read,
};
pub(crate) use images::TaskLoaders;
pub(crate) use judge::judge_tasks;
pub use progress::{JointProgress, TaskPartial};
pub(crate) use results::{check_files, results};
pub(crate) use tasks::{Joint, TaskReport};
