//! How good a detector is, class by class: precision against recall, and a table.

use cobasis_data::boxes::{AveragePrecision, BoxClass, ClassPrecision, RECALLS};
use cobasis_data::number::grouped;
use maud::{Markup, html};

use super::chart::{Chart, WIDE};
use super::detections::Findings;
use super::drawing::{exact, px};
use super::figure::{Figures, Key};
use super::line::colour;
use super::page::{number, table};
use super::scale::Scale;

/// Classes whose curves are drawn: as many as there are colours.
const DRAWN: usize = 8;
/// The thresholds that are drawn, and their places among all.
const THRESHOLDS: [(&str, usize); 2] = [("0.50", 0), ("0.75", 5)];

/// COCO's scores, curves and classes.
pub(crate) fn precision(findings: &Findings, figures: &Figures) -> Markup {
    let AveragePrecision { ap, ap50, ap75, recall, ap_by_area, .. } = &findings.precision;
    let classes = &findings.set.classes;
    let objects: usize = findings.precision.classes.iter().map(|class| class.objects).sum();
    let score = |name: &str, score: Option<f64>| {
        let field = format!("evaluated.{name}");
        score.map(|score| number(&field, score, &format!("{score:.4}")))
    };
    html! {
        p {
            "The last epoch's model on the run's test images, evaluated for this page: "
            (grouped(findings.images as u64)) " images with " (grouped(objects as u64)) " objects"
            @if findings.unreadable > 0 {
                " (images that could not be read: " (grouped(findings.unreadable as u64))
                "; their objects count as missed)"
            }
            ". "
            @for (label, name, value) in [
                ("AP", "ap", *ap), (", AP50", "ap50", *ap50), (", AP75", "ap75", *ap75),
                (", AR", "ar", recall[2]), ("; AP of small objects", "ap_small", ap_by_area[0]),
                (", of medium ones", "ap_medium", ap_by_area[1]),
                (", of large ones", "ap_large", ap_by_area[2]),
            ] {
                (label) " " @match score(name, value) { Some(score) => (score), None => "–" }
            }
            "."
        }
        div.stack {
            div.grid {
                @for (overlap, threshold) in THRESHOLDS {
                    (curves(overlap, threshold, &findings.precision, classes, figures))
                }
            }
            (by_class(&findings.precision, classes))
        }
    }
}

fn curves(
    overlap: &str,
    threshold: usize,
    precision: &AveragePrecision,
    classes: &[BoxClass],
    figures: &Figures,
) -> Markup {
    let title = format!("Precision against recall, IoU {overlap}");
    let share = || Scale::linear([0.0, 1.0]);
    let chart = Chart {
        size: WIDE,
        label: title.clone(),
        x: (share(), "recall"),
        y: (share(), "precision"),
    };
    let of = |(class, name): (&ClassPrecision, &BoxClass)| {
        let curve = class.precision.get(threshold)?;
        let mean = curve.iter().sum::<f64>() / RECALLS as f64;
        Some((name.name.clone(), line(&chart, curve), mean))
    };
    let mut known: Vec<_> = precision.classes.iter().zip(classes).collect();
    // The most frequent, in the order of the classes.
    let mut counts: Vec<usize> = known.iter().map(|(class, _)| class.objects).collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    let least = counts.get(DRAWN - 1).copied().unwrap_or(0);
    known.retain(|(class, _)| class.objects >= least);
    let lines: Vec<_> = known.into_iter().take(DRAWN).filter_map(of).collect();
    let marks = html! {
        @for (index, (name, path, mean)) in lines.iter().enumerate() {
            g class=(colour(index)) data-series=(name) data-value=(exact(*mean)) {
                path.line d=(path) { title { (name) ": AP " (format!("{mean:.4}")) } }
            }
        }
    };
    let keys: Vec<Key> = lines
        .iter()
        .enumerate()
        .map(|(index, (name, _, mean))| (colour(index), format!("{name}, AP {mean:.3}")))
        .collect();
    let note = match classes.len() > DRAWN {
        true => format!("The {DRAWN} most frequent classes; a box is right from this overlap on."),
        false => "A box is right from this overlap on.".to_string(),
    };
    figures.put(title, note, chart.draw(&marks), keys)
}

/// The path of a class's precisions at recalls 0 to 1, a step for each recall.
fn line(chart: &Chart, precision: &[f64; RECALLS]) -> String {
    let points = precision.iter().enumerate();
    let points =
        points.filter_map(|(index, &precision)| chart.at([index as f64 / 100.0, precision]));
    let step = |(index, [x, y]): (usize, [f64; 2])| match index {
        0 => format!("M{} {}", px(x), px(y)),
        _ => format!("H{}V{}", px(x), px(y)),
    };
    points.enumerate().map(step).collect()
}

fn by_class(precision: &AveragePrecision, classes: &[BoxClass]) -> Markup {
    let headings = ["class", "objects", "AP", "AP50", "AP75", "AR"];
    let cell = |class: &str, name: &str, score: Option<f64>| {
        html! {
            @match score {
                Some(score) => span data-class=(class) data-field=(name)
                    data-value=(exact(score)) { (format!("{score:.4}")) },
                None => "–",
            }
        }
    };
    let rows = precision.classes.iter().zip(classes).map(|(of, BoxClass { name, .. })| {
        let scores = [("ap", of.ap), ("ap50", of.ap50), ("ap75", of.ap75), ("ar", of.recall)];
        let head = vec![html! { (name) }, html! { (grouped(of.objects as u64)) }];
        [head, scores.map(|(field, score)| cell(name, field, score)).to_vec()].concat()
    });
    html! {
        div.panel {
            h3 { "Classes" }
            (table(&headings, rows))
            p {
                "COCO's scores, 0 to 1: AP is the mean of average precisions at overlaps (IoU) of "
                "0.50, 0.55 to 0.95; AR the share of the objects that are found, with at most 100 "
                "boxes for an image, mean over these overlaps."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use cobasis_data::boxes::{Annotation, BoxKind, Detection, Rect, Truth, average_precision};

    use super::*;

    #[test]
    fn curves_and_tables_have_the_scores_of_the_classes() {
        let rect = Rect::from_xywh([0.0, 0.0, 10.0, 10.0]);
        let truth = |image| {
            let annotation = Annotation { rect, class: 0, kind: BoxKind::Object, area: 100.0 };
            Truth { image, annotation }
        };
        let wide = Rect::from_xywh([0.0, 0.0, 10.0, 15.0]);
        let found = [Detection { image: 0, class: 0, rect: wide, score: 0.5 }];
        let precision =
            average_precision(2, 2, &[truth(0), truth(1)], &found).expect("finite scores");
        let class = |name: &str, id| BoxClass { name: name.into(), id };
        let classes = [class("<a>", 1), class("b", 2)];
        let figures = Figures::default();
        let drawn = curves("0.50", 0, &precision, &classes, &figures).into_string();
        assert_eq!(drawn.matches("data-series").count(), 1, "nothing is to be found of b");
        assert!(drawn.contains("data-series=\"&lt;a&gt;\" data-value=\"0.504"), "{drawn}");
        let table = by_class(&precision, &classes).into_string();
        assert!(table.contains("data-class=\"&lt;a&gt;\" data-field=\"ap75\" data-value=\"0.0\""));
        assert!(table.contains("<td>–</td>"), "{table}");
    }

    #[test]
    fn a_curve_goes_in_steps() {
        let chart = Chart {
            size: WIDE,
            label: String::new(),
            x: (Scale::linear([0.0, 1.0]), "recall"),
            y: (Scale::linear([0.0, 1.0]), "precision"),
        };
        let mut precision = [1.0; RECALLS];
        precision[51..].fill(0.0);
        let path = line(&chart, &precision);
        assert!(path.starts_with("M80 14H") && path.ends_with("H620V290"), "{path}");
    }
}
