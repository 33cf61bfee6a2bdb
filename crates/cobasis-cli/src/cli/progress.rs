//! A progress bar on the terminal, and a line per epoch on standard output.

use std::ops::ControlFlow;
use std::thread;
use std::time::Duration;

use cobasis_train::Error;
use cobasis_train::evaluate::Score;
use cobasis_train::metrics::{Measure, Scores};
use cobasis_train::run_dir::EpochMetrics;
use cobasis_train::train::{Started, StepReport, Watch};
use indicatif::{ProgressBar, ProgressStyle};

use super::class_list::class_list;
use super::output::{grouped, print};
use super::signals::Signals;

/// How often it is looked for signals.
const POLL: Duration = Duration::from_millis(100);

/// Shows a run as it goes.
pub(crate) struct Progress {
    bar: ProgressBar,
    live: bool,
    epochs: usize,
    steps: usize,
    score: Score,
    signals: Signals,
}

impl Progress {
    /// Shows lines, and a live view on a terminal if that is wanted.
    pub(crate) fn new(signals: &Signals, live: bool) -> Self {
        let (bar, signals) = (ProgressBar::hidden(), signals.clone());
        Self { bar, live, epochs: 0, steps: 0, score: Score::default(), signals }
    }

    /// Removes the bar.
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
                let text = "finishing this step to save; a second signal ends at once";
                bar.suspend(|| eprintln!("{text}"));
            }
        });
    }

    fn flow(&self) -> ControlFlow<()> {
        match self.signals.came() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    /// Prints a line without tearing the bar.
    fn line(&self, text: &str) {
        self.bar.suspend(|| print(text));
    }
}

/// A bar for a known number of things, hidden where there is no terminal.
pub(crate) fn bar(length: u64, template: &str) -> ProgressBar {
    let bar = ProgressBar::new(length);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

impl Watch for Progress {
    fn started(&mut self, run: Started<'_>) {
        self.epochs = run.epochs;
        self.steps = run.steps;
        if self.live {
            self.bar = bar(
                (run.epochs * run.steps) as u64,
                "{bar:24} {percent:>3} %  {msg}  {elapsed_precise} gone, {eta_precise} left",
            );
        }
        let (epochs, steps) = run.done;
        self.bar.set_position((epochs * run.steps + steps) as u64);
        // Done before: not a rate to go by.
        self.bar.reset_eta();
        self.bar.set_message("first step");
        self.bar.enable_steady_tick(Duration::from_millis(250));
        self.announce_signals();
        let goes_on = match run.done {
            (0, 0) => String::new(),
            (epochs, 0) => format!(", going on after epoch {epochs}"),
            (epochs, steps) => format!(", going on in epoch {} after step {steps}", epochs + 1),
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
            run.directory.display(),
        ));
        if !run.classes.is_empty() {
            self.line(&class_list(run.classes));
        }
    }

    fn checkpoint_lost(&mut self, error: &Error) {
        eprintln!("warning: {}", error.line());
    }

    fn step(&mut self, epoch: usize, step: &StepReport) -> ControlFlow<()> {
        if step.step == 1 {
            self.score = Score::default();
        }
        self.score += step.score;
        self.bar.set_message(format!(
            "epoch {epoch}/{} step {}/{}  lr {}  loss {:.4}, penalty {:.2e}, top-1 {:.1} %  {} \
             images/s",
            self.epochs,
            step.step,
            self.steps,
            rate(step.lr),
            self.score.mean_cross_entropy(),
            step.penalty,
            self.score.top1_percent(),
            speed(self.bar.per_sec() * step.score.images as f64),
        ));
        self.bar.inc(1);
        self.flow()
    }

    fn evaluated(&mut self, images: usize) -> ControlFlow<()> {
        self.bar.set_message(format!("validating {}", grouped(images as u64)));
        self.flow()
    }

    fn epoch(&mut self, metrics: &EpochMetrics, is_best: bool) {
        self.line(&epoch_line(metrics, self.epochs, is_best));
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

fn epoch_line(metrics: &EpochMetrics, epochs: usize, is_best: bool) -> String {
    let width = epochs.to_string().len();
    let score = Score::default();
    let shown = |images: &str, measures: &[(Measure, f64)]| {
        let shown = |(measure, _): &(Measure, f64)| {
            measure.shown(metrics.value(&format!("{images}_{}", measure.name)))
        };
        measures.iter().map(shown).collect::<Vec<_>>().join(", ")
    };
    format!(
        "epoch {:>width$}/{epochs}  lr {}  train: loss {:.4} ({}, penalty {:.2e}), {}  val: {}, {}  \
         {:.1} s, {} images/s{}",
        metrics.epoch,
        rate(metrics.value("lr")),
        metrics.value("train_loss"),
        shown("train", &score.losses()),
        metrics.value("train_penalty"),
        shown("train", &score.scores()),
        shown("val", &score.losses()),
        shown("val", &score.scores()),
        metrics.value("seconds"),
        speed(metrics.value("images_per_second")),
        if is_best { "  best" } else { "" },
    )
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
            ("val_top1", 97.5),
        ] {
            metrics.columns.push(name, value);
        }
        let line = epoch_line(&metrics, 300, true);
        let start = "epoch   7/300  lr 0.01  train: loss 0.5100 (cross entropy 0.5000, penalty \
                     1.00e-3), top-1";
        assert!(line.starts_with(start), "{line}");
        assert!(line.contains("top-1 97.50 %") && line.ends_with("best") && !line.contains('\n'));
        assert_eq!([rate(1.0), rate(1e-5)], ["1", "0.00001"]);
    }
}
