//! Whether filters make a convolution of their input.

use super::{Checker, MAX_SIDE, Problem, side, wrong, wrong_shape};
use crate::graph::{Conv, Op};
use crate::plan;

/// Weights of all convolutions, each time one is used.
const MAX_WEIGHTS: usize = 1 << 31;

impl Checker<'_> {
    /// The operation and the channels of its output, for inputs of these channels.
    pub(super) fn conv(
        &mut self,
        conv: plan::Conv,
        inputs: &[usize],
    ) -> Result<(Op, usize), Problem> {
        let plan::Conv { filters: names, scale, bias, stride, padding, groups } = conv;
        side("groups", groups)?;
        stride.into_iter().try_for_each(|stride| side("a stride", stride))?;
        let (mut filters, mut banks, mut filter) = (0usize, Vec::new(), None);
        for name in names {
            let shape = self.shape(&name)?;
            let &[count, per_group, height, width] = shape.as_slice() else {
                return wrong_shape(name, "[filters, channels, height, width]", &shape);
            };
            let kernel = [height, width];
            let channels = per_group.checked_mul(groups);
            let fits = channels == inputs.first().copied()
                && [count, kernel[0], kernel[1]].iter().all(|side| (1..=MAX_SIDE).contains(side))
                && filter.is_none_or(|filter| filter == (per_group, kernel));
            if !fits {
                let expected = match filter {
                    Some((channels, [height, width])) => {
                        format!("[filters, {channels}, {height}, {width}]")
                    }
                    None => format!("[filters, {} / {groups}, height, width]", inputs[0]),
                };
                return wrong_shape(name, &expected, &shape);
            }
            filter = Some((per_group, kernel));
            filters += count;
            banks.push(self.tensor(&name, &shape)?);
        }
        let Some((_, kernel)) = filter else {
            return wrong("expected filters, got none".to_string());
        };
        if filters > MAX_SIDE || filters % groups != 0 || groups > 1 && banks.len() > 1 {
            let banks = banks.len();
            let problem = format!(
                "expected at most {MAX_SIDE} filters, as many in each of {groups} groups, and one tensor of \
                 them where there are several groups, got {filters} in {banks}"
            );
            return wrong(problem);
        }
        if (0..2).any(|axis| padding[axis] > kernel[axis]) {
            return wrong(format!("expected a padding of at most {kernel:?}, got {padding:?}"));
        }
        if let Some(&other) = inputs.get(1)
            && other != filters
        {
            return wrong(format!("expected {filters} channels to add, got {other}"));
        }
        let weights: usize = banks.iter().map(|&bank| self.tensors[bank].values.len()).sum();
        self.weights = self.weights.saturating_add(weights);
        if self.weights > MAX_WEIGHTS {
            return wrong(format!("expected at most {MAX_WEIGHTS} weights in all, got more"));
        }
        let mut optional = |name: Option<String>| match name {
            Some(name) => self.tensor(&name, &[filters]).map(Some),
            None => Ok(None),
        };
        let (scale, bias) = (optional(scale)?, optional(bias)?);
        let before = None;
        let conv =
            Conv { banks, scale, bias, kernel, stride, padding, groups, before, expansion: None };
        Ok((Op::Conv(conv), filters))
    }
}
