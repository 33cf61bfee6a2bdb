//! A deployed network by `cobasis-run` beside the zoo's own forward pass, in milliseconds, in turns:
//! `runtime MODEL [batch] [size] [threads] [rounds] [FILE]`, which also writes the deployed file. For as many threads of the zoo's, set
//! `RAYON_NUM_THREADS`.

use std::time::Instant;

use burn::tensor::{Device, Tensor, TensorData};
use cobasis_run::Network;
use cobasis_zoo::{ModelConfig, files};

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().ok_or("expected the name of a model")?;
    let mut number =
        |otherwise: usize| arguments.next().map_or(Ok(otherwise), |argument| argument.parse());
    let (batch, size, threads, rounds) = (number(1)?, number(32)?, number(1)?, number(31)?);
    let device = Device::flex();
    let deployed = ModelConfig::new(name.parse()?).init(&device).deploy(&device);
    if let Some(path) = arguments.next() {
        files::save_deployed(&deployed, path)?;
    }
    let mut network = Network::from_bytes(&files::deployed_to_bytes(&deployed))?;
    network = network.with_threads(threads);
    let shape = [batch, network.channels(), size, size];
    let images: Vec<f32> = (0..shape.iter().product())
        .map(|index: usize| (index * 7919 % 1009) as f32 / 505.0 - 1.0)
        .collect();
    let tensor = Tensor::<4>::from_data(TensorData::new(images.clone(), shape), &device);
    let (mut zoo, mut run) = (Vec::new(), Vec::new());
    for round in 0..rounds.max(1) + 3 {
        let start = Instant::now();
        let expected = deployed.forward(tensor.clone()).into_data();
        let middle = Instant::now();
        let got = network.run(&images, shape)?;
        let end = Instant::now();
        // The first ones pack the weights.
        if round > 2 {
            zoo.push((middle - start).as_secs_f64() * 1e3);
            run.push((end - middle).as_secs_f64() * 1e3);
        }
        assert_eq!(expected.num_elements(), got.len());
    }
    let least = |times: &[f64]| times.iter().copied().fold(f64::INFINITY, f64::min);
    println!(
        "{name} batch {batch}: zoo {:.2} ms (least {:.2}), run {:.2} ms (least {:.2})",
        median(&mut zoo),
        least(&zoo),
        median(&mut run),
        least(&run)
    );
    Ok(())
}
