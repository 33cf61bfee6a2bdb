//! `--sweep key=a,b,c`: the values that a key takes in turn.

use super::error::ConfigError;
use super::overrides::change;

/// A key and the values that it takes, as texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axis {
    /// The key, a dotted path.
    pub key: String,
    /// Its values, at least one, each once.
    pub values: Vec<String>,
}

/// A key and one of its values.
pub type Choice = (String, String);

impl Axis {
    /// Reads `key=value,value,…`. Keys and values are those of `--set`; commas in brackets and quotes
    /// belong to a value.
    ///
    /// # Errors
    /// When the text is none such, a value is there twice, or a key or a value could not stand in a file;
    /// the text is named.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let refused = |problem: String| ConfigError::of(&format!("--sweep {text}"), problem);
        let malformed = |what| {
            refused(format!("expected key=value,value,... like optimizer.lr=0.1,0.2, got {what}"))
        };
        let (key, values) = text.split_once('=').ok_or_else(|| malformed("no \"=\""))?;
        let key = key.trim();
        if key == "seed" {
            return Err(refused("expected another key; --seeds is for seeds".to_string()));
        }
        let values =
            split(values).ok_or_else(|| malformed("a bracket or a quote without an end"))?;
        for (index, value) in values.iter().enumerate() {
            if value.is_empty() {
                return Err(malformed("an empty value"));
            }
            if values[..index].contains(value) {
                return Err(refused(format!("expected each value once, got {value} twice")));
            }
            let one = format!("{key}={value}");
            change(&one, &format!("--sweep {one}"))?;
        }
        Ok(Self { key: key.to_string(), values })
    }
}

/// Every way to choose a value for each key, the last key changing fastest; one empty way for no keys.
///
/// # Errors
/// When a key is there twice.
pub fn grid(axes: &[Axis]) -> Result<Vec<Vec<Choice>>, ConfigError> {
    let mut ways = vec![Vec::new()];
    for (index, Axis { key, values }) in axes.iter().enumerate() {
        if axes[..index].iter().any(|axis| axis.key == *key) {
            return Err(ConfigError::of(&format!("--sweep {key}"), "expected each key once"));
        }
        let longer = |way: &Vec<Choice>, value: &String| {
            let choice = (key.clone(), value.clone());
            way.iter().cloned().chain([choice]).collect::<Vec<_>>()
        };
        ways = ways.iter().flat_map(|way| values.iter().map(|v| longer(way, v))).collect();
    }
    Ok(ways)
}

/// Texts between commas that are in no bracket and in no quote; `None` where one of those has no end.
fn split(text: &str) -> Option<Vec<String>> {
    let (mut parts, mut part) = (Vec::new(), String::new());
    let (mut depth, mut quote, mut escaped) = (0usize, None, false);
    for letter in text.chars() {
        match (quote, letter) {
            (Some(_), _) if escaped => escaped = false,
            // Only double quotes know escapes in TOML.
            (Some('"'), '\\') => escaped = true,
            (Some(open), _) if open == letter => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(letter),
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth = depth.checked_sub(1)?,
            (None, ',') if depth == 0 => {
                parts.push(std::mem::take(&mut part).trim().to_string());
                continue;
            }
            (None, _) => {}
        }
        part.push(letter);
    }
    parts.push(part.trim().to_string());
    (depth == 0 && quote.is_none()).then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<String> {
        Axis::parse(text).unwrap().values
    }

    #[test]
    fn commas_in_brackets_and_quotes_belong_to_a_value() {
        assert_eq!(values("optimizer.lr=0.1, 0.2,1e-3"), ["0.1", "0.2", "1e-3"]);
        assert_eq!(values("schedule.milestones=[1,2],[3],[]"), ["[1,2]", "[3]", "[]"]);
        assert_eq!(values("train={epochs=1,batch=2},{epochs=3}").len(), 2);
        assert_eq!(values("data.dir=\"a,\\\"b\",'c,d',e"), ["\"a,\\\"b\"", "'c,d'", "e"]);
        assert_eq!(values("train.epochs=3"), ["3"]);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_text() {
        for (text, said) in [
            ("optimizer.lr", "--sweep optimizer.lr: expected key=value,value,... like"),
            ("=1,2", "--sweep =1: expected key=value"),
            ("optimizer.lr=0.1,,1", "got an empty value"),
            ("optimizer.lr=", "got an empty value"),
            ("optimizer.lr=0.1,0.1", "expected each value once, got 0.1 twice"),
            ("schedule.milestones=[1,2", "got a bracket or a quote without an end"),
            ("schedule.milestones=1],2", "got a bracket or a quote without an end"),
            ("data.dir='a", "got a bracket or a quote without an end"),
            ("optimizer.lrr=1,2", "--sweep optimizer.lrr=1: optimizer.lrr: unknown key"),
            ("train.epochs=1,0", "--sweep train.epochs=0: train.epochs: expected at least 1"),
            ("train.epochs=1,x", "--sweep train.epochs=x: train.epochs: expected an integer"),
            ("seed=1,2", "--seeds is for seeds"),
        ] {
            let error = Axis::parse(text).unwrap_err().to_string();
            assert!(error.contains(said) && !error.contains('\n'), "{text}: {error}");
        }
    }

    #[test]
    fn several_keys_give_the_grid() {
        let axis = |text: &str| Axis::parse(text).unwrap();
        let axes = [axis("optimizer.lr=0.1,0.2"), axis("train.epochs=1,2,3")];
        let ways = grid(&axes).unwrap();
        let texts: Vec<String> = ways
            .iter()
            .map(|way| way.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(texts, ["0.1 1", "0.1 2", "0.1 3", "0.2 1", "0.2 2", "0.2 3"]);
        assert_eq!(grid(&[]).unwrap(), [Vec::new()]);
        assert!(grid(&[axes[0].clone(), axes[0].clone()]).is_err());
    }
}
