//! What a pickle says, as far as weights are concerned.

use std::collections::HashSet;
use std::rc::Rc;

use crate::files::numbers::Numbers;

/// A value of a pickle.
#[derive(Clone, Debug)]
pub(in crate::files) enum Value {
    /// Nothing.
    None,
    /// True or false.
    Bool(bool),
    /// An integer that fits.
    Int(i64),
    /// A text that could be a name.
    Text(Rc<str>),
    /// A class or function by its module and name; nothing of it is ever called.
    Class(Rc<str>),
    /// What has parts, by its number in the tree.
    Node(usize),
    /// Anything else: a real number, bytes, a long text.
    Opaque,
}

/// What has parts.
#[derive(Debug)]
pub(in crate::files) enum Node {
    Tuple(Vec<Value>),
    List(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    Storage(Storage),
    Tensor(Tensor),
    /// An object of a class that is passed over.
    Object(Rc<str>),
}

/// Numbers in a file.
#[derive(Clone, Debug)]
pub(in crate::files) struct Storage {
    /// Its name in the file.
    pub(in crate::files) key: Rc<str>,
    /// What its numbers are.
    pub(in crate::files) numbers: Numbers,
    /// Bytes of each, where the kind is known.
    pub(in crate::files) size: Option<usize>,
}

/// A tensor, which is a way of looking at a storage.
#[derive(Clone, Debug)]
pub(in crate::files) struct Tensor {
    pub(in crate::files) storage: Storage,
    /// Numbers of the storage before the first one, and from one to the next of each dimension.
    pub(in crate::files) offset: usize,
    pub(in crate::files) strides: Vec<usize>,
    pub(in crate::files) shape: Vec<usize>,
}

/// All values with parts, each once however often it is used.
#[derive(Debug, Default)]
pub(in crate::files) struct Tree {
    nodes: Vec<Node>,
    /// How deep the parts of each nest.
    depths: Vec<usize>,
}

impl Tree {
    pub(super) fn add(&mut self, node: Node) -> Value {
        let depth = match &node {
            Node::Tuple(values) | Node::List(values) => self.depth_of(values.iter()) + 1,
            _ => 0,
        };
        self.nodes.push(node);
        self.depths.push(depth);
        Value::Node(self.nodes.len() - 1)
    }

    /// How deep a value nests.
    pub(super) fn depth(&self, value: &Value) -> usize {
        match value {
            Value::Node(node) => self.depths[*node],
            _ => 0,
        }
    }

    fn depth_of<'a>(&self, values: impl Iterator<Item = &'a Value>) -> usize {
        values.map(|value| self.depth(value)).max().unwrap_or(0)
    }

    /// Puts values into a container; false if it is none, or if they are no pairs.
    pub(super) fn fill(&mut self, container: &Value, values: Vec<Value>) -> bool {
        let Value::Node(index) = *container else {
            return false;
        };
        let depth = self.depth_of(values.iter()) + 1;
        match &mut self.nodes[index] {
            Node::List(list) => list.extend(values),
            Node::Dict(entries) => {
                if !values.len().is_multiple_of(2) {
                    return false;
                }
                let mut values = values.into_iter();
                while let (Some(key), Some(value)) = (values.next(), values.next()) {
                    entries.push((key, value));
                }
            }
            // A kind of list or dictionary of somebody's own.
            Node::Object(_) => {}
            _ => return false,
        }
        self.depths[index] = self.depths[index].max(depth);
        true
    }

    /// What a value is, if it has parts.
    pub(in crate::files) fn node(&self, value: &Value) -> Option<&Node> {
        match value {
            Value::Node(node) => self.nodes.get(*node),
            _ => None,
        }
    }

    /// The values of a tuple, which are older than it: no tuple is a part of itself.
    pub(super) fn tuple(&self, value: &Value) -> Option<&[Value]> {
        match self.node(value)? {
            Node::Tuple(values) => Some(values),
            _ => None,
        }
    }

    /// The values of a tuple or list.
    pub(super) fn items(&self, value: &Value) -> Option<&[Value]> {
        match self.node(value)? {
            Node::Tuple(values) | Node::List(values) => Some(values),
            _ => None,
        }
    }

    /// The entries of a dictionary by name, or those of a list or tuple by number; of a name that is
    /// there twice the last one, as in Python.
    pub(in crate::files) fn entries(&self, value: &Value) -> Vec<(String, &Value)> {
        let mut entries: Vec<(String, &Value)> = match self.node(value) {
            Some(Node::Dict(entries)) => {
                let named = entries.iter().rev().filter_map(|(key, value)| match key {
                    Value::Text(name) => Some((name.to_string(), value)),
                    Value::Int(number) => Some((number.to_string(), value)),
                    _ => None,
                });
                let mut seen = HashSet::new();
                named.filter(|(name, _)| seen.insert(name.clone())).collect()
            }
            Some(Node::List(values) | Node::Tuple(values)) => {
                let values = values.iter().enumerate().rev();
                values.map(|(index, value)| (index.to_string(), value)).collect()
            }
            _ => Vec::new(),
        };
        entries.reverse();
        entries
    }

    /// All storages, some more than once.
    pub(super) fn storages(&self) -> impl Iterator<Item = &Storage> {
        self.nodes.iter().filter_map(|node| match node {
            Node::Storage(storage) => Some(storage),
            _ => None,
        })
    }

    /// The tensor that a value is.
    pub(in crate::files) fn tensor(&self, value: &Value) -> Option<&Tensor> {
        match self.node(value)? {
            Node::Tensor(tensor) => Some(tensor),
            _ => None,
        }
    }
}
