//! What a network computes depends neither on its threads nor on what it computed before.

mod common;

use cobasis_run::Network;
use cobasis_run::plan::{Boxes, Coding, Op, Then};
use common::values;

#[test]
fn outputs_depend_neither_on_threads_nor_on_batches_before() {
    let bytes = common::Network::of_all().bytes();
    let mut alone = Network::from_bytes(&bytes).expect("a network");
    assert_eq!((alone.channels(), alone.threads()), (3, 1));
    let image = 3 * 33 * 29;
    let all = values(9 * image, 5);
    let expected: Vec<f32> = all
        .chunks_exact(image)
        .flat_map(|one| alone.run(one, [1, 3, 33, 29]).expect("logits").to_vec())
        .collect();
    assert!(expected.iter().all(|logit| logit.is_finite()));
    let different = expected[..7].iter().zip(&expected[7..14]).filter(|(a, b)| a != b).count();
    assert_eq!(different, 7, "images matter");
    for threads in [1, 2, 3] {
        let mut network = alone.clone().with_threads(threads);
        assert_eq!(network.threads(), threads);
        for batch in [9, 2, 5, 1, 9, 3, 4, 2] {
            let got = network.run(&all[..batch * image], [batch, 3, 33, 29]).expect("logits");
            let largest = expected.iter().fold(0.0f32, |most, logit| most.max(logit.abs()));
            assert_eq!(got.len(), batch * 7);
            for (got, expected) in got.iter().zip(&expected) {
                assert!((got - expected).abs() <= 1e-5 * largest, "{threads}: {got}, {expected}");
            }
        }
        assert_eq!(network.run(&[], [0, 3, 33, 29]).expect("nothing"), [0.0; 0]);
        // In parts of 2, 2, 2, 1 and of 2, 1 and so on.
        let mut parted = network.clone().with_images_at_once(2);
        for batch in [9, 3, 7, 1] {
            let got = parted.run(&all[..batch * image], [batch, 3, 33, 29]).expect("logits");
            let largest = expected.iter().fold(0.0f32, |most, logit| most.max(logit.abs()));
            assert_eq!(got.len(), batch * 7);
            let differences = got.iter().zip(&expected).map(|(got, logit)| (got - logit).abs());
            assert!(differences.fold(0.0, f32::max) <= 1e-5 * largest, "{threads}: {batch}");
        }
    }
}

#[test]
fn a_detector_gives_edges_of_boxes_at_its_points() {
    for coding in [Coding::Centre, Coding::Sides] {
        let mut network = common::Network::new(3);
        let fine = network.conv([3, 3, 2, 1], &[8], &[0], Then::None);
        let coarse = network.conv([8, 3, 2, 1], &[8], &[fine], Then::None);
        network.push(Op::Pixels, &[fine, coarse], Then::None);
        let mut plain = Network::from_bytes(&network.bytes()).expect("a network");
        network.plan.boxes = Some(Boxes { coding, strides: vec![2, 4] });
        let mut boxes = Network::from_bytes(&network.bytes()).expect("a detector");
        let (images, shape) = (values(2 * 3 * 6 * 10, 2), [2, 3, 6, 10]);
        let numbers = plain.run(&images, shape).expect("numbers").to_vec();
        let edges = boxes.run(&images, shape).expect("boxes").to_vec();
        let points = boxes.points([6, 10]).expect("points");
        assert_eq!((points.len(), edges.len()), (3 * 5 + 2 * 3, 2 * 21 * 8));
        assert_eq!((points[6].x, points[6].y, points[6].stride), (3.0, 3.0, 2.0));
        assert_eq!((points[20].x, points[20].y, points[20].stride), (10.0, 6.0, 4.0));
        let all = numbers.chunks_exact(8).zip(edges.chunks_exact(8)).zip(points.iter().cycle());
        for ((numbers, edges), point) in all {
            assert_eq!(numbers[4..], edges[4..]);
            let (size, middle) = match coding {
                Coding::Centre => {
                    let size = [2, 3].map(|index: usize| numbers[index].exp() * point.stride);
                    let middle = [numbers[0] - 0.5, numbers[1] - 0.5].map(|x| x * point.stride);
                    (size, [middle[0] + point.x, middle[1] + point.y])
                }
                Coding::Sides => {
                    let side = [0, 1, 2, 3].map(|index: usize| numbers[index].exp() * point.stride);
                    let middle = [(side[2] - side[0]) / 2.0, (side[3] - side[1]) / 2.0];
                    (
                        [side[0] + side[2], side[1] + side[3]],
                        [middle[0] + point.x, middle[1] + point.y],
                    )
                }
            };
            for axis in 0..2 {
                let got = [edges[axis + 2] - edges[axis], (edges[axis + 2] + edges[axis]) / 2.0];
                assert!((got[0] - size[axis]).abs() < 1e-4 * size[axis].max(1.0));
                assert!((got[1] - middle[axis]).abs() < 1e-4 * size[axis].max(20.0));
            }
        }
    }
}

#[test]
fn images_that_do_not_fit_are_refused() {
    let bytes = common::Network::of_all().bytes();
    let mut network = Network::from_bytes(&bytes).expect("a network");
    for (numbers, shape, said) in [
        (5, [1, 3, 2, 2], "images: expected the numbers of the shape [1, 3, 2, 2], got 5"),
        (4, [1, 1, 2, 2], "images: expected 3 channels, got 1"),
        (0, [1, 3, 0, 4], "images: expected sides from 1 to 65536 pixels, got 0 × 4"),
        (
            3 * 70000,
            [1, 3, 1, 70000],
            "images: expected sides from 1 to 65536 pixels, got 1 × 70000",
        ),
        (
            3,
            [1, 3, 1, 1],
            "node 20 (at \"node20\"): for images of 1 × 1 pixels: expected maps that",
        ),
    ] {
        let error = network.run(&vec![0.0; numbers], shape).map(<[f32]>::to_vec);
        let error = error.expect_err("images that do not fit").to_string();
        assert!(error.starts_with(said), "{error}");
    }
    let shape = [usize::MAX, 3, 2, 2];
    assert!(network.run(&[], shape).is_err());
    // It still runs.
    assert_eq!(network.run(&values(3 * 256, 0), [1, 3, 16, 16]).expect("logits").len(), 7);
}
