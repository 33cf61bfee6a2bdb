//! One file over HTTP, from where an earlier try stopped.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::thread;
use std::time::Duration;

use ureq::http::{Response, header};
use ureq::{Agent, Body};

use super::Progress;
use super::error::FetchError;
use super::transfer::{length, truncate};

/// Tries without a new byte before giving up.
const FRUITLESS_TRIES: u32 = 3;
/// Tries in all.
const TRIES: u32 = 30;
/// Longest silence of a server.
const SILENCE: Duration = Duration::from_secs(60);

/// What to download where.
pub(super) struct Download<'a> {
    pub(super) url: &'a str,
    /// The file, for messages.
    pub(super) path: &'a Path,
    /// Size of the whole file, if it is known.
    pub(super) bytes: Option<u64>,
    /// More than this is not taken.
    pub(super) limit: u64,
    /// Time between two tries.
    pub(super) pause: Duration,
}

/// How a try ended without the whole file.
enum Stop {
    /// Another try would end the same way.
    Final(FetchError),
    /// The connection broke, or the server is busy.
    Broken { problem: String, total: Option<u64> },
}

impl From<FetchError> for Stop {
    fn from(error: FetchError) -> Self {
        Self::Final(error)
    }
}

impl Download<'_> {
    /// Completes `part`, which may have the beginning of the file.
    pub(super) fn run(
        &self,
        part: &mut File,
        watch: &mut dyn FnMut(Progress),
    ) -> Result<(), FetchError> {
        let mut fruitless = 0;
        for _ in 0..TRIES {
            let before = length(part, self.path)?;
            if self.bytes == Some(before) {
                return Ok(());
            }
            let (problem, expected) = match self.attempt(part, before, watch) {
                Ok(()) => return part.sync_all().map_err(self.io("write the file")),
                Err(Stop::Final(error)) => return Err(error),
                Err(Stop::Broken { problem, total }) => (problem, total.or(self.bytes)),
            };
            let got = length(part, self.path)?;
            fruitless = if got > before { 0 } else { fruitless + 1 };
            if fruitless == FRUITLESS_TRIES {
                let url = self.url.to_string();
                return Err(FetchError::Interrupted { url, got, expected, problem });
            }
            watch(Progress::Retrying { problem });
            thread::sleep(self.pause);
        }
        let problem = format!("{TRIES} attempts were interrupted");
        let (url, got) = (self.url.to_string(), length(part, self.path)?);
        Err(FetchError::Interrupted { url, got, expected: self.bytes, problem })
    }

    /// One connection: from byte `start` on, or from the beginning where the server will not.
    fn attempt(
        &self,
        part: &mut File,
        start: u64,
        watch: &mut dyn FnMut(Progress),
    ) -> Result<(), Stop> {
        let response = self.ask(start)?;
        let mut done = start;
        match response.status().as_u16() {
            200 => {
                truncate(part, self.path)?;
                done = 0;
            }
            206 if begins_at(&response, start) => {}
            // The file is no longer than what is there: complete, or another one by now.
            416 | 206 => {
                truncate(part, self.path)?;
                let problem = "the server cannot resume the download".to_string();
                return Err(Stop::Broken { problem, total: None });
            }
            429 | 500.. => {
                let problem = format!("the server answered {}", response.status());
                return Err(Stop::Broken { problem, total: None });
            }
            _ => {
                let (url, status) = (self.url.to_string(), response.status().to_string());
                return Err(FetchError::Status { url, status }.into());
            }
        }
        part.seek(SeekFrom::Start(done)).map_err(self.io("write the file"))?;
        let total = response.body().content_length().map(|rest| done + rest);
        let mut body = response.into_body().into_reader();
        let mut buffer = vec![0; 1 << 16];
        loop {
            watch(Progress::Downloading { done, total });
            let read = match body.read(&mut buffer) {
                Ok(0) if total.is_none_or(|total| done == total) => return Ok(()),
                Ok(0) => {
                    let problem = "the connection was closed".to_string();
                    return Err(Stop::Broken { problem, total });
                }
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Stop::Broken { problem: error.to_string(), total }),
            };
            done += read as u64;
            if done > self.limit {
                truncate(part, self.path)?;
                let (url, limit) = (self.url.to_string(), self.limit);
                return Err(FetchError::TooLong { url, limit }.into());
            }
            part.write_all(&buffer[..read]).map_err(self.io("write the file"))?;
        }
    }

    fn ask(&self, start: u64) -> Result<Response<Body>, Stop> {
        let agent: Agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(SILENCE))
            .timeout_recv_response(Some(SILENCE))
            .timeout_per_read(Some(SILENCE))
            .user_agent(concat!("cobasis/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        let mut request = agent.get(self.url).header(header::ACCEPT_ENCODING, "identity");
        if start > 0 {
            request = request.header(header::RANGE, format!("bytes={start}-"));
        }
        request.call().map_err(|error| match error {
            ureq::Error::Io(error) => Stop::Broken { problem: error.to_string(), total: None },
            ureq::Error::Timeout(_) | ureq::Error::ConnectionFailed => {
                Stop::Broken { problem: error.to_string(), total: None }
            }
            error => {
                let (url, problem) = (self.url.to_string(), error.to_string());
                FetchError::Unreachable { url, problem }.into()
            }
        })
    }

    fn io(&self, action: &'static str) -> impl FnOnce(io::Error) -> FetchError {
        FetchError::io(self.path, action)
    }
}

/// Whether a part of a file begins where it was asked to.
fn begins_at(response: &Response<Body>, start: u64) -> bool {
    let range = response.headers().get(header::CONTENT_RANGE);
    let range = range.and_then(|range| range.to_str().ok()).unwrap_or_default();
    range.strip_prefix("bytes ").is_some_and(|range| range.starts_with(&format!("{start}-")))
}
