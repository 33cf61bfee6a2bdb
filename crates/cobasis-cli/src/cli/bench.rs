//! `cobasis bench`: how fast models and the loader are on this machine.

mod data;
mod memory;
mod peers;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use cobasis_cli::Error;
use cobasis_cli::bench::{
    LayerTime, Setup, Task, Timing, Workload, layer_times, repeat, shape_times, speed_plot,
};
use cobasis_data::regular::{MAX_TABLE, read_text};
use cobasis_kernels::burn_only;
use cobasis_train::DeviceName;
use cobasis_train::machine::{Machine, now, peak_memory};
use cobasis_zoo::ModelName;
use cobasis_zoo::files::{FileError, write_atomic};
use serde::Serialize;

use super::Outcome;
use super::head_filters::HeadFilters;
use super::output::{print, print_json, table};
use super::threads::refused;

/// Runs of which a layer's time is the median.
const LAYER_RUNS: usize = 5;

/// Measures the speed of models and of the data loader.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    Data(data::Args),
    /// Measures training steps or inferences of a model on random images.
    ///
    /// Inference is measured on the deployed model, unless --unfolded is given.
    #[command(after_help = "Examples:
  cobasis bench model cifar100/resnet34-s32u1 --batch 32 --train
  cobasis bench model cifar10/resnet32-s16u1-double --batch 1 -v")]
    Model {
        #[command(flatten)]
        common: Common,
        /// Device: flex (CPU), ndarray (CPU, slow reference), wgpu (GPU).
        #[arg(long, default_value_t = DeviceName::Flex)]
        device: DeviceName,
        /// Measure inference of the model as trained, without folding.
        #[arg(long, conflicts_with = "train")]
        unfolded: bool,
        /// Use Burn's own operations instead of cobasis-kernels.
        #[arg(long, conflicts_with = "verbose")]
        burn: bool,
        /// List the algorithm, time and share of each layer.
        #[arg(short, long)]
        verbose: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Measures each convolution shape of a model in isolation.
    #[command(after_help = "Example:
  cobasis bench layers cifar100/resnet34-s32u1 --batch 32 --train")]
    Layers {
        #[command(flatten)]
        common: Common,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    Peers(peers::Args),
    /// Tells the most memory that a deployed file takes in a process that does nothing else.
    Memory(memory::Args),
    /// Plots the results of `bench peers --csv`.
    #[command(after_help = "Example:
  cobasis bench plot results/speed.csv --out docs/speed.svg")]
    Plot {
        /// CSV file of `bench peers`.
        file: PathBuf,
        /// SVG file to write.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct Common {
    /// Name of the model.
    name: ModelName,
    /// Batch size.
    #[arg(long, value_name = "N", default_value = "32", value_parser = clap::value_parser!(u32).range(1..=65536))]
    batch: u32,
    /// Measure training steps.
    #[arg(long)]
    train: bool,
    /// Measure a detector: the model with two levels of 32 channels, and a head whose filters are dense
    /// or shared (32 shared, 1 unique).
    #[arg(long, value_name = "HEAD", value_enum)]
    detector: Option<HeadFilters>,
    /// Number of threads [default: number of cores].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Minimum time to measure, in seconds.
    #[arg(long, value_name = "S", default_value = "5", allow_negative_numbers = true, value_parser = clap::value_parser!(u16).range(0..=3600))]
    seconds: u16,
}

impl Common {
    fn setup(&self, unfolded: bool) -> Result<Setup, Error> {
        let detector = self.detector.map(|head| head.detector(&self.name)).transpose()?;
        let task = match (self.train, unfolded) {
            (true, _) => Task::Train,
            (false, true) => Task::Infer,
            (false, false) => Task::InferDeployed,
        };
        Ok(Setup { model: self.name.clone(), batch: self.batch as usize, task, detector })
    }

    /// Makes the threads, and says how many.
    fn start_threads(&self) -> Result<usize, Error> {
        if let Some(threads) = self.threads {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.into());
            let what = format!("--threads {threads}");
            pool.build_global().map_err(|error| refused(&what, &error.to_string()))?;
        }
        Ok(rayon::current_num_threads())
    }
}

#[derive(Serialize)]
struct Report {
    model: String,
    batch: usize,
    task: &'static str,
    device: String,
    threads: usize,
    machine: Machine,
    median_seconds: f64,
    fastest_seconds: f64,
    quartile_seconds: [f64; 2],
    runs: usize,
    images_per_second: f64,
    gigaflops_per_second: f64,
    peak_memory_bytes: Option<u64>,
    layers: Vec<LayerTime>,
}

pub(crate) fn run(command: Command) -> Outcome {
    match command {
        Command::Data(args) => return data::run(args),
        Command::Peers(args) => return peers::run(args),
        Command::Memory(args) => return memory::run(args),
        Command::Plot { file, out } => {
            let failed = |error| Error::Usage(format!("{}: {error}", file.display()));
            let csv = read_text(&file, MAX_TABLE).map_err(|error| failed(error.to_string()))?;
            let svg = speed_plot(&csv).map_err(|error| failed(error.to_string()))?;
            write_atomic(&out, svg.as_bytes()).map_err(|error| FileError::new(&out, error))?;
        }
        Command::Model { common, device, unfolded, burn, verbose, json } => {
            let threads = common.start_threads()?;
            let mut setup = common.setup(unfolded)?;
            if burn {
                setup.task = setup.task.by_operations();
            }
            let opened = device.open()?;
            let measure = || {
                let mut workload = Workload::new(&setup, &opened);
                let timing = repeat(Duration::from_secs(common.seconds.into()), 7, || {
                    workload.run();
                });
                let layers = match verbose {
                    true => {
                        let task = setup.task.by_operations();
                        let setup = Setup { task, ..setup.clone() };
                        layer_times(&mut Workload::new(&setup, &opened), LAYER_RUNS)
                    }
                    false => Vec::new(),
                };
                (timing, workload.operations, layers)
            };
            let (timing, operations, layers) = if burn { burn_only(measure) } else { measure() };
            let report = report(&setup, device, threads, &timing, operations, layers);
            if json {
                print_json(&report);
            } else {
                print(&describe(&report));
            }
        }
        Command::Layers { common, json } => {
            let (threads, mut setup) = (common.start_threads()?, common.setup(false)?);
            setup.task = setup.task.by_operations();
            let mut workload = Workload::new(&setup, &DeviceName::Flex.open()?);
            let each = Duration::from_millis(u64::from(common.seconds) * 100);
            let times = shape_times(&mut workload, each);
            if json {
                print_json(&times);
            } else {
                let mut rows = vec![
                    ["sizes", "layers", "work", "algorithm", "ms", "GFLOP/s"]
                        .map(Into::into)
                        .to_vec(),
                ];
                rows.extend(times.iter().map(|time| {
                    vec![
                        time.sizes.clone(),
                        time.layers.to_string(),
                        time.work.to_owned(),
                        time.algorithm.clone(),
                        format!("{:.3}", 1e3 * time.timing.median()),
                        format!("{:.0}", time.gigaflops),
                    ]
                }));
                print(&format!(
                    "{}, batch {}, {}, {threads} threads\n{}, {}\n\n{}",
                    setup.name(),
                    setup.batch,
                    task_name(setup.task),
                    Machine::this().processor,
                    now(),
                    table(&rows, &[2, 3])
                ));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn task_name(task: Task) -> &'static str {
    match task {
        Task::Train => "training step",
        Task::Infer => "inference",
        Task::InferDeployed | Task::InferByBurn => "inference, deployed",
    }
}

/// Seconds as milliseconds.
fn ms(seconds: f64) -> String {
    format!("{:.2}", 1e3 * seconds)
}

fn report(
    setup: &Setup,
    device: DeviceName,
    threads: usize,
    timing: &Timing,
    operations: u64,
    layers: Vec<LayerTime>,
) -> Report {
    let median = timing.median();
    Report {
        model: setup.name(),
        batch: setup.batch,
        task: task_name(setup.task),
        device: device.to_string(),
        threads,
        machine: Machine::this(),
        median_seconds: median,
        fastest_seconds: timing.fastest(),
        quartile_seconds: timing.quartiles(),
        runs: timing.runs(),
        images_per_second: setup.batch as f64 / median,
        gigaflops_per_second: 1e-9 * operations as f64 / median,
        peak_memory_bytes: peak_memory(),
        layers,
    }
}

fn describe(report: &Report) -> String {
    let [low, high] = report.quartile_seconds;
    let memory = report.peak_memory_bytes.map(|bytes| format!("{} MB", bytes / 1_000_000));
    let mut text = format!(
        "{}, batch {}, {}, {}, {} threads\n{}\n\n\
         median   {} ms (fastest {}, quartiles {} to {}, {} runs)\n\
         images   {:.1} a second\n\
         work     {:.1} GFLOP/s\n\
         memory   {}",
        report.model,
        report.batch,
        report.task,
        report.device,
        report.threads,
        report.machine.processor,
        ms(report.median_seconds),
        ms(report.fastest_seconds),
        ms(low),
        ms(high),
        report.runs,
        report.images_per_second,
        report.gigaflops_per_second,
        memory.unwrap_or_else(|| "unknown".to_owned()),
    );
    if !report.layers.is_empty() {
        let mut rows =
            vec![["layer", "work", "sizes", "algorithm", "ms", "share"].map(Into::into).to_vec()];
        rows.extend(report.layers.iter().map(|layer| {
            vec![
                layer.layer.clone(),
                layer.work.to_owned(),
                layer.sizes.clone(),
                layer.algorithm.clone(),
                format!("{:.3}", 1e3 * layer.seconds),
                format!("{:.1} %", 100.0 * layer.seconds / report.median_seconds),
            ]
        }));
        text += &format!("\n\n{}", table(&rows, &[1, 2, 3]));
    }
    text
}
