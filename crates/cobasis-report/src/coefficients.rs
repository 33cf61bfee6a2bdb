//! How alike the layers of a stage use their common filters.

use cobasis_zoo::Model;
use cobasis_zoo::cobasis::CostTable;
use maud::{Markup, html};

use super::figure::Figures;
use super::heat_map::HeatMap;

/// The layers that use a basis, and how alike their coefficients are.
#[derive(Debug)]
struct Similarity {
    basis: String,
    layers: Vec<String>,
    /// Cosines, layer by layer.
    cosines: Vec<f64>,
}

/// The similarities of the layers that share a basis.
pub(crate) fn coefficients(model: &Model, costs: &CostTable, figures: &Figures) -> Markup {
    let found = similarities(model, costs);
    if found.is_empty() {
        return html! {
            p.panel {
                "No two layers of this network have coefficients for the same shared filters."
            }
        };
    }
    html! {
        p {
            "Cosine of the angle between the coefficients that two layers give to the same shared "
            "filters, flattened: 1 where one layer repeats the other, 0 where they have nothing in "
            "common."
        }
        div.grid.three {
            @for similarity in &found { (draw(similarity, figures)) }
        }
    }
}

fn draw(similarity: &Similarity, figures: &Figures) -> Markup {
    let names: Vec<String> = similarity.layers.iter().map(|layer| short(layer)).collect();
    let map = HeatMap {
        label: format!("cosine similarity of the layers that use {}", similarity.basis),
        entries: &similarity.cosines,
        columns: names.len(),
        least: -1.0,
        names: &names,
        titles: ["layer", "layer"],
    };
    let note = format!("{} layers on {}", names.len(), similarity.basis);
    figures.put(part(&similarity.basis), note, map.draw(), Vec::new())
}

/// The part of the network that a basis is of: `Stage 2` for `stages.1.bases.0`, `Head` for
/// `head.bases.0`.
pub(crate) fn part(basis: &str) -> String {
    let mut words = basis.split('.');
    let (owner, index) = (words.next(), words.next());
    match (owner, index.and_then(|index| index.parse::<usize>().ok())) {
        (Some("stages"), Some(index)) => format!("Stage {}", index + 1),
        (Some("head"), _) => "Head".to_string(),
        _ => basis.to_string(),
    }
}

/// `1.conv2` for `stages.0.blocks.1.conv2`, `levels.0.class_branch.conv1` for the same in `head`.
fn short(layer: &str) -> String {
    let known = if layer.starts_with("head.") { 1 } else { 3 };
    layer.split('.').skip(known).collect::<Vec<_>>().join(".")
}

fn similarities(model: &Model, costs: &CostTable) -> Vec<Similarity> {
    let state = model.state();
    let values = |path: &str| -> Option<(Vec<usize>, Vec<f32>)> {
        let data = state.get(path)?;
        Some((data.shape().to_vec(), data.iter::<f32>().collect()))
    };
    let of_basis = |row: &cobasis_zoo::cobasis::CostRow| {
        let (basis, _) = values(&format!("{}.weight", row.path))?;
        let layers = row.used_by.iter().filter_map(|layer| {
            let (shape, weights) = values(&format!("{layer}.coefficients.weight"))?;
            Some((layer.clone(), shared(&weights, shape[1], basis[0])))
        });
        let (layers, coefficients): (Vec<String>, Vec<Vec<f64>>) = layers.unzip();
        let sizes = coefficients.iter().all(|layer| layer.len() == coefficients[0].len());
        let cosines = || {
            let rows = coefficients.iter();
            rows.flat_map(|a| coefficients.iter().map(|b| cosine(a, b))).collect()
        };
        let basis = row.path.clone();
        (layers.len() > 1 && sizes).then(|| Similarity { basis, cosines: cosines(), layers })
    };
    costs.rows().iter().filter(|row| !row.used_by.is_empty()).filter_map(of_basis).collect()
}

/// The coefficients of the shared filters, which come after the unique ones, of `[out, rank]`.
fn shared(weights: &[f32], rank: usize, filters: usize) -> Vec<f64> {
    let rows = weights.chunks_exact(rank);
    rows.flat_map(|row| row[rank - filters..].iter().map(|&value| f64::from(value))).collect()
}

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    product(a, b) / (product(a, a) * product(b, b)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use cobasis_zoo::ModelConfig;

    #[test]
    fn angles_do_not_depend_on_length() {
        assert!((cosine(&[1.0, 2.0], &[2.0, 4.0]) - 1.0).abs() < 1e-15);
        assert!((cosine(&[1.0, 0.0], &[0.0, 3.0])).abs() < 1e-15);
        assert!((cosine(&[1.0, 1.0], &[-1.0, 0.0]) + 0.5_f64.sqrt()).abs() < 1e-15);
    }

    #[test]
    fn unique_filters_do_not_count() {
        let weights = [9.0, 1.0, 2.0, 9.0, 3.0, 4.0];
        assert_eq!(shared(&weights, 3, 2), [1.0, 2.0, 3.0, 4.0]);
    }

    #[test]
    fn layers_are_compared_where_they_share() {
        let found = |name: &str, side: usize| {
            let model = ModelConfig::new(name.parse().unwrap()).init(&Device::flex());
            similarities(&model, &model.cost([side, side]))
        };
        let digits = found("digits/resnet14-s8u1", 8);
        assert_eq!(digits.len(), 3);
        let [first, ..] = &digits[..] else { unreachable!() };
        assert_eq!(first.layers, ["stages.0.blocks.1.conv1", "stages.0.blocks.1.conv2"]);
        assert_eq!((first.basis.as_str(), first.cosines.len()), ("stages.0.bases.0", 4));
        assert!((first.cosines[3] - 1.0).abs() < 1e-12 && first.cosines[1].abs() < 0.5);
        assert_eq!(
            (part(&first.basis), short(&first.layers[1])),
            ("Stage 1".into(), "1.conv2".into())
        );
        assert!(found("digits/resnet14", 8).is_empty());
        let layer = short("head.levels.0.box_branch.conv1");
        assert_eq!(
            (part("head.bases.0"), layer),
            ("Head".into(), "levels.0.box_branch.conv1".into())
        );
        assert_eq!(part("bases.0"), "bases.0");
        assert_eq!(found("cifar10/resnet20-s8u1-double", 32)[1].layers.len(), 2);
    }
}
