//! The machine of the measurements: absolute times mean nothing without it.

use std::fs;
use std::process::Command;
use std::thread;

use crate::Failure;
use crate::contestants::output;
use crate::report::Section;

/// Describes the machine.
pub fn describe() -> Result<Section, Failure> {
    let version = |program: &str, argument: &str| -> Result<String, Failure> {
        let printed = output(Command::new(program).arg(argument))?;
        Ok(printed.lines().next().unwrap_or_default().to_owned())
    };
    let memory = field("/proc/meminfo", "MemTotal")?;
    let memory: u64 = memory.trim_end_matches(" kB").parse()?;
    let facts = [
        ("processor", format!("{}, {} cores", field("/proc/cpuinfo", "model name")?, thread::available_parallelism()?)),
        ("memory", format!("{} MB", memory * 1024 / 1_000_000)),
        ("kernel", fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned()),
        ("Rust", version("rustc", "--version")?),
        ("Java, of DynamoDB Local", version("java", "--version")?),
        ("Python", version("python3", "--version")?),
        ("Node", version("node", "--version")?),
    ];
    let lines: Vec<String> = facts.iter().map(|(name, value)| format!("| {name} | {value} |\n")).collect();
    let table = format!("| what | which |\n|---|---|\n{}", lines.concat());
    Ok(Section { name: "machine", findings: Vec::new(), tables: vec![table] })
}

/// A value of one of the kernel's files.
fn field(path: &str, name: &str) -> Result<String, Failure> {
    let text = fs::read_to_string(path)?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'));
    Ok(value.ok_or_else(|| format!("{path} has no {name}"))?.trim().to_owned())
}
