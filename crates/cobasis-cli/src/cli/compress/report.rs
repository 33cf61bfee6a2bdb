//! What became of a network, in numbers.

use std::path::Path;

use cobasis_cli::Error;
use cobasis_zoo::Model;
use cobasis_zoo::cobasis::CostTable;
use cobasis_zoo::factorise::{LayerError, Weighting};
use serde::Serialize;

use super::images::{Images, Judged};
use super::target::{Chosen, Target};
use crate::cli::model_file::file_size;
use crate::cli::output::{grouped, table};

/// All of it.
#[derive(Serialize)]
pub(super) struct Report<'a> {
    source: &'a Path,
    from: String,
    model: String,
    norms: &'static str,
    image: [usize; 2],
    weighting: &'static str,
    images: Option<Looked<'a>>,
    ranks: Option<Chosen>,
    parameters: Change,
    macs: Change,
    file: &'a Path,
    file_bytes: u64,
    accuracy: Option<Judged>,
    /// Root mean squares over the layers.
    error: Errors,
    /// Shared filters, which belong to no layer.
    shared: Vec<Shared>,
    layers: Vec<Layer>,
}

/// The images that were looked at.
#[derive(Serialize)]
struct Looked<'a> {
    from: &'a str,
    count: usize,
}

/// Something before and after.
#[derive(Clone, Copy, Default, Serialize)]
struct Change {
    before: u64,
    after: u64,
}

/// Relative errors, as they are and as they would be without weighting.
#[derive(Clone, Copy, Serialize)]
struct Errors {
    filters: f64,
    outputs: Option<f64>,
    plain_filters: Option<f64>,
    plain_outputs: Option<f64>,
}

#[derive(Serialize)]
struct Shared {
    path: String,
    parameters: u64,
    used_by: usize,
}

#[derive(Serialize)]
struct Layer {
    path: String,
    #[serde(flatten)]
    errors: Errors,
    /// The share of the squares that is kept: of the outputs where they are known, else of the filters.
    kept_energy: f64,
    parameters: Change,
    macs: Change,
}

/// What a report is made of.
pub(super) struct Made<'a> {
    pub(super) source: &'a Path,
    pub(super) out: &'a Path,
    pub(super) dense: &'a Model,
    pub(super) model: &'a Model,
    pub(super) target: &'a Target,
    pub(super) images: Option<&'a Images>,
    pub(super) weighting: Weighting,
    pub(super) errors: &'a [LayerError],
    /// Those of the same network without weighting, where there is one.
    pub(super) plain: Option<&'a [LayerError]>,
    pub(super) accuracy: Option<Judged>,
}

impl<'a> Report<'a> {
    pub(super) fn new(made: &Made<'a>) -> Result<Self, Error> {
        let image = made.dense.config.image();
        let [before, after] = [made.dense, made.model].map(|model| model.cost(image));
        let both = |of: fn(&CostTable) -> u64| Change { before: of(&before), after: of(&after) };
        let layers: Vec<Layer> = made
            .errors
            .iter()
            .enumerate()
            .map(|(index, error)| {
                let errors = Errors::of(error, made.plain.map(|plain| &plain[index]));
                let kept = errors.outputs.unwrap_or(errors.filters);
                let (parameters, macs) = costs([&before, &after], &error.path);
                Layer {
                    path: error.path.clone(),
                    errors,
                    kept_energy: 1.0 - kept * kept,
                    parameters,
                    macs,
                }
            })
            .collect();
        let shared = after.rows().iter().filter(|row| !row.used_by.is_empty());
        Ok(Self {
            source: made.source,
            from: made.dense.config.name.to_string(),
            model: made.model.config.name.to_string(),
            norms: made.model.config.norms.name(),
            image,
            weighting: made.weighting.name(),
            images: made.images.map(|images| Looked { from: &images.name, count: images.count }),
            ranks: made.target.chosen,
            parameters: both(|table| table.total().params),
            macs: both(|table| table.total().macs),
            file: made.out,
            file_bytes: file_size(made.out)?,
            accuracy: made.accuracy,
            error: Errors::mean(layers.iter().map(|layer| layer.errors)),
            shared: shared
                .map(|row| Shared {
                    path: row.path.clone(),
                    parameters: row.cost.params,
                    used_by: row.used_by.len(),
                })
                .collect(),
            layers,
        })
    }

    /// Whether there are more parameters than before.
    pub(super) fn is_larger(&self) -> bool {
        self.parameters.after > self.parameters.before
    }

    /// The report as text.
    pub(super) fn describe(&self) -> String {
        let mut text = format!("{} -> {}", self.from, self.model);
        if let Some(Looked { from, count }) = &self.images {
            let what = match self.weighting {
                "inputs" => "errors weighted by",
                _ => "batch norms set on",
            };
            text += &format!(", {what} {} images of {from}", grouped(*count as u64));
        }
        if self.ranks.is_some_and(|chosen| !chosen.exhaustive) {
            text += "\nranks approached step by step: too many to compare them all";
        }
        let row = |what: &str, before: String, after: String, note: String| {
            vec![what.to_string(), before, after, note]
        };
        let ratio = |Change { before, after }: Change| {
            format!("{:.1} %", 100.0 * after as f64 / before.max(1) as f64)
        };
        let change = |what: &str, change: Change| {
            row(what, grouped(change.before), grouped(change.after), ratio(change))
        };
        let mut rows = vec![row("", "before".into(), "after".into(), String::new())];
        rows.push(change("parameters", self.parameters));
        rows.push(change("MACs", self.macs));
        if let Some(Judged { images, before, after }) = self.accuracy {
            let [before, after] = [before, after].map(|percent| format!("{percent:.2} %"));
            rows.push(row(
                "test top-1",
                before,
                after,
                format!("{} images", grouped(images as u64)),
            ));
        }
        text += &format!("\n{}\n\n", table(&rows, &[]));
        text += &table(&self.layer_rows(), &[]);
        text += match self.error.outputs {
            Some(_) => {
                "\nfilters: relative error of the weights; outputs: of what the layer computes on the \
                 images; (plain): without weighting; kept: 1 - outputs^2"
            }
            None => "\nfilters: relative error of the weights; kept: 1 - filters^2",
        };
        text + &format!("\n\n{}, {} bytes", self.file.display(), grouped(self.file_bytes))
    }

    fn layer_rows(&self) -> Vec<Vec<String>> {
        let (outputs, plain) = (self.error.outputs.is_some(), self.error.plain_filters.is_some());
        let select = |cells: [(bool, String); 8]| -> Vec<String> {
            cells.into_iter().filter(|(shown, _)| *shown).map(|(_, cell)| cell).collect()
        };
        let percent =
            |error: Option<f64>| error.map_or(String::new(), |e| format!("{:.1} %", 100.0 * e));
        let line = |path: &str, errors: Errors, kept: String, costs: [String; 2]| {
            let [parameters, macs] = costs;
            select([
                (true, path.to_string()),
                (true, percent(Some(errors.filters))),
                (plain, percent(errors.plain_filters)),
                (outputs, percent(errors.outputs)),
                (plain, percent(errors.plain_outputs)),
                (true, kept),
                (true, parameters),
                (true, macs),
            ])
        };
        let names =
            ["error of", "filters", "(plain)", "outputs", "(plain)", "kept", "parameters", "MACs"];
        let shown = [true, true, plain, outputs, plain, true, true, true];
        let mut index = 0;
        let mut rows = vec![select(names.map(|name| {
            index += 1;
            (shown[index - 1], name.to_string())
        }))];
        let arrow =
            |Change { before, after }: Change| format!("{} -> {}", grouped(before), grouped(after));
        for layer in &self.layers {
            let kept = format!("{:.2} %", 100.0 * layer.kept_energy);
            rows.push(line(
                &layer.path,
                layer.errors,
                kept,
                [arrow(layer.parameters), arrow(layer.macs)],
            ));
        }
        for shared in &self.shared {
            let mut row = vec![String::new(); rows[0].len()];
            let places = row.len();
            row[0] = format!("{} (of {} layers)", shared.path, shared.used_by);
            row[places - 2] = format!("0 -> {}", grouped(shared.parameters));
            rows.push(row);
        }
        let (blank, none) = (String::new(), [String::new(), String::new()]);
        rows.push(line("root mean square", self.error, blank, none));
        rows
    }
}

impl Errors {
    fn of(error: &LayerError, plain: Option<&LayerError>) -> Self {
        Self {
            filters: error.filters,
            outputs: error.outputs,
            plain_filters: plain.map(|plain| plain.filters),
            plain_outputs: plain.and_then(|plain| plain.outputs),
        }
    }

    /// Root mean squares.
    fn mean(all: impl Iterator<Item = Self> + Clone) -> Self {
        let mean = |of: fn(Self) -> Option<f64>| -> Option<f64> {
            let squares: Option<Vec<f64>> = all.clone().map(|e| of(e).map(|e| e * e)).collect();
            let squares = squares.filter(|squares| !squares.is_empty())?;
            Some((squares.iter().sum::<f64>() / squares.len() as f64).sqrt())
        };
        Self {
            filters: mean(|errors| Some(errors.filters)).unwrap_or(0.0),
            outputs: mean(|errors| errors.outputs),
            plain_filters: mean(|errors| errors.plain_filters),
            plain_outputs: mean(|errors| errors.plain_outputs),
        }
    }
}

/// The parameters and multiply-accumulates of a layer in both networks: of its rows, which begin with
/// its path.
fn costs(tables: [&CostTable; 2], path: &str) -> (Change, Change) {
    let [before, after] = tables.map(|table| {
        let of_layer = table.rows().iter().filter(|row| {
            row.path.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        });
        of_layer
            .fold((0, 0), |(params, macs), row| (params + row.cost.params, macs + row.cost.macs))
    });
    (Change { before: before.0, after: after.0 }, Change { before: before.1, after: after.1 })
}
