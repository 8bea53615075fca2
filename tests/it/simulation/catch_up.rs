//! The clock first, as `functions/src/catch_up.rs` has it: the due steps of one deployment, for a sweep and before a command.
//! Each advance is one request to the table.

use std::collections::HashMap;

use arcadia_shared::domain::{Aggregate, DunningPolicy, TenantId, Timestamp, step};
use arcadia_shared::store::items;
use arcadia_shared::store::{MAX_READS, StoreError, keys};

use super::world::{SDK_ATTEMPTS, World};
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
    climbed: bool,
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
        let phase = Phase::Deciding;
        Self { aggregate, machine, now, steps: 0, conflicts: 0, climbed: false, phase, sends: 0, torn: 0 }
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
                    let before = writer.change.before.as_ref().and_then(Aggregate::next_action);
                    self.climbed |= before.is_some_and(|next| next.action.is_dunning());
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
                    None if self.torn + 1 == MAX_READS => return Some(Outcome::Failed(stayed_torn())),
                    None => {
                        self.torn += 1;
                        self.phase = Phase::Again;
                    }
                }
            }
        }
        None
    }

    fn decide(&mut self, world: &mut World, policies: &Policies) -> Option<Outcome> {
        let at = self.now.max(self.aggregate.deployment.updated_at);
        let Some(next) = self.aggregate.next_action().filter(|next| next.at <= at) else {
            return Some(Outcome::UpToDate);
        };
        if self.steps == MAX_STEPS {
            return Some(Outcome::Behind);
        }
        if next.action.is_dunning() && self.climbed {
            return Some(Outcome::UpToDate);
        }
        let Some(policy) = policies.get(&self.aggregate.deployment.tenant_id) else {
            self.phase = Phase::Policy;
            return None;
        };
        let change = step(&self.aggregate, *policy, at);
        let change = change.unwrap_or_else(|| panic!("{next:?} is due and cannot be done"));
        self.phase = Phase::Commit(Box::new(Writer::new(world, self.machine, None, change, None)));
        None
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
