//! `cobasis bench peers`: the same network here, in PyTorch and in inference engines.

use std::env;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use super::super::Outcome;
use super::super::head_filters::HeadFilters;
use super::super::output::{print, print_json, table};
use super::memory::Report;
use super::{Common, ms, task_name};
use cobasis_cli::Error;
use cobasis_cli::bench::{Comparison, Engine, OURS, Peers, Setup, Task, compare};
use cobasis_data::csv::field;
use cobasis_train::machine::{Machine, now};

/// Compares the speed of a network here and in other programs, in turn, with the same number of threads.
///
/// First checks that the logits agree. Inference is measured on the deployed model, which engines run as
/// ONNX, memory in a process that does nothing else.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cobasis bench peers cifar100/resnet34-s32u1 --batch 32 --train --python python3
  cobasis bench peers cifar10/resnet32-s16u1-double --batch 1 --peers onnxruntime,openvino")]
pub(crate) struct Args {
    #[command(flatten)]
    common: Common,
    /// Programs to measure, of torch (PyTorch), onnxruntime and openvino, which are for deployed networks.
    #[arg(long, value_name = "NAMES", value_enum, value_delimiter = ',', default_value = "torch")]
    peers: Vec<Program>,
    /// Python interpreter that has them installed.
    #[arg(long, default_value = "python3", value_name = "FILE")]
    python: PathBuf,
    /// Folder of the scripts to run, pytorch_peer.py and engine_peer.py.
    #[arg(long, default_value = "benches", value_name = "DIR")]
    scripts: PathBuf,
    /// Also measure torch.compile, which takes minutes to compile.
    #[arg(long)]
    compile: bool,
    /// Number of rounds; each contender is measured once per round.
    #[arg(long, default_value = "9", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=10000))]
    rounds: u16,
    /// Append the results to a CSV file.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// A program that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Program {
    Torch,
    Onnxruntime,
    Openvino,
}

impl Program {
    fn engine(self) -> Option<Engine> {
        match self {
            Program::Torch => None,
            Program::Onnxruntime => Some(Engine::OnnxRuntime),
            Program::Openvino => Some(Engine::OpenVino),
        }
    }
}

pub(super) fn run(args: Args) -> Outcome {
    let threads = args.common.start_threads()?;
    let setup = args.common.setup(false)?;
    let torch = args.peers.contains(&Program::Torch);
    if args.compile && !torch {
        let problem = "--compile: is for PyTorch, which --peers leaves out";
        return Err(Error::Usage(problem.to_owned()));
    }
    let asked: Vec<Engine> = args.peers.iter().filter_map(|program| program.engine()).collect();
    let engines = Engine::ALL.into_iter().filter(|engine| asked.contains(engine)).collect();
    let Args { python, scripts, compile: compiled, .. } = args;
    let peers = Peers { python, scripts, torch, compiled, engines, threads };
    let memory = |deployed: &Path| own_memory(&setup, deployed, args.common.detector, threads);
    let comparison = compare(&peers, &setup, args.rounds.into(), memory)?;
    if let Some(csv) = args.csv {
        append(&csv, &setup, threads, &comparison)?;
    }
    if args.json {
        print_json(&comparison);
    } else {
        print(&compared(&comparison));
    }
    Ok(ExitCode::SUCCESS)
}

/// The most memory that this program holds when it does the work and nothing else: a process of its
/// own tells, for a deployed file one that only runs it.
fn own_memory(
    setup: &Setup,
    deployed: &Path,
    detector: Option<HeadFilters>,
    threads: usize,
) -> Result<u64, Error> {
    let program = env::current_exe().map_err(|error| Error::Peer(error.to_string()))?;
    let mut command = Command::new(&program);
    command.arg("bench");
    if setup.task == Task::InferDeployed {
        let [height, width] = setup.config().image().map(|side| side.to_string());
        command.arg("memory").arg(deployed).args(["--size", &height, &width]);
    } else {
        command.args(["model", &setup.model.to_string(), "--json", "--seconds", "0"]);
        command.args(detector.map(|head| match head {
            HeadFilters::Dense => "--detector=dense",
            HeadFilters::Shared => "--detector=shared",
        }));
        command.args((setup.task == Task::Train).then_some("--train"));
    }
    command.args(["--batch", &setup.batch.to_string(), "--threads", &threads.to_string()]);
    let problem = |what: String| Error::Peer(format!("{}: {what}", program.display()));
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| problem(error.to_string()))?;
    let report: Report =
        serde_json::from_slice(&output.stdout).map_err(|error| problem(error.to_string()))?;
    report.peak_memory_bytes.ok_or_else(|| problem("the system does not report memory".to_owned()))
}

fn compared(comparison: &Comparison) -> String {
    let head = ["", "median ms", "fastest", "quartiles", "runs", "memory MB"];
    let mut rows = vec![head.map(Into::into).to_vec()];
    rows.extend(comparison.times.iter().map(|(name, timing)| {
        let [low, high] = timing.quartiles();
        vec![
            name.clone(),
            ms(timing.median()),
            ms(timing.fastest()),
            format!("{} to {}", ms(low), ms(high)),
            timing.runs().to_string(),
            megabytes(comparison, name),
        ]
    }));
    let Comparison { best, ratio, apart, .. } = comparison;
    format!(
        "{}\n\ncobasis takes {ratio:.2} of the time of the fastest other, {best}\n\
         logits are {apart:.1e} apart",
        table(&rows, &[]),
    )
}

/// The memory of a contender, where it was measured.
fn megabytes(comparison: &Comparison, name: &str) -> String {
    let bytes = comparison.memory.get(name);
    bytes.map_or_else(String::new, |bytes| (bytes / 1_000_000).to_string())
}

/// Adds a line for each contender to a CSV file, which is made if it is not there.
fn append(
    path: &Path,
    setup: &Setup,
    threads: usize,
    comparison: &Comparison,
) -> Result<(), Error> {
    let failed = |error| Error::Usage(format!("--csv {}: {error}", path.display()));
    let new = !path.exists();
    let mut file = OpenOptions::new().create(true).append(true).open(path).map_err(failed)?;
    let mut text = String::new();
    if new {
        text += "date,processor,threads,model,task,batch,contender,median_ms,fastest_ms,\
                 lower_quartile_ms,upper_quartile_ms,rounds,ratio_to_best,peak_memory_mb,command\n";
    }
    let (date, processor) = (now(), Machine::this().processor.replace(',', " "));
    let command: Vec<String> = env::args().skip(1).collect();
    for (name, timing) in &comparison.times {
        let [low, high] = timing.quartiles();
        let ratio = if name == OURS { format!("{:.3}", comparison.ratio) } else { String::new() };
        text += &format!(
            "{date},{processor},{threads},{},{},{},{name},{},{},{},{},{},{ratio},{},{}\n",
            setup.name(),
            task_name(setup.task).replace(',', ""),
            setup.batch,
            ms(timing.median()),
            ms(timing.fastest()),
            ms(low),
            ms(high),
            timing.runs(),
            megabytes(comparison, name),
            field(&command.join(" ")),
        );
    }
    file.write_all(text.as_bytes()).map_err(failed)
}
