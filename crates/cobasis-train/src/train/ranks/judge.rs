//! Images that judge, dealt out to the ranks.

use std::ops::ControlFlow;

use burn::module::Module;
use cobasis_zoo::Model;

use super::Ranks;
use crate::data::{Batch, Loader};
use crate::error::Error;
use crate::evaluate::judge_from;
use crate::metrics::Scores;
use crate::tensors::{host, images};

/// As [`judge_from`], with the batches of the loader dealt out to the ranks. All get the score, which is that of one
/// process to the last bit: what the model says is added in the order of the images. Where `after_batch` breaks off
/// on any rank, it does on all.
pub(crate) fn judge_together<S: Scores>(
    ranks: &Ranks,
    mut score: S,
    model: &Model,
    loader: &Loader<S::Target>,
    mut after_batch: impl FnMut(usize) -> ControlFlow<()>,
) -> Result<Option<S>, Error> {
    let count = ranks.count();
    if count == 1 {
        return Ok(judge_from(score, model, loader, after_batch)?);
    }
    let model = model.valid();
    let device = model.devices().into_iter().next().unwrap_or_default();
    let mut batches = loader.epoch_share(0, ranks.rank(), count);
    let target = |index: usize| loader.set().target(index).clone();
    for _ in (0..loader.num_batches()).step_by(count) {
        let own = match batches.next() {
            Some(batch) => {
                let batch = batch?;
                said(&batch, &host(model.forward(images(&batch, &device))))
            }
            None => Vec::new(),
        };
        for message in ranks.gather(&own)?.iter().filter(|message| !message.is_empty()) {
            let Some(Said { indices, unread, logits }) = heard(message) else {
                return Err(Error::Link("a rank said what makes no sense".to_owned()));
            };
            let targets: Vec<_> = indices.into_iter().map(target).collect();
            score.add(&logits, &targets);
            score.add_unread(&unread.into_iter().map(target).collect::<Vec<_>>());
        }
        if ranks.any(after_batch(score.images()).is_break())? {
            return Ok(None);
        }
    }
    Ok(Some(score))
}

/// What a model says of a batch.
struct Said {
    indices: Vec<usize>,
    /// Images that could not be read.
    unread: Vec<usize>,
    logits: Vec<f32>,
}

/// The message that [`heard`] reads.
fn said<T>(batch: &Batch<T>, logits: &[f32]) -> Vec<u8> {
    let mut message = Vec::new();
    let unread: Vec<usize> = batch.unreadable.iter().map(|one| one.index).collect();
    for indices in [&batch.indices, &unread] {
        message.extend((indices.len() as u64).to_le_bytes());
        indices.iter().for_each(|&index| message.extend((index as u64).to_le_bytes()));
    }
    logits.iter().for_each(|logit| message.extend(logit.to_le_bytes()));
    message
}

fn heard(mut message: &[u8]) -> Option<Said> {
    let mut number = || -> Option<usize> {
        let (bytes, rest) = message.split_first_chunk()?;
        message = rest;
        usize::try_from(u64::from_le_bytes(*bytes)).ok()
    };
    let mut list = || -> Option<Vec<usize>> { (0..number()?).map(|_| number()).collect() };
    let (indices, unread) = (list()?, list()?);
    let (logits, []) = message.as_chunks() else { return None };
    let logits = logits.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    Some(Said { indices, unread, logits })
}
