//! A picture of measurements against PyTorch.

use std::collections::BTreeMap;

use cobasis_data::csv::Csv;
use cobasis_report::{BarChart, BarRow};

use super::peers::{Engine, OURS};
use crate::error::Error;

/// Columns of the file that `bench peers --csv` writes and the picture needs.
const COLUMNS: [&str; 5] = ["model", "task", "batch", "contender", "median_ms"];

/// Burn without our operations among the contenders; the others are PyTorch's variants, and engines.
const BURN: &str = "burn";

/// Median milliseconds by contender.
type Times = BTreeMap<String, f64>;

/// An SVG with three bars for each measured work: the times of ours, of PyTorch's fastest variant
/// and of Burn alone, each as a multiple of PyTorch's.
///
/// Of works that were measured several times the last one counts.
///
/// # Errors
///
/// If the text is not what `bench peers --csv` writes.
pub fn speed_plot(csv: &str) -> Result<String, Error> {
    let mut rows = Vec::new();
    for (work, times) in read(csv)? {
        let theirs = |(name, _): &(&String, &f64)| {
            let mut others = Engine::ALL.map(Engine::name).into_iter().chain([OURS, BURN]);
            others.all(|other| name.as_str() != other)
        };
        let best = times.iter().filter(theirs).map(|(_, &ms)| ms).min_by(f64::total_cmp);
        let Some(best) = best else {
            return Err(Error::Usage(format!("{work}: expected a time for PyTorch, got none")));
        };
        let bar = |ms: Option<f64>| ms.map(|ms| (ms / best, time(ms)));
        let [ours, burn] = [OURS, BURN].map(|name| bar(times.get(name).copied()));
        let (model, rest) = work.split_once(", ").unwrap_or((&work, ""));
        let names = [model, rest].map(String::from);
        rows.push(BarRow { names, bars: vec![ours, bar(Some(best)), burn] });
    }
    let title = "Time of cobasis and of Burn alone against PyTorch's fastest variant".to_string();
    let contenders = vec![("c1", "cobasis"), ("c0", "PyTorch's fastest"), ("c5", "Burn alone")];
    Ok(BarChart { title, contenders, rows }.document())
}

/// The times of each work, in the order of the file.
fn read(csv: &str) -> Result<Vec<(String, Times)>, Error> {
    let csv = Csv::read(csv).map_err(Error::Usage)?;
    let mut columns = [0; COLUMNS.len()];
    for (index, name) in columns.iter_mut().zip(COLUMNS) {
        *index = csv.column(name).ok_or_else(|| {
            Error::Usage(format!("expected a column {name:?} as in results/speed.csv, got none"))
        })?;
    }
    let mut works: Vec<(String, Times)> = Vec::new();
    for (number, fields) in csv.rows.iter().enumerate() {
        let wrong = |what: &str| Error::Usage(format!("row {}: {what}", number + 1));
        let [model, task, batch, contender, ms] = columns.map(|column| fields[column].as_ref());
        let ms: f64 = ms.parse().map_err(|_| wrong(&format!("expected a time, got {ms:?}")))?;
        if !(ms.is_finite() && ms > 0.0) {
            return Err(wrong(&format!("expected a time above 0, got {ms}")));
        }
        let work = format!("{model}, {task}, batch {batch}");
        let known = works.iter().position(|(known, _)| *known == work);
        let index = known.unwrap_or_else(|| {
            works.push((work, Times::new()));
            works.len() - 1
        });
        works[index].1.insert(contender.to_owned(), ms);
    }
    Ok(works)
}

/// Three digits of a time.
fn time(ms: f64) -> String {
    match ms {
        ms if ms >= 1000.0 => format!("{:.2} s", ms / 1000.0),
        ms if ms >= 100.0 => format!("{ms:.0} ms"),
        ms if ms >= 10.0 => format!("{ms:.1} ms"),
        ms => format!("{ms:.2} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_times_are() -> Result<(), Error> {
        let csv = "model,task,batch,contender,median_ms\nnet,inference,8,cobasis,9\n\
                   net,inference,8,cobasis,5\nnet,inference,8,eager,20\n\
                   net,inference,8,channels-last,10\nnet,inference,8,burn,30\n";
        let svg = speed_plot(csv)?;
        let bars = svg.split("class=\"bar ").skip(1);
        let width = |bar: &str| bar.split("width=\"").nth(1)?.split('"').next()?.parse().ok();
        let widths: Vec<f64> = bars.filter_map(width).collect();
        let [ours, theirs, burn] = widths[..] else { panic!("{svg}") };
        assert!((ours / theirs - 0.5).abs() < 1e-3 && (burn / theirs - 3.0).abs() < 1e-3);
        assert!(svg.contains("5.00 ms") && svg.contains("inference, batch 8"));
        Ok(())
    }

    #[test]
    fn other_files_are_refused() {
        let refused = |csv: &str| speed_plot(csv).expect_err("no measurements").to_string();
        assert!(refused("").contains("model"));
        let head = COLUMNS.join(",");
        assert!(refused(&format!("{head}\nnet,inference,8,eager,fast")).starts_with("row 1"));
        assert!(refused(&format!("{head}\nnet,inference,8,cobasis,5")).contains("PyTorch"));
    }
}
