//! Filters in the order in which kernels read them, made once for all shapes that need the same.

use std::collections::HashMap;
use std::sync::Arc;

use cobasis_kernels::conv::{ConvShape, PackedWeight, Packing, banks_part_well};

use crate::graph::{Conv, Graph};

/// Packed filters.
#[derive(Debug, Default)]
pub(crate) struct Packed {
    /// Those of a node's convolution.
    convs: HashMap<(usize, Packing), Arc<PackedWeight>>,
    /// Those of a tensor that several convolutions may use.
    banks: HashMap<(usize, Packing), Arc<PackedWeight>>,
}

impl Packed {
    /// The filters of a node's convolution for a shape.
    pub(crate) fn of(
        &mut self,
        graph: &Graph,
        node: usize,
        conv: &Conv,
        shape: &ConvShape,
    ) -> Arc<PackedWeight> {
        let packing = Packing::of(shape);
        if let Some(weight) = self.convs.get(&(node, packing)) {
            return Arc::clone(weight);
        }
        let weight = Arc::new(self.packed(graph, conv, shape, packing));
        self.convs.insert((node, packing), Arc::clone(&weight));
        weight
    }

    fn packed(
        &mut self,
        graph: &Graph,
        conv: &Conv,
        shape: &ConvShape,
        packing: Packing,
    ) -> PackedWeight {
        let count = |&bank: &usize| graph.tensors[bank].shape[0];
        let filters: Vec<usize> = conv.banks.iter().map(count).collect();
        match conv.banks.as_slice() {
            &[bank] => PackedWeight::new(shape, graph.values(bank)),
            banks if banks_part_well(shape, &filters) => {
                // The layers of a stage share what is made of their shared filters.
                let bank = |&bank: &usize| {
                    let fresh = || Arc::new(PackedWeight::bank(shape, graph.values(bank)));
                    Arc::clone(self.banks.entry((bank, packing)).or_insert_with(fresh))
                };
                PackedWeight::join(&banks.iter().map(bank).collect::<Vec<_>>())
            }
            banks => {
                let joined: Vec<f32> =
                    banks.iter().flat_map(|&bank| graph.values(bank)).copied().collect();
                PackedWeight::new(shape, &joined)
            }
        }
    }
}
