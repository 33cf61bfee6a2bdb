//! Matrices in the order in which a product reads them.

use rayon::prelude::*;

use super::View;

/// Numbers of a line of the cache.
const LINE: usize = 8;

/// Panels of columns, one after the other; in a panel, row after row. The last one is filled up with
/// zeros. The memory is used again.
#[derive(Default)]
pub(super) struct Packed(Vec<f64>);

impl Packed {
    /// The panels of `width` columns of a matrix.
    pub(super) fn fill(&mut self, from: View<'_>, width: usize) -> &[f64] {
        let panel = from.rows * width;
        let size = from.columns.div_ceil(width) * panel;
        if self.0.len() < size + LINE {
            self.0 = vec![0.0; size + LINE];
        }
        // Vectors that straddle lines are read twice.
        let start = self.0.as_ptr().align_offset(LINE * size_of::<f64>()).min(LINE);
        let panels = &mut self.0[start..start + size];
        let fill = |(index, panel): (usize, &mut [f64])| {
            let first = index * width;
            fill_panel(from.columns(first..(first + width).min(from.columns)), panel, width);
        };
        match size > 1 << 15 {
            true => panels.par_chunks_mut(panel).enumerate().for_each(fill),
            false => panels.chunks_mut(panel).enumerate().for_each(fill),
        }
        &self.0[start..start + size]
    }
}

fn fill_panel(from: View<'_>, panel: &mut [f64], width: usize) {
    if from.columns < width {
        panel.fill(0.0);
    }
    match from.steps {
        [down, 1] => {
            for (index, values) in panel.chunks_exact_mut(width).enumerate() {
                let row = &from.values[index * down..][..from.columns];
                values[..from.columns].copy_from_slice(row);
            }
        }
        [_, right] => {
            for column in 0..from.columns {
                let values = &from.values[column * right..column * right + from.rows];
                for (row, value) in panel.chunks_exact_mut(width).zip(values) {
                    row[column] = *value;
                }
            }
        }
    }
}
