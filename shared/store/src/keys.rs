//! Every key string of the table. No other code makes a key. Reads and writes are not here.
//!
//! Sort keys that begin with `#` are a deployment's present state, which one Query reads whole; its history has sort
//! keys without it. No id or code in a key can contain `#`; only the separators written here do.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use arcadia_domain::{
    Attention, CatalogEvent, CatalogRecord, DeploymentId, InvoiceNumber, InvoiceStatus, NextAction, OperationId,
    PaymentReference, ResourceId, ShortCode, Slug, State, SubscriptionAddonId, TenantId, Timestamp,
};
use uuid::Uuid;

/// The first character of every sort key of the present state.
pub const PRESENT: &str = "#";

/// The prefix of the sort key of every event, and of no other record.
pub const EVENT_PREFIX: &str = "EVENT#";

/// The prefix of the sort key of every invoice.
pub const INVOICE_PREFIX: &str = "INVOICE#";

/// The number of partitions of each state in the state index. It cannot change during the life of the index.
pub const STATE_SHARDS: u8 = 4;

/// The default number of partitions of the due index. The operator can set another one before the first deployment; it
/// cannot change during the life of the index.
pub const DEFAULT_DUE_SHARDS: u8 = 16;

/// An item's primary key, or the key of an index entry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// The partition key.
    pub pk: String,
    /// The sort key.
    pub sk: String,
}

/// The partition of a deployment and its history.
#[must_use]
pub fn partition(id: DeploymentId) -> String {
    format!("DEPLOYMENT#{id}")
}

/// The key of a deployment's own item.
#[must_use]
pub fn deployment(id: DeploymentId) -> Key {
    Key { pk: partition(id), sk: "#DEPLOYMENT".to_owned() }
}

/// The key of a deployment's subscription.
#[must_use]
pub fn subscription(id: DeploymentId) -> Key {
    Key { pk: partition(id), sk: "#SUBSCRIPTION".to_owned() }
}

/// The key of an add-on of that subscription.
#[must_use]
pub fn subscription_addon(id: DeploymentId, addon_id: SubscriptionAddonId) -> Key {
    Key { pk: partition(id), sk: format!("#SUBSCRIPTION#ADDON#{addon_id}") }
}

/// The key of an event. The sequence is padded, so that keys sort like numbers.
#[must_use]
pub fn event(id: DeploymentId, sequence: u64) -> Key {
    Key { pk: partition(id), sk: event_sort_key(sequence) }
}

/// The key of a cloud resource.
#[must_use]
pub fn resource(id: DeploymentId, resource_id: ResourceId) -> Key {
    Key { pk: partition(id), sk: format!("RESOURCE#{resource_id}") }
}

/// The key of an invoice. Its number begins with a time, so keys sort by time.
#[must_use]
pub fn invoice(id: DeploymentId, number: &InvoiceNumber) -> Key {
    Key { pk: partition(id), sk: format!("{INVOICE_PREFIX}{number}") }
}

/// The sort keys of the invoices before `before`, or of all invoices.
#[must_use]
pub fn invoices_before(before: Option<&InvoiceNumber>) -> RangeInclusive<String> {
    let last = before.map_or_else(|| "~".to_owned(), |number| just_before_text(number.as_str()));
    INVOICE_PREFIX.to_owned()..=format!("{INVOICE_PREFIX}{last}")
}

/// An invoice's entry in the tenant index (`GSI1`): the list of a tenant's invoices.
#[must_use]
pub fn invoice_of_tenant(tenant_id: &TenantId, issued: &InvoiceEntry) -> Key {
    Key { pk: tenant_invoices_partition(tenant_id), sk: issued.to_string() }
}

/// An invoice's entry in the state index (`GSI2`): the list of all tenants' invoices.
#[must_use]
pub fn invoice_of_everyone(id: DeploymentId, issued: &InvoiceEntry, shards: u8) -> Key {
    Key { pk: invoices_partition(shard(id, shards)), sk: issued.to_string() }
}

/// An invoice's entry in the due index (`GSI3`), by its due date; `None` for a paid invoice.
#[must_use]
pub fn invoice_by_status(status: InvoiceStatus, id: DeploymentId, due: &InvoiceEntry, shards: u8) -> Option<Key> {
    let pk = invoice_status_partition(status, id, shards);
    (status != InvoiceStatus::Paid).then(|| Key { pk, sk: due.to_string() })
}

/// The partition of the due index with a deployment's invoices of a status.
#[must_use]
pub fn invoice_status_partition(status: InvoiceStatus, id: DeploymentId, shards: u8) -> String {
    invoices_by_status_partition(status, shard(id, shards))
}

/// The partition of the tenant index with all invoices of a tenant.
#[must_use]
pub fn tenant_invoices_partition(tenant_id: &TenantId) -> String {
    format!("{}{TENANT_INVOICES}", tenant_partition(tenant_id))
}

/// The tenant of a partition of invoices in the tenant index.
#[must_use]
pub fn tenant_of_invoices(pk: &str) -> Option<TenantId> {
    pk.strip_prefix("TENANT#")?.strip_suffix(TENANT_INVOICES)?.parse().ok()
}

/// The suffix of the partition of a tenant's invoices.
const TENANT_INVOICES: &str = "#INVOICES";

/// One partition of all tenants' invoices in the state index.
#[must_use]
pub fn invoices_partition(shard: u8) -> String {
    format!("INVOICES#{shard:03}")
}

/// One partition of all tenants' invoices of a status in the due index.
#[must_use]
pub fn invoices_by_status_partition(status: InvoiceStatus, shard: u8) -> String {
    format!("INVOICES#{}#{shard:03}", status.as_str())
}

/// A position in a list of several deployments' invoices: the second of issue, or of the due date, and the number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct InvoiceEntry {
    second: String,
    number: InvoiceNumber,
}

impl InvoiceEntry {
    /// The position of an invoice by its time of issue or its due date.
    #[must_use]
    pub fn new(at: Timestamp, number: &InvoiceNumber) -> Self {
        Self { second: second(at), number: number.clone() }
    }

    /// The number of the invoice.
    #[must_use]
    pub const fn number(&self) -> &InvoiceNumber {
        &self.number
    }
}

impl fmt::Display for InvoiceEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.second, self.number)
    }
}

impl FromStr for InvoiceEntry {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (second, number) = text.split_once('#').ok_or(())?;
        let is_second = second.len() == 14 && second.bytes().all(|byte| byte.is_ascii_digit());
        let number = number.parse().map_err(|_| ())?;
        if is_second { Ok(Self { second: second.to_owned(), number }) } else { Err(()) }
    }
}

/// The sort keys of the invoices from the second of `from` to the second of `to`, inclusive, and after the position
/// `after` in the given order.
#[must_use]
pub fn invoice_entries(
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    after: Option<&InvoiceEntry>,
    oldest_first: bool,
) -> RangeInclusive<String> {
    let mut first = from.map_or_else(|| "0".to_owned(), second);
    let mut last = to.map_or_else(|| "~".to_owned(), |to| format!("{}~", second(to)));
    match after.map(InvoiceEntry::to_string) {
        Some(after) if oldest_first => first = first.max(format!("{after}!")),
        Some(after) => last = last.min(just_before_text(&after)),
        None => {}
    }
    // DynamoDB refuses a range whose end is before its start, so an empty range asks for the year 0 instead.
    if first > last { "0".to_owned()..="0".to_owned() } else { first..=last }
}

/// A second as a text of fixed width, which sorts like the time.
fn second(at: Timestamp) -> String {
    at.format("%Y%m%d%H%M%S").to_string()
}

/// A live subscription's entry in the state index (`GSI2`): the list of a plan's subscriptions, by version.
#[must_use]
pub fn subscription_of_plan(code: &ShortCode, entry: PlanEntry) -> Key {
    Key { pk: plan_subscriptions_partition(code, shard(entry.id, STATE_SHARDS)), sk: entry.to_string() }
}

/// One partition of the live subscriptions of a plan in the state index.
#[must_use]
pub fn plan_subscriptions_partition(code: &ShortCode, shard: u8) -> String {
    format!("PLAN#{code}#{shard:03}")
}

/// A live subscription's entry in the due index (`GSI3`) while a change of plan is scheduled: the list of those that will
/// change to a plan, by version.
#[must_use]
pub fn change_to_plan(code: &ShortCode, entry: PlanEntry) -> Key {
    Key { pk: plan_changes_partition(code, shard(entry.id, STATE_SHARDS)), sk: entry.to_string() }
}

/// One partition of the live subscriptions that will change to a plan in the due index.
#[must_use]
pub fn plan_changes_partition(code: &ShortCode, shard: u8) -> String {
    format!("PLAN#{code}#CHANGES#{shard:03}")
}

/// A position in the list of a plan's deployments: the plan version and the deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlanEntry {
    /// The version of the plan.
    pub version: u32,
    /// The id of the deployment.
    pub id: DeploymentId,
}

impl fmt::Display for PlanEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:010}#{}", self.version, self.id)
    }
}

impl FromStr for PlanEntry {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (version, id) = text.split_once('#').ok_or(())?;
        let entry = Self { version: version.parse().map_err(|_| ())?, id: id.parse().map_err(|_| ())? };
        if entry.to_string() == text { Ok(entry) } else { Err(()) }
    }
}

/// The sort keys of a plan's deployments before a position, of one version or of all versions.
#[must_use]
pub fn plan_entries(version: Option<u32>, before: Option<PlanEntry>) -> RangeInclusive<String> {
    let first = format!("{:010}", version.unwrap_or(0));
    let last = version.map_or_else(|| "~".to_owned(), |version| format!("{version:010}#~"));
    let last = match before {
        Some(PlanEntry { version, id }) => last.min(format!("{version:010}#{}", just_before(id.as_uuid()))),
        None => last,
    };
    // DynamoDB refuses a range whose end is before its start.
    if first > last { first.clone()..=first } else { first..=last }
}

/// The key of a recorded payment, which claims its reference.
#[must_use]
pub fn payment(id: DeploymentId, reference: &PaymentReference) -> Key {
    Key { pk: partition(id), sk: format!("PAYMENT#{reference}") }
}

/// The key of a recorded refund, which claims its reference.
#[must_use]
pub fn refund(id: DeploymentId, reference: &PaymentReference) -> Key {
    Key { pk: partition(id), sk: format!("REFUND#{reference}") }
}

/// The key of a granted credit, by the sequence of its event.
#[must_use]
pub fn grant(id: DeploymentId, sequence: u64) -> Key {
    Key { pk: partition(id), sk: format!("GRANT#{sequence:010}") }
}

/// The entry of a refund or a granted credit in the tenant index (`GSI1`), by its time and its event.
#[must_use]
pub fn movement_of_tenant(tenant_id: &TenantId, at: Timestamp, id: DeploymentId, sequence: u64) -> Key {
    Key { pk: tenant_movements_partition(tenant_id), sk: format!("{}#{id}#{sequence}", second(at)) }
}

/// The partition of the tenant index with all movements of balance of a tenant that no invoice has.
#[must_use]
pub fn tenant_movements_partition(tenant_id: &TenantId) -> String {
    format!("{}#BALANCE", tenant_partition(tenant_id))
}

/// The sort keys of the movements of balance after a position, or of all, oldest first.
#[must_use]
pub fn movements_after(after: Option<&str>) -> RangeInclusive<String> {
    after.map_or_else(|| "0".to_owned(), |after| format!("{after}!"))..="~".to_owned()
}

/// The partition of all figures.
pub const FIGURES_PARTITION: &str = "FIGURES";

/// The hour of a time, such as `2027-01-31T09`, in UTC.
#[must_use]
pub fn hour(at: Timestamp) -> String {
    at.format("%Y-%m-%dT%H").to_string()
}

/// The month of a time, such as `2027-01`, in UTC.
#[must_use]
pub fn month(at: Timestamp) -> String {
    at.format("%Y-%m").to_string()
}

/// The sort key of the totals of a group of figures, in a slot.
#[must_use]
pub fn figures_total(slot: u64, group: &str) -> String {
    format!("TOTAL#{slot}#{group}")
}

/// The sort key of the movements in the month of an hour, in a slot.
#[must_use]
pub fn figures_month(hour: &str, slot: u64, group: &str) -> String {
    let month = hour.get(..MONTH_LEN).unwrap_or(hour);
    format!("MONTH#{month}#{slot}#{group}")
}

/// The sort key of the differences of an hour, in a slot.
#[must_use]
pub fn figures_hour(hour: &str, slot: u64, group: &str) -> String {
    format!("HOUR#{hour}#{slot}#{group}")
}

/// The sort keys of all totals.
#[must_use]
pub fn figures_totals() -> RangeInclusive<String> {
    "TOTAL#".to_owned()..="TOTAL#~".to_owned()
}

/// The sort keys of the movements of a month.
#[must_use]
pub fn figures_of_month(month: &str) -> RangeInclusive<String> {
    format!("MONTH#{month}#")..=format!("MONTH#{month}#~")
}

/// The sort keys of the differences of the hour of `at` and of later hours.
#[must_use]
pub fn figures_since(at: Timestamp) -> RangeInclusive<String> {
    format!("HOUR#{}", hour(at))..="HOUR#~".to_owned()
}

/// Whether the sort key of an hour's differences is in a month.
#[must_use]
pub fn is_hour_of(sort_key: &str, month: &str) -> bool {
    sort_key.strip_prefix("HOUR#").is_some_and(|hour| hour.starts_with(month))
}

/// The length of a month as text.
const MONTH_LEN: usize = "2027-01".len();

/// The key of the mark that a batch of figures was added; `sequence` is that of its first stream record.
#[must_use]
pub fn figures_batch(sequence: u128) -> Key {
    Key { pk: FIGURES_PARTITION.to_owned(), sk: format!("BATCH#{sequence}") }
}

/// The key of the trace of a deployment that needs a person: since `at`, or until `at` if it is postponed.
#[must_use]
pub fn attention(kind: Attention, at: Timestamp, id: DeploymentId) -> Key {
    let entry = AttentionEntry { due: DueEntry { at, id }, kind };
    Key { pk: attention_partition(kind, shard(id, attention_shards(kind))), sk: entry.to_string() }
}

/// A position in the list of deployments that need a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AttentionEntry {
    /// The deployment and the time of its trace.
    pub due: DueEntry,
    /// The reason.
    pub kind: Attention,
}

impl fmt::Display for AttentionEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.due, self.kind)
    }
}

impl FromStr for AttentionEntry {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (due, kind) = text.rsplit_once('#').ok_or(())?;
        Ok(Self { due: due.parse()?, kind: kind.parse().map_err(|_| ())? })
    }
}

/// The partitions with the traces of a reason.
pub fn attention_partitions(kind: Attention) -> impl Iterator<Item = String> {
    (0..attention_shards(kind)).map(move |shard| attention_partition(kind, shard))
}

/// The number of partitions of a reason. Failures are rare and have one; many deployments can enter a state at once.
const fn attention_shards(kind: Attention) -> u8 {
    match kind {
        Attention::Held | Attention::CancelledWithResources => STATE_SHARDS,
        Attention::Postponed | Attention::NotPublished => 1,
    }
}

fn attention_partition(kind: Attention, shard: u8) -> String {
    format!("ATTENTION#{kind}#{shard:03}")
}

/// The sort keys of the traces after a position, or of all traces.
#[must_use]
pub fn attention_after(after: Option<AttentionEntry>) -> RangeInclusive<String> {
    after.map_or_else(|| "0".to_owned(), |entry| format!("{entry}!"))..="~".to_owned()
}

/// The key of a tenant's account.
#[must_use]
pub fn account(tenant_id: &TenantId) -> Key {
    Key { pk: tenant_partition(tenant_id), sk: "#ACCOUNT".to_owned() }
}

/// An account's entry in the tenant index (`GSI1`): the list of all tenants.
#[must_use]
pub fn account_index(tenant_id: &TenantId) -> Key {
    let sum: u32 = tenant_id.as_str().bytes().map(u32::from).sum();
    let shard = u8::try_from(sum % u32::from(STATE_SHARDS)).unwrap_or_default();
    Key { pk: tenants_partition(shard), sk: tenant_id.to_string() }
}

/// One partition of the list of all tenants in the tenant index.
#[must_use]
pub fn tenants_partition(shard: u8) -> String {
    format!("TENANTS#{shard:03}")
}

/// The sort keys of the tenants after one, or of all tenants.
#[must_use]
pub fn tenants_after(after: Option<&TenantId>) -> RangeInclusive<String> {
    // `!` sorts before every character of a tenant's id.
    let first = after.map_or_else(|| "!".to_owned(), |after| format!("{after}!"));
    first..="~".to_owned()
}

/// The key of the limits of a tenant's new deployments.
#[must_use]
pub fn tenant_limits(tenant_id: &TenantId) -> Key {
    Key { pk: tenant_partition(tenant_id), sk: "#LIMITS".to_owned() }
}

/// The key of an event of a tenant. The sequence is padded, so that keys sort like numbers.
#[must_use]
pub fn tenant_event(tenant_id: &TenantId, sequence: u64) -> Key {
    Key { pk: tenant_partition(tenant_id), sk: event_sort_key(sequence) }
}

/// The sort keys of a tenant's claims on slugs after one, or of all claims.
#[must_use]
pub fn slug_claims_after(after: Option<&str>) -> RangeInclusive<String> {
    // `!` sorts before every character of a slug.
    let first = after.map_or_else(|| "SLUG#!".to_owned(), |sort_key| format!("{sort_key}!"));
    first..="SLUG#~".to_owned()
}

/// The key of a tenant's dunning policy.
#[must_use]
pub fn dunning_policy(tenant_id: &TenantId) -> Key {
    Key { pk: tenant_partition(tenant_id), sk: "#DUNNING_POLICY".to_owned() }
}

/// The key of a tenant's claim on a slug.
#[must_use]
pub fn slug_claim(tenant_id: &TenantId, slug: &Slug) -> Key {
    Key { pk: tenant_partition(tenant_id), sk: format!("SLUG#{slug}") }
}

/// The key of the claim on a tenant's one trial of a plan.
#[must_use]
pub fn trial_claim(tenant_id: &TenantId, plan_code: &ShortCode) -> Key {
    Key { pk: tenant_partition(tenant_id), sk: format!("TRIAL#{plan_code}") }
}

/// The key of a plan.
#[must_use]
pub fn plan(code: &ShortCode) -> Key {
    Key { pk: plan_partition(code), sk: "#PLAN".to_owned() }
}

/// The partition of a plan and its versions.
#[must_use]
pub fn plan_partition(code: &ShortCode) -> String {
    format!("PLAN#{code}")
}

/// The key of a plan version.
#[must_use]
pub fn plan_version(code: &ShortCode, version: u32) -> Key {
    Key { pk: plan_partition(code), sk: plan_version_sort_key(version) }
}

/// The sort keys of a plan's versions before `before`, or of all versions.
#[must_use]
pub fn plan_versions_before(before: Option<u32>) -> RangeInclusive<String> {
    let last = before.map_or(u32::MAX, |version| version.saturating_sub(1));
    plan_version_sort_key(0)..=plan_version_sort_key(last)
}

/// The key of an add-on of the catalog.
#[must_use]
pub fn addon(code: &ShortCode) -> Key {
    Key { pk: format!("ADDON#{code}"), sk: "#ADDON".to_owned() }
}

/// The key of a coupon.
#[must_use]
pub fn coupon(code: &ShortCode) -> Key {
    Key { pk: format!("COUPON#{code}"), sk: "#COUPON".to_owned() }
}

/// The partition of a record of the catalog and its events.
#[must_use]
pub fn catalog_partition(record: &CatalogRecord) -> String {
    let Key { pk, .. } = match record {
        CatalogRecord::Plan(code) => plan(code),
        CatalogRecord::Addon(code) => addon(code),
        CatalogRecord::Coupon(code) => coupon(code),
    };
    pk
}

/// The key of an event of the catalog. The revision is padded, so that keys sort like numbers.
#[must_use]
pub fn catalog_event(record: &CatalogRecord, revision: u64) -> Key {
    Key { pk: catalog_partition(record), sk: event_sort_key(revision) }
}

/// The entry of an event of the catalog in the tenant index: the list of all events of the catalog.
#[must_use]
pub fn catalog_event_index(event: &CatalogEvent) -> Key {
    Key { pk: CATALOG_EVENTS.to_owned(), sk: CatalogEntry::of(event).to_string() }
}

/// The partition of the tenant index with all events of the catalog.
pub const CATALOG_EVENTS: &str = "CATALOG_EVENTS";

/// A position in the list of the catalog's events: the time, the record's partition, and the revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogEntry {
    at: Timestamp,
    partition: String,
    revision: u64,
}

impl CatalogEntry {
    /// The position of an event.
    #[must_use]
    pub fn of(event: &CatalogEvent) -> Self {
        let partition = catalog_partition(&event.record());
        Self { at: event.occurred_at, partition, revision: event.revision }
    }

    /// The revision that the event made.
    #[must_use]
    pub const fn revision(&self) -> u64 {
        self.revision
    }
}

impl fmt::Display for CatalogEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, partition, revision } = self;
        write!(f, "{}#{partition}#{revision:010}", millisecond(*at))
    }
}

impl FromStr for CatalogEntry {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (at, rest) = text.split_once('#').ok_or(())?;
        let (partition, revision) = rest.rsplit_once('#').ok_or(())?;
        let at = at.parse().map_err(|_| ())?;
        let entry = Self { at, partition: partition.to_owned(), revision: revision.parse().map_err(|_| ())? };
        if entry.to_string() == text { Ok(entry) } else { Err(()) }
    }
}

/// The index sort keys of the catalog's events before `before` in time, or of all of them.
#[must_use]
pub fn catalog_events_before(before: Option<&CatalogEntry>) -> RangeInclusive<String> {
    let last = before.map_or_else(|| "~".to_owned(), |entry| just_before_text(&entry.to_string()));
    "0".to_owned()..=last
}

/// A plan's entry in the tenant index: the list of all plans.
#[must_use]
pub fn plan_index(code: &ShortCode) -> Key {
    Key { pk: PLANS.to_owned(), sk: code.to_string() }
}

/// An add-on's entry in the tenant index: the list of all add-ons.
#[must_use]
pub fn addon_index(code: &ShortCode) -> Key {
    Key { pk: ADDONS.to_owned(), sk: code.to_string() }
}

/// A coupon's entry in the tenant index: the list of all coupons.
#[must_use]
pub fn coupon_index(code: &ShortCode) -> Key {
    Key { pk: COUPONS.to_owned(), sk: code.to_string() }
}

/// The partition of the tenant index with all plans.
pub const PLANS: &str = "PLANS";
/// The partition of the tenant index with all add-ons.
pub const ADDONS: &str = "ADDONS";
/// The partition of the tenant index with all coupons.
pub const COUPONS: &str = "COUPONS";

/// The key of an idempotency record. `id` is a digest of the caller and the idempotency key, because both can be any
/// text.
#[must_use]
pub fn idempotency(id: &str) -> Key {
    Key { pk: format!("IDEMPOTENCY#{id}"), sk: "#ANSWER".to_owned() }
}

/// The key of an operation on many deployments.
#[must_use]
pub fn operation(id: OperationId) -> Key {
    Key { pk: operation_partition(id), sk: "#OPERATION".to_owned() }
}

/// The key of the deployments that an operation names by id.
#[must_use]
pub fn operation_ids(id: OperationId) -> Key {
    Key { pk: operation_partition(id), sk: "#IDS".to_owned() }
}

/// The key of the result of an operation for a deployment.
#[must_use]
pub fn operation_result(id: OperationId, deployment_id: DeploymentId) -> Key {
    Key { pk: operation_partition(id), sk: deployment_id.to_string() }
}

/// The partition of an operation and its results.
#[must_use]
pub fn operation_partition(id: OperationId) -> String {
    format!("OPERATION#{id}")
}

/// The sort keys of an operation's results after one of them, or of all results.
#[must_use]
pub fn operation_results_after(after: Option<DeploymentId>) -> RangeInclusive<String> {
    after.map_or_else(|| "0".to_owned(), |id| format!("{id}!"))..="~".to_owned()
}

/// An operation's entry in the tenant index: the list of all operations.
#[must_use]
pub fn operation_index(id: OperationId) -> Key {
    Key { pk: OPERATIONS.to_owned(), sk: id.to_string() }
}

/// The index sort keys of the operations older than `before`, or of all operations.
#[must_use]
pub fn operations_before(before: Option<OperationId>) -> RangeInclusive<String> {
    let last = before.map_or(Uuid::max(), |id| just_before(id.as_uuid()));
    Uuid::nil().to_string()..=last.to_string()
}

/// The partition of the tenant index with all operations.
pub const OPERATIONS: &str = "OPERATIONS";

/// The key of the record that names the operations that run.
#[must_use]
pub fn running_operations() -> Key {
    Key { pk: OPERATIONS.to_owned(), sk: "#RUNNING".to_owned() }
}

/// A key under which nothing is ever stored.
#[must_use]
pub fn nobody() -> Key {
    Key { pk: "NOBODY".to_owned(), sk: PRESENT.to_owned() }
}

/// The sort keys of the events after one and before another, or of all events after it.
#[must_use]
pub fn events_between(after: u64, before: Option<u64>) -> RangeInclusive<String> {
    let last = before.map_or(u64::MAX, |sequence| sequence.saturating_sub(1));
    let range = event_sort_key(after.saturating_add(1))..=event_sort_key(last);
    // DynamoDB refuses a range whose end is before its start, so an empty range asks for event 0, which does not exist.
    if range.is_empty() { event_sort_key(0)..=event_sort_key(0) } else { range }
}

/// The sort keys of the resources older than `before`, or of all resources.
#[must_use]
pub fn resources_before(before: Option<ResourceId>) -> RangeInclusive<String> {
    let last = before.map_or(Uuid::max(), |id| just_before(id.as_uuid()));
    format!("RESOURCE#{}", Uuid::nil())..=format!("RESOURCE#{last}")
}

/// A deployment's entry in the tenant index (`GSI1`).
#[must_use]
pub fn tenant_index(tenant_id: &TenantId, id: DeploymentId) -> Key {
    Key { pk: tenant_partition(tenant_id), sk: id.to_string() }
}

/// A slug claim's entry in the tenant index: the list of all tenants' deployments with the slug.
#[must_use]
pub fn slug_index(slug: &Slug, id: DeploymentId) -> Key {
    Key { pk: slug_partition(slug), sk: id.to_string() }
}

/// A deployment's entry in the state index (`GSI2`).
#[must_use]
pub fn state_index(state: State, id: DeploymentId) -> Key {
    Key { pk: state_partition(state, shard(id, STATE_SHARDS)), sk: id.to_string() }
}

/// A deployment's entry in the due index (`GSI3`), by the time of its next step.
#[must_use]
pub fn due_index(next: NextAction, id: DeploymentId, shards: u8) -> Key {
    Key { pk: due_partition(shard(id, shards)), sk: due_sort_key(next.at, id) }
}

/// A position in the due index: a deployment and the time when it is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DueEntry {
    /// When it is due.
    pub at: Timestamp,
    /// The id of the deployment.
    pub id: DeploymentId,
}

impl fmt::Display for DueEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&due_sort_key(self.at, self.id))
    }
}

impl FromStr for DueEntry {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (at, id) = text.split_once('#').ok_or(())?;
        let entry = Self { at: at.parse().map_err(|_| ())?, id: id.parse().map_err(|_| ())? };
        if entry.to_string() == text { Ok(entry) } else { Err(()) }
    }
}

/// The sort keys of the entries after `after` and due before `before`, or of all entries.
#[must_use]
pub fn due_between(after: Option<DueEntry>, before: Option<Timestamp>) -> RangeInclusive<String> {
    let first = after.map_or_else(|| "0".to_owned(), |entry| format!("{entry}!"));
    // No deployment has the nil UUID.
    let last = before.map_or_else(|| "~".to_owned(), |at| due_sort_key(at, DeploymentId::new(Uuid::nil())));
    // DynamoDB refuses a range whose end is before its start.
    if first > last { last.clone()..=last } else { first..=last }
}

/// The sort key of a deployment that is due at `at`. The time has a fixed width, so it sorts like the time.
#[must_use]
pub fn due_sort_key(at: Timestamp, id: DeploymentId) -> String {
    format!("{}#{id}", millisecond(at))
}

/// A millisecond as a text of fixed width, which sorts like the time.
fn millisecond(at: Timestamp) -> String {
    at.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// The due time in a sort key of the due index.
#[must_use]
pub fn due_at(sort_key: &str) -> Option<Timestamp> {
    sort_key.split_once('#')?.0.parse().ok()
}

/// The last sort key of the deployments that are due at `now`.
#[must_use]
pub fn due_until(now: Timestamp) -> String {
    due_sort_key(now, DeploymentId::new(Uuid::max()))
}

/// The first sort key after an entry, or of the whole partition.
#[must_use]
pub fn due_after(entry: Option<&str>) -> String {
    entry.map_or_else(|| "0".to_owned(), |entry| format!("{entry}!"))
}

/// One partition of the due index.
#[must_use]
pub fn due_partition(shard: u8) -> String {
    format!("DUE#{shard:03}")
}

/// One partition of the state index.
#[must_use]
pub fn state_partition(state: State, shard: u8) -> String {
    format!("STATE#{state}#{shard:03}")
}

/// The partition of a tenant's own records, in the table and in the tenant index.
#[must_use]
pub fn tenant_partition(tenant_id: &TenantId) -> String {
    format!("TENANT#{tenant_id}")
}

/// The partition of the tenant index with all claims on a slug.
#[must_use]
pub fn slug_partition(slug: &Slug) -> String {
    format!("SLUG#{slug}")
}

/// The index sort keys of the deployments older than `before`, or of all deployments.
#[must_use]
pub fn deployments_before(before: Option<DeploymentId>) -> RangeInclusive<String> {
    let last = before.map_or(Uuid::max(), |id| just_before(id.as_uuid()));
    Uuid::nil().to_string()..=last.to_string()
}

/// The deployment of a partition of the table.
#[must_use]
pub fn deployment_id(pk: &str) -> Option<DeploymentId> {
    pk.strip_prefix("DEPLOYMENT#")?.parse().ok()
}

/// The tenant of a partition of a tenant's own records, in the table or in the tenant index.
#[must_use]
pub fn tenant_of(pk: &str) -> Option<TenantId> {
    pk.strip_prefix("TENANT#")?.parse().ok()
}

fn plan_version_sort_key(version: u32) -> String {
    format!("VERSION#{version:010}")
}

fn event_sort_key(sequence: u64) -> String {
    const MAX: u64 = 9_999_999_999;
    format!("{EVENT_PREFIX}{:010}", sequence.min(MAX))
}

/// A text that sorts directly before `text`, and after every smaller text of its kind. `text` ends with a number of fixed
/// length, or with an invoice's number, which can be longer by an ordinal; so lowering the last character and appending
/// `~` is enough.
fn just_before_text(text: &str) -> String {
    let (head, tail) = text.split_at(text.len().saturating_sub(1));
    let smaller = tail.bytes().next().map_or(b' ', |last| last - 1);
    format!("{head}{}~", char::from(smaller))
}

/// The greatest UUID smaller than `id`: the end of an inclusive range that excludes `id`.
fn just_before(id: Uuid) -> Uuid {
    Uuid::from_u128(id.as_u128().saturating_sub(1))
}

/// The shard of a deployment, by the random end of its UUIDv7; the beginning is a time and would not spread the load.
fn shard(id: DeploymentId, shards: u8) -> u8 {
    let [.., last] = *id.as_uuid().as_bytes();
    last % shards.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arcadia_domain::Action;

    #[test]
    fn keys_stand_as_documented() {
        let id: DeploymentId = "0192f0c1-2345-7abc-8def-0123456789ab".parse().unwrap();
        let tenant: TenantId = "acme".parse().unwrap();
        let slug: Slug = "shop".parse().unwrap();
        let resource_id: ResourceId = "0192f0c1-2345-7abc-8def-0123456789ac".parse().unwrap();
        let code: ShortCode = "studio".parse().unwrap();
        let at = chrono::DateTime::from_timestamp(1_801_353_600, 0).unwrap();
        let due = NextAction { action: Action::Renew, at };
        let id_text = id.to_string();
        for (key, pk, sk) in [
            (deployment(id), format!("DEPLOYMENT#{id_text}"), "#DEPLOYMENT".to_owned()),
            (event(id, 7), format!("DEPLOYMENT#{id_text}"), "EVENT#0000000007".to_owned()),
            (resource(id, resource_id), format!("DEPLOYMENT#{id_text}"), format!("RESOURCE#{resource_id}")),
            (slug_claim(&tenant, &slug), "TENANT#acme".to_owned(), "SLUG#shop".to_owned()),
            (tenant_index(&tenant, id), "TENANT#acme".to_owned(), id_text.clone()),
            (slug_index(&slug, id), "SLUG#shop".to_owned(), id_text.clone()),
            (subscription(id), format!("DEPLOYMENT#{id_text}"), "#SUBSCRIPTION".to_owned()),
            (plan(&code), "PLAN#studio".to_owned(), "#PLAN".to_owned()),
            (plan_version(&code, 12), "PLAN#studio".to_owned(), "VERSION#0000000012".to_owned()),
            (
                change_to_plan(&code, PlanEntry { version: 12, id }),
                "PLAN#studio#CHANGES#003".to_owned(),
                format!("0000000012#{id_text}"),
            ),
            (addon(&code), "ADDON#studio".to_owned(), "#ADDON".to_owned()),
            (coupon(&code), "COUPON#studio".to_owned(), "#COUPON".to_owned()),
            (
                catalog_event(&CatalogRecord::Addon(code.clone()), 3),
                "ADDON#studio".to_owned(),
                "EVENT#0000000003".to_owned(),
            ),
            (trial_claim(&tenant, &code), "TENANT#acme".to_owned(), "TRIAL#studio".to_owned()),
            (account(&tenant), "TENANT#acme".to_owned(), "#ACCOUNT".to_owned()),
            (tenant_limits(&tenant), "TENANT#acme".to_owned(), "#LIMITS".to_owned()),
            (tenant_event(&tenant, 7), "TENANT#acme".to_owned(), "EVENT#0000000007".to_owned()),
            (
                due_index(due, id, DEFAULT_DUE_SHARDS),
                "DUE#011".to_owned(),
                format!("2027-01-31T00:00:00.000Z#{id_text}"),
            ),
            (state_index(State::PastDue, id), "STATE#past_due#003".to_owned(), id_text.clone()),
        ] {
            assert_eq!((key.pk, key.sk), (pk, sk));
        }
        assert_eq!(deployment_id(&partition(id)), Some(id));
        assert_eq!(deployment_id("TENANT#acme"), None);
        assert_eq!((tenant_of("TENANT#acme"), tenant_of("DEPLOYMENT#acme")), (Some(tenant), None));
        assert_eq!(due_at(&due_sort_key(at, id)), Some(at));
        assert_eq!(due_at("TENANT#acme"), None);
    }

    #[test]
    fn ranges_end_just_before_the_position() {
        let events = events_between(0, Some(10));
        assert!(events.contains(&event_sort_key(9)) && !events.contains(&event_sort_key(10)));
        let number: InvoiceNumber = "20270101000000-0123456789ab-USD".parse().unwrap();
        let invoices = invoices_before(Some(&number));
        for (text, within) in [
            ("20270101000000-0123456789ab-USD", false),
            ("20270101000000-0123456789ab-USC", true),
            ("20270101000000-0123456789ab-EUR", true),
            ("20261201000000-0123456789ab-USD", true),
            ("20270101000000-0123456789ac-EUR", false),
            ("20270201000000-0123456789ab-USD", false),
        ] {
            assert_eq!(invoices.contains(&format!("INVOICE#{text}")), within, "{text}");
            assert!(invoices_before(None).contains(&format!("INVOICE#{text}")), "{text}");
        }
        assert!(events_between(0, None).contains(&event_sort_key(9_999_999_999)));
        let id: DeploymentId = "0192f0c1-2345-7abc-8def-000000000000".parse().unwrap();
        let older: DeploymentId = "0192f0c1-2345-7abc-8dee-ffffffffffff".parse().unwrap();
        let range = deployments_before(Some(id));
        assert!(range.contains(&older.to_string()) && !range.contains(&id.to_string()));
    }

    #[test]
    fn invoices_stand_by_second_and_number_and_a_range_follows_a_place() {
        let at = |seconds: i64| chrono::DateTime::from_timestamp(1_801_353_600 + seconds, 0).unwrap();
        let number = |text: &str| text.parse::<InvoiceNumber>().unwrap();
        let (first, second) = ("20270101000000-0123456789ab-USD", "20270101000000-0123456789ab-USD-002");
        let entries: Vec<InvoiceEntry> = [(0, first), (0, second), (1, first), (86_400, first)]
            .map(|(seconds, text)| InvoiceEntry::new(at(seconds), &number(text)))
            .into();
        assert_eq!(entries[0].to_string(), format!("20270131000000#{first}"));
        for (index, entry) in entries.iter().enumerate() {
            assert_eq!(entry.to_string().parse().as_ref(), Ok(entry));
            for (other_index, other) in entries.iter().enumerate() {
                let holds =
                    |oldest_first| invoice_entries(None, None, Some(entry), oldest_first).contains(&other.to_string());
                assert_eq!(holds(true), other_index > index, "{entry} {other}");
                assert_eq!(holds(false), other_index < index, "{entry} {other}");
            }
        }
        let within = |from, to| {
            let range = invoice_entries(from, to, None, false);
            entries.iter().filter(|entry| range.contains(&entry.to_string())).count()
        };
        assert_eq!(within(Some(at(0)), Some(at(0))), 2);
        assert_eq!(within(Some(at(1)), None), 2);
        assert_eq!(within(None, Some(at(1))), 3);
        assert_eq!(within(Some(at(2)), Some(at(1))), 0);
        for bad in ["", "#", "20270131000000", "2027-01-31#20270101000000-0123456789ab-USD", "20270131000000#x"] {
            assert_eq!(bad.parse::<InvoiceEntry>(), Err(()), "{bad}");
        }
        let tenant: TenantId = "acme".parse().unwrap();
        assert_eq!(tenant_of_invoices(&tenant_invoices_partition(&tenant)), Some(tenant));
        assert_eq!(tenant_of_invoices("TENANT#acme"), None);
    }

    #[test]
    fn the_catalogs_events_stand_by_time_record_and_revision() {
        let entries = [
            "2027-01-31T00:00:00.000Z#ADDON#storage#0000000001",
            "2027-01-31T00:00:00.000Z#PLAN#studio#0000000009",
            "2027-01-31T00:00:00.000Z#PLAN#studio#0000000010",
            "2027-01-31T00:00:00.001Z#ADDON#storage#0000000002",
        ];
        for (index, text) in entries.iter().enumerate() {
            let entry: CatalogEntry = text.parse().unwrap();
            assert_eq!(entry.to_string(), *text);
            let range = catalog_events_before(Some(&entry));
            let found = entries.iter().filter(|other| range.contains(&(**other).to_owned())).count();
            assert_eq!(found, index, "{text}");
        }
        for bad in ["", "#", "2027-01-31#PLAN#studio#0000000001", "2027-01-31T00:00:00.000Z#PLAN#studio#1"] {
            assert_eq!(bad.parse::<CatalogEntry>(), Err(()), "{bad}");
        }
    }

    #[test]
    fn a_plans_deployments_stand_by_version_and_id() {
        let ids = ["0192f0c1-2345-7abc-8def-000000000000", "0192f0c1-2345-7abc-8def-000000000001"];
        let ids = ids.map(|id| id.parse::<DeploymentId>().unwrap());
        let entries =
            [(1, ids[0]), (1, ids[1]), (2, ids[0]), (11, ids[1])].map(|(version, id)| PlanEntry { version, id });
        for (index, entry) in entries.iter().enumerate() {
            assert_eq!(entry.to_string().parse(), Ok(*entry));
            let range = plan_entries(None, Some(*entry));
            let found = entries.iter().filter(|other| range.contains(&other.to_string())).count();
            assert_eq!(found, index, "{entry}");
        }
        let of = |version, before| {
            let range = plan_entries(Some(version), before);
            entries.iter().filter(|entry| range.contains(&entry.to_string())).count()
        };
        assert_eq!((of(1, None), of(2, None), of(3, None), of(11, None)), (2, 1, 0, 1));
        assert_eq!((of(1, Some(entries[1])), of(2, Some(entries[1])), of(1, Some(entries[3]))), (1, 0, 2));
    }

    #[test]
    fn present_state_sorts_before_all_history() {
        let id: DeploymentId = "0192f0c1-2345-7abc-8def-000000000000".parse().unwrap();
        assert!(deployment(id).sk.starts_with(PRESENT));
        assert!(!event(id, 1).sk.starts_with(PRESENT));
    }
}
