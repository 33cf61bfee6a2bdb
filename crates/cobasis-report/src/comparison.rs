//! The page of several runs.

use cobasis_data::number::{duration, grouped};
use cobasis_train::Error;
use cobasis_train::metrics::TOP1;
use cobasis_train::run_dir::{EpochMetrics, EpochSummary, RunRecord, Summary, UnfinishedRun};
use cobasis_train::train::Spread;
use maud::{Markup, html};

use super::card::chosen;
use super::chart::{Chart, WIDE};
use super::curves::over_epochs;
use super::drawing::exact;
use super::figure::{Figures, Key};
use super::groups::{Group, groups};
use super::line::Series;
use super::page::{Head, Section, page, table};
use super::published::{PublishedPoint, published_on};
use super::scale::Scale;
use super::scatter::{Kind, Mark, scatter};
use super::unfinished::{Unfinished, table_of};
use super::yardstick::Yardstick;

/// Factor between the extremes from which on an axis is logarithmic.
const FAR: f64 = 6.0;

/// The page that compares runs, set by set. Those that are not finished have curves and a table of their
/// own, and count in no mean.
pub(crate) fn comparison(
    runs: &[RunRecord],
    unfinished: &[UnfinishedRun],
    figures: &Figures,
) -> Result<String, Error> {
    let (groups, labels) = groups(runs, unfinished)?;
    let others: Vec<Unfinished> = unfinished.iter().zip(labels).map(Unfinished::from).collect();
    let mut sets: Vec<String> = Vec::new();
    let configs = runs.iter().map(|run| &run.config);
    for config in configs.chain(unfinished.iter().map(|run| &run.config)) {
        let set = config.data.name.to_string();
        if !sets.contains(&set) {
            sets.push(set);
        }
    }
    let body = |draw: &dyn Fn(&[&Group], &str) -> Markup| {
        html! {
            div.stack {
                @for set in &sets {
                    @if sets.len() > 1 { h4 { (set) } }
                    (draw(&of_set(&groups, set), set))
                }
            }
        }
    };
    let section = |id, title, body| Section { id, title, body };
    let mut sections = Vec::new();
    if !groups.is_empty() {
        let costs = |groups: &[&Group], set: &str| costs(groups, &published_on(set), figures);
        let is_error = |group: &Group| group.yardstick().name() == "error";
        let title = match groups.iter().any(is_error) {
            true => "Error and cost",
            false => "Precision and cost",
        };
        sections.push(section("costs", title, body(&costs)));
        sections.push(section("results", "Results", body(&|groups, _| results(groups))));
    }
    let learning = |groups: &[&Group], set: &str| {
        let others: Vec<&Unfinished> = others.iter().filter(|run| run.is_on(set)).collect();
        curves(groups, &others, figures)
    };
    sections.push(section("curves", "Learning", body(&learning)));
    if !others.is_empty() {
        sections.push(section("unfinished", "Not finished", table_of(&others)));
    }
    let published = |_: &[&Group], set: &str| published(&published_on(set));
    sections.push(section("published", "Published", body(&published)));
    if !groups.is_empty() {
        sections.push(section("runs", "Runs", all(&groups)));
    }
    let compared =
        format!("{} of {}", count(runs.len(), "run"), count(groups.len(), "configuration"));
    let title = match (groups.len(), others.len()) {
        (0, others) => format!("{}, none of them finished", count(others, "run")),
        (_, 0) => compared,
        (_, others) => format!("{compared}, and {others} not finished"),
    };
    let subtitle = html! { "On " (sets.join(", ")) "." };
    Ok(page(&Head { title, subtitle, grows: !others.is_empty() }, &[], &sections))
}

/// `1 run`, `2 runs`.
pub(super) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn of_set<'a, 'b>(groups: &'b [Group<'a>], set: &str) -> Vec<&'b Group<'a>> {
    groups.iter().filter(|group| group.runs[0].summary.dataset == set).collect()
}

/// `7.43 ± 0.12 % (n = 3)`.
pub(super) fn spread(spread: &Spread) -> String {
    let std = spread.std.map(|std| format!(" ± {std:.2}")).unwrap_or_default();
    format!("{:.2}{std} % (n = {})", spread.mean, spread.n)
}

/// What the runs of a set are compared by.
fn yardstick(groups: &[&Group]) -> Yardstick {
    groups.first().map_or(Yardstick::of(TOP1), |group| group.yardstick())
}

fn costs(groups: &[&Group], published: &[PublishedPoint], figures: &Figures) -> Markup {
    let parameters = |group: &Group| group.params;
    let macs = |group: &Group| group.macs;
    let of = yardstick(groups).title();
    html! {
        div.grid {
            (against(figures, &format!("{of} against parameters"), "trainable parameters", groups,
                parameters, published, |point| point.params))
            (against(figures, &format!("{of} against multiply-accumulates"),
                "multiply-accumulates for one image", groups, macs, published, |point| point.macs))
        }
    }
}

fn against(
    figures: &Figures,
    title: &str,
    unit: &str,
    groups: &[&Group],
    cost: fn(&Group) -> u64,
    published: &[PublishedPoint],
    published_cost: fn(&PublishedPoint) -> u64,
) -> Markup {
    let kinds = [Kind::Last, Kind::Best];
    let yardstick = yardstick(groups);
    let ours = groups.iter().flat_map(|group| {
        kinds.map(|kind| {
            let (epoch, error) = match kind {
                Kind::Last => ("last epoch", group.on_test(|run| &run.last)),
                _ => ("best epoch", group.on_test(Summary::best)),
            };
            let name = if kind == Kind::Last { short(&group.label) } else { String::new() };
            let title = format!(
                "{}, {epoch}: {} {}, {} {unit}",
                group.label,
                yardstick.name(),
                yardstick.shown(&error),
                grouped(cost(group))
            );
            Mark { at: [cost(group) as f64, error.mean], std: error.std, kind, name, title }
        })
    });
    let theirs = published.iter().map(|point| {
        let (name, error) = (point.published.name, point.published.error);
        let cost = published_cost(point);
        let title = format!("published: {name}: error {error:.2} %, {} {unit}", grouped(cost));
        let (at, kind) = ([cost as f64, error], Kind::Published);
        Mark { at, std: None, kind, name: short(name), title }
    });
    let marks: Vec<Mark> = ours.chain(theirs).collect();
    let costs = marks.iter().map(|mark| mark.at[0]).collect();
    let errors = marks.iter().flat_map(|mark| {
        let std = mark.std.unwrap_or(0.0);
        // No error is below zero, whatever the deviation.
        [(mark.at[1] - std).max(0.0), mark.at[1] + std]
    });
    let chart = Chart {
        size: WIDE,
        label: format!("{title}: {} points", marks.len()),
        x: (scale(costs), unit),
        y: (scale(errors.collect()), &yardstick.axis("test")),
    };
    let of = if yardstick.name() == "error" { "Top-1 error" } else { yardstick.name() };
    let note = format!("{of} on the test set; bars are ± one standard deviation over seeds.");
    let best = format!("ours, best epoch on {}", choice(groups));
    let mut legend: Vec<Key> = vec![
        ("round c1".to_string(), "ours, last epoch".to_string()),
        ("round hollow c2".to_string(), best),
    ];
    if !published.is_empty() {
        let name = "published, best epoch on the test set".to_string();
        legend.push(("round hollow diamond c0".to_string(), name));
    }
    figures.put(title, &note, scatter(&chart, &marks), legend)
}

/// Logarithmic where factors are large.
pub(super) fn scale(values: Vec<f64>) -> Scale {
    let (min, max) =
        values.iter().fold((f64::INFINITY, 0.0_f64), |(a, b), &v| (a.min(v), b.max(v)));
    if min > 0.0 && max / min > FAR { Scale::log(values) } else { Scale::linear(values) }
}

/// What chose the best epochs.
fn choice(groups: &[&Group]) -> String {
    let mut ways: Vec<&str> =
        groups.iter().map(|group| chosen(group.runs[0].summary.split)).collect();
    ways.sort_unstable();
    ways.dedup();
    ways.join(" or ")
}

/// Without the data set, which the page names.
pub(super) fn short(name: &str) -> String {
    name.split_once('/').map_or(name, |(_, rest)| rest).to_string()
}

fn results(groups: &[&Group]) -> Markup {
    let yardstick = yardstick(groups);
    let of_epoch = |epoch| format!("test {}, {epoch} epoch", yardstick.name());
    let (last, best) = (of_epoch("last"), of_epoch("best"));
    let headings = [
        "configuration",
        "seeds",
        "epochs",
        "parameters",
        "multiply-accumulates",
        &last,
        &best,
        "best on",
        "published",
    ];
    let cell = |epoch: &str, group: &Group, error: Spread| {
        html! {
            span data-field=(format!("{epoch}.{}", yardstick.field())) data-group=(group.label) data-value=(exact(error.mean))
                data-std=[error.std.map(exact)] data-n=(error.n) { (yardstick.shown(&error)) }
        }
    };
    let rows = groups.iter().map(|group| {
        let first = &group.runs[0].summary;
        let seeds: Vec<String> =
            group.runs.iter().map(|run| run.summary.seed.to_string()).collect();
        let published = group.published.map(|row| format!("{:.2} %", row.error));
        vec![
            html! { (group.label) },
            html! { (seeds.join(", ")) },
            html! { (first.last.epoch) },
            html! { (grouped(group.params)) },
            html! { (grouped(group.macs)) },
            cell("last", group, group.on_test(|run| &run.last)),
            cell("best", group, group.on_test(Summary::best)),
            html! { (chosen(first.split)) },
            html! { (published.as_deref().unwrap_or("–")) },
        ]
    });
    let note = |group: &&Group| {
        let name = group.runs[0].config.model_name().ok()?;
        Some((name.to_string(), name.note()?))
    };
    let mut notes: Vec<(String, &str)> = groups.iter().filter_map(note).collect();
    notes.dedup();
    html! {
        div.panel {
            (table(&headings, rows))
            p {
                @if yardstick.name() == "error" { "Error is 100 % − top-1 accuracy. " }
                "The last epoch is chosen before anything is "
                "measured; an epoch that is best on the test set is an optimistic choice. Means ± "
                "sample standard deviations (n − 1) over n seeds."
            }
            @for (name, note) in &notes { p { (name) ": " (note) "." } }
        }
    }
}

fn curves(groups: &[&Group], others: &[&Unfinished], figures: &Figures) -> Markup {
    let series = |value: &dyn Fn(&EpochMetrics) -> f64| -> Vec<Series> {
        let means = groups.iter().map(|group| (group.label.as_str(), group.mean(value)));
        let others = others.iter().map(|run| (run.name.as_str(), run.curve(value)));
        let line = |(colour, (name, points))| Series { name, colour, points, ring: None };
        means.chain(others).enumerate().map(line).collect()
    };
    if groups.is_empty() && others.iter().all(|run| run.run.history.is_empty()) {
        return html! { p.panel { "No epoch is done yet." } };
    }
    let first = groups.iter().flat_map(|group| group.runs[0].history.first());
    let first = first.chain(others.iter().flat_map(|run| run.run.history.first())).next();
    let yardstick = Yardstick::of(first.map_or(TOP1, EpochMetrics::judged_by));
    let is_error = yardstick.name() == "error";
    let axis = if is_error { "top-1 error, %" } else { yardstick.name() };
    let (loss, unit, column) = match is_error {
        true => ("Training cross entropy", "cross entropy, nats", "train_cross_entropy"),
        false => ("Training loss", "loss", "train_loss"),
    };
    html! {
        div.grid {
            (over_epochs(figures, yardstick.title(),
                "On the images that evaluate the epochs; means over seeds.", axis,
                &series(&|row| yardstick.on_val(row))))
            (over_epochs(figures, loss, "Augmented images; means over seeds.", unit,
                &series(&|row| row.value(column))))
        }
    }
}

fn published(points: &[PublishedPoint]) -> Markup {
    if points.is_empty() {
        return html! { p.panel { "Nothing was published on these images." } };
    }
    let headings =
        ["published model", "parameters", "multiply-accumulates", "test error", "source"];
    let rows = points.iter().map(|point| {
        vec![
            html! { (point.published.name) },
            html! { (grouped(point.params)) },
            html! { (grouped(point.macs)) },
            html! { (format!("{:.2} %", point.published.error)) },
            html! { (point.published.source) },
        ]
    });
    html! {
        div.panel {
            (table(&headings, rows))
            p {
                "Published by the method's authors: the best epoch on the test set, after the full "
                "training."
            }
        }
    }
}

fn all(groups: &[Group]) -> Markup {
    let headings = [
        "run",
        "configuration",
        "seed",
        "test, last epoch",
        "test, best epoch",
        "best epoch",
        "wall time",
    ];
    let value = |field: &str, number: f64, text: String| {
        html! { span data-field=(field) data-value=(exact(number)) { (text) } }
    };
    let rows = groups.iter().flat_map(|group| {
        group.runs.iter().map(|run| {
            let (summary, best) = (&run.summary, run.summary.best());
            let measure = summary.last.judged_by();
            let judged = |name: &str, epoch: &EpochSummary| {
                let field = format!("{name}.test_{}", measure.name);
                value(&field, epoch.judged(), measure.shown(epoch.judged()))
            };
            vec![
                html! { (run.path.display()) },
                html! { (group.label) },
                html! { (summary.seed) },
                judged("last", &summary.last),
                judged("best", best),
                html! { (best.epoch) },
                value("seconds", summary.seconds, duration(summary.seconds)),
            ]
        })
    });
    html! { div.panel { (table(&headings, rows)) } }
}
