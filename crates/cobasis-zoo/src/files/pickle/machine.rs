//! A machine that takes pickles apart and runs nothing of theirs.
//!
//! Checkpoints come from anywhere, and a pickle is a program. This machine knows the instructions of
//! protocols 2 to 5 and calls no function: what `torch.save` writes of dictionaries and tensors has a
//! meaning of its own (`objects.rs`), everything else becomes a value without contents. Every value is
//! there once, however often a pickle copies it, so that none takes more memory than its length
//! allows, and the number of instructions is bounded.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io::{self, BufRead, Read};
use std::rc::Rc;

use super::objects;
use super::refusal::{Result, at_most, refusal, refuse, unreadable};
use super::value::{Node, Tree, Value};

/// The authors' files need 12,654 to 37,560, the largest networks about 150,000.
const MAX_OPCODES: usize = 1_000_000;
/// Bytes of a text that is kept, or of a class name; the longest in the authors' files has 38.
const MAX_TEXT: usize = 256;
/// An optimizer's tensors are six deep; people's configurations, which lie beside, deeper.
const MAX_DEPTH: usize = 64;
/// The newest protocol.
const MAX_PROTOCOL: u8 = 5;
/// Modules that no checkpoint needs. Nothing of them would be called; a file that names them is
/// refused all the same, because somebody may open it elsewhere.
const UNSAFE_MODULES: [&str; 14] = [
    "code",
    "commands",
    "ctypes",
    "importlib",
    "nt",
    "os",
    "pickle",
    "posix",
    "pty",
    "runpy",
    "shutil",
    "socket",
    "subprocess",
    "sys",
];
/// The same of Python's own functions.
const UNSAFE_BUILTINS: [&str; 7] =
    ["__import__", "apply", "compile", "eval", "exec", "execfile", "open"];

/// A machine and the file that it reads.
pub(super) struct Machine<R> {
    input: R,
    opcodes: usize,
    pub(super) tree: Tree,
    stack: Vec<Value>,
    /// How high the stack was at each open mark.
    marks: Vec<usize>,
    memo: HashMap<u32, Value>,
}

impl<R: BufRead> Machine<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input,
            opcodes: 0,
            tree: Tree::default(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
        }
    }

    /// What is left of the file, and the tree.
    pub(super) fn into_parts(self) -> (R, Tree) {
        (self.input, self.tree)
    }

    /// Takes the next pickle of the file apart.
    pub(super) fn pickle(&mut self) -> Result<Value> {
        self.stack.clear();
        self.marks.clear();
        self.memo.clear();
        loop {
            self.opcodes += 1;
            at_most(MAX_OPCODES, "opcodes", self.opcodes)?;
            let [opcode] = self.bytes()?;
            if opcode == b'.' {
                return self.pop();
            }
            self.step(opcode)?;
            let depth = self.stack.last().map_or(0, |top| self.tree.depth(top));
            at_most(MAX_DEPTH, "nested containers", depth)?;
        }
    }

    fn step(&mut self, opcode: u8) -> Result<()> {
        match opcode {
            0x80 => {
                let [protocol] = self.bytes()?;
                at_most(MAX_PROTOCOL, "as the pickle's protocol", protocol)
            }
            // The length of what follows, which is not needed.
            0x95 => self.skip(8),
            b'N' => self.push(Value::None),
            0x88 | 0x89 => self.push(Value::Bool(opcode == 0x88)),
            b')' => self.push_node(Node::Tuple(Vec::new())),
            // Sets are lists here.
            b']' | 0x8f => self.push_node(Node::List(Vec::new())),
            b'}' => self.push_node(Node::Dict(Vec::new())),
            b'K' | b'M' | b'J' => self.int(opcode),
            0x8a => self.short().and_then(|length| self.long_int(length.into())),
            0x8b => self.long().and_then(|length| self.long_int(length.into())),
            b'G' => self.opaque(8),
            // Texts, Python 2's among them, with lengths of one, four and eight bytes.
            b'U' | 0x8c => self.short().and_then(|length| self.text(length.into())),
            b'T' | b'X' => self.long().and_then(|length| self.text(length.into())),
            0x8d => self.very_long().and_then(|length| self.text(length)),
            // Bytes.
            b'C' => self.short().and_then(|length| self.opaque(length.into())),
            b'B' => self.long().and_then(|length| self.opaque(length.into())),
            0x8e | 0x96 => self.very_long().and_then(|length| self.opaque(length)),
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.class(&module, &name)
            }
            0x93 => match (self.pop()?, self.pop()?) {
                (Value::Text(name), Value::Text(module)) => self.class(&module, &name),
                _ => refuse("a class without a name"),
            },
            _ => self.step_on_stack(opcode),
        }
    }

    /// The instructions that work on what is on the stack.
    fn step_on_stack(&mut self, opcode: u8) -> Result<()> {
        match opcode {
            b'(' => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            b'0' => self.pop().map(drop),
            b'1' => self.since_mark().map(drop),
            // Tuples of the values since the mark, and of one to three values; frozen sets.
            b't' | 0x91 => {
                let values = self.since_mark()?;
                self.push_node(Node::Tuple(values))
            }
            0x85..=0x87 => {
                let values = self.last(usize::from(opcode - 0x84))?;
                self.push_node(Node::Tuple(values))
            }
            // Values since the mark, one value, and a key with its value, into what is below.
            b'e' | b'u' | 0x90 => self.since_mark().and_then(|values| self.fill(values)),
            b'a' => self.last(1).and_then(|values| self.fill(values)),
            b's' => self.last(2).and_then(|values| self.fill(values)),
            // A state for the object below: attributes, none of which are weights.
            b'b' => self.pop().and_then(|_| self.top().map(drop)),
            // The call of a function, and a new object of a class.
            b'R' | 0x81 => self.last(2).and_then(|values| self.call(&values)),
            0x92 => self.last(3).and_then(|values| self.call(&values)),
            // A storage in place of its description.
            b'Q' => {
                let description = self.pop()?;
                let value = objects::persistent(&mut self.tree, &description)?;
                self.push(value)
            }
            b'q' => self.short().and_then(|slot| self.memoize(slot.into())),
            b'r' => self.long().and_then(|slot| self.memoize(slot)),
            0x94 => self.memoize(self.memo.len() as u32),
            b'h' => self.short().and_then(|slot| self.fetch(slot.into())),
            b'j' => self.long().and_then(|slot| self.fetch(slot)),
            _ => refuse(format!("opcode 0x{opcode:02x}, which is none of protocols 2 to 5")),
        }
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.input.read_exact(&mut bytes).map_err(ended)?;
        Ok(bytes)
    }

    fn short(&mut self) -> Result<u8> {
        Ok(u8::from_le_bytes(self.bytes()?))
    }

    fn long(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.bytes()?))
    }

    fn very_long(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.bytes()?))
    }

    fn skip(&mut self, length: u64) -> Result<()> {
        let skipped = io::copy(&mut (&mut self.input).take(length), &mut io::sink());
        match skipped.map_err(unreadable)? == length {
            true => Ok(()),
            false => Err(ended(io::ErrorKind::UnexpectedEof.into())),
        }
    }

    fn line(&mut self) -> Result<String> {
        let mut line = Vec::new();
        let mut input = (&mut self.input).take(MAX_TEXT as u64);
        input.read_until(b'\n', &mut line).map_err(unreadable)?;
        if line.pop() != Some(b'\n') {
            return refuse(format!("a class name does not end within {MAX_TEXT} bytes"));
        }
        Ok(String::from_utf8_lossy(&line).into_owned())
    }

    /// An integer of one, two or four bytes, the last with a sign.
    fn int(&mut self, opcode: u8) -> Result<()> {
        let number = match opcode {
            b'K' => self.short()?.into(),
            b'M' => u16::from_le_bytes(self.bytes()?).into(),
            _ => i32::from_le_bytes(self.bytes()?).into(),
        };
        self.push(Value::Int(number))
    }

    /// An integer of any number of bytes; no size or offset needs more than eight.
    fn long_int(&mut self, length: u64) -> Result<()> {
        if length > 8 {
            return self.opaque(length);
        }
        let mut bytes = [0; 8];
        let (number, rest) = bytes.split_at_mut(length as usize);
        self.input.read_exact(number).map_err(ended)?;
        if number.last().is_some_and(|last| *last >= 0x80) {
            rest.fill(0xff);
        }
        self.push(Value::Int(i64::from_le_bytes(bytes)))
    }

    /// A text; one that is too long to be a name is passed over.
    fn text(&mut self, length: u64) -> Result<()> {
        if length > MAX_TEXT as u64 {
            return self.opaque(length);
        }
        let mut bytes = [0; MAX_TEXT];
        let bytes = &mut bytes[..length as usize];
        self.input.read_exact(bytes).map_err(ended)?;
        self.push(Value::Text(Rc::from(String::from_utf8_lossy(bytes))))
    }

    fn opaque(&mut self, length: u64) -> Result<()> {
        self.skip(length)?;
        self.push(Value::Opaque)
    }

    fn class(&mut self, module: &str, name: &str) -> Result<()> {
        let package = module.split('.').next().unwrap_or_default();
        let builtin = ["builtins", "__builtin__"].contains(&module);
        let first = name.split('.').next().unwrap_or_default();
        if UNSAFE_MODULES.contains(&package) || (builtin && UNSAFE_BUILTINS.contains(&first)) {
            return refuse(format!(
                "expected what checkpoints are made of, got \"{module}.{name}\""
            ));
        }
        self.push(Value::Class(format!("{module}.{name}").into()))
    }

    fn push(&mut self, value: Value) -> Result<()> {
        self.stack.push(value);
        Ok(())
    }

    fn push_node(&mut self, node: Node) -> Result<()> {
        let value = self.tree.add(node);
        self.push(value)
    }

    /// The last values since the innermost mark, off the stack.
    fn last(&mut self, count: usize) -> Result<Vec<Value>> {
        let bottom = self.marks.last().copied().unwrap_or(0);
        let start = self.stack.len().checked_sub(count).filter(|start| *start >= bottom);
        let start = start.ok_or_else(|| refusal("an opcode lacks its values"))?;
        Ok(self.stack.split_off(start))
    }

    fn pop(&mut self) -> Result<Value> {
        Ok(self.last(1)?.pop().unwrap_or(Value::None))
    }

    fn top(&mut self) -> Result<&Value> {
        let bottom = self.marks.last().copied().unwrap_or(0);
        let top = self.stack.get(bottom..).and_then(<[Value]>::last);
        top.ok_or_else(|| refusal("an opcode lacks its values"))
    }

    /// The values since the innermost mark, off the stack; closes the mark.
    fn since_mark(&mut self) -> Result<Vec<Value>> {
        let mark = self.marks.pop().ok_or_else(|| refusal("an opcode lacks its mark"))?;
        Ok(self.stack.split_off(mark))
    }

    fn fill(&mut self, values: Vec<Value>) -> Result<()> {
        let container = self.top()?.clone();
        match self.tree.fill(&container, values) {
            true => Ok(()),
            false => refuse("an opcode lacks its container"),
        }
    }

    fn call(&mut self, function_and_arguments: &[Value]) -> Result<()> {
        let [function, arguments, ..] = function_and_arguments else {
            return refuse("an opcode lacks its values");
        };
        let value = objects::call(&mut self.tree, function, arguments)?;
        self.push(value)
    }

    fn memoize(&mut self, slot: u32) -> Result<()> {
        let value = self.top()?.clone();
        self.memo.insert(slot, value);
        Ok(())
    }

    fn fetch(&mut self, slot: u32) -> Result<()> {
        match self.memo.get(&slot).cloned() {
            Some(value) => self.push(value),
            None => refuse(format!("there is no memo entry {slot}")),
        }
    }
}

fn ended(error: io::Error) -> crate::files::FileProblem {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => refusal("the file ends within a pickle"),
        _ => unreadable(error),
    }
}
