//! The documentation: its commands are understood, its links lead somewhere, and pages that are
//! made from the code are current.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;
use clap::error::ErrorKind;
use cobasis_train::config::{Config, DIGITS};
use pulldown_cmark::{CodeBlockKind, Event, Options, Tag, TagEnd};

use super::Cli;
use super::reference::Page;

/// Folders of the repository that commands name files in.
const FOLDERS: [&str; 5] = ["benches/", "configs/", "crates/", "docs/", "results/"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The documentation's files by their path in the repository.
fn pages() -> Vec<(PathBuf, String)> {
    let mut folders = vec![root(), root().join("docs"), root().join("results")];
    let crates = fs::read_dir(root().join("crates")).expect("the crates");
    folders.extend(crates.map(|entry| entry.expect("a crate").path()));
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).expect("a folder"));
    let files = files.map(|entry| entry.expect("an entry").path());
    let mut pages: Vec<(PathBuf, String)> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .map(|path| (path.clone(), fs::read_to_string(path).expect("UTF-8")))
        .collect();
    pages.sort();
    pages
}

fn events(page: &str) -> Vec<Event<'_>> {
    pulldown_cmark::Parser::new_ext(page, Options::ENABLE_TABLES).collect()
}

/// A command as a page shows it.
struct Shown {
    words: Vec<String>,
    /// In a line of text, where a command may be named without what it needs.
    named: bool,
}

/// The commands of a page: the program's own, and cargo's.
fn commands(page: &str) -> Vec<Shown> {
    let mut shown = Vec::new();
    let mut shell = false;
    for event in events(page) {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language))) => {
                shell = language.as_ref() == "sh";
            }
            Event::End(TagEnd::CodeBlock) => shell = false,
            Event::Text(text) if shell => {
                let lines = text.replace("\\\n", " ");
                shown.extend(lines.lines().map(|line| (line.to_string(), false)));
            }
            Event::Code(text) => shown.push((text.to_string(), true)),
            _ => {}
        }
    }
    let starts = ["cargo ", "cobasis "];
    let shown =
        shown.into_iter().filter(|(line, _)| starts.iter().any(|start| line.starts_with(start)));
    shown
        .map(|(line, named)| {
            let words = shlex::split(&line).unwrap_or_else(|| panic!("not for a shell: {line}"));
            let words = words.into_iter().take_while(|word| !word.starts_with('>'));
            Shown { words: words.collect(), named }
        })
        .collect()
}

/// What is wrong with the words of a command.
fn problem(words: &[&str], named: bool) -> Option<String> {
    for word in words.iter().filter(|word| FOLDERS.iter().any(|folder| word.starts_with(folder))) {
        let file = word.split('*').next().unwrap_or_default();
        if !root().join(file).exists() {
            return Some(format!("{file} is not there"));
        }
    }
    match words {
        ["cargo", "xtask"] | ["cargo", "xtask", "test" | "ci" | "demo"] => None,
        ["cargo", "xtask", "test", "--device", "wgpu"] => None,
        ["cargo", "xtask", "test", "--burn-train" | "--mpi"] => None,
        // Stands for any.
        ["cargo", "xtask", "COMMAND" | "…", ..] | ["cobasis", "COMMAND" | "…", ..] => None,
        ["cobasis"] => None,
        ["cargo", "xtask", words @ ..] | ["cobasis", words @ ..] => refusal(words, named),
        ["cargo", "run", ..] => {
            let after = |option| {
                let at = words.iter().position(|word| *word == option)?;
                words.get(at + 1).copied()
            };
            let (package, example) = (after("-p")?, after("--example")?);
            let file = format!("crates/{package}/examples/{example}.rs");
            (!root().join(&file).exists()).then(|| format!("{file} is not there"))
        }
        _ => None,
    }
}

/// The configuration that a reader of the guide to detectors writes.
const OWN: &str = "mine.toml";

/// Its text, as the guide prints it.
fn own_config() -> String {
    let page = std::fs::read_to_string(root().join("docs/detection.md")).expect("the guide");
    let block = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
    block.expect("the guide has a configuration").to_string()
}

/// What the program would say to a command.
fn refusal(words: &[&str], named: bool) -> Option<String> {
    let parsed = Cli::try_parse_from(std::iter::once("cobasis").chain(words.iter().copied()));
    match parsed.map_err(|error| (error.kind(), error)) {
        Ok(_) => {}
        Err((ErrorKind::DisplayHelp | ErrorKind::DisplayVersion, _)) => return None,
        Err((
            ErrorKind::MissingRequiredArgument
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
            _,
        )) if named => return None,
        Err((_, error)) => return Some(error.to_string()),
    }
    let after = |option| {
        let pairs = words.windows(2).filter(move |pair| pair[0] == option);
        pairs.map(|pair| pair[1].to_string())
    };
    let set: Vec<String> = after("--set").filter(|set| set != "KEY=VALUE").collect();
    let configs = root().join("configs");
    let loaded = match after("--config").next() {
        Some(file) if file == "FILE" => return None,
        Some(file) if file == OWN => Config::parse_with(&file, &own_config(), &set),
        Some(file) => Config::load_with(&file, &configs, &set),
        None => Config::parse_with("digits.toml", DIGITS, &set),
    };
    loaded.err().map(|error| error.to_string())
}

#[test]
fn the_configuration_for_several_tasks_is_one() {
    let page = std::fs::read_to_string(root().join("docs/fine-tuning.md")).expect("the guide");
    let blocks = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let blocks: Vec<&str> = blocks.filter(|block| block.contains("[[tasks]]")).collect();
    let [block] = blocks[..] else { panic!("{blocks:?}") };
    let config = Config::parse_with("mine.toml", block, &[]).expect("a configuration");
    assert_eq!((config.tasks.len(), config.tasks[0].weight), (1, 0.5));
}

#[test]
fn every_command_is_understood() {
    let mut checked = 0;
    for (path, page) in pages() {
        for Shown { words, named } in commands(&page) {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let problem = problem(&words, named).unwrap_or_default();
            assert!(problem.is_empty(), "{}: {}: {problem}", path.display(), words.join(" "));
            checked += 1;
        }
    }
    assert!(checked > 50, "{checked}");
}

#[test]
fn wrong_commands_are_found() {
    let wrong = "```sh\ncobasis trian\ncobasis train --config \\\n  none.toml\n\
                 cobasis train --set train.epoch=2\ncobasis eval  # needs a file\n\
                 cobasis config check configs/none/*.toml\n\
                 cargo run -p cobasis --example none\n```\n`cobasis eval --chekpoint F`";
    let shown = commands(wrong);
    assert_eq!(shown.len(), 7);
    for Shown { words, named } in shown {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        assert!(problem(&words, named).is_some(), "{words:?}");
    }
    assert!(problem(&["cobasis", "eval"], true).is_none());
}

/// The names of a page's headings in its address.
fn anchors(page: &str) -> Vec<String> {
    let mut anchors = Vec::new();
    let mut heading = None;
    for event in events(page) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => anchors.extend(heading.take()),
            Event::Text(text) | Event::Code(text) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&text);
                }
            }
            _ => {}
        }
    }
    let plain = |c: char| match c {
        c if c.is_alphanumeric() || c == '_' || c == '-' => Some(c.to_ascii_lowercase()),
        c if c.is_whitespace() => Some('-'),
        _ => None,
    };
    anchors.into_iter().map(|heading| heading.chars().filter_map(plain).collect()).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let docs = root().join("docs").canonicalize().expect("docs");
    let mut checked = 0;
    for (path, page) in pages() {
        let targets = events(&page).into_iter().filter_map(|event| match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                Some(dest_url.to_string())
            }
            _ => None,
        });
        for target in targets.filter(|target| !target.starts_with("http")) {
            let link = format!("{}: {target}", path.display());
            let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let file = match file {
                "" => path.clone(),
                file => path.parent().expect("a folder").join(file),
            };
            let file = file.canonicalize().unwrap_or_else(|error| panic!("{link}: {error}"));
            // The book has what is in docs/, a packaged crate what is in its folder.
            let folder = path.parent().expect("a folder").canonicalize().expect("a folder");
            let inside = match folder == docs || folder.join("Cargo.toml").exists() {
                true => folder,
                false => root().canonicalize().expect("the repository"),
            };
            assert!(file.starts_with(&inside), "{link} leads out of {}", inside.display());
            if !anchor.is_empty() {
                let page = fs::read_to_string(&file).expect("a page");
                assert!(anchors(&page).iter().any(|known| known == anchor), "{link}");
            }
            checked += 1;
        }
    }
    assert!(checked > 30, "{checked}");
}

#[test]
fn every_page_is_in_the_book() {
    let docs = root().join("docs");
    let summary = fs::read_to_string(docs.join("SUMMARY.md")).expect("docs/SUMMARY.md");
    for (path, _) in pages().into_iter().filter(|(path, _)| path.starts_with(&docs)) {
        let name = path.file_name().expect("a name").to_string_lossy();
        let listed = name == "SUMMARY.md" || summary.contains(&format!("({name})"));
        assert!(listed, "docs/{name} is not in docs/SUMMARY.md");
    }
}

/// The part of a file between the comments that mark it, or all of it.
fn part<'a>(text: &'a str, name: Option<&str>) -> Option<&'a str> {
    let Some(name) = name else { return Some(text) };
    let (_, rest) = text.split_once(&format!("// ANCHOR: {name}\n"))?;
    rest.split_once(&format!("// ANCHOR_END: {name}\n")).map(|(part, _)| part)
}

#[test]
fn code_that_names_its_file_is_that_of_the_file() {
    let mut checked = 0;
    for (path, page) in pages() {
        for quoted in page.split("<!-- ").skip(1) {
            let Some((source, rest)) = quoted.split_once(" -->\n```") else { continue };
            let (_, rest) = rest.split_once('\n').expect("a block of code");
            let (block, _) = rest.split_once("\n```").expect("its end");
            let (file, name) = match source.split_once(": ") {
                Some((file, name)) => (file, Some(name)),
                None => (source, None),
            };
            let text = fs::read_to_string(root().join(file));
            let text = text.unwrap_or_else(|error| panic!("{}: {file}: {error}", path.display()));
            let expected = part(&text, name).map(str::trim_end);
            assert_eq!(expected, Some(block), "{}: {source}", path.display());
            checked += 1;
        }
    }
    assert!(checked >= 8, "{checked}");
}

#[test]
fn results_that_pages_name_are_there() {
    let mut checked = 0;
    for (path, page) in pages() {
        for event in events(&page) {
            let Event::Code(text) = event else { continue };
            let Some(file) = text.strip_prefix("results/") else { continue };
            let file = file.split(['*', '{', ' ']).next().unwrap_or_default();
            assert!(root().join("results").join(file).exists(), "{}: {text}", path.display());
            checked += 1;
        }
    }
    assert!(checked > 5, "{checked}");
}

#[test]
fn pages_that_are_made_from_the_code_are_current() {
    for (page, name) in [(Page::Commands, "commands"), (Page::Config, "config")] {
        let path = root().join(format!("docs/{name}.md"));
        let committed = fs::read_to_string(path).unwrap_or_default();
        let current = committed == format!("{}\n", page.text());
        assert!(current, "cobasis reference {name} > docs/{name}.md");
    }
}
