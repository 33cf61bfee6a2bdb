//! Constraints: training steps after which filters are orthonormal, and not only nearly.
//!
//! A constraint is a file below this module and a line in [`Constraint`].

mod error;
mod joint;
mod qr;

use burn::tensor::Tensor;

use crate::named::named;
use joint::Joint;
use qr::Qr;

pub use error::ConstraintError;

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
    /// use cobasis_ortho::{Constraint, Gram};
    ///
    /// # fn main() -> Result<(), cobasis_ortho::ConstraintError> {
    /// let device = Device::flex();
    /// let random = || Tensor::<4>::random([4, 8, 3, 3], Distribution::Normal(0.0, 1.0), &device);
    /// // Two bases that are orthonormal to one another, too.
    /// let bases = Constraint::Qr.retract(&[], vec![random(), random()])?;
    /// let gradients = Constraint::Qr.tangent(&bases, vec![random(), random()])?;
    /// let stepped = bases.iter().zip(gradients).map(|(basis, gradient)| basis.clone() - gradient * 0.1);
    /// let stepped = Constraint::Qr.retract(&bases, stepped.collect())?;
    /// assert!(Gram::of(Tensor::cat(stepped, 0)).max_deviation() < 1e-5);
    /// # Ok(())
    /// # }
    /// ```
    Constraint: Method {
        /// Weights are moved back by a QR decomposition: rows become the `Q` of a thin `Q R` with a
        /// positive diagonal, computed on the host in `f64`. Filters are orthonormalised in order,
        /// so the first keeps its direction.
        Qr = "qr" => Qr,
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
    ) -> Result<Tensor<2>, ConstraintError>;

    /// The momentum as a direction along the manifold at the new rows.
    fn transport(&self, rows: Tensor<2>, momentum: Tensor<2>) -> Tensor<2> {
        project(rows, momentum)
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
    /// result.
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

    /// The bases moved back to where they are orthonormal jointly, within 1e-5 in `f32`.
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
    ) -> Result<Vec<Tensor<4>>, ConstraintError> {
        let joint = Joint::of(&after)?;
        let before = (!before.is_empty()).then(|| joint.matrix(before)).transpose()?;
        let after = joint.matrix(&after)?;
        Ok(joint.split(self.method().retract(before, after)?))
    }

    /// The momentum taken along to new bases: projected to the directions along the manifold there.
    ///
    /// Bases and momentum have the shapes that [`tangent`](Self::tangent) takes.
    ///
    /// # Errors
    ///
    /// If there are no filters, or shapes do not fit together.
    pub fn transport(
        self,
        bases: &[Tensor<4>],
        momentum: Vec<Tensor<4>>,
    ) -> Result<Vec<Tensor<4>>, ConstraintError> {
        let joint = Joint::of(bases)?;
        let (rows, momentum) = (joint.matrix(bases)?, joint.matrix(&momentum)?);
        Ok(joint.split(self.method().transport(rows, momentum)))
    }
}

#[cfg(test)]
mod tests;
