//! Where the numbers of a checkpoint are, and how tensors are made of them.

use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::rc::Rc;

use super::archive::Archive;
use super::refusal::{Result, at_most, refusal, refuse, unreadable};
use super::value::Tensor;
use crate::files::foreign::Readable;
use crate::files::numbers::Float;
use crate::state::State;

/// How many times the bytes of its tensors may be read of a storage that they are parts of, and bytes
/// that are always read.
const MAX_SPREAD: u64 = 16;
const FREE: u64 = 4 << 20;

/// The storages of a file.
pub(super) enum Storages<R> {
    /// Entries of a ZIP archive whose names start so.
    Archive(Archive<R>, String),
    /// Parts of a file.
    Parts(R, HashMap<Rc<str>, Range<u64>>),
}

impl<R: Read + Seek> Storages<R> {
    /// A part of a storage.
    fn read(&mut self, key: &str, part: Range<u64>) -> Result<Vec<u8>> {
        match self {
            Storages::Archive(archive, root) => archive.read(&format!("{root}data/{key}"), part),
            Storages::Parts(input, parts) => {
                let place = parts.get(key).ok_or_else(|| refusal(format!("no storage {key:?}")))?;
                if part.start > part.end || part.end > place.end - place.start {
                    return refuse(format!("storage {key:?} is too short for its tensors"));
                }
                input.seek(SeekFrom::Start(place.start + part.start)).map_err(unreadable)?;
                let mut bytes = vec![0; (part.end - part.start) as usize];
                input.read_exact(&mut bytes).map_err(unreadable)?;
                Ok(bytes)
            }
        }
    }

    /// Tensors by their names in the file, their shapes known to be those of a model. Each storage is
    /// read once.
    pub(super) fn tensors(&mut self, tensors: Vec<Readable<Tensor>>) -> Result<State> {
        let mut by_storage: BTreeMap<Rc<str>, Vec<Readable<Tensor>>> = BTreeMap::new();
        for tensor in tensors {
            by_storage.entry(Rc::clone(&tensor.place.storage.key)).or_default().push(tensor);
        }
        let mut state = State::new();
        for (key, tensors) in by_storage {
            let spans = tensors.iter().map(|tensor| span(&tensor.place, tensor.numbers));
            let spans = spans.collect::<Option<Vec<Range<u64>>>>();
            let spans = spans.ok_or_else(|| refusal("a tensor is larger than any file"))?;
            let start = spans.iter().map(|span| span.start).min().unwrap_or_default();
            let end = spans.iter().map(|span| span.end).max().unwrap_or_default();
            let bytes = |tensor: &Readable<Tensor>| {
                let count = tensor.place.shape.iter().product::<usize>();
                count as u64 * tensor.numbers.size() as u64
            };
            let limit = MAX_SPREAD * tensors.iter().map(bytes).sum::<u64>() + FREE;
            at_most(limit, &format!("bytes of storage {key:?} around its tensors"), end - start)?;
            let read = self.read(&key, start..end)?;
            for (tensor, span) in tensors.into_iter().zip(spans) {
                let bytes = &read[(span.start - start) as usize..(span.end - start) as usize];
                let bytes = in_order_of_rows(bytes, &tensor.place, tensor.numbers.size());
                let data = tensor.numbers.tensor(&bytes, tensor.place.shape);
                state.insert(tensor.name, data);
            }
        }
        Ok(state)
    }
}

/// The bytes of a storage from a tensor's first number to its last; `None` if no file is so large.
fn span(tensor: &Tensor, numbers: Float) -> Option<Range<u64>> {
    let first = tensor.offset;
    let mut end = first;
    if !tensor.shape.contains(&0) {
        for (size, stride) in tensor.shape.iter().zip(&tensor.strides) {
            end = end.checked_add((size - 1).checked_mul(*stride)?)?;
        }
        end = end.checked_add(1)?;
    }
    let byte = |number: usize| Some(number.checked_mul(numbers.size())? as u64);
    Some(byte(first)?..byte(end)?)
}

/// The numbers of a tensor one after the other, whatever its strides.
fn in_order_of_rows(span: &[u8], tensor: &Tensor, size: usize) -> Vec<u8> {
    let count = tensor.shape.iter().product::<usize>();
    let mut bytes = Vec::with_capacity(count * size);
    let mut index = vec![0; tensor.shape.len()];
    for _ in 0..count {
        let at = index.iter().zip(&tensor.strides).map(|(index, stride)| index * stride);
        let at = at.sum::<usize>() * size;
        bytes.extend(&span[at..at + size]);
        for (index, size) in index.iter_mut().zip(&tensor.shape).rev() {
            *index += 1;
            if *index < *size {
                break;
            }
            *index = 0;
        }
    }
    bytes
}
