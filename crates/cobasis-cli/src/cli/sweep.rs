//! What `train --sweep` comes to, as a table for people.

use cobasis_train::config::Choice;
use cobasis_train::metrics::TOP1;
use cobasis_train::train::{SettingResult, Spread, SweepSummary};

use super::output::table;

/// `optimizer.lr=0.1 train.epochs=3`.
pub(super) fn text(choices: &[Choice]) -> String {
    let texts: Vec<String> = choices.iter().map(|(key, value)| format!("{key}={value}")).collect();
    texts.join(" ")
}

/// A line for each setting, and what chose the best of them.
pub(super) fn describe(summary: &SweepSummary) -> String {
    let keys = summary.settings.iter().take(1).flat_map(|setting| &setting.choices);
    let mut header: Vec<String> = keys.map(|(key, _)| key.clone()).collect();
    let left: Vec<usize> = (0..header.len()).chain([header.len() + 3]).collect();
    header.extend(["validation", "test, last epoch", "test, best epoch"].map(String::from));
    let measure = summary.measure;
    let shown =
        |value: Option<Spread>| value.map_or("–".to_string(), |value| value.shown(measure));
    let row = |(index, setting): (usize, &SettingResult)| {
        let mut row: Vec<String> = setting.choices.iter().map(|(_, value)| value.clone()).collect();
        row.push(shown(setting.val));
        row.push(shown(setting.last_test));
        row.push(shown(setting.best_test));
        let mut notes = Vec::new();
        if summary.best == Some(index) {
            notes.push("best".to_string());
        }
        if setting.diverged > 0 {
            notes.push(format!("{} diverged", setting.diverged));
        }
        row.push(notes.join(", "));
        row
    };
    let rows: Vec<Vec<String>> =
        std::iter::once(header).chain(summary.settings.iter().enumerate().map(row)).collect();
    let label = measure.label;
    let chosen = match (summary.best, summary.by_validation) {
        (None, _) => "none is best: of every setting a run diverged".to_string(),
        (_, true) => format!("best: highest mean validation {label}"),
        (_, false) => format!(
            "best: highest mean test {label} of the last epochs, so chosen on the images that it is \
             measured on; with data.split=train/val others choose"
        ),
    };
    let title = if measure == TOP1 { "top-1 accuracy" } else { label };
    format!("{title}\n{}\n{chosen}", table(&rows, &left))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_setting_is_marked_and_what_diverged_is_told() {
        let result = |lr: &str, mean: Option<f64>, diverged| SettingResult {
            choices: vec![("optimizer.lr".to_string(), lr.to_string())],
            last_test: mean.map(|mean| Spread { mean, std: Some(0.25), n: 2 }),
            best_test: mean.map(|mean| Spread { mean, std: None, n: 1 }),
            val: None,
            diverged,
        };
        let settings = vec![result("0.1", Some(97.5), 0), result("9", None, 2)];
        let text = describe(&SweepSummary {
            measure: TOP1,
            settings,
            best: Some(0),
            by_validation: false,
        });
        let lines: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split("  ").filter(|cell| !cell.is_empty()).collect())
            .collect();
        assert_eq!(lines[2][2].trim(), "97.50 ± 0.25 % (n = 2)");
        assert_eq!((lines[2][0], lines[2].last()), ("0.1", Some(&"best")), "{text}");
        assert_eq!((lines[3][0], lines[3].last()), ("9", Some(&"2 diverged")), "{text}");
        assert!(text.ends_with("with data.split=train/val others choose"));
    }
}
