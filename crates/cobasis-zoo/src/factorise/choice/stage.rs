//! The ranks that a stage may have: what they cost, and what is lost with them.

use cobasis::ortho::{DenseFilters, JointProfile, ranks_to_try};

use crate::factorise::budget::{Budget, Costs, RankOption};
use crate::factorise::targets::Targets;
use crate::factorise::{FactoriseError, Moments};
use crate::model::Model;
use crate::sharing::MAX_RANK;

/// A loss that is none.
const ROUNDING: f64 = 1e-10;
/// Filters of more numbers are not tried in every number at once.
const LONG: usize = 600;

/// The layers of a stage, whose ranks are to be chosen.
#[derive(Default)]
pub(super) struct Stage<'a> {
    /// On the stage's basis.
    on_basis: Vec<Layer<'a>>,
    /// With as many filters, all their own.
    own: Vec<Layer<'a>>,
}

/// A layer, and what its costs depend on.
struct Layer<'a> {
    path: String,
    dense: DenseFilters<'a>,
    /// Numbers of a filter.
    length: usize,
    outputs: usize,
    /// Places of the output, `height × width`.
    places: usize,
    /// Whether a batch norm follows the basis.
    norm: bool,
}

impl<'a> Stage<'a> {
    /// Those of a dense network.
    pub(super) fn of(
        dense: &Model,
        targets: &Targets,
        moments: &'a Moments,
    ) -> Result<Vec<Self>, FactoriseError> {
        let (state, costs) = (dense.state(), dense.cost(dense.config.image()));
        let mut stages: Vec<Stage> = Vec::new();
        for target in targets.iter() {
            let row = costs.rows().iter().find(|row| row.path == target.path);
            let [_, height, width] = row.and_then(|row| row.output).unwrap_or_default();
            let dense = target.dense_filters(&state, moments)?;
            let length = target.length();
            let layer = Layer {
                path: target.path.clone(),
                length,
                outputs: dense.filters.len() / length,
                places: height * width,
                norm: target.norm.is_some(),
                dense,
            };
            let stage = target.stage();
            stages.resize_with(stages.len().max(stage + 1), Stage::default);
            match target.bank {
                Some(_) => stages[stage].on_basis.push(layer),
                None => stages[stage].own.push(layer),
            }
        }
        Ok(stages)
    }

    /// All ranks worth trying.
    pub(super) fn options(&self) -> Result<Vec<RankOption>, FactoriseError> {
        let Some(first) = self.on_basis.first() else { return Ok(self.without_basis()) };
        let refused = |source| FactoriseError::Ranks { path: first.path.clone(), source };
        let shared: Vec<usize> = match self.tries_all() {
            true => (0..=self.most()).collect(),
            false => ranks_to_try(self.most()),
        };
        let layers: Vec<DenseFilters> =
            self.on_basis.iter().map(|layer| layer.dense.clone()).collect();
        let unique: Vec<usize> = match self.tries_all() {
            true => (0..=self.most_unique()).collect(),
            false => ranks_to_try(self.most_unique()),
        };
        let profile = JointProfile::of(&layers, first.length, &shared, self.most_unique());
        let profile = profile.map_err(refused)?;
        let mut own = Vec::new();
        for layer in &self.own {
            let refused = |source| FactoriseError::Ranks { path: layer.path.clone(), source };
            let filters: Vec<usize> = profile.choices().map(|(s, u, _)| layer.own(s + u)).collect();
            let dense = std::slice::from_ref(&layer.dense);
            own.push(JointProfile::of(dense, layer.length, &filters, 0).map_err(refused)?);
        }
        let choices = profile.choices().filter(|(s, u, _)| s + u > 0 && unique.contains(u));
        let options = choices.map(|(shared, unique, lost)| {
            let of_own = self
                .own
                .iter()
                .zip(&own)
                .filter_map(|(layer, profile)| profile.lost(layer.own(shared + unique), 0));
            // Where all filters are there, what is lost is rounding, of which no choice is better.
            let error =
                Some(lost + of_own.sum::<f64>()).filter(|lost| *lost > ROUNDING).unwrap_or(0.0);
            RankOption { shared, unique, costs: self.costs(shared, unique), error }
        });
        Ok(options.collect())
    }

    /// The ranks that cost least, with no errors.
    pub(super) fn cheapest(&self) -> Vec<RankOption> {
        let option = |[shared, unique]: [usize; 2]| RankOption {
            shared,
            unique,
            costs: self.costs(shared, unique),
            error: 0.0,
        };
        [[1, 0], [0, 1]].map(option).to_vec()
    }

    /// The only ranks of a stage in which no layer has the basis.
    fn without_basis(&self) -> Vec<RankOption> {
        vec![RankOption { shared: 1, unique: 0, costs: self.costs(1, 0), error: 0.0 }]
    }

    /// Whether [`options`](Self::options) are all there are.
    pub(super) fn tries_all(&self) -> bool {
        self.on_basis.first().is_none_or(|layer| layer.length <= LONG)
    }

    /// The most shared filters that are of any use.
    fn most(&self) -> usize {
        let outputs: usize = self.on_basis.iter().map(|layer| layer.outputs).sum();
        self.on_basis.first().map_or(0, |layer| layer.length.min(outputs).min(MAX_RANK))
    }

    /// The most unique filters of a layer that are of any use.
    fn most_unique(&self) -> usize {
        let most = self.on_basis.iter().map(|layer| layer.outputs.min(layer.length)).max();
        most.unwrap_or(0)
    }

    /// What the layers cost with these ranks, bank and all.
    pub(super) fn costs(&self, shared: usize, unique: usize) -> Costs {
        let filters = shared + unique;
        let bank = shared * self.on_basis.first().map_or(0, |layer| layer.length);
        let on_basis = self.on_basis.iter().map(|layer| layer.costs(filters, unique));
        let own = self.own.iter().map(|layer| {
            let filters = layer.own(filters);
            layer.costs(filters, filters)
        });
        sum(on_basis.chain(own).chain([Costs { params: bank, macs: 0 }]))
    }

    /// What they cost in the dense network.
    pub(super) fn dense_costs(&self) -> Costs {
        sum(self.on_basis.iter().chain(&self.own).map(Layer::dense_costs))
    }
}

impl Layer<'_> {
    fn dense_costs(&self) -> Costs {
        let params = self.length * self.outputs;
        Costs { params, macs: params * self.places }
    }

    /// How many of so many filters it has where all are its own.
    fn own(&self, filters: usize) -> usize {
        filters.min(self.length).min(self.outputs)
    }

    /// With so many filters, of which some are its own.
    fn costs(&self, filters: usize, own: usize) -> Costs {
        let norm = if self.norm { 2 * filters } else { 0 };
        let coefficients = filters * self.outputs;
        Costs {
            params: own * self.length + coefficients + norm,
            macs: self.places * (filters * self.length + coefficients),
        }
    }
}

/// Adds shared filters to ranks as long as the budget allows, where not all had been tried: each time
/// where the most is gained for what it costs.
pub(super) fn fill_up(
    stages: &[Stage],
    options: &[Vec<RankOption>],
    ranks: &mut [[usize; 2]],
    mut costs: Costs,
    budget: Budget,
) {
    let left = |limit: Option<usize>, cost: usize| limit.map_or(usize::MAX, |limit| limit - cost);
    let coarse = |&index: &usize| !stages[index].tries_all();
    loop {
        let room = Costs {
            params: left(budget.params, costs.params),
            macs: left(budget.macs, costs.macs),
        };
        let more = (0..stages.len()).filter(coarse).filter_map(|index| {
            let (stage, [shared, unique]) = (&stages[index], ranks[index]);
            if shared >= stage.most() {
                return None;
            }
            let [before, after] = [shared, shared + 1].map(|shared| stage.costs(shared, unique));
            let added =
                Costs { params: after.params - before.params, macs: after.macs - before.macs };
            if added.params > room.params || added.macs > room.macs {
                return None;
            }
            let share = |limit: Option<usize>, cost: usize| {
                limit.map_or(0.0, |limit| cost as f64 / limit.max(1) as f64)
            };
            let price = share(budget.params, added.params) + share(budget.macs, added.macs);
            let gain = slope(&options[index], shared, unique);
            (gain > 0.0).then_some((gain / price.max(f64::MIN_POSITIVE), index, added))
        });
        let Some((_, index, added)) = more.max_by(|a, b| a.0.total_cmp(&b.0)) else { return };
        ranks[index][0] += 1;
        costs = sum([costs, added].into_iter());
    }
}

/// What a shared filter more gains, between the numbers of filters that were tried.
fn slope(options: &[RankOption], shared: usize, unique: usize) -> f64 {
    let tried = || options.iter().filter(|option| option.unique == unique);
    let below = tried().filter(|option| option.shared <= shared).max_by_key(|o| o.shared);
    let above = tried().filter(|option| option.shared > shared).min_by_key(|o| o.shared);
    match (below, above) {
        (Some(below), Some(above)) => {
            (below.error - above.error) / (above.shared - below.shared) as f64
        }
        _ => 0.0,
    }
}

pub(super) fn sum(all: impl Iterator<Item = Costs>) -> Costs {
    all.fold(Costs::default(), |sum, costs| Costs {
        params: sum.params + costs.params,
        macs: sum.macs + costs.macs,
    })
}
