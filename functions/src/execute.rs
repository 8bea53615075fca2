//! The common part of every handler that changes a deployment: [`Current::load`] reads it, checks the precondition and
//! takes the due steps; [`execute`] decides the command and commits it together with the response. Between the two the
//! handler reads other records that it needs.

use std::borrow::Cow;

use arcadia_api::answer::{DeploymentAnswer, SettledInvoiceAnswer, SubscriptionAnswer};
use arcadia_api::{DeploymentView, InvoiceView, SubscriptionView};
use arcadia_domain::{
    Actor, Aggregate, Authority, Change, Command, DeploymentId, DunningPolicy, Entry, Event, EventKind, Invoice, Line,
    Notes, Read, Reason, Refund, Resource, Scope, Timestamp, decide_with,
};
use arcadia_store::{Companion, StoreError, error_chain};
use serde_json::json;

use crate::Error;
use crate::catch_up::{CaughtUp, Outcome, Policies, Steps, catch_up, due_action};
use crate::http::{Answer, Call};
use crate::runtime::App;

/// A deployment as a command sees it: with its due steps taken.
#[derive(Debug)]
pub struct Current {
    /// The deployment.
    pub aggregate: Aggregate,
    /// The time that its due steps are taken at and the command is decided at.
    now: Timestamp,
    /// The stored version.
    version: u64,
    /// Whether it is carried out.
    pub mode: Mode,
    /// The tenant's policy, if it was read.
    policy: Option<DunningPolicy>,
    /// The reason and the notes of the first event, unless the command has its own.
    remarks: (Option<Reason>, Option<Notes>),
}

/// The caller and the mode of a command, from a request or from an operation on many deployments.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// The actor of the events.
    pub actor: &'a Actor,
    /// The tenants whose deployments the actor can see.
    pub scope: &'a Scope,
    /// Whether the command is carried out.
    pub mode: Mode,
}

/// Whether a command is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Carry the command out.
    CarryOut,
    /// Respond with what would follow. Nothing is written, not even under an idempotency key.
    DryRun,
}

impl Mode {
    /// Reads the mode of a call: a dry run if its query or its body says so.
    ///
    /// # Errors
    /// [`Error::Malformed`] if the parameter `dry_run` is not a boolean.
    pub fn asked(call: &Call, in_body: bool) -> Result<Self, Error> {
        let in_query = call.boolean("dry_run")?.unwrap_or_default();
        Ok(if in_query || in_body { Self::DryRun } else { Self::CarryOut })
    }
}

/// The result of a command.
#[derive(Debug)]
pub struct Executed<'a> {
    /// The deployment after the command. For a dry run this state is not stored.
    pub after: &'a Aggregate,
    /// The events; empty if nothing needed to change.
    pub events: &'a [Event],
    /// The changed resource, if any.
    pub resource: Option<&'a Resource>,
    /// The changed invoice, if any. A new invoice is not in here.
    pub invoice: Option<&'a Invoice>,
    /// The stored version.
    pub version: u64,
}

impl Current {
    /// Reads a deployment within the caller's scope, checks `If-Match`, and takes the due steps. If those change the
    /// version, `If-Match` is checked against the new version and fails as usual. A dry run takes the steps in memory,
    /// and its `If-Match` refers to the stored version.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::PreconditionFailed`], and [`Error::CatchingUp`] if more steps are due than a
    /// request takes. A step that fails makes the request fail with its error, except for `platform_admin`, so that
    /// repairs are always possible.
    pub async fn load(app: &App, call: &Call, id: DeploymentId) -> Result<Self, Error> {
        let mode = Mode::asked(call, false)?;
        Self::load_for(app, call, id, mode).await
    }

    /// [`Current::load`] with a known mode.
    ///
    /// # Errors
    /// As [`Current::load`].
    pub async fn load_for(app: &App, call: &Call, id: DeploymentId, mode: Mode) -> Result<Self, Error> {
        let order = Order { actor: &call.principal.actor, scope: &call.principal.scope, mode };
        let accept = |_: &Aggregate, version| call.check_if_match(Some(version));
        Self::read(app, order, &Policies::default(), id, accept).await
    }

    /// Reads a deployment and takes its due steps. `accept` decides with the stored version whether the command is for
    /// it: before the steps, and again if there were any.
    ///
    /// # Errors
    /// That of `accept`, and otherwise as [`Current::load`].
    pub async fn read(
        app: &App,
        order: Order<'_>,
        policies: &Policies,
        id: DeploymentId,
        accept: impl Fn(&Aggregate, u64) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let Order { actor, scope, mode } = order;
        let stored = app.store.load(scope, id).await?.ok_or(Error::NotFound("deployment"))?;
        let (version, now) = (stored.deployment.version, app.clock.now());
        accept(&stored, version)?;
        if due_action(&stored, now).is_none() {
            return Ok(Self { aggregate: stored, now, version, mode, policy: None, remarks: (None, None) });
        }
        let steps = match mode {
            Mode::CarryOut => Steps::Committed,
            Mode::DryRun => Steps::InMemory,
        };
        // On the heap, because few requests have due steps.
        let caught_up = Box::pin(catch_up(app, policies, stored, now, steps)).await;
        let CaughtUp { aggregate, steps: _, outcome } = caught_up;
        match outcome {
            Outcome::UpToDate => {}
            Outcome::Behind | Outcome::Failed(StoreError::VersionConflict) => return Err(Error::CatchingUp),
            Outcome::Failed(error) => {
                let is_for_good =
                    matches!(error, StoreError::Refused(_) | StoreError::Damaged(_) | StoreError::Unbuildable(_));
                if !(is_for_good && actor.authority == Authority::PlatformAdmin) {
                    return Err(error.into());
                }
                let error = error_chain(&error);
                tracing::error!(deployment_id = %id, error, "a command is decided without the step that is due");
            }
        }
        let version = match mode {
            Mode::CarryOut => aggregate.deployment.version,
            Mode::DryRun => version,
        };
        accept(&aggregate, version)?;
        Ok(Self { aggregate, now, version, mode, policy: None, remarks: (None, None) })
    }

    /// Sets the tenant's policy that was read together with other records.
    #[must_use]
    pub fn under(self, policy: DunningPolicy) -> Self {
        Self { policy: Some(policy), ..self }
    }

    /// Sets the reason and the notes of the first event, unless the command has its own.
    #[must_use]
    pub fn because(self, reason: Option<Reason>, notes: Option<Notes>) -> Self {
        Self { remarks: (reason, notes), ..self }
    }

    /// Decides a command at the time that the due steps were taken at. An invoice is issued under the tenant's current
    /// policy, which costs one GetItem unless it was read before.
    ///
    /// # Errors
    /// [`Error::Rejected`] if a rule forbids it, [`Error::Store`] if the policy cannot be read.
    pub async fn decide(
        &self,
        app: &App,
        actor: &Actor,
        policies: &Policies,
        command: Command,
    ) -> Result<Option<Change>, Error> {
        let decide = |command, read| decide_with(&self.aggregate, command, actor, read, self.now);
        let mut read = Read { policy: self.policy, successor: None };
        let change = decide(command.clone(), read.clone())?;
        if let Some(terms) = change.as_ref().and_then(Change::returns_to) {
            read.successor = app.store.load_successor(terms).await?;
        }
        if read.policy.is_none() && change.as_ref().is_some_and(Change::issues_invoice) {
            read.policy = Some(policies.of(&app.store, &self.aggregate.deployment.tenant_id).await?);
        }
        if read.successor.is_none() && read.policy == self.policy {
            return Ok(change);
        }
        Ok(decide(command, read)?)
    }

    /// The result of a command that changes nothing.
    const fn unchanged(&self) -> Executed<'_> {
        Executed { after: &self.aggregate, events: &[], resource: None, invoice: None, version: self.version }
    }
}

impl Executed<'_> {
    /// JSON representation of the new invoice; null if none was issued.
    pub fn opened_invoice(&self) -> Option<InvoiceView<'_>> {
        let opened = self.events.iter().find_map(|event| match &event.kind {
            EventKind::InvoiceOpened { invoice, .. } => Some(invoice),
            _ => None,
        });
        opened.map(InvoiceView::from)
    }

    /// The charges and credits that the command made.
    pub fn lines(&self) -> Vec<Cow<'_, Line>> {
        let first = self.events.first().map_or(0, |event| event.sequence);
        let entered = self.events.iter().flat_map(|event| &event.entries).filter_map(|entry| match entry {
            Entry::Charged { line } | Entry::Credited { line, .. } => Some(line),
            Entry::BalanceUsed { .. }
            | Entry::BalanceReturned { .. }
            | Entry::BalanceGranted { .. }
            | Entry::BalancePaidBack { .. } => None,
        });
        let invoiced = self.events.iter().flat_map(|event| match &event.kind {
            EventKind::InvoiceOpened { invoice, .. } => invoice.lines.as_slice(),
            _ => &[],
        });
        // An invoice also contains charges that waited from before.
        entered.chain(invoiced.filter(|line| line.charge.sequence >= first)).map(Cow::Borrowed).collect()
    }

    /// The refund that the command made.
    pub fn refund(&self) -> Option<&Refund> {
        self.events.iter().find_map(|event| match &event.kind {
            EventKind::Refunded { refund } => Some(refund),
            _ => None,
        })
    }

    /// Response with the deployment.
    pub fn show_deployment(&self) -> Answer {
        Answer::versioned(json!(DeploymentAnswer { deployment: DeploymentView::of(self.after) }), self.version)
    }

    /// Response with the subscription.
    pub fn show_subscription(&self) -> Answer {
        Answer::versioned(json!(SubscriptionAnswer { subscription: SubscriptionView::of(self.after) }), self.version)
    }

    /// Response with the deployment and an invoice: the changed one, or `before` if it did not change.
    pub fn show_invoice(&self, before: &Invoice) -> Answer {
        let invoice = InvoiceView::from(self.invoice.unwrap_or(before));
        let deployment = DeploymentView::of(self.after);
        Answer::versioned(json!(SettledInvoiceAnswer { invoice, deployment }), self.version)
    }
}

/// Decides a command and commits the result together with the response. A dry run only responds.
pub async fn execute(
    app: &App,
    call: &Call,
    current: Current,
    command: Command,
    answer: impl FnOnce(&Executed<'_>) -> Answer,
) -> Result<Answer, Error> {
    let (reason, notes) = &current.remarks;
    let change = current.decide(app, &call.principal.actor, &Policies::default(), command).await?;
    let change = change.map(|change| change.because(reason.as_ref(), notes.as_ref()));
    match (change, current.mode) {
        (None, Mode::CarryOut) => unchanged(app, call, answer(&current.unchanged())).await,
        (None, Mode::DryRun) => Ok(dry_run(&current.unchanged(), answer)),
        (Some(change), Mode::CarryOut) => {
            let done = executed(&change, change.after.deployment.version);
            commit(app, call, &change, answer(&done)).await
        }
        (Some(change), Mode::DryRun) => Ok(dry_run(&executed(&change, current.version), answer)),
    }
}

/// Response of a dry run: the command's own response, with the charges, credits and all events that it would make. Its
/// status is never 201.
fn dry_run(done: &Executed<'_>, answer: impl FnOnce(&Executed<'_>) -> Answer) -> Answer {
    let mut answer = answer(done).dry_run(Some(done.version), &done.events);
    answer.body["lines"] = json!(done.lines());
    answer
}

/// Commits a change, together with its response if the call has an idempotency key.
pub async fn commit(app: &App, call: &Call, change: &Change, answer: Answer) -> Result<Answer, Error> {
    let record = call.idempotency_key.as_ref().map(|key| key.record(&answer, app.clock.now()));
    app.store.commit(change, app.new_commit_id(), record.as_ref().map(Companion::Answer)).await?;
    Ok(answer)
}

/// Responds to a call that changed nothing. Under an idempotency key the response is stored all the same, because a
/// later call could change something.
async fn unchanged(app: &App, call: &Call, answer: Answer) -> Result<Answer, Error> {
    if let Some(key) = &call.idempotency_key {
        app.store.put_idempotency_record(&key.record(&answer, app.clock.now())).await?;
    }
    Ok(answer)
}

/// The result of a change; `version` is the stored version after it.
pub const fn executed(change: &Change, version: u64) -> Executed<'_> {
    let Change { after, events, resource, invoice, .. } = change;
    Executed { after, events: events.as_slice(), resource: resource.as_ref(), invoice: invoice.as_ref(), version }
}
