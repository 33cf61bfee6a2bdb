//! Who trains a run: this process alone, or several that make every step together.
//!
//! The batches of a step are dealt out in turn: of `n` ranks, rank `r` has the batches `r`, `r + n`, … Gradients are
//! added in the order of the batches, whatever time each takes, so that `n` ranks come to what one does with the same
//! `train.accumulate`, to the last bit where all compute alike.

mod agreement;
mod gradients;
mod judge;
mod link;
#[cfg(feature = "mpi")]
mod mpi;
mod statistics;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::ops::Range;
use std::time::Instant;

use crate::error::Error;

pub(crate) use agreement::{check_accumulate, check_data, check_model, check_run};
pub(crate) use gradients::InOrder;
pub(crate) use judge::judge_together;
pub use link::{Link, LinkError};
pub(crate) use statistics::{statistics, with_statistics};

/// The first byte of a message: all is well, or the rank has failed, with the exit code in the second.
const WELL: u8 = 0;
const FAILED: u8 = 1;

/// The processes that train a run together, as seen by one of them.
///
/// All of them call the same methods in the same order. A rank that fails says so in the place of its next message,
/// by [`fail`](Self::fail), and all end.
pub struct Ranks {
    /// The way to the others, if there are others.
    link: Option<Box<dyn Link>>,
    /// Seconds that messages have taken, with the wait for others.
    spent: Cell<f64>,
}

impl std::fmt::Debug for Ranks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "rank {} of {}", self.rank(), self.count())
    }
}

impl Ranks {
    /// This process alone.
    pub fn alone() -> Self {
        Self { link: None, spent: Cell::default() }
    }

    /// Those at the ends of a link.
    pub fn linked(link: impl Link + 'static) -> Self {
        Self { link: Some(Box::new(link)), spent: Cell::default() }
    }

    /// The processes that an MPI launcher has started with this one, so many as it says itself.
    ///
    /// # Errors
    ///
    /// [`Error::Link`] where there is no MPI library, it does not work, or it knows of another number of processes.
    #[cfg(feature = "mpi")]
    pub fn of_mpi(size: usize) -> Result<Self, Error> {
        Ok(Self::linked(mpi::Mpi::start(size)?))
    }

    /// The number of this process, from 0.
    pub fn rank(&self) -> usize {
        self.link.as_ref().map_or(0, |link| link.rank())
    }

    /// How many processes there are.
    pub fn count(&self) -> usize {
        self.link.as_ref().map_or(1, |link| link.size())
    }

    /// Whether this is the one that writes and speaks.
    pub fn leads(&self) -> bool {
        self.rank() == 0
    }

    /// The messages of all ranks, in their order.
    pub(crate) fn gather(&self, own: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
        let Some(link) = &self.link else {
            return Ok(vec![own.to_vec()]);
        };
        let messages = self.timed(|| link.all_gather(&[&[WELL], own].concat()))?;
        for (rank, message) in messages.iter().enumerate() {
            if message.first() != Some(&WELL) {
                let code = message.get(1).copied().unwrap_or(1);
                return Err(Error::OtherRank { rank, code });
            }
        }
        Ok(messages.into_iter().map(|message| message[1..].to_vec()).collect())
    }

    /// As [`Link::exchange`]; alone, what is given.
    pub(crate) fn exchange(
        &self,
        all: &[f32],
        parts: &[Range<usize>],
        senders: usize,
    ) -> Result<Vec<f32>, Error> {
        match &self.link {
            Some(link) => Ok(self.timed(|| link.exchange(all, parts, senders))?),
            None => Ok(all.to_vec()),
        }
    }

    /// As [`Link::collect`]; alone, what is given.
    pub(crate) fn collect(&self, own: &[f32], parts: &[Range<usize>]) -> Result<Vec<f32>, Error> {
        match &self.link {
            Some(link) => Ok(self.timed(|| link.collect(own, parts))?),
            None => Ok(own.to_vec()),
        }
    }

    /// Seconds that messages have taken so far, with the wait for slower ranks.
    pub(crate) fn seconds(&self) -> f64 {
        self.spent.get()
    }

    fn timed<R>(&self, message: impl FnOnce() -> R) -> R {
        let start = Instant::now();
        let result = message();
        self.spent.set(self.spent.get() + start.elapsed().as_secs_f64());
        result
    }

    /// What the first rank has, which alone is asked for it.
    pub(crate) fn of_first(&self, own: impl FnOnce() -> Vec<u8>) -> Result<Vec<u8>, Error> {
        let own = if self.leads() { own() } else { Vec::new() };
        Ok(self.gather(&own)?.swap_remove(0))
    }

    /// Whether this is so on any rank.
    pub(crate) fn any(&self, own: bool) -> Result<bool, Error> {
        Ok(self.gather(&[u8::from(own)])?.iter().any(|message| message[..] == [1]))
    }

    /// Waits until all are here, none of which has failed before.
    pub(crate) fn wait(&self) -> Result<(), Error> {
        self.gather(&[]).map(|_| ())
    }

    /// Tells the others that this rank has failed and ends with this code. The first rank that has is given back:
    /// its message is the one to show.
    ///
    /// # Errors
    ///
    /// [`Error::Link`] where the others can't be told.
    pub fn fail(&self, code: u8) -> Result<usize, Error> {
        let Some(link) = &self.link else {
            return Ok(0);
        };
        let messages = link.all_gather(&[FAILED, code])?;
        let first = messages.iter().position(|message| message.first() == Some(&FAILED));
        Ok(first.unwrap_or_else(|| self.rank()))
    }

    /// Leaves the others, all of which do so too.
    pub fn end(&self) {
        if let Some(link) = &self.link {
            link.end();
        }
    }

    /// Ends all processes, whatever they are at: for what can't be told to the others.
    pub fn abort(&self, code: u8) {
        if let Some(link) = &self.link {
            link.abort(code);
        }
    }
}
