//! Parity with the authors' code, where fixtures lie beside the checkout.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use cobasis_cli::parity::{Check as ParityCheck, check};

use crate::Check;
use crate::compare::{BOUND, Difference};
use crate::require::skip;

/// Fixtures, and how far off the norms of their gradients may be. In 32 bits rounding decides on which
/// side of zero a ReLU's input is: for the last fixture, Flex is 1.1e-3 off too, and the command
/// `parity` allows 2e-3. That devices agree away from such inputs is what `steps.rs` is for.
const FIXTURES: [(&str, f64); 3] = [
    ("cifar10-resnet-ResNet32_SingleShared-16-1", BOUND),
    ("cifar10-resnet-ResNet32_DoubleShared-16-1", BOUND),
    ("cifar100-mobilenetv2-MobileNetV2_SharedDouble", 2.0 * BOUND),
];

pub fn checks() -> Vec<Check> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/parity");
    let (here, missing): (Vec<_>, Vec<_>) = FIXTURES
        .into_iter()
        .map(|(name, gradients)| (name, gradients, folder.join(name).with_extension("json")))
        .partition(|(.., path)| path.exists());
    for (name, ..) in missing {
        skip("parity", &format!("no fixture {name} in ../shared/parity"));
    }
    here.into_iter().map(|(name, gradients, path)| parity(name, gradients, path)).collect()
}

/// The errors that the command `parity` reports, held to the bounds of this program.
fn parity(name: &str, gradients: f64, path: PathBuf) -> Check {
    let check = move |device: &Device| {
        let reports = check(&path, device, None, |_, _| {}).expect("a fixture");
        let checks = reports.into_iter().flat_map(|report| report.checks);
        let difference = |ParityCheck { what, error, .. }| {
            let bound = if what.starts_with("gradient") { gradients } else { BOUND };
            Difference { what: what.to_string(), error, bound }
        };
        checks.map(difference).reduce(Difference::or).expect("a fixture compares something")
    };
    (format!("parity of {name}"), Box::new(check))
}
