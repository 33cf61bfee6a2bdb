//! Deployed models as ONNX, which other programs run.
//!
//! The messages are written with prost. burn-onnx 0.22 can't export these models: it refuses every
//! slice of a batch of symbolic size, and shortcuts of CIFAR ResNets are one.

mod detector;
mod proto;
mod writer;

use cobasis::{Activation, ConvOptions, Windows};
use prost::Message;

use super::{Deployed, Weights};
use crate::graph::{Node, Op};
use crate::preparation::Preparation;
use proto::{Attribute, Value};
use writer::Writer;

impl Deployed {
    /// The model as the bytes of an ONNX file, for images of `[height, width]`.
    ///
    /// Its input is `images`, `[batch, channels, height, width]` for any batch, its output `logits`,
    /// `[batch, classes]`; of a detector, `boxes`, `[batch, points, 4]`, left, top, right and bottom in
    /// pixels, and `scores`, `[batch, points, classes]` from 0 to 1: before non-maximum suppression. The operators are those of version 17. Tensors have the names that
    /// [`state`](Self::state) gives them, and a basis is in the file once. The file's metadata have
    /// `model` and `factorised`, `weights` where those are not of 32 bits, and of the images that the model was trained on, where that is
    /// known, `dataset`, `size`, `resize` and, as JSON lists, `classes`, `mean` and `std`; a detector's has, in
    /// the place of the sizes, `input`, height and width.
    ///
    /// Weights of [16 or 8 bits](Self::with_weights) are in the file as such, and become 32 bits by `Cast`, or by
    /// `DequantizeLinear` with `NAME.scales`, of a classifier as `[outputs, inputs]`: what is computed is the same.
    ///
    /// # Panics
    ///
    /// Panics if the image is too small for the network.
    pub fn to_onnx(&self, image: [usize; 2]) -> Vec<u8> {
        let name = self.config.model.name.to_string();
        let factorised = self.config.factorised.name().to_string();
        let mut writer = Writer::new(name.clone(), self.names(), self.stored());
        let mut values: Vec<String> = Vec::new();
        let shapes = self.shapes(image);
        for (node, shape) in self.plan.nodes.iter().zip(&shapes) {
            let inputs = node.inputs.iter().map(|&input| values[input].clone()).collect();
            let size =
                node.inputs.first().map_or(image, |&first| [shapes[first][1], shapes[first][2]]);
            if let (Op::Pixels, Some(detector)) = (node.op, &self.config.model.detector) {
                let (coding, points) = (detector.coding, self.points(image));
                let classes = self.config.model.num_classes;
                detector::write(&mut writer, coding, classes, &points, inputs);
                continue;
            }
            let size = if let Op::Upsample = node.op { [shape[1], shape[2]] } else { size };
            let value = self.write(&mut writer, node, (values.len(), size), inputs);
            let graph = &mut writer.graph;
            match node.op {
                Op::Input => graph.input.push(Value::batch_of(&value, shape)),
                Op::Head => graph.output.push(Value::batch_of(&value, &shape[..1])),
                _ => graph.value_info.push(Value::batch_of(&value, shape)),
            }
            values.push(value);
        }
        let mut metadata = vec![("model", name), ("factorised", factorised)];
        let weights = self.weights();
        metadata.extend((weights != Weights::F32).then(|| ("weights", weights.name().to_string())));
        metadata.extend(self.config.model.detector.as_ref().map(|_| {
            let [height, width] = image;
            ("input", format!("[{height},{width}]"))
        }));
        let prepared = self.config.model.preparation.iter().flat_map(prepared);
        // Images of any size and shape are fitted into a detector's input.
        let is_detector = self.config.model.detector.is_some();
        let says = |key: &str| !is_detector || !["size", "resize"].contains(&key);
        metadata.extend(prepared.filter(|(key, _)| says(key)));
        proto::Model::new(writer.graph, &metadata).encode_to_vec()
    }

    /// Writes a node of the plan, by its number and the height and width of its input. Gives the name
    /// of its output.
    fn write(
        &self,
        to: &mut Writer,
        node: &Node,
        (index, size): (usize, [usize; 2]),
        inputs: Vec<String>,
    ) -> String {
        // What owns nothing has no path.
        let name = if node.path.is_empty() { &format!("step{index}") } else { &node.path };
        let at = |what: &str| format!("{name}/{what}");
        let x = match node.op {
            Op::Input => "images".to_string(),
            Op::Conv(conv) => self.write_conv(to, name, (conv, size), inputs),
            Op::Affine(affine) => {
                let [scale, shift] = ["scale", "shift"]
                    .map(|field| to.by_channel(&format!("affines.{affine}.{field}")));
                let inputs = [inputs, vec![scale]].concat();
                let x = to.apply("Mul", at("Scale"), inputs, vec![]);
                to.apply("Add", at("Shift"), vec![x, shift], vec![])
            }
            Op::Add => to.apply("Add", at("Add"), inputs, vec![]),
            Op::Concat => to.apply("Concat", at("Concat"), inputs, vec![Attribute::int("axis", 1)]),
            Op::Pad { stride, new_channels } => {
                write_pad(to, name, stride as i64, new_channels as i64, inputs)
            }
            Op::MaxPool(windows) => to.apply("MaxPool", at("MaxPool"), inputs, attributes(windows)),
            Op::AvgPool(windows) => {
                let counted = Attribute::int("count_include_pad", 1);
                let attributes = [attributes(windows), vec![counted]].concat();
                to.apply("AveragePool", at("AveragePool"), inputs, attributes)
            }
            Op::Attention(attention) => {
                let filter = to.tensor(&format!("attentions.{attention}.conv.weight"));
                let pad = self.attentions[attention].conv.weight.lazy_shape()[2] / 2;
                write_attention(to, name, filter, pad, inputs)
            }
            Op::Upsample => detector::write_upsampling(to, name, size, inputs),
            Op::Pixels => unreachable!("a detector's output is written apart"),
            Op::GlobalAverage => to.apply("GlobalAveragePool", at("Mean"), inputs, vec![]),
            Op::Head => {
                let x = to.apply("Flatten", at("Flatten"), inputs, vec![]);
                let operands = vec![x, to.tensor("head.weight"), to.tensor("head.bias")];
                let is_transposed = self.weights() == Weights::Int8;
                let transposed = is_transposed.then(|| Attribute::int("transB", 1));
                let attributes = transposed.into_iter().collect();
                to.apply("Gemm", "logits".to_string(), operands, attributes)
            }
        };
        match node.then {
            Activation::None => x,
            Activation::Relu => to.apply("Relu", at("Relu"), vec![x], vec![]),
            Activation::Relu6 => {
                let operands = vec![x, to.number(0), to.number(6)];
                to.apply("Clip", at("Relu6"), operands, vec![])
            }
        }
    }

    /// `scale × conv(x) + bias + residual`, each of them where there is one.
    fn write_conv(
        &self,
        to: &mut Writer,
        name: &str,
        (index, size): (usize, [usize; 2]),
        inputs: Vec<String>,
    ) -> String {
        let at = |what: &str| format!("{name}/{what}");
        let conv = &self.convs[index];
        let own = conv.own.iter().map(|_| format!("convs.{index}.own"));
        let bases = conv.bases.iter().map(|basis| format!("bases.{basis}.weight"));
        let banks: Vec<String> = own.chain(bases).map(|path| to.tensor(&path)).collect();
        let filters = match banks.as_slice() {
            [bank] => bank.clone(),
            _ => to.apply("Concat", at("Filters"), banks, vec![Attribute::int("axis", 0)]),
        };
        let [_, _, kernel @ ..] = conv.filter_shape(&self.bases);
        let attributes = conv_attributes(kernel, conv.geometry.options(kernel, size));

        let mut inputs = inputs.into_iter();
        let mut operands: Vec<String> = inputs.next().into_iter().chain([filters]).collect();
        let bias = conv.bias.as_ref().map(|_| format!("convs.{index}.bias"));
        let mut x;
        if conv.scale.is_some() {
            x = to.apply("Conv", at("Conv"), operands, attributes);
            let scale = to.by_channel(&format!("convs.{index}.scale"));
            x = to.apply("Mul", at("Scale"), vec![x, scale], vec![]);
            if let Some(bias) = bias {
                let bias = to.by_channel(&bias);
                x = to.apply("Add", at("Bias"), vec![x, bias], vec![]);
            }
        } else {
            operands.extend(bias.map(|bias| to.tensor(&bias)));
            x = to.apply("Conv", at("Conv"), operands, attributes);
        }
        match inputs.next() {
            Some(residual) => to.apply("Add", at("Add"), vec![x, residual], vec![]),
            None => x,
        }
    }
}

/// What the metadata say of images, each entry a text, lists as JSON.
fn prepared(images: &Preparation) -> [(&'static str, String); 6] {
    let Preparation { dataset, classes, size, resize, mean, std } = images;
    let numbers = |numbers| serde_json::to_string::<Vec<f32>>(numbers).expect("numbers are JSON");
    [
        ("dataset", dataset.clone()),
        ("classes", serde_json::to_string(classes).expect("texts are JSON")),
        ("size", size.to_string()),
        ("resize", resize.to_string()),
        ("mean", numbers(mean)),
        ("std", numbers(std)),
    ]
}

/// Every `stride`-th pixel, between new channels of zeros.
fn write_pad(
    to: &mut Writer,
    name: &str,
    stride: i64,
    new_channels: i64,
    mut inputs: Vec<String>,
) -> String {
    let ranges = [[0, 0], [i64::MAX, i64::MAX], [2, 3], [stride, stride]];
    inputs.extend(ranges.map(|numbers| to.integers(&numbers)));
    let x = to.apply("Slice", format!("{name}/Slice"), inputs, vec![]);
    let before = new_channels / 2;
    let pads = to.integers(&[0, before, 0, 0, 0, new_channels - before, 0, 0]);
    to.apply("Pad", format!("{name}/Pad"), vec![x, pads], vec![])
}

/// A convolution along the means of the channels, whose sigmoid scales them.
fn write_attention(
    to: &mut Writer,
    name: &str,
    filter: String,
    pad: usize,
    inputs: Vec<String>,
) -> String {
    let at = |what: &str| format!("{name}/{what}");
    let means = to.apply("GlobalAveragePool", at("Mean"), inputs.clone(), vec![]);
    // 0 is the batch, -1 the channels.
    let [along, maps] = [&[0, 1, -1][..], &[0, -1, 1, 1]].map(|shape| to.integers(shape));
    let means = to.apply("Reshape", at("Along"), vec![means, along], vec![]);
    let pads = vec![Attribute::ints("pads", &[pad, pad])];
    let x = to.apply("Conv", at("Conv"), vec![means, filter], pads);
    let x = to.apply("Sigmoid", at("Sigmoid"), vec![x], vec![]);
    let x = to.apply("Reshape", at("Scales"), vec![x, maps], vec![]);
    to.apply("Mul", at("Mul"), [inputs, vec![x]].concat(), vec![])
}

fn conv_attributes(kernel: [usize; 2], options: ConvOptions) -> Vec<Attribute> {
    let ConvOptions { stride, padding: [[top, bottom], [left, right]], dilation, groups } = options;
    let mut attributes = vec![
        Attribute::ints("kernel_shape", &kernel),
        Attribute::ints("strides", &stride),
        Attribute::ints("pads", &[top, left, bottom, right]),
    ];
    if dilation != [1, 1] {
        attributes.push(Attribute::ints("dilations", &dilation));
    }
    attributes.push(Attribute::int("group", groups));
    attributes
}

fn attributes(
    Windows { size, stride, padding: [vertical, horizontal] }: Windows,
) -> Vec<Attribute> {
    vec![
        Attribute::ints("kernel_shape", &size),
        Attribute::ints("strides", &stride),
        Attribute::ints("pads", &[vertical, horizontal, vertical, horizontal]),
    ]
}

#[cfg(test)]
mod tests;
