//! A whole function process, from its start: the product's deployed binary against the same transition in Python and in
//! JavaScript, with the same runtime API and the same DynamoDB Local.

use std::time::Duration;

use serde_json::json;

use crate::contestants::{Contestants, zip_size};
use crate::place::{Place, event};
use crate::process::{Process, Program};
use crate::report::{Finding, Goal, Section};
use crate::stats::{Ratios, Samples};
use crate::{Failure, agreement};

/// Calls of a process after its first, before it is warm.
const WARM_UP: usize = 100;
/// Calls of a warm process in a round.
const CALLS: usize = 500;
/// The number of calls after which a memory leak would show.
const MANY_CALLS: usize = 10_000;
/// Bytes of a megabyte.
const MB: f64 = 1_000_000.0;

/// The measurements of one process in one round.
#[derive(Debug)]
struct Run {
    cold: Duration,
    warm: Samples,
    cpu_of_call: Duration,
    peak_memory: u64,
}

/// The measurements of one contestant over all rounds.
#[derive(Debug, Default)]
struct Record {
    cold: Samples,
    warm: Samples,
    cpu_of_call: Samples,
    peak_memory: Vec<u64>,
}

/// The ratios of a peer's figures to the product's, round by round.
#[derive(Debug, Default)]
struct Versus {
    cold: Ratios,
    cpu_of_call: Ratios,
    peak_memory: Ratios,
}

/// Measures the section.
pub async fn measure(rounds: usize) -> Result<Section, Failure> {
    let contestants = Contestants::build()?;
    agreement::check(&contestants).await?;
    let place = Place::new("functions").await?;
    let mut records: [Record; 3] = Default::default();
    let mut versus: [Versus; 2] = Default::default();
    for round in 0..=rounds {
        let mut runs = [None, None, None];
        // The first contestant of one round is the last of another.
        for turn in 0..3 {
            let index = (turn + round) % 3;
            let program = contestants.all()[index];
            let deployment = place.create(&format!("{}-{round}", program.name.to_lowercase())).await?;
            runs[index] = Some(run(program, &place, &deployment, CALLS).await?);
        }
        let [Some(ours), Some(python), Some(node)] = runs else { unreachable!("each has had its turn") };
        // The first round warms DynamoDB Local and the machine's file caches.
        if round == 0 {
            continue;
        }
        for (versus, peer) in versus.iter_mut().zip([&python, &node]) {
            versus.cold.push(peer.cold, ours.cold);
            versus.cpu_of_call.push(peer.cpu_of_call, ours.cpu_of_call);
            versus.peak_memory.push_ratio(peer.peak_memory as f64 / ours.peak_memory as f64);
        }
        for (record, run) in records.iter_mut().zip([ours, python, node]) {
            record.take(run);
        }
    }
    let deployment = place.create("many").await?;
    let many = run(&contestants.ours, &place, &deployment, MANY_CALLS).await?;
    let zip = zip_size(&contestants.ours)?;
    let mut findings = ratios(&records, &versus);
    let peak = many.peak_memory as f64 / MB;
    findings.push(Finding::once("peak memory of ours", Goal::AtMost(16.0), peak, " MB", format!("{MANY_CALLS} calls")));
    findings.push(Finding::once("zip of ours", Goal::AtMost(4.0), zip as f64 / MB, " MB", "deflated, level 6"));
    Ok(Section { name: "functions", findings, tables: vec![table(&contestants, &records)] })
}

/// Starts a process, calls it until it is warm, and then `calls` times more.
async fn run(program: &Program, place: &Place, deployment: &str, calls: usize) -> Result<Run, Failure> {
    let event_to =
        |to_state| event("transition_deployment", &json!({"id": deployment}), &json!({"to_state": to_state}));
    let events = [event_to("paused"), event_to("active")];
    let expect = |answer: &serde_json::Value| {
        if answer["statusCode"] == 200 { Ok(()) } else { Err(format!("{}: {answer}", program.name)) }
    };
    let (mut process, first) = Process::start(program, place, &events[0]).await?;
    expect(&first.answer)?;
    let mut warm = Samples::default();
    let mut cpu_before = Duration::ZERO;
    for call in 1..=WARM_UP + calls {
        let answered = process.call(&events[call % 2]).await?;
        expect(&answered.answer)?;
        if call == WARM_UP {
            cpu_before = process.cpu_time()?;
        } else if call > WARM_UP {
            warm.push(answered.took);
        }
    }
    let cpu = process.cpu_time()? - cpu_before;
    let peak_memory = process.peak_memory()?;
    process.end().await?;
    Ok(Run { cold: first.took, warm, cpu_of_call: cpu / u32::try_from(calls)?, peak_memory })
}

impl Record {
    fn take(&mut self, run: Run) {
        self.cold.push(run.cold);
        self.warm.extend(run.warm);
        self.cpu_of_call.push(run.cpu_of_call);
        self.peak_memory.push(run.peak_memory);
    }

    fn peak_memory_mb(&self) -> f64 {
        let mut sorted = self.peak_memory.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).map_or(0.0, |bytes| *bytes as f64 / MB)
    }
}

/// The ratios of the peers' figures to the product's.
fn ratios(records: &[Record; 3], versus: &[Versus; 2]) -> Vec<Finding> {
    let [ours, python, node] = records;
    let times = |of: fn(&Record) -> Duration, peer: &Record| format!("{:.2?} / {:.2?}", of(peer), of(ours));
    let mut findings = Vec::new();
    for (name, peer, versus, cold, cpu) in
        [("Python", python, &versus[0], 25.0, 4.0), ("Node", node, &versus[1], 12.0, 8.0)]
    {
        let memory = format!("{:.1} MB / {:.1} MB", peer.peak_memory_mb(), ours.peak_memory_mb());
        findings.extend([
            Finding::ratio(
                format!("cold start, {name} / ours"),
                Goal::AtLeast(cold),
                &versus.cold,
                times(|record| record.cold.median(), peer),
            ),
            Finding::ratio(
                format!("CPU time of a warm call, {name} / ours"),
                Goal::AtLeast(cpu),
                &versus.cpu_of_call,
                times(|record| record.cpu_of_call.median(), peer),
            ),
            Finding::ratio(format!("peak memory, {name} / ours"), Goal::AtLeast(5.0), &versus.peak_memory, memory),
        ]);
    }
    findings
}

fn table(contestants: &Contestants, records: &[Record; 3]) -> String {
    let mut lines = vec![
        "| | cold start | warm call, p50 | p99 | CPU time of a warm call | peak memory |\n".to_owned(),
        "|---|---|---|---|---|---|\n".to_owned(),
    ];
    for (program, record) in contestants.all().iter().zip(records) {
        lines.push(format!(
            "| {} | {:.2?} | {:.2?} | {:.2?} | {:.2?} | {:.1} MB |\n",
            program.name,
            record.cold.median(),
            record.warm.median(),
            record.warm.percentile(99),
            record.cpu_of_call.median(),
            record.peak_memory_mb(),
        ));
    }
    lines.concat()
}
