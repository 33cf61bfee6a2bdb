//! `cobasis models`.

mod adapters;
mod fit;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use burn::tensor::Device;
use cobasis_cli::Error;
use cobasis_cli::catalogue::{Inference, Layer, ModelCard};
use cobasis_zoo::files::open_task;
use cobasis_zoo::{AdapterCount, ModelConfig, ModelName, listing, load};

use super::Outcome;
use super::head_filters::HeadFilters;
use super::output::{grouped, print, print_json, table};

/// Layers that a basis's line names; the others are counted.
const USERS_SHOWN: usize = 4;

/// Lists models and shows their layers and sizes.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Lists the named models with parameters, multiply-accumulates and published error.
    ///
    /// Any other ranks are allowed too, as in `cifar10/resnet32-s12u3-double`.
    #[command(after_help = "Examples:
  cobasis models list
  cobasis models list 'cifar10/*-double'")]
    List {
        /// Names to list; * matches any characters.
        #[arg(default_value = "*", hide_default_value = true)]
        glob: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        /// Print a Markdown page (docs/models.md).
        #[arg(long, conflicts_with = "json")]
        markdown: bool,
    },
    /// Shows a model's parameters by role, its multiply-accumulates and its layers.
    #[command(after_help = "Examples:
  cobasis models info cifar10/resnet32-s16u1
  cobasis models info bccd/resnet14 --detector shared
  cobasis models info cifar100/resnet34-s32u1 --adapters
  cobasis models info runs/hinge/last.safetensors")]
    Info {
        /// Name of the model, or a file with a trained one.
        #[arg(value_name = "NAME|FILE", value_parser = parse_model)]
        model: NameOrFile,
        /// Image size for counting multiply-accumulates [default: that of its data set].
        #[arg(long, value_name = "HxW", value_parser = parse_size)]
        input: Option<[usize; 2]>,
        /// Count the model as a detector, with two levels of 32 channels, and a head whose filters are
        /// dense or shared (32 shared, 1 unique).
        #[arg(long, value_name = "HEAD", value_enum)]
        detector: Option<HeadFilters>,
        /// List the adapters that tasks on this network can have, with their sizes.
        #[arg(long, conflicts_with_all = ["detector", "input", "task"])]
        adapters: bool,
        /// File of a task that the model file is the base of, as `cobasis adapt` writes it.
        #[arg(long, value_name = "FILE", conflicts_with = "detector")]
        task: Option<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    Fit(fit::Args),
}

pub(crate) fn run(command: Command) -> Outcome {
    match command {
        Command::List { glob, json, markdown } => list(&glob, json, markdown)?,
        Command::Info { model: NameOrFile::Name(_), task: Some(task), .. } => {
            let problem = "needs the model file of its base, got a model's name";
            return Err(Error::Usage(format!("--task {}: {problem}", task.display())));
        }
        Command::Info { model, adapters: true, json, .. } => {
            let config = match model {
                NameOrFile::Name(name) => ModelConfig::new(name),
                NameOrFile::File(file) => load(file, &Device::flex())?.config,
            };
            adapters::run(&config, json)?;
        }
        Command::Info { model, input, detector, task, json, .. } => {
            let mut count = None;
            let card = match model {
                NameOrFile::Name(name) => match detector {
                    Some(head) => {
                        let head = head.detector(&name)?;
                        ModelCard::of_config(&ModelConfig::new(name).with_detector(head), input)
                    }
                    None => ModelCard::new(name, input),
                },
                NameOrFile::File(_) if detector.is_some() => {
                    let problem = "--detector: only for a model's name; a file says what it holds";
                    return Err(Error::Usage(problem.to_owned()));
                }
                NameOrFile::File(file) => {
                    let model = load(file, &Device::flex())?;
                    let model = match task {
                        Some(task) => open_task(model, task)?.0,
                        None => model,
                    };
                    count = model.adapter_count();
                    ModelCard::of_model(&model, input)
                }
            };
            if json {
                print_json(&card);
            } else {
                print(&describe(&card, count.as_ref()));
            }
        }
        Command::Fit(args) => fit::run(&args)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(glob: &str, json: bool, markdown: bool) -> Result<(), Error> {
    let mut cards: Vec<ModelCard> =
        listing::matching(glob).map(|name| ModelCard::new(name, None)).collect();
    if cards.is_empty() {
        return Err(Error::Usage(format!(
            "no model matches {glob:?}; run `cobasis models list` to see all models"
        )));
    }
    if json {
        // Layers are for `models info`.
        cards.iter_mut().for_each(|card| card.layers.clear());
        print_json(&cards);
        return Ok(());
    }
    let header = ["model", "parameters", "of dense", "MACs", "of dense", "error %", "published in"];
    let mut rows = vec![header.map(String::from).to_vec()];
    rows.extend(cards.iter().map(|card| {
        let published = card.published;
        vec![
            card.name.clone(),
            grouped(card.params.total),
            percent(card.dense.params_ratio),
            grouped(card.macs),
            percent(card.dense.macs_ratio),
            published.map_or(String::new(), |row| format!("{:.2}", row.top1_error)),
            published.map_or(String::new(), |row| row.source.to_string()),
        ]
    }));
    print(&if markdown { page(&rows) } else { table(&rows, &[6]) });
    Ok(())
}

/// The list as a page of the documentation.
fn page(rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |", cells.join(" | "));
    let mut lines = vec![
        "# Models".to_string(),
        String::new(),
        "This page is generated by `cobasis models list --markdown`. Parameters are trainable"
            .to_string(),
        "parameters, each shared tensor counted once; MACs are the multiply-accumulates of"
            .to_string(),
        "convolutions and classifier for one image of the data set; both also relative to the dense"
            .to_string(),
        "network. Errors are published top-1 errors on the test set in percent, at the best epoch, not"
            .to_string(),
        "measured here. Any other ranks are allowed too.".to_string(),
        String::new(),
        line(&rows[0]),
        "| --- | ---: | ---: | ---: | ---: | ---: | --- |".to_string(),
    ];
    lines.extend(rows[1..].iter().map(|row| line(row)));
    lines.join("\n")
}

fn describe(card: &ModelCard, adapter: Option<&AdapterCount>) -> String {
    let params = card.params;
    let [channels, height, width] = card.input;
    let line =
        |what: &str, number: u64, note: String| vec![what.to_string(), grouped(number), note];
    let dense = &card.dense;
    let of_dense = |ratio: f64, total: u64| {
        format!("{} of {}'s {}", percent(ratio), dense.name, grouped(total))
    };
    let mut summary = vec![
        line("parameters", params.total, of_dense(dense.params_ratio, dense.params)),
        line("  shared", params.shared, "basis filters, each once".to_string()),
        line("  unique", params.unique, "basis filters of one layer".to_string()),
        line("  coefficients", params.coefficients, "1x1 convolutions".to_string()),
        line("  the rest", params.rest, "dense layers and batch norms".to_string()),
        line("buffers", card.buffers, "running statistics".to_string()),
        line("MACs", card.macs, of_dense(dense.macs_ratio, dense.macs)),
    ];
    if let Some(count) = adapter {
        let note = format!(
            "{:.2} % of the base's {}; its classifier has {}",
            count.percent(),
            grouped(count.base),
            grouped(count.head)
        );
        summary.push(line("of the task", count.adapter(), note));
    }
    if let Some(Inference { params, macs, at_most }) = card.inference {
        let ratio = params as f64 / dense.params as f64;
        let note = of_dense(ratio, dense.params);
        summary.push(match at_most {
            true => line("at inference, at most", params, format!("{note}, after the cut")),
            false => {
                line("at inference", params, format!("{note}, filters that were cut left out"))
            }
        });
        if let Some(macs) = macs {
            let ratio = macs as f64 / dense.macs as f64;
            summary.push(line("  MACs", macs, of_dense(ratio, dense.macs)));
        }
    }
    let mut layers =
        vec![["layer", "role", "output", "parameters", "MACs", ""].map(String::from).to_vec()];
    layers.extend(card.layers.iter().map(layer_row));
    let published = card.published.map_or(String::new(), |row| {
        format!("published test error {:.2} % ({})\n", row.top1_error, row.source)
    });
    let noted = card.note.map_or(String::new(), |note| format!("{note}\n"));
    format!(
        "{}: {} classes, images of {channels}x{height}x{width}\n{noted}{published}\n{}\n\n{}",
        card.name,
        card.classes,
        table(&summary, &[2]),
        table(&layers, &[1, 2, 5])
    )
}

fn layer_row(layer: &Layer) -> Vec<String> {
    let output = layer.output.map_or(String::new(), |[c, h, w]| format!("{c}x{h}x{w}"));
    let users = layer.used_by.len();
    let mut note = layer.used_by.iter().take(USERS_SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if users > USERS_SHOWN {
        note = format!("{note} and {} more", users - USERS_SHOWN);
    }
    vec![
        layer.path.clone(),
        layer.part.to_string(),
        output,
        grouped(layer.params),
        grouped(layer.macs),
        if users > 0 { format!("used by {note}") } else { String::new() },
    ]
}

fn percent(ratio: f64) -> String {
    format!("{:.1} %", 100.0 * ratio)
}

/// A model by its name, or by the file that it is in.
#[derive(Clone, Debug)]
pub(crate) enum NameOrFile {
    Name(ModelName),
    File(PathBuf),
}

/// A name, or else a file: one that is there, or is called like one of ours.
fn parse_model(text: &str) -> Result<NameOrFile, String> {
    let path = Path::new(text);
    match text.parse() {
        Ok(name) => Ok(NameOrFile::Name(name)),
        Err(_) if path.is_file() || path.extension().is_some_and(|end| end == "safetensors") => {
            Ok(NameOrFile::File(path.to_owned()))
        }
        Err(error) => Err(format!("{error}")),
    }
}

/// `32x48` as height and width.
fn parse_size(text: &str) -> Result<[usize; 2], String> {
    let side = |text: &str| text.parse().ok().filter(|side| (1..=8192).contains(side));
    text.split_once('x')
        .and_then(|(height, width)| Some([side(height)?, side(width)?]))
        .ok_or_else(|| "expected HxW with sides from 1 to 8192, as 224x224".to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_height_and_width_and_models_names_or_files() {
        assert_eq!(parse_size("32x48"), Ok([32, 48]));
        let is_file = |text: &str| matches!(parse_model(text), Ok(NameOrFile::File(_)));
        assert!(is_file("runs/1/last.safetensors") && !is_file("digits/resnet14"));
        assert!(parse_model("digits/resnet15").is_err_and(|said| said.contains("unknown model")));
        for wrong in ["32", "0x3", "x", "3x9000", "-1x2", "3x"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }
}
