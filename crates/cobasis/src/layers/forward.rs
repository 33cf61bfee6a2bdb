//! What all layers on bases have: a bank, `forward` of tensors and of maps, and `pass`.

/// Gives a layer its public methods. The layer says what it is in
/// `describe(&self, pass, at, lent: Lent, x)`, and where the number of its bank is; the documentation
/// is that of `forward`.
macro_rules! forward {
    ($(#[$doc:meta])* $layer:ty, $($bank:ident).+) => {
        impl $layer {
            /// The same layer, on the bank of this number of a network's [`Bases`](crate::Bases).
            pub fn on_bank(mut self, bank: crate::bases::BankId) -> Self {
                self.$($bank).+ = bank;
                self
            }

            $(#[$doc])*
            pub fn forward<'a>(
                &self,
                input: burn::tensor::Tensor<4>,
                lent: impl Into<crate::bases::Lent<'a>>,
            ) -> burn::tensor::Tensor<4> {
                self.forward_maps(input.into(), lent).into_tensor()
            }

            /// [`forward`](Self::forward), of maps that stay as they are kept between layers.
            ///
            /// # Panics
            ///
            /// As [`forward`](Self::forward).
            pub fn forward_maps<'a>(
                &self,
                input: cobasis_kernels::Maps,
                lent: impl Into<crate::bases::Lent<'a>>,
            ) -> cobasis_kernels::Maps {
                let mut pass = crate::forward::Forward;
                self.pass(&mut pass, &crate::place::Place::ROOT, lent, input)
            }

            /// The layer in any pass, with what is lent to it.
            ///
            /// # Panics
            ///
            /// As [`forward`](Self::forward).
            pub fn pass<'a, P: crate::pass::Pass>(
                &self,
                pass: &mut P,
                at: &crate::place::Place,
                lent: impl Into<crate::bases::Lent<'a>>,
                x: P::Map,
            ) -> P::Map {
                self.describe(pass, at, lent.into(), x)
            }
        }
    };
}

pub(super) use forward;
