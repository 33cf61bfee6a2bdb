use super::*;
use crate::boxes::Rect;
use crate::boxes::testing::{COLOURS, folder, set};

const KEY: AugmentKey = AugmentKey { seed: 1, epoch: 2 };
const ALL: BoxAugment = BoxAugment {
    scale: [0.5, 1.5],
    flip: [true, true],
    hsv: HsvChange { hue: 0.0, saturation: 0.0, value: 0.0 },
    mosaic: 0.0,
    mosaic_end: u64::MAX,
};

/// How many pixels in a rectangle of a picture have a class's colour, or nearly, and how many there are.
fn coloured(pixels: &[u8], width: usize, corners: [usize; 4], class: u16) -> (usize, usize) {
    let [left, top, right, bottom] = corners;
    let like = |at: usize| {
        let pixel = &pixels[3 * at..][..3];
        let colour = &COLOURS[usize::from(class)];
        pixel.iter().zip(colour).all(|(a, b)| a.abs_diff(*b) < 110)
    };
    let columns = |y: usize| (left..right).map(move |x| y * width + x);
    let inside = (top..bottom).flat_map(columns).filter(|&at| like(at)).count();
    (inside, (bottom.saturating_sub(top)) * right.saturating_sub(left))
}

/// Boxes are full of their colour, but for an edge, and the colour is nowhere else.
fn assert_boxes_match(augment: BoxAugment, input: [usize; 2]) {
    let dir = folder(9);
    let set = set(dir.path()).image_set(input).expect("a set");
    let [height, width] = input;
    for index in (0..9).cycle().take(90) {
        let key = AugmentKey { epoch: index as u64 * 7, ..KEY };
        let (pixels, Boxes { size, boxes }) = augment.paint(&set, index, key).expect("readable");
        assert_eq!((size, pixels.len()), (input, 3 * height * width));
        for one in &boxes {
            let [l, t, r, b] = one.rect.corners();
            assert!(l >= 0.0 && t >= 0.0 && r <= width as f64 && b <= height as f64, "{one:?}");
            // Pixels that lie in the box with what is around them.
            let inner = [l + 1.0, t + 1.0, r - 1.0, b - 1.0];
            let inner = [inner[0].ceil(), inner[1].ceil(), inner[2].floor(), inner[3].floor()];
            let (inside, all) =
                coloured(&pixels, width, inner.map(|edge| edge as usize), one.class);
            assert_eq!(inside, all, "{one:?}");
        }
        // And what is seen of all rectangles, those too that are hardly seen, is all that is coloured.
        let tiles = augment.tiles(&set, index, key);
        for class in 0..2 {
            let (coloured, _) = coloured(&pixels, width, [0, 0, width, height], class);
            let parts = tiles.iter().flat_map(|Tile { index, placement }| {
                let [from, to] =
                    [placement.from, placement.to].map(|at| at.map(|side| side as f64));
                let seen = Rect::from_corners([from[1], from[0], to[1], to[0]]);
                let of_class = set.target(*index).boxes.iter().filter(|one| one.class == class);
                of_class
                    .filter_map(|one| placement.rect(&one.rect).clipped(&seen))
                    .collect::<Vec<_>>()
            });
            let (area, edge) = parts.fold((0.0, 4.0), |(area, edge), part| {
                (area + part.area(), edge + part.width + part.height)
            });
            assert!((coloured as f64 - area).abs() <= edge, "{coloured} {area} {edge}");
        }
    }
}

#[test]
fn boxes_are_where_their_colours_are() {
    for input in [[64, 96], [90, 60], [37, 41]] {
        assert_boxes_match(BoxAugment::NONE, input);
        assert_boxes_match(ALL, input);
        assert_boxes_match(BoxAugment { mosaic: 1.0, ..ALL }, input);
        assert_boxes_match(BoxAugment { mosaic: 1.0, scale: [1.0, 1.0], ..ALL }, input);
    }
}

#[test]
fn a_mosaic_has_its_own_image_and_covers_the_picture() {
    let dir = folder(9);
    let set = set(dir.path()).image_set([64, 96]).expect("a set");
    let augment = BoxAugment { mosaic: 1.0, scale: [1.0, 1.0], ..ALL };
    let mut corners = [0; 4];
    for epoch in 0..200 {
        let tiles = augment.tiles(&set, 3, AugmentKey { epoch, ..KEY });
        assert_eq!(tiles.len(), 4);
        let own = tiles.iter().position(|tile| tile.index == 3).expect("its own image");
        corners[own] += 1;
        let area: usize = tiles
            .iter()
            .map(|Tile { placement: Placement { from, to, .. }, .. }| {
                (to[0] - from[0]) * (to[1] - from[1])
            })
            .sum();
        assert_eq!(area, 64 * 96);
    }
    // Four of 50 each, with another three now and then: the first counts here.
    assert!(corners.iter().all(|count| (25..90).contains(count)), "{corners:?}");
}

#[test]
fn settings_do_not_change_each_others_draws() {
    let dir = folder(9);
    let set = set(dir.path()).image_set([64, 96]).expect("a set");
    let mut mosaics = 0;
    for index in 0..9 {
        for epoch in 0..50 {
            let key = AugmentKey { epoch, ..KEY };
            let of = |augment: BoxAugment| augment.tiles(&set, index, key);
            let without = of(ALL);
            let some = of(BoxAugment { mosaic: 0.3, ..ALL });
            match some.len() {
                1 => assert_eq!(some, without),
                _ => mosaics += 1,
            }
            let unflipped = of(BoxAugment { flip: [false, false], ..ALL })[0].placement;
            let flipped = without[0].placement;
            assert_eq!(unflipped, Placement { flip: [false, false], ..flipped });
        }
    }
    // 135 of 450 expected, standard deviation 10.
    assert!((85..=185).contains(&mosaics), "{mosaics}");
}

#[test]
fn scales_and_places_are_all_there() {
    let dir = folder(3);
    let set = set(dir.path()).image_set([60, 80]).expect("a set");
    // Image 0 is 30x40, so that scales are what its sides are multiplied by, doubled.
    let placements: Vec<Placement> = (0..2000)
        .map(|epoch| ALL.tiles(&set, 0, AugmentKey { epoch, ..KEY })[0].placement)
        .collect();
    let heights: Vec<usize> = placements.iter().map(|placement| placement.resized[0]).collect();
    assert!(heights.iter().all(|height| (30..=90).contains(height)));
    assert!(heights.iter().min() <= Some(&31) && heights.iter().max() >= Some(&89));
    for placement in &placements {
        for axis in 0..2 {
            let free = [60, 80][axis] - placement.resized[axis] as i64;
            let range = if free < 0 { free..=0 } else { 0..=free };
            assert!(range.contains(&placement.offset[axis]), "{placement:?}");
        }
    }
    let flips = |axis: usize| placements.iter().filter(|placement| placement.flip[axis]).count();
    assert!((890..1110).contains(&flips(0)) && (890..1110).contains(&flips(1)));
}
