//! A parity fixture: what the authors' code computed for one model.

use std::collections::BTreeMap;

use cobasis_zoo::ModelName;
use serde::Deserialize;

/// The part of a fixture file that is compared.
#[derive(Clone, Debug, Deserialize)]
pub struct Fixture {
    /// The authors' module, `cifar10/resnet`.
    pub model: String,
    /// The authors' constructor, `ResNet32_SingleShared`.
    pub constructor: String,
    /// The constructor's arguments: ranks.
    pub args: Vec<usize>,
    /// Classes of the model.
    pub num_classes: usize,
    /// Shape of the input, `[batch, channels, height, width]`.
    pub input: [usize; 4],
    /// Distinct trainable parameters.
    pub num_params: u64,
    /// Logits with running statistics, `[batch][class]`.
    pub eval_logits: Vec<Vec<f64>>,
    /// Logits with batch statistics, `[batch][class]`.
    pub train_logits: Vec<Vec<f64>>,
    /// The penalty of each family, shared filters only; none where nothing is shared.
    pub regularizer_families: Vec<f64>,
    /// The penalty that counts the unique filters too, where the authors' objective does.
    pub regularizer_with_unique: Option<f64>,
    /// The weight of the penalty.
    pub lambda_: f64,
    /// Training steps; the first one is compared.
    pub trajectory: Vec<Step>,
    /// The norm of each parameter's gradient in the first step; `None`: it takes no part.
    pub grad_l2: BTreeMap<String, Option<f64>>,
    /// Shapes of the parameters by the authors' names.
    pub parameters: BTreeMap<String, Vec<usize>>,
    /// Shapes of the buffers by the authors' names.
    pub buffers: BTreeMap<String, Vec<usize>>,
    /// How far the authors' code in 32 bits is from the reference in 64.
    pub float32_error: Float32Error,
}

/// A training step of a fixture.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Step {
    /// Cross entropy + λ × penalty before the step.
    pub loss: f64,
}

/// How far the authors' code in 32 bits is from the reference in 64.
#[derive(Clone, Debug, Deserialize)]
pub struct Float32Error {
    /// Of the evaluation logits, relative to the largest.
    pub eval_logits_max_rel_to_scale: f64,
    /// Of the training logits.
    pub train_logits_max_abs: f64,
    /// Of the loss of each step, relative.
    pub loss_rel: Vec<f64>,
    /// Of the norms of the gradients, relative to the largest.
    pub grad_l2_max_rel_to_largest: f64,
}

impl Fixture {
    /// Reads the text of a fixture.
    ///
    /// # Errors
    ///
    /// Why the text is no fixture.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let fixture: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let rows = fixture.eval_logits.iter().chain(&fixture.train_logits);
        let complete = fixture.eval_logits.len() == fixture.input[0]
            && fixture.train_logits.len() == fixture.input[0]
            && rows.into_iter().all(|row| row.len() == fixture.num_classes)
            && !fixture.trajectory.is_empty()
            && !fixture.float32_error.loss_rel.is_empty()
            && fixture.input.iter().product::<usize>() > 0;
        match complete {
            true => Ok(fixture),
            false => Err("its sizes contradict one another".to_string()),
        }
    }

    /// Our name for the authors' model.
    ///
    /// # Errors
    ///
    /// A description of the model, if the zoo does not have it.
    pub fn name(&self) -> Result<ModelName, String> {
        let described = || {
            let args: Vec<String> = self.args.iter().map(usize::to_string).collect();
            format!("{} {}({})", self.model, self.constructor, args.join(", "))
        };
        self.name_text()
            .and_then(|name| name.parse().ok())
            .ok_or_else(|| format!("the zoo has no model {}", described()))
    }

    fn name_text(&self) -> Option<String> {
        let (dataset, _) = self.model.split_once('/')?;
        let dataset = if dataset == "ilsvrc" { "imagenet" } else { dataset };
        // An underscore of the network's own name, where ours has a hyphen.
        let constructor = self.constructor.replace("_32x4d", "-32x4d");
        let (network, kind) = match constructor.split_once('_') {
            Some((network, kind)) => (network, kind),
            None => (constructor.as_str(), ""),
        };
        if network == "MobileNetV2" && self.args.is_empty() {
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
        let suffix = match (kind, self.args.as_slice()) {
            ("", []) => String::new(),
            // Their dense ResNeXt is told the classes.
            ("", [classes]) if *classes == self.num_classes => String::new(),
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constructors_have_names_in_the_zoo() {
        let name = |model: &str, constructor: &str, args: &[usize]| {
            let mut fixture = tiny();
            fixture.model = model.to_string();
            fixture.constructor = constructor.to_string();
            fixture.args = args.to_vec();
            fixture.num_classes = 100;
            fixture.name().map(|name| name.to_string())
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
        assert_eq!(unknown, "the zoo has no model cifar10/resnet ResNet32_SingleShared(16)");
    }

    fn tiny() -> Fixture {
        Fixture {
            model: String::new(),
            constructor: String::new(),
            args: Vec::new(),
            num_classes: 1,
            input: [1; 4],
            num_params: 0,
            eval_logits: vec![vec![0.0]],
            train_logits: vec![vec![0.0]],
            regularizer_families: Vec::new(),
            regularizer_with_unique: None,
            lambda_: 0.0,
            trajectory: vec![Step { loss: 0.0 }],
            grad_l2: BTreeMap::new(),
            parameters: BTreeMap::new(),
            buffers: BTreeMap::new(),
            float32_error: Float32Error {
                eval_logits_max_rel_to_scale: 0.0,
                train_logits_max_abs: 0.0,
                loss_rel: vec![0.0],
                grad_l2_max_rel_to_largest: 0.0,
            },
        }
    }

    #[test]
    fn what_is_no_fixture_is_refused() {
        for text in ["", "{}", "[1, 2]", "{\"model\": 3}", "\u{0}"] {
            assert!(Fixture::parse(text).is_err(), "{text}");
        }
    }
}
