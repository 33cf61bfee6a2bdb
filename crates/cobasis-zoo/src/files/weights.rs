//! Where in a checkpoint the weights are.
//!
//! Training scripts save a dictionary with the weights under a name of their liking, and beside them the
//! optimizer, the epoch, perhaps a moving average of the weights. What is a dictionary of weights is
//! known by its tensors' names; which of several is meant is known by its own name, or asked.

use std::collections::HashMap;
use std::rc::Rc;

use super::error::FileProblem;
use super::foreign::Listed;
use super::numbers::Numbers;
use super::pickle::{Node, Storage, Tensor, Tree, Value};
use crate::pytorch_names::is_weight;
use crate::short::{listed, quoted};

/// What scripts call a dictionary of weights.
pub(super) const KNOWN: [&str; 10] = [
    "state_dict",
    "model",
    "net",
    "model_state_dict",
    "net_state_dict",
    "model_state",
    "network",
    "weights",
    "params",
    "module",
];
/// The words by which a moving average of weights is known.
const AVERAGES: [&str; 6] = ["ema", "swa", "averaged", "average", "avg", "shadow"];
/// How deep dictionaries of weights may lie.
const MAX_DEPTH: usize = 4;
/// How often a dictionary is looked into that lies in several places, so that no tangle takes long.
const MAX_VISITS: usize = 4;

/// A dictionary of weights.
#[derive(Clone)]
struct Candidate<'a> {
    path: Vec<String>,
    weights: &'a Value,
}

/// The weights that were chosen.
pub(super) struct Chosen<'a> {
    /// The keys to them joined by points; none where they are on top.
    pub(super) key: Option<String>,
    /// Their dictionary.
    pub(super) weights: &'a Value,
    /// Other dictionaries of weights.
    pub(super) others: Vec<String>,
    /// What lies beside them and is none.
    pub(super) beside: Vec<String>,
}

/// The weights of a checkpoint: those under the key that is asked for, else the only ones that are no
/// moving average, else the only ones of these with a usual name.
///
/// # Errors
///
/// If there are none, or several that may be meant.
pub(super) fn choose<'a>(
    tree: &'a Tree,
    root: &'a Value,
    asked: Option<&str>,
) -> Result<Chosen<'a>, FileProblem> {
    let mut all = Vec::new();
    search(tree, root, &mut Vec::new(), &mut HashMap::new(), &mut all);
    if all.is_empty() && tree.entries(root).iter().any(|(_, value)| tree.tensor(value).is_some()) {
        all.push(Candidate { path: Vec::new(), weights: root });
    }
    let keys = |some: &[&Candidate]| some.iter().map(|one| one.path.join(".")).collect::<Vec<_>>();
    let nothing =
        || FileProblem::NoWeights { found: described(tree, root), asked: asked.map(Into::into) };
    let chosen = match asked {
        Some(asked) => {
            let under: Vec<&Candidate> = all.iter().filter(|one| one.is_under(asked)).collect();
            match under[..] {
                [one] => one,
                [] if all.len() == 1 && all[0].path.is_empty() => &all[0],
                [] => return Err(nothing()),
                _ => return Err(FileProblem::SeveralWeights { keys: keys(&under) }),
            }
        }
        None => {
            let plain: Vec<&Candidate> = all.iter().filter(|one| !one.is_average()).collect();
            let known: Vec<&Candidate> =
                plain.iter().copied().filter(|one| one.is_known()).collect();
            match (&plain[..], &known[..]) {
                (&[one], _) | (_, &[one]) => one,
                ([], _) if all.is_empty() => return Err(nothing()),
                ([], _) => {
                    let keys = keys(&all.iter().collect::<Vec<_>>());
                    return Err(FileProblem::OnlyAverages { keys });
                }
                _ => return Err(FileProblem::SeveralWeights { keys: keys(&plain) }),
            }
        }
    };
    let others: Vec<&Candidate> = all.iter().filter(|one| one.path != chosen.path).collect();
    let others = keys(&others);
    let mut beside = Vec::new();
    let mut level = root;
    for key in &chosen.path {
        let entries = tree.entries(level);
        let is_other = |name: &str| all.iter().any(|one| one.path.iter().any(|part| part == name));
        beside.extend(entries.iter().map(|(name, _)| name.clone()).filter(|name| !is_other(name)));
        match entries.iter().find(|(name, _)| name == key) {
            Some((_, value)) => level = value,
            None => break,
        }
    }
    let key = (!chosen.path.is_empty()).then(|| chosen.path.join("."));
    Ok(Chosen { key, weights: chosen.weights, others, beside })
}

impl Chosen<'_> {
    /// The tensors of the weights, and the names of what is none.
    pub(super) fn tensors(&self, tree: &Tree) -> (Vec<Listed<Tensor>>, Vec<String>) {
        let (mut tensors, mut others) = (Vec::new(), Vec::new());
        for (name, value) in tree.entries(self.weights) {
            match tree.node(value) {
                Some(Node::Tensor(tensor)) => tensors.push(as_listed(name, tensor)),
                // Sparse or quantized, say.
                Some(Node::Object(class)) if is_weight(&name) => {
                    let numbers = Numbers::Other(class.to_string());
                    let storage = Storage { key: Rc::from(""), numbers, size: None };
                    let (strides, shape) = (Vec::new(), Vec::new());
                    let tensor = Tensor { storage, offset: 0, strides, shape };
                    tensors.push(as_listed(name, &tensor));
                }
                _ => others.push(name),
            }
        }
        (tensors, others)
    }
}

fn as_listed(name: String, tensor: &Tensor) -> Listed<Tensor> {
    let (shape, numbers) = (tensor.shape.clone(), tensor.storage.numbers.clone());
    Listed { name, shape, numbers, place: tensor.clone() }
}

impl Candidate<'_> {
    /// Whether it is what a key names, or lies in it.
    fn is_under(&self, key: &str) -> bool {
        (1..=self.path.len()).any(|end| self.path[..end].join(".") == key)
    }

    fn is_average(&self) -> bool {
        self.path.iter().any(|key| is_average(key))
    }

    fn is_known(&self) -> bool {
        self.path.last().is_none_or(|key| KNOWN.contains(&&**key))
    }
}

/// Collects the dictionaries of weights in a value; one that has others in it is none itself.
fn search<'a>(
    tree: &'a Tree,
    value: &'a Value,
    path: &mut Vec<String>,
    visits: &mut HashMap<usize, usize>,
    found: &mut Vec<Candidate<'a>>,
) {
    let Value::Node(node) = *value else {
        return;
    };
    let visits_of_node = visits.entry(node).or_default();
    *visits_of_node += 1;
    if path.len() > MAX_DEPTH || *visits_of_node > MAX_VISITS {
        return;
    }
    let before = found.len();
    let entries = tree.entries(value);
    for (name, part) in &entries {
        if matches!(tree.node(part), Some(Node::Dict(_) | Node::List(_) | Node::Tuple(_))) {
            path.push(name.clone());
            search(tree, part, path, visits, found);
            path.pop();
        }
    }
    let is_weight = |(name, part): &(String, &Value)| {
        (name == "weight" || name.ends_with(".weight")) && tree.tensor(part).is_some()
    };
    if found.len() == before && entries.iter().any(is_weight) {
        found.push(Candidate { path: path.clone(), weights: value });
    }
}

/// Whether a name is that of a moving average, as `model_ema` and `emaModel` are.
pub(super) fn is_average(name: &str) -> bool {
    let mut words = vec![String::new()];
    let mut after_small = false;
    for letter in name.chars() {
        if !letter.is_alphanumeric() || (after_small && letter.is_uppercase()) {
            words.push(String::new());
        }
        after_small = letter.is_lowercase();
        if letter.is_alphanumeric() {
            words.last_mut().expect("there is one").extend(letter.to_lowercase());
        }
    }
    words.iter().any(|word| AVERAGES.contains(&&**word))
}

/// The keys of a file, or what it is instead of a dictionary.
fn described(tree: &Tree, root: &Value) -> String {
    let class = |value: &Value| match tree.node(value) {
        Some(Node::Object(class)) => Some(class.to_string()),
        _ => None,
    };
    if let Some(class) = class(root) {
        return format!("it is an object of {}, not its state_dict()", quoted(&class));
    }
    let keys: Vec<String> = tree
        .entries(root)
        .into_iter()
        .map(|(name, value)| match class(value) {
            Some(class) => format!("{name} of {class}"),
            None => name,
        })
        .collect();
    match keys.is_empty() {
        true => "it has no keys".to_string(),
        false => format!("its keys are {}", listed(&keys)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moving_averages_are_known_by_a_word_of_their_name() {
        for name in
            ["ema", "model_ema", "state_dict_ema", "ema_state_dict", "modelEma", "EMA-model", "swa"]
        {
            assert!(is_average(name), "{name}");
        }
        for name in ["model", "schema", "remaining", "cinema_net", "state_dict", ""] {
            assert!(!is_average(name), "{name}");
        }
    }
}
