//! `cobasis adapt`: a task on a frozen base.

use std::path::PathBuf;
use std::process::ExitCode;

use cobasis_train::DeviceName;
use cobasis_train::evaluate::Score;
use cobasis_train::train::{Outcome as Ended, run as train};
use cobasis_zoo::files::save_task;
use cobasis_zoo::{AdapterKind, load};

use super::Outcome;
use super::config_args::ConfigArgs;
use super::model_file::{Destination, file_size};
use super::output::{grouped, print};
use super::program::program;
use super::progress::Progress;
use super::signals::Signals;
use super::train::{command_line, describe};

/// Trains one task on a trained model, which stays as it is, and writes what is the task's alone.
///
/// The file has the task's adapter, batch norms and classifier, a few kilobytes, and the SHA-256 of its base;
/// `eval`, `predict`, `deploy` and `export` take the base with `--task FILE`, and refuse another base. The training is an
/// ordinary run beside the file; the same command resumes it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cobasis adapt runs/digits-resnet14-s8u1-001/best.safetensors --adapter unique --out task.safetensors
  cobasis adapt BASE.safetensors --adapter norms --config tasks/cifar10.toml --data DIR \\
    --out cifar10.safetensors
  cobasis eval --checkpoint BASE.safetensors --task cifar10.safetensors")]
pub(crate) struct Args {
    /// Model file of the base.
    #[arg(value_name = "BASE")]
    base: PathBuf,
    /// What the task has of its own beside a classifier: head (nothing), norms, film, rank1, mask, mix, mlp (a
    /// guess at Kernel Modulation), unique (unique filters, on a base with shared ones), or full (everything).
    #[arg(long, value_name = "KIND")]
    adapter: AdapterKind,
    #[command(flatten)]
    chosen: ConfigArgs,
    /// Random seed, overrides the configuration's.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    seed: Option<u64>,
    /// Directory of the run [default: named after --out, ending with -run]. If it already holds this run,
    /// training resumes from the last checkpoint.
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,
    /// Device to train on: flex (CPU), ndarray (CPU, slow reference), wgpu (GPU).
    #[arg(long, default_value_t = DeviceName::Flex, hide_default_value = false)]
    device: DeviceName,
    /// Print one line per epoch instead of the live line (the default without a terminal).
    #[arg(long)]
    no_live: bool,
    /// File to write, which has what is the task's alone.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Overwrite the file if it exists.
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(args: Args) -> Outcome {
    Destination::in_words(args.out.clone(), args.force).check(&args.base)?;
    let mut config = args.chosen.load(Some(&args.base), &[], false)?;
    config.init.adapter = Some(args.adapter.to_string());
    if let Some(seed) = args.seed {
        config.seed = seed;
    }
    config.check()?;
    let directory = args.run.clone().unwrap_or_else(|| {
        let mut name = args.out.file_stem().unwrap_or_default().to_os_string();
        name.push("-run");
        args.out.with_file_name(name)
    });
    let command = command_line();
    let signals = Signals::listen();
    let mut progress = Progress::new(&signals, !args.no_live);
    let ended = train(&config, args.device, Some(&directory), &command, &mut progress)?;
    progress.end();
    let summary = match ended {
        Ended::Finished(summary) => summary,
        Ended::Interrupted { epoch, step, .. } => {
            print(&format!(
                "interrupted in epoch {epoch} after step {step}; everything is saved. To resume:\n\
                 {} {}",
                program(),
                command.trim_start_matches("cobasis ")
            ));
            return Ok(signals.exit_code());
        }
    };
    let model = load(directory.join("best.safetensors"), &DeviceName::Flex.open()?)?;
    save_task(&model, &args.out)?;
    print(&describe::<Score>(&summary));
    if let Some(count) = model.adapter_count() {
        print(&format!(
            "{}: {} parameters beside the classifier, {:.2} % of the base's {}; {} bytes",
            args.out.display(),
            grouped(count.adapter()),
            count.percent(),
            grouped(count.base),
            grouped(file_size(&args.out)?),
        ));
    }
    Ok(ExitCode::SUCCESS)
}
