//! Runs of one configuration, which differ in their seeds only.

use cobasis_train::Error;
use cobasis_train::config::{Config, ConfigError, Difference};
use cobasis_train::run_dir::{EpochMetrics, EpochSummary, RunRecord, Summary, UnfinishedRun};
use cobasis_train::train::Spread;
use cobasis_zoo::listing;
use cobasis_zoo::registry::Published;

use super::single::{last_model, picture_size};
use super::yardstick::Yardstick;

/// Runs of one configuration.
pub(crate) struct Group<'a> {
    /// The model, and in what the configuration differs from others of the model.
    pub(crate) label: String,
    /// At least one.
    pub(crate) runs: Vec<&'a RunRecord>,
    /// Parameters that inference needs.
    pub(crate) params: u64,
    /// Multiply-accumulates for one image.
    pub(crate) macs: u64,
    /// What was published of the model.
    pub(crate) published: Option<&'static Published>,
}

/// The runs by configuration, in the order in which they were given; and the labels of the unfinished
/// runs, which belong to no group.
pub(crate) fn groups<'a>(
    runs: &'a [RunRecord],
    unfinished: &[UnfinishedRun],
) -> Result<(Vec<Group<'a>>, Vec<String>), Error> {
    let mut members: Vec<Vec<&RunRecord>> = Vec::new();
    for run in runs {
        let mut home = None;
        for (index, group) in members.iter().enumerate() {
            if differences(&group[0].config, &run.config)?.is_empty() {
                home = Some(index);
            }
        }
        match home {
            Some(index) => members[index].push(run),
            None => members.push(vec![run]),
        }
    }
    let firsts = members.iter().map(|group| &group[0].config);
    let all: Vec<&Config> = firsts.chain(unfinished.iter().map(|run| &run.config)).collect();
    let mut labels = labels(&all)?;
    let others = labels.split_off(members.len());
    let groups = members.into_iter().zip(labels).map(|(runs, label)| group(label, runs));
    Ok((groups.collect::<Result<_, Error>>()?, others))
}

/// The runs, of one configuration, with what their network costs.
fn group(label: String, mut runs: Vec<&RunRecord>) -> Result<Group<'_>, Error> {
    runs.sort_by_key(|run| run.config.seed);
    let config = &runs[0].config;
    let model = last_model(&runs[0].path)?;
    let macs = model.inference_cost(picture_size(&model, config)?).total().macs;
    let named = config.data.name.has_models();
    let published = named.then(|| listing::published(&model.config.name)).flatten();
    Ok(Group { label, params: runs[0].summary.result_params(), macs, published, runs })
}

/// What differs beside the seed.
fn differences(a: &Config, b: &Config) -> Result<Vec<Difference>, ConfigError> {
    let mut all = a.differences(b)?;
    all.retain(|difference| difference.key != "seed");
    Ok(all)
}

/// Names for configurations that differ: the model's, and the keys in which others of it differ.
fn labels(configs: &[&Config]) -> Result<Vec<String>, ConfigError> {
    let label = |config: &&Config| {
        let mut keys: Vec<(String, String)> = Vec::new();
        for other in configs.iter().filter(|other| other.model == config.model) {
            for Difference { key, before, .. } in differences(config, other)? {
                let value = before.map_or("absent".to_string(), |value| value.to_string());
                if !keys.iter().any(|(known, _)| *known == key) {
                    keys.push((key, value));
                }
            }
        }
        keys.sort();
        let keys = keys.iter().map(|(key, value)| format!(", {key} = {value}"));
        Ok(format!("{}{}", config.model, keys.collect::<String>()))
    };
    configs.iter().map(label).collect()
}

impl Group<'_> {
    /// What the runs are compared by.
    pub(crate) fn yardstick(&self) -> Yardstick {
        Yardstick::of(self.runs[0].summary.last.judged_by())
    }

    /// That on the test set in an epoch of each run.
    pub(crate) fn on_test(&self, epoch: fn(&Summary) -> &EpochSummary) -> Spread {
        let yardstick = self.yardstick();
        let values = self.runs.iter().map(|run| yardstick.on_test(epoch(&run.summary)));
        Spread::of(&values.collect::<Vec<_>>())
    }

    /// Epochs and the mean over the runs.
    pub(crate) fn mean(&self, value: impl Fn(&EpochMetrics) -> f64) -> Vec<[f64; 2]> {
        let epochs = self.runs[0].history.iter().enumerate();
        let mean = |(index, row): (usize, &EpochMetrics)| {
            let sum: f64 = self.runs.iter().map(|run| value(&run.history[index])).sum();
            [row.epoch as f64, sum / self.runs.len() as f64]
        };
        epochs.map(mean).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_tell_what_differs() {
        let config = |text: &str| {
            let digits = "data.name = \"digits\"\n";
            Config::from_table(&format!("{text}\n{digits}").parse().unwrap()).unwrap()
        };
        let a = config("model = \"digits/resnet14-s8u1\"\northo.lambda = 10\nseed = 1");
        let b = config("model = \"digits/resnet14-s8u1\"\northo.lambda = 0\ntrain.max_steps = 5");
        let c = config("model = \"digits/resnet14\"\northo.lambda = 0");
        let labels = labels(&[&a, &b, &c]).unwrap();
        assert_eq!(
            labels[0],
            "digits/resnet14-s8u1, ortho.lambda = 10.0, train.max_steps = absent"
        );
        assert_eq!(labels[1], "digits/resnet14-s8u1, ortho.lambda = 0.0, train.max_steps = 5");
        assert_eq!(labels[2], "digits/resnet14");
        assert!(differences(&a, &Config { seed: 7, ..a.clone() }).unwrap().is_empty());
    }
}
