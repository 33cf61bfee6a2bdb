//! A network from your own specification: trained, saved, loaded, deployed, exported.

use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Device, Distribution, Int, Tensor};
use cobasis_zoo::registry::Entry;
use cobasis_zoo::spec::{Architecture, BlockKind, ResNetSpec};
use cobasis_zoo::{ModelConfig, ModelName, files};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Five stages of two blocks, for images of 64×64 pixels in 12 classes.
    let spec = ResNetSpec::new(BlockKind::Basic, [2, 2, 2, 2, 2]).with_width(8);
    let entry = Entry::new("mine/resnet22", Architecture::ResNet(spec), 12, [3, 64, 64]);
    // 4 shared filters and 1 unique filter per layer in the first stage; any suffix that fits.
    let name = ModelName::own(entry)?.with_sharing("s4u1")?;

    let device = Device::flex();
    let training = device.clone().autodiff();
    let mut model = ModelConfig::new(name).init(&training);
    let mut optimizer = SgdConfig::new().init();
    let cross_entropy = CrossEntropyLossConfig::new().init(&training);
    for _ in 0..3 {
        let images = Tensor::<4>::random([4, 3, 64, 64], Distribution::Default, &training);
        let labels = Tensor::<1, Int>::from_data([0, 3, 7, 11], &training);
        let mut loss = cross_entropy.forward(model.forward(images), labels);
        if let Some(penalty) = model.penalty() {
            loss = loss + penalty * 10.0;
        }
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(0.1, model, gradients);
    }

    let folder = std::env::temp_dir().join(format!("cobasis-own-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    files::save(&model.valid(), folder.join("model.safetensors"))?;
    let model = files::load(folder.join("model.safetensors"), &device)?;
    println!("{}: {} parameters", model.config.name, model.parameters().trainable);

    let deployed = model.deploy(&device);
    files::save_deployed(&deployed, folder.join("deployed.safetensors"))?;
    std::fs::write(folder.join("model.onnx"), deployed.to_onnx([64, 64]))?;
    let logits = deployed.forward(Tensor::zeros([1, 3, 64, 64], &device));
    assert_eq!(logits.dims(), [1, 12]);
    std::fs::remove_dir_all(folder)?;
    Ok(())
}
