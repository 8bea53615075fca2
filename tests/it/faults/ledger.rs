//! The clients' requests and the answers to them, from a caller that follows the answers and keeps the books.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

use arcadia_functions::billing::sweep;
use arcadia_store::{StoreError, error_chain};
use chrono::TimeDelta;
use reqwest::Method;
use serde_json::Value;
use tokio::sync::RwLock;
use tokio::time::{Duration, Instant};

use crate::harness::billing::Billing;
use crate::harness::client::send;
use crate::harness::world::{ACME, token};
use crate::harness::{Random, Reply};

/// The most attempts of a repeatable request.
const MAX_TRIES: usize = 10;
/// Longer than any sweep takes.
const SWEEP_LIMIT: Duration = Duration::from_secs(300);

/// The kinds of operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    Create,
    Transition,
    Update,
    AddResource,
    DeleteResource,
    Subscribe,
    Attach,
    Detach,
    ChangePlan,
    WithdrawChange,
    Cancel,
    WithdrawCancellation,
    ExtendTrial,
    Pay,
    Void,
    PutCatalog,
    Publish,
    PutPolicy,
    Read,
}

/// The callers' roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    User,
    Admin,
    Provider,
    DataPlane,
}

/// A request of a client. Its number is in the name of its caller, so that every event leads back to its operation.
#[derive(Debug, Clone)]
pub struct Operation {
    pub number: usize,
    pub what: What,
    pub role: Role,
    /// The deployment, if it exists already.
    pub deployment: Option<String>,
    pub method: Method,
    pub path: String,
    pub body: Option<Value>,
    pub if_match: Option<String>,
}

/// The outcome, as far as the client knows.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// It was executed, or nothing needed to change.
    Done(Reply),
    /// It was refused with this code.
    Refused(String),
    /// The outcome is unknown.
    Unknown,
}

/// An operation with its outcome.
#[derive(Debug)]
pub struct Entry {
    pub operation: Operation,
    pub outcome: Outcome,
    /// Whether an earlier attempt may have executed it already.
    pub repeated: bool,
}

/// All entries, and the world that they happened in.
#[derive(Debug)]
pub struct Ledger {
    pub billing: Billing,
    pub entries: Mutex<Vec<Entry>>,
    /// The deployments that clients know.
    pub deployments: Mutex<Vec<String>>,
    /// Held while a key is in use, so that it does not expire between two attempts.
    day: RwLock<()>,
    drawn: AtomicUsize,
    limit: usize,
    unavailable: AtomicUsize,
    conflicts: AtomicUsize,
    steps: AtomicUsize,
}

/// The counts of a run.
#[derive(Debug)]
pub struct Tally {
    pub operations: usize,
    pub unavailable: usize,
    pub conflicts: usize,
    pub steps: usize,
}

impl What {
    /// The types of event that it can cause, one event of one of them at most.
    pub const fn events(self) -> &'static [&'static str] {
        match self {
            Self::Create => &["created"],
            // Pausing a paused deployment changes the end of the pause.
            Self::Transition => &["state_changed", "updated"],
            Self::Update => &["updated"],
            Self::AddResource => &["resource_added"],
            Self::DeleteResource => &["resource_deleted"],
            Self::Subscribe => &["subscribed"],
            Self::Attach => &["addon_attached"],
            Self::Detach => &["addon_detached"],
            Self::ChangePlan => &["plan_changed", "plan_change_scheduled", "plan_change_withdrawn"],
            Self::WithdrawChange => &["plan_change_withdrawn"],
            Self::Cancel => &["cancellation_scheduled", "subscription_cancelled"],
            Self::WithdrawCancellation => &["cancellation_withdrawn"],
            Self::ExtendTrial => &["trial_extended"],
            Self::Pay => &["payment_received"],
            Self::Void => &["invoice_voided"],
            Self::PutCatalog | Self::Publish | Self::PutPolicy | Self::Read => &[],
        }
    }

    /// Returns whether executing it twice equals executing it once, whatever happens in between.
    const fn is_repeatable(self) -> bool {
        matches!(self, Self::Read | Self::DeleteResource | Self::Detach | Self::Pay | Self::PutPolicy)
    }
}

impl Operation {
    /// The name of its caller.
    pub fn actor(&self) -> String {
        format!("op-{}", self.number)
    }

    /// Returns whether it is a dry run.
    pub fn is_dry_run(&self) -> bool {
        self.body.as_ref().is_some_and(|body| body["dry_run"] == true)
    }

    /// Returns whether it carries an `Idempotency-Key`, as half of those do that can. With a key and retries until an
    /// answer, it was executed exactly once; without a key, a 503 means at most once.
    pub fn has_key(&self) -> bool {
        self.method == Method::POST && self.number.is_multiple_of(2)
    }

    fn token(&self) -> String {
        match self.role {
            Role::User => token(&self.actor(), "tenant_user", Some(ACME)),
            Role::Admin => token(&self.actor(), "platform_admin", None),
            Role::Provider => token(&self.actor(), "payment_provider", None),
            Role::DataPlane => token(&self.actor(), "data_plane", None),
        }
    }
}

impl Ledger {
    /// An empty ledger of a world, for `limit` operations.
    pub fn new(billing: Billing, limit: usize) -> Self {
        Self {
            billing,
            entries: Mutex::default(),
            deployments: Mutex::default(),
            day: RwLock::new(()),
            drawn: AtomicUsize::new(0),
            limit,
            unavailable: AtomicUsize::new(0),
            conflicts: AtomicUsize::new(0),
            steps: AtomicUsize::new(0),
        }
    }

    /// The number of the next operation, unless all are drawn.
    pub fn draw(&self) -> Option<usize> {
        let number = self.drawn.fetch_add(1, Ordering::Relaxed);
        (number < self.limit).then_some(number)
    }

    /// Sends an operation as its answers tell: a repeatable one again for as long as the answer is 503.
    pub async fn perform(&self, operation: Operation) -> Outcome {
        let token = operation.token();
        let _today = if operation.has_key() { Some(self.day.read().await) } else { None };
        let mut tries = 0;
        let outcome = loop {
            let reply = self.send(&operation, &token).await;
            tries += 1;
            if reply.status >= 500 {
                check_unavailable(reply);
                self.unavailable.fetch_add(1, Ordering::Relaxed);
                if (operation.what.is_repeatable() || operation.has_key()) && tries < MAX_TRIES {
                    continue;
                }
                break Outcome::Unknown;
            }
            if reply.body["code"] == "idempotency_key_in_use" && tries < MAX_TRIES {
                continue;
            }
            break self.judge(&operation, reply, tries > 1);
        };
        if let (What::Create, Outcome::Done(reply)) = (operation.what, &outcome) {
            let id = reply.body["deployment"]["id"].as_str().expect("an id").to_owned();
            lock(&self.deployments).push(id);
        }
        if let (true, Outcome::Done(first)) = (operation.has_key() && !operation.is_dry_run(), &outcome) {
            let again = self.send(&operation, &token).await;
            let told = (again.status, again.header("idempotent-replayed"), &again.text);
            assert!(again.status >= 500 || told == (first.status, "true", &first.text), "{operation:?}: {again:?}");
        }
        lock(&self.entries).push(Entry { operation, outcome: outcome.clone(), repeated: tries > 1 });
        outcome
    }

    /// Lets some days pass and sweeps. Deployments that DynamoDB did not respond for are left to the next sweep.
    pub async fn let_time_pass(&self, random: &mut Random) {
        const MAX_HOURS: usize = 240;
        let hours = i64::try_from(1 + random.below(MAX_HOURS)).expect("some hours");
        {
            let _midnight = self.day.write().await;
            self.billing.clock.shift(TimeDelta::hours(hours));
        }
        match sweep::sweep(&self.billing.app, Instant::now() + SWEEP_LIMIT).await {
            Ok(report) => {
                self.steps.fetch_add(report.steps, Ordering::Relaxed);
                self.unavailable.fetch_add(report.unanswered, Ordering::Relaxed);
            }
            Err(StoreError::Unavailable(_)) => {
                self.unavailable.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => panic!("a sweep failed: {}", error_chain(&error)),
        }
    }

    /// The resources that a deployment is known to have or to have had.
    pub fn resources(&self, id: &str) -> Vec<String> {
        let entries = lock(&self.entries);
        let added = entries.iter().filter(|entry| entry.operation.what == What::AddResource);
        let resources = added.filter_map(|entry| match &entry.outcome {
            Outcome::Done(reply) if reply.body["resource"]["deployment_id"] == id => {
                reply.body["resource"]["id"].as_str().map(str::to_owned)
            }
            _ => None,
        });
        resources.collect()
    }

    /// The counts so far.
    pub fn tally(&self) -> Tally {
        let of = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        Tally {
            operations: lock(&self.entries).len(),
            unavailable: of(&self.unavailable),
            conflicts: of(&self.conflicts),
            steps: of(&self.steps),
        }
    }

    async fn send(&self, operation: &Operation, token: &str) -> Reply {
        let mut request = self.billing.request(operation.method.clone(), &operation.path, token);
        if let Some(body) = &operation.body {
            request = request.json(body);
        }
        if let Some(tag) = &operation.if_match {
            request = request.header("if-match", tag);
        }
        if operation.has_key() {
            request = request.header("idempotency-key", operation.actor());
        }
        send(request).await
    }

    fn judge(&self, operation: &Operation, reply: Reply, repeated: bool) -> Outcome {
        if reply.status < 300 {
            return Outcome::Done(reply);
        }
        let code = reply.body["code"].as_str().expect("a refusal has a code").to_owned();
        let overtaken = code == "version_conflict";
        self.conflicts.fetch_add(usize::from(overtaken), Ordering::Relaxed);
        // A record of the catalog is put without a token, so its writer recognises its own write only until the next
        // one.
        let doubtful = overtaken && operation.what == What::PutCatalog;
        let repeated = repeated && !operation.has_key();
        if repeated || doubtful { Outcome::Unknown } else { Outcome::Refused(code) }
    }
}

/// The only allowed failure is a 503 that says when to retry.
fn check_unavailable(reply: Reply) {
    let seconds: u32 = reply.header("retry-after").parse().expect("Retry-After in seconds");
    assert!((1..=60).contains(&seconds), "{seconds}");
    reply.expect_problem(503, "unavailable");
}

/// Locks a mutex.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder of the lock panics")
}
