//! `events.out.tfevents.cobasis`: the metrics of a run as TensorBoard reads them.
//!
//! The file is a sequence of records (TFRecord: length, checksum, bytes, checksum), each a protobuf
//! message `Event`. TensorBoard keeps the file open and reads on from where it was, so that records
//! are added at the end of the one file that a run has. Its bytes are a function of the metrics, which
//! come from the checkpoint: what a killed process has left is a beginning of them and is completed,
//! anything else is written anew, and no epoch is in the file twice or missing.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;

use prost::Message;

use super::write::write;
use super::{EpochMetrics, RunDirError};
use crate::metrics::SECONDS;

/// TensorBoard looks for `tfevents` in names. One file, whenever the run was gone on with.
const FILE: &str = "events.out.tfevents.cobasis";
/// What TensorBoard wants the first record to say.
const VERSION: &str = "brain.Event:2";
/// Images that a column may be about, as columns begin.
const IMAGES: [&str; 2] = ["train", "val"];

/// `Event` of TensorFlow's `event.proto`, as far as scalars need it.
#[derive(Clone, PartialEq, Message)]
struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Scalars>,
}

/// `Summary` of TensorFlow's `summary.proto`.
#[derive(Clone, PartialEq, Message)]
struct Scalars {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Scalar>,
}

/// `Summary.Value`.
#[derive(Clone, PartialEq, Message)]
struct Scalar {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

/// Brings the file of events in `dir` to the state of `history`, whose epochs have `steps` steps each.
///
/// # Errors
/// When the file can't be read or written.
pub(crate) fn write_events(
    dir: &Path,
    history: &[EpochMetrics],
    started_unix: u64,
    steps: usize,
) -> Result<(), RunDirError> {
    let path = dir.join(FILE);
    let bytes = events(history, started_unix, steps);
    let there = match fs::read(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        read => read.map_err(RunDirError::io(&path, "read the file"))?,
    };
    match bytes.strip_prefix(&there[..]) {
        Some([]) => Ok(()),
        Some(rest) if !there.is_empty() => {
            let file = OpenOptions::new().append(true).open(&path);
            let added = file.and_then(|mut file: File| file.write_all(rest));
            added.map_err(RunDirError::io(&path, "write the file"))
        }
        _ => write(&path, &bytes),
    }
}

/// The bytes of the file: a record for each epoch, at the step that ends it. The wall time is that
/// which the run itself has taken since its start, pauses aside.
fn events(history: &[EpochMetrics], started_unix: u64, steps: usize) -> Vec<u8> {
    let mut wall_time = started_unix as f64;
    let first = Event { wall_time, file_version: Some(VERSION.to_string()), ..Event::default() };
    let mut bytes = record(&first.encode_to_vec());
    for metrics in history {
        wall_time += metrics.value(SECONDS.name);
        let scalar =
            |name: &str, value: f64| Scalar { tag: tag(name), simple_value: Some(value as f32) };
        let mut value = vec![scalar("epoch", metrics.epoch as f64)];
        value.extend(metrics.columns.iter().map(|column| scalar(&column.name, column.value)));
        let step = (metrics.epoch * steps) as i64;
        let event = Event { wall_time, step, file_version: None, summary: Some(Scalars { value }) };
        bytes.extend(record(&event.encode_to_vec()));
    }
    bytes
}

/// The name of a column in TensorBoard, which draws tags with the same beginning side by side:
/// `top1/val` of `val_top1`.
fn tag(column: &str) -> String {
    let of = IMAGES
        .into_iter()
        .find_map(|images| Some((images, column.strip_prefix(images)?.strip_prefix('_')?)));
    of.map_or_else(|| column.to_string(), |(images, measure)| format!("{measure}/{images}"))
}

/// Bytes with their length and checksums.
fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let sums = [masked_crc32c(&length), masked_crc32c(data)].map(u32::to_le_bytes);
    [&length[..], &sums[0], data, &sums[1]].concat()
}

/// CRC-32C, turned and shifted as TFRecord has it, so that sums of sums differ.
fn masked_crc32c(bytes: &[u8]) -> u32 {
    let crc = !bytes
        .iter()
        .fold(u32::MAX, |crc, &byte| CRC32C[usize::from(crc as u8 ^ byte)] ^ (crc >> 8));
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// What each byte does to the checksum (Castagnoli's polynomial, reflected).
const CRC32C: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut crc, mut bit) = (byte as u32, 0);
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    fn history(epochs: usize) -> Vec<EpochMetrics> {
        let row = |epoch| {
            let mut metrics = EpochMetrics { epoch, ..EpochMetrics::default() };
            for (name, value) in [("lr", 0.1), ("val_top1", 12.5 * epoch as f64), ("seconds", 2.0)]
            {
                metrics.columns.push(name, value);
            }
            metrics
        };
        (1..=epochs).map(row).collect()
    }

    /// The events of a file, as a reader gets them that checks every sum.
    fn read(mut bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        while !bytes.is_empty() {
            let (length, rest) = bytes.split_at(8);
            let (sum, rest) = rest.split_at(4);
            assert_eq!(sum, masked_crc32c(length).to_le_bytes());
            let (data, rest) =
                rest.split_at(u64::from_le_bytes(length.try_into().unwrap()) as usize);
            let (sum, rest) = rest.split_at(4);
            assert_eq!(sum, masked_crc32c(data).to_le_bytes());
            events.push(Event::decode(data).unwrap());
            bytes = rest;
        }
        events
    }

    /// The one file in a folder.
    fn only(dir: &Path) -> Vec<u8> {
        let files: Vec<_> = fs::read_dir(dir).unwrap().flatten().map(|file| file.path()).collect();
        let [file] = &files[..] else { panic!("expected one file, got {files:?}") };
        assert!(file.ends_with(FILE));
        fs::read(file).unwrap()
    }

    #[test]
    fn the_checksum_is_castagnolis() {
        // RFC 3720, B.4, before the mask.
        let unmasked =
            |bytes: &[u8]| masked_crc32c(bytes).wrapping_sub(0xa282_ead8).rotate_left(15);
        assert_eq!(unmasked(b"123456789"), 0xe306_9283);
        assert_eq!([unmasked(&[0; 32]), unmasked(&[0xff; 32])], [0x8a91_36aa, 0x62a8_ab43]);
    }

    #[test]
    fn every_epoch_is_at_its_last_step() {
        let events = read(&events(&history(2), 100, 30));
        assert_eq!(events[0].file_version.as_deref(), Some("brain.Event:2"));
        let at: Vec<_> = events.iter().map(|event| (event.step, event.wall_time)).collect();
        assert_eq!(at, [(0, 100.0), (30, 102.0), (60, 104.0)]);
        let values = &events[2].summary.as_ref().unwrap().value;
        let values: Vec<_> =
            values.iter().map(|value| (value.tag.as_str(), value.simple_value.unwrap())).collect();
        assert_eq!(values, [("epoch", 2.0), ("lr", 0.1), ("top1/val", 25.0), ("seconds", 2.0)]);
    }

    #[test]
    fn what_a_killed_process_has_left_is_completed() {
        let dir = tempfile::tempdir().unwrap();
        let whole = events(&history(3), 100, 30);
        let write = |epochs| {
            write_events(dir.path(), &history(epochs), 100, 30).unwrap();
            only(dir.path())
        };
        assert_eq!(write(1), events(&history(1), 100, 30));
        assert_eq!(write(3), whole);
        assert_eq!(write(3), whole, "nothing is added twice");
        let path = dir.path().join(FILE);
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert_eq!(write(3), whole, "{length}");
        }
        fs::write(&path, "something else").unwrap();
        assert_eq!(write(3), whole);
        // The checkpoint of the third epoch is lost, and the one before it is gone on with.
        assert_eq!(write(2), events(&history(2), 100, 30));
    }
}
