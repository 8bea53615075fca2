//! `arcadia completions`: what a shell needs to complete the commands.

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use clap_complete::{Shell, generate};

use super::CliError;

#[derive(Debug, Args)]
pub struct Completions {
    /// Which shell
    #[arg(value_enum)]
    shell: Supported,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Supported {
    /// source <(arcadia completions bash)
    Bash,
    /// source <(arcadia completions zsh)
    Zsh,
    /// arcadia completions fish | source
    Fish,
}

/// Runs the command.
pub fn run(options: &Completions) -> Result<(), CliError> {
    let shell = match options.shell {
        Supported::Bash => Shell::Bash,
        Supported::Zsh => Shell::Zsh,
        Supported::Fish => Shell::Fish,
    };
    // Written at once: the generator would panic over a pipe that is closed early.
    let mut script = Vec::new();
    generate(shell, &mut super::command(), "arcadia", &mut script);
    Ok(io::stdout().write_all(&script)?)
}
