//! Where a model's time goes, and what its convolutions could do alone.

use std::collections::HashMap;
use std::time::Duration;

use cobasis_kernels::conv::{self, ConvShape, Epilogue, PackedWeight, Pass};
use cobasis_kernels::profile::{Work, profile};
use serde::Serialize;

use super::timing::{Timing, repeat};
use super::workload::{Workload, pixels};

/// The time that a layer took, in all runs of a pass over it.
#[derive(Clone, Debug, Serialize)]
pub struct LayerTime {
    /// Where it is in the model's tree.
    pub layer: String,
    /// What was done: `forward`, `input gradient`, and so on.
    pub work: &'static str,
    /// The sizes, as `3x3 64 -> 33, 32x32`.
    pub sizes: String,
    /// How it was computed.
    pub algorithm: String,
    /// The median of its times, in seconds.
    pub seconds: f64,
}

/// The time of one convolution shape, alone.
#[derive(Clone, Debug, Serialize)]
pub struct ShapeTime {
    /// The sizes, as `3x3 64 -> 33, 32x32`.
    pub sizes: String,
    /// The convolutions of the model that are like it.
    pub layers: usize,
    /// The computation.
    pub work: &'static str,
    /// How it was computed.
    pub algorithm: String,
    /// Its times.
    pub timing: Timing,
    /// Billions of floating-point operations a second, counted as of the plain convolution.
    pub gigaflops: f64,
}

/// Runs the work repeatedly and returns each layer's times, in the order of the work. Layers that
/// are left to Burn are not among them.
pub fn layer_times(workload: &mut Workload, runs: usize) -> Vec<LayerTime> {
    workload.run();
    let mut order = Vec::new();
    let mut times: HashMap<_, Vec<f64>> = HashMap::new();
    for _ in 0..runs.max(1) {
        let (_, records) = profile(|| workload.run());
        for record in records {
            let key = (record.layer, record.work);
            let times = times.entry(key.clone()).or_default();
            if times.is_empty() {
                order.push(key);
            }
            times.push(record.time.as_secs_f64());
        }
    }
    let row = |key: (_, Work)| {
        let seconds = Timing::new(times[&key].clone()).median();
        let (layer, work) = key;
        let (work, sizes, algorithm) = match work {
            Work::Conv(shape, pass, algorithm) => {
                (pass_name(pass), sizes(&shape), algorithm.to_string())
            }
            Work::NormStatistics(count) => ("statistics", count.to_string(), String::new()),
            Work::Norm(count) => ("norm", count.to_string(), String::new()),
            Work::NormBackward(count) => ("norm gradients", count.to_string(), String::new()),
        };
        LayerTime { layer: layer.to_string(), work, sizes, algorithm, seconds }
    };
    order.into_iter().map(row).collect()
}

/// Measures each convolution shape of the work alone, all passes that the work takes.
pub fn shape_times(workload: &mut Workload, at_least: Duration) -> Vec<ShapeTime> {
    let (_, records) = profile(|| workload.run());
    let mut shapes: Vec<(ConvShape, Pass, usize)> = Vec::new();
    for record in records {
        if let Work::Conv(shape, pass, _) = record.work {
            match shapes.iter_mut().find(|known| (known.0, known.1) == (shape, pass)) {
                Some(known) => known.2 += 1,
                None => shapes.push((shape, pass, 1)),
            }
        }
    }
    let row = |(shape, pass, layers): (ConvShape, Pass, usize)| {
        let timing = alone(&shape, pass, at_least);
        ShapeTime {
            sizes: sizes(&shape),
            layers,
            work: pass_name(pass),
            algorithm: conv::choose(&shape, pass).to_string(),
            gigaflops: 2e-9 * shape.macs() as f64 / timing.median(),
            timing,
        }
    };
    shapes.into_iter().map(row).collect()
}

fn alone(shape: &ConvShape, pass: Pass, at_least: Duration) -> Timing {
    let x = pixels(shape.input_len());
    let mut y = pixels(shape.output_len());
    let weight = pixels(shape.weight_len());
    match pass {
        Pass::Forward => {
            let packed = PackedWeight::new(shape, &weight);
            let epilogue = Epilogue::default();
            repeat(at_least, 5, || conv::forward(shape, &x, &packed, &mut y, &epilogue))
        }
        Pass::BackwardInput => {
            let mut dx = x;
            repeat(at_least, 5, || conv::backward_input(shape, &weight, &y, &mut dx))
        }
        Pass::BackwardFilter => {
            let mut dw = weight;
            repeat(at_least, 5, || conv::backward_filter(shape, &x, &y, &mut dw))
        }
    }
}

fn pass_name(pass: Pass) -> &'static str {
    match pass {
        Pass::Forward => "forward",
        Pass::BackwardInput => "input gradient",
        Pass::BackwardFilter => "filter gradient",
    }
}

fn sizes(shape: &ConvShape) -> String {
    let ConvShape { size, channels_in, channels_out, kernel, stride, groups, .. } = *shape;
    let mut text = format!(
        "{}x{} {channels_in} -> {channels_out}, {}x{}",
        kernel[0], kernel[1], size[0], size[1]
    );
    if stride != [1, 1] {
        text += &format!(", stride {}", stride[0]);
    }
    if groups != 1 {
        text += &format!(", {groups} groups");
    }
    text
}
