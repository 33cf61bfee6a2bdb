//! From a trained dense network to a small one, by the program: compress, fine-tune, deploy.

use std::fs;
use std::process::Command;

use burn::tensor::Device;
use cobasis_zoo::{ModelConfig, save};
use serde_json::Value;
use tempfile::TempDir;

/// Exit code, output and errors of the program.
fn cobasis(folder: &TempDir, line: &str) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cobasis"));
    let output = command.current_dir(folder.path()).args(line.split(' ')).output();
    let output = output.expect("the program runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn done(folder: &TempDir, line: &str) -> String {
    let (code, output, said) = cobasis(folder, line);
    assert_eq!(code, Some(0), "{line}: {said}");
    output
}

/// A folder with a dense network for digits that was trained a little.
fn with_dense() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let line = "train --set model=digits/resnet14 --set train.epochs=2 --set schedule.milestones=[] \
                --out dense --no-live";
    done(&folder, line);
    fs::copy(folder.path().join("dense/best.safetensors"), folder.path().join("dense.safetensors"))
        .expect("copied");
    folder
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn a_dense_network_becomes_small_is_tuned_and_deployed() {
    let folder = with_dense();
    let line = "compress dense.safetensors --params 60000 --all-blocks --dataset digits --images 200 --out s --json";
    let report = json(&done(&folder, line));
    let number = |path: &str| report.pointer(path).and_then(Value::as_f64).expect(path);
    assert!(number("/parameters/after") <= 60_000.0 && number("/parameters/after") > 59_500.0);
    assert_eq!((number("/accuracy/images"), number("/images/count")), (360.0, 200.0));
    assert!(number("/accuracy/after") > 40.0, "{report}");
    assert!(number("/error/outputs") <= number("/error/plain_outputs"));
    // What the report says of the whole is what the program says of the file.
    let model = report["model"].as_str().expect("a name");
    let card = json(&done(&folder, &format!("models info {model} --json")));
    assert_eq!(card["params"]["total"].as_f64(), Some(number("/parameters/after")));
    assert_eq!(card["macs"].as_f64(), Some(number("/macs/after")));
    let evaluated = json(&done(&folder, "eval --checkpoint s --json"));
    assert_eq!(evaluated["top1"].as_f64(), Some(number("/accuracy/after")));
    let layers = report["layers"].as_array().expect("layers");
    let shared = report["shared"].as_array().expect("shared filters");
    let sum = |what: &str| {
        let part = layers.iter().map(|layer| layer.pointer(what).and_then(Value::as_f64));
        part.sum::<Option<f64>>().expect(what)
    };
    let banks: f64 = shared.iter().filter_map(|bank| bank["parameters"].as_f64()).sum();
    let change = sum("/parameters/after") + banks - sum("/parameters/before");
    assert_eq!(change, number("/parameters/after") - number("/parameters/before"));

    let line = "train --init s --set train.epochs=1 --set schedule.milestones=[] \
                --set distill.teacher=dense.safetensors --out small --no-live";
    done(&folder, line);
    let summary = fs::read_to_string(folder.path().join("small/summary.json")).expect("a summary");
    assert!(summary.contains(model) && summary.contains("sha256"), "{summary}");
    done(&folder, "deploy small/best.safetensors --out ready");
    done(&folder, "eval --checkpoint ready");
}

#[test]
fn a_complete_basis_keeps_the_accuracy() {
    let folder = with_dense();
    for to in ["s144u0", "s143u1-all", "digits/resnet14-s72u72-double"] {
        for norms in ["all", "without-inner"] {
            let line = format!(
                "compress dense.safetensors --to {to} --norms {norms} --dataset digits --images 50 \
                 --out whole --force --json"
            );
            let report = json(&done(&folder, &line));
            assert_eq!(report["accuracy"]["before"], report["accuracy"]["after"], "{to}");
            let error = report["error"]["filters"].as_f64().expect("an error");
            assert!(error < 1e-4, "{to}: {error}");
        }
    }
}

#[test]
fn bad_input_is_one_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = |name: &str, file: &str| {
        let config = ModelConfig::new(name.parse().expect("a name"));
        save(&config.init(&Device::flex()), folder.path().join(file)).expect("saved");
    };
    model("digits/resnet14", "dense");
    model("digits/resnet14-s4u1", "shared");
    done(&folder, "deploy dense --out deployed");
    for directory in ["empty", "other/train/a", "other/val/a"] {
        fs::create_dir_all(folder.path().join(directory)).expect("a folder");
    }
    fs::write(folder.path().join("text"), "text").expect("written");
    for (arguments, expected) in [
        ("shared --params 20000", "shared: expected a dense network, got digits/resnet14-s4u1"),
        ("deployed --params 20000", "deployed: "),
        ("text --params 20000", "text: "),
        ("missing --params 20000", "missing: "),
        ("dense --params 100", "no ranks give 100 parameters or fewer: the fewest are "),
        ("dense --macs 100", "no ranks give 100 multiply-accumulates or fewer: the fewest are "),
        ("dense --to s200u1", "at most 144 can be orthonormal"),
        ("dense --to s5000u1", "expected ranks of at most 4096"),
        ("dense --to cifar10/resnet20-s8u1", "--to: expected a sharing form of digits/resnet14"),
        ("dense --to digits/resnet14", "--to: expected a sharing form of digits/resnet14"),
        ("dense --to tied", "only layers with shared and unique filters"),
        ("dense --to s4u1 --images 0", "--images"),
        ("dense --to s4u1 --dataset digits --images 5000", "--images: expected at most the 1437"),
        ("dense --to s4u1 --dataset folder --data empty", "folder: "),
        ("dense --to s4u1 --dataset folder --data other", "other"),
        ("dense --to s4u1 --data nowhere", "nowhere"),
        ("dense --to s4u1 --params 20000", "--params"),
        ("dense --params 20000 --out shared", "exists; give --force"),
        ("dense", "--to"),
    ] {
        let out = if arguments.contains("--out") { "" } else { " --out small" };
        let (code, output, said) = cobasis(&folder, &format!("compress {arguments}{out}"));
        assert_eq!((code, output.as_str()), (Some(2), ""), "{arguments}: {said}");
        assert!(
            said.trim_end().lines().count() == 1 && said.contains(expected),
            "{arguments}: {said}"
        );
        assert!(!folder.path().join("small").exists(), "{arguments}");
    }
}
