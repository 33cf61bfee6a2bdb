//! Runs that are not finished: a page of one, and their part of a comparison.

use cobasis_data::number::{compact, duration, grouped};
use cobasis_train::Error;
use cobasis_train::config::Protocol;
use cobasis_train::metrics::TOP1;
use cobasis_train::run_dir::{EpochMetrics, UnfinishedRun};
use maud::{Markup, html};

use super::bases::bases;
use super::coefficients::coefficients;
use super::curves::{Learning, curves};
use super::figure::Figures;
use super::gradient_flow::gradient_flow;
use super::page::{Head, Section, Tile, number, page, table};
use super::single::{last_model, picture_size};

/// An unfinished run beside others.
pub(crate) struct Unfinished<'a> {
    pub(crate) run: &'a UnfinishedRun,
    /// Its configuration.
    label: String,
    /// Its configuration, its seed, and how far it is.
    pub(crate) name: String,
}

impl<'a> From<(&'a UnfinishedRun, String)> for Unfinished<'a> {
    fn from((run, label): (&'a UnfinishedRun, String)) -> Self {
        let name = format!("{label}, seed {} ({})", run.config.seed, run.state());
        Self { run, label, name }
    }
}

impl Unfinished<'_> {
    /// Whether it is trained on this data set.
    pub(crate) fn is_on(&self, set: &str) -> bool {
        self.run.config.data.name.to_string() == set
    }

    /// Epochs and a value of each.
    pub(crate) fn curve(&self, value: impl Fn(&EpochMetrics) -> f64) -> Vec<[f64; 2]> {
        self.run.history.iter().map(|row| [row.epoch as f64, value(row)]).collect()
    }
}

/// The table of runs that are not finished.
pub(crate) fn table_of(runs: &[Unfinished]) -> Markup {
    let headings =
        ["run", "configuration", "seed", "state", "epochs done", "result so far", "best so far"];
    let result = |row: Option<&EpochMetrics>| {
        row.map_or("–".to_string(), |row| row.judged_by().shown(row.judged()))
    };
    let rows = runs.iter().map(|Unfinished { run, label, .. }| {
        vec![
            html! { (run.path.display()) },
            html! { (label) },
            html! { (run.config.seed) },
            html! { span data-field="state" { (run.state()) } },
            html! { (run.history.len()) },
            html! { (result(run.history.last())) },
            html! { (result(best(run))) },
        ]
    });
    html! {
        div.panel {
            (table(&headings, rows))
            p { "Not finished: in no mean and in no point of this page. Results are those on the "
                "images that judge the epochs." }
        }
    }
}

/// The page of a run that is not finished: what there is of it.
pub(crate) fn unfinished(run: &UnfinishedRun, figures: &Figures) -> Result<String, Error> {
    let config = &run.config;
    let best = best(run).map(|row| (row.epoch, "best so far"));
    let learning = Learning { history: &run.history, config, best };
    let none = run.history.is_empty();
    let learnt = html! {
        @if run.cut {
            p.panel.why {
                "The last line of metrics.csv is damaged or not whole, and left out."
            }
        }
        @if none { p.panel { "No epoch is done yet." } } @else { (curves(&learning, figures)) }
    };
    let section = |id, title, body| Section { id, title, body };
    let mut sections = vec![section("curves", "Learning", learnt)];
    if !none {
        let [filters, use_of] = of_model(run, figures);
        sections.push(section("bases", "Bases", filters));
        sections.push(section("coefficients", "Coefficients", use_of));
        let flow = gradient_flow(&run.path, figures);
        let flow = flow.unwrap_or_else(|error| why(&error));
        sections.push(section("gradients", "Gradient flow", flow));
    }
    sections.push(section("card", "Card", card(run)?));
    let subtitle = html! {
        "On " (config.data.name) ", seed " (config.seed) ". "
        strong data-field="state" { (run.state()) } "."
    };
    let head = Head { title: config.model.clone(), subtitle, grows: true };
    Ok(page(&head, &tiles(run), &sections))
}

/// What the model of the last epoch looks like: its bases, and its coefficients.
fn of_model(run: &UnfinishedRun, figures: &Figures) -> [Markup; 2] {
    let measured = last_model(&run.path).and_then(|model| {
        let costs = model.cost(picture_size(&model, &run.config)?);
        Ok([bases(&model, figures), coefficients(&model, &costs, figures)])
    });
    measured.unwrap_or_else(|error| [why(&error), why(&error)])
}

fn why(error: &Error) -> Markup {
    html! { p.panel.why { "Not shown: " (error.line()) } }
}

/// The first of the epochs with the best result so far, of those that can be the run's.
fn best(run: &UnfinishedRun) -> Option<&EpochMetrics> {
    let history = run.history.iter().skip(run.config.epochs_before_cut());
    history.reduce(|best, row| match row.judged_by().is_better(row.judged(), best.judged()) {
        true => row,
        false => best,
    })
}

/// The numbers that people look for first.
fn tiles(run: &UnfinishedRun) -> Vec<Tile> {
    let (done, epochs) = (run.history.len(), run.config.train.epochs);
    let judge = match run.config.data.split {
        Protocol::Paper => "test images",
        Protocol::TrainVal => "validation images",
    };
    let Some(last) = run.history.last() else {
        return Vec::new();
    };
    let measure = last.judged_by();
    let result = |epoch: &str, row: &EpochMetrics| {
        let field = format!("{epoch}.{}", measure.name);
        number(&field, row.judged(), &measure.value(row.judged()))
    };
    let label = match measure {
        TOP1 => "Top-1",
        other => other.label,
    };
    let seconds: f64 = run.history.iter().map(|row| row.value("seconds")).sum();
    let left = seconds / done as f64 * epochs.saturating_sub(done) as f64;
    let of_last = [
        Tile {
            title: "Epochs done".to_string(),
            value: number("epochs", done as f64, &format!("{done} of {epochs}")),
            note: run.word().to_string(),
        },
        Tile {
            title: format!("{label} so far"),
            value: result("so_far", last),
            note: format!("{judge}, epoch {}", last.epoch),
        },
    ];
    let of_best = best(run).map(|best| Tile {
        title: format!("Best {} so far", measure.label),
        value: result("best_so_far", best),
        note: format!("{judge}, epoch {}", best.epoch),
    });
    let of_run = [
        Tile {
            title: "Training loss".to_string(),
            value: number(
                "so_far.loss",
                last.value("train_loss"),
                &compact(last.value("train_loss"), 4),
            ),
            note: format!("learning rate {}", compact(last.value("lr"), 4)),
        },
        Tile {
            title: "Wall time".to_string(),
            value: number("seconds", seconds, &duration(seconds)),
            note: format!("about {} to go", duration(left)),
        },
    ];
    of_last.into_iter().chain(of_best).chain(of_run).collect()
}

/// The card: what is known before the end.
fn card(run: &UnfinishedRun) -> Result<Markup, Error> {
    let config = &run.config;
    Ok(html! {
        div.card {
            dl {
                dt { "Model" } dd data-field="model" { (config.model) }
                dt { "Data" } dd data-field="data" { (config.data.name) }
                dt { "Seed" } dd data-field="seed" { (config.seed) }
                dt { "Epochs" } dd data-field="epochs" { (grouped(config.train.epochs as u64)) }
                dt { "Directory" } dd data-field="directory" { (run.path.display()) }
            }
            details {
                summary { "Resolved configuration" }
                pre data-field="config" { (config.to_toml()?) }
            }
        }
    })
}
