//! What `torch.save` writes of dictionaries and tensors, among all that a pickle may call.

use std::rc::Rc;

use super::refusal::{Result, at_most, refuse};
use super::value::{Node, Storage, Tensor, Tree, Value};
use crate::files::numbers::{Float, Numbers};

/// Weights have at most four.
const MAX_DIMENSIONS: usize = 64;

/// The classes of storages: what their numbers are, and bytes of each.
const STORAGES: [(&str, Numbers, usize); 4] = [
    ("Float", Numbers::Float(Float::F32), 4),
    ("Half", Numbers::Float(Float::F16), 2),
    ("BFloat16", Numbers::Float(Float::BF16), 2),
    ("Double", Numbers::Float(Float::F64), 8),
];
/// Those whose numbers are not read.
const OTHER_STORAGES: [(&str, &str, usize); 12] = [
    ("Long", "I64", 8),
    ("Int", "I32", 4),
    ("Short", "I16", 2),
    ("Char", "I8", 1),
    ("Byte", "U8", 1),
    ("Bool", "BOOL", 1),
    ("ComplexFloat", "C64", 8),
    ("ComplexDouble", "C128", 16),
    ("QInt8", "QI8", 1),
    ("QUInt8", "QU8", 1),
    ("QInt32", "QI32", 4),
    ("Untyped", "bytes", 1),
];

/// What the call of a function or class with these arguments comes to.
pub(super) fn call(tree: &mut Tree, function: &Value, arguments: &Value) -> Result<Value> {
    let Value::Class(name) = function else {
        return Ok(tree.add(Node::Object("an object".into())));
    };
    match &**name {
        "collections.OrderedDict" | "collections.defaultdict" | "collections.Counter" => {
            dictionary(tree, arguments)
        }
        "torch._utils._rebuild_tensor"
        | "torch._utils._rebuild_tensor_v2"
        | "torch._utils._rebuild_tensor_v3" => tensor(tree, arguments),
        "torch._utils._rebuild_parameter" | "torch._utils._rebuild_parameter_with_state" => {
            match tree.tuple(arguments).and_then(<[Value]>::first) {
                Some(data) => Ok(data.clone()),
                None => refuse("a parameter without a tensor"),
            }
        }
        // A tensor with attributes of its own: function, class, arguments, attributes.
        "torch._tensor._rebuild_from_type" | "torch._tensor._rebuild_from_type_v2" => {
            match tree.tuple(arguments) {
                Some([function, _, arguments, ..]) => {
                    let (function, arguments) = (function.clone(), arguments.clone());
                    call(tree, &function, &arguments)
                }
                _ => refuse("a tensor without arguments"),
            }
        }
        _ => Ok(tree.add(Node::Object(Rc::clone(name)))),
    }
}

/// An ordered dictionary, which Python 2 makes from a list of pairs.
fn dictionary(tree: &mut Tree, arguments: &Value) -> Result<Value> {
    let pairs = tree.tuple(arguments).and_then(|arguments| tree.items(arguments.first()?));
    let pairs = pairs.unwrap_or_default().iter();
    let pairs = pairs.filter_map(|pair| match tree.items(pair) {
        Some([key, value]) => Some((key.clone(), value.clone())),
        _ => None,
    });
    let values: Vec<Value> = pairs.flat_map(|(key, value)| [key, value]).collect();
    let dictionary = tree.add(Node::Dict(Vec::new()));
    match tree.fill(&dictionary, values) {
        true => Ok(dictionary),
        false => refuse("a dictionary without pairs"),
    }
}

/// `(storage, offset, shape, strides, …)`; the third version has the kind of numbers after two more.
fn tensor(tree: &mut Tree, arguments: &Value) -> Result<Value> {
    let Some([storage, Value::Int(offset), shape, strides, rest @ ..]) = tree.tuple(arguments)
    else {
        return refuse("a tensor without storage, shape and strides");
    };
    let Some(Node::Storage(storage)) = tree.node(storage) else {
        return refuse("a tensor without storage");
    };
    let sizes = |value: &Value| -> Result<Vec<usize>> {
        let items = tree.tuple(value).unwrap_or_default();
        at_most(MAX_DIMENSIONS, "dimensions of a tensor", items.len())?;
        let size = |item: &Value| match item {
            Value::Int(size) => usize::try_from(*size).ok(),
            _ => None,
        };
        match items.iter().map(size).collect() {
            Some(sizes) => Ok(sizes),
            None => refuse("a shape, stride or offset of a tensor is no size"),
        }
    };
    let (shape, strides) = (sizes(shape)?, sizes(strides)?);
    let Ok(offset) = usize::try_from(*offset) else {
        return refuse("a shape, stride or offset of a tensor is no size");
    };
    if shape.len() != strides.len() {
        return refuse("a tensor has other strides than dimensions");
    }
    let mut storage = storage.clone();
    if let [_, _, Value::Class(kind), ..] = rest {
        storage.numbers = of_dtype(kind);
    }
    let tensor = Tensor { storage, offset, strides, shape };
    Ok(tree.add(Node::Tensor(tensor)))
}

/// The numbers of a `torch.dtype`.
fn of_dtype(kind: &str) -> Numbers {
    match kind {
        "torch.float32" => Numbers::Float(Float::F32),
        "torch.float16" => Numbers::Float(Float::F16),
        "torch.bfloat16" => Numbers::Float(Float::BF16),
        "torch.float64" => Numbers::Float(Float::F64),
        other => Numbers::Other(other.to_string()),
    }
}

/// What stands outside of the pickle: `("storage", class, key, device, count)`, and in old files with
/// whole networks `("module", class, …)`.
pub(super) fn persistent(tree: &mut Tree, description: &Value) -> Result<Value> {
    match tree.tuple(description) {
        Some([Value::Text(kind), Value::Class(class), Value::Text(key), _, _, rest @ ..])
            if &**kind == "storage" =>
        {
            if !matches!(rest, [] | [Value::None]) {
                return refuse("a storage that is a part of another, as PyTorch wrote before 0.4");
            }
            let (numbers, size) = of_class(class);
            let storage = Storage { key: Rc::clone(key), numbers, size };
            Ok(tree.add(Node::Storage(storage)))
        }
        Some([Value::Text(kind), class, ..]) if &**kind == "module" => Ok(class.clone()),
        _ => refuse("a reference to something other than a storage"),
    }
}

/// What the numbers of a class of storages are, and bytes of each.
fn of_class(class: &str) -> (Numbers, Option<usize>) {
    let name = class.rsplit('.').next().unwrap_or_default();
    let kind = name.strip_suffix("Storage").unwrap_or(name);
    if let Some((_, numbers, size)) = STORAGES.into_iter().find(|(known, ..)| *known == kind) {
        return (numbers, Some(size));
    }
    match OTHER_STORAGES.into_iter().find(|(known, ..)| *known == kind) {
        Some((_, name, size)) => (Numbers::Other(name.to_string()), Some(size)),
        None => (Numbers::Other(class.to_string()), None),
    }
}
