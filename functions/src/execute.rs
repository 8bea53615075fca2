//! The middle of every handler that changes a deployment: [`Current::load`] reads it, checks the precondition and takes the
//! steps of the clock that are due; [`execute`] decides and commits together with the answer. What a handler reads beside
//! the deployment it reads between the two.

use arcadia_api::{deployment_view, invoice_view, subscription_view};
use arcadia_domain::{
    Aggregate, Authority, Change, Command, DeploymentId, DunningPolicy, Entry, Event, EventKind, Invoice, Line,
    Resource, Timestamp, decide,
};
use arcadia_store::{StoreError, error_chain};
use lambda_http::http::StatusCode;
use serde_json::{Value, json};

use crate::Error;
use crate::catch_up::{CaughtUp, Outcome, Policies, Steps, catch_up, due_action};
use crate::http::{Answer, Call};
use crate::runtime::App;

/// A deployment as a command sees it: as a sweep would leave it if it ran now.
#[derive(Debug)]
pub struct Current {
    /// The deployment.
    pub aggregate: Aggregate,
    /// The moment that it is brought up to, and decided at.
    now: Timestamp,
    /// The version that is stored.
    version: u64,
    mode: Mode,
    /// The tenant's policy, if it was read.
    policy: Option<DunningPolicy>,
}

/// What a call wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The command is carried out.
    CarryOut,
    /// The answer tells what would follow. Nothing is written, not even under an idempotency key.
    DryRun,
}

impl Mode {
    /// The mode that a call asks for: a dry run if its query or its body says so.
    ///
    /// # Errors
    /// [`Error::Malformed`] unless the parameter `dry_run` is a boolean.
    pub fn asked(call: &Call, in_body: bool) -> Result<Self, Error> {
        let in_query = call.boolean("dry_run")?.unwrap_or_default();
        Ok(if in_query || in_body { Self::DryRun } else { Self::CarryOut })
    }
}

/// What a command comes to.
#[derive(Debug)]
pub struct Executed<'a> {
    /// The deployment as it is now, or would be after a dry run.
    pub after: &'a Aggregate,
    /// What happened; nothing if nothing needed to change.
    pub events: &'a [Event],
    /// The resource that changed, if one did.
    pub resource: Option<&'a Resource>,
    /// The invoice that changed, if one that was there before did.
    pub invoice: Option<&'a Invoice>,
    /// The version that is stored.
    pub version: u64,
}

impl Current {
    /// Reads a deployment within the caller's scope, holds it against `If-Match`, and takes the steps of the clock that are
    /// due. A version that is no longer the one of `If-Match` after them fails as any other; a dry run takes the steps
    /// in memory, and `If-Match` is about what is stored.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::PreconditionFailed`], and [`Error::CatchingUp`] if more is due than a request
    /// takes. A step that cannot be taken at all fails the request with its own error, unless it is `platform_admin`'s:
    /// repairs are never barred.
    pub async fn load(app: &App, call: &Call, id: DeploymentId) -> Result<Self, Error> {
        let mode = Mode::asked(call, false)?;
        Self::load_for(app, call, id, mode).await
    }

    /// The same, where the mode is known.
    ///
    /// # Errors
    /// As [`Current::load`].
    pub async fn load_for(app: &App, call: &Call, id: DeploymentId, mode: Mode) -> Result<Self, Error> {
        let stored = app.store.load(&call.principal.scope, id).await?.ok_or(Error::NotFound)?;
        let (version, now) = (stored.deployment.version, app.clock.now());
        call.check_if_match(Some(version))?;
        if due_action(&stored, now).is_none() {
            return Ok(Self { aggregate: stored, now, version, mode, policy: None });
        }
        let steps = match mode {
            Mode::CarryOut => Steps::Committed,
            Mode::DryRun => Steps::InMemory,
        };
        // On the heap: hardly any request has steps to take.
        let caught_up = Box::pin(catch_up(app, &Policies::default(), stored, now, steps)).await;
        let CaughtUp { aggregate, steps: _, outcome } = caught_up;
        match outcome {
            Outcome::UpToDate => {}
            Outcome::Behind | Outcome::Failed(StoreError::VersionConflict) => return Err(Error::CatchingUp),
            Outcome::Failed(error) => {
                let is_for_good = matches!(error, StoreError::Refused(_) | StoreError::Damaged(_));
                if !(is_for_good && call.principal.actor.authority == Authority::PlatformAdmin) {
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
        call.check_if_match(Some(version))?;
        Ok(Self { aggregate, now, version, mode, policy: None })
    }

    /// The same, where the tenant's policy was read with something else.
    #[must_use]
    pub fn under(self, policy: DunningPolicy) -> Self {
        Self { policy: Some(policy), ..self }
    }

    /// Decides on a command at the moment that the deployment was brought up to. What issues an invoice goes by the
    /// tenant's policy as it is now: one GetItem, unless it was read.
    async fn decide(&self, app: &App, call: &Call, command: Command) -> Result<Option<Change>, Error> {
        let decide = |command, policy| decide(&self.aggregate, command, &call.principal.actor, policy, self.now);
        let change = decide(command.clone(), self.policy)?;
        if self.policy.is_some() || !change.as_ref().is_some_and(Change::issues_invoice) {
            return Ok(change);
        }
        let policy = app.store.load_dunning_policy(&self.aggregate.deployment.tenant_id).await?;
        Ok(decide(command, Some(policy))?)
    }

    /// What it comes to that nothing needs to change.
    const fn unchanged(&self) -> Executed<'_> {
        Executed { after: &self.aggregate, events: &[], resource: None, invoice: None, version: self.version }
    }
}

impl Executed<'_> {
    /// The invoice that was opened, as callers see it; null if none was.
    pub fn opened_invoice(&self) -> Value {
        let opened = self.events.iter().find_map(|event| match &event.kind {
            EventKind::InvoiceOpened { invoice, .. } => Some(invoice),
            _ => None,
        });
        opened.map_or(Value::Null, invoice_view)
    }

    /// The charges and credits that this came to.
    pub fn lines(&self) -> Vec<&Line> {
        let first = self.events.first().map_or(0, |event| event.sequence);
        let entered = self.events.iter().flat_map(|event| &event.entries).filter_map(|entry| match entry {
            Entry::Charged { line } | Entry::Credited { line, .. } => Some(line),
            Entry::BalanceUsed { .. } | Entry::BalanceReturned { .. } => None,
        });
        let invoiced = self.events.iter().flat_map(|event| match &event.kind {
            EventKind::InvoiceOpened { invoice, .. } => invoice.lines.as_slice(),
            _ => &[],
        });
        // An invoice also has what waited before.
        entered.chain(invoiced.filter(|line| line.charge.sequence >= first)).collect()
    }

    /// The answer that shows the deployment.
    pub fn show_deployment(&self) -> Answer {
        Answer::versioned(json!({"deployment": deployment_view(self.after)}), self.version)
    }

    /// The answer that shows the subscription.
    pub fn show_subscription(&self) -> Answer {
        Answer::versioned(json!({"subscription": subscription_view(self.after)}), self.version)
    }

    /// The answer that shows an invoice, `before` unless that changed, and the deployment.
    pub fn show_invoice(&self, before: &Invoice) -> Answer {
        let invoice = invoice_view(self.invoice.unwrap_or(before));
        Answer::versioned(json!({"invoice": invoice, "deployment": deployment_view(self.after)}), self.version)
    }
}

/// Decides on a command, and commits what follows together with the answer; a dry run only answers.
pub async fn execute(
    app: &App,
    call: &Call,
    current: Current,
    command: Command,
    answer: impl FnOnce(&Executed<'_>) -> Answer,
) -> Result<Answer, Error> {
    let change = current.decide(app, call, command).await?;
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

/// The answer of a dry run: the command's own, with the charges and credits it would make and all events. It creates nothing.
fn dry_run(done: &Executed<'_>, answer: impl FnOnce(&Executed<'_>) -> Answer) -> Answer {
    let mut answer = Answer { status: StatusCode::OK, location: None, ..answer(done) };
    answer.body["dry_run"] = json!(true);
    answer.body["lines"] = json!(done.lines());
    answer.body["events"] = json!(done.events);
    answer
}

/// Commits a change, and its answer with it if the call has an idempotency key.
pub async fn commit(app: &App, call: &Call, change: &Change, answer: Answer) -> Result<Answer, Error> {
    let record = call.idempotency_key.as_ref().map(|key| key.record(&answer, app.clock.now()));
    app.store.commit(change, app.new_commit_id(), record.as_ref()).await?;
    Ok(answer)
}

/// Answers a call that had nothing to do. Under an idempotency key the answer is kept all the same: when the call is sent
/// again, there may be something to do.
async fn unchanged(app: &App, call: &Call, answer: Answer) -> Result<Answer, Error> {
    if let Some(key) = &call.idempotency_key {
        app.store.put_idempotency_record(&key.record(&answer, app.clock.now())).await?;
    }
    Ok(answer)
}

const fn executed(change: &Change, version: u64) -> Executed<'_> {
    let Change { after, events, resource, invoice, .. } = change;
    Executed { after, events: events.as_slice(), resource: resource.as_ref(), invoice: invoice.as_ref(), version }
}
