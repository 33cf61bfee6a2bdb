//! `gradient_flow.csv`: how large the gradients of the bases were, epoch by epoch.

use std::borrow::Cow;

use cobasis_data::csv::Csv;
use serde::{Deserialize, Serialize};

/// The columns of the file.
const COLUMNS: [&str; 4] = ["epoch", "basis", "mean_abs", "max_abs"];

/// The gradient of a basis: at a step, or over the steps of an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BasisGradient {
    /// The basis's path in the module tree, such as `stages.1.bases.0`.
    pub basis: String,
    /// Mean of the absolute values of its entries, then over the steps.
    pub mean_abs: f64,
    /// The largest absolute value, of all entries and steps.
    pub max_abs: f64,
}

/// The gradient of a basis over an epoch: a row of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BasisFlow {
    /// The epoch, counted from 1.
    pub epoch: usize,
    /// What its steps came to.
    #[serde(flatten)]
    pub gradient: BasisGradient,
}

/// The file's text: a header, and for each epoch a row for each basis. Numbers carry the digits
/// that give the same `f64` back.
pub fn gradient_flow_csv(flow: &[BasisFlow]) -> String {
    let row = |BasisFlow { epoch, gradient }: &BasisFlow| {
        let BasisGradient { basis, mean_abs, max_abs } = gradient;
        format!("{epoch},{basis},{mean_abs:?},{max_abs:?}\n")
    };
    let header = COLUMNS.join(",") + "\n";
    std::iter::once(header).chain(flow.iter().map(row)).collect()
}

/// The rows of such a text, at least one.
///
/// # Errors
/// What is wrong, with its row.
pub fn parse_gradient_flow_csv(text: &str) -> Result<Vec<BasisFlow>, String> {
    let Csv { names, rows } = Csv::read(text)?;
    if names != COLUMNS {
        let (expected, got) = (COLUMNS.join(","), names.join(","));
        return Err(format!("expected the columns {expected}, got {got:?}"));
    }
    let row = |(index, fields): (usize, &Vec<Cow<str>>)| {
        let read = || {
            let [epoch, basis, mean_abs, max_abs] = fields.as_slice() else { return None };
            let (mean_abs, max_abs) = (mean_abs.parse().ok()?, max_abs.parse().ok()?);
            let gradient = BasisGradient { basis: basis.to_string(), mean_abs, max_abs };
            Some(BasisFlow { epoch: epoch.parse().ok()?, gradient })
        };
        let expected = "an epoch, a name and two numbers";
        let got = || fields.join(",");
        read().ok_or_else(|| format!("row {}: expected {expected}, got {:?}", index + 1, got()))
    };
    let flow: Vec<BasisFlow> = rows.iter().enumerate().map(row).collect::<Result<_, _>>()?;
    if flow.is_empty() { Err("no rows".to_string()) } else { Ok(flow) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_give_the_numbers_back() {
        let basis = "stages.1.bases.0".to_string();
        let gradient = BasisGradient { basis, mean_abs: 1.0 / 3.0, max_abs: 5e-324 };
        let flow = BasisFlow { epoch: 3, gradient };
        let text = gradient_flow_csv(&[flow.clone(), flow.clone()]);
        let row = "3,stages.1.bases.0,0.3333333333333333,5e-324\n";
        assert_eq!(text, format!("epoch,basis,mean_abs,max_abs\n{row}{row}"));
        assert_eq!(parse_gradient_flow_csv(&text), Ok(vec![flow.clone(), flow]));
    }

    #[test]
    fn faults_are_named() {
        for (text, said) in [
            ("epoch,basis\n", "expected the columns epoch,basis,mean_abs,max_abs, got"),
            ("epoch,basis,mean_abs,max_abs\n", "no rows"),
            ("epoch,basis,mean_abs,max_abs\n1,b,0.1\n", "row 1: expected 4 fields, got 3"),
            ("epoch,basis,mean_abs,max_abs\n1,b,0.1,x\n", "row 1: expected an epoch"),
        ] {
            let error = parse_gradient_flow_csv(text).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}
