//! The state that all actors share: the time, the table, the network between them, which loses and delays messages, and
//! the deliberate defects.

use std::rc::Rc;

use arcadia_domain::{Aggregate, DeploymentId, DunningPolicy, TenantId, Timestamp};
use arcadia_store::item::Item;
use arcadia_store::keys::{self, Key};
use arcadia_store::{Present, Store, items};
use aws_sdk_dynamodb::types::{CancellationReason, TransactWriteItem};
use chrono::{DateTime, SubsecRound, TimeDelta};
use uuid::Uuid;

use super::audit::Audit;
use super::table::{Outcome, Table};
use crate::harness::Random;

/// The number of machines. Each has its own clock.
pub const MACHINES: usize = 4;
/// The greatest error of a machine's clock, in seconds.
pub const MAX_SKEW_S: i64 = 120;
/// The number of times the SDK sends a request that gets no answer: as the real one.
pub const SDK_ATTEMPTS: u32 = 3;
/// The longest time between sending a request and its arrival at the table.
const MAX_DELAY: TimeDelta = TimeDelta::minutes(2);

/// A deliberate defect, which a test must find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defect {
    /// A writer does not recognise its own write.
    ForgetsItsCommit,
    /// A deployment and its events are written without a condition.
    NoVersionCondition,
    /// An idempotency record is written over another.
    NoRecordCondition,
    /// A claim on a slug, a trial or a payment's reference is written over another.
    NoClaimCondition,
    /// A request with a key is refused without reading the key's record.
    NoReplay,
    /// The result of a Query is accepted, whatever the versions of its items.
    NoVersionCheck,
    /// A resource is written over a version other than the one that was read.
    NoResourceCondition,
    /// A command is decided on a deployment with a due step.
    LateClock,
    /// The charges of a voided invoice are kept, so that they can be credited.
    CreditOutlivesCharge,
    /// The balance ends with the subscription.
    LosesBalance,
    /// A rung of the dunning ladder is taken days before it is due.
    EarlyRung,
    /// A command issues invoices under the default dunning policy, whatever the tenant's policy is. No audit of the
    /// simulator finds it, only the conformance test does.
    DefaultPolicy,
}

/// A write on its way to the table.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its request token, if it is a transaction.
    pub token: Option<String>,
    /// The writes.
    pub writes: Rc<Vec<TransactWriteItem>>,
    /// The commit, if it changes a deployment.
    pub commit: Option<Commit>,
}

/// One attempt to change a deployment.
#[derive(Debug, Clone, Copy)]
pub struct Commit {
    /// Its id.
    pub id: Uuid,
    /// The request that it is made for; `None` if a sweep makes it.
    pub request: Option<usize>,
    /// The true time of its decision.
    pub decided_at: Timestamp,
}

/// The number of events of each kind, over many seeds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    pub steps: u64,
    pub requests: u64,
    pub commits: u64,
    pub sweep_steps: u64,
    pub command_steps: u64,
    pub crashes: u64,
    pub lost: u64,
    pub torn: u64,
    pub late: u64,
    pub recovered: u64,
    pub busy: u64,
    pub conflicts: u64,
    pub replays: u64,
    pub postponed: u64,
}

impl Counts {
    /// Adds other counts to these.
    pub fn add(&mut self, other: Self) {
        let Self {
            steps,
            requests,
            commits,
            sweep_steps,
            command_steps,
            crashes,
            lost,
            torn,
            late,
            recovered,
            busy,
            conflicts,
            replays,
            postponed,
        } = other;
        for (sum, more) in [
            (&mut self.steps, steps),
            (&mut self.requests, requests),
            (&mut self.commits, commits),
            (&mut self.sweep_steps, sweep_steps),
            (&mut self.command_steps, command_steps),
            (&mut self.crashes, crashes),
            (&mut self.lost, lost),
            (&mut self.torn, torn),
            (&mut self.late, late),
            (&mut self.recovered, recovered),
            (&mut self.busy, busy),
            (&mut self.conflicts, conflicts),
            (&mut self.replays, replays),
            (&mut self.postponed, postponed),
        ] {
            *sum += more;
        }
    }
}

/// The state that all actors share.
pub struct World {
    pub random: Random,
    /// The true time, which no machine knows.
    pub now: Timestamp,
    pub table: Table,
    /// Builds transactions; it has no connection.
    pub store: Store,
    pub audit: Audit,
    pub counts: Counts,
    pub defect: Option<Defect>,
    /// Whether the network loses and delays nothing.
    pub is_calm: bool,
    skews: [TimeDelta; MACHINES],
    delayed: Vec<Message>,
    ids: u64,
    traces: bool,
}

impl World {
    pub fn new(seed: u64, store: Store, defect: Option<Defect>, traces: bool) -> Self {
        let mut random = Random::new(seed);
        let now = DateTime::from_timestamp(1_798_800_000, 0).expect("a time");
        let skews = [(); MACHINES].map(|()| skew(&mut random));
        Self {
            random,
            now,
            table: Table::default(),
            store,
            audit: Audit::default(),
            counts: Counts::default(),
            defect,
            is_calm: false,
            skews,
            delayed: Vec::new(),
            ids: 0,
            traces,
        }
    }

    /// A world without faults: the network loses nothing and every clock is right.
    pub fn calm(seed: u64, store: Store, defect: Option<Defect>, traces: bool) -> Self {
        let skews = [TimeDelta::zero(); MACHINES];
        Self { is_calm: true, skews, ..Self::new(seed, store, defect, traces) }
    }

    /// Prints what happens, if traces are on.
    pub fn trace(&self, what: impl FnOnce() -> String) {
        if self.traces {
            println!("{} {}", self.now.format("%Y-%m-%d %H:%M:%S%.3f"), what());
        }
    }

    /// True once in `one_in` times, at random.
    pub fn chance(&mut self, one_in: usize) -> bool {
        self.random.below(one_in) == 0
    }

    /// The time by a machine's clock.
    pub fn clock(&self, machine: usize) -> Timestamp {
        (self.now + self.skews[machine]).trunc_subsecs(3)
    }

    /// Sets the clock of one machine, forward or back.
    pub fn set_clock(&mut self) {
        let machine = self.random.below(MACHINES);
        self.skews[machine] = skew(&mut self.random);
    }

    /// Advances the true time.
    pub fn pass(&mut self, time: TimeDelta) {
        if time > MAX_DELAY {
            // No message is on its way for so long.
            self.delayed.clear();
        }
        self.now += time;
    }

    /// A UUIDv7 for `now`.
    pub fn new_id(&mut self, now: Timestamp) -> Uuid {
        self.ids += 1;
        let millis = u64::try_from(now.timestamp_millis()).expect("a time after 1970");
        Uuid::from_u64_pair((millis << 16) | 0x7000, 0x8000_0000_0000_0000 | self.ids)
    }

    /// Whether a read gets an answer.
    pub fn is_answered(&mut self) -> bool {
        let lost = !self.is_calm && self.chance(30);
        self.counts.lost += u64::from(lost);
        !lost
    }

    /// Reads a deployment's present state once, as `Store::load` does; `None` if the read was torn.
    pub fn read_present(&mut self, id: DeploymentId) -> Option<Aggregate> {
        let is_beside_a_transaction = !self.is_calm && self.chance(6);
        let torn = is_beside_a_transaction.then(|| self.table.torn(id, &mut self.random)).flatten();
        // The audit read the stored items with the store's own reader when they were written.
        let Some(items) = torn else { return Some(self.audit.aggregate(id).clone()) };
        self.counts.torn += 1;
        self.trace(|| "  a read is torn".to_owned());
        match Present::of(items).expect("readable items") {
            Present::Whole(aggregate) => Some(aggregate),
            Present::Torn(found) if self.defect == Some(Defect::NoVersionCheck) => found,
            Present::Torn(_) | Present::Absent => None,
        }
    }

    /// A tenant's dunning policy, as a command reads it.
    pub fn policy_of(&self, tenant_id: &TenantId) -> DunningPolicy {
        let item = self.table.get(&keys::dunning_policy(tenant_id));
        let item = item.filter(|_| self.defect != Some(Defect::DefaultPolicy));
        item.map(|item| items::to_dunning_policy(item.clone()).expect("a policy").record).unwrap_or_default()
    }

    /// Reads one item, which a transaction may be writing.
    pub fn read(&mut self, key: &Key) -> Option<Item> {
        if !self.is_calm
            && self.chance(3)
            && let Some(stale) = self.table.stale(key)
        {
            self.counts.torn += 1;
            return stale.cloned();
        }
        self.table.get(key).cloned()
    }

    /// Sends a write. `None` if no answer comes back: the write may never arrive, arrive late, or have been executed.
    pub fn send(&mut self, message: &Message) -> Option<Result<(), Vec<CancellationReason>>> {
        if self.is_calm {
            return Some(self.arrive(message));
        }
        match self.random.below(30) {
            0 | 1 => self.trace(|| "  a request is lost".to_owned()),
            2 => {
                self.trace(|| "  a request is delayed".to_owned());
                self.delayed.push(message.clone());
            }
            3..=5 => {
                let outcome = self.arrive(message);
                self.trace(|| format!("  and the answer is lost: {}", outcome.is_ok()));
            }
            _ => return Some(self.arrive(message)),
        }
        self.counts.lost += 1;
        None
    }

    /// Delivers one of the delayed messages.
    pub fn deliver_late(&mut self) {
        if self.delayed.is_empty() {
            return;
        }
        let index = self.random.below(self.delayed.len());
        let message = self.delayed.swap_remove(index);
        self.trace(|| "a delayed request arrives".to_owned());
        self.counts.late += 1;
        let _ = self.arrive(&message);
    }

    fn arrive(&mut self, message: &Message) -> Result<(), Vec<CancellationReason>> {
        let Message { token, writes, commit } = message;
        // The write that conflicts with another transaction, if any does.
        let is_busy = !self.is_calm && token.is_some() && self.random.below(12) == 0;
        let busy = is_busy.then(|| self.random.below(writes.len()));
        match self.table.transact(token.as_deref(), writes, self.now, |index| Some(index) == busy) {
            Outcome::Written => {
                self.trace(|| format!("  written{}", commit.map_or(String::new(), |commit| format!(" {}", commit.id))));
                self.counts.commits += u64::from(commit.is_some());
                self.audit.written(&self.table, message, self.now);
                Ok(())
            }
            Outcome::WrittenBefore => {
                self.trace(|| "  written before".to_owned());
                self.counts.recovered += 1;
                Ok(())
            }
            Outcome::Cancelled(reasons) => {
                self.trace(|| {
                    let codes: Vec<&str> = reasons.iter().filter_map(CancellationReason::code).collect();
                    format!("  cancelled {codes:?}")
                });
                self.counts.busy += u64::from(is_busy);
                Err(reasons)
            }
        }
    }
}

fn skew(random: &mut Random) -> TimeDelta {
    let span = usize::try_from(2 * MAX_SKEW_S + 1).expect("a small number");
    TimeDelta::seconds(i64::try_from(random.below(span)).expect("a small number") - MAX_SKEW_S)
}
