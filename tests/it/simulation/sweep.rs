//! One run of `billing_sweep` over the one shard there is, as `functions/src/billing/sweep.rs` does it, deployment by
//! deployment. Each step is one request to the table.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use arcadia_shared::domain::{Aggregate, DunningPolicy, TenantId, Timestamp, step};
use arcadia_shared::store::items::{self, string};
use arcadia_shared::store::keys::{self, Key};
use arcadia_shared::store::{DueRow, MAX_READS, StoreError};
use aws_sdk_dynamodb::types::{TransactWriteItem, Update};
use chrono::TimeDelta;

use super::world::{Message, SDK_ATTEMPTS, World};
use super::writer::{Writer, no_answer};

/// As the real ones, but for the page: a second page is to be read at times.
const MAX_STEPS: usize = 3;
const MAX_CONFLICTS: usize = 3;
const BACKOFF: TimeDelta = TimeDelta::hours(1);
const PAGE: usize = 2;
const SHARD: u8 = 0;

/// A run.
pub struct Sweep {
    pub machine: usize,
    now: Timestamp,
    after: Option<String>,
    more: bool,
    rows: VecDeque<DueRow>,
    policies: HashMap<TenantId, DunningPolicy>,
    phase: Phase,
    sends: u32,
    /// The steps that it has taken in all.
    pub steps: usize,
}

enum Phase {
    Page,
    Load(Work),
    Policy(Work, Box<Aggregate>),
    Commit(Work, Box<Writer>),
    Postpone(Message),
}

/// What a sweep does for one deployment.
struct Work {
    row: DueRow,
    steps: usize,
    conflicts: usize,
    climbed: bool,
    /// How often what it reads was torn.
    torn: u32,
}

impl Sweep {
    pub fn new(world: &World, machine: usize) -> Self {
        let now = world.clock(machine);
        let (rows, policies) = (VecDeque::new(), HashMap::new());
        Self { machine, now, after: None, more: true, rows, policies, phase: Phase::Page, sends: 0, steps: 0 }
    }

    /// Goes on by one request to the table; tells when it is over.
    pub fn advance(&mut self, world: &mut World) -> bool {
        match std::mem::replace(&mut self.phase, Phase::Page) {
            Phase::Page => return self.page(world),
            Phase::Load(mut work) => match self.answered(world, |world| world.read_present(work.row.id)) {
                None => self.phase = Phase::Load(work),
                Some(Ok(Some(aggregate))) => self.go_on(world, work, aggregate),
                Some(Ok(None)) if work.torn + 1 < MAX_READS => {
                    work.torn += 1;
                    self.phase = Phase::Load(work);
                }
                Some(Ok(None) | Err(_)) => self.next_row(),
            },
            Phase::Policy(work, aggregate) => {
                let tenant_id = aggregate.deployment.tenant_id.clone();
                match self.answered(world, |world| world.table.get(&keys::dunning_policy(&tenant_id)).cloned()) {
                    None => self.phase = Phase::Policy(work, aggregate),
                    Some(Ok(item)) => {
                        let policy = item.map(|item| items::to_dunning_policy(item).expect("a policy"));
                        self.policies.insert(tenant_id, policy.unwrap_or_default());
                        self.go_on(world, work, *aggregate);
                    }
                    Some(Err(_)) => self.next_row(),
                }
            }
            Phase::Commit(work, writer) => self.commit(world, work, writer),
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
        self.phase = self
            .rows
            .pop_front()
            .map_or(Phase::Page, |row| Phase::Load(Work { row, steps: 0, conflicts: 0, climbed: false, torn: 0 }));
    }

    /// What comes next for a deployment as it is now.
    fn go_on(&mut self, world: &mut World, work: Work, aggregate: Aggregate) {
        let next = aggregate.next_action().filter(|next| next.at <= self.now && work.steps < MAX_STEPS);
        let Some(next) = next.filter(|next| !(next.action.is_dunning() && work.climbed)) else {
            return self.next_row();
        };
        let Some(policy) = self.policies.get(&aggregate.deployment.tenant_id) else {
            self.phase = Phase::Policy(work, Box::new(aggregate));
            return;
        };
        let change = step(&aggregate, Some(*policy), self.now).expect("no limit is near");
        let change = change.unwrap_or_else(|| panic!("{next:?} is due and cannot be done"));
        let writer = Writer::new(world, self.machine, None, change, None);
        self.phase = Phase::Commit(work, Box::new(writer));
    }

    fn commit(&mut self, world: &mut World, mut work: Work, mut writer: Box<Writer>) {
        match writer.advance(world) {
            None => self.phase = Phase::Commit(work, writer),
            Some(Ok(())) => {
                world.audit.acknowledged(writer.commit.id);
                world.counts.sweep_steps += 1;
                self.steps += 1;
                work.steps += 1;
                let before = writer.change.before.as_ref().and_then(Aggregate::next_action);
                work.climbed |= before.is_some_and(|next| next.action.is_dunning());
                self.go_on(world, work, writer.change.after);
            }
            Some(Err(StoreError::VersionConflict)) if work.conflicts < MAX_CONFLICTS => {
                world.audit.refused(writer.commit.id, world.now);
                work.conflicts += 1;
                self.phase = Phase::Load(work);
            }
            Some(Err(StoreError::Unavailable(_))) => self.next_row(),
            Some(Err(error)) => {
                world.trace(|| format!("  postponed: {error}"));
                world.counts.postponed += 1;
                self.phase = Phase::Postpone(postponement(&work.row, self.now + BACKOFF));
            }
        }
    }
}

/// As `Store::postpone` writes it.
fn postponement(row: &DueRow, until: Timestamp) -> Message {
    let Key { pk, sk } = keys::deployment(row.id);
    let update = Update::builder()
        .table_name("simulated")
        .key("PK", string(pk))
        .key("SK", string(sk))
        .update_expression("SET GSI3SK = :until")
        .condition_expression("GSI3SK = :read")
        .expression_attribute_values(":until", string(keys::due_sort_key(until, row.id)))
        .expression_attribute_values(":read", string(row.sort_key.clone()))
        .build()
        .expect("an update");
    Message { token: None, writes: Rc::new(vec![TransactWriteItem::builder().update(update).build()]), commit: None }
}
