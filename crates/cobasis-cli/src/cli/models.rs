//! `cobasis models`.

use std::process::ExitCode;

use cobasis_cli::Error;
use cobasis_cli::catalogue::{Layer, ModelCard};
use cobasis_zoo::{ModelName, listing};

use super::Outcome;
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
    #[command(after_help = "Example:
  cobasis models info cifar10/resnet32-s16u1")]
    Info {
        /// Name of the model.
        name: ModelName,
        /// Image size for counting multiply-accumulates [default: that of its data set].
        #[arg(long, value_name = "HxW", value_parser = parse_size)]
        input: Option<[usize; 2]>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(command: Command) -> Outcome {
    match command {
        Command::List { glob, json, markdown } => list(&glob, json, markdown)?,
        Command::Info { name, input, json } => {
            let card = ModelCard::new(name, input);
            if json {
                print_json(&card);
            } else {
                print(&describe(&card));
            }
        }
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
        "Written by `cobasis models list --markdown`. Parameters are trainable ones, each shared"
            .to_string(),
        "tensor once; MACs are the multiply-accumulates of convolutions and classifier for one image"
            .to_string(),
        "of the data set; both beside those of the dense network. Errors are published top-1 errors on"
            .to_string(),
        "the test set in percent, best epoch, not measured here. Any other ranks make a model too."
            .to_string(),
        String::new(),
        line(&rows[0]),
        "| --- | ---: | ---: | ---: | ---: | ---: | --- |".to_string(),
    ];
    lines.extend(rows[1..].iter().map(|row| line(row)));
    lines.join("\n")
}

fn describe(card: &ModelCard) -> String {
    let params = card.params;
    let [channels, height, width] = card.input;
    let line =
        |what: &str, number: u64, note: String| vec![what.to_string(), grouped(number), note];
    let dense = &card.dense;
    let of_dense = |ratio: f64, total: u64| {
        format!("{} of {}'s {}", percent(ratio), dense.name, grouped(total))
    };
    let summary = [
        line("parameters", params.total, of_dense(dense.params_ratio, dense.params)),
        line("  shared", params.shared, "basis filters, each once".to_string()),
        line("  unique", params.unique, "basis filters of one layer".to_string()),
        line("  coefficients", params.coefficients, "1x1 convolutions".to_string()),
        line("  the rest", params.rest, "dense layers and batch norms".to_string()),
        line("buffers", card.buffers, "running statistics".to_string()),
        line("MACs", card.macs, of_dense(dense.macs_ratio, dense.macs)),
    ];
    let mut layers =
        vec![["layer", "role", "output", "parameters", "MACs", ""].map(String::from).to_vec()];
    layers.extend(card.layers.iter().map(layer_row));
    let published = card.published.map_or(String::new(), |row| {
        format!("published test error {:.2} % ({})\n", row.top1_error, row.source)
    });
    format!(
        "{}: {} classes, images of {channels}x{height}x{width}\n{published}\n{}\n\n{}",
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
    fn sizes_are_height_and_width() {
        assert_eq!(parse_size("32x48"), Ok([32, 48]));
        for wrong in ["32", "0x3", "x", "3x9000", "-1x2", "3x"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }
}
