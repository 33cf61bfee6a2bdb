//! Parity with the authors' code, where fixtures lie beside the checkout.

use std::path::Path;

use burn::tensor::Device;
use cobasis_train::parity::{Check as ParityCheck, check};

use crate::Check;
use crate::compare::{BOUND, Difference};

const FIXTURES: [&str; 2] =
    ["cifar10-resnet-ResNet32_SingleShared-16-1", "cifar100-mobilenetv2-MobileNetV2_SharedDouble"];

pub fn checks() -> Vec<Check> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/parity");
    let (here, missing): (Vec<_>, Vec<_>) = FIXTURES
        .into_iter()
        .map(|name| (name, folder.join(name).with_extension("json")))
        .partition(|(_, path)| path.exists());
    for (name, _) in missing {
        println!("skipped: no fixture {name} in ../shared/parity");
    }
    here.into_iter().map(|(name, path)| parity(name, &path)).collect()
}

/// The errors that the command `parity` reports, held to the bound of this program. Norms of
/// gradients alone keep the command's own bound where it is larger: rounding decides on which side
/// of zero a ReLU's input is, and Flex is 1.1e-3 off for the second fixture too. That both devices
/// give the same gradients away from such inputs is what `steps.rs` is for.
fn parity(name: &str, path: &Path) -> Check {
    let path = path.to_path_buf();
    let check = move |device: &Device| {
        let reports = check(&path, device, None, |_, _| {}).expect("a fixture");
        let checks = reports.into_iter().flat_map(|report| report.checks);
        let difference = |ParityCheck { what, error, bound }| {
            let bound = if what.starts_with("gradient") { bound.max(BOUND) } else { BOUND };
            Difference { what: what.to_string(), error, bound }
        };
        checks.map(difference).reduce(Difference::or).expect("a fixture compares something")
    };
    (format!("parity of {name}"), Box::new(check))
}
