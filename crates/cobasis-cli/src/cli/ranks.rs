//! Processes that train together, as `mpirun` starts them: who speaks, and how all of them end.

use std::env;
use std::ops::ControlFlow;
use std::process::ExitCode;

use cobasis_cli::Error;
use cobasis_train::metrics::Scores;
use cobasis_train::train::{Ranks, Started, StepReport, Watch};
use log::LevelFilter;

use super::Outcome;
use super::output::tell;
use super::signals::Signals;

/// What launchers say in the environment: this process's number, and how many there are. Open MPI; MPICH, Intel MPI
/// and SLURM's PMI; SLURM's PMIx.
const LAUNCHERS: [[&str; 2]; 3] = [
    ["OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"],
    ["PMI_RANK", "PMI_SIZE"],
    ["PMIX_RANK", "SLURM_STEP_NUM_TASKS"],
];
/// How many of them are on this machine.
const LOCAL: [&str; 3] = ["OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS", "SLURM_NTASKS_PER_NODE"];

/// Which of these a process is.
const PLACE: [&str; 3] = ["OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID"];

/// What a launcher has started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Launched {
    rank: usize,
    size: usize,
}

/// Several processes of a launcher; `None` for one that is alone.
fn launched() -> Option<Launched> {
    launched_by(number)
}

fn launched_by(number: impl Fn(&str) -> Option<usize>) -> Option<Launched> {
    let found = LAUNCHERS
        .into_iter()
        .find_map(|[rank, size]| Some(Launched { rank: number(rank)?, size: number(size)? }));
    found.filter(|launched| launched.size > 1)
}

fn number(name: &str) -> Option<usize> {
    env::var(name).ok()?.trim().parse().ok()
}

/// How many processes a launcher has started on this machine; 1 without one.
pub(super) fn on_this_machine() -> usize {
    let local = || LOCAL.into_iter().find_map(number);
    launched().and_then(|_| local()).unwrap_or(1).max(1)
}

/// Which of the processes on this machine this is, from 0.
pub(super) fn place_on_machine() -> usize {
    PLACE.into_iter().find_map(number).or_else(|| launched().map(|one| one.rank)).unwrap_or(0)
}

/// Refuses a command that several processes would only do several times.
pub(super) fn check_alone(command: &str) -> Result<(), Quiet> {
    let Some(Launched { rank, size }) = launched() else { return Ok(()) };
    let problem = format!(
        "{size} processes were started together, and only `cobasis train` shares its work among them; start \
         `cobasis {command}` without mpirun or srun"
    );
    Err(Quiet::told_by_first(rank, Error::Usage(problem)))
}

/// The exit code of an error that has been told, or that another process tells.
pub(super) struct Quiet(pub(super) ExitCode);

impl Quiet {
    /// An error that all processes have; the first tells it.
    fn told_by_first(rank: usize, error: Error) -> Self {
        if rank == 0 {
            tell(&format!("error: {}", error.line()));
        }
        Self(ExitCode::from(error.exit_code()))
    }
}

/// Runs something with the other processes that were started with this one, if there are some. Where one fails, all
/// end, and that one says why.
pub(super) fn together(run: impl FnOnce(&Ranks) -> Outcome) -> Outcome {
    let Some(launched) = launched() else { return run(&Ranks::alone()) };
    let ranks = match start(launched) {
        Ok(ranks) => ranks,
        Err(error) => return Ok(Quiet::told_by_first(launched.rank, error).0),
    };
    if !ranks.leads() {
        // Of what all see, the first tells.
        log::set_max_level(LevelFilter::Off);
    }
    let code = match run(&ranks) {
        Ok(code) => code,
        Err(Error::Train(error @ cobasis_train::Error::OtherRank { .. })) => {
            ExitCode::from(error.exit_code())
        }
        Err(error) => failed(&ranks, &error),
    };
    ranks.end();
    Ok(code)
}

/// Tells the others of an error, and the user, unless one before this has the same to tell.
fn failed(ranks: &Ranks, error: &Error) -> ExitCode {
    let code = error.exit_code();
    let speak = || {
        let rank = ranks.rank();
        let who = if rank == 0 { String::new() } else { format!("rank {rank}: ") };
        tell(&format!("error: {who}{}", error.line()));
    };
    if let Error::Train(cobasis_train::Error::Link(_)) = error {
        // Who can't be reached can't be told.
        speak();
        ranks.abort(code);
    }
    match ranks.fail(code) {
        Ok(first) if first == ranks.rank() => speak(),
        Ok(_) => {}
        Err(_) => {
            speak();
            ranks.abort(code);
        }
    }
    ExitCode::from(code)
}

#[cfg(feature = "mpi")]
fn start(launched: Launched) -> Result<Ranks, Error> {
    Ok(Ranks::of_mpi(launched.size)?)
}

#[cfg(not(feature = "mpi"))]
fn start(Launched { size, .. }: Launched) -> Result<Ranks, Error> {
    Err(Error::Usage(format!(
        "{size} processes were started together, and this program was built without MPI; \
         `cargo install --path crates/cobasis-cli --features mpi` builds it with"
    )))
}

/// Says nothing, and looks for signals: the watch of all ranks but the first.
pub(super) struct Silent<'a>(pub(super) &'a Signals);

impl Silent<'_> {
    fn flow(&self) -> ControlFlow<()> {
        match self.0.came() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }
}

impl<S: Scores> Watch<S> for Silent<'_> {
    fn started(&mut self, _run: Started<'_>) {
        // Images that can't be read are known to the rank that has read them.
        log::set_max_level(LevelFilter::Warn);
    }

    fn step(&mut self, _epoch: usize, _step: &StepReport<S>) -> ControlFlow<()> {
        self.flow()
    }

    fn evaluated(&mut self, _images: usize) -> ControlFlow<()> {
        self.flow()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn launchers_tell_who_a_process_is() {
        let of = |set: &'static [(&str, usize)]| {
            launched_by(|name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| *value))
        };
        assert_eq!(of(&[]), None);
        let open_mpi = of(&[("OMPI_COMM_WORLD_RANK", 1), ("OMPI_COMM_WORLD_SIZE", 4)]);
        assert_eq!(open_mpi, Some(Launched { rank: 1, size: 4 }));
        assert_eq!(of(&[("PMI_RANK", 0), ("PMI_SIZE", 1)]), None);
        let slurm = of(&[("PMIX_RANK", 2), ("SLURM_STEP_NUM_TASKS", 3)]);
        assert_eq!(slurm, Some(Launched { rank: 2, size: 3 }));
    }
}
