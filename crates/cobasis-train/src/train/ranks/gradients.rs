//! Gradients of the batches of a step, added over the ranks in the order of the batches.
//!
//! In a round, every rank has a batch. The gradients lie one after the other as one row of numbers, of which each rank
//! owns a part: it gets that part from all, adds them in the order of the ranks to what the rounds before came to, and
//! in the end all get the parts of all. So a rank sends and receives about twice the row for each step of one round,
//! however many ranks there are, and each number is added by one rank in one order: that of a single process.

use std::ops::Range;

use burn::module::ParamId;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use cobasis_zoo::Model;

use super::Ranks;
use crate::error::Error;
use crate::tensors::host;

/// The sum of gradients, round by round.
pub(crate) struct InOrder {
    /// All tensors that may have a gradient, in the order of the files.
    tensors: Vec<(ParamId, Vec<usize>)>,
    /// Of which of them there are gradients, and what this rank's part came to.
    sum: Option<(Vec<u8>, Vec<f32>)>,
}

impl InOrder {
    /// Nothing yet, of a model's tensors.
    pub(crate) fn new(model: &Model) -> Self {
        let tensors = model.tensors().into_iter().map(|tensor| (tensor.id, tensor.shape));
        Self { tensors: tensors.collect(), sum: None }
    }

    /// Adds those of a round, in which the first `senders` ranks have a batch; `None` on the others.
    pub(crate) fn add(
        &mut self,
        ranks: &Ranks,
        gradients: Option<GradientsParams>,
        senders: usize,
    ) -> Result<(), Error> {
        let (there, row) = match gradients {
            Some(gradients) => row(&self.tensors, gradients),
            None => Default::default(),
        };
        let messages = ranks.gather(&there)?;
        let there = &messages[0];
        let before = self.sum.as_ref().map(|(before, _)| before);
        if messages[..senders].iter().any(|other| other != there)
            || before.is_some_and(|before| before != there)
        {
            let problem = "their batches have gradients of different tensors";
            return Err(Error::Link(problem.to_owned()));
        }
        let floats = floats(&self.tensors, there);
        let parts = parts(floats, ranks.count());
        let own = parts[ranks.rank()].len();
        let got = match floats {
            0 => Vec::new(),
            _ => ranks.exchange(&row, &parts, senders)?,
        };
        let mut rows = (0..senders).map(|rank| &got[rank * own..(rank + 1) * own]);
        let (_, sum) = self.sum.get_or_insert_with(|| {
            (there.clone(), rows.next().map(<[f32]>::to_vec).unwrap_or_default())
        });
        for row in rows {
            sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        Ok(())
    }

    /// The sum, which all ranks get, on the device.
    pub(crate) fn finish(self, ranks: &Ranks, device: &Device) -> Result<GradientsParams, Error> {
        let mut gradients = GradientsParams::new();
        let Some((there, own)) = self.sum else {
            return Ok(gradients);
        };
        let floats = floats(&self.tensors, &there);
        if floats == 0 {
            return Ok(gradients);
        }
        let all = ranks.collect(&own, &parts(floats, ranks.count()))?;
        let mut rest = all.as_slice();
        let with_gradient = self.tensors.iter().zip(there).filter(|(_, there)| *there == 1);
        for ((id, shape), _) in with_gradient {
            let (own, after) = rest.split_at(shape.iter().product());
            rest = after;
            let data = TensorData::new(own.to_vec(), shape.clone());
            match shape.len() {
                1 => gradients.register(*id, Tensor::<1>::from_data(data, device)),
                2 => gradients.register(*id, Tensor::<2>::from_data(data, device)),
                3 => gradients.register(*id, Tensor::<3>::from_data(data, device)),
                _ => gradients.register(*id, Tensor::<4>::from_data(data, device)),
            }
        }
        Ok(gradients)
    }
}

/// Of which tensors there are gradients, and these one after the other.
fn row(tensors: &[(ParamId, Vec<usize>)], mut gradients: GradientsParams) -> (Vec<u8>, Vec<f32>) {
    let mut row = Vec::new();
    let mut there = Vec::new();
    for (id, shape) in tensors {
        let values = match shape.len() {
            1 => gradients.remove::<1>(*id).map(host),
            2 => gradients.remove::<2>(*id).map(host),
            3 => gradients.remove::<3>(*id).map(host),
            _ => gradients.remove::<4>(*id).map(host),
        };
        there.push(u8::from(values.is_some()));
        row.extend(values.into_iter().flatten());
    }
    (there, row)
}

/// The numbers of the tensors that are there.
fn floats(tensors: &[(ParamId, Vec<usize>)], there: &[u8]) -> usize {
    let of = tensors.iter().zip(there).filter(|(_, there)| **there == 1);
    of.map(|((_, shape), _)| shape.iter().product::<usize>()).sum()
}

/// Which part of so many numbers is whose.
fn parts(floats: usize, ranks: usize) -> Vec<Range<usize>> {
    let each = floats.div_ceil(ranks);
    let end = |rank: usize| floats.min(rank * each);
    (0..ranks).map(|rank| end(rank)..end(rank + 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_one_ranks() {
        for (floats, ranks) in [(0, 3), (1, 4), (10, 3), (12, 4), (5, 8)] {
            let parts = parts(floats, ranks);
            assert_eq!(parts.len(), ranks);
            let numbers: Vec<usize> = parts.into_iter().flatten().collect();
            assert_eq!(numbers, (0..floats).collect::<Vec<_>>(), "{floats} of {ranks}");
        }
    }
}
