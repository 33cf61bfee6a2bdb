//! Many numbers of a few: a constant table says which.

use std::fmt;
use std::sync::Arc;

use burn::tensor::{Int, Tensor, TensorData};

#[cfg(feature = "flex")]
use crate::flex;

/// A constant table of places in a list of numbers: each output is one of the numbers, times a factor
/// that is the same for all or its negative. Its gradient adds in the order of the table, so that it
/// does not depend on the number of threads.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use cobasis_kernels::Lookup;
///
/// let lookup = Lookup::new(3, 2.0, [(2, false), (0, true), (2, false), (1, false)]);
/// let found = lookup.of(Tensor::from_data([1.0, 3.0, 5.0], &Device::flex()));
/// assert_eq!(found.into_data().iter::<f32>().collect::<Vec<_>>(), [10.0, -2.0, 10.0, 6.0]);
/// ```
#[derive(Clone)]
pub struct Lookup {
    /// Places, each doubled, plus one where the number is negated.
    table: Arc<[u32]>,
    numbers: usize,
    factor: f32,
}

impl Lookup {
    /// The table of a list of so many numbers: places from 0, and whether the number is negated there.
    ///
    /// # Panics
    ///
    /// Panics if a place is outside the list, or if the list has more than 2³¹ numbers.
    pub fn new(
        numbers: usize,
        factor: f32,
        places: impl IntoIterator<Item = (usize, bool)>,
    ) -> Self {
        assert!(numbers <= 1 << 31, "a list of at most 2^31 numbers, got {numbers}");
        let entry = |(place, negated): (usize, bool)| {
            assert!(place < numbers, "place {place} in a list of {numbers} numbers");
            (place as u32) << 1 | u32::from(negated)
        };
        Self { table: places.into_iter().map(entry).collect(), numbers, factor }
    }

    /// How many outputs there are.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// The place and the factor of each output.
    pub fn places(&self) -> impl Iterator<Item = (usize, f32)> {
        self.table.iter().map(|&entry| self.place(entry))
    }

    #[inline(always)]
    pub(crate) fn place(&self, entry: u32) -> (usize, f32) {
        let factor = if entry & 1 == 1 { -self.factor } else { self.factor };
        ((entry >> 1) as usize, factor)
    }

    #[cfg(feature = "flex")]
    pub(crate) fn table(&self) -> &[u32] {
        &self.table
    }

    /// The numbers that the table finds, `[outputs]`, in a list of shape `[numbers]`.
    ///
    /// # Panics
    ///
    /// Panics if the list has another length.
    pub fn of(&self, list: Tensor<1>) -> Tensor<1> {
        let [numbers] = list.dims();
        assert!(numbers == self.numbers, "a list of {} numbers, got {numbers}", self.numbers);
        #[cfg(feature = "flex")]
        if flex::serves(&list) {
            return flex::lookup(self, list);
        }
        let (device, len) = (list.device(), self.len());
        let places: Vec<i32> = self.places().map(|(place, _)| place as i32).collect();
        let factors: Vec<f32> = self.places().map(|(_, factor)| factor).collect();
        let places = Tensor::<1, Int>::from_data(TensorData::new(places, [len]), &device);
        let factors = TensorData::new(factors, [len]);
        let factors = Tensor::<1>::from_data(factors, (&device, list.dtype()));
        list.select(0, places) * factors
    }
}

/// Its sizes: tables are long.
impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lookup({} of {})", self.len(), self.numbers)
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use burn::tensor::Device;

    /// What a table finds, and the gradient of a weighted sum of it.
    fn found(lookup: &Lookup, device: Device) -> [Vec<f32>; 2] {
        let device = device.autodiff();
        let list: Vec<f32> = (0..lookup.numbers).map(|i| (i * 37 % 11) as f32 - 5.0).collect();
        let list = Tensor::<1>::from_data(TensorData::new(list, [lookup.numbers]), &device);
        let list = list.require_grad();
        let factors: Vec<f32> = (0..lookup.len()).map(|i| (i * 7 % 13) as f32 - 6.0).collect();
        let factors = Tensor::<1>::from_data(TensorData::new(factors, [lookup.len()]), &device);
        let found = lookup.of(list.clone());
        let gradients = (found.clone() * factors).sum().backward();
        let gradient = list.grad(&gradients).expect("a gradient");
        [found.into_data(), gradient.into_data()].map(|data| data.iter::<f32>().collect())
    }

    #[test]
    #[allow(deprecated)] // NdArray is the second, independent CPU reference.
    fn a_lookup_and_its_gradient_are_those_of_burns_operations() {
        // Longer than what one thread takes at a time.
        let places = (0..40_000).map(|i| (i * 7919 % 60, i % 3 == 0));
        // Sums of integers: exact in any order.
        let lookup = Lookup::new(64, 0.5, places);
        assert_eq!(found(&lookup, Device::flex()), found(&lookup, Device::ndarray()));
    }

    #[test]
    fn a_number_that_is_never_found_has_no_gradient() {
        let [found, gradient] =
            found(&Lookup::new(3, 1.0, [(2, true), (2, false)]), Device::flex());
        assert_eq!(found, [-3.0, 3.0]);
        assert_eq!(gradient, [0.0, 0.0, 6.0 + 1.0]);
    }

    #[test]
    #[should_panic(expected = "place 3 in a list of 3 numbers")]
    fn a_place_outside_the_list_is_refused() {
        Lookup::new(3, 1.0, [(3, false)]);
    }
}
