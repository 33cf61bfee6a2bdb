//! The device `wgpu` beside `flex`: layers, losses and models compute the same on both.
//!
//! `cargo xtask test --device wgpu` builds and runs this. It needs a device, so it is a program of
//! its own: without one, it says so in a line and exits with 2.

mod compare;
mod layers;
mod models;
mod parity;
#[path = "../require/mod.rs"]
mod require;
mod steps;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use burn::tensor::Device;
use cobasis_train::DeviceName;
use compare::Difference;

/// A comparison of the device with Flex or a reference, by name.
type Check = (String, Box<dyn Fn(&Device) -> Difference>);

fn main() -> ExitCode {
    let device = match DeviceName::Wgpu(None).open() {
        Ok(device) => device,
        Err(error) => {
            eprintln!("error: {}", error.line());
            return ExitCode::from(error.exit_code());
        }
    };
    println!("wgpu: {}", device.identity().map_or_else(String::new, |identity| identity.name));
    let checks: Vec<Check> =
        [layers::checks(), models::checks(), parity::checks()].into_iter().flatten().collect();
    let failed = checks.iter().filter(|check| !passes(check, &device)).count();
    println!("{} passed, {failed} failed", checks.len() - failed);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs and reports one check. One that panics has failed and does not end the others.
fn passes((name, check): &Check, device: &Device) -> bool {
    let Ok(Difference { what, error, bound }) = catch_unwind(AssertUnwindSafe(|| check(device)))
    else {
        println!("FAILED  {name}: panicked");
        return false;
    };
    let passed = error <= bound;
    let verdict = if passed { "ok    " } else { "FAILED" };
    println!("{verdict}  {name}: {error:.1e} <= {bound:.0e} ({what})");
    passed
}
