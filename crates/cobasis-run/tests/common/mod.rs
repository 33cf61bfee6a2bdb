//! A small network with every kind of node, as the bytes of a file.

#![allow(dead_code)] // Each test uses a part.

use cobasis_run::plan::{Conv, Node, Op, Plan, Then, VERSION, Windows};

/// The bytes of a deployed file.
pub fn file(metadata: &[(&str, &str)], tensors: &[(String, Vec<usize>)]) -> Vec<u8> {
    let text = |text: &str| serde_json::Value::from(text).to_string();
    let metadata: Vec<String> =
        metadata.iter().map(|(key, value)| format!("{}:{}", text(key), text(value))).collect();
    let mut header = format!("{{\"__metadata__\":{{{}}}", metadata.join(","));
    let mut numbers: Vec<u8> = Vec::new();
    for (name, shape) in tensors {
        let start = numbers.len();
        let count = shape.iter().product::<usize>();
        let scale = 2.0 / (count as f32 / shape[0] as f32).sqrt();
        numbers.extend(values(count, start).into_iter().flat_map(|x| (x * scale).to_le_bytes()));
        let end = numbers.len();
        header += &format!(
            ",\"{name}\":{{\"dtype\":\"F32\",\"shape\":{shape:?},\"data_offsets\":[{start},{end}]}}"
        );
    }
    header.push('}');
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.into_bytes());
    bytes.extend(numbers);
    bytes
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
