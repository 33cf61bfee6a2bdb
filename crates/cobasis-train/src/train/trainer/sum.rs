//! The batches of a step together: computed one after the other, on several devices, or on several ranks. Whichever
//! it is, they are added in their order, so that the sum is the same.

use std::panic::resume_unwind;
use std::thread;

use burn::module::Module;
use burn::optim::GradientsAccumulator;
use cobasis_zoo::Model;
use serde::{Deserialize, Serialize};

use super::Trainer;
use super::batch::{Computed, Minimised, Part, Place};
use crate::data::Batch;
use crate::error::Error;
use crate::train::ranks::{InOrder, Ranks, statistics, with_statistics};
use crate::train::{StepAt, TargetOf, Task};

/// What the batches of a step came to together.
pub(super) struct Sum<S> {
    pub(super) gradients: GradientsAccumulator<Model>,
    /// Those of the penalty alone, where they are asked for.
    pub(super) of_penalty: GradientsAccumulator<Model>,
    pub(super) score: S,
    pub(super) penalty: f64,
    pub(super) loss: f64,
}

/// What a rank's batches came to, one after the other.
#[derive(Serialize, Deserialize)]
#[serde(bound(deserialize = "S: serde::de::DeserializeOwned"))]
struct Parts<S> {
    parts: Vec<Part<S>>,
}

impl<S: crate::metrics::Scores> Sum<S> {
    fn new() -> Self {
        Self {
            gradients: GradientsAccumulator::new(),
            of_penalty: GradientsAccumulator::new(),
            score: S::default(),
            penalty: 0.0,
            loss: 0.0,
        }
    }

    fn add_part(&mut self, share: f64, part: Part<S>) {
        self.score += part.score;
        self.penalty += share * part.penalty;
        self.loss += share * part.loss;
    }

    fn add(&mut self, model: &Model, share: f64, computed: Computed<S>) {
        self.gradients.accumulate(model, computed.gradients);
        if let Some(of_penalty) = computed.of_penalty {
            self.of_penalty.accumulate(model, of_penalty);
        }
        self.add_part(share, computed.part);
    }
}

/// The weights of a model with running statistics of their own, which nobody reads.
fn aside(model: &Model) -> Model {
    model.valid().train()
}

impl<T: Task> Trainer<T> {
    fn minimised<'a>(&'a self, task: &'a T) -> Minimised<'a, T> {
        Minimised {
            task,
            penalty: self.penalty,
            ranks: self.ranks.as_ref(),
            seed: self.recipe.seed,
            apart: self.basis_gradients.is_some(),
        }
    }

    /// All batches of a step, dealt out to the devices in turn.
    pub(super) fn sum(&self, batches: &[Batch<TargetOf<T>>], at: StepAt) -> Sum<T::Score> {
        let images: usize = batches.iter().map(|batch| batch.labels.len()).sum();
        let places = &self.places[..self.places.len().min(batches.len()).max(1)];
        let models: Vec<Model> = match batches.len() {
            0 | 1 => Vec::new(),
            _ => places.iter().map(|(device, _)| aside(&self.model).fork(device)).collect(),
        };
        let main = places[0].0.clone().inner();
        let mut sum = Sum::new();
        for (round, group) in batches.chunks(places.len()).enumerate() {
            let place = |turn: usize| {
                let share = group[turn].labels.len() as f64 / images as f64;
                Place { number: round * places.len() + turn, share, at }
            };
            let computed = thread::scope(|scope| {
                let others = group.iter().enumerate().skip(1).map(|(turn, batch)| {
                    let (minimised, model) =
                        (self.minimised(&places[turn].1), models[turn].clone());
                    let place = place(turn);
                    scope.spawn(move || minimised.compute(&model, batch, place))
                });
                let others: Vec<_> = others.collect();
                // Running statistics are those of the first batch.
                let model = if round == 0 { &self.model } else { &models[0] };
                let first = self.minimised(&places[0].1).compute(model, &group[0], place(0));
                let others = others.into_iter().map(|other| other.join());
                let others = others.map(|other| other.unwrap_or_else(|panic| resume_unwind(panic)));
                std::iter::once(first).chain(others).collect::<Vec<_>>()
            });
            for (turn, mut computed) in computed.into_iter().enumerate() {
                if turn > 0 {
                    computed = computed.moved(&main, &self.model);
                }
                sum.add(&self.model, place(turn).share, computed);
            }
        }
        sum
    }

    /// All batches of a step, of which this rank has its own.
    pub(super) fn sum_over(
        &self,
        ranks: &Ranks,
        batches: &[Batch<TargetOf<T>>],
        at: StepAt,
    ) -> Result<Sum<T::Score>, Error> {
        let counts = |batches: &[Batch<TargetOf<T>>]| -> Vec<u8> {
            let counts = batches.iter().map(|batch| (batch.labels.len() as u64).to_le_bytes());
            counts.flatten().collect()
        };
        let images: Vec<Vec<u64>> = ranks
            .gather(&counts(batches))?
            .iter()
            .map(|message| {
                message.as_chunks().0.iter().map(|&count| u64::from_le_bytes(count)).collect()
            })
            .collect();
        let all: u64 = images.iter().flatten().sum();
        let share = |rank: usize, round: usize| images[rank][round] as f64 / all as f64;
        let [mut gradients, mut of_penalty] = [&self.model; 2].map(InOrder::new);
        let minimised = self.minimised(&self.places[0].1);
        let aside = aside(&self.model);
        let mut own = Parts { parts: Vec::new() };
        for round in 0..images[0].len() {
            let computed = batches.get(round).map(|batch| {
                let number = round * ranks.count() + ranks.rank();
                let place = Place { number, share: share(ranks.rank(), round), at };
                // Running statistics are those of the first batch.
                let model = if number == 0 { &self.model } else { &aside };
                minimised.compute(model, batch, place)
            });
            let (of_batch, alone, part) = match computed {
                Some(Computed { gradients, of_penalty, part }) => {
                    (Some(gradients), Some(of_penalty.unwrap_or_default()), Some(part))
                }
                None => (None, None, None),
            };
            own.parts.extend(part);
            let senders = images.iter().filter(|images| images.len() > round).count();
            gradients.add(ranks, of_batch, senders)?;
            if minimised.apart {
                of_penalty.add(ranks, alone, senders)?;
            }
        }
        let main = self.places[0].0.clone().inner();
        let mut sum = Sum::new();
        sum.gradients.accumulate(&self.model, gradients.finish(ranks, &main)?);
        if minimised.apart {
            sum.of_penalty.accumulate(&self.model, of_penalty.finish(ranks, &main)?);
        }
        let no_sense = |problem: String| Error::Link(format!("what a batch came to: {problem}"));
        // TOML has numbers that are none, too.
        let own = toml::to_string(&own).map_err(|error| no_sense(error.to_string()))?;
        let mut parts = Vec::new();
        for message in ranks.gather(own.as_bytes())? {
            let text = String::from_utf8_lossy(&message);
            let said: Parts<T::Score> =
                toml::from_str(&text).map_err(|error| no_sense(error.to_string()))?;
            parts.push(said.parts.into_iter());
        }
        for round in 0..images[0].len() {
            for (rank, parts) in parts.iter_mut().enumerate() {
                if let Some(part) = parts.next() {
                    sum.add_part(share(rank, round), part);
                }
            }
        }
        Ok(sum)
    }

    /// The running statistics of the first rank, which has the first batch of a step.
    pub(super) fn take_statistics(&mut self, ranks: &Ranks) -> Result<(), Error> {
        if ranks.count() == 1 {
            return Ok(());
        }
        let bytes = ranks.of_first(|| {
            statistics(&self.model).into_iter().flat_map(f32::to_le_bytes).collect()
        })?;
        if !ranks.leads() {
            let values: Vec<f32> =
                bytes.as_chunks().0.iter().map(|&value| f32::from_le_bytes(value)).collect();
            self.model = with_statistics(&self.model, &values);
        }
        Ok(())
    }
}
