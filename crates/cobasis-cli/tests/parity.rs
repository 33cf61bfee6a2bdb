//! Parity with the fixtures that lie beside a checkout, where they do; without them these tests
//! say so and check nothing, unless `COBASIS_REQUIRE` has `parity`.

mod require;

use std::path::{Path, PathBuf};

use cobasis_cli::parity::check;
use cobasis_train::DeviceName;
use require::skip;

/// The fixtures whose names start like this.
fn fixtures(start: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/parity");
    let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into());
            name.starts_with(start) && name.ends_with(".json")
        })
        .collect();
    found.sort();
    if found.is_empty() {
        skip("parity", &format!("no fixtures {start}* in ../shared/parity"));
    }
    found
}

fn passes(path: &Path, device: DeviceName) {
    let device = device.open().expect("a processor");
    let reports = check(path, &device, None, |_, _| {}).expect("a fixture");
    for report in reports {
        assert!(report.passed(), "{report:?}");
    }
}

#[test]
fn every_model_agrees_on_flex() {
    for start in ["cifar10-", "cifar100-", "ilsvrc-", "model-counts"] {
        fixtures(start).iter().for_each(|path| passes(path, DeviceName::Flex));
    }
}

#[test]
fn a_small_resnet_agrees_on_ndarray() {
    fixtures("cifar10-resnet-ResNet20").iter().for_each(|path| passes(path, DeviceName::NdArray));
}

#[test]
fn a_reference_that_is_off_is_found() {
    let Some(path) = fixtures("cifar10-resnet-ResNet20").pop() else { return };
    let text = std::fs::read_to_string(path).expect("a fixture");
    let mut fixture: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("off.json");
    let logit = fixture["eval_logits"][0][0].as_f64().expect("a logit");
    fixture["eval_logits"][0][0] = (logit * 1.0001 + 0.01).into();
    std::fs::write(&path, fixture.to_string()).expect("written");
    let device = DeviceName::Flex.open().expect("a processor");
    let reports = check(&path, &device, None, |_, _| {}).expect("a fixture");
    let failed = reports[0].checks.iter().filter(|check| !check.passed());
    assert_eq!(failed.map(|check| check.what).collect::<Vec<_>>(), ["eval logits"]);
}
