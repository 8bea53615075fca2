//! The least that an operation can cost: for each of them what must be read and what must be written, which follows from
//! what it is for and from where the design has put things. Nothing here looks at a request.
//!
//! A request reads one key, up to 100 keys at once, or one range of one partition in one order; it writes one record, or up
//! to 100 as a transaction. So the least number of requests is one for each read below that no other can be part of, and one
//! for all writes together.

use std::fmt::Write as _;

use Entry::{Appears, Goes, Moves, Rewritten};
use arcadia_domain::{Attention, InvoiceStatus, State};
use arcadia_store::keys::{
    DEFAULT_DUE_SHARDS, STATE_SHARDS, attention_partitions, due_partition, invoices_by_status_partition,
    invoices_partition, tenants_partition,
};
use arcadia_store::schema::{DUE_INDEX, STATE_INDEX, TENANT_INDEX};
use serde_json::Value;

use super::{TENANT, Target};
use crate::harness::capacity::{Consistency, Cost, Index, Items, half_read_units, item_size, write_units};

/// What an operation cannot do without.
#[derive(Debug, Clone, Default)]
pub struct Floor {
    /// Of the operation.
    pub name: String,
    reads: Vec<Read>,
    writes: Vec<Write>,
}

/// A read that no other can be part of, in words and exactly.
#[derive(Debug, Clone)]
struct Read(&'static str, Of);

#[derive(Debug, Clone)]
enum Of {
    /// The records of a partition whose sort keys begin so: one Query, consistent.
    Range { pk: String, prefix: &'static str },
    /// All records of partitions: a Query of each.
    Partitions(Vec<String>),
    /// Records by their keys: one GetItem or BatchGetItem, consistent or not.
    Keys(Vec<(String, String)>, Consistency),
    /// The entries of partitions of an index, up to a sort key: a Query of each.
    Entries { index: &'static str, partitions: Vec<String>, until: String },
}

/// A record that changes, by its `type`, and what becomes of its entries in the indexes.
pub type Write = (&'static str, &'static [(&'static str, Entry)]);

/// What becomes of an entry of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// It was not there before.
    Appears,
    /// It stays where it is, but shows something else.
    Rewritten,
    /// It stands elsewhere from now on: one write to delete it, and one to put it.
    Moves,
    /// It is there no longer.
    Goes,
}

/// The record that a change of a deployment always writes: lists show it whole, and its version has gone up.
const DEPLOYMENT: Write = ("deployment", &[(TENANT_INDEX, Rewritten)]);
/// The same with another next action.
const DUE_ELSEWHERE: Write = ("deployment", &[(TENANT_INDEX, Rewritten), (DUE_INDEX, Moves)]);
/// The same in another state too.
const IN_ANOTHER_STATE: Write = ("deployment", &[(TENANT_INDEX, Rewritten), (STATE_INDEX, Moves), (DUE_INDEX, Moves)]);
const EVENT: Write = ("event", &[]);
const SUBSCRIPTION: Write = ("subscription", &[]);
/// The same where there was none that was live: it is listed as one of its plan.
const SUBSCRIBED: Write = ("subscription", &[(STATE_INDEX, Appears)]);
/// The same with another plan.
const OF_ANOTHER_PLAN: Write = ("subscription", &[(STATE_INDEX, Moves)]);
const ADDON: Write = ("subscription_addon", &[]);
/// An invoice that is issued: it is listed as the tenant's, as everyone's, and as open.
const INVOICE: Write = ("invoice", &[(TENANT_INDEX, Appears), (STATE_INDEX, Appears), (DUE_INDEX, Appears)]);
/// An invoice whose status stays.
const INVOICE_STAYS: Write = ("invoice", &[(TENANT_INDEX, Rewritten)]);
/// An invoice that is settled.
const INVOICE_SETTLED: Write = ("invoice", &[(TENANT_INDEX, Rewritten), (DUE_INDEX, Goes)]);
/// An invoice that is taken back.
const INVOICE_VOID: Write = ("invoice", &[(TENANT_INDEX, Rewritten), (DUE_INDEX, Moves)]);
/// An invoice that was settled and is owed again.
const INVOICE_OWED_AGAIN: Write = ("invoice", &[(TENANT_INDEX, Rewritten), (DUE_INDEX, Appears)]);
/// A granted credit or a refund.
const MOVEMENT: Write = ("balance_movement", &[(TENANT_INDEX, Appears)]);
const RESOURCE: Write = ("resource", &[]);

/// A coupon, which the list of coupons shows.
const COUPON: Write = ("coupon", &[(TENANT_INDEX, Rewritten)]);

/// The fields of a tenant, which the list of tenants shows.
const ACCOUNT: Write = ("account", &[(TENANT_INDEX, Rewritten)]);
const TENANT_EVENT: Write = ("tenant_event", &[]);
/// An event of the catalog, which the list of all of them shows.
const CATALOG_EVENT: Write = ("catalog_event", &[(TENANT_INDEX, Appears)]);

/// What a new deployment consists of.
const CREATION: &[Write] = &[
    ("deployment", &[(TENANT_INDEX, Appears), (STATE_INDEX, Appears)]),
    ("slug_claim", &[(TENANT_INDEX, Appears)]),
    EVENT,
    ("tenant_limits", &[]),
];

/// What is written of an operation that starts.
const STARTED: &[Write] = &[("operation", &[(TENANT_INDEX, Appears)]), ("running_operations", &[])];

/// The last sort key that there can be.
const END: &str = "~";

impl Floor {
    /// What an operation must read and write, by its name in the table of `costs.rs`.
    pub fn of(name: &str, target: &Target) -> Self {
        let areas = [lists, deployments, subscriptions, invoices, catalog, operations, scheduled];
        let found = areas.iter().find_map(|area| area(name, target));
        let found = found.unwrap_or_else(|| panic!("nobody has thought about what {name} must do"));
        Self { name: name.to_owned(), ..found }
    }

    /// More that must be written.
    pub fn writing(mut self, writes: &[Write]) -> Self {
        self.writes.extend_from_slice(writes);
        self
    }

    /// What that costs with the records as they are stored. What changed must be what has to be written, record by record.
    pub fn cost(&self, before: &Items, after: &Items, indexes: &[Index]) -> Cost {
        let mut cost: Cost = self.reads.iter().map(|Read(_, of)| of.cost(before, indexes)).sum();
        let mut declared = self.writes.clone();
        let times = if declared.len() > 1 { 2 } else { 1 };
        for (key, record) in after.iter().chain(before.iter().filter(|(key, _)| !after.contains_key(*key))) {
            let (old, new) = (before.get(key), after.get(key));
            if old == new {
                continue;
            }
            let kind = record["type"]["S"].as_str().expect("a type");
            let found = declared.iter().position(|(declared, _)| *declared == kind);
            let (_, entries) =
                declared.swap_remove(found.unwrap_or_else(|| panic!("{}: {key:?} need not have changed", self.name)));
            cost.write_units += times * write_units(old, new);
            for (name, entry) in entries {
                let index = indexes.iter().find(|index| index.name == *name).expect("an index");
                cost.add_index(name, entry.write_units(index.entry(old).as_ref(), index.entry(new).as_ref()));
            }
        }
        assert!(declared.is_empty(), "{}: these should have changed: {declared:?}", self.name);
        cost.requests += usize::from(!self.writes.is_empty());
        cost
    }

    /// What must be read, in words.
    pub fn reads(&self) -> String {
        let words: Vec<&str> = self.reads.iter().map(|Read(words, _)| *words).collect();
        words.join("; ")
    }

    /// What must be written, in words.
    pub fn writes(&self) -> String {
        let mut words = Vec::new();
        for (kind, entries) in &self.writes {
            let mut word = kind.replace('_', " ");
            for (n, (index, entry)) in entries.iter().enumerate() {
                write!(word, "{} {index} {}", if n == 0 { ":" } else { "," }, entry.word()).expect("a text");
            }
            words.push(word);
        }
        words.join("; ")
    }
}

impl Of {
    fn cost(&self, items: &Items, indexes: &[Index]) -> Cost {
        let (requests, half_read_units) = match self {
            Self::Range { pk, prefix } => {
                let found = items.iter().filter(|((found, sk), _)| found == pk && sk.starts_with(prefix));
                (1, half_read_units(found.map(|(_, item)| item_size(item)).sum(), Consistency::Strong))
            }
            Self::Partitions(partitions) => {
                let of_one = |partition: &String| {
                    let found = items.iter().filter(|((pk, _), _)| pk == partition);
                    half_read_units(found.map(|(_, item)| item_size(item)).sum(), Consistency::Strong)
                };
                (partitions.len(), partitions.iter().map(of_one).sum())
            }
            Self::Keys(keys, consistency) => {
                let size = |key| items.get(key).map_or(0, item_size);
                (1, keys.iter().map(|key| half_read_units(size(key), *consistency)).sum())
            }
            Self::Entries { index, partitions, until } => {
                let index = indexes.iter().find(|found| found.name == *index).expect("an index");
                let [pk, sk] = ["PK", "SK"].map(|part| format!("{}{part}", index.name));
                let entries: Vec<Value> = items.values().filter_map(|item| index.entry(Some(item))).collect();
                let text = |entry: &Value, name: &str| entry[name]["S"].as_str().expect("a key").to_owned();
                let of_one = |partition: &String| {
                    let found = entries
                        .iter()
                        .filter(|e| text(e, &pk) == *partition && text(e, &sk).as_str() <= until.as_str());
                    half_read_units(found.map(item_size).sum(), Consistency::Eventual)
                };
                (partitions.len(), partitions.iter().map(of_one).sum())
            }
        };
        Cost { requests, half_read_units, ..Cost::default() }
    }
}

impl Entry {
    fn write_units(self, old: Option<&Value>, new: Option<&Value>) -> usize {
        let there = (old.is_some(), new.is_some());
        assert_eq!(there, (self != Appears, self != Goes), "an entry does not do what it should: {self:?}");
        match self {
            Appears | Rewritten | Goes => write_units(old, new),
            Moves => write_units(old, None) + write_units(None, new),
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Appears => "appears",
            Rewritten => "rewritten",
            Moves => "moves",
            Goes => "goes",
        }
    }
}

fn lists(name: &str, target: &Target) -> Option<Floor> {
    let Target { id, .. } = target;
    let listed = || Read("those deployments", Of::Keys(target.listed.clone(), Consistency::Eventual));
    // Whose a deployment is stands in its own record.
    let owner = || Read("whose it is", Of::Keys(vec![part(id, "#DEPLOYMENT")], Consistency::Strong));
    Some(match name {
        "show_lifecycle" => reading([]),
        "list_deployments" => reading([Read("a page of the tenant", tenants("TENANT#lister"))]),
        "list_deployments, by slug" => {
            reading([Read("who has the slug", record("TENANT#lister", "SLUG#listed-0")), present(id)])
        }
        "list_deployments, everyone's" => {
            reading([Read("a page of every state and shard", states(&State::ALL)), listed()])
        }
        "list_deployments, everyone's active" => {
            reading([Read("a page of every shard of the state", states(&[State::Active])), listed()])
        }
        "list_deployments, everyone's of a plan" => {
            let partitions = (0..STATE_SHARDS).map(|shard| format!("PLAN#studio#{shard:03}")).collect();
            let of_plan = Of::Entries { index: STATE_INDEX, partitions, until: END.to_owned() };
            reading([Read("a page of every shard of the plan", of_plan), listed()])
        }
        "list_attention" => {
            let partitions = Attention::ALL.into_iter().flat_map(attention_partitions).collect();
            reading([Read("the traces of every reason", Of::Partitions(partitions))])
        }
        "show_summary" => {
            let figures = |prefix| Of::Range { pk: "FIGURES".to_owned(), prefix };
            let partitions = (0..DEFAULT_DUE_SHARDS).map(due_partition).collect();
            let due = Of::Entries { index: DUE_INDEX, partitions, until: target.until.clone() };
            reading([
                Read("the totals", figures("TOTAL#")),
                Read("the movements of the month", figures("MONTH#")),
                Read("the hours since", figures("HOUR#")),
                Read("what is due first in each shard", due),
                Read("what is put off", Of::Range { pk: "ATTENTION#postponed#000".to_owned(), prefix: "" }),
                Read("what is not published", Of::Range { pk: "ATTENTION#not_published#000".to_owned(), prefix: "" }),
            ])
        }
        "list_tenants" => {
            let partitions = (0..STATE_SHARDS).map(tenants_partition).collect();
            let all = Of::Entries { index: TENANT_INDEX, partitions, until: END.to_owned() };
            reading([
                Read("a page of every shard of all tenants", all),
                Read("the deployments of each", tenants("TENANT#lister")),
            ])
        }
        "list_schedule" => reading([Read("the tenant's deployments", tenants("TENANT#lister"))]),
        "list_schedule, everyone's" => {
            let partitions = (0..DEFAULT_DUE_SHARDS).map(due_partition).collect();
            let due = Of::Entries { index: DUE_INDEX, partitions, until: END.to_owned() };
            reading([Read("a page of every shard of the due index", due), listed()])
        }
        "find_invoices" => reading([Read("a page of the tenant's invoices", tenants("TENANT#lister#INVOICES"))]),
        // Each deployment knows what it owes, and nothing is owed.
        "find_invoices, a tenant's overdue" => reading([Read("the tenant's deployments", tenants("TENANT#lister"))]),
        "find_invoices, everyone's" => {
            let partitions = (0..DEFAULT_DUE_SHARDS).map(invoices_partition).collect();
            let all = Of::Entries { index: STATE_INDEX, partitions, until: END.to_owned() };
            let billed = Of::Keys(target.billed.clone(), Consistency::Eventual);
            reading([Read("a page of every shard of all invoices", all), Read("those invoices", billed)])
        }
        "find_invoices, everyone's overdue" => {
            let open = |shard| invoices_by_status_partition(InvoiceStatus::Open, shard);
            let partitions = (0..DEFAULT_DUE_SHARDS).map(open).collect();
            let open = Of::Entries { index: DUE_INDEX, partitions, until: END.to_owned() };
            reading([Read("a page of every shard of what is open", open)])
        }
        "show_account" => reading([Read("the tenant's deployments", tenants(&format!("TENANT#{TENANT}")))]),
        "show_deployment" => reading([present(id), history("a page of its events", id, "EVENT#")]),
        // Each event says whose it is.
        "list_events" => reading([history("a page of its events", id, "EVENT#")]),
        "list_resources" => reading([owner(), history("a page of its resources", id, "RESOURCE#")]),
        "list_invoices" => reading([owner(), history("a page of its invoices", id, "INVOICE#")]),
        _ => return None,
    })
}

fn deployments(name: &str, target: &Target) -> Option<Floor> {
    let Target { id, resource_id, .. } = target;
    Some(match name {
        "create_deployment" => {
            let limits = Read("the tenant's limits", record(&format!("TENANT#{TENANT}"), "#LIMITS"));
            reading([limits]).writing(CREATION)
        }
        "create_deployment, a tenant's first" => {
            // There is nothing to be read, which costs as much as a record.
            let limits = Read("the tenant's limits", record("TENANT#nobody", "#LIMITS"));
            reading([limits]).writing(CREATION).writing(&[("account", &[(TENANT_INDEX, Appears)])])
        }
        "update_deployment" => reading([present(id)]).writing(&[DEPLOYMENT, EVENT]),
        // Whoever is paused is not billed, so nothing is due any more.
        "transition_deployment" => reading([present(id)]).writing(&[
            ("deployment", &[(TENANT_INDEX, Rewritten), (STATE_INDEX, Moves), (DUE_INDEX, Goes)]),
            SUBSCRIPTION,
            EVENT,
        ]),
        "create_resource" => reading([present(id)]).writing(&[DEPLOYMENT, RESOURCE, EVENT]),
        "delete_resource" => {
            let resource = Of::Keys(vec![part(id, &format!("RESOURCE#{resource_id}"))], Consistency::Strong);
            reading([present(id), Read("the resource", resource)]).writing(&[DEPLOYMENT, RESOURCE, EVENT])
        }
        _ => return None,
    })
}

fn subscriptions(name: &str, target: &Target) -> Option<Floor> {
    let Target { id, .. } = target;
    let version = || Read("the plan version that it comes back to", record("PLAN#studio", "VERSION#0000000001"));
    Some(match name {
        "subscribe_deployment" => {
            let tenant = format!("TENANT#{TENANT}");
            let wanted = [
                ("PLAN#studio", "#PLAN"),
                (tenant.as_str(), "TRIAL#studio"),
                (tenant.as_str(), "#DUNNING_POLICY"),
                ("ADDON#storage_50gb", "#ADDON"),
                ("ADDON#seats_10", "#ADDON"),
            ];
            let wanted = wanted.map(|(pk, sk)| (pk.to_owned(), sk.to_owned()));
            let offer = Of::Keys(wanted.into(), Consistency::Strong);
            reading([present(id), Read("the plan, the tenant's trial of it and policy, 2 add-ons", offer)]).writing(&[
                ("deployment", &[(TENANT_INDEX, Rewritten), (DUE_INDEX, Appears)]),
                SUBSCRIBED,
                ADDON,
                ADDON,
                INVOICE,
                EVENT,
                EVENT,
            ])
        }
        "attach_addon" => {
            let sold = Read("the add-on as it is sold", record("ADDON#storage_50gb", "#ADDON"));
            reading([present(id), sold]).writing(&[DEPLOYMENT, SUBSCRIPTION, ADDON, EVENT])
        }
        // The add-on is on an unpaid invoice, which is lowered.
        "detach_addon" => reading([present(id)]).writing(&[DEPLOYMENT, SUBSCRIPTION, ADDON, INVOICE_STAYS, EVENT]),
        "change_plan" => {
            let keys = [("PLAN#team".to_owned(), "#PLAN"), (format!("TENANT#{TENANT}"), "#DUNNING_POLICY")];
            let keys = keys.map(|(pk, sk)| (pk, sk.to_owned()));
            let plan = Read("the plan and the tenant's policy", Of::Keys(keys.into(), Consistency::Strong));
            // The invoice tells what was credited of it.
            reading([present(id), plan]).writing(&[DEPLOYMENT, OF_ANOTHER_PLAN, INVOICE_STAYS, EVENT])
        }
        // It is listed no longer as one that will change to the plan.
        "withdraw_plan_change" => {
            reading([present(id), version()]).writing(&[DEPLOYMENT, ("subscription", &[(DUE_INDEX, Goes)]), EVENT])
        }
        "cancel_subscription" => reading([present(id)]).writing(&[DEPLOYMENT, SUBSCRIPTION, EVENT]),
        "withdraw_cancellation" => reading([present(id), version()]).writing(&[DEPLOYMENT, SUBSCRIPTION, EVENT]),
        "grant_discount" => {
            let coupon = Read("the coupon", record("COUPON#partner", "#COUPON"));
            reading([present(id), coupon]).writing(&[DEPLOYMENT, SUBSCRIPTION, COUPON, EVENT])
        }
        "remove_discount" => reading([present(id)]).writing(&[DEPLOYMENT, SUBSCRIPTION, EVENT]),
        "extend_trial" => reading([present(id)]).writing(&[DUE_ELSEWHERE, SUBSCRIPTION, EVENT]),
        _ => return None,
    })
}

fn invoices(name: &str, target: &Target) -> Option<Floor> {
    let Target { id, number, .. } = target;
    let invoice = part(id, &format!("INVOICE#{number}"));
    // What is changed is read after its deployment: only an invoice that is no older cannot hide a payment.
    let changed = || Read("then the invoice", Of::Keys(vec![invoice.clone()], Consistency::Strong));
    Some(match name {
        "show_invoice" => {
            let both = Of::Keys(vec![part(id, "#DEPLOYMENT"), invoice], Consistency::Strong);
            reading([Read("whose it is, and the invoice", both)])
        }
        "record_payment" => {
            reading([present(id), changed()]).writing(&[DUE_ELSEWHERE, INVOICE_SETTLED, ("payment", &[]), EVENT])
        }
        // What it charged is no longer on the subscription's record.
        "void_invoice" => {
            reading([present(id), changed()]).writing(&[DUE_ELSEWHERE, SUBSCRIPTION, INVOICE_VOID, EVENT])
        }
        "update_invoice" => reading([present(id), changed()]).writing(&[DUE_ELSEWHERE, INVOICE_VOID, EVENT]),
        "reverse_payment" => reading([present(id), changed()]).writing(&[DUE_ELSEWHERE, INVOICE_OWED_AGAIN, EVENT]),
        // The charges are on the subscription's record.
        "issue_credit_note" => {
            reading([present(id), changed()]).writing(&[DUE_ELSEWHERE, SUBSCRIPTION, INVOICE_SETTLED, EVENT])
        }
        "write_off_invoice" | "withdraw_write_off" => {
            reading([present(id), changed()]).writing(&[DUE_ELSEWHERE, SUBSCRIPTION, INVOICE_VOID, EVENT])
        }
        "add_charge" => reading([present(id)]).writing(&[DEPLOYMENT, SUBSCRIPTION, EVENT]),
        "grant_credit" => reading([present(id)]).writing(&[DEPLOYMENT, MOVEMENT, EVENT]),
        "refund_balance" => {
            // There is nothing to be read, which costs as much as a record.
            let known = Of::Keys(vec![part(id, "REFUND#nothing")], Consistency::Strong);
            reading([present(id), Read("whether the reference is known", known)])
                .writing(&[DEPLOYMENT, MOVEMENT, EVENT])
        }
        "show_dunning_policy" => reading([tenant_and("#DUNNING_POLICY")]),
        "put_dunning_policy" => {
            reading([tenant_and("#DUNNING_POLICY")]).writing(&[ACCOUNT, TENANT_EVENT, ("dunning_policy", &[])])
        }
        "show_tenant" => reading([tenant_and("#LIMITS")]),
        "put_tenant" => reading([tenant_and("#LIMITS")]).writing(&[ACCOUNT, TENANT_EVENT]),
        "hold_tenant" | "release_tenant" => {
            let keys = ["#ACCOUNT", "#LIMITS"].map(|sk| ("TENANT#lister".to_owned(), sk.to_owned()));
            let both = Read("the tenant and its limits", Of::Keys(keys.into(), Consistency::Strong));
            reading([both, Read("how many deployments it has", tenants("TENANT#lister"))])
                .writing(&[ACCOUNT, TENANT_EVENT, ("tenant_limits", &[])])
                .writing(STARTED)
        }
        "list_tenant_events" => {
            let events = Of::Range { pk: format!("TENANT#{TENANT}"), prefix: "EVENT#" };
            reading([Read("a page of its events", events)])
        }
        _ => return None,
    })
}

fn catalog(name: &str, _: &Target) -> Option<Floor> {
    let plan = || Read("the plan", record("PLAN#studio", "#PLAN"));
    let addon = || Read("the add-on", record("ADDON#storage_50gb", "#ADDON"));
    let coupon = || Read("the coupon", record("COUPON#partner", "#COUPON"));
    let versions = Of::Range { pk: "PLAN#studio".to_owned(), prefix: "VERSION#" };
    Some(match name {
        "list_plans" => reading([Read("a page of all plans", tenants("PLANS"))]),
        "list_addons" => reading([Read("a page of all add-ons", tenants("ADDONS"))]),
        "show_plan" => reading([plan(), Read("a page of its versions", versions)]),
        "show_addon" => reading([addon()]),
        "put_plan" => reading([plan()]).writing(&[("plan", &[(TENANT_INDEX, Rewritten)]), CATALOG_EVENT]),
        "publish_plan_version" => {
            reading([plan()]).writing(&[("plan", &[(TENANT_INDEX, Rewritten)]), ("plan_version", &[]), CATALOG_EVENT])
        }
        "list_coupons" => reading([Read("a page of all coupons", tenants("COUPONS"))]),
        "show_coupon" => reading([coupon()]),
        "put_coupon" => reading([coupon()]).writing(&[COUPON, CATALOG_EVENT]),
        "put_addon" => reading([addon()]).writing(&[("addon", &[(TENANT_INDEX, Rewritten)]), CATALOG_EVENT]),
        "list_catalog_events" => reading([Read("a page of all events", tenants("CATALOG_EVENTS"))]),
        _ => return None,
    })
}

/// Of commands on many deployments.
fn operations(name: &str, target: &Target) -> Option<Floor> {
    let Target { operation_id, .. } = target;
    let partition = format!("OPERATION#{operation_id}");
    let itself = || Read("the operation", record(&partition, "#OPERATION"));
    Some(match name {
        "list_operations" => reading([Read("a page of all operations", tenants("OPERATIONS"))]),
        "start_operation" => reading([Read("how many match", tenants("TENANT#lister"))]).writing(STARTED),
        "start_operation, of a state" => {
            reading([Read("how many there are in every shard of the state", states(&[State::Active]))]).writing(STARTED)
        }
        "show_operation" => reading([itself()]),
        // The sort keys of results are ids.
        "list_operation_results" => reading([Read("a page of its results", Of::Range { pk: partition, prefix: "0" })]),
        "stop_operation" => reading([itself()]).writing(&[("operation", &[(TENANT_INDEX, Rewritten)])]),
        _ => return None,
    })
}

/// Of the clock. A sweep reads what is due in a shard once for all that is.
fn scheduled(name: &str, target: &Target) -> Option<Floor> {
    let Target { id, due, .. } = target;
    let entries = Of::Entries { index: DUE_INDEX, partitions: due.clone(), until: target.until.clone() };
    let found = Read("what is due in the shard", entries.clone());
    Some(match name {
        // What is owed for the new period, and when, follows from the policy as it is now.
        "renew" => {
            reading([found, present(id), policy()]).writing(&[DUE_ELSEWHERE, SUBSCRIPTION, INVOICE, EVENT, EVENT])
        }
        "mark past due" => reading([found, present(id)]).writing(&[IN_ANOTHER_STATE, EVENT]),
        // Whoever is suspended is not billed.
        "suspend" => reading([found, present(id)]).writing(&[IN_ANOTHER_STATE, SUBSCRIPTION, EVENT]),
        // Before a command, which reads the deployment anyway, nothing needs to be looked for.
        "before a command: renew" => reading([policy()]).writing(&[DUE_ELSEWHERE, SUBSCRIPTION, INVOICE, EVENT, EVENT]),
        "before a command: mark past due" => reading([]).writing(&[IN_ANOTHER_STATE, EVENT]),
        "before a command: suspend" => reading([]).writing(&[IN_ANOTHER_STATE, SUBSCRIPTION, EVENT]),
        "look, nothing being due" => reading([Read("what is due in each shard", entries)]),
        _ => return None,
    })
}

fn reading(reads: impl Into<Vec<Read>>) -> Floor {
    Floor { name: String::new(), reads: reads.into(), writes: Vec::new() }
}

fn present(id: &str) -> Read {
    history("its present state", id, "#")
}

fn history(words: &'static str, id: &str, prefix: &'static str) -> Read {
    Read(words, Of::Range { pk: format!("DEPLOYMENT#{id}"), prefix })
}

/// The tenant's fields and another record of it.
fn tenant_and(sk: &str) -> Read {
    let pk = format!("TENANT#{TENANT}");
    let words = if sk == "#LIMITS" { "the tenant and its limits" } else { "the tenant and its policy" };
    Read(words, Of::Keys(vec![(pk.clone(), "#ACCOUNT".to_owned()), (pk, sk.to_owned())], Consistency::Strong))
}

fn policy() -> Read {
    Read("the tenant's policy", record(&format!("TENANT#{TENANT}"), "#DUNNING_POLICY"))
}

fn part(id: &str, sk: &str) -> (String, String) {
    (format!("DEPLOYMENT#{id}"), sk.to_owned())
}

fn record(pk: &str, sk: &str) -> Of {
    Of::Keys(vec![(pk.to_owned(), sk.to_owned())], Consistency::Strong)
}

fn tenants(partition: &str) -> Of {
    Of::Entries { index: TENANT_INDEX, partitions: vec![partition.to_owned()], until: END.to_owned() }
}

fn states(states: &[State]) -> Of {
    let shards = |state| (0..STATE_SHARDS).map(move |shard| format!("STATE#{state}#{shard:03}"));
    Of::Entries { index: STATE_INDEX, partitions: states.iter().flat_map(shards).collect(), until: END.to_owned() }
}
