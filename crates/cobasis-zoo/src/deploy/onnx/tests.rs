//! What ONNX files hold.

use std::collections::{BTreeMap, HashSet};

use burn::tensor::Device;
use prost::Message;

use super::proto::{DataType, Graph, Model, Value};
use crate::deploy::FactorisedLayers;
use crate::{Deployed, ModelConfig, Preparation};

fn deployed(name: &str, factorised: FactorisedLayers) -> Deployed {
    let config = ModelConfig::new(name.parse().expect("a name"));
    config.init(&Device::flex()).deploy_with(factorised, &Device::flex())
}

fn file(deployed: &Deployed, size: usize) -> Model {
    Model::decode(&deployed.to_onnx([size, size])[..]).expect("a message")
}

fn graph(deployed: &Deployed, size: usize) -> Graph {
    file(deployed, size).graph.expect("a graph")
}

/// `name: [sizes]`, where the size that is open has a name.
fn describe(value: &Value) -> String {
    let tensor = value.r#type.as_ref().and_then(|kind| kind.tensor_type.as_ref());
    let shape = tensor.and_then(|tensor| tensor.shape.as_ref()).expect("a shape");
    let sizes = shape.dim.iter().map(|dim| match (dim.dim_value, &dim.dim_param) {
        (Some(number), None) => number.to_string(),
        (None, Some(name)) => name.clone(),
        other => panic!("{other:?}"),
    });
    format!("{}: [{}]", value.name, sizes.collect::<Vec<_>>().join(", "))
}

/// How often there is each operator.
fn operators(graph: &Graph) -> BTreeMap<&str, usize> {
    let mut operators = BTreeMap::new();
    for node in &graph.node {
        *operators.entry(node.op_type.as_str()).or_default() += 1;
    }
    operators
}

#[test]
fn a_file_says_what_it_is() {
    let deployed = deployed("cifar10/resnet20-s8u1", FactorisedLayers::FewestMacs);
    let file = file(&deployed, 32);
    assert_eq!((file.ir_version, file.opset_import[0].version), (8, 17));
    assert_eq!(file.producer_name, "cobasis");
    let metadata = file.metadata_props.iter().map(|entry| (&entry.key[..], &entry.value[..]));
    let expected = [("model", "cifar10/resnet20-s8u1"), ("factorised", "fewest-macs")];
    assert_eq!(metadata.collect::<Vec<_>>(), expected);
    let graph = file.graph.expect("a graph");
    assert_eq!(graph.name, "cifar10/resnet20-s8u1");
    let list = |values: &[Value]| values.iter().map(describe).collect::<Vec<_>>();
    assert_eq!(list(&graph.input), ["images: [batch, 3, 32, 32]"]);
    assert_eq!(list(&graph.output), ["logits: [batch, 10]"]);
    let last = "stages.2.blocks.2.conv2.coefficients/Relu: [batch, 64, 8, 8]";
    assert!(list(&graph.value_info).contains(&last.to_string()));
}

#[test]
fn a_file_says_how_images_are_prepared_and_what_classes_are_called() {
    let preparation = Preparation {
        dataset: "folder".to_string(),
        classes: ["cat", "say \"dog\""].map(String::from).to_vec(),
        size: 16,
        resize: 19,
        mean: vec![0.485, 0.5, 0.25],
        std: vec![0.1, 0.2, 0.3],
    };
    let config = ModelConfig::new("cifar10/resnet20".parse().expect("a name"));
    let config = config.with_num_classes(2).with_preparation(preparation);
    let deployed = config.init(&Device::flex()).deploy(&Device::flex());
    let file = Model::decode(&deployed.to_onnx(config.image())[..]).expect("a message");
    let metadata = file.metadata_props.iter().map(|entry| (&entry.key[..], &entry.value[..]));
    let expected = [
        ("model", "cifar10/resnet20"),
        ("factorised", "fewest-macs"),
        ("dataset", "folder"),
        ("classes", r#"["cat","say \"dog\""]"#),
        ("size", "16"),
        ("resize", "19"),
        ("mean", "[0.485,0.5,0.25]"),
        ("std", "[0.1,0.2,0.3]"),
    ];
    assert_eq!(metadata.collect::<Vec<_>>(), expected);
    let graph = file.graph.expect("a graph");
    assert_eq!(describe(&graph.input[0]), "images: [batch, 3, 16, 16]");
}

#[test]
fn operators_are_those_of_a_folded_network() {
    let deployed = deployed("cifar10/resnet20-s8u1", FactorisedLayers::Keep);
    let graph = graph(&deployed, 32);
    let expected = [
        ("Add", 9),
        // The filters of the 12 layers that share.
        ("Concat", 12),
        // A stem, two convolutions in each stage's first block, and the layers' two each.
        ("Conv", 1 + 6 + 24),
        ("Flatten", 1),
        ("Gemm", 1),
        ("GlobalAveragePool", 1),
        ("Pad", 2),
        ("Relu", 19),
        ("Slice", 2),
    ];
    assert_eq!(operators(&graph), BTreeMap::from(expected));
}

#[test]
fn tensors_are_in_the_file_once_and_as_the_model_has_them() {
    for (name, size) in [
        ("cifar10/resnet20-s16u1-double", 16),
        ("imagenet/resnet50-shared++", 32),
        ("imagenet/mobilenet-v2-shared++-eca", 32),
        ("cifar100/densenet121-s16u1", 16),
    ] {
        let deployed = deployed(name, FactorisedLayers::Keep);
        let graph = graph(&deployed, size);
        let mut state = deployed.state();
        let mut names = HashSet::new();
        for tensor in &graph.initializer {
            assert!(names.insert(tensor.name.clone()), "{name}: {} is there twice", tensor.name);
            let Some(data) = state.remove(&tensor.name) else {
                // What operators need beside the model's numbers.
                assert!(tensor.raw_data.len() <= 64, "{name}: {}", tensor.name);
                continue;
            };
            assert_eq!(tensor.data_type(), DataType::Float);
            let mut dims: Vec<usize> = tensor.dims.iter().map(|&length| length as usize).collect();
            if data.shape().len() == 1 && dims.len() == 3 {
                assert_eq!(dims.split_off(1), [1, 1], "{name}: {}", tensor.name);
            }
            assert_eq!(dims, data.shape().to_vec(), "{name}: {}", tensor.name);
            let bytes: Vec<u8> = data.iter::<f32>().flat_map(f32::to_le_bytes).collect();
            assert_eq!(tensor.raw_data, bytes, "{name}: {}", tensor.name);
        }
        assert_eq!(state.keys().next(), None, "{name}: not in the file");
        let bases = names.iter().filter(|name| name.contains(".bases.")).count();
        assert_eq!(bases, deployed.bases.len(), "{name}");
    }
}

#[test]
fn every_operator_takes_what_is_there() {
    for (name, size) in [
        ("cifar10/resnet20-s8u1", 16),
        ("imagenet/resnet18", 32),
        ("cifar100/resnext50-32x4d-s64u4", 16),
        ("imagenet/mobilenet-v2-shared++-eca", 32),
        ("cifar100/densenet121-s16u1", 16),
    ] {
        for factorised in FactorisedLayers::ALL {
            let graph = graph(&deployed(name, factorised), size);
            let initializers = graph.initializer.iter().map(|tensor| &tensor.name);
            let inputs = graph.input.iter().map(|value| &value.name);
            let mut known: HashSet<&String> = initializers.chain(inputs).collect();
            for node in &graph.node {
                assert!(node.input.iter().all(|input| known.contains(input)), "{name}: {node:?}");
                assert!(node.output.iter().all(|output| known.insert(output)), "{name}: {node:?}");
            }
            let values = graph.value_info.iter().chain(&graph.output);
            assert!(values.map(|value| &value.name).all(|value| known.contains(value)), "{name}");
            assert!(!operators(&graph).contains_key("BatchNormalization"), "{name}");
        }
    }
}

#[test]
fn equal_models_give_equal_files() {
    let bytes = || deployed("digits/resnet14-s4u1", FactorisedLayers::Keep).to_onnx([8, 8]);
    assert_eq!(bytes(), bytes());
}
