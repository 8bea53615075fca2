//! Measures the product's speed and cost, each against a baseline in the same run: a machine's noise affects both
//! alike.
//! `cargo run --profile measure -p arcadia-bench` measures everything anew and writes the tables of
//! docs/performance.md.
//!
//! # Layout
//! One module for each section of that document: [`calls`] one handler against the bare SDK; [`functions`] whole
//! function
//! processes against the same in other languages; [`operations`] a command on many deployments; [`sweeps`], [`growth`]
//! and
//! [`plan`] the scheduled work. [`contestants`] builds those functions, [`process`] starts them at a [`runtime_api`]
//! and
//! measures them, and [`agreement`] checks that they all do the same work. Measurements take place at a [`place`], or
//! with
//! a [`stub`] where DynamoDB Local itself is the limit. [`stats`], [`report`] and [`machine`] produce the tables.
#![allow(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "it computes ratios, not amounts of money")]
#![allow(clippy::expect_used, reason = "a benchmark that cannot continue has no result")]

mod agreement;
mod calls;
mod contestants;
mod functions;
mod growth;
mod machine;
mod operations;
mod place;
mod plan;
mod process;
mod report;
mod runtime_api;
mod stats;
mod stub;
mod sweeps;

use std::error::Error;
use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};

use arcadia_functions::runtime::{Clock as _, RealClock};
use arcadia_harness::{dynamodb, project};
use clap::{Parser, ValueEnum};
use report::{Section, put_into};

/// The reason why a measurement failed.
pub type Failure = Box<dyn Error + Send + Sync>;

/// Measures speed and cost against baselines of the same run.
#[derive(Debug, Parser)]
struct Arguments {
    /// Sections to measure; all if none is named
    sections: Vec<Part>,
    /// Print the tables and leave docs/performance.md unchanged
    #[arg(long)]
    print: bool,
    /// Number of rounds, whose spread is reported
    #[arg(long, default_value_t = 9)]
    rounds: usize,
}

/// A section of docs/performance.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The machine of the measurements
    Machine,
    /// A handler against the bare SDK.
    Calls,
    /// A function process against the same in other languages.
    Functions,
    /// A command on many deployments against a bare loop.
    Operations,
    /// The sweep against a bare loop, and against what latency leaves possible.
    Sweeps,
    /// The cost of more deployments
    Growth,
    /// Every renewal at the same midnight, on paper and simulated.
    Plan,
}

fn main() -> Result<(), Failure> {
    let Arguments { sections, print, rounds } = Arguments::parse();
    let parts = if sections.is_empty() { Part::value_variants() } else { &sections };
    for part in parts {
        let section = measure(*part, rounds)?;
        let text = section.markdown();
        println!("## {}\n\n{text}", section.name);
        if !print {
            let path = format!("{}/docs/performance.md", project::ROOT);
            let document = fs::read_to_string(&path)?;
            fs::write(&path, put_into(&document, section.name, &text).ok_or("docs/performance.md lacks the markers")?)?;
        }
    }
    Ok(())
}

fn measure(part: Part, rounds: usize) -> Result<Section, Failure> {
    let runtime = runtime().build()?;
    match part {
        Part::Machine => machine::describe(),
        Part::Functions => runtime.block_on(functions::measure(rounds)),
        Part::Calls => runtime.block_on(calls::measure(rounds)),
        Part::Operations => runtime.block_on(operations::measure(rounds)),
        Part::Growth => runtime.block_on(growth::measure(rounds)),
        Part::Plan => plan::measure(),
        Part::Sweeps => sweeps::measure(rounds),
    }
}

/// A runtime like that of a function: with one thread.
fn runtime() -> tokio::runtime::Builder {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all();
    builder
}

/// A unique name.
fn unique(name: &str) -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("bench-{name}-{}-{}-{count}", std::process::id(), RealClock.now().timestamp_millis())
}
