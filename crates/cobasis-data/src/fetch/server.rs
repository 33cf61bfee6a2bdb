//! A server on this machine that behaves as badly as a test asks.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What the server does with a request.
#[derive(Debug, Clone, Copy)]
pub(super) enum Reply {
    /// Sends what was asked for.
    Send,
    /// Promises it, sends this many bytes of it, and closes the connection.
    Break(usize),
    /// Sends everything, whatever part was asked for.
    SendAll,
    /// Sends everything without saying how much it is.
    SendUntold,
    /// Answers with this status.
    Status(&'static str),
}

/// A server of one file.
pub(super) struct Server {
    /// Address of the file.
    pub(super) url: String,
    ranges: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Serves `content`; the n-th request gets the n-th reply, further ones the last.
    pub(super) fn start(content: Vec<u8>, replies: &'static [Reply]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let ranges = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&ranges);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let number = log.lock().expect("no panic").len();
                let reply = replies.get(number).or(replies.last()).expect("a reply");
                // A client that went away is no matter.
                let _ = answer(stream, &content, *reply, &log);
            }
        });
        Self { url: format!("http://{address}/archive.tar.gz"), ranges }
    }

    /// The ranges that were asked for, a request each; "" for everything.
    pub(super) fn ranges(&self) -> Vec<String> {
        self.ranges.lock().expect("no panic").clone()
    }
}

fn answer(
    mut stream: TcpStream,
    content: &[u8],
    reply: Reply,
    log: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut range = String::new();
    for line in BufReader::new(stream.try_clone()?).lines() {
        let line = line?.to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(asked) = line.strip_prefix("range: bytes=") {
            range = asked.to_string();
        }
    }
    log.lock().expect("no panic").push(range.clone());
    let all = matches!(reply, Reply::SendAll | Reply::SendUntold);
    let start: Option<usize> = range.trim_end_matches('-').parse().ok().filter(|_| !all);
    let rest = content.get(start.unwrap_or(0)..).filter(|rest| !rest.is_empty());
    let (status, body) = match (reply, rest) {
        (Reply::Status(status), _) => (status, &b"an apology"[..]),
        (_, None) => ("416 Range Not Satisfiable", &b""[..]),
        (_, Some(rest)) if start.is_some() => ("206 Partial Content", rest),
        (_, Some(rest)) => ("200 OK", rest),
    };
    let mut head = format!("HTTP/1.1 {status}\r\nConnection: close\r\n");
    if let (Some(start), "206 Partial Content") = (start, status) {
        let (last, all) = (content.len() - 1, content.len());
        head += &format!("Content-Range: bytes {start}-{last}/{all}\r\n");
    }
    if !matches!(reply, Reply::SendUntold) {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    match reply {
        Reply::Break(bytes) => stream.write_all(&body[..bytes.min(body.len())]),
        _ => stream.write_all(body),
    }
}
