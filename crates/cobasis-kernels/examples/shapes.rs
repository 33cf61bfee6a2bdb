//! GFLOP/s of every pass for the shapes of CIFAR networks: `shapes [filter] [seconds per figure]`.
//!
//! The least time of many repetitions counts, so that other work on the machine disturbs little.

use std::time::{Duration, Instant};

use cobasis_kernels::conv::{
    Activation, Algorithm, ConvShape, Epilogue, PackedWeight, Pass, Residual, backward_filter_with,
    backward_input_with, choose, fits, forward,
};

const ALGORITHMS: [Algorithm; 3] = [Algorithm::Direct, Algorithm::Winograd, Algorithm::Depthwise];

/// Processor seconds of this process: unlike the clock, they do not count what others run.
fn processor_seconds() -> f64 {
    #[repr(C)]
    struct Time {
        seconds: i64,
        nanoseconds: i64,
    }
    unsafe extern "C" {
        fn clock_gettime(clock: i32, time: *mut Time) -> i32;
    }
    const PROCESS: i32 = 2;
    let mut time = Time { seconds: 0, nanoseconds: 0 };
    // SAFETY: the C library that std links to; the structure is its own on 64-bit Linux.
    unsafe { clock_gettime(PROCESS, &mut time) };
    time.seconds as f64 + time.nanoseconds as f64 * 1e-9
}

fn now() -> f64 {
    use std::sync::OnceLock;
    static START: OnceLock<Instant> = OnceLock::new();
    if rayon::current_num_threads() == 1 {
        return processor_seconds();
    }
    START.get_or_init(Instant::now).elapsed().as_secs_f64()
}

fn best(budget: Duration, mut run: impl FnMut()) -> f64 {
    run();
    let (start, mut best) = (Instant::now(), f64::INFINITY);
    while start.elapsed() < budget {
        let once = now();
        run();
        best = best.min(now() - once);
    }
    best
}

fn main() {
    let mut args = std::env::args().skip(1);
    let filter = args.next().unwrap_or_default();
    let budget = args.next().map_or(0.3, |s| s.parse().expect("seconds"));
    let budget = Duration::from_secs_f64(budget);
    println!(
        "{:32} {:9} {:>8} {:>16} {:>16} {:>16} {:>16}",
        "shape", "algorithm", "pack ms", "forward", "with epilogue", "input grad", "filter grad"
    );
    #[rustfmt::skip]
    let shapes = [
        // kernel, stride, groups, in, out, size, batch
        (3, 1, 1, 64, 64, 32, 32), (3, 1, 1, 64, 33, 32, 32), (3, 1, 1, 128, 65, 16, 32),
        (3, 1, 1, 256, 129, 8, 32), (3, 1, 1, 512, 257, 4, 32), (3, 1, 1, 16, 17, 32, 32),
        (3, 1, 1, 32, 33, 16, 32), (3, 1, 1, 64, 65, 8, 32), (3, 1, 1, 64, 1, 32, 32),
        (3, 2, 1, 64, 65, 32, 32), (3, 1, 1, 3, 64, 32, 32),
        (1, 1, 1, 33, 64, 32, 32), (1, 1, 1, 65, 128, 16, 32), (1, 1, 1, 129, 256, 8, 32),
        (1, 1, 1, 257, 512, 4, 32), (1, 2, 1, 64, 128, 32, 32), (1, 1, 1, 17, 16, 32, 32),
        (3, 1, 1, 64, 33, 32, 1), (3, 1, 1, 128, 65, 16, 1), (3, 1, 1, 256, 129, 8, 1),
        (3, 1, 1, 512, 257, 4, 1), (7, 2, 1, 3, 64, 224, 8), (3, 1, 1, 64, 64, 56, 8),
        (3, 1, 32, 128, 128, 56, 8), (3, 1, 144, 144, 144, 32, 32), (3, 2, 144, 144, 144, 32, 32),
    ];
    for (k, stride, groups, channels_in, channels_out, size, batch) in shapes {
        let shape = ConvShape {
            batch,
            size: [size; 2],
            channels_in,
            channels_out,
            kernel: [k; 2],
            stride: [stride; 2],
            padding: [k / 2; 2],
            groups,
        };
        let name =
            format!("{k}x{k}/{stride} g{groups} {channels_in}->{channels_out} {size} b{batch}");
        if !name.contains(&filter) {
            continue;
        }
        let noise = |len: usize| -> Vec<f32> {
            (0..len as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 8) as f32 / 1e8).collect()
        };
        let (x, w, dy) =
            (noise(shape.input_len()), noise(shape.weight_len()), noise(shape.output_len()));
        let (mut y, mut dx, mut dw) = (dy.clone(), x.clone(), w.clone());
        let flop = 2e-9 * shape.macs() as f64;
        for algorithm in ALGORITHMS.into_iter().filter(|&a| fits(a, &shape)) {
            let pack = best(budget / 4, || drop(PackedWeight::with(algorithm, &shape, &w)));
            let packed = PackedWeight::with(algorithm, &shape, &w);
            let plain = Epilogue::default();
            let deployed = Epilogue {
                scale: Some(&x[..channels_out]),
                bias: Some(&x[..channels_out]),
                residual: Residual::Values(&dy),
                activation: Activation::Relu,
            };
            let times = [
                best(budget, || forward(&shape, &x, &packed, &mut y, &plain)),
                best(budget, || forward(&shape, &x, &packed, &mut y, &deployed)),
                best(budget, || backward_input_with(algorithm, &shape, &w, &dy, &mut dx)),
                best(budget, || backward_filter_with(algorithm, &shape, &x, &dy, &mut dw)),
            ];
            let [forward, input, filter] =
                [Pass::Forward, Pass::BackwardInput, Pass::BackwardFilter];
            print!("{name:32} {:9} {:8.3}", algorithm.to_string(), pack * 1e3);
            for (time, pass) in times.into_iter().zip([forward, forward, input, filter]) {
                let chosen = if choose(&shape, pass) == algorithm { '*' } else { ' ' };
                print!(" {:7.3} ms {:4.0}{chosen}", time * 1e3, flop / time);
            }
            println!();
        }
    }
}
