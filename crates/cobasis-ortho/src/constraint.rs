//! Constraints: training steps after which filters are orthonormal, and not only nearly.
//!
//! A constraint is a file below this module and a line in [`Constraint`].

mod band;
mod cayley;
mod error;
mod host;
mod joint;
mod landing;
mod polar;
mod qr;

use burn::tensor::Tensor;

use crate::named::named;
use band::Band;
use cayley::Cayley;
use joint::Joint;
use landing::Landing;
use polar::Polar;
use qr::Qr;

pub use error::ConstraintError;

/// The numbers that constraints take, beside filters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// The learning rate of the step, at least 0: how far [`Constraint::Landing`] goes along its field.
    pub rate: f64,
    /// What singular values may be above or below 1 with [`Constraint::Band`], at least 0 and below 1.
    pub band: f64,
    /// The weight λ of the attraction of [`Constraint::Landing`], above 0.
    pub attraction: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { rate: 1.0, band: 0.1, attraction: 1.0 }
    }
}

named! {
    /// How filters are kept orthonormal in training, by its name in configurations.
    ///
    /// A constraint acts three times in a training step: on the gradient before the optimizer sees
    /// it ([`tangent`](Self::tangent)), on the weights after the optimizer's step
    /// ([`retract`](Self::retract)), and then on the momentum ([`transport`](Self::transport)).
    /// Each takes all bases that are orthonormal *jointly*, such as the two bases of a `-double`
    /// stage: their filters are the rows of one matrix.
    ///
    /// Where there are more filters than numbers in each, rows can't all be orthonormal; then the
    /// columns of that matrix are kept so, as [`orthonormal`](crate::orthonormal) draws them.
    ///
    /// ```
    /// use burn::tensor::{Device, Distribution, Tensor};
    /// use cobasis_ortho::{Constraint, ConstraintSettings, Gram};
    ///
    /// # fn main() -> Result<(), cobasis_ortho::ConstraintError> {
    /// let device = Device::flex();
    /// let random = || Tensor::<4>::random([4, 8, 3, 3], Distribution::Normal(0.0, 1.0), &device);
    /// // Two bases that are orthonormal to one another, too.
    /// let settings = ConstraintSettings::default();
    /// let bases = Constraint::Qr.retract(&[], vec![random(), random()], &settings)?;
    /// let gradients = Constraint::Qr.tangent(&bases, vec![random(), random()])?;
    /// let stepped = bases.iter().zip(gradients).map(|(basis, gradient)| basis.clone() - gradient * 0.1);
    /// let stepped = Constraint::Qr.retract(&bases, stepped.collect(), &settings)?;
    /// assert!(Gram::of(Tensor::cat(stepped, 0)).max_deviation() < 1e-5);
    /// # Ok(())
    /// # }
    /// ```
    Constraint: Method {
        /// Weights are moved back by a QR decomposition: rows become the `Q` of a thin `Q R` with a
        /// positive diagonal, computed on the host in `f64`. Filters are orthonormalised in order,
        /// so the first keeps its direction.
        Qr = "qr" => Qr,
        /// Weights are moved back to the nearest orthonormal rows, the `U Vᵀ` of their singular value
        /// decomposition, by Newton–Schulz steps on the host in `f64`.
        Polar = "polar" => Polar,
        /// Weights move along a curve of orthonormal rows, a Cayley transform in the direction of the
        /// step's tangent part, computed on the host in `f64`.
        Cayley = "cayley" => Cayley,
        /// Weights are attracted instead of moved back: the step follows a landing field, which leads
        /// along the manifold and towards it, and is as short as keeps `‖B Bᵀ − I‖_F` below 0.5. It is
        /// not [exact](Self::is_exact).
        Landing = "landing" => Landing,
        /// Weights are almost orthonormal: singular values outside the band from `1 − w` to `1 + w` go
        /// to its ends, on the host in `f64`. Inside, nothing is done.
        Band = "band" => Band,
    }
}

/// What a file below this module implements, for matrices with at most as many rows as columns:
/// `[rows, columns]`, on the device of the weights and off its autodiff side.
trait Method: Sync {
    /// The part of a gradient along the manifold at orthonormal rows.
    fn tangent(&self, rows: Tensor<2>, gradient: Tensor<2>) -> Tensor<2> {
        project(rows, gradient)
    }

    /// Orthonormal rows for those after a step. `before` has the rows before it, for methods that
    /// follow a curve from there; `None` where there was no step.
    ///
    /// # Errors
    ///
    /// If there are no such rows, or the numbers are not finite.
    fn retract(
        &self,
        before: Option<Tensor<2>>,
        after: Tensor<2>,
        settings: &Settings,
    ) -> Result<Tensor<2>, ConstraintError>;

    /// The momentum as a direction along the manifold at the new rows.
    ///
    /// # Errors
    ///
    /// If the numbers are not finite, where they are looked at.
    fn transport(
        &self,
        rows: Tensor<2>,
        momentum: Tensor<2>,
        _settings: &Settings,
    ) -> Result<Tensor<2>, ConstraintError> {
        Ok(project(rows, momentum))
    }

    /// Whether rows are as they should be after every step.
    fn is_exact(&self) -> bool {
        true
    }
}

/// The orthogonal projection to the tangent space at orthonormal rows `X`: `V − ½ (V Xᵀ + X Vᵀ) X`.
///
/// What it takes away is the part that would change inner products of rows. Source: Absil, Mahony
/// and Sepulchre, *Optimization Algorithms on Matrix Manifolds*, 2008, example 3.6.2, transposed.
fn project(rows: Tensor<2>, vector: Tensor<2>) -> Tensor<2> {
    let products = vector.clone().matmul(rows.clone().transpose());
    let symmetric = (products.clone() + products.transpose()).mul_scalar(0.5);
    vector - symmetric.matmul(rows)
}

impl Constraint {
    /// The part of the gradients along the manifold at the given bases, to step along.
    ///
    /// Bases are tensors of shape `[filters, channels / groups, kernel_height, kernel_width]` that
    /// are orthonormal jointly; gradients have the shape of their basis each, and so has the
    /// result. With [`Constraint::Landing`] it is the field's part without attraction, and with
    /// [`Constraint::Band`], inside of which all directions are open, the gradient itself.
    ///
    /// # Errors
    ///
    /// If there are no filters, or shapes do not fit together.
    pub fn tangent(
        self,
        bases: &[Tensor<4>],
        gradients: Vec<Tensor<4>>,
    ) -> Result<Vec<Tensor<4>>, ConstraintError> {
        let joint = Joint::of(bases)?;
        let (rows, gradient) = (joint.matrix(bases)?, joint.matrix(&gradients)?);
        Ok(joint.split(self.method().tangent(rows, gradient)))
    }

    /// The bases moved back to where they are orthonormal jointly, within 1e-5 in `f32`; with
    /// [`Constraint::Band`], to where their singular values are in the band. With
    /// [`Constraint::Landing`], bases are only brought nearer in a step, and moved back where there was
    /// none.
    ///
    /// `after` has tensors of shape `[filters, channels / groups, kernel_height, kernel_width]`
    /// after a step, and `before` those before it; none where there was no step. The result has the
    /// shapes and the precision of `after`, and is the same on every run.
    ///
    /// # Errors
    ///
    /// If there are no filters, shapes do not fit together, numbers are not finite, or filters are
    /// linearly dependent. A step along a [tangent](Self::tangent) from orthonormal filters never
    /// makes them dependent.
    ///
    /// # Panics
    ///
    /// Panics if the tensors can't be read from their device.
    pub fn retract(
        self,
        before: &[Tensor<4>],
        after: Vec<Tensor<4>>,
        settings: &Settings,
    ) -> Result<Vec<Tensor<4>>, ConstraintError> {
        let joint = Joint::of(&after)?;
        let before = (!before.is_empty()).then(|| joint.matrix(before)).transpose()?;
        let after = joint.matrix(&after)?;
        Ok(joint.split(self.method().retract(before, after, settings)?))
    }

    /// The momentum taken along to new bases: projected to the directions along the manifold there,
    /// and with [`Constraint::Band`] to those that keep singular values at an end of the band.
    ///
    /// Bases and momentum have the shapes that [`tangent`](Self::tangent) takes.
    ///
    /// # Errors
    ///
    /// If there are no filters, shapes do not fit together, or numbers are not finite.
    ///
    /// # Panics
    ///
    /// Panics if the tensors can't be read from their device.
    pub fn transport(
        self,
        bases: &[Tensor<4>],
        momentum: Vec<Tensor<4>>,
        settings: &Settings,
    ) -> Result<Vec<Tensor<4>>, ConstraintError> {
        let joint = Joint::of(bases)?;
        let (rows, momentum) = (joint.matrix(bases)?, joint.matrix(&momentum)?);
        Ok(joint.split(self.method().transport(rows, momentum, settings)?))
    }

    /// Whether bases are as they should be after every [`retract`](Self::retract). If not, they are
    /// after one without a step.
    pub fn is_exact(self) -> bool {
        self.method().is_exact()
    }
}

#[cfg(test)]
mod tests;
