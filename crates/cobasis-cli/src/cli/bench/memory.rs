//! `cobasis bench memory`, which `cobasis bench peers` starts.

use std::path::PathBuf;
use std::process::ExitCode;

use cobasis_cli::Error;
use cobasis_run::Network;
use cobasis_train::machine::peak_memory;
use serde::{Deserialize, Serialize};

use super::super::Outcome;
use super::super::output::print_json;

/// Batches after which a process has taken all its memory.
const RUNS: usize = 4;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  cobasis bench memory FILE.safetensors --batch 1 --size 32 32 --threads 2")]
pub(crate) struct Args {
    /// Deployed file.
    file: PathBuf,
    /// Images at a time.
    #[arg(long)]
    batch: usize,
    /// Height and width of the images.
    #[arg(long, num_args = 2)]
    size: Vec<usize>,
    /// Number of threads.
    #[arg(long)]
    threads: usize,
}

/// What it says.
#[derive(Serialize, Deserialize)]
pub(super) struct Report {
    pub(super) peak_memory_bytes: Option<u64>,
}

pub(super) fn run(args: Args) -> Outcome {
    let wrong = |error: cobasis_run::Error| Error::Usage(error.to_string());
    let mut network = Network::open(&args.file).map_err(wrong)?.with_threads(args.threads);
    let [height, width] = [args.size[0], args.size[1]];
    let shape = [args.batch, network.channels(), height, width];
    let images = vec![0.5; shape.iter().product()];
    for _ in 0..RUNS {
        network.run(&images, shape).map_err(wrong)?;
    }
    print_json(&Report { peak_memory_bytes: peak_memory() });
    Ok(ExitCode::SUCCESS)
}
