//! The part of ONNX's protobuf messages that networks need, with the names and numbers of
//! `onnx.proto3`.
//!
//! Fields are optional where readers tell zero from nothing.

use prost::{Enumeration, Message};

/// The version of the messages that came with operator set 17.
const IR_VERSION: i64 = 8;
/// The operators' version.
const OPERATOR_SET: i64 = 17;

#[derive(Clone, PartialEq, Message)]
pub(super) struct Model {
    #[prost(int64, tag = "1")]
    pub(super) ir_version: i64,
    #[prost(string, tag = "2")]
    pub(super) producer_name: String,
    #[prost(string, tag = "3")]
    pub(super) producer_version: String,
    #[prost(message, optional, tag = "7")]
    pub(super) graph: Option<Graph>,
    #[prost(message, repeated, tag = "8")]
    pub(super) opset_import: Vec<OperatorSet>,
    #[prost(message, repeated, tag = "14")]
    pub(super) metadata_props: Vec<Metadata>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct OperatorSet {
    /// Empty for ONNX's own operators.
    #[prost(string, optional, tag = "1")]
    pub(super) domain: Option<String>,
    #[prost(int64, tag = "2")]
    pub(super) version: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Metadata {
    #[prost(string, tag = "1")]
    pub(super) key: String,
    #[prost(string, tag = "2")]
    pub(super) value: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Graph {
    #[prost(message, repeated, tag = "1")]
    pub(super) node: Vec<Node>,
    #[prost(string, tag = "2")]
    pub(super) name: String,
    #[prost(message, repeated, tag = "5")]
    pub(super) initializer: Vec<Tensor>,
    #[prost(message, repeated, tag = "11")]
    pub(super) input: Vec<Value>,
    #[prost(message, repeated, tag = "12")]
    pub(super) output: Vec<Value>,
    /// What is between input and output.
    #[prost(message, repeated, tag = "13")]
    pub(super) value_info: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Node {
    #[prost(string, repeated, tag = "1")]
    pub(super) input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub(super) output: Vec<String>,
    #[prost(string, tag = "3")]
    pub(super) name: String,
    #[prost(string, tag = "4")]
    pub(super) op_type: String,
    #[prost(message, repeated, tag = "5")]
    pub(super) attribute: Vec<Attribute>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Attribute {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(int64, optional, tag = "3")]
    pub(super) i: Option<i64>,
    #[prost(int64, repeated, tag = "8")]
    pub(super) ints: Vec<i64>,
    #[prost(enumeration = "AttributeType", tag = "20")]
    pub(super) r#type: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumeration)]
#[repr(i32)]
pub(super) enum AttributeType {
    Undefined = 0,
    Int = 2,
    Ints = 7,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Tensor {
    #[prost(int64, repeated, tag = "1")]
    pub(super) dims: Vec<i64>,
    #[prost(enumeration = "DataType", tag = "2")]
    pub(super) data_type: i32,
    #[prost(string, tag = "8")]
    pub(super) name: String,
    /// Little-endian, in the order of rows.
    #[prost(bytes = "vec", tag = "9")]
    pub(super) raw_data: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumeration)]
#[repr(i32)]
pub(super) enum DataType {
    Undefined = 0,
    Float = 1,
    Int8 = 3,
    Int64 = 7,
    Float16 = 10,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Value {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(message, optional, tag = "2")]
    pub(super) r#type: Option<Type>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Type {
    #[prost(message, optional, tag = "1")]
    pub(super) tensor_type: Option<TensorType>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TensorType {
    #[prost(enumeration = "DataType", tag = "1")]
    pub(super) elem_type: i32,
    #[prost(message, optional, tag = "2")]
    pub(super) shape: Option<Shape>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Shape {
    #[prost(message, repeated, tag = "1")]
    pub(super) dim: Vec<Dimension>,
}

/// A number or a name.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Dimension {
    #[prost(int64, optional, tag = "1")]
    pub(super) dim_value: Option<i64>,
    #[prost(string, optional, tag = "2")]
    pub(super) dim_param: Option<String>,
}

impl Model {
    /// A graph as a file has it.
    pub(super) fn new(graph: Graph, metadata: &[(&str, String)]) -> Self {
        let property =
            |(key, value): &(&str, String)| Metadata { key: key.to_string(), value: value.clone() };
        Self {
            ir_version: IR_VERSION,
            producer_name: "cobasis".to_string(),
            producer_version: env!("CARGO_PKG_VERSION").to_string(),
            graph: Some(graph),
            opset_import: vec![OperatorSet { domain: None, version: OPERATOR_SET }],
            metadata_props: metadata.iter().map(property).collect(),
        }
    }
}

impl Attribute {
    /// One number.
    pub(super) fn int(name: &str, number: usize) -> Self {
        let r#type = AttributeType::Int.into();
        Self { name: name.to_string(), i: Some(number as i64), ints: Vec::new(), r#type }
    }

    /// Numbers.
    pub(super) fn ints(name: &str, numbers: &[usize]) -> Self {
        let ints = numbers.iter().map(|&number| number as i64).collect();
        Self { name: name.to_string(), i: None, ints, r#type: AttributeType::Ints.into() }
    }
}

impl Tensor {
    /// 32-bit floating point numbers.
    pub(super) fn floats(
        name: String,
        shape: &[usize],
        numbers: impl Iterator<Item = f32>,
    ) -> Self {
        let dims = shape.iter().map(|&length| length as i64).collect();
        let raw_data = numbers.flat_map(f32::to_le_bytes).collect();
        Self { dims, data_type: DataType::Float.into(), name, raw_data }
    }

    /// 16-bit floating point numbers.
    pub(super) fn halves(name: String, shape: &[usize], numbers: &[u16]) -> Self {
        let raw_data = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        let dims = shape.iter().map(|&length| length as i64).collect();
        Self { dims, data_type: DataType::Float16.into(), name, raw_data }
    }

    /// Whole numbers of 8 bits.
    pub(super) fn bytes(name: String, shape: &[usize], numbers: &[i8]) -> Self {
        let raw_data = numbers.iter().map(|&number| number as u8).collect();
        let dims = shape.iter().map(|&length| length as i64).collect();
        Self { dims, data_type: DataType::Int8.into(), name, raw_data }
    }

    /// A vector of integers.
    pub(super) fn integers(name: String, numbers: &[i64]) -> Self {
        let dims = vec![numbers.len() as i64];
        let raw_data = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        Self { dims, data_type: DataType::Int64.into(), name, raw_data }
    }
}

impl Value {
    /// Floating point numbers of shape `[batch, …]`, for any batch.
    pub(super) fn batch_of(name: &str, shape: &[usize]) -> Self {
        let number =
            |&length: &usize| Dimension { dim_value: Some(length as i64), dim_param: None };
        let batch = Dimension { dim_value: None, dim_param: Some("batch".to_string()) };
        let dim = std::iter::once(batch).chain(shape.iter().map(number)).collect();
        let elem_type = DataType::Float.into();
        let tensor_type = Some(TensorType { elem_type, shape: Some(Shape { dim }) });
        Self { name: name.to_string(), r#type: Some(Type { tensor_type }) }
    }
}
