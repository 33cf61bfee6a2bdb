//! `cargo xtask COMMAND …`: the program `cobasis` in release mode, and the project's own checks.
//!
//! Depends on nothing, so that it builds in a second.

mod demo;
mod vulkan;

use std::env;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::thread;

const HELP: &str = "\
cargo xtask COMMAND [ARGUMENTS]

  train         train a model (with no arguments: on handwritten digits, in a minute)
  eval          evaluate a trained model
  predict       predict the classes of images
  import        turn a PyTorch model into one of ours
  export        turn a model into one for PyTorch or ONNX
  deploy        fold a model for use
  report        show what runs found, as an HTML page
  parity        compare with what the authors' PyTorch code computes
  config        list and check configurations, explain their keys
  models        list models, show what they are made of
  data          fetch data sets
  bench         measure how fast models and the loader are here
  completions   print the completions of a shell
  man           print the manual page
  reference     print the documentation's pages on commands and configuration keys
                the program cobasis, built in release mode; COMMAND --help says more

  demo          build the module for browsers, and docs/demo with it
  test          what CI runs, formatting aside: clippy, unit, documentation and training tests, docs
  ci            formatting, then test
  test --burn-train
                the example that trains with burn-train, which builds Burn once more
  test --mpi    runs of several processes; needs mpirun (Debian: apt-get install openmpi-bin)
  test --device wgpu
                layers and models on the GPU, or on Mesa's software device, against the processor
";

/// A command of the checks: what it is for, and cargo's arguments.
type Step = (&'static str, &'static [&'static str]);

const FORMATTING: Step = ("formatting", &["fmt", "--all", "--check"]);
const TEST: &[Step] = &[
    ("lints", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
    ("tests", &["test", "--workspace"]),
    ("documentation", &["doc", "--workspace", "--no-deps"]),
    // The libraries as another project sees them: without what the program turns on.
    (
        "documentation of the libraries alone",
        &[
            "doc",
            "--no-deps",
            "-p=cobasis-ortho",
            "-p=cobasis-kernels",
            "-p=cobasis-run",
            "-p=cobasis",
            "-p=cobasis-zoo",
        ],
    ),
    ("cobasis-zoo alone", &["check", "-p=cobasis-zoo"]),
    ("cobasis-run alone, without Burn", &["test", "-p=cobasis-run"]),
];
/// Of the steps that compile: our code with assertions on the dependencies of the release build, so
/// that Burn is compiled once for the program and the tests.
const COMPILE: &[&str] = &["--profile", "bench", "--locked"];

const PROGRAM: &[&str] = &["build", "--package", "cobasis-cli", "--bin", "cobasis"];
const GPU_TEST: &[&str] = &["test", "--no-run", "--package", "cobasis-cli", "--test", "gpu"];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        None | Some("help" | "--help" | "-h") => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        Some("demo") => demo::demo(&arguments[1..]),
        Some("test") if names(&arguments, "wgpu") => gpu_test(&arguments[1..]),
        Some("test") if arguments[1..] == ["--burn-train"] => burn_train_test(),
        Some("test") if arguments[1..] == ["--mpi"] => mpi_test(),
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
        let compile = if *what == FORMATTING.0 { &[] } else { COMPILE };
        let arguments = [&arguments[..1], compile, &arguments[1..]].concat();
        eprintln!("== {what}: cargo {}", arguments.join(" "));
        let mut command = cargo(&arguments);
        // A link that leads nowhere is an error in CI and should be one here.
        let code = run(command.env("RUSTDOCFLAGS", "-D warnings"));
        if code != 0 {
            eprintln!("error: {what} failed");
            return ExitCode::from(code);
        }
    }
    eprintln!("== the page docs/demo with a new module");
    ExitCode::from(demo::check())
}

/// Builds and runs the comparison of the GPU with the processor.
fn gpu_test(arguments: &[String]) -> ExitCode {
    if !["--device wgpu", "--device=wgpu"].contains(&arguments.join(" ").as_str()) {
        eprintln!("error: expected --device wgpu and nothing else, got {arguments:?}");
        return ExitCode::from(2);
    }
    match build(GPU_TEST, &["wgpu"]) {
        Ok(test) => ExitCode::from(run(&mut Command::new(test))),
        Err(code) => ExitCode::from(code),
    }
}

/// Runs the tests that start several processes, with the feature that they need.
fn mpi_test() -> ExitCode {
    let what = ["--package", "cobasis-cli", "--package", "cobasis-mpi"];
    let tests = ["--features", "cobasis-cli/mpi", "--test", "mpi", "--lib"];
    let mut command = cargo(&[&["test"][..], COMPILE, &what, &tests].concat());
    // Elsewhere they pass without a launcher.
    ExitCode::from(run(command.env("COBASIS_REQUIRE", "mpi")))
}

/// Runs the tests of the package that is not part of the workspace.
fn burn_train_test() -> ExitCode {
    let mut command = cargo_in("examples/burn-train", &["test", "--locked"]);
    ExitCode::from(run(&mut command))
}

/// Builds the program with the features that the arguments need, and runs it.
fn cobasis(arguments: &[String]) -> ExitCode {
    let program = match build(PROGRAM, &features(arguments)) {
        Ok(program) => program,
        Err(code) => return ExitCode::from(code),
    };
    let mut command = Command::new(program);
    command.args(arguments).env("COBASIS_CONFIGS", root().join("configs"));
    command.env("COBASIS_PROGRAM", "cargo xtask");
    ExitCode::from(run(&mut command))
}

/// Builds a program in release mode and returns where it is, or an exit code: cargo's, or 2 where
/// there is no GPU to build for.
///
/// The first build takes minutes, so what cargo says is shown; but a command whose program is up to
/// date should print nothing else than the program does.
fn build(what: &[&str], features: &[&str]) -> Result<PathBuf, u8> {
    let mut command = cargo(what);
    command.args(["--release", "--locked", "--message-format", "json-render-diagnostics"]);
    if features.contains(&"wgpu") && vulkan::is_missing() {
        eprintln!("error: {}", vulkan::MISSING);
        return Err(2);
    }
    command.args(features.iter().flat_map(|feature| ["--features", feature]));
    let mut child = match command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn() {
        Ok(child) => child,
        Err(error) => return Err(failed(&command, &error)),
    };
    let told = child.stderr.take().map(|told| {
        thread::spawn(move || {
            let lines = BufReader::new(told).lines().map_while(Result::ok);
            for line in lines.filter(|line| !line.trim_start().starts_with("Finished ")) {
                eprintln!("{line}");
            }
        })
    });
    let messages = child.stdout.take().into_iter().flat_map(|out| BufReader::new(out).lines());
    // A test of a package comes with the package's programs.
    let name = what.last().copied().unwrap_or_default();
    let mut messages = messages.map_while(Result::ok);
    let program = messages.by_ref().find_map(|line| executable(&line, name));
    // Cargo stops where nobody reads.
    messages.for_each(drop);
    if let Some(told) = told {
        // A thread that prints can only fail with its terminal.
        let _ = told.join();
    }
    match (child.wait(), program) {
        (Ok(status), Some(program)) if status.success() => Ok(program),
        (Ok(status), _) => Err(exit_code(status).max(1)),
        (Err(error), _) => Err(failed(&command, &error)),
    }
}

/// The program of this name, if one of cargo's messages says that it was built.
fn executable(message: &str, name: &str) -> Option<PathBuf> {
    if !message.contains(&format!("\"name\":\"{name}\"")) {
        return None;
    }
    let (_, rest) = message.split_once("\"executable\":\"")?;
    let (path, _) = rest.split_once('"')?;
    // JSON escapes the separators of Windows.
    Some(PathBuf::from(path.replace("\\\\", "\\")))
}

/// The devices that the default build leaves out, each a feature of its name.
const DEVICES: [&str; 6] = ["ndarray", "wgpu", "cuda", "rocm", "metal", "vulkan"];

/// The features that the devices in the arguments need.
fn features(arguments: &[String]) -> Vec<&'static str> {
    DEVICES.into_iter().filter(|device| names(arguments, device)).collect()
}

/// Whether the arguments name this device, or one of this kind by its number.
fn names(arguments: &[String], device: &str) -> bool {
    let is_named =
        |names: &str| names.split(',').any(|name| name.split(':').next() == Some(device));
    ["--device", "--devices"].iter().any(|option| {
        let pairs = arguments.windows(2).any(|pair| pair[0] == *option && is_named(&pair[1]));
        let one = |argument: &String| {
            let value = argument.strip_prefix(option).and_then(|rest| rest.strip_prefix('='));
            value.is_some_and(is_named)
        };
        pairs || arguments.iter().any(one)
    })
}

/// Cargo for the workspace.
fn cargo(arguments: &[&str]) -> Command {
    cargo_in("", arguments)
}

/// Cargo for the package in this folder.
fn cargo_in(folder: &str, arguments: &[&str]) -> Command {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    // The subcommand comes first, and the workspace is this one wherever the user stands.
    command.arg(arguments[0]);
    command
        .arg("--manifest-path")
        .arg(root().join(folder).join("Cargo.toml"))
        .args(&arguments[1..]);
    // What cargo told this program about its own package would make build scripts that look at it
    // run again, and all that depends on them.
    for (name, _) in env::vars_os() {
        let of_package =
            |name: &str| ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|p| name.starts_with(p));
        if name.to_str().is_some_and(of_package) {
            command.env_remove(name);
        }
    }
    command
}

/// The workspace that this program was built in.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_path_buf)
}

/// Runs a command and returns its exit code; 1 if it has none or can't be started.
fn run(command: &mut Command) -> u8 {
    match command.status() {
        Ok(status) => exit_code(status),
        Err(error) => failed(command, &error),
    }
}

fn exit_code(status: ExitStatus) -> u8 {
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

fn failed(command: &Command, error: &io::Error) -> u8 {
    eprintln!("error: {}: {error}", command.get_program().to_string_lossy());
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_in_cargos_messages() {
        let message = r#"{"target":{"kind":["bin"],"name":"cobasis"},"executable":"/t/cobasis"}"#;
        assert_eq!(executable(message, "cobasis"), Some(PathBuf::from("/t/cobasis")));
        assert_eq!(executable(message, "gpu"), None);
        let windows = r#"{"target":{"name":"gpu"},"executable":"C:\\t\\gpu.exe"}"#;
        assert_eq!(executable(windows, "gpu"), Some(PathBuf::from("C:\\t\\gpu.exe")));
        assert_eq!(executable(r#"{"target":{"name":"gpu"},"executable":null}"#, "gpu"), None);
    }

    #[test]
    fn only_devices_that_the_default_build_lacks_need_a_feature() {
        let of = |line: &str| features(&line.split(' ').map(String::from).collect::<Vec<_>>());
        assert_eq!(of("train --device wgpu"), ["wgpu"]);
        assert_eq!(of("eval --device=ndarray --json"), ["ndarray"]);
        assert_eq!(of("train --devices wgpu:0,wgpu:1"), ["wgpu"]);
        assert_eq!(of("train --device=cuda:1"), ["cuda"]);
        assert!(of("train --device flex").is_empty() && of("models list wgpu").is_empty());
    }
}
