//! What a sharing method is: one trait for its names, its banks and its layers.

use std::fmt;

use burn::module::Module;
use burn::tensor::Device;
use cobasis::{BankId, Bases, BasisConv2d, Pass, Place, SharedConv2d};

use crate::banks::{BankSpec, Banks, Scope};
use crate::on_bases::OnBases;
use crate::slot::Slot;
use crate::spec::{Architecture, Norms};

/// A way of sharing filters: what the suffix of a model's name stands for.
///
/// A method says which names it has, which banks a network of that name needs, and which layer
/// stands in each slot that the blocks offer. The rest follows from the layer's
/// [`pass`](OnBases::pass): forward, costs, initial weights, files, deployment, ONNX, training.
pub trait Method: fmt::Display + Sized + Copy {
    /// The layer that stands in a slot: a Burn module, whose fields have the names that its tensors
    /// have in files.
    type Layer: Module + OnBases;

    /// What its suffixes look like for a network, as in `-s<SHARED>u<UNIQUE>`, with a comma between them; `None` if it does not
    /// fit this architecture.
    fn syntax(architecture: &Architecture) -> Option<&'static str>;

    /// Reads a suffix, without the dash before it: `None` if it is not one of this method's.
    ///
    /// [`Display`](fmt::Display) writes it again, also without the dash: every model has one name.
    ///
    /// # Errors
    ///
    /// What is wrong with the numbers in it, in words.
    fn parse(suffix: &str, architecture: &Architecture) -> Option<Result<Self, &'static str>>;

    /// Refuses numbers with which the layers of these slots can't be.
    ///
    /// # Errors
    ///
    /// What is wrong with them, in words.
    fn check(&self, _slots: &[Slot]) -> Result<(), &'static str> {
        Ok(())
    }

    /// The banks that the layers of these slots share; none if each has its own parameters.
    fn banks(&self, slots: &[Slot]) -> Vec<BankSpec>;

    /// The layer of a slot; `None` leaves an ordinary convolution there.
    fn layer(&self, slot: &Slot, made_with: &MadeWith) -> Option<Self::Layer>;

    /// The output channels of the layer. The block's next layers take this number.
    fn channels_out(&self, slot: &Slot) -> usize {
        slot.channels[1]
    }

    /// The weights that may be left in all its layers together, where training finds how many
    /// [inner filters](cobasis::InnerFilters) each needs; `None` where the name says it.
    fn weight_limit(&self) -> Option<usize> {
        None
    }

    /// What people should know of the method wherever a network of it is shown; `None` for nothing.
    fn note(&self) -> Option<&'static str> {
        None
    }

    /// Whether the first blocks of stages can have its layers too (`-all`): it then gets their slots,
    /// of which some [change the shape](Slot::changes_shape).
    fn fits_first_blocks(&self, _architecture: &Architecture) -> bool {
        false
    }

    /// The architecture that a network of this method has, where it is not that of the dense one.
    fn architecture(&self, _of: &Architecture) -> Option<Architecture> {
        None
    }

    /// Whether a network of this method has batch norms inside its layers, which can be left out.
    fn has_inner_norms(&self, _architecture: &Architecture) -> bool {
        false
    }

    /// Whether the authors' PyTorch code has it, so that its tensors have names there.
    fn is_the_authors(&self) -> bool {
        false
    }

    /// Whether blocks that share scale their channels by attention at their end.
    fn has_attention(&self) -> bool {
        false
    }
}

/// What the layers of a network are made with.
#[derive(Clone, Copy, Debug)]
pub struct MadeWith<'a> {
    /// The network's banks.
    pub banks: &'a Banks,
    /// The convolutions that the method was offered, in the order of the network.
    pub slots: &'a [Slot],
    /// The batch norms that blocks which share have.
    pub norms: Norms,
    /// Where the parameters are.
    pub device: &'a Device,
}

impl MadeWith<'_> {
    /// The bank of a slot's stage, by its place in the list that the method made for the stage.
    ///
    /// # Panics
    ///
    /// Panics if the method made none.
    pub fn stage_bank(&self, slot: &Slot, index: usize) -> BankId {
        self.banks.find(Scope::Stage(slot.lender), index)
    }

    /// The number of a slot among all, from 0, in the order of the network.
    ///
    /// # Panics
    ///
    /// Panics if the network has no such slot.
    pub fn index(&self, slot: &Slot) -> usize {
        self.slots.iter().position(|other| other == slot).expect("a slot of the network")
    }

    /// The number of a slot among those of its stage, from 0, in the order of the network.
    ///
    /// # Panics
    ///
    /// Panics if the network has no such slot.
    pub fn index_in_stage(&self, slot: &Slot) -> usize {
        let mut of_stage = self.slots.iter().filter(|other| other.stage == slot.stage);
        of_stage.position(|other| other == slot).expect("a slot of the network")
    }
}

impl OnBases for BasisConv2d {
    fn pass<P: Pass>(&self, pass: &mut P, at: &Place, bases: &Bases, x: P::Map) -> P::Map {
        BasisConv2d::pass(self, pass, at, bases, x)
    }
}

impl OnBases for SharedConv2d {
    fn pass<P: Pass>(&self, pass: &mut P, at: &Place, bases: &Bases, x: P::Map) -> P::Map {
        SharedConv2d::pass(self, pass, at, bases, x)
    }
}
