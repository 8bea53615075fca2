//! An operation on many deployments against bare loops of the same commits. In a loop the SDK alone sends the Query of
//! each deployment's present state and a TransactWriteItems that was built before, with the worker's concurrency. It
//! reads no pages, decides nothing and looks up no results. Rates are excluded: the clock skips every wait of the
//! worker.

use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arcadia_domain::{
    Actor, Aggregate, Amount, Authority, Command, Correct, Correction, DeploymentId, MAX_OPERATION_RATE, Operation,
    OperationCommand, OperationId, OperationOutcome, OperationResult, OperationStatus, Scope, decide,
};
use arcadia_functions::operations::run::{CONCURRENCY, Turned, Worker};
use arcadia_store::{Companion, keys};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::types::TransactWriteItem;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::json;

use crate::Failure;
use crate::agreement::stored;
use crate::place::{Place, TENANT, query};
use crate::report::{Finding, Goal, Section};
use crate::stats::{Ratios, Samples, cpu_time};
use crate::sweeps::{Tenancy, copy_table};

/// The number of deployments of an operation.
const DEPLOYMENTS: usize = 1_000;
/// The measured programs: the operation, then the loops.
const CONTESTANTS: usize = 3;
/// The time limit of an attempt. On a busy machine DynamoDB Local can delay one of 32 requests for longer than the
/// product waits for DynamoDB.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(60);
/// The page on which a deployment has its result.
const FIRST_PAGE: u64 = 1;

/// The item that a loop writes beside each deployment and its event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beside {
    /// The result, as an operation does.
    Result,
    /// Nothing, as a single command does.
    Nothing,
}

/// A bare loop, on a table of its own.
struct Loop {
    place: Place,
    beside: Beside,
    /// The deployments as they are stored in its table.
    deployments: Vec<Aggregate>,
}

/// A commit that is ready to be sent.
struct Commit {
    partition: String,
    token: String,
    writes: Vec<TransactWriteItem>,
}

/// The time that an operation or a loop took for each deployment.
#[derive(Debug, Clone, Copy, Default)]
struct Spent {
    wall: Duration,
    cpu: Duration,
}

/// The ratios of an operation's time to a loop's.
#[derive(Debug, Default)]
struct Versus {
    wall: Ratios,
    cpu: Ratios,
}

/// Measures the section.
pub async fn measure(rounds: usize) -> Result<Section, Failure> {
    let tenancy = Tenancy::new(DEPLOYMENTS).await?;
    let tenancy = Tenancy { place: patient(&tenancy.place), ..tenancy };
    let mut loops = [Loop::new(&tenancy, Beside::Result).await?, Loop::new(&tenancy, Beside::Nothing).await?];
    let mut versus: [Versus; 2] = Default::default();
    let mut wall: [Samples; CONTESTANTS] = Default::default();
    let mut cpu: [Samples; CONTESTANTS] = Default::default();
    for round in 0..=rounds {
        let operation = start(&tenancy).await?;
        let mut commits = [loops[0].commits(&operation)?, loops[1].commits(&operation)?];
        let mut spent = [Spent::default(); CONTESTANTS];
        for turn in 0..CONTESTANTS {
            // The contestants take turns at being first.
            let contestant = (round + turn) % CONTESTANTS;
            spent[contestant] = match contestant.checked_sub(1) {
                None => Spent::by(work(&tenancy, operation.id)).await?,
                Some(index) => Spent::by(loops[index].send(mem::take(&mut commits[index]))).await?,
            };
        }
        agree(&tenancy, &loops, operation.id).await?;
        if round == 0 {
            continue;
        }
        for (versus, of_loop) in versus.iter_mut().zip(&spent[1..]) {
            versus.wall.push(spent[0].wall, of_loop.wall);
            versus.cpu.push(spent[0].cpu, of_loop.cpu);
        }
        for (contestant, Spent { wall: of_wall, cpu: of_cpu }) in spent.into_iter().enumerate() {
            wall[contestant].push(of_wall);
            cpu[contestant].push(of_cpu);
        }
    }
    let a_second = |samples: &Samples| 1.0 / samples.mean().as_secs_f64();
    let rates = |index: usize| format!("{:.0} / {:.0} a second", a_second(&wall[0]), a_second(&wall[index]));
    let times = |index: usize| format!("{:.2?} / {:.2?}", cpu[0].mean(), cpu[index].mean());
    let [same, single] = &versus;
    let what = "time of an operation / of a bare loop of the same commits, 32 at a time";
    let what_single = "time of an operation / of a bare loop of the commits of single commands, without results";
    let the_same = "the same, CPU time of a deployment";
    Ok(Section {
        name: "operations",
        findings: vec![
            Finding::ratio(what, Goal::AtMost(1.25), &same.wall, rates(1)),
            Finding::ratio(the_same, Goal::AtMost(1.5), &same.cpu, times(1)),
            Finding::ratio(what_single, Goal::AtMost(1.6), &single.wall, rates(2)),
            Finding::ratio(the_same, Goal::AtMost(2.0), &single.cpu, times(2)),
        ],
        tables: Vec::new(),
    })
}

/// The same place, with a client that waits longer.
fn patient(place: &Place) -> Place {
    let store = &place.app.store;
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT).build();
    let client = Client::from_conf(store.client().config().to_builder().timeout_config(timeouts).build());
    Place::on(client, store.table(), Arc::clone(&place.app.clock))
}

/// Starts an operation that credits every deployment of the tenant.
async fn start(tenancy: &Tenancy) -> Result<Operation, Failure> {
    let body = json!({
        "filter": {"tenant_id": TENANT},
        "command": {"type": "credit", "amount_cents": 500, "currency": "USD"},
        "reason": "outage",
        "rate_per_second": MAX_OPERATION_RATE,
    });
    let started = tenancy.place.call("start_operation", json!({}), body).await?;
    let id = started["operation"]["id"].as_str().ok_or("an operation without an id")?.parse()?;
    Ok(tenancy.place.app.store.load_operation(id).await?.ok_or("the operation is not stored")?)
}

/// Works on an operation to its end.
async fn work(tenancy: &Tenancy, id: OperationId) -> Result<(), Failure> {
    let mut worker = Worker::start(&tenancy.place.app, id).await?.ok_or("the operation has no work")?;
    while let Turned::NextAt(at) = worker.turn().await? {
        tenancy.clock.set(at.max(tenancy.clock.get()));
    }
    Ok(())
}

/// Fails unless the operation has credited every deployment, and each loop has stored the same items.
async fn agree(tenancy: &Tenancy, loops: &[Loop], id: OperationId) -> Result<(), Failure> {
    let store = &tenancy.place.app.store;
    let operation = store.load_operation(id).await?.ok_or("the operation is gone")?;
    if operation.status != OperationStatus::Completed || operation.counts.done != DEPLOYMENTS as u64 {
        return Err(format!("not every deployment was credited: {operation:?}").into());
    }
    let ids = [&tenancy.ids[0], &tenancy.ids[DEPLOYMENTS - 1]];
    let deployment_ids: Vec<DeploymentId> = ids.into_iter().map(|id| id.parse()).collect::<Result<_, _>>()?;
    for bare in loops {
        for id in ids {
            if stored(&bare.place, id).await? != stored(&tenancy.place, id).await? {
                return Err(format!("a loop and the operation store different items of {id}").into());
            }
        }
        let results = bare.place.app.store.operation_results_of(id, &deployment_ids).await?;
        let expected = match bare.beside {
            Beside::Result => store.operation_results_of(id, &deployment_ids).await?,
            Beside::Nothing => Vec::new(),
        };
        if untimed(results) != untimed(expected) {
            return Err("a loop stores other results than the operation".into());
        }
    }
    Ok(())
}

/// Results by deployment, without their times, which differ from page to page.
fn untimed(mut results: Vec<OperationResult>) -> Vec<OperationResult> {
    results.sort_unstable_by_key(|result| result.deployment_id);
    for result in &mut results {
        result.at = chrono::DateTime::UNIX_EPOCH;
    }
    results
}

impl Spent {
    /// The time of some work for each deployment.
    async fn by(work: impl Future<Output = Result<(), Failure>>) -> Result<Self, Failure> {
        let (wall, cpu) = (Instant::now(), cpu_time()?);
        work.await?;
        let count = u32::try_from(DEPLOYMENTS)?;
        Ok(Self { wall: wall.elapsed() / count, cpu: (cpu_time()? - cpu) / count })
    }
}

impl Loop {
    /// A loop on a copy of the tenancy's table.
    async fn new(tenancy: &Tenancy, beside: Beside) -> Result<Self, Failure> {
        let place = patient(&Place::new_at("bare", Arc::clone(&tenancy.place.app.clock)).await?);
        copy_table(&tenancy.place, &place).await?;
        let mut deployments = Vec::with_capacity(tenancy.ids.len());
        for id in &tenancy.ids {
            deployments.push(place.app.store.load(&Scope::All, id.parse()?).await?.ok_or("a deployment is gone")?);
        }
        Ok(Self { place, beside, deployments })
    }

    /// The commits of an operation for all deployments, as its worker would send them now.
    fn commits(&mut self, operation: &Operation) -> Result<Vec<Commit>, Failure> {
        let Operation { id, command, reason, notes, started_by, .. } = operation;
        let OperationCommand::Credit { amount_cents, currency } = command else { return Err("not a credit".into()) };
        let correction = Correction::Credit(Amount { amount_cents: *amount_cents, currency: *currency });
        let correct = Correct { correction, reason: reason.clone(), notes: notes.clone() };
        let actor = Actor { id: started_by.clone(), authority: Authority::PlatformAdmin };
        let (app, now) = (&self.place.app, self.place.app.clock.now());
        let mut commits = Vec::with_capacity(self.deployments.len());
        for aggregate in &mut self.deployments {
            let change = decide(aggregate, Command::Correct(correct.clone()), &actor, None, now)?;
            let change = change.ok_or("a credit changes something")?.because(reason.as_ref(), notes.as_ref());
            let deployment = &change.after.deployment;
            let result = OperationResult {
                deployment_id: deployment.id,
                tenant_id: Some(deployment.tenant_id.clone()),
                slug: Some(deployment.slug.clone()),
                outcome: OperationOutcome::Done,
                version: Some(deployment.version),
                problem: None,
                at: now,
                page: FIRST_PAGE,
            };
            let companion = match self.beside {
                Beside::Result => Some(Companion::Result(*id, &result)),
                Beside::Nothing => None,
            };
            let commit_id = app.new_commit_id();
            let writes = app.store.writes(&change, commit_id, companion)?;
            commits.push(Commit { partition: keys::partition(deployment.id), token: commit_id.to_string(), writes });
            *aggregate = change.after;
        }
        Ok(commits)
    }

    /// Sends the requests of all commits.
    async fn send(&self, commits: Vec<Commit>) -> Result<(), Failure> {
        let sent = stream::iter(commits).map(|commit| self.send_one(commit)).buffer_unordered(CONCURRENCY);
        sent.try_collect().await
    }

    async fn send_one(&self, commit: Commit) -> Result<(), Failure> {
        let Commit { partition, token, writes } = commit;
        if query(&self.place, &partition, keys::PRESENT).await?.is_empty() {
            return Err("a deployment is gone".into());
        }
        let request = self.place.app.store.client().transact_write_items().client_request_token(token);
        request.set_transact_items(Some(writes)).send().await?;
        Ok(())
    }
}
