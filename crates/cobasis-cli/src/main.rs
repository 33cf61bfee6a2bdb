//! The program `cobasis`: see `cobasis --help`.

// They end the program where standard output or standard error is full or closed; `cli::output`
// has what does not.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

mod cli;

use std::process::ExitCode;

use cobasis_kernels::allocator::Allocator;

/// Where memory ends, the program says so and ends with 1, instead of being aborted.
#[global_allocator]
static MEMORY: Allocator = Allocator::new(cli::out_of_memory);

fn main() -> ExitCode {
    cli::main()
}
