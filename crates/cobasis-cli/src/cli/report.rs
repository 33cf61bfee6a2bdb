//! `cobasis report`.

use std::path::PathBuf;
use std::process::ExitCode;

use cobasis_report::{Report, report};
use cobasis_zoo::files::{FileError, write_atomic};

use super::Outcome;
use super::output::print;

/// Writes an HTML report of one run, or a comparison of several.
///
/// For one run: training curves, bases, coefficients, confusion matrix, and everything needed to
/// reproduce the run. For several: errors against parameters and multiply-accumulates, means over
/// seeds, and published results for comparison. The page is a single file that works offline.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cobasis report runs/digits-resnet14-s8u1-001
  cobasis report RUN RUN SEEDS --out comparison.html
  cobasis report RUN --charts figures")]
pub(crate) struct Args {
    /// Directories of runs; a directory written by `train --seeds` stands for all its runs.
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// File to write, replaced if it exists [default: report.html in RUN, or in the working
    /// directory for several runs].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Also write each chart as an SVG file to this directory, created if missing.
    #[arg(long, value_name = "DIR")]
    charts: Option<PathBuf>,
    /// Directory of the data set, for the report of one run [default: where the run found it].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

pub(crate) fn run(args: Args) -> Outcome {
    let Report { page, charts } = report(&args.runs, args.data.as_deref())?;
    let out = match (args.out, &args.runs[..]) {
        (Some(out), _) => out,
        (None, [run]) => run.join("report.html"),
        (None, _) => PathBuf::from("report.html"),
    };
    write_atomic(&out, page.as_bytes()).map_err(|error| FileError::new(&out, error))?;
    print(&format!("wrote {}", out.display()));
    if let Some(directory) = args.charts {
        let failed = |error| FileError::new(&directory, error);
        std::fs::create_dir_all(&directory).map_err(failed)?;
        for (name, svg) in &charts {
            let path = directory.join(name);
            write_atomic(&path, svg.as_bytes()).map_err(|error| FileError::new(&path, error))?;
        }
        print(&format!("wrote {} charts to {}", charts.len(), directory.display()));
    }
    Ok(ExitCode::SUCCESS)
}
