//! Milliseconds of a deployed file: `measure FILE [batch] [size] [threads] [rounds]`.

use std::time::Instant;

use cobasis_run::Network;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("expected a deployed file")?;
    let mut number =
        |otherwise: usize| arguments.next().map_or(Ok(otherwise), |argument| argument.parse());
    let (batch, size, threads, rounds) = (number(1)?, number(32)?, number(1)?, number(50)?);
    let mut network = Network::open(&path)?.with_threads(threads);
    let shape = [batch, network.channels(), size, size];
    let images: Vec<f32> = (0..shape.iter().product())
        .map(|index: usize| (index * 7919 % 1009) as f32 / 505.0 - 1.0)
        .collect();
    let mut times = Vec::with_capacity(rounds);
    for _ in 0..rounds.max(1) + 2 {
        let start = Instant::now();
        network.run(&images, shape)?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    // The first packs the weights.
    let mut times = times.split_off(2);
    times.sort_by(f64::total_cmp);
    println!("least {:.3} ms, median {:.3} ms", times[0], times[times.len() / 2]);
    Ok(())
}
