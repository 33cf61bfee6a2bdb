//! Ranks that are threads of one process: a run of several comes to that of one, whatever befalls it.

use std::fs;
use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use tempfile::TempDir;

use super::*;
use crate::DeviceName;
use crate::config::{Config, DIGITS};
use crate::train::{Classification, Outcome, StepReport, Watch, run_together};

/// Where threads leave their messages.
struct Room {
    size: usize,
    barrier: Barrier,
    messages: Mutex<Vec<Vec<u8>>>,
}

struct InRoom {
    room: Arc<Room>,
    rank: usize,
}

impl InRoom {
    fn all(&self, own: Vec<u8>) -> Vec<Vec<u8>> {
        self.room.messages.lock().unwrap()[self.rank] = own;
        self.room.barrier.wait();
        let all = self.room.messages.lock().unwrap().clone();
        // Nobody leaves the next message before all have these.
        self.room.barrier.wait();
        all
    }

    fn floats(&self, own: &[f32]) -> Vec<Vec<f32>> {
        let bytes = own.iter().flat_map(|value| value.to_le_bytes()).collect();
        let floats = |bytes: Vec<u8>| -> Vec<f32> {
            bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
        };
        self.all(bytes).into_iter().map(floats).collect()
    }
}

impl Link for InRoom {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.room.size
    }

    fn all_gather(&self, own: &[u8]) -> Result<Vec<Vec<u8>>, LinkError> {
        Ok(self.all(own.to_vec()))
    }

    fn exchange(
        &self,
        all: &[f32],
        parts: &[Range<usize>],
        senders: usize,
    ) -> Result<Vec<f32>, LinkError> {
        let rows = self.floats(all);
        Ok(rows[..senders].iter().flat_map(|row| row[parts[self.rank].clone()].to_vec()).collect())
    }

    fn collect(&self, own: &[f32], parts: &[Range<usize>]) -> Result<Vec<f32>, LinkError> {
        assert_eq!(own.len(), parts[self.rank].len());
        Ok(self.floats(own).concat())
    }

    fn end(&self) {}

    fn abort(&self, code: u8) {
        panic!("aborted with {code}");
    }
}

/// What each rank comes to that does this.
fn each<R: Send>(size: usize, work: impl Fn(&Ranks) -> R + Sync) -> Vec<R> {
    let (barrier, messages) = (Barrier::new(size), Mutex::new(vec![Vec::new(); size]));
    let room = Arc::new(Room { size, barrier, messages });
    thread::scope(|scope| {
        let start = |rank| {
            let (room, work) = (Arc::clone(&room), &work);
            scope.spawn(move || work(&Ranks::linked(InRoom { room, rank })))
        };
        let threads: Vec<_> = (0..size).map(start).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    })
}

/// Everything that depends on the order or the number of a batch. The last step of an epoch has three batches, and the
/// last of them fewer images.
const RECIPE: [&str; 10] = [
    "train.epochs=2",
    "train.batch=128",
    "train.accumulate=4",
    "train.eval_batch=100",
    "data.split=train/val",
    "train.ema=0.9",
    "train.dropout=0.1",
    "train.gradient_flow=true",
    "augment.mixup=0.4",
    "optimizer.clip_norm=1.0",
];

fn config(sets: &[&str]) -> Config {
    let sets: Vec<String> = RECIPE.iter().chain(sets).map(|set| set.to_string()).collect();
    Config::parse_with("digits.toml", DIGITS, &sets).expect("a configuration")
}

fn go(
    config: &Config,
    out: &Path,
    ranks: &Ranks,
    watch: &mut impl Watch,
) -> Result<Outcome, Error> {
    run_together::<Classification>(config, DeviceName::Flex, Some(out), "test", ranks, watch)
}

/// What a finished run has left: its numbers without times, and its models.
fn result(out: &Path) -> (Vec<String>, Vec<Vec<u8>>) {
    let table = |name: &str| fs::read_to_string(out.join(name)).expect("a table");
    let metrics = table("metrics.csv");
    let numbers =
        metrics.lines().map(|line| line.split(',').take(10).collect::<Vec<_>>().join(","));
    let numbers = numbers.chain([table("gradient_flow.csv")]).collect();
    let models = ["last.safetensors", "best.safetensors"];
    (numbers, models.map(|name| fs::read(out.join(name)).expect("a model")).to_vec())
}

fn alone(folder: &TempDir, config: &Config) -> (Vec<String>, Vec<Vec<u8>>) {
    let out = folder.path().join("alone");
    go(config, &out, &Ranks::alone(), &mut ()).expect("trained");
    result(&out)
}

/// Breaks off after some steps.
struct BreakAfter(usize);

impl Watch for BreakAfter {
    fn step(&mut self, _epoch: usize, _step: &StepReport) -> ControlFlow<()> {
        self.0 = self.0.saturating_sub(1);
        if self.0 == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

#[test]
fn as_many_ranks_as_divide_the_accumulation_come_to_the_same() {
    let (folder, config) = (tempfile::tempdir().expect("a folder"), config(&[]));
    let expected = alone(&folder, &config);
    for size in [2, 4] {
        let out = folder.path().join(size.to_string());
        for outcome in each(size, |ranks| go(&config, &out, ranks, &mut ())) {
            assert!(matches!(outcome, Ok(Outcome::Finished(_))), "{outcome:?}");
        }
        assert!(result(&out) == expected, "{size} ranks");
    }
}

#[test]
fn a_run_that_any_rank_breaks_off_is_resumed_by_any_number() {
    let (folder, config) = (tempfile::tempdir().expect("a folder"), config(&[]));
    let expected = alone(&folder, &config);
    let out = folder.path().join("broken");
    for (size, after) in [(2, 2), (4, 3)] {
        let ended = each(size, |ranks| {
            // Only the last one is told to stop.
            let after = if ranks.rank() + 1 == size { after } else { usize::MAX };
            go(&config, &out, ranks, &mut BreakAfter(after))
        });
        for outcome in ended {
            assert!(matches!(outcome, Ok(Outcome::Interrupted { .. })), "{outcome:?}");
        }
    }
    go(&config, &out, &Ranks::alone(), &mut ()).expect("trained");
    assert!(result(&out) == expected);
}

#[test]
fn ranks_that_are_not_alike_are_told_in_what() {
    let folder = tempfile::tempdir().expect("a folder");
    let refused = |configs: [&Config; 2]| {
        let out = folder.path().join("refused");
        let errors = each(2, |ranks| {
            go(configs[ranks.rank()], &out, ranks, &mut ()).expect_err("must be refused")
        });
        assert!(!out.exists());
        let lines: Vec<String> = errors.iter().map(Error::line).collect();
        assert_eq!(lines[0], lines[1]);
        assert_eq!(errors[0].exit_code(), 2);
        lines[0].clone()
    };
    let (plain, other) = (config(&[]), config(&["optimizer.lr=0.2"]));
    let line = refused([&plain, &other]);
    let expected = "all ranks must be alike: rank 1 has optimizer.lr = 0.2, rank 0 has ";
    assert!(line.starts_with(expected), "{line}");
    let three = config(&["train.accumulate=3"]);
    let line = refused([&three, &three]);
    assert!(line.starts_with("train.accumulate: expected a multiple of 2 for 2 ranks"), "{line}");
    assert!(line.ends_with("got 3; --set train.accumulate=4 would do"), "{line}");
}

#[test]
fn a_rank_that_fails_ends_the_others() {
    let (folder, config) = (tempfile::tempdir().expect("a folder"), config(&[]));
    let out = folder.path().join("run");
    let codes = each(3, |ranks| match ranks.rank() {
        1 => {
            assert_eq!(ranks.fail(2).expect("told"), 1);
            2
        }
        _ => match go(&config, &out, ranks, &mut ()) {
            Err(error @ Error::OtherRank { rank: 1, .. }) => error.exit_code(),
            other => panic!("{other:?}"),
        },
    });
    assert_eq!(codes, [2, 2, 2]);
    // Of several that fail, the first has the word.
    let first = each(3, |ranks| ranks.fail(ranks.rank() as u8).expect("told"));
    assert_eq!(first, [0, 0, 0]);
}

#[test]
fn weights_that_came_apart_are_noticed() {
    let model = |seed: u64| {
        let config = cobasis_zoo::ModelConfig::new("digits/resnet14-s4u1".parse().expect("a name"));
        config.with_seed(seed).init(&burn::tensor::Device::flex())
    };
    let check = |same: bool| {
        each(2, |ranks| {
            let seed = if same { 0 } else { ranks.rank() as u64 };
            check_model(ranks, &model(seed), "after epoch 3").map_err(|error| error.line())
        })
    };
    assert_eq!(check(true), [Ok(()), Ok(())]);
    let expected = "the ranks of this run: after epoch 3, rank 1 has other weights than rank 0; nothing \
                    of it was saved";
    assert_eq!(check(false), [Err(expected.to_owned()), Err(expected.to_owned())]);
}
