//! `cobasis deploy`.

mod fastest;

use std::path::PathBuf;
use std::process::ExitCode;

use cobasis_cli::Error;
use cobasis_train::DeviceName;
use cobasis_zoo::cobasis::ParameterCount;
use cobasis_zoo::deploy::{FactorisedLayers, Weights};
use cobasis_zoo::files::save_deployed;
use fastest::fastest;
use serde::Serialize;

use super::Outcome;
use super::model_file::{Destination, Found, Held, OnlyKey, file_size, form, weights};
use super::output::{grouped, print, print_json};

/// Writes a model for inference: batch norms folded, each factorised layer in its cheaper form.
///
/// The result computes the same logits as the original, unless --weights rounds its weights, with at
/// most as many multiply-accumulates unless all layers are composed. Kernels that are computed from
/// other numbers, as in -templates or -ring, are written as they are computed. It can be evaluated but
/// not trained. A file that is deployed already is written anew, with other weights or with the plan that
/// files of older versions lack.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cobasis deploy runs/digits-resnet14-s8u1-001/best.safetensors --out digits.safetensors
  cobasis deploy FILE.pth --model cifar10/resnet32-s8u1 --factorised keep --out small.safetensors
  cobasis deploy runs/digits-resnet14-s8u1-001/best.safetensors --weights int8 --out tiny.safetensors
  cobasis deploy runs/digits-resnet14-s8u1-001/best.safetensors --for speed --out fast.safetensors
  cobasis eval --checkpoint digits.safetensors")]
pub(crate) struct Args {
    /// Model file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    held: Held<OnlyKey>,
    /// How to write layers that consist of a basis convolution and coefficients: each in the form
    /// with the fewest MACs (the default), all kept factorised (a basis is stored once), or all
    /// composed into dense kernels.
    #[arg(long, value_name = "FORM", value_parser = form())]
    factorised: Option<FactorisedLayers>,
    /// What the model is to be good at: speed, for which each kind of layer is measured in both forms on
    /// this machine; few MACs, which is the default; or size, which is `--factorised keep`.
    #[arg(long = "for", value_name = "AIM", value_enum, conflicts_with = "factorised")]
    aim: Option<Aim>,
    /// Images at a time that speed is measured for [default: 1].
    #[arg(long, value_name = "N", requires = "aim", value_parser = clap::value_parser!(u16).range(1..=1024))]
    batch: Option<u16>,
    /// How to write the weights of convolutions and of the classifier: in 32 bits, in 16 (half the
    /// file), or as whole numbers of 8 with a scale for each output channel (a quarter). They are
    /// rounded, so that the logits change a little; what is computed with stays 32 bits wide
    /// [default: f32; of a deployed file what it has].
    #[arg(long, value_name = "FORM", value_parser = weights())]
    weights: Option<Weights>,
    #[command(flatten)]
    destination: Destination,
}

/// What a model is to be good at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Aim {
    Speed,
    Macs,
    Size,
}

/// What a model costs.
#[derive(Serialize)]
struct Size {
    parameters: u64,
    file_bytes: u64,
    macs: u64,
}

/// Factorised layers of equal shape that became the same.
#[derive(Serialize)]
struct Layers<'a> {
    layers: Vec<&'a str>,
    factorised_macs_per_pixel: u64,
    dense_macs_per_pixel: u64,
    composed: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    model: String,
    factorised: &'static str,
    weights: &'static str,
    image: [usize; 2],
    before: Size,
    after: Size,
    factorised_layers: Vec<Layers<'a>>,
}

pub(crate) fn run(args: Args) -> Outcome {
    args.destination.check(&args.file)?;
    let device = DeviceName::Flex.open()?;
    if args.batch.is_some() && args.aim != Some(Aim::Speed) {
        return Err(Error::Usage("--batch: is for --for speed".to_owned()));
    }
    let found = args.held.open_any(&args.file, &device)?;
    let image = found.config().image();
    let (parameters, macs) = match &found {
        Found::Trained(model) => (model.parameters().trainable, model.cost(image).total().macs),
        Found::Deployed(deployed) => (ParameterCount::of(deployed).trainable, deployed.macs(image)),
    };
    let deployed = match (found, args.aim) {
        (Found::Trained(model), None) => {
            model.deploy_with(args.factorised.unwrap_or_default(), &device)
        }
        (Found::Trained(model), Some(Aim::Macs)) => model.deploy(&device),
        (Found::Trained(model), Some(Aim::Size)) => {
            model.deploy_with(FactorisedLayers::Keep, &device)
        }
        (Found::Trained(model), Some(Aim::Speed)) => {
            fastest(&model, args.batch.unwrap_or(1).into(), &device)?
        }
        (Found::Deployed(deployed), None) if args.factorised.is_none() => deployed,
        (Found::Deployed(_), aim) => {
            let (option, file) = (if aim.is_some() { "--for" } else { "--factorised" }, &args.file);
            let problem = "is already deployed, whose layers have their form";
            return Err(Error::Usage(format!("{option}: {} {problem}", file.display())));
        }
    };
    let weights = args.weights.unwrap_or(deployed.weights());
    let deployed = deployed.with_weights(weights);
    let deployed =
        deployed.map_err(|error| Error::Usage(format!("{}: {error}", args.file.display())))?;
    save_deployed(&deployed, &args.destination.out)?;
    let mut layers: Vec<Layers> = Vec::new();
    for layer in deployed.factorised_layers() {
        let form = (layer.factorised, layer.dense, layer.composed);
        let same = layers.iter_mut().find(|known| {
            (known.factorised_macs_per_pixel, known.dense_macs_per_pixel, known.composed) == form
        });
        match same {
            Some(known) => known.layers.push(&layer.path),
            None => layers.push(Layers {
                layers: vec![&layer.path],
                factorised_macs_per_pixel: layer.factorised,
                dense_macs_per_pixel: layer.dense,
                composed: layer.composed,
            }),
        }
    }
    let report = Report {
        model: deployed.config.model.name.to_string(),
        factorised: deployed.config.factorised.name(),
        weights: weights.name(),
        image,
        before: Size { parameters, file_bytes: file_size(&args.file)?, macs },
        after: Size {
            parameters: ParameterCount::of(&deployed).trainable,
            file_bytes: file_size(&args.destination.out)?,
            macs: deployed.macs(image),
        },
        factorised_layers: layers,
    };
    if args.destination.json {
        print_json(&report);
    } else {
        print(&describe(&report));
    }
    Ok(ExitCode::SUCCESS)
}

fn describe(report: &Report) -> String {
    let [height, width] = report.image;
    let row = |what: &str, of: fn(&Size) -> u64| {
        let [before, after] = [&report.before, &report.after].map(|size| grouped(of(size)));
        format!("{what:<12} {before:>15} {after:>15}\n")
    };
    let weights = match report.weights {
        "f32" => String::new(),
        weights => format!(", weights {weights}"),
    };
    let mut text = format!("{} at {height}×{width}{weights}\n", report.model);
    text += &format!("{:<12} {:>15} {:>15}\n", "", "before", "deployed");
    text += &row("parameters", |size| size.parameters);
    text += &row("file bytes", |size| size.file_bytes);
    text += &row("MACs", |size| size.macs);
    for layers in &report.factorised_layers {
        let form = if layers.composed { "composed" } else { "kept" };
        let [first, last] = [layers.layers.first(), layers.layers.last()].map(|path| path.copied());
        text += &format!(
            "{:>3} layers {form}: {} MACs a pixel factorised, {} dense ({} to {})\n",
            layers.layers.len(),
            grouped(layers.factorised_macs_per_pixel),
            grouped(layers.dense_macs_per_pixel),
            first.unwrap_or_default(),
            last.unwrap_or_default()
        );
    }
    text.trim_end().to_string()
}
