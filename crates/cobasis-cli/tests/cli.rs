//! The program as a user meets it: what it prints, and what it says about wrong input.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

fn cobasis(folder: &TempDir, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cobasis"));
    // What the machine's user has downloaded is not for tests.
    command.env("XDG_CACHE_HOME", folder.path().join("cache"));
    command.current_dir(folder.path()).args(arguments).output().expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// The one line that a wrong command gets, with exit code 2 and nothing written.
fn refused(folder: &TempDir, arguments: &[&str]) -> String {
    let before = entries(folder.path());
    let output = cobasis(folder, arguments);
    let line = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {line}");
    assert_eq!(line.lines().count(), 1, "{arguments:?}: {line}");
    assert!(line.starts_with("error: "), "{arguments:?}: {line}");
    assert_eq!(entries(folder.path()), before, "{arguments:?} wrote something");
    line
}

fn entries(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    let mut entries: Vec<String> = entries.collect();
    entries.sort();
    entries
}

#[test]
fn wrong_input_gets_one_line_and_exit_code_2() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, bytes: &[u8]| {
        fs::write(folder.path().join(name), bytes).expect("written");
    };
    file("noise.pth", &[0x80, 2, 0xff, 0xff, 0, 1]);
    file("noise.safetensors", b"no model");
    file("bad.toml", b"[optimizer]\nlrr = 0.1\n");
    file("fixture.json", b"{}");
    fs::create_dir(folder.path().join("cifar-10-batches-bin")).expect("a folder");
    file("cifar-10-batches-bin/test_batch.bin", &[0; 1000]);
    let cases: &[(&[&str], &str)] = &[
        (&["--frobnicate"], "--frobnicate"),
        (&["trian"], "train"),
        (&["train", "--config", "none.toml"], "none.toml: no such configuration file"),
        (
            &["train", "--config", "bad.toml"],
            "optimizer.lrr: unknown key; did you mean optimizer.lr",
        ),
        (&["train", "--set", "train.epochs=many"], "train.epochs: expected an integer"),
        (&["train", "--set", "model=cifar10/resnet33"], "did you mean \"cifar10/resnet32\""),
        (&["train", "--device", "gpu"], "expected flex | ndarray | wgpu"),
        (&["train", "--seed", "-1"], "--seed"),
        (&["train", "--out", "cifar-10-batches-bin"], "holds no run to resume"),
        (&["train", "--out", "bad.toml"], "expected a new or empty directory, got a file"),
        (
            &["train", "--set", "model=cifar10/resnet20", "--set", "data.name=cifar10"],
            "cifar10: no directory given",
        ),
        (&["train", "--set", "data.name=mnist"], "mnist: no directory given"),
        (&["data", "fetch", "cifar"], "did you mean \"cifar10\""),
        (&["data", "fetch", "digits"], "built into the program"),
        (&["data", "fetch", "imagenet"], "cannot be downloaded by this program"),
        (&["data", "fetch", "cifar10", "--sha256", "00"], "expected 64 hexadecimal digits"),
        (&["data", "fetch", "cifar10", "--url", "mirror"], "expected http:// or https://"),
        (
            &["data", "fetch", "cifar10", "--dir", "bad.toml"],
            "bad.toml: cannot create the directory",
        ),
        (&["bench", "data", "--workers", "1,x"], "--workers"),
        (&["bench", "data", "--seconds", "-1"], "-1 is not in 1..=3600"),
        (&["config", "explain", ""], "\"\": unknown key"),
        (&["eval"], "--checkpoint"),
        (&["eval", "--checkpoint", "none.safetensors"], "none.safetensors: No such file"),
        (&["eval", "--checkpoint", "noise.safetensors"], "noise.safetensors: neither a valid"),
        (&["eval", "--checkpoint", "noise.pth"], "give --model NAME"),
        (
            &["eval", "--checkpoint", "noise.pth", "--model", "cifar10/resnet20"],
            "noise.pth: not a valid PyTorch checkpoint",
        ),
        (&["eval", "--checkpoint", "."], ": "),
        (&["parity", "none.json"], "none.json: "),
        (&["parity", "fixture.json"], "fixture.json: not a parity fixture"),
        (&["config", "check", "bad.toml"], "optimizer.lrr: unknown key; did you mean optimizer.lr"),
        (&["config", "explain", "lr"], "lr: unknown key; did you mean optimizer.lr?"),
        (&["train", "--seeds", "1,x"], "--seeds"),
        (&["train", "--seeds", "1,2,1"], "--seeds: duplicate seed 1"),
        (
            &["train", "--set", "distill.teacher=none.safetensors"],
            "distill.teacher: none.safetensors: No such file",
        ),
        (
            &["train", "--set", "data.train_images=1438"],
            "data.train_images: expected 1 to 1437, got 1438",
        ),
        (
            &["train", "--set", "data.split=train/val", "--set", "data.val_images=1437"],
            "data.val_images: expected 1 to 1436, got 1437",
        ),
        (&["models", "list", "vgg*"], "no model matches \"vgg*\""),
        (&["models", "info", "cifar10/resnet32-s16"], "expected -s<SHARED>u<UNIQUE>"),
        (&["models", "info", "cifar10/resnet20", "--input", "32"], "expected HxW"),
    ];
    for (arguments, said) in cases {
        let line = refused(&folder, arguments);
        assert!(line.contains(said), "{arguments:?}: {line}");
    }
}

#[test]
#[cfg(not(feature = "wgpu"))]
fn a_device_that_was_left_out_is_wrong_input() {
    let folder = tempfile::tempdir().expect("a folder");
    assert!(refused(&folder, &["train", "--device", "wgpu"]).contains("was built without it"));
}

#[test]
fn damaged_data_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = folder.path().join("model.safetensors");
    let config = cobasis_zoo::ModelConfig::new("cifar10/resnet20".parse().expect("a name"));
    let device = cobasis_train::DeviceName::Flex.open().expect("the processor");
    cobasis_zoo::save(&config.init(&device), &model).expect("saved");
    let eval = ["eval", "--checkpoint", "model.safetensors", "--data", "."];
    assert!(refused(&folder, &eval).contains("cifar10: missing test_batch.bin"));
    fs::write(folder.path().join("test_batch.bin"), [0; 3073]).expect("written");
    let line = refused(&folder, &eval);
    assert!(line.contains("test_batch.bin: expected 30730000 bytes"), "{line}");
    fs::write(folder.path().join("test_batch.bin"), vec![77; 30_730_000]).expect("written");
    let line = refused(&folder, &eval);
    assert!(line.contains("expected a class label below 10, got 77"), "{line}");
    let digits = ["eval", "--checkpoint", "model.safetensors", "--dataset", "digits"];
    assert!(refused(&folder, &digits).contains("do not fit cifar10/resnet20"));
    let elsewhere = [&digits[..], &["--data", "."]].concat();
    assert!(
        refused(&folder, &elsewhere).contains("--data .: the digits are built into the program")
    );
}

#[test]
fn help_is_for_every_command_and_shows_an_example() {
    let folder = tempfile::tempdir().expect("a folder");
    let models = [&["models", "list"][..], &["models", "info"], &["config", "check"], &["parity"]];
    let models = models.into_iter().chain([&["config", "explain"][..], &["config", "schema"]]);
    let commands = [&["train"][..], &["eval"], &["predict"], &["import"], &["export"]];
    for command in commands.into_iter().chain(models) {
        let output = cobasis(&folder, &[command, &["--help"]].concat());
        assert!(output.status.success());
        assert!(text(&output.stdout).contains("cobasis "), "{command:?}");
    }
}

#[test]
fn a_model_is_described_as_text_and_as_json() {
    let folder = tempfile::tempdir().expect("a folder");
    let plain = text(&cobasis(&folder, &["models", "info", "cifar10/resnet32-s16u1"]).stdout);
    for part in ["197,258", "79,086,208", "7.43 %", "stages.0.bases.0", "and 4 more"] {
        assert!(plain.contains(part), "{part} in {plain}");
    }
    let json = cobasis(&folder, &["models", "info", "cifar10/resnet32-s16u1", "--json"]).stdout;
    let json: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
    assert_eq!(json["params"]["total"], 197_258);
    assert_eq!(json["layers"][2]["used_by"].as_array().map(Vec::len), Some(8));
    let list = cobasis(&folder, &["models", "list", "cifar10/*", "--json"]).stdout;
    let list: serde_json::Value = serde_json::from_slice(&list).expect("JSON");
    assert!(list.as_array().is_some_and(|list| list.len() >= 13));
}

#[test]
fn the_page_of_models_is_current() {
    let folder = tempfile::tempdir().expect("a folder");
    let page = text(&cobasis(&folder, &["models", "list", "--markdown"]).stdout);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/models.md");
    let committed = fs::read_to_string(path).expect("docs/models.md");
    assert!(committed == page, "cobasis models list --markdown > docs/models.md");
}

#[test]
fn the_picture_of_speeds_is_that_of_the_measurements() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let measured = root.join("results/speed.csv").display().to_string();
    let plot = cobasis(&folder, &["bench", "plot", &measured, "--out", "speed.svg"]);
    assert!(plot.status.success(), "{}", text(&plot.stderr));
    let drawn = fs::read(folder.path().join("speed.svg")).expect("a picture");
    let committed = fs::read(root.join("docs/speed.svg")).expect("docs/speed.svg");
    assert!(committed == drawn, "cobasis bench plot results/speed.csv --out docs/speed.svg");
}

#[test]
fn training_dry_writes_nothing_and_training_writes_a_run_that_evaluates() {
    let folder = tempfile::tempdir().expect("a folder");
    let dry = cobasis(&folder, &["train", "--dry-run"]);
    assert!(dry.status.success() && text(&dry.stdout).ends_with("nothing was written\n"));
    assert!(entries(folder.path()).is_empty());

    let short = ["--set", "train.epochs=1", "--set", "train.max_steps=2"];
    for number in ["001", "002"] {
        let run = cobasis(&folder, &[&["train"][..], &short].concat());
        assert!(run.status.success(), "{}", text(&run.stderr));
        let model = format!("runs/digits-resnet14-s8u1-{number}/last.safetensors");
        let eval = cobasis(&folder, &["eval", "--checkpoint", &model, "--json"]);
        let eval: serde_json::Value = serde_json::from_slice(&eval.stdout).expect("JSON");
        assert_eq!(eval["images"], 360);
        let summary = model.replace("last.safetensors", "summary.json");
        let summary = fs::read(folder.path().join(summary)).expect("a summary");
        let summary: serde_json::Value = serde_json::from_slice(&summary).expect("JSON");
        assert_eq!(eval["top1"], summary["last"]["test_top1"]);
        assert_eq!(eval["loss"], summary["last"]["test_cross_entropy"]);
    }
}

#[test]
fn evaluation_tells_how_each_class_fared() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = folder.path().join("model.safetensors");
    let config = cobasis_zoo::ModelConfig::new("digits/resnet14".parse().expect("a name"));
    let device = cobasis_train::DeviceName::Flex.open().expect("the processor");
    cobasis_zoo::save(&config.init(&device), &model).expect("saved");
    let eval = ["eval", "--checkpoint", "model.safetensors"];
    let json = cobasis(&folder, &[&eval[..], &["--json"]].concat()).stdout;
    let json: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
    let confusion = &json["confusion"];
    let count = |class: usize, predicted: usize| confusion["counts"][class][predicted].as_u64();
    let row = |class| (0..10).map(|predicted| count(class, predicted).expect("a count")).sum();
    // The digits of the test split, by class.
    let digits: [u64; 10] = std::array::from_fn(row);
    assert_eq!(digits, [36, 36, 36, 27, 34, 37, 41, 36, 40, 37]);
    let correct: u64 = (0..10).map(|class| count(class, class).expect("a count")).sum();
    assert_eq!(json["correct"], correct);
    for class in 0..10 {
        let score = &confusion["per_class"][class];
        assert_eq!(
            (&score["images"], &json["classes"][class]),
            (&digits[class].into(), &class.to_string().into())
        );
        let recall = 100.0 * count(class, class).expect("a count") as f64 / digits[class] as f64;
        let got = score["recall"].as_f64().expect("a number");
        assert!((got - recall).abs() < 1e-9, "{got} {recall}");
    }
    let tables = [&eval[..], &["--per-class", "--confusion"]].concat();
    let tables = text(&cobasis(&folder, &tables).stdout);
    assert_eq!(tables.lines().count(), 5 + 1 + 11 + 1 + 11, "{tables}");
    assert!(tables.contains("precision") && tables.contains("predicted:"), "{tables}");
}

#[test]
fn configurations_are_checked_and_explained() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("good.toml"), "train.epochs = 3\n").expect("written");
    let check = cobasis(&folder, &["config", "check", "good.toml", "--set", "train.batch=8"]);
    assert_eq!(text(&check.stdout), "good.toml: ok, cifar10/resnet32-s16u1\n");
    let explained = text(&cobasis(&folder, &["config", "explain", "ortho.lambda"]).stdout);
    assert!(explained.starts_with("ortho.lambda = a number, default 10.0\n"), "{explained}");
    let schema = cobasis(&folder, &["config", "schema"]).stdout;
    let schema: serde_json::Value = serde_json::from_slice(&schema).expect("JSON");
    assert_eq!(schema["properties"]["train"]["properties"]["epochs"]["type"], "integer");
}

#[test]
fn several_seeds_make_a_mean_and_a_deviation() {
    let folder = tempfile::tempdir().expect("a folder");
    let short = ["--set", "train.epochs=1", "--set", "train.max_steps=2", "--out", "runs/both"];
    let seeds = ["train", "--seeds", "4,5", "--no-live", "--set", "data.split=train/val"];
    for _ in 0..2 {
        let run = cobasis(&folder, &[&seeds[..], &short].concat());
        assert!(run.status.success(), "{}", text(&run.stderr));
        assert!(text(&run.stdout).contains("(n = 2)"));
    }
    let read = |name: &str| -> serde_json::Value {
        let bytes = fs::read(folder.path().join("runs/both").join(name)).expect("a summary");
        serde_json::from_slice(&bytes).expect("JSON")
    };
    let together = read("seeds.json");
    let top1 = ["seed-4/summary.json", "seed-5/summary.json"]
        .map(|name| read(name)["last"]["test_top1"].as_f64().expect("a number"));
    let mean = (top1[0] + top1[1]) / 2.0;
    assert_eq!(together["last_test_top1"]["n"], 2);
    let got = together["last_test_top1"]["mean"].as_f64().expect("a number");
    assert!((got - mean).abs() < 1e-9);
    let std = together["last_test_top1"]["std"].as_f64().expect("a number");
    assert!((std - (top1[0] - top1[1]).abs() / 2f64.sqrt()).abs() < 1e-9);
    assert!(read("seed-4/summary.json")["best_on_val"]["val_top1"].is_number());
}

#[cfg(not(feature = "mpi"))]
#[test]
fn processes_that_were_started_together_are_told_by_one_that_there_is_no_mpi() {
    let folder = tempfile::tempdir().expect("a folder");
    for (arguments, said) in [
        (
            &["train"][..],
            "was built without MPI; `cargo install --path crates/cobasis-cli --features mpi`",
        ),
        (
            &["adapt", "b", "--adapter", "norms", "--out", "t"],
            "start `cobasis adapt` without mpirun",
        ),
    ] {
        for rank in ["0", "1"] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_cobasis"));
            command.current_dir(folder.path()).args(arguments);
            command.env("PMI_RANK", rank).env("PMI_SIZE", "2");
            let output = command.output().expect("the program runs");
            let line = text(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{line}");
            assert_eq!(line.lines().count(), usize::from(rank == "0"), "{line}");
            assert!(rank == "1" || line.contains(said), "{line}");
        }
    }
    assert!(entries(folder.path()).is_empty());
}
