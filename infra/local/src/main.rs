//! `arcadia`: the whole product on one machine.

use std::process::ExitCode;

/// Engine and functions in one process allocate from many threads what others free, with which the system's gets slower
/// and slower: at a hundred thousand transactions it takes half as long again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    arcadia_local::cli::run()
}
