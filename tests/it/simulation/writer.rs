//! A commit in progress, sent by the rules of the store until its outcome is known, one request at a time. The store
//! itself builds the transaction and judges its cancellations.

use std::rc::Rc;

use arcadia_domain::{Aggregate, Change, EventKind};
use arcadia_store::{CommitId, Companion, IdempotencyRecord, StoreError, Verdict, judge};
use aws_sdk_dynamodb::types::Put;

use super::table::key_of;
use super::world::{Commit, Defect, Message, SDK_ATTEMPTS, World};

/// A commit in progress.
pub struct Writer {
    pub change: Change,
    pub message: Message,
    pub commit: Commit,
    record: Option<IdempotencyRecord>,
    /// The number of attempts by the store, and of those by the SDK in the present attempt.
    attempt: u32,
    sends: u32,
}

impl Writer {
    /// Begins to commit a change that `machine` decided.
    pub fn new(
        world: &mut World,
        machine: usize,
        request: Option<usize>,
        mut change: Change,
        record: Option<&IdempotencyRecord>,
    ) -> Self {
        spoil(&mut change, world.defect);
        let id = world.new_id(world.clock(machine));
        let mut writes = world
            .store
            .writes(&change, CommitId::new(id), record.map(Companion::Answer))
            .expect("records that can be expressed");
        let is_claimed = change.before.is_none() || change.trial_of.is_some() || pays(&change);
        let last = writes.len() - 1;
        for (index, put) in
            writes.iter_mut().enumerate().filter_map(|(index, write)| Some((index, write.put.as_mut()?)))
        {
            let is_unconditional = match world.defect {
                // Each of the two conditions stops a stale writer alone.
                Some(Defect::NoVersionCondition) => index == 0 || is_event(put),
                Some(Defect::NoClaimCondition) => is_claimed && index == 1,
                Some(Defect::NoRecordCondition) => record.is_some() && index == last,
                Some(Defect::NoResourceCondition) => key_of(&put.item).1.starts_with("RESOURCE#"),
                _ => false,
            };
            if is_unconditional {
                put.condition_expression = None;
            }
        }
        let commit = Commit { id, request, decided_at: world.now };
        let message = Message { token: Some(id.to_string()), writes: Rc::new(writes), commit: Some(commit) };
        world.trace(|| {
            let kinds: Vec<String> = change.events.iter().map(|event| format!("{:?}", event.kind)).collect();
            let kinds: Vec<&str> = kinds.iter().map(|kind| kind.split([' ', '(']).next().unwrap_or_default()).collect();
            format!("  decided {kinds:?} from version {} as {id}", change.after.deployment.version - kinds.len() as u64)
        });
        Self { change, message, commit, record: record.cloned(), attempt: 0, sends: 0 }
    }

    /// Sends it once; returns its outcome once that is known.
    pub fn advance(&mut self, world: &mut World) -> Option<Result<(), StoreError>> {
        let Some(answer) = world.send(&self.message) else {
            self.sends += 1;
            return (self.sends == SDK_ATTEMPTS).then(|| Err(no_answer()));
        };
        let Err(reasons) = answer else { return Some(Ok(())) };
        self.sends = 0;
        self.attempt += 1;
        let mut verdict =
            judge(&reasons, &self.change, CommitId::new(self.commit.id), self.record.as_ref().map(Companion::Answer));
        world.counts.recovered += u64::from(matches!(verdict, Verdict::CommittedBefore));
        if world.defect == Some(Defect::ForgetsItsCommit) && matches!(verdict, Verdict::CommittedBefore) {
            verdict = Verdict::Refused(StoreError::VersionConflict);
        }
        let outcome = verdict.after(self.attempt);
        world.counts.conflicts += u64::from(matches!(outcome, Some(Err(StoreError::VersionConflict))));
        outcome
    }
}

fn is_event(put: &Put) -> bool {
    put.item.get("SK").and_then(|key| key.as_s().ok()).is_some_and(|key| key.starts_with("EVENT#"))
}

/// Puts a defect into the books of a decided change.
fn spoil(change: &mut Change, defect: Option<Defect>) {
    let Some(before) = &change.before else { return };
    match defect {
        Some(Defect::CreditOutlivesCharge) => {
            for event in &mut change.events {
                if let EventKind::InvoiceVoided { subscription: subscription @ Some(_), .. } = &mut event.kind {
                    *subscription = None;
                    change.after.subscription.clone_from(&before.subscription);
                    change.after.versions.clone_from(&before.versions);
                }
            }
        }
        Some(Defect::LosesBalance) => {
            let lives = |aggregate: &Aggregate| aggregate.live_subscription().is_some();
            if lives(before) && !lives(&change.after) {
                change.after.deployment.balances.clear();
            }
        }
        _ => {}
    }
}

fn pays(change: &Change) -> bool {
    use arcadia_domain::EventKind::PaymentReceived;
    change.events.iter().any(|event| matches!(event.kind, PaymentReceived { .. }))
}

/// The SDK's error after its last attempt.
pub fn no_answer() -> StoreError {
    StoreError::Unavailable("no answer".into())
}

/// The store's error after its last torn read.
pub fn stayed_torn() -> StoreError {
    StoreError::Unavailable("torn each time".into())
}
