//! Our names for the authors' constructors.

use cobasis_zoo::ModelName;

/// The model that one of the authors' constructors makes with these arguments: ranks, or the number
/// of classes.
///
/// # Errors
///
/// A description of the model, if the zoo does not have it.
pub(crate) fn model_name(
    dataset: &str,
    constructor: &str,
    args: &[usize],
) -> Result<ModelName, String> {
    name_text(dataset, constructor, args).and_then(|name| name.parse().ok()).ok_or_else(|| {
        let args: Vec<String> = args.iter().map(usize::to_string).collect();
        format!("the zoo has no {dataset} model {constructor}({})", args.join(", "))
    })
}

fn name_text(dataset: &str, constructor: &str, args: &[usize]) -> Option<String> {
    let dataset = if dataset == "ilsvrc" { "imagenet" } else { dataset };
    // An underscore of the network's own name, where ours has a hyphen.
    let constructor = constructor.replace("_32x4d", "-32x4d");
    let (network, kind) = match constructor.split_once('_') {
        Some((network, kind)) => (network, kind),
        None => (constructor.as_str(), ""),
    };
    if network == "MobileNetV2" && args.is_empty() {
        let suffix = match (kind, dataset) {
            ("", _) => "",
            ("Shared", _) => "-shared",
            // What the paper calls Shared++; for ImageNet they add attention to it.
            ("SharedDouble", "imagenet") => "-shared++-eca",
            ("SharedDouble", _) => "-shared++",
            _ => return None,
        };
        return Some(format!("{dataset}/mobilenet-v2{suffix}"));
    }
    // Their SharedOnly has two bases a stage in the CIFAR-10 code and one in the CIFAR-100 code.
    let shared_only = if dataset == "cifar10" { "-double" } else { "" };
    let suffix = match (kind, args) {
        ("", []) => String::new(),
        // Their dense ResNeXt is told the classes.
        ("", [_classes]) => String::new(),
        ("SingleShared", [shared, unique]) => format!("-s{shared}u{unique}"),
        ("DoubleShared", [shared, unique]) => format!("-s{shared}u{unique}-double"),
        ("SharedOnly", [shared]) => format!("-s{shared}u0{shared_only}"),
        ("NonShared", [unique]) => format!("-s0u{unique}"),
        // What the paper calls Shared++, and Shared.
        ("Shared", []) => "-shared++".to_string(),
        ("SharedSingle", []) => "-shared".to_string(),
        _ => return None,
    };
    Some(format!("{dataset}/{}{suffix}", network.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constructors_have_names_in_the_zoo() {
        let name = |model: &str, constructor: &str, args: &[usize]| {
            let dataset = model.split_once('/').map_or("", |(dataset, _)| dataset);
            model_name(dataset, constructor, args).map(|name| name.to_string())
        };
        let known = [
            ("cifar10/resnet", "ResNet20", &[][..], "cifar10/resnet20"),
            ("cifar10/resnet", "ResNet32_SingleShared", &[16, 1], "cifar10/resnet32-s16u1"),
            ("cifar10/resnet", "ResNet56_DoubleShared", &[8, 1], "cifar10/resnet56-s8u1-double"),
            ("cifar10/resnet", "ResNet32_SharedOnly", &[16], "cifar10/resnet32-s16u0-double"),
            ("cifar100/resnet", "ResNet34_SharedOnly", &[16], "cifar100/resnet34-s16u0"),
            ("cifar100/resnet", "ResNet34_NonShared", &[32], "cifar100/resnet34-s0u32"),
            ("cifar100/resnext", "ResNext50_32x4d", &[100], "cifar100/resnext50-32x4d"),
            (
                "cifar100/resnext",
                "ResNext50_32x4d_SingleShared",
                &[64, 4],
                "cifar100/resnext50-32x4d-s64u4",
            ),
            ("cifar100/densenet", "DenseNet161", &[], "cifar100/densenet161"),
            (
                "cifar100/densenet",
                "DenseNet121_SingleShared",
                &[16, 1],
                "cifar100/densenet121-s16u1",
            ),
            ("ilsvrc/resnet", "ResNet101_Shared", &[], "imagenet/resnet101-shared++"),
            ("ilsvrc/resnet", "ResNet50_SharedSingle", &[], "imagenet/resnet50-shared"),
            ("cifar100/mobilenetv2", "MobileNetV2", &[], "cifar100/mobilenet-v2"),
            ("ilsvrc/mobilenetv2", "MobileNetV2_Shared", &[], "imagenet/mobilenet-v2-shared"),
            (
                "cifar100/mobilenetv2",
                "MobileNetV2_SharedDouble",
                &[],
                "cifar100/mobilenet-v2-shared++",
            ),
            (
                "ilsvrc/mobilenetv2",
                "MobileNetV2_SharedDouble",
                &[],
                "imagenet/mobilenet-v2-shared++-eca",
            ),
        ];
        for (model, constructor, args, expected) in known {
            assert_eq!(name(model, constructor, args), Ok(expected.to_string()));
        }
        let unknown = name("cifar10/resnet", "ResNet32_SingleShared", &[16]).unwrap_err();
        assert_eq!(unknown, "the zoo has no cifar10 model ResNet32_SingleShared(16)");
    }
}
