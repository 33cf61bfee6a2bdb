//! The tensors of deployed files whose weights are whole numbers.

use std::collections::BTreeMap;

use cobasis_run::weights::{Listing, PACKED, SCALES, VECTORS};

use super::write::Entry;
use crate::deploy::{Numbers, Stored};

/// The tensors as [`cobasis_run::weights`] wants them: weights under their names, all else in few entries.
pub(super) fn packed(tensors: BTreeMap<String, Stored>, plan: Option<String>) -> Vec<Entry> {
    let mut listing = Listing { plan, vectors: Vec::new() };
    let (mut entries, mut scales, mut vectors) = (Vec::new(), Vec::new(), Vec::new());
    for (name, tensor) in tensors {
        match &tensor.numbers {
            Numbers::F32(numbers) => {
                vectors.extend(numbers);
                listing.vectors.push((name, tensor.shape));
                continue;
            }
            Numbers::I8 { scales: own, .. } => scales.extend(own),
            Numbers::F16(_) => {}
        }
        entries.push(Entry::stored(name, tensor));
    }
    entries.extend([Entry::row(SCALES, scales), Entry::row(VECTORS, vectors)]);
    entries.push(Entry::bytes(PACKED, listing.to_bytes()));
    entries
}
