//! What all actors share: the time, the table, the network in between that loses and delays, and what can be broken on
//! purpose.

use std::rc::Rc;

use arcadia_domain::{Aggregate, DeploymentId, Timestamp};
use arcadia_store::item::Item;
use arcadia_store::keys::Key;
use arcadia_store::{Present, Store};
use aws_sdk_dynamodb::types::{CancellationReason, TransactWriteItem};
use chrono::{DateTime, SubsecRound, TimeDelta};
use uuid::Uuid;

use super::audit::Audit;
use super::table::{Outcome, Table};
use crate::harness::Random;

/// How many machines there are, each with a clock of its own.
pub const MACHINES: usize = 4;
/// How far a machine's clock is off at most, in seconds.
pub const MAX_SKEW_S: i64 = 120;
/// How often the SDK sends a request that gets no answer: as the real one.
pub const SDK_ATTEMPTS: u32 = 3;
/// The longest that a request can be under way before it reaches the table.
const MAX_DELAY: TimeDelta = TimeDelta::minutes(2);

/// A defect that is put in on purpose, to see that it is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defect {
    /// A writer does not know its own write again.
    ForgetsItsCommit,
    /// A deployment and its events are written on no condition.
    NoVersionCondition,
    /// An idempotency record is written over another.
    NoRecordCondition,
    /// A claim on a slug, a trial or a payment's reference is written over another.
    NoClaimCondition,
    /// A request under a key is refused without a look at what became of it before.
    NoReplay,
    /// What a Query found is taken for whole, whichever versions its items are of.
    NoVersionCheck,
    /// A resource is written over another version than was read.
    NoResourceCondition,
    /// A command is decided on a deployment of which a step of the clock is due.
    LateClock,
    /// The charges of a voided invoice stay on record, so that they can be credited.
    CreditOutlivesCharge,
    /// The balance ends with the subscription.
    LosesBalance,
    /// A rung of the dunning ladder is taken days before it is due.
    EarlyRung,
}

/// A write on its way to the table.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its request token, if it is a transaction.
    pub token: Option<String>,
    /// What is to be written.
    pub writes: Rc<Vec<TransactWriteItem>>,
    /// Whose commit it is, if it changes a deployment.
    pub commit: Option<Commit>,
}

/// One attempt to change something.
#[derive(Debug, Clone, Copy)]
pub struct Commit {
    /// Its name.
    pub id: Uuid,
    /// The request that it is made for, unless it is a sweep's.
    pub request: Option<usize>,
    /// When it was decided on, by the true time.
    pub decided_at: Timestamp,
}

/// What happened in all, over many seeds.
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
    /// Adds others up with these.
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

/// What all actors share.
pub struct World {
    pub random: Random,
    /// The true time; no machine knows it.
    pub now: Timestamp,
    pub table: Table,
    /// Builds transactions, and reaches nothing.
    pub store: Store,
    pub audit: Audit,
    pub counts: Counts,
    pub defect: Option<Defect>,
    /// Whether the network loses anything.
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

    /// Tells what happens, if somebody listens.
    pub fn trace(&self, what: impl FnOnce() -> String) {
        if self.traces {
            println!("{} {}", self.now.format("%Y-%m-%d %H:%M:%S%.3f"), what());
        }
    }

    /// Whether something of that chance happens now.
    pub fn chance(&mut self, one_in: usize) -> bool {
        self.random.below(one_in) == 0
    }

    /// What a machine takes for the present moment.
    pub fn clock(&self, machine: usize) -> Timestamp {
        (self.now + self.skews[machine]).trunc_subsecs(3)
    }

    /// Sets a machine's clock, perhaps back.
    pub fn set_clock(&mut self) {
        let machine = self.random.below(MACHINES);
        self.skews[machine] = skew(&mut self.random);
    }

    /// Lets time pass.
    pub fn pass(&mut self, time: TimeDelta) {
        if time > MAX_DELAY {
            // Nothing is under way for so long.
            self.delayed.clear();
        }
        self.now += time;
    }

    /// A UUIDv7 of `now`.
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

    /// Reads a deployment's present state as `Store::load` does, once; `None` if that was torn.
    pub fn read_present(&mut self, id: DeploymentId) -> Option<Aggregate> {
        let is_beside_a_transaction = !self.is_calm && self.chance(6);
        let torn = is_beside_a_transaction.then(|| self.table.torn(id, &mut self.random)).flatten();
        // What is stored was read with the store's own reader when it was written.
        let Some(items) = torn else { return Some(self.audit.aggregate(id).clone()) };
        self.counts.torn += 1;
        self.trace(|| "  a read is torn".to_owned());
        match Present::of(items).expect("readable items") {
            Present::Whole(aggregate) => Some(aggregate),
            Present::Torn(found) if self.defect == Some(Defect::NoVersionCheck) => found,
            Present::Torn(_) | Present::Absent => None,
        }
    }

    /// Reads an item by itself, which a transaction may be writing.
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

    /// Sends a write. `None` if no answer comes back: it may never arrive, arrive late, or have been carried out.
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

    /// Lets a request arrive that was under way for long.
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
        // Which of its writes, if any, another transaction is at.
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
