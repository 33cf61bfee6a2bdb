//! Temporary measurement.
use std::time::Instant;

use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Int, Tensor, TensorData};
use cobasis_kernels::profile::{Work, profile};
use cobasis_kernels::{Activation, ConvEpilogue, ConvOptions, Maps, Sgd, burn_only};

struct Conv {
    banks: Vec<usize>,
    stride: usize,
    padding: usize,
}
enum Layer {
    Dense(Conv),
    Basis(Conv, BatchNorm, Conv),
}
struct Block {
    convs: [Layer; 2],
    norms: [BatchNorm; 2],
    shortcut: Option<(Conv, BatchNorm)>,
}
struct Net {
    weights: Vec<Tensor<4>>,
    stem: Conv,
    norm: BatchNorm,
    blocks: Vec<Block>,
    head: Linear,
}

struct Builder {
    weights: Vec<Tensor<4>>,
    device: Device,
    seed: u32,
}
impl Builder {
    fn weight(&mut self, shape: [usize; 4]) -> usize {
        let scale = (6.0 / (shape[1] * shape[2] * shape[3]) as f32).sqrt();
        let data: Vec<f32> = (0..shape.iter().product())
            .map(|_| {
                self.seed = self.seed.wrapping_mul(1664525).wrapping_add(1013904223);
                ((self.seed >> 8) as f32 / (1 << 23) as f32 - 1.0) * scale
            })
            .collect();
        let tensor = Tensor::from_data(TensorData::new(data, shape), &self.device);
        let tensor = if self.device.is_autodiff() { tensor.require_grad() } else { tensor };
        self.weights.push(tensor);
        self.weights.len() - 1
    }
    fn conv(&mut self, cin: usize, cout: usize, k: usize, stride: usize) -> Conv {
        Conv { banks: vec![self.weight([cout, cin, k, k])], stride, padding: k / 2 }
    }
    fn norm(&self, channels: usize) -> BatchNorm {
        BatchNormConfig::new(channels).init(&self.device)
    }
}

fn net(
    device: &Device,
    base: usize,
    depth: &[usize],
    s: usize,
    u: usize,
    double: bool,
    classes: usize,
) -> Net {
    let mut b = Builder { weights: vec![], device: device.clone(), seed: 1 };
    let stem = b.conv(3, base, 3, 1);
    let norm = b.norm(base);
    let mut blocks = vec![];
    let mut cin = base;
    for (g, &n) in depth.iter().enumerate() {
        let w = base << g;
        let bases: Vec<usize> =
            (0..1 + usize::from(double)).map(|_| b.weight([s << g, w, 3, 3])).collect();
        for j in 0..n {
            let stride = if j == 0 && g > 0 { 2 } else { 1 };
            let convs = if j == 0 {
                [Layer::Dense(b.conv(cin, w, 3, stride)), Layer::Dense(b.conv(w, w, 3, 1))]
            } else {
                [0, bases.len() - 1].map(|which| {
                    let own = b.weight([u << g, w, 3, 3]);
                    let rank = (s + u) << g;
                    let basis = Conv { banks: vec![own, bases[which]], stride: 1, padding: 1 };
                    Layer::Basis(basis, b.norm(rank), b.conv(rank, w, 1, 1))
                })
            };
            let shortcut = (cin != w).then(|| (b.conv(cin, w, 1, stride), b.norm(w)));
            blocks.push(Block { convs, norms: [b.norm(w), b.norm(w)], shortcut });
            cin = w;
        }
    }
    Net {
        weights: b.weights,
        stem,
        norm,
        blocks,
        head: LinearConfig::new(cin, classes).init(device),
    }
}

impl Net {
    fn conv(&self, conv: &Conv, x: Maps) -> Maps {
        let banks: Vec<_> = conv.banks.iter().map(|&i| self.weights[i].clone()).collect();
        let options =
            ConvOptions { stride: [conv.stride; 2], padding: [conv.padding; 2], groups: 1 };
        x.conv2d(&banks, options, ConvEpilogue::default())
    }
    fn layer(&self, layer: &Layer, x: Maps) -> Maps {
        match layer {
            Layer::Dense(conv) => self.conv(conv, x),
            Layer::Basis(basis, norm, coefficients) => {
                let x = self.conv(basis, x).batch_norm(norm, None, Activation::None);
                self.conv(coefficients, x)
            }
        }
    }
    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let mut x =
            self.conv(&self.stem, images.into()).batch_norm(&self.norm, None, Activation::Relu);
        for block in &self.blocks {
            let y = self.layer(&block.convs[0], x.clone()).batch_norm(
                &block.norms[0],
                None,
                Activation::Relu,
            );
            let y = self.layer(&block.convs[1], y);
            let shortcut = match &block.shortcut {
                Some((conv, norm)) => self.conv(conv, x).batch_norm(norm, None, Activation::None),
                None => x,
            };
            x = y.batch_norm(&block.norms[1], Some(shortcut), Activation::Relu);
        }
        self.head.forward(x.global_average())
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let batch: usize = args[2].parse().unwrap();
    let runs: usize = args[4].parse().unwrap();
    let make = |device: &Device| match args[1].as_str() {
        "r34s" => net(device, 64, &[3, 4, 6, 3], 32, 1, false, 100),
        _ => net(device, 16, &[5, 5, 5], 16, 1, true, 10),
    };
    let train = args[3] == "train";
    let plain = Device::flex();
    let device = if train { plain.clone().autodiff() } else { plain };
    let work = || {
        let mut model = make(&device);
        let mut seed = 7_u32;
        let data: Vec<f32> = (0..batch * 3 * 32 * 32)
            .map(|_| {
                seed = seed.wrapping_mul(1664525).wrapping_add(1013904223);
                (seed >> 8) as f32 / (1 << 23) as f32 - 1.0
            })
            .collect();
        let images =
            || Tensor::<4>::from_data(TensorData::new(data.clone(), [batch, 3, 32, 32]), &device);
        let labels: Vec<i32> = (0..batch as i32).map(|i| i % 10).collect();
        let loss = CrossEntropyLossConfig::new().init(&device);
        let sgd = Sgd { momentum: 0.9, weight_decay: 5e-4, nesterov: false };
        let mut velocities: Vec<Option<Tensor<4>>> = model.weights.iter().map(|_| None).collect();
        let mut times = vec![];
        let mut parts = [0.0; 3];
        let mut step = |model: &mut Net, parts: &mut [f64; 3]| {
            if train {
                let start = Instant::now();
                let logits = model.forward(images());
                let labels =
                    Tensor::<1, Int>::from_data(TensorData::new(labels.clone(), [batch]), &device);
                let l = loss.forward(logits, labels);
                parts[0] = start.elapsed().as_secs_f64();
                let mut grads = l.backward();
                parts[1] = start.elapsed().as_secs_f64() - parts[0];
                for (w, v) in model.weights.iter_mut().zip(&mut velocities) {
                    let g = w.grad_remove(&mut grads).unwrap();
                    let (next, velocity) = sgd.step(1e-3, w.clone().inner(), g, v.take());
                    *w = Tensor::from_inner(next).require_grad();
                    *v = Some(velocity);
                }
                parts[2] = start.elapsed().as_secs_f64() - parts[0] - parts[1];
                l.into_scalar::<f32>()
            } else {
                model.forward(images()).sum().into_scalar::<f32>()
            }
        };
        for _ in 0..2 {
            step(&mut model, &mut parts);
        }
        let mut last = 0.0;
        for _ in 0..runs {
            let start = Instant::now();
            last = step(&mut model, &mut parts);
            times.push(start.elapsed().as_secs_f64());
        }
        times.sort_by(f64::total_cmp);
        println!(
            "min {:.1} median {:.1} ms, value {last}, last parts {:?}",
            1e3 * times[0],
            1e3 * times[runs / 2],
            parts.map(|p| (1e4 * p).round() / 10.0)
        );
        if args.len() > 5 && args[5] == "profile" {
            let (_, records) = profile(|| step(&mut model, &mut parts));
            let total: f64 = records.iter().map(|r| r.time.as_secs_f64()).sum();
            let mut sums: Vec<(String, f64, f64, usize)> = vec![];
            for r in &records {
                let (name, flops) = match r.work {
                    Work::Conv(shape, pass, algorithm) => (
                        format!(
                            "{pass:?} {algorithm} {:?} {}->{} {:?} s{}",
                            shape.kernel,
                            shape.channels_in,
                            shape.channels_out,
                            shape.size,
                            shape.stride[0]
                        ),
                        2.0 * shape.macs() as f64,
                    ),
                    Work::NormStatistics(n) => ("statistics".to_string(), n as f64),
                    Work::Norm(n) => ("norm".to_string(), n as f64),
                    Work::NormBackward(n) => ("norm backward".to_string(), n as f64),
                };
                match sums.iter_mut().find(|s| s.0 == name) {
                    Some(s) => {
                        s.1 += r.time.as_secs_f64();
                        s.2 += flops;
                        s.3 += 1
                    }
                    None => sums.push((name, r.time.as_secs_f64(), flops, 1)),
                }
            }
            sums.sort_by(|a, b| b.1.total_cmp(&a.1));
            for (name, time, flops, n) in sums.iter().take(45) {
                println!("{:8.2} ms {:3}x {:6.0} G/s  {name}", 1e3 * time, n, 1e-9 * flops / time);
            }
            println!("total in kernels {:.1} ms of step {:?}", 1e3 * total, parts);
        }
    };
    if args.last().unwrap() == "burn" {
        burn_only(work)
    } else {
        work()
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    println!("{}", status.lines().find(|l| l.starts_with("VmHWM")).unwrap());
}
