use cobasis_zoo::{BoxCoding, DetectorConfig, ModelConfig};

use super::*;
use crate::config::DetectConfig;
use crate::data::SplitMix64;
use crate::data::boxes::{Annotation, BoxKind, Rect};
use crate::tensors::host;
use crate::train::{StepAt, Trainer};

const SIZE: [usize; 2] = [64, 96];

/// Pictures of bright rectangles, of which each class lights a channel.
fn batch(count: usize) -> Batch<Boxes> {
    let [height, width] = SIZE;
    let mut rng = SplitMix64::new(3);
    let mut pixels = vec![0.0; count * 3 * height * width];
    let mut labels = Vec::new();
    for picture in pixels.chunks_exact_mut(3 * height * width) {
        let mut boxes = Vec::new();
        for class in 0..3u16 {
            let mut below = |limit: u64| rng.below(limit) as usize;
            let [w, h] = [8 + below(32), 8 + below(32)];
            let [left, top] = [below((width - w) as u64), below((height - h) as u64)];
            for row in top..top + h {
                let start = (usize::from(class) * height + row) * width + left;
                picture[start..start + w].fill(2.0);
            }
            let rect = Rect::from_xywh([left, top, w, h].map(|edge| edge as f64));
            boxes.push(Annotation { rect, class, kind: BoxKind::Object, area: rect.area() });
        }
        labels.push(Boxes { size: SIZE, boxes });
    }
    let shape = [count, 3, height, width];
    Batch { images: pixels, labels, indices: (0..count).collect(), shape, unreadable: Vec::new() }
}

fn recipe(losses: DetectionLosses) -> Recipe {
    let detect = DetectConfig { losses, last_epochs: 2, ..DetectConfig::default() };
    Recipe { epochs: 5, detect, ..Recipe::default() }
}

fn trainer(losses: DetectionLosses) -> Trainer<Detection> {
    let coding = match losses {
        DetectionLosses::Yolox => BoxCoding::Centre,
        DetectionLosses::Fcos => BoxCoding::Sides,
    };
    let detector = DetectorConfig::new(SIZE).with_coding(coding);
    let model = ModelConfig::new("bccd/resnet14-s4u1".parse().expect("a name"));
    Trainer::new(recipe(losses), &model.with_detector(detector), &Device::flex())
}

#[test]
fn both_losses_are_learnt_from() {
    let batches = [batch(4)];
    for losses in [DetectionLosses::Yolox, DetectionLosses::Fcos] {
        let mut trainer = trainer(losses);
        let steps = (1..=20).map(|step| {
            let at = StepAt { epoch: 1, step, lr: 0.02, lambda: 0.0 };
            let report = trainer.step(&batches, at).expect("a step");
            assert_eq!(report.score.images(), 4);
            report.loss
        });
        let all: Vec<f64> = steps.collect();
        assert!(all.iter().all(|loss| loss.is_finite()), "{losses:?}: {all:?}");
        assert!(all[19] < 0.8 * all[0], "{losses:?}: {all:?}");
    }
}

#[test]
fn the_l1_loss_comes_in_the_last_epochs() {
    let batch = batch(2);
    let losses = |losses: DetectionLosses| {
        let (trainer, device) = (trainer(losses), Device::flex().autodiff());
        let task = Detection::new(&recipe(losses), &device);
        [1, 3, 4, 5].map(|epoch| {
            let Terms { output, loss, .. } = task.terms(trainer.model(), &batch, [0, epoch, 1, 0]);
            assert_eq!(output.dims(), [2, (8 * 12 + 4 * 6) * 8]);
            host(loss)[0]
        })
    };
    let [first, before, after, last] = losses(DetectionLosses::Yolox);
    assert_eq!([first, after], [before, last]);
    assert!(after > before + 0.1, "{after} {before}");
    let [first, before, after, last] = losses(DetectionLosses::Fcos);
    assert_eq!([first, first, first], [before, after, last]);
}
