//! Several settings, each with one seed or several: runs in directories of their own, and a table of
//! what they come to.

use std::path::Path;

use crate::config::{Choice, Config, Protocol};
use crate::data::csv::field;
use crate::device::DeviceName;
use crate::error::Error;
use crate::metrics::{Measure, Scores};
use crate::run_dir::{Summary, write_text};
use crate::train::{Outcome, Spread, Task, Watch, run_task};

/// The longest name of a directory, so that systems take it.
const LONGEST: usize = 150;

/// A configuration of a sweep.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The keys and values that tell it from the others.
    pub choices: Vec<Choice>,
    /// The whole configuration.
    pub config: Config,
}

/// What the runs of a setting come to.
#[derive(Clone, Debug, PartialEq)]
pub struct SettingResult {
    /// Its keys and values.
    pub choices: Vec<Choice>,
    /// What best epochs are chosen by, on the test images after the last epoch; `None` where every run
    /// failed.
    pub last_test: Option<Spread>,
    /// The same after the best epoch of each run; optimistic where the test set chose it.
    pub best_test: Option<Spread>,
    /// The same on the validation images in the best epoch, where there are such images.
    pub val: Option<Spread>,
    /// Runs that diverged, which are in no mean.
    pub diverged: usize,
}

/// What a sweep comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct SweepSummary {
    /// What the results are.
    pub measure: Measure,
    /// A result for each setting, in their order.
    pub settings: Vec<SettingResult>,
    /// The number of the best setting; `None` where every one has runs that diverged.
    pub best: Option<usize>,
    /// Whether validation images chose it, and not the test images themselves.
    pub by_validation: bool,
}

/// How a sweep ended.
#[derive(Clone, Debug)]
pub enum SweepOutcome {
    /// All runs are done.
    Finished(SweepSummary),
    /// One was broken off; the same call goes on with it.
    Interrupted(Outcome),
}

/// Trains with each setting in turn, in a directory named after it below `out`, or with each of `seeds`,
/// in `seed-N` below that; then writes `sweep.csv` to `out`. Runs that are there already are gone on with
/// or, where they are finished, taken as they are. Those that diverge are told to the watch and counted;
/// the others go on.
///
/// # Errors
///
/// As [`run`](crate::train::run), divergence aside.
pub fn run_sweep<T: Task>(
    settings: &[Setting],
    seeds: &[u64],
    device: DeviceName,
    out: &Path,
    command: &str,
    watch: &mut impl Watch<T::Score>,
) -> Result<SweepOutcome, Error> {
    let measure = <T::Score as Scores>::JUDGED_BY;
    let (names, runs) = (names(settings), settings.len() * seeds.len().max(1));
    let (mut results, mut number) = (Vec::new(), 0);
    for (setting, name) in settings.iter().zip(names) {
        let (mut done, mut diverged) = (Vec::new(), 0);
        let own = [setting.config.seed];
        for &seed in if seeds.is_empty() { &own[..] } else { seeds } {
            number += 1;
            let config = Config { seed, ..setting.config.clone() };
            let place = match seeds.is_empty() {
                true => name.clone(),
                false => format!("{name}/seed-{seed}"),
            };
            watch.next_run(number, runs, &place);
            match run_task::<T>(&config, device, Some(&out.join(&place)), command, watch) {
                Ok(Outcome::Finished(summary)) => done.push(*summary),
                Ok(interrupted) => return Ok(SweepOutcome::Interrupted(interrupted)),
                Err(error) if error.is_divergence() => {
                    watch.run_failed(&place, &error);
                    diverged += 1;
                }
                Err(error) => return Err(error),
            }
        }
        let choices = setting.choices.clone();
        results.push(SettingResult::new(measure, choices, &done, diverged));
    }
    let by_validation =
        settings.iter().all(|setting| setting.config.data.split == Protocol::TrainVal);
    let summary = SweepSummary::new(measure, results, by_validation);
    write_text(&out.join("sweep.csv"), &summary.csv())?;
    Ok(SweepOutcome::Finished(summary))
}

/// Names of directories: the keys and values, without what a shell would mind, none of them twice.
fn names(settings: &[Setting]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for Setting { choices, .. } in settings {
        let texts: Vec<String> =
            choices.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let plain = |letter: char| match letter {
            _ if letter.is_ascii_alphanumeric() || "-_.=,+".contains(letter) => Some(letter),
            '[' | ']' | '{' | '}' | '"' | '\'' | ' ' => None,
            _ => Some('-'),
        };
        let mut name: String = texts.join(",").chars().filter_map(plain).collect();
        name.truncate(LONGEST);
        let unlike = |number: usize| match number {
            1 => name.clone(),
            number => format!("{name}-{number}"),
        };
        let free = (1..).map(unlike).find(|name| !names.contains(name));
        names.extend(free);
    }
    names
}

impl SettingResult {
    fn new(measure: Measure, choices: Vec<Choice>, runs: &[Summary], diverged: usize) -> Self {
        let [test, val] = ["test", "val"].map(|images| format!("{images}_{}", measure.name));
        let spread = |value: &dyn Fn(&Summary) -> f64| {
            (!runs.is_empty()).then(|| Spread::of(&runs.iter().map(value).collect::<Vec<_>>()))
        };
        let validated = runs.iter().all(|run| run.best_on_val.is_some());
        Self {
            choices,
            last_test: spread(&|run| run.last.value(&test)),
            best_test: spread(&|run| run.best().value(&test)),
            val: spread(&|run| run.best().value(&val)).filter(|_| validated),
            diverged,
        }
    }
}

impl SweepSummary {
    fn new(measure: Measure, settings: Vec<SettingResult>, by_validation: bool) -> Self {
        let judged = |setting: &SettingResult| {
            let spread = if by_validation { setting.val } else { setting.last_test };
            // A mean over those that did not diverge is no merit.
            spread.filter(|spread| setting.diverged == 0 && spread.mean.is_finite())
        };
        let all = settings.iter().enumerate();
        let means = all.filter_map(|(index, setting)| Some((index, judged(setting)?.mean)));
        // The first of equals.
        let best = means.reduce(|best, other| match measure.is_better(other.1, best.1) {
            true => other,
            false => best,
        });
        let best = best.map(|(index, _)| index);
        Self { measure, settings, best, by_validation }
    }

    /// The table of `sweep.csv`: a column for each key, and the results.
    fn csv(&self) -> String {
        let keys = self.settings.iter().take(1).flat_map(|setting| &setting.choices);
        let mut header: Vec<String> = keys.map(|(key, _)| key.clone()).collect();
        let results =
            ["last_test", "best_test", "val"].map(|of| format!("{of}_{}", self.measure.name));
        header.extend(["n", "diverged"].map(String::from));
        header.extend(
            results.iter().flat_map(|name| ["mean", "sd"].map(|of| format!("{name}_{of}"))),
        );
        header.push("best".to_string());
        let rows = self.settings.iter().enumerate().map(|(index, setting)| {
            let mut row: Vec<String> =
                setting.choices.iter().map(|(_, value)| value.clone()).collect();
            row.push(setting.last_test.map_or(0, |spread| spread.n).to_string());
            row.push(setting.diverged.to_string());
            for spread in [setting.last_test, setting.best_test, setting.val] {
                let number = |number: Option<f64>| number.map_or(String::new(), |n| n.to_string());
                row.push(number(spread.map(|spread| spread.mean)));
                row.push(number(spread.and_then(|spread| spread.std)));
            }
            row.push(u8::from(self.best == Some(index)).to_string());
            row
        });
        let line = |row: Vec<String>| {
            row.iter().map(|text| field(text)).collect::<Vec<_>>().join(",") + "\n"
        };
        std::iter::once(header).chain(rows).map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::TOP1;

    fn setting(choices: &[(&str, &str)]) -> Setting {
        let choices =
            choices.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        Setting { choices, config: Config::default() }
    }

    #[test]
    fn directories_are_named_after_settings_and_none_twice() {
        let settings = [
            setting(&[("optimizer.lr", "0.1"), ("schedule.milestones", "[1, 2]")]),
            setting(&[("model", "cifar10/resnet20")]),
            setting(&[("model", "cifar10-resnet20")]),
            setting(&[("data.dir", &"é".repeat(300))]),
        ];
        let names = names(&settings);
        assert_eq!(names[0], "optimizer.lr=0.1,schedule.milestones=1,2");
        assert_eq!(names[1..3], ["model=cifar10-resnet20", "model=cifar10-resnet20-2"]);
        assert_eq!(names[3].len(), LONGEST);
    }

    #[test]
    fn the_best_has_the_best_mean_and_no_run_that_diverged() {
        let result = |value: &str, mean, diverged| SettingResult {
            choices: vec![("schedule.milestones".to_string(), value.to_string())],
            last_test: Some(Spread { mean, std: Some(0.5), n: 2 }),
            best_test: Some(Spread { mean, std: Some(0.5), n: 2 }),
            val: None,
            diverged,
        };
        let settings =
            vec![result("[1,2]", 97.5, 0), result("[3]", 99.0, 1), result("[4]", 97.5, 0)];
        let summary = SweepSummary::new(TOP1, settings, false);
        assert_eq!(summary.best, Some(0));
        let csv = summary.csv();
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(
            lines[..2],
            [
                "schedule.milestones,n,diverged,last_test_top1_mean,last_test_top1_sd,\
                 best_test_top1_mean,best_test_top1_sd,val_top1_mean,val_top1_sd,best",
                "\"[1,2]\",2,0,97.5,0.5,97.5,0.5,,,1",
            ]
        );
        assert_eq!((lines.len(), lines[2].ends_with(",0")), (4, true));
        assert_eq!(SweepSummary::new(TOP1, vec![result("[3]", 99.0, 1)], false).best, None);
    }
}
