//! Milliseconds of a deployed file, and where they go: `measure FILE [batch] [size] [threads] [rounds]`.

use std::time::{Duration, Instant};

use cobasis_run::Network;

fn median<T: Copy + Ord>(times: &mut [T]) -> T {
    times.sort_unstable();
    times[times.len() / 2]
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("expected a deployed file")?;
    let mut number =
        |otherwise: usize| arguments.next().map_or(Ok(otherwise), |argument| argument.parse());
    let (batch, size, threads, rounds) = (number(1)?, number(32)?, number(1)?, number(50)?.max(1));
    let mut network = Network::open(&path)?.with_threads(threads);
    let shape = [batch, network.channels(), size, size];
    let images: Vec<f32> = (0..shape.iter().product())
        .map(|index: usize| (index * 7919 % 1009) as f32 / 505.0 - 1.0)
        .collect();
    // The first packs the weights.
    network.run(&images, shape)?;
    let (mut times, mut parts) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let start = Instant::now();
        network.run(&images, shape)?;
        times.push(start.elapsed());
        parts.push(network.profile(&images, shape)?);
    }
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let middle = median(&mut times);
    println!("least {:.3} ms, median {:.3} ms", ms(times[0]), ms(middle));
    for (index, (at, _)) in parts[0].iter().enumerate() {
        let mut times: Vec<Duration> = parts.iter().map(|part| part[index].1).collect();
        println!("{:9.4} ms  {at}", ms(median(&mut times)));
    }
    Ok(())
}
