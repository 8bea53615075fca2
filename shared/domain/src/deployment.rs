//! The deployment: one hosted app instance of a tenant, and the unit of billing. How events change it is in
//! [`super::aggregate`].

use super::entry::{Amount, Entry};
use super::invoice::{InvoiceStatus, OpenInvoice};
use super::lifecycle::{Standing, State};
use super::money::Currency;
use super::policy::DunningPolicy;
use super::tenant_rules::{TenantRules, UnsubscribedTime};
use super::values::{DeploymentId, DisplayName, InvoiceNumber, ShortCode, Slug, TemplateVersion, TenantId, Timestamp};

/// The present state of one deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// Its unique id; it never changes.
    pub id: DeploymentId,
    /// The tenant that owns it; it never changes.
    pub tenant_id: TenantId,
    /// Its name in URLs, unique within the tenant; it never changes.
    pub slug: Slug,
    /// Its display name.
    pub display_name: DisplayName,
    /// The region where it runs.
    pub region: ShortCode,
    /// Its state in the lifecycle map.
    pub state: State,
    /// When it entered that state.
    pub state_since: Timestamp,
    /// Whether the platform set its state, `past_due` or `suspended`, while nothing was overdue: no payment ends it.
    pub state_set_by_hand: bool,
    /// How it reaches its language model, such as `managed` or `byo_key`.
    pub llm_mode: Option<ShortCode>,
    /// The hold: while true, no scheduled step changes its state or gives its invoices up.
    pub billing_action_suspended: bool,
    /// When the hold began. `None` without a hold, or if it began before this was recorded.
    pub held_since: Option<Timestamp>,
    /// The template that it is built from.
    pub template: Option<Template>,
    /// The end of its own trial, past or future; set if and only if it was created in `trial`.
    pub trial_ends_at: Option<Timestamp>,
    /// The rule that paused it; set only while `paused`. `None` if a caller paused it.
    pub paused_by: Option<PausedBy>,
    /// The rules of its tenant, as last copied to it.
    pub tenant_rules: TenantRules,
    /// The time without a subscription that it has used; set only while its tenant's rules limit that.
    pub unsubscribed: Option<UnsubscribedTime>,
    /// When its pause ends automatically; set only while `paused`.
    pub resume_at: Option<Timestamp>,
    /// When the last obstacle to the end of the pause ended: a hold of it or its tenant, or an overdue invoice.
    pub released_at: Option<Timestamp>,
    /// The number of its cloud resources that are not deleted.
    pub live_resources: u32,
    /// Its open invoices, oldest first.
    pub open_invoices: Vec<OpenInvoice>,
    /// Its uncollectible invoices: given up and not paid since, oldest first.
    pub uncollectible_invoices: Vec<OpenInvoice>,
    /// Its balance by currency; an amount is never zero. It settles the oldest open invoice of its currency at once.
    pub balances: Vec<Amount>,
    /// The tenant's dunning policy as last copied to the deployment. A copy never moves a deadline that is running.
    pub dunning_policy: DunningPolicy,
    /// Whether it has ever had recurring revenue; tells new revenue from reactivated revenue.
    pub has_had_revenue: bool,
    /// The sequence of its last event: 1 after creation, and higher after every change.
    pub version: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its last event occurred.
    pub updated_at: Timestamp,
}

impl Deployment {
    /// Whether it has an open or uncollectible invoice.
    #[must_use]
    pub const fn owes(&self) -> bool {
        !self.open_invoices.is_empty() || !self.uncollectible_invoices.is_empty()
    }

    /// Whether it has an open invoice that is overdue at `now`.
    #[must_use]
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.oldest_due_at().is_some_and(|due_at| due_at <= now)
    }

    /// The earliest due date of its open invoices.
    #[must_use]
    pub fn oldest_due_at(&self) -> Option<Timestamp> {
        self.open_invoices.iter().map(|open| open.due_at).min()
    }

    /// The moment that dunning counts from: the earliest of its open invoices'.
    #[must_use]
    pub fn dunned_from(&self) -> Option<Timestamp> {
        self.open_invoices.iter().map(OpenInvoice::dunned_from).min()
    }

    /// Records when an obstacle to the end of a pause ended, or the last of several.
    pub(super) fn release(&mut self, at: Timestamp) {
        self.released_at = Some(at).filter(|_| self.state == State::Paused);
    }

    /// Whether balance is left for an open or uncollectible invoice of its currency, because one commit could not settle
    /// all of them.
    #[must_use]
    pub fn balance_waits(&self) -> bool {
        self.balances.iter().any(|balance| self.owes_in(balance.currency))
    }

    /// Whether an invoice of this currency is open or uncollectible.
    #[must_use]
    pub fn owes_in(&self, currency: Currency) -> bool {
        self.open_invoices.iter().chain(&self.uncollectible_invoices).any(|owed| owed.currency == currency)
    }

    /// The balance of a currency, in minor units.
    #[must_use]
    pub fn balance_cents(&self, currency: Currency) -> i64 {
        self.balances.iter().filter(|balance| balance.currency == currency).map(|balance| balance.amount_cents).sum()
    }

    /// The facts that the permission of a move can depend on, at `now`.
    #[must_use]
    pub fn standing(&self, now: Timestamp) -> Standing {
        Standing { owes: self.owes(), is_overdue: self.is_overdue(now), is_held: self.billing_action_suspended }
    }

    /// Applies an entry to the open and uncollectible invoices and the balances; `None` if it contradicts them.
    pub(super) fn enter(&mut self, entry: &Entry) -> Option<()> {
        match entry {
            Entry::Charged { .. } => Some(()),
            Entry::Credited { line, invoice, lowered_cents, returned_cents } => {
                if *lowered_cents > 0 {
                    self.lower(invoice.as_ref()?, *lowered_cents)?;
                }
                self.add_balance(line.currency, *returned_cents)
            }
            Entry::BalanceUsed { number, amount_cents, currency } => {
                self.add_balance(*currency, -amount_cents)?;
                self.lower(number, *amount_cents)
            }
            Entry::BalanceReturned { amount_cents, currency, .. }
            | Entry::BalanceGranted { amount_cents, currency } => self.add_balance(*currency, *amount_cents),
            Entry::BalancePaidBack { amount_cents, currency } => self.add_balance(*currency, -amount_cents),
        }
    }

    /// Lowers the amount due on an open or uncollectible invoice, by minor units.
    fn lower(&mut self, number: &InvoiceNumber, by_cents: i64) -> Option<()> {
        let mut owed = self.open_invoices.iter_mut().chain(self.uncollectible_invoices.iter_mut());
        let invoice: &mut OpenInvoice = owed.find(|owed| owed.number == *number)?;
        invoice.due_cents = invoice.due_cents.checked_sub(by_cents).filter(|due_cents| *due_cents >= 0)?;
        self.drop_settled();
        Some(())
    }

    /// Removes an invoice from the lists.
    pub(super) fn drop_owed(&mut self, number: &InvoiceNumber) {
        self.open_invoices.retain(|owed| owed.number != *number);
        self.uncollectible_invoices.retain(|owed| owed.number != *number);
    }

    /// Lists an invoice that is owed again; `None` unless `status` is that of an owed invoice.
    pub(super) fn owe(&mut self, status: InvoiceStatus, owed: &OpenInvoice) -> Option<()> {
        self.drop_owed(&owed.number);
        let list = match status {
            InvoiceStatus::Open => &mut self.open_invoices,
            InvoiceStatus::Uncollectible => &mut self.uncollectible_invoices,
            InvoiceStatus::Paid | InvoiceStatus::Void | InvoiceStatus::WrittenOff => return None,
        };
        let place = list.partition_point(|other| other.number < owed.number);
        list.insert(place, owed.clone());
        Some(())
    }

    /// Removes the invoices with nothing due from the lists.
    pub(super) fn drop_settled(&mut self) {
        self.open_invoices.retain(|owed| owed.due_cents > 0);
        self.uncollectible_invoices.retain(|owed| owed.due_cents > 0);
    }

    /// Adds to the balance of a currency, in minor units, or takes from it; `None` if it would become negative.
    pub(super) fn add_balance(&mut self, currency: Currency, amount_cents: i64) -> Option<()> {
        let sum = self.balance_cents(currency).checked_add(amount_cents).filter(|sum| *sum >= 0)?;
        self.balances.retain(|balance| balance.currency != currency);
        if sum > 0 {
            self.balances.push(Amount { currency, amount_cents: sum });
            self.balances.sort_unstable_by_key(|balance| balance.currency);
        }
        Some(())
    }
}

named! {
    /// A rule that pauses a deployment, and ends the pause.
    #[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
    pub enum PausedBy("invalid_pause") {
        /// The hold of its tenant. The release of the tenant ends the pause.
        TenantHold = "tenant_hold",
        /// It had no subscription for the days of its tenant. A subscription ends the pause.
        Unsubscribed = "unsubscribed",
    }
}

/// A template and its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// The template's code.
    pub code: ShortCode,
    /// The template's version.
    pub version: TemplateVersion,
}
