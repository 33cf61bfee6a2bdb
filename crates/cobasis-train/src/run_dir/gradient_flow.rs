//! `gradient_flow.csv`: how large the gradients of the bases were, epoch by epoch.

use serde::{Deserialize, Serialize};

/// The gradient of a basis over an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BasisFlow {
    /// The epoch, counted from 1.
    pub epoch: usize,
    /// The basis's path in the module tree, such as `stages.1.bases.0`.
    pub basis: String,
    /// Mean of the absolute values of its entries, then over the steps of the epoch.
    pub mean_abs: f64,
    /// The largest absolute value, of all entries and steps of the epoch.
    pub max_abs: f64,
}

/// The file's text: a header, and for each epoch a row for each basis. Numbers carry the digits
/// that give the same `f64` back.
pub fn gradient_flow_csv(flow: &[BasisFlow]) -> String {
    let row = |BasisFlow { epoch, basis, mean_abs, max_abs }: &BasisFlow| {
        format!("{epoch},{basis},{mean_abs:?},{max_abs:?}\n")
    };
    let header = "epoch,basis,mean_abs,max_abs\n".to_string();
    std::iter::once(header).chain(flow.iter().map(row)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_give_the_numbers_back() {
        let flow = BasisFlow {
            epoch: 3,
            basis: "stages.1.bases.0".into(),
            mean_abs: 1.0 / 3.0,
            max_abs: 5e-324,
        };
        let text = gradient_flow_csv(&[flow.clone(), flow]);
        let row = "3,stages.1.bases.0,0.3333333333333333,5e-324\n";
        assert_eq!(text, format!("epoch,basis,mean_abs,max_abs\n{row}{row}"));
    }
}
