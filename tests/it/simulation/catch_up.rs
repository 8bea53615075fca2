//! The clock first, as `functions/src/catch_up.rs` has it: the due steps of one deployment, for a sweep and before a command.
//! Each advance is one request to the table.

use std::collections::HashMap;

use arcadia_domain::{Aggregate, Change, DunningPolicy, TenantId, Timestamp, step};
use arcadia_store::{MAX_READS, StoreError, items, keys};

use super::world::{Defect, SDK_ATTEMPTS, World};
use super::writer::{Writer, no_answer, stayed_torn};

/// As the real ones.
const MAX_STEPS: usize = 3;
const MAX_CONFLICTS: usize = 3;

/// The policies that were read, by a sweep or for a request.
pub type Policies = HashMap<TenantId, DunningPolicy>;

/// A deployment that is brought up to a moment.
pub struct CatchUp {
    /// As it is now.
    pub aggregate: Aggregate,
    machine: usize,
    now: Timestamp,
    /// The steps that were taken.
    pub steps: usize,
    conflicts: usize,
    phase: Phase,
    /// How often the read that is under way was sent without an answer.
    sends: u32,
    /// How often what it reads was torn.
    torn: u32,
}

enum Phase {
    /// What is due is decided next; that takes no request.
    Deciding,
    Policy,
    Commit(Box<Writer>),
    /// Somebody else was faster.
    Again,
}

/// What it came to.
pub enum Outcome {
    UpToDate,
    Behind,
    Failed(StoreError),
}

impl CatchUp {
    pub fn new(aggregate: Aggregate, machine: usize, now: Timestamp) -> Self {
        Self { aggregate, machine, now, steps: 0, conflicts: 0, phase: Phase::Deciding, sends: 0, torn: 0 }
    }

    /// Goes on by at most one request to the table; tells the outcome when there is one.
    pub fn advance(&mut self, world: &mut World, policies: &mut Policies) -> Option<Outcome> {
        match std::mem::replace(&mut self.phase, Phase::Deciding) {
            Phase::Deciding => return self.decide(world, policies),
            Phase::Policy => {
                if !world.is_answered() {
                    return self.unanswered(Phase::Policy);
                }
                self.sends = 0;
                let tenant_id = self.aggregate.deployment.tenant_id.clone();
                let item = world.table.get(&keys::dunning_policy(&tenant_id)).cloned();
                let policy = item.map(|item| items::to_dunning_policy(item).expect("a policy"));
                policies.insert(tenant_id, policy.unwrap_or_default());
            }
            Phase::Commit(mut writer) => match writer.advance(world) {
                None => self.phase = Phase::Commit(writer),
                Some(Ok(())) => {
                    world.audit.acknowledged(writer.commit.id);
                    self.steps += 1;
                    self.aggregate = writer.change.after;
                }
                Some(Err(StoreError::VersionConflict)) if self.conflicts < MAX_CONFLICTS => {
                    world.audit.refused(writer.commit.id, world.now);
                    self.conflicts += 1;
                    self.phase = Phase::Again;
                }
                Some(Err(error)) => return Some(Outcome::Failed(error)),
            },
            Phase::Again => {
                if !world.is_answered() {
                    return self.unanswered(Phase::Again);
                }
                self.sends = 0;
                match world.read_present(self.aggregate.deployment.id) {
                    Some(aggregate) => self.aggregate = aggregate,
                    None if self.torn + 1 < MAX_READS => {
                        self.torn += 1;
                        self.phase = Phase::Again;
                    }
                    None => return Some(Outcome::Failed(stayed_torn())),
                }
            }
        }
        None
    }

    fn decide(&mut self, world: &mut World, policies: &Policies) -> Option<Outcome> {
        let at = self.now.max(self.aggregate.deployment.updated_at);
        if let Some(change) = self.early_rung(world, at) {
            self.phase = Phase::Commit(Box::new(Writer::new(world, self.machine, None, change, None)));
            return None;
        }
        let Some(next) = self.aggregate.next_action().filter(|next| next.at <= at) else {
            return Some(Outcome::UpToDate);
        };
        if self.steps == MAX_STEPS {
            return Some(Outcome::Behind);
        }
        let Some(policy) = policies.get(&self.aggregate.deployment.tenant_id) else {
            self.phase = Phase::Policy;
            return None;
        };
        let change = step(&self.aggregate, Some(*policy), at).expect("no limit is near");
        let change = change.unwrap_or_else(|| panic!("{next:?} is due and cannot be done"));
        self.phase = Phase::Commit(Box::new(Writer::new(world, self.machine, None, change, None)));
        None
    }

    /// A defect: a rung of the ladder that is taken as if the tenant's policy were some days shorter.
    fn early_rung(&self, world: &World, at: Timestamp) -> Option<Change> {
        const DAYS: u32 = 5;
        let is_due = |aggregate: &Aggregate| aggregate.next_action().filter(|next| next.at <= at);
        if world.defect != Some(Defect::EarlyRung) || is_due(&self.aggregate).is_some() {
            return None;
        }
        let mut hurried = self.aggregate.clone();
        let policy = &mut hurried.deployment.dunning_policy;
        policy.suspended_after_days = policy.suspended_after_days.saturating_sub(DAYS);
        policy.cancelled_after_days = policy.cancelled_after_days.saturating_sub(2 * DAYS);
        is_due(&hurried).filter(|next| next.action.is_dunning())?;
        let mut change = step(&hurried, None, at).ok().flatten()?;
        change.after.deployment.dunning_policy = self.aggregate.deployment.dunning_policy;
        Some(Change { before: Some(self.aggregate.clone()), ..change })
    }

    /// Notes that no answer came, and sends the same again unless that was once too often.
    fn unanswered(&mut self, phase: Phase) -> Option<Outcome> {
        self.sends += 1;
        if self.sends == SDK_ATTEMPTS {
            return Some(Outcome::Failed(no_answer()));
        }
        self.phase = phase;
        None
    }
}
