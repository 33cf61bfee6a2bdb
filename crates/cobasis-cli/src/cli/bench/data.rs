//! `cobasis bench data`: the loader alone.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cobasis_cli::Error;
use cobasis_data::{Loader, LoaderConfig, Target};
use cobasis_train::config::{Config, TaskKind};
use cobasis_train::train::{Classification, Detection, Task};
use serde::Serialize;

use super::super::Outcome;
use super::super::config_args::ConfigArgs;
use super::super::output::{grouped, print, print_json, table};

/// Measures the throughput of the data loader, without a network.
///
/// Decodes, crops, flips and normalises training images as `cobasis train` does with this
/// configuration. Recently read files come from the operating system's cache; to measure the disk,
/// run it right after booting.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cobasis bench data --config imagenet/resnet50.toml --data DIR
  cobasis bench data --config cifar10/resnet20.toml --workers 0,1,2,4 --json")]
pub(crate) struct Args {
    #[command(flatten)]
    chosen: ConfigArgs,
    /// Numbers of loader threads to try [default: 0, 1, 2, … up to the number of processors].
    #[arg(long, value_name = "N,N", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(0..=256))]
    workers: Vec<u16>,
    /// Seconds to measure each setting.
    #[arg(long, value_name = "S", default_value = "5", allow_negative_numbers = true, value_parser = clap::value_parser!(u16).range(1..=3600))]
    seconds: u16,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    dataset: String,
    images: usize,
    shape: [usize; 3],
    batch: usize,
    processors: usize,
    rates: Vec<Rate>,
}

/// What a number of workers came to.
#[derive(Serialize)]
struct Rate {
    workers: usize,
    /// From the call to the first batch.
    first_batch_seconds: f64,
    /// After the first batch.
    images_per_second: f64,
    images: usize,
    unreadable: usize,
}

pub(crate) fn run(args: Args) -> Outcome {
    let config = args.chosen.load(None, &[], false)?;
    let report = match config.task {
        TaskKind::Classify => report::<Classification>(&args, &config)?,
        TaskKind::Detect => report::<Detection>(&args, &config)?,
    };
    if args.json {
        print_json(&report);
    } else {
        print(&describe(&report));
    }
    Ok(ExitCode::SUCCESS)
}

/// Measures each number of workers.
fn report<T: Task>(args: &Args, config: &Config) -> Result<Report, Error> {
    let set = Arc::new(T::load(config)?.train);
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let workers: Vec<usize> = match args.workers.is_empty() {
        true => [0]
            .into_iter()
            .chain((0..).map(|power| 1 << power).take_while(|&workers| workers <= processors))
            .collect(),
        false => args.workers.iter().map(|&workers| workers.into()).collect(),
    };
    let batch_size = config.train.batch.min(set.len());
    let mut rates = Vec::new();
    for workers in workers {
        let augment = config.data.augment();
        let seed = config.seed;
        let settings = LoaderConfig { batch_size, shuffle: true, augment, seed, workers };
        let loader = T::loader(Arc::clone(&set), settings, config)?;
        rates.push(measure(&loader, workers, Duration::from_secs(args.seconds.into()))?);
    }
    Ok(Report {
        dataset: set.info().name.clone(),
        images: set.len(),
        shape: set.shape(),
        batch: batch_size,
        processors,
        rates,
    })
}

/// Takes batches, epoch after epoch, until the time is over.
fn measure<T: Target>(loader: &Loader<T>, workers: usize, time: Duration) -> Result<Rate, Error> {
    let start = Instant::now();
    let mut first = None;
    let mut images = 0;
    'epochs: for epoch in 1.. {
        for batch in loader.epoch(epoch) {
            let count = batch?.labels.len();
            match first {
                None => first = Some(Instant::now()),
                Some(_) => images += count,
            }
            if images > 0 && start.elapsed() >= time {
                break 'epochs;
            }
        }
    }
    let first = first.unwrap_or(start);
    Ok(Rate {
        workers,
        first_batch_seconds: (first - start).as_secs_f64(),
        images_per_second: images as f64 / first.elapsed().as_secs_f64(),
        images,
        unreadable: loader.num_unreadable(),
    })
}

fn describe(report: &Report) -> String {
    let mut rows = vec![["workers", "images/s", "first batch"].map(String::from).to_vec()];
    rows.extend(report.rates.iter().map(|rate| {
        vec![
            rate.workers.to_string(),
            grouped(rate.images_per_second as u64),
            format!("{:.2} s", rate.first_batch_seconds),
        ]
    }));
    format!(
        "{}: {} training images as {:?}, batches of {}, {} processors\n{}",
        report.dataset,
        grouped(report.images as u64),
        report.shape,
        report.batch,
        report.processors,
        table(&rows, &[])
    )
}
