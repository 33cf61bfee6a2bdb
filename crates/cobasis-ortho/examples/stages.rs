//! Seconds that shared bases take for stages of ImageNet ResNets, on made-up filters and moments:
//! `stages [stage, such as 34.4] [plain, weighted, profile or weighted-profile]`.

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use cobasis_ortho::{DenseFilters, JointProfile, Weighting, joint_basis, ranks_to_try};

/// Network and stage, layers, outputs, numbers of a filter.
const STAGES: [(&str, usize, usize, usize); 8] = [
    ("18.1", 3, 64, 576),
    ("18.2", 3, 128, 1152),
    ("18.3", 3, 256, 2304),
    ("18.4", 3, 512, 4608),
    ("34.1", 5, 64, 576),
    ("34.2", 7, 128, 1152),
    ("34.3", 11, 256, 2304),
    ("34.4", 5, 512, 4608),
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let (stage, wanted) = (words.next().unwrap_or_default(), words.next());
    for (name, layers, outputs, length) in STAGES {
        if !name.starts_with(&stage) {
            continue;
        }
        for what in ["plain", "weighted", "profile", "weighted-profile"] {
            if wanted.as_deref().is_some_and(|wanted| wanted != what) {
                continue;
            }
            let moments: Vec<Vec<f64>> = match what.starts_with("weighted") {
                true => (0..layers).map(|layer| moment(length, layer)).collect(),
                false => Vec::new(),
            };
            let dense: Vec<DenseFilters<'_>> = (0..layers)
                .map(|layer| DenseFilters {
                    filters: filters(outputs * length, layer as u64 + 1),
                    second_moment: moments.get(layer).map(Into::into),
                })
                .collect();
            let start = Instant::now();
            match what.ends_with("profile") {
                true => {
                    let most = (layers * outputs).min(length) / 2;
                    black_box(JointProfile::of(&dense, length, &ranks_to_try(most), 16)?);
                }
                false => {
                    black_box(joint_basis(&dense, length, outputs / 2, 8, Weighting::Inputs)?);
                }
            }
            println!("{name} {what:16} {:8.2} s", start.elapsed().as_secs_f64());
        }
    }
    Ok(())
}

/// Numbers between -1 and 1, of a linear congruential generator.
fn filters(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed;
    let number = |_| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    (0..count).map(number).collect()
}

/// The moment of inputs of different sizes of which near ones are alike, in each layer a little more.
fn moment(length: usize, layer: usize) -> Vec<f64> {
    let alike = 0.9 + 0.005 * layer as f64;
    let size = |i: usize| 1.0 / (1.0 + (i % 64) as f64);
    let entry = |i: usize, j: usize| alike.powi(i.abs_diff(j) as i32) * size(i) * size(j);
    (0..length * length).map(|index| entry(index / length, index % length)).collect()
}
