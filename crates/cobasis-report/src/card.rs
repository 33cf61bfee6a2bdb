//! What a run was: the numbers on top, and the card.

use cobasis_data::number::{bytes, compact, duration, grouped};
use cobasis_train::Error;
use cobasis_train::config::Protocol;
use cobasis_train::run_dir::{EpochSummary, RunRecord};
use maud::{Markup, html};

use super::page::{Tile, number};

/// The images that chose the best epoch.
pub(crate) fn chosen(split: Protocol) -> &'static str {
    match split {
        Protocol::Paper => "the test set",
        Protocol::TrainVal => "validation images",
    }
}

/// The numbers that people look for first.
pub(crate) fn tiles(run: &RunRecord, macs: u64) -> Vec<Tile> {
    let summary = &run.summary;
    let measure = summary.last.judged_by();
    let judged = |name: &str, epoch: &EpochSummary| {
        let value = epoch.judged();
        number(&format!("{name}.test_{}", measure.name), value, &measure.value(value))
    };
    let count = |field: &str, count: u64| number(field, count as f64, &compact(count as f64, 4));
    let best = summary.best();
    vec![
        Tile {
            title: format!("Test {}, last epoch", measure.label),
            value: judged("last", &summary.last),
            note: format!(
                "epoch {}, {} images",
                summary.last.epoch,
                grouped(summary.test_images as u64)
            ),
        },
        Tile {
            title: format!("Test {}, best epoch", measure.label),
            value: judged("best", best),
            note: match summary.split {
                Protocol::Paper => {
                    format!("epoch {}, best on the test set: optimistic", best.epoch)
                }
                Protocol::TrainVal => format!("epoch {}, best on validation images", best.epoch),
            },
        },
        Tile {
            title: "Parameters".to_string(),
            value: count("params", summary.result_params()),
            note: match summary.inference_params {
                Some(params) => format!(
                    "{} at inference, of {} that were trained",
                    grouped(params),
                    grouped(summary.params)
                ),
                None => format!("{} trainable, each shared filter once", grouped(summary.params)),
            },
        },
        Tile {
            title: "Multiply-accumulates".to_string(),
            value: count("macs", macs),
            note: format!("{} for one image", grouped(macs)),
        },
        Tile {
            title: "Wall time".to_string(),
            value: number("seconds", summary.seconds, &duration(summary.seconds)),
            note: format!("{} epochs on {}", summary.last.epoch, summary.device),
        },
    ]
}

/// The card: everything it takes to make the run again.
pub(crate) fn card(run: &RunRecord) -> Result<Markup, Error> {
    let (summary, config) = (&run.summary, run.config.to_toml()?);
    let made = &summary.provenance;
    let row = |title: &str, field: &str, value: Option<String>| {
        html! {
            dt { (title) }
            @match value {
                Some(value) => dd data-field=(field) { (value) },
                None => dd.why data-field=(field) { "not recorded" },
            }
        }
    };
    let commit = made.commit.as_ref().map(|commit| match made.dirty {
        Some(true) => format!("{commit}, with changes that were not committed"),
        Some(false) => format!("{commit}, no changes"),
        None => commit.clone(),
    });
    let burn = made.burn.as_ref().map(|burn| format!(", Burn {burn}")).unwrap_or_default();
    let images = match summary.val_images {
        Some(val) => format!("{} held out to choose the best epoch", grouped(val as u64)),
        None => "the test set chose the best epoch".to_string(),
    };
    let data = format!(
        "{}: {} training and {} test images; {images}",
        summary.dataset,
        grouped(summary.train_images as u64),
        grouped(summary.test_images as u64)
    );
    // Rows of some runs only.
    let some = |title: &str, field: &str, value: Option<String>| {
        value.map(|value| row(title, field, Some(value)))
    };
    let init = summary
        .init
        .as_ref()
        .map(|init| format!("{} ({}), SHA-256 {}", init.file, init.model, init.sha256));
    let name = run.config.model_name().ok();
    let note = name.and_then(|name| name.note()).map(str::to_string);
    let stopped = summary
        .stopped_early
        .as_ref()
        .map(|stop| format!("after epoch {} of {}: {}", stop.epoch, stop.epochs, stop.reason));
    Ok(html! {
        div.card {
            dl {
                (row("Model", "model", Some(summary.model.clone())))
                @if let Some(note) = some("Method", "note", note) { (note) }
                @if let Some(init) = some("Started from", "init", init) { (init) }
                @if let Some(stopped) = some("Stopped early", "stopped_early", stopped) { (stopped) }
                (row("Data", "data", Some(data)))
                (row("Seed", "seed", Some(summary.seed.to_string())))
                dt { "Command" } dd { code data-field="command" { (summary.command) } }
                (row("Commit", "commit", commit))
                (row("Versions", "versions", Some(format!("cobasis {}{burn}", summary.version))))
                (row("Device", "device", Some(summary.device.clone())))
                (row("Processor", "processor", made.processor.clone()))
                (row("System", "platform", made.platform.clone()))
                (row("Started", "started", Some(summary.started.clone())))
                (row("Wall time", "wall_time", Some(duration(summary.seconds))))
                (row("Peak memory", "peak_bytes", made.peak_bytes.map(bytes)))
                (row("Directory", "directory", Some(run.path.display().to_string())))
            }
            details {
                summary { "Resolved configuration" }
                pre data-field="config" { (config) }
            }
        }
    })
}
