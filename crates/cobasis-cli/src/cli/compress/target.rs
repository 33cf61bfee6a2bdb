//! What to make of a dense network: a model by its name, or the best one within a budget.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use cobasis_cli::Error;
use cobasis_zoo::factorise::{
    Budget, FormOptions, Moments, Weighting, any_form, check_budget, form_within,
};
use cobasis_zoo::sharing::Blocks;
use cobasis_zoo::{Model, ModelConfig, ModelName, Norms};
use serde::Serialize;

/// What is asked for.
#[derive(Debug, clap::Args)]
pub(super) struct Wanted {
    /// Model to make: a sharing form of the network, by its name or the suffix alone. In s8u1, 8 shared
    /// and 1 unique filters are those of the first stage and grow with the width of the others; with
    /// commas there is one for each stage: s12,24,40u1,1,2. Others end with -double, -all, or are
    /// lowrank8, shared, shared++.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["params", "macs"])]
    #[arg(allow_hyphen_values = true)]
    to: Option<String>,
    /// Most parameters, all that is trained.
    #[arg(long, value_name = "N")]
    params: Option<usize>,
    /// Most multiply-accumulates for an image, of the network as it is trained.
    #[arg(long, value_name = "N")]
    macs: Option<usize>,
    /// Factorise the first blocks of stages too: it loses less for the same number of parameters, and
    /// allows smaller networks.
    #[arg(long)]
    all_blocks: bool,
    /// Batch norms of blocks that share: all, or all but those between bases and coefficients, which
    /// computes the same and needs no images to be fine-tuned.
    #[arg(long, value_name = "WHICH", default_value = "all", value_parser = norms())]
    norms: Norms,
}

/// What is to be made.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) config: ModelConfig,
    /// How ranks were chosen, where they were.
    pub(super) chosen: Option<Chosen>,
}

/// How ranks were chosen.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Chosen {
    /// The most parameters that were asked for.
    params: Option<usize>,
    /// The most multiply-accumulates.
    macs: Option<usize>,
    /// Whether all ranks were compared, or the best was approached step by step.
    pub(super) exhaustive: bool,
}

impl Wanted {
    /// The model that is asked for by name; none where a budget is.
    pub(super) fn named(&self, dense: &ModelConfig) -> Result<Option<ModelConfig>, Error> {
        let Some(to) = &self.to else {
            if self.params.is_none() && self.macs.is_none() {
                let problem =
                    "say what to make: --to NAME, or the most it may have, --params N or --macs N";
                return Err(Error::Usage(problem.to_string()));
            }
            return Ok(None);
        };
        let from = &dense.name;
        let suffix = to.strip_prefix(&format!("{from}-"));
        let suffix = suffix.or_else(|| (!to.contains('/')).then_some(to.as_str()));
        let name = match suffix {
            Some(suffix) => {
                let suffix = suffix.trim_start_matches('-');
                let all = if self.all_blocks && !suffix.ends_with("-all") { "-all" } else { "" };
                from.with_sharing(&format!("{suffix}{all}"))
            }
            None => to.parse(),
        };
        let name = name.map_err(|error| Error::Usage(format!("--to: {error}")))?;
        if name.sharing().is_none() || name.dense() != *from {
            return Err(Error::Usage(format!(
                "--to: expected a sharing form of {from}, got {name}"
            )));
        }
        self.config(dense, name).map(Some)
    }

    /// A model with all layers that may be factorised.
    pub(super) fn any(&self, dense: &ModelConfig) -> Result<ModelConfig, Error> {
        any_form(dense, self.options()).map_err(|error| Error::Usage(error.to_string()))
    }

    /// Refuses a budget that can't be met.
    pub(super) fn check_budget(&self, dense: &Model) -> Result<(), Error> {
        let checked = check_budget(dense, self.options(), self.budget());
        checked.map_err(|error| {
            let more = !self.all_blocks && dense.config.name.with_sharing("s1u0-all").is_ok();
            let hint = if more { "; --all-blocks allows fewer" } else { "" };
            Error::Usage(format!("{error}{hint}"))
        })
    }

    /// The model with the smallest error within the budget.
    pub(super) fn chosen(
        &self,
        dense: &Model,
        moments: &Moments,
        weighting: Weighting,
    ) -> Result<Target, Error> {
        let form = form_within(dense, self.options(), moments, weighting, self.budget());
        let form = form.map_err(|error| Error::Usage(error.to_string()))?;
        let chosen = Chosen { params: self.params, macs: self.macs, exhaustive: form.exhaustive };
        Ok(Target { config: self.config(&dense.config, form.name)?, chosen: Some(chosen) })
    }

    fn budget(&self) -> Budget {
        Budget { params: self.params, macs: self.macs }
    }

    fn options(&self) -> FormOptions {
        let blocks = if self.all_blocks { Blocks::All } else { Blocks::AfterFirst };
        FormOptions { blocks, norms: self.norms }
    }

    fn config(&self, dense: &ModelConfig, name: ModelName) -> Result<ModelConfig, Error> {
        if self.norms != Norms::All && !name.can_be_without_norms() {
            let norms = self.norms.name();
            return Err(Error::Usage(format!("--norms {norms}: {name} can't be without them")));
        }
        let mut config = dense.clone().with_norms(self.norms);
        config.name = name;
        Ok(config)
    }
}

/// The batch norms that a compressed network may have, by name.
fn norms() -> impl TypedValueParser<Value = Norms> {
    let known = [Norms::All, Norms::WithoutInner];
    PossibleValuesParser::new(known.map(Norms::name))
        .map(move |name| known.into_iter().find(|norms| norms.name() == name).unwrap_or_default())
}
