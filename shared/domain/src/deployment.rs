//! A deployment: one hosted app instance, and the unit that is billed.

use super::entry::{Amount, Entry};
use super::invoice::OpenInvoice;
use super::lifecycle::{Standing, State};
use super::money::Currency;
use super::policy::DunningPolicy;
use super::values::{DeploymentId, DisplayName, InvoiceNumber, ShortCode, Slug, TemplateVersion, TenantId, Timestamp};

/// The present state of one deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// Its identity, for good.
    pub id: DeploymentId,
    /// Who owns it, for good.
    pub tenant_id: TenantId,
    /// Its name in URLs, unique within the tenant, for good.
    pub slug: Slug,
    /// What people call it.
    pub display_name: DisplayName,
    /// Where it runs.
    pub region: ShortCode,
    /// Where it stands in its lifecycle.
    pub state: State,
    /// When it entered that state.
    pub state_since: Timestamp,
    /// How it reaches its language model, such as `managed` or `byo_key`.
    pub llm_mode: Option<ShortCode>,
    /// While true, no scheduled function changes the state.
    pub billing_action_suspended: bool,
    /// Since when it is held so. Unknown of a hold that began before this was recorded.
    pub held_since: Option<Timestamp>,
    /// What it was built from.
    pub template: Option<Template>,
    /// When its trial ends or ended; set if and only if it was created in `trial`.
    pub trial_ends_at: Option<Timestamp>,
    /// When a pause ends by itself; only ever set while `paused`.
    pub resume_at: Option<Timestamp>,
    /// When the last thing went away that kept the clock from ending the pause: a hold, or an overdue invoice.
    pub released_at: Option<Timestamp>,
    /// Cloud resources that are not deleted.
    pub live_resources: u32,
    /// Invoices that are issued and neither paid, void nor given up, oldest first.
    pub open_invoices: Vec<OpenInvoice>,
    /// Invoices that were given up and not paid since, oldest first.
    pub uncollectible_invoices: Vec<OpenInvoice>,
    /// What was paid and is not owed, by currency, never nothing. It goes at once to the oldest open invoice of its currency.
    pub balances: Vec<Amount>,
    /// The tenant's policy as it was copied here last; it moves no deadline that already runs.
    pub dunning_policy: DunningPolicy,
    /// Whether it ever had recurring revenue, so that some is not the first.
    pub has_had_revenue: bool,
    /// The sequence of its last event, so 1 after creation. Every change raises it.
    pub version: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its last event occurred.
    pub updated_at: Timestamp,
}

impl Deployment {
    /// Whether an invoice of it waits for payment, or was given up and not paid.
    #[must_use]
    pub const fn owes(&self) -> bool {
        !self.open_invoices.is_empty() || !self.uncollectible_invoices.is_empty()
    }

    /// Whether an open invoice is not paid though it was due by `now`.
    #[must_use]
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.oldest_due_at().is_some_and(|due_at| due_at <= now)
    }

    /// Until when the open invoice that is due first has to be paid.
    #[must_use]
    pub fn oldest_due_at(&self) -> Option<Timestamp> {
        self.open_invoices.iter().map(|open| open.due_at).min()
    }

    /// Notes that nothing keeps the clock from ending a pause any more.
    pub(super) fn release(&mut self, at: Timestamp) {
        self.released_at = Some(at).filter(|_| self.state == State::Paused);
    }

    /// Whether there is balance beside an open invoice of its currency: more invoices than one commit settles.
    #[must_use]
    pub fn balance_waits(&self) -> bool {
        self.balances.iter().any(|balance| self.open_invoices.iter().any(|open| open.currency == balance.currency))
    }

    /// The balance of a currency, in minor units.
    #[must_use]
    pub fn balance_cents(&self, currency: Currency) -> i64 {
        self.balances.iter().filter(|balance| balance.currency == currency).map(|balance| balance.amount_cents).sum()
    }

    /// What the permission of a move can depend on, at `now`.
    #[must_use]
    pub fn standing(&self, now: Timestamp) -> Standing {
        Standing { owes: self.owes(), is_overdue: self.is_overdue(now), is_held: self.billing_action_suspended }
    }

    /// Enters an entry into the open invoices, the given-up invoices and the balances; `None` if it contradicts them.
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
            Entry::BalanceReturned { amount_cents, currency, .. } => self.add_balance(*currency, *amount_cents),
        }
    }

    /// Lowers the amount due on an invoice that is open or was given up.
    fn lower(&mut self, number: &InvoiceNumber, by_cents: i64) -> Option<()> {
        let mut owed = self.open_invoices.iter_mut().chain(self.uncollectible_invoices.iter_mut());
        let invoice: &mut OpenInvoice = owed.find(|owed| owed.number == *number)?;
        invoice.due_cents = invoice.due_cents.checked_sub(by_cents).filter(|due_cents| *due_cents >= 0)?;
        self.drop_settled();
        Some(())
    }

    /// Forgets the invoices on which nothing is due any more.
    pub(super) fn drop_settled(&mut self) {
        self.open_invoices.retain(|owed| owed.due_cents > 0);
        self.uncollectible_invoices.retain(|owed| owed.due_cents > 0);
    }

    /// Adds to the balance of a currency, or takes from it; `None` if it would be negative.
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

/// A template and its version: always both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Which template.
    pub code: ShortCode,
    /// Which version of it.
    pub version: TemplateVersion,
}
