//! The program where the machine has too little, and on input made to hang it or to write on the
//! terminal: one line, the right exit code, and never a wait.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Longer than any refusal takes, and much shorter than for ever.
const PATIENCE: Duration = Duration::from_secs(120);
const TRAIN: [&str; 6] =
    ["train", "--no-tui", "--set", "train.epochs=1", "--set", "train.max_steps=1"];

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

/// The program in a shell whose memory is limited to so many kibibytes.
fn limited(folder: &TempDir, kibibytes: u64, arguments: &[&str]) -> Output {
    let script = format!("ulimit -v {kibibytes}; exec \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_cobasis")]).args(arguments);
    // As many as there may be on a small machine, so that limits mean the same everywhere.
    wait(command.env("RAYON_NUM_THREADS", "2").current_dir(folder.path()))
}

fn cobasis(folder: &TempDir, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cobasis"));
    wait(command.current_dir(folder.path()).args(arguments))
}

/// What comes of a command that must not wait for anything.
fn wait(command: &mut Command) -> Output {
    let (out, err) = (std::process::Stdio::piped(), std::process::Stdio::piped());
    let mut child =
        command.env_remove("RUST_BACKTRACE").stdout(out).stderr(err).spawn().expect("it runs");
    let start = Instant::now();
    while child.try_wait().expect("a child").is_none() {
        if start.elapsed() > PATIENCE {
            child.kill().expect("killed");
            panic!("{command:?} waits");
        }
        thread::sleep(Duration::from_millis(20));
    }
    child.wait_with_output().expect("an end")
}

/// The only line on standard error, with its exit code.
fn line(output: &Output) -> (String, Option<i32>) {
    let line = String::from_utf8(output.stderr.clone()).expect("UTF-8");
    assert_eq!(line.lines().count(), 1, "{line}");
    assert!(line.len() < 5000 && line.trim_end().chars().all(|c| !c.is_control()), "{line:?}");
    (line, output.status.code())
}

fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo").success());
}

#[test]
fn a_step_that_can_not_fit_is_refused_before_it_begins() {
    let folder = folder();
    let sets = ["--set", "model=digits/resnet14-s4096u4096", "--set", "train.batch=1437"];
    let output = limited(&folder, 4 << 20, &[&TRAIN[..], &sets, &["--out", "run"]].concat());
    let (line, code) = line(&output);
    assert_eq!(code, Some(1), "{line}");
    let expected = "error: out of memory: train.batch: a step of digits/resnet14-s4096u4096 on 1,437 \
                    images takes at least ";
    assert!(line.starts_with(expected) && line.contains(" are free in "), "{line}");
    assert!(!folder.path().join("run").exists());
    // What fits is not refused.
    let output = limited(&folder, 4 << 20, &[&TRAIN[..], &["--out", "run"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn memory_that_ends_in_the_middle_is_one_line_and_exit_code_1() {
    let folder = folder();
    for kibibytes in [50_000, 60_000, 70_000] {
        let out = kibibytes.to_string();
        let sets = ["--set", "train.batch=512", "--out", &out];
        let output = limited(&folder, kibibytes, &[&TRAIN[..], &sets].concat());
        let (line, code) = line(&output);
        assert_eq!(code, Some(1), "{line}");
        let known = ["error: out of memory: ", "error: cannot start "];
        assert!(known.iter().any(|known| line.starts_with(known)), "{line}");
    }
}

#[test]
fn threads_that_can_not_be_had_are_refused() {
    let folder = folder();
    let run = |threads: &str, kibibytes: u64| {
        let script = format!("ulimit -v {kibibytes}; exec \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_cobasis")]).args(TRAIN);
        let output = wait(command.env("RAYON_NUM_THREADS", threads).current_dir(folder.path()));
        line(&output)
    };
    let (line, code) = run("99999999", 8 << 20);
    assert_eq!(code, Some(2), "{line}");
    let expected = "error: RAYON_NUM_THREADS: expected 1 to 1024 threads, got \"99999999\"";
    assert!(line.starts_with(expected), "{line}");
    // Two mebibytes of stack for each of them.
    let (line, code) = run("1000", 1_000_000);
    assert_eq!(code, Some(1), "{line}");
    // Threads that were started ask for memory too, and may be the first to be refused.
    let refused = line.starts_with("error: cannot start 1000 threads to compute with: ")
        && line.contains("ulimit -v allows 1024000000 bytes");
    assert!(refused || line.starts_with("error: out of memory: "), "{line}");
}

#[test]
fn pipes_devices_and_folders_are_neither_waited_for_nor_read() {
    let folder = folder();
    pipe(&folder.path().join("pipe"));
    fs::create_dir(folder.path().join("folder")).expect("a folder");
    for path in ["pipe", "/dev/zero", "folder"] {
        let teacher = format!("distill.teacher={path}");
        for arguments in [
            &["config", "check", path][..],
            &["train", "--config", path],
            &["train", "--set", &teacher, "--out", "run"],
            &["eval", "--checkpoint", path],
            &["predict", "a.png", "--checkpoint", path],
            &["parity", path],
            &["report", path],
            &["deploy", path, "--out", "out"],
            &["import", path, "--model", "cifar10/resnet20", "--out", "out"],
        ] {
            let (line, code) = line(&cobasis(&folder, arguments));
            assert_eq!(code, Some(2), "{arguments:?}: {line}");
        }
    }
    let (line, _) = line(&cobasis(&folder, &["config", "check", "pipe"]));
    assert_eq!(line, "error: pipe: cannot be read: expected a regular file, got a pipe\n");
}

#[test]
fn texts_of_a_megabyte_are_refused_at_once_and_shortened() {
    let folder = folder();
    for (key, value) in [
        ("model", "x".repeat(1_000_000)),
        ("data.name", "x".repeat(1_000_000)),
        ("ortho.penalty", "a-".repeat(500_000)),
        ("train.epochs", "9".repeat(1_000_000)),
        ("schedule.kind", "\\u001b[2J".repeat(100_000)),
    ] {
        fs::write(folder.path().join("c.toml"), format!("{key} = \"{value}\"")).expect("written");
        let (line, code) = line(&cobasis(&folder, &["config", "check", "c.toml"]));
        assert_eq!(code, Some(2), "{line}");
        assert!(line.len() < 1000 && line.contains("… ("), "{line}");
    }
    fs::write(folder.path().join("c.toml"), "#".repeat(10_000_000)).expect("written");
    let (refused, code) = line(&cobasis(&folder, &["config", "check", "c.toml"]));
    assert_eq!(code, Some(2), "{refused}");
    assert!(refused.contains("expected at most 1048576 bytes, got 10000000"), "{refused}");
    // What an argument can hold.
    let long = "x".repeat(100_000);
    for arguments in [
        &["train", "--set", &format!("model={long}")][..],
        &["train", "--set", &format!("{long}=1")],
        &["train", "--config", &long],
        &["train", "--device", &long],
        &["config", "explain", &long],
        &["eval", "--checkpoint", "a", "--model", &long],
        &[&long],
    ] {
        let (line, code) = line(&cobasis(&folder, arguments));
        assert_eq!(code, Some(2), "{line}");
        assert!(line.len() < 1200, "{line}");
    }
}

#[test]
fn names_can_not_talk_to_the_terminal() {
    let folder = folder();
    let image = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cobasis-data/assets/red-blue.jpg");
    let name = "\u{1b}[31m\nred.jpg";
    fs::copy(&image, folder.path().join(name)).expect("copied");
    fs::write(folder.path().join("classes"), "\u{1b}[2J\n".repeat(10)).expect("written");
    let run = [&TRAIN[..], &["--out", "\u{1b}[1m\nrun"]].concat();
    let output = cobasis(&folder, &run);
    assert_eq!(output.status.code(), Some(0));
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(printed.contains("writing \\u{1b}[1m\\nrun\n"), "{printed}");
    let checkpoint = "\u{1b}[1m\nrun/last.safetensors";
    let arguments = ["predict", name, "--checkpoint", checkpoint, "--classes", "classes"];
    let output = cobasis(&folder, &arguments);
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(printed.starts_with("\\u{1b}[31m\\nred.jpg: \\u{1b}[2J "), "{printed}");
    assert_eq!(printed.lines().count(), 1);
    for arguments in [
        &["eval", "--checkpoint", "\u{1b}[2J\nx"][..],
        &["config", "check", "\u{1b}[2J\nx"],
        &["config", "explain", "\u{1b}[2J\nx"],
        &["train", "--set", "model=\u{1b}[2J\nx"],
        &["\u{1b}[2J\nx"],
    ] {
        let (line, code) = line(&cobasis(&folder, arguments));
        assert_eq!(code, Some(2), "{line}");
    }
}

#[test]
fn warnings_of_a_kind_are_summed_up() {
    let folder = folder();
    cobasis(&folder, &[&TRAIN[..], &["--out", "run"]].concat());
    let image = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cobasis-data/assets/red-blue.jpg");
    fs::create_dir(folder.path().join("images")).expect("a folder");
    fs::copy(&image, folder.path().join("images/good.jpg")).expect("copied");
    for number in 0..300 {
        fs::write(folder.path().join(format!("images/{number}.png")), "noise").expect("written");
    }
    let output = cobasis(&folder, &["predict", "images", "--checkpoint", "run/last.safetensors"]);
    let warnings = String::from_utf8(output.stderr).expect("UTF-8");
    assert!((20..60).contains(&warnings.lines().count()), "{warnings}");
    assert!(warnings.contains("warning: and 280 more "), "{warnings}");
}

#[test]
fn an_image_size_that_a_file_claims_is_bounded() {
    let folder = folder();
    let output = cobasis(&folder, &[&TRAIN[..], &["--out", "run"]].concat());
    assert_eq!(output.status.code(), Some(0));
    let path = folder.path().join("run/last.safetensors");
    let bytes = fs::read(&path).expect("a model");
    let header = u64::from_le_bytes(bytes[..8].try_into().expect("8 bytes")) as usize;
    let text = String::from_utf8(bytes[8..8 + header].to_vec()).expect("UTF-8");
    let claim = text.replace("\\\"size\\\":8", "\\\"size\\\":4096");
    let claim = claim.replace("\\\"resize\\\":8", "\\\"resize\\\":4096");
    assert_ne!(claim, text);
    let mut forged = (claim.len() as u64).to_le_bytes().to_vec();
    forged.extend_from_slice(claim.as_bytes());
    forged.extend_from_slice(&bytes[8 + header..]);
    fs::write(&path, forged).expect("written");
    let arguments = ["predict", "a.png", "--checkpoint", "run/last.safetensors"];
    let (line, code) = line(&cobasis(&folder, &arguments));
    assert_eq!(code, Some(2), "{line}");
    assert!(line.contains("size: expected 1 to 1024 pixels, got 4096"), "{line}");
}
