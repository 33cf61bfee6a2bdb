//! Where a layer is.

use std::fmt;

use cobasis::FilterBasis;

/// Where a layer is in the module tree, and the bases that its stage lends it.
///
/// It borrows the way there, so that going down costs nothing in `forward`, which needs no path.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    parent: Option<&'a Place<'a>>,
    field: &'static str,
    index: Option<usize>,
    bases: &'a [FilterBasis],
}

impl<'a> Place<'a> {
    /// The network itself.
    pub(crate) const ROOT: Place<'static> =
        Place { parent: None, field: "", index: None, bases: &[] };

    /// A field of the module here.
    pub(crate) fn field(&'a self, field: &'static str) -> Place<'a> {
        Place { parent: Some(self), field, index: None, bases: self.bases }
    }

    /// A module of a list that the module here has.
    pub(crate) fn item(&'a self, field: &'static str, index: usize) -> Place<'a> {
        Place { index: Some(index), ..self.field(field) }
    }

    /// The same place, where the layers borrow these bases.
    pub(crate) fn with_bases(self, bases: &'a [FilterBasis]) -> Place<'a> {
        Place { bases, ..self }
    }

    /// The bases of the stage: none, one, or two.
    pub(crate) fn bases(&self) -> &'a [FilterBasis] {
        self.bases
    }

    /// The same place, where the layers borrow the first of the stage's bases only.
    pub(crate) fn with_first_basis(self) -> Place<'a> {
        self.with_bases(&self.bases[..self.bases.len().min(1)])
    }

    /// The same place, where the layers borrow the last of the stage's bases only.
    pub(crate) fn with_last_basis(self) -> Place<'a> {
        self.with_bases(&self.bases[self.bases.len().saturating_sub(1)..])
    }
}

/// The path as [`State`](crate::State) has it, `stages.0.blocks.1.conv1`.
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
        let stage = root.item("stages", 0);
        let block = stage.item("blocks", 12);
        assert_eq!(block.field("conv1").to_string(), "stages.0.blocks.12.conv1");
        assert_eq!(root.field("head").to_string(), "head");
    }
}
