//! How fast a network is that is deployed with a task, beside its base: `adapter_speed MODEL BATCH ROUNDS`, two threads'
//! inferences in turn. Prints a row for each adapter (CSV): medians in milliseconds, and the median of the ratios of
//! a round.

use std::env;
use std::time::Instant;

use burn::tensor::Device;
use cobasis_cli::bench::{Setup, Task, Timing, Workload};
use cobasis_zoo::{AdapterKind, ModelConfig, ModelName};

fn milliseconds(work: &mut Workload) -> f64 {
    let before = Instant::now();
    work.run();
    before.elapsed().as_secs_f64() * 1e3
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [name, batch, rounds] = env::args()
        .skip(1)
        .collect::<Vec<_>>()
        .try_into()
        .map_err(|_| "expected MODEL BATCH ROUNDS")?;
    let name: ModelName = name.parse()?;
    let (batch, rounds): (usize, usize) = (batch.parse()?, rounds.parse()?);
    let device = Device::flex();
    let base = ModelConfig::new(name.clone()).init(&device);
    let setup = Setup { model: name.clone(), batch, task: Task::InferDeployed, detector: None };
    let classes = base.config.num_classes;
    println!("model,batch,rounds,adapter,base_ms,task_ms,ratio");
    for kind in AdapterKind::ALL {
        // Dense networks have no unique filters.
        let Ok(task) = base.clone().with_adapter(kind, classes) else { continue };
        let mut works = [base.clone(), task].map(|model| Workload::of(model, &setup, &device));
        let mut times = [Vec::new(), Vec::new()];
        let mut ratios = Vec::new();
        for round in 0..rounds + 2 {
            let mut pair = [0.0; 2];
            // Whoever comes second finds other caches: they take turns at that.
            for place in [round % 2, 1 - round % 2] {
                pair[place] = milliseconds(&mut works[place]);
            }
            // The first rounds take up memory.
            if round >= 2 {
                times[0].push(pair[0]);
                times[1].push(pair[1]);
                ratios.push(pair[1] / pair[0]);
            }
        }
        let [of_base, of_task] = times.map(|times| Timing::new(times).median());
        let ratio = Timing::new(ratios).median();
        println!("{name},{batch},{rounds},{kind},{of_base:.3},{of_task:.3},{ratio:.3}");
    }
    Ok(())
}
