//! Operations: one command on many deployments, page by page. An operation records its progress and its end;
//! working on a page, and storing its results, is in `arcadia_functions` and `arcadia_store`.
//!
//! A *pass* walks once over the deployments that the filter selects. Passes repeat, because indexes lag and commands
//! read the catalog outside their transaction: a deployment that another request was changing when the operation
//! started can be missing from the first pass.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::aggregate::Aggregate;
use super::charge::Invoiced;
use super::decide::{Effective, Postponement, Proration};
use super::lifecycle::State;
use super::money::Currency;
use super::subscription::PlanTerms;
use super::values::{DeploymentId, DisplayName, Notes, OperationId, Reason, ShortCode, Slug, TenantId, Timestamp};

/// The most deployments that an operation can name by id.
pub const MAX_OPERATION_IDS: usize = 1_000;
/// The most operations of a table that run at a time.
pub const MAX_RUNNING_OPERATIONS: usize = 20;
/// Deployments per second of an operation whose request does not set it.
pub const DEFAULT_OPERATION_RATE: u32 = 100;
/// The most deployments per second. All results of an operation are in one partition of the table, and each costs two
/// of the 1,000 write units that DynamoDB serves per second there.
pub const MAX_OPERATION_RATE: u32 = 400;
/// The most deployments of a page.
pub const MAX_OPERATION_PAGE: usize = 100;
/// The most passes of an operation that keeps finding new deployments.
pub const MAX_OPERATION_PASSES: u32 = 50;

/// How long after the start of an operation a pass must begin to be its last. By then the indexes show every change,
/// and every request has ended, that was under way at the start.
const SETTLING: TimeDelta = TimeDelta::seconds(60);
/// How long after a pass with unanswered deployments the next one begins.
const RETRY_AFTER: TimeDelta = TimeDelta::seconds(10);
/// Microseconds of a second.
const SECOND_US: i64 = 1_000_000;

/// An operation: a command on every deployment that its filter selects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Operation {
    /// Its id.
    pub id: OperationId,
    /// The deployments that it is for.
    pub filter: OperationFilter,
    /// The command.
    pub command: OperationCommand,
    /// The reason, stored in the events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Notes, stored in the events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<Notes>,
    /// Deployments per second.
    pub rate_per_second: u32,
    /// Whether it runs.
    pub status: OperationStatus,
    /// The operator who started it: the actor of its events.
    pub started_by: String,
    /// When it was started.
    pub started_at: Timestamp,
    /// The operator who stopped it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_by: Option<String>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// The deployments that matched when it was started.
    pub matching: Matching,
    /// Its results so far.
    #[serde(default)]
    pub counts: OperationCounts,
    /// Its progress.
    pub progress: Progress,
    /// The number of its stored changes. A change is stored only over the revision that was read.
    pub revision: u64,
}

/// The deployments that an operation is for: those that meet every condition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct OperationFilter {
    /// Only deployments of this tenant.
    #[serde(default)]
    pub tenant_id: Option<TenantId>,
    /// Only deployments in this state.
    #[serde(default)]
    pub state: Option<State>,
    /// Only deployments with a live subscription to this plan.
    #[serde(default)]
    pub plan_code: Option<ShortCode>,
    /// Only deployments subscribed to this version of the plan.
    #[serde(default)]
    pub plan_version: Option<u32>,
    /// Number of deployments that were named by id; null if none were. The results have their ids.
    #[serde(default)]
    pub ids: Option<usize>,
}

/// The command of an operation.
// A new command is a variant here, read in shared/api/src/body/operations.rs and given to a deployment in
// functions/src/operations/command.rs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum OperationCommand {
    /// Move each deployment to another state.
    Transition {
        /// The state to enter.
        to_state: State,
    },
    /// Change the plan version of each live subscription.
    ChangePlan {
        /// Code of the new plan.
        plan_code: ShortCode,
        /// Version of the new plan.
        plan_version: u32,
        /// When the change takes effect.
        effective: Effective,
        /// How an immediate change bills the rest of the period.
        proration: Proration,
        /// Whether to drop add-ons of another currency instead of refusing the change.
        drop_incompatible: bool,
    },
    /// Announce the price of the version that replaces a closed one. Publishing that version starts it.
    AnnouncePrice {
        /// The terms of the new version.
        terms: PlanTerms,
        /// The closed version.
        replaces: u32,
        /// The moment from which each subscription changes at its first period boundary.
        effective_from: Timestamp,
    },
    /// Change each deployment's own fields.
    Update {
        /// Hold: whether scheduled steps leave its state unchanged.
        billing_action_suspended: bool,
    },
    /// Grant each deployment balance, such as for an outage.
    Credit {
        /// The amount, in minor units.
        amount_cents: i64,
        /// The currency of the amount.
        currency: Currency,
    },
    /// Charge each deployment once.
    Charge {
        /// The description on the invoice.
        description: DisplayName,
        /// The amount, in minor units.
        amount_cents: i64,
        /// The currency of the amount.
        currency: Currency,
        /// When it is invoiced.
        when: Invoiced,
    },
    /// Give every open invoice of each deployment a later due date.
    DueDate {
        /// How much later.
        #[serde(flatten)]
        postponement: Postponement,
    },
    /// Grant the subscription of each deployment the discount of a coupon.
    Discount {
        /// Code of the coupon.
        coupon: ShortCode,
    },
    /// Copy the rules of its tenant to each deployment, as they are when its turn comes.
    CopyTenantRules,
}

named! {
    /// The kind of an operation: its command without the terms.
    pub enum OperationKind("invalid_command") {
        /// Move each deployment to another state.
        Transition = "transition",
        /// Change the plan version of each live subscription.
        ChangePlan = "change_plan",
        /// Announce the price of the version that replaces a closed one. Publishing that version starts it.
        AnnouncePrice = "announce_price",
        /// Change each deployment's own fields.
        Update = "update",
        /// Grant each deployment balance, such as for an outage.
        Credit = "credit",
        /// Charge each deployment once.
        Charge = "charge",
        /// Give every open invoice of each deployment a later due date.
        DueDate = "due_date",
        /// Grant the subscription of each deployment the discount of a coupon.
        Discount = "discount",
        /// Copy the rules of its tenant to each deployment, as they are when its turn comes.
        CopyTenantRules = "copy_tenant_rules",
    }
}

named! {
    /// Whether an operation runs.
    #[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
    pub enum OperationStatus("invalid_status") {
        /// It runs.
        Running = "running",
        /// Its stop was requested; it finishes the page in progress.
        Stopping = "stopping",
        /// It was stopped; the remaining deployments were left as they are.
        Stopped = "stopped",
        /// It has a result for every deployment that it found.
        Completed = "completed",
    }
}

named! {
    /// The outcome of an operation for one deployment.
    #[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
    pub enum OperationOutcome("invalid_outcome") {
        /// The command changed it.
        Done = "done",
        /// The command had nothing to change.
        Unchanged = "unchanged",
        /// The command was refused.
        Refused = "refused",
    }
}

/// The result of an operation for one deployment. There is one at most, written once and never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct OperationResult {
    /// The deployment.
    pub deployment_id: DeploymentId,
    /// Its tenant; none if there is no such deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<TenantId>,
    /// Its slug; none if there is no such deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slug: Option<Slug>,
    /// The outcome.
    pub outcome: OperationOutcome,
    /// Its version after the command: the sequence of the last event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<OperationProblem>,
    /// The time of the result.
    pub at: Timestamp,
    /// The number of the page that it was made for.
    #[serde(default)]
    pub page: u64,
}

/// Why an operation was refused for a deployment, as a single command would have been.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct OperationProblem {
    /// The HTTP status of the single command.
    pub status: u16,
    /// The stable code of the problem.
    pub code: String,
    /// An explanation for people. Its wording may change.
    pub detail: String,
}

/// Number of deployments by outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct OperationCounts {
    /// Changed by the command.
    pub done: u64,
    /// Already as the command would make them.
    pub unchanged: u64,
    /// Refused.
    pub refused: u64,
}

/// Number of matching deployments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Matching {
    /// The number.
    pub count: u64,
    /// How exact it is.
    pub is: Precision,
}

named! {
    /// How exact a number is.
    #[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
    pub enum Precision("invalid_precision", default Exact) {
        /// The number.
        Exact = "exact",
        /// There can be more: not all of the index was read.
        AtLeast = "at_least",
        /// There can be fewer: the index does not have every condition of the filter.
        AtMost = "at_most",
    }
}

/// How far an operation is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Progress {
    /// The pass, from 1.
    pub pass: u32,
    /// When the pass began.
    pub pass_began_at: Timestamp,
    /// The page in progress. It is stored before it is worked on, so a worker that takes over continues with it.
    #[serde(default)]
    pub page: Vec<DeploymentId>,
    /// The number of that page over all passes. A deployment can be on a second page of the same pass, if the command
    /// moves it down the list; its result is counted with the first.
    #[serde(default)]
    pub page_number: u64,
    /// The position in the list after that page; none at the beginning of the list.
    #[serde(default)]
    pub position: Option<String>,
    /// Whether that page is the last of the pass.
    pub is_last: bool,
    /// Deployments of this pass, in earlier pages, that had no result from an earlier pass.
    pub found: u64,
    /// Those of them without a final answer; the next pass tries them again.
    pub unanswered: u64,
    /// When the next page may begin.
    pub next_at: Timestamp,
}

/// A page of an operation's list of deployments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OperationPage {
    /// The deployments.
    pub ids: Vec<DeploymentId>,
    /// The position after them; none at the end of the list.
    pub position: Option<String>,
}

/// The work on a page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PageWork {
    /// The results of this pass.
    pub counts: OperationCounts,
    /// Deployments for which DynamoDB did not answer.
    pub unanswered: u64,
    /// Deployments that a command was decided for.
    pub taken: u64,
}

/// The request that starts an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartOperation {
    /// See [`Operation::filter`].
    pub filter: OperationFilter,
    /// See [`Operation::command`].
    pub command: OperationCommand,
    /// See [`Operation::reason`].
    pub reason: Option<Reason>,
    /// See [`Operation::notes`].
    pub notes: Option<Notes>,
    /// See [`Operation::rate_per_second`].
    pub rate_per_second: u32,
}

impl OperationFilter {
    /// Whether it has a condition. An operation needs one.
    #[must_use]
    pub const fn has_condition(&self) -> bool {
        self.tenant_id.is_some() || self.state.is_some() || self.plan_code.is_some() || self.ids.is_some()
    }

    /// Whether it has no other condition than ids.
    #[must_use]
    pub const fn is_only_ids(&self) -> bool {
        self.ids.is_some() && self.tenant_id.is_none() && self.state.is_none() && self.plan_code.is_none()
    }

    /// Whether a deployment meets its conditions, apart from the ids.
    #[must_use]
    pub fn selects(&self, aggregate: &Aggregate) -> bool {
        let deployment = &aggregate.deployment;
        let terms = aggregate.live_subscription().map(|subscription| &subscription.terms);
        self.tenant_id.as_ref().is_none_or(|tenant_id| deployment.tenant_id == *tenant_id)
            && self.state.is_none_or(|state| deployment.state == state)
            && self.plan_code.as_ref().is_none_or(|code| terms.is_some_and(|terms| terms.plan_code == *code))
            && self.plan_version.is_none_or(|version| terms.is_some_and(|terms| terms.plan_version == version))
    }
}

impl Operation {
    /// A new operation, before its first pass.
    #[must_use]
    pub fn start(id: OperationId, request: StartOperation, matching: Matching, by: String, now: Timestamp) -> Self {
        let StartOperation { filter, command, reason, notes, rate_per_second } = request;
        let progress = Progress {
            pass: 1,
            pass_began_at: now,
            page: Vec::new(),
            page_number: 0,
            position: None,
            is_last: false,
            found: 0,
            unanswered: 0,
            next_at: now,
        };
        Self {
            id,
            filter,
            command,
            reason,
            notes,
            rate_per_second,
            status: OperationStatus::Running,
            started_by: by,
            started_at: now,
            stopped_by: None,
            ended_at: None,
            matching,
            counts: OperationCounts::default(),
            progress,
            revision: 1,
        }
    }

    /// Whether it is for a deployment, apart from the ids that its filter names. A price is also announced to those whose
    /// scheduled change is to the replaced version.
    #[must_use]
    pub fn selects(&self, aggregate: &Aggregate) -> bool {
        let is_selected = self.filter.selects(aggregate);
        let OperationCommand::AnnouncePrice { terms, replaces, .. } = &self.command else { return is_selected };
        let pending = aggregate.live_subscription().and_then(|live| live.pending_change.as_ref());
        is_selected || pending.is_some_and(|pending| pending.terms.is_version(&terms.plan_code, *replaces))
    }

    /// Estimate of the deployments that have no result yet; 0 once it has ended.
    #[must_use]
    pub const fn remaining(&self) -> u64 {
        let OperationCounts { done, unchanged, refused } = self.counts;
        match self.status {
            OperationStatus::Running | OperationStatus::Stopping => {
                self.matching.count.saturating_sub(done + unchanged + refused)
            }
            OperationStatus::Stopped | OperationStatus::Completed => 0,
        }
    }

    /// The most deployments of its next page: at most one second's worth.
    #[must_use]
    pub fn page_size(&self) -> usize {
        usize::try_from(self.rate_per_second).unwrap_or(MAX_OPERATION_PAGE).clamp(1, MAX_OPERATION_PAGE)
    }

    /// Adds the work on the page in progress, which began at `began_at`. The next page waits until the rate allows it.
    pub fn count(&mut self, work: &PageWork, began_at: Timestamp) {
        let PageWork { counts: OperationCounts { done, unchanged, refused }, unanswered, taken } = *work;
        self.counts.done += done;
        self.counts.unchanged += unchanged;
        self.counts.refused += refused;
        self.progress.found += done + unchanged + refused + unanswered;
        self.progress.unanswered += unanswered;
        let time_us = i64::try_from(taken).unwrap_or(i64::MAX).saturating_mul(SECOND_US);
        self.progress.next_at = began_at + TimeDelta::microseconds(time_us / i64::from(self.rate_per_second.max(1)));
        self.progress.page.clear();
    }

    /// Goes on to the next page of the list, which was read at `now`.
    pub fn turn_to(&mut self, page: OperationPage, now: Timestamp) {
        let progress = &mut self.progress;
        if progress.position.is_none() {
            progress.pass_began_at = now;
        }
        progress.is_last = page.position.is_none();
        progress.position = page.position;
        progress.page = page.ids;
        progress.page_number += 1;
        if progress.is_last && progress.page.is_empty() {
            self.end_pass(now);
        }
    }

    /// Ends a pass: it was the last if it began late enough and found nothing, or there will be another.
    pub fn end_pass(&mut self, now: Timestamp) {
        let settled_at = self.settled_at();
        let progress = &mut self.progress;
        let is_settled = progress.pass_began_at >= settled_at;
        let is_enough = progress.found == 0 || (progress.pass >= MAX_OPERATION_PASSES && progress.unanswered == 0);
        if is_settled && is_enough {
            self.status = OperationStatus::Completed;
            self.ended_at = Some(now);
            return;
        }
        let waits_until = if progress.unanswered > 0 { now + RETRY_AFTER } else { now };
        let waits_until = if is_settled { waits_until } else { waits_until.max(settled_at) };
        let next_at = progress.next_at.max(waits_until);
        *progress = Progress {
            pass: progress.pass + 1,
            pass_began_at: progress.pass_began_at,
            page: Vec::new(),
            page_number: progress.page_number,
            position: None,
            is_last: false,
            found: 0,
            unanswered: 0,
            next_at,
        };
    }

    /// Asks a running operation to stop. Returns whether that changes it.
    pub fn stop(&mut self, by: &str) -> bool {
        match self.status {
            OperationStatus::Running => {
                self.status = OperationStatus::Stopping;
                self.stopped_by = Some(by.to_owned());
                true
            }
            OperationStatus::Stopping | OperationStatus::Stopped | OperationStatus::Completed => false,
        }
    }

    /// Ends an operation that was asked to stop, after its page in progress was counted.
    pub fn end_stopped(&mut self, now: Timestamp) {
        self.status = OperationStatus::Stopped;
        self.ended_at = Some(now);
    }

    /// When a pass may begin to be the last. Deployments that are named by id need no index.
    #[must_use]
    pub fn settled_at(&self) -> Timestamp {
        if self.filter.ids.is_some() { self.started_at } else { self.started_at + SETTLING }
    }
}

impl OperationCounts {
    /// Adds one result.
    pub const fn add(&mut self, outcome: OperationOutcome) {
        match outcome {
            OperationOutcome::Done => self.done += 1,
            OperationOutcome::Unchanged => self.unchanged += 1,
            OperationOutcome::Refused => self.refused += 1,
        }
    }
}

impl OperationCommand {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> OperationKind {
        match self {
            Self::Transition { .. } => OperationKind::Transition,
            Self::ChangePlan { .. } => OperationKind::ChangePlan,
            Self::AnnouncePrice { .. } => OperationKind::AnnouncePrice,
            Self::Update { .. } => OperationKind::Update,
            Self::Credit { .. } => OperationKind::Credit,
            Self::Charge { .. } => OperationKind::Charge,
            Self::DueDate { .. } => OperationKind::DueDate,
            Self::Discount { .. } => OperationKind::Discount,
            Self::CopyTenantRules => OperationKind::CopyTenantRules,
        }
    }
}

impl OperationStatus {
    /// Whether it still has work.
    #[must_use]
    pub const fn has_work(self) -> bool {
        match self {
            Self::Running | Self::Stopping => true,
            Self::Stopped | Self::Completed => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn id(n: u128) -> DeploymentId {
        DeploymentId::new(uuid::Uuid::from_u128(n))
    }

    fn operation(filter: OperationFilter) -> Operation {
        let command = OperationCommand::Update { billing_action_suspended: true };
        let request = StartOperation { filter, command, reason: None, notes: None, rate_per_second: 10 };
        Operation::start(OperationId::new(uuid::Uuid::nil()), request, Matching::default(), "ada".to_owned(), at(0))
    }

    fn of_state() -> OperationFilter {
        OperationFilter { state: Some(State::Active), ..OperationFilter::default() }
    }

    fn page(ids: &[u128], position: Option<&str>) -> OperationPage {
        OperationPage { ids: ids.iter().copied().map(id).collect(), position: position.map(str::to_owned) }
    }

    fn done(done: u64) -> PageWork {
        PageWork { counts: OperationCounts { done, ..OperationCounts::default() }, unanswered: 0, taken: done }
    }

    #[test]
    fn it_ends_with_a_pass_that_began_after_a_minute_and_found_nothing() {
        let mut operation = operation(of_state());
        operation.turn_to(page(&[1, 2], None), at(1));
        assert_eq!((operation.progress.pass_began_at, operation.progress.is_last), (at(1), true));
        operation.count(&done(2), at(1));
        operation.end_pass(at(2));
        assert_eq!((operation.status, operation.progress.pass), (OperationStatus::Running, 2));
        assert_eq!(operation.progress.next_at, at(60), "the second pass waits until everything has settled");
        operation.turn_to(page(&[3], None), at(60));
        operation.count(&done(1), at(60));
        operation.end_pass(at(61));
        assert_eq!((operation.status, operation.progress.pass), (OperationStatus::Running, 3), "it found something");
        operation.turn_to(page(&[], None), at(61));
        assert_eq!((operation.status, operation.ended_at), (OperationStatus::Completed, Some(at(61))));
        assert_eq!(operation.counts.done, 3);
    }

    #[test]
    fn a_pass_of_named_deployments_need_not_wait() {
        let mut operation = operation(OperationFilter { ids: Some(1), ..OperationFilter::default() });
        operation.turn_to(page(&[1], None), at(0));
        operation.count(&done(1), at(0));
        operation.end_pass(at(0));
        assert_eq!(operation.progress.next_at, at(0) + TimeDelta::milliseconds(100));
        operation.turn_to(page(&[], None), at(1));
        assert_eq!(operation.status, OperationStatus::Completed);
    }

    #[test]
    fn an_unanswered_deployment_is_tried_again_a_little_later() {
        let mut operation = operation(OperationFilter { ids: Some(1), ..OperationFilter::default() });
        operation.turn_to(page(&[1], None), at(0));
        operation.count(&PageWork { unanswered: 1, taken: 1, ..PageWork::default() }, at(0));
        operation.end_pass(at(0));
        assert_eq!((operation.status, operation.progress.next_at), (OperationStatus::Running, at(10)));
    }

    #[test]
    fn it_ends_although_there_is_always_another_deployment() {
        let mut operation = operation(of_state());
        for pass in 1..=MAX_OPERATION_PASSES {
            let now = at(i64::from(pass) * 60);
            operation.turn_to(page(&[u128::from(pass)], None), now);
            operation.count(&done(1), now);
            operation.end_pass(now);
        }
        assert_eq!(operation.status, OperationStatus::Completed);
    }

    #[test]
    fn its_rate_is_kept_by_the_time_of_its_pages() {
        let mut operation = operation(of_state());
        assert_eq!(operation.page_size(), 10);
        operation.turn_to(page(&[1, 2], Some("2")), at(0));
        operation.count(&done(10), at(5));
        assert_eq!(operation.progress.next_at, at(6));
        operation.turn_to(page(&[3], None), at(6));
        assert_eq!(operation.progress.pass_began_at, at(0), "a later page is of the same pass");
        operation.count(&PageWork::default(), at(6));
        assert_eq!(operation.progress.next_at, at(6), "deployments that have a result take no time");
    }

    #[test]
    fn only_what_runs_can_be_stopped() {
        let mut operation = operation(of_state());
        assert!(operation.stop("bob") && !operation.stop("eve"));
        assert_eq!((operation.status, operation.stopped_by.as_deref()), (OperationStatus::Stopping, Some("bob")));
        operation.end_stopped(at(3));
        assert!(!operation.stop("eve") && operation.remaining() == 0);
    }
}
