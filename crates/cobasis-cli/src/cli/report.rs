//! `cobasis report`.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use cobasis_cli::Error;
use cobasis_data::regular;
use cobasis_data::text::printable;
use cobasis_report::{Report, report};
use cobasis_train::run_dir::{RunRecord, UnfinishedRun};
use cobasis_zoo::files::{FileError, write_atomic};

use super::Outcome;
use super::output::print;
use super::signals::Signals;

/// How often `--watch` looks for something new.
const LOOK: Duration = Duration::from_secs(1);
/// Time without a run that goes on after which `--watch` of several runs ends: the next one needs some
/// to read its images.
const NEXT_RUN: Duration = Duration::from_secs(60);

/// Writes an HTML report of one run, or a comparison of several.
///
/// For one run: training curves, bases, coefficients, confusion matrix, and everything needed to
/// reproduce the run. For several: errors against parameters and multiply-accumulates, means over
/// seeds, and published results for comparison. The page is a single file that works offline. For a
/// run that is still training or was interrupted it shows what there is so far, and browsers reload
/// it every few seconds.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cobasis report runs/digits-resnet14-s8u1-001
  cobasis report RUN RUN SEEDS --out comparison.html
  cobasis report RUN --watch
  cobasis report RUN --charts figures")]
pub(crate) struct Args {
    /// Directories of runs; one written by `train --seeds` or `--sweep` stands for all its runs.
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
    /// Write the page again after every epoch, until the run ends.
    #[arg(long)]
    watch: bool,
}

pub(crate) fn run(args: Args) -> Outcome {
    let out = match (&args.out, &args.runs[..]) {
        (Some(out), _) => out.clone(),
        (None, [run]) => run.join("report.html"),
        (None, _) => PathBuf::from("report.html"),
    };
    check_page(&out)?;
    let signals = if args.watch { Signals::listen() } else { Signals::default() };
    let mut seen = looks(&args.runs)?;
    let mut running = write(&args, &out)?;
    // Runs of several follow one another, and between two of them none goes on.
    let single =
        args.runs.iter().all(|run| RunRecord::find(run).is_ok_and(|found| found == [run.clone()]));
    let patience = if single { Duration::ZERO } else { NEXT_RUN };
    let mut since = Instant::now();
    while args.watch && (running || since.elapsed() < patience) && !signals.came() {
        thread::sleep(LOOK);
        let now = looks(&args.runs)?;
        if running {
            since = Instant::now();
        }
        if now != seen {
            seen = now;
            running = write(&args, &out)?;
        }
    }
    Ok(if signals.came() { signals.exit_code() } else { ExitCode::SUCCESS })
}

/// Refuses to replace what is no page: a slip would cost a model.
fn check_page(out: &Path) -> Result<(), Error> {
    let mut start = [0; 15];
    let is_other = regular::open(out)
        .and_then(|mut file| file.read(&mut start))
        .is_ok_and(|read| read > 0 && !start[..read].eq_ignore_ascii_case(b"<!doctype html>"));
    match is_other {
        true => {
            let out = out.display();
            Err(Error::Usage(format!("--out {out}: exists and is not an HTML page")))
        }
        false => Ok(()),
    }
}

/// Writes the page and the charts; returns whether a run goes on.
fn write(args: &Args, out: &Path) -> Result<bool, Error> {
    let Report { page, charts, unfinished, running } = report(&args.runs, args.data.as_deref())?;
    write_atomic(out, page.as_bytes()).map_err(|error| FileError::new(out, error))?;
    let state = match &unfinished[..] {
        [] => String::new(),
        [(_, state)] => format!(" ({state})"),
        several => format!(" ({} runs are not finished)", several.len()),
    };
    print(&format!("wrote {}{state}", printable(&out.display().to_string())));
    if let Some(directory) = &args.charts {
        write_charts(directory, &charts)?;
    }
    Ok(running)
}

/// Writes charts, by the names of their files, to a directory.
pub(super) fn write_charts(directory: &Path, charts: &[(String, String)]) -> Result<(), FileError> {
    fs::create_dir_all(directory).map_err(|error| FileError::new(directory, error))?;
    for (name, svg) in charts {
        let path = directory.join(name);
        write_atomic(&path, svg.as_bytes()).map_err(|error| FileError::new(&path, error))?;
    }
    print(&format!("wrote {} charts to {}", charts.len(), directory.display()));
    Ok(())
}

/// What tells whether there is something new of a run: its metrics and its model, which are not written at
/// the same moment, and whether it goes on or is finished.
#[derive(PartialEq)]
struct Look {
    run: PathBuf,
    files: [Option<(u64, SystemTime)>; 2],
    running: bool,
    finished: bool,
}

fn looks(paths: &[PathBuf]) -> Result<Vec<Look>, Error> {
    let mut looks = Vec::new();
    for path in paths {
        for run in RunRecord::find(path)? {
            let files = ["metrics.csv", "last.safetensors"].map(|name| {
                let file = fs::metadata(run.join(name)).ok()?;
                Some((file.len(), file.modified().ok()?))
            });
            let finished = RunRecord::is_finished(&run);
            // A look takes the lock for a moment: not where a sweep takes a finished run as it is.
            let running = !finished && UnfinishedRun::is_running(&run);
            looks.push(Look { run, files, running, finished });
        }
    }
    Ok(looks)
}
