//! Files of PyTorch as people have them, written by the tests' own pickler.

use burn::tensor::{Device, TensorData, bf16, f16};
use safetensors::tensor::{Dtype, TensorView};

use super::pickle::writer::{archive, dict, int, legacy, pickle, tensor};
use super::*;
use crate::state::State;

fn config() -> ModelConfig {
    ModelConfig::new("digits/resnet14-s4u1".parse().expect("a name"))
}

fn model(config: &ModelConfig) -> (Model, State) {
    let model = config.init(&Device::flex());
    let state = model.pytorch_state().expect("names");
    (model, state)
}

/// A file of `torch.save` with some dictionaries of tensors, which `wrap` puts where they are; both
/// formats.
fn saved(states: &[&State], wrap: impl Fn(Vec<Vec<u8>>) -> Vec<u8>) -> [Vec<u8>; 2] {
    let mut storages: Vec<(i64, Vec<u8>)> = Vec::new();
    let dictionaries = states.iter().map(|state| {
        let entries: Vec<(&str, Vec<u8>)> = state
            .iter()
            .map(|(name, data)| {
                let values: Vec<f32> = data.iter::<f32>().collect();
                let key = storages.len().to_string();
                let shape: Vec<i32> = data.shape().iter().map(|size| *size as i32).collect();
                let mut strides = vec![1; shape.len()];
                for at in (1..shape.len()).rev() {
                    strides[at - 1] = strides[at] * shape[at];
                }
                let count = values.len();
                let bytes = values.into_iter().flat_map(f32::to_le_bytes).collect();
                storages.push((count as i64, bytes));
                (&**name, tensor("Float", &key, count as i32, &shape, &strides))
            })
            .collect();
        dict(&entries)
    });
    let checkpoint = pickle(&wrap(dictionaries.collect()));
    let bytes: Vec<Vec<u8>> = storages.iter().map(|(_, bytes)| bytes.clone()).collect();
    [legacy(&checkpoint, &storages), archive("model", &checkpoint, &bytes)]
}

fn prefixed(state: &State, prefix: &str) -> State {
    state.iter().map(|(name, data)| (format!("{prefix}{name}"), data.clone())).collect()
}

fn open(bytes: &[u8], weights: Option<&str>) -> Result<(Model, Notes), FileProblem> {
    let mut options = OpenOptions::new().model(config());
    if let Some(key) = weights {
        options = options.weights(key);
    }
    match options.open_bytes(bytes, &Device::flex())? {
        (Opened::Trained(model), notes) => Ok((model, notes)),
        _ => panic!("no deployed model"),
    }
}

fn fault(bytes: &[u8], weights: Option<&str>) -> String {
    let said = open(bytes, weights).map(|_| ()).expect_err("a fault").to_string();
    assert!(said.len() < 1500 && !said.contains('\n'), "{said}");
    said
}

#[test]
fn weights_are_found_where_training_scripts_put_them() {
    let (model, state) = model(&config());
    let optimizer =
        dict(&[("state", dict(&[("0", dict(&[("exp_avg", int(0))]))])), ("lr", int(1))]);
    for (key, prefix) in [
        ("state_dict", "module."),
        ("model", ""),
        ("net", "module."),
        ("model_state_dict", "_orig_mod.module."),
        ("net_state_dict", "model."),
        ("my_best", ""),
    ] {
        let state = prefixed(&state, prefix);
        let files = saved(&[&state], |dictionaries| {
            let weights = dictionaries[0].clone();
            dict(&[("epoch", int(3)), (key, weights), ("optimizer", optimizer.clone())])
        });
        for file in files {
            let (read, notes) = open(&file, None).expect("weights");
            assert_eq!(read.state(), model.state(), "{key}");
            assert_eq!((notes.weights.as_deref(), &*notes.prefix), (Some(key), prefix));
            assert_eq!(notes.passed_over, ["epoch", "optimizer"]);
        }
    }
    // Deeper, and in a tuple.
    let [_, nested] = saved(&[&state], |dictionaries| {
        let inner = dict(&[("state_dict", dictionaries[0].clone())]);
        [b"(", &dict(&[("checkpoint", inner)])[..], &int(3), b"t"].concat()
    });
    let (_, notes) = open(&nested, None).expect("weights");
    assert_eq!(notes.weights.as_deref(), Some("0.checkpoint.state_dict"));
    assert!(open(&nested, Some("0.checkpoint")).is_ok());
}

#[test]
fn averages_of_weights_are_asked_for_and_not_guessed() {
    let (plain, first) = model(&config());
    let (average, second) = model(&config().with_seed(9));
    let both = |keys: [&str; 2]| {
        let [_, file] = saved(&[&first, &prefixed(&second, "module.")], |both| {
            dict(&[(keys[0], both[0].clone()), (keys[1], both[1].clone()), ("epoch", int(3))])
        });
        file
    };
    for key in ["ema", "model_ema", "state_dict_ema", "ema_state_dict"] {
        for keys in [["model", key], ["whatever", key]] {
            let (read, notes) = open(&both(keys), None).expect("weights");
            assert_eq!(read.state(), plain.state());
            assert_eq!(
                (&*notes.others, &*notes.passed_over),
                (&[key.to_string()][..], &["epoch".into()][..])
            );
            let (read, notes) = open(&both(keys), Some(key)).expect("weights");
            assert_eq!((read.state(), notes.weights.as_deref()), (average.state(), Some(key)));
        }
    }
    // One dictionary in two places.
    let [_, same] = saved(&[&first], |all| {
        dict(&[("model_ema", [&all[0][..], b"q\x07"].concat()), ("net", b"h\x07".to_vec())])
    });
    assert_eq!(open(&same, None).expect("weights").1.weights.as_deref(), Some("net"));
    let [_, only] = saved(&[&second], |all| dict(&[("model_ema", all[0].clone())]));
    assert!(fault(&only, None).contains("moving averages, under \"model_ema\""));
    assert_eq!(open(&only, Some("model_ema")).expect("weights").0.state(), average.state());
    // Two of unknown names, and two of known ones.
    for keys in [["student", "teacher"], ["state_dict", "model"]] {
        let said = fault(&both(keys), None);
        let listed = format!("there are weights under {:?}, {:?}", keys[0], keys[1]);
        assert!(said.contains(&listed), "{said}");
        assert_eq!(open(&both(keys), Some(keys[0])).expect("asked for").0.state(), plain.state());
    }
    // By the first part of the names.
    let joined: State =
        prefixed(&first, "model.").into_iter().chain(prefixed(&second, "model_ema.")).collect();
    for file in saved(&[&joined], |all| all[0].clone()).iter().chain([&written(&joined)]) {
        let (read, notes) = open(file, None).expect("weights");
        assert_eq!((read.state(), &*notes.others), (plain.state(), &["model_ema".to_string()][..]));
        assert_eq!(open(file, Some("model_ema")).expect("asked for").0.state(), average.state());
        assert!(fault(file, Some("none")).contains("no weights under \"none\""));
    }
}

#[test]
fn files_without_weights_tell_their_keys() {
    let (_, state) = model(&config());
    let [_, file] = saved(&[&state], |_| {
        let object = b"cmy_code.net\nNet\n)\x81}b".to_vec();
        dict(&[("epoch", int(3)), ("model", object), ("history", dict(&[]))])
    });
    let said = fault(&file, None);
    assert!(
        said.contains("its keys are \"epoch\", \"model of my_code.net.Net\", \"history\""),
        "{said}"
    );
    assert!(
        said.contains("looked for tensors") && said.contains("\"state_dict\", \"model\""),
        "{said}"
    );
    let [_, whole] = saved(&[&state], |_| b"cmy_code.net\nNet\n)\x81}b".to_vec());
    assert!(fault(&whole, None).contains("it is an object of \"my_code.net.Net\""));
    let many: Vec<String> =
        (0..5000).map(|number| format!("{number}{}", "x".repeat(200))).collect();
    let [_, many] = saved(&[], |_| {
        let entries: Vec<(&str, Vec<u8>)> = many.iter().map(|key| (&**key, int(0))).collect();
        dict(&entries)
    });
    assert!(fault(&many, None).contains("and 4992 more"));
    let [_, plain] = saved(&[&state], |all| all[0].clone());
    assert!(fault(&plain, Some("none")).contains("no weights under \"none\""));
}

#[test]
fn classes_and_channels_are_those_of_the_file() {
    let own = config().with_num_classes(4).with_in_channels(3);
    let (model, state) = model(&own);
    let [_, file] = saved(&[&state], |all| dict(&[("state_dict", all[0].clone())]));
    for file in [file, written(&state)] {
        let (read, notes) = open(&file, None).expect("weights");
        assert_eq!(read.state(), model.state());
        assert_eq!((notes.classes, notes.channels), (Some(4), Some(3)));
        assert_eq!(
            pytorch_from_bytes(&file, &config(), &Device::flex()).expect("read").config,
            own
        );
    }
}

/// A safetensors file that does not say where it comes from.
fn written(state: &State) -> Vec<u8> {
    written_as(state, Dtype::F32, |number| number.to_le_bytes().to_vec())
}

fn written_as(state: &State, dtype: Dtype, bytes: impl Fn(f32) -> Vec<u8>) -> Vec<u8> {
    let tensors: Vec<(&String, Vec<usize>, Vec<u8>)> = state
        .iter()
        .map(|(name, data)| (name, data.shape().to_vec(), data.iter().flat_map(&bytes).collect()))
        .collect();
    let views = tensors.iter().map(|(name, shape, bytes)| {
        (name, TensorView::new(dtype, shape.clone(), bytes).expect("a tensor"))
    });
    safetensors::serialize(views, None).expect("bytes")
}

#[test]
fn numbers_of_16_and_64_bits_become_ours() {
    let (model, state) = model(&config());
    let halves =
        written_as(&state, Dtype::F16, |number| f16::from_f32(number).to_le_bytes().to_vec());
    let brains =
        written_as(&state, Dtype::BF16, |number| bf16::from_f32(number).to_le_bytes().to_vec());
    let doubles = written_as(&state, Dtype::F64, |number| f64::from(number).to_le_bytes().to_vec());
    let read = |bytes: &[u8]| open(bytes, None).expect("weights").0.pytorch_state().expect("names");
    for (name, data) in read(&halves) {
        let rounded = state[&name].iter().map(|number: f32| f16::from_f32(number).to_f32());
        assert!(data.iter::<f32>().eq(rounded), "{name}");
    }
    for (name, data) in read(&brains) {
        let rounded = state[&name].iter().map(|number: f32| bf16::from_f32(number).to_f32());
        assert!(data.iter::<f32>().eq(rounded), "{name}");
    }
    assert_eq!(read(&doubles), model.pytorch_state().expect("names"));
}

#[test]
fn numbers_that_no_network_can_use_are_noted_whoever_wrote_the_file() {
    let (_, mut state) = model(&config());
    let variance =
        state.keys().find(|name| name.ends_with("bn1.running_var")).expect("one").clone();
    let count = state[&variance].num_elements();
    state.insert(variance.clone(), TensorData::new(vec![-1.0f32; count], [count]));
    state.insert("fc.bias".into(), TensorData::new(vec![f32::NAN; 10], [10]));
    let (broken, notes) = open(&written(&state), None).expect("weights");
    let said = notes.faulty().expect("faults");
    assert!(
        said.contains("\"fc.bias\" (10 NaN)") && said.contains(&format!("({count} negative)")),
        "{said}"
    );
    let options = OpenOptions::new();
    let deployed = broken.deploy(&Device::flex());
    let files = [
        to_bytes(&broken),
        pytorch_to_bytes(&broken).expect("names"),
        deployed_to_bytes(&deployed),
    ];
    for file in files {
        let (_, notes) = options.open_bytes(&file, &Device::flex()).expect("one of ours");
        assert!(notes.faulty().is_some_and(|said| said.contains("NaN")));
    }
    let (_, sound) = model(&config());
    assert_eq!(open(&written(&sound), None).expect("weights").1, Notes::default());
}

#[test]
fn headers_of_safetensors_are_bounded_and_say_what_is_where_once() {
    let file = |header: &str, numbers: usize| {
        let length = (header.len() as u64).to_le_bytes();
        [&length[..], header.as_bytes(), &vec![0; numbers]].concat()
    };
    let one = |name: &str, start: usize, end: usize| {
        format!("\"{name}\":{{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[{start},{end}]}}")
    };
    let same = format!("{{{},{}}}", one("a", 0, 4), one("b", 0, 4));
    assert!(fault(&file(&same, 4), None).contains("not a valid safetensors file"));
    let twice = format!("{{{},{}}}", one("a", 0, 4), one("a", 0, 4));
    assert!(fault(&file(&twice, 4), None).contains("\"a\" is there twice"));
    let empty = "\"0\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}";
    let million: Vec<String> =
        (0..1 << 20).map(|number| empty.replace("\"0\"", &format!("\"{number}\""))).collect();
    let said = fault(&file(&format!("{{{}}}", million.join(",")), 0), None);
    assert!(said.contains("at most"), "{said}");
    let few = format!("{{{}}}", million[..20_001].join(","));
    assert!(fault(&file(&few, 0), None).contains("at most 20000 tensors"));
    let long = format!("{{{}}}", one(&"\\n".repeat(1 << 20), 0, 4));
    assert!(fault(&file(&long, 4), None).contains("does not belong"));
    let name = "x".repeat(1 << 20);
    let metadata = format!(
        "{{\"__metadata__\":{{\"format\":\"cobasis-1\",\"model\":\"{name}\",\"num_classes\":\"{name}\",\
         \"in_channels\":\"1\"}}}}"
    );
    assert!(fault(&file(&metadata, 0), None).contains("unknown model \"xxx"));
}
