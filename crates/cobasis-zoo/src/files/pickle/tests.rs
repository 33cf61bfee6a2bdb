//! Checkpoints that a minimal pickler of these tests writes, whole, damaged and hostile.

use std::fs::{self, File};
use std::io::{Cursor, Seek, SeekFrom, Write};
use std::path::PathBuf;

use burn::tensor::Device;
use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;
use crate::config::ModelConfig;
use crate::files::load_pytorch;

const BASIS: &str = "shared_basis_1.weight";
const COPY: &str = "layer1.1.shared_basis.weight";

fn model() -> ModelName {
    "cifar10/resnet20-s8u1".parse().expect("a name")
}

fn expected() -> BTreeMap<String, Vec<usize>> {
    [("fc.weight", vec![2, 3]), (BASIS, vec![2]), (COPY, vec![2])]
        .map(|(name, shape)| (name.to_string(), shape))
        .into()
}

fn text(text: &str) -> Vec<u8> {
    let length = text.len() as u32;
    [b"X", &length.to_le_bytes()[..], text.as_bytes()].concat()
}

fn int(number: i32) -> Vec<u8> {
    [b"J", &number.to_le_bytes()[..]].concat()
}

fn tuple(values: &[Vec<u8>]) -> Vec<u8> {
    [b"(", &values.concat()[..], b"t"].concat()
}

fn dict(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let entries = entries.iter().map(|(key, value)| [text(key), value.clone()].concat());
    [b"}(", &entries.collect::<Vec<_>>().concat()[..], b"u"].concat()
}

fn pickle(value: &[u8]) -> Vec<u8> {
    [b"\x80\x02", value, b"."].concat()
}

/// A tensor in a storage of `numel` values; `kind` is `Float` or `Long`.
fn tensor(kind: &str, key: &str, numel: i32, shape: &[i32], strides: &[i32]) -> Vec<u8> {
    let class = format!("ctorch\n{kind}Storage\n").into_bytes();
    let storage = [text("storage"), class, text(key), text("cpu"), int(numel)];
    let numbers = |numbers: &[i32]| tuple(&numbers.iter().map(|n| int(*n)).collect::<Vec<_>>());
    let arguments = tuple(&[
        [&tuple(&storage)[..], b"Q"].concat(),
        int(0),
        numbers(shape),
        numbers(strides),
        b"\x89".to_vec(),
        b"ccollections\nOrderedDict\n)R".to_vec(),
    ]);
    [b"ctorch._utils\n_rebuild_tensor_v2\n", &arguments[..], b"R"].concat()
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
    let keys = ["0", "1", "2"].map(text).concat();
    let storages = storages().map(|(numel, bytes)| [numel.to_le_bytes().to_vec(), bytes].concat());
    [
        b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.".to_vec(),
        pickle(b"M\xe9\x03"),
        pickle(&dict(&[("little_endian", b"\x88".to_vec())])),
        checkpoint.to_vec(),
        pickle(&[b"](", &keys[..], b"e"].concat()),
        storages.concat(),
    ]
    .concat()
}

fn archive(checkpoint: &[u8]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let mut entry = |name: String, bytes: &[u8]| {
        let options = SimpleFileOptions::default();
        let options = options.compression_method(zip::CompressionMethod::Stored);
        archive.start_file(name, options).expect("an entry");
        archive.write_all(bytes).expect("written");
    };
    entry("a/data.pkl".to_string(), checkpoint);
    entry("a/version".to_string(), b"3\n");
    for (key, (_, bytes)) in storages().iter().enumerate() {
        entry(format!("a/data/{key}"), bytes);
    }
    archive.finish().expect("written").into_inner()
}

/// A folder with room for one file.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().expect("a folder"))
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("checkpoint.pth")
    }

    fn read(&self, bytes: &[u8]) -> Result<State, FileProblem> {
        fs::write(self.path(), bytes).expect("written");
        read(&self.path(), &model(), &expected())
    }
}

/// What is wrong with a file.
fn fault(bytes: &[u8]) -> String {
    let result = Folder::new().read(bytes);
    result.expect_err("a fault").to_string()
}

/// What is wrong with a checkpoint that has one more tensor or other value.
fn fault_with(name: &str, value: &[u8]) -> String {
    let weights = [weights(""), text(name), value.to_vec(), b"s".to_vec()].concat();
    fault(&legacy(&checkpoint(weights)))
}

#[test]
fn both_formats_load_with_repeated_bases_prefixes_and_without_a_top_level_key() {
    let folder = Folder::new();
    for prefix in ["", "module."] {
        for checkpoint in [checkpoint(weights(prefix)), pickle(&weights(prefix))] {
            for bytes in [legacy(&checkpoint), archive(&checkpoint)] {
                let state = folder.read(&bytes).expect("a checkpoint");
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
fn torchvisions_shortcuts_are_the_authors() {
    let folder = Folder::new();
    let entries = [("layer2.0.downsample.1.bias", tensor("Float", "1", 2, &[2], &[1]))];
    fs::write(folder.path(), archive(&pickle(&dict(&entries)))).expect("written");
    let expected = [("layer2.0.shortcut.1.bias".to_string(), vec![2])].into();
    let state = read(&folder.path(), &model(), &expected).expect("a checkpoint");
    assert_eq!(state.into_keys().collect::<Vec<_>>(), ["layer2.0.downsample.1.bias"]);
}

#[test]
fn damage_never_panics() {
    let folder = Folder::new();
    for bytes in [legacy(&checkpoint(weights(""))), archive(&checkpoint(weights("")))] {
        folder.read(&bytes).expect("whole");
        let file = File::options().write(true).open(folder.path());
        let mut file = file.expect("the file");
        let mut put = |at: usize, byte: u8| {
            file.seek(SeekFrom::Start(at as u64)).expect("a place");
            file.write_all(&[byte]).expect("written");
        };
        for (at, byte) in bytes.iter().enumerate() {
            for bit in 0..8 {
                put(at, byte ^ 1 << bit);
                // A number or a name that nobody looks at may change unnoticed.
                let _ = read(&folder.path(), &model(), &expected());
            }
            put(at, *byte);
        }
        for length in (0..bytes.len()).rev() {
            file.set_len(length as u64).expect("truncated");
            read(&folder.path(), &model(), &expected()).expect_err("truncated");
        }
    }
}

#[test]
fn foreign_tensors_are_refused_by_the_files_own_names() {
    let name = "layer1.0.conv1.weight";
    let extra = fault_with(name, &tensor("Float", "1", 2, &[2], &[1]));
    assert!(extra.contains(&format!("tensor \"{name}\" does not belong")), "{extra}");
    let dtype = fault_with("fc.weight", &tensor("Long", "2", 1, &[1], &[1]));
    assert!(dtype.contains("32-bit floating point numbers, got I64"), "{dtype}");
    let shape = fault_with("fc.weight", &tensor("Float", "0", 6, &[3, 2], &[2, 1]));
    assert!(shape.contains("expected shape [2, 3], got [3, 2]"), "{shape}");
    // 4 GiB if it were read.
    let large = fault_with(BASIS, &tensor("Float", "1", 2, &[1 << 30], &[0]));
    assert!(large.contains("expected shape [2], got [1073741824]"), "{large}");

    let entries = [("module.fc.bias", tensor("Float", "1", 2, &[2], &[1]))];
    let prefixed = fault(&archive(&checkpoint(dict(&entries))));
    assert!(prefixed.contains("tensor \"module.fc.bias\" does not belong"), "{prefixed}");
}

#[test]
fn hostile_files_are_refused() {
    let call = [b"cos\nsystem\n(", &text("true")[..], b"tR"].concat();
    let message = fault_with("fc.weight", &call);
    assert!(message.contains("got \"os.system\""), "{message}");

    let nested = [b"]".repeat(10_000), b"a".repeat(9_999)].concat();
    let message = fault_with("fc.weight", &nested);
    assert!(message.contains("nested containers"), "{message}");
    let message = fault_with("fc.weight", &text(&"a".repeat(1 << 20)));
    assert!(message.contains("256 bytes of text, got 1048576"), "{message}");

    let mut deflated = archive(&checkpoint(weights("")));
    for at in 0..deflated.len() {
        match deflated[at..] {
            [b'P', b'K', 3, 4, ..] => deflated[at + 8] = 8,
            [b'P', b'K', 1, 2, ..] => deflated[at + 10] = 8,
            _ => {}
        }
    }
    let message = fault(&deflated);
    assert!(message.contains("ZIP entry \"a/data.pkl\" is compressed"), "{message}");

    // The reader would take this for a TAR archive.
    let mut tar = legacy(&checkpoint(weights("")));
    tar[257..262].copy_from_slice(b"ustar");
    let message = fault(&tar);
    assert!(message.contains("torch.save writes no file"), "{message}");
}

#[test]
fn other_files_are_refused() {
    let folder = Folder::new();
    let fault = |path: PathBuf| {
        let result = read(&path, &model(), &expected());
        result.expect_err("a fault").to_string().to_lowercase()
    };
    let message = fault(folder.0.path().to_path_buf());
    assert!(message.contains("is a directory"), "{message}");
    let missing = read(&folder.path(), &model(), &expected()).expect_err("nothing there");
    let FileProblem::Io(error) = missing else {
        panic!("{missing}");
    };
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    for (bytes, reason) in [
        (&b""[..], "the file is empty"),
        (b"weights go here\n", "torch.save writes no file"),
        (b"\x80\x02}.", "torch.save writes no file"),
    ] {
        fs::write(folder.path(), bytes).expect("written");
        let message = fault(folder.path());
        assert!(message.contains(reason), "{message}");
    }
}

#[cfg(unix)]
#[test]
fn pipes_and_devices_are_refused_without_opening_them() {
    let folder = Folder::new();
    let made = std::process::Command::new("mkfifo").arg(folder.path()).status();
    assert!(made.expect("mkfifo").success());
    for path in [folder.path(), PathBuf::from("/dev/zero")] {
        let problem = read(&path, &model(), &expected()).expect_err("no file");
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
