//! Optimizers whose momentum of one parameter can be reached from outside.
//!
//! Burn keeps an optimizer's state to itself, by parameter. A constraint has to move the momentum
//! of several parameters along with their weights, so these parameters get optimizers of their own
//! that keep their state where both can get at it. In a checkpoint it looks as it always does.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};

use burn::optim::{AdamWState, LearningRate, Optimizer, RecordState, StateSink, StateSource};
use burn::tensor::{Device, Tensor};

use crate::train::sgd::SgdState;

/// The state of an optimizer that has a momentum in it.
pub(crate) trait HasMomentum {
    /// The momentum; `None` without one.
    fn momentum(&mut self) -> Option<&mut Tensor<4>>;
}

impl HasMomentum for SgdState<4> {
    fn momentum(&mut self) -> Option<&mut Tensor<4>> {
        self.velocity.as_mut()
    }
}

impl HasMomentum for AdamWState<4> {
    fn momentum(&mut self) -> Option<&mut Tensor<4>> {
        Some(&mut self.momentum.moment_1)
    }
}

/// The momentum of one parameter of four dimensions, where its optimizer keeps it.
pub(crate) trait Momentum: Send + Sync {
    /// The momentum; `None` before the first step, and without one.
    fn get(&self) -> Option<Tensor<4>>;

    /// Puts another in its place; without one, nothing.
    fn set(&self, momentum: Tensor<4>);
}

/// What an optimizer keeps of a parameter, and whoever else holds it.
pub(crate) struct Kept<S>(Arc<Mutex<Option<S>>>);

impl<S> Kept<S> {
    fn new(state: Option<S>) -> Self {
        Self(Arc::new(Mutex::new(state)))
    }

    fn with<R>(&self, f: impl FnOnce(&mut Option<S>) -> R) -> R {
        // Whoever panicked while holding it left it whole: it is replaced in one assignment.
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S> Clone for Kept<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S: HasMomentum + Send> Momentum for Kept<S> {
    fn get(&self) -> Option<Tensor<4>> {
        self.with(|state| state.as_mut()?.momentum().cloned())
    }

    fn set(&self, momentum: Tensor<4>) {
        self.with(|state| {
            if let Some(kept) = state.as_mut().and_then(HasMomentum::momentum) {
                *kept = momentum;
            }
        });
    }
}

/// An optimizer of one parameter of four dimensions, whose state others hold too.
#[derive(Clone)]
pub(crate) struct Reachable<O> {
    optimizer: O,
    /// A `Kept<O::State<4>>`; Burn's trait speaks of any number of dimensions.
    kept: Arc<dyn Any + Send + Sync>,
}

impl<O> Reachable<O>
where
    O: Optimizer,
    O::State<4>: HasMomentum,
{
    /// The optimizer, and a hold on the momentum that it will keep.
    pub(crate) fn new(optimizer: O) -> (Self, Arc<dyn Momentum>) {
        let kept = Kept::<O::State<4>>::new(None);
        (Self { optimizer, kept: Arc::new(kept.clone()) }, Arc::new(kept))
    }
}

impl<S: RecordState> RecordState for Kept<S> {
    fn state_flatten(&self, prefix: &str, out: &mut StateSink) {
        self.with(|state| {
            if let Some(state) = state {
                state.state_flatten(prefix, out);
            }
        });
    }

    fn state_unflatten(prefix: &str, src: &mut StateSource, device: &Device) -> Option<Self> {
        S::state_unflatten(prefix, src, device).map(|state| Self::new(Some(state)))
    }
}

impl<O: Optimizer> Optimizer for Reachable<O> {
    type State<const D: usize> = Kept<O::State<D>>;

    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<Kept<O::State<D>>>,
    ) -> (Tensor<D>, Option<Kept<O::State<D>>>) {
        // After a checkpoint was read, the state lies elsewhere until the first step.
        let before = state.and_then(|kept| kept.with(Option::take));
        let (tensor, after) = self.optimizer.step(lr, tensor, grad, before);
        let kept = match self.kept.downcast_ref::<Kept<O::State<D>>>() {
            Some(kept) => kept.clone(),
            // A parameter of another number of dimensions: nobody else holds its state.
            None => Kept::new(None),
        };
        kept.with(|state| *state = after);
        (tensor, Some(kept))
    }

    fn to_device<const D: usize>(kept: Kept<O::State<D>>, device: &Device) -> Kept<O::State<D>> {
        kept.with(|state| {
            *state = state.take().map(|state| O::to_device(state, device));
        });
        kept
    }
}
