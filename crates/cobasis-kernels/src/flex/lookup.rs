//! Many numbers of a few.

use burn::backend::Flex;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::Tensor;
use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::tensors::{Operands, Tracked, followed, numbers, output};
use crate::buffer::Buffer;
use crate::lookup::Lookup;

/// Outputs that a thread takes at a time.
const CHUNK: usize = 1 << 14;

/// The numbers that a table finds in a list.
pub(crate) fn lookup(lookup: &Lookup, list: Tensor<1>) -> Tensor<1> {
    match Operands::new([list.into_dispatch()]) {
        Operands::Plain(tensors, context) => output(forward(lookup, &tensors[0]), context),
        Operands::Tracked(mut tensors, context) => {
            followed(differentiable(lookup, tensors.remove(0)), context)
        }
    }
}

fn forward(lookup: &Lookup, list: &FlexTensor) -> FlexTensor {
    let list = list.to_contiguous();
    let list = numbers(&list);
    let mut found = Buffer::new(lookup.len());
    let chunks = found.par_chunks_mut(CHUNK).zip(lookup.table().par_chunks(CHUNK));
    chunks.for_each(|(found, table)| {
        for (found, &entry) in found.iter_mut().zip(table) {
            let (place, factor) = lookup.place(entry);
            *found = list[place] * factor;
        }
    });
    found.into_tensor([lookup.len()])
}

fn differentiable(lookup: &Lookup, list: Tracked) -> Tracked {
    let guard = list.node();
    let list = list.into_primitive();
    let found = forward(lookup, &list);
    match Found.prepare::<NoCheckpointing>([guard]).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => {
            let count = list.layout().shape().num_elements();
            prepared.finish((lookup.clone(), count), found)
        }
        OpsKind::UnTracked(prepared) => prepared.finish(found),
    }
}

#[derive(Debug)]
struct Found;

impl Backward<Flex, 1> for Found {
    /// The table, and the length of the list.
    type State = (Lookup, usize);

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let (lookup, count) = ops.state;
        let dy = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let [Some(parent)] = ops.parents else { return };
        let mut sums = Buffer::new(count);
        sums.fill(0.0);
        // One after another: several outputs are the same number.
        for (&entry, dy) in lookup.table().iter().zip(numbers(&dy)) {
            let (place, factor) = lookup.place(entry);
            sums[place] += dy * factor;
        }
        gradients.register::<Flex>(parent.id, sums.into_tensor([count]));
    }
}
