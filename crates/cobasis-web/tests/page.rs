//! The page `docs/demo` in a browser: opened from a file and from a server, it reads drawn digits.
//!
//! `COBASIS_DEMO` names another folder with the page, such as one with a module that was built just now.

#[path = "../../cobasis-cli/tests/require/mod.rs"]
mod require;

use std::env;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use require::skip;
use tempfile::TempDir;

/// Records of one label byte and 8 × 8 grey values from 0 to 16; not what the page's network was trained on.
static DIGITS: &[u8] = include_bytes!("../../cobasis-data/assets/digits.bin");
/// Digits that are painted, of which some are hard to read in so few pixels.
const PAINTED: usize = 50;
const RIGHT: usize = 40;

/// What is tried on the page, by its own functions; the result is written to where the test finds it.
const SCRIPT: &str = r#"
window.addEventListener("load", async () => {
  const said = (job) => guarded(job)().then(() => (at("problem").hidden ? null : at("problem").textContent));
  const result = {};
  try {
    await ready;
    result.started = at("problem").hidden;
    result.empty = at("answer").textContent;
    result.drawn = EXAMPLES.map((_, digit) => (draw(digit), at("answer").textContent));
    result.painted = PAINTED.map((ink) => (paint(ink, 8), at("answer").textContent));
    result.facts = ["own-parameters", "dense-parameters", "own-bytes", "dense-bytes"].map(
      (id) => Number(at(id).textContent.replaceAll(",", "")));
    result.timed = ["own-ms", "dense-ms"].every((id) => at(id).textContent !== "");
    const shown = Object.assign(document.createElement("canvas"), { width: 80, height: 50 });
    // Of a step between black and white, half as large, the edge stays where it was.
    shown.getContext("2d").fillRect(0, 0, 44, 50);
    shown.getContext("2d").fillStyle = "white";
    shown.getContext("2d").fillRect(44, 0, 36, 50);
    result.line = [...square(shown, { size: 20, resize: 25 }).slice(0, 20)].map((value) => Math.round(8 * value));
    const exact = Object.assign(document.createElement("canvas"), { width: 20, height: 20 });
    exact.getContext("2d").drawImage(shown, -34, 0);
    result.exact = [...square(exact, { size: 20, resize: 20 }).slice(0, 20)];
    choose("cifar10");
    show(shown);
    result.photo = at("answer").textContent;
    const file = (bytes, name) => () => openFile(new File([bytes], name));
    result.network = await said(file(decode(FILES.digits.file), "own.safetensors"));
    draw(7);
    result.opened = at("answer").textContent;
    result.damaged = await said(file(decode(FILES.digits.file).subarray(0, 9000), "cut.safetensors"));
    result.random = await said(file(new Uint8Array(99).fill(7), "random.safetensors"));
    result.noImage = await said(file(new Uint8Array(99), "noise.png"));
    draw(4);
    result.after = at("answer").textContent;
  } catch (error) {
    result.error = String(error);
  }
  document.body.dataset.result = JSON.stringify(result);
});
"#;

/// The page, with the script at its end.
fn page() -> TempDir {
    let demo = env::var_os("COBASIS_DEMO").map(PathBuf::from);
    let demo =
        demo.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/demo"));
    let folder = tempfile::tempdir().expect("a folder");
    for entry in fs::read_dir(demo).expect("the page") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            fs::copy(&path, folder.path().join(path.file_name().expect("a name"))).expect("copied");
        }
    }
    let ink = |record: &[u8]| -> Vec<f32> {
        record[1..].iter().map(|&grey| f32::from(grey) / 16.0).collect()
    };
    let painted: Vec<_> = DIGITS.chunks_exact(65).take(PAINTED).map(ink).collect();
    fs::write(folder.path().join("test.js"), format!("const PAINTED = {painted:?};{SCRIPT}"))
        .expect("written");
    let index = folder.path().join("index.html");
    let html = fs::read_to_string(&index).expect("the page");
    let html = html.replace("</head>", "<script defer src=\"test.js\"></script></head>");
    fs::write(index, html).expect("written");
    folder
}

/// Times that a page is opened before it is said that there is no result.
const TRIES: usize = 6;

/// What the script found on the page at this address; `None` without Chromium.
fn result(address: &str) -> Option<serde_json::Value> {
    // The clock may come to its end while another thread of the browser still reads a file: then once more.
    for _ in 0..TRIES {
        let page = opened(address)?;
        let Some((_, result)) = page.split_once("data-result=\"") else { continue };
        let (result, _) = result.split_once('"').expect("its end");
        let result = result
            .replace("&quot;", "\"")
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&amp;", "&");
        return Some(serde_json::from_str(&result).expect("JSON"));
    }
    panic!("no result of {address} in {TRIES} tries")
}

/// The page at this address, after its scripts had their time; `None` without Chromium.
fn opened(address: &str) -> Option<String> {
    let profile = tempfile::tempdir().expect("a folder");
    let mut command = Command::new("chromium");
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]);
    command.arg(format!("--user-data-dir={}", profile.path().display()));
    // Scripts have that long, by a clock that stands still while they compute.
    command.arg("--virtual-time-budget=20000");
    let output = command.arg("--dump-dom").arg(address).output().ok()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && !said.contains(":CONSOLE"), "{said}");
    Some(String::from_utf8(output.stdout).expect("UTF-8"))
}

fn check(result: &serde_json::Value) {
    let text = |key: &str| result[key].as_str().unwrap_or_default();
    assert_eq!(result["error"], serde_json::Value::Null);
    assert_eq!((&result["started"], text("empty")), (&true.into(), "Draw a digit"));
    let digits: Vec<String> = (0..10).map(|digit| digit.to_string()).collect();
    assert_eq!(result["drawn"], serde_json::json!(digits));
    let labels = DIGITS.chunks_exact(65).map(|record| record[0].to_string());
    let painted = result["painted"].as_array().expect("answers");
    let right = painted.iter().zip(labels).filter(|(answer, label)| **answer == **label).count();
    assert!(right >= RIGHT, "{right} of {PAINTED} painted digits were read");
    let facts: Vec<f64> = result["facts"]
        .as_array()
        .expect("numbers")
        .iter()
        .filter_map(|fact| fact.as_f64())
        .collect();
    let [own_parameters, dense_parameters, own_bytes, dense_bytes] = facts[..] else {
        panic!("{facts:?}");
    };
    assert!(own_parameters > 1e4 && dense_parameters > 2.0 * own_parameters, "{facts:?}");
    assert!(own_bytes > own_parameters && dense_bytes > 2.0 * own_bytes, "{facts:?}");
    assert_eq!(result["timed"], true);
    // From column 10 of 40 on: the edge is at column 22, in the middle of four pixels that a triangle weighs.
    let line = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 7, 8, 8, 8, 8, 8, 8, 8];
    assert_eq!(result["line"], serde_json::json!(line));
    assert_eq!(result["exact"], serde_json::json!([[0; 10], [1; 10]].concat()));
    assert!(!text("photo").is_empty() && text("photo") != "Open an image");
    assert_eq!((&result["network"], text("opened")), (&serde_json::Value::Null, "7"));
    assert!(text("damaged").starts_with("not a valid safetensors file"), "{}", text("damaged"));
    assert!(text("random").starts_with("not a valid safetensors file"), "{}", text("random"));
    assert_eq!(text("noImage"), "noise.png is no image that this browser can read");
    assert_eq!(text("after"), "4", "wrong files leave the network that there was");
}

#[test]
fn the_page_has_the_networks_of_its_folder_and_a_module_of_this_version() {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/demo");
    let read = |name: &str| fs::read_to_string(demo.join(name)).expect("a script");
    let version = format!("version: \"{}\"", env!("CARGO_PKG_VERSION"));
    assert!(read("module.js").contains(&version), "cargo xtask demo");
    let networks = read("networks.js");
    for entry in fs::read_dir(demo.join("models")).expect("the networks") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|kind| kind == "safetensors" || kind == "header") {
            let text = base64(&fs::read(&path).expect("a file"));
            assert!(networks.contains(&text), "{}: cargo xtask demo", path.display());
        }
    }
}

/// Bytes in base 64, but for what is left of them in the last three.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |chunk: &[u8]| u32::from_be_bytes([0, chunk[0], chunk[1], chunk[2]]);
    let letters = |group: u32| {
        [18, 12, 6, 0].map(|shift| char::from(LETTERS[(group >> shift) as usize & 63]))
    };
    bytes.chunks_exact(3).map(group).flat_map(letters).collect()
}

/// Serves the files of a folder to whoever asks, and returns the address.
fn serve(folder: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut request = [0; 4096];
            let length = stream.read(&mut request).unwrap_or(0);
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            let name = request.split(' ').nth(1).unwrap_or_default().trim_start_matches('/');
            let kind = match Path::new(name).extension().and_then(|kind| kind.to_str()) {
                Some("html") => "text/html",
                Some("css") => "text/css",
                _ => "text/javascript",
            };
            let (status, body) = match fs::read(folder.join(name)) {
                Ok(body) => ("200 OK", body),
                Err(_) => ("404 Not Found", Vec::new()),
            };
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            // A browser that hangs up is none that waits for more.
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
        }
    });
    format!("http://{address}/index.html")
}

#[test]
fn digits_are_read_on_a_page_that_is_opened_from_a_file() {
    let page = page();
    match result(&format!("file://{}/index.html", page.path().display())) {
        Some(result) => check(&result),
        None => skip("browser", "no chromium"),
    }
}

#[test]
fn digits_are_read_on_a_page_from_a_server() {
    let page = page();
    match result(&serve(page.path().to_path_buf())) {
        Some(result) => check(&result),
        None => skip("browser", "no chromium"),
    }
}
