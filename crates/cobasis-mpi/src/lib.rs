//! Messages between processes through the MPI library of the machine, found at run time.
//!
//! [`World::start`] joins the processes that a launcher has started; then each of them calls the same methods in
//! the same order, as MPI has it.

mod calls;
#[cfg_attr(not(unix), path = "no_library.rs")]
mod library;

use std::ffi::c_int;
use std::ops::Range;

use calls::Calls;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// What went wrong between processes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MpiError {
    /// The machine has no MPI library, or none that can be used.
    #[error(
        "cannot open an MPI library: {problem}; install one (Debian: apt-get install openmpi-bin, or load your \
         cluster's module), or give its file in {LIBRARY}"
    )]
    Library {
        /// What was tried, and what came of it.
        problem: String,
    },
    /// A call of MPI failed.
    #[error("{call}: {problem}")]
    Call {
        /// MPI's name of it.
        call: &'static str,
        /// What MPI says of it.
        problem: String,
    },
    /// A message is longer than MPI's counts go.
    #[error("a message of {bytes} bytes is too long for MPI, which counts to 2147483647")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
}

/// The environment variable that names the file of the MPI library.
pub const LIBRARY: &str = "COBASIS_MPI_LIBRARY";

/// All processes that a launcher has started together.
pub struct World {
    calls: Box<dyn Calls>,
    rank: usize,
    size: usize,
    /// What the library says of itself.
    version: String,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World")
            .field("rank", &self.rank)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

impl World {
    /// Opens the MPI library and waits for the other processes. To be called once, on the thread that sends and
    /// receives from then on.
    ///
    /// # Errors
    ///
    /// [`MpiError::Library`] where there is no MPI library; [`MpiError::Call`] where MPI does not start.
    pub fn start() -> Result<Self, MpiError> {
        let calls = library::open()?;
        calls.init()?;
        let [rank, size] = [calls.rank()?, calls.size()?];
        let version = calls.version();
        Ok(Self { calls, rank, size, version })
    }

    /// The number of this process, from 0.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// How many processes there are.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The MPI library's name and version, in its own words.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The messages of all processes, in the order of their numbers. Lengths may differ.
    ///
    /// # Errors
    ///
    /// Where MPI fails, or all messages together are longer than its counts go.
    pub fn all_gather(&self, own: &[u8]) -> Result<Vec<Vec<u8>>, MpiError> {
        let mut lengths = vec![0u64; self.size];
        let length = [own.len() as u64];
        let each = vec![size_of::<u64>(); self.size];
        let into = bytemuck::cast_slice_mut(&mut lengths);
        self.calls.all_gather(bytemuck::cast_slice(&length), into, &spans(&each)?)?;
        let lengths: Vec<usize> =
            lengths.into_iter().map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX)).collect();
        let spans = spans(&lengths)?;
        let mut all = vec![0; lengths.iter().sum()];
        self.calls.all_gather(own, &mut all, &spans)?;
        let mut rest = all.as_slice();
        let take = |length: usize| {
            let (own, after) = rest.split_at(length);
            rest = after;
            own.to_vec()
        };
        Ok(lengths.into_iter().map(take).collect())
    }

    /// Gives part `i` of `all`, which `parts` cut into one for each process, to process `i`. What this process gets
    /// is what the first `senders` processes have in its own part, one after the other; processes from `senders` on
    /// give nothing, and their `all` is not looked at.
    ///
    /// # Errors
    ///
    /// As [`all_gather`](Self::all_gather).
    ///
    /// # Panics
    ///
    /// Where there is not a part for each process, or `all` of a sender is shorter than they say.
    pub fn exchange(
        &self,
        all: &[f32],
        parts: &[Range<usize>],
        senders: usize,
    ) -> Result<Vec<f32>, MpiError> {
        assert!(parts.len() == self.size && senders <= self.size, "a part for each process");
        let sends = self.rank < senders;
        let bytes = |floats: usize| floats.saturating_mul(size_of::<f32>());
        let given = |part: &Range<usize>| if sends { bytes(part.len()) } else { 0 };
        let given = spans(&parts.iter().map(given).collect::<Vec<_>>())?;
        let own = parts[self.rank].len();
        let taken = |from: usize| if from < senders { bytes(own) } else { 0 };
        let taken = spans(&(0..self.size).map(taken).collect::<Vec<_>>())?;
        let total: usize = parts.iter().map(Range::len).sum();
        let all = if sends { &all[..total] } else { &[] };
        let mut got = vec![0.0f32; senders * own];
        let into = bytemuck::cast_slice_mut(&mut got);
        self.calls.all_to_all(bytemuck::cast_slice(all), &given, into, &taken)?;
        Ok(got)
    }

    /// The parts of all processes, one after the other: `own` is this one's.
    ///
    /// # Errors
    ///
    /// As [`all_gather`](Self::all_gather).
    ///
    /// # Panics
    ///
    /// Where there is not a part for each process, or `own` is not as long as its part.
    pub fn collect(&self, own: &[f32], parts: &[Range<usize>]) -> Result<Vec<f32>, MpiError> {
        assert!(parts.len() == self.size && own.len() == parts[self.rank].len(), "its part");
        let bytes = |part: &Range<usize>| part.len().saturating_mul(size_of::<f32>());
        let spans = spans(&parts.iter().map(bytes).collect::<Vec<_>>())?;
        let mut all = vec![0.0f32; parts.iter().map(Range::len).sum()];
        self.calls.all_gather(
            bytemuck::cast_slice(own),
            bytemuck::cast_slice_mut(&mut all),
            &spans,
        )?;
        Ok(all)
    }

    /// Leaves the others, all of which do so too.
    ///
    /// # Errors
    ///
    /// Where MPI fails.
    pub fn end(&self) -> Result<(), MpiError> {
        self.calls.end()
    }

    /// Ends all processes, whatever they are at.
    pub fn abort(&self, code: u8) -> ! {
        self.calls.abort(c_int::from(code));
        // MPI does not come back; if it does, this process at least ends.
        std::process::exit(i32::from(code))
    }
}

/// How many bytes each process has, and where they begin.
struct Spans {
    counts: Vec<c_int>,
    starts: Vec<c_int>,
}

/// Bytes one after the other, in MPI's numbers.
fn spans(bytes: &[usize]) -> Result<Spans, MpiError> {
    let mut spans = Spans { counts: Vec::new(), starts: Vec::new() };
    let mut start = 0usize;
    let number = |bytes: usize| c_int::try_from(bytes).map_err(|_| MpiError::TooLong { bytes });
    for &count in bytes {
        spans.counts.push(number(count)?);
        spans.starts.push(number(start)?);
        start = start.saturating_add(count);
    }
    number(start)?;
    Ok(spans)
}

impl Spans {
    /// The end of the last one, in bytes.
    fn end(&self) -> usize {
        let last = self.counts.last().zip(self.starts.last());
        last.map_or(0, |(count, start)| (count + start) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_follow_each_other_as_far_as_mpi_counts() {
        let Spans { counts, starts } = spans(&[3, 0, 5]).expect("short");
        assert_eq!((counts, starts), (vec![3, 0, 5], vec![0, 3, 3]));
        assert_eq!(spans(&[1, 2]).expect("short").end(), 3);
        for long in [vec![1 << 31], vec![1 << 30, 1 << 30], vec![usize::MAX, usize::MAX]] {
            assert!(matches!(spans(&long), Err(MpiError::TooLong { .. })), "{long:?}");
        }
    }
}
