//! Adapters change nothing at first, leave their base as it is, and cost nothing when they are deployed.

mod common;
mod moved;

use std::collections::BTreeSet;

use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams, SgdConfig};
use burn::tensor::{Device, Tensor};
use cobasis_zoo::deploy::FactorisedLayers;
use cobasis_zoo::{AdapterError, AdapterKind, Model, ModelConfig, State, Variant, files};
use common::{check_that_images_matter, difference, images, numbers, trained};
use moved::moved;

/// Dense networks and such with bases, other methods, groups, shortcuts with convolutions; the size of an image.
const BASES: &[(&str, usize)] = &[
    ("cifar10/resnet20", 32),
    ("cifar10/resnet20-s8u1", 32),
    ("cifar10/resnet20-s8u2-double-all", 16),
    ("cifar10/resnet20-templates2", 16),
    ("cifar10/resnet20-tbasis6r8-all", 16),
    ("cifar100/resnet18", 16),
    ("cifar100/resnext50-32x4d-s64u4", 16),
    ("cifar100/densenet121-s16u1", 16),
    ("cifar100/mobilenet-v2-shared", 16),
];

fn kinds() -> impl Iterator<Item = AdapterKind> {
    AdapterKind::ALL.into_iter().chain([AdapterKind::Rank(4)])
}

/// The base's tasks of every kind that it can have.
fn tasks(base: &Model, classes: usize, device: &Device) -> Vec<(AdapterKind, Model)> {
    // Not clones, which have their running statistics in common.
    let copy = || base.config.init_from(base.state(), device).expect("its own tensors");
    let task = |kind| match copy().with_adapter(kind, classes) {
        Ok(model) => Some((kind, model)),
        Err(AdapterError::NoUniqueFilters { .. }) => None,
        Err(error) => panic!("{error}"),
    };
    kinds().filter_map(task).collect()
}

/// Whether all adapters are worth the time with a network.
fn is_small(name: &str) -> bool {
    name.starts_with("cifar10/")
}

fn is_typical(kind: AdapterKind) -> bool {
    matches!(kind, AdapterKind::Film | AdapterKind::Rank(1) | AdapterKind::Unique { .. })
}

/// Whether a tensor is the task's.
fn is_of_task(name: &str) -> bool {
    name.starts_with("adapter.") || name.starts_with("head.")
}

fn of_base(state: State) -> State {
    state.into_iter().filter(|(name, _)| !is_of_task(name)).collect()
}

#[test]
fn adapters_change_nothing_at_first() {
    let device = Device::flex();
    for &(name, size) in BASES {
        let base = trained(name, Variant::Corrected, &device);
        let images = images(2, size, &device);
        let expected = numbers(base.pooled(images.clone()));
        check_that_images_matter(&expected, 2);
        for (kind, task) in tasks(&base, 3, &device) {
            assert_eq!(numbers(task.pooled(images.clone())), expected, "{name} {kind}");
            assert_eq!(task.forward(images.clone()).dims(), [2, 3], "{name} {kind}");
        }
    }
}

#[test]
fn adapters_change_nothing_at_first_in_training_either() {
    let device = Device::flex().autodiff();
    for name in ["cifar10/resnet20", "cifar10/resnet20-s8u1"] {
        let base = trained(name, Variant::Corrected, &device);
        let images = images(4, 32, &device);
        let in_training = numbers(base.clone().pooled(images.clone()));
        let in_use = numbers(base.valid().pooled(images.clone().without_autodiff()));
        assert_ne!(in_training, in_use);
        for (kind, task) in tasks(&base, 3, &device) {
            // Where batch norms are the base's, they keep its statistics in training too.
            let expected = match kind {
                AdapterKind::Head | AdapterKind::Film => &in_use,
                _ => &in_training,
            };
            let got = numbers(task.pooled(images.clone()));
            assert!(difference(expected, &got) <= 1e-6, "{name} {kind}");
            if !matches!(kind, AdapterKind::Head | AdapterKind::Film) {
                assert_eq!(&got, expected, "{name} {kind}");
            }
        }
    }
}

#[test]
fn training_moves_what_is_the_tasks_and_nothing_of_the_base() {
    let device = Device::flex().autodiff();
    for name in ["cifar10/resnet20", "cifar10/resnet20-s8u1"] {
        let base = trained(name, Variant::Corrected, &device);
        let bytes = files::to_bytes(&base);
        for (kind, task) in tasks(&base, 3, &device) {
            let before = task.state();
            let mut pulled = BTreeSet::new();
            let mut after = task;
            let mut sgd = SgdConfig::new().init();
            // The first step gives each factor of a product a gradient.
            for _ in 0..2 {
                let logits = after.forward(images(4, 32, &device));
                let mut loss = (logits.clone() * logits).mean() + head_sum(&after);
                if let Some(penalty) = after.penalty() {
                    loss = loss + penalty;
                }
                let gradients = GradientsParams::from_grads(loss.backward(), &after);
                for tensor in after.tensors() {
                    let is_frozen = kind != AdapterKind::Full && !is_of_task(&tensor.path);
                    let gradient = match tensor.shape.len() {
                        1 => gradients.get::<1>(tensor.id).map(numbers),
                        2 => gradients.get::<2>(tensor.id).map(numbers),
                        _ => gradients.get::<4>(tensor.id).map(numbers),
                    };
                    assert!(!is_frozen || gradient.is_none(), "{name} {kind}: {}", tensor.path);
                    if gradient.is_some_and(|all| all.iter().any(|number| *number != 0.0)) {
                        pulled.insert(tensor.path);
                    }
                }
                after = sgd.step(0.01, after, gradients);
            }
            let after = after.state();
            for (path, data) in &before {
                let is_free = kind == AdapterKind::Full || is_of_task(path);
                // What is pulled a little may stay where it is in 32 bits.
                let moves = *data != after[path] || pulled.contains(path);
                assert_eq!(moves, is_free, "{name} {kind}: {path}");
            }
            if kind != AdapterKind::Full {
                assert_eq!(of_base(after), of_base(base.state()), "{name} {kind}");
            }
        }
        assert_eq!(files::to_bytes(&base), bytes, "{name}");
    }
}

/// The sum of the classifier's numbers, so that each has a gradient.
fn head_sum(model: &Model) -> Tensor<1> {
    let [bias, weight] =
        [model.head.bias().map(|b| b.val().sum()), model.head.weight().map(|w| w.val().sum())];
    bias.expect("a bias") + weight.expect("a weight")
}

#[test]
fn deployed_tasks_compute_what_adapters_do_for_what_the_base_costs() {
    let device = Device::flex();
    for &(name, size) in BASES {
        let base = trained(name, Variant::Corrected, &device);
        let input = [size, size];
        let plain = numbers(base.pooled(images(2, size, &device)));
        let tasks = tasks(&base, base.config.num_classes, &device).into_iter();
        for (kind, task) in tasks.filter(|(kind, _)| is_small(name) || is_typical(*kind)) {
            let task = moved(task);
            let images = images(2, size, &device);
            if !matches!(kind, AdapterKind::Head | AdapterKind::Full) {
                let changed = difference(&plain, &numbers(task.pooled(images.clone())));
                assert!(changed > 1e-3, "{name} {kind}: {changed}");
            }
            assert_eq!(task.cost(input).total().macs, base.cost(input).total().macs);
            let expected = numbers(task.forward(images.clone()));
            for factorised in [FactorisedLayers::FewestMacs, FactorisedLayers::Keep] {
                let deployed = task.deploy_with(factorised, &device);
                let got = numbers(deployed.forward(images.clone()));
                let error = difference(&expected, &got);
                assert!(error <= 1e-5, "{name} {kind} {factorised}: {error}");
                let of_base = base.deploy_with(factorised, &device).macs(input);
                assert_eq!(deployed.macs(input), of_base, "{name} {kind} {factorised}");
                let bytes = files::deployed_to_bytes(&deployed);
                let again = files::deployed_from_bytes(&bytes, &device).expect("a deployed model");
                assert_eq!(again.state(), deployed.state(), "{name} {kind} {factorised}");
            }
            let again = files::from_bytes(&files::to_bytes(&task), &device).expect("a model");
            assert_eq!(again.state(), task.state(), "{name} {kind}");
            assert_eq!(numbers(again.forward(images)), expected, "{name} {kind}");
        }
    }
}

#[test]
fn a_model_is_a_task_once_and_only_where_there_is_something_to_change() {
    let device = Device::flex();
    let model = |name: &str| trained(name, Variant::Corrected, &device);
    let refused = |model: Model, kind: &str| {
        let kind = kind.parse().expect("a kind");
        model.with_adapter(kind, 3).map(|_| ()).expect_err("refused").to_string()
    };
    let task = model("cifar10/resnet20").with_adapter(AdapterKind::Mask, 3).expect("a task");
    let drawn = task.config.init(&device);
    assert!(drawn.state().keys().eq(task.state().keys()) && drawn.config == task.config);
    let shared = ModelConfig::new("cifar10/resnet20-s8u1".parse().expect("a name"));
    let error = task.matched(&shared).map(|_| ()).expect_err("a task");
    assert!(error.to_string().contains("has the adapter mask"), "{error}");
    assert!(refused(task, "mix").contains("has the adapter mask already"));
    assert!(refused(model("cifar10/resnet20"), "unique").contains("no layer there has unique"));
    assert!(refused(model("cifar10/resnet20-s8u1"), "unique4-5").contains("unique4-5"));
    assert!(refused(model("cifar10/resnet20-hinge48888"), "rank1").contains("training cuts"));
    assert!(model("cifar10/resnet20-hinge48888").with_adapter(AdapterKind::Norms, 3).is_ok());
}

#[test]
fn tensors_of_tasks_are_named_after_their_layers() {
    let device = Device::flex();
    let base = trained("cifar10/resnet20-s8u1", Variant::Corrected, &device);
    let names = |kind: &str| -> Vec<String> {
        let task = base.clone().with_adapter(kind.parse().expect("a kind"), 3).expect("a task");
        let names = task.tensors().into_iter().map(|tensor| tensor.path);
        names.filter(|name| name.starts_with("adapter.")).collect()
    };
    let rank = names("rank1");
    for name in ["stem.conv.v", "stages.1.blocks.1.conv2.u", "stages.2.blocks.1.conv1.norm.gamma"] {
        assert!(rank.contains(&format!("adapter.{name}")), "{name} in {rank:?}");
    }
    assert!(rank.contains(&"adapter.stages.0.blocks.2.conv1.coefficients.v".to_string()));
    let unique = names("unique2-2");
    let filters: Vec<&String> = unique.iter().filter(|name| name.ends_with(".unique")).collect();
    assert_eq!(filters.len(), 4);
    assert!(filters.iter().all(|name| name.starts_with("adapter.stages.1.blocks.")));
    assert!(names("head").is_empty() && names("full").is_empty());
    // The authors have no names for them.
    let task = base.with_adapter(AdapterKind::Norms, 3).expect("a task");
    assert!(cobasis_zoo::pytorch::to_bytes(&task).is_err());
}

#[test]
fn the_tensors_of_an_adapter_are_a_group() {
    let device = Device::flex().autodiff();
    let base = trained("cifar10/resnet20-s8u1", Variant::Corrected, &device);
    let task = base.with_adapter(AdapterKind::Mix, 3).expect("a task");
    let group = task.parameter_group(&["adapter"]).expect("a group");
    for tensor in task.tensors() {
        let is_inside = group.matches(&tensor.id, None);
        assert_eq!(is_inside, tensor.path.starts_with("adapter."), "{}", tensor.path);
    }
    let frozen = task.frozen().into_iter().map(|tensor| tensor.path);
    let others = task.tensors().into_iter().map(|tensor| tensor.path);
    assert!(frozen.eq(others.filter(|name| !is_of_task(name))));
}

#[test]
fn tasks_take_turns_on_a_base_that_they_train_together() {
    let device = Device::flex().autodiff();
    let mut base = trained("cifar10/resnet20-s8u1", Variant::Corrected, &device);
    let whole = base.state();
    let kind = AdapterKind::Unique { stages: None };
    let task = |classes| base.clone().with_adapter(kind, classes).expect("a task").into_task();
    let tasks = [task(3), task(5)];
    let mut sum = GradientsAccumulator::new();
    for task in &tasks {
        let (model, own) = base.with_task(task.clone()).expect("its network");
        assert_eq!(model.config, *task.config());
        let logits = model.forward(images(2, 16, &device));
        let mut gradients = (logits.clone() * logits).mean().backward();
        assert!(!GradientsParams::from_module(&mut gradients, task).is_empty());
        sum.accumulate(&model, GradientsParams::from_grads(gradients, &model));
        base = model.with_task(own).expect("its network").0;
    }
    assert_eq!(base.state(), whole);
    base = SgdConfig::new().init().step(0.1, base, sum.grads());
    let moved = base.state();
    for (path, data) in &whole {
        // The tasks have batch norms, unique filters and classifiers of their own.
        let shared = path.contains(".bases.") || path.ends_with("coefficients.weight");
        let dense = path.ends_with(".weight") && !path.starts_with("head.");
        assert_eq!(moved[path] != *data, shared || dense, "{path}");
    }
    for task in tasks {
        let old = base.clone().with_task(task.clone()).expect("its network").0;
        let bytes = files::task_to_bytes(&old).expect("a task");
        assert!(files::task_from_bytes(base.clone(), &bytes).is_err());
        let new = base.clone().with_task(task.on(&base)).expect("its network").0;
        let bytes = files::task_to_bytes(&new).expect("a task");
        assert!(files::task_from_bytes(base.clone(), &bytes).is_ok());
    }
    let other = trained("cifar10/resnet20", Variant::Corrected, &device).into_task();
    assert!(base.with_task(other).map(|_| ()).is_err());
}
