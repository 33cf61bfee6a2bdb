//! `cobasis compare`.

use std::path::PathBuf;
use std::process::ExitCode;

use cobasis_cli::Error;
use cobasis_data::number::duration;
use cobasis_report::comparison_report;
use cobasis_train::DeviceName;
use cobasis_train::config::{Comparison, DataConfig, Protocol};
use cobasis_train::evaluate::Score;
use cobasis_train::run_dir::RunDir;
use cobasis_train::train::{
    ComparisonOutcome, ComparisonResults, Job, Outcome as Ended, Plan, ResultRow, RunState, Spread,
    run_comparison,
};
use cobasis_zoo::files::{FileError, write_atomic};

use super::Outcome;
use super::config_args::text_of;
use super::data_dir::data_dir;
use super::output::{grouped, print, table};
use super::program::program;
use super::progress::Progress;
use super::report::write_charts;
use super::signals::Signals;
use super::train::command_line;

/// Trains networks with every method, budget and seed of a file, all with one recipe.
///
/// The file lists dense networks, budgets of trainable parameters, methods and seeds, and has the
/// recipe, a training configuration without model and seed. Where a method has a key, the setting
/// nearest to the budget from below is trained (see `cobasis models fit`). Each combination is an
/// ordinary run, in runs/MODEL/seed-N below --out. The same command resumes after an interruption,
/// and takes finished runs, and those that diverged, as they are. The exit code is 1 if every run of
/// a method diverged. The results are in comparison.csv, runs.csv and timing.csv,
/// and comparison.html shows them: error against parameters and multiply-accumulates.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cobasis compare compare/digits.toml --out COMPARISON
  cobasis compare compare/resnet20.toml --data DIR --dry-run
  cobasis compare compare/resnet20.toml --data DIR --out COMPARISON --jobs 1/2")]
pub(crate) struct Args {
    /// Comparison: a path, a file under configs/, or one built into the program.
    #[arg(value_name = "FILE")]
    file: String,
    /// Directory of the comparison [default: a new one under runs/]. Runs that are in it already are
    /// resumed, or taken as they are if they are finished.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Directory of the data set [default: where `cobasis data fetch` puts it].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Download the data set if its files are missing.
    #[arg(long)]
    download: bool,
    /// Device to train on: flex (CPU), ndarray (CPU, slow reference), wgpu (GPU).
    #[arg(long, default_value_t = DeviceName::Flex, hide_default_value = false)]
    device: DeviceName,
    /// Train only every Nth run, from the Ith on: 1/2 and 2/2 are halves. Jobs may share --out, or
    /// write to directories that are put together afterwards; whoever finishes last, and the command
    /// without --jobs, writes the whole tables.
    #[arg(long, value_name = "I/N", default_value = "1/1", hide_default_value = true)]
    jobs: Job,
    /// Also write the charts to this directory, as SVG files.
    #[arg(long, value_name = "DIR")]
    charts: Option<PathBuf>,
    /// Print one line per epoch instead of the live line (the default without a terminal).
    #[arg(long)]
    no_live: bool,
    /// Print all runs with their parameters and multiply-accumulates and what training them takes,
    /// and write nothing.
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(args: Args) -> Outcome {
    let (place, text) = text_of(&args.file)?;
    let comparison = Comparison::parse(&place, &text)?;
    let mut plan = Plan::new(&comparison).map_err(|error| error.in_place(&place))?;
    for set in plan.data_sets() {
        let configs = plan.runs.iter().map(|run| &run.config.data);
        let Some(data) = configs.into_iter().find(|data| data.name == set) else { continue };
        let data = DataConfig { dir: args.data.clone().or(data.dir.clone()), ..data.clone() };
        let directory = data_dir(&data, args.download)?;
        plan.set_data_dir(set, directory);
    }
    if args.dry_run {
        print(&describe_plan(&plan, &args)?);
        return Ok(ExitCode::SUCCESS);
    }
    let command = command_line();
    let signals = Signals::listen();
    let mut progress = Progress::<Score>::new(&signals, !args.no_live);
    let out = RunDir::parent(args.out.as_deref(), "compare")?;
    let ended = run_comparison(&plan, args.jobs, args.device, &out, &command, &mut progress)?;
    progress.end();
    let (ComparisonOutcome::Finished(results) | ComparisonOutcome::Interrupted(_, results)) =
        &ended;
    let page = out.join("comparison.html");
    let report = comparison_report(results);
    write_atomic(&page, report.page.as_bytes()).map_err(|error| FileError::new(&page, error))?;
    if let Some(directory) = &args.charts {
        write_charts(directory, &report.charts)?;
    }
    match ended {
        ComparisonOutcome::Finished(results) => {
            print(&describe(&results));
            print(&format!(
                "wrote {} and {}",
                out.join("comparison.csv").display(),
                page.display()
            ));
            // Who reads the tables must know that a method has no result.
            Ok(ExitCode::from(u8::from(results.lost_a_row())))
        }
        ComparisonOutcome::Interrupted(ended, _) => {
            let at = match ended {
                Ended::Interrupted { epoch, step, .. } => {
                    format!(" in epoch {epoch} after step {step}")
                }
                Ended::Finished(_) => String::new(),
            };
            let given = match args.out {
                Some(_) => String::new(),
                None => format!(" --out {}", out.display()),
            };
            print(&format!(
                "interrupted{at}; everything is saved. To resume:\n{} {}{given}",
                program(),
                command.trim_start_matches("cobasis ")
            ));
            Ok(signals.exit_code())
        }
    }
}

/// What a comparison would train.
fn describe_plan(plan: &Plan, args: &Args) -> Result<String, Error> {
    let cost = plan.cost(args.out.as_deref())?;
    let there = args.out.as_deref().map(|out| ComparisonResults::read(plan, out)).transpose()?;
    let header = ["run", "method", "parameters", "MACs", "multiply-adds to train", ""];
    let mut rows = vec![header.map(String::from).to_vec()];
    for (index, run) in plan.runs.iter().enumerate() {
        let Some(row) = plan.rows.iter().find(|row| row.runs.contains(&index)) else { continue };
        rows.push(vec![
            run.name.clone(),
            row.label.clone(),
            grouped(row.counts.params),
            grouped(row.counts.macs),
            format!("{:.3e}", cost.runs[index].macs as f64),
            match there.as_ref().map(|there| &there.runs[index].1) {
                Some(RunState::Finished(_)) => "finished".to_string(),
                Some(RunState::Diverged) => "diverged".to_string(),
                Some(RunState::Missing) | None => String::new(),
            },
        ]);
    }
    let own = args.jobs.share(&cost.runs);
    let own: Vec<u64> = own.map(|cost| cost.macs).collect();
    let images: Vec<u64> = cost.runs.iter().map(|cost| cost.train_images).collect();
    let span = match (images.iter().min(), images.iter().max()) {
        (Some(least), Some(most)) if least != most => {
            format!("{} to {}", grouped(*least), grouped(*most))
        }
        (Some(one), _) => grouped(*one),
        _ => "no".to_string(),
    };
    let mut lines = vec![
        table(&rows, &[1, 5]),
        format!("runs    {}, of {span} training images", plan.runs.len()),
        format!(
            "cost    {:.3e} multiply-adds: three forward passes for every image of every epoch",
            cost.macs as f64
        ),
    ];
    if own.len() < plan.runs.len() {
        let macs: u64 = own.iter().sum();
        lines.push(format!("job     {} runs, {:.3e} multiply-adds", own.len(), macs as f64));
    }
    lines.push(match cost.rate {
        _ if cost.left == 0 => "time    none: nothing is left to train".to_string(),
        Some(rate) => format!(
            "time    about {} for what is left ({:.3e} multiply-adds), at the {:.3e} a second of the \
             runs that are finished",
            duration(cost.left as f64 / rate),
            cost.left as f64,
            rate
        ),
        None => "time    not known: no run is finished that would tell".to_string(),
    });
    lines.push("nothing was written".to_string());
    Ok(lines.join("\n"))
}

/// The results as a table for people.
fn describe(results: &ComparisonResults) -> String {
    let shown = |spread: Option<Spread>| {
        spread.map_or("–".to_string(), |spread| {
            let std = spread.std.map(|std| format!(" ± {std:.2}"));
            format!("{:.2}{} %", spread.mean, std.unwrap_or_default())
        })
    };
    // All methods have the recipe's images.
    let is_judged_apart =
        results.rows.iter().all(|row| row.planned.config.data.split == Protocol::TrainVal);
    let (title, errors) = match is_judged_apart {
        true => (
            "top-1 error on the test images, in the epoch that validation images chose and in the last",
            ["test error", "last epoch"],
        ),
        false => (
            "top-1 error on the test images, which judged every epoch: after the last one, to compare by, \
             and in the best one, which is optimistic",
            ["last epoch", "best epoch"],
        ),
    };
    let has_budgets = results.budgets().len() > 1;
    let row = |row: &ResultRow| {
        let planned = &row.planned;
        let mut notes = vec![format!("n = {}", row.n)];
        if row.diverged > 0 {
            notes.push(format!("{} diverged", row.diverged));
        }
        if row.missing > 0 {
            notes.push(format!("{} missing", row.missing));
        }
        let both = match is_judged_apart {
            true => [row.test_error, row.last_test_error],
            false => [row.last_test_error, row.best_test_error],
        };
        let mut cells = vec![planned.label.clone(), planned.model.to_string()];
        if has_budgets {
            cells.push(planned.budget.map_or("–".to_string(), grouped));
        }
        cells.extend([grouped(row.counts.params), grouped(row.counts.macs)]);
        cells.extend(both.map(shown));
        cells.push(notes.join(", "));
        cells
    };
    let budget = has_budgets.then_some("budget");
    let header = ["method", "model"].into_iter().chain(budget).chain(["parameters", "MACs"]);
    let header: Vec<&str> = header.chain(errors).chain([""]).collect();
    let last = header.len() - 1;
    let header = header.into_iter().map(String::from).collect();
    let rows: Vec<Vec<String>> =
        std::iter::once(header).chain(results.rows.iter().map(row)).collect();
    let missing = match results.missing() {
        0 => String::new(),
        missing => format!("\n{missing} of {} runs are not finished yet", results.runs.len()),
    };
    format!("{title}\n{}{missing}", table(&rows, &[1, last]))
}
