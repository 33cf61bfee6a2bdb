//! A picture of measurements against PyTorch.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::peers::OURS;
use crate::error::Error;

/// Columns of the file that `bench peers --csv` writes and the picture needs.
const COLUMNS: [&str; 5] = ["model", "task", "batch", "contender", "median_ms"];

/// Burn without our operations among the contenders; the others are PyTorch's variants.
const BURN: &str = "burn";

/// Sizes in pixels.
const WIDTH: f64 = 860.0;
const LABELS: f64 = 330.0;
const ROW: f64 = 54.0;
const BAR: f64 = 13.0;
const TOP: f64 = 52.0;
/// Room for the times behind the bars.
const TIMES: f64 = 80.0;

/// Median milliseconds by contender.
type Times = BTreeMap<String, f64>;

/// A time in milliseconds and as a multiple of that of PyTorch's fastest variant.
type Bar = (f64, f64);

/// An SVG with three bars for each measured work: the times of ours, of PyTorch's fastest variant
/// and of Burn alone, each as a multiple of PyTorch's.
///
/// Of works that were measured several times the last one counts.
///
/// # Errors
///
/// If the text is not what `bench peers --csv` writes.
pub fn speed_plot(csv: &str) -> Result<String, Error> {
    let works = read(csv)?;
    let mut bars: Vec<(String, [Option<Bar>; 3])> = Vec::new();
    for (work, times) in works {
        let theirs = |(name, _): &(&String, &f64)| name.as_str() != OURS && name.as_str() != BURN;
        let best = times.iter().filter(theirs).map(|(_, &ms)| ms).min_by(f64::total_cmp);
        let Some(best) = best else {
            return Err(Error::Usage(format!("{work}: expected a time of PyTorch, got none")));
        };
        let bar = |ms: Option<f64>| ms.map(|ms| (ms, ms / best));
        let [ours, burn] = [OURS, BURN].map(|name| bar(times.get(name).copied()));
        bars.push((work, [ours, bar(Some(best)), burn]));
    }
    Ok(draw(&bars))
}

/// The times of each work, in the order of the file.
fn read(csv: &str) -> Result<Vec<(String, Times)>, Error> {
    let mut lines = csv.lines();
    let head: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let mut columns = [0; COLUMNS.len()];
    for (index, name) in columns.iter_mut().zip(COLUMNS) {
        *index = head.iter().position(|column| *column == name).ok_or_else(|| {
            Error::Usage(format!("expected a column {name:?} as in results/speed.csv, got none"))
        })?;
    }
    let mut works: Vec<(String, Times)> = Vec::new();
    for (number, line) in lines.enumerate() {
        let wrong = |what: &str| Error::Usage(format!("line {}: {what}", number + 2));
        let fields: Vec<&str> = line.split(',').collect();
        let [model, task, batch, contender, ms] =
            columns.map(|column| fields.get(column).copied().unwrap_or_default());
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

fn draw(works: &[(String, [Option<Bar>; 3])]) -> String {
    let largest = works.iter().flat_map(|(_, bars)| bars).flatten().map(|(_, ratio)| *ratio);
    let largest = largest.fold(1.0, f64::max);
    let x = |ratio: f64| LABELS + ratio / largest * (WIDTH - LABELS - TIMES);
    let height = TOP + ROW * works.len() as f64 + 26.0;
    let bottom = height - 22.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <title>Time of cobasis and of Burn alone against PyTorch's fastest variant</title>\n\
         <style>\n.b{{fill:#fff}}.t{{fill:#1b1f24}}.l{{stroke:#8c959f}}.c0{{fill:#0969da}}\
         .c1{{fill:#8c959f}}.c2{{fill:#d4a72c}}\n\
         @media(prefers-color-scheme:dark){{.b{{fill:#0d1117}}.t{{fill:#e6edf3}}\
         .c0{{fill:#4493f8}}.c1{{fill:#6e7681}}.c2{{fill:#bb8009}}}}\n</style>\n\
         <rect class=\"b\" width=\"{WIDTH}\" height=\"{height}\"/>\n"
    );
    // Writing to a string cannot fail.
    let mut put = |text: String| _ = writeln!(svg, "{text}");
    for (index, name) in ["cobasis", "PyTorch's fastest", "Burn alone"].iter().enumerate() {
        let left = LABELS + 150.0 * index as f64;
        put(format!("<rect class=\"c{index}\" x=\"{left}\" y=\"14\" width=\"12\" height=\"12\"/>"));
        put(format!("<text class=\"t\" x=\"{}\" y=\"25\">{name}</text>", left + 18.0));
    }
    for tick in 0..=largest as usize {
        let at = x(tick as f64);
        put(format!(
            "<line class=\"l\" x1=\"{at:.1}\" y1=\"{TOP}\" x2=\"{at:.1}\" y2=\"{bottom}\" \
             stroke-width=\"{}\"/>",
            if tick == 1 { 1.5 } else { 0.4 }
        ));
        put(format!(
            "<text class=\"t\" x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{tick}×</text>",
            height - 6.0
        ));
    }
    for (row, (work, bars)) in works.iter().enumerate() {
        let top = TOP + ROW * row as f64 + 6.0;
        let (model, rest) = work.split_once(", ").unwrap_or((work, ""));
        for (line, text) in [model, rest].iter().enumerate() {
            put(format!(
                "<text class=\"t\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{text}</text>",
                LABELS - 10.0,
                top + 15.0 + 17.0 * line as f64
            ));
        }
        for (index, bar) in bars.iter().enumerate() {
            let Some((ms, ratio)) = bar else { continue };
            let y = top + BAR * index as f64;
            put(format!(
                "<rect class=\"c{index}\" x=\"{LABELS}\" y=\"{y}\" width=\"{:.1}\" height=\"{}\"/>",
                x(*ratio) - LABELS,
                BAR - 1.5
            ));
            put(format!(
                "<text class=\"t\" x=\"{:.1}\" y=\"{}\" font-size=\"11\">{}</text>",
                x(*ratio) + 5.0,
                y + 10.0,
                time(*ms)
            ));
        }
    }
    svg + "</svg>\n"
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
        let widths: Vec<f64> = svg
            .lines()
            .filter(|line| line.contains("height=\"11.5\""))
            .filter_map(|line| line.split("width=\"").nth(1)?.split('"').next()?.parse().ok())
            .collect();
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
        assert!(refused(&format!("{head}\nnet,inference,8,eager,fast")).starts_with("line 2"));
        assert!(refused(&format!("{head}\nnet,inference,8,cobasis,5")).contains("PyTorch"));
    }
}
