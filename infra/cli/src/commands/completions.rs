//! `arcadia completions`: prints shell completions.

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use clap_complete::{Shell, generate};

use crate::client::Failure;

#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
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
pub fn run(options: &Completions) -> Result<(), Failure> {
    let shell = match options.shell {
        Supported::Bash => Shell::Bash,
        Supported::Zsh => Shell::Zsh,
        Supported::Fish => Shell::Fish,
    };
    // Written in one call: the generator would panic on a closed pipe.
    let mut script = Vec::new();
    generate(shell, &mut super::command(), "arcadia", &mut script);
    Ok(io::stdout().write_all(&script)?)
}
