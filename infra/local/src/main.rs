//! `arcadia`: the whole product on one machine.

use std::process::ExitCode;

fn main() -> ExitCode {
    arcadia_local::cli::run()
}
