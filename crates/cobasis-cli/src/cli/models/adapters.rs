//! `cobasis models info --adapters`: what a task would have of its own on this network.

use burn::tensor::Device;
use cobasis_cli::Error;
use cobasis_zoo::{AdapterCount, AdapterKind, ModelConfig};
use serde::Serialize;

use crate::cli::output::{grouped, print, print_json, table};

/// The adapters that a network can have, for tasks of as many classes as it has.
#[derive(Serialize)]
struct Report {
    /// The network.
    base: String,
    /// Its trainable parameters.
    parameters: u64,
    /// Classes of the task.
    classes: usize,
    adapters: Vec<Row>,
}

/// One adapter.
#[derive(Serialize)]
struct Row {
    adapter: AdapterKind,
    /// Parameters of modulators, or unique filters; of `full`, all filters.
    layers: u64,
    /// Weights and biases of batch norms of the task's own.
    norms: u64,
    /// Layers and batch norms, in per cent of the base's parameters.
    percent: f64,
    /// Layers, in per cent of the base's filters.
    percent_of_filters: f64,
    /// Parameters of the classifier.
    classifier: u64,
    /// All numbers in the task's file, running statistics among them.
    stored: u64,
}

impl Row {
    fn new(adapter: AdapterKind, count: &AdapterCount) -> Self {
        Self {
            adapter,
            layers: count.layers,
            norms: count.norms,
            percent: count.percent(),
            percent_of_filters: count.percent_of_filters(),
            classifier: count.head,
            stored: count.stored(),
        }
    }

    fn cells(&self) -> Vec<String> {
        let [layers, norms, classifier, stored] =
            [self.layers, self.norms, self.classifier, self.stored].map(grouped);
        let [percent, of_filters] =
            [self.percent, self.percent_of_filters].map(|percent| format!("{percent:.2} %"));
        vec![self.adapter.to_string(), layers, norms, percent, of_filters, classifier, stored]
    }
}

/// Prints the adapters that this network can have.
pub(super) fn run(base: &ModelConfig, json: bool) -> Result<(), Error> {
    let device = Device::flex();
    if let Some(adapter) = &base.adapter {
        let problem = format!("--adapters: the model has one, {}; give its base", adapter.kind);
        return Err(Error::Usage(problem));
    }
    let rows = AdapterKind::ALL.into_iter().filter_map(|kind| {
        // Unique filters are for networks that share some, and some networks have no adapters.
        let count = kind.count(base, base.num_classes, &device).ok()?;
        Some((Row::new(kind, &count), count.base))
    });
    let (adapters, parameters): (Vec<Row>, Vec<u64>) = rows.unzip();
    let Some(&parameters) = parameters.first() else {
        let problem = format!("--adapters: {} can have none", base.name);
        return Err(Error::Usage(problem));
    };
    let report =
        Report { base: base.name.to_string(), parameters, classes: base.num_classes, adapters };
    match json {
        true => print_json(&report),
        false => print(&describe(&report)),
    }
    Ok(())
}

fn describe(report: &Report) -> String {
    let header =
        ["adapter", "layers", "batch norms", "of base", "of filters", "classifier", "in the file"];
    let mut rows = vec![header.map(String::from).to_vec()];
    rows.extend(report.adapters.iter().map(Row::cells));
    format!(
        "{}: tasks of {} classes on its {} parameters\n\n{}\n\n\
         of base: layers and batch norms in per cent of all parameters of the base; of filters: layers in \
         per cent of its filters\nmlp is a guess at Kernel Modulation, whose formula is not public",
        report.base,
        report.classes,
        grouped(report.parameters),
        table(&rows, &[])
    )
}
