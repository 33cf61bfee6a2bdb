//! A graph of ONNX operators in the making.

use std::collections::{BTreeMap, HashMap};

use super::proto::{Attribute, DataType, Graph, Node, Tensor};
use crate::deploy::{Numbers, Stored};

/// Takes operators in the order of the computation, and each tensor where it is first used.
pub(super) struct Writer {
    pub(super) graph: Graph,
    /// The names of the model's tensors by their path in the module.
    names: HashMap<String, String>,
    /// Those that are not written yet.
    tensors: BTreeMap<String, Stored>,
    /// The values of tensors that are not of 32 bits, by the tensors' names.
    floats: HashMap<String, String>,
}

impl Writer {
    pub(super) fn new(
        name: String,
        names: HashMap<String, String>,
        tensors: BTreeMap<String, Stored>,
    ) -> Self {
        let graph = Graph { name, ..Graph::default() };
        Self { graph, names, tensors, floats: HashMap::new() }
    }

    /// Writes an operator; it and its output, which is returned, have the same name.
    pub(super) fn apply(
        &mut self,
        operator: &str,
        name: String,
        input: Vec<String>,
        attribute: Vec<Attribute>,
    ) -> String {
        let output = vec![name.clone()];
        let op_type = operator.to_string();
        self.graph.node.push(Node { input, output, name: name.clone(), op_type, attribute });
        name
    }

    /// The name of the tensor at a path; a classifier of whole numbers is `[outputs, inputs]`.
    pub(super) fn tensor(&mut self, path: &str) -> String {
        self.shaped(path, &[])
    }

    /// The name of a vector at a path, `[channels, 1, 1]` in the file: beside maps.
    pub(super) fn by_channel(&mut self, path: &str) -> String {
        self.shaped(path, &[1, 1])
    }

    fn shaped(&mut self, path: &str, more_axes: &[usize]) -> String {
        let name = self.names.get(path).map_or(path, String::as_str).to_string();
        // What several operators use is written by the first.
        let Some(Stored { shape, numbers }) = self.tensors.remove(&name) else {
            return self.floats.get(&name).cloned().unwrap_or(name);
        };
        let sides = [&shape[..], more_axes].concat();
        let value = format!("{name}/float");
        let value = match numbers {
            Numbers::F32(numbers) => {
                let tensor = Tensor::floats(name.clone(), &sides, numbers.into_iter());
                self.graph.initializer.push(tensor);
                return name;
            }
            Numbers::F16(numbers) => {
                self.graph.initializer.push(Tensor::halves(name.clone(), &sides, &numbers));
                let to = Attribute::int("to", DataType::Float as usize);
                self.apply("Cast", value, vec![name.clone()], vec![to])
            }
            Numbers::I8 { values, scales } => {
                // Where onnxruntime finds a classifier as [inputs, outputs], it rounds the inputs too.
                let (values, sides) = match sides[..] {
                    [inputs, outputs] => {
                        let from = |place: usize| values[place % inputs * outputs + place / inputs];
                        ((0..values.len()).map(from).collect(), vec![outputs, inputs])
                    }
                    _ => (values, sides),
                };
                self.graph.initializer.push(Tensor::bytes(name.clone(), &sides, &values));
                let (scale, length) = (format!("{name}.scales"), [scales.len()]);
                let tensor = Tensor::floats(scale.clone(), &length, scales.into_iter());
                self.graph.initializer.push(tensor);
                let (inputs, axis) = (vec![name.clone(), scale], Attribute::int("axis", 0));
                self.apply("DequantizeLinear", value, inputs, vec![axis])
            }
        };
        self.floats.insert(name, value.clone());
        value
    }

    /// The name of a number.
    pub(super) fn number(&mut self, number: u8) -> String {
        self.constant(Tensor::floats(
            format!("number_{number}"),
            &[],
            [f32::from(number)].into_iter(),
        ))
    }

    /// Writes numbers of a shape. Gives their name.
    pub(super) fn floats(&mut self, name: &str, shape: &[usize], numbers: &[f32]) -> String {
        self.constant(Tensor::floats(name.to_string(), shape, numbers.iter().copied()))
    }

    /// The name of a vector of integers.
    pub(super) fn integers(&mut self, numbers: &[i64]) -> String {
        let text: Vec<String> = numbers.iter().map(i64::to_string).collect();
        self.constant(Tensor::integers(format!("integers_{}", text.join("_")), numbers))
    }

    /// Writes a tensor that has its value for a name, unless it is there.
    fn constant(&mut self, tensor: Tensor) -> String {
        let name = tensor.name.clone();
        if !self.graph.initializer.contains(&tensor) {
            self.graph.initializer.push(tensor);
        }
        name
    }
}
