//! Whole training steps on the processor's two backends, which are what `tests/gpu` compares GPUs
//! with.

#[path = "gpu/compare.rs"]
mod compare;
#[path = "gpu/steps.rs"]
mod steps;

use cobasis_train::DeviceName;

#[test]
fn both_backends_take_the_same_step() {
    let reference = DeviceName::NdArray.open().unwrap();
    for (name, images) in steps::STEPS {
        let compute = |device: &_| steps::training_step(device, name, images);
        let compare::Difference { what, error, .. } = compare::against_flex(&reference, compute);
        println!("{name}: {what} differs by {error:.1e}");
        assert!(error < 1e-5, "{name}: {what} differs by {error:.1e}");
    }
}
