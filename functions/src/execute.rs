//! The middle of every handler that changes a deployment: precondition, decide, commit together with the answer.

use arcadia_shared::Error;
use arcadia_shared::domain::{
    Aggregate, Change, Command, DunningPolicy, Entry, Event, EventKind, Invoice, Line, Resource, decide,
};
use arcadia_shared::http::{Answer, Call, deployment_view, invoice_view, subscription_view};
use arcadia_shared::runtime::App;
use serde_json::{Value, json};

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

/// Decides on a command, and commits what follows together with the answer.
pub async fn execute(
    app: &App,
    call: &Call,
    before: Aggregate,
    command: Command,
    answer: impl FnOnce(&Executed<'_>) -> Answer,
) -> Result<Answer, Error> {
    execute_under(app, call, before, command, None, answer).await
}

/// The same, where the tenant's policy was read already.
pub async fn execute_under(
    app: &App,
    call: &Call,
    before: Aggregate,
    command: Command,
    policy: Option<DunningPolicy>,
    answer: impl FnOnce(&Executed<'_>) -> Answer,
) -> Result<Answer, Error> {
    let version = before.deployment.version;
    call.check_if_match(Some(version))?;
    let Some(change) = decided(app, call, &before, command, policy).await? else {
        return unchanged(app, call, answer(&nothing(&before))).await;
    };
    let done = executed(&change, change.after.deployment.version);
    commit(app, call, &change, answer(&done)).await
}

/// Decides on a command and tells what would follow. Nothing is written, not even under an idempotency key.
pub async fn rehearse(
    app: &App,
    call: &Call,
    before: Aggregate,
    command: Command,
    policy: Option<DunningPolicy>,
    answer: impl FnOnce(&Executed<'_>) -> Answer,
) -> Result<Answer, Error> {
    let version = before.deployment.version;
    call.check_if_match(Some(version))?;
    let change = decided(app, call, &before, command, policy).await?;
    Ok(answer(&change.as_ref().map_or_else(|| nothing(&before), |change| executed(change, version))))
}

/// Decides on a command. What issues an invoice goes by the tenant's policy as it is now: one GetItem, unless it was
/// read.
async fn decided(
    app: &App,
    call: &Call,
    before: &Aggregate,
    command: Command,
    policy: Option<DunningPolicy>,
) -> Result<Option<Change>, Error> {
    let (actor, now) = (&call.principal.actor, app.clock.now());
    let change = decide(before, command.clone(), actor, policy, now)?;
    if policy.is_some() || !change.as_ref().is_some_and(Change::issues_invoice) {
        return Ok(change);
    }
    let policy = app.store.load_dunning_policy(&before.deployment.tenant_id).await?;
    Ok(decide(before, command, actor, Some(policy), now)?)
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
    let Change { before: _, after, events, resource, resource_read: _, trial_of: _, invoice, invoice_read: _ } = change;
    Executed { after, events: events.as_slice(), resource: resource.as_ref(), invoice: invoice.as_ref(), version }
}

const fn nothing(before: &Aggregate) -> Executed<'_> {
    Executed { after: before, events: &[], resource: None, invoice: None, version: before.deployment.version }
}
