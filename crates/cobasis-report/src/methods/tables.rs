//! The tables of methods: what is compared, and what else there is to say.

use cobasis_data::number::grouped;
use cobasis_train::config::Protocol;
use cobasis_train::train::{ComparisonResults, ResultRow, Spread};
use maud::{Markup, html};

use super::{front, name, of_network};
use crate::comparison::spread;
use crate::drawing::exact;
use crate::page::table;

/// What is compared, in a table that screens have room for, and a second one with the rest.
pub(super) fn table_of(results: &ComparisonResults, network: &str) -> Markup {
    let rows = of_network(results, network);
    let on_front = |cost: fn(&ResultRow) -> u64| -> Vec<bool> {
        let with_error = rows.iter().filter_map(|row| Some([cost(row) as f64, row.error()?.mean]));
        let points: Vec<[f64; 2]> = with_error.collect();
        let mut of_points = front(&points).into_iter();
        rows.iter().map(|row| row.error().is_some() && of_points.next().unwrap_or(false)).collect()
    };
    let by_params = on_front(|row| row.counts.params);
    let by_macs = on_front(|row| row.counts.macs);
    let is_judged_apart =
        rows.first().is_some_and(|row| row.planned.config.data.split == Protocol::TrainVal);
    let (error, field) = match is_judged_apart {
        true => ("test error", "test_error"),
        false => ("test error, last epoch", "last_test_error"),
    };
    let headings = ["method", "parameters", "MACs", error, "Pareto front by", "seeds"];
    let cells = rows.iter().enumerate().map(|(index, row)| {
        let fronts = match (by_params[index], by_macs[index]) {
            (true, true) => "parameters, MACs",
            (true, false) => "parameters",
            (false, true) => "MACs",
            (false, false) => "",
        };
        let diverged =
            if row.diverged > 0 { format!(", {} diverged", row.diverged) } else { String::new() };
        let missing =
            if row.missing > 0 { format!(", {} missing", row.missing) } else { String::new() };
        vec![
            html! { (name(results, row)) },
            whole("params", row.counts.params),
            whole("macs", row.counts.macs),
            measured(field, row.error()),
            html! { span data-field="front" { (fronts) } },
            html! { (row.n) (diverged) (missing) },
        ]
    });
    html! {
        div.panel {
            (table(&headings, cells))
            p {
                "Error is 100 % − top-1 accuracy; means ± sample standard deviations (n − 1) over n seeds. "
                @if is_judged_apart {
                    "The test error is that of the epoch that the validation images chose; which epoch is "
                    "best on the test images was not measured."
                } @else {
                    "Every epoch was judged by the test images, so that the last epoch is to compare by, and "
                    "the best one is an optimistic choice."
                }
            }
            (details(results, &rows, is_judged_apart))
        }
    }
}

/// What else there is to say of each method.
fn details(results: &ComparisonResults, rows: &[&ResultRow], is_judged_apart: bool) -> Markup {
    let mut headings = vec![
        "method",
        "model",
        "budget",
        "composition, multiply-adds",
        "index bits",
        "weight decay ×",
        "training step, multiply-adds",
    ];
    headings.extend(match is_judged_apart {
        true => &["validation top-1", "test error, last epoch"][..],
        false => &["test error, best test epoch"],
    });
    let cells = rows.iter().map(|row| {
        let (planned, counts) = (&row.planned, row.counts);
        let mut cells = vec![
            html! { (name(results, row)) },
            html! { (planned.model) },
            html! { (planned.budget.map_or("–".to_string(), grouped)) },
            whole("composition", counts.composition),
            whole("index_bits", counts.index_bits),
            html! { (format!("{:.3}", planned.decay_factor)) },
            whole("train_macs_per_step", planned.train_macs_per_step()),
        ];
        // The other errors are in the table above, or were not measured.
        match is_judged_apart {
            true => cells.extend([
                measured("val_top1", row.val_top1),
                measured("last_test_error", row.last_test_error),
            ]),
            false => cells.push(measured("best_test_error", row.best_test_error)),
        }
        cells
    });
    html! {
        h4 { "Details" }
        p { "On a narrow screen, a table that ends in a shadow can be scrolled sideways." }
        (table(&headings, cells))
        p {
            "Composition is the multiply-adds that compute kernels from parameters, once a forward pass; "
            "a training step has three forward passes of a batch, and three times the composition. "
            "Index bits are those of fixed tables, which are no parameters."
        }
    }
}

/// A mean and a deviation, which programs find exact.
fn measured(field: &str, value: Option<Spread>) -> Markup {
    match value {
        None => html! { "–" },
        Some(value) => html! {
            span data-field=(field) data-value=(exact(value.mean)) data-std=[value.std.map(exact)]
                data-n=(value.n) { (spread(&value)) }
        },
    }
}

fn whole(field: &str, number: u64) -> Markup {
    html! { span data-field=(field) data-value=(number) { (grouped(number)) } }
}
