//! Further tasks in training: what is theirs of the model, and their part of a step.

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::{GradientsAccumulator, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use cobasis_zoo::Task as OwnPart;
use cobasis_zoo::{AdapterKind, Model};

use super::TaskLoaders;
use crate::config::{Config, ConfigError, TaskConfig, place};
use crate::data::{Batch, SplitMix64};
use crate::error::Error;
use crate::evaluate::Score;
use crate::preparation::of_set;
use crate::tensors::host;
use crate::train::ema::Ema;
use crate::train::gradients::Parameter;
use crate::train::objective::PenaltyTerm;
use crate::train::task::Terms;
use crate::train::{Classification, Recipe, StepAt, Task};

/// All further tasks of a run, in the order of the configuration.
pub(crate) struct Joint {
    pub(super) tasks: Vec<Further>,
    objective: Classification,
    seed: u64,
    /// What each came to at the last step.
    reports: Vec<TaskReport>,
}

/// A further task.
pub(super) struct Further {
    pub(super) name: String,
    weight: f64,
    /// What is its own of the model.
    pub(super) own: OwnPart,
    /// The moving average of that.
    pub(super) ema: Option<Ema<OwnPart>>,
    /// The penalty on its unique filters, where it has such and they are counted.
    penalty: Option<PenaltyTerm>,
}

/// What a step came to for a task.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct TaskReport {
    /// The score before the step.
    pub(crate) score: Score,
    /// What was minimised for it, before its weight: a mean over the images.
    pub(crate) loss: f64,
}

impl Joint {
    /// The tasks as they start on a model, from its numbers; classifiers are drawn from seeds of their own.
    ///
    /// # Errors
    ///
    /// If the model can't have an adapter that is asked for.
    pub(crate) fn new(
        config: &Config,
        loaders: &TaskLoaders,
        model: &Model,
    ) -> Result<Self, Error> {
        let own = config.tasks.iter().enumerate().map(|(index, task)| -> Result<_, Error> {
            let (at, set) = (place(index), loaders.of(index).train.set());
            let mut base = model.clone();
            base.config.seed = config.of_task(index).seed;
            let adapted = base.with_adapter(task.kind(&at)?, set.num_classes());
            let mut adapted = adapted
                .map_err(|error| ConfigError::at(format!("{at}.adapter"), error.to_string()))?;
            adapted.config.preparation = Some(of_set(set));
            Ok(adapted.into_task())
        });
        Self::of(config, model, own.collect::<Result<_, _>>()?)
    }

    /// The tasks of a configuration, with these for their own parts.
    pub(super) fn of(config: &Config, model: &Model, own: Vec<OwnPart>) -> Result<Self, Error> {
        let recipe = Recipe::from(config);
        let device: Device = model.devices().into_iter().next().unwrap_or_default();
        let further = |(index, (task, own)): (usize, (&TaskConfig, OwnPart))| -> Result<_, Error> {
            let has_unique = matches!(task.kind(&place(index))?, AdapterKind::Unique { .. });
            let penalty = PenaltyTerm::new(&recipe.ortho, model);
            Ok(Further {
                name: task.name.clone(),
                weight: task.weight,
                own,
                ema: (recipe.ema > 0.0).then(|| Ema::new(recipe.ema, [])),
                penalty: (has_unique && penalty.counts_unique()).then_some(penalty),
            })
        };
        let tasks = config.tasks.iter().zip(own).enumerate().map(further);
        Ok(Self {
            tasks: tasks.collect::<Result<_, _>>()?,
            objective: Classification::new(&recipe, &device.autodiff()),
            seed: recipe.seed,
            reports: Vec::new(),
        })
    }

    /// What the tasks came to at the last step.
    pub(crate) fn reports(&self) -> &[TaskReport] {
        &self.reports
    }

    /// The parameters that are the tasks' own.
    pub(crate) fn parameters(&self) -> Vec<Parameter> {
        let mut listed = Listed::default();
        self.tasks.iter().for_each(|task| task.own.visit(&mut listed));
        listed.0
    }

    /// Adds the gradients of a batch of every task, and gives what they add to the loss of the step.
    pub(crate) fn add_gradients(
        &mut self,
        model: &Model,
        batches: &[Batch],
        at: StepAt,
        sum: &mut GradientsAccumulator<Model>,
    ) -> f64 {
        assert!(batches.len() == self.tasks.len(), "a batch of every task");
        self.reports.clear();
        let mut total = 0.0;
        for (index, batch) in batches.iter().enumerate() {
            // Batches of the main task are counted from 0.
            let key = [self.seed, at.epoch as u64, at.step as u64, u64::MAX - index as u64];
            let further = &mut self.tasks[index];
            let report = further.backward(&self.objective, model, batch, key, at.lambda, sum);
            total += further.weight * report.loss;
            self.reports.push(report);
        }
        total
    }

    /// A step of the optimizer that all share: the model and the tasks' own parts.
    pub(crate) fn step(
        &mut self,
        optimizer: &mut ModuleOptimizer,
        lr: f64,
        model: Model,
        gradients: GradientsParams,
    ) -> Model {
        let own: Vec<OwnPart> = self.tasks.iter().map(|task| task.own.clone()).collect();
        let (model, own) = optimizer.step(lr, (model, own), gradients);
        for (task, own) in self.tasks.iter_mut().zip(own) {
            if let Some(ema) = &mut task.ema {
                ema.update(&own);
            }
            task.own = own;
        }
        model
    }

    /// The model for the task of this index that is judged and kept, on a base that is judged and kept: the moving
    /// averages of both, where there are some.
    pub(crate) fn judged(&self, index: usize, base: &Model) -> Model {
        let Further { own, ema, .. } = &self.tasks[index];
        let average = ema.as_ref().and_then(|ema| ema.model.as_ref());
        adapted(base, average.unwrap_or(own))
    }
}

/// The model for a task.
pub(super) fn adapted(base: &Model, own: &OwnPart) -> Model {
    let (model, _) = base.clone().with_task(own.clone()).expect("a task of this network");
    model
}

impl Further {
    /// Adds the gradients of a batch: those of the network and of the task's own part, with the task's weight.
    fn backward(
        &mut self,
        objective: &Classification,
        base: &Model,
        batch: &Batch,
        key: [u64; 4],
        lambda: f64,
        sum: &mut GradientsAccumulator<Model>,
    ) -> TaskReport {
        let model = adapted(base, &self.own);
        let Terms { output, loss, plain, .. } = objective.terms(&model, batch, key);
        let gradients = loss.clone().mul_scalar(self.weight).backward();
        sum.accumulate(&model, GradientsParams::from_grads(gradients, &model));

        // Bases have a penalty already, the main task's: of this one, what reaches the task's filters.
        let penalty = self.penalty.filter(|_| lambda != 0.0);
        let penalty = penalty.and_then(|term| term.of(&model, SplitMix64::keyed(&key).next_u64()));
        let mut of_penalty = 0.0;
        if let Some(penalty) = penalty {
            let mut gradients = penalty.clone().mul_scalar(self.weight * lambda).backward();
            sum.accumulate(&model, GradientsParams::from_module(&mut gradients, &self.own));
            of_penalty = lambda * f64::from(host(penalty.detach())[0]);
        }

        let mut score = Score::default();
        score.add(&host(output.detach()), &batch.labels);
        let loss = match plain {
            true => score.mean_cross_entropy(),
            false => f64::from(host(loss.detach())[0]),
        };
        // Batch norms have taken in the batch.
        let (_, own) = model.with_task(self.own.clone()).expect("the same network");
        self.own = own;
        TaskReport { score, loss: loss + of_penalty }
    }
}

/// Parameters of a module, by identity and number of dimensions.
#[derive(Default)]
struct Listed(Vec<(ParamId, usize)>);

impl ModuleVisitor for Listed {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.push((param.id, D));
    }
}
