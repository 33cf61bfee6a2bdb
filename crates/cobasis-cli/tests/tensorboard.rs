//! `train.tensorboard = true`: every epoch once, at its last step, whatever happened to the run.

mod require;

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;

use cobasis_train::DeviceName;
use cobasis_train::config::{Config, DIGITS};
use cobasis_train::train::{Outcome, StepReport, Watch, run};
use require::skip;

/// Steps of an epoch.
const STEPS: usize = 4;

/// Breaks a run off in its second epoch.
struct Impatient;

impl Watch for Impatient {
    fn step(&mut self, epoch: usize, step: &StepReport) -> ControlFlow<()> {
        if epoch == 2 && step.step == 2 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

fn trained(out: &Path, watch: &mut impl Watch) -> Outcome {
    let sets = ["train.epochs=3", "train.max_steps=4", "train.tensorboard=true"].map(String::from);
    let config = Config::parse_with("digits.toml", DIGITS, &sets).expect("a configuration");
    run(&config, DeviceName::Flex, Some(out), "test", watch).expect("trained")
}

/// The number that begins the bytes, and what follows.
fn varint(bytes: &[u8]) -> (u64, &[u8]) {
    let end = bytes.iter().position(|byte| byte & 0x80 == 0).expect("an end") + 1;
    let number =
        bytes[..end].iter().rev().fold(0, |number, byte| number << 7 | u64::from(byte & 0x7f));
    (number, &bytes[end..])
}

/// The fields of a protobuf message: numbers, and values as bytes.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let (key, rest) = varint(bytes);
        let (value, rest) = match key & 7 {
            0 => {
                let (number, rest) = varint(rest);
                (number.to_le_bytes().to_vec(), rest)
            }
            1 => (rest[..8].to_vec(), &rest[8..]),
            2 => {
                let (length, rest) = varint(rest);
                let (value, rest) = rest.split_at(length as usize);
                (value.to_vec(), rest)
            }
            5 => (rest[..4].to_vec(), &rest[4..]),
            other => panic!("wire type {other}"),
        };
        fields.push((key >> 3, value));
        bytes = rest;
    }
    fields
}

/// Steps and values of a tag, by a decoder that knows nothing of how the file was written.
fn scalars(mut bytes: &[u8], wanted: &str) -> Vec<(u64, f32)> {
    let of = |fields: &[(u64, Vec<u8>)], field: u64| {
        fields.iter().find(|(number, _)| *number == field).map(|(_, value)| value.clone())
    };
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let length = u64::from_le_bytes(bytes[..8].try_into().expect("8 bytes")) as usize;
        let event = fields(&bytes[12..12 + length]);
        bytes = &bytes[12 + length + 4..];
        let Some(summary) = of(&event, 5) else { continue };
        let step = of(&event, 2).expect("a step");
        let step = u64::from_le_bytes(step.try_into().expect("8 bytes"));
        for (_, value) in fields(&summary) {
            let value = fields(&value);
            if of(&value, 1).expect("a tag") == wanted.as_bytes() {
                let number = of(&value, 2).expect("a number").try_into().expect("4 bytes");
                found.push((step, f32::from_le_bytes(number)));
            }
        }
    }
    found
}

#[test]
fn a_run_in_parts_has_every_epoch_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("run");
    assert!(matches!(trained(&out, &mut Impatient), Outcome::Interrupted { epoch: 2, .. }));
    let file = out.join("events.out.tfevents.cobasis");
    let first = fs::read(&file).expect("events");
    assert_eq!(scalars(&first, "epoch"), [(STEPS as u64, 1.0)]);
    // As if the process had been killed while it wrote.
    fs::write(&file, &first[..first.len() - 7]).expect("written");
    assert!(matches!(trained(&out, &mut ()), Outcome::Finished(_)));
    let bytes = fs::read(&file).expect("events");
    assert!(bytes.starts_with(&first), "TensorBoard reads on from where it was");
    assert_eq!(scalars(&bytes, "epoch"), [(4, 1.0), (8, 2.0), (12, 3.0)]);

    let metrics = fs::read_to_string(out.join("metrics.csv")).expect("metrics");
    let mut rows = metrics.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let names = rows.next().expect("a header");
    let rows: Vec<Vec<&str>> = rows.collect();
    let column = |name: &str| -> Vec<f32> {
        let at = names.iter().position(|column| *column == name).expect("a column");
        rows.iter().map(|row| row[at].parse().expect("a number")).collect()
    };
    let values = |tag: &str| -> Vec<f32> {
        scalars(&bytes, tag).into_iter().map(|(_, value)| value).collect()
    };
    for (tag, name) in [
        ("lr", "lr"),
        ("loss/train", "train_loss"),
        ("penalty/train", "train_penalty"),
        ("cross_entropy/val", "val_cross_entropy"),
        ("top1/train", "train_top1"),
        ("top1/val", "val_top1"),
    ] {
        assert_eq!(values(tag), column(name), "{tag}");
    }

    let script = "import sys\n\
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator\n\
        events = EventAccumulator(sys.argv[1]).Reload()\n\
        print(*[f'{e.step}:{e.value!r}' for e in events.Scalars('top1/val')])\n";
    let python = |arguments: &[&str]| Command::new("python3").args(arguments).output();
    if !python(&["-c", "import tensorboard"]).is_ok_and(|output| output.status.success()) {
        skip("tensorboard", "python3 has no tensorboard");
        return;
    }
    let output = python(&["-c", script, out.to_str().expect("UTF-8")]).expect("Python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read = String::from_utf8(output.stdout).expect("UTF-8");
    let read: Vec<(u64, f32)> = read
        .split_whitespace()
        .map(|pair| pair.split_once(':').expect("a pair"))
        .map(|(step, value)| (step.parse().expect("a step"), value.parse().expect("a value")))
        .collect();
    assert_eq!(read, scalars(&bytes, "top1/val"));
}
