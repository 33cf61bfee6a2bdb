//! The gradients of the bases, as the paper looks at them.

use std::path::Path;

use cobasis_train::Error;
use cobasis_train::run_dir::{RunDirError, text};
use maud::{Markup, html};

use super::chart::{Chart, WIDE, exact, px};
use super::curves::over_epochs;
use super::line::Series;
use super::page::{figure, legend};
use super::scale::Scale;

const HEADER: &str = "epoch,basis,mean_abs,max_abs";
/// Epochs whose bars lie over one another; more can't be told apart.
const OVERLAID: usize = 10;

/// The gradient of a basis in an epoch.
#[derive(Clone, Debug, PartialEq)]
struct Flow {
    epoch: usize,
    basis: String,
    /// Mean over the steps of the mean absolute entry.
    mean: f64,
    /// Largest absolute entry of any step.
    max: f64,
}

/// What a run recorded about the gradients of its bases, if it did.
pub(crate) fn gradient_flow(run: &Path) -> Result<Markup, Error> {
    let path = run.join("gradient_flow.csv");
    if !path.is_file() {
        return Ok(html! {
            p.panel {
                "Not recorded: " code { "train.gradient_flow = true" } " in the configuration does."
            }
        });
    }
    let flows = parse(&text(&path)?).map_err(|problem| RunDirError::damaged(&path, problem))?;
    Ok(draw(&flows))
}

fn parse(text: &str) -> Result<Vec<Flow>, String> {
    let mut lines = text.lines();
    let header = lines.next().unwrap_or_default();
    if header != HEADER {
        return Err(format!("expected the columns {HEADER}, got {header:?}"));
    }
    let flow = |(index, line): (usize, &str)| {
        let fields: Vec<&str> = line.split(',').collect();
        let read = || {
            let &[epoch, basis, mean, max] = fields.as_slice() else { return None };
            let (mean, max) = (mean.parse().ok()?, max.parse().ok()?);
            Some(Flow { epoch: epoch.parse().ok()?, basis: basis.to_string(), mean, max })
        };
        let expected = "an epoch, a name and two numbers";
        read().ok_or_else(|| format!("row {}: expected {expected}, got {line:?}", index + 1))
    };
    let flows: Vec<Flow> = lines.enumerate().map(flow).collect::<Result<_, _>>()?;
    if flows.is_empty() { Err("no rows".to_string()) } else { Ok(flows) }
}

fn draw(flows: &[Flow]) -> Markup {
    let mut bases: Vec<&str> = Vec::new();
    for flow in flows {
        if !bases.contains(&flow.basis.as_str()) {
            bases.push(&flow.basis);
        }
    }
    let series = |value: fn(&Flow) -> f64| -> Vec<Series> {
        let line = |colour: usize| {
            let name = bases[colour];
            let own = flows.iter().filter(|flow| flow.basis == name);
            let points = own.map(|flow| [flow.epoch as f64, value(flow)]).collect();
            Series { name, colour, points, ring: None }
        };
        (0..bases.len()).map(line).collect()
    };
    html! {
        p {
            "Absolute entries of the gradient that a basis gets from the whole loss, penalty "
            "included, before the optimizer's step."
        }
        div.grid {
            (over_epochs("Mean |gradient|", "Mean over the entries and the steps of an epoch.",
                "mean |gradient|", &series(|flow| flow.mean)))
            (over_epochs("Largest |gradient|", "Over the entries and the steps of an epoch.",
                "largest |gradient|", &series(|flow| flow.max)))
            (bars(flows, &bases))
        }
    }
}

/// The paper's figure: bars of the bases, those of several epochs over one another.
fn bars(flows: &[Flow], bases: &[&str]) -> Markup {
    let last = flows.iter().map(|flow| flow.epoch).max().unwrap_or(1);
    let every = last.div_ceil(OVERLAID);
    let shown: Vec<&Flow> =
        flows.iter().filter(|flow| (last - flow.epoch).is_multiple_of(every)).collect();
    let chart = Chart {
        size: WIDE,
        label: "mean and largest gradient of each basis".to_string(),
        x: (Scale::whole([0.5, bases.len() as f64 + 0.5]), "basis, in the network's order"),
        y: (Scale::from_zero(shown.iter().map(|flow| flow.max)), "|gradient|"),
    };
    let bar = |flow: &Flow, side: f64, value: f64| {
        let index = bases.iter().position(|basis| *basis == flow.basis)? as f64 + 1.0;
        let [left, top] = chart.at([index + side * 0.32, value])?;
        let [right, bottom] = chart.at([index + (side + 1.0) * 0.32, 0.0])?;
        Some([left, top, right - left, bottom - top])
    };
    let marks = html! {
        @for flow in &shown {
            @for (class, what, side, value) in
                [("c1", "mean", -1.0, flow.mean), ("c2", "largest", 0.0, flow.max)] {
                @if let Some([x, y, width, height]) = bar(flow, side, value) {
                    rect.bar.(class) x=(px(x)) y=(px(y)) width=(px(width)) height=(px(height))
                        fill-opacity="0.3" data-epoch=(flow.epoch) data-value=(exact(value)) {
                        title { (flow.basis) ", epoch " (flow.epoch) ": " (what) " " (value) }
                    }
                }
            }
        }
    };
    let keys = [("c1", "mean"), ("c2", "largest")].map(|(class, name)| (class.to_string(), name));
    let body = html! { (chart.draw(&marks)) (legend(keys.into_iter())) };
    let note = match every {
        1 => "The bars of all epochs lie over one another.".to_string(),
        _ => format!("The bars of every {every} epochs lie over one another, the last included."),
    };
    figure("Bases side by side", &note, &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_and_faults_are_named() {
        let flows = parse("epoch,basis,mean_abs,max_abs\n1,stages.0.bases.0,0.25,1e-3\n").unwrap();
        let basis = "stages.0.bases.0".to_string();
        assert_eq!(flows, [Flow { epoch: 1, basis, mean: 0.25, max: 1e-3 }]);
        for (text, said) in [
            ("epoch,basis\n", "expected the columns epoch,basis,mean_abs,max_abs, got"),
            ("epoch,basis,mean_abs,max_abs\n", "no rows"),
            ("epoch,basis,mean_abs,max_abs\n1,b,0.1\n", "row 1: expected an epoch"),
            ("epoch,basis,mean_abs,max_abs\n1,b,0.1,x\n", "row 1: expected an epoch"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn every_basis_is_drawn_and_its_name_escaped() {
        let flow = |epoch, basis: &str| Flow { epoch, basis: basis.into(), mean: 0.1, max: 0.7 };
        let page =
            draw(&[flow(1, "<a>"), flow(1, "b"), flow(2, "<a>"), flow(2, "b")]).into_string();
        assert!(!page.contains("<a>") && page.contains("data-series=\"&lt;a&gt;\""), "{page}");
        assert_eq!(page.matches("data-value=\"0.7\"").count(), 8);
    }
}
