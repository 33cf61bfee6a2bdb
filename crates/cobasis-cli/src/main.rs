//! The program `cobasis`: see `cobasis --help`.

// They end the program where standard output or standard error is full or closed; `cli::output`
// has what does not.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
