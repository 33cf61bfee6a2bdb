//! Filters in the order in which kernels read them, made once for all shapes that need the same.

use std::borrow::Cow;
use std::collections::HashMap;
use std::mem;
use std::sync::Arc;

use cobasis_kernels::conv::{ConvShape, PackedWeight, Packing, banks_part_well};

use crate::graph::{Conv, Graph, Op};

/// The filters of all convolutions.
///
/// They are held once where that is possible: a tensor whose numbers are among packed ones is given up, and
/// taken from there if another shape wants them otherwise.
#[derive(Debug, Default)]
pub(crate) struct Packed {
    /// Where the numbers of each tensor are; those of tensors that hold no filters are the graph's.
    tensors: Vec<Source>,
    /// Those of a node's convolution.
    convs: HashMap<(usize, Packing), Arc<PackedWeight>>,
    /// Those of a tensor that several convolutions may use.
    banks: HashMap<(usize, Packing), Arc<PackedWeight>>,
}

/// Where a tensor's numbers are.
#[derive(Clone, Debug)]
enum Source {
    Tensor(Vec<f32>),
    /// Among packed filters, the tensor's from one on.
    Packed(Arc<PackedWeight>, usize),
}

impl Packed {
    /// Takes the filters out of a graph.
    pub(crate) fn take(graph: &mut Graph) -> Self {
        let mut tensors = vec![Source::Tensor(Vec::new()); graph.tensors.len()];
        for node in &graph.nodes {
            let (Op::Conv(conv) | Op::Linear { weight: conv }) = &node.op else { continue };
            let expansion = conv.expansion.iter().flat_map(|expansion| &expansion.conv.banks);
            for &bank in conv.banks.iter().chain(expansion) {
                let values = mem::take(&mut graph.tensors[bank].values);
                // Another convolution may have had it.
                if !values.is_empty() {
                    tensors[bank] = Source::Tensor(values);
                }
            }
        }
        Self { tensors, ..Self::default() }
    }

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
        let mut first = 0;
        for &bank in &conv.banks {
            self.give_up(bank, &weight, first);
            first += graph.tensors[bank].shape[0];
        }
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
            &[bank] => PackedWeight::new(shape, &self.values(graph, bank)),
            banks if banks_part_well(shape, &filters) => {
                // The layers of a stage share what is made of their shared filters.
                let mut packed = Vec::with_capacity(banks.len());
                for &bank in banks {
                    let key = (bank, packing);
                    if !self.banks.contains_key(&key) {
                        let weight = PackedWeight::bank(shape, &self.values(graph, bank));
                        let weight = Arc::new(weight);
                        self.give_up(bank, &weight, 0);
                        self.banks.insert(key, weight);
                    }
                    packed.extend(self.banks.get(&key).map(Arc::clone));
                }
                PackedWeight::join(&packed)
            }
            banks => {
                let joined: Vec<f32> =
                    banks.iter().flat_map(|&bank| self.values(graph, bank).into_owned()).collect();
                PackedWeight::new(shape, &joined)
            }
        }
    }

    /// The numbers of a tensor.
    fn values(&self, graph: &Graph, tensor: usize) -> Cow<'_, [f32]> {
        match &self.tensors[tensor] {
            Source::Tensor(values) => Cow::Borrowed(values),
            Source::Packed(weight, first) => {
                let mut values = weight.unpack().unwrap_or_default();
                let shape = &graph.tensors[tensor].shape;
                let filter: usize = shape[1..].iter().product();
                values.drain(..first * filter);
                values.truncate(shape[0] * filter);
                Cow::Owned(values)
            }
        }
    }

    /// Gives a tensor up whose numbers are among packed filters, from one on.
    fn give_up(&mut self, tensor: usize, weight: &Arc<PackedWeight>, first: usize) {
        if let Source::Tensor(_) = self.tensors[tensor]
            && weight.holds_weight()
        {
            self.tensors[tensor] = Source::Packed(Arc::clone(weight), first);
        }
    }
}
