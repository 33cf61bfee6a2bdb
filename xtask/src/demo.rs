//! `cargo xtask demo`: the module for browsers, and the page `docs/demo` with it and its networks.
//!
//! A page that is opened from a file may load scripts but nothing else, so all is in scripts, in base 64.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use crate::{cargo, failed, root, run};

const TARGET: &str = "wasm32-unknown-unknown";
const BUILD: &[&str] = &[
    "build",
    "--package=cobasis-web",
    "--profile=web",
    "--locked",
    "--target=wasm32-unknown-unknown",
    "--message-format=json-render-diagnostics",
];
const TEST: &[&str] = &["test", "--profile=bench", "--locked", "--package=cobasis-web"];
const MODULE: &str = "cobasis_web.wasm";
/// Bytes of a module that would be a slip.
const MOST: usize = 500_000;
/// The networks of the page, files in `docs/demo/models`; the one shown first is in front.
const NETWORKS: &[&str] = &["digits", "cifar10"];
const HEAD: &str = "// Written by `cargo xtask demo`: bytes in base 64.\n\"use strict\";\n";
const NO_TARGET: &str =
    "the compiler has no target wasm32-unknown-unknown, and `rustup target add` can't get it";

/// Writes what `docs/demo` has of the module and of the networks.
pub fn demo(arguments: &[String]) -> ExitCode {
    if let Some(argument) = arguments.first() {
        eprintln!("error: expected no arguments, got {argument:?}");
        return ExitCode::from(2);
    }
    if !has_target() {
        eprintln!("error: {NO_TARGET}");
        return ExitCode::FAILURE;
    }
    ExitCode::from(build().map_or_else(|code| code, |module| written(write(&module, &page()))))
}

/// Builds the module anew and tests a copy of the page with it. Where there is no target for it, the page as it
/// is was tested, which must do.
pub fn check() -> u8 {
    if !has_target() {
        eprintln!("skipped: {NO_TARGET}");
        return 0;
    }
    let module = match build() {
        Ok(module) => module,
        Err(code) => return code,
    };
    let folder = module.with_file_name("demo");
    match written(copy(&module, &folder)) {
        0 => run(cargo(TEST).env("COBASIS_DEMO", folder)),
        code => code,
    }
}

/// Where the page is.
fn page() -> PathBuf {
    root().join("docs/demo")
}

/// Whether the compiler can build for browsers, after an attempt to make it able to.
fn has_target() -> bool {
    let rustc = || Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    let there = || {
        let output = rustc().args(["--print=target-libdir", "--target", TARGET]).output();
        output.is_ok_and(|output| {
            let folder = String::from_utf8_lossy(&output.stdout).trim().to_string();
            output.status.success() && Path::new(&folder).is_dir()
        })
    };
    // Without rustup, or without a network, what is there decides.
    there() || {
        let _ = Command::new("rustup").args(["target", "add", TARGET]).status();
        there()
    }
}

/// Builds the module, tells its size, and returns where it is, or cargo's exit code.
fn build() -> Result<PathBuf, u8> {
    let mut command = cargo(BUILD);
    // Vectors are the compiler's choice, and messages of panics name no folder of this machine.
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| env::home_dir().map(|home| home.join(".cargo")));
    let mut flags = vec!["-Ctarget-feature=+simd128".to_string()];
    flags.extend(home.map(|home| format!("--remap-path-prefix={}=cargo", home.display())));
    command.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    let output = match command.stderr(Stdio::inherit()).output() {
        Ok(output) => output,
        Err(error) => return Err(failed(&command, &error)),
    };
    if !output.status.success() {
        return Err(crate::exit_code(output.status).max(1));
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let Some(module) = messages.lines().find_map(module) else {
        eprintln!("error: cargo names no {MODULE}");
        return Err(1);
    };
    let size = told(&module).unwrap_or_default();
    if size > MOST {
        eprintln!("error: {MODULE}: expected at most {MOST} bytes, got {size}");
        return Err(1);
    }
    Ok(module)
}

/// The module, if one of cargo's messages says that it was built.
fn module(message: &str) -> Option<PathBuf> {
    let (before, _) = message.split_once(&format!("{MODULE}\""))?;
    let (_, folder) = before.rsplit_once('"')?;
    // JSON escapes the separators of Windows.
    Some(Path::new(&folder.replace("\\\\", "\\")).join(MODULE))
}

/// Tells the size of a file, and of what gzip makes of it where that is installed.
fn told(path: &Path) -> io::Result<usize> {
    let size = fs::metadata(path)?.len() as usize;
    let packed =
        Command::new("gzip").args(["-9", "--stdout"]).arg(path).stderr(Stdio::null()).output();
    let packed = packed.ok().filter(|packed| packed.status.success());
    let packed = packed.map_or(String::new(), |packed| format!(", {} packed", packed.stdout.len()));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    eprintln!("{name}: {size} bytes{packed}");
    Ok(size)
}

/// Writes the scripts with the module and the networks to a folder, and tells the sizes of these.
fn write(module: &Path, folder: &Path) -> io::Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    let module = base64(&fs::read(module)?);
    let module = format!("const MODULE = {{ version: \"{version}\", bytes: \"{module}\" }};\n");
    fs::write(folder.join("module.js"), [HEAD, &module].concat())?;
    let mut networks = format!("{HEAD}const FILES = {{\n");
    for name in NETWORKS {
        let file = page().join(format!("models/{name}.safetensors"));
        let dense = page().join(format!("models/{name}-dense.header"));
        told(&file)?;
        let [file, dense] = [base64(&fs::read(file)?), base64(&fs::read(dense)?)];
        networks.push_str(&format!("  {name}: {{ file: \"{file}\", dense: \"{dense}\" }},\n"));
    }
    fs::write(folder.join("networks.js"), networks + "};\n")
}

/// The page in another folder, with this module.
fn copy(module: &Path, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for entry in fs::read_dir(page())? {
        let path = entry?.path();
        if path.is_file() {
            fs::copy(&path, folder.join(path.file_name().unwrap_or_default()))?;
        }
    }
    write(module, folder)
}

fn written(result: io::Result<()>) -> u8 {
    match result {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("error: the page: {error}");
            1
        }
    }
}

/// Bytes in base 64, RFC 4648.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut group = [0; 4];
        group[1..=chunk.len()].copy_from_slice(chunk);
        let group = u32::from_be_bytes(group);
        for place in 0..4 {
            let letter = LETTERS[(group >> (18 - 6 * place)) as usize & 63];
            text.push(if place > chunk.len() { '=' } else { char::from(letter) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xfb, 0xff]), "+/8=");
    }

    #[test]
    fn the_module_is_found_in_cargos_messages() {
        let message = r#"{"target":{"name":"cobasis_web"},"filenames":["/t/web/cobasis_web.wasm","/t/l.rlib"]}"#;
        assert_eq!(module(message), Some(PathBuf::from("/t/web/cobasis_web.wasm")));
        assert_eq!(module(r#"{"reason":"build-finished","success":true}"#), None);
    }
}
