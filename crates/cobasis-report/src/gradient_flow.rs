//! The gradients of the bases, as the paper looks at them.

use std::path::Path;

use cobasis_train::Error;
use cobasis_train::run_dir::{BasisFlow, BasisParts, RunDirError, parse_gradient_flow_csv, text};
use maud::{Markup, html};

use super::chart::{Chart, WIDE};
use super::curves::over_epochs;
use super::drawing::{exact, px};
use super::figure::Figures;
use super::line::Series;
use super::scale::Scale;

/// Epochs whose bars lie over one another; more can't be told apart.
const OVERLAID: usize = 10;

/// A number of a basis in an epoch.
type Value = fn(&BasisFlow) -> f64;

/// Charts of what the gradient is made of, and of how orthonormal the bases are: title, note, unit and
/// value.
const PARTS: [(&str, &str, &str, Value); 4] = [
    (
        "The task's mean |gradient|",
        "Of the task's loss alone. Mean over the entries and the steps of an epoch.",
        "mean |gradient|",
        |flow| part(flow, |parts| parts.task_mean_abs),
    ),
    (
        "The penalty's mean |gradient|",
        "Of the penalty with its weight. Mean over the entries and the steps of an epoch.",
        "mean |gradient|",
        |flow| part(flow, |parts| parts.penalty_mean_abs),
    ),
    (
        "Distance from orthonormality",
        "‖BBᵀ − I‖ of the filters that belong together, before the steps. Mean over the steps of an \
         epoch.",
        "distance",
        |flow| part(flow, |parts| parts.distance),
    ),
    (
        "Condition number",
        "The largest singular value over the smallest, before the steps. Mean over the steps of an \
         epoch.",
        "condition number",
        |flow| part(flow, |parts| parts.condition),
    ),
];

/// A part of what is recorded; NaN where it is not.
fn part(flow: &BasisFlow, value: fn(&BasisParts) -> f64) -> f64 {
    flow.gradient.parts.as_ref().map_or(f64::NAN, value)
}

/// What a run recorded about the gradients of its bases, if it did.
pub(crate) fn gradient_flow(run: &Path, figures: &Figures) -> Result<Markup, Error> {
    let path = run.join("gradient_flow.csv");
    if !path.is_file() {
        return Ok(html! {
            p.panel {
                "Not recorded: " code { "train.gradient_flow = true" } " in the configuration does."
            }
        });
    }
    let flows = parse_gradient_flow_csv(&text(&path)?)
        .map_err(|problem| RunDirError::damaged(&path, problem))?;
    if flows.is_empty() {
        return Ok(html! { p.panel { "The layers of this network share no filters." } });
    }
    Ok(draw(&flows, figures))
}

fn draw(flows: &[BasisFlow], figures: &Figures) -> Markup {
    let mut bases: Vec<&str> = Vec::new();
    for flow in flows {
        if !bases.contains(&flow.gradient.basis.as_str()) {
            bases.push(&flow.gradient.basis);
        }
    }
    let series = |value: Value| -> Vec<Series> {
        let line = |colour: usize| {
            let name = bases[colour];
            let own = flows.iter().filter(|flow| flow.gradient.basis == name);
            let points = own.map(|flow| [flow.epoch as f64, value(flow)]);
            // Epochs of a run that was begun without parts have none.
            let points = points.filter(|[_, value]| !value.is_nan()).collect();
            Series { name, colour, points, ring: None }
        };
        (0..bases.len()).map(line).collect()
    };
    let has_parts = flows.iter().any(|flow| flow.gradient.parts.is_some());
    html! {
        p {
            "Absolute entries of the gradient that a basis gets from the whole loss, penalty "
            "included, before the optimizer's step."
            @if has_parts { " Below, the task's gradient and the penalty's, which add up to it." }
        }
        div.grid {
            (over_epochs(figures, "Mean |gradient|", "Mean over the entries and the steps of an epoch.",
                "mean |gradient|", &series(|flow| flow.gradient.mean_abs)))
            (over_epochs(figures, "Largest |gradient|", "Over the entries and the steps of an epoch.",
                "largest |gradient|", &series(|flow| flow.gradient.max_abs)))
            (bars(flows, &bases, figures))
            @if has_parts {
                @for (title, note, unit, value) in PARTS {
                    (over_epochs(figures, title, note, unit, &series(value)))
                }
            }
        }
    }
}

/// The paper's figure: bars of the bases, those of several epochs over one another.
fn bars(flows: &[BasisFlow], bases: &[&str], figures: &Figures) -> Markup {
    let last = flows.iter().map(|flow| flow.epoch).max().unwrap_or(1);
    let every = last.div_ceil(OVERLAID);
    let shown: Vec<&BasisFlow> =
        flows.iter().filter(|flow| (last - flow.epoch).is_multiple_of(every)).collect();
    let chart = Chart {
        size: WIDE,
        label: "mean and largest gradient of each basis".to_string(),
        x: (Scale::whole([0.5, bases.len() as f64 + 0.5]), "basis, in the network's order"),
        y: (Scale::from_zero(shown.iter().map(|flow| flow.gradient.max_abs)), "|gradient|"),
    };
    let bar = |flow: &BasisFlow, side: f64, value: f64| {
        let index = bases.iter().position(|basis| *basis == flow.gradient.basis)? as f64 + 1.0;
        let [left, top] = chart.at([index + side * 0.32, value])?;
        let [right, bottom] = chart.at([index + (side + 1.0) * 0.32, 0.0])?;
        Some([left, top, right - left, bottom - top])
    };
    let marks = html! {
        @for flow in &shown {
            @for (class, what, side, value) in
                [("c1", "mean", -1.0, flow.gradient.mean_abs),
                    ("c2", "largest", 0.0, flow.gradient.max_abs)] {
                @if let Some([x, y, width, height]) = bar(flow, side, value) {
                    rect.bar.(class) x=(px(x)) y=(px(y)) width=(px(width)) height=(px(height))
                        fill-opacity="0.3" data-epoch=(flow.epoch) data-value=(exact(value)) {
                        title { (flow.gradient.basis) ", epoch " (flow.epoch) ": " (what) " " (value) }
                    }
                }
            }
        }
    };
    let keys = [("c1", "mean"), ("c2", "largest")].map(|(class, name)| (class.into(), name.into()));
    let note = match every {
        1 => "The bars of all epochs overlap.".to_string(),
        _ => format!("The bars of every {every} epochs overlap, including the last."),
    };
    figures.put("Bases side by side", note, chart.draw(&marks), keys.to_vec())
}

#[cfg(test)]
mod tests {
    use cobasis_train::run_dir::BasisGradient;

    use super::*;

    #[test]
    fn every_basis_is_drawn_and_its_name_escaped() {
        let flow = |epoch, basis: &str| {
            let basis = basis.into();
            let gradient = BasisGradient { basis, mean_abs: 0.1, max_abs: 0.7, parts: None };
            BasisFlow { epoch, gradient }
        };
        let flows = [flow(1, "<a>"), flow(1, "b"), flow(2, "<a>"), flow(2, "b")];
        let page = draw(&flows, &Figures::default()).into_string();
        assert!(!page.contains("<a>") && page.contains("data-series=\"&lt;a&gt;\""), "{page}");
        assert_eq!(page.matches("data-value=\"0.7\"").count(), 8);
        assert!(!page.contains("The task's") && !page.contains("Condition"), "{page}");
    }

    #[test]
    fn the_task_and_the_penalty_have_curves_of_their_own() {
        let parts = BasisParts {
            task_mean_abs: 0.25,
            task_max_abs: 1.0,
            penalty_mean_abs: 0.125,
            penalty_max_abs: 1.0,
            distance: 0.375,
            max_distance: 1.0,
            condition: 1.75,
            max_condition: 2.0,
        };
        // The first epoch is of a version that did not record them.
        let flow = |epoch, parts| {
            let gradient = BasisGradient { basis: "b".into(), mean_abs: 0.1, max_abs: 0.7, parts };
            BasisFlow { epoch, gradient }
        };
        let flows = [flow(1, None), flow(2, Some(parts))];
        let page = draw(&flows, &Figures::default()).into_string();
        for (title, value) in [
            ("The task's mean |gradient|", "0.25"),
            ("The penalty's mean |gradient|", "0.125"),
            ("Distance from orthonormality", "0.375"),
            ("Condition number", "1.75"),
        ] {
            let value = format!("data-value=\"{value}\"");
            assert!(page.contains(title) && page.matches(&value).count() == 1, "{title}: {page}");
        }
        assert!(!page.contains("NaN"));
    }
}
