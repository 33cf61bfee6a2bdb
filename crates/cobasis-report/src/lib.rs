//! Reports: what runs found, as a page to look at.
//!
//! A page is one HTML file that needs no network and runs nothing. Its numbers are those of the
//! runs' files; programs find them exact in `data-value` attributes and `data` elements. Markup is
//! made by maud, which escapes whatever comes from a run.

mod bar_chart;
mod bases;
mod card;
mod chart;
mod coefficients;
mod comparison;
mod curves;
mod detections;
mod drawing;
mod figure;
mod gradient_flow;
mod groups;
mod heat_map;
mod histogram;
mod judged;
mod line;
mod methods;
mod mistakes;
mod page;
mod picture;
mod precision;
mod published;
mod scale;
mod scatter;
mod single;
mod unfinished;
mod wrong_boxes;
mod yardstick;

use std::path::{Path, PathBuf};

pub use bar_chart::{BarChart, BarRow};
use cobasis_train::Error;
use cobasis_train::run_dir::{RunRecord, UnfinishedRun};
use cobasis_train::train::ComparisonResults;
use figure::Figures;

/// A page and its charts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The page as HTML.
    pub page: String,
    /// The charts for papers and slides: names of files and SVG documents, in the page's order.
    pub charts: Vec<(String, String)>,
    /// Directories of the runs that are not finished, and how far each is: `running: epoch 3 of 10`.
    pub unfinished: Vec<(PathBuf, String)>,
    /// Whether one of them is being trained now.
    pub running: bool,
}

/// The page of a run, or of several that it compares.
///
/// Each path is the directory of a run or one that holds those of several seeds or settings. Runs may
/// be unfinished: the page shows what there is of them and is loaded again by browsers now and then. A
/// single run's test images are looked for in `data`, or where the run found them; without them the
/// page says why they are missing.
///
/// # Errors
///
/// If a directory holds no run or one that is damaged, or a run is given twice.
pub fn report(paths: &[PathBuf], data: Option<&Path>) -> Result<Report, Error> {
    let mut directories: Vec<PathBuf> = Vec::new();
    for path in paths {
        for directory in RunRecord::find(path)? {
            if directories.iter().any(|known| same(known, &directory)) {
                let twice = directory.display();
                return Err(Error::Usage(format!("{twice}: duplicate run")));
            }
            directories.push(directory);
        }
    }
    let (mut runs, mut others) = (Vec::new(), Vec::new());
    for directory in directories {
        match RunRecord::is_finished(&directory) {
            true => runs.push(RunRecord::read(&directory)?),
            false => others.push(UnfinishedRun::read(&directory)?),
        }
    }
    let figures = Figures::default();
    let page = match (&runs[..], &others[..]) {
        ([run], []) => single::single(run, data, &figures)?,
        ([], [run]) => unfinished::unfinished(run, &figures)?,
        (runs, others) => comparison::comparison(runs, others, &figures)?,
    };
    let running = others.iter().any(|run| run.running);
    let unfinished = others.into_iter().map(|run| (run.path.clone(), run.state())).collect();
    Ok(Report { page, charts: figures.files(), unfinished, running })
}

/// The page of a comparison of methods: error against parameters and multiply-accumulates, with the Pareto
/// fronts, and a table. Of runs that are not there it says that they are missing.
pub fn comparison_report(results: &ComparisonResults) -> Report {
    let figures = Figures::default();
    let page = methods::methods(results, &figures);
    Report { page, charts: figures.files(), unfinished: Vec::new(), running: false }
}

fn same(a: &Path, b: &Path) -> bool {
    let place = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    place(a) == place(b)
}
