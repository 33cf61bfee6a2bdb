//! What a step, or a look at images, takes at least: enough to refuse at once what can't fit, and never
//! what can.

use cobasis_data::number::{bytes, grouped};
use cobasis_zoo::ModelConfig;
use cobasis_zoo::cobasis::CostTable;

use crate::config::{Config, OptimizerKind};
use crate::error::Error;
use crate::machine::{Free, free_memory};

/// Bytes of a number.
const FLOAT: u64 = 4;
/// Maps of the largest size that evaluation holds at once, by measurement: those before and after a
/// layer, and what convolutions make ready.
const MAPS: u64 = 6;
/// Of the memory that is free, what batches of a size that nobody asked for take at most.
const SHARE: u64 = 2;

/// What the maps of a model take for one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Maps {
    /// Bytes of the image itself.
    image: u64,
    /// Bytes of the outputs of all convolutions and norms, each of which a training step keeps for its
    /// gradient.
    all: u64,
    /// Bytes of the largest of them.
    largest: u64,
    /// Numbers that are trained.
    params: u64,
}

impl Maps {
    /// Those of a model for images of `[height, width]`.
    ///
    /// # Panics
    ///
    /// Panics if the image is too small for the network.
    pub fn of(model: &ModelConfig, size: [usize; 2]) -> Self {
        // Counting touches no weights; any device will do.
        let table: CostTable = model.cost(size, &burn::tensor::Device::flex());
        // Convolutions and norms.
        let layers = table.rows().iter().filter(|row| row.cost.macs > 0 || row.cost.buffers > 0);
        let outputs = layers.filter_map(|row| row.output).map(number);
        let image = number([model.in_channels, size[0], size[1]]);
        Self {
            image,
            all: outputs.clone().sum(),
            largest: outputs.max().unwrap_or(0).max(image),
            params: table.total().params,
        }
    }

    /// The bytes that a training step on so many images can't do without.
    pub fn step(&self, config: &Config, images: u64) -> u64 {
        let optimizer = &config.optimizer;
        // Weights and gradients, and what the optimizer and the average keep of each.
        let kept = match optimizer.kind {
            OptimizerKind::Sgd => u64::from(optimizer.momentum > 0.0),
            OptimizerKind::AdamW => 2,
        };
        if !config.train.freeze.0.is_empty() {
            // What is kept depends on where the lowest layer is that learns: maybe nothing.
            return self.look(images).saturating_add(self.params.saturating_mul(FLOAT));
        }
        let copies = 2 + kept + u64::from(config.train.ema > 0.0);
        let maps = images.saturating_mul(self.all.saturating_add(self.image));
        maps.saturating_add(self.params.saturating_mul(copies * FLOAT))
    }

    /// The bytes that a look at so many images can't do without.
    fn look(&self, images: u64) -> u64 {
        images.saturating_mul(self.largest.saturating_add(self.image))
    }

    /// How many images at a time memory allows, at most `wanted`; where there is a choice, half of it
    /// is left free.
    ///
    /// # Errors
    ///
    /// Where not even one image fits.
    pub fn batch(&self, wanted: usize) -> Result<usize, Error> {
        match free_memory() {
            None => Ok(wanted),
            Some(free) => self.batch_in(wanted, free),
        }
    }

    fn batch_in(&self, wanted: usize, free: Free) -> Result<usize, Error> {
        let one = self.look(1);
        refuse("one image at a time takes", "smaller ones take less", one, Some(free))?;
        let each = self.largest.saturating_mul(MAPS).max(1);
        let fit = usize::try_from(free.bytes / SHARE / each).unwrap_or(usize::MAX);
        Ok(wanted.min(fit).max(1))
    }

    /// Refuses a number of images at a time that can't fit into memory.
    ///
    /// # Errors
    ///
    /// Where it can't.
    pub fn check_look(&self, what: &str, images: usize) -> Result<(), Error> {
        let what = format!("{what}: {} images at a time take", grouped(images as u64));
        refuse(&what, "fewer take less", self.look(images as u64), free_memory())
    }

    /// Refuses batches that can't fit into memory, before a run begins.
    pub(crate) fn check_run(
        &self,
        config: &Config,
        [batch, judged]: [usize; 2],
    ) -> Result<(), Error> {
        self.check_run_in(config, [batch, judged], free_memory())
    }

    fn check_run_in(
        &self,
        config: &Config,
        [batch, judged]: [usize; 2],
        free: Option<Free>,
    ) -> Result<(), Error> {
        let model = &config.model;
        let what =
            format!("train.batch: a step of {model} on {} images takes", grouped(batch as u64));
        let hint = "smaller batches take less, and train.accumulate adds their gradients";
        refuse(&what, hint, self.step(config, batch as u64), free)?;
        let what = format!("train.eval_batch: {} images at a time take", grouped(judged as u64));
        refuse(&what, "fewer take less", self.look(judged as u64), free)
    }
}

/// Refuses what takes at least so many bytes where they can't be had.
fn refuse(what: &str, hint: &str, least: u64, free: Option<Free>) -> Result<(), Error> {
    match free {
        Some(free) if least > free.all() => {
            let least = bytes(least);
            Err(Error::Machine(format!(
                "out of memory: {what} at least {least}, and {free}; {hint}"
            )))
        }
        _ => Ok(()),
    }
}

/// The bytes of a map.
fn number(shape: [usize; 3]) -> u64 {
    shape.iter().fold(FLOAT, |product, &side| product.saturating_mul(side as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(model: &str) -> (Config, Maps) {
        let config = Config { model: model.into(), ..Config::default() };
        let model = ModelConfig::new(config.model_name().unwrap());
        let [_, height, width] = model.name.entry().input;
        (config, Maps::of(&model, [height, width]))
    }

    fn free(bytes: u64) -> Free {
        Free { bytes, swap: 0, bound: "a test" }
    }

    #[test]
    fn what_can_not_fit_is_refused_with_both_numbers() {
        let (config, maps) = config("digits/resnet14-s4096u4096");
        let refused = maps.check_run_in(&config, [1437, 256], Some(free(4 << 30))).unwrap_err();
        let line = refused.line();
        assert!(line.starts_with("out of memory: train.batch: a step of digits/resnet14-s4096u40"));
        assert!(
            line.contains(" takes at least ") && line.contains(" 4.00 GiB are free in a test;")
        );
        assert_eq!(refused.exit_code(), 1);
        // Of batches that fit, those that judge may still be too large.
        let refused = maps.check_run_in(&config, [1, 1 << 20], Some(free(8 << 30))).unwrap_err();
        assert!(refused.line().starts_with("out of memory: train.eval_batch: 1,048,576 images"));
        assert!(maps.check_run_in(&config, [1437, 256], None).is_ok());
        // Frozen layers keep nothing for their gradients.
        let mut frozen = config.clone();
        frozen.train.freeze.0.push("backbone".into());
        assert!(maps.check_run_in(&frozen, [1437, 256], Some(free(4 << 30))).is_ok());
    }

    #[test]
    fn batches_shrink_with_the_memory_and_grow_with_the_swap_never() {
        let (_, maps) = config("digits/resnet14-s8u1");
        let one = maps.largest * MAPS;
        assert_eq!(maps.batch_in(64, free(1 << 40)).unwrap(), 64);
        assert_eq!(maps.batch_in(64, free(20 * one)).unwrap(), 10);
        assert_eq!(maps.batch_in(64, free(one)).unwrap(), 1);
        assert_eq!(maps.batch_in(64, Free { swap: 1 << 40, ..free(0) }).unwrap(), 1);
        let refused = maps.batch_in(64, free(1)).unwrap_err().line();
        assert!(refused.starts_with("out of memory: one image at a time takes at least "));
    }
}
