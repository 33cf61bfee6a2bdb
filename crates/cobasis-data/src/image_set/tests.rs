//! Tests of image sets.

use super::*;

/// Two images of 2 channels, 1 row, 2 columns, and two classes.
fn info() -> SetInfo {
    SetInfo {
        name: "toy".into(),
        classes: vec!["cat".into(), "dog".into()],
        shape: [2, 1, 2],
        mean: vec![0.5, 0.5],
        std: vec![0.25, 0.25],
        max_value: 9,
    }
}

fn message(info: SetInfo, pixels: &[u8], labels: &[u16]) -> String {
    let set = ImageSet::new(info, pixels.to_vec(), labels.to_vec());
    set.map_or_else(|error| error.to_string(), |_| "accepted".into())
}

#[test]
fn images_and_labels_come_back_by_index() -> Result<(), DataError> {
    let set = ImageSet::new(info(), (0..8).collect(), vec![1, 0])?;
    assert_eq!((set.len(), set.num_classes(), set.is_empty()), (2, 2, false));
    assert_eq!(set.image(1), [4, 5, 6, 7]);
    assert_eq!((set.label(0), set.labels()), (1, [1, 0].as_slice()));
    Ok(())
}

#[test]
fn a_subset_keeps_the_order_of_its_indices() -> Result<(), DataError> {
    let set = ImageSet::new(info(), (0..8).collect(), vec![1, 0])?.subset(&[1, 0, 1]);
    assert_eq!(set.labels(), [0, 1, 0]);
    assert_eq!([set.image(0), set.image(1)].concat(), [4, 5, 6, 7, 0, 1, 2, 3]);
    Ok(())
}

#[test]
fn labels_follow_their_classes_to_another_order() -> Result<(), DataError> {
    let set = || ImageSet::new(info(), (0..8).collect(), vec![1, 0]);
    let classes = ["bird", "dog", "cat"].map(String::from).to_vec();
    let moved = set()?.among_classes(classes.clone(), &[2, 1])?;
    assert_eq!((moved.labels(), moved.num_classes()), (&[1, 2][..], 3));
    assert_eq!(moved.image(1), set()?.image(1));
    for wrong in [&[0][..], &[0, 3]] {
        assert!(set()?.among_classes(classes.clone(), wrong).is_err(), "{wrong:?}");
    }
    Ok(())
}

#[test]
fn other_images_labels_and_orders_have_other_fingerprints() -> Result<(), DataError> {
    let set = ImageSet::new(info(), (0..8).collect(), vec![1, 0])?;
    assert_eq!(set.fingerprint(), set.clone().fingerprint());
    let others = [
        ImageSet::new(info(), (1..9).collect(), vec![1, 0])?,
        ImageSet::new(info(), (0..8).collect(), vec![0, 1])?,
        set.subset(&[1, 0]),
        set.subset(&[0]),
    ];
    assert!(others.iter().all(|other| other.fingerprint() != set.fingerprint()));
    let other = set.clone().normalised_by(&[0.0; 2], &[1.0; 2])?;
    assert_eq!((other.fingerprint(), other.info().mean[0]), (set.fingerprint(), 0.0));
    assert!(set.normalised_by(&[0.0], &[1.0]).is_err());
    Ok(())
}

#[test]
fn images_that_do_not_fit_are_refused_with_numbers() {
    let cases = [
        (&[0; 7][..], &[0, 1][..], "number of pixels: expected 2 images of 4, got 7"),
        (&[0; 8], &[0, 2], "label of image 1: expected below 2, got 2"),
        (&[0, 0, 0, 0, 0, 10, 0, 0], &[0, 1], "pixel of image 1: expected at most 9, got 10"),
    ];
    for (pixels, labels, expected) in cases {
        assert_eq!(message(info(), pixels, labels), format!("toy: {expected}"));
    }
}

#[test]
fn constants_that_do_not_fit_are_refused() {
    let cases = [
        SetInfo { shape: [2, 0, 2], ..info() },
        SetInfo { shape: [2, usize::MAX, 2], ..info() },
        SetInfo { mean: vec![0.5], ..info() },
        SetInfo { mean: vec![0.5, f32::NAN], ..info() },
        SetInfo { std: vec![0.25; 3], ..info() },
        SetInfo { std: vec![0.25, 0.0], ..info() },
        SetInfo { std: vec![0.25, -1.0], ..info() },
        SetInfo { max_value: 0, ..info() },
    ];
    for info in cases {
        assert!(message(info.clone(), &[0; 8], &[0, 1]).contains("expected"), "{info:?}");
    }
}
