//! Runs of several processes under `mpirun`: what they come to, and what ends them.
//!
//! Built with the feature `mpi` only; where there is no `mpirun`, they say so, and fail if `COBASIS_REQUIRE` has `mpi`.

mod require;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use require::skip;
use tempfile::TempDir;

const SETS: [&str; 6] = [
    "train.epochs=2",
    "train.max_steps=3",
    "train.batch=32",
    "train.accumulate=4",
    "train.checkpoint_steps=1",
    "data.split=train/val",
];

/// Whether there is a launcher; root and more processes than cores are allowed to it.
fn has_mpirun() -> bool {
    let found =
        Command::new("mpirun").arg("--version").output().is_ok_and(|out| out.status.success());
    if !found {
        skip("mpi", "no mpirun");
    }
    found
}

/// A program for each of the processes, given by its arguments.
fn mpirun(programs: &[(usize, Vec<String>)]) -> Command {
    let mut command = Command::new("mpirun");
    let version = Command::new("mpirun").arg("--version").output().expect("mpirun runs");
    if String::from_utf8_lossy(&version.stdout).contains("Open MPI") {
        // MPICH's allows both.
        command.args(["--allow-run-as-root", "--oversubscribe"]);
    }
    for (place, (count, arguments)) in programs.iter().enumerate() {
        if place > 0 {
            command.arg(":");
        }
        command.args(["-n", &count.to_string(), env!("CARGO_BIN_EXE_cobasis")]).args(arguments);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn arguments(out: &Path, sets: &[&str]) -> Vec<String> {
    let mut arguments = vec!["train".to_owned(), "--out".to_owned(), out.display().to_string()];
    for set in SETS.iter().chain(sets) {
        arguments.extend(["--set".to_owned(), set.to_string()]);
    }
    arguments
}

fn training(count: usize, out: &Path) -> Command {
    mpirun(&[(count, arguments(out, &[]))])
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text)).concat()
}

/// The lines of errors that the program told, without those of the launcher.
fn errors(output: &Output) -> Vec<String> {
    let text = said(output);
    text.lines().filter(|line| line.starts_with("error: ")).map(String::from).collect()
}

fn finished(output: &Output) {
    assert!(output.status.success(), "{}", said(output));
}

/// What a finished run must have left: the metrics without times, and the models.
fn result(out: &Path) -> (Vec<String>, Vec<Vec<u8>>) {
    let text = fs::read_to_string(out.join("metrics.csv")).expect("metrics");
    let metrics = text.lines().map(|line| line.split(',').take(10).collect::<Vec<_>>().join(","));
    let models = ["last.safetensors", "best.safetensors"];
    let models = models.map(|name| fs::read(out.join(name)).expect("a model"));
    (metrics.collect(), models.to_vec())
}

fn alone(folder: &TempDir) -> (Vec<String>, Vec<Vec<u8>>) {
    let out = folder.path().join("alone");
    let mut command = Command::new(env!("CARGO_BIN_EXE_cobasis"));
    finished(&command.args(arguments(&out, &[])).output().expect("the program runs"));
    result(&out)
}

#[test]
fn processes_come_to_what_accumulation_does_to_the_last_bit() {
    if !has_mpirun() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let expected = alone(&folder);
    for count in [1, 2, 4] {
        let out = folder.path().join(count.to_string());
        let output = training(count, &out).output().expect("mpirun runs");
        finished(&output);
        let epochs = said(&output).matches("best epoch").count();
        assert_eq!(epochs, 1, "one of them speaks: {}", said(&output));
        assert!(result(&out) == expected, "{count} processes");
    }
}

/// Waits until the run has a checkpoint.
fn wait_for_checkpoint(out: &Path, child: &mut Child) {
    let deadline = Instant::now() + Duration::from_secs(120);
    let is_there = || {
        let entries = fs::read_dir(out.join("checkpoints")).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name()).any(|name| !name.to_string_lossy().ends_with(".tmp"))
    };
    while !is_there() {
        assert!(Instant::now() < deadline, "no checkpoint in two minutes");
        if child.try_wait().expect("a process").is_some() {
            return;
        }
        sleep(Duration::from_millis(5));
    }
}

/// The processes of the program that train into this directory.
fn processes(out: &Path) -> Vec<u32> {
    let out = out.display().to_string();
    let ours = |pid: &u32| {
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<_> = command.split(|&byte| byte == 0).map(String::from_utf8_lossy).collect();
        words.first().is_some_and(|word| word == env!("CARGO_BIN_EXE_cobasis"))
            && words.iter().any(|word| *word == out)
    };
    let entries = fs::read_dir("/proc").expect("processes").flatten();
    let mut found: Vec<u32> = entries
        .filter_map(|entry| entry.file_name().to_string_lossy().parse().ok())
        .filter(ours)
        .collect();
    found.sort_unstable();
    found
}

fn signal(signal: &str, pid: u32) {
    let arguments = [format!("-{signal}"), pid.to_string()];
    assert!(Command::new("kill").args(arguments).status().expect("kill").success());
}

#[test]
fn a_process_that_is_killed_ends_the_run_which_any_number_resumes() {
    if !has_mpirun() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let expected = alone(&folder);
    for victim in [0, 1] {
        let out = folder.path().join(format!("killed-{victim}"));
        let mut child = training(2, &out).spawn().expect("mpirun runs");
        wait_for_checkpoint(&out, &mut child);
        let pids = processes(&out);
        assert_eq!(pids.len(), 2);
        signal("KILL", pids[victim]);
        let output = child.wait_with_output().expect("mpirun ends");
        assert!(!output.status.success(), "{}", said(&output));
        assert_eq!(processes(&out), []);
        finished(&training(4, &out).output().expect("mpirun runs"));
        assert!(result(&out) == expected, "process {victim} killed");
    }
}

#[test]
fn a_signal_to_any_process_ends_all_after_the_step() {
    if !has_mpirun() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let expected = alone(&folder);
    for victim in [0, 1] {
        let out = folder.path().join(format!("told-{victim}"));
        let mut child = training(2, &out).spawn().expect("mpirun runs");
        wait_for_checkpoint(&out, &mut child);
        signal("TERM", processes(&out)[victim]);
        let output = child.wait_with_output().expect("mpirun ends");
        assert_eq!(output.status.code(), Some(143), "{}", said(&output));
        assert_eq!(said(&output).matches("everything is saved. To resume").count(), 1);
        finished(&training(2, &out).output().expect("mpirun runs"));
        assert!(result(&out) == expected, "process {victim}");
    }
}

#[test]
fn what_processes_have_not_in_common_is_one_line() {
    if !has_mpirun() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("run");
    let refused = |sets: [&[&str]; 2], expected: &str| {
        let programs = sets.map(|sets| (1, arguments(&out, sets)));
        let output = mpirun(&programs).output().expect("mpirun runs");
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        let errors = errors(&output);
        assert!(errors.len() == 1 && errors[0].contains(expected), "{}", said(&output));
        assert!(!out.exists());
    };
    refused([&[], &["optimizer.lr=0.3"]], "rank 1 has optimizer.lr = 0.3, rank 0 has ");
    refused([&["train.accumulate=3"]; 2], "train.accumulate: expected a multiple of 2");
    refused([&[], &["train.batches=3"]], "error: rank 1: --set train.batches=3: ");
    refused([&["train.batches=3"]; 2], "error: --set train.batches=3: ");
}

#[test]
fn a_library_that_is_not_there_is_one_line() {
    let out = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_cobasis"));
    command.args(arguments(&out.path().join("run"), &[]));
    command.env("COBASIS_MPI_LIBRARY", "/nowhere/libmpi.so");
    command.env("OMPI_COMM_WORLD_RANK", "0").env("OMPI_COMM_WORLD_SIZE", "2");
    let output = command.output().expect("the program runs");
    assert_eq!(output.status.code(), Some(1));
    let line = said(&output);
    assert!(line.lines().count() == 1 && line.contains("cannot open an MPI library"), "{line}");
    assert!(line.contains("apt-get install openmpi-bin"), "{line}");
}
