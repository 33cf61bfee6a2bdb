//! A row of the table, and what is in it.

/// What a part of a network costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Trainable parameters.
    pub params: u64,
    /// Numbers that are stored but not trained: running means and variances of batch norms.
    pub buffers: u64,
    /// Multiply-accumulates of convolutions and linear layers for one image. Biases,
    /// normalisation, activations, pooling and channel attention do not count.
    pub macs: u64,
}

impl std::ops::Add for Cost {
    type Output = Cost;

    fn add(self, other: Cost) -> Cost {
        Cost {
            params: self.params + other.params,
            buffers: self.buffers + other.buffers,
            macs: self.macs + other.macs,
        }
    }
}

impl std::iter::Sum for Cost {
    fn sum<I: Iterator<Item = Cost>>(costs: I) -> Cost {
        costs.fold(Cost::default(), |a, b| a + b)
    }
}

/// The role of a row's parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// Filters that several layers use, and layers that consist of such filters only: the filters'
    /// row has the parameters, the layers' rows the multiply-accumulates.
    Shared,
    /// The basis filters of one layer. The row carries the multiply-accumulates of the whole basis
    /// convolution, shared filters included: using a filter costs the same wherever it is kept.
    Unique,
    /// The `1×1` coefficients of one layer.
    Coefficients,
    /// Everything else: dense layers and batch norms.
    Other,
}

/// One row of a [`CostTable`](super::CostTable).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CostRow {
    /// Where the layer is in the module tree.
    pub path: String,
    /// The role of its parameters.
    pub part: Part,
    /// What it costs.
    pub cost: Cost,
    /// The output shape for one image, `[channels, height, width]`; `None` for filters without a
    /// forward pass of their own.
    pub output: Option<[usize; 3]>,
    /// For shared filters: the layers that use them.
    pub used_by: Vec<String>,
}
