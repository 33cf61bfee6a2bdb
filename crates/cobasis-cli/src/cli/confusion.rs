//! Per-class results and the confusion matrix as text.

use cobasis_train::evaluate::{Confusion, Mistake};

use super::output::{grouped, table};

/// Larger matrices fit no terminal.
const MAX_COLUMNS: usize = 12;
/// Mistakes that are listed in place of a larger matrix.
const LISTED: usize = 20;

/// A line for each class: its images, how many of them were recognised, and how many that were
/// predicted as it are of it.
pub(crate) fn per_class(confusion: &Confusion, names: &[String]) -> String {
    let head = ["class", "", "images", "correct", "recall", "precision"];
    let percent = |share: Option<f64>| share.map_or("-".into(), |share| format!("{share:.2} %"));
    let rows = names.iter().enumerate().map(|(class, name)| {
        let score = confusion.class(class);
        let [images, correct] = [score.images, score.correct].map(grouped);
        let shares = [score.recall, score.precision].map(percent);
        let [recall, precision] = shares;
        vec![class.to_string(), name.clone(), images, correct, recall, precision]
    });
    let head = head.map(String::from).to_vec();
    table(&[vec![head], rows.collect()].concat(), &[1])
}

/// The matrix, a row for each true class and a column for each predicted one; of many classes, the
/// most frequent mistakes.
pub(crate) fn matrix(confusion: &Confusion, names: &[String]) -> String {
    if confusion.num_classes() > MAX_COLUMNS {
        return mistakes(confusion, names);
    }
    let columns = (0..confusion.num_classes()).map(|class| class.to_string());
    let head: Vec<String> =
        ["true", "predicted:"].map(String::from).into_iter().chain(columns).collect();
    let rows = names.iter().enumerate().map(|(class, name)| {
        let counts = confusion.row(class).iter().map(|&images| grouped(images));
        [class.to_string(), name.clone()].into_iter().chain(counts).collect()
    });
    table(&[vec![head], rows.collect()].concat(), &[1])
}

fn mistakes(confusion: &Confusion, names: &[String]) -> String {
    let mistakes = confusion.mistakes(LISTED);
    if mistakes.is_empty() {
        return "no image was misclassified".to_string();
    }
    let row = |mistake: &Mistake| {
        let of = confusion.class(mistake.class).images;
        let images = format!("{} of {}", grouped(mistake.images), grouped(of));
        vec![names[mistake.class].clone(), names[mistake.predicted].clone(), images]
    };
    let head = ["true", "predicted", "images"].map(String::from).to_vec();
    let rows = mistakes.iter().map(row);
    table(&[vec![head], rows.collect()].concat(), &[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|class| format!("c{class}")).collect()
    }

    /// Images of the class 0 taken for 1, 1 and 0, of so many classes.
    fn confusion(classes: usize) -> Confusion {
        let mut confusion = Confusion::new(classes);
        for predicted in [1, 1, 0] {
            let mut logits = vec![0.0; classes];
            logits[predicted] = 1.0;
            confusion.add(&logits, &[0]);
        }
        confusion
    }

    #[test]
    fn every_class_has_its_line() {
        let text = per_class(&confusion(2), &names(2));
        assert_eq!(
            text,
            "class      images  correct   recall  precision\n\
             0      c0       3        1  33.33 %   100.00 %\n\
             1      c1       0        0        -     0.00 %"
        );
    }

    #[test]
    fn few_classes_make_a_matrix_and_many_a_list() {
        assert_eq!(
            matrix(&confusion(2), &names(2)),
            "true  predicted:  0  1\n0     c0          1  2\n1     c1          0  0"
        );
        let text = matrix(&confusion(100), &names(100));
        assert_eq!(text, "true  predicted  images\nc0    c1         2 of 3");
        assert!(matrix(&Confusion::new(100), &names(100)).starts_with("no image"));
    }
}
