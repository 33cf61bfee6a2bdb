//! Output that fails, signals, and run directories that others meddle with.
#![cfg(unix)]

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

const SETS: [&str; 3] = ["train.max_steps=3", "train.batch=32", "train.checkpoint_steps=1"];

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cobasis"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn training(out: &Path, sets: &[&str]) -> Command {
    let mut command = program(&["train", "--out"]);
    command.arg(out);
    for set in SETS.iter().chain(sets) {
        command.args(["--set", set]);
    }
    command
}

fn finished(out: &Path, sets: &[&str]) -> String {
    let output = training(out, sets).output().expect("the program runs");
    assert!(output.status.success(), "{}", said(&output));
    said(&output)
}

/// What a process told, on both its outputs.
fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text)).concat()
}

fn error_line(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}

#[cfg(target_os = "linux")]
#[test]
fn a_closed_standard_output_is_told() {
    let closed = |arguments: &str| {
        let command = format!("exec {} {arguments} >&-", env!("CARGO_BIN_EXE_cobasis"));
        Command::new("sh").args(["-c", &command]).output().expect("a shell")
    };
    for arguments in ["config list", "--help"] {
        let output = closed(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments}");
        assert_eq!(error_line(&output), "error: standard output: closed\n");
    }
}

fn wait_for(what: &str, mut there: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(300);
    while !there() {
        assert!(Instant::now() < deadline, "{what}: not in five minutes");
        sleep(Duration::from_millis(2));
    }
}

fn checkpoints(out: &Path) -> Vec<String> {
    let entries = fs::read_dir(out.join("checkpoints")).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|name| !name.ends_with(".tmp")).collect();
    names.sort();
    names
}

fn send(signal: &str, child: &Child) {
    let arguments = [format!("-{signal}"), child.id().to_string()];
    assert!(Command::new("kill").args(arguments).status().expect("kill").success());
}

#[cfg(target_os = "linux")]
fn full() -> File {
    File::options().write(true).open("/dev/full").expect("a disk that is full")
}

#[cfg(target_os = "linux")]
#[test]
fn standard_output_that_is_full_or_only_to_be_read_is_an_error_of_one_line() {
    let commands: [&[&str]; 7] = [
        &["--help"],
        &["--version"],
        &["train", "--help"],
        &["models", "list", "--json"],
        &["config", "schema"],
        &["config", "explain", "seed"],
        &["reference", "config"],
    ];
    for arguments in commands {
        let output = program(arguments).stdout(full()).output().expect("the program runs");
        let line = error_line(&output);
        assert_eq!(line, "error: standard output: No space left on device\n", "{arguments:?}");
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    }
    let only_to_be_read = File::open("/dev/null").expect("a device");
    let output = program(&["--help"]).stdout(only_to_be_read).output().expect("the program runs");
    assert_eq!(error_line(&output), "error: standard output: Bad file descriptor\n");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_reader_that_went_away_is_no_error() {
    for arguments in [&["--help"][..], &["models", "list"], &["config", "schema"]] {
        let mut child =
            program(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("runs");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("ends");
        assert!(output.status.success() && output.stderr.is_empty(), "{arguments:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn wrong_input_has_its_code_where_nobody_can_be_told() {
    for arguments in [&["config", "check", "nope.toml"][..], &["eval", "--nonsense"], &["eval"]] {
        let ended = program(arguments).stderr(full()).status().expect("the program runs");
        assert_eq!(ended.code(), Some(2), "{arguments:?}");
        let line = program(&[]).args(arguments).output().expect("the program runs");
        let mut shell = Command::new("sh");
        shell.args(["-c", "exec \"$0\" \"$@\" 2>&- >&-", env!("CARGO_BIN_EXE_cobasis")]);
        let closed = shell.args(arguments).status().expect("a shell");
        assert_eq!((line.status.code(), closed.code()), (Some(2), Some(2)), "{arguments:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_run_whose_log_is_full_or_closed_goes_on_to_its_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("run");
    let epochs = ["train.epochs=2"];
    let output = training(&out, &epochs).stdout(full()).output().expect("the program runs");
    assert_eq!(error_line(&output), "error: standard output: No space left on device\n");
    assert_eq!(output.status.code(), Some(1));
    assert!(out.join("summary.json").is_file());

    // Beside a damaged checkpoint, with nobody to warn, and with outputs that are closed.
    let last = out.join("checkpoints").join(checkpoints(&out).pop().expect("a checkpoint"));
    fs::write(last.join("optimizer.bpk"), "noise").expect("written");
    let ended = training(&out, &epochs).stdout(Stdio::null()).stderr(full()).status();
    assert_eq!(ended.expect("the program runs").code(), Some(0));
    fs::write(last.join("optimizer.bpk"), "noise").expect("written");
    let mut shell = Command::new("sh");
    shell.args(["-c", "exec \"$0\" \"$@\" 2>&- >&- <&-", env!("CARGO_BIN_EXE_cobasis")]);
    let again = training(&out, &epochs);
    let ended = shell.args(again.get_args()).status().expect("a shell");
    assert_eq!(ended.code(), Some(1), "nothing could be printed");
    assert!(finished(&out, &epochs).contains("last epoch (2)"));
}

/// Starts a run of many epochs and sends it a signal once it has a checkpoint.
fn signalled(out: &Path, signal: &str, stderr: Stdio) -> ExitStatus {
    let mut child = training(out, &["train.epochs=500"])
        .stdout(Stdio::null())
        .stderr(stderr)
        .spawn()
        .expect("the program runs");
    let before = checkpoints(out);
    wait_for("a checkpoint", || checkpoints(out) != before);
    send(signal, &child);
    child.wait().expect("ends")
}

/// Whether programs that this one starts ignore a signal, as it does.
#[cfg(target_os = "linux")]
fn is_ignored(number: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").expect("the status");
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).expect("signals");
    let ignored = u64::from_str_radix(ignored.trim(), 16).expect("a set of signals");
    ignored & (1 << (number - 1)) != 0
}

#[cfg(target_os = "linux")]
#[test]
fn every_polite_signal_saves_whoever_listens() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("run");
    for (signal, number) in [("HUP", 1), ("USR1", 10), ("INT", 2), ("TERM", 15)] {
        if is_ignored(number) {
            println!("SIG{signal} is ignored here, as under nohup: not sent");
            continue;
        }
        for stderr in [Stdio::null(), full().into()] {
            let ended = signalled(&out, signal, stderr);
            assert_eq!(ended.code(), Some(128 + number), "{signal}");
        }
    }
    // All that was saved is whole.
    for name in checkpoints(&out) {
        let mut sums = Command::new("sha256sum");
        sums.args(["--check", "--strict", "--quiet", "SHA256SUMS"]);
        let checked = sums.current_dir(out.join("checkpoints").join(&name)).output();
        let checked = checked.expect("sha256sum");
        assert!(checked.status.success(), "{name}: {}", said(&checked));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_hangup_that_is_ignored_stays_ignored() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("run");
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' HUP; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_cobasis")]);
    let run = training(&out, &["train.epochs=3"]);
    let mut child = shell.args(run.get_args()).stdout(Stdio::null()).spawn().expect("a shell");
    wait_for("a checkpoint", || !checkpoints(&out).is_empty());
    send("HUP", &child);
    assert!(child.wait().expect("ends").success());
}

#[test]
fn a_run_ends_when_its_directory_is_gone_and_mixes_with_no_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("run");
    let long = ["train.epochs=500"];
    let started = || {
        training(&out, &long).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("runs")
    };
    let gone = |child: Child| {
        let output = child.wait_with_output().expect("ends");
        let line = error_line(&output);
        assert_eq!(output.status.code(), Some(1), "{line}");
        line
    };
    let child = started();
    wait_for("a checkpoint", || !checkpoints(&out).is_empty());
    fs::rename(&out, folder.path().join("away")).expect("moved");
    let line = gone(child);
    assert!(line.contains("removed, emptied or another run's by now"), "{line}");
    assert!(!out.exists());

    let child = started();
    wait_for("a checkpoint", || !checkpoints(&out).is_empty());
    fs::rename(&out, folder.path().join("away too")).expect("moved");
    let sets = ["train.epochs=2", "seed=1"];
    finished(&out, &sets);
    let line = gone(child);
    assert!(line.starts_with("error: "), "{line}");
    let model = fs::read(out.join("last.safetensors")).expect("a model");
    let again = finished(&out, &sets);
    assert!(!again.contains("warning"), "{again}");
    assert!(model == fs::read(out.join("last.safetensors")).expect("a model"));

    // A checkpoint that the other run would have left among these is passed over.
    let foreign = folder.path().join("away too/checkpoints");
    let name = checkpoints(&folder.path().join("away too")).pop().expect("a checkpoint");
    let copied = out.join("checkpoints/epoch-0400-step-000000");
    fs::rename(foreign.join(name), &copied).expect("moved");
    let again = finished(&out, &sets);
    assert!(again.contains("it is another run's, with another "), "{again}");
    assert!(model == fs::read(out.join("last.safetensors")).expect("a model"));
    fs::remove_dir_all(&copied).expect("removed");
    fs::write(&copied, "a file").expect("written");
    let again = finished(&out, &sets);
    assert!(again.contains("expected a directory, got a file"), "{again}");
    assert!(model == fs::read(out.join("last.safetensors")).expect("a model"));
}

#[test]
fn lost_files_of_a_finished_run_are_made_again_or_told_of() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("run");
    // Steps so large that nothing is learnt, and an early epoch soon stays the best.
    let seeds: Vec<String> = (0..16).map(|seed| format!("seed={seed}")).collect();
    let large = ["train.epochs=4", "optimizer.lr=0.4", "schedule.milestones=[]"];
    let best_is_early = |seed: &&String| {
        let _ = fs::remove_dir_all(&out);
        finished(&out, &[&large[..], &[seed.as_str()]].concat());
        checkpoints(&out).len() == 3
    };
    let seed = seeds.iter().find(best_is_early).expect("a seed whose best epoch is early");
    let sets = [&large[..], &[seed.as_str()]].concat();
    let names = ["best.safetensors", "last.safetensors", "metrics.csv"];
    let whole = names.map(|name| fs::read(out.join(name)).expect("a file"));
    for name in names.into_iter().chain(["summary.json"]) {
        for damage in [None, Some("noise")] {
            match damage {
                Some(text) => fs::write(out.join(name), text).expect("written"),
                None => fs::remove_file(out.join(name)).expect("removed"),
            }
            let told = finished(&out, &sets);
            assert_eq!(told.contains("made again from the checkpoint"), name == names[0], "{told}");
            let now = names.map(|name| fs::read(out.join(name)).expect("a file"));
            assert!(now == whole, "{name}");
            assert!(out.join("summary.json").is_file());
        }
    }
    // Nothing is left to make it again from.
    let first = checkpoints(&out).remove(0);
    fs::remove_dir_all(out.join("checkpoints").join(first)).expect("removed");
    finished(&out, &sets);
    fs::write(out.join(names[0]), "noise").expect("written");
    let output = training(&out, &sets).output().expect("the program runs");
    let line = error_line(&output);
    assert!(output.status.code() == Some(1) && line.contains("lost or damaged"), "{line}");
    // A finished run is not begun anew because its checkpoints are gone.
    fs::remove_dir_all(out.join("checkpoints")).expect("removed");
    let output = training(&out, &sets).output().expect("the program runs");
    let line = error_line(&output);
    assert!(output.status.code() == Some(2) && line.contains("no checkpoint to go on"), "{line}");
    assert!(whole[1] == fs::read(out.join("last.safetensors")).expect("a model"));
}

#[test]
fn out_replaces_no_device_and_no_link() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).display().to_string();
    finished(&folder.path().join("run"), &["train.epochs=1"]);
    std::os::unix::fs::symlink("kept.onnx", folder.path().join("link")).expect("a link");
    let model = at("run/last.safetensors");
    let export = |out: &str| {
        let arguments = ["export", &model, "--format", "onnx", "--force", "--out", out];
        program(&arguments).output().expect("the program runs")
    };
    assert!(export(&at("link")).status.success());
    assert!(fs::symlink_metadata(folder.path().join("link")).expect("a link").is_symlink());
    assert!(fs::metadata(folder.path().join("kept.onnx")).expect("a file").len() > 1000);
    let made = Command::new("mkfifo").arg(at("pipe")).status();
    assert!(made.expect("mkfifo").success());
    for out in ["/dev/null".to_string(), at("pipe")] {
        for output in [
            export(&out),
            program(&["report", &at("run"), "--out", &out]).output().expect("the program runs"),
        ] {
            let line = error_line(&output);
            assert_eq!(line, format!("error: {out}: not a regular file\n"));
            assert_eq!(output.status.code(), Some(2));
        }
        assert!(!fs::metadata(&out).expect("there").is_file(), "{out}");
    }
    std::os::unix::fs::symlink("loop", folder.path().join("loop")).expect("a link");
    let output = program(&["eval", "--checkpoint", &at("loop")]).output().expect("runs");
    assert_eq!(output.status.code(), Some(2), "{}", error_line(&output));
}
