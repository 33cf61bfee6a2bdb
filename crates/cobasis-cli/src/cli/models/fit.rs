//! `cobasis models fit`.

use burn::tensor::Device;
use cobasis_cli::Error;
use cobasis_zoo::ModelName;
use cobasis_zoo::fit::{Counts, Fit, FitError, Limits, Setting, about, fit, is_for, keys};
use cobasis_zoo::sharing::Blocks;
use serde::Serialize;

use super::super::output::{grouped, print, print_json, table};

/// Finds the setting of a method that comes nearest to a budget from below.
///
/// The budget is a number of trainable parameters at inference, and all methods are counted by the
/// same rules. A shared tensor counts once, wherever it is used. Batch norms count with weight and
/// bias, and not with running statistics. Biases count. Tables of constant indices count 0 parameters
/// and are reported in bits, which need not be stored where a seed makes the table again; tensors that
/// a seed makes and nothing trains count 0. Parameters that only training needs and that fall away
/// afterwards count 0; where training finds how many filters are left, counts are "at most".
///
/// MACs are the multiply-accumulates of convolutions and classifier for one image of the data set.
/// Kernels that are computed from parameters are computed before use, so such a layer has the MACs of
/// the dense one; "composition" is what computing the kernels takes, once for each batch of training.
/// Fewer parameters need not mean fewer MACs: compare both.
///
/// "nearest" is the setting with the most parameters within the budget; of equals, the one whose
/// ranks are the most even share of full rank over the stages. "even" is the same among settings
/// whose ranks are one share, rounded down or up, of the most that each stage can use. Both are built
/// and counted as a whole before they are printed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cobasis models fit cifar10/resnet32 --method lowrank --params 150666
  cobasis models fit cifar10/resnet20 --method all --params 125074
  cobasis models fit cifar10/resnet20 --method tai --params 60000 --macs 15000000 --all-blocks")]
pub(crate) struct Args {
    /// Name of the dense network.
    #[arg(value_name = "NETWORK")]
    network: ModelName,
    /// Method, or all: dense, width, lowrank, lowrank-norm, tai, tucker, tied, tied-double,
    /// tied-second, tied-pairs, soft, hashed, ring, filter-basis, joint-svd, tbasis, hypernet, hinge,
    /// alf, dsfb, dsfb-double.
    #[arg(long, value_name = "KEY")]
    method: String,
    /// Most trainable parameters at inference.
    #[arg(long, value_name = "N")]
    params: u64,
    /// Most multiply-accumulates for one image.
    #[arg(long, value_name = "N")]
    macs: Option<u64>,
    /// Let the first blocks of stages share too (-all).
    #[arg(long)]
    all_blocks: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What a method comes to.
#[derive(Debug, Serialize)]
struct Found {
    method: &'static str,
    about: &'static str,
    /// The settings; absent where the budget is too small.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    settings: Option<Fit>,
    /// Why there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    /// The parameters and multiply-accumulates of the smallest setting, where that is above the budget.
    #[serde(skip_serializing_if = "Option::is_none")]
    fewest: Option<[u64; 2]>,
}

pub(super) fn run(args: &Args) -> Result<(), Error> {
    let Args { network, params, macs, json, .. } = args;
    if network.sharing().is_some() {
        return Err(Error::Usage(format!("expected a dense network, got {network}")));
    }
    let limits = Limits { params: *params, macs: *macs };
    let blocks = if args.all_blocks { Blocks::All } else { Blocks::AfterFirst };
    let mut formless = Vec::new();
    let found: Vec<Found> = match args.method.as_str() {
        "all" => {
            let (forms, others): (Vec<_>, Vec<_>) =
                keys().partition(|key| is_for(network, key, blocks, &Device::flex()));
            formless = others;
            let forms = forms.into_iter();
            forms
                .map(|key| Found::of(key, fit(network, key, blocks, limits, &Device::flex())))
                .collect()
        }
        key => {
            let found = fit(network, key, blocks, limits, &Device::flex());
            let found = found.map_err(|error| Error::Usage(error.to_string()))?;
            // The key is one of them.
            keys()
                .filter(|known| *known == key)
                .map(|key| Found::of(key, Ok(found.clone())))
                .collect()
        }
    };
    if *json {
        print_json(&found);
    } else {
        print(&describe(&found, *params));
        if !formless.is_empty() {
            print(&format!("without a form of {network}: {}", formless.join(", ")));
        }
    }
    match found.iter().any(|found| found.settings.is_some()) {
        true => Ok(()),
        false => {
            Err(Error::Usage(format!("no method has a setting of {network} within the budget")))
        }
    }
}

impl Found {
    fn of(method: &'static str, found: Result<Fit, FitError>) -> Self {
        let about = about(method).unwrap_or_default();
        let (settings, problem, fewest) = match found {
            Ok(settings) => (Some(settings), None, None),
            Err(error) => {
                let fewest = match &error {
                    FitError::TooSmall { params, macs, .. } => Some([*params, *macs]),
                    _ => None,
                };
                (None, Some(error.to_string()), fewest)
            }
        };
        Self { method, about, settings, problem, fewest }
    }
}

fn describe(found: &[Found], budget: u64) -> String {
    let header =
        ["method", "", "model", "parameters", "of budget", "MACs", "composition", "index bits"];
    let mut rows = vec![header.map(String::from).to_vec()];
    for Found { method, settings, fewest, problem, .. } in found {
        let row = |which: &str, Setting { name, counts, .. }: &Setting| {
            let Counts { params, macs, composition, index_bits, at_most } = *counts;
            let which = if at_most { "at most" } else { which };
            vec![
                method.to_string(),
                which.to_string(),
                name.to_string(),
                grouped(params),
                format!("{:.2} %", 100.0 * params as f64 / budget as f64),
                grouped(macs),
                grouped(composition),
                grouped(index_bits),
            ]
        };
        match (settings, fewest, problem) {
            (Some(Fit { nearest, even }), ..) if nearest == even => rows.push(row("", nearest)),
            (Some(Fit { nearest, even }), ..) => {
                rows.push(row("nearest", nearest));
                rows.push(row("even", even));
            }
            (None, Some([params, macs]), _) => {
                let needs = match *params > budget {
                    true => format!("needs at least {} parameters", grouped(*params)),
                    false => format!("needs at least {} MACs", grouped(*macs)),
                };
                rows.push(vec![method.to_string(), String::new(), needs]);
            }
            (None, None, problem) => {
                let problem = problem.clone().unwrap_or_default();
                rows.push(vec![method.to_string(), String::new(), problem]);
            }
        }
    }
    table(&rows, &[1, 2])
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Args as _, Command};

    #[test]
    fn the_help_lists_every_method_and_the_rules() {
        let help = Args::augment_args(Command::new("fit")).render_long_help().to_string();
        let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
        let all = keys().collect::<Vec<_>>().join(", ");
        assert!(words.contains(&all), "{words}");
    }

    #[test]
    fn a_method_that_does_not_fit_says_what_it_needs() {
        let network: ModelName = "cifar10/resnet32".parse().expect("a network");
        let limits = Limits { params: 100_000, macs: None };
        let found =
            |key| Found::of(key, fit(&network, key, Blocks::AfterFirst, limits, &Device::flex()));
        let text = describe(&[found("lowrank"), found("tied")], 100_000);
        assert!(text.contains("needs at least 125,466 parameters"), "{text}");
        assert!(text.contains("cifar10/resnet32-lowrank"), "{text}");
    }
}
