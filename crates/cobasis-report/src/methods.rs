//! The page of a comparison of methods: what each network costs and errs, by one recipe.

use cobasis_data::number::{duration, grouped};
use cobasis_train::config::Protocol;
use cobasis_train::train::{ComparisonResults, ResultRow, RunState, Spread};
use cobasis_zoo::sharing::Blocks;
use maud::{Markup, html};

use super::chart::{Chart, WIDE};
use super::comparison::{count, scale, short, spread};
use super::drawing::exact;
use super::figure::{Figures, Key};
use super::page::{Head, Section, page, table};
use super::scatter::{Kind, Mark, scatter};

/// The page of the results that there are.
pub(crate) fn methods(results: &ComparisonResults, figures: &Figures) -> String {
    let mut networks: Vec<String> = Vec::new();
    for row in &results.rows {
        let network = row.planned.network.to_string();
        if !networks.contains(&network) {
            networks.push(network);
        }
    }
    let each = |draw: &dyn Fn(&str) -> Markup| {
        html! {
            div.stack {
                @for network in &networks {
                    @if networks.len() > 1 { h4 { (network) } }
                    (draw(network))
                }
            }
        }
    };
    let section = |id, title, body| Section { id, title, body };
    let mut sections = vec![
        section("costs", "Error and cost", each(&|network| costs(results, network, figures))),
        section("results", "Results", each(&|network| table_of(results, network))),
    ];
    if !results.published.is_empty() {
        sections.push(section(
            "published",
            "Published",
            each(&|network| published(results, network)),
        ));
    }
    if results.missing() + results.diverged() > 0 {
        sections.push(section("missing", "Missing", missing(results)));
    }
    sections.push(section("runs", "Runs", runs(results)));
    let all = results.runs.len();
    let title = format!("{} compared, {}", count(results.rows.len(), "method"), count(all, "run"));
    let subtitle = html! {
        "On " (networks.join(", ")) ". "
        @if results.missing() > 0 {
            strong data-field="missing" { (results.missing()) " of " (count(all, "run")) " not finished" }
            ": means are over those that are."
        }
    };
    page(&Head { title, subtitle, grows: false }, &[], &sections)
}

/// Which of some points, a cost and an error each, no other beats: none has both at most as high and one of
/// them lower.
fn front(points: &[[f64; 2]]) -> Vec<bool> {
    let beats = |[cost, error]: [f64; 2], [other_cost, other_error]: [f64; 2]| {
        cost <= other_cost && error <= other_error && (cost < other_cost || error < other_error)
    };
    points.iter().map(|&point| !points.iter().any(|&other| beats(other, point))).collect()
}

fn of_network<'a>(results: &'a ComparisonResults, network: &str) -> Vec<&'a ResultRow> {
    results.rows.iter().filter(|row| row.planned.network.to_string() == network).collect()
}

fn costs(results: &ComparisonResults, network: &str, figures: &Figures) -> Markup {
    let params = |row: &ResultRow| row.counts.params;
    let macs = |row: &ResultRow| row.counts.macs;
    let unit = "trainable parameters at inference";
    html! {
        div.grid {
            (against(results, network, figures, ("Error against parameters", unit), params, |point| {
                Some(point.params)
            }))
            (against(results, network, figures,
                ("Error against multiply-accumulates", "multiply-accumulates for one image"), macs,
                |point| point.macs))
        }
    }
}

fn against(
    results: &ComparisonResults,
    network: &str,
    figures: &Figures,
    (title, unit): (&str, &str),
    cost: fn(&ResultRow) -> u64,
    published_cost: fn(&cobasis_train::config::PublishedResult) -> Option<u64>,
) -> Markup {
    let rows = of_network(results, network);
    let drawn: Vec<(&ResultRow, Spread)> =
        rows.iter().filter_map(|row| Some((*row, row.error()?))).collect();
    let points: Vec<[f64; 2]> =
        drawn.iter().map(|(row, error)| [cost(row) as f64, error.mean]).collect();
    let ours =
        drawn.iter().zip(front(&points)).zip(&points).map(|(((row, error), is_front), at)| {
            let name = name(row);
            let place = if is_front { ", on the Pareto front" } else { "" };
            let error_text = spread(error);
            let title = format!(
                "{name}: {}: error {error_text}, {} {unit}{place}",
                row.planned.model,
                grouped(cost(row))
            );
            let kind = if is_front { Kind::Front } else { Kind::Behind };
            Mark { at: *at, std: error.std, kind, name, title }
        });
    let theirs = results.published.iter().filter(|point| point.network == network);
    let theirs = theirs.filter_map(|point| {
        let cost = published_cost(point)?;
        let error = format!("error {:.2} %", point.error);
        let title = format!(
            "published: {}: {error}, {} {unit}; {}",
            point.label,
            grouped(cost),
            point.source
        );
        let at = [cost as f64, point.error];
        Some(Mark { at, std: None, kind: Kind::Published, name: point.label.clone(), title })
    });
    let marks: Vec<Mark> = ours.chain(theirs).collect();
    if marks.is_empty() {
        return html! { p.panel { (title) ": no run is finished yet." } };
    }
    let costs = marks.iter().map(|mark| mark.at[0]).collect();
    let errors = marks.iter().flat_map(|mark| {
        let std = mark.std.unwrap_or(0.0);
        // No error is below zero, whatever the deviation.
        [(mark.at[1] - std).max(0.0), mark.at[1] + std]
    });
    let chart = Chart {
        size: WIDE,
        label: format!("{title}, {network}: {} points", marks.len()),
        x: (scale(costs), unit),
        y: (scale(errors.collect()), "test error, %"),
    };
    let note = "Top-1 error on the test images; bars are ± one standard deviation over seeds. On the \
                front is what no other beats in both.";
    let mut legend: Vec<Key> = vec![
        ("round c1".to_string(), "on the Pareto front".to_string()),
        ("round hollow c2".to_string(), "behind it".to_string()),
    ];
    if marks.iter().any(|mark| mark.kind == Kind::Published) {
        legend
            .push(("round hollow diamond c0".to_string(), "published, other recipes".to_string()));
    }
    figures.put(format!("{title}, {}", short(network)), note, scatter(&chart, &marks), legend)
}

/// The method of a row, with what tells it from others of its label.
fn name(row: &ResultRow) -> String {
    let all = if row.planned.blocks == Some(Blocks::All) { " (all blocks)" } else { "" };
    format!("{}{all}", row.planned.label)
}

fn table_of(results: &ComparisonResults, network: &str) -> Markup {
    let headings = [
        "method",
        "model",
        "budget",
        "parameters",
        "multiply-accumulates",
        "composition",
        "index bits",
        "weight decay ×",
        "training step",
        "seeds",
        "diverged",
        "missing",
        "validation top-1",
        "test error",
        "last epoch",
        "best test epoch",
        "Pareto front",
    ];
    let rows = of_network(results, network);
    let on_front = |cost: fn(&ResultRow) -> u64| -> Vec<bool> {
        let with_error = rows.iter().filter_map(|row| Some([cost(row) as f64, row.error()?.mean]));
        let points: Vec<[f64; 2]> = with_error.collect();
        let mut of_points = front(&points).into_iter();
        rows.iter().map(|row| row.error().is_some() && of_points.next().unwrap_or(false)).collect()
    };
    let by_params = on_front(|row| row.counts.params);
    let by_macs = on_front(|row| row.counts.macs);
    let cell = |field: &str, value: Option<Spread>| match value {
        None => html! { "–" },
        Some(value) => html! {
            span data-field=(field) data-value=(exact(value.mean)) data-std=[value.std.map(exact)]
                data-n=(value.n) { (spread(&value)) }
        },
    };
    let whole = |field: &str, number: u64| {
        html! { span data-field=(field) data-value=(number) { (grouped(number)) } }
    };
    let cells = rows.iter().enumerate().map(|(index, row)| {
        let (planned, counts) = (&row.planned, row.counts);
        let fronts = match (by_params[index], by_macs[index]) {
            (true, true) => "parameters, MACs",
            (true, false) => "parameters",
            (false, true) => "MACs",
            (false, false) => "",
        };
        vec![
            html! { (name(row)) },
            html! { (planned.model) },
            html! { (planned.budget.map_or("–".to_string(), grouped)) },
            whole("params", counts.params),
            whole("macs", counts.macs),
            whole("composition", counts.composition),
            whole("index_bits", counts.index_bits),
            html! { (format!("{:.3}", planned.decay_factor)) },
            whole("train_macs_per_step", planned.train_macs_per_step()),
            html! { (row.n) },
            html! { (row.diverged) },
            html! { (row.missing) },
            cell("val_top1", row.val_top1),
            cell("test_error", row.test_error),
            cell("last_test_error", row.last_test_error),
            cell("best_test_error", row.best_test_error),
            html! { span data-field="front" { (fronts) } },
        ]
    });
    let split = rows.first().map(|row| row.planned.config.data.split);
    html! {
        div.panel {
            (table(&headings, cells))
            p {
                "Error is 100 % − top-1 accuracy; means ± sample standard deviations (n − 1) over n seeds. "
                @if split == Some(Protocol::TrainVal) {
                    "The test error is that of the epoch that the validation images chose; which epoch is "
                    "best on the test images was not measured."
                } @else {
                    "Every epoch was judged by the test images, so that the last epoch is to compare by, and "
                    "the best one is an optimistic choice."
                }
            }
            p {
                "Composition is the multiply-adds that compute kernels from parameters, once a forward pass; "
                "a training step has three forward passes of a batch, and three times the composition. "
                "Index bits are those of fixed tables, which are no parameters."
            }
        }
    }
}

fn published(results: &ComparisonResults, network: &str) -> Markup {
    let headings = ["published", "parameters", "multiply-accumulates", "test error", "source"];
    let rows = results.published.iter().filter(|point| point.network == network).map(|point| {
        vec![
            html! { (point.label) },
            html! { (grouped(point.params)) },
            html! { (point.macs.map_or("–".to_string(), grouped)) },
            html! { (format!("{:.2} %", point.error)) },
            html! { (point.source) },
        ]
    });
    html! {
        div.panel {
            (table(&headings, rows))
            p { "Numbers of others, with their recipes: not measured here, and on no front." }
        }
    }
}

fn missing(results: &ComparisonResults) -> Markup {
    let headings = ["run", "model", "seed", "state"];
    let rows = results.runs.iter().filter_map(|(run, state)| {
        let state = match state {
            RunState::Missing => "not finished",
            RunState::Diverged => "diverged",
            RunState::Finished(_) => return None,
        };
        let config = &run.config;
        Some(vec![
            html! { (run.name) },
            html! { (config.model) },
            html! { (config.seed) },
            html! { span data-field="state" { (state) } },
        ])
    });
    html! {
        div.panel {
            (table(&headings, rows))
            p { "In no mean. The command of the comparison goes on with those that are not finished." }
        }
    }
}

fn runs(results: &ComparisonResults) -> Markup {
    let headings = ["run", "model", "seed", "best epoch", "test error", "last epoch", "wall time"];
    let rows = results.runs.iter().filter_map(|(run, state)| {
        let RunState::Finished(summary) = state else { return None };
        let error = |top1: f64| format!("{:.2} %", 100.0 - top1);
        let best = summary.best();
        Some(vec![
            html! { (run.name) },
            html! { (summary.model) },
            html! { (summary.seed) },
            html! { (best.epoch) },
            html! { (error(best.value("test_top1"))) },
            html! { (error(summary.last.value("test_top1"))) },
            html! { (duration(summary.seconds)) },
        ])
    });
    html! { div.panel { (table(&headings, rows)) } }
}

#[cfg(test)]
mod tests;
