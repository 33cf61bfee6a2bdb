//! What happened epoch by epoch.

use cobasis_data::number::compact;
use cobasis_train::config::{Config, Protocol};
use cobasis_train::metrics::{AP, AP50, AP75, AR, Column, Measure};
use cobasis_train::run_dir::EpochMetrics;
use maud::{Markup, html};

use super::chart::{Chart, WIDE};
use super::drawing::exact;
use super::figure::Figures;
use super::line::{Series, lines};
use super::scale::Scale;

/// Factor between the extremes from which on an axis is logarithmic.
const FAR: f64 = 30.0;

/// What the curves show.
pub(crate) struct Learning<'a> {
    /// The epochs that are done.
    pub(crate) history: &'a [EpochMetrics],
    /// What the run was told to do.
    pub(crate) config: &'a Config,
    /// The best epoch, and what it is called.
    pub(crate) best: Option<(usize, &'a str)>,
}

/// The curves of a run and its numbers.
pub(crate) fn curves(run: &Learning, figures: &Figures) -> Markup {
    let judge = match run.config.data.split {
        Protocol::Paper => "test",
        Protocol::TrainVal => "validation",
    };
    let best = run.best.map(|(epoch, name)| (epoch as f64, name));
    let of = |column: &str| -> Vec<[f64; 2]> {
        run.history.iter().map(|row| [row.epoch as f64, row.value(column)]).collect()
    };
    let one = |name, column| Series { name, colour: 0, points: of(column), ring: None };
    let judged = |column, ring| Series { name: judge, colour: 1, points: of(column), ring };
    let learnt = match run.history.iter().any(|row| row.judged_by() == AP) {
        true => {
            let of = |(colour, measure): (usize, Measure)| Series {
                name: measure.label,
                colour: colour + 1,
                points: of(&format!("val_{}", measure.name)),
                ring: best.filter(|_| measure == AP),
            };
            let scores: Vec<Series> = (0..).zip([AP, AP50, AP75, AR]).map(of).collect();
            let note = format!("COCO's scores on the {judge} images.");
            html! {
                (over_epochs(figures, "Loss", "What was minimised, on augmented images.", "loss",
                    &[one("training", "train_loss")]))
                (over_epochs(figures, "Average precision", &note, "score, 0 to 1", &scores))
            }
        }
        false => html! {
            (over_epochs(figures, "Cross entropy", "Mean per image. Training images are augmented.",
                "cross entropy, nats",
                &[one("training", "train_cross_entropy"), judged("val_cross_entropy", None)]))
            (over_epochs(figures, "Top-1 accuracy", "Share of images whose top-1 prediction is correct.",
                "top-1 accuracy, %",
                &[one("training", "train_top1"), judged("val_top1", best)]))
        },
    };
    let penalised = run.history.iter().any(|row| row.value("train_penalty") != 0.0);
    let lambda = compact(run.config.ortho.lambda, 4);
    let penalty = match run.config.ortho.penalty.as_str() {
        "mean" => "Mean squared entry of BBᵀ − I".to_string(),
        other => format!("Formula \"{other}\""),
    };
    html! {
        div.grid {
            (learnt)
            @if penalised {
                (over_epochs(figures, "Orthonormality penalty",
                    &format!("{penalty}, before its weight λ = {lambda}."),
                    "penalty", &[one("penalty", "train_penalty")]))
            }
            (over_epochs(figures, "Learning rate", "At the end of each epoch.", "learning rate",
                &[one("learning rate", "lr")]))
        }
        details {
            summary { "All epochs as numbers (metrics.csv)" }
            (numbers(run.history))
        }
    }
}

/// A chart over epochs, logarithmic where its values differ by large factors.
pub(crate) fn over_epochs(
    figures: &Figures,
    title: &str,
    note: &str,
    unit: &str,
    series: &[Series],
) -> Markup {
    let all = || series.iter().flat_map(|line| line.points.iter());
    let values = || all().map(|point| point[1]).filter(|value| value.is_finite());
    let (min, max) = values().fold((f64::INFINITY, 0.0_f64), |(a, b), v| (a.min(v), b.max(v)));
    let wide = min > 0.0 && max / min > FAR;
    let (y, kind) = match wide {
        true => (Scale::log(values()), " (logarithmic)"),
        false => (Scale::linear(values()), ""),
    };
    let names: Vec<&str> = series.iter().map(|line| line.name).collect();
    let chart = Chart {
        size: WIDE,
        label: format!("{title} over epochs: {}", names.join(", ")),
        x: (Scale::whole(all().map(|point| point[0])), "epoch"),
        y: (y, &format!("{unit}{kind}")),
    };
    let (drawing, legend) = lines(&chart, series);
    figures.put(title, note, drawing, legend)
}

/// The rows of `metrics.csv`.
fn numbers(history: &[EpochMetrics]) -> Markup {
    let names = history.iter().take(1).flat_map(|row| row.columns.iter());
    html! {
        div.scroll tabindex="0" role="region" aria-label="all epochs" {
            table {
                thead { tr { th scope="col" { "epoch" }
                    @for Column { name, .. } in names { th scope="col" { (name.replace('_', " ")) } } } }
                tbody {
                    @for row in history {
                        tr {
                            th scope="row" { (row.epoch) }
                            @for Column { name, value } in row.columns.iter() {
                                td data-column=(name) data-epoch=(row.epoch)
                                    data-value=(exact(*value)) { (compact(*value, 5)) }
                            }
                        }
                    }
                }
            }
        }
    }
}
