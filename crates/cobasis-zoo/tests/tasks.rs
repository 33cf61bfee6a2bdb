//! Files of tasks: what they hold, which base they are for, and what damaged ones do.

use std::collections::HashMap;

use burn::tensor::{Device, Tensor, TensorData};
use cobasis_zoo::files::{self, FileProblem};
use cobasis_zoo::{AdapterKind, DetectorConfig, HeadKind, Model, ModelConfig};
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};

const NAME: &str = "digits/resnet14-s4u1";

fn base(name: &str, seed: u64) -> Model {
    ModelConfig::new(name.parse().expect("a name")).with_seed(seed).init(&Device::flex())
}

fn task(base: &Model, kind: &str) -> Model {
    let kind = kind.parse().expect("a kind");
    base.clone().with_adapter(kind, 3).expect("a task")
}

fn bytes(kind: &str) -> Vec<u8> {
    files::task_to_bytes(&task(&base(NAME, 1), kind)).expect("a task")
}

fn logits(model: &Model) -> Vec<f32> {
    let values: Vec<f32> = (0..128).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect();
    let images = TensorData::new(values, [2, 1, 8, 8]);
    let images = Tensor::<4>::from_data(images, &Device::flex());
    model.forward(images).into_data().iter::<f32>().collect()
}

/// What is wrong with a file on the base that it was made for.
fn refused(bytes: &[u8]) -> String {
    let problem = files::task_from_bytes(base(NAME, 1), bytes).map(|_| ()).expect_err("refused");
    let line = problem.to_string();
    assert!(!line.contains('\n') && line.len() < 600, "{line}");
    line
}

type Tensors = HashMap<String, (Vec<usize>, Vec<u8>)>;

/// The file with other metadata or tensors.
fn changed(
    bytes: &[u8],
    change: impl FnOnce(&mut HashMap<String, String>, &mut Tensors),
) -> Vec<u8> {
    let (_, read) = SafeTensors::read_metadata(bytes).expect("a header");
    let mut metadata = read.metadata().clone().expect("metadata");
    let file = SafeTensors::deserialize(bytes).expect("a file");
    let tensors = file.tensors().into_iter();
    let mut tensors: Tensors =
        tensors.map(|(name, view)| (name, (view.shape().to_vec(), view.data().to_vec()))).collect();
    change(&mut metadata, &mut tensors);
    let views = tensors.iter().map(|(name, (shape, data))| {
        (name, TensorView::new(Dtype::F32, shape.clone(), data).expect("a tensor"))
    });
    serialize(views, Some(metadata)).expect("written")
}

#[test]
fn a_task_comes_back_on_its_base() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("task.safetensors");
    let base = base(NAME, 1);
    let whole = files::to_bytes(&base);
    for kind in AdapterKind::ALL {
        let mut task = task(&base, &kind.to_string());
        let mut state = task.state();
        let moves = |name: &str| kind == AdapterKind::Full || name.starts_with("adapter.");
        for (_, data) in state.iter_mut().filter(|(name, _)| moves(name)) {
            let values: Vec<f32> = data.iter::<f32>().map(|value| value + 0.1).collect();
            *data = TensorData::new(values, data.shape().to_vec());
        }
        task = task.config.init_from(state, &Device::flex()).expect("its own tensors");
        files::save_task(&task, &path).expect("saved");
        let (again, notes) = files::open_task(base.clone(), &path).expect("opened");
        assert_eq!(again.state(), task.state(), "{kind}");
        assert_eq!(again.config, task.config, "{kind}");
        assert_eq!(logits(&again), logits(&task), "{kind}");
        assert_eq!(notes, files::Notes::default(), "{kind}");
        let written = std::fs::read(&path).expect("a file");
        assert_eq!(files::task_to_bytes(&again).expect("a task"), written, "{kind}");
        let file = SafeTensors::deserialize(&written).expect("a file");
        let is_of_task = |name: &&str| name.starts_with("adapter.") || name.starts_with("head.");
        if kind != AdapterKind::Full {
            assert!(file.names().iter().all(is_of_task), "{kind}");
            assert!(written.len() < whole.len(), "{kind}: {}", written.len());
        }
    }
    assert_eq!(files::to_bytes(&base), whole);
}

#[test]
fn a_base_is_known_by_the_sum_of_its_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("base.safetensors");
    let base = base(NAME, 1);
    files::save(&base, &path).expect("saved");
    let opened = files::load(&path, &Device::flex()).expect("a model");
    assert_eq!(files::sha256(&opened), files::sha256(&base));
    use sha2::Digest;
    let sum = sha2::Sha256::digest(std::fs::read(&path).expect("a file"));
    let sum: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(files::sha256(&base), sum);
    let task = task(&base, "norms");
    assert_eq!(task.config.adapter.expect("an adapter").base_sha256, sum);
}

#[test]
fn another_base_is_refused_by_both_sums() {
    for (kind, other) in [("rank1", base(NAME, 2)), ("full", base("digits/resnet14", 1))] {
        let own = base(NAME, 1);
        let bytes = files::task_to_bytes(&task(&own, kind)).expect("a task");
        let error = files::task_from_bytes(other.clone(), &bytes).map(|_| ());
        let error = error.expect_err("another base");
        assert!(matches!(error, FileProblem::OtherBase { .. }));
        let line = error.to_string();
        for part in [files::sha256(&own), files::sha256(&other), other.config.name.to_string()] {
            assert!(line.contains(&part), "{line}");
        }
    }
}

#[test]
fn tasks_and_models_are_not_taken_for_each_other() {
    let (base, device) = (base(NAME, 1), Device::flex());
    let task = task(&base, "mask");
    let bytes = files::task_to_bytes(&task).expect("a task");
    let alone = files::open_bytes(&bytes, None, &device).map(|_| ()).expect_err("no network");
    let line = alone.to_string();
    assert!(line.contains(NAME) && line.contains(&files::sha256(&base)), "{line}");
    assert!(matches!(alone, FileProblem::Task { .. }));
    let whole = files::task_from_bytes(base.clone(), &files::to_bytes(&base)).map(|_| ());
    assert!(matches!(whole, Err(FileProblem::NotTask)));
    let twice = files::task_from_bytes(task, &bytes).map(|_| ());
    assert!(matches!(twice, Err(FileProblem::AdaptedBase(AdapterKind::Mask))));
    assert!(matches!(files::task_to_bytes(&base), Err(FileProblem::NoAdapter { .. })));
}

#[test]
fn hostile_files_are_refused_in_a_line() {
    let good = bytes("rank1");
    let with = |key: &'static str, value: &str| {
        let value = value.to_string();
        refused(&changed(&good, |metadata, _| drop(metadata.insert(key.to_string(), value))))
    };
    let lines = [
        (with("adapter", "rank9999"), "metadata \"adapter\": expected \"head\""),
        (with("adapter", "rank64"), "expected shape"),
        (with("adapter", "mlp"), "is missing"),
        (with("adapter", "norms"), "does not belong to the model"),
        (with("adapter", &"x".repeat(100_000)), "metadata \"adapter\": expected"),
        (with("base_sha256", "0123"), "expected 64 hexadecimal digits"),
        (with("base_sha256", &"A".repeat(64)), "expected 64 hexadecimal digits"),
        (with("base_sha256", &"0".repeat(64)), "for which the task was made"),
        (with("base_classes", "0"), "expected a number from 1"),
        (with("base_classes", "11"), "for which the task was made"),
        (with("num_classes", "65536"), "expected shape"),
        (with("in_channels", "3"), "for which the task was made"),
        (with("model", "imagenet/resnet101"), "expected the base imagenet/resnet101"),
        (with("model", "digits/resnet14-hinge9999"), "training cuts its filters"),
        (with("format", "cobasis-1"), "does not hold a task"),
    ];
    for (line, said) in lines {
        assert!(line.contains(said), "{said}: {line}");
    }
    let no_kind = changed(&good, |metadata, _| drop(metadata.remove("adapter")));
    assert!(refused(&no_kind).contains("no metadata \"adapter\""));
    // A tensor of the base can't be brought along.
    let smuggled = changed(&good, |_, tensors| {
        let weight = (vec![16, 1, 3, 3], vec![0; 16 * 9 * 4]);
        tensors.insert("stem.conv.weight".to_string(), weight);
    });
    assert!(refused(&smuggled).contains("\"stem.conv.weight\" does not belong"));
    let without = changed(&good, |_, tensors| drop(tensors.remove("head.bias")));
    assert!(refused(&without).contains("\"head.bias\" is missing"));
    let other = changed(&good, |_, tensors| {
        tensors.insert("head.bias".to_string(), (vec![4], vec![0; 16]));
    });
    assert!(refused(&other).contains("expected shape [3], got [4]"));
    for end in [0, 7, 8, 100, good.len() - 1] {
        refused(&good[..end]);
    }
}

#[test]
fn numbers_that_no_network_can_use_are_told() {
    let faulty = changed(&bytes("film"), |_, tensors| {
        tensors.insert("head.bias".to_string(), (vec![3], f32::NAN.to_le_bytes().repeat(3)));
    });
    let (_, notes) = files::task_from_bytes(base(NAME, 1), &faulty).expect("a task");
    assert!(notes.faulty().expect("a note").contains("\"head.bias\" (3 NaN)"));
}

#[test]
fn a_detector_can_be_a_base() {
    let device = Device::flex();
    let shared = HeadKind::Shared { shared: 16, unique: 1 };
    let detector = DetectorConfig::new([64, 96]).with_head(shared);
    let name = "bccd/resnet14-s8u1".parse().expect("a name");
    let base = ModelConfig::new(name).with_detector(detector).init(&device);
    let images = Tensor::<4>::ones([1, 3, 64, 96], &device);
    for kind in ["rank1", "unique", "norms", "full"] {
        let task = base.clone().with_adapter(kind.parse().expect("a kind"), 3).expect("a task");
        let output = task.forward(images.clone());
        assert_eq!(output.dims(), [1, 120 * (5 + 3)], "{kind}");
        let bytes = files::task_to_bytes(&task).expect("a task");
        let file = SafeTensors::deserialize(&bytes).expect("a file");
        assert!(file.names().contains(&"head.bases.0.weight"), "{kind}");
        let stored: usize = file.iter().map(|(_, it)| it.shape().iter().product::<usize>()).sum();
        assert_eq!(task.adapter_count().expect("a task").stored(), stored as u64, "{kind}");
        let (again, _) = files::task_from_bytes(base.clone(), &bytes).expect("its base");
        assert_eq!(again.state(), task.state(), "{kind}");
        let deployed = task.deploy(&device);
        assert_eq!(deployed.macs([64, 96]), base.deploy(&device).macs([64, 96]), "{kind}");
        assert_eq!(deployed.forward(images.clone()).dims(), output.dims(), "{kind}");
    }
}
