//! Which classes and which images the model gets wrong.

use cobasis_data::number::grouped;
use cobasis_data::{Augment, AugmentKey, Batch, ImageSet};
use cobasis_train::evaluate::{Confusion, Evaluation};
use maud::{Markup, html};

use super::figure::Figures;
use super::heat_map::HeatMap;
use super::judged::{Judgement, Wrong};
use super::page::{number, table};
use super::picture::{Pixel, data_uri};

/// Images that are shown.
const IMAGES: usize = 24;
/// Kinds of mistakes that are listed.
const PAIRS: usize = 12;
/// Classes whose counts are written out.
const WRITTEN: usize = 20;
/// Pixels from which on an image needs no visible pixels.
const LARGE: usize = 64;

/// The confusion matrix and the images that went most wrong.
pub(crate) fn mistakes(judgement: &Judgement, figures: &Figures) -> Markup {
    let Evaluation { images, correct, top1, confusion, .. } = &judgement.evaluation;
    let classes = &judgement.set.info().classes;
    let [images, right] = [*images, *correct].map(|count| grouped(count as u64));
    html! {
        p {
            "The last epoch's model on the run's test images, evaluated for this page: "
            (right) " of " (images) " right, "
            (number("evaluated.top1", *top1, &format!("{top1:.2}\u{a0}%"))) "."
        }
        div.stack {
            div.beside {
                @if classes.len() <= WRITTEN {
                    (written(confusion, classes))
                } @else {
                    (picture(confusion, figures))
                }
                @if !judgement.wrong.is_empty() { (pairs(confusion, classes)) }
            }
            @if !judgement.wrong.is_empty() { (worst(judgement)) }
        }
    }
}

fn written(confusion: &Confusion, classes: &[String]) -> Markup {
    html! {
        figure {
            figcaption {
                h3 { "Confusion matrix" }
                p { "Images of each true class (row) by predicted class (column)." }
            }
            div.scroll tabindex="0" role="region" aria-label="confusion matrix" {
                table.confusion {
                    thead { tr { th { "true \\ predicted" }
                        @for class in classes { th scope="col" { (class) } }
                        th scope="col" { "recall" } } }
                    tbody {
                        @for (class, name) in classes.iter().enumerate() {
                            tr {
                                th scope="row" { (name) }
                                @for predicted in 0..classes.len() {
                                    (cell(confusion, class, predicted))
                                }
                                th {
                                    @match confusion.class(class).recall {
                                        Some(recall) => (format!("{recall:.1} %")),
                                        None => "–",
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn cell(confusion: &Confusion, class: usize, predicted: usize) -> Markup {
    let count = confusion.count(class, predicted);
    let share = share(confusion, class, predicted);
    let hue = if class == predicted { "c1" } else { "c2" };
    let tone = match share {
        0.0 => "zero",
        0.55.. => "full",
        _ => "some",
    };
    html! {
        td.(hue).(tone) style=(format!("--share:{share:.3}")) data-class=(class)
            data-predicted=(predicted) data-value=(count) { (count) }
    }
}

/// The share of the images of a class that were misclassified.
fn share(confusion: &Confusion, class: usize, predicted: usize) -> f64 {
    let images = confusion.class(class).images;
    confusion.count(class, predicted) as f64 / images.max(1) as f64
}

fn picture(confusion: &Confusion, figures: &Figures) -> Markup {
    let classes = confusion.num_classes();
    let shares: Vec<f64> = (0..classes * classes)
        .map(|place| share(confusion, place / classes, place % classes))
        .collect();
    let map = HeatMap {
        label: format!("confusion matrix of {classes} classes"),
        entries: &shares,
        columns: classes,
        least: 0.0,
        names: &[],
        titles: ["true class", "predicted class"],
    };
    let note = "Share of the images of each true class, by predicted class.";
    figures.put("Confusion matrix", note, map.draw(), Vec::new())
}

fn pairs(confusion: &Confusion, classes: &[String]) -> Markup {
    let rows = confusion.mistakes(PAIRS).into_iter().map(|mistake| {
        let share = 100.0 * share(confusion, mistake.class, mistake.predicted);
        vec![
            html! { (classes[mistake.class]) " predicted as " (classes[mistake.predicted]) },
            html! { (grouped(mistake.images)) },
            html! { (format!("{share:.1} %")) },
        ]
    });
    html! {
        div.panel {
            h3 { "Most frequent mistakes" }
            (table(&["mistake", "images", "of the class"], rows))
        }
    }
}

fn worst(judgement: &Judgement) -> Markup {
    let classes = &judgement.set.info().classes;
    let percent = |probability: f64| match 100.0 * probability {
        percent if percent < 0.1 => "<\u{a0}0.1\u{a0}%".to_string(),
        percent => format!("{percent:.1}\u{a0}%"),
    };
    let shown = judgement.wrong.iter().take(IMAGES);
    html! {
        figure {
            figcaption {
                h3 { "Worst-classified images" }
                p {
                    (judgement.wrong.len().min(IMAGES)) " of "
                    (grouped(judgement.wrong.len() as u64))
                    " misclassified images, those with the lowest predicted probability of their "
                    "true class first."
                }
            }
            ul.images {
                @for wrong in shown {
                    li data-index=(wrong.index) data-class=(wrong.class)
                        data-predicted=(wrong.predicted) {
                        (image(&judgement.set, wrong))
                        b { (classes[wrong.predicted]) } " " (percent(wrong.confidence)) br;
                        "is " b { (classes[wrong.class]) } " " (percent(wrong.own))
                    }
                }
            }
        }
    }
}

fn image(set: &ImageSet, wrong: &Wrong) -> Markup {
    let classes = &set.info().classes;
    let what = format!(
        "{}: {} predicted as {}",
        set.describe(wrong.index),
        classes[wrong.class],
        classes[wrong.predicted]
    );
    let [_, height, width] = set.shape();
    html! {
        @match pixels(set, wrong.index) {
            Some(pixels) => {
                img.smooth[height > LARGE] src=(data_uri(width, height, &pixels)) alt=(what)
                    title=(what);
            }
            None => span.why { (set.describe(wrong.index)) ": can't be read again" },
        }
    }
}

/// An image as the network sees it, before normalisation.
fn pixels(set: &ImageSet, index: usize) -> Option<Vec<Pixel>> {
    let batch = Batch::new(set, &[index], Augment::NONE, AugmentKey { seed: 0, epoch: 0 });
    let info = set.info();
    let [channels, height, width] = info.shape;
    let area = height * width;
    if batch.images.len() != channels * area {
        return None;
    }
    let value = |channel: usize, place: usize| {
        // Grey images have one channel for all three colours.
        let channel = channel.min(channels - 1);
        let normalised = batch.images[channel * area + place];
        let value = normalised * info.std[channel] + info.mean[channel];
        (value * 255.0).round().clamp(0.0, 255.0) as u8
    };
    let pixel = |place| [value(0, place), value(1, place), value(2, place), 255];
    Some((0..area).map(pixel).collect())
}

#[cfg(test)]
mod tests {
    use cobasis_data::{DatasetName, SetInfo, Source, Split};

    use super::*;

    #[test]
    fn pixels_are_those_of_the_set() {
        let set = Source::new(DatasetName::Digits, None, 8).load(Split::Test).unwrap();
        let pixels = pixels(&set, 3).unwrap();
        let max = f32::from(set.info().max_value);
        for (pixel, &value) in pixels.iter().zip(set.image(3)) {
            let expected = f32::from(value) / max * 255.0;
            let [red, green, blue, opacity] = *pixel;
            assert!((f32::from(red) - expected).abs() < 0.51, "{red} {expected}");
            assert_eq!((green, blue, opacity), (red, red, 255));
        }
    }

    #[test]
    fn colours_keep_their_order() {
        let info = SetInfo {
            name: "toy".into(),
            classes: vec!["<b>".into(), "c".into()],
            shape: [3, 1, 1],
            mean: vec![0.1, 0.2, 0.3],
            std: vec![0.5; 3],
            max_value: 255,
        };
        let set = ImageSet::new(info, vec![10, 20, 30], vec![0]).unwrap();
        assert_eq!(pixels(&set, 0), Some(vec![[10, 20, 30, 255]]));
        let wrong = Wrong { index: 0, class: 0, predicted: 1, confidence: 0.9, own: 0.1 };
        let image = image(&set, &wrong).into_string();
        assert!(image.contains("alt=\"image 0: &lt;b&gt; predicted as c\""), "{image}");
    }

    #[test]
    fn counts_are_written_where_there_are_few_classes() {
        let mut confusion = Confusion::new(2);
        confusion.add(&[1.0, 0.0, 0.0, 1.0, 1.0, 0.0], &[0, 0, 1]);
        let table = written(&confusion, &["<b>".to_string(), "c".to_string()]).into_string();
        assert!(
            table.contains("data-class=\"0\" data-predicted=\"1\" data-value=\"1\""),
            "{table}"
        );
        assert!(table.contains("&lt;b&gt;") && table.contains("50.0 %"));
        assert!(
            pairs(&confusion, &["a".into(), "c".into()]).into_string().contains("a predicted as c")
        );
    }
}
