//! Tensors of somebody else's file as those of a model: names, shapes, kinds of numbers.

use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::Device;

use super::error::FileProblem;
use super::numbers::{Float, Numbers};
use super::weights::is_average;
use crate::config::ModelConfig;
use crate::pytorch_names::{Naming, is_counter, is_weight, pytorch_shapes, sizes_in_file};
use crate::short::listed as listed_texts;
use crate::state::StateError;

/// The most classes or channels that a file may ask for.
const MAX_COUNT: usize = 65536;
/// What profilers (thop, ptflops) and averages of weights leave in the dictionary of a network.
const LEFT_BEHIND: [&str; 4] = ["total_ops", "total_params", "n_averaged", "num_batches_tracked"];

/// A tensor of a file, its numbers not read.
pub(super) struct Listed<P> {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    pub(super) numbers: Numbers,
    /// Where its numbers are.
    pub(super) place: P,
}

/// A tensor that is a model's.
pub(super) struct Readable<P> {
    pub(super) name: String,
    pub(super) numbers: Float,
    pub(super) place: P,
}

/// Tensors that fit a model, and the model.
pub(super) struct Fitted<P> {
    pub(super) config: ModelConfig,
    pub(super) tensors: Vec<Readable<P>>,
    /// What was taken off all names.
    pub(super) prefix: String,
    /// What else was there, but for counters of batches.
    pub(super) passed_over: Vec<String>,
}

/// The counts of classes and channels of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counts {
    /// Those of the file's tensors.
    OfTensors,
    /// Those of the configuration.
    OfConfig,
}

/// Takes those tensors of a file that are a model's.
///
/// # Errors
///
/// If a weight is not the model's, or has another shape, or other numbers than weights.
pub(super) fn fit<P>(
    mut listed: Vec<Listed<P>>,
    config: &ModelConfig,
    counts: Counts,
    device: &Device,
) -> Result<Fitted<P>, StateError> {
    // In order, so that of several problems it is always the same that is told.
    listed.sort_by(|a, b| a.name.cmp(&b.name));
    let mut config = config.clone();
    let mut expected = pytorch_shapes(&config, device)?;
    let naming = Naming::of(listed.iter().map(|tensor| &*tensor.name), &expected);
    if counts == Counts::OfTensors {
        let shapes: BTreeMap<&str, &[usize]> =
            listed.iter().map(|tensor| (&*tensor.name, &*tensor.shape)).collect();
        let [classes, channels] =
            sizes_in_file(&config, device, |name| shapes.get(&*naming.in_file(name)).copied())?;
        let found = |count: Option<usize>| count.filter(|count| (1..=MAX_COUNT).contains(count));
        let classes = found(classes).unwrap_or(config.num_classes);
        let channels = found(channels).unwrap_or(config.in_channels);
        if [classes, channels] != [config.num_classes, config.in_channels] {
            config = config.with_num_classes(classes).with_in_channels(channels);
            expected = pytorch_shapes(&config, device)?;
        }
    }
    let (tensors, passed_over) = compare(listed, &naming, &expected)?;
    Ok(Fitted { config, tensors, prefix: naming.prefix().to_string(), passed_over })
}

/// The tensors that are expected, and the names of others that are no weights.
///
/// # Errors
///
/// As [`fit`].
pub(super) fn compare<P>(
    listed: Vec<Listed<P>>,
    naming: &Naming,
    expected: &BTreeMap<String, Vec<usize>>,
) -> Result<(Vec<Readable<P>>, Vec<String>), StateError> {
    let (mut tensors, mut passed_over) = (Vec::new(), Vec::new());
    for Listed { name, shape: got, numbers, place } in listed {
        if is_counter(&name) {
            continue;
        }
        let Some(expected) = expected.get(&naming.in_authors(&name)) else {
            match is_harmless(&name, &got) {
                true => passed_over.push(name),
                false => return Err(StateError::Extra { name }),
            }
            continue;
        };
        let numbers = match numbers {
            Numbers::Float(float) => float,
            Numbers::Other(got) => return Err(StateError::DType { name, got }),
        };
        if got != *expected {
            let expected = expected.clone();
            return Err(StateError::Shape { name, expected, got });
        }
        tensors.push(Readable { name, numbers, place });
    }
    match passed_over.first() {
        // Of a file of something else, what it has tells more than what it lacks.
        Some(name) if tensors.is_empty() => Err(StateError::Extra { name: name.clone() }),
        _ => Ok((tensors, passed_over)),
    }
}

/// Whether a tensor that is not the model's is no weight either: what is known to be left behind, and
/// single numbers, unless they have a weight's name.
fn is_harmless(name: &str, shape: &[usize]) -> bool {
    let leaf = name.rsplit('.').next().unwrap_or_default();
    let single = shape.iter().all(|size| *size == 1);
    LEFT_BEHIND.contains(&leaf) || (single && !is_weight(name))
}

/// Tensors of a file that has a moving average of the weights beside them, told apart by the first part
/// of their names: those that were asked for, or those that are no average, and the first parts of the
/// others.
///
/// # Errors
///
/// If there are only averages and none was asked for, or not what was asked for.
pub(super) fn one_of_several<P>(
    listed: Vec<Listed<P>>,
    asked: Option<&str>,
) -> Result<(Vec<Listed<P>>, Vec<String>), FileProblem> {
    let group = |name: &str| name.split_once('.').map_or("", |(group, _)| group).to_string();
    let weights = listed.iter().filter(|tensor| is_weight(&tensor.name));
    let groups: BTreeSet<String> = weights.map(|tensor| group(&tensor.name)).collect();
    if let Some(asked) = asked {
        if !groups.contains(asked) {
            let groups: Vec<String> = groups.into_iter().collect();
            let found = format!("names of weights start with {}", listed_texts(&groups));
            return Err(FileProblem::NoWeights { found, asked: Some(asked.to_string()) });
        }
        let own = listed.into_iter().filter(|tensor| group(&tensor.name) == asked).collect();
        return Ok((own, groups.into_iter().filter(|group| group != asked).collect()));
    }
    let (averages, plain): (Vec<String>, Vec<String>) =
        groups.into_iter().partition(|group| is_average(group));
    if plain.is_empty() && !averages.is_empty() {
        return Err(FileProblem::OnlyAverages { keys: averages });
    }
    let own = listed.into_iter().filter(|tensor| !averages.contains(&group(&tensor.name)));
    Ok((own.collect(), averages))
}
