//! The due steps of one deployment, for a sweep and before a command, as `functions/src/catch_up.rs` takes them. Each
//! advance is at most one request to the table.

use std::collections::HashMap;

use arcadia_domain::{Aggregate, Change, DunningPolicy, TenantId, Timestamp, step};
use arcadia_store::{MAX_READS, StoreError, items, keys};

use super::world::{Defect, SDK_ATTEMPTS, World};
use super::writer::{Writer, no_answer, stayed_torn};

/// The limits of the real ones.
const MAX_STEPS: usize = 3;
const MAX_CONFLICTS: usize = 3;

/// The dunning policies that a sweep or a request has read.
pub type Policies = HashMap<TenantId, DunningPolicy>;

/// A deployment whose due steps are taken.
pub struct CatchUp {
    /// The deployment after the steps so far.
    pub aggregate: Aggregate,
    machine: usize,
    now: Timestamp,
    /// The number of steps taken.
    pub steps: usize,
    conflicts: usize,
    phase: Phase,
    /// The number of times that the present read was sent without an answer.
    sends: u32,
    /// The number of torn reads.
    torn: u32,
}

enum Phase {
    /// The next step is to be decided, without a request.
    Deciding,
    /// The step issues an invoice, so the tenant's policy is to be read.
    Policy,
    Commit(Box<Writer>),
    /// Another writer was first, so the deployment is to be read again.
    Again,
}

/// The outcome, as the real one.
pub enum Outcome {
    UpToDate,
    Behind,
    Failed(StoreError),
}

impl CatchUp {
    pub fn new(aggregate: Aggregate, machine: usize, now: Timestamp) -> Self {
        Self { aggregate, machine, now, steps: 0, conflicts: 0, phase: Phase::Deciding, sends: 0, torn: 0 }
    }

    /// Continues by at most one request to the table; returns the outcome once there is one.
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
                let policy = item.map(|item| items::to_dunning_policy(item).expect("a policy").record);
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
        let decide = |policy| {
            let change = step(&self.aggregate, policy, at).expect("no limit is near");
            change.unwrap_or_else(|| panic!("{next:?} is due but cannot be decided"))
        };
        let mut change = decide(None);
        if change.issues_invoice() {
            let Some(policy) = policies.get(&self.aggregate.deployment.tenant_id) else {
                self.phase = Phase::Policy;
                return None;
            };
            change = decide(Some(*policy));
        }
        self.phase = Phase::Commit(Box::new(Writer::new(world, self.machine, None, change, None)));
        None
    }

    /// A defect: takes a rung of the ladder as if the tenant's policy were some days shorter.
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

    /// Counts a request without an answer, and repeats it unless that was the last attempt.
    fn unanswered(&mut self, phase: Phase) -> Option<Outcome> {
        self.sends += 1;
        if self.sends == SDK_ATTEMPTS {
            return Some(Outcome::Failed(no_answer()));
        }
        self.phase = phase;
        None
    }
}
