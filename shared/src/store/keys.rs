//! Every key string of the table, and nothing else makes one.
//!
//! Sort keys that begin with `#` are a deployment's present state and are read whole by one Query; history stands
//! under plain ones. No part of a key can contain `#` itself, except the tokens written here.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use uuid::Uuid;

use crate::domain::{
    DeploymentId, InvoiceNumber, NextAction, PaymentReference, ResourceId, ShortCode, Slug, State, SubscriptionAddonId,
    TenantId, Timestamp,
};

/// The first character of every sort key of the present state.
pub const PRESENT: &str = "#";

/// How the sort key of every event begins, and of nothing else.
pub const EVENT_PREFIX: &str = "EVENT#";

/// Over how many partitions of the state index each state is spread. Fixed for the life of the index.
pub const STATE_SHARDS: u8 = 4;

/// Over how many partitions the due index is spread unless the operator says otherwise. Fixed for the life of the index.
pub const DEFAULT_DUE_SHARDS: u8 = 16;

/// An item's primary key, or the key of an index entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The partition.
    pub pk: String,
    /// The place within it.
    pub sk: String,
}

/// The partition of a deployment and its history.
#[must_use]
pub fn partition(id: DeploymentId) -> String {
    format!("DEPLOYMENT#{id}")
}

/// The deployment itself.
#[must_use]
pub fn deployment(id: DeploymentId) -> Key {
    Key { pk: partition(id), sk: "#DEPLOYMENT".to_owned() }
}

/// A deployment's subscription.
#[must_use]
pub fn subscription(id: DeploymentId) -> Key {
    Key { pk: partition(id), sk: "#SUBSCRIPTION".to_owned() }
}

/// One add-on of that subscription.
#[must_use]
pub fn subscription_addon(id: DeploymentId, addon_id: SubscriptionAddonId) -> Key {
    Key { pk: partition(id), sk: format!("#SUBSCRIPTION#ADDON#{addon_id}") }
}

/// One event. Sequences are padded, so that keys sort as numbers do.
#[must_use]
pub fn event(id: DeploymentId, sequence: u64) -> Key {
    Key { pk: partition(id), sk: event_sort_key(sequence) }
}

/// One cloud resource.
#[must_use]
pub fn resource(id: DeploymentId, resource_id: ResourceId) -> Key {
    Key { pk: partition(id), sk: format!("RESOURCE#{resource_id}") }
}

/// One invoice. Numbers begin with a time, so keys sort by it.
#[must_use]
pub fn invoice(id: DeploymentId, number: &InvoiceNumber) -> Key {
    Key { pk: partition(id), sk: format!("INVOICE#{number}") }
}

/// The sort keys of invoices before `before`, or of all.
#[must_use]
pub fn invoices_before(before: Option<&InvoiceNumber>) -> RangeInclusive<String> {
    let last = before.map_or_else(|| "INVOICE#~".to_owned(), just_before_number);
    "INVOICE#".to_owned()..=last
}

/// The mark that a payment was taken note of.
#[must_use]
pub fn payment(id: DeploymentId, reference: &PaymentReference) -> Key {
    Key { pk: partition(id), sk: format!("PAYMENT#{reference}") }
}

/// A tenant's dunning policy.
#[must_use]
pub fn dunning_policy(tenant_id: &TenantId) -> Key {
    Key { pk: tenant_partition(tenant_id), sk: "#DUNNING_POLICY".to_owned() }
}

/// The claim of a tenant on a slug.
#[must_use]
pub fn slug_claim(tenant_id: &TenantId, slug: &Slug) -> Key {
    Key { pk: tenant_partition(tenant_id), sk: format!("SLUG#{slug}") }
}

/// The mark that a tenant has had its one trial of a plan.
#[must_use]
pub fn trial_claim(tenant_id: &TenantId, plan_code: &ShortCode) -> Key {
    Key { pk: tenant_partition(tenant_id), sk: format!("TRIAL#{plan_code}") }
}

/// A plan.
#[must_use]
pub fn plan(code: &ShortCode) -> Key {
    Key { pk: plan_partition(code), sk: "#PLAN".to_owned() }
}

/// The partition of a plan and its versions.
#[must_use]
pub fn plan_partition(code: &ShortCode) -> String {
    format!("PLAN#{code}")
}

/// One version of a plan.
#[must_use]
pub fn plan_version(code: &ShortCode, version: u32) -> Key {
    Key { pk: plan_partition(code), sk: plan_version_sort_key(version) }
}

/// The sort keys of a plan's versions before `before`, or of all.
#[must_use]
pub fn plan_versions_before(before: Option<u32>) -> RangeInclusive<String> {
    let last = before.map_or(u32::MAX, |version| version.saturating_sub(1));
    plan_version_sort_key(0)..=plan_version_sort_key(last)
}

/// An add-on of the catalog.
#[must_use]
pub fn addon(code: &ShortCode) -> Key {
    Key { pk: format!("ADDON#{code}"), sk: "#ADDON".to_owned() }
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

/// The partition of all plans, in the tenant index.
pub const PLANS: &str = "PLANS";
/// The partition of all add-ons, in the tenant index.
pub const ADDONS: &str = "ADDONS";

/// What a request was answered with, by a digest of its caller and its key: both can be any text.
#[must_use]
pub fn idempotency(id: &str) -> Key {
    Key { pk: format!("IDEMPOTENCY#{id}"), sk: "#ANSWER".to_owned() }
}

/// A place where nothing is ever stored.
#[must_use]
pub fn nobody() -> Key {
    Key { pk: "NOBODY".to_owned(), sk: PRESENT.to_owned() }
}

/// The sort keys of events after one and before another, or of all after it.
#[must_use]
pub fn events_between(after: u64, before: Option<u64>) -> RangeInclusive<String> {
    let last = before.map_or(u64::MAX, |sequence| sequence.saturating_sub(1));
    let range = event_sort_key(after.saturating_add(1))..=event_sort_key(last);
    // DynamoDB refuses a range that is upside down; there is no event 0.
    if range.is_empty() { event_sort_key(0)..=event_sort_key(0) } else { range }
}

/// The sort keys of resources older than `before`, or of all.
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

/// A slug claim's entry in the same index: who else uses the slug.
#[must_use]
pub fn slug_index(slug: &Slug, id: DeploymentId) -> Key {
    Key { pk: slug_partition(slug), sk: id.to_string() }
}

/// A deployment's entry in the state index (`GSI2`).
#[must_use]
pub fn state_index(state: State, id: DeploymentId) -> Key {
    Key { pk: state_partition(state, shard(id, STATE_SHARDS)), sk: id.to_string() }
}

/// A deployment's entry in the due index (`GSI3`): when the clock has to look at it next.
#[must_use]
pub fn due_index(next: NextAction, id: DeploymentId, shards: u8) -> Key {
    Key { pk: due_partition(shard(id, shards)), sk: due_sort_key(next.at, id) }
}

/// A place in the due index: a deployment and when it is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DueEntry {
    /// When it is due.
    pub at: Timestamp,
    /// The deployment.
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

/// The sort keys of what is due after an entry and before a moment, or of all.
#[must_use]
pub fn due_between(after: Option<DueEntry>, before: Option<Timestamp>) -> RangeInclusive<String> {
    let first = after.map_or_else(|| "0".to_owned(), |entry| format!("{entry}!"));
    // No deployment has the least of all ids.
    let last = before.map_or_else(|| "~".to_owned(), |at| due_sort_key(at, DeploymentId::new(Uuid::nil())));
    // DynamoDB refuses a range that is upside down.
    if first > last { last.clone()..=last } else { first..=last }
}

/// The sort key of a deployment that is due at `at`. A time of fixed width sorts as text as it does as time.
#[must_use]
pub fn due_sort_key(at: Timestamp, id: DeploymentId) -> String {
    format!("{}#{id}", at.format("%Y-%m-%dT%H:%M:%S%.3fZ"))
}

/// When the deployment of a sort key of the due index is due.
#[must_use]
pub fn due_at(sort_key: &str) -> Option<Timestamp> {
    sort_key.split_once('#')?.0.parse().ok()
}

/// The last sort key of what is due at `now`.
#[must_use]
pub fn due_until(now: Timestamp) -> String {
    due_sort_key(now, DeploymentId::new(Uuid::max()))
}

/// The first sort key after an entry, or of all.
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

/// The partition of everything that belongs to a tenant as a whole, in the table and in the tenant index.
#[must_use]
pub fn tenant_partition(tenant_id: &TenantId) -> String {
    format!("TENANT#{tenant_id}")
}

/// The partition of everyone who uses a slug, in the tenant index.
#[must_use]
pub fn slug_partition(slug: &Slug) -> String {
    format!("SLUG#{slug}")
}

/// The index sort keys of deployments older than `before`, or of all.
#[must_use]
pub fn deployments_before(before: Option<DeploymentId>) -> RangeInclusive<String> {
    let last = before.map_or(Uuid::max(), |id| just_before(id.as_uuid()));
    Uuid::nil().to_string()..=last.to_string()
}

/// Reads a deployment's id back from its partition.
#[must_use]
pub fn deployment_id(pk: &str) -> Option<DeploymentId> {
    pk.strip_prefix("DEPLOYMENT#")?.parse().ok()
}

fn plan_version_sort_key(version: u32) -> String {
    format!("VERSION#{version:010}")
}

fn event_sort_key(sequence: u64) -> String {
    const MAX: u64 = 9_999_999_999;
    format!("{EVENT_PREFIX}{:010}", sequence.min(MAX))
}

/// A sort key between an invoice number and every smaller one: numbers are of one length, so what is a character short
/// and then as great as can be comes right before.
fn just_before_number(number: &InvoiceNumber) -> String {
    let text = number.as_str();
    let (head, tail) = text.split_at(text.len() - 1);
    let smaller = tail.bytes().next().map_or(b' ', |last| last - 1);
    format!("INVOICE#{head}{}~", char::from(smaller))
}

/// The greatest UUID smaller than `id`, so that an inclusive range can end short of `id`.
fn just_before(id: Uuid) -> Uuid {
    Uuid::from_u128(id.as_u128().saturating_sub(1))
}

/// Spreads ids over shards by the random end of a UUIDv7; its beginning is a time and would not spread.
fn shard(id: DeploymentId, shards: u8) -> u8 {
    let [.., last] = *id.as_uuid().as_bytes();
    last % shards.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Action;

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
            (addon(&code), "ADDON#studio".to_owned(), "#ADDON".to_owned()),
            (trial_claim(&tenant, &code), "TENANT#acme".to_owned(), "TRIAL#studio".to_owned()),
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
    fn present_state_sorts_before_all_history() {
        let id: DeploymentId = "0192f0c1-2345-7abc-8def-000000000000".parse().unwrap();
        assert!(deployment(id).sk.starts_with(PRESENT));
        assert!(!event(id, 1).sk.starts_with(PRESENT));
    }
}
