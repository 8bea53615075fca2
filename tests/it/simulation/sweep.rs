//! One sweep of the only shard, as `functions/src/billing/sweep.rs` does it. Each step is at most one request to the table.
//!
//! It differs from the real sweep in this on purpose: it works on one deployment after another, not on several at once;
//! a deployment without an answer is left to the next sweep; and a postponed deployment has no trace in the attention
//! list, because this table refuses no step permanently.

use std::collections::{HashSet, VecDeque};
use std::rc::Rc;

use arcadia_domain::{Aggregate, DeploymentId, Timestamp};
use arcadia_store::item::string;
use arcadia_store::keys::{self, Key};
use arcadia_store::{DueRow, MAX_READS, POSTPONED_SINCE, StoreError, error_chain};
use aws_sdk_dynamodb::types::{TransactWriteItem, Update};
use chrono::TimeDelta;

use super::catch_up::{CatchUp, Outcome, Policies};
use super::world::{Message, SDK_ATTEMPTS, World};
use super::writer::no_answer;

/// The values of the real one, except for the page: some sweeps should read a second page.
const BACKOFF: TimeDelta = TimeDelta::hours(1);
const PAGE: usize = 2;
const SHARD: u8 = 0;

/// A sweep.
pub struct Sweep {
    pub machine: usize,
    now: Timestamp,
    after: Option<String>,
    more: bool,
    rows: VecDeque<DueRow>,
    policies: Policies,
    /// Deployments in progress, and those still due after a step, which this sweep does not work on again.
    met: HashSet<DeploymentId>,
    phase: Phase,
    sends: u32,
    /// The number of steps taken.
    pub steps: usize,
}

enum Phase {
    Page,
    Load(DueRow, u32),
    CatchUp(DueRow, Box<CatchUp>),
    Postpone(Message),
}

impl Sweep {
    pub fn new(world: &World, machine: usize) -> Self {
        let now = world.clock(machine);
        let (rows, policies, met) = (VecDeque::new(), Policies::new(), HashSet::new());
        Self { machine, now, after: None, more: true, rows, policies, met, phase: Phase::Page, sends: 0, steps: 0 }
    }

    /// Continues by at most one request to the table; returns whether it is over.
    pub fn advance(&mut self, world: &mut World) -> bool {
        match std::mem::replace(&mut self.phase, Phase::Page) {
            Phase::Page => return self.page(world),
            Phase::Load(row, torn) => match self.answered(world, |world| world.read_present(row.id)) {
                None => self.phase = Phase::Load(row, torn),
                Some(Ok(Some(aggregate))) => {
                    let catch_up = CatchUp::new(aggregate, self.machine, self.now);
                    self.catch_up(world, row, Box::new(catch_up));
                }
                Some(Ok(None)) if torn + 1 < MAX_READS => self.phase = Phase::Load(row, torn + 1),
                Some(Ok(None) | Err(_)) => {
                    self.met.remove(&row.id);
                    self.next_row();
                }
            },
            Phase::CatchUp(row, catch_up) => self.catch_up(world, row, catch_up),
            Phase::Postpone(message) => match world.send(&message) {
                None if self.sends + 1 < SDK_ATTEMPTS => {
                    self.sends += 1;
                    self.phase = Phase::Postpone(message);
                }
                None | Some(_) => {
                    self.sends = 0;
                    self.next_row();
                }
            },
        }
        false
    }

    fn answered<T>(&mut self, world: &mut World, read: impl FnOnce(&mut World) -> T) -> Option<Result<T, StoreError>> {
        if world.is_answered() {
            self.sends = 0;
            return Some(Ok(read(world)));
        }
        self.sends += 1;
        if self.sends < SDK_ATTEMPTS {
            return None;
        }
        self.sends = 0;
        Some(Err(no_answer()))
    }

    fn page(&mut self, world: &mut World) -> bool {
        if !self.more {
            return true;
        }
        let (now, after) = (self.now, self.after.clone());
        match self.answered(world, |world| world.table.due(SHARD, now, after.as_deref(), PAGE)) {
            None => return false,
            // The message goes back into the queue.
            Some(Err(_)) => return true,
            Some(Ok((rows, more))) => {
                world.trace(|| format!("  a page of {} due", rows.len()));
                self.after = rows.last().map(|row| row.sort_key.clone());
                (self.rows, self.more) = (rows.into(), more);
            }
        }
        self.next_row();
        false
    }

    /// Turns to the next deployment of the page, or to the next page.
    fn next_row(&mut self) {
        let next = std::iter::from_fn(|| self.rows.pop_front()).find(|row| self.met.insert(row.id));
        self.phase = next.map_or(Phase::Page, |row| Phase::Load(row, 0));
    }

    fn catch_up(&mut self, world: &mut World, row: DueRow, mut catch_up: Box<CatchUp>) {
        let taken = catch_up.steps;
        let outcome = catch_up.advance(world, &mut self.policies);
        let more = catch_up.steps - taken;
        self.steps += more;
        world.counts.sweep_steps += more as u64;
        if outcome.is_some() && catch_up.steps < 2 && !is_due(&catch_up.aggregate, self.now) {
            self.met.remove(&row.id);
        }
        match outcome {
            None => self.phase = Phase::CatchUp(row, catch_up),
            Some(Outcome::UpToDate | Outcome::Behind) => self.next_row(),
            Some(Outcome::Failed(StoreError::Unavailable(_) | StoreError::VersionConflict)) => {
                self.met.remove(&row.id);
                self.next_row();
            }
            Some(Outcome::Failed(error)) => {
                world.trace(|| format!("  postponed: {}", error_chain(&error)));
                world.counts.postponed += 1;
                self.phase = Phase::Postpone(postponement(&row, self.now));
            }
        }
    }
}

/// As in `catch_up::due_action` of the functions.
fn is_due(aggregate: &Aggregate, now: Timestamp) -> bool {
    let at = now.max(aggregate.deployment.updated_at);
    aggregate.next_action().is_some_and(|next| next.at <= at)
}

/// The write of `Store::postpone`.
fn postponement(row: &DueRow, now: Timestamp) -> Message {
    let Key { pk, sk } = keys::deployment(row.id);
    let update = Update::builder()
        .table_name("simulated")
        .key("PK", string(pk))
        .key("SK", string(sk))
        .update_expression("SET GSI3SK = :until, #since = if_not_exists(#since, :now)")
        .condition_expression("GSI3SK = :read")
        .expression_attribute_names("#since", POSTPONED_SINCE)
        .expression_attribute_values(":until", string(keys::due_sort_key(now + BACKOFF, row.id)))
        .expression_attribute_values(":now", string(now.to_rfc3339()))
        .expression_attribute_values(":read", string(row.sort_key.clone()))
        .build()
        .expect("an update");
    Message { token: None, writes: Rc::new(vec![TransactWriteItem::builder().update(update).build()]), commit: None }
}
