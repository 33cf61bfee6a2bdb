use std::path::Path;

use cobasis_train::config::Comparison;
use cobasis_train::train::Plan;

use super::*;

#[test]
fn on_the_front_is_what_nothing_beats_in_both() {
    let points = [[1.0, 9.0], [2.0, 5.0], [2.0, 6.0], [3.0, 5.0], [4.0, 1.0], [5.0, 2.0]];
    assert_eq!(front(&points), [true, true, false, false, true, false]);
    // Equals do not beat each other.
    assert_eq!(front(&[[1.0, 1.0], [1.0, 1.0], [0.5, 2.0]]), [true; 3]);
    assert_eq!(front(&[]), [false; 0]);
}

#[test]
fn runs_that_diverged_are_not_missing() {
    let text = "networks = ['digits/resnet14']\nbudgets = [125_000, 130_000]\nseeds = [0]\n\
                [[methods]]\nmethod = 'tied'\n[[methods]]\nmethod = 'lowrank'\n[recipe]\n";
    let comparison = Comparison::parse("a.toml", text).expect("a comparison");
    let plan = Plan::new(&comparison).expect("a plan");
    let nowhere = Path::new("no/such/folder");
    let mut results = ComparisonResults::read(&plan, nowhere).expect("no results");
    let page = methods(&results, &Figures::default());
    assert!(page.contains("2 methods compared, 3 runs"), "methods, and not rows");
    assert!(page.contains("no run is finished yet") && page.contains("id=\"missing\""));
    assert!(page.contains("lowrank, 130,000"), "the budget tells rows apart");
    results.runs.iter_mut().for_each(|(_, state)| *state = RunState::Diverged);
    results.rows.iter_mut().for_each(|row| (row.diverged, row.missing) = (1, 0));
    let page = methods(&results, &Figures::default());
    assert!(page.contains("every run diverged") && page.contains("id=\"diverged\""));
    assert!(!page.contains("no run is finished yet") && !page.contains("id=\"missing\""));
}
