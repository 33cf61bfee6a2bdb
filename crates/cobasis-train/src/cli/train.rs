//! `cobasis train`.

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cobasis_train::config::{Config, DIGITS};
use cobasis_train::train::{DryRun, Summary, dry_run, run as train};
use cobasis_train::{DeviceName, Error};

use super::Outcome;
use super::data_dir::data_dir;
use super::output::{grouped, print};
use super::progress::Progress;

/// Where configs are looked for that are not where they were said to be; `cargo xtask` sets it to
/// the checkout's `configs`, whatever the working directory.
const CONFIGS: &str = "COBASIS_CONFIGS";

/// Trains a model and records the run in a directory of its own.
///
/// Without --config it trains a small network with shared bases on handwritten digits that are
/// part of the program (1,797 images of 8x8 from the UCI repository: Optical Recognition of
/// Handwritten Digits, E. Alpaydin and C. Kaynak, CC BY 4.0).
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask train
  cargo xtask train --config cifar10/resnet32-s16u1.toml --data DIR --set train.epochs=2")]
pub(crate) struct Args {
    /// Configuration file, looked for as given, then under configs/.
    #[arg(long, value_name = "FILE")]
    config: Option<String>,
    /// Changes a value of the configuration, by its dotted key; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Directory of the data set's files [default: where `data fetch` puts them].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Download the data set where its files are absent.
    #[arg(long)]
    download: bool,
    /// Directory of the run, which must not exist or be empty [default: a new one under runs/].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Device to train on: flex (processor), ndarray (processor, slow reference), wgpu (GPU).
    #[arg(long, default_value_t = DeviceName::Flex, hide_default_value = false)]
    device: DeviceName,
    /// Seed of all random numbers, over the configuration's.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    seed: Option<u64>,
    /// Run two training steps, say what a run would cost, and write nothing.
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(args: Args) -> Outcome {
    let config = config(&args)?;
    if args.dry_run {
        print(&describe_dry_run(&config, &dry_run(&config, args.device)?));
        return Ok(ExitCode::SUCCESS);
    }
    let command: Vec<String> = env::args().skip(1).collect();
    let command = format!("cobasis {}", command.join(" "));
    let mut progress = Progress::new(config.train.lambda);
    let summary = train(&config, args.device, args.out.as_deref(), &command, &mut progress)?;
    print(&describe(&summary));
    Ok(ExitCode::SUCCESS)
}

fn config(args: &Args) -> Result<Config, Error> {
    let config = args.config.as_deref();
    let mut config = load_config(config, &args.set, args.data.clone(), args.download)?;
    if let Some(seed) = args.seed {
        config.seed = seed;
    }
    config.check()?;
    Ok(config)
}

/// The configuration of this name, changed, checked, and with the directory of its data.
pub(super) fn load_config(
    name: Option<&str>,
    set: &[String],
    data: Option<PathBuf>,
    download: bool,
) -> Result<Config, Error> {
    let configs = env::var_os(CONFIGS).unwrap_or_else(|| "configs".into());
    let mut config = match name {
        Some(name) => Config::load_with(name, Path::new(&configs), set)?,
        None => Config::parse_with("the built-in digits.toml", DIGITS, set)?,
    };
    if let Some(data) = data {
        config.data.dir = Some(data);
    }
    config.check()?;
    config.data.dir = data_dir(&config.data, download)?;
    Ok(config)
}

fn describe(summary: &Summary) -> String {
    let Summary { last, best_on_test: best, .. } = summary;
    format!(
        "last epoch ({}): top-1 {:.2} %, top-5 {:.2} %\n\
         best epoch ({}, chosen on the test set): top-1 {:.2} %, top-5 {:.2} %\n\
         {:.0} s",
        last.epoch,
        last.test_top1,
        last.test_top5,
        best.epoch,
        best.test_top1,
        best.test_top5,
        summary.seconds,
    )
}

fn describe_dry_run(config: &Config, dry: &DryRun) -> String {
    let mut lines = vec![
        format!("model   {}, {} parameters", config.model, grouped(dry.params)),
        format!(
            "data    {}, {} training images in batches of {:?}",
            config.data.name,
            grouped(dry.train_images as u64),
            dry.batch
        ),
    ];
    lines.extend(dry.reports.iter().map(|step| {
        format!(
            "step {}  loss {:.4} + {} x {:.2e}",
            step.step,
            step.score.mean_cross_entropy(),
            config.train.lambda,
            step.penalty
        )
    }));
    let epoch = dry.step_seconds * dry.steps as f64;
    lines.push(format!(
        "time    {:.2} s a step, about {} an epoch of {} steps, {} for {} epochs, tests aside",
        dry.step_seconds,
        duration(epoch),
        dry.steps,
        duration(epoch * config.train.epochs as f64),
        config.train.epochs
    ));
    lines.push("nothing was written".to_string());
    lines.join("\n")
}

fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} h", s / 3600.0),
        s => format!("{:.1} days", s / 86_400.0),
    }
}
