//! The nearest right word or key to a wrong one.

use strsim::damerau_levenshtein;

/// Bytes of a wrong word; nobody slips in a longer one, and comparing takes the product of lengths.
const MAX_WORD: usize = 100;

/// The choice most like `wrong`, if any is like it at all; the first of equals.
pub fn nearest<'a>(wrong: &str, choices: &[&'a str]) -> Option<&'a str> {
    let scored = choices.iter().filter_map(|choice| Some((distance(wrong, choice)?, *choice)));
    scored.min_by_key(|(score, _)| *score).map(|(_, choice)| choice)
}

/// The key most like the unknown one, in its own section or another: people forget the section
/// (`lr` for `optimizer.lr`) as often as they slip in the name.
pub fn nearest_key<'a>(wrong: &str, keys: &'a [String]) -> Option<&'a str> {
    let (wrong_section, wrong_name) = split(wrong);
    let scored = keys.iter().filter_map(|key| {
        let (section, name) = split(key);
        Some((distance(wrong_name, name)?, section != wrong_section, key))
    });
    scored.min_by_key(|(score, elsewhere, _)| (*score, *elsewhere)).map(|(_, _, key)| key.as_str())
}

fn split(key: &str) -> (&str, &str) {
    key.rsplit_once('.').unwrap_or(("", key))
}

/// How far apart two names are, 0 for equal; `None` when they have nothing to do with each other. A slip counts 2, and
/// of equally many a slip is likelier than a word too many.
fn distance(wrong: &str, right: &str) -> Option<usize> {
    if wrong.len() > MAX_WORD {
        return None;
    }
    let (wrong, right) = (plain(wrong), plain(right));
    let slips = damerau_levenshtein(&wrong, &right);
    let longest = wrong.chars().count().max(right.chars().count());
    let slips = (slips * 3 <= longest).then_some(2 * slips);
    let (wrong_words, right_words) = (words(&wrong), words(&right));
    // Other tools' names: learning_rate for lr, wd for weight_decay.
    let abbreviated = initials(&wrong_words) == right || initials(&right_words) == wrong;
    // And batch_size for batch, num_workers for workers.
    let contains = wrong_words.windows(right_words.len()).any(|words| words == right_words);
    let extra_words = contains.then(|| 2 * (wrong_words.len() - right_words.len()) + 1);
    [slips, abbreviated.then_some(2), extra_words].into_iter().flatten().min()
}

/// Spelling differences that are never what was meant.
fn plain(name: &str) -> String {
    name.to_lowercase().replace(['-', ' '], "_")
}

fn words(name: &str) -> Vec<&str> {
    name.split('_').collect()
}

fn initials(words: &[&str]) -> String {
    words.iter().filter_map(|word| word.chars().next()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MORE: [&str; 4] = ["train.epochs", "data.workers", "data.images", "data.train_images"];

    #[test]
    fn slips_sections_and_other_tools_names() {
        let keys = ["optimizer.lr", "optimizer.weight_decay", "train.batch", "train.eval_batch"];
        let keys: Vec<String> = keys.iter().chain(&MORE).map(|k| k.to_string()).collect();
        for (wrong, right) in [
            ("optimizer.lrr", Some("optimizer.lr")),
            ("lr", Some("optimizer.lr")),
            ("train.LR", Some("optimizer.lr")),
            ("learning_rate", Some("optimizer.lr")),
            ("optimizer.wd", Some("optimizer.weight_decay")),
            ("weight-decay", Some("optimizer.weight_decay")),
            ("train.batch_size", Some("train.batch")),
            ("train.eval_batch_size", Some("train.eval_batch")),
            ("epoch", Some("train.epochs")),
            ("data.num_workers", Some("data.workers")),
            ("data.trian_images", Some("data.train_images")),
            ("mixup", None),
            ("", None),
        ] {
            assert_eq!(nearest_key(wrong, &keys), right, "{wrong:?}");
        }
    }

    #[test]
    fn long_words_are_like_nothing() {
        let long = "lr".repeat(1 << 22);
        assert_eq!(nearest(&long, &["lr"]), None);
        assert_eq!(nearest_key(&long, &["optimizer.lr".to_owned()]), None);
    }

    #[test]
    fn the_own_section_goes_first() {
        let keys = ["a.size".to_owned(), "b.size".to_owned()];
        assert_eq!(nearest_key("b.sise", &keys), Some("b.size"));
    }

    #[test]
    fn words() {
        assert_eq!(nearest("cifar_10", &["digits", "cifar10", "cifar100"]), Some("cifar10"));
        assert_eq!(nearest("imagenet", &["digits", "cifar10"]), None);
    }
}
