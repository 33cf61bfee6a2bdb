//! What `compare` is told to do: networks, methods, budgets and seeds, and one recipe for all.

mod checks;
#[cfg(test)]
mod tests;

use cobasis_data::choice::choices;
use cobasis_zoo::sharing::Blocks;
use cobasis_zoo::{ModelName, fit};
use serde::Deserialize;
use toml::{Table, Value};

use checks::{FIXED, check_blocks, check_label, check_recipe, each_once, has_key, some_each_once};

use super::Config;
use super::error::ConfigError;
use super::load::parse;
use super::overrides::{merge, nested};

choices! {
    /// Which of the settings within a budget is taken.
    Pick {
        /// The one with the most parameters.
        Nearest = "nearest",
        /// The one with the most parameters of those whose ranks are proportional to the widths of
        /// the stages.
        Even = "even",
    }
}

choices! {
    /// Which blocks of a stage share.
    BlocksChoice {
        /// All but the first.
        AfterFirst = "after-first",
        /// All.
        All = "all",
    }
}

impl From<BlocksChoice> for Blocks {
    fn from(choice: BlocksChoice) -> Self {
        match choice {
            BlocksChoice::AfterFirst => Blocks::AfterFirst,
            BlocksChoice::All => Blocks::All,
        }
    }
}

/// A comparison, checked key by key; how they fit together is for the plan.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The dense networks, each once, at least one.
    pub networks: Vec<ModelName>,
    /// Budgets of trainable parameters at inference, each once, maybe none.
    pub budgets: Vec<u64>,
    /// Seeds, each once, at least one.
    pub seeds: Vec<u64>,
    /// Which blocks share, each once, at least one.
    pub blocks: Vec<Blocks>,
    /// Which settings are taken.
    pub pick: Pick,
    /// The methods, at least one, with different labels.
    pub methods: Vec<Contender>,
    /// Results of others, which the page shows apart.
    pub published: Vec<PublishedResult>,
    /// A training configuration without model and seed.
    recipe: Table,
    /// The file, as errors name it.
    file: String,
}

/// A method in a comparison.
#[derive(Clone, Debug)]
pub struct Contender {
    /// What it is called.
    pub label: String,
    /// What chooses its models.
    pub chosen: Chosen,
    /// Which blocks share, where that is set apart for it.
    pub blocks: Option<Vec<Blocks>>,
    /// What of the recipe is otherwise, as a table like the recipe.
    set: Table,
}

/// What chooses the models of a method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// A budget: the key of a method.
    ByBudget(String),
    /// A suffix, without its dash.
    BySuffix(String),
}

/// A result of others.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedResult {
    /// What it is called.
    pub label: String,
    /// The network that it is a form of.
    pub network: String,
    /// Trainable parameters.
    pub params: u64,
    /// Multiply-accumulates for an image, where they are known.
    pub macs: Option<u64>,
    /// Top-1 error on the test set in percent.
    pub error: f64,
    /// Where it was published.
    pub source: String,
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    networks: Vec<String>,
    #[serde(default)]
    budgets: Vec<u64>,
    seeds: Vec<u64>,
    #[serde(default = "after_first")]
    blocks: Vec<BlocksChoice>,
    #[serde(default = "even")]
    pick: Pick,
    methods: Vec<FileMethod>,
    recipe: Table,
    #[serde(default)]
    published: Vec<PublishedResult>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileMethod {
    label: Option<String>,
    method: Option<String>,
    suffix: Option<String>,
    blocks: Option<Vec<BlocksChoice>>,
    #[serde(default)]
    set: Table,
}

fn after_first() -> Vec<BlocksChoice> {
    vec![BlocksChoice::AfterFirst]
}

/// What comes nearest may have nearly all its ranks in one stage.
fn even() -> Pick {
    Pick::Even
}

impl Comparison {
    /// Whether a text is meant to be a comparison, and not the configuration of a run: it has methods and a
    /// recipe.
    pub fn is_one(text: &str) -> bool {
        let table = parse("", text);
        table.is_ok_and(|table| ["methods", "recipe"].iter().all(|key| table.contains_key(*key)))
    }

    /// Reads the text of the file `file`.
    ///
    /// # Errors
    /// The first fault found, naming file and key.
    pub fn parse(file: &str, text: &str) -> Result<Self, ConfigError> {
        Self::from_table(file, parse(file, text)?).map_err(|error| error.in_place(file))
    }

    fn from_table(name: &str, table: Table) -> Result<Self, ConfigError> {
        let file: File = serde_path_to_error::deserialize(table).map_err(|error| {
            let path = error.path().to_string();
            let problem = error.inner().message();
            if path == "." { ConfigError::whole(problem) } else { ConfigError::at(path, problem) }
        })?;
        let networks = file.networks.iter().enumerate().map(|(index, name)| {
            let key = format!("networks[{index}]");
            let name: ModelName =
                name.parse().map_err(|error| ConfigError::at(&*key, format!("{error}")))?;
            match name.sharing() {
                None => Ok(name),
                Some(_) => {
                    let problem = format!("expected a dense network, got {name}");
                    Err(ConfigError::at(key, problem))
                }
            }
        });
        let networks: Vec<ModelName> = networks.collect::<Result<_, _>>()?;
        some_each_once("networks", &networks.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        each_once("budgets", &file.budgets)?;
        some_each_once("seeds", &file.seeds)?;
        let names: Vec<&str> = file.blocks.iter().map(|blocks| blocks.as_str()).collect();
        some_each_once("blocks", &names)?;
        if let Some(zero) = file.budgets.iter().position(|&budget| budget == 0) {
            return Err(ConfigError::at(format!("budgets[{zero}]"), "expected at least 1, got 0"));
        }
        let methods = file.methods.into_iter().enumerate();
        let methods = methods.map(|(index, method)| {
            let label = method.label.clone().filter(|label| !label.trim().is_empty());
            let told = |error: ConfigError| match label {
                Some(label) => error.of_named(label.trim()),
                None => error,
            };
            method.checked(index).map_err(told)
        });
        let methods: Vec<Contender> = methods.collect::<Result<_, _>>()?;
        let labels: Vec<&str> = methods.iter().map(|method| method.label.as_str()).collect();
        some_each_once("methods", &labels)?;
        if let Some(index) = methods.iter().position(|method| {
            let Chosen::ByBudget(key) = &method.chosen else { return false };
            key != "dense" && file.budgets.is_empty()
        }) {
            let problem = "expected at least one budget for the methods that are found by it";
            return Err(ConfigError::at(format!("methods[{index}]"), problem));
        }
        check_recipe(&file.recipe)?;
        check_blocks(&methods, &file.blocks)?;
        for (index, point) in file.published.iter().enumerate() {
            let key = |name| format!("published[{index}].{name}");
            check_label(&key("label"), &point.label)?;
            if !(point.error.is_finite() && (0.0..=100.0).contains(&point.error)) {
                let problem = format!("expected percent from 0 to 100, got {}", point.error);
                return Err(ConfigError::at(key("error"), problem));
            }
            if !networks.iter().any(|network| network.to_string() == point.network) {
                let problem = format!("expected one of networks, got {:?}", point.network);
                return Err(ConfigError::at(key("network"), problem));
            }
        }
        Ok(Self {
            networks,
            budgets: file.budgets,
            seeds: file.seeds,
            blocks: file.blocks.into_iter().map(Blocks::from).collect(),
            pick: file.pick,
            methods,
            published: file.published,
            recipe: file.recipe,
            file: name.to_string(),
        })
    }

    /// The training configuration of a model, checked: the recipe, what the method has otherwise, the
    /// model, and the seed. Without a data set in the recipe it is that of the model's name.
    ///
    /// # Errors
    /// The first fault found, naming the method where it is in what that has otherwise.
    pub fn config(
        &self,
        contender: &Contender,
        model: &ModelName,
        seed: u64,
    ) -> Result<Config, ConfigError> {
        let mut table = self.recipe.clone();
        let named = table.get("data").and_then(|data| data.get("name")).is_some();
        if !named {
            merge(&mut table, nested("data.name", model.dataset().into()));
        }
        let recipe = format!("{}: recipe", self.file);
        Config::from_table(&table).map_err(|error| error.in_place(&recipe))?;
        let place = match contender.set.is_empty() {
            true => recipe,
            false => format!("{recipe} with what {:?} sets", contender.label),
        };
        merge(&mut table, contender.set.clone());
        table.insert("model".to_string(), model.to_string().into());
        // What is too large is refused below, as everywhere.
        table.insert("seed".to_string(), Value::Integer(i64::try_from(seed).unwrap_or(-1)));
        let checked = Config::from_table(&table).and_then(|config| {
            config.check()?;
            match config.data.name.as_str() == model.dataset() {
                true => Ok(config),
                false => Err(ConfigError::at(
                    "data.name",
                    format!(
                        "expected {:?}, which {model} is named after and its costs are counted for, \
                         got \"{}\"",
                        model.dataset(),
                        config.data.name
                    ),
                )),
            }
        });
        checked.map_err(|error| error.in_place(&place))
    }
}

impl Contender {
    /// Whether it departs from the recipe.
    pub fn departs(&self) -> bool {
        !self.set.is_empty()
    }

    /// Whether it departs in keys of a section.
    pub(crate) fn sets(&self, section: &str) -> bool {
        self.set.contains_key(section)
    }

    /// The key of the method, or its suffix.
    pub fn method(&self) -> &str {
        match &self.chosen {
            Chosen::ByBudget(text) | Chosen::BySuffix(text) => text,
        }
    }
}

impl FileMethod {
    fn checked(self, index: usize) -> Result<Contender, ConfigError> {
        let key = |name: &str| format!("methods[{index}]{name}");
        let chosen = match (self.method, self.suffix) {
            (Some(method), None) => {
                fit::ignores_blocks(&method)
                    .map_err(|error| ConfigError::at(key(".method"), format!("{error}")))?;
                Chosen::ByBudget(method)
            }
            (None, Some(suffix)) => Chosen::BySuffix(suffix.trim_start_matches('-').to_string()),
            _ => {
                let problem = "expected either method, a key, or suffix, that of a model's name";
                return Err(ConfigError::at(key(""), problem));
            }
        };
        let set = self.set.into_iter().fold(Table::new(), |mut table, (name, value)| {
            merge(&mut table, nested(&name, value));
            table
        });
        if let Some((fixed, why)) = FIXED.iter().find(|(name, _)| has_key(&set, name)) {
            let problem = format!("{fixed} is not for a method to set: {why}");
            return Err(ConfigError::at(key(".set"), problem));
        }
        let label = match (self.label, &chosen) {
            (Some(label), _) if label.trim().is_empty() => {
                return Err(ConfigError::at(key(".label"), "expected a text, got none"));
            }
            (Some(label), _) => {
                check_label(&key(".label"), &label)?;
                label.trim().to_string()
            }
            (None, _) if !set.is_empty() => {
                let problem =
                    "expected a label, which tells it from the method as the recipe has it";
                return Err(ConfigError::at(key(""), problem));
            }
            (None, Chosen::ByBudget(text) | Chosen::BySuffix(text)) => text.clone(),
        };
        let names: Vec<&str> = self.blocks.iter().flatten().map(|blocks| blocks.as_str()).collect();
        if self.blocks.is_some() {
            some_each_once(&key(".blocks"), &names)?;
        }
        let blocks =
            self.blocks.map(|blocks| blocks.into_iter().map(Blocks::from).collect::<Vec<_>>());
        Ok(Contender { label, chosen, blocks, set })
    }
}
