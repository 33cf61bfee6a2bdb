//! PyTorch's checkpoints, which may come from anywhere: ZIP archives, and files as PyTorch wrote them
//! before 1.6.

mod archive;
mod field;
mod machine;
mod objects;
mod refusal;
mod storages;
#[cfg(test)]
mod tests;
mod value;
#[cfg(test)]
pub(super) mod writer;

use std::collections::HashMap;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::rc::Rc;

use super::foreign::Readable;
use crate::short::listed;
use crate::state::State;
use archive::Archive;
use machine::Machine;
use refusal::{Result, at_most, refuse, unreadable};
use storages::Storages;
pub(super) use value::{Node, Storage, Tensor, Tree, Value};

/// Ten times the checkpoint of a DenseNet-201 with the state of its optimizer.
pub(super) const MAX_FILE: u64 = 2 << 30;
/// Bytes of a pickle in a ZIP archive.
const MAX_PICKLE: u64 = 64 << 20;
/// How ZIP archives start.
const ZIP: &[u8] = b"PK\x03\x04";
/// The number that older files start with, behind an instruction or two that depend on the protocol.
const MAGIC: &[u8] = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
const MAGIC_WITHIN: usize = 32;

/// A checkpoint, its pickle taken apart.
pub(super) struct Checkpoint<R> {
    /// What the pickle says.
    pub(super) tree: Tree,
    /// The object that was saved.
    pub(super) root: Value,
    storages: Storages<R>,
}

impl<R: Read + Seek> Checkpoint<R> {
    /// Reads all of a checkpoint but the numbers of its tensors.
    ///
    /// # Errors
    ///
    /// If it can't be read, is damaged, or is nothing that `torch.save` writes.
    pub(super) fn open(mut input: R) -> Result<Self> {
        let length = input.seek(SeekFrom::End(0))?;
        at_most(MAX_FILE, "bytes", length)?;
        input.rewind()?;
        let mut head = Vec::new();
        (&mut input).take(MAGIC_WITHIN as u64).read_to_end(&mut head)?;
        input.rewind()?;
        if head.starts_with(ZIP) {
            Self::in_archive(Archive::open(input, length)?)
        } else if head.windows(MAGIC.len()).any(|window| window == MAGIC) {
            Self::in_parts(input, length)
        } else if head.starts_with(b"\x80") {
            refuse(
                "a pickle that torch.save did not write; torch.save(network.state_dict(), FILE) does",
            )
        } else if head.is_empty() {
            refuse("the file is empty")
        } else {
            refuse("torch.save writes no file that starts like this")
        }
    }

    fn in_archive(mut archive: Archive<R>) -> Result<Self> {
        let is_pickle = |name: &&str| {
            let hidden = name.split('/').any(|part| part.starts_with("__MACOSX"));
            !hidden && (*name == "data.pkl" || name.ends_with("/data.pkl"))
        };
        let pickles: Vec<String> = archive.names().filter(is_pickle).map(String::from).collect();
        let [name] = &pickles[..] else {
            let mut names: Vec<&str> = archive.names().collect();
            names.sort_unstable();
            let names = listed(&names);
            return refuse(format!("expected one data.pkl in the ZIP archive, which has {names}"));
        };
        let root = name.trim_end_matches("data.pkl").to_string();
        let order = format!("{root}byteorder");
        if archive.size(&order).is_some() && archive.read_all(&order, 16)? != b"little" {
            return refuse("numbers in big-endian order, which are not read");
        }
        let pickle = archive.read_all(name, MAX_PICKLE)?;
        let mut machine = Machine::new(&pickle[..]);
        let value = machine.pickle()?;
        let (_, tree) = machine.into_parts();
        Ok(Self { tree, root: value, storages: Storages::Archive(archive, root) })
    }

    /// Magic number, version, system, the object, keys of the storages: five pickles; then storages.
    fn in_parts(input: R, length: u64) -> Result<Self> {
        let mut machine = Machine::new(BufReader::new(input));
        let [_, _] = [machine.pickle()?, machine.pickle()?];
        let system = machine.pickle()?;
        let (root, keys) = (machine.pickle()?, machine.pickle()?);
        let (input, tree) = machine.into_parts();
        let little = tree.entries(&system).into_iter().find(|(name, _)| name == "little_endian");
        if matches!(little, Some((_, Value::Bool(false)))) {
            return refuse("numbers in big-endian order, which are not read");
        }
        let sizes: HashMap<Rc<str>, Option<usize>> =
            tree.storages().map(|storage| (Rc::clone(&storage.key), storage.size)).collect();
        let mut parts = HashMap::new();
        let mut input = input;
        let mut at = input.stream_position().map_err(unreadable)?;
        for key in tree.items(&keys).unwrap_or_default() {
            let Value::Text(key) = key else {
                return refuse("a storage without a name");
            };
            let Some(size) = sizes.get(key).copied().flatten() else {
                return refuse(format!("storage {key:?} is of a kind that is not known"));
            };
            let mut count = [0; 8];
            input.seek(SeekFrom::Start(at)).map_err(unreadable)?;
            input.read_exact(&mut count).map_err(unreadable)?;
            let start = at + count.len() as u64;
            let bytes = u64::from_le_bytes(count).checked_mul(size as u64);
            let end = bytes.and_then(|bytes| start.checked_add(bytes));
            let Some(end) = end.filter(|end| *end <= length) else {
                return refuse(format!("the file ends within storage {key:?}"));
            };
            parts.insert(Rc::clone(key), start..end);
            at = end;
        }
        Ok(Self { tree, root, storages: Storages::Parts(input.into_inner(), parts) })
    }

    /// The numbers of these tensors.
    ///
    /// # Errors
    ///
    /// If they can't be read, or are not in the file.
    pub(super) fn read(&mut self, tensors: Vec<Readable<Tensor>>) -> Result<State> {
        self.storages.tensors(tensors)
    }
}
