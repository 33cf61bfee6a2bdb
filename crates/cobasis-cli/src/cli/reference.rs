//! `cobasis reference`: pages of the documentation that are made from the program itself.

use std::process::ExitCode;

use clap::{Arg, Command, CommandFactory};
use cobasis_train::config::{Key, sections};

use super::output::print;
use super::{Cli, Outcome};

/// Prints a page of the documentation that is generated from the program, as Markdown.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cobasis reference commands > docs/commands.md
  cobasis reference config > docs/config.md")]
pub(crate) struct Args {
    /// Which page.
    page: Page,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum Page {
    /// Every command with its options and examples.
    Commands,
    /// Every key of a configuration.
    Config,
}

const COMMANDS: &str = "\
# Commands

Written by `cobasis reference commands` from the program's own help, which `cobasis COMMAND --help`
shows. In a clone, `cargo xtask COMMAND` builds the program in release mode and runs it.

Exit codes: 0, 2 for wrong input, 1 for anything else; a training run that was told to stop ends
with 130 or 143.
";

const KEYS: &str = "\
# Configuration keys

Written by `cobasis reference config` from the code. `cobasis config explain KEY` shows the
same for one key or one section, and `--set KEY=VALUE` changes a key on the command line. A file
needs to have only what departs from the defaults, which are the paper's CIFAR recipe.
";

pub(crate) fn run(args: Args) -> Outcome {
    print(&args.page.text());
    Ok(ExitCode::SUCCESS)
}

impl Page {
    pub(super) fn text(self) -> String {
        match self {
            Page::Commands => {
                let mut program = Cli::command().bin_name("cobasis");
                program.build();
                let mut page = COMMANDS.to_string();
                describe_all(&program, &mut page);
                page.trim_end().to_string()
            }
            Page::Config => keys(),
        }
    }
}

fn describe_all(of: &Command, page: &mut String) {
    for command in of.get_subcommands().filter(|command| command.get_name() != "help") {
        match command.has_subcommands() {
            true => describe_all(command, page),
            false => page.push_str(&describe(command)),
        }
    }
}

/// A command's section.
fn describe(command: &Command) -> String {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    let name = command.get_bin_name().unwrap_or_default().trim_start_matches("cobasis ");
    let about = command.get_long_about().or(command.get_about());
    let about = about.map(|about| prose(&about.to_string())).unwrap_or_default();
    let mut section = format!("\n## {name}\n\n{about}\n\n```text\n{usage}\n```\n");
    let arguments = command.get_arguments().filter(|argument| argument.get_id() != "help");
    let rows: Vec<String> = arguments.map(row).collect();
    if !rows.is_empty() {
        section += &format!("\n| argument | meaning |\n| --- | --- |\n{}\n", rows.join("\n"));
    }
    let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let examples: Vec<&str> = examples.lines().skip(1).map(str::trim_start).collect();
    if !examples.is_empty() {
        section += &format!("\n```sh\n{}\n```\n", examples.join("\n"));
    }
    section
}

fn row(argument: &Arg) -> String {
    let short = argument.get_short().filter(|_| argument.get_long().is_some());
    let short = short.map(|short| format!("-{short}, ")).unwrap_or_default();
    let help = argument.get_long_help().or(argument.get_help());
    let mut meaning = prose(&help.map(ToString::to_string).unwrap_or_default());
    if !meaning.ends_with('.') {
        meaning.push('.');
    }
    if argument.get_action().takes_values() {
        for value in argument.get_possible_values() {
            let help = value.get_help().map(|help| format!(": {}", prose(&help.to_string())));
            meaning += &format!("<br>`{}`{}", value.get_name(), help.unwrap_or_default());
        }
        let defaults = argument.get_default_values().iter().map(|value| value.to_string_lossy());
        let defaults: Vec<String> = defaults.map(|value| format!("`{value}`")).collect();
        if !defaults.is_empty() && !argument.is_hide_default_value_set() {
            let space = if argument.get_possible_values().is_empty() { " " } else { "<br>" };
            meaning += &format!("{space}Default: {}.", defaults.join(", "));
        }
    }
    format!("| `{short}{argument}` | {} |", cell(&meaning))
}

fn keys() -> String {
    let mut page = KEYS.to_string();
    for section in sections() {
        let heading = match section.name.as_str() {
            "" => "Top level".to_string(),
            name => format!("`[{name}]`"),
        };
        let meaning = prose(&section.meaning);
        page += &format!("\n## {heading}\n\n{meaning}\n\n| key | type | default | meaning |\n");
        page += "| --- | --- | --- | --- |\n";
        for Key { path, kind, default, meaning } in section.keys {
            let default = default.map_or("absent".to_string(), |value| format!("`{value}`"));
            let [kind, default] = [kind, default].map(|text| cell(&text));
            page += &format!("| `{path}` | {kind} | {default} | {} |\n", cell(&prose(&meaning)));
        }
    }
    page.trim_end().to_string()
}

/// Text in which nothing outside of `code` means something to Markdown.
fn prose(text: &str) -> String {
    let pieces = text.split('`').enumerate().map(|(index, piece)| match index % 2 {
        0 => piece.replace('<', "\\<").replace('*', "\\*"),
        _ => piece.to_string(),
    });
    pieces.collect::<Vec<_>>().join("`")
}

/// Text that does not end a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_in_help_stays_text() {
        assert_eq!(prose("a <B> *c* `d <e> *`"), "a \\<B> \\*c\\* `d <e> *`");
        assert_eq!(cell("\"a\" | \"b\",\n  c"), "\"a\" \\| \"b\", c");
    }

    #[test]
    fn every_command_and_key_is_on_its_page() {
        let commands = Page::Commands.text();
        for part in ["\n## train\n", "\n## bench model\n", "| `-v, --verbose` |", "Default: `flex`"]
        {
            assert!(commands.contains(part), "{part} in {commands}");
        }
        let keys = Page::Config.text();
        for part in ["\n## Top level\n", "\n## `[schedule]`\n", "| `ortho.lambda` | a number |"] {
            assert!(keys.contains(part), "{part} in {keys}");
        }
    }
}
