//! What packing a stage's shared filters once for all its layers saves: milliseconds of a layer's
//! basis convolution, 32 shared filters and a unique one, packing included.
//!
//! `together` packs shared and unique filters for each layer anew, `shared` the unique ones alone.
//! Medians of 31 runs of both in turn.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use cobasis_kernels::conv::{
    Algorithm, ConvShape, Epilogue, PackedWeight, Pass, TransposedBank, backward_input,
    backward_input_of_banks, choose, forward,
};

const SHARED: usize = 32;

/// Milliseconds of both, medians of runs in turn.
fn in_turn(mut jobs: [&mut dyn FnMut(); 2]) -> [f64; 2] {
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..31 {
        for (job, times) in jobs.iter_mut().zip(&mut times) {
            let start = Instant::now();
            job();
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    })
}

fn main() {
    let (threads, unit) = (rayon::current_num_threads(), cobasis_kernels::vector_unit());
    println!("{threads} threads, {unit}; milliseconds, packed together and shared");
    println!("{:>5} {:>9} {:>17} {:>17}", "batch", "maps", "forward", "input gradient");
    for batch in [1, 4, 32] {
        for (channels_in, size) in [(64, 32), (128, 16), (256, 8), (512, 4)] {
            let shape = ConvShape {
                batch,
                size: [size; 2],
                channels_in,
                channels_out: SHARED + 1,
                kernel: [3; 2],
                stride: [1; 2],
                padding: [1; 2],
                groups: 1,
            };
            let noise = |len: usize| -> Vec<f32> {
                (0..len as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 8) as f32 / 1e8).collect()
            };
            let (x, filters) = (noise(shape.input_len()), noise(shape.weight_len()));
            let dy = noise(shape.output_len());
            let (unique, shared) = filters.split_at(filters.len() / (SHARED + 1));
            let (mut y, mut dx) = (dy.clone(), x.clone());
            let (mut y_shared, mut dx_shared) = (dy.clone(), x.clone());
            let plain = Epilogue::default();
            let bank = Arc::new(PackedWeight::bank(&shape, shared));
            let [forward_together, forward_shared] = in_turn([
                &mut || forward(&shape, &x, &PackedWeight::new(&shape, &filters), &mut y, &plain),
                &mut || {
                    let own = Arc::new(PackedWeight::bank(&shape, unique));
                    let packed = PackedWeight::join(&[own, Arc::clone(&bank)]);
                    forward(&shape, &x, &packed, &mut y_shared, &plain);
                },
            ]);
            print!("{batch:5} {:>9}", format!("{channels_in}x{size}x{size}"));
            print!(" {forward_together:8.3} {forward_shared:8.3}");
            // Where Winograd does not win, the input gradient packs all filters together.
            if choose(&shape, Pass::BackwardInput) == Algorithm::Winograd {
                let bank = Arc::new(TransposedBank::new(&shape, shared));
                let [together, shared] =
                    in_turn([&mut || backward_input(&shape, &filters, &dy, &mut dx), &mut || {
                        let own = Arc::new(TransposedBank::new(&shape, unique));
                        let banks = [own, Arc::clone(&bank)];
                        backward_input_of_banks(&shape, &banks, &dy, &mut dx_shared);
                    }]);
                print!(" {together:8.3} {shared:8.3}");
            }
            println!();
            black_box((&y, &y_shared, &dx, &dx_shared));
        }
    }
}
