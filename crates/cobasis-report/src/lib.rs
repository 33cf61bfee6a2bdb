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
mod drawing;
mod figure;
mod gradient_flow;
mod groups;
mod heat_map;
mod histogram;
mod judged;
mod line;
mod mistakes;
mod page;
mod picture;
mod published;
mod scale;
mod scatter;
mod single;

use std::path::{Path, PathBuf};

pub use bar_chart::{BarChart, BarRow};
use cobasis_train::Error;
use cobasis_train::run_dir::RunRecord;
use figure::Figures;

/// A page and its charts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The page as HTML.
    pub page: String,
    /// The charts for papers and slides: names of files and SVG documents, in the page's order.
    pub charts: Vec<(String, String)>,
}

/// The page of a run, or of several that it compares.
///
/// Each path is the directory of a run or one that holds those of several seeds. A single run's
/// test images are looked for in `data`, or where the run found them; without them the page says
/// why they are missing.
///
/// # Errors
///
/// If a directory holds no run, one that is not finished or is damaged, or a run is given twice.
pub fn report(paths: &[PathBuf], data: Option<&Path>) -> Result<Report, Error> {
    let mut runs: Vec<RunRecord> = Vec::new();
    for path in paths {
        for directory in RunRecord::find(path)? {
            if runs.iter().any(|run| same(&run.path, &directory)) {
                let twice = directory.display();
                return Err(Error::Usage(format!("{twice}: duplicate run")));
            }
            runs.push(RunRecord::read(&directory)?);
        }
    }
    let figures = Figures::default();
    let page = match runs.as_slice() {
        [run] => single::single(run, data, &figures)?,
        runs => comparison::comparison(runs, &figures)?,
    };
    Ok(Report { page, charts: figures.files() })
}

fn same(a: &Path, b: &Path) -> bool {
    let place = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    place(a) == place(b)
}
