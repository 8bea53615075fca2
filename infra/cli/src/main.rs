//! `arcadia`: a client of Arcadia Cloud, and the whole product on one machine.

use std::process::ExitCode;

/// The engine and the functions free memory on other threads than the ones that allocated it, which makes the system
/// allocator slower over time: half as slow again after a hundred thousand transactions.
#[cfg(feature = "local")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    arcadia_cli::run()
}
