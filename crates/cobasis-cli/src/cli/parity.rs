//! `cobasis parity`.

use std::path::PathBuf;
use std::process::ExitCode;

use cobasis_cli::parity::{Check, Report, check};
use cobasis_train::DeviceName;
use indicatif::ProgressBar;

use super::Outcome;
use super::live::is_live;
use super::output::{print, print_json, table};

/// Compares models with recorded results of the authors' PyTorch code (fixtures).
///
/// Each error is printed next to its bound: ten times the error of the authors' own code in 32-bit
/// arithmetic, and at most 1e-4 for logits and loss. The exit code is 1 if any error exceeds its
/// bound.
///
/// Files of parameter counts are compared exactly. Files of training curves are repeated step by
/// step, which takes minutes; without --data they are skipped.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cobasis parity ../shared/parity/cifar10-*.json
  cobasis parity ../shared/parity/curves.json --data DIR")]
pub(crate) struct Args {
    /// Fixtures, counts or training curves.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Device: flex (CPU), ndarray (CPU, slow reference), wgpu (GPU).
    #[arg(long, default_value_t = DeviceName::Flex)]
    device: DeviceName,
    /// Directory of CIFAR-10, for training curves.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args) -> Outcome {
    let device = args.device.open()?;
    let mut reports = Vec::new();
    for file in &args.files {
        let progress = if is_live() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        let of_file = check(file, &device, args.data.as_deref(), |model, step| {
            progress.set_message(format!("{model}: step {step}"));
            progress.tick();
        })?;
        progress.finish_and_clear();
        if !args.json {
            of_file.iter().for_each(|report| print(&describe(report)));
            if of_file.is_empty() {
                print(&format!("{}: skipped, training curves need --data DIR", file.display()));
            }
        }
        reports.extend(of_file);
    }
    let failed = reports.iter().filter(|report| !report.passed()).count();
    if args.json {
        print_json(&reports);
    } else {
        print(&format!("{} passed, {failed} failed", reports.len() - failed));
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn describe(report: &Report) -> String {
    let row = |check: &Check| {
        let verdict = if check.passed() { "" } else { "BEYOND" };
        let Check { what, error, bound } = check;
        let cells = [format!("  {what}"), format!("{error:.1e}"), format!("<= {bound:.1e}")];
        [cells.as_slice(), &[verdict.to_string()]].concat()
    };
    let rows: Vec<Vec<String>> = report.checks.iter().map(row).collect();
    format!("{} ({})\n{}", report.file, report.model, table(&rows, &[]))
}
