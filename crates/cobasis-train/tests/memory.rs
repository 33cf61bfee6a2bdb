//! What steps are said to take at least, compared with what they take: a run that fits is never refused.
#![cfg(target_os = "linux")]

use cobasis_train::DeviceName;
use cobasis_train::config::Config;
use cobasis_train::data::Batch;
use cobasis_train::machine::peak_during;
use cobasis_train::memory::Maps;
use cobasis_train::train::{StepAt, Trainer};
use cobasis_zoo::ModelConfig;

/// One test, since peaks are those of the process.
#[test]
fn no_step_takes_less_than_it_is_said_to() {
    let (_, before) = peak_during(|| ());
    // Smaller ones first.
    for (name, images) in [
        ("digits/resnet14-s8u1", 180),
        ("cifar10/resnet20", 20),
        ("cifar10/resnet20-s16u1-double", 24),
        ("cifar100/mobilenet-v2-shared", 3),
        ("cifar100/densenet121-s16u1", 3),
        ("cifar100/resnext50-32x4d-s64u4", 3),
    ] {
        let config = Config { model: name.to_owned(), ..Config::default() };
        let model = ModelConfig::new(config.model_name().expect("a model"));
        let [channels, height, width] = model.name.entry().input;
        let least = Maps::of(&model, [height, width]).step(&config, images as u64);
        let step = || {
            let device = DeviceName::Flex.open().expect("a processor");
            let shape = [images, channels, height, width];
            let batch = Batch {
                images: vec![0.5; shape.iter().product()],
                labels: vec![0u16; images],
                indices: (0..images).collect(),
                shape,
                unreadable: Vec::new(),
            };
            let mut trainer: Trainer = Trainer::new(&config, &model, &device);
            trainer.step(&[batch], StepAt::scheduled(&config, 1, 0, 1)).expect("a step")
        };
        let (_, peak) = peak_during(step);
        let (Some(before), Some(peak)) = (before, peak) else {
            eprintln!("skipped: the system does not forget peaks");
            return;
        };
        // With what earlier steps have left behind, which is used again.
        let taken = peak - before;
        eprintln!("{name}: {} MiB at least, {} MiB taken", least >> 20, taken >> 20);
        assert!(least <= taken, "{name}: {least} {taken}");
    }
}
