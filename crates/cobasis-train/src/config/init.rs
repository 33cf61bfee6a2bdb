//! `[init]`: what a run starts from.

use std::path::PathBuf;

use cobasis_zoo::registry::Entry;
use cobasis_zoo::{AdapterKind, ModelName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::{ConfigError, expect};

/// What training starts from: a trained model's file instead of random weights.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct InitConfig {
    /// Model file that training starts from: one of ours, torchvision's or the authors'; `--init` on
    /// the command line sets it. Without a `model`, the file's is trained. Absent = random weights.
    pub from: Option<PathBuf>,
    /// Key of the weights in a PyTorch file that contains several, such as model_ema; absent = those
    /// under a usual key.
    pub weights: Option<String>,
    /// The network as JSON if the file's model is not one of `cobasis models list`; filled in from
    /// the file.
    pub network: Option<String>,
    /// Adapter that is trained on the file's model as a frozen base, beside a new classifier: head, norms, film,
    /// rank1, mask, mix, mlp, unique, or full = everything; absent = no base, all of the model is trained.
    pub adapter: Option<String>,
}

impl InitConfig {
    pub(super) fn full() -> Self {
        let text = || Some("TEXT".to_owned());
        Self {
            from: Some(PathBuf::from("FILE")),
            weights: text(),
            network: text(),
            adapter: text(),
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if let Some(from) = &self.from {
            expect("init.from", from, !from.as_os_str().is_empty(), "a model file")?;
        }
        if let Some(weights) = &self.weights {
            expect("init.weights", weights, !weights.is_empty(), "the key of weights")?;
        }
        Ok(())
    }

    /// Checks how the keys fit together.
    pub(super) fn check_together(&self) -> Result<(), ConfigError> {
        let others = [
            ("init.weights", &self.weights),
            ("init.network", &self.network),
            ("init.adapter", &self.adapter),
        ];
        match others.into_iter().find(|(_, value)| value.is_some() && self.from.is_none()) {
            Some((key, _)) => Err(ConfigError::at(key, "is only for a file (init.from)")),
            None => self.adapter().map(|_| ()),
        }
    }

    /// The adapter, if there is to be one.
    ///
    /// # Errors
    /// When its name is none.
    pub fn adapter(&self) -> Result<Option<AdapterKind>, ConfigError> {
        let parsed = self.adapter.as_ref().map(|name| name.parse::<AdapterKind>()).transpose();
        parsed.map_err(|error| ConfigError::at("init.adapter", error.to_string()))
    }

    /// The model of this name, which is one of the zoo or of the file's own network.
    pub(super) fn model_name(&self, name: &str) -> Result<ModelName, ConfigError> {
        let Some(network) = &self.network else {
            let parsed = name.parse::<ModelName>();
            return parsed.map_err(|err| ConfigError::at("model", err.to_string()));
        };
        let refused = |problem: String| ConfigError::at("init.network", problem);
        let entry: Entry =
            serde_json::from_str(network).map_err(|error| refused(error.to_string()))?;
        ModelName::own_named(entry, name).map_err(|error| refused(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    fn config(text: &str) -> Result<Config, ConfigError> {
        let config = Config::from_table(&text.parse().unwrap())?;
        config.check()?;
        Ok(config)
    }

    #[test]
    fn without_a_model_it_is_the_files_whatever_the_data_set() {
        let open = config("init.from = 'FILE'\ndata.name = 'digits'").unwrap();
        assert_eq!(open.model, "");
        let text = open.to_toml().unwrap();
        assert_eq!(Config::from_table(&text.parse().unwrap()).unwrap(), open);
        // A model that is given may be trained on the images of another.
        let given = config("init.from = 'FILE'\nmodel = 'cifar100/resnet34'").unwrap();
        assert_eq!(given.model, "cifar100/resnet34");
        // Other keys are still looked at.
        for (text, key) in [
            ("init.from = 'FILE'\nmodel = 'cifar100/resnet35'", "model"),
            ("init.from = 'FILE'\nschedule.warmup_epochs = 300", "schedule.warmup_epochs"),
            ("init.from = 'FILE'\ndata.resize = 64", "data.resize"),
            ("init.from = ''", "init.from"),
            ("init.weights = 'ema'", "init.weights"),
            ("init.network = '{}'", "init.network"),
            ("init.from = 'FILE'\nmodel = 'a/b'\ninit.network = '{'", "init.network"),
        ] {
            let err = config(text).unwrap_err();
            assert_eq!(err.key(), Some(key), "{text}: {err}");
        }
    }

    #[test]
    fn a_network_of_ones_own_is_part_of_the_configuration() {
        use cobasis_zoo::spec::{Architecture, BlockKind, ResNetSpec};
        let spec = ResNetSpec::new(BlockKind::Basic, [2, 2]).with_width(4);
        let entry = Entry::new("mine/net", Architecture::ResNet(spec), 3, [3, 24, 24]);
        let network = serde_json::to_string(&entry).unwrap();
        let init = InitConfig { network: Some(network), ..InitConfig::full() };
        let name = init.model_name("mine/net-s2u1").unwrap();
        assert_eq!((name.to_string().as_str(), name.entry()), ("mine/net-s2u1", &entry));
        let err = init.model_name("mine/other").unwrap_err();
        assert_eq!(err.key(), Some("init.network"));
    }
}
