//! Models to and from the authors' names.

use super::*;

fn config(name: &str) -> ModelConfig {
    ModelConfig::new(name.parse().expect("a name"))
}

fn names(name: &str) -> Vec<String> {
    let tensors = pytorch_tensors(&config(name), &Device::flex()).expect("names");
    tensors.into_iter().flat_map(|tensor| [vec![tensor.name], tensor.copies].concat()).collect()
}

/// Made-up tensors under all of the authors' names, copies included.
fn tensors(config: &ModelConfig) -> State {
    let mut state = State::new();
    for (index, tensor) in
        pytorch_tensors(config, &Device::flex()).expect("names").into_iter().enumerate()
    {
        let count = tensor.shape.iter().product::<usize>();
        let values: Vec<f32> = (0..count).map(|i| (i * 7 + index) as f32).collect();
        for name in std::iter::once(tensor.name).chain(tensor.copies) {
            let data = TensorData::new(values.clone(), tensor.shape.clone());
            state.insert(name, data);
        }
    }
    state
}

#[test]
fn names_are_those_of_the_authors_modules() {
    let single = names("cifar100/resnet18-s16u1");
    for name in [
        "conv1.weight",
        "bn1.running_var",
        "shared_basis_4.weight",
        "layer1.0.conv2.weight",
        "layer2.0.shortcut.0.weight",
        "layer2.0.shortcut.1.bias",
        "layer1.1.shared_basis.weight",
        "layer1.1.basis_conv1.weight",
        "layer1.1.basis_bn2.weight",
        "layer1.1.coeff_conv2.weight",
        "layer4.1.bn2.running_mean",
        "fc.bias",
    ] {
        assert!(single.contains(&name.to_string()), "{name} in {single:?}");
    }
    let double = names("cifar10/resnet32-s16u1-double");
    for name in ["shared_basis_3_2.weight", "layer3.4.shared_basis_2.weight"] {
        assert!(double.contains(&name.to_string()), "{name} in {double:?}");
    }
    assert!(!double.contains(&"layer3.0.shared_basis_2.weight".to_string()));
}

#[test]
fn bases_load_once_from_any_of_their_copies_and_linear_weights_are_transposed() {
    let config = config("cifar10/resnet20-s2u1");
    let device = Device::flex();
    let all = tensors(&config);
    let model = config.init_from_pytorch(all.clone(), &device).expect("all there");
    let mut blocks_only = all.clone();
    blocks_only.retain(|name, _| !name.starts_with("shared_basis"));
    let other = config.init_from_pytorch(blocks_only, &device).expect("copies are enough");
    assert_eq!(model.state(), other.state());
    let state = model.state();
    let head = state["head.weight"].iter::<f32>().collect::<Vec<_>>();
    let theirs = all["fc.weight"].iter::<f32>().collect::<Vec<_>>();
    assert_eq!(head[1], theirs[64], "row 0, column 1 is theirs at row 1, column 0");

    let parallel = all.into_iter().map(|(name, data)| (format!("module.{name}"), data));
    let other = config.init_from_pytorch(parallel.collect(), &device).expect("prefixed");
    assert_eq!(model.state(), other.state());
}

#[test]
fn faults_name_the_authors_tensor() {
    let config = config("cifar10/resnet20-s2u1");
    let fault = |change: &dyn Fn(&mut State)| {
        let mut tensors = tensors(&config);
        change(&mut tensors);
        let result = config.init_from_pytorch(tensors, &Device::flex());
        result.expect_err("a fault").to_string()
    };
    let prefixed = fault(&|all| {
        all.remove("fc.bias");
        *all = std::mem::take(all)
            .into_iter()
            .map(|(name, data)| (format!("module.{name}"), data))
            .collect();
    });
    assert_eq!(prefixed, "tensor \"module.fc.bias\" is missing");
    let missing = fault(&|all| drop(all.remove("layer2.1.coeff_conv1.weight")));
    assert_eq!(missing, "tensor \"layer2.1.coeff_conv1.weight\" is missing");
    let extra = fault(&|all| {
        let data = all["layer1.1.shared_basis.weight"].clone();
        all.insert("layer1.0.shared_basis.weight".to_string(), data);
    });
    assert_eq!(extra, "tensor \"layer1.0.shared_basis.weight\" does not belong to the model");
    let disagree = fault(&|all| {
        let name = "layer1.2.shared_basis.weight";
        let shape = all[name].shape().clone();
        all.insert(name.to_string(), TensorData::new(vec![0.5f32; 2 * 16 * 9], shape));
    });
    assert!(disagree.contains("layer1.2.shared_basis.weight") && disagree.contains("equal"));
    let shape = fault(&|all| {
        all.insert("fc.weight".to_string(), TensorData::new(vec![0.5f32; 640], [64, 10]));
    });
    assert_eq!(shape, "tensor \"fc.weight\": expected shape [10, 64], got [64, 10]");
}
