//! What the machine must have beside Rust: the project's own scripts find it or install it, and say in a line why not.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Command, Stdio};

use super::project::ROOT;

/// Runs one of the project's scripts; what it printed, or what it complained of. That is shown as it comes, too: a test's
/// own output is held back, and installing takes minutes.
pub fn script(path: &str, arguments: &[&str]) -> Result<String, String> {
    let failed = |error: io::Error| format!("{path}: {error}");
    let mut command = Command::new(format!("{ROOT}/{path}"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    let (mut printed, mut complaints) = (String::new(), String::new());
    for line in child.stderr.take().map(|stderr| BufReader::new(stderr).lines()).into_iter().flatten() {
        let line = line.map_err(failed)?;
        writeln!(io::stderr(), "{line}").map_err(failed)?;
        complaints = complaints + &line + "\n";
    }
    // Both scripts print one line at most, which a pipe holds.
    child.stdout.take().map_or(Ok(0), |mut stdout| stdout.read_to_string(&mut printed)).map_err(failed)?;
    if child.wait().map_err(failed)?.success() { Ok(printed) } else { Err(complaints) }
}
