//! Models that come from PyTorch and go there, by the program.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use burn::tensor::Device;
use cobasis_zoo::deploy::FactorisedLayers;
use cobasis_zoo::{ModelConfig, load, save};
use tempfile::TempDir;

const NAMES: [&str; 3] = ["digits/resnet14", "digits/resnet14-s4u1", "digits/resnet14-s4u1-double"];

/// The program's output and the last line of its errors.
fn cobasis(folder: &TempDir, line: &str) -> (Output, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cobasis"));
    let output = command.current_dir(folder.path()).args(line.split(' ')).output();
    let output = output.expect("the program runs");
    let said = String::from_utf8(output.stderr.clone()).expect("UTF-8");
    (output, said)
}

fn done(folder: &TempDir, line: &str) -> String {
    let (output, said) = cobasis(folder, line);
    assert!(output.status.success(), "{line}: {said}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn json(folder: &TempDir, line: &str) -> serde_json::Value {
    serde_json::from_str(&done(folder, &format!("{line} --json"))).expect("JSON")
}

fn read(folder: &TempDir, file: &str) -> Vec<u8> {
    fs::read(folder.path().join(file)).expect("read")
}

fn model(folder: &TempDir, name: &str, file: &str) {
    let config = ModelConfig::new(name.parse().expect("a name")).with_seed(5);
    save(&config.init(&Device::flex()), folder.path().join(file)).expect("saved");
}

/// The same tensors in a file that does not say where it comes from.
fn strip_metadata(path: &Path) {
    let bytes = fs::read(path).expect("read");
    let (length, rest) = bytes.split_first_chunk().expect("a length");
    let (header, numbers) = rest.split_at(u64::from_le_bytes(*length) as usize);
    let mut header: serde_json::Value = serde_json::from_slice(header).expect("JSON");
    header["__metadata__"] = serde_json::json!({ "format": "pt" });
    let header = header.to_string();
    let length = (header.len() as u64).to_le_bytes();
    fs::write(path, [&length, header.as_bytes(), numbers].concat()).expect("written");
}

#[test]
fn a_model_goes_to_pytorch_and_comes_back() {
    for name in NAMES {
        let folder = tempfile::tempdir().expect("a folder");
        model(&folder, name, "own.st");
        let report = json(&folder, "export own.st --format pytorch-keys --out theirs.st");
        assert_eq!(report["model"], name);
        assert_eq!(report["bytes"], read(&folder, "theirs.st").len());
        done(&folder, "import theirs.st --out back.st");
        assert!(read(&folder, "back.st") == read(&folder, "own.st"), "{name}");
        done(&folder, "export theirs.st --format safetensors --out again.st");
        assert!(read(&folder, "again.st") == read(&folder, "own.st"), "{name}");

        let own = json(&folder, "eval --checkpoint own.st");
        strip_metadata(&folder.path().join("theirs.st"));
        let theirs = json(&folder, &format!("eval --checkpoint theirs.st --model {name}"));
        assert_eq!(own["loss"], theirs["loss"]);
        let text = done(&folder, &format!("import theirs.st --model {name} --out back.st --force"));
        assert!(text.starts_with(&format!("{name}, ")) && text.contains("back.st, "), "{text}");
        assert!(read(&folder, "back.st") == read(&folder, "own.st"), "{name}");
    }
}

/// The form of factorised layers that an aim means.
fn aim_form(aim: &str) -> &'static str {
    if aim == "macs" { "fewest-macs" } else { "keep" }
}

#[test]
fn a_deployed_model_is_evaluated_as_its_source_is() {
    let folder = tempfile::tempdir().expect("a folder");
    model(&folder, "digits/resnet14-s4u1", "own.st");
    let own = json(&folder, "eval --checkpoint own.st");
    let report = json(&folder, "deploy own.st --out deployed.st");
    assert_eq!(report["factorised_layers"][0]["composed"], false);
    assert!(report["before"]["macs"] == report["after"]["macs"]);
    assert_eq!(report["after"]["file_bytes"], read(&folder, "deployed.st").len());
    let deployed = json(&folder, "eval --checkpoint deployed.st");
    assert_eq!(deployed["correct"], own["correct"]);
    let text = done(&folder, "deploy own.st --factorised compose --out dense.st");
    assert!(text.contains("layers composed: "), "{text}");
    // A deployed file is written anew, as it is or with other weights.
    done(&folder, "deploy deployed.st --out again.st");
    assert!(read(&folder, "again.st") == read(&folder, "deployed.st"));
    done(&folder, "deploy deployed.st --weights f16 --out half.st");
    done(&folder, "deploy own.st --weights f16 --out half2.st");
    assert!(read(&folder, "half.st") == read(&folder, "half2.st"));
    // Whichever forms are faster, the numbers are the same.
    for aim in ["speed --batch 8", "macs", "size"] {
        let report = json(&folder, &format!("deploy own.st --for {aim} --out aim.st --force"));
        let name = if aim.starts_with("speed") { "listed" } else { aim_form(aim) };
        assert_eq!(report["factorised"], name);
        assert_eq!(json(&folder, "eval --checkpoint aim.st")["correct"], own["correct"]);
    }

    for (line, said) in [
        (
            "deploy deployed.st --factorised keep --out new.st",
            "--factorised: deployed.st is already deployed",
        ),
        ("deploy deployed.st --for speed --out new.st", "--for: deployed.st is already deployed"),
        ("deploy own.st --for size --batch 2 --out new.st", "--batch: is for --for speed"),
        ("deploy own.st --for size --factorised keep --out new.st", "cannot be used with"),
        ("deploy own.st --out new.st --factorised all", "[possible values: fewest-macs, keep"),
        ("deploy own.st --out dense.st", "exists"),
        ("eval --checkpoint deployed.st --model digits/resnet14", "expected model digits/resnet14"),
    ] {
        let (output, error) = cobasis(&folder, line);
        assert_eq!((output.status.code(), error.lines().count()), (Some(2), 1), "{line}: {error}");
        assert!(error.contains(said), "{line}: {error}");
    }
    assert!(!folder.path().join("new.st").exists());
}

#[test]
fn weights_of_fewer_bits_are_deployed_evaluated_and_exported() {
    let folder = tempfile::tempdir().expect("a folder");
    model(&folder, "digits/resnet14-s4u1", "own.st");
    let whole = json(&folder, "deploy own.st --out f32.st");
    assert_eq!(whole["weights"], "f32");
    let own = json(&folder, "eval --checkpoint f32.st");
    for (weights, most) in [("f16", 0.56), ("int8", 0.35)] {
        let line = format!("deploy own.st --weights {weights} --out {weights}.st");
        let report = json(&folder, &line);
        assert_eq!(report["weights"], weights);
        let ratio = read(&folder, &format!("{weights}.st")).len() as f64
            / read(&folder, "f32.st").len() as f64;
        assert!(ratio < most, "{weights}: {ratio}");
        let said = done(&folder, &format!("{line} --force"));
        assert!(said.starts_with(&format!("digits/resnet14-s4u1 at 8×8, weights {weights}\n")));
        let got = json(&folder, &format!("eval --checkpoint {weights}.st"));
        let losses = [&own, &got].map(|report| report["loss"].as_f64().expect("a number"));
        let change = (losses[0] - losses[1]).abs();
        assert!(change > 0.0 && change < 0.05, "{weights}: {losses:?}");
        done(&folder, &format!("export {weights}.st --format onnx --out {weights}.onnx"));
        let ratio = read(&folder, &format!("{weights}.onnx")).len() as f64
            / read(&folder, "f32.st").len() as f64;
        assert!(ratio < 0.75, "{weights}: {ratio}");
    }

    let device = Device::flex();
    let config = ModelConfig::new("digits/resnet14".parse().expect("a name"));
    let mut state = config.init(&device).state();
    let shape = state["head.weight"].shape().to_vec();
    let values = vec![1e5f32; shape.iter().product()];
    state.insert("head.weight".into(), burn::tensor::TensorData::new(values, shape.clone()));
    let large = config.init_from(state.clone(), &device).expect("its own tensors");
    save(&large, folder.path().join("large.st")).expect("saved");
    let values = vec![f32::NAN; shape.iter().product()];
    state.insert("head.weight".into(), burn::tensor::TensorData::new(values, shape));
    let nan = config.init_from(state, &device).expect("its own tensors");
    save(&nan, folder.path().join("nan.st")).expect("saved");
    // A file that says the wrong thing of itself.
    let mut lies = read(&folder, "f16.st");
    let at = lies.windows(5).position(|window| window == b"\"f16\"").expect("the form");
    lies[at..at + 5].copy_from_slice(b"\"f32\"");
    fs::write(folder.path().join("lies.st"), lies).expect("written");
    let before = fs::read_dir(folder.path()).expect("a folder").count();
    for (line, said) in [
        ("deploy own.st --weights int4 --out new.st", "[possible values: f32, f16, int8]"),
        (
            "deploy large.st --weights f16 --out new.st",
            "large.st: tensor \"head.weight\": expected numbers up to 6.5504e4 for weights of f16, got 1e5",
        ),
        ("deploy nan.st --weights f16 --out new.st", "nan.st: tensor \"head.weight\": expected "),
        ("deploy nan.st --weights int8 --out new.st", "nan.st: tensor \"head.weight\": expected "),
        ("deploy own.st --key ema --out new.st", "own.st: no weights under \"ema\""),
        ("eval --checkpoint lies.st", "lies.st: tensor \""),
        ("export lies.st --format onnx --out new.onnx", "expected F32, as the metadata say"),
    ] {
        let (output, error) = cobasis(&folder, line);
        assert_eq!(output.status.code(), Some(2), "{line}: {error}");
        let error = error.lines().last().unwrap_or_default();
        assert!(error.starts_with("error: ") && error.contains(said), "{line}: {error}");
    }
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), before);
}

#[test]
fn a_model_goes_to_onnx_folded() {
    let folder = tempfile::tempdir().expect("a folder");
    model(&folder, "digits/resnet14-s4u1", "own.st");
    let report = json(&folder, "export own.st --format onnx --out default.onnx");
    assert_eq!(report["model"], "digits/resnet14-s4u1");
    assert_eq!(report["bytes"], read(&folder, "default.onnx").len());
    let own = load(folder.path().join("own.st"), &Device::flex()).expect("the model");
    for form in FactorisedLayers::ALL {
        let line = format!("export own.st --format onnx --factorised {form} --out model.onnx");
        done(&folder, &format!("{line} --force"));
        let deployed = own.deploy_with(form, &Device::flex());
        assert!(read(&folder, "model.onnx") == deployed.to_onnx([8, 8]), "{form}");
        done(&folder, &format!("deploy own.st --factorised {form} --out deployed.st --force"));
        done(&folder, "export deployed.st --format onnx --out deployed.onnx --force");
        assert!(read(&folder, "deployed.onnx") == read(&folder, "model.onnx"), "{form}");
        let is_default = read(&folder, "model.onnx") == read(&folder, "default.onnx");
        assert!(is_default || form != FactorisedLayers::default());
    }
}

#[test]
fn wrong_input_gets_one_line_and_nothing_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    model(&folder, "digits/resnet14-s4u1", "own.st");
    done(&folder, "export own.st --format pytorch-keys --out theirs.st");
    strip_metadata(&folder.path().join("theirs.st"));
    fs::write(folder.path().join("noise.pth"), [0x80, 2, 0xff, 0xff, 0, 1]).expect("written");
    fs::write(folder.path().join("noise.st"), b"no model").expect("written");
    fs::create_dir(folder.path().join("folder")).expect("a folder");
    let files = || fs::read_dir(folder.path()).expect("a folder").count();
    let before = (files(), read(&folder, "own.st"));
    for (line, said) in [
        ("import", "--out <FILE> <FILE>"),
        (
            "import theirs.st --out new.st",
            "theirs.st: the file does not say which model it holds: give --model NAME",
        ),
        (
            "import theirs.st --model digits/resnet14 --out new.st",
            "not the tensors of digits/resnet14: tensor \"layer1.1.",
        ),
        ("import theirs.st --model digits/resnet15 --out new.st", "digits/resnet15"),
        (
            "import theirs.st --model digits/resnet14-s4u1 --out own.st",
            "--out own.st: exists; give --force",
        ),
        ("import noise.pth --out new.st", "give --model NAME"),
        ("import noise.pth --model digits/resnet14 --out new.st", "not a valid PyTorch checkpoint"),
        (
            "import noise.st --model digits/resnet14 --out new.st",
            "neither a valid safetensors file",
        ),
        ("import none.pth --model digits/resnet14 --out new.st", "none.pth: No such file"),
        (
            "import own.st --model digits/resnet14 --out new.st",
            "expected model digits/resnet14, got digits/resnet14-s4u1",
        ),
        ("import folder --out new.st", "folder: "),
        ("import own.st --out none/new.st", "none/new.st: No such file"),
        ("import own.st --out folder --force", "folder: "),
        ("export own.st --out new.st", "--format"),
        (
            "export own.st --format tensorflow --out new.st",
            "[possible values: safetensors, pytorch-keys, onnx]",
        ),
        (
            "export own.st --format safetensors --factorised keep --out new.st",
            "--factorised keep: only for --format onnx",
        ),
        (
            "export own.st --format onnx --factorised maybe --out new.st",
            "[possible values: fewest-macs, keep, compose]",
        ),
        ("export own.st --format onnx --out none/new.onnx", "none/new.onnx: No such file"),
        ("export own.st --format pytorch-keys", "--out"),
        ("export own.st --format pytorch-keys --out own.st", "is the input"),
        ("export own.st --format pytorch-keys --out own.st --force", "is the input"),
        ("export own.st --format pytorch-keys --out theirs.st", "exists"),
        ("export theirs.st --format safetensors --out new.st", "give --model NAME"),
    ] {
        let (output, text) = cobasis(&folder, line);
        assert_eq!(output.status.code(), Some(2), "{line}: {text}");
        assert_eq!(text.lines().count(), 1, "{line}: {text}");
        assert!(text.starts_with("error: ") && text.contains(said), "{line}: {text}");
        assert_eq!((files(), read(&folder, "own.st")), before, "{line} wrote something");
    }
}

#[test]
fn numbers_that_no_network_can_use_are_warned_of_and_get_no_score() {
    let folder = tempfile::tempdir().expect("a folder");
    let device = Device::flex();
    let config = cobasis_zoo::ModelConfig::new("digits/resnet14".parse().expect("a name"));
    let mut state = config.init(&device).state();
    let save = |state, name: &str| {
        let model = config.init_from(state, &device).expect("a model");
        cobasis_zoo::save(&model, folder.path().join(name)).expect("saved");
    };
    let values = |value: f32| burn::tensor::TensorData::new(vec![value; 10], [10]);
    state.insert("head.bias".into(), values(f32::NAN));
    save(state.clone(), "nan.st");
    // All finite, and no output is.
    state.insert("head.bias".into(), values(3e38));
    let weight = state["head.weight"].clone();
    let huge =
        burn::tensor::TensorData::new(vec![3e38f32; weight.num_elements()], weight.shape().clone());
    state.insert("head.weight".into(), huge);
    save(state, "huge.st");
    for (file, said) in [("nan.st", "\"head.bias\" (10 NaN)"), ("huge.st", "not finite")] {
        let (output, error) = cobasis(&folder, &format!("eval --checkpoint {file}"));
        assert_eq!((output.status.code(), error.lines().count()), (Some(2), 1), "{error}");
        assert!(error.contains(said) && output.stdout.is_empty(), "{error}");
    }
    for line in [
        "import nan.st --out a.st",
        "deploy nan.st --out b.st",
        "export nan.st --format onnx --out c",
    ] {
        let (output, error) = cobasis(&folder, line);
        assert!(output.status.success(), "{error}");
        assert!(error.starts_with("warning: nan.st: ") && error.contains("(10 NaN)"), "{error}");
    }
}

#[test]
fn training_goes_on_from_a_file_of_pytorchs_names() {
    let folder = tempfile::tempdir().expect("a folder");
    model(&folder, "digits/resnet14", "own.st");
    done(&folder, "export own.st --format pytorch-keys --out theirs.st");
    strip_metadata(&folder.path().join("theirs.st"));
    let short = "--set train.epochs=1 --set train.max_steps=2 --set train.freeze=backbone";
    for (line, said) in [
        ("train --init theirs.st --out run", "give the model's name, --set model=NAME"),
        ("train --init theirs.st --set model=digits/resnet14-s4u1 --out run", "not the tensors of"),
        ("train --init none.st --out run", "init.from: none.st: "),
        ("train --init own.st --set model=digits/resnet14-s4u1 --out run", "own.st holds digits/"),
    ] {
        let (output, error) = cobasis(&folder, line);
        assert_eq!((output.status.code(), error.lines().count()), (Some(2), 1), "{line}: {error}");
        assert!(error.contains(said) && !folder.path().join("run").exists(), "{line}: {error}");
    }
    let line = format!("train --init theirs.st --set model=digits/resnet14 {short} --out run");
    let (output, said) = cobasis(&folder, &line);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("note: starting from theirs.st, digits/resnet14"), "{said}");
    assert!(said.contains("parameters are frozen"), "{said}");
    let summary: serde_json::Value =
        serde_json::from_slice(&read(&folder, "run/summary.json")).expect("JSON");
    let init = &summary["init"];
    assert_eq!((&init["file"], &init["classifier"]), (&"theirs.st".into(), &"kept".into()));
    assert_eq!(init["sha256"].as_str().map(str::len), Some(64));
    // Without the file, and longer.
    fs::remove_file(folder.path().join("theirs.st")).expect("removed");
    let longer = line.replace("epochs=1", "epochs=2");
    let text = done(&folder, &longer);
    assert!(text.contains("resuming after epoch 1") && text.contains("epoch 2/2"), "{text}");
}
