//! `cargo run -- DIRECTORY EPOCHS` trains a model for handwritten digits with `burn-train`. The same
//! command with more epochs goes on from the last checkpoint.

use std::env;
use std::error::Error;
use std::path::PathBuf;

use cobasis_with_burn_train::{Plan, train};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let directory =
        arguments.next().map_or_else(|| PathBuf::from("runs/burn-train"), PathBuf::from);
    let epochs = arguments.next().map_or(Ok(3), |epochs| epochs.parse())?;
    let plan = Plan { model: "digits/resnet14-s8u1", seed: 1, images: usize::MAX, epochs };
    let model = train(&directory, plan)?;
    let file = directory.join("model.safetensors");
    println!("{} parameters, in {}", model.parameters().trainable, file.display());
    Ok(())
}
