//! `cobasis train`.

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

use cobasis_cli::Error;
use cobasis_train::DeviceName;
use cobasis_train::config::{Axis, Config, ConfigError, TaskKind, grid};
use cobasis_train::evaluate::Score;
use cobasis_train::metrics::Scores;
use cobasis_train::run_dir::{EarlyStop, EpochSummary, RunDir, Summary, TaskSummary};
use cobasis_train::train::{
    Classification, Detection, DryRun, Outcome as Ended, Ranks, SeedsOutcome, SeedsResults,
    SeedsSummary, Setting, SweepOutcome, Task, dry_run, run_seeds, run_sweep, run_task as train,
    run_together as train_together,
};

use super::Outcome;
use super::config_args::ConfigArgs;
use super::output::{grouped, print};
use super::program::program;
use super::progress::{Progress, shown};
use super::ranks::{Silent, place_on_machine, together};
use super::signals::Signals;
use super::sweep;

/// Trains a model and records the run in its own directory.
///
/// Without --config, it trains a small network with shared bases on handwritten digits that are
/// built into the program (1,797 images of 8x8 from the UCI repository: Optical Recognition of
/// Handwritten Digits, E. Alpaydin and C. Kaynak, CC BY 4.0).
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cobasis train
  cobasis train --config cifar10/resnet32-s16u1.toml --data DIR --set train.epochs=2
  cobasis train --config cifar100.toml --data DIR --out RUN   # repeat to resume
  cobasis train --seeds 0,1,2 --set data.split=train/val
  cobasis train --init TRAINED.safetensors --set train.freeze=backbone --set optimizer.lr=0.01
  cobasis train --init resnet18.pth --set model=imagenet/resnet18 --set data.name=folder --data DIR
  cobasis train --sweep optimizer.lr=0.05,0.1 --sweep ortho.lambda=0,10 --out SWEEP
  cobasis train --devices wgpu:0,wgpu:1 --set train.accumulate=2
  mpirun -n 4 cobasis train --set train.accumulate=4 --out RUN   # built with the feature mpi")]
pub(crate) struct Args {
    #[command(flatten)]
    chosen: ConfigArgs,
    /// Model file to start from, instead of random weights: one of ours, torchvision's or the
    /// authors'. Sets init.from; without a model in --config or --set, the file's is trained.
    #[arg(long, value_name = "FILE")]
    init: Option<PathBuf>,
    /// Download the data set if its files are missing.
    #[arg(long)]
    download: bool,
    /// Directory of the run [default: a new one under runs/]. If it already holds this run,
    /// training resumes from the last checkpoint.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Device to train on: flex (CPU), ndarray (CPU, slow reference), wgpu (GPU). Of several GPUs, wgpu:1 is the
    /// second. cuda, rocm, metal and vulkan are passed through to Burn; they were never built or tried by the
    /// developers.
    #[arg(long, default_value_t = DeviceName::Flex, hide_default_value = false)]
    device: DeviceName,
    /// Devices that share the batches of every step, such as wgpu:0,wgpu:1; as many as divide train.accumulate.
    /// Sets train.devices.
    #[arg(long, value_name = "NAME,NAME,...", value_delimiter = ',', conflicts_with = "device")]
    devices: Vec<DeviceName>,
    /// Random seed, overrides the configuration's.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    seed: Option<u64>,
    /// Train once with each of these seeds, each in its own directory below --out, and write the
    /// mean and standard deviation to seeds.json.
    #[arg(long, value_name = "N,N,...", value_delimiter = ',', conflicts_with = "seed")]
    seeds: Vec<u64>,
    /// Train once with each of these values of a key, each run in its own directory below --out, and
    /// write a table of the results to sweep.csv. Several --sweep form the grid; with --seeds each
    /// setting is trained with each seed. Keys and values are those of --set.
    #[arg(long, value_name = "KEY=VALUE,VALUE,...")]
    sweep: Vec<String>,
    /// Print one line per epoch instead of the live line (the default without a terminal).
    #[arg(long, alias = "no-tui")]
    no_live: bool,
    /// Run two training steps, estimate the cost of the whole run, and write nothing.
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(args: Args) -> Outcome {
    together(|ranks| {
        let settings = settings(&args)?;
        match settings[0].config.task {
            TaskKind::Classify => run_task::<Classification>(args, &settings, ranks),
            TaskKind::Detect => run_task::<Detection>(args, &settings, ranks),
        }
    })
}

fn run_task<T: Task>(args: Args, settings: &[Setting], ranks: &Ranks) -> Outcome {
    let config = &settings[0].config;
    if ranks.count() > 1 {
        return run_together::<T>(&args, config, ranks);
    }
    if let Some(note) = args.chosen.note() {
        print(&format!("note: {note}"));
    }
    if args.dry_run {
        let runs = settings.len() * args.seeds.len().max(1);
        if runs > 1 {
            let (settings, seeds) = (settings.len(), args.seeds.len().max(1));
            print(&format!("runs    {runs}: settings {settings} x seeds {seeds}; of the first:"));
        }
        let device = config.train.devices.first().copied().unwrap_or(args.device);
        print(&describe_dry_run(config, &dry_run::<T>(config, device)?));
        return Ok(ExitCode::SUCCESS);
    }
    let command = command_line();
    let signals = Signals::listen();
    let mut progress = Progress::<T::Score>::new(&signals, !args.no_live);
    let (out, device, seeds) = (args.out.as_deref(), args.device, &args.seeds);
    // What goes on with a run of several is the command for all of them.
    let of_several = |ended: Ended, parent: PathBuf| match ended {
        Ended::Interrupted { epoch, step, .. } => {
            Ended::Interrupted { directory: parent, epoch, step }
        }
        finished => finished,
    };
    let ended = if !args.sweep.is_empty() {
        let parent = RunDir::parent(out, "sweep")?;
        match run_sweep::<T>(settings, seeds, device, &parent, &command, &mut progress)? {
            SweepOutcome::Finished(summary) => {
                print(&sweep::describe(&summary));
                print(&format!("wrote {}", parent.join("sweep.csv").display()));
                // Who goes on with the best setting must know that there is none.
                return Ok(ExitCode::from(u8::from(summary.best.is_none())));
            }
            SweepOutcome::Interrupted(ended) => of_several(ended, parent),
        }
    } else if seeds.is_empty() {
        train::<T>(config, device, out, &command, &mut progress)?
    } else {
        let name = if config.awaits_file() { "seeds" } else { &config.model };
        let parent = RunDir::parent(out, name)?;
        match run_seeds::<T>(config, seeds, device, &parent, &command, &mut progress)? {
            SeedsOutcome::Finished(summary) => {
                print(&describe_seeds(&summary));
                return Ok(ExitCode::SUCCESS);
            }
            SeedsOutcome::Interrupted(ended) => of_several(ended, parent),
        }
    };
    progress.end();
    Ok(told::<T>(ended, args.out.is_some(), &command, "", &signals))
}

/// Trains with the other ranks; the first speaks.
fn run_together<T: Task>(args: &Args, config: &Config, ranks: &Ranks) -> Outcome {
    if args.dry_run || !args.seeds.is_empty() || !args.sweep.is_empty() {
        let problem =
            "several processes train one run at a time: without --dry-run, --seeds and --sweep";
        return Err(Error::Usage(problem.to_owned()));
    }
    let (out, command, signals) = (args.out.as_deref(), command_line(), Signals::listen());
    let devices = &config.train.devices;
    let device = match devices.len() {
        0 => args.device,
        count => devices[place_on_machine() % count],
    };
    if !ranks.leads() {
        let watch = &mut Silent(&signals);
        train_together::<T>(config, device, out, &command, ranks, watch)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(note) = args.chosen.note() {
        print(&format!("note: {note}"));
    }
    let mut progress = Progress::<T::Score>::new(&signals, !args.no_live);
    let ended = train_together::<T>(config, device, out, &command, ranks, &mut progress)?;
    progress.end();
    let with = format!(" with {} processes, or as many as divide train.accumulate", ranks.count());
    Ok(told::<T>(ended, out.is_some(), &command, &with, &signals))
}

/// Says how a run ended, and gives the exit code. `with` is what is needed to resume it, beside the command.
fn told<T: Task>(
    ended: Ended,
    has_out: bool,
    command: &str,
    with: &str,
    signals: &Signals,
) -> ExitCode {
    match ended {
        Ended::Finished(summary) => {
            print(&describe::<T::Score>(&summary));
            ExitCode::SUCCESS
        }
        Ended::Interrupted { directory, epoch, step } => {
            let out = match has_out {
                true => String::new(),
                false => format!(" --out {}", directory.display()),
            };
            print(&format!(
                "interrupted in epoch {epoch} after step {step}; everything is saved. To resume{with}:\n\
                 {} {}{out}",
                program(),
                command.trim_start_matches("cobasis ")
            ));
            signals.exit_code()
        }
    }
}

/// The command that the program was called with, as a shell takes it.
pub(super) fn command_line() -> String {
    let arguments = env::args_os().skip(1).map(|argument| quoted(&argument.to_string_lossy()));
    format!("cobasis {}", arguments.collect::<Vec<_>>().join(" "))
}

/// An argument as a shell takes it.
fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:+@%".contains(c);
    match !argument.is_empty() && argument.chars().all(plain) {
        true => argument.to_string(),
        false => format!("'{}'", argument.replace('\'', "'\\''")),
    }
}

/// The configurations to train with, at least one, all checked before the first of them is.
fn settings(args: &Args) -> Result<Vec<Setting>, Error> {
    let seeds = &args.seeds;
    let twice = seeds.iter().enumerate().find(|(i, seed)| seeds[..*i].contains(seed));
    if let Some((_, twice)) = twice {
        return Err(Error::Usage(format!("--seeds: duplicate seed {twice}")));
    }
    let axes: Vec<Axis> =
        args.sweep.iter().map(|text| Axis::parse(text)).collect::<Result<_, ConfigError>>()?;
    let mut settings: Vec<Setting> = Vec::new();
    for choices in grid(&axes)? {
        let mut config = args.chosen.load(args.init.as_deref(), &choices, args.download)?;
        if let Some(seed) = args.seed {
            config.seed = seed;
        }
        if !args.devices.is_empty() {
            config.train.devices.clone_from(&args.devices);
        }
        config.check()?;
        if let Some(same) = settings.iter().find(|other| other.config == config) {
            let [one, other] = [&same.choices, &choices].map(|choices| sweep::text(choices));
            return Err(Error::Usage(format!(
                "--sweep: {one} and {other} are the same configuration"
            )));
        }
        if settings.first().is_some_and(|first| first.config.task != config.task) {
            let problem =
                "task: expected one task for all settings; their results can't be compared";
            return Err(Error::Usage(format!("--sweep {problem}")));
        }
        settings.push(Setting { choices, config });
    }
    Ok(settings)
}

pub(super) fn describe<S: Scores>(summary: &Summary) -> String {
    let (last, best) = (&summary.last, summary.best());
    let line = scores::<S>;
    let chosen = match (summary.tasks.is_empty(), &summary.best_on_val) {
        (false, _) => "by the mean over all tasks",
        (true, Some(_)) => "on the validation images",
        (true, None) => "on the test set",
    };
    let of_task = |task: &TaskSummary| {
        let [last, best] = [&task.last, task.best()].map(scores::<Score>);
        format!("task {}: last epoch {last}; best epoch {best}\n", task.name)
    };
    let tasks: String = summary.tasks.iter().map(of_task).collect();
    let stopped =
        summary.stopped_early.as_ref().map(|EarlyStop { epoch, epochs, reason, .. }| {
            format!("stopped early, after epoch {epoch} of {epochs}: {reason}\n")
        });
    let left = summary.inference_params.map(|params| {
        let [params, trained] = [params, summary.params].map(grouped);
        format!("{params} parameters at inference, of {trained} trained ones\n")
    });
    format!(
        "{}{}last epoch ({}): {}\nbest epoch ({}, chosen {chosen}): {}\n{tasks}{:.0} s",
        stopped.unwrap_or_default(),
        left.unwrap_or_default(),
        last.epoch,
        line(last),
        best.epoch,
        line(best),
        summary.seconds,
    )
}

/// The scores of an epoch on the images that judged it.
fn scores<S: Scores>(epoch: &EpochSummary) -> String {
    let scores = |images: &str| shown::<S>(&epoch.columns, images)[1].join(", ");
    let val = Some(scores("val")).filter(|val| !val.is_empty());
    let val = val.map(|val| format!("validation {val}, test ")).unwrap_or_default();
    format!("{val}{}", scores("test"))
}

fn describe_seeds(summary: &SeedsSummary) -> String {
    let SeedsResults { measure, last, best } = summary.results;
    let [last, best] = [last, best].map(|results| results.shown(measure));
    let label = measure.label;
    let chosen = match summary.split {
        "paper" => "on the test set",
        _ => "on the validation images",
    };
    format!(
        "test {label} of the last epochs: {last}\ntest {label} of the best epochs, chosen {chosen}: \
         {best}"
    )
}

fn describe_dry_run<S: Scores>(config: &Config, dry: &DryRun<S>) -> String {
    let mut lines = vec![
        format!("model   {}, {} parameters", dry.model, grouped(dry.params)),
        format!(
            "data    {}, {} training images in batches of {:?}",
            config.data.name,
            grouped(dry.train_images as u64),
            [dry.batch_size, dry.batch[1], dry.batch[2], dry.batch[3]]
        ),
        match config.task {
            TaskKind::Classify => {
                format!(
                    "shapes  images {:?} -> logits [{}, {}]",
                    dry.batch, dry.batch[0], dry.outputs
                )
            }
            TaskKind::Detect => format!(
                "shapes  images {:?} -> [{}, {}], 5 + {} numbers for each of {} points",
                dry.batch,
                dry.batch[0],
                dry.outputs,
                dry.classes,
                dry.outputs / (5 + dry.classes)
            ),
        },
    ];
    let tasks = config.tasks.iter().map(|task| {
        format!("{} ({}, {}, weight {})", task.name, task.data.name, task.adapter, task.weight)
    });
    let tasks = tasks.collect::<Vec<_>>().join(", ");
    if !tasks.is_empty() {
        lines.push(format!("tasks   {tasks}: a batch of each in every step"));
    }
    lines.extend(dry.reports.iter().map(|step| {
        let lambda = config.ortho.lambda;
        let loss = step.score.losses().first().map(|(_, loss)| *loss);
        let loss = loss.unwrap_or(step.loss - lambda * step.penalty);
        format!("batch {} loss {loss:.4} + {lambda} x {:.2e}", step.step, step.penalty)
    }));
    let epoch = dry.step_seconds * dry.steps as f64;
    lines.push(format!(
        "time    {:.2} s per step, about {} per epoch of {} steps, {} for {} epochs, excluding \
         evaluation",
        dry.step_seconds,
        duration(epoch),
        dry.steps,
        duration(epoch * config.train.epochs as f64),
        config.train.epochs
    ));
    if let Some(bytes) = dry.peak_bytes {
        let mebibytes = grouped(bytes >> 20);
        lines.push(format!("memory  {mebibytes} MiB at the peak, excluding GPU memory"));
    }
    if let Some(bytes) = dry.expected_bytes {
        lines.push(format!(
            "        a batch of {} would need about {} MiB, more than is free here, so batches of {} \
             were tried; train.accumulate averages the gradients of smaller batches",
            dry.batch_size,
            grouped(bytes >> 20),
            dry.batch[0]
        ));
    }
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
