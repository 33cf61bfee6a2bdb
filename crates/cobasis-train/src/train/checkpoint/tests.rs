//! Damaged checkpoints, and those of other runs.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::config::DIGITS;
use crate::data::SplitMix64;
use crate::train::{Classification, run};
use crate::{DeviceName, run_dir::Checkpoints};

/// Mutations of a checkpoint's files that are tried.
const MUTATIONS: u64 = 2000;

fn config(sets: &[&str]) -> Config {
    let small = ["train.epochs=2", "train.max_steps=1", "train.batch=16", "train.ema=0.9"];
    let sets: Vec<String> = small.iter().chain(sets).map(|set| set.to_string()).collect();
    Config::parse_with("digits.toml", DIGITS, &sets).expect("a configuration")
}

/// The two checkpoints of a run of two epochs, the first one first.
fn trained(config: &Config) -> (TempDir, [PathBuf; 2]) {
    let folder = tempfile::tempdir().expect("a folder");
    run(config, DeviceName::Flex, Some(folder.path()), "test", &mut ()).expect("trained");
    let checkpoints = Checkpoints::new(folder.path().join("checkpoints"));
    let paths = [checkpoints.path(1, 0), checkpoints.path(2, 0)];
    (folder, paths)
}

fn refusal(directory: &Path, config: &Config) -> Option<String> {
    let read = read::<Classification>(directory, config, &Device::flex());
    read.err().map(|error| error.line())
}

/// The names of a checkpoint's files, in order.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a checkpoint").flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Bytes with one change: a bit, a byte, a piece that is gone, doubled or set to zero, an end.
fn mutated(bytes: &[u8], rng: &mut SplitMix64) -> Vec<u8> {
    let mut below = |limit: usize| (rng.unit() * limit as f64) as usize;
    let mut bytes = bytes.to_vec();
    let at = below(bytes.len());
    let end = (at + 1 + below(64)).min(bytes.len());
    match below(6) {
        0 => bytes[at] ^= 1 << below(8),
        1 => bytes[at] = bytes[at].wrapping_add(1 + below(255) as u8),
        2 => drop(bytes.drain(at..end)),
        3 => {
            let piece = bytes[at..end].to_vec();
            bytes.splice(at..at, piece);
        }
        4 => bytes[at..end].fill(0),
        _ => bytes.truncate(at),
    }
    bytes
}

#[test]
fn no_mutation_of_a_file_is_trained_on() {
    let config = config(&[]);
    let (_folder, [before, last]) = trained(&config);
    assert_eq!(refusal(&last, &config), None);
    let all = [CONFIG, EMA, MODEL, OPTIMIZER, PROGRESS, sums_name()];
    let mut sorted = all.to_vec();
    sorted.sort();
    assert_eq!(names(&last), sorted);
    let mut rng = SplitMix64::new(7);
    for number in 0..MUTATIONS {
        let path = last.join(all[number as usize % all.len()]);
        let whole = fs::read(&path).expect("a file");
        let damaged = mutated(&whole, &mut rng);
        if damaged == whole {
            continue;
        }
        fs::write(&path, damaged).expect("written");
        let said = refusal(&last, &config);
        let said = said.unwrap_or_else(|| panic!("mutation {number} of {path:?} was taken"));
        assert!(said.contains("cannot use the checkpoint: ") && !said.contains('\n'), "{said}");
        fs::write(&path, whole).expect("written");
    }
    // Files of the other checkpoint, alone and together with what lists them; and none.
    for name in all {
        let path = last.join(name);
        let whole = fs::read(&path).expect("a file");
        let theirs = fs::read(before.join(name)).expect("a file");
        for other in [Some(theirs), None] {
            match other {
                Some(theirs) if theirs == whole => continue,
                Some(theirs) => fs::write(&path, theirs).expect("written"),
                None => fs::remove_file(&path).expect("removed"),
            }
            assert!(refusal(&last, &config).is_some(), "{name}");
            fs::write(&path, &whole).expect("written");
        }
    }
    assert_eq!(refusal(&last, &config), None);
    let moved = last.with_file_name("epoch-0003-step-000000");
    fs::rename(&last, &moved).expect("moved");
    assert!(refusal(&moved, &config).is_some_and(|said| said.ends_with("2 epochs and 0 steps")));
}

/// A checkpoint as it was written before there were sums.
fn without_sums(directory: &Path) {
    for name in [sums_name(), CONFIG] {
        fs::remove_file(directory.join(name)).expect("removed");
    }
    let path = directory.join(PROGRESS);
    let text = fs::read_to_string(&path).expect("a file");
    let [now, then] = [FORMAT, WITHOUT_SUMS].map(|format| format!("format = {format}\n"));
    fs::write(&path, text.replacen(&now, &then, 1)).expect("written");
}

#[test]
fn checkpoints_without_sums_are_read_and_their_damages_never_panic() {
    let config = config(&[]);
    let (_folder, [_, last]) = trained(&config);
    without_sums(&last);
    assert_eq!(refusal(&last, &config), None);
    assert!(judged_files(&last, &config, "", str::to_string).is_empty());
    let path = last.join(OPTIMIZER);
    let whole = fs::read(&path).expect("a file");
    let texts = String::from_utf8_lossy(&whole).into_owned();
    assert!(texts.contains("param_id"));
    let at = whole.windows(8).position(|word| word == b"param_id").expect("a key");
    let mut damaged = whole.clone();
    damaged[at + 7] = b'e';
    fs::write(&path, damaged).expect("written");
    let said = refusal(&last, &config).expect("refused");
    assert!(said.contains("optimizer.bpk: "), "{said}");
    let mut rng = SplitMix64::new(8);
    for name in [OPTIMIZER, MODEL, EMA, PROGRESS].into_iter().cycle().take(100) {
        let path = last.join(name);
        let whole = fs::read(&path).expect("a file");
        fs::write(&path, mutated(&whole, &mut rng)).expect("written");
        let said = refusal(&last, &config);
        assert!(said.is_none_or(|said| !said.contains('\n')));
        fs::write(&path, whole).expect("written");
    }
}

#[test]
fn a_checkpoint_of_another_run_is_refused_by_the_key() {
    let (_folder, [_, last]) = trained(&config(&[]));
    for (set, key) in [("seed=1", "seed"), ("optimizer.lr=0.2", "optimizer.lr")] {
        let other = config(&[set]);
        let said = refusal(&last, &other).expect("refused");
        assert!(said.ends_with(&format!("it is another run's, with another {key}")), "{said}");
        assert!(judged_files(&last, &other, "", str::to_string).is_empty());
    }
    let same = config(&["data.workers=0", "train.checkpoint_steps=1"]);
    assert_eq!(refusal(&last, &same), None);
}
