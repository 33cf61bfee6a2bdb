//! How orthonormal the bases have become.

use burn::tensor::Tensor;
use cobasis_data::number::compact;
use cobasis_zoo::Model;
use cobasis_zoo::cobasis::ortho::{Gram, Orthonormality};
use maud::{Markup, html};

use super::coefficients::part;
use super::figure::Figures;
use super::heat_map::HeatMap;
use super::histogram::histogram;
use super::page::{number, table};

/// The shared filters of a stage that are to be orthonormal to one another.
struct Basis {
    /// Which they are.
    name: String,
    /// Number of filters.
    filters: usize,
    /// `B Bᵀ`.
    gram: Gram,
    measures: Orthonormality,
}

/// The bases of every stage.
pub(crate) fn bases(model: &Model, figures: &Figures) -> Markup {
    let bases = read(model);
    if bases.is_empty() {
        return html! { p.panel { "This network shares no filters: there are no bases." } };
    }
    html! {
        p {
            "B has one flattened shared filter per row. Filters are orthonormal if BBᵀ is the "
            "identity: ones on the diagonal, the squared norms, and zeros beside it. Of the last "
            "epoch's model."
        }
        div.stack {
            @for basis in &bases { (draw(basis, figures)) }
            div.panel { (measures(&bases)) }
        }
    }
}

fn read(model: &Model) -> Vec<Basis> {
    let families = model.families();
    let several = families.len() > 1;
    let mut bases = Vec::new();
    for (family, banks) in families.into_iter().zip(model.banks().families()) {
        for (group, (_, ids)) in family.into_iter().zip(banks) {
            if group.shared.is_empty() {
                continue;
            }
            let joint = group.shared.len();
            let filters = Tensor::cat(group.shared, 0);
            let [count, _, height, width] = filters.dims();
            let mut name = part(&model.banks().path(ids[0]));
            if several {
                name.push_str(&format!(", {height}×{width} filters"));
            }
            if joint > 1 {
                name.push_str(&format!(", {joint} bases together"));
            }
            let gram = Gram::of(filters.clone());
            let measures = Orthonormality::of(filters);
            bases.push(Basis { name, filters: count, gram, measures });
        }
    }
    bases
}

impl Basis {
    /// The entries on the diagonal, and those above it, of which each is there twice.
    fn entries(&self) -> [Vec<f64>; 2] {
        [self.gram.diagonal().collect(), self.gram.off_diagonal().collect()]
    }
}

fn draw(basis: &Basis, figures: &Figures) -> Markup {
    let [diagonal, above] = basis.entries();
    let sizes: Vec<f64> = basis.gram.entries().iter().map(|entry| entry.abs()).collect();
    let map = HeatMap {
        label: format!("{}: heat map of |BBᵀ|, {} filters", basis.name, basis.filters),
        entries: &sizes,
        columns: basis.filters,
        least: 0.0,
        names: &[],
        titles: ["filter", "filter"],
    };
    html! {
        h4 { (basis.name) ", " (basis.filters) " filters" }
        div.grid.three {
            (figures.put("|BBᵀ|", "Absolute inner products of filters.", map.draw(), Vec::new()))
            (figures.put("Diagonal entries", "Squared norms of the filters; the target is 1.",
                histogram(&diagonal, "diagonal entries", "squared norm"), Vec::new()))
            @if !above.is_empty() {
                (figures.put("Off-diagonal entries",
                    "Inner products of different filters; the target is 0.",
                    histogram(&above, "off-diagonal entries", "inner product"), Vec::new()))
            }
        }
    }
}

fn measures(bases: &[Basis]) -> Markup {
    let headings = [
        "basis",
        "filters",
        "‖BBᵀ − I‖",
        "largest |off-diagonal|",
        "mean |off-diagonal|",
        "smallest norm",
        "largest norm",
        "smallest singular value",
        "largest singular value",
    ];
    let rows = bases.iter().map(|basis| {
        let [_, above] = basis.entries();
        let mean = above.iter().map(|entry| entry.abs()).sum::<f64>() / above.len().max(1) as f64;
        let Orthonormality { frobenius, max_off_diagonal, min_row_norm, max_row_norm, .. } =
            basis.measures;
        let numbers = [
            ("frobenius", frobenius),
            ("max_off_diagonal", max_off_diagonal),
            ("mean_off_diagonal", mean),
            ("min_norm", min_row_norm),
            ("max_norm", max_row_norm),
            ("min_singular_value", basis.measures.min_singular_value),
            ("max_singular_value", basis.measures.max_singular_value),
        ];
        let cells = numbers.map(|(field, value)| number(field, value, &compact(value, 4)));
        let first = [html! { (basis.name) }, html! { (basis.filters) }];
        first.into_iter().chain(cells).collect()
    });
    table(&headings, rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use cobasis_zoo::ModelConfig;

    fn model(name: &str) -> Model {
        ModelConfig::new(name.parse().unwrap()).init(&Device::flex())
    }

    #[test]
    fn every_stage_has_its_basis_and_new_ones_are_orthonormal() {
        let bases = read(&model("digits/resnet14-s8u1"));
        let names: Vec<&str> = bases.iter().map(|basis| basis.name.as_str()).collect();
        assert_eq!(names, ["Stage 1", "Stage 2", "Stage 3"]);
        for basis in &bases {
            let [diagonal, above] = basis.entries();
            let filters = basis.filters;
            assert_eq!((diagonal.len(), above.len()), (filters, filters * (filters - 1) / 2));
            assert!(diagonal.iter().all(|entry| (entry - 1.0).abs() < 1e-5));
            assert!(above.iter().all(|entry| entry.abs() < 1e-5));
        }
    }

    #[test]
    fn two_bases_of_a_stage_are_one_matrix_and_dense_networks_have_none() {
        let bases = read(&model("cifar10/resnet20-s8u1-double"));
        assert_eq!((bases.len(), bases[0].filters), (3, 16));
        assert_eq!(bases[0].name, "Stage 1, 2 bases together");
        assert!(
            self::bases(&model("digits/resnet14"), &Figures::default())
                .into_string()
                .contains("shares no filters")
        );
    }
}
