//! `gradient_flow.csv`: how large the gradients of the bases were, and how orthonormal the bases, epoch
//! by epoch.

use std::borrow::Cow;

use cobasis_data::csv::Csv;
use serde::{Deserialize, Serialize};

/// The columns of the file. Runs of before have the first [`FIRST`] only.
const COLUMNS: [&str; 12] = [
    "epoch",
    "basis",
    "mean_abs",
    "max_abs",
    "task_mean_abs",
    "task_max_abs",
    "penalty_mean_abs",
    "penalty_max_abs",
    "distance",
    "max_distance",
    "condition",
    "max_condition",
];

/// Columns of the gradient of the whole loss.
const FIRST: usize = 4;

/// The gradient of a basis, and the basis: at a step, or over the steps of an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BasisGradient {
    /// The basis's path in the module tree, such as `stages.1.bases.0`.
    pub basis: String,
    /// Mean of the absolute values of its entries, then over the steps.
    pub mean_abs: f64,
    /// The largest absolute value, of all entries and steps.
    pub max_abs: f64,
    /// What the gradient is made of, and how orthonormal the basis is. Not there in runs that were
    /// begun before it was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<BasisParts>,
}

/// The parts of a basis's gradient, and how orthonormal the basis is: before a step, or over the steps
/// of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BasisParts {
    /// The gradient of the task's loss alone, what the penalty's leaves of the whole: mean of the
    /// absolute values of its entries, then over the steps.
    pub task_mean_abs: f64,
    /// Its largest absolute value, of all entries and steps.
    pub task_max_abs: f64,
    /// The gradient of the penalty with its weight: mean of the absolute values of its entries, then
    /// over the steps. 0 without one.
    pub penalty_mean_abs: f64,
    /// Its largest absolute value, of all entries and steps.
    pub penalty_max_abs: f64,
    /// `‖B Bᵀ − I‖_F` of the filters that are to be orthonormal together with these, these included;
    /// of `Bᵀ B` where there are more filters than numbers in each. The mean over the steps.
    pub distance: f64,
    /// The largest of all steps.
    pub max_distance: f64,
    /// The largest singular value of those filters over the smallest, at most 1e7, beyond which it is
    /// not known. The mean over the steps.
    pub condition: f64,
    /// The largest of all steps.
    pub max_condition: f64,
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

impl BasisParts {
    /// The numbers in the order of the columns.
    fn numbers(&self) -> [f64; COLUMNS.len() - FIRST] {
        let Self { task_mean_abs, task_max_abs, penalty_mean_abs, penalty_max_abs, .. } = *self;
        let gradients = [task_mean_abs, task_max_abs, penalty_mean_abs, penalty_max_abs];
        let [a, b, c, d] = gradients;
        [a, b, c, d, self.distance, self.max_distance, self.condition, self.max_condition]
    }

    fn of(numbers: [f64; COLUMNS.len() - FIRST]) -> Self {
        let [task_mean_abs, task_max_abs, penalty_mean_abs, penalty_max_abs, rest @ ..] = numbers;
        let [distance, max_distance, condition, max_condition] = rest;
        Self {
            task_mean_abs,
            task_max_abs,
            penalty_mean_abs,
            penalty_max_abs,
            distance,
            max_distance,
            condition,
            max_condition,
        }
    }
}

/// The file's text: a header, and for each epoch a row for each basis. Numbers carry the digits
/// that give the same `f64` back; those of epochs that have no parts are empty.
pub fn gradient_flow_csv(flow: &[BasisFlow]) -> String {
    let row = |BasisFlow { epoch, gradient }: &BasisFlow| {
        let BasisGradient { basis, mean_abs, max_abs, parts } = gradient;
        let parts = parts.as_ref().map(BasisParts::numbers);
        let parts: String = match parts {
            Some(numbers) => numbers.iter().map(|number| format!(",{number:?}")).collect(),
            None => ",".repeat(COLUMNS.len() - FIRST),
        };
        format!("{epoch},{basis},{mean_abs:?},{max_abs:?}{parts}\n")
    };
    let header = COLUMNS.join(",") + "\n";
    std::iter::once(header).chain(flow.iter().map(row)).collect()
}

/// The rows of such a text, none for a network without bases; or of one of before, without the parts.
///
/// # Errors
/// What is wrong, with its row.
pub fn parse_gradient_flow_csv(text: &str) -> Result<Vec<BasisFlow>, String> {
    let Csv { names, rows } = Csv::read(text)?;
    if names != COLUMNS && names != COLUMNS[..FIRST] {
        let (expected, got) = (COLUMNS.join(","), names.join(","));
        return Err(format!("expected the columns {expected}, or the first {FIRST}, got {got:?}"));
    }
    let row = |(index, fields): (usize, &Vec<Cow<str>>)| {
        let read = || {
            let [epoch, basis, mean_abs, max_abs, parts @ ..] = fields.as_slice() else {
                return None;
            };
            let (mean_abs, max_abs) = (mean_abs.parse().ok()?, max_abs.parse().ok()?);
            let parts = match parts.iter().all(|field| field.is_empty()) {
                true => None,
                false => {
                    let numbers = parts.iter().map(|field| field.parse().ok());
                    let numbers: Vec<f64> = numbers.collect::<Option<_>>()?;
                    Some(BasisParts::of(numbers.try_into().ok()?))
                }
            };
            let gradient = BasisGradient { basis: basis.to_string(), mean_abs, max_abs, parts };
            Some(BasisFlow { epoch: epoch.parse().ok()?, gradient })
        };
        let expected = "an epoch, a name and numbers";
        let got = || fields.join(",");
        read().ok_or_else(|| format!("row {}: expected {expected}, got {:?}", index + 1, got()))
    };
    rows.iter().enumerate().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(parts: Option<BasisParts>) -> BasisFlow {
        let basis = "stages.1.bases.0".to_string();
        let gradient = BasisGradient { basis, mean_abs: 1.0 / 3.0, max_abs: 5e-324, parts };
        BasisFlow { epoch: 3, gradient }
    }

    #[test]
    fn rows_give_the_numbers_back() {
        let parts = BasisParts::of([0.25, 0.5, 1.0 / 3.0, 2.0, 1e-7, 2e-7, 1.0, 1e8]);
        let flows = [flow(None), flow(Some(parts))];
        let text = gradient_flow_csv(&flows);
        let row = "3,stages.1.bases.0,0.3333333333333333,5e-324";
        let more = "0.25,0.5,0.3333333333333333,2.0,1e-7,2e-7,1.0,100000000.0";
        let header = "epoch,basis,mean_abs,max_abs,task_mean_abs,task_max_abs,penalty_mean_abs,\
                      penalty_max_abs,distance,max_distance,condition,max_condition";
        assert_eq!(text, format!("{header}\n{row},,,,,,,,\n{row},{more}\n"));
        assert_eq!(parse_gradient_flow_csv(&text), Ok(flows.to_vec()));
    }

    #[test]
    fn files_and_checkpoints_of_before_have_no_parts() {
        let text = "epoch,basis,mean_abs,max_abs\n3,stages.1.bases.0,0.3333333333333333,5e-324\n";
        assert_eq!(parse_gradient_flow_csv(text), Ok(vec![flow(None)]));
        let saved = "epoch = 3\nbasis = 'stages.1.bases.0'\nmean_abs = 0.3333333333333333\n\
                     max_abs = 5e-324\n";
        assert_eq!(toml::from_str::<BasisFlow>(saved), Ok(flow(None)));
        let parts = BasisParts::of([0.25, 0.5, 1.0, 2.0, 1e-7, 2e-7, 1.0, 1e8]);
        let whole = flow(Some(parts));
        let again = toml::from_str(&toml::to_string(&whole).expect("TOML"));
        assert_eq!(again, Ok(whole));
    }

    #[test]
    fn faults_are_named() {
        let of_parts = COLUMNS.join(",") + "\n1,b,0.1,0.1,0.1,,0.1,0.1,0.1,0.1,0.1,0.1\n";
        for (text, said) in [
            ("epoch,basis\n", "expected the columns epoch,basis,mean_abs,max_abs,task_mean_abs"),
            ("epoch,basis,mean_abs,max_abs\n1,b,0.1\n", "row 1: expected 4 fields, got 3"),
            ("epoch,basis,mean_abs,max_abs\n1,b,0.1,x\n", "row 1: expected an epoch"),
            (&of_parts, "row 1: expected an epoch"),
        ] {
            let error = parse_gradient_flow_csv(text).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}
