use super::*;

#[test]
fn on_the_front_is_what_nothing_beats_in_both() {
    let points = [[1.0, 9.0], [2.0, 5.0], [2.0, 6.0], [3.0, 5.0], [4.0, 1.0], [5.0, 2.0]];
    assert_eq!(front(&points), [true, true, false, false, true, false]);
    // Equals do not beat each other.
    assert_eq!(front(&[[1.0, 1.0], [1.0, 1.0], [0.5, 2.0]]), [true; 3]);
    assert_eq!(front(&[]), [false; 0]);
}
