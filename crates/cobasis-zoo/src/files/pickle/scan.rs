//! A walk through pickles that counts what `pytorch-reader` would keep.

use std::collections::HashMap;
use std::io::{self, BufRead, Read};

use super::refusal::{Result, at_most, refusal, refuse, unreadable};

/// The authors' files need 12,654 to 37,560, the largest networks about 150,000.
const MAX_OPCODES: usize = 500_000;
/// Bytes of a text or a class name; the longest in the authors' files has 38.
const MAX_TEXT: usize = 256;
/// An optimizer's tensors are six deep.
const MAX_DEPTH: usize = 12;
/// Values in a tuple or in anything memoized. Python's pickler memoizes dictionaries and lists
/// while they are empty; a tensor has fewer than 20.
const MAX_PART: usize = 64;
/// Values copied out of the memo. The authors' files fetch only text and class names, which are
/// free here.
const MAX_COPIED: usize = 100_000;
/// Where classes and functions may come from. The reader calls none and passes over those it does
/// not know; still, a file that names others is not to be trusted. `_codecs` makes Python's bytes.
const PACKAGES: [&str; 4] = ["torch", "collections", "numpy", "_codecs"];

/// What a scan knows about a value of the pickle machine.
#[derive(Clone, Copy)]
struct Value {
    /// How deeply it nests.
    depth: usize,
    /// How many values it is made of, itself included.
    size: usize,
    /// Where it was memoized.
    slot: Option<u32>,
}

impl Value {
    fn new(depth: usize, size: usize) -> Self {
        let slot = None;
        Self { depth, size, slot }
    }
}

/// A walk through pickles that keeps no contents.
pub(super) struct Scan<R> {
    input: R,
    opcodes: usize,
    copied: usize,
    stack: Vec<Value>,
    /// How high the stack was at each open mark.
    marks: Vec<usize>,
    memo: HashMap<u32, Value>,
}

impl<R: BufRead> Scan<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input,
            opcodes: 0,
            copied: 0,
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
        }
    }

    /// Walks one pickle to its end.
    pub(super) fn pickle(&mut self) -> Result<()> {
        self.stack.clear();
        self.marks.clear();
        self.memo.clear();
        loop {
            self.opcodes += 1;
            at_most(MAX_OPCODES, "opcodes", self.opcodes)?;
            let [opcode] = self.bytes()?;
            if opcode == b'.' {
                return Ok(());
            }
            self.step(opcode)?;
            let depth = self.stack.last().map_or(0, |top| top.depth);
            at_most(MAX_DEPTH, "nested containers", depth)?;
        }
    }

    fn step(&mut self, opcode: u8) -> Result<()> {
        match opcode {
            // The protocol's version.
            0x80 => self.skip(1),
            // None, True, False, (), [], {}.
            b'N' | 0x88 | 0x89 | b')' | b']' | b'}' => self.atom(0),
            // Integers of one, two, four and any number of bytes, floating point numbers, text.
            b'K' => self.atom(1),
            b'M' => self.atom(2),
            b'J' => self.atom(4),
            0x8a => self.short().and_then(|length| self.atom(length)),
            b'G' => self.atom(8),
            b'X' => self.long().and_then(|length| self.atom(length)),
            b'c' => self.class(),
            b'(' => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            // Tuples of the values since the mark, and of one to three values.
            b't' => self.mark().and_then(|start| self.tuple(start)),
            0x85..=0x87 => {
                let start = self.last(usize::from(opcode - 0x84))?;
                self.tuple(start)
            }
            // Values since the mark, one value, and a key with its value, into what is below.
            b'e' | b'u' => self.mark().and_then(|start| self.fill(start)),
            b'a' => self.last(1).and_then(|start| self.fill(start)),
            b's' => self.last(2).and_then(|start| self.fill(start)),
            b'b' => self.build(),
            // The call of a function with a tuple: nests no deeper than the tuple.
            b'R' => {
                let start = self.last(2)?;
                let call = self.take(start);
                self.stack.push(call);
                Ok(())
            }
            // A storage in place of its description.
            b'Q' => {
                let start = self.last(1)?;
                self.take(start);
                self.atom(0)
            }
            b'q' => self.short().and_then(|slot| self.memoize(slot)),
            b'r' => self.long().and_then(|slot| self.memoize(slot)),
            b'h' => self.short().and_then(|slot| self.fetch(slot)),
            b'j' => self.long().and_then(|slot| self.fetch(slot)),
            _ => refuse(format!("unexpected opcode 0x{opcode:02x}")),
        }
    }

    fn exactly(&mut self, bytes: &mut [u8]) -> Result<()> {
        let result = self.input.read_exact(bytes);
        result.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => refusal("the file ends within a pickle"),
            _ => unreadable(error),
        })
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.exactly(&mut bytes)?;
        Ok(bytes)
    }

    fn short(&mut self) -> Result<u32> {
        Ok(u8::from_le_bytes(self.bytes()?).into())
    }

    fn long(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.bytes()?))
    }

    fn skip(&mut self, length: u32) -> Result<()> {
        at_most(MAX_TEXT, "bytes of text", length as usize)?;
        self.exactly(&mut [0; MAX_TEXT][..length as usize])
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

    /// A value without parts that takes the next `length` bytes.
    fn atom(&mut self, length: u32) -> Result<()> {
        self.skip(length)?;
        self.stack.push(Value::new(0, 1));
        Ok(())
    }

    /// A class or function, by the names of its module and its own.
    fn class(&mut self) -> Result<()> {
        let (module, name) = (self.line()?, self.line()?);
        let package = module.split('.').next().unwrap_or_default();
        if !PACKAGES.contains(&package) {
            return refuse(format!(
                "expected classes and functions of {}, got \"{module}.{name}\"",
                PACKAGES.join(", ")
            ));
        }
        self.atom(0)
    }

    /// Where on the stack the last values since the innermost mark start.
    fn last(&self, count: usize) -> Result<usize> {
        let bottom = self.marks.last().copied().unwrap_or(0);
        let start = self.stack.len().checked_sub(count);
        start.filter(|start| *start >= bottom).ok_or_else(|| refusal("an opcode lacks its values"))
    }

    /// Where on the stack the values since the innermost mark start; closes the mark.
    fn mark(&mut self) -> Result<usize> {
        let mark = self.marks.pop();
        mark.ok_or_else(|| refusal("an opcode lacks its mark"))
    }

    /// Values off the stack, together.
    fn take(&mut self, start: usize) -> Value {
        let values = self.stack.drain(start..);
        values.fold(Value::new(0, 0), |all, value| {
            Value::new(all.depth.max(value.depth), all.size + value.size)
        })
    }

    fn top(&mut self) -> Result<&mut Value> {
        let top = self.last(1)?;
        Ok(&mut self.stack[top])
    }

    fn tuple(&mut self, start: usize) -> Result<()> {
        let length = self.stack.len() - start;
        at_most(MAX_PART, "values in a tuple", length)?;
        let values = self.take(start);
        self.stack.push(Value::new(values.depth + 1, values.size + 1));
        Ok(())
    }

    fn fill(&mut self, start: usize) -> Result<()> {
        let values = self.take(start);
        let container = self.top()?;
        container.depth = container.depth.max(values.depth + 1);
        container.size += values.size;
        Ok(())
    }

    /// Gives an object its state. The reader then memoizes it again.
    fn build(&mut self) -> Result<()> {
        let start = self.last(1)?;
        let state = self.take(start);
        let object = self.top()?;
        object.depth = object.depth.max(state.depth);
        object.size += state.size;
        let built = *object;
        if let Some(slot) = object.slot.take() {
            self.memo.insert(slot, built);
        }
        Ok(())
    }

    fn memoize(&mut self, slot: u32) -> Result<()> {
        let top = self.top()?;
        at_most(MAX_PART, "values in a memo entry", top.size)?;
        if top.slot.is_some() {
            return refuse("a value is memoized twice");
        }
        top.slot = Some(slot);
        let value = *top;
        self.memo.insert(slot, value);
        Ok(())
    }

    fn fetch(&mut self, slot: u32) -> Result<()> {
        let Some(value) = self.memo.get(&slot).copied() else {
            return refuse(format!("there is no memo entry {slot}"));
        };
        // Atoms are free: the reader limits how much text is copied.
        self.copied += value.size - 1;
        at_most(MAX_COPIED, "values copied from the memo", self.copied)?;
        self.stack.push(value);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scans a pickle of the given parts, each repeated.
    fn scan(parts: &[(&[u8], usize)]) -> std::result::Result<(), String> {
        let mut pickle: Vec<u8> =
            parts.iter().flat_map(|(bytes, count)| bytes.repeat(*count)).collect();
        pickle.push(b'.');
        let result = Scan::new(pickle.as_slice()).pickle();
        result.map_err(|problem| problem.to_string())
    }

    /// Checks that a pickle is refused for a reason.
    fn refused(parts: &[(&[u8], usize)], reason: &str) {
        let message = scan(parts).expect_err(reason);
        assert!(message.contains(reason), "{message}");
        assert!(message.len() < 300 && !message.contains('\n'), "{message}");
    }

    #[test]
    fn dictionaries_lists_and_shared_tuples_pass() {
        let dict: &[u8] = b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01K\x01K\x02\x86q\x02h\x01h\x02u";
        assert_eq!(scan(&[(dict, 1)]), Ok(()));
        let class: &[u8] = b"ccollections\nOrderedDict\nq\x00)Rq\x01h\x00)R}h\x01sb";
        assert_eq!(scan(&[(class, 1)]), Ok(()));
        assert_eq!(scan(&[(b"](", 1), (b"N", 400_000), (b"e", 1)]), Ok(()));
        assert_eq!(scan(&[(b"]", 12), (b"a", 11)]), Ok(()));
    }

    #[test]
    fn large_pickles_are_refused() {
        refused(&[(b"N", 600_000)], "at most 500000 opcodes");
        refused(&[(b"]", 10_000), (b"a", 9_999)], "12 nested containers, got 13");
        refused(&[(b")", 1), (b"\x85", 10_000)], "12 nested containers, got 13");
        refused(&[(b"X\x01\x01\x00\x00", 1), (b"a", 257)], "256 bytes of text, got 257");
        refused(&[(b"X\xff\xff\xff\xff", 1)], "got 4294967295");
        refused(&[(b"ctorch\n", 1), (b"a", 256), (b"\n", 1)], "class name");
        refused(&[(b"(", 1), (b"K\x01", 65), (b"t", 1)], "values in a tuple, got 65");
    }

    #[test]
    fn memo_bombs_are_refused() {
        refused(&[(b"](", 1), (b"N", 64), (b"eq\x00", 1)], "values in a memo entry, got 65");
        let list: &[u8] = b"](NNNNNNNNeq\x00";
        refused(&[(list, 1), (b"h\x00", 20_000)], "copied");
        // An object that is memoized when empty and gets its contents from a state later.
        let state: &[(&[u8], usize)] = &[(b"}q\x00}(", 1), (b"NN", 999), (b"ub", 1)];
        refused(&[state, &[(b"h\x00", 100)]].concat(), "copied");
        refused(&[(b"}q\x00q\x01", 1)], "memoized twice");
        refused(&[(b"h\x07", 1)], "no memo entry 7");
    }

    #[test]
    fn malformed_pickles_are_refused() {
        refused(&[(b"R", 1)], "lacks its values");
        refused(&[(b"N(\x85", 1)], "lacks its values");
        refused(&[(b"}Nu", 1)], "lacks its mark");
        refused(&[(b"q\x00", 1)], "lacks its values");
        refused(&[(b"(NNios\nsystem\n", 1)], "opcode 0x69");
        refused(&[(b"cos\nsystem\n", 1)], "got \"os.system\"");
        refused(&[(b"G\x00", 1)], "ends within");
    }
}
