//! The program `cobasis`: see `cobasis --help`.

mod cli;

use std::process::ExitCode;

use cobasis_kernels::allocator::Allocator;

/// Where memory ends, the program says so and ends with 1, instead of being aborted.
#[global_allocator]
static MEMORY: Allocator = Allocator::new(cli::out_of_memory);

fn main() -> ExitCode {
    cli::main()
}
