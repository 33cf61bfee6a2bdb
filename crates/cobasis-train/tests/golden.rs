//! A run of an earlier version (commit 36f2593), stopped after its first epoch, is resumed as that
//! version would have gone on.

use std::fs;
use std::path::Path;

use burn::tensor::Device;
use cobasis_train::DeviceName;
use cobasis_train::config::Config;
use cobasis_train::train::run;
use cobasis_zoo::files;

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).expect("copied")),
        }
    }
}

/// The cross entropies that commit 36f2593 found in the second epoch, in training and evaluation.
/// The last digits depend on the vector unit of the processor.
const SECOND_EPOCH: [f64; 2] = [2.184917552498594, 2.299083266803244];

#[test]
fn an_earlier_versions_run_is_resumed() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/run");
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("run");
    copy(&golden, &out);
    let text = fs::read_to_string(golden.join("config.toml")).expect("a configuration");
    let config = Config::parse_with("config.toml", &text, &[]).expect("a configuration");
    run(&config, DeviceName::Flex, Some(&out), "test", &mut ()).expect("resumed");

    let metrics = fs::read_to_string(out.join("metrics.csv")).expect("metrics");
    let header: Vec<&str> = metrics.lines().next().expect("a header").split(',').collect();
    let rows: Vec<Vec<&str>> =
        metrics.lines().skip(1).map(|row| row.split(',').collect()).collect();
    assert_eq!(rows.len(), 2, "{metrics}");
    for (column, expected) in ["train_cross_entropy", "val_cross_entropy"].iter().zip(SECOND_EPOCH)
    {
        let index = header.iter().position(|name| name == column).expect("a column");
        let got: f64 = rows[1][index].parse().expect("a number");
        assert!((got / expected - 1.0).abs() < 1e-4, "{column}: {got} is not {expected}");
    }
    let model = files::load(out.join("last.safetensors"), &Device::flex()).expect("a model");
    assert_eq!(model.config.name.to_string(), "digits/resnet14-s1u1");
}
