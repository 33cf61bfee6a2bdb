//! `cobasis report`.

use std::path::PathBuf;
use std::process::ExitCode;

use cobasis_data::text::printable;
use cobasis_report::{Report, report};
use cobasis_zoo::files::{FileError, write_atomic};

use super::Outcome;
use super::output::print;

/// Writes an HTML page that shows what runs found.
///
/// Of one run: curves, bases, coefficients, mistakes, and what it takes to make the run again. Of
/// several: errors against parameters and multiply-accumulates, means over seeds, and published
/// results beside them. The page is one file that needs no network.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask report runs/digits-resnet14-s8u1-001
  cargo xtask report RUN RUN SEEDS --out comparison.html
  cargo xtask report RUN --charts figures")]
pub(crate) struct Args {
    /// Directories of runs; one that holds the runs of several seeds stands for all of them.
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// File to write, replaced if it is there [default: report.html in RUN, or in the working
    /// directory for several].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Directory for the charts as SVG files of their own, made if it is not there.
    #[arg(long, value_name = "DIR")]
    charts: Option<PathBuf>,
    /// Directory of the data set's files, for one run [default: where the run found them].
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
    print(&format!("wrote {}", printable(&out.display().to_string())));
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
