//! A live line on the terminal, and a line per epoch on standard output.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use cobasis_data::text::printable;
use cobasis_train::Error;
use cobasis_train::evaluate::Score;
use cobasis_train::metrics::{Columns, LOSS, Measure, PENALTY, Scores};
use cobasis_train::run_dir::{EpochMetrics, TaskEpoch};
use cobasis_train::train::{Started, StepReport, Watch};
use indicatif::{FormattedDuration, ProgressBar, ProgressState};

use super::class_list::class_list;
use super::live::{Part, live_line, percent};
use super::output::{grouped, print, tell};
use super::signals::Signals;
use super::warnings::warn;

/// How often it is looked for signals.
const POLL: Duration = Duration::from_millis(100);

/// Parts of the live line, which the thread that draws it reads.
#[derive(Clone, Default)]
struct Now(Arc<Mutex<Vec<Part>>>);

/// Shows a run as it goes.
pub(crate) struct Progress<S> {
    bar: ProgressBar,
    /// Whether there is to be a live line.
    live: bool,
    /// What the live line says of the step at hand.
    now: Now,
    epochs: usize,
    steps: usize,
    score: S,
    signals: Signals,
}

impl<S: Scores> Progress<S> {
    /// Shows lines, and a live one on a terminal if that is wanted.
    pub(crate) fn new(signals: &Signals, live: bool) -> Self {
        let (bar, signals, now) = (ProgressBar::hidden(), signals.clone(), Now::default());
        Self { bar, live, now, epochs: 0, steps: 0, score: S::default(), signals }
    }

    /// Removes the live line.
    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }

    /// Says at once that a signal was noted: the step that it has to wait for may take long.
    fn announce_signals(&self) {
        let (bar, signals) = (self.bar.clone(), self.signals.clone());
        thread::spawn(move || {
            while !signals.came() && !bar.is_finished() {
                thread::sleep(POLL);
            }
            if signals.came() {
                let text = "finishing this step, then saving; a second signal stops at once";
                bar.suspend(|| tell(text));
            }
        });
    }

    fn flow(&self) -> ControlFlow<()> {
        match self.signals.came() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    /// Prints a line without tearing the live one.
    pub(crate) fn line(&self, text: &str) {
        self.bar.suspend(|| print(text));
    }
}

impl Now {
    fn set(&self, parts: impl Into<Vec<Part>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = parts.into();
    }

    /// All parts of the line.
    fn parts(&self, state: &ProgressState) -> Vec<Part> {
        let mut parts = vec![Part::new(1, percent(state))];
        parts.extend_from_slice(&self.0.lock().unwrap_or_else(PoisonError::into_inner));
        parts.push(Part::new(9, format!("{} elapsed", FormattedDuration(state.elapsed()))));
        parts.push(Part::new(3, format!("{} left", FormattedDuration(state.eta()))));
        parts
    }
}

impl<S: Scores> Watch<S> for Progress<S> {
    fn next_run(&mut self, number: usize, of: usize, name: &str) {
        self.line(&format!("run {number} of {of}: {name}"));
    }

    fn run_failed(&mut self, name: &str, error: &Error) {
        self.end();
        log::warn!("{name}: {}", error.line());
    }

    fn started(&mut self, run: Started<'_>) {
        self.epochs = run.epochs;
        self.steps = run.steps;
        // Of the run before, where there are several.
        self.end();
        self.now.set([Part::new(0, "first step")]);
        if self.live {
            let now = self.now.clone();
            self.bar = live_line((run.epochs * run.steps) as u64, move |state| now.parts(state));
        }
        let (epochs, steps) = run.done;
        self.bar.set_position((epochs * run.steps + steps) as u64);
        // Done before: not a rate to go by.
        self.bar.reset_eta();
        self.bar.enable_steady_tick(Duration::from_millis(250));
        self.announce_signals();
        let goes_on = match run.done {
            (0, 0) => String::new(),
            (epochs, 0) => format!(", resuming after epoch {epochs}"),
            (epochs, steps) => format!(", resuming in epoch {} after step {steps}", epochs + 1),
        };
        self.line(&format!(
            "{}: {} parameters; {} training and {} validation images; {} epochs of {} steps\n\
             writing {}{goes_on}",
            run.model,
            grouped(run.params),
            grouped(run.train_images as u64),
            grouped(run.val_images as u64),
            run.epochs,
            run.steps,
            printable(&run.directory.display().to_string()),
        ));
        if !run.classes.is_empty() {
            self.line(&class_list(run.classes));
        }
    }

    fn checkpoint_lost(&mut self, error: &Error) {
        self.bar.suspend(|| warn(&error.line()));
    }

    fn made_again(&mut self, file: &Path) {
        let text = "lost or changed; made again from the checkpoint of its epoch";
        self.bar.suspend(|| warn(&format!("{}: {text}", file.display())));
    }

    fn step(&mut self, epoch: usize, step: &StepReport<S>) -> ControlFlow<()> {
        if step.step == 1 {
            self.score = S::default();
        }
        self.score += step.score.clone();
        let images = self.bar.per_sec() * step.score.images() as f64;
        // Of a task that has no losses of images, that of the step.
        let loss = self.score.losses().first().map_or(step.loss, |(_, loss)| *loss);
        let mut parts = vec![
            Part::new(0, format!("epoch {epoch}/{}", self.epochs)),
            Part::new(5, format!("step {}/{}", step.step, self.steps)),
            Part::new(2, format!("loss {loss:.4}")),
            Part::new(8, format!("penalty {:.2e}", step.penalty)),
            Part::new(7, format!("lr {}", rate(step.lr))),
            Part::new(6, format!("{} images/s", speed(images))),
        ];
        let judged = self.score.scores().into_iter().find(|(measure, _)| *measure == S::JUDGED_BY);
        if let Some((measure, value)) = judged {
            parts.insert(3, Part::new(4, Measure { digits: 1, ..measure }.shown(value)));
        }
        self.now.set(parts);
        self.bar.inc(1);
        self.flow()
    }

    fn evaluated(&mut self, images: usize) -> ControlFlow<()> {
        self.now.set([Part::new(0, format!("validating {}", grouped(images as u64)))]);
        self.flow()
    }

    fn task_epoch(&mut self, row: &TaskEpoch) {
        self.line(&task_line(row));
    }

    fn epoch(&mut self, metrics: &EpochMetrics, is_best: bool) {
        self.line(&epoch_line::<S>(metrics, self.epochs, is_best));
        if metrics.epoch == self.epochs {
            self.end();
        }
    }
}

/// Images per second; slow ones count too.
fn speed(images: f64) -> String {
    if images < 10.0 { format!("{images:.1}") } else { format!("{images:.0}") }
}

/// A learning rate without the digits that rounding leaves.
fn rate(lr: f64) -> String {
    let text = format!("{lr:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// What is said of images in the numbers of an epoch: losses, and scores.
pub(super) fn shown<S: Scores>(columns: &Columns, images: &str) -> [Vec<String>; 2] {
    let losses = S::default().losses();
    let (mut of_losses, mut of_scores) = (Vec::new(), Vec::new());
    for column in columns.iter() {
        let name = column.name.strip_prefix(images).and_then(|name| name.strip_prefix('_'));
        let is_whole = |name: &str| [LOSS, PENALTY].iter().any(|whole| whole.name == name);
        let Some(measure) = name.filter(|name| !is_whole(name)).and_then(Measure::of) else {
            continue;
        };
        let is_loss = losses.iter().any(|(loss, _)| *loss == measure);
        let shown = if is_loss { &mut of_losses } else { &mut of_scores };
        shown.push(measure.shown(column.value));
    }
    [of_losses, of_scores]
}

fn epoch_line<S: Scores>(metrics: &EpochMetrics, epochs: usize, is_best: bool) -> String {
    let width = epochs.to_string().len();
    let [mut in_brackets, scores] = shown::<S>(&metrics.columns, "train");
    in_brackets.push(format!("penalty {:.2e}", metrics.value("train_penalty")));
    let scores = scores.into_iter().map(|score| format!(", {score}")).collect::<String>();
    format!(
        "epoch {:>width$}/{epochs}  lr {}  train: loss {:.4} ({}){scores}  val: {}  {:.1} s, {} \
         images/s{}",
        metrics.epoch,
        rate(metrics.value("lr")),
        metrics.value("train_loss"),
        in_brackets.join(", "),
        shown::<S>(&metrics.columns, "val").concat().join(", "),
        metrics.value("seconds"),
        speed(metrics.value("images_per_second")),
        if is_best { "  best" } else { "" },
    )
}

/// What an epoch came to for a further task, below the line of the epoch.
fn task_line(row: &TaskEpoch) -> String {
    let columns = &row.metrics.columns;
    let shown = |images: &str| shown::<Score>(columns, images).concat().join(", ");
    format!("      {}  train: {}  val: {}", row.task, shown("train"), shown("val"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_is_one_line_with_both_parts_of_the_loss() {
        let mut metrics = EpochMetrics { epoch: 7, ..EpochMetrics::default() };
        for (name, value) in [
            ("lr", 0.1 * 0.1),
            ("train_loss", 0.51),
            ("train_cross_entropy", 0.5),
            ("train_penalty", 0.001),
            ("train_top1", 97.0),
            ("val_top1", 97.5),
        ] {
            metrics.columns.push(name, value);
        }
        let line = epoch_line::<Score>(&metrics, 300, true);
        let start = "epoch   7/300  lr 0.01  train: loss 0.5100 (cross entropy 0.5000, penalty \
                     1.00e-3), top-1";
        assert!(line.starts_with(start), "{line}");
        assert!(line.contains("top-1 97.50 %") && line.ends_with("best") && !line.contains('\n'));
        assert_eq!([rate(1.0), rate(1e-5)], ["1", "0.00001"]);
    }
}
