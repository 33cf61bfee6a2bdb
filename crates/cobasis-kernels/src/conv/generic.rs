//! Plain loops over the taps of the kernel: any stride, padding and groups.

use rayon::prelude::*;

use super::{Activation, ConvShape, Epilogue};

/// Reorders a weight to `[kernel height, kernel width, channels_in / groups, channels_out]`.
pub fn pack(shape: &ConvShape, weight: &[f32]) -> Vec<f32> {
    let taps = shape.kernel[0] * shape.kernel[1];
    let inputs = shape.channels_in / shape.groups;
    let mut packed = vec![0.0; weight.len()];
    for (out, filter) in weight.chunks_exact(inputs * taps).enumerate() {
        for (i, &w) in filter.iter().enumerate() {
            let (input, tap) = (i / taps, i % taps);
            packed[(tap * inputs + input) * shape.channels_out + out] = w;
        }
    }
    packed
}

/// Calls `visit(tap, input pixel)` for every tap that meets the image at an output position.
fn taps(shape: &ConvShape, row: usize, column: usize, mut visit: impl FnMut(usize, usize)) {
    let [height, width] = shape.size;
    for dy in 0..shape.kernel[0] {
        let Some(iy) = (row * shape.stride[0] + dy).checked_sub(shape.padding[0]) else { continue };
        if iy >= height {
            break;
        }
        for dx in 0..shape.kernel[1] {
            let position = column * shape.stride[1] + dx;
            let Some(ix) = position.checked_sub(shape.padding[1]) else { continue };
            if ix >= width {
                break;
            }
            visit(dy * shape.kernel[1] + dx, iy * width + ix);
        }
    }
}

pub fn forward(shape: &ConvShape, x: &[f32], packed: &[f32], y: &mut [f32], epilogue: &Epilogue) {
    let [height, width] = shape.output();
    let (inputs, outputs) = (shape.channels_in / shape.groups, shape.channels_out / shape.groups);
    let image = shape.size[0] * shape.size[1] * shape.channels_in;
    y.par_chunks_mut(width * shape.channels_out).enumerate().for_each(|(line, y)| {
        let x = &x[line / height * image..][..image];
        let first = line * width;
        for (column, y) in y.chunks_exact_mut(shape.channels_out).enumerate() {
            y.fill(0.0);
            taps(shape, line % height, column, |tap, pixel| {
                let x = &x[pixel * shape.channels_in..][..shape.channels_in];
                for (group, y) in y.chunks_exact_mut(outputs).enumerate() {
                    for (input, &x) in x[group * inputs..][..inputs].iter().enumerate() {
                        let start = (tap * inputs + input) * shape.channels_out + group * outputs;
                        for (y, w) in y.iter_mut().zip(&packed[start..]) {
                            *y += x * w;
                        }
                    }
                }
            });
            finish(y, (first + column) * shape.channels_out, epilogue);
        }
    });
}

/// Applies the epilogue to the channels of one pixel that starts at `start` of the output.
fn finish(y: &mut [f32], start: usize, epilogue: &Epilogue) {
    for (channel, y) in y.iter_mut().enumerate() {
        *y = *y * epilogue.scale.map_or(1.0, |s| s[channel])
            + epilogue.bias.map_or(0.0, |b| b[channel])
            + epilogue.residual.map_or(0.0, |r| r[start + channel]);
        *y = match epilogue.activation {
            Activation::None => *y,
            Activation::Relu => y.max(0.0),
            Activation::Relu6 => y.clamp(0.0, 6.0),
        };
    }
}

pub fn backward_input(shape: &ConvShape, weight: &[f32], dy: &[f32], dx: &mut [f32]) {
    let [height, width] = shape.output();
    let (inputs, outputs) = (shape.channels_in / shape.groups, shape.channels_out / shape.groups);
    let area = shape.kernel[0] * shape.kernel[1];
    // [tap, channels_out, channels_in / groups]: the inner loop runs along the input channels.
    let mut packed = vec![0.0; weight.len()];
    for (i, &w) in weight.iter().enumerate() {
        let (tap, input, out) = (i % area, i / area % inputs, i / area / inputs);
        packed[(tap * shape.channels_out + out) * inputs + input] = w;
    }
    let (image, gradient) =
        (shape.size[0] * shape.size[1] * shape.channels_in, height * width * shape.channels_out);
    dx.par_chunks_mut(image).zip(dy.par_chunks(gradient)).for_each(|(dx, dy)| {
        dx.fill(0.0);
        for (position, dy) in dy.chunks_exact(shape.channels_out).enumerate() {
            taps(shape, position / width, position % width, |tap, pixel| {
                for (out, &dy) in dy.iter().enumerate() {
                    let start = pixel * shape.channels_in + out / outputs * inputs;
                    let w = &packed[(tap * shape.channels_out + out) * inputs..][..inputs];
                    for (dx, w) in dx[start..][..inputs].iter_mut().zip(w) {
                        *dx += dy * w;
                    }
                }
            });
        }
    });
}

pub fn backward_filter(shape: &ConvShape, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    let [height, width] = shape.output();
    let (inputs, outputs) = (shape.channels_in / shape.groups, shape.channels_out / shape.groups);
    let area = shape.kernel[0] * shape.kernel[1];
    let image = shape.size[0] * shape.size[1] * shape.channels_in;
    let per_filter = inputs * area;
    dw.par_chunks_mut(per_filter * 4).enumerate().for_each(|(block, dw)| {
        // [filter, tap, input]: the inner loop runs along the input channels.
        let mut sums = vec![0.0; dw.len()];
        for (line, dy) in dy.chunks_exact(width * shape.channels_out).enumerate() {
            let x = &x[line / height * image..][..image];
            for (column, dy) in dy.chunks_exact(shape.channels_out).enumerate() {
                taps(shape, line % height, column, |tap, pixel| {
                    let x = &x[pixel * shape.channels_in..][..shape.channels_in];
                    for (filter, sums) in sums.chunks_exact_mut(per_filter).enumerate() {
                        let out = block * 4 + filter;
                        let sums = &mut sums[tap * inputs..][..inputs];
                        for (sum, x) in sums.iter_mut().zip(&x[out / outputs * inputs..]) {
                            *sum += dy[out] * x;
                        }
                    }
                });
            }
        }
        for (dw, sums) in dw.chunks_exact_mut(per_filter).zip(sums.chunks_exact(per_filter)) {
            for (i, dw) in dw.iter_mut().enumerate() {
                *dw = sums[i % area * inputs + i / area];
            }
        }
    });
}
