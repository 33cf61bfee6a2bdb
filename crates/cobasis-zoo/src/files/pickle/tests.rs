//! Checkpoints that a minimal pickler of these tests writes, whole, damaged and hostile.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use flate2::write::DeflateEncoder;

use super::writer::{dict, int, pickle, tensor, text};
use super::*;
use crate::config::ModelConfig;
use crate::files::foreign::compare;
use crate::files::weights::choose;
use crate::files::{FileProblem, load_pytorch, wrong};
use crate::pytorch_names::Naming;

const BASIS: &str = "shared_basis_1.weight";
const COPY: &str = "layer1.1.shared_basis.weight";
const WEIGHTS: &str = "net_state_dict";

fn expected() -> BTreeMap<String, Vec<usize>> {
    [("fc.weight", vec![2, 3]), (BASIS, vec![2]), (COPY, vec![2])]
        .map(|(name, shape)| (name.to_string(), shape))
        .into()
}

/// Two tensors and a counter; one tensor is there under two names with one storage.
fn weights(prefix: &str) -> Vec<u8> {
    let basis = tensor("Float", "1", 2, &[2], &[1]);
    let entries = [
        ("fc.weight", tensor("Float", "0", 6, &[2, 3], &[3, 1])),
        (BASIS, basis.clone()),
        (COPY, basis),
        ("bn1.num_batches_tracked", tensor("Long", "2", 1, &[], &[])),
    ]
    .map(|(name, tensor)| (format!("{prefix}{name}"), tensor));
    dict(&entries.each_ref().map(|(name, tensor)| (name.as_str(), tensor.clone())))
}

fn checkpoint(weights: Vec<u8>) -> Vec<u8> {
    let accuracy = [b"G", &92.5f64.to_be_bytes()[..]].concat();
    pickle(&dict(&[(WEIGHTS, weights), ("acc", accuracy), ("epoch", int(7))]))
}

/// How many values the storages have, and their bytes.
fn storages() -> [(i64, Vec<u8>); 3] {
    let floats = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect();
    [
        (6, floats(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])),
        (2, floats(&[0.5, -0.25])),
        (1, 300i64.to_le_bytes().to_vec()),
    ]
}

fn legacy(checkpoint: &[u8]) -> Vec<u8> {
    writer::legacy(checkpoint, &storages())
}

fn archive(checkpoint: &[u8]) -> Vec<u8> {
    archive_in("a", checkpoint)
}

/// The archive of a file whose name at saving was this one.
fn archive_in(stem: &str, checkpoint: &[u8]) -> Vec<u8> {
    let storages = storages().map(|(_, bytes)| bytes);
    writer::archive(stem, checkpoint, &storages)
}

/// The tensors of a checkpoint that are expected, by its own names.
fn read_as(bytes: &[u8], expected: &BTreeMap<String, Vec<usize>>) -> Result<State> {
    let mut checkpoint = Checkpoint::open(Cursor::new(bytes))?;
    let chosen = choose(&checkpoint.tree, &checkpoint.root, None)?;
    let (listed, _) = chosen.tensors(&checkpoint.tree);
    let naming = Naming::of(listed.iter().map(|tensor| &*tensor.name), expected);
    let config = ModelConfig::new("cifar10/resnet20-s8u1".parse().expect("a name"));
    let compared = compare(listed, &naming, expected);
    let (tensors, _) = compared.map_err(|problem| wrong(&config, problem))?;
    checkpoint.read(tensors)
}

fn read(bytes: &[u8]) -> Result<State> {
    read_as(bytes, &expected())
}

/// What is wrong with a file.
fn fault(bytes: &[u8]) -> String {
    read(bytes).expect_err("a fault").to_string()
}

/// What is wrong with a checkpoint that has one more tensor or other value.
fn fault_with(name: &str, value: &[u8]) -> String {
    let weights = [weights(""), text(name), value.to_vec(), b"s".to_vec()].concat();
    fault(&legacy(&checkpoint(weights)))
}

#[test]
fn both_formats_load_with_repeated_bases_prefixes_and_without_a_top_level_key() {
    for prefix in ["", "module.", "_orig_mod.module."] {
        for checkpoint in [checkpoint(weights(prefix)), pickle(&weights(prefix))] {
            for bytes in [legacy(&checkpoint), archive(&checkpoint)] {
                let state = read(&bytes).expect("a checkpoint");
                assert_eq!(state.len(), 3, "the counter is left out");
                let fc = &state[&format!("{prefix}fc.weight")];
                assert_eq!(fc.shape().to_vec(), [2, 3]);
                assert_eq!(fc.iter::<f32>().collect::<Vec<_>>(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
                for name in [BASIS, COPY] {
                    let basis = &state[&format!("{prefix}{name}")];
                    assert_eq!(basis.iter::<f32>().collect::<Vec<_>>(), [0.5, -0.25]);
                }
            }
        }
    }
}

#[test]
fn tensors_are_read_by_their_strides() {
    let weights = |shape: &[i32], strides: &[i32]| {
        let tensor = tensor("Float", "0", 6, shape, strides);
        archive(&pickle(&dict(&[("fc.weight", tensor)])))
    };
    for (shape, strides, expected) in [
        ([2, 3], [1, 2], vec![1.0, 3.0, 5.0, 2.0, 4.0, 6.0]),
        ([3, 2], [2, 0], vec![1.0, 1.0, 3.0, 3.0, 5.0, 5.0]),
        ([2, 0], [0, 1], vec![]),
    ] {
        let named = [("fc.weight".to_string(), shape.map(|size| size as usize).to_vec())].into();
        let state = read_as(&weights(&shape, &strides), &named).expect("a checkpoint");
        let read = state["fc.weight"].iter::<f32>().collect::<Vec<_>>();
        assert_eq!(read, expected, "{strides:?}");
    }
    let beyond = fault(&weights(&[2, 3], &[1 << 20, 1]));
    assert!(beyond.contains("too short for its tensors"), "{beyond}");
    let far = fault(&weights(&[2, 3], &[1 << 30, 1]));
    assert!(far.contains("around its tensors"), "{far}");
}

#[test]
fn torchvisions_shortcuts_are_the_authors() {
    let entries = [("layer2.0.downsample.1.bias", tensor("Float", "1", 2, &[2], &[1]))];
    let bytes = archive(&pickle(&dict(&entries)));
    let expected = [("layer2.0.shortcut.1.bias".to_string(), vec![2])].into();
    let state = read_as(&bytes, &expected).expect("a checkpoint");
    assert_eq!(state.into_keys().collect::<Vec<_>>(), ["layer2.0.downsample.1.bias"]);
}

#[test]
fn names_of_every_length_and_compressed_archives_load() {
    let checkpoint = checkpoint(weights(""));
    for length in 1..80 {
        read(&archive_in(&"n".repeat(length), &checkpoint)).expect("a checkpoint");
    }
    for bytes in [deflated(&checkpoint, false), deflated(&checkpoint, true)] {
        assert_eq!(read(&bytes).expect("a checkpoint"), read(&archive(&checkpoint)).expect("same"));
    }
}

/// An archive whose entries are compressed, with sizes of eight bytes where `large`.
fn deflated(checkpoint: &[u8], large: bool) -> Vec<u8> {
    let storages = storages().map(|(_, bytes)| bytes);
    let names = ["a/data.pkl", "a/data/0", "a/data/1", "a/data/2", "__MACOSX/a/._data.pkl"];
    let files = [checkpoint, &storages[0], &storages[1], &storages[2], b"junk"];
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, file) in names.iter().zip(files) {
        let mut encoder = DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(file).expect("packed");
        let packed = encoder.finish().expect("packed");
        let mut crc = flate2::Crc::new();
        crc.update(file);
        let at = bytes.len();
        let sizes = [packed.len(), file.len()].map(|size| (size as u32).to_le_bytes());
        let name_length = (name.len() as u16).to_le_bytes();
        let method = [&[0u8, 0, 8, 0, 0, 0, 0, 0][..], &crc.sum().to_le_bytes()].concat();
        bytes.extend(
            [&b"PK\x03\x04\x14\0"[..], &method, &sizes.concat(), &name_length, &[0; 2]].concat(),
        );
        bytes.extend([name.as_bytes(), &packed].concat());
        let extra =
            [file.len(), packed.len(), at].map(|number| (number as u64).to_le_bytes()).concat();
        let extra = if large { [&[1, 0, 24, 0][..], &extra].concat() } else { Vec::new() };
        let sizes = if large { [[0xff; 4]; 2] } else { sizes };
        let place = if large { [0xff; 4] } else { (at as u32).to_le_bytes() };
        let lengths = [name_length, (extra.len() as u16).to_le_bytes()].concat();
        directory.extend(
            [&b"PK\x01\x02\x14\0\x14\0"[..], &method, &sizes.concat(), &lengths, &[0; 10], &place]
                .concat(),
        );
        directory.extend([name.as_bytes(), &extra].concat());
    }
    let at = bytes.len() as u32;
    let count = (names.len() as u16).to_le_bytes();
    bytes.extend(&directory);
    let size = (directory.len() as u32).to_le_bytes();
    bytes.extend(
        [&b"PK\x05\x06\0\0\0\0"[..], &count, &count, &size, &at.to_le_bytes(), &[0; 2]].concat(),
    );
    bytes
}

#[test]
fn bombs_and_damage_in_archives_are_refused() {
    let whole = archive(&checkpoint(weights("")));
    let mut damaged = whole.clone();
    let at = whole.windows(4).position(|bytes| bytes == 6.0f32.to_le_bytes()).expect("a number");
    damaged[at] ^= 1;
    let message = fault(&damaged);
    assert!(message.contains("\"a/data/0\" is damaged: its checksum"), "{message}");
    // A size beyond what the packed bytes give.
    let mut bomb = deflated(&checkpoint(weights("")), false);
    let directory = bomb.windows(4).position(|bytes| bytes == b"PK\x01\x02").expect("a directory");
    bomb[directory + 24..directory + 28].copy_from_slice(&(1u32 << 26).to_le_bytes());
    assert!(fault(&bomb).contains("damaged"), "{}", fault(&bomb));
    bomb[directory + 24..directory + 28].copy_from_slice(&0xffff_fff0u32.to_le_bytes());
    assert!(fault(&bomb).contains("when unpacked"), "{}", fault(&bomb));
}

#[test]
fn damage_never_panics() {
    let checkpoint = checkpoint(weights(""));
    for whole in [legacy(&checkpoint), archive(&checkpoint), deflated(&checkpoint, true)] {
        read(&whole).expect("whole");
        let mut bytes = whole.clone();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                bytes[at] ^= 1 << bit;
                // A number or a name that nobody looks at may change unnoticed.
                let _ = read(&bytes);
                bytes[at] ^= 1 << bit;
            }
        }
        for length in 0..bytes.len() {
            read(&bytes[..length]).expect_err("truncated");
        }
    }
}

#[test]
fn foreign_tensors_are_refused_by_the_files_own_names() {
    let name = "layer1.0.conv1.weight";
    let extra = fault_with(name, &tensor("Float", "1", 2, &[2], &[1]));
    assert!(extra.contains(&format!("tensor \"{name}\" does not belong")), "{extra}");
    let dtype = fault_with("fc.weight", &tensor("Long", "2", 1, &[1], &[1]));
    assert!(dtype.contains("floating point numbers of 16, 32 or 64 bits, got I64"), "{dtype}");
    let shape = fault_with("fc.weight", &tensor("Float", "0", 6, &[3, 2], &[2, 1]));
    assert!(shape.contains("expected shape [2, 3], got [3, 2]"), "{shape}");
    // 4 GiB if it were read.
    let large = fault_with(BASIS, &tensor("Float", "1", 2, &[1 << 30], &[0]));
    assert!(large.contains("expected shape [2], got [1073741824]"), "{large}");

    let entries = [
        ("module.fc.bias", tensor("Float", "1", 2, &[2], &[1])),
        ("module.fc.weight", tensor("Float", "0", 6, &[2, 3], &[3, 1])),
    ];
    let prefixed = fault(&archive(&checkpoint(dict(&entries))));
    assert!(prefixed.contains("tensor \"module.fc.bias\" does not belong"), "{prefixed}");
}

#[test]
fn what_profilers_and_averages_leave_behind_is_passed_over() {
    for name in ["fc.total_ops", "total_params", "n_averaged", "layer1.0.bn1.num_batches_tracked"] {
        let extra = [text(name), tensor("Long", "2", 1, &[1], &[1]), b"s".to_vec()].concat();
        let weights = [weights(""), extra, text("epoch"), int(3), b"s".to_vec()].concat();
        assert_eq!(read(&legacy(&checkpoint(weights))).expect("a checkpoint").len(), 3, "{name}");
    }
}

#[test]
fn hostile_files_are_refused() {
    let call = [b"cos\nsystem\n(", &text("true")[..], b"tR"].concat();
    let message = fault_with("fc.weight", &call);
    assert!(message.contains("got \"os.system\""), "{message}");

    let nested = [b"]".repeat(10_000), b"a".repeat(9_999)].concat();
    let message = fault_with("fc.weight", &nested);
    assert!(message.contains("nested containers"), "{message}");
    // A long text is nothing that could be a tensor, and takes no memory.
    let long = text(&"a".repeat(1 << 20));
    let weights = [weights(""), text("fc.weight"), long, b"s".to_vec()].concat();
    let state = read(&legacy(&checkpoint(weights))).expect("a checkpoint without it");
    assert!(!state.contains_key("fc.weight"));
}

#[test]
fn other_files_are_refused() {
    let device = Device::flex();
    let config = ModelConfig::new("cifar10/resnet20-s8u1".parse().expect("a name"));
    let folder = tempfile::tempdir().expect("a folder");
    let fault = |path: PathBuf| load_pytorch(path, &config, &device).expect_err("a fault");
    let message = fault(folder.path().to_path_buf()).to_string().to_lowercase();
    assert!(message.contains("is a directory"), "{message}");
    let FileProblem::Io(error) = *fault(folder.path().join("none")).problem else {
        panic!("there is no such file");
    };
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    for (bytes, reason) in [
        (&b""[..], "the file is empty"),
        (b"weights go here\n", "torch.save writes no file that starts like this"),
        (b"\x80\x02}.", "a pickle that torch.save did not write"),
        (b"PK\x03\x04", "the ZIP archive has no end"),
    ] {
        let message = read(bytes).expect_err("a fault").to_string();
        assert!(message.contains(reason), "{message}");
    }
}

#[cfg(unix)]
#[test]
fn pipes_and_devices_are_refused_without_opening_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo").success());
    let config = ModelConfig::new("cifar10/resnet20-s8u1".parse().expect("a name"));
    for path in [pipe, PathBuf::from("/dev/zero")] {
        let problem = load_pytorch(path, &config, &Device::flex()).expect_err("no file");
        assert!(problem.to_string().contains("not a regular file"), "{problem}");
    }
}

#[test]
fn the_authors_checkpoints_load() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/checkpoints");
    if !root.is_dir() {
        eprintln!("skipped: no {}", root.display());
        return;
    }
    for (file, name) in [
        ("CIFAR10_ResNet32_Double_S16U1_6.93err.pth", "cifar10/resnet32-s16u1-double"),
        ("CIFAR10_ResNet32_S8U1_8.08err.pth", "cifar10/resnet32-s8u1"),
        ("CIFAR10_ResNet56_S8U1_7.52err.pth", "cifar10/resnet56-s8u1"),
    ] {
        let config = ModelConfig::new(name.parse().expect("a name"));
        let model = load_pytorch(root.join(file), &config, &Device::flex());
        model.expect("a checkpoint of the authors");
    }
}
