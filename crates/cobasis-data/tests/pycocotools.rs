//! Scores of random detections are those of pycocotools, COCO's own program. Without it the test says so
//! and passes, unless `COBASIS_REQUIRE` has `pycocotools`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cobasis_data::SplitMix64;
use cobasis_data::boxes::{
    Annotated, AnnotatedImage, Annotation, AveragePrecision, BoxClass, BoxKind, ClassPrecision,
    Detection, Findings, Rect, average_precision, coco_json, read_coco, read_results, results_json,
};
use serde::Deserialize;

/// Images, classes, things of an image at most, and a seed.
const CASES: &[(usize, usize, u64, u64)] = &[
    (1, 1, 1, 1),
    (1, 1, 3, 2),
    (2, 1, 5, 3),
    (5, 3, 8, 4),
    (20, 2, 10, 5),
    (50, 5, 12, 6),
    (100, 80, 20, 7),
    (200, 3, 25, 8),
    (500, 10, 15, 9),
    (500, 3, 40, 10),
];

#[derive(Deserialize)]
struct Scores {
    stats: [f64; 12],
    classes: Vec<[f64; 4]>,
    precision: Vec<Vec<Vec<f64>>>,
}

/// Whether Python has the package.
fn has_pycocotools() -> bool {
    let python = Command::new("python3").args(["-c", "import pycocotools.cocoeval"]).output();
    python.is_ok_and(|python| python.status.success())
}

/// A set of random things, of whose classes and images some have none.
fn set(images: usize, classes: usize, most: u64, rng: &mut SplitMix64) -> Annotated {
    let class =
        |label: usize| BoxClass { name: format!("class {label}"), id: 3 * label as i64 + 2 };
    let mut image = |index: usize| {
        let things = if rng.below(5) == 0 { 0 } else { rng.below(most + 1) };
        let boxes = (0..things).map(|_| thing(classes, rng)).collect();
        let path = PathBuf::from(format!("{index}.jpg"));
        AnnotatedImage { path, id: 7 * index as i64 + 5, size: [480, 640], boxes }
    };
    let mut images: Vec<AnnotatedImage> = (0..images).map(&mut image).collect();
    // A set without any thing is refused.
    images[0].boxes.push(thing(classes, rng));
    let classes = (0..classes).map(class).collect();
    Annotated {
        name: "random".into(),
        folder: PathBuf::new(),
        classes,
        images,
        findings: Findings::default(),
    }
}

/// A box of up to so many pixels within an image: of whole pixels, or of hundredths.
fn rect(largest: u64, rng: &mut SplitMix64) -> Rect {
    let unit = if rng.below(2) == 0 { 1.0 } else { 0.01 };
    let mut side = |from: u64, below: u64| {
        let steps = (below - from) as f64 / unit;
        from as f64 + (rng.unit() * steps).floor() * unit
    };
    let (width, height) = (side(1, largest), side(1, largest));
    let (left, top) = (side(0, 640 - largest), side(0, 480 - largest));
    Rect::from_xywh([left, top, width, height])
}

fn thing(classes: usize, rng: &mut SplitMix64) -> Annotation {
    let largest = [20, 60, 200, 400][rng.below(4) as usize];
    let rect = rect(largest, rng);
    // Not all things fill their boxes, and some areas are those where ranges meet.
    let area = match rng.below(4) {
        0 => [1024.0, 9216.0][rng.below(2) as usize],
        1 => rect.area() * rng.unit(),
        _ => rect.area(),
    };
    let kind = if rng.below(10) == 0 { BoxKind::Crowd } else { BoxKind::Object };
    // The last classes are rare, or have nothing.
    let class = (rng.unit().powi(2) * classes as f64) as u16;
    Annotation { rect, class, kind, area }
}

/// Detections near things and elsewhere, many of them with the same score, some degenerate.
fn detections(set: &Annotated, rng: &mut SplitMix64) -> Vec<Detection> {
    let mut found = Vec::new();
    for (image, known) in set.images.iter().enumerate() {
        // More than count, here and there.
        let others = if rng.below(20) == 0 { 150 } else { rng.below(6) };
        let near = known.boxes.iter().flat_map(|thing| vec![*thing; rng.below(4) as usize]);
        let near: Vec<Annotation> = near.collect();
        for number in 0..near.len() as u64 + others {
            let thing = near.get(number as usize);
            let rect = match thing {
                Some(thing) => {
                    let [x, y, w, h] = thing.rect.xywh();
                    let step = [0.0, 0.5, 4.0, 0.1 * w][rng.below(4) as usize];
                    let mut moved = |edge: f64| edge + (rng.below(5) as f64 - 2.0) * step;
                    let [x, y, w, h] = [moved(x), moved(y), moved(w).max(0.0), moved(h).max(0.0)];
                    Rect::from_xywh([x, y, w, h])
                }
                None => rect(200, rng),
            };
            let other = (rng.unit() * set.classes.len() as f64) as u16;
            let class = thing.filter(|_| rng.below(8) > 0).map_or(other, |thing| thing.class);
            let score = match rng.below(2) {
                0 => rng.below(10) as f64 / 10.0,
                _ => rng.unit(),
            };
            found.push(Detection { image, class, rect, score });
        }
    }
    // COCO's program gets them in any order.
    let order = rng.permutation(found.len());
    order.into_iter().map(|index| found[index]).collect()
}

/// Writes a set and detections, reads both again, and judges them.
fn judged(set: &Annotated, found: &[Detection], folder: &Path) -> AveragePrecision {
    let at = |name: &str| folder.join(name);
    fs::write(at("truth.json"), coco_json(set)).expect("written");
    fs::write(at("results.json"), results_json(set, found)).expect("written");
    for image in &set.images {
        fs::write(folder.join(&image.path), "").expect("written");
    }
    let again = read_coco(&at("truth.json"), folder, None).expect("a set");
    assert_eq!(again.findings.lines(), Vec::<String>::new());
    assert_eq!(again.truths(), set.truths());
    let found = read_results(&at("results.json"), &again).expect("detections");
    let (images, classes) = (again.images.len(), again.classes.len());
    average_precision(images, classes, &again.truths(), &found).expect("finite numbers")
}

fn assert_close(ours: &[f64], theirs: &[f64], what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (ours, theirs) in ours.iter().zip(theirs) {
        assert!((ours - theirs).abs() < 1e-9, "{what}: {ours} {theirs}");
    }
}

#[test]
fn random_detections_score_as_with_pycocotools() {
    if !has_pycocotools() {
        let required = std::env::var("COBASIS_REQUIRE").unwrap_or_default();
        let required = required.split(',').any(|name| name.trim() == "pycocotools");
        assert!(!required, "COBASIS_REQUIRE has pycocotools: python3 has none");
        eprintln!("skipped: python3 has no pycocotools");
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let mut ours = Vec::new();
    for &(images, classes, most, seed) in CASES {
        let folder = dir.path().join(seed.to_string());
        fs::create_dir(&folder).expect("made");
        let mut rng = SplitMix64::new(seed);
        let set = set(images, classes, most, &mut rng);
        // In one of the cases nothing is found.
        let found = if seed == 2 { Vec::new() } else { detections(&set, &mut rng) };
        ours.push((judged(&set, &found, &folder), folder));
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/run_pycocotools.py");
    let folders = ours.iter().map(|(_, folder)| folder);
    let python =
        Command::new("python3").arg("-B").arg(script).args(folders).output().expect("Python runs");
    assert!(python.status.success(), "{}", String::from_utf8_lossy(&python.stderr));
    let theirs: Vec<Scores> = serde_json::from_slice(&python.stdout).expect("scores");
    assert_eq!(theirs.len(), ours.len());
    for ((ours, _), (theirs, case)) in ours.iter().zip(theirs.iter().zip(CASES)) {
        assert_close(&ours.stats(), &theirs.stats, &format!("{case:?}"));
        assert_eq!(ours.classes.len(), theirs.classes.len());
        for (label, class) in ours.classes.iter().enumerate() {
            let what = format!("{case:?}, class {label}");
            let ClassPrecision { ap, ap50, ap75, recall, .. } = class;
            let scores = [ap, ap50, ap75, recall].map(|score| score.unwrap_or(-1.0));
            assert_close(&scores, &theirs.classes[label], &what);
            let curves = theirs.precision[label].iter().flatten().copied().collect::<Vec<_>>();
            match &class.precision[..] {
                [] => assert!(curves.iter().all(|precision| *precision == -1.0), "{what}"),
                ours => assert_close(ours.as_flattened(), &curves, &what),
            }
        }
    }
    // Scores of nothing, or of perfection, would compare nothing.
    let spread =
        ours.iter().filter(|(ours, _)| ours.ap.is_some_and(|ap| (0.05..0.95).contains(&ap)));
    assert!(spread.count() >= CASES.len() / 2);
}
