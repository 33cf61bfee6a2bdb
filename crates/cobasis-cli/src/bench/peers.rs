//! The same network in PyTorch, measured in turn with ours.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use burn::tensor::Device;
use cobasis_kernels::burn_only;
use cobasis_zoo::save;
use serde::Serialize;

use super::timing::Timing;
use super::workload::{Setup, Task, Workload, pixels};
use crate::error::Error;

/// The largest difference of logits, against the largest logit, at which networks are the same.
const SAME: f32 = 1e-3;

/// Runs after which a process has taken all its memory.
const MEMORY_RUNS: usize = 3;

/// How PyTorch is started.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The interpreter.
    pub python: PathBuf,
    /// `benches/pytorch_peer.py`.
    pub script: PathBuf,
    /// Whether to measure `torch.compile` too.
    pub compiled: bool,
    /// The threads of both.
    pub threads: usize,
}

/// Times of the same work, taken in turn.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// The contenders by name, ours among them, with their times.
    pub times: BTreeMap<String, Timing>,
    /// PyTorch's fastest variant.
    pub best: String,
    /// The median of the rounds' ratios of our time to that of PyTorch's fastest variant.
    pub ratio: f64,
    /// The largest difference of logits between PyTorch's variants and ours, against the largest.
    pub apart: f32,
    /// The most memory that a process held that did this work and nothing else, in bytes, by
    /// contender.
    pub memory: BTreeMap<String, u64>,
}

/// Our name among the contenders.
pub const OURS: &str = "cobasis";
/// The name of the same without kernels.
const BURN: &str = "burn";

/// Measures our time, Burn's without our operations, and PyTorch's, so many rounds, each contender
/// once a round. `own_memory` tells the most memory that this program holds when it does the work
/// and nothing else.
///
/// # Errors
///
/// If PyTorch can't be started, or computes something else.
pub fn compare(
    peer: &Peer,
    setup: &Setup,
    rounds: usize,
    own_memory: impl FnOnce() -> Result<u64, Error>,
) -> Result<Comparison, Error> {
    let device = Device::flex();
    let model = setup.config().init(&device);
    let folder = std::env::temp_dir().join(format!("cobasis-peers-{}", std::process::id()));
    let usage = |problem: std::io::Error| Error::Peer(format!("{}: {problem}", folder.display()));
    std::fs::create_dir_all(&folder).map_err(usage)?;
    let (weights, images) = (folder.join("weights.safetensors"), folder.join("images"));
    save(&model, &weights)?;
    let [height, width] = model.config.image();
    let numbers = pixels(setup.batch * model.config.in_channels * height * width);
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    std::fs::write(&images, bytes).map_err(usage)?;
    let result = with_files(peer, setup, rounds, &weights, &images, &device);
    let result = result.and_then(|mut comparison| {
        comparison.memory.insert(OURS.to_owned(), own_memory()?);
        Ok(comparison)
    });
    // What stays in a directory for temporary files harms nobody.
    let _ = std::fs::remove_dir_all(&folder);
    result
}

fn with_files(
    peer: &Peer,
    setup: &Setup,
    rounds: usize,
    weights: &Path,
    images: &Path,
    device: &Device,
) -> Result<Comparison, Error> {
    let workload = |task| Workload::new(&Setup { task, ..setup.clone() }, device);
    let ours = workload(Task::Infer).run();
    let mut python = Python::start(peer, setup, weights, images, None)?;
    let logits: BTreeMap<String, Vec<f32>> = python.answer()?;
    let largest = ours.iter().map(|value| value.abs()).fold(0.0, f32::max);
    let apart = logits.values().flat_map(|theirs| theirs.iter().zip(&ours));
    let apart = apart.map(|(theirs, ours)| (theirs - ours).abs() / largest).fold(0.0, f32::max);
    let counts_fit = logits.values().all(|theirs| theirs.len() == ours.len());
    if !counts_fit || apart.is_nan() || apart > SAME {
        return Err(Error::Peer(format!(
            "the networks differ: logits {apart:.1e} apart, expected at most {SAME:.1e}"
        )));
    }
    let task = if setup.task == Task::Train { "train" } else { "infer" };
    let mut work = workload(setup.task);
    let mut burn = burn_only(|| workload(setup.task));
    let mut times: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    // The first two rounds warm up.
    for round in 0..rounds + 2 {
        let mut note = |name: &str, seconds: f64| {
            if round >= 2 {
                times.entry(name.to_owned()).or_default().push(seconds);
            }
        };
        note(OURS, seconds(|| work.run()));
        for variant in logits.keys() {
            note(variant, python.ask(&format!("{task} {variant}"))?);
        }
        note(BURN, burn_only(|| seconds(|| burn.run())));
    }
    let median = |name: &String| Timing::new(times[name].clone()).median();
    let best = logits.keys().min_by(|a, b| median(a).total_cmp(&median(b)));
    let best = best.ok_or_else(|| Error::Peer("no variant was measured".to_owned()))?.clone();
    let ratios = times[OURS].iter().zip(&times[&best]).map(|(ours, theirs)| ours / theirs);
    let ratio = Timing::new(ratios.collect()).median();
    drop((python, work, burn));
    let mut memory = BTreeMap::new();
    for variant in logits.keys() {
        let mut alone = Python::start(peer, setup, weights, images, Some(variant))?;
        let _logits: BTreeMap<String, Vec<f32>> = alone.answer()?;
        for _ in 0..MEMORY_RUNS {
            let _seconds: f64 = alone.ask(&format!("{task} {variant}"))?;
        }
        memory.insert(variant.clone(), alone.ask("memory")?);
    }
    let times = times.into_iter().map(|(name, times)| (name, Timing::new(times))).collect();
    Ok(Comparison { times, best, ratio, apart, memory })
}

fn seconds<T>(work: impl FnOnce() -> T) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

/// PyTorch's process.
struct Python {
    child: Child,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
}

impl Python {
    /// Starts it with all variants, or with one.
    fn start(
        peer: &Peer,
        setup: &Setup,
        weights: &Path,
        images: &Path,
        only: Option<&str>,
    ) -> Result<Self, Error> {
        let [height, width] = setup.config().image();
        let mut command = Command::new(&peer.python);
        command.arg(&peer.script).arg(setup.model.to_string()).arg(weights).arg(images);
        command.args([setup.batch, height, width, peer.threads].map(|number| number.to_string()));
        if peer.compiled {
            command.arg("--compile");
        }
        command.args(only.map(|variant| format!("--only={variant}")));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let problem = |error| Error::Peer(format!("{}: {error}", peer.python.display()));
        let mut child = command.spawn().map_err(problem)?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let output = output.ok_or_else(|| Error::Peer("no standard output".to_owned()))?;
        Ok(Self { child, input, output: BufReader::new(output).lines() })
    }

    fn ask<T: serde::de::DeserializeOwned>(&mut self, question: &str) -> Result<T, Error> {
        let input = self.input.as_mut().ok_or_else(|| Error::Peer("no standard input".into()))?;
        let asked = writeln!(input, "{question}").and_then(|()| input.flush());
        asked.map_err(|error| Error::Peer(error.to_string()))?;
        self.answer()
    }

    fn answer<T: serde::de::DeserializeOwned>(&mut self) -> Result<T, Error> {
        let line = self.output.next().and_then(Result::ok);
        let line =
            line.ok_or_else(|| Error::Peer("PyTorch exited; see its message above".into()))?;
        serde_json::from_str(&line).map_err(|error| Error::Peer(format!("{line}: {error}")))
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        // The end of its input ends it.
        drop(self.input.take());
        let _ = self.child.wait();
    }
}
