//! A program in Python that does the same work, and answers with its times.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::error::Error;

/// Runs after which a process has taken all its memory.
const MEMORY_RUNS: usize = 3;

/// How a program is started, without the contender that it is for.
#[derive(Clone, Debug)]
pub(super) struct Script {
    /// The interpreter.
    pub(super) python: PathBuf,
    /// The script, and what it is told.
    pub(super) arguments: Vec<std::ffi::OsString>,
    /// What it computes.
    pub(super) task: &'static str,
}

/// The process of a script.
pub(super) struct Process {
    child: Child,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
    script: Script,
}

impl Script {
    /// Starts it with all its contenders, or with one, and reads their logits.
    pub(super) fn start(
        &self,
        only: Option<&str>,
    ) -> Result<(Process, BTreeMap<String, Vec<f32>>), Error> {
        let mut command = Command::new(&self.python);
        command.args(&self.arguments).args(only.map(|name| format!("--only={name}")));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let problem = |error| Error::Peer(format!("{}: {error}", self.python.display()));
        let mut child = command.spawn().map_err(problem)?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let output = output.ok_or_else(|| Error::Peer("no standard output".to_owned()))?;
        let output = BufReader::new(output).lines();
        let mut process = Process { child, input, output, script: self.clone() };
        let logits = process.answer()?;
        Ok((process, logits))
    }

    /// The most memory that a process holds which does the work of this contender and nothing else, in bytes.
    pub(super) fn memory(&self, name: &str) -> Result<u64, Error> {
        let (mut alone, _) = self.start(Some(name))?;
        for _ in 0..MEMORY_RUNS {
            alone.seconds(name)?;
        }
        alone.ask("memory")
    }

    /// What it is called in messages.
    fn name(&self) -> String {
        let script = self.arguments.first().map(Path::new).and_then(Path::file_name);
        script.unwrap_or_default().to_string_lossy().into_owned()
    }
}

impl Process {
    /// Does the work of a contender once: the seconds that it took.
    pub(super) fn seconds(&mut self, name: &str) -> Result<f64, Error> {
        let task = self.script.task;
        self.ask(&format!("{task} {name}"))
    }

    fn ask<T: serde::de::DeserializeOwned>(&mut self, question: &str) -> Result<T, Error> {
        let input = self.input.as_mut().ok_or_else(|| Error::Peer("no standard input".into()))?;
        let asked = writeln!(input, "{question}").and_then(|()| input.flush());
        asked.map_err(|error| Error::Peer(error.to_string()))?;
        self.answer()
    }

    fn answer<T: serde::de::DeserializeOwned>(&mut self) -> Result<T, Error> {
        let line = self.output.next().and_then(Result::ok);
        let ended = || format!("{} exited; see its message above", self.script.name());
        let line = line.ok_or_else(|| Error::Peer(ended()))?;
        serde_json::from_str(&line).map_err(|error| Error::Peer(format!("{line}: {error}")))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The end of its input ends it.
        drop(self.input.take());
        let _ = self.child.wait();
    }
}
