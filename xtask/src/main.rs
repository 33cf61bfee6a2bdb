//! `cargo xtask COMMAND …`: the program `cobasis` in release mode, and the project's own checks.
//!
//! Depends on nothing, so that it builds in a second.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const HELP: &str = "\
cargo xtask COMMAND [ARGUMENTS]

  train         train a model (with no arguments: on handwritten digits, in a minute)
  eval          evaluate a trained model
  import        turn a PyTorch model into one of ours
  export        turn a model into one for PyTorch
  parity        compare with what the authors' PyTorch code computes
  models        list models, show what they are made of
                the program cobasis, built in release mode; COMMAND --help says more

  test          what CI runs, formatting aside: clippy, unit, documentation and training tests, docs
  ci            formatting, then test
";

/// A command of the checks: what it is for, and cargo's arguments.
type Step = (&'static str, &'static [&'static str]);

const FORMATTING: Step = ("formatting", &["fmt", "--all", "--check"]);
const TEST: &[Step] = &[
    ("lints", &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]),
    ("tests", &["test", "--workspace", "--locked"]),
    ("documentation", &["doc", "--workspace", "--no-deps", "--locked"]),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        None | Some("help" | "--help" | "-h") => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        Some("test") => checks(TEST, &arguments[1..]),
        Some("ci") => {
            let steps: Vec<Step> = [&[FORMATTING], TEST].concat();
            checks(&steps, &arguments[1..])
        }
        Some(_) => cobasis(&arguments),
    }
}

/// Runs the steps until one fails.
fn checks(steps: &[Step], arguments: &[String]) -> ExitCode {
    if let Some(argument) = arguments.first() {
        eprintln!("error: expected no arguments, got {argument:?}");
        return ExitCode::from(2);
    }
    for (what, arguments) in steps {
        eprintln!("== {what}: cargo {}", arguments.join(" "));
        let mut command = cargo(arguments);
        // A link that leads nowhere is an error in CI and should be one here.
        let code = run(command.env("RUSTDOCFLAGS", "-D warnings"));
        if code != 0 {
            eprintln!("error: {what} failed");
            return ExitCode::from(code);
        }
    }
    ExitCode::SUCCESS
}

/// Builds the program in release mode, with the features that the arguments need, and runs it.
fn cobasis(arguments: &[String]) -> ExitCode {
    let mut command = cargo(&["run", "--release", "--quiet", "--locked", "--package"]);
    command.args(["cobasis-train", "--bin", "cobasis"]);
    if wants_gpu(arguments) {
        command.args(["--features", "wgpu"]);
    }
    command.arg("--").args(arguments);
    ExitCode::from(run(command.env("COBASIS_CONFIGS", root().join("configs"))))
}

/// Whether the arguments name the device that the default build leaves out.
fn wants_gpu(arguments: &[String]) -> bool {
    let pairs = arguments.windows(2).any(|pair| pair[0] == "--device" && pair[1] == "wgpu");
    pairs || arguments.iter().any(|argument| argument == "--device=wgpu")
}

fn cargo(arguments: &[&str]) -> Command {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    // The subcommand comes first, and the workspace is this one wherever the user stands.
    command.arg(arguments[0]);
    command.arg("--manifest-path").arg(root().join("Cargo.toml")).args(&arguments[1..]);
    command
}

/// The workspace that this program was built in.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_path_buf)
}

/// Runs a command and returns its exit code; 1 if it has none or can't be started.
fn run(command: &mut Command) -> u8 {
    match command.status() {
        Ok(status) => status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1),
        Err(error) => {
            eprintln!("error: {}: {error}", command.get_program().to_string_lossy());
            1
        }
    }
}
