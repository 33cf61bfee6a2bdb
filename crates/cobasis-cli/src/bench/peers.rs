//! The same network in PyTorch and in inference engines, measured in turn with ours.

mod process;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use burn::tensor::Device;
use cobasis_kernels::burn_only;
use cobasis_zoo::{files, save};
use serde::Serialize;

use super::timing::Timing;
use super::workload::{Setup, Task, Workload, pixels};
use crate::error::Error;
use process::{Process, Script};

/// The largest difference of logits, against the largest logit, at which networks are the same.
const SAME: f32 = 1e-3;
/// The script for PyTorch, and that for engines.
const SCRIPTS: [&str; 2] = ["pytorch_peer.py", "engine_peer.py"];

/// The deployed file, in the folder of what scripts read.
const DEPLOYED: &str = "deployed.safetensors";

/// Whom to measure against, and how they are started.
#[derive(Clone, Debug)]
pub struct Peers {
    /// The interpreter.
    pub python: PathBuf,
    /// The folder of `pytorch_peer.py` and `engine_peer.py`.
    pub scripts: PathBuf,
    /// Whether to measure PyTorch.
    pub torch: bool,
    /// Whether to measure `torch.compile` too.
    pub compiled: bool,
    /// The engines to measure.
    pub engines: Vec<Engine>,
    /// The threads of all.
    pub threads: usize,
}

/// A program that runs deployed networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Microsoft's.
    OnnxRuntime,
    /// Intel's.
    OpenVino,
}

/// Times of the same work, taken in turn.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// The contenders by name, ours among them, with their times.
    pub times: BTreeMap<String, Timing>,
    /// The fastest of the peers.
    pub best: String,
    /// The median of the rounds' ratios of our time to that of the fastest peer.
    pub ratio: f64,
    /// The largest difference of logits between the peers and ours, against the largest.
    pub apart: f32,
    /// The most memory that a process held that did this work and nothing else, in bytes, by
    /// contender.
    pub memory: BTreeMap<String, u64>,
}

/// Our name among the contenders.
pub const OURS: &str = "cobasis";
/// The name of the same without kernels.
const BURN: &str = "burn";

impl Engine {
    /// All of them.
    pub const ALL: [Engine; 2] = [Engine::OnnxRuntime, Engine::OpenVino];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Engine::OnnxRuntime => "onnxruntime",
            Engine::OpenVino => "openvino",
        }
    }
}

/// Measures our time and that of each peer, beside PyTorch also Burn's without our operations, so many rounds,
/// each contender once a round. `own_memory` tells the most memory that this program holds when it does the work
/// and nothing else, with the deployed file, if it is that which is measured.
///
/// # Errors
///
/// If a peer can't be started, can't do the work, or computes something else.
pub fn compare(
    peers: &Peers,
    setup: &Setup,
    rounds: usize,
    own_memory: impl FnOnce(&Path) -> Result<u64, Error>,
) -> Result<Comparison, Error> {
    if !peers.engines.is_empty() && (setup.task != Task::InferDeployed || setup.detector.is_some())
    {
        let problem = "engines run deployed classifiers, neither training steps nor detectors";
        return Err(Error::Usage(format!("--peers: {problem}; --peers torch measures those")));
    }
    let folder = std::env::temp_dir().join(format!("cobasis-peers-{}", std::process::id()));
    let usage = |problem: std::io::Error| Error::Peer(format!("{}: {problem}", folder.display()));
    fs::create_dir_all(&folder).map_err(usage)?;
    let result = scripts(peers, setup, &folder).and_then(|scripts| {
        let mut comparison = in_turn(&scripts, setup, rounds, peers.torch)?;
        comparison.memory.insert(OURS.to_owned(), own_memory(&folder.join(DEPLOYED))?);
        Ok(comparison)
    });
    // What stays in a directory for temporary files harms nobody.
    let _ = fs::remove_dir_all(&folder);
    result
}

/// Writes what the scripts read, and says how they are started.
fn scripts(peers: &Peers, setup: &Setup, folder: &Path) -> Result<Vec<Script>, Error> {
    let device = Device::flex();
    let model = setup.config().init(&device);
    let [weights, onnx, images] =
        ["weights.safetensors", "model.onnx", "images"].map(|name| folder.join(name));
    let [height, width] = model.config.image();
    let write = |path: &Path, bytes: &[u8]| {
        fs::write(path, bytes).map_err(|error| Error::Peer(format!("{}: {error}", path.display())))
    };
    let numbers = pixels(setup.batch * model.config.in_channels * height * width);
    write(&images, &numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>())?;
    let sizes = [setup.batch, height, width, peers.threads].map(|number| number.to_string().into());
    let task = if setup.task == Task::Train { "train" } else { "infer" };
    let script = |name: &str, files: Vec<OsString>, more: Vec<OsString>| {
        let path = peers.scripts.join(name).into_os_string();
        let arguments = [vec![path], files, sizes.to_vec(), more].concat();
        Script { python: peers.python.clone(), arguments, task }
    };
    let mut scripts = Vec::new();
    if peers.torch {
        save(&model, &weights)?;
        let files = vec![setup.model.to_string().into(), weights.into(), images.clone().into()];
        let more = peers.compiled.then(|| "--compile".into()).into_iter().collect();
        scripts.push(script(SCRIPTS[0], files, more));
    }
    if setup.task == Task::InferDeployed {
        files::save_deployed(&model.deploy(&device), folder.join(DEPLOYED))?;
    }
    if !peers.engines.is_empty() {
        write(&onnx, &model.deploy(&device).to_onnx([height, width]))?;
        let names: Vec<&str> = peers.engines.iter().map(|engine| engine.name()).collect();
        let files = vec![onnx.into(), images.into()];
        scripts.push(script(SCRIPTS[1], files, vec![names.join(",").into()]));
    }
    Ok(scripts)
}

fn in_turn(
    scripts: &[Script],
    setup: &Setup,
    rounds: usize,
    with_burn: bool,
) -> Result<Comparison, Error> {
    let device = Device::flex();
    let workload = |task| Workload::new(&Setup { task, ..setup.clone() }, &device);
    let ours = workload(Task::Infer).run();
    let mut processes = Vec::new();
    let mut apart = 0.0f32;
    for script in scripts {
        let (process, logits) = script.start(None)?;
        for theirs in logits.values() {
            apart = apart.max(difference(&ours, theirs)?);
        }
        processes.push((process, logits.into_keys().collect::<Vec<String>>()));
    }
    let mut work = workload(setup.task);
    let mut burn = with_burn.then(|| burn_only(|| workload(setup.task.by_operations())));
    let mut times: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    // The first two rounds warm up.
    for round in 0..rounds + 2 {
        let mut note = |name: &str, seconds: f64| {
            if round >= 2 {
                times.entry(name.to_owned()).or_default().push(seconds);
            }
        };
        note(OURS, seconds(|| work.run()));
        for (process, names) in &mut processes {
            for name in names {
                note(name, process.seconds(name)?);
            }
        }
        if let Some(burn) = &mut burn {
            note(BURN, burn_only(|| seconds(|| burn.run())));
        }
    }
    let median = |name: &String| Timing::new(times[name].clone()).median();
    let names = processes.iter().flat_map(|(_, names)| names);
    let best = names.min_by(|a, b| median(a).total_cmp(&median(b)));
    let best = best.ok_or_else(|| Error::Peer("no peer was measured".to_owned()))?.clone();
    let ratios = times[OURS].iter().zip(&times[&best]).map(|(ours, theirs)| ours / theirs);
    let ratio = Timing::new(ratios.collect()).median();
    drop((work, burn));
    let memory = memory(scripts, processes)?;
    let times = times.into_iter().map(|(name, times)| (name, Timing::new(times))).collect();
    Ok(Comparison { times, best, ratio, apart, memory })
}

/// What each contender takes alone, after the processes that have them all have ended.
fn memory(
    scripts: &[Script],
    processes: Vec<(Process, Vec<String>)>,
) -> Result<BTreeMap<String, u64>, Error> {
    let names: Vec<Vec<String>> = processes.into_iter().map(|(_, names)| names).collect();
    let mut memory = BTreeMap::new();
    for (script, names) in scripts.iter().zip(names) {
        for name in names {
            memory.insert(name.clone(), script.memory(&name)?);
        }
    }
    Ok(memory)
}

/// How far logits are apart, against the largest of ours.
fn difference(ours: &[f32], theirs: &[f32]) -> Result<f32, Error> {
    let largest = ours.iter().map(|value| value.abs()).fold(0.0, f32::max);
    let apart = theirs.iter().zip(ours).map(|(theirs, ours)| (theirs - ours).abs() / largest);
    // The maximum of floats would drop what is no number.
    let apart =
        apart.fold(0.0, |most: f32, next| if next > most || next.is_nan() { next } else { most });
    match theirs.len() == ours.len() && apart <= SAME {
        true => Ok(apart),
        false => Err(Error::Peer(format!(
            "the networks differ: logits {apart:.1e} apart, expected at most {SAME:.1e}"
        ))),
    }
}

fn seconds<T>(work: impl FnOnce() -> T) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_that_differ_are_told() {
        assert_eq!(difference(&[2.0, -4.0], &[2.0, -4.0]).ok(), Some(0.0));
        for theirs in [&[2.0, -3.0][..], &[2.0], &[2.0, f32::NAN], &[f32::NAN, -4.0]] {
            assert!(difference(&[2.0, -4.0], theirs).is_err(), "{theirs:?}");
        }
    }
}
