//! A small network with every kind of node, as the bytes of a file.

#![allow(dead_code)] // Each test uses a part.

use cobasis_run::plan::{Conv, Node, Op, Plan, Then, VERSION, Windows};
use cobasis_run::weights::{Listing, PACKED, SCALES, VECTORS, output_side, products, whole};

/// A tensor as it stands in a file.
#[derive(Clone)]
pub struct Entry {
    pub name: String,
    pub dtype: &'static str,
    pub shape: Vec<usize>,
    pub bytes: Vec<u8>,
}

/// The bytes of a file with tensors of any kind.
pub fn with_entries(metadata: &[(&str, &str)], entries: &[Entry]) -> Vec<u8> {
    let text = |text: &str| serde_json::Value::from(text).to_string();
    let metadata: Vec<String> =
        metadata.iter().map(|(key, value)| format!("{}:{}", text(key), text(value))).collect();
    let mut header = format!("{{\"__metadata__\":{{{}}}", metadata.join(","));
    let mut numbers: Vec<u8> = Vec::new();
    for Entry { name, dtype, shape, bytes } in entries {
        let start = numbers.len();
        numbers.extend(bytes);
        let end = numbers.len();
        header += &format!(
            ",{}:{{\"dtype\":\"{dtype}\",\"shape\":{shape:?},\"data_offsets\":[{start},{end}]}}",
            text(name)
        );
    }
    header.push('}');
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.into_bytes());
    bytes.extend(numbers);
    bytes
}

/// Tensors of numbers of 32 bits.
pub fn entries(tensors: &[(String, Vec<usize>)]) -> Vec<Entry> {
    let mut start = 0;
    let entry = |(name, shape): &(String, Vec<usize>)| {
        let count = shape.iter().product::<usize>();
        let scale = 2.0 / (count as f32 / shape[0] as f32).sqrt();
        let bytes = values(count, start).into_iter().flat_map(|x| (x * scale).to_le_bytes());
        let bytes: Vec<u8> = bytes.collect();
        start += bytes.len();
        Entry { name: name.clone(), dtype: "F32", shape: shape.clone(), bytes }
    };
    tensors.iter().map(entry).collect()
}

/// The bytes of a deployed file.
pub fn file(metadata: &[(&str, &str)], tensors: &[(String, Vec<usize>)]) -> Vec<u8> {
    with_entries(metadata, &entries(tensors))
}

/// The file of a plan.
pub fn planned(plan: &str, tensors: &[(String, Vec<usize>)]) -> Vec<u8> {
    file(&[("format", "cobasis-deployed-1"), ("plan", plan)], tensors)
}

/// Numbers in [-1, 1) that depend on nothing but the seed.
pub fn values(count: usize, seed: usize) -> Vec<f32> {
    let mut state = (seed as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// A plan that is written down node by node, and its tensors.
pub struct Network {
    pub plan: Plan,
    pub tensors: Vec<(String, Vec<usize>)>,
}

impl Network {
    pub fn new(channels: usize) -> Self {
        let plan = Plan { version: VERSION, channels, nodes: Vec::new(), boxes: None };
        let mut network = Self { plan, tensors: Vec::new() };
        network.push(Op::Input, &[], Then::None);
        network
    }

    pub fn push(&mut self, op: Op, inputs: &[usize], then: Then) -> usize {
        let at = format!("node{}", self.plan.nodes.len());
        self.plan.nodes.push(Node { at, op, inputs: inputs.to_vec(), then });
        self.plan.nodes.len() - 1
    }

    pub fn tensor(&mut self, shape: &[usize]) -> String {
        let name = format!("t{}", self.tensors.len());
        self.tensors.push((name.clone(), shape.to_vec()));
        name
    }

    /// A convolution with filters of these banks that keeps the size, or halves it.
    pub fn conv(
        &mut self,
        [channels, kernel, stride, groups]: [usize; 4],
        banks: &[usize],
        inputs: &[usize],
        then: Then,
    ) -> usize {
        let filters: usize = banks.iter().sum();
        let tensor = |count: &usize| self.tensor(&[*count, channels / groups, kernel, kernel]);
        let banks = banks.iter().map(tensor).collect();
        let conv = Conv {
            filters: banks,
            scale: Some(self.tensor(&[filters])),
            bias: Some(self.tensor(&[filters])),
            stride: [stride; 2],
            padding: [kernel / 2; 2],
            groups,
        };
        self.push(Op::Conv(conv), inputs, then)
    }

    pub fn affine(&mut self, channels: usize, input: usize) -> usize {
        let (scale, shift) = (self.tensor(&[channels]), self.tensor(&[channels]));
        self.push(Op::Affine { scale, shift }, &[input], Then::Relu)
    }

    pub fn bytes(&self) -> Vec<u8> {
        planned(&self.plan.to_json(), &self.tensors)
    }

    /// Every kind of node but a detector's last one, for images of 3 channels.
    pub fn of_all() -> Self {
        let mut network = Self::new(3);
        let windows = Windows { size: [3, 3], stride: [2, 2], padding: [1, 1] };
        let stem = network.conv([3, 3, 1, 1], &[16], &[0], Then::Relu);
        let pooled = network.push(Op::MaxPool(windows), &[stem], Then::None);
        // A residual block with shared filters.
        let inner = network.conv([16, 3, 1, 1], &[3, 32], &[pooled], Then::None);
        let block = network.conv([35, 1, 1, 1], &[16], &[inner, pooled], Then::Relu);
        let attended = network.tensor(&[1, 1, 3]);
        let attended = network.push(Op::Attention { filter: attended }, &[block], Then::None);
        // A dense block.
        let mut joined = attended;
        let mut channels = 16;
        for _ in 0..3 {
            let normed = network.affine(channels, joined);
            let narrow = network.conv([channels, 1, 1, 1], &[8], &[normed], Then::Relu6);
            let grown = network.conv([8, 3, 1, 1], &[4], &[narrow], Then::None);
            joined = network.push(Op::Concat, &[joined, grown], Then::None);
            channels += 4;
        }
        let last = network.affine(channels, joined);
        let halves = Windows { size: [2, 2], stride: [2, 2], padding: [0, 0] };
        let mixed = network.conv([channels, 1, 1, 1], &[20], &[last], Then::None);
        let halved = network.push(Op::AvgPool(halves), &[mixed], Then::None);
        // A step down with a shortcut without weights, groups and depthwise filters.
        let pad = Op::Pad { stride: 2, before: 2, after: 2 };
        let shortcut = network.push(pad, &[halved], Then::None);
        let wide = network.conv([20, 1, 1, 1], &[24], &[halved], Then::Relu6);
        let depthwise = network.conv([24, 3, 2, 24], &[24], &[wide], Then::Relu6);
        let grouped = network.conv([24, 3, 1, 2], &[24], &[depthwise], Then::None);
        let sum = network.push(Op::Add, &[grouped, shortcut], Then::Relu);
        // A neck.
        let fine = network.conv([20, 1, 1, 1], &[24], &[halved], Then::None);
        let upsampled = network.push(Op::Upsample, &[sum, fine], Then::None);
        let neck = network.push(Op::Add, &[fine, upsampled], Then::None);
        let means = network.push(Op::GlobalAverage, &[neck], Then::None);
        let (weight, bias) = (network.tensor(&[24, 7]), network.tensor(&[7]));
        network.push(Op::Linear { weight, bias }, &[means], Then::None);
        network
    }
}

/// A plan's tensors with weights of 16 bits or of 8, and all numbers as they then are.
pub struct Stored {
    pub metadata: Vec<(&'static str, String)>,
    pub entries: Vec<Entry>,
    /// The same numbers in 32 bits.
    pub same: Vec<Entry>,
}

impl Stored {
    pub fn bytes(&self) -> Vec<u8> {
        let metadata = self.metadata.iter();
        let metadata: Vec<(&str, &str)> = metadata.map(|(key, text)| (*key, &text[..])).collect();
        with_entries(&metadata, &self.entries)
    }

    /// The entry of this name.
    pub fn entry(&mut self, name: &str) -> &mut Entry {
        self.entries.iter_mut().find(|entry| entry.name == name).expect("an entry")
    }

    fn new(network: &Network, weights: &str) -> Self {
        let mut metadata = vec![("format", "cobasis-deployed-1".to_string())];
        metadata.push(("weights", weights.to_string()));
        if weights != "int8" {
            metadata.push(("plan", network.plan.to_json()));
        }
        Self { metadata, entries: Vec::new(), same: Vec::new() }
    }

    /// Weights in the upper 16 bits of numbers of 32.
    pub fn bf16(network: &Network) -> Self {
        let mut stored = Self::new(network, "bf16");
        for entry in entries(&network.tensors) {
            let parts = entry.bytes.chunks_exact(4);
            let (mut half, mut same) = (entry.clone(), entry.clone());
            if output_side(&entry.shape).is_some() {
                (half.dtype, half.bytes) =
                    ("BF16", parts.clone().flat_map(|part| [part[2], part[3]]).collect());
                same.bytes = parts.flat_map(|part| [0, 0, part[2], part[3]]).collect();
            }
            stored.entries.push(half);
            stored.same.push(same);
        }
        stored
    }

    /// Weights as whole numbers.
    pub fn int8(network: &Network) -> Self {
        let mut stored = Self::new(network, "int8");
        let plan = Some(network.plan.to_json());
        let mut listing = Listing { plan, vectors: Vec::new() };
        let mut all = entries(&network.tensors);
        all.sort_by(|a, b| a.name.cmp(&b.name));
        let (mut scales, mut vectors) = (Vec::new(), Vec::new());
        for entry in all {
            if output_side(&entry.shape).is_none() {
                listing.vectors.push((entry.name.clone(), entry.shape.clone()));
                vectors.extend(&entry.bytes);
                stored.same.push(entry);
                continue;
            }
            let floats: Vec<f32> =
                entry.bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
            let own = cobasis_run::weights::scales(&floats, &entry.shape);
            let whole = whole(&floats, &entry.shape, &own);
            let numbers = products(whole.iter().copied(), &entry.shape, &own).into_iter();
            let same = Entry { bytes: numbers.flat_map(f32::to_le_bytes).collect(), ..entry };
            let bytes = whole.iter().map(|&value| value as u8).collect();
            let (name, shape) = (same.name.clone(), same.shape.clone());
            stored.entries.push(Entry { name, dtype: "I8", shape, bytes });
            stored.same.push(same);
            scales.extend(own.into_iter().flat_map(f32::to_le_bytes));
        }
        let packed = listing.to_bytes();
        for (name, dtype, bytes) in
            [(SCALES, "F32", scales), (VECTORS, "F32", vectors), (PACKED, "U8", packed)]
        {
            let shape = vec![bytes.len() / if dtype == "F32" { 4 } else { 1 }];
            stored.entries.push(Entry { name: name.to_string(), dtype, shape, bytes });
        }
        stored
    }
}
