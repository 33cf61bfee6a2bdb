//! Where a layer is.

use std::fmt;

/// Where a layer is in the module tree.
///
/// It borrows the way there, so that going down costs nothing in `forward`, which needs no path.
///
/// ```
/// use cobasis::Place;
///
/// let stage = Place::ROOT.item("stages", 0);
/// assert_eq!(stage.field("conv1").to_string(), "stages.0.conv1");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    parent: Option<&'a Place<'a>>,
    field: &'static str,
    index: Option<usize>,
}

impl<'a> Place<'a> {
    /// The network itself.
    pub const ROOT: Place<'static> = Place { parent: None, field: "", index: None };

    /// A field of the module here.
    pub fn field(&'a self, field: &'static str) -> Place<'a> {
        Place { parent: Some(self), field, index: None }
    }

    /// A module of a list that the module here has.
    pub fn item(&'a self, field: &'static str, index: usize) -> Place<'a> {
        Place { index: Some(index), ..self.field(field) }
    }

    /// The index in a list of this name on the way here, such as the stage in `stages`.
    pub fn index_in(&self, list: &str) -> Option<usize> {
        let above = || self.parent.and_then(|parent| parent.index_in(list));
        if self.field == list { self.index } else { above() }
    }
}

/// The path, `stages.0.blocks.1.conv1`; nothing for the network itself.
impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            write!(f, "{parent}")?;
            if parent.parent.is_some() {
                write!(f, ".")?;
            }
        }
        write!(f, "{}", self.field)?;
        self.index.map_or(Ok(()), |index| write!(f, ".{index}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_written_as_a_path() {
        let root = Place::ROOT;
        let stage = root.item("stages", 3);
        let block = stage.item("blocks", 12);
        assert_eq!(block.field("conv1").to_string(), "stages.3.blocks.12.conv1");
        assert_eq!(root.field("head").to_string(), "head");
        assert_eq!(block.field("conv1").index_in("stages"), Some(3));
        assert_eq!(root.field("head").index_in("stages"), None);
    }
}
