//! The page of a comparison of methods: what each network costs and errs, by one recipe.

mod tables;
#[cfg(test)]
mod tests;

use cobasis_data::number::{duration, grouped};
use cobasis_train::train::{ComparisonResults, ResultRow, RunState, Spread};
use cobasis_zoo::sharing::Blocks;
use maud::{Markup, html};

use super::chart::{Chart, WIDE};
use super::comparison::{count, scale, short, spread};
use super::figure::{Figures, Key};
use super::page::{Head, Section, page, table};
use super::scatter::{Kind, Mark, scatter};
use tables::table_of;

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
    if results.missing() > 0 {
        sections.push(section("missing", "Not finished", missing(results)));
    }
    if results.diverged() > 0 {
        sections.push(section("diverged", "Diverged", diverged(results)));
    }
    sections.push(section("runs", "Runs", runs(results)));
    let all = results.runs.len();
    let mut labels: Vec<&str> = results.rows.iter().map(|row| row.planned.label.as_str()).collect();
    labels.sort_unstable();
    labels.dedup();
    let title = format!("{} compared, {}", count(labels.len(), "method"), count(all, "run"));
    let subtitle = html! {
        "On " (networks.join(", ")) ". "
        @if results.missing() > 0 {
            strong data-field="missing" { (results.missing()) " of " (count(all, "run")) " not finished" }
            ": means are over those that are. "
        }
        @if results.diverged() > 0 {
            strong data-field="diverged" { (results.diverged()) " of " (count(all, "run")) " diverged" }
            ", which are in no mean."
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
    let is_numbered = drawn.len() > MOST_NAMES;
    let fronts = front(&points);
    let ours = drawn.iter().enumerate().zip(&fronts).zip(&points).map(
        |(((index, (row, error)), &is_front), at)| {
            let name = name(results, row);
            let place = if is_front { ", on the Pareto front" } else { "" };
            let error_text = spread(error);
            let title = format!(
                "{name}: {}: error {error_text}, {} {unit}{place}",
                row.planned.model,
                grouped(cost(row))
            );
            let kind = if is_front { Kind::Front } else { Kind::Behind };
            let name = if is_numbered { (index + 1).to_string() } else { name };
            Mark { at: *at, std: error.std, kind, name, title }
        },
    );
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
        let why = match rows.iter().any(|row| row.missing > 0) {
            true => "no run is finished yet",
            false => "every run diverged",
        };
        return html! { p.panel { (title) ": " (why) "." } };
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
    let note = "Top-1 error on the test images; bars are ± one standard deviation over seeds. A method is \
                on the Pareto front if no other has at most its cost and at most its error, with one of \
                them lower.";
    let mut legend: Vec<Key> = vec![
        ("round c1".to_string(), "on the Pareto front".to_string()),
        ("round hollow c2".to_string(), "behind it".to_string()),
    ];
    if marks.iter().any(|mark| mark.kind == Kind::Published) {
        legend
            .push(("round hollow diamond c0".to_string(), "published, other recipes".to_string()));
    }
    if is_numbered {
        legend.extend(drawn.iter().zip(&fronts).enumerate().map(
            |(index, ((row, _), &is_front))| {
                let class = if is_front { "round c1" } else { "round hollow c2" };
                (class.to_string(), format!("{}: {}", index + 1, name(results, row)))
            },
        ));
    }
    figures.put(format!("{title}, {}", short(network)), note, scatter(&chart, &marks), legend)
}

/// The most points of a chart that have their names beside them; of more, numbers, which its legend
/// explains.
const MOST_NAMES: usize = 8;

/// The method of a row, with what tells it from others of its label.
fn name(results: &ComparisonResults, row: &ResultRow) -> String {
    let planned = &row.planned;
    let all = if planned.blocks == Some(Blocks::All) { " (all blocks)" } else { "" };
    let budget = planned.budget.filter(|_| results.budgets().len() > 1);
    let budget = budget.map(|budget| format!(", {}", grouped(budget)));
    format!("{}{all}{}", planned.label, budget.unwrap_or_default())
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
    html! {
        div.panel {
            (in_state(results, "not finished", |state| matches!(state, RunState::Missing)))
            p { "In no mean. The command of the comparison goes on with them." }
        }
    }
}

fn diverged(results: &ComparisonResults) -> Markup {
    html! {
        div.panel {
            (in_state(results, "diverged", |state| matches!(state, RunState::Diverged)))
            p {
                "In no mean. They are not trained again; diverged.txt in the directory of a run says where "
                "it came to. To train one again, delete its directory."
            }
        }
    }
}

fn in_state(results: &ComparisonResults, word: &str, is_in: fn(&RunState) -> bool) -> Markup {
    let rows = results.runs.iter().filter(|(_, state)| is_in(state)).map(|(run, _)| {
        let config = &run.config;
        vec![
            html! { (run.name) },
            html! { (config.model) },
            html! { (config.seed) },
            html! { span data-field="state" { (word) } },
        ]
    });
    table(&["run", "model", "seed", "state"], rows)
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
